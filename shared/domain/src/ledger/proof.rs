//! Proofs over the Merkle tree, as RFC 6962 defines them in 2.1.1 and 2.1.2: that a leaf stands in a tree, and that a tree
//! is the beginning of another.
//!
//! Proofs are made from perfect subtrees only, because only those never change while the tree grows. A hash at the right
//! edge of a tree is folded from several of them.

use super::tree::node_hash;
use crate::digest::Digest;
use std::ops::Range;

/// A perfect subtree, as (level, index): it covers the leaves `index << level` up to `(index + 1) << level`.
pub type Node = (u8, u64);

/// Why a proof cannot be made, or does not prove.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// There is no such leaf in a tree of that size, or no such beginning.
    #[error("a tree of {size} leaves has no place {place}")]
    Range {
        /// The leaf's place, or the size of the smaller tree.
        place: u64,
        /// The size of the tree.
        size: u64,
    },
    /// A hash that the proof needs was not there.
    #[error("the hash of the node at level {0}, index {1} is missing")]
    Missing(u8, u64),
    /// The proof has another length than these sizes ask for.
    #[error("the proof has {found} hashes instead of {expected}")]
    Length {
        /// What the sizes ask for.
        expected: usize,
        /// What there is.
        found: usize,
    },
    /// The proof leads to another root than the tree's.
    #[error("the proof does not lead to the root of the tree")]
    Root,
    /// The proof leads to another root than the smaller tree's.
    #[error("the proof does not lead to the root of the smaller tree")]
    FromRoot,
}

/// The perfect subtrees under a node of a tree, the largest first. The range must begin at a multiple of the smallest
/// power of two that is not below its length, as every node's does.
fn perfect(range: Range<u64>) -> impl DoubleEndedIterator<Item = Node> {
    let length = range.end.saturating_sub(range.start);
    (0..64_u8).rev().filter(move |level| length >> level & 1 == 1).map(move |level| {
        // What is left of this subtree is the part of the length above it, which is a multiple of its size.
        let before = (length >> level) - 1;
        (level, (range.start >> level) + before)
    })
}

/// The hash over a node's leaves.
fn hash_of(range: Range<u64>, node: &dyn Fn(u8, u64) -> Option<Digest>) -> Result<Digest, ProofError> {
    let mut hash = None;
    for (level, index) in perfect(range).rev() {
        let left = node(level, index).ok_or(ProofError::Missing(level, index))?;
        hash = Some(hash.map_or(left, |right| node_hash(left, right)));
    }
    Ok(hash.unwrap_or_else(|| Digest::of(b"")))
}

/// Where RFC 6962 parts a node of at least two leaves: after the largest power of two that is below its length.
fn split(range: &Range<u64>) -> u64 {
    let last = range.end.saturating_sub(range.start).saturating_sub(1);
    range.start + last.checked_ilog2().map_or(0, |bit| 1 << bit)
}

/// The nodes beside the way from a leaf up to the root, the lowest first.
fn inclusion_ranges(index: u64, size: u64) -> Result<Vec<Range<u64>>, ProofError> {
    if index >= size {
        return Err(ProofError::Range { place: index, size });
    }
    let mut at = 0..size;
    let mut beside = Vec::new();
    while at.end - at.start > 1 {
        let middle = split(&at);
        let (left, right) = (at.start..middle, middle..at.end);
        let (on, off) = if index < middle { (left, right) } else { (right, left) };
        beside.push(off);
        at = on;
    }
    beside.reverse();
    Ok(beside)
}

/// The nodes of a consistency proof, in its order.
fn consistency_ranges(from: u64, to: u64) -> Result<Vec<Range<u64>>, ProofError> {
    if from > to {
        return Err(ProofError::Range { place: from, size: to });
    }
    let mut ranges = Vec::new();
    if from == 0 {
        return Ok(ranges);
    }
    let mut at = 0..to;
    while at.end != from {
        let middle = split(&at);
        if from <= middle {
            ranges.push(middle..at.end);
            at.end = middle;
        } else {
            ranges.push(at.start..middle);
            at.start = middle;
        }
    }
    // The verifier knows the smaller tree's root; only a part of it must be told.
    if at.start != 0 {
        ranges.push(at);
    }
    ranges.reverse();
    Ok(ranges)
}

/// The perfect subtrees that make up a tree, the largest first: what its compact range holds.
pub fn compact_nodes(size: u64) -> Vec<Node> {
    perfect(0..size).collect()
}

