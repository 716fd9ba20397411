//! What a check found, in the words that people read and as JSON. The second implementation says the same words.

use leaver_domain::digest::Digest;
use serde::Serialize;
use std::fmt::{self, Write as _};

/// Most problems, remarks and gaps that are told one by one.
const MOST: usize = 50;
/// Longest text out of a pack that is shown, in characters.
const LONGEST: usize = 100;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The row, where it is one row's.
    pub row: Option<u64>,
    /// The file that shows it.
    pub file: Option<String>,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.row, &self.file) {
            (Some(row), _) => write!(f, "row {row}: {}", self.what),
            (None, Some(file)) => write!(f, "{file}: {}", self.what),
            (None, None) => f.write_str(&self.what),
        }
    }
}

/// The outcome of checking a pack.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    /// Whether nothing is wrong.
    pub ok: bool,
    /// The first row that something is wrong with.
    pub first_bad_row: Option<u64>,
    /// What is wrong, in the order in which it was found.
    pub problems: Vec<Problem>,
    /// How many more problems there are.
    pub more: u64,
    /// What is not wrong and still worth to know.
    pub remarks: Vec<String>,
    /// What could not be checked.
    pub unchecked: Vec<String>,
    /// Name of the log.
    pub log: String,
    /// The pack's first row.
    pub first: u64,
    /// How many rows it has.
    pub rows: u64,
    /// How many cases of its period.
    pub cases: u64,
    /// The root over the rows up to the pack's last; `None` where the rows were not read.
    pub root: Option<Digest>,
}

impl Verdict {
    /// As JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "verified": self.ok, "first_bad_row": self.first_bad_row, "problems": self.problems,
            "more_problems": self.more, "remarks": self.remarks, "unchecked": self.unchecked, "log": self.log,
            "first": self.first, "rows": self.rows, "cases": self.cases, "root": self.root,
        })
    }

    /// In words.
    pub fn words(&self) -> String {
        let mut words = String::new();
        let root = self.root.map_or_else(|| "-".to_owned(), |root| root.to_string());
        let located =
            self.problems.iter().find(|problem| problem.row.is_some() && problem.row == self.first_bad_row);
        // Writing to a string cannot fail.
        let _ = match located.or(self.problems.first()) {
            None => write!(
                words,
                "VERIFIED: {} rows from row {} of the log {}, {} cases, root {root}",
                self.rows,
                self.first,
                shown(&self.log),
                self.cases
            ),
            Some(first) => self.failed(&mut words, first),
        };
        for (name, texts) in [("remarks", &self.remarks), ("could not check", &self.unchecked)] {
            if !texts.is_empty() {
                let _ = write!(words, "\n{name}:\n  {}", texts.join("\n  "));
            }
        }
        words
    }

    fn failed(&self, words: &mut String, first: &Problem) -> fmt::Result {
        let told = u64::try_from(self.problems.len()).unwrap_or(u64::MAX);
        write!(words, "NOT VERIFIED: {first}\nproblems: {}", told.saturating_add(self.more))?;
        self.problems.iter().try_for_each(|problem| write!(words, "\n  {problem}"))?;
        if self.more > 0 {
            write!(words, "\n  and {} more", self.more)?;
        }
        Ok(())
    }
}

/// Collects what a check finds.
#[derive(Debug, Default)]
pub(super) struct Report(pub(super) Verdict);

impl Report {
    fn problem(&mut self, row: Option<u64>, file: Option<&str>, what: String) {
        let first = self.0.first_bad_row.into_iter().chain(row).min();
        self.0.first_bad_row = first;
        if self.0.problems.len() < MOST {
            self.0.problems.push(Problem { row, file: file.map(str::to_owned), what });
        } else {
            self.0.more = self.0.more.saturating_add(1);
        }
    }

    /// Something is wrong with the whole pack.
    pub(super) fn bad(&mut self, what: impl Into<String>) {
        self.problem(None, None, what.into());
    }

    /// Something is wrong with a file.
    pub(super) fn file(&mut self, file: &str, what: impl Into<String>) {
        self.problem(None, Some(file), what.into());
    }

    /// Something is wrong with a row, as a file shows it.
    pub(super) fn row(&mut self, row: u64, file: &str, what: impl Into<String>) {
        self.problem(Some(row), Some(file), what.into());
    }

    /// Something could not be checked.
    pub(super) fn could_not(&mut self, what: impl Into<String>) {
        let what = what.into();
        if self.0.unchecked.len() < MOST && !self.0.unchecked.contains(&what) {
            self.0.unchecked.push(what);
        }
    }

    /// Something that is not wrong and still worth to know.
    pub(super) fn remark(&mut self, what: String) {
        if self.0.remarks.len() < MOST {
            self.0.remarks.push(what);
        }
    }

    /// The end of the check.
    pub(super) fn verdict(self) -> Verdict {
        Verdict { ok: self.0.problems.is_empty(), ..self.0 }
    }
}

/// A text from the pack as it may be printed: nothing that steers a terminal, and not too long.
pub(super) fn shown(text: &str) -> String {
    let is_hidden = |c: char| {
        matches!(c, '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    let mut shown: String = text.chars().take(LONGEST).map(|c| if is_hidden(c) { '?' } else { c }).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push_str("...");
    }
    shown
}
