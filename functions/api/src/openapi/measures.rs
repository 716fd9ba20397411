//! The routes of what is asked for about people, and of what they have.

use super::{Door, EVERYBODY, Route, json_answer, maybe, named, object, of, parameter, route, simple};
use serde_json::{Value, json};

fn person() -> Value {
    parameter("path", "id", "The person: login name or the HRIS's number.", json!({"type": "string"}))
}

/// The number that the sender gives a request.
pub(super) fn key() -> Value {
    let what = "The number of the request: the same number is the same request.";
    parameter("header", "Idempotency-Key", what, json!({"type": "string", "maxLength": 124}))
}

/// A request that somebody else decides about.
fn asks(path: &'static str, summary: &'static str, roles: &'static str, body: &str) -> Route {
    let takes = if path.contains("/cases/") {
        parameter("path", "id", "The case.", json!({"type": "string"}))
    } else {
        person()
    };
    route("post", path, summary, Door::Roles(roles))
        .takes(takes)
        .takes(key())
        .body(body)
        .says(202, json_answer("What was asked for, and who decides.", of("Measure")))
        .refuses(&[400, 401, 403, 404, 409, 413, 422])
}

pub(super) fn routes() -> Vec<Route> {
    asked().into_iter().chain(told()).collect()
}

/// What is asked for, and decided by somebody else.
fn asked() -> Vec<Route> {
    const BOTH: &str = "security, hr";
    vec![
        asks(
            "/api/v1/employees/{id}/extend",
            "Ask for a later end of a contract",
            "security, hr, manager (own reports)",
            "Extend",
        ),
        asks(
            "/api/v1/employees/{id}/grants",
            "Ask for permissions for a time",
            "security, manager (own reports)",
            "AskGrant",
        ),
        asks(
            "/api/v1/employees/{id}/break-glass",
            "Ask for emergency access, for at most a day",
            "security",
            "AskBreakGlass",
        ),
        asks("/api/v1/employees/{id}/exceptions", "Ask for an exception with an end", BOTH, "AskException"),
        asks(
            "/api/v1/employees/{id}/legal-hold",
            "Place a legal hold at once, or ask for its release",
            BOTH,
            "LegalHold",
        ),
        asks(
            "/api/v1/employees/{id}/rehire",
            "Ask for what somebody's role needs now, out of what they had before they left",
            BOTH,
            "AskRehire",
        ),
        asks(
            "/api/v1/employees/{id}/restore",
            "Ask for access as it was at an instant: what the first case found that took something since",
            BOTH,
            "AskRestoreFrom",
        ),
        asks("/api/v1/cases/{id}/restore", "Ask for what a case took", BOTH, "AskRestore"),
    ]
}

/// What is known of somebody, and of what was asked for.
fn told() -> Vec<Route> {
    vec![
        route(
            "get",
            "/api/v1/employees/{id}/access",
            "Who somebody is, what is asked for or in force, and their newest case",
            Door::Roles(EVERYBODY),
        )
        .takes(person())
        .says(200, json_answer("The person.", of("Access")))
        .refuses(&[401, 403, 404]),
        route(
            "get",
            "/api/v1/employees/{id}/policy",
            "What the policy means for somebody: systems, sentences, steps, the role's needs, who would be asked",
            Door::Roles("security, hr, auditor, manager (own reports)"),
        )
        .takes(person())
        .says(200, json_answer("What it means.", of("Explanation")))
        .refuses(&[401, 403, 404]),
        route(
            "get",
            "/api/v1/employees/{id}/archive",
            "What is archived of somebody, with short-lived links; each look is a row",
            Door::Roles("compliance"),
        )
        .takes(person())
        .takes(parameter("query", "case", "The archive of this case alone.", json!({"type": "string"})))
        .says(200, json_answer("The archives.", of("Archives")))
        .refuses(&[401, 403, 404, 409]),
        route("get", "/api/v1/measures/{id}", "What was asked for", Door::Roles(EVERYBODY))
            .takes(parameter("path", "id", "The measure.", json!({"type": "string"})))
            .says(200, json_answer("The measure.", of("Measure")))
            .refuses(&[401, 404]),
    ]
}

