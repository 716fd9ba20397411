//! What the publisher works on in this suite: a log that can be cut and forked, and everything that it calls, failing on
//! demand.

use async_trait::async_trait;
use leaver_domain::{
    ledger::{Draft, EventKind, Head, Outcome},
    ports::{
        Appended, Batch, LedgerStore, Located, Object, ObjectStore, Placed, Present, Row, Signer, StoreError,
        Unless, Witnessed, Witnesses,
    },
    time::Timestamp,
};
use leaver_platform::memory_log::{MemoryObjects, MemorySigner};
use std::{
    future::Future,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::Notify;

/// Name of the log.
pub(crate) const ORIGIN: &str = "leaver/suite";

/// A log in memory, without the dedupe that appending needs.
#[derive(Clone)]
pub(crate) struct Log {
    pub(crate) head: Head,
    pub(crate) rows: Vec<Row>,
    pub(crate) kept: Option<String>,
}

impl Log {
    pub(crate) fn new() -> Self {
        Self { head: Head::empty(ORIGIN), rows: Vec::new(), kept: None }
    }

    /// Appends rows until there are so many; `story` changes what they say.
    pub(crate) fn grow(&mut self, to: u64, story: &str) {
        let at = Timestamp::from_millis(1_770_129_000_000).expect("an instant");
        let drafts = (self.head.tree.size..to).map(|n| Draft {
            event_id: format!("case-{n}/okta/0"),
            case_id: format!("case-{n}"),
            ordinal: 0,
            kind: EventKind::AccessRevoked,
            occurred_at: at,
            username: "john.doe".into(),
            actor: story.to_owned(),
            system: Some("okta".into()),
            action: "revoke".into(),
            outcome: Outcome::Success,
            risk: None,
            evidence: "{}".to_owned(),
        });
        let (head, entries) = self.head.extend(drafts.map(|draft| (draft, [7; 16])), at);
        let row = |entry: &leaver_domain::ledger::Entry| Row {
            seq: entry.seq,
            leaf: entry.encode(),
            evidence: "{}".to_owned(),
        };
        self.rows.extend(entries.iter().map(row));
        self.head = head;
    }
}

/// When a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// Nothing happens, and the caller is told.
    Before,
    /// It happens, and the caller is told otherwise.
    After,
    /// It happens, and the process ends before it hears of it.
    Killed,
}

/// Everything that the publisher calls.
pub(crate) struct Backend {
    pub(crate) log: Mutex<Log>,
    pub(crate) objects: MemoryObjects,
    pub(crate) signer: MemorySigner,
    pub(crate) witnesses: Box<dyn Witnesses>,
    pub(crate) fail: Mutex<Option<(u64, When)>>,
    pub(crate) calls: AtomicU64,
    pub(crate) hung: Notify,
}

impl Backend {
    pub(crate) fn new(log: Log, witnesses: Box<dyn Witnesses>) -> Self {
        Self {
            log: Mutex::new(log),
            objects: MemoryObjects::default(),
            signer: MemorySigner::new([1; 32]),
            witnesses,
            fail: Mutex::default(),
            calls: AtomicU64::new(0),
            hung: Notify::new(),
        }
    }

    /// From now on the call with this number fails, from 0.
    pub(crate) fn fail(&self, at: Option<(u64, When)>) {
        *self.fail.lock().expect("a lock") = at;
        self.calls.store(0, Ordering::SeqCst);
    }

    /// Whether the call that was to fail was reached.
    pub(crate) fn has_failed(&self) -> bool {
        self.fail.lock().expect("a lock").is_some_and(|(at, _)| self.calls.load(Ordering::SeqCst) > at)
    }

    pub(crate) fn log<T>(&self, with: impl FnOnce(&mut Log) -> T) -> T {
        with(&mut self.log.lock().expect("a lock"))
    }

    async fn go<T>(&self, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let lost = || Err(StoreError::Unavailable("injected".into()));
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        // Others get their turn, some sooner than others.
        for _ in 0..number % 3 {
            tokio::task::yield_now().await;
        }
        let fail = *self.fail.lock().expect("a lock");
        match fail.filter(|(at, _)| *at == number) {
            None => call.await,
            Some((_, When::Before)) => lost(),
            Some((_, When::After)) => call.await.and(lost()),
            Some((_, When::Killed)) => {
                let _ = call.await;
                self.hung.notify_one();
                std::future::pending().await
            }
        }
    }
}

#[async_trait]
impl LedgerStore for Backend {
    async fn head(&self) -> Result<Head, StoreError> {
        self.go(async { Ok(self.log(|log| log.head.clone())) }).await
    }
    async fn present(&self, _: &[Draft]) -> Result<Vec<Present>, StoreError> {
        panic!("the publisher does not append")
    }
    async fn append(&self, _: &Batch) -> Result<Appended, StoreError> {
        panic!("the publisher does not append")
    }
    async fn rows(&self, from: u64, limit: usize) -> Result<Vec<Row>, StoreError> {
        let from = usize::try_from(from).expect("a small log");
        let page = |log: &mut Log| log.rows.iter().skip(from).take(limit).cloned().collect();
        self.go(async { Ok(self.log(page)) }).await
    }
    async fn locate(&self, _: &[Draft]) -> Result<Vec<Located>, StoreError> {
        panic!("the publisher looks for no event")
    }
    async fn checkpoint(&self) -> Result<Option<String>, StoreError> {
        self.go(async { Ok(self.log(|log| log.kept.clone())) }).await
    }
    async fn places_of(&self, _: &str) -> Result<Vec<u64>, StoreError> {
        // Neither appending nor publishing asks for it.
        Err(StoreError::Unavailable("this log is not asked for cases".into()))
    }
    async fn keep_checkpoint(&self, size: u64, note: &str) -> Result<(), StoreError> {
        let of = |note: &str| note.lines().nth(1).and_then(|size| size.parse::<u64>().ok());
        let keep = |log: &mut Log| {
            if log.kept.as_deref().and_then(of).is_none_or(|kept| kept < size) {
                log.kept = Some(note.to_owned());
            }
        };
        self.go(async {
            self.log(keep);
            Ok(())
        })
        .await
    }
}

#[async_trait]
impl ObjectStore for Backend {
    async fn get(&self, key: &str) -> Result<Option<Object>, StoreError> {
        self.go(self.objects.get(key)).await
    }
    async fn put(
        &self,
        key: &str,
        bytes: &[u8],
        unless: Unless,
        until: Option<Timestamp>,
    ) -> Result<Placed, StoreError> {
        self.go(self.objects.put(key, bytes, unless, until)).await
    }
    async fn behind(&self, prefix: &str, after: &str) -> Result<Vec<String>, StoreError> {
        self.go(self.objects.behind(prefix, after)).await
    }
}

#[async_trait]
impl Signer for Backend {
    async fn public_key(&self) -> Result<[u8; 32], StoreError> {
        self.go(self.signer.public_key()).await
    }
    async fn sign(&self, message: &[u8]) -> Result<[u8; 64], StoreError> {
        self.go(self.signer.sign(message)).await
    }
}

#[async_trait]
impl Witnesses for Backend {
    async fn add_checkpoint(&self, url: &str, request: &str) -> Result<Witnessed, StoreError> {
        self.go(self.witnesses.add_checkpoint(url, request)).await
    }
}
