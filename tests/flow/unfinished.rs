//! What an execution left behind: one that ended before its case was through, and a system that it could not finish.

use crate::recorded;
use leaver_adapter::Step;
use leaver_approval::{Humans, Input};
use leaver_domain::{
    approval::{ApprovalId, Decision},
    case::{CaseStatus, SystemRecord, SystemStatus},
    deciding::{self, Who},
    id::CaseId,
    ledger::EventKind,
    ports::{CaseStore, Execution},
    time::Timestamp,
};
use leaver_sweep::{Sweep, Swept};
use leaver_tests::{
    flow::{House, appending},
    sandbox::now,
};
use serde_json::json;
use std::time::Duration;

async fn sweep(house: &House, at: Timestamp) -> Swept {
    let log = appending(&house.ledger);
    let sweep = Sweep { policy: &house.policy, store: &house.cases, workflow: &house.workflow, log, now: at };
    leaver_sweep::handle(&sweep).await.unwrap()
}

fn run(case: &CaseId, run: u32) -> Execution {
    Execution::Case { case: case.clone(), run }
}

/// Flagged for `riley.owner`, and nothing there refuses what was approved.
const GOOGLE: &str = "google_workspace";

fn asked_in(systems: &[SystemRecord], id: &str) -> ApprovalId {
    let system = systems.iter().find(|system| system.system.as_str() == id).unwrap();
    system.asking().unwrap().0
}

