//! `tumar subject`: a person's own view of the three logs, with the key given out at enrolment.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tumar::audit::counts::time;
use tumar::audit::finding::hex;
use tumar::audit::uses::{self, OwnUse};
use tumar::audit::{Finding, Severity, Verdict};
use tumar::client::SubjectKey;
use tumar::log::entry::{Entry, Event, Minute};
use tumar::name::Modality;
use tumar::party::Party;

use super::audit::Where;
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
    /// Find every use of the own finger and face in the mirrored logs, and check the proof of each
    Uses(Uses),
}

/// Arguments of `tumar subject uses`.
#[derive(Debug, Args)]
struct Uses {
    /// File with the key that was given out at enrolment (`-` for standard input)
    #[arg(long)]
    key: PathBuf,
    #[command(flatten)]
    at: Where,
}

impl Command {
    pub(super) fn run(self, json: bool) -> Result<ExitCode, Failure> {
        let What::Uses(uses) = self.what;
        uses.run(json)
    }
}

/// What all logs say of one request, in time.
type Requests = Vec<(Minute, [u8; 32], Vec<OwnUse>)>;

impl Uses {
    fn run(&self, json: bool) -> Result<ExitCode, Failure> {
        let (pins, mirror) = self.at.open()?;
        let text = zeroize::Zeroizing::new(files::read_text(&self.key)?);
        let key: SubjectKey = text.parse().map_err(|_| Failure::SubjectKey)?;
        let (mut by_request, mut found, mut entries) = (BTreeMap::<[u8; 32], Vec<OwnUse>>::new(), Vec::new(), 0);
        for party in Party::ALL {
            let own = uses::of(&mirror, &pins, party, &key.for_node(party)).map_err(self.at.fault())?;
            entries += own.entries;
            found.extend(own.findings);
            for used in own.uses {
                by_request.entry(used.entry.rq).or_default().push(used);
            }
        }
        let mut requests: Requests = by_request
            .into_iter()
            .filter_map(|(rq, uses)| Some((uses.iter().map(|used| used.entry.minute).min()?, rq, uses)))
            .collect();
        requests.sort_by_key(|(minute, rq, _)| (*minute, *rq));
        let verdict = Verdict::of(&found);
        if json {
            print_json(&json!({
                "entries": entries, "verdict": verdict.as_str(),
                "uses": requests.iter().map(to_json).collect::<Vec<_>>(),
                "findings": found.iter().map(Finding::to_json).collect::<Vec<_>>(),
            }));
        } else {
            tell(&requests, entries, &found);
        }
        Ok(verdict.code().into())
    }
}

fn tell(requests: &Requests, entries: u64, found: &[Finding]) {
    for (minute, _, uses) in requests {
        println!("{}  {}", time(minute.begins()), in_words(uses));
        let places: Vec<String> = uses.iter().map(|used| format!("{} {}", used.spot.node, used.spot.index)).collect();
        println!("                  proven: {}", places.join(", "));
    }
    let (count, plural) = (requests.len(), if requests.len() == 1 { "" } else { "s" });
    println!(
        "{count} use{plural} among {entries} entries of three logs. That each stands in its log was checked (node, entry)."
    );
    for finding in found.iter().filter(|finding| finding.severity > Severity::Warning) {
        eprintln!("tumar: uses may be missing: {finding}");
    }
}

fn to_json((minute, rq, uses): &(Minute, [u8; 32], Vec<OwnUse>)) -> Value {
    let place = |used: &OwnUse| {
        json!({
            "node": used.spot.node.as_str(), "half": used.spot.half.to_string(), "index": used.spot.index,
            "entry": String::from_utf8_lossy(&used.bytes),
            "proof": used.proof.iter().map(|hash| hex(hash)).collect::<Vec<_>>(),
            "size": used.checkpoint.size, "root": hex(&used.checkpoint.root),
        })
    };
    json!({
        "time": minute.begins(), "rq": hex(rq), "words": in_words(uses),
        "relying_party": uses[0].entry.relying_party, "purpose": uses[0].entry.purpose,
        "action": uses[0].entry.action.action(), "places": uses.iter().map(place).collect::<Vec<_>>(),
    })
}

/// Who did what, and what for; and in how many logs it stands, if that is not all three.
fn in_words(uses: &[OwnUse]) -> String {
    let Entry { relying_party, purpose, modalities, action, .. } = &uses[0].entry;
    let of = match (modalities.contains(&Modality::Face), modalities.contains(&Modality::Finger)) {
        (true, true) => "face and finger",
        (true, false) => "face",
        (false, true) => "finger",
        (false, false) => "data",
    };
    let event = |wanted: fn(&Event) -> bool| uses.iter().map(|used| &used.entry.event).find(|event| wanted(event));
    let what = if event(|event| *event == Event::Candidate).is_some() {
        format!("searched among many by a {of} and was told your name as one that may be meant")
    } else {
        match action.action() {
            "enroll" => format!("had your {of} taken in"),
            "verify" => format!("compared your {of} with yours on record"),
            "erase" => "had all that is on record of you erased".to_owned(),
            "lock" => "stopped every use of what is on record of you".to_owned(),
            "unlock" => "allowed the use of what is on record of you again".to_owned(),
            "list_uses" => "asked for your list of uses".to_owned(),
            "open_evidence" => "opened the evidence of a use".to_owned(),
            other => format!("asked for {other}"),
        }
    };
    let end = if event(|event| *event == Event::Completed).is_some() {
        "answered".to_owned()
    } else if let Some(Event::Denied(reason)) = event(|event| matches!(event, Event::Denied(_))) {
        format!("refused, {}", reason.as_str())
    } else if let Some(Event::Failed(reason)) = event(|event| matches!(event, Event::Failed(_))) {
        format!("failed, {}", reason.as_str())
    } else {
        "no end is logged".to_owned()
    };
    let nodes: Vec<Party> =
        Party::ALL.into_iter().filter(|party| uses.iter().any(|used| used.spot.node == *party)).collect();
    let only = match nodes[..] {
        [_, _, _] => String::new(),
        ref some => {
            format!("; in the log of {} only", some.iter().map(|p| p.as_str()).collect::<Vec<_>>().join(" and "))
        }
    };
    format!("{relying_party} {what}, for {purpose}: {end}{only}")
}
