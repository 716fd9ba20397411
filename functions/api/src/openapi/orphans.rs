//! The routes of accounts that are nobody's who is here.

use super::{Door, Route, json_answer, maybe, named, object, of, parameter, route, simple};
use serde_json::{Value, json};

pub(super) fn routes() -> Vec<Route> {
    let all = "Also what somebody has decided about, and accounts of people whom policy routes elsewhere.";
    vec![
        route(
            "get",
            "/api/v1/orphans",
            "Accounts that work and are nobody's who is here",
            Door::Roles("security, auditor"),
        )
        .takes(parameter("query", "system", "Only those of one system.", json!({"type": "string"})))
        .takes(parameter("query", "all", all, json!({"type": "boolean"})))
        .says(
            200,
            json_answer(
                "The orphans; the privileged and the oldest first.",
                json!({"type": "object", "required": ["orphans", "more"], "properties": {
                        "orphans": {"type": "array", "items": of("Orphan")}, "more": {"type": "boolean"}}}),
            ),
        )
        .refuses(&[401, 403, 422]),
        route(
            "post",
            "/api/v1/orphans/{id}",
            "Say whose it is, leave it alone for a while, or have it taken away",
            Door::Roles("security; never whose it may be"),
        )
        .takes(parameter("path", "id", "The orphan.", json!({"type": "string"})))
        .body("DecideOrphan")
        .says(200, json_answer("The orphan as it stands then.", of("Orphan")))
        .refuses(&[400, 401, 403, 404, 409, 413, 422]),
    ]
}

pub(super) fn schemas() -> Value {
    let (text, flag, time) = simple();
    let names = json!({"type": "array", "items": text});
    json!({
        "Orphan": named(json!({
            "orphan_id": text, "system": text, "login": text, "account_id": text, "email": maybe(&text),
            "name": maybe(&text), "account_kind": {"enum": ["person", "service", "guest"]},
            "class": object(&["kind"], json!({
                "kind": {"enum": ["owned", "elsewhere", "left", "unclear", "nobody", "closed"]}, "username": text,
                "usernames": names})),
            "owner": text, "first_seen": time, "age_days": {"type": "integer"}, "created_at": maybe(&time),
            "last_login": maybe(&time), "privileged": maybe(&flag),
            "standing": object(&["is"], json!({
                "is": {"enum": ["open", "adopted", "ignored", "revoking", "gone"]}, "username": text, "owner": text,
                "until": time, "case": text, "since": time, "at": time}))})),
        "DecideOrphan": object(&["decision", "reason"], json!({
            "decision": {"enum": ["adopt", "ignore", "revoke"]},
            "reason": {"type": "string", "minLength": 1, "maxLength": 500},
            "user": {"type": "string", "description": "Whose it is, or who answers for it."},
            "until": {"type": "string", "format": "date", "description": "The last day on which it is left alone."}})),
    })
}
