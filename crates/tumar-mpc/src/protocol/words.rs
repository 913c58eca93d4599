//! Shared words mod 2^16, and how bits become words.
//!
//! A bit that is `u ^ c`, with `u = s_h ^ s_next(h)` known to a host `h` and `c = s_prev(h)` known to the other two, is the number
//! `u + c - 2 u c`. Every party is host of a third, so that all send alike.
//!
//! | block | rounds | bytes a party |
//! |---|---|---|
//! | [`bits_to_words`] | 2 | 2 a bit |
//! | nibbles to words, for [`check_inputs`](super::check_inputs()) | 2 | 4 a component |
//! | [`Words::sum`] | 0 | 0 |
//!
//! Source: ABY3 (2018/403), section 5.4, with the last product reshared as in `hosted`.

use std::ops::Range;

use zeroize::Zeroizing;

use super::bits::Bits;
use super::hosted::{Product, reshare};
use super::{ProtocolError, Round, Session, part_of, put_words, take_words, thirds};
use crate::net::Step;
use crate::prss::PrssError;

/// A word in each of some lanes, shared: the value is the sum of three slots, of which a party has its own and the next one.
pub struct Words {
    pub(super) own: Zeroizing<Vec<u16>>,
    pub(super) next: Zeroizing<Vec<u16>>,
}

/// Prints how many there are.
impl std::fmt::Debug for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Words([{}])", self.own.len())
    }
}

impl Words {
    /// Number of lanes.
    #[must_use]
    pub fn lanes(&self) -> usize {
        self.own.len()
    }

    /// This party's summand of each lane: those of all three add up to it. Not masked.
    #[must_use]
    pub fn summands(&self) -> &[u16] {
        &self.own
    }

    /// Only these lanes, in this order; one may come several times.
    ///
    /// # Panics
    /// When a lane is not there.
    #[must_use]
    pub fn select(&self, lanes: &[usize]) -> Self {
        let gather = |slot: &[u16]| Zeroizing::new(lanes.iter().map(|&lane| slot[lane]).collect());
        Self { own: gather(&self.own), next: gather(&self.next) }
    }

    /// Adds lanes up: lane `l` counts towards sum `of(l)` of `count`.
    ///
    /// # Panics
    /// When a lane counts towards a sum beyond `count`.
    #[must_use]
    pub fn sum(&self, count: usize, of: impl Fn(usize) -> usize) -> Self {
        let sum = |slot: &[u16]| {
            let mut sums = Zeroizing::new(vec![0_u16; count]);
            for (lane, word) in slot.iter().enumerate() {
                sums[of(lane)] = sums[of(lane)].wrapping_add(*word);
            }
            sums
        };
        Self { own: sum(&self.own), next: sum(&self.next) }
    }
}

/// Bits as words that are 0 or 1, in 2 rounds.
///
/// # Errors
/// [`ProtocolError`] if the run stopped; the session is over then.
pub async fn bits_to_words(session: &mut Session, bits: &Bits) -> Result<Words, ProtocolError> {
    if bits.lanes() == 0 {
        return Ok(Words { own: Zeroizing::default(), next: Zeroizing::default() });
    }
    let spread = |slot: &[u64]| {
        let bit = |lane: usize| u8::from(slot[lane / 64] >> (lane % 64) & 1 == 1);
        Zeroizing::new((0..bits.lanes()).map(bit).collect())
    };
    let mut lift: Lift<1> = Lift::new(spread(&bits.own), spread(&bits.next));
    let shared = lift.share_bits(session).map_err(|e| session.fail(e))?;
    let from_prev = lift.due_from_prev(session);
    let came = session.exchange(Step::InjectBits, Round { to_next: shared, from_prev, ..Round::default() }).await?;
    lift.receive_bits(session, &came.prev);
    lift.finish(session, Step::ProductBits).await
}

/// Codes of `W` bits on their way to words. The bits are shared like the codes: XOR of three slots.
pub(super) struct Lift<const W: usize> {
    /// Codes of the own and the next slot, one a byte.
    own: Zeroizing<Vec<u8>>,
    next: Zeroizing<Vec<u8>>,
    /// Which codes each party is host of.
    hosts: [Range<usize>; 3],
    /// `u + c`, own and next slot.
    linear: Words,
    /// `u c`, this party's part.
    product: Zeroizing<Vec<u16>>,
}

