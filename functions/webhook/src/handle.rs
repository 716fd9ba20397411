//! One request of the HRIS.

use crate::authentic::Credentials;
use aws_lambda_events::{
    apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse},
    encodings::Body,
    http::{HeaderMap, HeaderValue},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use leaver_domain::{
    case::{Finding, Mode, Trigger},
    id::{CaseId, Username},
    intake::{self, Refused, Request},
    person::Person,
    policy::Policy,
    ports::{CaseStore, EventMark, Opening, Recorded, StoreError, Workflow},
    problem::Problem,
    time::Timestamp,
    trigger::{EventType, HRIS, HrEvent, HrUser},
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What the function works with.
pub struct Webhook<'a> {
    /// What the HRIS proves itself with.
    pub credentials: &'a Credentials,
    /// The settings in force.
    pub policy: &'a Policy,
    /// The case table.
    pub store: &'a dyn CaseStore,
    /// The workflow engine.
    pub workflow: &'a dyn Workflow,
    /// Now.
    pub now: Timestamp,
}

/// Answers one request.
pub async fn handle(webhook: &Webhook<'_>, request: &ApiGatewayV2httpRequest) -> ApiGatewayV2httpResponse {
    let (status, body, problem) = match answer(webhook, request).await {
        Ok((status, body)) => (status, body, false),
        Err(problem) => (problem.status, json!(problem), true),
    };
    let mut headers = HeaderMap::new();
    let media_type = if problem { "application/problem+json" } else { "application/json" };
    headers.insert("content-type", HeaderValue::from_static(media_type));
    headers.insert("cache-control", HeaderValue::from_static("no-store"));
    let mut response = ApiGatewayV2httpResponse::default();
    response.status_code = status.into();
    response.headers = headers;
    response.body = Some(Body::Text(body.to_string()));
    response
}

async fn answer(webhook: &Webhook<'_>, request: &ApiGatewayV2httpRequest) -> Result<(u16, Value), Problem> {
    let body = raw_body(request)?;
    let header = |name: &str| {
        let mut values = request.headers.get_all(name).iter();
        let first = values.next().and_then(|value| value.to_str().ok());
        // The same header twice is nobody's honest mistake: it could be read one way here and another way elsewhere.
        if values.next().is_some() { None } else { first }
    };
    let authorization = header("authorization").unwrap_or("");
    if !webhook.credentials.accept(authorization, header("x-leaver-signature"), &body, webhook.now) {
        return Err(Problem::unauthorized());
    }
    let event = HrEvent::parse(&body)?;
    let user = match (&event.user, event.kind) {
        (_, EventType::Test) => {
            return Ok((200, json!({"case_id": null, "status": "test", "duplicate": false})));
        }
        (Some(user), _) => user,
        (None, _) => return Err(Problem::new(422, "invalid-event", "The event has no `user`.")),
    };
    if let Some(mark) = webhook.store.mark(HRIS, &event.id).await.map_err(stored)? {
        return repeated(webhook, &event, mark).await;
    }
    if !event.kind.opens_a_case() {
        return record_only(webhook, &event).await;
    }
    let person = identify(webhook, &event, user).await?;
    let request = Request {
        trigger: trigger(webhook, &event),
        mode: Mode::Leave,
        reason: user.reason.clone().unwrap_or_else(|| "termination".to_owned()),
        dates: event.dates.clone(),
        effective_at: event.effective_at,
        dry_run: false,
        emergency: false,
        preserve_data: false,
        grants: None,
        permissions: BTreeSet::new(),
        measure: None,
    };
    let submitted =
        intake::submit(webhook.store, webhook.workflow, webhook.policy, &person, &request, webhook.now).await;
    let (receipt, not_started) = submitted.map_err(|refused| match refused {
        Refused::Reused => reused(),
        Refused::UnknownPerson(name) => unknown(&name),
        // A trigger of the HRIS gives nothing back.
        Refused::NotRestorable(why) => Problem::new(422, "not-restorable", why),
        Refused::Store(error) => stored(error),
    })?;
    if let Some(error) = not_started {
        tracing::error!(case = %receipt.case_id, %error, "recorded, but not started: the sweep will start it");
    }
    Ok((202, json!({"case_id": receipt.case_id, "status": receipt.status, "duplicate": receipt.duplicate})))
}

