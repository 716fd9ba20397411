//! Picks up what was left behind. A recorded case whose time has come and that has no execution is started: a process
//! that died between recording and starting, and a termination that lies in the future, are the same to it. A case whose
//! execution ended before it was through gets another one. One whose rows the stream lost gets them into the log, from what
//! the case table says; one that a checkpoint covers by now is closed, also where its execution has given up waiting. A task
//! that nobody did in time, or whose owner has left, is handed on; what only waits for its vendor is tried again. A case that is through is looked at again when its day has come.

mod retry;
mod watch;

use leaver_domain::{
    case::{CaseRecord, CaseStatus},
    id::{CaseId, Username},
    ledger::{Appending, append},
    policy::Policy,
    ports::{CaseStore, Execution, Started, StoreError, Workflow},
    sealing::{self, Coverage, rows_of},
    tasks::{self, Host},
    time::Timestamp,
};
use serde::Serialize;
use std::collections::BTreeSet;

/// Most cases started, and most cases sealed, in one go.
const LIMIT: usize = 200;
/// Most open tasks that are looked through: those that were handed on already stay in the list.
const TASKS: usize = 1_000;
/// For how long, in seconds, one execution looks after a case's transfers, or reads the logs that are owed.
const SLOT: i64 = 60;

/// What the function works with.
pub struct Sweep<'a> {
    /// The settings in force.
    pub policy: &'a Policy,
    /// The case table.
    pub store: &'a dyn CaseStore,
    /// The workflow engine.
    pub workflow: &'a dyn Workflow,
    /// The log, and what appending to it takes.
    pub log: Appending<'a>,
    /// Now.
    pub now: Timestamp,
}

/// What one sweep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Swept {
    /// Cases whose time had come.
    pub due: usize,
    /// Executions started now.
    pub started: usize,
    /// Cases that got another execution, because theirs had ended before them.
    pub revived: usize,
    /// Rows that the stream had lost and that are in the log now.
    pub recovered: usize,
    /// Cases that a checkpoint covers now.
    pub sealed: usize,
    /// Cases whose open transfers of ownership are looked after.
    pub followed: usize,
    /// Executions that read the logs that are still owed.
    pub logs: usize,
    /// Incomplete cases that are tried again, as a vendor may be back by now.
    pub retried: usize,
    /// Tasks that went to somebody else.
    pub handed_on: usize,
    /// Cases that are through and are looked at again.
    pub reverifying: usize,
    /// Cases and tasks with which something went wrong; the next sweep tries again.
    pub failed: usize,
}

/// Sweeps once.
///
/// # Errors
/// Where the table cannot be read.
pub async fn handle(sweep: &Sweep<'_>) -> Result<Swept, StoreError> {
    let mut swept = Swept::default();
    // What one part meets keeps no other from its work.
    let started = start_due(sweep, &mut swept).await;
    let sealed = seal_all(sweep, &mut swept).await;
    let handed_on = hand_on(sweep, &mut swept).await;
    let looked = watch::look_again(sweep, &mut swept).await;
    let followed = follow(sweep, &mut swept).await;
    let read = read_logs(sweep, &mut swept).await;
    started.and(sealed).and(handed_on).and(looked).and(followed).and(read).map(|()| swept)
}

async fn start_due(sweep: &Sweep<'_>, swept: &mut Swept) -> Result<(), StoreError> {
    for case in sweep.store.due(sweep.now, LIMIT).await? {
        swept.due += 1;
        if let Err(error) = start(sweep, &case, swept).await {
            tracing::error!(%case, %error, "could not be started");
            swept.failed += 1;
        }
    }
    Ok(())
}

async fn start(sweep: &Sweep<'_>, case: &CaseId, swept: &mut Swept) -> Result<(), StoreError> {
    // The index is a little behind: it may be no longer due.
    let record = sweep.store.case(case).await?.filter(|record| record.status == CaseStatus::Recorded);
    let Some(record) = record else { return Ok(()) };
    match sweep.workflow.start(&Execution::of_case(&record)).await? {
        Started::New => {
            tracing::info!(%case, "started by the sweep");
            swept.started += 1;
        }
        // It has one that is about to begin, or one that failed before it could do anything.
        Started::Already => revive(sweep, &record, swept).await,
    }
    Ok(())
}

async fn seal_all(sweep: &Sweep<'_>, swept: &mut Swept) -> Result<(), StoreError> {
    for case in sweep.store.unsealed(sweep.now, LIMIT).await? {
        if let Err(error) = seal(sweep, &case, swept).await {
            tracing::error!(%case, %error, "could not be sealed");
            swept.failed += 1;
        }
    }
    Ok(())
}

/// Has the open transfers of ownership looked at. Only the adapters reach the vendors, so that an execution does it; within a
/// slot of time a case gets one.
async fn follow(sweep: &Sweep<'_>, swept: &mut Swept) -> Result<(), StoreError> {
    let due = sweep.store.transfers_due(sweep.now, LIMIT).await?;
    let cases: BTreeSet<CaseId> = due.into_iter().map(|(case, _)| case).collect();
    for case in cases {
        let execution = Execution::Transfers { case, slot: sweep.now.seconds() / SLOT };
        match sweep.workflow.start(&execution).await {
            Ok(Started::New) => swept.followed += 1,
            Ok(Started::Already) => {}
            Err(error) => {
                tracing::error!(execution = execution.name(), %error, "transfers could not be looked after");
                swept.failed += 1;
            }
        }
    }
    Ok(())
}

