//! Has incomplete cases tried again whose vendor limited the rate, or did not answer, for longer than an execution waits.

use crate::{Sweep, Swept};
use leaver_domain::{case::SystemRecord, forcing, id::CaseId, ports::StoreError, tasks::Host};
use std::{collections::BTreeSet, slice};

/// Looks through the open tasks for what may come through by now.
pub(crate) async fn again(sweep: &Sweep<'_>, hosts: &[Host], swept: &mut Swept) {
    let due = hosts.iter().filter_map(|host| match host {
        Host::System(system, case) => {
            let system: &SystemRecord = system;
            let at = forcing::again_at(sweep.policy, case, slice::from_ref(system))?;
            (at <= sweep.now).then_some(&case.case_id)
        }
        Host::Review(_) => None,
    });
    for case in due.collect::<BTreeSet<_>>() {
        one(sweep, case, swept).await;
    }
}

async fn one(sweep: &Sweep<'_>, case: &CaseId, swept: &mut Swept) {
    match forcing::again(sweep.store, sweep.workflow, sweep.policy, case, sweep.now).await {
        Ok(Some((_, not_started))) => {
            tracing::info!(%case, "tried again, as its vendor may be back");
            swept.retried += 1;
            if let Some(error) = not_started {
                tracing::error!(%case, %error, "tried again, but not started yet");
            }
        }
        // Another of its systems has to wait for longer, or somebody else was faster.
        Ok(None) | Err(StoreError::Conflict) => {}
        Err(error) => {
            tracing::error!(%case, %error, "could not be tried again");
            swept.failed += 1;
        }
    }
}
