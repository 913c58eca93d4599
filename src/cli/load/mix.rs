//! Arguments of the load: what is asked for in which shares, for how long, and how often.

use std::str::FromStr;
use std::time::Duration;

use tumar::eval::draw::Draw;
use tumar::party::Party;

use crate::cli::people::By;

/// What one arrival asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// A comparison with a person's references.
    Verify,
    /// A new person.
    Enroll,
    /// Who of all this is.
    Search,
}

impl Action {
    pub(super) const ALL: [Self; 3] = [Self::Verify, Self::Enroll, Self::Search];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Enroll => "enroll",
            Self::Search => "search",
        }
    }
}

/// How many of all arrivals ask for what, in parts of their sum; in the order of [`Action::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mix([u16; Action::ALL.len()]);

/// Not a mix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum MixError {
    /// Not `name=part,name=part`, each name once.
    #[error("a mix is verify=PARTS,enroll=PARTS,search=PARTS: whole numbers to 65535, each name at most once")]
    Form,
    /// Nothing is asked for.
    #[error("at least one part of a mix must be above 0")]
    Empty,
}

impl FromStr for Mix {
    type Err = MixError;

    fn from_str(text: &str) -> Result<Self, MixError> {
        let mut mix = [None; Action::ALL.len()];
        for part in text.split(',') {
            let (name, parts) = part.split_once('=').ok_or(MixError::Form)?;
            let action = Action::ALL.into_iter().find(|action| action.as_str() == name.trim()).ok_or(MixError::Form)?;
            let parts: u16 = parts.trim().parse().map_err(|_| MixError::Form)?;
            if mix[action as usize].replace(parts).is_some() {
                return Err(MixError::Form);
            }
        }
        let mix = Self(mix.map(Option::unwrap_or_default));
        if mix.sum() == 0 { Err(MixError::Empty) } else { Ok(mix) }
    }
}

impl Mix {
    fn sum(self) -> usize {
        self.0.into_iter().map(usize::from).sum()
    }

    /// Whether this is asked for at all.
    pub(super) const fn has(self, action: Action) -> bool {
        self.0[action as usize] > 0
    }

    /// What the next arrival asks for.
    pub(super) fn draw(self, draw: &mut Draw) -> Action {
        let mut drawn = draw.below(self.sum());
        let within = |action: &Action| {
            let parts = usize::from(self.0[*action as usize]);
            let within = drawn < parts;
            drawn = drawn.saturating_sub(parts);
            within
        };
        Action::ALL.into_iter().find(within).expect("what is drawn is below the sum of all parts")
    }
}

/// As it was written, without what is not asked for: `verify=90,enroll=10`.
impl std::fmt::Display for Mix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let asked = Action::ALL.into_iter().filter(|action| self.has(*action));
        for (place, action) in asked.enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(f, "{comma}{}={}", action.as_str(), self.0[action as usize])?;
        }
        Ok(())
    }
}

/// A length of time: `10`, `1.5s`, `500ms`, `10m`, `2h`; at most a day.
pub(super) fn span(text: &str) -> Result<Duration, &'static str> {
    const FORM: &str = "a time is a number of seconds, or one followed by ms, s, m or h; at most a day";
    let split = text.find(|character: char| character.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(FORM),
    };
    let seconds = number.parse::<f64>().map_err(|_| FORM)? * seconds;
    if (0.0..=86_400.0).contains(&seconds) { Ok(Duration::from_secs_f64(seconds)) } else { Err(FORM) }
}

/// Arrivals a second.
pub(super) fn rate(text: &str) -> Result<f64, &'static str> {
    text.parse().ok().filter(|rate| (0.01..=100_000.0).contains(rate)).ok_or("a rate is 0.01 to 100000 a second")
}

/// A node.
pub(super) fn party(text: &str) -> Result<Party, &'static str> {
    Party::ALL.into_iter().find(|party| party.as_str() == text).ok_or("a node is A, B or C")
}

/// By what people are compared.
pub(super) fn by(text: &str) -> Result<By, &'static str> {
    [By::Face, By::Finger, By::Both].into_iter().find(|by| by.as_str() == text).ok_or("face, finger or both")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mix_is_parts_by_name_in_any_order() {
        let mix: Mix = "enroll=10, verify=90".parse().unwrap();
        assert_eq!(mix, Mix([90, 10, 0]));
        assert_eq!((mix.to_string().as_str(), mix.to_string().parse()), ("verify=90,enroll=10", Ok(mix)));
        assert_eq!("search=2,enroll=1".parse(), Ok(Mix([0, 1, 2])));
        assert!(!mix.has(Action::Search) && mix.has(Action::Enroll));
    }

    #[test]
    fn what_is_no_mix_is_refused() {
        for wrong in ["", "verify", "verify=-1", "verify=1,verify=2", "erase=1", "verify=1.5", "verify=1,"] {
            assert_eq!(wrong.parse::<Mix>(), Err(MixError::Form), "{wrong}");
        }
        assert_eq!("verify=0,enroll=0".parse::<Mix>(), Err(MixError::Empty));
    }

    #[test]
    fn draws_have_the_shares_of_the_mix() {
        let (mix, mut draw): (Mix, _) = ("verify=5,enroll=2,search=1".parse().unwrap(), Draw::from_seed(1));
        let mut drawn = [0; 3];
        (0..8000).for_each(|_| drawn[mix.draw(&mut draw) as usize] += 1);
        let [verify, enroll, search] = drawn;
        assert!(verify + enroll + search == 8000 && (1850..2150).contains(&enroll), "{drawn:?}");
        assert!((900..1100).contains(&search), "{drawn:?}");
    }

    #[test]
    fn times_have_units() {
        let spans = ["3", "1.5s", "250ms", "2m", "1h"].map(|text| span(text).unwrap().as_millis());
        assert_eq!(spans, [3000, 1500, 250, 120_000, 3_600_000]);
        for wrong in ["", "s", "-1", "1d", "25h", "NaN", "inf"] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
        assert!(rate("0").is_err() && rate("NaN").is_err() && rate("200").is_ok());
    }
}
