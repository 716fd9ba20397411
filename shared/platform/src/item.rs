//! Records as items of the case table: keys, a version for conditional writes, the indexes' keys, and the record as JSON.

mod key;
#[cfg(test)]
mod tests;

pub(crate) use key::Key;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::{civil::Date, tz::TimeZone};
use leaver_domain::{
    archive,
    batch::Batch,
    brake::Brake,
    canary::Night,
    case::{CaseRecord, CaseStatus, Finding, SystemRecord},
    digest::Digest,
    export::Export,
    holds,
    id::{CaseId, EmployeeId, MeasureId, SystemId, Username},
    ledger::{
        Draft, events_of_batch, events_of_case, events_of_export, events_of_measure, events_of_orphan,
        events_of_population, events_of_review, events_of_system,
    },
    measure::{Measure, MeasureStatus},
    orphans::Orphan,
    person::{Person, PersonStatus},
    population::Population,
    ports::{EventMark, Lease, StoreError},
    reviews::Review,
    roster::Part,
    time::Timestamp,
    watch,
};
use serde::{Serialize, de::DeserializeOwned};
use std::{collections::HashMap, time::Duration};

/// An item as the SDK takes it.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// Over how many partitions the indexes spread, so that a batch of thousands does not meet in one.
pub(crate) const SHARDS: u32 = 16;

/// For how long the webhook may take to start the execution itself before the sweep does it.
const START_GRACE: Duration = Duration::from_secs(20);

/// For how long the stream and the execution may take to bring a case's rows under a checkpoint.
const SEAL_GRACE: Duration = Duration::from_secs(600);

pub(crate) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(crate) fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

fn encode(record: &impl Serialize) -> Result<AttributeValue, StoreError> {
    serde_json::to_string(record).map(text).map_err(|error| StoreError::Corrupt(error.to_string()))
}

/// The record of an item.
pub(crate) fn decode<T: DeserializeOwned>(item: &Item) -> Result<T, StoreError> {
    let missing = || StoreError::Corrupt("an item has no `doc`".to_owned());
    let doc = item.get("doc").and_then(|doc| doc.as_s().ok()).ok_or_else(missing)?;
    serde_json::from_str(doc).map_err(|error| StoreError::Corrupt(error.to_string()))
}

fn item(key: &Key, version: u64, record: &impl Serialize) -> Result<Item, StoreError> {
    let mut item = key.attributes();
    item.insert("version".into(), number(version));
    item.insert("doc".into(), encode(record)?);
    Ok(item)
}

fn shard(id: &str) -> u32 {
    id.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into())) % SHARDS
}

pub(crate) fn cases_shard(shard: u32) -> String {
    format!("CASES#{shard:02}")
}

pub(crate) fn seal_shard(shard: u32) -> String {
    format!("SEAL#{shard:02}")
}

pub(crate) fn archive_shard(shard: u32) -> String {
    format!("ARCHIVE#{shard:02}")
}

pub(crate) fn start_shard(shard: u32) -> String {
    format!("START#{shard:02}")
}

pub(crate) fn watch_shard(shard: u32) -> String {
    format!("WATCH#{shard:02}")
}

pub(crate) fn held_under(measure: &MeasureId) -> String {
    format!("HELD#{measure}")
}

/// A case's place in the list of those that are held together. It stays there, marked, when the case is held no longer:
/// nothing is ever deleted from the case table.
pub(crate) fn of_held(measure: &MeasureId, case: &CaseId, is_held: bool) -> Item {
    let mut item = Key::held(measure, case).attributes();
    if !is_held {
        item.insert("settled".into(), AttributeValue::Bool(true));
    }
    item
}

/// Where the cases about a person are listed.
pub(crate) fn cases_of(person: &Username) -> String {
    format!("CASES_OF#{person}")
}

/// Where a recorded case stands in the `due` index: at the instant from which the sweep starts it. No other has the same place, so
/// that a page may end behind any of them.
pub(crate) fn start_place(case: &CaseRecord) -> String {
    let due = case.effective_at.max(case.created_at.plus(START_GRACE));
    format!("{due}#{}", case.case_id)
}

/// The order in which people read cases that lie in the future.
pub(crate) fn by_time(cases: &mut [CaseRecord]) {
    cases.sort_by(|a, b| (a.effective_at, &a.case_id).cmp(&(b.effective_at, &b.case_id)));
}

/// Where the people stand in the `due` index who have not left, to be counted.
pub(crate) fn people_shard(shard: u32) -> String {
    format!("PEOPLE#{shard:02}")
}

