//! From one checkpoint to the next.

use crate::{
    NotPublished, Publish,
    anchor::{self, Anchor},
    cosign, inconsistent,
};
use leaver_domain::{
    digest::Digest,
    ledger::{
        Chain, Checkpoint, Head, MAX_WIDTH, Node, Note, Tile, Tiles, VerifierKey, bundle, compact_nodes,
        inclusion, inclusion_nodes, leaf_hash, new_tiles, tiles_of, unbundle, verify_inclusion,
    },
    ports::{ObjectStore, Placed, StoreError, Unless},
};

/// After so many rows a checkpoint is made, so that memory stays bounded however far behind the published log is.
const STEP: u64 = 2_048;
/// Rows read at once.
const PAGE: u64 = 256;

/// The next checkpoint as it was published.
pub(crate) struct Next {
    pub(crate) size: u64,
    pub(crate) root: Digest,
    pub(crate) note: Note,
}

/// The published tiles that hold these nodes of a tree of this size.
pub(crate) async fn tiles(
    objects: &dyn ObjectStore,
    size: u64,
    nodes: &[Node],
) -> Result<Tiles, NotPublished> {
    let mut tiles = Tiles::default();
    for tile in tiles_of(size, nodes)? {
        let path = tile.path();
        let Some(object) = objects.get(&path).await? else {
            return inconsistent(format!("`{path}` is gone from the bucket"));
        };
        tiles.insert(tile, &object.bytes)?;
    }
    Ok(tiles)
}

/// The published log's right edge.
struct Edge {
    tiles: Tiles,
    /// Hash of the last row.
    last: Digest,
    /// The entries of the bundle that is not full.
    entries: Vec<Vec<u8>>,
}

impl Edge {
    /// Reads the edge from what was published, and checks it against the checkpoint's root.
    async fn of(objects: &dyn ObjectStore, checkpoint: &Checkpoint) -> Result<Self, NotPublished> {
        let Checkpoint { size, root, .. } = *checkpoint;
        let Some(last) = size.checked_sub(1) else {
            let right = root == Digest::of(b"");
            return match right {
                true => Ok(Self { tiles: Tiles::default(), last: Digest::ZERO, entries: Vec::new() }),
                false => inconsistent("the root over no rows is not the empty tree's"),
            };
        };
        let mut nodes = compact_nodes(size);
        nodes.extend(inclusion_nodes(last, size)?);
        nodes.push((0, last));
        let tiles = tiles(objects, size, &nodes).await?;
        let node = |level, index| tiles.node(level, index);
        let Some(leaf) = node(0, last) else { return inconsistent("the last row's tile is too short") };
        verify_inclusion(leaf, last, size, &inclusion(last, size, &node)?, root)?;
        if tiles.compact(size).is_none_or(|tree| tree.root() != root) {
            return inconsistent("the published tiles do not give the published root");
        }
        let entries = Self::entries(objects, &tiles, size).await?;
        Ok(Self { tiles, last: leaf, entries })
    }

    async fn entries(
        objects: &dyn ObjectStore,
        tiles: &Tiles,
        size: u64,
    ) -> Result<Vec<Vec<u8>>, NotPublished> {
        let Some(tile) = tiles_of(size, &[(0, size - 1)])?.into_iter().find(|tile| !tile.is_full()) else {
            return Ok(Vec::new());
        };
        let path = tile.entries_path();
        let Some(object) = objects.get(&path).await? else {
            return inconsistent(format!("`{path}` is gone from the bucket"));
        };
        let entries = unbundle(&object.bytes)?;
        let hashes: Vec<u8> = entries.iter().flat_map(|entry| leaf_hash(entry).0).collect();
        if tiles.bytes(&tile) != Some(hashes) {
            return inconsistent(format!("`{path}` does not hold the rows of its tile"));
        }
        Ok(entries.into_iter().map(<[u8]>::to_vec).collect())
    }
}

/// New rows, checked one after another.
struct New {
    size: u64,
    root: Digest,
    tiles: Tiles,
    /// Name and content of each bundle of entries.
    bundles: Vec<(String, Vec<u8>)>,
}

