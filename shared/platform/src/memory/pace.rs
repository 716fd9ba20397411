//! Lanes and meeting places in memory.

use async_trait::async_trait;
use leaver_domain::{
    gathering::Gathering,
    pace::{Budget, Call, Lane, Pacer},
    ports::StoreError,
    time::Timestamp,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
    time::Duration,
};

/// The lanes of a pace.
#[derive(Debug, Default)]
pub struct MemoryPace {
    lanes: Mutex<BTreeMap<String, Lane>>,
    present: Mutex<BTreeMap<String, BTreeSet<String>>>,
}

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
        let mut lanes = super::lock(&self.lanes);
        let lane = lanes.entry(format!("{system}#{}", budget.lane)).or_insert(Lane(now));
        Ok(lane.enter(budget, call, now, patience))
    }

    async fn hold(&self, system: &str, until: Timestamp) -> Result<(), StoreError> {
        let mut lanes = super::lock(&self.lanes);
        let lane = lanes.entry(system.to_owned()).or_insert(Lane(until));
        lane.0 = lane.0.max(until);
        Ok(())
    }

    async fn held(&self, system: &str, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        Ok(super::lock(&self.lanes).get(system).map(|lane| lane.0).filter(|until| *until > now))
    }
}

#[async_trait]
impl Gathering for MemoryPace {
    async fn come(&self, case: &str, who: &str, _: Timestamp) -> Result<BTreeSet<String>, StoreError> {
        let mut all = super::lock(&self.present);
        let present = all.entry(case.to_owned()).or_default();
        present.insert(who.to_owned());
        Ok(present.clone())
    }

    async fn present(&self, case: &str) -> Result<BTreeSet<String>, StoreError> {
        Ok(super::lock(&self.present).get(case).cloned().unwrap_or_default())
    }
}
