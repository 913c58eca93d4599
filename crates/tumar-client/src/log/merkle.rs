//! RFC 6962 Merkle trees over SHA-256: a log's root at every size, and the two proofs.
//!
//! leaf hashes --[`Tree::push`]--> [`Tree`] --> root, inclusion proof, consistency proof --> [`verify_inclusion`], [`verify_consistency`]
//!
//! The verifiers are the loops of RFC 9162 (2.1.3.2, 2.1.4.2); they share no code with the tree, which is written after the
//! recursive definitions of RFC 6962 (2.1, 2.1.1, 2.1.2).

use std::ops::Range;

use ring::digest::{Context, SHA256, digest};

/// A proof could not be made, or does not prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MerkleError {
    /// The size or index asked for lies beyond the tree.
    #[error("the size is larger than the tree")]
    Beyond,
    /// The later tree is smaller than the earlier one: a log only grows.
    #[error("the later tree is smaller")]
    Shrunk,
    /// The number of hashes is not what a proof for these sizes has.
    #[error("the proof has the wrong number of hashes")]
    Length,
    /// The hashes do not lead to the root.
    #[error("the proof does not lead to the root")]
    Root,
}

/// `SHA-256(0x00, entry)`.
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> [u8; 32] {
    hash(&[&[0], entry])
}

/// `SHA-256(0x01, left, right)`.
#[must_use]
pub fn node_hash(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    hash(&[&[1], left, right])
}

/// Root of the tree without leaves: SHA-256 of nothing.
#[must_use]
pub fn empty_root() -> [u8; 32] {
    bytes_of(digest(&SHA256, b""))
}

fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    bytes_of(context.finish())
}

fn bytes_of(digest: ring::digest::Digest) -> [u8; 32] {
    digest.as_ref().try_into().expect("SHA-256 makes 32 bytes")
}

/// All hashes of a log that are final: those of complete subtrees. 64 bytes a leaf.
///
/// * Shape: `levels[h][i]` is the hash over the leaves `i * 2^h .. (i + 1) * 2^h`; `levels[h].len()` is `size / 2^h`.
/// * Lacks removal: what was pushed stays, so proofs for every earlier size stay possible.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    levels: Vec<Vec<[u8; 32]>>,
}

impl Tree {
    /// The tree without leaves.
    #[must_use]
    pub const fn new() -> Self {
        Self { levels: Vec::new() }
    }

    /// Number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// Appends a leaf, by its [`leaf_hash`], and returns its index.
    pub fn push(&mut self, leaf: [u8; 32]) -> u64 {
        let index = self.size();
        let mut hash = leaf;
        for height in 0.. {
            if height == self.levels.len() {
                self.levels.push(Vec::new());
            }
            let level = &mut self.levels[height];
            level.push(hash);
            match level.as_slice() {
                [.., left, right] if level.len().is_multiple_of(2) => hash = node_hash(left, right),
                _ => break,
            }
        }
        index
    }

    /// Hash of a leaf.
    #[must_use]
    pub fn leaf(&self, index: u64) -> Option<[u8; 32]> {
        self.complete(0).get(usize::try_from(index).ok()?).copied()
    }

    /// The hashes of all complete subtrees of `2^height` leaves, from the left: what tiles are cut from.
    #[must_use]
    pub fn complete(&self, height: u32) -> &[[u8; 32]] {
        self.levels.get(height as usize).map_or(&[], Vec::as_slice)
    }

    /// Root over the first `size` leaves.
    ///
    /// # Errors
    /// [`MerkleError::Beyond`] if there are fewer.
    pub fn root(&self, size: u64) -> Result<[u8; 32], MerkleError> {
        self.within(size)?;
        Ok(if size == 0 { empty_root() } else { self.over(0..size) })
    }

    /// Proof that leaf `index` stands in the tree of the first `size` leaves: the sibling hashes, lowest first.
    ///
    /// # Errors
    /// [`MerkleError::Beyond`] unless `index < size` and the tree has `size` leaves.
    pub fn inclusion(&self, index: u64, size: u64) -> Result<Vec<[u8; 32]>, MerkleError> {
        self.within(size)?;
        if index >= size {
            return Err(MerkleError::Beyond);
        }
        let mut path = Vec::new();
        let mut range = 0..size;
        while range.end - range.start > 1 {
            let (left, right) = halves(&range);
            if index < left.end {
                path.push(self.over(right));
                range = left;
            } else {
                path.push(self.over(left));
                range = right;
            }
        }
        path.reverse();
        Ok(path)
    }

