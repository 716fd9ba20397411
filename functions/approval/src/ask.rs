//! The two steps of an execution that waits for a human.

use crate::{About, Humans, Output, tick};
use leaver_domain::{
    approval::ApprovalStatus,
    deciding::{self, Gate, Host},
    ports::StoreError,
};

/// Says whether it is decided. What a decision of a measure brings about begins here.
pub(crate) async fn gate(humans: &Humans<'_>, of: &About) -> Result<Output, StoreError> {
    let id = humans.newest(of).await?;
    let gate = deciding::look_after(humans.store, humans.policy, &id, humans.now).await?;
    after(humans, gate).await
}

/// Keeps the token and puts the request to those who are asked.
pub(crate) async fn ask(humans: &Humans<'_>, of: &About, token: &str) -> Result<Output, StoreError> {
    let id = humans.newest(of).await?;
    let gate = deciding::keep_token(humans.store, humans.workflow, &id, token).await?;
    after(humans, gate).await
}

async fn after(humans: &Humans<'_>, gate: Gate) -> Result<Output, StoreError> {
    let decision = gate.approval.status;
    match &gate.host {
        Host::System(_, case) => {
            deciding::follow(humans.store, &case.case_id).await?;
        }
        Host::Measure(measure) if decision != ApprovalStatus::Pending => {
            tick::bring_about(humans, &measure.measure_id).await?;
        }
        Host::Measure(_) => {}
    }
    humans.tell(gate).await;
    Ok(Output::Gate { decision })
}
