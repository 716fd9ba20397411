//! Asking about held cases: the requests for their release, and who must not decide about them.

use super::{LEAVER, MASS_ACTION};
use crate::{
    approval::{Approval, Concerned, Need},
    brake::Engaged,
    case::{CaseRecord, CaseStatus, Happening, Subject},
    id::{MeasureId, Username},
    ledger::{EventKind, Outcome},
    measure::{self, Measure, MeasureStatus, What},
    person::Person,
    policy::Policy,
    ports::{CaseStore, StoreError},
    time::Timestamp,
    trigger::HRIS,
};
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Most held cases that are looked at for who must not decide about them, and how many of them are read at a time.
const LOOKED_AT: usize = 1_000;
const AT_A_TIME: usize = 25;

/// The request to release what is held.
pub(super) fn request(
    policy: &Policy,
    concerned: &Concerned<'_>,
    measure_id: MeasureId,
    (what, held_for): (What, &str),
    reason: String,
    facts: &Value,
    now: Timestamp,
) -> Measure {
    let subject = |person: &Person| Subject {
        username: person.username.clone(),
        employee_id: person.employee_id.clone(),
    };
    let person = concerned.subject.map(subject);
    let covers = measure::digest(&what, person.as_ref(), &reason, None);
    let approval = Approval::ask(&policy.approvals, concerned, covers, Need::security(), 1, now);
    let line = Happening {
        kind: EventKind::MeasureRequested,
        at: now,
        actor: LEAVER.into(),
        action: "ask for release".into(),
        outcome: Outcome::Pending,
        risk: None,
        facts: json!({
            "held_for": held_for, "why": facts, "asked": approval.asked, "need": approval.need,
            "expires_at": approval.expires_at, "covers": covers,
        }),
    };
    Measure {
        measure_id,
        what,
        person,
        requested_by: concerned.requested_by.into(),
        reason,
        requested_at: now,
        until: None,
        status: MeasureStatus::Requested,
        approval,
        look_at: None,
        archive_hold: None,
        cases: Vec::new(),
        log: vec![line],
        version: 1,
    }
}

fn release(held_for: &str) -> (What, &str) {
    (What::Release { held_for: held_for.to_owned() }, held_for)
}

/// Who opened a case, and whose it is. `hris` and `leaver` are no people: nobody has such a name and a record.
fn of_case(case: &CaseRecord) -> impl Iterator<Item = Username> + use<> {
    let opened_by = Some(case.trigger.by.as_str()).filter(|by| ![HRIS, LEAVER].contains(by));
    let opened_by = opened_by.and_then(|by| by.parse().ok());
    opened_by.into_iter().chain([case.person.username.clone()])
}

/// Who must not decide about a release: whoever opened one of the held cases, or is the subject of one. It
/// is read at the time of the decision, as the list grows.
///
/// # Errors
/// Where the store cannot be read.
pub async fn barred(store: &dyn CaseStore, measure: &Measure) -> Result<BTreeSet<Username>, StoreError> {
    let mut barred = BTreeSet::new();
    let held = match &measure.what {
        What::Release { held_for } if held_for == MASS_ACTION => {
            store.held(&measure.measure_id, LOOKED_AT).await?
        }
        What::Release { .. } => measure.cases.clone(),
        What::Batch { batch, .. } => return super::batch::barred(store, batch).await,
        _ => return Ok(barred),
    };
    for some in held.chunks(AT_A_TIME) {
        let cases = try_join_all(some.iter().map(|id| store.case(id))).await?;
        let held = cases.into_iter().flatten().filter(|case| case.status == CaseStatus::Held);
        barred.extend(held.flat_map(|case| of_case(&case)));
    }
    Ok(barred)
}

/// The request to release one case that is held alone; `None` where it is not held under such a measure.
pub fn request_for(
    policy: &Policy,
    gone: BTreeSet<Username>,
    person: &Person,
    case: &CaseRecord,
    held_for: &str,
    now: Timestamp,
) -> Option<Measure> {
    let id = case.measure.clone().filter(|_| case.status == CaseStatus::Held)?;
    let reason = format!(
        "{} is a protected account. Released, its access goes like that of anybody else; denied, the case is called off. \
         The case was opened because: {}",
        person.username, case.reason,
    );
    let (requested_by, barred) = (case.trigger.by.as_str(), of_case(case).collect());
    let concerned = Concerned { subject: Some(person), requested_by, gone, barred };
    let facts = json!({"case": case.case_id, "opened_by": case.trigger.by});
    let mut measure = request(policy, &concerned, id, release(held_for), reason, &facts, now);
    measure.cases.push(case.case_id.clone());
    Some(measure)
}

/// The request to release everything that the brake holds.
pub fn request_for_all(
    policy: &Policy,
    gone: BTreeSet<Username>,
    measure: MeasureId,
    why: &Engaged,
    first: &CaseRecord,
    now: Timestamp,
) -> Measure {
    let reason = format!(
        "More people were leaving than policy lets through: {} within {} seconds, with a limit of {} ({} people are known). \
         Every further case is recorded and held. Released, they all run; denied, they are all called off.",
        why.let_through + 1,
        why.window_seconds,
        why.limit,
        why.known,
    );
    let barred = of_case(first).collect();
    let concerned = Concerned { subject: None, requested_by: LEAVER, gone, barred };
    let facts = json!({"brake": why, "first_held": first.case_id});
    request(policy, &concerned, measure, release(MASS_ACTION), reason, &facts, now)
}
