//! Stores that fail on demand: one call of all that are made of them, before it takes effect or after, with or without an
//! answer.

use async_trait::async_trait;
use leaver_domain::{
    approval::ApprovalId,
    batch,
    brake::Brake,
    canary::Night,
    case::{CaseRecord, Finding, SystemRecord},
    digest::Digest,
    id::{BatchId, CaseId, EmployeeId, EventId, MeasureId, ReviewId, SystemId, Username},
    inventory::Inventory,
    ledger::{Draft, Head},
    measure::Measure,
    person::Person,
    ports::{
        Appended, Batch, BatchPage, CasePage, CaseStore, Change, EventMark, Lease, LedgerStore, Located,
        Opening, Present, Recorded, Row, StoreError,
    },
    reviews::Review,
    tasks::TaskId,
    time::Timestamp,
};
use std::{
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
};
use tokio::sync::Notify;

/// When a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Nothing happens, and the caller is told that something went wrong.
    Before,
    /// It happens, and the caller is told that something went wrong.
    After,
    /// Nothing happens, and no answer comes: the invocation's time runs out.
    SilentBefore,
    /// It happens, and no answer comes.
    SilentAfter,
}

impl When {
    /// Every way.
    pub const ALL: [Self; 4] = [Self::Before, Self::After, Self::SilentBefore, Self::SilentAfter];
}

/// Fails one call out of all that are made of the stores that share it, then everything works again.
#[derive(Debug)]
pub struct Fuse {
    when: When,
    left: AtomicI64,
    silent: Notify,
}

impl Fuse {
    /// Fails the call with this number, from 0.
    pub fn at(call: i64, when: When) -> Self {
        Self { when, left: AtomicI64::new(call), silent: Notify::new() }
    }

    /// Whether the call was reached.
    pub fn has_blown(&self) -> bool {
        self.left.load(Ordering::SeqCst) < 0
    }

    async fn go<T>(&self, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        if self.left.fetch_sub(1, Ordering::SeqCst) != 0 {
            return call.await;
        }
        if matches!(self.when, When::After | When::SilentAfter) {
            call.await?;
        }
        if matches!(self.when, When::SilentBefore | When::SilentAfter) {
            self.silent.notify_one();
            return std::future::pending().await;
        }
        Err(StoreError::Unavailable("injected".into()))
    }

    /// An invocation: its result, or `None` where it waits for an answer that never comes and its time runs out.
    pub async fn invocation<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            result = work => Some(result),
            () = self.silent.notified() => None,
        }
    }
}

/// The case store behind a fuse.
pub struct Failing<'a> {
    inner: &'a dyn CaseStore,
    fuse: Arc<Fuse>,
    meets: Mutex<Option<Vec<Change>>>,
    races: Mutex<Option<Vec<Change>>>,
    turns: AtomicI64,
    meanwhile: Mutex<Option<Box<dyn FnOnce() + Send + 'a>>>,
}

impl<'a> Failing<'a> {
    /// Fails the call with this number, from 0.
    pub fn at(inner: &'a dyn CaseStore, call: i64, when: When) -> Self {
        Self::behind(inner, Arc::new(Fuse::at(call, when)))
    }

    /// Behind a fuse that other stores share.
    pub fn behind(inner: &'a dyn CaseStore, fuse: Arc<Fuse>) -> Self {
        let (meets, races, meanwhile) = (Mutex::new(None), Mutex::new(None), Mutex::new(None));
        Self { inner, fuse, meets, races, turns: AtomicI64::new(0), meanwhile }
    }

    /// Fails nothing; somebody else does this right before the call with this number, from 0.
    pub fn beside(inner: &'a dyn CaseStore, call: i64, what: impl FnOnce() + Send + 'a) -> Self {
        let plain = Self::at(inner, i64::MAX, When::Before);
        Self { turns: AtomicI64::new(call), meanwhile: Mutex::new(Some(Box::new(what))), ..plain }
    }

    /// Fails nothing; somebody else writes these changes right after the held cases were listed for the first time.
    pub fn meeting(inner: &'a dyn CaseStore, changes: Vec<Change>) -> Self {
        let fuse = Arc::new(Fuse::at(i64::MAX, When::Before));
        Self { meets: Mutex::new(Some(changes)), ..Self::behind(inner, fuse) }
    }

    /// Fails nothing; somebody else writes these changes right before a trigger is recorded for the first time.
    pub fn racing(inner: &'a dyn CaseStore, changes: Vec<Change>) -> Self {
        let fuse = Arc::new(Fuse::at(i64::MAX, When::Before));
        Self { races: Mutex::new(Some(changes)), ..Self::behind(inner, fuse) }
    }

    /// Whether the call was reached.
    pub fn has_failed(&self) -> bool {
        self.fuse.has_blown()
    }

