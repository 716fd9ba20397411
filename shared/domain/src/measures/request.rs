//! Asking for a measure: what is refused, who has to decide, and the record that is written.

use super::TRIES;
use crate::{
    approval::{Approval, ApprovalStatus, Concerned, Need, entitlement},
    case::{CaseStatus, Happening, MAX_BACK, Mode, Subject},
    contracts, deciding,
    digest::Digest,
    id::{CaseId, MeasureId, Username},
    intake,
    ledger::{EventKind, Outcome},
    measure::{
        self, ArchiveHold, ExceptionKind, MAX_BREAK_GLASS_SECONDS, Measure, MeasureStatus, Permission, What,
    },
    person::{LegalHold, Person, PersonStatus},
    policy::Policy,
    ports::{CaseStore, Change, Execution, StoreError, Workflow},
    presence,
    problem::{NotDone, Problem},
    text,
    time::Timestamp,
};
use jiff::{ToSpan as _, civil::Date, tz::TimeZone};
use serde_json::json;
use std::{collections::BTreeSet, time::Duration};

/// Longest exception.
pub const MAX_EXCEPTION: Duration = Duration::from_secs(366 * 86_400);
/// Longest temporary grant.
pub const MAX_GRANT: Duration = Duration::from_secs(90 * 86_400);
/// How many days ahead a contract may be made to end.
pub const MAX_EXTENSION: i32 = 366;
/// Most permissions of one grant.
pub const MAX_PERMISSIONS: usize = 50;
/// Most measures of one person that wait or are in force at a time.
pub const MAX_OPEN: usize = 30;
/// Most measures of one person that are asked for within [`MAX_EXCEPTION`]: a store gives the newest hundred, so that whatever
/// is in force is always among them.
const MAX_LATELY: usize = 90;
/// Longest reason, in characters.
const MAX_REASON: usize = 500;
/// Longest name of a permission, in characters.
const MAX_NAME: usize = 300;

/// What somebody asks for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// What.
    pub what: What,
    /// Whose access it is about.
    pub person: Username,
    /// Who asks.
    pub requested_by: Username,
    /// Why.
    pub reason: String,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
    /// Who alone may decide, where somebody is named.
    pub only: BTreeSet<Username>,
    /// The number of the request: the same number is the same request.
    pub request_id: String,
    /// SHA-256 of the request as it came: the same number with another digest is another request under a used number.
    pub body: Digest,
}

impl Asked {
    fn id(&self) -> MeasureId {
        MeasureId::of_request(self.what.name(), &format!("{}#{}", self.requested_by, self.request_id))
    }
}

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(422, "invalid-request", detail)
}

fn conflict(detail: impl Into<String>) -> Problem {
    Problem::new(409, "not-possible-now", detail)
}

/// Asks for a measure: checks it, writes it down with its approval, and starts the execution that asks whoever decides. A
/// repeat gives the measure that is there. Beside it stands why the execution could not be started, if so: the tick starts it.
///
/// # Errors
/// As a problem for whoever asks; nothing is written then.
pub async fn request(
    store: &dyn CaseStore,
    workflow: &dyn Workflow,
    policy: &Policy,
    mut asked: Asked,
    now: Timestamp,
) -> Result<(Measure, Option<StoreError>), NotDone> {
    still_here(store, &asked).await?;
    if let Some(known) = known(store, &asked).await? {
        let started = match known.approval.is_pending() {
            true => workflow.start(&Execution::Measure(known.measure_id.clone())).await.err(),
            false => None,
        };
        return Ok((known, started));
    }
    asked.reason =
        text::clean(&asked.reason, MAX_REASON).map_err(|error| invalid(format!("`reason` is {error}.")))?;
    let person = whom(store, &asked.person).await?;
    let gone = gone(store, policy, &asked, &person).await?;
    let others = store.measures_of(&asked.person).await?;
    check_kind(policy, &asked, &person, &others, now)?;
    check_until(&asked, now)?;
    if let What::BreakGlass { case } | What::Restore { case } | What::Rehire { case } = &asked.what {
        check_case(store, &asked, &person, case, now).await?;
    }
    let by = asked.requested_by.as_str();
    let concerned = Concerned { subject: Some(&person), requested_by: by, gone, barred: BTreeSet::new() };
    check_named(policy, &asked, &concerned)?;
    let need = need(store, &asked, &concerned).await?;
    let measure = asked_for(policy, &asked, &person, &concerned, need, now);
    let measure = match store.commit(&[Change::Measure(Box::new(measure.clone()))]).await {
        Ok(()) => measure,
        // The same request came twice at once.
        Err(StoreError::Conflict) => known(store, &asked).await?.ok_or_else(Problem::unavailable)?,
        Err(error) => return Err(error.into()),
    };
    let not_started = workflow.start(&Execution::Measure(measure.measure_id.clone())).await.err();
    Ok((measure, not_started))
}