    /// Proof that the tree of the first `new` leaves begins with that of the first `old`; empty where either is trivial.
    ///
    /// # Errors
    /// [`MerkleError::Shrunk`] if `old > new`, [`MerkleError::Beyond`] if there are fewer than `new` leaves.
    pub fn consistency(&self, old: u64, new: u64) -> Result<Vec<[u8; 32]>, MerkleError> {
        if old > new {
            return Err(MerkleError::Shrunk);
        }
        self.within(new)?;
        let mut proof = Vec::new();
        if old == 0 || old == new {
            return Ok(proof);
        }
        let mut range = 0..new;
        while range.end != old {
            let (left, right) = halves(&range);
            if old <= left.end {
                proof.push(self.over(right));
                range = left;
            } else {
                proof.push(self.over(left));
                range = right;
            }
        }
        // The verifier knows the old root; what it does not know is an old subtree that is not all of the old tree.
        if range.start != 0 {
            proof.push(self.over(range));
        }
        proof.reverse();
        Ok(proof)
    }

    fn within(&self, size: u64) -> Result<(), MerkleError> {
        if size <= self.size() { Ok(()) } else { Err(MerkleError::Beyond) }
    }

    /// RFC 6962's MTH over a range that its recursion arrives at, which begins at a multiple of its rounded-up length.
    fn over(&self, range: Range<u64>) -> [u8; 32] {
        let length = range.end - range.start;
        if length.is_power_of_two() {
            let place = usize::try_from(range.start / length).expect("a leaf that is held has an index in memory");
            return self.levels[length.trailing_zeros() as usize][place];
        }
        let (left, right) = halves(&range);
        node_hash(&self.over(left), &self.over(right))
    }
}

/// A range of two or more, cut at the largest power of two below its length.
fn halves(range: &Range<u64>) -> (Range<u64>, Range<u64>) {
    let cut = range.start + (1 << (range.end - range.start - 1).ilog2());
    (range.start..cut, cut..range.end)
}

