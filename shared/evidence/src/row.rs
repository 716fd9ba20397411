//! One row as a pack shows it: a line of `rows.jsonl` and one of `rows.csv`.

use crate::csv;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use leaver_domain::{
    ledger::{Entry, view},
    risk::RiskLevel,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A line of `rows.jsonl`. What counts are `leaf` and `evidence`; the view only shows what they say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Place in the log.
    pub seq: u64,
    /// The canonical bytes, in base64.
    pub leaf: String,
    /// The evidence, verbatim.
    pub evidence: String,
    /// The domain's view of both.
    pub view: Value,
}

impl Line {
    /// The line of an entry, of its bytes and its evidence.
    pub fn new(entry: &Entry, leaf: &[u8], evidence: &str, facts: &Value) -> Self {
        Self {
            seq: entry.seq,
            leaf: STANDARD.encode(leaf),
            evidence: evidence.to_owned(),
            view: view(entry, facts),
        }
    }

    /// The entry's bytes; `None` where the text is not their base64.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        STANDARD.decode(&self.leaf).ok()
    }

    /// The line's text, without its line end.
    ///
    /// # Errors
    /// None that input can reach: every part of a line can be written as JSON.
    pub fn text(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

/// The evidence as a value; `Null` where it is no JSON.
pub fn facts(evidence: &str) -> Value {
    serde_json::from_str(evidence).unwrap_or(Value::Null)
}

/// The name of a risk level in tables.
pub fn risk_name(risk: Option<RiskLevel>) -> &'static str {
    match risk {
        None => "",
        Some(RiskLevel::Clean) => "clean",
        Some(RiskLevel::Notable) => "notable",
        Some(RiskLevel::Flagged) => "flagged",
    }
}

/// `yes` or `no`.
pub fn yes_no(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

/// The line of `rows.csv`, its line end included.
pub fn csv_line(entry: &Entry, leaf: &str) -> String {
    csv::line([
        entry.seq.to_string().as_str(),
        &entry.hash().to_string(),
        &entry.previous.to_string(),
        &entry.event_id,
        &entry.case_id,
        &entry.ordinal.to_string(),
        entry.kind.name(),
        &entry.occurred_at.to_string(),
        &entry.recorded_at.to_string(),
        &entry.username,
        &entry.actor,
        entry.system.as_deref().unwrap_or_default(),
        &entry.action,
        entry.outcome.name(),
        risk_name(entry.risk),
        yes_no(entry.is_access_row()),
        &entry.evidence.to_string(),
        leaf,
    ])
}
