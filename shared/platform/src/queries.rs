//! How the case table is asked for many items: by partition, by index, in batches.

use crate::{
    cases::{DynamoCases, attribute, built, only_keys, trouble},
    item::{self, Item, Key, SHARDS, decode, text},
};
use aws_sdk_dynamodb::types::{KeysAndAttributes, ReturnConsumedCapacity::Total, Select};
use futures_util::{StreamExt as _, TryStreamExt as _, future::try_join_all, stream};
use leaver_domain::{
    case::{CaseRecord, CaseStatus},
    id::{CaseId, Username},
    ports::{CasePage, StoreError},
    time::Timestamp,
};
use std::str::FromStr;

/// Most items of one page, and how many cases are read at once.
const PAGE: usize = 100;
const AT_ONCE: usize = 8;

impl DynamoCases {
    /// All items under a partition key whose sort key begins with a prefix.
    pub(crate) async fn under(&self, pk: &str, prefix: &str) -> Result<Vec<Item>, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", text(pk))
            .expression_attribute_values(":prefix", text(prefix))
            .return_consumed_capacity(Total);
        let mut pages = query.into_paginator().send();
        let mut all = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| trouble(&error))?;
            self.meter.read(&page.consumed_capacity);
            all.extend(page.items.unwrap_or_default());
        }
        Ok(all)
    }

    /// Sort keys and primary keys of one partition of the `list` index, newest first.
    pub(crate) async fn listed(
        &self,
        pk: String,
        from: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Item>, StoreError> {
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let query = self.client.query().table_name(&self.table).index_name("list").scan_index_forward(false);
        let query = query.limit(limit).expression_attribute_values(":pk", text(pk));
        let query = match from {
            None => query.key_condition_expression("list_pk = :pk"),
            Some(from) => query
                .key_condition_expression("list_pk = :pk AND list_sk < :from")
                .expression_attribute_values(":from", text(from)),
        };
        let answer = query.return_consumed_capacity(Total).send().await.map_err(|error| trouble(&error))?;
        self.meter.read(&answer.consumed_capacity);
        Ok(answer.items.unwrap_or_default())
    }

    /// What stands in one group of the `due` index, over all its shards, and whose instant has come, the earliest first.
    pub(crate) async fn waiting<T: FromStr>(
        &self,
        (group, prefix): (fn(u32) -> String, &str),
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<T>, StoreError> {
        self.waiting_in("due", (group, prefix), now, limit).await
    }

    /// The same, of any index that lists by instants.
    pub(crate) async fn waiting_in<T: FromStr>(
        &self,
        index: &str,
        (group, prefix): (fn(u32) -> String, &str),
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<T>, StoreError> {
        let query = |shard| self.listed_by(index, group(shard), Some(now), limit);
        let mut items: Vec<Item> =
            try_join_all((0..SHARDS).map(query)).await?.into_iter().flatten().collect();
        let place = format!("{index}_sk");
        items.sort_by_key(|item| attribute(item, &place));
        let id = |item: &Item| attribute(item, "pk").strip_prefix(prefix).and_then(|id| id.parse().ok());
        Ok(items.iter().filter_map(id).take(limit).collect())
    }

    /// Keys of one group of the `due` index, the earliest first; up to an instant, where one is given.
    pub(crate) async fn due_by(
        &self,
        group: String,
        until: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<Item>, StoreError> {
        self.listed_by("due", group, until, limit).await
    }

    /// The same of another index, whose keys are named after it.
    pub(crate) async fn listed_by(
        &self,
        index: &str,
        group: String,
        until: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<Item>, StoreError> {
        let query = self.client.query().table_name(&self.table).index_name(index);
        let query = query.expression_attribute_values(":pk", text(group));
        let query = match until {
            None => query.key_condition_expression(format!("{index}_pk = :pk")),
            Some(until) => query
                .key_condition_expression(format!("{index}_pk = :pk AND {index}_sk <= :until"))
                .expression_attribute_values(":until", text(until.to_string())),
        };
        let query = query.limit(i32::try_from(limit).unwrap_or(i32::MAX)).return_consumed_capacity(Total);
        let answer = query.send().await.map_err(|error| trouble(&error))?;
        self.meter.read(&answer.consumed_capacity);
        Ok(answer.items.unwrap_or_default())
    }

    /// Keys of one group of the `due` index behind a place, the earliest first.
    async fn due_behind(&self, group: String, place: &str, limit: usize) -> Result<Vec<Item>, StoreError> {
        let query = self.client.query().table_name(&self.table).index_name("due");
        let query = query
            .key_condition_expression("due_pk = :pk AND due_sk > :place")
            .expression_attribute_values(":pk", text(group))
            .expression_attribute_values(":place", text(place));
        let query = query.limit(i32::try_from(limit).unwrap_or(i32::MAX)).return_consumed_capacity(Total);
        let answer = query.send().await.map_err(|error| trouble(&error))?;
        self.meter.read(&answer.consumed_capacity);
        Ok(answer.items.unwrap_or_default())
    }

    /// A page of the recorded cases whose time has not come.
    pub(crate) async fn page_of_scheduled(
        &self,
        now: Timestamp,
        from: Option<&str>,
        limit: usize,
    ) -> Result<CasePage, StoreError> {
        let limit = limit.clamp(1, PAGE);
        let begin = now.to_string();
        let place = from.filter(|from| *from > begin.as_str()).unwrap_or(&begin);
        let shards = (0..SHARDS).map(|shard| self.due_behind(item::start_shard(shard), place, limit + 1));
        let mut keys: Vec<Item> = try_join_all(shards).await?.into_iter().flatten().collect();
        keys.sort_by_key(|item| attribute(item, "due_sk"));
        let last = limit.checked_sub(1).and_then(|last| keys.get(last));
        let next = last.filter(|_| keys.len() > limit).map(|item| attribute(item, "due_sk"));
        keys.truncate(limit);
        let items = self.batch(keys.iter().map(only_keys).collect()).await?;
        let mut cases: Vec<CaseRecord> = items.iter().map(decode).collect::<Result<_, _>>()?;
        // The index may be a moment behind the record, and stands a moment behind the case's time.
        cases.retain(|case| case.status == CaseStatus::Recorded && case.effective_at > now);
        item::by_time(&mut cases);
        Ok(CasePage { cases, next })
    }

    /// The newest cases about a person.
    pub(crate) async fn newest_about(
        &self,
        person: &Username,
        limit: usize,
    ) -> Result<Vec<CaseRecord>, StoreError> {
        let limit = i32::try_from(limit.clamp(1, PAGE)).unwrap_or(i32::MAX);
        let query = self.client.query().table_name(&self.table).consistent_read(true);
        let query = query
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(item::cases_of(person)))
            .scan_index_forward(false)
            .limit(limit)
            .return_consumed_capacity(Total);
        let answer = query.send().await.map_err(|error| trouble(&error))?;
        self.meter.read(&answer.consumed_capacity);
        let id = |item: &Item| attribute(item, "sk").rsplit('#').next()?.parse().ok();
        let ids: Vec<CaseId> = answer.items.unwrap_or_default().iter().filter_map(id).collect();
        let read = stream::iter(ids).map(|id| async move { self.read(&Key::case(&id)).await });
        let found: Vec<Option<CaseRecord>> = read.buffered(AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Keys of one partition of the `list` index whose sort key begins with a prefix, all of them.
    pub(crate) async fn all_listed(&self, pk: String, prefix: &str) -> Result<Vec<Item>, StoreError> {
        let query = self.client.query().table_name(&self.table).index_name("list");
        let query = query.expression_attribute_values(":pk", text(pk));
        let query = match prefix {
            "" => query.key_condition_expression("list_pk = :pk"),
            prefix => query
                .key_condition_expression("list_pk = :pk AND begins_with(list_sk, :prefix)")
                .expression_attribute_values(":prefix", text(prefix)),
        };
        let mut pages = query.return_consumed_capacity(Total).into_paginator().send();
        let mut all = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| trouble(&error))?;
            self.meter.read(&page.consumed_capacity);
            all.extend(page.items.unwrap_or_default());
        }
        Ok(all)
    }

    /// How many people one shard lists.
    pub(crate) async fn counted(&self, shard: u32) -> Result<u64, StoreError> {
        let query = self.client.query().table_name(&self.table).index_name("due").select(Select::Count);
        let query = query
            .key_condition_expression("due_pk = :pk")
            .expression_attribute_values(":pk", text(item::people_shard(shard)));
        let mut pages = query.return_consumed_capacity(Total).into_paginator().send();
        let mut count = 0;
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| trouble(&error))?;
            self.meter.read(&page.consumed_capacity);
            count += u64::try_from(page.count).unwrap_or(0);
        }
        Ok(count)
    }

    pub(crate) async fn batch(&self, keys: Vec<Item>) -> Result<Vec<Item>, StoreError> {
        let mut all = Vec::new();
        let mut wanted = (!keys.is_empty()).then_some(keys);
        // DynamoDB may answer a part and name the rest; a handful of rounds is plenty for one page.
        for _ in 0..8 {
            let Some(keys) = wanted.take() else { return Ok(all) };
            let asked = built(KeysAndAttributes::builder().set_keys(Some(keys)).build())?;
            let get = self.client.batch_get_item().request_items(&self.table, asked);
            let answer = get.return_consumed_capacity(Total).send().await;
            let mut answer = answer.map_err(|error| trouble(&error))?;
            self.meter.read(answer.consumed_capacity());
            all.extend(answer.responses.as_mut().and_then(|all| all.remove(&self.table)).unwrap_or_default());
            let left = answer.unprocessed_keys.as_mut().and_then(|left| left.remove(&self.table));
            wanted = left.map(|left| left.keys).filter(|keys| !keys.is_empty());
        }
        Err(StoreError::Unavailable("a page of cases did not come whole".to_owned()))
    }
}
