//! The ledger table's stream, as it reaches the function that tells others of rows.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use leaver_domain::{ledger::Entry, ports::Row};
use serde_json::{Value, json};

/// The stream event that new rows give rise to.
///
/// # Panics
/// Where a row's leaf is no entry.
pub fn stream_event(rows: &[Row]) -> Value {
    let one = |row: &Row| {
        let entry = Entry::decode(&row.leaf).expect("an entry");
        let place =
            entry.event_id.strip_prefix(&entry.case_id).unwrap_or(&entry.event_id).trim_start_matches('/');
        let keys =
            json!({"pk": {"S": format!("CASE#{}", entry.case_id)}, "sk": {"S": format!("ENTRY#{place}")}});
        let mut image = keys.clone();
        image["event_id"] = json!({"S": entry.event_id});
        image["seq"] = json!({"N": row.seq.to_string()});
        image["leaf"] = json!({"B": BASE64_STANDARD.encode(&row.leaf)});
        image["evidence"] = json!({"S": row.evidence});
        json!({
            "eventID": entry.event_id, "eventVersion": "1.1", "eventName": "INSERT", "awsRegion": "local",
            "eventSource": "aws:dynamodb", "eventSourceARN": "arn:aws:dynamodb:local:0:table/ledger/stream/0",
            "dynamodb": {"Keys": keys, "NewImage": image, "SizeBytes": 1, "SequenceNumber": row.seq.to_string(),
                "StreamViewType": "NEW_IMAGE", "ApproximateCreationDateTime": 0},
        })
    };
    json!({"Records": rows.iter().map(one).collect::<Vec<_>>()})
}
