//! Shared bits, 64 lanes a word: what is done to them here, and what takes a round.
//!
//! | block | rounds | bytes a party |
//! |---|---|---|
//! | XOR, NOT, choosing lanes | 0 | 0 |
//! | [`and`] of any number of lanes | 1 | 1/8 a lane |
//! | [`climb`] a [`Tree`] of groups of up to n lanes | log2 n, rounded up | 1/8 for each lane but one of each group, and at most one a round |
//!
//! Source of the AND: Araki et al. 2016/768, section 3.2.

use std::ops::Range;

use zeroize::Zeroizing;

use super::hosted::Lane as _;
use super::{ProtocolError, Round, Session};
use crate::net::Step;
use crate::party::Party;

/// One bit in each of some lanes, shared: the value is the XOR of three slots, of which a party has its own and the next one.
pub struct Bits {
    pub(super) own: Zeroizing<Vec<u64>>,
    pub(super) next: Zeroizing<Vec<u64>>,
    lanes: usize,
}

/// Prints how many there are.
impl std::fmt::Debug for Bits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bits([{}])", self.lanes)
    }
}

impl Bits {
    /// From the two slots, of one word for each 64 lanes or part of them.
    ///
    /// # Panics
    /// When there are more or fewer words.
    #[must_use]
    pub fn from_slots(own: Zeroizing<Vec<u64>>, next: Zeroizing<Vec<u64>>, lanes: usize) -> Self {
        assert!(own.len() == lanes.div_ceil(64) && next.len() == own.len(), "a word for each 64 lanes");
        Self { own, next, lanes }
    }

    /// Zeros that nobody masked: a public value.
    #[must_use]
    pub fn zeros(lanes: usize) -> Self {
        let words = || Zeroizing::new(vec![0; lanes.div_ceil(64)]);
        Self::from_slots(words(), words(), lanes)
    }

    /// Number of lanes.
    #[must_use]
    pub const fn lanes(&self) -> usize {
        self.lanes
    }

    /// Lane by lane.
    #[must_use]
    pub fn xor(&self, other: &Self) -> Self {
        let xor = |a: &[u64], b: &[u64]| Zeroizing::new(a.iter().zip(b).map(|(a, b)| a ^ b).collect());
        Self::from_slots(xor(&self.own, &other.own), xor(&self.next, &other.next), self.lanes)
    }

    /// Flips the lanes that a public predicate names, at the party `own`: A and C flip the slot of A.
    #[must_use]
    pub fn flip(&self, own: Party, is_flipped: impl Fn(usize) -> bool) -> Self {
        self.flip_words(own, |place| {
            let lanes = 64 * place..self.lanes.min(64 * place + 64);
            lanes.filter(|lane| is_flipped(*lane)).fold(0, |word, lane| word | 1 << (lane % 64))
        })
    }

    fn flip_words(&self, own: Party, mask: impl Fn(usize) -> u64) -> Self {
        let mut out = Self::from_slots(self.own.clone(), self.next.clone(), self.lanes);
        let slot = match own {
            Party::A => &mut out.own,
            Party::B => return out,
            Party::C => &mut out.next,
        };
        slot.iter_mut().enumerate().for_each(|(place, word)| *word ^= mask(place));
        out
    }

    /// Every lane flipped.
    #[must_use]
    pub fn not(&self, own: Party) -> Self {
        self.flip_words(own, |_| u64::MAX)
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
        Self::from_slots(gather(&self.own), gather(&self.next), lanes.len())
    }

    /// Lanes that stand side by side.
    fn piece(&self, lanes: Range<usize>) -> Self {
        let cut = |slot: &[u64]| {
            let word = |place: usize| {
                let (at, by) = ((lanes.start + 64 * place) / 64, lanes.start % 64);
                let above = if by == 0 { 0 } else { slot.get(at + 1).map_or(0, |next| next << (64 - by)) };
                slot[at] >> by | above
            };
            Zeroizing::new((0..lanes.len().div_ceil(64)).map(word).collect())
        };
        Self::from_slots(cut(&self.own), cut(&self.next), lanes.len())
    }

