//! How a trigger becomes a case: the same rules for the webhook and for the API.
//!
//! Everything a trigger writes goes into one transaction; the execution is started afterwards and may be started by
//! anybody, any number of times, because its name follows from the trigger.

mod line;
mod reactivate;
mod replace;

pub use line::submit_line;
pub use reactivate::{Reactivation, as_begun, leaving, reactivate};

use crate::{
    archive::Archive,
    case::{CaseRecord, CaseStatus, Finding, Happening, Mode, Standing, Subject, SystemRecord, Trigger},
    deciding,
    effective::Dates,
    holds,
    id::{CaseId, MeasureId, SystemId},
    ledger::{EventKind, Outcome},
    measure::Permission,
    measures,
    moving::Moved,
    person::{Person, PersonStatus},
    policy::Policy,
    ports::{CaseStore, EventMark, Execution, Opening, Recorded, Started, StoreError, Workflow},
    time::Timestamp,
    watch::Watch,
};
use serde_json::json;
use std::{collections::BTreeSet, time::Duration};

/// The trigger's kind where somebody is suspended because they have not logged in for long.
pub const INACTIVE: &str = "inactive";

/// Tries against somebody else who changes the same person.
const TRIES: usize = 4;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// What opened it.
    pub trigger: Trigger,
    /// What to do.
    pub mode: Mode,
    /// Why.
    pub reason: String,
    /// The dates as they were given.
    pub dates: Dates,
    /// When access ends.
    pub effective_at: Timestamp,
    /// Only look and plan.
    pub dry_run: bool,
    /// Pass the risk gate.
    pub emergency: bool,
    /// Keep the person's data, whatever policy says.
    pub preserve_data: bool,
    /// The grants to take, of a partial case, wherever they are held.
    pub grants: Option<BTreeSet<String>>,
    /// The single permissions to take, of a partial case. Where no grants are named beside them, the case is about their
    /// systems alone.
    pub permissions: BTreeSet<Permission>,
    /// The change of position that it carries out, if any. The case is about its systems alone.
    pub moves: Option<Moved>,
    /// The measure whose end it is, if any.
    pub measure: Option<MeasureId>,
}

impl Request {
    /// One without anything special about it: everything that the person has, by its trigger, from an instant on.
    pub fn plain(trigger: Trigger, mode: Mode, reason: impl Into<String>, effective_at: Timestamp) -> Self {
        Self {
            trigger,
            mode,
            reason: reason.into(),
            dates: Dates::default(),
            effective_at,
            dry_run: false,
            emergency: false,
            preserve_data: false,
            grants: None,
            permissions: BTreeSet::new(),
            moves: None,
            measure: None,
        }
    }

    fn systems(&self, person: &Person, policy: &Policy) -> Vec<SystemId> {
        if let Some(Moved { change, .. }) = &self.moves {
            let known = |system: &SystemId| policy.systems.contains_key(system);
            return change.systems().into_iter().filter(known).collect();
        }
        let everywhere = self.mode != Mode::Partial || self.grants.is_some();
        let named = |system: &SystemId| {
            everywhere || self.permissions.iter().any(|permission| permission.system == *system)
        };
        policy.systems_of(person, self.mode == Mode::Partial).into_iter().filter(named).collect()
    }
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The case.
    pub case_id: CaseId,
    /// Where it stands now.
    pub status: CaseStatus,
    /// Whether the trigger had been taken before.
    pub duplicate: bool,
}

