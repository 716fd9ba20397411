//! How a trigger becomes a case: the same rules for the webhook and for the API.
//!
//! Everything a trigger writes goes into one transaction; the execution is started afterwards and may be started by
//! anybody, any number of times, because its name follows from the trigger.

use crate::{
    case::{CaseRecord, CaseStatus, Finding, Happening, Mode, Subject, SystemRecord, Trigger},
    effective::Dates,
    id::CaseId,
    ledger::{EventKind, Outcome},
    person::{Person, PersonStatus},
    policy::Policy,
    ports::{CaseStore, EventMark, Opening, Recorded, Started, StoreError, Workflow},
    time::Timestamp,
};
use serde_json::json;
use std::collections::BTreeSet;

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
    /// The grants to take, of a partial case.
    pub grants: Option<BTreeSet<String>>,
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
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The opening of a case: pure, so that a repeat writes the same.
pub fn open(person: &Person, request: &Request, policy: &Policy, now: Timestamp) -> Opening {
    let case_id = CaseId::of_trigger(&request.trigger.source, &request.trigger.event_id);
    let mut findings = Vec::new();
    let protected = person.protected || policy.protected.contains(&person.username);
    if protected {
        let detail = format!("{} is a protected account: a human decides", person.username);
        findings.push(Finding { kind: "protected_account".into(), detail, at: now });
    }
    if let Some(hold) = &person.legal_hold {
        let detail = format!("legal hold: access goes, nothing is deleted ({})", hold.reason);
        findings.push(Finding { kind: "legal_hold".into(), detail, at: now });
    }
    if request.emergency {
        let detail =
            "the risk gate is passed as an emergency; it has to be reviewed by somebody else".to_owned();
        findings.push(Finding { kind: "emergency".into(), detail, at: now });
    }
    let systems: Vec<_> = policy.systems.keys().cloned().collect();
    let policy_digest = policy.digest();
    let kind = if request.dry_run { EventKind::PlanPreviewed } else { EventKind::RevocationTriggered };
    let opened = Happening {
        kind,
        at: now,
        actor: request.trigger.by.clone(),
        action: request.trigger.kind.clone(),
        outcome: Outcome::Success,
        risk: None,
        facts: json!({
            "trigger": request.trigger, "policy_digest": policy_digest, "systems": systems,
            "effective_at": request.effective_at, "dates": request.dates, "emergency": request.emergency,
            "findings": findings,
        }),
    };
    let case = CaseRecord {
        case_id: case_id.clone(),
        mode: request.mode,
        status: if protected { CaseStatus::Held } else { CaseStatus::Recorded },
        person: Subject { username: person.username.clone(), employee_id: person.employee_id.clone() },
        reason: request.reason.clone(),
        trigger: request.trigger.clone(),
        policy_digest,
        created_at: now,
        dates: request.dates.clone(),
        effective_at: request.effective_at,
        closed_at: None,
        checkpoint_size: None,
        dry_run: request.dry_run,
        emergency: request.emergency,
        grants: request.grants.clone(),
        systems: systems.clone(),
        findings,
        log: vec![opened],
        version: 1,
    };
    let queued = systems.into_iter().map(|system| SystemRecord::queued(&case, system)).collect();
    let leaving = (!request.dry_run && request.mode == Mode::Leave).then(|| Person {
        status: PersonStatus::Leaving,
        case: Some(case_id.clone()),
        version: person.version + 1,
        ..person.clone()
    });
    let mark = EventMark {
        source: request.trigger.source.clone(),
        event_id: request.trigger.event_id.clone(),
        kind: request.trigger.kind.clone(),
        body: request.trigger.body,
        case_id: Some(case_id),
        received_at: now,
    };
    Opening { mark, person: leaving, case: Some((case, queued)) }
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
    let mut person = person.clone();
    for _ in 0..TRIES {
        let opening = open(&person, request, policy, now);
        let recorded = match store.record(&opening).await {
            Err(StoreError::Conflict) => {
                // The person changed in between: decide again on what they are now.
                let again = store.person(&person.username).await?;
                person = again.ok_or_else(|| Refused::UnknownPerson(person.username.to_string()))?;
                continue;
            }
            other => other?,
        };
        let known = match recorded {
            Recorded::Known(mark) if mark.body != request.trigger.body => return Err(Refused::Reused),
            Recorded::Known(_) => true,
            Recorded::New => false,
        };
        let case_id = CaseId::of_trigger(&request.trigger.source, &request.trigger.event_id);
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
        match workflow.start(&case_id).await {
            Ok(Started::New | Started::Already) => {}
            Err(error) => failed = Some(error),
        }
    }
    Ok((Receipt { case_id, status: case.status, duplicate }, failed))
}
