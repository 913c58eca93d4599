//! Rates as people read them.

use super::bootstrap::Interval;
use super::curve::Estimate;
use super::plot::per_cent;
use super::rates::Support;

/// An estimate in per cent, with its interval.
#[must_use]
pub fn in_per_cent(Estimate { value, interval }: Estimate) -> String {
    let value = per_cent(value);
    interval.map_or_else(
        || value.clone(),
        |Interval { low, high }| {
            let number = |rate| per_cent(rate).trim_end_matches(" %").to_owned();
            format!("{value} [{}, {}]", number(low), number(high))
        },
    )
}

/// The sign of a target that has too few comparisons.
#[must_use]
pub const fn sign(support: Support) -> &'static str {
    match support {
        Support::Thirty => "",
        Support::Few => " \u{2020}",
        Support::Unsupported => " \u{2021}",
    }
}