/// Why a trigger was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Nobody of this name is known.
    #[error("nobody called `{0}` is known")]
    UnknownPerson(String),
    /// The same event id came before with another content.
    #[error("an event with this id and another content was taken before")]
    Reused,
    /// There is nothing that could be given back.
    #[error("{0}")]
    NotRestorable(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whether no automation may touch the account.
fn is_protected(person: &Person, policy: &Policy) -> bool {
    person.protected || policy.protected.contains(&person.username)
}

/// Whether it suspends somebody for a violation: what is flagged is shut as well, and security reviews it.
fn passes_gate(request: &Request) -> bool {
    !request.dry_run && request.trigger.is_violation(request.mode)
}

/// What a human should know of the case from its beginning.
fn findings(person: &Person, request: &Request, policy: &Policy, now: Timestamp) -> Vec<Finding> {
    let finding = |kind: &str, detail: String| Finding { kind: kind.to_owned(), detail, at: now };
    let mut found = Vec::new();
    if is_protected(person, policy) {
        let detail = format!("{} is a protected account: a human decides", person.username);
        found.push(finding(holds::PROTECTED, detail));
    }
    if let Some(hold) = &person.legal_hold {
        let detail = format!("legal hold: access goes, nothing is deleted ({})", hold.reason);
        found.push(finding("legal_hold", detail));
    }
    if request.preserve_data {
        let detail = "the data is kept: nothing that may lose some is done, and it is archived";
        found.push(finding("preserve_data", detail.to_owned()));
    }
    if request.emergency {
        let detail = "the risk gate is passed as an emergency; it has to be reviewed by somebody else";
        found.push(finding("emergency", detail.to_owned()));
    }
    if passes_gate(request) {
        let detail =
            "the risk gate is passed by a suspension for a violation; it has to be reviewed by somebody else";
        found.push(finding("suspension", detail.to_owned()));
    }
    found
}

/// The first row of the case.
fn opened(
    request: &Request,
    systems: &[SystemId],
    policy: &Policy,
    findings: &[Finding],
    now: Timestamp,
) -> Happening {
    let mut line = Happening {
        kind: if request.dry_run { EventKind::PlanPreviewed } else { EventKind::RevocationTriggered },
        at: now,
        actor: request.trigger.by.clone(),
        action: request.trigger.kind.clone(),
        outcome: Outcome::Success,
        risk: None,
        facts: json!({
            "trigger": request.trigger, "policy_digest": policy.digest(), "systems": systems,
            "effective_at": request.effective_at, "dates": request.dates, "emergency": request.emergency,
            "findings": findings,
        }),
    };
    if let Some(measure) = &request.measure {
        line.facts["measure"] = json!(measure);
    }
    if let Some(Moved { change, .. }) = &request.moves {
        line.facts["moves"] = json!(change);
    }
    if request.preserve_data {
        line.facts["preserve_data"] = json!(true);
    }
    if passes_gate(request) {
        line.facts["passes_gate"] = json!(true);
    }
    if !request.permissions.is_empty() {
        line.facts["permissions"] = json!(request.permissions);
    }
    line
}

fn is_canary(person: &Person, policy: &Policy) -> bool {
    policy.canary.as_ref().is_some_and(|canary| canary.person == person.username)
}

/// When the case is looked at again. The canary is not: it is back the same night.
fn watched(person: &Person, request: &Request, policy: &Policy) -> Option<Watch> {
    let shuts = request.mode.shuts() && !request.dry_run && !is_canary(person, policy);
    shuts.then(|| Watch::of(policy)).flatten()
}

/// The archive that a case makes once it is through: by policy, or because the data has to be kept. The canary leaves nothing.
fn archived(person: &Person, request: &Request, policy: &Policy, now: Timestamp) -> Option<Archive> {
    let by_policy = policy.data.archive && !is_canary(person, policy);
    let keeps = by_policy || request.preserve_data || person.legal_hold.is_some();
    let leaves = request.mode == Mode::Leave && !request.dry_run;
    let after = Duration::from_secs(policy.data.archive_after_seconds.into());
    (keeps && leaves).then(|| Archive::wanted(request.effective_at.max(now).plus(after)))
}

/// The opening of a case: pure, so that a repeat writes the same.
pub fn open(person: &Person, request: &Request, policy: &Policy, now: Timestamp) -> Opening {
    let case_id = CaseId::of_trigger(&request.trigger.source, &request.trigger.event_id);
    let findings = findings(person, request, policy, now);
    let systems = request.systems(person, policy);
    let mut case = CaseRecord {
        case_id: case_id.clone(),
        mode: request.mode,
        status: CaseStatus::Recorded,
        person: Subject { username: person.username.clone(), employee_id: person.employee_id.clone() },
        reason: request.reason.clone(),
        trigger: request.trigger.clone(),
        policy_digest: policy.digest(),
        created_at: now,
        dates: request.dates.clone(),
        effective_at: request.effective_at,
        closed_at: None,
        checkpoint_size: None,
        dry_run: request.dry_run,
        emergency: request.emergency,
        preserve_data: request.preserve_data,
        archive: archived(person, request, policy, now),
        grants: request.grants.clone(),
        permissions: request.permissions.clone(),
        moves: request.moves.as_ref().map(|moved| moved.change.clone()),
        by_role: false,
        restores: None,
        person_was: None,
        measure: request.measure.clone(),
        run: 1,
        watch: watched(person, request, policy),
        systems: systems.clone(),
        log: vec![opened(request, &systems, policy, &findings, now)],
        findings,
        version: 1,
    };
    // Where a human has decided about this very person already, or nothing is done, there is nothing to wait for.
    if is_protected(person, policy) && !request.dry_run && !request.trigger.is_of_measure() {
        let measure = holds::measure_of(&case, holds::PROTECTED);
        holds::hold(&mut case, holds::PROTECTED, Some(measure), "leaver/intake", now);
    }
    let queued = systems.into_iter().map(|system| SystemRecord::queued(&case, system)).collect();
    // Whoever left, left by the case by which they left: what the end of an exception takes afterwards changes nothing in that.
    let afterwards = request.measure.is_some() && person.status != PersonStatus::Active;
    // A suspension of somebody who is leaving changes nothing in that either.
    let becomes = request.mode.puts().filter(|becomes| {
        let is_here = matches!(person.status, PersonStatus::Active | PersonStatus::Suspended);
        let moves = *becomes == PersonStatus::Leaving || is_here;
        !request.dry_run && !afterwards && moves
    });
    case.person_was = becomes.map(|_| Standing {
        status: person.status,
        case: person.case.clone(),
        role: Some(person.role.clone()),
    });
    let leaving = becomes.map(|status| Person {
        status,
        case: Some(case_id.clone()),
        version: person.version + 1,
        ..person.clone()
    });
    let mark = mark(&request.trigger, Some(case_id), now);
    let person = leaving.or_else(|| request.moves.as_ref().map(|moved| moved.after.clone()));
    Opening { mark, person, case: Some((case, queued)), measure: None, ahead: None }
}

fn mark(trigger: &Trigger, case_id: Option<CaseId>, now: Timestamp) -> EventMark {
    EventMark {
        source: trigger.source.clone(),
        event_id: trigger.event_id.clone(),
        kind: trigger.kind.clone(),
        body: trigger.body,
        case_id,
        received_at: now,
    }
}

/// Records a trigger and starts its execution, where its time has come. Everything may be repeated.
///
/// # Errors
/// Where the person is unknown, the event id was used for something else, or the store fails. A failure to start is
/// no error: the trigger is recorded, and the sweep starts what was recorded.
pub async fn submit(
    store: &dyn CaseStore,
    workflow: &dyn Workflow,
    policy: &Policy,
    person: &Person,
    request: &Request,
    now: Timestamp,
) -> Result<(Receipt, Option<StoreError>), Refused> {
    let measures = store.measures_of(&person.username).await?;
    let opening = |person: &Person| {
        let mut opening = open(person, request, policy, now);
        measures::note_holds(&mut opening, &measures, now);
        opening
    };
    take(store, workflow, policy, person, &request.trigger, &opening, now).await
}

/// The cases of somebody's changes of position that may not have taken everything yet: the newest, and those that were not
/// through when it was told.
///
/// # Errors
/// Where the store cannot be read.
pub async fn moves_of(store: &dyn CaseStore, person: &Person) -> Result<Vec<CaseRecord>, StoreError> {
    let Some(newest) = &person.moving else { return Ok(Vec::new()) };
    let Some(newest) = store.case(newest).await? else { return Ok(Vec::new()) };
    let earlier = newest.moves.as_ref().map(|change| change.earlier.clone()).unwrap_or_default();
    let mut moves = Vec::new();
    for id in &earlier {
        moves.extend(store.case(id).await?);
    }
    moves.push(newest);
    Ok(moves)
}

/// Adds to a case that shuts somebody what is theirs and not in it: the systems that concern them as they are now, and those of
/// the places where they were, because whoever moved lately may have access where routing gives them none. Asked for when the
/// case is recorded, and at its first step once more: days may lie between the two.
///
/// # Errors
/// Where the store cannot be read.
pub async fn widen(
    store: &dyn CaseStore,
    policy: &Policy,
    person: &Person,
    case: &mut CaseRecord,
) -> Result<Vec<SystemRecord>, StoreError> {
    if !case.mode.shuts() {
        return Ok(Vec::new());
    }
    let mut theirs: BTreeSet<SystemId> = policy.systems_of(person, false).into_iter().collect();
    for moved in moves_of(store, person).await? {
        let is_through = moved.status == CaseStatus::Complete;
        // Nobody is asked again for what they did by hand.
        let is_done = |system: &SystemId| is_through && policy.manual(system).is_some();
        let left = moved.systems.into_iter().filter(|system| !is_done(system));
        theirs.extend(left.filter(|system| policy.systems.contains_key(system)));
    }
    theirs.retain(|system| !case.systems.contains(system));
    case.systems.extend(theirs.iter().cloned());
    case.systems.sort();
    Ok(theirs.into_iter().map(|system| SystemRecord::queued(case, system)).collect())
}

/// A suspension of somebody who is to leave later comes before that: where the termination is called off, they are suspended.
async fn comes_before(
    store: &dyn CaseStore,
    person: &Person,
    opening: &mut Opening,
) -> Result<(), StoreError> {
    let suspends = |case: &CaseRecord| case.mode == Mode::Suspend && !case.dry_run;
    let Some((case, _)) = opening.case.as_mut().filter(|(case, _)| suspends(case)) else { return Ok(()) };
    let Some(left_by) = person.case.as_ref().filter(|_| person.status == PersonStatus::Leaving) else {
        return Ok(());
    };
    let has_not_begun =
        |of: &CaseRecord| matches!(of.status, CaseStatus::Recorded | CaseStatus::Held) && !of.has_begun();
    let Some(mut ahead) = store.case(left_by).await?.filter(has_not_begun) else { return Ok(()) };
    let Some(was) = ahead.person_was.take() else { return Ok(()) };
    ahead.person_was = Some(Standing {
        status: PersonStatus::Suspended,
        case: Some(case.case_id.clone()),
        role: was.role.clone(),
    });
    ahead.version += 1;
    case.person_was = Some(was);
    opening.ahead = Some(ahead);
    Ok(())
}

/// Records what a trigger opens and starts its execution: `opening` says what is written, given the person as they are.
async fn take(
    store: &dyn CaseStore,
    workflow: &dyn Workflow,
    policy: &Policy,
    person: &Person,
    trigger: &Trigger,
    opening: &(dyn Fn(&Person) -> Opening + Send + Sync),
    now: Timestamp,
) -> Result<(Receipt, Option<StoreError>), Refused> {
    let mut person = person.clone();
    for _ in 0..TRIES {
        let mut opening = opening(&person);
        if let Some((case, records)) = &mut opening.case {
            records.extend(widen(store, policy, &person, case).await?);
            if let Some(opened) = case.log.first_mut() {
                opened.facts["systems"] = json!(case.systems);
            }
        }
        comes_before(store, &person, &mut opening).await?;
        replace::replaces(store, &person, &mut opening, now).await?;
        if let Some((case, _)) = opening.case.as_ref().filter(|(case, _)| case.status == CaseStatus::Held) {
            let gone = deciding::gone(store, &policy.approvals).await?;
            opening.measure = holds::request_for(policy, gone, &person, case, holds::PROTECTED, now);
        }
        let recorded = match store.record(&opening).await {
            Err(StoreError::Conflict) => {
                // The person changed in between: decide again on what they are now.
                let again = store.person(&person.username).await?;
                person = again.ok_or_else(|| Refused::UnknownPerson(person.username.to_string()))?;
                continue;
            }
            other => other?,
        };
        let (mark, known) = match recorded {
            Recorded::Known(mark) if mark.body != trigger.body => return Err(Refused::Reused),
            Recorded::Known(mark) => (mark, true),
            Recorded::New => (opening.mark, false),
        };
        let own = || CaseId::of_trigger(&trigger.source, &trigger.event_id);
        let case_id = mark.case_id.unwrap_or_else(own);
        return resume(store, workflow, case_id, known, now).await.map_err(Refused::Store);
    }
    Err(StoreError::Conflict.into())
}

/// Starts a recorded case, where its time has come, and says where it stands.
///
/// # Errors
/// Where the store cannot say what the case is.
pub async fn resume(
    store: &dyn CaseStore,
    workflow: &dyn Workflow,
    case_id: CaseId,
    duplicate: bool,
    now: Timestamp,
) -> Result<(Receipt, Option<StoreError>), StoreError> {
    let case = store.case(&case_id).await?;
    let case = case.ok_or_else(|| StoreError::Corrupt(format!("{case_id} has a mark and no case")))?;
    let mut failed = None;
    if case.status == CaseStatus::Recorded && case.effective_at <= now {
        match workflow.start(&Execution::of_case(&case)).await {
            Ok(Started::New | Started::Already) => {}
            Err(error) => failed = Some(error),
        }
    }
    if case.status == CaseStatus::Held {
        failed = holds::ask(store, workflow, &case).await.err();
    }
    Ok((Receipt { case_id, status: case.status, duplicate }, failed))
}
