//! Names that cross the wire, each checked once, where it comes in.
//!
//! A name that exists as one of these types has the right form; no code further in checks it again.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::hex::unhex;

/// The text does not have the form of the name it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} must be {form}")]
pub struct NameError {
    /// What was asked for, for a client: `subject`, `gallery` and so on.
    pub kind: &'static str,
    /// The form it must have, in words.
    pub form: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $form:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Box<str>);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                let check: fn(&str) -> bool = $check;
                if check(text) { Ok(Self(text.into())) } else { Err(NameError { kind: $kind, form: $form }) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.into_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// Which installation of three nodes this is: `kz-demo`. Tokens and envelopes name it, so they work nowhere else.
    Deployment, "deployment", "1 to 64 of a-z 0-9 -", |text| simple(text, 64, b"-")
}
name! {
    /// The bank's own pseudonymous handle for a person: never a name, an identity number or a card.
    Subject, "subject", "1 to 64 of A-Z a-z 0-9 . _ -", |text| {
        (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    }
}
name! {
    /// Who may ask: `banks/b17`.
    RelyingParty, "relying party", "two segments of a-z 0-9 - joined by /, at most 64", |text| segments(text, 2)
}
name! {
    /// A relying party's workload, as its tokens name it in `client_id`: `banks/b17/atm-backend`.
    ClientName, "client", "1 to 128 visible ASCII characters", |text| {
        (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
    }
}
name! {
    /// A relying party's set of references: `banks/b17/customers`.
    GalleryName, "gallery", "three segments of a-z 0-9 - joined by /, at most 64", |text| segments(text, 3)
}
name! {
    /// A purpose that stands in the policy: `cash_withdrawal`.
    PurposeName, "purpose", "1 to 48 of a-z 0-9 _", |text| simple(text, 48, b"_")
}
name! {
    /// The extractor that made a template; templates of different models never meet: `fr512`.
    ModelId, "model", "1 to 32 of a-z 0-9 - _", |text| simple(text, 32, b"-_")
}

impl GalleryName {
    /// Whether the gallery belongs to this relying party: its first two segments are the owner's.
    #[must_use]
    pub fn belongs_to(&self, owner: &RelyingParty) -> bool {
        self.0.strip_prefix(owner.as_str()).is_some_and(|rest| rest.starts_with('/'))
    }
}

fn simple(text: &str, longest: usize, also: &[u8]) -> bool {
    (1..=longest).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || also.contains(&b))
}

fn segments(text: &str, count: usize) -> bool {
    text.len() <= 64 && text.split('/').count() == count && text.split('/').all(|part| simple(part, 64, b"-"))
}

/// What a template was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Modality {
    /// A face embedding.
    Face,
    /// The minutiae of a fingerprint.
    Finger,
}

impl Modality {
    /// `"face"` or `"finger"`, as tokens and logs spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Face => "face",
            Self::Finger => "finger",
        }
    }
}

/// AIP-155 request id: a UUID that the client draws, the same when it tries again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId([u8; 16]);

impl RequestId {
    /// From 16 random bytes; the version and variant bits of RFC 9562 (UUID version 4) are set here.
    #[must_use]
    pub const fn from_random(mut bytes: [u8; 16]) -> Self {
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Self(bytes)
    }

    /// The sixteen bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, byte) in self.0.iter().enumerate() {
            if matches!(place, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestId({self})")
    }
}

impl FromStr for RequestId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let wrong = NameError { kind: "request_id", form: "a lower-case UUID of version 4" };
        let digits: String = text.chars().filter(|c| *c != '-').collect();
        let bytes = unhex(&digits).ok_or(wrong)?;
        let id = Self(bytes);
        // One text for one id: what does not print back as it came is refused.
        if id.to_string() == text && Self::from_random(bytes) == id { Ok(id) } else { Err(wrong) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_refused_unless_it_has_its_form() {
        assert!("banks/b17/customers".parse::<GalleryName>().is_ok());
        for bad in ["", "banks/b17", "banks//customers", "Banks/b17/customers", "banks/b17/customers/x", "banks/b17/ "]
        {
            assert!(bad.parse::<GalleryName>().is_err(), "{bad}");
        }
        assert!("c-0042".parse::<Subject>().is_ok());
        for bad in ["", "имя", "a b", &"x".repeat(65)] {
            assert!(bad.parse::<Subject>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_gallery_belongs_to_its_own_relying_party_only() {
        let gallery: GalleryName = "banks/b17/customers".parse().unwrap();
        assert!(gallery.belongs_to(&"banks/b17".parse().unwrap()));
        assert!(!gallery.belongs_to(&"banks/b1".parse().unwrap()));
    }

    #[test]
    fn a_request_id_has_one_text() {
        let id = RequestId::from_random([0xab; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in ["", "abababab-abab-4bab-abab-ababababab", "ABABABAB-ABAB-4BAB-ABAB-ABABABABABAB", &"a".repeat(32)] {
            assert!(bad.parse::<RequestId>().is_err(), "{bad}");
        }
    }
}
