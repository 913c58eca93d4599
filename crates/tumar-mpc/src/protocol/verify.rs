//! Whole runs: take references in, and compare probes one to one.

use std::iter::repeat_n;
use std::ops::Range;

use zeroize::Zeroizing;

use super::bits::{Bits, Tree, climb};
use super::compare::{Bounds, Group, TwoPartyShares, Width, msb, reshare_to_two};
use super::dot::dot;
use super::lengths::{Lanes, lanes_of, open_lengths, within};
use super::sets::{Pairs, WAYS};
use super::words::Words;
use super::{CheckedInput, Invalid, ProtocolError, Session, check_inputs, open};
use crate::net::Step;
use crate::party::Party;
use crate::share::{InputShares, PointShare, Replicated, ShapeError};
use crate::template::{Levels, Shape};

/// One request of a batch, as one party sees it.
#[derive(Debug)]
pub struct VerifyInput<'a> {
    /// What is compared: one side for each modality.
    pub sides: Vec<ModalityInput<'a>>,
    /// How the sides make one bit.
    pub joint: FusionRule,
}

/// One modality: a probe, which matches if it matches any of the references.
#[derive(Debug)]
pub struct ModalityInput<'a> {
    /// The probe.
    pub probe: InputShares,
    /// At least one, each of the same kind as the probe.
    pub references: Vec<ReferenceInput<'a>>,
}

/// What a probe is compared with.
pub struct ReferenceInput<'a> {
    /// The reference's shape.
    pub shape: Shape,
    /// The words of this party's point share of the reference, row after row.
    pub words: &'a [u16],
    /// The least score that is a match: of vectors their dot, of sets each of both counts. Public, the same at all three parties.
    pub threshold: i16,
    /// What the score is multiplied with in a weighted sum. Public.
    pub weight: u16,
    /// What dots of rows are to reach, of sets; public and the same at all three parties, like the threshold. No vector has any.
    pub levels: Levels,
}

/// Prints shapes only.
impl std::fmt::Debug for ReferenceInput<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ReferenceInput({}, {}, {})", self.shape, self.threshold, self.weight)
    }
}

/// How the sides of a request make one bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FusionRule {
    /// One side that matches is enough; also where there is one side alone.
    Any,
    /// All sides must match.
    All,
    /// The weighted sum of a vector's dot and a set's count, with each of both counts, or of two vectors' dots, must reach this, for any
    /// two references.
    Sum(i16),
}

/// Farther from zero a dot's threshold must not be: their distance would not fit 16 bits.
const FARTHEST: i32 = 1 << 14;

/// Compares each probe with its references; scores are not opened, only one bit of each request.
///
/// Vectors of one segment take 11 rounds for the whole batch, sets 25; joining two sides takes one more, a weighted sum with a set too (of
/// two vectors none), several references one for each doubling. An outcome is `Ok(true)` for a match. Nothing is opened of a request of
/// which a probe is invalid but that. All three parties get the same outcomes, and must have the batch in the same order.
///
/// # Errors
/// [`ProtocolError`] if the run stopped, at all three parties. Start another session, with new randomness.
pub async fn verify(
    session: Session,
    batch: Vec<VerifyInput<'_>>,
) -> Result<Vec<Result<bool, Invalid>>, ProtocolError> {
    verify_watching(session, batch, &mut |_| {}).await
}

/// How far a run has come, as it tells while it is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// All probes are taken in.
    TakenIn,
    /// From now on bits are opened, whatever becomes of the run: those of the lengths are bits of the probes already.
    Opening,
}

/// [`verify`], and tells how far it has come.
///
/// # Errors
/// As [`verify`].
pub async fn verify_watching(
    mut session: Session,
    batch: Vec<VerifyInput<'_>>,
    tell: &mut (dyn FnMut(Mark) + Send),
) -> Result<Vec<Result<bool, Invalid>>, ProtocolError> {
    let outcome = verify_batch(&mut session, batch, tell).await;
    session.settle(outcome)
}

