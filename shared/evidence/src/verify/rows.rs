//! The rows, one after another: their places, links and hashes, and what is shown of them beside the hashed bytes.

use super::{
    anchors::Span,
    closing::Closing,
    compare::{Difference, Given},
    directory::{self, Words},
    report::{Report, shown},
    strict,
};
use crate::{context::Context, derived::Derived, layout};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use leaver_domain::{
    digest::Digest,
    ledger::{Compact, Entry, leaf_hash},
    time::Timestamp,
};
use serde::Deserialize;
use std::{
    cell::RefCell,
    collections::BTreeMap,
    io::{self, BufRead, BufReader, Read as _},
    path::Path,
    rc::Rc,
};

/// Longest line, in bytes.
const LONGEST_LINE: usize = 8 * 1024 * 1024;
/// Said of tables when a row cannot be read: what follows from all rows cannot be known then.
const UNREADABLE_ROWS: &str = "the tables: some rows cannot be read";

/// What counts in a line: the rest of it must be what follows from these.
#[derive(Deserialize)]
struct Counts {
    leaf: String,
    evidence: String,
}

/// The walk over the rows.
pub(super) struct Walk<'a> {
    report: &'a mut Report,
    origin: &'a str,
    end: u64,
    tree: Compact,
    last: Digest,
    next: u64,
    recorded_at: Option<Timestamp>,
    /// The newest row that could be read.
    newest: Option<Entry>,
    /// Roots at the sizes that somebody asked for.
    roots: BTreeMap<u64, Option<Digest>>,
    closing: Closing,
    derived: Derived<Given>,
    line: Rc<RefCell<Vec<u8>>>,
    table_is_good: bool,
    count: u64,
    unreadable: bool,
    wanted: BTreeMap<u64, Option<Digest>>,
}

/// What a walk came to.
pub(super) struct Walked {
    pub(super) tree: Compact,
    /// Hash of the last row.
    pub(super) last: Digest,
    pub(super) newest: Option<Entry>,
    pub(super) roots: BTreeMap<u64, Option<Digest>>,
    pub(super) count: u64,
    pub(super) derived: Derived<Given>,
    /// Hashes of the rows that were asked for.
    pub(super) hashes: BTreeMap<u64, Option<Digest>>,
    /// Whether every row could be read.
    pub(super) complete: bool,
}

impl<'a> Walk<'a> {
    /// Before the first row. `sizes` are the sizes at which the root is wanted, `wanted` the rows whose hashes are.
    pub(super) fn new(
        dir: &Path,
        context: Context,
        span: &Span,
        sizes: impl Iterator<Item = u64>,
        wanted: impl Iterator<Item = u64>,
        origin: &'a str,
        report: &'a mut Report,
    ) -> io::Result<Self> {
        let given = Given::new(dir);
        let line = given.line.clone();
        let mut walk = Self {
            origin,
            end: span.end,
            tree: span.before.clone(),
            last: span.last,
            next: span.first,
            recorded_at: None,
            newest: None,
            roots: sizes.map(|size| (size, None)).collect(),
            closing: Closing::default(),
            derived: Derived::new(context, given)?,
            line,
            table_is_good: true,
            count: 0,
            unreadable: false,
            wanted: wanted.map(|row| (row, None)).collect(),
            report,
        };
        walk.note_root();
        walk.table(None);
        Ok(walk)
    }

    fn note_root(&mut self) {
        if let Some(root) = self.roots.get_mut(&self.tree.size) {
            *root = Some(self.tree.root());
        }
    }

