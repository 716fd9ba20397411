//! Roots, proofs and tiles against the vectors of transparency-dev, of Go's tlog, and of Merkle tree certificates.

use crate::{hash, json, read, say, unbase64, unhex, vectors};
use leaver_domain::{
    digest::Digest,
    ledger::{
        Compact, Tile, Tiles, edge_tiles, inclusion, leaf_hash, new_tiles, verify_consistency, verify_growth,
        verify_inclusion,
    },
};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Every file below a folder of transparency-dev's vectors.
fn cases(kind: &str) -> Option<Vec<(PathBuf, Value)>> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path, found) } else { found.push(path) }
        }
    }
    let folder = vectors(&format!("transparency-dev-merkle/testdata/{kind}"))?;
    let mut found = Vec::new();
    walk(&folder, &mut found);
    found.sort();
    Some(found.into_iter().map(|path| (path.clone(), read(&path))).collect())
}

/// The proof, if each of its elements is a hash. Some are empty strings, which no list of hashes can hold: those cases
/// are refused while they are read, as our own readers of proofs do.
fn proof(case: &Value) -> Option<Vec<Digest>> {
    match &case["proof"] {
        Value::Null => Some(Vec::new()),
        proof => proof.as_array().unwrap().iter().map(|element| hash(&unbase64(element))).collect(),
    }
}

/// A root. Some cases give a short text instead, because their outcome must not depend on it; it is hashed, so that equal
/// texts are equal roots.
fn root(value: &Value) -> Digest {
    let bytes = unbase64(value);
    hash(&bytes).unwrap_or_else(|| Digest::of(&bytes))
}

fn number(case: &Value, name: &str) -> u64 {
    case[name].as_u64().unwrap_or_else(|| panic!("{name} of {case}"))
}

/// Holds an outcome against the case's; tells whether it was read and judged.
fn judge(path: &Path, case: &Value, good: bool) {
    let wanted = !case["wantErr"].as_bool().unwrap();
    assert_eq!(good, wanted, "{}: {}", path.display(), case["desc"]);
}

#[test]
fn inclusion_proofs_are_judged_as_transparency_dev_does() {
    let Some(cases) = cases("inclusion") else { return };
    let (mut ran, mut good) = (0, 0);
    for (path, case) in &cases {
        let verdict = || {
            let leaf = hash(&unbase64(&case["leafHash"]))?;
            let (index, size) = (number(case, "leafIdx"), number(case, "treeSize"));
            verify_inclusion(leaf, index, size, &proof(case)?, root(&case["root"])).ok()
        };
        let verdict = verdict().is_some();
        judge(path, case, verdict);
        ran += 1;
        good += usize::from(verdict);
    }
    say(&format!("transparency-dev inclusion: {ran} ran ({good} proofs good, the others refused)"));
    assert_eq!(ran, 98);
}

#[test]
fn consistency_proofs_are_judged_as_transparency_dev_does() {
    let Some(cases) = cases("consistency") else { return };
    let (mut ran, mut good) = (0, 0);
    for (path, case) in &cases {
        let (from, to) = (number(case, "size1"), number(case, "size2"));
        let roots = (root(&case["root1"]), root(&case["root2"]));
        let verdict =
            proof(case).is_some_and(|proof| verify_consistency(from, to, &proof, roots.0, roots.1).is_ok());
        judge(path, case, verdict);
        ran += 1;
        good += usize::from(verdict);
        // The witnesses' rule differs in nothing but the empty tree.
        let growth =
            proof(case).is_some_and(|proof| verify_growth(from, to, &proof, roots.0, roots.1).is_ok());
        assert!(growth == verdict || from == 0 && roots.0 == Digest::of(b""), "{}", path.display());
    }
    say(&format!("transparency-dev consistency: {ran} ran ({good} proofs good, the others refused)"));
    assert_eq!(ran, 98);
}

