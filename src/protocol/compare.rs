//! Compares shared scores with public thresholds, 64 lanes a word: seven rounds to a shared sign, an eighth to open it.
//!
//! ```text
//! z_A + z_B + z_C  mask, hand on, share  S + V     S known to a host h, V to the other two
//! S, V             generate, 4 levels    carry     into bit 15: 15 + 13 + 7 + 3 + 1 = 39 ANDs
//!                  local                 sign      S_15 ^ V_15 ^ carry: set where the score is below the threshold
//! ```
//!
//! Lanes fall into three parts by whole words, and each party is host of one. Every party sends 2 + 2 + 2 bytes for a third of
//! the lanes twice and once (2 bytes a lane in all), 39 bits for the ANDs and one bit to open: 7 bytes a lane, besides a digest of
//! 16 bytes at the opening. Source: ABY3 (2018/403) 5.3; Araki et al. 2016/768 for the AND.

use std::ops::Range;

use zeroize::Zeroizing;

use super::{ProtocolError, Round, Session, open, part_of, put_words, take_words, thirds};
use crate::net::Step;
use crate::party::Party;
use crate::share::ShapeError;

/// One bit of every lane, shared: the value is the XOR of three slots, of which a party has its own and the next one.
struct Plane {
    own: Zeroizing<Vec<u64>>,
    next: Zeroizing<Vec<u64>>,
}

impl Plane {
    fn zero(words: usize) -> Self {
        Self { own: Zeroizing::new(vec![0; words]), next: Zeroizing::new(vec![0; words]) }
    }

    fn xor(&self, other: &Self) -> Self {
        let xor = |a: &[u64], b: &[u64]| Zeroizing::new(a.iter().zip(b).map(|(a, b)| a ^ b).collect());
        Self { own: xor(&self.own, &other.own), next: xor(&self.next, &other.next) }
    }
}

/// Shared outcomes that were not opened yet.
pub struct Signs {
    plane: Plane,
    lanes: usize,
    /// Which lanes of the comparison these are, four bytes each; empty for all of them.
    chosen: Vec<u8>,
}

/// Prints how many there are.
impl std::fmt::Debug for Signs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signs([{}])", self.lanes)
    }
}

impl Signs {
    /// Number of outcomes.
    #[must_use]
    pub const fn lanes(&self) -> usize {
        self.lanes
    }

    /// Only these lanes, in this order. What is left out stays shared.
    ///
    /// # Panics
    /// When a lane is not there.
    #[must_use]
    pub fn select(&self, lanes: &[usize]) -> Self {
        let gather = |from: &[u64]| {
            let bit = |lane: usize| from[lane / 64] >> (lane % 64) & 1;
            let word = |lanes: &[usize]| lanes.iter().rev().fold(0, |word, &lane| word << 1 | bit(lane));
            Zeroizing::new(lanes.chunks(64).map(word).collect())
        };
        let number = |lane: &usize| u32::try_from(*lane).expect("no run has four thousand million lanes");
        let chosen = lanes.iter().flat_map(|lane| number(lane).to_le_bytes()).collect();
        Self {
            plane: Plane { own: gather(&self.plane.own), next: gather(&self.plane.next) },
            lanes: lanes.len(),
            chosen,
        }
    }

    /// What a digest of a slot is taken of: the slot, and which lanes it stands for. A party that was made to leave another lane
    /// out than its peers must not take their bits for those of its own lanes.
    pub(super) fn to_digest(&self, slot: &[u8]) -> Zeroizing<Vec<u8>> {
        Zeroizing::new([slot, &self.chosen].concat())
    }

    pub(super) fn own_bytes(&self) -> Vec<u8> {
        slot_bytes(&self.plane.own, self.lanes)
    }

    pub(super) fn next_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(slot_bytes(&self.plane.next, self.lanes))
    }
}

/// The lanes of a slot as bytes. What stands beyond the last lane is cut off: both holders must make the same bytes.
fn slot_bytes(slot: &[u64], lanes: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_plane(&mut bytes, slot, lanes);
    if let (Some(last), 1..8) = (bytes.last_mut(), lanes % 8) {
        *last &= (1 << (lanes % 8)) - 1;
    }
    bytes
}