pub(super) fn schemas() -> Value {
    let (text, flag, time) = simple();
    let (date, names) =
        (json!({"type": "string", "format": "date"}), json!({"type": "array", "items": {"type": "string"}}));
    let lasts = json!({"type": "string", "pattern": "^[0-9]{1,5}[mhdw]$"});
    let approval = json!({
        "approval_id": text, "status": {"enum": ["pending", "approved", "denied", "expired"]}, "asked": names,
        "needed": {"type": "integer"}, "security": flag, "only": names, "due_at": time, "expires_at": time,
        "decisions": {"type": "array", "items": {"type": "object"}}});
    let status = json!({"enum": ["requested", "approved", "active", "ending", "ended", "denied", "expired"]});
    let measure = json!({
        "measure_id": text, "kind": text, "what": {"type": "object"}, "person": maybe(&json!({"type": "object"})),
        "requested_by": text, "reason": text, "requested_at": time, "until": maybe(&time), "status": status,
        "approval": named(approval), "cases": names, "archive_hold": maybe(&json!({"type": "object"}))});
    let known = json!({
        "username": text, "employee_id": text, "name": text, "employment": text, "department": text,
        "manager": maybe(&text), "status": {"enum": ["active", "suspended", "leaving", "left"]}, "contract_end": maybe(&date),
        "legal_hold": maybe(&json!({"type": "object"}))});
    json!({
        "Explanation": explanation(),
        "Measure": named(measure),
        "Access": named(json!({
            "person": named(known), "measures": {"type": "array", "items": of("Measure")},
            "case": maybe(&json!({"type": "object"}))})),
        "Archives": named(json!({
            "user": text, "legal_hold": maybe(&json!({"type": "object"})), "links_expire_at": time, "more": flag,
            "archives": {"type": "array", "items": named(json!({
                "case_id": text, "complete": flag,
                "objects": {"type": "array", "items": named(json!({
                    "name": text, "size": {"type": "integer"}, "version": text, "at": maybe(&time), "url": text}))}}))}})),
        "Extend": object(&["reason"], json!({"by": lasts, "until": date, "reason": text})),
        "AskGrant": object(&["permissions", "reason"], json!({
            "permissions": {"type": "array", "items": {"type": "string", "description": "system:permission"},
                            "minItems": 1, "maxItems": 50},
            "for": lasts, "until": time, "reason": text})),
        "AskBreakGlass": object(&["reason", "approver"], json!({
            "case_id": text, "for": lasts, "until": time, "reason": text, "approver": text})),
        "AskException": object(&["what", "reason"], json!({
            "what": {"enum": ["mail_forwarding", "retention_hold", "equipment_return"]}, "for": lasts, "until": time,
            "reason": text, "renews": text})),
        "LegalHold": object(&["reason"], json!({"reason": text, "release": flag})),
        "AskRehire": object(&["reason"], json!({"reason": text})),
        "AskRestoreFrom": object(&["from"], json!({"from": time, "reason": text, "approval": text})),
        "AskRestore": object(&[], json!({"reason": text, "approval": text})),
    })
}

/// What the policy means for somebody.
fn explanation() -> Value {
    let (text, flag, _) = simple();
    let list = |items: &Value| json!({"type": "array", "items": items});
    let (names, thing) = (list(&text), json!({"type": ["object", "null"]}));
    let rule = maybe(&named(json!({"number": {"type": "integer"}, "sentence": text})));
    let person = named(json!({
        "username": text, "name": text, "employment": text, "department": text, "role": text,
        "location": maybe(&text), "clearance": maybe(&text), "status": text}));
    let place = named(json!({
        "system": text, "how": {"enum": ["adapter", "custom", "manual"]}, "owner": text, "rule": rule,
        "steps": names, "left_alone": names, "left_alone_by": rule}));
    named(json!({
        "person": person, "policy_digest": of("Digest"), "systems": list(&place),
        "without": list(&named(json!({"system": text, "rule": rule}))),
        "role": named(json!({"name": text, "needs": {"type": ["object", "null"], "additionalProperties": names}})),
        "asked": list(&named(json!({"level": {"type": ["string", "object"]}, "who": names}))),
        "security": names, "protected": flag, "legal_hold": thing, "held_case": thing}))
}
