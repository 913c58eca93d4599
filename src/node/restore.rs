//! A backup put back, in the one honest way: its log must continue, or be made to continue by entries that the log's own signature proves,
//! whatever was cosigned of it since. Else nothing is put back, for the next entry would fork the log. Where the entries are lost for good,
//! the people of a backup can be put back without its log: under a new key, a new log is no fork.
//!
//! ```text
//! backup --verify sums--> staged copy --extend by published files (own folder, mirrors)--> held against what the peers cosigned
//!        --> in place, the store last
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::backup::{self, BackupError};
use super::control::{Running, Runs, who_runs};
use super::peers::{self, Asked};
use super::{Config, Keys, NodeError, listen};
use crate::log::access::LogError;
use crate::log::continuity::{ContinuityError, Gap};
use crate::log::copy::{LogCopy, of_note};
use crate::log::note::{NoteError, VerifierKey, log_name};
use crate::log::shard::{EntryId, Shard};
use crate::log::tiles::{self, TilesError};
use crate::party::Party;
use crate::store::{Replayed, Store, StoreError};

/// Why nothing was put back.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The configuration or the keys.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The backup.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// A node runs where the backup is to go, with a store that is there or was.
    #[error("{node} is running on {}: stop it first", data.display())]
    Running {
        /// The folder.
        data: PathBuf,
        /// Which, as far as it says so.
        node: String,
    },
    /// Somebody listens where the node would.
    #[error("{0}: another process listens there: if it is this node, stop it first")]
    Listening(String),
    /// Nothing is written over.
    #[error("{}: a store exists here and is not overwritten. If it is not needed any more, move it away first", .0.display())]
    StoreThere(PathBuf),
    /// What an earlier try has left aside.
    #[error("{}: the file exists already; move it away first", .0.display())]
    InTheWay(PathBuf),
    /// A file or folder.
    #[error("{}", .0.display())]
    File(PathBuf, #[source] io::Error),
    /// Published files that can not be moved away: another disk is mounted there, for one.
    #[error(
        "{}: can not be renamed to log.old. If another disk is mounted there, unmount it, and give its folder by --log", .0.display()
    )]
    Stuck(PathBuf, #[source] io::Error),
    /// A folder that was given for published files, and has none.
    #[error("{}: no folder of a half-year is in it, as 2026h2", .0.display())]
    NoHalf(PathBuf),
    /// The copy of the store.
    #[error("the store of the backup")]
    Store(#[from] StoreError),
    /// The copy of the log.
    #[error("the log of the backup")]
    Log(#[from] LogError),
    /// A checkpoint that was given.
    #[error("{}: not a checkpoint of this node's log", .0.display())]
    Checkpoint(PathBuf, #[source] NoteError),
    /// Files that were given, or stand in the node's folder, and are not this log's, or rotten.
    #[error("{}: the files of {half} are not used", path.display())]
    Files {
        /// Where.
        path: PathBuf,
        /// Of which half-year.
        half: Shard,
        /// What is wrong with them.
        source: TilesError,
    },
    /// Published files without the entries that they are wanted for.
    #[error(
        "{} has hashes but no entries: fetch the mirror with a token (tumar audit fetch --token FILE), and restore again", .0.display()
    )]
    NoEntries(PathBuf),
    /// Nobody could say how far the log had come.
    #[error(
        "neither peer returned what it cosigned of this log, so it is not known whether the backup is too old. Start a peer, or give the \
         newest checkpoint of each half-year, as an auditor has it, by --checkpoint"
    )]
    NobodySaid,
    /// The log of the backup lacks entries, and they are nowhere to be found.
    #[error(
        "entries {own} to {} of the log of {half} are not in the backup, and by {by} they were cosigned: a node that goes on without them \
         forks its log. Give the published files, an auditor's mirror of this node's log for one, by --log DIR (the folder that holds {half})",
        cosigned - 1
    )]
    Missing {
        /// Of which half-year.
        half: Shard,
        /// Entries that are there.
        own: u64,
        /// Entries that were cosigned.
        cosigned: u64,
        /// Who says so: a node, or a file.
        by: String,
    },
    /// The log of the backup is another than was cosigned.
    #[error("{gap} (according to {by}). This backup can not be restored")]
    Forked {
        /// How.
        gap: Gap,
        /// Who says so.
        by: String,
    },
    /// What was cosigned is not by this log's key.
    #[error("the checkpoint of {by} is not signed by this node's log key: is log.pk8 the right file?")]
    Key {
        /// Who.
        by: String,
    },
    /// A new log is to be begun, under the key of the one that was.
    #[error(
        "{}: this key signed the log that was, and a new log under it would be a fork. Keep it elsewhere, and make a new one in its place: \
         openssl genpkey -algorithm ed25519 -outform DER -out log.pk8",
        .0.display()
    )]
    OldKey(PathBuf),
}

