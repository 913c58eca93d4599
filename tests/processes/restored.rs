//! A node whose store was put back from an older copy: three processes. It must end before it writes the entry that would fork its log;
//! and `docs/backup.md` must be true, word by word.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::time::Duration;

use crate::support::cluster::{Files, entries, face_of, target, template};
use tokio::time::{Instant, sleep, timeout};
use tumar::client::{Client, ClientError};
use tumar::log::note::{SigningKey, VerifierKey, log_name};
use tumar::party::Party;
use tumar::request::Method;
use tumar::template::Template;

struct Nodes {
    files: Files,
    processes: [Option<Child>; 3],
}

impl Nodes {
    fn start() -> Self {
        let files = Files::new();
        let processes = Party::ALL.map(|party| Some(files.spawn(party)));
        Self { files, processes }
    }

    /// By SIGTERM; its exit code.
    fn stop(&mut self, party: Party) -> Option<i32> {
        let mut process = self.processes[party.index()].take().unwrap();
        assert!(Command::new("kill").args(["-TERM", &process.id().to_string()]).status().unwrap().success());
        process.wait().unwrap().code()
    }

    fn again(&mut self, party: Party) {
        self.processes[party.index()] = Some(self.files.spawn(party));
    }

    /// Waits until a node ends by itself; its exit code.
    async fn ended(&mut self, party: Party) -> Option<i32> {
        let process = self.processes[party.index()].as_mut().unwrap();
        let ended = async {
            loop {
                if let Some(status) = process.try_wait().unwrap() {
                    return status.code();
                }
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(Duration::from_mins(1), ended).await.expect("the node ends within a minute")
    }

    /// A client once all three are linked.
    async fn client(&self) -> Client {
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            match self.files.client().await {
                Ok(client) => return client,
                Err(error) => assert!(Instant::now() < deadline, "the nodes do not come back: {error}"),
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn enrol(&self, subject: &str) {
        let token = self.files.token("enrolment", Method::Enroll);
        self.client().await.enroll(&token, &target(subject, "enrolment"), &[face_of(&face())]).await.unwrap();
    }

    async fn verify(&self, subject: &str) -> Result<bool, ClientError> {
        let token = self.files.token("cash_withdrawal", Method::Verify);
        let asked = target(subject, "cash_withdrawal");
        self.client().await.verify(&token, &asked, &[face_of(&face())], 1).await.map(|verified| verified.matched)
    }

    /// The size under the last checkpoint of a node's log that another cosigned.
    fn cosigned(&self, of: Party, by: Party) -> u64 {
        let folder = self.files.node(by).join(format!("data/witness/log-log.{}.dev.tumar.internal", of.letter()));
        let Ok(mut halves) = fs::read_dir(folder) else { return 0 };
        // Another stands beside it while the first is being written.
        let half = halves.find_map(|half| half.ok().filter(|half| half.path().extension().is_none()));
        let Some(half) = half else { return 0 };
        fs::read_to_string(half.path()).unwrap().lines().nth(1).unwrap().parse().unwrap()
    }

    /// Waits until both others cosigned more than so many entries of a node's log.
    async fn cosigned_beyond(&self, of: Party, size: u64) {
        let others = [of.next(), of.prev()];
        let cosigned = async {
            while others.iter().any(|&by| self.cosigned(of, by) <= size) {
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(Duration::from_mins(1), cosigned).await.expect("the others cosign within a minute");
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        for process in self.processes.iter_mut().flatten() {
            drop(process.kill());
            drop(process.wait());
        }
    }
}

fn face() -> Template {
    template(&(0..512).map(|place: u16| f32::from(place * 37 % 64) - 31.5).collect::<Vec<_>>())
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_an_older_store_ends_and_says_both_sizes_and_its_log_is_not_forked() {
    let mut nodes = Nodes::start();
    nodes.enrol("c-1").await;
    let mut before = [0; 3];
    for party in Party::ALL {
        assert_eq!(nodes.stop(party), Some(0));
        let folder = nodes.files.node(party);
        copy(&folder.join("data"), &folder.join("copy"));
        before[party.index()] = entries(&folder).len() as u64;
        nodes.again(party);
    }
    nodes.enrol("c-2").await;
    for party in Party::ALL {
        let own = before[party.index()];
        nodes.cosigned_beyond(party, own).await;
        assert_eq!(nodes.stop(party), Some(0));
        let [data, newest, older] = ["data", "newest", "copy"].map(|name| nodes.files.node(party).join(name));
        fs::rename(&data, &newest).unwrap();
        copy(&older, &data);
        nodes.again(party);
        assert_eq!(nodes.ended(party).await, Some(5), "not trusted");
        let said = nodes.files.said(party);
        let cosigned = nodes.cosigned(party, party.next());
        for word in [&format!("{own} entries here and had {cosigned}"), "older copy", "tumar restore"] {
            assert!(said.contains(word), "{party} does not say {word}: {said}");
        }
        let told = format!("node {party} has {own} entries");
        let heard = async {
            while ![party.next(), party.prev()].iter().any(|&other| nodes.files.said(other).contains(&told)) {
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(Duration::from_mins(1), heard).await.unwrap_or_else(|_| panic!("no peer says: {told}"));
        assert_eq!(entries(&nodes.files.node(party)).len() as u64, own, "nothing was written");
        // The newest one put back, all is well.
        fs::remove_dir_all(&data).unwrap();
        fs::rename(&newest, &data).unwrap();
        nodes.again(party);
        nodes.client().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_an_older_store_that_reaches_nobody_waits_and_does_not_serve() {
    let mut nodes = Nodes::start();
    nodes.enrol("c-1").await;
    for party in Party::ALL {
        assert_eq!(nodes.stop(party), Some(0));
    }
    nodes.again(Party::A);
    let up = async {
        loop {
            let error = nodes.files.client().await.expect_err("it served alone");
            if error.reason() == "COMMITTEE_INCOMPLETE" {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_mins(1), up).await.expect("it is there, and does not serve");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_beside_what_is_newer_or_without_its_volume_ends_with_5_and_leaves_no_store() {
    let mut nodes = Nodes::start();
    nodes.enrol("c-1").await;
    let party = Party::B;
    nodes.cosigned_beyond(party, 0).await;
    let folder = nodes.files.node(party);
    assert_eq!(nodes.stop(party), Some(0));
    let [data, away] = ["data", "away"].map(|name| folder.join(name));
    fs::rename(&data, &away).unwrap();
    // The volume is not mounted: peers remember.
    nodes.again(party);
    assert_eq!(nodes.ended(party).await, Some(5));
    let said = nodes.files.said(party);
    assert!(said.contains("the store is empty: is the volume of data mounted?"), "{said}");
    assert!(!data.join("store.sqlite").exists() && !data.join("log").exists(), "what the start made is left");
    // The log is there, and the store is not.
    fs::remove_dir_all(&data).unwrap();
    copy(&away, &data);
    for name in ["store.sqlite", "store.sqlite-wal", "store.sqlite-shm"] {
        drop(fs::remove_file(data.join(name)));
    }
    nodes.again(party);
    assert_eq!(nodes.ended(party).await, Some(5));
    let said = nodes.files.said(party);
    assert!(said.contains("store.sqlite is not there") && said.contains("holds a published log"), "{said}");
    assert!(!data.join("store.sqlite").exists());
    // A store that is older than the log beside it.
    let spare = nodes.files.path("spare");
    fs::rename(data.join("log"), &spare).unwrap();
    for other in [party.next(), party.prev()] {
        assert_eq!(nodes.stop(other), Some(0));
    }
    nodes.again(party);
    let made = async {
        while !data.join("log").exists() {
            sleep(Duration::from_millis(50)).await;
        }
        sleep(Duration::from_millis(300)).await;
    };
    timeout(Duration::from_mins(1), made).await.expect("it makes a store");
    assert_eq!(nodes.stop(party), Some(0));
    fs::remove_dir_all(data.join("log")).unwrap();
    fs::rename(&spare, data.join("log")).unwrap();
    nodes.again(party);
    assert_eq!(nodes.ended(party).await, Some(5));
    let said = nodes.files.said(party);
    assert!(said.contains("the store holds 0"), "{said}");
}

#[test]
fn a_restore_says_what_of_its_arguments_is_not_there() {
    let files = Files::new();
    let node = files.node(Party::B).join("node.toml");
    let refused = |from: &Path, log: &Path| {
        let mut restore = Command::new(env!("CARGO_BIN_EXE_tumar"));
        restore.arg("restore").arg("--config").arg(&node).arg("--from").arg(from).arg("--log").arg(log);
        let output = restore.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let [missing, empty] = ["none", "empty"].map(|name| files.path(name));
    fs::create_dir(&empty).unwrap();
    for (from, log, words) in [
        (&missing, &empty, "none: No such file"),
        (&empty, &missing, "none: No such file"),
        (&empty, &empty, "no folder of a half-year"),
    ] {
        let (code, why) = refused(from, log);
        assert!(code == Some(2) && why.contains(words), "{code:?}: {why}");
    }
}

/// The commands below a heading of the document.
fn commands(heading: &str) -> Vec<String> {
    let text = include_str!("../../docs/backup.md");
    let section = text.split("\n## ").find(|section| section.starts_with(heading)).unwrap();
    section.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

/// Nothing is wrong or was not seen, but for what no check can ask.
fn is_well(looked: &str) -> bool {
    looked.lines().all(|line| line.starts_with("ok") || line.starts_with("unseen terms"))
}

/// A certificate of an authority, in a folder of keys.
fn authority(keys: &Path) {
    let mut params = rcgen::CertificateParams::new(vec!["node-b.tumar.internal".to_owned()]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    fs::write(keys.join("peer.crt"), params.self_signed(&key).unwrap().pem()).unwrap();
    fs::write(keys.join("peer.key"), key.serialize_pem()).unwrap();
}

/// A certificate for clients that has expired, in a folder of keys.
fn outlived(keys: &Path) {
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2020, 1, 2);
    let key = rcgen::KeyPair::generate().unwrap();
    fs::write(keys.join("tls.crt"), params.self_signed(&key).unwrap().pem()).unwrap();
    fs::write(keys.join("tls.key"), key.serialize_pem()).unwrap();
}

/// The first peer's identity for the second as well.
fn pin_twice(file: &Path) {
    let mut config: toml::Table = fs::read_to_string(file).unwrap().parse().unwrap();
    let peers = config["peers"].as_array_mut().unwrap();
    peers.sort_by_key(|peer| std::cmp::Reverse(peer["party"].as_str().map(str::to_owned)));
    let first = peers[0]["identity"].clone();
    peers[1].as_table_mut().unwrap().insert("identity".to_owned(), first);
    fs::write(file, toml::to_string(&config).unwrap()).unwrap();
}

/// Where an operator has things.
struct Desk {
    names: Vec<(&'static str, PathBuf)>,
}

impl Desk {
    fn new(nodes: &Nodes, party: Party, round: usize) -> Self {
        let at = |name: &str| nodes.files.path(&format!("{name}-{party}-{round}"));
        let names = vec![
            ("NODE", nodes.files.node(party)),
            ("BACKUP", at("backup")),
            ("KEYS", at("keys")),
            ("MIRROR", at("mirror")),
        ];
        Self { names }
    }

    fn at(&self, name: &str) -> &Path {
        &self.names.iter().find(|(of, _)| *of == name).unwrap().1
    }

    fn run(&self, command: &str) -> Output {
        let bin = Path::new(env!("CARGO_BIN_EXE_tumar")).parent().unwrap();
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let mut shell = Command::new("bash");
        shell.args(["-euc", command]).env("PATH", path).env("NO_COLOR", "1");
        shell.envs(self.names.iter().map(|(name, path)| (*name, path))).output().unwrap()
    }

    /// What it prints; it must end well.
    fn does(&self, command: &str) -> String {
        let output = self.run(command);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{command}: {}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }

    /// Why it refuses, with its exit code.
    fn refused(&self, command: &str) -> (Option<i32>, String) {
        let output = self.run(command);
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_store_is_put_back_by_the_document_word_by_word_twice() {
    let mut nodes = Nodes::start();
    nodes.enrol("c-1").await;
    for (round, party) in [Party::C, Party::C, Party::A].into_iter().enumerate() {
        let gone = format!("gone-{round}");
        nodes.enrol(&gone).await;
        let desk = Desk::new(&nodes, party, round);
        for command in commands("Make a backup") {
            assert!(desk.does(&command).contains("Wrote"));
        }
        assert!(!desk.at("BACKUP").join("keys").exists() && desk.at("KEYS").join("store.key").is_file());
        // What is not in the backup: comparisons, and somebody who is erased. Two entries of before may be published late.
        let published = entries(&nodes.files.node(party)).len() as u64;
        for _ in 0..3 {
            assert!(nodes.verify("c-1").await.unwrap());
        }
        let token = nodes.files.token("erasure", Method::Erase);
        nodes.client().await.erase(&token, &target(&gone, "erasure")).await.unwrap();
        nodes.cosigned_beyond(party, published + 4).await;
        let folder = nodes.files.node(party);
        // Nothing is moved or restored under a node that runs.
        let [away, restore, check, accept] = commands("Put a backup back").try_into().unwrap();
        let (code, why) = desk.refused(&away);
        assert!(code == Some(1) && why.contains("the node is running: stop it first"), "{code:?}: {why}");
        let (code, why) = desk.refused(&restore);
        assert!(code == Some(2) && why.contains(&format!("node {party} of dev is running on")), "{code:?}: {why}");
        assert!(folder.join("data/store.sqlite").exists());
        assert_eq!(nodes.stop(party), Some(0));
        let size = entries(&folder).len() as u64;
        copy(&folder.join("data/log"), desk.at("MIRROR"));
        // The disk is lost, but for a store that is damaged.
        fs::remove_dir_all(folder.join("data/log")).unwrap();
        fs::remove_dir_all(folder.join("data/witness")).unwrap();
        fs::create_dir(folder.join("data/log.old")).unwrap();
        assert!(accept.contains("--accept-store"));
        let (code, why) = desk.refused(&restore);
        assert!(code == Some(2) && why.contains("a store exists here and is not overwritten"), "{code:?}: {why}");
        desk.does(&away);
        let half = fs::read_dir(desk.at("MIRROR")).unwrap().map(|half| half.unwrap().path()).max().unwrap();
        let (entries_of, aside) = (half.join("tile/entries"), half.join("aside"));
        let (code, why) = desk.refused(&restore.replace("--log \"${MIRROR:?}\"", ""));
        let last = format!("to {} of the log of", nodes.cosigned(party, party.next()) - 1);
        assert!(code == Some(5) && why.contains(&last) && why.contains("--log DIR"), "{code:?}: {why}");
        fs::rename(&entries_of, &aside).unwrap();
        let (code, why) = desk.refused(&restore);
        assert!(
            code == Some(2) && why.contains("has hashes but no entries: fetch the mirror with a token"),
            "{code:?}: {why}"
        );
        fs::rename(&aside, &entries_of).unwrap();
        let other = nodes.files.node(party.next()).join("keys/log.pk8");
        let (key, own) = (folder.join("keys/log.pk8"), fs::read(folder.join("keys/log.pk8")).unwrap());
        fs::write(&key, fs::read(other).unwrap()).unwrap();
        let (code, why) = desk.refused(&restore);
        assert!(code == Some(5) && why.contains("is log.pk8 the right file?"), "{code:?}: {why}");
        fs::write(&key, own).unwrap();
        assert!(!folder.join("data/store.sqlite").exists(), "nothing was restored");
        let told = desk.does(&restore);
        assert!(told.contains("1 person was erased"), "{told}");
        let looked = desk.does(&check);
        assert!(is_well(&looked), "{looked}");
        assert!(looked.contains("the log continues what it cosigned"), "{looked}");
        nodes.again(party);
        assert!(nodes.verify("c-1").await.unwrap());
        assert_eq!(nodes.verify(&gone).await.unwrap_err().reason(), "SUBJECT_UNKNOWN");
        assert!(entries(&folder).len() as u64 >= size, "nothing of the log is lost");
        let kept = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path());
        let saved: Vec<_> = kept.filter(|path| path.to_string_lossy().contains("/lost.")).collect();
        assert_eq!(saved.len(), if round == 1 { 2 } else { 1 }, "what was there before is kept each time");
        assert!(saved.iter().all(|path| path.join("store.sqlite").is_file() && path.join("log.old").is_dir()));
    }
    for party in Party::ALL {
        assert_eq!(nodes.stop(party), Some(0));
    }
    let [a, b, c] = Party::ALL.map(|party| entries(&nodes.files.node(party)).len());
    assert!(a > 0 && b > 0 && c > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_enrolled_since_a_backup_is_missed_until_the_operator_says_that_it_is_lost() {
    let mut nodes = Nodes::start();
    nodes.enrol("c-1").await;
    let party = Party::B;
    let desk = Desk::new(&nodes, party, 0);
    let [backup, _] = commands("Make a backup").try_into().unwrap();
    desk.does(&backup);
    nodes.enrol("c-2").await;
    assert_eq!(nodes.stop(party), Some(0));
    copy(&nodes.files.node(party).join("data/log"), desk.at("MIRROR"));
    let [away, restore, _, _] = commands("Put a backup back").try_into().unwrap();
    desk.does(&away);
    let told = desk.does(&restore);
    assert!(told.contains("1 enrolment is newer") && told.contains("--accept-store"), "{told}");
    nodes.again(party);
    for subject in ["c-1", "c-2"] {
        let refused = nodes.verify(subject).await.unwrap_err();
        assert_eq!(
            (refused.reason(), refused.refusal().unwrap().node),
            ("NODES_OUT_OF_STEP", Some(party)),
            "{subject}"
        );
    }
    assert_eq!(nodes.stop(party), Some(0));
    nodes.processes[party.index()] = Some(nodes.files.spawn_with(party, &["--accept-store"]));
    let served = async { while nodes.verify("c-1").await.is_err() {} };
    timeout(Duration::from_mins(1), served).await.expect("the store is taken as it is");
    assert_eq!(nodes.verify("c-2").await.unwrap_err().reason(), "SUBJECT_UNKNOWN");
    let token = nodes.files.token("enrolment", Method::Enroll);
    let client = nodes.client().await;
    let there = client.enroll(&token, &target("c-2", "enrolment"), &[face_of(&face())]).await.unwrap_err();
    assert_eq!(there.reason(), "SUBJECT_EXISTS");
    let token = nodes.files.token("erasure", Method::Erase);
    let certificate = nodes.client().await.erase(&token, &target("c-2", "erasure")).await.unwrap();
    assert_eq!(certificate.had_none(), [party]);
    nodes.enrol("c-2").await;
    assert!(nodes.verify("c-2").await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn three_lost_stores_are_restored_by_the_document() {
    let mut nodes = Nodes::start();
    nodes.enrol("c-1").await;
    let desks = Party::ALL.map(|party| Desk::new(&nodes, party, 0));
    let [backup, _] = commands("Make a backup").try_into().unwrap();
    // At three times: c-2 is in the backups of B and C, c-3 in that of C, and c-4 in none.
    for (desk, subject) in desks.iter().zip(["c-2", "c-3", "c-4"]) {
        desk.does(&backup);
        nodes.enrol(subject).await;
    }
    for party in Party::ALL {
        assert_eq!(nodes.stop(party), Some(0));
    }
    for (desk, party) in desks.iter().zip(Party::ALL) {
        let data = nodes.files.node(party).join("data");
        copy(&data.join("log"), desk.at("MIRROR"));
        fs::remove_dir_all(data).unwrap();
    }
    let [away, restore, _, _] = commands("Put a backup back").try_into().unwrap();
    let [all, accept] = commands("When all three stores are lost").try_into().unwrap();
    assert!(accept.contains("--accept-store"));
    for desk in &desks {
        desk.does(&away);
        let (code, why) = desk.refused(&restore);
        assert!(code == Some(4) && why.contains("by --checkpoint"), "{code:?}: {why}");
        let half = fs::read_dir(desk.at("MIRROR")).unwrap().map(|half| half.unwrap().path()).max().unwrap();
        let newest = half.join("checkpoint").display().to_string();
        let told = desk.does(&all.replace("${CHECKPOINT:?}", &newest));
        assert!(told.contains("No peer was asked"), "{told}");
    }
    for party in Party::ALL {
        nodes.processes[party.index()] = Some(nodes.files.spawn_with(party, &["--accept-store"]));
    }
    let served = async { while nodes.verify("c-1").await.is_err() {} };
    timeout(Duration::from_mins(1), served).await.expect("the three stores are taken as they are");
    let client = nodes.client().await;
    for subject in ["c-2", "c-3", "c-4"] {
        assert_eq!(nodes.verify(subject).await.unwrap_err().reason(), "SUBJECT_UNKNOWN", "{subject}");
        if subject != "c-4" {
            let token = nodes.files.token("enrolment", Method::Enroll);
            let there = client.enroll(&token, &target(subject, "enrolment"), &[face_of(&face())]).await.unwrap_err();
            assert_eq!(there.reason(), "SUBJECT_EXISTS", "{subject}");
            let token = nodes.files.token("erasure", Method::Erase);
            client.erase(&token, &target(subject, "erasure")).await.unwrap();
        }
        nodes.enrol(subject).await;
        assert!(nodes.verify(subject).await.unwrap(), "{subject}");
    }
}

/// The key that a node's log is verified with, by its own key file.
fn log_key(nodes: &Nodes, party: Party) -> String {
    let key = SigningKey::from_pkcs8(&fs::read(nodes.files.node(party).join("keys/log.pk8")).unwrap()).unwrap();
    VerifierKey::new(log_name(&"dev".parse().unwrap(), party), key.public()).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_can_not_be_continued_is_begun_anew_with_the_people_of_a_backup() {
    let mut nodes = Nodes::start();
    for subject in ["c-1", "gone"] {
        nodes.enrol(subject).await;
    }
    let party = Party::B;
    let desk = Desk::new(&nodes, party, 0);
    let [backup, _] = commands("Make a backup").try_into().unwrap();
    desk.does(&backup);
    let published = entries(&nodes.files.node(party)).len() as u64;
    nodes.enrol("c-2").await;
    let token = nodes.files.token("erasure", Method::Erase);
    nodes.client().await.erase(&token, &target("gone", "erasure")).await.unwrap();
    nodes.cosigned_beyond(party, published + 2).await;
    let (folder, before) = (nodes.files.node(party), log_key(&nodes, party));
    assert_eq!(nodes.stop(party), Some(0));
    fs::remove_dir_all(folder.join("data")).unwrap();
    let [away, restore, _, _] = commands("Put a backup back").try_into().unwrap();
    desk.does(&away);
    let (code, why) = desk.refused(&restore.replace("--log \"${MIRROR:?}\"", ""));
    assert!(code == Some(5) && why.contains("by node A they were cosigned"), "{code:?}: {why}");
    // Under the old key it would be a fork.
    let [anew] = commands("When the log can not be continued").try_into().unwrap();
    let last = anew.lines().find(|line| line.contains("--new-log")).unwrap();
    let (code, why) = desk.refused(last);
    assert!(code == Some(2) && why.contains("log.pk8: this key signed the log that was"), "{code:?}: {why}");
    assert!(!folder.join("data/store.sqlite").exists());
    assert!(desk.does(&anew).contains("the node begins a new one"));
    // The others pin it, and keep what they cosigned of the old one.
    let key = log_key(&nodes, party);
    assert_ne!(key, before);
    let mut pinned = vec![nodes.files.path("client/client.toml")];
    for other in [party.next(), party.prev()] {
        assert_eq!(nodes.stop(other), Some(0));
        let cosigned = nodes.files.node(other).join("data/witness/log-log.b.dev.tumar.internal");
        fs::rename(&cosigned, cosigned.with_file_name("ended-log.b.dev.tumar.internal")).unwrap();
        pinned.push(nodes.files.node(other).join("node.toml"));
    }
    for file in pinned {
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains(&before), "{}", file.display());
        fs::write(&file, text.replace(&before, &key)).unwrap();
    }
    for other in [party.next(), party.prev()] {
        nodes.again(other);
    }
    nodes.processes[party.index()] = Some(nodes.files.spawn_with(party, &["--accept-store"]));
    let served = async { while nodes.verify("c-1").await.is_err() {} };
    timeout(Duration::from_mins(1), served).await.expect("the people of the backup are there");
    assert_eq!(nodes.verify("c-2").await.unwrap_err().reason(), "SUBJECT_UNKNOWN");
    assert_eq!(nodes.verify("gone").await.unwrap_err().reason(), "SUBJECT_UNKNOWN");
    let token = nodes.files.token("erasure", Method::Erase);
    let certificate = nodes.client().await.erase(&token, &target("gone", "erasure")).await.unwrap();
    assert_eq!(certificate.had_none(), [Party::A, Party::C]);
    nodes.cosigned_beyond(party, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_says_what_is_wrong_and_what_to_do() {
    let mut nodes = Nodes::start();
    nodes.enrol("c-1").await;
    let party = Party::B;
    let desk = Desk::new(&nodes, party, 0);
    let [check] = commands("Look at a node").try_into().unwrap();
    // Beside a running node nothing is opened that it has.
    let looked = desk.does(&check);
    assert!(looked.contains("in use by a running node, not checked"), "{looked}");
    // What the peers have not cosigned yet they do not miss.
    let log = nodes.files.node(party).join("data/log");
    let cosigned = async {
        let checkpoint = |half: fs::DirEntry| fs::read_to_string(half.path().join("checkpoint")).ok();
        let is_whole = |note: String| note.lines().filter(|line| line.starts_with('\u{2014}')).count() == 3;
        while !fs::read_dir(&log).unwrap().filter_map(|half| checkpoint(half.unwrap())).any(is_whole) {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_mins(1), cosigned).await.expect("both peers cosign it");
    assert_eq!(nodes.stop(party), Some(0));
    let looked = desk.does(&check);
    assert!(is_well(&looked) && looked.contains("1 person"), "{looked}");
    let wrong = |name: &str, damage: &dyn Fn(&Path), code: i32, words: &[&str]| {
        let (file, aside) = (nodes.files.node(party).join(name), nodes.files.path("aside"));
        copy(&file, &aside);
        damage(&file);
        let output = desk.run(&check);
        let looked = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(code), "{name}: {looked}");
        let told = looked.lines().find(|line| line.starts_with("WRONG")).unwrap_or_else(|| panic!("{name}: {looked}"));
        assert!(words.iter().all(|word| told.contains(word)), "{name}: {told}");
        if file.is_dir() {
            fs::remove_dir_all(&file).unwrap();
        } else {
            drop(fs::remove_file(&file));
        }
        fs::rename(&aside, &file).unwrap();
    };
    let gone = |file: &Path| fs::remove_file(file).unwrap();
    let junk = |file: &Path| fs::write(file, "junk").unwrap();
    wrong("node.toml", &junk, 2, &["configuration", "node.toml", "correct the named file"]);
    let config = nodes.files.node(party).join("node.toml");
    let aside = fs::read_to_string(&config).unwrap();
    let shared = nodes.files.node(Party::C).join("data");
    let line = aside.lines().find(|line| line.starts_with("data = ")).unwrap();
    fs::write(&config, aside.replace(line, &format!("data = \"{}\"", shared.display()))).unwrap();
    let looked = String::from_utf8(desk.run(&check).stdout).unwrap();
    assert!(
        looked.contains("WRONG  data: ") && looked.contains("in use by node C of dev, which is running"),
        "{looked}"
    );
    assert!(!looked.contains("addresses: in use"), "{looked}");
    fs::write(&config, &aside).unwrap();
    wrong(
        "data/log",
        &|file| {
            fs::remove_dir_all(file).unwrap();
            junk(file);
        },
        2,
        &["data/log", "no folder"],
    );
    // A backup that can not be made leaves nothing in the way of the next one.
    let [backup, _] = commands("Make a backup").try_into().unwrap();
    let (log, kept) = (nodes.files.node(party).join("data/log"), nodes.files.path("kept-log"));
    fs::rename(&log, &kept).unwrap();
    fs::write(&log, "junk").unwrap();
    let (code, why) = desk.refused(&backup);
    assert!(code == Some(2) && why.contains("data/log") && !desk.at("BACKUP").exists(), "{code:?}: {why}");
    fs::remove_file(&log).unwrap();
    fs::rename(&kept, &log).unwrap();
    wrong("keys/store.key", &gone, 2, &["keys", "store.key"]);
    wrong("keys/store.key", &|file| fs::write(file, [7; 32]).unwrap(), 2, &["store", "store.sqlite", "store.key"]);
    wrong("keys/peer.crt", &junk, 2, &["keys", "peer.crt"]);
    wrong("data/store.sqlite", &gone, 5, &["store", "published log", "volume", "backup"]);
    let emptied = |file: &Path| {
        fs::remove_dir_all(file).unwrap();
        fs::create_dir(file).unwrap();
    };
    wrong("data", &emptied, 5, &["peer A", "0 entries here", "is the volume of data mounted?"]);
    let others = |name: &'static str| {
        let from = nodes.files.node(Party::A).join(name);
        move |file: &Path| fs::write(file, fs::read(&from).unwrap()).unwrap()
    };
    for name in ["keys/identity.pk8", "keys/log.pk8", "keys/witness.pk8"] {
        wrong(name, &others(name), 2, &["keys", &name[5..], "is node A's"]);
    }
    let readable = |file: &Path| fs::set_permissions(file, fs::Permissions::from_mode(0o644)).unwrap();
    wrong("keys/peer.key", &readable, 2, &["keys", "peer.key", "chmod 600"]);
    wrong("keys", &outlived, 2, &["keys", "tls.crt", "clients and auditors refuse it", "has expired"]);
    wrong("keys", &authority, 2, &["keys", "peer.crt", "CA:TRUE", "CA:FALSE"]);
    wrong("node.toml", &|file| pin_twice(file), 2, &["keys", "the same identity.pk8 for node C and node A"]);
    let looked = desk.does(&check);
    assert!(is_well(&looked), "all is as it was: {looked}");
    nodes.stop(Party::C);
    let output = desk.run(&check);
    assert_eq!(output.status.code(), Some(4));
    assert!(String::from_utf8(output.stdout).unwrap().contains("unseen peer C"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_tries_the_stores_key_before_anybody_is_enrolled_and_says_with_whom_nothing_is_compared() {
    let mut nodes = Nodes::start();
    nodes.client().await;
    let party = Party::C;
    assert_eq!(nodes.stop(party), Some(0));
    let desk = Desk::new(&nodes, party, 0);
    let [check] = commands("Look at a node").try_into().unwrap();
    let (key, config) = (nodes.files.node(party).join("keys/store.key"), nodes.files.node(party).join("node.toml"));
    let own = fs::read(&key).unwrap();
    fs::write(&key, [7; 32]).unwrap();
    let output = desk.run(&check);
    let looked = String::from_utf8(output.stdout).unwrap();
    let told = looked.lines().find(|line| line.starts_with("WRONG")).unwrap_or_else(|| panic!("{looked}"));
    assert!(output.status.code() == Some(2) && told.contains("store: ") && told.contains("store.key"), "{told}");
    fs::write(&key, own).unwrap();
    assert!(is_well(&desk.does(&check)));
    let mut table: toml::Table = fs::read_to_string(&config).unwrap().parse().unwrap();
    table.remove("audit");
    for peer in table["peers"].as_array_mut().unwrap() {
        peer.as_table_mut().unwrap().remove("audit");
    }
    fs::write(&config, toml::to_string(&table).unwrap()).unwrap();
    let looked = desk.does(&check);
    for peer in ["A", "B"] {
        let line =
            format!("unseen peer {peer}: it answers; without [peers.audit] in node.toml the log is not compared");
        assert!(looked.contains(&line), "{looked}");
    }
}
