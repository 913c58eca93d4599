//! Checkpoints are cosigned by real witnesses, asked as over HTTP: in order, after failures, and without ever holding up the log.
#![allow(clippy::unwrap_used)]

use std::io;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use tokio::sync::{mpsc, watch};
use tokio::time::{Duration, Instant};
use tumar::cosigning::{self, Ask, MAX_WITNESSES};
use tumar::log::cosign::{Cosigner, CosignerKey};
use tumar::log::merkle::{Tree, leaf_hash};
use tumar::log::note::{Checkpoint, KeyName, NoteError, NoteSigner, SigningKey, VerifierKey};
use tumar::log::witness::{AddCheckpoint, Witness, WitnessError};
use tumar::web::Answer;

const NOW: u64 = 1_790_000_000;
const BASE: &str = "log.a.kz-demo.tumar.internal";

/// A log of 100 entries, of which any number was published, and what was put in the checkpoint's place.
struct OwnLog {
    tree: Tree,
    signer: NoteSigner,
    placed: mpsc::Sender<String>,
}

impl OwnLog {
    fn new(first: &str) -> (Arc<Self>, mpsc::Receiver<String>) {
        let mut tree = Tree::new();
        tree.push(leaf_hash(first.as_bytes()));
        for index in 1..100_u64 {
            tree.push(leaf_hash(&index.to_be_bytes()));
        }
        let signer = NoteSigner::new(format!("{BASE}/2026h2").parse().unwrap(), SigningKey::from_seed(&[1; 32]));
        let (placed, seen) = mpsc::channel(64);
        (Arc::new(Self { tree, signer, placed }), seen)
    }

    fn note(&self, size: u64) -> String {
        let root = self.tree.root(size).unwrap();
        Checkpoint { origin: self.signer.verifier().name().clone(), size, root }.sign(&self.signer).unwrap()
    }
}

impl cosigning::Log for OwnLog {
    fn consistency(&self, origin: &KeyName, old: u64, new: u64) -> Option<Vec<[u8; 32]>> {
        assert_eq!(origin, self.signer.verifier().name());
        self.tree.consistency(old, new).ok()
    }

    fn replace(&self, note: &str) -> io::Result<()> {
        self.placed.blocking_send(note.to_owned()).map_err(io::Error::other)
    }
}

/// A witness and its memory, which lasts as long as this does.
struct Watcher {
    witness: Arc<Witness>,
    _memory: TempDir,
}

impl Watcher {
    fn new(seed: u8) -> Self {
        let name = format!("witness-{seed}.example").parse().unwrap();
        let cosigner = Cosigner::new(name, SigningKey::from_seed(&[seed; 32]));
        let log = VerifierKey::new(BASE.parse().unwrap(), SigningKey::from_seed(&[1; 32]).public());
        let memory = tempfile::tempdir().unwrap();
        Self { witness: Arc::new(Witness::new(cosigner, vec![log], memory.path())), _memory: memory }
    }

    fn key(&self) -> CosignerKey {
        self.witness.verifier().clone()
    }

    /// How its port would answer.
    fn ask(&self) -> impl Fn(&str) -> Answer + Send + Sync + use<> {
        let witness = Arc::clone(&self.witness);
        move |body| match AddCheckpoint::parse(body).and_then(|request| witness.add(&request, NOW)) {
            Ok(line) => Answer { status: 200, body: line.into_bytes() },
            Err(error) => answer(&error),
        }
    }

    fn asked(&self) -> cosigning::Witness {
        let ask = self.ask();
        cosigning::Witness::new(self.key(), Box::new(move |body| Ok(ask(body))))
    }
}

fn answer(error: &WitnessError) -> Answer {
    let body = error.size().map(|size| format!("{size}\n")).unwrap_or_default();
    Answer { status: error.status(), body: body.into_bytes() }
}

