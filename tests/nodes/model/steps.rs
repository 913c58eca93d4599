//! The steps of a run, drawn by proptest without regard to the state: any step may come at any time.

use proptest::prelude::*;
use tumar::party::Party;

use super::people::{FACES, NAMES, Who};
use super::rules::Stay;

/// What is asked about a person, before it is known who stands.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wish {
    Enrol {
        face: usize,
        stay: Stay,
    },
    /// With the face that stands.
    VerifyRight,
    /// With another, so many further.
    VerifyWrong {
        further: usize,
    },
    Erase,
    Lock,
    Unlock,
}

/// Which earlier request is sent again.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Back {
    /// So many before the last.
    Few(usize),
    /// Any of all.
    Any(u16),
}

/// How an old request is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// The very bytes, with the same token and proof.
    SameBytes,
    /// The same token, a new proof.
    NewProof,
    /// A new token, a new proof.
    NewToken,
    /// By the bank's other workload, with a token and proof of its own, and not a byte of the message changed.
    Borrowed,
    /// The same, in that workload's own name.
    OtherWorkload,
    /// By the other bank's workload, whose token says what is true.
    OtherBank,
    /// By the other bank's workload, whose own issuer says that it is the first bank's.
    OtherIssuer,
}

/// How a node ends before it is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Stopped,
    Killed,
}

/// One step of a run.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// One request, by one of the bank's workloads.
    Ask {
        desk: usize,
        who: Who,
        wish: Wish,
    },
    /// Requests about one person at one time.
    Together {
        who: Who,
        wishes: Vec<(usize, Wish)>,
    },
    Search {
        bank: usize,
        face: usize,
        most: u32,
    },
    /// A request that was sent before.
    Again {
        back: Back,
        how: How,
    },
    /// A request about the other bank's person.
    Foreign {
        who: Who,
        wish: Wish,
        own_name: bool,
    },
    /// All nodes rest, so many seconds pass, and all start again.
    Pass {
        seconds: u64,
    },
    Restart {
        party: Party,
        end: End,
    },
    /// A node is killed while a request is under way.
    Crash {
        party: Party,
        after_micros: u64,
        who: Who,
        wish: Wish,
    },
    /// A node's clock is wrong while requests come, from its start on or all at once; then it is right again.
    Wrong {
        party: Party,
        by: i64,
        at_start: bool,
        asked: Vec<(Who, Wish)>,
    },
}

fn who() -> impl Strategy<Value = Who> {
    (0..2_usize, 0..NAMES.len()).prop_map(|(bank, name)| Who { bank, name })
}

fn wish() -> impl Strategy<Value = Wish> {
    let stay = prop_oneof![3 => Just(Stay::Customer), 1 => Just(Stay::Visitor)];
    prop_oneof![
        28 => (0..FACES, stay).prop_map(|(face, stay)| Wish::Enrol { face, stay }),
        28 => Just(Wish::VerifyRight),
        16 => (1..FACES).prop_map(|further| Wish::VerifyWrong { further }),
        12 => Just(Wish::Erase),
        6 => Just(Wish::Lock),
        10 => Just(Wish::Unlock),
    ]
}

fn party() -> impl Strategy<Value = Party> {
    prop::sample::select(Party::ALL.to_vec())
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![
        3 => Just(How::SameBytes),
        2 => Just(How::NewProof),
        3 => Just(How::NewToken),
        1 => Just(How::Borrowed),
        3 => Just(How::OtherWorkload),
        1 => Just(How::OtherBank),
        1 => Just(How::OtherIssuer),
    ]
}

/// The usual ones, which take milliseconds.
pub(crate) fn quick() -> impl Strategy<Value = Step> {
    let back = prop_oneof![(0..6_usize).prop_map(Back::Few), any::<u16>().prop_map(Back::Any)];
    prop_oneof![
        60 => (0..2_usize, who(), wish()).prop_map(|(desk, who, wish)| Step::Ask { desk, who, wish }),
        8 => (who(), prop::collection::vec((0..2_usize, wish()), 2..5))
            .prop_map(|(who, wishes)| Step::Together { who, wishes }),
        4 => (0..2_usize, 0..FACES, 1..8_u32).prop_map(|(bank, face, most)| Step::Search { bank, face, most }),
        24 => (back, how()).prop_map(|(back, how)| Step::Again { back, how }),
        4 => (who(), wish(), any::<bool>()).prop_map(|(who, wish, own_name)| Step::Foreign { who, wish, own_name }),
    ]
}

/// Those that take a tenth of a second or more.
pub(crate) fn slow() -> impl Strategy<Value = Step> {
    // No two sums of them are near the day that a visit lasts.
    let seconds = prop::sample::select(vec![11 * 60, 7 * 3600, 25 * 3600, 8 * 86_400, 1100 * 86_400]);
    let wrong = prop::sample::select(vec![40 * 86_400, 1200 * 86_400, -20 * 365 * 86_400]);
    let end = prop_oneof![Just(End::Stopped), Just(End::Killed)];
    prop_oneof![
        3 => seconds.prop_map(|seconds| Step::Pass { seconds }),
        3 => (party(), end).prop_map(|(party, end)| Step::Restart { party, end }),
        3 => (party(), 0..40_000_u64, who(), wish())
            .prop_map(|(party, after_micros, who, wish)| Step::Crash { party, after_micros, who, wish }),
        1 => (party(), wrong, any::<bool>(), prop::collection::vec((who(), wish()), 1..4))
            .prop_map(|(party, by, at_start, asked)| Step::Wrong { party, by, at_start, asked }),
    ]
}

/// One step of a run: of the slow ones, two in a hundred.
pub(crate) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![98 => quick(), 2 => slow()]
}
