//! The highest rate that holds: doubled until one does not, then halved between the two.

/// Rates nearer to each other than this are not told apart.
const NEAR: f64 = 1.05;
/// A rate below this is none.
const LEAST: f64 = 0.5;
/// A rate above this is not tried.
const MOST: f64 = 100_000.0;

/// A search under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ramp {
    /// The highest that held.
    held: Option<f64>,
    /// The lowest that did not.
    broke: Option<f64>,
    next: f64,
}

impl Ramp {
    /// Begins at a rate.
    pub(super) const fn from(rate: f64) -> Self {
        Self { held: None, broke: None, next: rate }
    }

    /// The rate to try, until it is known well enough.
    pub(super) fn next(&self) -> Option<f64> {
        let near = self.held.zip(self.broke).is_some_and(|(held, broke)| broke / held < NEAR);
        (!near && (LEAST..=MOST).contains(&self.next)).then_some(self.next)
    }

    /// What came of it.
    pub(super) fn tried(&mut self, rate: f64, holds: bool) {
        if holds {
            self.held = Some(self.held.map_or(rate, |held| held.max(rate)));
        } else {
            self.broke = Some(self.broke.map_or(rate, |broke| broke.min(rate)));
        }
        self.next = match (self.held, self.broke) {
            (Some(held), Some(broke)) => f64::midpoint(held, broke),
            (Some(held), None) => 2.0 * held,
            (None, Some(broke)) => broke / 2.0,
            (None, None) => rate,
        };
    }

    /// The highest rate that held.
    pub(super) const fn found(&self) -> Option<f64> {
        self.held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(from: f64, limit: f64) -> (Option<f64>, Vec<f64>) {
        let (mut ramp, mut tried) = (Ramp::from(from), Vec::new());
        while let Some(rate) = ramp.next() {
            tried.push(rate);
            ramp.tried(rate, rate <= limit);
        }
        (ramp.found(), tried)
    }

    #[test]
    fn it_finds_the_limit_from_below_and_from_above() {
        for (from, limit) in [(10.0, 333.0), (1000.0, 333.0), (300.0, 333.0), (1.0, 0.9), (50.0, 50.0)] {
            let (found, tried) = search(from, limit);
            let found = found.unwrap();
            assert!(found <= limit && found * NEAR >= limit, "{from}: {found}");
            assert!(tried.len() < 20, "{tried:?}");
        }
    }

    #[test]
    fn it_doubles_and_then_halves() {
        let (_, tried) = search(10.0, 70.0);
        assert_eq!(tried[..5], [10.0, 20.0, 40.0, 80.0, 60.0]);
    }

    #[test]
    fn where_nothing_holds_it_ends_without() {
        assert_eq!(search(64.0, 0.0).0, None);
        assert!(search(64.0, f64::INFINITY).0.unwrap() > 50_000.0);
    }
}
