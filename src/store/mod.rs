//! What a node keeps: sealed records, spent ids, answers, log entries and changes under way, in one SQLite file.
//!
//! ```text
//! schema.rs    tables, and whose store it is
//! ledger.rs    Ledger for Store: what the access log commits, in one transaction
//! view.rs      what such a transaction reads and writes, each at one go
//! changes.rs   prepare -> commit | abort: how three nodes enrol, erase, lock and unlock together
//! envelopes.rs keys that envelopes are sealed to, and the envelopes that are spent
//! stand.rs     how far it is, beside the other nodes' stores
//! records.rs   positions, loading at start, expiry
//! backup.rs    a copy while it is used, and what brings an older copy up to date
//! import.rs    many records at a time, for a node that serves nobody yet
//! boxes.rs     a record's boxes and their key
//! contents.rs  what is in the box of the references
//! ```
//!
//! Write-ahead log, full sync, one connection that keeps the file to itself. Each step is one transaction, so a crash leaves it
//! done or not begun; what takes two steps (an erasure) is finished when the store is opened again.
//!
//! # What erasure promises
//! The record's wrapped key is overwritten first, in a transaction of its own. Then the row goes, and the write-ahead log is
//! emptied into the file, in which `secure_delete` has overwritten what was freed. A disk below may keep old blocks; those
//! hold boxes and a wrapped key, of use only to who also has this node's store key and another node's share.

mod acted;
mod backup;
mod boxes;
mod changes;
mod columns;
mod contents;
mod envelopes;
mod import;
mod ledger;
mod record;
mod records;
mod schema;
mod stand;
mod view;

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteLockingMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, Sqlite, Transaction};
use tokio::sync::{Mutex, MutexGuard};

pub use backup::Replayed;
pub use changes::{Change, ChangeId, ChangeKind, Decision, Effect, Found, Pending};
pub use envelopes::KeptKey;
pub use record::{Enrolment, HandleKey, Record, Reference};
pub use records::{Candidate, Expired, Swept};
pub use stand::Stand;

use acted::Acted;

use crate::name::Deployment;
use crate::party::Party;
use crate::seal::{NoRandomness, OpenError, StoreKey};

/// Bytes that must be free on a disk that was full before anything is taken in again.
const ROOM: usize = 4 << 20;

/// Why the store did not do it. Nothing of it was done then, unless [`Sqlite`](Self::Sqlite) says so of a commit.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The subject is enrolled, or another enrolment of it is under way.
    #[error("the subject is already enrolled")]
    SubjectExists,
    /// The subject is not enrolled, or no longer.
    #[error("there is no such subject")]
    SubjectUnknown,
    /// The leader gave the position of another record.
    #[error("the position is in use")]
    PositionTaken,
    /// A record must expire, and later than now.
    #[error("a record's expiry must be in the future")]
    NoExpiry,
    /// The change was never prepared here, or it was aborted.
    #[error("there is no such change")]
    ChangeUnknown,
    /// Another change of the same record is pending.
    #[error("another change of the subject is in progress")]
    UnderChange,
    /// A change of this name is pending: names are used once.
    #[error("the change is already prepared")]
    AlreadyPrepared,
    /// The change is done; it can be neither prepared again nor aborted.
    #[error("the change is already committed")]
    AlreadyCommitted,
    /// Another process has the file.
    #[error("another process has this folder open: two nodes can not share one")]
    InUse,
    /// A record must hold something.
    #[error("an enrolment needs a reference")]
    NoReference,
    /// The share is another party's: it must not lie here.
    #[error("the share is of another party")]
    ForeignShare,
    /// The file is the store of another party or deployment.
    #[error("the store is of another party or deployment than node.toml: name this node's own folder by data")]
    ForeignStore,
    /// Written by another version of this program, or no store at all.
    #[error("the store has another schema version")]
    Schema,
    /// A box did not open: another store key, or somebody changed the file.
    #[error("a record can not be decrypted with store.key")]
    Sealed(#[from] OpenError),
    /// What was in a box or column is nothing that this store writes.
    #[error("a record is not valid")]
    Form,
    /// Nothing could be sealed.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// The store was closed.
    #[error("the store is closed: its node is stopping, or could not write it; see its log")]
    Closed,
    /// The file cannot be made.
    #[error("the store's file can not be opened")]
    File(#[source] std::io::Error),
    /// SQLite failed; if it was at a commit, that may be durable or not.
    #[error("SQLite failed")]
    Sqlite(#[from] sqlx::Error),
}

/// The store of one node. Clones are the same store.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    file: PathBuf,
    deployment: Deployment,
    party: Party,
    key: StoreKey,
    connection: Mutex<Option<SqliteConnection>>,
    /// For good: it is not opened anew.
    closed: AtomicBool,
    /// The latest time that was acted on, as it stands in the file.
    acted: Acted,
    /// As it stands in the file.
    stand: std::sync::Mutex<Stand>,
}

/// Prints whose it is: `Store(kz-demo, A)`.
impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({}, {})", self.0.deployment, self.0.party)
    }
}

