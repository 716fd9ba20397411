//! The rows next to a pack's: recorded before the period and after it, so that none of the period is left out.

use super::{
    anchors::{MOST_HASHES, Span},
    directory::digest,
    report::Report,
};
use crate::{context::Period, layout};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use leaver_domain::{
    digest::Digest,
    ledger::{Checkpoint, Entry, leaf_hash, verify_inclusion},
};
use serde_json::Value;

/// A row next to the pack's, as `proofs/range.json` shows it.
pub(super) struct Edge {
    leaf: Vec<u8>,
    proof: Vec<Digest>,
}

impl Edge {
    /// Reads one; within it, `None` where there is none.
    pub(super) fn of(value: &Value) -> Option<Option<Self>> {
        if value.is_null() {
            return Some(None);
        }
        let fields = value.as_object().filter(|fields| fields.len() == 2)?;
        let leaf = STANDARD.decode(fields.get("leaf")?.as_str()?).ok()?;
        let proof = fields.get("proof")?.as_array().filter(|proof| proof.len() <= MOST_HASHES)?;
        let proof = proof.iter().map(|text| digest(text.as_str()?)).collect::<Option<_>>()?;
        Some(Some(Self { leaf, proof }))
    }

    /// The entry, where it is the one that stands at this place of the log and links to the pack's rows.
    fn entry(
        &self,
        row: u64,
        checkpoint: &Checkpoint,
        links: impl Fn(&Entry, Digest) -> bool,
    ) -> Result<Entry, String> {
        let hash = leaf_hash(&self.leaf);
        let is_it = |entry: &Entry| {
            entry.seq == row && entry.origin == checkpoint.origin && entry.encode() == self.leaf
        };
        let entry = Entry::decode(&self.leaf).ok().filter(is_it);
        let entry = entry.ok_or_else(|| format!("what is shown as row {row} is not that row"))?;
        if !links(&entry, hash) {
            return Err(format!("row {row} does not link to the pack's rows"));
        }
        if verify_inclusion(hash, row, checkpoint.size, &self.proof, checkpoint.root).is_err() {
            return Err(format!("it does not show that row {row} lies in the log"));
        }
        Ok(entry)
    }
}

/// Both ends of the pack's rows, the hash of the last of which is `last`. Without a period, only that they are shown.
pub(super) fn check(
    span: &Span,
    last: Digest,
    checkpoint: &Checkpoint,
    period: Option<Period>,
    report: &mut Report,
) {
    let mut told = |side: &str, found: Result<(), String>| {
        if let Err(why) = found {
            report.file(layout::RANGE, format!("rows are missing at the {side} of the period: {why}"));
        }
    };
    if let Some(row) = span.first.checked_sub(1) {
        let found = shown(&span.edge_before, row).and_then(|edge| {
            let entry = edge.entry(row, checkpoint, |_, hash| hash == span.last)?;
            outside(row, period.is_none_or(|period| entry.recorded_at < period.from))
        });
        told("beginning", found);
    }
    if span.end < checkpoint.size {
        let found = shown(&span.edge_behind, span.end).and_then(|edge| {
            let entry = edge.entry(span.end, checkpoint, |entry, _| entry.previous == last)?;
            outside(span.end, period.is_none_or(|period| entry.recorded_at >= period.to))
        });
        told("end", found);
    }
}

fn shown(edge: &Option<Edge>, row: u64) -> Result<&Edge, String> {
    edge.as_ref().ok_or_else(|| format!("row {row} is not shown"))
}

fn outside(row: u64, is_outside: bool) -> Result<(), String> {
    if is_outside { Ok(()) } else { Err(format!("row {row} was recorded in it and left out")) }
}
