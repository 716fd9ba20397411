//! Access comes back: what an earlier case took, or single permissions. Somebody approved it already; that is no longer
//! asked here.

use super::{Receipt, Refused, mark, take};
use crate::{
    batch::check::is_uncertain,
    case::{
        CaseRecord, CaseStatus, Happening, MAX_BACK, Mode, Standing, Subject, SystemRecord, SystemStatus,
        Trigger,
    },
    effective::Dates,
    id::{CaseId, MeasureId, SystemId},
    ledger::{EventKind, Outcome},
    measure::Permission,
    person::{Person, PersonStatus},
    policy::Policy,
    ports::{CaseStore, Opening, StoreError, Workflow},
    time::Timestamp,
};
use serde_json::json;
use std::collections::BTreeSet;

/// Most permissions of one case.
const MAX_PERMISSIONS: usize = 200;

/// What is to come back.
#[derive(Debug, Clone)]
pub struct Reactivation {
    /// What opened it.
    pub trigger: Trigger,
    /// The case whose before-state comes back, if any.
    pub restores: Option<CaseId>,
    /// Single permissions to give.
    pub permissions: BTreeSet<Permission>,
    /// The measure that was approved; `None` where the HRIS says that they are hired anew.
    pub measure: Option<MeasureId>,
    /// Nothing comes back beyond what their role needs now, and no credential.
    pub by_role: bool,
    /// Why.
    pub reason: String,
    /// From when on.
    pub effective_at: Timestamp,
}

/// A case that is restored, and its systems.
type Earlier = (CaseRecord, Vec<SystemRecord>);

/// The cases of one leaving, the newest first: this one, and those before it by which somebody was shut already when it was
/// recorded. What such a one took is nothing that a later one could find.
///
/// # Errors
/// Where the store cannot say what a case is.
pub async fn leaving(store: &dyn CaseStore, last: &CaseId) -> Result<Vec<CaseRecord>, StoreError> {
    let mut all: Vec<CaseRecord> = Vec::new();
    let mut next = Some(last.clone());
    while let Some(id) = next.filter(|_| all.len() < MAX_BACK) {
        let Some(case) = store.case(&id).await? else { break };
        let was = case.person_was.as_ref().filter(|was| was.status != PersonStatus::Active);
        next = was.and_then(|was| was.case.clone());
        all.push(case);
    }
    Ok(all)
}

/// Somebody as what has begun put them: a case whose time has not come, or that is held, has their name on it and has taken nothing
/// yet. One that is due is about to.
///
/// # Errors
/// Where the store cannot say what a case is.
pub async fn as_begun(
    store: &dyn CaseStore,
    mut person: Person,
    now: Timestamp,
) -> Result<Person, StoreError> {
    for _ in 0..MAX_BACK {
        let Some(by) = person.case.as_ref().filter(|_| person.status != PersonStatus::Active) else { break };
        let waits = |case: &CaseRecord| is_uncertain(case, now) && !case.has_begun();
        let Some(ahead) = store.case(by).await?.filter(waits) else { break };
        let Some(was) = ahead.person_was else { break };
        (person.status, person.case) = (was.status, was.case);
    }
    Ok(person)
}

