//! The references in memory, as all parts of the engine share them: loaded from the store, kept in line with it, looked up.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::refusal::{Cause as _, OutOfStep, ReferenceMissing, Refusal};
use crate::gallery::{Copied, Galleries, GalleryError, GallerySnapshot};
use crate::log::access::Permit;
use crate::log::ledger::Position;
use crate::name::{GalleryName, ModelId, Subject};
use crate::party::Party;
use crate::request::{RequestInfo, Sample};
use crate::store::{Record, Store, StoreError};
use crate::template::Shape;
use crate::token::purpose::Verify;

/// All galleries of a node. Clones are the same galleries.
#[derive(Clone)]
pub(super) struct References(Arc<RwLock<Galleries>>);

impl References {
    /// Everybody who is enrolled and not expired, as the store has them.
    ///
    /// # Errors
    /// [`StoreError`] if the store can not be read, or holds what no gallery takes.
    pub(super) async fn load(store: &Store, now: u64) -> Result<Self, StoreError> {
        let mut galleries = Galleries::new();
        let mut misfit = None;
        store
            .load(now, |record| {
                if let Err(error) = keep(&mut galleries, &record) {
                    misfit = Some(error);
                }
            })
            .await?;
        if let Some(error) = misfit {
            tracing::error!(%error, "a stored record can not be loaded into its gallery");
            return Err(StoreError::Form);
        }
        Ok(Self(Arc::new(RwLock::new(galleries))))
    }

    fn read(&self) -> RwLockReadGuard<'_, Galleries> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Galleries> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a person's references into their gallery.
    ///
    /// # Errors
    /// [`GalleryError`] if they do not fit into it.
    pub(super) fn keep(&self, record: &Record) -> Result<(), GalleryError> {
        keep(&mut self.write(), record)
    }

    /// Wipes what stands at these positions of these people.
    pub(super) fn remove<'r>(&self, gone: impl IntoIterator<Item = (&'r GalleryName, &'r Subject, Position)>) {
        let mut galleries = self.write();
        for (gallery, subject, position) in gone {
            galleries.remove_at(gallery, subject, position);
        }
    }

    /// Copies of the references that a permit is for, for each sample: of that very enrolment, not of a later one of the same
    /// subject.
    ///
    /// # Errors
    /// [`Refusal`] if this node has another enrolment, or none of a sample's model.
    pub(super) fn held(
        &self,
        own: Party,
        permit: &Permit<Verify>,
        samples: &[Sample],
    ) -> Result<Vec<Vec<Copied>>, Refusal> {
        let (gallery, subject) = (&permit.record().gallery, &permit.record().subject);
        let galleries = self.read();
        let position = subject.as_ref().and_then(|subject| galleries.position(gallery, subject));
        let position =
            position.filter(|position| permit.position() == Some(*position)).ok_or_else(|| OutOfStep.at(own))?;
        let of_model = |sample: &Sample| {
            let copies = galleries.of(gallery, &sample.model)?.references(position);
            (!copies.is_empty()).then_some(copies)
        };
        let held: Option<_> = samples.iter().map(of_model).collect();
        held.ok_or_else(|| ReferenceMissing.at(own))
    }

    /// Pairs of rows that a request would compare, and its own rows, whose lengths are checked: by what is in the gallery now.
    pub(super) fn lanes(&self, ask: &RequestInfo, shapes: impl Iterator<Item = Shape>) -> usize {
        let galleries = self.read();
        let position = ask.subject().and_then(|subject| galleries.position(&ask.gallery, subject));
        let lanes = |(sample, shape): (&Sample, Shape)| {
            let held = galleries.of(&ask.gallery, &sample.model).zip(position);
            let references = held.into_iter().flat_map(|(gallery, position)| gallery.shapes(position));
            shape.rows() * (1 + references.map(Shape::rows).sum::<usize>())
        };
        ask.samples.iter().zip(shapes).map(lanes).sum()
    }

    /// Who is enrolled in a gallery with all of these models, and not expired at a moment in unix seconds.
    pub(super) fn roll(&self, gallery: &GalleryName, models: &[&ModelId], moment: u64) -> GallerySnapshot {
        self.read().roll(gallery, models, moment)
    }
}

/// A record's place among the references in memory.
fn keep(galleries: &mut Galleries, record: &Record) -> Result<(), GalleryError> {
    let Record { gallery, subject, position, expires, references } = record;
    // One that expired and was not swept yet makes room.
    galleries.remove(gallery, subject);
    let references: Vec<_> = references.iter().map(|reference| (&reference.model, &reference.share)).collect();
    galleries.insert(gallery, (*position, *expires), subject, &references)
}
