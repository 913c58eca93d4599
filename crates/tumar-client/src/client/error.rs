//! Why a call gave no answer that can be believed, split by whose fault it is.

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::receipts::ReceiptFault;
use crate::party::Party;
use crate::prepare::{CommitteeFault, InputError};
use crate::reason::Reason;
use crate::seal::NoRandomness;
use crate::tls::{DialError, TlsError, Untrusted};

/// The `domain` of the service's reasons.
const DOMAIN: &str = "tumar.v1";

/// Why a call gave no answer that can be believed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// A node refused, and says why.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// Nobody answered at a node's address.
    #[error("the node at {address} can not be reached")]
    Unreachable {
        /// Where: `host:port`.
        address: String,
        /// Why.
        #[source]
        error: tonic::transport::Error,
    },
    /// Somebody answered, whose certificate is not the pinned one: to try again does not help.
    #[error("the server at {address} is not the pinned one")]
    Untrusted {
        /// Where.
        address: String,
        /// Why.
        #[source]
        fault: Untrusted,
    },
    /// The call ended without the service's own word: a lost connection, a deadline, or a server that is no node.
    #[error("the call ended without an answer ({})", .0.code())]
    Unanswered(Box<Status>),
    /// The nodes are not those that are pinned.
    #[error("committee not trusted: {0}")]
    Committee(#[from] CommitteeFault),
    /// The receipts do not show what the answer says.
    #[error("receipt not trusted: {0}")]
    Receipt(#[from] ReceiptFault),
    /// What was to be sent can not be.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The pinned certificate or the address is none.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl From<NoRandomness> for ClientError {
    fn from(none: NoRandomness) -> Self {
        Self::Input(none.into())
    }
}

/// A refusal in the service's own words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{reason}{}: {message}{}{}", .node.map(|node| format!(" (node {node})")).unwrap_or_default(), at_fault(.field.as_deref()),
    between(.link.as_deref(), .check.as_deref())
)]
pub struct Refusal {
    /// The gRPC status code.
    pub code: Code,
    /// Stable reason code: match on this.
    pub reason: String,
    /// Which node refused, by the leader's account.
    pub node: Option<Party>,
    /// A sentence for people.
    pub message: String,
    /// The claim of the token, or the field of the request, that is at fault.
    pub field: Option<String>,
    /// The two nodes that do not work together, as `B-C`; several with commas between.
    pub link: Option<String>,
    /// What keeps them from it, of the first whose reason is known.
    pub check: Option<String>,
    /// When it is worth trying again.
    pub retry_after: Option<Duration>,
}

fn at_fault(field: Option<&str>) -> String {
    field.map(|field| format!(" ({field})")).unwrap_or_default()
}

fn between(link: Option<&str>, check: Option<&str>) -> String {
    let why = check.map(|check| format!(" for {check}")).unwrap_or_default();
    link.map(|link| format!(" (between {link}{why})")).unwrap_or_default()
}

impl Refusal {
    /// What a status says in its `ErrorInfo`; `None` if it has none of ours.
    #[must_use]
    pub fn of(status: &Status) -> Option<Self> {
        let details = status.get_error_details();
        let info = details.error_info().filter(|info| info.domain == DOMAIN)?;
        Some(Self {
            code: status.code(),
            reason: info.reason.clone(),
            node: info.metadata.get("node").and_then(|node| node.parse().ok()),
            message: status.message().to_owned(),
            field: info.metadata.get("claim").or_else(|| info.metadata.get("field")).cloned(),
            link: info.metadata.get("link").cloned(),
            check: info.metadata.get("check").cloned(),
            retry_after: details.retry_info().and_then(|retry| retry.retry_delay),
        })
    }
}

impl From<Status> for ClientError {
    fn from(status: Status) -> Self {
        match Refusal::of(&status) {
            Some(refusal) => Self::Refused(Box::new(refusal)),
            None => Self::Unanswered(Box::new(status)),
        }
    }
}

impl From<DialError> for ClientError {
    fn from(error: DialError) -> Self {
        match error {
            DialError::Tls(error) => Self::Tls(error),
            DialError::Untrusted { address, fault } => Self::Untrusted { address, fault },
            DialError::Transport { address, error } => Self::Unreachable { address, error },
        }
    }
}

impl ClientError {
    /// The refusal, if it is one.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            Self::Unreachable { .. }
            | Self::Untrusted { .. }
            | Self::Unanswered(_)
            | Self::Committee(_)
            | Self::Receipt(_)
            | Self::Input(_)
            | Self::Tls(_) => None,
        }
    }

    /// The reason of a refusal; none if it is no refusal, or its reason is not known to this version.
    #[must_use]
    pub fn refused(&self) -> Option<Reason> {
        Reason::of(&self.refusal()?.reason)
    }

    /// A stable word for machines: the service's reason code, or one of the client's own.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::Refused(refusal) => &refusal.reason,
            Self::Unreachable { .. } => "UNREACHABLE",
            Self::Untrusted { .. } => "SERVER_NOT_TRUSTED",
            Self::Unanswered(_) => "UNANSWERED",
            Self::Committee(_) => "COMMITTEE_NOT_TRUSTED",
            Self::Receipt(_) => "RECEIPT_NOT_TRUSTED",
            Self::Input(_) => "INPUT_INVALID",
            Self::Tls(_) => "TLS_INVALID",
        }
    }

    /// Whether it may be otherwise in a moment: a node is being started again, links are down, or the connection was lost. The very same
    /// request, sent again, is answered then.
    #[must_use]
    pub fn passes(&self) -> bool {
        match self {
            Self::Refused(_) => matches!(
                self.refused(),
                Some(Reason::NodeStopping | Reason::PeerLost | Reason::CommitteeIncomplete | Reason::RequestInFlight)
            ),
            Self::Unreachable { .. } | Self::Unanswered(_) => true,
            Self::Untrusted { .. } | Self::Committee(_) | Self::Receipt(_) | Self::Input(_) | Self::Tls(_) => false,
        }
    }

    /// Whether a node has retired the key that an envelope was sealed to: worth asking for the new one.
    #[must_use]
    pub fn wants_new_keys(&self) -> bool {
        self.refused() == Some(Reason::EnvelopeKeyUnknown)
    }
}
