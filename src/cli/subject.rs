//! `tumar subject`: a person's own view of the three logs, with the key given out at enrolment.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tumar::audit::counts::time;
use tumar::audit::mirror::Use;
use tumar::audit::uses::{self, OwnUse};
use tumar::audit::{Finding, Severity, Verdict};
use tumar::client::{OwnEntry, SubjectKey};
use tumar::hex::hex;
use tumar::log::entry::{Entry, Event, Minute};
use tumar::name::{Modality, PurposeName};
use tumar::party::Party;
use tumar::request::Method;

use super::audit::Where;
use super::call::{Line, Whom};
use super::captures::{Captures, ROWS};
use super::failure::Failure;
use super::{files, print_json};

/// Arguments of `tumar subject`.
#[derive(Debug, Args)]
pub(super) struct Command {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Find a person's entries in the mirrored logs by their key, and check the proof of each
    Uses(Uses),
    /// Without the key: verify the person, and get their entries from each node
    Ask(Ask),
}

/// Arguments of `tumar subject uses`.
#[derive(Debug, Args)]
struct Uses {
    /// File with the key that was written at enrolment (`-` for standard input)
    #[arg(long)]
    key: PathBuf,
    #[command(flatten)]
    at: Where,
}

/// Arguments of `tumar subject ask`. The token allows `verify` and `list_uses`, two uses.
#[derive(Debug, Args)]
struct Ask {
    #[command(flatten)]
    whom: Whom,
    #[command(flatten)]
    captures: Captures,
    /// A purpose of the policy that allows both
    #[arg(long, default_value = "subject_access")]
    purpose: PurposeName,
}

impl Command {
    pub(super) async fn run(self, json: bool) -> Result<ExitCode, Failure> {
        match self.what {
            What::Uses(uses) => uses.run(json),
            What::Ask(ask) => ask.run(json).await,
        }
    }
}

