//! Somebody's e-mail address changes, and systems that know people by it keep the one from before.

use crate::events::{person, post, taken, told};
use leaver_adapter::Step;
use leaver_domain::{
    case::{CaseStatus, SystemRecord, SystemStatus},
    id::CaseId,
    inventory::AccountStatus,
    ports::CaseStore,
};
use leaver_tests::flow::{House, shipped};
use serde_json::json;

const JOHN: &str = "john.doe";
const OLD: &str = "john.doe@example.com";
const NEW: &str = "john.newname@example.com";
/// It finds people by nothing but an address.
const LINEAR: &str = "linear";
const THREE: [&str; 3] = ["bitwarden", LINEAR, "onepassword"];

async fn house() -> House {
    let mut house = House::new().await;
    house.policy = shipped("local");
    house.policy.systems.retain(|id, _| THREE.contains(&id.as_str()));
    house
}

async fn renamed(house: &House, username: &str, email: &str) {
    let id = format!("renamed-{username}");
    let update = told("user_updated", username, &id, json!({"email": email}), json!({}));
    let (status, answer) = post(house, &update).await;
    assert_eq!(status, 202, "{answer}");
    assert_eq!(person(house, username).await.email, email);
}

async fn leaves(house: &House, email: &str) -> CaseId {
    taken(house, &told("user_terminated", JOHN, "leaves", json!({"email": email}), json!({}))).await
}

async fn linear(house: &House, case: &CaseId) -> SystemRecord {
    let systems = house.case(case).await.1;
    systems.into_iter().find(|one| one.system.as_str() == LINEAR).expect("its record")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_still_has_the_address_from_before_is_found_and_taken() {
    let house = house().await;
    renamed(&house, JOHN, NEW).await;
    assert_eq!(person(&house, JOHN).await.former_emails, [OLD]);
    let case = leaves(&house, NEW).await;
    house.execute(&case).await;
    let (record, systems) = house.case(&case).await;
    assert_eq!((record.status, systems.len()), (CaseStatus::Complete, THREE.len()), "{systems:#?}");
    for one in &systems {
        assert_eq!(one.status, SystemStatus::Verified, "{}: {:?}", one.system, one.fault);
        let account = house.stage.account(one.system.as_str(), JOHN).await;
        assert_eq!(account["active"], false, "{}", one.system);
    }
    let before = house.cases.before(&case, &LINEAR.parse().unwrap()).await.unwrap().expect("a before-state");
    let account = before.account.expect("an account");
    assert!(account.matched_by.ends_with("(a former address)"), "{account:?}");
    // The record still has it, for the looks that follow.
    assert_eq!(person(&house, JOHN).await.former_emails, [OLD]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_changes_before_the_second_read_does_not_hide_the_account_from_it() {
    let house = house().await;
    let case = leaves(&house, OLD).await;
    house.plan(&house.cases, &case).await.unwrap();
    house.step(&house.cases, &case, LINEAR, Step::Run).await.unwrap();
    renamed(&house, JOHN, NEW).await;
    let status = house.step(&house.cases, &case, LINEAR, Step::Verify).await.unwrap();
    assert_eq!(status, Some(SystemStatus::Verified));
    let after = linear(&house, &case).await.after.expect("an after-state");
    assert_eq!(after.account_status, Some(AccountStatus::Suspended), "it was read, and not overlooked");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_somebody_elses_by_now_finds_nobody() {
    let house = house().await;
    renamed(&house, JOHN, NEW).await;
    renamed(&house, "lee.field", OLD).await;
    let case = leaves(&house, NEW).await;
    house.execute(&case).await;
    assert_eq!(linear(&house, &case).await.status, SystemStatus::NotApplicable);
    assert_eq!(house.stage.account(LINEAR, JOHN).await["active"], true);
}
