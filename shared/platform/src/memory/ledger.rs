//! The ledger's table in memory.

use super::lock;
use async_trait::async_trait;
use leaver_domain::{
    digest::Digest,
    ledger::{Draft, Entry, Head, leaf_hash},
    ports::{Appended, Batch, LedgerStore, Located, Present, Row, StoreError},
};
use std::{collections::HashMap, sync::Mutex};

/// The rows, the head behind them, and where each event stands: its index and its content.
#[derive(Debug)]
struct Log {
    head: Head,
    rows: Vec<Row>,
    events: HashMap<String, (usize, Digest)>,
}

impl Log {
    fn among<'a>(&self, drafts: impl Iterator<Item = &'a Draft>) -> Vec<Present> {
        let there = |draft: &Draft| {
            let (_, content) = self.events.get(&draft.event_id)?;
            Some(Present { event_id: draft.event_id.clone(), content: *content })
        };
        drafts.filter_map(there).collect()
    }
}

/// The ledger table.
#[derive(Debug)]
pub struct MemoryLedger(Mutex<Log>, Mutex<Option<(u64, String)>>);

impl MemoryLedger {
    /// An empty log.
    pub fn new(origin: &str) -> Self {
        let log = Log { head: Head::empty(origin), rows: Vec::new(), events: HashMap::new() };
        Self(Mutex::new(log), Mutex::default())
    }
}

#[async_trait]
impl LedgerStore for MemoryLedger {
    async fn head(&self) -> Result<Head, StoreError> {
        Ok(lock(&self.0).head.clone())
    }
    async fn present(&self, drafts: &[Draft]) -> Result<Vec<Present>, StoreError> {
        Ok(lock(&self.0).among(drafts.iter()))
    }
    async fn append(&self, batch: &Batch) -> Result<Appended, StoreError> {
        let mut log = lock(&self.0);
        let there = log.among(batch.rows.iter().map(|(draft, _)| draft));
        if !there.is_empty() {
            return Ok(Appended::Present(there));
        }
        if log.head.version != batch.on || log.head.last != batch.after {
            return Ok(Appended::HeadMoved);
        }
        log.head = batch.head.clone();
        for (draft, row) in &batch.rows {
            let place = log.rows.len();
            log.events.insert(draft.event_id.clone(), (place, draft.content()));
            log.rows.push(row.clone());
        }
        Ok(Appended::Done)
    }
    async fn rows(&self, from: u64, limit: usize) -> Result<Vec<Row>, StoreError> {
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        Ok(lock(&self.0).rows.iter().skip(from).take(limit).cloned().collect())
    }
    async fn locate(&self, drafts: &[Draft]) -> Result<Vec<Located>, StoreError> {
        let log = lock(&self.0);
        let found = drafts.iter().filter_map(|draft| {
            let row = log.rows.get(log.events.get(&draft.event_id)?.0)?;
            Some(Located { event_id: draft.event_id.clone(), seq: row.seq, hash: leaf_hash(&row.leaf) })
        });
        let mut found: Vec<Located> = found.collect();
        found.sort_by_key(|one| one.seq);
        found.dedup();
        Ok(found)
    }
    async fn places_of(&self, case: &str) -> Result<Vec<u64>, StoreError> {
        let ours = |row: &&Row| Entry::decode(&row.leaf).is_ok_and(|entry| entry.case_id == case);
        Ok(lock(&self.0).rows.iter().filter(ours).map(|row| row.seq).collect())
    }
    async fn checkpoint(&self) -> Result<Option<String>, StoreError> {
        Ok(lock(&self.1).as_ref().map(|(_, note)| note.clone()))
    }
    async fn keep_checkpoint(&self, size: u64, note: &str) -> Result<(), StoreError> {
        let mut kept = lock(&self.1);
        if kept.as_ref().is_none_or(|(before, _)| *before < size) {
            *kept = Some((size, note.to_owned()));
        }
        Ok(())
    }
}
