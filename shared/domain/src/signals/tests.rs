//! What is told of given rows, to the letter.

use super::*;
use crate::{
    digest::Digest,
    ledger::{Draft, EventKind, Outcome},
    risk::RiskLevel,
    time::Timestamp,
};
use serde_json::{Value, json};

const ISSUER: &str = "https://leaver.example";

fn evidence() -> Value {
    let action = |kind: &str, outcome: &str, second: u32| json!({"kind": kind, "outcome": outcome, "at": format!("2026-02-03T14:30:{second:02}.500Z"), "target": "u1", "label": "l"});
    json!({
        "user": {"username": "john.doe", "employee_id": "EMP-12345"},
        "facts": {
            "revocation": {"type": "leave", "reason": "Contract breach", "triggered_by": "hris", "emergency": false},
            "actions_taken": [
                action("end_sessions", "done", 1), action("disable_account", "done", 2),
                action("disable_api_key", "done", 3), action("disable_api_key", "accepted", 4),
                action("remove_factor", "already", 5),
            ],
            "before_state": {"account_status": "active"}, "after_state": {"account_status": "suspended"},
            "residuals": [{"what": "mail on the phone", "until": null}],
        },
    })
}

fn row(kind: EventKind, outcome: Outcome, evidence: &Value) -> Told {
    let at = |millis: i64| Timestamp::from_millis(1_770_129_000_000 + millis).unwrap();
    let draft = Draft {
        event_id: "case-1/okta/0".into(),
        case_id: "case-1".into(),
        ordinal: 0,
        kind,
        occurred_at: at(6_789),
        username: "john.doe".into(),
        actor: "leaver/adapter/okta".into(),
        system: Some("okta".into()),
        action: "revoke".into(),
        outcome,
        risk: Some(RiskLevel::Clean),
        evidence: evidence.to_string(),
    };
    let entry = draft.clone().at("leaver/suite", 7, Digest::of(b"before"), at(9_000), [9; 16]);
    Told::read(&entry.encode(), &draft.evidence).unwrap()
}

fn revoked(change: impl FnOnce(&mut Value)) -> Told {
    let mut evidence = evidence();
    change(&mut evidence["facts"]);
    row(EventKind::AccessRevoked, Outcome::Success, &evidence)
}

fn receiver(subject: Value) -> Receiver {
    serde_json::from_value(
        json!({"name": "idp", "audience": "https://idp.example", "url": "https://idp.example/events",
        "events": ["session_revoked", "account_disabled", "credential_change"], "subject": subject}),
    )
    .unwrap()
}

#[test]
fn a_revoked_account_as_ocsf() {
    let told = revoked(|_| ());
    assert_eq!(
        event(&told).unwrap(),
        json!({
            "activity_id": 5, "activity_name": "Disable",
            "actor": {"app_name": "leaver/adapter/okta"},
            "category_name": "Identity & Access Management", "category_uid": 3,
            "class_name": "Account Change", "class_uid": 3001,
            "message": "Done: disable the account of john.doe in okta",
            "metadata": {
                "correlation_uid": "case-1", "event_code": "access_revoked", "log_name": "leaver/suite",
                "log_provider": "leaver", "logged_time": 1_770_129_009_000_i64,
                "product": {"name": "leaver", "vendor_name": "leaver", "version": env!("CARGO_PKG_VERSION")},
                "sequence": 7, "uid": "case-1/okta/0", "version": "1.3.0",
            },
            "observables": [{"name": "user.name", "type": "User Name", "type_id": 4, "value": "john.doe"}],
            "severity": "Informational", "severity_id": 1, "status": "Success", "status_id": 1,
            "time": 1_770_129_006_789_i64, "timezone_offset": 0,
            "type_name": "Account Change: Disable", "type_uid": 300_105,
            "unmapped": {
                "actions": ["disable_account", "disable_api_key", "end_sessions", "remove_factor"],
                "emergency": false, "mode": "leave", "residuals": 1, "risk": "clean",
                "row_hash": told.entry().hash().to_string(), "status_after": "suspended", "status_before": "active",
                "system": "okta", "triggered_by": "hris",
            },
            "user": {"domain": "okta", "name": "john.doe", "type": "User", "type_id": 1, "uid": "EMP-12345"},
            "user_result": {"domain": "okta", "name": "john.doe"},
        })
    );
    assert_eq!(object_key(&told), "ocsf/2026/02/03/00000000000000000007.jsonl");
}

