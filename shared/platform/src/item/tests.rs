//! What the items of the case table look like.

use super::*;
use serde_json::json;

fn case(more: serde_json::Value) -> CaseRecord {
    let at = "2026-02-03T14:30:00.000Z";
    let mut case = json!({
        "case_id": "case-1", "mode": "leave", "status": "complete", "reason": "R", "policy_digest": Digest::ZERO,
        "person": {"username": "john.doe", "employee_id": "E1"}, "dates": {}, "created_at": at, "effective_at": at,
        "trigger": {"source": "hris", "event_id": "e", "by": "hris", "kind": "k", "at": at, "received_at": at,
                    "body": Digest::ZERO},
        "closed_at": at, "checkpoint_size": 7, "dry_run": false, "emergency": false, "systems": [], "log": [],
        "watch": {"days": [1], "day_seconds": 86_400}, "archive": {"look_at": "2026-02-03T14:40:00.000Z"}, "version": 1,
    });
    case.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(case).unwrap()
}

fn places(case: &CaseRecord) -> [Option<String>; 4] {
    placed(&of_case(case).unwrap())
}

fn placed(item: &Item) -> [Option<String>; 4] {
    ["due_pk", "due_sk", "archive_pk", "archive_sk"].map(|name| item.get(name)?.as_s().ok().cloned())
}

#[test]
fn a_look_and_an_archive_do_not_wait_for_each_other() {
    let [due, at, archive, made] = places(&case(json!({})));
    assert!(due.unwrap().starts_with("WATCH#") && archive.unwrap().starts_with("ARCHIVE"));
    assert_eq!(at.as_deref(), Some("2026-02-04T14:30:00.000Z"));
    assert_eq!(made.as_deref(), Some("2026-02-03T14:40:00.000Z"));
    let [due, _, archive, _] = places(&case(json!({"watch": null})));
    assert!(due.is_none() && archive.is_some());
    let [due, _, archive, _] = places(&case(json!({"archive": null})));
    assert!(due.unwrap().starts_with("WATCH#") && archive.is_none());
    // A checkpoint has to cover what the case came to before either.
    let [due, _, archive, _] = places(&case(json!({"checkpoint_size": null})));
    assert!(due.unwrap().starts_with("SEAL#") && archive.is_none());
}

#[test]
fn a_hold_on_its_way_to_the_archive_and_its_end_do_not_wait_for_each_other() {
    let (at, until) = ("2026-02-03T14:30:00.000Z", "2026-12-31T00:00:00.000Z");
    let mut measure: Measure = serde_json::from_value(json!({
        "measure_id": "measure-1", "kind": "exception", "what": "retention_hold", "requested_by": "harper.hr",
        "reason": "R", "requested_at": at, "until": until, "status": "active", "archive_hold": {"look_at": at},
        "approval": {"round": 1, "requested_by": "harper.hr", "covers": Digest::ZERO,
            "need": {"approvers": 1, "security": true}, "requested_at": at, "level": 0, "asked": [], "due_at": at,
            "expires_at": at, "status": "approved"},
        "log": [], "version": 1,
    }))
    .unwrap();
    let [due, ends, archive, hold] = placed(&of_measure(&measure).unwrap());
    assert!(due.unwrap().starts_with("MEASURE"));
    assert_eq!((ends.as_deref(), archive.as_deref(), hold.as_deref()), (Some(until), Some(HOLDS), Some(at)));
    measure.archive_hold.as_mut().unwrap().look_at = None;
    let [due, _, archive, hold] = placed(&of_measure(&measure).unwrap());
    assert!(due.is_some() && archive.is_none() && hold.is_none());
}
