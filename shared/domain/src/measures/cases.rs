//! The cases that a measure opens.

use crate::{
    case::{CaseRecord, Mode, Trigger},
    digest::Digest,
    id::{CaseId, EventId, MeasureId},
    intake,
    measure::{Measure, Permission, What},
    person::Person,
    policy::Policy,
    ports::{CaseStore, StoreError, Workflow},
    time::Timestamp,
};
use std::collections::BTreeSet;

/// As what leaver itself opens cases.
pub(super) const SOURCE: &str = "leaver";

fn event(measure: &MeasureId, which: &str) -> Result<EventId, StoreError> {
    let unusable = |_| StoreError::Corrupt(format!("{measure} cannot be the number of an event"));
    format!("{measure}-{which}").parse().map_err(unusable)
}

/// The case with which a measure takes back what it gave.
pub(super) fn taking_back(measure: &MeasureId) -> Result<CaseId, StoreError> {
    Ok(CaseId::of_trigger(SOURCE, &event(measure, "end")?))
}

/// The case with which a measure gives.
pub(super) fn giving(measure: &MeasureId) -> Result<CaseId, StoreError> {
    Ok(CaseId::of_trigger(SOURCE, &event(measure, "begin")?))
}

/// The trigger of the case that a measure opens at its beginning or at its end.
pub(super) fn trigger(
    measure: &Measure,
    which: &'static str,
    kind: &str,
    now: Timestamp,
) -> Result<Trigger, StoreError> {
    let event_id = event(&measure.measure_id, which)?;
    let body = Digest::of(event_id.as_str().as_bytes());
    Ok(Trigger {
        source: SOURCE.into(),
        event_id,
        by: measure.requested_by.clone(),
        kind: kind.into(),
        at: now,
        received_at: now,
        body,
    })
}

/// Opens the case that takes back: these permissions of a partial case, or whatever its mode takes. Whoever repeats it opens it once.
pub(super) async fn take_back(
    store: &dyn CaseStore,
    workflow: &dyn Workflow,
    policy: &Policy,
    measure: &Measure,
    (mode, permissions): (Mode, BTreeSet<Permission>),
    now: Timestamp,
) -> Result<CaseId, StoreError> {
    let username = measure.username().ok_or_else(|| StoreError::Corrupt("it is about nobody".into()))?;
    let person = store.person(username).await?;
    let person = person.ok_or_else(|| StoreError::Corrupt(format!("{username} is not known any more")))?;
    let kind = format!("{}_ended", measure.what.name());
    let trigger = trigger(measure, "end", &kind, now)?;
    let reason = format!("{} of {} is over: {}", measure.what.name(), measure.measure_id, measure.reason);
    let request = intake::Request {
        permissions,
        measure: Some(measure.measure_id.clone()),
        ..intake::Request::plain(trigger, mode, reason, now)
    };
    match intake::submit(store, workflow, policy, &person, &request, now).await {
        // One that is written down and could not be started is started by the sweep.
        Ok((receipt, _)) => Ok(receipt.case_id),
        Err(intake::Refused::Store(error)) => Err(error),
        Err(refused) => Err(StoreError::Corrupt(format!("{}: {refused}", measure.measure_id))),
    }
}

/// Whether a case may have given something by now and has not come to rest: what it still gives could not be taken back
/// behind it.
pub(super) fn is_under_way(case: &CaseRecord) -> bool {
    !case.status.is_settled() && !case.is_closing()
}

/// Opens the case that gives: what an earlier case took, or these permissions.
pub(super) async fn give(
    store: &dyn CaseStore,
    workflow: &dyn Workflow,
    policy: &Policy,
    measure: &Measure,
    person: &Person,
    what: (Option<CaseId>, BTreeSet<Permission>),
    now: Timestamp,
) -> Result<Result<CaseId, String>, StoreError> {
    let (restores, permissions) = what;
    let reactivation = intake::Reactivation {
        trigger: trigger(measure, "begin", measure.what.name(), now)?,
        restores,
        permissions,
        measure: Some(measure.measure_id.clone()),
        by_role: matches!(measure.what, What::Rehire { .. }),
        reason: measure.reason.clone(),
        effective_at: now,
    };
    match intake::reactivate(store, workflow, policy, person, &reactivation, now).await {
        Ok((receipt, _)) => Ok(Ok(receipt.case_id)),
        Err(intake::Refused::Store(error)) => Err(error),
        Err(refused) => Ok(Err(refused.to_string())),
    }
}
