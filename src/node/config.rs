//! A node's configuration: TOML, nothing unknown in it, paths relative to its own folder.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::NodeError;
use crate::engine::Limits;
use crate::form;
use crate::hex::unhex;
use crate::log::cosign::CosignerKey;
use crate::log::note::VerifierKey;
use crate::name::{Deployment, GalleryName, RelyingParty};
use crate::party::Party;

/// What a node is told.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Which party.
    pub party: Party,
    /// The installation.
    pub deployment: Deployment,
    /// Where clients are listened to, `host:port`.
    #[serde(deserialize_with = "form::address")]
    pub public: String,
    /// Where peers are listened to, `host:port`.
    #[serde(deserialize_with = "form::address")]
    pub peer: String,
    /// What is allowed: the same file at all three nodes.
    pub policy: PathBuf,
    /// Which templates are compared: the same file at all three nodes.
    pub models: PathBuf,
    /// Folder of store and log.
    pub data: PathBuf,
    /// Folder of keys and certificates.
    pub keys: PathBuf,
    /// Bases of the `htu` that proofs may name, `https://host:port`: how clients call the leader.
    #[serde(deserialize_with = "form::bases")]
    pub bases: Vec<String>,
    /// Certificates of clients or their authorities, for tokens bound to a certificate (`x5t#S256`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clients: Vec<PathBuf>,
    /// Who may approve searches; without it, nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub officers: Option<PathBuf>,
    /// Who may issue tokens.
    pub issuers: Vec<IssuerConfig>,
    /// The two other nodes.
    pub peers: Vec<PeerConfig>,
    /// The port for auditors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<AuditConfig>,
    /// How much at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<LimitsConfig>,
    /// To start by the clock as it is, although the node has acted at a later time. Said on the command line, for one start.
    #[serde(skip)]
    pub accept_clock: bool,
    /// To take the store as it is, although others have made changes that it lacks. Said on the command line, for one start.
    #[serde(skip)]
    pub accept_store: bool,
    /// Hours after which a new envelope key is drawn; the one before it is taken for as long again. 24 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub envelope_key_hours: Option<f64>,
    /// Hours after which the links are hung up and shaken anew. 24 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_hours: Option<f64>,
    /// Folder of the file: what relative paths are relative to.
    #[serde(skip)]
    folder: PathBuf,
    /// The file.
    #[serde(skip)]
    file: PathBuf,
}

/// An issuer of tokens.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerConfig {
    /// Its `iss`.
    pub name: String,
    /// Its keys, a JWK set.
    pub jwks: PathBuf,
    /// Those that it speaks for, at least one: its tokens in any other name are refused.
    pub relying_parties: Vec<RelyingParty>,
    /// Their galleries, each of one of them. People are enrolled into these alone; none if absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub galleries: Vec<GalleryName>,
}

/// Another node.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerConfig {
    /// Which party.
    pub party: Party,
    /// Its peer listener, `host:port`.
    #[serde(deserialize_with = "form::address")]
    pub address: String,
    /// Its certificate for peers, PEM.
    pub certificate: PathBuf,
    /// Its Ed25519 identity key, 64 hexadecimal digits.
    #[serde(deserialize_with = "form::identity")]
    pub identity: String,
    /// What auditors see of it; needed if this node has a port for auditors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<PeerAuditConfig>,
}

impl PeerConfig {
    /// The identity key's 32 bytes.
    pub(super) fn identity(&self) -> Option<[u8; 32]> {
        unhex(&self.identity)
    }
}

/// How much a node takes on at once; what is absent is as good as it is without the table.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsConfig {
    /// Batches under way at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<NonZeroUsize>,
    /// Requests of one batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<NonZeroUsize>,
    /// Requests of one relying party that wait at the leader for a batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<NonZeroUsize>,
    /// Milliseconds that another node may take for each of its words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience_ms: Option<NonZeroU64>,
    /// Connections of clients, from 8; what the limit of open files leaves if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_connections: Option<usize>,
    /// Connections of auditors, from 8; a quarter of what is left for callers if absent, and at most 256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auditor_connections: Option<usize>,
    /// Connections of one address at the port for clients, and at that for auditors, from 8. Half of all at the one and a quarter at
    /// the other if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections_per_address: Option<usize>,
}

impl Config {
    /// Reads a configuration.
    ///
    /// # Errors
    /// [`NodeError::File`], [`NodeError::Config`].
    pub fn read(path: &Path) -> Result<Self, NodeError> {
        let text = read(path)?;
        let config = form::parse(&text).map_err(|error| NodeError::Config(path.to_owned(), error))?;
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        Ok(Self { folder, file: path.to_owned(), ..config })
    }

