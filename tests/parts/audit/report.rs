//! What a regulator sees in a minute.

use tumar::audit::report::Report;
use tumar::log::entry::Event;
use tumar::reason::Reason;
use tumar::request::Method;
use tumar::token::purpose::AccessRecord;

use super::logs::{Logs, REASON, START, pins, record};

const DAY: u64 = 86_400;

/// Ten days of one bank, the last but one of them a busy one; another bank with little; refusals.
fn logs() -> Logs {
    let mut logs = Logs::empty();
    let cash = record("cash_withdrawal", Method::Verify);
    let other = AccessRecord { relying_party: "banks/b18".parse().unwrap(), ..cash.clone() };
    let mut number = 0;
    for (day, uses) in (0..).zip([20, 22, 19, 21, 20, 18, 23, 20, 90, 21]) {
        for use_of_day in 0..uses {
            number += 1;
            logs.request(number, START + day * DAY + 60 * use_of_day, &cash);
        }
        let evening = START + day * DAY + 80_000;
        if day < 3 {
            number += 1;
            logs.request(number, evening, &other);
        }
        number += 1;
        logs.push(number, evening, &cash, &Event::Denied(Reason::TokenSpent.into()));
    }
    logs.push(number + 1, START + 9 * DAY + 80_000, &cash, &Event::Admitted);
    logs.push(number + 1, START + 9 * DAY + 80_000, &cash, &Event::Failed(REASON.into()));
    logs
}

#[test]
fn a_report_counts_withholds_and_names_the_day_that_stands_out() {
    let audit = logs().audit();
    assert_eq!(audit.all().count(), 0);
    let deployment = pins().deployment;
    let report = Report::new(&audit, &deployment);
    let json = report.to_json();
    assert_eq!((json["verdict"].as_str(), json["code"].as_u64()), (Some("agreement"), Some(0)));
    let [first, second] = json["uses"].as_array().unwrap().as_slice() else { panic!("two banks, one purpose each") };
    assert_eq!((first["relying_party"].as_str(), first["days"][8]["admitted"].as_u64()), (Some("banks/b17"), Some(90)));
    assert_eq!(first["days"][0]["denied"].as_str(), Some("<5"));
    assert_eq!(second["days"][0]["admitted"].as_str(), Some("<5"));
    let [outlier] = json["outliers"].as_array().unwrap().as_slice() else { panic!("{}", json["outliers"]) };
    assert_eq!((outlier["day"].as_str(), outlier["admitted"].as_u64()), (Some("2026-12-01"), Some(90)));
    let reasons = json["reasons"].as_array().unwrap();
    assert_eq!(reasons.len(), 2);
    assert_eq!((reasons[0]["result"].as_str(), reasons[0]["B"].as_u64()), (Some("denied:TOKEN_SPENT"), Some(10)));
    assert_eq!((reasons[1]["result"].as_str(), reasons[1]["B"].as_str()), (Some("error:PEER_LOST"), Some("<5")));

    let csv = report.to_csv();
    assert_eq!(csv.lines().next(), Some("day,relying_party,purpose,admitted,denied,candidates"));
    assert!(csv.contains("\n2026-11-23,banks/b17,cash_withdrawal,20,<5,0\n"), "{csv}");
    assert!(csv.contains("\n2026-11-23,banks/b18,cash_withdrawal,<5,0,0\n"), "{csv}");

    let tables = report.tables(2);
    let uses = &tables[1].1.1;
    assert_eq!(uses[0], ["banks/b17", "cash_withdrawal", "275", "5+", "0"]);
    assert_eq!(uses[1][2], "<5", "a sum of three single uses");
    assert_eq!(tables[2].1.1.len(), 2, "two days, one bank on each");
}

#[test]
fn the_page_stands_by_itself_and_shows_the_alarm_in_words() {
    let mut logs = logs();
    logs.at(tumar::party::Party::C).drain(0..2);
    let audit = logs.audit();
    let deployment = pins().deployment;
    let page = Report::new(&audit, &deployment).to_html();
    assert!(page.contains("<p role=\"status\"><strong>BROKEN RULES: 1 finding.</strong></p>"), "{page}");
    assert!(page.contains("<td>MISSING</td>") && page.contains("prefers-color-scheme:dark"));
    assert_eq!(page.matches("<svg ").count(), 3, "one of each bank, one of refusals");
    for elsewhere in ["<script", "href=", "src=", "@import", "url("] {
        assert!(!page.contains(elsewhere), "{elsewhere}");
    }
    assert!(!page.contains("NaN"));
}

#[test]
fn a_report_of_nothing_is_a_report() {
    let folder = tempfile::tempdir().unwrap();
    let audit = super::logs::audit(folder.path());
    let deployment = pins().deployment;
    let report = Report::new(&audit, &deployment);
    assert_eq!(report.to_json()["verdict"].as_str(), Some("incomplete"));
    assert!(report.to_html().contains("INCOMPLETE: 3 findings."));
    assert_eq!(report.to_csv().lines().count(), 1);
}
