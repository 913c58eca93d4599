//! Half a year of a log: each node begins a new log, with an origin of its own, on 1 January and 1 July (UTC).
//!
//! So an old log can be put away whole, and no log grows for ever.

use std::fmt;
use std::str::FromStr;

/// Seconds of a day.
const DAY: u64 = 86_400;

/// January to June, or July to December, of a year. As text: `2026h2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard {
    year: u16,
    second: bool,
}

/// Where an entry stands in a node's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId {
    /// In the log of which half-year.
    pub half: Shard,
    /// Which entry of it, from 0.
    pub index: u64,
}

/// The text is not half a year.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a half-year must be written as YYYYh1 or YYYYh2")]
pub struct HalfError;

impl Shard {
    /// The half that a moment lies in, in unix seconds. A clock beyond the year 9999 stands still there.
    #[must_use]
    pub fn of(unix_seconds: u64) -> Self {
        let last = Self { year: 9999, second: true };
        if unix_seconds >= last.begins() {
            return last;
        }
        // At least 365 days a year: this is never too early, and at most a few years too late.
        let mut year = u16::try_from(1970 + unix_seconds / DAY / 365).unwrap_or(9999).min(9999);
        while (Self { year, second: false }).begins() > unix_seconds {
            year -= 1;
        }
        let second = Self { year, second: true };
        if second.begins() <= unix_seconds { second } else { Self { year, second: false } }
    }

    /// Unix seconds of its first moment.
    #[must_use]
    pub fn begins(self) -> u64 {
        let year = u64::from(self.year);
        let leaps = |before: u64| (before / 4) - (before / 100) + (before / 400);
        let is_leap = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
        let days = (year - 1970) * 365 + leaps(year - 1) - leaps(1969);
        // 1 July is the 181st day after 1 January, or the 182nd.
        (days + if self.second { 181 + u64::from(is_leap) } else { 0 }) * DAY
    }

    /// Half-years since the year 0: for a column that is sorted.
    #[must_use]
    pub fn number(self) -> u32 {
        u32::from(self.year) * 2 + u32::from(self.second)
    }

    /// The half of a [`number`](Self::number), if it is one.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        let year = u16::try_from(number / 2).ok().filter(|year| (1970..=9999).contains(year))?;
        Some(Self { year, second: number % 2 == 1 })
    }

    /// The one after it.
    #[must_use]
    pub const fn next(self) -> Self {
        if self.second { Self { year: self.year + 1, second: false } } else { Self { year: self.year, second: true } }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}h{}", self.year, if self.second { 2 } else { 1 })
    }
}

impl FromStr for Shard {
    type Err = HalfError;

    fn from_str(text: &str) -> Result<Self, HalfError> {
        let (year, half) = text.split_once('h').ok_or(HalfError)?;
        let second = match half {
            "1" => false,
            "2" => true,
            _ => return Err(HalfError),
        };
        let half = Self { year: year.parse().map_err(|_| HalfError)?, second };
        // What does not print back as it came is refused: one half has one text.
        if half.year >= 1970 && half.to_string() == text { Ok(half) } else { Err(HalfError) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_begin_where_coreutils_says() {
        // `date -u -d 2026-07-01 +%s` and so on.
        for (text, begins) in [
            ("1970h1", 0),
            ("1970h2", 15_638_400),
            ("2000h2", 962_409_600),
            ("2026h1", 1_767_225_600),
            ("2026h2", 1_782_864_000),
            ("2028h2", 1_846_022_400),
            ("2100h2", 4_118_083_200),
        ] {
            let half: Shard = text.parse().unwrap();
            assert_eq!(half.begins(), begins, "{text}");
            assert_eq!(Shard::of(begins), half);
            assert_eq!(Shard::of(half.next().begins() - 1), half);
            assert_eq!(Shard::of(half.next().begins()), half.next());
            assert_eq!(half.to_string(), text);
            assert_eq!(Shard::from_number(half.number()), Some(half));
            assert_eq!(Shard::from_number(half.number() + 1), Some(half.next()));
        }
        assert_eq!(Shard::of(u64::MAX).to_string(), "9999h2");
        assert_eq!((Shard::from_number(3939), Shard::from_number(20_000)), (None, None));
    }

    #[test]
    fn what_is_not_half_a_year_is_refused() {
        for text in ["", "2026", "2026h3", "2026h0", "2026H1", "02026h1", "+2026h1", "1969h2", "2026h1 ", "99999h1"] {
            assert_eq!(text.parse::<Shard>(), Err(HalfError), "{text}");
        }
    }
}
