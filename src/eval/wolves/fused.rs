//! Wolves of a weighted sum: a face and a finger, of which either or both are crafted.
//!
//! Nobody has both, so strangers are all pairs of one person's face with another's finger, as if neither said anything of the other.

use super::super::draw::Draw;
use super::super::parallel;
use super::super::quick::Quick;
use super::super::thresholds::{Source, Threshold};
use super::round::some_of;
use super::{Crafted, Labelled, Pack, Stranger, Wolves, craft};
use crate::template::Shape;
use crate::template::model::{Fmr, Fusion};

/// Honest probes of each half that are tried beside crafted ones.
const HONEST: usize = 60;

/// What a probe adds to the sum with each stranger, the highest first, and the share of strangers with whom it adds as much or more.
struct Spread(Vec<(i32, f64)>);

impl Spread {
    fn of(probe: &Quick, strangers: &[&Stranger<'_>], weight: &(dyn Fn(Shape, Shape) -> u16 + Sync)) -> Self {
        let people = strangers.iter().map(|one| one.person).max().map_or(0, |most| most + 1);
        let mut samples = vec![0_u32; people];
        for one in strangers {
            samples[one.person] += 1;
        }
        #[expect(clippy::cast_precision_loss, reason = "a count of people")]
        let there = samples.iter().filter(|count| **count > 0).count() as f64;
        let part = |one: &&Stranger<'_>| {
            let by = i32::from(weight(probe.shape(), one.sample.shape()));
            (by * probe.score(one.sample), 1.0 / (f64::from(samples[one.person]) * there))
        };
        let mut parts: Vec<(i32, f64)> = strangers.iter().map(part).collect();
        parts.sort_by_key(|(part, _)| std::cmp::Reverse(*part));
        let mut reached = 0.0;
        let steps = parts.chunk_by(|a, b| a.0 == b.0).map(|same| {
            reached += same.iter().map(|(_, share)| share).sum::<f64>();
            (same[0].0, reached)
        });
        Self(steps.collect())
    }

    /// The share of strangers with whom it adds so much or more.
    fn reach(&self, least: i32) -> f64 {
        let place = self.0.partition_point(|(part, _)| *part >= least);
        place.checked_sub(1).map_or(0.0, |last| self.0[last].1)
    }

    /// The share of pairs of strangers with whom the two reach a sum.
    fn together(&self, other: &Self, least: i32) -> f64 {
        let mut before = 0.0;
        let each = self.0.iter().map(|&(part, reached)| {
            let share = reached - std::mem::replace(&mut before, reached);
            share * other.reach(least - part)
        });
        each.sum()
    }
}

/// One modality's probes of one half: honest ones and crafted ones, by what they add with the other half.
struct Probes {
    honest: Vec<Spread>,
    crafted: Vec<Spread>,
    refused: usize,
}

/// Both halves' probes.
fn probes(
    set: &Labelled<'_>,
    weight: &(dyn Fn(Shape, Shape) -> u16 + Sync),
    effort: usize,
    seed: u64,
) -> Option<[Probes; 2]> {
    let quick = set.quick();
    let (all, halves) = (set.strangers(&quick), set.halves(seed)?);
    let of = |place: u64, own: bool| {
        let half = |wanted: bool| all.iter().filter(|one| halves[one.person] == wanted).collect::<Vec<_>>();
        let (own, others) = (half(own), half(!own));
        let mut draw = Draw::from_seed(seed.wrapping_add(1 + place));
        let honest = some_of(own.clone(), HONEST, &mut draw.clone());
        let honest = parallel::map(honest.len(), |place| Spread::of(honest[place].sample, &others, weight));
        let crafted: Vec<Crafted> = craft(set.model, &own, Draw::from_seed(draw.word()), effort);
        let spreads = parallel::map(crafted.len(), |place| {
            let probe = Quick::of(crafted[place].probe.as_ref()?, set.model.levels());
            Some(Spread::of(&probe, &others, weight))
        });
        let refused = spreads.iter().filter(|spread| spread.is_none()).count();
        Probes { honest, crafted: spreads.into_iter().flatten().collect(), refused }
    };
    Some([of(0, true), of(1, false)])
}

impl Wolves {
    /// Crafts faces and fingers, and tries them together and each beside an honest one, at the thresholds of a fusion.
    ///
    /// `None` for a set of fewer than four people.
    #[must_use]
    pub fn of_two(
        faces: &Labelled<'_>,
        fingers: &Labelled<'_>,
        fusion: &Fusion,
        effort: usize,
        seed: u64,
    ) -> Option<Self> {
        let by_face = probes(faces, &|_, _| fusion.face_weight(), effort, seed)?;
        let by_finger = probes(fingers, &|probe, other| fusion.finger_weight(probe, other), effort, seed)?;
        let thresholds: Vec<Threshold> = Fmr::ALL
            .into_iter()
            .zip([1e-3, 1e-4, 1e-5])
            .map(|(rate, target)| Threshold { target, source: Source::Table, level: fusion.threshold(rate).into() })
            .collect();
        let shares = |of: fn(&Probes) -> &Vec<Spread>, beside: fn(&Probes) -> &Vec<Spread>| {
            let halves = by_face.iter().zip(&by_finger);
            let all = halves.flat_map(|(faces, fingers)| {
                let (faces, fingers) = (of(faces), beside(fingers));
                parallel::map(faces.len(), |place| {
                    let shares = |finger: &Spread| {
                        thresholds.iter().map(|least| faces[place].together(finger, least.level)).collect()
                    };
                    fingers.iter().map(shares).collect::<Vec<Vec<f64>>>()
                })
            });
            all.flatten().collect::<Vec<Vec<f64>>>()
        };
        let honest: fn(&Probes) -> &Vec<Spread> = |probes| &probes.honest;
        let crafted: fn(&Probes) -> &Vec<Spread> = |probes| &probes.crafted;
        let kinds = [
            ("a crafted face, a stranger's finger", shares(crafted, honest)),
            ("a stranger's face, a crafted finger", shares(honest, crafted)),
            ("both crafted", shares(crafted, crafted)),
        ];
        let pack = |kind: &str, shares: &[Vec<f64>]| {
            let shares: Vec<&[f64]> = shares.iter().map(Vec::as_slice).collect();
            Pack::of(kind.to_owned(), &shares, thresholds.len())
        };
        let all: Vec<Vec<f64>> = kinds.iter().flat_map(|(_, shares)| shares.clone()).collect();
        Some(Self {
            name: "fused".to_owned(),
            seed,
            effort,
            strangers: format!("{} faces with {} fingers", faces.crowd.people(), fingers.crowd.people()),
            own: pack("the sets' own probes", &shares(honest, honest)),
            all_crafted: pack("all crafted probes", &all),
            crafted: kinds.iter().map(|(kind, shares)| pack(kind, shares)).collect(),
            refused: by_face.iter().chain(&by_finger).map(|probes| probes.refused).sum(),
            thresholds,
        })
    }
}
