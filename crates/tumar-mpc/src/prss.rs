//! Randomness that two parties share without sending it.
//!
//! ```text
//! handshake (fresh nonces of both) --> PairSeed --\
//!                                                  Epoch --session(id)--> SessionKeys --> Stream, tags, hashes
//! handshake with the other peer    --> PairSeed --/        once for an id                 draws that never repeat
//! ```
//!
//! Slot `i` of a replicated value belongs to the pair of party `i` and the one before it; so does one stream. Party `p` has the
//! stream of its own slot in common with `prev(p)`, and that of the next slot with `next(p)`.
//!
//! Masks must not repeat. Nobody chooses a place in a stream: it owns its counter, is drawn from by `&mut`, cannot be cloned or
//! rewound; an [`Epoch`] gives no session id out twice; and every connection has a new epoch, whose seeds depend on fresh
//! nonces of both sides. Source: DESIGN 4; Araki et al. 2016/768, section 2.3; HKDF is RFC 5869, AES-256-CTR is SP 800-38A.

use std::collections::HashSet;
use std::fmt;

use aes::Aes256;
use ctr::Ctr64BE;
use ctr::cipher::{KeyIvInit, StreamCipher};
use ring::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use ring::hmac::{self, HMAC_SHA256};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::net::{SessionId, Step};
use crate::party::Party;

/// What two connected parties have in common and nobody else knows; new at every connect.
///
/// 32 bytes of the handshake's key schedule. No `Clone`, no encoder: it never leaves the process.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct PairSeed([u8; 32]);

impl PairSeed {
    /// From the handshake's key schedule, which both sides put a fresh nonce into.
    #[must_use]
    pub fn from_handshake(bytes: &Zeroizing<[u8; 32]>) -> Self {
        Self(**bytes)
    }
}

/// Prints nothing of the seed.
impl fmt::Debug for PairSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PairSeed")
    }
}

/// Why no randomness was given out. Connect anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrssError {
    /// The session id was used before in this epoch.
    #[error("the session id was used before")]
    Repeated,
    /// The epoch has served as many sessions as it remembers.
    #[error("the epoch's sessions are used up; reconnect")]
    EpochSpent,
    /// The session has drawn as much as one may.
    #[error("the session's randomness is used up")]
    StreamSpent,
}

/// How many sessions an epoch serves. It remembers every id (16 bytes, some 50 MiB in all) rather than risk a second use.
pub const SESSIONS_PER_EPOCH: usize = 1 << 20;

/// How many bytes a session draws from one stream at most: far below what tells AES-CTR from noise.
pub const BYTES_PER_STREAM: u64 = 1 << 40;

/// One party's seeds from one connection to the next.
pub struct Epoch {
    own: Party,
    with_next: PairSeed,
    with_prev: PairSeed,
    used: HashSet<SessionId>,
}

impl Epoch {
    /// From the two handshakes of party `own`.
    #[must_use]
    pub fn new(own: Party, with_next: PairSeed, with_prev: PairSeed) -> Self {
        Self { own, with_next, with_prev, used: HashSet::new() }
    }

    /// The keys of one session: all that a run needs, and usable once.
    ///
    /// # Errors
    /// [`PrssError::Repeated`] for an id that was used before, [`PrssError::EpochSpent`] after [`SESSIONS_PER_EPOCH`].
    pub fn session(&mut self, id: SessionId) -> Result<SessionKeys, PrssError> {
        if self.used.contains(&id) {
            return Err(PrssError::Repeated);
        }
        if self.used.len() >= SESSIONS_PER_EPOCH {
            return Err(PrssError::EpochSpent);
        }
        self.used.insert(id);
        let next = PairKeys::derive(&self.with_next, id, self.own.next(), self.own, self.own.next());
        let prev = PairKeys::derive(&self.with_prev, id, self.own, self.own, self.own.prev());
        Ok(SessionKeys { own: self.own, id, next: Box::new(next), prev: Box::new(prev) })
    }
}

/// Prints whose it is and how many sessions it served.
impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Epoch({}, {} sessions)", self.own, self.used.len())
    }
}

/// One party's keys of one session.
///
/// `ring` does not wipe its HMAC keys; the streams' keys are wiped. Boxed, so that a move leaves no copy behind.
pub struct SessionKeys {
    own: Party,
    id: SessionId,
    next: Box<PairKeys>,
    prev: Box<PairKeys>,
}

impl SessionKeys {
    /// Whose keys they are.
    #[must_use]
    pub const fn own(&self) -> Party {
        self.own
    }

