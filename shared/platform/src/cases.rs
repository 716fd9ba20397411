//! The case store on DynamoDB. Every write is conditional; every read that decides something is consistent.

use crate::{
    connect::Aws,
    item::{self, Item, Key, SHARDS, cases_shard, decode, seal_shard, start_shard, text, watch_shard},
    meter::Meter,
};
use async_trait::async_trait;
use aws_sdk_dynamodb::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    types::{AttributeValue, ReturnConsumedCapacity::Total},
};
use futures_util::future::try_join_all;
use leaver_domain::{
    approval::ApprovalId,
    batch,
    brake::Brake,
    canary::Night,
    case::{CaseRecord, Finding, SystemRecord},
    digest::Digest,
    id::{BatchId, CaseId, EmployeeId, EventId, MeasureId, ReviewId, SystemId, Username},
    inventory::Inventory,
    measure::Measure,
    person::Person,
    ports::{BatchPage, CasePage, CaseStore, Change, EventMark, Lease, Opening, Recorded, StoreError},
    reviews::Review,
    tasks::TaskId,
    time::Timestamp,
};
use serde::de::DeserializeOwned;

/// Longest part of a before-state in one item, in bytes: an item can hold 400 KB.
const PART: usize = 300_000;
/// Most parts of a before-state.
const MAX_PARTS: usize = 16;

/// Most measures of one person that are shown: what one batch of reads can bring.
const MAX_MEASURES: usize = BATCH;
/// Most items of one batch of reads.
const BATCH: usize = 100;

/// The case table.
#[derive(Debug, Clone)]
pub struct DynamoCases {
    pub(crate) client: Client,
    pub(crate) table: String,
    pub(crate) meter: Meter,
}

/// What a failed call means: a lost race, or no answer.
pub(crate) fn trouble<E: ProvideErrorMetadata>(error: &SdkError<E>) -> StoreError {
    match error.code() {
        Some("ConditionalCheckFailedException") => StoreError::Conflict,
        Some("TransactionConflictException") => StoreError::Conflict,
        Some(code) => StoreError::Unavailable(format!("{code}: {}", error.message().unwrap_or_default())),
        None => StoreError::Unavailable("no answer from DynamoDB".to_owned()),
    }
}

pub(crate) fn built<T>(result: Result<T, aws_sdk_dynamodb::error::BuildError>) -> Result<T, StoreError> {
    result.map_err(|error| StoreError::Corrupt(error.to_string()))
}

/// What must hold for a record with this version to be written: that the one before is there, or that none is.
pub(crate) fn condition(version: u64) -> (&'static str, Option<AttributeValue>) {
    match version {
        0 | 1 => ("attribute_not_exists(pk)", None),
        later => ("version = :before", Some(item::number(later - 1))),
    }
}

impl DynamoCases {
    /// The table of this name.
    pub fn new(aws: &Aws, table: &str) -> Self {
        Self { client: aws.dynamodb(), table: table.to_owned(), meter: aws.meter() }
    }

    /// Opens the connection with a read that the role may do, so that the first real call finds it open.
    /// Whatever comes of it, the caller goes on.
    pub async fn warm(&self) {
        let nobody = item::Key { pk: "WARM".into(), sk: "WARM".into() };
        let _ = self.get(&nobody).await;
    }

    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        let get = self
            .client
            .get_item()
            .table_name(&self.table)
            .consistent_read(true)
            .return_consumed_capacity(Total);
        let answer = get.set_key(Some(key.attributes())).send().await.map_err(|error| trouble(&error))?;
        self.meter.read(&answer.consumed_capacity);
        Ok(answer.item)
    }

    pub(crate) async fn read<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<T>, StoreError> {
        self.get(key).await?.as_ref().map(decode).transpose()
    }

    pub(crate) async fn put(&self, item: Item, version: u64) -> Result<(), StoreError> {
        let (condition, before) = condition(version);
        let put = self.client.put_item().table_name(&self.table).condition_expression(condition);
        let put = put.return_consumed_capacity(Total);
        let put = match before {
            Some(before) => put.expression_attribute_values(":before", before),
            None => put,
        };
        let answer = put.set_item(Some(item)).send().await.map_err(|error| trouble(&error))?;
        self.meter.write(&answer.consumed_capacity);
        Ok(())
    }

    /// A write that may find the same item there already, which is then left as it is.
    pub(crate) async fn put_once(&self, item: Item) -> Result<(), StoreError> {
        match self.put(item, 1).await {
            Err(StoreError::Conflict) => Ok(()),
            other => other,
        }
    }
}

