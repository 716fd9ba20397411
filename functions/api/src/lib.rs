//! The HTTP API for people, the command line and auditors. API Gateway has checked the token; this checks what its
//! holder may do, and shows nobody what they may not know of.

mod approvals;
mod call;
mod caller;
mod cases;
mod doctor;
mod employees;
mod events;
mod evidence;
mod held;
mod ledger;
mod log;
mod measures;
pub mod openapi;
mod orphans;
mod policy;
mod signals;
mod tasks;
mod view;

use call::Call;
pub use caller::{Caller, Role};
pub use signals::Signals;

use aws_lambda_events::{
    apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse},
    encodings::Body,
    http::{HeaderMap, HeaderValue},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use leaver_domain::{
    policy::Policy,
    ports::{Archives, CaseStore, EvidenceStore, LedgerStore, ObjectStore, StoreError, Wait, Workflow},
    problem::{NotDone, Problem},
    roster::RosterStore,
    time::Timestamp,
};
use serde::Serialize;

/// What the function works with.
pub struct Api<'a> {
    /// What receivers of security event tokens may ask for.
    pub signals: Signals<'a>,
    /// The settings in force.
    pub policy: &'a Policy,
    /// The case table.
    pub cases: &'a dyn CaseStore,
    /// Orphans.
    pub rosters: &'a dyn RosterStore,
    /// The log.
    pub ledger: &'a dyn LedgerStore,
    /// The workflow engine.
    pub workflow: &'a dyn Workflow,
    /// Issuer and audience that a token must name, checked once more behind API Gateway.
    pub tokens: &'a caller::Accepted,
    /// Now.
    pub now: Timestamp,
    /// What the evidence needs beside the cases.
    pub evidence: &'a dyn EvidenceStore,
    /// The evidence bucket.
    pub objects: &'a dyn ObjectStore,
    /// Where packs of evidence lie.
    pub archives: &'a dyn Archives,
    /// Waits.
    pub sleep: Wait<'a>,
}

pub use caller::Accepted;

/// An answer before it is put into API Gateway's form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    status: u16,
    media_type: &'static str,
    body: Vec<u8>,
    /// Whether it stays the same for ever.
    lasting: bool,
}

impl Reply {
    fn json(status: u16, body: &impl Serialize) -> Result<Self, Problem> {
        let body = serde_json::to_vec(body).map_err(|error| {
            tracing::error!(%error, "an answer could not be written");
            Problem::unavailable()
        })?;
        Ok(Self { status, media_type: "application/json", body, lasting: false })
    }

    fn bytes(media_type: &'static str, body: Vec<u8>, lasting: bool) -> Self {
        Self { status: 200, media_type, body, lasting }
    }
}

/// Answers one request.
pub async fn handle(api: &Api<'_>, request: &ApiGatewayV2httpRequest) -> ApiGatewayV2httpResponse {
    let reply = match answer(api, request).await {
        Ok(reply) => reply,
        Err(problem) => Reply {
            status: problem.status,
            media_type: "application/problem+json",
            body: serde_json::to_vec(&problem).unwrap_or_default(),
            lasting: false,
        },
    };
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static(reply.media_type));
    let cache = if reply.lasting { "public, max-age=31536000, immutable" } else { "no-store" };
    headers.insert("cache-control", HeaderValue::from_static(cache));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    let mut response = ApiGatewayV2httpResponse::default();
    response.status_code = reply.status.into();
    response.headers = headers;
    response.is_base64_encoded = reply.media_type == "application/octet-stream";
    response.body = Some(match response.is_base64_encoded {
        true => Body::Binary(reply.body),
        false => Body::Text(String::from_utf8(reply.body).unwrap_or_default()),
    });
    response
}

