//! Which rows of a log belong in a pack.

use crate::context::Period;
use leaver_domain::{
    ledger::{Entry, EventKind},
    population,
    time::Timestamp,
};
use std::{collections::HashSet, ops::Range};

/// Finds the first and the last row of a pack. It is fed the log's rows in order; those before the period may be left
/// out, those behind it must not, up to the checkpoint: a case that was opened in the period may end long after it, and
/// the period's last day is counted once it is over.
#[derive(Debug)]
pub struct Extent {
    period: Period,
    first: Option<u64>,
    end: u64,
    cases: HashSet<String>,
}

impl Extent {
    /// Of a period, before its first row.
    pub fn new(period: Period) -> Self {
        Self { period, first: None, end: 0, cases: HashSet::new() }
    }

    /// Looks at the next row.
    pub fn row(&mut self, entry: &Entry) {
        if entry.recorded_at < self.period.from {
            return;
        }
        let first = *self.first.get_or_insert(entry.seq);
        let in_period = entry.recorded_at < self.period.to;
        if in_period && is_followed(entry) {
            self.cases.insert(entry.case_id.clone());
        }
        if in_period || self.cases.contains(&entry.case_id) || self.counts(entry) {
            self.end = entry.seq.saturating_add(1);
        }
        self.end = self.end.max(first);
    }

    /// Whether a row counts a day of the period.
    fn counts(&self, entry: &Entry) -> bool {
        counted_day(entry).is_some_and(|day| self.period.holds(day))
    }

    /// The rows of the pack, of a log with so many rows.
    pub fn rows(&self, size: u64) -> Range<u64> {
        let first = self.first.unwrap_or(size);
        first..self.end.max(first)
    }
}

/// The beginning of the day that a row counts; `None` where it counts none.
pub fn counted_day(entry: &Entry) -> Option<Timestamp> {
    let day = population::day_of(&entry.case_id).filter(|_| entry.kind == EventKind::PopulationCounted)?;
    population::begin_of(day)
}

/// Whether a row is the first of its case.
pub fn opens_a_case(entry: &Entry) -> bool {
    use EventKind::{PlanPreviewed, RestorationTriggered, RevocationTriggered};
    let kind = matches!(entry.kind, RevocationTriggered | PlanPreviewed | RestorationTriggered);
    kind && entry.ordinal == 0 && entry.system.is_none()
}

/// Whether a row is the first of something that is in a pack to its end: a case, or the review of an emergency. A
/// measure is not: it may be in force for years.
pub fn is_followed(entry: &Entry) -> bool {
    let is_review = entry.kind == EventKind::TaskOpened && stands(entry) == Stands::UnderReview;
    opens_a_case(entry) || (is_review && entry.ordinal == 0)
}

/// What a row stands under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stands {
    /// A case.
    UnderCase,
    /// A measure.
    UnderMeasure,
    /// A review that is owed after an emergency.
    UnderReview,
}

/// What a row stands under. Only kinds of rows that measures and reviews have can stand under one: no name hides a case.
pub fn stands(entry: &Entry) -> Stands {
    use EventKind::{
        ApprovalDecided, ApprovalEscalated, ApprovalExpired, DataHeld, MeasureBegan, MeasureEnded,
        MeasureRequested, NotificationSent, TaskClosed, TaskOpened,
    };
    let is_task = matches!(entry.kind, TaskOpened | TaskClosed | NotificationSent | ApprovalEscalated);
    let is_measure = matches!(entry.kind, MeasureRequested | MeasureBegan | MeasureEnded | DataHeld)
        || matches!(entry.kind, ApprovalDecided | ApprovalExpired);
    match &entry.case_id {
        id if id.starts_with("measure-") && (is_measure || is_task) && entry.system.is_none() => {
            Stands::UnderMeasure
        }
        id if id.starts_with("review-") && is_task => Stands::UnderReview,
        _ => Stands::UnderCase,
    }
}

#[cfg(all(test, feature = "sample"))]
mod tests {
    use super::*;
    use crate::sample_log::SampleLog;

    fn rows(from: &str, to: &str) -> Range<u64> {
        let log = SampleLog::month();
        log.extent(from, to)
    }

    #[test]
    fn a_case_of_the_period_is_in_it_to_its_end_and_nothing_behind() {
        // The last row is of a case of March.
        assert_eq!(rows("2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"), 0..255);
        assert_eq!(rows("2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z").end, 256);
    }

    #[test]
    fn a_period_without_rows_has_an_empty_extent_at_its_place() {
        assert_eq!(rows("2020-01-01T00:00:00Z", "2020-02-01T00:00:00Z"), 0..0);
        assert_eq!(rows("2030-01-01T00:00:00Z", "2030-02-01T00:00:00Z"), 256..256);
        let between = rows("2026-02-05T01:00:00Z", "2026-02-06T00:00:00Z");
        assert!(between.is_empty() && between.start == 80, "{between:?}");
    }
}
