//! What somebody decides about an orphan: it is somebody's, it is left alone for a while, or it goes. The decision, its row and what it
//! changes are one write; a case that takes an account away is written before, under an id that follows from the decision, so that a
//! repeat comes to the same case.

use super::{Orphan, OrphanId, Standing, matching::Class};
use crate::{
    case::{CaseRecord, CaseStatus, Mode, SystemRecord, SystemStatus, Task, Trigger},
    digest::Digest,
    id::{CaseId, EventId, Username},
    intake,
    ledger::EventKind,
    people,
    person::{Person, PersonStatus},
    policy::Policy,
    ports::{CaseStore, Change, EventMark, Opening, Recorded, StoreError, Workflow},
    presence::{Presence, presence},
    problem::{NotDone, Problem},
    roster::RosterStore,
    tasks, text,
    time::Timestamp,
};
use jiff::civil::Date;
use serde_json::json;
use std::time::Duration;

/// Longest reason, in characters.
const MAX_REASON: usize = 500;
/// Longest time for which an orphan is left alone, in days.
const MAX_DAYS: u64 = 366;
/// Tries against somebody else who changes the same records.
const TRIES: usize = 4;

/// What somebody decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It is this person's: it is recorded as their login, and goes when they go.
    Adopt(Username),
    /// It is left alone to the end of this day; this person answers for it, otherwise the owner of the system.
    Ignore(Option<Username>, Date),
    /// It goes.
    Revoke,
}

/// What deciding works with.
#[derive(Clone, Copy)]
pub struct Desk<'a> {
    /// The settings in force.
    pub policy: &'a Policy,
    /// The case table.
    pub cases: &'a dyn CaseStore,
    /// Orphans.
    pub rosters: &'a dyn RosterStore,
    /// The workflow engine.
    pub workflow: &'a dyn Workflow,
    /// Now.
    pub now: Timestamp,
}

fn refused(status: u16, kind: &str, detail: impl Into<String>) -> NotDone {
    Problem::new(status, kind, detail).into()
}

fn invalid(detail: impl Into<String>) -> NotDone {
    refused(422, "invalid-request", detail)
}

