//! Secrets on their way and at rest: envelopes to one node, boxes in its store, and what a handshake agrees on.
//!
//! ```text
//! keys.rs       KeyId, PublicKey, PrivateKey, EnvelopeKeys: X-Wing keys of a node, two at most while it rotates
//! envelope.rs   Binding, Envelope: a share sealed to one node for one use (HPKE, RFC 9180)
//! rest.rs       StoreKey, RecordKey: AES-256-GCM boxes in the store, a key a record, so that erasure is certain
//! ```
//!
//! There is one suite and no negotiation: X-Wing (0x647a), HKDF-SHA256, AES-256-GCM. A face is for life, so what is
//! recorded today must withstand a quantum computer later; X-Wing holds as long as ML-KEM-768 or X25519 does.
//!
//! # What is wiped
//! Seeds, shared secrets and opened plaintext that this module holds are wiped when dropped. The `hpke`, `x-wing`,
//! `ml-kem` and `x25519-dalek` crates wipe the seed, the private keys expanded from it, the KEM's shared secret, and the
//! AEAD's key and nonce; the `aes` crate wipes its key schedule, since this crate turns its `zeroize` feature on.
//! Not wiped: the ML-KEM half of a shared secret and the seed as read from SHAKE inside `x-wing`, `ring`'s expanded
//! keys, the state of GHASH and of the hashes within HKDF, and copies that a move or a register spill leaves on the stack.

mod envelope;
mod keys;
mod rest;
#[cfg(test)]
mod tests;

use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};
use zeroize::Zeroizing;

pub use envelope::{Binding, Envelope, EnvelopeError};
pub use keys::{Encapsulation, EnvelopeKeys, KeyId, KeyIdError, PrivateKey, PublicKey, PublicKeyError};
pub use rest::{BOX_OVERHEAD, Context, RecordKey, StoreKey, WRAPPED_KEY};

/// Bytes of an X-Wing public key.
pub const PUBLIC_KEY: usize = 1216;

/// The one suite of envelopes, as nodes announce it and clients demand it.
pub const SUITE: &str = "hpke-base+x-wing+hkdf-sha256+aes-256-gcm";

/// Bytes of an X-Wing ciphertext: what a sender adds so that the receiver finds the same secret.
pub const ENCAPSULATED: usize = 1120;

/// Bytes of an AES-256-GCM tag.
const TAG: usize = 16;

/// The box or envelope did not open.
///
/// One value for every cause: a wrong key, another use and a flipped bit must look the same from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("decryption failed")]
pub struct OpenError;

/// The operating system gave no random bytes. Nothing was sealed; nothing weaker is used instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system's random number generator failed")]
pub struct NoRandomness;

/// Fresh random bytes from the operating system.
///
/// # Errors
/// [`NoRandomness`] if it gives none.
pub fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, NoRandomness> {
    let mut bytes = Zeroizing::new([0; N]);
    SystemRandom::new().fill(bytes.as_mut_slice()).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

/// SHA-256.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

/// Joins the fields, each with its length in front (64 bits, big-endian): two different lists never give one string.
#[must_use]
pub fn framed(fields: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::with_capacity(fields.iter().map(|field| 8 + field.len()).sum());
    for field in fields {
        out.extend_from_slice(&(field.len() as u64).to_be_bytes());
        out.extend_from_slice(field);
    }
    out
}
