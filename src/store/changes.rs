//! Changes that all three nodes make, or none.
//!
//! ```text
//! each node   prepare   durable, and without effect
//! leader      commit    the decision: from here on the change is made, whatever crashes
//! helpers     commit    when the leader tells them, or when they ask after a restart
//! ```
//!
//! The leader prepares before it asks a helper to. A helper that finds a change pending asks the leader, who answers
//! [`Store::decided`]; what the leader does not know it never decided, so that is aborted (presumed abort). A leader that finds
//! one pending when it starts never decided it either, and aborts it.
//!
//! A change is named by the request and by the batch that runs it: the same request in a later batch is another change, and one
//! that was made is never taken for another. While a change of a record is pending there is no other of it, and no sweep destroys
//! it, so what a commit is to change is what was looked at when it was prepared.

use sqlx::sqlite::SqliteConnection;
use sqlx::{Row as _, query, query_as, query_scalar};

use super::boxes::Place;
use super::columns::Named;
use super::contents::Contents;
use super::record::{Enrolment, Record};
use super::{Store, StoreError, column, number, schema, stand};
use crate::log::ledger::{Position, SubjectState};
use crate::name::{GalleryName, Subject};
use crate::seal::{framed, sha256};

/// Seconds that a committed change is remembered, for a helper that was away: seven days.
const REMEMBERED_SECONDS: u64 = 7 * 24 * 3600;

// Else a request id that was forgotten could name a change that is not.
const _: () = assert!(REMEMBERED_SECONDS <= crate::log::admission::REQUEST_SECONDS);

/// Names a change at all three nodes: by the request that asked for it and the batch in which it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChangeId(pub [u8; 32]);

impl ChangeId {
    /// Of the request with this digest, in this batch.
    #[must_use]
    pub fn of(request: &[u8; 32], batch: &[u8; 16]) -> Self {
        Self(sha256(&framed(&[b"tumar change v2", request, batch])))
    }
}

/// What is to change.
#[derive(Debug)]
pub enum Change {
    /// Keep a subject's references.
    Enroll(Box<Enrolment>),
    /// Destroy a subject's references.
    Erase(GalleryName, Subject),
    /// Refuse comparisons until unlocked.
    Lock(GalleryName, Subject),
    /// End any lock, and give all attempts back.
    Unlock(GalleryName, Subject),
}

/// What a change found to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The record that it is of.
    Record,
    /// To be erased, and not here: nothing will be done.
    Nobody,
}

/// In place of a record's number, for what nothing is to be done with: no record has it.
const NOBODY: i64 = 0;

/// A [`Change`] without its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// [`Change::Enroll`].
    Enroll,
    /// [`Change::Erase`].
    Erase,
    /// [`Change::Lock`].
    Lock,
    /// [`Change::Unlock`].
    Unlock,
}

impl ChangeKind {
    const ALL: [Self; 4] = [Self::Enroll, Self::Erase, Self::Lock, Self::Unlock];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Enroll => "enroll",
            Self::Erase => "erase",
            Self::Lock => "lock",
            Self::Unlock => "unlock",
        }
    }

    fn parse(text: &str) -> Result<Self, StoreError> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(StoreError::Form)
    }
}

/// A change that was prepared and is neither committed nor aborted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Which.
    pub change: ChangeId,
    /// What it does.
    pub kind: ChangeKind,
}

/// What the leader says of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is made: commit it.
    Committed,
    /// It is prepared and not decided: ask again.
    Undecided,
    /// It was aborted or never heard of: abort it.
    Aborted,
}

/// What a commit did, for the galleries in memory.
#[derive(Debug)]
pub enum Effect {
    /// References were taken in.
    Enrolled(Box<Record>),
    /// A subject's references are gone.
    Erased {
        /// Where they were.
        gallery: GalleryName,
        /// Their place.
        position: Position,
        /// Whose they were.
        subject: Subject,
    },
    /// A lock was set or ended: no reference came or went.
    Locked,
    /// Somebody is erased who was not here.
    Nobody,
    /// Nothing: it was committed before, or what it was to change is gone. Nobody may be told that it was made now.
    Nothing,
}