/// The vectors' garbage is empty strings. Here it is whole hashes, at every place of every good proof.
#[test]
fn whole_hashes_as_garbage_are_refused_too() {
    let mut ran = 0;
    for kind in ["inclusion", "consistency"] {
        for (path, case) in cases(kind).unwrap_or_default() {
            let Some(proof) = proof(&case).filter(|_| case["wantErr"] == false) else { continue };
            let check = |proof: &[Digest]| match kind {
                "inclusion" => verify_inclusion(
                    hash(&unbase64(&case["leafHash"])).unwrap(),
                    number(&case, "leafIdx"),
                    number(&case, "treeSize"),
                    proof,
                    root(&case["root"]),
                ),
                _ => verify_consistency(
                    number(&case, "size1"),
                    number(&case, "size2"),
                    proof,
                    root(&case["root1"]),
                    root(&case["root2"]),
                ),
            };
            for at in 0..=proof.len() {
                for garbage in [Digest::ZERO, Digest::of(b"garbage"), Digest::of(b"")] {
                    let mut more = proof.clone();
                    more.insert(at, garbage);
                    assert!(check(&more).is_err(), "{} {at}", path.display());
                    if let Some(one) = more.get(at + 1).copied() {
                        more.remove(at + 1);
                        assert!(check(&more).is_err() || one == garbage, "{} {at}", path.display());
                    }
                    ran += 1;
                }
            }
        }
    }
    say(&format!(
        "garbage of 32 bytes within transparency-dev's good proofs: {ran} places and values refused"
    ));
}

/// A subtree is one whose beginning is a multiple of the power of two that holds it.
fn is_subtree(start: u64, end: u64) -> bool {
    start <= end
        && (start == end
            || (end - start).checked_next_power_of_two().is_some_and(|all| start.is_multiple_of(all)))
}

#[test]
fn proofs_within_subtrees_are_judged_as_transparency_dev_does() {
    let Some(cases) = cases("subtreeinclusion") else { return };
    let (mut ran, mut shapes) = (0, 0);
    for (path, case) in &cases {
        let (index, start, end) = (number(case, "leafIdx"), number(case, "start"), number(case, "end"));
        if !is_subtree(start, end) || index < start {
            // Whether a range is a subtree at all is not asked anywhere in leaver.
            assert_eq!(case["wantErr"], true, "{}", path.display());
            shapes += 1;
            continue;
        }
        let verdict = || {
            let leaf = hash(&unbase64(&case["leafHash"]))?;
            verify_inclusion(leaf, index - start, end - start, &proof(case)?, root(&case["root"])).ok()
        };
        judge(path, case, verdict().is_some());
        ran += 1;
    }
    say(&format!(
        "transparency-dev subtreeinclusion: {ran} ran as inclusion in a tree of the subtree's size; {shapes} not \
         applicable: they ask whether a range is a subtree, which leaver never does"
    ));
    assert!(ran > 100);
}

#[test]
fn subtrees_that_begin_the_tree_are_judged_as_transparency_dev_does() {
    let Some(cases) = cases("subtreeconsistency") else { return };
    let (mut ran, mut inner, mut empty) = (0, 0, 0);
    for (path, case) in &cases {
        let (start, end, size) = (number(case, "start"), number(case, "end"), number(case, "size"));
        if start != 0 {
            inner += 1;
            continue;
        }
        if end == 0 {
            empty += 1;
            continue;
        }
        let (from, to) = (root(&case["root1"]), root(&case["root2"]));
        let verdict =
            proof(case).is_some_and(|proof| verify_consistency(end, size, &proof, from, to).is_ok());
        judge(path, case, verdict);
        ran += 1;
    }
    say(&format!(
        "transparency-dev subtreeconsistency: {ran} ran as consistency; not applicable: {inner} with a subtree inside the \
         tree (leaver proves beginnings only) and {empty} with an empty one (their rule accepts any root then, ours does not)"
    ));
    assert!(ran > 50);
}

#[test]
fn the_roots_are_the_known_ones() {
    let Some(known) = json("extracted/rfc6962-known-roots.json") else { return };
    let roots = known["root_by_size_hex"].as_array().unwrap();
    let mut tree = Compact::default();
    let mut leaves = known["leaves_hex"].as_array().unwrap().iter();
    for root in roots {
        assert_eq!(tree.root().to_string(), root.as_str().unwrap(), "{} leaves", tree.size);
        if let Some(leaf) = leaves.next() {
            tree.push(leaf_hash(&unhex(leaf.as_str().unwrap())));
        }
    }
    let hasher = &known["hasher"];
    assert_eq!(Compact::default().root().to_string(), hasher["empty_root"]);
    assert_eq!(leaf_hash(b"").to_string(), hasher["leaf_empty"]);
    assert_eq!(leaf_hash(b"L123456").to_string(), hasher["leaf_of_ascii_L123456"]);
    say(&format!(
        "RFC 6962 known roots: {} roots and 3 hashes ran; not applicable: the node over two texts of 4 bytes, as our nodes \
         take nothing but hashes",
        roots.len()
    ));
    assert_eq!(roots.len(), 9);
}

