//! What is asked for about a person, and what they have.

use super::{case, list, table, text};
use serde_json::Value;

/// What was asked for about a person, and who decides.
pub fn measure(measure: &Value) -> String {
    let until = measure["until"].as_str().map(|until| format!(" until {until}")).unwrap_or_default();
    let mut lines = vec![format!(
        "{}  {}  {} for {}{until}  {}",
        text(measure, "/measure_id"),
        text(measure, "/status"),
        text(measure, "/kind").replace('_', " "),
        text(measure, "/person/username"),
        text(measure, "/reason"),
    )];
    if measure["status"] == "requested" {
        let asked: Vec<&str> = list(&measure["approval"], "asked").iter().filter_map(Value::as_str).collect();
        lines.push(format!(
            "{} decides until {}: `leaver approvals approve {}`",
            asked.join(" or "),
            text(measure, "/approval/expires_at"),
            text(measure, "/approval/approval_id"),
        ));
    }
    lines.join("\n")
}

/// A person, what is in force or asked for about them, and what their newest case came to.
pub fn access(answer: &Value) -> String {
    let person = &answer["person"];
    let mut lines = vec![format!(
        "{} ({})  {}  {}, {}",
        text(person, "/username"),
        text(person, "/employee_id"),
        text(person, "/status"),
        text(person, "/name"),
        text(person, "/department"),
    )];
    if let Some(end) = person["contract_end"].as_str() {
        lines.push(format!("contract until {end}"));
    }
    if !person["legal_hold"].is_null() {
        let (since, why) = (text(person, "/legal_hold/since"), text(person, "/legal_hold/reason"));
        lines.push(format!("legal hold since {since}: {why}"));
    }
    let measures = list(answer, "measures");
    if !measures.is_empty() {
        let row = |one: &Value| {
            ["/measure_id", "/kind", "/status", "/until", "/requested_by", "/reason"]
                .map(|pointer| text(one, pointer))
                .to_vec()
        };
        let rows: Vec<_> = measures.iter().map(row).collect();
        lines.push(String::new());
        lines.push(table(&["measure", "kind", "status", "until", "asked by", "reason"], &rows));
    }
    lines.push(String::new());
    lines.push(if answer["case"].is_null() { "no case".to_owned() } else { case(&answer["case"]) });
    lines.join("\n")
}
