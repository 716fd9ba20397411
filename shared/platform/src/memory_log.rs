//! Twins in memory of what publishing the log needs: objects, a signing key, and the way to witnesses.

use async_trait::async_trait;
use ed25519_dalek::{Signer as _, SigningKey};
use leaver_domain::{
    digest::Digest,
    ports::{Archives, Object, ObjectStore, Placed, Signer, StoreError, Unless, Witnessed, Witnesses},
    time::Timestamp,
};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// An object with the time until which it is locked.
type Kept = (Vec<u8>, Option<Timestamp>);

/// A bucket.
#[derive(Debug, Default)]
pub struct MemoryObjects(Mutex<BTreeMap<String, Kept>>);

impl MemoryObjects {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The names of all objects.
    pub fn names(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    /// Until when an object is locked.
    pub fn locked_until(&self, key: &str) -> Option<Timestamp> {
        self.lock().get(key).and_then(|(_, until)| *until)
    }

    /// Changes an object past every rule, as an intruder with all rights would; `None` takes it away.
    pub fn tamper(&self, key: &str, bytes: Option<&[u8]>) {
        let mut objects = self.lock();
        match bytes {
            Some(bytes) => objects.insert(key.to_owned(), (bytes.to_vec(), None)),
            None => objects.remove(key),
        };
    }
}

fn tag(bytes: &[u8]) -> String {
    format!("\"{}\"", Digest::of(bytes))
}

#[async_trait]
impl ObjectStore for MemoryObjects {
    async fn get(&self, key: &str) -> Result<Option<Object>, StoreError> {
        let objects = self.lock();
        Ok(objects.get(key).map(|(bytes, _)| Object { bytes: bytes.clone(), tag: tag(bytes) }))
    }
    async fn put(
        &self,
        key: &str,
        bytes: &[u8],
        unless: Unless,
        retain_until: Option<Timestamp>,
    ) -> Result<Placed, StoreError> {
        let mut objects = self.lock();
        let there = objects.get(key).map(|(bytes, _)| tag(bytes));
        let holds = match unless {
            Unless::Exists => there.is_none(),
            Unless::ChangedFrom(tag) => there == Some(tag),
        };
        if !holds {
            return Ok(Placed::Refused);
        }
        objects.insert(key.to_owned(), (bytes.to_vec(), retain_until));
        Ok(Placed::Done)
    }
    async fn behind(&self, prefix: &str, after: &str) -> Result<Vec<String>, StoreError> {
        let objects = self.lock();
        let names = objects.keys().filter(|name| name.starts_with(prefix) && name.as_str() > after);
        Ok(names.take(1_000).cloned().collect())
    }
}

#[async_trait]
impl Archives for MemoryObjects {
    async fn upload(&self, key: &str, file: &Path) -> Result<(), StoreError> {
        let bytes = std::fs::read(file).map_err(|error| StoreError::Unavailable(error.to_string()))?;
        self.lock().insert(key.to_owned(), (bytes, None));
        Ok(())
    }
    fn download_url(&self, key: &str, lifetime: Duration) -> Result<String, StoreError> {
        Ok(format!("memory:///{key}?seconds={}", lifetime.as_secs()))
    }
}

/// A signing key that lies in memory.
#[derive(Debug)]
pub struct MemorySigner(SigningKey);

impl MemorySigner {
    /// Of a secret of 32 bytes.
    pub fn new(secret: [u8; 32]) -> Self {
        Self(SigningKey::from_bytes(&secret))
    }
}

#[async_trait]
impl Signer for MemorySigner {
    async fn public_key(&self) -> Result<[u8; 32], StoreError> {
        Ok(self.0.verifying_key().to_bytes())
    }
    async fn sign(&self, message: &[u8]) -> Result<[u8; 64], StoreError> {
        Ok(self.0.sign(message).to_bytes())
    }
}

/// No witness can be reached.
#[derive(Debug, Default)]
pub struct NoWitnesses;

#[async_trait]
impl Witnesses for NoWitnesses {
    async fn add_checkpoint(&self, _: &str, _: &str) -> Result<Witnessed, StoreError> {
        Err(StoreError::Unavailable("there is no way to a witness".to_owned()))
    }
}
