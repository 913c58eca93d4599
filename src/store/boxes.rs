//! The boxes of one record: its references' shares and its subject key, each under the record's own key.

use zeroize::Zeroizing;

use super::StoreError;
use super::contents::Contents;
use super::record::{Enrolment, HandleKey, Reference};
use crate::name::{GalleryName, ModelId, Subject};
use crate::party::Party;
use crate::seal::{Context, RecordKey, StoreKey};
use crate::share::PointShare;
use crate::template::Shape;

/// What a record's boxes are bound to: put into another row, or under another expiry, they do not open.
pub(super) struct Place<'a> {
    pub(super) gallery: &'a GalleryName,
    pub(super) subject: &'a Subject,
    /// [`Contents`] as text.
    pub(super) contents: &'a str,
    pub(super) position: u64,
    pub(super) expires: u64,
}

/// The sealed columns of a record.
pub(super) struct Boxes {
    pub(super) wrapped_key: Vec<u8>,
    pub(super) share: Vec<u8>,
    pub(super) subject_key: Vec<u8>,
}

impl Place<'_> {
    /// No name and no contents have a `/` but the gallery's, which stands in the context by itself.
    fn kind(&self, what: &str) -> String {
        format!("{what}/{}/{}/{}", self.contents, self.subject, self.expires)
    }

    fn context<'a>(&'a self, kind: &'a str) -> Context<'a> {
        Context { kind, gallery: self.gallery, position: self.position }
    }

    /// Seals what an enrolment brought, under a fresh key.
    pub(super) fn seal(&self, enrolment: &Enrolment, store: &StoreKey) -> Result<Boxes, StoreError> {
        let key = RecordKey::generate()?;
        let contents = Contents::of(&enrolment.references);
        // Allocated whole: a vector that grows leaves unwiped copies behind.
        let mut words = Zeroizing::new(Vec::with_capacity(contents.bytes()));
        for reference in &enrolment.references {
            words.extend_from_slice(&reference.share.to_bytes_for_sealing());
        }
        Ok(Boxes {
            wrapped_key: key.wrap(store, &self.context(&self.kind("key")))?.to_vec(),
            share: key.seal(&self.context(&self.kind("share")), &words)?.into_vec(),
            subject_key: key.seal(&self.context(&self.kind("subject")), &**enrolment.subject_key)?.into_vec(),
        })
    }

    /// Opens the references' shares.
    pub(super) fn references(
        &self,
        wrapped: &[u8],
        sealed: &[u8],
        store: &StoreKey,
        holder: Party,
    ) -> Result<Vec<Reference>, StoreError> {
        let key = RecordKey::unwrap(wrapped, store, &self.context(&self.kind("key")))?;
        let words = key.open(&self.context(&self.kind("share")), sealed)?;
        let contents: Contents = self.contents.parse()?;
        if words.len() != contents.bytes() {
            return Err(StoreError::Form);
        }
        let mut rest: &[u8] = &words;
        let mut next = |(model, shape): &(ModelId, Shape)| {
            let (own, after) = rest.split_at(2 * shape.components());
            rest = after;
            let share = PointShare::from_unsealed_bytes(holder, *shape, own).map_err(|_| StoreError::Form)?;
            Ok(Reference { model: model.clone(), share })
        };
        contents.iter().map(&mut next).collect()
    }

    pub(super) fn subject_key(&self, wrapped: &[u8], sealed: &[u8], store: &StoreKey) -> Result<HandleKey, StoreError> {
        let key = RecordKey::unwrap(wrapped, store, &self.context(&self.kind("key")))?;
        let opened = key.open(&self.context(&self.kind("subject")), sealed)?;
        let mut out = HandleKey::default();
        if opened.len() != out.len() {
            return Err(StoreError::Form);
        }
        out.copy_from_slice(&opened);
        Ok(out)
    }
}