/// Has the logs read that are still owed, of all systems by one execution: it goes through them one after another.
async fn read_logs(sweep: &Sweep<'_>, swept: &mut Swept) -> Result<(), StoreError> {
    for system in sweep.policy.automatic() {
        if sweep.store.logs_due(system, sweep.now, 1).await?.is_empty() {
            continue;
        }
        let execution = Execution::Logs { slot: sweep.now.seconds() / SLOT };
        if sweep.workflow.start(&execution).await? == Started::New {
            swept.logs += 1;
        }
        break;
    }
    Ok(())
}

/// Hands on the tasks that wait for too long, or for somebody who is gone, and has tried again what only waits for its vendor.
async fn hand_on(sweep: &Sweep<'_>, swept: &mut Swept) -> Result<(), StoreError> {
    let mut hosts = Vec::new();
    for task in sweep.store.tasks(TASKS).await? {
        match Host::find(sweep.store, &task).await {
            Ok(host) => hosts.extend(host),
            Err(error) => {
                tracing::error!(%task, %error, "cannot be read");
                swept.failed += 1;
            }
        }
    }
    retry::again(sweep, &hosts, swept).await;
    if hosts.is_empty() {
        return Ok(());
    }
    let owners: BTreeSet<Username> = hosts.iter().flat_map(Host::owners).collect();
    let named = owners.iter().chain(&sweep.policy.approvals.security_team);
    let gone = tasks::gone(sweep.store, named).await?;
    for host in hosts {
        let task = host.id();
        match hand_on_one(sweep, host, &gone).await {
            Ok(true) => {
                tracing::warn!(%task, alarm = "task_handed_on", "overdue, or its owner is leaving");
                swept.handed_on += 1;
            }
            Ok(false) => {}
            Err(error) => {
                tracing::error!(%task, %error, "could not be handed on");
                swept.failed += 1;
            }
        }
    }
    Ok(())
}

/// Hands on one task, where it is to be. Two tasks of one case change the same case record: the second looks again.
async fn hand_on_one(sweep: &Sweep<'_>, host: Host, gone: &BTreeSet<Username>) -> Result<bool, StoreError> {
    let write = async |host: &Host| match tasks::hand_on(sweep.policy, host, gone, sweep.now) {
        Some(changes) => sweep.store.commit(&changes).await.map(|()| true),
        None => Ok(false),
    };
    match write(&host).await {
        Err(StoreError::Conflict) => {}
        other => return other,
    }
    match Host::find(sweep.store, &host.id()).await? {
        Some(host) => write(&host).await,
        None => Ok(false),
    }
}

/// Gives a case that is not through another execution, where its own has ended. Every step finds what was done already, and
/// what a human has decided stands.
async fn revive(sweep: &Sweep<'_>, case: &CaseRecord, swept: &mut Swept) {
    match again(sweep, case).await {
        Ok(true) => {
            tracing::error!(case = %case.case_id, alarm = "execution_died", "its execution had ended: it got another");
            swept.revived += 1;
        }
        // Its execution is at it, or somebody else was faster.
        Ok(false) | Err(StoreError::Conflict) => {}
        Err(error) => {
            tracing::error!(case = %case.case_id, %error, "could not get another execution");
            swept.failed += 1;
        }
    }
}

async fn again(sweep: &Sweep<'_>, case: &CaseRecord) -> Result<bool, StoreError> {
    if !sweep.workflow.has_ended(&Execution::of_case(case)).await? {
        return Ok(false);
    }
    let mut case = case.clone();
    case.status = CaseStatus::Recorded;
    case.run += 1;
    case.version += 1;
    sweep.store.put_case(&case).await?;
    sweep.workflow.start(&Execution::of_case(&case)).await.map(|_| true)
}

/// Gets what is missing of a case into the log, or closes it where everything is published.
async fn seal(sweep: &Sweep<'_>, id: &CaseId, swept: &mut Swept) -> Result<(), StoreError> {
    let Some(case) = sweep.store.case(id).await? else { return Ok(()) };
    let systems = sweep.store.systems(id).await?;
    match sealing::coverage(sweep.log.store, rows_of(&case, &systems)).await? {
        Coverage::Missing(rows) => {
            tracing::error!(case = %id, rows = rows.len(), alarm = "ledger_rows_lost", "the stream lost rows");
            let tally = append(&sweep.log, rows).await?;
            swept.recovered += tally.appended;
        }
        // One under way gets more rows, and its own last step looks after it.
        Coverage::There { published: Some(size), .. }
            if case.is_closing() || (case.status.is_settled() && case.checkpoint_size.is_none()) =>
        {
            sealing::seal(sweep.store, &case, size, sweep.now).await?;
            tracing::info!(case = %id, size, "sealed by the sweep");
            swept.sealed += 1;
        }
        Coverage::There { .. } => {}
    }
    let under_way = matches!(case.status, CaseStatus::Running | CaseStatus::AwaitingApproval);
    if under_way && !case.is_closing() {
        revive(sweep, &case, swept).await;
    }
    Ok(())
}
