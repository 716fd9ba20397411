//! The tables of a pack, each a function of the folded rows.

pub mod approvals;
pub mod cases;
pub mod exceptions;
mod kind;
mod measures;
pub mod population;
pub mod systems;

use crate::{
    cases::{Case, Fold, Measure, Opened, Review, Standing, System},
    context::Context,
    csv, layout, sample,
};
use leaver_domain::{digest::Digest, time::Timestamp};
use std::{collections::BTreeMap, io};

/// What the tables look at.
#[derive(Debug)]
pub struct Look<'a> {
    /// What the pack is about.
    pub context: &'a Context,
    /// The rows.
    pub fold: &'a Fold,
    /// The cases of the period, in the order of their opening rows.
    pub cases: Vec<(&'a Case, &'a Opened)>,
    /// The measures of the period, in the order of their first rows.
    pub measures: Vec<&'a Measure>,
    /// The reviews of the period, in the order of their first rows.
    pub reviews: Vec<&'a Review>,
    limits: BTreeMap<Digest, u64>,
    /// The reviews that are owed for a case or a measure, by its id.
    owed: BTreeMap<&'a str, Vec<&'a Review>>,
}

impl<'a> Look<'a> {
    /// At the folded rows.
    pub fn new(context: &'a Context, fold: &'a Fold) -> Self {
        let mut owed: BTreeMap<&str, Vec<&Review>> = BTreeMap::new();
        for review in fold.all_reviews() {
            owed.entry(review.about.as_str()).or_default().push(review);
            // A review of the case that emergency access opened is one of that access.
            let opened = fold.case(&review.about).and_then(Case::opened);
            if let Some(measure) = opened.and_then(|opened| opened.measure.as_deref()) {
                owed.entry(measure).or_default().push(review);
            }
        }
        let (cases, measures, reviews) = (fold.cases(), fold.measures(), fold.reviews());
        Self { context, fold, cases, measures, reviews, limits: context.limits(), owed }
    }

    /// The reviews that are owed for any of these cases and measures.
    pub fn owed<'s>(&'s self, ids: impl IntoIterator<Item = &'s str>) -> Vec<&'a Review> {
        ids.into_iter().filter_map(|id| self.owed.get(id)).flatten().copied().collect()
    }

    /// Whether a system was changed at the end of a measure, as its row says, and the measure was approved. One whose decision
    /// may lie before this pack's rows is believed.
    pub fn ends_as_approved(&self, opened: &Opened, system: &System) -> bool {
        let Some(id) = opened.measure.as_deref().filter(|_| opened.ends_a_measure()) else { return false };
        if system.under() != Some(id) {
            return false;
        }
        let approval = self.fold.measure(id).map(|measure| &measure.approval);
        match approval.filter(|approval| approval.requested.is_some()) {
            Some(approval) => approval.standing() == Standing::Approved,
            None => self.context.first > 0,
        }
    }

    /// One behind the last row.
    pub fn end(&self) -> u64 {
        self.context.first.saturating_add(self.fold.rows())
    }

    /// Within how many seconds a case must be done; `None` in a dry run, where access is given back, and where its policy
    /// is not in the pack.
    pub fn limit(&self, opened: &Opened) -> Option<u64> {
        let policy = opened.policy.filter(|_| !opened.dry_run && !opened.gives_back)?;
        self.limits.get(&policy).copied()
    }
}

/// Takes the lines of one table, in as many columns as the pack's form has.
pub struct Lines<'a> {
    to: &'a mut dyn io::Write,
    columns: usize,
}

impl Lines<'_> {
    /// Writes one line. Cells of columns that the form does not have are left out.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn line<'c>(&mut self, cells: impl IntoIterator<Item = &'c str>) -> io::Result<()> {
        csv::write(&mut self.to, cells.into_iter().take(self.columns))
    }
}

/// One table.
pub struct Table {
    /// Its file.
    pub path: &'static str,
    /// Its columns.
    columns: &'static [&'static str],
    /// How many of them the first form has.
    first: usize,
    /// Writes its lines.
    lines: fn(&Look<'_>, &mut Lines<'_>) -> io::Result<()>,
}

impl Table {
    /// Writes it.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write(&self, look: &Look<'_>, to: &mut dyn io::Write) -> io::Result<()> {
        let columns = if look.context.form == 1 { self.first } else { self.columns.len() };
        let mut lines = Lines { to, columns };
        lines.line(self.columns.iter().copied())?;
        (self.lines)(look, &mut lines)
    }
}

const fn table(
    path: &'static str,
    columns: &'static [&'static str],
    first: usize,
    lines: fn(&Look<'_>, &mut Lines<'_>) -> io::Result<()>,
) -> Table {
    Table { path, columns, first, lines }
}

/// Every table.
pub const TABLES: &[Table] = &[
    table(layout::POPULATION, layout::POPULATION_COLUMNS, 17, population::write),
    table(layout::CASES, layout::CASES_COLUMNS, 17, cases::write),
    table(layout::SYSTEMS, layout::SYSTEMS_COLUMNS, 16, systems::write),
    table(layout::APPROVALS, layout::APPROVALS_COLUMNS, 13, approvals::write),
    table(layout::EXCEPTIONS, layout::EXCEPTIONS_COLUMNS, 7, exceptions::write),
    table(layout::SAMPLE, layout::SAMPLE_COLUMNS, 7, sample::write),
];

/// An instant's cell.
pub(crate) fn at(at: Option<Timestamp>) -> String {
    at.map(|at| at.to_string()).unwrap_or_default()
}

/// A number's cell.
pub(crate) fn number<N: ToString>(number: Option<N>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}
