//! Batches in the OpenAPI document.

use super::{Door, Route, json_answer, maybe, named, object, of, parameter, route, simple};
use leaver_domain::batch::{BatchStatus, LineState, MAX_LINES};
use serde_json::{Value, json};

const ASKERS: &str = "security, hr";
const READERS: &str = "security, hr, auditor, operator";

pub(super) fn routes() -> Vec<Route> {
    let id = || parameter("path", "id", "The batch.", json!({"type": "string"}));
    let number = |name, what, most: usize| {
        parameter("query", name, what, json!({"type": "integer", "minimum": 0, "maximum": most}))
    };
    let mut open = route("post", "/api/v1/cases/batch", "Open many cases with one file", Door::Roles(ASKERS))
        .takes(parameter(
            "header",
            "Idempotency-Key",
            "The same key with the same file is the same batch, also once it was called off or has come to rest: the same file is \
             sent anew under another key.",
            json!({"type": "string"}),
        ))
        .takes(parameter("query", "dry_run", "Only check the file.", json!({"type": "boolean"})))
        .says(200, json_answer("A dry run: the file is good; nothing was changed.", of("BatchReceipt")))
        .says(
            202,
            json_answer(
                "Recorded: each line is worked on in its turn. With `duplicate` it was recorded before, and `status` says where it \
                 stands.",
                of("BatchReceipt"),
            ),
        )
        .refuses(&[400, 401, 403, 409, 413, 415, 422]);
    open.body = Some(json!({"type": "string", "description":
        "A header `username,reason,revocation_type,preserve_data` in any order, then a line for each person. revocation_type is \
         `leave`, `suspend` or empty, preserve_data `true`, `false` or empty. Where a line is bad, 422 names every bad line under `lines`, and \
         nothing is changed."}));
    vec![
        open,
        route("get", "/api/v1/batches", "List batches, newest first", Door::Roles(READERS))
            .takes(number("limit", "Most batches of the page.", 100))
            .takes(parameter("query", "from", "A page's `next`.", json!({"type": "string"})))
            .says(
                200,
                json_answer(
                    "A page.",
                    object(
                        &["batches", "next"],
                        json!({
                "batches": {"type": "array", "items": of("Batch")}, "next": {"type": ["string", "null"]}}),
                    ),
                ),
            )
            .refuses(&[400, 401, 403]),
        route("get", "/api/v1/batches/{id}", "A batch: how far it is, and its lines", Door::Roles(READERS))
            .takes(id())
            .takes(number("limit", "Most lines; 0 for none.", 100))
            .takes(number("from", "How many lines of the file are passed over.", MAX_LINES))
            .says(200, json_answer("The batch.", of("Batch")))
            .refuses(&[400, 401, 403, 404]),
        route(
            "post",
            "/api/v1/batches/{id}/cancel",
            "Call off what was not recorded yet",
            Door::Roles(ASKERS),
        )
        .takes(id())
        .body("Cancel")
        .says(200, json_answer("The batch.", of("Batch")))
        .refuses(&[400, 401, 403, 404, 409, 413, 422]),
    ]
}

pub(super) fn schemas() -> Value {
    let (text, flag, time) = simple();
    let number = json!({"type": "integer"});
    let maybe_text = json!({"type": ["string", "null"]});
    let states: Vec<&str> = LineState::ALL.iter().map(|state| state.name()).collect();
    let counts: Value = states.iter().map(|state| ((*state).to_owned(), number.clone())).collect();
    let progress = named(json!({
        "finished": number, "left": number, "with_somebody": number, "per_second": {"type": ["number", "null"]}, "ends_at": maybe(&time)}));
    let line = named(json!({
        "line": number, "username": text, "reason": text, "first": flag, "state": {"enum": states},
        "case_id": maybe_text, "case_status": maybe_text}));
    let mut batch = named(json!({
        "batch_id": text, "status": {"enum": BatchStatus::ALL}, "by": text, "created_at": time,
        "begun_at": maybe(&time), "ended_at": maybe(&time), "file": of("Digest"), "total": number,
        "counts": named(counts), "progress": progress, "held_by": maybe_text,
        "released": {"type": ["object", "null"]}}));
    batch["properties"]["lines"] = json!({"type": "array", "items": line});
    batch["properties"]["next"] = json!({"type": ["integer", "null"]});
    let accepted = object(
        &["line", "username", "case_id", "accepted"],
        json!({"line": number, "username": text, "case_id": maybe_text, "accepted": flag, "already": flag}),
    );
    let called_off = maybe(&named(json!({"by": text, "at": time, "reason": text, "lines": number})));
    json!({
        "Batch": batch,
        "BatchReceipt": named(json!({
            "batch_id": text, "duplicate": flag, "status": {"enum": BatchStatus::ALL}, "held_by": maybe_text,
            "called_off": called_off,
            "lines": {"type": "array", "items": accepted}})),
    })
}
