//! Every call of an append failed in each way that a call can fail, alone and beside another appender; after each
//! failure the log is checked from its first row, and the next delivery makes it whole.

use crate::{draft, holds_exactly};
use leaver_domain::{
    ledger::{Draft, Head},
    ports::{Appended, Batch, LedgerStore, Located, Present, Row, StoreError},
};
use leaver_ledger::{Tally, append};
use leaver_platform::memory::MemoryLedger;
use leaver_tests::flow::{ORIGIN, appending, checked};
use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// Nothing happens, and the caller is told that something went wrong.
    Before,
    /// It happens, and the caller is told that something went wrong.
    After,
    /// Nothing happens, and no answer comes: the invocation's time runs out.
    SilentBefore,
    /// It happens, and no answer comes.
    SilentAfter,
    /// No answer comes within the invocation, and it happens only after the next delivery: the write was on its way.
    Late,
}

const ALL: [How; 5] = [How::Before, How::After, How::SilentBefore, How::SilentAfter, How::Late];

/// The log as an appender sees it whose n-th call fails.
struct Failing<'a> {
    inner: &'a MemoryLedger,
    at: usize,
    how: How,
    calls: AtomicUsize,
    /// Set once the call has failed.
    failed: AtomicBool,
    /// What arrives later.
    late: std::sync::Mutex<Option<Batch>>,
}

impl<'a> Failing<'a> {
    fn new(inner: &'a MemoryLedger, at: usize, how: How) -> Self {
        Self {
            inner,
            at,
            how,
            calls: AtomicUsize::new(0),
            failed: AtomicBool::new(false),
            late: std::sync::Mutex::default(),
        }
    }

    async fn go<T>(&self, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        // Others get their turn at each call.
        tokio::task::yield_now().await;
        if self.calls.fetch_add(1, Ordering::SeqCst) != self.at {
            return call.await;
        }
        if matches!(self.how, How::After | How::SilentAfter) {
            call.await?;
        }
        self.failed.store(true, Ordering::SeqCst);
        match self.how {
            How::Before | How::After => Err(StoreError::Unavailable("injected".into())),
            How::SilentBefore | How::SilentAfter | How::Late => std::future::pending().await,
        }
    }

    /// An invocation: it ends with the append, or when it fell silent.
    async fn invoke(&self, drafts: Vec<Draft>) -> Option<Result<Tally, StoreError>> {
        let to = appending(self);
        let silent = async {
            while !self.failed.load(Ordering::SeqCst) || matches!(self.how, How::Before | How::After) {
                tokio::time::sleep(Duration::from_micros(20)).await;
            }
        };
        tokio::select! {
            biased;
            result = append(&to, drafts) => Some(result),
            () = silent => None,
        }
    }
}

#[async_trait::async_trait]
impl LedgerStore for Failing<'_> {
    async fn head(&self) -> Result<Head, StoreError> {
        self.go(self.inner.head()).await
    }
    async fn present(&self, drafts: &[Draft]) -> Result<Vec<Present>, StoreError> {
        self.go(self.inner.present(drafts)).await
    }
    async fn append(&self, batch: &Batch) -> Result<Appended, StoreError> {
        if self.how == How::Late && self.calls.load(Ordering::SeqCst) == self.at {
            *self.late.lock().expect("not poisoned") = Some(batch.clone());
        }
        self.go(self.inner.append(batch)).await
    }
    async fn rows(&self, from: u64, limit: usize) -> Result<Vec<Row>, StoreError> {
        self.go(self.inner.rows(from, limit)).await
    }
    async fn locate(&self, drafts: &[Draft]) -> Result<Vec<Located>, StoreError> {
        self.go(self.inner.locate(drafts)).await
    }
    async fn checkpoint(&self) -> Result<Option<String>, StoreError> {
        self.go(self.inner.checkpoint()).await
    }
    async fn places_of(&self, case: &str) -> Result<Vec<u64>, StoreError> {
        self.go(self.inner.places_of(case)).await
    }
    async fn keep_checkpoint(&self, size: u64, note: &str) -> Result<(), StoreError> {
        self.go(self.inner.keep_checkpoint(size, note)).await
    }
}

