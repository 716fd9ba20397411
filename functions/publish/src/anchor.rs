//! What was published last: the newest of the locked checkpoints.

use crate::{CHECKPOINTS, NEWEST, NotPublished, Publish, inconsistent};
use leaver_domain::{
    digest::Digest,
    ledger::{Checkpoint, Note, NoteError, VerifierKey},
    ports::StoreError,
};

/// Most pages of names that are read to find the newest checkpoint. The one that is made known is never that far behind.
const PAGES: usize = 10;

/// The checkpoint that is made known as the newest one.
pub(crate) struct Pointer {
    pub(crate) size: u64,
    pub(crate) tag: String,
    text: String,
}

/// The newest checkpoint. For a log of which nothing was published, the one over no rows, without a note.
pub(crate) struct Anchor {
    pub(crate) checkpoint: Checkpoint,
    pub(crate) note: Option<Note>,
    pub(crate) pointer: Option<Pointer>,
    /// How many rows the checkpoint covers that the ledger's table keeps.
    pub(crate) kept: Option<u64>,
}

/// Where a checkpoint over so many rows lies.
pub(crate) fn name(size: u64) -> String {
    format!("{CHECKPOINTS}{size:020}")
}

/// Reads a note of this log, signed with its key.
pub(crate) fn open(
    publish: &Publish<'_>,
    key: &VerifierKey,
    bytes: &[u8],
) -> Result<(Checkpoint, Note), NotPublished> {
    let unreadable = |error: NoteError| NotPublished::Inconsistent(format!("a checkpoint: {error}"));
    let note = Note::parse(bytes).map_err(unreadable)?;
    let checkpoint = Checkpoint::open(&note, publish.origin, [key])?;
    Ok((checkpoint, note))
}

/// The checkpoint that is made known as the newest one.
pub(crate) async fn pointer(
    publish: &Publish<'_>,
    key: &VerifierKey,
) -> Result<Option<Pointer>, NotPublished> {
    let Some(object) = publish.objects.get(NEWEST).await? else { return Ok(None) };
    let (checkpoint, note) = open(publish, key, &object.bytes)?;
    Ok(Some(Pointer { size: checkpoint.size, tag: object.tag, text: note.text }))
}

/// The newest checkpoint. The one that is made known could have been put back to an older one; the locked ones cannot, so
/// those behind it are looked for. The table's own note must be among them as well.
pub(crate) async fn newest(publish: &Publish<'_>, key: &VerifierKey) -> Result<Anchor, NotPublished> {
    // Written after the bucket's, so read before it.
    let kept = match publish.ledger.checkpoint().await? {
        Some(note) => Some(open(publish, key, note.as_bytes())?.0),
        None => None,
    };
    let pointer = pointer(publish, key).await?;
    let known = pointer.as_ref().map(|pointer| pointer.size).max(kept.as_ref().map(|kept| kept.size));
    let size = last(publish, known).await?.or(known);
    let kept_size = kept.as_ref().map(|kept| kept.size);
    let Some(size) = size else {
        let checkpoint = Checkpoint::new(publish.origin, 0, Digest::of(b""))?;
        return Ok(Anchor { checkpoint, note: None, pointer, kept: kept_size });
    };
    let Some(object) = publish.objects.get(&name(size)).await? else {
        return inconsistent(format!("the checkpoint over {size} rows is gone from the bucket"));
    };
    let (checkpoint, note) = open(publish, key, &object.bytes)?;
    let same = |size: u64, text: &str| checkpoint.size != size || note.text == text;
    let told = pointer.as_ref().is_none_or(|pointer| same(pointer.size, &pointer.text));
    let kept = kept.is_none_or(|kept| same(kept.size, &kept.text()));
    if checkpoint.size != size || !told || !kept {
        return inconsistent(format!("there are two checkpoints over {size} rows"));
    }
    Ok(Anchor { checkpoint, note: Some(note), pointer, kept: kept_size })
}

/// The size of the last locked checkpoint behind a known one.
async fn last(publish: &Publish<'_>, known: Option<u64>) -> Result<Option<u64>, NotPublished> {
    let mut after = known.map_or_else(|| CHECKPOINTS.to_owned(), name);
    let mut found = None;
    for _ in 0..PAGES {
        let names = publish.objects.behind(CHECKPOINTS, &after).await?;
        let Some(last) = names.last() else { return Ok(found) };
        let size = last.strip_prefix(CHECKPOINTS).and_then(|size| size.parse().ok());
        let Some(size) = size.filter(|size| name(*size) == *last) else {
            return inconsistent("there is something among the checkpoints that is none");
        };
        found = Some(size);
        after.clone_from(last);
    }
    Err(StoreError::Corrupt("the newest checkpoint stands too far behind the one made known".to_owned())
        .into())
}
