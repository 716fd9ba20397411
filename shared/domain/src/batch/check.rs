//! The lines against the people whom leaver knows, and the order in which they are worked on.

use super::{BadLine, Line, NotABatch};
use crate::{
    case::Mode,
    id::{CaseId, Username},
    person::{Person, PersonStatus},
    policy::Policy,
};
use std::collections::BTreeMap;

/// Lines that can be taken, in the order in which they are worked on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The lines.
    pub lines: Vec<Line>,
    /// How many of their people are not where the file puts them: those whom the brake would count.
    pub people: usize,
}

/// The case by which somebody stands already where a line of such a mode would put them, or is further: who is leaving, or has
/// left, need not be suspended either.
pub fn stands_by(person: &Person, mode: Mode) -> Option<&CaseId> {
    let is_there = match person.status {
        PersonStatus::Leaving | PersonStatus::Left => true,
        PersonStatus::Suspended => mode == Mode::Suspend,
        PersonStatus::Active => false,
    };
    person.case.as_ref().filter(|_| is_there)
}

/// Checks the lines against the people.
///
/// # Errors
/// Names every line whose person is not known.
pub fn check(
    lines: Vec<Line>,
    people: &BTreeMap<Username, Person>,
    policy: &Policy,
) -> Result<Checked, NotABatch> {
    let unknown = |line: &&Line| !people.contains_key(&line.username);
    let bad: Vec<BadLine> = lines
        .iter()
        .filter(unknown)
        .map(|line| BadLine {
            line: line.line,
            username: line.username.to_string(),
            why: "nobody of this name is known: look for another spelling in the HRIS".to_owned(),
        })
        .collect();
    if !bad.is_empty() {
        return Err(NotABatch::Lines(bad));
    }
    let moves = |line: &&Line| {
        people.get(&line.username).is_some_and(|person| stands_by(person, line.mode).is_none())
    };
    let counted = lines.iter().filter(moves).count();
    Ok(Checked { lines: in_order(lines, people, policy), people: counted })
}

/// Privileged people first, as what they can do is worth the most, then as in the file.
pub fn in_order(mut lines: Vec<Line>, people: &BTreeMap<Username, Person>, policy: &Policy) -> Vec<Line> {
    let approvals = &policy.approvals;
    for line in &mut lines {
        let name = &line.username;
        let by_name = approvals.security_team.contains(name)
            || approvals.approvers.contains(name)
            || policy.protected.contains(name);
        let by_record = |person: &Person| person.protected || policy.batch.first.names(person);
        line.first = by_name || people.get(name).is_some_and(by_record);
    }
    lines.sort_by_key(|line| (!line.first, line.line));
    lines
}
