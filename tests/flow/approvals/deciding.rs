//! Several decide: two who have to, two at once; and one decision that is told to the machine more than once.

use super::*;
use leaver_adapter::Step;
use leaver_domain::approval::Stricter;
use leaver_tests::failing::{Failing, When};

#[tokio::test(flavor = "multi_thread")]
async fn where_policy_asks_for_two_one_is_not_enough_and_one_twice_is_one() {
    let mut house = House::new().await;
    house.policy.approvals.two_approvers =
        Stricter { from: Some(leaver_domain::risk::Severity::High), rules: Default::default() };
    let (case, mut items) = waiting(&house).await;
    let item = items[1].clone();
    let (status, shown) = house.decide(SAM, &item, "approve").await;
    assert_eq!((status, &shown["status"]), (200, &json!("pending")), "{shown}");
    assert_eq!(house.workflow.woken(), Vec::<String>::new(), "half a decision wakes nobody");
    assert_eq!(house.gate(&house.cases, item.about(), now()).await.unwrap(), ApprovalStatus::Pending);
    let ran = house.tried(&case, "google_workspace", Step::Run).await;
    assert_eq!(ran, Some(SystemStatus::AwaitingApproval));
    let written = house.cases.changes().len();
    assert_eq!(house.decide(SAM, &item, "approve").await.0, 409, "the same one again");
    assert_eq!(house.cases.changes().len(), written);
    assert_eq!(house.writes("google_workspace").await, Vec::<String>::new());
    let (status, shown) = house.decide(TAYLOR, &item, "approve").await;
    assert_eq!((status, &shown["status"]), (200, &json!("approved")), "{shown}");
    house.go_on_all(&mut items, now()).await;
    assert_eq!(house.system(&case, "google_workspace").await.status, SystemStatus::Verified);
    let decided = rows(&house, &item, EventKind::ApprovalDecided).await;
    let outcomes: Vec<_> = decided.iter().map(|(entry, _)| entry.outcome).collect();
    assert_eq!(outcomes, [Outcome::Pending, Outcome::Success]);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_two_have_to_agree_one_no_is_enough() {
    let mut house = House::new().await;
    house.policy.approvals.two_approvers =
        Stricter { from: Some(leaver_domain::risk::Severity::High), rules: Default::default() };
    let (_, items) = waiting(&house).await;
    assert_eq!(house.decide(SAM, &items[0], "approve").await.0, 200);
    let (status, shown) = house.decide(TAYLOR, &items[0], "deny").await;
    assert_eq!((status, &shown["status"]), (200, &json!("denied")));
}

/// Both read the same record before either writes.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_decide_at_the_same_instant_one_counts_and_the_other_is_told() {
    for round in 0..8_u32 {
        let house = House::new().await;
        let (_, mut items) = waiting(&house).await;
        let item = items[0].clone();
        let taking_turns = Failing::at(&house.cases, i64::MAX, When::Before);
        let decide = |who, decision: &str| {
            let said = json!({"decision": decision, "reason": "at once"}).to_string();
            let (house, store, path) = (&house, &taking_turns, path(&item, 1));
            async move { house.call_over(store, who, "POST", &path, &said, now()).await }
        };
        let first = async {
            // One of them is a little later each time, so that they meet in different places.
            for _ in 0..round {
                tokio::task::yield_now().await;
            }
            decide(SAM, "approve").await
        };
        let (one, other) = tokio::join!(first, decide(TAYLOR, "deny"));
        let mut statuses = [one.0, other.0];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409], "{one:?} {other:?}");
        let told = if one.0 == 409 { &one.1 } else { &other.1 };
        assert!(told["detail"].as_str().unwrap().contains("decided already"), "{told}");
        let kept = approval(&house, &item).await;
        assert_eq!(kept.decisions.len(), 1);
        let expected = if one.0 == 200 { ApprovalStatus::Approved } else { ApprovalStatus::Denied };
        assert_eq!(kept.status, expected);
        assert_eq!(rows(&house, &item, EventKind::ApprovalDecided).await.len(), 1);
        house.go_on_all(&mut items, now()).await;
        assert_eq!(house.writes("github").await.is_empty(), one.0 != 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_woken_twice_or_replaced_runs_the_system_once() {
    let house = House::new().await;
    let (case, mut items) = waiting(&house).await;
    let item = items[1].clone();
    // The step that asks is repeated with another token: the newest one counts.
    house.put(&house.cases, item.about(), "another", now()).await.unwrap();
    let written = house.cases.changes().len();
    house.put(&house.cases, item.about(), "another", now()).await.unwrap();
    assert_eq!(house.cases.changes().len(), written, "a repeat is none");
    house.decide(SAM, &item, "approve").await;
    assert_eq!(house.workflow.woken(), ["another"]);
    // Whoever asks after the decision is woken at once.
    house.put(&house.cases, item.about(), "late", now()).await.unwrap();
    assert_eq!(house.workflow.woken(), ["another", "late"]);
    items[1].at = At::Waiting("another".to_owned());
    house.go_on(&mut items[1], now()).await;
    let after = house.system(&case, "google_workspace").await;
    let writes = house.writes("google_workspace").await;
    assert_eq!(after.status, SystemStatus::Verified);
    // Both tokens are used once more, by a second execution that stands where the first one stood.
    for token in ["another", "late"] {
        let mut twin = Item { at: At::Waiting(token.to_owned()), ..item.clone() };
        house.go_on(&mut twin, now()).await;
        assert_eq!(twin.at, At::Done);
    }
    assert_eq!(house.system(&case, "google_workspace").await, after);
    assert_eq!(house.writes("google_workspace").await, writes);
    assert_eq!(rows(&house, &item, EventKind::AccessRevoked).await.len(), 1);
}
