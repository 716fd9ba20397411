//! What an answer that is not 2xx means: one table for all vendors.

use super::Answer;
use crate::sigv4::REJECTED;
use leaver_domain::{
    fault::{Fault, FaultKind},
    time::Timestamp,
};
use reqwest::header::HeaderMap;
use serde_json::Value;
use std::time::Duration;

/// Headers that say when one of several budgets is filled again, as an epoch in milliseconds.
const BUDGETS: [&str; 3] =
    ["x-ratelimit-requests-reset", "x-ratelimit-endpoint-requests-reset", "x-ratelimit-complexity-reset"];

/// The status table. Vendors that say "slow down" or "no such thing" inside another status are recognised by the
/// code in the body.
pub(crate) fn fault_of(answer: &Answer, now: Timestamp) -> Fault {
    let code = vendor_code(answer.text()).unwrap_or_default();
    let limited = answer.headers.get("x-ratelimit-remaining").is_some_and(|left| left == "0");
    let kind = match (answer.status, code.as_str()) {
        (429, _) | (_, "rateLimitExceeded" | "userRateLimitExceeded" | "quotaExceeded") => {
            FaultKind::Throttled
        }
        (_, "Throttling" | "ThrottlingException" | "TooManyRequestsException") => FaultKind::Throttled,
        (_, "RATELIMITED" | "REQUEST_LIMIT_EXCEEDED") => FaultKind::Throttled,
        (403, _) if limited || answer.headers.contains_key("retry-after") => FaultKind::Throttled,
        (_, "NoSuchEntity" | "ResourceNotFoundException") => FaultKind::NotFound,
        (400 | 403, code) if REJECTED.contains(&code) => FaultKind::CredentialRejected,
        (400, "AUTHENTICATION_ERROR") => FaultKind::CredentialRejected,
        (400, "AccessDeniedException" | "FORBIDDEN" | "FEATURE_NOT_ACCESSIBLE") => {
            FaultKind::PermissionMissing
        }
        // Salesforce says so of objects that the credential may not see, and of rows that it may not write.
        (400, "INVALID_TYPE" | "INSUFFICIENT_ACCESS" | "INSUFFICIENT_ACCESS_OR_READONLY") => {
            FaultKind::PermissionMissing
        }
        (_, "ENTITY_IS_DELETED") => FaultKind::NotFound,
        (401, _) => FaultKind::CredentialRejected,
        // PAN-OS knows no 401.
        (403, _) if answer.text().contains("Invalid Credential") => FaultKind::CredentialRejected,
        (403, _) => FaultKind::PermissionMissing,
        (404 | 410, _) => FaultKind::NotFound,
        (400 | 409 | 412 | 422, _) => FaultKind::Conflict,
        (408 | 425 | 500..=599, _) => FaultKind::Unavailable,
        _ => FaultKind::UnexpectedShape,
    };
    let said = if code.is_empty() { String::new() } else { format!(" ({code})") };
    let wait = matches!(kind, FaultKind::Throttled | FaultKind::Unavailable)
        .then(|| wait_asked(&answer.headers, now));
    Fault::new(kind, format!("{}: HTTP {}{said}", answer.what, answer.status)).after(wait.flatten())
}

/// The vendor's own error code, where the body has one in a usual place. Only short tokens pass: a message could
/// quote what was sent.
fn vendor_code(body: &str) -> Option<String> {
    if let Some((_, rest)) = body.split_once("<Code>") {
        return plain(rest.split('<').next()?);
    }
    let json: Value = serde_json::from_str(body).ok()?;
    let places = [
        "/error/errors/0/reason",
        "/error/code",
        "/errorCode",
        "/0/errorCode",
        "/code",
        "/error",
        "/__type",
        "/scimType",
        "/errors/0/extensions/code",
    ];
    places
        .iter()
        .filter_map(|place| json.pointer(place)?.as_str())
        .find_map(|text| plain(text.rsplit('#').next().unwrap_or(text)))
}

/// A vendor's code, where it is one: a short token, not a sentence.
pub(crate) fn plain(text: &str) -> Option<String> {
    let token = text.len() <= 60 && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    (token && !text.is_empty()).then(|| text.to_owned())
}

/// How long the vendor asks to wait: `Retry-After` in seconds or as a date, or an epoch reset. At most an hour.
pub(crate) fn wait_asked(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let limit = |wait: Duration| wait.min(Duration::from_secs(3600));
    if let Some(value) = text("retry-after") {
        if let Ok(seconds) = value.parse::<u64>() {
            return Some(limit(Duration::from_secs(seconds)));
        }
        let at = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
        return Some(limit(Timestamp::from_jiff(at).since(now)));
    }
    // Linear counts several budgets, in milliseconds: the call goes through once the last of them is filled again.
    let budgets = BUDGETS.iter().filter_map(|name| text(name)?.parse::<i64>().ok());
    if let Some(reset) = budgets.max() {
        return Some(limit(Timestamp::from_millis(reset)?.since(now)));
    }
    let reset = text("x-rate-limit-reset").or_else(|| text("x-ratelimit-reset"))?.parse::<i64>().ok()?;
    Some(limit(Timestamp::from_millis(reset.checked_mul(1000)?)?.since(now)))
}
