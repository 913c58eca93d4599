//! A witness cosigns what continues, remembers it through crashes, and answers as C2SP tlog-witness says.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use tempfile::TempDir;
use tumar::log::cosign::{Cosigner, add, witness_name};
use tumar::log::merkle::{Tree, empty_root, leaf_hash};
use tumar::log::note::{Checkpoint, NoteError, NoteSigner, SigningKey, VerifierKey, log_name};
use tumar::log::shard::Shard;
use tumar::log::witness::{AddCheckpoint, MAX_PROOF, Witness, WitnessError};
use tumar::party::Party;

/// In 2026h2.
const NOW: u64 = 1_790_000_000;

/// A log under a key of its own, with `size` entries of which number `forked` is another.
struct Log {
    tree: Tree,
    signer: NoteSigner,
}

impl Log {
    fn new(size: u64, forked: Option<u64>) -> Self {
        Self::of("2026h2", 1, size, forked)
    }

    fn of(half: &str, seed: u8, size: u64, forked: Option<u64>) -> Self {
        let half: Shard = half.parse().unwrap();
        let name = log_name(&"kz-demo".parse().unwrap(), Party::A).of_half(half);
        let mut tree = Tree::new();
        for index in 0..size {
            let text = if forked == Some(index) { "another".to_owned() } else { format!("entry {index}") };
            tree.push(leaf_hash(text.as_bytes()));
        }
        Self { tree, signer: NoteSigner::new(name, SigningKey::from_seed(&[seed; 32])) }
    }

    fn note(&self, size: u64) -> String {
        let root = self.tree.root(size).unwrap();
        Checkpoint { origin: self.signer.verifier().name().clone(), size, root }.sign(&self.signer).unwrap()
    }

    fn request(&self, old: u64, size: u64) -> AddCheckpoint {
        AddCheckpoint { old, proof: self.tree.consistency(old, size).unwrap(), note: self.note(size) }
    }
}

