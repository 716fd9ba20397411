//! The approval binds to the plan: what a fresh read would do beyond it comes back, what it would do less of is covered.

use super::*;
use leaver_adapter::Step;
use leaver_domain::{
    inventory::Inventory,
    plan::{Action, ActionKind},
};
use leaver_tests::sandbox::{person, restored};

const SYSTEM: &str = "google_workspace";

async fn found(house: &House) -> Inventory {
    let to = house.stage.connect(SYSTEM, Duration::from_secs(20));
    to.adapter.discover(&to.http, &person("riley.owner")).await.unwrap()
}

/// Takes a group away by hand, and tells what was there before.
async fn one_group_less(house: &House) -> (Inventory, Action) {
    let to = house.stage.connect(SYSTEM, Duration::from_secs(20));
    let before = found(house).await;
    let groups = to.adapter.revoke(&before);
    let group = groups.into_iter().find(|action| action.kind == ActionKind::RemoveGroup).unwrap();
    to.adapter.apply(&to.http, &before, &group).await.unwrap();
    (before, group)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_grew_after_the_approval_comes_back_and_nothing_is_written() {
    let house = House::new().await;
    let (before, group) = one_group_less(&house).await;
    let (case, mut items) = waiting(&house).await;
    let mut item = mail(&items);
    let planned = house.system(&case, SYSTEM).await;
    assert!(planned.plan.0.iter().all(|action| action.key() != group.key()));
    assert_eq!(house.decide(SAM, &item, "approve").await.0, 200);
    let to = house.stage.connect(SYSTEM, Duration::from_secs(20));
    assert_eq!(restored(&to, &person("riley.owner"), &before).await.fault, None);
    let writes = house.writes(SYSTEM).await;
    house.go_on(&mut item, now()).await;
    assert!(matches!(item.at, At::Waiting(_)), "{item:?}");
    assert_eq!(house.writes(SYSTEM).await, writes, "nothing is written under an approval of less");
    let record = house.system(&case, SYSTEM).await;
    assert_eq!(record.status, SystemStatus::AwaitingApproval);
    let second = record.approval.as_ref().unwrap();
    assert_eq!((second.round, second.status, second.decisions.len()), (2, ApprovalStatus::Pending, 0));
    assert_ne!(second.covers, planned.approval.unwrap().covers);
    assert!(record.plan.0.iter().any(|action| action.key() == group.key()));
    assert_eq!(house.case(&case).await.0.status, CaseStatus::AwaitingApproval);
    // The first round is no door to the second.
    let good = r#"{"decision": "approve", "reason": "the old one"}"#;
    assert_eq!(house.call(TAYLOR, "POST", &path(&item, 1), good, now()).await.0, 409);
    assert_eq!(house.tried(&case, SYSTEM, Step::Run).await, Some(SystemStatus::AwaitingApproval));
    assert_eq!(house.writes(SYSTEM).await, writes);
    assert_eq!(house.call(TAYLOR, "POST", &path(&item, 2), good, now()).await.0, 200);
    house.go_on(&mut item, now()).await;
    assert_eq!(house.system(&case, SYSTEM).await.status, SystemStatus::Verified);
    assert_eq!(rows(&house, &item, EventKind::ApprovalRequested).await.len(), 2);
    assert_eq!(rows(&house, &item, EventKind::ApprovalDecided).await.len(), 2);
    house.go_on_all(&mut items, now()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_shrank_after_the_approval_is_covered_and_runs() {
    let house = House::new().await;
    let (case, items) = waiting(&house).await;
    let mut item = mail(&items);
    assert_eq!(house.decide(SAM, &item, "approve").await.0, 200);
    let (_, group) = one_group_less(&house).await;
    house.go_on(&mut item, now()).await;
    let record = house.system(&case, SYSTEM).await;
    assert_eq!((record.status, record.approval.as_ref().unwrap().round), (SystemStatus::Verified, 1));
    assert!(record.actions.iter().all(|taken| taken.action.key() != group.key()));
    assert_eq!(house.stage.account(SYSTEM, "riley.owner").await["active"], false);
}

/// The second plan is denied: what the first one allowed does not run either.
#[tokio::test(flavor = "multi_thread")]
async fn a_denied_second_round_ends_what_the_first_allowed() {
    let house = House::new().await;
    let (before, _) = one_group_less(&house).await;
    let (case, items) = waiting(&house).await;
    let mut item = mail(&items);
    house.decide(SAM, &item, "approve").await;
    let to = house.stage.connect(SYSTEM, Duration::from_secs(20));
    restored(&to, &person("riley.owner"), &before).await;
    let writes = house.writes(SYSTEM).await;
    house.go_on(&mut item, now()).await;
    assert_eq!(house.decide(TAYLOR, &item, "deny").await.0, 200);
    house.go_on(&mut item, now()).await;
    assert_eq!(item.at, At::Done);
    house.tried(&case, SYSTEM, Step::Run).await;
    assert_eq!(house.system(&case, SYSTEM).await.status, SystemStatus::Denied);
    assert_eq!(house.writes(SYSTEM).await, writes);
}
