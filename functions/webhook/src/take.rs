//! What each kind of event does: it ends, shuts or narrows somebody's access, brings it back, or keeps their record current.

use crate::{
    handle::{Webhook, reused, stored, unknown},
    rehire,
};
use leaver_domain::{
    case::{CaseStatus, Finding, Mode, Trigger},
    id::{CaseId, Username},
    intake::{self, Receipt, Refused, Request},
    moving::{Change, Moved},
    people,
    person::{Person, PersonStatus},
    ports::{EventMark, Opening, Recorded, StoreError},
    problem::Problem,
    trigger::{EventType, HRIS, HrEvent, HrUser},
};
use serde_json::{Value, json};
use std::time::Duration;

/// What an answer says.
pub(crate) type Answer = Result<(u16, Value), Problem>;

/// Does what an event asks for, once.
pub(crate) async fn take(webhook: &Webhook<'_>, event: &HrEvent, user: &HrUser) -> Answer {
    match event.kind {
        EventType::UserTerminated | EventType::ContractorExpired => {
            let person = identify(webhook, event, user).await?;
            let event = event.in_calendar_of(&person)?;
            open(webhook, &person, &request(webhook, &event, user, Mode::Leave)).await
        }
        EventType::UserSuspended => {
            let person = identify(webhook, event, user).await?;
            let event = event.in_calendar_of(&person)?;
            let mut request = request(webhook, &event, user, Mode::Suspend);
            // Whatever dates stand beside it: who is suspended, is suspended now.
            request.effective_at = event.at.min(webhook.now);
            open(webhook, &person, &request).await
        }
        EventType::UserRoleChanged | EventType::UserUpdated => {
            let person = identify_by_number(webhook, event, user).await?;
            changed(webhook, event, user, person).await
        }
        EventType::UserHired => hired(webhook, event, user).await,
        EventType::UserRehired => {
            let person = identify_by_number(webhook, event, user).await?;
            rehire::rehired(webhook, event, user, person).await
        }
        EventType::Test => Ok((200, json!({"case_id": null, "status": "test", "duplicate": false}))),
    }
}

fn request(webhook: &Webhook<'_>, event: &HrEvent, user: &HrUser, mode: Mode) -> Request {
    let unsaid = match mode {
        Mode::Suspend => "suspension",
        _ => "termination",
    };
    let reason = user.reason.clone().unwrap_or_else(|| unsaid.to_owned());
    let plain = Request::plain(trigger(webhook, event), mode, reason, event.effective_at);
    Request { dates: event.dates.clone(), ..plain }
}

async fn open(webhook: &Webhook<'_>, person: &Person, request: &Request) -> Answer {
    let submitted =
        intake::submit(webhook.store, webhook.workflow, webhook.policy, person, request, webhook.now).await;
    told(submitted)
}

/// What became of what was to open a case.
pub(crate) fn told(submitted: Result<(Receipt, Option<StoreError>), Refused>) -> Answer {
    let (receipt, not_started) = submitted.map_err(|refused| match refused {
        Refused::Reused => reused(),
        Refused::UnknownPerson(name) => unknown(&name),
        Refused::NotRestorable(why) => Problem::new(422, "not-restorable", why),
        Refused::Store(error) => stored(error),
    })?;
    if let Some(error) = not_started {
        tracing::error!(case = %receipt.case_id, %error, "recorded, but not started: the sweep will start it");
    }
    Ok((202, json!({"case_id": receipt.case_id, "status": receipt.status, "duplicate": receipt.duplicate})))
}

pub(crate) fn trigger(webhook: &Webhook<'_>, event: &HrEvent) -> Trigger {
    Trigger {
        source: HRIS.to_owned(),
        event_id: event.id.clone(),
        by: HRIS.to_owned(),
        kind: kind_name(event.kind),
        at: event.at,
        received_at: webhook.now,
        body: event.body,
    }
}

fn kind_name(kind: EventType) -> String {
    json!(kind).as_str().unwrap_or_default().to_owned()
}

