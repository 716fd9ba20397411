//! Starts the looks that are due at cases that are through. A day on which nobody looked stays due until somebody has.

use crate::{LIMIT, Sweep, Swept};
use leaver_domain::{
    id::CaseId,
    ports::{Change, Execution, Started, StoreError},
    watch::{self, Standing},
};

/// Starts every look that is due.
pub(crate) async fn look_again(sweep: &Sweep<'_>, swept: &mut Swept) -> Result<(), StoreError> {
    for case in sweep.store.to_reverify(sweep.now, LIMIT).await? {
        match look(sweep, &case).await {
            Ok(true) => swept.reverifying += 1,
            // Its execution is at it, it is left alone, or somebody else was faster.
            Ok(false) | Err(StoreError::Conflict) => {}
            Err(error) => {
                tracing::error!(%case, %error, "could not be looked at again");
                swept.failed += 1;
            }
        }
    }
    Ok(())
}

/// Whether an execution was started.
async fn look(sweep: &Sweep<'_>, id: &CaseId) -> Result<bool, StoreError> {
    // The index is a little behind: it may be no longer due.
    let Some(mut case) = sweep.store.case(id).await? else { return Ok(false) };
    let Some(due) = watch::due_now(&case, sweep.now) else { return Ok(false) };
    match watch::standing_now(sweep.store, &case, sweep.now).await? {
        Standing::Watched => {}
        Standing::Waits(other) => {
            tracing::info!(case = %id, day = due.day, %other, "is looked at once that one is through");
            return Ok(false);
        }
        Standing::LeftAlone(why) => {
            let case = watch::left_alone(&case, due, why, sweep.now);
            return sweep.store.commit(&[Change::Case(Box::new(case))]).await.map(|()| false);
        }
    }
    let run = case.watch.as_ref().map_or(1, |watch| watch.run);
    let execution = |run| Execution::Reverify { case: id.clone(), day: due.day, run };
    if sweep.workflow.start(&execution(run)).await? == Started::New {
        if let Some(late) = due.late(sweep.now) {
            let seconds = late.as_secs();
            tracing::error!(case = %id, day = due.day, seconds, alarm = "reverification_late", "is looked at late");
        }
        return Ok(true);
    }
    if !sweep.workflow.has_ended(&execution(run)).await? {
        return Ok(false);
    }
    tracing::error!(case = %id, day = due.day, alarm = "execution_died", "its execution had ended: it gets another");
    if let Some(watch) = &mut case.watch {
        watch.run += 1;
    }
    case.version += 1;
    sweep.store.put_case(&case).await?;
    sweep.workflow.start(&execution(run + 1)).await.map(|_| true)
}
