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

use tokio::time::timeout;
use tokio_stream::StreamExt as _;
use tonic::Status;

use super::connection::Outbound;
use super::{Behind, MOST_BREAKS, Peers, RECONNECT, Remote};
use crate::clocks::Doubt;
use crate::handshake::{Established, HandshakeError};
use crate::party::Party;
use crate::tls::DialError;
use crate::wire::peer::v1 as wire;
use crate::wire::v1::Node;
use wire::frame::Kind;

/// How often an operator is told the same of a link.
const AGAIN: Duration = Duration::from_mins(1);

/// How long a node that hangs up waits for the other end to have heard why.
const LAST_WORD: Duration = Duration::from_secs(1);

/// How long a peer may take for each frame of the opening.
const PATIENCE: Duration = Duration::from_secs(5);

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
            Self::Gone | Self::Dial(DialError::Transport(_)) | Self::Refused(_) => Check::Reached,
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
    const fn is_own(&self) -> bool {
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
    fn of(&self, peer: Party) -> Option<Check> {
        self.failed().last[peer.index()]
    }

    fn set(&self, peer: Party, check: Option<Check>) {
        self.failed().last[peer.index()] = check;
    }

    /// Whether it is time to tell the operator of it; then it has been told.
    fn is_due(&self, parted: Parted, at: Instant) -> bool {
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

impl Peers {
    /// [`open`](Self::open); where a check fails at this end, the other one is told which.
    pub(super) async fn opened<S>(
        &self,
        remote: &Remote,
        own: Node,
        inbound: &mut S,
        out: &Outbound,
    ) -> Result<(Established, Node), LinkError>
    where
        S: tokio_stream::Stream<Item = Kind> + Send + Unpin,
    {
        let opened = self.open(remote, own, inbound, out).await;
        match &opened {
            Ok(_) => self.why.set(remote.party, None),
            Err(error) if error.is_own() => {
                let refused = wire::Refused { check: error.check().name().to_owned() };
                // What the other end has not read when this one hangs up is lost: it hangs up when it has, or says the same.
                let heard = async {
                    if out.say(Kind::Refused(refused)).await.is_ok() {
                        while inbound.next().await.is_some_and(|kind| !matches!(kind, Kind::Refused(_))) {}
                    }
                };
                let _ = timeout(LAST_WORD, heard).await;
            }
            Err(_) => {}
        }
        opened
    }

    /// Tells the operator why there is no link with a peer, which was dialled, or called from, at this address.
    pub(super) fn explain(&self, remote: &Remote, address: &str, error: &LinkError) {
        let (peer, check) = (remote.party, error.check());
        self.why.set(peer, Some(check));
        if self.why.is_due(Parted::new(self.own.party, peer, Some(check)), Instant::now()) {
            tracing::info!(%peer, address, %check, "no link with node {peer}: {}", Causes(error));
        }
    }

    /// Tells the operator of a caller with a certificate that is trusted, and of no peer that dials this node.
    pub(super) fn explain_stranger(&self, address: &str) {
        let check = Check::Certificate;
        let nobody = Parted { ends: [self.own.party; 2], check: Some(check) };
        if self.why.is_due(nobody, Instant::now()) {
            tracing::info!(address, %check, "no link: the caller's certificate is not the pinned one of a peer that connects to this node");
        }
    }

    /// What keeps this node and a peer from working together, if anything does.
    pub(super) fn check_with(&self, peer: Party) -> Option<Check> {
        let link = self.up[peer.index()].borrow().clone();
        let Some(link) = link else { return Some(self.why.of(peer).unwrap_or(Check::Reached)) };
        if self.is_silent(&link) {
            return Some(Check::Heard);
        }
        (!self.together.borrow()[peer.index()]).then_some(Check::Clock)
    }

    /// Every two nodes that do not work together, by what this one knows and the others say.
    pub fn parted(&self) -> Vec<Parted> {
        let own = self.own.party;
        let peers = [own.next(), own.prev()];
        let with = |peer: Party| Some(Parted::new(own, peer, Some(self.check_with(peer)?)));
        let mut parted: Vec<Parted> = peers.into_iter().filter_map(with).collect();
        // Of the two others' link, by the word of one that is heard.
        let links = peers.map(|peer| self.link(peer).ok());
        if let Some(check) = links.iter().flatten().find_map(|link| link.third().err()) {
            parted.push(Parted::new(own.next(), own.prev(), check));
        }
        parted.sort_by_key(|parted| parted.ends);
        parted
    }

    /// Tells the operator what keeps nodes from working together whose links are up, if they are not only shaken anew.
    pub(super) fn explain_links(&self) {
        let since = *self.parted.lock().unwrap_or_else(PoisonError::into_inner);
        if since.is_none_or(|since| since.elapsed() < RECONNECT) {
            return;
        }
        for remote in &self.remotes {
            self.explain_up(remote);
            self.explain_uncalled(remote);
        }
        let (next, prev) = (self.own.party.next(), self.own.party.prev());
        for (peer, third) in [(next, prev), (prev, next)] {
            let Ok(Err(Some(check))) = self.link(peer).map(|link| link.third()) else { continue };
            if self.why.is_due(Parted::new(peer, third, Some(check)), Instant::now()) {
                tracing::info!(%peer, %check, "node {peer} reports that it can not use node {third}");
            }
        }
    }

    /// Of a link that the peer is to dial: that it does not come. What TLS refuses of it, it hears, and this node's own program does not.
    fn explain_uncalled(&self, remote: &Remote) {
        let Remote { party: peer, address, .. } = remote;
        if *peer > self.own.party || self.up[peer.index()].borrow().is_some() {
            return;
        }
        let check = self.why.of(*peer).unwrap_or(Check::Reached);
        if self.why.is_due(Parted::new(self.own.party, *peer, Some(check)), Instant::now()) {
            tracing::info!(%peer, address, %check, "no link with node {peer}: no call of it was accepted; see its log");
        }
    }

    /// Of a link that is up: that nothing is heard on it, or that the clocks at its ends do not go together.
    fn explain_up(&self, remote: &Remote) {
        let Remote { party: peer, address, .. } = remote;
        let Some(check @ (Check::Heard | Check::Clock)) = self.check_with(*peer) else { return };
        let why = if check == Check::Heard {
            "no message from it".to_owned()
        } else {
            match self.clocks.least() {
                // Who has just linked says it within a second.
                Ok(_) | Err(Doubt::Unheard(_)) => return,
                Err(doubt) => doubt.to_string(),
            }
        };
        if self.why.is_due(Parted::new(self.own.party, *peer, Some(check)), Instant::now()) {
            tracing::info!(%peer, address, %check, "node {peer} can not be used: {why}");
        }
    }
}

/// The next frame of the opening.
pub(super) async fn next<S>(inbound: &mut S) -> Result<Kind, LinkError>
where
    S: tokio_stream::Stream<Item = Kind> + Send + Unpin,
{
    let kind = timeout(PATIENCE, inbound.next()).await.ok().flatten().ok_or(LinkError::Gone)?;
    if let Kind::Refused(refused) = &kind {
        return Err(LinkError::RefusedBy(Check::named(&refused.check)));
    }
    Ok(kind)
}

/// An error and all that lies behind it, each told once.
struct Causes<'e>(&'e LinkError);

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.0.to_string();
        f.write_str(&said)?;
        let mut next = self.0.source();
        while let Some(cause) = next {
            let text = cause.to_string();
            if !said.contains(&text) {
                write!(f, ": {text}")?;
                said = text;
            }
            next = cause.source();
        }
        Ok(())
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

    #[test]
    fn an_error_is_told_with_what_lies_behind_it() {
        let refused = LinkError::Handshake(HandshakeError::Deployment);
        assert_eq!(Causes(&refused).to_string(), "the handshake failed: the peer belongs to another deployment");
        assert_eq!((refused.check(), refused.is_own()), (Check::Deployment, true));
        let by = LinkError::RefusedBy(Check::Policy);
        assert_eq!((by.check(), by.is_own()), (Check::Policy, false));
    }
}