    /// Reads `rows.jsonl` to its end.
    pub(super) fn run(mut self, dir: &Path) -> Result<Walked, Words> {
        let mut file = BufReader::with_capacity(1 << 18, directory::open(dir, layout::ROWS_JSONL)?);
        let most = u64::try_from(LONGEST_LINE).unwrap_or(u64::MAX).saturating_add(1);
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = file.by_ref().take(most).read_until(b'\n', &mut line);
            if read.map_err(|_| "it cannot be read")? == 0 {
                break;
            }
            if line.len() > LONGEST_LINE {
                self.bad(self.next, format!("its line in rows.jsonl is longer than {LONGEST_LINE} bytes"));
                break;
            }
            match line.pop_if(|last| *last == b'\n') {
                Some(_) => {}
                None => self.bad(self.next, "its line in rows.jsonl does not end"),
            }
            self.row(&line);
        }
        if self.next < self.end {
            self.bad(self.next, format!("it is missing: the rows end before row {}", self.end));
        } else if self.next > self.end {
            self.bad(self.end, "it lies behind the end of the pack's rows");
        }
        Ok(Walked {
            tree: self.tree,
            last: self.last,
            newest: self.newest,
            roots: self.roots,
            count: self.count,
            derived: self.derived,
            hashes: self.wanted,
            complete: !self.unreadable,
        })
    }

    fn bad(&mut self, row: u64, what: impl Into<String>) {
        self.report.row(row, layout::ROWS_JSONL, what);
    }

    /// A row that the tables cannot follow from.
    fn unreadable(&mut self, row: u64, what: impl Into<String>) {
        self.bad(row, what);
        self.report.could_not(UNREADABLE_ROWS);
        self.unreadable = true;
    }

    fn row(&mut self, text: &[u8]) {
        let place = self.next;
        self.next = place.saturating_add(1);
        let Ok(line) = serde_json::from_slice::<Counts>(text) else {
            return self.unreadable(place, "its line in rows.jsonl cannot be read");
        };
        let Ok(leaf) = STANDARD.decode(&line.leaf) else {
            return self.unreadable(place, "its leaf is not base64");
        };
        let hash = leaf_hash(&leaf);
        self.tree.push(hash);
        self.count = self.count.saturating_add(1);
        self.note_root();
        let entry = match Entry::decode(&leaf) {
            Ok(entry) => entry,
            Err(malformed) => {
                self.last = hash;
                return self.unreadable(place, format!("its bytes are not an entry: {malformed}"));
            }
        };
        self.chain(place, &entry, &leaf, hash, &line.evidence);
        let facts = strict::parse(line.evidence.as_bytes());
        if facts.is_none() {
            self.bad(place, "its evidence is not JSON of one meaning");
        }
        self.show(place, text, &entry, &leaf, &line.evidence);
        for problem in self.closing.row(&entry, &facts.unwrap_or_default()) {
            match problem {
                Ok(what) => self.bad(place, what),
                Err(unchecked) => self.report.could_not(unchecked),
            }
        }
        if let Some(wanted) = self.wanted.get_mut(&entry.seq) {
            *wanted = Some(hash);
        }
        self.newest = Some(entry);
    }

    /// Place, link, evidence, time and uniqueness.
    fn chain(&mut self, place: u64, entry: &Entry, leaf: &[u8], hash: Digest, evidence: &str) {
        if entry.encode() != leaf {
            self.bad(place, "its bytes are not the canonical ones");
        }
        if entry.origin != self.origin {
            self.bad(place, format!("it belongs to the log `{}`", shown(&entry.origin)));
        }
        if entry.seq != place {
            self.bad(place, format!("it says place {}", entry.seq));
            self.next = entry.seq.saturating_add(1);
        }
        if entry.previous != self.last {
            self.bad(place, "it does not link to the row before it");
        }
        if entry.evidence != Digest::of(evidence.as_bytes()) {
            self.bad(place, "its evidence is not what was recorded");
        }
        if self.recorded_at.is_some_and(|last| entry.recorded_at < last) {
            self.bad(place, "it says that it was appended before the row in front of it");
        }
        if !self.closing.event(entry, hash) {
            self.bad(place, format!("its event `{}` stands in the log already", shown(&entry.event_id)));
        }
        self.last = hash;
        self.recorded_at = self.recorded_at.max(Some(entry.recorded_at));
    }

    /// What stands beside the hashed bytes: the line's view, and the table's line.
    fn show(&mut self, place: u64, text: &[u8], entry: &Entry, leaf: &[u8], evidence: &str) {
        self.line.borrow_mut().clear();
        // Nothing that compares can fail; if it did, the row would be told as differing.
        let written = self.derived.row(entry, leaf, evidence);
        let is_same = written.is_ok() && self.line.borrow().strip_suffix(b"\n") == Some(text);
        if !is_same {
            self.bad(place, "rows.jsonl does not say what the row says");
        }
        self.table(Some(place));
    }

    /// Tells once where `rows.csv` begins to differ.
    fn table(&mut self, row: Option<u64>) {
        if !self.table_is_good {
            return;
        }
        let difference = self.derived.files().differences.of(layout::ROWS_CSV);
        match (difference, row) {
            (None, _) => return,
            (Some(Difference::Unreadable), _) => {
                self.report.could_not(format!("{}: it is not there or cannot be read", layout::ROWS_CSV));
            }
            (Some(_), None) => self.report.file(layout::ROWS_CSV, "its columns are not those of this table"),
            (Some(_), Some(row)) if !self.unreadable => {
                self.report.row(row, layout::ROWS_CSV, "rows.csv does not say what the row says");
            }
            (Some(_), Some(_)) => {}
        }
        self.table_is_good = false;
    }
}
