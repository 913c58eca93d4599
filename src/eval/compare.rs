//! The scores of the models, as whole levels: those that the nodes compute on shares.

use super::scores::Unit;
use crate::template::Shape;
use crate::template::model::{Encoding, Fmr, Model, chance};

/// A fused score is a whole number by itself.
pub const FUSED: Unit = Unit { name: "weighted sum", levels: 1.0 };

/// Levels to 1 of a set's score.
const SET_LEVELS: f64 = 1e5;

/// What a model's levels are: cosines of vectors; of sets the count over `sqrt(n'_P n'_R)`.
#[must_use]
pub fn unit(model: &Model) -> Unit {
    match model.encoding() {
        #[expect(clippy::cast_precision_loss, reason = "at most 6 * 2048")]
        Encoding::Vector => Unit { name: "cosine", levels: (6 * model.dimension()) as f64 },
        Encoding::Rows => Unit { name: "count / sqrt(n'_P n'_R)", levels: SET_LEVELS },
    }
}

/// The level of what [`Template::score_vartime`](crate::template::Template::score_vartime) gave for a probe and a reference of these
/// shapes.
///
/// * Of vectors the dot itself.
/// * Of sets the score in steps of 1e-5, rounded up: a count is above `T sqrt(n'_P n'_R)`, for a T of whole steps, exactly when its
///   level is above T's.
#[must_use]
pub fn in_levels(model: &Model, score: i32, probe: Shape, reference: Shape) -> i32 {
    match model.encoding() {
        Encoding::Vector => score,
        #[expect(clippy::cast_possible_truncation, reason = "at most 120 * 1e5 / 20")]
        Encoding::Rows => (SET_LEVELS * f64::from(score) / chance(probe, reference)).ceil() as i32,
    }
}

/// The least level that matches at this rate of the table.
#[must_use]
pub fn table_level(model: &Model, rate: Fmr) -> i32 {
    #[expect(clippy::cast_possible_truncation, reason = "the table's bounds are below 1")]
    let below = (unit(model).levels * model.bound(rate)).floor() as i32;
    below + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::curve::above;
    use crate::template::model::Models;

    #[test]
    fn a_level_reaches_that_of_a_threshold_when_the_count_reaches_the_table_s() {
        let models = Models::built_in();
        let model = models.find(&"leader-rows-3".parse().unwrap()).unwrap();
        // Above .15 and .25 of 1e5. Of sets of 20 rows and less some counts are just that.
        for (rate, least) in [(Fmr::E3, 15_001), (Fmr::E4, 25_001)] {
            assert_eq!(table_level(model, rate), least);
            for (probe, reference) in (4..=40).flat_map(|probe| (4..=40).map(move |reference| (probe, reference))) {
                let [probe, reference] = [probe, reference].map(|rows| Shape::set(rows).unwrap());
                let threshold = i32::from(model.threshold(rate, probe, reference));
                for count in 0..=3 * i32::try_from(probe.rows()).unwrap() {
                    let level = in_levels(model, count, probe, reference);
                    assert_eq!(count >= threshold, level >= least, "{count} of {probe} and {reference}");
                }
            }
        }
    }

    #[test]
    fn a_threshold_as_a_report_prints_it_accepts_from_its_level_on_and_nothing_below() {
        let (models, unit) = (Models::built_in(), |model: &Model| super::unit(model));
        let model = models.find(&"leader-rows-3".parse().unwrap()).unwrap();
        for least in [6_255, 12_501, 12_502, 17_956, 24_750, 25_000, 25_001, 30_619] {
            let bound = above(unit(model), least);
            for (probe, reference) in (4..=40).flat_map(|probe| (4..=40).map(move |reference| (probe, reference))) {
                let [probe, reference] = [probe, reference].map(|rows| Shape::set(rows).unwrap());
                for count in 0..=40 {
                    let accepts = f64::from(count) > bound * chance(probe, reference);
                    let reached = in_levels(model, count, probe, reference) >= least;
                    assert_eq!(accepts, reached, "{count} of {probe} and {reference} at {bound}");
                }
            }
        }
    }
}