    /// Whether the call was reached before which somebody else does something.
    pub fn has_met(&self) -> bool {
        self.meanwhile.lock().expect("not poisoned").is_none()
    }

    async fn go<T>(&self, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        // As over a network, others get their turn between two calls.
        tokio::task::yield_now().await;
        if self.turns.fetch_sub(1, Ordering::SeqCst) == 0 {
            let meanwhile = self.meanwhile.lock().expect("not poisoned").take();
            if let Some(meanwhile) = meanwhile {
                meanwhile();
            }
        }
        self.fuse.go(call).await
    }
}

/// The log behind a fuse.
pub struct FailingLog<'a> {
    inner: &'a dyn LedgerStore,
    fuse: Arc<Fuse>,
}

impl<'a> FailingLog<'a> {
    /// Behind a fuse that other stores share.
    pub fn behind(inner: &'a dyn LedgerStore, fuse: Arc<Fuse>) -> Self {
        Self { inner, fuse }
    }
}

#[async_trait]
impl LedgerStore for FailingLog<'_> {
    async fn head(&self) -> Result<Head, StoreError> {
        self.fuse.go(self.inner.head()).await
    }
    async fn present(&self, drafts: &[Draft]) -> Result<Vec<Present>, StoreError> {
        self.fuse.go(self.inner.present(drafts)).await
    }
    async fn append(&self, batch: &Batch) -> Result<Appended, StoreError> {
        self.fuse.go(self.inner.append(batch)).await
    }
    async fn rows(&self, from: u64, limit: usize) -> Result<Vec<Row>, StoreError> {
        self.fuse.go(self.inner.rows(from, limit)).await
    }
    async fn locate(&self, drafts: &[Draft]) -> Result<Vec<Located>, StoreError> {
        self.fuse.go(self.inner.locate(drafts)).await
    }
    async fn places_of(&self, case: &str) -> Result<Vec<u64>, StoreError> {
        self.fuse.go(self.inner.places_of(case)).await
    }
    async fn checkpoint(&self) -> Result<Option<String>, StoreError> {
        self.fuse.go(self.inner.checkpoint()).await
    }
    async fn keep_checkpoint(&self, size: u64, note: &str) -> Result<(), StoreError> {
        self.fuse.go(self.inner.keep_checkpoint(size, note)).await
    }
}

