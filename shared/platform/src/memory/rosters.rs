//! Rosters and orphans in memory.

use super::{MemoryCases, lock, parse, print};
use crate::item;
use async_trait::async_trait;
use leaver_domain::{
    id::SystemId,
    orphans::{Orphan, OrphanId},
    person::Person,
    ports::StoreError,
    roster::{Part, RosterStore},
};
use serde::de::DeserializeOwned;

impl MemoryCases {
    fn under<T: DeserializeOwned>(&self, partition: &str) -> Result<Vec<T>, StoreError> {
        let table = lock(&self.0);
        let ours = table.items.iter().filter(|((pk, _), _)| pk == partition);
        ours.map(|(_, (_, doc))| parse(doc)).collect()
    }
}

#[async_trait]
impl RosterStore for MemoryCases {
    async fn parts(&self, system: &SystemId) -> Result<Vec<Part>, StoreError> {
        self.under(&item::Key::part(system, 0).pk)
    }
    async fn keep_part(&self, part: &Part) -> Result<(), StoreError> {
        lock(&self.0).put(item::Key::part(&part.system, part.number), 1, print(part)?);
        Ok(())
    }
    async fn people(&self) -> Result<Vec<Person>, StoreError> {
        let people: Vec<Person> = self.all("PERSON")?;
        Ok(people.into_iter().filter(item::is_here).collect())
    }
    async fn orphan(&self, id: &OrphanId) -> Result<Option<Orphan>, StoreError> {
        match id.system() {
            Some(system) => self.read(&item::Key::orphan(&system, id)),
            None => Ok(None),
        }
    }
    async fn orphans(&self, system: &SystemId) -> Result<Vec<Orphan>, StoreError> {
        self.under(&item::orphans_of(system))
    }
}
