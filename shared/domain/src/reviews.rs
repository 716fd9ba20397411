//! Reviews: what was done without asking first is looked at afterwards, by somebody else than whoever wanted it.

use crate::{
    approval::{ApprovalPolicy, Shown},
    case::{Happening, Subject, TaskClosed},
    id::{CaseId, ReviewId, Username},
    ledger::{EventKind, Outcome},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{collections::BTreeSet, time::Duration};

/// What is looked at afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewKind {
    /// A case that passed the risk gate as an emergency.
    Emergency,
    /// Access that was given back in an emergency.
    BreakGlass,
    /// An account that was shut while something is looked into.
    Suspension,
    /// A case that takes what was found to be back after a termination.
    Reappeared,
    /// A case whose log, read after access was taken, shows what would have been asked about before.
    LateRisk,
    /// What the person owned and leaver could not give to somebody else.
    TransferFailed,
    /// The canary's case, after which a revoked credential still worked.
    CanaryAlive,
    /// A case by which a contract that is over was to end access, and that was called off.
    ContractNotEnded,
}

impl ReviewKind {
    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Emergency => "emergency",
            Self::BreakGlass => "break_glass",
            Self::Suspension => "suspension",
            Self::Reappeared => "reappeared",
            Self::LateRisk => "late_risk",
            Self::TransferFailed => "transfer_failed",
            Self::CanaryAlive => "canary_alive",
            Self::ContractNotEnded => "contract_not_ended",
        }
    }

    /// What whoever reviews it has to do.
    pub fn instructions(self) -> &'static str {
        match self {
            Self::Emergency => {
                "Access was taken away as an emergency, past the risk gate. See whether the reason held, what was \
                 flagged and passed, and whether anything has to be given back."
            }
            Self::BreakGlass => {
                "Access was given back in an emergency. Once it has ended, see whether the reason held, what was done with \
                 the access (the rows of the case that took it again count what the systems' logs show), and that it is gone."
            }
            Self::Suspension => {
                "Access was shut while something is looked into, past the risk gate; what was there is kept as it was. Find out \
                 what happened, and see what was flagged and passed. Then either give it back with a restore of this case, or end \
                 it with a termination, and say here which, and why."
            }
            Self::LateRisk => {
                "The system's log could not be read when access was taken, and was read now. What it shows would have been \
                 decided about by a human before. See what was done with the access, and what has to follow from that."
            }
            Self::TransferFailed => {
                "leaver could not give this to somebody else. Give it to whoever takes over, by hand, and say here who got it; \
                 or say that nobody needs it."
            }
            Self::CanaryAlive => {
                "A credential of the nightly canary still works although it was revoked and read back as gone. See whether the \
                 system or its adapter is at fault, and whom else of those who left it concerns."
            }
            Self::ContractNotEnded => {
                "The contract is over, and the case that was to end access was called off: nothing ends it any more by itself. \
                 Extend the contract, or have HR correct its last day; or open a termination. Say here which, and why."
            }
            Self::Reappeared => {
                "Access that had been taken away is there again, and this case takes it. Find out who or what gave it \
                 back, see that it cannot happen again, and what was done with the access meanwhile."
            }
        }
    }
}

/// A review.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// Its id, which follows from kind and case.
    pub review_id: ReviewId,
    /// What is looked at.
    pub kind: ReviewKind,
    /// The case.
    pub case: CaseId,
    /// Whose access it was about.
    pub person: Subject,
    /// Why it was done, in the words of whoever asked for it.
    pub reason: String,
    /// Who must not close it: whoever asked, and of access that was given back, who got it and who approved it.
    pub not_by: BTreeSet<String>,
    /// Who has to close it; any one of them.
    pub owners: BTreeSet<Username>,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// From when on it can be closed, where what is looked at lasts until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// Until when.
    pub due_at: Timestamp,
    /// Who did it, once somebody has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<TaskClosed>,
    /// The messages that tell of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shown: Vec<Shown>,
    /// What happened to it.
    pub log: Vec<Happening>,
    /// Raised by one with every write.
    pub version: u64,
}

/// The id of the review that a case asks for.
pub fn id_of(kind: ReviewKind, case: &CaseId) -> ReviewId {
    ReviewId::of_case(kind.name(), case)
}

/// Who can review: the security team without whoever asked, the person whose access it was about, and who is gone.
pub fn owners(
    policy: &ApprovalPolicy,
    not_by: &BTreeSet<String>,
    subject: &Username,
    gone: &BTreeSet<Username>,
) -> BTreeSet<Username> {
    let fit = |one: &&Username| !not_by.contains(one.as_str()) && *one != subject && !gone.contains(one);
    policy.security_team.iter().filter(fit).cloned().collect()
}

/// What a review is asked for about.
#[derive(Debug, Clone)]
pub struct About<'a> {
    /// What is looked at.
    pub kind: ReviewKind,
    /// The case.
    pub case: &'a CaseId,
    /// Whose access it was about.
    pub person: &'a Subject,
    /// Why it was done.
    pub reason: &'a str,
    /// Who must not close it.
    pub not_by: BTreeSet<String>,
    /// From when on it can be closed; the time that policy allows begins there.
    pub not_before: Option<Timestamp>,
}

/// The review of a case, to be written together with what makes it necessary.
pub fn open(
    policy: &ApprovalPolicy,
    about: About<'_>,
    gone: &BTreeSet<Username>,
    actor: &str,
    now: Timestamp,
) -> Review {
    let owners = owners(policy, &about.not_by, &about.person.username, gone);
    open_for(owners, policy, about, actor, now)
}

/// The same, for somebody else than the security team.
pub fn open_for(
    owners: BTreeSet<Username>,
    policy: &ApprovalPolicy,
    about: About<'_>,
    actor: &str,
    now: Timestamp,
) -> Review {
    let About { kind, case, person, reason, not_by, not_before } = about;
    let due_at = not_before.unwrap_or(now).plus(Duration::from_secs(policy.review_seconds.into()));
    let mut line = Happening {
        kind: EventKind::TaskOpened,
        at: now,
        actor: actor.to_owned(),
        action: "open review".into(),
        outcome: Outcome::Pending,
        risk: None,
        facts: json!({
            "kind": kind, "case_id": case, "reason": reason, "owners": owners, "not_by": not_by,
            "instructions": kind.instructions(), "due_at": due_at,
        }),
    };
    if let Some(not_before) = not_before {
        line.facts["not_before"] = json!(not_before);
    }
    Review {
        review_id: id_of(kind, case),
        kind,
        case: case.clone(),
        person: person.clone(),
        reason: reason.to_owned(),
        not_by,
        owners,
        opened_at: now,
        not_before,
        due_at,
        closed: None,
        shown: Vec::new(),
        log: vec![line],
        version: 1,
    }
}
