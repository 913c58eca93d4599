//! Compares shared scores with public bounds, 64 lanes a word.
//!
//! ```text
//! z_A + z_B + z_C  mask, hand on  -->  S + V     S known to a host h, V to the other two          hand_on: 1 round
//! sums of slots    local          -->  S + V     own + next slot of the host, the third slot      Halves::of
//! S, V - bound     share S, generate, 3 or 4 levels -->  carry into the sign bit                   signs: 5 or 6 rounds
//!                  local          -->  whether the score reaches the bound
//! ```
//!
//! A score less its bound must fit the width that the lanes are given: 16 bits, 12 or 8. Narrow lanes take fewer carries; lanes
//! with several bounds share S once for all of them.
//!
//! Lanes fall into three parts by whole words, and each party is host of one. Bytes for each lane and party: 2 for S + V (0.67
//! where the score is a sum of slots), then for each bound two thirds of a bit to generate each carry, and a bit for each AND of
//! the tree: 34 bits at 16, 23.3 at 12, 14.7 at 8. Source: ABY3 (2018/403) 5.3; Araki et al. 2016/768 for the AND.

use std::ops::Range;

use zeroize::Zeroizing;

use super::bits::{Bits, and};
use super::hosted::{Product, reshare};
use super::words::Words;
use super::{ProtocolError, Round, Session, open, part_of, put_words, take_words, thirds};
use crate::net::Step;
use crate::party::Party;
use crate::share::ShapeError;

/// How many bits a score less its bound takes, its sign included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// -128..=127.
    Eight = 8,
    /// -2048..=2047.
    Twelve = 12,
    /// Any `i16`.
    Sixteen = 16,
}

impl Width {
    const fn bits(self) -> usize {
        self as usize
    }
}

/// Scores in two halves that add up to them: each lane's host knows the one, the other two parties know the other.
pub struct TwoPartyShares {
    words: Zeroizing<Vec<u16>>,
}

impl TwoPartyShares {
    /// Of words that are shared in three slots: nothing is sent.
    #[must_use]
    pub fn of(words: &Words, own: Party) -> Self {
        let mut halves = Zeroizing::new(vec![0; words.lanes()]);
        let parts = parts(words.lanes());
        for lane in part_of(own, &parts) {
            halves[lane] = words.own[lane].wrapping_add(words.next[lane]);
        }
        let (nexts, prevs) = (part_of(own.next(), &parts), part_of(own.prev(), &parts));
        halves[nexts.clone()].copy_from_slice(&words.own[nexts]);
        halves[prevs.clone()].copy_from_slice(&words.next[prevs]);
        Self { words: halves }
    }

    /// Lane by lane, plus other halves times a public factor.
    #[must_use]
    pub fn plus(mut self, other: &Self, factor: impl Fn(usize) -> u16) -> Self {
        for (lane, (word, other)) in self.words.iter_mut().zip(other.words.iter()).enumerate() {
            *word = word.wrapping_add(other.wrapping_mul(factor(lane)));
        }
        self
    }
}

/// Prints how many there are.
impl std::fmt::Debug for TwoPartyShares {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TwoPartyShares([{}])", self.words.len())
    }
}

/// What scores are compared with. Public, the same at all three parties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bounds {
    /// Each lane with its own.
    Each(Vec<i16>),
    /// Every lane with all of these.
    All(Vec<i16>),
    /// Each lane with several of its own: the first of every lane, then the second of every lane, and so on.
    Several(Vec<Vec<i16>>),
}

impl Bounds {
    /// Bits that come out for each lane.
    const fn levels(&self) -> usize {
        match self {
            Self::Each(_) => 1,
            Self::All(bounds) => bounds.len(),
            Self::Several(bounds) => bounds.len(),
        }
    }

    fn of(&self, level: usize, lane: usize) -> u16 {
        match self {
            Self::Each(bounds) => bounds[lane].cast_unsigned(),
            Self::All(bounds) => bounds[level].cast_unsigned(),
            Self::Several(bounds) => bounds[level][lane].cast_unsigned(),
        }
    }

