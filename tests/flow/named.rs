//! What people named by policy see and decide over the API without a role in their token, and what long lists leave out.

use crate::recorded;
use leaver_domain::{
    case::CaseRecord,
    id::ReviewId,
    ports::{CaseStore, Change},
    reviews::{Review, ReviewKind},
};
use leaver_tests::{flow::House, sandbox::now};
use serde_json::{Value, json};
use std::time::Duration;

async fn get(house: &House, who: &str, roles: &str, path: &str) -> (i64, Value) {
    house.call((who, roles), "GET", &format!("/api/v1/{path}"), "", now()).await
}

async fn post(house: &House, who: &str, roles: &str, path: &str, text: &str) -> (i64, Value) {
    house.call((who, roles), "POST", &format!("/api/v1/{path}"), text, now()).await
}

/// A case of riley.owner with flagged systems, and a delegate of an approver without any role.
async fn flagged() -> (House, Vec<String>) {
    let mut house = House::new().await;
    house.policy.approvals.delegates = [("sam.admin".parse().unwrap(), "pat.idle".parse().unwrap())].into();
    let case = recorded(&house, "riley.owner").await;
    house.execute_until_close(&case).await;
    let (status, list) = get(&house, "pat.idle", "", "approvals").await;
    assert_eq!((status, &list["more"]), (200, &json!(false)), "{list}");
    let ids = list["approvals"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned());
    let ids: Vec<String> = ids.collect();
    assert!(ids.len() > 1, "{list}");
    (house, ids)
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_policy_names_sees_and_decides_without_a_role_and_nobody_else_does() {
    let (house, ids) = flagged().await;
    let path = format!("approvals/{}", ids[0]);
    for (who, roles) in [("alex.twin", ""), ("riley.owner", ""), ("harper.hr", "hr")] {
        assert_eq!(get(&house, who, roles, "approvals").await.0, 403, "{who}");
        assert_eq!(get(&house, who, roles, &path).await.0, 403, "{who}");
    }
    let yes = r#"{"decision": "approve"}"#;
    assert_eq!(post(&house, "alex.twin", "", &path, yes).await.0, 404);
    assert_eq!(post(&house, "riley.owner", "", &path, yes).await.0, 403);
    let (status, view) = get(&house, "pat.idle", "", &path).await;
    assert_eq!(status, 200, "{view}");
    let shown = &view["shown"];
    assert!(shown["title"].as_str().unwrap().contains("riley.owner"), "{shown}");
    let text = shown["sections"].to_string();
    for part in ["What would be done", "\u{2192}", "While it waits", "stay open", "If it is denied"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert_eq!(get(&house, "pat.idle", "", "approvals").await.1["approvals"][0]["shown"], Value::Null);
    let (status, view) = post(&house, "pat.idle", "", &path, yes).await;
    assert_eq!((status, &view["status"]), (200, &json!("approved")), "{view}");
    assert_eq!(view["decisions"][0]["reason"], "no reason given");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_releases_held_cases_says_why() {
    let mut house = House::new().await;
    house.policy.protected.insert("john.doe".parse().unwrap());
    let case = recorded(&house, "john.doe").await;
    let path = format!("approvals/{}", house.case(&case).await.0.measure.unwrap());
    for decision in ["approve", "deny", "escalate"] {
        let text = json!({"decision": decision}).to_string();
        assert_eq!(post(&house, "sam.admin", "security", &path, &text).await.0, 422, "{decision}");
    }
    let (status, view) = get(&house, "sam.admin", "security", &path).await;
    assert_eq!((status, &view["about"]["held"]["count"]), (200, &json!(1)), "{view}");
    assert!(view["shown"]["title"].as_str().unwrap().contains("held"), "{view}");
    let text = r#"{"decision": "approve", "reason": "checked"}"#;
    assert_eq!(post(&house, "sam.admin", "security", &path, text).await.0, 200);
}

fn review(case: &CaseRecord, number: u64, owner: &str) -> Review {
    Review {
        review_id: format!("review-{number:04}").parse::<ReviewId>().unwrap(),
        kind: ReviewKind::Emergency,
        case: case.case_id.clone(),
        person: case.person.clone(),
        reason: "r".into(),
        not_by: [].into(),
        owners: [owner.parse().unwrap()].into(),
        opened_at: now(),
        not_before: None,
        due_at: now().plus(Duration::from_secs(number)),
        closed: None,
        shown: vec![],
        log: vec![],
        version: 1,
    }
}

/// The tasks of others do not hide one's own, however many there are.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_list_says_that_there_is_more_and_hides_nothing_of_ones_own() {
    let house = House::new().await;
    let case = recorded(&house, "john.doe").await;
    let (case, _) = house.case(&case).await;
    for number in 0..=210 {
        let owner = if number == 210 { "pat.idle" } else { "taylor.admin" };
        let change = Change::Review(Box::new(review(&case, number, owner)));
        house.cases.commit(&[change]).await.unwrap();
    }
    let (status, all) = get(&house, "sam.admin", "security", "tasks").await;
    assert_eq!((status, all["tasks"].as_array().unwrap().len(), &all["more"]), (200, 200, &json!(true)));
    let (status, own) = get(&house, "pat.idle", "", "tasks").await;
    assert_eq!((status, own["tasks"].as_array().unwrap().len(), &own["more"]), (200, 1, &json!(false)));
}
