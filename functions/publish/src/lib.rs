//! Publishes the log to the evidence bucket: proves that it has only grown since the last checkpoint, then writes its
//! tiles and entries, has the new checkpoint signed and cosigned, and makes it known.
//!
//! What was published is told by the bucket's locked objects alone. Each step may fail, be repeated, or run beside another
//! publisher: what is written is the same whoever writes it, and the checkpoint is written last.

mod anchor;
mod announce;
mod cosign;
mod grow;

pub use announce::announce;

use anchor::Anchor;
use leaver_domain::{
    digest::Digest,
    ledger::{BundleError, CheckpointError, Note, ProofError, QuorumError, TileError, VerifierKey},
    policy::Policy,
    ports::{LedgerStore, ObjectStore, Placed, Signer, StoreError, Unless, Witnesses},
    time::Timestamp,
};
use serde::Serialize;
use std::time::Duration;

/// Name of the newest checkpoint.
const NEWEST: &str = "checkpoint";
/// What the names of the locked checkpoints begin with.
const CHECKPOINTS: &str = "checkpoints/";

/// What publishing works with.
pub struct Publish<'a> {
    /// The log.
    pub ledger: &'a dyn LedgerStore,
    /// The evidence bucket.
    pub objects: &'a dyn ObjectStore,
    /// The log's key.
    pub signer: &'a dyn Signer,
    /// The way to the witnesses.
    pub witnesses: &'a dyn Witnesses,
    /// The settings in force.
    pub policy: &'a Policy,
    /// Name of the log.
    pub origin: &'a str,
    /// Now.
    pub now: Timestamp,
    /// Whether the newest checkpoint is made known anew although nothing was added: a sign of life.
    pub renew: bool,
}

/// Where the published log ends now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Published {
    /// How many rows the newest checkpoint covers.
    pub size: u64,
    /// The root over them.
    pub root: Digest,
    /// How many of them are new.
    pub added: u64,
    /// How many rows stand behind it and wait for the next step.
    pub left: u64,
}

/// Why nothing was published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotPublished {
    /// The log is not what was published of it, continued. Nothing may be signed until a human has looked.
    #[error("the log does not continue what was published: {0}")]
    Inconsistent(String),
    /// Too few witnesses cosigned.
    #[error("{0}")]
    Witnesses(#[from] QuorumError),
    /// A store, the signer or another publisher stood in the way; the next run finishes the work.
    #[error("{0}")]
    Store(#[from] StoreError),
}

impl NotPublished {
    /// What the alarm for it is called.
    pub fn alarm(&self) -> &'static str {
        match self {
            Self::Inconsistent(_) => "checkpoint_inconsistent",
            Self::Witnesses(_) => "checkpoint_not_witnessed",
            Self::Store(_) => "checkpoint_delayed",
        }
    }
}

fn inconsistent<T>(why: impl Into<String>) -> Result<T, NotPublished> {
    Err(NotPublished::Inconsistent(why.into()))
}

impl From<CheckpointError> for NotPublished {
    fn from(error: CheckpointError) -> Self {
        Self::Inconsistent(format!("a published checkpoint cannot be used: {error}"))
    }
}

impl From<TileError> for NotPublished {
    fn from(error: TileError) -> Self {
        Self::Inconsistent(format!("a published tile cannot be used: {error}"))
    }
}

impl From<BundleError> for NotPublished {
    fn from(error: BundleError) -> Self {
        Self::Inconsistent(format!("published entries cannot be used: {error}"))
    }
}

impl From<ProofError> for NotPublished {
    fn from(error: ProofError) -> Self {
        Self::Inconsistent(format!("the published tiles do not give the published root: {error}"))
    }
}

