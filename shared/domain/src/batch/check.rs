//! The lines against the people whom leaver knows, and the order in which they are worked on.

use super::{BadLine, Line, NotABatch};
use crate::{
    case::{CaseRecord, CaseStatus, Mode},
    id::{CaseId, Username},
    person::{Person, PersonStatus},
    policy::Policy,
    ports::{CaseStore, StoreError},
    time::Timestamp,
};
use futures_util::future::try_join_all;
use std::collections::BTreeMap;

/// How many cases are read at once.
const AT_A_TIME: usize = 25;

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
pub(crate) fn stands_by(person: &Person, mode: Mode) -> Option<&CaseId> {
    let is_there = match person.status {
        PersonStatus::Leaving | PersonStatus::Left => true,
        PersonStatus::Suspended => mode == Mode::Suspend,
        PersonStatus::Active => false,
    };
    person.case.as_ref().filter(|_| is_there)
}

/// Whether the time of a case has not come. Whoever is to go today does not stay because they were to go later.
pub(crate) fn lies_ahead(case: &CaseRecord, now: Timestamp) -> bool {
    case.status == CaseStatus::Recorded && case.effective_at > now
}

/// Whether a case stands in for no line: its time has not come, or it is held, and whoever decides about it may call it off.
/// One that has begun goes on, whatever they decide.
pub(crate) fn is_uncertain(case: &CaseRecord, now: Timestamp) -> bool {
    lies_ahead(case, now) || (case.status == CaseStatus::Held && !case.has_begun())
}

/// Whose line is done already, and by which case they stand where it would put them. A case whose time has not come, or that
/// may still be called off where it is held, is none of these.
///
/// # Errors
/// Where the store cannot be read.
pub async fn already(
    store: &dyn CaseStore,
    lines: &[Line],
    people: &BTreeMap<Username, Person>,
    now: Timestamp,
) -> Result<BTreeMap<Username, CaseId>, StoreError> {
    let stands = |line: &Line| stands_by(people.get(&line.username)?, line.mode);
    let there: Vec<(&Username, &CaseId)> =
        lines.iter().filter_map(|line| Some((&line.username, stands(line)?))).collect();
    let mut already = BTreeMap::new();
    for some in there.chunks(AT_A_TIME) {
        let cases = try_join_all(some.iter().map(|(_, id)| store.case(id))).await?;
        for ((username, id), case) in some.iter().zip(cases) {
            if !case.is_some_and(|case| is_uncertain(&case, now)) {
                already.insert((*username).clone(), (*id).clone());
            }
        }
    }
    Ok(already)
}

/// Checks the lines against the people; `already` says whose line is done by another case.
///
/// # Errors
/// Names every line whose person is not known.
pub fn check(
    lines: Vec<Line>,
    people: &BTreeMap<Username, Person>,
    already: &BTreeMap<Username, CaseId>,
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
    let counted = lines.iter().filter(|line| !already.contains_key(&line.username)).count();
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
