//! The first step of an execution: validates the case once more at its time, and says which systems to work on.

use leaver_domain::{
    case::{CaseRecord, CaseStatus, Finding, Happening},
    fault::{Fault, FaultKind},
    id::CaseId,
    ledger::{EventKind, Outcome},
    policy::Policy,
    ports::{CaseStore, StoreError},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// What the function works with.
pub struct Plan<'a> {
    /// The settings in force.
    pub policy: &'a Policy,
    /// The case table.
    pub store: &'a dyn CaseStore,
    /// Now.
    pub now: Timestamp,
}

/// A case to plan, or a check of every adapter.
#[derive(Debug, Clone, Deserialize)]
pub struct Input {
    /// The case.
    #[serde(default)]
    pub case_id: Option<CaseId>,
    /// Name of the check, where it is one.
    #[serde(default)]
    pub check: Option<String>,
}

/// One item of the Map.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Item {
    /// The case; `None` in a check.
    pub case_id: Option<CaseId>,
    /// The system.
    pub system: String,
    /// `run` or `check`.
    pub step: &'static str,
}

/// What the state machine goes on with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Output {
    /// The case; `None` in a check.
    pub case_id: Option<CaseId>,
    /// The items of the Map.
    pub systems: Vec<Item>,
    /// How long to wait before everything is read again.
    pub verification_delay_seconds: u32,
}

fn store(error: StoreError) -> Fault {
    Fault::new(FaultKind::Internal, error.to_string())
}

/// Plans one case.
///
/// # Errors
/// `Internal` where the table fails or the input names no case; the state machine tries again.
pub async fn handle(plan: &Plan<'_>, input: Input) -> Result<Output, Fault> {
    if input.check.is_some() {
        let systems = plan.policy.systems.keys().map(|system| item(None, system.as_str(), "check")).collect();
        return Ok(Output { case_id: None, systems, verification_delay_seconds: 0 });
    }
    let id = input.case_id.ok_or_else(|| Fault::new(FaultKind::Internal, "the execution names no case"))?;
    let case = plan.store.case(&id).await.map_err(store)?;
    let case = case.ok_or_else(|| Fault::new(FaultKind::Internal, format!("there is no case {id}")))?;
    let case = match case.status {
        CaseStatus::Recorded => validate(plan, case).await?,
        _ => case,
    };
    let runs = case.status == CaseStatus::Running;
    let systems = case.systems.iter().filter(|_| runs);
    Ok(Output {
        systems: systems.map(|system| item(Some(id.clone()), system.as_str(), "run")).collect(),
        case_id: Some(id),
        verification_delay_seconds: plan.policy.timing.verification_delay_seconds,
    })
}

fn item(case_id: Option<CaseId>, system: &str, step: &'static str) -> Item {
    Item { case_id, system: system.to_owned(), step }
}

/// Identity and exceptions as they are now: what was true when the trigger came may have changed since.
async fn validate(plan: &Plan<'_>, mut case: CaseRecord) -> Result<CaseRecord, Fault> {
    let person = plan.store.person(&case.person.username).await.map_err(store)?;
    let problem = match &person {
        None => Some(("unknown_person", "the person is not known any more")),
        Some(person) if person.employee_id != case.person.employee_id => {
            Some(("identity_conflict", "the username belongs to somebody else now"))
        }
        Some(person) if person.protected || plan.policy.protected.contains(&person.username) => {
            Some(("protected_account", "the account is protected: a human decides"))
        }
        Some(_) if case.effective_at > plan.now => Some(("too_early", "its time has not come")),
        Some(_) => None,
    };
    if let Some(("too_early", why)) = problem {
        return Err(Fault::new(FaultKind::Conflict, format!("{}: {why}", case.case_id)));
    }
    let outcome = if problem.is_none() { Outcome::Success } else { Outcome::Pending };
    case.status = if problem.is_none() { CaseStatus::Running } else { CaseStatus::Held };
    let found = problem.map(|(kind, why)| Finding { kind: kind.into(), detail: why.into(), at: plan.now });
    case.findings.extend(found.clone());
    case.log.push(Happening {
        kind: EventKind::ValidationCompleted,
        at: plan.now,
        actor: "leaver/plan".into(),
        action: "validate".into(),
        outcome,
        risk: None,
        facts: json!({
            "systems": case.systems, "policy_digest": plan.policy.digest(), "finding": found,
            "legal_hold": person.and_then(|person| person.legal_hold).map(|hold| hold.reason),
        }),
    });
    case.version += 1;
    match plan.store.put_case(&case).await {
        Ok(()) => Ok(case),
        // Another attempt of this very step was faster, or the case was called off: what is stored counts.
        Err(StoreError::Conflict) => Err(Fault::new(FaultKind::Conflict, "the case was changed meanwhile")),
        Err(error) => Err(store(error)),
    }
}
