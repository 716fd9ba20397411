//! Held cases: stopped before anything was done, and what becomes of them. One that is protected waits for a measure of its
//! own; those that the brake holds wait together for one. A case whose person is in doubt waits for nobody: no decision makes
//! the doubt good, so that it can only be called off, and opened again for the right person.

use crate::{
    approval::{Approval, ApprovalStatus, Concerned, Need},
    brake::Engaged,
    case::{CaseRecord, CaseStatus, Finding, Happening, Mode, Standing, Subject},
    deciding::{self, Circumstances},
    id::{CaseId, MeasureId, Username},
    ledger::{EventKind, Outcome},
    measure::{self, Measure, MeasureStatus, What},
    person::{Person, PersonStatus},
    policy::Policy,
    ports::{CaseStore, Change, Execution, StoreError, Workflow},
    time::Timestamp,
    trigger::HRIS,
};
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Held because too many people were leaving at once.
pub const MASS_ACTION: &str = "mass_action";
/// Held because the account is protected.
pub const PROTECTED: &str = "protected_account";

/// Most cases that are released or called off in one go.
const LIMIT: usize = 100;
/// Tries against somebody else who changes the same record.
const TRIES: usize = 4;
/// Most cases that are gone back through to find where a person stood: far more than anybody has.
const MAX_BACK: usize = 32;
/// Most held cases that are looked at for who must not decide about them, and how many of them are read at a time.
const LOOKED_AT: usize = 1_000;
const AT_A_TIME: usize = 25;
/// Who asks for the release of many.
const LEAVER: &str = "leaver";

/// Whether a human has let this case go on although this held it.
pub fn released_for(case: &CaseRecord, held_for: &str) -> bool {
    let is = |line: &Happening| line.kind == EventKind::CaseReleased && line.facts["held_for"] == held_for;
    case.log.iter().any(is)
}

/// The measure under which a case is held that is held alone.
pub fn measure_of(case: &CaseRecord, held_for: &str) -> MeasureId {
    MeasureId::of_request("release", &format!("{}/{}/{held_for}", case.case_id, case.run))
}

/// Holds a case; the caller raises its version. A measure that asked for the case stays with it where nobody is asked.
pub fn hold(case: &mut CaseRecord, held_for: &str, measure: Option<MeasureId>, actor: &str, now: Timestamp) {
    case.status = CaseStatus::Held;
    case.checkpoint_size = None;
    case.log.push(Happening {
        kind: EventKind::CaseHeld,
        at: now,
        actor: actor.to_owned(),
        action: "hold".into(),
        outcome: Outcome::Pending,
        risk: None,
        facts: json!({"held_for": held_for, "measure": measure, "run": case.run}),
    });
    if measure.is_some() {
        case.measure = measure;
    }
}

/// The request to release what is held.
fn request(
    policy: &Policy,
    concerned: &Concerned<'_>,
    measure_id: MeasureId,
    held_for: &str,
    reason: String,
    facts: &Value,
    now: Timestamp,
) -> Measure {
    let what = What::Release { held_for: held_for.to_owned() };
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
        cases: Vec::new(),
        log: vec![line],
        version: 1,
    }
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
    let mut measure = request(policy, &concerned, id, held_for, reason, &facts, now);
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
    request(policy, &concerned, measure, MASS_ACTION, reason, &facts, now)
}

/// Starts the execution that asks for the decision about a held case. A repeat changes nothing.
///
/// # Errors
/// Where the store or the workflow engine fails; the sweep asks again.
pub async fn ask(
    store: &dyn CaseStore,
    workflow: &dyn Workflow,
    case: &CaseRecord,
) -> Result<(), StoreError> {
    let Some(id) = &case.measure else { return Ok(()) };
    match store.measure(id).await? {
        Some(measure) if is_unasked(&measure) => {
            workflow.start(&Execution::Measure(id.clone())).await.map(|_| ())
        }
        _ => Ok(()),
    }
}