    /// The session.
    #[must_use]
    pub const fn id(&self) -> SessionId {
        self.id
    }

    /// The stream of the next party's slot, which that party draws too.
    pub fn with_next(&mut self) -> &mut Stream {
        &mut self.next.stream
    }

    /// The stream of the own slot, which the previous party draws too.
    pub fn with_prev(&mut self) -> &mut Stream {
        &mut self.prev.stream
    }

    /// Fills `out` with this party's part of a zero: the three parties' parts add up to 0 mod 2^16.
    ///
    /// # Errors
    /// [`PrssError::StreamSpent`].
    pub fn zero_words(&mut self, out: &mut [u16]) -> Result<(), PrssError> {
        let mut minus = Zeroizing::new(vec![0; out.len()]);
        self.prev.stream.words(out)?;
        self.next.stream.words(&mut minus)?;
        out.iter_mut().zip(minus.iter()).for_each(|(word, minus)| *word = word.wrapping_sub(*minus));
        Ok(())
    }

    /// Fills `out` with this party's part of a zero: the XOR of the three parties' parts is 0.
    ///
    /// # Errors
    /// [`PrssError::StreamSpent`].
    pub fn zero_bits(&mut self, out: &mut [u64]) -> Result<(), PrssError> {
        let mut other = Zeroizing::new(vec![0; out.len()]);
        self.prev.stream.bits(out)?;
        self.next.stream.bits(&mut other)?;
        out.iter_mut().zip(other.iter()).for_each(|(word, other)| *word ^= *other);
        Ok(())
    }

    /// The tag of a message from this party to `peer`, its `number`th in this session.
    #[must_use]
    pub fn tag(&self, peer: Party, number: u64, step: Step, body: &[u8]) -> [u8; 16] {
        authenticate(&self.pair(peer).send, self.id, number, step, body)
    }

    /// Whether the tag is the one that `peer` gave this message. Constant time.
    #[must_use]
    pub fn is_tag(&self, peer: Party, number: u64, step: Step, body: &[u8], tag: &[u8; 16]) -> bool {
        same(&authenticate(&self.pair(peer).recv, self.id, number, step, body), tag)
    }

    /// A keyed hash that the two holders of a slot, or the two ends of a link, compute alike and the third party cannot.
    ///
    /// `place` tells apart what is hashed with one key: a step, and a position in it.
    #[must_use]
    pub fn hash(&self, peer: Party, step: Step, place: u64, bytes: &[u8]) -> [u8; 16] {
        authenticate(&self.pair(peer).hash, self.id, place, step, bytes)
    }

    fn pair(&self, peer: Party) -> &PairKeys {
        if peer == self.own.next() { &self.next } else { &self.prev }
    }
}

/// Prints whose they are and of which session.
impl fmt::Debug for SessionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionKeys({}, {})", self.own, self.id)
    }
}

struct PairKeys {
    stream: Stream,
    send: hmac::Key,
    recv: hmac::Key,
    hash: hmac::Key,
}

impl PairKeys {
    /// `slot` names the pair, the same at both ends; `own` and `peer` are the two ends.
    fn derive(seed: &PairSeed, id: SessionId, slot: Party, own: Party, peer: Party) -> Self {
        let prk = Salt::new(HKDF_SHA256, b"tumar session v1").extract(&seed.0);
        let key = |purpose: &str, of: Party| expand(&prk, id, slot, purpose, of);
        let mac = |purpose, of| hmac::Key::new(HMAC_SHA256, &*key(purpose, of));
        Self {
            stream: Stream::new(&key("stream", slot)),
            send: mac("tag", own),
            recv: mac("tag", peer),
            hash: mac("hash", slot),
        }
    }
}

struct Bytes32;

impl KeyType for Bytes32 {
    fn len(&self) -> usize {
        32
    }
}

fn expand(prk: &Prk, id: SessionId, slot: Party, purpose: &str, of: Party) -> Zeroizing<[u8; 32]> {
    let mut out = Zeroizing::new([0; 32]);
    // All parts but the purpose have a fixed length, and it stands last but for one byte, so no two infos are the same bytes.
    let info = [&id.0[..], slot.as_str().as_bytes(), purpose.as_bytes(), of.as_str().as_bytes()];
    prk.expand(&info, Bytes32).and_then(|okm| okm.fill(&mut *out)).expect("32 bytes are within what HKDF gives");
    out
}

fn authenticate(key: &hmac::Key, id: SessionId, number: u64, step: Step, body: &[u8]) -> [u8; 16] {
    let mut context = hmac::Context::with_key(key);
    context.update(&id.0);
    context.update(&number.to_be_bytes());
    context.update(&[step.code()]);
    context.update(body);
    let mut out = [0; 16];
    out.copy_from_slice(&context.sign().as_ref()[..16]);
    out
}

