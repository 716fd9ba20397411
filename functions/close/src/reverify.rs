//! The last step of a look at a case that is through: what the systems' readings come to, and the case that takes what is back.

use crate::{Close, known, store};
use leaver_domain::{
    case::{CaseRecord, CaseStatus},
    deciding,
    fault::{Fault, FaultKind},
    people,
    ports::Change,
    watch::{self, Around, Due, Standing, Target},
};

/// Folds the readings of a day, once. What it opens is started by the sweep, like everything that was recorded.
pub(crate) async fn fold(close: &Close<'_>, of: &Target) -> Result<CaseStatus, Fault> {
    let case = known(close, &of.case_id).await?;
    let now = (close.clock)();
    let Some(due) = watch::due_now(&case, now).filter(|due| due.day == of.day) else {
        // Another attempt of this very step was there first.
        return Ok(case.status);
    };
    let changes = match watch::standing_now(close.store, &case, now).await.map_err(store)? {
        Standing::Watched => told(close, &case, due).await?,
        Standing::LeftAlone(why) => vec![Change::Case(Box::new(watch::left_alone(&case, due, why, now)))],
        Standing::Waits(_) => return Ok(case.status),
    };
    close.store.commit(&changes).await.map_err(store)?;
    Ok(case.status)
}

async fn told(close: &Close<'_>, case: &CaseRecord, due: Due) -> Result<Vec<Change>, Fault> {
    let (tables, policy, now) = (close.store, close.policy, (close.clock)());
    let person = tables.person(&case.person.username).await.map_err(store)?;
    let person = person.ok_or_else(|| Fault::new(FaultKind::Conflict, "the person was changed meanwhile"))?;
    let systems = tables.systems(&case.case_id).await.map_err(store)?;
    let mut found = watch::fold(policy, due, &systems, now);
    if !found.back.is_empty()
        && let Some(other) = people::also_addressed(tables, &person).await.map_err(store)?
    {
        found = found.may_belong_to(&other.username);
    }
    for finding in &found.look.findings {
        tracing::error!(case = %case.case_id, day = due.day, alarm = finding.kind, detail = finding.detail, "looked again");
    }
    let measures = tables.measures_of(&person.username).await.map_err(store)?;
    let gone = deciding::gone(tables, &policy.approvals).await.map_err(store)?;
    let around = Around { policy, person: &person, measures: &measures, gone, now };
    watch::tell(&around, case, found).map_err(store)
}