/// Whether a request for a release waits for its execution.
fn is_unasked(measure: &Measure) -> bool {
    let release = matches!(measure.what, What::Release { .. });
    release && measure.approval.is_pending() && measure.approval.task_token.is_none()
}

/// Whether there is still something to be done for what was decided about held cases.
pub fn is_due(measure: &Measure) -> bool {
    use MeasureStatus::{Approved, Denied, Expired};
    matches!(measure.what, What::Release { .. }) && matches!(measure.status, Approved | Denied | Expired)
}

/// Does what was decided about held cases: approved, they go on; denied, they are called off; where nobody decided in time,
/// they stay held and somebody is asked again. Everything may be repeated, at once or later: `false` says that there is more
/// to be done, and the measure stays due until there is not.
///
/// # Errors
/// Where the store fails.
pub async fn release(
    store: &dyn CaseStore,
    workflow: &dyn Workflow,
    policy: &Policy,
    measure: &Measure,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let What::Release { held_for } = &measure.what else { return Ok(true) };
    if !is_due(measure) {
        return Ok(true);
    }
    if measure.status == MeasureStatus::Expired {
        return tolerate(store.commit(&[asked_again(store, policy, measure, now).await?]).await);
    }
    let together = held_for == MASS_ACTION;
    // Read before the list: whoever holds another case raises its version, and the end below is not written.
    let brake = store.brake().await?;
    let held = match together {
        true => store.held(&measure.measure_id, LIMIT).await?,
        false => measure.cases.clone(),
    };
    for case in &held {
        if !settle(store, workflow, measure, held_for, case, now).await? {
            return Ok(false);
        }
    }
    if together && held.len() >= LIMIT {
        return Ok(false);
    }
    let mut changes = vec![Change::Measure(Box::new(over(measure, now)))];
    if together && brake.engaged.as_ref() == Some(&measure.measure_id) {
        let approved = measure.approval.status == ApprovalStatus::Approved;
        changes.push(Change::Brake(Box::new(if approved { brake.released() } else { brake.disengaged() })));
    }
    tolerate(store.commit(&changes).await)
}

/// A lost race is no failure: the next call goes on from what is there then.
fn tolerate(written: Result<(), StoreError>) -> Result<bool, StoreError> {
    match written {
        Ok(()) => Ok(true),
        Err(StoreError::Conflict) => Ok(false),
        Err(error) => Err(error),
    }
}

fn over(measure: &Measure, now: Timestamp) -> Measure {
    let mut measure = measure.clone();
    measure.log.push(Happening {
        kind: EventKind::MeasureEnded,
        at: now,
        actor: "leaver".into(),
        action: if measure.status == MeasureStatus::Approved { "released" } else { "called off" }.into(),
        outcome: Outcome::Success,
        risk: None,
        facts: json!({"what": measure.what, "decisions": measure.approval.decisions}),
    });
    measure.status = MeasureStatus::Ended;
    measure.version += 1;
    measure
}

/// Silence is no consent and no refusal either.
async fn asked_again(
    store: &dyn CaseStore,
    policy: &Policy,
    measure: &Measure,
    now: Timestamp,
) -> Result<Change, StoreError> {
    let host = deciding::Host::Measure(Box::new(measure.clone()));
    let now_is = Circumstances::of(store, policy, &host).await?;
    let was = &measure.approval;
    let concerned = now_is.concerned(&was.requested_by);
    let approval =
        Approval::ask(&policy.approvals, &concerned, was.covers, was.need.clone(), was.round + 1, now);
    let mut measure = measure.clone();
    measure.log.push(Happening {
        kind: EventKind::MeasureRequested,
        at: now,
        actor: LEAVER.into(),
        action: "ask again".into(),
        outcome: Outcome::Pending,
        risk: None,
        facts: json!({
            "what": measure.what, "round": approval.round, "asked": approval.asked,
            "expires_at": approval.expires_at, "covers": approval.covers,
        }),
    });
    measure.approval = approval;
    measure.status = MeasureStatus::Requested;
    measure.version += 1;
    Ok(Change::Measure(Box::new(measure)))
}

