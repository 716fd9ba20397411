//! The ledger's store on DynamoDB.
//!
//! A batch is one transaction: the head under compare-and-swap, a row of the walk, and one item per entry whose key is
//! the event's identity. The keys give exact dedupe, the head excludes gaps and forks.

use crate::{
    cases::trouble,
    connect::Aws,
    item::{Item, number, text},
    meter::Meter,
};
use async_trait::async_trait;
use aws_sdk_dynamodb::{
    Client,
    operation::transact_write_items::TransactWriteItemsError,
    primitives::Blob,
    types::{
        AttributeValue, KeysAndAttributes, Put, ReturnConsumedCapacity::Total,
        ReturnValuesOnConditionCheckFailure, TransactWriteItem,
    },
};
use leaver_domain::{
    digest::Digest,
    ledger::{Draft, Head, leaf_hash},
    ports::{Appended, Batch, LedgerStore, Located, Present, Row, StoreError},
};

/// One batch, as the walk has it.
struct Walked {
    /// The place of its first entry.
    first: u64,
    /// The keys of its entries, in their order.
    keys: Vec<Item>,
}

/// How many places one partition of the walk covers.
const SPAN: u64 = 4_096;

/// The ledger table.
#[derive(Debug, Clone)]
pub struct DynamoLedger {
    client: Client,
    table: String,
    origin: String,
    meter: Meter,
}

fn built<T>(result: Result<T, aws_sdk_dynamodb::error::BuildError>) -> Result<T, StoreError> {
    result.map_err(|error| StoreError::Corrupt(error.to_string()))
}

fn string(item: &Item, name: &str) -> Result<String, StoreError> {
    let missing = || StoreError::Corrupt(format!("a ledger item has no `{name}`"));
    item.get(name).and_then(|value| value.as_s().ok()).cloned().ok_or_else(missing)
}

fn integer(item: &Item, name: &str) -> Result<u64, StoreError> {
    let missing = || StoreError::Corrupt(format!("a ledger item has no number `{name}`"));
    item.get(name).and_then(|value| value.as_n().ok()).and_then(|text| text.parse().ok()).ok_or_else(missing)
}

/// The key of an entry: its case as the partition, the rest of its identity as the sort key.
fn entry_key(draft: &Draft) -> Item {
    let rest = draft.event_id.strip_prefix(&draft.case_id).unwrap_or(&draft.event_id);
    [
        ("pk".to_owned(), text(format!("CASE#{}", draft.case_id))),
        ("sk".to_owned(), text(format!("ENTRY#{}", rest.trim_start_matches('/')))),
    ]
    .into()
}

fn walked(item: &Item) -> Result<Walked, StoreError> {
    let corrupt = || StoreError::Corrupt("a batch of the ledger has no place, or no keys".to_owned());
    let first = string(item, "sk")?.parse().map_err(|_| corrupt())?;
    let listed = item.get("keys").and_then(|keys| keys.as_l().ok()).ok_or_else(corrupt)?;
    let keys: Vec<Item> = listed.iter().filter_map(|key| key.as_m().ok()).cloned().collect();
    if keys.is_empty() || keys.len() != listed.len() {
        return Err(corrupt());
    }
    Ok(Walked { first, keys })
}

impl DynamoLedger {
    /// The table of this name, holding the log of this origin.
    pub fn new(aws: &Aws, table: &str, origin: &str) -> Self {
        Self {
            client: aws.dynamodb(),
            table: table.to_owned(),
            origin: origin.to_owned(),
            meter: aws.meter(),
        }
    }

    /// Opens the connection with a read that the role may do. Whatever comes of it, the caller goes on.
    pub async fn warm(&self) {
        let _ = self.head().await;
    }

    fn head_key(&self) -> Item {
        [("pk".to_owned(), text(format!("HEAD#{}", self.origin))), ("sk".to_owned(), text("HEAD"))].into()
    }

    fn checkpoint_key(&self) -> Item {
        [("pk".to_owned(), text(format!("CHECKPOINT#{}", self.origin))), ("sk".to_owned(), text("LATEST"))]
            .into()
    }

