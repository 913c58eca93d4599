//! How far a store is: how many changes it has made, so that one that is empty or an older copy can be told from the others'.
//!
//! A change is committed nowhere before it stands prepared at all three nodes, and stays so until it is committed there as well. So what
//! a store has made, together with what stands prepared in it, is never less than what another has made, whatever crashes and whenever
//! one asks; sweeps count for nothing. A store of which that is not true has lost changes.

use std::sync::{MutexGuard, PoisonError};

use sqlx::sqlite::SqliteConnection;

use super::{Store, StoreError, schema};

/// How far a store is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stand {
    /// Changes that it has made, of all time.
    pub made: u64,
    /// Changes that stand prepared, and are yet to be made or not.
    pub prepared: u64,
}

impl Stand {
    /// How many changes it has lost, if another has made so many.
    #[must_use]
    pub const fn lacks(self, made: u64) -> u64 {
        made.saturating_sub(self.made.saturating_add(self.prepared))
    }
}

impl Store {
    /// How far it is.
    #[must_use]
    pub fn stand(&self) -> Stand {
        *self.counted()
    }

    pub(super) fn counted(&self) -> MutexGuard<'_, Stand> {
        self.0.stand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts what it lacks as made, for an operator who says that it is lost. Positions that this node gives from now on are at least
    /// `position`: above all that it has forgotten.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`].
    pub async fn danger_catch_up(&self, made: u64, position: u64) -> Result<(), StoreError> {
        let mut held = self.connection().await;
        let mut transaction = held.begin().await?;
        schema::note(&mut transaction, schema::CHANGES, made).await?;
        schema::note(&mut transaction, schema::POSITIONS, position).await?;
        transaction.commit().await?;
        drop(held);
        self.counted().made = made;
        Ok(())
    }
}

/// As it stands in the file.
pub(super) async fn read(connection: &mut SqliteConnection) -> Result<Stand, StoreError> {
    let made = schema::noted(connection, schema::CHANGES).await?;
    let prepared: i64 =
        sqlx::query_scalar("SELECT count(*) FROM changes WHERE committed = 0").fetch_one(connection).await?;
    Ok(Stand { made, prepared: super::number(prepared) })
}

/// More changes are made, within the transaction that makes them.
pub(super) async fn count(connection: &mut SqliteConnection, more: u64) -> Result<(), StoreError> {
    let made = schema::noted(connection, schema::CHANGES).await?;
    schema::note(connection, schema::CHANGES, made.saturating_add(more)).await
}
