//! Held cases: which a decision is about, and calling one off before it begins.

use crate::{Api, Call, Reply, Role, call::invalid, cases, stored};
use leaver_domain::{
    case::CaseRecord,
    holds::{self, NotCancelled},
    measure::Measure,
    ports::StoreError,
    presence::{Presence, presence},
    problem::Problem,
    text,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// Longest body, in bytes.
const MAX_BODY: usize = 8 * 1024;
/// Longest reason, in characters.
const MAX_REASON: usize = 500;
/// Tries against somebody else who changes the same case.
const TRIES: usize = 4;
/// Most held cases that are counted, and most that are shown one by one.
const COUNTED: usize = 1_000;
const SHOWN: usize = 50;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cancel {
    reason: String,
}

/// Which cases a release is about: how many, and the first of them.
pub(crate) async fn under(api: &Api<'_>, measure: &Measure) -> Result<Value, Problem> {
    let together = api.cases.held(&measure.measure_id, COUNTED).await.map_err(stored)?;
    let ids = if together.is_empty() { measure.cases.clone() } else { together };
    let mut shown = Vec::new();
    for id in ids.iter().take(SHOWN) {
        let Some(case) = api.cases.case(id).await.map_err(stored)? else { continue };
        shown.push(json!({
            "case_id": case.case_id, "person": case.person, "reason": case.reason, "status": case.status,
            "opened_by": case.trigger.by, "created_at": case.created_at,
        }));
    }
    Ok(json!({"count": ids.len(), "more": ids.len() >= COUNTED, "first": shown}))
}

fn reason(call: &Call) -> Result<String, Problem> {
    let asked: Cancel = call.json(MAX_BODY)?;
    text::clean(&asked.reason, MAX_REASON).map_err(|error| invalid(format!("`reason` is {error}.")))
}

/// `POST /api/v1/cases/{id}/cancel`
pub(crate) async fn cancel(api: &Api<'_>, call: &Call, id: &str) -> Result<Reply, Problem> {
    call.caller.must_be(&[Role::Security, Role::Hr, Role::Manager])?;
    let reason = reason(call)?;
    let by = &call.caller.username;
    for _ in 0..TRIES {
        let (case, _) = cases::find(api, call, id).await?;
        allowed(api, call, &case).await?;
        holds::may_cancel(&case).map_err(|why| refused(&why))?;
        match holds::cancel(api.cases, api.workflow, &case, by, &reason, api.now).await {
            Ok(()) => return cases::show(api, call, id).await,
            // It was started, decided about or called off in between: what it is now counts.
            Err(StoreError::Conflict) => {}
            Err(error) => return Err(stored(error)),
        }
    }
    Err(stored(StoreError::Conflict))
}

fn refused(why: &NotCancelled) -> Problem {
    let kind = match why {
        NotCancelled::Runs | NotCancelled::OfMeasure(_) => "case-cannot-be-cancelled",
        NotCancelled::Over => "case-is-over",
        NotCancelled::Already => "already-cancelled",
    };
    Problem::new(409, kind, format!("This case cannot be called off: {why}."))
}

/// Whether the caller may call this case off: nobody their own, a manager only what they opened themselves.
async fn allowed(api: &Api<'_>, call: &Call, case: &CaseRecord) -> Result<(), Problem> {
    let by = &call.caller.username;
    if case.person.username == *by {
        return Err(Problem::forbidden("Nobody calls off a case about themselves; somebody else has to."));
    }
    let everybody = call.caller.is(&[Role::Security, Role::Hr]);
    if !everybody && case.trigger.source != format!("api:{by}") {
        let detail = "A manager calls off what they opened themselves. Ask your HR partner or security.";
        return Err(Problem::forbidden(detail));
    }
    if presence(api.cases, by).await.map_err(stored)? == Presence::Gone {
        return Err(Problem::forbidden("Whoever is leaving, or has left, calls nothing off any more."));
    }
    Ok(())
}
