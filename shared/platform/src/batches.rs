//! Batches in the case table: their lines in parts, and many people at a time.

use crate::{
    cases::{DynamoCases, attribute, only_keys},
    item::{self, Item, Key, decode},
};
use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use leaver_domain::{
    batch::{Batch, Line},
    digest::Digest,
    id::{BatchId, Username},
    person::Person,
    ports::{BatchPage, StoreError},
};

/// Most bytes of one part; an item may have 400 KB.
const PART: usize = 300_000;
/// Most items that DynamoDB gives at a time, and how many such requests are under way at once.
const ITEMS: usize = 100;
const AT_ONCE: usize = 8;

fn corrupt(why: impl ToString) -> StoreError {
    StoreError::Corrupt(why.to_string())
}

impl DynamoCases {
    pub(crate) async fn known_people(&self, usernames: &[Username]) -> Result<Vec<Person>, StoreError> {
        let keys = |some: &[Username]| some.iter().map(|one| Key::person(one).attributes()).collect();
        let some: Vec<Vec<Item>> = usernames.chunks(ITEMS).map(keys).collect();
        let asked = stream::iter(some).map(|keys| self.batch(keys));
        let pages: Vec<Vec<Item>> = asked.buffer_unordered(AT_ONCE).try_collect().await?;
        pages.iter().flatten().map(decode).collect()
    }

    pub(crate) async fn put_lines(
        &self,
        batch: &BatchId,
        digest: &Digest,
        lines: &[Line],
    ) -> Result<(), StoreError> {
        let doc = serde_json::to_vec(lines).map_err(corrupt)?;
        let parts: Vec<&[u8]> = doc.chunks(PART).collect();
        for (number, part) in parts.iter().enumerate() {
            let mut item = Key::lines(batch, digest, number).attributes();
            item.insert("part".into(), AttributeValue::B((*part).into()));
            item.insert("parts".into(), item::number(parts.len() as u64));
            self.put_once(item).await?;
        }
        Ok(())
    }

    pub(crate) async fn lines_of(&self, batch: &Batch) -> Result<Vec<Line>, StoreError> {
        let pk = Key::batch(&batch.batch_id).pk;
        let items = self.under(&pk, &item::lines_prefix(&batch.lines)).await?;
        let parts = items.first().and_then(|first| first.get("parts")?.as_n().ok()?.parse().ok());
        if parts != Some(items.len()) {
            return Err(corrupt(format!("{} does not have all its lines", batch.batch_id)));
        }
        let part = |item: &Item| item.get("part").and_then(|part| part.as_b().ok().cloned());
        let parts: Vec<_> = items.iter().filter_map(part).collect();
        let doc = parts.iter().map(AsRef::as_ref).collect::<Vec<&[u8]>>().concat();
        serde_json::from_slice(&doc).map_err(corrupt)
    }

    pub(crate) async fn page_of_batches(
        &self,
        from: Option<&str>,
        limit: usize,
    ) -> Result<BatchPage, StoreError> {
        let limit = limit.clamp(1, ITEMS);
        let mut keys = self.listed(item::BATCHES.to_owned(), from, limit + 1).await?;
        let last = limit.checked_sub(1).and_then(|last| keys.get(last));
        let next = last.filter(|_| keys.len() > limit).map(|item| attribute(item, "list_sk"));
        keys.truncate(limit);
        let items = self.batch(keys.iter().map(only_keys).collect()).await?;
        let mut batches: Vec<Batch> = items.iter().map(decode).collect::<Result<_, _>>()?;
        batches.sort_by_key(|batch| std::cmp::Reverse(item::batch_place(batch)));
        Ok(BatchPage { batches, next })
    }
}
