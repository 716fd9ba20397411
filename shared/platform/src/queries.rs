//! How the case table is asked for many items: by partition, by index, in batches.

use crate::{
    cases::{DynamoCases, attribute, built, trouble},
    item::{self, Item, SHARDS, text},
};
use aws_sdk_dynamodb::types::{KeysAndAttributes, ReturnConsumedCapacity::Total, Select};
use futures_util::future::try_join_all;
use leaver_domain::{ports::StoreError, time::Timestamp};
use std::str::FromStr;

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

    async fn listed_by(
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
