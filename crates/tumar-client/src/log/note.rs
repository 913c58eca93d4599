//! Signed notes and checkpoints: text that says how large a log is and what its root is, under the log's Ed25519 key.
//!
//! [`Checkpoint`] --[`Checkpoint::sign`]--> note text --[`Checkpoint::open`] with a [`VerifierKey`]--> [`Checkpoint`]
//!
//! Formats: C2SP signed-note (<https://c2sp.org/signed-note>) and tlog-checkpoint (<https://c2sp.org/tlog-checkpoint>), so that
//! tools nobody here wrote can verify them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{Context, SHA256};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

use crate::ed25519::has_small_order;
use crate::name::Deployment;
use crate::party::Party;

use super::shard::Shard;

/// No longer note is read, in bytes: room for 16 post-quantum signatures, which other tools may add.
pub const MAX_BYTES: usize = 128 * 1024;

/// No note with more signatures is read. The specification asks for at least as many.
pub const MAX_SIGNATURES: usize = 16;

/// Signature type of Ed25519 over the note's text.
const ED25519_TYPE: u8 = 1;

/// Begins a signature line: em dash, space.
const DASH: &str = "\u{2014} ";

/// A key, note or checkpoint does not have its form, or is not signed by whom it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not an Ed25519 key in PKCS#8.
    #[error("not an Ed25519 key in PKCS#8")]
    PrivateKey,
    /// A key's name is empty, longer than 128 bytes, or has space, control characters or a plus in it.
    #[error("a key name is 1 to 128 bytes without space, control characters and plus")]
    KeyName,
    /// Not `name+id+key` with the id that name and key have, or not an Ed25519 key.
    #[error("not a C2SP verifier key (NAME+HASH+BASE64)")]
    VerifierKey,
    /// By it anybody can make signatures that verify.
    #[error("an Ed25519 key of small order, which verifies what nobody signed: ask its owner for the right key")]
    SmallOrder,
    /// Longer than [`MAX_BYTES`]; nothing of it was read.
    #[error("a note is at most {MAX_BYTES} bytes")]
    TooLong,
    /// Not text, blank line, signature lines.
    #[error("not a signed note")]
    Malformed,
    /// More than [`MAX_SIGNATURES`].
    #[error("a note has at most {MAX_SIGNATURES} signatures")]
    TooManySignatures,
    /// No signature is by the key asked for.
    #[error("the note is not signed by this key")]
    Unsigned,
    /// A signature names the key asked for, and is not by it.
    #[error("the signature is not by the key it names")]
    Signature,
    /// The text is signed and is not a checkpoint: origin, size and root on three lines, and no more.
    #[error("not a checkpoint")]
    Checkpoint,
    /// A checkpoint of another log than the key's.
    #[error("the checkpoint is of another log")]
    Origin,
}

/// An Ed25519 key pair: a node's log key, or its identity key.
///
/// No `Clone`, `PartialEq` or `Serialize`. `ring` does not wipe it when it is dropped.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// From PKCS#8, version 1 or 2, DER.
    ///
    /// # Errors
    /// [`NoteError::PrivateKey`] if it is not an Ed25519 key in this form.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, NoteError> {
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map(Self).map_err(|_| NoteError::PrivateKey)
    }

    /// From the 32 random bytes that RFC 8032 calls the private key.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(seed).expect("any 32 bytes are a seed"))
    }

    /// The public key, as RFC 8032 encodes it.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        self.0.public_key().as_ref().try_into().expect("an Ed25519 public key has 32 bytes")
    }

    /// Signs the bytes themselves (Ed25519, not the prehashed kind).
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).as_ref().try_into().expect("an Ed25519 signature has 64 bytes")
    }
}

/// Prints the public key's first bytes.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let public = self.public();
        let first: &[u8; 4] = public.first_chunk().expect("an Ed25519 public key has 32 bytes");
        write!(f, "SigningKey(public {:08x}..)", u32::from_be_bytes(*first))
    }
}

/// Whether `signature` is `public`'s over `message`.
#[must_use]
pub fn is_signed(public: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, public).verify(message, signature).is_ok()
}

/// Name of a log and of its key, by convention an address without scheme: `kz-demo.tumar.example/a`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyName(String);

impl KeyName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl KeyName {
    /// The name of the log of half a year.
    #[must_use]
    pub fn of_half(&self, half: Shard) -> Self {
        Self(format!("{}/{half}", self.0))
    }
}

impl FromStr for KeyName {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let bad = |c: char| c.is_whitespace() || c.is_control() || c == '+';
        if (1..=128).contains(&text.len()) && !text.contains(bad) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NoteError::KeyName)
        }
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a node's log and of its key: `log.a.kz-demo.tumar.internal`.
#[must_use]
pub fn log_name(deployment: &Deployment, party: Party) -> KeyName {
    KeyName(format!("log.{}.{deployment}.tumar.internal", party.letter()))
}

/// A log's name and public key, with the key id that both determine.
///
/// Text form: `name+id+base64(0x01, key)`, the id in eight hexadecimal digits, as Go's `sumdb/note` writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: KeyName,
    public: [u8; 32],
    id: [u8; 4],
}

