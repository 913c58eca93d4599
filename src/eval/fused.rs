//! A face and a finger together: chimeric people, the weighted sum, and decisions made of two.
//!
//! Sets with faces and fingers of the same people are rare. A *chimeric* person is the i-th face identity with the i-th finger, each
//! counted among those with two samples or more; its k-th sample is the k-th of either. That takes for granted that a face says
//! nothing of a finger, which is why both are asked for, and it makes every report of it one of made-up people.

use super::compare::{FUSED, in_levels, unit};
use super::crowd::{Crowd, Kind};
use super::curve::{Curve, Resampling};
use super::parallel;
use super::rates::TARGETS;
use super::report::Rule;
use super::samples::Samples;
use super::scores::{Scores, Unit};
use super::search::{Searches, levels};
use super::shared::{Comparison, Match};
use crate::protocol::FusionRule;
use crate::template::model::{Encoding, Fmr, Fusion, Model};
use crate::template::{Shape, Template};

/// Chimeric people.
#[derive(Debug)]
pub struct Chimeras<'a> {
    models: [&'a Model; 2],
    crowd: Crowd,
    /// Face and finger of each.
    samples: Vec<[&'a Template; 2]>,
}

/// Chimeric people, and the scores of all their pairs.
#[derive(Debug)]
pub struct Compared<'a> {
    of: Chimeras<'a>,
    /// By reference, and by how far the probe is beyond it: the face's score and the finger's.
    scores: Vec<Box<[[i32; 2]]>>,
}

/// Places of samples by person, of people who have two or more.
fn by_person(samples: &Samples) -> Vec<Vec<usize>> {
    let crowd = samples.crowd();
    let mut people = vec![Vec::new(); crowd.people()];
    (0..crowd.samples()).for_each(|sample| people[crowd.person(sample)].push(sample));
    people.retain(|samples| samples.len() > 1);
    people
}

impl<'a> Chimeras<'a> {
    /// Pairs people up: as many as the smaller of the two sets has.
    #[must_use]
    pub fn of(faces: &'a Samples, fingers: &'a Samples) -> Self {
        let (mut samples, mut names) = (Vec::new(), Vec::new());
        for (person, (face, finger)) in by_person(faces).into_iter().zip(by_person(fingers)).enumerate() {
            for (face, finger) in face.into_iter().zip(finger) {
                let (face, finger) = (&faces.list[face], &fingers.list[finger]);
                samples.push([&face.template, &finger.template]);
                names.push((finger.set.as_str(), person.to_string()));
            }
        }
        let crowd = Crowd::of(names.iter().map(|(set, person)| (*set, person.as_str())));
        Self { models: [&faces.model, &fingers.model], crowd, samples }
    }

    /// Who they are. Databases are those of the fingers.
    #[must_use]
    pub const fn crowd(&self) -> &Crowd {
        &self.crowd
    }

    /// These pairs as comparisons on shares: any of the two, both, and the weighted sum in turn, at the thresholds for each rate.
    #[must_use]
    pub fn comparisons(&self, fusion: &Fusion, pairs: &[(usize, usize)]) -> Vec<Comparison<'a>> {
        let comparison = |(turn, &(reference, probe)): (usize, &(usize, usize))| {
            let rate = Fmr::ALL[turn / 3 % 3];
            let side = |part: usize| {
                let (probe, reference) = (self.samples[probe][part], self.samples[reference][part]);
                let threshold = self.models[part].threshold(rate, probe.shape(), reference.shape());
                let weights = [fusion.face_weight(), fusion.finger_weight(probe.shape(), reference.shape())];
                Match { probe, reference, threshold, weight: weights[part], levels: self.models[part].levels() }
            };
            let joint = [FusionRule::Any, FusionRule::All, FusionRule::Sum(fusion.threshold(rate))][turn % 3];
            Comparison { sides: vec![side(0), side(1)], joint }
        };
        pairs.iter().enumerate().map(comparison).collect()
    }

    /// Scores all their pairs; `progress` is told how many were done since it was last called.
    pub fn compare(self, progress: impl Fn(u64) + Sync) -> Compared<'a> {
        let scores = parallel::map(self.samples.len(), |reference| {
            let row: Box<[[i32; 2]]> = (reference + 1..self.samples.len())
                .map(|probe| match self.crowd.kind(reference, probe) {
                    Some(_) => [0, 1].map(|part| {
                        let (probe, reference) = (self.samples[probe][part], self.samples[reference][part]);
                        probe.score_at_vartime(reference, self.models[part].levels())
                    }),
                    None => [0; 2],
                })
                .collect();
            progress((reference + 1..self.samples.len()).filter_map(|probe| self.crowd.kind(reference, probe)).count()
                as u64);
            row
        });
        Compared { of: self, scores }
    }
}

