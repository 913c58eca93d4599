//! Wolves: probes that match many strangers, among a set's own samples and crafted ones.
//!
//! ```text
//! samples of a set -----------------------------------------> share of strangers that each matches by itself
//! samples of half of the people --rows, vectors--> Template --> the same, over the other half's people
//! a pattern of minutiae --lattice--> record --encode--> Template --> the same, over everybody
//! ```
//!
//! The false match rate of a model is a mean over probes. Whoever may send any probe in the band that nodes take (a client may)
//! sends one that matches more strangers than the mean. *Share of strangers*: each person counts once, by the share of their samples
//! that match: the chance that the probe matches somebody enrolled with one sample. (Wolves: Doddington et al., Sheep, goats, lambs
//! and wolves, 1998; rates are those of ISO/IEC 19795-1, of one probe.) What is found here is no bound: a better attack may exist.

mod fused;
mod lattice;
mod round;
mod rows;
mod sieve;
mod table;
mod vectors;

use serde::Serialize;

use super::compare::{in_levels, table_level};
use super::crowd::Crowd;
use super::draw::Draw;
use super::parallel;
use super::quick::Quick;
use super::rates::TARGETS;
use super::thresholds::Threshold;
use crate::name::Modality;
use crate::template::model::{Encoding, Fmr, Model};
use crate::template::{Shape, Template};
use round::some_of;

/// What wolves of one model match.
#[derive(Clone, Debug, Serialize)]
pub struct Wolves {
    /// What compares: `fr512`.
    pub name: String,
    /// Where all random choices began.
    pub seed: u64,
    /// How hard it was tried: 1, or more.
    pub effort: usize,
    /// Who the strangers are: `140 people`.
    pub strangers: String,
    /// What the shares are at.
    pub thresholds: Vec<Threshold>,
    /// The set's own samples, each against everybody else.
    pub own: Pack,
    /// Crafted probes, by how they were made.
    pub crafted: Vec<Pack>,
    /// All crafted ones together.
    pub all_crafted: Pack,
    /// Crafted ones that do not count: outside the band, or refused by the encoder.
    pub refused: usize,
}

/// Probes that were made in one way.
#[derive(Clone, Debug, Serialize)]
pub struct Pack {
    /// In which way.
    pub kind: String,
    /// How many.
    pub probes: usize,
    /// Shares of strangers that they match, at each threshold.
    pub shares: Vec<Share>,
}

/// Shares of strangers that probes match at one threshold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Share {
    /// By the probe with the greatest.
    pub greatest: f64,
    /// By the median probe.
    pub median: f64,
}

/// A crafted probe: how it was made, and what was made. `None` if nodes or the encoder refuse it.
struct Crafted {
    kind: String,
    probe: Option<Template>,
}

impl Crafted {
    /// From the components of rows or of a vector, if nodes take those.
    fn of(kind: impl Into<String>, shape: Option<Shape>, components: Vec<i8>) -> Self {
        Self { kind: kind.into(), probe: shape.and_then(|shape| Template::crafted(shape, components.into())) }
    }
}

/// A sample, and whose it is.
struct Stranger<'a> {
    person: usize,
    sample: &'a Quick,
}

/// A labelled set of one model.
#[derive(Debug)]
pub struct Labelled<'a> {
    /// What made the templates.
    pub model: &'a Model,
    /// Whose they are.
    pub crowd: &'a Crowd,
    /// One for each sample of the crowd.
    pub templates: Vec<&'a Template>,
}

impl Labelled<'_> {
    fn quick(&self) -> Vec<Quick> {
        self.templates.iter().map(|template| Quick::of(template, self.model.levels())).collect()
    }

    fn strangers<'q>(&self, quick: &'q [Quick]) -> Vec<Stranger<'q>> {
        let all = quick.iter().enumerate();
        all.map(|(place, sample)| Stranger { person: self.crowd.person(place), sample }).collect()
    }

    /// Whether each person is of the one half; `None` if a half would have fewer than two.
    fn halves(&self, seed: u64) -> Option<Vec<bool>> {
        let people = self.crowd.people();
        let mut halves = vec![false; people];
        let order = some_of((0..people).collect(), people / 2, &mut Draw::from_seed(seed));
        for person in order {
            halves[person] = true;
        }
        (people >= 4).then_some(halves)
    }
}

impl Pack {
    fn of(kind: String, probes: &[&[f64]], thresholds: usize) -> Self {
        let shares = (0..thresholds).map(|place| {
            let mut shares: Vec<f64> = probes.iter().map(|shares| shares[place]).collect();
            shares.sort_by(f64::total_cmp);
            // Of an even number the higher one of the middle.
            let at = |place: usize| shares.get(place).copied().unwrap_or(0.0);
            Share { greatest: at(shares.len().saturating_sub(1)), median: at(shares.len() / 2) }
        });
        Self { shares: shares.collect(), kind, probes: probes.len() }
    }
}

/// What probes are tried on, and at what.
struct Trial<'a> {
    model: &'a Model,
    thresholds: &'a [Threshold],
    people: usize,
}

