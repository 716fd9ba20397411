//! The fold of the rows into one summary per case: everything that the tables need, and no row.
//!
//! Rules that hold for all summaries:
//! - A case is of the period when its opening row (no system, ordinal 0, `revocation_triggered`, `restoration_triggered`
//!   or `plan_previewed`) was recorded in it. Rows of other cases are in the pack and count towards nothing.
//! - A measure, and a review, is of the period when one of its rows was recorded in it. Neither is a case: they stand under
//!   ids of their own, and nothing opens them.
//! - Rows may come in any order of cases, also in front of the opening row.
//! - Facts that are missing or of another shape leave their cells empty.

mod approval;
mod case;
mod measure;
mod system;

pub use approval::{Approval, Standing, Step};
pub use case::{Case, Note, Opened, Sla, seconds};
pub use measure::{Force, Measure, Review};
pub use system::{Residual, State, System};

use crate::{
    context::{Context, Period},
    extent::{Stands, stands},
};
use leaver_domain::{
    digest::Digest,
    ledger::{Entry, EventKind},
    time::Timestamp,
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

/// Longest text out of a row's facts that a summary keeps, in characters.
const LONGEST: usize = 300;

/// A text that many summaries share.
pub type Name = Arc<str>;

/// Keeps one copy of each text.
#[derive(Debug, Default)]
pub struct Names(HashSet<Name>);

impl Names {
    /// The shared copy.
    pub fn of(&mut self, text: &str) -> Name {
        match self.0.get(text) {
            Some(name) => name.clone(),
            None => {
                let name: Name = text.into();
                self.0.insert(name.clone());
                name
            }
        }
    }
}

/// A text out of the facts, cut to what a summary keeps.
pub(crate) fn text(facts: &Value, pointer: &str) -> Option<String> {
    let text = facts.pointer(pointer)?.as_str()?;
    Some(text.chars().take(LONGEST).collect())
}

/// An instant out of the facts.
pub(crate) fn time(facts: &Value, pointer: &str) -> Option<Timestamp> {
    facts.pointer(pointer)?.as_str()?.parse().ok()
}

/// A number out of the facts.
pub(crate) fn number(facts: &Value, pointer: &str) -> Option<u64> {
    facts.pointer(pointer)?.as_u64()
}

/// One day's count, as the log holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// The row that holds it.
    pub row: u64,
    /// The day, `YYYY-MM-DD`, in UTC.
    pub day: String,
    /// Events of the HR system that must open a case.
    pub hr_events: Option<u64>,
    /// Cases that they opened.
    pub hr_cases: Option<u64>,
    /// All cases recorded that day.
    pub cases: Option<u64>,
    /// Digest over their ids.
    pub cases_digest: Option<Digest>,
}

/// The rows so far.
#[derive(Debug)]
pub struct Fold {
    period: Period,
    cases: HashMap<String, Case>,
    measures: BTreeMap<String, Measure>,
    reviews: BTreeMap<String, Review>,
    names: Names,
    counts: Vec<Count>,
    rows: u64,
    began: Option<Timestamp>,
}

impl Fold {
    /// Of a period, before its first row.
    pub fn new(context: &Context) -> Self {
        Self {
            period: context.period,
            cases: HashMap::new(),
            measures: BTreeMap::new(),
            reviews: BTreeMap::new(),
            names: Names::default(),
            counts: Vec::new(),
            rows: 0,
            began: None,
        }
    }

