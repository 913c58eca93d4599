//! References in memory: this node's shares, in fixed blocks, locked there and wiped.
//!
//! `Store::load`, enrolments --[`Galleries::insert`]--> [`Gallery`] --`row` (1:1), `blocks` (1:N)--> dots with a probe's share

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::Once;

use ndarray::{Array2, ArrayView1, ArrayView2, Axis, Slice};
use zeroize::Zeroize as _;

use crate::log::ledger::Position;
use crate::name::{GalleryName, ModelId, Subject};

/// Rows of a block. At 512 components a block is 4096 x 512 x 2 bytes = 4 MiB.
pub const ROWS: usize = 4096;

/// A reference does not fit the gallery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GalleryError {
    /// Another number of components than the gallery's model has.
    #[error("expected {expected} components, found {found}")]
    Dimension {
        /// Those of the gallery's model.
        expected: usize,
        /// Those that came.
        found: usize,
    },
    /// The subject has a row.
    #[error("the subject is in the gallery already")]
    SubjectExists,
}

/// All shares of one gallery's references that were made by one model.
///
/// * Shape: each block is an `Array2<u16>` of `[ROWS, dimension]`, row-major. Rows are filled in the order of arrival: at start
///   that of positions, later that of commits. Which position stands in a row, the row says; each node may have them in
///   another order.
/// * Unit: words of [`PointShare`](crate::share::PointShare)s of one party.
/// * A block is allocated whole: an array that grows leaves unwiped copies behind.
/// * A removed row is zeros and stays empty until the node starts again. Zeros at all three nodes are a score of 0: no match.
///
/// No `Clone`, `PartialEq` or `Serialize`.
pub struct Gallery {
    dimension: usize,
    blocks: Vec<Block>,
    slots: Vec<Option<Position>>,
    rows: HashMap<Subject, usize>,
}

/// Prints the shape: `Gallery([2 of 4096, 512])`.
impl fmt::Debug for Gallery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gallery([{} of {}, {}])", self.rows.len(), self.blocks.len() * ROWS, self.dimension)
    }
}

/// One allocation, wiped before it is unlocked, and unlocked before it is freed: fields are dropped in this order.
struct Block {
    lock: Option<region::LockGuard>,
    words: Array2<u16>,
}

impl Block {
    fn new(dimension: usize) -> Self {
        let words = Array2::zeros([ROWS, dimension]);
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
    /// An empty gallery for templates of this many components.
    #[must_use]
    pub fn new(dimension: usize) -> Self {
        Self { dimension, blocks: Vec::new(), slots: Vec::new(), rows: HashMap::new() }
    }

    /// Components of each row.
    #[must_use]
    pub const fn dimension(&self) -> usize {
        self.dimension
    }

    /// Subjects in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether nobody is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Copies a subject's share into the next free row.
    ///
    /// # Errors
    /// [`GalleryError`], and then nothing has changed.
    pub fn insert(&mut self, position: Position, subject: Subject, words: &[u16]) -> Result<(), GalleryError> {
        if words.len() != self.dimension {
            return Err(GalleryError::Dimension { expected: self.dimension, found: words.len() });
        }
        let row = self.slots.len();
        match self.rows.entry(subject) {
            Entry::Occupied(_) => return Err(GalleryError::SubjectExists),
            Entry::Vacant(free) => _ = free.insert(row),
        }
        if row == self.blocks.len() * ROWS {
            self.blocks.push(Block::new(self.dimension));
        }
        self.slots.push(Some(position));
        self.blocks[row / ROWS].words.row_mut(row % ROWS).assign(&ArrayView1::from(words));
        Ok(())
    }

    /// Wipes a subject's row. False if there is none.
    pub fn remove(&mut self, subject: &Subject) -> bool {
        let Some(row) = self.rows.remove(subject) else { return false };
        self.slots[row] = None;
        wipe(self.blocks[row / ROWS].words.row_mut(row % ROWS).as_slice_mut());
        true
    }

    /// A subject's place and share.
    #[must_use]
    pub fn row(&self, subject: &Subject) -> Option<(Position, ArrayView1<'_, u16>)> {
        let &row = self.rows.get(subject)?;
        Some((self.slots[row]?, self.blocks[row / ROWS].words.row(row % ROWS)))
    }

    /// All rows that were ever filled, block by block, `[rows <= ROWS, dimension]` each, with whose position stands in
    /// each row; `None` is a removed one.
    pub fn blocks(&self) -> impl Iterator<Item = (ArrayView2<'_, u16>, &[Option<Position>])> {
        self.blocks
            .iter()
            .zip(self.slots.chunks(ROWS))
            .map(|(block, slots)| (block.words.slice_axis(Axis(0), Slice::from(..slots.len())), slots))
    }
}

/// All galleries of a node, one for each name and model: templates of different models never meet.
#[derive(Debug, Default)]
pub struct Galleries(HashMap<(GalleryName, ModelId), Gallery>);

impl Galleries {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Copies a subject's share into its gallery, which comes to be with the first.
    ///
    /// # Errors
    /// [`GalleryError`], and then nothing has changed.
    pub fn insert(
        &mut self,
        gallery: GalleryName,
        model: ModelId,
        position: Position,
        subject: Subject,
        words: &[u16],
    ) -> Result<(), GalleryError> {
        let gallery = self.0.entry((gallery, model)).or_insert_with(|| Gallery::new(words.len()));
        gallery.insert(position, subject, words)
    }

