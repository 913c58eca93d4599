//! References in memory: this node's shares, in fixed blocks, locked there and wiped.
//!
//! `Store::load`, enrolments --[`Galleries::insert`]--> [`Gallery`] --`references` (1:1), [`Roll`] and `blocks` (1:N)--> dots

mod roll;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Once};

use ndarray::{Array2, ArrayView2, Axis, Slice};
use ring::digest::{SHA256, digest};
use zeroize::{Zeroize as _, Zeroizing};

pub use roll::Roll;

use crate::log::ledger::Position;
use crate::name::{GalleryName, ModelId, Subject};
use crate::share::PointShare;
use crate::template::Shape;

/// Rows of a block. At 512 components a block is 4096 x 512 x 2 bytes = 4 MiB.
pub const ROWS: usize = 4096;

/// A reference does not fit the gallery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GalleryError {
    /// Rows of another length than the gallery's.
    #[error("expected rows of {expected} components, found {found}")]
    Dimension {
        /// Those of the gallery's model.
        expected: usize,
        /// Those that came.
        found: usize,
    },
    /// More rows than a set may have.
    #[error("a reference of more rows than any template has")]
    Rows,
    /// The subject has references already: they come and go together.
    #[error("the subject is in the gallery already")]
    SubjectExists,
    /// Another record stands, or stood, there.
    #[error("the position is taken")]
    PositionTaken,
}

/// All shares of one gallery's references that were made by one model.
///
/// * Shape: each block is an `Array2<u16>` of `[ROWS, columns]`, row-major. A vector is one row; a set is as many rows as it has,
///   one after the other, which may go on in the next block. Rows stand in the order of positions, so that all three nodes
///   scan the same references in the same order.
/// * Unit: words of [`PointShare`]s of one party.
/// * A block is allocated whole: an array that grows leaves unwiped copies behind.
/// * A removed row is zeros and stays empty until the node starts again. Zeros at all three nodes are a score of 0: no match.
/// * A [`Roll`] that is being searched holds the blocks as they were: what changes meanwhile changes in a copy of its block, and the
///   old one is wiped with the last roll that holds it.
///
/// No `Clone`, `PartialEq` or `Serialize`.
pub struct Gallery {
    columns: usize,
    blocks: Vec<Arc<Block>>,
    slots: Arc<Vec<Slot>>,
}

/// What stands in a row. Small: there are as many as rows.
#[derive(Clone, Copy)]
struct Slot {
    position: Position,
    /// Unix minute from which the record is no more: its last one does not count.
    until: u32,
    /// Which row of its reference it is, and how many the reference has; none once it is removed.
    row: u16,
    rows: u16,
}

impl Slot {
    const fn is_removed(self) -> bool {
        self.rows == 0
    }

    const fn shape(self, columns: usize) -> Option<Shape> {
        Shape::new(self.rows as usize, columns)
    }
}

/// A copy of one reference's share: what a comparison takes with it, so that no gallery stays locked meanwhile.
pub struct Copied {
    /// Of the reference.
    pub shape: Shape,
    /// Row after row.
    pub words: Zeroizing<Vec<u16>>,
}

/// Prints the shape only: `Copied(38x140)`.
impl fmt::Debug for Copied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Copied({})", self.shape)
    }
}

/// Prints the shape: `Gallery([2 of 4096, 512])`.
impl fmt::Debug for Gallery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = self.slots.iter().filter(|slot| !slot.is_removed()).count();
        write!(f, "Gallery([{held} of {}, {}])", self.blocks.len() * ROWS, self.columns)
    }
}

/// One allocation, wiped before it is unlocked, and unlocked before it is freed: fields are dropped in this order.
struct Block {
    lock: Option<region::LockGuard>,
    words: Array2<u16>,
}

impl Block {
    fn new(columns: usize) -> Self {
        let words = Array2::zeros([ROWS, columns]);
        let lock = region::lock(words.as_ptr(), words.len() * size_of::<u16>());
        if let Err(error) = &lock {
            static WARNED: Once = Once::new();
            WARNED.call_once(|| {
                let error: &dyn std::error::Error = error;
                tracing::warn!(
                    error,
                    "galleries may be written to swap: this process may not lock memory (RLIMIT_MEMLOCK)"
                );
            });
        }
        Self { lock: lock.ok(), words }
    }

    /// Another one with the same words.
    fn copied(&self) -> Self {
        let mut copy = Self::new(self.words.ncols());
        copy.words.assign(&self.words);
        copy
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        wipe(self.words.as_slice_mut());
        drop(self.lock.take());
    }
}

fn wipe(words: Option<&mut [u16]>) {
    words.expect("a block lies in one piece, row after row").zeroize();
}

impl Gallery {
    /// An empty gallery for rows of this many components.
    #[must_use]
    pub fn new(columns: usize) -> Self {
        Self { columns, blocks: Vec::new(), slots: Arc::default() }
    }