async fn answer(api: &Api<'_>, request: &ApiGatewayV2httpRequest) -> Result<Reply, Problem> {
    let path = request.raw_path.clone().unwrap_or_default();
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let method = request.request_context.http.method.as_str();
    // What anybody may ask for, without a token.
    match (method, segments.as_slice()) {
        ("GET", ["api", "v1", "signals", "jwks"]) => return signals::key_set(api).await,
        ("GET", [".well-known", "ssf-configuration"]) => return signals::configuration(api),
        ("GET", ["api", "v1", "ledger", "checkpoint"]) => return log::checkpoint(api).await,
        ("GET", ["api", "v1", "ledger", "keys"]) => return log::keys(api).await,
        ("GET", ["api", "v1", "ledger", "tile", path @ ..]) if path.first() != Some(&"entries") => {
            return log::tile(api, path).await;
        }
        _ => {}
    }
    let call = call(api, request)?;
    match (method, segments.as_slice()) {
        ("GET", ["api", "v1", "cases"]) => cases::list(api, &call).await,
        ("POST", ["api", "v1", "cases"]) => cases::open(api, &call).await,
        ("GET", ["api", "v1", "cases", id]) => cases::show(api, &call, id).await,
        ("GET", ["api", "v1", "cases", id, "events"]) => events::since(api, &call, id).await,
        ("POST", ["api", "v1", "cases", id, "cancel"]) => held::cancel(api, &call, id).await,
        ("POST", ["api", "v1", "cases", id, "restore"]) => employees::restore_case(api, &call, id).await,
        ("POST", ["api", "v1", "employees", id, "extend"]) => employees::extend(api, &call, id).await,
        ("POST", ["api", "v1", "employees", id, "grants"]) => employees::grant(api, &call, id).await,
        ("POST", ["api", "v1", "employees", id, "break-glass"]) => {
            employees::break_glass(api, &call, id).await
        }
        ("POST", ["api", "v1", "employees", id, "exceptions"]) => employees::except(api, &call, id).await,
        ("POST", ["api", "v1", "employees", id, "legal-hold"]) => employees::legal_hold(api, &call, id).await,
        ("POST", ["api", "v1", "employees", id, "rehire"]) => employees::rehire(api, &call, id).await,
        ("POST", ["api", "v1", "employees", id, "restore"]) => employees::restore_from(api, &call, id).await,
        ("GET", ["api", "v1", "employees", id, "access"]) => employees::access(api, &call, id).await,
        ("GET", ["api", "v1", "employees", id, "policy"]) => policy::explain(api, &call, id).await,
        ("GET", ["api", "v1", "measures", id]) => measures::show(api, &call, id).await,
        ("GET", ["api", "v1", "approvals"]) => approvals::list(api, &call).await,
        ("GET", ["api", "v1", "approvals", id]) => approvals::show(api, &call, id).await,
        ("POST", ["api", "v1", "approvals", id]) => approvals::decide(api, &call, id).await,
        ("GET", ["api", "v1", "ledger", "status"]) => ledger::status(api, &call).await,
        ("GET", ["api", "v1", "ledger", "rows"]) => ledger::rows(api, &call).await,
        ("GET", ["api", "v1", "evidence"]) => evidence::export(api, &call).await,
        ("GET", ["api", "v1", "evidence", id]) => evidence::show(api, &call, id).await,
        ("GET", ["api", "v1", "ledger", "tile", "entries", path @ ..]) => {
            log::entries(api, &call, path).await
        }
        ("GET", ["api", "v1", "tasks"]) => tasks::list(api, &call).await,
        ("POST", ["api", "v1", "tasks", id]) => tasks::close(api, &call, id).await,
        ("GET", ["api", "v1", "tasks", id, "evidence", sha256]) => {
            tasks::evidence(api, &call, id, sha256).await
        }
        ("GET", ["api", "v1", "orphans"]) => orphans::list(api, &call).await,
        ("POST", ["api", "v1", "orphans", id]) => orphans::decide(api, &call, id).await,
        ("GET", ["api", "v1", "doctor"]) => doctor::check(api, &call).await,
        _ => Err(Problem::not_found()),
    }
}

fn call(api: &Api<'_>, request: &ApiGatewayV2httpRequest) -> Result<Call, Problem> {
    let claims = request.request_context.authorizer.as_ref().and_then(|authorizer| authorizer.jwt.as_ref());
    let claims = claims.map(|jwt| &jwt.claims).ok_or_else(Problem::unauthorized)?;
    let caller = Caller::of_claims(claims, api.tokens, api.now).ok_or_else(Problem::unauthorized)?;
    let text = request.body.clone().unwrap_or_default();
    let body = match request.is_base64_encoded {
        false => text.into_bytes(),
        true => BASE64_STANDARD
            .decode(text)
            .map_err(|_| Problem::new(400, "malformed-json", "The body is not what its encoding says."))?,
    };
    let query = request.query_string_parameters.iter();
    Ok(Call {
        caller,
        query: query.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        headers: request.headers.clone(),
        body,
        request_id: request.request_context.request_id.clone().unwrap_or_default(),
    })
}

/// A table that failed is told once, here. Whoever lost a race against somebody else may just try again.
fn stored(error: StoreError) -> Problem {
    if error == StoreError::Conflict {
        let detail =
            "Somebody else was changing the same thing. Look at it again, and send the request once more.";
        return Problem::new(409, "changed-meanwhile", detail);
    }
    tracing::error!(%error, "the API could not reach a table");
    Problem::unavailable()
}

fn not_done(why: NotDone) -> Problem {
    match why {
        NotDone::Refused(problem) => problem,
        NotDone::Store(error) => stored(error),
    }
}
