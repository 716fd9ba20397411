//! What becomes of what a leaver leaves behind: who gets it, what is kept of it, and for how long.

use super::{list, text};
use serde_json::Value;

/// How far the transfers of one system are, one line each.
pub(super) fn transfers<'a>(name: &'a str, system: &'a Value) -> impl Iterator<Item = String> + 'a {
    list(system, "transfers").iter().map(move |one| {
        let what = format!("{} {}", text(one, "/kind").replace('_', " "), text(one, "/name"));
        let to = one["to"].as_str().unwrap_or("nobody yet");
        let why = one["why"].as_str().map(|why| format!(" ({why})")).unwrap_or_default();
        match one["state"].as_str() {
            Some("done") => format!("{name}: went to {to}: {what}"),
            Some("running") => format!("{name}: on its way to {to}: {what}"),
            Some("failed") => format!("{name}: needs another owner, by hand: {what}{why}"),
            _ => format!("{name}: goes to {to}: {what}{why}"),
        }
    })
}

/// Why nothing that may lose data was done in one system.
pub(super) fn preserved(name: &str, system: &Value) -> Option<String> {
    system["preserved"].as_str().map(|why| format!("{name}: nothing that may lose data is done ({why})"))
}

/// What is kept of the person.
pub(super) fn archive(case: &Value) -> Option<String> {
    let archive = case.get("archive").filter(|archive| !archive.is_null())?;
    let made = &archive["made"];
    if made.is_null() {
        let why = archive["fault"].as_str().map(|why| format!(" ({why})")).unwrap_or_default();
        return Some(format!("archive: not made yet, next try at {}{why}", text(archive, "/look_at")));
    }
    let held = if made["held"] == true { ", under a legal hold" } else { "" };
    Some(format!("archive: {} objects, kept until {}{held}", text(made, "/objects"), text(made, "/until")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_transfer_says_where_it_stands() {
        let one = |state: &str, why: Value| json!({"kind": "files", "name": "in Drive", "to": "jane.smith", "state": state, "why": why});
        let all = [one("done", Value::Null), one("running", Value::Null), one("failed", json!("no account"))];
        let system = json!({"transfers": all});
        let lines: Vec<String> = transfers("Google", &system).collect();
        assert_eq!(lines[0], "Google: went to jane.smith: files in Drive");
        assert_eq!(lines[1], "Google: on its way to jane.smith: files in Drive");
        assert!(lines[2].ends_with("by hand: files in Drive (no account)"));
    }

    #[test]
    fn an_archive_says_whether_it_is_there() {
        assert_eq!(archive(&json!({"archive": null})), None);
        let wanted = json!({"archive": {"look_at": "2026-02-03T14:40:00.000Z", "fault": "S3: HTTP 503"}});
        assert!(archive(&wanted).unwrap().contains("S3: HTTP 503"));
        let made =
            json!({"archive": {"made": {"objects": 7, "until": "2026-05-04T00:00:00.000Z", "held": true}}});
        assert_eq!(
            archive(&made).unwrap(),
            "archive: 7 objects, kept until 2026-05-04T00:00:00.000Z, under a legal hold"
        );
    }
}