    /// The same rows, which stay as they are whatever becomes of these.
    fn held(&self) -> Self {
        Self { columns: self.columns, blocks: self.blocks.clone(), slots: Arc::clone(&self.slots) }
    }

    /// Components of each row.
    #[must_use]
    pub const fn columns(&self) -> usize {
        self.columns
    }

    /// Copies all references of this model of one record, which is no more from `expires` on (unix seconds), to its place.
    ///
    /// # Errors
    /// [`GalleryError`], and then nothing has changed.
    pub fn insert(&mut self, position: Position, expires: u64, references: &[&PointShare]) -> Result<(), GalleryError> {
        self.fits(position, references)?;
        let mut row = self.slots.partition_point(|slot| slot.position < position);
        self.make_room(row, references.iter().map(|reference| reference.shape().rows()).sum());
        let until = u32::try_from(expires / 60).unwrap_or(u32::MAX);
        for reference in references {
            let rows = u16::try_from(reference.shape().rows()).map_err(|_| GalleryError::Rows)?;
            for (place, words) in (0..).zip(reference.words().chunks_exact(self.columns)) {
                Arc::make_mut(&mut self.slots)[row] = Slot { position, until, row: place, rows };
                self.row_mut(row).copy_from_slice(words);
                row += 1;
            }
        }
        Ok(())
    }

    fn fits(&self, position: Position, references: &[&PointShare]) -> Result<(), GalleryError> {
        if self.slots.binary_search_by_key(&position, |slot| slot.position).is_ok() {
            return Err(GalleryError::PositionTaken);
        }
        if references.iter().any(|reference| u16::try_from(reference.shape().rows()).is_err()) {
            return Err(GalleryError::Rows);
        }
        match references.iter().map(|reference| reference.shape().columns()).find(|&found| found != self.columns) {
            Some(found) => Err(GalleryError::Dimension { expected: self.columns, found }),
            None => Ok(()),
        }
    }

    /// Empty rows from `row` on. What stands there moves up: the few enrolments that were given a later position, and were
    /// decided earlier.
    fn make_room(&mut self, row: usize, rows: usize) {
        let before = self.slots.len();
        let empty = Slot { position: Position(u64::MAX), until: 0, row: 0, rows: 0 };
        Arc::make_mut(&mut self.slots).resize(before + rows, empty);
        while self.blocks.len() * ROWS < self.slots.len() {
            self.blocks.push(Arc::new(Block::new(self.columns)));
        }
        let mut moved = Zeroizing::new(vec![0; self.columns]);
        for from in (row..before).rev() {
            moved.copy_from_slice(self.row(from));
            self.row_mut(from + rows).copy_from_slice(&moved);
            let slots = Arc::make_mut(&mut self.slots);
            slots[from + rows] = slots[from];
        }
    }

    /// Wipes all rows of one record; where a roll holds them, they are wiped when it ends. False if there are none.
    pub fn remove(&mut self, position: Position) -> bool {
        let rows = self.rows_of(position);
        let mut removed = false;
        for row in rows {
            removed |= !self.slots[row].is_removed();
            Arc::make_mut(&mut self.slots)[row].rows = 0;
            wipe(Some(self.row_mut(row)));
        }
        removed
    }

    /// Whose a row is, or was.
    #[must_use]
    pub fn position(&self, row: u32) -> Option<Position> {
        self.slots.get(row as usize).map(|slot| slot.position)
    }

    fn rows_of(&self, position: Position) -> Range<usize> {
        let first = self.slots.partition_point(|slot| slot.position < position);
        let rows = self.slots[first..].iter().take_while(|slot| slot.position == position).count();
        first..first + rows
    }

    /// First row and shape of each of a record's references, in the order of the enrolment.
    fn references_of(&self, position: Position) -> impl Iterator<Item = (usize, Shape)> {
        let first = |row: &usize| self.slots[*row].row == 0;
        self.rows_of(position).filter(first).filter_map(|row| Some((row, self.slots[row].shape(self.columns)?)))
    }

    /// The shapes of a record's references, in the order of the enrolment.
    pub fn shapes(&self, position: Position) -> impl Iterator<Item = Shape> {
        self.references_of(position).map(|(_, shape)| shape)
    }

    /// Copies of a record's references, in the order of the enrolment; none if it has none of this model.
    #[must_use]
    pub fn references(&self, position: Position) -> Vec<Copied> {
        let copies = self.references_of(position).map(|(first, shape)| {
            // Allocated whole: a vector that grows leaves unwiped copies behind.
            let mut words = Zeroizing::new(Vec::with_capacity(shape.components()));
            for row in first..first + shape.rows() {
                words.extend_from_slice(self.row(row));
            }
            Copied { shape, words }
        });
        copies.collect()
    }

    fn row(&self, row: usize) -> &[u16] {
        let words = self.blocks[row / ROWS].words.row(row % ROWS);
        words.to_slice().expect("a block lies in one piece, row after row")
    }

