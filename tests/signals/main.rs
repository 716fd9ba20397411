//! What other tools are told: OCSF events in a bucket and security event tokens at a receiver that checks them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a suite fails by panicking")]

mod office;
mod receiver;
mod schema;

use leaver_tests::signals::stream_event;
use office::{Office, rows};
use serde_json::{Value, json};

/// How many of a case's rows changed an account.
fn access_rows(rows: &[leaver_domain::ports::Row]) -> usize {
    let entries = rows.iter().map(|row| leaver_domain::ledger::Entry::decode(&row.leaf).expect("an entry"));
    entries.filter(|entry| entry.kind.name() == "access_revoked").count()
}

#[tokio::test]
async fn every_access_row_of_a_termination_becomes_one_ocsf_event_of_the_schemas_form() {
    let (office, rows) = (Office::new().await, rows("john.doe").await);
    let tally = office.tell(&stream_event(&rows)).await.expect("told");
    assert_eq!((tally.rows, tally.written, tally.unreadable), (rows.len(), access_rows(&rows), 0));
    let events = office.events().await;
    assert_eq!(events.len(), access_rows(&rows));
    for (name, event) in &events {
        schema::check(event);
        assert!(
            name.ends_with(&format!("/{:020}.jsonl", event["metadata"]["sequence"].as_u64().unwrap())),
            "{name}"
        );
        assert_eq!(event["user"]["name"], "john.doe");
    }
}

/// However the rows are cut into batches, and however often they come, there is one object for each, of the same bytes.
#[tokio::test]
async fn batches_that_differ_between_retries_write_the_same_objects() {
    let rows = rows("john.doe").await;
    let (whole, parts) = (Office::new().await, Office::new().await);
    whole.tell(&stream_event(&rows)).await.expect("told");
    for size in [3, 5, 1, rows.len()] {
        for batch in rows.chunks(size) {
            parts.tell(&stream_event(batch)).await.expect("told");
        }
    }
    assert_eq!(whole.events().await, parts.events().await);
    let again = parts.tell(&stream_event(&rows)).await.expect("told");
    assert_eq!((again.written, again.present), (0, access_rows(&rows)));
}

#[tokio::test]
async fn a_bucket_that_fails_fails_the_batch_and_the_repeat_mends_it() {
    let (office, rows) = (Office::new().await, rows("john.doe").await);
    for when in [office::When::Before, office::When::After] {
        for call in 0..access_rows(&rows) {
            office.objects.fail(call, when);
            assert!(office.tell(&stream_event(&rows)).await.is_err(), "{when:?} {call}");
        }
    }
    office.tell(&stream_event(&rows)).await.expect("told");
    assert_eq!(office.events().await.len(), access_rows(&rows));
}

/// What is no row is told of in the log and passed over: what comes with it is not held up.
#[tokio::test]
async fn a_record_that_cannot_be_read_is_logged_with_an_alarm_and_passed_over() {
    let (office, rows) = (Office::new().await, rows("john.doe").await);
    let mut event = stream_event(&rows);
    let good = event["Records"][0].clone();
    let broken = |pointer: &str, value: Value| {
        let mut record = good.clone();
        *record.pointer_mut(pointer).expect("there") = value;
        record
    };
    let spoilt = [
        broken("/dynamodb/NewImage/leaf", json!({"B": "!!"})),
        broken("/dynamodb/NewImage/leaf", json!({"B": "AAAA"})),
        broken("/dynamodb/NewImage/leaf", json!({"S": "text"})),
        broken("/dynamodb/NewImage/evidence", json!({"S": "{}"})),
        broken("/dynamodb/NewImage", Value::Null),
    ];
    let others = [
        json!(null),
        json!([]),
        json!({}),
        broken("/dynamodb/Keys/pk", json!({"S": "HEAD#leaver"})),
        broken("/dynamodb/Keys/sk", json!({"N": "1"})),
        broken("/eventName", json!("MODIFY")),
    ];
    let records = event["Records"].as_array_mut().expect("records");
    spoilt.iter().chain(&others).for_each(|record| records.insert(1, record.clone()));
    let (tally, log) = office.logged(&event).await;
    let tally = tally.expect("told");
    assert_eq!((tally.unreadable, tally.rows, tally.written), (spoilt.len(), rows.len(), access_rows(&rows)));
    assert_eq!(log.matches("signals_unreadable").count(), spoilt.len(), "{log}");
    for odd in [json!(null), json!({"Records": 1}), json!({"Records": [1, "x"]}), json!("text")] {
        assert_eq!(office.tell(&odd).await, Ok(leaver_signals::Tally::default()));
    }
}

#[tokio::test]
async fn who_wants_no_ocsf_gets_none() {
    let (mut office, rows) = (Office::new().await, rows("john.doe").await);
    office.settings.ocsf = false;
    let tally = office.tell(&stream_event(&rows)).await.expect("told");
    assert_eq!((tally.written, office.events().await.len()), (0, 0));
    assert!(tally.accepted > 0);
}

/// An attempt that failed is an event with the fault's kind, and no token: nothing was taken away yet.
#[tokio::test]
async fn a_failed_attempt_is_an_event_of_its_own_and_no_token() {
    let office = Office::new().await;
    let rows = office::rows_with("john.doe", json!({"system": "okta", "status": 503})).await;
    office.tell(&stream_event(&rows)).await.expect("told");
    let failed: Vec<Value> = office
        .events()
        .await
        .into_iter()
        .map(|(_, event)| event)
        .filter(|event| event["status_id"] == 2)
        .collect();
    assert!(!failed.is_empty());
    for event in &failed {
        schema::check(event);
        assert_eq!(
            (&event["unmapped"]["system"], &event["status_code"]),
            (&json!("okta"), &json!("Unavailable"))
        );
    }
    let told_of_okta = |event: &Value| event["jti"].as_str().is_some_and(|jti| jti.contains("/okta/"));
    assert!(!office.taken().await.iter().any(told_of_okta));
}
