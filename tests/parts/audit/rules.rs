//! Each rule that the entries of one log must keep to: broken once, found once, at its entry.

use tumar::audit::{Rule, Severity, Verdict};
use tumar::log::entry::Event;
use tumar::party::Party;
use tumar::request::Method;
use tumar::token::policy::DEFAULT;
use tumar::token::purpose::AccessRecord;

use super::logs::{Logs, REASON, START, audit, found, pins, record, rq};

fn search(candidates: u64) -> Logs {
    let mut logs = Logs::of(3);
    let case = record("case_search", Method::Search);
    logs.push(50, START + 5, &case, &Event::Admitted);
    for _ in 0..candidates {
        logs.push(50, START + 5, &case, &Event::Candidate);
    }
    logs.push(50, START + 5, &case, &Event::Completed);
    logs
}

/// All three logs break the rule alike: what is found is found in each.
fn in_all(logs: Logs, index: u64, rule: Rule) {
    let audit = logs.later().audit();
    assert_eq!(found(audit.all()), Party::ALL.map(|party| (party, Some(index), rule)));
    let broken = rule.severity() == Severity::Broken;
    assert_eq!(audit.verdict(), if broken { Verdict::Broken } else { Verdict::Clean });
}

fn with(change: impl Fn(&mut AccessRecord)) -> Logs {
    let mut logs = Logs::of(3);
    let mut changed = record("cash_withdrawal", Method::Verify);
    change(&mut changed);
    logs.request(60, START + 10, &changed);
    logs
}

#[test]
fn a_purpose_that_the_policy_does_not_have() {
    in_all(with(|used| used.purpose = "curiosity".parse().unwrap()), 6, Rule::PurposeUnknown);
}

#[test]
fn an_action_that_the_purpose_does_not_allow() {
    in_all(with(|used| used.method = Method::Enroll), 6, Rule::ActionNotAllowed);
}

#[test]
fn samples_that_the_purpose_does_not_take() {
    let mut logs = Logs::of(3);
    let erasure = record("erasure", Method::Erase);
    logs.request(60, START + 10, &AccessRecord { modalities: record("x", Method::Verify).modalities, ..erasure });
    in_all(logs, 6, Rule::ModalityNotAllowed);
}

#[test]
fn a_bank_that_may_not_use_the_purpose() {
    let policy =
        DEFAULT.replacen("evidence = []\nattempts", "evidence = []\nrelying_parties = [\"banks/b17\"]\nattempts", 1);
    assert_ne!(policy, DEFAULT);
    let digest = tumar::token::jws::sha256(policy.as_bytes());
    let folder = tempfile::tempdir().unwrap();
    let mut logs = with(|used| used.policy = digest);
    logs.request(
        61,
        START + 10,
        &AccessRecord {
            policy: digest,
            relying_party: "banks/b18".parse().unwrap(),
            ..record("cash_withdrawal", Method::Verify)
        },
    );
    logs.later().write(folder.path());
    let mut pins = pins();
    pins.add_policy(&policy).unwrap();
    let mirror = tumar::audit::Mirror::new(folder.path());
    let audit = tumar::audit::Audit::of(&mirror, &pins, &[], &mut |_, _, _, _| {}).unwrap();
    let expected = Party::ALL.map(|party| (party, Some(8), Rule::RelyingPartyNotAllowed));
    assert_eq!(found(audit.all()), expected);
}

#[test]
fn a_search_without_two_approvals() {
    for approvals in [0, 1] {
        let mut logs = search(2);
        logs.lines
            .iter_mut()
            .flatten()
            .filter(|line| line.rq == rq(50))
            .for_each(|line| line.record.approvals = approvals);
        in_all(logs, 6, Rule::SearchUnapproved);
    }
}

#[test]
fn more_people_named_than_the_purpose_allows() {
    assert_eq!(found(search(16).later().audit().all()), []);
    in_all(search(17), 23, Rule::CandidatesOverLimit);
    in_all(search(20), 23, Rule::CandidatesOverLimit);
}

