//! What the three access logs must hold of the requests that were sent, and of nothing else.

use std::collections::HashMap;
use std::path::Path;

use tumar::log::entry::{Entry, Event};
use tumar::log::shard::Shard;
use tumar::party::Party;

use crate::support::cluster::entries;

/// What was seen of one request, by its digest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    /// Different proofs that it was sent with.
    pub(crate) proofs: u32,
    /// Answers with receipts of their own.
    pub(crate) answers: u32,
    /// No answer came, at least once: what was written is not known.
    pub(crate) lost: bool,
    /// People that a search named.
    pub(crate) named: u32,
    /// Times that an answer was given again.
    pub(crate) given_again: u32,
}

/// Entries that an answer leaves when it is given again.
const MOST_AGAIN: u32 = 3;

/// All requests of a run, by their digests.
#[derive(Default)]
pub(crate) struct Accounts(HashMap<[u8; 32], Account>);

/// Entries about one request in one log.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    admitted: u32,
    completed: u32,
    failed: u32,
    denied: u32,
    named: u32,
    given_again: u32,
}

impl Accounts {
    pub(crate) fn of(&mut self, request: [u8; 32]) -> &mut Account {
        self.0.entry(request).or_default()
    }

    /// Holds a stopped node's log against what was seen. `killed`: the node was killed once, so that an entry may lack its end.
    pub(crate) fn check(&self, party: Party, folder: &Path, killed: bool) -> Result<(), String> {
        let mut counts: HashMap<[u8; 32], Counts> = HashMap::new();
        for bytes in entries(folder) {
            let entry = Entry::parse(&bytes).map_err(|error| format!("an entry that is none: at {party}: {error}"))?;
            let of = counts.entry(entry.request_digest).or_default();
            match entry.event {
                Event::Admitted => of.admitted += 1,
                Event::Completed => of.completed += 1,
                Event::Failed(_) => of.failed += 1,
                Event::Denied(_) => of.denied += 1,
                Event::Candidate => of.named += 1,
                Event::Again(_) => of.given_again += 1,
                // How many refusals have no entry.
                Event::Unlogged(_) => {}
            }
        }
        for (request, counts) in &counts {
            let account =
                self.0.get(request).ok_or_else(|| format!("an entry of what nobody sent: at {party}: {counts:?}"))?;
            fits(account, *counts, killed).map_err(|why| format!("{why}: at {party}: {counts:?} of {account:?}"))?;
        }
        let missing =
            |(request, account): &(&[u8; 32], &Account)| account.answers > 0 && !counts.contains_key(*request);
        match self.0.iter().find(missing) {
            Some((_, account)) => Err(format!("an answer without an entry: at {party}: {account:?}")),
            None => halves_fit(party, folder),
        }
    }
}

fn fits(account: &Account, counts: Counts, killed: bool) -> Result<(), &'static str> {
    let Account { proofs, answers, given_again, lost, named } = *account;
    let ends = counts.completed + counts.failed;
    // Each rule, and whether it is kept.
    let rules = [
        ("an answer without its entry", counts.admitted >= answers),
        ("more ends than admissions", ends <= counts.admitted),
        ("an admission without an end", ends == counts.admitted || killed || lost),
        ("an end that says completed, and no answer", counts.completed <= answers || lost),
        ("an answer without an end", counts.completed >= answers || killed),
        ("more entries than proofs", counts.admitted + counts.denied <= proofs),
        ("another number of candidates", counts.named == named || lost),
        ("more answers given again than were", counts.given_again <= given_again.min(MOST_AGAIN * answers)),
    ];
    rules.into_iter().find(|(_, kept)| !kept).map_or(Ok(()), |(rule, _)| Err(rule))
}

/// Each half-year's log holds the entries of that half-year.
fn halves_fit(party: Party, folder: &Path) -> Result<(), String> {
    for folder in std::fs::read_dir(folder.join("data/log")).unwrap().map(|half| half.unwrap().path()) {
        let half: Shard = folder.file_name().and_then(|name| name.to_str()).unwrap().parse().unwrap();
        let note = std::fs::read_to_string(folder.join("checkpoint")).unwrap_or_default();
        let size: u64 = note.lines().nth(1).map_or(0, |size| size.parse().unwrap());
        let files = tumar::log::tiles::Reader::new(&folder);
        for index in 0..size {
            let entry = Entry::parse(&files.entry(index, size).unwrap()).unwrap();
            if Shard::of(entry.minute.begins()) != half {
                let is = Shard::of(entry.minute.begins());
                return Err(format!("an entry in another half-year's log: at {party}: one of {is} in {half}"));
            }
        }
    }
    Ok(())
}
