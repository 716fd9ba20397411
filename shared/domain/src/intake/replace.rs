//! HR says of a termination anew when it is to be. The one that was to come is called off with the same write that records the
//! new one; what has begun goes on.

use crate::{
    batch::check::lies_ahead,
    case::{CaseRecord, MAX_BACK, Mode},
    holds,
    person::{Person, PersonStatus},
    ports::{CaseStore, Opening, StoreError},
    time::Timestamp,
    trigger::HRIS,
};
use serde_json::json;

/// Whether it is a termination that HR has reported, and nobody else has decided about it.
fn is_of_hr(case: &CaseRecord) -> bool {
    case.mode == Mode::Leave && case.trigger.source == HRIS && !case.dry_run
}

/// Puts a new termination in the place of the one that HR reported before, where the time of that one has not come.
pub(super) async fn replaces(
    store: &dyn CaseStore,
    person: &Person,
    opening: &mut Opening,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some((case, _)) = opening.case.as_mut().filter(|(case, _)| is_of_hr(case)) else { return Ok(()) };
    let Some(earlier) = ahead_of(store, person, case, now).await? else { return Ok(()) };
    let reason = format!("{} stands in its place ({HRIS}, event {})", case.case_id, case.trigger.event_id);
    // They go on leaving, by the new one.
    let facts = json!({"reason": reason, "person_is": person.status, "replaced_by": case.case_id});
    opening.ahead = Some(holds::cancelled(&earlier, HRIS, facts, now));
    if person.case.as_ref() == Some(&earlier.case_id)
        && let (Some(before), Some(was)) = (earlier.person_was, case.person_was.as_mut())
    {
        was.status = before.status;
        was.case = before.case;
    }
    if let Some(opened) = case.log.first_mut() {
        opened.facts["replaces"] = json!(earlier.case_id);
    }
    Ok(())
}

/// The termination that HR reported before and whose time has not come, among the cases by which the person is leaving. One that
/// a measure has to do with stays: HR does not call off what somebody decided.
async fn ahead_of(
    store: &dyn CaseStore,
    person: &Person,
    new: &CaseRecord,
    now: Timestamp,
) -> Result<Option<CaseRecord>, StoreError> {
    let mut by = person.case.clone().filter(|_| person.status == PersonStatus::Leaving);
    for _ in 0..MAX_BACK {
        // A repeat finds the very case that it opened.
        let Some(id) = by.filter(|id| *id != new.case_id) else { break };
        let Some(case) = store.case(&id).await? else { break };
        if is_of_hr(&case) && lies_ahead(&case, now) && !case.has_begun() && case.measure.is_none() {
            return Ok(Some(case));
        }
        by = case.person_was.filter(|was| was.status == PersonStatus::Leaving).and_then(|was| was.case);
    }
    Ok(None)
}
