//! A fresh read of a system, days after the case: whether what was taken is still gone.

use crate::{System, internal, stored};
use leaver_adapters::run::{self, Job};
use leaver_domain::{
    case::{CaseRecord, SystemRecord, SystemStatus, revocation},
    fault::Fault,
    inventory::State,
    watch::{self, Reading, Standing},
};
use serde_json::json;

/// Reads again. Writes to the record, never to the system; what it finds is acted on by nobody here. A day that was read is
/// not read twice.
pub(crate) async fn reverify(
    system: &System<'_>,
    case: &CaseRecord,
    mut record: SystemRecord,
) -> Result<SystemStatus, Fault> {
    let now = system.now();
    let Some(due) = watch::due_now(case, now) else { return Ok(record.status) };
    let known = record.readings.iter().find(|reading| reading.day == due.day);
    let is_read = known.is_some_and(|reading| reading.fault.is_none());
    let tries = known.map_or(0, |reading| reading.tries) + 1;
    if is_read || watch::passed_over(&record, system.policy).is_some() {
        return Ok(record.status);
    }
    if watch::standing_now(system.store, case, now).await.map_err(stored)? != Standing::Watched {
        return Ok(record.status);
    }
    let read = read(system, case, &record).await;
    let (state, back, fault) = match read {
        Ok((state, back)) => (Some(state), back, None),
        Err(fault) => (None, Vec::new(), Some(fault)),
    };
    if !back.is_empty() {
        tracing::error!(case = %case.case_id, system = %system.id, day = due.day, alarm = "access_reappeared", "access is back");
    }
    let reading = Reading { day: due.day, at: system.now(), tries, back, fault: fault.clone() };
    let facts = json!({"revocation": revocation(case), "due_at": due.at, "found_state": state});
    watch::keep(&mut record, reading, facts, &format!("leaver/adapter/{}", system.id));
    system.save(&mut record).await?;
    fault.map_or(Ok(record.status), Err)
}

/// How the account stands, and what of it is back.
async fn read(
    system: &System<'_>,
    case: &CaseRecord,
    record: &SystemRecord,
) -> Result<(State, Vec<String>), Fault> {
    let person = system.store.person(&case.person.username).await.map_err(stored)?;
    let mut person = person.ok_or_else(|| internal("the person is not known any more"))?;
    person.last_day = Some(case.dates.last_day(case.effective_at));
    let scope = system.scope_again(&person, case, record).await?;
    let sought = system.sought(&person).await?;
    let job = Job { person: &sought, scope: &scope, ended: case.effective_at, risk: &system.policy.risk };
    let (found, left) =
        run::remaining(system.adapter, system.http.reader(), &job, &record.receipts()).await?;
    Ok((found.state(), watch::came_back(&left)))
}