fn mark(webhook: &Webhook<'_>, event: &HrEvent) -> EventMark {
    EventMark {
        source: HRIS.to_owned(),
        event_id: event.id.clone(),
        kind: kind_name(event.kind),
        body: event.body,
        case_id: None,
        received_at: webhook.now,
    }
}

/// Writes an event down together with the record that it keeps current. Whoever loses a race against another write is asked to
/// send the event again: what they know of the person may be old.
pub(crate) async fn keep(webhook: &Webhook<'_>, event: &HrEvent, person: Option<Person>) -> Answer {
    let opening = Opening { mark: mark(webhook, event), person, case: None, measure: None, ahead: None };
    let duplicate = match webhook.store.record(&opening).await {
        Ok(Recorded::New) => false,
        Ok(Recorded::Known(mark)) if mark.body == event.body => true,
        Ok(Recorded::Known(_)) => return Err(reused()),
        Err(StoreError::Conflict) => return Err(changed_meanwhile()),
        Err(error) => return Err(stored(error)),
    };
    Ok((202, json!({"case_id": null, "status": "recorded", "duplicate": duplicate})))
}

fn changed_meanwhile() -> Problem {
    let detail = "The person's record was changed at the same moment. Send the same event again.";
    Problem::new(503, "changed-meanwhile", detail)
}

/// Somebody new. Whoever is known already under this very number is brought up to date; whoever has left comes back by
/// `user_rehired`, and by nothing else.
async fn hired(webhook: &Webhook<'_>, event: &HrEvent, user: &HrUser) -> Answer {
    let known = webhook.store.person(&user.username).await.map_err(stored)?;
    if known.is_none() {
        let numbered = webhook.store.person_of_number(&user.employee_id).await.map_err(stored)?;
        if let Some(other) = numbered {
            let detail = format!("the employee_id belongs to {}", other.username);
            open_finding(webhook, event, &user.username, "identity_conflict", &detail).await?;
            return Err(unknown(user.username.as_str()));
        }
        let person = people::hired(user).map_err(|lacks| {
            let detail = format!("Somebody new needs `{lacks}`. Add it, then send the event again.");
            Problem::new(422, "invalid-event", detail)
        })?;
        return keep(webhook, event, Some(person)).await;
    }
    let person = identify_by_number(webhook, event, user).await?;
    if person.status == PersonStatus::Suspended {
        return Err(rehire::stays_suspended(&person));
    }
    if person.status != PersonStatus::Active {
        let detail = format!(
            "{} is known as somebody who is {}. Send `user_rehired` where they come back.",
            person.username,
            json!(person.status).as_str().unwrap_or_default()
        );
        return Err(Problem::new(422, "already-known", detail));
    }
    changed(webhook, event, user, person).await
}

/// A change of somebody's record. Where they do something else now, or elsewhere, what only the old role needed goes once the
/// transition is over; until then everything stays as it is.
pub(crate) async fn changed(webhook: &Webhook<'_>, event: &HrEvent, user: &HrUser, person: Person) -> Answer {
    let event = &event.in_calendar_of(&person)?;
    let mut after = user.facts.told_of(&person, user.email.as_deref());
    if after == person {
        return keep(webhook, event, None).await;
    }
    after.version += 1;
    is_newest(webhook, event, user, (&person, &after)).await?;
    let Some(request) = moves(webhook, event, user, (&person, &mut after)).await? else {
        return keep(webhook, event, Some(after)).await;
    };
    let (store, workflow, policy) = (webhook.store, webhook.workflow, webhook.policy);
    match intake::submit(store, workflow, policy, &after, &request, webhook.now).await {
        Err(Refused::Store(StoreError::Conflict)) => Err(changed_meanwhile()),
        other => told(other),
    }
}

