//! Calling a case off before it begins.

use super::{MASS_ACTION, called_off};
use crate::{
    approval::ApprovalStatus,
    case::{CaseRecord, CaseStatus, Happening},
    id::{MeasureId, Username},
    ledger::{EventKind, Outcome},
    measure::{Measure, MeasureStatus, What},
    ports::{CaseStore, Change, StoreError, Workflow},
    time::Timestamp,
};
use serde_json::json;

/// Why a case cannot be called off.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotCancelled {
    /// It has begun.
    #[error("it has begun: what it took away can be given back with a restore when it has come to rest")]
    Runs,
    /// It is over.
    #[error("it is over: what it took away can be given back with a restore")]
    Over,
    /// It was called off before.
    #[error("it was called off already")]
    Already,
    /// A measure asked for it.
    #[error("it carries out the measure {0}: nobody calls off alone what two have decided")]
    OfMeasure(String),
}

/// Whether a case may be called off.
///
/// # Errors
/// Why not.
pub fn may_cancel(case: &CaseRecord) -> Result<(), NotCancelled> {
    match case.status {
        // Nobody can decide that doubt away: this is the only way out of it.
        CaseStatus::Held if is_in_doubt(case) => Ok(()),
        CaseStatus::Recorded | CaseStatus::Held if case.has_begun() => Err(NotCancelled::Runs),
        CaseStatus::Held => Ok(()),
        CaseStatus::Recorded if case.trigger.is_of_measure() => {
            let measure = case.measure.as_ref().map(MeasureId::to_string);
            Err(NotCancelled::OfMeasure(measure.unwrap_or_else(|| case.trigger.event_id.to_string())))
        }
        CaseStatus::Recorded => Ok(()),
        CaseStatus::Running | CaseStatus::AwaitingApproval | CaseStatus::Incomplete => {
            Err(NotCancelled::Runs)
        }
        CaseStatus::Complete | CaseStatus::Rejected => Err(NotCancelled::Over),
        CaseStatus::Cancelled => Err(NotCancelled::Already),
    }
}

/// Whether nobody is asked about a held case, because its person is in doubt.
fn is_in_doubt(case: &CaseRecord) -> bool {
    let held = case.log.iter().rfind(|line| line.kind == EventKind::CaseHeld);
    held.is_some_and(|line| line.facts["measure"].is_null())
}

/// Calls off a case that has not begun. A question that was about it alone is withdrawn with it.
///
/// # Errors
/// `Conflict` where somebody else changed it: read it again.
pub async fn cancel(
    store: &dyn CaseStore,
    workflow: &dyn Workflow,
    case: &CaseRecord,
    by: &Username,
    reason: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut changes = called_off(store, case, by.as_str(), reason, now).await?;
    let mut token = None;
    if case.status == CaseStatus::Held
        && let Some(id) = &case.measure
        && let Some(measure) = store.measure(id).await?
        && let What::Release { held_for } = &measure.what
    {
        if held_for == MASS_ACTION {
            changes.push(Change::Unhold(id.clone(), case.case_id.clone()));
        } else if measure.approval.is_pending() {
            token = measure.approval.task_token.clone();
            changes.push(Change::Measure(Box::new(withdrawn(&measure, by, reason, now))));
        }
    }
    store.commit(&changes).await?;
    if let Some(token) = token {
        // An execution that was not reached finds it by itself when its wait ends.
        let _ = workflow.wake(token.expose()).await;
    }
    Ok(())
}

pub(super) fn withdrawn(measure: &Measure, by: &Username, reason: &str, now: Timestamp) -> Measure {
    let mut measure = measure.clone();
    measure.approval.status = ApprovalStatus::Expired;
    measure.approval.expires_at = now;
    measure.status = MeasureStatus::Ended;
    measure.log.push(Happening {
        kind: EventKind::MeasureEnded,
        at: now,
        actor: by.to_string(),
        action: "withdrawn".into(),
        outcome: Outcome::NotApplicable,
        risk: None,
        facts: json!({"what": measure.what, "reason": reason}),
    });
    measure.version += 1;
    measure
}
