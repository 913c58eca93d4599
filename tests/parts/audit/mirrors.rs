//! From a site into a mirror: cut off, gone on, grown meanwhile, pruned; and a site that lies.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tumar::audit::fetch::{FetchError, Fetcher, Step};
use tumar::audit::{Finding, Mirror, Rule, Verdict};
use tumar::log::merkle::Tree;
use tumar::log::note::{Checkpoint, NoteSigner};
use tumar::log::shard::Shard;
use tumar::party::Party;

use super::logs::{HALF, Log, Logs, START, audit, found, log_key, pins_at};
use super::site::{Site, TOKEN};

const NOW: u64 = START + 4000;

/// A site with the logs of all three, and an empty mirror.
struct World {
    served: TempDir,
    mirrored: TempDir,
    site: Site,
    logs: Logs,
}

impl World {
    fn of(requests: u64) -> Self {
        let (served, mirrored) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let logs = Logs::of(requests).later();
        logs.write(served.path());
        let site = Site::of(served.path(), &[HALF]);
        Self { served, mirrored, site, logs }
    }

    fn fetch_as(&self, party: Party, token: Option<&str>) -> Result<Vec<Finding>, FetchError> {
        let (pins, mirror) = (pins_at([&self.site.url; 3]), Mirror::new(self.mirrored.path()));
        let fetcher = Fetcher { pins: &pins, mirror: &mirror, token, looks: 0, pause: Duration::ZERO };
        fetcher.node(party, NOW, &mut |_, _| {})
    }

    fn fetch(&self, party: Party) -> Vec<Finding> {
        self.fetch_as(party, Some(TOKEN)).unwrap()
    }

    fn mirror(&self) -> &Path {
        self.mirrored.path()
    }

    fn fetch_all(&self) {
        for party in Party::ALL {
            assert_eq!(found(&self.fetch(party)), []);
        }
    }

    fn b(&self) -> Log {
        self.logs.log(Party::B)
    }

    /// The site says this is the log of B, from now on.
    fn serve(&self, log: &Log, cosigners: usize) {
        fs::remove_dir_all(log.folder(self.served.path())).unwrap();
        log.write(self.served.path(), cosigners);
    }
}

#[test]
fn a_mirror_is_the_site_and_is_verified_without_it() {
    let world = World::of(700);
    world.fetch_all();
    for file in ["checkpoint", "tile/0/000", "tile/0/005.p/122", "tile/1/000.p/5", "tile/entries/005.p/122"] {
        let both =
            [world.served.path(), world.mirror()].map(|root| fs::read(root.join("c/2026h2").join(file)).unwrap());
        assert_eq!(both[0], both[1], "{file}");
    }
    let seen = audit(world.mirror());
    assert_eq!((found(seen.all()), seen.entries, seen.verdict()), (vec![], 3 * 1402, Verdict::Clean));
    assert_eq!(seen.logs[0].fetched, Some(NOW));
}

#[test]
fn a_fetch_that_is_cut_off_goes_on_where_it_stopped() {
    let world = World::of(1500);
    let mut rounds = 0;
    let mut asked = Vec::new();
    loop {
        world.site.change(|site| site.answers = Some(7));
        let fetched = world.fetch_as(Party::A, Some(TOKEN));
        asked.extend(world.site.take_asked());
        rounds += 1;
        match fetched {
            Ok(findings) => break assert_eq!(found(&findings), []),
            Err(FetchError::Web(_)) => assert!(rounds < 20, "it does not get further"),
            Err(error) => panic!("{error}"),
        }
        assert!(!world.mirror().join("a/2026h2/checkpoint").exists(), "no checkpoint before all that it stands on");
    }
    assert!(rounds > 3);
    for bundle in asked.iter().filter(|path| path.contains("entries")) {
        assert_eq!(asked.iter().filter(|path| *path == bundle).count(), 1, "{bundle} was fetched again");
    }
    let tile = |path: &String| path.contains("/tile/0/");
    assert_eq!(
        asked.iter().filter(|path| tile(path) && !path.contains(".p/")).count(),
        11,
        "full tiles came once each"
    );
}

