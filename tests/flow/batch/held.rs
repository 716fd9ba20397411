//! A batch that is larger than the brake lets through waits as a whole for one decision.

use super::{Clock, HR, ROUND, batch, cases, crowd, feed, file, finish, id_of, post, with};
use crate::brake::{carry_out, decide};
use leaver_domain::{
    approval::Decision,
    batch::{BatchStatus, LineState},
    case::CaseStatus,
    id::{BatchId, MeasureId},
    ledger::EventKind,
    measure::{MeasureStatus, What},
    person::PersonStatus,
    ports::{CaseStore, Execution},
};
use leaver_tests::{flow::House, sandbox::now};
use serde_json::json;
use std::time::Duration;

/// A batch of six where the brake lets four through.
pub(super) async fn held() -> (House, Clock, Vec<String>, BatchId, MeasureId) {
    let house = crate::brake::house(4).await;
    let (clock, people) = (Clock::new(), crowd(7));
    let (status, answer) = post(&house, HR, &file(&people[..6]), "k", false, clock.now()).await;
    assert_eq!(status, 202);
    let measure = answer["held_by"].as_str().unwrap().parse().unwrap();
    (house, clock, people, id_of(&answer), measure)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_recorded_before_security_decided_and_then_it_passes_the_brake_uncounted() {
    let (house, clock, people, id, measure) = held().await;
    assert_eq!(house.workflow.executions(), [Execution::Measure(measure.clone())]);
    feed(with(&house), &house.cases, &clock, "f", ROUND).await.unwrap();
    assert!(cases(&house.cases).await.is_empty());
    let asked = house.cases.measure(&measure).await.unwrap().unwrap();
    assert!(matches!(&asked.what, What::Batch { batch, people: 6, .. } if *batch == id), "{:?}", asked.what);
    assert!(asked.reason.contains("6 people"), "{}", asked.reason);
    for (who, why) in [("jane.smith", "a manager is not enough"), ("harper.hr", "they asked for it")] {
        assert!(decide(&house, &measure, who, Decision::Approve).await.is_err(), "{why}");
    }
    decide(&house, &measure, "sam.admin", Decision::Approve).await.unwrap();
    assert_eq!(carry_out(&house, &measure).await.status, MeasureStatus::Ended);
    let free = batch(&house, &id).await;
    assert_eq!((free.status, free.run), (BatchStatus::Running, 2));
    assert!(house.workflow.executions().contains(&Execution::of_batch(&free)));
    feed(with(&house), &house.cases, &clock, "f", ROUND).await.unwrap();
    let all = cases(&house.cases).await;
    assert_eq!(all.len(), 6);
    for case in &all {
        assert!(!house.plan(&house.cases, &case.case_id).await.unwrap().systems.is_empty());
        let row = &house.case(&case.case_id).await.0.log[1];
        assert_eq!((row.kind, row.actor.as_str()), (EventKind::CaseReleased, "sam.admin"));
        assert_eq!((&row.facts["measure"], &row.facts["batch"]), (&json!(measure), &json!(id)));
    }
    assert!(house.cases.brake().await.unwrap().passed.is_empty(), "they took somebody's place");
    let single = crate::recorded(&house, &people[6]).await;
    assert!(!house.plan(&house.cases, &single).await.unwrap().systems.is_empty());
    house.feed().await;
    house.log().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_calls_the_whole_batch_off() {
    let (house, clock, _, id, measure) = held().await;
    decide(&house, &measure, "taylor.admin", Decision::Deny).await.unwrap();
    assert_eq!(carry_out(&house, &measure).await.status, MeasureStatus::Ended);
    let off = batch(&house, &id).await;
    assert_eq!((off.status, off.states.counts()[&LineState::Skipped]), (BatchStatus::Cancelled, 6));
    assert_eq!(off.log.last().unwrap().actor, "taylor.admin");
    feed(with(&house), &house.cases, &clock, "f", ROUND).await.unwrap();
    assert!(cases(&house.cases).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_stands_in_the_batch_does_not_decide_about_it() {
    let house = crate::brake::house(2).await;
    let mut people = crowd(3);
    people.push("sam.admin".to_owned());
    let (_, answer) = post(&house, HR, &file(&people), "k", false, now()).await;
    let measure: MeasureId = answer["held_by"].as_str().unwrap().parse().unwrap();
    assert!(decide(&house, &measure, "sam.admin", Decision::Approve).await.is_err());
    let asked = house.cases.measure(&measure).await.unwrap().unwrap().approval.asked;
    assert!(!asked.contains(&"sam.admin".parse().unwrap()), "{asked:?}");
    decide(&house, &measure, "taylor.admin", Decision::Approve).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_called_off_while_it_is_held_withdraws_the_question() {
    let (house, clock, _, id, measure) = held().await;
    let path = format!("/api/v1/batches/{id}/cancel");
    let body = r#"{"reason": "the wrong list"}"#;
    let auditor = ("avery.audit", "auditor");
    assert_eq!(house.call(auditor, "POST", &path, body, clock.now()).await.0, 403);
    let (status, view) = house.call(HR, "POST", &path, body, clock.now()).await;
    assert_eq!((status, &view["status"]), (200, &json!("cancelled")));
    assert_eq!(house.cases.measure(&measure).await.unwrap().unwrap().status, MeasureStatus::Ended);
    assert!(decide(&house, &measure, "sam.admin", Decision::Approve).await.is_err());
    assert_eq!(house.call(HR, "POST", &path, body, clock.now()).await.0, 409);
}

/// Whoever waits behind the brake, and stands in a batch that was released, goes by the batch, whatever becomes of what the brake
/// holds.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_only_held_leaves_by_the_batch_that_was_released() {
    let house = crate::brake::house(2).await;
    let (clock, people) = (Clock::new(), crowd(4));
    for name in &people[..3] {
        let case = crate::recorded(&house, name).await;
        house.plan(&house.cases, &case).await.unwrap();
    }
    let stands = async || house.cases.person(&people[2].parse().unwrap()).await.unwrap().unwrap();
    let single = house.case(&stands().await.case.unwrap()).await.0;
    assert_eq!(single.status, CaseStatus::Held);
    let (_, answer) = post(&house, HR, &file(&people[2..]), "k", false, clock.now()).await;
    assert_eq!(answer["lines"][0].get("already"), None, "{answer}");
    let whole: MeasureId = answer["held_by"].as_str().unwrap().parse().unwrap();
    decide(&house, &whole, "sam.admin", Decision::Approve).await.unwrap();
    carry_out(&house, &whole).await;
    let fed = feed(with(&house), &house.cases, &clock, "f", ROUND).await.unwrap();
    assert_eq!((fed.recorded, fed.already, fed.failed), (2, 0, 0));
    let brake = single.measure.clone().unwrap();
    decide(&house, &brake, "taylor.admin", Decision::Deny).await.unwrap();
    carry_out(&house, &brake).await;
    assert_eq!(house.case(&single.case_id).await.0.status, CaseStatus::Cancelled);
    let (status, own) = (stands().await.status, stands().await.case.unwrap());
    assert_eq!(status, PersonStatus::Leaving);
    assert_eq!(json!(own), answer["lines"][0]["case_id"]);
    assert!(!house.plan(&house.cases, &own).await.unwrap().systems.is_empty(), "nothing is taken");
}

/// What fits is not asked about, and passes the brake like everything else, one by one.
#[tokio::test(flavor = "multi_thread")]
async fn a_smaller_batch_goes_through_the_brake_like_everything() {
    let house = crate::brake::house(4).await;
    let (clock, people) = (Clock::new(), crowd(5));
    let (_, answer) = post(&house, HR, &file(&people[..4]), "k", false, clock.now()).await;
    assert!(answer["held_by"].is_null());
    // Somebody else comes in between.
    let single = crate::recorded(&house, &people[4]).await;
    house.plan(&house.cases, &single).await.unwrap();
    feed(with(&house), &house.cases, &clock, "f", ROUND).await.unwrap();
    for case in cases(&house.cases).await {
        house.plan(&house.cases, &case.case_id).await.unwrap();
    }
    let all = cases(&house.cases).await;
    let held: Vec<_> = all.iter().filter(|case| case.status == CaseStatus::Held).collect();
    assert_eq!((all.len(), held.len()), (5, 1));
    let id = id_of(&answer);
    finish(&house.cases, |_| true).await;
    feed(with(&house), &house.cases, &clock, "f", ROUND).await.unwrap();
    let states = batch(&house, &id).await.states.counts();
    assert_eq!((states[&LineState::Held], states[&LineState::Running]), (1, 3));
    // Released, it goes on, and the batch sees it.
    let measure = held[0].measure.clone().unwrap();
    decide(&house, &measure, "sam.admin", Decision::Approve).await.unwrap();
    carry_out(&house, &measure).await;
    clock.pass(Duration::from_secs(601));
    feed(with(&house), &house.cases, &clock, "f", ROUND).await.unwrap();
    assert_eq!(batch(&house, &id).await.states.counts()[&LineState::Running], 4);
}
