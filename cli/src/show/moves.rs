//! What a change of role, department or place means, system by system.

use super::{list, text};
use serde_json::Value;

/// From where to where, and then one line for each system in which something goes or is missing.
pub(super) fn lines(case: &Value) -> Vec<String> {
    let change = &case["moves"];
    let Some(steps) = change["steps"].as_object() else { return Vec::new() };
    let position = |of: &str| {
        let of = &change[of];
        format!("{} in {}", text(of, "/role"), text(of, "/department"))
    };
    let mut lines = vec![format!("from {} to {}", position("from"), position("to"))];
    for name in ["employment", "location", "clearance"] {
        let (was, is) = (change["from"][name].as_str(), change["to"][name].as_str());
        if was != is {
            lines.push(format!("{name} {}, now {}", was.unwrap_or("none"), is.unwrap_or("none")));
        }
    }
    lines.extend(steps.iter().filter_map(|(system, step)| Some(format!("  {system}: {}", meaning(step)?))));
    for system in list(change, "beyond") {
        lines.push(format!("  {}: all access goes", system.as_str().unwrap_or_default()));
    }
    lines
}

fn meaning(step: &Value) -> Option<String> {
    let names = |of: &str| {
        let all: Vec<&str> = list(step, of).iter().filter_map(Value::as_str).collect();
        (!all.is_empty()).then(|| all.join(", "))
    };
    let goes = match step["step"].as_str() {
        Some("take_all") => Some("all access goes".to_owned()),
        _ => names("going").map(|names| format!("{names} goes")),
    };
    let account = (step["account"] == true).then(|| "an account is missing".to_owned());
    let missing = names("missing").map(|names| format!("{names} is missing"));
    let said: Vec<String> = [goes, account, missing].into_iter().flatten().collect();
    (!said.is_empty()).then(|| said.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_move_is_told_system_by_system_and_what_stays_is_not() {
        let position = |role: &str, department: &str| json!({"role": role, "department": department});
        let case = json!({"moves": {
            "from": position("engineer", "Engineering"), "to": position("sales", "Sales"), "beyond": ["badge"],
            "steps": {
                "github": {"step": "take_all"},
                "okta": {"step": "narrow", "needed": ["Sales", "Wiki"], "going": ["Engineering"], "missing": ["Sales"]},
                "salesforce": {"step": "give", "needed": [], "account": true, "missing": []},
                "slack": {"step": "keep", "needed": ["On call"]},
            },
        }});
        let expected = [
            "from engineer in Engineering to sales in Sales",
            "  github: all access goes",
            "  okta: Engineering goes; Sales is missing",
            "  salesforce: an account is missing",
            "  badge: all access goes",
        ];
        assert_eq!(lines(&case), expected);
        assert!(lines(&json!({"moves": null})).is_empty());
        let mut elsewhere = case.clone();
        elsewhere["moves"]["from"]["location"] = json!("Lisbon");
        elsewhere["moves"]["to"]["clearance"] = json!("secret");
        assert_eq!(lines(&elsewhere)[1..3], ["location Lisbon, now none", "clearance none, now secret"]);
    }
}