/// The nodes whose hashes `inclusion` asks for.
///
/// # Errors
/// There is no such leaf.
pub fn inclusion_nodes(index: u64, size: u64) -> Result<Vec<Node>, ProofError> {
    Ok(inclusion_ranges(index, size)?.into_iter().flat_map(perfect).collect())
}

/// The proof that a leaf stands at a place of the tree. `node` gives the hashes of perfect subtrees.
///
/// # Errors
/// There is no such leaf, or a hash is missing.
pub fn inclusion(
    index: u64,
    size: u64,
    node: &dyn Fn(u8, u64) -> Option<Digest>,
) -> Result<Vec<Digest>, ProofError> {
    inclusion_ranges(index, size)?.into_iter().map(|range| hash_of(range, node)).collect()
}

/// The nodes whose hashes `consistency` asks for.
///
/// # Errors
/// The tree is smaller than its beginning.
pub fn consistency_nodes(from: u64, to: u64) -> Result<Vec<Node>, ProofError> {
    Ok(consistency_ranges(from, to)?.into_iter().flat_map(perfect).collect())
}

/// The proof that the tree of size `from` is the beginning of the tree of size `to`; it is empty when the sizes are
/// equal or the smaller tree is. `node` gives the hashes of perfect subtrees.
///
/// # Errors
/// The tree is smaller than its beginning, or a hash is missing.
pub fn consistency(
    from: u64,
    to: u64,
    node: &dyn Fn(u8, u64) -> Option<Digest>,
) -> Result<Vec<Digest>, ProofError> {
    consistency_ranges(from, to)?.into_iter().map(|range| hash_of(range, node)).collect()
}

/// A way up a tree of `size` leaves from its leaf `index`: how many nodes stand beside it until it joins the right edge,
/// on whichever side, and how many, all to its left, from there on.
fn shape(index: u64, size: u64) -> (u32, u32) {
    let inner = u64::BITS - (index ^ size.saturating_sub(1)).leading_zeros();
    (inner, index.checked_shr(inner).unwrap_or(0).count_ones())
}

fn length(expected: u32, found: usize) -> Result<(), ProofError> {
    // At most twice 64.
    let expected = usize::try_from(expected).unwrap_or(usize::MAX);
    if expected == found { Ok(()) } else { Err(ProofError::Length { expected, found }) }
}

/// Whether the way from the leaf at `index` comes from the right at each of its first steps.
fn turns(index: u64, inner: u32) -> impl Iterator<Item = bool> {
    (0..inner).map(move |bit| index.checked_shr(bit).unwrap_or(0) & 1 == 1).chain(std::iter::repeat(true))
}

/// Checks that a leaf stands at a place of the tree with this root.
///
/// # Errors
/// There is no such place, or the proof has the wrong length or leads elsewhere.
pub fn verify_inclusion(
    leaf: Digest,
    index: u64,
    size: u64,
    proof: &[Digest],
    root: Digest,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::Range { place: index, size });
    }
    let (inner, border) = shape(index, size);
    length(inner + border, proof.len())?;
    let computed = proof.iter().zip(turns(index, inner)).fold(leaf, |hash, (beside, from_right)| {
        if from_right { node_hash(*beside, hash) } else { node_hash(hash, *beside) }
    });
    if computed == root { Ok(()) } else { Err(ProofError::Root) }
}

/// Checks that the tree of size `from` is the beginning of the tree of size `to`. Trees without leaves are refused, as
/// they would prove nothing; `verify_growth` takes them.
///
/// # Errors
/// The sizes make no sense, or the proof has the wrong length or leads elsewhere.
pub fn verify_consistency(
    from: u64,
    to: u64,
    proof: &[Digest],
    from_root: Digest,
    to_root: Digest,
) -> Result<(), ProofError> {
    if from == 0 || from > to {
        return Err(ProofError::Range { place: from, size: to });
    }
    if from == to {
        length(0, proof.len())?;
        return if from_root == to_root { Ok(()) } else { Err(ProofError::Root) };
    }
    // The way starts at the largest perfect subtree that the smaller tree ends with.
    let lowest = from.trailing_zeros();
    let (inner, border) = shape(from - 1, to);
    let inner = inner.saturating_sub(lowest);
    let told = !from.is_power_of_two();
    length(inner + border + u32::from(told), proof.len())?;
    let (seed, beside) = match proof.split_first() {
        Some((seed, rest)) if told => (*seed, rest),
        _ => (from_root, proof),
    };
    let (mut old, mut new) = (seed, seed);
    for (beside, from_right) in beside.iter().zip(turns((from - 1) >> lowest, inner)) {
        if from_right {
            // What stands to the left is in both trees, what stands to the right in the new one only.
            old = node_hash(*beside, old);
            new = node_hash(*beside, new);
        } else {
            new = node_hash(new, *beside);
        }
    }
    if old != from_root {
        return Err(ProofError::FromRoot);
    }
    if new == to_root { Ok(()) } else { Err(ProofError::Root) }
}

