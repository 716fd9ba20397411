//! The nightly canary: a synthetic leaver with real credentials is revoked, and its credentials are then used, to see that
//! they no longer work. That a read says so is one thing; that nobody gets in is another.

mod night;
mod settings;
#[cfg(test)]
mod tests;

pub use night::{answered, called_off, ended, fresh, stands, stuck, told, way_back, way_out};
pub use settings::{CanaryPolicy, Knock, Login};

use crate::{
    case::Finding,
    id::{CaseId, SystemId},
    ports::StoreError,
    time::Timestamp,
};
use async_trait::async_trait;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};

/// After how long without a night that ended somebody should look why.
const STALE: Duration = Duration::from_secs(36 * 3_600);

/// How far a night is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The credentials are tried before.
    Before,
    /// They were; the case is opened.
    Leaving,
    /// The case is under way; then the credentials are tried again.
    Gone,
    /// The result stands; the access is given back for the next night.
    Returning,
    /// It is over.
    Over,
}

/// One night.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Night {
    /// Which, by the day of UTC on which it began.
    pub night: Date,
    /// How far it is.
    pub stage: Stage,
    /// When it began.
    pub began_at: Timestamp,
    /// When the access had come back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// The case that takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case: Option<CaseId>,
    /// The case that gives back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back: Option<CaseId>,
    /// What the credentials were good for before.
    #[serde(default)]
    pub before: BTreeMap<SystemId, Knock>,
    /// And afterwards; only those that had worked.
    #[serde(default)]
    pub after: BTreeMap<SystemId, Knock>,
    /// What a human should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// Raised by one with every write.
    pub version: u64,
}

impl Night {
    /// Whether it showed what it was to show: every credential worked before, and none afterwards.
    pub fn is_good(&self) -> bool {
        self.findings.is_empty() && !self.after.is_empty()
    }

    /// How it stands, in a line; and whether that is as it should be.
    pub fn verdict(&self, now: Timestamp) -> (bool, String) {
        let refused = self.after.values().filter(|knock| **knock == Knock::Refused).count();
        let mut told = format!("{}: {refused} of {} credentials were refused", self.night, self.before.len());
        let tested = matches!(self.stage, Stage::Returning | Stage::Over);
        if !tested {
            told = format!("{}: under way since {}", self.night, self.began_at);
        }
        for finding in &self.findings {
            told.push_str(&format!("; {}: {}", finding.kind, finding.detail));
        }
        let stale = now.since(self.began_at) > STALE;
        if stale {
            told.push_str("; no night has begun since");
        }
        let good = if tested { self.is_good() } else { self.findings.is_empty() };
        (good && !stale, told)
    }
}

/// The canary's own ways in.
#[async_trait]
pub trait Canary: Send + Sync {
    /// Uses the canary's credential of a system, as the canary would.
    async fn log_in(&self, system: &SystemId) -> Knock;
    /// Gets a new credential where there is a way to, and keeps it; `false` where there is none.
    async fn renew(&self, system: &SystemId) -> Result<bool, StoreError>;
}
