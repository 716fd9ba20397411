//! The webhook: who is let in, what is refused, and that nothing recorded is lost.

use crate::recorded;
use leaver_domain::{case::CaseStatus, person::PersonStatus, ports::CaseStore, time::Timestamp};
use leaver_platform::memory::MemoryWorkflow;
use leaver_sweep::Sweep;
use leaver_tests::{
    failing::{Failing, When},
    flow::{House, TOKEN, appending, body, event},
    sandbox::now,
};
use serde_json::json;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_gets_its_status_a_problem_document_and_writes_nothing() {
    let house = House::new().await;
    let before = house.cases.len();
    let good = event("john.doe", "evt-1").to_string();
    let big = format!("{good}{}", " ".repeat(256 * 1024));
    let cases: [(&str, u16); 7] = [
        ("{", 400),
        ("", 400),
        ("\u{0}", 400),
        (&big, 413),
        (&good.replace("user_terminated", "user_vanished"), 422),
        (&good.replace("\"event_id\"", "\"eventid\""), 422),
        (&good.replace("EMP-12345", "EMP 12345"), 422),
    ];
    for (text, status) in cases {
        let response = house.post(&house.cases, text).await;
        assert_eq!(response.status_code, i64::from(status), "{}", &text[..text.len().min(80)]);
        assert_eq!(response.headers["content-type"], "application/problem+json");
        let problem = body(&response);
        assert_eq!(problem["status"], status);
        for field in ["type", "title", "detail"] {
            assert!(!problem[field].as_str().unwrap().is_empty(), "{problem}");
        }
    }
    let wrong = format!("Bearer {TOKEN}x");
    let headers: [&[(&str, &str)]; 3] = [&[], &[("authorization", &wrong)], &[("authorization", TOKEN)]];
    for headers in headers {
        let response = house.post_with(&house.cases, &good, headers).await;
        assert_eq!(response.status_code, 401);
        assert_eq!(body(&response)["status"], 401);
    }
    assert_eq!(house.cases.len(), before, "something was written");
    assert!(house.workflow.started().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ping_answers_and_changes_nothing() {
    let house = House::new().await;
    let before = house.cases.len();
    let ping = json!({"event_type": "test", "event_id": "p", "timestamp": now()}).to_string();
    let response = house.post(&house.cases, &ping).await;
    assert_eq!((response.status_code, house.cases.len()), (200, before));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_or_contradictory_person_is_refused_and_opens_a_finding_once() {
    let house = House::new().await;
    let before = house.cases.len();
    let event = event("john.doe", "evt-1").to_string();
    for (number, text) in
        [event.replace("john.doe", "jon.doe"), event.replace("EMP-12345", "EMP-10005")].iter().enumerate()
    {
        for _ in 0..2 {
            assert_eq!(house.post(&house.cases, text).await.status_code, 422);
        }
        assert_eq!(house.cases.len(), before + 1 + number);
    }
    assert!(house.workflow.started().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_event_twice_is_one_case_and_another_event_under_its_id_is_refused() {
    let house = House::new().await;
    let text = event("john.doe", "evt-1").to_string();
    let first = body(&house.post(&house.cases, &text).await);
    let written = house.cases.changes().len();
    let again = house.post(&house.cases, &text).await;
    assert_eq!(again.status_code, 202);
    assert_eq!(body(&again)["case_id"], first["case_id"]);
    assert_eq!((&first["duplicate"], &body(&again)["duplicate"]), (&json!(false), &json!(true)));
    let other = house.post(&house.cases, &text.replace("Resignation", "Dismissal")).await;
    assert_eq!(other.status_code, 409);
    assert_eq!(house.cases.changes().len(), written);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_tell_nothing_new_are_written_down_and_answered() {
    let house = House::new().await;
    for kind in ["user_role_changed", "user_rehired", "user_hired", "user_updated"] {
        let text = event("john.doe", kind).to_string().replace("user_terminated", kind);
        for duplicate in [false, true] {
            let response = house.post(&house.cases, &text).await;
            assert_eq!(response.status_code, 202);
            let expected = json!({"case_id": null, "status": "recorded", "duplicate": duplicate});
            assert_eq!(body(&response), expected, "{kind}");
        }
    }
    assert!(house.workflow.started().is_empty());
}

/// Wherever the webhook dies, the HRIS's repeat or the sweep brings the case to its start, and there is one case.
#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_dies_at_any_call_loses_nothing_and_doubles_nothing() {
    for when in [When::Before, When::After] {
        for call in 0.. {
            let house = House::new().await;
            let text = event("john.doe", "evt-1").to_string();
            let failing = Failing::at(&house.cases, call, when);
            let first = house.post(&failing, &text).await;
            if !failing.has_failed() {
                assert!(call > 2);
                break;
            }
            assert!(matches!(first.status_code, 202 | 503), "{}", first.status_code);
            let again = house.post(&house.cases, &text).await;
            assert_eq!(again.status_code, 202);
            let cases = house.cases.cases(None, 10).await.unwrap().cases;
            assert_eq!(cases.len(), 1, "{when:?} {call}");
            assert_eq!(house.workflow.started(), [cases[0].case_id.clone()], "{when:?} {call}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_whose_start_was_lost_is_started_by_the_sweep_after_a_moment() {
    let house = House::new().await;
    let case = recorded(&house, "john.doe").await;
    // The process died right after the commit: this engine never heard of the case.
    let workflow = MemoryWorkflow::default();
    let sweep = |at: Timestamp| {
        let (store, workflow, log) = (&house.cases, &workflow, appending(&house.ledger));
        let sweep = Sweep { policy: &house.policy, store, workflow, log, now: at };
        async move { leaver_sweep::handle(&sweep).await.unwrap() }
    };
    assert_eq!(sweep(now()).await.due, 0, "the webhook gets the time to do it itself");
    let later = now().plus(Duration::from_secs(21));
    assert_eq!(sweep(later).await.started, 1);
    assert_eq!(workflow.started(), std::slice::from_ref(&case));
    assert_eq!(sweep(later).await.started, 0);
    house.execute(&case).await;
    assert_eq!(sweep(later).await.due, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaving_in_the_future_waits_for_its_instant() {
    let house = House::new().await;
    let mut event = event("john.doe", "evt-1");
    let days = |count: u64| now().plus(Duration::from_secs(count * 86_400));
    event["metadata"]["last_working_day"] = json!(&days(3).to_string()[..10]);
    let response = house.post(&house.cases, &event.to_string()).await;
    assert_eq!(response.status_code, 202);
    assert!(house.workflow.started().is_empty());
    let log = || appending(&house.ledger);
    let sweep = |at| Sweep {
        policy: &house.policy,
        store: &house.cases,
        workflow: &house.workflow,
        log: log(),
        now: at,
    };
    assert_eq!(leaver_sweep::handle(&sweep(days(2))).await.unwrap().due, 0);
    assert_eq!(leaver_sweep::handle(&sweep(days(5))).await.unwrap().started, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_protected_account_is_held_for_a_human() {
    let mut house = House::new().await;
    house.policy.protected.insert("john.doe".parse().unwrap());
    let case = recorded(&house, "john.doe").await;
    let (record, _) = house.case(&case).await;
    assert_eq!(record.status, CaseStatus::Held);
    assert!(house.workflow.started().is_empty());
    assert!(house.plan(&house.cases, &case).await.unwrap().systems.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_legal_hold_delays_nothing_and_is_told() {
    let house = House::new().await;
    let case = recorded(&house, "morgan.hold").await;
    house.execute(&case).await;
    let (record, _) = house.case(&case).await;
    assert_eq!(record.status, CaseStatus::Complete);
    assert!(record.findings.iter().any(|finding| finding.kind == "legal_hold"));
    let person = house.cases.person(&record.person.username).await.unwrap().unwrap();
    assert_eq!(person.status, PersonStatus::Left);
}
