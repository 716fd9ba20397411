//! What waits for a decision.

use super::{list, plans, table, text};
use leaver_domain::messages::MAX_LINES;
use serde_json::{Value, json};

fn about(approval: &Value) -> String {
    match approval["about"]["system"].as_str() {
        Some(system) => format!("{system}: {}", text(approval, "/about/risk/level")),
        None => text(approval, "/about/what/kind"),
    }
}

fn names(value: &Value) -> String {
    let names: Vec<&str> = value.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if names.is_empty() { "-".to_owned() } else { names.join(", ") }
}

/// Everything that waits, a line each.
pub fn approvals(answer: &Value) -> String {
    let waiting = list(answer, "approvals");
    if waiting.is_empty() {
        return "nothing waits for a decision".to_owned();
    }
    let row = |approval: &Value| {
        vec![
            text(approval, "/id"),
            text(approval, "/person"),
            about(approval),
            text(approval, "/requested_at"),
            text(approval, "/due_at"),
            names(&approval["asked"]),
        ]
    };
    let shown = table(
        &["id", "person", "about", "asked at", "goes further", "asked"],
        &waiting.iter().map(row).collect::<Vec<_>>(),
    );
    if answer["more"] == true { format!("{shown}\nand more: decide some of these first") } else { shown }
}

/// One request, as people are shown it in Slack: why, on what evidence, what would be done, and what each answer leads to.
pub fn approval(approval: &Value) -> String {
    let shown = &approval["shown"];
    let mut lines = vec![
        format!("{}  {}", text(approval, "/id"), text(approval, "/status")),
        text(shown, "/title"),
        String::new(),
    ];
    let facts = list(shown, "facts");
    let width = facts.iter().map(|fact| text(fact, "/name").chars().count()).max().unwrap_or(0);
    for fact in facts {
        lines.push(format!("{:<width$}  {}", text(fact, "/name"), text(fact, "/value")));
    }
    for section in list(shown, "sections") {
        lines.extend([String::new(), text(section, "/heading")]);
        let of = list(section, "lines").iter().filter_map(Value::as_str);
        lines.extend(of.map(|line| format!("  {line}")));
    }
    lines.extend(held(&approval["about"]["held"]));
    lines.extend(left_out(&approval["about"]));
    lines.join("\n")
}

/// The cases that a release is about.
fn held(held: &Value) -> Vec<String> {
    if held.is_null() {
        return Vec::new();
    }
    let first = list(held, "first");
    let more = if held["more"] == true { " or more" } else { "" };
    let heading = format!("Held: {}{more}, of which the first {}", text(held, "/count"), first.len());
    let case = |case: &Value| {
        let (id, who) = (text(case, "/case_id"), text(case, "/person/username"));
        format!("  {id}  {who}  opened by {}: {}", text(case, "/opened_by"), text(case, "/reason"))
    };
    [String::new(), heading].into_iter().chain(first.iter().map(case)).collect()
}

/// What a message has no room for: all of the evidence, and all of the plan.
fn left_out(about: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    let (findings, plan) = (list(&about["risk"], "findings"), list(about, "plan"));
    if findings.iter().map(|finding| 1 + list(finding, "evidence").len()).sum::<usize>() > MAX_LINES {
        lines.extend([String::new(), "All of the evidence".to_owned()]);
        let line = |of: &Value| format!("  {}: {}", text(of, "/rule"), names(&of["evidence"]));
        lines.extend(findings.iter().map(line));
    }
    if plan.len() > MAX_LINES {
        let system = json!({"systems": [{"system": about["system"], "plan": plan}]});
        lines.extend([String::new(), "All of the plan".to_owned(), plans(&system)]);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_shows_what_slack_shows_and_which_cases_are_held() {
        let shown = approval(&json!({
            "id": "measure-1", "status": "pending",
            "shown": {"title": "Release cases?", "facts": [{"name": "Why", "value": "too many"}, {"name": "Decide until", "value": "noon"}],
                "sections": [{"heading": "What would be done", "lines": ["every case: held \u{2192} it runs"]}]},
            "about": {"held": {"count": 2, "more": false, "first": [
                {"case_id": "case-1", "person": {"username": "john.doe"}, "reason": "left", "opened_by": "hris"}]}},
        }));
        let expected = "measure-1  pending\nRelease cases?\n\nWhy           too many\nDecide until  noon\n\n\
                        What would be done\n  every case: held \u{2192} it runs\n\n\
                        Held: 2, of which the first 1\n  case-1  john.doe  opened by hris: left";
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_plan_and_evidence_that_the_message_has_no_room_for_follow_it() {
        let action = json!({"kind": "remove_group", "stage": "contain", "label": "acme"});
        let of = |count: usize| {
            let evidence: Vec<String> = (0..count).map(|n| format!("audit-{n}")).collect();
            approval(&json!({"about": {"system": "github", "plan": vec![action.clone(); count],
                "risk": {"findings": [{"rule": "bulk_download", "evidence": evidence}]}}}))
        };
        for part in ["audit-60", "remove_group"] {
            assert!(of(61).contains(part) && !of(3).contains(part), "{part}: {}", of(61));
        }
    }

    #[test]
    fn nothing_that_waits_is_said_so_and_gaps_are_dashes() {
        assert_eq!(approvals(&json!({"approvals": []})), "nothing waits for a decision");
        assert_eq!(approvals(&json!({"approvals": [{}]})).lines().count(), 2);
        let _ = approval(&json!(null));
    }
}
