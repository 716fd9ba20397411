//! The stores in memory, with the same rules as on DynamoDB, for tests without an emulator.

mod ledger;
mod lists;
mod pace;
mod rosters;
mod workflow;

pub use ledger::MemoryLedger;
pub use pace::MemoryPace;
pub use workflow::MemoryWorkflow;

use crate::item;
use async_trait::async_trait;
use jiff::civil::Date;
use leaver_domain::{
    approval::ApprovalId,
    batch,
    brake::Brake,
    canary::Night,
    case::{CaseRecord, CaseStatus, Finding, SystemRecord},
    digest::Digest,
    export::Export,
    id::{BatchId, CaseId, EmployeeId, EventId, MeasureId, ReviewId, SystemId, Username},
    inventory::Inventory,
    measure::Measure,
    person::Person,
    population::Population,
    ports::{
        BatchPage, CasePage, CaseStore, Change, EventMark, EvidenceStore, Lease, Opening, Recorded,
        StoreError,
    },
    reviews::Review,
    tasks::TaskId,
    time::Timestamp,
};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// What a write changed, as the stream would tell it: sort key, record before, record after.
pub type Written = (String, Option<String>, String);

#[derive(Debug, Default, Clone)]
struct Table {
    items: BTreeMap<(String, String), (u64, String)>,
    /// The partition keys of the items that are found by their kind.
    kinds: BTreeMap<String, BTreeSet<String>>,
    changes: Vec<Written>,
}

/// The case table.
#[derive(Debug, Default)]
pub struct MemoryCases(Mutex<Table>);

pub(crate) fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

fn parse<T: DeserializeOwned>(doc: &str) -> Result<T, StoreError> {
    serde_json::from_str(doc).map_err(|error| StoreError::Corrupt(error.to_string()))
}

fn print(record: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(record).map_err(|error| StoreError::Corrupt(error.to_string()))
}

impl Table {
    fn fits(&self, key: &item::Key, version: u64) -> bool {
        let there = self.items.get(&(key.pk.clone(), key.sk.clone())).map(|(version, _)| *version);
        there == version.checked_sub(1).filter(|before| *before > 0)
    }
    fn put(&mut self, key: item::Key, version: u64, doc: String) {
        if !key.sk.contains('#') {
            self.kinds.entry(key.sk.clone()).or_default().insert(key.pk.clone());
        }
        let old = self.items.insert((key.pk, key.sk.clone()), (version, doc.clone()));
        self.changes.push((key.sk, old.map(|(_, doc)| doc), doc));
    }
}

impl MemoryCases {
    /// Everything written so far, in order.
    pub fn changes(&self) -> Vec<Written> {
        lock(&self.0).changes.clone()
    }

