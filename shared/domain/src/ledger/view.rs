//! The JSON view of a row. It shows what the hashed bytes and the evidence that they bind say; it is never hashed itself.

use super::entry::Entry;
use serde_json::{Value, json};

/// The view of an entry with its evidence (requirement A7's fields, and those that bind the row to its place).
pub fn view(entry: &Entry, evidence: &Value) -> Value {
    let at = |pointer: &str| evidence.pointer(pointer).cloned().unwrap_or(Value::Null);
    let revocation = |name: &str| match at(&format!("/revocation/{name}")) {
        Value::Null => at(&format!("/facts/revocation/{name}")),
        value => value,
    };
    json!({
        "seq": entry.seq,
        "event_id": entry.event_id,
        "case_id": entry.case_id,
        "timestamp": entry.occurred_at,
        "recorded_at": entry.recorded_at,
        "event_type": entry.kind,
        "access_row": entry.is_access_row(),
        "user": {"username": entry.username, "employee_id": at("/user/employee_id")},
        "actor": entry.actor,
        "system": entry.system,
        "action": entry.action,
        "result": entry.outcome,
        "risk": entry.risk,
        "revocation": {
            "type": revocation("type"),
            "reason": revocation("reason"),
            "triggered_by": revocation("triggered_by"),
            "executor": entry.actor,
            "actions_taken": at("/facts/actions_taken"),
        },
        "before_state": at("/facts/before_state"),
        "after_state": at("/facts/after_state"),
        "verification": at("/facts/verification"),
        "facts": at("/facts"),
        "previous": entry.previous,
        "hash": entry.hash(),
    })
}
