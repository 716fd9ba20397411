//! Somebody who had left comes back. What their role needs now, of what they had, is given back in every system; a termination
//! that has not begun is called off instead. Whoever is suspended stays so: somebody decides about that, and HR does not.

use crate::{
    handle::{Webhook, stored, unknown},
    take::{self, Answer, open_finding},
};
use leaver_domain::{
    case::{CaseRecord, CaseStatus, Mode},
    holds,
    intake::{self, Reactivation},
    measure::{Measure, MeasureStatus, What},
    person::{Person, PersonStatus},
    problem::Problem,
    trigger::{HRIS, HrEvent, HrUser},
};
use std::collections::BTreeSet;

/// Most cases before one another that have not begun.
const MOST: usize = 8;

pub(crate) async fn rehired(
    webhook: &Webhook<'_>,
    event: &HrEvent,
    user: &HrUser,
    mut person: Person,
) -> Answer {
    let event = &event.in_calendar_of(&person)?;
    let mut left = left_by(webhook, &person).await?;
    let chain = match &left {
        Some(left) => intake::leaving(webhook.store, &left.case_id).await.map_err(stored)?,
        None => Vec::new(),
    };
    if let Some(left) = chain.iter().find(|left| is_newer(left, event)) {
        let detail = "whoever comes back was terminated after that: send the event anew, with the time at which it was decided";
        open_finding(webhook, event, &user.username, "stale_event", detail).await?;
        return Err(overtaken(&person, left));
    }
    for _ in 0..MOST {
        let may_go = |left: &&CaseRecord| person.status != PersonStatus::Suspended && has_not_begun(left);
        let Some(ahead) = left.as_ref().filter(may_go) else { break };
        call_off(webhook, event, ahead).await?;
        let now = webhook.store.person(&person.username).await.map_err(stored)?;
        person = now.ok_or_else(|| unknown(user.username.as_str()))?;
        left = left_by(webhook, &person).await?;
    }
    // An emergency lets whoever is suspended in for a while; nothing is decided by that.
    let is_to_stay = left.as_ref().is_some_and(|left| left.mode == Mode::Suspend);
    if person.status == PersonStatus::Suspended || is_to_stay {
        let detail = "whoever is suspended does not come back by being hired anew: restore the case, or report a termination";
        open_finding(webhook, event, &user.username, "still_suspended", detail).await?;
        let by = left.map(|left| left.case_id).or_else(|| person.case.clone());
        return Err(stays_suspended(&Person { case: by, ..person }));
    }
    // Whoever is here already may have come to another desk.
    let Some(left) = left else { return take::changed(webhook, event, user, person).await };
    let person = up_to_date(webhook, user, person).await?;
    let wanted = Reactivation {
        trigger: take::trigger(webhook, event),
        restores: Some(left.case_id.clone()),
        permissions: BTreeSet::new(),
        measure: None,
        by_role: true,
        reason: user.reason.clone().unwrap_or_else(|| "rehire".to_owned()),
        // Whatever last day stands beside it: who is here again, is here now.
        effective_at: event.at.min(webhook.now),
    };
    let (store, workflow, policy) = (webhook.store, webhook.workflow, webhook.policy);
    take::told(intake::reactivate(store, workflow, policy, &person, &wanted, webhook.now).await)
}

/// The case by which somebody is not here, if they are not, or only for as long as an emergency lasts.
async fn left_by(webhook: &Webhook<'_>, person: &Person) -> Result<Option<CaseRecord>, Problem> {
    let Some(case) = &person.case else { return Ok(None) };
    let case = webhook.store.case(case).await.map_err(stored)?;
    if person.status != PersonStatus::Active {
        return Ok(case);
    }
    let Some(measure) = case.and_then(|case| case.measure) else { return Ok(None) };
    // Until what it gave is taken back, also behind its end.
    match webhook.store.measure(&measure).await.map_err(stored)? {
        Some(Measure {
            what: What::BreakGlass { case },
            status: MeasureStatus::Approved | MeasureStatus::Active | MeasureStatus::Ending,
            ..
        }) => webhook.store.case(&case).await.map_err(stored),
        _ => Ok(None),
    }
}

/// Whether HR said after this event that they leave: an event that was late, or was sent again, does not undo it.
fn is_newer(left: &CaseRecord, event: &HrEvent) -> bool {
    let stands = !matches!(left.status, CaseStatus::Cancelled | CaseStatus::Rejected);
    stands && left.mode == Mode::Leave && left.trigger.source == HRIS && left.trigger.at > event.at
}

fn overtaken(person: &Person, left: &CaseRecord) -> Problem {
    let detail = format!(
        "{} was reported to leave at {}, which is after this event ({}). Where they come back nevertheless, send a new `user_rehired`.",
        person.username, left.trigger.at, left.case_id
    );
    Problem::new(409, "stale-event", detail)
}

fn has_not_begun(left: &CaseRecord) -> bool {
    let waits = matches!(left.status, CaseStatus::Recorded | CaseStatus::Held);
    waits && !left.has_begun() && holds::may_cancel(left).is_ok()
}

/// What HR is told of somebody whose access is shut while something is looked into.
pub(crate) fn stays_suspended(person: &Person) -> Problem {
    let by = person.case.as_ref().map(|case| format!(" by {case}")).unwrap_or_default();
    let detail = format!(
        "{} is suspended{by}, and stays so. Where they may come back, have that case restored (`leaver restore`); where they have \
         left, send `user_terminated` first.",
        person.username
    );
    Problem::new(422, "suspended", detail)
}

/// The record of whoever comes back, with what the event tells: their role decides what they get. Written first, so that no
/// repeat can give by the old role.
async fn up_to_date(webhook: &Webhook<'_>, user: &HrUser, person: Person) -> Result<Person, Problem> {
    let mut told = user.facts.told_of(&person, user.email.as_deref());
    // The contract that had ended is not the one that begins.
    told.contract_end = user.facts.contract_end.flatten();
    if told == person {
        return Ok(person);
    }
    told.version += 1;
    webhook.store.put_person(&told).await.map_err(stored)?;
    Ok(told)
}

/// Nothing was taken yet: the termination does not happen, and they are where they were.
async fn call_off(webhook: &Webhook<'_>, event: &HrEvent, left: &CaseRecord) -> Result<(), Problem> {
    let reason = format!("they come back ({HRIS}, event {})", event.id);
    let by = HRIS.parse().map_err(|_| Problem::unavailable())?;
    let cancelled = holds::cancel(webhook.store, webhook.workflow, left, &by, &reason, webhook.now).await;
    cancelled.map_err(stored)
}
