//! Systems that fail, and functions that die in the middle.

use crate::recorded;
use leaver_adapter::Step;
use leaver_domain::{
    case::{CaseStatus, SystemStatus},
    fault::FaultKind,
    ledger::{EventKind, Outcome},
    person::PersonStatus,
    ports::CaseStore,
    risk::RiskLevel,
};
use leaver_tests::{
    failing::{Failing, When},
    flow::House,
    sandbox::restored,
};
use serde_json::json;

/// Whatever call of whatever step fails, before or after it took effect: repeating the step finishes it.
#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_dies_at_any_call_is_finished_by_its_repeat() {
    let system = "okta";
    for when in [When::Before, When::After] {
        for call in 0.. {
            let house = House::new().await;
            let case = recorded(&house, "john.doe").await;
            house.plan(&house.cases, &case).await.unwrap();
            let failing = Failing::at(&house.cases, call, when);
            let _ = house.step(&failing, &case, system, Step::Run).await;
            let reached = failing.has_failed();
            let status = house.step(&house.cases, &case, system, Step::Run).await.unwrap();
            assert_eq!(status, Some(SystemStatus::Revoked), "{when:?} {call}");
            let (_, systems) = house.case(&case).await;
            let record = systems.iter().find(|record| record.system.as_str() == system).unwrap();
            let before = record.before.as_ref().unwrap();
            let active = json!(before.account_status) == "active" && !before.groups.is_empty();
            assert!(active, "{when:?} {call}: the before-state is that of the second attempt: {before:?}");
            house.feed().await;
            let log = house.log().await;
            let access = log.iter().filter(|(entry, _)| entry.kind == EventKind::AccessRevoked).count();
            assert_eq!(access, 1, "{when:?} {call}");
            if !reached {
                assert!(call > 4);
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_and_close_that_die_at_any_call_are_finished_by_their_repeat() {
    for when in [When::Before, When::After] {
        for call in 0.. {
            let house = House::new().await;
            let case = recorded(&house, "casey.contract").await;
            let planning = Failing::at(&house.cases, call, when);
            let _ = house.plan(&planning, &case).await;
            house.execute_until_close(&case).await;
            let closing = Failing::at(&house.cases, call, when);
            let _ = house.close(&closing, &case).await;
            house.close(&house.cases, &case).await.unwrap();
            let (record, _) = house.case(&case).await;
            assert_eq!(record.status, CaseStatus::Complete, "{when:?} {call}");
            let person = house.cases.person(&record.person.username).await.unwrap().unwrap();
            assert_eq!(person.status, PersonStatus::Left, "{when:?} {call}");
            house.feed().await;
            for kind in [EventKind::ValidationCompleted, EventKind::CaseClosed] {
                let rows = house.log().await.iter().filter(|(entry, _)| entry.kind == kind).count();
                assert_eq!(rows, 1, "{when:?} {call} {kind:?}");
            }
            if !planning.has_failed() && !closing.has_failed() {
                break;
            }
        }
    }
}

/// One system fails for good: its neighbours finish, it becomes a task, the case stays open, and nothing says "revoked".
#[tokio::test(flavor = "multi_thread")]
async fn a_system_that_keeps_failing_becomes_its_owners_task_and_stops_nobody() {
    let faults = [
        (json!({"status": 500}), FaultKind::Unavailable),
        (json!({"status": 429, "headers": {"retry-after": "600"}}), FaultKind::Throttled),
        (json!({"drop": true}), FaultKind::Unavailable),
        (json!({"status": 200, "body": "<html>maintenance</html>"}), FaultKind::UnexpectedShape),
        (json!({"status": 403, "body": {"error": "forbidden"}}), FaultKind::PermissionMissing),
    ];
    for (fault, kind) in faults {
        let house = House::new().await;
        let case = recorded(&house, "john.doe").await;
        let mut injected = fault.clone();
        injected["system"] = json!("okta");
        house.stage.fault(injected).await;
        house.execute(&case).await;
        let (record, systems) = house.case(&case).await;
        assert_eq!(record.status, CaseStatus::Incomplete, "{fault}");
        assert_eq!(record.closed_at, None);
        for system in &systems {
            if system.system.as_str() != "okta" {
                assert_eq!(system.status, SystemStatus::Verified, "{fault}: {} was stopped", system.system);
                continue;
            }
            assert_eq!(system.status, SystemStatus::ManualTask);
            assert_eq!(system.fault.as_ref().unwrap().kind, kind, "{fault}");
            assert_eq!(system.revoked_at, None);
            assert!(if kind.is_retryable() { system.attempts > 1 } else { system.attempts == 1 }, "{fault}");
            let task = system.task.as_ref().unwrap();
            assert!(!task.instructions.is_empty() && task.due_at > task.opened_at);
        }
        assert_eq!(house.stage.account("okta", "john.doe").await["active"], true);
        let person = house.cases.person(&record.person.username).await.unwrap().unwrap();
        assert_eq!(person.status, PersonStatus::Leaving);
        house.feed().await;
        let log = house.log().await;
        let of_okta =
            |kind| log.iter().filter(move |(e, _)| e.kind == kind && e.system.as_deref() == Some("okta"));
        assert_eq!(of_okta(EventKind::AccessRevoked).count(), 0, "{fault}: reported as revoked");
        assert!(of_okta(EventKind::RevocationFailed).all(|(entry, _)| entry.outcome == Outcome::Failure));
        assert!(of_okta(EventKind::RevocationFailed).count() > 0);
        assert_eq!(of_okta(EventKind::TaskOpened).count(), 1);
    }
}

/// The vendor says yes and does nothing: what a call returns is not what counts.
#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_that_says_yes_and_does_nothing_is_not_believed() {
    let house = House::new().await;
    let case = recorded(&house, "john.doe").await;
    house.plan(&house.cases, &case).await.unwrap();
    house
        .stage
        .fault(json!({"system": "okta", "match": "POST /okta/api/v1/users", "status": 200, "body": {}}))
        .await;
    let fault = house.step(&house.cases, &case, "okta", Step::Run).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::NotVerified);
    assert_eq!(house.stage.account("okta", "john.doe").await["active"], true);
    house.stage.clear().await;
    let status = house.step(&house.cases, &case, "okta", Step::Run).await.unwrap();
    assert_eq!(status, Some(SystemStatus::Revoked));
}

#[tokio::test(flavor = "multi_thread")]
async fn access_that_comes_back_before_the_delayed_read_is_found() {
    let house = House::new().await;
    let case = recorded(&house, "john.doe").await;
    house.plan(&house.cases, &case).await.unwrap();
    house.step(&house.cases, &case, "okta", Step::Run).await.unwrap();
    // Somebody brings the account back behind leaver's back.
    let to = house.stage.connect("okta", std::time::Duration::from_secs(5));
    let before = house.cases.before(&case, &"okta".parse().unwrap()).await.unwrap().unwrap();
    let who = leaver_tests::sandbox::person("john.doe");
    restored(&to, &who, &before).await;
    let fault = house.step(&house.cases, &case, "okta", Step::Verify).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::NotVerified);
    house.close(&house.cases, &case).await.unwrap();
    let (record, systems) = house.case(&case).await;
    assert_eq!(record.status, CaseStatus::Incomplete);
    assert!(systems.iter().all(|system| system.verified_at.is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flagged_system_waits_and_nothing_is_written_to_it() {
    let house = House::new().await;
    let case = recorded(&house, "riley.owner").await;
    let mut before = Vec::new();
    for system in house.policy.automatic() {
        before.push((system.clone(), house.stage.account(system.as_str(), "riley.owner").await));
    }
    house.execute(&case).await;
    let (record, systems) = house.case(&case).await;
    let flagged: Vec<_> = systems.iter().filter(|s| s.status == SystemStatus::AwaitingApproval).collect();
    let expected = ["github", "google_workspace", "slack"];
    let expected: Vec<_> = house.policy.automatic().filter(|s| expected.contains(&s.as_str())).collect();
    assert_eq!(flagged.iter().map(|system| &system.system).collect::<Vec<_>>(), expected);
    for system in &flagged {
        assert_eq!(system.risk.as_ref().unwrap().level, RiskLevel::Flagged);
        assert_eq!(system.plan_digest, Some(system.plan.digest()));
        let (_, was) = before.iter().find(|(id, _)| *id == system.system).unwrap();
        let is = house.stage.account(system.system.as_str(), "riley.owner").await;
        assert_eq!(*was, is, "{}: something was written", system.system);
    }
    if !flagged.is_empty() {
        assert_eq!(record.status, CaseStatus::AwaitingApproval);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ambiguous_identity_is_a_task_and_never_a_guess() {
    let house = House::new().await;
    let case = recorded(&house, "alex.twin").await;
    house.execute(&case).await;
    let (record, systems) = house.case(&case).await;
    assert_eq!(record.status, CaseStatus::Incomplete);
    let okta = systems.iter().find(|system| system.system.as_str() == "okta").unwrap();
    assert_eq!(okta.status, SystemStatus::ManualTask);
    assert_eq!(okta.fault.as_ref().unwrap().kind, FaultKind::Ambiguous);
    for twin in ["alex.twin", "alex.twin2"] {
        assert_eq!(house.stage.account("okta", twin).await["active"], true, "{twin}");
    }
}
