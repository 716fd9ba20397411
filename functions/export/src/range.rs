//! Which rows a period asks for.

use crate::ExportError;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use leaver_domain::{
    export::Period,
    ledger::Entry,
    population,
    ports::{LedgerStore, Row, StoreError},
    time::Timestamp,
};
use leaver_evidence::extent::is_followed;
use std::collections::BTreeSet;

/// How many cases are asked for at once.
const SIDE_BY_SIDE: usize = 16;

/// Up to how many days later a day is counted at the latest.
const COUNTED_LATER: u32 = 8;

async fn row(ledger: &dyn LedgerStore, seq: u64) -> Result<Row, ExportError> {
    let rows = ledger.rows(seq, 1).await?;
    rows.into_iter().next().ok_or_else(|| ExportError::Missing(format!("row {seq}")))
}

/// The first of `size` rows that was recorded at an instant or later; `size` where there is none. The log's times never
/// run backwards, so that a handful of rows tells.
pub(crate) async fn first_from(
    ledger: &dyn LedgerStore,
    size: u64,
    from: Timestamp,
) -> Result<u64, ExportError> {
    let (mut low, mut high) = (0, size);
    while low < high {
        let middle = low + (high - low) / 2;
        let entry = Entry::decode(&row(ledger, middle).await?.leaf)
            .map_err(|error| StoreError::Corrupt(format!("row {middle}: {error}")))?;
        if entry.recorded_at < from {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

/// The bytes of the row at a place, where a place is given.
pub(crate) async fn leaf(
    ledger: &dyn LedgerStore,
    place: Option<u64>,
) -> Result<Option<Vec<u8>>, ExportError> {
    match place {
        None => Ok(None),
        Some(place) => Ok(Some(row(ledger, place).await?.leaf)),
    }
}

/// The cases and the reviews that the rows read so far opened.
#[derive(Debug, Default)]
pub(crate) struct Opened(BTreeSet<String>);

impl Opened {
    /// Looks at a row. One that is no entry is left to the pack, which names it.
    pub(crate) fn row(&mut self, row: &Row) {
        let Ok(entry) = Entry::decode(&row.leaf) else { return };
        if is_followed(&entry) {
            self.0.insert(entry.case_id);
        }
    }

    /// One behind the last row, below `size`, of any of these cases, or of those that count the last days of the period;
    /// 0 where there is none.
    pub(crate) async fn last_row(
        &self,
        ledger: &dyn LedgerStore,
        period: &Period,
        size: u64,
    ) -> Result<u64, ExportError> {
        let counts = (0..=COUNTED_LATER)
            .filter_map(|days| population::day_before(period.to, days))
            .filter(|day| {
                let begins = population::begin_of(*day);
                begins.is_some_and(|at| period.from <= at && at < period.to)
            })
            .map(population::id_of);
        let wanted: Vec<String> = self.0.iter().cloned().chain(counts).collect();
        let places = stream::iter(&wanted).map(|id| ledger.places_of(id)).buffer_unordered(SIDE_BY_SIDE);
        let end = places.try_fold(0, |end, places| async move {
            let last = places.into_iter().filter(|place| *place < size).max();
            Ok(last.map_or(end, |last| end.max(last + 1)))
        });
        Ok(end.await?)
    }
}
