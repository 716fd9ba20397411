//! What the evidence needs beside the cases, on DynamoDB: a day's events and cases by the `list` index, counted days, exports.

use crate::{
    cases::{DynamoCases, attribute},
    item::{self, Item, Key, SHARDS, cases_shard, decode, events_shard},
};
use async_trait::async_trait;
use futures_util::future::try_join_all;
use jiff::civil::Date;
use leaver_domain::{
    case::Finding,
    export::Export,
    id::CaseId,
    population::Population,
    ports::{EventMark, EvidenceStore, StoreError},
};
use std::collections::BTreeSet;

/// Most items read at once: DynamoDB's own limit.
const CHUNK: usize = 100;

impl DynamoCases {
    /// The records behind the keys that an index gave.
    async fn records(&self, keys: &[Item]) -> Result<Vec<Item>, StoreError> {
        let mut all = Vec::new();
        for chunk in keys.chunks(CHUNK) {
            let key = |item: &Item| Key { pk: attribute(item, "pk"), sk: attribute(item, "sk") }.attributes();
            all.extend(self.batch(chunk.iter().map(key).collect()).await?);
        }
        Ok(all)
    }
}

#[async_trait]
impl EvidenceStore for DynamoCases {
    async fn events_of(&self, day: Date) -> Result<Vec<EventMark>, StoreError> {
        let shards = (0..SHARDS).map(|shard| self.all_listed(events_shard(day, shard), ""));
        let keys: Vec<Item> = try_join_all(shards).await?.into_iter().flatten().collect();
        self.records(&keys).await?.iter().map(decode).collect()
    }

    async fn cases_of(&self, day: Date) -> Result<BTreeSet<CaseId>, StoreError> {
        let day = day.to_string();
        let shards = (0..SHARDS).map(|shard| self.all_listed(cases_shard(shard), &day));
        let keys: Vec<Item> = try_join_all(shards).await?.into_iter().flatten().collect();
        let id = |item: &Item| {
            let pk = attribute(item, "pk");
            let id = pk.strip_prefix("CASE#").and_then(|id| id.parse().ok());
            id.ok_or_else(|| StoreError::Corrupt(format!("`{pk}` is listed as a case")))
        };
        keys.iter().map(id).collect()
    }

    async fn findings_of(&self, day: Date, kinds: &[&str]) -> Result<usize, StoreError> {
        let keys = self.all_listed("FINDINGS".to_owned(), &day.to_string()).await?;
        let findings: Vec<Finding> =
            self.records(&keys).await?.iter().map(decode).collect::<Result<_, _>>()?;
        Ok(findings.iter().filter(|finding| kinds.contains(&finding.kind.as_str())).count())
    }

    async fn population(&self, day: Date) -> Result<Option<Population>, StoreError> {
        self.read(&Key::population(day)).await
    }

    async fn keep_population(&self, record: &Population) -> Result<(), StoreError> {
        self.put_once(item::of_population(record)?).await
    }

    async fn export(&self, id: &str) -> Result<Option<Export>, StoreError> {
        self.read(&Key::export(id)).await
    }

    async fn put_export(&self, record: &Export) -> Result<(), StoreError> {
        self.put(item::of_export(record)?, record.version).await
    }
}
