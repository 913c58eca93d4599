//! Why a node did not start.

use std::path::{Path, PathBuf};

use super::LEAST_DESCRIPTORS;
use crate::form::FormError;
use crate::log::access::LogError;
use crate::party::Party;
use crate::peer::Behind;
use crate::pem::KeyFault;
use crate::store::StoreError;
use crate::template::model::ModelsError;
use crate::tls::TlsError;
use crate::token::{OfficersError, PolicyError, TrustError};
use crate::web::WebError;

/// A node that can not start. Fix the configuration; nothing was served.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// A file that can not be read.
    #[error("{}", .0.display())]
    File(PathBuf, #[source] std::io::Error),
    /// A configuration that does not have its form.
    #[error("{}", .0.display())]
    Config(PathBuf, #[source] FormError),
    /// What is wrong with the configuration as a whole.
    #[error("{}", .0.display())]
    Of(PathBuf, #[source] Box<NodeError>),
    /// Peers that are not the two others, each once.
    #[error("[[peers]] must be the two other parties, each once")]
    Peers,
    /// Two ports of this node at one address.
    #[error("{first} and {second} are the same address, {address}: give each a port of its own")]
    Twice {
        /// The key of the one.
        first: &'static str,
        /// That of the other.
        second: &'static str,
        /// `host:port`.
        address: String,
    },
    /// A key file that does not hold its key.
    #[error("{}", .0.display())]
    Key(PathBuf, #[source] KeyFault),
    /// A time that is too short or too long.
    #[error("{key} must be 0.001 to {most} hours")]
    Hours {
        /// Which.
        key: &'static str,
        /// The longest that it may be.
        most: u32,
    },
    /// The system allows too few open files.
    #[error(
        "the system allows {limit} open files, and a node needs {LEAST_DESCRIPTORS}: raise it, by ulimit -n or systemd's LimitNOFILE"
    )]
    Descriptors {
        /// How many it allows.
        limit: usize,
    },
    /// A number of connections that is too small or too large.
    #[error("limits.{key} must be 8 to {most}: the system allows {limit} open files")]
    Connections {
        /// Which.
        key: &'static str,
        /// The largest that it may be.
        most: usize,
        /// Files that may be open.
        limit: usize,
    },
    /// An address that can not be listened on.
    #[error("{0}: can not listen")]
    Listen(String, #[source] std::io::Error),
    /// The models table.
    #[error("{}", .0.display())]
    Models(PathBuf, #[source] ModelsError),
    /// The policy.
    #[error("{}", .0.display())]
    Policy(PathBuf, #[source] PolicyError),
    /// The keys of an issuer of tokens.
    #[error("{}", .0.display())]
    Issuer(PathBuf, #[source] TrustError),
    /// Whose tokens are believed, for calls by which address.
    #[error("[[issuers]] or bases")]
    Trust(#[from] TrustError),
    /// The officers.
    #[error("{}", .0.display())]
    Officers(PathBuf, #[source] OfficersError),
    /// A file of a certificate or its key.
    #[error("{}", .0.display())]
    Certificate(PathBuf, #[source] TlsError),
    /// Certificates and keys that do not go together.
    #[error("certificates and keys")]
    Tls(#[from] TlsError),
    /// No store beside a log that was published: a new one would fork it.
    #[error(
        "{} is not there, and {} holds a published log: is the volume of data mounted? Put the newest store back, or restore a backup: \
         see docs/backup.md", store.display(), log.display()
    )]
    NoStore {
        /// Where it should be.
        store: PathBuf,
        /// Where the log is.
        log: PathBuf,
    },
    /// The store's file.
    #[error("{}", .0.display())]
    Open(PathBuf, #[source] StoreError),
    /// The store.
    #[error("the store can not be used")]
    Store(#[from] StoreError),
    /// The access log.
    #[error("the access log can not be opened")]
    Log(#[from] LogError),
    /// A node whose log this one is to show or to cosign, and whose keys it was not given.
    #[error("[peers.audit] of node {0} is missing")]
    Auditors(Party),
    /// A key of a log or a witness that is none.
    #[error("a log key or witness key in the configuration is not a C2SP verifier key")]
    VerifierKey,
    /// A certificate that another node's port for auditors must lead to.
    #[error("{}", .0.display())]
    Web(PathBuf, #[source] WebError),
    /// Its log is not the one that a peer cosigned.
    #[error(transparent)]
    Behind(#[from] Behind),
    /// The server reflection of the service.
    #[error("the service's descriptors are not valid")]
    Reflection(#[from] tonic_reflection::server::Error),
}

impl NodeError {
    /// With the configuration's file, if that is at fault and the error does not say so by itself.
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others name what is at fault")]
    pub(super) fn of(self, file: &Path) -> Self {
        match self {
            Self::Peers
            | Self::Twice { .. }
            | Self::Hours { .. }
            | Self::Connections { .. }
            | Self::Trust(_)
            | Self::Auditors(_)
            | Self::VerifierKey => Self::Of(file.to_owned(), Box::new(self)),
            other => other,
        }
    }
}