    /// All lanes of all, one after the other.
    #[must_use]
    pub fn concat<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut out = Self::zeros(0);
        for bits in all {
            append(&mut out.own, out.lanes, &bits.own, bits.lanes);
            append(&mut out.next, out.lanes, &bits.next, bits.lanes);
            out.lanes += bits.lanes;
        }
        out
    }

    pub(super) fn own_bytes(&self) -> Vec<u8> {
        slot_bytes(&self.own, self.lanes)
    }

    pub(super) fn next_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(slot_bytes(&self.next, self.lanes))
    }
}

/// Puts `count` bits behind the first `lanes` of a slot.
fn append(slot: &mut Zeroizing<Vec<u64>>, lanes: usize, bits: &[u64], count: usize) {
    // Built anew: a vector that grows leaves unwiped copies behind.
    let mut longer = Zeroizing::new(Vec::with_capacity((lanes + count).div_ceil(64) + 1));
    longer.extend_from_slice(slot);
    let shift = lanes % 64;
    if shift == 0 {
        longer.extend_from_slice(bits);
    } else {
        if let Some(last) = longer.last_mut() {
            *last &= (1 << shift) - 1;
        }
        for word in bits {
            if let Some(last) = longer.last_mut() {
                *last |= word << shift;
            }
            longer.push(word >> (64 - shift));
        }
        longer.truncate((lanes + count).div_ceil(64));
    }
    *slot = longer;
}

/// The lanes of a slot as bytes. What stands beyond the last lane is cut off: both holders must make the same bytes.
fn slot_bytes(slot: &[u64], lanes: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    u64::put(&mut bytes, slot, lanes);
    if let (Some(last), 1..8) = (bytes.last_mut(), lanes % 8) {
        *last &= (1 << (lanes % 8)) - 1;
    }
    bytes
}

/// AND of pairs, each of two with as many lanes; one round for any number of pairs: one bit a lane, to the previous party.
///
/// # Errors
/// [`ProtocolError`] if the run stopped; the session is over then.
pub async fn and(session: &mut Session, step: Step, gates: &[(&Bits, &Bits)]) -> Result<Vec<Bits>, ProtocolError> {
    let words: usize = gates.iter().map(|(x, _)| x.own.len()).sum();
    if words == 0 {
        return Ok(gates.iter().map(|_| Bits::zeros(0)).collect());
    }
    let mut zeros = Zeroizing::new(vec![0; words]);
    session.keys().zero_bits(&mut zeros).map_err(|e| session.fail(e))?;
    let mut sent = Vec::with_capacity(8 * words);
    let mut products = Vec::with_capacity(gates.len());
    let mut zeros = &zeros[..];
    for (x, y) in gates {
        let (zero, rest) = zeros.split_at(x.own.len());
        zeros = rest;
        let product = |k: usize| zero[k] ^ (x.own[k] & (y.own[k] ^ y.next[k])) ^ (x.next[k] & y.own[k]);
        let own: Zeroizing<Vec<u64>> = Zeroizing::new((0..zero.len()).map(product).collect());
        u64::put(&mut sent, &own, x.lanes);
        products.push((own, x.lanes));
    }
    let from_next = sent.len();
    let came = session.exchange(step, Round { to_prev: sent, from_next, ..Round::default() }).await?;
    let mut came = &came.next[..];
    let receive = |(own, lanes): (Zeroizing<Vec<u64>>, usize)| {
        let (head, rest) = came.split_at(u64::bytes(own.len(), lanes));
        came = rest;
        let mut next = Zeroizing::new(vec![0; own.len()]);
        u64::take(head, &mut next);
        Bits::from_slots(own, next, lanes)
    };
    Ok(products.into_iter().map(receive).collect())
}

/// Groups of lanes, on their way to the AND or the OR of each.
///
/// They stand crosswise: the first lanes of all groups together, then the second ones, and so on, the largest groups first. So neighbours
/// meet word by word.
#[derive(Debug)]
pub struct Tree {
    /// Each has lanes of as many groups as are so large: of the first ones.
    planes: Vec<Bits>,
    /// For each group its place in the planes.
    places: Vec<usize>,
    /// An OR is an AND of what is flipped.
    is_flipped: bool,
}