impl VerifierKey {
    /// From name and public key.
    #[must_use]
    pub fn new(name: KeyName, public: [u8; 32]) -> Self {
        let id = key_id(&name, ED25519_TYPE, &public);
        Self { name, public, id }
    }

    /// The log's name.
    #[must_use]
    pub const fn name(&self) -> &KeyName {
        &self.name
    }

    /// The public key.
    #[must_use]
    pub const fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// The same key under the name that the node's log has for half a year, which is its origin: `NAME/2026h2`.
    #[must_use]
    pub fn of_half(&self, half: Shard) -> Self {
        Self::new(self.name.of_half(half), self.public)
    }

    /// The text of a note that this key signed. Signatures by other keys are not looked at.
    ///
    /// # Errors
    /// [`NoteError`] if it is not a note, not signed by this key, or has a false signature in this key's name beside a good one.
    pub fn open<'n>(&self, note: &'n str) -> Result<&'n str, NoteError> {
        let (text, signatures) = read(note)?;
        let mut signed = false;
        for signature in signatures.iter().filter(|signature| signature.is_by(&self.name, self.id)) {
            if !is_signed(&self.public, text.as_bytes(), &signature.blob) {
                return Err(NoteError::Signature);
            }
            signed = true;
        }
        if signed { Ok(text) } else { Err(NoteError::Unsigned) }
    }

    /// The note without the signatures of others.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn only(&self, note: &str) -> Result<String, NoteError> {
        let text = self.open(note)?;
        let (_, signatures) = read(note)?;
        let own = signatures.iter().filter(|signature| signature.is_by(&self.name, self.id));
        Ok(own.fold(format!("{text}\n"), |note, signature| note + signature.line + "\n"))
    }
}

/// One signature of a note, not checked.
pub(super) struct Signature<'n> {
    name: KeyName,
    id: [u8; 4],
    /// What follows the key id; never empty.
    pub(super) blob: Vec<u8>,
    /// The line that it stands in, without the line end.
    pub(super) line: &'n str,
}

impl<'n> Signature<'n> {
    fn parse(line: &'n str) -> Option<Self> {
        let (name, encoded) = line.strip_prefix(DASH)?.split_once(' ')?;
        let blob = STANDARD.decode(encoded).ok()?;
        let (id, rest) = blob.split_first_chunk::<4>()?;
        let whole = !rest.is_empty();
        whole.then_some(Self { name: name.parse().ok()?, id: *id, blob: rest.to_vec(), line })
    }

    /// Whether it says to be by this key. Two keys of one name, or with one id, are two keys.
    pub(super) fn is_by(&self, name: &KeyName, id: [u8; 4]) -> bool {
        self.name == *name && self.id == id
    }
}

/// A note's text, with its last line end, and its signatures, of which none is checked.
///
/// # Errors
/// [`NoteError`] if it is not a note.
pub(super) fn read(note: &str) -> Result<(&str, Vec<Signature<'_>>), NoteError> {
    let (text, lines) = split(note)?;
    if lines.lines().count() > MAX_SIGNATURES {
        return Err(NoteError::TooManySignatures);
    }
    let signatures = lines.lines().map(Signature::parse).collect::<Option<_>>();
    Ok((text, signatures.ok_or(NoteError::Malformed)?))
}

/// A signature's line, with its line end.
pub(super) fn line(name: &KeyName, id: [u8; 4], blob: &[u8]) -> String {
    format!("{DASH}{name} {}\n", STANDARD.encode([&id, blob].concat()))
}

/// The id of an Ed25519 key with which signatures of type `kind` are made.
pub(super) fn key_id(name: &KeyName, kind: u8, public: &[u8; 32]) -> [u8; 4] {
    let mut hash = Context::new(&SHA256);
    hash.update(name.as_str().as_bytes());
    hash.update(b"\n");
    hash.update(&[kind]);
    hash.update(public);
    *hash.finish().as_ref().first_chunk().expect("SHA-256 makes more than 4 bytes")
}

/// A key as text: `name+id+base64(kind, key)`.
pub(super) fn key_text(name: &KeyName, kind: u8, public: &[u8; 32]) -> String {
    let mut encoded = [kind; 33];
    encoded[1..].copy_from_slice(public);
    format!("{name}+{:08x}+{}", u32::from_be_bytes(key_id(name, kind, public)), STANDARD.encode(encoded))
}

/// Name and public key of a key as text. What does not print back as it came is refused: so the id is checked as well.
pub(super) fn parse_key(text: &str, kind: u8) -> Result<(KeyName, [u8; 32]), NoteError> {
    let read = || {
        let mut parts = text.splitn(3, '+');
        let (name, _id, encoded) = (parts.next()?, parts.next()?, parts.next()?);
        let decoded = STANDARD.decode(encoded).ok()?;
        let (name, public) = (name.parse().ok()?, <[u8; 32]>::try_from(decoded.get(1..)?).ok()?);
        (key_text(&name, kind, &public) == text).then_some((name, public))
    };
    match read() {
        None => Err(NoteError::VerifierKey),
        Some((_, public)) if has_small_order(&public) => Err(NoteError::SmallOrder),
        Some(key) => Ok(key),
    }
}

