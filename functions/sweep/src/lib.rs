//! Picks up what was left behind. A recorded case whose time has come and that has no execution is started: a process
//! that died between recording and starting, and a termination that lies in the future, are the same to it. A case whose
//! rows the stream lost gets them into the log, from what the case table says; one that a checkpoint covers by now is
//! closed, also where its execution has given up waiting.

use leaver_domain::{
    id::CaseId,
    ledger::{Appending, append},
    ports::{CaseStore, Started, StoreError, Workflow},
    sealing::{self, Coverage, rows_of},
    time::Timestamp,
};
use serde::Serialize;

/// Most cases started, and most cases sealed, in one go.
const LIMIT: usize = 200;

/// What the function works with.
pub struct Sweep<'a> {
    /// The case table.
    pub store: &'a dyn CaseStore,
    /// The workflow engine.
    pub workflow: &'a dyn Workflow,
    /// The log, and what appending to it takes.
    pub log: Appending<'a>,
    /// Now.
    pub now: Timestamp,
}

/// What one sweep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Swept {
    /// Cases whose time had come.
    pub due: usize,
    /// Executions started now.
    pub started: usize,
    /// Rows that the stream had lost and that are in the log now.
    pub recovered: usize,
    /// Cases that a checkpoint covers now.
    pub sealed: usize,
    /// Cases with which something went wrong; the next sweep tries again.
    pub failed: usize,
}

/// Sweeps once.
///
/// # Errors
/// Where the table cannot be read.
pub async fn handle(sweep: &Sweep<'_>) -> Result<Swept, StoreError> {
    let mut swept = Swept::default();
    for case in sweep.store.due(sweep.now, LIMIT).await? {
        swept.due += 1;
        match sweep.workflow.start(&case).await {
            Ok(Started::New) => {
                tracing::info!(%case, "started by the sweep");
                swept.started += 1;
            }
            Ok(Started::Already) => tracing::warn!(%case, "has an execution and is still recorded"),
            Err(error) => {
                tracing::error!(%case, %error, "could not be started");
                swept.failed += 1;
            }
        }
    }
    for case in sweep.store.unsealed(sweep.now, LIMIT).await? {
        if let Err(error) = seal(sweep, &case, &mut swept).await {
            tracing::error!(%case, %error, "could not be sealed");
            swept.failed += 1;
        }
    }
    Ok(swept)
}

/// Gets what is missing of a case into the log, or closes it where everything is published.
async fn seal(sweep: &Sweep<'_>, id: &CaseId, swept: &mut Swept) -> Result<(), StoreError> {
    let Some(case) = sweep.store.case(id).await? else { return Ok(()) };
    let systems = sweep.store.systems(id).await?;
    match sealing::coverage(sweep.log.store, rows_of(&case, &systems)).await? {
        Coverage::Missing(rows) => {
            tracing::error!(case = %id, rows = rows.len(), alarm = "ledger_rows_lost", "the stream lost rows");
            let tally = append(&sweep.log, rows).await?;
            swept.recovered += tally.appended;
        }
        // One under way gets more rows, and its own last step looks after it.
        Coverage::There { published: Some(size), .. }
            if case.is_closing() || (case.status.is_settled() && case.checkpoint_size.is_none()) =>
        {
            sealing::seal(sweep.store, &case, size, sweep.now).await?;
            tracing::info!(case = %id, size, "sealed by the sweep");
            swept.sealed += 1;
        }
        Coverage::There { .. } => {}
    }
    Ok(())
}
