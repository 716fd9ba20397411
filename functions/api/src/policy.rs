//! What the policy means for somebody.

use crate::{Api, Call, Reply, Role, employees::whom, measures::allowed, stored};
use leaver_domain::{case::CaseStatus, deciding, policy, problem::Problem};
use serde_json::{Value, json};

/// `GET /api/v1/employees/{id}/policy`: which systems and by which sentence, which steps, what the role needs, and who would be
/// asked. It reads and changes nothing.
pub(crate) async fn explain(api: &Api<'_>, call: &Call, id: &str) -> Result<Reply, Problem> {
    let everybody = allowed(call, &[Role::Security, Role::Hr, Role::Auditor], true)?;
    let person = whom(api, call, id, everybody).await?;
    let gone = deciding::gone(api.cases, &api.policy.approvals).await.map_err(stored)?;
    let case = match &person.case {
        Some(case) => api.cases.case(case).await.map_err(stored)?,
        None => None,
    };
    let held = case.filter(|case| case.status == CaseStatus::Held);
    let mut shown = json!(policy::explain(api.policy, &person, gone));
    shown["held_case"] =
        held.map_or(Value::Null, |case| json!({"case_id": case.case_id, "findings": case.findings}));
    Reply::json(200, &shown)
}
