//! The hashes of a log as far as its tiles are there: a pruned log lacks some on its left side, and can be verified all the same.
//!
//! tiles --insert--> [`Hashes`] --> root at every size, inclusion proofs; or what does not follow from what

use std::collections::HashMap;
use std::ops::Range;

use crate::log::merkle::{empty_root, node_hash};
use crate::log::tiles::{Span, WIDTH, levels};

/// A tile has this many hashes' worth of levels: 2^8 of them.
pub(crate) const HEIGHT: u32 = 8;

/// Hashes of the complete subtrees of a log with a given number of leaves, each of which may be missing.
///
/// * Shape: `levels[h]` has those over the leaves `i * 2^h .. (i + 1) * 2^h`, in pieces of 256. A piece is there once a hash of it is:
///   what a checkpoint says of its size, whoever signed it, takes no memory.
/// * Zeros are no hash that is known, and a tile with them is refused: nobody can have an entry of that hash.
/// * A hash of a tile, and one that was computed from two below it, agree: what does not is refused where it comes in.
#[derive(Clone, Debug)]
pub struct Hashes {
    size: u64,
    levels: Vec<HashMap<u64, Piece>>,
}

/// 256 hashes of one height.
type Piece = Box<[[u8; 32]; 256]>;

/// What stands where no hash is known.
const UNKNOWN: [u8; 32] = [0; 32];

/// Two tiles contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the hashes of a tile do not lead to those above it")]
pub struct Contradiction;

impl Hashes {
    /// Nothing is known yet of a log of `size` leaves.
    #[must_use]
    pub fn new(size: u64) -> Self {
        let heights = if size == 0 { 0 } else { size.ilog2() + 1 };
        Self { size, levels: vec![HashMap::new(); heights as usize] }
    }

    /// Number of leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The leaf with this index, if its tile was there.
    #[must_use]
    pub fn leaf(&self, index: u64) -> Option<[u8; 32]> {
        self.node(0, index)
    }

    /// Whether all hashes of a tile are known.
    pub(crate) fn has(&self, level: u32, span: Span) -> bool {
        span.range().all(|index| self.node(HEIGHT * level, index).is_some())
    }

    fn node(&self, height: u32, index: u64) -> Option<[u8; 32]> {
        let piece = self.levels.get(height as usize)?.get(&(index / WIDTH))?;
        Some(piece[place(index % WIDTH)]).filter(|hash| *hash != UNKNOWN)
    }

    /// Puts the hashes of one tile in, and all that follow from them up to the tile above.
    ///
    /// # Errors
    /// [`Contradiction`] if they are not those that the tile above stands on, or not in the log, or zeros; nothing is put in then.
    pub(crate) fn insert(&mut self, level: u32, span: Span, hashes: &[[u8; 32]]) -> Result<(), Contradiction> {
        let bottom = HEIGHT * level;
        if hashes.len() as u64 != span.width || span.range().end > self.size >> bottom || hashes.contains(&UNKNOWN) {
            return Err(Contradiction);
        }
        // From the tile's hashes up: each level is half as long as the one below, and only its last one is not complete.
        let mut rows = vec![hashes.to_vec()];
        for _ in 0..HEIGHT {
            let below = rows.last().map_or(&[][..], Vec::as_slice);
            rows.push(below.as_chunks().0.iter().map(|[left, right]| node_hash(left, right)).collect());
        }
        let mut height = bottom;
        let mut first = span.range().start;
        for row in &rows {
            let known = row.iter().zip(first..).map(|(hash, index)| (self.node(height, index), hash));
            if known.into_iter().any(|(known, hash)| known.is_some_and(|known| known != *hash)) {
                return Err(Contradiction);
            }
            (height, first) = (height + 1, first / 2);
        }
        (height, first) = (bottom, span.range().start);
        for row in rows {
            for (hash, index) in row.into_iter().zip(first..) {
                let piece = self.levels[height as usize].entry(index / WIDTH);
                piece.or_insert_with(|| Box::new([UNKNOWN; 256]))[place(index % WIDTH)] = hash;
            }
            (height, first) = (height + 1, first / 2);
        }
        Ok(())
    }

    /// Root over the first `size` leaves; none if that takes a hash that is missing, or there are fewer leaves.
    #[must_use]
    pub fn root(&self, size: u64) -> Option<[u8; 32]> {
        match size {
            0 => Some(empty_root()),
            _ if size > self.size => None,
            _ => self.over(&(0..size)),
        }
    }

    /// RFC 6962's inclusion proof (2.1.1) of leaf `index` in the tree of `size` leaves; none as for [`root`](Self::root).
    #[must_use]
    pub fn inclusion(&self, index: u64, size: u64) -> Option<Vec<[u8; 32]>> {
        if index >= size || size > self.size {
            return None;
        }
        let mut path = Vec::new();
        let mut range = 0..size;
        while range.end - range.start > 1 {
            let (left, right) = halves(&range);
            let (own, other) = if index < left.end { (left, right) } else { (right, left) };
            path.push(self.over(&other)?);
            range = own;
        }
        path.reverse();
        Some(path)
    }