impl Trial<'_> {
    /// Of each threshold the share of people whom a probe matches.
    fn shares<'s>(&self, probe: &Quick, strangers: impl Iterator<Item = &'s Stranger<'s>>) -> Vec<f64> {
        let mut samples = vec![0_u32; self.people];
        let mut matched = vec![vec![0_u32; self.people]; self.thresholds.len()];
        for Stranger { person, sample } in strangers {
            samples[*person] += 1;
            let level = in_levels(self.model, probe.score(sample), probe.shape(), sample.shape());
            for (matched, threshold) in matched.iter_mut().zip(self.thresholds) {
                matched[*person] += u32::from(level >= threshold.level);
            }
        }
        let there = samples.iter().filter(|count| **count > 0).count();
        #[expect(clippy::cast_precision_loss, reason = "a count of people")]
        let there = there.max(1) as f64;
        let share = |matched: &Vec<u32>| {
            let each = matched.iter().zip(&samples).filter(|(_, samples)| **samples > 0);
            each.map(|(matched, samples)| f64::from(*matched) / f64::from(*samples)).sum::<f64>() / there
        };
        matched.iter().map(share).collect()
    }

    /// The shares of crafted probes by their kinds; `None` for those that do not count.
    fn all(&self, crafted: Vec<Crafted>, strangers: &[&Stranger<'_>]) -> Vec<(String, Option<Vec<f64>>)> {
        let tried = parallel::map(crafted.len(), |place| {
            let probe = Quick::of(crafted[place].probe.as_ref()?, self.model.levels());
            Some(self.shares(&probe, strangers.iter().copied()))
        });
        crafted.into_iter().map(|crafted| crafted.kind).zip(tried).collect()
    }
}

impl Wolves {
    /// Steps that [`Self::measure`] tells of.
    #[must_use]
    pub const fn steps(samples: usize) -> u64 {
        2 * samples as u64
    }

    /// Measures the set's own probes, and crafts others; `None` for a set of fewer than four people.
    ///
    /// * `effort`: 1, or more starts of every search; time grows with it.
    /// * `progress` is told how many of [`Self::steps`] were done since it was last called.
    pub fn measure(
        set: &Labelled<'_>,
        thresholds: Vec<Threshold>,
        effort: usize,
        seed: u64,
        progress: impl Fn(u64) + Sync,
    ) -> Option<Self> {
        let Labelled { model, crowd, .. } = *set;
        let quick = set.quick();
        let (all, halves) = (set.strangers(&quick), set.halves(seed)?);
        let trial = Trial { model, thresholds: &thresholds, people: crowd.people() };
        let own = parallel::map(quick.len(), |probe| {
            progress(1);
            trial.shares(&quick[probe], all.iter().filter(|other| other.person != crowd.person(probe)))
        });
        let mut found = Vec::new();
        let half = |wanted: bool| all.iter().filter(|one| halves[one.person] == wanted).collect::<Vec<_>>();
        for (place, own) in [true, false].into_iter().enumerate() {
            let draw = Draw::from_seed(seed.wrapping_add(1 + place as u64));
            let crafted = craft(model, &half(own), draw, effort);
            found.extend(trial.all(crafted, &half(!own)));
            progress(quick.len() as u64 / 2);
        }
        if model.modality() == Modality::Finger {
            found.extend(trial.all(lattice::craft(model, seed), &all.iter().collect::<Vec<_>>()));
        }
        let refused = found.iter().filter(|(_, shares)| shares.is_none()).count();
        let own: Vec<&[f64]> = own.iter().map(Vec::as_slice).collect();
        Some(Self {
            name: model.id().as_str().to_owned(),
            seed,
            effort,
            strangers: format!("{} people", crowd.people()),
            own: Pack::of("the set's own probes".to_owned(), &own, thresholds.len()),
            crafted: packs(&found, thresholds.len()),
            all_crafted: Pack::of("all crafted probes".to_owned(), &counted(&found, |_| true), thresholds.len()),
            refused,
            thresholds,
        })
    }
}

/// The shares of those that count, of these kinds.
fn counted(found: &[(String, Option<Vec<f64>>)], wanted: impl Fn(&str) -> bool) -> Vec<&[f64]> {
    found.iter().filter(|(kind, _)| wanted(kind)).filter_map(|(_, shares)| shares.as_deref()).collect()
}

/// By kind, in the order in which they were made.
fn packs(found: &[(String, Option<Vec<f64>>)], thresholds: usize) -> Vec<Pack> {
    let mut kinds: Vec<&str> = Vec::new();
    for (kind, _) in found {
        if !kinds.contains(&kind.as_str()) {
            kinds.push(kind);
        }
    }
    let pack = |kind: &str| Pack::of(kind.to_owned(), &counted(found, |other| other == kind), thresholds);
    kinds.into_iter().map(pack).collect()
}

/// Probes that match many of these people at the model's thresholds of the table.
fn craft(model: &Model, side: &[&Stranger<'_>], draw: Draw, effort: usize) -> Vec<Crafted> {
    match model.encoding() {
        Encoding::Vector => {
            let levels = Fmr::ALL.into_iter().zip(&TARGETS[1..]);
            let levels: Vec<(f64, i32)> = levels.map(|(rate, &target)| (target, table_level(model, rate))).collect();
            vectors::craft(side, &levels, draw, effort)
        }
        Encoding::Rows => rows::craft(side, model, draw, effort),
    }
}

#[cfg(test)]
mod tests;
