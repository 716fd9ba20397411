//! One delivery by push (RFC 8935).

use crate::secrets::Endpoint;
use reqwest::{Response, StatusCode};
use serde_json::Value;
use std::time::Duration;

/// How long one delivery may take. With eight at a time, what ten rows give rise to fits into an invocation.
const LIMIT: Duration = Duration::from_secs(4);
/// Longest refusal that is read.
const MAX_BODY: usize = 4_096;

/// What a receiver says to a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It has it.
    Accepted,
    /// It does not want this one, however often it comes.
    Refused(Refusal),
    /// Not now; why, without anything that the receiver wrote.
    Later(String),
}

/// Why a token is not wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// `invalid_request`
    Request,
    /// `invalid_key`
    Key,
    /// `invalid_issuer`
    Issuer,
    /// `invalid_audience`
    Audience,
    /// Another code, or none that could be read.
    Other,
    /// It is longer than what can be signed.
    TooLong,
}

impl Refusal {
    /// The code on the wire, where it is one of the standard's.
    pub fn name(self) -> &'static str {
        match self {
            Self::Request => "invalid_request",
            Self::Key => "invalid_key",
            Self::Issuer => "invalid_issuer",
            Self::Audience => "invalid_audience",
            Self::Other => "other",
            Self::TooLong => "too_long",
        }
    }
}

/// Sends one token.
pub(crate) async fn send(http: &reqwest::Client, to: &Endpoint, token: String) -> Answer {
    let request = http
        .post(to.url.clone())
        .header("content-type", "application/secevent+jwt")
        .header("accept", "application/json")
        .timeout(LIMIT)
        .body(token);
    let request = match &to.token {
        Some(token) => request.bearer_auth(token.expose()),
        None => request,
    };
    match request.send().await {
        Ok(answer) if answer.status().is_success() => Answer::Accepted,
        Ok(answer) if answer.status() == StatusCode::BAD_REQUEST => refused(answer).await,
        Ok(answer) => Answer::Later(format!("it answered {}", answer.status().as_u16())),
        // Neither the address, which may be a secret itself, nor what lies beneath is shown.
        Err(error) if error.is_timeout() => Answer::Later("no answer in time".to_owned()),
        Err(_) => Answer::Later("it could not be reached".to_owned()),
    }
}

/// What a 400 means. Its description is never kept: nobody knows what a receiver puts into it.
async fn refused(mut answer: Response) -> Answer {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_BODY {
            return Answer::Refused(Refusal::Other);
        }
    }
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    Answer::Refused(match body.get("err").and_then(Value::as_str) {
        Some("invalid_request") => Refusal::Request,
        Some("invalid_key") => Refusal::Key,
        Some("invalid_issuer") => Refusal::Issuer,
        Some("invalid_audience") => Refusal::Audience,
        // These two are about us, not about the token: a new credential mends them, as it does a 401 or 403.
        Some(code @ ("authentication_failed" | "access_denied")) => {
            return Answer::Later(format!("it answered 400 {code}"));
        }
        _ => Refusal::Other,
    })
}
