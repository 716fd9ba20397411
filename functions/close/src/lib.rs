//! The last step of an execution: what is left becomes somebody's task, and the case comes to what its systems say. A
//! revocation is complete only under a published checkpoint that covers all its rows.

mod reverify;

use leaver_domain::{
    approval::ApprovalStatus,
    case::{CaseRecord, CaseStatus, Happening, Mode, SystemRecord, SystemStatus, Task, fold},
    fault::{Fault, FaultKind},
    id::{CaseId, SystemId},
    ledger::{EventKind, Outcome},
    policy::Policy,
    ports::{CaseStore, LedgerStore, Located, StoreError, Wait},
    sealing::{self, Coverage, rows_of},
    tasks,
    time::Timestamp,
    watch::Target,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

/// What the function works with.
pub struct Close<'a> {
    /// The settings in force.
    pub policy: &'a Policy,
    /// The case table.
    pub store: &'a dyn CaseStore,
    /// The log.
    pub ledger: &'a dyn LedgerStore,
    /// Tells the time.
    pub clock: &'a (dyn Fn() -> Timestamp + Send + Sync),
    /// Waits between two looks at the log.
    pub wait: Wait<'a>,
    /// How many looks at the log one invocation may take.
    pub tries: u32,
}

/// How long to wait between two looks at the log.
const POLL: Duration = Duration::from_millis(400);

/// The case to close, or the results of a check.
#[derive(Debug, Clone, Deserialize)]
pub struct Input {
    /// The case; `None` after a check.
    #[serde(default)]
    pub case_id: Option<CaseId>,
    /// The one system that could not be finished and is to be handed over, while the case goes on.
    #[serde(default)]
    pub system: Option<SystemId>,
    /// What the items answered.
    #[serde(default)]
    pub systems: Vec<Value>,
    /// The look at a case that is through, where it is one.
    #[serde(default)]
    pub reverify: Option<Target>,
}

/// What the execution comes to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Output {
    /// The case; `None` after a check.
    pub case_id: Option<CaseId>,
    /// Where the case stands; `None` after a check.
    pub status: Option<CaseStatus>,
    /// The results of a check.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub systems: Vec<Value>,
}

fn store(error: StoreError) -> Fault {
    let kind = if error == StoreError::Conflict { FaultKind::Conflict } else { FaultKind::Internal };
    Fault::new(kind, error.to_string())
}

/// Closes one case, as far as it can be closed; or gives one of its systems to its owner.
///
/// # Errors
/// `Internal` where a table fails, `Conflict` where somebody else changed a record, `Unpublished` where the log is not
/// yet as far as the case; the state machine tries again.
pub async fn handle(close: &Close<'_>, input: Input) -> Result<Output, Fault> {
    if let Some(of) = &input.reverify {
        let status = reverify::fold(close, of).await?;
        return Ok(Output {
            case_id: Some(of.case_id.clone()),
            status: Some(status),
            systems: input.systems,
        });
    }
    let Some(id) = input.case_id else {
        return Ok(Output { case_id: None, status: None, systems: input.systems });
    };
    let mut case = known(close, &id).await?;
    if let Some(system) = input.system {
        let record = close.store.system(&id, &system).await.map_err(store)?;
        if let Some(mut record) = record.filter(|_| !case.dry_run) {
            hand_over(close, case.mode, &mut record).await?;
        }
        return Ok(Output { case_id: Some(id), status: Some(case.status), systems: Vec::new() });
    }
    let open = matches!(case.status, CaseStatus::Running | CaseStatus::AwaitingApproval);
    if open && !case.is_closing() {
        case = decide(close, case).await?;
    }
    if case.is_closing() {
        case = published(close, case).await?;
    }
    Ok(Output { case_id: Some(id), status: Some(case.status), systems: Vec::new() })
}

async fn known(close: &Close<'_>, id: &CaseId) -> Result<CaseRecord, Fault> {
    let case = close.store.case(id).await.map_err(store)?;
    case.ok_or_else(|| Fault::new(FaultKind::Internal, format!("there is no case {id}")))
}

/// What the case comes to. A revocation that is done gets its last row and goes on waiting for the checkpoint.
async fn decide(close: &Close<'_>, mut case: CaseRecord) -> Result<CaseRecord, Fault> {
    let mut systems = close.store.systems(&case.case_id).await.map_err(store)?;
    if !case.dry_run {
        for system in &mut systems {
            hand_over(close, case.mode, system).await?;
        }
    }
    let came_to = match (case.dry_run, systems.iter().any(|system| system.fault.is_some())) {
        (true, false) => CaseStatus::Complete,
        (true, true) => CaseStatus::Incomplete,
        (false, _) => fold(&systems),
    };
    if came_to == CaseStatus::Complete {
        // Nothing was changed by a dry run, so that nothing has to be proved before its asker is answered.
        let rows = if case.dry_run { Vec::new() } else { recorded(close, &case, &systems).await? };
        finish(close, &mut case, &systems, &rows);
    }
    case.status = match came_to {
        // Complete only under a checkpoint; until then it goes on.
        CaseStatus::Complete if !case.dry_run => CaseStatus::Running,
        other => other,
    };
    case.version += 1;
    close.store.put_case(&case).await.map_err(store)?;
    Ok(case)
}

