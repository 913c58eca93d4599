//! `tumar audit` and `tumar subject` as scripts see them: what they print, and their exit codes.
#![allow(clippy::unwrap_used, unreachable_pub)]

use crate::audit::{logs, site};

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use logs::{HALF, Logs, pins_at};
use serde_json::Value;
use site::{Site, TOKEN};
use tempfile::TempDir;
use tumar::audit::Pins;
use tumar::client::SubjectKey;
use tumar::log::entry::Event;
use tumar::party::Party;
use tumar::token::policy::DEFAULT;
use zeroize::Zeroizing;

/// A folder with `auditor.toml`, a token, and mirrored logs.
fn folder(pins: &Pins, logs: &Logs) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("auditor.toml"), pins.to_toml()).unwrap();
    fs::create_dir(folder.path().join("policies")).unwrap();
    fs::write(folder.path().join("policies/policy.toml"), DEFAULT).unwrap();
    fs::write(folder.path().join("token"), TOKEN).unwrap();
    logs.write(&folder.path().join("mirror"));
    folder
}

fn tumar(folder: &Path, line: &str) -> (Option<i32>, Output) {
    let output = Command::new(env!("CARGO_BIN_EXE_tumar"))
        .args(line.split(' '))
        .env("NO_COLOR", "1")
        .current_dir(folder)
        .output()
        .unwrap();
    (output.status.code(), output)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn exit_codes_are_those_of_the_help() {
    let honest = folder(&logs::pins(), &Logs::of(300).later());
    for what in ["verify", "reconcile", "report"] {
        let (code, output) = tumar(honest.path(), &format!("audit {what} --mirror mirror"));
        assert_eq!(code, Some(0), "{what}: {}", text(&output.stderr));
        assert!(text(&output.stdout).contains("AGREEMENT"), "{what}: {}", text(&output.stdout));
    }
    let (code, output) = tumar(honest.path(), "audit verify --mirror nowhere");
    assert_eq!(code, Some(4), "{}", text(&output.stdout));
    assert!(text(&output.stdout).contains("NO_LOG"));
    assert_eq!(tumar(honest.path(), "audit verify --mirror mirror --pins nowhere").0, Some(2));
    assert_eq!(tumar(honest.path(), "audit verify").0, Some(2));
    let (code, output) = tumar(honest.path(), "audit fetch --mirror mirror --token token");
    assert_eq!(code, Some(4), "nobody listens there: {}", text(&output.stderr));

    let mut lie = Logs::of(300).later();
    lie.at(Party::B).drain(34..36);
    let broken = folder(&logs::pins(), &lie);
    assert_eq!(tumar(broken.path(), "audit verify --mirror mirror").0, Some(0), "by itself it is a log");
    let (code, output) = tumar(broken.path(), "audit reconcile --mirror mirror --json");
    assert_eq!(code, Some(1));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let finding = &told["findings"][0];
    assert_eq!((finding["node"].as_str(), finding["rule"].as_str()), (Some("B"), Some("MISSING")));
    assert_eq!(finding["shown_by"]["index"].as_u64(), Some(34));

    let checkpoint = broken.path().join("mirror/c/2026h2/checkpoint");
    let note = fs::read_to_string(&checkpoint).unwrap();
    fs::write(&checkpoint, note.replacen("\n602\n", "\n601\n", 1)).unwrap();
    for what in ["verify", "reconcile"] {
        let (code, output) = tumar(broken.path(), &format!("audit {what} --mirror mirror"));
        assert_eq!(code, Some(5), "{what}: {}", text(&output.stdout));
    }
}

#[test]
fn a_report_is_written_as_a_page_and_as_values() {
    let folder = folder(&logs::pins(), &Logs::of(300).later());
    let (code, output) = tumar(folder.path(), "audit report --mirror mirror --html page.html --csv uses.csv");
    assert_eq!(code, Some(0));
    assert!(text(&output.stdout).contains("cash_withdrawal"));
    assert!(fs::read_to_string(folder.path().join("page.html")).unwrap().contains("</svg>"));
    let csv = fs::read_to_string(folder.path().join("uses.csv")).unwrap();
    assert!(csv.contains("2026-11-23,banks/b17,cash_withdrawal,301,0,0"), "{csv}");
}

#[test]
fn a_watch_goes_on_while_all_is_well_and_ends_with_an_alarm() {
    let served = tempfile::tempdir().unwrap();
    let honest = Logs::of(300).later();
    honest.write(served.path());
    let site = Site::of(served.path(), &[HALF]);
    let folder = folder(&pins_at([&site.url; 3]), &Logs::empty());
    fs::remove_dir_all(folder.path().join("mirror")).unwrap();
    let watch = "audit watch --mirror mirror --token token --interval 1 --looks 0 --rounds";
    let (code, output) = tumar(folder.path(), &format!("{watch} 2"));
    assert_eq!(code, Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout).matches("agreement: A 2026h2 602, B 2026h2 602, C 2026h2 602").count(), 2);
    let rewound = honest.log(Party::B).cut(500);
    fs::remove_dir_all(rewound.folder(served.path())).unwrap();
    rewound.write(served.path(), 2);
    let (code, output) = tumar(folder.path(), &format!("{watch} 100"));
    assert_eq!(code, Some(5));
    let alarm = text(&output.stderr);
    assert!(alarm.contains("ALARM: fork REWOUND, node B, 2026h2, entry 500"), "{alarm}");
    fs::write(folder.path().join("token"), "guess").unwrap();
    fs::remove_dir_all(folder.path().join("mirror")).unwrap();
    assert_eq!(tumar(folder.path(), "audit fetch --mirror mirror --token token").0, Some(3));
}

