//! Batches: a file over the API is fed by its own function, and the table keeps it as the store in memory does.

use crate::house::House;
use leaver_domain::{
    batch::{Batch, Line},
    case::Mode,
    digest::Digest,
    ports::{CaseStore, Change, Lease, StoreError},
};
use leaver_tests::sandbox::now;
use serde_json::{Value, json};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

async fn send(house: &House, csv: &str, query: &str) -> (u16, Value) {
    let url = format!("{}/api/v1/cases/batch{query}", house.local.api_url);
    let request = house.http.post(url).bearer_auth(&house.local.tokens["hr"]);
    let request = request.header("content-type", "text/csv").header("idempotency-key", "e2e-batch");
    let (status, _, answer) = house.raw(request.body(csv.to_owned())).await;
    (status, answer)
}

pub(crate) async fn a_file_takes_everybody_in_it_through_to_the_end(house: Arc<House>) {
    let people = house.others()[20..22].to_vec();
    // One of them has a measure, which each case is told of.
    let hold = json!({"reason": "Matter 2026-077"});
    let api = house.api("security");
    api.post(&format!("/api/v1/employees/{}/legal-hold", people[0]), &hold).await.expect("a hold");
    let header = "username,reason,revocation_type,preserve_data\n";
    let csv = format!("{header}{},Closing,leave,true\n{},Closing,,\n", people[0], people[1]);
    let bad = format!("{csv}no.body,Closing,,\n");
    let (status, problem) = send(&house, &bad, "").await;
    assert_eq!((status, &problem["lines"][0]["line"]), (422, &json!(4)), "{problem}");
    let (status, dry) = send(&house, &csv, "?dry_run=true").await;
    assert_eq!((status, dry["lines"].as_array().map(Vec::len)), (200, Some(2)), "{dry}");
    let (status, answer) = send(&house, &csv, "").await;
    assert_eq!((status, &answer["duplicate"]), (202, &json!(false)), "{answer}");
    let (status, again) = send(&house, &csv, "").await;
    assert_eq!((status, &again["duplicate"]), (202, &json!(true)), "{again}");
    assert_eq!(again["batch_id"], answer["batch_id"]);
    for (line, person) in answer["lines"].as_array().expect("lines").iter().zip(&people) {
        assert_eq!(line["username"], json!(person));
        let case = line["case_id"].as_str().expect("an id");
        let since = Instant::now();
        while api.get(&format!("/api/v1/cases/{case}")).await.is_err() {
            assert!(since.elapsed() < Duration::from_secs(75), "nobody feeds the batch");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let settled = house.settled(case).await;
        assert_eq!(settled["status"], "complete", "{settled}");
        assert_eq!(house.account("okta", person).await["active"], false);
    }
    let path = format!("/api/v1/batches/{}", answer["batch_id"].as_str().expect("an id"));
    let since = Instant::now();
    loop {
        let batch = api.get(&path).await.expect("the batch");
        if batch["status"] == "ended" {
            assert_eq!(batch["counts"]["complete"], 2, "{batch}");
            break;
        }
        assert!(since.elapsed() < Duration::from_secs(90), "{batch}");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let cancel = api.post(&format!("{path}/cancel"), &json!({"reason": "too late"})).await;
    assert!(cancel.is_err(), "nothing is left to be called off");
}

/// Lines that are longer than an item come back whole and in order; a batch is due as long as something may come of it; a lease
/// is moved on by one.
pub(crate) async fn a_batch_is_kept_as_it_is_and_found_while_it_is_due(house: Arc<House>) {
    let (cases, at) = (house.cases(), now());
    let line = |number: u32| Line {
        line: number,
        username: format!("store.p{number}").parse().expect("a name"),
        reason: "x".repeat(300),
        mode: Mode::Leave,
        preserve_data: false,
        first: false,
    };
    let lines: Vec<Line> = (2..4_002).map(line).collect();
    let id: leaver_domain::id::BatchId = "batch-store-test".parse().expect("an id");
    let by = "harper.hr".parse().expect("a name");
    let batch = Batch::recorded(id.clone(), by, (Digest::ZERO, &lines), None, at);
    for _ in 0..2 {
        cases.keep_lines(&id, &batch.lines, &lines).await.expect("kept");
    }
    let change = |batch: &Batch| [Change::Batch(Box::new(batch.clone()))];
    cases.commit(&change(&batch)).await.expect("made");
    assert_eq!(cases.commit(&change(&batch)).await, Err(StoreError::Conflict), "made twice");
    assert_eq!(cases.lines(&batch).await.expect("read"), lines);
    assert!(cases.batches_due(at, 50).await.expect("read").contains(&id));
    let page = cases.batches(None, 1).await.expect("read");
    assert_eq!(page.batches.len(), 1);
    let off = batch.cancelled("harper.hr", "a test", at).expect("called off");
    cases.commit(&change(&off)).await.expect("called off");
    assert!(!cases.batches_due(at, 50).await.expect("read").contains(&id));
    assert_eq!(cases.batch(&id).await.expect("read"), Some(off));
    let names = ["john.doe", "nobody.here", "robin.mover"].map(|name| name.parse().expect("a name"));
    assert_eq!(cases.people(&names).await.expect("read").len(), 2);
    let lease = Lease { name: "test".into(), holder: Some("one".into()), until: at, version: 1 };
    let take = [Change::Lease(Box::new(lease.clone()))];
    cases.commit(&take).await.expect("taken");
    assert_eq!(cases.commit(&take).await, Err(StoreError::Conflict), "taken twice");
    assert_eq!(cases.lease("test").await.expect("read"), Some(lease));
}