#[test]
fn the_activity_is_what_became_of_the_account() {
    let activity =
        |told: &Told| event(told).map(|event| (event["activity_id"].clone(), event["status_id"].clone()));
    let is = |id: u32, status: u32| Some((json!(id), json!(status)));
    assert_eq!(activity(&revoked(|facts| facts["after_state"]["account_status"] = json!(null))), is(6, 1));
    assert_eq!(
        activity(&revoked(|facts| facts["after_state"]["account_status"] = json!("deactivated"))),
        is(5, 1)
    );
    let partial = |facts: &mut Value| {
        facts["revocation"]["type"] = json!("partial");
        facts["after_state"]["account_status"] = json!("active");
    };
    assert_eq!(activity(&revoked(partial)), is(8, 1));
    let mut failed = evidence();
    failed["facts"]["fault"] = json!({"kind": "Unavailable", "detail": "HTTP 503"});
    let told = row(EventKind::RevocationFailed, Outcome::Failure, &failed);
    assert_eq!(activity(&told), is(5, 2));
    let told = event(&told).unwrap();
    assert_eq!((&told["status_code"], &told["status_detail"]), (&json!("Unavailable"), &json!("HTTP 503")));
    assert_eq!((&told["severity_id"], &told["status"]), (&json!(3), &json!("Failure")));
    failed["facts"]["revocation"]["type"] = json!("partial");
    assert_eq!(activity(&row(EventKind::RevocationFailed, Outcome::Failure, &failed)), is(8, 2));
    assert_eq!(activity(&row(EventKind::AccountDisabled, Outcome::Success, &json!({}))), is(5, 1));
    let back = |before: &str, after: Value| {
        let mut evidence = evidence();
        evidence["facts"]["revocation"]["type"] = json!("reactivate");
        evidence["facts"]["before_state"]["account_status"] = json!(before);
        evidence["facts"]["after_state"]["account_status"] = after;
        evidence["facts"]["measure"] = json!("measure-1");
        row(EventKind::AccessRestored, Outcome::Success, &evidence)
    };
    assert_eq!(activity(&back("suspended", json!("active"))), is(2, 1));
    assert_eq!(activity(&back("active", json!("active"))), is(7, 1));
    assert_eq!(activity(&back("suspended", json!("suspended"))), is(7, 1));
    assert_eq!(activity(&back("suspended", json!(null))), None);
    let told = event(&back("suspended", json!("active"))).unwrap();
    assert_eq!(told["message"], "Done: enable the account of john.doe in okta");
    assert_eq!((&told["type_uid"], &told["unmapped"]["measure"]), (&json!(300_102), &json!("measure-1")));
    failed["facts"]["revocation"]["type"] = json!("reactivate");
    assert_eq!(activity(&row(EventKind::RevocationFailed, Outcome::Failure, &failed)), is(2, 2));
    assert!(tokens(&back("suspended", json!("active")), ISSUER, &receiver(json!("opaque"))).is_empty());
    // Nothing became of an account that there was none of, and other rows are about no account.
    assert_eq!(activity(&row(EventKind::AccessRevoked, Outcome::NotApplicable, &evidence())), None);
    for kind in EventKind::ALL {
        let told_of = [
            EventKind::AccessRevoked,
            EventKind::AccountDisabled,
            EventKind::RevocationFailed,
            EventKind::AccessRestored,
        ];
        let told = row(*kind, Outcome::Success, &evidence());
        assert!(event(&told).is_none() || told_of.contains(kind), "{kind:?}");
        assert!(tokens(&told, ISSUER, &receiver(json!("opaque"))).is_empty() || told_of[..2].contains(kind));
    }
}