/// As `verify_consistency`, and takes an empty tree as the beginning of every tree, with an empty proof: the rule of
/// witnesses that have not seen a log yet.
///
/// # Errors
/// The sizes make no sense, or the proof has the wrong length or leads elsewhere.
pub fn verify_growth(
    from: u64,
    to: u64,
    proof: &[Digest],
    from_root: Digest,
    to_root: Digest,
) -> Result<(), ProofError> {
    if from != 0 {
        return verify_consistency(from, to, proof, from_root, to_root);
    }
    length(0, proof.len())?;
    let empty = Digest::of(b"");
    if from_root != empty {
        return Err(ProofError::FromRoot);
    }
    if to == 0 && to_root != empty { Err(ProofError::Root) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::tree::{Compact, leaf_hash};

    fn leaf(index: u64) -> Digest {
        leaf_hash(&index.to_be_bytes())
    }

    fn root(size: u64) -> Digest {
        root_over(0..size)
    }

    fn root_over(leaves: Range<u64>) -> Digest {
        let mut tree = Compact::default();
        leaves.for_each(|index| tree.push(leaf(index)));
        tree.root()
    }

    /// The hash of a node, from its leaves.
    fn node(level: u8, index: u64) -> Option<Digest> {
        Some(root_over(index << level..(index + 1) << level))
    }

    /// RFC 6962's PATH, word for word.
    fn path(index: u64, leaves: Range<u64>) -> Vec<Digest> {
        let length = leaves.end - leaves.start;
        if length == 1 {
            return Vec::new();
        }
        let split = leaves.start + length.next_power_of_two() / 2;
        let (on, off) = if index < split {
            (leaves.start..split, split..leaves.end)
        } else {
            (split..leaves.end, leaves.start..split)
        };
        let mut proof = path(index, on);
        proof.push(root_over(off));
        proof
    }

    /// RFC 6962's SUBPROOF, word for word.
    fn subproof(from: u64, leaves: Range<u64>, whole: bool) -> Vec<Digest> {
        let length = leaves.end - leaves.start;
        if from == length {
            return if whole { Vec::new() } else { vec![root_over(leaves)] };
        }
        let half = length.next_power_of_two() / 2;
        let split = leaves.start + half;
        let (mut proof, other) = if from <= half {
            (subproof(from, leaves.start..split, whole), split..leaves.end)
        } else {
            (subproof(from - half, split..leaves.end, false), leaves.start..split)
        };
        proof.push(root_over(other));
        proof
    }

    #[test]
    fn proofs_are_the_definitions_and_verify_at_every_small_size() {
        for size in 1..=40 {
            for index in 0..size {
                let proof = inclusion(index, size, &node).unwrap();
                assert_eq!(proof, path(index, 0..size), "{index} of {size}");
                assert_eq!(verify_inclusion(leaf(index), index, size, &proof, root(size)), Ok(()));
            }
            for from in 1..=size {
                let proof = consistency(from, size, &node).unwrap();
                assert_eq!(proof, subproof(from, 0..size, true), "{from} to {size}");
                assert_eq!(verify_consistency(from, size, &proof, root(from), root(size)), Ok(()));
                assert_eq!(verify_growth(from, size, &proof, root(from), root(size)), Ok(()));
            }
        }
    }

    /// Whatever is not the proof is refused: another hash, another length, another place, size or root.
    #[test]
    fn nothing_else_verifies() {
        for (index, size) in [(0, 1), (0, 2), (6, 7), (7, 8), (4, 11), (10, 11), (20, 37)] {
            let proof = inclusion(index, size, &node).unwrap();
            let good =
                |index, size, proof: &[Digest]| verify_inclusion(leaf(index), index, size, proof, root(size));
            assert_eq!(good(index, size, &proof), Ok(()));
            assert_eq!(
                verify_inclusion(leaf(index + 1), index, size, &proof, root(size)),
                Err(ProofError::Root)
            );
            for at in 0..proof.len() {
                let mut bad = proof.clone();
                bad[at].0[31] ^= 1;
                assert_eq!(good(index, size, &bad), Err(ProofError::Root));
                bad.remove(at);
                assert!(matches!(good(index, size, &bad), Err(ProofError::Length { .. })));
            }
            for extra in [Digest::ZERO, root(size)] {
                let long = [proof.clone(), vec![extra]].concat();
                assert!(matches!(good(index, size, &long), Err(ProofError::Length { .. })));
            }
        }
        for (from, to) in [(1, 2), (3, 7), (4, 8), (6, 8), (7, 8), (11, 37), (32, 40)] {
            let proof = consistency(from, to, &node).unwrap();
            let good = |proof: &[Digest]| verify_consistency(from, to, proof, root(from), root(to));
            for at in 0..proof.len() {
                let mut bad = proof.clone();
                bad[at].0[0] ^= 0x80;
                assert!(matches!(good(&bad), Err(ProofError::Root | ProofError::FromRoot)));
                bad.remove(at);
                assert!(matches!(good(&bad), Err(ProofError::Length { .. })));
            }
            assert!(verify_consistency(from, to, &proof, root(to), root(to)).is_err());
            assert_eq!(verify_consistency(from, to, &proof, root(from), root(from)), Err(ProofError::Root));
            assert!(good(&[proof, vec![Digest::ZERO]].concat()).is_err());
        }
    }

    #[test]
    fn an_empty_tree_is_the_beginning_of_every_tree_only_where_that_is_asked() {
        let empty = root(0);
        assert_eq!(consistency(0, 5, &node), Ok(Vec::new()));
        assert!(verify_consistency(0, 5, &[], empty, root(5)).is_err());
        assert!(verify_consistency(0, 0, &[], empty, empty).is_err());
        assert_eq!(verify_growth(0, 5, &[], empty, root(5)), Ok(()));
        assert_eq!(verify_growth(0, 0, &[], empty, empty), Ok(()));
        assert_eq!(verify_growth(0, 5, &[], root(5), root(5)), Err(ProofError::FromRoot));
        assert_eq!(verify_growth(0, 0, &[], empty, root(5)), Err(ProofError::Root));
        assert!(verify_growth(0, 5, &[empty], empty, root(5)).is_err());
    }

    #[test]
    fn places_beyond_the_tree_and_missing_hashes_are_errors() {
        assert_eq!(inclusion(5, 5, &node), Err(ProofError::Range { place: 5, size: 5 }));
        assert_eq!(consistency(6, 5, &node), Err(ProofError::Range { place: 6, size: 5 }));
        assert_eq!(inclusion(2, 5, &|_, _| None), Err(ProofError::Missing(0, 3)));
        assert!(verify_inclusion(leaf(0), 0, 0, &[], root(0)).is_err());
        assert!(verify_consistency(6, 5, &[], root(6), root(5)).is_err());
    }

    proptest::proptest! {
        /// No size makes it panic, and no proof is longer than twice the bits of the size.
        #[test]
        fn any_sizes_are_taken(a: u64, b: u64, hashes in 0_usize..130) {
            for (a, b) in [(a, b), (a, u64::MAX), (a >> 40, b >> 40), (b, b.wrapping_add(1))] {
                let fake = |level: u8, index: u64| Some(Digest::of_parts(&[&[level], &index.to_be_bytes()]));
                let proof = vec![Digest::ZERO; hashes];
                let _ = verify_inclusion(Digest::ZERO, a, b, &proof, Digest::ZERO);
                let _ = verify_growth(a, b, &proof, Digest::ZERO, Digest::ZERO);
                if let Ok(proof) = inclusion(a, b, &fake) {
                    proptest::prop_assert!(proof.len() <= 64);
                    proptest::prop_assert_eq!(
                        verify_inclusion(Digest::ZERO, a, b, &proof, Digest::ZERO), Err(ProofError::Root)
                    );
                }
                if let Ok(proof) = consistency(a, b, &fake) {
                    proptest::prop_assert!(proof.len() <= 65);
                    let verdict = verify_growth(a, b, &proof, Digest::ZERO, Digest::ZERO);
                    let length = matches!(verdict, Err(ProofError::Length { .. }));
                    proptest::prop_assert!(!length);
                }
                proptest::prop_assert!(compact_nodes(a).len() <= 64);
            }
        }
    }
}
