//! `tumar eval fingers --set-thresholds`: what a site's own strangers say.

use std::process::ExitCode;

use serde_json::json;
use tumar::eval::plot::per_cent;
use tumar::eval::rates::TARGETS;
use tumar::eval::samples::{Samples, entry_toml};
use tumar::eval::site::{Site, SiteRate};

use super::{How, bar, print_table};
use crate::cli::failure::Failure;
use crate::cli::{files, print_json};

/// A rate that thresholds are set for.
pub(super) fn target(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    TARGETS
        .into_iter()
        .find(|target| target.total_cmp(&rate).is_eq())
        .ok_or_else(|| "1e-2, 1e-3, 1e-4 or 1e-5".to_owned())
}

impl How {
    /// Sets what there are fingers enough for; the exit code is 1 if something was refused.
    pub(super) fn site(&self, samples: &Samples, targets: &[f64], json: bool) -> Result<ExitCode, Failure> {
        let pairs = bar("pairs", samples.crowd().pairs());
        let site = Site::of(samples, targets, self.resampling(), |done| pairs.inc(done));
        pairs.finish_and_clear();
        let entry = entry_toml(&samples.model, &site.thresholds_toml(&samples.model));
        let report = json!({ "model": samples.model.id().as_str(), "failures": samples.failures, "site": site, "models_toml": entry });
        files::make_folder(&self.out)?;
        files::write(&self.out.join("site.json"), format!("{report:#}\n").as_bytes())?;
        files::write(&self.out.join("models.toml"), entry.as_bytes())?;
        if json {
            print_json(&report);
        } else {
            print(samples, &site);
            println!(
                "\nFor the table of models, also in {}:\n{}",
                self.out.join("models.toml").display(),
                entry.trim_end()
            );
        }
        Ok(if site.is_complete() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn print(samples: &Samples, site: &Site) {
    println!(
        "{}: {} fingers, {} pairs of fingers, {} pairs of prints; {} records gave no template",
        samples.model.id(),
        site.fingers,
        site.trials,
        site.comparisons,
        samples.failures.len()
    );
    let head = ["FMR", "threshold", "FMR here", "95 % over other fingers", "by rows of the smaller template"];
    print_table(&(head.map(str::to_owned).to_vec(), site.rates.iter().map(row).collect()));
}

fn row(SiteRate { target, needed, set }: &SiteRate) -> Vec<String> {
    let Some(set) = set else {
        let why = format!("REFUSED: it takes {needed} fingers; more prints of the same fingers do not help");
        return vec![format!("{target:e}"), String::new(), String::new(), String::new(), why];
    };
    let interval = set.fmr.interval;
    let interval =
        interval.map_or_else(String::new, |found| format!("{} to {}", per_cent(found.low), per_cent(found.high)));
    let sizes: Vec<String> =
        set.by_size.iter().map(|size| format!("{}: {} of {}", size.rows, per_cent(size.fmr), size.pairs)).collect();
    vec![format!("{target:e}"), set.threshold.to_string(), per_cent(set.fmr.value), interval, sizes.join(", ")]
}