/// What is to be put back, and by whose word.
#[derive(Debug)]
pub struct Restore<'a> {
    /// The backup's folder.
    pub from: &'a Path,
    /// Folders of published files of this node's log, one in each for each half-year, beside the node's own.
    pub logs: &'a [PathBuf],
    /// Files with checkpoints of this node's log.
    pub checkpoints: &'a [PathBuf],
    /// The log can not be continued: people are put back without it, and a new one is begun under a new key.
    pub new_log: bool,
}

/// What was put back.
#[derive(Debug)]
pub struct Restored {
    /// When the backup was made, in unix seconds.
    pub made: u64,
    /// Entries of each half-year by now.
    pub sizes: Vec<(Shard, u64)>,
    /// What published entries have added.
    pub replayed: Replayed,
    /// Peers that said what they cosigned.
    pub asked: Vec<Party>,
}

/// Puts a backup back where the configuration has the node's data. All or nothing: the store comes last.
///
/// # Errors
/// [`RestoreError`]; then the node's folder is as it was.
pub async fn restore(config: &Config, plan: &Restore<'_>) -> Result<Restored, RestoreError> {
    let data = config.path(&config.data);
    let (store, stage) = (data.join("store.sqlite"), data.join("restore.new"));
    is_stopped(config, &data).await?;
    if store.exists() {
        return Err(RestoreError::StoreThere(store));
    }
    let aside = data.join("log.old");
    if aside.exists() {
        return Err(RestoreError::InTheWay(aside));
    }
    fs::metadata(plan.from).map_err(|error| RestoreError::File(plan.from.to_owned(), error))?;
    for folder in plan.logs {
        let at = |error| RestoreError::File(folder.clone(), error);
        fs::metadata(folder).map_err(at)?;
        if tiles::halves(folder).map_err(at)?.is_empty() {
            return Err(RestoreError::NoHalf(folder.clone()));
        }
    }
    let manifest = backup::verify(plan.from, &config.deployment, config.party)?;
    // Of a try that was cut off.
    let _ = fs::remove_dir_all(&stage);
    let brought = match backup::copy(plan.from, &stage) {
        Ok(()) if plan.new_log => Box::pin(begin_anew(config, (&data, &stage))).await,
        Ok(()) => Box::pin(bring_up(config, plan, (&data, &stage))).await,
        Err(error) => Err(error.into()),
    };
    let (sizes, replayed, asked) = match brought {
        Ok(brought) => brought,
        Err(error) => {
            let _ = fs::remove_dir_all(&stage);
            return Err(error);
        }
    };
    let log = data.join("log");
    if log.exists()
        && let Err(error) = fs::rename(&log, &aside)
    {
        let _ = fs::remove_dir_all(&stage);
        return Err(RestoreError::Stuck(log, error));
    }
    for name in ["log", "witness"] {
        if stage.join(name).exists() && !data.join(name).exists() {
            rename(&stage.join(name), &data.join(name))?;
        }
    }
    rename(&stage.join("store.sqlite"), &store)?;
    let _ = fs::remove_dir_all(&stage);
    fs::File::open(&data).and_then(|folder| folder.sync_all()).map_err(|error| RestoreError::File(data, error))?;
    Ok(Restored { made: manifest.made, sizes, replayed, asked })
}