impl Store {
    /// The next free position of a gallery, for the leader alone. Durable, and never given again, whatever becomes of it.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`].
    pub async fn next_position(&self, gallery: &GalleryName) -> Result<Position, StoreError> {
        let mut held = self.connection().await;
        // A transaction of its own: only its commit says that the number is durable.
        let mut transaction = held.begin().await?;
        let least = schema::noted(&mut transaction, schema::POSITIONS).await?;
        let given: i64 = query_scalar(
            "INSERT INTO positions (gallery, given) VALUES (?1, ?2 + 1)
             ON CONFLICT (gallery) DO UPDATE SET given = max(given, ?2) + 1 RETURNING given",
        )
        .bind(gallery.as_str())
        .bind(column(least))
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(Position(number(given) - 1))
    }

    /// Writes a change down, durable and without effect. An erasure of somebody who is not here is one as well: another node may hold
    /// what this one does not.
    ///
    /// # Errors
    /// [`StoreError::SubjectExists`], [`StoreError::SubjectUnknown`], [`StoreError::UnderChange`], [`StoreError::PositionTaken`],
    /// [`StoreError::NoExpiry`], [`StoreError::NoReference`], [`StoreError::ForeignShare`] if the change cannot be made;
    /// [`StoreError::AlreadyPrepared`] or [`StoreError::AlreadyCommitted`] if its name was used before.
    pub async fn prepare(&self, change: ChangeId, what: &Change, now: u64) -> Result<Found, StoreError> {
        let mut held = self.connection().await;
        let mut transaction = held.begin().await?;
        match known(&mut transaction, change).await? {
            Some(Known { committed: true, .. }) => return Err(StoreError::AlreadyCommitted),
            Some(_) => return Err(StoreError::AlreadyPrepared),
            None => {}
        }
        let mut replaced = false;
        let (kind, record) = match what {
            Change::Enroll(enrolment) => {
                replaced = destroy_expired(&mut transaction, enrolment, now).await?;
                (ChangeKind::Enroll, self.insert_pending(&mut transaction, enrolment, now).await?)
            }
            Change::Erase(gallery, subject) => {
                let record = match free_record(&mut transaction, gallery, subject, now).await {
                    Err(StoreError::SubjectUnknown) => NOBODY,
                    found => found?,
                };
                (ChangeKind::Erase, record)
            }
            Change::Lock(gallery, subject) => {
                (ChangeKind::Lock, free_record(&mut transaction, gallery, subject, now).await?)
            }
            Change::Unlock(gallery, subject) => {
                (ChangeKind::Unlock, free_record(&mut transaction, gallery, subject, now).await?)
            }
        };
        query("INSERT INTO changes (change, kind, record, committed, until) VALUES (?, ?, ?, 0, 0)")
            .bind(change.0.as_slice())
            .bind(kind.as_str())
            .bind(record)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        drop(held);
        self.counted().prepared += 1;
        if replaced {
            self.finish_erasures().await?;
        }
        Ok(if record == NOBODY { Found::Nobody } else { Found::Record })
    }

