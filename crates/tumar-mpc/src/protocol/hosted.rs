//! A product of a value that a host knows a mask of and a value that the other two know: both sides' parts, made one sharing.
//!
//! ```text
//! host h    draws both its slots                 rho with prev(h), sigma with next(h)
//! next(h)   has X_n, draws sigma                 X_n - sigma  -->  prev(h)
//! prev(h)   has X_p, draws rho                   X_p - rho    -->  next(h)
//! both      slot of prev(h) = X_n - sigma + X_p - rho
//! ```
//!
//! Two messages for three parties, where a product of two values that all share takes three. Neither sees the other's part but
//! under a mask that it does not know; the host sees nothing. Lanes are hosted in thirds, so that all send alike.

use std::ops::Range;

use zeroize::{Zeroize, Zeroizing};

use super::{ProtocolError, Round, Session, part_of};
use crate::net::Step;
use crate::prss::{PrssError, Stream};

/// What is shared lane by lane: words that add up, or 64 bits at a time, of which the XOR is taken.
pub(super) trait Lane: Copy + Default + Zeroize {
    fn plus(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
    fn draw(stream: &mut Stream, out: &mut [Self]) -> Result<(), PrssError>;
    /// Appends the items; `end` is where the last lane ends, counted from the first item.
    fn put(out: &mut Vec<u8>, items: &[Self], end: usize);
    /// How many bytes that makes.
    fn bytes(items: usize, end: usize) -> usize;
    fn take(bytes: &[u8], out: &mut [Self]);
}

impl Lane for u16 {
    fn plus(self, other: Self) -> Self {
        self.wrapping_add(other)
    }

    fn minus(self, other: Self) -> Self {
        self.wrapping_sub(other)
    }

    fn draw(stream: &mut Stream, out: &mut [Self]) -> Result<(), PrssError> {
        stream.words(out)
    }

    fn put(out: &mut Vec<u8>, items: &[Self], _: usize) {
        super::put_words(out, items);
    }

    fn bytes(items: usize, _: usize) -> usize {
        2 * items
    }

    fn take(bytes: &[u8], out: &mut [Self]) {
        let words = bytes.as_chunks::<2>().0;
        out.iter_mut().zip(words).for_each(|(out, two)| *out = Self::from_le_bytes(*two));
    }
}

/// Bits beyond the last lane are not sent.
impl Lane for u64 {
    fn plus(self, other: Self) -> Self {
        self ^ other
    }

    fn minus(self, other: Self) -> Self {
        self ^ other
    }

    fn draw(stream: &mut Stream, out: &mut [Self]) -> Result<(), PrssError> {
        stream.bits(out)
    }

    fn put(out: &mut Vec<u8>, items: &[Self], end: usize) {
        let length = out.len() + Self::bytes(items.len(), end);
        out.reserve_exact(8 * items.len());
        for word in items {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.truncate(length);
    }

    fn bytes(items: usize, end: usize) -> usize {
        end.min(64 * items).div_ceil(8)
    }

    fn take(bytes: &[u8], out: &mut [Self]) {
        let word = |part: &[u8]| part.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
        out.iter_mut().zip(bytes.chunks(8)).for_each(|(out, part)| *out = word(part));
    }
}

/// This party's part of some products.
pub(super) struct Product<T: Zeroize> {
    /// Its summand; of no meaning where it is the host.
    pub(super) part: Zeroizing<Vec<T>>,
    /// Which items each party is host of.
    pub(super) hosts: [Range<usize>; 3],
    /// Where the last lane ends; for words, their number.
    pub(super) end: usize,
}

/// Two slots of each: own and next.
pub(super) type Slots<T> = (Zeroizing<Vec<T>>, Zeroizing<Vec<T>>);

/// Makes the products shared like everything else, all in one round.
///
/// Cost: two thirds of an item for each item and party.
pub(super) async fn reshare<T: Lane>(
    session: &mut Session,
    step: Step,
    products: Vec<Product<T>>,
) -> Result<Vec<Slots<T>>, ProtocolError> {
    let own = session.own();
    let mut round = Round::default();
    let mut slots = Vec::with_capacity(products.len());
    for Product { part, hosts, end } in &products {
        let [mine, nexts, prevs] = [own, own.next(), own.prev()].map(|host| part_of(host, hosts));
        let fresh = || Zeroizing::new(vec![T::default(); part.len()]);
        let (mut own_slot, mut next_slot) = (fresh(), fresh());
        // The two ends of a stream draw in the same order: first as the host's, then as the host.
        let keys = session.keys();
        let mut draw = |own_slot: &mut [T], next_slot: &mut [T]| {
            T::draw(keys.with_prev(), &mut own_slot[mine.clone()])?;
            T::draw(keys.with_prev(), &mut own_slot[prevs.clone()])?;
            T::draw(keys.with_next(), &mut next_slot[nexts.clone()])?;
            T::draw(keys.with_next(), &mut next_slot[mine.clone()])
        };
        draw(&mut own_slot, &mut next_slot).map_err(|error| session.fail(error))?;
        // As the party after the host: masked with the own slot. As the one before it: with the next one.
        for item in prevs.clone() {
            next_slot[item] = part[item].minus(own_slot[item]);
        }
        for item in nexts.clone() {
            own_slot[item] = part[item].minus(next_slot[item]);
        }
        let end = |range: &Range<usize>| end.saturating_sub(64 * range.start);
        T::put(&mut round.to_next, &next_slot[prevs.clone()], end(&prevs));
        T::put(&mut round.to_prev, &own_slot[nexts.clone()], end(&nexts));
        round.from_next += T::bytes(prevs.len(), end(&prevs));
        round.from_prev += T::bytes(nexts.len(), end(&nexts));
        slots.push((own_slot, next_slot));
    }
    let came = session.exchange(step, round).await?;
    let (mut from_next, mut from_prev) = (&came.next[..], &came.prev[..]);
    for (Product { hosts, end, .. }, (own_slot, next_slot)) in products.iter().zip(&mut slots) {
        let [nexts, prevs] = [own.next(), own.prev()].map(|host| part_of(host, hosts));
        add(&mut next_slot[prevs.clone()], &mut from_next, end.saturating_sub(64 * prevs.start));
        add(&mut own_slot[nexts.clone()], &mut from_prev, end.saturating_sub(64 * nexts.start));
    }
    Ok(slots)
}

fn add<T: Lane>(slot: &mut [T], bytes: &mut &[u8], end: usize) {
    let (head, rest) = bytes.split_at(T::bytes(slot.len(), end));
    *bytes = rest;
    let mut others = Zeroizing::new(vec![T::default(); slot.len()]);
    T::take(head, &mut others);
    slot.iter_mut().zip(others.iter()).for_each(|(word, other)| *word = word.plus(*other));
}
