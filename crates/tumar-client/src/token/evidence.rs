//! What a request showed for its right: kept sealed for auditors, and bound into each of its log entries by a digest.

use std::fmt;

use super::claims::digest_of;
use super::jws::sha256;

/// Token, proof and approvals, as they were presented.
///
/// None of them names the person: a proof is over the digest of its request, which nobody can guess.
pub struct Evidence {
    access: String,
    proof: String,
    approvals: Vec<String>,
}

/// Which part of it: an auditor opens one by one, and shows each alone to belong to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The access token: who may ask for what, and who gave that out.
    Token,
    /// The proof of the client's key, over one request.
    Proof,
    /// An officer's approval of a search, from 0.
    Approval(u8),
}

impl Part {
    /// Where its digest stands among those of all parts.
    #[must_use]
    pub fn place(self) -> usize {
        match self {
            Self::Token => 0,
            Self::Proof => 1,
            Self::Approval(number) => 2 + usize::from(number),
        }
    }
}

impl Evidence {
    /// Of what was presented.
    #[must_use]
    pub const fn new(access: String, proof: String, approvals: Vec<String>) -> Self {
        Self { access, proof, approvals }
    }

    /// Token, proof, approvals.
    fn all(&self) -> impl Iterator<Item = &str> {
        [self.access.as_str(), self.proof.as_str()].into_iter().chain(self.approvals.iter().map(String::as_str))
    }

    /// One part, if there is one.
    #[must_use]
    pub fn part(&self, part: Part) -> Option<&str> {
        self.all().nth(part.place())
    }

    /// SHA-256 of each part, in the order token, proof, approvals.
    #[must_use]
    pub fn digests(&self) -> Vec<[u8; 32]> {
        self.all().map(|part| sha256(part.as_bytes())).collect()
    }

    /// What an entry commits to: [`digest_of_parts`] of [`digests`](Self::digests).
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        digest_of_parts(&self.digests())
    }

    /// The parts, each with its length in front, for a sealed box.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for part in self.all() {
            bytes.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            bytes.extend(part.as_bytes());
        }
        bytes
    }

    /// From such bytes.
    #[must_use]
    pub fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let mut parts = Vec::new();
        while let Some((length, rest)) = bytes.split_first_chunk() {
            let (part, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
            parts.push(std::str::from_utf8(part).ok()?.to_owned());
            bytes = rest;
        }
        let mut parts = parts.into_iter();
        let evidence = Self::new(parts.next()?, parts.next()?, parts.collect());
        bytes.is_empty().then_some(evidence)
    }
}

/// SHA-256 over the digests of all parts: who has one part and the digests of the others can show that it belongs to an entry.
#[must_use]
pub fn digest_of_parts(digests: &[[u8; 32]]) -> [u8; 32] {
    let fields: Vec<&[u8]> =
        std::iter::once(&b"tumar evidence v1"[..]).chain(digests.iter().map(|digest| &digest[..])).collect();
    digest_of(&fields)
}

/// Prints how long its parts are. Whoever reads logs must not find tokens there.
impl fmt::Debug for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Evidence({} + {} bytes, {} approvals)", self.access.len(), self.proof.len(), self.approvals.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_comes_back_as_it_went_and_each_part_shows_that_it_belongs() {
        for approvals in [vec![], vec!["one".to_owned(), "two".to_owned()]] {
            let evidence = Evidence::new("token".to_owned(), "proof".to_owned(), approvals);
            let back = Evidence::from_bytes(&evidence.to_bytes()).unwrap();
            assert_eq!((back.to_bytes(), back.digest()), (evidence.to_bytes(), evidence.digest()));
            for part in [Part::Token, Part::Proof, Part::Approval(0), Part::Approval(1)] {
                let Some(shown) = evidence.part(part) else { continue };
                let mut digests = evidence.digests();
                assert_eq!(digests[part.place()], sha256(shown.as_bytes()));
                assert_eq!(digest_of_parts(&digests), evidence.digest());
                digests[part.place()] = sha256(b"another");
                assert_ne!(digest_of_parts(&digests), evidence.digest());
            }
            assert_eq!(evidence.part(Part::Approval(2)), None);
            assert!(!format!("{evidence:?}").contains("token"));
        }
        for bad in [&b""[..], &[0, 0, 0, 9, 1], &[0, 0, 0, 1, b'a'], &[0, 0]] {
            assert!(Evidence::from_bytes(bad).is_none());
        }
    }
}
