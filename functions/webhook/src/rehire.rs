//! Somebody who had left comes back. What their role needs now, of what they had, is given back in every system; a termination
//! that has not begun is called off instead.

use crate::{
    handle::{Webhook, stored},
    take::{self, Answer},
};
use leaver_domain::{
    case::{CaseRecord, CaseStatus},
    holds,
    intake::{self, Reactivation},
    person::{Person, PersonStatus},
    trigger::{HRIS, HrEvent, HrUser},
};
use std::collections::BTreeSet;

pub(crate) async fn rehired(webhook: &Webhook<'_>, event: &HrEvent, user: &HrUser, person: Person) -> Answer {
    let person = up_to_date(webhook, user, person).await?;
    let left = match &person.case {
        Some(case) if person.status != PersonStatus::Active => {
            webhook.store.case(case).await.map_err(stored)?
        }
        _ => None,
    };
    let Some(left) = left else { return take::keep(webhook, event, None).await };
    if matches!(left.status, CaseStatus::Recorded | CaseStatus::Held) && holds::may_cancel(&left).is_ok() {
        return called_off(webhook, event, &left).await;
    }
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

/// The record of whoever comes back, with what the event tells: their role decides what they get. Written first, so that no
/// repeat can give by the old role.
async fn up_to_date(
    webhook: &Webhook<'_>,
    user: &HrUser,
    person: Person,
) -> Result<Person, leaver_domain::problem::Problem> {
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
async fn called_off(webhook: &Webhook<'_>, event: &HrEvent, left: &CaseRecord) -> Answer {
    let reason = format!("they come back ({HRIS}, event {})", event.id);
    let by = HRIS.parse().map_err(|_| leaver_domain::problem::Problem::unavailable())?;
    let cancelled = holds::cancel(webhook.store, webhook.workflow, left, &by, &reason, webhook.now).await;
    cancelled.map_err(stored)?;
    take::keep(webhook, event, None).await
}