    /// Takes the next row: its entry, and its evidence as a value.
    pub fn row(&mut self, entry: &Entry, evidence: &Value) {
        self.rows += 1;
        self.began.get_or_insert(entry.recorded_at);
        let in_period = self.period.holds(entry.recorded_at);
        let names = &mut self.names;
        match (entry.kind, stands(entry)) {
            (EventKind::PopulationCounted, _) => self.count(entry, evidence),
            // An account that is nobody's belongs to no case; where one takes it away, that stands under the case. A batch
            // is a way in: what becomes of its lines stands under their cases.
            (
                EventKind::EvidenceExported
                | EventKind::OrphanFound
                | EventKind::OrphanSettled
                | EventKind::BatchChanged,
                _,
            ) => {}
            (_, Stands::UnderMeasure) => {
                let id = || entry.case_id.clone();
                let measure = self.measures.entry(id()).or_insert_with(|| Measure::new(entry, names));
                measure.of_period |= in_period;
                measure.row(entry, evidence, names);
            }
            (_, Stands::UnderReview) => {
                let id = || entry.case_id.clone();
                let review = self.reviews.entry(id()).or_insert_with(|| Review::new(entry, names));
                review.of_period |= in_period;
                review.row(entry, evidence, names);
            }
            (_, Stands::UnderCase) => {
                let case = match self.cases.get_mut(&entry.case_id) {
                    Some(case) => case,
                    None => {
                        self.cases.entry(entry.case_id.clone()).or_insert_with(|| Case::new(&entry.case_id))
                    }
                };
                case.row(entry, evidence, &mut self.names);
            }
        }
    }

    fn count(&mut self, entry: &Entry, evidence: &Value) {
        let number = |pointer| evidence.pointer(pointer).and_then(Value::as_u64);
        let day = text(evidence, "/facts/day")
            .or_else(|| entry.case_id.strip_prefix("population-").map(str::to_owned));
        self.counts.push(Count {
            row: entry.seq,
            day: day.unwrap_or_default(),
            hr_events: number("/facts/hr_events"),
            hr_cases: number("/facts/hr_cases"),
            cases: number("/facts/cases"),
            cases_digest: text(evidence, "/facts/cases_digest").and_then(|digest| digest.parse().ok()),
        });
    }

    /// How many rows there were.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// When the first row was recorded.
    pub fn began(&self) -> Option<Timestamp> {
        self.began
    }

    /// The cases of the period, in the order of their opening rows.
    pub fn cases(&self) -> Vec<(&Case, &Opened)> {
        let of_period = |case| {
            let opened: &Opened = Case::opened(case)?;
            self.period.holds(opened.recorded_at).then_some((case, opened))
        };
        let mut cases: Vec<_> = self.cases.values().filter_map(of_period).collect();
        cases.sort_unstable_by_key(|(_, opened)| opened.row);
        cases
    }

    /// A case, of whichever period.
    pub fn case(&self, id: &str) -> Option<&Case> {
        self.cases.get(id)
    }

    /// One measure, of the period or not.
    pub fn measure(&self, id: &str) -> Option<&Measure> {
        self.measures.get(id)
    }

    /// The measures of the period, in the order of their first rows.
    pub fn measures(&self) -> Vec<&Measure> {
        let mut measures: Vec<_> = self.measures.values().filter(|measure| measure.of_period).collect();
        measures.sort_unstable_by_key(|measure| measure.first.0);
        measures
    }

    /// The reviews of the period, in the order of their first rows.
    pub fn reviews(&self) -> Vec<&Review> {
        let mut reviews: Vec<_> = self.reviews.values().filter(|review| review.of_period).collect();
        reviews.sort_unstable_by_key(|review| review.first.0);
        reviews
    }

    /// Every review among the rows.
    pub fn all_reviews(&self) -> impl Iterator<Item = &Review> {
        self.reviews.values()
    }

    /// The days' counts, in the order of their rows.
    pub fn counts(&self) -> &[Count] {
        &self.counts
    }

    /// For each day (`YYYY-MM-DD`, UTC), the ids of the cases whose opening rows were recorded on it, sorted.
    pub fn cases_by_day(&self) -> BTreeMap<String, Vec<&str>> {
        let mut days: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for case in self.cases.values() {
            if let Some(opened) = case.opened() {
                let day = opened.recorded_at.to_string().chars().take(10).collect();
                days.entry(day).or_default().push(&case.id);
            }
        }
        days.values_mut().for_each(|ids| ids.sort_unstable());
        days
    }
}