impl Tree {
    /// To an AND: group after group its `lanes` of `bits`, at least one each; `sizes` says how many.
    ///
    /// # Panics
    /// When the sizes are not those of all the lanes, or a lane is not there.
    #[must_use]
    pub fn and(bits: &Bits, lanes: &[usize], sizes: &[usize]) -> Self {
        assert_eq!(sizes.iter().sum::<usize>(), lanes.len(), "groups are all the lanes");
        let mut start = 0;
        let mut groups: Vec<(usize, &[usize])> = Vec::with_capacity(sizes.len());
        for (group, size) in sizes.iter().enumerate() {
            groups.push((group, &lanes[start..start + size]));
            start += size;
        }
        groups.sort_by_key(|(_, lanes)| std::cmp::Reverse(lanes.len()));
        let mut places = vec![0; sizes.len()];
        for (place, (group, _)) in groups.iter().enumerate() {
            places[*group] = place;
        }
        let most = groups.first().map_or(0, |(_, lanes)| lanes.len());
        let plane = |k: usize| groups.iter().map_while(|(_, lanes)| lanes.get(k).copied()).collect::<Vec<_>>();
        Self { planes: (0..most).map(|k| bits.select(&plane(k))).collect(), places, is_flipped: false }
    }

    /// To an OR, at the party `own`; as [`Tree::and`].
    ///
    /// # Panics
    /// As [`Tree::and`].
    #[must_use]
    pub fn or(own: Party, bits: &Bits, lanes: &[usize], sizes: &[usize]) -> Self {
        Self { is_flipped: true, ..Self::and(&bits.not(own), lanes, sizes) }
    }

    /// Of no groups: done.
    #[must_use]
    pub fn none() -> Self {
        Self { planes: Vec::new(), places: Vec::new(), is_flipped: false }
    }

    fn is_done(&self) -> bool {
        self.planes.len() <= 1
    }

    /// The first and the second of each pair of neighbours in a group.
    fn pairs(&self) -> [Bits; 2] {
        let pairs = self.planes.as_chunks::<2>().0;
        let first: Vec<Bits> = pairs.iter().map(|[first, second]| first.piece(0..second.lanes)).collect();
        [Bits::concat(&first), Bits::concat(pairs.iter().map(|[_, second]| second))]
    }

    /// Puts the products of the pairs in their place; an odd lane waits for the next level.
    fn join(&mut self, products: &Bits) {
        let (pairs, odd) = self.planes.as_chunks::<2>();
        let mut start = 0;
        let mut joined: Vec<Bits> = Vec::with_capacity(pairs.len() + 1);
        for [first, second] in pairs {
            let end = start + second.lanes;
            // Smaller groups had no second one.
            joined.push(Bits::concat([&products.piece(start..end), &first.piece(second.lanes..first.lanes)]));
            start = end;
        }
        joined.extend(odd.iter().map(|odd| odd.piece(0..odd.lanes)));
        self.planes = joined;
    }
}

/// Takes a tree to its end, and one bit of each of its groups comes out. Another goes along, level by level in the same rounds, as far as
/// it comes.
///
/// Rounds: log2 of the tree's largest group, rounded up; none for groups of one.
///
/// # Errors
/// [`ProtocolError`] if the run stopped; the session is over then.
pub async fn climb(session: &mut Session, step: Step, mut tree: Tree, along: &mut Tree) -> Result<Bits, ProtocolError> {
    while !tree.is_done() {
        let ([left, right], [left_along, right_along]) = (tree.pairs(), along.pairs());
        let products = and(session, step, &[(&left, &right), (&left_along, &right_along)]).await?;
        tree.join(&products[0]);
        along.join(&products[1]);
    }
    let Tree { mut planes, places, is_flipped } = tree;
    let bits = planes.pop().map_or_else(|| Bits::zeros(0), |plane| plane.select(&places));
    Ok(if is_flipped { bits.not(session.own()) } else { bits })
}
