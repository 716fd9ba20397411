//! The OpenAPI document: every route of the deployment, who may use it, what it takes and what it answers. It is kept as
//! `infra/openapi.json`; a test holds the file, the template's routes and this together.

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
        Door::Hris | Door::Roles(_) => &[401],
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
            Door::Roles(roles) => (json!([{"token": []}]), format!("Roles: {roles}.")),
        };
        let mut operation = json!({
            "summary": self.summary, "description": who, "security": security, "responses": responses,
        });
        if !self.parameters.is_empty() {
            operation["parameters"] = json!(self.parameters);
        }
        if let Some(body) = &self.body {
            operation["requestBody"] =
                json!({"required": true, "content": {"application/json": {"schema": body}}});
        }
        operation
    }
}

const READERS: &str = "auditor, security, operator";
const EVERYBODY: &str = "hr, manager (own reports), approver, security, auditor, operator";

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
            .says(200, json_answer("A page.", json!({"type": "object", "required": ["cases", "next"], "properties": {
                "cases": {"type": "array", "items": of("CaseSummary")}, "next": {"type": ["string", "null"]}}})))
            .refuses(&[400, 401, 403]),
        route("post", "/api/v1/cases", "Open a case, or see what it would do", Door::Roles("security, hr, manager (own reports)"))
            .body("OpenCase")
            .says(200, json_answer("A dry run with its plan.", of("Case")))
            .says(202, json_answer("The case.", of("Case")))
            .refuses(&[400, 401, 403, 413, 422]),
        route("get", "/api/v1/cases/{id}", "A case with its systems", Door::Roles(EVERYBODY))
            .takes(id())
            .says(200, json_answer("The case.", of("Case")))
            .refuses(&[401, 404]),
        route("get", "/api/v1/cases/{id}/events", "What has happened to a case, as Server-Sent Events", Door::Roles(EVERYBODY))
            .takes(id())
            .takes(parameter("header", "Last-Event-ID", "Only what came later.", json!({"type": "string"})))
            .says(200, answer("What is new; the client connects again.", "text/event-stream", json!({"type": "string"})))
            .refuses(&[401, 404]),
        route("get", "/api/v1/doctor", "Check tables, workflow and every system's reach", Door::Roles("security, operator"))
            .says(200, json_answer("The checks.", json!({"type": "object", "properties": {"checks": {"type": "array", "items": {
                "type": "object", "required": ["name", "ok", "detail"],
                "properties": {"name": {"type": "string"}, "ok": {"type": "boolean"}, "detail": {"type": ["string", "null"]}}}}}})))
            .refuses(&[401, 403]),
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
    if let (Some(all), Value::Object(others)) = (all.as_object_mut(), other_schemas()) {
        all.extend(others);
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
        "case_id": text, "mode": {"enum": ["leave", "partial"]}, "status": {"enum": CaseStatus::ALL},
        "person": object(&["username", "employee_id"], json!({"username": text, "employee_id": text})),
        "reason": text, "trigger": {"type": "object"}, "policy_digest": of("Digest"), "created_at": time,
        "effective_at": time, "closed_at": maybe(&time), "dates": {"type": "object"}, "dry_run": flag, "emergency": flag,
        "findings": things,
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
            "attempts": {"type": "integer"}, "fault": thing, "task": thing})),
    })
}

fn other_schemas() -> Value {
    let (text, flag, time) = simple();
    let (date, number) = (json!({"type": "string", "format": "date"}), json!({"type": "integer"}));
    let user = json!({
        "username": text, "employee_id": text, "email": text, "termination_date": date, "termination_reason": text,
        "new_role": text, "new_department": text});
    let metadata = json!({"department": text, "manager": text, "last_working_day": date, "time_zone": text});
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
            "person": text, "mode": {"enum": ["leave", "partial"]}, "reason": text, "effective_at": time, "dry_run": flag,
            "scope": object(&["grants"], json!({"grants": {"type": "array", "items": text}})), "emergency": flag,
            "preserve_data": flag})),
        "Row": named(json!({
            "seq": number, "leaf": {"type": "string", "format": "byte"}, "evidence": text, "view": {"type": ["object", "null"]}})),
        "Export": object(&["export_id", "status", "period", "checkpoint_size", "requested_by", "requested_at"], json!({
            "export_id": text, "status": {"enum": ["building", "ready", "failed"]},
            "period": named(json!({"from": time, "to": time})), "checkpoint_size": number, "requested_by": text,
            "requested_at": time, "failure": {"type": ["string", "null"]}, "ask_again_seconds": number,
            "archive": named(archive)})),
    })
}

/// The document.
pub fn document() -> Value {
    let mut paths = Map::new();
    for route in case_routes().into_iter().chain(ledger_routes()) {
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
                "hris": {"type": "http", "scheme": "bearer", "description": "The HRIS's token."},
            },
            "responses": {"Problem": answer("What went wrong, and what to do.", "application/problem+json", of("Problem"))},
            "schemas": schemas(),
        },
    })
}
