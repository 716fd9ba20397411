//! Building a pack: rows in, directory out.

use crate::{
    cases::Opened,
    context::{Context, Keys, Period, Signed},
    derived::Derived,
    edges::{self, Edges},
    files::{Directory, Files, Sums},
    layout, sample,
    tables::Look,
};
use leaver_domain::{
    digest::Digest,
    ledger::{
        Broken, BrokenKind, Checkpoint, CheckpointError, Compact, Entry, Node, Note, NoteError, ProofError,
        consistency, consistency_nodes, inclusion, inclusion_nodes, leaf_hash, verify_growth,
    },
    ports::Row,
    time::Timestamp,
};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::Path,
};

/// The verifier that a pack carries along.
const VERIFIER: &str = include_str!("verify.py");

/// Why a pack is not built.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// A file could not be written.
    #[error("a file of the pack could not be written: {0}")]
    Io(#[from] io::Error),
    /// The rows are not those of a whole log.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// The checkpoint is no signed note.
    #[error("the checkpoint is no signed note: {0}")]
    Note(#[from] NoteError),
    /// The note is no checkpoint.
    #[error("the signed note is no checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// What was given does not fit together.
    #[error("{0}")]
    Unfit(&'static str),
    /// The rows are not the beginning of what was signed, or a hash for a proof is missing.
    #[error("the rows cannot be tied to the checkpoint: {0}")]
    Proof(#[from] ProofError),
    /// A document could not be written as JSON.
    #[error("a document could not be written: {0}")]
    Json(#[from] serde_json::Error),
}

/// What a pack is about, and what lies in it beside the rows.
#[derive(Debug, Clone)]
pub struct About {
    /// Name of the log.
    pub origin: String,
    /// From when on, by `recorded_at`.
    pub from: Timestamp,
    /// Up to when, this instant excluded.
    pub to: Timestamp,
    /// The first row.
    pub first: u64,
    /// The tree over the rows before it.
    pub before: Compact,
    /// Hash of the row before it; zeroes where it is the log's first.
    pub last: Digest,
    /// When the pack is made.
    pub generated_at: Timestamp,
    /// The checkpoint: a signed note over all rows of the pack and perhaps more.
    pub checkpoint_note: String,
    /// The keys that it is checked with.
    pub keys: Keys,
    /// The policies, by digest, as canonical JSON; the pack gets those that its cases ran under.
    pub policies: BTreeMap<Digest, String>,
}

/// A pack that is being built.
pub struct Pack<F: Files = Directory> {
    derived: Derived<F>,
    given: Sums,
    before: Compact,
    before_last: Digest,
    tree: Compact,
    last: Digest,
    note: String,
}

/// What a finished pack holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// One behind its last row.
    pub end: u64,
    /// How many rows.
    pub rows: u64,
    /// How many cases of the period.
    pub cases: u64,
    /// Its files.
    pub files: Sums,
}

impl Pack<Directory> {
    /// Begins a pack in a directory, which must not exist or be empty.
    ///
    /// # Errors
    /// Where the directory cannot be written, or what was given does not fit together.
    pub fn create(dir: &Path, about: About) -> Result<Self, PackError> {
        Self::create_in(Directory::create(dir)?, about)
    }
}

impl<F: Files> Pack<F> {
    /// Begins a pack wherever its files go.
    ///
    /// # Errors
    /// Where they cannot be written, or what was given does not fit together.
    pub fn create_in(mut files: F, about: About) -> Result<Self, PackError> {
        let note = Note::parse(about.checkpoint_note.as_bytes())?;
        let checkpoint = Checkpoint::parse(&note.text)?;
        about.check(&checkpoint)?;
        let mut given = Sums::new();
        let mut put = |path: &str, text: &str| -> io::Result<()> {
            given.insert(path.to_owned(), files.put(path, text.as_bytes())?);
            Ok(())
        };
        put(layout::CHECKPOINT, &about.checkpoint_note)?;
        put(layout::KEYS, &(serde_json::to_string_pretty(&about.keys)? + "\n"))?;
        put(layout::VERIFIER, VERIFIER)?;
        let context = Context {
            form: layout::FORM,
            log: about.origin,
            period: Period { from: about.from, to: about.to },
            generated_at: about.generated_at,
            checkpoint: Signed { size: checkpoint.size, root: checkpoint.root },
            first: about.first,
            policies: about.policies,
        };
        Ok(Self {
            derived: Derived::new(context, files)?,
            given,
            tree: about.before.clone(),
            before: about.before,
            before_last: about.last,
            last: about.last,
            note: about.checkpoint_note,
        })
    }

    /// Takes the next row.
    ///
    /// # Errors
    /// Where it is not the row that follows, or a file cannot be written.
    pub fn row(&mut self, row: &Row) -> Result<(), PackError> {
        let place = self.tree.size;
        let broken = |kind| Broken { row: place, kind };
        let entry = Entry::decode(&row.leaf).map_err(|error| broken(BrokenKind::from(error)))?;
        if entry.origin != self.derived.context().log {
            return Err(broken(BrokenKind::Origin(entry.origin)).into());
        }
        if entry.seq != place || row.seq != place {
            return Err(broken(BrokenKind::Seq(entry.seq)).into());
        }
        if entry.previous != self.last {
            return Err(broken(BrokenKind::Link).into());
        }
        if entry.evidence != Digest::of(row.evidence.as_bytes()) {
            return Err(broken(BrokenKind::Evidence).into());
        }
        self.last = entry.hash();
        self.tree.push(self.last);
        Ok(self.derived.row(&entry, &row.leaf, &row.evidence)?)
    }

    /// The nodes of the log's tree that [`Pack::finish`] asks for, once all rows are in.
    ///
    /// # Errors
    /// There are more rows than the checkpoint signs.
    pub fn nodes(&self) -> Result<Vec<Node>, PackError> {
        let size = self.derived.context().checkpoint.size;
        let mut nodes = BTreeSet::new();
        if self.tree.size > 0 {
            nodes.extend(consistency_nodes(self.tree.size, size)?);
        }
        for row in self.sampled().into_iter().chain(self.row_before()).chain(self.row_behind()) {
            nodes.extend(inclusion_nodes(row, size)?);
        }
        Ok(nodes.into_iter().collect())
    }

    /// The row before the pack's first one.
    fn row_before(&self) -> Option<u64> {
        self.before.size.checked_sub(1)
    }

    /// The row behind those that the pack has by now; `None` where they reach to the checkpoint.
    pub fn row_behind(&self) -> Option<u64> {
        Some(self.tree.size).filter(|end| *end < self.derived.context().checkpoint.size)
    }

    fn sampled(&self) -> BTreeSet<u64> {
        let look = Look::new(self.derived.context(), self.derived.fold());
        let rows = |picked: &_| sample::rows(picked).into_iter().map(|(_, row)| row);
        sample::pick(&look).iter().flat_map(rows).collect()
    }

    /// Writes what is left, once all rows are in. `edges` are the rows next to them, `node` gives the hashes that
    /// [`Pack::nodes`] named.
    ///
    /// # Errors
    /// Where the rows, or those next to them, cannot be tied to the checkpoint, or a file cannot be written.
    pub fn finish(
        mut self,
        edges: &Edges,
        node: &dyn Fn(u8, u64) -> Option<Digest>,
    ) -> Result<(Packed, F), PackError> {
        let signed @ Signed { size, root } = self.derived.context().checkpoint;
        let end = self.tree.size;
        let proof = if end == 0 { Vec::new() } else { consistency(end, size, node)? };
        verify_growth(end, size, &proof, self.tree.root(), root)?;
        if edges.before.as_ref().is_some_and(|leaf| leaf_hash(leaf) != self.before_last) {
            return Err(PackError::Unfit("the row before the first is not the one that it links to"));
        }
        let range = json!({
            "first": self.before.size, "end": end, "size": size,
            "before": {"hashes": self.before.range, "last": self.before_last},
            "consistency": proof,
            "edges": {
                "before": edges::shown(self.row_before(), edges.before.as_ref(), signed, node)?,
                "behind": edges::shown(self.row_behind(), edges.behind.as_ref(), signed, node)?,
            },
        });
        let range = serde_json::to_string_pretty(&range)? + "\n";
        self.put(layout::RANGE, &range)?;
        let used = |(_, opened): &(_, &Opened)| opened.policy;
        let used: BTreeSet<Digest> = self.derived.fold().cases().iter().filter_map(used).collect();
        let policies = self.derived.context().policies.clone();
        for (digest, text) in policies.iter().filter(|(digest, _)| used.contains(digest)) {
            self.put(&layout::policy(&digest.to_string()), text)?;
        }
        for row in self.sampled() {
            let text = sample::proof(row, &inclusion(row, size, node)?, &self.note);
            self.put(&layout::proof(row), &text)?;
        }
        let rows = self.derived.fold().rows();
        let cases = self.derived.fold().cases().len() as u64;
        let (files, sums) = self.derived.finish(&self.given)?;
        Ok((Packed { end, rows, cases, files: sums }, files))
    }

    fn put(&mut self, path: &str, text: &str) -> io::Result<()> {
        let sum = self.derived.files().put(path, text.as_bytes())?;
        self.given.insert(path.to_owned(), sum);
        Ok(())
    }
}

impl About {
    fn check(&self, checkpoint: &Checkpoint) -> Result<(), PackError> {
        let unfit = |why| Err(PackError::Unfit(why));
        if checkpoint.origin != self.origin || self.keys.origin != self.origin {
            return unfit("the checkpoint or the keys are those of another log");
        }
        if self.from >= self.to {
            return unfit("the period ends before it begins");
        }
        if self.before.size != self.first || !self.before.is_sound() || self.first > checkpoint.size {
            return unfit("the tree before the first row does not fit the first row or the checkpoint");
        }
        if self.first == 0 && self.last != Digest::ZERO {
            return unfit("there is no row before the log's first one");
        }
        if self.policies.iter().any(|(digest, text)| Digest::of(text.as_bytes()) != *digest) {
            return unfit("a policy's text has another digest than it is known by");
        }
        Ok(())
    }
}