/// Waits until every row of the case so far is in the log, and tells where.
async fn recorded(
    close: &Close<'_>,
    case: &CaseRecord,
    systems: &[SystemRecord],
) -> Result<Vec<Located>, Fault> {
    for _ in 0..close.tries {
        let coverage = sealing::coverage(close.ledger, rows_of(case, systems)).await.map_err(store)?;
        if let Coverage::There { rows, .. } = coverage {
            return Ok(rows);
        }
        (close.wait)(POLL).await;
    }
    Err(Fault::new(FaultKind::Unpublished, "rows of the case are not in the ledger yet".to_owned()))
}

/// Waits until a published checkpoint covers the whole case, and completes it.
async fn published(close: &Close<'_>, case: CaseRecord) -> Result<CaseRecord, Fault> {
    let systems = close.store.systems(&case.case_id).await.map_err(store)?;
    let mut needed = None;
    for _ in 0..close.tries {
        needed = match needed {
            // Where the rows stand does not change any more: only the checkpoint is asked for.
            Some(needed) => Some(needed),
            None => match sealing::coverage(close.ledger, rows_of(&case, &systems)).await.map_err(store)? {
                Coverage::Missing(_) => None,
                Coverage::There { rows, .. } => rows.last().map(|last| last.seq + 1),
            },
        };
        let newest = sealing::published(close.ledger).await.map_err(store)?.map(|checkpoint| checkpoint.size);
        if let Some(size) = newest.filter(|size| needed.is_some_and(|needed| *size >= needed)) {
            return sealing::seal(close.store, &case, size, (close.clock)()).await.map_err(store);
        }
        (close.wait)(POLL).await;
    }
    Err(Fault::new(FaultKind::Unpublished, "no published checkpoint covers the case yet".to_owned()))
}

/// Gives a system that leaver could not finish to its owner.
async fn hand_over(close: &Close<'_>, mode: Mode, system: &mut SystemRecord) -> Result<(), Fault> {
    use SystemStatus::{Denied, ManualTask};
    if system.is_finished() || system.asking().is_some() || system.task.is_some() {
        return Ok(());
    }
    let owner = tasks::owner_now(close.store, close.policy, &system.system, &system.person.username).await;
    let Some(owner) = owner.map_err(store)? else {
        return Err(Fault::new(FaultKind::Internal, format!("policy has no owner for {}", system.system)));
    };
    let why = instructions(mode, system);
    let due_at = (close.clock)().plus(Duration::from_secs(close.policy.timing.manual_task_seconds.into()));
    let task = Task { owner, instructions: why, opened_at: (close.clock)(), due_at, closed: None };
    let facts = json!({"fault": system.fault, "attempts": system.attempts});
    tasks::give(system, task, "leaver/close", &facts);
    // What somebody denied stays denied: the task is to say what happens instead.
    if system.status != Denied {
        system.status = ManualTask;
    }
    system.version += 1;
    close.store.put_system(system).await.map_err(store)
}

/// What the owner is asked to do, and why leaver could not.
fn instructions(mode: Mode, system: &SystemRecord) -> String {
    let decided = system.approval.as_ref().map(|approval| (approval.status, approval.decisions.last()));
    match (decided, &system.fault) {
        (Some((ApprovalStatus::Denied, Some(denied))), _) => format!(
            "{} said no: {}. Access stands as it was. Agree with them on what happens instead, do it, and say what was done.",
            denied.by, denied.reason
        ),
        (Some((ApprovalStatus::Expired, _)), _) => {
            "Nobody decided in time, and nothing was changed. Have the \
             revocation decided, or do it by hand, and say what was done."
                .to_owned()
        }
        (_, Some(fault)) if mode == Mode::Reactivate => {
            format!("{} ({})", fault.kind.advice_on_restoring(), fault.detail)
        }
        (_, Some(fault)) => format!("{} ({})", fault.kind.advice(), fault.detail),
        (_, None) => "leaver could not finish this system in time. Look at the account by hand.".to_owned(),
    }
}

/// The case says what each system came to, and names each of its rows, so that none can be missing from an export.
fn finish(close: &Close<'_>, case: &mut CaseRecord, systems: &[SystemRecord], rows: &[Located]) {
    let came_to: BTreeMap<_, _> = systems.iter().map(|system| (&system.system, system.status)).collect();
    let rows: Vec<Value> =
        rows.iter().map(|row| json!({"event_id": row.event_id, "hash": row.hash})).collect();
    let now = (close.clock)();
    if case.dry_run {
        case.closed_at = Some(now);
    }
    case.log.push(Happening {
        kind: EventKind::CaseClosed,
        at: now,
        actor: "leaver/close".into(),
        action: "close".into(),
        outcome: Outcome::Success,
        risk: None,
        facts: if case.dry_run {
            json!({"systems": came_to, "policy_digest": case.policy_digest})
        } else {
            json!({"systems": came_to, "policy_digest": case.policy_digest, "rows": rows})
        },
    });
}
