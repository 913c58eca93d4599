//! The thresholds that wolves and groups are measured at: those of the table of models, and those that the set itself gives.

use serde::Serialize;

use super::compare::table_level;
use super::curve::Curve;
use super::rates::TARGETS;
use crate::template::model::{Fmr, Model};

/// Where a threshold is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The table of models.
    Table,
    /// This set: the least that holds the target here.
    Set,
}

/// One threshold.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Threshold {
    /// The false match rate that it stands for.
    pub target: f64,
    /// Whose.
    pub source: Source,
    /// The least level that matches.
    pub level: i32,
}

impl Threshold {
    /// The model's of the table, and the curve's of the set.
    #[must_use]
    pub fn all(model: &Model, curve: &Curve) -> Vec<Self> {
        let of_table = Fmr::ALL.into_iter().zip(&TARGETS[1..]);
        let of_table =
            of_table.map(|(rate, &target)| Self { target, source: Source::Table, level: table_level(model, rate) });
        let of_set = curve.points.iter();
        let of_set = of_set.map(|point| Self { target: point.target, source: Source::Set, level: point.level });
        of_table.chain(of_set).collect()
    }

    /// `1e-4`, or `1e-4 here` where the set gave it.
    #[must_use]
    pub fn heading(&self) -> String {
        let source = match self.source {
            Source::Table => "",
            Source::Set => " here",
        };
        format!("{:e}{source}", self.target)
    }
}