    fn over(&self, range: &Range<u64>) -> Option<[u8; 32]> {
        let length = range.end - range.start;
        if length.is_power_of_two() {
            return self.node(length.trailing_zeros(), range.start / length);
        }
        let (left, right) = halves(range);
        Some(node_hash(&self.over(&left)?, &self.over(&right)?))
    }
}

/// A range of two or more, cut at the largest power of two below its length.
fn halves(range: &Range<u64>) -> (Range<u64>, Range<u64>) {
    let cut = range.start + (1 << (range.end - range.start - 1).ilog2());
    (range.start..cut, cut..range.end)
}

/// The tiles at the right edge of a log of `size` leaves, from the top level down: they alone tell its root.
pub(crate) fn edge(size: u64) -> Vec<(u32, Span)> {
    let mut edge: Vec<_> = levels(size)
        .filter(|(_, count)| count % WIDTH != 0)
        .map(|(level, count)| (level, Span::of(count / WIDTH, count)))
        .collect();
    edge.reverse();
    edge
}

fn place(index: u64) -> usize {
    usize::try_from(index).expect("a place in a piece, or in a tree in memory")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::merkle::{Tree, leaf_hash, verify_inclusion};

    fn tree(size: u64) -> Tree {
        let mut tree = Tree::new();
        for index in 0..size {
            tree.push(leaf_hash(&index.to_be_bytes()));
        }
        tree
    }

    fn tile(tree: &Tree, level: u32, span: Span) -> Vec<[u8; 32]> {
        tree.complete(HEIGHT * level)[place(span.range().start)..place(span.range().end)].to_vec()
    }

    #[test]
    fn roots_and_proofs_are_those_of_the_tree() {
        for size in [0, 1, 2, 255, 256, 257, 700, 65_536, 66_000] {
            let tree = tree(size);
            let mut hashes = Hashes::new(size);
            for (level, count) in levels(size) {
                for span in Span::changed(0, count) {
                    hashes.insert(level, span, &tile(&tree, level, span)).unwrap();
                }
            }
            for smaller in [0, 1, size / 3, size / 2, size.saturating_sub(1), size].into_iter().filter(|s| *s <= size) {
                assert_eq!(hashes.root(smaller), tree.root(smaller).ok(), "{smaller} of {size}");
            }
            assert_eq!(hashes.root(size + 1), None);
            for index in [0, size / 2, size.saturating_sub(1)].into_iter().filter(|index| *index < size) {
                let (leaf, proof) = (hashes.leaf(index).unwrap(), hashes.inclusion(index, size).unwrap());
                assert_eq!(verify_inclusion(&leaf, index, size, &proof, &tree.root(size).unwrap()), Ok(()));
            }
        }
    }

    #[test]
    fn the_edge_alone_tells_the_root_and_what_was_pruned_is_not_missed() {
        for size in [1, 256, 300, 65_536, 65_792, 66_000] {
            let tree = tree(size);
            let mut hashes = Hashes::new(size);
            for (level, span) in edge(size) {
                hashes.insert(level, span, &tile(&tree, level, span)).unwrap();
            }
            assert_eq!(hashes.root(size), tree.root(size).ok(), "{size}");
        }
    }

    #[test]
    fn a_size_that_nobody_could_hold_takes_nothing() {
        let mut hashes = Hashes::new(u64::MAX);
        let edge = edge(u64::MAX);
        assert_eq!((edge.len(), hashes.root(u64::MAX), hashes.inclusion(7, u64::MAX)), (8, None, None));
        for (level, span) in edge {
            hashes.insert(level, span, &vec![[9; 32]; place(span.width)]).unwrap();
        }
        assert!(hashes.root(u64::MAX).is_some(), "and whoever signs it has its root");
    }

    #[test]
    fn a_leaf_of_zeros_is_no_way_to_have_an_entry_that_nobody_checks() {
        let mut hashes = Hashes::new(3);
        assert_eq!(hashes.insert(0, Span::of(0, 3), &[[1; 32], UNKNOWN, [3; 32]]), Err(Contradiction));
        assert_eq!((hashes.leaf(0), hashes.root(3)), (None, None));
    }

    #[test]
    fn a_tile_that_does_not_lead_to_the_one_above_is_refused_and_leaves_nothing_behind() {
        let tree = tree(66_000);
        let mut hashes = Hashes::new(66_000);
        for (level, span) in edge(66_000) {
            hashes.insert(level, span, &tile(&tree, level, span)).unwrap();
        }
        let (whole, span) = (Span { index: 0, width: WIDTH }, Span { index: 3, width: WIDTH });
        hashes.insert(1, whole, &tile(&tree, 1, whole)).unwrap();
        let mut false_tile = tile(&tree, 0, span);
        false_tile[200][0] ^= 1;
        assert_eq!(hashes.insert(0, span, &false_tile), Err(Contradiction));
        assert_eq!(hashes.leaf(3 * WIDTH), None);
        assert_eq!(hashes.insert(0, span, &tile(&tree, 0, span)[1..]), Err(Contradiction));
        assert_eq!(hashes.insert(0, span, &tile(&tree, 0, span)), Ok(()));
        assert_eq!(hashes.leaf(3 * WIDTH), tree.leaf(3 * WIDTH));
    }
}