/// Refuses whoever is leaving, or has left.
async fn still_here(store: &dyn CaseStore, asked: &Asked) -> Result<(), NotDone> {
    match presence::is_gone(store, &asked.requested_by).await? {
        true => Err(Problem::forbidden("Whoever is leaving, or has left, asks for nothing any more.").into()),
        false => Ok(()),
    }
}

/// The measure that this very request asked for before.
async fn known(store: &dyn CaseStore, asked: &Asked) -> Result<Option<Measure>, NotDone> {
    let Some(known) = store.measure(&asked.id()).await? else { return Ok(None) };
    let same = known.log.first().is_some_and(|line| line.facts["request"] == json!(asked.body));
    if same && known.username() == Some(&asked.person) {
        return Ok(Some(known));
    }
    let detail = "This Idempotency-Key was used for another request. Use a new one.";
    Err(Problem::new(409, "idempotency-key-reused", detail).into())
}

async fn whom(store: &dyn CaseStore, username: &Username) -> Result<Person, NotDone> {
    store.person(username).await?.ok_or_else(|| {
        Problem::new(404, "unknown-person", format!("There is nobody called `{username}` here.")).into()
    })
}

/// Who cannot be asked because they are leaving or have left, out of everybody who might be.
async fn gone(
    store: &dyn CaseStore,
    policy: &Policy,
    asked: &Asked,
    person: &Person,
) -> Result<BTreeSet<Username>, StoreError> {
    let mut gone = deciding::gone(store, &policy.approvals).await?;
    gone.extend(presence::gone(store, asked.only.iter().chain(&person.manager)).await?);
    Ok(gone)
}

fn asked_for(
    policy: &Policy,
    asked: &Asked,
    person: &Person,
    concerned: &Concerned<'_>,
    need: Need,
    now: Timestamp,
) -> Measure {
    let subject = Subject { username: person.username.clone(), employee_id: person.employee_id.clone() };
    let covers = measure::digest(&asked.what, Some(&subject), &asked.reason, asked.until);
    let approval = Approval::ask(&policy.approvals, concerned, covers, need, 1, now);
    let line = Happening {
        kind: EventKind::MeasureRequested,
        at: now,
        actor: asked.requested_by.to_string(),
        action: format!("ask for {}", asked.what.name()),
        outcome: Outcome::Pending,
        risk: None,
        facts: json!({
            "what": asked.what, "until": asked.until, "covers": covers, "asked": approval.asked,
            "need": approval.need, "request": asked.body,
        }),
    };
    Measure {
        measure_id: asked.id(),
        what: asked.what.clone(),
        person: Some(subject),
        requested_by: asked.requested_by.to_string(),
        reason: asked.reason.clone(),
        requested_at: now,
        until: asked.until,
        status: MeasureStatus::Requested,
        approval,
        look_at: None,
        archive_hold: None,
        cases: Vec::new(),
        log: vec![line],
        version: 1,
    }
}

