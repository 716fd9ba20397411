//! Checks a pack from nothing but its files, and what the auditor holds: keys, checkpoints kept from earlier, HR's list.
//!
//! Nothing in the pack is believed. The rows are hashed, linked and folded again; every table and report is written again
//! and compared byte by byte; only signatures decide what the rows must come to.

mod anchors;
mod closing;
mod compare;
mod directory;
mod edges;
mod follow;
mod form;
mod hr;
mod report;
mod rows;
mod strict;

pub use report::{Problem, Verdict};

use crate::{
    context::{Context, Period, Signed},
    layout,
    tables::Look,
};
use directory::{LARGE, Listed, SMALL};
use leaver_domain::{
    ledger::{Checkpoint, VerifierKey},
    time::Timestamp,
};
use report::Report;
use serde_json::Value;
use std::path::Path;

/// A checkpoint that somebody kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// How it is called in the verdict: the name of its file.
    pub name: String,
    /// The signed note.
    pub note: Vec<u8>,
}

/// What the auditor holds, and the pack must agree with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trust {
    /// Checkpoints from earlier, or from others.
    pub checkpoints: Vec<Kept>,
    /// Keys of the log, and of witnesses.
    pub keys: Vec<VerifierKey>,
    /// HR's own list of who left: a table with `termination_date`, and `employee_id` or `username`.
    pub hr: Option<Vec<u8>>,
}

/// Checks a pack. Whatever is in the directory, the answer is a verdict.
pub fn verify(dir: &Path, trust: &Trust) -> Verdict {
    let mut report = Report::default();
    let listed = directory::check(dir, &mut report);
    check(dir, trust, &listed, &mut report);
    report.verdict()
}

/// Takes a result apart: what went wrong is a problem of the file.
fn of<T>(report: &mut Report, path: &str, result: Result<T, directory::Words>) -> Option<T> {
    result.map_err(|words| report.file(path, words)).ok()
}

fn check(dir: &Path, trust: &Trust, listed: &Listed, report: &mut Report) {
    let keys = of(report, layout::KEYS, anchors::keys(dir));
    let note = of(report, layout::CHECKPOINT, directory::read(dir, layout::CHECKPOINT, SMALL));
    let opened = note.as_ref().and_then(|note| of(report, layout::CHECKPOINT, anchors::open(note)));
    let span = of(report, layout::RANGE, anchors::span(dir));
    let completeness =
        of(report, layout::COMPLETENESS, directory::read_json(dir, layout::COMPLETENESS, LARGE));
    if let (Some((note, checkpoint)), Some(keys)) = (&opened, &keys) {
        anchors::signatures(note, checkpoint, keys, trust, report);
    }
    let (Some(bytes), Some((_, checkpoint)), Some(keys), Some(span)) = (note, opened, keys, span) else {
        return report.could_not("the rows: what they are checked against cannot be read");
    };
    let times = completeness.as_ref().and_then(|(value, _)| times(value));
    if completeness.is_some() && times.is_none() {
        report.file(layout::COMPLETENESS, "its period cannot be read");
    }
    let other = completeness.as_ref().and_then(|(value, _)| form::other(value, report));
    let policies = follow::policies(dir, listed, report);
    let form = other.map_or(layout::FORM, form::of);
    let context = context(&checkpoint, form, span.first, times, policies);
    let Some(context) = context else { return };
    report.0.log.clone_from(&checkpoint.origin);
    report.0.first = span.first;
    let wanted = listed.there.iter().filter_map(|path| follow::proved(path));
    let sizes = anchors::kept_sizes(trust);
    let walk = rows::Walk::new(dir, context.clone(), &span, sizes, wanted, &checkpoint.origin, report);
    let walked = walk.map_err(|_| "it cannot be read".to_owned()).and_then(|walk| walk.run(dir));
    let Some(walked) = of(report, layout::ROWS_JSONL, walked) else { return };
    report.0.rows = walked.count;
    report.0.root = Some(walked.tree.root());
    anchors::tree(&walked.tree, &span, &checkpoint, report);
    edges::check(&span, walked.last, &checkpoint, times.map(|(period, _)| period), report);
    for kept in &trust.checkpoints {
        anchors::kept(kept, &keys, trust, &checkpoint, &span, &walked.roots, report);
    }
    if times.is_some() {
        follow(dir, listed, (&checkpoint, &bytes), walked, other, trust, report);
    } else {
        report.could_not("the tables and the cases: the period cannot be read");
    }
    gaps(trust, &span, report);
}

