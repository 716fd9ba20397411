//! What people ask for and others decide about: how it is taken from a request, and how it is shown.

use crate::{Api, Call, Reply, Role, call::invalid, not_done, stored};
use leaver_domain::{
    digest::Digest,
    id::{MeasureId, Username},
    measure::{Measure, What},
    measures::{self, Asked},
    person::Person,
    problem::Problem,
    time::Timestamp,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Longest body of a request, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// The body of a request.
pub(crate) fn parse<T: DeserializeOwned>(call: &Call) -> Result<T, Problem> {
    call.json(MAX_BODY)
}

/// What a request asks for, as far as all kinds have it in common. `target` is what the address names.
pub(crate) fn asked(
    call: &Call,
    what: What,
    person: &Person,
    target: &str,
    reason: &str,
) -> Result<Asked, Problem> {
    let kind = what.name();
    Ok(Asked {
        what,
        person: person.username.clone(),
        requested_by: call.caller.username.clone(),
        reason: reason.to_owned(),
        until: None,
        only: BTreeSet::new(),
        request_id: call.number()?.to_string(),
        body: Digest::of_parts(&[kind.as_bytes(), b"\0", target.as_bytes(), b"\0", &call.body]),
    })
}

/// When something ends: at an instant, or so long from now.
pub(crate) fn until(
    api: &Api<'_>,
    until: Option<Timestamp>,
    lasts: Option<&str>,
) -> Result<Option<Timestamp>, Problem> {
    match (until, lasts) {
        (Some(_), Some(_)) => Err(invalid("Say `until` or `for`, not both.")),
        (until, None) => Ok(until),
        (None, Some(lasts)) => {
            let duration = measures::lasting(lasts);
            let detail = "`for` is no duration such as `90m`, `2h`, `7d` or `2w`.";
            duration.map(|duration| Some(api.now.plus(duration))).ok_or_else(|| invalid(detail))
        }
    }
}

/// Asks, and shows what is now decided about.
pub(crate) async fn ask(api: &Api<'_>, asked: Asked) -> Result<Reply, Problem> {
    let taken = measures::request(api.cases, api.workflow, api.policy, asked, api.now).await;
    let (measure, not_started) = taken.map_err(not_done)?;
    if let Some(error) = not_started {
        tracing::error!(measure = %measure.measure_id, %error, "recorded, but not started: the tick will start it");
    }
    Reply::json(202, &view(&measure))
}

/// `GET /api/v1/measures/{id}`
pub(crate) async fn show(api: &Api<'_>, call: &Call, id: &str) -> Result<Reply, Problem> {
    let id: MeasureId = id.parse().map_err(|_| Problem::not_found())?;
    let measure = api.cases.measure(&id).await.map_err(stored)?.ok_or_else(Problem::not_found)?;
    let person = match measure.username() {
        Some(username) => api.cases.person(username).await.map_err(stored)?,
        None => None,
    };
    let manages = person.is_some_and(|person| call.caller.manages(&person));
    if !call.caller.sees_all() && !manages {
        return Err(Problem::not_found());
    }
    Reply::json(200, &view(&measure))
}

/// A measure as the API shows it. The key of the execution that waits is none of it.
pub(crate) fn view(measure: &Measure) -> Value {
    let approval = &measure.approval;
    let only: Vec<&Username> = approval.need.only.iter().collect();
    let mut what = json!(measure.what);
    let kind = what.as_object_mut().and_then(|fields| fields.remove("kind"));
    json!({
        "measure_id": measure.measure_id,
        "kind": kind,
        "what": what,
        "person": measure.person,
        "requested_by": measure.requested_by,
        "reason": measure.reason,
        "requested_at": measure.requested_at,
        "until": measure.until,
        "status": measure.status,
        "archive_hold": measure.archive_hold,
        "approval": {
            "approval_id": measure.measure_id,
            "status": approval.status,
            "asked": approval.asked,
            "needed": approval.need.approvers,
            "security": approval.need.security,
            "only": only,
            "due_at": approval.due_at,
            "expires_at": approval.expires_at,
            "decisions": approval.decisions,
        },
        "cases": measure.cases,
    })
}

/// Refuses who has none of these roles; a manager passes for now, and only their own reports are found for them.
pub(crate) fn allowed(call: &Call, roles: &[Role], managers: bool) -> Result<bool, Problem> {
    if call.caller.is(roles) {
        return Ok(true);
    }
    if managers && call.caller.is(&[Role::Manager]) {
        return Ok(false);
    }
    call.caller.must_be(&[])?;
    Ok(false)
}