#[test]
fn a_watch_reads_its_token_again_for_each_look() {
    let served = tempfile::tempdir().unwrap();
    Logs::empty().write(served.path());
    let site = Site::of(served.path(), &[HALF]);
    let folder = folder(&pins_at([&site.url; 3]), &Logs::empty());
    fs::remove_dir_all(folder.path().join("mirror")).unwrap();
    // No entries are asked for yet, so any will do.
    fs::write(folder.path().join("token"), "the first one").unwrap();
    let mut watch = Command::new(env!("CARGO_BIN_EXE_tumar"))
        .args("audit watch --mirror mirror --token token --interval 1 --looks 0 --patience 9 --rounds 12".split(' '))
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(watch.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut refused = BufReader::new(watch.stderr.take().unwrap()).lines().map_while(Result::ok);
    let whole = "agreement: A 2026h2 602, B 2026h2 602, C 2026h2 602";
    assert!(told.by_ref().any(|line| line.contains("A 2026h2 0, B 2026h2 0")));
    // Whoever renews it is late.
    fs::write(folder.path().join("token"), "e30.eyJleHAiOjV9.e30").unwrap();
    let grown = tempfile::tempdir().unwrap();
    Logs::of(300).later().write(grown.path());
    site.change(|behaviour| behaviour.root = grown.path().to_owned());
    let line = "tumar: node C: node C refused the token: it expired at 1970-01-01 00:00 UTC";
    assert!(refused.by_ref().any(|told| told == line));
    fs::write(folder.path().join("token"), TOKEN).unwrap();
    assert!(told.by_ref().any(|line| line.contains(whole)), "the watch ended");
    assert_eq!(watch.wait().unwrap().code(), Some(0));
}

#[test]
fn a_watch_whose_last_look_was_refused_does_not_end_well() {
    let served = tempfile::tempdir().unwrap();
    Logs::of(300).write(served.path());
    let site = Site::of(served.path(), &[HALF]);
    let folder = folder(&pins_at([&site.url; 3]), &Logs::empty());
    fs::remove_dir_all(folder.path().join("mirror")).unwrap();
    fs::write(folder.path().join("token"), "e30.eyJleHAiOjV9.e30").unwrap();
    for rounds in [1, 2] {
        let watch = "audit watch --mirror mirror --token token --interval 1 --looks 0 --patience 9 --rounds";
        let (code, output) = tumar(folder.path(), &format!("{watch} {rounds}"));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_ne!(code, Some(0), "{errors}");
        assert!(errors.contains("refused the token: it expired at 1970-01-01 00:00 UTC"), "{errors}");
    }
}

#[test]
fn uses_that_nobody_looked_for_are_not_none() {
    let key = SubjectKey::from_bytes(Zeroizing::new([0x5a; 32]));
    let folder = folder(&logs::pins(), &Logs::of(300).later());
    let path = folder.path();
    fs::write(path.join("key"), key.to_text().as_bytes()).unwrap();
    let uses = |mirror: &str| tumar(path, &format!("subject uses --key key --mirror {mirror}"));
    for line in ["subject uses --key key --mirror mirrow", "audit page --mirror mirrow", "audit page --mirror key"] {
        let (code, output) = tumar(path, line);
        assert_eq!((code, output.stdout.len()), (Some(2), 0), "{line}");
        assert!(text(&output.stderr).starts_with(&format!("tumar: {}: ", line.rsplit_once(' ').unwrap().1)));
    }
    fs::create_dir(path.join("empty")).unwrap();
    let (code, output) = uses("empty");
    assert_eq!(code, Some(4));
    assert!(text(&output.stdout).starts_with("0 uses among 0 entries of 0 logs: of none."), "{}", text(&output.stdout));
    assert_eq!(text(&output.stderr).matches("NO_LOG").count(), 3);

    let (code, output) = uses("mirror");
    assert_eq!((code, output.stderr.len()), (Some(0), 0));
    assert!(text(&output.stdout).starts_with("0 uses among 1806 entries of 3 logs: of A, B, C"));
    for other in ["a", "b", "c"] {
        let place = path.join("mirror").join(other);
        let gone = path.join("gone");
        fs::rename(&place, &gone).unwrap();
        let (code, output) = uses("mirror");
        assert_eq!(code, Some(4), "without {other}");
        let party = other.to_uppercase();
        assert!(text(&output.stderr).contains(&format!("uses may be missing: incomplete NO_LOG, node {party}")));
        let (code, output) = tumar(path, "subject uses --key key --mirror mirror --json");
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(
            (code, told["verdict"].as_str(), told["logs"].as_array().unwrap().len()),
            (Some(4), Some("incomplete"), 2)
        );
        // Another half-year of this node is there, and the one of the others is not.
        fs::create_dir_all(&place).unwrap();
        fs::rename(gone.join(HALF), place.join("2027h1")).unwrap();
        assert!(text(&uses("mirror").1.stderr).contains(&format!("NO_LOG, node {party}, {HALF}: ")));
        fs::rename(place.join("2027h1"), place.join(HALF)).unwrap();
        // Hashes alone.
        let entries = place.join(HALF).join("tile/entries");
        fs::rename(&entries, path.join("entries")).unwrap();
        let (code, output) = uses("mirror");
        assert_eq!((code, text(&output.stderr).contains("NO_ENTRIES")), (Some(4), true), "without entries of {other}");
        fs::rename(path.join("entries"), &entries).unwrap();
        fs::remove_dir_all(&gone).unwrap();
    }
    assert_eq!(uses("mirror").0, Some(0));
}

#[test]
fn a_reader_that_has_gone_and_a_full_disk_are_told_by_the_exit_code_and_never_by_a_panic() {
    let honest = folder(&logs::pins(), &Logs::of(300).later());
    let mut lie = Logs::of(300).later();
    lie.at(Party::B).drain(34..36);
    let broken = folder(&logs::pins(), &lie);
    let to = |folder: &Path, out: Stdio, line: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tumar"));
        command.args(line.split(' ')).env("NO_COLOR", "1").current_dir(folder).stdout(out);
        let output = command.stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
        (output.status.code().unwrap(), text(&output.stderr))
    };
    let closed = || Stdio::from(std::io::pipe().unwrap().1);
    let full = || Stdio::from(fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    for line in ["--help", "--version", "audit report --mirror mirror", "audit verify --mirror mirror --json"] {
        assert_eq!(to(honest.path(), closed(), line), (141, String::new()), "{line}");
        let told = "tumar: standard output: No space left on device (os error 28)\n";
        assert_eq!(to(honest.path(), full(), line), (2, told.to_owned()), "{line}");
    }
    // What is wrong is not hidden by it.
    assert_eq!(to(broken.path(), closed(), "audit reconcile --mirror mirror").0, 1);
    assert_eq!(to(broken.path(), full(), "audit reconcile --mirror mirror").0, 1);
    // Nor does it matter whether anybody reads the other one.
    let mut command = Command::new(env!("CARGO_BIN_EXE_tumar"));
    command.args(["audit", "verify", "--mirror", "mirror", "--pins", "nowhere"]).stderr(full());
    assert_eq!(command.status().unwrap().code(), Some(2));
}

#[test]
fn a_person_sees_the_own_uses_in_plain_words() {
    let key = SubjectKey::from_bytes(Zeroizing::new([0x5a; 32]));
    let mut logs = Logs::of(300).later();
    for party in Party::ALL {
        let own = *key.for_node(party);
        for (counter, index) in (0..).zip([40, 41, 100, 101]) {
            logs.at(party)[index].person = Some((own, counter));
        }
    }
    let folder = folder(&logs::pins(), &logs);
    fs::write(folder.path().join("key"), key.to_text().as_bytes()).unwrap();
    let (code, output) = tumar(folder.path(), "subject uses --key key --mirror mirror");
    assert_eq!(code, Some(0), "{}", text(&output.stderr));
    let told = text(&output.stdout);
    let line = "2026-11-23 00:00  banks/b17 verified your face, for cash_withdrawal: answered";
    assert_eq!(told.matches(line).count(), 2, "{told}");
    assert!(told.contains("proven: A 40, A 41, B 40, B 41, C 40, C 41"), "{told}");
    assert!(told.contains("2 uses among 1806 entries"), "{told}");
    let (_, output) = tumar(folder.path(), "subject uses --key key --mirror mirror --json");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["uses"][1]["places"].as_array().unwrap().len(), 6);
    fs::write(folder.path().join("key"), "no key").unwrap();
    assert_eq!(tumar(folder.path(), "subject uses --key key --mirror mirror").0, Some(2));
}