/// Whether a person counts among those who are there.
pub(crate) fn is_here(person: &Person) -> bool {
    person.status != PersonStatus::Left
}

/// A person, listed under the HRIS's number, and counted as long as they have not left.
pub(crate) fn of_person(person: &Person) -> Result<Item, StoreError> {
    let mut item = item(&Key::person(&person.username), person.version, person)?;
    item.insert("list_pk".into(), text(number_of(&person.employee_id)));
    item.insert("list_sk".into(), text(person.username.as_str()));
    if is_here(person) {
        item.insert("due_pk".into(), text(people_shard(shard(person.username.as_str()))));
        item.insert("due_sk".into(), text(person.username.as_str()));
    }
    Ok(item)
}

pub(crate) fn number_of(number: &EmployeeId) -> String {
    format!("NUMBER#{number}")
}

pub(crate) fn orphans_of(system: &SystemId) -> String {
    format!("ORPHANS#{system}")
}

/// A part of a roster: whatever was in its place goes, so that its version says nothing.
pub(crate) fn of_part(part: &Part) -> Result<Item, StoreError> {
    item(&Key::part(&part.system, part.number), 1, part)
}

pub(crate) fn of_orphan(orphan: &Orphan) -> Result<Item, StoreError> {
    item(&Key::orphan(&orphan.system, &orphan.orphan_id), orphan.version, orphan)
}

/// Where batches are listed, and where those stand in the `due` index that have to be looked at.
pub(crate) const BATCHES: &str = "BATCHES";

pub(crate) fn lines_prefix(digest: &Digest) -> String {
    format!("LINES#{digest}#")
}

/// A batch, listed under its instant; in the `due` index as long as something may come of it.
pub(crate) fn of_batch(batch: &Batch) -> Result<Item, StoreError> {
    let mut item = item(&Key::batch(&batch.batch_id), batch.version, batch)?;
    item.insert("list_pk".into(), text(BATCHES));
    item.insert("list_sk".into(), text(batch_place(batch)));
    if let Some(at) = batch.look_at {
        item.insert("due_pk".into(), text(BATCHES));
        item.insert("due_sk".into(), text(at.to_string()));
    }
    Ok(item)
}

/// Where a batch stands in the list.
pub(crate) fn batch_place(batch: &Batch) -> String {
    format!("{}#{}", batch.created_at, batch.batch_id)
}

pub(crate) fn of_lease(lease: &Lease) -> Result<Item, StoreError> {
    item(&Key::lease(&lease.name), lease.version, lease)
}

pub(crate) fn of_brake(brake: &Brake) -> Result<Item, StoreError> {
    item(&Key::brake(), brake.version, brake)
}

pub(crate) fn of_canary(night: &Night) -> Result<Item, StoreError> {
    item(&Key::canary(), night.version, night)
}

/// An event's mark, listed under the day on which it was taken.
pub(crate) fn of_mark(mark: &EventMark) -> Result<Item, StoreError> {
    let mut item = item(&Key::event(&mark.source, &mark.event_id), 1, mark)?;
    let day = day_of(mark.received_at);
    item.insert("list_pk".into(), text(events_shard(day, shard(mark.event_id.as_str()))));
    item.insert("list_sk".into(), text(format!("{}#{}", mark.source, mark.event_id)));
    Ok(item)
}

pub(crate) fn of_population(record: &Population) -> Result<Item, StoreError> {
    item(&Key::population(record.day), record.version, record)
}

pub(crate) fn of_export(record: &Export) -> Result<Item, StoreError> {
    item(&Key::export(&record.export_id), record.version, record)
}

/// The day of an instant, in UTC.
pub(crate) fn day_of(at: Timestamp) -> Date {
    at.to_jiff().to_zoned(TimeZone::UTC).date()
}

pub(crate) fn events_shard(day: Date, shard: u32) -> String {
    format!("EVENTS#{day}#{shard:02}")
}

/// A case. In the `due` index it stands at the instant from which the sweep starts it, and from then on, until a
/// checkpoint covers it, at the instant from which the sweep looks after its rows; after that, at that of its next look. In the
/// `archive` index it stands then as well, where an archive is to be made, at the instant from which it is: neither waits for
/// the other.
pub(crate) fn of_case(case: &CaseRecord) -> Result<Item, StoreError> {
    let mut item = item(&Key::case(&case.case_id), case.version, case)?;
    let shard = shard(case.case_id.as_str());
    item.insert("list_pk".into(), text(cases_shard(shard)));
    item.insert("list_sk".into(), text(format!("{}#{}", case.created_at, case.case_id)));
    if case.status == CaseStatus::Recorded {
        item.insert("due_pk".into(), text(start_shard(shard)));
        item.insert("due_sk".into(), text(start_place(case)));
    } else if case.checkpoint_size.is_none() && !case.dry_run {
        item.insert("due_pk".into(), text(seal_shard(shard)));
        item.insert("due_sk".into(), text(seal_due(case).to_string()));
    } else {
        if let Some(at) = look_due(case) {
            item.insert("due_pk".into(), text(watch_shard(shard)));
            item.insert("due_sk".into(), text(at.to_string()));
        }
        if let Some(at) = archive_due(case) {
            item.insert("archive_pk".into(), text(archive_shard(shard)));
            item.insert("archive_sk".into(), text(at.to_string()));
        }
    }
    Ok(item)
}

