//! The store as the access log's ledger.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, query};

use super::columns::fault;
use super::view::View;
use super::{FULL, Store, StoreError, column, number};
use crate::log::ledger::{Ledger, LedgerFault, Together};
use crate::log::shard::{EntryId as LogPlace, Shard};
use crate::log::trouble::Trouble;

/// Entries read at once when a log is opened: at most 1 MiB.
const PAGE: i64 = 1024;

/// SQLite's words for faults after which what was being committed may be durable all the same, or what is durable may not be readable:
/// a sync that failed, a file that is damaged.
const UNSURE: [u32; 5] = [CORRUPT, NOT_A_DATABASE, 1034, 1290, 1546];
const CORRUPT: u32 = 11;
const NOT_A_DATABASE: u32 = 26;

impl From<StoreError> for LedgerFault {
    fn from(error: StoreError) -> Self {
        match trouble(&error) {
            Some(trouble) => Self::undone(trouble, error),
            None => Self::new(error),
        }
    }
}

/// What is wrong, if it is certain that nothing of a transaction is durable. In write-ahead mode a transaction is durable with its last
/// page alone; where that was not written, or not reached, there is nothing of it after a look at the file.
fn trouble(error: &StoreError) -> Option<Trouble> {
    match error {
        StoreError::Sqlite(sqlx::Error::Database(error)) => {
            let code: u32 = error.code()?.parse().ok()?;
            let unsure = UNSURE.contains(&code) || UNSURE.contains(&(code & 0xff));
            let trouble = if code & 0xff == FULL { Trouble::Full } else { Trouble::Unwritable };
            (!unsure).then_some(trouble)
        }
        StoreError::File(error) => Some(Trouble::of(error)),
        StoreError::Closed | StoreError::InUse => Some(Trouble::Unwritable),
        StoreError::SubjectExists
        | StoreError::SubjectUnknown
        | StoreError::PositionTaken
        | StoreError::NoExpiry
        | StoreError::ChangeUnknown
        | StoreError::UnderChange
        | StoreError::AlreadyPrepared
        | StoreError::AlreadyCommitted
        | StoreError::NoReference
        | StoreError::ForeignShare
        | StoreError::ForeignStore
        | StoreError::Schema
        | StoreError::Sealed(_)
        | StoreError::Form
        | StoreError::NoRandomness(_)
        | StoreError::Sqlite(_) => None,
    }
}

impl Ledger for Store {
    async fn resume(&mut self) -> Result<(), LedgerFault> {
        let mut held = self.connection().await;
        query("UPDATE requests SET open = 0 WHERE open = 1").execute(held.plain()?).await.map_err(fault)?;
        Ok(())
    }

    async fn halves(&mut self) -> Result<Vec<(Shard, u64)>, LedgerFault> {
        let mut held = self.connection().await;
        let rows =
            query("SELECT half, first FROM halves ORDER BY half").fetch_all(held.plain()?).await.map_err(fault)?;
        let read = |row: &SqliteRow| {
            let half = Shard::from_number(row.try_get("half")?).ok_or(StoreError::Form)?;
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

    async fn commit<T: Together>(&mut self, batch: &mut T) -> Result<(), LedgerFault> {
        self.commit_batch(batch).await.map_err(|fault| fault.at(self.0.file.display()))
    }

    async fn recover(&mut self) -> Result<(), LedgerFault> {
        self.reopen().await.map_err(|error| LedgerFault::from(error).at(self.0.file.display()))
    }
}

impl Store {
    /// One transaction.
    async fn commit_batch<T: Together>(&self, batch: &mut T) -> Result<(), LedgerFault> {
        let mut held = self.connection().await;
        let mut transaction = held.begin().await?;
        // What is acted on at a time says that it was that late.
        let acted = batch.latest().and_then(|latest| self.0.acted.at(latest));
        let mut view = View::read(&mut transaction, batch, &self.0.key).await?;
        batch.run(&mut view).await?;
        view.write(&mut transaction).await?;
        if let Some(acted) = acted {
            acted.write(&mut transaction).await?;
        }
        transaction.commit().await.map_err(fault)?;
        if let Some(acted) = acted {
            self.0.acted.take(acted);
        }
        Ok(())
    }
}