#[test]
fn what_the_mirror_lacks_or_has_damaged_is_told_by_verify_and_by_reconcile_alike() {
    let lacking = folder(&logs::pins(), &Logs::of(300).later());
    fs::remove_file(lacking.path().join("mirror/b/2026h2/tile/entries/001")).unwrap();
    let damaged = folder(&logs::pins(), &Logs::of(300).later());
    let path = damaged.path().join("mirror/b/2026h2/tile/entries/001");
    let mut bytes = fs::read(&path).unwrap();
    bytes[40] ^= 1;
    fs::write(&path, bytes).unwrap();
    for (folder, rule, code) in [(&lacking, "GAP", 4), (&damaged, "DAMAGED", 1)] {
        for what in ["verify", "reconcile"] {
            let (exit, output) = tumar(folder.path(), &format!("audit {what} --mirror mirror --json"));
            let told: Value = serde_json::from_slice(&output.stdout).unwrap();
            let found: Vec<_> = told["findings"].as_array().unwrap().iter().map(|one| one["rule"].as_str()).collect();
            assert_eq!((exit, found), (Some(code), vec![Some(rule)]), "{what}");
            assert!(told["findings"][0]["text"].as_str().unwrap().contains("tile/entries/001"), "{told}");
            let (_, output) = tumar(folder.path(), &format!("audit {what} --mirror mirror"));
            assert!(!text(&output.stdout).contains("AGREEMENT"), "{what}");
        }
    }
}