    /// Makes a prepared change. At the leader this is the decision. To commit again changes nothing, and says so.
    ///
    /// # Errors
    /// [`StoreError::ChangeUnknown`] if it was never prepared; [`StoreError::Sqlite`], and then it may be durable or not.
    pub async fn commit(&self, change: ChangeId, now: u64) -> Result<Effect, StoreError> {
        let mut held = self.connection().await;
        let mut transaction = held.begin().await?;
        let Known { kind, record, committed } =
            known(&mut transaction, change).await?.ok_or(StoreError::ChangeUnknown)?;
        if committed {
            return Ok(Effect::Nothing);
        }
        let named =
            query("SELECT * FROM records JOIN shares USING (record) WHERE record = ? AND wrapped_key IS NOT NULL")
                .bind(record)
                .fetch_optional(&mut *transaction)
                .await?;
        let effect = match (kind, &named) {
            (ChangeKind::Enroll, Some(row)) => Effect::Enrolled(Box::new(self.read(row)?)),
            (ChangeKind::Erase, Some(row)) => {
                let Named { gallery, subject, position, .. } = Named::read(row)?;
                Effect::Erased { gallery, position: Position(position), subject }
            }
            (ChangeKind::Lock | ChangeKind::Unlock, Some(_)) => Effect::Locked,
            (ChangeKind::Erase, None) if record == NOBODY => Effect::Nobody,
            (_, None) => Effect::Nothing,
        };
        let locked = column(if kind == ChangeKind::Lock { SubjectState::LOCKED } else { 0 });
        let act = match kind {
            ChangeKind::Enroll => query("UPDATE records SET live = 1 WHERE record = ?").bind(record),
            ChangeKind::Erase => query("UPDATE records SET wrapped_key = NULL WHERE record = ?").bind(record),
            ChangeKind::Lock => query("UPDATE records SET locked_until = ? WHERE record = ?").bind(locked).bind(record),
            ChangeKind::Unlock => {
                query("UPDATE records SET locked_until = ?, attempts = 0 WHERE record = ?").bind(locked).bind(record)
            }
        };
        act.execute(&mut *transaction).await?;
        query("UPDATE changes SET committed = 1, until = ? WHERE change = ?")
            .bind(column(now.saturating_add(REMEMBERED_SECONDS)))
            .bind(change.0.as_slice())
            .execute(&mut *transaction)
            .await?;
        stand::count(&mut transaction, 1).await?;
        transaction.commit().await?;
        drop(held);
        self.moved(1);
        if kind == ChangeKind::Erase {
            self.finish_erasures().await?;
        }
        Ok(effect)
    }

    /// Undoes a prepared change. One that is not known is undone already.
    ///
    /// # Errors
    /// [`StoreError::AlreadyCommitted`] if it is too late.
    pub async fn abort(&self, change: ChangeId) -> Result<(), StoreError> {
        let mut held = self.connection().await;
        let mut transaction = held.begin().await?;
        let Some(Known { kind, record, committed }) = known(&mut transaction, change).await? else { return Ok(()) };
        if committed {
            return Err(StoreError::AlreadyCommitted);
        }
        if kind == ChangeKind::Enroll {
            query("UPDATE records SET wrapped_key = NULL WHERE record = ?")
                .bind(record)
                .execute(&mut *transaction)
                .await?;
        }
        query("DELETE FROM changes WHERE change = ?").bind(change.0.as_slice()).execute(&mut *transaction).await?;
        transaction.commit().await?;
        drop(held);
        self.moved(0);
        if kind == ChangeKind::Enroll { self.finish_erasures().await } else { Ok(()) }
    }

    /// A change that stood prepared was made, or was not.
    fn moved(&self, made: u64) {
        let mut stand = self.counted();
        // Together: what was prepared is never missed in between.
        stand.prepared = stand.prepared.saturating_sub(1);
        stand.made += made;
    }

    /// All changes that are prepared and not decided, as far as this node knows.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`].
    pub async fn pending(&self) -> Result<Vec<Pending>, StoreError> {
        let mut held = self.connection().await;
        let rows = query("SELECT change, kind FROM changes WHERE committed = 0").fetch_all(held.plain()?).await?;
        rows.iter()
            .map(|row| {
                let id: &[u8] = row.try_get("change")?;
                Ok(Pending {
                    change: ChangeId(id.try_into().map_err(|_| StoreError::Form)?),
                    kind: ChangeKind::parse(row.try_get("kind")?)?,
                })
            })
            .collect()
    }

    /// What was decided about a change: asked of the leader's store, for a helper that was away for less than seven days.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`].
    pub async fn decided(&self, change: ChangeId) -> Result<Decision, StoreError> {
        let mut held = self.connection().await;
        Ok(match known(held.plain()?, change).await? {
            Some(Known { committed: true, .. }) => Decision::Committed,
            Some(_) => Decision::Undecided,
            None => Decision::Aborted,
        })
    }

    /// Whether this is an enrolment that may lie here.
    pub(super) fn may_keep(&self, enrolment: &Enrolment, now: u64) -> Result<(), StoreError> {
        let Enrolment { expires, references, .. } = enrolment;
        if *expires <= now || i64::try_from(*expires).is_err() {
            return Err(StoreError::NoExpiry);
        }
        if references.is_empty() {
            return Err(StoreError::NoReference);
        }
        if references.iter().any(|reference| reference.share.holder() != self.party()) {
            return Err(StoreError::ForeignShare);
        }
        Ok(())
    }

