//! Once a minute: requests that nobody answered go further or expire, and what was allowed for a time begins and ends.

use crate::{Humans, notice};
use leaver_domain::{
    approval::ApprovalId,
    deciding::{self, Gate},
    id::MeasureId,
    measures,
    ports::{Execution, StoreError},
};
use serde::Serialize;
use std::time::Duration;

/// Most requests, and most measures, that one tick looks after: those first about which something has to happen first.
const LIMIT: usize = 200;

/// Most open tasks among which one tick looks for reviews that nobody was told of.
const OPEN: usize = 1_000;

/// For how long whoever recorded a request may take to start its execution.
const GRACE: Duration = Duration::from_secs(20);

/// What one tick did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Ticked {
    /// Requests that wait.
    pub asking: usize,
    /// Of them those that are decided, or have expired, and whose execution was woken now.
    pub decided: usize,
    /// Measures whose effect or end was brought about.
    pub measures: usize,
    /// Messages about what was done without asking first.
    pub told: usize,
    /// Records with which something went wrong; the next tick tries again.
    pub failed: usize,
}

pub(crate) async fn tick(humans: &Humans<'_>) -> Result<Ticked, StoreError> {
    let mut ticked = Ticked::default();
    // What one part meets keeps no other from its work.
    let ends = measures(humans, &mut ticked).await;
    let requests = requests(humans, &mut ticked).await;
    let told = notice::reviews(humans, OPEN, &mut ticked).await;
    ends.and(requests).and(told).map(|()| ticked)
}

async fn requests(humans: &Humans<'_>, ticked: &mut Ticked) -> Result<(), StoreError> {
    for id in humans.store.asking(LIMIT).await? {
        ticked.asking += 1;
        match asking(humans, &id).await {
            Ok(decided) => ticked.decided += usize::from(decided),
            Err(error) => {
                tracing::error!(approval = %id, %error, "could not be looked after");
                ticked.failed += 1;
            }
        }
    }
    Ok(())
}

async fn measures(humans: &Humans<'_>, ticked: &mut Ticked) -> Result<(), StoreError> {
    for id in humans.store.measures_due(humans.now, LIMIT).await? {
        match bring_about(humans, &id).await {
            Ok(()) => ticked.measures += 1,
            Err(error) => {
                tracing::error!(measure = %id, %error, "could not be begun or ended");
                ticked.failed += 1;
            }
        }
    }
    Ok(())
}

/// Looks after one request; whether it is decided or has expired. Its execution is woken until it has heard of that: whoever
/// decided may have died before they could, or Step Functions did not answer them.
async fn asking(humans: &Humans<'_>, id: &ApprovalId) -> Result<bool, StoreError> {
    let gate = deciding::look_after(humans.store, humans.policy, id, humans.now).await?;
    let (token, decided) = (gate.approval.task_token.clone(), !gate.approval.is_pending());
    match (token, id) {
        (Some(token), _) if decided => humans.workflow.wake(token.expose()).await?,
        // Whoever recorded the request died before its execution began, or it is asked once more.
        (None, ApprovalId::Measure(measure)) => start(humans, measure, &gate).await?,
        _ => {}
    }
    humans.tell(gate).await;
    Ok(decided)
}

async fn start(humans: &Humans<'_>, measure: &MeasureId, gate: &Gate) -> Result<(), StoreError> {
    if gate.approval.requested_at.plus(GRACE) > humans.now {
        return Ok(());
    }
    humans.workflow.start(&Execution::Measure(measure.clone())).await.map(|_| ())
}

/// What was decided about a measure takes effect; what is over is taken back. Either may be repeated.
pub(crate) async fn bring_about(humans: &Humans<'_>, id: &MeasureId) -> Result<(), StoreError> {
    let Some(measure) = humans.store.measure(id).await? else { return Ok(()) };
    let (store, workflow, policy, now) = (humans.store, humans.workflow, humans.policy, humans.now);
    let measure = measures::begin(store, workflow, policy, measure, now).await?;
    measures::end(store, workflow, policy, measure, now).await?;
    Ok(())
}
