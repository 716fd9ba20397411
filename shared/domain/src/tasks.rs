//! Tasks: what a human has to do where leaver cannot, and the statement with which they say that it is done.
//!
//! Two kinds look alike from outside: the task of a system that leaver could not finish (or has no adapter for), and the
//! review of what was done without asking. A closed task is a row; a case is complete only once every task of it is closed.

mod close;
#[cfg(test)]
mod tests;

pub use crate::presence::gone;
pub use close::{Closed, Closer, close};

use crate::{
    approval::ApprovalPolicy,
    case::{Attachment, CaseRecord, Happening, SystemRecord, SystemStatus, Task, TaskClosed},
    id::{CaseId, ReviewId, SystemId, Username},
    ledger::{EventKind, Outcome},
    policy::Policy,
    ports::{CaseStore, Change, StoreError},
    problem::Problem,
    reviews::{self, Review},
    text,
    time::Timestamp,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fmt, str::FromStr, time::Duration};

/// Longest statement, in characters.
pub const MAX_STATEMENT: usize = 2_000;
/// Most files of one task.
pub const MAX_FILES: usize = 5;
/// Most bytes of all files of one task.
pub const MAX_BYTES: usize = 3 * 1024 * 1024;
/// What the row of a task says that was not done in time.
const HAND_ON: &str = "hand on overdue task";
/// What the row of a task says whose owner has left.
const REPLACE: &str = "replace owner who is leaving";

/// Which task.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum TaskId {
    /// That of a system of a case.
    System(CaseId, SystemId),
    /// A review.
    Review(ReviewId),
}

/// A text that names no task.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no such task")]
pub struct BadTaskId;

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(case, system) => write!(f, "{case}~{system}"),
            Self::Review(review) => write!(f, "{review}"),
        }
    }
}

impl FromStr for TaskId {
    type Err = BadTaskId;
    fn from_str(text: &str) -> Result<Self, BadTaskId> {
        match text.split_once('~') {
            None => text.parse().map(Self::Review).map_err(|_| BadTaskId),
            Some((case, system)) => {
                let case = case.parse().map_err(|_| BadTaskId)?;
                Ok(Self::System(case, system.parse().map_err(|_| BadTaskId)?))
            }
        }
    }
}

impl Serialize for TaskId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TaskId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'_, str>::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

/// A task with the records that it lies in.
#[derive(Debug, Clone, PartialEq)]
pub enum Host {
    /// A system, and its case.
    System(Box<SystemRecord>, Box<CaseRecord>),
    /// A review.
    Review(Box<Review>),
}

