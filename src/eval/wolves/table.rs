//! Wolves as lines of a report.

use super::{Pack, Wolves, lattice};
use crate::eval::plot::per_cent;

impl Wolves {
    /// Head and rows: one row for each way in which probes were made, the greatest share and the median at each threshold.
    #[must_use]
    pub fn table(&self) -> (Vec<String>, Vec<Vec<String>>) {
        let mut head = vec!["probes".to_owned(), "how many".to_owned()];
        head.extend(self.thresholds.iter().map(|threshold| format!("FMR {}", threshold.heading())));
        let row = |pack: &Pack| {
            let number = |share: f64| per_cent(share).trim_end_matches(" %").to_owned();
            let shares =
                pack.shares.iter().map(|share| format!("{} ({})", per_cent(share.greatest), number(share.median)));
            [pack.kind.clone(), pack.probes.to_string()].into_iter().chain(shares).collect()
        };
        (head, [&self.own, &self.all_crafted].into_iter().chain(&self.crafted).map(row).collect())
    }

    /// What the table is of.
    #[must_use]
    pub fn note(&self) -> String {
        let lattices =
            if self.crafted.iter().any(|pack| pack.kind == lattice::KIND) { ", lattices on all" } else { "" };
        format!(
            "The greatest share of strangers that one probe matches, and in brackets the median probe's. {}, each person counted once. \
             Crafted probes were made on one half and tried on the other, both ways{lattices}, with seed {} and effort {}; {} that \
             nodes or the encoder refuse are left out. These are the best attacks found and no bound, and on people whom the \
             extractor was learned on they find less. Thresholds marked `here` are this set's own.",
            self.strangers, self.seed, self.effort, self.refused
        )
    }
}
