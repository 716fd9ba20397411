//! Who is let in, and what they see.

use crate::house::House;
use serde_json::{Value, json};
use std::sync::Arc;

fn is_problem((status, media_type, body): &(u16, String, Value), expected: u16) {
    assert_eq!(*status, expected, "{body}");
    assert_eq!(media_type, "application/problem+json", "{body}");
    assert_eq!(body["status"], expected);
    for field in ["type", "title", "detail"] {
        assert!(body[field].as_str().is_some_and(|text| !text.is_empty()), "{field} of {body}");
    }
}

/// How many items the case table has: a scan tells of a megabyte at a time.
async fn count(house: &House) -> u64 {
    let mut table = json!({"TableName": house.local.tables.cases, "Select": "COUNT"});
    let mut items = 0;
    loop {
        let scanned = house.aws.json("dynamodb", "DynamoDB_20120810.Scan", &table).await.expect("a count");
        items += scanned["Count"].as_u64().expect("a number");
        if scanned["LastEvaluatedKey"].is_null() {
            return items;
        }
        table["ExclusiveStartKey"] = scanned["LastEvaluatedKey"].clone();
    }
}

pub(crate) async fn the_webhook_refuses_what_the_contract_says_and_writes_nothing(house: Arc<House>) {
    let before = count(&house).await;
    let good = house.event("taylor.admin");
    let text = good.to_string();
    let url = format!("{}/api/v1/webhooks/hr-events", house.local.api_url);
    is_problem(&house.raw(house.http.post(&url).body(text.clone())).await, 401);
    is_problem(&house.raw(house.http.post(&url).bearer_auth("x").body(text.clone())).await, 401);
    is_problem(&house.raw(house.webhook("{not json")).await, 400);
    is_problem(&house.raw(house.webhook(format!("{text}{}", " ".repeat(256 * 1024)))).await, 413);
    is_problem(&house.raw(house.webhook(text.replace("user_terminated", "user_lost"))).await, 422);
    is_problem(&house.raw(house.webhook(text.replace("EMP-10011", "EMP 1"))).await, 422);
    assert_eq!(count(&house).await, before, "something was written");
    let ping = text.replace("user_terminated", "test");
    assert_eq!(house.raw(house.webhook(ping)).await.0, 200);
    assert_eq!(count(&house).await, before, "a ping was written");
    // Somebody who is not known: refused, and a finding for a human.
    is_problem(&house.raw(house.webhook(text.replace("taylor.admin", "taylor.unknown"))).await, 422);
    assert_eq!(count(&house).await, before + 1);
    // Taken once; the same again is told so; another content under its id is refused.
    let first = house.raw(house.webhook(text.replace("user_terminated", "user_updated"))).await;
    let again = house.raw(house.webhook(text.replace("user_terminated", "user_updated"))).await;
    assert_eq!((first.0, first.2["duplicate"].clone()), (202, json!(false)));
    assert_eq!((again.0, again.2["duplicate"].clone()), (202, json!(true)));
    is_problem(&house.raw(house.webhook(text)).await, 409);
}

pub(crate) async fn the_api_is_closed_without_a_good_token(house: Arc<House>) {
    let url = format!("{}/api/v1/cases", house.local.api_url);
    assert_eq!(house.raw(house.http.get(&url)).await.0, 401);
    let good = house.local.tokens["security"].clone();
    let (head, rest) = good.split_once('.').expect("a JWT");
    let (_, signature) = rest.split_once('.').expect("a JWT");
    // The claims of somebody else under the signature of this one; and no signature at all.
    let other = house.local.tokens["harper.hr"].split('.').nth(1).expect("a JWT").to_owned();
    for forged in
        [format!("{head}.{other}.{signature}"), format!("{head}.{other}."), "x".into(), String::new()]
    {
        assert_eq!(house.raw(house.http.get(&url).bearer_auth(forged)).await.0, 401);
    }
    assert_eq!(house.raw(house.http.get(&url).bearer_auth(good)).await.0, 200);
}

