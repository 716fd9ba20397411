//! The OpenAPI document: every route of the deployment, who may use it, what it takes and what it answers. It is kept as
//! `infra/openapi.json`; a test holds the file, the template's routes and this together.

mod batches;
mod measures;
mod orphans;

use leaver_domain::{
    case::{CaseStatus, SystemStatus},
    trigger::EventType,
};
use serde_json::{Map, Value, json};

/// Who may use a route.
enum Door {
    /// Anybody in the deployment's network.
    Open,
    /// The HRIS, by its bearer token (and signature, where the source is configured to sign).
    Hris,
    /// Slack, by its signature over the raw body.
    Slack,
    /// People with one of these roles.
    Roles(&'static str),
}

/// One route.
struct Route {
    method: &'static str,
    path: &'static str,
    summary: &'static str,
    door: Door,
    parameters: Vec<Value>,
    body: Option<Value>,
    answers: Vec<(u16, Value)>,
    refusals: &'static [u16],
}

fn parameter(place: &str, name: &str, what: &str, schema: Value) -> Value {
    json!({"in": place, "name": name, "description": what, "required": place == "path", "schema": schema})
}

fn of(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn answer(what: &str, media: &str, schema: Value) -> Value {
    json!({"description": what, "content": {media: {"schema": schema}}})
}

fn json_answer(what: &str, schema: Value) -> Value {
    answer(what, "application/json", schema)
}

fn route(method: &'static str, path: &'static str, summary: &'static str, door: Door) -> Route {
    let refusals: &[u16] = match door {
        Door::Open => &[],
        Door::Hris | Door::Slack | Door::Roles(_) => &[401],
    };
    Route { method, path, summary, door, parameters: vec![], body: None, answers: vec![], refusals }
}

impl Route {
    fn takes(mut self, parameter: Value) -> Self {
        self.parameters.push(parameter);
        self
    }
    fn body(mut self, schema: &str) -> Self {
        self.body = Some(of(schema));
        self
    }
    fn says(mut self, status: u16, answer: Value) -> Self {
        self.answers.push((status, answer));
        self
    }
    fn refuses(mut self, statuses: &'static [u16]) -> Self {
        self.refusals = statuses;
        self
    }

    fn operation(&self) -> Value {
        let mut responses = Map::new();
        for (status, answer) in &self.answers {
            responses.insert(status.to_string(), answer.clone());
        }
        for status in self.refusals.iter().chain(&[503]) {
            responses.insert(status.to_string(), json!({"$ref": "#/components/responses/Problem"}));
        }
        let (security, who) = match self.door {
            Door::Open => (json!([]), "Open to the deployment's network.".to_owned()),
            Door::Hris => (json!([{"hris": []}]), "The HRIS.".to_owned()),
            Door::Slack => (json!([{"slack": []}]), "Slack.".to_owned()),
            Door::Roles(roles) => (json!([{"token": []}]), format!("Roles: {roles}.")),
        };
        let mut operation = json!({
            "summary": self.summary, "description": who, "security": security, "responses": responses,
        });
        if !self.parameters.is_empty() {
            operation["parameters"] = json!(self.parameters);
        }
        if let Some(body) = &self.body {
            // A file is no object.
            let media = if body["type"] == "string" { "text/csv" } else { "application/json" };
            operation["requestBody"] = json!({"required": true, "content": {media: {"schema": body}}});
        }
        operation
    }
}

const READERS: &str = "auditor, security, operator";
const DECIDERS: &str = "approver, security, auditor, operator, manager (own reports), and whoever is asked or entitled by policy";
const EVERYBODY: &str = "hr, manager (own reports), approver, security, auditor, operator";

fn approval_routes() -> Vec<Route> {
    let id = || parameter("path", "id", "The approval.", json!({"type": "string"}));
    let list = json!({"type": "object", "required": ["approvals", "more"], "properties": {
        "approvals": {"type": "array", "items": of("Approval")}, "more": {"type": "boolean"}}});
    vec![
        route(
            "get",
            "/api/v1/approvals",
            "What waits for a decision, the oldest first",
            Door::Roles(DECIDERS),
        )
        .says(200, json_answer("What waits.", list))
        .refuses(&[401, 403]),
        route("get", "/api/v1/approvals/{id}", "What is to be decided", Door::Roles(DECIDERS))
            .takes(id())
            .says(200, json_answer("The approval.", of("Approval")))
            .refuses(&[401, 403, 404]),
        route(
            "post",
            "/api/v1/approvals/{id}",
            "Decide: approve, deny, escalate",
            Door::Roles("approver, security, and whoever is asked or entitled by policy"),
        )
        .takes(id())
        .body("Decision")
        .says(200, json_answer("It counts.", of("Approval")))
        .refuses(&[400, 401, 403, 404, 409, 410, 413, 422]),
        route("post", "/api/v1/slack/interactions", "A button pressed in Slack", Door::Slack)
            .takes(parameter("header", "X-Slack-Request-Timestamp", "When Slack signed, in Unix seconds.", json!({"type": "string"})))
            .says(200, json!({"description": "Taken; the message is replaced by the decision, or the presser is told why it does not count."}))
            .refuses(&[400, 401, 413]),
    ]
}

fn case_routes() -> Vec<Route> {
    let id = || parameter("path", "id", "The case.", json!({"type": "string"}));
    vec![
        route("post", "/api/v1/webhooks/hr-events", "Report an event of the HRIS", Door::Hris)
            .takes(parameter("header", "X-Leaver-Signature", "`t=<unix>,v1=<hex HMAC-SHA256 of \"t.body\">`, where the source signs.", json!({"type": "string"})))
            .body("HrEvent")
            .says(200, json_answer("A `test` event; nothing was changed.", of("Receipt")))
            .says(202, json_answer("Recorded. The same event again answers the same with `duplicate: true`.", of("Receipt")))
            .refuses(&[400, 401, 409, 413, 422]),
        route("get", "/api/v1/cases", "List cases, newest first", Door::Roles(EVERYBODY))
            .takes(parameter("query", "limit", "Most cases of the page.", json!({"type": "integer", "minimum": 1, "maximum": 50})))
            .takes(parameter("query", "from", "A page's `next`.", json!({"type": "string"})))
            .takes(parameter("query", "scheduled", "Only those whose time has not come, the earliest first.", json!({"type": "boolean"})))
            .says(200, json_answer("A page.", json!({"type": "object", "required": ["cases", "next"], "properties": {
                "cases": {"type": "array", "items": of("CaseSummary")}, "next": {"type": ["string", "null"]}}})))
            .refuses(&[400, 401, 403]),
        route("post", "/api/v1/cases", "Open a case, or see what it would do", Door::Roles("security, hr, manager (own reports)"))
            .takes(measures::key())
            .body("OpenCase")
            .says(200, json_answer("A dry run with its plan.", of("Case")))
            .says(202, json_answer("The case.", of("Case")))
            .refuses(&[400, 401, 403, 404, 409, 413, 422]),
        route("get", "/api/v1/cases/{id}", "A case with its systems", Door::Roles(EVERYBODY))
            .takes(id())
            .says(200, json_answer("The case.", of("Case")))
            .refuses(&[401, 404]),
        route("get", "/api/v1/cases/{id}/events", "What has happened to a case, as Server-Sent Events", Door::Roles(EVERYBODY))
            .takes(id())
            .takes(parameter("header", "Last-Event-ID", "Only what came later.", json!({"type": "string"})))
            .says(200, answer("What is new; the client connects again.", "text/event-stream", json!({"type": "string"})))
            .refuses(&[401, 404]),
        route("post", "/api/v1/cases/{id}/cancel", "Call off a case that has not begun", Door::Roles("security, hr, manager (what they opened)"))
            .takes(id())
            .body("Cancel")
            .says(200, json_answer("The case, called off.", of("Case")))
            .refuses(&[400, 401, 403, 404, 409, 413, 422]),
        route("post", "/api/v1/cases/{id}/force", "Have an incomplete case tried again", Door::Roles("security"))
            .takes(id())
            .body("Cancel")
            .says(202, json_answer("The case; another execution works on whatever is not finished.", of("Case")))
            .refuses(&[400, 401, 403, 404, 409, 413, 422]),
        route("get", "/api/v1/doctor", "Check tables, workflow and every system's reach", Door::Roles("security, operator"))
            .says(200, json_answer("The checks.", json!({"type": "object", "properties": {"checks": {"type": "array", "items": {
                "type": "object", "required": ["name", "ok", "detail"],
                "properties": {"name": {"type": "string"}, "ok": {"type": "boolean"}, "detail": {"type": ["string", "null"]}}}}}})))
            .refuses(&[401, 403]),
    ]
}

fn task_routes() -> Vec<Route> {
    let id = || {
        parameter("path", "id", "The task: `case~system`, or the id of a review.", json!({"type": "string"}))
    };
    vec![
        route("get", "/api/v1/tasks", "The open tasks and reviews, the earliest due first", Door::Roles("security, operator, auditor: all; everybody: their own; manager: about own reports"))
            .says(200, json_answer("The tasks.", json!({"type": "object", "required": ["tasks", "more"], "properties": {
                "tasks": {"type": "array", "items": of("Task")}, "more": {"type": "boolean"}}})))
            .refuses(&[401]),
        route("post", "/api/v1/tasks/{id}", "Close a task with a statement and, where there are any, files", Door::Roles("its owner, security, operator (not for reviews); never the person whose access it is about, nor for a review whoever asked"))
            .takes(id())
            .body("CloseTask")
            .says(200, json_answer("The closed task.", of("Task")))
            .refuses(&[400, 401, 403, 404, 409, 413, 422]),
        route("get", "/api/v1/tasks/{id}/evidence/{sha256}", "A file that was given when the task was closed", Door::Roles("security, auditor"))
            .takes(id())
            .takes(parameter("path", "sha256", "Its digest.", of("Digest")))
            .says(200, answer("The file.", "application/octet-stream", json!({"type": "string", "format": "binary"})))
            .refuses(&[401, 403, 404]),
    ]
}

fn ledger_routes() -> Vec<Route> {
    let path = || parameter("path", "path", "The rest of a C2SP tlog-tiles path.", json!({"type": "string"}));
    let bytes =
        |what| answer(what, "application/octet-stream", json!({"type": "string", "format": "binary"}));
    let date = |name, what| parameter("query", name, what, json!({"type": "string"}));
    vec![
        route("get", "/api/v1/ledger/status", "Where the ledger ends", Door::Roles(READERS))
            .says(200, json_answer("Its head.", json!({"type": "object", "required": ["origin", "size", "root", "last"], "properties": {
                "origin": {"type": "string"}, "size": {"type": "integer"}, "root": of("Digest"), "last": of("Digest")}})))
            .refuses(&[401, 403]),
        route("get", "/api/v1/ledger/rows", "Rows of the ledger, verbatim and as JSON", Door::Roles(READERS))
            .takes(parameter("query", "from", "The first place.", json!({"type": "integer", "minimum": 0})))
            .takes(parameter("query", "limit", "Most rows.", json!({"type": "integer", "minimum": 1, "maximum": 200})))
            .says(200, json_answer("A page.", json!({"type": "object", "required": ["rows", "next"], "properties": {
                "rows": {"type": "array", "items": of("Row")}, "next": {"type": ["integer", "null"]}}})))
            .refuses(&[400, 401, 403]),
        route("get", "/api/v1/ledger/checkpoint", "The newest signed checkpoint (C2SP tlog-checkpoint)", Door::Open)
            .says(200, answer("A signed note.", "text/plain", json!({"type": "string"})))
            .refuses(&[404]),
        route("get", "/api/v1/ledger/keys", "The log's verifier keys, witnesses and quorum", Door::Open)
            .says(200, json_answer("The keys.", json!({"type": "object"})))
            .refuses(&[404]),
        route("get", "/api/v1/ledger/tile/{path+}", "A tile of hashes (C2SP tlog-tiles)", Door::Open)
            .takes(path())
            .says(200, bytes("The tile."))
            .refuses(&[404]),
        route("get", "/api/v1/ledger/tile/entries/{path+}", "A bundle of entries (C2SP tlog-tiles)", Door::Roles(READERS))
            .takes(path())
            .says(200, bytes("The bundle."))
            .refuses(&[401, 403, 404]),
        route("get", "/api/v1/evidence", "Ask for a pack of evidence", Door::Roles("auditor, security"))
            .takes(date("from", "The first day (UTC) or instant."))
            .takes(date("to", "The last day, which is part of the period, or the instant before which it ends."))
            .says(200, json_answer("The pack is there.", of("Export")))
            .says(202, json_answer("It is being made; ask again.", of("Export")))
            .refuses(&[400, 401, 403, 409]),
        route("get", "/api/v1/evidence/{id}", "Where a pack of evidence stands", Door::Roles("auditor, security"))
            .takes(parameter("path", "id", "The export.", json!({"type": "string"})))
            .says(200, json_answer("The pack is there, or could not be made.", of("Export")))
            .says(202, json_answer("It is being made; ask again.", of("Export")))
            .refuses(&[401, 403, 404]),
        route("get", "/api/v1/signals/jwks", "The key that security event tokens are signed with", Door::Open)
            .says(200, json_answer("A JSON Web Key set.", json!({"type": "object"}))),
        route("get", "/.well-known/ssf-configuration", "What this transmitter of security events is (SSF)", Door::Open)
            .says(200, json_answer("Its configuration.", json!({"type": "object"}))),
    ]
}

fn object(required: &[&str], properties: Value) -> Value {
    json!({"type": "object", "required": required, "properties": properties})
}

/// The shapes of what is sent and shown.
fn schemas() -> Value {
    let mut all = case_schemas();
    for others in
        [other_schemas(), measures::schemas(), task_schemas(), orphans::schemas(), batches::schemas()]
    {
        if let (Some(all), Value::Object(others)) = (all.as_object_mut(), others) {
            all.extend(others);
        }
    }
    all
}

fn named(properties: Value) -> Value {
    let required: Vec<String> =
        properties.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
    json!({"type": "object", "required": required, "properties": properties})
}

fn maybe(schema: &Value) -> Value {
    json!({"anyOf": [schema, {"type": "null"}]})
}

fn simple() -> (Value, Value, Value) {
    (json!({"type": "string"}), json!({"type": "boolean"}), json!({"type": "string", "format": "date-time"}))
}

fn case_schemas() -> Value {
    let (text, flag, time) = simple();
    let (things, thing) =
        (json!({"type": "array", "items": {"type": "object"}}), json!({"type": ["object", "null"]}));
    let summary = json!({
        "case_id": text, "mode": {"enum": ["leave", "partial", "suspend", "reactivate"]}, "status": {"enum": CaseStatus::ALL},
        "person": object(&["username", "employee_id"], json!({"username": text, "employee_id": text})),
        "reason": text, "trigger": {"type": "object"}, "policy_digest": of("Digest"), "created_at": time,
        "effective_at": time, "closed_at": maybe(&time), "dates": {"type": "object"}, "dry_run": flag, "emergency": flag,
        "preserve_data": flag, "archive": thing,
        "findings": things, "reverified": things, "reverify_next": {"type": ["object", "null"]}, "restores": maybe(&text), "by_role": flag,
        "moves": {"type": ["object", "null"], "description": "The change of role, department, location, clearance or employment that it carries out: from, to, what it means in each system (steps, beyond), and earlier ones that were not through."},
        "measure": {"type": ["string", "null"], "description": "The measure that holds it or asked for it: what is decided about with the approvals."},
        "permissions": {"type": "array", "items": object(&["system", "grant"], json!({"system": text, "grant": text}))},
    });
    let mut whole = summary.clone();
    whole["systems"] = json!({"type": "array", "items": of("System")});
    let covered = "The size of the published checkpoint, once it covers every row.";
    whole["ledger"] = object(
        &["rows", "checkpoint_size"],
        json!({
        "rows": {"type": "integer"}, "checkpoint_size": {"type": ["integer", "null"], "description": covered}}),
    );
    json!({
        "CaseSummary": named(summary),
        "Case": named(whole),
        "System": named(json!({
            "system": text, "status": {"enum": SystemStatus::ALL}, "risk": thing, "plan_digest": maybe(&of("Digest")),
            "plan": things, "actions": things, "before": thing, "after": thing, "started_at": maybe(&time),
            "revoked_at": maybe(&time), "verified_at": maybe(&time),
            "residuals": {"type": "array", "items": object(&["what", "until"], json!({"what": text, "until": maybe(&time)}))},
            "not_restorable": {"type": "array", "items": text},
            "owned": {"type": "array", "items": {"type": "object", "required": ["id", "kind", "name", "live_automation", "next"],
                "properties": {"id": text, "kind": text, "name": text, "live_automation": {"type": "boolean"},
                               "next": {"enum": ["revoke", "transfer", "rotate", "task"]}}}},
            "owned_total": {"type": "integer"}, "parked": {"type": "array", "items": thing},
            "transfers": things, "preserved": maybe(&text),
            "attempts": {"type": "integer"}, "fault": thing, "readings": things, "task": thing, "approval": thing, "manual": thing})),
    })
}

fn task_schemas() -> Value {
    let (text, flag, time) = simple();
    let person = object(&["username", "employee_id"], json!({"username": text, "employee_id": text}));
    let file = named(json!({
        "name": text, "media_type": text, "size": {"type": "integer"}, "sha256": of("Digest")}));
    let closed = object(
        &["by", "at", "statement"],
        json!({"by": text, "at": time, "statement": text, "evidence": {"type": "array", "items": file}}),
    );
    let given =
        named(json!({"name": text, "media_type": text, "data": {"type": "string", "format": "byte"}}));
    json!({
        "Task": named(json!({
            "task_id": text, "kind": {"enum": ["system", "emergency", "break_glass", "suspension", "reappeared", "late_risk", "transfer_failed", "canary_alive", "contract_not_ended"]}, "case_id": text,
            "system": {"type": ["string", "null"]}, "person": person, "reason": text,
            "owners": {"type": "array", "items": text}, "instructions": text, "opened_at": time, "due_at": time,
            "overdue": flag, "closed": maybe(&closed)})),
        "CloseTask": object(&["statement"], json!({
            "statement": {"type": "string", "minLength": 1, "maxLength": 2000},
            "evidence": {"type": "array", "maxItems": 5, "items": given, "description": "At most 3 MiB together."}})),
    })
}

fn other_schemas() -> Value {
    let (text, flag, time) = simple();
    let (date, number) = (json!({"type": "string", "format": "date"}), json!({"type": "integer"}));
    let user = json!({
        "username": text, "employee_id": text, "email": text, "termination_date": date, "termination_reason": text,
        "new_role": text, "new_department": text, "contract_end": maybe(&date)});
    let metadata = json!({
        "department": text, "manager": maybe(&text), "last_working_day": date, "time_zone": maybe(&text),
        "location": maybe(&text), "clearance": maybe(&text)});
    let archive = json!({
        "url": {"type": "string", "format": "uri"}, "url_expires_at": time, "media_type": text, "sha256": of("Digest"),
        "manifest_sha256": of("Digest"), "bytes": number, "rows": number, "cases": number});
    json!({
        "Digest": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        "Problem": named(json!({"type": text, "title": text, "status": number, "detail": text})),
        "HrEvent": object(&["event_type", "event_id", "timestamp"], json!({
            "event_type": {"enum": EventType::ALL}, "event_id": text, "timestamp": time,
            "user": object(&["username", "employee_id"], user), "metadata": object(&[], metadata)})),
        "Receipt": named(json!({"case_id": {"type": ["string", "null"]}, "status": text, "duplicate": flag})),
        "OpenCase": object(&["person", "reason"], json!({
            "person": text, "mode": {"enum": ["leave", "partial", "suspend"]}, "reason": text, "effective_at": time, "dry_run": flag,
            "scope": object(&[], json!({
                "grants": {"type": "array", "items": text, "description": "Wherever they are held."},
                "permissions": {"type": "array", "items": text, "description": "`github:core` in one system; a bare name wherever it is held."},
                "role": {"type": "string", "description": "What the profile of this role needs."}})),
            "emergency": flag,
            "preserve_data": flag})),
        "Cancel": named(json!({"reason": text})),
        "Decision": object(&["decision"], json!({
            "decision": {"enum": ["approve", "deny", "escalate"]},
            "reason": {"type": "string", "description": "Needed to deny, and for every decision about held cases."}})),
        "Approval": approval_schema(),
        "Row": named(json!({
            "seq": number, "leaf": {"type": "string", "format": "byte"}, "evidence": text, "view": {"type": ["object", "null"]}})),
        "Export": object(&["export_id", "status", "period", "checkpoint_size", "requested_by", "requested_at"], json!({
            "export_id": text, "status": {"enum": ["building", "ready", "failed"]},
            "period": named(json!({"from": time, "to": time})), "checkpoint_size": number, "requested_by": text,
            "requested_at": time, "failure": {"type": ["string", "null"]}, "ask_again_seconds": number,
            "archive": named(archive)})),
    })
}

/// An approval; a single one also has what people are shown about it.
fn approval_schema() -> Value {
    let (text, number, time) = (simple().0, json!({"type": "integer"}), simple().2);
    let lines = json!({"type": "array", "items": text});
    let shown = named(json!({
        "title": text,
        "facts": {"type": "array", "items": named(json!({"name": text, "value": text}))},
        "sections": {"type": "array", "items": named(json!({"heading": text, "lines": lines}))}}));
    let mut schema = named(json!({
        "id": text, "about": {"type": "object"}, "person": {"type": ["string", "null"]}, "requested_by": text,
        "requested_at": time, "due_at": time, "expires_at": time, "covers": of("Digest"),
        "status": {"enum": ["pending", "approved", "denied", "expired"]}, "need": {"type": "object"},
        "asked": {"type": "array", "items": text}, "level": number,
        "decisions": {"type": "array", "items": {"type": "object"}}}));
    schema["properties"]["shown"] = shown;
    schema
}

/// The document.
pub fn document() -> Value {
    let mut paths = Map::new();
    let routes =
        case_routes().into_iter().chain(approval_routes()).chain(task_routes()).chain(ledger_routes());
    for route in routes.chain(measures::routes()).chain(orphans::routes()).chain(batches::routes()) {
        let path = paths.entry(route.path.replace("{path+}", "{path}")).or_insert_with(|| json!({}));
        path[route.method] = route.operation();
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "leaver", "version": env!("CARGO_PKG_VERSION"),
            "description": "Takes a leaver's access away in every connected system, and proves it. Errors are problem documents (RFC 9457).",
        },
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "An ID token of the user pool, or of the configured issuer."},
                "slack": {"type": "apiKey", "in": "header", "name": "X-Slack-Signature", "description": "`v0=` and the hex HMAC-SHA256 of `v0:<timestamp>:<body>`; the timestamp is at most five minutes old."},
                "hris": {"type": "http", "scheme": "bearer", "description": "The HRIS's token."},
            },
            "responses": {"Problem": answer("What went wrong, and what to do.", "application/problem+json", of("Problem"))},
            "schemas": schemas(),
        },
    })
}
