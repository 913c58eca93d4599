//! Three parties in one process: what the nodes would open for a pair, for an evaluation to hold against the plain path.
//!
//! ```text
//! template --split--> three Summands --enrol_intake--> three PointShares --+
//! template --split--> three Summands ---------------------------verify-----+--> three times the same bit
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
use super::samples::Samples;
use crate::net::{Pipe, SessionId};
use crate::party::Party;
use crate::protocol::{Invalid, ProtocolError, Session, VerifyInput, enrol_intake, verify};
use crate::prss::{Epoch, PairSeed, PrssError};
use crate::share::{Masks, PointShare, ShapeError, Summands, split};
use crate::template::Template;
use crate::template::model::Fmr;

/// How long a party waits for another: they share a thread.
const PATIENCE: Duration = Duration::from_secs(60);

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
    #[error("an honest template was refused: {0}")]
    Invalid(#[from] Invalid),
    /// No event queue for the parties.
    #[error("no runtime: {0}")]
    Runtime(#[from] std::io::Error),
    /// The parties' outcomes are not the same.
    #[error("the three parties found different outcomes")]
    Parties,
}

/// One comparison.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    /// The probe.
    pub probe: &'a Template,
    /// The reference.
    pub reference: &'a Template,
    /// The least score that is a match.
    pub threshold: i16,
}

/// What a batch gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// For each pair, whether it matches.
    pub matches: Vec<bool>,
    /// Rounds of the comparison.
    pub rounds: u64,
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

/// Compares random pairs on shares, and counts the bits that are not those of the plain path.
///
/// Thresholds are the model's for each rate in turn. `progress` is told how many pairs were done since it was last called.
///
/// # Errors
/// The first [`SharedError`] of any batch.
pub fn compare(
    samples: &Samples,
    pairs: &[(usize, usize)],
    seed: u64,
    progress: impl Fn(u64) + Sync,
) -> Result<Shared, SharedError> {
    let template = |place: usize| &samples.list[place].template;
    let rows = samples.list.iter().map(|sample| sample.template.shape().rows()).max().unwrap_or(1);
    let size = (BATCH / (rows * rows)).clamp(1, 512);
    let batches: Vec<&[(usize, usize)]> = pairs.chunks(size).collect();
    let opened = parallel::map(batches.len(), |place| {
        let batch = batches[place].iter().zip(Fmr::ALL.into_iter().cycle()).map(|(&(reference, probe), rate)| {
            let (probe, reference) = (template(probe), template(reference));
            Pair { probe, reference, threshold: samples.model.threshold(rate, probe.shape(), reference.shape()) }
        });
        let batch: Vec<Pair<'_>> = batch.collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let opened = runtime.block_on(Trio::from_seed(seed.wrapping_add(place as u64)).compare(&batch))?;
        progress(batch.len() as u64);
        let wrong = batch.iter().zip(&opened.matches).filter(|(pair, opened)| pair.plain() != **opened).count();
        let matches = opened.matches.iter().filter(|matched| **matched).count();
        Ok(Shared { pairs: batch.len(), disagreements: wrong, matches, rounds: opened.rounds })
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

impl Pair<'_> {
    /// What the nodes must open.
    fn plain(&self) -> bool {
        self.probe.matches_vartime(self.reference, self.threshold)
    }
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
    pub async fn compare(&mut self, batch: &[Pair<'_>]) -> Result<Opened, SharedError> {
        let references = self.share(batch.iter().map(|pair| pair.reference))?;
        let points = run(self.sessions()?, references, enrol_intake).await?;
        let points = points.map(|party| party.into_iter().collect::<Result<Vec<PointShare>, Invalid>>());
        let [a, b, c] = points;
        let points = [a?, b?, c?];
        let probes = self.share(batch.iter().map(|pair| pair.probe))?;
        let thresholds: Vec<i16> = batch.iter().map(|pair| pair.threshold).collect();
        let sessions = self.sessions()?;
        let meter = sessions[0].meter();
        let outcomes = verify_all(sessions, probes, &points, &thresholds).await?;
        if outcomes[0] != outcomes[1] || outcomes[0] != outcomes[2] {
            return Err(SharedError::Parties);
        }
        let [outcomes, ..] = outcomes;
        let matches = outcomes.into_iter().collect::<Result<_, _>>()?;
        Ok(Opened { matches, rounds: meter.rounds() })
    }

    /// What each party is sent of these templates.
    fn share<'a>(&mut self, templates: impl Iterator<Item = &'a Template>) -> Result<[Vec<Summands>; 3], ShapeError> {
        let mut lists = [Vec::new(), Vec::new(), Vec::new()];
        for template in templates {
            let masks = Masks::from_random(Zeroizing::new(self.draw.bytes(template.shape().components())));
            let summands = split(template.shape(), &template.pack(), masks)?;
            lists.iter_mut().zip(summands).for_each(|(list, summands)| list.push(summands));
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

type Outcomes = Vec<Result<bool, Invalid>>;

async fn verify_all(
    sessions: [Session; 3],
    probes: [Vec<Summands>; 3],
    points: &[Vec<PointShare>; 3],
    thresholds: &[i16],
) -> Result<[Outcomes; 3], ProtocolError> {
    run(sessions, probes, |session, probes| {
        let references = &points[session.own().index()];
        let batch = probes.into_iter().zip(references).zip(thresholds);
        let batch = batch.map(|((summands, reference), &threshold)| VerifyInput {
            summands,
            reference: reference.words(),
            threshold,
        });
        verify(session, batch.collect())
    })
    .await
}

/// Runs the three parties side by side, each with its own part.
async fn run<T, R, F: Future<Output = Result<R, ProtocolError>>>(
    sessions: [Session; 3],
    parts: [T; 3],
    mut party: impl FnMut(Session, T) -> F,
) -> Result<[R; 3], ProtocolError> {
    let ([sa, sb, sc], [a, b, c]) = (sessions, parts);
    let (a, b, c) = tokio::join!(Box::pin(party(sa, a)), Box::pin(party(sb, b)), Box::pin(party(sc, c)));
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
        let pairs: Vec<Pair<'_>> = (0..38)
            .map(|place| Pair { probe: &faces[place], reference: &faces[place + 1 + place % 2], threshold })
            .chain((0..38).map(|place| Pair { probe: &faces[place], reference: &faces[place + 2], threshold }))
            .collect();
        let plain: Vec<bool> = pairs.iter().map(Pair::plain).collect();
        assert!(plain.contains(&true) && plain.contains(&false));
        let mut trio = Trio::from_seed(1);
        for _ in 0..2 {
            let opened = trio.compare(&pairs).await.unwrap();
            assert_eq!((opened.matches, opened.rounds), (plain.clone(), 11));
        }
    }
}
