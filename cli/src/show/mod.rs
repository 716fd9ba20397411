//! What people read: aligned tables out of the API's JSON.

mod approvals;
mod batches;
mod data;
mod lists;
mod moves;
mod orphans;
mod people;
mod policy;
mod watch;

pub use approvals::{approval, approvals};
pub use batches::{bad_lines, batch, batch_pace, batch_receipt, batches};
pub use lists::{cases, scheduled, tasks};
pub use orphans::orphans;
pub use people::{access, measure};
pub use policy::{checked, explained};

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
    if case["restores"].is_string() {
        let bound = if case["by_role"] == true { ", as far as their role needs it now" } else { "" };
        lines.push(format!("gives back what {} took{bound}", text(case, "/restores")));
    }
    lines.extend(moves::lines(case));
    for permission in list(case, "permissions") {
        let does = if case["mode"] == "reactivate" { "gives" } else { "takes" };
        lines.push(format!("{does} {} in {}", text(permission, "/grant"), text(permission, "/system")));
    }
    let rows = match case["ledger"]["rows"].as_u64() {
        Some(rows) => format!(", {rows} ledger rows"),
        None => String::new(),
    };
    lines.push(format!("effective {}{ended}{rows}{dry}", text(case, "/effective_at")));
    lines.extend(held(case));
    lines.push(String::new());
    // A dry run has done nothing: what it found to do is all there is to show.
    lines.push(if case["dry_run"] == true { plans(case) } else { systems(case) });
    let looks = watch::looks(case);
    if !looks.is_empty() {
        lines.push(String::new());
        lines.push(looks);
    }
    let notes = notes(case);
    if !notes.is_empty() {
        lines.push(String::new());
        lines.extend(notes);
    }
    lines.join("\n")
}

/// What a held case waits for.
fn held(case: &Value) -> Option<String> {
    let id = text(case, "/case_id");
    match (case["status"].as_str(), case["measure"].as_str()) {
        (Some("held"), Some(measure)) => Some(format!(
            "held; nothing is done until somebody decides: leaver approvals approve {measure} (or deny), or leaver case cancel {id}"
        )),
        (Some("held"), None) => Some(format!("held; it can only be called off: leaver case cancel {id}")),
        _ => None,
    }
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
    let done = if case["mode"] == "reactivate" { "given back" } else { "done" };
    table(&["system", "risk", done, "before -> after", "time", "verified"], &rows)
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
        (Some(status), ..) => format!("no: {}", word(status)),
        (None, ..) => "-".to_owned(),
    }
}

/// A system's status for people.
pub fn word(status: &str) -> String {
    match status {
        "restored" => "given back".to_owned(),
        other => other.replace('_', " "),
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
        if system["approval"]["status"] == "pending" {
            let (id, due) = (text(system, "/approval/id"), text(system, "/approval/expires_at"));
            lines.push(format!("{name}: waits for a decision until {due}: leaver approvals show {id}"));
        }
        if !system["task"].is_null() {
            let (owner, due) = (text(system, "/task/owner"), text(system, "/task/due_at"));
            let what = text(system, "/task/instructions");
            lines.push(match system["task"]["closed"].is_null() {
                true => format!("{name}: task for {owner} until {due}: {what}"),
                false => format!(
                    "{name}: done by {}: {}",
                    text(system, "/task/closed/by"),
                    text(system, "/task/closed/statement")
                ),
            });
        } else if !system["manual"].is_null() && system["status"] == "queued" {
            let (owner, what) = (text(system, "/manual/owner"), text(system, "/manual/instructions"));
            lines.push(format!("{name}: by hand, a task for {owner}: {what}"));
        }
        for lost in list(system, "not_restorable").iter().filter_map(Value::as_str) {
            lines.push(format!("{name}: does not come back: {lost}"));
        }
        lines.extend(data::transfers(&name, system));
        lines.extend(data::preserved(&name, system));
        lines.extend(owned(&name, system));
        for action in list(system, "parked") {
            lines.push(format!(
                "{name}: left to be done once nobody can come back: {}",
                text(action, "/label")
            ));
        }
        for residual in list(system, "residuals") {
            let until =
                residual["until"].as_str().map(|until| format!(" (until {until})")).unwrap_or_default();
            lines.push(format!("{name}: known to live on: {}{until}", text(residual, "/what")));
        }
    }
    lines.extend(data::archive(case));
    lines
}

