//! What waits for a human, and the decision.

use crate::{Api, Call, Reply, Role, call::invalid, held, not_done, stored};
use leaver_domain::{
    approval::{self, Approval, ApprovalId, Concerned, Decision, Entitlement},
    deciding::{self, Done, Host, NO_REASON, Who},
    measure::What,
    messages,
    problem::Problem,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// Longest body of a decision, in bytes.
const MAX_BODY: usize = 16 * 1024;
/// Most approvals that are looked at for a list, and most that are shown.
const READ: usize = 1_000;
const SHOWN: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    decision: Decision,
    #[serde(default)]
    reason: Option<String>,
}

/// Who may look at what waits whatever policy says: those who decide, and those who read everything. Managers see what
/// concerns their reports.
const READERS: &[Role] = &[Role::Approver, Role::Security, Role::Auditor, Role::Operator, Role::Manager];

/// An approval as lists show it.
fn view(host: &Host, approval: &Approval) -> Value {
    let about = match host {
        Host::System(system, case) => json!({
            "case_id": system.case_id, "system": system.system, "reason": case.reason, "mode": case.mode,
            "risk": system.risk, "plan": system.plan, "before": system.before,
        }),
        Host::Measure(measure) => json!({
            "measure_id": measure.measure_id, "what": measure.what, "reason": measure.reason,
            "until": measure.until, "status": measure.status,
        }),
    };
    json!({
        "id": host.id(), "about": about, "person": host.subject(), "requested_by": approval.requested_by,
        "requested_at": approval.requested_at, "due_at": approval.due_at, "expires_at": approval.expires_at,
        "status": approval.status, "covers": approval.covers, "need": approval.need, "asked": approval.asked,
        "level": approval.level, "decisions": approval.decisions,
    })
}

/// One approval, with what people are shown in Slack about it, and the cases that a release is about.
async fn whole(api: &Api<'_>, host: &Host, approval: &Approval) -> Result<Value, Problem> {
    let mut view = view(host, approval);
    view["shown"] = messages::of(&api.policy.approvals, host).map_or(
        Value::Null,
        |message| json!({"title": message.title, "facts": message.facts, "sections": message.sections}),
    );
    if let Host::Measure(measure) = host
        && matches!(measure.what, What::Release { .. })
    {
        view["about"]["held"] = held::under(api, measure).await?;
    }
    Ok(view)
}

/// Whether the caller may know of it: by their roles, as the manager, or because they were asked or policy lets them decide,
/// whatever their token says.
async fn sees(api: &Api<'_>, call: &Call, host: &Host) -> Result<bool, Problem> {
    let by = &call.caller.username;
    if call.caller.is(&[Role::Approver, Role::Security, Role::Auditor, Role::Operator]) {
        return Ok(true);
    }
    let Some(approval) = host.approval().filter(|_| host.subject() != Some(by)) else { return Ok(false) };
    let person = match host.subject() {
        Some(subject) => api.cases.person(subject).await.map_err(stored)?,
        None => None,
    };
    if approval.asked.contains(by) || person.as_ref().is_some_and(|person| call.caller.manages(person)) {
        return Ok(true);
    }
    let (subject, requested_by) = (person.as_ref(), approval.requested_by.as_str());
    let concerned = Concerned { subject, requested_by, ..Concerned::default() };
    Ok(approval::entitlement(&api.policy.approvals, by, &concerned).approver)
}

async fn find(api: &Api<'_>, call: &Call, id: &ApprovalId) -> Result<(Host, Approval), Problem> {
    let found = Host::find(api.cases, id).await.map_err(stored)?;
    let (host, _) = found.ok_or_else(Problem::not_found)?;
    if !sees(api, call, &host).await? {
        return Err(Problem::not_found());
    }
    let approval = host.approval().cloned().ok_or_else(Problem::not_found)?;
    Ok((host, approval))
}

/// `GET /api/v1/approvals`
pub(crate) async fn list(api: &Api<'_>, call: &Call) -> Result<Reply, Problem> {
    let ids = api.cases.asking(READ).await.map_err(stored)?;
    let (mut shown, mut more) = (Vec::new(), ids.len() >= READ);
    for id in ids {
        match find(api, call, &id).await {
            Ok((_, approval)) if !approval.is_pending() => {}
            Ok(_) if shown.len() >= SHOWN => {
                more = true;
                break;
            }
            Ok((host, approval)) => shown.push(view(&host, &approval)),
            Err(problem) if problem.status == 404 => {}
            Err(problem) => return Err(problem),
        }
    }
    if shown.is_empty() {
        must_read(api, call)?;
    }
    Reply::json(200, &json!({"approvals": shown, "more": more}))
}

/// Refuses whoever neither their roles nor policy let look at approvals.
fn must_read(api: &Api<'_>, call: &Call) -> Result<(), Problem> {
    let entitled = approval::entitlement(&api.policy.approvals, &call.caller.username, &Concerned::default());
    if entitled.approver { Ok(()) } else { call.caller.must_be(READERS) }
}

fn parse(id: &str) -> Result<ApprovalId, Problem> {
    id.parse().map_err(|_| Problem::not_found())
}

/// `GET /api/v1/approvals/{id}`
pub(crate) async fn show(api: &Api<'_>, call: &Call, id: &str) -> Result<Reply, Problem> {
    let (host, approval) = match find(api, call, &parse(id)?).await {
        Err(problem) if problem.status == 404 => {
            must_read(api, call)?;
            return Err(problem);
        }
        found => found?,
    };
    Reply::json(200, &whole(api, &host, &approval).await?)
}

/// `POST /api/v1/approvals/{id}`
pub(crate) async fn decide(api: &Api<'_>, call: &Call, id: &str) -> Result<Reply, Problem> {
    let id = parse(id)?;
    // Whoever may not know of it learns nothing, whatever they send. The person themselves, and whoever asked, know of it.
    let found = Host::find(api.cases, &id).await.map_err(stored)?;
    let (host, _) = found.ok_or_else(Problem::not_found)?;
    let concerned = host.subject() == Some(&call.caller.username)
        || host.approval().is_some_and(|approval| approval.requested_by == call.caller.username.as_str());
    if !concerned && !call.caller.is(&[Role::Hr]) && !sees(api, call, &host).await? {
        return Err(Problem::not_found());
    }
    let body: Body = call.json(MAX_BODY)?;
    let needed = deciding::needs_reason(&host, body.decision);
    let reason = body.reason.or_else(|| (!needed).then(|| NO_REASON.to_owned()));
    let reason = reason.ok_or_else(|| invalid("`reason` is missing: this decision has to say why."))?;
    let roles = Entitlement {
        approver: call.caller.is(&[Role::Approver]),
        security: call.caller.is(&[Role::Security]),
        through_subject: false,
    };
    let by = Who { username: call.caller.username.clone(), roles: Some(roles), through: "api" };
    let done =
        deciding::decide(api.cases, api.workflow, api.policy, &id, &by, body.decision, &reason, api.now)
            .await;
    let Done { host, approval, not_woken } = done.map_err(not_done)?;
    if let Some(error) = not_woken {
        tracing::error!(approval = %id, %error, "decided, but its execution was not woken: the tick will");
    }
    Reply::json(200, &whole(api, &host, &approval).await?)
}
