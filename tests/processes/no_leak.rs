//! Looks through everything that a whole run writes, but for the sealed stores: no entry has a member outside the schema, and nothing
//! names a person, a number of theirs, a terminal, a score or a byte of a template.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use crate::support::cluster::{Files, entries, face_of, now, target, template};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use tumar::client::{Client, ClientError, NodeClient, Target};
use tumar::hex::hex;
use tumar::log::entry::Entry;
use tumar::party::Party;
use tumar::request::Method;
use tumar::template::Template;

/// A handle as a careless bank would choose it: an identity number. Its prefix stands in nothing else.
const HANDLES: [&str; 3] = ["iin-860417300551", "card-4400430211223345", "atm-77-customer-Asel"];

/// Digits of which a person's or card's number consists.
const NUMBERS: [&str; 2] = ["860417300551", "4400430211223345"];

fn face(seed: u16) -> Template {
    template(&(0..512).map(|place| f32::from((place * 37 + seed * 101) % 64) - 31.5).collect::<Vec<_>>())
}

/// A node whose words are kept: everything that it can say, but for the libraries below it at their chattiest.
fn spawn(files: &Files, party: Party, to: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_tumar"))
        .args(["node", "--config"])
        .arg(files.node(party).join("node.toml"))
        .env("RUST_LOG", "debug,tumar=trace")
        .stdout(Stdio::from(fs::File::create(to.join(format!("{party}.out"))).unwrap()))
        .stderr(Stdio::from(fs::File::create(to.join(format!("{party}.err"))).unwrap()))
        .spawn()
        .unwrap()
}

