//! A batch that is held as a whole: the one request about it, and what becomes of it.

use super::{cancel::withdrawn, decided, over, request::request, tolerate};
use crate::{
    approval::{ApprovalStatus, Concerned},
    batch::{Batch, BatchStatus, Hold, Line, Released},
    id::{BatchId, Username},
    measure::{Measure, What},
    policy::Policy,
    ports::{CaseStore, Change, Execution, StoreError, Workflow},
    time::Timestamp,
};
use serde_json::json;
use std::collections::BTreeSet;

/// Who must not decide about a batch: whoever asked for it, or stands in it.
pub(super) async fn barred(store: &dyn CaseStore, id: &BatchId) -> Result<BTreeSet<Username>, StoreError> {
    let Some(batch) = store.batch(id).await? else { return Ok(BTreeSet::new()) };
    let lines = store.lines(&batch).await?;
    Ok(lines.into_iter().map(|line| line.username).chain([batch.by]).collect())
}

/// The request to let a batch go on that is larger than the brake lets through.
pub fn request_for_batch(
    policy: &Policy,
    gone: BTreeSet<Username>,
    batch: &Batch,
    lines: &[Line],
    hold: &Hold,
    now: Timestamp,
) -> Measure {
    let reason = format!(
        "{} asks for the access of {} people with one file; {} more may leave at once before the brake engages. Released, all \
         of them lose their access; denied, the batch is called off. Nothing was recorded for anybody yet.",
        batch.by, hold.people, hold.room,
    );
    let barred = lines.iter().map(|line| line.username.clone()).chain([batch.by.clone()]).collect();
    let concerned = Concerned { subject: None, requested_by: batch.by.as_str(), gone, barred };
    let facts =
        json!({"batch": batch.batch_id, "file": batch.file, "people": hold.people, "room": hold.room});
    let what = What::Batch { batch: batch.batch_id.clone(), people: hold.people, file: batch.file };
    request(policy, &concerned, hold.measure.clone(), (what, "batch"), reason, &facts, now)
}

/// Lets a batch go on, or calls it off, together with the end of the measure; `false` where others changed it meanwhile.
pub(super) async fn settle(
    store: &dyn CaseStore,
    workflow: &dyn Workflow,
    measure: &Measure,
    id: &BatchId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let mut changes = vec![Change::Measure(Box::new(over(measure, now)))];
    let held = store.batch(id).await?.filter(|batch| batch.status == BatchStatus::Held);
    let mut next = None;
    if let Some(batch) = held.filter(|batch| batch.measure.as_ref() == Some(&measure.measure_id)) {
        let (by, reason) = decided(measure);
        next = match measure.approval.status == ApprovalStatus::Approved {
            true => Some(batch.let_go(Released { measure: measure.measure_id.clone(), by, reason }, now)),
            false => batch.cancelled(&by, &reason, now),
        };
    }
    changes.extend(next.clone().map(|batch| Change::Batch(Box::new(batch))));
    let written = tolerate(store.commit(&changes).await)?;
    if let Some(batch) = next.filter(|batch| written && batch.status == BatchStatus::Running) {
        // Where this fails, the next minute feeds it.
        let _ = workflow.start(&Execution::of_batch(&batch)).await;
    }
    Ok(written)
}

/// Calls off whatever of a batch was not recorded yet, and withdraws the question about it. `None` where there is nothing left
/// to call off.
///
/// # Errors
/// `Conflict` where somebody else changed it: read it again.
pub async fn cancel_batch(
    store: &dyn CaseStore,
    workflow: &dyn Workflow,
    batch: &Batch,
    by: &Username,
    reason: &str,
    now: Timestamp,
) -> Result<Option<Batch>, StoreError> {
    let Some(next) = batch.cancelled(by.as_str(), reason, now) else { return Ok(None) };
    let mut changes = vec![Change::Batch(Box::new(next.clone()))];
    let mut token = None;
    if batch.status == BatchStatus::Held
        && let Some(id) = &batch.measure
        && let Some(measure) = store.measure(id).await?
        && measure.approval.is_pending()
    {
        token = measure.approval.task_token.clone();
        changes.push(Change::Measure(Box::new(withdrawn(&measure, by, reason, now))));
    }
    store.commit(&changes).await?;
    if let Some(token) = token {
        // An execution that was not reached finds it by itself when its wait ends.
        let _ = workflow.wake(token.expose()).await;
    }
    Ok(Some(next))
}
