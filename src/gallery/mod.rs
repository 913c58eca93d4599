//! References in memory: this node's shares, in fixed blocks, locked there and wiped.
//!
//! `Store::load`, enrolments --[`Galleries::insert`]--> [`Gallery`] --`references` (1:1), [`GallerySnapshot`] and `blocks` (1:N)--> dots

mod snapshot;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Once};

use ndarray::{ArrayView2, Axis, Slice};
use ring::digest::{SHA256, digest};
use zeroize::{Zeroize as _, Zeroizing};

pub use snapshot::GallerySnapshot;

use crate::log::ledger::Position;
use crate::name::{GalleryName, ModelId, Subject};
use crate::share::PointShare;
use crate::template::Shape;

/// Rows of a block. At 512 components a block is 4096 x 512 x 2 bytes = 4 MiB.
pub const ROWS: usize = 4096;

/// Rows of a gallery's first block at first, 64 KiB at 512 components: a gallery of a few people costs what they do. It doubles up to
/// [`ROWS`].
const FIRST_ROWS: usize = 64;

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
    #[error("the reference has more rows than a template may have")]
    Rows,
    /// The subject has references already: they come and go together.
    #[error("the subject is already in the gallery")]
    SubjectExists,
    /// Another record stands, or stood, there.
    #[error("the position is in use")]
    PositionTaken,
}

/// All shares of one gallery's references that were made by one model.
///
/// * Shape: each block is `u16` of `[ROWS, columns]`, row-major; the first may have fewer rows while it is the only one. A vector is
///   one row; a set is as many rows as it has, one after the other, which may go on in the next block. Rows stand in the order of
///   positions, so that all three nodes scan the same references in the same order.
/// * Unit: words of [`PointShare`]s of one party.
/// * A block is allocated whole: an array that grows leaves unwiped copies behind. One that is to be larger is copied, then wiped.
/// * A removed row is zeros and stays empty until the node starts again, or until all are removed: an empty gallery gives its blocks
///   back. Zeros at all three nodes are a score of 0: no match.
/// * A [`GallerySnapshot`] that is being searched holds the blocks as they were: what changes meanwhile changes in a copy of its block,
///   and the old one is wiped with the last snapshot that holds it.
///
/// No `Clone`, `PartialEq` or `Serialize`.
pub struct Gallery {
    columns: usize,
    blocks: Vec<Arc<Block>>,
    slots: Arc<Vec<Slot>>,
    /// Rows that are not removed.
    live: usize,
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

/// Prints the shape: `Gallery([2 of 64, 512])`.
impl fmt::Debug for Gallery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: usize = self.blocks.iter().map(|block| block.rows).sum();
        write!(f, "Gallery([{} of {rows}, {}])", self.live, self.columns)
    }
}

/// One allocation, wiped before it is unlocked, and unlocked before it is freed: fields are dropped in this order.
///
/// Its rows begin with a page and no other block has any of their last one: pages are locked and unlocked whole, and how often one was
/// locked nobody counts.
struct Block {
    lock: Option<region::LockGuard>,
    words: Vec<u16>,
    /// Where its first row begins in them.
    first: usize,
    rows: usize,
    columns: usize,
}

impl Block {
    fn new(rows: usize, columns: usize) -> Self {
        let page = region::page::size();
        let pages = (rows * columns * size_of::<u16>()).next_multiple_of(page);
        let words = vec![0; (pages + page) / size_of::<u16>()];
        let first = words.as_ptr().align_offset(page).min(page / size_of::<u16>());
        let lock = region::lock(words[first..].as_ptr(), pages);
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
        Self { lock: lock.ok(), words, first, rows, columns }
    }

    /// Another one that begins with the same rows, and has at least as many.
    fn copied(&self, rows: usize) -> Self {
        let mut copy = Self::new(rows, self.columns);
        let (from, count) = (copy.first, self.rows * self.columns);
        copy.words[from..from + count].copy_from_slice(&self.words[self.first..self.first + count]);
        copy
    }

    fn row(&self, row: usize) -> &[u16] {
        let from = self.first + row * self.columns;
        &self.words[from..from + self.columns]
    }

    fn row_mut(&mut self, row: usize) -> &mut [u16] {
        let from = self.first + row * self.columns;
        &mut self.words[from..from + self.columns]
    }

    /// `[rows, columns]`.
    fn view(&self) -> ArrayView2<'_, u16> {
        let words = &self.words[self.first..self.first + self.rows * self.columns];
        ArrayView2::from_shape([self.rows, self.columns], words).expect("a block has all of its rows")
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        self.words.zeroize();
        drop(self.lock.take());
    }
}