    fn walk_pk(&self, seq: u64) -> String {
        format!("WALK#{}#{:012}", self.origin, seq / SPAN)
    }

    fn head_write(&self, batch: &Batch) -> Result<TransactWriteItem, StoreError> {
        let doc =
            serde_json::to_string(&batch.head).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let mut item = self.head_key();
        item.insert("version".into(), number(batch.head.version));
        item.insert("last".into(), text(batch.head.last.to_string()));
        item.insert("doc".into(), text(doc));
        let put = Put::builder().table_name(&self.table).set_item(Some(item));
        let put = match batch.on {
            0 => put.condition_expression("attribute_not_exists(pk)"),
            on => put
                .condition_expression("version = :on AND #last = :after")
                .expression_attribute_names("#last", "last")
                .expression_attribute_values(":on", number(on))
                .expression_attribute_values(":after", text(batch.after.to_string())),
        };
        Ok(TransactWriteItem::builder().put(built(put.build())?).build())
    }

    fn walk_write(&self, batch: &Batch) -> Result<Option<TransactWriteItem>, StoreError> {
        let Some((_, first)) = batch.rows.first() else { return Ok(None) };
        let keys = batch.rows.iter().map(|(draft, _)| AttributeValue::M(entry_key(draft))).collect();
        let item: Item = [
            ("pk".to_owned(), text(self.walk_pk(first.seq))),
            ("sk".to_owned(), text(format!("{:020}", first.seq))),
            ("keys".to_owned(), AttributeValue::L(keys)),
        ]
        .into();
        let put = Put::builder().table_name(&self.table).set_item(Some(item));
        let put = built(put.condition_expression("attribute_not_exists(pk)").build())?;
        Ok(Some(TransactWriteItem::builder().put(put).build()))
    }

    fn entry_write(&self, draft: &Draft, row: &Row) -> Result<TransactWriteItem, StoreError> {
        let mut item = entry_key(draft);
        item.insert("event_id".into(), text(&draft.event_id));
        item.insert("seq".into(), number(row.seq));
        item.insert("leaf".into(), AttributeValue::B(Blob::new(row.leaf.clone())));
        item.insert("evidence".into(), text(&row.evidence));
        item.insert("content".into(), text(draft.content().to_string()));
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        Ok(TransactWriteItem::builder().put(built(put.build())?).build())
    }

    async fn batch_get(&self, keys: Vec<Item>, fields: &str) -> Result<Vec<Item>, StoreError> {
        let mut all = Vec::new();
        for chunk in keys.chunks(100) {
            let mut wanted = chunk.to_vec();
            let mut rounds = 0;
            while !wanted.is_empty() {
                rounds += 1;
                if rounds > 10 {
                    return Err(StoreError::Unavailable(
                        "a page of the ledger did not come whole".to_owned(),
                    ));
                }
                let asked = KeysAndAttributes::builder()
                    .set_keys(Some(std::mem::take(&mut wanted)))
                    .consistent_read(true)
                    .projection_expression(fields);
                let get = self.client.batch_get_item().request_items(&self.table, built(asked.build())?);
                let get = get.return_consumed_capacity(Total);
                let mut answer = get.send().await.map_err(|error| trouble(&error))?;
                self.meter.read(answer.consumed_capacity());
                let found = answer.responses.as_mut().and_then(|all| all.remove(&self.table));
                all.extend(found.unwrap_or_default());
                let left = answer.unprocessed_keys.as_mut().and_then(|left| left.remove(&self.table));
                wanted = left.map(|left| left.keys).unwrap_or_default();
            }
        }
        Ok(all)
    }

