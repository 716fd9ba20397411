//! Reads the logs that could not be read when access was taken. One invocation goes through all that a system owes, one after
//! another: side by side they would only take each other's place in the vendor's quota.

use crate::{System, ending::Ending, ending::tell, handover::is_free, run::actor, stored};
use leaver_domain::{
    case::{CaseRecord, SystemRecord, revocation},
    deciding,
    fault::{Fault, FaultKind},
    hindsight::{self, Around, Came},
    id::CaseId,
    inventory::Inventory,
    ports::Change,
    risk::Activity,
};
use serde_json::json;
use std::time::Duration;

/// Most logs that are looked for at once. Some belong to cases that are still at work.
const MOST: usize = 200;
/// A log that is begun with less time left would be cut off.
const ENOUGH: Duration = Duration::from_secs(15);
/// So many failures one after another are the system's and not the account's.
const FAILURES: usize = 3;

/// Reads what is owed, until it is done, the time is over, or the vendor has no room for more.
pub(crate) async fn read_owed(system: &System<'_>) -> Result<(), Fault> {
    let mut failed = 0;
    for id in system.store.logs_due(system.id, system.now(), MOST).await.map_err(stored)? {
        if system.http.left() < ENOUGH || failed == FAILURES {
            break;
        }
        match read_one(system, &id).await {
            Ok(()) => failed = 0,
            // Its case, or somebody else, was faster.
            Err(fault) if fault.kind == FaultKind::Conflict => {}
            Err(fault) if fault.kind == FaultKind::Throttled => break,
            Err(fault) => {
                tracing::warn!(case = %id, system = %system.id, %fault, "the log cannot be read yet");
                failed += 1;
            }
        }
    }
    Ok(())
}

async fn read_one(system: &System<'_>, id: &CaseId) -> Result<(), Fault> {
    let Some(case) = system.store.case(id).await.map_err(stored)? else { return Ok(()) };
    let record = system.store.system(id, system.id).await.map_err(stored)?;
    // The index is a little behind.
    let Some(record) = record.filter(|record| record.log_due.is_some()) else { return Ok(()) };
    if !is_free(&case, &record) {
        return Ok(());
    }
    let began = record.started_at.unwrap_or(case.created_at);
    let before = system.store.before(id, system.id).await.map_err(stored)?.unwrap_or_else(Inventory::absent);
    let since = began.minus(system.policy.risk.window());
    let read = match &before.account {
        Some(account) => {
            system.adapter.activity(&system.http.aside(system.http.left()), account, since).await
        }
        None => Ok(Activity { since, events: Vec::new(), incomplete: None }),
    };
    match read {
        Ok(activity) => told(system, (&case, &before), record, &Came::Read(&activity)).await,
        Err(fault) => match hindsight::again(began, system.now()) {
            // It keeps its place: the next round begins with it.
            Some(_) if fault.kind == FaultKind::Throttled => Err(fault),
            Some(next) => {
                let mut record = record;
                record.log_due = Some(next);
                system.save(&mut record).await?;
                Err(fault)
            }
            None => told(system, (&case, &before), record, &Came::Unread(&fault)).await,
        },
    }
}

async fn told(
    system: &System<'_>,
    (case, before): (&CaseRecord, &Inventory),
    record: SystemRecord,
    came: &Came<'_>,
) -> Result<(), Fault> {
    let mut facts = json!({"revocation": revocation(case)});
    if let (Some(ending), Came::Read(activity)) = (Ending::of(system, case).await?, came) {
        tell(&mut facts, ending.facts(&record, activity));
    }
    let (policy, actor) = (system.policy, actor(system));
    let gone = deciding::gone(system.store, &policy.approvals).await.map_err(stored)?;
    let around = Around { policy, case, before, gone: &gone, facts, actor: &actor, now: system.now() };
    let changes = hindsight::tell(&around, record, came);
    if changes.iter().any(|change| matches!(change, Change::Review(_))) {
        tracing::error!(case = %case.case_id, system = %system.id, alarm = "late_risk", "the log shows what has to be looked at");
    }
    system.store.commit(&changes).await.map_err(stored)
}