async fn verify_batch(
    session: &mut Session,
    batch: Vec<VerifyInput<'_>>,
    tell: &mut (dyn FnMut(Mark) + Send),
) -> Result<Vec<Result<bool, Invalid>>, ProtocolError> {
    batch.iter().try_for_each(check)?;
    let sides: Vec<usize> = batch.iter().map(|request| request.sides.len()).collect();
    let mut probes = Vec::with_capacity(sides.iter().sum());
    let mut against = Vec::with_capacity(batch.len());
    for VerifyInput { sides, joint } in batch {
        let of_all = sides.into_iter().map(|ModalityInput { probe, references }| {
            probes.push(probe);
            references
        });
        against.push((of_all.collect::<Vec<_>>(), joint));
    }
    let taken = check_inputs(session, &probes).await?;
    drop(probes);
    tell(Mark::TakenIn);

    let scored = Scored::of(session.own(), &taken, &against);
    let of_each = [&scored.plain.scores, scored.pairs.scores(), &scored.dots.scores];
    let halves = reshare_to_two(session, &of_each).await?;
    let [plain, pairs, dots] = <[TwoPartyShares; 3]>::try_from(halves).expect("three were handed on");
    let bounds = Bounds::Each(scored.plain.bounds.clone());
    let plain = Group { scores: plain, bounds, width: Width::Sixteen };
    let reached = msb(session, vec![plain, scored.pairs.group(pairs)]).await?;
    let (plain, levels) = reached.split_first().expect("a group gives bits");

    let mut valid = within(session.own(), plain, scored.lengths_from, &taken, &sides);
    let counts = scored.pairs.counts(session, levels, &mut valid).await?;
    let bits = scored.decide(session, plain, dots, &counts, &mut valid).await?;
    let valid = climb(session, Step::Tree, valid, &mut Tree::none()).await?;
    tell(Mark::Opening);
    let valid = open_lengths(session, &valid, &taken, &sides).await?;
    let passed: Vec<usize> = (0..valid.len()).filter(|&item| valid[item].is_ok()).collect();
    let mut matches = open(session, Step::OpenMatch, &bits.select(&passed), &passed).await?.into_iter();
    Ok(valid.into_iter().map(|valid| valid.map(|()| matches.next() == Some(true))).collect())
}

fn check(request: &VerifyInput<'_>) -> Result<(), ShapeError> {
    let VerifyInput { sides, joint } = request;
    let complete = sides.iter().all(|side| !side.references.is_empty());
    if !complete || !(1..=2).contains(&sides.len()) {
        return Err(ShapeError::Length { expected: 1, found: 0 });
    }
    let references = || sides.iter().flat_map(|side| side.references.iter().map(|other| (side.probe.shape(), other)));
    for (probe, ReferenceInput { shape, words, threshold, .. }) in references() {
        if shape.columns() != probe.columns() || shape.is_set() != probe.is_set() || words.len() != shape.components() {
            return Err(ShapeError::Length { expected: probe.components(), found: words.len() });
        }
        let farthest = if shape.is_set() { 0..=i32::from(i8::MAX) } else { -FARTHEST..=FARTHEST };
        if !farthest.contains(&i32::from(*threshold)) {
            return Err(ShapeError::Threshold(*threshold));
        }
    }
    let FusionRule::Sum(threshold) = joint else { return Ok(()) };
    // Of each side the most, and the least less the threshold: a count is not below 0.
    let (mut low, mut high, mut sets) = (-i32::from(*threshold), -i32::from(*threshold), 0);
    for ModalityInput { probe, references } in sides {
        let weighted = |other: &ReferenceInput<'_>| most_of(probe.shape(), other.shape) * i32::from(other.weight);
        let most = references.iter().map(weighted).max().unwrap_or(0);
        high += most;
        if probe.shape().is_set() { sets += 1 } else { low -= most }
    }
    if sides.len() != 2 || sets > 1 {
        return Err(ShapeError::Length { expected: 2, found: sides.len() });
    }
    if i16::try_from(low).is_err() || i16::try_from(high).is_err() {
        return Err(ShapeError::Threshold(*threshold));
    }
    Ok(())
}