    /// The first number of bounds that is not that of the lanes.
    fn misfit(&self, lanes: usize) -> Option<usize> {
        match self {
            Self::Each(bounds) => Some(bounds.len()).filter(|&found| found != lanes),
            Self::All(_) => None,
            Self::Several(bounds) => bounds.iter().map(Vec::len).find(|&found| found != lanes),
        }
    }
}

/// Lanes that are compared in the same way.
#[derive(Debug)]
pub struct Group {
    /// The scores.
    pub scores: TwoPartyShares,
    /// What they are to reach.
    pub bounds: Bounds,
    /// How far from it they may be.
    pub width: Width,
}

/// Opens for each lane whether its score reaches its bound: 8 rounds, 6.375 bytes a lane and party, and a digest.
///
/// * `scores`: this party's additive summands mod 2^16, one a lane.
/// * `bounds`: public, one a lane. The sum of the three summands less the bound must fit an `i16`.
///
/// # Errors
/// As [`reshare_to_two`], [`msb`] and [`open()`].
pub async fn compare(session: &mut Session, scores: &[u16], bounds: &[i16]) -> Result<Vec<bool>, ProtocolError> {
    let halves = reshare_to_two(session, &[scores]).await?;
    let group = |scores| Group { scores, bounds: Bounds::Each(bounds.to_vec()), width: Width::Sixteen };
    let reached = Bits::concat(&msb(session, halves.into_iter().map(group).collect()).await?);
    open(session, Step::Open, &reached, &(0..reached.lanes()).collect::<Vec<_>>()).await
}

/// From three additive summands of each lane to two halves, in one round.
///
/// The summands need no mask: each lane is masked here, with a zero of its own.
///
/// # Errors
/// [`ProtocolError`] if the run stopped; the session is over then.
pub async fn reshare_to_two(session: &mut Session, scores: &[&[u16]]) -> Result<Vec<TwoPartyShares>, ProtocolError> {
    let own = session.own();
    let mut masked = Vec::with_capacity(scores.len());
    let mut round = Round::default();
    for scores in scores {
        let mut z = Zeroizing::new(vec![0; scores.len()]);
        session.keys().zero_words(&mut z).map_err(|e| session.fail(e))?;
        z.iter_mut().zip(*scores).for_each(|(word, score)| *word = word.wrapping_add(*score));
        // To the next party: as the one before it, towards its S; and as the one after the previous party, its V.
        let [mine, nexts, prevs] = hosts(own, scores.len());
        put_words(&mut round.to_next, &z[nexts.clone()]);
        put_words(&mut round.to_next, &z[prevs]);
        round.from_prev += 2 * (mine.len() + nexts.len());
        masked.push(z);
    }
    if round.to_next.is_empty() && round.from_prev == 0 {
        return Ok(masked.into_iter().map(|words| TwoPartyShares { words }).collect());
    }
    let came = session.exchange(Step::HandOn, round).await?;
    let came = take_words(&came.prev);
    let mut came = &came[..];
    for z in &mut masked {
        let [mine, nexts, _] = hosts(own, z.len());
        let (towards_s, rest) = came.split_at(mine.len());
        let (v_of_next, rest) = rest.split_at(nexts.len());
        came = rest;
        z[mine].iter_mut().zip(towards_s).for_each(|(word, other)| *word = word.wrapping_add(*other));
        z[nexts].copy_from_slice(v_of_next);
    }
    Ok(masked.into_iter().map(|words| TwoPartyShares { words }).collect())
}