    /// The file as it stands now.
    pub(super) fn read_again(&self) -> Result<Self, NodeError> {
        Self::read(&self.file)
    }

    /// The file.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// A path of the configuration, from where the process stands.
    #[must_use]
    pub fn path(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
    }

    /// The text of a file that the configuration names.
    pub(super) fn text(&self, path: &Path) -> Result<String, NodeError> {
        read(&self.path(path))
    }

    /// The bytes of a file that the configuration names.
    pub(super) fn bytes(&self, path: &Path) -> Result<Vec<u8>, NodeError> {
        let path = self.path(path);
        std::fs::read(&path).map_err(|error| NodeError::File(path, error))
    }

    /// Each port has an address of its own, but for port 0, where the system gives one.
    pub(super) fn apart(&self) -> Result<(), NodeError> {
        let audit = self.audit.as_ref().map(|audit| ("audit.address", &audit.address));
        let all: Vec<_> = [("public", &self.public), ("peer", &self.peer)].into_iter().chain(audit).collect();
        for (place, (second, address)) in all.iter().enumerate() {
            let same = all[..place].iter().find(|(_, other)| other == address && !address.ends_with(":0"));
            if let Some((first, _)) = same {
                return Err(NodeError::Twice { first, second, address: (*address).clone() });
            }
        }
        Ok(())
    }

    /// For how long an envelope key is current. Two such times end before a request id is forgotten.
    pub(super) fn envelope_life(&self) -> Result<Duration, NodeError> {
        hours("envelope_key_hours", self.envelope_key_hours, 72)
    }

    /// For how long a link stays up.
    pub(super) fn link_life(&self) -> Result<Duration, NodeError> {
        hours("link_hours", self.link_hours, 24)
    }

    /// The limits, or what is good without any.
    pub(super) fn limits(&self) -> Limits {
        let default = Limits::default();
        self.limits.as_ref().map_or(default, |limits| Limits {
            in_flight: limits.in_flight.map_or(default.in_flight, NonZeroUsize::get),
            batch: limits.batch.map_or(default.batch, NonZeroUsize::get),
            waiting: limits.waiting.map_or(default.waiting, NonZeroUsize::get),
            patience: limits.patience_ms.map_or(default.patience, |ms| Duration::from_millis(ms.get())),
            ..default
        })
    }
}

/// From a few seconds on, so that it can be tried.
fn hours(key: &'static str, given: Option<f64>, most: u32) -> Result<Duration, NodeError> {
    let hours = given.unwrap_or(24.0);
    if (0.001..=f64::from(most)).contains(&hours) {
        Ok(Duration::from_secs_f64(hours * 3600.0))
    } else {
        Err(NodeError::Hours { key, most })
    }
}

fn read(path: &Path) -> Result<String, NodeError> {
    std::fs::read(path).and_then(form::text).map_err(|error| NodeError::File(path.to_owned(), error))
}

/// The port for auditors. Without it there is none, and this node cosigns nobody.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditConfig {
    /// Where it listens, `host:port`.
    #[serde(deserialize_with = "form::address")]
    pub address: String,
    /// Without TLS: for a proxy on the same machine that has it.
    #[serde(default)]
    pub plain: bool,
    /// Outside witnesses, who are asked to cosign this node's log beside the two other nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub witnesses: Vec<WitnessConfig>,
}

/// An outside witness.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessConfig {
    /// Its cosigner's key, `NAME+HASH+BASE64`.
    #[serde(deserialize_with = "form::text_of::<_, CosignerKey>")]
    pub key: String,
    /// Where it is asked: `/add-checkpoint` is put behind it.
    #[serde(deserialize_with = "form::url")]
    pub url: String,
    /// PEM that its certificate must lead to, where that is no authority that browsers believe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<PathBuf>,
}

/// What auditors see of another node.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerAuditConfig {
    /// The key of its log, without a half-year.
    #[serde(deserialize_with = "form::text_of::<_, VerifierKey>")]
    pub log_key: String,
    /// The key with which it cosigns.
    #[serde(deserialize_with = "form::text_of::<_, CosignerKey>")]
    pub cosigner: String,
    /// Its port for auditors.
    #[serde(deserialize_with = "form::url")]
    pub url: String,
    /// PEM that the certificate there must lead to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<PathBuf>,
}