fn put_plane(out: &mut Vec<u8>, words: &[u64], lanes: usize) {
    let end = out.len() + lanes.div_ceil(8);
    out.reserve_exact(8 * words.len());
    for word in words {
        out.extend_from_slice(&word.to_le_bytes());
    }
    out.truncate(end);
}

fn take_plane(bytes: &[u8]) -> Zeroizing<Vec<u64>> {
    let word = |part: &[u8]| part.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    Zeroizing::new(bytes.chunks(8).map(word).collect())
}

/// Opens for each lane whether its score reaches its threshold: 8 rounds, 7 bytes a lane and party, and a digest.
///
/// # Errors
/// As [`signs`] and [`open()`].
pub async fn compare(session: &mut Session, scores: &[u16], thresholds: &[i16]) -> Result<Vec<bool>, ProtocolError> {
    let signs = signs(session, scores, thresholds).await?;
    open(session, Step::Open, &signs).await
}

/// Compares without opening, in 7 rounds.
///
/// * `scores`: this party's additive summands mod 2^16, one a lane. They need no mask: each lane is masked here, with a zero of
///   its own.
/// * `thresholds`: public, one a lane. The sum of the three scores less the threshold must fit an `i16`.
///
/// # Errors
/// [`ProtocolError`] if the run stopped; the session is over then.
pub async fn signs(session: &mut Session, scores: &[u16], thresholds: &[i16]) -> Result<Signs, ProtocolError> {
    if scores.len() != thresholds.len() {
        return Err(session.fail(ShapeError::Length { expected: scores.len(), found: thresholds.len() }));
    }
    if scores.is_empty() {
        return Ok(Signs { plane: Plane::zero(0), lanes: 0, chosen: Vec::new() });
    }
    let lanes = scores.len();
    let mut masked = Zeroizing::new(vec![0; lanes]);
    session.keys().zero_words(&mut masked).map_err(|e| session.fail(e))?;
    masked.iter_mut().zip(scores).for_each(|(word, score)| *word = word.wrapping_add(*score));
    if session.own() == Party::A {
        let thresholds = thresholds.iter().map(|threshold| threshold.cast_unsigned());
        masked.iter_mut().zip(thresholds).for_each(|(word, threshold)| *word = word.wrapping_sub(threshold));
    }
    let (s, v) = share_two(session, &masked).await?;
    let mut propagate: Vec<Plane> = s.iter().zip(&v).map(|(s, v)| s.xor(v)).collect();
    let top = propagate.pop().expect("a word has sixteen bits");
    let pairs: Vec<_> = s.iter().zip(&v).take(15).collect();
    let generate = and(session, Step::Generate, lanes, &pairs).await?;
    let carry = carry(session, lanes, generate, propagate).await?;
    Ok(Signs { plane: top.xor(&carry), lanes, chosen: Vec::new() })
}

/// The carry into bit 15 by a tree over positions 0 to 14.
async fn carry(
    session: &mut Session,
    lanes: usize,
    mut generate: Vec<Plane>,
    mut propagate: Vec<Plane>,
) -> Result<Plane, ProtocolError> {
    for step in [Step::CarryTwo, Step::CarryFour, Step::CarryEight, Step::CarrySign] {
        // A pair's upper half makes a carry, or lets the lower half's through; nothing comes in from below the lowest pair, so
        // whether that one would let it through need not be known.
        let pairs = generate.len() / 2;
        let through = (0..pairs).map(|k| (&generate[2 * k], &propagate[2 * k + 1]));
        let both = (1..pairs).map(|k| (&propagate[2 * k], &propagate[2 * k + 1]));
        let gates: Vec<_> = through.chain(both).collect();
        let mut products = and(session, step, lanes, &gates).await?;
        let mut upper = products.split_off(pairs);
        let mut joined: Vec<Plane> = (0..pairs).map(|k| generate[2 * k + 1].xor(&products[k])).collect();
        // In place of the lowest pair's, which is never read.
        upper.insert(0, Plane::zero(0));
        if generate.len() % 2 == 1 {
            joined.extend(generate.pop());
            upper.extend(propagate.pop());
        }
        (generate, propagate) = (joined, upper);
    }
    Ok(generate.pop().expect("15 positions are one after four halvings"))
}

