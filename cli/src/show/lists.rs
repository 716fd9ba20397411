//! Lists: one line for each.

use super::{folded, list, table, text};
use serde_json::Value;

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

/// Cases whose time has not come, one line each.
pub fn scheduled(cases: &[Value]) -> String {
    let row = |case: &Value| {
        ["/effective_at", "/case_id", "/person/username", "/mode", "/trigger/by", "/reason"]
            .map(|pointer| text(case, pointer))
            .to_vec()
    };
    table(&["at", "case", "person", "mode", "asked by", "reason"], &cases.iter().map(row).collect::<Vec<_>>())
}

/// Open tasks, one line each and what to do below.
pub fn tasks(tasks: &[Value]) -> String {
    let row = |task: &Value| {
        let overdue = if task["overdue"] == true { " (overdue)" } else { "" };
        let owners: Vec<&str> = list(task, "owners").iter().filter_map(Value::as_str).collect();
        let what = match text(task, "/system").as_str() {
            "-" => format!("{} review", text(task, "/kind").replace('_', " ")),
            system => system.to_owned(),
        };
        vec![
            text(task, "/task_id"),
            what,
            text(task, "/person/username"),
            owners.join(", "),
            format!("{}{overdue}", text(task, "/due_at")),
            text(task, "/instructions"),
        ]
    };
    let rows: Vec<Vec<String>> = tasks.iter().flat_map(|task| folded(&row(task))).collect();
    table(&["task", "what", "person", "owner", "due", "to do"], &rows)
}
