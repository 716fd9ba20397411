//! The delayed, independent read: what was revoked or given back is read again, from nothing but the person.

use crate::{System, handover, restore, target::Target};
use leaver_adapters::run::{self, Job};
use leaver_domain::{
    case::{CaseRecord, Happening, Mode, SystemRecord, SystemStatus, revocation},
    fault::Fault,
    inventory::Inventory,
    ledger::{EventKind, Outcome},
    person::Person,
    plan::Plan,
};
use serde_json::json;

/// Reads again. Writes to the record, never to the system.
pub(crate) async fn verify(
    system: &System<'_>,
    case: &CaseRecord,
    mut record: SystemRecord,
) -> Result<SystemStatus, Fault> {
    use SystemStatus::{Failed, Restored, Revoked};
    if !matches!(record.status, Revoked | Restored | Failed) || record.revoked_at.is_none() {
        return Ok(record.status);
    }
    let mut person = system.person(case).await?;
    person.last_day = Some(case.dates.last_day(case.effective_at));
    if let Some(why) = restore::called_off(case, &person) {
        return restore::set_aside(system, case, record, EventKind::VerificationCompleted, why).await;
    }
    let sought = system.sought(&person).await?;
    let read = match case.mode {
        Mode::Reactivate => {
            let target = Target::of(system, case, &person).await?;
            restore::left(system, &target, &sought, &record).await
        }
        Mode::Leave | Mode::Partial | Mode::Suspend => left(system, case, &sought, &record).await,
    };
    let now = system.now();
    let transfers = record.transfers.clone();
    let fault = match read {
        Ok((found, left)) => {
            record.after = Some(found.state());
            handover::look(system, &mut record, &found).await;
            handover::settle(system, case, &mut record, &transfers);
            let unmet = match case.mode {
                Mode::Reactivate => leaver_adapters::restore::not_restored,
                Mode::Leave | Mode::Partial | Mode::Suspend => run::not_verified,
            };
            (!left.is_empty()).then(|| unmet(&left))
        }
        Err(fault) => Some(fault),
    };
    let verifier = format!("leaver/adapter/{}", system.id);
    let status = if fault.is_none() { "verified" } else { "failed" };
    record.log.push(Happening {
        kind: EventKind::VerificationCompleted,
        at: now,
        actor: verifier.clone(),
        action: "verify".into(),
        outcome: if fault.is_none() { Outcome::Success } else { Outcome::Failure },
        risk: record.risk.as_ref().map(|risk| risk.level),
        facts: json!({
            "revocation": revocation(case), "fault": fault, "after_state": record.after,
            "verification": {"status": status, "verified_at": now, "verifier": verifier},
        }),
    });
    record.fault = fault.clone();
    record.status = if fault.is_none() { SystemStatus::Verified } else { SystemStatus::Failed };
    record.verified_at = fault.is_none().then_some(now);
    system.save(&mut record).await?;
    fault.map_or(Ok(record.status), Err)
}

/// A fresh reading, and what is still to be taken.
async fn left(
    system: &System<'_>,
    case: &CaseRecord,
    person: &Person,
    record: &SystemRecord,
) -> Result<(Inventory, Plan), Fault> {
    let scope = system.scope(person, case, record).await?;
    let job = Job { person, scope: &scope, ended: case.effective_at, risk: &system.policy.risk };
    run::remaining(system.adapter, system.http.reader(), &job, &record.receipts()).await
}
