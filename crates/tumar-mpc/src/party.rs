//! The three operators. No number names a server anywhere else in this crate.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One of the three operators; the order A, B, C, A is what "next" and "previous" mean in every protocol step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Party {
    /// The leader: clients call it, it relays, and it can start nothing that B and C have not checked.
    A,
    /// A helper.
    B,
    /// A helper.
    C,
}

impl Party {
    /// All three, in order.
    pub const ALL: [Self; 3] = [Self::A, Self::B, Self::C];

    /// The party that clients call.
    pub const LEADER: Self = Self::A;

    /// A -> B -> C -> A.
    #[must_use]
    pub const fn next(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::C,
            Self::C => Self::A,
        }
    }

    /// A -> C -> B -> A.
    #[must_use]
    pub const fn prev(self) -> Self {
        self.next().next()
    }

    /// Place in an array of three that holds one thing for each party: A is 0.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// `"A"`, `"B"` or `"C"`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
        }
    }

    /// `"a"`, `"b"` or `"c"`: how names, addresses and folders spell it.
    #[must_use]
    pub const fn letter(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
            Self::C => "c",
        }
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is not `A`, `B` or `C`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a party is A, B or C")]
pub struct NotAParty;

impl FromStr for Party {
    type Err = NotAParty;

    fn from_str(text: &str) -> Result<Self, NotAParty> {
        Self::ALL.into_iter().find(|party| party.as_str() == text).ok_or(NotAParty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_of_three_closes() {
        for party in Party::ALL {
            assert_eq!(party.next().prev(), party);
            assert_eq!(party.next().next(), party.prev());
            assert_eq!(Party::ALL[party.index()], party);
            assert_eq!(party.as_str().parse(), Ok(party));
        }
        assert_eq!("D".parse::<Party>(), Err(NotAParty));
    }
}
