//! Records: loading at start, expiry, and the second half of every erasure.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, query};
use tokio_stream::StreamExt as _;

use super::columns::Named;
use super::record::HandleKey;
use super::record::Record;
use super::{Store, StoreError, column, number};
use crate::log::ledger::{Position, RecordId, SubjectState};
use crate::name::{GalleryName, RelyingParty, RequestId, Subject};
use crate::token::Evidence;
use crate::token::purpose::ReplayKeys;

/// What a sweep destroyed.
#[derive(Debug, PartialEq, Eq)]
pub struct Swept {
    /// Records that had expired.
    pub records: Vec<Expired>,
    /// Spent ids, answers, evidence and committed changes whose time had passed.
    pub forgotten: u64,
}

/// A record that a sweep destroyed, for the galleries in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expired {
    /// Where it was.
    pub gallery: GalleryName,
    /// Whose it was.
    pub subject: Subject,
    /// Its place.
    pub position: Position,
}

/// Someone whom a search may name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Place in the gallery.
    pub position: Position,
    /// Which enrolment.
    pub record: RecordId,
    /// Whose.
    pub subject: Subject,
}

impl Store {
    /// Of those that stand at some positions of a gallery, in that order, who is live, not expired at a moment in unix seconds,
    /// and not locked. Who must only wait with the next comparison is there: or somebody could keep away from searches by failing.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`].
    pub async fn candidates(
        &self,
        gallery: &GalleryName,
        positions: &[Position],
        moment: u64,
    ) -> Result<Vec<Candidate>, StoreError> {
        let mut held = self.connection().await;
        let mut candidates = Vec::with_capacity(positions.len());
        for &position in positions {
            let row = query(
                "SELECT record, subject FROM records WHERE gallery = ? AND position = ? AND live = 1
                 AND wrapped_key IS NOT NULL AND expires > ? AND locked_until < ?",
            )
            .bind(gallery.as_str())
            .bind(column(position.0))
            .bind(column(moment))
            .bind(column(SubjectState::LOCKED))
            .fetch_optional(held.plain()?)
            .await?;
            if let Some(row) = row {
                let subject = row.try_get::<&str, _>("subject")?.parse().map_err(|_| StoreError::Form)?;
                candidates.push(Candidate { position, record: RecordId(row.try_get("record")?), subject });
            }
        }
        Ok(candidates)
    }

    /// Whether anything came under a relying party's request id: there may be an answer to it.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`].
    pub async fn knows_request(&self, relying_party: &RelyingParty, id: RequestId) -> Result<bool, StoreError> {
        let mut held = self.connection().await;
        let row = query("SELECT 1 FROM requests WHERE relying_party = ? AND request = ?")
            .bind(relying_party.as_str())
            .bind(&id.as_bytes()[..])
            .fetch_optional(held.plain()?)
            .await?;
        Ok(row.is_some())
    }

    /// Whether this client's request under this id, with this very digest, was answered, be the answer kept still or not.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`].
    pub async fn was_answered(&self, relying_party: &RelyingParty, spends: &ReplayKeys) -> Result<bool, StoreError> {
        let mut held = self.connection().await;
        let row = query(
            "SELECT 1 FROM requests WHERE relying_party = ? AND request = ? AND client = ? AND transcript = ?
                AND answer_until IS NOT NULL",
        )
        .bind(relying_party.as_str())
        .bind(&spends.request_id.as_bytes()[..])
        .bind(&spends.client)
        .bind(&spends.request_digest[..])
        .fetch_optional(held.plain()?)
        .await?;
        Ok(row.is_some())
    }

    /// What requests with this digest presented, and about which gallery.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] if one does not open, [`StoreError::Sqlite`].
    pub async fn evidence(&self, request_digest: &[u8; 32]) -> Result<Vec<(GalleryName, Evidence)>, StoreError> {
        let mut held = self.connection().await;
        let rows = query("SELECT gallery, sealed FROM evidence WHERE rq = ?")
            .bind(&request_digest[..])
            .fetch_all(held.plain()?)
            .await?;
        let open = |row: &SqliteRow| {
            let opened = self.0.key.open_evidence(request_digest, row.try_get("sealed")?)?;
            let gallery = row.try_get::<&str, _>("gallery")?.parse().map_err(|_| StoreError::Form)?;
            Ok((gallery, Evidence::from_bytes(&opened).ok_or(StoreError::Form)?))
        };
        rows.iter().map(open).collect()
    }