    async fn insert_pending(
        &self,
        connection: &mut SqliteConnection,
        enrolment: &Enrolment,
        now: u64,
    ) -> Result<i64, StoreError> {
        self.may_keep(enrolment, now)?;
        let Enrolment { gallery, subject, position, expires, references, .. } = enrolment;
        for (error, there) in [
            (StoreError::SubjectExists, "SELECT 1 FROM records WHERE gallery = ?1 AND subject = ?2 AND ?3 >= 0"),
            (StoreError::PositionTaken, "SELECT 1 FROM records WHERE gallery = ?1 AND ?2 <> '' AND position = ?3"),
        ] {
            let found: Option<i64> = query_scalar(there)
                .bind(gallery.as_str())
                .bind(subject.as_str())
                .bind(column(position.0))
                .fetch_optional(&mut *connection)
                .await?;
            if found.is_some() {
                return Err(error);
            }
        }
        let contents = Contents::of(references).to_string();
        let place = Place { gallery, subject, contents: &contents, position: position.0, expires: *expires };
        let boxes = place.seal(enrolment, &self.0.key)?;
        let record = query_scalar(
            "INSERT INTO records (gallery, subject, position, contents, live, expires, wrapped_key, subject_key)
             VALUES (?, ?, ?, ?, 0, ?, ?, ?) RETURNING record",
        )
        .bind(gallery.as_str())
        .bind(subject.as_str())
        .bind(column(position.0))
        .bind(&contents)
        .bind(column(*expires))
        .bind(boxes.wrapped_key)
        .bind(boxes.subject_key)
        .fetch_one(&mut *connection)
        .await?;
        let keep = query("INSERT INTO shares (record, share) VALUES (?, ?)").bind(record).bind(boxes.share);
        keep.execute(&mut *connection).await?;
        Ok(record)
    }
}

/// An expired record that was not swept yet makes room, unless it is under a change: its key is overwritten and its row goes. True
/// if there was one.
async fn destroy_expired(
    connection: &mut SqliteConnection,
    Enrolment { gallery, subject, .. }: &Enrolment,
    now: u64,
) -> Result<bool, StoreError> {
    let destroyed = query(
        "UPDATE records SET wrapped_key = NULL WHERE gallery = ? AND subject = ? AND live = 1 AND expires <= ?
               AND record NOT IN (SELECT record FROM changes WHERE committed = 0)",
    )
    .bind(gallery.as_str())
    .bind(subject.as_str())
    .bind(column(now))
    .execute(&mut *connection)
    .await?;
    query("DELETE FROM records WHERE wrapped_key IS NULL").execute(&mut *connection).await?;
    Ok(destroyed.rows_affected() > 0)
}

struct Known {
    kind: ChangeKind,
    record: i64,
    committed: bool,
}

async fn known(connection: &mut SqliteConnection, change: ChangeId) -> Result<Option<Known>, StoreError> {
    let row = query("SELECT kind, record, committed FROM changes WHERE change = ?")
        .bind(change.0.as_slice())
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Known {
        kind: ChangeKind::parse(row.try_get("kind")?)?,
        record: row.try_get("record")?,
        committed: row.try_get("committed")?,
    }))
}

/// The record that stands under a name, if no other change of it is pending.
async fn free_record(
    connection: &mut SqliteConnection,
    gallery: &GalleryName,
    subject: &Subject,
    now: u64,
) -> Result<i64, StoreError> {
    let found: Option<(i64, bool)> = query_as(
        "SELECT record, EXISTS (SELECT 1 FROM changes WHERE changes.record = records.record AND committed = 0) FROM records
         WHERE gallery = ? AND subject = ? AND live = 1 AND expires > ? AND wrapped_key IS NOT NULL",
    )
    .bind(gallery.as_str())
    .bind(subject.as_str())
    .bind(column(now))
    .fetch_optional(connection)
    .await?;
    match found {
        Some((record, false)) => Ok(record),
        Some((_, true)) => Err(StoreError::UnderChange),
        None => Err(StoreError::SubjectUnknown),
    }
}
