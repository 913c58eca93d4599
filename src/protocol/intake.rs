//! Takes templates in: are the summands the same at both holders, and from XOR of nibbles to sums of words.
//!
//! A template's bits are `u ^ c` with `u = s_h ^ s_next(h)`, known to a host `h`, and `c = s_prev(h)`, known to the other two:
//! as numbers, `u + c - 2 u c`. Every party is the host of a third of the components, so that all send alike: 4.67 bytes a
//! component. The range -8..=7 holds by construction, whatever the client sent.

use std::ops::Range;

use zeroize::Zeroizing;

use super::{ProtocolError, Round, Session, part_of, put_words, take_words, thirds};
use crate::net::Step;
use crate::prss::same;
use crate::share::{Replicated, Summands};

/// A template that was taken in.
#[derive(Debug)]
pub struct Taken {
    /// Its components as sums of three.
    pub components: Replicated,
    /// Whether both holders of every summand were sent the same. If not, the components mean nothing, but the run goes on: a
    /// client's fault must not touch the other templates of the batch.
    pub consistent: bool,
}

/// Bytes of hashes that a party sends to each peer for a template: of its own summand and of the next party's.
const HASHES: usize = 32;
/// Bytes that the host sends for one packed byte: two components of four bits of two bytes.
const SHARED_BYTE: usize = 16;

/// Takes a batch of templates in, in two rounds. All three parties must have the batch in the same order.
///
/// Every party learns of every template whether its summands agree, from keyed hashes that say nothing to the party that does
/// not hold the summand.
///
/// # Errors
/// [`ProtocolError`] if the run stopped. What is wrong with a template is no error of the run.
pub async fn intake(session: &mut Session, batch: &[Summands]) -> Result<Vec<Taken>, ProtocolError> {
    if batch.is_empty() {
        return Ok(Vec::new());
    }
    let hashes = hash_all(session, batch);
    let mut lift = Lift::new(batch);
    let shared = lift.share_bits(session).map_err(|e| session.fail(e))?;
    let round = Round {
        to_next: [&hashes[..], &shared].concat(),
        to_prev: hashes.clone(),
        from_next: hashes.len(),
        from_prev: hashes.len() + SHARED_BYTE * part_of(session.own().prev(), &lift.parts).len(),
    };
    let came = session.exchange(Step::Inject, round).await?;
    let (prev_hashes, prev_shared) = came.prev.split_at(hashes.len());
    let consistent = agree(&hashes, &came.next, prev_hashes);

    lift.receive_bits(session, &take_words(prev_shared));
    let products = lift.mask_products(session).map_err(|e| session.fail(e))?;
    let from_next = products.len();
    let came = session.exchange(Step::Product, Round { to_prev: products, from_next, ..Round::default() }).await?;
    let mut start = 0;
    let mut taken = Vec::with_capacity(batch.len());
    let (own, next) = lift.finish(&take_words(&came.next));
    for (summands, consistent) in batch.iter().zip(consistent) {
        let range = start..start + summands.shape().components();
        start = range.end;
        let components = Replicated::new(summands.shape(), own[range.clone()].into(), next[range].into());
        let components = components.map_err(|e| session.fail(e))?;
        taken.push(Taken { components, consistent });
    }
    Ok(taken)
}

/// For each template the hash of the own summand, under the key with the previous party, who holds it too, and that of the next
/// party's.
fn hash_all(session: &mut Session, batch: &[Summands]) -> Vec<u8> {
    let own = session.own();
    let keys = session.keys();
    let mut hashes = Vec::with_capacity(HASHES * batch.len());
    for (summands, place) in batch.iter().zip(0_u64..) {
        hashes.extend_from_slice(&keys.hash(own.prev(), Step::Inject, place, summands.own()));
        hashes.extend_from_slice(&keys.hash(own.next(), Step::Inject, place, summands.next()));
    }
    hashes
}

/// Which templates' summands are the same at both holders, by what all three parties say.
fn agree(own: &[u8], next: &[u8], prev: &[u8]) -> Vec<bool> {
    // Each party names its own slot first, then the next one's.
    let pairs = |bytes: &[u8]| bytes.as_chunks::<16>().0.as_chunks::<2>().0.to_vec();
    let claims = pairs(own).into_iter().zip(pairs(next)).zip(pairs(prev));
    claims
        .map(|((own, next), prev)| same(&own[0], &prev[1]) & same(&own[1], &next[0]) & same(&prev[0], &next[1]))
        .collect()
}

/// The components of a whole batch, one after the other, on their way from bits to words.
struct Lift {
    /// Packed summands of the own and the next slot.
    own: Zeroizing<Vec<u8>>,
    next: Zeroizing<Vec<u8>>,
    /// Which packed bytes each party is host of.
    parts: [Range<usize>; 3],
    /// `u + c`, own and next slot.
    linear_own: Zeroizing<Vec<u16>>,
    linear_next: Zeroizing<Vec<u16>>,
    /// `u c`, own slot.
    product: Zeroizing<Vec<u16>>,
}

