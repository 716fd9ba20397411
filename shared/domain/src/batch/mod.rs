//! Batches: many cases that were asked for with one file.
//!
//! A batch is one record with a state for each of its lines, in the order in which they are worked on; the lines themselves are
//! kept beside it and never change. A line is claimed before its case is recorded, and its case's id follows from batch and
//! line, so that whoever goes on after somebody who died comes to the same case: none is lost, none is opened twice.

pub(crate) mod check;
mod feed;
mod file;
mod policy;
mod state;
#[cfg(test)]
mod tests;

pub use check::{Checked, already, check, in_order};
pub use feed::{Look, Round, Wants, look, share};
pub use file::{BadLine, MAX_BYTES, MAX_LINES, NotABatch, parse};
pub use policy::{BatchPolicy, First};
pub use state::{LineState, States};

use crate::{
    case::{Happening, Mode, Trigger},
    digest::Digest,
    id::{BatchId, CaseId, EventId, MeasureId, Username},
    ledger::{EventKind, Outcome},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

/// What the triggers of a batch's cases have as their source.
pub const SOURCE: &str = "batch";
/// Name of the lease under which batches are fed: one function at a time does it.
pub const LEASE: &str = "batch";
/// The action of the row by which a batch is called off.
const CANCEL: &str = "cancel batch";
/// How often a batch that is at rest is looked at again, while some of its cases wait for somebody.
const LOOK_AGAIN: Duration = Duration::from_secs(600);
/// For how long a batch is looked at.
const LOOKED_AT: Duration = Duration::from_secs(60 * 86_400);
/// So many lines have to be finished, and so long has it to be at work, before anything is said about its end.
const BASE: (usize, Duration) = (5, Duration::from_secs(5));

/// One line of the file: one person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Its number in the file; the header is line 1.
    pub line: u32,
    /// Whose access.
    pub username: Username,
    /// Why.
    pub reason: String,
    /// What happens.
    pub mode: Mode,
    /// Whether the person's data is to be kept.
    pub preserve_data: bool,
    /// Whether it comes before the others: somebody with rights that can do harm.
    #[serde(default)]
    pub first: bool,
}

/// Where a batch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchStatus {
    /// Larger than the brake lets through: security decides about the whole of it, and nothing was recorded.
    Held,
    /// Its cases are being recorded, or run.
    Running,
    /// Everything is recorded, and every case has come to rest.
    Ended,
    /// Called off before anything was recorded.
    Cancelled,
}

impl BatchStatus {
    /// Every status, in the order of declaration.
    pub const ALL: [Self; 4] = [Self::Held, Self::Running, Self::Ended, Self::Cancelled];
}

/// Who let a batch go on that was held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Released {
    /// The measure.
    pub measure: MeasureId,
    /// Who decided last.
    pub by: String,
    /// Why, in their words.
    pub reason: String,
}

/// A batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Its id, which follows from the request.
    pub batch_id: BatchId,
    /// Who asked for it.
    pub by: Username,
    /// When.
    pub created_at: Timestamp,
    /// SHA-256 of the file as it was received.
    pub file: Digest,
    /// SHA-256 of the lines as they are kept.
    pub lines: Digest,
    /// Where it stands.
    pub status: BatchStatus,
    /// Where each line stands, in the order in which they are worked on.
    pub states: States,
    /// The measure that security decides about, where it was held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure: Option<MeasureId>,
    /// Who let it go on, where it was held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<Released>,
    /// When the first line was claimed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun_at: Option<Timestamp>,
    /// When lines were claimed last: whose turn is the longest ago comes next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_at: Option<Timestamp>,
    /// When it came to rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// When it is looked at next; `None` where nothing more can come of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub look_at: Option<Timestamp>,
    /// Counts its wakings: it is woken when it was recorded, and when it was released.
    pub run: u32,
    /// What happened to the batch as a whole.
    pub log: Vec<Happening>,
    /// Raised by one with every write.
    pub version: u64,
}