impl<const W: usize> Lift<W> {
    /// From the low `W` bits of each byte.
    pub(super) fn new(own: Zeroizing<Vec<u8>>, next: Zeroizing<Vec<u8>>) -> Self {
        let words = || Zeroizing::new(vec![0; own.len()]);
        let linear = Words { own: words(), next: words() };
        Self { hosts: thirds(own.len()), product: words(), linear, own, next }
    }

    /// The bits of a code as words, least significant first.
    fn bits(code: u8) -> [u16; W] {
        std::array::from_fn(|bit| u16::from(code >> bit & 1))
    }

    /// Shared bits to a number in two's complement; one bit alone is 0 or 1.
    fn join(bits: [u16; W]) -> u16 {
        let weigh = |(place, bit): (usize, u16)| bit.wrapping_mul(1 << place);
        let sum = bits.into_iter().enumerate().map(weigh).fold(0_u16, u16::wrapping_add);
        // The highest of several has its weight below zero.
        if W == 1 { sum } else { sum.wrapping_sub(bits[W - 1].wrapping_mul(1 << W)) }
    }

    /// Shared bits times known bits.
    fn times(shared: [u16; W], known: [u16; W]) -> [u16; W] {
        std::array::from_fn(|bit| shared[bit].wrapping_mul(known[bit]))
    }

    /// Bytes that the previous party sends as host.
    pub(super) fn due_from_prev(&self, session: &Session) -> usize {
        2 * W * part_of(session.own().prev(), &self.hosts).len()
    }

    /// Host: masks the bits of `u` with a stream of the previous party. Previous party: draws the same. Returns what the next
    /// party is sent.
    pub(super) fn share_bits(&mut self, session: &mut Session) -> Result<Vec<u8>, PrssError> {
        let host = part_of(session.own(), &self.hosts);
        let mut masks = Zeroizing::new(vec![0; W * host.len()]);
        session.keys().with_prev().words(&mut masks)?;
        let mut sent = Vec::with_capacity(2 * W * host.len());
        for (place, mask) in host.zip(masks.as_chunks::<W>().0) {
            let bits = Self::bits(self.own[place] ^ self.next[place]);
            let rest: [u16; W] = std::array::from_fn(|bit| bits[bit].wrapping_sub(mask[bit]));
            put_words(&mut sent, &rest);
            self.linear.own[place] = Self::join(*mask);
            self.linear.next[place] = Self::join(rest);
        }
        let served = part_of(session.own().next(), &self.hosts);
        let mut masks = Zeroizing::new(vec![0; W * served.len()]);
        session.keys().with_next().words(&mut masks)?;
        for (place, mask) in served.zip(masks.as_chunks::<W>().0) {
            let c = Self::bits(self.own[place]);
            self.linear.own[place] = Self::join(c);
            self.linear.next[place] = Self::join(*mask);
            self.product[place] = Self::join(Self::times(*mask, c));
        }
        Ok(sent)
    }

    /// Next party after a host: takes the masked bits of `u`.
    pub(super) fn receive_bits(&mut self, session: &Session, shared: &[u8]) {
        let part = part_of(session.own().prev(), &self.hosts);
        for (place, u) in part.zip(take_words(shared).as_chunks::<W>().0) {
            let c = Self::bits(self.next[place]);
            self.linear.own[place] = Self::join(*u);
            self.linear.next[place] = Self::join(c);
            self.product[place] = Self::join(Self::times(*u, c));
        }
    }

    /// `u + c - 2 u c`, in one round.
    pub(super) async fn finish(self, session: &mut Session, step: Step) -> Result<Words, ProtocolError> {
        let Self { hosts, mut linear, product, .. } = self;
        let end = product.len();
        let shared = reshare(session, step, vec![Product { part: product, hosts, end }]).await?;
        for (own, next) in shared {
            let less_twice = |linear: &mut [u16], product: &[u16]| {
                for (word, product) in linear.iter_mut().zip(product) {
                    *word = word.wrapping_sub(product.wrapping_mul(2));
                }
            };
            less_twice(&mut linear.own, &own);
            less_twice(&mut linear.next, &next);
        }
        Ok(linear)
    }
}
