//! The three access logs, read from their files as an auditor would, and held against each other.

use std::collections::BTreeSet;
use std::path::Path;

use tumar::client::NodePin;
use tumar::log::entry::{Entry, EntryError, Event};
use tumar::log::tiles::{self, Reader, TilesError};
use tumar::party::Party;

/// A log that can not be read, or is not what its checkpoint says.
#[derive(Debug, thiserror::Error)]
pub(super) enum LogFault {
    /// Files, checkpoint, root.
    #[error("the log of node {0}: {1}")]
    Tiles(Party, TilesError),
    /// An entry that is not in the schema.
    #[error("the log of node {0}: {1}")]
    Entry(Party, EntryError),
}

/// What three logs say.
#[derive(Debug)]
pub(super) struct Logs {
    /// Entries of each: A, B, C.
    pub(super) entries: [u64; 3],
    /// Requests that all three admitted.
    pub(super) requests: usize,
    /// Whether each shows the same requests, and all that were answered.
    pub(super) agree: bool,
    /// Answered requests that not all three admitted.
    pub(super) missing: usize,
    /// Answered requests that are not closed as answered: in each log.
    pub(super) open: [usize; 3],
}

/// What one log says.
struct Told {
    entries: u64,
    admitted: BTreeSet<[u8; 32]>,
    completed: BTreeSet<[u8; 32]>,
}

/// Audits each log, then compares them. Requests that one node refused stand in its own log alone.
pub(super) fn compare(folder: &Path, pins: &[NodePin; 3], answered: &[[u8; 32]]) -> Result<Logs, LogFault> {
    let [a, b, c] = pins.each_ref().map(|pin| read(folder, pin));
    let told = [a?, b?, c?];
    let [a, b, c] = &told;
    let missing =
        answered.iter().filter(|request_digest| !told.iter().all(|log| log.admitted.contains(*request_digest))).count();
    let open = told
        .each_ref()
        .map(|log| answered.iter().filter(|request_digest| !log.completed.contains(*request_digest)).count());
    let agree = a.admitted == b.admitted && b.admitted == c.admitted && missing == 0 && open == [0; 3];
    Ok(Logs { entries: [a.entries, b.entries, c.entries], requests: a.admitted.len(), agree, missing, open })
}

fn read(folder: &Path, pin: &NodePin) -> Result<Told, LogFault> {
    let party = pin.party;
    let letter = party.letter();
    let folder = folder.join(letter).join("data").join("log");
    let tiles = |error| LogFault::Tiles(party, error);
    let mut told = Told { entries: 0, admitted: BTreeSet::new(), completed: BTreeSet::new() };
    for half in tiles::halves(&folder).map_err(|error| tiles(error.into()))? {
        let reader = Reader::new(&folder.join(half.to_string()));
        let checkpoint = reader.checkpoint(&pin.log.of_half(half)).map_err(tiles)?;
        reader.audit(&checkpoint).map_err(tiles)?;
        for index in 0..checkpoint.size {
            let bytes = reader.entry(index, checkpoint.size).map_err(tiles)?;
            let entry = Entry::parse(&bytes).map_err(|error| LogFault::Entry(party, error))?;
            match entry.event {
                Event::Admitted => told.admitted.insert(entry.request_digest),
                Event::Completed => told.completed.insert(entry.request_digest),
                Event::Failed(_) | Event::Denied(_) | Event::Unlogged(_) | Event::Candidate | Event::Again(_) => false,
            };
        }
        told.entries += checkpoint.size;
    }
    Ok(told)
}