/// The measure that holds a batch, and what its row says about that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// The measure.
    pub measure: MeasureId,
    /// How many people leave by the batch.
    pub people: usize,
    /// How many the brake would let through.
    pub room: usize,
}

/// How far a batch is, and when it may be done.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Progress {
    /// Lines whose access is contained, or that need nothing done.
    pub finished: usize,
    /// Lines whose access is not, for leaver to do.
    pub left: usize,
    /// Lines where a human has to do or decide something before all access is gone.
    pub with_somebody: usize,
    /// Lines finished per second since the beginning; `None` as long as too little was finished to say.
    pub per_second: Option<f64>,
    /// When all of it may be contained, at that rate.
    pub ends_at: Option<Timestamp>,
}

fn line_of(at: Timestamp, actor: &str, action: &str, outcome: Outcome, facts: Value) -> Happening {
    Happening {
        kind: EventKind::BatchChanged,
        at,
        actor: actor.to_owned(),
        action: action.to_owned(),
        outcome,
        risk: None,
        facts,
    }
}

/// The source's number for a line's event: the same for whoever records it.
///
/// # Errors
/// Where the batch's id is longer than ids are.
pub fn event_of(batch: &BatchId, line: &Line) -> Result<EventId, crate::id::BadId> {
    format!("{batch}-{}", line.line).parse()
}

/// The case that a line opens.
///
/// # Errors
/// Where the batch's id is longer than ids are.
pub fn case_of(batch: &BatchId, line: &Line) -> Result<CaseId, crate::id::BadId> {
    Ok(CaseId::of_trigger(SOURCE, &event_of(batch, line)?))
}

impl Batch {
    /// One that was just asked for.
    pub fn recorded(
        batch_id: BatchId,
        by: Username,
        (file, lines): (Digest, &[Line]),
        hold: Option<Hold>,
        now: Timestamp,
    ) -> Self {
        let kept = Digest::of_json(&lines).unwrap_or(Digest::ZERO);
        let first = lines.iter().filter(|line| line.first).count();
        let facts = json!({"file": file, "lines": lines.len(), "kept": kept, "first": first});
        let mut log = vec![line_of(now, by.as_str(), "record batch", Outcome::Success, facts)];
        if let Some(hold) = &hold {
            let facts = json!({"measure": hold.measure, "people": hold.people, "room": hold.room});
            log.push(line_of(now, "leaver/api", "hold batch", Outcome::Pending, facts));
        }
        Self {
            batch_id,
            by,
            created_at: now,
            file,
            lines: kept,
            status: if hold.is_some() { BatchStatus::Held } else { BatchStatus::Running },
            states: States::waiting(lines.len()),
            look_at: hold.is_none().then_some(now),
            measure: hold.map(|hold| hold.measure),
            released: None,
            begun_at: None,
            claimed_at: None,
            ended_at: None,
            run: 1,
            log,
            version: 1,
        }
    }

    /// What opens the case of a line.
    ///
    /// # Errors
    /// Where the batch's id is longer than ids are.
    pub fn trigger(&self, line: &Line, now: Timestamp) -> Result<Trigger, crate::id::BadId> {
        Ok(Trigger {
            source: SOURCE.to_owned(),
            event_id: event_of(&self.batch_id, line)?,
            by: self.by.to_string(),
            kind: "batch".to_owned(),
            at: self.created_at,
            received_at: now,
            body: Digest::of_json(line).unwrap_or(self.file),
        })
    }

    /// The row by which a case of a batch that security has let go on passes the brake uncounted.
    pub fn release_of_case(&self, held_for: &str, now: Timestamp) -> Option<Happening> {
        let released = self.released.as_ref()?;
        Some(Happening {
            kind: EventKind::CaseReleased,
            at: now,
            actor: released.by.clone(),
            action: "release".into(),
            outcome: Outcome::Success,
            risk: None,
            facts: json!({
                "held_for": held_for, "measure": released.measure, "reason": released.reason, "run": 1,
                "batch": self.batch_id,
            }),
        })
    }

    /// The measure that security has to decide about before it goes on; `None` where it does not wait for that.
    pub fn held_by(&self) -> Option<&MeasureId> {
        self.measure.as_ref().filter(|_| self.status == BatchStatus::Held)
    }