pub(crate) fn only_keys(item: &Item) -> Item {
    Key { pk: attribute(item, "pk"), sk: attribute(item, "sk") }.attributes()
}

/// What an item asks, and when something has to happen about it; `None` where the index is behind.
fn asked(item: &Item) -> Result<Option<(Timestamp, ApprovalId)>, StoreError> {
    if attribute(item, "sk") == "MEASURE" {
        let measure: Measure = decode(item)?;
        let pending = measure.approval.is_pending();
        return Ok(pending.then(|| (measure.approval.listed_at(), ApprovalId::Measure(measure.measure_id))));
    }
    let system: SystemRecord = decode(item)?;
    Ok(system.awaited().map(|(id, approval)| (approval.listed_at(), id)))
}

pub(crate) fn attribute(item: &Item, name: &str) -> String {
    item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default()
}

#[async_trait]
impl CaseStore for DynamoCases {
    async fn record(&self, opening: &Opening) -> Result<Recorded, StoreError> {
        let Err(error) = self.write_together(self.opening(opening)?).await else { return Ok(Recorded::New) };
        // Cancelled, or an answer that got lost on its way: the mark tells which of both happened.
        if let Some(known) = self.mark(&opening.mark.source, &opening.mark.event_id).await? {
            return Ok(Recorded::Known(known));
        }
        Err(error)
    }

    async fn mark(&self, source: &str, event: &EventId) -> Result<Option<EventMark>, StoreError> {
        self.read(&Key::event(source, event)).await
    }

    async fn person(&self, username: &Username) -> Result<Option<Person>, StoreError> {
        self.read(&Key::person(username)).await
    }

    async fn person_of_number(&self, number: &EmployeeId) -> Result<Option<Person>, StoreError> {
        let keys = self.all_listed(item::number_of(number), "").await?;
        let [only] = keys.as_slice() else { return Ok(None) };
        let found = self.batch(vec![only_keys(only)]).await?;
        let person: Option<Person> = found.first().map(decode).transpose()?;
        // The index may be a moment behind the record.
        Ok(person.filter(|person| person.employee_id == *number))
    }

    async fn put_person(&self, person: &Person) -> Result<(), StoreError> {
        self.put(item::of_person(person)?, person.version).await
    }

    async fn case(&self, id: &CaseId) -> Result<Option<CaseRecord>, StoreError> {
        self.read(&Key::case(id)).await
    }

    async fn put_case(&self, case: &CaseRecord) -> Result<(), StoreError> {
        self.put(item::of_case(case)?, case.version).await
    }

    async fn systems(&self, case: &CaseId) -> Result<Vec<SystemRecord>, StoreError> {
        self.under(&Key::case(case).pk, "SYS#").await?.iter().map(decode).collect()
    }

    async fn system(&self, case: &CaseId, system: &SystemId) -> Result<Option<SystemRecord>, StoreError> {
        self.read(&Key::system(case, system)).await
    }

    async fn put_system(&self, record: &SystemRecord) -> Result<(), StoreError> {
        self.put(item::of_system(record)?, record.version).await
    }

    async fn keep_before(
        &self,
        case: &CaseId,
        system: &SystemId,
        before: &Inventory,
    ) -> Result<(), StoreError> {
        let corrupt = |error: serde_json::Error| StoreError::Corrupt(error.to_string());
        let doc = serde_json::to_vec(before).map_err(corrupt)?;
        let parts: Vec<&[u8]> = doc.chunks(PART).collect();
        if parts.len() > MAX_PARTS {
            return Err(StoreError::Corrupt(format!("a before-state of {} bytes is too long", doc.len())));
        }
        // The last part first: part 0 is what a reader asks for, and it names how many there are.
        for (number, part) in parts.iter().enumerate().rev() {
            let mut item = Key::before(case, system, number).attributes();
            item.insert("part".into(), AttributeValue::B((*part).into()));
            item.insert("parts".into(), item::number(parts.len() as u64));
            self.put_once(item).await?;
        }
        Ok(())
    }

    async fn before(&self, case: &CaseId, system: &SystemId) -> Result<Option<Inventory>, StoreError> {
        let prefix = format!("BEFORE#{system}#");
        let items = self.under(&Key::case(case).pk, &prefix).await?;
        let Some(first) = items.first() else { return Ok(None) };
        let parts =
            first.get("parts").and_then(|parts| parts.as_n().ok()).and_then(|parts| parts.parse().ok());
        if parts != Some(items.len()) {
            return Ok(None);
        }
        let mut doc = Vec::new();
        for item in &items {
            doc.extend(
                item.get("part").and_then(|part| part.as_b().ok()).map_or(&[][..], |part| part.as_ref()),
            );
        }
        serde_json::from_slice(&doc).map(Some).map_err(|error| StoreError::Corrupt(error.to_string()))
    }

