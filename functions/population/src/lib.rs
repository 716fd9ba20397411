//! Counts each day against itself: the events that the HRIS sent, and the cases that they opened. The count becomes a row
//! of the ledger, so that a case that was left out, or taken out, shows as a difference to whoever checks an export.

use leaver_domain::{
    ledger::{Appending, append, events_of_population},
    population::{Day, day_before},
    ports::{EvidenceStore, StoreError},
    time::Timestamp,
};
use serde::Serialize;

/// How many days back are looked at: a day on which this function did not run is counted later.
const DAYS: u32 = 7;
/// The findings that an event of the HRIS leaves when it is refused.
const REFUSALS: &[&str] = &["unknown_person", "identity_conflict", "still_suspended"];

/// What the function works with.
pub struct Counting<'a> {
    /// The case table.
    pub store: &'a dyn EvidenceStore,
    /// The log, and what appending to it takes.
    pub log: Appending<'a>,
    /// Now.
    pub now: Timestamp,
}

/// What one run did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counted {
    /// Days that were counted now.
    pub days: usize,
    /// Counts that the stream had lost and that are in the log now.
    pub recovered: usize,
    /// Days on which not every event of the HRIS has its case.
    pub differences: usize,
}

/// Counts every past day that was not counted yet.
///
/// # Errors
/// Where a table fails; what was counted stays, the rest is counted by the next run.
pub async fn handle(counting: &Counting<'_>) -> Result<Counted, StoreError> {
    let mut counted = Counted::default();
    for day in (1..=DAYS).rev().filter_map(|days| day_before(counting.now, days)) {
        if let Some(known) = counting.store.population(day).await? {
            let rows = events_of_population(&known, 0);
            if counting.log.store.locate(&rows).await?.len() < rows.len() {
                counted.recovered += append(&counting.log, rows).await?.appended;
            }
            continue;
        }
        let day = Day {
            day,
            events: counting.store.events_of(day).await?,
            cases: counting.store.cases_of(day).await?,
            refused: counting.store.findings_of(day, REFUSALS).await?,
            rows: counting.log.store.head().await?.tree.size,
        };
        let population = day.count(counting.now);
        if population.log.iter().any(|line| line.outcome == leaver_domain::ledger::Outcome::Failure) {
            tracing::error!(day = %day.day, alarm = "population_differs", "an event of the HRIS has no case");
            counted.differences += 1;
        }
        counting.store.keep_population(&population).await?;
        counted.days += 1;
    }
    Ok(counted)
}
