//! What HR tells is taken as it is meant: a day in the person's own calendar, a fact that is so no more, a termination on another
//! day, and nothing about somebody who is suspended.

use crate::events::{active, at, done, ends, look, person, post, taken, told, told_now};
use leaver_domain::{
    case::{CaseRecord, CaseStatus},
    id::CaseId,
    ledger::EventKind,
    person::{EmploymentType, PersonStatus},
    ports::{CaseStore, Change},
    time::Timestamp,
};
use leaver_population::Counting;
use leaver_tests::{
    failing::{Failing, When},
    flow::{House, appending, body, event},
    sandbox::now,
};
use serde_json::{Value, json};
use std::time::Duration;

const JOHN: &str = "john.doe";
const CASEY: &str = "casey.contract";

#[tokio::test(flavor = "multi_thread")]
async fn days_without_a_time_zone_are_those_where_the_person_is() {
    let house = House::new().await;
    // The clocks go forward there in the night before the second of these days is over.
    let days = [("2026-03-07", "2026-03-08T08:00:00Z"), ("2026-03-08", "2026-03-09T07:00:00Z")];
    for (username, (day, over)) in [JOHN, "robin.mover"].into_iter().zip(days) {
        let mut there = person(&house, username).await;
        there.time_zone = Some("America/Los_Angeles".to_owned());
        there.version += 1;
        house.cases.put_person(&there).await.unwrap();
        let mut event = event(username, &format!("t-{username}"));
        event["timestamp"] = json!("2026-03-01T12:00:00Z");
        event["metadata"] = json!({"last_working_day": day});
        let (case, _) = house.case(&taken(&house, &event).await).await;
        assert_eq!(case.effective_at, at(over), "{day}");
        assert_eq!(case.dates.time_zone, there.time_zone);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contractor_made_permanent_is_judged_by_no_contract() {
    let house = House::new().await;
    ends(&house, "2026-02-20").await;
    let silent = told("user_updated", CASEY, "u1", json!({"employment": "employee"}), json!({}));
    assert_eq!(post(&house, &silent).await.0, 202);
    let casey = person(&house, CASEY).await;
    assert_eq!(casey.employment, EmploymentType::Employee);
    assert!(casey.contract_end.is_some() && casey.location.is_some() && casey.manager.is_some());
    let nothing = json!({"location": null, "manager": null, "clearance": null});
    let permanent = told("user_updated", CASEY, "u2", json!({"contract_end": null}), nothing);
    assert_eq!(post(&house, &permanent).await.0, 202);
    let casey = person(&house, CASEY).await;
    assert_eq!((casey.contract_end, casey.location, casey.manager), (None, None, None));
    for day in ["2026-02-19T00:00:00Z", "2026-02-21T00:00:00Z"] {
        let looked = look(&house, at(day)).await;
        assert!(looked.over.is_empty() && looked.asked.is_empty() && looked.failed.is_empty(), "{looked:?}");
    }
    assert_eq!(person(&house, CASEY).await.status, PersonStatus::Active);
}

fn in_days(count: u64) -> Timestamp {
    now().plus(Duration::from_secs(count * 86_400))
}

/// A termination of which HR hears now.
fn leaves(id: &str, days: u64) -> Value {
    let mut event = event(JOHN, id);
    event["timestamp"] = json!(now());
    event["metadata"]["last_working_day"] = json!(&in_days(days).to_string()[..10]);
    event
}

async fn due(house: &House, at: Timestamp) -> Vec<CaseId> {
    house.cases.due(at, 10).await.expect("the store")
}

/// How often a case was called off.
fn cancellations(case: &CaseRecord) -> usize {
    case.log.iter().filter(|line| line.kind == EventKind::CaseCancelled).count()
}

async fn is_replaced(house: &House, old: &CaseId, new: &CaseId) {
    let (case, _) = house.case(old).await;
    assert_eq!((case.status, cancellations(&case)), (CaseStatus::Cancelled, 1));
    let line = case.log.last().expect("a row");
    assert_eq!((line.kind, line.actor.as_str()), (EventKind::CaseCancelled, "hris"));
    assert_eq!(line.facts["replaced_by"], json!(new));
    let (case, _) = house.case(new).await;
    assert_eq!(case.log[0].facts["replaces"], json!(old));
    let john = person(house, JOHN).await;
    assert_eq!((john.status, john.case.as_ref()), (PersonStatus::Leaving, Some(new)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_termination_that_is_put_off_happens_on_the_later_day_only() {
    let house = House::new().await;
    let (first, second) = (leaves("t1", 10), leaves("t2", 20));
    let old = taken(&house, &first).await;
    let new = taken(&house, &second).await;
    is_replaced(&house, &old, &new).await;
    // A repeat of either changes nothing.
    for (event, case, status) in [(&second, &new, "recorded"), (&first, &old, "cancelled")] {
        let (code, answer) = post(&house, event).await;
        assert_eq!((code, answer), (202, json!({"case_id": case, "status": status, "duplicate": true})));
    }
    is_replaced(&house, &old, &new).await;
    assert!(due(&house, in_days(15)).await.is_empty());
    assert!(house.plan_at(&house.cases, &old, in_days(15)).await.unwrap().systems.is_empty());
    assert_eq!(due(&house, in_days(25)).await, std::slice::from_ref(&new));
    // Whoever stays after all is where they were before the first.
    assert_eq!(post(&house, &told_now("user_rehired", JOHN, "r1", json!({}), json!({}))).await.0, 202);
    assert_eq!(house.case(&new).await.0.status, CaseStatus::Cancelled);
    assert_eq!(person(&house, JOHN).await.status, PersonStatus::Active);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_termination_that_is_brought_forward_happens_at_once_and_once() {
    let house = House::new().await;
    let old = taken(&house, &leaves("t1", 10)).await;
    let new = taken(&house, &leaves("t2", 0)).await;
    is_replaced(&house, &old, &new).await;
    assert_eq!(house.workflow.started(), std::slice::from_ref(&new));
    house.execute(&new).await;
    assert_eq!(house.case(&new).await.0.status, CaseStatus::Complete);
    assert_eq!(person(&house, JOHN).await.status, PersonStatus::Left);
    assert!(due(&house, in_days(15)).await.is_empty());
    house.feed().await;
    let log = house.log().await;
    let rows = log.iter().filter(|(entry, _)| entry.kind == EventKind::CaseCancelled);
    let replaced: Vec<_> = rows.map(|(_, evidence)| evidence["facts"]["replaced_by"].clone()).collect();
    assert_eq!(replaced, [json!(new)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_termination_that_begins_meanwhile_goes_on() {
    let house = House::new().await;
    let old = taken(&house, &leaves("t1", 10)).await;
    let (mut begun, _) = house.case(&old).await;
    begun.status = CaseStatus::Running;
    begun.version += 1;
    let racing = Failing::racing(&house.cases, vec![Change::Case(Box::new(begun))]);
    let answer = body(&house.post(&racing, &leaves("t2", 20).to_string()).await);
    assert_eq!(answer["status"], "recorded", "{answer}");
    let (case, _) = house.case(&old).await;
    assert_eq!((case.status, cancellations(&case)), (CaseStatus::Running, 0));
    let new = answer["case_id"].as_str().unwrap().parse().unwrap();
    assert!(house.case(&new).await.0.log[0].facts.get("replaces").is_none());
}

/// Somebody else opened one in between: HR takes back its own word, and nobody else's.
#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_decided_is_not_called_off() {
    let house = House::new().await;
    let old = taken(&house, &leaves("t1", 10)).await;
    let open = json!({"person": JOHN, "reason": "r", "effective_at": in_days(5)}).to_string();
    let (status, view) = house.call(("harper.hr", "hr"), "POST", "/api/v1/cases", &open, now()).await;
    assert_eq!(status, 202, "{view}");
    let other: CaseId = view["case_id"].as_str().unwrap().parse().unwrap();
    let new = taken(&house, &leaves("t2", 20)).await;
    is_replaced(&house, &old, &new).await;
    assert_eq!(house.case(&other).await.0.status, CaseStatus::Recorded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_dies_while_it_replaces_is_finished_by_the_repeat() {
    for when in [When::Before, When::After] {
        for call in 0.. {
            let house = House::new().await;
            let old = taken(&house, &leaves("t1", 10)).await;
            let later = leaves("t2", 20);
            let failing = Failing::at(&house.cases, call, when);
            let _ = house.post(&failing, &later.to_string()).await;
            let reached = failing.has_failed();
            let new = taken(&house, &later).await;
            is_replaced(&house, &old, &new).await;
            assert_eq!(house.cases.cases(None, 10).await.unwrap().cases.len(), 2, "{when:?} {call}");
            if !reached {
                assert!(call > 3);
                break;
            }
        }
    }
}

/// What was shut while something is looked into is opened by whoever decides about it.
#[tokio::test(flavor = "multi_thread")]
async fn a_suspension_is_ended_by_nobody_who_is_hired_anew() {
    let house = House::new().await;
    let suspension = taken(&house, &told("user_suspended", JOHN, "s1", json!({}), json!({}))).await;
    let before = person(&house, JOHN).await;
    let refused = async |kind: &str, id: &str| {
        let (status, problem) =
            post(&house, &told_now(kind, JOHN, id, json!({"role": "sales"}), json!({}))).await;
        assert_eq!((status, &problem["type"]), (422, &json!("/problems/suspended")), "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(suspension.as_str()), "{problem}");
        let john = person(&house, JOHN).await;
        assert_eq!((john.status, john.case.as_ref()), (PersonStatus::Suspended, Some(&suspension)));
        assert_eq!(john.role, before.role);
    };
    // It has not begun; then it is over.
    refused("user_rehired", "r1").await;
    assert_eq!(house.case(&suspension).await.0.status, CaseStatus::Recorded);
    house.execute(&suspension).await;
    refused("user_rehired", "r2").await;
    refused("user_hired", "h1").await;
    assert!(active(&house, JOHN).await.is_empty());
    assert!(house.cases.changes().iter().any(|(_, _, doc)| doc.contains("still_suspended")));
    // HR may take back the termination that it reported itself, and no more than that.
    let leave = taken(&house, &leaves("t1", 10)).await;
    assert_eq!(person(&house, JOHN).await.status, PersonStatus::Leaving);
    refused("user_rehired", "r3").await;
    assert_eq!(house.case(&leave).await.0.status, CaseStatus::Cancelled);
    assert_eq!(house.cases.cases(None, 10).await.unwrap().cases.len(), 2, "nothing was given back");
    let log = appending(&house.ledger);
    leaver_population::handle(&Counting { store: &house.cases, log, now: in_days(1) }).await.unwrap();
    house.feed().await;
    let log = house.log().await;
    let rows = log.iter().filter(|(entry, _)| entry.kind == EventKind::PopulationCounted);
    let counted = rows.map(|(_, evidence)| evidence["facts"]["hr_refused"].as_u64().expect("a number"));
    assert_eq!(counted.sum::<u64>(), 3, "each refusal is counted");
    // Once they have left, they can be hired anew.
    let left = taken(&house, &event(JOHN, "t2")).await;
    house.execute(&left).await;
    let (back, _) = done(&house, &told_now("user_rehired", JOHN, "r4", json!({}), json!({}))).await;
    assert_eq!((back.status, back.restores), (CaseStatus::Complete, Some(left)));
    assert_eq!(person(&house, JOHN).await.status, PersonStatus::Active);
}