impl Host {
    /// The record of a task, open or closed; `None` where there is none.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub async fn find(store: &dyn CaseStore, id: &TaskId) -> Result<Option<Self>, StoreError> {
        match id {
            TaskId::System(case, system) => {
                let (Some(of), Some(record)) = (store.case(case).await?, store.system(case, system).await?)
                else {
                    return Ok(None);
                };
                let has_task = record.task.is_some();
                Ok(has_task.then(|| Self::System(Box::new(record), Box::new(of))))
            }
            TaskId::Review(review) => {
                Ok(store.review(review).await?.map(|review| Self::Review(Box::new(review))))
            }
        }
    }

    /// Its id.
    pub fn id(&self) -> TaskId {
        match self {
            Self::System(system, _) => TaskId::System(system.case_id.clone(), system.system.clone()),
            Self::Review(review) => TaskId::Review(review.review_id.clone()),
        }
    }

    /// Whose access it is about.
    pub fn subject(&self) -> &Username {
        match self {
            Self::System(system, _) => &system.person.username,
            Self::Review(review) => &review.person.username,
        }
    }

    /// Who has to do it; any one of them.
    pub fn owners(&self) -> BTreeSet<Username> {
        match self {
            Self::System(system, _) => system.task.iter().map(|task| task.owner.clone()).collect(),
            Self::Review(review) => review.owners.clone(),
        }
    }

    /// How it was closed, once it was.
    pub fn closed(&self) -> Option<&TaskClosed> {
        match self {
            Self::System(system, _) => system.task.as_ref().and_then(|task| task.closed.as_ref()),
            Self::Review(review) => review.closed.as_ref(),
        }
    }

    /// Until when it is, or was, to be done.
    pub fn due_at(&self) -> Option<Timestamp> {
        match self {
            Self::System(system, _) => system.task.as_ref().map(|task| task.due_at),
            Self::Review(review) => Some(review.due_at),
        }
    }

    fn log(&self) -> &[Happening] {
        match self {
            Self::System(system, _) => &system.log,
            Self::Review(review) => &review.log,
        }
    }

    /// Whether it was handed on because nobody did it in time: once is enough.
    fn is_handed_on(&self) -> bool {
        let mut opened = self.log().iter().rev().filter(|line| line.kind == EventKind::TaskOpened);
        opened.find(|line| line.action != REPLACE).is_some_and(|line| line.action == HAND_ON)
    }

    /// Whether it waits for longer than it should.
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        let late = self.is_handed_on() || self.due_at().is_some_and(|due| due <= now);
        self.closed().is_none() && late
    }

    /// Whether it waits for somebody.
    pub fn is_open(&self) -> bool {
        match self {
            Self::System(system, _) => {
                let by_hand = matches!(system.status, SystemStatus::ManualTask | SystemStatus::Denied);
                by_hand && system.task.as_ref().is_some_and(|task| task.closed.is_none())
            }
            Self::Review(review) => review.closed.is_none(),
        }
    }

    /// The task as people see it.
    pub fn view(&self, now: Timestamp) -> Value {
        let (kind, case, system, person, task) = match self {
            Self::System(system, _) => (
                "system",
                &system.case_id,
                Some(&system.system),
                &system.person,
                system.task.as_ref().map(|task| (task.instructions.as_str(), task.opened_at)),
            ),
            Self::Review(review) => {
                let task = (review.kind.instructions(), review.opened_at);
                (review.kind.name(), &review.case, None, &review.person, Some(task))
            }
        };
        let reason = match self {
            Self::System(_, case) => &case.reason,
            Self::Review(review) => &review.reason,
        };
        json!({
            "task_id": self.id(), "kind": kind, "case_id": case, "system": system, "person": person,
            "reason": reason, "owners": self.owners(), "instructions": task.map(|(what, _)| what),
            "opened_at": task.map(|(_, at)| at), "due_at": self.due_at(), "overdue": self.is_overdue(now),
            "closed": self.closed(),
        })
    }

    /// Where the files lie that somebody gave with it.
    pub fn key_of(&self, file: &Attachment) -> String {
        match self {
            Self::System(system, _) => format!("tasks/{}/{}/{}", system.case_id, system.system, file.sha256),
            Self::Review(review) => format!("tasks/{}/{}/{}", review.case, review.review_id, file.sha256),
        }
    }
}

/// Who gets the task of a system: its owner, or, where they are gone or it is about themselves, somebody of the security
/// team. Where nobody is left it stays with the owner, so that it is somebody's. `None` where policy has no such system.
pub fn owner_of(
    policy: &Policy,
    system: &SystemId,
    subject: &Username,
    gone: &BTreeSet<Username>,
) -> Option<Username> {
    let owner = &policy.systems.get(system)?.owner;
    let fit = |one: &&Username| *one != subject && !gone.contains(one);
    let mut those = std::iter::once(owner).chain(&policy.approvals.security_team);
    Some(those.find(fit).unwrap_or(owner).clone())
}

/// As [`owner_of`], with who is gone read from the store.
///
/// # Errors
/// Where the store cannot be read.
pub async fn owner_now(
    store: &dyn CaseStore,
    policy: &Policy,
    system: &SystemId,
    subject: &Username,
) -> Result<Option<Username>, StoreError> {
    let owner = policy.systems.get(system).map(|of| &of.owner);
    let gone = gone(store, owner.into_iter().chain(&policy.approvals.security_team)).await?;
    Ok(owner_of(policy, system, subject, &gone))
}

