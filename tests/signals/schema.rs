//! What OCSF 1.3.0 asks of an Account Change event, as far as leaver writes one.
//!
//! From the schema's own files (github.com/ocsf/ocsf-schema: `events/base_event.json`, `events/iam/account_change.json`,
//! `objects/metadata.json`, `objects/product.json`, `objects/user.json`, `objects/actor.json`; browsable at
//! schema.ocsf.io/1.3.0/classes/account_change).

use serde_json::Value;

/// Fields of the event that leaver may write: name, type, whether the schema requires it.
const EVENT: &[(&str, &str, bool)] = &[
    ("activity_id", "integer", true),
    ("activity_name", "string", false),
    ("actor", "object", false),
    ("category_name", "string", false),
    ("category_uid", "integer", true),
    ("class_name", "string", false),
    ("class_uid", "integer", true),
    ("message", "string", false),
    ("metadata", "object", true),
    ("observables", "array", false),
    ("severity", "string", false),
    ("severity_id", "integer", true),
    ("status", "string", false),
    ("status_code", "string", false),
    ("status_detail", "string", false),
    ("status_id", "integer", false),
    ("time", "integer", true),
    ("timezone_offset", "integer", false),
    ("type_name", "string", false),
    ("type_uid", "integer", true),
    ("unmapped", "object", false),
    ("user", "object", true),
    ("user_result", "object", false),
];
const METADATA: &[(&str, &str, bool)] = &[
    ("correlation_uid", "string", false),
    ("event_code", "string", false),
    ("log_name", "string", false),
    ("log_provider", "string", false),
    ("logged_time", "integer", false),
    ("product", "object", true),
    ("sequence", "integer", false),
    ("uid", "string", false),
    ("version", "string", true),
];
const PRODUCT: &[(&str, &str, bool)] =
    &[("name", "string", true), ("vendor_name", "string", false), ("version", "string", false)];
const USER: &[(&str, &str, bool)] = &[
    ("domain", "string", false),
    ("name", "string", false),
    ("type", "string", false),
    ("type_id", "integer", false),
    ("uid", "string", false),
];
const ACTOR: &[(&str, &str, bool)] = &[("app_name", "string", false)];
const OBSERVABLE: &[(&str, &str, bool)] = &[
    ("name", "string", true),
    ("type", "string", false),
    ("type_id", "integer", true),
    ("value", "string", false),
];
/// The class's activities.
const ACTIVITIES: &[(u64, &str)] = &[
    (0, "Unknown"),
    (1, "Create"),
    (2, "Enable"),
    (3, "Password Change"),
    (4, "Password Reset"),
    (5, "Disable"),
    (6, "Delete"),
    (7, "Attach Policy"),
    (8, "Detach Policy"),
    (9, "Lock"),
    (10, "MFA Factor Enable"),
    (11, "MFA Factor Disable"),
    (99, "Other"),
];
const SEVERITIES: &[(u64, &str)] =
    &[(1, "Informational"), (2, "Low"), (3, "Medium"), (4, "High"), (5, "Critical"), (6, "Fatal")];
const STATUSES: &[(u64, &str)] = &[(0, "Unknown"), (1, "Success"), (2, "Failure")];

fn fields(value: &Value, known: &[(&str, &str, bool)]) {
    let found = value.as_object().unwrap_or_else(|| panic!("no object: {value}"));
    for (name, field) in found {
        let (_, kind, _) =
            known.iter().find(|(known, _, _)| known == name).unwrap_or_else(|| panic!("{name} is unknown"));
        let fits = match *kind {
            "integer" => field.is_i64() || field.is_u64(),
            "string" => field.as_str().is_some_and(|text| !text.is_empty()),
            "array" => field.is_array(),
            _ => field.is_object(),
        };
        assert!(fits, "{name} is no {kind}: {field}");
    }
    for (name, _, required) in known {
        assert!(!required || found.contains_key(*name), "{name} is required: {value}");
    }
}

/// A number and its caption must say the same.
fn sibling(event: &Value, id: &str, name: &str, known: &[(u64, &str)]) {
    let caption = known.iter().find(|(number, _)| event[id] == *number).map(|(_, caption)| *caption);
    assert_eq!(event[name].as_str(), caption, "{id} and {name} of {event}");
}

/// Fails where an event is not of the schema's form.
pub(crate) fn check(event: &Value) {
    fields(event, EVENT);
    fields(&event["metadata"], METADATA);
    fields(&event["metadata"]["product"], PRODUCT);
    fields(&event["actor"], ACTOR);
    // Both have a constraint: at least one of a list of names.
    assert!(event["actor"]["app_name"].is_string());
    for user in [&event["user"], &event["user_result"]].into_iter().filter(|user| !user.is_null()) {
        fields(user, USER);
        assert!(user["name"].is_string() || user["uid"].is_string(), "{user}");
    }
    event["observables"].as_array().expect("a list").iter().for_each(|one| fields(one, OBSERVABLE));
    assert_eq!((&event["category_uid"], &event["class_uid"]), (&3.into(), &3001.into()));
    assert_eq!(
        event["type_uid"].as_u64(),
        event["activity_id"].as_u64().map(|activity| 3001 * 100 + activity)
    );
    assert_eq!(event["metadata"]["version"], "1.3.0");
    sibling(event, "activity_id", "activity_name", ACTIVITIES);
    sibling(event, "severity_id", "severity", SEVERITIES);
    sibling(event, "status_id", "status", STATUSES);
    let name = format!("Account Change: {}", event["activity_name"].as_str().expect("a name"));
    assert_eq!(event["type_name"], name);
    // Milliseconds since 1970: seconds or microseconds would lie far outside of this.
    for time in [&event["time"], &event["metadata"]["logged_time"]] {
        assert!((1_500_000_000_000..5_000_000_000_000).contains(&time.as_i64().expect("a number")), "{time}");
    }
}
