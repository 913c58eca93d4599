//! The store as the access log's ledger.

use std::sync::atomic::Ordering;

use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, query};

use super::boxes::Place;
use super::view::View;
use super::{Store, StoreError, column, number, schema};
use crate::log::admission::Batch;
use crate::log::half::{Half, Place as LogPlace};
use crate::log::ledger::{Ledger, LedgerFault};
use crate::name::{GalleryName, Subject};

/// Entries read at once when a log is opened: at most 1 MiB.
const PAGE: i64 = 1024;

impl From<StoreError> for LedgerFault {
    fn from(error: StoreError) -> Self {
        Self::new(error)
    }
}

pub(super) fn fault(error: sqlx::Error) -> LedgerFault {
    StoreError::from(error).into()
}

impl Ledger for Store {
    async fn resume(&mut self) -> Result<(), LedgerFault> {
        let mut held = self.connection().await;
        query("UPDATE requests SET open = 0 WHERE open = 1").execute(held.plain()?).await.map_err(fault)?;
        Ok(())
    }

    async fn halves(&mut self) -> Result<Vec<(Half, u64)>, LedgerFault> {
        let mut held = self.connection().await;
        let rows =
            query("SELECT half, first FROM halves ORDER BY half").fetch_all(held.plain()?).await.map_err(fault)?;
        let read = |row: &SqliteRow| {
            let half = Half::from_number(row.try_get("half")?).ok_or(StoreError::Form)?;
            Ok::<_, StoreError>((half, number(row.try_get("first")?)))
        };
        Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
    }

    async fn prune(&mut self, before: LogPlace) -> Result<(), LedgerFault> {
        let mut held = self.connection().await;
        let mut transaction = held.begin().await?;
        for statement in
            ["DELETE FROM entries WHERE half = ? AND place < ?", "UPDATE halves SET first = ?2 WHERE half = ?1"]
        {
            query(statement)
                .bind(before.half.number())
                .bind(column(before.index))
                .execute(&mut *transaction)
                .await
                .map_err(fault)?;
        }
        transaction.commit().await.map_err(fault)
    }

    async fn entries(&mut self, from: LogPlace) -> Result<Vec<Vec<u8>>, LedgerFault> {
        let mut held = self.connection().await;
        let rows = query("SELECT place, entry FROM entries WHERE half = ? AND place >= ? ORDER BY place LIMIT ?")
            .bind(from.half.number())
            .bind(column(from.index))
            .bind(PAGE)
            .fetch_all(held.plain()?)
            .await
            .map_err(fault)?;
        let mut page = Vec::with_capacity(rows.len());
        for (expected, row) in (from.index..).zip(&rows) {
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
        // What is acted on at a time says that it was that late. A minute is near enough, and one statement less each time.
        let acted = batch.latest().filter(|latest| *latest >= self.acted() + 60);
        let mut view = View::read(&mut transaction, batch, &self.0.key).await?;
        batch.run(&mut view).await?;
        view.write(&mut transaction).await?;
        if let Some(acted) = acted {
            schema::note_acted(&mut transaction, acted).await?;
        }
        transaction.commit().await.map_err(fault)?;
        if let Some(acted) = acted {
            self.0.acted.store(acted, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// The columns that a record's boxes are bound to, parsed.
pub(super) struct Named {
    pub(super) gallery: GalleryName,
    pub(super) subject: Subject,
    pub(super) contents: String,
    pub(super) position: u64,
    pub(super) expires: u64,
}

impl Named {
    pub(super) fn read(row: &SqliteRow) -> Result<Self, StoreError> {
        let text = |name: &str| row.try_get::<&str, _>(name);
        Ok(Self {
            gallery: text("gallery")?.parse().map_err(|_| StoreError::Form)?,
            subject: text("subject")?.parse().map_err(|_| StoreError::Form)?,
            contents: text("contents")?.to_owned(),
            position: number(row.try_get("position")?),
            expires: number(row.try_get("expires")?),
        })
    }

    pub(super) const fn place(&self) -> Place<'_> {
        Place {
            gallery: &self.gallery,
            subject: &self.subject,
            contents: self.contents.as_str(),
            position: self.position,
            expires: self.expires,
        }
    }
}
