//! What the documents say that a person's life is: the model. It has never seen the implementation.
//!
//! ```text
//! nobody --enrol--> stands --verify--> match, no match (counted)      --lock--> locked --unlock--> stands
//!    ^                 |                                                             |
//!    +---- erase, or the reference's last day -------------------------------------- +
//! ```
//!
//! What is not known (an answer that got lost, a second that is about to end, the order of what ran at one time) is a set of
//! possible states. Whatever is heard next must be possible in one of them, and leaves those in which it is.

use super::people::FACES;

/// Unix seconds between which something happened.
pub(crate) type Moment = (u64, u64);

/// How long an enrolment is for, by its purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stay {
    /// 1095 days.
    Customer,
    /// One day.
    Visitor,
}

impl Stay {
    const fn seconds(self) -> u64 {
        86_400 * if matches!(self, Self::Customer) { 1095 } else { 1 }
    }
}

/// What is asked about one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Enrol { face: usize, stay: Stay },
    Verify { face: usize },
    Erase,
    Lock,
    Unlock,
}

/// What three receipts say, or why there are none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    Enrolled,
    Erased,
    Locked,
    Unlocked,
    Match,
    NoMatch,
    /// By its reason code.
    Refused(String),
}

impl Word {
    pub(crate) fn refused(reason: &str) -> Self {
        Self::Refused(reason.to_owned())
    }
}

/// Non-matches in a row that cost no time.
pub(crate) const ATTEMPTS: u32 = 3;

/// Seconds to wait after so many; twice as long after each further one.
pub(crate) const DELAY_SECONDS: u64 = 2;

/// Longest wait.
pub(crate) const MAX_DELAY_SECONDS: u64 = 3;

/// Non-matches in a row until the person is locked.
pub(crate) const ATTEMPTS_CAP: u32 = 6;

/// Somebody whose references stand at all three nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) face: usize,
    expires: Moment,
    pub(crate) locked: bool,
    misses: u32,
    /// Until when comparisons are refused after non-matches.
    delayed: Option<Moment>,
}

/// One person's state: whose references stand, or nobody's.
pub(crate) type State = Option<Standing>;

/// Whether a moment has come: of a second that is about to end, both.
fn has_come(when: Moment, now: Moment) -> &'static [bool] {
    if now.0 >= when.1 {
        &[true]
    } else if now.1 < when.0 {
        &[false]
    } else {
        &[true, false]
    }
}

/// What may be heard of a request in a state, and the state after it.
fn after(state: &State, op: Op, now: Moment) -> Vec<(Word, State)> {
    let Some(standing) = state else { return vec![of_nobody(op, now)] };
    let of_somebody = |expired: &bool| match (expired, op) {
        (true, _) => vec![of_nobody(op, now)],
        (false, Op::Enrol { .. }) => vec![(Word::refused("SUBJECT_EXISTS"), state.clone())],
        (false, Op::Erase) => vec![(Word::Erased, None)],
        (false, Op::Lock) => vec![(Word::Locked, Some(Standing { locked: true, ..standing.clone() }))],
        (false, Op::Unlock) => {
            vec![(Word::Unlocked, Some(Standing { locked: false, misses: 0, delayed: None, ..standing.clone() }))]
        }
        (false, Op::Verify { face }) => compared(standing, face, now),
    };
    has_come(standing.expires, now).iter().flat_map(of_somebody).collect()
}

fn of_nobody(op: Op, now: Moment) -> (Word, State) {
    let Op::Enrol { face, stay } = op else { return (Word::refused("SUBJECT_UNKNOWN"), None) };
    let expires = (now.0 + stay.seconds(), now.1 + stay.seconds());
    (Word::Enrolled, Some(Standing { face, expires, locked: false, misses: 0, delayed: None }))
}

fn compared(standing: &Standing, face: usize, now: Moment) -> Vec<(Word, State)> {
    let refused = |reason| (Word::refused(reason), Some(standing.clone()));
    if standing.locked {
        return vec![refused("SUBJECT_LOCKED")];
    }
    let compare = || {
        if face == standing.face {
            return (Word::Match, Some(Standing { misses: 0, delayed: None, ..standing.clone() }));
        }
        let misses = standing.misses + 1;
        let delay = misses.checked_sub(ATTEMPTS).map(|more| (DELAY_SECONDS << more).min(MAX_DELAY_SECONDS));
        let delayed = delay.map(|delay| (now.0 + delay, now.1 + delay));
        (Word::NoMatch, Some(Standing { misses, delayed, locked: misses >= ATTEMPTS_CAP, ..standing.clone() }))
    };
    let ended = |&ended: &bool| if ended { compare() } else { refused("ATTEMPTS_DELAYED") };
    standing.delayed.map_or_else(|| vec![compare()], |until| has_come(until, now).iter().map(ended).collect())
}

