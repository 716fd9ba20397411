//! What people read: aligned tables out of the API's JSON.

use leaver_domain::time::Timestamp;
use serde_json::Value;

/// An aligned table; the last column is not padded.
pub fn table(headers: &[&str], rows: &[Vec<String>]) -> String {
    let length = |text: &str| text.chars().count();
    let mut widths: Vec<usize> = headers.iter().map(|header| length(header)).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(length(cell));
        }
    }
    let line = |cells: &[String]| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let heading: Vec<String> = headers.iter().map(|header| header.to_uppercase()).collect();
    let mut lines = vec![line(&heading)];
    lines.extend(rows.iter().map(|row| line(row)));
    lines.join("\n")
}

/// Widest cell of the result table: longer ones go on in the next line.
const WIDE: usize = 44;

/// A text in lines of at most this width, broken between words.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.len() - 1;
        let line = &mut lines[last];
        if line.is_empty() {
            word.clone_into(line);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// A row as several, so that no cell is wider than it may be.
fn folded(row: &[String]) -> Vec<Vec<String>> {
    let cells: Vec<Vec<String>> = row.iter().map(|cell| wrapped(cell, WIDE)).collect();
    let height = cells.iter().map(Vec::len).max().unwrap_or(0);
    let line = |at: usize| cells.iter().map(|cell| cell.get(at).cloned().unwrap_or_default()).collect();
    (0..height).map(line).collect()
}

/// A text field, or a dash.
pub fn text(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        Some(Value::String(text)) if !text.is_empty() => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Bool(flag)) => if *flag { "yes" } else { "no" }.to_owned(),
        _ => "-".to_owned(),
    }
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

fn instant(value: &Value, name: &str) -> Option<Timestamp> {
    value[name].as_str()?.parse().ok()
}

fn seconds(from: Timestamp, to: Timestamp) -> String {
    format!("{:.2} s", to.since(from).as_secs_f64())
}

/// Cases, one line each.
pub fn cases(cases: &[Value]) -> String {
    let row = |case: &Value| {
        ["/case_id", "/person/username", "/mode", "/status", "/created_at", "/reason"]
            .map(|pointer| text(case, pointer))
            .to_vec()
    };
    table(
        &["case", "person", "mode", "status", "created", "reason"],
        &cases.iter().map(row).collect::<Vec<_>>(),
    )
}

/// One case: who, why, how far, and what happened in each system.
pub fn case(case: &Value) -> String {
    let mut lines = vec![format!(
        "{}  {}  {} ({})  {}",
        text(case, "/case_id"),
        text(case, "/status"),
        text(case, "/person/username"),
        text(case, "/person/employee_id"),
        text(case, "/reason"),
    )];
    let ended = match case["closed_at"].as_str() {
        Some(at) => format!(", closed {at}"),
        None => String::new(),
    };
    let dry = if case["dry_run"] == true { ", dry run: nothing is written" } else { "" };
    let (effective, rows) = (text(case, "/effective_at"), text(case, "/ledger/rows"));
    lines.push(format!("effective {effective}{ended}, {rows} ledger rows{dry}"));
    lines.push(String::new());
    // A dry run has done nothing: what it found to do is all there is to show.
    lines.push(if case["dry_run"] == true { plans(case) } else { systems(case) });
    let notes = notes(case);
    if !notes.is_empty() {
        lines.push(String::new());
        lines.extend(notes);
    }
    lines.join("\n")
}

/// The result table: one line per system.
pub fn systems(case: &Value) -> String {
    let row = |system: &Value| {
        vec![
            text(system, "/system"),
            text(system, "/risk/level"),
            done(system),
            change(&system["before"], &system["after"]),
            time(system),
            verified(system),
        ]
    };
    let rows: Vec<_> = list(case, "systems").iter().map(row).flat_map(|row| folded(&row)).collect();
    table(&["system", "risk", "done", "before -> after", "time", "verified"], &rows)
}