/// Whether two tags or hashes are the same, in constant time: both are read whole as one number, and only the sum is looked at.
#[must_use]
pub fn same(a: &[u8; 16], b: &[u8; 16]) -> bool {
    std::hint::black_box(u128::from_ne_bytes(*a) ^ u128::from_ne_bytes(*b)) == 0
}

/// A sequence that two parties draw alike. It only moves on.
pub struct Stream {
    cipher: Ctr64BE<Aes256>,
    left: u64,
}

/// Bytes that are made at a time.
const PIECE: usize = 4096;

impl Stream {
    fn new(key: &[u8; 32]) -> Self {
        // The key serves one stream, so the initial counter may be the same for all.
        Self { cipher: Ctr64BE::new(key.into(), &[0; 16].into()), left: BYTES_PER_STREAM }
    }

    /// The next words of the sequence.
    ///
    /// # Errors
    /// [`PrssError::StreamSpent`] if there are not that many left; then nothing is drawn.
    pub fn words(&mut self, out: &mut [u16]) -> Result<(), PrssError> {
        self.draw(out, |bytes: &[u8; 2]| u16::from_le_bytes(*bytes))
    }

    /// The next bits of the sequence, 64 a word.
    ///
    /// # Errors
    /// [`PrssError::StreamSpent`] if there are not that many left; then nothing is drawn.
    pub fn bits(&mut self, out: &mut [u64]) -> Result<(), PrssError> {
        self.draw(out, |bytes: &[u8; 8]| u64::from_le_bytes(*bytes))
    }

    fn draw<T, const N: usize>(&mut self, out: &mut [T], from: impl Fn(&[u8; N]) -> T) -> Result<(), PrssError> {
        let count = u64::try_from(out.len()).ok().and_then(|len| len.checked_mul(N as u64));
        let left = count.and_then(|count| self.left.checked_sub(count)).ok_or(PrssError::StreamSpent)?;
        self.left = left;
        let mut piece = [0; PIECE];
        for part in out.chunks_mut(PIECE / N) {
            let bytes = &mut piece[..part.len() * N];
            let drawn = self.cipher.try_apply_keystream(bytes).map_err(|_| PrssError::StreamSpent);
            part.iter_mut().zip(bytes.as_chunks::<N>().0).for_each(|(out, bytes)| *out = from(bytes));
            // Only what was used: most draws are short, and wiping takes longer than drawing.
            bytes.zeroize();
            drawn?;
        }
        Ok(())
    }
}

