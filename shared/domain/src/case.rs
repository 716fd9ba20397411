//! A case: one person's work opened by one trigger, and what it has done in each system so far.
//!
//! Every record carries the log of what happened to it. The log is what the ledger takes over, so that the table alone
//! can tell what a lost stream record would have told.

mod rows;
mod system;

pub use rows::{revocation, shown};
pub use system::{ActionTaken, MAX_OWNED, Residual, SystemRecord};

use crate::{
    archive::Archive,
    digest::Digest,
    effective::Dates,
    id::{CaseId, EmployeeId, EventId, MeasureId, SystemId, Username},
    intake,
    ledger::{EventKind, Outcome as RowOutcome},
    measure::Permission,
    moving::Change,
    person::PersonStatus,
    risk::RiskLevel,
    time::Timestamp,
    watch::Watch,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Most cases of one person that are gone back over, one before another.
pub const MAX_BACK: usize = 32;

/// What a case does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Everything is taken away for good.
    Leave,
    /// Some grants are taken away, the account stays usable.
    Partial,
    /// The account is shut while something is looked into: it cannot be used, and what it holds stays as it is.
    Suspend,
    /// Access comes back: what an earlier case took, or what was granted for a time.
    Reactivate,
}

impl Mode {
    /// Where it puts its person, where it does not leave them where they are.
    pub fn puts(self) -> Option<PersonStatus> {
        match self {
            Self::Leave => Some(PersonStatus::Leaving),
            Self::Suspend => Some(PersonStatus::Suspended),
            Self::Partial | Self::Reactivate => None,
        }
    }

    /// Whether it takes the use of the whole account, so that giving it back lets its person return.
    pub fn shuts(self) -> bool {
        self.puts().is_some()
    }
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
    /// Given back, and a first fresh read asks for nothing more.
    Restored,
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
    pub const ALL: [Self; 10] = [
        Self::Queued,
        Self::Running,
        Self::AwaitingApproval,
        Self::Revoked,
        Self::Restored,
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
    /// Who did it, once somebody has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<TaskClosed>,
}

/// How a task was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskClosed {
    /// Who says so.
    pub by: Username,
    /// When.
    pub at: Timestamp,
    /// What was done, in their words.
    pub statement: String,
    /// The files that show it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Attachment>,
}

/// A file that somebody gave as evidence; it lies in the evidence bucket under its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// What it was called.
    pub name: String,
    /// Its media type, as whoever gave it said.
    pub media_type: String,
    /// Its length, in bytes.
    pub size: u64,
    /// SHA-256 of its bytes.
    pub sha256: Digest,
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

impl Trigger {
    /// Whether a measure opened the case: a human asked for it and another one decided.
    pub fn is_of_measure(&self) -> bool {
        self.source == "leaver" && self.event_id.as_str().starts_with("measure-")
    }

    /// Whether a case of this mode suspends somebody for what they may have done, and not for not having been here. The end of
    /// emergency access takes again what another case had taken: its reason is that one's, and so is its review.
    pub fn is_violation(&self, mode: Mode) -> bool {
        mode == Mode::Suspend && self.kind != intake::INACTIVE && !self.is_of_measure()
    }
}

/// Where a person stood before a case changed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Where.
    pub status: PersonStatus,
    /// The case that had put them there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case: Option<CaseId>,
    /// What they did. Where it is something else by the time at which access comes back, not all of it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
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
    /// Whoever opened it wants the person's data kept: nothing that may lose some is done, and it is archived.
    #[serde(default, skip_serializing_if = "is_false")]
    pub preserve_data: bool,
    /// The archive of the person's data, where one is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<Archive>,
    /// The grants to take, of a partial case, wherever they are held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grants: Option<BTreeSet<String>>,
    /// Single permissions of single systems: those that a partial case takes, or that one which gives back gives.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub permissions: BTreeSet<Permission>,
    /// The change of position whose time has come with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moves: Option<Change>,
    /// Nothing comes back beyond what the person's role needs now, and no credential: they were hired anew.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_role: bool,
    /// The case whose before-state comes back, of one that gives back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restores: Option<CaseId>,
    /// Where the person stood before this case, of one that has changed it: what they go back to where it is called off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person_was: Option<Standing>,
    /// The measure that holds it, asked for it, or whose end it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure: Option<MeasureId>,
    /// Counts its executions: one that was held or did not finish may get another.
    #[serde(default = "first")]
    pub run: u32,
    /// When its systems are read again after its end, and what came of it; of one that takes everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<Watch>,
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

    /// Whether it was let run: from then on it may have taken, or given, something, whatever its status has become. One that is
    /// tried again, or whose execution died, is recorded anew. The log only grows.
    pub fn has_begun(&self) -> bool {
        let let_run = |line: &Happening| {
            line.kind == EventKind::ValidationCompleted && line.outcome == RowOutcome::Success
        };
        self.log.iter().any(let_run)
    }

    /// Whether what is flagged waits for nobody: in an emergency, and where somebody is suspended for a violation, as what is only
    /// shut can be opened again. Security reviews it afterwards.
    pub fn passes_gate(&self) -> bool {
        self.emergency || self.trigger.is_violation(self.mode)
    }

    /// The measure whose end it is, of one that takes back what a measure gave. One that was held, and released, belongs to a
    /// measure as well, and ends none.
    pub fn ends(&self) -> Option<&MeasureId> {
        self.measure.as_ref().filter(|_| self.trigger.is_of_measure() && self.mode != Mode::Reactivate)
    }

    /// The permissions of one system that it takes or gives.
    pub fn permissions_in(&self, system: &SystemId) -> BTreeSet<String> {
        let here = self.permissions.iter().filter(|permission| permission.system == *system);
        here.map(|permission| permission.grant.clone()).collect()
    }
}

fn first() -> u32 {
    1
}

fn is_false(value: &bool) -> bool {
    !value
}

/// What a case comes to, given its systems.
pub fn fold(systems: &[SystemRecord]) -> CaseStatus {
    if systems.iter().all(SystemRecord::is_finished) {
        CaseStatus::Complete
    } else if systems.iter().any(|system| system.status == SystemStatus::AwaitingApproval) {
        CaseStatus::AwaitingApproval
    } else {
        CaseStatus::Incomplete
    }
}

#[cfg(test)]
mod tests;
