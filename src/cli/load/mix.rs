//! Arguments of the load: what is asked for in which shares, for how long, and how often.

use std::str::FromStr;
use std::time::Duration;

use tumar::eval::draw::Draw;

use crate::cli::people::By;

/// What one arrival asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// A comparison with a person's references.
    Verify,
    /// A new person.
    Enroll,
}

impl Action {
    pub(super) const ALL: [Self; 2] = [Self::Verify, Self::Enroll];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Enroll => "enroll",
        }
    }
}

/// How many of all arrivals ask for what, in parts of their sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mix {
    verify: u16,
    enroll: u16,
}

/// Not a mix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum MixError {
    /// Not `name=part,name=part`, each name once.
    #[error("a mix is verify=PARTS,enroll=PARTS: whole numbers to 65535, each name at most once")]
    Form,
    /// Nothing is asked for.
    #[error("a mix has a part above 0")]
    Empty,
    /// There is no such call yet.
    #[error("the nodes have no search yet: leave search= out of the mix")]
    Search,
}

impl FromStr for Mix {
    type Err = MixError;

    fn from_str(text: &str) -> Result<Self, MixError> {
        let (mut verify, mut enroll) = (None, None);
        for part in text.split(',') {
            let (name, parts) = part.split_once('=').ok_or(MixError::Form)?;
            let place = match name.trim() {
                "verify" => &mut verify,
                "enroll" => &mut enroll,
                "search" => return Err(MixError::Search),
                _ => return Err(MixError::Form),
            };
            let parts: u16 = parts.trim().parse().map_err(|_| MixError::Form)?;
            if place.replace(parts).is_some() {
                return Err(MixError::Form);
            }
        }
        let mix = Self { verify: verify.unwrap_or_default(), enroll: enroll.unwrap_or_default() };
        if mix.sum() == 0 { Err(MixError::Empty) } else { Ok(mix) }
    }
}

impl Mix {
    fn sum(self) -> usize {
        usize::from(self.verify) + usize::from(self.enroll)
    }

    /// What the next arrival asks for.
    pub(super) fn draw(self, draw: &mut Draw) -> Action {
        if draw.below(self.sum()) < usize::from(self.verify) { Action::Verify } else { Action::Enroll }
    }
}

/// As it was written: `verify=90,enroll=10`.
impl std::fmt::Display for Mix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "verify={},enroll={}", self.verify, self.enroll)
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
        assert_eq!(mix, Mix { verify: 90, enroll: 10 });
        assert_eq!(mix.to_string().parse(), Ok(mix));
        assert_eq!("enroll=1".parse(), Ok(Mix { verify: 0, enroll: 1 }));
    }

    #[test]
    fn what_is_no_mix_is_refused_and_search_by_name() {
        for wrong in ["", "verify", "verify=-1", "verify=1,verify=2", "erase=1", "verify=1.5", "verify=1,"] {
            assert_eq!(wrong.parse::<Mix>(), Err(MixError::Form), "{wrong}");
        }
        assert_eq!("verify=0,enroll=0".parse::<Mix>(), Err(MixError::Empty));
        assert_eq!("verify=9,search=1".parse::<Mix>(), Err(MixError::Search));
    }

    #[test]
    fn draws_have_the_shares_of_the_mix() {
        let (mix, mut draw): (Mix, _) = ("verify=3,enroll=1".parse().unwrap(), Draw::from_seed(1));
        let enrolments = (0..4000).filter(|_| mix.draw(&mut draw) == Action::Enroll).count();
        assert!((900..1100).contains(&enrolments), "{enrolments}");
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
