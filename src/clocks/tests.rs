use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

const NOW: u64 = 1_795_401_529;
const DAY: u64 = 86_400;

/// Node A's clocks, with its own in the test's hands.
fn clocks(latest: u64) -> (Arc<AtomicU64>, Clocks) {
    let own = Arc::new(AtomicU64::new(NOW));
    let read = Arc::clone(&own);
    (own, Clocks::new(Party::A, Arc::new(move || read.load(Ordering::Relaxed)), latest))
}

/// Both peers say this.
fn both(clocks: &Clocks, said: u64) {
    clocks.hear(Party::B, said, true);
    clocks.hear(Party::C, said, true);
}

#[test]
fn three_clocks_that_agree_are_the_time_and_the_least_of_them_says_who_has_expired() {
    let (_, clocks) = clocks(NOW - DAY);
    assert_eq!(clocks.now(), Err(Doubt::Unheard(Party::B)), "a node alone does not know");
    assert_eq!(clocks.known(), NOW - DAY);
    clocks.hear(Party::B, NOW - APART, true);
    assert_eq!(clocks.now(), Err(Doubt::Unheard(Party::C)));
    clocks.hear(Party::C, NOW + APART, true);
    assert_eq!((clocks.now(), clocks.least()), (Ok(NOW), Ok(NOW - APART)));
    assert!(clocks.agrees_with(Party::B) && clocks.agrees_with(Party::C));
    // Links go down: the time goes on, and nothing is destroyed.
    clocks.lose(Party::B);
    clocks.lose(Party::C);
    assert_eq!((clocks.now(), clocks.least()), (Ok(NOW), Err(Doubt::Unheard(Party::B))));
}

#[test]
fn a_clock_that_is_wrong_at_the_start_is_in_doubt_until_it_is_right() {
    for wrong in [NOW + 40 * DAY, NOW + 1200 * DAY, NOW - 20 * 365 * DAY, NOW + APART + 1] {
        let (own, clocks) = clocks(NOW - 3600);
        own.store(wrong, Ordering::Relaxed);
        both(&clocks, NOW);
        let doubt = clocks.now().unwrap_err();
        assert_eq!((doubt.whose(Party::A), clocks.least()), (Party::A, Err(doubt)), "{wrong}");
        assert_eq!(clocks.word(), (wrong, wrong + APART >= NOW - 3600));
        assert_eq!(clocks.known(), NOW - 3600, "it acts on nothing but what it knew");
        own.store(NOW, Ordering::Relaxed);
        assert_eq!((clocks.now(), clocks.least()), (Ok(NOW), Ok(NOW)), "and then as if nothing had been");
    }
}

#[test]
fn a_clock_that_leaps_is_in_doubt_until_it_is_back() {
    for wrong in [NOW + 40 * DAY, NOW + 1200 * DAY, NOW - 20 * 365 * DAY, NOW + 2 * APART] {
        let (own, clocks) = clocks(0);
        both(&clocks, NOW);
        clocks.now().unwrap();
        own.store(wrong, Ordering::Relaxed);
        let doubt = Doubt::Leapt { own: wrong, expected: NOW };
        assert_eq!((clocks.now(), clocks.least(), clocks.plausible()), (Err(doubt), Err(doubt), Err(doubt)));
        assert_eq!((clocks.word(), clocks.known()), ((wrong, false), NOW));
        // All three at once is a leap as well: one server of time may have told all of them.
        clocks.hear(Party::B, wrong, false);
        clocks.hear(Party::C, wrong, false);
        assert_eq!(clocks.now(), Err(doubt));
        both(&clocks, NOW);
        own.store(NOW + 3, Ordering::Relaxed);
        assert_eq!(clocks.now(), Ok(NOW + 3));
    }
}

#[test]
fn a_machine_that_slept_believes_two_that_did_not() {
    let (own, clocks) = clocks(0);
    both(&clocks, NOW);
    clocks.now().unwrap();
    own.store(NOW + DAY, Ordering::Relaxed);
    clocks.hear(Party::B, NOW + DAY, true);
    clocks.hear(Party::C, NOW + DAY, false);
    assert!(clocks.now().is_err(), "one of them leapt with it");
    clocks.hear(Party::C, NOW + DAY, true);
    assert_eq!(clocks.now(), Ok(NOW + DAY));
    // Backwards nobody sleeps.
    own.store(NOW, Ordering::Relaxed);
    both(&clocks, NOW);
    assert_eq!(clocks.now(), Err(Doubt::Leapt { own: NOW, expected: NOW + DAY }));
}

#[test]
fn of_three_clocks_the_one_that_is_off_is_named() {
    let (_, clocks) = clocks(0);
    clocks.hear(Party::B, NOW + DAY, true);
    clocks.hear(Party::C, NOW + 1, true);
    assert_eq!(clocks.now().unwrap_err().whose(Party::A), Party::B);
    assert!(!clocks.agrees_with(Party::B) && clocks.agrees_with(Party::C));
    clocks.hear(Party::C, NOW + DAY, true);
    assert_eq!(clocks.now().unwrap_err().whose(Party::A), Party::A);
    clocks.hear(Party::B, NOW, true);
    assert_eq!(clocks.now().unwrap_err().whose(Party::A), Party::C);
}

#[test]
fn a_node_is_never_before_what_it_has_acted_on() {
    let (own, clocks) = clocks(NOW + DAY);
    both(&clocks, NOW);
    let doubt = Doubt::Behind { own: NOW, latest: NOW + DAY };
    assert_eq!((clocks.now(), clocks.plausible(), clocks.word()), (Err(doubt), Err(doubt), (NOW, false)));
    own.store(NOW + DAY - APART, Ordering::Relaxed);
    both(&clocks, NOW + DAY);
    assert_eq!(clocks.now(), Ok(NOW + DAY - APART));
}

#[test]
fn a_doubt_says_both_times_and_what_to_do() {
    let said = [
        Doubt::Behind { own: NOW, latest: NOW + DAY },
        Doubt::Leapt { own: NOW, expected: NOW + DAY },
        Doubt::Apart { own: NOW, peer: Party::B, theirs: NOW + DAY, blamed: Party::B },
    ];
    for doubt in said {
        let text = doubt.to_string();
        for part in ["2026-11-23 02:38:49 UTC", "2026-11-24 02:38:49 UTC", "correct the clock"] {
            assert!(text.contains(part), "{text}");
        }
    }
}

#[test]
fn dates_are_those_of_coreutils() {
    // `date -u -d @$((DAY*86400)) +%F`
    for (day, expected) in [
        (0, "1970-01-01"),
        (11_016, "2000-02-29"),
        (20_635, "2026-07-01"),
        (47_540, "2100-02-28"),
        (47_541, "2100-03-01"),
    ] {
        assert_eq!(date(day), expected);
    }
}
