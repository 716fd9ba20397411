//! Contracts that are over, and whose case somebody has called off: nobody keeps their access for ever without security's word.

use crate::{
    batch, brake,
    events::{at, done, ends, look, person, told},
};
use leaver_contracts::Contracts;
use leaver_domain::{
    approval::Decision,
    case::CaseStatus,
    id::{CaseId, Username},
    person::PersonStatus,
    ports::CaseStore,
    reviews::{self, Review, ReviewKind},
    tasks::TaskId,
    time::Timestamp,
};
use leaver_tests::{
    failing::{Failing, When},
    flow::House,
    sandbox::now,
};
use serde_json::json;
use std::collections::BTreeSet;

const CASEY: &str = "casey.contract";
const HR: (&str, &str) = ("harper.hr", "hr");
const SAM: (&str, &str) = ("sam.admin", "security");

fn names(all: &[&str]) -> BTreeSet<Username> {
    all.iter().map(|name| name.parse().unwrap()).collect()
}

fn over() -> Timestamp {
    at("2026-02-21T00:00:00Z")
}

/// The contract is over, and HR calls the case off by which it was to end access.
async fn called_off(house: &House) -> CaseId {
    ends(house, "2026-02-20").await;
    assert_eq!(look(house, over()).await.over, [CASEY.parse().unwrap()]);
    let case = person(house, CASEY).await.case.expect("a case");
    let path = format!("/api/v1/cases/{case}/cancel");
    let said = json!({"reason": "the date is wrong"}).to_string();
    let (status, answer) = house.call(HR, "POST", &path, &said, now()).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(house.case(&case).await.0.status, CaseStatus::Cancelled);
    case
}

async fn review(house: &House, case: &CaseId) -> Option<Review> {
    house.cases.review(&reviews::id_of(ReviewKind::ContractNotEnded, case)).await.unwrap()
}