    /// The row by which it was called off, as a whole or what was left of it.
    pub fn called_off(&self) -> Option<&Happening> {
        self.log.iter().rev().find(|line| line.action == CANCEL)
    }

    /// Whether nothing more can come of it.
    pub fn is_over(&self) -> bool {
        matches!(self.status, BatchStatus::Ended | BatchStatus::Cancelled) && self.look_at.is_none()
    }

    /// How far it is.
    pub fn progress(&self, now: Timestamp) -> Progress {
        let counts = self.states.counts();
        let of = |wanted: fn(LineState) -> bool| -> usize {
            counts.iter().filter(|(state, _)| wanted(**state)).map(|(_, count)| count).sum()
        };
        let left = of(LineState::is_to_be_done);
        // What needed nothing done says nothing about how fast things are done.
        let worked = of(LineState::was_worked_on);
        let lasted = self.begun_at.map(|begun| self.ended_at.unwrap_or(now).since(begun));
        let lasted = lasted.filter(|lasted| worked >= BASE.0 && *lasted >= BASE.1);
        let per_second = lasted.map(|lasted| worked as f64 / lasted.as_secs_f64());
        let ends_at = per_second
            .filter(|_| self.status == BatchStatus::Running && left > 0)
            .map(|rate| now.plus(Duration::from_secs_f64((left as f64 / rate).clamp(0.0, 1e9))));
        let with_somebody = of(LineState::waits_for_somebody);
        let finished = self.states.len() - left - with_somebody;
        Progress { finished, left, with_somebody, per_second, ends_at }
    }

    /// Security let it go on.
    #[must_use]
    pub fn let_go(&self, released: Released, now: Timestamp) -> Self {
        let facts = json!({"measure": released.measure, "reason": released.reason});
        let mut batch = self.clone();
        batch.log.push(line_of(now, &released.by, "release batch", Outcome::Success, facts));
        batch.status = BatchStatus::Running;
        batch.released = Some(released);
        batch.look_at = Some(batch.created_at);
        batch.run += 1;
        batch.version += 1;
        batch
    }

    /// Whatever was not recorded yet is called off. `None` where there is nothing of that kind.
    #[must_use]
    pub fn cancelled(&self, by: &str, reason: &str, now: Timestamp) -> Option<Self> {
        let mut batch = self.clone();
        let skipped = batch.states.skip_waiting();
        if skipped == 0 {
            return None;
        }
        let facts = json!({
            "reason": reason, "skipped": skipped, "recorded": batch.states.len() - skipped, "measure": batch.measure,
        });
        batch.log.push(line_of(now, by, CANCEL, Outcome::Success, facts));
        if skipped == batch.states.len() {
            batch.status = BatchStatus::Cancelled;
            batch.ended_at = Some(now);
            batch.look_at = None;
        }
        batch.settle(now);
        batch.version += 1;
        Some(batch)
    }

    /// Says whether it is at rest, from what its lines say.
    fn settle(&mut self, now: Timestamp) {
        let at_rest = !self.states.any(LineState::is_under_way);
        let lasts = self.created_at.plus(LOOKED_AT) > now;
        match self.status {
            BatchStatus::Running if at_rest => {
                self.status = BatchStatus::Ended;
                self.ended_at = Some(now);
                let facts = json!({"lines": self.states.named_counts()});
                self.log.push(line_of(now, "leaver/batch", "come to rest", Outcome::Success, facts));
            }
            // What waited for somebody goes on.
            BatchStatus::Ended if !at_rest => {
                self.status = BatchStatus::Running;
                self.ended_at = None;
            }
            _ => {}
        }
        self.look_at = match self.status {
            BatchStatus::Running => Some(self.created_at),
            BatchStatus::Ended if lasts && self.states.any(LineState::waits_for_somebody) => {
                Some(now.plus(LOOK_AGAIN))
            }
            BatchStatus::Held | BatchStatus::Ended | BatchStatus::Cancelled => None,
        };
    }
}
