//! Many records at a time, for a node that serves nobody yet: a gallery that is moved in, or made up for a load test.

use sqlx::{QueryBuilder, query, query_scalar};

use super::boxes::Place;
use super::contents::Contents;
use super::{Enrolment, Store, StoreError, column, stand};

/// Records of one transaction.
const AT_ONCE: usize = 256;

impl Store {
    /// Keeps what all three nodes have agreed on already, in transactions of 256 records. What stands before an error is kept.
    ///
    /// # Errors
    /// [`StoreError::NoExpiry`], [`StoreError::NoReference`], [`StoreError::ForeignShare`]; [`StoreError::Sqlite`] for a subject or a
    /// position that is taken.
    pub async fn import(
        &self,
        mut enrolments: impl Iterator<Item = Enrolment> + Send,
        now: u64,
    ) -> Result<(), StoreError> {
        loop {
            let some: Vec<Enrolment> = enrolments.by_ref().take(AT_ONCE).collect();
            if some.is_empty() {
                return Ok(());
            }
            some.iter().try_for_each(|enrolment| self.may_keep(enrolment, now))?;
            self.import_some(&some).await?;
        }
    }

    async fn import_some(&self, some: &[Enrolment]) -> Result<(), StoreError> {
        let mut held = self.connection().await;
        let mut transaction = held.begin().await?;
        let last: Option<i64> = query_scalar("SELECT max(record) FROM records").fetch_one(&mut *transaction).await?;
        let mut sealed = Vec::with_capacity(some.len());
        for (record, enrolment) in (last.unwrap_or(0) + 1..).zip(some) {
            let Enrolment { gallery, subject, position, expires, references, .. } = enrolment;
            let contents = Contents::of(references).to_string();
            let place = Place { gallery, subject, contents: &contents, position: position.0, expires: *expires };
            let boxes = place.seal(enrolment, &self.0.key)?;
            sealed.push((record, enrolment, contents, boxes));
        }
        let mut records = QueryBuilder::new(
            "INSERT INTO records (record, gallery, subject, position, contents, live, expires, wrapped_key, subject_key) ",
        );
        records.push_values(&sealed, |mut row, (record, enrolment, contents, boxes)| {
            row.push_bind(*record).push_bind(enrolment.gallery.to_string()).push_bind(enrolment.subject.to_string());
            row.push_bind(column(enrolment.position.0)).push_bind(contents.clone()).push_bind(1);
            row.push_bind(column(enrolment.expires)).push_bind(boxes.wrapped_key.clone());
            row.push_bind(boxes.subject_key.clone());
        });
        records.build().execute(&mut *transaction).await?;
        let mut shares = QueryBuilder::new("INSERT INTO shares (record, share) ");
        shares.push_values(&sealed, |mut row, (record, _, _, boxes)| {
            row.push_bind(*record).push_bind(boxes.share.clone());
        });
        shares.build().execute(&mut *transaction).await?;
        // Of each gallery in turn, the last position alone: they rise.
        let last_of = some.chunk_by(|one, other| one.gallery == other.gallery).filter_map(<[_]>::last);
        for Enrolment { gallery, position, .. } in last_of {
            query(
                "INSERT INTO positions (gallery, given) VALUES (?1, ?2)
                 ON CONFLICT (gallery) DO UPDATE SET given = max(given, ?2)",
            )
            .bind(gallery.as_str())
            .bind(column(position.0 + 1))
            .execute(&mut *transaction)
            .await?;
        }
        let count = some.len() as u64;
        stand::count(&mut transaction, count).await?;
        transaction.commit().await?;
        drop(held);
        self.counted().made += count;
        Ok(())
    }
}
