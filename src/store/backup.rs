//! A copy of the store while it is used, and what an older copy is brought up to date by: the entries that its log was found to have since.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use sqlx::{Connection as _, query, raw_sql};

use super::columns::Named;
use super::record::HandleKey;
use super::{Store, StoreError, column, connect, number, stand};
use crate::log::entry::{Entry, Event, blinded_handle};
use crate::log::ledger::SubjectState;
use crate::log::shard::EntryId;
use crate::request::Method;

/// What dies by itself within days and must not live on in a copy: seeds of envelope keys, what was sealed to them, and answers.
const SHORT_LIVED: &str = "
DELETE FROM envelope_keys;
DELETE FROM envelopes;
UPDATE requests SET answer = NULL WHERE answer IS NOT NULL;
";

/// A log without entries. Handles that entries have borne since the copy must not come again, and positions that were given since neither:
/// so many of each are left out as no person and no gallery has had meanwhile. Readers look 65 536 handles ahead.
const NEW_LOG: &str = "
DELETE FROM entries;
DELETE FROM halves;
UPDATE records SET handles = handles + 4096;
UPDATE positions SET given = given + 1048576;
";

/// Positions of a gallery that are left out after the last that a copy knows of, beside one for each enrolment that was asked for since.
const SPARE_POSITIONS: u64 = 64;

/// What entries that a copy did not have told of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Entries.
    pub entries: usize,
    /// People who were erased since, and are now here as well.
    pub erased: usize,
    /// People who were locked or unlocked since, and are now here as well.
    pub locks: usize,
    /// People who were enrolled since. Their shares are in none of the entries: they are not enrolled here.
    pub enrolled: usize,
}

/// A person's record, as far as entries tell of it.
struct Told {
    key: HandleKey,
    handles: u64,
    lock: Option<bool>,
    erased: bool,
}

impl Store {
    /// Writes a copy of all that is durable into a new file, without what must not outlive its time. Whoever commits meanwhile waits.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`]; what was written of the copy may be there.
    pub async fn copy_to(&self, file: &Path) -> Result<(), StoreError> {
        let mut held = self.connection().await;
        query("VACUUM INTO ?").bind(file.to_string_lossy()).execute(held.plain()?).await?;
        drop(held);
        let mut copy = connect(file).await?;
        raw_sql(SHORT_LIVED).execute(&mut copy).await?;
        // One file, that can be summed and carried.
        raw_sql("PRAGMA journal_mode = DELETE").execute(&mut copy).await?;
        Ok(copy.close().await?)
    }

    /// Appends entries that the log was found to have beyond this store's, in order, and does what they say was done: erasures, locks,
    /// counts of handles and of changes. All or nothing, but for rows that are emptied afterwards.
    ///
    /// # Errors
    /// [`StoreError::Form`] for what is no entry, [`StoreError::Sealed`] if a record does not open, [`StoreError::Sqlite`].
    pub async fn replay(&self, entries: &[(EntryId, Vec<u8>)]) -> Result<Replayed, StoreError> {
        let mut people = self.people().await?;
        let parsed: Vec<Entry> = entries
            .iter()
            .map(|(_, bytes)| Entry::parse(bytes))
            .collect::<Result<_, _>>()
            .map_err(|_| StoreError::Form)?;
        let (replayed, asked) = follow(&mut people, &parsed);
        let made = changes_of(&parsed);
        let mut held = self.connection().await;
        let mut transaction = held.begin().await?;
        for (place, entry) in entries {
            query("INSERT OR IGNORE INTO halves (half, first) VALUES (?, 0)")
                .bind(place.half.number())
                .execute(&mut *transaction)
                .await?;
            query("INSERT INTO entries (half, place, entry) VALUES (?, ?, ?)")
                .bind(place.half.number())
                .bind(column(place.index))
                .bind(entry)
                .execute(&mut *transaction)
                .await?;
        }
        for (record, Told { handles, lock, erased, .. }) in &people {
            query("UPDATE records SET handles = ? WHERE record = ?")
                .bind(column(*handles))
                .bind(record)
                .execute(&mut *transaction)
                .await?;
            if let Some(locked) = lock {
                query("UPDATE records SET attempts = 0, locked_until = ? WHERE record = ?")
                    .bind(if *locked { column(SubjectState::LOCKED) } else { 0 })
                    .bind(record)
                    .execute(&mut *transaction)
                    .await?;
            }
            if *erased {
                query("UPDATE records SET wrapped_key = NULL WHERE record = ?")
                    .bind(record)
                    .execute(&mut *transaction)
                    .await?;
            }
        }
        query("UPDATE positions SET given = given + ?")
            .bind(column(asked + SPARE_POSITIONS))
            .execute(&mut *transaction)
            .await?;
        if let Some(last) = parsed.iter().map(|entry| entry.minute.begins()).max() {
            self.0.acted.now().no_earlier(last).write(&mut transaction).await?;
        }
        stand::count(&mut transaction, made).await?;
        transaction.commit().await?;
        drop(held);
        self.counted().made += made;
        self.finish_erasures().await?;
        Ok(replayed)
    }

