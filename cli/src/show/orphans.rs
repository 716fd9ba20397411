//! Accounts that are nobody's who is here, as people read them.

use super::{list, table, text};
use serde_json::Value;

/// Orphans, one line each.
pub fn orphans(orphans: &[Value]) -> String {
    let row = |orphan: &Value| {
        let whose = match text(orphan, "/class/kind").as_str() {
            "left" => format!("{}, who has left", text(orphan, "/class/username")),
            "elsewhere" => format!("{}, routed elsewhere", text(orphan, "/class/username")),
            "unclear" => {
                let names: Vec<&str> =
                    list(&orphan["class"], "usernames").iter().filter_map(Value::as_str).collect();
                format!("unclear: {}", names.join(" or "))
            }
            other => other.to_owned(),
        };
        let privileged = if orphan["privileged"] == true { "yes" } else { "-" };
        vec![
            text(orphan, "/orphan_id"),
            text(orphan, "/system"),
            text(orphan, "/login"),
            whose,
            text(orphan, "/owner"),
            format!("{} d", orphan["age_days"].as_u64().unwrap_or(0)),
            privileged.to_owned(),
            text(orphan, "/last_login"),
            text(orphan, "/standing/is"),
        ]
    };
    let rows: Vec<Vec<String>> = orphans.iter().map(row).collect();
    table(&["orphan", "system", "login", "whose", "owner", "age", "admin", "last login", "standing"], &rows)
}