/// One fault: the failing appender, the others beside it, then the delivery again. Whether the call was reached.
async fn one(ledger: &MemoryLedger, (at, how): (usize, How), ours: &[Draft], others: &[Vec<Draft>]) -> bool {
    let failing = Failing::new(ledger, at, how);
    let beside = async {
        for drafts in others {
            tokio::task::yield_now().await;
            append(&appending(ledger), drafts.clone()).await.expect("the other appender");
        }
    };
    let (first, ()) = tokio::join!(failing.invoke(ours.to_vec()), beside);
    checked(ledger).await;
    let reached = failing.failed.load(Ordering::SeqCst);
    assert_eq!(matches!(first, Some(Ok(_))), !reached, "call {at}, {how:?}");
    let tally = append(&appending(ledger), ours.to_vec()).await.expect("the next delivery");
    assert_eq!((tally.appended + tally.repeated, tally.quarantined.len()), (ours.len(), 0));
    let late = failing.late.lock().expect("not poisoned").take();
    if let Some(batch) = late {
        let arrived = ledger.append(&batch).await.expect("an answer");
        assert_ne!(arrived, Appended::Done, "call {at}: a write came through after the next delivery");
    }
    let events = ours.iter().chain(others.iter().flatten()).map(|draft| draft.event_id.clone());
    holds_exactly(ledger, &events.collect::<BTreeSet<_>>()).await;
    reached
}

/// The stream delivers a batch again until it was taken: after any failure the log is whole.
#[tokio::test]
async fn an_appender_that_fails_at_any_call_is_finished_by_the_next_delivery() {
    // More than two transactions.
    let ours: Vec<Draft> = (0..210).map(|place| draft(1, place)).collect();
    for how in ALL {
        let mut at = 0;
        while one(&MemoryLedger::new(ORIGIN), (at, how), &ours, &[]).await {
            at += 1;
        }
        assert!(at >= 6, "{how:?}: only {at} calls");
    }
}

/// The same beside an appender that works, over the same events and over others.
#[tokio::test]
async fn an_appender_that_fails_beside_another_harms_neither() {
    let ours: Vec<Draft> = (0..110).map(|place| draft(1, place)).collect();
    let others: Vec<Vec<Draft>> =
        (0..12).map(|n| (0..9).map(|place| draft(1 + n % 2, n * 11 + place)).collect()).collect();
    for how in ALL {
        let mut at = 0;
        while one(&MemoryLedger::new(ORIGIN), (at, how), &ours, &others).await {
            at += 1;
        }
        assert!(at >= 8, "{how:?}: the appenders never met: {at} calls");
    }
}

/// Both fail, each at any of its calls and each in its own way.
#[tokio::test]
async fn two_appenders_that_both_fail_are_finished_by_their_next_deliveries() {
    let ours: Vec<Draft> = (0..8).map(|place| draft(1, place)).collect();
    let theirs: Vec<Draft> = (5..13).map(|place| draft(1, place)).collect();
    let events = (0..13).map(|place| draft(1, place).event_id).collect();
    let (mut tried, mut both) = (0, 0);
    for (mine, other) in ALL.into_iter().flat_map(|mine| ALL.into_iter().map(move |other| (mine, other))) {
        for (at, other_at) in (0..3).flat_map(|at| (0..3).map(move |other_at| (at, other_at))) {
            let ledger = MemoryLedger::new(ORIGIN);
            let (one, two) = (Failing::new(&ledger, at, mine), Failing::new(&ledger, other_at, other));
            tokio::join!(one.invoke(ours.clone()), two.invoke(theirs.clone()));
            checked(&ledger).await;
            for drafts in [&ours, &theirs] {
                append(&appending(&ledger), drafts.clone()).await.expect("the next delivery");
            }
            for failing in [&one, &two] {
                let late = failing.late.lock().expect("not poisoned").take();
                if let Some(batch) = late {
                    assert_ne!(ledger.append(&batch).await, Ok(Appended::Done));
                }
            }
            holds_exactly(&ledger, &events).await;
            tried += 1;
            both += usize::from(one.failed.load(Ordering::SeqCst) && two.failed.load(Ordering::SeqCst));
        }
    }
    assert!(tried == 225 && both >= 100, "{both} of {tried}");
}
