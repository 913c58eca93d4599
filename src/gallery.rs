//! References in memory: this node's shares, in fixed blocks, locked there and wiped.
//!
//! `Store::load`, enrolments --[`Galleries::insert`]--> [`Gallery`] --`references` (1:1), `blocks` (1:N)--> dots with a probe's share

use std::collections::HashMap;
use std::fmt;
use std::sync::Once;

use ndarray::{Array2, ArrayView1, ArrayView2, Axis, Slice};
use zeroize::{Zeroize as _, Zeroizing};

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
    /// The subject has references already: they come and go together.
    #[error("the subject is in the gallery already")]
    SubjectExists,
}

/// All shares of one gallery's references that were made by one model.
///
/// * Shape: each block is an `Array2<u16>` of `[ROWS, columns]`, row-major. A vector is one row; a set is as many rows as it has,
///   one after the other, which may go on in the next block. Rows are filled in the order of arrival: at start that of
///   positions, later that of commits. Which position stands in a row, the row says; each node may have them in another order.
/// * Unit: words of [`PointShare`]s of one party.
/// * A block is allocated whole: an array that grows leaves unwiped copies behind.
/// * A removed row is zeros and stays empty until the node starts again. Zeros at all three nodes are a score of 0: no match.
///
/// No `Clone`, `PartialEq` or `Serialize`.
pub struct Gallery {
    columns: usize,
    blocks: Vec<Block>,
    slots: Vec<Option<Position>>,
    subjects: HashMap<Subject, Held>,
}

/// What a gallery holds of one subject.
struct Held {
    position: Position,
    /// First row and shape of each reference.
    references: Vec<(usize, Shape)>,
}

/// A copy of one reference's share: what a comparison takes with it, so that no gallery stays locked meanwhile.
pub struct Copied {
    /// Of the reference.
    pub shape: Shape,
    /// Row after row.
    pub words: Zeroizing<Vec<u16>>,
}

/// Prints the shape only: `Copied(38x128)`.
impl fmt::Debug for Copied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Copied({})", self.shape)
    }
}

