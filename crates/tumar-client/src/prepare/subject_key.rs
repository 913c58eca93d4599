//! The person's own key: given out at enrolment, it finds their entries in the three access logs and nobody else's.

use std::fmt;
use std::str::FromStr;

use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::hex::{hex, unhex};
use crate::party::Party;
use crate::seal::{NoRandomness, random};

/// 32 random bytes, from which each node is given a key of its own: what one node knows links nothing at another.
///
/// No `Clone`, `PartialEq` or `Serialize`: [`SubjectKey::to_text`] is for the file or the paper that the person is given.
pub struct SubjectKey(Zeroizing<[u8; 32]>);

impl ZeroizeOnDrop for SubjectKey {}

/// The text is not a subject key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a subject key is 64 digits of lower-case hex")]
pub struct SubjectKeyError;

/// Length of a node's key, for HKDF.
struct NodeKeyLength;

impl KeyType for NodeKeyLength {
    fn len(&self) -> usize {
        32
    }
}

impl SubjectKey {
    /// A fresh key.
    ///
    /// # Errors
    /// [`NoRandomness`] if the system gives none.
    pub fn generate() -> Result<Self, NoRandomness> {
        Ok(Self(random()?))
    }

    /// From its bytes.
    #[must_use]
    pub const fn from_bytes(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// What one node blinds its entries with: HKDF-SHA256 (RFC 5869) without salt, over `tumar subject key v1` and the party.
    #[must_use]
    pub fn for_node(&self, party: Party) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        Salt::new(HKDF_SHA256, &[])
            .extract(self.0.as_slice())
            .expand(&[b"tumar subject key v1", party.as_str().as_bytes()], NodeKeyLength)
            .and_then(|okm| okm.fill(key.as_mut_slice()))
            .expect("HKDF-SHA256 gives 32 bytes");
        key
    }

    /// 64 digits of hex, for the person to keep.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(hex(self.0.as_slice()))
    }
}

impl FromStr for SubjectKey {
    type Err = SubjectKeyError;

    fn from_str(text: &str) -> Result<Self, SubjectKeyError> {
        Ok(Self(Zeroizing::new(unhex(text).ok_or(SubjectKeyError)?)))
    }
}

/// Prints that there is one.
impl fmt::Debug for SubjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SubjectKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SubjectKey {
        SubjectKey::from_bytes(Zeroizing::new([0xab; 32]))
    }

    #[test]
    fn each_node_has_a_key_of_its_own_that_an_independent_hkdf_also_finds() {
        // Python: hmac.digest(hmac.digest(b"\0"*32, b"\xab"*32, "sha256"), b"tumar subject key v1" + party + b"\1", "sha256")
        let expected = [
            "123d58c27372b1fcde53bfb1eb386286f4b4167a7c2c5fdb42a874b13575ce0d",
            "94ea126dd8e905670bc12596b22ae9dc0a7c24558a2d5b0caed01bcbc5fd4b6e",
            "a37c6fdcc14f4108caad8e3f5306958b003bfaa464ce4b857ef3a70cebb41343",
        ];
        for (party, expected) in Party::ALL.into_iter().zip(expected) {
            let node = SubjectKey::from_bytes(key().for_node(party));
            assert_eq!(*node.to_text(), expected);
        }
    }

    #[test]
    fn its_text_reads_back_and_nothing_else_does() {
        let text = key().to_text();
        assert_eq!(*text.parse::<SubjectKey>().unwrap().to_text(), *text);
        for bad in ["", &text[1..], &text.to_uppercase(), &format!("{}g", &text[1..])] {
            assert_eq!(bad.parse::<SubjectKey>().unwrap_err(), SubjectKeyError);
        }
    }

    #[test]
    fn it_does_not_print_itself() {
        assert_eq!(format!("{:?}", key()), "SubjectKey(..)");
    }
}