/// Gives a system to somebody as a task. Its status is the caller's to set.
pub fn give(system: &mut SystemRecord, task: Task, actor: &str, more: &Value) {
    let mut facts = json!({"task": task});
    if let (Some(fields), Value::Object(more)) = (facts.as_object_mut(), more.clone()) {
        fields.extend(more);
    }
    system.log.push(Happening {
        kind: EventKind::TaskOpened,
        at: task.opened_at,
        actor: actor.to_owned(),
        action: "open task".into(),
        outcome: Outcome::Pending,
        risk: system.risk.as_ref().map(|risk| risk.level),
        facts,
    });
    system.task = Some(task);
}

/// What has to be written where an open task waits for too long, or for somebody who is gone: it goes to the security team
/// once, with a new time. `None` where nothing has to happen. Pure: `gone` says who of the owners and the team is gone.
pub fn hand_on(
    policy: &Policy,
    host: &Host,
    gone: &BTreeSet<Username>,
    now: Timestamp,
) -> Option<Vec<Change>> {
    if !host.is_open() {
        return None;
    }
    let late = host.due_at().is_some_and(|due| due <= now) && !host.is_handed_on();
    if !late && !host.owners().iter().any(|owner| gone.contains(owner)) {
        return None;
    }
    match host {
        Host::System(system, case) => handed_on_system(policy, system, case, gone, late, now),
        Host::Review(review) => handed_on_review(&policy.approvals, review, gone, late, now),
    }
}

fn handed_on(late: bool, now: Timestamp, facts: Value) -> Happening {
    Happening {
        kind: EventKind::TaskOpened,
        at: now,
        actor: "leaver/sweep".into(),
        action: if late { HAND_ON } else { REPLACE }.into(),
        outcome: Outcome::Pending,
        risk: None,
        facts,
    }
}

fn handed_on_system(
    policy: &Policy,
    system: &SystemRecord,
    case: &CaseRecord,
    gone: &BTreeSet<Username>,
    late: bool,
    now: Timestamp,
) -> Option<Vec<Change>> {
    let (mut system, mut case) = (system.clone(), case.clone());
    let task = system.task.as_mut()?;
    let fit = |one: &&Username| **one != system.person.username && !gone.contains(one);
    let team = || policy.approvals.security_team.iter().filter(fit);
    // Somebody else, where there is anybody else.
    let next = team().find(|one| **one != task.owner).or_else(|| team().next());
    if next.is_none() && !late {
        return None;
    }
    let from = task.owner.clone();
    task.owner = next.unwrap_or(&task.owner).clone();
    let was_due = task.due_at;
    if late {
        task.due_at = now.plus(Duration::from_secs(policy.timing.manual_task_seconds.into()));
    }
    let line = handed_on(late, now, json!({"task": task, "from": from, "was_due_at": was_due}));
    system.log.push(Happening { risk: system.risk.as_ref().map(|risk| risk.level), ..line });
    system.version += 1;
    case.checkpoint_size = None;
    case.version += 1;
    Some(vec![Change::System(Box::new(system)), Change::Case(Box::new(case))])
}

fn handed_on_review(
    policy: &ApprovalPolicy,
    review: &Review,
    gone: &BTreeSet<Username>,
    late: bool,
    now: Timestamp,
) -> Option<Vec<Change>> {
    let mut review = review.clone();
    let from = review.owners.clone();
    let owners = reviews::owners(policy, &review.not_by, &review.person.username, gone);
    if !late && (owners.is_empty() || owners == from) {
        return None;
    }
    review.owners = owners;
    let was_due = review.due_at;
    if late {
        review.due_at = now.plus(Duration::from_secs(policy.review_seconds.into()));
    }
    review.log.push(handed_on(
        late,
        now,
        json!({
            "owners": review.owners, "from": from, "was_due_at": was_due, "due_at": review.due_at,
            "case_id": review.case,
        }),
    ));
    review.version += 1;
    Some(vec![Change::Review(Box::new(review))])
}

fn refused(status: u16, kind: &str, detail: impl Into<String>) -> Problem {
    Problem::new(status, kind, detail)
}

/// A statement that can be kept.
///
/// # Errors
/// 422 with what is wrong with it.
pub fn statement(text: &str) -> Result<String, Problem> {
    text::clean(text, MAX_STATEMENT)
        .map_err(|error| refused(422, "invalid-request", format!("`statement` is {error}.")))
}
