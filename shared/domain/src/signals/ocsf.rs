//! One OCSF event per row that says what became of an account: class Account Change (3001), category Identity & Access
//! Management (3).
//!
//! | row | activity |
//! |---|---|
//! | access revoked, the account is there and cannot log in | 5 Disable |
//! | access revoked, the account is gone | 6 Delete |
//! | access revoked, the account stays usable (a partial case) | 8 Detach Policy |
//! | account disabled | 5 Disable |
//! | access given back, the account could not log in before and can now | 2 Enable |
//! | access given back, the account could log in before, or cannot now | 7 Attach Policy |
//! | an attempt failed | what was attempted: 5, 8 in a partial case, 2 where access comes back; status 2 Failure |
//!
//! Rows of other kinds change no account, and neither do those that found none; they are in the evidence pack. That goes
//! for what humans decide as well: the schema has no class for an approval, and what follows from one has its own event.

use super::told::{After, Told};
use crate::ledger::{EventKind, Outcome};
use serde_json::{Value, json};

/// The version of the schema that events follow.
pub const VERSION: &str = "1.3.0";
const CATEGORY: u32 = 3;
const CLASS: u32 = 3_001;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Activity {
    Enable,
    Disable,
    Delete,
    AttachPolicy,
    DetachPolicy,
}

impl Activity {
    fn id(self) -> u32 {
        match self {
            Self::Enable => 2,
            Self::Disable => 5,
            Self::Delete => 6,
            Self::AttachPolicy => 7,
            Self::DetachPolicy => 8,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Enable => "Enable",
            Self::Disable => "Disable",
            Self::Delete => "Delete",
            Self::AttachPolicy => "Attach Policy",
            Self::DetachPolicy => "Detach Policy",
        }
    }

    fn of(told: &Told) -> Option<Self> {
        let intended = match told.text("/facts/revocation/type") {
            "partial" => Self::DetachPolicy,
            "reactivate" => Self::Enable,
            _ => Self::Disable,
        };
        match (told.entry().kind, told.entry().outcome) {
            (EventKind::RevocationFailed, Outcome::Failure) => Some(intended),
            (EventKind::AccountDisabled | EventKind::AccessRevoked, Outcome::Failure) => Some(intended),
            (EventKind::AccountDisabled, Outcome::Success) => Some(Self::Disable),
            (EventKind::AccessRevoked, Outcome::Success) => Some(match told.account_after() {
                Some(After::Active) => Self::DetachPolicy,
                Some(After::Disabled) => Self::Disable,
                Some(After::Gone) => Self::Delete,
                None => intended,
            }),
            (EventKind::AccessRestored, Outcome::Failure) => Some(Self::Enable),
            (EventKind::AccessRestored, Outcome::Success) => match told.account_after() {
                Some(After::Gone) => None,
                Some(After::Active) if told.text("/facts/before_state/account_status") == "active" => {
                    Some(Self::AttachPolicy)
                }
                Some(After::Active) | None => Some(Self::Enable),
                Some(After::Disabled) => Some(Self::AttachPolicy),
            },
            _ => None,
        }
    }
}

