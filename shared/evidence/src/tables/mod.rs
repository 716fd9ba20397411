//! The tables of a pack, each a function of the folded rows.

pub mod approvals;
pub mod cases;
pub mod exceptions;
pub mod population;
pub mod systems;

use crate::{
    cases::{Case, Fold, Opened},
    context::Context,
    layout, sample,
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
    limits: BTreeMap<Digest, u64>,
}

impl<'a> Look<'a> {
    /// At the folded rows.
    pub fn new(context: &'a Context, fold: &'a Fold) -> Self {
        Self { context, fold, cases: fold.cases(), limits: context.limits() }
    }

    /// One behind the last row.
    pub fn end(&self) -> u64 {
        self.context.first.saturating_add(self.fold.rows())
    }

    /// Within how many seconds a case must be done; `None` in a dry run, and where its policy is not in the pack.
    pub fn limit(&self, opened: &Opened) -> Option<u64> {
        let policy = opened.policy.filter(|_| !opened.dry_run)?;
        self.limits.get(&policy).copied()
    }
}

/// Writes the lines of one table.
pub type Table = fn(&Look<'_>, &mut dyn io::Write) -> io::Result<()>;

/// Every table: its file, its columns, and what writes its lines.
pub const TABLES: &[(&str, &[&str], Table)] = &[
    (layout::POPULATION, layout::POPULATION_COLUMNS, population::write),
    (layout::CASES, layout::CASES_COLUMNS, cases::write),
    (layout::SYSTEMS, layout::SYSTEMS_COLUMNS, systems::write),
    (layout::APPROVALS, layout::APPROVALS_COLUMNS, approvals::write),
    (layout::EXCEPTIONS, layout::EXCEPTIONS_COLUMNS, exceptions::write),
    (layout::SAMPLE, layout::SAMPLE_COLUMNS, sample::write),
];

/// An instant's cell.
pub(crate) fn at(at: Option<Timestamp>) -> String {
    at.map(|at| at.to_string()).unwrap_or_default()
}

/// A number's cell.
pub(crate) fn number<N: ToString>(number: Option<N>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}