fn witness(directory: &Path) -> Witness {
    let deployment = "kz-demo".parse().unwrap();
    let cosigner = Cosigner::new(witness_name(&deployment, Party::B), SigningKey::from_seed(&[2; 32]));
    let key = SigningKey::from_seed(&[1; 32]).public();
    Witness::new(cosigner, vec![VerifierKey::new(log_name(&deployment, Party::A), key)], directory)
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// Where the state of the log of 2026h2 is kept.
fn state(directory: &Path) -> std::path::PathBuf {
    directory.join("log-log.a.kz-demo.tumar.internal/2026h2")
}

#[test]
fn a_log_that_only_grows_is_cosigned_from_its_first_checkpoint_on() {
    let (folder, log) = (folder(), Log::new(300, None));
    let witness = witness(folder.path());
    let mut old = 0;
    for (later, size) in [(0, 0), (1, 5), (2, 5), (3, 256), (4, 300)] {
        let request = log.request(old, size);
        let line = witness.add(&request, NOW + later).unwrap();
        let cosigned = add(&request.note, &line).unwrap();
        assert_eq!(witness.verifier().verify(&cosigned), Ok(NOW + later));
        old = size;
    }
}

#[test]
fn a_fork_is_refused_at_the_same_size_and_later() {
    let (folder, log, fork) = (folder(), Log::new(20, None), Log::new(20, Some(3)));
    let witness = witness(folder.path());
    witness.add(&log.request(0, 10), NOW).unwrap();
    assert!(matches!(witness.add(&fork.request(10, 10), NOW), Err(WitnessError::Forked(10))));
    assert!(matches!(witness.add(&fork.request(10, 20), NOW), Err(WitnessError::Unproven)));
    // Both notes are kept, each signed by the log: that is the proof that it lied.
    let key = log.signer.verifier();
    let kept = fs::read_to_string(state(folder.path())).unwrap();
    let evidence = fs::read_to_string(format!("{}-fork", state(folder.path()).display())).unwrap();
    let (kept, evidence) = (Checkpoint::open(&kept, key).unwrap(), Checkpoint::open(&evidence, key).unwrap());
    assert!(kept.size == evidence.size && kept.root != evidence.root);
    // The honest one goes on.
    witness.add(&log.request(10, 20), NOW).unwrap();
}

#[test]
fn a_smaller_or_another_old_size_is_answered_with_the_size() {
    let (folder, log) = (folder(), Log::new(20, None));
    let witness = witness(folder.path());
    witness.add(&log.request(0, 10), NOW).unwrap();
    for (old, size) in [(0, 5), (5, 7), (0, 10), (9, 10), (0, 20), (11, 20)] {
        let error = witness.add(&log.request(old, size), NOW).unwrap_err();
        assert_eq!((error.status(), error.size()), (409, Some(10)), "{old} {size}");
    }
    let shrunk = AddCheckpoint { old: 10, proof: Vec::new(), note: log.note(9) };
    assert_eq!(witness.add(&shrunk, NOW).unwrap_err().status(), 400);
}

#[test]
fn what_is_not_shown_or_not_the_logs_is_refused() {
    let (folder, log) = (folder(), Log::new(20, None));
    let witness = witness(folder.path());
    let status = |request: &AddCheckpoint| witness.add(request, NOW).unwrap_err().status();
    let with_proof = AddCheckpoint { proof: vec![empty_root()], ..log.request(0, 10) };
    assert_eq!(status(&with_proof), 422);
    let origin = log.signer.verifier().name().clone();
    let full_of_nothing = Checkpoint { origin, size: 0, root: [7; 32] }.sign(&log.signer).unwrap();
    assert_eq!(status(&AddCheckpoint { old: 0, proof: Vec::new(), note: full_of_nothing }), 422);
    // Another key under the log's name; then no signature that the witness knows; then a false one.
    assert_eq!(status(&Log::of("2026h2", 9, 10, None).request(0, 10)), 403);
    let stranger = log.note(10).replace("log.a.kz-demo.tumar.internal/2026h2 ", "elsewhere ");
    assert_eq!(status(&AddCheckpoint { note: stranger, ..log.request(0, 10) }), 403);
    let false_one = log.note(10).replacen("\n10\n", "\n11\n", 1);
    assert_eq!(status(&AddCheckpoint { note: false_one, ..log.request(0, 10) }), 403);
    // Logs that nobody asked us to witness.
    let name = "log.c.kz-demo.tumar.internal/2026h2".parse().unwrap();
    let other = NoteSigner::new(name, SigningKey::from_seed(&[1; 32]));
    let other = Checkpoint { origin: other.verifier().name().clone(), size: 0, root: empty_root() }.sign(&other);
    assert_eq!(status(&AddCheckpoint { old: 0, proof: Vec::new(), note: other.unwrap() }), 404);
    assert_eq!(status(&Log::of("2027h2", 1, 1, None).request(0, 1)), 404);
    assert!(witness.add(&Log::of("2027h1", 1, 1, None).request(0, 1), NOW).is_ok(), "its clock may be before ours");
    for note in ["", "x", "x\n\n", "a\n1\nb\n\n\u{2014} a AAAAAAA=\n"] {
        assert_eq!(status(&AddCheckpoint { old: 0, proof: Vec::new(), note: note.to_owned() }), 400, "{note:?}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is kept of what was refused");
    assert!(!state(folder.path()).exists());
    witness.add(&log.request(0, 10), NOW).unwrap();
    let mut unproven = log.request(10, 20);
    unproven.proof[0][0] ^= 1;
    assert_eq!(status(&unproven), 422);
}

#[test]
fn each_half_year_is_a_log_of_its_own() {
    let folder = folder();
    let witness = witness(folder.path());
    witness.add(&Log::of("2026h1", 1, 9, None).request(0, 9), NOW).unwrap();
    witness.add(&Log::of("2026h2", 1, 3, Some(0)).request(0, 3), NOW).unwrap();
}

#[test]
fn a_restart_remembers() {
    let (folder, log, fork) = (folder(), Log::new(20, None), Log::new(20, Some(3)));
    witness(folder.path()).add(&log.request(0, 10), NOW).unwrap();
    let again = witness(folder.path());
    assert!(matches!(again.add(&fork.request(0, 10), NOW), Err(WitnessError::Stale(10))));
    assert!(matches!(again.add(&fork.request(10, 10), NOW), Err(WitnessError::Forked(10))));
    again.add(&log.request(10, 20), NOW).unwrap();
}

#[test]
fn a_crash_before_the_state_is_in_its_place_has_signed_nothing() {
    let (folder, log, fork) = (folder(), Log::new(20, None), Log::new(20, Some(3)));
    let stopped = witness(folder.path());
    stopped.add(&log.request(0, 2), NOW).unwrap();
    // The new state can not even be begun: a folder is in the way.
    let beside = state(folder.path()).with_extension("new");
    fs::create_dir(&beside).unwrap();
    for _ in 0..2 {
        assert!(matches!(stopped.add(&log.request(2, 10), NOW), Err(WitnessError::State(_))));
    }
    fs::remove_dir(&beside).unwrap();
    // Or was begun, and the machine went down: half a file beside the place.
    fs::write(&beside, &log.note(10)[..40]).unwrap();
    // Nobody has our signature of the first 10, so another 10 is no fork to us.
    let again = witness(folder.path());
    assert!(matches!(again.add(&fork.request(0, 10), NOW), Err(WitnessError::Stale(2))));
    again.add(&fork.request(2, 10), NOW).unwrap();
    assert!(matches!(again.add(&log.request(10, 10), NOW), Err(WitnessError::Forked(10))));
}

#[test]
fn a_crash_after_the_state_is_in_its_place_is_remembered_though_nobody_got_the_signature() {
    let (folder, log, fork) = (folder(), Log::new(20, None), Log::new(20, Some(3)));
    witness(folder.path()).add(&log.request(0, 2), NOW).unwrap();
    fs::write(state(folder.path()), log.note(10)).unwrap();
    let again = witness(folder.path());
    assert!(matches!(again.add(&log.request(2, 10), NOW), Err(WitnessError::Stale(10))));
    assert!(matches!(again.add(&fork.request(10, 10), NOW), Err(WitnessError::Forked(10))));
    again.add(&log.request(10, 10), NOW).unwrap();
}

#[test]
fn a_state_that_can_not_be_believed_stops_all_cosigning_of_that_log() {
    let (folder, log) = (folder(), Log::new(20, None));
    witness(folder.path()).add(&log.request(0, 10), NOW).unwrap();
    let good = fs::read(state(folder.path())).unwrap();
    let stranger = Log::of("2026h2", 9, 5, None).note(5).into_bytes();
    for bad in [b"".to_vec(), good[..good.len() - 9].to_vec(), stranger] {
        fs::write(state(folder.path()), bad).unwrap();
        let again = witness(folder.path());
        for request in [log.request(0, 10), log.request(10, 20), log.request(0, 20)] {
            let Err(WitnessError::State(error)) = again.add(&request, NOW) else { panic!("it was cosigned") };
            let told = error.to_string();
            assert!(
                told.starts_with(&state(folder.path()).display().to_string())
                    && told.contains("move this folder aside"),
                "{told}"
            );
        }
    }
}

#[test]
fn only_the_logs_own_signature_is_kept() {
    let (folder, log) = (folder(), Log::new(20, None));
    let witness = witness(folder.path());
    let mut request = log.request(0, 10);
    let note = request.note.clone();
    request.note = add(&note, &witness.add(&request, NOW).unwrap()).unwrap();
    request.old = 10;
    witness.add(&request, NOW).unwrap();
    assert_eq!(fs::read_to_string(state(folder.path())).unwrap(), note);
}

#[test]
fn of_many_at_once_that_contradict_each_other_one_is_cosigned() {
    let folder = folder();
    let witness = witness(folder.path());
    let cosigned: usize = std::thread::scope(|scope| {
        let (witness, threads) = (&witness, 0..8);
        let threads: Vec<_> = threads
            .map(|fork| scope.spawn(move || witness.add(&Log::new(20, Some(fork)).request(0, 20), NOW).is_ok()))
            .collect();
        threads.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum()
    });
    assert_eq!(cosigned, 1);
}

#[test]
fn a_request_has_one_form() {
    let request = Log::new(300, None).request(7, 300);
    assert_eq!(AddCheckpoint::parse(&request.to_string()).unwrap(), request);
    let first = AddCheckpoint { old: 0, proof: Vec::new(), note: "note".to_owned() };
    assert_eq!(first.to_string(), "old 0\n\nnote");
    assert_eq!(AddCheckpoint::parse("old 0\n\nnote").unwrap(), first);
    let hash = "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n";
    assert!(AddCheckpoint::parse(&format!("old 9\n{}\nnote", hash.repeat(MAX_PROOF))).is_ok());
    for bad in [
        "",
        "old 0\n\n",
        "old 0\nnote",
        "old 00\n\nnote",
        "old +1\n\nnote",
        "old -1\n\nnote",
        "old  1\n\nnote",
        "old 1 \n\nnote",
        "Old 1\n\nnote",
        "old 18446744073709551616\n\nnote",
        "old 1\r\n\r\nnote",
        "old 1\nAAAA\n\nnote",
        "old 1\nPlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw\n\nnote",
        &format!("old 9\n{}\nnote", hash.repeat(MAX_PROOF + 1)),
        &format!("old 9\n\n{}", "x".repeat(tumar::log::witness::MAX_REQUEST)),
    ] {
        assert!(matches!(AddCheckpoint::parse(bad), Err(WitnessError::Malformed)), "{bad:?}");
    }
}

#[test]
fn a_note_that_names_a_false_signature_of_its_log_is_not_stripped() {
    let log = Log::new(3, None);
    let note = log.note(3);
    assert_eq!(log.signer.verifier().only(&note), Ok(note.clone()));
    assert_eq!(log.signer.verifier().only(&note.replacen('3', "4", 1)), Err(NoteError::Signature));
}
