//! Every pair of a crowd, scored on all processors, and kept without loss in little room.

use super::crowd::{Crowd, Kind};
use super::parallel;

/// Impostor pairs that are kept one by one: at least this many of the highest, where there are so many.
const TAIL: u64 = 1 << 20;

/// What one step of a score is worth, and how people call it.
#[derive(Clone, Copy, Debug)]
pub struct Unit {
    /// For axes and tables: `cosine`.
    pub name: &'static str,
    /// How many levels make 1: 6 d for a cosine of d components.
    pub levels: f64,
}

impl Unit {
    /// A level in this unit.
    #[must_use]
    pub fn value(&self, level: i32) -> f64 {
        f64::from(level) / self.levels
    }
}

/// A genuine pair's score, and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Genuine {
    /// The score.
    pub level: i32,
    /// The person.
    pub person: u32,
}

/// An impostor pair's score, and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Impostor {
    /// The score.
    pub level: i32,
    /// The two people.
    pub people: [u32; 2],
}

/// How often each whole score came up.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    first: i32,
    counts: Vec<u64>,
}

impl Histogram {
    /// Counts `times` more at this level.
    pub fn add(&mut self, level: i32, times: u64) {
        if self.counts.is_empty() {
            self.first = level;
        }
        if level < self.first {
            let more = self.first.abs_diff(level) as usize;
            self.counts.splice(0..0, std::iter::repeat_n(0, more));
            self.first = level;
        }
        let place = level.abs_diff(self.first) as usize;
        if place >= self.counts.len() {
            self.counts.resize(place + 1, 0);
        }
        self.counts[place] += times;
    }

    /// Levels that came up, the highest first, with their counts.
    pub fn descending(&self) -> impl Iterator<Item = (i32, u64)> {
        let end = self.first + i32::try_from(self.counts.len()).expect("levels are 32 bits");
        (self.first..end).zip(self.counts.iter().copied()).rev().filter(|(_, count)| *count > 0)
    }

    /// All of them together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The least level from which on there are no more than this share of all.
    #[must_use]
    pub fn least(&self, rate: f64) -> i32 {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a count of pairs, far below 2^52"
        )]
        let most = (rate * self.total() as f64 + 1e-9).floor() as u64;
        self.cut(most)
    }

    /// The least level from which on there are no more than this many.
    fn cut(&self, most: u64) -> i32 {
        let mut above = 0;
        for (level, count) in self.descending() {
            above += count;
            if above > most {
                return level + 1;
            }
        }
        i32::MIN
    }
}

/// All scores of a crowd.
///
/// * Genuine scores: each one, with its person.
/// * Impostor scores: how many of each level. The highest (a sixteenth, or a million) stand one by one too, with their two
///   people, so that people can be weighed anew.
/// * Unit: levels, whole numbers; see [`Unit`].
#[derive(Clone, Debug)]
pub struct Scores {
    crowd: Crowd,
    genuine: Vec<Genuine>,
    impostor: Histogram,
    tail: Vec<Impostor>,
    cut: i32,
}

/// What one thread found.
struct Part {
    most: u64,
    genuine: Vec<Genuine>,
    impostor: Histogram,
    tail: Vec<Impostor>,
    cut: i32,
}

impl Part {
    fn new(most: u64) -> Self {
        Self { most, genuine: Vec::new(), impostor: Histogram::default(), tail: Vec::new(), cut: i32::MIN }
    }

    fn push(&mut self, score: Impostor) {
        self.impostor.add(score.level, 1);
        if score.level >= self.cut {
            self.tail.push(score);
            if self.tail.len() as u64 > 2 * self.most {
                self.cut = self.impostor.cut(self.most);
                self.tail.retain(|score| score.level >= self.cut);
            }
        }
    }
}

impl Scores {
    /// Scores all genuine and impostor pairs.
    ///
    /// `score(reference, probe)` is given two places in the crowd; the earlier sample is the reference, the later one the probe.
    /// `progress` is told how many pairs were done since it was last called, from any thread. The result does not depend on how
    /// the work was spread.
    ///
    /// # Panics
    /// When `score` does.
    pub fn of_all_pairs(
        crowd: Crowd,
        score: impl Fn(usize, usize) -> i32 + Sync,
        progress: impl Fn(u64) + Sync,
    ) -> Self {
        let most = TAIL.max(crowd.impostor_pairs(&vec![1; crowd.people()]) / 16);
        let parts = parallel::fold(
            crowd.samples(),
            || Part::new(most),
            |part, reference| progress(score_row(&crowd, reference, &score, part)),
        );
        Self::join(crowd, parts, most)
    }

