//! Days on which somebody asked much more or much less than on their own other days.

use super::counts::{Daily, Day, Use};

/// Fewer days make no history.
const HISTORY: usize = 7;

/// Beyond this modified z-score a day stands out.
const LIMIT: f64 = 3.5;

/// A day that stands out.
#[derive(Clone, Debug, PartialEq)]
pub struct Outlier {
    /// Who, and what for.
    pub used: Use,
    /// When.
    pub day: Day,
    /// Requests let in on that day.
    pub admitted: u64,
    /// The median of all days.
    pub median: f64,
    /// The modified z-score: above 0 there were more than usual.
    pub score: f64,
}

/// Days that stand out, by who and what for.
///
/// The score is 0.6745 (x - median) / MAD (Iglewicz and Hoaglin, "How to detect and handle outliers", 1993), over all days from the
/// use's first to `last`, those without a request as well. Where more than half of the days are alike, so that the MAD is 0, it is
/// (x - median) / (1.2533 mean absolute deviation). The last day may not be over: it can have too many, but not too few.
#[must_use]
pub fn outliers(daily: &Daily, last: Day) -> Vec<Outlier> {
    let mut found = Vec::new();
    for (used, days) in daily {
        let Some(&first) = days.keys().next() else { continue };
        let counts: Vec<u64> = (first..=last).map(|day| days.get(&day).map_or(0, |count| count.admitted)).collect();
        let Some(history) = History::of(&counts) else { continue };
        for (day, &admitted) in (first..=last).zip(&counts) {
            let score = history.score(admitted);
            if score > LIMIT || score < -LIMIT && day < last {
                found.push(Outlier { used: used.clone(), day, admitted, median: history.median, score });
            }
        }
    }
    found
}

struct History {
    median: f64,
    /// What one unit of the score is.
    unit: f64,
}

impl History {
    fn of(counts: &[u64]) -> Option<Self> {
        if counts.len() < HISTORY {
            return None;
        }
        let values: Vec<f64> = counts.iter().map(|&count| float(count)).collect();
        let center = median(values.clone());
        let deviations: Vec<f64> = values.iter().map(|value| (value - center).abs()).collect();
        let mean = deviations.iter().sum::<f64>() / float(deviations.len() as u64);
        let mad = median(deviations);
        let unit = if mad > 0.0 { mad / 0.6745 } else { 1.2533 * mean };
        (unit > 0.0).then_some(Self { median: center, unit })
    }

    fn score(&self, count: u64) -> f64 {
        (float(count) - self.median) / self.unit
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len().is_multiple_of(2) { f64::midpoint(values[middle - 1], values[middle]) } else { values[middle] }
}

#[expect(clippy::cast_precision_loss, reason = "requests of a day, and days, are far below 2^52")]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::counts::Count;

    fn daily(counts: &[u64]) -> Daily {
        let used = Use { relying_party: "banks/b17".parse().unwrap(), purpose: "cash_withdrawal".parse().unwrap() };
        let days = (100..).zip(counts).map(|(day, &admitted)| (day, Count { admitted, ..Count::default() })).collect();
        Daily::from([(used, days)])
    }

    fn days(counts: &[u64], last: Day) -> Vec<Day> {
        outliers(&daily(counts), last).iter().map(|outlier| outlier.day).collect()
    }

    #[test]
    fn a_day_stands_out_against_the_own_history_only() {
        assert_eq!(days(&[100, 104, 96, 99, 102, 97, 101, 400], 107), [107]);
        assert_eq!(days(&[100, 104, 96, 99, 102, 97, 101, 110], 107), [0_u32; 0]);
        assert_eq!(days(&[100, 104, 4, 99, 102, 97, 101, 100], 107), [102], "too few count as well");
        assert_eq!(days(&[100, 104, 96, 99, 102, 97, 101, 4], 107), [0_u32; 0], "but not while the day goes on");
        assert_eq!(days(&[100, 104, 96, 99, 102, 97, 101, 100], 109), [108], "a day without a request is a day");
        assert_eq!(days(&[7, 7, 7, 7, 7, 7, 7, 70], 107), [107], "days that are all alike have a history too");
        assert_eq!(days(&[7, 7, 7, 7, 7, 7, 7, 7], 107), [0_u32; 0]);
        assert_eq!(days(&[1, 1, 1, 1, 1, 900], 105), [0_u32; 0], "six days are no history");
    }
}
