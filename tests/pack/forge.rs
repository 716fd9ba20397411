//! Packs of a made-up log, and what an attacker can make of them: with the log's stolen key, and without.

use ed25519_dalek::{Signer as _, SigningKey};
use leaver_domain::{
    digest::Digest,
    ledger::{
        Checkpoint, Compact, Entry, EventKind, Note, NoteSignature, Tiles, VerifierKey, cosigned_message,
    },
    ports::Row,
    time::Timestamp,
};
use leaver_evidence::{
    context::Keys,
    edges::Edges,
    files::{Memory, Sum},
    layout,
    manifest::Manifest,
    pack::{About, Pack},
    sample_log::{ORIGIN, SampleLog},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// The files of a pack.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// The rows of a log, each with its evidence. Entries may be changed; [`Log::chain`] makes a log of them again.
#[derive(Clone)]
pub(crate) struct Log {
    pub(crate) rows: Vec<(Entry, String)>,
    pub(crate) policies: BTreeMap<Digest, String>,
    /// When its packs are made.
    pub(crate) made: Timestamp,
    /// Period of its packs.
    pub(crate) period: (Timestamp, Timestamp),
    /// Whether the witness signs, and must.
    pub(crate) witnessed: bool,
    /// First and last row of its packs.
    pub(crate) first: usize,
    pub(crate) end: usize,
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

fn key(byte: u8) -> SigningKey {
    SigningKey::from_bytes(&[byte; 32])
}

/// The witness's key.
pub(crate) fn witness() -> VerifierKey {
    VerifierKey::cosigner("witness.example/w", key(9).verifying_key().to_bytes()).expect("a key")
}

/// The witness's signature of a note.
pub(crate) fn cosign(note: &mut Note) {
    let signature: NoteSignature = witness()
        .cosignature(1_770_129_000, &key(9).sign(&cosigned_message(1_770_129_000, &note.text)).to_bytes());
    note.add(signature);
}

impl Log {
    fn of(log: &SampleLog) -> Self {
        let entry = |row: &Row| (Entry::decode(&row.leaf).expect("an entry"), row.evidence.clone());
        let mut made = Self {
            rows: log.rows.iter().map(entry).collect(),
            policies: log.policies.clone(),
            made: log.now,
            period: (at("2026-02-01T00:00:00Z"), at("2026-03-01T00:00:00Z")),
            witnessed: true,
            first: 0,
            end: log.rows.len(),
        };
        made.list();
        made.chain();
        made
    }

    /// A month with one of everything; its closing rows list their cases' rows.
    pub(crate) fn month() -> Self {
        Self::of(&SampleLog::month())
    }

    /// One clean case in one system: as small as a pack gets.
    pub(crate) fn small() -> Self {
        let mut log = SampleLog::new("2026-02-02T08:00:00Z");
        log.systems.truncate(1);
        let mut case = leaver_evidence::sample_log::Case::new(1, "john.doe", "hris");
        case.clean(&mut log, &mut |_| {});
        log.at("2026-02-03T00:10:00Z").count("2026-02-02", 0);
        Self::of(&log)
    }

    /// Puts into each closing row the list of its case's rows before it.
    pub(crate) fn list(&mut self) {
        for place in 0..self.rows.len() {
            if self.rows[place].0.kind != EventKind::CaseClosed {
                continue;
            }
            self.chain();
            let case = self.rows[place].0.case_id.clone();
            let before = self.rows[..place].iter().filter(|(entry, _)| entry.case_id == case);
            let listed: Vec<Value> =
                before.map(|(entry, _)| json!({"event_id": entry.event_id, "hash": entry.hash()})).collect();
            let mut evidence: Value = serde_json::from_str(&self.rows[place].1).expect("JSON");
            evidence["facts"]["rows"] = listed.into();
            self.rows[place].1 = evidence.to_string();
        }
    }

    /// Places, links and digests of the evidence, all new: what an insider can always do.
    pub(crate) fn chain(&mut self) {
        let mut last = Digest::ZERO;
        for (place, (entry, evidence)) in self.rows.iter_mut().enumerate() {
            entry.seq = place as u64;
            entry.previous = last;
            entry.evidence = Digest::of(evidence.as_bytes());
            last = entry.hash();
        }
    }

    /// Changes the evidence of one row.
    pub(crate) fn edit(&mut self, place: usize, change: impl FnOnce(&mut Value)) {
        let mut evidence: Value = serde_json::from_str(&self.rows[place].1).expect("JSON");
        change(&mut evidence);
        self.rows[place].1 = evidence.to_string();
    }

    /// The place of the first row of a kind.
    pub(crate) fn place(&self, kind: EventKind) -> usize {
        self.rows.iter().position(|(entry, _)| entry.kind == kind).expect("there is one")
    }

    fn tiles(&self) -> Tiles {
        let mut tiles = Tiles::default();
        for (place, (entry, _)) in self.rows.iter().enumerate() {
            tiles.grow(place as u64, [entry.hash()]).expect("row by row");
        }
        tiles
    }

    fn tree(&self, size: usize) -> Compact {
        let mut tree = Compact::default();
        self.rows[..size].iter().for_each(|(entry, _)| tree.push(entry.hash()));
        tree
    }

    /// The note over the first rows, signed with the log's key.
    pub(crate) fn note(&self, size: usize) -> String {
        let checkpoint = Checkpoint::new(ORIGIN, size as u64, self.tree(size).root()).expect("a checkpoint");
        let text = checkpoint.text();
        let signature = key(7).sign(text.as_bytes()).to_bytes();
        let mut note = Note { text, signatures: vec![SampleLog::verifier_key().signature(&signature)] };
        if self.witnessed {
            cosign(&mut note);
        }
        note.to_string()
    }

    /// The keys of its packs.
    pub(crate) fn keys(&self) -> Keys {
        let mut keys = SampleLog::keys();
        if self.witnessed {
            keys.witnesses = vec![witness().to_string()];
            keys.quorum = 1;
        }
        keys
    }

    /// Takes a part of the log for its packs, and as the period whatever fits.
    pub(crate) fn part(&mut self, first: usize, end: usize) {
        (self.first, self.end) = (first, end);
        let recorded = |row: usize| self.rows[row].0.recorded_at;
        if let Some(before) = first.checked_sub(1) {
            self.period.0 = recorded(before).plus(std::time::Duration::from_millis(1));
        }
        if end < self.rows.len() {
            self.period.1 = recorded(end);
        }
    }

    /// The pack.
    pub(crate) fn pack(&self) -> Files {
        let tiles = self.tiles();
        let about = About {
            origin: ORIGIN.into(),
            from: self.period.0,
            to: self.period.1,
            first: self.first as u64,
            before: self.tree(self.first),
            last: self.first.checked_sub(1).map_or(Digest::ZERO, |row| self.rows[row].0.hash()),
            generated_at: self.made,
            checkpoint_note: self.note(self.rows.len()),
            keys: self.keys(),
            policies: self.policies_used(),
        };
        let mut pack = Pack::create_in(Memory::default(), about).expect("a pack");
        for (entry, evidence) in &self.rows[self.first..self.end] {
            let row = Row { seq: entry.seq, leaf: entry.encode(), evidence: evidence.clone() };
            pack.row(&row).expect("a row");
        }
        let leaf = |row: usize| self.rows.get(row).map(|(entry, _)| entry.encode());
        let edges = Edges { before: self.first.checked_sub(1).and_then(leaf), behind: leaf(self.end) };
        pack.finish(&edges, &|level, index| tiles.node(level, index)).expect("an end").1.0
    }

    fn policies_used(&self) -> BTreeMap<Digest, String> {
        let rows = &self.rows[self.first..self.end];
        let used = |digest: &Digest| rows.iter().any(|(_, evidence)| evidence.contains(&digest.to_string()));
        self.policies.iter().filter(|(digest, _)| used(digest)).map(|(a, b)| (*a, b.clone())).collect()
    }
}

/// Makes the manifest fit the files: what everybody can do.
pub(crate) fn seal(files: &mut Files) {
    let others = files.iter().filter(|(path, _)| *path != layout::MANIFEST);
    let sums = others.map(|(path, bytes)| (path.clone(), Sum::of(bytes))).collect();
    files.insert(layout::MANIFEST.into(), Manifest::of(&sums).text().expect("JSON").into_bytes());
}

/// A directory that goes away again.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new(files: &Files) -> Self {
        let folder = Self(tempfile::tempdir().expect("a directory"));
        files.iter().for_each(|(path, bytes)| folder.put(path, bytes));
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn file(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    pub(crate) fn put(&self, path: &str, bytes: &[u8]) {
        let path = self.file(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, bytes).expect("a file");
    }
}