/// From when on a case is looked at again; as long as a checkpoint does not cover its rows, that comes first.
pub(crate) fn look_due(case: &CaseRecord) -> Option<Timestamp> {
    watch::due(case).filter(|_| case.checkpoint_size.is_some()).map(|due| due.at)
}

/// From when on the sweep looks after a case's rows: longer than the stream and an execution usually take. It stays the same
/// for the case's whole life, so that the index is written once and not with every change.
pub(crate) fn seal_due(case: &CaseRecord) -> Timestamp {
    case.effective_at.max(case.created_at).plus(SEAL_GRACE)
}

/// Where approvals that wait stand in the `due` index, by what has to happen next.
pub(crate) const ASKING: &str = "ASKING";
/// Where systems with an open transfer of ownership stand in the `due` index, by the instant of the next look.
pub(crate) const TRANSFERS: &str = "TRANSFERS";
/// Where the systems of cases stand in the `due` index whose log is still to be read, by the instant of the next try. The name
/// has the system in it: what one vendor rations keeps no other's log from being read.
pub(crate) fn logs_of(system: &SystemId) -> String {
    format!("LOGS#{system}")
}
/// Where holds that have not arrived at the archive stand in the `archive` index.
pub(crate) const HOLDS: &str = "HOLDS";
/// Where systems with an open task, and open reviews, stand in the `due` index, by the instant until which it is due.
pub(crate) const TASKS: &str = "TASKS";

/// Where measures stand in the `due` index that the sweep has to look at, and from when on.
pub(crate) fn measures_shard(shard: u32) -> String {
    format!("MEASURES#{shard:02}")
}

pub(crate) fn measures_of(person: &Username) -> String {
    format!("MEASURES#{person}")
}

/// A system of a case. In the `due` index it stands while it waits for a human.
pub(crate) fn of_system(record: &SystemRecord) -> Result<Item, StoreError> {
    let mut item = item(&Key::system(&record.case_id, &record.system), record.version, record)?;
    let open = record.task.as_ref().filter(|task| task.closed.is_none());
    let due = match (record.awaited(), open) {
        (Some((_, approval)), _) => Some((ASKING.to_owned(), approval.listed_at())),
        (None, Some(task)) => Some((TASKS.to_owned(), task.due_at)),
        (None, None) => None,
    };
    let due = due.or_else(|| log_due(record).map(|at| (logs_of(&record.system), at)));
    let due = due.or_else(|| transfers_due(record).map(|at| (TRANSFERS.to_owned(), at)));
    if let Some((group, at)) = due {
        item.insert("due_pk".into(), text(group));
        item.insert("due_sk".into(), text(at.to_string()));
    }
    Ok(item)
}

/// While a human is waited for here, everything else waits as well.
fn waits(record: &SystemRecord) -> bool {
    record.task.as_ref().is_some_and(|task| task.closed.is_none()) || record.awaited().is_some()
}

/// When the log of a system is tried next.
pub(crate) fn log_due(record: &SystemRecord) -> Option<Timestamp> {
    record.log_due.filter(|_| !waits(record))
}

/// When the open transfers of a system are looked at next: not before its log was read.
pub(crate) fn transfers_due(record: &SystemRecord) -> Option<Timestamp> {
    record.transfers_due.filter(|_| !waits(record) && record.log_due.is_none())
}

/// When the archive of a case is to be made: not before a checkpoint covers what the case came to.
pub(crate) fn archive_due(case: &CaseRecord) -> Option<Timestamp> {
    archive::due(case).filter(|_| case.checkpoint_size.is_some())
}

/// When a hold, or its end, is to be brought to the archive.
pub(crate) fn hold_due(measure: &Measure) -> Option<Timestamp> {
    measure.archive_hold.as_ref().and_then(|hold| hold.look_at)
}