/// Words of a request that met another one about the same person under way: it changed nothing, and may be asked again.
const CROSSED: [&str; 2] = ["CHANGE_REFUSED", "ATTEMPTS_IN_FLIGHT"];

/// What is known of one person: every state that is possible.
#[derive(Clone, Debug)]
pub(crate) struct Person(Vec<State>);

impl Person {
    pub(crate) fn new() -> Self {
        Self(vec![None])
    }

    fn keep(&mut self, mut states: Vec<State>) {
        let mut kept: Vec<State> = Vec::new();
        states.retain(|state| {
            let first = !kept.contains(state);
            if first {
                kept.push(state.clone());
            }
            first
        });
        self.0 = states;
    }

    /// All that may be heard of a request now.
    pub(crate) fn possible(&self, op: Op, now: Moment) -> Vec<Word> {
        self.0.iter().flat_map(|state| after(state, op, now)).map(|(word, _)| word).collect()
    }

    /// Hears what came of a request. False if that can not be.
    #[must_use]
    pub(crate) fn hear(&mut self, op: Op, word: &Word, now: Moment) -> bool {
        let heard = self.0.iter().flat_map(|state| after(state, op, now)).filter(|(said, _)| said == word);
        let states: Vec<State> = heard.map(|(_, state)| state).collect();
        let is_possible = !states.is_empty();
        if is_possible {
            self.keep(states);
        }
        is_possible
    }

    /// Nothing was heard of a request: it was done, or it was not.
    pub(crate) fn lose(&mut self, op: Op, now: Moment) {
        // A run that broke after the lengths were opened counts as a non-match, whoever stood there.
        let missed = match op {
            Op::Verify { face } => Op::Verify { face: face + 1 },
            Op::Enrol { .. } | Op::Erase | Op::Lock | Op::Unlock => op,
        };
        let done = self
            .0
            .iter()
            .flat_map(|state| [op, missed].map(|op| after(state, op, now)))
            .flatten()
            .map(|(_, state)| state);
        let states = done.chain(self.0.iter().cloned()).collect();
        self.keep(states);
    }

    /// Hears what came of requests that ran at one time. False if no order of them explains it.
    #[must_use]
    pub(crate) fn hear_together(&mut self, heard: &[(Op, Word)], now: Moment) -> bool {
        let mut states = Vec::new();
        for state in &self.0 {
            orders(state, heard, now, &mut states);
        }
        let is_possible = !states.is_empty();
        if is_possible {
            self.keep(states);
        }
        is_possible
    }

    /// Whether somebody stands: surely, or possibly.
    pub(crate) fn stands(&self, now: Moment) -> (bool, bool) {
        self.all_and_any(now, |_| true)
    }

    /// Whether a search with this face names the person: surely, or possibly.
    pub(crate) fn is_found(&self, face: usize, now: Moment) -> (bool, bool) {
        // A delay is no lock.
        self.all_and_any(now, |standing| standing.face == face && !standing.locked)
    }

    fn all_and_any(&self, now: Moment, is: impl Fn(&Standing) -> bool) -> (bool, bool) {
        let of_one = |state: &State| match state {
            None => vec![false],
            Some(standing) => has_come(standing.expires, now).iter().map(|gone| !gone && is(standing)).collect(),
        };
        let of_each: Vec<bool> = self.0.iter().flat_map(of_one).collect();
        (of_each.iter().all(|&one| one), of_each.contains(&true))
    }

    /// The face that stands, where that is known: what a right probe is of. Else any.
    pub(crate) fn face(&self) -> usize {
        self.0.iter().flatten().next().map_or(0, |standing| standing.face % FACES)
    }
}

/// The states after any order of what is left, in which everything is heard as it was.
fn orders(state: &State, left: &[(Op, Word)], now: Moment, ends: &mut Vec<State>) {
    if left.is_empty() {
        ends.push(state.clone());
    }
    for place in 0..left.len() {
        let (op, word) = &left[place];
        let rest = [&left[..place], &left[place + 1..]].concat();
        let crossed = matches!(word, Word::Refused(reason) if CROSSED.contains(&reason.as_str()));
        if crossed {
            orders(state, &rest, now, ends);
            return;
        }
        for (said, next) in after(state, *op, now) {
            if said == *word {
                orders(&next, &rest, now, ends);
            }
        }
    }
}