impl Compared<'_> {
    fn at(&self, reference: usize, probe: usize) -> [i32; 2] {
        self.scores[reference][probe - reference - 1]
    }

    fn shapes(&self, part: usize, probe: usize, reference: usize) -> [Shape; 2] {
        [probe, reference].map(|sample| self.of.samples[sample][part].shape())
    }

    /// Face alone, finger alone and the weighted sum, on the same pairs.
    #[must_use]
    pub fn measure(&self, fusion: &Fusion, by: Resampling) -> [Curve; 3] {
        let curve = |name: &str, unit: Unit, level: &(dyn Fn(usize, usize) -> i32 + Sync)| {
            Curve::measure(name, unit, &Scores::of_all_pairs(self.of.crowd.clone(), level, |_| ()), 0, by)
        };
        let [face, finger] = [0, 1].map(|part| {
            let model = self.of.models[part];
            curve(model.id().as_str(), unit(model), &|reference, probe| {
                let [probe_shape, reference_shape] = self.shapes(part, probe, reference);
                in_levels(model, self.at(reference, probe)[part], probe_shape, reference_shape)
            })
        });
        [face, finger, curve("fused", FUSED, &|reference, probe| self.sum(fusion, reference, probe))]
    }

    /// Looks for everybody in a gallery of all, by face, finger and the weighted sum, if that is one of vectors.
    #[must_use]
    pub fn searches(&self, fusion: &Fusion) -> Vec<Searches> {
        let Chimeras { models, crowd, samples } = &self.of;
        if models.iter().any(|model| model.encoding() != Encoding::Vector) {
            return Vec::new();
        }
        let score =
            |part: usize, reference: usize, probe: usize| samples[probe][part].score_vartime(samples[reference][part]);
        let by_one = [0, 1].map(|part| {
            let shape = samples[0][part].shape();
            let least = levels(|rate| models[part].threshold(rate, shape, shape));
            let score = |reference, probe| score(part, reference, probe);
            Searches::measure(models[part].id().as_str(), crowd, least, score)
        });
        let by_both = Searches::measure("fused", crowd, levels(|rate| fusion.threshold(rate)), |reference, probe| {
            self.sum_of(fusion, [0, 1].map(|part| score(part, reference, probe)), reference, probe)
        });
        by_one.into_iter().chain([by_both]).collect()
    }

    fn sum(&self, fusion: &Fusion, reference: usize, probe: usize) -> i32 {
        self.sum_of(fusion, self.at(reference, probe), reference, probe)
    }

    fn sum_of(&self, fusion: &Fusion, [face, finger]: [i32; 2], reference: usize, probe: usize) -> i32 {
        let [probe, reference] = self.shapes(1, probe, reference);
        i32::from(fusion.face_weight()) * face + i32::from(fusion.finger_weight(probe, reference)) * finger
    }

    /// All pairs that are compared: reference, probe, and what they are.
    fn compared(&self) -> impl Iterator<Item = (usize, usize, Kind)> {
        let samples = self.of.crowd.samples();
        let all = (0..samples).flat_map(move |reference| (reference + 1..samples).map(move |probe| (reference, probe)));
        all.filter_map(|(reference, probe)| Some((reference, probe, self.of.crowd.kind(reference, probe)?)))
    }

    /// Accepting on any of the two, and on both only, each at its own threshold of the table of models.
    #[must_use]
    pub fn rules(&self) -> Vec<Rule> {
        let mut rules = Vec::new();
        for (rate, target) in Fmr::ALL.into_iter().zip(&TARGETS[1..]) {
            // Of any and of both: impostors let in, genuine ones kept out, and all there are of either kind.
            let (mut any, mut both, mut all) = ([0_u64; 2], [0_u64; 2], [0_u64; 2]);
            for (reference, probe, kind) in self.compared() {
                let passes = [0, 1].map(|part| {
                    let [probe_shape, reference_shape] = self.shapes(part, probe, reference);
                    let threshold = self.of.models[part].threshold(rate, probe_shape, reference_shape);
                    self.at(reference, probe)[part] >= i32::from(threshold)
                });
                let (wrong, kind) = match kind {
                    Kind::Impostor => (true, 0),
                    Kind::Genuine => (false, 1),
                };
                any[kind] += u64::from((passes[0] || passes[1]) == wrong);
                both[kind] += u64::from((passes[0] && passes[1]) == wrong);
                all[kind] += 1;
            }
            for (name, errors) in [("any of the two", any), ("both of the two", both)] {
                #[expect(clippy::cast_precision_loss, reason = "counts of pairs")]
                let share = |kind: usize| errors[kind] as f64 / all[kind].max(1) as f64;
                let name = format!("{name}, each at its threshold for FMR {target:e}");
                rules.push(Rule { name, fmr: share(0), fnmr: share(1) });
            }
        }
        rules
    }
}

/// A fusion as a table of models writes it, with a line of thresholds.
#[must_use]
pub fn fusion_toml(fusion: &Fusion, thresholds: &str) -> String {
    let (face, finger) = fusion.models();
    format!(
        "[[fusion]]\nface = \"{face}\"\nfinger = \"{finger}\"\nface_weight = {}\nfinger_weight = {}\n{thresholds}",
        fusion.face_weight(),
        fusion.finger_weight_of_one(),
    )
}
