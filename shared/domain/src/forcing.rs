//! Trying an incomplete case again: another execution works on everything that is not finished. It is no way around a human: a
//! system that was denied stays denied, and one that is flagged asks again.

use crate::{
    case::{CaseRecord, CaseStatus, Happening, SystemRecord, SystemStatus},
    id::Username,
    ledger::{EventKind, Outcome},
    policy::Policy,
    ports::{CaseStore, Change, Execution, StoreError, Workflow},
    problem::{NotDone, Problem},
    time::Timestamp,
};
use serde_json::{Value, json};

/// Whether leaver itself can do something more about a system: its task is open, nobody said no, and it is not done by hand.
fn can_be_tried(policy: &Policy, system: &SystemRecord) -> bool {
    let by_itself = policy.manual(&system.system).is_none();
    let untouchable = matches!(system.status, SystemStatus::Denied | SystemStatus::AwaitingApproval);
    by_itself && !untouchable && !system.is_finished()
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

/// Has a case tried again, and says what it is now. Why its execution was not started, if it was not: the sweep starts it.
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
) -> Result<(CaseRecord, Option<StoreError>), NotDone> {
    let systems = store.systems(&case.case_id).await?;
    check(policy, case, &systems)?;
    let (again, withdrawn) = tried_again(policy, systems);
    let mut case = case.clone();
    case.status = CaseStatus::Recorded;
    case.run += 1;
    case.checkpoint_size = None;
    let names: Vec<_> = again.iter().map(|system| &system.system).collect();
    case.log.push(Happening {
        kind: EventKind::CaseForced,
        at: now,
        actor: by.to_string(),
        action: "force".into(),
        outcome: Outcome::Pending,
        risk: None,
        facts: json!({"reason": reason, "systems": names, "withdrawn": withdrawn, "run": case.run}),
    });
    case.version += 1;
    let mut changes = vec![Change::Case(Box::new(case.clone()))];
    changes.extend(again.into_iter().map(|system| Change::System(Box::new(system))));
    store.commit(&changes).await?;
    let not_started = workflow.start(&Execution::of_case(&case)).await.err();
    Ok((case, not_started))
}
