//! A template in three parts, and the forms that the parts take on their way into the store.
//!
//! ```text
//! terminal   nibbles --split--> InputShares, one pair for each party       XOR of three
//! nodes      InputShares --protocol::check_inputs--> Replicated                  sum of three, mod 2^16
//! each node  Replicated --to_point--> PointShare                        a point of a line, one word a component
//! each node  PointShare --weigh--> Weighted                             ready for one plain dot with any reference
//! ```
//!
//! Slot `i` of a replicated value is held by party `i` and by the one before it: party `p` has slots `p` and `next(p)`.
//! Ring: `Z_2^16[X] / (X^2 - X - 1)`, an element `a0 + a1 X` is two words. Party points are 1, X and 1 + X: units whose
//! differences are units, so that a line is fixed by any two (Cramer, Damgard, Ishai 2005; Abspoel et al. 2019/872).

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::party::Party;
use crate::template::{SEGMENT, Shape};

/// Bytes, words or lanes of another number than the place takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// Not the length that the dimension asks for.
    #[error("expected a length of {expected}, found {found}")]
    Length {
        /// What the place takes.
        expected: usize,
        /// What came.
        found: usize,
    },
    /// A threshold so far from zero that a score's distance from it may not fit 16 bits.
    #[error("{0} is not a valid threshold")]
    Threshold(i16),
    /// A share of another party than the one that computes with it.
    #[error("the share belongs to party {0}")]
    Holder(Party),
}

const fn expect_length(expected: usize, found: usize) -> Result<(), ShapeError> {
    if expected == found { Ok(()) } else { Err(ShapeError::Length { expected, found }) }
}

/// Fresh randomness for one [`split`]: used up by it.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Masks {
    bytes: Box<[u8]>,
}

impl Masks {
    /// From as many fresh random bytes as the template has components: the summands of A and of B.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "used up: the caller's copy is wiped here")]
    pub fn from_random(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self { bytes: bytes.as_slice().into() }
    }
}

/// Prints the shape only.
impl fmt::Debug for Masks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Masks([{}])", self.bytes.len())
    }
}

/// Shares a packed template: `s_A ^ s_B ^ s_C = packed`, and party p is to be sent `(s_p, s_next(p))` in its own envelope.
///
/// Any one pair is noise; any two tell the template. `packed` has half as many bytes as the template has components, `masks` as
/// many.
///
/// # Errors
/// [`ShapeError`] if the template or the masks have another number of bytes.
#[expect(clippy::needless_pass_by_value, reason = "used up: masks serve one template")]
pub fn split(shape: Shape, packed: &[u8], masks: Masks) -> Result<[InputShares; 3], ShapeError> {
    expect_length(shape.components(), 2 * packed.len())?;
    expect_length(shape.components(), masks.bytes.len())?;
    let (a, b) = masks.bytes.split_at(packed.len());
    let c: Zeroizing<Vec<u8>> =
        Zeroizing::new(packed.iter().zip(a).zip(b).map(|((packed, a), b)| packed ^ a ^ b).collect());
    let pair = |own: &[u8], next: &[u8]| InputShares { shape, bytes: [own, next].concat().into_boxed_slice() };
    Ok([pair(a, b), pair(b, &c), pair(&c, a)])
}

/// What one party is sent of a template: its own summand and the next party's. Noise by itself.
///
/// * Shape: one byte for each component, half of them a summand.
/// * Unit: XOR summands of packed nibbles.
/// * Source: DESIGN 3.
///
/// No `Clone`, `PartialEq` or `Serialize`; it crosses the wire only inside an envelope.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct InputShares {
    #[zeroize(skip)]
    shape: Shape,
    bytes: Box<[u8]>,
}

impl InputShares {
    /// From the plaintext of an envelope: the own summand, then the next party's.
    ///
    /// # Errors
    /// [`ShapeError`] if it is not exactly as many bytes as the template has components.
    #[expect(clippy::needless_pass_by_value, reason = "used up: the caller's copy is wiped here")]
    pub fn from_envelope(shape: Shape, bytes: Zeroizing<Vec<u8>>) -> Result<Self, ShapeError> {
        expect_length(shape.components(), bytes.len())?;
        Ok(Self { shape, bytes: bytes.as_slice().into() })
    }

    /// The plaintext of this party's envelope.
    #[must_use]
    pub fn for_envelope(&self) -> &[u8] {
        &self.bytes
    }

    /// The template's shape.
    #[must_use]
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// The summand of the party that holds this.
    #[must_use]
    pub fn own(&self) -> &[u8] {
        &self.bytes[..self.bytes.len() / 2]
    }