/// A node goes on with a store that is moved away: its socket or its addresses tell that it runs.
async fn is_stopped(config: &Config, data: &Path) -> Result<(), RestoreError> {
    let node = match who_runs(data) {
        Runs::Nobody => None,
        Runs::Somebody => Some("a node".to_owned()),
        Runs::Node(Running { party, deployment }) => Some(format!("node {party} of {deployment}")),
    };
    if let Some(node) = node {
        return Err(RestoreError::Running { data: data.to_owned(), node });
    }
    for address in [&config.public, &config.peer] {
        if let Err(NodeError::Listen(at, error)) = listen(address).await
            && error.kind() == io::ErrorKind::AddrInUse
        {
            return Err(RestoreError::Listening(at));
        }
    }
    Ok(())
}

type Brought = (Vec<(Shard, u64)>, Replayed, Vec<Party>);

/// Brings the staged copy up to all that is known of the log.
async fn bring_up(config: &Config, plan: &Restore<'_>, (data, stage): (&Path, &Path)) -> Result<Brought, RestoreError> {
    let keys = Keys::read(&config.path(&config.keys))?;
    let key = VerifierKey::new(log_name(&config.deployment, config.party), keys.log.public());
    let notes = notes(config, plan, &key).await?;
    let mut store =
        Store::open(&stage.join("store.sqlite"), config.deployment.clone(), config.party, keys.store).await?;
    let log = LogCopy::read(&mut store, &stage.join("log"), &key).await;
    let mut log = log.map_err(|error| of_log(error, plan.from))?;
    let mut found = Vec::new();
    for folder in std::iter::once(&data.join("log")).chain(plan.logs) {
        for half in tiles::halves(folder).map_err(|error| RestoreError::File(folder.clone(), error))? {
            let own = log.size(half);
            let files = folder.join(half.to_string());
            let has_entries = files.join("tile/entries").is_dir();
            let wrong = |source: TilesError| {
                let is_missing =
                    matches!(&source, TilesError::Io(error) if error.kind() == io::ErrorKind::NotFound) && !has_entries;
                if is_missing { RestoreError::NoEntries(files.clone()) } else { of_files(folder, half, source) }
            };
            let entries = log.extend(folder, half).map_err(wrong)?;
            if !entries.is_empty() {
                put_files(&folder.join(half.to_string()), &stage.join("log").join(half.to_string()))?;
            }
            found.extend((own..).zip(entries).map(|(index, entry)| (EntryId { half, index }, entry)));
        }
    }
    for (by, note) in &notes.of {
        log.continues([note]).map_err(|error| refusal(error, by))?;
    }
    found.sort_by_key(|(place, _)| *place);
    let replayed = if found.is_empty() { Replayed::default() } else { store.replay(&found).await? };
    store.close().await?;
    Ok((log.sizes().collect(), replayed, notes.asked))
}

/// Takes the log out of the staged copy, for a new one under a key that has signed nothing yet.
async fn begin_anew(config: &Config, (data, stage): (&Path, &Path)) -> Result<Brought, RestoreError> {
    let folder = config.path(&config.keys);
    let keys = Keys::read(&folder)?;
    let key = VerifierKey::new(log_name(&config.deployment, config.party), keys.log.public());
    let staged = stage.join("log");
    let mut notes = signed(&staged)?;
    notes.extend(signed(&data.join("log"))?);
    let mut asked = Vec::new();
    for Asked { party, answer } in peers::ask(config).await? {
        if let Ok(told) = answer {
            asked.push(party);
            notes.extend(told.checkpoints);
        }
    }
    if notes.iter().any(|note| of_note(note, &key).is_ok()) {
        return Err(RestoreError::OldKey(folder.join("log.pk8")));
    }
    // Nothing that the old key signed was seen, and nobody says that there is nothing.
    if notes.is_empty() && asked.is_empty() {
        return Err(RestoreError::NobodySaid);
    }
    if staged.exists() {
        fs::remove_dir_all(&staged).map_err(|error| RestoreError::File(staged, error))?;
    }
    let store = Store::open(&stage.join("store.sqlite"), config.deployment.clone(), config.party, keys.store).await?;
    store.danger_begin_log().await?;
    store.close().await?;
    Ok((Vec::new(), Replayed::default(), asked))
}

