//! Boxes at rest: AES-256-GCM under a key of the record's own, which is itself wrapped by the node's.
//!
//! Whoever destroys the wrapped record key has erased the record, whatever copies of the boxes lie in backups or in
//! freed pages of the database: without it they are noise, to the holder of the store key as well.

use std::fmt;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{KeyId, NoRandomness, OpenError, PrivateKey, TAG, framed, random};
use crate::name::GalleryName;

/// How much longer a box is than what is in it: a nonce of 12 bytes in front, a tag of 16 behind.
pub const BOX_OVERHEAD: usize = NONCE_LEN + TAG;

/// Bytes of a wrapped record key.
pub const WRAPPED_KEY: usize = BOX_OVERHEAD + 32;

/// What a box holds and where it stands: moved to another place, it does not open.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// What is in the box, in the store's words, with everything that tells it from its neighbours: `points/face/fr512`.
    pub kind: &'a str,
    /// The gallery that the record belongs to.
    pub gallery: &'a GalleryName,
    /// The record's place in it.
    pub position: u64,
}

impl Context<'_> {
    fn aad(&self, label: &[u8]) -> Vec<u8> {
        framed(&[label, self.kind.as_bytes(), self.gallery.as_str().as_bytes(), &self.position.to_be_bytes()])
    }
}

const WRAP: &[u8] = b"tumar record key v1";
const BOX: &[u8] = b"tumar record box v1";
const EVIDENCE: &[u8] = b"tumar evidence box v1";
const ENVELOPE_SEED: &[u8] = b"tumar envelope seed box v1";

/// The node's own key: it wraps the record keys, and those derived from it seal evidence and the seeds of envelope keys.
///
/// Nonces are random, 96 bits: NIST SP 800-38D (section 8.3) allows 2^32 wraps under one key, thus as many enrolments.
/// A node that comes near moves to a new store key and wraps its record keys again.
///
/// No `Clone`, `PartialEq` or `Serialize`; it is stored by [`StoreKey::to_bytes`] alone, into a key file.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct StoreKey([u8; 32]);

impl StoreKey {
    /// A fresh key.
    ///
    /// # Errors
    /// [`NoRandomness`] if the system gives none.
    pub fn generate() -> Result<Self, NoRandomness> {
        Ok(Self(*random()?))
    }

    /// A stored key.
    #[must_use]
    pub fn from_bytes(bytes: &Zeroizing<[u8; 32]>) -> Self {
        Self(**bytes)
    }

    /// A box with evidence in it, for the request with this digest.
    ///
    /// Under a key derived from this one for the purpose: HMAC-SHA256 over its label (as RFC 5869 expands), so that the wraps of record
    /// keys and these boxes do not share a count of nonces.
    ///
    /// # Errors
    /// [`NoRandomness`] if the system gives none.
    pub fn seal_evidence(&self, request_digest: &[u8; 32], plaintext: &[u8]) -> Result<Box<[u8]>, NoRandomness> {
        seal(&self.derived(EVIDENCE), &framed(&[EVIDENCE, request_digest]), plaintext)
    }

    /// What is in such a box.
    ///
    /// # Errors
    /// [`OpenError`] unless it was made by [`StoreKey::seal_evidence`] with this key for this request.
    pub fn open_evidence(&self, request_digest: &[u8; 32], sealed: &[u8]) -> Result<Zeroizing<Box<[u8]>>, OpenError> {
        open(&self.derived(EVIDENCE), &framed(&[EVIDENCE, request_digest]), sealed)
    }

    /// A box with the seed of an envelope key in it, for the key of this id. Under a key derived as evidence's is.
    ///
    /// # Errors
    /// [`NoRandomness`] if the system gives none.
    pub fn seal_seed(&self, id: &KeyId, seed: &Zeroizing<[u8; 32]>) -> Result<Box<[u8]>, NoRandomness> {
        seal(&self.derived(ENVELOPE_SEED), &framed(&[ENVELOPE_SEED, id.as_bytes()]), seed.as_slice())
    }

    /// The key whose seed is in such a box.
    ///
    /// # Errors
    /// [`OpenError`] unless it was made by [`StoreKey::seal_seed`] with this key for this id.
    pub fn open_seed(&self, id: &KeyId, sealed: &[u8]) -> Result<PrivateKey, OpenError> {
        let bytes = open(&self.derived(ENVELOPE_SEED), &framed(&[ENVELOPE_SEED, id.as_bytes()]), sealed)?;
        let mut seed = Zeroizing::new([0; 32]);
        if bytes.len() != seed.len() {
            return Err(OpenError);
        }
        seed.copy_from_slice(&bytes);
        let key = PrivateKey::from_seed(&seed);
        if key.public().id() == id { Ok(key) } else { Err(OpenError) }
    }

