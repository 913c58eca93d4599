//! What stopped nodes' stores hold: the records that stand, the same at all three, and nothing half done.

use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use tumar::party::Party;

use super::desks::gallery;
use super::people::{NAMES, Who};
use super::rules::Person;

/// A record as far as all three nodes know the same of it: gallery, subject, position, contents, expiry.
type Row = (String, String, i64, String, i64);

/// What a stopped node's store holds.
struct Held {
    rows: Vec<Row>,
    /// Changes in doubt, records that do not stand or have no key, and shares of no record.
    half_done: (i64, i64, i64),
}

async fn read(folder: &Path) -> Held {
    let file = folder.join("data/store.sqlite");
    let mut store = SqliteConnectOptions::new().filename(file).connect().await.unwrap();
    let rows = sqlx::query_as(
        "SELECT gallery, subject, position, contents, expires FROM records
         WHERE live = 1 AND wrapped_key IS NOT NULL ORDER BY gallery, subject",
    );
    let rows = rows.fetch_all(&mut store).await.unwrap();
    let half_done = sqlx::query_as(
        "SELECT (SELECT count(*) FROM changes WHERE committed = 0),
                (SELECT count(*) FROM records WHERE live = 0 OR wrapped_key IS NULL),
                (SELECT count(*) FROM shares WHERE record NOT IN (SELECT record FROM records))",
    );
    let half_done = half_done.fetch_one(&mut store).await.unwrap();
    store.close().await.unwrap();
    Held { rows, half_done }
}

/// Holds the stores of three stopped nodes against each other and against what is known of the people.
pub(crate) async fn check(folders: &[std::path::PathBuf; 3], people: &[Person], now: u64) -> Result<(), String> {
    let mut stores = Vec::with_capacity(3);
    for (party, folder) in Party::ALL.into_iter().zip(folders) {
        let held = read(folder).await;
        if held.half_done != (0, 0, 0) {
            return Err(format!("a store holds something half done: {:?} at {party}", held.half_done));
        }
        stores.push(held.rows);
    }
    let lasting = |rows: &[Row]| rows.iter().filter(|row| row.4 > now.cast_signed()).cloned().collect::<Vec<_>>();
    let first = lasting(&stores[0]);
    for (party, rows) in Party::ALL.into_iter().zip(&stores) {
        let rows = lasting(rows);
        if rows != first {
            return Err(format!("stores hold different records: A and {party}:\n{first:?}\n{rows:?}"));
        }
    }
    for bank in 0..2 {
        for name in 0..NAMES.len() {
            let who = Who { bank, name };
            let stands = first.iter().any(|row| row.0 == gallery(bank) && row.1 == who.name());
            let (surely, possibly) = people[who.index()].stands((now, now));
            if stands && !possibly {
                return Err(format!("the stores hold who must not stand: {} of {}", who.name(), gallery(bank)));
            }
            if surely && !stands {
                return Err(format!("the stores lack who must stand: {} of {}", who.name(), gallery(bank)));
            }
        }
    }
    Ok(())
}
