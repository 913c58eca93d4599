//! Why two nodes do not work together: which check failed, told to the operators of both ends once a minute, and to clients.
//!
//! ```text
//! a check fails --LinkError--> own log, at `info`        --Refused--> the other end, and its log
//!                              --Third--> the third node --> the leader's clients: COMMITTEE_INCOMPLETE, with link and check
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tonic::Status;

use super::trust::MOST_BREAKS;
use crate::handshake::HandshakeError;
use crate::log::continuity::Gap;
use crate::party::Party;
use crate::tls::DialError;

/// How often an operator is told the same of a link.
const AGAIN: Duration = Duration::from_mins(1);

macro_rules! checks {
    ($($(#[$doc:meta])* $name:ident $text:literal,)*) => {
        /// What must hold for two nodes to work together.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Check {$(
            #[doc = concat!("`", $text, "`:")]
            $(#[$doc])*
            $name,
        )*}

        impl Check {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// As logs, peers and clients read it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {$(Self::$name => $text,)*}
            }
        }
    };
}

checks! {
    /// somebody answers at the peer's address, and says what is to be said in time.
    Reached "reached",
    /// The peer has said something lately: it says every second what its clock says.
    Heard "heard",
    /// Each end shows the certificate that the other has pinned, and it is valid now.
    Certificate "certificate",
    /// The peer's certificate is its own, and not an authority's.
    EndEntity "end_entity",
    /// Both speak the same version of the handshake.
    Version "version",
    /// Both belong to the same deployment.
    Deployment "deployment",
    /// The peer is the party that the configuration says.
    Party "party",
    /// Both run under the same policy.
    Policy "policy",
    /// Both have the same models.
    Models "models",
    /// The peer signs with the pinned identity key.
    Identity "identity",
    /// What the peer tells clients of its keys is signed by its identity.
    NodeKeys "node_keys",
    /// The peer has not broken too many runs.
    Trust "trust",
    /// Each end's access log continues what the other cosigned of it.
    Log "log",
    /// Changes that were left in doubt could be settled.
    Store "store",
    /// The peer speaks in the order that the links have.
    Form "form",
    /// The two clocks go together.
    Clock "clock",
    /// Another one, which this version does not know.
    Other "other",
}

impl Check {
    /// By its name.
    pub(super) fn named(name: &str) -> Self {
        Self::ALL.iter().copied().find(|check| check.name() == name).unwrap_or(Self::Other)
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// This node's access log is not the one that a peer cosigned: shown by the log's own signature, so nobody can make it up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{gap} (cosigned by node {peer}). Nothing is served or written any more, since the next entry would fork the log. Put the newest \
     store and log back, or bring the older copy up to date with `tumar restore`: see docs/backup.md"
)]
pub struct Behind {
    /// Who cosigned it.
    pub peer: Party,
    /// What is missing.
    pub gap: Gap,
}

/// A link that did not come up, or came down.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The stream ended, or the other side took too long.
    #[error("the peer closed the connection")]
    Gone,
    /// Nobody there, or not who should be.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The peer does not open a stream.
    #[error("the peer refused the gRPC stream")]
    Refused(#[from] Box<Status>),
    /// The keys could not be agreed on.
    #[error("the handshake failed")]
    Handshake(#[from] HandshakeError),
    /// A frame that does not belong there.
    #[error("the peer sent a frame that is not allowed in this state")]
    OutOfPlace,
    /// The node's own message to clients is not signed by the pinned identity.
    #[error("the peer's node keys are not signed by its identity")]
    Node,
    /// The peer broke too many runs.
    #[error("the peer broke {MOST_BREAKS} runs: no link until this node is restarted")]
    Distrusted,
    /// Changes could not be settled: our own store.
    #[error("prepared changes could not be committed or aborted")]
    Unsettled,
    /// This node's access log is not the one that the peer cosigned: this node must stop.
    #[error(transparent)]
    Behind(#[from] Behind),
    /// The peer's access log is not the one that this node cosigned.
    #[error(
        "node {peer} has {own} entries of its access log of {half}, and this node cosigned {cosigned}: its store is an older copy, \
         and its operator must put the newest one back"
    )]
    PeerBehind {
        /// Whose log.
        peer: Party,
        /// Of which half-year, as the peer says.
        half: String,
        /// Entries that the peer has.
        own: u64,
        /// Entries that this node cosigned.
        cosigned: u64,
    },
    /// What this node cosigned, or its own log, can not be read; or what the peer cosigned is not by this log's key.
    #[error("the access log can not be compared with its cosigned checkpoints: {0}")]
    Uncompared(String),
    /// A check failed at the peer.
    #[error("the peer refused the link: check {0} failed there; see its log")]
    RefusedBy(Check),
}

