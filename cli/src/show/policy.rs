//! What is wrong with a policy, and what it means for somebody.

use super::{list, table, text};
use crate::policy::Checked;
use leaver_domain::policy::Level;
use serde_json::Value;
use std::collections::BTreeMap;

/// The remarks of a check, and how it ended.
pub fn checked(checked: &Checked, file: &str) -> String {
    let mut lines = Vec::new();
    for (remark, environments) in &checked.remarks {
        let level = if remark.level == Level::Error { "ERROR  " } else { "warning" };
        let everywhere = environments.len() == checked.environments.len();
        let only = if everywhere { String::new() } else { format!(" ({})", environments.join(", ")) };
        lines.push(format!("{level}  {}{only}: {}", remark.place, remark.what));
        lines.extend(remark.fix.iter().map(|fix| format!("         → {fix}")));
    }
    let plural = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let (errors, warnings) = (checked.count(Level::Error), checked.count(Level::Warning));
    let counts = format!("{}, {}", plural(errors, "error"), plural(warnings, "warning"));
    let environments = checked.environments.join(", ");
    lines.push(if errors == 0 {
        format!("{file} can be used in {environments}: {counts}")
    } else {
        format!("{file} cannot be used as it is: {counts}")
    });
    lines.join("\n")
}

/// What the policy means for somebody.
pub fn explained(answer: &Value) -> String {
    let person = &answer["person"];
    let mut lines = vec![format!(
        "{}  {}  {}, {}, {}, {}, clearance {}, {}",
        text(person, "/username"),
        text(person, "/name"),
        text(person, "/employment"),
        text(person, "/role"),
        text(person, "/department"),
        text(person, "/location"),
        text(person, "/clearance"),
        text(person, "/status"),
    )];
    lines.extend(stops(answer));
    lines.push(String::new());
    lines.push(systems(answer));
    lines.push(String::new());
    lines.extend(rules(answer));
    lines.push(without(answer));
    lines.push(String::new());
    lines.push(role(&answer["role"]));
    lines.push(asked(answer));
    lines.join("\n")
}

/// What stands in the way of a case about them.
fn stops(answer: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    if answer["protected"] == true {
        lines.push("PROTECTED: every case about them is held until a human decides".to_owned());
    }
    if !answer["held_case"].is_null() {
        lines.push(format!("HELD: {} waits for a decision", text(answer, "/held_case/case_id")));
    }
    if !answer["legal_hold"].is_null() {
        lines.push(format!(
            "LEGAL HOLD: access goes, nothing is deleted ({})",
            text(answer, "/legal_hold/reason")
        ));
    }
    lines
}

