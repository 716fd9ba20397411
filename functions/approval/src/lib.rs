//! Humans decide: asks whoever policy names, keeps the task token of the execution that waits, sees to it that a request
//! that nobody answers goes further, and brings about what was allowed for a time, and its end.

mod ask;
mod notice;
pub mod slack;
mod tick;

use leaver_domain::{
    approval::ApprovalId,
    fault::{Fault, FaultKind},
    id::{CaseId, MeasureId, SystemId},
    policy::Policy,
    ports::{CaseStore, Messenger, StoreError, Workflow},
    secret::Secret,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

pub use tick::Ticked;

/// What the function works with.
pub struct Humans<'a> {
    /// The settings in force.
    pub policy: &'a Policy,
    /// The case table.
    pub store: &'a dyn CaseStore,
    /// The workflow engine.
    pub workflow: &'a dyn Workflow,
    /// Where people are asked and told; `None` where none is set up, so that they decide by the API alone.
    pub messenger: Option<&'a dyn Messenger>,
    /// Now.
    pub now: Timestamp,
}

/// What an execution waits for a decision about.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum About {
    /// A flagged system: its newest request.
    System {
        /// The case.
        case_id: CaseId,
        /// The system.
        system: SystemId,
    },
    /// A measure.
    Measure {
        /// Which.
        measure: MeasureId,
    },
}

/// One event of the state machine or of the schedule.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case", tag = "step")]
pub enum Input {
    /// Is it decided?
    Gate {
        /// About what.
        of: About,
    },
    /// Put the request to whoever is to decide, and keep the token that ends the wait.
    Ask {
        /// About what.
        of: About,
        /// Step Functions' callback key.
        task_token: Secret,
    },
    /// Look after everything that waits or has an end.
    Tick,
}

/// What a step came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Output {
    /// Of the gate and of asking.
    Gate {
        /// `pending`, `approved`, `denied` or `expired`.
        decision: leaver_domain::approval::ApprovalStatus,
    },
    /// Of a tick.
    Ticked(Ticked),
}

/// Does one step.
///
/// # Errors
/// `Conflict` where others kept on changing a record, `Internal` where a store fails; the state machine tries again.
pub async fn handle(humans: &Humans<'_>, input: Input) -> Result<Output, Fault> {
    match input {
        Input::Gate { of } => ask::gate(humans, &of).await.map_err(stored),
        Input::Ask { of, task_token } => ask::ask(humans, &of, task_token.expose()).await.map_err(stored),
        Input::Tick => tick::tick(humans).await.map(Output::Ticked).map_err(stored),
    }
}

fn stored(error: StoreError) -> Fault {
    let kind = if error == StoreError::Conflict { FaultKind::Conflict } else { FaultKind::Internal };
    Fault::new(kind, error.to_string())
}

impl Humans<'_> {
    /// The newest request about this.
    async fn newest(&self, of: &About) -> Result<ApprovalId, StoreError> {
        match of {
            About::Measure { measure } => Ok(ApprovalId::Measure(measure.clone())),
            About::System { case_id, system } => {
                let record = self.store.system(case_id, system).await?;
                let id = record
                    .as_ref()
                    .and_then(|record| record.approval.as_ref().map(|approval| record.approval_id(approval)));
                id.ok_or_else(|| StoreError::Corrupt(format!("{case_id} asks for nothing in {system}")))
            }
        }
    }
}

impl Humans<'_> {
    /// Shows a request to those who are asked, and how it was decided. Whatever cannot be shown is tried again by the next
    /// tick: nothing waits for a messenger.
    async fn tell(&self, gate: leaver_domain::deciding::Gate) {
        let Some(messenger) = self.messenger else { return };
        if let Err(error) = slack::show(self.store, messenger, self.policy, gate).await {
            tracing::warn!(%error, "where a request stands could not be kept");
        }
    }
}
