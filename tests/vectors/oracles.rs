//! Ours against two other implementations of the tree, and one of notes: the same bytes, and the same verdicts.

use ct_merkle::{ConsistencyProof, InclusionProof, RootHash, mem_backed_tree::MemoryBackedTree};
use ed25519_dalek::{Signer, SigningKey};
use leaver_domain::{
    digest::Digest,
    ledger::{
        Checkpoint, Compact, Note, Tiles, VerifierKey, consistency, inclusion, leaf_hash, new_tiles,
        verify_consistency, verify_inclusion,
    },
};
use proptest::{prelude::*, sample::Index, test_runner::Config};
use sha2::Sha256;
use tlog_tiles::{Hash, HashReader};

/// What the oracle stores of a tree: every hash of it in its own order.
struct Stored(Vec<Hash>);

impl HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog_tiles::Error> {
        Ok(indexes.iter().map(|index| self.0[usize::try_from(*index).unwrap()]).collect())
    }
}

/// One list of entries in three implementations.
struct Three {
    entries: Vec<Vec<u8>>,
    tiles: Tiles,
    stored: Stored,
    memory: MemoryBackedTree<Sha256, Vec<u8>>,
}

impl Three {
    fn of(size: u64, seed: u64) -> Self {
        let entry =
            |n: u64| Digest::of_parts(&[&seed.to_be_bytes(), &n.to_be_bytes()]).0[..n as usize % 33].to_vec();
        let entries: Vec<Vec<u8>> = (0..size).map(entry).collect();
        let (mut tiles, mut stored, mut memory) =
            (Tiles::default(), Stored(Vec::new()), MemoryBackedTree::new());
        tiles.grow(0, entries.iter().map(|entry| leaf_hash(entry))).unwrap();
        for (n, entry) in (0..).zip(&entries) {
            let hashes = tlog_tiles::stored_hashes(n, entry, &stored).unwrap();
            stored.0.extend(hashes);
            memory.push(entry.clone());
        }
        Self { entries, tiles, stored, memory }
    }

    fn size(&self) -> u64 {
        self.entries.len() as u64
    }

    fn root(&self, size: u64) -> Digest {
        self.tiles.compact(size).map_or_else(
            // The upper tiles of a smaller tree are parts of those of the larger one, so that this does not happen.
            || panic!("the tiles do not hold the tree of {size}"),
            |tree| tree.root(),
        )
    }

    fn inclusion(&self, index: u64, size: u64) -> Vec<Digest> {
        inclusion(index, size, &|level, index| self.tiles.node(level, index)).unwrap()
    }

    fn consistency(&self, from: u64, to: u64) -> Vec<Digest> {
        consistency(from, to, &|level, index| self.tiles.node(level, index)).unwrap()
    }
}

fn theirs(proof: &[Digest]) -> Vec<Hash> {
    proof.iter().map(|hash| Hash(hash.0)).collect()
}

fn bytes(proof: &[Digest]) -> Vec<u8> {
    proof.iter().flat_map(|hash| hash.0).collect()
}