/// What depends on the kind, on where the person stands, and on what was asked for before.
fn check_kind(
    policy: &Policy,
    asked: &Asked,
    person: &Person,
    others: &[Measure],
    now: Timestamp,
) -> Result<(), Problem> {
    use MeasureStatus::{Active, Approved, Ending, Requested};
    let is_open = |measure: &&Measure| matches!(measure.status, Requested | Approved | Active | Ending);
    if others.iter().filter(is_open).count() >= MAX_OPEN {
        let detail =
            format!("{} has {MAX_OPEN} open measures already. Wait until some are over.", person.username);
        return Err(conflict(detail));
    }
    let lately = others.get(MAX_LATELY - 1).is_some_and(|one| one.requested_at >= now.minus(MAX_EXCEPTION));
    if lately {
        return Err(conflict(format!(
            "{MAX_LATELY} measures were asked for about them within a year. No more."
        )));
    }
    let stays = person.status == PersonStatus::Active;
    match &asked.what {
        What::Exception { renews: Some(renewed), .. } => check_renewal(asked, renewed, others, now),
        What::Grant { permissions } => {
            if !stays {
                let detail = "They are suspended, leaving, or have left: nothing can be granted. Ask for break-glass or a restore.";
                return Err(conflict(detail));
            }
            check_permissions(policy, permissions)
        }
        What::BreakGlass { .. } if stays => Err(conflict(
            "They have not left: break-glass is for access that was taken away. Ask for a grant.",
        )),
        What::BreakGlass { .. }
            if others.iter().filter(is_open).any(|other| other.what.name() == asked.what.name()) =>
        {
            Err(conflict(
                "They have emergency access, or it is asked for, already. One has to be over first.",
            ))
        }
        What::Extension { until } if stays => check_extension(person, *until, now),
        What::Extension { .. } => {
            Err(conflict("They are suspended, leaving, or have left: their contract cannot be extended."))
        }
        What::HoldRelease if person.legal_hold.is_none() => Err(conflict("There is no legal hold on them.")),
        What::Rehire { .. } if stays => Err(conflict("They have not left: there is nobody to hire anew.")),
        What::Rehire { case } if person.status == PersonStatus::Suspended => Err(conflict(format!(
            "They are suspended, and have not left. A suspension ends with a restore of its case (leaver restore --case {case}), or with \
             a termination."
        ))),
        What::Hold | What::Release { .. } | What::Batch { .. } => {
            Err(invalid("This is not asked for in this way."))
        }
        _ => Ok(()),
    }
}

fn check_renewal(
    asked: &Asked,
    renewed: &MeasureId,
    others: &[Measure],
    now: Timestamp,
) -> Result<(), Problem> {
    let kind = |what: &What| match what {
        What::Exception { what, .. } => Some(*what),
        _ => None,
    };
    let old = others.iter().find(|other| other.measure_id == *renewed);
    let old = old.filter(|old| old.is_active(now) && kind(&old.what) == kind(&asked.what));
    let old = old.ok_or_else(|| {
        invalid(format!("`renews`: {renewed} is no exception of this kind that is in force for them now."))
    })?;
    if asked.until <= old.until {
        return Err(invalid("A renewal has to end later than what it renews."));
    }
    Ok(())
}

fn check_permissions(policy: &Policy, permissions: &BTreeSet<Permission>) -> Result<(), Problem> {
    if permissions.is_empty() || permissions.len() > MAX_PERMISSIONS {
        return Err(invalid(format!("`permissions` must name 1 to {MAX_PERMISSIONS} permissions.")));
    }
    for permission in permissions {
        let Permission { system, grant } = permission;
        if !policy.systems.contains_key(system) {
            return Err(invalid(format!("`permissions`: `{system}` is none of the systems.")));
        }
        if text::clean(grant, MAX_NAME).as_ref() != Ok(grant) {
            return Err(invalid(format!("`permissions`: `{system}` has a name that cannot be one.")));
        }
    }
    Ok(())
}

/// The day that it is in UTC.
pub(super) fn today(now: Timestamp) -> Date {
    now.to_jiff().to_zoned(TimeZone::UTC).date()
}