    /// The summand of the party after it.
    #[must_use]
    pub fn next(&self) -> &[u8] {
        &self.bytes[self.bytes.len() / 2..]
    }
}

/// Prints the shape only: `InputShares(1x512)`.
impl fmt::Debug for InputShares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InputShares({})", self.shape)
    }
}

/// Two of three additive summands of a template's components, mod 2^16: slots `p` and `next(p)` at party `p`.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Replicated {
    #[zeroize(skip)]
    shape: Shape,
    own: Box<[u16]>,
    next: Box<[u16]>,
}

impl Replicated {
    /// From the two slots.
    ///
    /// # Errors
    /// [`ShapeError::Length`] if one of them has not one word for each component.
    pub fn new(shape: Shape, own: Box<[u16]>, next: Box<[u16]>) -> Result<Self, ShapeError> {
        expect_length(shape.components(), own.len())?;
        expect_length(shape.components(), next.len())?;
        Ok(Self { shape, own, next })
    }

    /// The template's shape.
    #[must_use]
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// This party's summands of the squared lengths, one for each row of a set or segment of a vector:
    /// `sum x_p^2 + 2 x_p x_next(p)`. Not masked yet.
    #[must_use]
    pub fn norm_summands(&self) -> Zeroizing<Vec<u16>> {
        let piece = self.shape.columns().min(SEGMENT);
        let summand = |(own, next): (&[u16], &[u16])| {
            own.iter().zip(next).fold(0_u16, |sum, (&own, &next)| {
                sum.wrapping_add(own.wrapping_mul(own.wrapping_add(next.wrapping_mul(2))))
            })
        };
        Zeroizing::new(self.own.chunks(piece).zip(self.next.chunks(piece)).map(summand).collect())
    }

    /// This party's point of the line that the summands make; no message is needed.
    ///
    /// Summand `i` is missing at `next(i)`: its line is the summand at 0 and 0 at that party's point.
    #[must_use]
    pub fn to_point(&self, holder: Party) -> PointShare {
        let of_own = conversion(holder, holder);
        let of_next = conversion(holder.next(), holder);
        let mut words = vec![0; self.own.len()].into_boxed_slice();
        for ((out, own), next) in words.chunks_exact_mut(2).zip(self.own.chunks_exact(2)).zip(self.next.chunks_exact(2))
        {
            let sum = mul([own[0], own[1]], of_own).plus(mul([next[0], next[1]], of_next));
            out.copy_from_slice(&sum);
        }
        PointShare { holder, shape: self.shape, words }
    }
}

/// Prints the shape only: `Replicated(1x512)`.
impl fmt::Debug for Replicated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Replicated({})", self.shape)
    }
}

/// One party's point of a shared template: all that is stored of a person, and noise by itself.
///
/// Component pair `k` of the template is the value at 0 of a line over the ring; this is the line's value at the party's own
/// point. **Any two parties' points tell the template.**
///
/// * Shape: as many words as the template has components, two words a ring element.
/// * Unit: -7..=7 per component in the clear, squared length of each row 6 d within 2 %.
/// * Source: DESIGN 3; Abspoel et al. 2019, <https://eprint.iacr.org/2019/872>.
///
/// No `Clone`, `PartialEq` or `Serialize`: a copy is a leak to look after, `==` takes secret time, and a share leaves this
/// process only sealed.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct PointShare {
    #[zeroize(skip)]
    holder: Party,
    #[zeroize(skip)]
    shape: Shape,
    words: Box<[u16]>,
}

impl PointShare {
    /// Whose point it is.
    #[must_use]
    pub const fn holder(&self) -> Party {
        self.holder
    }

    /// The template's shape.
    #[must_use]
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// The words, row after row, for a gallery.
    #[must_use]
    pub fn words(&self) -> &[u16] {
        &self.words
    }

    /// Two bytes a word, little-endian: the plaintext of the record that is sealed at rest, and nothing else.
    #[must_use]
    pub fn to_bytes_for_sealing(&self) -> Zeroizing<Box<[u8]>> {
        // Allocated whole: a vector that grows leaves unwiped copies behind.
        let mut bytes = Zeroizing::new(vec![0; 2 * self.words.len()].into_boxed_slice());
        for (two, word) in bytes.chunks_exact_mut(2).zip(&self.words) {
            two.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// From the plaintext of a sealed record.
    ///
    /// # Errors
    /// [`ShapeError`] if it is not two bytes a component.
    pub fn from_unsealed_bytes(holder: Party, shape: Shape, bytes: &[u8]) -> Result<Self, ShapeError> {
        expect_length(2 * shape.components(), bytes.len())?;
        let words = bytes.chunks_exact(2).map(|two| u16::from_le_bytes([two[0], two[1]])).collect();
        Ok(Self { holder, shape, words })
    }

    /// The share times the party's Lagrange weight: the dots of the three parties' results with their points of a reference
    /// add up to the score.
    #[must_use]
    pub fn weigh(&self) -> Weighted {
        let weight = LAGRANGE[self.holder.index()];
        let mut words = vec![0; self.words.len()].into_boxed_slice();
        for (out, pair) in words.chunks_exact_mut(2).zip(self.words.chunks_exact(2)) {
            out.copy_from_slice(&mul([pair[0], pair[1]], weight));
        }
        Weighted { columns: self.shape.columns(), words }
    }
}

/// Prints who holds it and its shape, never its words: `PointShare(A, 1x512)`.
impl fmt::Debug for PointShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PointShare({}, {})", self.holder, self.shape)
    }
}

