//! Templates of one model with their people, ready to be compared.

use std::fmt::Write as _;

use super::compare::{in_levels, unit};
use super::crowd::Crowd;
use super::curve::{Curve, NoTemplate, Resampling};
use super::groups::Groups;
use super::quick::Quick;
use super::rates::TARGETS;
use super::scores::Scores;
use super::search::{Searches, levels};
use super::shared::{Comparison, Match};
use super::thresholds::Threshold;
use super::wolves::{Labelled, Wolves};
use crate::protocol::FusionRule;
use crate::template::model::{Encoding, Fmr, Fusion, Model};
use crate::template::{Levels, Template};

/// A sample that gave a template.
#[derive(Debug)]
pub struct Sample {
    /// What of: a database, a sensor. Empty where there is one only.
    pub set: String,
    /// Whose, within the set.
    pub person: String,
    /// The demographic group that the person is of, where the labels say it.
    pub group: Option<String>,
    /// The quantised template.
    pub template: Template,
}

/// A labelled set of one model.
#[derive(Debug)]
pub struct Samples {
    /// What made the templates.
    pub model: Model,
    /// Those that there are, in the order of their table.
    pub list: Vec<Sample>,
    /// Lines of the table that gave no template: failures to enrol.
    pub failures: Vec<NoTemplate>,
}

impl Samples {
    /// Who is on them.
    #[must_use]
    pub fn crowd(&self) -> Crowd {
        Crowd::of(self.list.iter().map(|sample| (sample.set.as_str(), sample.person.as_str())))
    }

    /// The level of two samples, reference and probe.
    pub(super) fn levels(&self) -> impl Fn(usize, usize) -> i32 + Sync {
        let quick: Vec<Quick> =
            self.list.iter().map(|sample| Quick::of(&sample.template, self.model.levels())).collect();
        move |reference, probe| {
            let [reference, probe] = [reference, probe].map(|place: usize| &quick[place]);
            in_levels(&self.model, probe.score(reference), probe.shape(), reference.shape())
        }
    }

    /// Compares all pairs; see [`Scores::of_all_pairs`].
    pub fn scores(&self, progress: impl Fn(u64) + Sync) -> Scores {
        Scores::of_all_pairs(self.crowd(), self.levels(), progress)
    }

    /// These pairs as comparisons on shares, at the model's threshold for each rate in turn.
    #[must_use]
    pub fn comparisons(&self, pairs: &[(usize, usize)]) -> Vec<Comparison<'_>> {
        let rates = Fmr::ALL.into_iter().cycle();
        let comparison = |(&(reference, probe), rate): (&(usize, usize), Fmr)| {
            let [probe, reference] = [probe, reference].map(|place| &self.list[place].template);
            let threshold = self.model.threshold(rate, probe.shape(), reference.shape());
            let levels = self.model.levels();
            Comparison { sides: vec![Match { probe, reference, threshold, weight: 1, levels }], joint: FusionRule::Any }
        };
        pairs.iter().zip(rates).map(comparison).collect()
    }

    /// Looks for everybody in a gallery of all, if it is a model that searches go by: one of vectors.
    #[must_use]
    pub fn searches(&self) -> Option<Searches> {
        let template = |place: usize| &self.list[place].template;
        let shape = self.model.shape(self.model.dimension()).filter(|_| self.model.encoding() == Encoding::Vector)?;
        let least = levels(|rate| self.model.threshold(rate, shape, shape));
        let score = |reference, probe| template(probe).score_vartime(template(reference));
        Some(Searches::measure(self.model.id().as_str(), &self.crowd(), least, score))
    }

    /// The rates of each demographic group, at the model's thresholds and at those of this curve; `None` without groups.
    #[must_use]
    pub fn groups(&self, curve: &Curve, by: Resampling) -> Option<Groups> {
        let labels: Vec<(&str, &str, Option<&str>)> =
            self.list.iter().map(|one| (one.set.as_str(), one.person.as_str(), one.group.as_deref())).collect();
        Groups::measure(self.model.id().as_str(), &labels, self.levels(), &Threshold::all(&self.model, curve), by)
    }

    /// What one probe matches at worst; see [`Wolves::measure`].
    pub fn wolves(&self, curve: &Curve, effort: usize, seed: u64, progress: impl Fn(u64) + Sync) -> Option<Wolves> {
        let thresholds = Threshold::all(&self.model, curve);
        Wolves::measure(&self.labelled(&self.crowd()), thresholds, effort, seed, progress)
    }

    /// What a face and a finger of these sets match together at worst; see [`Wolves::of_two`].
    #[must_use]
    pub fn wolves_with(&self, fingers: &Self, fusion: &Fusion, effort: usize, seed: u64) -> Option<Wolves> {
        let crowds = [self.crowd(), fingers.crowd()];
        Wolves::of_two(&self.labelled(&crowds[0]), &fingers.labelled(&crowds[1]), fusion, effort, seed)
    }

    fn labelled<'a>(&'a self, crowd: &'a Crowd) -> Labelled<'a> {
        Labelled { model: &self.model, crowd, templates: self.list.iter().map(|sample| &sample.template).collect() }
    }

    /// Measures the model on all pairs.
    pub fn measure(&self, by: Resampling, progress: impl Fn(u64) + Sync) -> Curve {
        Curve::measure(self.model.id().as_str(), unit(&self.model), &self.scores(progress), self.failures.len(), by)
    }
}