/// AND of pairs of planes, one round for any number: one bit a gate and lane, to the previous party.
async fn and(
    session: &mut Session,
    step: Step,
    lanes: usize,
    gates: &[(&Plane, &Plane)],
) -> Result<Vec<Plane>, ProtocolError> {
    let words = lanes.div_ceil(64);
    let mut own = Zeroizing::new(vec![0; words * gates.len()]);
    session.keys().zero_bits(&mut own).map_err(|e| session.fail(e))?;
    let mut sent = Vec::with_capacity(gates.len() * lanes.div_ceil(8) + 8);
    for ((x, y), out) in gates.iter().zip(own.chunks_exact_mut(words)) {
        let x = x.own.iter().zip(x.next.iter());
        let y = y.own.iter().zip(y.next.iter());
        for ((out, (x, x_next)), (y, y_next)) in out.iter_mut().zip(x).zip(y) {
            *out ^= (x & (y ^ y_next)) ^ (x_next & y);
        }
        put_plane(&mut sent, out, lanes);
    }
    let from_next = sent.len();
    let came = session.exchange(step, Round { to_prev: sent, from_next, ..Round::default() }).await?;
    let slots = own.chunks_exact(words).zip(came.next.chunks_exact(lanes.div_ceil(8)));
    Ok(slots.map(|(own, next)| Plane { own: Zeroizing::new(own.to_vec()), next: take_plane(next) }).collect())
}

/// Which lanes each party is host of: whole words.
fn parts(lanes: usize) -> [Range<usize>; 3] {
    thirds(lanes.div_ceil(64)).map(|words| (64 * words.start).min(lanes)..(64 * words.end).min(lanes))
}

/// From three additive summands to two, shared bitwise: `S = z_h + z_prev` of the host `h`, and `V = z_next`. Two rounds.
async fn share_two(session: &mut Session, z: &[u16]) -> Result<([Plane; 16], [Plane; 16]), ProtocolError> {
    let own = session.own();
    let parts = parts(z.len());
    let [mine, nexts, prevs] = [own, own.next(), own.prev()].map(|host| part_of(host, &parts));

    // To the next party: as the previous one of its part, towards its S; and as the next one of the previous party's part, its V.
    let mut sent = Vec::new();
    put_words(&mut sent, &z[nexts.clone()]);
    put_words(&mut sent, &z[prevs.clone()]);
    let from_prev = 2 * (mine.len() + nexts.len());
    let came = session.exchange(Step::HandOn, Round { to_next: sent, from_prev, ..Round::default() }).await?;
    let came = take_words(&came.prev);
    let (towards_s, v_of_next) = came.split_at(mine.len());

    let words = || Zeroizing::new(vec![0_u16; z.len()]);
    let (mut s_own, mut s_next, mut v_own, mut v_next) = (words(), words(), words(), words());
    session.keys().with_prev().words(&mut s_own[mine.clone()]).map_err(|e| session.fail(e))?;
    session.keys().with_next().words(&mut s_next[nexts.clone()]).map_err(|e| session.fail(e))?;
    for ((lane, mask), share) in mine.clone().zip(s_own[mine.clone()].iter()).zip(towards_s) {
        s_next[lane] = z[lane].wrapping_add(*share) ^ mask;
    }
    let mut sent = Vec::new();
    put_words(&mut sent, &s_next[mine]);
    let from_prev = 2 * prevs.len();
    let came = session.exchange(Step::ShareBits, Round { to_next: sent, from_prev, ..Round::default() }).await?;
    s_own[prevs.clone()].copy_from_slice(&take_words(&came.prev));
    v_next[prevs.clone()].copy_from_slice(&z[prevs]);
    v_own[nexts].copy_from_slice(v_of_next);

    Ok((planes(&s_own, &s_next), planes(&v_own, &v_next)))
}

/// Words to planes: bit `i` of lane `l` becomes bit `l % 64` of word `l / 64` of plane `i`.
fn planes(own: &[u16], next: &[u16]) -> [Plane; 16] {
    let words = own.len().div_ceil(64);
    let mut planes = [(); 16].map(|()| Plane::zero(words));
    for (place, (own, next)) in own.chunks(64).zip(next.chunks(64)).enumerate() {
        let gather = |lanes: &[u16], bit: usize| {
            lanes.iter().rev().fold(0_u64, |word, lane| word << 1 | u64::from(lane >> bit & 1))
        };
        for (bit, plane) in planes.iter_mut().enumerate() {
            plane.own[place] = gather(own, bit);
            plane.next[place] = gather(next, bit);
        }
    }
    planes
}
