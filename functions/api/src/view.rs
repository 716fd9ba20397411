//! Cases and their systems as the API shows them.

use leaver_domain::{
    case::{CaseRecord, CaseStatus, SystemRecord, SystemStatus},
    risk::RiskSummary,
    sealing::Coverage,
};
use serde_json::{Value, json};

fn risk(risk: &RiskSummary) -> Value {
    json!({"level": risk.level, "findings": risk.findings, "events": risk.events, "last_login": risk.last_login})
}

/// One system of a case.
pub(crate) fn system(record: &SystemRecord) -> Value {
    json!({
        "system": record.system,
        "status": record.status,
        "risk": record.risk.as_ref().map(risk),
        "plan_digest": record.plan_digest,
        "plan": record.plan,
        "actions": record.actions,
        "before": record.before,
        "after": record.after,
        "started_at": record.started_at,
        "revoked_at": record.revoked_at,
        "verified_at": record.verified_at,
        "residuals": record.residuals,
        "not_restorable": record.not_restorable, "owned": record.owned, "owned_total": record.owned_total,
        "parked": record.parked,
        "attempts": record.attempts,
        "fault": record.fault,
        "readings": record.readings,
        "task": record.task,
        "approval": record.approval.as_ref().map(|approval| json!({
            "id": record.approval_id(approval), "status": approval.status, "asked": approval.asked,
            "due_at": approval.due_at, "expires_at": approval.expires_at, "decisions": approval.decisions,
        })),
    })
}

/// A case without its systems, as in lists and events.
pub(crate) fn summary(case: &CaseRecord) -> Value {
    json!({
        "case_id": case.case_id,
        "mode": case.mode,
        "status": case.status,
        "person": case.person,
        "reason": case.reason,
        "trigger": case.trigger,
        "policy_digest": case.policy_digest,
        "created_at": case.created_at,
        "effective_at": case.effective_at,
        "closed_at": case.closed_at,
        "dates": case.dates,
        "dry_run": case.dry_run,
        "emergency": case.emergency,
        "restores": case.restores,
        "by_role": case.by_role,
        "moves": case.moves,
        "permissions": case.permissions,
        "measure": case.measure,
        "findings": case.findings,
        "reverified": case.watch.as_ref().map_or(&[][..], |watch| &watch.looks),
        "reverify_next": leaver_domain::watch::due(case),
    })
}

/// Where a case stands, seen with its systems: it waits for a human only once nothing else goes on in it.
pub(crate) fn status(case: &CaseRecord, systems: &[SystemRecord]) -> CaseStatus {
    use SystemStatus::{AwaitingApproval, Denied, ManualTask};
    let rests = |system: &SystemRecord| {
        system.is_finished() || matches!(system.status, AwaitingApproval | Denied | ManualTask)
    };
    // A human said yes, and its execution goes on with it in a moment.
    let approved = |system: &SystemRecord| system.status == AwaitingApproval && system.asking().is_none();
    let goes_on = systems.iter().any(|system| !rests(system) || approved(system));
    match case.status {
        CaseStatus::AwaitingApproval if goes_on => CaseStatus::Running,
        status => status,
    }
}

/// A whole case: how many of the rows that its records ask for stand in the ledger, and the size of the published
/// checkpoint, where it covers them all.
pub(crate) fn whole(
    case: &CaseRecord,
    systems: &[SystemRecord],
    coverage: &Coverage,
    expected: usize,
) -> Value {
    let mut view = summary(case);
    view["status"] = json!(status(case, systems));
    view["systems"] = systems.iter().map(system).collect();
    let (rows, checkpoint_size) = match coverage {
        Coverage::Missing(missing) => (expected - missing.len().min(expected), None),
        Coverage::There { rows, published } => (rows.len(), *published),
    };
    view["ledger"] = json!({"rows": rows, "checkpoint_size": checkpoint_size});
    view
}