/// How many assets of one kind are named.
const NAMED: usize = 5;

/// A thing with its kind, unless its name says already what it is.
fn named(kind: &str, name: &str) -> String {
    let says = kind.rsplit(' ').next().is_some_and(|noun| name.to_lowercase().contains(&noun.to_lowercase()));
    if says { name.to_owned() } else { format!("{kind} {name}") }
}

/// What the person owned or made, by what has to become of it.
fn owned<'a>(name: &'a str, system: &'a Value) -> impl Iterator<Item = String> + 'a {
    let words = [
        ("revoke", "goes with the account"),
        ("transfer", "needs another owner"),
        ("rotate", "a secret that they could read: give it a new value"),
        ("task", "somebody has to look at it"),
    ];
    words.into_iter().filter_map(move |(next, what)| {
        let all: Vec<String> = list(system, "owned")
            .iter()
            .filter(|asset| asset["next"] == next)
            // How far those are is told beside.
            .filter(|asset| !list(system, "transfers").iter().any(|one| one["asset"] == asset["id"]))
            .map(|asset| named(&text(asset, "/kind").replace('_', " "), &text(asset, "/name")))
            .collect();
        let more = all.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let shown = all.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        (!all.is_empty()).then(|| format!("{name}: {what}: {shown}{more}"))
    })
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
    fn a_held_case_says_what_it_waits_for() {
        let shown = case(&json!({"case_id": "c-1", "status": "held", "measure": "measure-1"}));
        assert!(shown.contains("leaver approvals approve measure-1"), "{shown}");
        let alone = case(&json!({"case_id": "c-1", "status": "held", "measure": null}));
        assert!(alone.contains("leaver case cancel c-1") && !alone.contains("approve"), "{alone}");
        assert!(!case(&json!({"case_id": "c-1", "status": "running", "measure": "m"})).contains("held"));
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
    fn a_task_shows_whose_it_is_and_how_it_was_done() {
        let one = json!({"task_id": "c~okta", "system": "okta", "owners": ["sam.admin"], "overdue": true,
            "person": {"username": "john.doe"}, "due_at": "2026-02-03T14:30:00.000Z", "instructions": "do it"});
        let other = json!({"task_id": "review-1", "kind": "break_glass", "system": null});
        let shown = tasks(&[one, other, json!(null)]);
        assert!(shown.contains("sam.admin  2026-02-03T14:30:00.000Z (overdue)  do it"), "{shown}");
        assert!(shown.contains("review-1  break glass review"), "{shown}");
        let closed =
            json!({"system": "okta", "task": {"owner": "a", "closed": {"by": "b", "statement": "gone"}}});
        assert!(case(&json!({"systems": [closed]})).contains("okta: done by b: gone"));
        let manual = json!({"system": "keys", "status": "queued", "manual": {"owner": "a", "instructions": "collect"}});
        let shown = case(&json!({"dry_run": true, "systems": [manual]}));
        assert!(shown.contains("keys: by hand, a task for a: collect"), "{shown}");
    }

    #[test]
    fn a_way_back_says_what_was_given_back_and_what_was_not() {
        let back = json!({"system": "okta", "status": "restored", "not_restorable": ["credential phone"],
            "before": {"account_status": "suspended", "groups": []}, "after": {"account_status": "active", "groups": ["a"]},
            "actions": [{"action": {"kind": "enable_account"}, "outcome": "done"}]});
        let gone = json!({"system": "slack", "grant": "group:S1"});
        let shown =
            case(&json!({"case_id": "c", "mode": "reactivate", "restores": "case-1", "permissions": [gone],
            "systems": [back]}));
        assert!(shown.contains("GIVEN BACK") && shown.contains("enable account"), "{shown}");
        assert!(shown.contains("suspended -> active, groups 0 -> 1"), "{shown}");
        assert!(shown.contains("no: given back"), "{shown}");
        assert!(shown.contains("gives back what case-1 took\ngives group:S1 in slack"), "{shown}");
        assert!(shown.contains("okta: does not come back: credential phone"), "{shown}");
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
            let _ = (measure(&value), access(&value));
        }
        assert_eq!(cases(&[json!({})]).lines().count(), 2);
    }
}
