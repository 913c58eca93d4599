//! X-Wing keys: the long-lived ones that envelopes are sealed to, and the ephemeral ones of a handshake.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use hpke::aead::ExportOnlyAead;
use hpke::kdf::HkdfSha256;
use hpke::kem::XWing;
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable as _, Kem, OpModeR, OpModeS, Serializable as _};
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::hex::{hex, unhex};

use super::{ENCAPSULATED, NoRandomness, PUBLIC_KEY, random, sha256};

/// What an X-Wing encapsulation draws: 32 bytes for ML-KEM, 32 for X25519.
pub(super) type EncapsulationSeed = [u8; 64];

/// Names an envelope key: the first 8 bytes of the SHA-256 of the public key.
///
/// It tells keys apart; it does not authenticate one. A client learns public keys from the signed committee.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId([u8; Self::LEN]);

impl KeyId {
    /// Bytes of a key id.
    pub const LEN: usize = 8;

    /// The eight bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// From the eight bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    fn of(public: &[u8; PUBLIC_KEY]) -> Self {
        let mut id = [0; Self::LEN];
        id.copy_from_slice(&sha256(public)[..Self::LEN]);
        Self(id)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// The text is not a key id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key id is 16 digits of lower-case hex")]
pub struct KeyIdError;

impl FromStr for KeyId {
    type Err = KeyIdError;

    fn from_str(text: &str) -> Result<Self, KeyIdError> {
        unhex(text).map(Self).ok_or(KeyIdError)
    }
}

/// The bytes are not an X-Wing public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublicKeyError {
    /// Not 1216 bytes.
    #[error("an X-Wing public key has {PUBLIC_KEY} bytes, not {got}")]
    Length {
        /// How many there were.
        got: usize,
    },
    /// The ML-KEM part holds a coefficient that is not reduced (FIPS 203, section 7.2).
    #[error("not an X-Wing public key")]
    Invalid,
}

/// A node's public X-Wing key: 1184 bytes of ML-KEM-768, then 32 of X25519 (draft-connolly-cfrg-xwing-kem).
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    id: KeyId,
    bytes: Box<[u8; PUBLIC_KEY]>,
    inner: <XWing as Kem>::PublicKey,
}

impl PublicKey {
    /// Reads and checks a public key.
    ///
    /// # Errors
    /// [`PublicKeyError`] if it has another length or is not one.
    pub fn parse(bytes: &[u8]) -> Result<Self, PublicKeyError> {
        let exact: [u8; PUBLIC_KEY] = bytes.try_into().map_err(|_| PublicKeyError::Length { got: bytes.len() })?;
        let inner = <XWing as Kem>::PublicKey::from_bytes(bytes).map_err(|_| PublicKeyError::Invalid)?;
        Ok(Self { id: KeyId::of(&exact), bytes: Box::new(exact), inner })
    }

    fn of(private: &<XWing as Kem>::PrivateKey) -> Self {
        let inner = XWing::sk_to_pk(private);
        let mut bytes = Box::new([0; PUBLIC_KEY]);
        inner.write_exact(bytes.as_mut_slice());
        Self { id: KeyId::of(&bytes), bytes, inner }
    }

    /// Its name.
    #[must_use]
    pub const fn id(&self) -> &KeyId {
        &self.id
    }

    /// The 1216 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; PUBLIC_KEY] {
        &self.bytes
    }

    /// A fresh secret, and what lets the holder of this key find it: HPKE export (RFC 9180, section 5.3), bound to `info`.
    ///
    /// # Errors
    /// [`NoRandomness`] if the system gives none.
    pub fn encapsulate(&self, info: &[u8]) -> Result<Encapsulation, NoRandomness> {
        Ok(self.encapsulate_from(info, &*random()?))
    }

    pub(super) fn encapsulate_from(&self, info: &[u8], seed: &EncapsulationSeed) -> Encapsulation {
        let (encapped, context) = hpke::setup_sender_with_rng::<ExportOnlyAead, HkdfSha256, XWing>(
            &OpModeS::Base,
            &self.inner,
            info,
            &mut Drawn::new(seed),
        )
        .expect("X-Wing encapsulates to every checked key");
        let mut made = Encapsulation { bytes: Box::new([0; ENCAPSULATED]), secret: Zeroizing::new([0; 32]) };
        encapped.write_exact(made.bytes.as_mut_slice());
        context.export(EXPORT, made.secret.as_mut_slice()).expect("HKDF-SHA256 gives 32 bytes");
        made
    }

    pub(super) const fn inner(&self) -> &<XWing as Kem>::PublicKey {
        &self.inner
    }
}

/// A fresh secret, and the bytes from which the holder of the private key finds it.
pub struct Encapsulation {
    /// To send.
    pub bytes: Box<[u8; ENCAPSULATED]>,
    /// To keep.
    pub secret: Zeroizing<[u8; 32]>,
}

/// The exporter context of the handshake's secrets.
const EXPORT: &[u8] = b"tumar handshake secret v1";

/// Prints the key's id.
impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id)
    }
}

