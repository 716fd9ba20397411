//! The evidence bucket: objects under conditions, and whether the checkpoints in it tell one story.

use crate::tape::{Answer, Call};
use leaver_domain::{
    digest::Digest,
    ledger::{Checkpoint, Compact, Note, Tile, leaf_hash, unbundle},
    ports::{Object, Placed, Unless},
};
use std::{
    collections::BTreeMap,
    hash::{Hash, Hasher},
    sync::Arc,
};

/// Name of the newest checkpoint, the only object that is ever replaced.
const NEWEST: &str = "checkpoint";

/// The objects, and what is wrong with them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bucket {
    objects: Arc<BTreeMap<String, Vec<u8>>>,
    mark: Option<Digest>,
    /// What is wrong with what is published.
    pub(crate) flaw: Option<String>,
}

impl Hash for Bucket {
    fn hash<H: Hasher>(&self, to: &mut H) {
        self.mark.hash(to);
    }
}

impl PartialEq for Bucket {
    fn eq(&self, other: &Self) -> bool {
        self.mark == other.mark
    }
}

fn tag(bytes: &[u8]) -> String {
    Digest::of(bytes).to_string()
}

/// The root over these leaves.
pub(crate) fn root(leaves: &[Digest]) -> Digest {
    let mut tree = Compact::default();
    leaves.iter().for_each(|leaf| tree.push(*leaf));
    tree.root()
}

impl Bucket {
    /// Answers a call, with what it does.
    pub(crate) fn call(&mut self, call: &Call) -> Answer {
        match call {
            Call::Get(key) => {
                let object = self.objects.get(key);
                Answer::Object(object.map(|bytes| Object { bytes: bytes.clone(), tag: tag(bytes) }))
            }
            Call::Behind(prefix, after) => {
                let names = self.objects.keys().filter(|name| name.starts_with(prefix) && *name > after);
                Answer::Names(names.cloned().collect())
            }
            Call::Put(key, bytes, unless) => Answer::Placed(self.put(key, bytes, unless)),
            other => panic!("not of the bucket: {other:?}"),
        }
    }

    fn put(&mut self, key: &str, bytes: &[u8], unless: &Unless) -> Placed {
        let there = self.objects.get(key).map(|bytes| tag(bytes));
        let holds = match unless {
            Unless::Exists => there.is_none(),
            Unless::ChangedFrom(tag) => there.as_ref() == Some(tag),
        };
        if !holds {
            return Placed::Refused;
        }
        let before = self.newest();
        let mut objects = BTreeMap::clone(&self.objects);
        let replaced = objects.insert(key.to_owned(), bytes.to_vec());
        let parts: Vec<&[u8]> =
            objects.iter().flat_map(|(key, bytes)| [key.as_bytes(), &[0], bytes.as_slice(), &[0]]).collect();
        let flaw = flaw(&objects);
        *self = Self { mark: Some(Digest::of_parts(&parts)), objects: Arc::new(objects), flaw };
        if self.newest() < before {
            self.flaw = Some("the newest checkpoint went back".to_owned());
        }
        if replaced.is_some() && key != NEWEST {
            self.flaw = Some(format!("`{key}` was written over"));
        }
        Placed::Done
    }

    /// The size that the newest checkpoint tells of.
    fn newest(&self) -> Option<u64> {
        self.objects.get(NEWEST).map(|note| read(note).size)
    }

    /// Whether all entries are the beginning of these rows: those of a run that died before its checkpoint as well.
    pub(crate) fn all_begin(&self, rows: &[Digest]) -> bool {
        let bundles = self.objects.iter().filter(|(key, _)| key.starts_with("tile/entries/"));
        bundles.map(|(_, bytes)| unbundle(bytes).expect("a bundle")).all(|entries| {
            let leaves: Vec<Digest> = entries.into_iter().map(leaf_hash).collect();
            rows.starts_with(&leaves)
        })
    }

    /// Size and root of the largest locked checkpoint.
    pub(crate) fn largest(&self) -> Option<(u64, Digest)> {
        let notes = self.objects.iter().filter(|(key, _)| key.starts_with("checkpoints/"));
        notes.map(|(_, note)| read(note)).map(|one| (one.size, one.root)).max()
    }
}

fn read(note: &[u8]) -> Checkpoint {
    Checkpoint::parse(&Note::parse(note).expect("a note").text).expect("a checkpoint")
}

/// Reads what is published as an outsider does: every locked checkpoint must be over its entries, each of them the
/// beginning of the next, and the newest one among them.
fn flaw(objects: &BTreeMap<String, Vec<u8>>) -> Option<String> {
    let mut before: Vec<Digest> = Vec::new();
    for (key, note) in objects.iter().filter(|(key, _)| key.starts_with("checkpoints/")) {
        let checkpoint = read(note);
        let leaves = match u16::try_from(checkpoint.size).expect("a small log") {
            0 => Vec::new(),
            width => {
                let path = Tile { level: 0, index: 0, width }.entries_path();
                let Some(bytes) = objects.get(&path) else { return Some(format!("{key} without {path}")) };
                let entries = unbundle(bytes).expect("a bundle");
                entries.into_iter().map(leaf_hash).collect::<Vec<_>>()
            }
        };
        if root(&leaves) != checkpoint.root {
            return Some(format!("{key} is over other entries"));
        }
        if !leaves.starts_with(&before) {
            return Some(format!("{key} contradicts the checkpoint before it"));
        }
        before = leaves;
    }
    let newest = objects.get(NEWEST).map(|note| read(note));
    let locked = |one: &Checkpoint| objects.get(&format!("checkpoints/{:020}", one.size));
    let told = newest.is_none_or(|one| locked(&one).is_some_and(|note| read(note) == one));
    (!told).then(|| "the newest checkpoint is not among the locked ones".to_owned())
}
