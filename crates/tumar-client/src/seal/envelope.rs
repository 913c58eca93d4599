//! A share sealed to one node, for one use (HPKE base mode, single shot; RFC 9180, section 6.1).

use std::fmt;

use hpke::aead::{AeadTag, AesGcm256};
use hpke::inout::InOutBuf;
use hpke::kdf::HkdfSha256;
use hpke::kem::XWing;
use hpke::{Deserializable as _, Kem, OpModeR, OpModeS, Serializable as _};
use zeroize::Zeroizing;

use super::keys::{Drawn, EncapsulationSeed, EnvelopeKeys, KeyId, PrivateKey, PublicKey};
use super::{ENCAPSULATED, NoRandomness, OpenError, TAG, framed, random, sha256};
use crate::name::{
    ClientName, Deployment, GalleryName, Modality, ModelId, PurposeName, RelyingParty, RequestId, Subject,
};
use crate::party::Party;
use crate::request::{Method, Minute};

/// What an envelope is for. Sealed for one, it opens for no other.
///
/// Each field goes into HPKE's `info` with its length in front, after the format's version and beside the id of the
/// key; the AAD is empty. The id is not a field here: sealing and opening take it from the key that they use.
#[derive(Clone, Copy, Debug)]
pub struct Binding<'a> {
    /// The node that is to open it.
    pub party: Party,
    /// The installation.
    pub deployment: &'a Deployment,
    /// Who asks.
    pub relying_party: &'a RelyingParty,
    /// By which of its workloads.
    pub client: &'a ClientName,
    /// The call: what is to be taken in is not to be compared.
    pub method: Method,
    /// What for.
    pub purpose: &'a PurposeName,
    /// The one request it came with.
    pub request_id: &'a RequestId,
    /// Where the subject is.
    pub gallery: &'a GalleryName,
    /// Whom it is about; none at a search.
    pub subject: Option<&'a Subject>,
    /// What the template was made from.
    pub modality: Modality,
    /// The extractor that made it.
    pub model: &'a ModelId,
    /// Whole tenge at stake.
    pub amount_kzt: u64,
    /// When it was captured.
    pub captured: Minute,
}

impl Binding<'_> {
    /// HPKE's `info` for an envelope to `key`. Not secret; below 900 bytes.
    #[must_use]
    pub fn info(&self, key: &KeyId) -> Vec<u8> {
        framed(&[
            b"tumar envelope v2",
            self.party.as_str().as_bytes(),
            key.as_bytes(),
            self.deployment.as_str().as_bytes(),
            self.relying_party.as_str().as_bytes(),
            self.client.as_str().as_bytes(),
            self.method.path().as_bytes(),
            self.purpose.as_str().as_bytes(),
            self.request_id.as_bytes(),
            self.gallery.as_str().as_bytes(),
            // No subject is empty.
            self.subject.map_or("", Subject::as_str).as_bytes(),
            self.modality.as_str().as_bytes(),
            self.model.as_str().as_bytes(),
            &self.amount_kzt.to_be_bytes(),
            &self.captured.number().to_be_bytes(),
        ])
    }
}

/// The bytes do not have the form of the envelope that is due here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// The length of a share is public, and so is its envelope's.
    #[error("the envelope must have {expected} bytes, found {got}")]
    Length {
        /// How many bytes it must have.
        expected: usize,
        /// How many came.
        got: usize,
    },
}

/// A share sealed to one node: safe to relay, useless to anyone else.
///
/// * Shape: key id (8 bytes), X-Wing ciphertext (1120), then AES-256-GCM ciphertext (as long as the plaintext) and
///   its tag (16). No other framing: the plaintext's length follows from the total.
#[derive(Clone, PartialEq, Eq)]
pub struct Envelope(Box<[u8]>);

const SEALED_FROM: usize = KeyId::LEN + ENCAPSULATED;

impl Envelope {
    /// How much longer an envelope is than what is in it.
    pub const OVERHEAD: usize = SEALED_FROM + TAG;

