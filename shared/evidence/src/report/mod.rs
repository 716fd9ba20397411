//! `report.html`: the pack for people. One file without scripts and without anything from elsewhere.

mod bars;

use crate::{
    cases::{Approval, Case, Opened, Sla, Step, seconds},
    completeness,
    controls::{Control, controls},
    figures::{Day, Figures, Missing, PerSystem, percentile},
    files::Sums,
    layout, manifest, sample,
    tables::{
        Look,
        approvals::{self, Asked},
        cases::within,
        exceptions::{self, Found, Kind},
    },
};
use askama::Template;
use bars::{Bar, bars};
use leaver_domain::{digest::Digest, time::Timestamp};
use std::collections::BTreeMap;

/// Most exceptions, decisions, days and cases that are shown; the tables have all of them.
const EXCEPTIONS: usize = 200;
const DECISIONS: usize = 100;
const DAYS: usize = 100;
const CASES: usize = 300;
const MISSING: usize = 100;

/// Part of a list.
struct Shown<T> {
    lines: Vec<T>,
    all: usize,
}

impl<T> Shown<T> {
    fn some(all: impl Iterator<Item = T>, most: usize) -> Self {
        let mut shown = Self { lines: Vec::new(), all: 0 };
        for line in all {
            shown.all += 1;
            if shown.lines.len() < most {
                shown.lines.push(line);
            }
        }
        shown
    }

    fn is_cut(&self) -> bool {
        self.lines.len() < self.all
    }
}

struct DecisionLine<'a> {
    username: &'a str,
    requested_by: &'a str,
    what: &'a str,
    approval: &'a Approval,
    step: Option<&'a Step>,
    separated: &'static str,
}

struct CaseLine<'a> {
    case: &'a Case,
    opened: &'a Opened,
    took: Option<u64>,
    limit: Option<u64>,
    within: Option<Sla>,
    expected: usize,
}

struct Tile {
    figure: String,
    what: &'static str,
    note: String,
    good: Option<bool>,
}

struct Times {
    what: &'static str,
    half: String,
    most: String,
    all: String,
    count: usize,
}

#[derive(Template)]
#[template(path = "report.html")]
struct Report<'a> {
    look: &'a Look<'a>,
    tiles: Vec<Tile>,
    kinds: Vec<(Kind, u64)>,
    exceptions: Shown<Found<'a>>,
    bars: Vec<Bar>,
    times: Vec<Times>,
    systems: Vec<(&'a String, &'a PerSystem)>,
    decisions: Shown<DecisionLine<'a>>,
    statement: String,
    not_covered: Vec<String>,
    days: Shown<&'a Day>,
    missing_days: Shown<&'a String>,
    missing: Shown<&'a Missing>,
    controls: Vec<Control>,
    cases: Shown<CaseLine<'a>>,
    picked: Vec<sample::Picked<'a>>,
    files: Vec<(String, String, Digest)>,
}

/// The file. `sums` are the files that were written before it.
///
/// # Errors
/// None that input can reach: a report is written into memory.
pub fn text(look: &Look<'_>, figures: &Figures, sums: &Sums) -> Result<String, askama::Error> {
    let asked: Vec<Asked<'_>> = approvals::all(look).collect();
    let decisions = asked.iter().flat_map(|asked| {
        asked.steps().map(move |step| DecisionLine {
            username: asked.username,
            requested_by: asked.requested_by,
            what: if asked.approval.system.is_empty() { asked.id } else { &asked.approval.system },
            approval: asked.approval,
            step,
            separated: step.map(|step| asked.separated(step)).unwrap_or_default(),
        })
    });
    // Days that do not agree are what somebody has to look at: they come first.
    let mut days: Vec<_> = figures.days.iter().collect();
    days.sort_by_key(|day| day.matches);
    Report {
        look,
        tiles: tiles(figures),
        kinds: Kind::ALL.iter().map(|kind| (*kind, figures.exceptions_of(*kind))).collect(),
        exceptions: grave(look),
        bars: bars(figures),
        times: vec![
            times("Until the last system was without access", &figures.contained),
            times("Until the last system was verified", &figures.verified),
        ],
        systems: figures.systems.iter().collect(),
        decisions: Shown::some(decisions, DECISIONS),
        statement: completeness::statement(look, figures),
        not_covered: completeness::not_covered(look, figures),
        days: Shown::some(days.into_iter(), DAYS),
        missing_days: Shown::some(figures.missing_days.iter(), DAYS),
        missing: Shown::some(figures.missing.iter(), MISSING),
        controls: controls(figures),
        cases: Shown::some(look.cases.iter().map(|(case, opened)| case_line(look, case, opened)), CASES),
        picked: sample::pick(look),
        files: files(sums),
    }
    .render()
}

/// The exceptions that call for a look, the gravest first. What needs none is only counted.
fn grave<'l>(look: &'l Look<'_>) -> Shown<Found<'l>> {
    let mut by_kind: BTreeMap<Kind, Vec<Found<'l>>> = BTreeMap::new();
    let mut all = 0;
    for found in exceptions::all(look).filter(|found| found.exception.kind.is_grave()) {
        all += 1;
        let of_kind = by_kind.entry(found.exception.kind).or_default();
        if of_kind.len() < EXCEPTIONS {
            of_kind.push(found);
        }
    }
    Shown { lines: by_kind.into_values().flatten().take(EXCEPTIONS).collect(), all }
}