    /// Another table with the same items.
    pub fn copy(&self) -> Self {
        Self(Mutex::new(lock(&self.0).clone()))
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        lock(&self.0).items.len()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn read<T: DeserializeOwned>(&self, key: &item::Key) -> Result<Option<T>, StoreError> {
        let table = lock(&self.0);
        table.items.get(&(key.pk.clone(), key.sk.clone())).map(|(_, doc)| parse(doc)).transpose()
    }

    fn write(&self, key: item::Key, version: u64, record: &impl Serialize) -> Result<(), StoreError> {
        let mut table = lock(&self.0);
        if !table.fits(&key, version) {
            return Err(StoreError::Conflict);
        }
        table.put(key, version, print(record)?);
        Ok(())
    }

    fn once(&self, key: item::Key, record: &impl Serialize) -> Result<(), StoreError> {
        match self.write(key, 1, record) {
            Err(StoreError::Conflict) => Ok(()),
            other => other,
        }
    }

    fn all_cases(&self) -> Result<Vec<CaseRecord>, StoreError> {
        self.all("CASE")
    }
}

#[async_trait]
impl CaseStore for MemoryCases {
    async fn record(&self, opening: &Opening) -> Result<Recorded, StoreError> {
        if let Some(known) = self.mark(&opening.mark.source, &opening.mark.event_id).await? {
            return Ok(Recorded::Known(known));
        }
        let mark = &opening.mark;
        let mut writes = vec![(item::Key::event(&mark.source, &mark.event_id), 1, print(mark)?)];
        if let Some(person) = &opening.person {
            writes.push((item::Key::person(&person.username), person.version, print(person)?));
        }
        if let Some((case, systems)) = &opening.case {
            writes.push((item::Key::case(&case.case_id), 1, print(case)?));
            for system in systems {
                writes.push((item::Key::system(&case.case_id, &system.system), 1, print(system)?));
            }
        }
        if let Some(measure) = &opening.measure {
            writes.push((item::Key::measure(&measure.measure_id), 1, print(measure)?));
        }
        if let Some(ahead) = &opening.ahead {
            writes.push((item::Key::case(&ahead.case_id), ahead.version, print(ahead)?));
        }
        let mut table = lock(&self.0);
        if !writes.iter().all(|(key, version, _)| table.fits(key, *version)) {
            return Err(StoreError::Conflict);
        }
        writes.into_iter().for_each(|(key, version, doc)| table.put(key, version, doc));
        Ok(Recorded::New)
    }
    async fn mark(&self, source: &str, event: &EventId) -> Result<Option<EventMark>, StoreError> {
        self.read(&item::Key::event(source, event))
    }
    async fn person(&self, username: &Username) -> Result<Option<Person>, StoreError> {
        self.read(&item::Key::person(username))
    }
    async fn person_of_number(&self, number: &EmployeeId) -> Result<Option<Person>, StoreError> {
        let mut people: Vec<Person> = self.all("PERSON")?;
        people.retain(|person| person.employee_id == *number);
        Ok(if people.len() == 1 { people.pop() } else { None })
    }
    async fn put_person(&self, person: &Person) -> Result<(), StoreError> {
        self.write(item::Key::person(&person.username), person.version, person)
    }
    async fn case(&self, id: &CaseId) -> Result<Option<CaseRecord>, StoreError> {
        self.read(&item::Key::case(id))
    }
    async fn put_case(&self, case: &CaseRecord) -> Result<(), StoreError> {
        self.write(item::Key::case(&case.case_id), case.version, case)
    }
    async fn systems(&self, case: &CaseId) -> Result<Vec<SystemRecord>, StoreError> {
        let (pk, table) = (item::Key::case(case).pk, lock(&self.0));
        let ours = table.items.iter().filter(|((of, sk), _)| *of == pk && sk.starts_with("SYS#"));
        ours.map(|(_, (_, doc))| parse(doc)).collect()
    }
    async fn system(&self, case: &CaseId, system: &SystemId) -> Result<Option<SystemRecord>, StoreError> {
        self.read(&item::Key::system(case, system))
    }
    async fn put_system(&self, record: &SystemRecord) -> Result<(), StoreError> {
        self.write(item::Key::system(&record.case_id, &record.system), record.version, record)
    }
    async fn keep_before(
        &self,
        case: &CaseId,
        system: &SystemId,
        before: &Inventory,
    ) -> Result<(), StoreError> {
        self.once(item::Key::before(case, system, 0), before)
    }
    async fn before(&self, case: &CaseId, system: &SystemId) -> Result<Option<Inventory>, StoreError> {
        self.read(&item::Key::before(case, system, 0))
    }
    async fn cases(&self, from: Option<&str>, limit: usize) -> Result<CasePage, StoreError> {
        let key = |case: &CaseRecord| format!("{}#{}", case.created_at, case.case_id);
        let mut cases = self.all_cases()?;
        cases.retain(|case| from.is_none_or(|from| key(case).as_str() < from));
        cases.sort_by_key(|case| std::cmp::Reverse(key(case)));
        let next = (cases.len() > limit).then(|| cases.get(limit - 1).map(key)).flatten();
        cases.truncate(limit);
        Ok(CasePage { cases, next })
    }
    async fn cases_about(&self, person: &Username, limit: usize) -> Result<Vec<CaseRecord>, StoreError> {
        self.newest_about(person, limit)
    }
    async fn scheduled(
        &self,
        now: Timestamp,
        from: Option<&str>,
        limit: usize,
    ) -> Result<CasePage, StoreError> {
        self.page_of_scheduled(now, from, limit)
    }
    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<CaseId>, StoreError> {
        let grace = std::time::Duration::from_secs(20);
        let is_due = |case: &CaseRecord| {
            case.status == CaseStatus::Recorded && case.effective_at.max(case.created_at.plus(grace)) <= now
        };
        let cases = self.all_cases()?;
        Ok(cases.into_iter().filter(is_due).map(|case| case.case_id).take(limit).collect())
    }
    async fn unsealed(&self, now: Timestamp, limit: usize) -> Result<Vec<CaseId>, StoreError> {
        let waits = |case: &CaseRecord| {
            let open = case.status != CaseStatus::Recorded && case.checkpoint_size.is_none() && !case.dry_run;
            open && item::seal_due(case) <= now
        };
        Ok(self.all_cases()?.into_iter().filter(waits).map(|case| case.case_id).take(limit).collect())
    }
    async fn to_reverify(&self, now: Timestamp, limit: usize) -> Result<Vec<CaseId>, StoreError> {
        let due = |case: CaseRecord| Some((item::look_due(&case).filter(|at| *at <= now)?, case.case_id));
        let mut due: Vec<_> = self.all_cases()?.into_iter().filter_map(due).collect();
        due.sort();
        Ok(due.into_iter().map(|(_, id)| id).take(limit).collect())
    }
    async fn open_finding(&self, id: &str, finding: &Finding) -> Result<(), StoreError> {
        self.once(item::Key::finding(id), finding)
    }
    async fn commit(&self, changes: &[Change]) -> Result<(), StoreError> {
        let (mut writes, mut lists) = (Vec::new(), Vec::new());
        for change in changes {
            writes.push(match change {
                Change::Case(case) => (item::Key::case(&case.case_id), case.version, print(case)?),
                Change::System(of) => (item::Key::system(&of.case_id, &of.system), of.version, print(of)?),
                Change::Person(of) => (item::Key::person(&of.username), of.version, print(of)?),
                Change::Measure(of) => (item::Key::measure(&of.measure_id), of.version, print(of)?),
                Change::Review(of) => (item::Key::review(&of.review_id), of.version, print(of)?),
                Change::Brake(brake) => (item::Key::brake(), brake.version, print(brake)?),
                Change::Orphan(of) => (item::Key::orphan(&of.system, &of.orphan_id), of.version, print(of)?),
                Change::Canary(night) => (item::Key::canary(), night.version, print(night)?),
                Change::Batch(of) => (item::Key::batch(&of.batch_id), of.version, print(of)?),
                Change::Lease(of) => (item::Key::lease(&of.name), of.version, print(of)?),
                Change::Hold(measure, case) => {
                    lists.push((item::Key::held(measure, case), true));
                    continue;
                }
                Change::Unhold(measure, case) => {
                    lists.push((item::Key::held(measure, case), false));
                    continue;
                }
            });
        }
        let mut table = lock(&self.0);
        if !writes.iter().all(|(key, version, _)| table.fits(key, *version)) {
            return Err(StoreError::Conflict);
        }
        writes.into_iter().for_each(|(key, version, doc)| table.put(key, version, doc));
        for (key, listed) in lists {
            match listed {
                true => drop(table.items.insert((key.pk, key.sk), (1, String::new()))),
                false => drop(table.items.remove(&(key.pk, key.sk))),
            }
        }
        Ok(())
    }
    async fn measure(&self, id: &MeasureId) -> Result<Option<Measure>, StoreError> {
        self.read(&item::Key::measure(id))
    }
    async fn measures_of(&self, person: &Username) -> Result<Vec<Measure>, StoreError> {
        let mut measures: Vec<Measure> = self.all("MEASURE")?;
        measures.retain(|measure| measure.username() == Some(person));
        measures.sort_by(|a, b| (b.requested_at, &b.measure_id).cmp(&(a.requested_at, &a.measure_id)));
        Ok(measures)
    }
    async fn measures_due(&self, now: Timestamp, limit: usize) -> Result<Vec<MeasureId>, StoreError> {
        let measures: Vec<Measure> = self.all("MEASURE")?;
        let due = |measure: Measure| {
            let at = item::measure_due(&measure).filter(|at| *at <= now && !measure.approval.is_pending())?;
            Some((at, measure.measure_id))
        };
        let mut due: Vec<_> = measures.into_iter().filter_map(due).collect();
        due.sort();
        Ok(due.into_iter().map(|(_, id)| id).take(limit).collect())
    }
    async fn asking(&self, limit: usize) -> Result<Vec<ApprovalId>, StoreError> {
        let mut found: Vec<(Timestamp, ApprovalId)> = Vec::new();
        for system in self.all_systems()? {
            found.extend(system.awaited().map(|(id, approval)| (approval.listed_at(), id)));
        }
        let measures: Vec<Measure> = self.all("MEASURE")?;
        let asking = measures.into_iter().filter(|measure| measure.approval.is_pending());
        found.extend(asking.map(|of| (of.approval.listed_at(), ApprovalId::Measure(of.measure_id))));
        found.sort();
        Ok(found.into_iter().map(|(_, id)| id).take(limit).collect())
    }
    async fn review(&self, id: &ReviewId) -> Result<Option<Review>, StoreError> {
        self.read(&item::Key::review(id))
    }
    async fn tasks(&self, limit: usize) -> Result<Vec<TaskId>, StoreError> {
        let open = |system: SystemRecord| {
            let task = system.task.filter(|task| task.closed.is_none())?;
            system
                .approval
                .is_none_or(|approval| !approval.is_pending())
                .then_some((task.due_at, TaskId::System(system.case_id, system.system)))
        };
        let mut found: Vec<_> = self.all_systems()?.into_iter().filter_map(open).collect();
        let reviews: Vec<Review> = self.all("REVIEW")?;
        let open = reviews.into_iter().filter(|review| review.closed.is_none());
        found.extend(open.map(|review| (review.due_at, TaskId::Review(review.review_id))));
        found.sort();
        Ok(found.into_iter().map(|(_, of)| of).take(limit).collect())
    }
    async fn brake(&self) -> Result<Brake, StoreError> {
        self.read(&item::Key::brake()).map(Option::unwrap_or_default)
    }
    async fn canary(&self) -> Result<Option<Night>, StoreError> {
        self.read(&item::Key::canary())
    }
    async fn held(&self, measure: &MeasureId, limit: usize) -> Result<Vec<CaseId>, StoreError> {
        let (of, table) = (item::held_under(measure), lock(&self.0));
        let ours = table.items.keys().filter(|(pk, _)| *pk == of);
        let id = |(_, sk): &(String, String)| sk.strip_prefix("CASE#").and_then(|id| id.parse().ok());
        Ok(ours.filter_map(id).take(limit).collect())
    }
    async fn headcount(&self) -> Result<u64, StoreError> {
        let people: Vec<Person> = self.all("PERSON")?;
        Ok(people.iter().filter(|person| item::is_here(person)).count() as u64)
    }
    async fn people(&self, usernames: &[Username]) -> Result<Vec<Person>, StoreError> {
        let people = usernames.iter().filter_map(|name| self.read(&item::Key::person(name)).transpose());
        people.collect()
    }
    async fn addressed(&self, email: &str) -> Result<Vec<Person>, StoreError> {
        let mut people: Vec<Person> = self.all("PERSON")?;
        people.retain(|person| item::is_here(person) && person.email.eq_ignore_ascii_case(email));
        Ok(people)
    }
    async fn batch(&self, id: &BatchId) -> Result<Option<batch::Batch>, StoreError> {
        self.read(&item::Key::batch(id))
    }
    async fn keep_lines(
        &self,
        batch: &BatchId,
        digest: &Digest,
        lines: &[batch::Line],
    ) -> Result<(), StoreError> {
        self.once(item::Key::lines(batch, digest, 0), &lines)
    }
    async fn lines(&self, batch: &batch::Batch) -> Result<Vec<batch::Line>, StoreError> {
        let lines = self.read(&item::Key::lines(&batch.batch_id, &batch.lines, 0))?;
        lines.ok_or_else(|| StoreError::Corrupt(format!("{} has no lines", batch.batch_id)))
    }
    async fn batches(&self, from: Option<&str>, limit: usize) -> Result<BatchPage, StoreError> {
        let mut batches: Vec<batch::Batch> = self.all("BATCH")?;
        batches.retain(|batch| from.is_none_or(|from| item::batch_place(batch).as_str() < from));
        batches.sort_by_key(|batch| std::cmp::Reverse(item::batch_place(batch)));
        let next = (batches.len() > limit).then(|| batches.get(limit - 1).map(item::batch_place)).flatten();
        batches.truncate(limit);
        Ok(BatchPage { batches, next })
    }
    async fn batches_due(&self, now: Timestamp, limit: usize) -> Result<Vec<BatchId>, StoreError> {
        let batches: Vec<batch::Batch> = self.all("BATCH")?;
        let mut due: Vec<_> = batches
            .into_iter()
            .filter_map(|batch| Some((batch.look_at.filter(|at| *at <= now)?, batch.batch_id)))
            .collect();
        due.sort();
        Ok(due.into_iter().map(|(_, id)| id).take(limit).collect())
    }
    async fn lease(&self, name: &str) -> Result<Option<Lease>, StoreError> {
        self.read(&item::Key::lease(name))
    }
    async fn transfers_due(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<(CaseId, SystemId)>, StoreError> {
        let due = |system: &SystemRecord| item::transfers_due(system).is_some_and(|at| at <= now);
        let due = self.all_systems()?.into_iter().filter(due);
        Ok(due.map(|system| (system.case_id, system.system)).take(limit).collect())
    }
    async fn logs_due(
        &self,
        system: &SystemId,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<CaseId>, StoreError> {
        let due = |record: SystemRecord| Some((item::log_due(&record)?, record.case_id));
        let of = self.all_systems()?.into_iter().filter(|record| record.system == *system);
        let mut due: Vec<(Timestamp, CaseId)> = of.filter_map(due).filter(|(at, _)| *at <= now).collect();
        due.sort();
        Ok(due.into_iter().map(|(_, id)| id).take(limit).collect())
    }
    async fn archives_due(&self, now: Timestamp, limit: usize) -> Result<Vec<CaseId>, StoreError> {
        let due = |case: &CaseRecord| item::archive_due(case).is_some_and(|at| at <= now);
        Ok(self.all_cases()?.into_iter().filter(due).map(|case| case.case_id).take(limit).collect())
    }
    async fn holds_due(&self, now: Timestamp, limit: usize) -> Result<Vec<MeasureId>, StoreError> {
        let measures: Vec<Measure> = self.all("MEASURE")?;
        let due = |measure: &Measure| item::hold_due(measure).is_some_and(|at| at <= now);
        Ok(measures.into_iter().filter(due).map(|measure| measure.measure_id).take(limit).collect())
    }
}

impl MemoryCases {
    fn all_systems(&self) -> Result<Vec<SystemRecord>, StoreError> {
        let table = lock(&self.0);
        let systems = table.items.iter().filter(|((_, sk), _)| sk.starts_with("SYS#"));
        systems.map(|(_, (_, doc))| parse(doc)).collect()
    }

    fn all<T: DeserializeOwned>(&self, wanted: &str) -> Result<Vec<T>, StoreError> {
        let table = lock(&self.0);
        let of_kind = table.kinds.get(wanted).into_iter().flatten();
        let item = |pk: &String| table.items.get(&(pk.clone(), wanted.to_owned()));
        of_kind.filter_map(item).map(|(_, doc)| parse(doc)).collect()
    }
}

#[async_trait]
impl EvidenceStore for MemoryCases {
    async fn events_of(&self, day: Date) -> Result<Vec<EventMark>, StoreError> {
        let mut marks: Vec<EventMark> = self.all("EVENT")?;
        marks.retain(|mark| item::day_of(mark.received_at) == day);
        Ok(marks)
    }
    async fn cases_of(&self, day: Date) -> Result<BTreeSet<CaseId>, StoreError> {
        let cases = self.all_cases()?.into_iter().filter(|case| item::day_of(case.created_at) == day);
        Ok(cases.map(|case| case.case_id).collect())
    }
    async fn findings_of(&self, day: Date, kinds: &[&str]) -> Result<usize, StoreError> {
        let findings: Vec<Finding> = self.all("FINDING")?;
        let ours = |one: &&Finding| item::day_of(one.at) == day && kinds.contains(&one.kind.as_str());
        Ok(findings.iter().filter(ours).count())
    }
    async fn population(&self, day: Date) -> Result<Option<Population>, StoreError> {
        self.read(&item::Key::population(day))
    }
    async fn keep_population(&self, record: &Population) -> Result<(), StoreError> {
        self.once(item::Key::population(record.day), record)
    }
    async fn export(&self, id: &str) -> Result<Option<Export>, StoreError> {
        self.read(&item::Key::export(id))
    }
    async fn put_export(&self, record: &Export) -> Result<(), StoreError> {
        self.write(item::Key::export(&record.export_id), record.version, record)
    }
}