/// Lets one case go on, or calls it off; `false` where others kept on changing it.
async fn settle(
    store: &dyn CaseStore,
    workflow: &dyn Workflow,
    measure: &Measure,
    held_for: &str,
    id: &CaseId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    for _ in 0..TRIES {
        let case = store.case(id).await?;
        let ours = |case: &CaseRecord| {
            case.status == CaseStatus::Held && case.measure.as_ref() == Some(&measure.measure_id)
        };
        let mut changes = match case.filter(ours) {
            None => Vec::new(),
            Some(case) if measure.approval.status == ApprovalStatus::Approved => {
                vec![Change::Case(Box::new(let_go(&case, measure, held_for, now)))]
            }
            Some(case) => {
                let (by, reason) = decided(measure);
                called_off(store, &case, &by, &reason, now).await?
            }
        };
        if held_for == MASS_ACTION {
            changes.push(Change::Unhold(measure.measure_id.clone(), id.clone()));
        }
        if changes.is_empty() {
            return Ok(true);
        }
        match store.commit(&changes).await {
            Err(StoreError::Conflict) => continue,
            other => other?,
        }
        if let Some(Change::Case(case)) = changes.first()
            && case.status == CaseStatus::Recorded
            && case.effective_at <= now
        {
            // Where this fails, the sweep starts it: it stands there as recorded, and due.
            let _ = workflow.start(&Execution::of_case(case)).await;
        }
        return Ok(true);
    }
    Ok(false)
}

/// Who decided last, and why.
fn decided(measure: &Measure) -> (String, String) {
    let last = measure.approval.decisions.last();
    last.map_or_else(
        || (LEAVER.to_owned(), measure.reason.clone()),
        |last| (last.by.to_string(), last.reason.clone()),
    )
}

fn let_go(case: &CaseRecord, measure: &Measure, held_for: &str, now: Timestamp) -> CaseRecord {
    let (by, reason) = decided(measure);
    let mut case = case.clone();
    case.status = CaseStatus::Recorded;
    case.checkpoint_size = None;
    case.run += 1;
    case.log.push(Happening {
        kind: EventKind::CaseReleased,
        at: now,
        actor: by,
        action: "release".into(),
        outcome: Outcome::Success,
        risk: None,
        facts: json!({
            "held_for": held_for, "measure": measure.measure_id, "reason": reason, "run": case.run,
            "decisions": measure.approval.decisions,
        }),
    });
    case.version += 1;
    case
}

/// The changes that call a case off: itself first, and its person, who goes back to where they stood.
async fn called_off(
    store: &dyn CaseStore,
    case: &CaseRecord,
    by: &str,
    reason: &str,
    now: Timestamp,
) -> Result<Vec<Change>, StoreError> {
    let person = goes_back(store, case).await?;
    let was = case.status;
    let mut case = case.clone();
    case.status = CaseStatus::Cancelled;
    case.checkpoint_size = None;
    case.closed_at = Some(now);
    case.log.push(Happening {
        kind: EventKind::CaseCancelled,
        at: now,
        actor: by.to_owned(),
        action: "cancel".into(),
        outcome: Outcome::Success,
        risk: None,
        facts: json!({
            "reason": reason, "was": was, "measure": case.measure,
            "person_is": person.as_ref().map(|person| person.status),
        }),
    });
    case.version += 1;
    let mut changes = vec![Change::Case(Box::new(case))];
    changes.extend(person.map(|person| Change::Person(Box::new(person))));
    Ok(changes)
}

