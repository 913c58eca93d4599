//! Three parties in one process: what the nodes would open for a pair, for an evaluation to hold against the plain path.
//!
//! ```text
//! references --split--> three times InputShares --enrol_intake--> PointShares --+
//! probes -----split--> three times InputShares ---------------------verify------+--> three times the same bit
//! ```
//!
//! Shares, shared randomness, tags and messages are the nodes' own; the handshakes and the network are not there. The masks come
//! from a seed, so that a run can be repeated: for templates that stand in the clear beside it, and for nothing else.

use std::time::Duration;

use zeroize::Zeroizing;

use super::crowd::{Crowd, Kind};
use super::draw::Draw;
use super::parallel;
use super::report::Shared;
use crate::net::{Pipe, SessionId};
use crate::party::Party;
use crate::protocol::{
    FusionRule, Invalid, ModalityInput, ProtocolError, ReferenceInput, Session, VerifyInput, enrol_intake, verify,
};
use crate::prss::{Epoch, PairSeed, PrssError};
use crate::share::{InputShares, Masks, PointShare, ShapeError, split};
use crate::template::{Levels, Template};

/// How long a party waits for another: they share a thread.
const PATIENCE: Duration = Duration::from_mins(1);

/// Pairs of rows that are compared in one batch, about: what a batch takes up grows with them.
const BATCH: usize = 1 << 15;

/// Why three parties gave no bits.
#[derive(Debug, thiserror::Error)]
pub enum SharedError {
    /// The run stopped.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// No shared randomness is left.
    #[error(transparent)]
    Randomness(#[from] PrssError),
    /// A template was not shared.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// An honest template was refused.
    #[error("a valid template was refused: {0}")]
    Invalid(#[from] Invalid),
    /// No event queue for the parties.
    #[error("the runtime could not be started: {0}")]
    Runtime(#[from] std::io::Error),
    /// The parties' outcomes are not the same.
    #[error("the three parties computed different results")]
    Parties,
}

/// Random pairs, half of them genuine: fewer where there are not so many of a kind.
#[must_use]
pub fn choose(crowd: &Crowd, pairs: usize, seed: u64) -> Vec<(usize, usize)> {
    let mut draw = Draw::from_seed(seed);
    let samples = crowd.samples();
    let all = (0..samples).flat_map(|a| (a + 1..samples).map(move |b| (a, b)));
    let mut genuine: Vec<_> = all.filter(|&(a, b)| crowd.kind(a, b) == Some(Kind::Genuine)).collect();
    let wanted = (pairs / 2).min(genuine.len());
    let mut chosen: Vec<_> = (0..wanted).map(|_| genuine.swap_remove(draw.below(genuine.len()))).collect();
    if crowd.impostor_pairs(&vec![1; crowd.people()]) > 0 {
        let wanted = chosen.len() + pairs - pairs / 2;
        while chosen.len() < wanted {
            let (a, b) = (draw.below(samples), draw.below(samples));
            if a < b && crowd.kind(a, b) == Some(Kind::Impostor) {
                chosen.push((a, b));
            }
        }
    }
    chosen
}

/// One modality of a comparison.
#[derive(Clone, Copy, Debug)]
pub struct Match<'a> {
    /// The probe.
    pub probe: &'a Template,
    /// The reference.
    pub reference: &'a Template,
    /// The least score that is a match by itself.
    pub threshold: i16,
    /// What the score counts in a weighted sum.
    pub weight: u16,
    /// What dots of rows are to reach, of sets.
    pub levels: Levels,
}

/// One comparison: of one modality, or of two joined in one bit.
#[derive(Clone, Debug)]
pub struct Comparison<'a> {
    /// One for each modality.
    pub sides: Vec<Match<'a>>,
    /// How they make one bit.
    pub joint: FusionRule,
}

impl Comparison<'_> {
    /// The bit that the nodes must open.
    #[must_use]
    pub fn plain(&self) -> bool {
        let score = |side: &Match<'_>| side.probe.score_at_vartime(side.reference, side.levels);
        let mut matches = self.sides.iter().map(|side| score(side) >= i32::from(side.threshold));
        match self.joint {
            FusionRule::Any => matches.any(|matched| matched),
            FusionRule::All => matches.all(|matched| matched),
            FusionRule::Sum(threshold) => {
                let weighted = |side: &Match<'_>| i32::from(side.weight) * score(side);
                self.sides.iter().map(weighted).sum::<i32>() >= i32::from(threshold)
            }
        }
    }

    /// Pairs of rows that it has.
    fn rows(&self) -> usize {
        self.sides.iter().map(|side| side.probe.shape().rows() * side.reference.shape().rows()).sum()
    }
}