/// A probe's share times its party's Lagrange weight. Component 0 of a product of ring elements is `a0 b0 + a1 b1`, so from here
/// a comparison is one plain wrapping dot of words.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Weighted {
    #[zeroize(skip)]
    columns: usize,
    words: Box<[u16]>,
}

impl Weighted {
    /// The words, to be multiplied with a row of the gallery.
    #[must_use]
    pub fn words(&self) -> &[u16] {
        &self.words
    }

    /// The same, row by row: one for a vector.
    pub fn rows(&self) -> impl Iterator<Item = &[u16]> {
        self.words.chunks_exact(self.columns)
    }
}

/// Prints the shape only: `Weighted([512])`.
impl fmt::Debug for Weighted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Weighted([{}])", self.words.len())
    }
}

/// A ring element `a0 + a1 X`.
pub type Element = [u16; 2];

const ONE: Element = [1, 0];

/// The parties' points: 1, X, 1 + X.
pub const POINT: [Element; 3] = [[1, 0], [0, 1], [1, 1]];

/// Lagrange weights: the value at 0 of the polynomial of degree 2 through three points is the sum of weight times value.
/// `1 + 2 X`, `-1 - 2 X` and `1`.
pub const LAGRANGE: [Element; 3] = [lagrange(Party::A), lagrange(Party::B), lagrange(Party::C)];

/// Product in the ring: `X^2 = X + 1`.
#[must_use]
pub const fn mul(a: Element, b: Element) -> Element {
    let high = a[1].wrapping_mul(b[1]);
    let low = a[0].wrapping_mul(b[0]).wrapping_add(high);
    let middle = a[0].wrapping_mul(b[1]).wrapping_add(a[1].wrapping_mul(b[0])).wrapping_add(high);
    [low, middle]
}

/// The inverse of a unit: its conjugate over its norm `a0^2 + a0 a1 - a1^2`.
///
/// # Panics
/// When the element is no unit: its norm is even.
#[must_use]
pub const fn inverse(a: Element) -> Element {
    let [a0, a1] = a;
    let norm = a0.wrapping_mul(a0).wrapping_add(a0.wrapping_mul(a1)).wrapping_sub(a1.wrapping_mul(a1));
    assert!(norm % 2 == 1, "only units have an inverse");
    // Newton: an odd number is its own inverse to 3 bits, and each step doubles them: 3, 6, 12, 24.
    let mut over = norm;
    let mut step = 0;
    while step < 3 {
        over = over.wrapping_mul(2_u16.wrapping_sub(norm.wrapping_mul(over)));
        step += 1;
    }
    [a0.wrapping_add(a1).wrapping_mul(over), a1.wrapping_neg().wrapping_mul(over)]
}

/// Sum in the ring, written so that chains of it read from left to right.
trait Plus {
    fn plus(self, other: Self) -> Self;
}

impl Plus for Element {
    fn plus(self, other: Self) -> Self {
        [self[0].wrapping_add(other[0]), self[1].wrapping_add(other[1])]
    }
}

const fn minus(a: Element, b: Element) -> Element {
    [a[0].wrapping_sub(b[0]), a[1].wrapping_sub(b[1])]
}

/// Product over the other parties m of `-e_m / (e_p - e_m)`.
const fn lagrange(party: Party) -> Element {
    let own = POINT[party.index()];
    let (next, prev) = (POINT[party.next().index()], POINT[party.prev().index()]);
    let above = mul(minus([0, 0], next), minus([0, 0], prev));
    mul(above, inverse(mul(minus(own, next), minus(own, prev))))
}

