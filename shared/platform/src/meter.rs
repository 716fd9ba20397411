//! What a process has consumed of DynamoDB, as DynamoDB itself reports it with each answer.

use aws_sdk_dynamodb::types::ConsumedCapacity;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// Capacity units consumed since it was last taken; clones share it. Kept in tenths: the smallest unit is a half.
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<[AtomicU64; 2]>);

/// Capacity units.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Consumed {
    /// Read units.
    pub read: f64,
    /// Write units, transactional ones counted twice, as they are billed.
    pub write: f64,
}

fn tenths(units: f64) -> u64 {
    // Far below what an f64 holds exactly, and never negative.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few units per call")]
    let tenths = (units * 10.0).round() as u64;
    tenths
}

impl Meter {
    /// Adds what reads report.
    pub(crate) fn read<'a>(&self, reported: impl IntoIterator<Item = &'a ConsumedCapacity>) {
        self.add(0, reported);
    }

    /// Adds what writes report.
    pub(crate) fn write<'a>(&self, reported: impl IntoIterator<Item = &'a ConsumedCapacity>) {
        self.add(1, reported);
    }

    fn add<'a>(&self, which: usize, reported: impl IntoIterator<Item = &'a ConsumedCapacity>) {
        let units: u64 = reported.into_iter().filter_map(|one| one.capacity_units).map(tenths).sum();
        if let Some(counter) = self.0.get(which) {
            counter.fetch_add(units, Ordering::Relaxed);
        }
    }

    /// What was consumed since the last time; begins anew.
    pub fn take(&self) -> Consumed {
        let [read, write] =
            [0, 1].map(|which| self.0.get(which).map_or(0, |one| one.swap(0, Ordering::Relaxed)));
        #[expect(clippy::cast_precision_loss, reason = "a few thousand units at most")]
        let units = |tenths: u64| tenths as f64 / 10.0;
        Consumed { read: units(read), write: units(write) }
    }
}