    fn derived(&self, label: &[u8]) -> Zeroizing<[u8; 32]> {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.0), label);
        let mut key = Zeroizing::new([0; 32]);
        key.copy_from_slice(tag.as_ref());
        key
    }

    /// The key: for a key file and nothing else.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0)
    }
}

/// Prints nothing of it.
impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreKey([32])")
    }
}

/// The key of one record. Drawn when the record is made, never used for another.
///
/// No `Clone`, `PartialEq` or `Serialize`: it leaves memory wrapped or not at all.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct RecordKey([u8; 32]);

impl RecordKey {
    /// A fresh key.
    ///
    /// # Errors
    /// [`NoRandomness`] if the system gives none.
    pub fn generate() -> Result<Self, NoRandomness> {
        Ok(Self(*random()?))
    }

    #[cfg(test)]
    pub(super) fn from_bytes_for_test(bytes: &Zeroizing<[u8; 32]>) -> Self {
        Self(**bytes)
    }

    /// The key under `store`, for the record that `context` describes. Destroying it erases the record.
    ///
    /// # Errors
    /// [`NoRandomness`] if the system gives none.
    pub fn wrap(&self, store: &StoreKey, context: &Context<'_>) -> Result<[u8; WRAPPED_KEY], NoRandomness> {
        let sealed = seal(&store.0, &context.aad(WRAP), &self.0)?;
        let mut wrapped = [0; WRAPPED_KEY];
        wrapped.copy_from_slice(&sealed);
        Ok(wrapped)
    }

    /// The key of a stored record.
    ///
    /// # Errors
    /// [`OpenError`] unless `wrapped` was made by [`RecordKey::wrap`] with this store key and context.
    pub fn unwrap(wrapped: &[u8], store: &StoreKey, context: &Context<'_>) -> Result<Self, OpenError> {
        let bytes = open(&store.0, &context.aad(WRAP), wrapped)?;
        if bytes.len() != 32 {
            return Err(OpenError);
        }
        let mut key = Self([0; 32]);
        key.0.copy_from_slice(&bytes);
        Ok(key)
    }

    /// A box with `plaintext` in it, [`BOX_OVERHEAD`] bytes longer.
    ///
    /// # Errors
    /// [`NoRandomness`] if the system gives none.
    pub fn seal(&self, context: &Context<'_>, plaintext: &[u8]) -> Result<Box<[u8]>, NoRandomness> {
        seal(&self.0, &context.aad(BOX), plaintext)
    }

    /// What is in a box.
    ///
    /// # Errors
    /// [`OpenError`] unless it was made by [`RecordKey::seal`] with this key and context.
    pub fn open(&self, context: &Context<'_>, sealed: &[u8]) -> Result<Zeroizing<Box<[u8]>>, OpenError> {
        open(&self.0, &context.aad(BOX), sealed)
    }
}

/// Prints nothing of it.
impl fmt::Debug for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecordKey([32])")
    }
}

fn aead(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("AES-256 takes 32 bytes"))
}

fn seal(key: &[u8; 32], aad: &[u8], plaintext: &[u8]) -> Result<Box<[u8]>, NoRandomness> {
    let nonce = random::<NONCE_LEN>()?;
    let mut out = vec![0; BOX_OVERHEAD + plaintext.len()].into_boxed_slice();
    let (head, rest) = out.split_at_mut(NONCE_LEN);
    let (text, end) = rest.split_at_mut(plaintext.len());
    head.copy_from_slice(nonce.as_slice());
    text.copy_from_slice(plaintext);
    let tag = aead(key)
        .seal_in_place_separate_tag(Nonce::assume_unique_for_key(*nonce), Aad::from(aad), text)
        .expect("a record is far below the 64 GiB of AES-GCM");
    end.copy_from_slice(tag.as_ref());
    Ok(out)
}

fn open(key: &[u8; 32], aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Box<[u8]>>, OpenError> {
    if sealed.len() < BOX_OVERHEAD {
        return Err(OpenError);
    }
    let (nonce, rest) = sealed.split_at(NONCE_LEN);
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| OpenError)?;
    let mut work = Zeroizing::new(Box::<[u8]>::from(rest));
    let text = aead(key).open_in_place(nonce, Aad::from(aad), &mut work).map_err(|_| OpenError)?;
    Ok(Zeroizing::new(Box::from(&*text)))
}
