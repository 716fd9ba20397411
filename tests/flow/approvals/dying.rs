//! Whatever call fails of the steps that ask, look and tick, and of a decision: the repeat ends where nothing had failed,
//! with one row per fact.

use super::*;
use leaver_domain::{ports::Change, secret::Secret};
use leaver_tests::failing::{Failing, When};

/// One house with a request that waits, to be copied back before each try.
async fn each<F>(when: When, mut attempt: F)
where
    F: AsyncFnMut(&House, &Item, &Failing<'_>),
{
    let mut house = House::new().await;
    house.policy.approvals.levels = vec![Asked::Manager, Asked::SecurityTeam];
    let case = recorded(&house, "riley.owner").await;
    house.contain(&case).await;
    let start = house.cases.copy();
    let item = Item { case, system: "google_workspace".to_owned(), at: At::Gate, asked: 0 };
    for call in 0.. {
        house.cases = start.copy();
        house.workflow = Default::default();
        house.ledger = leaver_platform::memory::MemoryLedger::new(leaver_tests::flow::ORIGIN);
        let failing = Failing::at(&house.cases, call, when);
        attempt(&house, &item, &failing).await;
        if !failing.has_failed() {
            assert!(call > 2, "only {call} calls");
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gate_and_the_asking_end_in_one_request_whatever_dies() {
    for when in [When::Before, When::After] {
        each(when, async |house, item, failing| {
            let _ = house.gate(failing, item.about(), now()).await;
            house.gate(&house.cases, item.about(), now()).await.unwrap();
            let _ = house.put(failing, item.about(), "one", now()).await;
            house.put(&house.cases, item.about(), "two", now()).await.unwrap();
            let kept = approval(house, item).await;
            assert_eq!((kept.task_token.as_ref().map(Secret::expose), kept.round), (Some("two"), 1));
            assert_eq!(house.case(&item.case).await.0.status, CaseStatus::AwaitingApproval);
            assert_eq!(rows(house, item, EventKind::ApprovalRequested).await.len(), 1);
            assert_eq!(rows(house, item, EventKind::ApprovalEscalated).await.len(), 0);
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tick_asks_further_once_and_lets_expire_once_whatever_dies() {
    for when in [When::Before, When::After] {
        each(when, async |house, item, failing| {
            house.put(&house.cases, item.about(), "one", now()).await.unwrap();
            let (sla, expires) = (later(61), later(3_700));
            let _ = house.tick(failing, sla).await;
            house.tick(&house.cases, sla).await.unwrap();
            let kept = approval(house, item).await;
            assert_eq!((kept.level, kept.status), (1, ApprovalStatus::Pending));
            assert_eq!(rows(house, item, EventKind::ApprovalEscalated).await.len(), 1);
            let _ = house.tick(failing, expires).await;
            house.tick(&house.cases, expires).await.unwrap();
            assert_eq!(approval(house, item).await.status, ApprovalStatus::Expired);
            assert_eq!(rows(house, item, EventKind::ApprovalExpired).await.len(), 1);
            // Whoever was not woken looks for itself when its wait ends.
            let gate = house.gate(&house.cases, item.about(), expires).await.unwrap();
            assert_eq!(gate, ApprovalStatus::Expired);
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_counts_once_whatever_dies() {
    for when in [When::Before, When::After] {
        each(when, async |house, item, failing| {
            house.put(&house.cases, item.about(), "one", now()).await.unwrap();
            let said = r#"{"decision": "approve", "reason": "looked at it"}"#;
            let first = house.call_over(failing, SAM, "POST", &path(item, 1), said, now()).await;
            let again = house.decide(SAM, item, "approve").await;
            assert!(matches!((first.0, again.0), (503, 200 | 409) | (200, 409)), "{first:?} {again:?}");
            let kept = approval(house, item).await;
            assert_eq!((kept.status, kept.decisions.len()), (ApprovalStatus::Approved, 1));
            assert_eq!(rows(house, item, EventKind::ApprovalDecided).await.len(), 1);
            let gate = house.gate(&house.cases, item.about(), now()).await.unwrap();
            assert_eq!(gate, ApprovalStatus::Approved);
        })
        .await;
    }
}

/// The step that works on the system dies anywhere after the approval: the repeat finishes it under the same one.
#[tokio::test(flavor = "multi_thread")]
async fn an_approved_system_is_done_under_one_approval_whatever_dies() {
    for call in 0.. {
        let house = House::new().await;
        let (case, items) = waiting(&house).await;
        let mut item = mail(&items);
        house.decide(SAM, &item, "approve").await;
        let failing = Failing::at(&house.cases, call, When::After);
        let _ = house.step(&failing, &case, &item.system, leaver_adapter::Step::Run).await;
        house.go_on(&mut item, now()).await;
        let record = house.system(&case, &item.system).await;
        assert_eq!((record.status, record.approval.unwrap().round), (SystemStatus::Verified, 1), "{call}");
        assert_eq!(rows(&house, &item, EventKind::AccessRevoked).await.len(), 1, "{call}");
        if !failing.has_failed() {
            assert!(call > 2);
            break;
        }
    }
}

/// A row that comes after the case was published whole: the case is looked after again.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_under_a_published_case_takes_its_seal_away() {
    let house = House::new().await;
    let (case, items) = waiting(&house).await;
    let (mut record, _) = house.case(&case).await;
    (record.checkpoint_size, record.version) = (Some(1), record.version + 1);
    house.cases.commit(&[Change::Case(Box::new(record))]).await.unwrap();
    assert_eq!(house.decide(SAM, &items[0], "deny").await.0, 200);
    assert_eq!(house.case(&case).await.0.checkpoint_size, None);
}