pub(crate) async fn a_manager_sees_their_own_reports_only(house: Arc<House>) {
    let api = house.api("security");
    let open = |person: &str| json!({"person": person, "reason": "who sees it", "dry_run": true});
    let case = |view: &Value| format!("/api/v1/cases/{}", view["case_id"].as_str().expect("a case"));
    let (_, report) = api.post("/api/v1/cases", &open("robin.mover")).await.expect("a case");
    let (_, other) = api.post("/api/v1/cases", &open("avery.audit")).await.expect("a case");
    let manager = |path: String| {
        let token = house.local.tokens["jane.smith"].clone();
        let request = house.http.get(format!("{}{path}", house.local.api_url)).bearer_auth(token);
        let house = house.clone();
        async move { house.raw(request).await }
    };
    assert_eq!(manager(case(&report)).await.0, 200);
    is_problem(&manager(case(&other)).await, 404);
    is_problem(&manager("/api/v1/cases/case-000000000000000000000000".into()).await, 404);
    is_problem(&manager(format!("{}/events", case(&other))).await, 404);
    is_problem(&manager("/api/v1/ledger/rows".into()).await, 403);
    let listed = manager("/api/v1/cases".into()).await.2;
    let people: Vec<&Value> =
        listed["cases"].as_array().expect("a list").iter().map(|c| &c["person"]["username"]).collect();
    assert!(
        people.contains(&&json!("robin.mover")) && !people.contains(&&json!("avery.audit")),
        "{people:?}"
    );
    let token = &house.local.tokens["jane.smith"];
    let url = format!("{}/api/v1/cases", house.local.api_url);
    let post = |person: &str| house.http.post(&url).bearer_auth(token).json(&open(person));
    assert_eq!(house.raw(post("robin.mover")).await.0, 200);
    is_problem(&house.raw(post("avery.audit")).await, 404);
    is_problem(&house.raw(post("nobody.at.all")).await, 404);
}

pub(crate) async fn an_auditor_reads_and_changes_nothing(house: Arc<House>) {
    let token = &house.local.tokens["avery.audit"];
    let url = |path: &str| format!("{}{path}", house.local.api_url);
    for path in ["/api/v1/cases", "/api/v1/ledger/status", "/api/v1/ledger/rows?from=0&limit=5"] {
        assert_eq!(house.raw(house.http.get(url(path)).bearer_auth(token)).await.0, 200, "{path}");
    }
    let body = json!({"person": "john.doe", "reason": "no"});
    is_problem(&house.raw(house.http.post(url("/api/v1/cases")).bearer_auth(token).json(&body)).await, 403);
    is_problem(&house.raw(house.http.get(url("/api/v1/doctor")).bearer_auth(token)).await, 403);
    let security = &house.local.tokens["security"];
    let post = |body: Value| house.http.post(url("/api/v1/cases")).bearer_auth(security).json(&body);
    is_problem(&house.raw(post(json!({"person": "john.doe"}))).await, 422);
    is_problem(&house.raw(post(json!({"person": "john.doe", "reason": " "}))).await, 422);
    is_problem(&house.raw(post(json!({"person": "john.doe", "reason": "r", "mode": "partial"}))).await, 422);
    is_problem(&house.raw(post(json!({"person": "john.doe", "reason": "r", "shoe_size": 44}))).await, 422);
}

pub(crate) async fn events_tell_what_is_new_and_nothing_twice(house: Arc<House>) {
    let api = house.api("security");
    let listed = api.get("/api/v1/cases?limit=50").await.expect("cases");
    let cases = listed["cases"].as_array().expect("a list");
    let case =
        cases.iter().find(|case| case["status"] == "complete" && case["dry_run"] == false).expect("a case");
    let case = case["case_id"].as_str().expect("an id");
    let first = api.events(case, None).await.expect("events");
    let kinds: Vec<&str> = first.iter().map(|event| event.event.as_str()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "system").count(), house.systems().len());
    assert_eq!(kinds.last(), Some(&"settled"));
    let last = first.iter().rev().find_map(|event| event.id.clone()).expect("an id");
    let second = api.events(case, Some(&last)).await.expect("events");
    assert!(second.iter().all(|event| event.event == "settled"), "{second:?}");
}

pub(crate) async fn the_doctor_says_which_credential_is_rejected(house: Arc<House>) {
    house.fault(json!({"system": "okta", "status": 401, "body": {"errorCode": "E0000011"}})).await;
    let found = house.api("operator").get("/api/v1/doctor").await.expect("a diagnosis");
    for check in found["checks"].as_array().expect("checks") {
        assert_eq!(check["ok"], check["name"] != "okta", "{check}");
    }
    assert!(found["checks"].as_array().expect("checks").len() >= house.systems().len() + 3, "{found}");
}
