//! A made-up log: cases that go well and cases that do not, for tests and benchmarks.

mod case;
mod decided;
mod measure;
mod month;

pub use case::{Case, Opening};
pub use measure::Apart;

use crate::{
    context::{Keys, Period},
    edges::Edges,
    extent::{Extent, opens_a_case},
    files::{Files, Memory},
    pack::{About, Pack, PackError, Packed},
};
use ed25519_dalek::{Signer as _, SigningKey};
use leaver_domain::{
    digest::Digest,
    ledger::{Checkpoint, Draft, Entry, EventKind, Head, Note, Outcome, Tiles, VerifierKey},
    ports::Row,
    time::Timestamp,
};
use serde_json::json;
use std::{collections::BTreeMap, ops::Range, time::Duration};

/// Name of the made-up log.
pub const ORIGIN: &str = "leaver/sample/000000000000/eu-central-1";
/// How many cases [`SampleLog::month`] opens.
pub const MONTH_CASES: usize = 22;

/// The log.
pub struct SampleLog {
    /// Where it ends.
    pub head: Head,
    /// The log's clock: what is appended next is recorded now.
    pub now: Timestamp,
    /// Its rows; empty where they are not kept.
    pub rows: Vec<Row>,
    /// The systems that cases expect.
    pub systems: Vec<String>,
    /// The policies that cases ran under, by digest.
    pub policies: BTreeMap<Digest, String>,
    /// The policy that the next case runs under.
    pub policy: Digest,
    keep: bool,
    tiles: Tiles,
    days: BTreeMap<String, Vec<String>>,
}

impl SampleLog {
    /// An empty log whose clock stands at an instant such as `2026-02-01T00:00:00Z`.
    pub fn new(now: &str) -> Self {
        let policies = [900, 60].map(|limit| {
            let text = json!({"version": 1, "timing": {
                "termination_seconds": limit, "verification_delay_seconds": 5, "manual_task_seconds": 14_400,
            }});
            (Digest::of(text.to_string().as_bytes()), text.to_string())
        });
        Self {
            head: Head::empty(ORIGIN),
            now: instant(now),
            rows: Vec::new(),
            systems: ["aws_iam", "github", "okta", "slack"].map(str::to_owned).into(),
            policy: policies[0].0,
            policies: policies.into(),
            keep: true,
            tiles: Tiles::default(),
            days: BTreeMap::new(),
        }
    }

    /// The same without keeping rows: [`Case`]'s methods give each row to whoever appends.
    pub fn without_rows(now: &str) -> Self {
        Self { keep: false, ..Self::new(now) }
    }

    /// Moves the clock.
    pub fn wait(&mut self, seconds: u64) -> &mut Self {
        self.now = self.now.plus(Duration::from_secs(seconds));
        self
    }

    /// Puts the clock at an instant.
    pub fn at(&mut self, now: &str) -> &mut Self {
        self.now = instant(now);
        self
    }

    /// Appends a draft.
    pub fn push(&mut self, draft: Draft) -> Row {
        let salt = Digest::of(draft.event_id.as_bytes()).0;
        let salt = std::array::from_fn(|place| salt[place]);
        let evidence = draft.evidence.clone();
        let (head, entries) = self.head.extend([(draft, salt)], self.now);
        let entry = &entries[0];
        if opens_a_case(entry) {
            let day = self.now.to_string()[..10].to_owned();
            self.days.entry(day).or_default().push(entry.case_id.clone());
        }
        if self.tiles.grow(entry.seq, [entry.hash()]).is_err() {
            unreachable!("a log grows row by row");
        }
        self.head = head;
        let row = Row { seq: entry.seq, leaf: entry.encode(), evidence };
        if self.keep {
            self.rows.push(row.clone());
        }
        row
    }

    /// Counts a day, `off` more HR events than there were cases.
    pub fn count(&mut self, day: &str, off: u64) -> Row {
        let mut ids = self.days.get(day).cloned().unwrap_or_default();
        ids.sort();
        let count = ids.len() as u64;
        let facts = json!({
            "day": day, "hr_events": count + off, "hr_events_digest": Digest::of(day.as_bytes()), "hr_cases": count,
            "cases": count, "cases_digest": Digest::of(ids.join("\n").as_bytes()), "rows": self.head.tree.size,
        });
        self.push(Draft {
            event_id: format!("population-{day}/case/0"),
            case_id: format!("population-{day}"),
            ordinal: 0,
            kind: EventKind::PopulationCounted,
            occurred_at: self.now,
            username: String::new(),
            actor: "leaver/sweep".into(),
            system: None,
            action: "count".into(),
            outcome: Outcome::Success,
            risk: None,
            evidence: json!({"facts": facts}).to_string(),
        })
    }

