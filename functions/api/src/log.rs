//! The published log: the newest checkpoint, the keys, and the tiles. Whoever reaches the API may read these without a
//! token, so that an auditor's tool needs none: they hold salted hashes only. The entries themselves name people, and are
//! shown to those who may read rows.

use crate::{Api, Call, Reply, ledger::READERS, stored};
use leaver_domain::{ledger::Tile, problem::Problem};

/// Longest path of a tile.
const MAX_PATH: usize = 100;

/// `GET /api/v1/ledger/checkpoint`: the newest checkpoint, a signed note.
pub(crate) async fn checkpoint(api: &Api<'_>) -> Result<Reply, Problem> {
    let note = api.ledger.checkpoint().await.map_err(stored)?.ok_or_else(Problem::not_found)?;
    Ok(Reply::bytes("text/plain; charset=utf-8", note.into_bytes(), false))
}

/// `GET /api/v1/ledger/keys`: the keys of the log and of its witnesses.
pub(crate) async fn keys(api: &Api<'_>) -> Result<Reply, Problem> {
    let keys = api.objects.get("keys.json").await.map_err(stored)?.ok_or_else(Problem::not_found)?;
    Ok(Reply::bytes("application/json", keys.bytes, false))
}

/// `GET /api/v1/ledger/tile/...`: a tile, as C2SP tlog-tiles names it.
pub(crate) async fn tile(api: &Api<'_>, path: &[&str]) -> Result<Reply, Problem> {
    found(api, "tile", path, Tile::parse).await
}

/// `GET /api/v1/ledger/tile/entries/...`: the entries below a tile.
pub(crate) async fn entries(api: &Api<'_>, call: &Call, path: &[&str]) -> Result<Reply, Problem> {
    call.caller.must_be(READERS)?;
    let reply = found(api, "tile/entries", path, Tile::parse_entries).await?;
    // No cache on the way may keep what names people.
    Ok(Reply { lasting: false, ..reply })
}

/// Nothing of the bucket can be asked for but what `parse` knows.
async fn found(
    api: &Api<'_>,
    folder: &str,
    path: &[&str],
    parse: impl Fn(&str) -> Option<Tile>,
) -> Result<Reply, Problem> {
    let path = format!("{folder}/{}", path.join("/"));
    let known = (path.len() <= MAX_PATH).then(|| parse(&path)).flatten();
    let tile = known.ok_or_else(Problem::not_found)?;
    let object = api.objects.get(&path).await.map_err(stored)?.ok_or_else(Problem::not_found)?;
    Ok(Reply::bytes("application/octet-stream", object.bytes, tile.is_full()))
}
