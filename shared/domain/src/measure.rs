//! Measures: what a human asks for and another human decides about, and that often ends by itself: an exception, a
//! temporary grant, emergency access, bringing access back, a later end of a contract, the release of held cases.

use crate::{
    approval::{Approval, ApprovalStatus},
    case::{Happening, Subject},
    digest::Digest,
    id::{BatchId, CaseId, MeasureId, SystemId, Username},
    time::Timestamp,
};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Longest emergency access, in seconds: 24 hours.
pub const MAX_BREAK_GLASS_SECONDS: u64 = 86_400;

/// From what an exception excepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExceptionKind {
    /// Mail goes on being forwarded, and a mailbox delegated, until the end.
    MailForwarding,
    /// Nothing of the person is deleted until the end.
    RetentionHold,
    /// Equipment may come back later.
    EquipmentReturn,
}

/// One permission in one system, by the vendor's id or its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Permission {
    /// The system.
    pub system: SystemId,
    /// The vendor's id of the group, role or policy.
    pub grant: String,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum What {
    /// An exception with an end.
    Exception {
        /// From what.
        what: ExceptionKind,
        /// The exception that this one goes on with, where it renews one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        renews: Option<MeasureId>,
    },
    /// Permissions with an end.
    Grant {
        /// Which.
        permissions: BTreeSet<Permission>,
    },
    /// The access that a case took away, for at most a day and under a named approver's eyes.
    BreakGlass {
        /// The case whose before-state comes back.
        case: CaseId,
    },
    /// The access that a case took away, for good.
    Restore {
        /// The case whose before-state comes back.
        case: CaseId,
    },
    /// The access that somebody who is hired anew needs in their role, out of what the case took by which they left.
    Rehire {
        /// The case by which they left.
        case: CaseId,
    },
    /// A later end of a contract.
    Extension {
        /// The last day. Beside it stands the measure's own `until`, so that it has another name there.
        #[serde(rename = "last_day")]
        until: Date,
    },
    /// A legal hold. It is placed at once: it takes nothing from anybody, so that nobody has to agree.
    Hold,
    /// The end of a legal hold.
    HoldRelease,
    /// Held cases run, or are called off, together.
    Release {
        /// Why they are held: `mass_action`, `protected_account`, `identity_conflict` ...
        held_for: String,
    },
    /// A batch that is larger than the brake lets through is recorded, or called off, as a whole.
    Batch {
        /// The batch.
        batch: BatchId,
        /// How many people it is about.
        people: usize,
        /// SHA-256 of the file that it was asked for with.
        file: Digest,
    },
}

impl What {
    /// The name of its kind.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Exception { .. } => "exception",
            Self::Grant { .. } => "grant",
            Self::BreakGlass { .. } => "break_glass",
            Self::Restore { .. } => "restore",
            Self::Rehire { .. } => "rehire",
            Self::Extension { .. } => "extension",
            Self::Hold => "hold",
            Self::HoldRelease => "hold_release",
            Self::Release { .. } => "release",
            Self::Batch { .. } => "batch",
        }
    }
}

/// Where a measure stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MeasureStatus {
    /// It waits for a decision.
    Requested,
    /// Approved, and its effect is being brought about.
    Approved,
    /// In force, until its end.
    Active,
    /// Its end has come, and what it gave is being taken back.
    Ending,
    /// Over.
    Ended,
    /// Somebody said no.
    Denied,
    /// Nobody decided in time.
    Expired,
}

/// A measure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measure {
    /// Its id, which follows from the request.
    pub measure_id: MeasureId,
    /// What is asked for.
    #[serde(flatten)]
    pub what: What,
    /// Whose access it is about; `None` where it is about many people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<Subject>,
    /// Who asked: a username, `hris` where its case is held, or `leaver` for many cases together.
    pub requested_by: String,
    /// Why, in their words.
    pub reason: String,
    /// When.
    pub requested_at: Timestamp,
    /// When it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Where it stands.
    pub status: MeasureStatus,
    /// Who decides.
    pub approval: Approval,
    /// When it is looked at next, while what it gave is being taken back and that takes its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub look_at: Option<Timestamp>,
    /// What it does to the person's archive, of one that places or ends a legal hold or a retention hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive_hold: Option<ArchiveHold>,
    /// Cases that it opened: those that gave, and those that took back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cases: Vec<CaseId>,
    /// What happened to it.
    pub log: Vec<Happening>,
    /// Raised by one with every write.
    pub version: u64,
}

/// A hold, or its end, on its way to what lies in the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveHold {
    /// When it is looked at next, as long as it has not arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub look_at: Option<Timestamp>,
    /// When every object had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_at: Option<Timestamp>,
    /// How many objects that were.
    #[serde(default)]
    pub objects: usize,
}

impl ArchiveHold {
    /// One that has to be brought to the archive.
    pub fn wanted(now: Timestamp) -> Self {
        Self { look_at: Some(now), done_at: None, objects: 0 }
    }
}

impl Measure {
    /// Whether it is in force.
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.status == MeasureStatus::Active && self.until.is_none_or(|until| now < until)
    }

    /// Where the approval's state puts it, as long as nothing was brought about.
    pub fn follow_approval(&mut self) {
        if self.status == MeasureStatus::Requested {
            self.status = match self.approval.status {
                ApprovalStatus::Pending => MeasureStatus::Requested,
                ApprovalStatus::Approved => MeasureStatus::Approved,
                ApprovalStatus::Denied => MeasureStatus::Denied,
                ApprovalStatus::Expired => MeasureStatus::Expired,
            };
        }
    }

    /// Whose access it is about.
    pub fn username(&self) -> Option<&Username> {
        self.person.as_ref().map(|person| &person.username)
    }
}

/// What an approval of a measure binds to: everything that was asked for.
pub fn digest(what: &What, person: Option<&Subject>, reason: &str, until: Option<Timestamp>) -> Digest {
    Digest::of_json(&(what, person, reason, until)).unwrap_or(Digest::ZERO)
}
