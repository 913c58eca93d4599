//! What the three parties compute together: a batch of requests is one run over one [`Session`].
//!
//! ```text
//! InputShares --check_inputs--> Replicated + consistent?        2 rounds
//!            local: squared lengths, point, weighted point, dots with the references' rows
//! dots     --signs-->  bits: dot >= threshold          7 rounds: hand on, share bits, generate, four levels of carries
//! sets:    bits --climb--> --bits_to_words, sum--> counts --signs--> bits --climb-->     6 + 2 + 5 + 1 rounds
//! lengths: bits --climb-->  one of each request         none of their own: they go along
//! all:     --open-->   length outcomes, one a request  1 round
//!          --open-->   match outcomes of valid ones    1 round
//! ```
//!
//! | file | what |
//! |---|---|
//! | `session` | links, rounds, what a run costs |
//! | `input_check` | are the summands the same at both holders; nibbles to words |
//! | `dot`, `kernel` | the scan; its inner loop, in the registers of the processor |
//! | `compare` | scores against public bounds |
//! | `bits`, `words`, `hosted` | building blocks: AND, trees of AND and OR, bits to words, sums |
//! | `lengths`, `sets` | is it a template; how many rows of two sets find a like one |
//! | `verify`, `open` | whole runs; the one place where something is revealed |
//!
//! All of a batch moves together, message by message: a run has as many rounds for a thousand faces as for one. What is wrong
//! with one request's templates is that request's own [`Invalid`]; what is wrong with a message ends the run at all three parties.
//! Security: honest majority of three, semi-honest (Araki et al. 2016/768; ABY3, 2018/403). `reference/model.py` of the design
//! is followed message by message, with the parties' roles turned from part to part so that all send alike.

pub mod bits;
pub mod compare;
pub mod dot;
mod hosted;

pub mod input_check;
pub mod kernel;
mod lengths;
pub mod open;
pub mod session;
mod sets;
pub mod verify;
pub mod words;

use std::ops::Range;

use zeroize::Zeroizing;

pub use bits::{Bits, Tree, and, climb};
pub use compare::{Bounds, Group, TwoPartyShares, Width, compare, msb, reshare_to_two};
pub use input_check::{CheckedInput, check_inputs};
pub use open::open;
pub use session::{Came, Meter, Round, Session};
pub use verify::{
    FusionRule, Mark, ModalityInput, ReferenceInput, VerifyInput, enrol_intake, points, verify, verify_watching,
};
pub use words::{Words, bits_to_words};

use crate::net::{Cause, Lost, Step};
use crate::party::Party;
use crate::prss::PrssError;
use crate::share::ShapeError;

/// Why a run stopped. No variant carries a share, a score or a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// Two peers who hold the same value sent different ones. One lies; which, cannot be told. Alarm, do not retry.
    #[error("{0:?}: the two peers sent different copies of the same value")]
    Disagree(Step),
    /// A peer or a message was lost. Retry in a new session, never in this one.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// Our own bug: the service checks shapes before it calls.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// The session's shared randomness is used up: too large a batch.
    #[error(transparent)]
    Randomness(#[from] PrssError),
}

impl ProtocolError {
    /// Where the run stopped, if it was under way.
    #[must_use]
    pub const fn step(&self) -> Option<Step> {
        match self {
            Self::Disagree(step) => Some(*step),
            Self::Lost(lost) => Some(lost.step()),
            Self::Shape(_) | Self::Randomness(_) => None,
        }
    }

    /// What the peers are told.
    #[must_use]
    pub const fn cause(&self) -> Cause {
        match self {
            Self::Disagree(_) => Cause::Disagree,
            Self::Lost(lost) => lost.cause(),
            Self::Shape(_) => Cause::Shape,
            Self::Randomness(_) => Cause::Randomness,
        }
    }
}

/// What is wrong with one template of a batch. The client's fault; all three parties find the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Two parties were sent different bytes for a summand that both hold.
    #[error("the three shares are not of one template")]
    Inconsistent,
    /// The squared length of a vector, or of a row of a set, is not in its band. Which sample's and which row's, nobody learns.
    #[error("a template of the request does not have the required length")]
    Length,
}

/// Three parts of `0..count` that differ by one at most, one for each party to be host of.
fn thirds(count: usize) -> [Range<usize>; 3] {
    let first = count / 3;
    let second = first + (count - first) / 2;
    [0..first, first..second, second..count]
}

/// The part that a host serves.
fn part_of(host: Party, parts: &[Range<usize>; 3]) -> Range<usize> {
    parts[host.index()].clone()
}

/// Two bytes a word, little-endian, after what is in `out` already.
fn put_words(out: &mut Vec<u8>, words: &[u16]) {
    out.reserve_exact(2 * words.len());
    for word in words {
        out.extend_from_slice(&word.to_le_bytes());
    }
}

/// The words of a message whose length is checked.
fn take_words(bytes: &[u8]) -> Zeroizing<Vec<u16>> {
    Zeroizing::new(bytes.as_chunks::<2>().0.iter().map(|two| u16::from_le_bytes(*two)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirds_cover_everything_once_and_evenly() {
        for count in 0..200 {
            let parts = thirds(count);
            assert_eq!((parts[0].start, parts[2].end), (0, count));
            assert_eq!((parts[0].end, parts[1].end), (parts[1].start, parts[2].start));
            let lengths = parts.map(|part| part.len());
            assert!(lengths.iter().max().unwrap() - lengths.iter().min().unwrap() <= 1);
        }
    }
}