/// A private X-Wing key: a seed of 32 bytes, from which both halves are expanded at every use.
///
/// No `Clone`, `PartialEq` or `Serialize`: a key is stored by [`PrivateKey::to_seed`] alone, into a key file.
pub struct PrivateKey {
    inner: <XWing as Kem>::PrivateKey,
    public: PublicKey,
}

impl PrivateKey {
    /// A fresh key.
    ///
    /// # Errors
    /// [`NoRandomness`] if the system gives none.
    pub fn generate() -> Result<Self, NoRandomness> {
        Ok(Self::from_seed(&random()?))
    }

    /// The key of a stored seed. Every 32 bytes are a key.
    #[must_use]
    pub fn from_seed(seed: &Zeroizing<[u8; 32]>) -> Self {
        let inner =
            <XWing as Kem>::PrivateKey::from_bytes(seed.as_slice()).expect("any 32 bytes are an X-Wing private key");
        let public = PublicKey::of(&inner);
        Self { inner, public }
    }

    /// The seed: for a key file and nothing else.
    #[must_use]
    pub fn to_seed(&self) -> Zeroizing<[u8; 32]> {
        let mut seed = Zeroizing::new([0; 32]);
        self.inner.write_exact(seed.as_mut_slice());
        seed
    }

    /// Its public key.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The secret of [`PublicKey::encapsulate`].
    ///
    /// Bytes that the peer did not make with this key give an unrelated secret, not an error (ML-KEM rejects implicitly):
    /// the caller authenticates them.
    #[must_use]
    pub fn decapsulate(&self, encapsulated: &[u8; ENCAPSULATED], info: &[u8]) -> Zeroizing<[u8; 32]> {
        let encapped = <XWing as Kem>::EncappedKey::from_bytes(encapsulated).expect("the length is the type's");
        let context =
            hpke::setup_receiver::<ExportOnlyAead, HkdfSha256, XWing>(&OpModeR::Base, &self.inner, &encapped, info)
                .expect("X-Wing decapsulates every ciphertext");
        let mut secret = Zeroizing::new([0; 32]);
        context.export(EXPORT, secret.as_mut_slice()).expect("HKDF-SHA256 gives 32 bytes");
        secret
    }

    pub(super) const fn inner(&self) -> &<XWing as Kem>::PrivateKey {
        &self.inner
    }
}

/// The seed within is wiped by the `x-wing` crate.
impl ZeroizeOnDrop for PrivateKey {}

/// Prints the id of its public key.
impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({})", self.public.id)
    }
}

/// The private keys that a node accepts envelopes for: the one it publishes and, while clients move over, the one before.
pub struct EnvelopeKeys {
    current: PrivateKey,
    previous: Option<PrivateKey>,
}

impl EnvelopeKeys {
    /// `previous` is still opened, but no longer published.
    #[must_use]
    pub const fn new(current: PrivateKey, previous: Option<PrivateKey>) -> Self {
        Self { current, previous }
    }

    /// `next` becomes the current key, the current one the previous; the one before that is wiped.
    pub fn rotate(&mut self, next: PrivateKey) {
        self.previous = Some(std::mem::replace(&mut self.current, next));
    }

    /// Wipes the previous key, if there is one.
    pub fn forget_previous(&mut self) {
        self.previous = None;
    }

    /// The key to publish.
    #[must_use]
    pub const fn current(&self) -> &PublicKey {
        self.current.public()
    }

    /// The public keys of all that open here, the current one first.
    pub fn public(&self) -> impl Iterator<Item = &PublicKey> {
        std::iter::once(&self.current).chain(&self.previous).map(PrivateKey::public)
    }

    /// Whether envelopes to this key can open here. The id is public, so this may be refused openly, before opening.
    #[must_use]
    pub fn knows(&self, id: &KeyId) -> bool {
        self.find(*id).is_some()
    }

    /// The key with this id, if it is here.
    pub(super) fn find(&self, id: KeyId) -> Option<&PrivateKey> {
        [Some(&self.current), self.previous.as_ref()].into_iter().flatten().find(|key| key.public.id == id)
    }
}

impl ZeroizeOnDrop for EnvelopeKeys {}

/// Prints the ids.
impl fmt::Debug for EnvelopeKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnvelopeKeys").field("current", &self.current).field("previous", &self.previous).finish()
    }
}

/// Hands the KEM what was drawn beforehand: `ring`'s generator may fail and says so, the KEM's may not.
pub(super) struct Drawn<'a> {
    left: &'a [u8],
}

impl<'a> Drawn<'a> {
    pub(super) const fn new(seed: &'a EncapsulationSeed) -> Self {
        Self { left: seed }
    }
}

impl TryRng for Drawn<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut word = [0; 4];
        self.try_fill_bytes(&mut word)?;
        Ok(u32::from_le_bytes(word))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut word = [0; 8];
        self.try_fill_bytes(&mut word)?;
        Ok(u64::from_le_bytes(word))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        let (now, left) = self
            .left
            .split_at_checked(out.len())
            .expect("X-Wing draws 64 bytes to encapsulate, no more, and they are here");
        out.copy_from_slice(now);
        self.left = left;
        Ok(())
    }
}

impl TryCryptoRng for Drawn<'_> {}