/// Compares without opening, in 6 rounds, or 5 where all lanes are of eight bits. What comes out is set where the bound is
/// reached: one [`Bits`] for each group's each bound, in their order.
///
/// # Errors
/// [`ProtocolError`] if the run stopped; the session is over then.
pub async fn msb(session: &mut Session, groups: Vec<Group>) -> Result<Vec<Bits>, ProtocolError> {
    for Group { scores, bounds, .. } in &groups {
        if let Some(found) = bounds.misfit(scores.words.len()) {
            return Err(session.fail(ShapeError::Length { expected: scores.words.len(), found }));
        }
    }
    if groups.iter().all(|group| group.scores.words.is_empty()) {
        return Ok(groups.iter().flat_map(|group| (0..group.bounds.levels()).map(|_| Bits::zeros(0))).collect());
    }
    let own = session.own();
    let first = share_first(session, &groups).await?;
    let mut generated = Vec::new();
    let mut sums = Vec::new();
    for (group, first) in groups.iter().zip(&first) {
        for level in 0..group.bounds.levels() {
            let second = second(own, group, level);
            let mut propagate: Vec<Bits> = first.iter().zip(&second).map(|(s, v)| s.xor(v)).collect();
            let top = propagate.pop().expect("a width has bits");
            generated.extend(first.iter().zip(&second).take(propagate.len()).map(|(s, v)| product(s, v)));
            sums.push(Sum { top, propagate, generate: Vec::new() });
        }
    }
    let mut generated = reshare(session, Step::Generate, generated).await?.into_iter();
    for sum in &mut sums {
        let bits = |(own, next)| Bits::from_slots(own, next, sum.top.lanes());
        sum.generate = generated.by_ref().take(sum.propagate.len()).map(bits).collect();
    }
    for step in [Step::CarryTwo, Step::CarryFour, Step::CarryEight, Step::CarrySign] {
        if sums.iter().all(|sum| sum.generate.len() == 1) {
            break;
        }
        carry(session, step, &mut sums).await?;
    }
    let reached = |sum: Sum| {
        let carry = sum.generate.into_iter().next().expect("the tree ends in one carry");
        sum.top.xor(&carry).not(own)
    };
    Ok(sums.into_iter().map(reached).collect())
}

/// A sum of two halves on its way to its sign bit.
struct Sum {
    /// The XOR of both halves' sign bits.
    top: Bits,
    /// For each position below: whether it lets a carry through, and whether it makes one.
    propagate: Vec<Bits>,
    generate: Vec<Bits>,
}

/// One level of all sums' trees.
async fn carry(session: &mut Session, step: Step, sums: &mut [Sum]) -> Result<(), ProtocolError> {
    // A pair's upper half makes a carry, or lets the lower half's through; nothing comes in from below the lowest pair, so whether
    // that one would let it through need not be known.
    let mut gates = Vec::new();
    for Sum { generate, propagate, .. } in &*sums {
        let pairs = generate.len() / 2;
        gates.extend((0..pairs).map(|k| (&generate[2 * k], &propagate[2 * k + 1])));
        gates.extend((1..pairs).map(|k| (&propagate[2 * k], &propagate[2 * k + 1])));
    }
    let mut products = and(session, step, &gates).await?.into_iter();
    for Sum { generate, propagate, .. } in sums {
        let pairs = generate.len() / 2;
        let through = products.by_ref().take(pairs);
        let mut joined: Vec<Bits> = through.enumerate().map(|(k, low)| generate[2 * k + 1].xor(&low)).collect();
        let both = products.by_ref().take(pairs.saturating_sub(1));
        // The lowest pair's is never read.
        let mut upper: Vec<Bits> = (0..pairs.min(1)).map(|_| Bits::zeros(0)).chain(both).collect();
        if generate.len() % 2 == 1 {
            joined.extend(generate.pop());
            upper.extend(propagate.pop());
        }
        (*generate, *propagate) = (joined, upper);
    }
    Ok(())
}

