//! What may be wrong with a call: a number that stays, a word, and a sentence.

use std::ffi::c_char;

use tumar_client::name::NameError;
use tumar_client::party::Party;
use tumar_client::prepare::{CommitteeFault, InputError, SubjectKeyError};
use tumar_client::seal::NoRandomness;
use tumar_client::share::ShapeError;
use tumar_client::template::face::TemplateError;
use tumar_client::template::finger::FingerError;
use tumar_client::template::finger::record::RecordError;
use tumar_client::wire::RequestError;

use crate::layout::{Error, Status};
use crate::pinned::PinsError;

/// Why a call was refused. No variant holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A null pointer.
    #[error("{what} is null")]
    Null {
        /// Which.
        what: &'static str,
    },
    /// A wrong length.
    #[error("{what} has a length that it can not have")]
    Length {
        /// Of what.
        what: &'static str,
    },
    /// Another length than the one that is due.
    #[error("{what} must have {expected} bytes, not {found}")]
    Bytes {
        /// What.
        what: &'static str,
        /// How many it must have.
        expected: usize,
        /// How many it has.
        found: usize,
    },
    /// No room.
    #[error("there is room for {room} bytes, and {needed} are needed")]
    Room {
        /// The caller's.
        room: usize,
        /// The result's.
        needed: usize,
    },
    /// Written, and something else.
    #[error("{what} overlaps other memory of the call")]
    Overlap {
        /// What.
        what: &'static str,
    },
    /// Not aligned.
    #[error("{what} is not aligned")]
    Alignment {
        /// What.
        what: &'static str,
    },
    /// Not a handle.
    #[error("the terminal holds nothing by the handle of {what}")]
    Handle {
        /// Of what was wanted.
        what: &'static str,
    },
    /// Of another kind.
    #[error("the handle is of {found}, and {what} is needed")]
    Kind {
        /// What was wanted.
        what: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// No terminal.
    #[error("the pointer is not that of an open terminal")]
    Closed,
    /// Not a text.
    #[error("{what} is not a text of at most 255 bytes of UTF-8 with a zero behind it")]
    Text {
        /// What.
        what: &'static str,
    },
    /// A number that is not allowed.
    #[error("{what} does not have a value that is allowed here")]
    Argument {
        /// What.
        what: &'static str,
    },
    /// Too many handles.
    #[error("the terminal holds {0} handles: release what is no longer needed")]
    Crowded(usize),
    /// The pins.
    #[error(transparent)]
    Pins(#[from] PinsError),
    /// The pins are not text.
    #[error("pins: not UTF-8")]
    PinsText,
    /// Not a message.
    #[error("the bytes are not an answer to GetCommittee")]
    CommitteeForm,
    /// Not who is pinned.
    #[error("committee not trusted: {0}")]
    Committee(#[from] CommitteeFault),
    /// Over.
    #[error("the committee's keys have ended when this was captured: ask the backend for the committee again")]
    Expired,
    /// No such model.
    #[error("there is no model of this name for {0}")]
    Model(&'static str),
    /// A face that is none.
    #[error(transparent)]
    Face(#[from] TemplateError),
    /// A record that is none.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A finger that is none.
    #[error(transparent)]
    Finger(#[from] FingerError),
    /// A name that is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Not what a request is made of.
    #[error(transparent)]
    Input(#[from] InputError),
    /// Another number of masks.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// Not a person's key.
    #[error(transparent)]
    PersonKey(#[from] SubjectKeyError),
    /// None, where one is due.
    #[error("an enrolment needs the person's key, and nothing else does")]
    PersonKeyDue,
    /// No randomness.
    #[error("the operating system's random number generator failed")]
    Random,
    /// A panic.
    #[error("a bug in libtumar_terminal: the call had no effect")]
    Internal,
}

impl From<NoRandomness> for Fault {
    fn from(NoRandomness: NoRandomness) -> Self {
        Self::Random
    }
}

impl Fault {
    /// The number.
    #[must_use]
    pub const fn status(&self) -> Status {
        match self {
            Self::Null { .. } => Status::Null,
            Self::Length { .. } | Self::Bytes { .. } | Self::Shape(_) => Status::Length,
            Self::Room { .. } => Status::Room,
            Self::Overlap { .. } => Status::Overlap,
            Self::Alignment { .. } => Status::Alignment,
            Self::Handle { .. } => Status::Handle,
            Self::Kind { .. } => Status::Kind,
            Self::Closed => Status::Closed,
            Self::Text { .. } => Status::Text,
            Self::Argument { .. } => Status::Argument,
            Self::Crowded(_) => Status::Crowded,
            Self::Pins(_) | Self::PinsText => Status::Pins,
            Self::CommitteeForm => Status::CommitteeForm,
            Self::Committee(_) => Status::CommitteeNotTrusted,
            Self::Expired => Status::CommitteeExpired,
            Self::Model(_) => Status::Model,
            Self::Face(_) => Status::Face,
            Self::Record(_) => Status::Record,
            Self::Finger(_) => Status::Finger,
            Self::Name(_) => Status::Name,
            Self::Input(input) => of_input(input),
            Self::PersonKey(_) | Self::PersonKeyDue => Status::PersonKey,
            Self::Random => Status::Random,
            Self::Internal => Status::Internal,
        }
    }

    /// The word; empty if the number says it all.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Committee(fault) => match fault {
                CommitteeFault::Deployment => "deployment",
                CommitteeFault::Nodes => "nodes",
                CommitteeFault::Signature(_) => "signature",
                CommitteeFault::LogKey(_) => "log_key",
                CommitteeFault::Suite(_) => "suite",
                CommitteeFault::Context(_) => "context",
                CommitteeFault::EnvelopeKey(_) => "envelope_key",
                CommitteeFault::Model => "model",
            },
            Self::Face(fault) => match fault {
                TemplateError::Modality => "modality",
                TemplateError::Dimension { .. } => "dimension",
                TemplateError::NotFinite => "not_finite",
                TemplateError::Zero => "zero",
                TemplateError::Sparse => "sparse",
            },
            Self::Record(fault) => fault.reason(),
            Self::Finger(fault) => fault.reason(),
            Self::Name(name) => name.kind,
            Self::Input(InputError::Request(request)) => request.field(),
            Self::Null { what }
            | Self::Length { what }
            | Self::Bytes { what, .. }
            | Self::Overlap { what }
            | Self::Alignment { what }
            | Self::Handle { what }
            | Self::Kind { what, .. }
            | Self::Text { what }
            | Self::Argument { what } => what,
            Self::Room { .. }
            | Self::Closed
            | Self::Crowded(_)
            | Self::Pins(_)
            | Self::PinsText
            | Self::CommitteeForm
            | Self::Expired
            | Self::Model(_)
            | Self::Input(_)
            | Self::Shape(_)
            | Self::PersonKey(_)
            | Self::PersonKeyDue
            | Self::Random
            | Self::Internal => "",
        }
    }

    /// The node that it is about.
    #[must_use]
    pub const fn party(&self) -> Option<Party> {
        if let Self::Committee(
            CommitteeFault::Signature(party)
            | CommitteeFault::LogKey(party)
            | CommitteeFault::Suite(party)
            | CommitteeFault::Context(party)
            | CommitteeFault::EnvelopeKey(party),
        ) = self
        {
            Some(*party)
        } else {
            None
        }
    }
}

const fn of_input(input: &InputError) -> Status {
    match input {
        InputError::Model => Status::Model,
        InputError::Request(RequestError::Name(_)) => Status::Name,
        InputError::Request(RequestError::Candidates | RequestError::Case) => Status::Argument,
        InputError::Randomness => Status::Random,
        InputError::Template(_)
        | InputError::Packed(_)
        | InputError::NoAddress(_)
        | InputError::Saved
        | InputError::Token
        | InputError::Request(_)
        | InputError::Shape(_) => Status::Samples,
    }
}

impl Error {
    /// What a call came to.
    #[must_use]
    pub fn of(came: &Result<(), Fault>) -> Self {
        let mut error = Self { status: Status::Ok, party: 0, reason: [0; 32], sentence: [0; 256] };
        if let Err(fault) = came {
            error.status = fault.status();
            if let Some(party) = fault.party() {
                write(party.as_str(), std::slice::from_mut(&mut error.party));
            }
            write(fault.reason(), &mut error.reason);
            write(&fault.to_string(), &mut error.sentence);
        }
        error
    }
}

/// As much of a text as there is room for, in whole characters; what is behind it is zero already. One character alone needs no zero.
fn write(text: &str, room: &mut [c_char]) {
    let whole = text.floor_char_boundary(room.len().saturating_sub(1).max(1));
    for (place, byte) in room.iter_mut().zip(text[..whole].bytes()) {
        *place = c_char::from_ne_bytes([byte]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_too_long_ends_with_a_whole_character_and_a_zero() {
        let mut room = [0; 6];
        write("abcd\u{e9}", &mut room);
        assert_eq!(room.map(|character| character.to_ne_bytes()[0]), *b"abcd\0\0");
        write("12345678", &mut room);
        assert_eq!(room.map(|character| character.to_ne_bytes()[0]), *b"12345\0");
    }

    #[test]
    fn a_committee_that_is_not_trusted_says_which_node_and_why() {
        let error = Error::of(&Err(CommitteeFault::LogKey(Party::B).into()));
        assert_eq!((error.status, error.party.to_ne_bytes()[0]), (Status::CommitteeNotTrusted, b'B'));
        assert_eq!(error.reason.map(|character| character.to_ne_bytes()[0])[..8], *b"log_key\0");
        assert_eq!(Error::of(&Ok(())).status, Status::Ok);
    }
}