/// Records a case that gives access back and starts its execution, where its time has come. Everything may be repeated.
///
/// # Errors
/// `NotRestorable` where there is nothing that could come back; otherwise as with [`super::submit`].
pub async fn reactivate(
    store: &dyn CaseStore,
    workflow: &dyn Workflow,
    policy: &Policy,
    person: &Person,
    wanted: &Reactivation,
    now: Timestamp,
) -> Result<(Receipt, Option<StoreError>), Refused> {
    let mut earlier: Vec<Earlier> = Vec::new();
    if let Some(id) = &wanted.restores {
        for case in leaving(store, id).await? {
            let systems = store.systems(&case.case_id).await?;
            earlier.push((case, systems));
        }
        if earlier.is_empty() {
            return Err(Refused::NotRestorable(format!("There is no case {id}.")));
        }
    }
    let opens = CaseId::of_trigger(&wanted.trigger.source, &wanted.trigger.event_id);
    // What was recorded is not judged again: by now the earlier case may be another one than it was.
    if store.case(&opens).await?.is_none() {
        check(person, policy, wanted, earlier.first()).map_err(Refused::NotRestorable)?;
    }
    let ahead = ahead_of(store, person, wanted, now).await?;
    let opening = |person: &Person| {
        let mut opening = open(person, wanted, &earlier, policy, now);
        // They are back until that one begins; where it is called off, they are back for good.
        opening.ahead = ahead.clone().map(|ahead| CaseRecord {
            person_was: Some(Standing {
                status: PersonStatus::Active,
                case: Some(opens.clone()),
                role: ahead.person_was.and_then(|was| was.role),
            }),
            version: ahead.version + 1,
            ..ahead
        });
        opening
    };
    take(store, workflow, policy, person, &wanted.trigger, &opening, now).await
}

/// The case that lies ahead, or is held, and stands before the one that is restored.
async fn ahead_of(
    store: &dyn CaseStore,
    person: &Person,
    wanted: &Reactivation,
    now: Timestamp,
) -> Result<Option<CaseRecord>, StoreError> {
    let begun = as_begun(store, person.clone(), now).await?;
    let is_behind = begun.status != PersonStatus::Active && begun.case == wanted.restores;
    let (Some(by), true) = (&person.case, is_behind && person.case != begun.case) else { return Ok(None) };
    let chain = leaving(store, by).await?;
    let before = |case: &CaseRecord| case.person_was.as_ref().is_some_and(|was| was.case == wanted.restores);
    Ok(chain.into_iter().find(before))
}

/// Why nothing of this can be given.
fn check(
    person: &Person,
    policy: &Policy,
    wanted: &Reactivation,
    earlier: Option<&Earlier>,
) -> Result<(), String> {
    if let Some((case, _)) = earlier {
        let (id, unchanged) =
            (&case.case_id, "no access was taken by it, so that there is nothing to restore");
        if case.person.employee_id != person.employee_id {
            return Err(format!("{id} is a case of somebody else. Name a case of {}.", person.username));
        }
        if case.dry_run || case.mode == Mode::Reactivate {
            return Err(format!("{id} is no case that takes access away: {unchanged}."));
        }
        match case.status {
            CaseStatus::Recorded | CaseStatus::Held if !case.has_begun() => {
                return Err(format!("{id} has not begun: {unchanged}. Call it off instead."));
            }
            CaseStatus::Cancelled | CaseStatus::Rejected => {
                return Err(format!("{id} was called off: {unchanged}."));
            }
            _ => {}
        }
    } else if wanted.permissions.is_empty() {
        return Err("Neither a case to restore nor a permission to give is named.".to_owned());
    }
    if wanted.permissions.len() > MAX_PERMISSIONS {
        return Err(format!("More than {MAX_PERMISSIONS} permissions are named."));
    }
    let unknown = wanted.permissions.iter().find(|one| !policy.systems.contains_key(&one.system));
    match unknown {
        Some(one) => Err(format!("leaver is not connected to `{}`.", one.system)),
        None => Ok(()),
    }
}

/// Whether a case may have changed something in one of its systems, or still may: an attempt that is under way writes once it
/// has seen that nobody came back.
fn touched(case: &CaseRecord, system: &SystemRecord) -> bool {
    use SystemStatus::{AwaitingApproval, Failed, ManualTask, Queued, Revoked, Running, Verified};
    let by_hand = system.task.as_ref().is_some_and(|task| task.closed.is_some());
    // Of one that is tried again, too: an earlier attempt may have come far.
    let is_open = match case.status {
        CaseStatus::Recorded | CaseStatus::Held => case.has_begun(),
        status => matches!(status, CaseStatus::Running | CaseStatus::AwaitingApproval),
    };
    let goes_on = is_open && !case.is_closing();
    match system.status {
        Queued | AwaitingApproval => goes_on,
        Running | Revoked | Verified => true,
        Failed => goes_on || system.before.is_some() || by_hand,
        ManualTask => system.before.is_some() || by_hand,
        _ => by_hand,
    }
}