/// Checks that `leaf` is leaf number `index` of the tree with `size` leaves and the root given.
///
/// A proof binds leaf, index and root. It binds the size only in part (leaf 0 of 5 and of 8 have proofs of one form), so size
/// and root must come from one signed checkpoint.
///
/// # Errors
/// [`MerkleError`] if it is not shown.
pub fn verify_inclusion(
    leaf: &[u8; 32],
    index: u64,
    size: u64,
    proof: &[[u8; 32]],
    root: &[u8; 32],
) -> Result<(), MerkleError> {
    if index >= size {
        return Err(MerkleError::Beyond);
    }
    let (mut node, mut last) = (index, size - 1);
    let mut computed = *leaf;
    for sibling in proof {
        if last == 0 {
            return Err(MerkleError::Length);
        }
        if node % 2 == 1 || node == last {
            computed = node_hash(sibling, &computed);
            (node, last) = climb_to_left_edge(node, last);
        } else {
            computed = node_hash(&computed, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(MerkleError::Length);
    }
    if computed == *root { Ok(()) } else { Err(MerkleError::Root) }
}

/// Checks that the tree of `new` leaves begins with the tree of `old` leaves: that nothing of a log was changed or dropped.
///
/// # Errors
/// [`MerkleError`] if it is not shown; [`MerkleError::Shrunk`] if the later tree is smaller.
pub fn verify_consistency(
    old: u64,
    new: u64,
    proof: &[[u8; 32]],
    old_root: &[u8; 32],
    new_root: &[u8; 32],
) -> Result<(), MerkleError> {
    if old > new {
        return Err(MerkleError::Shrunk);
    }
    if old == 0 || old == new {
        let expected = if old == 0 { empty_root() } else { *new_root };
        return match (proof.is_empty(), *old_root == expected) {
            (false, _) => Err(MerkleError::Length),
            (true, false) => Err(MerkleError::Root),
            (true, true) if new == 0 && *new_root != expected => Err(MerkleError::Root),
            (true, true) => Ok(()),
        };
    }
    let (mut node, mut last) = (old - 1, new - 1);
    // The largest complete subtree at the old tree's right edge: where both computations start.
    let skip = node.trailing_ones();
    (node, last) = (node >> skip, last >> skip);
    let (first, rest) =
        if old.is_power_of_two() { (old_root, proof) } else { proof.split_first().ok_or(MerkleError::Length)? };
    let (mut before, mut after) = (*first, *first);
    for sibling in rest {
        if last == 0 {
            return Err(MerkleError::Length);
        }
        if node % 2 == 1 || node == last {
            before = node_hash(sibling, &before);
            after = node_hash(sibling, &after);
            (node, last) = climb_to_left_edge(node, last);
        } else {
            after = node_hash(&after, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(MerkleError::Length);
    }
    if before == *old_root && after == *new_root { Ok(()) } else { Err(MerkleError::Root) }
}

/// From a node that is its level's last and has no sibling there, up to where it has one on its left. A node that has one
/// on its left already stays.
fn climb_to_left_edge(node: u64, last: u64) -> (u64, u64) {
    // Node 0 does not come here: it has no left sibling, and where it is the last the proof has ended.
    (node >> node.trailing_zeros(), last >> node.trailing_zeros())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn numbered(size: u64) -> Tree {
        let mut tree = Tree::new();
        for index in 0..size {
            assert_eq!(tree.push(leaf_hash(&index.to_be_bytes())), index);
        }
        tree
    }

    /// RFC 6962 section 2.1 as it stands there, from the leaves: the oracle for what the tree keeps.
    fn from_the_definition(leaves: &[[u8; 32]]) -> [u8; 32] {
        match leaves {
            [] => empty_root(),
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                node_hash(&from_the_definition(left), &from_the_definition(right))
            }
        }
    }

    #[test]
    fn every_leaf_of_every_size_up_to_70_is_proved_and_every_size_follows_from_every_earlier() {
        let tree = numbered(70);
        for size in 0..=70 {
            let root = tree.root(size).unwrap();
            assert_eq!(root, from_the_definition(&tree.complete(0)[..usize::try_from(size).unwrap()]));
            for index in 0..size {
                let leaf = tree.leaf(index).unwrap();
                assert_eq!(verify_inclusion(&leaf, index, size, &tree.inclusion(index, size).unwrap(), &root), Ok(()));
                let other = tree.leaf((index + 1) % 70).unwrap();
                assert!(verify_inclusion(&other, index, size, &tree.inclusion(index, size).unwrap(), &root).is_err());
            }
            for old in 0..=size {
                let proof = tree.consistency(old, size).unwrap();
                assert_eq!(
                    verify_consistency(old, size, &proof, &tree.root(old).unwrap(), &root),
                    Ok(()),
                    "{old} {size}"
                );
            }
        }
    }

    #[test]
    fn what_the_tree_does_not_have_is_refused() {
        let tree = numbered(5);
        assert_eq!(tree.root(6), Err(MerkleError::Beyond));
        assert_eq!(tree.leaf(5), None);
        assert_eq!(tree.inclusion(5, 5), Err(MerkleError::Beyond));
        assert_eq!(tree.inclusion(0, 6), Err(MerkleError::Beyond));
        assert_eq!(tree.consistency(2, 6), Err(MerkleError::Beyond));
        assert_eq!(tree.consistency(4, 3), Err(MerkleError::Shrunk));
        let root = tree.root(5).unwrap();
        assert_eq!(verify_inclusion(&tree.leaf(0).unwrap(), 5, 5, &[], &root), Err(MerkleError::Beyond));
        assert_eq!(verify_consistency(5, 4, &[], &root, &root), Err(MerkleError::Shrunk));
        // Trivial proofs prove only what is trivial.
        assert_eq!(verify_consistency(0, 5, &[], &empty_root(), &root), Ok(()));
        assert_eq!(verify_consistency(0, 5, &[], &root, &root), Err(MerkleError::Root));
        assert_eq!(verify_consistency(0, 0, &[], &empty_root(), &root), Err(MerkleError::Root));
        assert_eq!(verify_consistency(5, 5, &[], &empty_root(), &root), Err(MerkleError::Root));
        assert_eq!(verify_consistency(5, 5, &[root], &root, &root), Err(MerkleError::Length));
        assert_eq!(verify_consistency(3, 5, &[], &root, &root), Err(MerkleError::Length));
    }

    /// Every way to flip one bit of one hash of a proof, to drop a hash, or to add one.
    fn damaged(proof: &[[u8; 32]]) -> Vec<Vec<[u8; 32]>> {
        let mut all = Vec::new();
        for place in 0..proof.len() {
            for bit in 0..256 {
                let mut bad = proof.to_vec();
                bad[place][bit / 8] ^= 1 << (bit % 8);
                all.push(bad);
            }
            let mut short = proof.to_vec();
            short.remove(place);
            all.push(short);
        }
        for place in 0..=proof.len() {
            let mut long = proof.to_vec();
            long.insert(place, [0x11; 32]);
            all.push(long);
        }
        all
    }

    fn flipped(hash: [u8; 32]) -> impl Iterator<Item = [u8; 32]> {
        (0..256).map(move |bit| {
            let mut bad = hash;
            bad[bit / 8] ^= 1 << (bit % 8);
            bad
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn an_inclusion_proof_with_any_bit_changed_is_refused(size in 1_u64..300, pick in any::<prop::sample::Index>()) {
            let tree = numbered(size);
            let index = pick.index(usize::try_from(size).unwrap()) as u64;
            let (leaf, root) = (tree.leaf(index).unwrap(), tree.root(size).unwrap());
            let proof = tree.inclusion(index, size).unwrap();
            prop_assert_eq!(verify_inclusion(&leaf, index, size, &proof, &root), Ok(()));
            for bad in damaged(&proof) {
                prop_assert!(verify_inclusion(&leaf, index, size, &bad, &root).is_err());
            }
            for (bad_leaf, bad_root) in flipped(leaf).zip(flipped(root)) {
                prop_assert!(verify_inclusion(&bad_leaf, index, size, &proof, &root).is_err());
                prop_assert!(verify_inclusion(&leaf, index, size, &proof, &bad_root).is_err());
            }
            for bit in 0..64 {
                prop_assert!(verify_inclusion(&leaf, index ^ 1 << bit, size, &proof, &root).is_err());
            }
        }

        #[test]
        fn a_consistency_proof_with_any_bit_changed_is_refused(new in 2_u64..300, pick in any::<prop::sample::Index>()) {
            let tree = numbered(new);
            let old = 1 + pick.index(usize::try_from(new).unwrap() - 1) as u64;
            let (before, after) = (tree.root(old).unwrap(), tree.root(new).unwrap());
            let proof = tree.consistency(old, new).unwrap();
            prop_assert_eq!(verify_consistency(old, new, &proof, &before, &after), Ok(()));
            for bad in damaged(&proof) {
                prop_assert!(verify_consistency(old, new, &bad, &before, &after).is_err());
            }
            for (bad_before, bad_after) in flipped(before).zip(flipped(after)) {
                prop_assert!(verify_consistency(old, new, &proof, &bad_before, &after).is_err());
                prop_assert!(verify_consistency(old, new, &proof, &before, &bad_after).is_err());
            }
        }

        #[test]
        fn no_proof_hides_a_changed_entry(new in 2_u64..300, pick in any::<prop::sample::Index>()) {
            let old = 1 + pick.index(usize::try_from(new).unwrap() - 1) as u64;
            let honest = numbered(old);
            let mut forked = numbered(old - 1);
            forked.push(leaf_hash(b"another"));
            (old..new).for_each(|index| { forked.push(leaf_hash(&index.to_be_bytes())); });
            let proof = forked.consistency(old, new).unwrap();
            let (before, after) = (honest.root(old).unwrap(), forked.root(new).unwrap());
            prop_assert!(verify_consistency(old, new, &proof, &before, &after).is_err());
        }
    }
}