/// Refuses a change of position that waited in HR's queue while the person moved on.
async fn is_newest(
    webhook: &Webhook<'_>,
    event: &HrEvent,
    user: &HrUser,
    (person, after): (&Person, &Person),
) -> Result<(), Problem> {
    let place = |of: &Person| {
        (of.role.clone(), of.department.clone(), of.location.clone(), of.clearance.clone(), of.employment)
    };
    if place(person) == place(after) {
        return Ok(());
    }
    let id = CaseId::of_trigger(HRIS, &event.id);
    let moves = intake::moves_of(webhook.store, person).await.map_err(stored)?;
    let Some(newer) = moves.iter().find(|case| case.trigger.at > event.at && case.case_id != id) else {
        return Ok(());
    };
    // A repeat is told what became of it.
    if webhook.store.case(&id).await.map_err(stored)?.is_some() {
        return Ok(());
    }
    let detail =
        "whoever moves had moved again by then: send the event anew, with the time at which it was decided";
    open_finding(webhook, event, &user.username, "stale_event", detail).await?;
    let detail = format!(
        "{} moved at {}, which is after this event ({}). Where they move again, send a new event.",
        person.username, newer.trigger.at, newer.case_id
    );
    Err(Problem::new(409, "stale-event", detail))
}

/// What the case takes that a change of role, department or anything else opens by which routing goes; `None` where there is
/// nothing to take.
async fn moves(
    webhook: &Webhook<'_>,
    event: &HrEvent,
    user: &HrUser,
    (person, after): (&Person, &mut Person),
) -> Result<Option<Request>, Problem> {
    // Whoever is suspended, or is to leave, may come back, and would do so with what they still hold.
    if person.status == PersonStatus::Left {
        return Ok(None);
    }
    let mut change = Change::between(webhook.policy, person, after);
    let is_moved = (&person.role, &person.department) != (&after.role, &after.department);
    if is_moved && let Some(role) = change.unknown(webhook.policy) {
        let detail = format!(
            "nothing is taken by a change of role: policy has no profile for `{role}`. Look at what they have"
        );
        open_finding(webhook, event, &user.username, "no_profile", &detail).await?;
    }
    if change.is_nothing() {
        return Ok(None);
    }
    let earlier = intake::moves_of(webhook.store, person).await.map_err(stored)?;
    let open = earlier.into_iter().filter(|case| case.status != CaseStatus::Complete);
    change.earlier = open.map(|case| case.case_id).collect();
    after.moving = Some(CaseId::of_trigger(HRIS, &event.id));
    let transition = Duration::from_secs(webhook.policy.timing.role_change_seconds.into());
    let reason = user.reason.clone().unwrap_or_else(|| change.in_words());
    Ok(Some(Request {
        reason,
        // Whatever last day stands beside it: they are in the new role from now on.
        effective_at: event.at.plus(transition),
        moves: Some(Moved { change, after: after.clone() }),
        ..request(webhook, event, user, Mode::Partial)
    }))
}

/// Who is meant. Username, number and e-mail must all point at one person; anything else is a finding for a human.
pub(crate) async fn identify(
    webhook: &Webhook<'_>,
    event: &HrEvent,
    user: &HrUser,
) -> Result<Person, Problem> {
    let person = webhook.store.person(&user.username).await.map_err(stored)?;
    let agrees = |person: &Person| {
        person.employee_id == user.employee_id
            && user.email.as_ref().is_none_or(|email| *email == person.email)
    };
    let (kind, detail) = match person {
        Some(person) if agrees(&person) => return Ok(person),
        Some(_) => ("identity_conflict", "the employee_id or e-mail of an event belongs to somebody else"),
        None => ("unknown_person", "an event names somebody who is not known"),
    };
    open_finding(webhook, event, &user.username, kind, detail).await?;
    Err(unknown(user.username.as_str()))
}

pub(crate) async fn open_finding(
    webhook: &Webhook<'_>,
    event: &HrEvent,
    username: &Username,
    kind: &str,
    detail: &str,
) -> Result<(), Problem> {
    let detail = format!("{detail}: `{username}` in event {}", event.id);
    let finding = Finding { kind: kind.to_owned(), detail, at: webhook.now };
    webhook.store.open_finding(&format!("{kind}-{HRIS}-{}", event.id), &finding).await.map_err(stored)
}

/// Who is meant, where the event may tell another address: username and number must point at one person.
pub(crate) async fn identify_by_number(
    webhook: &Webhook<'_>,
    event: &HrEvent,
    user: &HrUser,
) -> Result<Person, Problem> {
    let as_known = HrUser { email: None, ..user.clone() };
    identify(webhook, event, &as_known).await
}