    /// The batches that begin at a place or behind it, within that place's partition of the walk; and whether that may not be all
    /// of them yet.
    async fn walk(&self, from: u64, limit: usize) -> Result<(Vec<Walked>, bool), StoreError> {
        let query = self.client.query().table_name(&self.table).consistent_read(true);
        let query = query
            .key_condition_expression("pk = :pk AND sk >= :from")
            .expression_attribute_values(":pk", text(self.walk_pk(from)))
            .expression_attribute_values(":from", text(format!("{from:020}")))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX));
        let answer = query.return_consumed_capacity(Total).send().await.map_err(|error| trouble(&error))?;
        self.meter.read(&answer.consumed_capacity);
        let more = answer.last_evaluated_key.is_some();
        Ok((answer.items.unwrap_or_default().iter().map(walked).collect::<Result<_, _>>()?, more))
    }

    /// The keys of the entries from the batch that begins at a place, until there are so many or no more. Batches follow each other
    /// without a gap, so that the place behind one is where the next begins.
    async fn keys_from(&self, start: u64, wanted: usize) -> Result<Vec<Item>, StoreError> {
        let (mut keys, mut place) = (Vec::new(), start);
        while keys.len() < wanted {
            let (batches, more) = self.walk(place, wanted - keys.len()).await?;
            let partition = self.walk_pk(place);
            for batch in batches {
                if batch.first != place {
                    return Err(StoreError::Corrupt(format!("no batch of the ledger begins at {place}")));
                }
                place += batch.keys.len() as u64;
                keys.extend(batch.keys);
            }
            if !more && self.walk_pk(place) == partition {
                break;
            }
        }
        Ok(keys)
    }

    /// The first place of the batch that holds this one.
    async fn batch_start(&self, place: u64) -> Result<Option<u64>, StoreError> {
        for span in [Some(place / SPAN), (place / SPAN).checked_sub(1)].into_iter().flatten() {
            let query = self.client.query().table_name(&self.table).consistent_read(true);
            let query = query
                .key_condition_expression("pk = :pk AND sk <= :place")
                .expression_attribute_values(":pk", text(format!("WALK#{}#{span:012}", self.origin)))
                .expression_attribute_values(":place", text(format!("{place:020}")))
                .scan_index_forward(false)
                .limit(1);
            let answer =
                query.return_consumed_capacity(Total).send().await.map_err(|error| trouble(&error))?;
            self.meter.read(&answer.consumed_capacity);
            if let Some(item) = answer.items.unwrap_or_default().first() {
                return Ok(string(item, "sk")?.parse().ok());
            }
        }
        Ok(None)
    }
}

#[async_trait]
impl LedgerStore for DynamoLedger {
    async fn head(&self) -> Result<Head, StoreError> {
        let get = self.client.get_item().table_name(&self.table).consistent_read(true);
        let get = get.set_key(Some(self.head_key())).return_consumed_capacity(Total);
        let answer = get.send().await.map_err(|error| trouble(&error))?;
        self.meter.read(&answer.consumed_capacity);
        let Some(item) = answer.item else { return Ok(Head::empty(&self.origin)) };
        let head: Head = serde_json::from_str(&string(&item, "doc")?)
            .map_err(|error| StoreError::Corrupt(error.to_string()))?;
        if !head.tree.is_sound() {
            return Err(StoreError::Corrupt("the ledger's head does not fit its size".to_owned()));
        }
        Ok(head)
    }

    async fn present(&self, drafts: &[Draft]) -> Result<Vec<Present>, StoreError> {
        let items = self.batch_get(drafts.iter().map(entry_key).collect(), "event_id, content").await?;
        items.iter().map(present).collect()
    }

    async fn append(&self, batch: &Batch) -> Result<Appended, StoreError> {
        let mut writes = vec![self.head_write(batch)?];
        writes.extend(self.walk_write(batch)?);
        let entries_from = writes.len();
        for (draft, row) in &batch.rows {
            writes.push(self.entry_write(draft, row)?);
        }
        // The same batch gives the same token, so that a repeat after a lost answer is not a second batch.
        let token = batch.head.last.to_string();
        let sent = self.client.transact_write_items().client_request_token(&token[..36]);
        let sent = sent.set_transact_items(Some(writes)).return_consumed_capacity(Total);
        let error = match sent.send().await {
            Ok(answer) => {
                self.meter.write(answer.consumed_capacity());
                return Ok(Appended::Done);
            }
            Err(error) => error,
        };
        let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error()
        else {
            return Err(trouble(&error));
        };
        let mut there = Vec::new();
        for reason in cancelled.cancellation_reasons().iter().skip(entries_from) {
            if let Some(item) = reason.item() {
                there.push(present(item)?);
            }
        }
        Ok(if there.is_empty() { Appended::HeadMoved } else { Appended::Present(there) })
    }

