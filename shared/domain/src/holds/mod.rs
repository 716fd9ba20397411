//! Held cases: stopped before anything was done, and what becomes of them. One that is protected waits for a measure of its
//! own; those that the brake holds wait together for one. A case whose person is in doubt waits for nobody: no decision makes
//! the doubt good, so that it can only be called off, and opened again for the right person. What has begun passed the first
//! two already: tried again, it is not held for them once more, and nothing calls it off.

mod batch;
mod cancel;
mod request;

pub use batch::{cancel_batch, request_for_batch};
pub use cancel::{NotCancelled, cancel, may_cancel};
pub use request::{barred, request_for, request_for_all};

use crate::{
    approval::{Approval, ApprovalStatus},
    case::{CaseRecord, CaseStatus, Finding, Happening, MAX_BACK, Mode, Standing},
    deciding::{self, Circumstances},
    id::{CaseId, MeasureId},
    ledger::{EventKind, Outcome},
    measure::{Measure, MeasureStatus, What},
    person::{Person, PersonStatus},
    policy::Policy,
    ports::{CaseStore, Change, Execution, StoreError, Workflow},
    time::Timestamp,
};
use serde_json::json;

/// Held because too many people were leaving at once.
pub const MASS_ACTION: &str = "mass_action";
/// Held because the account is protected.
pub const PROTECTED: &str = "protected_account";

/// Most cases that are released or called off in one go.
const LIMIT: usize = 100;
/// Tries against somebody else who changes the same record.
const TRIES: usize = 4;
/// Who asks for the release of many.
const LEAVER: &str = "leaver";

/// Whether a human has let this case go on although this held it.
pub fn released_for(case: &CaseRecord, held_for: &str) -> bool {
    let is = |line: &Happening| line.kind == EventKind::CaseReleased && line.facts["held_for"] == held_for;
    case.log.iter().any(is)
}

/// The measure under which a case is held that is held alone.
pub fn measure_of(case: &CaseRecord, held_for: &str) -> MeasureId {
    MeasureId::of_request("release", &format!("{}/{}/{held_for}", case.case_id, case.run))
}

/// Holds a case; the caller raises its version. A measure that asked for the case stays with it where nobody is asked.
pub fn hold(case: &mut CaseRecord, held_for: &str, measure: Option<MeasureId>, actor: &str, now: Timestamp) {
    case.status = CaseStatus::Held;
    case.checkpoint_size = None;
    case.log.push(Happening {
        kind: EventKind::CaseHeld,
        at: now,
        actor: actor.to_owned(),
        action: "hold".into(),
        outcome: Outcome::Pending,
        risk: None,
        facts: json!({"held_for": held_for, "measure": measure, "run": case.run}),
    });
    if measure.is_some() {
        case.measure = measure;
    }
}

/// Starts the execution that asks for the decision about a held case. A repeat changes nothing.
///
/// # Errors
/// Where the store or the workflow engine fails; the sweep asks again.
pub async fn ask(
    store: &dyn CaseStore,
    workflow: &dyn Workflow,
    case: &CaseRecord,
) -> Result<(), StoreError> {
    let Some(id) = &case.measure else { return Ok(()) };
    match store.measure(id).await? {
        Some(measure) if is_unasked(&measure) => {
            workflow.start(&Execution::Measure(id.clone())).await.map(|_| ())
        }
        _ => Ok(()),
    }
}

/// Whether a request for a release waits for its execution.
fn is_unasked(measure: &Measure) -> bool {
    let release = matches!(measure.what, What::Release { .. } | What::Batch { .. });
    release && measure.approval.is_pending() && measure.approval.task_token.is_none()
}

/// Whether there is still something to be done for what was decided about held cases.
pub fn is_due(measure: &Measure) -> bool {
    use MeasureStatus::{Approved, Denied, Expired};
    let release = matches!(measure.what, What::Release { .. } | What::Batch { .. });
    release && matches!(measure.status, Approved | Denied | Expired)
}

