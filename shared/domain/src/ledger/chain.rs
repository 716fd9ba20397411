//! The chain over the entries: growing it, and checking that it was not changed.

use super::{
    encoding::Malformed,
    entry::{Draft, Entry},
    tree::{Compact, leaf_hash},
};
use crate::{digest::Digest, time::Timestamp};
use serde::{Deserialize, Serialize};

/// Where a log ends: everything that the next entry depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Name of the log.
    pub origin: String,
    /// The tree over all entries.
    pub tree: Compact,
    /// Hash of the last entry; zeroes for an empty log.
    pub last: Digest,
    /// Raised by one with every batch: what the compare-and-swap compares.
    pub version: u64,
    /// When the last entry was appended: the log's times never run backwards, so that a period of time is a range of rows.
    #[serde(default)]
    pub recorded_at: Option<Timestamp>,
}

impl Head {
    /// Of an empty log.
    pub fn empty(origin: &str) -> Self {
        Self {
            origin: origin.to_owned(),
            tree: Compact::default(),
            last: Digest::ZERO,
            version: 0,
            recorded_at: None,
        }
    }

    /// The entries that these drafts become, in order, and the head behind them.
    pub fn extend(
        &self,
        drafts: impl IntoIterator<Item = (Draft, [u8; 16])>,
        recorded_at: Timestamp,
    ) -> (Self, Vec<Entry>) {
        let mut head = self.clone();
        // Appenders' clocks differ; the log's order is the truth about what came first.
        let recorded_at = self.recorded_at.map_or(recorded_at, |last| last.max(recorded_at));
        head.recorded_at = Some(recorded_at);
        let mut entries = Vec::new();
        for (draft, salt) in drafts {
            let entry = draft.at(&head.origin, head.tree.size, head.last, recorded_at, salt);
            head.last = entry.hash();
            head.tree.push(head.last);
            entries.push(entry);
        }
        head.version += 1;
        (head, entries)
    }
}

/// What is wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BrokenKind {
    /// Its bytes are not an entry.
    #[error("its bytes are not an entry: {0}")]
    Malformed(#[from] Malformed),
    /// It encodes to other bytes than those that it was read from.
    #[error("its bytes are not the canonical ones")]
    NotCanonical,
    /// It belongs to another log.
    #[error("it belongs to the log `{0}`")]
    Origin(String),
    /// It says another place than it stands at: one is missing, doubled, or moved.
    #[error("it says place {0}")]
    Seq(u64),
    /// It does not follow from the row before.
    #[error("it does not link to the row before it")]
    Link,
    /// The facts that are shown are not those that were recorded.
    #[error("its evidence is not what was recorded")]
    Evidence,
    /// An event that stands in the log already.
    #[error("its event `{0}` stands in the log already")]
    Repeated(String),
    /// Appended, by its own words, before the row in front of it.
    #[error("it says that it was appended before the row in front of it")]
    Backwards,
}

/// The first bad row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("row {row}: {kind}")]
pub struct Broken {
    /// Its place, from 0.
    pub row: u64,
    /// What is wrong.
    pub kind: BrokenKind,
}

/// Checks a log from its first row on, one row after another.
#[derive(Debug)]
pub struct Chain {
    origin: String,
    tree: Compact,
    last: Digest,
    recorded_at: Option<Timestamp>,
    events: std::collections::HashSet<Digest>,
}

impl Chain {
    /// Of a log's name, at its beginning.
    pub fn new(origin: &str) -> Self {
        Self::after(origin, Compact::default(), Digest::ZERO)
    }

    /// Of a log from a place on: the tree over the rows before it, and the hash of the last of them.
    pub fn after(origin: &str, tree: Compact, last: Digest) -> Self {
        Self { origin: origin.to_owned(), tree, last, recorded_at: None, events: Default::default() }
    }

