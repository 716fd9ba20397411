//! One termination through all functions, in one process: what must hold when everything is repeated, when a step dies
//! in the middle, and when a system fails.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a suite fails by panicking")]

mod approvals;
mod archive;
mod batch;
mod brake;
mod canary;
mod consent;
mod contracts;
mod crossing;
mod entitled;
mod events;
mod export;
mod failures;
mod forcing;
mod handover;
mod held;
mod hindsight;
mod intake;
mod meanwhile;
mod measures;
mod moving;
mod named;
mod orphans;
mod pacing;
mod policy;
mod renamed;
mod restoring;
mod returning;
mod sealing;
mod slack;
mod tasks;
mod together;
mod told;
mod unfinished;
mod watching;

use leaver_adapter::Step;
use leaver_domain::{
    case::{CaseStatus, SystemStatus},
    id::CaseId,
    ledger::{EventKind, Outcome},
    person::PersonStatus,
    ports::CaseStore,
};
use leaver_tests::flow::{FIELD_SALES, House, body, event, shipped};

/// Records a termination and gives its case.
async fn recorded(house: &House, username: &str) -> CaseId {
    let response = house.post(&house.cases, &event(username, &format!("evt-{username}")).to_string()).await;
    assert_eq!(response.status_code, 202, "{:?}", response.body);
    body(&response)["case_id"].as_str().expect("a case").parse().expect("an id")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clean_termination_is_verified_everywhere_and_gives_one_access_row_per_system_and_the_trigger() {
    let house = House::new().await;
    let case = recorded(&house, "john.doe").await;
    assert_eq!(house.workflow.started(), std::slice::from_ref(&case));
    house.execute(&case).await;
    let (record, systems) = house.case(&case).await;
    let flagged: Vec<_> = systems
        .iter()
        .filter(|s| s.status == SystemStatus::AwaitingApproval)
        .map(|s| (&s.system, &s.risk))
        .collect();
    assert_eq!(record.status, CaseStatus::Complete, "{flagged:?}");
    for system in &systems {
        assert_eq!(system.status, SystemStatus::Verified, "{}", system.system);
        let account = house.stage.account(system.system.as_str(), "john.doe").await;
        assert_eq!(account["active"], false, "{}", system.system);
    }
    let person = house.cases.person(&record.person.username).await.unwrap().unwrap();
    assert_eq!(person.status, PersonStatus::Left);
    house.feed().await;
    let log = house.log().await;
    let access: Vec<_> = log.iter().filter(|(entry, _)| entry.is_access_row()).collect();
    assert_eq!(access.len(), house.policy.automatic().count() + 1);
    for (entry, evidence) in &access {
        assert_eq!(entry.outcome, Outcome::Success);
        assert_eq!(entry.username, "john.doe");
        if entry.kind == EventKind::AccessRevoked {
            assert_eq!(evidence["facts"]["before_state"]["account_status"], "active", "{entry:?}");
            assert_ne!(evidence["facts"]["after_state"]["account_status"], "active", "{entry:?}");
            assert!(entry.risk.is_some());
        } else {
            assert_eq!(evidence["facts"]["policy_digest"], house.policy.digest().to_string());
            assert_eq!(
                evidence["facts"]["systems"].as_array().unwrap().len(),
                house.policy.automatic().count()
            );
        }
    }
    for kind in [EventKind::ValidationCompleted, EventKind::VerificationCompleted, EventKind::CaseClosed] {
        assert!(log.iter().any(|(entry, _)| entry.kind == kind), "{kind:?}");
    }
}

/// The shipped policy: fourteen systems, and one row for each of them and for the trigger. Whoever works in the field has those
/// that join by department, too, and those that need no code.
#[tokio::test(flavor = "multi_thread")]
async fn a_clean_termination_takes_fourteen_systems_and_leaves_fifteen_access_rows() {
    let mut house = House::new().await;
    house.policy = shipped("local");
    for (username, systems) in [("john.doe", 14), ("lee.field", 14 + FIELD_SALES.len())] {
        house.stage.employment_ends(username).await;
        let case = recorded(&house, username).await;
        house.execute(&case).await;
        let (record, records) = house.case(&case).await;
        let odd: Vec<_> = records.iter().filter(|one| one.status != SystemStatus::Verified).collect();
        assert!(odd.is_empty(), "{username}: {odd:#?}");
        assert_eq!((record.status, records.len()), (CaseStatus::Complete, systems), "{username}");
        assert_eq!(
            records.iter().filter(|one| FIELD_SALES.contains(&one.system.as_str())).count(),
            systems - 14
        );
        for one in &records {
            let account = house.stage.account(one.system.as_str(), username).await;
            assert_eq!(account["active"], false, "{username}, {}", one.system);
        }
        house.feed().await;
        let log = house.log().await;
        let access = log.iter().filter(|(entry, _)| entry.is_access_row() && entry.username == username);
        assert_eq!(access.count(), systems + 1, "{username}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_without_accounts_gets_an_access_row_that_says_so() {
    let house = House::new().await;
    let case = recorded(&house, "casey.contract").await;
    house.execute(&case).await;
    let (record, systems) = house.case(&case).await;
    assert_eq!(record.status, CaseStatus::Complete);
    let absent = systems.iter().filter(|system| system.status == SystemStatus::NotApplicable).count();
    let expected = house.policy.automatic();
    let only = ["github", "google_workspace", "okta", "slack"];
    assert_eq!(absent, expected.filter(|system| !only.contains(&system.as_str())).count());
    house.feed().await;
    let log = house.log().await;
    let access = log.iter().filter(|(entry, _)| entry.is_access_row()).count();
    assert_eq!(access, house.policy.automatic().count() + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn repeating_every_step_changes_nothing() {
    let house = House::new().await;
    let case = recorded(&house, "john.doe").await;
    house.execute(&case).await;
    let before = house.case(&case).await;
    let written = house.cases.changes().len();
    for system in &before.1 {
        house.step(&house.cases, &case, system.system.as_str(), Step::Run).await.unwrap();
        house.step(&house.cases, &case, system.system.as_str(), Step::Verify).await.unwrap();
    }
    house.plan(&house.cases, &case).await.unwrap();
    house.close(&house.cases, &case).await.unwrap();
    recorded(&house, "john.doe").await;
    assert_eq!(house.case(&case).await, before);
    assert_eq!(house.cases.changes().len(), written);
    let first = house.feed().await;
    let second = house.feed().await;
    assert_eq!((second.appended, second.repeated), (0, first.appended + first.repeated));
    assert_eq!(second.quarantined, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_invocations_of_one_step_at_once_end_in_one_result() {
    let house = House::new().await;
    let case = recorded(&house, "john.doe").await;
    house.plan(&house.cases, &case).await.unwrap();
    for system in house.policy.automatic() {
        let run = || house.step(&house.cases, &case, system.as_str(), Step::Run);
        let (one, other) = tokio::join!(run(), run());
        assert!(one.is_ok() || other.is_ok(), "{system}: {one:?} {other:?}");
        run().await.unwrap();
        house.step(&house.cases, &case, system.as_str(), Step::Verify).await.unwrap();
    }
    house.close(&house.cases, &case).await.unwrap();
    assert_eq!(house.case(&case).await.0.status, CaseStatus::Complete);
    house.feed().await;
    let log = house.log().await;
    let access = log.iter().filter(|(entry, _)| entry.is_access_row()).count();
    assert_eq!(access, house.policy.automatic().count() + 1);
}
