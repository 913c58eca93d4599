//! Who is on which sample, and so which pairs are genuine and which are impostors.

use std::collections::HashMap;

use super::rates::Totals;

/// What a pair of samples is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Two samples of one person.
    Genuine,
    /// Samples of two people of one set.
    Impostor,
}

#[derive(Clone, Copy, Debug)]
struct Member {
    person: u32,
    set: u32,
}

/// The people of an evaluation, sample by sample.
///
/// A *person* is whoever the labels call one: a face's identity, or one finger. People of different *sets* (databases, so
/// sensors) are not compared: two sensors tell two fingers apart too easily.
#[derive(Clone, Debug)]
pub struct Crowd {
    members: Box<[Member]>,
    /// By person: its set, and how many samples there are of it.
    people: Vec<(u32, u32)>,
    sets: usize,
}

impl Crowd {
    /// From the set and the person of every sample; a label names a person within its set.
    pub fn of<'a>(labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let (mut names, mut sets) = (HashMap::new(), HashMap::new());
        let mut people: Vec<(u32, u32)> = Vec::new();
        let place = |count: usize| u32::try_from(count).expect("fewer than 2^32 samples fit a memory");
        let members = labels.into_iter().map(|(set_label, label)| {
            let next = place(sets.len());
            let set = *sets.entry(set_label).or_insert(next);
            let next = place(names.len());
            let person = *names.entry((set, label)).or_insert(next);
            if person == next && people.len() == next as usize {
                people.push((set, 0));
            }
            people[person as usize].1 += 1;
            Member { person, set }
        });
        let members = members.collect();
        Self { members, sets: sets.len(), people }
    }

    /// Number of samples.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.members.len()
    }

    /// Number of people.
    #[must_use]
    pub fn people(&self) -> usize {
        self.people.len()
    }

    /// Number of sets.
    #[must_use]
    pub const fn sets(&self) -> usize {
        self.sets
    }

    /// Which person a sample is of, from 0 in the order of their first samples.
    #[must_use]
    pub fn person(&self, sample: usize) -> usize {
        self.members[sample].person as usize
    }

    /// What two different samples are to each other; `None` for two sets.
    #[must_use]
    pub fn kind(&self, one: usize, other: usize) -> Option<Kind> {
        let (one, other) = (self.members[one], self.members[other]);
        match () {
            () if one.person == other.person => Some(Kind::Genuine),
            () if one.set == other.set => Some(Kind::Impostor),
            () => None,
        }
    }

    /// The people of each set.
    #[must_use]
    pub fn strata(&self) -> Vec<Vec<usize>> {
        let mut strata = vec![Vec::new(); self.sets];
        for (person, &(set, _)) in self.people.iter().enumerate() {
            strata[set as usize].push(person);
        }
        strata
    }

    /// How many impostor pairs there are when each person counts `weights[person]` times, and is no impostor to itself.
    ///
    /// In each set half of (sum of w n)^2 less the sum of (w n)^2, for n samples of a person.
    #[must_use]
    pub fn impostor_pairs(&self, weights: &[u32]) -> u64 {
        let mut sums = vec![(0_u64, 0_u64); self.sets];
        for (&(set, samples), &weight) in self.people.iter().zip(weights) {
            let count = u64::from(samples) * u64::from(weight);
            let (sum, squares) = &mut sums[set as usize];
            *sum += count;
            *squares += count * count;
        }
        sums.iter().map(|(sum, squares)| (sum * sum - squares) / 2).sum()
    }

    /// How many people have two samples or more, and how many pairs of people there are: trials that share nobody.
    #[must_use]
    pub fn independent(&self) -> Totals {
        let of_two = |count: usize| (count * count.saturating_sub(1) / 2) as u64;
        Totals {
            genuine: self.people.iter().filter(|(_, samples)| *samples > 1).count() as u64,
            impostor: self.strata().iter().map(|people| of_two(people.len())).sum(),
        }
    }

    /// How many pairs are compared in all, genuine ones too.
    #[must_use]
    pub fn pairs(&self) -> u64 {
        let genuine: u64 =
            self.people.iter().map(|&(_, samples)| u64::from(samples) * (u64::from(samples) - 1) / 2).sum();
        genuine + self.impostor_pairs(&vec![1; self.people()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counts_are_those_of_the_pairs_one_by_one() {
        let labels = [("x", "1"), ("x", "1"), ("y", "1"), ("x", "2"), ("y", "1"), ("x", "3"), ("x", "3"), ("y", "4")];
        let crowd = Crowd::of(labels);
        assert_eq!((crowd.samples(), crowd.people(), crowd.sets()), (8, 5, 2));
        let pairs = |wanted: Kind| {
            let all = (0..8).flat_map(|a| (a + 1..8).map(move |b| (a, b)));
            all.filter(|&(a, b)| crowd.kind(a, b) == Some(wanted)).collect::<Vec<_>>()
        };
        assert_eq!(pairs(Kind::Genuine), [(0, 1), (2, 4), (5, 6)]);
        assert_eq!(pairs(Kind::Impostor).len() as u64, crowd.impostor_pairs(&[1; 5]));
        assert_eq!(crowd.pairs(), 3 + crowd.impostor_pairs(&[1; 5]));
        let weights = [2, 0, 3, 1, 1];
        let weight = |sample: usize| u64::from(weights[crowd.person(sample)]);
        let weighed: u64 = pairs(Kind::Impostor).iter().map(|&(a, b)| weight(a) * weight(b)).sum();
        assert_eq!(weighed, crowd.impostor_pairs(&weights));
        // Three people twice; of set x three pairs of people, of set y one.
        assert_eq!(crowd.independent(), Totals { genuine: 3, impostor: 4 });
        assert_eq!(crowd.strata(), [vec![0, 2, 3], vec![1, 4]]);
    }
}