    /// Checks the next row: its bytes, and the evidence shown with it.
    ///
    /// # Errors
    /// The row's place and what is wrong with it.
    pub fn check(&mut self, bytes: &[u8], evidence: &[u8]) -> Result<Entry, Broken> {
        let row = self.tree.size;
        let broken = |kind| Broken { row, kind };
        let entry = Entry::decode(bytes).map_err(|error| broken(error.into()))?;
        if entry.encode() != bytes {
            return Err(broken(BrokenKind::NotCanonical));
        }
        if entry.origin != self.origin {
            return Err(broken(BrokenKind::Origin(entry.origin)));
        }
        if entry.seq != row {
            return Err(broken(BrokenKind::Seq(entry.seq)));
        }
        if entry.previous != self.last {
            return Err(broken(BrokenKind::Link));
        }
        if entry.evidence != Digest::of(evidence) {
            return Err(broken(BrokenKind::Evidence));
        }
        if self.recorded_at.is_some_and(|last| entry.recorded_at < last) {
            return Err(broken(BrokenKind::Backwards));
        }
        if !self.events.insert(Digest::of(entry.event_id.as_bytes())) {
            return Err(broken(BrokenKind::Repeated(entry.event_id)));
        }
        self.last = leaf_hash(bytes);
        self.tree.push(self.last);
        self.recorded_at = Some(entry.recorded_at);
        Ok(entry)
    }

    /// How many rows were good.
    pub fn size(&self) -> u64 {
        self.tree.size
    }

    /// The root over them.
    pub fn root(&self) -> Digest {
        self.tree.root()
    }

    /// The tree over them.
    pub fn tree(&self) -> &Compact {
        &self.tree
    }

    /// Hash of the last of them.
    pub fn last(&self) -> Digest {
        self.last
    }

    /// Whether they end where this head says.
    pub fn ends_at(&self, head: &Head) -> bool {
        head.tree == self.tree && head.last == self.last && head.origin == self.origin
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{EventKind, Outcome};

    fn draft(n: u32) -> Draft {
        Draft {
            event_id: format!("case-1/okta/{n}"),
            case_id: "case-1".into(),
            ordinal: n,
            kind: EventKind::AccessRevoked,
            occurred_at: Timestamp::from_millis(n.into()).unwrap(),
            username: "john.doe".into(),
            actor: "leaver/adapter".into(),
            system: Some("okta".into()),
            action: "revoke".into(),
            outcome: Outcome::Success,
            risk: None,
            evidence: format!("{{\"n\":{n}}}"),
        }
    }

    fn log(rows: u32) -> (Head, Vec<(Vec<u8>, String)>) {
        let mut head = Head::empty("o");
        let mut all = Vec::new();
        for n in 0..rows {
            let (next, entries) = head.extend([(draft(n), [7; 16])], Timestamp::from_millis(9).unwrap());
            head = next;
            all.extend(entries.into_iter().map(|entry| (entry.encode(), draft(n).evidence)));
        }
        (head, all)
    }

    fn check(rows: &[(Vec<u8>, String)]) -> Result<Chain, Broken> {
        let mut chain = Chain::new("o");
        rows.iter().try_for_each(|(bytes, evidence)| chain.check(bytes, evidence.as_bytes()).map(|_| ()))?;
        Ok(chain)
    }

    #[test]
    fn an_untouched_log_ends_at_its_head() {
        let (head, rows) = log(20);
        assert!(check(&rows).unwrap().ends_at(&head));
    }

    #[test]
    fn every_kind_of_tampering_names_the_first_bad_row() {
        let (head, rows) = log(10);
        let broken = |change: fn(&mut Vec<(Vec<u8>, String)>)| {
            let mut rows = rows.clone();
            change(&mut rows);
            check(&rows).map(|chain| chain.ends_at(&head)).map_err(|broken| broken.row)
        };
        assert_eq!(
            broken(|rows| {
                rows.remove(4);
            }),
            Err(4)
        );
        assert_eq!(broken(|rows| rows.swap(2, 3)), Err(2));
        assert_eq!(broken(|rows| rows.insert(5, rows[4].clone())), Err(5));
        assert_eq!(broken(|rows| rows[6].1.push(' ')), Err(6));
        assert_eq!(broken(|rows| rows.truncate(7)), Ok(false));
        assert_eq!(
            broken(|rows| {
                let last = rows[3].0.len() - 1;
                rows[3].0[last] ^= 1;
            }),
            Err(4)
        );
    }

    #[test]
    fn every_flipped_byte_is_found_in_its_row_or_the_next() {
        let (head, rows) = log(3);
        for row in 0..3 {
            for at in 0..rows[row].0.len() {
                let mut changed = rows.clone();
                changed[row].0[at] ^= 0x10;
                match check(&changed) {
                    Err(broken) => assert!(broken.row == row as u64 || broken.row == row as u64 + 1),
                    Ok(chain) => assert!(row == 2 && !chain.ends_at(&head)),
                }
            }
        }
    }
}
