//! The stream's records, cut down to what the ledger asks of them.

use aws_lambda_events::dynamodb::Event;
use serde_json::Value;

/// One change of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Partition key.
    pub pk: String,
    /// Sort key.
    pub sk: String,
    /// The record before, as it was stored; `None` where it was made.
    pub old: Option<String>,
    /// The record now; `None` where it was removed.
    pub new: Option<String>,
}

/// The records of a stream event, in its order.
pub fn records(event: &Event) -> Vec<Record> {
    let text = |item: &serde_dynamo::Item, name: &str| match item.get(name) {
        Some(serde_dynamo::AttributeValue::S(text)) => Some(text.clone()),
        _ => None,
    };
    let one = |record: &aws_lambda_events::dynamodb::EventRecord| {
        let change = &record.change;
        Record {
            pk: text(&change.keys, "pk").unwrap_or_default(),
            sk: text(&change.keys, "sk").unwrap_or_default(),
            old: text(&change.old_image, "doc"),
            new: text(&change.new_image, "doc"),
        }
    };
    event.records.iter().map(one).collect()
}

/// The stream event of some records, as DynamoDB would send it; for replaying what was set aside.
pub fn event_of(records: &[Record]) -> Value {
    let image = |doc: &Option<String>| match doc {
        Some(doc) => serde_json::json!({"doc": {"S": doc}}),
        None => serde_json::json!({}),
    };
    let one = |record: &Record| {
        serde_json::json!({
            "eventID": record.pk, "eventVersion": "1.1", "eventName": "MODIFY", "awsRegion": "local",
            "eventSource": "aws:dynamodb", "eventSourceARN": "arn:aws:dynamodb:local:0:table/cases/stream/0",
            "dynamodb": {
                "Keys": {"pk": {"S": record.pk}, "sk": {"S": record.sk}},
                "OldImage": image(&record.old), "NewImage": image(&record.new), "SizeBytes": 1, "SequenceNumber": "1",
                "StreamViewType": "NEW_AND_OLD_IMAGES",
                "ApproximateCreationDateTime": 0,
            },
        })
    };
    serde_json::json!({"Records": records.iter().map(one).collect::<Vec<_>>()})
}
