//! The Merkle tree of RFC 6962 over the entries, kept as its compact range: one hash per set bit of the size.

use crate::digest::Digest;
use serde::{Deserialize, Serialize};

/// The leaf hash: SHA-256(0x00 ‖ entry). RFC 6962, 2.1.
pub fn leaf_hash(entry: &[u8]) -> Digest {
    Digest::of_parts(&[&[0], entry])
}

/// The hash of an inner node: SHA-256(0x01 ‖ left ‖ right).
pub(super) fn node_hash(left: Digest, right: Digest) -> Digest {
    Digest::of_parts(&[&[1], &left.0, &right.0])
}

/// A tree that can grow and tell its root, in at most 64 hashes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Compact {
    /// How many leaves.
    pub size: u64,
    /// Roots of the perfect subtrees, the largest first.
    pub range: Vec<Digest>,
}

impl Compact {
    /// Adds a leaf.
    pub fn push(&mut self, leaf: Digest) {
        let mut hash = leaf;
        let mut size = self.size;
        while size & 1 == 1 {
            // The size says that there is a subtree to merge with; a range that disagrees is seen by `is_sound`.
            let Some(left) = self.range.pop() else { break };
            hash = node_hash(left, hash);
            size >>= 1;
        }
        self.range.push(hash);
        self.size = self.size.saturating_add(1);
    }

    /// Whether it holds as many hashes as its size asks for.
    pub fn is_sound(&self) -> bool {
        usize::try_from(self.size.count_ones()).is_ok_and(|count| count == self.range.len())
    }

    /// The root: of no leaves, SHA-256 of nothing.
    pub fn root(&self) -> Digest {
        let mut from_right = self.range.iter().rev().copied();
        match from_right.next() {
            None => Digest::of(b""),
            Some(last) => from_right.fold(last, |right, left| node_hash(left, right)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6962's definition, word for word.
    fn reference(leaves: &[Digest]) -> Digest {
        match leaves {
            [] => Digest::of(b""),
            [one] => *one,
            many => {
                let split = many.len().next_power_of_two() / 2;
                node_hash(reference(&many[..split]), reference(&many[split..]))
            }
        }
    }

    #[test]
    fn the_root_is_the_definitions_at_every_size() {
        let mut tree = Compact::default();
        let mut leaves = Vec::new();
        assert_eq!(tree.root(), reference(&[]));
        for n in 0_u16..300 {
            let leaf = leaf_hash(&n.to_be_bytes());
            leaves.push(leaf);
            tree.push(leaf);
            assert_eq!(tree.root(), reference(&leaves), "{n}");
            assert!(tree.is_sound());
        }
    }
}