/// The row's event; `None` where it changed no account.
pub fn event(told: &Told) -> Option<Value> {
    let activity = Activity::of(told)?;
    let entry = told.entry();
    let failed = entry.outcome == Outcome::Failure;
    let system = entry.system.as_deref();
    let class = CLASS.saturating_mul(100);
    let mut event = json!({
        "category_uid": CATEGORY, "category_name": "Identity & Access Management",
        "class_uid": CLASS, "class_name": "Account Change",
        "activity_id": activity.id(), "activity_name": activity.name(),
        "type_uid": class.saturating_add(activity.id()),
        "type_name": format!("Account Change: {}", activity.name()),
        "time": entry.occurred_at.millis(), "timezone_offset": 0,
        "severity_id": if failed { 3 } else { 1 }, "severity": if failed { "Medium" } else { "Informational" },
        "status_id": if failed { 2 } else { 1 }, "status": if failed { "Failure" } else { "Success" },
        "message": message(told, activity, failed),
        "metadata": metadata(told),
        "actor": {"app_name": entry.actor},
        "user": user(told),
        "observables": [{"name": "user.name", "type_id": 4, "type": "User Name", "value": entry.username}],
        "unmapped": unmapped(told),
    });
    if let Some(fields) = event.as_object_mut() {
        if failed {
            fields.insert("status_code".into(), told.value("/facts/fault/kind").clone());
            fields.insert("status_detail".into(), told.value("/facts/fault/detail").clone());
        }
        if let Some(system) = system {
            fields.insert("user_result".into(), json!({"name": entry.username, "domain": system}));
        }
        fields.retain(|_, value| !value.is_null());
    }
    Some(event)
}

fn message(told: &Told, activity: Activity, failed: bool) -> String {
    let entry = told.entry();
    let place = entry.system.as_deref().unwrap_or("all systems");
    let what = match activity {
        Activity::Enable => "enable the account",
        Activity::AttachPolicy => "give permissions back",
        Activity::Disable => "disable the account",
        Activity::Delete => "remove the account",
        Activity::DetachPolicy => "take permissions away",
    };
    let how = if failed { "An attempt failed" } else { "Done" };
    format!("{how}: {what} of {} in {place}", entry.username)
}

fn metadata(told: &Told) -> Value {
    let entry = told.entry();
    json!({
        "version": VERSION,
        "uid": entry.event_id,
        "correlation_uid": entry.case_id,
        "sequence": entry.seq,
        "event_code": entry.kind.name(),
        "log_name": entry.origin,
        "log_provider": "leaver",
        "logged_time": entry.recorded_at.millis(),
        "product": {"name": "leaver", "vendor_name": "leaver", "version": env!("CARGO_PKG_VERSION")},
    })
}

/// The person, as the directory of the system knows them.
fn user(told: &Told) -> Value {
    let entry = told.entry();
    let mut user = json!({"name": entry.username, "type_id": 1, "type": "User"});
    let employee = told.text("/user/employee_id");
    if let Some(fields) = user.as_object_mut() {
        if !employee.is_empty() {
            fields.insert("uid".into(), employee.into());
        }
        if let Some(system) = &entry.system {
            fields.insert("domain".into(), system.as_str().into());
        }
    }
    user
}

/// What the schema has no field for. The reason that HR gave is left out: it says more of a person than a SIEM needs.
fn unmapped(told: &Told) -> Value {
    let entry = told.entry();
    let kinds = told.value("/facts/actions_taken").as_array().into_iter().flatten();
    let mut kinds: Vec<&str> = kinds.filter_map(|taken| taken.get("kind")?.as_str()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let mut more = json!({
        "system": entry.system,
        "row_hash": entry.hash(),
        "risk": entry.risk,
        "triggered_by": told.value("/facts/revocation/triggered_by"),
        "mode": told.value("/facts/revocation/type"),
        "emergency": told.value("/facts/revocation/emergency"),
        "measure": told.value("/facts/measure"),
        "actions": kinds,
        "status_before": told.value("/facts/before_state/account_status"),
        "status_after": told.value("/facts/after_state/account_status"),
        "residuals": told.value("/facts/residuals").as_array().map(Vec::len),
        "attempt": told.value("/facts/attempt"),
    });
    if let Some(fields) = more.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    more
}

/// Where the event of a row lies. It follows from the row alone, one object for each, so that however the rows are cut
/// into batches no event can lie in two objects.
pub fn object_key(told: &Told) -> String {
    let entry = told.entry();
    let day = entry.recorded_at.to_string();
    let day = day.get(..10).unwrap_or("0000-00-00").replace('-', "/");
    format!("ocsf/{day}/{:020}.jsonl", entry.seq)
}
