//! Somebody comes back for good: what their earlier case still asks humans to take, nobody has to take any more.

use crate::{Plan, store};
use leaver_domain::{
    case::{CaseRecord, Happening, Mode, SystemRecord, SystemStatus},
    fault::{Fault, FaultKind},
    intake,
    ledger::{EventKind, Outcome},
    measure::What,
    person::Person,
    ports::{Change, StoreError},
};
use serde_json::json;

/// Withdraws the open tasks of the case that is restored. Whoever would do one later would shut out somebody who is back.
pub(crate) async fn withdraw(plan: &Plan<'_>, case: &CaseRecord) -> Result<(), Fault> {
    let Some(earlier) = case.restores.as_ref().filter(|_| case.mode == Mode::Reactivate && !case.dry_run)
    else {
        return Ok(());
    };
    if !is_for_good(plan, case).await? {
        return Ok(());
    }
    let person = plan.store.person(&case.person.username).await.map_err(store)?;
    let Some(person) = person else { return Ok(()) };
    for left in intake::leaving(plan.store, earlier).await.map_err(store)? {
        of_case(plan, case, &person, left).await?;
    }
    Ok(())
}

async fn of_case(
    plan: &Plan<'_>,
    case: &CaseRecord,
    person: &Person,
    mut left: CaseRecord,
) -> Result<(), Fault> {
    let mut systems = plan.store.systems(&left.case_id).await.map_err(store)?;
    // What they do not need any more is still to be taken.
    systems.retain(|record| !case.by_role || plan.policy.needs_account(person, &record.system));
    let mut changes: Vec<Change> =
        systems.into_iter().filter_map(|record| without(record, case, plan)).collect();
    if changes.is_empty() {
        return Ok(());
    }
    left.checkpoint_size = None;
    left.version += 1;
    changes.push(Change::Case(Box::new(left)));
    match plan.store.commit(&changes).await {
        Err(StoreError::Conflict) => {
            Err(Fault::new(FaultKind::Conflict, "the restored case was changed meanwhile"))
        }
        other => other.map_err(store),
    }
}

/// Break-glass ends, and what was not taken before has to be taken then.
async fn is_for_good(plan: &Plan<'_>, case: &CaseRecord) -> Result<bool, Fault> {
    let Some(id) = &case.measure else { return Ok(true) };
    let measure = plan.store.measure(id).await.map_err(store)?;
    Ok(measure.is_some_and(|measure| matches!(measure.what, What::Restore { .. } | What::Rehire { .. })))
}

/// The system with its task withdrawn; `None` where nobody is asked to do anything.
fn without(mut record: SystemRecord, case: &CaseRecord, plan: &Plan<'_>) -> Option<Change> {
    let by_hand = record.status == SystemStatus::ManualTask;
    let task = record.task.take_if(|task| by_hand && task.closed.is_none())?;
    record.status = SystemStatus::NotApplicable;
    record.fault = None;
    record.log.push(Happening {
        kind: EventKind::TaskClosed,
        at: plan.now,
        actor: "leaver/plan".into(),
        action: "withdraw task".into(),
        outcome: Outcome::NotApplicable,
        risk: record.risk.as_ref().map(|risk| risk.level),
        facts: json!({
            "statement": format!("Withdrawn: access comes back under {}.", case.case_id), "evidence": [],
            "task": task,
        }),
    });
    record.version += 1;
    Some(Change::System(Box::new(record)))
}