#[test]
fn only_what_is_new_is_asked_for() {
    let world = World::of(700);
    world.fetch_all();
    world.site.take_asked();
    assert_eq!(found(&world.fetch(Party::B)), []);
    assert_eq!(world.site.take_asked(), ["/logs.json", "/b/2026h2/checkpoint"]);
    let mut longer = world.logs.clone();
    let last = longer.lines[1].last().unwrap().clone();
    for lines in &mut longer.lines {
        lines.push(super::logs::Line {
            event: tumar::log::entry::Event::Denied(super::logs::REASON.into()),
            ..last.clone()
        });
    }
    longer.log(Party::B).write(world.served.path(), 2);
    assert_eq!(found(&world.fetch(Party::B)), []);
    let expected = ["logs.json", "b/2026h2/checkpoint", "b/2026h2/tile/0/005.p/123", "b/2026h2/tile/entries/005.p/123"];
    assert_eq!(world.site.take_asked(), expected.map(|path| format!("/{path}")));
    let folder = world.mirror().join("b/2026h2");
    assert!(!folder.join("tile/0/005.p/122").exists() && folder.join("checkpoints/1402").exists());
    assert_eq!(audit(world.mirror()).findings, []);
}

#[test]
fn a_partial_tile_that_has_grown_full_meanwhile_is_taken_from_the_full_one() {
    let world = World::of(200);
    let mut longer = world.logs.clone();
    for number in 1000..1100 {
        longer.request(number, START + 3400, &super::logs::record("cash_withdrawal", tumar::request::Method::Verify));
    }
    let (served, log) = (world.served.path().to_owned(), longer.log(Party::B));
    // The checkpoint is the old one; by the time its tiles are asked for the partial ones have gone.
    let then: Box<dyn FnOnce() + Send> = Box::new(move || log.write(&served, 2));
    let note = world.b().note(2).into_bytes();
    world.site.change(|site| {
        site.instead.insert("/b/2026h2/checkpoint".to_owned(), Some(note));
        site.then = Some(("/b/2026h2/tile/0/001.p/146".to_owned(), then));
    });
    assert_eq!(found(&world.fetch(Party::B)), []);
    assert!(world.site.take_asked().contains(&"/b/2026h2/tile/entries/001".to_owned()));
    let seen = audit(world.mirror());
    assert_eq!(found(&seen.findings), [(Party::A, None, Rule::NoLog), (Party::C, None, Rule::NoLog)]);
    assert_eq!(seen.entries, 402);
    // And on to the longer one.
    world.site.change(|site| site.instead.clear());
    assert_eq!(found(&world.fetch(Party::B)), []);
    assert_eq!(audit(world.mirror()).entries, 602);
}

#[test]
fn a_log_that_was_pruned_is_verified_from_its_first_entry_on() {
    let world = World::of(700);
    // Old enough to go: the policy keeps logs for 180 days.
    let later = NOW + 190 * 86_400;
    let (pins, mirror) = (pins_at([&world.site.url; 3]), Mirror::new(world.mirror()));
    let fetcher = Fetcher { pins: &pins, mirror: &mirror, token: Some(TOKEN), looks: 0, pause: Duration::ZERO };
    for party in Party::ALL {
        let folder = world.logs.log(party).folder(world.served.path());
        for gone in ["tile/0/000", "tile/0/001", "tile/entries/000", "tile/entries/001"] {
            fs::remove_file(folder.join(gone)).unwrap();
        }
        assert_eq!(found(&fetcher.node(party, later, &mut |_, _| {}).unwrap()), []);
    }
    let seen = audit(world.mirror());
    assert_eq!((found(seen.all()), seen.logs[1].first, seen.entries), (vec![], 512, 3 * (1402 - 512)));
}

#[test]
fn entries_that_go_too_early_are_a_gap() {
    let world = World::of(700);
    fs::remove_file(world.served.path().join("b/2026h2/tile/entries/001")).unwrap();
    world.fetch_all();
    let seen = audit(world.mirror());
    assert_eq!(found(&seen.findings), [(Party::B, Some(512), Rule::Gap)]);
    assert!(seen.pairs.iter().all(|finding| (finding.node, finding.rule) == (Party::B, Rule::Missing)));
    assert_eq!(seen.pairs.len(), 256, "and the two other logs tell what is hidden");
}

