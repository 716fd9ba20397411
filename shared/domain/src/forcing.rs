//! Trying an incomplete case again: another execution works on everything that is not finished. It is no way around a human: a
//! system that was denied stays denied, and one that is flagged asks again. What only a vendor's limit or absence has kept from
//! being done is tried again without anybody asking; its owner has the task meanwhile.

use crate::{
    case::{CaseRecord, CaseStatus, Happening, SystemRecord, SystemStatus},
    fault::{Fault, FaultKind},
    id::{CaseId, Username},
    ledger::{EventKind, Outcome},
    policy::Policy,
    ports::{CaseStore, Change, Execution, StoreError, Workflow},
    problem::{NotDone, Problem},
    time::Timestamp,
};
use serde_json::{Value, json};
use std::time::Duration;

/// Whether leaver itself can do something more about a system: its task is open, nobody said no, and it is not done by hand.
fn can_be_tried(policy: &Policy, system: &SystemRecord) -> bool {
    let by_itself = policy.manual(&system.system).is_none();
    let untouchable = matches!(system.status, SystemStatus::Denied | SystemStatus::AwaitingApproval);
    by_itself && !untouchable && !system.is_finished()
}

/// Who tries again what a vendor's limit, or its absence, has kept from being done.
const LEAVER: &str = "leaver/sweep";
/// After so long it is tried again for the first time, then after twice as long, and so on: over most of a day.
const FIRST: Duration = Duration::from_secs(5 * 60);
/// So often, before it is left to the owner alone.
const MOST: u32 = 8;

/// Whether a system may come through by waiting alone, and its owner has done nothing about it yet.
fn waits_for_vendor(policy: &Policy, system: &SystemRecord) -> bool {
    let vendor = |fault: &Fault| matches!(fault.kind, FaultKind::Throttled | FaultKind::Unavailable);
    system.status == SystemStatus::ManualTask
        && can_be_tried(policy, system)
        && system.fault.as_ref().is_some_and(vendor)
}

/// When an incomplete case is tried again without anybody asking: once the vendor may be back. `None` where waiting helps
/// nothing, or has not helped for long enough.
pub fn again_at(policy: &Policy, case: &CaseRecord, systems: &[SystemRecord]) -> Option<Timestamp> {
    let by_itself = |line: &&Happening| line.kind == EventKind::CaseForced && line.actor == LEAVER;
    let tries = u32::try_from(case.log.iter().filter(by_itself).count()).unwrap_or(MOST);
    if case.status != CaseStatus::Incomplete || case.dry_run || tries >= MOST {
        return None;
    }
    let ready = systems.iter().filter(|system| waits_for_vendor(policy, system)).filter_map(|system| {
        let asked = system.fault.as_ref().and_then(|fault| fault.retry_after).unwrap_or_default();
        Some(system.task.as_ref()?.opened_at.plus(asked.max(FIRST * 2_u32.pow(tries))))
    });
    ready.max()
}

/// Has what waits for its vendor tried again, where the time has come: the case as it is now, and why its execution was not
/// started, if it was not.
///
/// # Errors
/// `Conflict` where somebody else changed it.
pub async fn again(
    store: &dyn CaseStore,
    workflow: &dyn Workflow,
    policy: &Policy,
    id: &CaseId,
    now: Timestamp,
) -> Result<Option<Again>, StoreError> {
    let Some(case) = store.case(id).await? else { return Ok(None) };
    let mut systems = store.systems(id).await?;
    if again_at(policy, &case, &systems).is_none_or(|at| at > now) {
        return Ok(None);
    }
    systems.retain(|system| waits_for_vendor(policy, system));
    let (case, changes) = tried(policy, &case, systems, (LEAVER, "the vendor may be back by now"), now);
    store.commit(&changes).await?;
    let not_started = workflow.start(&Execution::of_case(&case)).await.err();
    Ok(Some((case, not_started)))
}

