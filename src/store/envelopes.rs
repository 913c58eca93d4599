//! The keys that envelopes are sealed to, and the envelopes that came: they go together.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, query};

use super::{Store, StoreError, column, number};
use crate::seal::{KeyId, PrivateKey};

/// Spent envelopes that are forgotten in one transaction: others wait for no more than milliseconds.
const AT_ONCE: i64 = 4096;

/// A private envelope key, as the store keeps it.
#[derive(Debug)]
pub struct KeptKey {
    /// The key.
    pub key: PrivateKey,
    /// Unix seconds when it was drawn.
    pub made: u64,
    /// Unix seconds until which envelopes to it are to be taken.
    pub until: u64,
}

impl Store {
    /// All envelope keys that are kept, the newest first.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] if one does not open, [`StoreError::Sqlite`].
    pub async fn envelope_keys(&self) -> Result<Vec<KeptKey>, StoreError> {
        let mut held = self.connection().await;
        let rows = query("SELECT * FROM envelope_keys WHERE seed IS NOT NULL ORDER BY number DESC")
            .fetch_all(held.plain()?)
            .await?;
        let read = |row: &SqliteRow| {
            let id = row.try_get::<&[u8], _>("key")?.try_into().map_err(|_| StoreError::Form)?;
            let key = self.0.key.open_seed(&KeyId::from_bytes(id), row.try_get("seed")?)?;
            Ok(KeptKey { key, made: number(row.try_get("made")?), until: number(row.try_get("until")?) })
        };
        rows.iter().map(read).collect()
    }

    /// Keeps a new envelope key, its seed sealed.
    ///
    /// # Errors
    /// [`StoreError::NoRandomness`], [`StoreError::Sqlite`].
    pub async fn keep_envelope_key(&self, kept: &KeptKey) -> Result<(), StoreError> {
        let KeptKey { key, made, until } = kept;
        let id = key.public().id();
        let seed = self.0.key.seal_seed(id, &key.to_seed())?;
        let mut held = self.connection().await;
        query("INSERT INTO envelope_keys (key, made, until, seed) VALUES (?, ?, ?, ?)")
            .bind(&id.as_bytes()[..])
            .bind(column(*made))
            .bind(column(*until))
            .bind(&*seed)
            .execute(held.plain()?)
            .await?;
        Ok(())
    }

    /// Ends an envelope key at another moment, in unix seconds.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`].
    pub async fn end_envelope_key(&self, id: &KeyId, until: u64) -> Result<(), StoreError> {
        let mut held = self.connection().await;
        query("UPDATE envelope_keys SET until = ? WHERE key = ?")
            .bind(column(until))
            .bind(&id.as_bytes()[..])
            .execute(held.plain()?)
            .await?;
        Ok(())
    }

    /// Destroys an envelope key: overwritten first, then removed, and the write-ahead log emptied. What was sealed to it opens nowhere
    /// any more, so the envelopes that it spent may be forgotten from now on.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`]; it is finished when the store is opened again.
    pub async fn destroy_envelope_key(&self, id: &KeyId) -> Result<(), StoreError> {
        let mut held = self.connection().await;
        query("UPDATE envelope_keys SET seed = NULL WHERE key = ?")
            .bind(&id.as_bytes()[..])
            .execute(held.plain()?)
            .await?;
        drop(held);
        self.finish_erasures().await
    }

    /// Forgets the envelopes of keys that are gone, some in each transaction.
    pub(super) async fn forget_envelopes(&self) -> Result<(), StoreError> {
        loop {
            let mut held = self.connection().await;
            let forgotten = query(
                "DELETE FROM envelopes WHERE (key, envelope) IN (SELECT key, envelope FROM envelopes
                     WHERE key NOT IN (SELECT key FROM envelope_keys) LIMIT ?)",
            )
            .bind(AT_ONCE)
            .execute(held.plain()?)
            .await?;
            if forgotten.rows_affected() < AT_ONCE.unsigned_abs() {
                return Ok(());
            }
        }
    }
}