/// The next note in which all of these keys' cosignatures stand.
async fn cosigned_by(placed: &mut mpsc::Receiver<String>, keys: &[CosignerKey]) -> String {
    loop {
        let note = placed.recv().await.expect("a note is placed");
        if keys.iter().all(|key| key.verify(&note) == Ok(NOW)) {
            return note;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn each_checkpoint_gets_the_cosignatures_of_all_witnesses() {
    let (log, mut placed) = OwnLog::new("first");
    let watchers = [Watcher::new(2), Watcher::new(3), Watcher::new(4)];
    let keys = watchers.each_ref().map(Watcher::key);
    let (publish, published) = watch::channel(None);
    let witnesses = watchers.iter().map(Watcher::asked).collect();
    let running = tokio::spawn(cosigning::run(published, witnesses, Arc::clone(&log) as _));
    for size in [0, 1, 9, 10, 100] {
        publish.send_replace(Some(log.note(size)));
        let note = cosigned_by(&mut placed, &keys).await;
        assert_eq!(Checkpoint::open(&note, log.signer.verifier()).unwrap().size, size);
    }
    drop(publish);
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_witness_that_knows_more_than_we_remember_is_asked_again_from_there() {
    let (log, mut placed) = OwnLog::new("first");
    let watcher = Watcher::new(2);
    let before = AddCheckpoint { old: 0, proof: Vec::new(), note: log.note(40) };
    watcher.witness.add(&before, NOW).unwrap();
    let (_publish, published) = watch::channel(Some(log.note(60)));
    tokio::spawn(cosigning::run(published, vec![watcher.asked()], log));
    let began = Instant::now();
    cosigned_by(&mut placed, &[watcher.key()]).await;
    assert_eq!(began.elapsed(), Duration::ZERO, "at once, not after a pause");
}

#[tokio::test(start_paused = true)]
async fn a_witness_that_is_down_is_asked_again_after_longer_and_longer_pauses_and_holds_up_nobody() {
    let (log, mut placed) = OwnLog::new("first");
    let (down, up) = (Watcher::new(2), Watcher::new(3));
    let (times, mut asked) = mpsc::channel(64);
    let answer = down.ask();
    let tries = Mutex::new(0);
    let ask: Ask = Box::new(move |body| {
        let mut tries = tries.lock().unwrap();
        *tries += 1;
        times.blocking_send(Instant::now()).unwrap();
        // Nine times it is out of order.
        Ok(if *tries < 10 { Answer { status: 503, body: Vec::new() } } else { answer(body) })
    });
    let (publish, published) = watch::channel(Some(log.note(5)));
    let witnesses = vec![cosigning::Witness::new(down.key(), ask), up.asked()];
    tokio::spawn(cosigning::run(published, witnesses, Arc::clone(&log) as _));
    cosigned_by(&mut placed, &[up.key()]).await;
    // What is published meanwhile takes the place of what waits.
    publish.send_replace(Some(log.note(6)));
    cosigned_by(&mut placed, &[up.key()]).await;
    publish.send_replace(Some(log.note(7)));
    let note = cosigned_by(&mut placed, &[down.key(), up.key()]).await;
    assert_eq!(Checkpoint::open(&note, log.signer.verifier()).unwrap().size, 7);
    let mut all = Vec::new();
    asked.close();
    while let Some(time) = asked.recv().await {
        all.push(time);
    }
    let pauses: Vec<_> = all.windows(2).map(|pair| pair[1].duration_since(pair[0]).as_secs()).collect();
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_the_witnesss_cosignature_of_this_checkpoint_is_never_published() {
    let (log, mut placed) = OwnLog::new("first");
    let (honest, other) = (Watcher::new(2), Watcher::new(3));
    let note = log.note(5);
    let request = AddCheckpoint { old: 0, proof: Vec::new(), note: note.clone() };
    let by_other = other.witness.add(&request, NOW).unwrap().into_bytes();
    let of_another = Watcher::new(4);
    let elsewhere = AddCheckpoint { note: log.note(6), ..request };
    let of_another_size = of_another.witness.add(&elsewhere, NOW).unwrap().into_bytes();
    let own_line = {
        let (first, rest) = note.split_once("\n\n").unwrap();
        assert!(!first.is_empty());
        rest.as_bytes().to_vec()
    };
    let always = |key: CosignerKey, body: Vec<u8>| {
        cosigning::Witness::new(key, Box::new(move |_| Ok(Answer { status: 200, body: body.clone() })))
    };
    let named = |seed: u8| Watcher::new(seed).key();
    let witnesses = vec![
        always(named(5), by_other),
        always(of_another.key(), of_another_size),
        always(named(6), own_line),
        always(named(7), vec![0xff, 0xfe]),
        always(named(8), Vec::new()),
        always(named(9), b"\n\n\n".to_vec()),
        honest.asked(),
    ];
    let (publish, published) = watch::channel(Some(note.clone()));
    let running = tokio::spawn(cosigning::run(published, witnesses, log));
    let one = cosigned_by(&mut placed, &[honest.key()]).await;
    // Some pauses later, nothing else has come.
    tokio::time::sleep(Duration::from_secs(100)).await;
    drop(publish);
    running.await.unwrap();
    assert_eq!(placed.recv().await, None);
    assert_eq!(one.lines().count(), note.lines().count() + 1);
    assert_eq!(other.key().verify(&one), Err(NoteError::Unsigned));
}

#[tokio::test(start_paused = true)]
async fn a_witness_that_saw_another_log_never_cosigns_ours_and_the_others_still_do() {
    let ((log, mut placed), (fork, _)) = (OwnLog::new("first"), OwnLog::new("another"));
    let (deceived, fresh) = (Watcher::new(2), Watcher::new(3));
    let shown = AddCheckpoint { old: 0, proof: Vec::new(), note: fork.note(50) };
    deceived.witness.add(&shown, NOW).unwrap();
    let (publish, published) = watch::channel(None);
    let witnesses = vec![deceived.asked(), fresh.asked()];
    let running = tokio::spawn(cosigning::run(published, witnesses, Arc::clone(&log) as _));
    // Smaller than what it saw, as large, larger.
    let mut notes = Vec::new();
    for size in [40, 50, 60] {
        publish.send_replace(Some(log.note(size)));
        notes.push(cosigned_by(&mut placed, &[fresh.key()]).await);
        tokio::time::sleep(Duration::from_secs(200)).await;
    }
    drop(publish);
    running.await.unwrap();
    drop(log);
    while let Some(note) = placed.recv().await {
        notes.push(note);
    }
    for note in notes {
        assert_eq!(deceived.key().verify(&note), Err(NoteError::Unsigned));
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_witnesses_are_asked_than_a_note_has_room_for() {
    let (log, mut placed) = OwnLog::new("first");
    let watchers: Vec<_> = (2..20).map(Watcher::new).collect();
    let keys: Vec<_> = watchers.iter().map(Watcher::key).collect();
    let (publish, published) = watch::channel(Some(log.note(5)));
    let running = tokio::spawn(cosigning::run(published, watchers.iter().map(Watcher::asked).collect(), log));
    let note = cosigned_by(&mut placed, &keys[..MAX_WITNESSES]).await;
    assert_eq!(keys[MAX_WITNESSES].verify(&note), Err(NoteError::Unsigned));
    drop(publish);
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn without_witnesses_it_ends_at_once() {
    let (log, mut placed) = OwnLog::new("first");
    let (_publish, published) = watch::channel(Some(log.note(5)));
    cosigning::run(published, Vec::new(), log).await;
    assert_eq!(placed.recv().await, None);
}
