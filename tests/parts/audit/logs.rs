//! Three logs that are made up, line by line, so that a test can change any line before they are written; the real writer writes them,
//! and real keys sign and cosign.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tumar::audit::pins::NodePin;
use tumar::audit::{Audit, Finding, Mirror, Pins, Rule};
use tumar::log::cosign::{self, Cosigner, witness_name};
use tumar::log::entry::{Draft, Event, Minute, blinded_handle};
use tumar::log::merkle::{Tree, leaf_hash};
use tumar::log::note::{Checkpoint, NoteSigner, SigningKey, VerifierKey, log_name};
use tumar::log::shard::Shard;
use tumar::log::tiles::Writer;
use tumar::name::Modality;
use tumar::party::Party;
use tumar::reason::Reason;
use tumar::request::Method;
use tumar::token::Evidence;
use tumar::token::jws::sha256;
use tumar::token::policy::DEFAULT;
use tumar::token::purpose::AccessRecord;

/// 2026-11-23 00:00 UTC.
pub const START: u64 = 1_795_392_000;

/// The half that it lies in.
pub const HALF: &str = "2026h2";

pub const REASON: Reason = Reason::PeerLost;

/// An entry that is not written yet.
#[derive(Clone, Debug)]
pub struct Line {
    pub record: AccessRecord,
    pub rq: [u8; 32],
    pub at: u64,
    pub event: Event,
    /// The person's key at this node and the use's counter; noise without.
    pub person: Option<([u8; 32], u64)>,
    /// Instead of all that.
    pub raw: Option<Vec<u8>>,
}

impl Line {
    pub fn bytes(&self, party: Party, index: u64) -> Vec<u8> {
        if let Some(raw) = &self.raw {
            return raw.clone();
        }
        let noise = sha256(format!("{party} {index} {} noise", self.at).as_bytes());
        let salt = *sha256(format!("{party} {index} {} salt", self.at).as_bytes()).first_chunk().unwrap();
        let handle = self.person.map_or(noise, |(key, counter)| blinded_handle(&key, counter));
        Draft::new(&self.record, self.rq, salt, Minute::of(self.at), self.event.clone()).finish(handle)
    }
}

/// One use as it should be.
pub fn record(purpose: &str, method: Method) -> AccessRecord {
    AccessRecord {
        relying_party: "banks/b17".parse().unwrap(),
        gallery: "banks/b17/customers".parse().unwrap(),
        subject: None,
        purpose: purpose.parse().unwrap(),
        method,
        modalities: match method.action() {
            "verify" | "search" | "enroll" => vec![Modality::Face],
            _ => Vec::new(),
        },
        evidence: Arc::new(Evidence::new("token".to_owned(), "proof".to_owned(), Vec::new())),
        approvals: if method == Method::Search { 2 } else { 0 },
        policy: sha256(DEFAULT.as_bytes()),
    }
}

pub fn rq(number: u64) -> [u8; 32] {
    sha256(&number.to_be_bytes())
}

/// The three logs of half a year.
#[derive(Clone, Debug)]
pub struct Logs {
    pub lines: [Vec<Line>; 3],
    pub half: Shard,
}

impl Logs {
    pub fn empty() -> Self {
        Self { lines: [const { Vec::new() }; 3], half: HALF.parse().unwrap() }
    }

    /// So many cash withdrawals, one each second, admitted and completed in all three logs: request `k` is at `2k` and `2k + 1`.
    pub fn of(requests: u64) -> Self {
        let mut logs = Self::empty();
        for number in 0..requests {
            logs.request(number, START + number, &record("cash_withdrawal", Method::Verify));
        }
        logs
    }

    pub fn push(&mut self, number: u64, at: u64, record: &AccessRecord, event: &Event) {
        for lines in &mut self.lines {
            let (record, event) = (record.clone(), event.clone());
            lines.push(Line { record, rq: rq(number), at, event, person: None, raw: None });
        }
    }

    pub fn request(&mut self, number: u64, at: u64, record: &AccessRecord) {
        self.push(number, at, record, &Event::Admitted);
        self.push(number, at, record, &Event::Completed);
    }

    pub fn at(&mut self, party: Party) -> &mut Vec<Line> {
        &mut self.lines[party.index()]
    }

    /// A later request, so that none before it is pending.
    pub fn later(mut self) -> Self {
        let last = self.lines.iter().flatten().map(|line| line.at).max().unwrap_or(START);
        self.request(1 << 40, last + 3000, &record("cash_withdrawal", Method::Verify));
        self
    }