fn systems(wanted: &Reactivation, earlier: &[Earlier]) -> Vec<SystemId> {
    let restored = earlier.iter().flat_map(|(case, systems)| {
        systems.iter().filter(|system| touched(case, system)).map(|system| &system.system)
    });
    let given = wanted.permissions.iter().map(|permission| &permission.system);
    restored.chain(given).cloned().collect::<BTreeSet<_>>().into_iter().collect()
}

/// What the earlier cases left to be destroyed once nobody can come back: somebody does, so that it never will be.
fn parked(earlier: &[Earlier]) -> Vec<serde_json::Value> {
    let systems = earlier.iter().flat_map(|(_, systems)| systems);
    let all = systems
        .flat_map(|record| record.parked.iter().map(move |action| (&record.system, action.label.as_str())));
    let named = all.collect::<BTreeSet<_>>().into_iter();
    named.map(|(system, label)| json!({"system": system, "label": label})).collect()
}

/// The opening of such a case: pure, so that a repeat writes the same.
fn open(
    person: &Person,
    wanted: &Reactivation,
    earlier: &[Earlier],
    policy: &Policy,
    now: Timestamp,
) -> Opening {
    let trigger = &wanted.trigger;
    let case_id = CaseId::of_trigger(&trigger.source, &trigger.event_id);
    let systems = systems(wanted, earlier);
    let policy_digest = policy.digest();
    let opened = Happening {
        kind: EventKind::RestorationTriggered,
        at: now,
        actor: trigger.by.clone(),
        action: trigger.kind.clone(),
        outcome: Outcome::Success,
        risk: None,
        facts: json!({
            "trigger": trigger, "policy_digest": policy_digest, "systems": systems,
            "effective_at": wanted.effective_at, "restores": wanted.restores, "permissions": wanted.permissions,
            "measure": wanted.measure, "by_role": wanted.by_role, "called_off": parked(earlier),
        }),
    };
    let case = CaseRecord {
        case_id: case_id.clone(),
        mode: Mode::Reactivate,
        status: CaseStatus::Recorded,
        person: Subject { username: person.username.clone(), employee_id: person.employee_id.clone() },
        reason: wanted.reason.clone(),
        trigger: trigger.clone(),
        policy_digest,
        created_at: now,
        dates: Dates::default(),
        effective_at: wanted.effective_at,
        closed_at: None,
        checkpoint_size: None,
        dry_run: false,
        emergency: false,
        preserve_data: false,
        archive: None,
        grants: None,
        permissions: wanted.permissions.clone(),
        moves: None,
        by_role: wanted.by_role,
        restores: wanted.restores.clone(),
        person_was: None,
        measure: wanted.measure.clone(),
        run: 1,
        watch: None,
        systems: systems.clone(),
        findings: Vec::new(),
        log: vec![opened],
        version: 1,
    };
    let queued = systems.into_iter().map(|system| SystemRecord::queued(&case, system)).collect();
    // Only the case by which they left lets them come back; whoever leaves under another one goes on leaving.
    let left_by = earlier.first().filter(|(case, _)| case.mode.shuts()).map(|(case, _)| &case.case_id);
    let returns =
        left_by.is_some() && person.case.as_ref() == left_by && person.status != PersonStatus::Active;
    // Whoever is hired anew while they are here for an emergency is here by that from now on, and no longer by the emergency.
    let stays = left_by.is_some()
        && wanted.by_role
        && wanted.measure.is_none()
        && person.status == PersonStatus::Active;
    let returning = (returns || stays).then(|| Person {
        status: PersonStatus::Active,
        case: Some(case_id.clone()),
        version: person.version + 1,
        ..person.clone()
    });
    Opening {
        mark: mark(trigger, Some(case_id), now),
        person: returning,
        case: Some((case, queued)),
        measure: None,
        ahead: None,
    }
}
