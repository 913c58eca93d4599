//! A site's own thresholds, read from strangers' fingers on its own sensor; and refused where these are too few to tell.
//!
//! *How many*: two fingers are one trial, however many prints there are of each, since their prints match or do not together. None in m
//! trials is evidence for a rate of 3 / m with 95 % confidence (the rule of three), and n fingers are n (n - 1) / 2 trials. These share
//! fingers and so are fewer than they seem: that is what the interval beside a threshold is for, which draws the fingers anew.

use std::fmt::Write as _;

use serde::Serialize;

use super::bootstrap::replicates;
use super::compare::unit;
use super::crowd::Kind;
use super::curve::{Estimate, Resampling, above, estimate};
use super::parallel;
use super::rates::{Level, Rates, Support, TARGETS, Totals, summarise, trade_off};
use super::samples::Samples;
use super::scores::Scores;
use crate::template::model::{Encoding, Fmr, Model};

/// Rows of the smaller set of a pair, from and to: small ones must not be accepted more easily.
const SIZES: [(usize, usize); 5] = [(4, 11), (12, 19), (20, 29), (30, 39), (40, 40)];

/// What strangers of a site say.
#[derive(Clone, Debug, Serialize)]
pub struct Site {
    /// Fingers.
    pub fingers: usize,
    /// Pairs of them.
    pub trials: u64,
    /// Pairs of prints of two fingers.
    pub comparisons: u64,
    /// What was asked for, the most lenient first.
    pub rates: Vec<SiteRate>,
}

/// A false match rate that a threshold was asked for.
#[derive(Clone, Debug, Serialize)]
pub struct SiteRate {
    /// The rate.
    pub target: f64,
    /// Fingers that it takes at least.
    pub needed: u64,
    /// `None` if there are fewer.
    pub set: Option<SiteThreshold>,
}

/// A threshold that the fingers are enough for.
#[derive(Clone, Debug, Serialize)]
pub struct SiteThreshold {
    /// Scores above it match; as a table of models has it.
    pub threshold: f64,
    /// FMR at it, and where other fingers of the site would have put it.
    pub fmr: Estimate,
    /// The same by the rows of the smaller set, of sets.
    pub by_size: Vec<BySize>,
}

/// Strangers of one size.
#[derive(Clone, Debug, Serialize)]
pub struct BySize {
    /// Rows of the smaller set: `12-19`.
    pub rows: String,
    /// Pairs of prints.
    pub pairs: u64,
    /// Share of them that match.
    pub fmr: f64,
}

impl Site {
    /// Sets thresholds for these rates, each one of [`TARGETS`], on the strangers of samples of one database.
    pub fn of(samples: &Samples, targets: &[f64], by: Resampling, progress: impl Fn(u64) + Sync) -> Self {
        let scores = samples.scores(progress);
        let (crowd, impostors) = (scores.crowd(), scores.impostor());
        let trials = crowd.independent().impostor;
        let levels = impostors.descending().map(|(level, impostor)| Level { level, genuine: 0, impostor });
        // Of genuine pairs nothing is asked: a site's strangers may have one print each.
        let plain = summarise(trade_off(levels, Totals { genuine: 0, impostor: impostors.total() }), [None; 4]);
        let fixed = plain.at.map(|at| at.map(|rates| rates.threshold));
        let drawn = replicates(&scores, fixed, by.replicates, by.seed);
        let asked = TARGETS.into_iter().enumerate().filter(|(_, target)| targets.contains(target));
        let rates = asked.map(|(place, target)| {
            let supported = Support::of(target, trials) != Support::Unsupported;
            let set = plain.at[place].filter(|_| supported).map(|Rates { threshold, fmr, .. }| SiteThreshold {
                threshold: above(unit(&samples.model), threshold),
                fmr: estimate(fmr, trials, &drawn, |summary| summary.fixed[place].map(|rates| rates.fmr)),
                by_size: by_size(samples, &scores, threshold),
            });
            SiteRate { target, needed: needed(target), set }
        });
        let rates = rates.collect();
        Self { fingers: crowd.people(), trials, comparisons: impostors.total(), rates }
    }

    /// Whether there is a threshold for every rate that was asked for.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.rates.iter().all(|rate| rate.set.is_some())
    }

    /// The thresholds of a model's entry with those that were set here. Others stay as the table has them, but for those below a more lenient
    /// one that was set: they rise to it.
    #[must_use]
    pub fn thresholds_toml(&self, model: &Model) -> String {
        let (mut text, mut bounds, mut least) = (String::new(), Vec::new(), 0.0_f64);
        let of_rate = |rate: Fmr| {
            let target = TARGETS[1 + Fmr::ALL.iter().position(|one| *one == rate)?];
            self.rates.iter().find(|one| one.target.total_cmp(&target).is_eq())?.set.as_ref()
        };
        for (rate, name) in Fmr::ALL.into_iter().zip(["1e-3", "1e-4", "1e-5"]) {
            let here = of_rate(rate).map(|set| set.threshold);
            least = here.unwrap_or_else(|| model.bound(rate)).max(least);
            let source = if here.is_some() { "set on this site's strangers" } else { "NOT set here: of the table" };
            // Writing to a string does not fail.
            let _ = writeln!(text, "# {name}: {least}, {source}");
            bounds.push(format!("\"{name}\" = {least}"));
        }
        let _ = writeln!(text, "thresholds = {{ {} }}", bounds.join(", "));
        text
    }
}

