//! The hashes of the published tree.

use crate::ExportError;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use leaver_domain::{
    ledger::{Compact, Node, Tile, Tiles, compact_nodes, tiles_of},
    ports::ObjectStore,
};

/// How many tiles are fetched at once.
const SIDE_BY_SIDE: usize = 16;

/// The tiles that hold these nodes of the tree of a published checkpoint.
pub(crate) async fn tiles(
    objects: &dyn ObjectStore,
    size: u64,
    nodes: &[Node],
) -> Result<Tiles, ExportError> {
    let wanted = tiles_of(size, nodes)?;
    let fetch = |tile: Tile| async move {
        let path = tile.path();
        let object = objects.get(&path).await?.ok_or(ExportError::Missing(path))?;
        Ok::<_, ExportError>((tile, object.bytes))
    };
    let fetched: Vec<(Tile, Vec<u8>)> =
        stream::iter(wanted).map(fetch).buffer_unordered(SIDE_BY_SIDE).try_collect().await?;
    let mut tiles = Tiles::default();
    for (tile, bytes) in fetched {
        tiles.insert(tile, &bytes)?;
    }
    Ok(tiles)
}

/// The tree over the rows before a place.
pub(crate) async fn compact(
    objects: &dyn ObjectStore,
    first: u64,
    size: u64,
) -> Result<Compact, ExportError> {
    let tiles = tiles(objects, size, &compact_nodes(first)).await?;
    tiles.compact(first).ok_or_else(|| ExportError::Missing(format!("tree over {first} rows")))
}