    /// Wipes a subject's row. False if there is none.
    pub fn remove(&mut self, gallery: &GalleryName, model: &ModelId, subject: &Subject) -> bool {
        self.0.get_mut(&(gallery.clone(), model.clone())).is_some_and(|gallery| gallery.remove(subject))
    }

    /// The references of one gallery by one model.
    #[must_use]
    pub fn of(&self, gallery: &GalleryName, model: &ModelId) -> Option<&Gallery> {
        self.0.get(&(gallery.clone(), model.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(number: usize) -> Subject {
        format!("c-{number}").parse().unwrap()
    }

    fn words(number: usize) -> Vec<u16> {
        (0..64).map(|k| u16::try_from((number * 64 + k) & 0xffff).unwrap()).collect()
    }

    #[test]
    fn every_row_is_found_again_across_blocks() {
        let mut gallery = Gallery::new(64);
        for number in 0..ROWS + 3 {
            gallery.insert(Position(2 * number as u64), subject(number), &words(number)).unwrap();
        }
        for number in [0, 1, ROWS - 1, ROWS, ROWS + 2] {
            let (position, row) = gallery.row(&subject(number)).unwrap();
            assert_eq!((position, row.to_vec()), (Position(2 * number as u64), words(number)));
        }
        let shapes: Vec<_> = gallery.blocks().map(|(block, slots)| (block.dim(), slots.len())).collect();
        assert_eq!(shapes, [((ROWS, 64), ROWS), ((3, 64), 3)]);
        assert_eq!(gallery.len(), ROWS + 3);
    }

    #[test]
    fn a_removed_row_is_zeros_and_its_neighbours_are_not() {
        let mut gallery = Gallery::new(64);
        for number in 1..4 {
            gallery.insert(Position(number as u64), subject(number), &words(number)).unwrap();
        }
        assert!(gallery.remove(&subject(2)) && !gallery.remove(&subject(2)));
        assert!(gallery.row(&subject(2)).is_none());
        let (block, slots) = gallery.blocks().next().unwrap();
        assert_eq!(slots, [Some(Position(1)), None, Some(Position(3))]);
        assert_eq!(block.row(0).to_vec(), words(1));
        assert!(block.row(1).iter().all(|word| *word == 0));
        assert_eq!(block.row(2).to_vec(), words(3));
        gallery.insert(Position(9), subject(2), &words(9)).unwrap();
        assert_eq!(gallery.row(&subject(2)).unwrap().0, Position(9));
    }

    #[test]
    fn a_share_that_does_not_fit_changes_nothing() {
        let mut gallery = Gallery::new(64);
        gallery.insert(Position(0), subject(0), &words(0)).unwrap();
        assert_eq!(gallery.insert(Position(1), subject(0), &words(1)), Err(GalleryError::SubjectExists));
        let short = gallery.insert(Position(1), subject(1), &words(1)[..62]);
        assert_eq!(short, Err(GalleryError::Dimension { expected: 64, found: 62 }));
        assert_eq!(gallery.row(&subject(0)).unwrap().1.to_vec(), words(0));
        assert_eq!(gallery.len(), 1);
    }

    #[test]
    fn templates_of_different_models_never_meet() {
        let (name, face, other) =
            ("banks/b17/customers".parse::<GalleryName>().unwrap(), "fr512".parse().unwrap(), "fr64".parse().unwrap());
        let mut galleries = Galleries::new();
        galleries.insert(name.clone(), face, Position(0), subject(0), &[1; 512]).unwrap();
        assert!(galleries.of(&name, &other).is_none());
        galleries.insert(name.clone(), other.clone(), Position(1), subject(1), &[2; 64]).unwrap();
        assert!(galleries.of(&name, &other).unwrap().row(&subject(0)).is_none());
        assert!(galleries.remove(&name, &other, &subject(1)) && !galleries.remove(&name, &other, &subject(0)));
    }

    #[test]
    fn a_dropped_gallery_may_have_been_used_on_any_thread() {
        let mut gallery = Gallery::new(64);
        gallery.insert(Position(0), subject(0), &words(3)).unwrap();
        let shared = std::sync::Arc::new(gallery);
        let there = std::sync::Arc::clone(&shared);
        let read = std::thread::spawn(move || there.row(&subject(0)).unwrap().1.to_vec());
        assert_eq!(read.join().unwrap(), words(3));
    }

    #[test]
    fn a_gallery_prints_its_shape_only() {
        let mut gallery = Gallery::new(64);
        gallery.insert(Position(0), subject(0), &[0x5aa5; 64]).unwrap();
        assert_eq!(format!("{gallery:?}"), "Gallery([1 of 4096, 64])");
    }
}