/// Publishes what was added to the log since the newest checkpoint, up to a few thousand rows; `left` says whether there
/// is more. To be called again after any failure.
///
/// # Errors
/// The log contradicts what was published, too few witnesses cosigned, or a store failed.
pub async fn handle(publish: &Publish<'_>) -> Result<Published, NotPublished> {
    let key = publish.key().await?;
    let anchor = anchor::newest(publish, &key).await?;
    // Read after the checkpoint: a log is never shorter than what was published of it before it was looked at.
    let head = publish.ledger.head().await?;
    let (size, root) = (anchor.checkpoint.size, anchor.checkpoint.root);
    if head.tree.size < size {
        let rows = head.tree.size;
        return inconsistent(format!("it has {rows} rows, and {size} were published"));
    }
    if head.tree.size > size || anchor.note.is_none() {
        let next = grow::grow(publish, &key, &anchor, &head).await?;
        let note = announced(publish, &anchor, next.size, next.note).await?;
        publish.ledger.keep_checkpoint(next.size, &note).await?;
        let left = head.tree.size - next.size;
        return Ok(Published { size: next.size, root: next.root, added: next.size - size, left });
    }
    if head.tree.root() != root {
        return inconsistent(format!("its root over {size} rows is another than the published one"));
    }
    if let Some(note) = &anchor.note {
        let behind = anchor.pointer.as_ref().is_none_or(|pointer| pointer.size < size);
        let mut note = note.clone();
        if publish.renew {
            note = cosign::cosigned(publish, &anchor.checkpoint, size, plain(note, &key)).await?;
        }
        if behind || publish.renew {
            announced(publish, &anchor, size, note.clone()).await?;
        }
        if anchor.kept.is_none_or(|kept| kept < size) {
            publish.ledger.keep_checkpoint(size, &note.to_string()).await?;
        }
    }
    Ok(Published { size, root, added: 0, left: 0 })
}

/// A note with the log's own signatures only.
fn plain(mut note: Note, key: &VerifierKey) -> Note {
    note.signatures.retain(|signature| signature.name == key.name() && signature.id == key.id());
    note
}

/// Makes a checkpoint the newest one, unless one over as many rows or more is. The note as it was written.
async fn announced(
    publish: &Publish<'_>,
    anchor: &Anchor,
    size: u64,
    note: Note,
) -> Result<String, NotPublished> {
    let text = note.to_string();
    let unless = match &anchor.pointer {
        None => Unless::Exists,
        Some(pointer) if pointer.size > size => return Ok(text),
        Some(pointer) => Unless::ChangedFrom(pointer.tag.clone()),
    };
    if publish.objects.put(NEWEST, text.as_bytes(), unless, None).await? == Placed::Done {
        return Ok(text);
    }
    // Another publisher was quicker, or an earlier try of this one was not lost after all.
    let key = publish.key().await?;
    match anchor::pointer(publish, &key).await? {
        Some(pointer) if pointer.size >= size => Ok(text),
        _ => Err(StoreError::Conflict.into()),
    }
}

impl Publish<'_> {
    async fn key(&self) -> Result<VerifierKey, NotPublished> {
        let public = self.signer.public_key().await?;
        let bad = |error| StoreError::Corrupt(format!("the log's key cannot be used: {error}"));
        Ok(VerifierKey::ed25519(self.origin, public).map_err(bad)?)
    }

    fn retain_until(&self) -> Timestamp {
        self.now.plus(Duration::from_secs(86_400 * u64::from(self.policy.ledger.retention_days)))
    }

    /// Writes an object for good. One that is there already must be the same.
    async fn keep(&self, name: &str, bytes: &[u8]) -> Result<(), NotPublished> {
        if self.objects.put(name, bytes, Unless::Exists, Some(self.retain_until())).await? == Placed::Done {
            return Ok(());
        }
        match self.objects.get(name).await? {
            Some(there) if there.bytes == bytes => Ok(()),
            Some(_) => inconsistent(format!("`{name}` was published with another content")),
            None => Err(StoreError::Conflict.into()),
        }
    }
}
