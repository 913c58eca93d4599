//! What two parties of a run send each other, whatever carries it.
//!
//! ```text
//! protocol::Session --Frame--> Pipe --> peer.rs (gRPC) or the tests' world --> Pipe --Frame--> protocol::Session
//! ```
//!
//! A carrier moves frames between pipes by their session id and need not be trusted with them: every frame has a number and a tag
//! under a key of this session and direction, so that a frame that was changed, dropped, repeated, reordered or held back is
//! found out by the party that misses it.

use std::fmt;

use tokio::sync::mpsc;

use crate::hex::hex;
use crate::party::Party;

/// A run of the protocol: 16 random bytes that all three parties contributed to. Never used twice.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(pub [u8; 16]);

/// In hexadecimal.
impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}

macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($(#[$each:meta])* $variant:ident = $code:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$each])* $variant = $code,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The byte that stands for it on the wire.
            #[must_use]
            pub const fn code(self) -> u8 {
                self as u8
            }

            /// What a byte from the wire stands for, if anything.
            #[must_use]
            pub const fn from_code(code: u8) -> Option<Self> {
                match code {
                    $($code => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

codes! {
    /// Where in a run a message belongs. The order of a run's steps follows from what is public of its batch; a step that a tree or
    /// a second comparison takes again has another number in its frame.
    Step {
        /// Intake, round 1: hashes of the summands, and shares of their bits.
        Inject = 1,
        /// Intake, round 2: products of bits.
        Product = 2,
        /// Comparison, round 1: one additive share is handed on.
        HandOn = 3,
        /// Comparison, round 2: the sum of the other two is shared bitwise.
        ShareBits = 4,
        /// Comparison, round 3: carries that a single position makes.
        Generate = 5,
        /// Comparison, round 4: carries over 2 positions.
        CarryTwo = 6,
        /// Comparison, round 5: carries over 4 positions.
        CarryFour = 7,
        /// Comparison, round 6: carries over 8 positions.
        CarryEight = 8,
        /// Comparison, round 7: the carry into the sign.
        CarrySign = 9,
        /// Comparison, round 8: the outcomes.
        Open = 10,
        /// The outcomes of the length check alone.
        OpenLength = 11,
        /// The outcomes for the probes that passed it.
        OpenMatch = 12,
        /// One level of a tree of ORs or ANDs.
        Tree = 13,
        /// Bits to words, round 1: shares of the bits.
        InjectBits = 14,
        /// Bits to words, round 2: products of bits.
        ProductBits = 15,
        /// Two modalities' outcomes become one.
        Join = 16,
        /// The sender gave the run up; the body is one byte, a [`Cause`].
        Abort = 255,
    }
}

codes! {
    /// Why a party gave a run up, as it tells its peers. No more than that: the details stay in its own error.
    Cause {
        /// A message did not come in time.
        Silent = 1,
        /// A link went away.
        Closed = 2,
        /// A message was not as its sender made it.
        Altered = 3,
        /// A message was missing, repeated or out of its order.
        Order = 4,
        /// A message of another step, or from another session.
        Step = 5,
        /// A message of another length.
        Length = 6,
        /// Two peers told different things of one value.
        Disagree = 7,
        /// The party's own input did not have its shape.
        Shape = 8,
        /// The party's shared randomness is used up.
        Randomness = 9,
        /// A peer gave up before.
        Aborted = 10,
        /// The party stopped the run without an error, as at a shutdown.
        Cancelled = 11,
        /// A code that this version does not know.
        Unknown = 255,
    }
}

/// A message between two parties of a session, as carriers see it.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// The run it belongs to.
    pub session: SessionId,
    /// Place among the sender's messages to this receiver in this session, from 0.
    pub number: u64,
    /// Where in the run it belongs.
    pub step: Step,
    /// Masked words, bits or hashes: noise to a carrier.
    pub body: Vec<u8>,
    /// HMAC-SHA-256 over all of the above under the key of session and direction, cut to 16 bytes.
    pub tag: [u8; 16],
}

/// Prints its place and size, never its body.
impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({}, {}, {:?}, [{}])", self.session, self.number, self.step, self.body.len())
    }
}

/// One session's two-way link with one peer.
///
/// Both ends are bounded: a slow peer pushes back. Eight frames are enough, since no party runs ahead by more than a round.
/// A carrier that loses its connection drops its ends, and the session ends with [`Lost::Closed`].
#[derive(Debug)]
pub struct Pipe {
    /// Towards the peer.
    pub to: mpsc::Sender<Frame>,
    /// From the peer.
    pub from: mpsc::Receiver<Frame>,
}

/// How many frames a pipe holds in each direction.
pub const PIPE_DEPTH: usize = 8;

impl Pipe {
    /// The two ends of a link within this process.
    #[must_use]
    pub fn pair() -> (Self, Self) {
        let (to_right, from_left) = mpsc::channel(PIPE_DEPTH);
        let (to_left, from_right) = mpsc::channel(PIPE_DEPTH);
        (Self { to: to_right, from: from_right }, Self { to: to_left, from: from_left })
    }
}

/// How a run lost a peer or a message. Retry in a new session, never in this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// Nothing came, or nothing could be sent, within the session's patience.
    #[error("{step:?}: node {peer}: nothing received or sent in time")]
    Silent {
        /// Where the run stood.
        step: Step,
        /// Who was waited for.
        peer: Party,
    },
    /// The link is gone.
    #[error("{step:?}: the link with node {peer} is closed")]
    Closed {
        /// Where the run stood.
        step: Step,
        /// At the other end.
        peer: Party,
    },
    /// The tag does not fit: not as the peer sent it in this session.
    #[error("{step:?}: a message from node {peer} has an invalid tag")]
    Altered {
        /// Where the run stood.
        step: Step,
        /// The claimed sender.
        peer: Party,
    },
    /// A genuine message in another's place: one was dropped, repeated or reordered.
    #[error("{step:?}: message {found} of node {peer} received, {expected} expected")]
    Order {
        /// Where the run stood.
        step: Step,
        /// The sender.
        peer: Party,
        /// The number that was due.
        expected: u64,
        /// The number that came.
        found: u64,
    },
    /// The peer is at another step of the run.
    #[error("{step:?}: node {peer} sent {found:?}")]
    Step {
        /// Where the run stood.
        step: Step,
        /// The sender.
        peer: Party,
        /// What came.
        found: Step,
    },
    /// A message that is not as long as its step asks.
    #[error("{step:?}: node {peer} sent {found} bytes, {expected} expected")]
    Length {
        /// Where the run stood.
        step: Step,
        /// The sender.
        peer: Party,
        /// What the step asks for.
        expected: usize,
        /// What came.
        found: usize,
    },
    /// The peer gave the run up and said so.
    #[error("{step:?}: node {peer} aborted: {cause:?}")]
    Aborted {
        /// Where the run stood.
        step: Step,
        /// Who gave up.
        peer: Party,
        /// Why, as it says.
        cause: Cause,
    },
    /// The session had ended before: what is asked for needs a new one.
    #[error("{step:?}: the session had ended")]
    Over {
        /// What was asked for.
        step: Step,
    },
}

impl Lost {
    /// Where the run stood.
    #[must_use]
    pub const fn step(&self) -> Step {
        match self {
            Self::Silent { step, .. }
            | Self::Closed { step, .. }
            | Self::Altered { step, .. }
            | Self::Order { step, .. }
            | Self::Step { step, .. }
            | Self::Length { step, .. }
            | Self::Aborted { step, .. }
            | Self::Over { step } => *step,
        }
    }

    /// What the peers are told.
    #[must_use]
    pub const fn cause(&self) -> Cause {
        match self {
            Self::Silent { .. } => Cause::Silent,
            Self::Closed { .. } => Cause::Closed,
            Self::Altered { .. } => Cause::Altered,
            Self::Order { .. } => Cause::Order,
            Self::Step { .. } => Cause::Step,
            Self::Length { .. } => Cause::Length,
            Self::Aborted { .. } | Self::Over { .. } => Cause::Aborted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_stands_for_one_thing() {
        for &step in Step::ALL {
            assert_eq!(Step::from_code(step.code()), Some(step));
        }
        for &cause in Cause::ALL {
            assert_eq!(Cause::from_code(cause.code()), Some(cause));
        }
        let known = (0..=u8::MAX).filter(|&code| Step::from_code(code).is_some()).count();
        assert_eq!(known, Step::ALL.len());
    }

    #[test]
    fn a_frame_prints_its_size_and_not_its_body() {
        let frame =
            Frame { session: SessionId([0xab; 16]), number: 3, step: Step::Open, body: vec![0xcd; 5], tag: [0xef; 16] };
        assert_eq!(format!("{frame:?}"), format!("Frame({}, 3, Open, [5])", "ab".repeat(16)));
    }
}