/// Prints nothing of the sequence.
impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stream")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three epochs of one connection; `salt` stands for the handshakes' nonces.
    fn epochs(salt: u8) -> [Epoch; 3] {
        let seed = |slot: Party| {
            let mut bytes = Zeroizing::new([salt; 32]);
            bytes[0] = slot.as_str().as_bytes()[0];
            PairSeed::from_handshake(&bytes)
        };
        Party::ALL.map(|own| Epoch::new(own, seed(own.next()), seed(own)))
    }

    fn keys(epochs: &mut [Epoch; 3], id: u8) -> [SessionKeys; 3] {
        epochs.each_mut().map(|epoch| epoch.session(SessionId([id; 16])).unwrap())
    }

    fn both(keys: &mut SessionKeys) -> Vec<u16> {
        let mut out = vec![0; 4096];
        let (next, prev) = out.split_at_mut(2048);
        keys.with_next().words(next).unwrap();
        keys.with_prev().words(prev).unwrap();
        out
    }

    /// How many aligned words two sequences have in common: one in 65 536 by chance.
    fn in_common(a: &[u16], b: &[u16]) -> usize {
        a.iter().zip(b).filter(|(a, b)| a == b).count()
    }

    #[test]
    fn neighbours_draw_the_same_sequence_and_zeros_add_up() {
        let mut keys = keys(&mut epochs(1), 1);
        let (mut words, mut bits) = (vec![0_u16; 5000], vec![0_u64; 1000]);
        for keys in &mut keys {
            let (mut zero, mut even) = (vec![0; 5000], vec![0; 1000]);
            keys.zero_words(&mut zero).unwrap();
            keys.zero_bits(&mut even).unwrap();
            assert!(zero.iter().filter(|&&word| word == 0).count() < 10);
            words.iter_mut().zip(zero).for_each(|(sum, part)| *sum = sum.wrapping_add(part));
            bits.iter_mut().zip(even).for_each(|(sum, part)| *sum ^= part);
        }
        assert!(words.iter().all(|&word| word == 0) && bits.iter().all(|&word| word == 0));
        let [mut a, mut b, mut c] = keys.map(|mut keys| both(&mut keys));
        for _ in Party::ALL {
            assert_eq!(a[..2048], b[2048..]);
            (a, b, c) = (b, c, a);
        }
    }

    #[test]
    fn a_session_id_is_given_out_once() {
        let mut epochs = epochs(1);
        keys(&mut epochs, 7);
        for epoch in &mut epochs {
            assert_eq!(epoch.session(SessionId([7; 16])).map(|_| 0), Err(PrssError::Repeated));
            assert!(epoch.session(SessionId([8; 16])).is_ok());
            assert_eq!(epoch.session(SessionId([8; 16])).map(|_| 0), Err(PrssError::Repeated));
        }
    }

    #[test]
    fn a_new_session_and_a_new_connection_have_other_masks() {
        let mut first = epochs(1);
        let one = keys(&mut first, 7).map(|mut keys| both(&mut keys));
        let other_session = keys(&mut first, 8).map(|mut keys| both(&mut keys));
        // Same session id after a restart: only the handshakes' fresh nonces differ.
        let reconnected = keys(&mut epochs(2), 7).map(|mut keys| both(&mut keys));
        for party in Party::ALL.map(Party::index) {
            assert!(in_common(&one[party], &other_session[party]) < 4);
            assert!(in_common(&one[party], &reconnected[party]) < 4);
            assert!(in_common(&one[party][..2048], &one[party][2048..]) < 4);
        }
    }

    #[test]
    fn a_stream_moves_on_and_ends() {
        let mut stream = Stream::new(&[3; 32]);
        let (mut one, mut two) = ([0_u16; 3000], [0_u16; 3000]);
        stream.words(&mut one).unwrap();
        stream.words(&mut two).unwrap();
        assert!(in_common(&one, &two) < 4);
        stream.left = 9;
        assert_eq!(stream.bits(&mut [0; 2]), Err(PrssError::StreamSpent));
        assert_eq!(stream.bits(&mut [0; 1]), Ok(()));
        assert_eq!(stream.words(&mut [0; 1]), Err(PrssError::StreamSpent));
    }

    #[test]
    fn an_epoch_ends() {
        let [mut epoch, ..] = epochs(1);
        epoch.used = (0..SESSIONS_PER_EPOCH as u128).map(|id| SessionId(id.to_be_bytes())).collect();
        assert_eq!(epoch.session(SessionId([255; 16])).map(|_| 0), Err(PrssError::EpochSpent));
    }

    #[test]
    fn a_tag_fits_one_message_one_direction_and_one_session_only() {
        let mut epochs = epochs(1);
        let [a, b, c] = keys(&mut epochs, 1);
        let [other, ..] = keys(&mut epochs, 2);
        let tag = a.tag(Party::B, 4, Step::Open, b"body");
        assert!(b.is_tag(Party::A, 4, Step::Open, b"body", &tag));
        assert!(!b.is_tag(Party::A, 5, Step::Open, b"body", &tag));
        assert!(!b.is_tag(Party::A, 4, Step::Inject, b"body", &tag));
        assert!(!b.is_tag(Party::A, 4, Step::Open, b"bodY", &tag));
        assert!(!b.is_tag(Party::C, 4, Step::Open, b"body", &tag));
        assert!(!a.is_tag(Party::B, 4, Step::Open, b"body", &tag));
        assert!(!c.is_tag(Party::A, 4, Step::Open, b"body", &tag));
        assert_ne!(other.tag(Party::B, 4, Step::Open, b"body"), tag);
        assert_eq!(a.hash(Party::B, Step::Inject, 0, b"x"), b.hash(Party::A, Step::Inject, 0, b"x"));
        assert_ne!(a.hash(Party::C, Step::Inject, 0, b"x"), a.hash(Party::B, Step::Inject, 0, b"x"));
    }

    #[test]
    fn no_key_prints_its_content() {
        let [mut epoch, ..] = epochs(b'k');
        let mut keys = epoch.session(SessionId([0; 16])).unwrap();
        let zeros = "0".repeat(32);
        assert_eq!(format!("{:?}", PairSeed([1; 32])), "PairSeed");
        assert_eq!(format!("{epoch:?} {keys:?}"), format!("Epoch(A, 1 sessions) SessionKeys(A, {zeros})"));
        assert_eq!(format!("{:?}", keys.with_next()), "Stream");
    }
}