/// Reads the rows behind the edge up to a place, and checks each against the one before it.
async fn read(
    publish: &Publish<'_>,
    edge: Edge,
    checkpoint: &Checkpoint,
    until: u64,
    head: &Head,
) -> Result<New, NotPublished> {
    let Edge { mut tiles, last, mut entries } = edge;
    let from = checkpoint.size;
    let Some(tree) = tiles.compact(from) else { return inconsistent("the published tiles have no edge") };
    let mut chain = Chain::after(publish.origin, tree, last);
    let mut bundles = Vec::new();
    while chain.size() < until {
        let wanted = usize::try_from((until - chain.size()).min(PAGE)).unwrap_or(1);
        let rows = publish.ledger.rows(chain.size(), wanted).await?;
        if rows.is_empty() {
            return inconsistent(format!("row {} is gone from the table", chain.size()));
        }
        for row in rows.into_iter().take(wanted) {
            let before = chain.size();
            let checked = chain.check(&row.leaf, row.evidence.as_bytes());
            checked.map_err(|broken| NotPublished::Inconsistent(broken.to_string()))?;
            tiles.grow(before, [chain.last()])?;
            entries.push(row.leaf);
            if chain.size().is_multiple_of(MAX_WIDTH.into()) || chain.size() == until {
                bundles.push((bundle_name(before)?, bundle(&entries)?));
                entries.clear();
            }
        }
    }
    if until == head.tree.size && !chain.ends_at(head) {
        return inconsistent("the rows do not end where the log's head says");
    }
    Ok(New { size: until, root: chain.root(), tiles, bundles })
}

/// Where the entries lie of which this row is the last.
fn bundle_name(last: u64) -> Result<String, NotPublished> {
    let tile = tiles_of(last + 1, &[(0, last)])?.into_iter().next();
    let missing = || NotPublished::Inconsistent("a row without a tile".to_owned());
    tile.map(|tile| tile.entries_path()).ok_or_else(missing)
}

/// Publishes the rows behind a checkpoint, up to the end of the log or of the step, and the checkpoint over them.
pub(crate) async fn grow(
    publish: &Publish<'_>,
    key: &VerifierKey,
    anchor: &Anchor,
    head: &Head,
) -> Result<Next, NotPublished> {
    let from = anchor.checkpoint.size;
    let until = head.tree.size.min((from / STEP + 1).saturating_mul(STEP));
    let edge = Edge::of(publish.objects, &anchor.checkpoint).await?;
    let new = read(publish, edge, &anchor.checkpoint, until, head).await?;
    for (name, bytes) in &new.bundles {
        publish.keep(name, bytes).await?;
    }
    let all: Vec<Tile> = new_tiles(from, new.size).collect();
    for tile in all {
        let Some(bytes) = new.tiles.bytes(&tile) else { return inconsistent("a tile was not filled") };
        publish.keep(&tile.path(), &bytes).await?;
    }
    let checkpoint = Checkpoint::new(publish.origin, new.size, new.root)?;
    let note = signed(publish, key, &checkpoint).await?;
    let note = cosign::cosigned(publish, &checkpoint, from, note).await?;
    let name = anchor::name(new.size);
    let bytes = note.to_string().into_bytes();
    let until = Some(publish.retain_until());
    let note = match publish.objects.put(&name, &bytes, Unless::Exists, until).await? {
        Placed::Done => note,
        Placed::Refused => there(publish, key, &name, &note).await?,
    };
    Ok(Next { size: new.size, root: new.root, note })
}

/// The checkpoint that another publisher wrote under this name: of the same tree, perhaps with other cosignatures.
async fn there(
    publish: &Publish<'_>,
    key: &VerifierKey,
    name: &str,
    ours: &Note,
) -> Result<Note, NotPublished> {
    let Some(object) = publish.objects.get(name).await? else { return Err(StoreError::Conflict.into()) };
    let (_, note) = anchor::open(publish, key, &object.bytes)?;
    match note.text == ours.text {
        true => Ok(note),
        false => inconsistent(format!("`{name}` was published with another root")),
    }
}

/// A checkpoint with the log's signature, which is checked before anybody sees it.
async fn signed(
    publish: &Publish<'_>,
    key: &VerifierKey,
    checkpoint: &Checkpoint,
) -> Result<Note, NotPublished> {
    let text = checkpoint.text();
    let signature = publish.signer.sign(text.as_bytes()).await?;
    if !key.accepts(text.as_bytes(), &signature) {
        return Err(StoreError::Corrupt("the signer's signature is not its key's".to_owned()).into());
    }
    Ok(Note { text, signatures: vec![key.signature(&signature)] })
}
