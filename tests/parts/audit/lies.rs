//! One operator lies. Whatever the lie, the node is named, and the entry, and the rule.

use std::fs;

use tumar::audit::{Mirror, Rule, Severity, Spot, Verdict};
use tumar::log::entry::Event;
use tumar::party::Party;
use tumar::reason::Reason;
use tumar::request::Method;

use super::logs::{HALF, Line, Logs, REASON, START, audit, found, pins, record, rq};

#[test]
fn honest_logs_agree_and_nothing_is_found() {
    let audit = Logs::of(700).audit();
    assert_eq!(found(audit.all()), []);
    assert_eq!((audit.entries, audit.admitted, audit.verdict()), (3 * 1400, 700, Verdict::Clean));
    assert!(audit.logs.iter().all(|log| (log.size, log.cosigned, log.cosignatures) == (1400, 1400, 2)));
}

#[test]
fn a_hidden_use_is_missed_whoever_hides_it() {
    for liar in Party::ALL {
        let mut logs = Logs::of(300).later();
        logs.at(liar).drain(34..36);
        let audit = logs.audit();
        assert_eq!(found(&audit.findings), []);
        assert_eq!(found(&audit.pairs), [(liar, None, Rule::Missing)]);
        let shown_by = audit.pairs[0].shown_by.unwrap();
        assert_eq!((shown_by.index, audit.pairs[0].request_digest), (34, Some(rq(17))));
        assert_ne!(shown_by.node, liar);
        assert_eq!(audit.verdict(), Verdict::Broken);
    }
}

#[test]
fn an_added_use_is_extra_whoever_adds_it() {
    for liar in Party::ALL {
        let mut logs = Logs::of(300).later();
        let line = |event| Line {
            record: record("cash_withdrawal", Method::Verify),
            rq: rq(999_999),
            at: START + 20,
            event,
            person: None,
            raw: None,
        };
        logs.at(liar).splice(40..40, [line(Event::Admitted), line(Event::Completed)]);
        let audit = logs.audit();
        assert_eq!(found(audit.all()), [(liar, Some(40), Rule::Extra)]);
        assert_eq!(audit.pairs[0].severity, Severity::Broken);
    }
}