/// The period and when the pack was made, by the pack's own words.
fn times(completeness: &Value) -> Option<(Period, Timestamp)> {
    let instant = |pointer: &str| {
        let text = completeness.pointer(pointer)?.as_str()?;
        text.parse::<Timestamp>().ok().filter(|at| at.to_string() == text)
    };
    let period = Period { from: instant("/period/from")?, to: instant("/period/to")? };
    (period.from < period.to).then_some((period, instant("/generated_at")?))
}

fn context(
    checkpoint: &Checkpoint,
    form: u32,
    first: u64,
    times: Option<(Period, Timestamp)>,
    policies: std::collections::BTreeMap<leaver_domain::digest::Digest, String>,
) -> Option<Context> {
    let epoch = Timestamp::from_millis(0)?;
    let (period, generated_at) = times.unwrap_or((Period { from: epoch, to: epoch }, epoch));
    Some(Context {
        form,
        log: checkpoint.origin.clone(),
        period,
        generated_at,
        checkpoint: Signed { size: checkpoint.size, root: checkpoint.root },
        first,
        policies,
    })
}

/// What follows from all rows.
fn follow(
    dir: &Path,
    listed: &Listed,
    checkpoint: (&Checkpoint, &[u8]),
    walked: rows::Walked,
    other: Option<&Value>,
    trust: &Trust,
    report: &mut Report,
) {
    let (context, fold) = (walked.derived.context(), walked.derived.fold());
    if other.is_none() {
        follow::verifier(dir, report);
    }
    follow::period(walked.newest.as_ref(), context, fold, report);
    follow::days(context, fold, report);
    let look = Look::new(context, fold);
    report.0.cases = u64::try_from(look.cases.len()).unwrap_or(u64::MAX);
    follow::proofs(dir, listed, &look, &walked.hashes, checkpoint, report);
    follow::policies_used(context, &look, report);
    if let Some(hr) = &trust.hr {
        hr::check(hr, &look.cases, context.period, report);
    }
    let opened: Vec<u64> = look.cases.iter().map(|(_, opened)| opened.row).collect();
    // Where a row could not be read, what follows from all rows cannot be known; that was said.
    if let (true, Some(sums)) = (walked.complete, &listed.sums) {
        if let Some(told) = other {
            form::figures(told, &look, report);
        }
        let mut derived = walked.derived;
        let differences = derived.files().differences.clone();
        let given =
            sums.iter().filter(|(path, _)| is_given(path)).map(|(path, sum)| (path.clone(), *sum)).collect();
        match derived.finish(&given) {
            Ok(_) => follow::files(&differences, &opened, other.is_some(), report),
            Err(_) => report.could_not("the tables: they cannot be recomputed"),
        }
    }
}

/// Files that do not follow from the rows.
fn is_given(path: &str) -> bool {
    path == layout::CHECKPOINT
        || path == layout::KEYS
        || path == layout::VERIFIER
        || path.starts_with(layout::PROOFS)
        || path.starts_with(layout::POLICIES)
}

/// Says what was not, or cannot be, checked.
fn gaps(trust: &Trust, span: &anchors::Span, report: &mut Report) {
    follow::around(span, report);
    if trust.checkpoints.is_empty() {
        report.could_not(
            "whether the log was rewritten as a whole before this checkpoint: no checkpoint kept from earlier was given with \
             --checkpoint",
        );
    }
    if trust.hr.is_none() {
        report.could_not("whether HR reported everybody who left: no list of theirs was given with --hr");
    }
    report.could_not("whether the vendors' answers were true: the rows hold what they said");
}
