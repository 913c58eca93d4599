//! Who comes next, in whose name, and what the plain comparison says of it; and nobody is locked out by it.
//!
//! Every other attempt is another's in a person's name, and the person comes next. Three non-matches in a row lock a person
//! (the default policy), and calls under way may overtake each other. So a person has at most two non-matches that no match
//! is known to have followed.

use tumar::eval::draw::Draw;

use crate::cli::people::{By, People};

/// Genuine attempts of a person, and as many others in that name, that are prepared.
const ATTEMPTS: usize = 6;
/// Non-matches in a row that lock nobody.
const MISSES: u64 = 2;

/// Somebody shows something in a person's name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt {
    pub(super) claimed: usize,
    pub(super) who: usize,
    pub(super) image: usize,
    /// What plain integers say.
    pub(super) expected: bool,
}

/// An attempt that is made, to be handed back when it has ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket {
    pub(super) attempt: Attempt,
    /// Non-matches of the person that had ended before it began.
    before: u64,
}

/// Attempts in one person's name.
struct Place {
    genuine: Vec<Attempt>,
    impostor: Vec<Attempt>,
    /// Non-matches that began, that ended, and that a match is known to have followed.
    began: u64,
    ended: u64,
    cleared: u64,
}

impl Place {
    const fn takes_a_miss(&self) -> bool {
        self.began - self.cleared < MISSES
    }

    /// The next of one kind that locks nobody out.
    fn next(&mut self, genuine: bool) -> Option<Ticket> {
        let may_miss = self.takes_a_miss();
        let list = if genuine { &mut self.genuine } else { &mut self.impostor };
        let place = list.iter().position(|attempt| attempt.expected || may_miss)?;
        let attempt = list[place];
        // What was passed over now is next in turn when it may be.
        list[place..].rotate_left(1);
        self.began += u64::from(!attempt.expected);
        Some(Ticket { attempt, before: self.ended })
    }
}

/// All people who are enrolled, and whose turn it is.
pub(super) struct Desk {
    places: Vec<Place>,
    turn: usize,
}

impl Desk {
    /// Compares every attempt in the clear, beforehand.
    pub(super) fn new(people: &People, by: By, seed: u64) -> Self {
        let mut draw = Draw::from_seed(seed);
        let count = people.count();
        let places = (0..count).map(|claimed| {
            let attempt = |who, image| {
                let expected = people.matches(claimed, &people.shown(who, image, by), by);
                Attempt { claimed, who, image, expected }
            };
            let impostor = (0..ATTEMPTS).map(|image| attempt((claimed + 1 + draw.below(count - 1)) % count, image));
            Place {
                impostor: impostor.collect(),
                genuine: (0..ATTEMPTS).map(|image| attempt(claimed, image)).collect(),
                began: 0,
                ended: 0,
                cleared: 0,
            }
        });
        Self { places: places.collect(), turn: 0 }
    }

    /// The next attempt. None if any would lock somebody out.
    pub(super) fn next(&mut self) -> Option<Ticket> {
        let (first, genuine) = (self.turn / 2, self.turn % 2 == 1);
        self.turn += 1;
        let count = self.places.len();
        let mut of_kind = |genuine| (0..count).find_map(|step| self.places[(first + step) % count].next(genuine));
        of_kind(genuine).or_else(|| of_kind(!genuine))
    }

    /// An attempt ended: with a bit, or in an error.
    pub(super) fn ended(&mut self, ticket: Ticket, matched: Option<bool>) {
        let place = &mut self.places[ticket.attempt.claimed];
        if !ticket.attempt.expected {
            place.ended += 1;
        } else if matched == Some(true) {
            place.cleared = place.cleared.max(ticket.before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// People who match, and all of them once in two times not, if `unsure`.
    fn desk(people: usize, unsure: bool) -> Desk {
        let attempt = |claimed, who, expected| Attempt { claimed, who, image: 0, expected };
        let places = (0..people).map(|claimed| Place {
            genuine: vec![attempt(claimed, claimed, true), attempt(claimed, claimed, !unsure)],
            impostor: vec![attempt(claimed, (claimed + 1) % people, false)],
            began: 0,
            ended: 0,
            cleared: 0,
        });
        Desk { places: places.collect(), turn: 0 }
    }

    #[test]
    fn half_are_impostors_and_the_person_comes_next() {
        let mut desk = desk(3, false);
        for turn in 0..30 {
            let ticket = desk.next().unwrap();
            let Attempt { claimed, who, expected, .. } = ticket.attempt;
            assert_eq!((claimed, who == claimed), (turn / 2 % 3, turn % 2 == 1), "turn {turn}");
            desk.ended(ticket, Some(expected));
        }
    }

    #[test]
    fn whatever_overtakes_what_nobody_has_three_misses_in_a_row() {
        for seed in 0..50 {
            let (mut desk, mut draw) = (desk(4, true), Draw::from_seed(seed));
            let (mut under_way, mut misses) = (Vec::<Ticket>::new(), [0; 4]);
            for _ in 0..2000 {
                under_way.extend(desk.next());
                // Nodes answer in any order; one in ten calls ends in an error that no node saw.
                while under_way.len() > draw.below(12) {
                    let ticket = under_way.swap_remove(draw.below(under_way.len()));
                    let Attempt { claimed, expected, .. } = ticket.attempt;
                    if draw.below(10) == 0 {
                        desk.ended(ticket, None);
                        continue;
                    }
                    misses[claimed] = if expected { 0 } else { misses[claimed] + 1 };
                    assert!(misses[claimed] < 3, "seed {seed}");
                    desk.ended(ticket, Some(expected));
                }
            }
        }
    }

    #[test]
    fn made_up_people_come_as_themselves_and_as_others() {
        let people = People::synthetic(4).unwrap();
        let desk = Desk::new(&people, By::Face, 1);
        let all = || desk.places.iter();
        assert!(all().flat_map(|place| &place.genuine).filter(|attempt| attempt.expected).count() > 20);
        assert!(
            all().flat_map(|place| &place.impostor).all(|attempt| attempt.who != attempt.claimed && !attempt.expected)
        );
    }
}
