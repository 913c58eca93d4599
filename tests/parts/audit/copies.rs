//! What is wrong with the auditor's own copy is told as that, and no node is accused of it.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tumar::audit::{Mirror, Rule, Severity, Verdict};
use tumar::party::Party;
use tumar::request::Method;

use super::logs::{Logs, START, audit, found, record};

fn mirror(logs: &Logs) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    logs.write(folder.path());
    folder
}

fn file(mirror: &Path, name: &str) -> PathBuf {
    let path = mirror.join(name);
    assert!(path.is_file(), "{name}");
    path
}

fn flip(mirror: &Path, name: &str) {
    let path = file(mirror, name);
    let mut bytes = fs::read(&path).unwrap();
    bytes[40] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn entries_that_the_mirror_lacks_are_a_gap_of_it_and_nobody_is_accused() {
    let folder = mirror(&Logs::of(110).later());
    fs::remove_file(file(folder.path(), "b/2026h2/tile/entries/000.p/222")).unwrap();
    let seen = audit(folder.path());
    assert_eq!(found(seen.all()), [(Party::B, Some(0), Rule::Gap)]);
    assert_eq!(seen.findings[0].text, "tile/entries/000.p/222 is not in this mirror: fetch again");
    assert_eq!((seen.findings[0].severity, seen.verdict().code()), (Severity::Incomplete, 4));
}

#[test]
fn an_entry_that_is_damaged_in_the_mirror_is_damage_and_nobody_is_accused() {
    let folder = mirror(&Logs::of(110).later());
    flip(folder.path(), "b/2026h2/tile/entries/000.p/222");
    let seen = audit(folder.path());
    assert_eq!(found(seen.all()), [(Party::B, Some(0), Rule::Damaged)]);
    assert!(seen.findings[0].text.contains("tile/entries/000.p/222"), "{:?}", seen.findings);
    // One byte of a length, and no entry of the file can be read.
    let folder = mirror(&Logs::of(110).later());
    let path = file(folder.path(), "b/2026h2/tile/entries/000.p/222");
    let mut bytes = fs::read(&path).unwrap();
    bytes[0] ^= 1;
    fs::write(&path, bytes).unwrap();
    let seen = audit(folder.path());
    assert_eq!((found(seen.all()), seen.verdict()), (vec![(Party::B, Some(0), Rule::Damaged)], Verdict::Broken));
}

#[test]
fn lies_outside_of_what_the_mirror_lacks_are_found_all_the_same() {
    for liar in Party::ALL {
        let mut logs = Logs::of(700);
        let cash = record("cash_withdrawal", Method::Verify);
        logs.request(5000, START + 10_000, &cash);
        let after = logs.lines[0].len();
        logs.at(liar).truncate(after - 2);
        let folder = mirror(&logs.later());
        fs::remove_file(file(folder.path(), "b/2026h2/tile/entries/003")).unwrap();
        let seen = audit(folder.path());
        assert_eq!(found(&seen.findings), [(Party::B, Some(768), Rule::Gap)]);
        assert_eq!(found(&seen.pairs), [(liar, None, Rule::Missing)]);
        assert_eq!(seen.verdict(), Verdict::Broken);
    }
}

#[test]
fn a_half_year_that_the_mirror_lacks_of_one_node_is_not_held_against_it() {
    let folder = mirror(&Logs::of(20).later());
    let half = "2027h1".parse::<tumar::log::shard::Shard>().unwrap();
    let mut after = Logs { half, ..Logs::empty() };
    after.request(1, half.begins() + 3600, &record("cash_withdrawal", Method::Verify));
    after.later().write(folder.path());
    fs::remove_dir_all(folder.path().join("b/2027h1")).unwrap();
    let seen = audit(folder.path());
    assert_eq!((found(seen.all()), seen.verdict()), (vec![(Party::B, None, Rule::NoLog)], Verdict::Incomplete));
}

#[test]
fn a_tile_that_is_damaged_in_the_mirror_is_named_and_is_no_fork() {
    let logs = Logs::of(110).later();
    for also in [None, Some("c/2026h2/tile/entries/000.p/222")] {
        let folder = mirror(&logs);
        let (log, mirrored) = (logs.log(Party::C), Mirror::new(folder.path()));
        for size in [20, 60, 100, 222] {
            let log = log.cut(size);
            mirrored.place(Party::C, log.half).accept(log.size(), &log.note(2)).unwrap();
        }
        assert_eq!(found(audit(folder.path()).all()), []);
        flip(folder.path(), "c/2026h2/tile/0/000.p/222");
        if let Some(name) = also {
            flip(folder.path(), name);
        }
        let seen = audit(folder.path());
        assert!(seen.findings.iter().all(|finding| finding.severity < Severity::Fork), "{:?}", seen.findings);
        assert!(seen.findings.iter().all(|finding| finding.node == Party::C), "{:?}", seen.findings);
        assert_eq!((found(&seen.pairs), seen.verdict()), (vec![], Verdict::Broken));
        if also.is_none() {
            assert_eq!(found(&seen.findings), [(Party::C, Some(0), Rule::Damaged)]);
            let text = "tile/0/000.p/222 is damaged in this mirror: delete it, and fetch again";
            assert_eq!((&*seen.findings[0].text, seen.entries), (text, 3 * 222), "its entries prove it, and are good");
        }
    }
}

#[test]
fn each_damaged_or_missing_tile_is_told_by_its_name() {
    let logs = Logs::of(700).later();
    let tiles = [("tile/1/000.p/5", 0), ("tile/0/003", 768), ("tile/0/005.p/122", 1280)];
    for (name, index) in tiles {
        let folder = mirror(&logs);
        flip(folder.path(), &format!("b/2026h2/{name}"));
        let seen = audit(folder.path());
        assert_eq!(
            (found(seen.all()), seen.entries),
            (vec![(Party::B, Some(index), Rule::Damaged)], 3 * 1402),
            "{name}"
        );
        assert!(seen.findings[0].text.starts_with(name), "{:?}", seen.findings);

        fs::remove_file(folder.path().join("b/2026h2").join(name)).unwrap();
        let seen = audit(folder.path());
        assert_eq!((found(seen.all()), seen.entries), (vec![(Party::B, Some(index), Rule::Gap)], 3 * 1402), "{name}");
        assert_eq!((seen.verdict(), seen.findings[0].text.starts_with(name)), (Verdict::Incomplete, true));
    }
    // Without entries, the tile above still proves it.
    let folder = mirror(&logs);
    fs::remove_dir_all(folder.path().join("b/2026h2/tile/entries")).unwrap();
    flip(folder.path(), "b/2026h2/tile/0/003");
    let seen = audit(folder.path());
    assert_eq!(found(seen.all()), [(Party::B, Some(768), Rule::Damaged), (Party::B, None, Rule::NoEntries)]);
}
