//! The log on the real table.

use crate::house::House;
use leaver_domain::{
    ledger::{Draft, EventKind, Outcome},
    ports::LedgerStore,
    time::Timestamp,
};
use leaver_tests::flow::{appending, checked};
use serde_json::json;
use std::{collections::BTreeSet, sync::Arc};

const ORIGIN: &str = "leaver/two-appenders";

fn draft(case: &str, place: u32) -> Draft {
    Draft {
        event_id: format!("{case}/okta/{place}"),
        case_id: case.to_owned(),
        ordinal: place,
        kind: EventKind::AccessRevoked,
        occurred_at: Timestamp::from_millis(1).expect("an instant"),
        username: "john.doe".into(),
        actor: "suite".into(),
        system: Some("okta".into()),
        action: "revoke".into(),
        outcome: Outcome::Success,
        risk: None,
        evidence: format!("{{\"place\":{place}}}"),
    }
}

pub(crate) async fn two_appenders_on_the_real_table_make_no_gap_no_fork_and_no_double(house: Arc<House>) {
    let appender = |first: u32| {
        let store = house.ledger(ORIGIN);
        async move {
            // Overlapping halves, shuffled by the stride: every third event reaches both.
            for batch in 0..6 {
                let places = (0..30).map(|n| first + (batch * 30 + n) * 7 % 180);
                leaver_ledger::append(
                    &appending(&store),
                    places.map(|place| draft("case-two", place)).collect(),
                )
                .await
                .expect("an append");
            }
        }
    };
    tokio::join!(appender(0), appender(60), appender(120));
    let store = house.ledger(ORIGIN);
    let log = checked(&store).await;
    let ids: BTreeSet<String> = log.iter().map(|(entry, _)| entry.event_id.clone()).collect();
    assert_eq!(ids.len(), log.len(), "an event stands there twice");
    assert_eq!(ids, (0..300).map(|place| draft("case-two", place).event_id).collect());
    follows(&store, 300, 50, &[0, 1, 97, 98, 250, 299, 300]).await;
}

/// From each of these places on, the walk gives so many rows, or what there is.
async fn follows(store: &impl LedgerStore, size: u64, limit: u64, places: &[u64]) {
    for &from in places {
        let rows = store.rows(from, usize::try_from(limit).expect("small")).await.expect("rows");
        let found: Vec<u64> = rows.iter().map(|row| row.seq).collect();
        assert_eq!(found, (from..size.min(from + limit)).collect::<Vec<_>>(), "from {from}");
    }
}

/// A partition of the walk covers 4,096 places, and a batch may reach over its end.
pub(crate) async fn a_walk_goes_on_where_a_partition_ends(house: Arc<House>) {
    let store = house.ledger("leaver/long");
    for first in (0..4_200).step_by(60) {
        let drafts = (first..first + 60).map(|place| draft("case-long", place)).collect();
        leaver_ledger::append(&appending(&store), drafts).await.expect("an append");
    }
    follows(&store, 4_200, 150, &[3_900, 4_000, 4_079, 4_080, 4_095, 4_096, 4_139, 4_140, 4_199, 4_200])
        .await;
    follows(&store, 4_200, 1_000, &[0, 3_500]).await;
}

/// The deployed function itself, invoked many times at once with other cases each time, and all of it once more.
pub(crate) async fn invocations_of_the_function_that_meet_lose_nothing(house: Arc<House>) {
    let sample = std::fs::read_to_string(leaver_cli::local::repository().join("infra/events/ledger.json"));
    let sample = sample.expect("the kept event");
    let id =
        sample.split("CASE#").nth(1).and_then(|rest| rest.split('"').next()).expect("its case").to_owned();
    let before = house.api("auditor").get("/api/v1/ledger/status").await.expect("a status")["size"].as_u64();
    for _ in 0..2 {
        let invoked = (0..16).map(|n| {
            let event = sample.replace(&id, &format!("case-met-{n:02}"));
            let event: serde_json::Value = serde_json::from_str(&event).expect("JSON");
            let house = house.clone();
            async move { crate::roles::invoke(&house, "leaver-local-ledger", &event).await }
        });
        for tally in futures_util::future::join_all(invoked).await {
            assert!(tally["appended"].is_u64(), "{tally}");
        }
    }
    let checked = leaver_cli::ledger::verify(&house.api("auditor"), None).await.expect("a check");
    assert_eq!((checked.broken, Some(checked.rows)), (None, before.map(|size| size + 16)));
}

pub(crate) async fn a_changed_row_is_named(house: Arc<House>) {
    let status = house.api("auditor").get("/api/v1/ledger/status").await.expect("a status");
    let size = status["size"].as_u64().expect("a size");
    let page = house
        .api("auditor")
        .get(&format!("/api/v1/ledger/rows?from={}&limit=1", size / 2))
        .await
        .expect("rows");
    let view = &page["rows"][0]["view"];
    let (case, event) =
        (view["case_id"].as_str().expect("a case"), view["event_id"].as_str().expect("an id"));
    let place = event.strip_prefix(case).expect("its case").trim_start_matches('/');
    let key = json!({"pk": {"S": format!("CASE#{case}")}, "sk": {"S": format!("ENTRY#{place}")}});
    let table = &house.local.tables.ledger;
    let set = |evidence: String| {
        json!({"TableName": table, "Key": key, "UpdateExpression": "SET evidence = :e",
               "ExpressionAttributeValues": {":e": {"S": evidence}}})
    };
    let truth = page["rows"][0]["evidence"].as_str().expect("evidence").to_owned();
    let update = "DynamoDB_20120810.UpdateItem";
    house
        .aws
        .json("dynamodb", update, &set(truth.replace("john", "jane") + " "))
        .await
        .expect("tampered with");
    let checked = leaver_cli::ledger::verify(&house.api("auditor"), None).await.expect("a check");
    house.aws.json("dynamodb", update, &set(truth)).await.expect("put back");
    let broken = checked.broken.expect("it was not seen");
    assert!(broken.contains(&format!("row {}", size / 2)), "{broken}");
    let checked = leaver_cli::ledger::verify(&house.api("auditor"), None).await.expect("a check");
    assert_eq!(checked.broken, None);
}