/// All subtrees of 130 leaves, folded into one digest each.
#[test]
fn the_accumulated_subtree_vectors_come_out() {
    let Some(known) = json("extracted/mtc-subtree-accumulated.json") else { return };
    let leaves: Vec<Digest> = (0..130_u8).map(|leaf| leaf_hash(&[leaf])).collect();
    let mut tiles = Tiles::default();
    tiles.grow(0, leaves.iter().copied()).unwrap();
    let (mut hashes, mut proofs) = (String::new(), String::new());
    for end in 0..=130_u64 {
        for start in (0..=end).filter(|start| is_subtree(*start, end)) {
            let range = usize::try_from(start).unwrap()..usize::try_from(end).unwrap();
            let mut tree = Compact::default();
            leaves[range].iter().for_each(|leaf| tree.push(*leaf));
            hashes += &format!("[{start}, {end}) {}\n", tree.root());
            let node = |level: u8, index: u64| tiles.node(level, index + (start >> level));
            for index in start..end {
                let proof = inclusion(index - start, end - start, &node).unwrap();
                let proof: String = proof.iter().map(|hash| format!(" {hash}")).collect();
                proofs += &format!("{index} [{start}, {end}){proof}\n");
            }
        }
    }
    assert_eq!(Digest::of(hashes.as_bytes()).to_string(), known["sha256_subtree_hashes"]);
    assert_eq!(Digest::of(proofs.as_bytes()).to_string(), known["sha256_subtree_inclusion"]);
    say(&format!(
        "Merkle tree certificates, accumulated: {} hashes and {} inclusion proofs of subtrees ran; not applicable: \
         consistency of inner subtrees and coverings, which leaver does not use",
        hashes.lines().count(),
        proofs.lines().count()
    ));
}

#[test]
fn tiles_are_named_and_counted_as_go_and_the_specification_say() {
    let Some(known) = json("extracted/tlog-misc.json") else { return };
    let mut paths = 0;
    for pair in known["tile_paths"].as_array().unwrap() {
        // Go's paths begin with the height, which C2SP fixes at 8 and leaves out.
        let (path, tile) = (pair[0].as_str().unwrap(), &pair[1]);
        let rest = path.strip_prefix("tile/").unwrap().split_once('/').unwrap().1;
        let path = format!("tile/{rest}");
        paths += 1;
        let Some(level) = tile["L"].as_u64() else {
            assert_eq!(Tile::parse(&path), None, "{path}");
            continue;
        };
        let width = if path.contains(".p/") { tile["W"].as_u64().unwrap() } else { 256 };
        let (level, width) = (u8::try_from(level).unwrap(), u16::try_from(width).unwrap());
        let tile = Tile { level, index: tile["N"].as_u64().unwrap(), width };
        assert_eq!(tile.path(), path);
        // Level 5 of height 3 is not that high; of height 8 its leaves would be beyond the last possible one.
        assert_eq!(Tile::parse(&path), (level == 0).then_some(tile));
    }
    assert_eq!(leaf_hash(b"hello world").0.as_slice(), unbase64(&known["record_hash_hello_world_b64"]));
    let wanted = &known["tlog_tiles_spec_size_70000"];
    let tiles: Vec<Tile> = new_tiles(0, 70_000).collect();
    let full = |level| tiles.iter().filter(|tile| tile.level == level && tile.is_full()).count();
    assert_eq!((full(0), full(1)), (number(wanted, "full_l0") as usize, number(wanted, "full_l1") as usize));
    let partial: Vec<u64> = edge_tiles(70_000).iter().map(|tile| tile.width.into()).collect();
    assert_eq!(partial, ["partial_l0", "partial_l1", "partial_l2"].map(|name| number(wanted, name)));
    say(&format!(
        "tlog: {paths} tile paths, 1 record hash and the tiles of a tree of 70,000 ran; the counts of new tiles are for \
         height 10, which the public interface does not have: the domain's own test runs those 7"
    ));
}