#[test]
fn a_revoked_account_as_tokens() {
    let told = revoked(|_| ());
    let claims = tokens(&told, ISSUER, &receiver(json!({"email": "example.com"})));
    let sub = json!({"format": "email", "email": "john.doe@example.com"});
    let reason = json!({"en": "Access to okta was taken away (case-1)"});
    let token = |suffix: &str, uri: &str, at: i64, more: Value| {
        let mut payload =
            json!({"event_timestamp": at, "initiating_entity": "policy", "reason_admin": reason});
        payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"iss": ISSUER, "iat": 1_770_129_009, "jti": format!("case-1/okta/0/{suffix}"), "aud": "https://idp.example",
            "txn": "case-1", "toe": at, "sub_id": sub, "events": {format!("https://schemas.openid.net/secevent/{uri}"): payload}})
    };
    assert_eq!(
        serde_json::to_value(&claims).unwrap(),
        json!([
            token("session-revoked", "caep/event-type/session-revoked", 1_770_129_001, json!({})),
            token("account-disabled", "risc/event-type/account-disabled", 1_770_129_002, json!({})),
            token(
                "credential-change/api-key",
                "caep/event-type/credential-change",
                1_770_129_004,
                json!({"credential_type": "api-key", "change_type": "revoke"}),
            ),
        ])
    );
    let text = serde_json::to_string(&claims).unwrap() + &event(&told).unwrap().to_string();
    assert!(!text.contains("breach"), "what HR says stays inside");
}

#[test]
fn a_token_says_only_what_its_row_says() {
    let names = |told: &Told, receiver: &Receiver| -> Vec<String> {
        let all = tokens(told, ISSUER, receiver);
        all.into_iter().map(|claims| claims.jti.trim_start_matches("case-1/okta/0/").to_owned()).collect()
    };
    let all = receiver(json!("opaque"));
    let usable = revoked(|facts| facts["after_state"]["account_status"] = json!("active"));
    assert_eq!(names(&usable, &all), ["session-revoked", "credential-change/api-key"]);
    let gone = revoked(|facts| facts["after_state"]["account_status"] = json!(null));
    assert!(names(&gone, &all).contains(&"account-disabled".to_owned()));
    let unknown = revoked(|facts| facts["after_state"] = json!(null));
    assert!(!names(&unknown, &all).contains(&"account-disabled".to_owned()));
    let idle = revoked(|facts| facts["actions_taken"] = json!([]));
    assert_eq!(names(&idle, &all), ["account-disabled"]);
    let few = Receiver { events: [Signal::CredentialChange].into(), ..all.clone() };
    assert_eq!(names(&revoked(|_| ()), &few), ["credential-change/api-key"]);
    let other = Receiver { systems: ["slack".parse().unwrap()].into(), ..all };
    assert!(names(&revoked(|_| ()), &other).is_empty());
}

#[test]
fn people_are_named_as_the_receiver_knows_them() {
    let told = revoked(|facts| facts["revocation"]["triggered_by"] = json!("sam.admin"));
    let first = |subject: Value| tokens(&told, ISSUER, &receiver(subject)).remove(0);
    assert_eq!(first(json!("opaque")).sub_id, json!({"format": "opaque", "id": "john.doe"}));
    let known = first(json!({"iss_sub": "https://okta.example"}));
    assert_eq!(known.sub_id, json!({"format": "iss_sub", "iss": "https://okta.example", "sub": "john.doe"}));
    assert_eq!(known.events[Signal::SessionRevoked.uri()]["initiating_entity"], "admin");
}

#[test]
fn a_row_that_is_not_what_it_says_is_not_told_of() {
    let told = revoked(|_| ());
    let (leaf, text) = (told.entry().encode(), evidence().to_string());
    assert!(Told::read(&leaf, &text).is_ok());
    assert_eq!(Told::read(&leaf, &(text.clone() + " ")), Err(Unreadable::Evidence));
    assert!(matches!(Told::read(&leaf[1..], &text), Err(Unreadable::Leaf(_))));
    let mut other = told.entry().clone();
    other.evidence = Digest::of(b"not JSON");
    assert_eq!(Told::read(&other.encode(), "not JSON"), Err(Unreadable::Json));
}

proptest::proptest! {
    /// Evidence of any shape is told of in some way or not at all, and the same way each time.
    #[test]
    fn no_evidence_makes_it_panic(text in "[\\{\\}\\[\\]\":,a-z0-9]{0,60}", status in proptest::option::of("[a-z]{0,9}")) {
        let odd: Value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        let evidence = json!({"user": odd, "facts": {"actions_taken": [odd, {"kind": "end_sessions", "outcome": "done", "at": odd}],
            "after_state": {"account_status": status}, "revocation": odd, "fault": odd, "residuals": odd}});
        for outcome in Outcome::ALL {
            for kind in EventKind::ALL {
                let told = row(*kind, *outcome, &evidence);
                proptest::prop_assert_eq!(event(&told), event(&told));
                let _ = tokens(&told, ISSUER, &receiver(json!("opaque")));
            }
        }
    }
}
