//! The events kept for `sam local invoke`: each is read as the function that it is for reads it.

use crate::{read, root};
use aws_lambda_events::{apigw::ApiGatewayV2httpRequest, dynamodb::Event};
use leaver_domain::{
    case::{Mode, Trigger},
    digest::Digest,
    effective::Dates,
    intake,
    ledger::{Draft, EventKind, Outcome},
    ports::Row,
    time::Timestamp,
    trigger::HrEvent,
};
use leaver_platform::{Changed, changed};
use leaver_tests::{flow::shipped, sandbox::person, signals::stream_event};
use std::{collections::BTreeSet, fs};

/// The stream record of the documented sample event's case. `BLESS=1` rewrites the file.
#[test]
fn the_ledgers_event_has_the_records_present_form() {
    let at = "2026-02-03T14:30:00Z".parse().expect("an instant");
    let trigger = Trigger {
        source: "hris".into(),
        event_id: "evt_123456".parse().expect("an id"),
        by: "hris".into(),
        kind: "user_terminated".into(),
        at,
        received_at: at,
        body: Digest::of(b"the body"),
    };
    let request = intake::Request {
        trigger,
        mode: Mode::Leave,
        reason: "Resignation".into(),
        dates: Dates::default(),
        effective_at: at,
        dry_run: false,
        emergency: false,
        preserve_data: false,
        grants: None,
        permissions: BTreeSet::new(),
        moves: None,
        measure: None,
    };
    let opening = intake::open(&person("john.doe"), &request, &shipped("local"), at);
    let (case, _) = opening.case.expect("a case");
    let record = leaver_ledger::Record {
        pk: format!("CASE#{}", case.case_id),
        sk: "CASE".into(),
        old: None,
        new: Some(serde_json::to_string(&case).expect("JSON")),
    };
    let event = serde_json::to_string_pretty(&leaver_ledger::event_of(&[record])).expect("JSON") + "\n";
    if std::env::var_os("BLESS").is_some() {
        fs::write(root().join("infra/events/ledger.json"), event).expect("written");
        return;
    }
    assert!(
        read("infra/events/ledger.json") == event,
        "drifted: BLESS=1 cargo test -p leaver-tests --test wiring"
    );
}

/// The stream record of a row that took access away. `BLESS=1` rewrites the file.
#[test]
fn the_signals_event_has_the_rows_present_form() {
    let at: Timestamp = "2026-02-03T14:30:05Z".parse().expect("an instant");
    let facts = serde_json::json!({
        "revocation": {"type": "leave", "reason": "Resignation", "triggered_by": "hris", "emergency": false},
        "actions_taken": [{"kind": "disable_account", "target": "00u1", "label": "john.doe", "outcome": "done",
            "evidence": "read", "at": at}],
        "before_state": {"account_status": "active"}, "after_state": {"account_status": "suspended"},
    });
    let user = serde_json::json!({"username": "john.doe", "employee_id": "EMP-12345"});
    let draft = Draft {
        event_id: "case-sample/okta/0".into(),
        case_id: "case-sample".into(),
        ordinal: 0,
        kind: EventKind::AccessRevoked,
        occurred_at: at,
        username: "john.doe".into(),
        actor: "leaver/adapter/okta".into(),
        system: Some("okta".into()),
        action: "revoke".into(),
        outcome: Outcome::Success,
        risk: None,
        evidence: serde_json::json!({"user": user, "facts": facts}).to_string(),
    };
    let entry = draft.clone().at("leaver/sample", 0, Digest::ZERO, at, [0; 16]);
    let row = Row { seq: 0, leaf: entry.encode(), evidence: draft.evidence };
    let event = serde_json::to_string_pretty(&stream_event(&[row])).expect("JSON") + "\n";
    if std::env::var_os("BLESS").is_some() {
        fs::write(root().join("infra/events/signals.json"), event).expect("written");
        return;
    }
    assert!(
        read("infra/events/signals.json") == event,
        "drifted: BLESS=1 cargo test -p leaver-tests --test wiring"
    );
}

#[test]
fn every_kept_event_is_understood_by_its_function() {
    let mut seen = 0;
    for file in fs::read_dir(root().join("infra/events")).expect("the folder") {
        let name = file.expect("a file").file_name().into_string().expect("UTF-8");
        let text = read(&format!("infra/events/{name}"));
        let function = name.trim_end_matches(".json").split('-').next().expect("a name").to_owned();
        match function.as_str() {
            "webhook" => {
                let request: ApiGatewayV2httpRequest = serde_json::from_str(&text).expect(&name);
                HrEvent::parse(request.body.unwrap_or_default().as_bytes()).expect(&name);
            }
            "api" => {
                let request: ApiGatewayV2httpRequest = serde_json::from_str(&text).expect(&name);
                assert!(request.request_context.authorizer.and_then(|a| a.jwt).is_some(), "{name}");
            }
            "plan" => drop(serde_json::from_str::<leaver_plan::Input>(&text).expect(&name)),
            "adapter" => drop(serde_json::from_str::<leaver_adapter::Input>(&text).expect(&name)),
            "close" => drop(serde_json::from_str::<leaver_close::Input>(&text).expect(&name)),
            "ledger" => {
                let event: Event = serde_json::from_str(&text).expect(&name);
                let records = leaver_ledger::records(&event);
                let lines = |record: &leaver_ledger::Record| match changed(
                    &record.sk,
                    record.old.as_deref(),
                    record.new.as_deref(),
                ) {
                    Changed::Lines(lines) => lines.len(),
                    Changed::Nothing => 0,
                    Changed::Unreadable(why) => panic!("{name}: {why}"),
                };
                assert!(records.iter().map(lines).sum::<usize>() > 0, "{name} has nothing for the ledger");
            }
            "signals" => {
                let event: serde_json::Value = serde_json::from_str(&text).expect(&name);
                let rows: Vec<_> =
                    leaver_signals::records(&event).iter().map(|record| record.read()).collect();
                assert!(!rows.is_empty() && rows.iter().all(Result::is_ok), "{name}: {rows:?}");
            }
            "canary" => drop(serde_json::from_str::<leaver_canary::Input>(&text).expect(&name)),
            "sweep" | "publish" => drop(serde_json::from_str::<serde_json::Value>(&text).expect(&name)),
            other => panic!("{name}: there is no function {other}"),
        }
        seen += 1;
    }
    assert!(seen >= 7);
}
