//! What other tools have been told after a termination.

use crate::house::House;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

/// The names of the OCSF events in the evidence bucket.
async fn names(house: &House) -> BTreeSet<String> {
    let url =
        format!("{}/{}?list-type=2&prefix=ocsf/", house.local.endpoint_url, house.local.evidence_bucket);
    let request = house.http.get(url).header("authorization", crate::roles::root("s3"));
    let (status, _, answer) = house.raw(request).await;
    assert_eq!(status, 200, "{answer}");
    let text = answer.as_str().unwrap_or_default().to_owned();
    text.split("<Key>").skip(1).filter_map(|rest| rest.split('<').next()).map(str::to_owned).collect()
}

async fn event(house: &House, name: &str) -> Value {
    let url = format!("{}/{}/{name}", house.local.endpoint_url, house.local.evidence_bucket);
    let (status, _, answer) =
        house.raw(house.http.get(url).header("authorization", crate::roles::root("s3"))).await;
    assert_eq!(status, 200, "{name}: {answer}");
    answer
}

/// What the sandbox's receiver took about a case.
async fn taken(house: &House, case: &str) -> Vec<Value> {
    let url = format!("{}/receiver/events", house.local.sandbox_url);
    let (_, _, answer) = house.raw(house.http.get(url)).await;
    let all = answer.as_array().cloned().unwrap_or_default();
    all.into_iter().filter(|one| one["claims"]["txn"] == case).collect()
}

pub(crate) async fn a_termination_is_told_to_the_bucket_and_to_the_receiver(house: Arc<House>) {
    let before = names(&house).await;
    let case = house.terminate("casey.contract").await;
    house.settled(&case).await;
    // Trigger, validation, close, one access row per system; a contractor has no account in two of the systems.
    let rows = house.rows(&case, 2 * house.systems().len() + 3 - 2).await;
    let revoked = |row: &&Value| row["event_type"] == "access_revoked" && row["result"] == "success";
    let expected: BTreeSet<&str> =
        rows.iter().filter(revoked).map(|row| row["event_id"].as_str().expect("an id")).collect();
    assert!(!expected.is_empty());
    let since = Instant::now();
    let (events, tokens) = loop {
        let mut events = Vec::new();
        for name in names(&house).await.difference(&before) {
            let one = event(&house, name).await;
            if one["metadata"]["correlation_uid"] == case.as_str() && one["status_id"] == 1 {
                events.push(one);
            }
        }
        let tokens = taken(&house, &case).await;
        let off = tokens
            .iter()
            .filter(|one| one["jti"].as_str().is_some_and(|jti| jti.ends_with("/account-disabled")));
        if events.len() >= expected.len() && off.count() >= expected.len() {
            break (events, tokens);
        }
        let waited = since.elapsed() < Duration::from_secs(30);
        assert!(waited, "{} of {} events; {tokens:?}", events.len(), expected.len());
        tokio::time::sleep(Duration::from_millis(250)).await;
    };
    let told: BTreeSet<&str> = events.iter().filter_map(|event| event["metadata"]["uid"].as_str()).collect();
    assert_eq!((told, events.len()), (expected.clone(), expected.len()), "each row once");
    for event in &events {
        assert_eq!((&event["class_uid"], &event["user"]["name"]), (&json!(3001), &json!("casey.contract")));
    }
    for one in &tokens {
        assert_eq!(
            one["claims"]["sub_id"],
            json!({"format": "email", "email": "casey.contract@example.com"})
        );
    }
    // The receiver checked each with this key set; it is there for everybody, and says nothing but a public key.
    let (status, _, keys) =
        house.raw(house.http.get(format!("{}/api/v1/signals/jwks", house.local.api_url))).await;
    assert_eq!((status, keys["keys"].as_array().map(Vec::len)), (200, Some(1)), "{keys}");
    assert!(keys["keys"][0]["d"].is_null());
    let url = format!("{}/.well-known/ssf-configuration", house.local.api_url);
    let (status, _, described) = house.raw(house.http.get(url)).await;
    assert_eq!((status, &described["issuer"]), (200, &tokens[0]["claims"]["iss"]), "{described}");
}