#[test]
fn the_newest_entries_must_be_served() {
    let world = World::of(700);
    fs::remove_dir_all(world.served.path().join("b/2026h2/tile/entries/005.p")).unwrap();
    assert_eq!(found(&world.fetch(Party::B)), [(Party::B, Some(1280), Rule::Gap)]);
    assert!(!world.mirror().join("b/2026h2/checkpoint").exists());
}

#[test]
fn without_a_token_there_are_hashes_and_no_entries() {
    let world = World::of(700);
    for party in Party::ALL {
        assert_eq!(found(&world.fetch_as(party, None).unwrap()), []);
    }
    let seen = audit(world.mirror());
    assert_eq!(found(seen.all()), Party::ALL.map(|party| (party, None, Rule::NoEntries)));
    assert_eq!(seen.verdict(), Verdict::Incomplete);
    assert!(matches!(world.fetch_as(Party::A, Some("guess")), Err(FetchError::Token(Party::A))));
    world.fetch_all();
    assert_eq!(found(audit(world.mirror()).all()), []);
}

#[test]
fn a_rewound_log_is_refused_and_kept_as_evidence() {
    let world = World::of(700);
    world.fetch_all();
    world.serve(&world.b().cut(1000), 2);
    let expected = [(Party::B, Some(1000), Rule::Rewound)];
    assert_eq!(found(&world.fetch(Party::B)), expected);
    let kept = fs::read_to_string(world.mirror().join("b/2026h2/evidence/1")).unwrap();
    assert_eq!(kept, world.b().cut(1000).note(2));
    assert_eq!(found(&world.fetch(Party::B)), expected);
    assert!(!world.mirror().join("b/2026h2/evidence/2").exists(), "it is kept once");
    let seen = audit(world.mirror());
    assert_eq!((found(seen.all()), seen.verdict().code()), (expected.to_vec(), 5));
}

#[test]
fn two_checkpoints_of_one_size_are_a_fork_and_both_are_kept() {
    let world = World::of(700);
    world.fetch_all();
    let mut other = world.logs.clone();
    other.at(Party::B)[34].record.purpose = "card_activation".parse().unwrap();
    world.serve(&other.log(Party::B), 1);
    assert_eq!(found(&world.fetch(Party::B)), [(Party::B, None, Rule::Fork)]);
    let seen = audit(world.mirror());
    assert_eq!((found(seen.all()), seen.verdict().code()), (vec![(Party::B, None, Rule::Fork)], 5));
}

#[test]
fn a_longer_log_that_does_not_continue_the_one_before_is_a_fork_and_nothing_of_it_is_kept() {
    let world = World::of(700);
    world.fetch_all();
    for changed in [34, 1399] {
        let mut other = world.logs.clone();
        other.at(Party::B)[changed].at += 60;
        for number in 1000..1300 {
            other.request(
                number,
                START + 3400,
                &super::logs::record("cash_withdrawal", tumar::request::Method::Verify),
            );
        }
        world.serve(&other.log(Party::B), 2);
        assert_eq!(found(&world.fetch(Party::B)), [(Party::B, None, Rule::Fork)], "{changed}");
    }
    assert!(!world.mirror().join("b/2026h2/tile/0/005").exists());
    let seen = audit(world.mirror());
    assert_eq!(found(seen.all()), [(Party::B, None, Rule::Fork), (Party::B, None, Rule::Fork)]);
    assert_eq!(seen.entries, 3 * 1402, "the mirror still is the log that was accepted");
}

#[test]
fn another_key_another_origin_and_a_changed_checkpoint_are_refused() {
    let world = World::of(20);
    let honest = world.b().note(2);
    let other_half: Shard = "2026h1".parse().unwrap();
    let notes = [
        world.logs.log(Party::A).note(2),
        Log { half: other_half, ..world.b() }.note(2),
        honest.replacen("\n42\n", "\n41\n", 1),
        "no note".to_owned(),
    ];
    for (place, note) in notes.into_iter().enumerate() {
        assert_ne!(note, honest);
        world.site.change(|site| _ = site.instead.insert("/b/2026h2/checkpoint".to_owned(), Some(note.into_bytes())));
        assert_eq!(found(&world.fetch(Party::B)), [(Party::B, None, Rule::BadSignature)], "{place}");
    }
    world.site.change(|site| site.instead.clear());
    fs::remove_dir_all(world.mirror().join("b")).unwrap();
    world.fetch_all();
    let path = world.mirror().join("b/2026h2/checkpoint");
    fs::write(&path, honest.replacen("\n42\n", "\n41\n", 1)).unwrap();
    assert_eq!(found(&audit(world.mirror()).findings), [(Party::B, None, Rule::BadSignature)]);
}

