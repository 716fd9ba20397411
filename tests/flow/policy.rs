//! What the policy means for somebody, over the API, and what a case then does.

use crate::recorded;
use leaver_domain::{case::SystemStatus, plan::ActionKind, routing::Routing};
use leaver_tests::{
    flow::{House, shipped},
    sandbox::{now, person},
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const HR: (&str, &str) = ("harper.hr", "hr");

async fn explained(house: &House, who: (&str, &str), user: &str) -> (i64, Value) {
    house.call(who, "GET", &format!("/api/v1/employees/{user}/policy"), "", now()).await
}

/// The sentences of the house with more behind them.
fn with(house: &mut House, more: &[&str]) {
    let mut sentences: Vec<String> = house.policy.routing.clone().into();
    sentences.extend(more.iter().map(|one| (*one).to_owned()));
    house.policy.routing = Routing::try_from(sentences).expect("good sentences");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_ask_is_told_by_which_sentence_and_nobody_else_is() {
    let mut house = House::new().await;
    house.policy = shipped("local");
    with(&mut house, &["Contractors have no payroll.", "For contractors, google_workspace keeps licences."]);
    for (who, status) in [
        (HR, 200),
        (("taylor.admin", "security"), 200),
        (("avery.audit", "auditor"), 200),
        (("jane.smith", "manager"), 200),
        (("lee.field", "manager"), 404),
        (("taylor.admin", "approver"), 403),
        (("pat.idle", ""), 403),
    ] {
        assert_eq!(explained(&house, who, "casey.contract").await.0, status, "{who:?}");
    }
    assert_eq!(explained(&house, HR, "no.body").await.0, 404);
    let (_, shown) = explained(&house, HR, "casey.contract").await;
    let systems = shown["systems"].as_array().unwrap();
    let of = |id: &str| systems.iter().find(|one| one["system"] == id).unwrap();
    let google = of("google_workspace");
    assert_eq!(google["left_alone"], json!(["remove_licence"]));
    assert_eq!(google["left_alone_by"]["sentence"], "For contractors, google_workspace keeps licences.");
    assert!(!google["steps"].as_array().unwrap().contains(&json!("remove_licence")));
    let without = shown["without"].as_array().unwrap();
    let payroll = without.iter().find(|one| one["system"] == "payroll").unwrap();
    assert_eq!(payroll["rule"]["sentence"], "Contractors have no payroll.");
    assert_eq!(shown["role"]["needs"]["slack"], json!([]));
    assert_eq!(shown["asked"][0], json!({"level": "approvers", "who": ["taylor.admin"]}));
    assert_eq!((&shown["protected"], &shown["held_case"]), (&json!(false), &Value::Null));
    assert_eq!(shown["policy_digest"], json!(house.policy.digest()));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_protected_or_held_is_shown_as_such() {
    let mut house = House::new().await;
    house.policy.protected.insert("john.doe".parse().unwrap());
    let case = recorded(&house, "john.doe").await;
    let (_, shown) = explained(&house, HR, "john.doe").await;
    assert_eq!((&shown["protected"], &shown["held_case"]["case_id"]), (&json!(true), &json!(case)));
    let (_, shown) = explained(&house, HR, "morgan.hold").await;
    assert!(shown["legal_hold"]["reason"].as_str().unwrap().contains("Matter"));
}

/// What is left alone is neither taken nor missed by the read-back.
#[tokio::test(flavor = "multi_thread")]
async fn a_case_takes_what_the_sentences_say_and_is_through_without_the_rest() {
    let mut house = House::new().await;
    with(
        &mut house,
        &[
            "People named john.doe have no slack.",
            "For employees, google_workspace keeps licences and groups.",
        ],
    );
    let john = person("john.doe");
    let google = "google_workspace".parse().unwrap();
    assert!(house.policy.routing.kept(&john, &google).contains(&ActionKind::RemoveGroup));
    let slack = house.stage.account("slack", "john.doe").await;
    let before = house.stage.account("google_workspace", "john.doe").await;
    let case = recorded(&house, "john.doe").await;
    house.execute(&case).await;
    let (record, systems) = house.case(&case).await;
    assert!(!record.systems.iter().any(|system| system.as_str() == "slack"));
    assert_eq!(house.stage.account("slack", "john.doe").await, slack);
    let google = systems.iter().find(|one| one.system == google).unwrap();
    assert_eq!(google.status, SystemStatus::Verified, "{:?}", google.fault);
    let after = house.stage.account("google_workspace", "john.doe").await;
    assert_eq!((&after["active"], &after["sessions"]), (&json!(false), &json!([])), "the rest is taken");
    let names = |account: &Value| -> BTreeSet<String> {
        account["grants"].as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
    };
    let kept = names(&after);
    assert!(["Wiki", "Engineering", "1010020027"].iter().all(|one| kept.contains(*one)), "{before} {after}");
}