#[test]
fn a_fetch_without_a_token_says_that_only_hashes_came() {
    let served = tempfile::tempdir().unwrap();
    Logs::of(300).later().write(served.path());
    let site = Site::of(served.path(), &[HALF]);
    let folder = folder(&pins_at([&site.url; 3]), &Logs::empty());
    fs::remove_dir_all(folder.path().join("mirror")).unwrap();
    let (code, output) = tumar(folder.path(), "audit fetch --mirror mirror --looks 0");
    assert_eq!(code, Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("(hashes only: entries need a token)"), "{}", text(&output.stdout));
    let (code, output) = tumar(folder.path(), "audit fetch --mirror mirror --looks 0 --token token");
    assert_eq!(code, Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("up to date. Now"), "{}", text(&output.stdout));
}

#[test]
fn a_use_that_older_mirrors_can_not_have_is_no_accusation() {
    let key = SubjectKey::from_bytes(Zeroizing::new([0x5a; 32]));
    let mut logs = Logs::of(300);
    logs.at(Party::C)[100].person = Some((*key.for_node(Party::C), 0));
    logs.at(Party::C)[101].person = Some((*key.for_node(Party::C), 1));
    let folder = folder(&logs::pins(), &logs);
    let path = folder.path();
    fs::write(path.join("key"), key.to_text().as_bytes()).unwrap();
    let uses = |fetched: [u64; 3]| {
        for (node, at) in ["a", "b", "c"].iter().zip(fetched) {
            fs::write(path.join(format!("mirror/{node}/{HALF}/fetched")), format!("{at}\n")).unwrap();
        }
        text(&tumar(path, "subject uses --key key --mirror mirror").1.stdout)
    };
    let (before, after) = (logs::START + 10, logs::START + 4000);
    let told = uses([before, before, after]);
    assert!(told.contains("answered; not yet in the mirror of A and B: fetch again\n"), "{told}");
    let told = uses([before, after, after]);
    assert!(told.contains("answered; not in the log of B; not yet in the mirror of A: fetch again\n"), "{told}");
    let told = uses([after; 3]);
    assert!(told.contains("answered; in the log of C only\n"), "{told}");
    // A refusal stands in the log of the node that refused.
    let mut refused = logs.clone();
    for index in [100, 101] {
        refused.at(Party::C)[index].event = Event::Denied(logs::REASON.into());
    }
    fs::remove_dir_all(path.join("mirror")).unwrap();
    refused.write(&path.join("mirror"));
    let told = uses([before, before, after]);
    assert!(told.contains(": refused, PEER_LOST; by C\n"), "{told}");
    fs::remove_dir_all(path.join("mirror")).unwrap();
    logs.write(&path.join("mirror"));
    // Nor is one that the mirror lacks.
    fs::remove_file(path.join("mirror/a/2026h2/tile/entries/000")).unwrap();
    let told = uses([after; 3]);
    assert!(told.contains("answered; not in the log of B; not yet in the mirror of A: fetch again\n"), "{told}");
}