impl LinkError {
    /// Which check failed.
    #[must_use]
    pub fn check(&self) -> Check {
        match self {
            Self::Dial(DialError::Untrusted { fault, .. }) if fault.is_authority() => Check::EndEntity,
            // Of a stream that the peer ended without one of its own reasons, TLS or the listener did not take this node for its peer.
            Self::Dial(DialError::Untrusted { .. } | DialError::Tls(_)) => Check::Certificate,
            Self::Refused(status) if status.code() == tonic::Code::PermissionDenied || is_alert(status) => {
                Check::Certificate
            }
            Self::Gone | Self::Dial(DialError::Transport { .. }) | Self::Refused(_) => Check::Reached,
            Self::Handshake(error) => check_of(*error),
            Self::OutOfPlace => Check::Form,
            Self::Node => Check::NodeKeys,
            Self::Distrusted => Check::Trust,
            Self::Behind(_) | Self::PeerBehind { .. } | Self::Uncompared(_) => Check::Log,
            Self::Unsettled => Check::Store,
            Self::RefusedBy(check) => *check,
        }
    }

    /// Whether the other end does not know of it by itself.
    pub(super) const fn is_own(&self) -> bool {
        match self {
            Self::Gone | Self::Dial(_) | Self::Refused(_) | Self::RefusedBy(_) => false,
            Self::Handshake(_)
            | Self::OutOfPlace
            | Self::Node
            | Self::Distrusted
            | Self::Behind(_)
            | Self::PeerBehind { .. }
            | Self::Uncompared(_)
            | Self::Unsettled => true,
        }
    }
}

/// Whether the other end of a connection ended it since it does not trust this one: the client of TLS 1.3 hears that when it has long
/// begun to speak, and HTTP/2 keeps nothing of it but the text.
fn is_alert(status: &Status) -> bool {
    let first: &(dyn Error + 'static) = status;
    let mut causes = std::iter::successors(Some(first), |error| (*error).source());
    causes.any(|cause| cause.to_string().contains("received fatal alert"))
}

const fn check_of(error: HandshakeError) -> Check {
    match error {
        HandshakeError::Version(_) => Check::Version,
        HandshakeError::Deployment => Check::Deployment,
        HandshakeError::Itself | HandshakeError::Party { .. } => Check::Party,
        HandshakeError::Policy { .. } => Check::Policy,
        HandshakeError::Models { .. } => Check::Models,
        HandshakeError::Identity => Check::Identity,
        HandshakeError::Randomness(_)
        | HandshakeError::HelloLength { .. }
        | HandshakeError::EphemeralKey
        | HandshakeError::FinishLength { .. } => Check::Form,
    }
}

/// Two nodes that do not work together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parted {
    /// Which, in the order A, B, C.
    pub ends: [Party; 2],
    /// Which check failed, where that is known.
    pub check: Option<Check>,
}

impl Parted {
    /// Two nodes.
    #[must_use]
    pub fn new(one: Party, other: Party, check: Option<Check>) -> Self {
        Self { ends: if one < other { [one, other] } else { [other, one] }, check }
    }
}

/// `B-C`.
impl fmt::Display for Parted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ends[0], self.ends[1])
    }
}

/// Which checks failed last, and when the operator was told.
#[derive(Default)]
pub(super) struct Why(Mutex<Failed>);

#[derive(Default)]
struct Failed {
    /// On the link to a party.
    last: [Option<Check>; 3],
    told: BTreeMap<([Party; 2], Check), Instant>,
}

impl Why {
    fn failed(&self) -> MutexGuard<'_, Failed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// On the link to a party, since it was up last.
    pub(super) fn of(&self, peer: Party) -> Option<Check> {
        self.failed().last[peer.index()]
    }

    pub(super) fn set(&self, peer: Party, check: Option<Check>) {
        self.failed().last[peer.index()] = check;
    }

    /// Whether it is time to tell the operator of it; then it has been told.
    pub(super) fn is_due(&self, parted: Parted, at: Instant) -> bool {
        let check = parted.check.unwrap_or(Check::Other);
        let mut failed = self.failed();
        let told = failed.told.get(&(parted.ends, check));
        let is_due = told.is_none_or(|told| at.duration_since(*told) >= AGAIN);
        if is_due {
            failed.told.insert((parted.ends, check), at);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_known_by_its_name_and_another_is_another() {
        for &check in Check::ALL {
            assert_eq!(Check::named(check.name()), check);
        }
        assert_eq!(Check::named("weather"), Check::Other);
    }

    #[test]
    fn the_same_of_one_link_is_told_once_a_minute_and_another_thing_at_once() {
        let (why, begin) = (Why::default(), Instant::now());
        let policy = Parted::new(Party::C, Party::B, Some(Check::Policy));
        assert_eq!(policy.to_string(), "B-C");
        let told = |parted: Parted, seconds| why.is_due(parted, begin + Duration::from_secs(seconds));
        assert_eq!(
            [0, 1, 59, 60, 61, 119, 120].map(|at| told(policy, at)),
            [true, false, false, true, false, false, true]
        );
        assert!(told(Parted { check: Some(Check::Models), ..policy }, 121));
        assert!(told(Parted::new(Party::A, Party::B, Some(Check::Policy)), 121));
        assert!(!told(policy, 122));
    }
}