proptest! {
    #![proptest_config(Config::with_cases(48))]

    #[test]
    fn roots_and_inclusion_proofs_are_the_same_everywhere(size in 1_u64..600, seed: u64, at: Index) {
        let three = Three::of(size, seed);
        let index = at.index(three.entries.len());
        let (n, entry) = (index as u64, &three.entries[index]);
        let (root, proof) = (three.root(size), three.inclusion(n, size));
        let compact = three.entries.iter().fold(Compact::default(), |mut tree, entry| {
            tree.push(leaf_hash(entry));
            tree
        });
        prop_assert_eq!(compact.root(), root);

        prop_assert_eq!(tlog_tiles::tree_hash(size, &three.stored).unwrap().0, root.0);
        let other = tlog_tiles::prove_record(size, n, &three.stored).unwrap();
        prop_assert_eq!(&other, &theirs(&proof));
        prop_assert!(tlog_tiles::check_record(&theirs(&proof), size, Hash(root.0), n, Hash(leaf_hash(entry).0)).is_ok());

        let other = three.memory.root();
        prop_assert_eq!(other.as_bytes().as_slice(), &root.0);
        let other = three.memory.prove_inclusion(index);
        prop_assert_eq!(other.as_bytes(), &bytes(&proof));
        let ours = InclusionProof::<Sha256>::try_from_bytes(bytes(&proof)).unwrap();
        prop_assert!(RootHash::<Sha256>::new(root.0.into(), size).verify_inclusion(entry, n, &ours).is_ok());

        prop_assert_eq!(verify_inclusion(leaf_hash(entry), n, size, &proof, root), Ok(()));
    }

    #[test]
    fn consistency_proofs_are_the_same_everywhere(size in 1_u64..600, seed: u64, at: Index) {
        let three = Three::of(size, seed);
        let from = at.index(three.entries.len()) as u64 + 1;
        let (old, new) = (three.root(from), three.root(size));
        let proof = three.consistency(from, size);

        let other = tlog_tiles::prove_tree(size, from, &three.stored).unwrap();
        prop_assert_eq!(&other, &theirs(&proof));
        prop_assert!(tlog_tiles::check_tree(&theirs(&proof), size, Hash(new.0), from, Hash(old.0)).is_ok());

        let other = three.memory.prove_consistency(usize::try_from(size - from).unwrap());
        prop_assert_eq!(other.as_bytes(), &bytes(&proof));
        let ours = ConsistencyProof::<Sha256>::try_from_bytes(bytes(&proof)).unwrap();
        let (old_root, new_root) = (RootHash::new(old.0.into(), from), RootHash::new(new.0.into(), size));
        prop_assert!(new_root.verify_consistency(&old_root, &ours).is_ok());

        prop_assert_eq!(verify_consistency(from, size, &proof, old, new), Ok(()));
    }

    /// What the oracle refuses, ours refuses, and the other way round: proofs with something changed.
    #[test]
    fn changed_proofs_get_the_same_verdict(
        size in 1_u64..80, seed: u64, at: Index, place: Index, size_by in 0_u64..3, index_by in 0_u64..3, change in 0_u8..5,
    ) {
        let three = Three::of(size, seed);
        let index = at.index(three.entries.len());
        let (n, leaf, root) = (index as u64, leaf_hash(&three.entries[index]), three.root(size));
        let changed = |mut proof: Vec<Digest>| {
            let (at, length) = (place.index(proof.len() + 1), proof.len());
            match change {
                0 if at < length => proof[at].0[usize::from(leaf.0[0] % 32)] ^= 1,
                1 if at < length => { proof.remove(at); }
                2 => proof.insert(at, leaf),
                3 => proof.rotate_left(at.min(length)),
                _ => {}
            }
            proof
        };
        let (n2, size2) = (n + index_by, size + size_by);
        let proof = changed(three.inclusion(n, size));
        let ours = verify_inclusion(leaf, n2, size2, &proof, root).is_ok();
        let other = tlog_tiles::check_record(&theirs(&proof), size2, Hash(root.0), n2, Hash(leaf.0)).is_ok();
        prop_assert_eq!(ours, other);

        let old = three.root(n + 1);
        let proof = changed(three.consistency(n + 1, size));
        let ours = verify_consistency(n2 + 1, size2, &proof, old, root).is_ok();
        let other = tlog_tiles::check_tree(&theirs(&proof), size2, Hash(root.0), n2 + 1, Hash(old.0)).is_ok();
        prop_assert_eq!(ours, other);
    }

    #[test]
    fn tiles_are_the_same_files(from in 0_u64..900, more in 0_u64..900, seed: u64) {
        let three = Three::of(from + more, seed);
        let ours: Vec<_> = new_tiles(from, three.size()).collect();
        let other = tlog_tiles::Tile::new_tiles(8, from, three.size());
        prop_assert_eq!(ours.len(), other.len());
        for (ours, other) in ours.iter().zip(other) {
            prop_assert_eq!(
                (ours.level, ours.index, u32::from(ours.width)),
                (other.level(), other.level_index(), other.width())
            );
            // Its paths begin with the height.
            prop_assert_eq!(ours.path().replace("tile/", "tile/8/"), other.path());
            prop_assert_eq!(three.tiles.bytes(ours).unwrap(), other.read_data(&three.stored).unwrap());
        }
    }

    #[test]
    fn new_tiles_are_the_same_at_any_size(from in 0_u64..1 << 56, more in 0_u64..100_000) {
        // The oracle's shifts overflow where a level reaches 64 bits, which sizes below 2^56 do not make it do.
        let ours: Vec<_> = new_tiles(from, from + more).map(|tile| (tile.level, tile.index, u32::from(tile.width))).collect();
        let other: Vec<_> = tlog_tiles::Tile::new_tiles(8, from, from + more)
            .iter()
            .map(|tile| (tile.level(), tile.level_index(), tile.width()))
            .collect();
        prop_assert_eq!(ours, other);
    }

    #[test]
    fn notes_and_checkpoints_are_read_alike(size: u64, seed: [u8; 32], at: Index, to: u8, origin in "[a-z./]{1,20}") {
        let secret = SigningKey::from_bytes(&seed);
        let key = VerifierKey::ed25519(&origin, secret.verifying_key().to_bytes()).unwrap();
        let checkpoint = Checkpoint::new(&origin, size, Digest::of(&seed)).unwrap();
        let text = checkpoint.text();
        let note = Note { signatures: vec![key.signature(&secret.sign(text.as_bytes()).to_bytes())], text };
        let other = signed_note::StandardVerifier::new(&key.to_string()).unwrap();
        let known = signed_note::VerifierList::new(vec![Box::new(other)]);

        let mut bytes = note.to_string().into_bytes();
        let read = signed_note::Note::from_bytes(&bytes).unwrap();
        prop_assert!(read.verify(&known).is_ok());
        let read = tlog_tiles::Checkpoint::from_bytes(read.text()).unwrap();
        prop_assert_eq!((read.origin(), read.size(), read.hash().0), (origin.as_str(), size, checkpoint.root.0));
        prop_assert_eq!(Checkpoint::open(&note, &origin, [&key]), Ok(checkpoint));

        // One byte of it changed: both read it or neither does, and with the same verdict.
        let at = at.index(bytes.len());
        bytes[at] = to;
        let (ours, other) = (Note::parse(&bytes), signed_note::Note::from_bytes(&bytes));
        prop_assert_eq!(ours.is_ok(), other.is_ok());
        if let (Ok(ours), Ok(other)) = (ours, other) {
            prop_assert_eq!(ours.text.as_bytes(), other.text());
            prop_assert_eq!(ours.verify([&key]).is_ok(), other.verify(&known).is_ok());
            prop_assert_eq!(
                Checkpoint::parse(&ours.text).is_ok(),
                tlog_tiles::Checkpoint::from_bytes(other.text()).is_ok(),
                "{}", ours.text
            );
        }
    }
}