impl Ask {
    async fn run(self, json: bool) -> Result<ExitCode, Failure> {
        let read = self.captures.read(&[ROWS])?;
        let Line { client, token, target } = self.whom.connect(self.purpose).await?;
        let verified = client.verify(&token, &target, &read.captures(), 0).await?;
        if !verified.matched {
            if json {
                print_json(&json!({ "matched": false, "uses": [] }));
            } else {
                println!("No match: no entries are shown.");
            }
            return Ok(ExitCode::FAILURE);
        }
        let mut by_request = BTreeMap::<[u8; 32], Vec<(Party, OwnEntry)>>::new();
        for party in Party::ALL {
            for own in client.node(party).await?.list_uses(&token, &target, verified.request_id).await? {
                by_request.entry(own.entry.request_digest).or_default().push((party, own));
            }
        }
        let mut requests: Vec<_> = by_request.into_values().collect();
        requests.sort_by_key(|uses| {
            let first = uses.first().map(|(_, own)| (own.place.half, own.place.index));
            (uses.iter().map(|(_, own)| own.entry.minute).min(), first)
        });
        let words = |uses: &[(Party, OwnEntry)]| {
            in_words(&uses.iter().map(|(party, own)| (*party, &own.entry)).collect::<Vec<_>>(), &[])
        };
        if json {
            let place = |(party, own): &(Party, OwnEntry)| json!({ "node": party, "half": own.place.half.to_string(), "index": own.place.index });
            let uses = requests.iter().map(|uses| {
                let places: Vec<Value> = uses.iter().map(place).collect();
                json!({ "time": uses[0].1.entry.minute.begins(), "words": words(uses), "places": places })
            });
            print_json(&json!({ "matched": true, "uses": uses.collect::<Vec<_>>() }));
        } else {
            for uses in &requests {
                println!("{}  {}", time(uses[0].1.entry.minute.begins()), words(uses));
            }
            println!("{} uses. The inclusion proof of each entry was checked.", requests.len());
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What all logs say of one request, in time.
type Requests = Vec<(Minute, [u8; 32], Vec<OwnUse>)>;

impl Uses {
    fn run(&self, json: bool) -> Result<ExitCode, Failure> {
        let (pins, mirror) = self.at.open_there()?;
        let text = zeroize::Zeroizing::new(files::read_text(&self.key)?);
        let key: SubjectKey = text.parse().map_err(|_| Failure::SubjectKey(self.key.clone()))?;
        let shared = self.at.hold(&mirror, Use::Shared)?;
        let mut looked = Looked::default();
        let mut by_request = BTreeMap::<[u8; 32], Vec<OwnUse>>::new();
        for party in Party::ALL {
            let own = uses::of(&mirror, &pins, party, &key.for_node(party)).map_err(Failure::Mirror)?;
            for used in looked.take(party, own) {
                by_request.entry(used.entry.request_digest).or_default().push(used);
            }
        }
        drop(shared);
        let mut requests: Requests = by_request
            .into_iter()
            .filter_map(|(request_digest, uses)| {
                Some((uses.iter().map(|used| used.entry.minute).min()?, request_digest, uses))
            })
            .collect();
        requests.sort_by_key(|(minute, _, uses)| (*minute, uses.first().map(|used| (used.spot.half, used.spot.index))));
        let verdict = Verdict::of(&looked.findings);
        if json {
            print_json(&json!({
                "entries": looked.entries, "verdict": verdict.as_str(), "logs": looked.logs,
                "uses": requests.iter().map(|request| to_json(request, &looked.behind(request.0))).collect::<Vec<_>>(),
                "findings": looked.findings.iter().map(Finding::to_json).collect::<Vec<_>>(),
            }));
        } else {
            looked.tell(&requests);
        }
        Ok(verdict.code().into())
    }
}

/// What was looked through, and what was not.
#[derive(Default)]
struct Looked {
    entries: u64,
    pruned: u64,
    /// Of each node that has any: how many could be read, and when they were last fetched.
    logs: Vec<Value>,
    count: usize,
    nodes: Vec<&'static str>,
    /// By node, where it is known.
    fetched: Vec<u64>,
    /// When each node's mirror was fetched, by node, if that is known.
    read_at: [Option<u64>; 3],
    findings: Vec<Finding>,
}

/// Seconds that an entry's minute lasts, and as many again for it to be published.
const PUBLISHED: u64 = 120;

impl Looked {
    /// Nodes in whose mirrored log an entry of this minute may be missing although it is in their log: the mirror is older, or lacks
    /// something.
    fn behind(&self, minute: Minute) -> Vec<Party> {
        let older = |party: &Party| self.read_at[party.index()].is_some_and(|at| at < minute.begins() + PUBLISHED);
        let lacks = |party: &Party| {
            self.findings.iter().any(|finding| finding.node == *party && finding.severity > Severity::Warning)
        };
        Party::ALL.into_iter().filter(|party| older(party) || lacks(party)).collect()
    }

    fn take(&mut self, party: Party, own: uses::OwnUses) -> Vec<OwnUse> {
        self.entries += own.entries;
        self.pruned += own.pruned;
        self.count += own.logs;
        self.fetched.extend(own.fetched);
        self.read_at[party.index()] = own.fetched;
        self.findings.extend(own.findings);
        if own.logs > 0 {
            self.nodes.push(party.as_str());
            self.logs.push(json!({
                "node": party, "logs": own.logs, "entries": own.entries, "pruned": own.pruned, "fetched": own.fetched,
            }));
        }
        own.uses
    }

    fn tell(&self, requests: &Requests) {
        for (minute, _, uses) in requests {
            println!("{}  {}", time(minute.begins()), in_words(&entries_of(uses), &self.behind(*minute)));
            let places: Vec<String> =
                uses.iter().map(|used| format!("{} {}", used.spot.node, used.spot.index)).collect();
            println!("                  proven: {}", places.join(", "));
        }
        let plural = |count| if count == 1 { "" } else { "s" };
        let nodes = if self.nodes.is_empty() { "none".to_owned() } else { self.nodes.join(", ") };
        let fetched = self.fetched.iter().min().map(|&at| format!(", fetched at {} UTC", time(at))).unwrap_or_default();
        println!(
            "{} use{} among {} entries of {} log{}: of {nodes}{fetched}.",
            requests.len(),
            plural(requests.len()),
            self.entries,
            self.count,
            plural(self.count),
        );
        if self.pruned > 0 {
            println!("{} older entries are no longer served, and were not searched.", self.pruned);
        }
        if !requests.is_empty() {
            println!("The inclusion proof of each entry was checked (node, entry).");
        }
        for finding in self.findings.iter().filter(|finding| finding.severity > Severity::Warning) {
            eprintln!("tumar: uses may be missing: {finding}");
        }
    }
}

fn to_json((minute, request_digest, uses): &(Minute, [u8; 32], Vec<OwnUse>), behind: &[Party]) -> Value {
    let place = |used: &OwnUse| {
        json!({
            "node": used.spot.node.as_str(), "half": used.spot.half.to_string(), "index": used.spot.index,
            "entry": String::from_utf8_lossy(&used.bytes),
            "proof": used.proof.iter().map(|hash| hex(hash)).collect::<Vec<_>>(),
            "size": used.checkpoint.size, "root": hex(&used.checkpoint.root),
        })
    };
    json!({
        "time": minute.begins(), "rq": hex(request_digest), "words": in_words(&entries_of(uses), behind),
        "relying_party": uses[0].entry.relying_party, "purpose": uses[0].entry.purpose,
        "action": uses[0].entry.action.action(), "places": uses.iter().map(place).collect::<Vec<_>>(),
    })
}

fn entries_of(uses: &[OwnUse]) -> Vec<(Party, &Entry)> {
    uses.iter().map(|used| (used.spot.node, &used.entry)).collect()
}

/// Who did what, and what for; and in how many logs it stands, if that is not all three. The mirrors of the nodes `behind` may not have
/// it yet.
fn in_words(uses: &[(Party, &Entry)], behind: &[Party]) -> String {
    let Entry { relying_party, purpose, modalities, action, .. } = uses[0].1;
    let of = match (modalities.contains(&Modality::Face), modalities.contains(&Modality::Finger)) {
        (true, true) => "face and finger",
        (true, false) => "face",
        (false, true) => "finger",
        (false, false) => "data",
    };
    let event = |wanted: fn(&Event) -> bool| uses.iter().map(|(_, entry)| &entry.event).find(|event| wanted(event));
    let is_named = event(|event| *event == Event::Candidate).is_some();
    let what = if is_named {
        format!("searched a gallery by a {of} and was given your handle as a possible match")
    } else {
        match action {
            Method::Enroll => format!("enrolled your {of}"),
            Method::Verify => format!("verified your {of}"),
            Method::Erase => "erased your references".to_owned(),
            Method::Lock => "locked your references".to_owned(),
            Method::Unlock => "unlocked your references".to_owned(),
            Method::ListUses => "asked for your list of uses".to_owned(),
            Method::OpenEvidence => "opened the evidence of a use".to_owned(),
            Method::Search | Method::ReadLog => format!("asked for {}", action.action()),
        }
    };
    let end = if is_named {
        // The search has an end of its own, which is about nobody.
        String::new()
    } else if event(|event| *event == Event::Completed).is_some() {
        ": answered".to_owned()
    } else if let Some(Event::Denied(reason)) = event(|event| matches!(event, Event::Denied(_))) {
        format!(": refused, {}", reason.as_str())
    } else if let Some(Event::Failed(reason)) = event(|event| matches!(event, Event::Failed(_))) {
        format!(": failed, {}", reason.as_str())
    } else if let Some(Event::Again(count)) = event(|event| matches!(event, Event::Again(_))) {
        // Its other entries may be older than the logs go back.
        format!(": its answer was given again ({count})")
    } else {
        ": not ended yet".to_owned()
    };
    // A refusal is written by the node that refuses, and by no other.
    let is_refusal = uses.iter().all(|(_, entry)| matches!(entry.event, Event::Denied(_)));
    let is_asked = matches!(action, Method::ListUses | Method::OpenEvidence);
    let only = where_it_is(uses, if is_refusal { Some("by") } else { is_asked.then_some("asked of") }, behind);
    format!("{relying_party} {what}, for {purpose}{end}{only}")
}

/// In which logs it stands, if that is not all three.
fn where_it_is(uses: &[(Party, &Entry)], of_one: Option<&str>, behind: &[Party]) -> String {
    let and = |parties: &[Party]| parties.iter().map(|party| party.as_str()).collect::<Vec<_>>().join(" and ");
    let (there, absent): (Vec<Party>, Vec<Party>) =
        Party::ALL.into_iter().partition(|party| uses.iter().any(|(node, _)| node == party));
    let (unseen, without): (Vec<Party>, Vec<Party>) = absent.iter().partition(|party| behind.contains(party));
    if let (Some(words), [node]) = (of_one, &there[..]) {
        return format!("; {words} {node}");
    }
    match (&there[..], &unseen[..], &without[..]) {
        (_, [], []) => String::new(),
        (_, [], _) => format!("; in the log of {} only", and(&there)),
        (_, _, []) => format!("; not yet in the mirror of {}: fetch again", and(&unseen)),
        _ => format!("; not in the log of {}; not yet in the mirror of {}: fetch again", and(&without), and(&unseen)),
    }
}