/// Carries out a decision, and tells the orphan as it is then.
///
/// # Errors
/// 404 where there is no such orphan, 409 where it is settled or its account does not allow the decision, 403 where it is not theirs
/// to decide, 422 where the request makes no sense. Nothing is changed then.
pub async fn decide(
    desk: &Desk<'_>,
    id: &OrphanId,
    by: &Username,
    decision: &Decision,
    reason: &str,
) -> Result<Orphan, NotDone> {
    let reason = text::clean(reason, MAX_REASON).map_err(|why| invalid(format!("`reason` is {why}.")))?;
    if presence(desk.cases, by).await? == Presence::Gone {
        return Err(Problem::forbidden("Whoever is leaving, or has left, decides nothing any more.").into());
    }
    for _ in 0..TRIES {
        let orphan = desk.rosters.orphan(id).await?.ok_or_else(Problem::not_found)?;
        may_decide(&orphan, by)?;
        let changes = match decision {
            Decision::Adopt(username) => adopt(desk, &orphan, by, username, &reason).await?,
            Decision::Ignore(owner, until) => {
                ignore(desk, &orphan, by, owner.as_ref(), *until, &reason).await?
            }
            Decision::Revoke => revoke(desk, &orphan, by, &reason).await?,
        };
        match desk.cases.commit(&changes).await {
            Ok(()) => return Ok(desk.rosters.orphan(id).await?.unwrap_or(orphan)),
            // A night's run or somebody else wrote in between: decide again on what it is now.
            Err(StoreError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict.into())
}

fn may_decide(orphan: &Orphan, by: &Username) -> Result<(), NotDone> {
    match &orphan.standing {
        Standing::Gone { .. } => Err(refused(
            409,
            "orphan-is-gone",
            "This account is no orphan any more: there is nothing to decide.",
        )),
        Standing::Revoking { case, .. } => {
            Err(refused(409, "already-decided", format!("{case} takes this account away already.")))
        }
        _ if names(&orphan.class, by) => {
            Err(Problem::forbidden("This account may be your own; somebody else has to decide about it.")
                .into())
        }
        _ => Ok(()),
    }
}

fn names(class: &Class, who: &Username) -> bool {
    match class {
        Class::Unclear { usernames } => usernames.contains(who),
        other => other.username() == Some(who),
    }
}

fn settled(
    orphan: &Orphan,
    standing: Standing,
    (by, action): (&Username, &str),
    more: serde_json::Value,
    now: Timestamp,
) -> Change {
    let mut next = orphan.clone();
    next.standing = standing;
    next.tell(EventKind::OrphanSettled, (by.as_str(), action), now, more);
    next.version += 1;
    Change::Orphan(Box::new(next))
}

/// Somebody of that name who is here.
async fn here(desk: &Desk<'_>, username: &Username) -> Result<Person, NotDone> {
    let person = desk.cases.person(username).await?;
    let person = person.ok_or_else(|| invalid(format!("Nobody called `{username}` is known.")))?;
    match person.status {
        PersonStatus::Left => {
            Err(refused(409, "person-has-left", format!("{username} has left: decide that it goes.")))
        }
        _ => Ok(person),
    }
}

async fn adopt(
    desk: &Desk<'_>,
    orphan: &Orphan,
    by: &Username,
    username: &Username,
    reason: &str,
) -> Result<Vec<Change>, NotDone> {
    if by == username {
        return Err(Problem::forbidden(
            "Nobody takes an account over for themselves; somebody else has to say so.",
        )
        .into());
    }
    let mut person = here(desk, username).await?;
    let number = orphan.account.employee_id.as_deref();
    if let Some(number) = number.filter(|number| *number != person.employee_id.as_str()) {
        let detail = format!(
            "The account carries the employee number {number}, which is not {username}'s: correct it in {} first.",
            orphan.system
        );
        return Err(refused(409, "another-number", detail));
    }
    let recorded = person.login(orphan.system.as_str()).map(str::to_owned);
    if let Some(recorded) = recorded.filter(|recorded| !recorded.eq_ignore_ascii_case(&orphan.account.login))
    {
        let detail = format!("{username} has the login {recorded} recorded for {} already.", orphan.system);
        return Err(refused(409, "another-login", detail));
    }
    person.logins.insert(orphan.system.clone(), orphan.account.login.clone());
    person.version += 1;
    let facts = json!({"reason": reason, "adopted_by": username});
    let standing = Standing::Adopted { username: username.clone() };
    let orphan = settled(orphan, standing, (by, "adopt"), facts, desk.now);
    Ok(vec![Change::Person(Box::new(person)), orphan])
}

async fn ignore(
    desk: &Desk<'_>,
    orphan: &Orphan,
    by: &Username,
    owner: Option<&Username>,
    until: Date,
    reason: &str,
) -> Result<Vec<Change>, NotDone> {
    let end = until.tomorrow().ok().and_then(crate::population::begin_of);
    let end = end.ok_or_else(|| invalid("`until` is no day."))?;
    let longest = desk.now.plus(Duration::from_secs(MAX_DAYS * 86_400));
    if end <= desk.now || end > longest {
        return Err(invalid(format!("`until` must be a day from today on, within {MAX_DAYS} days.")));
    }
    let owner = here(desk, owner.unwrap_or(&orphan.owner)).await?.username;
    let facts = json!({"reason": reason, "answers_for_it": owner, "until": end});
    let standing = Standing::Ignored { owner, until: end };
    Ok(vec![settled(orphan, standing, (by, "ignore"), facts, desk.now)])
}

async fn revoke(
    desk: &Desk<'_>,
    orphan: &Orphan,
    by: &Username,
    reason: &str,
) -> Result<Vec<Change>, NotDone> {
    let trigger = trigger(orphan, by, desk.now)?;
    let case = match &orphan.class {
        Class::Left { username } => again(desk, username, trigger, reason).await?,
        _ => by_hand(desk, orphan, trigger, reason).await?,
    };
    let facts = json!({"reason": reason, "case": case});
    let standing = Standing::Revoking { case, since: desk.now };
    Ok(vec![settled(orphan, standing, (by, "revoke"), facts, desk.now)])
}

/// What opens the case. It follows from the orphan and how often it was found, so that a repeat opens no other.
fn trigger(orphan: &Orphan, by: &Username, now: Timestamp) -> Result<Trigger, NotDone> {
    let found = orphan.log.iter().filter(|line| line.kind == EventKind::OrphanFound).count();
    let number: Result<EventId, _> = format!("{}-{found}", orphan.orphan_id).parse();
    let event_id = number.map_err(|error| StoreError::Corrupt(error.to_string()))?;
    let body = json!({"orphan": orphan.orphan_id, "found": found});
    Ok(Trigger {
        source: "leaver".into(),
        event_id,
        by: by.to_string(),
        kind: "orphan".into(),
        at: now,
        received_at: now,
        // Without the reason: a repeat that words it otherwise is a repeat.
        body: Digest::of(body.to_string().as_bytes()),
    })
}

fn leave(trigger: Trigger, reason: &str, now: Timestamp) -> intake::Request {
    intake::Request::plain(trigger, Mode::Leave, reason, now)
}

/// Somebody who has left leaves once more, in every system: whatever came back is taken.
async fn again(
    desk: &Desk<'_>,
    username: &Username,
    trigger: Trigger,
    reason: &str,
) -> Result<CaseId, NotDone> {
    let person = desk.cases.person(username).await?;
    let person = person.ok_or_else(|| StoreError::Corrupt(format!("{username} is not known any more")))?;
    if person.status == PersonStatus::Active {
        return Err(refused(
            409,
            "person-is-here",
            format!("{username} is here again: the account is theirs."),
        ));
    }
    if let Some(other) = people::also_addressed(desk.cases, &person).await? {
        let detail = format!(
            "{} has the same e-mail address as {username}: what systems find by it would be taken from them. Disable the account \
             in its system by hand, or have HR correct one of the addresses (`user_updated`) and decide again.",
            other.username
        );
        return Err(refused(409, "address-reused", detail));
    }
    let request = leave(trigger, reason, desk.now);
    let taken = intake::submit(desk.cases, desk.workflow, desk.policy, &person, &request, desk.now).await;
    match taken {
        // A failure to start is none: the case is recorded, and the sweep starts what was recorded.
        Ok((receipt, _)) => Ok(receipt.case_id),
        Err(intake::Refused::Store(error)) => Err(error.into()),
        Err(other) => Err(refused(409, "not-taken", format!("The case was not opened: {other}."))),
    }
}

/// An account that is nobody's cannot be looked up by a person: the owner of the system takes it away by hand, as the task of a case
/// about the account itself.
async fn by_hand(
    desk: &Desk<'_>,
    orphan: &Orphan,
    trigger: Trigger,
    reason: &str,
) -> Result<CaseId, NotDone> {
    let case_id = CaseId::of_trigger(&trigger.source, &trigger.event_id);
    let corrupt = |error: crate::id::BadId| StoreError::Corrupt(error.to_string());
    // Nobody's name: an account is not a person.
    let username: Username = orphan.orphan_id.as_str().parse().map_err(corrupt)?;
    let owner = tasks::owner_now(desk.cases, desk.policy, &orphan.system, &username).await?;
    let owner = owner.unwrap_or_else(|| orphan.owner.clone());
    let person = stand_in(&username, orphan).map_err(corrupt)?;
    let request = leave(trigger.clone(), reason, desk.now);
    let opening = intake::open(&person, &request, desk.policy, desk.now);
    let Some((mut case, _)) = opening.case else {
        return Err(StoreError::Corrupt("an opening without a case".into()).into());
    };
    let system = task_of(&mut case, orphan, owner, desk);
    let mark: EventMark = opening.mark;
    let opening =
        Opening { mark, person: None, case: Some((case, vec![system])), measure: None, ahead: None };
    match desk.cases.record(&opening).await? {
        Recorded::New | Recorded::Known(_) => Ok(case_id),
    }
}

/// The case is about one system, and waits for its owner from the beginning.
fn task_of(case: &mut CaseRecord, orphan: &Orphan, owner: Username, desk: &Desk<'_>) -> SystemRecord {
    case.systems = vec![orphan.system.clone()];
    case.status = CaseStatus::Incomplete;
    case.person_was = None;
    // There is nobody whose data could be kept, and no person whom systems could be asked for again.
    (case.archive, case.watch) = (None, None);
    if let Some(first) = case.log.first_mut() {
        first.facts["systems"] = json!(case.systems);
        first.facts["orphan"] = json!(orphan.orphan_id);
    }
    let mut system = SystemRecord::queued(case, orphan.system.clone());
    system.status = SystemStatus::ManualTask;
    let instructions = format!(
        "The account {} of {} is nobody's. Disable it, end its sessions and revoke its keys, and say what was done.",
        text::line(&orphan.account.login, 100),
        orphan.system
    );
    let due_at = desk.now.plus(Duration::from_secs(desk.policy.timing.manual_task_seconds.into()));
    let task = Task { owner, instructions, opened_at: desk.now, due_at, closed: None };
    tasks::give(&mut system, task, "leaver/api", &json!({"orphan": orphan.orphan_id}));
    system
}

/// The account in the place of a person.
fn stand_in(username: &Username, orphan: &Orphan) -> Result<Person, crate::id::BadId> {
    Ok(Person {
        username: username.clone(),
        employee_id: username.as_str().parse()?,
        email: orphan.account.email.clone().unwrap_or_default(),
        former_emails: Vec::new(),
        name: orphan.account.login.clone(),
        employment: crate::person::EmploymentType::Service,
        role: String::new(),
        department: String::new(),
        manager: None,
        location: None,
        clearance: None,
        time_zone: None,
        contract_end: None,
        last_day: None,
        moving: None,
        status: PersonStatus::Left,
        case: None,
        legal_hold: None,
        protected: false,
        logins: Default::default(),
        version: 0,
    })
}