    fn join(crowd: Crowd, parts: Vec<Part>, most: u64) -> Self {
        let mut whole = Part::new(most);
        for part in parts {
            whole.genuine.extend(part.genuine);
            whole.tail.extend(part.tail);
            part.impostor.descending().for_each(|(level, count)| whole.impostor.add(level, count));
        }
        // No thread cut higher: the whole has at least as many pairs above any level as a part.
        let cut = whole.impostor.cut(most);
        whole.tail.retain(|score| score.level >= cut);
        whole.genuine.sort_unstable_by(|a, b| b.cmp(a));
        whole.tail.sort_unstable_by(|a, b| b.cmp(a));
        Self { crowd, genuine: whole.genuine, impostor: whole.impostor, tail: whole.tail, cut }
    }

    /// Whose they are.
    #[must_use]
    pub const fn crowd(&self) -> &Crowd {
        &self.crowd
    }

    /// Genuine scores, the highest first.
    #[must_use]
    pub fn genuine(&self) -> &[Genuine] {
        &self.genuine
    }

    /// Impostor scores.
    #[must_use]
    pub const fn impostor(&self) -> &Histogram {
        &self.impostor
    }

    /// All impostor scores from [`Self::cut`] on, the highest first.
    #[must_use]
    pub fn tail(&self) -> &[Impostor] {
        &self.tail
    }

    /// The level from which on the tail has every impostor score; `i32::MIN` where it has all.
    #[must_use]
    pub const fn cut(&self) -> i32 {
        self.cut
    }
}

/// Scores one reference with all later samples; returns how many pairs that were.
fn score_row(crowd: &Crowd, reference: usize, score: impl Fn(usize, usize) -> i32, part: &mut Part) -> u64 {
    let person = |sample| u32::try_from(crowd.person(sample)).expect("a crowd counts people in 32 bits");
    let own = person(reference);
    let mut pairs = 0;
    for probe in reference + 1..crowd.samples() {
        let Some(kind) = crowd.kind(reference, probe) else { continue };
        let level = score(reference, probe);
        pairs += 1;
        match kind {
            Kind::Genuine => part.genuine.push(Genuine { level, person: own }),
            Kind::Impostor => part.push(Impostor { level, people: [own, person(probe)] }),
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::eval::draw::Draw;

    #[test]
    fn a_histogram_grows_both_ways_and_loses_nothing() {
        let mut histogram = Histogram::default();
        for level in [5, -3, 5, 12, 0, -3, -4] {
            histogram.add(level, 1);
        }
        assert_eq!(histogram.descending().collect::<Vec<_>>(), [(12, 1), (5, 2), (0, 1), (-3, 2), (-4, 1)]);
        assert_eq!(histogram.total(), 7);
        // One from 6 on; three from 5 on.
        assert_eq!([histogram.cut(0), histogram.cut(1), histogram.cut(2), histogram.cut(3)], [13, 6, 6, 1]);
        assert_eq!(histogram.cut(7), i32::MIN);
    }

    #[test]
    fn every_pair_is_scored_once_with_the_later_sample_as_the_probe() {
        let labels: Vec<String> = (0..90).map(|sample| (sample % 30).to_string()).collect();
        let crowd = Crowd::of(labels.iter().map(|label| ("", label.as_str())));
        let done = AtomicU64::new(0);
        let level = |a: usize, b: usize| i32::try_from((a * 31 + b * 17) % 101).unwrap();
        let scores = Scores::of_all_pairs(
            crowd.clone(),
            |reference, probe| {
                assert!(reference < probe);
                level(reference, probe)
            },
            |pairs| {
                done.fetch_add(pairs, Ordering::Relaxed);
            },
        );
        assert_eq!((scores.genuine().len(), scores.impostor().total()), (90, 90 * 89 / 2 - 90));
        assert_eq!(done.into_inner(), crowd.pairs());
        assert_eq!((scores.tail().len(), scores.cut()), (90 * 89 / 2 - 90, i32::MIN));
        assert!(scores.tail().is_sorted_by(|a, b| a >= b) && scores.genuine().is_sorted_by(|a, b| a >= b));
    }

    #[test]
    fn a_part_that_is_full_keeps_all_of_the_highest() {
        let (mut part, mut draw) = (Part::new(100), Draw::from_seed(3));
        let all: Vec<i32> = (0..5_000).map(|_| i32::try_from(draw.below(1_000)).unwrap()).collect();
        for &level in &all {
            part.push(Impostor { level, people: [0, 1] });
        }
        assert!(part.tail.len() <= 201 && part.cut > 900, "{} from {} on", part.tail.len(), part.cut);
        let kept = part.tail.iter().filter(|score| score.level >= part.cut).count();
        assert_eq!(kept, all.iter().filter(|level| **level >= part.cut).count());
        assert_eq!(part.impostor.total(), 5_000);
    }
}
