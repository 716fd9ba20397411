//! What the HRIS reports beside a termination, and contracts that end by themselves, on the deployed functions.

use crate::{house::House, roles::invoke};
use leaver_domain::contracts;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

/// Two engineers about whom no other scenario knows anything.
fn engineers(house: &House) -> [String; 2] {
    let people = leaver_sandbox::people::load().expect("the sample people");
    let is_engineer = |name: &str| {
        people.iter().any(|one| one.person.username.as_str() == name && one.person.role == "engineer")
    };
    let others = house.others();
    let mut found = others.into_iter().skip(24).filter(|name| is_engineer(name));
    let mut next = || found.next().expect("an engineer");
    [next(), next()]
}

async fn told(house: &House, kind: &str, username: &str, user: Value, metadata: Value) -> Value {
    let mut event = house.event(username);
    event["event_type"] = json!(kind);
    for (place, more) in [("user", user), ("metadata", metadata)] {
        for (name, value) in more.as_object().into_iter().flatten() {
            event[place][name] = value.clone();
        }
    }
    let (status, _, answer) = house.raw(house.webhook(event.to_string())).await;
    assert_eq!(status, 202, "{answer}");
    answer
}

async fn through(house: &House, answer: &Value) -> Value {
    let case = answer["case_id"].as_str().unwrap_or_else(|| panic!("{answer}"));
    let view = house.settled(case).await;
    assert_eq!(view["status"], "complete", "{view}");
    view
}

async fn is_active(house: &House, system: &str, username: &str) -> bool {
    house.account(system, username).await["active"] == true
}

/// From engineering to sales, then suspended, then dismissed, then hired again: what each says is what the systems hold.
pub(crate) async fn a_working_life_is_followed_event_by_event(house: Arc<House>) {
    let [name, _] = engineers(&house);
    let to_sales = json!({"new_role": "sales", "new_department": "Sales"});
    let moved = through(&house, &told(&house, "user_role_changed", &name, to_sales, json!({})).await).await;
    assert_eq!(
        (&moved["mode"], &moved["moves"]["to"]["role"]),
        (&json!("partial"), &json!("sales")),
        "{moved}"
    );
    assert!(!is_active(&house, "github", &name).await && is_active(&house, "okta", &name).await);
    let suspended = through(&house, &told(&house, "user_suspended", &name, json!({}), json!({})).await).await;
    assert_eq!(suspended["mode"], "suspend");
    assert!(!is_active(&house, "okta", &name).await && !is_active(&house, "slack", &name).await);
    assert!(is_active(&house, "payroll", &name).await, "whoever is suspended is employed");
    let left = house.terminate(&name).await;
    assert_eq!(house.settled(&left).await["status"], "complete");
    assert!(!is_active(&house, "payroll", &name).await);
    house.hr("hire", &name).await;
    let back = through(&house, &told(&house, "user_rehired", &name, json!({}), json!({})).await).await;
    assert_eq!((&back["mode"], &back["restores"]), (&json!("reactivate"), &json!(left)));
    for system in ["okta", "slack", "google_workspace", "microsoft_365"] {
        assert!(is_active(&house, system, &name).await, "{system}");
    }
    assert!(!is_active(&house, "github", &name).await, "a seller needs none");
}

pub(crate) async fn a_contract_that_is_over_ends_access(house: Arc<House>) {
    let [_, name] = engineers(&house);
    let user = json!({"contract_end": "2026-02-01"});
    let answer = told(&house, "user_updated", &name, user, json!({})).await;
    assert_eq!(answer["status"], "recorded", "{answer}");
    house.hr("terminate", &name).await;
    // The index by which people are found may be a moment behind.
    let mut looked = Value::Null;
    for _ in 0..20 {
        looked = invoke(&house, "leaver-local-contracts", &json!({})).await;
        assert_eq!(looked["failed"], json!([]), "{looked}");
        if looked["over"].to_string().contains(&name) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!(looked["over"].to_string().contains(&name), "{looked}");
    let access =
        house.api("security").get(&format!("/api/v1/employees/{name}/access")).await.expect("an answer");
    let case = access["case"]["case_id"].as_str().unwrap_or_else(|| panic!("{access}"));
    let view = house.settled(case).await;
    assert_eq!(view["status"], "complete", "{view}");
    assert_eq!(view["trigger"]["kind"], contracts::KIND);
    assert!(!is_active(&house, "okta", &name).await);
}
