//! Events, each of which stands in a log once, and the lists of a case's rows that its closing rows hold.

use leaver_domain::{
    digest::Digest,
    ledger::{Entry, EventKind},
};
use serde_json::Value;
use std::collections::{HashMap, HashSet};

use super::report::shown;
use crate::extent::opens_a_case;

/// What is known of a case.
#[derive(Debug, Default)]
struct Seen {
    /// Its number.
    number: u32,
    /// How many of its rows there were.
    rows: u64,
    /// Whether its opening row was among them: then all of its rows must have been.
    opened: bool,
}

/// The rows so far: 32 bytes of identity, 32 of hash and a number for each.
#[derive(Debug, Default)]
pub(super) struct Closing {
    events: HashMap<Digest, (u32, Digest)>,
    cases: HashMap<String, Seen>,
}

/// A problem in words, or what could not be checked.
pub(super) type Found = Result<String, String>;

impl Closing {
    fn case(&mut self, id: &str) -> &mut Seen {
        let number = u32::try_from(self.cases.len()).unwrap_or(u32::MAX);
        self.cases.entry(id.to_owned()).or_insert_with(|| Seen { number, ..Seen::default() })
    }

    /// Takes an event down; `false` where it stands in the log already.
    pub(super) fn event(&mut self, entry: &Entry, hash: Digest) -> bool {
        let number = self.case(&entry.case_id).number;
        let key = Digest::of(entry.event_id.as_bytes());
        let is_new = !self.events.contains_key(&key);
        self.events.entry(key).or_insert((number, hash));
        is_new
    }

    /// Takes a row whose event was taken down, and checks the list that it holds.
    pub(super) fn row(&mut self, entry: &Entry, facts: &Value) -> Vec<Found> {
        let found = match entry.kind {
            EventKind::CaseClosed => self.closed(entry, facts),
            _ => Vec::new(),
        };
        let seen = self.case(&entry.case_id);
        seen.rows = seen.rows.saturating_add(1);
        seen.opened |= opens_a_case(entry);
        found
    }

    fn closed(&mut self, entry: &Entry, facts: &Value) -> Vec<Found> {
        let Some(listed) = facts.pointer("/facts/rows").and_then(Value::as_array) else {
            let unlisted = "whether closed cases hold all their rows: some closing rows do not list them";
            return vec![Err(unlisted.to_owned())];
        };
        let (number, rows, opened) = {
            let seen = self.case(&entry.case_id);
            (seen.number, seen.rows, seen.opened)
        };
        // The first of each kind is told: where one hash is another, those behind it are, too.
        let (mut there, mut nowhere, mut other, mut before) = (HashSet::new(), None, None, false);
        for item in listed {
            let text = |name: &str| item.get(name).and_then(Value::as_str);
            let (Some(event), Some(told)) = (text("event_id"), text("hash")) else {
                return vec![Ok("its list of the case's rows cannot be read".to_owned())];
            };
            let key = Digest::of(event.as_bytes());
            match self.events.get(&key) {
                None if opened => nowhere = nowhere.or(Some(event)),
                None => before = true,
                Some((case, hash)) => {
                    if *case == number {
                        there.insert(key);
                    }
                    if *case != number || hash.to_string() != told {
                        other = other.or(Some(event));
                    }
                }
            }
        }
        let mut found = Vec::new();
        found.extend(
            nowhere.map(|event| Ok(format!("it lists the event `{}`, which has no row", shown(event)))),
        );
        found.extend(
            other.map(|event| Ok(format!("it lists the event `{}` with another hash", shown(event)))),
        );
        found.extend(
            before.then(|| Err("closing rows that list rows before the first row of the pack".to_owned())),
        );
        let listed = u64::try_from(there.len()).unwrap_or(u64::MAX);
        if opened && listed < rows {
            found.push(Ok(format!("it leaves out {} rows of its case", rows.saturating_sub(listed))));
        }
        found
    }
}