#[test]
fn a_changed_purpose_differs_and_so_does_everything_else_that_was_asked() {
    type Change = (&'static str, Severity, fn(&mut Line));
    let changes: [Change; 5] = [
        ("purpose", Severity::Broken, |line| line.record.purpose = "card_activation".parse().unwrap()),
        ("relying party", Severity::Broken, |line| line.record.relying_party = "banks/b18".parse().unwrap()),
        ("modalities", Severity::Broken, |line| line.record.modalities = Vec::new()),
        ("approvals", Severity::Broken, |line| line.record.approvals = 1),
        ("action", Severity::Broken, |line| line.record.method = Method::Enroll),
    ];
    for (place, (name, severity, change)) in changes.into_iter().enumerate() {
        let liar = Party::ALL[place % 3];
        let mut logs = Logs::of(300).later();
        logs.at(liar)[34..36].iter_mut().for_each(change);
        let audit = logs.audit();
        assert_eq!(found(&audit.pairs), [(liar, Some(34), Rule::Different)], "{name}");
        assert!(audit.pairs[0].text.contains(name) && audit.pairs[0].severity == severity, "{:?}", audit.pairs);
    }
}

#[test]
fn a_policy_of_its_own_is_unknown_to_the_auditor() {
    let mut logs = Logs::of(300).later();
    logs.at(Party::B)[34..36].iter_mut().for_each(|line| line.record.policy = [1; 32]);
    let audit = logs.audit();
    assert_eq!(found(&audit.findings), [(Party::B, Some(34), Rule::PolicyUnknown)]);
    assert_eq!(found(&audit.pairs), [(Party::B, Some(34), Rule::Different)]);
    assert_eq!(audit.pairs[0].severity, Severity::Warning, "policies come into force one node after the other");
}

#[test]
fn another_result_differs_unless_a_broken_link_explains_it() {
    for (reason, severity) in [("SUBJECT_UNKNOWN", Severity::Broken), ("PEER_LOST", Severity::Warning)] {
        let mut logs = Logs::of(300).later();
        logs.at(Party::C)[35].event = Event::Failed(Reason::of(reason).unwrap().into());
        let audit = logs.audit();
        assert_eq!(found(audit.all()), [(Party::C, Some(34), Rule::Different)]);
        assert_eq!(audit.pairs[0].severity, severity);
    }
}

#[test]
fn a_request_that_was_answered_although_one_refused_it_differs() {
    let mut logs = Logs::of(300).later();
    logs.at(Party::C).remove(35);
    logs.at(Party::C)[34].event = Event::Denied(REASON.into());
    let audit = logs.audit();
    assert_eq!(found(audit.all()), [(Party::C, Some(34), Rule::Different)]);
    assert_eq!(audit.verdict(), Verdict::Broken);
}

#[test]
fn an_entry_that_was_written_too_late_is_late() {
    let mut logs = Logs::of(1).later();
    logs.at(Party::B)[0].at += 180;
    logs.at(Party::B)[1].at += 180;
    assert_eq!(found(logs.audit().all()), [(Party::B, Some(0), Rule::Late)]);
    logs.at(Party::B)[0].at -= 60;
    logs.at(Party::B)[1].at -= 60;
    assert_eq!(found(logs.audit().all()), [], "two minutes are allowed");
}

#[test]
fn a_search_that_named_more_people_in_one_log_differs() {
    let mut logs = Logs::empty();
    let search = record("case_search", Method::Search);
    logs.push(1, START, &search, &Event::Admitted);
    logs.push(1, START, &search, &Event::Candidate);
    logs.push(1, START, &search, &Event::Completed);
    let mut logs = logs.later();
    assert_eq!(found(logs.audit().all()), []);
    logs.at(Party::A).remove(1);
    assert_eq!(found(logs.audit().all()), [(Party::A, Some(0), Rule::Different)]);
}

#[test]
fn refusals_and_what_never_reached_the_others_are_no_lies() {
    let mut logs = Logs::of(3);
    let cash = record("cash_withdrawal", Method::Verify);
    // Refused by the leader alone; refused by B, and so failed at A and C; a link that broke before B and C heard of it.
    logs.push(100, START + 10, &cash, &Event::Denied(REASON.into()));
    logs.push(101, START + 10, &cash, &Event::Admitted);
    logs.push(101, START + 10, &cash, &Event::Failed(REASON.into()));
    logs.push(102, START + 10, &cash, &Event::Admitted);
    logs.push(102, START + 10, &cash, &Event::Failed(REASON.into()));
    for party in [Party::B, Party::C] {
        logs.at(party).retain(|line| line.rq != rq(100) && line.rq != rq(102));
    }
    logs.at(Party::B).retain(|line| line.rq != rq(101) || line.event == Event::Admitted);
    logs.at(Party::B)
        .iter_mut()
        .filter(|line| line.rq == rq(101))
        .for_each(|line| line.event = Event::Denied(REASON.into()));
    // What was asked again after it failed is admitted twice, one after the other.
    logs.request(102, START + 300, &cash);
    let audit = logs.later().audit();
    assert_eq!(found(audit.all()), []);
    assert_eq!(audit.admitted, 5);
}

#[test]
fn what_was_not_answered_and_is_in_one_log_only_is_worth_a_look() {
    let mut logs = Logs::of(3);
    let cash = record("cash_withdrawal", Method::Verify);
    logs.push(102, START + 10, &cash, &Event::Admitted);
    logs.push(102, START + 10, &cash, &Event::Failed(REASON.into()));
    let mut one = logs.clone().later();
    for party in [Party::B, Party::C] {
        one.at(party).retain(|line| line.rq != rq(102));
    }
    let audit = one.audit();
    assert_eq!((found(audit.all()), audit.verdict()), (vec![(Party::A, Some(6), Rule::Extra)], Verdict::Clean));
    let mut two = logs.later();
    two.at(Party::B).retain(|line| line.rq != rq(102));
    let audit = two.audit();
    assert_eq!((found(audit.all()), audit.verdict()), (vec![(Party::B, None, Rule::Missing)], Verdict::Clean));
}

#[test]
fn the_newest_requests_are_pending() {
    let mut logs = Logs::of(300);
    for party in [Party::B, Party::C] {
        logs.at(party).truncate(598);
    }
    logs.at(Party::C).truncate(597);
    assert_eq!(found(logs.audit().all()), []);
}

#[test]
fn requests_at_the_turn_of_a_half_are_paired_across_it() {
    let folder = tempfile::tempdir().unwrap();
    let turn = "2027h1".parse::<tumar::log::shard::Shard>().unwrap();
    let cash = record("cash_withdrawal", Method::Verify);
    let (mut before, mut after) = (Logs::empty(), Logs { half: turn, ..Logs::empty() });
    before.request(1, turn.begins() - 60, &cash);
    // A admits before the turn and completes after it; B's clock is a little behind, C's a little ahead.
    before.push(2, turn.begins() - 1, &cash, &Event::Admitted);
    after.push(2, turn.begins(), &cash, &Event::Completed);
    let late = before.at(Party::C).pop().unwrap();
    after.at(Party::C).insert(0, Line { at: turn.begins(), ..late });
    let early = after.at(Party::B).remove(0);
    before.at(Party::B).push(Line { at: turn.begins() - 1, ..early });
    let after = after.later();
    before.write(folder.path());
    after.write(folder.path());
    let found_there = audit(folder.path());
    assert_eq!(found(found_there.all()), []);
    assert_eq!(found_there.admitted, 3);
}

#[test]
fn a_log_that_is_not_there_is_incomplete_and_the_two_others_are_still_compared() {
    let folder = tempfile::tempdir().unwrap();
    let mut logs = Logs::of(300).later();
    logs.at(Party::C).drain(34..36);
    logs.write(folder.path());
    fs::remove_dir_all(folder.path().join("a")).unwrap();
    let audit = audit(folder.path());
    assert_eq!(found(audit.all()), [(Party::A, None, Rule::NoLog), (Party::C, None, Rule::Missing)]);
    assert_eq!(audit.pairs[0].shown_by, Some(Spot { node: Party::B, half: HALF.parse().unwrap(), index: 34 }));
}

#[test]
fn a_second_checkpoint_shown_to_somebody_else_is_a_fork() {
    let folder = tempfile::tempdir().unwrap();
    let logs = Logs::of(300).later();
    logs.write(folder.path());
    let mut other = logs.clone();
    other.at(Party::B)[34].record.purpose = "card_activation".parse().unwrap();
    let shown = other.log(Party::B).note(0);
    let mirror = Mirror::new(folder.path());
    let look = |notes: &[String]| {
        let audit = tumar::audit::Audit::of(&mirror, &pins(), notes, &mut |_, _, _, _| {}).unwrap();
        (found(audit.all()), audit.verdict().code())
    };
    assert_eq!(look(&[logs.log(Party::B).note(0), logs.log(Party::B).cut(77).note(1)]), (vec![], 0));
    assert_eq!(look(&[shown]), (vec![(Party::B, None, Rule::Fork)], 5));
    assert_eq!(look(&[other.log(Party::B).cut(100).note(0)]), (vec![(Party::B, None, Rule::Fork)], 5));
}
