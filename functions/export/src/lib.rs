//! Makes a pack of evidence that somebody asked for: reads the period's rows from the ledger, a page at a time, and the
//! hashes, keys and policies from the published log; writes the pack to the function's own disk, and its archive to the
//! bucket. Memory is bounded by the number of cases, whatever the number of rows.

mod archive;
mod range;
mod tree;

use leaver_domain::{
    digest::Digest,
    export::{Archive, Export, ExportStatus},
    ledger::{Checkpoint, CheckpointError, Note, NoteError, ProofError, TileError, leaf_hash},
    ports::{Archives, EvidenceStore, LedgerStore, ObjectStore, StoreError},
    time::Timestamp,
};
use leaver_evidence::{
    context::Keys,
    edges::Edges,
    pack::{About, Pack, PackError},
};
use std::{collections::BTreeMap, path::Path};

/// Rows read at a time.
const PAGE: usize = 1_000;

/// What the function works with.
pub struct Exporting<'a> {
    /// The exports that were asked for.
    pub store: &'a dyn EvidenceStore,
    /// The log.
    pub ledger: &'a dyn LedgerStore,
    /// The published log.
    pub objects: &'a dyn ObjectStore,
    /// Where packs go.
    pub archives: &'a dyn Archives,
    /// Where packs are made.
    pub dir: &'a Path,
    /// Tells the time.
    pub clock: &'a (dyn Fn() -> Timestamp + Send + Sync),
}

/// Why a pack was not made.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A table or the bucket failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The pack could not be built.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// The function's own disk failed.
    #[error("the pack could not be written: {0}")]
    Io(#[from] std::io::Error),
    /// Something of the published log is missing.
    #[error("the published log has no `{0}`")]
    Missing(String),
    /// A tile is none.
    #[error("a published tile is not usable: {0}")]
    Tile(#[from] TileError),
    /// There is no such place in the tree.
    #[error("the published tree is not usable: {0}")]
    Proof(#[from] ProofError),
    /// The checkpoint is no signed note.
    #[error("the published checkpoint is no signed note: {0}")]
    Note(#[from] NoteError),
    /// The note is no checkpoint.
    #[error("the published checkpoint is none: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// A published document is not what it should be.
    #[error("the published `{0}` cannot be read")]
    Unreadable(String),
}

/// Makes a pack that was asked for, and writes down what became of it. One that is there already is left alone.
///
/// # Errors
/// Where what became of it could not be written down.
pub async fn handle(exporting: &Exporting<'_>, asked: &Export) -> Result<ExportStatus, StoreError> {
    let Some(export) = exporting.store.export(&asked.export_id).await? else {
        return Ok(ExportStatus::Failed);
    };
    if export.status != ExportStatus::Building {
        return Ok(export.status);
    }
    let next = match make(exporting, &export).await {
        Ok(archive) => export.ready(archive, (exporting.clock)()),
        Err(error) => {
            tracing::error!(export = export.export_id, %error, alarm = "export_failed", "a pack could not be made");
            export.failed(&error.to_string())
        }
    };
    match exporting.store.put_export(&next).await {
        // Another invocation was there first: what it came to counts.
        Err(StoreError::Conflict) => {
            let known = exporting.store.export(&export.export_id).await?;
            Ok(known.map_or(ExportStatus::Failed, |known| known.status))
        }
        other => other.map(|()| next.status),
    }
}

async fn make(exporting: &Exporting<'_>, export: &Export) -> Result<Archive, ExportError> {
    let scratch = tempfile::tempdir_in(exporting.dir)?;
    let note = text(exporting, &format!("checkpoints/{:020}", export.checkpoint_size)).await?;
    let checkpoint = Checkpoint::parse(&Note::parse(note.as_bytes())?.text)?;
    let size = checkpoint.size;
    let first = range::first_from(exporting.ledger, size, export.period.from).await?;
    let behind = range::first_from(exporting.ledger, size, export.period.to).await?;
    let before = range::leaf(exporting.ledger, first.checked_sub(1)).await?;
    let keys: Keys = serde_json::from_str(&text(exporting, "keys.json").await?)
        .map_err(|_| ExportError::Unreadable("keys.json".to_owned()))?;
    let about = About {
        origin: checkpoint.origin.clone(),
        from: export.period.from,
        to: export.period.to,
        first,
        before: tree::compact(exporting.objects, first, size).await?,
        last: before.as_ref().map_or(Digest::ZERO, |leaf| leaf_hash(leaf)),
        // When it was asked for: making the same pack again gives the same bytes.
        generated_at: export.requested_at,
        checkpoint_note: note,
        keys,
        policies: policies(exporting.objects).await?,
    };
    let dir = scratch.path().join("pack");
    let mut pack = Pack::create(&dir, about)?;
    let mut opened = range::Opened::default();
    copy(exporting, &mut pack, &mut opened, first..behind).await?;
    let end = opened.last_row(exporting.ledger, &export.period, size).await?.max(behind);
    copy(exporting, &mut pack, &mut opened, behind..end).await?;
    let tiles = tree::tiles(exporting.objects, size, &pack.nodes()?).await?;
    let edges = Edges { before, behind: range::leaf(exporting.ledger, pack.row_behind()).await? };
    let (packed, _) = pack.finish(&edges, &|level, index| tiles.node(level, index))?;
    let manifest = Digest::of(&std::fs::read(dir.join(leaver_evidence::layout::MANIFEST))?);
    let file = scratch.path().join("pack.tar.gz");
    let (sha256, bytes) = archive::write(&dir, &file)?;
    let key = format!("exports/{}.tar.gz", export.export_id);
    exporting.archives.upload(&key, &file).await?;
    Ok(Archive { key, sha256, manifest, bytes, rows: packed.rows, cases: packed.cases })
}

async fn copy(
    exporting: &Exporting<'_>,
    pack: &mut Pack,
    opened: &mut range::Opened,
    rows: std::ops::Range<u64>,
) -> Result<(), ExportError> {
    let mut next = rows.start;
    while next < rows.end {
        let limit = usize::try_from(rows.end - next).unwrap_or(PAGE).min(PAGE);
        let page = exporting.ledger.rows(next, limit).await?;
        if page.is_empty() {
            return Err(ExportError::Missing(format!("row {next}")));
        }
        for row in &page {
            opened.row(row);
            pack.row(row)?;
        }
        next += page.len() as u64;
    }
    Ok(())
}

async fn text(exporting: &Exporting<'_>, key: &str) -> Result<String, ExportError> {
    let object = exporting.objects.get(key).await?.ok_or_else(|| ExportError::Missing(key.to_owned()))?;
    String::from_utf8(object.bytes).map_err(|_| ExportError::Unreadable(key.to_owned()))
}

/// Every policy that was ever in force.
async fn policies(objects: &dyn ObjectStore) -> Result<BTreeMap<Digest, String>, ExportError> {
    let mut all = BTreeMap::new();
    let mut after = String::new();
    loop {
        let names = objects.behind("policies/", &after).await?;
        let Some(last) = names.last() else { return Ok(all) };
        for name in &names {
            let object = objects.get(name).await?.ok_or_else(|| ExportError::Missing(name.clone()))?;
            let digest = Digest::of(&object.bytes);
            if *name != format!("policies/{digest}.json") {
                return Err(ExportError::Unreadable(name.clone()));
            }
            let text = String::from_utf8(object.bytes);
            all.insert(digest, text.map_err(|_| ExportError::Unreadable(name.clone()))?);
        }
        after.clone_from(last);
    }
}
