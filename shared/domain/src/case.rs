//! A case: one person's work opened by one trigger, and what it has done in each system so far.
//!
//! Every record carries the log of what happened to it. The log is what the ledger takes over, so that the table alone
//! can tell what a lost stream record would have told.

use crate::{
    digest::Digest,
    effective::Dates,
    fault::Fault,
    id::{CaseId, EmployeeId, EventId, SystemId, Username},
    inventory::State,
    ledger::{EventKind, Outcome as RowOutcome},
    plan::{Action, ActionKey, Outcome, Plan},
    risk::{RiskLevel, RiskSummary},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What a case does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Everything is taken away for good.
    Leave,
    /// Some grants are taken away, the account stays usable.
    Partial,
}

/// Where a case stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseStatus {
    /// Written down; its execution has not begun.
    Recorded,
    /// Stopped before anything was done; a human decides.
    Held,
    /// Under way.
    Running,
    /// A flagged system waits for a human; the others are done.
    AwaitingApproval,
    /// Every system is verified, not applicable, or a closed manual task.
    Complete,
    /// Something is left to be done by a human.
    Incomplete,
    /// Called off before it began.
    Cancelled,
    /// Refused at validation.
    Rejected,
}

impl CaseStatus {
    /// Every status, in the order of declaration.
    pub const ALL: [Self; 8] = [
        Self::Recorded,
        Self::Held,
        Self::Running,
        Self::AwaitingApproval,
        Self::Complete,
        Self::Incomplete,
        Self::Cancelled,
        Self::Rejected,
    ];

    /// Whether its execution has come to an end.
    pub fn is_settled(self) -> bool {
        !matches!(self, Self::Recorded | Self::Running)
    }
}

/// Where one system of a case stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SystemStatus {
    /// Not begun.
    Queued,
    /// The before-state is kept; writing may have begun.
    Running,
    /// Flagged; a human decides. Nothing was written.
    AwaitingApproval,
    /// Applied, and a first fresh read asks for nothing more.
    Revoked,
    /// The delayed, independent read asks for nothing more either.
    Verified,
    /// The person has no account here.
    NotApplicable,
    /// A human said no.
    Denied,
    /// leaver could not finish; its owner has the task.
    ManualTask,
    /// The last attempt failed; another may follow.
    Failed,
}

impl SystemStatus {
    /// Every status, in the order of declaration.
    pub const ALL: [Self; 9] = [
        Self::Queued,
        Self::Running,
        Self::AwaitingApproval,
        Self::Revoked,
        Self::Verified,
        Self::NotApplicable,
        Self::Denied,
        Self::ManualTask,
        Self::Failed,
    ];

    /// Whether nothing more has to happen for the case to be complete.
    pub fn is_finished(self) -> bool {
        matches!(self, Self::Verified | Self::NotApplicable)
    }
}

/// What a human has to do where leaver cannot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Who.
    pub owner: Username,
    /// What.
    pub instructions: String,
    /// When it was given.
    pub opened_at: Timestamp,
    /// Until when.
    pub due_at: Timestamp,
}

/// Something about a case or an event that a human should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// A stable name of its kind, such as `unknown_person`.
    pub kind: String,
    /// What it is about, in one sentence.
    pub detail: String,
    /// When it was found.
    pub at: Timestamp,
}

/// What opened a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    /// `hris` or `api`.
    pub source: String,
    /// The source's number for the event.
    pub event_id: EventId,
    /// Who is answerable for it: the HRIS, or a user of the API.
    pub by: String,
    /// What kind of event it was.
    pub kind: String,
    /// When the source says it happened.
    pub at: Timestamp,
    /// When leaver received it.
    pub received_at: Timestamp,
    /// SHA-256 of what was received.
    pub body: Digest,
}

/// The person as the case names them; what the HRIS knows beyond stays with the person's own record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Login name in the directory.
    pub username: Username,
    /// The HRIS's number.
    pub employee_id: EmployeeId,
}

/// One thing that happened, as the ledger will hold it. Its place in the log is its identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Happening {
    /// What kind of event.
    pub kind: EventKind,
    /// When.
    pub at: Timestamp,
    /// Who did it: a user, `hris`, or `leaver/<function>`.
    pub actor: String,
    /// What was done, in words.
    pub action: String,
    /// How it came out.
    pub outcome: RowOutcome,
    /// What the risk rules said, where they were asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<RiskLevel>,
    /// Further facts, fixed at the time.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub facts: serde_json::Value,
}

/// A case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseRecord {
    /// Its id, which follows from the trigger.
    pub case_id: CaseId,
    /// What it does.
    pub mode: Mode,
    /// Where it stands.
    pub status: CaseStatus,
    /// Whose access.
    pub person: Subject,
    /// Why, in the words of whoever asked.
    pub reason: String,
    /// What opened it.
    pub trigger: Trigger,
    /// The settings it runs under.
    pub policy_digest: Digest,
    /// When it was written down.
    pub created_at: Timestamp,
    /// The dates as they were given.
    pub dates: Dates,
    /// When access ends.
    pub effective_at: Timestamp,
    /// When it was settled for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
    /// How many rows the checkpoint had that first covered every row of this case; `None` as long as one is not
    /// covered. Whoever adds a line to the case's logs later takes it away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint_size: Option<u64>,
    /// Only look and plan.
    pub dry_run: bool,
    /// Pass the risk gate at once; reviewed afterwards.
    pub emergency: bool,
    /// The grants to take, of a partial case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grants: Option<BTreeSet<String>>,
    /// Which systems it is about.
    pub systems: Vec<SystemId>,
    /// What a human should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// What happened to the case as a whole.
    pub log: Vec<Happening>,
    /// Raised by one with every write.
    pub version: u64,
}