/// The halves that hosts know, shared bitwise in one round: for each group its planes, lowest first.
async fn share_first(session: &mut Session, groups: &[Group]) -> Result<Vec<Vec<Bits>>, ProtocolError> {
    let own = session.own();
    let mut slots = Vec::with_capacity(groups.len());
    let mut round = Round::default();
    for Group { scores, .. } in groups {
        let lanes = scores.words.len();
        let [mine, nexts, prevs] = hosts(own, lanes);
        let words = || Zeroizing::new(vec![0_u16; lanes]);
        let (mut own_slot, mut next_slot) = (words(), words());
        session.keys().with_prev().words(&mut own_slot[mine.clone()]).map_err(|e| session.fail(e))?;
        session.keys().with_next().words(&mut next_slot[nexts]).map_err(|e| session.fail(e))?;
        for lane in mine.clone() {
            next_slot[lane] = scores.words[lane] ^ own_slot[lane];
        }
        put_words(&mut round.to_next, &next_slot[mine]);
        round.from_prev += 2 * prevs.len();
        slots.push((own_slot, next_slot));
    }
    let came = session.exchange(Step::ShareBits, round).await?;
    let came = take_words(&came.prev);
    let mut came = &came[..];
    let mut shared = Vec::with_capacity(groups.len());
    for (Group { width, .. }, (mut own_slot, next_slot)) in groups.iter().zip(slots) {
        let prevs = part_of(own.prev(), &parts(own_slot.len()));
        let (head, rest) = came.split_at(prevs.len());
        came = rest;
        own_slot[prevs].copy_from_slice(head);
        shared.push(planes(&own_slot, &next_slot, *width));
    }
    Ok(shared)
}

/// The other halves less a bound, as planes: known to two parties, so they stand in the slot that both hold, and nothing is sent.
fn second(own: Party, group: &Group, level: usize) -> Vec<Bits> {
    let Group { scores, bounds, width } = group;
    let lanes = scores.words.len();
    let words = || Zeroizing::new(vec![0_u16; lanes]);
    let (mut own_slot, mut next_slot) = (words(), words());
    let [_, nexts, prevs] = hosts(own, lanes);
    for lane in nexts {
        own_slot[lane] = scores.words[lane].wrapping_sub(bounds.of(level, lane));
    }
    for lane in prevs {
        next_slot[lane] = scores.words[lane].wrapping_sub(bounds.of(level, lane));
    }
    planes(&own_slot, &next_slot, *width)
}

/// This party's part of `S V`: the host's next and previous party know V and one slot of S each.
fn product(first: &Bits, second: &Bits) -> Product<u64> {
    // As the one before the host, S's next slot and V's own one; as the one after it, S's own and V's next one.
    let before = first.next.iter().zip(second.own.iter());
    let after = first.own.iter().zip(second.next.iter());
    let part = before.zip(after).map(|((s_next, v_own), (s_own, v_next))| s_next & v_own | s_own & v_next).collect();
    Product { part: Zeroizing::new(part), hosts: thirds(first.lanes().div_ceil(64)), end: first.lanes() }
}

/// Which lanes each party is host of: whole words.
fn parts(lanes: usize) -> [Range<usize>; 3] {
    thirds(lanes.div_ceil(64)).map(|words| (64 * words.start).min(lanes)..(64 * words.end).min(lanes))
}

/// The lanes of which a party, the next one and the previous one are hosts.
fn hosts(own: Party, lanes: usize) -> [Range<usize>; 3] {
    let parts = parts(lanes);
    [own, own.next(), own.prev()].map(|host| part_of(host, &parts))
}

/// Words to planes: bit `i` of lane `l` becomes bit `l % 64` of word `l / 64` of plane `i`.
fn planes(own: &[u16], next: &[u16], width: Width) -> Vec<Bits> {
    let plane = |bit: usize| {
        let gather =
            |lanes: &[u16]| lanes.iter().rev().fold(0_u64, |word, lane| word << 1 | u64::from(lane >> bit & 1));
        let slot = |slot: &[u16]| Zeroizing::new(slot.chunks(64).map(gather).collect::<Vec<u64>>());
        Bits::from_slots(slot(own), slot(next), own.len())
    };
    (0..width.bits()).map(plane).collect()
}
