//! `completeness.json`: whether anything is missing, and what the pack cannot say.

use crate::{
    context::{Period, Signed},
    figures::{Day, Figures, Missing},
    layout,
    tables::Look,
};
use leaver_domain::{digest::Digest, time::Timestamp};
use serde::Serialize;
use std::collections::BTreeSet;

/// Version of the document.
const VERSION: u32 = 1;

#[derive(Debug, Serialize)]
struct Rows {
    first: u64,
    end: u64,
    count: u64,
}

#[derive(Debug, Serialize)]
struct Cases {
    opened: u64,
    dry_runs: u64,
    closed: u64,
    open: u64,
}

#[derive(Debug, Serialize)]
struct AccessRows<'a> {
    expected: u64,
    found: u64,
    missing: &'a [Missing],
}

#[derive(Debug, Serialize)]
struct Hr<'a> {
    days: &'a [Day],
    missing_days: &'a [String],
}

#[derive(Debug, Serialize)]
struct Policies<'a> {
    included: &'a BTreeSet<Digest>,
    missing: &'a BTreeSet<Digest>,
}

/// The document.
#[derive(Debug, Serialize)]
pub struct Completeness<'a> {
    version: u32,
    form: u32,
    log: &'a str,
    period: Period,
    generated_at: Timestamp,
    checkpoint: Signed,
    rows: Rows,
    cases: Cases,
    access_rows: AccessRows<'a>,
    hr: Hr<'a>,
    policies: Policies<'a>,
    statement: String,
    not_covered: Vec<String>,
}

impl<'a> Completeness<'a> {
    /// Of the figures.
    pub fn of(look: &Look<'a>, figures: &'a Figures) -> Self {
        let context = look.context;
        Self {
            version: VERSION,
            form: layout::FORM,
            log: &context.log,
            period: context.period,
            generated_at: context.generated_at,
            checkpoint: context.checkpoint,
            rows: Rows { first: context.first, end: look.end(), count: figures.rows },
            cases: Cases {
                opened: figures.cases,
                dry_runs: figures.dry_runs,
                closed: figures.closed,
                open: figures.cases - figures.closed,
            },
            access_rows: AccessRows {
                expected: figures.expected,
                found: figures.found(),
                missing: &figures.missing,
            },
            hr: Hr { days: &figures.days, missing_days: &figures.missing_days },
            policies: Policies { included: &figures.policies, missing: &figures.missing_policies },
            statement: statement(look, figures),
            not_covered: not_covered(look, figures),
        }
    }

    /// The file.
    ///
    /// # Errors
    /// None that input can reach: every part can be written as JSON.
    pub fn text(&self) -> Result<String, serde_json::Error> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}

/// What the pack says about itself, in words.
pub fn statement(look: &Look<'_>, figures: &Figures) -> String {
    let context = look.context;
    let rows = match figures.rows {
        0 => format!("The log {} has no rows of this period.", context.log),
        count => format!(
            "The pack holds the rows {} to {} of the log {} without a gap, {count} in number, each bound by the signed \
             root over {} rows.",
            context.first,
            look.end().saturating_sub(1),
            context.log,
            context.checkpoint.size
        ),
    };
    let cases = format!(
        "Cases opened in the period from {} to {} (excluded): {}, of these dry runs: {}. Access rows that the cases call \
         for: {}, there: {}, missing: {}.",
        context.period.from,
        context.period.to,
        figures.cases,
        figures.dry_runs,
        figures.expected,
        figures.found(),
        figures.missing.len()
    );
    let more = format!(
        "Of the cases give access back: {}, were called off before anything was done: {}. Exceptions, grants and other \
         measures with rows of the period: {}. Requests for a decision: {}, of these open: {}.",
        figures.given_back,
        figures.cancelled,
        figures.measures,
        figures.decisions.all,
        figures.decisions.open
    );
    let wrong = figures.days.iter().filter(|day| !day.matches).count();
    let days = format!(
        "Days on which the HR system's events were counted: {}, of these not in agreement: {wrong}. Days of the period that \
         were not counted: {}.",
        figures.days.len(),
        figures.missing_days.len()
    );
    format!("{rows} {cases} {more} {days}")
}

/// What the pack cannot say, in sentences.
pub fn not_covered(look: &Look<'_>, figures: &Figures) -> Vec<String> {
    let mut not: Vec<String> = [
        "Terminations that the HR system never reported: a day's count compares the events that were received with the \
         cases that they opened. Compare population.csv with an extract of the HR system.",
        "Whether the keys in keys.json are the company's: get them, or a checkpoint, on another way than with this pack.",
        "What a system does not show to the account that reads it. Access that is known to live on is in systems.csv \
         under residuals.",
        "Whether clocks were right: recorded_at is the log's own time, which never runs backwards.",
        "Whether the reasons that people gave are true, and what the files show that they gave as evidence: the rows hold the \
         words and the files' SHA-256. Ask for the files and compare.",
        "What became of a request or a measure behind the pack's last row, and decisions from before its first row.",
        "Rows that were recorded behind the checkpoint of this pack.",
    ]
    .map(str::to_owned)
    .into();
    if look.context.first > 0 {
        not.push(format!(
            "The {} rows before this pack's first one: they are bound by their hashes in proofs/range.json, and not \
             shown but for the last of them.",
            look.context.first
        ));
    }
    if !figures.missing_policies.is_empty() {
        not.push(format!(
            "Time limits of cases that ran under the {} policies that are not in this pack.",
            figures.missing_policies.len()
        ));
    }
    not
}
