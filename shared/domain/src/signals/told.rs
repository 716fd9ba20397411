//! A row that others may be told of: decoded, and its evidence shown to be the one that it binds.

use crate::{
    digest::Digest,
    ledger::{Entry, EventKind, Malformed, Outcome},
    plan::ActionKind,
    time::Timestamp,
};
use serde_json::Value;

/// Why a row is not passed on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Its bytes are not an entry.
    #[error("the leaf is not an entry: {0}")]
    Leaf(#[from] Malformed),
    /// The evidence is another one than the entry binds.
    #[error("the evidence is not the one that the entry binds")]
    Evidence,
    /// The evidence is no JSON.
    #[error("the evidence is not JSON")]
    Json,
}

/// A row of the ledger, ready to be told of.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    entry: Entry,
    evidence: Value,
}

impl Told {
    /// Reads a row as it is stored.
    ///
    /// # Errors
    /// Where the bytes are no entry, or the evidence is not the one that they bind.
    pub fn read(leaf: &[u8], evidence: &str) -> Result<Self, Unreadable> {
        let entry = Entry::decode(leaf)?;
        if Digest::of(evidence.as_bytes()) != entry.evidence {
            return Err(Unreadable::Evidence);
        }
        let evidence = serde_json::from_str(evidence).map_err(|_| Unreadable::Json)?;
        Ok(Self { entry, evidence })
    }

    /// The entry.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// A text of the evidence; empty where there is none.
    pub(super) fn text(&self, pointer: &str) -> &str {
        self.evidence.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// A value of the evidence; `Null` where there is none.
    pub(super) fn value(&self, pointer: &str) -> &Value {
        self.evidence.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// Whether the row says that access was taken away, and from an account that there was.
    pub(super) fn took_access(&self) -> bool {
        matches!(self.entry.kind, EventKind::AccessRevoked | EventKind::AccountDisabled)
            && self.entry.outcome == Outcome::Success
    }

    /// What the account is afterwards, in the ledger's word; `None` where the row does not say.
    pub(super) fn account_after(&self) -> Option<After> {
        match self.value("/facts/after_state") {
            Value::Object(state) => match state.get("account_status") {
                Some(Value::Null) => Some(After::Gone),
                Some(Value::String(status)) if status == "active" => Some(After::Active),
                Some(Value::String(_)) => Some(After::Disabled),
                _ => None,
            },
            _ => None,
        }
    }

    /// When the last action of a kind took effect; `None` where none of that kind did.
    pub(super) fn done(&self, kind: ActionKind) -> Option<Timestamp> {
        let kind = serde_json::to_value(kind).ok()?;
        let taken = self.value("/facts/actions_taken").as_array()?;
        let times = taken.iter().filter(|taken| taken.get("kind") == Some(&kind)).filter_map(|taken| {
            // What was `already` so was not our doing. What was `accepted` had happened by the read behind this row.
            matches!(taken.get("outcome")?.as_str()?, "done" | "accepted").then_some(())?;
            Some(taken.get("at")?.as_str()?.parse().unwrap_or(self.entry.occurred_at))
        });
        times.max()
    }
}

/// What an account is after its access was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// It can log in.
    Active,
    /// It is there and cannot.
    Disabled,
    /// It is not there any more.
    Gone,
}