#[test]
fn false_tiles_and_entries_are_not_let_into_the_mirror() {
    let world = World::of(700);
    let root = world.served.path().join("b/2026h2");
    let cases = [
        ("tile/1/000.p/5", None),
        ("tile/0/005.p/122", None),
        ("tile/0/003", Some(768)),
        ("tile/entries/003", Some(768)),
    ];
    for (file, index) in cases {
        let mut bytes = fs::read(root.join(file)).unwrap();
        bytes[40] ^= 1;
        let path = format!("/b/2026h2/{file}");
        world.site.change(|site| _ = site.instead.insert(path.clone(), Some(bytes)));
        // The witnesses cosigned the root: what is served is damaged, and no second signed root says that the node lies.
        assert_eq!(found(&world.fetch(Party::B)), [(Party::B, index, Rule::Damaged)], "{file}");
        assert!(!world.mirror().join("b/2026h2").join(file).exists());
        world.site.change(|site| site.instead.clear());
        // Mended at the node, it is fetched as if nothing had been.
        assert_eq!(found(&world.fetch(Party::B)), [], "{file}");
        fs::remove_dir_all(world.mirror().join("b")).unwrap();
    }
}

#[test]
fn whatever_is_changed_in_a_mirror_is_found_at_its_place() {
    let world = World::of(700);
    world.fetch_all();
    let root = world.mirror().join("b/2026h2");
    let change = |file: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let path = root.join(file);
        let before = fs::read(&path).unwrap();
        let mut bytes = before.clone();
        change(&mut bytes);
        fs::write(&path, bytes).unwrap();
        let findings = found(&audit(world.mirror()).findings);
        fs::write(&path, before).unwrap();
        findings
    };
    let flip = |bytes: &mut Vec<u8>| bytes[40] ^= 1;
    assert_eq!(change("tile/entries/003", &flip), [(Party::B, Some(768), Rule::Damaged)]);
    assert_eq!(change("tile/entries/003", &|bytes| _ = bytes.pop()), [(Party::B, Some(768), Rule::Damaged)]);
    assert_eq!(change("tile/0/003", &flip), [(Party::B, Some(768), Rule::Damaged)]);
    assert_eq!(change("tile/1/000.p/5", &flip), [(Party::B, Some(0), Rule::Damaged)]);
    assert_eq!(change("tile/0/005.p/122", &flip), [(Party::B, Some(1280), Rule::Damaged)]);
    assert_eq!(change("tile/0/003", &|bytes| _ = bytes.pop()), [(Party::B, Some(768), Rule::Damaged)]);
    let other = world.logs.log(Party::B).cut(77).note(0).into_bytes();
    let set_back = change("checkpoint", &|bytes| bytes.clone_from(&other));
    assert_eq!(set_back[0], (Party::B, Some(77), Rule::Rewound), "it was signed, and a larger one as well");
    assert_eq!(found(&audit(world.mirror()).findings), []);
    fs::remove_file(root.join("tile/entries/003")).unwrap();
    fs::remove_file(root.join("tile/entries/004")).unwrap();
    assert_eq!(found(&audit(world.mirror()).findings), [(Party::B, Some(768), Rule::Gap)], "one gap, one finding");
    fs::remove_file(root.join("tile/0/002")).unwrap();
    world.site.take_asked();
    assert_eq!(found(&world.fetch(Party::B)), []);
    assert_eq!(world.site.take_asked().len(), 2 + 3, "what was deleted is fetched again, and nothing else");
    assert_eq!(found(audit(world.mirror()).all()), []);
}