    async fn rows(&self, from: u64, limit: usize) -> Result<Vec<Row>, StoreError> {
        let limit = limit.clamp(1, 1_000);
        let Some(start) = self.batch_start(from).await? else { return Ok(Vec::new()) };
        let wanted = limit + usize::try_from(from - start).unwrap_or(0);
        let keys = self.keys_from(start, wanted).await?;
        let items = self.batch_get(keys, "seq, leaf, evidence").await?;
        let mut rows: Vec<Row> = items.iter().map(row).collect::<Result<_, _>>()?;
        rows.sort_by_key(|row| row.seq);
        rows.retain(|row| row.seq >= from);
        rows.truncate(limit);
        Ok(rows)
    }

    async fn locate(&self, drafts: &[Draft]) -> Result<Vec<Located>, StoreError> {
        let items = self.batch_get(drafts.iter().map(entry_key).collect(), "event_id, seq, leaf").await?;
        items.iter().map(located).collect()
    }

    async fn places_of(&self, case: &str) -> Result<Vec<u64>, StoreError> {
        let query = self.client.query().table_name(&self.table).consistent_read(true);
        let query = query
            .key_condition_expression("pk = :pk AND begins_with(sk, :entries)")
            .expression_attribute_values(":pk", text(format!("CASE#{case}")))
            .expression_attribute_values(":entries", text("ENTRY#"))
            .projection_expression("seq");
        let mut pages = query.return_consumed_capacity(Total).into_paginator().send();
        let mut places = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| trouble(&error))?;
            self.meter.read(&page.consumed_capacity);
            for item in page.items.unwrap_or_default() {
                places.push(integer(&item, "seq")?);
            }
        }
        Ok(places)
    }

    async fn checkpoint(&self) -> Result<Option<String>, StoreError> {
        let get = self.client.get_item().table_name(&self.table).consistent_read(true);
        let get = get.set_key(Some(self.checkpoint_key())).return_consumed_capacity(Total);
        let answer = get.send().await.map_err(|error| trouble(&error))?;
        self.meter.read(&answer.consumed_capacity);
        answer.item.map(|item| string(&item, "note")).transpose()
    }

    async fn keep_checkpoint(&self, size: u64, note: &str) -> Result<(), StoreError> {
        let mut item = self.checkpoint_key();
        item.insert("size".into(), number(size));
        item.insert("note".into(), text(note));
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        let put = put
            .condition_expression("attribute_not_exists(pk) OR #size < :size")
            .expression_attribute_names("#size", "size")
            .expression_attribute_values(":size", number(size));
        match put.return_consumed_capacity(Total).send().await {
            Ok(answer) => {
                self.meter.write(&answer.consumed_capacity);
                Ok(())
            }
            // Another publisher was there first, with at least as much.
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|error| error.is_conditional_check_failed_exception()) =>
            {
                Ok(())
            }
            Err(error) => Err(trouble(&error)),
        }
    }
}

fn present(item: &Item) -> Result<Present, StoreError> {
    let content: Digest =
        string(item, "content")?.parse().map_err(|_| StoreError::Corrupt("a content digest".to_owned()))?;
    Ok(Present { event_id: string(item, "event_id")?, content })
}

fn located(item: &Item) -> Result<Located, StoreError> {
    let (seq, leaf) = (integer(item, "seq")?, leaf(item)?);
    Ok(Located { event_id: string(item, "event_id")?, seq, hash: leaf_hash(&leaf) })
}

fn leaf(item: &Item) -> Result<Vec<u8>, StoreError> {
    let leaf = item.get("leaf").and_then(|leaf| leaf.as_b().ok()).cloned();
    leaf.map(Blob::into_inner).ok_or_else(|| StoreError::Corrupt("a ledger item has no `leaf`".to_owned()))
}

fn row(item: &Item) -> Result<Row, StoreError> {
    Ok(Row { seq: integer(item, "seq")?, leaf: leaf(item)?, evidence: string(item, "evidence")? })
}