/// The highest score that a probe of this shape has against such a reference, if it is one; of sets either way.
fn most_of(probe: Shape, reference: Shape) -> i32 {
    if probe.is_set() {
        3 * i32::try_from(probe.rows().max(reference.rows())).unwrap_or(i32::MAX)
    } else {
        i32::from(probe.band().1)
    }
}

/// What this party alone makes of a batch: its summands of all that is compared, and where each is found again.
struct Scored {
    /// Dots of vectors that are compared each for itself, then what must hold of the lengths.
    plain: Lanes,
    lengths_from: usize,
    /// All sets.
    pairs: Pairs,
    /// Counts that are compared each for itself, both of a pair side by side: which count, with what.
    counted: Vec<(usize, i16)>,
    /// Weighted dots of sums, with what each sum is compared; and which count is added, how many times. Each dot stands twice, for both
    /// counts of its pair.
    dots: Lanes,
    added: Vec<(usize, u16)>,
    requests: Vec<Request>,
}

/// Where the lanes of a request's sides are.
struct Request {
    sides: Vec<(Kind, Range<usize>)>,
    all: bool,
}

#[derive(Clone, Copy)]
enum Kind {
    Plain,
    Counted,
    Summed,
}

impl Kind {
    /// Lanes side by side that are one reference's: all must be reached.
    const fn ways(self) -> usize {
        match self {
            Self::Plain => 1,
            Self::Counted | Self::Summed => WAYS,
        }
    }
}

impl Request {
    /// Whether one of two sides is enough.
    fn is_any(&self) -> bool {
        self.sides.len() > 1 && !self.all
    }
}