    async fn cases(&self, from: Option<&str>, limit: usize) -> Result<CasePage, StoreError> {
        let limit = limit.clamp(1, 100);
        let shards = (0..SHARDS).map(|shard| self.listed(cases_shard(shard), from, limit + 1));
        let mut keys: Vec<Item> = try_join_all(shards).await?.into_iter().flatten().collect();
        keys.sort_by_key(|item| std::cmp::Reverse(attribute(item, "list_sk")));
        let next = (keys.len() > limit).then(|| attribute(&keys[limit - 1], "list_sk"));
        keys.truncate(limit);
        let items = self.batch(keys.iter().map(only_keys).collect()).await?;
        let mut cases: Vec<CaseRecord> = items.iter().map(decode).collect::<Result<_, _>>()?;
        cases.sort_by(|a, b| (b.created_at, &b.case_id).cmp(&(a.created_at, &a.case_id)));
        Ok(CasePage { cases, next })
    }

    async fn cases_about(&self, person: &Username, limit: usize) -> Result<Vec<CaseRecord>, StoreError> {
        self.newest_about(person, limit).await
    }

    async fn scheduled(
        &self,
        now: Timestamp,
        from: Option<&str>,
        limit: usize,
    ) -> Result<CasePage, StoreError> {
        self.page_of_scheduled(now, from, limit).await
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<CaseId>, StoreError> {
        self.waiting((start_shard, "CASE#"), now, limit).await
    }

    async fn unsealed(&self, now: Timestamp, limit: usize) -> Result<Vec<CaseId>, StoreError> {
        self.waiting((seal_shard, "CASE#"), now, limit).await
    }

    async fn to_reverify(&self, now: Timestamp, limit: usize) -> Result<Vec<CaseId>, StoreError> {
        self.waiting((watch_shard, "CASE#"), now, limit).await
    }

    async fn open_finding(&self, id: &str, finding: &Finding) -> Result<(), StoreError> {
        self.put_once(item::of_finding(id, finding)?).await
    }

    async fn commit(&self, changes: &[Change]) -> Result<(), StoreError> {
        self.write_together(self.changes(changes)?).await
    }

    async fn measure(&self, id: &MeasureId) -> Result<Option<Measure>, StoreError> {
        self.read(&Key::measure(id)).await
    }

    async fn measures_of(&self, person: &Username) -> Result<Vec<Measure>, StoreError> {
        let mut keys = self.all_listed(item::measures_of(person), "").await?;
        keys.sort_by_key(|item| std::cmp::Reverse(attribute(item, "list_sk")));
        keys.truncate(MAX_MEASURES);
        let mut found: Vec<Measure> = self
            .batch(keys.iter().map(only_keys).collect())
            .await?
            .iter()
            .map(decode)
            .collect::<Result<_, _>>()?;
        found.sort_by(|a, b| (b.requested_at, &b.measure_id).cmp(&(a.requested_at, &a.measure_id)));
        Ok(found)
    }

    async fn measures_due(&self, now: Timestamp, limit: usize) -> Result<Vec<MeasureId>, StoreError> {
        self.waiting((item::measures_shard, "MEASURE#"), now, limit).await
    }

    async fn asking(&self, limit: usize) -> Result<Vec<ApprovalId>, StoreError> {
        let keys = self.due_by(item::ASKING.to_owned(), None, limit).await?;
        let mut found = Vec::new();
        for keys in keys.chunks(BATCH) {
            let items = self.batch(keys.iter().map(only_keys).collect()).await?;
            for item in &items {
                match asked(item) {
                    Ok(asked) => found.extend(asked),
                    // One that cannot be read keeps nobody else waiting.
                    Err(error) => tracing::error!(item = attribute(item, "pk"), %error, "cannot be read"),
                }
            }
        }
        found.sort();
        Ok(found.into_iter().map(|(_, id)| id).collect())
    }

    async fn review(&self, id: &ReviewId) -> Result<Option<Review>, StoreError> {
        self.read(&Key::review(id)).await
    }

    async fn tasks(&self, limit: usize) -> Result<Vec<TaskId>, StoreError> {
        let items = self.due_by(item::TASKS.to_owned(), None, limit).await?;
        let id = |item: &Item| {
            let pk = attribute(item, "pk");
            if let Some(review) = pk.strip_prefix("REVIEW#") {
                return Some(TaskId::Review(review.parse().ok()?));
            }
            let case = pk.strip_prefix("CASE#")?.parse().ok()?;
            Some(TaskId::System(case, attribute(item, "sk").strip_prefix("SYS#")?.parse().ok()?))
        };
        Ok(items.iter().filter_map(id).collect())
    }

    async fn brake(&self) -> Result<Brake, StoreError> {
        self.read(&Key::brake()).await.map(Option::unwrap_or_default)
    }

    async fn canary(&self) -> Result<Option<Night>, StoreError> {
        self.read(&Key::canary()).await
    }

    async fn held(&self, measure: &MeasureId, limit: usize) -> Result<Vec<CaseId>, StoreError> {
        let query = self.client.query().table_name(&self.table).consistent_read(true);
        let query = query
            .key_condition_expression("pk = :pk")
            .filter_expression("attribute_not_exists(settled)")
            .expression_attribute_values(":pk", text(item::held_under(measure)))
            .return_consumed_capacity(Total);
        let mut pages = query.into_paginator().send();
        let mut held = Vec::new();
        let id = |item: &Item| attribute(item, "sk").strip_prefix("CASE#").and_then(|id| id.parse().ok());
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| trouble(&error))?;
            self.meter.read(&page.consumed_capacity);
            held.extend(page.items.unwrap_or_default().iter().filter_map(id));
            if held.len() >= limit {
                break;
            }
        }
        held.truncate(limit);
        Ok(held)
    }

    async fn headcount(&self) -> Result<u64, StoreError> {
        Ok(try_join_all((0..SHARDS).map(|shard| self.counted(shard))).await?.into_iter().sum())
    }

    async fn people(&self, usernames: &[Username]) -> Result<Vec<Person>, StoreError> {
        self.known_people(usernames).await
    }

    async fn addressed(&self, email: &str) -> Result<Vec<Person>, StoreError> {
        self.of_address(email).await
    }

    async fn batch(&self, id: &BatchId) -> Result<Option<batch::Batch>, StoreError> {
        self.read(&Key::batch(id)).await
    }

    async fn keep_lines(
        &self,
        batch: &BatchId,
        digest: &Digest,
        lines: &[batch::Line],
    ) -> Result<(), StoreError> {
        self.put_lines(batch, digest, lines).await
    }

    async fn lines(&self, batch: &batch::Batch) -> Result<Vec<batch::Line>, StoreError> {
        self.lines_of(batch).await
    }

    async fn batches(&self, from: Option<&str>, limit: usize) -> Result<BatchPage, StoreError> {
        self.page_of_batches(from, limit).await
    }

    async fn batches_due(&self, now: Timestamp, limit: usize) -> Result<Vec<BatchId>, StoreError> {
        let items = self.due_by(item::BATCHES.to_owned(), Some(now), limit).await?;
        let id = |item: &Item| attribute(item, "pk").strip_prefix("BATCH#").and_then(|id| id.parse().ok());
        Ok(items.iter().filter_map(id).collect())
    }

    async fn lease(&self, name: &str) -> Result<Option<Lease>, StoreError> {
        self.read(&Key::lease(name)).await
    }

    async fn transfers_due(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<(CaseId, SystemId)>, StoreError> {
        let items = self.due_by(item::TRANSFERS.to_owned(), Some(now), limit).await?;
        let id = |item: &Item| {
            let case = attribute(item, "pk").strip_prefix("CASE#")?.parse().ok()?;
            Some((case, attribute(item, "sk").strip_prefix("SYS#")?.parse().ok()?))
        };
        Ok(items.iter().filter_map(id).collect())
    }

    async fn logs_due(
        &self,
        system: &SystemId,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<CaseId>, StoreError> {
        let items = self.due_by(item::logs_of(system), Some(now), limit).await?;
        let id = |item: &Item| attribute(item, "pk").strip_prefix("CASE#")?.parse().ok();
        Ok(items.iter().filter_map(id).collect())
    }

    async fn archives_due(&self, now: Timestamp, limit: usize) -> Result<Vec<CaseId>, StoreError> {
        self.waiting_in("archive", (item::archive_shard, "CASE#"), now, limit).await
    }

    async fn holds_due(&self, now: Timestamp, limit: usize) -> Result<Vec<MeasureId>, StoreError> {
        let items = self.listed_by("archive", item::HOLDS.to_owned(), Some(now), limit).await?;
        let id = |item: &Item| attribute(item, "pk").strip_prefix("MEASURE#")?.parse().ok();
        Ok(items.iter().filter_map(id).collect())
    }
}