/// Does what was decided about held cases: approved, they go on; denied, they are called off; where nobody decided in time,
/// they stay held and somebody is asked again. Everything may be repeated, at once or later: `false` says that there is more
/// to be done, and the measure stays due until there is not.
///
/// # Errors
/// Where the store fails.
pub async fn release(
    store: &dyn CaseStore,
    workflow: &dyn Workflow,
    policy: &Policy,
    measure: &Measure,
    now: Timestamp,
) -> Result<bool, StoreError> {
    if !is_due(measure) {
        return Ok(true);
    }
    if measure.status == MeasureStatus::Expired {
        return tolerate(store.commit(&[asked_again(store, policy, measure, now).await?]).await);
    }
    let held_for = match &measure.what {
        What::Release { held_for } => held_for,
        What::Batch { batch, .. } => return batch::settle(store, workflow, measure, batch, now).await,
        _ => return Ok(true),
    };
    let together = held_for == MASS_ACTION;
    // Read before the list: whoever holds another case raises its version, and the end below is not written.
    let brake = store.brake().await?;
    let held = match together {
        true => store.held(&measure.measure_id, LIMIT).await?,
        false => measure.cases.clone(),
    };
    for case in &held {
        if !settle(store, workflow, measure, held_for, case, now).await? {
            return Ok(false);
        }
    }
    if together && held.len() >= LIMIT {
        return Ok(false);
    }
    let mut changes = vec![Change::Measure(Box::new(over(measure, now)))];
    if together && brake.engaged.as_ref() == Some(&measure.measure_id) {
        let approved = measure.approval.status == ApprovalStatus::Approved;
        changes.push(Change::Brake(Box::new(if approved { brake.released() } else { brake.disengaged() })));
    }
    tolerate(store.commit(&changes).await)
}

/// A lost race is no failure: the next call goes on from what is there then.
fn tolerate(written: Result<(), StoreError>) -> Result<bool, StoreError> {
    match written {
        Ok(()) => Ok(true),
        Err(StoreError::Conflict) => Ok(false),
        Err(error) => Err(error),
    }
}

fn over(measure: &Measure, now: Timestamp) -> Measure {
    let mut measure = measure.clone();
    measure.log.push(Happening {
        kind: EventKind::MeasureEnded,
        at: now,
        actor: "leaver".into(),
        action: if measure.status == MeasureStatus::Approved { "released" } else { "called off" }.into(),
        outcome: Outcome::Success,
        risk: None,
        facts: json!({"what": measure.what, "decisions": measure.approval.decisions}),
    });
    measure.status = MeasureStatus::Ended;
    measure.version += 1;
    measure
}

/// Silence is no consent and no refusal either.
async fn asked_again(
    store: &dyn CaseStore,
    policy: &Policy,
    measure: &Measure,
    now: Timestamp,
) -> Result<Change, StoreError> {
    let host = deciding::Host::Measure(Box::new(measure.clone()));
    let now_is = Circumstances::of(store, policy, &host).await?;
    let was = &measure.approval;
    let concerned = now_is.concerned(&was.requested_by);
    let approval =
        Approval::ask(&policy.approvals, &concerned, was.covers, was.need.clone(), was.round + 1, now);
    let mut measure = measure.clone();
    measure.log.push(Happening {
        kind: EventKind::MeasureRequested,
        at: now,
        actor: LEAVER.into(),
        action: "ask again".into(),
        outcome: Outcome::Pending,
        risk: None,
        facts: json!({
            "what": measure.what, "round": approval.round, "asked": approval.asked,
            "expires_at": approval.expires_at, "covers": approval.covers,
        }),
    });
    measure.approval = approval;
    measure.status = MeasureStatus::Requested;
    measure.version += 1;
    Ok(Change::Measure(Box::new(measure)))
}

/// Lets one case go on, or calls it off; `false` where others kept on changing it.
async fn settle(
    store: &dyn CaseStore,
    workflow: &dyn Workflow,
    measure: &Measure,
    held_for: &str,
    id: &CaseId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    for _ in 0..TRIES {
        let case = store.case(id).await?;
        let ours = |case: &CaseRecord| {
            case.status == CaseStatus::Held && case.measure.as_ref() == Some(&measure.measure_id)
        };
        let mut changes = match case.filter(ours) {
            None => Vec::new(),
            // One that has begun is not called off any more, whatever was decided: only going on finishes it.
            Some(case) if case.has_begun() || measure.approval.status == ApprovalStatus::Approved => {
                vec![Change::Case(Box::new(let_go(&case, measure, held_for, now)))]
            }
            Some(case) => {
                let (by, reason) = decided(measure);
                called_off(store, &case, &by, &reason, now).await?
            }
        };
        if held_for == MASS_ACTION {
            changes.push(Change::Unhold(measure.measure_id.clone(), id.clone()));
        }
        if changes.is_empty() {
            return Ok(true);
        }
        match store.commit(&changes).await {
            Err(StoreError::Conflict) => continue,
            other => other?,
        }
        if let Some(Change::Case(case)) = changes.first()
            && case.status == CaseStatus::Recorded
            && case.effective_at <= now
        {
            // Where this fails, the sweep starts it: it stands there as recorded, and due.
            let _ = workflow.start(&Execution::of_case(case)).await;
        }
        return Ok(true);
    }
    Ok(false)
}