#[test]
fn a_checkpoint_that_comes_with_more_cosignatures_takes_the_place_of_the_one_with_fewer() {
    let world = World::of(20);
    world.serve(&world.b(), 0);
    world.fetch_all();
    let note = || fs::read_to_string(world.mirror().join("b/2026h2/checkpoint")).unwrap();
    assert_eq!(note(), world.b().note(0));
    fs::write(world.served.path().join("b/2026h2/checkpoint"), world.b().note(2)).unwrap();
    world.fetch_all();
    assert_eq!(note(), world.b().note(2));
    fs::write(world.served.path().join("b/2026h2/checkpoint"), world.b().note(1)).unwrap();
    world.fetch_all();
    assert_eq!(note(), world.b().note(2), "and never the other way round");
    assert_eq!(found(audit(world.mirror()).all()), []);
}

#[test]
fn a_log_that_has_gone_is_a_gap_unless_all_of_it_is_old() {
    let world = World::of(20);
    world.fetch_all();
    fs::remove_dir_all(world.served.path().join("b")).unwrap();
    assert_eq!(found(&world.fetch(Party::B)), [(Party::B, None, Rule::Gap)]);
    let next = Logs { half: "2027h1".parse().unwrap(), ..Logs::empty() };
    next.write(world.served.path());
    world.site.change(|site| site.halves = vec!["2027h1".to_owned()]);
    assert_eq!(found(&world.fetch(Party::B)), []);
    assert!(world.mirror().join("b/2027h1/checkpoint").exists());
}

#[test]
fn who_does_not_answer_is_an_error_and_progress_counts_to_the_end() {
    let world = World::of(700);
    let (pins, mirror) =
        (pins_at([&world.site.url, "http://127.0.0.1:1", &world.site.url]), Mirror::new(world.mirror()));
    let fetcher = Fetcher { pins: &pins, mirror: &mirror, token: Some(TOKEN), looks: 0, pause: Duration::ZERO };
    assert!(matches!(fetcher.node(Party::B, NOW, &mut |_, _| {}), Err(FetchError::Web(_))));
    let mut steps = Vec::new();
    assert_eq!(found(&fetcher.node(Party::C, NOW, &mut |_, step| steps.push(step)).unwrap()), []);
    assert!(steps.contains(&Step::Hashes { done: 7, total: 7 }));
    assert_eq!(steps.last(), Some(&Step::Entries { done: 1402, total: 1402 }));
}

#[test]
fn a_size_that_nobody_could_hold_is_a_gap_and_takes_neither_memory_nor_time() {
    let world = World::of(700);
    world.fetch_all();
    let log = world.b();
    let checkpoint = Checkpoint { size: u64::MAX, ..log.checkpoint() };
    let note = checkpoint.sign(&NoteSigner::new(checkpoint.origin.clone(), log_key(Party::B))).unwrap();
    fs::write(log.folder(world.mirror()).join("checkpoint"), &note).unwrap();
    assert_eq!(found(&audit(world.mirror()).findings)[0], (Party::B, Some(0), Rule::Gap));
    fs::write(log.folder(world.served.path()).join("checkpoint"), &note).unwrap();
    assert_eq!(found(&world.fetch(Party::B)), [(Party::B, Some(0), Rule::Gap)]);
}

#[test]
fn a_leaf_of_zeros_hides_no_entry() {
    let world = World::of(20);
    world.fetch_all();
    let log = world.b();
    let path = log.folder(world.mirror()).join(format!("tile/0/000.p/{}", log.size()));
    let mut tile = fs::read(&path).unwrap();
    tile[5 * 32..6 * 32].fill(0);
    fs::write(&path, &tile).unwrap();
    let mut tree = Tree::new();
    for leaf in tile.as_chunks().0 {
        tree.push(*leaf);
    }
    let checkpoint = Checkpoint { root: tree.root(log.size()).unwrap(), ..log.checkpoint() };
    let note = checkpoint.sign(&NoteSigner::new(checkpoint.origin.clone(), log_key(Party::B))).unwrap();
    fs::write(log.folder(world.mirror()).join("checkpoint"), note).unwrap();
    assert!(found(&audit(world.mirror()).findings).contains(&(Party::B, Some(0), Rule::Root)));
}
