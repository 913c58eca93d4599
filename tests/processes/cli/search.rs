//! Searches: two officers approve, the bank asks.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;

use super::{Deployment, code, errors, init, json, run};

const SEARCHES: &str = "--purpose case_search --action search";

impl Deployment {
    /// An officer's approval of searches, in a file.
    fn approved_by(&self, name: &str, role: &str) -> PathBuf {
        let (dir, file) = (self.dir.display(), self.dir.join(format!("{name}.approval")));
        let officer = format!("--key {dir}/officers/{name}.pk8 --name {name} --role {role} --relying-party banks/b17");
        let approval = run(&format!("approve {officer} {SEARCHES} --case {dir}/case"), "");
        assert_eq!(code(&approval), 0, "{}", errors(&approval));
        fs::write(&file, approval.stdout).unwrap();
        file
    }

    /// Searches with these approvals, by a token for this.
    fn search(&self, token: &str, approvals: &[PathBuf], rest: &str) -> Output {
        let approvals: Vec<_> = approvals.iter().map(|file| format!(" --approval {}", file.display())).collect();
        let case = self.dir.join("case");
        self.call_any(token, "search", &format!(" --case {}{}{rest}", case.display(), approvals.concat()))
    }
}

#[test]
fn a_search_that_two_officers_approved_names_the_right_person_and_any_other_is_refused() {
    let world = Deployment::start();
    json(&world.enrol());
    // Somebody else, whose finger no search finds.
    let (faces, finger, dir) = (world.faces.display(), world.fingers[2].display(), world.dir.display());
    let rest = format!(" --subject p2 --face {faces}:1 --finger {finger} --unsearchable --key-out {dir}/p2.key");
    let token = "--purpose enrolment --action enroll --amr registry_check";
    assert_eq!(code(&world.call_any(token, "enroll", &rest)), 0);

    fs::write(world.dir.join("case"), "a card in a stranger's name").unwrap();
    let approvals =
        [("aida", "fraud-analyst"), ("bolat", "privacy-officer")].map(|(name, role)| world.approved_by(name, role));
    let by_finger = |finger: usize| format!(" --finger {}", world.fingers[finger].display());
    for (rest, people) in [
        (format!(" --face {faces}:3"), &["p1"][..]),
        (format!(" --face {faces}:1"), &["p2"]),
        (format!(" --face {faces}:2"), &[]),
        (by_finger(1), &["p1"]),
        (by_finger(2), &[]),
    ] {
        let found = json(&world.search(SEARCHES, &approvals, &format!("{rest} --json")));
        assert_eq!((&found["candidates"], &found["truncated"]), (&Value::from(people.to_vec()), &Value::from(false)));
        assert_eq!(found["receipts"].as_array().unwrap().len(), 3);
    }
    let found = world.search(SEARCHES, &approvals, &format!(" --face {faces}:0 --max 1"));
    assert_eq!((code(&found), found.stdout.as_slice()), (0, &b"p1\n"[..]), "{}", errors(&found));

    let face = format!(" --face {faces}:3");
    let twice = format!("{SEARCHES} --max-uses 2");
    let [aida, bolat] = approvals.clone();
    for (reason, token, approvals) in [
        ("APPROVALS_MISSING", SEARCHES, vec![aida.clone()]),
        ("APPROVALS_MISSING", SEARCHES, vec![]),
        ("APPROVAL_SAME_OFFICER", SEARCHES, vec![aida.clone(), aida.clone()]),
        ("APPROVAL_OTHER_DETAILS", &twice, vec![aida, bolat]),
    ] {
        let refused = world.search(token, &approvals, &face);
        assert_eq!((code(&refused), refused.stdout.len()), (3, 0), "{reason}");
        assert!(errors(&refused).starts_with(&format!("tumar: {reason} (node A): ")), "{}", errors(&refused));
    }
    fs::write(world.dir.join("case"), "another").unwrap();
    assert!(errors(&world.search(SEARCHES, &approvals, &face)).contains("APPROVAL_OTHER_CASE"));
    // Of so many, no policy here allows any.
    let refused = world.search(SEARCHES, &approvals, &format!("{face} --max 33"));
    assert_eq!(code(&refused), 2, "{}", errors(&refused));
}

#[test]
fn a_token_that_allows_searches_lives_for_two_minutes() {
    let folder = TempDir::new().unwrap();
    let (dir, _) = init(&folder);
    for (action, seconds) in [("search", 120), ("verify", 300), ("verify,search", 120)] {
        let line = format!("token --dir {} --purpose case_search --action {action} --json", dir.display());
        let claims = &json(&run(&line, ""))["claims"];
        assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), seconds, "{action}");
    }
}