fn check_extension(person: &Person, until: Date, now: Timestamp) -> Result<(), Problem> {
    let today = today(now);
    let Some(end) = person.contract_end else {
        return Err(conflict(
            "Their contract has no end, so that there is nothing to extend: an extension would give it one. If it is to end, HR tells \
             its last day as `contract_end` in an event `user_updated`.",
        ));
    };
    if until <= end {
        return Err(invalid(format!("The contract ends on {end} as it is: name a later day.")));
    }
    let last = today.checked_add(MAX_EXTENSION.days()).unwrap_or(Date::MAX);
    if until <= today || until > last {
        return Err(invalid(format!("The last day has to lie between tomorrow and {last}.")));
    }
    Ok(())
}

/// Whether the end lies in the future and not too far away.
fn check_until(asked: &Asked, now: Timestamp) -> Result<(), Problem> {
    let (longest, words) = match asked.what {
        What::Exception { .. } => (MAX_EXCEPTION, "366 days"),
        What::Grant { .. } => (MAX_GRANT, "90 days"),
        What::BreakGlass { .. } => (Duration::from_secs(MAX_BREAK_GLASS_SECONDS), "24 hours"),
        _ if asked.until.is_some() => return Err(invalid("This has no end of its own: leave `until` away.")),
        _ => return Ok(()),
    };
    let Some(until) = asked.until else {
        return Err(invalid("Say when it ends: `until`, or `for` such as `2h` or `7d`."));
    };
    if until <= now {
        return Err(invalid("Its end lies in the past."));
    }
    if until > now.plus(longest) {
        return Err(invalid(format!("It may last at most {words}.")));
    }
    Ok(())
}

/// Whether there is something to bring back: a case of this person that took something away and has come to its end.
async fn check_case(
    store: &dyn CaseStore,
    asked: &Asked,
    person: &Person,
    id: &CaseId,
    now: Timestamp,
) -> Result<(), NotDone> {
    let case = store.case(id).await?;
    let case = case.filter(|case| case.person.username == asked.person);
    let case = case.ok_or_else(|| invalid(format!("{id} is no case of {}.", asked.person)))?;
    let emergency = matches!(asked.what, What::BreakGlass { .. });
    let takes = case.mode.shuts() || (case.mode == Mode::Partial && !emergency);
    if case.dry_run || !takes {
        return Err(invalid(format!("{id} took nothing away that could be given back.")).into());
    }
    // Whoever has left comes back by the case by which they left, and by no other; also where they are to leave later by another.
    let begun = intake::as_begun(store, person.clone(), now).await?;
    let is_theirs = |left: &&CaseId| *left == id || (!emergency && begun.case.as_ref() == Some(id));
    if let Some(left) =
        person.case.as_ref().filter(|_| person.status != PersonStatus::Active).filter(|left| !is_theirs(left))
    {
        let lost = format!("What {} lost, they lost under", person.username);
        let detail = match begun.case.filter(|_| begun.status != PersonStatus::Active) {
            Some(by) if by != *left => format!(
                "{lost} {by}, and are to leave by {left}: restore {by}, or call {left} off (`leaver case cancel`) first."
            ),
            _ => format!("{lost} {left}: name that case."),
        };
        return Err(conflict(detail).into());
    }
    if !matches!(case.status, CaseStatus::Complete | CaseStatus::Incomplete) {
        let detail =
            format!("{id} has not come to its end: wait for it, or decide what waits there, and ask again.");
        return Err(conflict(detail).into());
    }
    Ok(())
}

/// What a decision takes. It is their manager's alone to let somebody back who was suspended for not having logged in, as they know why
/// they were away; and the manager decides as well, beside policy's approvers, whether somebody whose contract ends goes on.
async fn need(store: &dyn CaseStore, asked: &Asked, concerned: &Concerned<'_>) -> Result<Need, StoreError> {
    let named = Need { only: asked.only.clone(), ..Need::one() };
    Ok(match &asked.what {
        What::HoldRelease
        | What::Exception { what: ExceptionKind::RetentionHold, .. }
        | What::Release { .. }
        | What::Batch { .. } => Need::security(),
        What::Restore { case } => {
            let is_theirs = is_of_inactivity(store, case).await?;
            let manager = concerned.manager().filter(|_| is_theirs);
            manager.map_or(named, |manager| Need::manager(manager.clone()))
        }
        What::Extension { .. } => Need { manager: asked.requested_by.as_str() == contracts::ASKING, ..named },
        _ => named,
    })
}

