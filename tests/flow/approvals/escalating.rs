//! Nobody answers: the next level is asked, then security, and in the end nothing is done.

use super::*;
use leaver_domain::id::Username;
use std::collections::BTreeSet;

fn names(of: &[&str]) -> Vec<Username> {
    of.iter().map(|name| name.parse().unwrap()).collect()
}

fn asks(name: &str) -> Asked {
    Asked::Person(name.parse().unwrap())
}

/// The manager, then one by name, then security.
async fn house() -> House {
    let mut house = House::new().await;
    house.policy.approvals.levels = vec![Asked::Manager, asks("morgan.hold"), Asked::SecurityTeam];
    house
}

async fn escalated(house: &House, item: &Item) -> Vec<Value> {
    let rows = rows(house, item, EventKind::ApprovalEscalated).await;
    rows.into_iter().map(|(_, evidence)| evidence["facts"]["asked"].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_passes_it_on_by_hand_asks_the_next_level() {
    let house = house().await;
    let (_, mut items) = waiting(&house).await;
    let item = mail(&items);
    assert_eq!(approval(&house, &item).await.asked, names(&["jane.smith"]));
    let (status, shown) = house.decide(JANE, &item, "escalate").await;
    assert_eq!((status, &shown["status"], &shown["level"]), (200, &json!("pending"), &json!(1)), "{shown}");
    assert_eq!(house.workflow.woken().len(), 1, "the execution puts it to the next level");
    house.go_on_all(&mut items, now()).await;
    assert_eq!(items[1].asked, 2);
    assert!(matches!(items[1].at, At::Waiting(_)));
    house.decide(JANE, &item, "escalate").await;
    house.go_on_all(&mut items, now()).await;
    let asked = names(&["jane.smith", "morgan.hold", "sam.admin", "taylor.admin"]);
    assert_eq!(approval(&house, &item).await.asked, asked);
    assert_eq!(house.decide(JANE, &item, "escalate").await.0, 409, "there is nobody further");
    let decided = rows(&house, &item, EventKind::ApprovalDecided).await;
    assert_eq!(decided.len(), 2, "one row per hop");
    assert!(
        decided.iter().all(|(entry, _)| entry.actor == "jane.smith" && entry.outcome == Outcome::Pending)
    );
    assert_eq!(house.writes("google_workspace").await, Vec::<String>::new());
    assert_eq!(house.decide(TAYLOR, &item, "approve").await.0, 200);
    house.go_on_all(&mut items, now()).await;
    assert_eq!(house.system(&item.case, "google_workspace").await.status, SystemStatus::Verified);
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_asks_further_level_by_level_and_is_never_consent() {
    let house = house().await;
    let (case, mut items) = waiting(&house).await;
    let item = mail(&items);
    let sla = u64::from(house.policy.approvals.sla_seconds);
    let tick = async |seconds| house.tick(&house.cases, later(seconds)).await.unwrap();
    assert_eq!(tick(sla - 5).await.failed, 0);
    assert_eq!(approval(&house, &item).await.level, 0, "not before its time");
    for (seconds, asked) in [
        (sla + 1, names(&["jane.smith", "morgan.hold"])),
        (2 * sla, names(&["jane.smith", "morgan.hold"])),
        (2 * sla + 2, names(&["jane.smith", "morgan.hold", "sam.admin", "taylor.admin"])),
        (4 * sla, names(&["jane.smith", "morgan.hold", "sam.admin", "taylor.admin"])),
    ] {
        tick(seconds).await;
        tick(seconds).await;
        assert_eq!(approval(&house, &item).await.asked, asked, "{seconds}");
    }
    assert_eq!(
        escalated(&house, &item).await,
        [
            json!(["jane.smith", "morgan.hold"]),
            json!(["jane.smith", "morgan.hold", "sam.admin", "taylor.admin"])
        ],
        "one row per hop"
    );
    let expires = u64::from(house.policy.approvals.expires_seconds) + 5;
    let ticked = tick(expires).await;
    assert_eq!((ticked.decided, ticked.failed), (3, 0));
    tick(expires).await;
    let woken: BTreeSet<String> = house.workflow.woken().into_iter().collect();
    assert_eq!(woken.len(), 3, "each until it has heard");
    let good = r#"{"decision": "approve", "reason": "late"}"#;
    for (who, at) in [(SAM, now()), (TAYLOR, later(expires))] {
        let (status, _) = house.call(who, "POST", &path(&item, 1), good, at).await;
        assert_eq!(status, 410, "it is over, whatever the clock says");
    }
    house.go_on_all(&mut items, later(expires)).await;
    assert!(items.iter().all(|item| item.at == At::Done), "{items:?}");
    house.close(&house.cases, &case).await.unwrap();
    assert_eq!(house.case(&case).await.0.status, CaseStatus::Incomplete);
    for system in FLAGGED {
        let record = house.system(&case, system).await;
        assert_eq!(record.approval.unwrap().status, ApprovalStatus::Expired);
        assert_eq!(
            (record.status, record.task.unwrap().owner.as_str()),
            (SystemStatus::ManualTask, "sam.admin")
        );
        assert_eq!(house.writes(system).await, Vec::<String>::new());
        assert_eq!(house.stage.account(system, "riley.owner").await["active"], true);
    }
    assert_eq!(rows(&house, &item, EventKind::ApprovalExpired).await.len(), 1);
    assert_eq!(rows(&house, &item, EventKind::ApprovalDecided).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_hop_is_a_message_to_whoever_is_asked_now() {
    let house = house().await;
    let (_, items) = waiting(&house).await;
    let messenger = house.stage.messenger(Duration::from_secs(20));
    let mut before = 0;
    for (seconds, to, new) in [
        (0, vec!["jane.smith"], 1),
        (61, vec!["jane.smith", "morgan.hold"], 1),
        (125, vec!["jane.smith", "morgan.hold", "sam.admin", "taylor.admin"], 2),
        (130, vec!["jane.smith", "morgan.hold", "sam.admin", "taylor.admin"], 0),
    ] {
        let humans = house.humans(&house.cases, Some(&messenger), later(seconds));
        leaver_approval::handle(&humans, leaver_approval::Input::Tick).await.unwrap();
        let view = house.stage.slack().await;
        let ours = |message: &&Value| message["blocks"].to_string().contains("~google_workspace~1");
        let messages: Vec<&Value> = view["messages"].as_array().unwrap().iter().filter(ours).collect();
        let told: BTreeSet<_> =
            messages.iter().map(|message| message["recipient"].as_str().unwrap()).collect();
        assert_eq!(told.into_iter().collect::<Vec<_>>(), to, "{seconds}");
        assert_eq!(messages.len() - before, new, "{seconds}");
        before = messages.len();
    }
    assert_eq!(approval(&house, &mail(&items)).await.shown.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_in_the_instant_of_its_end_is_too_late_though_no_tick_came() {
    let house = house().await;
    let (case, items) = waiting(&house).await;
    let item = mail(&items);
    let (expires, written) = (approval(&house, &item).await.expires_at, house.cases.changes().len());
    let good = r#"{"decision": "approve", "reason": "late"}"#;
    assert_eq!(house.call(SAM, "POST", &path(&item, 1), good, expires).await.0, 410);
    assert_eq!(house.cases.changes().len(), written);
    assert_eq!(house.gate(&house.cases, item.about(), expires).await.unwrap(), ApprovalStatus::Expired);
    let ran = house.tried(&case, &item.system, leaver_adapter::Step::Run).await;
    assert_eq!(ran, Some(SystemStatus::AwaitingApproval));
    assert_eq!(house.writes(&item.system).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_stands_in_decides_and_whoever_is_leaving_is_replaced() {
    let mut house = House::new().await;
    let policy = &mut house.policy.approvals;
    policy.approvers = names(&["morgan.hold"]).into_iter().collect();
    policy.levels = vec![Asked::Approvers, asks("robin.mover"), Asked::SecurityTeam];
    policy.delegates = [("morgan.hold", "pat.idle"), ("robin.mover", "casey.contract")]
        .map(|(of, to)| (of.parse().unwrap(), to.parse().unwrap()))
        .into();
    let (_, mut items) = waiting(&house).await;
    let item = mail(&items);
    assert_eq!(approval(&house, &item).await.asked, names(&["morgan.hold"]));
    // The approver leaves while it waits: who stands in for them is asked.
    leaves(&house, "morgan.hold").await;
    for _ in 0..2 {
        house.tick(&house.cases, now()).await.unwrap();
        assert_eq!(approval(&house, &item).await.asked, names(&["morgan.hold", "pat.idle"]));
    }
    assert_eq!(escalated(&house, &item).await.len(), 1);
    assert_eq!(house.decide(("morgan.hold", "approver"), &item, "approve").await.0, 403, "they are leaving");
    // Who stands in leaves too: security is asked, and the contact of the next level is replaced before it is reached.
    leaves(&house, "pat.idle").await;
    leaves(&house, "robin.mover").await;
    house.tick(&house.cases, now()).await.unwrap();
    let asked = names(&["morgan.hold", "pat.idle", "sam.admin", "taylor.admin"]);
    assert_eq!(approval(&house, &item).await.asked, asked);
    house.tick(&house.cases, later(61)).await.unwrap();
    assert_eq!(approval(&house, &item).await.asked.last().unwrap().as_str(), "casey.contract");
    assert_eq!(house.decide(("pat.idle", "approver"), &item, "approve").await.0, 403);
    assert_eq!(
        house.decide(("casey.contract", ""), &item, "approve").await.0,
        200,
        "who is asked may answer"
    );
    house.go_on_all(&mut items, now()).await;
    assert_eq!(house.system(&item.case, &item.system).await.status, SystemStatus::Verified);
}

/// A delegate is asked by name, and needs no role of leaver's to look and to answer.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_asked_by_name_sees_it_and_decides_over_the_api() {
    let mut house = House::new().await;
    let policy = &mut house.policy.approvals;
    policy.approvers = names(&["morgan.hold"]).into_iter().collect();
    policy.delegates = [("morgan.hold".parse().unwrap(), "pat.idle".parse().unwrap())].into();
    leaves(&house, "morgan.hold").await;
    let (_, items) = waiting(&house).await;
    let item = mail(&items);
    assert_eq!(approval(&house, &item).await.asked, names(&["pat.idle"]));
    let pat = ("pat.idle", "");
    let (status, listed) = house.call(pat, "GET", "/api/v1/approvals", "", now()).await;
    assert_eq!((status, listed["approvals"].as_array().map(Vec::len)), (200, Some(3)), "{listed}");
    assert_eq!(house.call(pat, "GET", &path(&item, 1), "", now()).await.0, 200);
    assert_eq!(house.decide(pat, &items[0], "approve").await.0, 403, "policy asks for security");
    let (status, shown) = house.decide(pat, &item, "approve").await;
    assert_eq!((status, &shown["status"]), (200, &json!("approved")), "{shown}");
}

/// Whoever stands in for the very person whom it is about has no right by that.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_decides_in_the_place_of_whom_it_is_about() {
    let mut house = House::new().await;
    let policy = &mut house.policy.approvals;
    policy.approvers = names(&["riley.owner", "morgan.hold"]).into_iter().collect();
    policy.delegates = [("riley.owner".parse().unwrap(), "pat.idle".parse().unwrap())].into();
    policy.levels = vec![Asked::Approvers, Asked::SecurityTeam];
    let (_, items) = waiting(&house).await;
    let item = mail(&items);
    assert_eq!(approval(&house, &item).await.asked, names(&["morgan.hold"]));
    let written = house.cases.changes().len();
    let (status, _) = house.decide(("pat.idle", "auditor"), &item, "approve").await;
    assert_eq!((status, house.cases.changes().len()), (403, written));
}
