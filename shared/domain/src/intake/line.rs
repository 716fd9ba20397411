//! A line of a batch: a case of its own, or the one by which its person is leaving already.

use super::{Receipt, Refused, Request, mark, open, take};
use crate::{
    batch::{
        Batch, Line,
        check::{is_uncertain, stands_by},
    },
    holds, measures,
    person::Person,
    policy::Policy,
    ports::{CaseStore, Opening, StoreError, Workflow},
    time::Timestamp,
};
use serde_json::json;

/// Records the case of a line and starts its execution. Where its person is leaving, has left, or is suspended as the line asks,
/// by another case, that is the line's case as well, unless its time has not come, or it is held: whoever is to go today does not
/// stay because they were to go later, or because the case by which they were to go is called off.
/// Everything may be repeated; the receipt names the line's case.
///
/// # Errors
/// As [`super::submit`].
pub async fn submit_line(
    store: &dyn CaseStore,
    workflow: &dyn Workflow,
    policy: &Policy,
    (batch, line): (&Batch, &Line),
    person: &Person,
    now: Timestamp,
) -> Result<(Receipt, Option<StoreError>), Refused> {
    let trigger = batch.trigger(line, now).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    let plain = Request::plain(trigger, line.mode, line.reason.clone(), now);
    let request = Request { preserve_data: line.preserve_data, ..plain };
    let held = store.measures_of(&person.username).await?;
    let uncertain = match &person.case {
        Some(case) => store.case(case).await?,
        None => None,
    };
    let uncertain = uncertain.filter(|case| is_uncertain(case, now));
    let uncertain = uncertain.map(|case| case.case_id);
    let opening = |person: &Person| {
        if stands_by(person, line.mode).is_some() && person.case != uncertain {
            let mark = mark(&request.trigger, person.case.clone(), now);
            return Opening { mark, person: None, case: None, measure: None, ahead: None };
        }
        let mut opening = open(person, &request, policy, now);
        measures::note_holds(&mut opening, &held, now);
        if let Some((case, _)) = &mut opening.case {
            if let Some(opened) = case.log.first_mut() {
                opened.facts["batch"] = json!({"batch_id": batch.batch_id, "line": line.line});
            }
            // Behind its first row and before a hold of its own.
            drop(case.log.splice(1..1, batch.release_of_case(holds::MASS_ACTION, now)));
        }
        opening
    };
    take(store, workflow, policy, person, &request.trigger, &opening, now).await
}
