//! The archive on the emulator: what lies there is what its manifest says, a hold reaches it, and nobody deletes it.

use crate::house::House;
use leaver_domain::digest::Digest;
use serde_json::{Value, json};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// The schedule runs once a minute, and the case has to be sealed first.
const PATIENCE: Duration = Duration::from_secs(240);

async fn until(what: &str, mut look: impl AsyncFnMut() -> Option<Value>) -> Value {
    let since = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(since.elapsed() < PATIENCE, "{what}");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

pub(crate) async fn what_is_archived_is_what_its_manifest_says_and_a_hold_reaches_it(house: Arc<House>) {
    let person = house.others()[6].clone();
    let case = house.terminate(&person).await;
    assert_eq!(house.settled(&case).await["status"], "complete");
    let security = house.api("security");
    let made = until("it is not archived", async || {
        let view = security.get(&format!("/api/v1/cases/{case}")).await.expect("the case");
        Some(view["archive"]["made"].clone()).filter(|made| !made.is_null())
    })
    .await;

    let path = format!("/api/v1/employees/{person}/archive");
    let url = format!("{}{path}", house.local.api_url);
    let refused = house.raw(house.http.get(&url).bearer_auth(&house.local.tokens["security"])).await;
    assert_eq!(refused.0, 403, "{}", refused.2);
    let shown = house.api("compliance").get(&path).await.expect("the archive");
    assert_eq!(shown["archives"][0]["complete"], true, "{shown}");
    let objects = shown["archives"][0]["objects"].as_array().expect("objects").clone();
    let fetch = async |name: &str| {
        let one = objects.iter().find(|one| one["name"] == name).unwrap_or_else(|| panic!("no {name}"));
        let answer = house.http.get(one["url"].as_str().expect("a link")).send().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{name}");
        answer.bytes().await.expect("its bytes")
    };
    let manifest = fetch("manifest.json").await;
    assert_eq!(made["manifest"], json!(Digest::of(&manifest)));
    let manifest: Value = serde_json::from_slice(&manifest).expect("JSON");
    for object in manifest["objects"].as_array().expect("objects") {
        let bytes = fetch(object["name"].as_str().expect("a name")).await;
        assert_eq!(object["sha256"], json!(Digest::of(&bytes)), "{object}");
    }
    let rows = house.rows(&case, 2 * house.systems().len() + 4).await;
    let row = rows.iter().find(|row| row["event_type"] == "data_archived").expect("a row");
    assert_eq!(row["result"], "success", "{row}");

    let hold = format!("{}/api/v1/employees/{person}/legal-hold", house.local.api_url);
    let body = json!({"reason": "matter 12"});
    let (status, _, placed) =
        house.raw(house.http.post(hold).bearer_auth(&house.local.tokens["security"]).json(&body)).await;
    assert_eq!(status, 202, "{placed}");
    let id = placed["measure_id"].as_str().expect("an id");
    let held = until("the hold does not reach the archive", async || {
        let view = security.get(&format!("/api/v1/measures/{id}")).await.expect("the measure");
        Some(view["archive_hold"].clone()).filter(|hold| !hold["done_at"].is_null())
    })
    .await;
    assert_eq!(held["objects"].as_u64(), Some(objects.len() as u64));
    for one in &objects {
        let key = format!(
            "{}{}",
            made["prefix"].as_str().expect("a prefix"),
            one["name"].as_str().expect("a name")
        );
        let version = one["version"].as_str().expect("a version");
        let bucket = "leaver-local-archive-000000000000";
        let url = format!("{}/{bucket}/{key}?versionId={version}", house.local.endpoint_url);
        let deleted =
            house.raw(house.http.delete(url).header("authorization", crate::roles::root("s3"))).await;
        assert_eq!(deleted.0, 403, "{key}: {}", deleted.2);
    }
}