impl Scored {
    fn of(own: Party, taken: &[CheckedInput], against: &[(Vec<Vec<ReferenceInput<'_>>>, FusionRule)]) -> Self {
        let references: usize = against.iter().flat_map(|(sides, _)| sides).map(Vec::len).sum();
        let sums: usize = against.iter().map(|(sides, _)| sides.iter().map(Vec::len).product::<usize>()).sum();
        let lengths: usize = taken.iter().map(lanes_of).sum();
        let mut scored = Self {
            plain: Lanes::with_room_for(references + sums + lengths),
            lengths_from: 0,
            pairs: Pairs::default(),
            counted: Vec::new(),
            dots: Lanes::with_room_for(WAYS * sums),
            added: Vec::new(),
            requests: Vec::with_capacity(against.len()),
        };
        let mut probes = taken.iter();
        for (sides, joint) in against {
            let probes: Vec<_> = probes.by_ref().take(sides.len()).collect();
            let sides: Vec<_> = probes.into_iter().map(|probe| &probe.components).zip(sides).collect();
            let sides = match joint {
                FusionRule::Any | FusionRule::All => {
                    sides.into_iter().map(|(probe, references)| scored.push_side(own, probe, references)).collect()
                }
                FusionRule::Sum(threshold) => vec![match sides.as_slice() {
                    [one, other] if !one.0.shape().is_set() && !other.0.shape().is_set() => {
                        scored.push_sum_of_vectors(own, one, other, *threshold)
                    }
                    sides => scored.push_sum(own, sides, *threshold),
                }],
            };
            scored.requests.push(Request { sides, all: *joint == FusionRule::All });
        }
        scored.lengths_from = scored.plain.len();
        scored.plain.push_lengths(taken);
        scored
    }

    fn push_side(&mut self, own: Party, probe: &Replicated, references: &[ReferenceInput<'_>]) -> (Kind, Range<usize>) {
        let is_set = probe.shape().is_set();
        let probe = probe.to_point(own).weigh();
        let lanes = |scored: &Self| if is_set { scored.counted.len() } else { scored.plain.len() };
        let start = lanes(self);
        for ReferenceInput { words, threshold, levels, .. } in references {
            if is_set {
                self.counted.extend(self.counts_of_next().map(|count| (count, *threshold)));
                self.pairs.push(&probe, words, *levels);
            } else {
                self.plain.push(dot(probe.words(), words), *threshold);
            }
        }
        (if is_set { Kind::Counted } else { Kind::Plain }, start..lanes(self))
    }

    /// Where the counts of the pair will be that is pushed next.
    fn counts_of_next(&self) -> Range<usize> {
        WAYS * self.pairs.len()..WAYS * (self.pairs.len() + 1)
    }

    /// Every reference of the one vector with every one of the other: a lane like a dot's.
    fn push_sum_of_vectors(
        &mut self,
        own: Party,
        one: &(&Replicated, &Vec<ReferenceInput<'_>>),
        other: &(&Replicated, &Vec<ReferenceInput<'_>>),
        threshold: i16,
    ) -> (Kind, Range<usize>) {
        let start = self.plain.len();
        let weighted = |(probe, references): &(&Replicated, &Vec<ReferenceInput<'_>>)| {
            let probe = probe.to_point(own).weigh();
            let dot = |other: &ReferenceInput<'_>| dot(probe.words(), other.words).wrapping_mul(other.weight);
            Zeroizing::new(references.iter().map(dot).collect::<Vec<u16>>())
        };
        let (one, other) = (weighted(one), weighted(other));
        for dot in one.iter() {
            other.iter().for_each(|second| self.plain.push(dot.wrapping_add(*second), threshold));
        }
        (Kind::Plain, start..self.plain.len())
    }

    /// Every reference of the one side with every one of the other; one of them is a set.
    fn push_sum(
        &mut self,
        own: Party,
        sides: &[(&Replicated, &Vec<ReferenceInput<'_>>)],
        threshold: i16,
    ) -> (Kind, Range<usize>) {
        let start = self.dots.len();
        let of_kind = |is_set: bool| sides.iter().filter(move |(probe, _)| probe.shape().is_set() == is_set);
        for (set, references) in of_kind(true) {
            let set = set.to_point(own).weigh();
            for reference in *references {
                let counts = self.counts_of_next();
                self.pairs.push(&set, reference.words, reference.levels);
                for (vector, others) in of_kind(false) {
                    let vector = vector.to_point(own).weigh();
                    for other in *others {
                        let dot = dot(vector.words(), other.words).wrapping_mul(other.weight);
                        for count in counts.clone() {
                            self.dots.push(dot, threshold);
                            self.added.push((count, reference.weight));
                        }
                    }
                }
            }
        }
        (Kind::Summed, start..self.dots.len())
    }

    /// One bit of each request. `dots` are handed on; `valid` goes along.
    async fn decide(
        &self,
        session: &mut Session,
        plain: &Bits,
        dots: TwoPartyShares,
        counts: &Words,
        valid: &mut Tree,
    ) -> Result<Bits, ProtocolError> {
        let own = session.own();
        let of_counts = |lanes: Vec<usize>| TwoPartyShares::of(&counts.select(&lanes), own);
        let counted = Group {
            scores: of_counts(self.counted.iter().map(|(count, _)| *count).collect()),
            bounds: Bounds::Each(self.counted.iter().map(|(_, bound)| *bound).collect()),
            width: Width::Eight,
        };
        let added = of_counts(self.added.iter().map(|(count, _)| *count).collect());
        let summed = Group {
            scores: dots.plus(&added, |lane| self.added[lane].1),
            bounds: Bounds::Each(self.dots.bounds.clone()),
            width: Width::Sixteen,
        };
        let decided = msb(session, vec![counted, summed]).await?;
        let all = Bits::concat(std::iter::once(plain).chain(&decided));
        let start = |kind: Kind| match kind {
            Kind::Plain => 0,
            Kind::Counted => plain.lanes(),
            Kind::Summed => plain.lanes() + self.counted.len(),
        };
        let sides = || self.requests.iter().flat_map(|request| &request.sides);
        let lanes: Vec<usize> =
            sides().flat_map(|(kind, lanes)| lanes.clone().map(|lane| start(*kind) + lane)).collect();
        let references: Vec<usize> = sides().map(|(kind, lanes)| lanes.len() / kind.ways()).collect();
        let ways = sides().zip(&references).flat_map(|((kind, _), &references)| repeat_n(kind.ways(), references));
        let both = Tree::and(&all, &lanes, &ways.collect::<Vec<_>>());
        let both = climb(session, Step::Tree, both, valid).await?;
        let any = Tree::or(own, &both, &every(&both), &references);
        let sides = climb(session, Step::Tree, any, valid).await?;
        self.join(session, &sides, valid).await
    }

    /// From one bit of each side to one of each request: an AND of both, or of both flipped.
    async fn join(&self, session: &mut Session, sides: &Bits, valid: &mut Tree) -> Result<Bits, ProtocolError> {
        let own = session.own();
        let of_each: Vec<usize> = self.requests.iter().map(|request| request.sides.len()).collect();
        let is_any: Vec<bool> =
            self.requests.iter().flat_map(|request| repeat_n(request.is_any(), request.sides.len())).collect();
        let joined = Tree::and(&sides.flip(own, |side| is_any[side]), &every(sides), &of_each);
        let joined = climb(session, Step::Join, joined, valid).await?;
        Ok(joined.flip(own, |request| self.requests[request].is_any()))
    }
}

/// All lanes, in their order.
fn every(bits: &Bits) -> Vec<usize> {
    (0..bits.lanes()).collect()
}

/// Takes references in: those of a request become this party's point shares, or are refused together for a fault of one.
///
/// Rounds for the whole batch: 10, and log2 of the most rows of a request, rounded up: one bit a request is opened.
///
/// # Errors
/// [`ProtocolError`] if the run stopped, at all three parties: then nothing may be stored.
pub async fn enrol_intake(
    mut session: Session,
    batch: Vec<Vec<InputShares>>,
) -> Result<Vec<Result<Vec<PointShare>, Invalid>>, ProtocolError> {
    let outcome = points(&mut session, batch).await;
    session.settle(outcome)
}

/// The same in a run that goes on.
///
/// # Errors
/// [`ProtocolError`] if the run stopped; the session is over then.
pub async fn points(
    session: &mut Session,
    batch: Vec<Vec<InputShares>>,
) -> Result<Vec<Result<Vec<PointShare>, Invalid>>, ProtocolError> {
    let counts: Vec<usize> = batch.iter().map(Vec::len).collect();
    let samples: Vec<InputShares> = batch.into_iter().flatten().collect();
    let taken = check_inputs(session, &samples).await?;
    drop(samples);
    let mut lanes = Lanes::with_room_for(taken.iter().map(lanes_of).sum());
    lanes.push_lengths(&taken);
    let halves = reshare_to_two(session, &[&lanes.scores]).await?;
    let bounds = Bounds::Each(lanes.bounds.clone());
    let groups = halves.into_iter().map(|scores| Group { scores, bounds: bounds.clone(), width: Width::Sixteen });
    let reached = Bits::concat(&msb(session, groups.collect()).await?);
    let own = session.own();
    let valid = within(own, &reached, 0, &taken, &counts);
    let valid = climb(session, Step::Tree, valid, &mut Tree::none()).await?;
    let valid = open_lengths(session, &valid, &taken, &counts).await?;
    let mut points = taken.into_iter().map(|taken| taken.components.to_point(own));
    let of_request = |(valid, count): (Result<(), Invalid>, usize)| {
        let points = points.by_ref().take(count).collect();
        valid.map(|()| points)
    };
    Ok(valid.into_iter().zip(counts).map(of_request).collect())
}
