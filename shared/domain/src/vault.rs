//! Where archives lie: objects that are encrypted, locked until their time has run out, and for longer under a legal hold.

use crate::{ports::StoreError, time::Timestamp};
use async_trait::async_trait;
use std::time::Duration;

/// One version of an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stored {
    /// Its name.
    pub key: String,
    /// Which of the versions of this name.
    pub version: String,
    /// Its length, in bytes.
    pub size: u64,
    /// When it was written.
    pub at: Option<Timestamp>,
    /// Whether no newer one has its name, other than the mark of a deletion.
    pub is_latest: bool,
}

/// Some versions, in the order of their names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoredPage {
    /// The versions.
    pub versions: Vec<Stored>,
    /// From where the next page starts: a name and a version; `None` at the end.
    pub next: Option<(String, String)>,
}

/// How an object is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// How strictly it is locked.
    pub lock: crate::archive::Lock,
    /// Until when.
    pub until: Timestamp,
    /// Whether it is under a legal hold from its first moment.
    pub held: bool,
}

/// The archive. Nothing in it is ever overwritten: another object of the same name is its newest version.
#[async_trait]
pub trait Vault: Send + Sync {
    /// Writes an object.
    async fn keep(&self, key: &str, bytes: &[u8], keep: Keep) -> Result<(), StoreError>;
    /// The versions of the objects whose names begin with a prefix, from a page's `next` on.
    async fn versions(&self, prefix: &str, from: Option<(&str, &str)>) -> Result<StoredPage, StoreError>;
    /// Puts one version under a legal hold, or takes the hold off it. Repeating it changes nothing.
    async fn hold(&self, of: &Stored, held: bool) -> Result<(), StoreError>;
    /// An address from which whoever has it can fetch this version for a while.
    fn link(&self, of: &Stored, lifetime: Duration) -> Result<String, StoreError>;
}

/// Most pages of versions that are followed: a person beyond that is a finding for a human, not a longer loop.
const MAX_PAGES: usize = 200;

/// All versions of the objects whose names begin with a prefix.
///
/// # Errors
/// Where they cannot be listed.
pub async fn all(vault: &dyn Vault, prefix: &str) -> Result<Vec<Stored>, StoreError> {
    let (mut found, mut from) = (Vec::new(), None::<(String, String)>);
    for _ in 0..MAX_PAGES {
        let place = from.as_ref().map(|(key, version)| (key.as_str(), version.as_str()));
        let page = vault.versions(prefix, place).await?;
        found.extend(page.versions);
        match page.next {
            Some(next) => from = Some(next),
            None => return Ok(found),
        }
    }
    Err(StoreError::Corrupt(format!("more objects lie below {prefix} than anybody's archive has")))
}
