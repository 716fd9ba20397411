//! How a case looked when it was read again, days after its end.

use super::{list, table, text};
use serde_json::Value;

/// The looks so far and the next one; empty where there is nothing to tell.
pub(super) fn looks(case: &Value) -> String {
    let mut rows: Vec<Vec<String>> = list(case, "reverified").iter().map(row).collect();
    let next = &case["reverify_next"];
    if next.is_object() {
        rows.push(vec![
            format!("day {}", text(next, "/day")),
            format!("due {}", text(next, "/at")),
            String::new(),
        ]);
    }
    if rows.is_empty() { String::new() } else { table(&["read again", "when", "result"], &rows) }
}

fn row(look: &Value) -> Vec<String> {
    vec![format!("day {}", text(look, "/day")), text(look, "/at"), result(look)]
}

fn result(look: &Value) -> String {
    if let Some(why) = look["left_alone"].as_str() {
        return format!("left alone: {why}");
    }
    let mut told = format!("{} systems without access", text(look, "/systems_ok"));
    for kind in ["reappeared", "address_reused", "not_reverified", "reverified_late"] {
        let count = list(look, "findings").iter().filter(|finding| finding["kind"] == kind).count();
        match (kind, count) {
            (_, 0) => {}
            ("reappeared", count) => told.push_str(&format!(", access is back in {count}")),
            ("address_reused", count) => {
                told.push_str(&format!(", {count} may be somebody else's and is not taken"));
            }
            ("not_reverified", count) => told.push_str(&format!(", {count} could not be read")),
            _ => told.push_str(", late"),
        }
    }
    if let Some(opened) = look["opened"].as_str() {
        told.push_str(&format!(": taken by {opened}"));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_look_is_one_line_and_the_next_one_is_named() {
        assert_eq!(looks(&json!({"reverified": [], "reverify_next": null})), "");
        let case = json!({
            "reverified": [
                {"day": 1, "at": "2026-02-04T00:00:00.000Z", "systems_ok": 14},
                {"day": 7, "at": "2026-02-10T00:00:00.000Z", "systems_ok": 12, "opened": "case-2",
                 "findings": [{"kind": "reappeared"}, {"kind": "not_reverified"}, {"kind": "reverified_late"}]},
                {"day": 8, "at": "2026-02-11T00:00:00.000Z", "systems_ok": 13, "findings": [{"kind": "address_reused"}]},
                {"day": 9, "at": "2026-02-12T00:00:00.000Z", "systems_ok": 0, "left_alone": "the person is active again"},
            ],
            "reverify_next": {"day": 30, "at": "2026-03-05T00:00:00.000Z"},
        });
        let shown = looks(&case);
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines[1].contains("day 1") && lines[1].ends_with("14 systems without access"));
        assert!(lines[2].ends_with(
            "12 systems without access, access is back in 1, 1 could not be read, late: taken by case-2"
        ));
        assert!(lines[3].ends_with("13 systems without access, 1 may be somebody else's and is not taken"));
        assert!(lines[4].ends_with("left alone: the person is active again"));
        assert!(lines[5].contains("day 30") && lines[5].ends_with("due 2026-03-05T00:00:00.000Z"));
    }
}