fn case_line<'a>(look: &Look<'_>, case: &'a Case, opened: &'a Opened) -> CaseLine<'a> {
    let done = case.contained_and_done().1;
    CaseLine {
        case,
        opened,
        took: done.map(|done| seconds(opened.clock_starts(), done)),
        limit: look.limit(opened),
        within: within(look, case, opened),
        expected: opened.expected.as_ref().map_or(0, Vec::len),
    }
}

fn times(what: &'static str, sorted: &[u64]) -> Times {
    let at = |percent| percentile(sorted, percent).as_ref().map_or_else(|| "–".to_owned(), duration);
    Times { what, half: at(50), most: at(95), all: at(100), count: sorted.len() }
}

fn tiles(figures: &Figures) -> Vec<Tile> {
    let times = figures.in_time;
    let judged = times.yes + times.no;
    let wrong_days = figures.days.iter().filter(|day| !day.matches).count() + figures.missing_days.len();
    let grave: u64 =
        Kind::ALL.iter().filter(|kind| kind.is_grave()).map(|kind| figures.exceptions_of(*kind)).sum();
    let decisions = figures.decisions;
    vec![
        Tile {
            figure: grouped(&figures.terminations()),
            what: "cases that take access",
            note: format!(
                "{} called off, {} undone as mistakes; besides: {} dry runs, {} that give back",
                figures.cancelled,
                figures.mistakes.len(),
                figures.dry_runs,
                figures.given_back
            ),
            good: Some(figures.mistakes_are_rare()),
        },
        Tile {
            figure: share(times.yes, judged),
            what: "done in time",
            note: format!(
                "{} late, {} still in time, {} without a limit",
                times.no, times.open, times.unknown
            ),
            good: Some(times.no == 0 && times.unknown == 0),
        },
        Tile {
            figure: format!("{} / {}", grouped(&figures.found()), grouped(&figures.expected)),
            what: "access rows",
            note: format!("{} missing", figures.missing.len()),
            good: Some(figures.missing.is_empty()),
        },
        Tile {
            figure: grouped(&grave),
            what: "exceptions to look at",
            note: format!(
                "{} late, {} failures, {} emergencies not reviewed",
                figures.exceptions_of(Kind::Late),
                figures.exceptions_of(Kind::Failed),
                figures.exceptions_of(Kind::Unreviewed)
            ),
            good: Some(grave == 0),
        },
        Tile {
            figure: grouped(&decisions.all),
            what: "decisions asked for",
            note: format!(
                "{} open, {} expired, {} without separation of duties",
                decisions.open, decisions.expired, decisions.not_separated
            ),
            good: Some(decisions.not_separated == 0 && decisions.open == 0 && decisions.expired == 0),
        },
        Tile {
            figure: format!("{} / {}", figures.days.len(), figures.days.len() + figures.missing_days.len()),
            what: "days counted against HR",
            note: format!("{wrong_days} not counted or not in agreement"),
            good: Some(wrong_days == 0),
        },
    ]
}

/// The files with their sizes and digests; the proofs as one.
fn files(sums: &Sums) -> Vec<(String, String, Digest)> {
    let is_proof = |path: &str| path.starts_with(layout::PROOFS) && path != layout::RANGE;
    let plain = sums.iter().filter(|(path, _)| !is_proof(path));
    let mut files: Vec<_> = plain.map(|(path, sum)| (path.clone(), size(sum.bytes), sum.sha256)).collect();
    let proofs: Vec<_> = sums.iter().filter(|(path, _)| is_proof(path)).collect();
    if !proofs.is_empty() {
        let bytes = proofs.iter().map(|(_, sum)| sum.bytes).sum();
        let what =
            format!("{}*.tlog-proof ({} files, digest over their digests)", layout::PROOFS, proofs.len());
        files.push((what, size(bytes), manifest::digest_of(proofs.iter().copied())));
    }
    files
}

fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{} B", grouped(&bytes)),
        10_000..10_000_000 => format!("{} kB", grouped(&(bytes / 1_000))),
        _ => format!("{} MB", grouped(&(bytes / 1_000_000))),
    }
}

/// A number with thin spaces between thousands.
fn grouped(number: &u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// Tenths of a percent, rounded down: 100 % is said of all and of nothing less.
fn share(part: u64, whole: u64) -> String {
    match (part, whole) {
        (_, 0) => "–".to_owned(),
        (part, whole) if part == whole => "100 %".to_owned(),
        (part, whole) => {
            let tenths = u128::from(part) * 1_000 / u128::from(whole);
            format!("{}.{} %", tenths / 10, tenths % 10)
        }
    }
}

/// Seconds as people read them.
fn duration(seconds: &u64) -> String {
    let seconds = *seconds;
    let of = |large: u64, large_unit: &str, rest: u64, rest_unit: &str| match rest {
        0 => format!("{large} {large_unit}"),
        rest => format!("{large} {large_unit} {rest} {rest_unit}"),
    };
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => of(seconds / 60, "min", seconds % 60, "s"),
        7_200..172_800 => of(seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        _ => of(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}

/// An instant to the second, as the tables of the report show it.
fn short(at: &Timestamp) -> String {
    at.to_string().chars().take(19).map(|c| if c == 'T' { ' ' } else { c }).collect()
}

fn short_or(at: Option<&Timestamp>) -> String {
    at.map(short).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_for_people() {
        assert_eq!(grouped(&1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!((grouped(&0), grouped(&999)), ("0".into(), "999".into()));
        assert_eq!((share(9_999, 10_000), share(3, 3)), ("99.9 %".into(), "100 %".into()));
        assert_eq!(
            (duration(&59), duration(&432), duration(&90_000)),
            ("59 s".into(), "7 min 12 s".into(), "25 h".into())
        );
    }
}
