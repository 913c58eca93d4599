//! The store as the access log's ledger.

use sqlx::sqlite::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, query, query_scalar};

use super::boxes::Place;
use super::{Inner, Store, StoreError, column, number};
use crate::log::admission::Batch;
use crate::log::entry::blinded_handle;
use crate::log::ledger::{Answer, Asked, Course, Ledger, LedgerFault, Position, RecordId, Rows, Standing};
use crate::name::{GalleryName, RequestId, Subject};
use crate::seal::StoreKey;

/// Entries read at once when a log is opened: at most 1 MiB.
const PAGE: i64 = 1024;

impl From<StoreError> for LedgerFault {
    fn from(error: StoreError) -> Self {
        Self::new(error)
    }
}

fn fault(error: sqlx::Error) -> LedgerFault {
    StoreError::from(error).into()
}

impl Ledger for Store {
    async fn resume(&mut self) -> Result<(), LedgerFault> {
        let mut held = self.connection().await;
        query("UPDATE requests SET open = 0 WHERE open = 1").execute(held.plain()?).await.map_err(fault)?;
        Ok(())
    }

    async fn entries(&mut self, from: u64) -> Result<Vec<Vec<u8>>, LedgerFault> {
        let mut held = self.connection().await;
        let rows = query("SELECT place, entry FROM entries WHERE place >= ? ORDER BY place LIMIT ?")
            .bind(column(from))
            .bind(PAGE)
            .fetch_all(held.plain()?)
            .await
            .map_err(fault)?;
        let mut page = Vec::with_capacity(rows.len());
        for (expected, row) in (from..).zip(&rows) {
            if number(row.try_get("place").map_err(fault)?) != expected {
                return Err(StoreError::Form.into());
            }
            page.push(row.try_get("entry").map_err(fault)?);
        }
        Ok(page)
    }

    async fn commit(&mut self, batch: &mut Batch) -> Result<(), LedgerFault> {
        let mut held = self.connection().await;
        let mut transaction = held.begin().await?;
        let Inner { key, .. } = &*self.0;
        batch.run(&mut SqlRows { connection: &mut transaction, key }).await?;
        transaction.commit().await.map_err(fault)
    }
}

/// One transaction.
struct SqlRows<'a> {
    connection: &'a mut SqliteConnection,
    key: &'a StoreKey,
}