    /// Takes all entries of the log out, and leaves the people: for a new log under a new key, of which nothing was published.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`]; then nothing was done.
    pub async fn danger_begin_log(&self) -> Result<(), StoreError> {
        let mut held = self.connection().await;
        let mut transaction = held.begin().await?;
        raw_sql(NEW_LOG).execute(&mut *transaction).await?;
        Ok(transaction.commit().await?)
    }

    /// Everybody's key of handles, and how many there are.
    async fn people(&self) -> Result<HashMap<i64, Told>, StoreError> {
        use sqlx::Row as _;
        let mut held = self.connection().await;
        let rows = query("SELECT * FROM records WHERE wrapped_key IS NOT NULL").fetch_all(held.plain()?).await?;
        let read = |row: &sqlx::sqlite::SqliteRow| {
            let named = Named::read(row)?;
            let (wrapped, sealed): (&[u8], &[u8]) = (row.try_get("wrapped_key")?, row.try_get("subject_key")?);
            let key = named.place().subject_key(wrapped, sealed, &self.0.key)?;
            let told = Told { key, handles: number(row.try_get("handles")?), lock: None, erased: false };
            Ok((row.try_get("record")?, told))
        };
        rows.iter().map(read).collect()
    }
}

/// Requests that were admitted since the copy. One that was admitted before may be done in it although its end is not logged there.
fn begun(entries: &[Entry]) -> HashSet<[u8; 32]> {
    entries.iter().filter(|entry| entry.event == Event::Admitted).map(|entry| entry.request_digest).collect()
}

/// How many changes the entries say were made here, beyond those that a copy has made. Enrolments are none of them: their shares are lost,
/// and this store is to be known as one that lacks them. Nor is what was asked for before the copy: a store that counts more than it made
/// would have the others' taken for older ones.
fn changes_of(entries: &[Entry]) -> u64 {
    let begun = begun(entries);
    let is_change = |entry: &&Entry| matches!(entry.action, Method::Erase | Method::Lock | Method::Unlock);
    let made = entries.iter().filter(is_change).filter(|entry| entry.event == Event::Completed);
    made.filter(|entry| begun.contains(&entry.request_digest)).count() as u64
}

/// Follows each person through the entries by the one handle that the next entry about them must bear. Gives as well how many positions
/// may have been given out.
fn follow(people: &mut HashMap<i64, Told>, entries: &[Entry]) -> (Replayed, u64) {
    let mut replayed = Replayed { entries: entries.len(), ..Replayed::default() };
    let begun = begun(entries);
    let mut next: HashMap<[u8; 32], i64> =
        people.iter().map(|(record, told)| (blinded_handle(&told.key, told.handles), *record)).collect();
    let (mut about, mut asked, mut changed) = (HashMap::new(), 0, HashSet::new());
    for entry in entries {
        if let Some(record) = next.remove(&entry.handle)
            && let Some(told) = people.get_mut(&record)
        {
            told.handles += 1;
            next.insert(blinded_handle(&told.key, told.handles), record);
            about.insert(entry.request_digest, record);
        }
        asked += u64::from(entry.action == Method::Enroll);
        if entry.event != Event::Completed {
            continue;
        }
        replayed.enrolled += usize::from(entry.action == Method::Enroll && begun.contains(&entry.request_digest));
        // The entry that closes an erasure bears nobody's handle any more: the request tells whom it was about.
        let Some((record, told)) =
            about.get(&entry.request_digest).and_then(|of| people.get_mut(of).map(|told| (*of, told)))
        else {
            continue;
        };
        if entry.action == Method::Erase && !told.erased {
            told.erased = true;
            replayed.erased += 1;
        }
        if matches!(entry.action, Method::Lock | Method::Unlock) {
            told.lock = Some(entry.action == Method::Lock);
            changed.insert(record);
        }
    }
    replayed.locks = changed.len();
    (replayed, asked)
}
