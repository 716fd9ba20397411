//! The archive in memory, with the same rules as in S3: nothing is overwritten, and what is locked or held stays.

use async_trait::async_trait;
use leaver_domain::{
    ports::StoreError,
    time::Timestamp,
    vault::{Keep, Stored, StoredPage, Vault},
};
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Most versions of one page: small, so that every longer list has more than one.
const PAGE: usize = 5;

/// One version of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Its name.
    pub key: String,
    /// Which of the versions of this name.
    pub version: String,
    /// What it holds.
    pub bytes: Vec<u8>,
    /// Until when it is locked.
    pub until: Timestamp,
    /// Whether it is under a legal hold.
    pub held: bool,
}

/// A bucket in memory.
#[derive(Debug, Default)]
pub struct MemoryVault(Mutex<Vec<Version>>);

impl MemoryVault {
    fn lock(&self) -> MutexGuard<'_, Vec<Version>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every version of every object, in the order in which they were written.
    pub fn all(&self) -> Vec<Version> {
        self.lock().clone()
    }

    /// What the newest version of a name holds.
    pub fn newest(&self, key: &str) -> Option<Vec<u8>> {
        self.lock().iter().rev().find(|one| one.key == key).map(|one| one.bytes.clone())
    }

    /// Deletes, as a rule of the bucket would at an instant, whatever is neither locked nor held. How many were.
    pub fn expire(&self, now: Timestamp) -> usize {
        let mut all = self.lock();
        let before = all.len();
        all.retain(|one| one.held || now < one.until);
        before - all.len()
    }
}

#[async_trait]
impl Vault for MemoryVault {
    async fn keep(&self, key: &str, bytes: &[u8], keep: Keep) -> Result<(), StoreError> {
        let mut all = self.lock();
        let version = format!("v{:06}", all.len());
        let (key, bytes) = (key.to_owned(), bytes.to_vec());
        all.push(Version { key, version, bytes, until: keep.until, held: keep.held });
        Ok(())
    }

    async fn versions(&self, prefix: &str, from: Option<(&str, &str)>) -> Result<StoredPage, StoreError> {
        let mut found: Vec<Version> = self.all();
        found.retain(|one| one.key.starts_with(prefix));
        // As S3 lists them: by name, of each name the newest first.
        found.sort_by(|a, b| a.key.cmp(&b.key).then(b.version.cmp(&a.version)));
        let start = match from {
            None => 0,
            Some((key, version)) => {
                found.iter().position(|one| one.key == key && one.version == version).map_or(0, |at| at + 1)
            }
        };
        let mut before = from.map(|(key, _)| key.to_owned());
        let mut page = StoredPage::default();
        for one in found.iter().skip(start).take(PAGE) {
            page.versions.push(Stored {
                key: one.key.clone(),
                version: one.version.clone(),
                size: one.bytes.len() as u64,
                at: None,
                is_latest: before.as_deref() != Some(one.key.as_str()),
            });
            before = Some(one.key.clone());
        }
        let last = page.versions.last().map(|one| (one.key.clone(), one.version.clone()));
        page.next = last.filter(|_| start + PAGE < found.len());
        Ok(page)
    }

    async fn hold(&self, of: &Stored, held: bool) -> Result<(), StoreError> {
        let mut all = self.lock();
        let found = all.iter_mut().find(|one| one.key == of.key && one.version == of.version);
        let missing = || StoreError::Corrupt(format!("there is no version {} of {}", of.version, of.key));
        found.ok_or_else(missing)?.held = held;
        Ok(())
    }

    fn link(&self, of: &Stored, lifetime: Duration) -> Result<String, StoreError> {
        Ok(format!("memory:///{}?version={}&seconds={}", of.key, of.version, lifetime.as_secs()))
    }
}
