//! The ledger: where it ends, and its rows as they stand.

use crate::{Api, Call, Reply, Role, stored};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use leaver_domain::{
    ledger::{Entry, view},
    ports::Row,
    problem::Problem,
};
use serde_json::{Value, json};

/// Most rows of one answer: a Lambda function's answer holds 6 MB.
const PAGE: usize = 200;

pub(crate) const READERS: &[Role] = &[Role::Auditor, Role::Security, Role::Operator];

/// `GET /api/v1/ledger/status`
pub(crate) async fn status(api: &Api<'_>, call: &Call) -> Result<Reply, Problem> {
    call.caller.must_be(READERS)?;
    let head = api.ledger.head().await.map_err(stored)?;
    let (size, root) = (head.tree.size, head.tree.root());
    Reply::json(200, &json!({"origin": head.origin, "size": size, "root": root, "last": head.last}))
}

/// `GET /api/v1/ledger/rows?from&limit`
pub(crate) async fn rows(api: &Api<'_>, call: &Call) -> Result<Reply, Problem> {
    call.caller.must_be(READERS)?;
    let number = |name: &str, default: u64| match call.query.get(name) {
        None => Ok(default),
        Some(text) => text
            .parse()
            .map_err(|_| Problem::new(400, "invalid-parameter", format!("`{name}` must be a whole number."))),
    };
    let from = number("from", 0)?;
    let limit = usize::try_from(number("limit", PAGE as u64)?).unwrap_or(PAGE).clamp(1, PAGE);
    let rows = api.ledger.rows(from, limit).await.map_err(stored)?;
    let next = (rows.len() == limit).then(|| from + rows.len() as u64);
    let shown: Vec<Value> = rows.iter().map(shown).collect();
    Reply::json(200, &json!({"rows": shown, "next": next}))
}

fn shown(row: &Row) -> Value {
    let evidence: Value = serde_json::from_str(&row.evidence).unwrap_or(Value::Null);
    let view = Entry::decode(&row.leaf).map_or(Value::Null, |entry| view(&entry, &evidence));
    json!({"seq": row.seq, "leaf": BASE64_STANDARD.encode(&row.leaf), "evidence": row.evidence, "view": view})
}