/// The person as they stood before this case, where it is the one that changed it last. Cases before it that were called
/// off as well are passed over.
async fn goes_back(store: &dyn CaseStore, case: &CaseRecord) -> Result<Option<Person>, StoreError> {
    let Some(mut was) = case.person_was.clone() else { return Ok(None) };
    let Some(mut person) = store.person(&case.person.username).await? else { return Ok(None) };
    if person.status != PersonStatus::Leaving || person.case.as_ref() != Some(&case.case_id) {
        return Ok(None);
    }
    for _ in 0..MAX_BACK {
        let Some(id) = &was.case else { break };
        match store.case(id).await? {
            Some(earlier) if matches!(earlier.status, CaseStatus::Cancelled | CaseStatus::Rejected) => {
                let active = Standing { status: PersonStatus::Active, case: None };
                was = earlier.person_was.unwrap_or(active);
            }
            // It came to its end while this case had the person, and could not say so.
            Some(earlier) if earlier.status == CaseStatus::Complete && earlier.mode == Mode::Leave => {
                was.status = PersonStatus::Left;
                break;
            }
            _ => break,
        }
    }
    person.status = was.status;
    person.case = was.case;
    person.version += 1;
    Ok(Some(person))
}

/// Why a case cannot be called off.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotCancelled {
    /// It has begun.
    #[error("it runs already: what it took away can be given back with a restore when it has come to rest")]
    Runs,
    /// It is over.
    #[error("it is over: what it took away can be given back with a restore")]
    Over,
    /// It was called off before.
    #[error("it was called off already")]
    Already,
    /// A measure asked for it.
    #[error("it carries out the measure {0}: nobody calls off alone what two have decided")]
    OfMeasure(String),
}

/// Whether a case may be called off.
///
/// # Errors
/// Why not.
pub fn may_cancel(case: &CaseRecord) -> Result<(), NotCancelled> {
    match case.status {
        CaseStatus::Held => Ok(()),
        CaseStatus::Recorded if case.trigger.is_of_measure() => {
            let measure = case.measure.as_ref().map(MeasureId::to_string);
            Err(NotCancelled::OfMeasure(measure.unwrap_or_else(|| case.trigger.event_id.to_string())))
        }
        CaseStatus::Recorded => Ok(()),
        CaseStatus::Running | CaseStatus::AwaitingApproval | CaseStatus::Incomplete => {
            Err(NotCancelled::Runs)
        }
        CaseStatus::Complete | CaseStatus::Rejected => Err(NotCancelled::Over),
        CaseStatus::Cancelled => Err(NotCancelled::Already),
    }
}

/// Calls off a case that has not begun. A question that was about it alone is withdrawn with it.
///
/// # Errors
/// `Conflict` where somebody else changed it: read it again.
pub async fn cancel(
    store: &dyn CaseStore,
    workflow: &dyn Workflow,
    case: &CaseRecord,
    by: &Username,
    reason: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut changes = called_off(store, case, by.as_str(), reason, now).await?;
    let mut token = None;
    if case.status == CaseStatus::Held
        && let Some(id) = &case.measure
        && let Some(measure) = store.measure(id).await?
        && let What::Release { held_for } = &measure.what
    {
        if held_for == MASS_ACTION {
            changes.push(Change::Unhold(id.clone(), case.case_id.clone()));
        } else if measure.approval.is_pending() {
            token = measure.approval.task_token.clone();
            changes.push(Change::Measure(Box::new(withdrawn(&measure, by, reason, now))));
        }
    }
    store.commit(&changes).await?;
    if let Some(token) = token {
        // An execution that was not reached finds it by itself when its wait ends.
        let _ = workflow.wake(&token).await;
    }
    Ok(())
}

fn withdrawn(measure: &Measure, by: &Username, reason: &str, now: Timestamp) -> Measure {
    let mut measure = measure.clone();
    measure.approval.status = ApprovalStatus::Expired;
    measure.approval.expires_at = now;
    measure.status = MeasureStatus::Ended;
    measure.log.push(Happening {
        kind: EventKind::MeasureEnded,
        at: now,
        actor: by.to_string(),
        action: "withdrawn".into(),
        outcome: Outcome::NotApplicable,
        risk: None,
        facts: json!({"what": measure.what, "reason": reason}),
    });
    measure.version += 1;
    measure
}

/// What the validation of a case found that holds it.
pub fn finding(kind: &str, detail: impl Into<String>, now: Timestamp) -> Finding {
    Finding { kind: kind.to_owned(), detail: detail.into(), at: now }
}
