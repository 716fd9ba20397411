//! The gate through the whole house: a flagged system waits while its neighbours are done, and what a human says, or does not
//! say, is what becomes of it.

mod deciding;
mod dying;
mod escalating;
mod planning;
mod refusals;

use crate::recorded;
use leaver_domain::{
    approval::{ApprovalStatus, Asked},
    case::{CaseStatus, SystemStatus},
    id::CaseId,
    ledger::{EventKind, Outcome},
    person::PersonStatus,
    ports::CaseStore,
    time::Timestamp,
};
use leaver_tests::{
    flow::House,
    machine::{At, Item},
    sandbox::now,
};
use serde_json::{Value, json};
use std::time::Duration;

const SAM: (&str, &str) = ("sam.admin", "security approver operator");
const TAYLOR: (&str, &str) = ("taylor.admin", "security approver");
const JANE: (&str, &str) = ("jane.smith", "manager");
const HR: (&str, &str) = ("harper.hr", "hr");

/// The systems in which riley.owner is flagged.
const FLAGGED: [&str; 3] = ["github", "google_workspace", "slack"];

fn later(seconds: u64) -> Timestamp {
    now().plus(Duration::from_secs(seconds))
}

/// A termination of somebody who is flagged, up to where every item waits or is done.
async fn waiting(house: &House) -> (CaseId, Vec<Item>) {
    let case = recorded(house, "riley.owner").await;
    let mut items = house.contain(&case).await;
    house.go_on_all(&mut items, now()).await;
    items.retain(|item| item.at != At::Done);
    let names: Vec<&str> = items.iter().map(|item| item.system.as_str()).collect();
    assert_eq!(names, FLAGGED);
    (case, items)
}

/// The item of google_workspace, about which the manager could decide: nobody is locked out.
fn mail(items: &[Item]) -> Item {
    items[1].clone()
}

async fn leaves(house: &House, username: &str) {
    let mut person = house.cases.person(&username.parse().unwrap()).await.unwrap().unwrap();
    (person.status, person.version) = (PersonStatus::Leaving, person.version + 1);
    house.cases.put_person(&person).await.unwrap();
}

async fn approval(house: &House, item: &Item) -> leaver_domain::approval::Approval {
    house.system(&item.case, &item.system).await.approval.unwrap()
}

fn path(item: &Item, round: u32) -> String {
    format!("/api/v1/approvals/{}~{}~{round}", item.case, item.system)
}

