//! Slack's Web API: every answer is HTTP 200 and says itself whether it is a refusal.

use crate::{
    http::{Answer, Command, Query, Reader, Writer},
    page,
};
use leaver_domain::fault::{Fault, FaultKind};
use serde::{Deserialize, de::DeserializeOwned};

#[derive(Deserialize)]
struct Verdict {
    ok: bool,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Metadata {
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct Cursor {
    response_metadata: Option<Metadata>,
}

/// What kind of failure one of Slack's error codes is.
fn kind_of(code: &str) -> FaultKind {
    match code {
        "ratelimited" | "rate_limited" => FaultKind::Throttled,
        "invalid_auth" | "not_authed" | "token_revoked" | "token_expired" | "account_inactive" => {
            FaultKind::CredentialRejected
        }
        "missing_scope"
        | "no_permission"
        | "permission_denied"
        | "access_denied"
        | "not_an_admin"
        | "not_allowed_token_type"
        | "admin_unauthorized"
        | "restricted_action"
        | "ekm_access_denied"
        | "team_access_not_granted"
        | "user_is_bot"
        | "user_is_restricted" => FaultKind::PermissionMissing,
        "users_not_found" | "user_not_found" | "user_not_visible" | "no_such_subteam"
        | "subteam_not_found" | "message_not_found" => FaultKind::NotFound,
        "fatal_error"
        | "internal_error"
        | "service_unavailable"
        | "request_timeout"
        | "team_added_to_org" => FaultKind::Unavailable,
        code if code.starts_with("invalid_") || code.starts_with("missing_") => FaultKind::UnexpectedShape,
        // What the workspace's plan or the account's state does not allow, such as `feature_not_enabled`.
        _ => FaultKind::Conflict,
    }
}

/// The failure that an answer with status 200 may be.
///
/// # Errors
/// By the code that the answer gives; `UnexpectedShape` where it does not say whether it is one.
pub(crate) fn check(method: &str, answer: &Answer) -> Result<(), Fault> {
    let verdict: Verdict = answer.json()?;
    if verdict.ok {
        return Ok(());
    }
    let code = verdict.error.unwrap_or_default();
    // A code is a short token; anything else could quote what was sent.
    let plain = code.len() <= 60 && code.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let shown = if plain { code.as_str() } else { "an error without a code" };
    Err(Fault::new(kind_of(&code), format!("{method}: {shown}")))
}

/// A reading method.
pub(super) fn query(method: &str) -> Query {
    Query::get([method])
}

/// Reads.
///
/// # Errors
/// As the status table and the answer's own verdict say.
pub(crate) async fn ask<T: DeserializeOwned>(http: &Reader, method: &str, query: Query) -> Result<T, Fault> {
    let answer = http.ask(query).await?;
    check(method, &answer)?;
    answer.json()
}

/// Follows a list by its cursor to the end.
///
/// # Errors
/// As [`ask`].
pub(super) async fn all<P: DeserializeOwned, T>(
    http: &Reader,
    method: &str,
    first: Query,
    mut items: impl FnMut(P) -> Vec<T>,
) -> Result<Vec<T>, Fault> {
    let next = |cursor: Option<&str>| {
        let query = first.clone();
        Ok(match cursor {
            Some(cursor) => query.query("cursor", cursor),
            None => query,
        })
    };
    page::by_token(http, next, |answer| {
        check(method, answer)?;
        let cursor: Cursor = answer.json()?;
        let next = cursor.response_metadata.and_then(|metadata| metadata.next_cursor);
        Ok((items(answer.json()?), next))
    })
    .await
}

/// Changes something.
///
/// # Errors
/// As [`ask`].
pub(super) async fn tell<const N: usize>(
    http: &Writer,
    method: &str,
    form: [(&str, &str); N],
) -> Result<(), Fault> {
    let answer = http.tell(Command::post([method]).form(form)).await?;
    check(method, &answer)
}

/// `None` for what the plan does not offer or the account does not have.
///
/// # Errors
/// Every other failure.
pub(super) fn if_offered<T>(read: Result<T, Fault>) -> Result<Option<T>, Fault> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(fault) if matches!(fault.kind, FaultKind::NotFound | FaultKind::Conflict) => Ok(None),
        Err(fault) => Err(fault),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{fault_of, receive};
    use leaver_domain::time::Timestamp;

    async fn answer(status: u16, body: &str) -> Answer {
        let response = ::http::Response::builder().status(status).header("retry-after", "3");
        let response = response.body(body.to_owned()).unwrap();
        receive(reqwest::Response::from(response), "GET /x".into()).await.unwrap()
    }

    #[tokio::test]
    async fn a_refusal_inside_200_is_the_right_fault() {
        let cases = [
            ("ratelimited", FaultKind::Throttled),
            ("invalid_auth", FaultKind::CredentialRejected),
            ("token_revoked", FaultKind::CredentialRejected),
            ("account_inactive", FaultKind::CredentialRejected),
            ("missing_scope", FaultKind::PermissionMissing),
            ("users_not_found", FaultKind::NotFound),
            ("user_not_found", FaultKind::NotFound),
            ("fatal_error", FaultKind::Unavailable),
            ("invalid_arg_name", FaultKind::UnexpectedShape),
            ("feature_not_enabled", FaultKind::Conflict),
            ("cannot_modify_primary_owner", FaultKind::Conflict),
        ];
        for (code, kind) in cases {
            let body = format!(r#"{{"ok":false,"error":"{code}"}}"#);
            let fault = check("users.info", &answer(200, &body).await).unwrap_err();
            assert_eq!(fault.kind, kind, "{code}");
            assert_eq!(fault.detail, format!("users.info: {code}"));
        }
    }

    #[tokio::test]
    async fn an_answer_without_a_verdict_is_no_success() {
        for body in ["<html>", "{}", r#"{"ok":"yes"}"#] {
            let fault = check("x", &answer(200, body).await).unwrap_err();
            assert_eq!(fault.kind, FaultKind::UnexpectedShape, "{body}");
        }
        assert_eq!(check("x", &answer(200, r#"{"ok":true}"#).await), Ok(()));
    }

    #[tokio::test]
    async fn what_is_no_code_is_not_repeated() {
        let body = r#"{"ok":false,"error":"token xoxp-1 is no good"}"#;
        let fault = check("x", &answer(200, body).await).unwrap_err();
        assert!(!fault.detail.contains("xoxp"));
    }

    #[tokio::test]
    async fn a_limit_tells_how_long_to_wait() {
        let now = Timestamp::from_millis(0).unwrap();
        let fault = fault_of(&answer(429, r#"{"ok":false,"error":"ratelimited"}"#).await, now);
        assert_eq!(fault.kind, FaultKind::Throttled);
        assert_eq!(fault.retry_after.map(|wait| wait.as_secs()), Some(3));
    }
}