    /// The key under which a record's handles are made, and how many there are. None if it is erased.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] if it does not open, [`StoreError::Sqlite`].
    pub async fn handles(&self, record: RecordId) -> Result<Option<(HandleKey, u64)>, StoreError> {
        let mut held = self.connection().await;
        let row = query("SELECT * FROM records WHERE record = ? AND wrapped_key IS NOT NULL")
            .bind(record.0)
            .fetch_optional(held.plain()?)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let named = Named::read(&row)?;
        let (wrapped, sealed): (&[u8], &[u8]) = (row.try_get("wrapped_key")?, row.try_get("subject_key")?);
        let key = named.place().subject_key(wrapped, sealed, &self.0.key)?;
        Ok(Some((key, number(row.try_get("handles")?))))
    }

    /// Gives all live and unexpired records to `take`, each gallery's in the order of positions, and returns their number.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] at the first record that does not open: start nothing on a store that was changed.
    pub async fn load(&self, now: u64, mut take: impl FnMut(Record) + Send) -> Result<u64, StoreError> {
        let mut held = self.connection().await;
        let mut rows = query(
            "SELECT * FROM records JOIN shares USING (record)
             WHERE live = 1 AND expires > ? AND wrapped_key IS NOT NULL ORDER BY gallery, position",
        )
        .bind(column(now))
        .fetch(held.plain()?);
        let mut count = 0;
        while let Some(row) = rows.try_next().await? {
            take(self.read(&row)?);
            count += 1;
        }
        Ok(count)
    }

    /// Erases what has expired and is not under a change, keys first, and forgets ids, answers and committed changes whose time has passed.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`]; the next sweep takes up what is left.
    pub async fn sweep(&self, now: u64) -> Result<Swept, StoreError> {
        let mut held = self.connection().await;
        let mut transaction = held.begin().await?;
        let mut forgotten = 0;
        for forget in [
            "DELETE FROM proofs WHERE until < ?",
            "DELETE FROM tokens WHERE until < ?",
            "UPDATE requests SET answer = NULL WHERE answer_until < ? AND answer IS NOT NULL",
            "DELETE FROM requests WHERE until < ? AND open = 0",
            "DELETE FROM evidence WHERE until < ?",
            "DELETE FROM changes WHERE until < ? AND committed = 1",
        ] {
            forgotten += query(forget).bind(column(now)).execute(&mut *transaction).await?.rows_affected();
        }
        let rows = query(
            "UPDATE records SET wrapped_key = NULL WHERE live = 1 AND expires <= ? AND wrapped_key IS NOT NULL
             AND record NOT IN (SELECT record FROM changes WHERE committed = 0)
             RETURNING gallery, subject, contents, position, expires",
        )
        .bind(column(now))
        .fetch_all(&mut *transaction)
        .await?;
        // To destroy is to act: no clock may say less from now on.
        let acted = self.0.acted.at(now);
        if let Some(acted) = acted {
            acted.write(&mut transaction).await?;
        }
        transaction.commit().await?;
        drop(held);
        if let Some(acted) = acted {
            self.0.acted.take(acted);
        }
        self.forget_envelopes().await?;
        let records: Vec<_> = rows
            .iter()
            .map(|row| {
                let Named { gallery, subject, position, .. } = Named::read(row)?;
                Ok(Expired { gallery, subject, position: Position(position) })
            })
            .collect::<Result<_, StoreError>>()?;
        if !records.is_empty() {
            self.finish_erasures().await?;
        }
        Ok(Swept { records, forgotten })
    }

    /// Removes the rows whose key or seed is destroyed, and empties the write-ahead log, which still holds them.
    pub(super) async fn finish_erasures(&self) -> Result<(), StoreError> {
        let mut held = self.connection().await;
        let connection = held.plain()?;
        query("DELETE FROM records WHERE wrapped_key IS NULL").execute(&mut *connection).await?;
        query("DELETE FROM envelope_keys WHERE seed IS NULL").execute(&mut *connection).await?;
        query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_all(&mut *connection).await?;
        Ok(())
    }

    /// Opens the shares of a row of `records` joined with `shares`.
    pub(super) fn read(&self, row: &SqliteRow) -> Result<Record, StoreError> {
        let (wrapped, sealed): (&[u8], &[u8]) = (row.try_get("wrapped_key")?, row.try_get("share")?);
        let named = Named::read(row)?;
        let references = named.place().references(wrapped, sealed, &self.0.key, self.party())?;
        let Named { gallery, subject, position, expires, .. } = named;
        Ok(Record { gallery, subject, position: Position(position), expires, references })
    }
}
