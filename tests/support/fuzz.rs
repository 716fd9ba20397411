//! What must hold for any bytes whatever: the readers of hostile input, each as a function that panics where it does
//! not. libFuzzer drives them (`fuzz/`), and the suite does with seeds and their mutations.

use ed25519_dalek::{Signer as _, SigningKey};
use leaver_domain::{
    digest::Digest,
    ledger::{
        Chain, Checkpoint, Draft, Entry, EventKind, Note, Outcome, Tile, Tiles, VerifierKey,
        add_checkpoint_body, bundle, consistency_nodes, cosigned_message, edge_tiles, inclusion_nodes,
        leaf_hash, new_tiles, parse_add_checkpoint, parse_cosignatures, parse_size, tiles_of, unbundle,
        verify_consistency, verify_growth, verify_inclusion, view,
    },
    time::Timestamp,
};

/// A target: its name, what must hold, and what to start from.
pub type Target = (&'static str, fn(&[u8]), fn() -> Vec<Vec<u8>>);

/// Every target.
pub const TARGETS: &[Target] =
    &[("entry", entry, entry_seeds), ("note", note, note_seeds), ("tile", tile, tile_seeds)];

/// Name of the log whose rows and notes are read.
const ORIGIN: &str = "leaver/fuzz";

/// An entry: bytes that decode encode to themselves, are no shorter or longer entry, and check as a row of a log.
pub fn entry(data: &[u8]) {
    let decoded = Entry::decode(data);
    let row = Chain::new(ORIGIN).check(data, b"{}");
    let Ok(entry) = decoded else {
        assert!(row.is_err(), "a row that is no entry");
        return;
    };
    assert_eq!(entry.encode(), data, "two forms of one entry");
    assert_eq!(entry.hash(), leaf_hash(data));
    assert!(row.is_err() || (entry.seq == 0 && entry.origin == ORIGIN));
    let shorter = data.split_last().map(|(_, shorter)| shorter).unwrap_or_default();
    assert!(Entry::decode(shorter).is_err() && Entry::decode(&[data, &[0]].concat()).is_err());
    let _ = view(&entry, &Default::default()).to_string();
    // As the first row of its own log, in front of itself: the second one is out of place.
    let mut chain = Chain::new(&entry.origin);
    if chain.check(data, b"{}").is_ok() {
        assert!(chain.size() == 1 && chain.last() == entry.hash() && chain.check(data, b"{}").is_err());
    }
}

/// A note, its checkpoint, a witness's request and answer, a key's text: what is read prints as it was read.
pub fn note(data: &[u8]) {
    let keys = keys();
    if let Ok(note) = Note::parse(data) {
        assert_eq!(note.to_string().as_bytes(), data, "two forms of one note");
        if let Ok(signed) = note.verify(&keys) {
            assert!(!signed.is_empty() && signed.len() <= keys.len());
        }
        if let Ok(checkpoint) = Checkpoint::parse(&note.text) {
            assert_eq!(checkpoint.text(), note.text, "two forms of one checkpoint");
        }
        if let Ok(checkpoint) = Checkpoint::open(&note, ORIGIN, &keys) {
            assert!(checkpoint.origin == ORIGIN && note.verify(&keys[..1]).is_ok());
        }
    }
    if let Ok(request) = parse_add_checkpoint(data) {
        let printed = add_checkpoint_body(request.old, &request.proof, &request.note.to_string());
        assert_eq!(printed.as_bytes(), data, "two forms of one request");
    }
    if let Ok(signatures) = parse_cosignatures(data) {
        assert!(!signatures.is_empty());
    }
    if let Some(size) = parse_size(data) {
        assert_eq!(format!("{size}\n").as_bytes(), data);
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(key) = text.parse::<VerifierKey>() {
        assert_eq!(key.to_string(), text, "two forms of one key");
    }
    let _ = Checkpoint::parse(text);
}

/// Takes numbers from the front of some bytes.
fn number(data: &mut &[u8]) -> u64 {
    let (head, rest) = data.split_at_checked(8).unwrap_or((data, &[]));
    *data = rest;
    head.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Behind a path: tiles and bundles read back as they were written. Behind two numbers: trees of any size, proofs of any
/// length.
pub fn tile(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (path, rest) = data.split_at(end);
    let rest = rest.get(1..).unwrap_or_default();
    let path = std::str::from_utf8(path).unwrap_or_default();
    let (hashes, entries) = (Tile::parse(path), Tile::parse_entries(path));
    assert!(hashes.is_none() || entries.is_none());
    for (one, printed) in
        [(hashes, hashes.map(|one| one.path())), (entries, entries.map(|one| one.entries_path()))]
    {
        let (Some(one), Some(printed)) = (one, printed) else { continue };
        assert_eq!(printed, path, "two names of one tile");
        assert!(one.leaves().start <= one.leaves().end);
        read_tile(one, rest);
    }
    if let Ok(entries) = unbundle(rest) {
        assert_eq!(bundle(&entries).as_deref(), Ok(rest), "two forms of one bundle");
    }
    sizes(data);
}

fn read_tile(tile: Tile, bytes: &[u8]) {
    let mut tiles = Tiles::default();
    let read = tiles.insert(tile, bytes);
    assert_eq!(read.is_ok(), bytes.len() == usize::from(tile.width) * 32);
    if read.is_err() {
        return;
    }
    assert_eq!(tiles.bytes(&tile).as_deref(), Some(bytes));
    assert_eq!(tiles.insert(tile, bytes), Ok(()), "twice the same");
    let bottom = tile.level * 8;
    let first = tile.index.saturating_mul(256);
    assert_eq!(tiles.node(bottom, first).map(|hash| hash.0.to_vec()), bytes.get(..32).map(<[u8]>::to_vec));
    if tile.level == 0 {
        let end = tile.leaves().end;
        let _ = tiles.compact(end).map(|tree| tree.root());
        let _ = tiles.grow(end, [Digest::ZERO, Digest::ZERO]);
    }
}

fn sizes(mut data: &[u8]) {
    let (one, other) = (number(&mut data), number(&mut data));
    let (index, size) = (one.min(other), one.max(other));
    let proof: Vec<Digest> = data.as_chunks::<32>().0.iter().take(130).map(|hash| Digest(*hash)).collect();
    let (leaf, root) = (leaf_hash(data), Digest::of(data));
    // No hash that an attacker can choose freely leads to a root that was fixed before.
    assert!(verify_inclusion(leaf, index, size, &proof, root).is_err());
    assert!(verify_consistency(index, size, &proof, leaf, root).is_err());
    let grown = verify_growth(index, size, &proof, leaf, root);
    assert!(grown.is_err() || (index == 0 && proof.is_empty()), "{index} {size}");
    for nodes in [inclusion_nodes(index, size), consistency_nodes(index, size)].into_iter().flatten() {
        assert!(nodes.len() <= 4_200);
        let some = &nodes[..nodes.len().min(64)];
        assert!(tiles_of(size, some).is_ok(), "a node that no tile of the tree holds: {index} {size}");
    }
    assert!(edge_tiles(size).len() <= 64);
    // Huge trees have huge numbers of tiles; they come one by one.
    for tile in new_tiles(index, size).take(100) {
        assert_eq!(Tile::parse(&tile.path()), Some(tile));
    }
}

fn signing() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

/// The log's key and a witness's.
fn keys() -> Vec<VerifierKey> {
    let public = signing().verifying_key().to_bytes();
    let keys = [VerifierKey::ed25519(ORIGIN, public), VerifierKey::cosigner("witness.example/w", public)];
    keys.into_iter().flatten().collect()
}

fn entry_seeds() -> Vec<Vec<u8>> {
    let at = |millis| Timestamp::from_millis(millis).unwrap_or_else(|| panic!("an instant"));
    let one = |(n, kind): (u8, &EventKind)| {
        let draft = Draft {
            event_id: format!("case-1/okta/{n}"),
            case_id: "case-1".into(),
            ordinal: n.into(),
            kind: *kind,
            occurred_at: at(1_770_129_000_000),
            username: "john.doe".into(),
            actor: "leaver/adapter".into(),
            system: (n % 2 == 1).then(|| "okta".to_owned()),
            action: "revoke".repeat((n % 3).into()),
            outcome: Outcome::ALL[usize::from(n) % Outcome::ALL.len()],
            risk: None,
            evidence: "{}".into(),
        };
        draft.at(ORIGIN, u64::from(n) / 8, Digest::ZERO, at(1_770_129_000_123), [n; 16]).encode()
    };
    (0..).zip(EventKind::ALL).map(one).collect()
}

fn note_seeds() -> Vec<Vec<u8>> {
    let keys = keys();
    let mut seeds: Vec<Vec<u8>> = keys.iter().map(|key| key.to_string().into_bytes()).collect();
    for size in [0_u64, 1, 20, 150_000] {
        let root = Digest::of(&size.to_be_bytes());
        let checkpoint = Checkpoint::new(ORIGIN, size, root).unwrap_or_else(|why| panic!("{why}"));
        let text = checkpoint.text();
        let signed = signing().sign(text.as_bytes()).to_bytes();
        let cosigned = signing().sign(&cosigned_message(1_770_129_000, &text)).to_bytes();
        let mut note = Note { text: text.clone(), signatures: vec![keys[0].signature(&signed)] };
        seeds.push(note.to_string().into_bytes());
        note.add(keys[1].cosignature(1_770_129_000, &cosigned));
        seeds.push(note.to_string().into_bytes());
        seeds.push(add_checkpoint_body(size / 2, &[root; 3], &note.to_string()).into_bytes());
        let lines = note.to_string();
        seeds.push(lines.rsplit("\n\n").next().unwrap_or_default().as_bytes().to_vec());
    }
    seeds.push(b"20\n".to_vec());
    seeds
}

fn tile_seeds() -> Vec<Vec<u8>> {
    let hashes: Vec<u8> = (0_u8..5).flat_map(|n| leaf_hash(&[n]).0).collect();
    let entries = bundle(&entry_seeds()[..3]).unwrap_or_default();
    let paths = ["tile/0/000.p/5", "tile/0/x001/234.p/5", "tile/1/000.p/5", "tile/7/255.p/5"];
    let tiles = paths.iter().map(|path| [path.as_bytes(), b"\n", &hashes].concat());
    let bundles = [[b"tile/entries/000.p/3\n", entries.as_slice()].concat()];
    let sizes =
        [(0_u64, 1), (3, 7), (255, 257), (1 << 40, u64::MAX), (u64::MAX - 1, u64::MAX), (0, u64::MAX)];
    let sizes = sizes.map(|(a, b)| [a.to_be_bytes().as_slice(), &b.to_be_bytes(), &hashes].concat());
    tiles.chain(bundles).chain(sizes).collect()
}