/// What summand `i` is multiplied with at a party that holds it: `1 - e_p / e_next(i)`.
#[must_use]
pub const fn conversion(summand: Party, holder: Party) -> Element {
    minus(ONE, mul(POINT[holder.index()], inverse(POINT[summand.next().index()])))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn vector(columns: usize) -> Shape {
        Shape::vector(columns).unwrap()
    }

    fn masks(dimension: usize) -> Masks {
        Masks::from_random(Zeroizing::new((0..dimension).map(|i| u8::try_from(i * 89 % 251).unwrap()).collect()))
    }

    #[test]
    fn two_parties_together_hold_all_three_summands_and_neighbours_agree() {
        let packed: Vec<u8> = (0..=255).collect();
        let shares = split(vector(512), &packed, masks(512)).unwrap();
        for party in Party::ALL {
            let (own, next) = (&shares[party.index()], &shares[party.next().index()]);
            assert_eq!(own.next(), next.own());
            let joined: Vec<u8> = (0..256).map(|i| own.own()[i] ^ own.next()[i] ^ next.next()[i]).collect();
            assert_eq!(joined, packed);
        }
    }

    #[test]
    fn bytes_of_a_wrong_length_are_no_share() {
        let length = |expected, found| Err::<(), _>(ShapeError::Length { expected, found });
        let (set, small) = (Shape::set(4).unwrap(), vector(128));
        let summands =
            |shape, found| InputShares::from_envelope(shape, Zeroizing::new(vec![0; found])).map(|share| share.shape());
        assert_eq!((summands(small, 128), summands(set, 560)), (Ok(small), Ok(set)));
        for found in [0, 1, 127, 129, 4096] {
            assert_eq!(summands(small, found), length(128, found).map(|()| small));
            assert_eq!(summands(set, found), length(560, found).map(|()| set));
        }
        assert!(PointShare::from_unsealed_bytes(Party::A, small, &[0; 255]).is_err());
        assert_eq!(split(small, &[0; 64], masks(127)).map(|_| ()), length(128, 127));
        assert_eq!(split(small, &[0; 31], masks(128)).map(|_| ()), length(128, 62));
    }

    #[test]
    fn a_stored_point_comes_back_as_it_was() {
        let words: Box<[u16]> = (0..128).map(|i| i * 511).collect();
        let share = Replicated::new(vector(128), words.clone(), words).unwrap().to_point(Party::B);
        let back = PointShare::from_unsealed_bytes(Party::B, vector(128), &share.to_bytes_for_sealing()).unwrap();
        assert_eq!(back.words(), share.words());
    }

    #[test]
    fn no_share_prints_its_content() {
        let marked = || vec![0xabcd_u16; 64].into_boxed_slice();
        let replicated = Replicated::new(vector(64), marked(), marked()).unwrap();
        let point = replicated.to_point(Party::A);
        let summands = InputShares::from_envelope(vector(64), Zeroizing::new(vec![0xab; 64])).unwrap();
        let masks = Masks::from_random(Zeroizing::new(vec![0xab; 64]));
        let printed = format!("{replicated:?} {point:?} {:?} {summands:?} {masks:?}", point.weigh());
        assert_eq!(printed, "Replicated(1x64) PointShare(A, 1x64) Weighted([64]) InputShares(1x64) Masks([64])");
    }

    proptest! {
        #[test]
        fn a_unit_times_its_inverse_is_one(a0: u16, a1: u16) {
            prop_assume!(a0 % 2 == 1 || a1 % 2 == 1);
            prop_assert_eq!(mul([a0, a1], inverse([a0, a1])), ONE);
        }

        #[test]
        fn dots_of_point_shares_add_up_to_the_dot_of_the_secrets(seed: [[u16; 64]; 6]) {
            let [x, y] = [&seed[..3], &seed[3..]];
            let secret = |s: &[[u16; 64]], i: usize| s.iter().fold(0_u16, |sum, part| sum.wrapping_add(part[i]));
            let truth = (0..64).fold(0_u16, |sum, i| sum.wrapping_add(secret(x, i).wrapping_mul(secret(y, i))));
            let shared = |s: &[[u16; 64]], p: Party| {
                Replicated::new(vector(64), Box::new(s[p.index()]), Box::new(s[p.next().index()])).unwrap()
            };
            let mut sum = 0_u16;
            let mut norm = 0_u16;
            for p in Party::ALL {
                let (probe, reference) = (shared(x, p).to_point(p).weigh(), shared(y, p).to_point(p));
                sum = probe.words().iter().zip(reference.words())
                    .fold(sum, |sum, (a, b)| sum.wrapping_add(a.wrapping_mul(*b)));
                norm = norm.wrapping_add(shared(x, p).norm_summands()[0]);
            }
            prop_assert_eq!(sum, truth);
            let length = (0..64).fold(0_u16, |sum, i| sum.wrapping_add(secret(x, i).wrapping_mul(secret(x, i))));
            prop_assert_eq!(norm, length);
        }
    }
}