    /// Takes the bytes of an envelope whose content has `plaintext` bytes.
    ///
    /// # Errors
    /// [`EnvelopeError::Length`] if there are more or fewer.
    pub fn parse(bytes: &[u8], plaintext: usize) -> Result<Self, EnvelopeError> {
        // Saturating: a length beyond memory is refused like any other that does not fit.
        let expected = plaintext.saturating_add(Self::OVERHEAD);
        if bytes.len() == expected {
            Ok(Self(bytes.into()))
        } else {
            Err(EnvelopeError::Length { expected, got: bytes.len() })
        }
    }

    /// The bytes, as they travel.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, as they travel, for a message to own.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.to_vec()
    }

    /// The key that it was sealed to, by its own account.
    #[must_use]
    pub fn key(&self) -> KeyId {
        let mut id = [0; KeyId::LEN];
        id.copy_from_slice(&self.0[..KeyId::LEN]);
        KeyId::from_bytes(id)
    }

    /// SHA-256 of the bytes as they travel: what [`Sample::envelopes`](crate::request::Sample::envelopes) holds.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        sha256(&self.0)
    }

    pub(super) fn seal(to: &PublicKey, binding: &Binding<'_>, plaintext: &[u8], seed: &EncapsulationSeed) -> Self {
        let mut bytes = vec![0; Self::OVERHEAD + plaintext.len()].into_boxed_slice();
        let (head, sealed) = bytes.split_at_mut(SEALED_FROM);
        let (text, tag) = sealed.split_at_mut(plaintext.len());
        // Encrypted where it stands: no copy of the plaintext is left behind.
        text.copy_from_slice(plaintext);
        let (encapped, made) = hpke::single_shot_seal_inout_detached_with_rng::<AesGcm256, HkdfSha256, XWing>(
            &OpModeS::Base,
            to.inner(),
            &binding.info(to.id()),
            InOutBuf::from(text),
            b"",
            &mut Drawn::new(seed),
        )
        .expect("a checked key encapsulates, and a share is far below the 64 GiB of AES-GCM");
        head[..KeyId::LEN].copy_from_slice(to.id().as_bytes());
        encapped.write_exact(&mut head[KeyId::LEN..]);
        made.write_exact(tag);
        Self(bytes)
    }

    pub(super) fn open(&self, key: &PrivateKey, binding: &Binding<'_>) -> Result<Zeroizing<Box<[u8]>>, OpenError> {
        let (head, sealed) = self.0.split_at(SEALED_FROM);
        let (text, tag) = sealed.split_at(sealed.len() - TAG);
        let encapped = <XWing as Kem>::EncappedKey::from_bytes(&head[KeyId::LEN..]).map_err(|_| OpenError)?;
        let tag = AeadTag::<AesGcm256>::from_bytes(tag).map_err(|_| OpenError)?;
        let mut plaintext = Zeroizing::new(Box::<[u8]>::from(text));
        hpke::single_shot_open_inout_detached::<AesGcm256, HkdfSha256, XWing>(
            &OpModeR::Base,
            key.inner(),
            &encapped,
            &binding.info(key.public().id()),
            InOutBuf::from(&mut **plaintext),
            b"",
            &tag,
        )
        .map_err(|_| OpenError)?;
        Ok(plaintext)
    }
}

impl PublicKey {
    /// Seals `plaintext` to the holder of this key, for the use that `binding` describes and no other.
    ///
    /// # Errors
    /// [`NoRandomness`] if the system gives none.
    pub fn seal(&self, binding: &Binding<'_>, plaintext: &[u8]) -> Result<Envelope, NoRandomness> {
        Ok(Envelope::seal(self, binding, plaintext, &*random()?))
    }
}

impl EnvelopeKeys {
    /// Opens an envelope that was sealed to one of these keys for exactly the use that `binding` describes.
    ///
    /// # Errors
    /// [`OpenError`] for every cause.
    pub fn open(&self, envelope: &Envelope, binding: &Binding<'_>) -> Result<Zeroizing<Box<[u8]>>, OpenError> {
        envelope.open(self.find(envelope.key()).ok_or(OpenError)?, binding)
    }
}

/// Prints the key's id and the length.
impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Envelope({}, [{}])", self.key(), self.0.len())
    }
}