/// What a dry run would do.
pub fn plans(case: &Value) -> String {
    let mut rows = Vec::new();
    for system in list(case, "systems") {
        let plan = list(system, "plan");
        if plan.is_empty() {
            let why = text(system, "/status");
            rows.push(vec![
                text(system, "/system"),
                text(system, "/risk/level"),
                "-".into(),
                "-".into(),
                why,
            ]);
        }
        for action in plan {
            rows.push(vec![
                text(system, "/system"),
                text(system, "/risk/level"),
                text(action, "/stage"),
                text(action, "/kind"),
                text(action, "/label"),
            ]);
        }
    }
    table(&["system", "risk", "stage", "action", "on"], &rows)
}

/// The actions taken, equal kinds counted.
fn done(system: &Value) -> String {
    let mut kinds: Vec<(String, usize)> = Vec::new();
    for taken in list(system, "actions").iter().filter(|taken| taken["outcome"] != "already") {
        let kind = text(taken, "/action/kind").replace('_', " ");
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, count)) => *count += 1,
            None => kinds.push((kind, 1)),
        }
    }
    let words =
        kinds.into_iter().map(|(kind, count)| if count == 1 { kind } else { format!("{kind} x{count}") });
    let words: Vec<String> = words.collect();
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}

/// What is different between two states: the account, and how many of each kind there were and are.
fn change(before: &Value, after: &Value) -> String {
    if before.is_null() {
        return "-".to_owned();
    }
    let status = |state: &Value| match state.get("account_status") {
        Some(Value::String(status)) => status.clone(),
        _ => "none".to_owned(),
    };
    if after.is_null() {
        return format!("{} -> ?", status(before));
    }
    let count = |state: &Value, name: &str| match &state[name] {
        Value::Array(items) => Some(items.len() as u64),
        other => other.as_u64(),
    };
    let mut parts = vec![format!("{} -> {}", status(before), status(after))];
    for name in ["roles", "groups", "permissions", "credentials", "sessions"] {
        let (was, is) = (count(before, name), count(after, name));
        if let (Some(was), Some(is)) = (was, is)
            && was != is
        {
            parts.push(format!("{name} {was} -> {is}"));
        }
    }
    parts.join(", ")
}

/// How long it took until the first fresh read asked for nothing more.
fn time(system: &Value) -> String {
    match (instant(system, "started_at"), instant(system, "revoked_at")) {
        (Some(from), Some(to)) => seconds(from, to),
        _ => "-".to_owned(),
    }
}

/// Whether the delayed, independent read confirmed it, or where it stands instead.
fn verified(system: &Value) -> String {
    match (system["status"].as_str(), instant(system, "started_at"), instant(system, "verified_at")) {
        (Some("verified"), Some(from), Some(to)) => format!("yes, after {}", seconds(from, to)),
        (Some("verified"), ..) => "yes".to_owned(),
        (Some(status), ..) => format!("no: {}", status.replace('_', " ")),
        (None, ..) => "-".to_owned(),
    }
}

/// What a human should read beside the table: findings, faults, tasks and residual access.
fn notes(case: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for finding in list(case, "findings") {
        lines.push(format!("finding: {}: {}", text(finding, "/kind"), text(finding, "/detail")));
    }
    for system in list(case, "systems") {
        let name = text(system, "/system");
        for finding in list(&system["risk"], "findings") {
            let (rule, severity) = (text(finding, "/rule"), text(finding, "/severity"));
            lines.push(format!("{name}: risk {severity}: {rule}: {}", evidence(finding)));
        }
        if !system["fault"].is_null() {
            lines.push(format!("{name}: {}: {}", text(system, "/fault/kind"), text(system, "/fault/detail")));
        }
        if !system["task"].is_null() {
            let (owner, due) = (text(system, "/task/owner"), text(system, "/task/due_at"));
            lines.push(format!(
                "{name}: task for {owner} until {due}: {}",
                text(system, "/task/instructions")
            ));
        }
        for residual in list(system, "residuals") {
            let until =
                residual["until"].as_str().map(|until| format!(" (until {until})")).unwrap_or_default();
            lines.push(format!("{name}: known to live on: {}{until}", text(residual, "/what")));
        }
    }
    lines
}