fn later(seconds: u64) -> Timestamp {
    now().plus(Duration::from_secs(seconds))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_whose_execution_failed_before_it_began_gets_another() {
    let house = House::new().await;
    let case = recorded(&house, "john.doe").await;
    assert_eq!(sweep(&house, later(30)).await.revived, 0, "its execution is at it");
    house.workflow.end(run(&case, 1));
    assert_eq!(sweep(&house, later(30)).await.revived, 1);
    assert_eq!(house.workflow.executions(), [run(&case, 1), run(&case, 2)]);
    assert_eq!(sweep(&house, later(30)).await.revived, 0, "the other one is at it");
    house.execute(&case).await;
    assert_eq!(house.case(&case).await.0.status, CaseStatus::Complete);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_ended_in_the_middle_is_gone_on_with_and_nothing_is_done_twice() {
    let house = House::new().await;
    let case = recorded(&house, "john.doe").await;
    house.plan(&house.cases, &case).await.unwrap();
    house.step(&house.cases, &case, "okta", Step::Run).await.unwrap();
    house.step(&house.cases, &case, "okta", Step::Verify).await.unwrap();
    assert_eq!(sweep(&house, later(700)).await.revived, 0);
    house.workflow.end(run(&case, 1));
    assert_eq!(sweep(&house, later(700)).await.revived, 1);
    let (record, _) = house.case(&case).await;
    assert_eq!((record.status, record.run), (CaseStatus::Recorded, 2));
    house.execute(&case).await;
    let (record, systems) = house.case(&case).await;
    assert_eq!(record.status, CaseStatus::Complete);
    for system in systems {
        let rows = system.log.iter().filter(|line| line.kind == EventKind::AccessRevoked);
        assert_eq!((rows.count(), system.attempts), (1, 1), "{}", system.system);
    }
    assert_eq!(sweep(&house, later(700)).await.revived, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_that_got_another_execution_is_called_off_only_where_it_had_not_begun() {
    for (has_begun, answer, comes_to) in
        [(false, 200, CaseStatus::Cancelled), (true, 409, CaseStatus::Recorded)]
    {
        let house = House::new().await;
        let case = recorded(&house, "john.doe").await;
        if has_begun {
            house.plan(&house.cases, &case).await.unwrap();
        }
        house.workflow.end(run(&case, 1));
        assert_eq!(sweep(&house, later(700)).await.revived, 1);
        assert_eq!(house.case(&case).await.0.status, CaseStatus::Recorded);
        let path = format!("/api/v1/cases/{case}/cancel");
        let said = json!({"reason": "sent by mistake"}).to_string();
        let (status, view) = house.call(("harper.hr", "hr"), "POST", &path, &said, now()).await;
        assert_eq!(status, answer, "{view}");
        assert_eq!(house.case(&case).await.0.status, comes_to);
    }
}

/// Nobody waits any more for what a human decides: the decision stands, and another execution acts on it.
#[tokio::test(flavor = "multi_thread")]
async fn a_decision_after_the_end_of_its_execution_is_carried_out_by_another() {
    let house = House::new().await;
    let case = recorded(&house, "riley.owner").await;
    house.execute(&case).await;
    let (record, systems) = house.case(&case).await;
    assert_eq!(record.status, CaseStatus::AwaitingApproval);
    house.workflow.end(run(&case, 1));
    let id = asked_in(&systems, GOOGLE);
    let who = Who { username: "sam.admin".parse().unwrap(), roles: None, through: "api" };
    let (store, workflow, policy) = (&house.cases, &house.workflow, &house.policy);
    deciding::decide(store, workflow, policy, &id, &who, Decision::Approve, "yes", now()).await.unwrap();
    assert_eq!(sweep(&house, later(700)).await.revived, 1);
    house.execute(&case).await;
    let (record, systems) = house.case(&case).await;
    assert_eq!(record.status, CaseStatus::AwaitingApproval, "the others wait for theirs");
    let done = systems.iter().find(|one| one.system.as_str() == GOOGLE).unwrap();
    assert_eq!(done.status, SystemStatus::Verified);
    assert_eq!(done.approval.as_ref().unwrap().round, 1, "nobody is asked twice");
}

/// Whoever decided may have died before they woke the execution: the tick wakes it until it has heard.
#[tokio::test(flavor = "multi_thread")]
async fn a_wake_that_was_lost_is_made_up_for_by_the_tick() {
    for decision in [Decision::Approve, Decision::Deny] {
        let house = House::new().await;
        let case = recorded(&house, "riley.owner").await;
        house.execute(&case).await;
        let (_, systems) = house.case(&case).await;
        let id = asked_in(&systems, GOOGLE);
        deciding::keep_token(&house.cases, &house.workflow, &id, "token").await.unwrap();
        let who = Who { username: "sam.admin".parse().unwrap(), roles: None, through: "api" };
        // An engine that nobody hears of.
        let lost = leaver_platform::memory::MemoryWorkflow::default();
        let (store, policy) = (&house.cases, &house.policy);
        deciding::decide(store, &lost, policy, &id, &who, decision, "so", now()).await.unwrap();
        assert!(house.workflow.woken().is_empty());
        tick(&house).await;
        tick(&house).await;
        assert_eq!(house.workflow.woken(), ["token", "token"], "it has not heard yet");
        if decision == Decision::Approve {
            house.step(&house.cases, &case, GOOGLE, Step::Run).await.unwrap();
        } else {
            hand_over(&house, &case, GOOGLE).await;
        }
        tick(&house).await;
        assert_eq!(house.workflow.woken().len(), 2, "it has heard");
    }
}

async fn tick(house: &House) {
    let humans = Humans {
        policy: &house.policy,
        store: &house.cases,
        workflow: &house.workflow,
        messenger: None,
        now: now(),
    };
    leaver_approval::handle(&humans, Input::Tick).await.unwrap();
}

async fn hand_over(house: &House, case: &CaseId, system: &str) {
    let close = leaver_close::Close {
        policy: &house.policy,
        store: &house.cases,
        ledger: &house.ledger,
        clock: &now,
        wait: &|_| Box::pin(async {}),
        tries: 1,
    };
    let input = leaver_close::Input {
        case_id: Some(case.clone()),
        system: Some(system.parse().unwrap()),
        systems: Vec::new(),
        reverify: None,
    };
    leaver_close::handle(&close, input).await.unwrap();
}

/// Its owner has the task while a human is still waited for elsewhere; the case goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_system_that_fails_is_its_owners_while_others_wait_for_a_human() {
    let house = House::new().await;
    house.stage.fault(json!({"system": "okta", "status": 401})).await;
    let case = recorded(&house, "riley.owner").await;
    house.execute_until_close(&case).await;
    for _ in 0..2 {
        for system in ["okta", "github", "microsoft_365"] {
            hand_over(&house, &case, system).await;
        }
    }
    let (record, systems) = house.case(&case).await;
    assert!(
        matches!(record.status, CaseStatus::Running | CaseStatus::AwaitingApproval),
        "{:?}",
        record.status
    );
    for system in &systems {
        let is_failed = system.system.as_str() == "okta";
        assert_eq!(system.task.is_some(), is_failed, "{}", system.system);
        assert_eq!(system.status == SystemStatus::ManualTask, is_failed, "{}", system.system);
        let opened = system.log.iter().filter(|line| line.kind == EventKind::TaskOpened).count();
        assert_eq!(opened, usize::from(is_failed), "{}", system.system);
    }
    let asking = house.cases.asking(10).await.unwrap();
    assert_eq!(asking.len(), 3, "what waits for a human still does");
}