/// When somebody has to look at a measure next: at once while its effect is being brought about (held cases that are called
/// off are one as well), at its end while it is in force, and from its end on when that has said so.
pub(crate) fn measure_due(measure: &Measure) -> Option<Timestamp> {
    match measure.status {
        MeasureStatus::Approved => Some(measure.requested_at),
        MeasureStatus::Ending => {
            let ended = || measure.log.last().map_or(measure.requested_at, |line| line.at);
            Some(measure.look_at.unwrap_or_else(ended))
        }
        MeasureStatus::Active => measure.until,
        MeasureStatus::Denied | MeasureStatus::Expired if holds::is_due(measure) => {
            Some(measure.requested_at)
        }
        MeasureStatus::Requested | MeasureStatus::Ended | MeasureStatus::Denied | MeasureStatus::Expired => {
            None
        }
    }
}

/// A measure, listed under its person.
pub(crate) fn of_measure(measure: &Measure) -> Result<Item, StoreError> {
    let mut item = item(&Key::measure(&measure.measure_id), measure.version, measure)?;
    if let Some(person) = measure.username() {
        item.insert("list_pk".into(), text(measures_of(person)));
        item.insert("list_sk".into(), text(format!("{}#{}", measure.requested_at, measure.measure_id)));
    }
    let due = match measure.approval.is_pending() {
        true => Some((ASKING.to_owned(), measure.approval.listed_at())),
        false => measure_due(measure).map(|at| (measures_shard(shard(measure.measure_id.as_str())), at)),
    };
    if let Some((group, at)) = due {
        item.insert("due_pk".into(), text(group));
        item.insert("due_sk".into(), text(at.to_string()));
    }
    // A retention hold has an end as well, which does not wait for the archive.
    if let Some(at) = hold_due(measure) {
        item.insert("archive_pk".into(), text(HOLDS));
        item.insert("archive_sk".into(), text(at.to_string()));
    }
    Ok(item)
}

/// A review. In the `due` index it stands among the tasks while it is open.
pub(crate) fn of_review(review: &Review) -> Result<Item, StoreError> {
    let mut item = item(&Key::review(&review.review_id), review.version, review)?;
    if review.closed.is_none() {
        item.insert("due_pk".into(), text(TASKS));
        item.insert("due_sk".into(), text(review.due_at.to_string()));
    }
    Ok(item)
}

pub(crate) fn of_finding(id: &str, finding: &Finding) -> Result<Item, StoreError> {
    let mut item = item(&Key::finding(id), 1, finding)?;
    item.insert("list_pk".into(), text("FINDINGS"));
    item.insert("list_sk".into(), text(format!("{}#{id}", finding.at)));
    Ok(item)
}

/// What a change of the case table means for the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// Lines that were added to a record's log.
    Lines(Vec<Draft>),
    /// A record that keeps no log.
    Nothing,
    /// A record that should be readable and is not.
    Unreadable(String),
}

/// Reads a change of an item, given its sort key and the `doc` attributes before and after.
pub fn changed(sort_key: &str, old: Option<&str>, new: Option<&str>) -> Changed {
    let result = match sort_key {
        "CASE" => lines::<CaseRecord>(old, new, |case| case.log.len(), events_of_case),
        "POPULATION" => lines::<Population>(old, new, |day| day.log.len(), events_of_population),
        "MEASURE" => lines::<Measure>(old, new, |measure| measure.log.len(), events_of_measure),
        "REVIEW" => lines::<Review>(old, new, |review| review.log.len(), events_of_review),
        "BATCH" => lines::<Batch>(old, new, |batch| batch.log.len(), events_of_batch),
        "EXPORT" => lines::<Export>(old, new, |export| export.log.len(), events_of_export),
        key if key.starts_with("ORPHAN#") => {
            lines::<Orphan>(old, new, |orphan| orphan.log.len(), events_of_orphan)
        }
        key if key.starts_with("SYS#") => {
            lines::<SystemRecord>(old, new, |system| system.log.len(), events_of_system)
        }
        _ => return Changed::Nothing,
    };
    result.unwrap_or_else(|error| Changed::Unreadable(error.to_string()))
}

fn lines<T: DeserializeOwned>(
    old: Option<&str>,
    new: Option<&str>,
    length: impl Fn(&T) -> usize,
    events: impl Fn(&T, usize) -> Vec<Draft>,
) -> Result<Changed, serde_json::Error> {
    let Some(new) = new else { return Ok(Changed::Nothing) };
    let known = match old {
        Some(old) => length(&serde_json::from_str(old)?),
        None => 0,
    };
    let drafts = events(&serde_json::from_str(new)?, known);
    Ok(if drafts.is_empty() { Changed::Nothing } else { Changed::Lines(drafts) })
}