#[test]
fn somebody_named_without_a_search_that_is_open() {
    let candidate =
        |logs: &mut Logs| logs.push(50, START + 6, &record("case_search", Method::Search), &Event::Candidate);
    let mut after = search(0);
    candidate(&mut after);
    in_all(after, 8, Rule::CandidateWithoutSearch);
    let mut never = Logs::of(3);
    candidate(&mut never);
    in_all(never, 6, Rule::CandidateWithoutSearch);
    let mut no_search = Logs::of(3);
    let cash = record("cash_withdrawal", Method::Verify);
    no_search.push(50, START + 6, &cash, &Event::Admitted);
    no_search.push(50, START + 6, &cash, &Event::Candidate);
    no_search.push(50, START + 6, &cash, &Event::Completed);
    in_all(no_search, 7, Rule::CandidateWithoutSearch);
}

#[test]
fn a_close_of_what_is_not_open() {
    let mut logs = Logs::of(3);
    logs.push(0, START + 6, &record("cash_withdrawal", Method::Verify), &Event::Completed);
    in_all(logs, 6, Rule::CloseWithoutAdmit);
}

#[test]
fn a_close_that_says_otherwise_than_its_admit() {
    let mut logs = Logs::of(3);
    for lines in &mut logs.lines {
        lines[3].record.purpose = "card_activation".parse().unwrap();
    }
    in_all(logs, 3, Rule::RequestChanged);
}

#[test]
fn a_request_that_is_admitted_while_it_is_open_is_worth_a_look() {
    let mut logs = Logs::of(3);
    let cash = record("cash_withdrawal", Method::Verify);
    logs.push(50, START + 6, &cash, &Event::Admitted);
    logs.request(50, START + 7, &cash);
    in_all(logs, 7, Rule::AdmittedTwice);
}

#[test]
fn a_request_that_is_never_closed_is_worth_a_look_ten_minutes_later() {
    let mut logs = Logs::of(3);
    let cash = record("cash_withdrawal", Method::Verify);
    logs.push(50, START + 6, &cash, &Event::Admitted);
    let mut early = logs.clone();
    early.request(51, START + 540, &cash);
    assert_eq!(found(early.audit().all()), []);
    in_all(logs, 6, Rule::LeftOpen);
}

#[test]
fn an_answer_that_is_given_again_and_refusals_that_are_counted_stand_in_one_log_alone() {
    let mut logs = Logs::of(3);
    let cash = record("cash_withdrawal", Method::Verify);
    for (event, party) in [
        (Event::Again(1), Party::A),
        (Event::Again(2), Party::A),
        (Event::Again(3), Party::A),
        (Event::Unlogged(137), Party::B),
    ] {
        let mut others = logs.clone();
        others.push(if party == Party::A { 1 } else { 70 }, START + 7, &cash, &event);
        *logs.at(party) = others.at(party).clone();
    }
    // What is older than the log goes back, too.
    let mut others = logs.clone();
    others.push(71, START + 8, &cash, &Event::Again(1));
    *logs.at(Party::A) = others.at(Party::A).clone();
    let audit = logs.later().audit();
    assert_eq!(found(audit.all()), []);
    let of_b: u64 =
        audit.counts.reasons().iter().map(|((_, reason), count)| u64::from(reason == "unlogged") * count[1]).sum();
    assert_eq!(of_b, 137);
}

#[test]
fn an_answer_that_is_given_again_before_it_was_given() {
    let mut logs = Logs::of(3);
    let cash = record("cash_withdrawal", Method::Verify);
    logs.push(50, START + 6, &cash, &Event::Admitted);
    logs.push(50, START + 6, &cash, &Event::Again(1));
    logs.push(50, START + 6, &cash, &Event::Completed);
    in_all(logs, 7, Rule::RequestChanged);
}

#[test]
fn time_that_runs_back_further_than_clocks_differ() {
    let mut logs = Logs::of(3);
    let cash = record("cash_withdrawal", Method::Verify);
    logs.request(50, START + 600, &cash);
    logs.request(51, START + 480, &cash);
    assert_eq!(found(logs.clone().later().audit().all()), [], "two minutes are allowed");
    logs.request(52, START + 479, &cash);
    in_all(logs, 10, Rule::TimeBackwards);
}