impl CaseRecord {
    /// Whether it came to its end and only waits for a checkpoint that covers its rows.
    pub fn is_closing(&self) -> bool {
        let ended = self.log.last().is_some_and(|line| line.kind == EventKind::CaseClosed);
        ended && self.status == CaseStatus::Running
    }
}

/// One action done, with its outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionTaken {
    /// What was done.
    pub action: Action,
    /// What became of it.
    pub outcome: Outcome,
    /// When the vendor answered.
    pub at: Timestamp,
}

/// Access that is known to outlive its revocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Residual {
    /// What lives on.
    pub what: String,
    /// Until when; `None` where nobody can say.
    pub until: Option<Timestamp>,
}

/// One system of a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemRecord {
    /// Which case.
    pub case_id: CaseId,
    /// Which system.
    pub system: SystemId,
    /// Whose access.
    pub person: Subject,
    /// Where it stands.
    pub status: SystemStatus,
    /// What the risk rules said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<RiskSummary>,
    /// What is, or was, to be done.
    #[serde(default, skip_serializing_if = "Plan::is_empty")]
    pub plan: Plan,
    /// What an approval binds to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_digest: Option<Digest>,
    /// Before anything was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<State>,
    /// As the newest fresh read found it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<State>,
    /// What was done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<ActionTaken>,
    /// When the first attempt began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When the first fresh read asked for nothing more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
    /// When the delayed, independent read did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_at: Option<Timestamp>,
    /// What is known to live on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub residuals: Vec<Residual>,
    /// How often it was tried.
    pub attempts: u32,
    /// The last failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// What its owner has to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<Task>,
    /// What happened here.
    pub log: Vec<Happening>,
    /// Raised by one with every write.
    pub version: u64,
}

impl SystemRecord {
    /// One queued for a case.
    pub fn queued(case: &CaseRecord, system: SystemId) -> Self {
        Self {
            case_id: case.case_id.clone(),
            system,
            person: case.person.clone(),
            status: SystemStatus::Queued,
            risk: None,
            plan: Plan::default(),
            plan_digest: None,
            before: None,
            after: None,
            actions: Vec::new(),
            started_at: None,
            revoked_at: None,
            verified_at: None,
            residuals: Vec::new(),
            attempts: 0,
            fault: None,
            task: None,
            log: Vec::new(),
            version: 1,
        }
    }

    /// The actions that only the vendor's answers evidence, out of everything done so far.
    pub fn receipts(&self) -> BTreeSet<ActionKey> {
        let by_receipt = |taken: &&ActionTaken| taken.action.evidence == crate::plan::Evidence::Receipt;
        self.actions.iter().filter(by_receipt).map(|taken| taken.action.key()).collect()
    }
}

/// What a case comes to, given its systems.
pub fn fold(systems: &[SystemRecord]) -> CaseStatus {
    if systems.iter().all(|system| system.status.is_finished()) {
        CaseStatus::Complete
    } else if systems.iter().any(|system| system.status == SystemStatus::AwaitingApproval) {
        CaseStatus::AwaitingApproval
    } else {
        CaseStatus::Incomplete
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn system(status: SystemStatus) -> SystemRecord {
        let subject = Subject { username: "john".parse().unwrap(), employee_id: "E1".parse().unwrap() };
        let at = Timestamp::from_millis(0).unwrap();
        let trigger = Trigger {
            source: "hris".into(),
            event_id: "e".parse().unwrap(),
            by: "hris".into(),
            kind: "user_terminated".into(),
            at,
            received_at: at,
            body: Digest::ZERO,
        };
        let case = CaseRecord {
            case_id: "c".parse().unwrap(),
            mode: Mode::Leave,
            status: CaseStatus::Running,
            person: subject,
            reason: "r".into(),
            trigger,
            policy_digest: Digest::ZERO,
            created_at: at,
            dates: Dates::default(),
            effective_at: at,
            closed_at: None,
            checkpoint_size: None,
            dry_run: false,
            emergency: false,
            grants: None,
            systems: vec![],
            findings: vec![],
            log: vec![],
            version: 1,
        };
        SystemRecord { status, ..SystemRecord::queued(&case, "okta".parse().unwrap()) }
    }

    #[test]
    fn only_verified_and_not_applicable_make_a_case_complete() {
        use SystemStatus::*;
        for status in SystemStatus::ALL {
            let complete = fold(&[system(Verified), system(status)]) == CaseStatus::Complete;
            assert_eq!(complete, matches!(status, Verified | NotApplicable), "{status:?}");
        }
        assert_eq!(fold(&[system(AwaitingApproval), system(ManualTask)]), CaseStatus::AwaitingApproval);
    }
}
