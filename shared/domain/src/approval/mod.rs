//! A human decides: who is asked, who may, and what a decision is worth.
//!
//! An approval is a value inside the record that it is about, so that a decision and what it decides change in one
//! conditional write. It binds to the digest of what it approves, is used once, and expires.

mod panel;
mod rules;
mod settings;
#[cfg(test)]
mod tests;

pub use panel::{Concerned, Entitlement, entitlement, goes_further, panel};
pub use rules::{Decider, NotDecided, decide, escalate, overdue};
pub use settings::{ApprovalPolicy, Asked, Need, Stricter};

use crate::{
    digest::Digest,
    id::{CaseId, MeasureId, SystemId, Username},
    secret::Secret,
    time::Timestamp,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{fmt, str::FromStr};

/// What somebody decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It is done as shown.
    Approve,
    /// It is not done.
    Deny,
    /// The next level decides.
    Escalate,
}

impl Decision {
    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Deny => "deny",
            Self::Escalate => "escalate",
        }
    }
}

/// Where an approval stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalStatus {
    /// It waits.
    Pending,
    /// Enough have approved.
    Approved,
    /// Somebody said no.
    Denied,
    /// Nobody decided in time. Nothing is done.
    Expired,
}

/// What somebody decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// Who.
    pub by: Username,
    /// What.
    pub decision: Decision,
    /// Why, in their words.
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// By which way: `api` or `slack`.
    pub through: String,
}

/// A message that shows an approval, and what it shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// To whom; `None` in a channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Username>,
    /// Slack's conversation.
    pub channel: String,
    /// Slack's name of the message.
    pub ts: String,
    /// Digest of what it shows, so that it is replaced exactly when something changed.
    pub content: Digest,
}

/// A request for a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// 1 for the first request about this, more where it had to come back.
    pub round: u32,
    /// Who asked for what is to be decided: a username, or `hris`.
    pub requested_by: String,
    /// Whose access it is about; `None` where it is about many people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Username>,
    /// What exactly is decided: the digest of the plan, or of the request.
    pub covers: Digest,
    /// What a decision takes.
    pub need: Need,
    /// When it was asked first.
    pub requested_at: Timestamp,
    /// Which of policy's levels is asked now, from 0.
    pub level: usize,
    /// Who was asked, at every level so far.
    pub asked: Vec<Username>,
    /// When the next level is asked.
    pub due_at: Timestamp,
    /// When nobody can decide any more.
    pub expires_at: Timestamp,
    /// Where it stands.
    pub status: ApprovalStatus,
    /// Who decided what so far.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<Decided>,
    /// Step Functions' callback key while an execution waits. Only the functions' roles can use it; it is never shown.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "exposed")]
    pub task_token: Option<Secret>,
    /// The messages that show it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shown: Vec<Shown>,
}

/// The record itself holds the token: whoever wakes the execution reads it there.
fn exposed<S: Serializer>(token: &Option<Secret>, to: S) -> Result<S::Ok, S::Error> {
    token.as_ref().map(Secret::expose).serialize(to)
}

impl Approval {
    /// Where it stands among those that wait: what has to happen next comes first, and before that, whose decision was not
    /// heard of yet.
    pub fn listed_at(&self) -> Timestamp {
        if self.is_pending() { self.next_at() } else { self.requested_at }
    }

    /// How many have approved.
    pub fn approvals(&self) -> usize {
        self.decisions.iter().filter(|decided| decided.decision == Decision::Approve).count()
    }

    /// Whether it waits.
    pub fn is_pending(&self) -> bool {
        self.status == ApprovalStatus::Pending
    }

    /// When something has to happen next, if nobody decides.
    pub fn next_at(&self) -> Timestamp {
        self.due_at.min(self.expires_at)
    }
}

/// Which approval: one of a system of a case, or one of a measure.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ApprovalId {
    /// A flagged system; the round makes a request that came back another one.
    System {
        /// The case.
        case: CaseId,
        /// The system.
        system: SystemId,
        /// [`Approval::round`].
        round: u32,
    },
    /// A measure.
    Measure(MeasureId),
}

/// A text that names no approval.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no such approval")]
pub struct BadApprovalId;

impl fmt::Display for ApprovalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System { case, system, round } => write!(f, "{case}~{system}~{round}"),
            Self::Measure(measure) => write!(f, "{measure}"),
        }
    }
}

impl FromStr for ApprovalId {
    type Err = BadApprovalId;
    fn from_str(text: &str) -> Result<Self, BadApprovalId> {
        let mut parts = text.split('~');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(measure), None, None, None) => {
                measure.parse().map(Self::Measure).map_err(|_| BadApprovalId)
            }
            (Some(case), Some(system), Some(round), None) => Ok(Self::System {
                case: case.parse().map_err(|_| BadApprovalId)?,
                system: system.parse().map_err(|_| BadApprovalId)?,
                round: round.parse().map_err(|_| BadApprovalId)?,
            }),
            _ => Err(BadApprovalId),
        }
    }
}

impl Serialize for ApprovalId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ApprovalId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'_, str>::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}
