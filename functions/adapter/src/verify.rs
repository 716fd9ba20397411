//! The delayed, independent read: what was revoked is read again, from nothing but the person.

use crate::{System, internal, revocation, stored};
use leaver_adapters::run::{self, Job};
use leaver_domain::{
    case::{CaseRecord, Happening, SystemRecord, SystemStatus},
    fault::Fault,
    ledger::{EventKind, Outcome},
};
use serde_json::json;

/// Reads again. Writes to the record, never to the system.
pub(crate) async fn verify(
    system: &System<'_>,
    case: &CaseRecord,
    mut record: SystemRecord,
) -> Result<SystemStatus, Fault> {
    if !matches!(record.status, SystemStatus::Revoked | SystemStatus::Failed) || record.revoked_at.is_none() {
        return Ok(record.status);
    }
    let person = system.store.person(&case.person.username).await.map_err(stored)?;
    let person = person.ok_or_else(|| internal("the person is not known any more"))?;
    let scope = system.scope(case);
    let job = Job { person: &person, scope: &scope, ended: case.effective_at, risk: &system.policy.risk };
    let read = run::remaining(system.adapter, system.http.reader(), &job, &record.receipts()).await;
    let now = system.now();
    let fault = match read {
        Ok((found, left)) => {
            record.after = Some(found.state());
            (!left.is_empty()).then(|| run::not_verified(&left))
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