/// The rows of a kind about one system.
async fn rows(house: &House, item: &Item, kind: EventKind) -> Vec<(leaver_domain::ledger::Entry, Value)> {
    house.feed().await;
    let log = house.log().await;
    let ours = |entry: &leaver_domain::ledger::Entry| {
        entry.kind == kind && entry.system.as_ref() == Some(&item.system)
    };
    log.into_iter().filter(|(entry, _)| ours(entry)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flagged_system_waits_while_its_neighbours_are_done_and_runs_once_somebody_says_yes() {
    let house = House::new().await;
    let (case, mut items) = waiting(&house).await;
    let (record, systems) = house.case(&case).await;
    assert_eq!(record.status, CaseStatus::AwaitingApproval);
    for system in &systems {
        let waits = FLAGGED.contains(&system.system.as_str());
        let expected = if waits { SystemStatus::AwaitingApproval } else { SystemStatus::Verified };
        assert_eq!(system.status, expected, "{}", system.system);
        let account = house.stage.account(system.system.as_str(), "riley.owner").await;
        assert_eq!(account["active"], waits, "{}", system.system);
        if waits {
            assert_eq!(house.writes(system.system.as_str()).await, Vec::<String>::new());
        }
    }
    let (status, listed) = house.call(TAYLOR, "GET", "/api/v1/approvals", "", now()).await;
    assert_eq!((status, listed["approvals"].as_array().unwrap().len()), (200, 3));
    let (status, shown) = house.call(JANE, "GET", &path(&items[0], 1), "", now()).await;
    assert_eq!((status, &shown["about"]["system"]), (200, &json!("github")));
    assert!(!shown["about"]["plan"].as_array().unwrap().is_empty(), "{shown}");
    for said in [&shown, &listed] {
        assert!(!said.to_string().contains("token\":"), "the task token is nobody's: {said}");
    }
    let record = house.system(&case, "github").await;
    let token = record.approval.as_ref().unwrap().task_token.as_ref().expect("it waits").expose().to_owned();
    let (_, case_view) = house.call(SAM, "GET", &format!("/api/v1/cases/{case}"), "", now()).await;
    let events = house.call(SAM, "GET", &format!("/api/v1/cases/{case}/events"), "", now()).await;
    let lines = serde_json::to_string(&record.log).unwrap();
    for said in [shown.to_string(), listed.to_string(), case_view.to_string(), format!("{events:?}"), lines] {
        assert!(!said.contains(&token), "{said}");
    }
    assert!(!format!("{record:?}").contains(&token), "nor can it be printed");

    let (status, shown) = house.decide(SAM, &items[1], "approve").await;
    assert_eq!((status, &shown["status"]), (200, &json!("approved")), "{shown}");
    house.go_on_all(&mut items, now()).await;
    let status = async |system| house.system(&case, system).await.status;
    assert_eq!(status("google_workspace").await, SystemStatus::Verified);
    assert_eq!(house.stage.account("google_workspace", "riley.owner").await["active"], false);
    assert_eq!(status("slack").await, SystemStatus::AwaitingApproval);
    assert_eq!(house.case(&case).await.0.status, CaseStatus::AwaitingApproval, "two are left");
    assert_eq!(house.stage.account("slack", "riley.owner").await["active"], true);

    house.decide(TAYLOR, &items[0], "approve").await;
    house.decide(TAYLOR, &items[2], "approve").await;
    house.go_on_all(&mut items, now()).await;
    assert_eq!(house.case(&case).await.0.status, CaseStatus::Running);
    house.close(&house.cases, &case).await.unwrap();
    // The vendors let nobody remove the last owner, whoever approved it: that is a human's to do.
    assert_eq!(house.case(&case).await.0.status, CaseStatus::Incomplete);
    let said = r#"{"statement": "Made somebody else the owner, and removed the account."}"#;
    for system in ["github", "slack"] {
        let record = house.system(&case, system).await;
        assert_eq!((record.status, record.fault.is_some()), (SystemStatus::ManualTask, true), "{system}");
        let task = format!("/api/v1/tasks/{case}~{system}");
        assert_eq!(house.call(SAM, "POST", &task, said, now()).await.0, 200);
    }
    house.execute(&case).await;
    assert_eq!(house.case(&case).await.0.status, CaseStatus::Complete);
    for item in &items {
        assert_eq!(item.at, At::Done);
        let decided = rows(&house, item, EventKind::ApprovalDecided).await;
        assert_eq!(decided.len(), 1, "{}", item.system);
        assert_eq!(decided[0].0.outcome, Outcome::Success);
        assert_eq!(rows(&house, item, EventKind::ApprovalRequested).await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_system_is_left_as_it_is_and_its_owner_says_what_happened_instead() {
    let house = House::new().await;
    let (case, mut items) = waiting(&house).await;
    assert_eq!(house.decide(SAM, &items[0], "approve").await.0, 200);
    assert_eq!(house.decide(SAM, &items[1], "approve").await.0, 200);
    let (status, shown) = house.decide(TAYLOR, &items[2], "deny").await;
    assert_eq!((status, &shown["status"]), (200, &json!("denied")), "{shown}");
    house.go_on_all(&mut items, now()).await;
    // A machine that is out of step changes nothing of it.
    assert_eq!(house.tried(&case, "slack", leaver_adapter::Step::Run).await, Some(SystemStatus::Denied));
    house.close(&house.cases, &case).await.unwrap();
    assert_eq!(house.writes("slack").await, Vec::<String>::new());
    assert_eq!(house.stage.account("slack", "riley.owner").await["active"], true);
    assert_eq!(house.case(&case).await.0.status, CaseStatus::Incomplete);
    let task = house.system(&case, "slack").await.task.unwrap();
    assert_eq!(task.owner.as_str(), "sam.admin");
    assert!(task.instructions.contains("taylor.admin said no: looked at it"), "{}", task.instructions);
    assert_eq!(house.decide(SAM, &items[2], "approve").await.0, 409, "it was decided");
    let (path, said) =
        (format!("/api/v1/tasks/{case}~slack"), r#"{"statement": "Left with the new owner."}"#);
    assert_eq!(house.call(SAM, "POST", &path, "{}", now()).await.0, 422);
    assert_eq!(house.case(&case).await.0.status, CaseStatus::Incomplete);
    assert_eq!(house.call(SAM, "POST", &path, said, now()).await.0, 200);
    assert_eq!(house.case(&case).await.0.status, CaseStatus::Incomplete, "github's owner has one, too");
    let github = format!("/api/v1/tasks/{case}~github");
    assert_eq!(house.call(SAM, "POST", &github, said, now()).await.0, 200);
    house.execute(&case).await;
    assert_eq!(house.case(&case).await.0.status, CaseStatus::Complete);
    assert_eq!(house.system(&case, "slack").await.status, SystemStatus::Denied);
    assert_eq!(house.writes("slack").await, Vec::<String>::new());
    let decided = rows(&house, &items[2], EventKind::ApprovalDecided).await;
    assert_eq!((decided.len(), decided[0].0.outcome), (1, Outcome::Failure));
    assert_eq!(rows(&house, &items[2], EventKind::AccessRevoked).await.len(), 0);
}