/// A note's text, with its last line end, and its signature lines.
fn split(note: &str) -> Result<(&str, &str), NoteError> {
    if note.len() > MAX_BYTES {
        return Err(NoteError::TooLong);
    }
    if !is_text(note) {
        return Err(NoteError::Malformed);
    }
    let blank = note.rfind("\n\n").ok_or(NoteError::Malformed)?;
    let (text, lines) = (&note[..=blank], &note[blank + 2..]);
    if lines.is_empty() { Err(NoteError::Malformed) } else { Ok((text, lines)) }
}

/// Whole lines without control characters.
fn is_text(text: &str) -> bool {
    text.ends_with('\n') && !text.bytes().any(|byte| byte < 0x20 && byte != b'\n')
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&key_text(&self.name, ED25519_TYPE, &self.public))
    }
}

impl FromStr for VerifierKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let (name, public) = parse_key(text, ED25519_TYPE)?;
        Ok(Self::new(name, public))
    }
}

/// A log's name and private key.
pub struct NoteSigner {
    key: Arc<SigningKey>,
    verifier: VerifierKey,
}

impl NoteSigner {
    /// From name and key.
    #[must_use]
    pub fn new(name: KeyName, key: SigningKey) -> Self {
        let verifier = VerifierKey::new(name, key.public());
        Self { key: Arc::new(key), verifier }
    }

    /// The same key under the name of half a year: [`VerifierKey::of_half`].
    #[must_use]
    pub fn of_half(&self, half: Shard) -> Self {
        Self { key: Arc::clone(&self.key), verifier: self.verifier.of_half(half) }
    }

    /// What others verify with.
    #[must_use]
    pub const fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// The note with this text and one signature.
    ///
    /// # Errors
    /// [`NoteError::Malformed`] unless the text ends a line and has no control characters.
    pub fn sign(&self, text: &str) -> Result<String, NoteError> {
        if !is_text(text) {
            return Err(NoteError::Malformed);
        }
        let signature = self.key.sign(text.as_bytes());
        Ok(format!("{text}\n{}", line(&self.verifier.name, self.verifier.id, &signature)))
    }
}

/// Prints the name.
impl fmt::Debug for NoteSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NoteSigner({})", self.verifier.name)
    }
}

/// How large a log is, and its root at that size. No extension lines: none is written, and a note with any is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log: the name of its key.
    pub origin: KeyName,
    /// Number of entries.
    pub size: u64,
    /// RFC 6962 root over them.
    pub root: [u8; 32],
}

impl Checkpoint {
    /// The three lines.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root))
    }

    /// The three lines, read.
    ///
    /// # Errors
    /// [`NoteError::Checkpoint`] unless [`text`](Self::text) would write them so.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let bad = NoteError::Checkpoint;
        let mut lines = text.lines();
        let mut line = || lines.next().ok_or(bad);
        let (origin, size, root) = (line()?, line()?, line()?);
        let checkpoint = Self {
            origin: origin.parse().map_err(|_| bad)?,
            size: size.parse().map_err(|_| bad)?,
            root: STANDARD.decode(root).ok().and_then(|root| root.try_into().ok()).ok_or(bad)?,
        };
        if checkpoint.text() == text { Ok(checkpoint) } else { Err(bad) }
    }

    /// The signed note. Sign none that is not a continuation of those signed before.
    ///
    /// # Errors
    /// [`NoteError::Origin`] if the key is another log's.
    pub fn sign(&self, signer: &NoteSigner) -> Result<String, NoteError> {
        if self.origin == signer.verifier.name { signer.sign(&self.text()) } else { Err(NoteError::Origin) }
    }

    /// The checkpoint that `key`'s log signed.
    ///
    /// # Errors
    /// As [`VerifierKey::open`]; [`NoteError::Checkpoint`] if what is signed is not one; [`NoteError::Origin`] if it is
    /// another log's.
    pub fn open(note: &str, key: &VerifierKey) -> Result<Self, NoteError> {
        let checkpoint = Self::parse(key.open(note)?)?;
        if checkpoint.origin == key.name { Ok(checkpoint) } else { Err(NoteError::Origin) }
    }

    /// The checkpoint of some half-year that a node's log signed, and which; `key` is the node's own, without a half in its name.
    ///
    /// # Errors
    /// As [`open`](Self::open); [`NoteError::Origin`] if the origin is not the key's name and a half-year.
    pub fn open_half(note: &str, key: &VerifierKey) -> Result<(Shard, Self), NoteError> {
        let origin = Self::danger_unverified(note)?.origin;
        let half = origin.as_str().strip_prefix(key.name.as_str()).and_then(|rest| rest.strip_prefix('/'));
        let half = half.and_then(|half| half.parse().ok()).ok_or(NoteError::Origin)?;
        Ok((half, Self::open(note, &key.of_half(half))?))
    }

    /// The checkpoint in a note of which no signature is checked: for a writer that looks at its own earlier work.
    pub(super) fn danger_unverified(note: &str) -> Result<Self, NoteError> {
        Self::parse(split(note)?.0)
    }
}
