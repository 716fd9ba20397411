//! What a pack is about, beside the rows.

use leaver_domain::{digest::Digest, time::Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The half-open stretch of time that a pack is about, by the log's own `recorded_at`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Period {
    /// From here on.
    pub from: Timestamp,
    /// Up to here, this instant excluded.
    pub to: Timestamp,
}

impl Period {
    /// Whether an instant lies in it.
    pub fn holds(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.to
    }
}

/// The tree that the checkpoint signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// How many rows the log had.
    pub size: u64,
    /// The root over them.
    pub root: Digest,
}

/// Everything but the rows that the derived files follow from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// In which form the tables are; see [`crate::layout::FORM`].
    pub form: u32,
    /// Name of the log.
    pub log: String,
    /// Which cases the pack is about.
    pub period: Period,
    /// When the pack was made: what is not finished and due before then is late.
    pub generated_at: Timestamp,
    /// The checkpoint.
    pub checkpoint: Signed,
    /// The first row.
    pub first: u64,
    /// The policies, by digest, as canonical JSON.
    pub policies: BTreeMap<Digest, String>,
}

impl Context {
    /// Within how many seconds a termination must be finished, by each policy that says so.
    pub fn limits(&self) -> BTreeMap<Digest, u64> {
        let limit = |(digest, text): (&Digest, &String)| {
            let policy: Value = serde_json::from_str(text).ok()?;
            Some((*digest, policy.pointer("/timing/termination_seconds")?.as_u64()?))
        };
        self.policies.iter().filter_map(limit).collect()
    }
}

/// The keys that a pack's checkpoint is checked with: `keys.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keys {
    /// Name of the log.
    pub origin: String,
    /// The log's own keys, as verifier-key lines; the newest last.
    pub log: Vec<String>,
    /// The witnesses' keys.
    #[serde(default)]
    pub witnesses: Vec<String>,
    /// How many witnesses must have signed.
    #[serde(default)]
    pub quorum: usize,
}
