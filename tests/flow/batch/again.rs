//! The same file once more: what the answer says about the batch that there is.

use super::{Clock, HR, ROUND, crowd, feed, file, held::held, id_of, post, with};
use crate::brake::{carry_out, decide};
use leaver_domain::{approval::Decision, id::CaseId, ports::CaseStore};
use leaver_tests::flow::House;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_released_is_held_no_longer() {
    let (house, clock, people, id, measure) = held().await;
    let csv = file(&people[..6]);
    let (_, waits) = post(&house, HR, &csv, "k", false, clock.now()).await;
    assert_eq!((&waits["status"], &waits["held_by"]), (&json!("held"), &json!(measure)));
    decide(&house, &measure, "sam.admin", Decision::Approve).await.unwrap();
    carry_out(&house, &measure).await;
    let (_, goes_on) = post(&house, HR, &csv, "k", false, clock.now()).await;
    assert_eq!((&goes_on["status"], &goes_on["held_by"]), (&json!("running"), &Value::Null));
    assert_eq!(goes_on["duplicate"], true);
    let (_, view) = house.call(HR, "GET", &format!("/api/v1/batches/{id}"), "", clock.now()).await;
    assert_eq!((&view["held_by"], &view["released"]["measure"]), (&Value::Null, &json!(measure)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_denied_is_not_accepted_and_is_sent_anew_under_another_number() {
    let (house, clock, people, id, measure) = held().await;
    let csv = file(&people[..6]);
    decide(&house, &measure, "taylor.admin", Decision::Deny).await.unwrap();
    carry_out(&house, &measure).await;
    let started = house.workflow.executions().len();
    let (_, over) = post(&house, HR, &csv, "k", false, clock.now()).await;
    assert_eq!((&over["duplicate"], &over["status"]), (&json!(true), &json!("cancelled")));
    assert_eq!(
        (&over["called_off"]["by"], &over["called_off"]["lines"]),
        (&json!("taylor.admin"), &json!(6))
    );
    assert!(over["held_by"].is_null(), "{over}");
    for line in over["lines"].as_array().unwrap() {
        assert_eq!((&line["accepted"], &line["case_id"]), (&json!(false), &Value::Null));
    }
    assert_eq!(house.workflow.executions().len(), started, "there is nothing to be done");
    let (status, anew) = post(&house, HR, &csv, "another", false, clock.now()).await;
    assert_eq!((status, &anew["duplicate"], &anew["status"]), (202, &json!(false), &json!("held")));
    assert_ne!(id_of(&anew), id);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_by_another_case_is_told_with_that_case() {
    let house = House::new().await;
    let (clock, people) = (Clock::new(), crowd(4));
    let (_, one) = post(&house, HR, &file(&people[..3]), "one", false, clock.now()).await;
    feed(with(&house), &house.cases, &clock, "f", ROUND).await.unwrap();
    let csv = file(&people[2..]);
    let (_, two) = post(&house, HR, &csv, "two", false, clock.now()).await;
    let theirs = &one["lines"][2]["case_id"];
    for fed in [false, true] {
        if fed {
            for _ in 0..2 {
                feed(with(&house), &house.cases, &clock, "f", ROUND).await.unwrap();
            }
        }
        let (_, again) = post(&house, HR, &csv, "two", false, clock.now()).await;
        let line = &again["lines"][0];
        assert_eq!((&line["already"], &line["case_id"]), (&json!(true), theirs), "fed: {fed}");
        assert_eq!(again["lines"], two["lines"], "fed: {fed}");
    }
    let case: CaseId = theirs.as_str().unwrap().parse().unwrap();
    assert!(house.cases.case(&case).await.unwrap().is_some());
}
