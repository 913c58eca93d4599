//! The tables, and whose store it is.

use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection as _, raw_sql};

use super::StoreError;
use crate::name::Deployment;
use crate::party::Party;

/// Raised with every change of the tables.
const VERSION: &str = "7";

/// In `meta`: the latest time that this node has acted on.
pub(super) const ACTED: &str = "acted";

/// In `meta`: until when nothing is destroyed, after that time has leapt.
pub(super) const HELD: &str = "held";

/// In `meta`: how many changes were made, of all time.
pub(super) const CHANGES: &str = "changes";

/// In `meta`: from which number on positions are given; absent but after a loss.
pub(super) const POSITIONS: &str = "positions";

/// All times are unix seconds. Blobs of ids are SHA-256.
const TABLES: &str = "
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

-- One enrolment a row. A number of the first column is never given twice.
CREATE TABLE records (
    record INTEGER PRIMARY KEY AUTOINCREMENT,
    gallery TEXT NOT NULL,
    subject TEXT NOT NULL,
    position INTEGER NOT NULL CHECK (position >= 0),
    -- Model and shape of each reference in the share's box: fr512 1x512;leader-rows-3 38x140.
    contents TEXT NOT NULL,
    live INTEGER NOT NULL CHECK (live IN (0, 1)),
    expires INTEGER NOT NULL CHECK (expires > 0),
    attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    locked_until INTEGER NOT NULL DEFAULT 0 CHECK (locked_until >= 0),
    -- Entries of the access log that bear a handle under the subject's key.
    handles INTEGER NOT NULL DEFAULT 0 CHECK (handles >= 0),
    -- NULL is destroyed: the rest of the row is noise then, and goes next.
    wrapped_key BLOB,
    subject_key BLOB NOT NULL,
    UNIQUE (gallery, subject),
    UNIQUE (gallery, position)
) STRICT;
-- A record's shares, in one box of up to 330 KB: apart, since every comparison rewrites the record's own row.
CREATE TABLE shares (
    record INTEGER PRIMARY KEY REFERENCES records (record) ON DELETE CASCADE,
    share BLOB NOT NULL
) STRICT;
CREATE INDEX records_expires ON records (expires);
CREATE INDEX records_destroyed ON records (record) WHERE wrapped_key IS NULL;
CREATE TABLE positions (gallery TEXT PRIMARY KEY, given INTEGER NOT NULL) STRICT, WITHOUT ROWID;

-- Changes that the three nodes make together. Names a record by number only: after an erasure nothing tells whose it was.
CREATE TABLE changes (
    change BLOB PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('enroll', 'erase', 'lock', 'unlock')),
    -- 0 of an erasure of somebody who is not here.
    record INTEGER NOT NULL,
    committed INTEGER NOT NULL CHECK (committed IN (0, 1)),
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX changes_pending ON changes (record) WHERE committed = 0;

CREATE TABLE proofs (proof BLOB PRIMARY KEY, until INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE tokens (token BLOB PRIMARY KEY, uses INTEGER NOT NULL, until INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE requests (
    relying_party TEXT NOT NULL,
    request BLOB NOT NULL,
    client TEXT NOT NULL,
    transcript BLOB NOT NULL,
    open INTEGER NOT NULL CHECK (open IN (0, 1)),
    -- The answer goes when its time has passed. That time stays: it tells that there was one.
    answer BLOB,
    answer_until INTEGER,
    until INTEGER NOT NULL,
    -- Of a comparison that matched: whom, what for, and when.
    matched_record INTEGER,
    matched_purpose TEXT,
    matched_at INTEGER,
    -- How often the answer was given again, as far as the log tells.
    again INTEGER NOT NULL DEFAULT 0 CHECK (again >= 0),
    PRIMARY KEY (relying_party, request)
) STRICT;
CREATE INDEX requests_until ON requests (until);
CREATE INDEX requests_answers ON requests (answer_until) WHERE answer IS NOT NULL;
CREATE INDEX requests_open ON requests (open) WHERE open = 1;

-- Keys that envelopes are sealed to, by the first 8 bytes of SHA-256 of the public one. NULL is destroyed: the row goes next.
CREATE TABLE envelope_keys (
    -- In the order in which they were drawn, whatever the clock said.
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    key BLOB NOT NULL,
    made INTEGER NOT NULL,
    until INTEGER NOT NULL,
    seed BLOB
) STRICT;
-- Envelopes that came, and the request that each came with: kept as long as their key, by which they are swept together.
CREATE TABLE envelopes (
    key BLOB NOT NULL,
    envelope BLOB NOT NULL,
    transcript BLOB NOT NULL,
    PRIMARY KEY (key, envelope)
) STRICT, WITHOUT ROWID;

-- What requests presented for their right, sealed, for auditors: by the request's transcript and its own digest.
CREATE TABLE evidence (
    rq BLOB NOT NULL,
    digest BLOB NOT NULL,
    gallery TEXT NOT NULL,
    sealed BLOB NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (rq, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX evidence_until ON evidence (until);

-- The access log. Half-years are counted from the year 0. Of each, the first entry that is still kept.
CREATE TABLE halves (half INTEGER PRIMARY KEY, first INTEGER NOT NULL CHECK (first >= 0)) STRICT;
CREATE TABLE entries (
    half INTEGER NOT NULL,
    place INTEGER NOT NULL,
    entry BLOB NOT NULL,
    PRIMARY KEY (half, place)
) STRICT, WITHOUT ROWID;
";

/// A number in `meta`; 0 if it was never written.
pub(super) async fn noted(connection: &mut SqliteConnection, name: &str) -> Result<u64, StoreError> {
    let found: Option<String> =
        sqlx::query_scalar("SELECT value FROM meta WHERE name = ?").bind(name).fetch_optional(connection).await?;
    found.map_or(Ok(0), |found| found.parse().map_err(|_| StoreError::Form))
}

/// Writes such a number.
pub(super) async fn note(connection: &mut SqliteConnection, name: &str, number: u64) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value")
        .bind(name)
        .bind(number.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

/// Makes the tables in a new file; in an old one, checks that they are this party's.
pub(super) async fn claim(
    connection: &mut SqliteConnection,
    deployment: &Deployment,
    party: Party,
) -> Result<(), StoreError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema").fetch_one(&mut *transaction).await?;
    if tables == 0 {
        raw_sql(TABLES).execute(&mut *transaction).await?;
        for (name, value) in [("version", VERSION), ("deployment", deployment.as_str()), ("party", party.as_str())] {
            sqlx::query("INSERT INTO meta (name, value) VALUES (?, ?)")
                .bind(name)
                .bind(value)
                .execute(&mut *transaction)
                .await?;
        }
    }
    let meta: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema WHERE name = 'meta'")
        .fetch_one(&mut *transaction)
        .await?;
    if meta == 0 {
        return Err(StoreError::Schema);
    }
    for (name, value, error) in [
        ("version", VERSION, StoreError::Schema),
        ("deployment", deployment.as_str(), StoreError::ForeignStore),
        ("party", party.as_str(), StoreError::ForeignStore),
    ] {
        let found: Option<String> = sqlx::query_scalar("SELECT value FROM meta WHERE name = ?")
            .bind(name)
            .fetch_optional(&mut *transaction)
            .await?;
        if found.as_deref() != Some(value) {
            return Err(error);
        }
    }
    Ok(transaction.commit().await?)
}