fn words(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// A list in words; a dash where there is nothing.
fn or_dash(words: &[String]) -> String {
    if words.is_empty() { "-".to_owned() } else { words.join(", ") }
}

fn systems(answer: &Value) -> String {
    let row = |one: &Value| {
        let left = words(&one["left_alone"]);
        let by = one["left_alone_by"]["number"].as_u64().map(|number| format!(" (rule {number})"));
        vec![
            text(one, "/system"),
            text(one, "/how"),
            text(one, "/owner"),
            one["rule"]["number"].to_string(),
            words(&one["steps"]).len().to_string(),
            format!("{}{}", or_dash(&left), by.unwrap_or_default()),
        ]
    };
    let rows: Vec<_> = list(answer, "systems").iter().map(row).collect();
    table(&["system", "by", "owner", "rule", "steps", "left alone"], &rows)
}

/// The sentences that decided, once each.
fn rules(answer: &Value) -> Vec<String> {
    let mut found: BTreeMap<u64, String> = BTreeMap::new();
    for one in list(answer, "systems").iter().chain(list(answer, "without")) {
        for rule in [&one["rule"], &one["left_alone_by"]] {
            if let Some(number) = rule["number"].as_u64() {
                found.insert(number, text(rule, "/sentence"));
            }
        }
    }
    found.into_iter().map(|(number, sentence)| format!("rule {number}: {sentence}")).collect()
}

fn without(answer: &Value) -> String {
    let one = |one: &Value| match one["rule"]["number"].as_u64() {
        Some(number) => format!("{} (rule {number})", text(one, "/system")),
        None => text(one, "/system"),
    };
    let names: Vec<String> = list(answer, "without").iter().map(one).collect();
    format!("not: {}", or_dash(&names))
}

fn role(role: &Value) -> String {
    let name = text(role, "/name");
    let Some(needs) = role["needs"].as_object() else {
        return format!("role {name}: no profile");
    };
    let one = |(system, grants): (&String, &Value)| format!("  {system}: {}", account(&words(grants)));
    let lines: Vec<String> = needs.iter().map(one).collect();
    format!("role {name} needs\n{}", lines.join("\n"))
}

fn account(grants: &[String]) -> String {
    if grants.is_empty() { "an account".to_owned() } else { grants.join(", ") }
}

fn asked(answer: &Value) -> String {
    let level = |one: &Value| {
        let level = one["level"].as_str().map_or_else(|| text(&one["level"], "/person"), str::to_owned);
        format!("{level} ({})", or_dash(&words(&one["who"])))
    };
    let levels: Vec<String> = list(answer, "asked").iter().map(level).collect();
    let security = or_dash(&words(&answer["security"]));
    format!("asked: {}; where security alone decides: {security}", levels.join(", then "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use leaver_domain::policy::Remark;
    use serde_json::json;

    #[test]
    fn a_check_says_where_what_and_what_to_do() {
        let remark = |level, place: &str, fix: Option<&str>| Remark {
            level,
            place: place.into(),
            what: "w".into(),
            fix: fix.map(str::to_owned),
        };
        let (prod, local) = ("prod".to_owned(), "local".to_owned());
        let mut found = Checked {
            environments: vec![prod.clone(), local.clone()],
            remarks: vec![
                (remark(Level::Error, "routing, rule 1", Some("f")), vec![prod, local.clone()]),
                (remark(Level::Warning, "roles", None), vec![local]),
            ],
        };
        let shown = checked(&found, "p.yaml");
        assert_eq!(
            shown,
            "ERROR    routing, rule 1: w\n         → f\nwarning  roles (local): w\n\
             p.yaml cannot be used as it is: 1 error, 1 warning"
        );
        found.remarks.clear();
        assert_eq!(checked(&found, "p.yaml"), "p.yaml can be used in prod, local: 0 errors, 0 warnings");
    }

    #[test]
    fn an_explanation_is_read_at_a_glance() {
        let answer = json!({
            "person": {"username": "c.d", "name": "C D", "employment": "contractor", "role": "r", "department": "Sales",
                       "location": "Lisbon", "clearance": null, "status": "active"},
            "systems": [
                {"system": "okta", "how": "adapter", "owner": "sam.admin", "rule": {"number": 1, "sentence": "Everybody has okta."},
                 "steps": ["disable_account"], "left_alone": ["remove_licence"],
                 "left_alone_by": {"number": 3, "sentence": "For contractors, okta keeps licences."}}],
            "without": [{"system": "payroll", "rule": {"number": 2, "sentence": "Contractors have no payroll."}},
                        {"system": "vpn", "rule": null}],
            "role": {"name": "r", "needs": {"okta": ["Wiki"], "slack": []}},
            "asked": [{"level": "approvers", "who": ["t.a"]}, {"level": {"person": "x.y"}, "who": []}],
            "security": ["s.a"], "protected": true, "legal_hold": {"reason": "matter 1"}, "held_case": {"case_id": "case-1"},
        });
        let shown = explained(&answer);
        for part in [
            "c.d  C D  contractor, r, Sales, Lisbon, clearance -, active",
            "PROTECTED",
            "HELD: case-1",
            "LEGAL HOLD: access goes, nothing is deleted (matter 1)",
            "okta    adapter  sam.admin  1     1      remove_licence (rule 3)",
            "rule 1: Everybody has okta.\nrule 2: Contractors have no payroll.\nrule 3: For contractors",
            "not: payroll (rule 2), vpn",
            "role r needs\n  okta: Wiki\n  slack: an account",
            "asked: approvers (t.a), then x.y (-); where security alone decides: s.a",
        ] {
            assert!(shown.contains(part), "{part}\n---\n{shown}");
        }
        let unknown = explained(&json!({"role": {"name": "r", "needs": null}}));
        assert!(unknown.contains("role r: no profile"));
    }
}