async fn connected(files: &Files) -> Client {
    loop {
        if let Ok(client) = files.client().await {
            return client;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// Everything that nodes do for people, done and refused. Returns what clients were told of it.
async fn whole_run(files: &Files, client: &Client) -> Vec<String> {
    let mut told = Vec::new();
    let at = |subject: &str, purpose: &str| -> Target { target(subject, purpose) };
    let refused = |error: ClientError, why: &str| {
        assert_eq!(error.reason(), why, "{error}");
        format!("{error} {error:?}")
    };
    for (seed, subject) in (0..).zip(HANDLES) {
        let token = files.token("enrolment", Method::Enroll);
        let enrolled = client.enroll(&token, &at(subject, "enrolment"), &[face_of(&face(seed))]).await.unwrap();
        told.push(format!("{:?}", enrolled.receipts));
    }
    let nobody = "iin-nobody";
    for (seed, subject) in [(0, HANDLES[0]), (1, HANDLES[1]), (1, HANDLES[0]), (0, nobody)] {
        let token = files.token("cash_withdrawal", Method::Verify);
        let verified = client.verify(&token, &at(subject, "cash_withdrawal"), &[face_of(&face(seed))], 123_456).await;
        told.push(match verified {
            Ok(verified) => {
                assert_eq!(verified.matched, HANDLES[usize::from(seed)] == subject);
                format!("{verified:?}")
            }
            Err(error) => {
                assert_eq!(subject, nobody);
                refused(error, "SUBJECT_UNKNOWN")
            }
        });
        // For another purpose than the token's: refused, and logged.
        let other = client.verify(&token, &at(subject, "card_activation"), &[face_of(&face(seed))], 1).await;
        told.push(refused(other.unwrap_err(), "PURPOSE_NOT_GRANTED"));
    }
    let token = files.token("case_search", Method::Search);
    let searched = client.search(&token, &files.search(4), &[face_of(&face(2))], &mut |_| {}).await.unwrap();
    assert_eq!(searched.found.candidates.len(), 1);
    let one = at(HANDLES[1], "subject_lock");
    let locked = client.lock(&files.token("subject_lock", Method::Lock), &one).await.unwrap();
    told.push(format!("{locked:?}"));
    let token = files.token("cash_withdrawal", Method::Verify);
    let verified = client.verify(&token, &at(HANDLES[1], "cash_withdrawal"), &[face_of(&face(1))], 1).await;
    told.push(refused(verified.unwrap_err(), "SUBJECT_LOCKED"));
    let one = at(HANDLES[1], "subject_unlock");
    let unlocked = client.unlock(&files.token("subject_unlock", Method::Unlock), &one).await.unwrap();
    told.push(format!("{unlocked:?}"));

    let own = at(HANDLES[0], "subject_access");
    let token = files.token("subject_access", Method::Verify);
    let matched = client.verify(&token, &own, &[face_of(&face(0))], 0).await.unwrap();
    for party in Party::ALL {
        let node = NodeClient::connect(Arc::new(files.client_config()), party, now).await.unwrap();
        let token = files.token("subject_access", Method::ListUses);
        assert!(!node.list_uses(&token, &own, matched.request_id).await.unwrap().is_empty());
    }
    // The certificate is the person's own, and names them; the receipts in it do not.
    client.erase(&files.token("erasure", Method::Erase), &at(HANDLES[2], "erasure")).await.unwrap();
    let again = client.erase(&files.token("erasure", Method::Erase), &at(HANDLES[2], "erasure")).await;
    told.push(refused(again.unwrap_err(), "SUBJECT_UNKNOWN"));
    told
}

/// Every file below a folder.
fn files_below(folder: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, found);
        } else {
            found.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
}

fn holds(content: &[u8], needle: &[u8]) -> bool {
    content.windows(needle.len()).any(|window| window == needle)
}

/// Whether some word is a number of 12 digits, or of 13 to 19 that a card's could be by its check digit (ISO/IEC 7812).
fn numbers(content: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(content);
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let is_number = |word: &&str| {
        let digits: Vec<u32> = word.chars().filter_map(|c| c.to_digit(10)).collect();
        let luhn = |digits: &[u32]| {
            let doubled = |(place, digit): (usize, &u32)| match place % 2 {
                0 => *digit,
                _ => digit * 2 / 10 + digit * 2 % 10,
            };
            digits.iter().rev().enumerate().map(doubled).sum::<u32>().is_multiple_of(10)
        };
        digits.len() == word.len() && (digits.len() == 12 || ((13..=19).contains(&digits.len()) && luhn(&digits)))
    };
    words.filter(is_number).map(str::to_owned).collect()
}

/// What must stand nowhere: the words themselves, and pieces of templates as bytes, hexadecimal and base64.
fn secrets(files: &Files) -> Vec<(String, Vec<u8>)> {
    let mut secrets: Vec<(String, Vec<u8>)> =
        HANDLES.iter().chain(&NUMBERS).map(|word| ((*word).to_owned(), word.as_bytes().to_vec())).collect();
    for word in ["atm-backend", "customers", "123456", "123 456"] {
        secrets.push((word.to_owned(), word.as_bytes().to_vec()));
    }
    for seed in 0..3 {
        let packed = face(seed).pack();
        for piece in packed.chunks_exact(24).step_by(3) {
            let name = format!("template {seed}");
            secrets.push((name.clone(), piece[..12].to_vec()));
            secrets.push((name.clone(), hex(&piece[..12]).into_bytes()));
            // In the middle of a longer text, a third of which the place in it decides.
            for shift in 0..3 {
                let text = STANDARD.encode(&piece[shift..shift + 12]);
                secrets.push((name.clone(), text.into_bytes()));
            }
        }
    }
    // A key that was drawn is in no word that a node says: neither its own, nor a token's proof.
    for party in Party::ALL {
        let name = format!("store.key of {party}");
        let bytes = fs::read(files.node(party).join("keys/store.key")).unwrap();
        secrets.push((name.clone(), hex(&bytes).into_bytes()));
        secrets.push((name.clone(), URL_SAFE_NO_PAD.encode(&bytes).into_bytes()));
        secrets.push((name, bytes));
    }
    secrets
}

/// The exact score of a comparison, as text: nobody is told it.
fn scores() -> Vec<String> {
    let score = |probe: &Template, reference: &Template| {
        let nibble = |nibble: u8| if nibble < 8 { i32::from(nibble) } else { i32::from(nibble) - 16 };
        let of = |template: &Template| -> Vec<i32> {
            template.pack().iter().flat_map(|both| [nibble(both & 15), nibble(both >> 4)]).collect()
        };
        of(probe).iter().zip(of(reference)).map(|(one, other)| one * other).sum::<i32>()
    };
    [(0, 0), (1, 1), (1, 0), (2, 2)]
        .into_iter()
        .map(|(one, other)| score(&face(one), &face(other)).to_string())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_a_whole_run_writes_names_anybody() {
    let files = Files::new();
    let words = tempfile::tempdir().unwrap();
    let mut nodes = Party::ALL.map(|party| spawn(&files, party, words.path()));
    let client = connected(&files).await;
    let told = whole_run(&files, &client).await;
    // What a node serves to anybody over HTTP is in the folders of its log; and this.
    drop(client);
    for node in &mut nodes {
        let process = i32::try_from(node.id()).unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_raw(process).unwrap(), rustix::process::Signal::TERM)
            .unwrap();
        assert!(node.wait().unwrap().success());
    }

    let mut written = BTreeMap::new();
    files_below(words.path(), &mut written);
    for party in Party::ALL {
        for folder in ["data/log", "data/witness"] {
            files_below(&files.node(party).join(folder), &mut written);
        }
        let log = entries(&files.node(party));
        assert!(log.len() > 20, "a whole run leaves entries, and {} are few", log.len());
        for entry in &log {
            assert_eq!(Entry::parse(entry).unwrap().to_bytes(), *entry, "only what the schema has");
        }
    }
    for (number, text) in told.iter().enumerate() {
        written.insert(PathBuf::from(format!("told to a client, {number}")), text.clone().into_bytes());
    }
    assert!(written.keys().any(|path| path.ends_with("checkpoint")) && written.len() > 30);
    let traced = written.iter().filter(|(path, _)| path.starts_with(words.path())).map(|(_, text)| text.len());
    assert!(traced.sum::<usize>() > 10_000, "the nodes were asked to say much");
    let scores = scores();
    for (path, content) in &written {
        for (name, secret) in secrets(&files) {
            assert!(!holds(content, &secret), "{name} in {}", path.display());
        }
        let is_bytes = path.components().any(|part| part.as_os_str() == "tile");
        let text = String::from_utf8_lossy(content);
        let is_entries = path.components().any(|part| part.as_os_str() == "entries");
        if !is_bytes || is_entries {
            assert_eq!(numbers(content), Vec::<String>::new(), "{}", path.display());
        }
        if !is_bytes {
            let words: Vec<&str> = text.split(|c: char| !c.is_ascii_alphanumeric()).collect();
            for score in &scores {
                assert!(!words.contains(&score.as_str()), "a score in {}", path.display());
            }
        }
    }
}