async fn cases_of(house: &House, username: &str) -> usize {
    house.cases.cases_about(&username.parse().unwrap(), 100).await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_was_called_off_is_securitys_to_decide_once() {
    for stands in [PersonStatus::Active, PersonStatus::Suspended] {
        let house = House::new().await;
        if stands == PersonStatus::Suspended {
            done(&house, &told("user_suspended", CASEY, "s1", json!({}), json!({}))).await;
        }
        let case = called_off(&house).await;
        assert_eq!(person(&house, CASEY).await.status, stands);
        let cases = cases_of(&house, CASEY).await;
        let looked = look(&house, over()).await;
        assert_eq!(looked.called_off, [CASEY.parse().unwrap()], "{stands:?}");
        assert!(looked.over.is_empty() && looked.failed.is_empty(), "{looked:?}");
        let asked = review(&house, &case).await.expect("a review");
        assert_eq!(asked.owners, names(&["sam.admin", "taylor.admin"]));
        assert_eq!(asked.not_by, BTreeSet::from(["harper.hr".to_owned()]));
        for said in ["2026-02-20", "harper.hr", "the date is wrong"] {
            assert!(asked.reason.contains(said), "{}", asked.reason);
        }
        let (status, tasks) = house.call(SAM, "GET", "/api/v1/tasks", "", now()).await;
        assert_eq!(status, 200);
        assert!(tasks.to_string().contains("contract_not_ended"), "{tasks}");
        let path = format!("/api/v1/tasks/{}", asked.review_id);
        let said = json!({"statement": "The last day was wrong; HR corrects it."}).to_string();
        for closed in [false, true] {
            if closed {
                let (status, answer) = house.call(SAM, "POST", &path, &said, now()).await;
                assert_eq!(status, 200, "{answer}");
            }
            let again = look(&house, over()).await;
            assert_eq!(again, leaver_contracts::Looked::default(), "closed: {closed}");
        }
        assert_eq!(cases_of(&house, CASEY).await, cases, "nobody's decision is undone");
        // Another last day is another end.
        ends(&house, "2026-02-21").await;
        assert_eq!(look(&house, at("2026-02-22T00:00:00Z")).await.over, [CASEY.parse().unwrap()]);
    }
}

/// More contracts end on one day than the brake lets through, and security denies what it holds.
#[tokio::test(flavor = "multi_thread")]
async fn ends_that_were_denied_together_are_each_somebodys_to_decide() {
    let house = brake::house(1).await;
    let people = batch::crowd(3);
    for name in &people {
        let mut one = person(&house, name).await;
        one.contract_end = Some("2026-02-19".parse().unwrap());
        one.version += 1;
        house.cases.put_person(&one).await.unwrap();
    }
    look(&house, over()).await;
    let mut held = Vec::new();
    for name in &people {
        let case = person(&house, name).await.case.expect("a case");
        house.plan(&house.cases, &case).await.unwrap();
        let (record, _) = house.case(&case).await;
        held.extend((record.status == CaseStatus::Held).then_some(record));
    }
    assert_eq!(held.len(), 2);
    assert!(look(&house, over()).await.called_off.is_empty(), "nothing is decided yet");
    let measure = held[0].measure.clone().unwrap();
    brake::decide(&house, &measure, "taylor.admin", Decision::Deny).await.unwrap();
    brake::carry_out(&house, &measure).await;
    let looked = look(&house, over()).await;
    assert_eq!(looked.called_off.len(), 2, "{looked:?}");
    for case in held {
        let username = &case.person.username;
        assert!(looked.called_off.contains(username) && !looked.over.contains(username), "{looked:?}");
        assert_eq!(person(&house, username.as_str()).await.status, PersonStatus::Active);
        let asked = review(&house, &case.case_id).await.expect("a review");
        assert_eq!(asked.owners, names(&["sam.admin"]), "who denied it does not decide alone");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_that_dies_before_security_is_asked_is_finished_by_the_next() {
    for when in [When::Before, When::After] {
        for call in 0.. {
            let house = House::new().await;
            let case = called_off(&house).await;
            let failing = Failing::at(&house.cases, call, when);
            let (policy, workflow) = (&house.policy, &house.workflow);
            let dying = Contracts { policy, cases: &failing, people: &house.cases, workflow, now: over() };
            let _ = leaver_contracts::handle(&dying).await;
            let reached = failing.has_failed();
            look(&house, over()).await;
            assert!(review(&house, &case).await.is_some(), "{when:?} {call}");
            let open = house.cases.tasks(100).await.unwrap();
            let of_review = open.iter().filter(|task| matches!(task, TaskId::Review(_))).count();
            assert_eq!((of_review, cases_of(&house, CASEY).await), (1, 1), "{when:?} {call}");
            if !reached {
                assert!(call > 6, "only {call} calls");
                break;
            }
        }
    }
}

/// The case was recorded from a record that somebody changed in the same moment, or waits for a human while the contract is extended.
#[tokio::test(flavor = "multi_thread")]
async fn an_end_whose_contract_runs_on_takes_nothing() {
    let house = House::new().await;
    ends(&house, "2026-02-20").await;
    look(&house, over()).await;
    let case = person(&house, CASEY).await.case.expect("a case");
    ends(&house, "2026-03-20").await;
    house.plan(&house.cases, &case).await.unwrap();
    let (record, _) = house.case(&case).await;
    assert_eq!(record.status, CaseStatus::Held);
    assert!(record.findings.iter().any(|one| one.kind == "contract_runs"), "{:?}", record.findings);
    // While nobody calls it off, the contract ends on the day on which it ends.
    let later = at("2026-03-21T00:00:00Z");
    assert_eq!(look(&house, later).await.over, [CASEY.parse().unwrap()]);
    assert_ne!(person(&house, CASEY).await.case, Some(case.clone()));
    let house = House::new().await;
    ends(&house, "2026-02-20").await;
    look(&house, over()).await;
    ends(&house, "2026-03-20").await;
    house.plan(&house.cases, &case).await.unwrap();
    let path = format!("/api/v1/cases/{case}/cancel");
    let said = json!({"reason": "it was extended"}).to_string();
    let (status, answer) = house.call(HR, "POST", &path, &said, now()).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(person(&house, CASEY).await.status, PersonStatus::Active);
    // The same day is the end that it was about.
    let house = House::new().await;
    ends(&house, "2026-02-20").await;
    look(&house, over()).await;
    let case = person(&house, CASEY).await.case.expect("a case");
    house.plan(&house.cases, &case).await.unwrap();
    assert_eq!(house.case(&case).await.0.status, CaseStatus::Running);
}