#[test]
fn a_minute_outside_of_the_half_year() {
    let mut logs = Logs::of(3);
    let end = logs.half.next().begins();
    let cash = record("cash_withdrawal", Method::Verify);
    logs.request(50, end + 60, &cash);
    assert_eq!(found(logs.clone().audit().all()), [], "clocks may differ");
    logs.push(51, end + 120, &cash, &Event::Denied(REASON.into()));
    let audit = logs.audit();
    assert_eq!(found(audit.all()), Party::ALL.map(|party| (party, Some(8), Rule::OutOfHalf)));
}

#[test]
fn more_requests_in_a_minute_than_the_policy_lets_through() {
    let cash = record("cash_withdrawal", Method::Verify);
    let mut logs = Logs::empty();
    // 400 at once and 200 a second.
    for number in 0..400 + 60 * 200 {
        logs.request(number, START + 59, &cash);
    }
    let other = AccessRecord { relying_party: "banks/b18".parse().unwrap(), ..cash.clone() };
    logs.request(1 << 30, START + 59, &other);
    logs.request(1 << 31, START + 60, &cash);
    assert_eq!(found(logs.clone().later().audit().all()), []);
    logs.request(1 << 32, START + 1, &cash);
    logs.request(1 << 33, START + 1, &cash);
    in_all(logs, 2 * 12_402, Rule::RateExceeded);
}

#[test]
fn a_handle_that_links_two_entries() {
    let mut logs = Logs::of(3);
    for lines in &mut logs.lines {
        lines[1].person = Some(([1; 32], 5));
        lines[4].person = Some(([1; 32], 5));
    }
    in_all(logs, 4, Rule::HandleRepeated);
}

#[test]
fn what_is_not_in_the_schema() {
    let mut logs = Logs::of(3);
    for (party, lines) in Party::ALL.into_iter().zip(&mut logs.lines) {
        let text = String::from_utf8(lines[2].bytes(party, 2)).unwrap();
        let denied = text.replace("admitted", "denied:NO").replace("\"admit\"", "\"deny\"");
        lines.push(super::logs::Line { raw: Some(denied.clone().into_bytes()), ..lines[2].clone() });
        let more = denied.replace("\"version\":2", "\"subject\":\"c-0042\",\"version\":2");
        lines.push(super::logs::Line { raw: Some(more.into_bytes()), ..lines[2].clone() });
    }
    // The handle of entry 2 is there again: a denied request has one of its own.
    let audit = logs.later().audit();
    let rules: Vec<_> = found(audit.all()).into_iter().filter(|(party, ..)| *party == Party::B).collect();
    assert_eq!(rules, [(Party::B, Some(6), Rule::HandleRepeated), (Party::B, Some(7), Rule::Schema)]);
}

#[test]
fn an_unknown_policy_is_said_once() {
    let mut logs = with(|used| used.policy = [9; 32]);
    logs.request(61, START + 10, &AccessRecord { policy: [9; 32], ..record("cash_withdrawal", Method::Verify) });
    in_all(logs, 6, Rule::PolicyUnknown);
}

#[test]
fn entries_that_too_few_witnessed() {
    let folder = tempfile::tempdir().unwrap();
    let logs = Logs::of(200).later();
    for party in Party::ALL {
        logs.log(party).write(folder.path(), if party == Party::C { 1 } else { 2 });
    }
    // The log of C was once covered up to entry 300, and by one cosignature only since.
    let mirror = tumar::audit::Mirror::new(folder.path());
    assert_eq!(found(audit(folder.path()).all()), [(Party::C, Some(0), Rule::UnderCosigned)]);
    let place = mirror.place(Party::C, logs.half);
    let before = logs.log(Party::C).cut(300);
    place.accept(300, &before.note(2)).unwrap();
    place.accept(402, &logs.log(Party::C).note(1)).unwrap();
    assert_eq!(found(audit(folder.path()).all()), [(Party::C, Some(300), Rule::UnderCosigned)]);
    let place = mirror.place(Party::C, logs.half);
    place.accept(400, &logs.log(Party::C).cut(400).note(2)).unwrap();
    place.accept(402, &logs.log(Party::C).note(0)).unwrap();
    assert_eq!(found(audit(folder.path()).all()), [], "witnesses have five minutes");
}
