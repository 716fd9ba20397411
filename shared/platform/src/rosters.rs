//! Rosters and orphans on DynamoDB: each system has a partition for the parts of its newest roster, and one for its orphans.

use crate::{
    cases::{DynamoCases, attribute, trouble},
    item::{self, Item, Key, SHARDS, decode, people_shard},
};
use async_trait::async_trait;
use aws_sdk_dynamodb::types::ReturnConsumedCapacity::Total;
use futures_util::future::try_join_all;
use leaver_domain::{
    id::SystemId,
    orphans::{Orphan, OrphanId},
    person::Person,
    ports::StoreError,
    roster::{Part, RosterStore},
};

/// Most items of one batch of reads.
const BATCH: usize = 100;

impl DynamoCases {
    /// The keys of everybody in one shard who has not left.
    async fn here(&self, shard: u32) -> Result<Vec<Item>, StoreError> {
        let query = self.client.query().table_name(&self.table).index_name("due");
        let query = query
            .key_condition_expression("due_pk = :pk")
            .expression_attribute_values(":pk", item::text(people_shard(shard)));
        let mut pages = query.return_consumed_capacity(Total).into_paginator().send();
        let mut keys = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| trouble(&error))?;
            self.meter.read(&page.consumed_capacity);
            let key = |item: &Item| Key { pk: attribute(item, "pk"), sk: attribute(item, "sk") }.attributes();
            keys.extend(page.items.unwrap_or_default().iter().map(key));
        }
        Ok(keys)
    }

    /// The keys of everybody who has not left.
    async fn all_here(&self) -> Result<Vec<Item>, StoreError> {
        let shards = try_join_all((0..SHARDS).map(|shard| self.here(shard))).await?;
        Ok(shards.into_iter().flatten().collect())
    }

    /// Those of an e-mail address who have not left. No more people than one batch of reads brings are held at once.
    pub(crate) async fn of_address(&self, email: &str) -> Result<Vec<Person>, StoreError> {
        let mut people = Vec::new();
        for keys in self.all_here().await?.chunks(BATCH) {
            for item in self.batch(keys.to_vec()).await? {
                let person: Person = decode(&item)?;
                if item::is_here(&person) && person.email.eq_ignore_ascii_case(email) {
                    people.push(person);
                }
            }
        }
        Ok(people)
    }
}

#[async_trait]
impl RosterStore for DynamoCases {
    async fn parts(&self, system: &SystemId) -> Result<Vec<Part>, StoreError> {
        self.under(&Key::part(system, 0).pk, "PART#").await?.iter().map(decode).collect()
    }

    async fn keep_part(&self, part: &Part) -> Result<(), StoreError> {
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item::of_part(part)?));
        let answer = put.return_consumed_capacity(Total).send().await.map_err(|error| trouble(&error))?;
        self.meter.write(&answer.consumed_capacity);
        Ok(())
    }

    async fn people(&self) -> Result<Vec<Person>, StoreError> {
        let mut people = Vec::new();
        for keys in self.all_here().await?.chunks(BATCH) {
            let items = self.batch(keys.to_vec()).await?;
            let read: Vec<Person> = items.iter().map(decode).collect::<Result<_, _>>()?;
            people.extend(read.into_iter().filter(item::is_here));
        }
        people.sort_by(|one: &Person, other: &Person| one.username.cmp(&other.username));
        Ok(people)
    }

    async fn orphan(&self, id: &OrphanId) -> Result<Option<Orphan>, StoreError> {
        match id.system() {
            Some(system) => self.read(&Key::orphan(&system, id)).await,
            None => Ok(None),
        }
    }

    async fn orphans(&self, system: &SystemId) -> Result<Vec<Orphan>, StoreError> {
        self.under(&item::orphans_of(system), "ORPHAN#").await?.iter().map(decode).collect()
    }
}
