//! Systems without an adapter: their owner gets a task at the start, while the others are being worked on.

use crate::{Plan, store};
use leaver_domain::{
    case::{CaseRecord, Happening, Mode, SystemRecord, SystemStatus, Task},
    fault::{Fault, FaultKind},
    id::{SystemId, Username},
    ledger::{EventKind, Outcome},
    person::PersonStatus,
    policy::Manual,
    ports::StoreError,
    profiles::Grants,
    tasks,
};
use serde_json::json;
use std::time::Duration;

/// Gives each system of the case that is done by hand to its owner, once. A dry run shows what would be given.
pub(crate) async fn give(plan: &Plan<'_>, case: &CaseRecord) -> Result<(), Fault> {
    for system in &case.systems {
        let Some((owner, manual)) = plan.policy.manual(system) else { continue };
        let record = plan.store.system(&case.case_id, system).await.map_err(store)?;
        let Some(mut record) = record.filter(|record| record.status == SystemStatus::Queued) else {
            continue;
        };
        if case.dry_run {
            if !record.log.is_empty() {
                continue;
            }
            preview(plan, case, &mut record, owner, manual);
        } else if let Some(why) = nothing(plan, case, system).await? {
            let comes_back = case.mode == Mode::Reactivate;
            let kind = if comes_back { EventKind::AccessRestored } else { EventKind::AccessRevoked };
            record.set_aside(case, kind, why, "leaver/plan", plan.now);
        } else {
            let subject = &case.person.username;
            let owner = tasks::owner_now(plan.store, plan.policy, system, subject).await.map_err(store)?;
            let owner = owner.ok_or_else(|| Fault::new(FaultKind::Internal, "policy has no owner"))?;
            open(plan, case, &mut record, owner, manual);
        }
        record.version += 1;
        match plan.store.put_system(&record).await {
            Ok(()) => {}
            Err(StoreError::Conflict) => {
                return Err(Fault::new(FaultKind::Conflict, "the system was changed meanwhile"));
            }
            Err(error) => return Err(store(error)),
        }
    }
    Ok(())
}

/// Why there is nothing to do, if so: by the time at which something is to go, or to come back, the person may be elsewhere, or
/// have left. What is done by hand is done whole or not at all.
async fn nothing(
    plan: &Plan<'_>,
    case: &CaseRecord,
    system: &SystemId,
) -> Result<Option<&'static str>, Fault> {
    let comes_back = case.mode == Mode::Reactivate && case.permissions_in(system).is_empty();
    if case.moves.is_none() && !comes_back {
        return Ok(None);
    }
    let person = plan.store.person(&case.person.username).await.map_err(store)?;
    let Some(person) = person else { return Ok(None) };
    let Some(change) = &case.moves else {
        let concerns = plan.policy.routing.gives(&person, system);
        return Ok((!concerns).then_some("it does not concern them where they are now"));
    };
    if person.status == PersonStatus::Left {
        return Ok(Some("they left, and all their access went with that"));
    }
    let takes = change.takes(plan.policy, &person, system, &Grants::new());
    Ok(takes.map(|_| "it concerns them where they are now"))
}

fn instructions(case: &CaseRecord, manual: &Manual) -> String {
    match case.mode {
        Mode::Leave | Mode::Partial => manual.instructions.clone(),
        Mode::Suspend => format!(
            "Access is suspended while something is looked into: keep the person out, so that it can be undone. For a \
             termination it would be: {}",
            manual.instructions
        ),
        Mode::Reactivate => {
            format!("Access comes back: undo what was done here. It was: {}", manual.instructions)
        }
    }
}

fn open(plan: &Plan<'_>, case: &CaseRecord, record: &mut SystemRecord, owner: Username, manual: &Manual) {
    let task = Task {
        owner,
        instructions: instructions(case, manual),
        opened_at: plan.now,
        due_at: plan.now.plus(Duration::from_secs(manual.due_seconds.into())),
        closed: None,
    };
    record.status = SystemStatus::ManualTask;
    record.started_at = Some(plan.now);
    tasks::give(
        record,
        task,
        "leaver/plan",
        &json!({"why": "the system has no adapter", "reason": case.reason}),
    );
}

fn preview(plan: &Plan<'_>, case: &CaseRecord, record: &mut SystemRecord, owner: &Username, manual: &Manual) {
    record.log.push(Happening {
        kind: EventKind::PlanPreviewed,
        at: plan.now,
        actor: "leaver/plan".into(),
        action: "preview".into(),
        outcome: Outcome::Success,
        risk: None,
        facts: json!({
            "why": "the system has no adapter", "owner": owner, "instructions": instructions(case, manual),
            "due_seconds": manual.due_seconds,
        }),
    });
}
