//! Who comes next, in whose name, and what the plain comparison says of it; and nobody is locked out by it.
//!
//! Every other attempt is another's in a person's name, and the person comes next. The nodes let three non-matches in a row pass
//! (the default policy) before the person must wait, and no more comparisons run at a time than may still fail. A match begins anew.
//! Calls under way may overtake each other. So a person has at most two attempts that are under way, or that did not match and are not
//! known to have been followed by a match; and a third if it is to match and no non-match is under way.

use tumar::eval::draw::Draw;

use crate::cli::people::{By, People};

/// Genuine attempts of a person, and as many others in that name, that are prepared.
pub(super) const ATTEMPTS: usize = 6;
/// Attempts of a person that the nodes may have taken in while a non-match is under way, and while none is.
const WITH_A_MISS: u64 = 2;
const WITHOUT: u64 = 3;

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
pub(super) struct Started {
    pub(super) attempt: Attempt,
    /// Non-matches of the person that had ended before it began.
    before: u64,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// With a bit.
    Bit(bool),
    /// It was never taken in, so nothing counts.
    NotTaken,
    /// The person is locked or must wait, whatever was done to avoid it.
    Locked,
    /// In another error: what nodes made of it is not known.
    Unknown,
}

/// Attempts in one person's name.
struct Place {
    genuine: Vec<Attempt>,
    impostor: Vec<Attempt>,
    /// Non-matches that began, that ended, and that a match is known to have followed.
    began: u64,
    ended: u64,
    cleared: u64,
    /// Matches under way.
    matching: u64,
    locked: bool,
}

impl Place {
    const fn new(genuine: Vec<Attempt>, impostor: Vec<Attempt>) -> Self {
        Self { genuine, impostor, began: 0, ended: 0, cleared: 0, matching: 0, locked: false }
    }

    /// The next of one kind that locks nobody out.
    fn next(&mut self, genuine: bool) -> Option<Started> {
        let reserved = self.began - self.cleared + self.matching;
        let most = if self.began > self.ended { WITH_A_MISS } else { WITHOUT };
        if self.locked || reserved >= most {
            return None;
        }
        let list = if genuine { &mut self.genuine } else { &mut self.impostor };
        let place = list.iter().position(|attempt| attempt.expected || reserved < WITH_A_MISS)?;
        let attempt = list[place];
        // What was passed over now is next in turn when it may be.
        list[place..].rotate_left(1);
        *(if attempt.expected { &mut self.matching } else { &mut self.began }) += 1;
        Some(Started { attempt, before: self.ended })
    }

    fn ended(&mut self, ticket: Started, end: End) {
        self.locked |= end == End::Locked;
        match (ticket.attempt.expected, end) {
            (true, _) => {
                self.matching -= 1;
                if end == End::Bit(true) {
                    self.cleared = self.cleared.max(ticket.before);
                }
            }
            (false, End::NotTaken) => self.began -= 1,
            (false, End::Bit(_) | End::Locked | End::Unknown) => self.ended += 1,
        }
    }
}

/// All people who are enrolled, and whose turn it is.
pub(super) struct AttemptSchedule {
    places: Vec<Place>,
    turn: usize,
}