#[async_trait]
impl CaseStore for Failing<'_> {
    async fn record(&self, opening: &Opening) -> Result<Recorded, StoreError> {
        let changes = self.races.lock().expect("not poisoned").take();
        if let Some(changes) = changes {
            self.inner.commit(&changes).await?;
        }
        self.go(self.inner.record(opening)).await
    }
    async fn mark(&self, source: &str, event: &EventId) -> Result<Option<EventMark>, StoreError> {
        self.go(self.inner.mark(source, event)).await
    }
    async fn person(&self, username: &Username) -> Result<Option<Person>, StoreError> {
        self.go(self.inner.person(username)).await
    }
    async fn person_of_number(&self, number: &EmployeeId) -> Result<Option<Person>, StoreError> {
        self.go(self.inner.person_of_number(number)).await
    }
    async fn put_person(&self, person: &Person) -> Result<(), StoreError> {
        self.go(self.inner.put_person(person)).await
    }
    async fn case(&self, id: &CaseId) -> Result<Option<CaseRecord>, StoreError> {
        self.go(self.inner.case(id)).await
    }
    async fn put_case(&self, case: &CaseRecord) -> Result<(), StoreError> {
        self.go(self.inner.put_case(case)).await
    }
    async fn systems(&self, case: &CaseId) -> Result<Vec<SystemRecord>, StoreError> {
        self.go(self.inner.systems(case)).await
    }
    async fn system(&self, case: &CaseId, system: &SystemId) -> Result<Option<SystemRecord>, StoreError> {
        self.go(self.inner.system(case, system)).await
    }
    async fn put_system(&self, record: &SystemRecord) -> Result<(), StoreError> {
        self.go(self.inner.put_system(record)).await
    }
    async fn keep_before(
        &self,
        case: &CaseId,
        system: &SystemId,
        before: &Inventory,
    ) -> Result<(), StoreError> {
        self.go(self.inner.keep_before(case, system, before)).await
    }
    async fn before(&self, case: &CaseId, system: &SystemId) -> Result<Option<Inventory>, StoreError> {
        self.go(self.inner.before(case, system)).await
    }
    async fn cases(&self, from: Option<&str>, limit: usize) -> Result<CasePage, StoreError> {
        self.go(self.inner.cases(from, limit)).await
    }
    async fn cases_about(&self, person: &Username, limit: usize) -> Result<Vec<CaseRecord>, StoreError> {
        self.go(self.inner.cases_about(person, limit)).await
    }
    async fn scheduled(
        &self,
        now: Timestamp,
        from: Option<&str>,
        limit: usize,
    ) -> Result<CasePage, StoreError> {
        self.go(self.inner.scheduled(now, from, limit)).await
    }
    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<CaseId>, StoreError> {
        self.go(self.inner.due(now, limit)).await
    }
    async fn canary(&self) -> Result<Option<Night>, StoreError> {
        self.go(self.inner.canary()).await
    }
    async fn to_reverify(&self, now: Timestamp, limit: usize) -> Result<Vec<CaseId>, StoreError> {
        self.go(self.inner.to_reverify(now, limit)).await
    }
    async fn unsealed(&self, now: Timestamp, limit: usize) -> Result<Vec<CaseId>, StoreError> {
        self.go(self.inner.unsealed(now, limit)).await
    }
    async fn open_finding(&self, id: &str, finding: &Finding) -> Result<(), StoreError> {
        self.go(self.inner.open_finding(id, finding)).await
    }
    async fn commit(&self, changes: &[Change]) -> Result<(), StoreError> {
        self.go(self.inner.commit(changes)).await
    }
    async fn measure(&self, id: &MeasureId) -> Result<Option<Measure>, StoreError> {
        self.go(self.inner.measure(id)).await
    }
    async fn measures_of(&self, person: &Username) -> Result<Vec<Measure>, StoreError> {
        self.go(self.inner.measures_of(person)).await
    }
    async fn measures_due(&self, now: Timestamp, limit: usize) -> Result<Vec<MeasureId>, StoreError> {
        self.go(self.inner.measures_due(now, limit)).await
    }
    async fn asking(&self, limit: usize) -> Result<Vec<ApprovalId>, StoreError> {
        self.go(self.inner.asking(limit)).await
    }
    async fn review(&self, id: &ReviewId) -> Result<Option<Review>, StoreError> {
        self.go(self.inner.review(id)).await
    }
    async fn tasks(&self, limit: usize) -> Result<Vec<TaskId>, StoreError> {
        self.go(self.inner.tasks(limit)).await
    }
    async fn brake(&self) -> Result<Brake, StoreError> {
        self.go(self.inner.brake()).await
    }
    async fn held(&self, measure: &MeasureId, limit: usize) -> Result<Vec<CaseId>, StoreError> {
        let held = self.go(self.inner.held(measure, limit)).await;
        let changes = self.meets.lock().expect("not poisoned").take();
        if let Some(changes) = changes {
            self.inner.commit(&changes).await?;
        }
        held
    }
    async fn headcount(&self) -> Result<u64, StoreError> {
        self.go(self.inner.headcount()).await
    }
    async fn people(&self, usernames: &[Username]) -> Result<Vec<Person>, StoreError> {
        self.go(self.inner.people(usernames)).await
    }
    async fn addressed(&self, email: &str) -> Result<Vec<Person>, StoreError> {
        self.go(self.inner.addressed(email)).await
    }
    async fn batch(&self, id: &BatchId) -> Result<Option<batch::Batch>, StoreError> {
        self.go(self.inner.batch(id)).await
    }
    async fn keep_lines(
        &self,
        batch: &BatchId,
        digest: &Digest,
        lines: &[batch::Line],
    ) -> Result<(), StoreError> {
        self.go(self.inner.keep_lines(batch, digest, lines)).await
    }
    async fn lines(&self, batch: &batch::Batch) -> Result<Vec<batch::Line>, StoreError> {
        self.go(self.inner.lines(batch)).await
    }
    async fn batches(&self, from: Option<&str>, limit: usize) -> Result<BatchPage, StoreError> {
        self.go(self.inner.batches(from, limit)).await
    }
    async fn batches_due(&self, now: Timestamp, limit: usize) -> Result<Vec<BatchId>, StoreError> {
        self.go(self.inner.batches_due(now, limit)).await
    }
    async fn lease(&self, name: &str) -> Result<Option<Lease>, StoreError> {
        self.go(self.inner.lease(name)).await
    }
    async fn transfers_due(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<(CaseId, SystemId)>, StoreError> {
        self.go(self.inner.transfers_due(now, limit)).await
    }
    async fn logs_due(
        &self,
        system: &SystemId,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<CaseId>, StoreError> {
        self.go(self.inner.logs_due(system, now, limit)).await
    }
    async fn archives_due(&self, now: Timestamp, limit: usize) -> Result<Vec<CaseId>, StoreError> {
        self.go(self.inner.archives_due(now, limit)).await
    }
    async fn holds_due(&self, now: Timestamp, limit: usize) -> Result<Vec<MeasureId>, StoreError> {
        self.go(self.inner.holds_due(now, limit)).await
    }
}
