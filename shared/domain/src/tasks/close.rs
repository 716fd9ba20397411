//! Closing a task. The statement and its row are one write, and with the last task of a case its execution goes on.

use super::{Host, TaskId, gone, refused, statement};
use crate::{
    case::{Attachment, CaseRecord, CaseStatus, Happening, SystemRecord, TaskClosed},
    id::Username,
    ledger::{EventKind, Outcome},
    ports::{CaseStore, Change, Execution, StoreError, Workflow},
    problem::{NotDone, Problem},
    time::Timestamp,
};
use serde_json::json;

/// Tries against somebody else who changes the same records.
const TRIES: usize = 5;

/// Who closes a task, as the way in knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closer {
    /// Their login name.
    pub username: Username,
    /// Whether their roles let them close what they do not own.
    pub steward: bool,
}

/// What closing came to.
#[derive(Debug, Clone)]
pub struct Closed {
    /// The task as it was written.
    pub host: Host,
    /// Why the case's execution was not started again, where it should have been: the sweep will start it.
    pub not_started: Option<StoreError>,
}

impl Host {
    /// Whether somebody may close it now, given who is gone.
    ///
    /// # Errors
    /// 409 where it is not open, or what is to be reviewed is not over, 403 where they may not.
    pub fn may_close(&self, by: &Closer, is_gone: bool, now: Timestamp) -> Result<(), Problem> {
        if let Some(closed) = self.closed() {
            let detail = format!("This was closed already, by {} at {}.", closed.by, closed.at);
            return Err(refused(409, "already-closed", detail));
        }
        if !self.is_open() {
            return Err(refused(
                409,
                "not-open",
                "leaver works on this system by itself: there is nothing to close.",
            ));
        }
        if by.username == *self.subject() {
            return Err(Problem::forbidden(
                "Nobody closes a task about their own access; somebody else has to.",
            ));
        }
        if is_gone {
            return Err(Problem::forbidden("Whoever is leaving, or has left, closes nothing any more."));
        }
        if let Self::Review(review) = self
            && review.not_by.contains(by.username.as_str())
        {
            let detail = "You asked for what is to be reviewed, approved it, or called it off; somebody else has to look at it.";
            return Err(Problem::forbidden(detail));
        }
        if !by.steward && !self.owners().contains(&by.username) {
            let owners: Vec<String> = self.owners().iter().map(ToString::to_string).collect();
            let detail =
                format!("This is the task of {}; they, or security, have to close it.", owners.join(", "));
            return Err(Problem::forbidden(detail));
        }
        if let Self::Review(review) = self
            && let Some(from) = review.not_before.filter(|from| now < *from)
        {
            let detail = format!("The access lasts until {from}: it can be reviewed from then on.");
            return Err(refused(409, "not-over", detail));
        }
        Ok(())
    }
}

/// Closes a task. The files of `evidence` are stored before.
///
/// # Errors
/// 404 where there is no such task, 403 where it is not for this person to close, 409 where it is closed, 422 where the
/// statement cannot be taken. Nothing is changed then.
pub async fn close(
    store: &dyn CaseStore,
    workflow: &dyn Workflow,
    id: &TaskId,
    by: &Closer,
    said: &str,
    evidence: &[Attachment],
    now: Timestamp,
) -> Result<Closed, NotDone> {
    let said = statement(said)?;
    let is_gone = !gone(store, [&by.username]).await?.is_empty();
    for _ in 0..TRIES {
        let host = Host::find(store, id).await?.ok_or_else(Problem::not_found)?;
        host.may_close(by, is_gone, now)?;
        let closed = TaskClosed {
            by: by.username.clone(),
            at: now,
            statement: said.clone(),
            evidence: evidence.to_vec(),
        };
        let next = host.with(closed);
        let (changes, host) = match next {
            Host::System(system, case) => {
                let case = follow(store, &system, *case).await?;
                let changes = vec![Change::System(system.clone()), Change::Case(Box::new(case.clone()))];
                (changes, Host::System(system, Box::new(case)))
            }
            Host::Review(review) => (vec![Change::Review(review.clone())], Host::Review(review)),
        };
        match store.commit(&changes).await {
            Err(StoreError::Conflict) => continue,
            other => other?,
        }
        let not_started = match &host {
            Host::System(_, case) if case.status == CaseStatus::Recorded => {
                workflow.start(&Execution::of_case(case)).await.err()
            }
            _ => None,
        };
        return Ok(Closed { host, not_started });
    }
    Err(StoreError::Conflict.into())
}

impl Host {
    /// The records with the task closed and its row.
    fn with(self, closed: TaskClosed) -> Self {
        let line = |risk, task| Happening {
            kind: EventKind::TaskClosed,
            at: closed.at,
            actor: closed.by.to_string(),
            action: "close task".into(),
            outcome: Outcome::Success,
            risk,
            facts: json!({"statement": closed.statement, "evidence": closed.evidence, "task": task}),
        };
        match self {
            Self::System(mut system, case) => {
                let risk = system.risk.as_ref().map(|risk| risk.level);
                let line = line(risk, json!(system.task));
                system.log.push(line);
                if let Some(task) = system.task.as_mut() {
                    task.closed = Some(closed);
                }
                system.version += 1;
                Self::System(system, case)
            }
            Self::Review(mut review) => {
                let task = json!({"kind": review.kind, "case_id": review.case, "owners": review.owners,
                                  "opened_at": review.opened_at, "due_at": review.due_at});
                let line = line(None, task);
                review.log.push(line);
                review.closed = Some(closed);
                review.version += 1;
                Self::Review(review)
            }
        }
    }
}

/// The case behind a closed task: it has a row more, and where nothing is left to be done it gets an execution that
/// closes it. The case's version, read before its systems, holds off whoever closes another task meanwhile.
async fn follow(
    store: &dyn CaseStore,
    system: &SystemRecord,
    mut case: CaseRecord,
) -> Result<CaseRecord, StoreError> {
    let systems = store.systems(&case.case_id).await?;
    let mut others = systems.iter().filter(|other| other.system != system.system);
    let done = system.is_finished() && others.all(SystemRecord::is_finished);
    // One that still runs comes to its own last step.
    if done && matches!(case.status, CaseStatus::Incomplete | CaseStatus::AwaitingApproval) {
        case.status = CaseStatus::Recorded;
        case.run += 1;
    }
    case.checkpoint_size = None;
    case.version += 1;
    Ok(case)
}
