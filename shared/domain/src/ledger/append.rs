//! Appending drafts to the log by compare-and-swap on its head.

use super::entry::Draft;
use crate::{
    digest::Digest,
    ports::{Appended, Batch, LedgerStore, Present, Row, StoreError, Wait},
    time::Timestamp,
};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Most rows of one transaction, which holds 100 writes: the head and the walk are the other two.
const MAX_ROWS: usize = 98;
/// Most bytes of one transaction; DynamoDB takes 4 MB.
const MAX_BYTES: usize = 3_000_000;
/// Tries of one batch against other appenders.
const TRIES: u32 = 40;

/// What appending needs beside the drafts.
pub struct Appending<'a> {
    /// The log.
    pub store: &'a dyn LedgerStore,
    /// Now.
    pub now: Timestamp,
    /// Gives a fresh salt.
    pub salt: &'a (dyn Fn() -> [u8; 16] + Send + Sync),
    /// Waits between tries: other appenders get their turn.
    pub wait: Wait<'a>,
}

/// An event that says something else under an identity that stands in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Quarantined {
    /// The identity.
    pub event_id: String,
    /// Digest of what was delivered.
    pub delivered: Digest,
    /// Digest of what stands in the log.
    pub recorded: Digest,
}

/// What became of the drafts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Tally {
    /// Rows appended.
    pub appended: usize,
    /// Events that stood in the log already.
    pub repeated: usize,
    /// Events that contradict the log: nothing of them was appended, a human has to look.
    pub quarantined: Vec<Quarantined>,
}

/// Appends every draft that is not in the log yet.
///
/// # Errors
/// Where the store fails, or other appenders were always faster; what was appended stays, the rest comes again.
pub async fn append(to: &Appending<'_>, drafts: Vec<Draft>) -> Result<Tally, StoreError> {
    let mut tally = Tally::default();
    let mut seen: BTreeMap<String, Digest> = BTreeMap::new();
    let mut todo = Vec::new();
    for draft in drafts {
        match seen.get(&draft.event_id) {
            None => {
                seen.insert(draft.event_id.clone(), draft.content());
                todo.push(draft);
            }
            Some(content) => settle(&mut tally, &draft, *content),
        }
    }
    while !todo.is_empty() {
        let rest = todo.split_off(cut(&todo));
        append_batch(to, std::mem::replace(&mut todo, rest), &mut tally).await?;
    }
    Ok(tally)
}

/// How many drafts fit into one transaction.
fn cut(drafts: &[Draft]) -> usize {
    let mut bytes = 0;
    let fits = drafts.iter().take(MAX_ROWS).take_while(|draft| {
        bytes += draft.evidence.len() + draft.action.len() + 1_500;
        bytes <= MAX_BYTES
    });
    fits.count().max(1)
}

/// Counts an event whose identity is known: a repeat if it says the same, otherwise a contradiction.
fn settle(tally: &mut Tally, draft: &Draft, recorded: Digest) {
    let delivered = draft.content();
    if delivered == recorded {
        tally.repeated += 1;
    } else {
        tally.quarantined.push(Quarantined { event_id: draft.event_id.clone(), delivered, recorded });
    }
}

async fn append_batch(
    to: &Appending<'_>,
    mut drafts: Vec<Draft>,
    tally: &mut Tally,
) -> Result<(), StoreError> {
    for tried in 0..TRIES {
        if drafts.is_empty() {
            return Ok(());
        }
        let head = to.store.head().await?;
        let salted = drafts.iter().map(|draft| (draft.clone(), (to.salt)()));
        let (next, entries) = head.extend(salted, to.now);
        let rows = drafts.iter().cloned().zip(entries).map(|(draft, entry)| {
            let row = Row { seq: entry.seq, leaf: entry.encode(), evidence: draft.evidence.clone() };
            (draft, row)
        });
        let batch = Batch { on: head.version, after: head.last, head: next, rows: rows.collect() };
        match to.store.append(&batch).await? {
            Appended::Done => {
                tally.appended += drafts.len();
                return Ok(());
            }
            Appended::Present(there) => take_out(&mut drafts, there, tally),
            Appended::HeadMoved => {
                // Whoever moved it may have appended the same events from another delivery.
                let there = to.store.present(&drafts).await?;
                take_out(&mut drafts, there, tally);
                (to.wait)(pause(tried, (to.salt)())).await;
            }
        }
    }
    Err(StoreError::Conflict)
}

fn take_out(drafts: &mut Vec<Draft>, there: Vec<Present>, tally: &mut Tally) {
    let known: BTreeMap<String, Digest> = there.into_iter().map(|one| (one.event_id, one.content)).collect();
    let ids: BTreeSet<&String> = known.keys().collect();
    drafts.iter().for_each(|draft| {
        if let Some(content) = known.get(&draft.event_id) {
            settle(tally, draft, *content);
        }
    });
    drafts.retain(|draft| !ids.contains(&draft.event_id));
}

/// How long to wait after a lost try: longer with each, and by chance, so that two appenders do not meet again.
fn pause(tried: u32, chance: [u8; 16]) -> Duration {
    Duration::from_millis(u64::from(chance[0]) * u64::from(tried.min(8) + 1) / 8)
}