impl Rows for SqlRows<'_> {
    async fn asked(&mut self, client: &str, id: RequestId) -> Result<Option<Asked>, LedgerFault> {
        let row = query("SELECT transcript, open, answer FROM requests WHERE client = ? AND request = ?")
            .bind(client)
            .bind(id.as_bytes().as_slice())
            .fetch_optional(&mut *self.connection)
            .await
            .map_err(fault)?;
        let Some(row) = row else { return Ok(None) };
        let transcript: Vec<u8> = row.try_get("transcript").map_err(fault)?;
        let answer: Option<Vec<u8>> = row.try_get("answer").map_err(fault)?;
        let open: bool = row.try_get("open").map_err(fault)?;
        Ok(Some(Asked {
            transcript: transcript.try_into().map_err(|_| StoreError::Form)?,
            course: match answer {
                _ if open => Course::Open,
                Some(answer) => Course::Answered(Answer(answer.into())),
                None => Course::Ended,
            },
        }))
    }

    async fn open_request(
        &mut self,
        client: &str,
        id: RequestId,
        transcript: &[u8; 32],
        until: u64,
    ) -> Result<(), LedgerFault> {
        query(
            "INSERT INTO requests (client, request, transcript, open, until) VALUES (?, ?, ?, 1, ?)
             ON CONFLICT (client, request) DO UPDATE SET open = 1, until = max(until, excluded.until)",
        )
        .bind(client)
        .bind(id.as_bytes().as_slice())
        .bind(transcript.as_slice())
        .bind(column(until))
        .execute(&mut *self.connection)
        .await
        .map_err(fault)?;
        Ok(())
    }

    async fn close_request(
        &mut self,
        client: &str,
        id: RequestId,
        answer: Option<&Answer>,
    ) -> Result<bool, LedgerFault> {
        let closed = query("UPDATE requests SET open = 0, answer = ? WHERE client = ? AND request = ? AND open = 1")
            .bind(answer.map(|Answer(bytes)| &**bytes))
            .bind(client)
            .bind(id.as_bytes().as_slice())
            .execute(&mut *self.connection)
            .await
            .map_err(fault)?;
        Ok(closed.rows_affected() == 1)
    }

    async fn spend_proof(&mut self, proof: &[u8; 32], until: u64) -> Result<bool, LedgerFault> {
        let spent = query("INSERT INTO proofs (proof, until) VALUES (?, ?) ON CONFLICT DO NOTHING")
            .bind(proof.as_slice())
            .bind(column(until))
            .execute(&mut *self.connection)
            .await
            .map_err(fault)?;
        Ok(spent.rows_affected() == 1)
    }

    async fn spend_token(&mut self, token: &[u8; 32], until: u64) -> Result<u32, LedgerFault> {
        let uses: i64 = query_scalar(
            "INSERT INTO tokens (token, uses, until) VALUES (?, 1, ?)
             ON CONFLICT (token) DO UPDATE SET uses = uses + 1 RETURNING uses",
        )
        .bind(token.as_slice())
        .bind(column(until))
        .fetch_one(&mut *self.connection)
        .await
        .map_err(fault)?;
        Ok(u32::try_from(uses).unwrap_or(u32::MAX))
    }

    async fn standing(&mut self, gallery: &GalleryName, subject: &Subject) -> Result<Option<Standing>, LedgerFault> {
        query(
            "SELECT record, position, live, expires, attempts, locked_until FROM records
             WHERE gallery = ? AND subject = ? AND wrapped_key IS NOT NULL",
        )
        .bind(gallery.as_str())
        .bind(subject.as_str())
        .fetch_optional(&mut *self.connection)
        .await
        .and_then(|row| row.as_ref().map(standing).transpose())
        .map_err(fault)
    }

    async fn standing_of(&mut self, record: RecordId) -> Result<Option<Standing>, LedgerFault> {
        query(
            "SELECT record, position, live, expires, attempts, locked_until FROM records
             WHERE record = ? AND wrapped_key IS NOT NULL",
        )
        .bind(record.0)
        .fetch_optional(&mut *self.connection)
        .await
        .and_then(|row| row.as_ref().map(standing).transpose())
        .map_err(fault)
    }

    async fn set_attempts(&mut self, record: RecordId, attempts: u32, locked_until: u64) -> Result<(), LedgerFault> {
        query("UPDATE records SET attempts = ?, locked_until = ? WHERE record = ?")
            .bind(attempts)
            .bind(column(locked_until))
            .bind(record.0)
            .execute(&mut *self.connection)
            .await
            .map_err(fault)?;
        Ok(())
    }

    async fn next_handle(&mut self, record: RecordId) -> Result<Option<[u8; 32]>, LedgerFault> {
        let row = query(
            "UPDATE records SET handles = handles + 1 WHERE record = ? AND wrapped_key IS NOT NULL
             RETURNING gallery, subject, model, position, expires, handles, wrapped_key, subject_key",
        )
        .bind(record.0)
        .fetch_optional(&mut *self.connection)
        .await
        .map_err(fault)?;
        let Some(row) = row else { return Ok(None) };
        let (wrapped, sealed): (Vec<u8>, Vec<u8>) =
            (row.try_get("wrapped_key").map_err(fault)?, row.try_get("subject_key").map_err(fault)?);
        let named = Named::read(&row)?;
        let key = named.place().subject_key(&wrapped, &sealed, self.key)?;
        // The first handle is number 0.
        Ok(Some(blinded_handle(&key, number(row.try_get("handles").map_err(fault)?) - 1)))
    }

    async fn append(&mut self, index: u64, entry: &[u8]) -> Result<(), LedgerFault> {
        query("INSERT INTO entries (place, entry) VALUES (?, ?)")
            .bind(column(index))
            .bind(entry)
            .execute(&mut *self.connection)
            .await
            .map_err(fault)?;
        Ok(())
    }
}

fn standing(row: &SqliteRow) -> Result<Standing, sqlx::Error> {
    Ok(Standing {
        record: RecordId(row.try_get("record")?),
        position: Position(number(row.try_get("position")?)),
        live: row.try_get("live")?,
        expires: number(row.try_get("expires")?),
        attempts: row.try_get("attempts")?,
        locked_until: number(row.try_get("locked_until")?),
    })
}

/// The columns that a record's boxes are bound to, parsed.
pub(super) struct Named {
    pub(super) gallery: GalleryName,
    pub(super) subject: Subject,
    pub(super) model: crate::name::ModelId,
    pub(super) position: u64,
    pub(super) expires: u64,
}

impl Named {
    pub(super) fn read(row: &SqliteRow) -> Result<Self, StoreError> {
        let text = |name: &str| row.try_get::<&str, _>(name);
        Ok(Self {
            gallery: text("gallery")?.parse().map_err(|_| StoreError::Form)?,
            subject: text("subject")?.parse().map_err(|_| StoreError::Form)?,
            model: text("model")?.parse().map_err(|_| StoreError::Form)?,
            position: number(row.try_get("position")?),
            expires: number(row.try_get("expires")?),
        })
    }

    pub(super) const fn place(&self) -> Place<'_> {
        Place {
            gallery: &self.gallery,
            subject: &self.subject,
            model: &self.model,
            position: self.position,
            expires: self.expires,
        }
    }
}