    fn row_mut(&mut self, row: usize) -> &mut [u16] {
        let block = &mut self.blocks[row / ROWS];
        if Arc::get_mut(block).is_none() {
            *block = Arc::new(block.copied());
        }
        let words =
            Arc::get_mut(block).expect("nobody else holds a block that was just made").words.row_mut(row % ROWS);
        words.into_slice().expect("a block lies in one piece, row after row")
    }

    /// These rows, `[rows <= ROWS, columns]` at a time. Removed ones are zeros.
    pub fn blocks(&self, rows: Range<usize>) -> impl Iterator<Item = ArrayView2<'_, u16>> {
        let end = rows.end.min(self.slots.len());
        (rows.start / ROWS..end.div_ceil(ROWS)).map(move |block| {
            let from = rows.start.saturating_sub(block * ROWS);
            let to = (end - block * ROWS).min(ROWS);
            self.blocks[block].words.slice_axis(Axis(0), Slice::from(from..to))
        })
    }
}

/// All references of one gallery.
#[derive(Debug, Default)]
struct Shelf {
    people: BTreeMap<Person, Position>,
    models: HashMap<ModelId, Gallery>,
}

/// A handle's SHA-256, its first half: of one size, so that those of a million people lie side by side and leave no holes.
///
/// A bank that seeks two handles with the same half needs 2^64 tries, and then cannot enrol both in its own gallery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Person([u8; 16]);

impl From<&Subject> for Person {
    fn from(subject: &Subject) -> Self {
        let mut half = [0; 16];
        half.copy_from_slice(&digest(&SHA256, subject.as_str().as_bytes()).as_ref()[..16]);
        Self(half)
    }
}

/// All galleries of a node, by name, and under each name one for each model: templates of different models never meet.
#[derive(Debug, Default)]
pub struct Galleries(HashMap<GalleryName, Shelf>);

impl Galleries {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Copies all of a subject's references into the galleries of this name, which come to be with the first. They are no
    /// more from `expires` on, in unix seconds.
    ///
    /// # Errors
    /// [`GalleryError`], and then nothing has changed.
    pub fn insert(
        &mut self,
        name: &GalleryName,
        (position, expires): (Position, u64),
        subject: &Subject,
        references: &[(&ModelId, &PointShare)],
    ) -> Result<(), GalleryError> {
        let mut of_models: Vec<(&ModelId, Vec<&PointShare>)> = Vec::new();
        for &(model, share) in references {
            match of_models.iter_mut().find(|(other, _)| *other == model) {
                Some((_, shares)) => shares.push(share),
                None => of_models.push((model, vec![share])),
            }
        }
        let all = self.0.entry(name.clone()).or_default();
        if all.people.contains_key(&subject.into()) {
            return Err(GalleryError::SubjectExists);
        }
        for (model, shares) in &of_models {
            let columns = shares[0].shape().columns();
            let gallery = all.models.entry((*model).clone()).or_insert_with(|| Gallery::new(columns));
            gallery.fits(position, shares)?;
        }
        for (model, shares) in of_models {
            if let Some(gallery) = all.models.get_mut(model) {
                gallery.insert(position, expires, &shares)?;
            }
        }
        all.people.insert(subject.into(), position);
        Ok(())
    }

    /// Wipes all of a subject's rows, of whatever model. False if there are none.
    pub fn remove(&mut self, name: &GalleryName, subject: &Subject) -> bool {
        self.position(name, subject).is_some_and(|position| self.remove_at(name, subject, position))
    }

    /// The same of the very enrolment at this position: a later one of the same subject stays. False if there are none.
    pub fn remove_at(&mut self, name: &GalleryName, subject: &Subject, position: Position) -> bool {
        let Some(all) = self.0.get_mut(name) else { return false };
        if all.people.get(&subject.into()) == Some(&position) {
            all.people.remove(&subject.into());
        }
        all.models.values_mut().fold(false, |removed, gallery| gallery.remove(position) | removed)
    }

    /// A subject's position; `None` for one who has no reference of any model.
    #[must_use]
    pub fn position(&self, name: &GalleryName, subject: &Subject) -> Option<Position> {
        self.0.get(name)?.people.get(&subject.into()).copied()
    }

    /// The references of one gallery by one model.
    #[must_use]
    pub fn of(&self, name: &GalleryName, model: &ModelId) -> Option<&Gallery> {
        self.0.get(name)?.models.get(model)
    }

    /// Who stands in a gallery by one model, or by two, at a moment in unix seconds.
    #[must_use]
    pub fn roll(&self, name: &GalleryName, models: &[&ModelId], now: u64) -> Roll {
        let galleries: Option<Vec<_>> = models.iter().map(|model| self.of(name, model)).collect();
        Roll::call(&galleries.unwrap_or_default(), now)
    }
}

#[cfg(test)]
mod tests;
