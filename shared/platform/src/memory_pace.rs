//! The lanes in memory.

use crate::memory::lock;
use async_trait::async_trait;
use leaver_domain::{
    pace::{Budget, Call, Lane, Pacer},
    ports::StoreError,
    time::Timestamp,
};
use std::{collections::BTreeMap, sync::Mutex, time::Duration};

/// The lanes of a pace.
#[derive(Debug, Default)]
pub struct MemoryPace(Mutex<BTreeMap<String, Lane>>);

#[async_trait]
impl Pacer for MemoryPace {
    async fn enter(
        &self,
        system: &str,
        budget: &Budget,
        call: Call,
        now: Timestamp,
        patience: Duration,
    ) -> Result<Option<Duration>, StoreError> {
        let mut lanes = lock(&self.0);
        let lane = lanes.entry(format!("{system}#{}", budget.lane)).or_insert(Lane(now));
        Ok(lane.enter(budget, call, now, patience))
    }

    async fn hold(&self, system: &str, until: Timestamp) -> Result<(), StoreError> {
        let mut lanes = lock(&self.0);
        let lane = lanes.entry(system.to_owned()).or_insert(Lane(until));
        lane.0 = lane.0.max(until);
        Ok(())
    }

    async fn held(&self, system: &str, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        Ok(lock(&self.0).get(system).map(|lane| lane.0).filter(|until| *until > now))
    }
}