impl Store {
    /// Opens the store in `file`, or makes it there, readable to its owner alone, and finishes erasures that a crash cut off.
    ///
    /// # Errors
    /// [`StoreError::ForeignStore`] if it is another's, [`StoreError::Schema`] if it is another version's,
    /// [`StoreError::InUse`] if another process has it, [`StoreError::File`] or [`StoreError::Sqlite`] if it cannot be opened.
    pub async fn open(file: &Path, deployment: Deployment, party: Party, key: StoreKey) -> Result<Self, StoreError> {
        // SQLite gives its companion files the mode of the main file.
        let made = OpenOptions::new().create(true).append(true).mode(0o600).open(file).map_err(StoreError::File)?;
        drop(made);
        let mut connection = connect(file).await?;
        schema::claim(&mut connection, &deployment, party).await.map_err(at_open)?;
        let acted = Acted::read(&mut connection).await?;
        let stand = std::sync::Mutex::new(stand::read(&mut connection).await?);
        let (connection, closed, file) = (Mutex::new(Some(connection)), AtomicBool::new(false), file.to_owned());
        let store = Self(Arc::new(Inner { file, deployment, party, key, connection, closed, acted, stand }));
        store.finish_erasures().await?;
        Ok(store)
    }

    /// After something failed: opens the file anew, looks whose it is, and shows that there is room and that it can be written.
    async fn reopen(&self) -> Result<(), StoreError> {
        let mut held = self.0.connection.lock().await;
        if self.0.closed.load(Ordering::Relaxed) {
            return Err(StoreError::Closed);
        }
        if let Some(broken) = held.take() {
            // What is durable is in the files, whatever it says now.
            let _ = broken.close_hard().await;
        }
        let beside = self.0.file.with_extension("room");
        let room = tokio::task::spawn_blocking(move || has_room(&beside)).await;
        room.map_err(|_| StoreError::Closed)?.map_err(StoreError::File)?;
        let mut connection = connect(&self.0.file).await?;
        schema::claim(&mut connection, &self.0.deployment, self.0.party).await.map_err(at_open)?;
        self.0.acted.now().write(&mut connection).await?;
        // What failed may have been made or not: only the file tells.
        *self.counted() = stand::read(&mut connection).await?;
        *held = Some(connection);
        Ok(())
    }