#[test]
fn uses_of_one_minute_are_told_in_the_order_of_the_log() {
    let key = SubjectKey::from_bytes(Zeroizing::new([0x5a; 32]));
    let mut logs = Logs::of(300).later();
    let indices: Vec<usize> = (0..100).step_by(10).collect();
    for party in Party::ALL {
        let own = *key.for_node(party);
        for (counter, index) in (0..).zip(&indices) {
            logs.at(party)[*index].person = Some((own, counter));
        }
    }
    let folder = folder(&logs::pins(), &logs);
    fs::write(folder.path().join("key"), key.to_text().as_bytes()).unwrap();
    let (_, output) = tumar(folder.path(), "subject uses --key key --mirror mirror --json");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let order: Vec<u64> =
        told["uses"].as_array().unwrap().iter().map(|used| used["places"][0]["index"].as_u64().unwrap()).collect();
    assert_eq!(order, indices.iter().map(|&index| index as u64).collect::<Vec<_>>());
}

#[test]
fn who_does_not_say_where_the_keys_are_is_told_how() {
    let folder = folder(&logs::pins(), &Logs::empty());
    fs::remove_file(folder.path().join("auditor.toml")).unwrap();
    fs::write(folder.path().join("key"), "").unwrap();
    for line in ["subject uses --key key --mirror mirror", "audit verify --mirror mirror"] {
        let (code, output) = tumar(folder.path(), line);
        let told = text(&output.stderr);
        assert_eq!(
            (code, told.contains("auditor.toml"), told.contains("--pins FILE")),
            (Some(2), true, true),
            "{told}"
        );
    }
}

