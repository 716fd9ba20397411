//! The risk gate: a flagged system is written to only under a human's approval that covers what would be done. An emergency and a
//! suspension for a violation pass it, and are reviewed.

use crate::{System, run::actor, stored};
use leaver_adapters::run::Survey;
use leaver_domain::{
    approval::{Approval, ApprovalPolicy, ApprovalStatus, Concerned},
    case::{CaseRecord, Happening, SystemRecord, SystemStatus, revocation},
    deciding,
    fault::Fault,
    ledger::{EventKind, Outcome},
    person::Person,
};
use serde_json::json;
use std::collections::BTreeSet;

/// Whether a human said yes to what stands in the record.
pub(crate) fn is_approved(record: &SystemRecord) -> bool {
    record.approval.as_ref().is_some_and(|approval| approval.status == ApprovalStatus::Approved)
}

/// Whether what a fresh read would do now is contained in what was approved, and takes no more than was given then: where
/// the risk has grown meanwhile, policy may ask for more people, or for other ones.
pub(crate) fn covers(record: &SystemRecord, survey: &Survey, policy: &ApprovalPolicy) -> bool {
    let need = policy.need(&survey.risk);
    let enough = record.approval.as_ref().is_some_and(|approval| need.is_within(&approval.need));
    is_approved(record) && enough && survey.plan.is_within(&record.plan)
}

/// Asks for a decision on what a fresh read would do. Where an earlier one was approved and no longer covers that, this is
/// another round.
pub(crate) async fn ask(
    system: &System<'_>,
    case: &CaseRecord,
    person: &Person,
    record: &mut SystemRecord,
    survey: &Survey,
) -> Result<(), Fault> {
    let policy = &system.policy.approvals;
    let gone = deciding::gone(system.store, policy).await.map_err(stored)?;
    let concerned =
        Concerned { subject: Some(person), requested_by: &case.trigger.by, gone, barred: BTreeSet::new() };
    let round = record.approval.as_ref().map_or(1, |before| before.round + 1);
    let now = system.now();
    let (digest, need) = (survey.plan.digest(), policy.need(&survey.risk));
    let approval = Approval::ask(policy, &concerned, digest, need, round, now);
    record.status = SystemStatus::AwaitingApproval;
    record.plan = survey.plan.clone();
    record.plan_digest = Some(digest);
    record.log.push(Happening {
        kind: EventKind::ApprovalRequested,
        at: now,
        actor: actor(system),
        action: "wait for approval".into(),
        outcome: Outcome::Pending,
        risk: Some(survey.risk.level),
        facts: json!({
            "revocation": revocation(case), "risk": survey.risk, "plan_digest": digest, "plan": survey.plan,
            "before_state": record.before, "approval": record.approval_id(&approval), "round": round,
            "asked": approval.asked, "need": approval.need, "due_at": approval.due_at,
            "expires_at": approval.expires_at,
        }),
    });
    record.approval = Some(approval);
    Ok(())
}