    pub fn log(&self, party: Party) -> Log {
        let mut log = Log { party, half: self.half, entries: Vec::new(), tree: Tree::new() };
        for (line, index) in self.lines[party.index()].iter().zip(0..) {
            log.push(line.bytes(party, index));
        }
        log
    }

    pub fn write(&self, folder: &Path) {
        for party in Party::ALL {
            self.log(party).write(folder, 2);
        }
    }

    /// What an auditor finds in them.
    pub fn audit(&self) -> Audit {
        let folder = tempfile::tempdir().unwrap();
        self.write(folder.path());
        audit(folder.path())
    }
}

pub fn audit(folder: &Path) -> Audit {
    Audit::of(&Mirror::new(folder), &pins(), &[], &mut |_, _, _, _| {}).unwrap()
}

/// One node's log, as bytes.
#[derive(Clone, Debug)]
pub struct Log {
    pub party: Party,
    pub half: Shard,
    pub entries: Vec<Vec<u8>>,
    pub tree: Tree,
}

impl Log {
    pub fn push(&mut self, entry: Vec<u8>) {
        self.tree.push(leaf_hash(&entry));
        self.entries.push(entry);
    }

    pub fn cut(&self, size: usize) -> Self {
        let mut log = Self { entries: Vec::new(), tree: Tree::new(), ..self.clone() };
        self.entries[..size].iter().for_each(|entry| log.push(entry.clone()));
        log
    }

    pub fn size(&self) -> u64 {
        self.tree.size()
    }

    pub fn checkpoint(&self) -> Checkpoint {
        let origin = pins().node(self.party).log.of_half(self.half).name().clone();
        Checkpoint { origin, size: self.size(), root: self.tree.root(self.size()).unwrap() }
    }

    /// Signed, and cosigned by so many of the other two nodes.
    pub fn note(&self, cosigners: usize) -> String {
        let signer = NoteSigner::new(self.checkpoint().origin, log_key(self.party));
        let mut note = self.checkpoint().sign(&signer).unwrap();
        for other in Party::ALL.into_iter().filter(|other| *other != self.party).take(cosigners) {
            note = cosign::add(&note, &cosigner(other).sign(&self.checkpoint(), START)).unwrap();
        }
        note
    }

    /// Into `folder/a/2026h2`, as a node does and as a mirror has it.
    pub fn write(&self, folder: &Path, cosigners: usize) {
        let mut writer = Writer::open(&self.folder(folder)).unwrap();
        let place = |index: u64| usize::try_from(index).unwrap();
        let entries = |range: std::ops::Range<u64>| -> io::Result<_> {
            Ok(self.entries[place(range.start)..place(range.end)].to_vec())
        };
        writer.write(&self.tree, entries, &self.note(cosigners)).unwrap();
    }

    pub fn folder(&self, folder: &Path) -> std::path::PathBuf {
        folder.join(self.party.letter()).join(self.half.to_string())
    }
}

fn seed(party: Party, kind: u8) -> [u8; 32] {
    [kind * 16 + u8::try_from(party.index()).unwrap(); 32]
}

pub fn log_key(party: Party) -> SigningKey {
    SigningKey::from_seed(&seed(party, 1))
}

pub fn cosigner(party: Party) -> Cosigner {
    Cosigner::new(witness_name(&"kz-demo".parse().unwrap(), party), SigningKey::from_seed(&seed(party, 2)))
}

/// All three nodes at one site.
pub fn pins_at(urls: [&str; 3]) -> Pins {
    let deployment = "kz-demo".parse().unwrap();
    let nodes = Party::ALL.map(|party| NodePin {
        party,
        log: VerifierKey::new(log_name(&deployment, party), log_key(party).public()),
        cosigner: cosigner(party).verifier().clone(),
        url: urls[party.index()].to_owned(),
        certificate: None,
    });
    let mut pins = Pins::new(deployment, nodes, Vec::new(), 2).unwrap();
    pins.add_policy(DEFAULT).unwrap();
    pins
}

pub fn pins() -> Pins {
    pins_at(["http://127.0.0.1:9"; 3])
}

/// Node, index and rule of each.
pub fn found<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Vec<(Party, Option<u64>, Rule)> {
    findings.into_iter().map(|finding| (finding.node, finding.index, finding.rule)).collect()
}
