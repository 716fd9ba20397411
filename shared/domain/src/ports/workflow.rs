//! The workflow engine, and what it runs.

use super::StoreError;
use crate::{
    batch,
    case::CaseRecord,
    id::{BatchId, CaseId, MeasureId},
};
use async_trait::async_trait;
use jiff::civil::Date;

/// One execution of the state machine. Its name follows from what it is about, so that it is started once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Execution {
    /// Of a case.
    Case {
        /// The case.
        case: CaseId,
        /// [`CaseRecord::run`].
        run: u32,
    },
    /// Of a measure: asks for its approval.
    Measure(MeasureId),
    /// Reads every system's roster.
    Roster {
        /// The day, in UTC.
        night: Date,
        /// Which attempt of that day: one that read not all is followed by another.
        round: u32,
    },
    /// Of a look at a case that is through: reads all its systems again.
    Reverify {
        /// The case.
        case: CaseId,
        /// The day of its schedule.
        day: u32,
        /// [`crate::watch::Watch::run`].
        run: u32,
    },
    /// Of a batch: begins to feed it at once.
    Batch {
        /// The batch.
        batch: BatchId,
        /// [`batch::Batch::run`].
        run: u32,
    },
    /// Reads the logs that are still owed, of all systems.
    Logs {
        /// Counts the times at which they are read: at most one execution for each.
        slot: i64,
    },
    /// Looks after the transfers of ownership of a case that are open.
    Transfers {
        /// The case.
        case: CaseId,
        /// Counts the times at which it is looked at: at most one execution for each.
        slot: i64,
    },
}

impl Execution {
    /// The execution that a batch should have now.
    pub fn of_batch(of: &batch::Batch) -> Self {
        Self::Batch { batch: of.batch_id.clone(), run: of.run }
    }

    /// The execution that a case should have now.
    pub fn of_case(case: &CaseRecord) -> Self {
        Self::Case { case: case.case_id.clone(), run: case.run }
    }

    /// Its name.
    pub fn name(&self) -> String {
        match self {
            Self::Case { case, run: 0 | 1 } => case.to_string(),
            Self::Case { case, run } => format!("{case}-run-{run}"),
            Self::Measure(measure) => measure.to_string(),
            Self::Roster { night, round } => format!("roster-{night}-{round}"),
            Self::Reverify { case, day, run: 0 | 1 } => format!("{case}-day-{day}"),
            Self::Reverify { case, day, run } => format!("{case}-day-{day}-run-{run}"),
            Self::Batch { batch, run } => format!("{batch}-run-{run}"),
            Self::Logs { slot } => format!("logs-{slot}"),
            Self::Transfers { case, slot } => format!("{case}-transfers-{slot}"),
        }
    }
}

/// What starting an execution came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    /// It runs now.
    New,
    /// It had been started before.
    Already,
}

/// The workflow engine.
#[async_trait]
pub trait Workflow: Send + Sync {
    /// Starts an execution; a repeat changes nothing.
    async fn start(&self, execution: &Execution) -> Result<Started, StoreError>;
    /// Wakes the execution that waits on a task token: what was decided stands in the table. One that does not wait any
    /// more is left alone.
    async fn wake(&self, task_token: &str) -> Result<(), StoreError>;
    /// Whether an execution was started and runs no more, however it ended.
    async fn has_ended(&self, execution: &Execution) -> Result<bool, StoreError>;
    /// Runs the check of every adapter and waits for its result: the execution's output.
    async fn check(&self, name: &str) -> Result<serde_json::Value, StoreError>;
}
