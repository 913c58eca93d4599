//! Columns of rows, as what they hold.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::boxes::Place;
use super::{StoreError, number};
use crate::log::ledger::LedgerFault;
use crate::name::{GalleryName, Subject};

/// A fault of the database, as the access log takes it.
pub(super) fn fault(error: sqlx::Error) -> LedgerFault {
    StoreError::from(error).into()
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