/// What a finding rests on.
fn evidence(finding: &Value) -> String {
    let texts: Vec<&str> = list(finding, "evidence").iter().filter_map(Value::as_str).collect();
    texts.join("; ")
}

/// Checks of the deployment.
pub fn checks(answer: &Value) -> String {
    let row = |check: &Value| {
        let ok = if check["ok"] == true { "ok" } else { "NOT OK" };
        vec![text(check, "/name"), ok.to_owned(), text(check, "/detail")]
    };
    table(&["check", "result", "detail"], &list(answer, "checks").iter().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn verified_system() -> Value {
        json!({"system": "okta", "status": "verified", "risk": {"level": "low", "findings": []},
            "before": {"account_status": "active", "groups": ["a", "b"], "sessions": 2, "credentials": []},
            "after": {"account_status": "deactivated", "groups": [], "sessions": null, "credentials": []},
            "actions": [{"action": {"kind": "end_sessions"}, "outcome": "done"},
                        {"action": {"kind": "remove_group"}, "outcome": "done"},
                        {"action": {"kind": "remove_group"}, "outcome": "done"},
                        {"action": {"kind": "disable_account"}, "outcome": "already"}],
            "started_at": "2026-02-03T14:30:00.000Z", "revoked_at": "2026-02-03T14:30:01.250Z",
            "verified_at": "2026-02-03T14:30:06.500Z", "residuals": [{"what": "tokens", "until": null}]})
    }

    #[test]
    fn a_system_is_one_line_that_says_what_was_done() {
        let table = systems(&json!({"systems": [verified_system()]}));
        let mut lines = table.lines();
        assert!(lines.next().unwrap().starts_with("SYSTEM  RISK  DONE"));
        let line = lines.next().unwrap();
        assert!(line.contains("end sessions, remove group x2"), "{line}");
        assert!(line.contains("active -> deactivated, groups 2 -> 0"), "{line}");
        assert!(line.ends_with("1.25 s  yes, after 6.50 s"), "{line}");
        assert_eq!(lines.next(), None);
    }

    #[test]
    fn an_unfinished_system_says_where_it_stands_and_why() {
        let system = json!({"system": "github", "status": "manual_task", "fault": {"kind": "Throttled", "detail": "429"},
            "task": {"owner": "sam.admin", "instructions": "do it", "due_at": "2026-02-03T14:30:00.000Z"}});
        let shown = case(&json!({"case_id": "c", "systems": [system]}));
        assert!(shown.contains("no: manual task"), "{shown}");
        assert!(shown.contains("github: Throttled: 429"), "{shown}");
        assert!(shown.contains("github: task for sam.admin"), "{shown}");
    }

    #[test]
    fn a_dry_run_shows_its_plan_and_long_cells_go_on_below() {
        let action = json!({"kind": "end_sessions", "stage": "contain", "label": "all"});
        let shown = case(&json!({"dry_run": true, "systems": [{"system": "okta", "plan": [action]}]}));
        assert!(shown.contains("contain  end_sessions  all") && !shown.contains("VERIFIED"), "{shown}");
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        let rows = folded(&["a".into(), "word ".repeat(20).trim_end().into()]);
        assert_eq!((rows.len(), rows[1][0].as_str()), (3, ""));
    }

    #[test]
    fn whatever_the_api_leaves_out_is_a_dash_and_never_a_panic() {
        for value in [json!({}), json!(null), json!({"systems": [{}, null, 3]}), json!({"systems": 5})] {
            let _ = (case(&value), systems(&value), plans(&value), checks(&value));
        }
        assert_eq!(cases(&[json!({})]).lines().count(), 2);
    }
}