/// Fingers whose pairs are as many trials as the rule of three asks for.
fn needed(rate: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some hundreds")]
    let fingers = (0.5 + (0.25 + 6.0 / rate).sqrt()).ceil() as u64;
    fingers
}

/// FMR from this level on, by the rows of the smaller set.
fn by_size(samples: &Samples, scores: &Scores, threshold: i32) -> Vec<BySize> {
    if samples.model.encoding() != Encoding::Rows {
        return Vec::new();
    }
    let (level, crowd) = (samples.levels(), scores.crowd());
    let rows = |place: usize| samples.list[place].template.shape().rows();
    let parts = parallel::fold(
        crowd.samples(),
        || [(0_u64, 0_u64); SIZES.len()],
        |found, reference| {
            for probe in reference + 1..crowd.samples() {
                let smaller = rows(reference).min(rows(probe));
                let size = SIZES.iter().position(|(from, to)| (*from..=*to).contains(&smaller));
                if let (Some(Kind::Impostor), Some(size)) = (crowd.kind(reference, probe), size) {
                    found[size].0 += 1;
                    found[size].1 += u64::from(level(reference, probe) >= threshold);
                }
            }
        },
    );
    let all = SIZES.iter().enumerate().map(|(size, &(from, to))| {
        let (pairs, matched) =
            parts.iter().fold((0, 0), |(pairs, matched), part| (pairs + part[size].0, matched + part[size].1));
        #[expect(clippy::cast_precision_loss, reason = "counts of pairs")]
        let fmr = matched as f64 / pairs.max(1) as f64;
        BySize { rows: if from < to { format!("{from}-{to}") } else { to.to_string() }, pairs, fmr }
    });
    all.filter(|size| size.pairs > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::draw::Draw;
    use crate::eval::samples::Sample;
    use crate::template::face::quantise;
    use crate::template::model::Models;

    /// People with so many samples each, all as unlike as strangers.
    fn strangers(people: usize, each: usize) -> Samples {
        let model = Models::built_in().find(&"sface128".parse().unwrap()).unwrap().clone();
        let mut draw = Draw::from_seed(8);
        let mut sample = |person: usize| {
            // Of 256 values only, some vectors would cross many steps of rounding at once, and have no scale.
            let half = |word: u64| f32::from(u16::try_from(word >> 48).unwrap()) - 32_767.5;
            let face: Vec<f32> = (0..128).map(|_| half(draw.word())).collect();
            let template = quantise(&face, &model).unwrap();
            Sample { set: String::new(), person: format!("p{person}"), group: None, template }
        };
        let list = (0..people * each).map(|place| sample(place / each)).collect();
        Samples { model, list, failures: Vec::new() }
    }

    const BY: Resampling = Resampling { replicates: 40, seed: 1 };

    #[test]
    fn the_rule_of_three_counts_pairs_of_fingers() {
        assert_eq!(TARGETS.map(needed), [25, 78, 246, 776]);
        for (rate, fingers) in TARGETS.into_iter().zip(TARGETS.map(needed)) {
            let of = |fingers: u64| Support::of(rate, fingers * (fingers - 1) / 2) != Support::Unsupported;
            assert!(of(fingers) && !of(fingers - 1));
        }
    }

    #[test]
    fn a_hundred_fingers_set_one_in_a_thousand_and_never_one_in_a_hundred_thousand() {
        for each in [1, 5] {
            let site = Site::of(&strangers(100, each), &TARGETS, BY, |_| ());
            assert_eq!((site.fingers, site.trials), (100, 4950));
            let set: Vec<bool> = site.rates.iter().map(|rate| rate.set.is_some()).collect();
            assert_eq!(set, [true, true, false, false], "{each} prints a finger");
            assert!(!site.is_complete());
            let thousandth = site.rates[1].set.as_ref().unwrap();
            let interval = thousandth.fmr.interval.unwrap();
            assert!(
                thousandth.fmr.value <= 1e-3
                    && interval.low <= thousandth.fmr.value
                    && thousandth.fmr.value <= interval.high
            );
        }
    }

    #[test]
    fn what_was_set_goes_into_the_entry_and_stricter_rates_stay_above_it() {
        let samples = strangers(100, 1);
        let site = Site::of(&samples, &[1e-3], BY, |_| ());
        let set = site.rates[0].set.as_ref().unwrap().threshold;
        let text = site.thresholds_toml(&samples.model);
        assert!(
            text.contains(&format!("# 1e-3: {set}, set on")) && text.contains("# 1e-5: 0.4727, NOT set here"),
            "{text}"
        );
        let entry = format!("[[model]]\nid = \"sface128\"\nmodality = \"face\"\ndimension = 128\n{text}");
        let table = Models::parse(&entry).unwrap();
        let bound = |rate| table.find(samples.model.id()).unwrap().bound(rate);
        assert_eq!(bound(Fmr::E3).to_bits(), set.to_bits());
        assert!(bound(Fmr::E3) <= bound(Fmr::E4) && bound(Fmr::E4) <= bound(Fmr::E5));
    }
}
