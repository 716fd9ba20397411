//! Trying an incomplete case again, cases whose time has not come, and cases about a part of somebody's access.

use crate::recorded;
use leaver_domain::{
    case::{CaseStatus, SystemStatus},
    id::CaseId,
    ledger::EventKind,
    person::PersonStatus,
    ports::{CaseStore, Execution},
};
use leaver_tests::{flow::House, sandbox::now};
use serde_json::{Value, json};
use std::time::Duration;

const SECURITY: (&str, &str) = ("sam.admin", "security");

async fn force(house: &House, who: (&str, &str), case: &CaseId) -> (i64, Value) {
    let path = format!("/api/v1/cases/{case}/force");
    house.call(who, "POST", &path, r#"{"reason": "Okta is back"}"#, now()).await
}

/// A case that is incomplete because one system failed for good.
async fn incomplete(house: &House) -> CaseId {
    let case = recorded(house, "john.doe").await;
    house.stage.fault(json!({"system": "okta", "status": 403, "body": {"error": "forbidden"}})).await;
    house.execute(&case).await;
    assert_eq!(house.case(&case).await.0.status, CaseStatus::Incomplete);
    assert!(house.system(&case, "okta").await.task.is_some());
    case
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_is_tried_again_and_its_task_withdrawn() {
    let house = House::new().await;
    let case = incomplete(&house).await;
    assert_eq!(force(&house, ("harper.hr", "hr"), &case).await.0, 403);
    house.stage.clear().await;
    let (status, view) = force(&house, SECURITY, &case).await;
    assert_eq!((status, &view["status"]), (202, &json!("recorded")), "{view}");
    let (record, _) = house.case(&case).await;
    assert!(house.workflow.executions().contains(&Execution::Case { case: case.clone(), run: 2 }));
    let row = record.log.last().unwrap();
    assert_eq!((row.kind, row.actor.as_str()), (EventKind::CaseForced, "sam.admin"));
    assert_eq!(row.facts["withdrawn"][0]["system"], "okta");
    assert_eq!(row.facts["systems"], json!(["okta"]));
    assert!(house.system(&case, "okta").await.task.is_none());
    house.execute(&case).await;
    assert_eq!(house.case(&case).await.0.status, CaseStatus::Complete);
    assert_eq!(house.stage.account("okta", "john.doe").await["active"], false);
    assert_eq!(force(&house, SECURITY, &case).await.0, 409, "it is over");
    house.feed().await;
    house.log().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_again_is_somebodys_task_again() {
    let house = House::new().await;
    let case = incomplete(&house).await;
    assert_eq!(force(&house, SECURITY, &case).await.0, 202);
    house.execute(&case).await;
    let okta = house.system(&case, "okta").await;
    assert_eq!(
        (house.case(&case).await.0.status, okta.status),
        (CaseStatus::Incomplete, SystemStatus::ManualTask)
    );
    let opened = okta.log.iter().filter(|line| line.kind == EventKind::TaskOpened).count();
    assert!(okta.task.is_some_and(|task| task.closed.is_none()) && opened == 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_and_a_decision_that_waits_are_not_passed() {
    let house = House::new().await;
    let case = recorded(&house, "riley.owner").await;
    let mut items = house.contain(&case).await;
    house.go_on_all(&mut items, now()).await;
    assert_eq!(force(&house, SECURITY, &case).await.0, 409, "it waits for a decision");
    let flagged: Vec<_> = items
        .iter()
        .filter(|item| matches!(item.at, leaver_tests::machine::At::Waiting(_)))
        .cloned()
        .collect();
    assert!(!flagged.is_empty());
    for item in &flagged {
        let (status, answer) = house.decide(SECURITY, item, "deny").await;
        assert_eq!(status, 200, "{answer}");
    }
    house.go_on_all(&mut items, now()).await;
    house.go_on_all(&mut items, now()).await;
    house.close(&house.cases, &case).await.unwrap();
    let (record, _) = house.case(&case).await;
    assert_eq!(record.status, CaseStatus::Incomplete);
    let (status, problem) = force(&house, SECURITY, &case).await;
    assert_eq!(status, 409);
    assert!(problem["detail"].as_str().unwrap().contains("denied"), "{problem}");
    let denied = house.system(&case, &flagged[0].system).await;
    assert!(denied.status == SystemStatus::Denied && denied.task.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_in_the_future_is_listed_by_its_time_and_gone_when_it_was_called_off() {
    let house = House::new().await;
    let at = |days: u64| now().plus(Duration::from_secs(days * 86_400));
    let mut ids = Vec::new();
    for (username, days) in [("john.doe", 30), ("robin.mover", 3)] {
        let open = json!({"person": username, "reason": "leaves", "effective_at": at(days)}).to_string();
        let (status, view) = house.call(SECURITY, "POST", "/api/v1/cases", &open, now()).await;
        assert_eq!(status, 202, "{view}");
        ids.push(view["case_id"].clone());
    }
    recorded(&house, "pat.idle").await;
    assert_eq!(house.workflow.started().len(), 1, "what lies in the future has begun");
    let scheduled = async |instant| -> Vec<Value> {
        let mut asked = leaver_tests::flow::api_request(SECURITY, "GET", "/api/v1/cases", "", "k");
        asked.query_string_parameters = serde_json::from_value(json!({"scheduled": "true"})).unwrap();
        let (status, page) = house.answer(&house.cases, &asked, instant).await;
        assert_eq!(status, 200, "{page}");
        page["cases"].as_array().unwrap().iter().map(|case| case["case_id"].clone()).collect()
    };
    assert_eq!(scheduled(now()).await, [ids[1].clone(), ids[0].clone()]);
    assert_eq!(scheduled(at(3)).await, [ids[0].clone()], "its time has come");
    let path = format!("/api/v1/cases/{}/cancel", ids[1].as_str().unwrap());
    let (status, _) = house.call(SECURITY, "POST", &path, r#"{"reason": "stays"}"#, now()).await;
    assert_eq!(status, 200);
    assert_eq!(scheduled(now()).await, [ids[0].clone()]);
    let robin = house.cases.person(&"robin.mover".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(robin.status, PersonStatus::Active);
}

async fn open(house: &House, scope: Value) -> (i64, Value) {
    let body = json!({"person": "john.doe", "reason": "other work", "scope": scope}).to_string();
    house.call(SECURITY, "POST", "/api/v1/cases", &body, now()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_of_one_system_is_taken_there_and_nowhere_else() {
    let mut house = House::new().await;
    let held = |account: &Value| -> Vec<String> {
        account["grants"].as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
    };
    let github = held(&house.stage.account("github", "john.doe").await);
    let slack = held(&house.stage.account("slack", "john.doe").await);
    assert!(github.contains(&"platform".to_owned()), "{github:?}");
    // By the name that the plan shows.
    let grant = "Platform".to_owned();
    let (status, view) = open(&house, json!({"permissions": [format!("github:{grant}")]})).await;
    assert_eq!((status, &view["mode"]), (202, &json!("partial")), "{view}");
    assert_eq!(view["permissions"], json!([{"system": "github", "grant": grant}]));
    let systems: Vec<&Value> = view["systems"].as_array().unwrap().iter().map(|one| &one["system"]).collect();
    assert_eq!(systems, [&json!("github")]);
    let case: CaseId = view["case_id"].as_str().unwrap().parse().unwrap();
    house.execute(&case).await;
    let after = house.stage.account("github", "john.doe").await;
    let system = house.system(&case, "github").await;
    assert!(
        !held(&after).contains(&"platform".to_owned()) && after["active"] == true,
        "{grant} of {after}: {:?} {:?}",
        system.status,
        system.plan
    );
    assert_eq!(held(&house.stage.account("slack", "john.doe").await), slack);
    // A role takes what its profile needs and the person's own does not.
    let profiles = json!({
        "engineer": {"github": ["core"], "okta": []},
        "reviewer": {"github": ["core", "reviewers"], "okta": ["Reviewers"]},
    });
    house.policy.roles = serde_json::from_value(profiles).unwrap();
    let (status, view) = open(&house, json!({"role": "reviewer"})).await;
    assert_eq!(status, 202, "{view}");
    let taken = json!([{"system": "github", "grant": "reviewers"}, {"system": "okta", "grant": "Reviewers"}]);
    assert_eq!(view["permissions"], taken);
    for (scope, why) in [
        (json!({"role": "astronaut"}), "engineer, reviewer"),
        (json!({}), "1 to 200"),
        (json!({"roles": ["x"]}), "unknown"),
    ] {
        let (status, problem) = open(&house, scope).await;
        assert!(status == 422 && problem["detail"].as_str().unwrap().contains(why), "{problem}");
    }
    // A vendor's own name may have a colon.
    let (_, view) = open(&house, json!({"permissions": ["arn:aws:iam::aws:policy/ReadOnlyAccess"]})).await;
    assert!(view["systems"].as_array().unwrap().len() > 1, "{view}");
}
