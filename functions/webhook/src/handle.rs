//! One request of the HRIS.

use crate::{authentic::Credentials, take};
use aws_lambda_events::{
    apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse},
    encodings::Body,
    http::{HeaderMap, HeaderValue},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use leaver_domain::{
    intake,
    policy::Policy,
    ports::{CaseStore, EventMark, StoreError, Workflow},
    problem::Problem,
    time::Timestamp,
    trigger::{EventType, HRIS, HrEvent},
};
use serde_json::{Value, json};

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
    take::take(webhook, &event, user).await
}

fn raw_body(request: &ApiGatewayV2httpRequest) -> Result<Vec<u8>, Problem> {
    let body = request.body.clone().unwrap_or_default();
    if !request.is_base64_encoded {
        return Ok(body.into_bytes());
    }
    let bad = |_| Problem::new(400, "malformed-json", "The body is not what its encoding says.");
    BASE64_STANDARD.decode(body).map_err(bad)
}

pub(crate) fn stored(error: StoreError) -> Problem {
    tracing::error!(%error, "the webhook could not reach its table");
    Problem::unavailable()
}

pub(crate) fn reused() -> Problem {
    let detail = "An event with this `event_id` and another content was taken before. Send a new event under a new id.";
    Problem::new(409, "event-id-reused", detail)
}

pub(crate) fn unknown(username: &str) -> Problem {
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
        return Ok((202, json!({"case_id": null, "status": "recorded", "duplicate": true})));
    };
    let resumed = intake::resume(webhook.store, webhook.workflow, case_id, true, webhook.now).await;
    let (receipt, _) = resumed.map_err(stored)?;
    Ok((202, json!({"case_id": receipt.case_id, "status": receipt.status, "duplicate": true})))
}
