//! Somebody who had left comes back. What their role needs now, of what they had, is given back in every system; a termination
//! that has not begun is called off instead.

use crate::{
    handle::{Webhook, stored, unknown},
    take::{self, Answer},
};
use leaver_domain::{
    case::{CaseRecord, CaseStatus},
    holds,
    intake::{self, Reactivation},
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
    let mut left = left_by(webhook, &person).await?;
    for _ in 0..MOST {
        let Some(ahead) = left.as_ref().filter(|left| has_not_begun(left)) else { break };
        call_off(webhook, event, ahead).await?;
        let now = webhook.store.person(&person.username).await.map_err(stored)?;
        person = now.ok_or_else(|| unknown(user.username.as_str()))?;
        left = left_by(webhook, &person).await?;
    }
    // Whoever is here already may have come to another desk.
    let Some(left) = left else { return take::changed(webhook, event, user, person).await };
    let person = moved(webhook, event, user, person).await?;
    let person = up_to_date(webhook, user, person).await?;
    let wanted = Reactivation {
        trigger: take::trigger(webhook, event),
        restores: Some(left.case_id.clone()),
        permissions: BTreeSet::new(),
        measure: None,
        by_role: true,
        reason: user.reason.clone().unwrap_or_else(|| "rehire".to_owned()),
        effective_at: event.effective_at,
    };
    let (store, workflow, policy) = (webhook.store, webhook.workflow, webhook.policy);
    take::told(intake::reactivate(store, workflow, policy, &person, &wanted, webhook.now).await)
}

/// The case by which somebody is not here, if they are not.
async fn left_by(webhook: &Webhook<'_>, person: &Person) -> Result<Option<CaseRecord>, Problem> {
    match &person.case {
        Some(case) if person.status != PersonStatus::Active => webhook.store.case(case).await.map_err(stored),
        _ => Ok(None),
    }
}

fn has_not_begun(left: &CaseRecord) -> bool {
    matches!(left.status, CaseStatus::Recorded | CaseStatus::Held) && holds::may_cancel(left).is_ok()
}

/// Whoever was suspended still holds what their old role needed. Where they come back to another one, that goes as with every
/// change of role, by a case of its own.
async fn moved(
    webhook: &Webhook<'_>,
    event: &HrEvent,
    user: &HrUser,
    person: Person,
) -> Result<Person, Problem> {
    if person.status != PersonStatus::Suspended {
        return Ok(person);
    }
    let mut after = user.facts.told_of(&person, user.email.as_deref());
    after.version += 1;
    // The event itself opens the way back.
    let Some(request) = take::moves(webhook, event, user, "leaver", (&person, &mut after)).await? else {
        return Ok(person);
    };
    let (store, workflow, policy) = (webhook.store, webhook.workflow, webhook.policy);
    take::told(intake::submit(store, workflow, policy, &after, &request, webhook.now).await)?;
    let now = webhook.store.person(&person.username).await.map_err(stored)?;
    now.ok_or_else(|| unknown(user.username.as_str()))
}

/// The record of whoever comes back, with what the event tells: their role decides what they get. Written first, so that no
/// repeat can give by the old role.
async fn up_to_date(webhook: &Webhook<'_>, user: &HrUser, person: Person) -> Result<Person, Problem> {
    let mut told = user.facts.told_of(&person, user.email.as_deref());
    // The contract that had ended is not the one that begins.
    told.contract_end = user.facts.contract_end;
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
