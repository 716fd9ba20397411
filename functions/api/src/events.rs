//! A case as Server-Sent Events. Each answer holds what is new since `Last-Event-ID` and ends; the browser's own
//! reconnection does the rest, which works behind any gateway.
//!
//! An event's id is the versions of all records, so that nothing can be missed or shown twice however the writes
//! interleave: what has a higher version than the reader knows is new.

use crate::{Api, Call, Reply, cases, view};
use leaver_domain::{
    case::{CaseRecord, SystemRecord},
    problem::Problem,
};
use std::collections::BTreeMap;

/// After how long the reader asks again, in milliseconds.
const RETRY: u32 = 500;

/// `GET /api/v1/cases/{id}/events`
pub(crate) async fn since(api: &Api<'_>, call: &Call, id: &str) -> Result<Reply, Problem> {
    let (case, systems) = cases::find(api, call, id).await?;
    let known = call.headers.get("last-event-id").and_then(|id| id.to_str().ok()).unwrap_or("");
    Ok(Reply::bytes("text/event-stream", stream(&case, &systems, known).into_bytes(), false))
}

fn stream(case: &CaseRecord, systems: &[SystemRecord], known: &str) -> String {
    let mut seen: BTreeMap<&str, u64> = known
        .split(',')
        .filter_map(|part| part.split_once('='))
        .filter_map(|(name, version)| Some((name, version.parse().ok()?)))
        .collect();
    let mut body = format!("retry: {RETRY}\n\n");
    let mut push = |name: &'static str, key, version, data: serde_json::Value| {
        if seen.get(key).is_some_and(|known| *known >= version) {
            return;
        }
        seen.insert(key, version);
        let id: Vec<String> = seen.iter().map(|(name, version)| format!("{name}={version}")).collect();
        body.push_str(&format!("id: {}\nevent: {name}\ndata: {data}\n\n", id.join(",")));
    };
    for record in systems {
        push("system", record.system.as_str(), record.version, view::system(record));
    }
    let status = view::status(case, systems);
    let mut summary = view::summary(case);
    summary["status"] = serde_json::json!(status);
    push("case", "case", case.version, summary);
    if status.is_settled() {
        body.push_str("event: settled\ndata: {}\n\n");
    }
    body
}