/// The thresholds of a curve as a table of models writes them; targets that the set could not be read at are left out.
#[must_use]
pub fn thresholds_toml(curve: &Curve) -> String {
    // A table of models knows the targets below one in a hundred only.
    let points = curve.points.iter().filter(|point| point.target < TARGETS[0]);
    let rates: Vec<String> = points.map(|point| format!("\"{:e}\" = {}", point.target, point.threshold)).collect();
    format!("thresholds = {{ {} }}\n", rates.join(", "))
}

/// A model as a table of models writes it, with the thresholds of this curve.
#[must_use]
pub fn model_toml(model: &Model, curve: &Curve) -> String {
    entry_toml(model, &thresholds_toml(curve))
}

/// A model as a table of models writes it, with these lines for its thresholds.
#[must_use]
pub fn entry_toml(model: &Model, thresholds: &str) -> String {
    let mut text = format!("[[model]]\nid = \"{}\"\nmodality = \"{}\"\n", model.id(), model.modality().as_str());
    if model.encoding() == Encoding::Rows {
        text.push_str("encoding = \"rows\"\n");
    }
    if model.levels() != Levels::default() {
        // Writing to a string does not fail.
        let _ = writeln!(text, "levels = {:?}", model.levels().all());
    }
    // Writing to a string does not fail.
    let _ = writeln!(text, "dimension = {}", model.dimension());
    text + thresholds
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::draw::Draw;
    use crate::template::face::quantise;
    use crate::template::model::Models;

    #[test]
    fn measured_thresholds_are_a_table_of_models_that_accepts_from_the_measured_levels_on() {
        let models = Models::built_in();
        let model = models.find(&"sface128".parse().unwrap()).unwrap().clone();
        let mut draw = Draw::from_seed(4);
        let mut vector = || (0..128).map(|_| f32::from(draw.word().to_le_bytes()[0]) - 127.5).collect::<Vec<f32>>();
        let mut list = Vec::new();
        for person in 0..60 {
            let centre = vector();
            for _ in 0..4 {
                let face: Vec<f32> = centre.iter().zip(vector()).map(|(centre, noise)| centre + noise).collect();
                let template = quantise(&face, &model).unwrap();
                list.push(Sample { set: String::new(), person: format!("p{person}"), group: None, template });
            }
        }
        let samples = Samples { model: model.clone(), list, failures: Vec::new() };
        let curve = samples.measure(Resampling { replicates: 20, seed: 2 }, |_| ());
        assert_eq!((curve.genuine, curve.impostor, curve.unit), (360, 60 * 59 * 16 / 2, "cosine"));
        let table = Models::parse(&model_toml(&model, &curve)).unwrap();
        let measured = table.find(model.id()).unwrap();
        let shape = samples.list[0].template.shape();
        for (rate, point) in Fmr::ALL.into_iter().zip(&curve.points[1..]) {
            assert_eq!(i32::from(measured.threshold(rate, shape, shape)), point.level);
        }
    }
}