    /// Empties the write-ahead log and gives the file free. Later calls fail with [`StoreError::Closed`].
    ///
    /// # Errors
    /// [`StoreError::Sqlite`] if that fails; nothing durable is lost.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.0.closed.store(true, Ordering::Relaxed);
        match self.0.connection.lock().await.take() {
            Some(connection) => Ok(connection.close().await?),
            None => Ok(()),
        }
    }

    /// The latest time that this node has acted on, in unix seconds, to within a minute; 0 if it never did.
    #[must_use]
    pub fn acted(&self) -> u64 {
        self.0.acted.latest()
    }

    /// Puts this time in its place, whatever it was: for an operator who says that it was wrong.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`].
    pub async fn danger_set_acted(&self, now: u64) -> Result<(), StoreError> {
        let next = Acted::set(now);
        next.write(self.connection().await.plain()?).await?;
        self.0.acted.take(next);
        Ok(())
    }

    /// Until when nothing is destroyed, if the time has leapt by more than two days beyond what this node acted on before: the node was
    /// down, or the clocks are wrong, and for another day somebody may notice that.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`].
    pub async fn held(&self, now: u64) -> Result<Option<u64>, StoreError> {
        // Looked at under the lock: what is admitted meanwhile moves it on as well.
        let mut held = self.connection().await;
        if let Some(next) = self.0.acted.at(now) {
            next.write(held.plain()?).await?;
            self.0.acted.take(next);
        }
        Ok(self.0.acted.held(now))
    }

    /// Whose store it is.
    #[must_use]
    pub fn party(&self) -> Party {
        self.0.party
    }

    async fn connection(&self) -> Held<'_> {
        Held(self.0.connection.lock().await)
    }
}

async fn connect(file: &Path) -> Result<SqliteConnection, StoreError> {
    SqliteConnectOptions::new()
        .filename(file)
        .locking_mode(SqliteLockingMode::Exclusive)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("secure_delete", "ON")
        // A record takes its shares with it.
        .foreign_keys(true)
        // Intermediate results must not lie in files of their own.
        .pragma("temp_store", "MEMORY")
        .busy_timeout(Duration::from_secs(2))
        .disable_statement_logging()
        .connect()
        .await
        .map_err(StoreError::Sqlite)
        .map_err(at_open)
}

/// Whether a commit of the largest kind would find room: a file of that size is written, and removed again.
fn has_room(beside: &Path) -> std::io::Result<()> {
    let named = |error: std::io::Error| std::io::Error::new(error.kind(), format!("{}: {error}", beside.display()));
    let written = File::create(beside).and_then(|mut file| {
        file.write_all(&vec![0; ROOM])?;
        file.sync_all()
    });
    let removed = std::fs::remove_file(beside);
    written.and(removed).map_err(named)
}

/// SQLite's own words at an opening, with or without more behind them, for a file that another process has, that can not be written, and
/// that has no room.
fn at_open(error: StoreError) -> StoreError {
    let StoreError::Sqlite(sqlx::Error::Database(database)) = &error else { return error };
    let code = database.code().and_then(|code| code.parse::<u32>().ok());
    let file = |kind, why| StoreError::File(std::io::Error::new(kind, why));
    match code.map(|code| code & 0xff) {
        Some(BUSY) => StoreError::InUse,
        Some(READ_ONLY) => {
            file(std::io::ErrorKind::PermissionDenied, "this user can not write the file, or not its folder")
        }
        Some(FULL) => file(std::io::ErrorKind::StorageFull, "there is no room on its disk"),
        _ => error,
    }
}

const BUSY: u32 = 5;
const READ_ONLY: u32 = 8;
/// A disk or quota without room: what was being written is rolled back.
const FULL: u32 = 13;

/// The connection, for the time of one step. Whoever is cancelled in a transaction leaves it rolled back.
struct Held<'a>(MutexGuard<'a, Option<SqliteConnection>>);

impl Held<'_> {
    fn plain(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        self.0.as_mut().ok_or(StoreError::Closed)
    }

    async fn begin(&mut self) -> Result<Transaction<'_, Sqlite>, StoreError> {
        Ok(self.plain()?.begin_with("BEGIN IMMEDIATE").await?)
    }
}

/// As a column: SQLite's whole numbers are signed. No time or count here comes near.
fn column(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// And back; the tables refuse negative ones.
fn number(column: i64) -> u64 {
    u64::try_from(column).unwrap_or(0)
}