#[test]
fn two_commands_at_once_in_one_mirror_wait_for_each_other_and_say_so() {
    let served = tempfile::tempdir().unwrap();
    Logs::of(300).later().write(served.path());
    let site = Site::of(served.path(), &[HALF]);
    let folder = folder(&pins_at([&site.url; 3]), &Logs::empty());
    let mirror = folder.path().join("mirror");
    fs::remove_dir_all(&mirror).unwrap();
    let begin = |line: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tumar"));
        command.args(line.split(' ')).env("NO_COLOR", "1").current_dir(folder.path());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let watch = "audit watch --mirror mirror --token token --interval 1 --looks 0 --rounds 2";
    let all = [0; 3].map(|_| begin(watch));
    for child in all {
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    }
    fs::write(folder.path().join("key"), SubjectKey::from_bytes(Zeroizing::new([0x5a; 32])).to_text().as_bytes())
        .unwrap();
    let held = fs::File::open(&mirror).unwrap();
    for line in ["audit verify --mirror mirror", "subject uses --key key --mirror mirror", "audit page --mirror mirror"]
    {
        held.lock().unwrap();
        let mut waits = begin(line);
        let told = BufReader::new(waits.stderr.take().unwrap()).lines().map_while(Result::ok).next();
        assert_eq!(told.as_deref(), Some("tumar: waiting: another command is using mirror"), "{line}");
        held.unlock().unwrap();
        assert_eq!(waits.wait_with_output().unwrap().status.code(), Some(0), "{line}");
        // Who reads as well is in nobody's way.
        held.lock_shared().unwrap();
        assert_eq!(begin(line).wait_with_output().unwrap().status.code(), Some(0), "{line}");
        held.unlock().unwrap();
    }
}

#[test]
fn a_file_of_the_wrong_kind_in_a_mirror_is_named() {
    let key = SubjectKey::from_bytes(Zeroizing::new([0x5a; 32]));
    let folder = folder(&logs::pins(), &Logs::of(300).later());
    fs::write(folder.path().join("key"), key.to_text().as_bytes()).unwrap();
    let mirror = folder.path().join("mirror");
    for wrong in ["b", "b/2026h2", "b/2026h2/checkpoints", "b/2026h2/checkpoint", "b/2026h2/tile", "b/2026h2/fetched"] {
        let (place, aside) = (mirror.join(wrong), folder.path().join("aside"));
        let was_there = fs::rename(&place, &aside).is_ok();
        let is_folder = aside.is_dir() || wrong.ends_with("checkpoints");
        if is_folder { fs::write(&place, "x") } else { fs::create_dir(&place) }.unwrap();
        for line in ["audit verify --mirror mirror", "subject uses --key key --mirror mirror"] {
            let (code, output) = tumar(folder.path(), line);
            let told = text(&output.stderr);
            assert!(
                code == Some(2) && told.starts_with(&format!("tumar: mirror/{wrong}: ")),
                "{wrong}: {line}: {told}"
            );
        }
        if is_folder { fs::remove_file(&place) } else { fs::remove_dir(&place) }.unwrap();
        if was_there {
            fs::rename(&aside, &place).unwrap();
        }
    }
    assert_eq!(tumar(folder.path(), "audit verify --mirror mirror").0, Some(0));
}
