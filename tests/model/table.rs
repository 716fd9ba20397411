//! The ledger table as DynamoDB keeps it: items under conditions, several of them in one transaction.

use crate::tape::{Answer, Call};
use leaver_domain::{
    digest::Digest,
    ledger::{Chain, Draft, Entry, Head, leaf_hash},
    ports::{Appended, Batch, Located, Present, Row},
};
use std::{
    collections::BTreeMap,
    hash::{Hash, Hasher},
    sync::Arc,
};

/// Name of the log.
pub(crate) const ORIGIN: &str = "leaver/model";

/// Which of the store's promises hold. All of them do on DynamoDB; without one, the checker must find what breaks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Promises {
    /// The head is only replaced where it still is what the batch builds on.
    pub(crate) head: bool,
    /// A batch of the walk is only written where there is none.
    pub(crate) walk: bool,
    /// An entry is only written where there is none of this identity.
    pub(crate) entry: bool,
    /// A transaction is written wholly or not at all.
    pub(crate) atomic: bool,
}

/// What DynamoDB promises.
pub(crate) const ALL: Promises = Promises { head: true, walk: true, entry: true, atomic: true };

#[derive(Debug, Clone, Default)]
struct Items {
    head: Option<Head>,
    walk: BTreeMap<u64, Vec<String>>,
    entries: BTreeMap<String, (Digest, Row)>,
    checkpoint: Option<(u64, String)>,
}

/// The table, and what reading its log from the first row on came to.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    items: Arc<Items>,
    rows: Arc<Vec<Digest>>,
    /// What is wrong with the log.
    pub(crate) flaw: Option<String>,
}

impl Default for Table {
    fn default() -> Self {
        Self::over(Items::default())
    }
}

// A log's rows are all of it that counts; each is named by its hash, which covers its bytes and its evidence.
impl Hash for Table {
    fn hash<H: Hasher>(&self, to: &mut H) {
        self.rows.hash(to);
        self.flaw.hash(to);
        self.items.head.as_ref().map(|head| (head.version, head.last)).hash(to);
        self.items.checkpoint.hash(to);
    }
}

impl PartialEq for Table {
    fn eq(&self, other: &Self) -> bool {
        let head = |table: &Self| table.items.head.clone();
        (&self.rows, &self.flaw, head(self), &self.items.checkpoint)
            == (&other.rows, &other.flaw, head(other), &other.items.checkpoint)
    }
}

impl Table {
    fn over(items: Items) -> Self {
        let rows = items.log().iter().map(|row| leaf_hash(&row.leaf)).collect();
        Self { flaw: items.flaw(), rows: Arc::new(rows), items: Arc::new(items) }
    }

    /// The hashes of the rows, in order.
    pub(crate) fn rows(&self) -> &[Digest] {
        &self.rows
    }

    /// The identities of the log's events, in order.
    pub(crate) fn events(&self) -> Vec<String> {
        self.items.log().iter().filter_map(|row| Some(Entry::decode(&row.leaf).ok()?.event_id)).collect()
    }

    /// The content that stands under an identity.
    pub(crate) fn content(&self, event_id: &str) -> Option<Digest> {
        self.items.entries.get(event_id).map(|(content, _)| *content)
    }

    /// Answers a call, with what it does to the table.
    pub(crate) fn call(&mut self, call: &Call, keeps: Promises) -> Answer {
        let items = &self.items;
        match call {
            Call::Head => Answer::Head(items.head.clone().unwrap_or_else(|| Head::empty(ORIGIN))),
            Call::Present(drafts) => Answer::Present(items.present(drafts.iter())),
            Call::Append(batch) => Answer::Appended(self.append(batch, keeps)),
            Call::Rows(from, limit) => {
                let rows = items.log().into_iter().filter(|row| row.seq >= *from).take(*limit);
                Answer::Rows(rows.cloned().collect())
            }
            Call::Locate(drafts) => Answer::Located(items.locate(drafts)),
            Call::Checkpoint => Answer::Checkpoint(items.checkpoint.as_ref().map(|(_, note)| note.clone())),
            Call::KeepCheckpoint(size, note) => {
                if items.checkpoint.as_ref().is_none_or(|(before, _)| before < size) {
                    let checkpoint = Some((*size, note.clone()));
                    *self = Self::over(Items { checkpoint, ..Items::clone(items) });
                }
                Answer::Kept
            }
            Call::Get(_) | Call::Put(..) | Call::Behind(..) => panic!("not of the table: {call:?}"),
        }
    }

    fn append(&mut self, batch: &Batch, keeps: Promises) -> Appended {
        let there = match keeps.entry {
            true => self.items.present(batch.rows.iter().map(|(draft, _)| draft)),
            false => Vec::new(),
        };
        if !there.is_empty() {
            return Appended::Present(there);
        }
        let first = batch.rows.first().expect("rows").1.seq;
        let on = self.items.head.as_ref().map_or(0, |head| head.version);
        if (keeps.head && on != batch.on) || (keeps.walk && self.items.walk.contains_key(&first)) {
            return Appended::HeadMoved;
        }
        let mut items = Items::clone(&self.items);
        items.begin(batch);
        for (draft, row) in &batch.rows {
            items.entries.insert(draft.event_id.clone(), (draft.content(), row.clone()));
        }
        *self = Self::over(items);
        Appended::Done
    }

    /// The first items of a batch without the rest.
    pub(crate) fn half(&mut self, call: &Call) {
        if let Call::Append(batch) = call {
            let mut items = Items::clone(&self.items);
            items.begin(batch);
            *self = Self::over(items);
        }
    }
}

impl Items {
    fn begin(&mut self, batch: &Batch) {
        self.head = Some(batch.head.clone());
        let keys = batch.rows.iter().map(|(draft, _)| draft.event_id.clone()).collect();
        self.walk.insert(batch.rows.first().expect("rows").1.seq, keys);
    }

    fn present<'a>(&self, drafts: impl Iterator<Item = &'a Draft>) -> Vec<Present> {
        let one = |draft: &Draft| {
            let (content, _) = self.entries.get(&draft.event_id)?;
            Some(Present { event_id: draft.event_id.clone(), content: *content })
        };
        drafts.filter_map(one).collect()
    }

    fn locate(&self, drafts: &[Draft]) -> Vec<Located> {
        let one = |draft: &Draft| {
            let (_, row) = self.entries.get(&draft.event_id)?;
            Some(Located { event_id: draft.event_id.clone(), seq: row.seq, hash: leaf_hash(&row.leaf) })
        };
        drafts.iter().filter_map(one).collect()
    }

    /// The rows as the walk gives them.
    fn log(&self) -> Vec<&Row> {
        let keys = self.walk.values().flatten();
        let mut rows: Vec<&Row> = keys.filter_map(|key| self.entries.get(key)).map(|(_, row)| row).collect();
        rows.sort_by_key(|row| row.seq);
        rows
    }

    /// Reads the log from its first row to its head, as the auditor does.
    fn flaw(&self) -> Option<String> {
        let mut chain = Chain::new(ORIGIN);
        for row in self.log() {
            if let Err(broken) = chain.check(&row.leaf, row.evidence.as_bytes()) {
                return Some(broken.to_string());
            }
        }
        let head = self.head.clone().unwrap_or_else(|| Head::empty(ORIGIN));
        (!chain.ends_at(&head)).then(|| "the rows do not end at the head".to_owned())
    }
}