/// Who decided last, and why.
fn decided(measure: &Measure) -> (String, String) {
    let last = measure.approval.decisions.last();
    last.map_or_else(
        || (LEAVER.to_owned(), measure.reason.clone()),
        |last| (last.by.to_string(), last.reason.clone()),
    )
}

fn let_go(case: &CaseRecord, measure: &Measure, held_for: &str, now: Timestamp) -> CaseRecord {
    let (by, reason) = decided(measure);
    let mut case = case.clone();
    case.status = CaseStatus::Recorded;
    case.checkpoint_size = None;
    case.run += 1;
    case.log.push(Happening {
        kind: EventKind::CaseReleased,
        at: now,
        actor: by,
        action: if measure.approval.status == ApprovalStatus::Approved { "release" } else { "go on" }.into(),
        outcome: Outcome::Success,
        risk: None,
        facts: json!({
            "held_for": held_for, "measure": measure.measure_id, "reason": reason, "run": case.run,
            "decisions": measure.approval.decisions,
        }),
    });
    case.version += 1;
    case
}

/// The changes that call a case off: itself first, and its person, who goes back to where they stood.
async fn called_off(
    store: &dyn CaseStore,
    case: &CaseRecord,
    by: &str,
    reason: &str,
    now: Timestamp,
) -> Result<Vec<Change>, StoreError> {
    let person = goes_back(store, case).await?;
    let facts = json!({"reason": reason, "person_is": person.as_ref().map(|person| person.status)});
    let case = cancelled(case, by, facts, now);
    let mut changes = vec![Change::Case(Box::new(case))];
    changes.extend(person.map(|person| Change::Person(Box::new(person))));
    Ok(changes)
}

/// A case as it is once it was called off.
pub(crate) fn cancelled(
    case: &CaseRecord,
    by: &str,
    mut facts: serde_json::Value,
    now: Timestamp,
) -> CaseRecord {
    let mut case = case.clone();
    facts["was"] = json!(case.status);
    facts["measure"] = json!(case.measure);
    case.status = CaseStatus::Cancelled;
    case.checkpoint_size = None;
    case.closed_at = Some(now);
    case.log.push(Happening {
        kind: EventKind::CaseCancelled,
        at: now,
        actor: by.to_owned(),
        action: "cancel".into(),
        outcome: Outcome::Success,
        risk: None,
        facts,
    });
    case.version += 1;
    case
}

/// The person as they stood before this case, where it is the one that changed it last. Cases before it that were called
/// off as well are passed over.
async fn goes_back(store: &dyn CaseStore, case: &CaseRecord) -> Result<Option<Person>, StoreError> {
    let Some(mut was) = case.person_was.clone() else { return Ok(None) };
    let Some(mut person) = store.person(&case.person.username).await? else { return Ok(None) };
    if Some(person.status) != case.mode.puts() || person.case.as_ref() != Some(&case.case_id) {
        return Ok(None);
    }
    for _ in 0..MAX_BACK {
        let Some(id) = &was.case else { break };
        match store.case(id).await? {
            Some(earlier) if matches!(earlier.status, CaseStatus::Cancelled | CaseStatus::Rejected) => {
                let active = Standing { status: PersonStatus::Active, case: None, role: None };
                was = earlier.person_was.unwrap_or(active);
            }
            // It came to its end while this case had the person, and could not say so.
            Some(earlier) if earlier.status == CaseStatus::Complete && earlier.mode == Mode::Leave => {
                was.status = PersonStatus::Left;
                break;
            }
            _ => break,
        }
    }
    person.status = was.status;
    person.case = was.case;
    person.version += 1;
    Ok(Some(person))
}

/// What the validation of a case found that holds it.
pub fn finding(kind: &str, detail: impl Into<String>, now: Timestamp) -> Finding {
    Finding { kind: kind.to_owned(), detail: detail.into(), at: now }
}
