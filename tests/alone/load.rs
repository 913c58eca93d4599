//! `tumar load` as scripts see it: nodes of its own, answers that are all right, counts that add up, a page by itself.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::turn::turn;

fn load(line: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tumar")).arg("load").args(line.split(' ')).output().unwrap()
}

fn adds_up(counts: &Value) -> u64 {
    let [offered, answered, errors] = ["offered", "answered", "errors"].map(|name| counts[name].as_u64().unwrap());
    assert_eq!(offered, answered + errors, "{counts}");
    offered
}

#[test]
fn three_nodes_answer_a_mixed_load_without_a_wrong_bit_and_the_counts_add_up() {
    let _turn = turn();
    let folder = TempDir::new().unwrap();
    let page = folder.path().join("report.html");
    let line = "--local --people 20 --rate 20 --duration 3 --mix verify=80,enroll=20 --json --out";
    let output = load(&format!("{line} {}", page.display()));
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&found["wrong_bits"], &found["wrong_searches"]), (&0.into(), &0.into()));
    assert_eq!(adds_up(&found), 60, "20 a second for 3 seconds, and none of the warm-up");
    assert_eq!(found["errors"], 0, "{}", found["reasons"]);
    let [verify, enroll] = [0, 1].map(|place| adds_up(&found["actions"][place]));
    assert!(verify + enroll == 60 && verify > 30 && enroll > 2, "{verify} and {enroll}");
    let bins: u64 = found["bins"].as_array().unwrap().iter().map(adds_up).sum();
    let came: u64 = found["bins"].as_array().unwrap().iter().map(|bin| bin["came"].as_u64().unwrap()).sum();
    assert_eq!((bins, came), (60, 60));
    let [genuine, impostor] = ["genuine", "impostor"].map(|kind| found[kind]["answered"].as_u64().unwrap());
    assert!(genuine + impostor == verify && genuine.abs_diff(impostor) <= 2, "{genuine} and {impostor}");
    let quantiles = ["p50", "p90", "p99", "p99_9", "max"].map(|name| found["latency_ms"][name].as_f64().unwrap());
    assert!(quantiles[0] > 0.0 && quantiles.is_sorted(), "{quantiles:?}");

    for (place, phases) in [
        (0, &["token", "queue", "log", "envelope", "agree", "intake", "compare", "gather", "elsewhere"][..]),
        (1, &["token", "queue", "log", "envelope", "agree", "intake", "change", "gather", "elsewhere"]),
    ] {
        let told = found["actions"][place]["phases_ms"].as_object().unwrap();
        assert!(told.len() == phases.len() && phases.iter().all(|phase| told.contains_key(*phase)), "{told:?}");
    }
    assert_eq!(found["aftermath"]["well"], true, "{}", found["aftermath"]);
    assert_eq!(found["restart"], Value::Null);

    let html = fs::read_to_string(&page).unwrap();
    assert_eq!(html.matches("<svg").count(), if cfg!(target_os = "linux") { 5 } else { 4 });
    assert!(
        html.contains("Offered 60, answered 60, errors 0") && html.contains("limit of requests a second is lifted")
    );
    // The name of a format, which nothing fetches.
    let html = html.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
    for outside in ["http", "<script", "src=", "href=", "@import", "url("] {
        assert!(!html.contains(outside), "{outside}");
    }
    let again = load(&format!("{line} {}", page.display()));
    assert_eq!(again.status.code(), Some(2), "a report is not written over another");
}

#[test]
fn a_node_that_is_killed_in_the_middle_costs_no_wrong_answer_no_enrolment_and_no_entry_of_a_log() {
    let _turn = turn();
    let folder = TempDir::new().unwrap();
    let [document, picture] = ["load.md", "load.svg"].map(|name| folder.path().join(name));
    let line =
        "--local --people 12 --rate 30 --duration 6 --warm-up 0 --mix verify=7,enroll=2,search=1 --restart B --json";
    let output = load(&format!("{line} --markdown {} --picture {}", document.display(), picture.display()));
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&found["wrong_bits"], &found["wrong_searches"]), (&0.into(), &0.into()));
    assert_eq!(adds_up(&found), 180);
    assert_eq!(found["restart"]["node"], "B");
    let killed = found["restart"]["killed_s"].as_f64().unwrap();
    assert!((2.9..5.0).contains(&killed), "{killed}");
    let search = &found["actions"][2];
    assert!(adds_up(search) > 5 && search["answered"].as_u64().unwrap() > 0, "{search}");
    assert!(search["phases_ms"].as_object().unwrap().contains_key("compare"), "{search}");

    let (enrolments, logs) = (&found["aftermath"]["enrolments"], &found["aftermath"]["logs"]);
    assert!(enrolments["acknowledged"].as_u64().unwrap() >= 12, "{enrolments}");
    assert_eq!(enrolments["asked"], enrolments["acknowledged"], "{enrolments}");
    let [there, locked] = ["found", "found_locked"].map(|name| enrolments[name].as_u64().unwrap());
    assert_eq!(Some(there + locked), enrolments["asked"].as_u64(), "{enrolments}");
    let answered = found["answered"].as_u64().unwrap();
    assert!(logs["answered"].as_u64().unwrap() > answered && logs["missing"] == 0, "{logs}");
    if cfg!(target_os = "linux") {
        let held = found["memory"][0]["kib"].as_array().unwrap();
        assert!(held.iter().all(|kib| kib.as_u64().unwrap() > 1024), "{held:?}");
    }

    let document = fs::read_to_string(document).unwrap();
    for told in ["tumar load --local", "(load.svg)", "| verify | compare |", "Node B was killed", " missing in a log"] {
        assert!(document.contains(told), "{told}: {document}");
    }
    let picture = fs::read_to_string(picture).unwrap();
    assert_eq!((picture.matches("<svg").count(), picture.matches("a node is killed").count()), (3, 2));
}

#[test]
fn what_can_not_be_measured_is_refused_before_anything_starts() {
    let _turn = turn();
    for (line, told) in [
        ("--local --rate 20 --duration 3 --mix verify=80,erase=20", "a mix is"),
        ("--local --rate 20 --duration 3 --restart D", "A, B or C"),
        ("--local --rate 20 --duration 3 --restart B --ramp 50", "cannot be used with"),
        ("--client client.toml --issuer dev --rate 20 --duration 3 --restart B", "cannot be used with"),
        ("--local --rate 0 --duration 3", "a rate is"),
        ("--local --rate 20 --duration 3x", "a time is"),
        ("--local --rate 20 --duration 3 --by fused", "face, finger or both"),
        ("--rate 20 --duration 3", "--client"),
        ("--client client.toml --rate 20 --duration 3", "--issuer"),
        ("--local --client client.toml --issuer dev --rate 20 --duration 3", "cannot be used with"),
    ] {
        let refused = load(line);
        let errors = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(2), "{line}");
        assert!(errors.contains(told), "{line}: {errors}");
    }
}