fn raw_body(request: &ApiGatewayV2httpRequest) -> Result<Vec<u8>, Problem> {
    let body = request.body.clone().unwrap_or_default();
    if !request.is_base64_encoded {
        return Ok(body.into_bytes());
    }
    let bad = |_| Problem::new(400, "malformed-json", "The body is not what its encoding says.");
    BASE64_STANDARD.decode(body).map_err(bad)
}

fn trigger(webhook: &Webhook<'_>, event: &HrEvent) -> Trigger {
    Trigger {
        source: HRIS.to_owned(),
        event_id: event.id.clone(),
        by: HRIS.to_owned(),
        kind: kind_name(event.kind),
        at: event.at,
        received_at: webhook.now,
        body: event.body,
    }
}

fn kind_name(kind: EventType) -> String {
    json!(kind).as_str().unwrap_or_default().to_owned()
}

fn stored(error: StoreError) -> Problem {
    tracing::error!(%error, "the webhook could not reach its table");
    Problem::unavailable()
}

fn reused() -> Problem {
    let detail = "An event with this `event_id` and another content was taken before. Send a new event under a new id.";
    Problem::new(409, "event-id-reused", detail)
}

fn unknown(username: &str) -> Problem {
    let detail = format!(
        "Nobody with the username `{username}`, this employee_id and e-mail is known. A finding was opened. \
         Correct the person's record, then send the event again."
    );
    Problem::new(422, "unknown-person", detail)
}

/// The same id again: the same answer, and another try to start what may not have been started.
async fn repeated(webhook: &Webhook<'_>, event: &HrEvent, mark: EventMark) -> Result<(u16, Value), Problem> {
    if mark.body != event.body {
        return Err(reused());
    }
    let Some(case_id) = mark.case_id else {
        return Ok((202, json!({"case_id": null, "status": "not_handled_yet", "duplicate": true})));
    };
    let resumed = intake::resume(webhook.store, webhook.workflow, case_id, true, webhook.now).await;
    let (receipt, _) = resumed.map_err(stored)?;
    Ok((202, json!({"case_id": receipt.case_id, "status": receipt.status, "duplicate": true})))
}

/// An event type that is understood and written down, and that nothing acts on.
async fn record_only(webhook: &Webhook<'_>, event: &HrEvent) -> Result<(u16, Value), Problem> {
    let mark = EventMark {
        source: HRIS.to_owned(),
        event_id: event.id.clone(),
        kind: kind_name(event.kind),
        body: event.body,
        case_id: None::<CaseId>,
        received_at: webhook.now,
    };
    let recorded = webhook.store.record(&Opening { mark, person: None, case: None, measure: None }).await;
    let recorded = recorded.map_err(stored)?;
    let duplicate = match recorded {
        Recorded::New => false,
        Recorded::Known(mark) if mark.body == event.body => true,
        Recorded::Known(_) => return Err(reused()),
    };
    Ok((202, json!({"case_id": null, "status": "not_handled_yet", "duplicate": duplicate})))
}

/// Who is meant. Username, number and e-mail must all point at one person; anything else is a finding for a human.
async fn identify(webhook: &Webhook<'_>, event: &HrEvent, user: &HrUser) -> Result<Person, Problem> {
    let person = webhook.store.person(&user.username).await.map_err(stored)?;
    let agrees = |person: &Person| {
        person.employee_id == user.employee_id
            && user.email.as_ref().is_none_or(|email| *email == person.email)
    };
    let (kind, detail) = match person {
        Some(person) if agrees(&person) => return Ok(person),
        Some(_) => ("identity_conflict", "the employee_id or e-mail of an event belongs to somebody else"),
        None => ("unknown_person", "an event names somebody who is not known"),
    };
    open_finding(webhook, event, &user.username, kind, detail).await?;
    Err(unknown(user.username.as_str()))
}

async fn open_finding(
    webhook: &Webhook<'_>,
    event: &HrEvent,
    username: &Username,
    kind: &str,
    detail: &str,
) -> Result<(), Problem> {
    let detail = format!("{detail}: `{username}` in event {}", event.id);
    let finding = Finding { kind: kind.to_owned(), detail, at: webhook.now };
    webhook.store.open_finding(&format!("{kind}-{HRIS}-{}", event.id), &finding).await.map_err(stored)
}