/// Whether a case can be tried again.
///
/// # Errors
/// 409 with what it stands at, or why there is nothing to try.
fn check(policy: &Policy, case: &CaseRecord, systems: &[SystemRecord]) -> Result<(), Problem> {
    let conflict = |detail: String| Err(Problem::new(409, "case-cannot-be-forced", detail));
    if case.dry_run {
        return conflict("A dry run changes nothing: there is nothing to finish.".to_owned());
    }
    match case.status {
        CaseStatus::Incomplete if systems.iter().any(|system| can_be_tried(policy, system)) => Ok(()),
        CaseStatus::Incomplete => conflict(
            "Whatever is left of this case was denied, or is done by hand: no further attempt changes that. Close its tasks.".to_owned(),
        ),
        CaseStatus::Recorded | CaseStatus::Running => conflict("It is under way by itself.".to_owned()),
        CaseStatus::AwaitingApproval => {
            conflict("It waits for a decision, and nothing passes that. See `leaver approvals list`.".to_owned())
        }
        CaseStatus::Held => conflict("It is held until somebody decides about it.".to_owned()),
        CaseStatus::Complete | CaseStatus::Cancelled | CaseStatus::Rejected => {
            conflict("It is over.".to_owned())
        }
    }
}

/// The systems as they are tried again: their open tasks are withdrawn, and handed out anew where it fails again.
fn tried_again(policy: &Policy, systems: Vec<SystemRecord>) -> (Vec<SystemRecord>, Vec<Value>) {
    let (mut again, mut withdrawn) = (Vec::new(), Vec::new());
    for mut system in systems.into_iter().filter(|system| can_be_tried(policy, system)) {
        let fault = system.fault.take();
        if let Some(task) = system.task.take() {
            withdrawn.push(json!({
                "system": system.system, "owner": task.owner, "opened_at": task.opened_at, "fault": fault,
            }));
        }
        system.status = SystemStatus::Queued;
        system.version += 1;
        again.push(system);
    }
    (again, withdrawn)
}

/// A case as it is tried again. Why its execution was not started, if it was not: the sweep starts it.
pub type Again = (CaseRecord, Option<StoreError>);

/// Has a case tried again.
///
/// # Errors
/// 409 where there is nothing to try; `Conflict` where somebody else changed it: read it again.
pub async fn force(
    store: &dyn CaseStore,
    workflow: &dyn Workflow,
    policy: &Policy,
    case: &CaseRecord,
    (by, reason): (&Username, &str),
    now: Timestamp,
) -> Result<Again, NotDone> {
    let systems = store.systems(&case.case_id).await?;
    check(policy, case, &systems)?;
    let (case, changes) = tried(policy, case, systems, (by.as_str(), reason), now);
    store.commit(&changes).await?;
    let not_started = workflow.start(&Execution::of_case(&case)).await.err();
    Ok((case, not_started))
}

/// The case as it is tried again, and everything that is written for it.
fn tried(
    policy: &Policy,
    case: &CaseRecord,
    systems: Vec<SystemRecord>,
    (by, reason): (&str, &str),
    now: Timestamp,
) -> (CaseRecord, Vec<Change>) {
    let (again, withdrawn) = tried_again(policy, systems);
    let mut case = case.clone();
    case.status = CaseStatus::Recorded;
    case.run += 1;
    case.checkpoint_size = None;
    let names: Vec<_> = again.iter().map(|system| &system.system).collect();
    case.log.push(Happening {
        kind: EventKind::CaseForced,
        at: now,
        actor: by.to_owned(),
        action: "force".into(),
        outcome: Outcome::Pending,
        risk: None,
        facts: json!({"reason": reason, "systems": names, "withdrawn": withdrawn, "run": case.run}),
    });
    case.version += 1;
    let mut changes = vec![Change::Case(Box::new(case.clone()))];
    changes.extend(again.into_iter().map(|system| Change::System(Box::new(system))));
    (case, changes)
}