impl Gallery {
    /// An empty gallery for rows of this many components.
    #[must_use]
    pub fn new(columns: usize) -> Self {
        Self { columns, blocks: Vec::new(), slots: Arc::default(), live: 0 }
    }

    /// The same rows, which stay as they are whatever becomes of these.
    fn held(&self) -> Self {
        Self { columns: self.columns, blocks: self.blocks.clone(), slots: Arc::clone(&self.slots), live: self.live }
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
                self.live += 1;
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
        self.grow(before + rows);
        let mut moved = Zeroizing::new(vec![0; self.columns]);
        for from in (row..before).rev() {
            moved.copy_from_slice(self.row(from));
            self.row_mut(from + rows).copy_from_slice(&moved);
            let slots = Arc::make_mut(&mut self.slots);
            slots[from + rows] = slots[from];
        }
    }

    /// Blocks for so many rows.
    fn grow(&mut self, rows: usize) {
        if self.blocks.len() < 2 {
            let wanted = rows.min(ROWS).next_power_of_two().max(FIRST_ROWS);
            let grown = match self.blocks.first() {
                Some(first) if first.rows >= wanted => None,
                Some(first) => Some(first.copied(wanted)),
                None => Some(Block::new(wanted, self.columns)),
            };
            if let Some(grown) = grown {
                self.blocks = vec![Arc::new(grown)];
            }
        }
        while self.blocks.len() * ROWS < rows {
            self.blocks.push(Arc::new(Block::new(ROWS, self.columns)));
        }
    }

    /// Wipes all rows of one record; where a roll holds them, they are wiped when it ends. False if there are none. With the last
    /// record all memory is given back.
    pub fn remove(&mut self, position: Position) -> bool {
        let rows = self.rows_of(position);
        let before = self.live;
        for row in rows {
            self.live -= usize::from(!self.slots[row].is_removed());
            Arc::make_mut(&mut self.slots)[row].rows = 0;
            self.row_mut(row).zeroize();
        }
        if self.live == 0 {
            self.blocks = Vec::new();
            self.slots = Arc::default();
        }
        self.live < before
    }

    /// Whether it has no row of anybody.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.live == 0
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
        self.blocks[row / ROWS].row(row % ROWS)
    }

    fn row_mut(&mut self, row: usize) -> &mut [u16] {
        let block = &mut self.blocks[row / ROWS];
        if Arc::get_mut(block).is_none() {
            *block = Arc::new(block.copied(block.rows));
        }
        Arc::get_mut(block).expect("nobody else holds a block that was just made").row_mut(row % ROWS)
    }

    /// These rows, `[rows <= ROWS, columns]` at a time. Removed ones are zeros.
    pub fn blocks(&self, rows: Range<usize>) -> impl Iterator<Item = ArrayView2<'_, u16>> {
        let end = rows.end.min(self.slots.len());
        (rows.start / ROWS..end.div_ceil(ROWS)).map(move |block| {
            let from = rows.start.saturating_sub(block * ROWS);
            let to = (end - block * ROWS).min(ROWS);
            self.blocks[block].view().slice_axis_move(Axis(0), Slice::from(from..to))
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
        let new = |shares: &[&PointShare]| Gallery::new(shares[0].shape().columns());
        let before = self.0.get(name);
        if before.is_some_and(|all| all.people.contains_key(&subject.into())) {
            return Err(GalleryError::SubjectExists);
        }
        for (model, shares) in &of_models {
            let gallery = before.and_then(|all| all.models.get(*model));
            gallery.map_or_else(|| new(shares).fits(position, shares), |gallery| gallery.fits(position, shares))?;
        }
        let all = self.0.entry(name.clone()).or_default();
        for (model, shares) in of_models {
            let gallery = all.models.entry(model.clone()).or_insert_with(|| new(&shares));
            gallery.insert(position, expires, &shares)?;
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
        let removed = all.models.values_mut().fold(false, |removed, gallery| gallery.remove(position) | removed);
        // What is empty goes: nobody is to pay for galleries that somebody made and left.
        all.models.retain(|_, gallery| !gallery.is_empty());
        if all.models.is_empty() && all.people.is_empty() {
            self.0.remove(name);
        }
        removed
    }

    /// How many there are, empty ones not among them.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
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
    pub fn roll(&self, name: &GalleryName, models: &[&ModelId], now: u64) -> GallerySnapshot {
        let galleries: Option<Vec<_>> = models.iter().map(|model| self.of(name, model)).collect();
        GallerySnapshot::call(&galleries.unwrap_or_default(), now)
    }
}

#[cfg(test)]
mod tests;