/// The four bits of a component as words, least significant first.
fn bits(nibble: u8) -> [u16; 4] {
    [nibble & 1, nibble >> 1 & 1, nibble >> 2 & 1, nibble >> 3 & 1].map(u16::from)
}

/// Four shared bits to a component in two's complement: weights 1, 2, 4, -8.
fn join(bits: [u16; 4]) -> u16 {
    let [one, two, four, eight] = bits;
    one.wrapping_add(two.wrapping_mul(2)).wrapping_add(four.wrapping_mul(4)).wrapping_sub(eight.wrapping_mul(8))
}

/// Shared bits times known bits.
fn times(shared: [u16; 4], known: [u16; 4]) -> [u16; 4] {
    [0, 1, 2, 3].map(|i| shared[i].wrapping_mul(known[i]))
}

/// The components in a range of packed bytes: their places, and the nibble of each.
fn nibbles(packed: &[u8], range: Range<usize>) -> impl Iterator<Item = (usize, u8)> {
    range.flat_map(|byte| [(2 * byte, packed[byte] & 15), (2 * byte + 1, packed[byte] >> 4)])
}

impl Lift {
    fn new(batch: &[Summands]) -> Self {
        let components: usize = batch.iter().map(|summands| summands.shape().components()).sum();
        let packed = components / 2;
        let join = |slot: fn(&Summands) -> &[u8]| {
            let mut bytes = Zeroizing::new(Vec::with_capacity(packed));
            for summands in batch {
                bytes.extend_from_slice(slot(summands));
            }
            bytes
        };
        let words = || Zeroizing::new(vec![0; components]);
        Self {
            own: join(Summands::own),
            next: join(Summands::next),
            parts: thirds(packed),
            linear_own: words(),
            linear_next: words(),
            product: words(),
        }
    }

    /// Host: masks the bits of `u` with a stream of the previous party. Previous party: draws the same. Returns what the next
    /// party is sent.
    fn share_bits(&mut self, session: &mut Session) -> Result<Vec<u8>, crate::prss::PrssError> {
        let host = part_of(session.own(), &self.parts);
        let mut masks = Zeroizing::new(vec![0; 8 * host.len()]);
        session.keys().with_prev().words(&mut masks)?;
        let mut sent = Vec::with_capacity(SHARED_BYTE * host.len());
        let u: Zeroizing<Vec<u8>> = Zeroizing::new(self.own.iter().zip(self.next.iter()).map(|(a, b)| a ^ b).collect());
        for ((place, nibble), mask) in nibbles(&u, host).zip(masks.as_chunks::<4>().0) {
            let bits = bits(nibble);
            let rest = [0, 1, 2, 3].map(|i| bits[i].wrapping_sub(mask[i]));
            put_words(&mut sent, &rest);
            self.linear_own[place] = join(*mask);
            self.linear_next[place] = join(rest);
        }
        let served = part_of(session.own().next(), &self.parts);
        let mut masks = Zeroizing::new(vec![0; 8 * served.len()]);
        session.keys().with_next().words(&mut masks)?;
        for ((place, nibble), mask) in nibbles(&self.own, served).zip(masks.as_chunks::<4>().0) {
            let c = bits(nibble);
            self.linear_own[place] = join(c);
            self.linear_next[place] = join(*mask);
            self.product[place] = join(times(*mask, c));
        }
        Ok(sent)
    }

    /// Next party after a host: takes the masked bits of `u`.
    fn receive_bits(&mut self, session: &Session, shared: &[u16]) {
        let part = part_of(session.own().prev(), &self.parts);
        for ((place, nibble), u) in nibbles(&self.next, part).zip(shared.as_chunks::<4>().0) {
            let c = bits(nibble);
            self.linear_own[place] = join(*u);
            self.linear_next[place] = join(c);
            self.product[place] = join(times(*u, c));
        }
    }

    /// Masks the own slot of the products; returns what the previous party is sent.
    fn mask_products(&mut self, session: &mut Session) -> Result<Vec<u8>, crate::prss::PrssError> {
        let mut zero = Zeroizing::new(vec![0; self.product.len()]);
        session.keys().zero_words(&mut zero)?;
        self.product.iter_mut().zip(zero.iter()).for_each(|(word, zero)| *word = word.wrapping_add(*zero));
        let mut sent = Vec::new();
        put_words(&mut sent, &self.product);
        Ok(sent)
    }

    /// `u + c - 2 u c` in both slots.
    fn finish(mut self, next_product: &[u16]) -> (Zeroizing<Vec<u16>>, Zeroizing<Vec<u16>>) {
        let less_twice = |linear: &mut [u16], product: &[u16]| {
            for (word, product) in linear.iter_mut().zip(product) {
                *word = word.wrapping_sub(product.wrapping_mul(2));
            }
        };
        less_twice(&mut self.linear_own, &self.product);
        less_twice(&mut self.linear_next, next_product);
        (self.linear_own, self.linear_next)
    }
}