/// Prints the shape: `Gallery([2 of 4096, 512])`.
impl fmt::Debug for Gallery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = self.slots.iter().flatten().count();
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
        Self { columns, blocks: Vec::new(), slots: Vec::new(), subjects: HashMap::new() }
    }

    /// Components of each row.
    #[must_use]
    pub const fn columns(&self) -> usize {
        self.columns
    }

    /// Subjects in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.subjects.len()
    }

    /// Whether nobody is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.subjects.is_empty()
    }

    /// Copies all of a subject's references of this model into the next free rows.
    ///
    /// # Errors
    /// [`GalleryError`], and then nothing has changed.
    pub fn insert(
        &mut self,
        position: Position,
        subject: Subject,
        references: &[&PointShare],
    ) -> Result<(), GalleryError> {
        self.fits(&subject, references)?;
        let mut held = Held { position, references: Vec::with_capacity(references.len()) };
        for reference in references {
            held.references.push((self.slots.len(), reference.shape()));
            for words in reference.words().chunks_exact(self.columns) {
                self.push(position, words);
            }
        }
        self.subjects.insert(subject, held);
        Ok(())
    }

    fn fits(&self, subject: &Subject, references: &[&PointShare]) -> Result<(), GalleryError> {
        if self.subjects.contains_key(subject) {
            return Err(GalleryError::SubjectExists);
        }
        match references.iter().map(|reference| reference.shape().columns()).find(|&found| found != self.columns) {
            Some(found) => Err(GalleryError::Dimension { expected: self.columns, found }),
            None => Ok(()),
        }
    }

    fn push(&mut self, position: Position, words: &[u16]) {
        let row = self.slots.len();
        if row == self.blocks.len() * ROWS {
            self.blocks.push(Block::new(self.columns));
        }
        self.slots.push(Some(position));
        self.blocks[row / ROWS].words.row_mut(row % ROWS).assign(&ArrayView1::from(words));
    }

    /// Wipes all of a subject's rows. False if there are none.
    pub fn remove(&mut self, subject: &Subject) -> bool {
        let Some(held) = self.subjects.remove(subject) else { return false };
        for (first, shape) in held.references {
            for row in first..first + shape.rows() {
                self.slots[row] = None;
                wipe(self.blocks[row / ROWS].words.row_mut(row % ROWS).as_slice_mut());
            }
        }
        true
    }

    /// A subject's position; `None` for one who has no reference here.
    #[must_use]
    pub fn position(&self, subject: &Subject) -> Option<Position> {
        self.subjects.get(subject).map(|held| held.position)
    }

    /// The shapes of a subject's references, in the order of the enrolment.
    pub fn shapes(&self, subject: &Subject) -> impl Iterator<Item = Shape> {
        self.subjects.get(subject).into_iter().flat_map(|held| held.references.iter().map(|&(_, shape)| shape))
    }

    /// A subject's position and copies of the references, in the order of the enrolment.
    #[must_use]
    pub fn references(&self, subject: &Subject) -> Option<(Position, Vec<Copied>)> {
        let held = self.subjects.get(subject)?;
        let copies = held.references.iter().map(|&(first, shape)| {
            // Allocated whole: a vector that grows leaves unwiped copies behind.
            let mut words = Zeroizing::new(Vec::with_capacity(shape.components()));
            for row in first..first + shape.rows() {
                words.extend_from_slice(self.row(row));
            }
            Copied { shape, words }
        });
        Some((held.position, copies.collect()))
    }

    fn row(&self, row: usize) -> &[u16] {
        let words = self.blocks[row / ROWS].words.row(row % ROWS);
        words.to_slice().expect("a block lies in one piece, row after row")
    }

    /// All rows that were ever filled, block by block, `[rows <= ROWS, columns]` each, with whose position stands in each row;
    /// `None` is a removed one.
    pub fn blocks(&self) -> impl Iterator<Item = (ArrayView2<'_, u16>, &[Option<Position>])> {
        self.blocks
            .iter()
            .zip(self.slots.chunks(ROWS))
            .map(|(block, slots)| (block.words.slice_axis(Axis(0), Slice::from(..slots.len())), slots))
    }
}

/// All galleries of a node, by name, and under each name one for each model: templates of different models never meet.
#[derive(Debug, Default)]
pub struct Galleries(HashMap<GalleryName, HashMap<ModelId, Gallery>>);

impl Galleries {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Copies all of a subject's references into the galleries of this name, which come to be with the first.
    ///
    /// # Errors
    /// [`GalleryError`], and then nothing has changed.
    pub fn insert(
        &mut self,
        name: &GalleryName,
        position: Position,
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
        if self.position(name, subject).is_some() {
            return Err(GalleryError::SubjectExists);
        }
        let galleries = self.0.entry(name.clone()).or_default();
        for (model, shares) in &of_models {
            let columns = shares[0].shape().columns();
            galleries.entry((*model).clone()).or_insert_with(|| Gallery::new(columns)).fits(subject, shares)?;
        }
        for (model, shares) in of_models {
            if let Some(gallery) = galleries.get_mut(model) {
                gallery.insert(position, subject.clone(), &shares)?;
            }
        }
        Ok(())
    }

    /// Wipes all of a subject's rows, of whatever model. False if there are none.
    pub fn remove(&mut self, name: &GalleryName, subject: &Subject) -> bool {
        let mut removed = false;
        for gallery in self.0.get_mut(name).into_iter().flat_map(HashMap::values_mut) {
            removed |= gallery.remove(subject);
        }
        removed
    }

    /// A subject's position; `None` for one who has no reference of any model.
    #[must_use]
    pub fn position(&self, name: &GalleryName, subject: &Subject) -> Option<Position> {
        self.0.get(name)?.values().find_map(|gallery| gallery.position(subject))
    }