/// The checkpoints of a folder of published files.
fn signed(folder: &Path) -> Result<Vec<String>, RestoreError> {
    let halves = tiles::halves(folder).map_err(|error| RestoreError::File(folder.to_owned(), error))?;
    let note = |half: &Shard| fs::read_to_string(folder.join(half.to_string()).join("checkpoint")).ok();
    Ok(halves.iter().filter_map(note).collect())
}

/// What is wrong with the log of a backup, and if another key signed it, that.
fn of_log(error: LogError, from: &Path) -> RestoreError {
    let mut causes = std::iter::successors(Some(&error as &(dyn std::error::Error + 'static)), |cause| cause.source());
    if causes.any(|cause| matches!(cause.downcast_ref::<NoteError>(), Some(NoteError::Unsigned))) {
        return RestoreError::Key { by: format!("the backup {}", from.display()) };
    }
    error.into()
}

/// What is wrong with published files, and if another key signed them, that.
fn of_files(folder: &Path, half: Shard, source: TilesError) -> RestoreError {
    if matches!(source, TilesError::Checkpoint(NoteError::Unsigned)) {
        return RestoreError::Key { by: folder.join(half.to_string()).join("checkpoint").display().to_string() };
    }
    RestoreError::Files { path: folder.to_owned(), half, source }
}

/// The published files of one half-year, and nothing that a mirror has beside them, in the place of a copy's.
fn put_files(from: &Path, to: &Path) -> Result<(), RestoreError> {
    let _ = fs::remove_dir_all(to);
    backup::folder(to)?;
    backup::copy(&from.join("tile"), &to.join("tile"))?;
    let note = from.join("checkpoint");
    fs::copy(&note, to.join("checkpoint")).map_err(|error| RestoreError::File(note, error))?;
    Ok(())
}

/// Signed notes of the log, each with who has it; and which peers were asked.
struct Notes {
    of: Vec<(String, String)>,
    asked: Vec<Party>,
}

async fn notes(config: &Config, plan: &Restore<'_>, key: &VerifierKey) -> Result<Notes, RestoreError> {
    let mut notes = Notes { of: Vec::new(), asked: Vec::new() };
    for path in plan.checkpoints {
        let note = fs::read_to_string(path).map_err(|error| RestoreError::File(path.clone(), error))?;
        of_note(&note, key).map_err(|error| RestoreError::Checkpoint(path.clone(), error))?;
        notes.of.push((path.display().to_string(), note));
    }
    for Asked { party, answer } in peers::ask(config).await? {
        if let Ok(told) = answer {
            notes.asked.push(party);
            notes.of.extend(told.checkpoints.into_iter().map(|note| (format!("node {party}"), note)));
        }
    }
    if notes.asked.is_empty() && plan.checkpoints.is_empty() { Err(RestoreError::NobodySaid) } else { Ok(notes) }
}

fn refusal(error: ContinuityError, by: &str) -> RestoreError {
    let by = by.to_owned();
    match error {
        ContinuityError::Gap(Gap::Shorter { half, own, cosigned }) => RestoreError::Missing { half, own, cosigned, by },
        ContinuityError::Gap(gap @ Gap::Other { .. }) => RestoreError::Forked { gap, by },
        ContinuityError::Note(_) => RestoreError::Key { by },
        ContinuityError::Files(half, source) => RestoreError::Files { path: PathBuf::new(), half, source },
    }
}

fn rename(from: &Path, to: &Path) -> Result<(), RestoreError> {
    fs::rename(from, to).map_err(|error| RestoreError::File(to.to_owned(), error))
}