    /// A hash of the log's tree.
    pub fn node(&self, level: u8, index: u64) -> Option<Digest> {
        self.tiles.node(level, index)
    }

    fn key() -> SigningKey {
        SigningKey::from_bytes(&[7; 32])
    }

    /// The log's public key.
    pub fn verifier_key() -> VerifierKey {
        match VerifierKey::ed25519(ORIGIN, Self::key().verifying_key().to_bytes()) {
            Ok(key) => key,
            Err(_) => unreachable!("the sample's key is good"),
        }
    }

    /// `keys.json`.
    pub fn keys() -> Keys {
        Keys {
            origin: ORIGIN.into(),
            log: vec![Self::verifier_key().to_string()],
            witnesses: vec![],
            quorum: 0,
        }
    }

    /// The signed note over all rows.
    pub fn note(&self) -> String {
        let text = match Checkpoint::new(ORIGIN, self.head.tree.size, self.head.tree.root()) {
            Ok(checkpoint) => checkpoint.text(),
            Err(_) => unreachable!("the sample's name is good"),
        };
        let signature = Self::key().sign(text.as_bytes()).to_bytes();
        let signatures = vec![Self::verifier_key().signature(&signature)];
        Note { text, signatures }.to_string()
    }

    /// What a pack of a period is about, from a row on.
    pub fn about(&self, from: &str, to: &str, first: u64) -> About {
        let before = self.tiles.compact(first).unwrap_or_default();
        let last = first.checked_sub(1).and_then(|row| self.node(0, row)).unwrap_or(Digest::ZERO);
        About {
            origin: ORIGIN.into(),
            from: instant(from),
            to: instant(to),
            first,
            before,
            last,
            generated_at: self.now,
            checkpoint_note: self.note(),
            keys: Self::keys(),
            policies: self.policies.clone(),
        }
    }

    /// The rows of a period's pack.
    pub fn extent(&self, from: &str, to: &str) -> Range<u64> {
        let mut extent = Extent::new(Period { from: instant(from), to: instant(to) });
        self.rows.iter().filter_map(|row| Entry::decode(&row.leaf).ok()).for_each(|entry| extent.row(&entry));
        extent.rows(self.head.tree.size)
    }

    /// Builds a pack of the rows `first..end`.
    ///
    /// # Errors
    /// Those of the builder.
    pub fn pack<F: Files>(&self, files: F, about: About, end: u64) -> Result<(Packed, F), PackError> {
        let first = about.first;
        let mut pack = Pack::create_in(files, about)?;
        for row in self.rows.iter().filter(|row| (first..end).contains(&row.seq)) {
            pack.row(row)?;
        }
        pack.finish(&self.edges(first, end), &|level, index| self.node(level, index))
    }

    /// The rows next to `first..end`.
    pub fn edges(&self, first: u64, end: u64) -> Edges {
        let leaf = |seq| self.rows.iter().find(|row| row.seq == seq).map(|row| row.leaf.clone());
        Edges { before: first.checked_sub(1).and_then(leaf), behind: leaf(end) }
    }

    /// The pack of a period, in memory.
    ///
    /// # Errors
    /// Those of the builder.
    pub fn whole(&self, from: &str, to: &str) -> Result<BTreeMap<String, Vec<u8>>, PackError> {
        let rows = self.extent(from, to);
        let (_, files) = self.pack(Memory::default(), self.about(from, to, rows.start), rows.end)?;
        Ok(files.0)
    }

    /// A month with one of everything: [`MONTH_CASES`] cases from 2026-02-02 on, counted on most days.
    pub fn month() -> Self {
        let mut log = Self::new("2026-02-02T08:00:00Z");
        month::play(&mut log);
        log
    }
}

fn instant(text: &str) -> Timestamp {
    match text.parse() {
        Ok(at) => at,
        Err(_) => unreachable!("the sample's times are good"),
    }
}