    /// The references of one gallery by one model.
    #[must_use]
    pub fn of(&self, name: &GalleryName, model: &ModelId) -> Option<&Gallery> {
        self.0.get(name)?.get(model)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::party::Party;

    fn subject(number: usize) -> Subject {
        format!("c-{number}").parse().unwrap()
    }

    /// A share of which each word tells whose it is.
    fn share(number: usize, rows: usize, columns: usize) -> PointShare {
        let words = (0..rows * columns).map(|k| u16::try_from((number * 64 + k) & 0xffff).unwrap());
        let bytes: Vec<u8> = words.flat_map(u16::to_le_bytes).collect();
        PointShare::from_unsealed_bytes(Party::A, Shape::new(rows, columns).unwrap(), &bytes).unwrap()
    }

    fn vector(number: usize) -> PointShare {
        share(number, 1, 64)
    }

    /// The one reference that a subject has.
    fn only(gallery: &Gallery, number: usize) -> Option<(Position, Vec<u16>)> {
        let (position, references) = gallery.references(&subject(number))?;
        let [reference] = references.as_slice() else { panic!("{references:?}") };
        Some((position, reference.words.to_vec()))
    }

    fn of(number: usize, share: &PointShare) -> (Position, Vec<u16>) {
        (Position(number as u64), share.words().to_vec())
    }

    #[test]
    fn every_row_is_found_again_across_blocks() {
        let mut gallery = Gallery::new(64);
        for number in 0..ROWS + 3 {
            gallery.insert(Position(number as u64), subject(number), &[&vector(number)]).unwrap();
        }
        for number in [0, 1, ROWS - 1, ROWS, ROWS + 2] {
            assert_eq!(only(&gallery, number), Some(of(number, &vector(number))));
        }
        let shapes: Vec<_> = gallery.blocks().map(|(block, slots)| (block.dim(), slots.len())).collect();
        assert_eq!(shapes, [((ROWS, 64), ROWS), ((3, 64), 3)]);
        assert_eq!(gallery.len(), ROWS + 3);
    }

    #[test]
    fn a_set_that_begins_in_one_block_and_ends_in_the_next_is_found_and_wiped_whole() {
        let mut gallery = Gallery::new(128);
        // 102 sets of 40 rows leave 16 rows of the first block: the next one goes over its end.
        for number in 0..104 {
            gallery.insert(Position(number as u64), subject(number), &[&share(number, 40, 128)]).unwrap();
        }
        for number in [0, 101, 102, 103] {
            assert_eq!(only(&gallery, number), Some(of(number, &share(number, 40, 128))), "{number}");
        }
        assert!(gallery.remove(&subject(102)));
        let rows: Vec<_> = gallery
            .blocks()
            .flat_map(|(block, slots)| {
                block.outer_iter().map(|row| row.to_vec()).zip(slots.to_vec()).collect::<Vec<_>>()
            })
            .collect();
        assert_eq!(rows.len(), 104 * 40);
        for (row, (words, slot)) in rows.iter().enumerate() {
            let gone = row / 40 == 102;
            assert_eq!((words.iter().all(|word| *word == 0), slot.is_none()), (gone, gone), "row {row}");
        }
        assert_eq!(only(&gallery, 103), Some(of(103, &share(103, 40, 128))));
    }

    #[test]
    fn a_subject_has_several_references_of_several_models_that_come_and_go_together() {
        let name: GalleryName = "banks/b17/customers".parse().unwrap();
        let (face, finger): (ModelId, ModelId) = ("fr64".parse().unwrap(), "rows".parse().unwrap());
        let (one, two, three) = (share(1, 4, 128), vector(2), share(3, 40, 128));
        let mut galleries = Galleries::new();
        let all = [(&finger, &one), (&face, &two), (&finger, &three)];
        galleries.insert(&name, Position(7), &subject(0), &all).unwrap();
        let fingers = galleries.of(&name, &finger).unwrap();
        let (position, copies) = fingers.references(&subject(0)).unwrap();
        assert_eq!(position, Position(7));
        for (copied, share) in copies.iter().zip([&one, &three]) {
            assert_eq!((copied.shape, copied.words.as_slice()), (share.shape(), share.words()));
        }
        assert!(fingers.shapes(&subject(0)).eq([one.shape(), three.shape()]));
        assert_eq!(fingers.blocks().next().unwrap().1, [Some(Position(7)); 44]);
        assert_eq!(only(galleries.of(&name, &face).unwrap(), 0), Some(of(7, &two)));

        assert_eq!(galleries.insert(&name, Position(8), &subject(0), &all[..1]), Err(GalleryError::SubjectExists));
        let misfit = galleries.insert(&name, Position(8), &subject(1), &[(&face, &two), (&finger, &two)]);
        assert_eq!(misfit, Err(GalleryError::Dimension { expected: 128, found: 64 }));
        assert_eq!(galleries.position(&name, &subject(1)), None, "neither of the two");
        assert!(galleries.remove(&name, &subject(0)) && !galleries.remove(&name, &subject(0)));
        for gallery in [&face, &finger].map(|model| galleries.of(&name, model).unwrap()) {
            assert!(
                gallery
                    .blocks()
                    .all(|(block, slots)| block.iter().all(|word| *word == 0) && slots.iter().all(Option::is_none))
            );
        }
        galleries.insert(&name, Position(9), &subject(0), &all).unwrap();
        assert_eq!(galleries.position(&name, &subject(0)), Some(Position(9)));
    }

    #[test]
    fn a_removed_row_is_zeros_and_its_neighbours_are_not() {
        let mut gallery = Gallery::new(64);
        for number in 1..4 {
            gallery.insert(Position(number as u64), subject(number), &[&vector(number)]).unwrap();
        }
        assert!(gallery.remove(&subject(2)) && !gallery.remove(&subject(2)));
        assert!(gallery.references(&subject(2)).is_none());
        let (block, slots) = gallery.blocks().next().unwrap();
        assert_eq!(slots, [Some(Position(1)), None, Some(Position(3))]);
        assert_eq!(block.row(0).to_vec(), vector(1).words());
        assert!(block.row(1).iter().all(|word| *word == 0));
        assert_eq!(block.row(2).to_vec(), vector(3).words());
        gallery.insert(Position(9), subject(2), &[&vector(9)]).unwrap();
        assert_eq!(only(&gallery, 2), Some(of(9, &vector(9))));
    }

    #[test]
    fn a_share_that_does_not_fit_changes_nothing() {
        let mut gallery = Gallery::new(64);
        gallery.insert(Position(0), subject(0), &[&vector(0)]).unwrap();
        assert_eq!(gallery.insert(Position(1), subject(0), &[&vector(1)]), Err(GalleryError::SubjectExists));
        let other = gallery.insert(Position(1), subject(1), &[&vector(1), &share(1, 1, 66)]);
        assert_eq!(other, Err(GalleryError::Dimension { expected: 64, found: 66 }));
        assert_eq!(only(&gallery, 0), Some(of(0, &vector(0))));
        assert_eq!((gallery.len(), gallery.blocks().next().unwrap().1.len()), (1, 1));
    }

    #[test]
    fn a_dropped_gallery_may_have_been_used_on_any_thread() {
        let mut gallery = Gallery::new(64);
        gallery.insert(Position(0), subject(0), &[&vector(3)]).unwrap();
        let shared = std::sync::Arc::new(gallery);
        let there = std::sync::Arc::clone(&shared);
        let read = std::thread::spawn(move || only(&there, 0));
        assert_eq!(read.join().unwrap(), Some(of(0, &vector(3))));
    }

    #[test]
    fn a_gallery_prints_its_shape_only() {
        let mut gallery = Gallery::new(64);
        gallery.insert(Position(0), subject(0), &[&vector(0x5aa5)]).unwrap();
        assert_eq!(format!("{gallery:?}"), "Gallery([1 of 4096, 64])");
        assert_eq!(format!("{:?}", gallery.references(&subject(0)).unwrap().1), "[Copied(1x64)]");
    }
}