impl AttemptSchedule {
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
            let impostor = impostor.collect();
            Place::new((0..ATTEMPTS).map(|image| attempt(claimed, image)).collect(), impostor)
        });
        Self { places: places.collect(), turn: 0 }
    }

    /// The next attempt. None if any would lock somebody out.
    pub(super) fn next(&mut self) -> Option<Started> {
        let (first, genuine) = (self.turn / 2, self.turn % 2 == 1);
        self.turn += 1;
        let count = self.places.len();
        let mut of_kind = |genuine| (0..count).find_map(|step| self.places[(first + step) % count].next(genuine));
        of_kind(genuine).or_else(|| of_kind(!genuine))
    }

    /// An attempt ended.
    pub(super) fn ended(&mut self, ticket: Started, end: End) {
        self.places[ticket.attempt.claimed].ended(ticket, end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// People who match, and all of them once in two times not, if `unsure`.
    fn schedule_of(people: usize, unsure: bool) -> AttemptSchedule {
        let attempt = |claimed, who, expected| Attempt { claimed, who, image: 0, expected };
        let places = (0..people).map(|claimed| {
            let genuine = vec![attempt(claimed, claimed, true), attempt(claimed, claimed, !unsure)];
            Place::new(genuine, vec![attempt(claimed, (claimed + 1) % people, false)])
        });
        AttemptSchedule { places: places.collect(), turn: 0 }
    }

    #[test]
    fn half_are_impostors_and_the_person_comes_next() {
        let mut schedule = schedule_of(3, false);
        for turn in 0..30 {
            let ticket = schedule.next().unwrap();
            let Attempt { claimed, who, expected, .. } = ticket.attempt;
            assert_eq!((claimed, who == claimed), (turn / 2 % 3, turn % 2 == 1), "turn {turn}");
            schedule.ended(ticket, End::Bit(expected));
        }
    }

    /// One person at a node, by the rules of its access log.
    #[derive(Clone, Copy, Default)]
    struct Standing {
        misses: u64,
        under_way: u64,
    }

    #[test]
    fn whatever_overtakes_what_nobody_is_locked_and_somebody_is_always_left() {
        for seed in 0..50 {
            let (mut schedule, mut draw) = (schedule_of(4, true), Draw::from_seed(seed));
            let (mut sent, mut admitted) = (Vec::<Started>::new(), Vec::<Started>::new());
            let mut nodes = [Standing::default(); 4];
            for _ in 0..3000 {
                match draw.below(3) {
                    0 => sent.extend(schedule.next()),
                    // Calls reach the node in any order; some never do.
                    1 if !sent.is_empty() => {
                        let ticket = sent.swap_remove(draw.below(sent.len()));
                        if draw.below(10) == 0 {
                            schedule.ended(ticket, End::NotTaken);
                            continue;
                        }
                        let node = &mut nodes[ticket.attempt.claimed];
                        assert!(node.misses + node.under_way < 3, "seed {seed}: too many under way");
                        node.under_way += 1;
                        admitted.push(ticket);
                    }
                    // They end in any order, some without a bit.
                    2 if !admitted.is_empty() => {
                        let ticket = admitted.swap_remove(draw.below(admitted.len()));
                        let node = &mut nodes[ticket.attempt.claimed];
                        let end = if draw.below(10) == 0 { End::Unknown } else { End::Bit(ticket.attempt.expected) };
                        node.under_way -= 1;
                        match end {
                            End::Bit(true) => node.misses = 0,
                            End::Bit(false) => node.misses += 1,
                            // One that broke late counts as well: another's, as it is expected to.
                            End::NotTaken | End::Locked | End::Unknown => {
                                node.misses += u64::from(!ticket.attempt.expected);
                            }
                        }
                        assert!(node.misses < 3, "seed {seed}: must wait");
                        schedule.ended(ticket, end);
                    }
                    _ => {}
                }
            }
            sent.into_iter().chain(admitted).for_each(|ticket| schedule.ended(ticket, End::Unknown));
            assert!(schedule.next().is_some(), "seed {seed}");
        }
    }

    #[test]
    fn who_is_locked_all_the_same_is_left_alone() {
        let mut schedule = schedule_of(2, false);
        let ticket = schedule.next().unwrap();
        schedule.ended(ticket, End::Locked);
        for _ in 0..10 {
            let ticket = schedule.next().unwrap();
            assert_eq!(ticket.attempt.claimed, 1);
            schedule.ended(ticket, End::Bit(ticket.attempt.expected));
        }
    }

    #[test]
    fn made_up_people_come_as_themselves_and_as_others() {
        let people = People::synthetic(4).unwrap();
        let schedule = AttemptSchedule::new(&people, By::Face, 1);
        let all = || schedule.places.iter();
        assert!(all().flat_map(|place| &place.genuine).filter(|attempt| attempt.expected).count() > 20);
        assert!(
            all().flat_map(|place| &place.impostor).all(|attempt| attempt.who != attempt.claimed && !attempt.expected)
        );
    }
}