/// Compares on shares, and counts the bits that are not those of the plain path.
///
/// `progress` is told how many comparisons were done since it was last called.
///
/// # Errors
/// The first [`SharedError`] of any batch.
pub fn compare(
    comparisons: &[Comparison<'_>],
    seed: u64,
    progress: impl Fn(u64) + Sync,
) -> Result<Shared, SharedError> {
    let most = comparisons.iter().map(Comparison::rows).max().unwrap_or(1);
    let batches: Vec<&[Comparison<'_>]> = comparisons.chunks((BATCH / most).clamp(1, 512)).collect();
    let opened = parallel::map(batches.len(), |place| {
        let batch = batches[place];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let opened = runtime.block_on(Trio::from_seed(seed.wrapping_add(place as u64)).compare(batch))?;
        progress(batch.len() as u64);
        let disagreements = batch.iter().zip(&opened.matches).filter(|(one, opened)| one.plain() != **opened).count();
        let matches = opened.matches.iter().filter(|matched| **matched).count();
        Ok(Shared { pairs: batch.len(), disagreements, matches, rounds: opened.rounds })
    });
    let nothing = Shared { pairs: 0, disagreements: 0, matches: 0, rounds: 0 };
    opened.into_iter().try_fold(nothing, |sum, part: Result<Shared, SharedError>| {
        let part = part?;
        Ok(Shared {
            pairs: sum.pairs + part.pairs,
            disagreements: sum.disagreements + part.disagreements,
            matches: sum.matches + part.matches,
            rounds: sum.rounds.max(part.rounds),
        })
    })
}

/// What a batch gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// For each comparison, whether it matches.
    pub matches: Vec<bool>,
    /// Rounds of the comparison.
    pub rounds: u64,
}

/// The three parties, connected.
#[derive(Debug)]
pub struct Trio {
    epochs: [Epoch; 3],
    draw: Draw,
}

impl Trio {
    /// Connects them, with randomness from this seed.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        let mut draw = Draw::from_seed(seed);
        let seeds = [(); 3].map(|()| {
            let mut bytes = Zeroizing::new([0; 32]);
            bytes.copy_from_slice(&draw.bytes(32));
            bytes
        });
        let seed_of = |slot: Party| PairSeed::from_handshake(&seeds[slot.index()]);
        Self { epochs: Party::ALL.map(|own| Epoch::new(own, seed_of(own.next()), seed_of(own))), draw }
    }

    /// Takes the references in, compares each probe with its own, and opens the bits.
    ///
    /// # Errors
    /// [`SharedError`] if a run stopped or an honest template was refused.
    pub async fn compare(&mut self, batch: &[Comparison<'_>]) -> Result<Opened, SharedError> {
        let references = self.share(batch, |side| side.reference)?;
        let [a, b, c] = run(self.sessions()?, references, enrol_intake)
            .await?
            .map(|party| party.into_iter().collect::<Result<Vec<Vec<PointShare>>, Invalid>>());
        let points = [a?, b?, c?];
        let probes = self.share(batch, |side| side.probe)?;
        let sessions = self.sessions()?;
        let meter = sessions[0].meter();
        let outcomes = run(sessions, probes, |session, probes| {
            let input = inputs(batch, probes, &points[session.own().index()]);
            verify(session, input)
        });
        let [outcomes, next, prev] = outcomes.await?;
        if outcomes != next || outcomes != prev {
            return Err(SharedError::Parties);
        }
        Ok(Opened { matches: outcomes.into_iter().collect::<Result<_, _>>()?, rounds: meter.rounds() })
    }

    /// What each party is sent: for each comparison the summands of one template a side.
    fn share<'a>(
        &mut self,
        batch: &[Comparison<'a>],
        of: impl Fn(&Match<'a>) -> &'a Template,
    ) -> Result<[Vec<Vec<InputShares>>; 3], ShapeError> {
        let mut lists = [(); 3].map(|()| Vec::with_capacity(batch.len()));
        for comparison in batch {
            let mut sides = [(); 3].map(|()| Vec::with_capacity(comparison.sides.len()));
            for template in comparison.sides.iter().map(&of) {
                let masks = Masks::from_random(Zeroizing::new(self.draw.bytes(template.shape().components())));
                let summands = split(template.shape(), &template.pack(), masks)?;
                sides.iter_mut().zip(summands).for_each(|(list, summands)| list.push(summands));
            }
            lists.iter_mut().zip(sides).for_each(|(list, sides)| list.push(sides));
        }
        Ok(lists)
    }

    fn sessions(&mut self) -> Result<[Session; 3], PrssError> {
        let mut id = [0; 16];
        id.copy_from_slice(&self.draw.bytes(16));
        let [a, b, c] = self.epochs.each_mut().map(|epoch| epoch.session(SessionId(id)));
        let [(ab, ba), (bc, cb), (ca, ac)] = [Pipe::pair(), Pipe::pair(), Pipe::pair()];
        let session = |keys, next, prev| Session::new(keys, next, prev, PATIENCE);
        Ok([session(a?, ab, ac), session(b?, bc, ba), session(c?, ca, cb)])
    }
}

/// One party's view of a batch.
fn inputs<'a>(
    batch: &[Comparison<'_>],
    probes: Vec<Vec<InputShares>>,
    points: &'a [Vec<PointShare>],
) -> Vec<VerifyInput<'a>> {
    let requests = batch.iter().zip(probes).zip(points).map(|((comparison, probes), points)| {
        let sides = comparison.sides.iter().zip(probes).zip(points).map(|((side, probe), point)| {
            let Match { threshold, weight, levels, .. } = *side;
            let (shape, words) = (point.shape(), point.words());
            ModalityInput { probe, references: vec![ReferenceInput { shape, words, threshold, weight, levels }] }
        });
        VerifyInput { sides: sides.collect(), joint: comparison.joint }
    });
    requests.collect()
}

/// Runs the three parties side by side, each with its own part.
async fn run<T, R, F: Future<Output = Result<R, ProtocolError>>>(
    sessions: [Session; 3],
    each: [T; 3],
    mut party: impl FnMut(Session, T) -> F,
) -> Result<[R; 3], ProtocolError> {
    let mut each = each.map(Some);
    let [a, b, c] = sessions.map(|session| {
        let part = each[session.own().index()].take().expect("each party has one part");
        Box::pin(party(session, part))
    });
    let (a, b, c) = tokio::join!(a, b, c);
    Ok([a?, b?, c?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::face::quantise;
    use crate::template::model::{Fmr, Models};

    #[tokio::test]
    async fn three_parties_open_the_bits_of_the_plain_path_again_and_again() {
        let models = Models::built_in();
        let model = models.find(&"sface128".parse().unwrap()).unwrap();
        let mut draw = Draw::from_seed(11);
        let mut face = |near: &[f32]| {
            let mut noise = || f32::from(draw.word().to_le_bytes()[0]) - 127.5;
            let embedding: Vec<f32> = near.iter().map(|x| x + noise()).collect();
            quantise(&embedding, model).unwrap()
        };
        let centre: Vec<f32> = (0..128_u8).map(|place| 100.0 * (f32::from(place % 9) - 4.0).signum()).collect();
        let nobody = [0.0; 128];
        let faces: Vec<Template> =
            (0..40).map(|place| face(if place % 2 == 0 { &centre } else { nobody.as_slice() })).collect();
        let threshold = model.threshold(Fmr::E3, faces[0].shape(), faces[0].shape());
        let side = |probe: usize, reference: usize| Match {
            probe: &faces[probe],
            reference: &faces[reference],
            threshold,
            weight: 1,
            levels: Levels::default(),
        };
        let one = |probe, reference| Comparison { sides: vec![side(probe, reference)], joint: FusionRule::Any };
        let mut comparisons: Vec<Comparison<'_>> =
            (0..38).flat_map(|place| [one(place, place + 1 + place % 2), one(place, place + 2)]).collect();
        for (place, joint) in [FusionRule::Any, FusionRule::All].into_iter().cycle().take(30).enumerate() {
            comparisons.push(Comparison { sides: vec![side(place, place + 1), side(place, place + 2)], joint });
        }
        let plain: Vec<bool> = comparisons.iter().map(Comparison::plain).collect();
        assert!(plain.contains(&true) && plain.contains(&false));
        let mut trio = Trio::from_seed(1);
        for _ in 0..2 {
            assert_eq!(trio.compare(&comparisons).await.unwrap().matches, plain);
        }
        let single = trio.compare(&comparisons[..38]).await.unwrap();
        assert_eq!((single.matches.as_slice(), single.rounds), (&plain[..38], 11));
    }

    #[test]
    fn chosen_pairs_are_half_genuine_and_none_is_chosen_that_is_not_there() {
        let labels = [("x", "1"), ("x", "1"), ("x", "2"), ("y", "3"), ("y", "3"), ("y", "3")];
        let crowd = Crowd::of(labels);
        let pairs = choose(&crowd, 8, 1);
        let genuine = pairs.iter().filter(|&&(a, b)| crowd.kind(a, b) == Some(Kind::Genuine)).count();
        assert_eq!((genuine, pairs.len()), (4, 8));
        assert!(pairs.iter().all(|&(a, b)| a < b && crowd.kind(a, b).is_some()));
        assert_eq!(choose(&crowd, 100, 1).len(), 4 + 50);
        assert_eq!(choose(&Crowd::of([("x", "1"), ("x", "1")]), 10, 1), [(0, 1)]);
        assert_eq!(choose(&Crowd::of([]), 10, 1), []);
    }
}