/// Whether a case suspended somebody for not having logged in, or, at the end of emergency access, did so again.
async fn is_of_inactivity(store: &dyn CaseStore, case: &CaseId) -> Result<bool, StoreError> {
    let mut case = store.case(case).await?;
    for _ in 0..MAX_BACK {
        let Some(of) = case.filter(|of| of.mode == Mode::Suspend) else { break };
        if of.trigger.kind == intake::INACTIVE {
            return Ok(true);
        }
        let ended = match of.ends() {
            Some(measure) => store.measure(measure).await?,
            None => None,
        };
        let Some(What::BreakGlass { case: restored }) = ended.map(|measure| measure.what) else { break };
        case = store.case(&restored).await?;
    }
    Ok(false)
}

/// Whether whoever is named can decide at all.
fn check_named(policy: &Policy, asked: &Asked, concerned: &Concerned<'_>) -> Result<(), Problem> {
    if asked.only.is_empty() && matches!(asked.what, What::BreakGlass { .. }) {
        return Err(invalid("Emergency access needs `approver`: who alone decides about it."));
    }
    for named in &asked.only {
        if *named == asked.requested_by {
            return Err(invalid("`approver`: nobody decides about what they asked for themselves."));
        }
        if *named == asked.person {
            return Err(invalid("`approver`: nobody decides about their own access."));
        }
        let entitled = entitlement(&policy.approvals, named, concerned);
        if !entitled.approver || entitled.through_subject || concerned.gone.contains(named) {
            return Err(invalid(format!("`approver`: {named} is not entitled to decide about this person.")));
        }
    }
    Ok(())
}

/// Places a legal hold, at once and without asking anybody: it takes nothing from anybody. What was written is a measure
/// in force without an end, so that the placing is a row as its release will be.
///
/// # Errors
/// As a problem for whoever asks; nothing is written then.
pub async fn hold(
    store: &dyn CaseStore,
    policy: &Policy,
    mut asked: Asked,
    now: Timestamp,
) -> Result<Measure, NotDone> {
    asked.what = What::Hold;
    asked.until = None;
    still_here(store, &asked).await?;
    for _ in 0..TRIES {
        if let Some(known) = known(store, &asked).await? {
            return Ok(known);
        }
        let reason = text::clean(&asked.reason, MAX_REASON);
        asked.reason = reason.map_err(|error| invalid(format!("`reason` is {error}.")))?;
        let mut person = whom(store, &asked.person).await?;
        if let Some(hold) = &person.legal_hold {
            return Err(conflict(format!(
                "They are under a legal hold since {}: {}.",
                hold.since, hold.reason
            ))
            .into());
        }
        let concerned = Concerned {
            subject: Some(&person),
            requested_by: asked.requested_by.as_str(),
            ..Concerned::default()
        };
        let nobody = Need { approvers: 0, ..Need::one() };
        let mut measure = asked_for(policy, &asked, &person, &concerned, nobody, now);
        measure.approval.asked.clear();
        measure.approval.status = ApprovalStatus::Approved;
        measure.status = MeasureStatus::Active;
        if let Some(asking) = measure.log.first_mut() {
            asking.kind = EventKind::MeasureBegan;
            asking.action = "place a legal hold".into();
            asking.outcome = Outcome::Success;
            asking.facts = json!({
                "what": asked.what, "covers": measure.approval.covers, "request": asked.body, "reason": asked.reason,
            });
        }
        measure.archive_hold = Some(ArchiveHold::wanted(now));
        person.legal_hold = Some(LegalHold { reason: asked.reason.clone(), since: now });
        person.version += 1;
        let changes = [Change::Measure(Box::new(measure.clone())), Change::Person(Box::new(person))];
        match store.commit(&changes).await {
            Ok(()) => return Ok(measure),
            Err(StoreError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict.into())
}
