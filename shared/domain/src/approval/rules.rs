//! The rules of deciding. Pure: the caller writes the record back under its version, so that of two who decide at the
//! same instant one wins and the other decides again on what is there then.

use super::{
    Approval, ApprovalPolicy, ApprovalStatus, Concerned, Decided, Decision, Entitlement, Need, panel,
};
use crate::{digest::Digest, id::Username, text, time::Timestamp};
use std::time::Duration;

/// Longest reason, in characters.
const MAX_REASON: usize = 1_000;

/// Who decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decider {
    /// Their login name.
    pub username: Username,
    /// What they may decide.
    pub entitled: Entitlement,
    /// By which way: `api` or `slack`.
    pub through: &'static str,
}

/// Why a decision does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotDecided {
    /// It was decided before, by these.
    #[error("this was decided already: {0}")]
    Already(String),
    /// Too late.
    #[error("this expired at {0}; nothing was done. The owner of the system has a task, or ask again")]
    Expired(Timestamp),
    /// About oneself.
    #[error("nobody decides about their own access; somebody else has to")]
    OwnPerson,
    /// About one's own request.
    #[error("nobody decides about what they asked for themselves; somebody else has to")]
    OwnRequest,
    /// About held cases of which one is theirs.
    #[error(
        "one of the held cases is about you, or was opened by you; somebody else has to decide. Single cases can be called \
         off before: leaver case cancel"
    )]
    OwnCase,
    /// The right comes through the person whom it is about.
    #[error("you could decide this only by standing in for the person whom it is about")]
    ThroughSubject,
    /// No right.
    #[error("this needs an approver whom policy names")]
    NotEntitled,
    /// Not enough right.
    #[error("policy asks for somebody of the security team here")]
    SecurityNeeded,
    /// Somebody else was named.
    #[error("this can be decided only by {0}")]
    Named(String),
    /// They approved before, and somebody else has to as well.
    #[error("you have approved this; one more approver is needed")]
    Twice,
    /// Nobody is left to be asked.
    #[error("there is no further level to escalate to; approve or deny")]
    NoFurtherLevel,
    /// The reason cannot be taken.
    #[error("the reason is {0}")]
    Reason(String),
}

impl Approval {
    /// A request, put to the first level that has somebody to ask.
    pub fn ask(
        policy: &ApprovalPolicy,
        concerned: &Concerned<'_>,
        covers: Digest,
        need: Need,
        round: u32,
        now: Timestamp,
    ) -> Self {
        let after = |seconds: u32| now.plus(Duration::from_secs(seconds.into()));
        let mut asked = match need.only.is_empty() {
            true => panel(policy, 0, &need, concerned),
            false => need.only.iter().cloned().collect(),
        };
        if let Some(manager) = concerned.manager()
            && need.manager
            && need.only.is_empty()
            && !asked.contains(manager)
        {
            asked.push(manager.clone());
        }
        Self {
            round,
            requested_by: concerned.requested_by.to_owned(),
            subject: concerned.subject.map(|person| person.username.clone()),
            covers,
            need,
            requested_at: now,
            level: 0,
            asked,
            due_at: after(policy.sla_seconds),
            expires_at: after(policy.expires_seconds),
            status: ApprovalStatus::Pending,
            decisions: Vec::new(),
            task_token: None,
            shown: Vec::new(),
        }
    }

    fn settled_by(&self) -> String {
        let last = self.decisions.last();
        last.map_or_else(String::new, |last| {
            format!("{} by {} at {}", last.decision.name(), last.by, last.at)
        })
    }
}

/// Whether somebody may decide this at all.
fn may(
    concerned: &Concerned<'_>,
    approval: &Approval,
    by: &Decider,
    now: Timestamp,
) -> Result<(), NotDecided> {
    match approval.status {
        ApprovalStatus::Pending => {}
        ApprovalStatus::Expired => return Err(NotDecided::Expired(approval.expires_at)),
        ApprovalStatus::Approved | ApprovalStatus::Denied => {
            return Err(NotDecided::Already(approval.settled_by()));
        }
    }
    if now >= approval.expires_at {
        return Err(NotDecided::Expired(approval.expires_at));
    }
    if approval.subject.as_ref() == Some(&by.username) {
        return Err(NotDecided::OwnPerson);
    }
    if approval.requested_by == by.username.as_str() {
        return Err(NotDecided::OwnRequest);
    }
    if concerned.barred.contains(&by.username) {
        return Err(NotDecided::OwnCase);
    }
    if by.entitled.through_subject {
        return Err(NotDecided::ThroughSubject);
    }
    let only = &approval.need.only;
    if !only.is_empty() && !only.contains(&by.username) {
        let names: Vec<&str> = only.iter().map(Username::as_str).collect();
        return Err(NotDecided::Named(names.join(", ")));
    }
    let manager = concerned.subject.and_then(|person| person.manager.as_ref());
    let as_manager = approval.need.manager && manager == Some(&by.username);
    if !by.entitled.approver && !by.entitled.security && !as_manager {
        return Err(NotDecided::NotEntitled);
    }
    if approval.need.security && !by.entitled.security {
        return Err(NotDecided::SecurityNeeded);
    }
    Ok(())
}

/// Takes a decision. The approval that comes back is to be written in place of the one that went in.
///
/// # Errors
/// Why it does not count; nothing is changed then.
pub fn decide(
    policy: &ApprovalPolicy,
    concerned: &Concerned<'_>,
    approval: &Approval,
    by: &Decider,
    decision: Decision,
    reason: &str,
    now: Timestamp,
) -> Result<Approval, NotDecided> {
    may(concerned, approval, by, now)?;
    let reason = text::clean(reason, MAX_REASON).map_err(|why| NotDecided::Reason(why.to_string()))?;
    let mut next = match decision {
        Decision::Escalate => escalate(policy, concerned, approval, now).ok_or(NotDecided::NoFurtherLevel)?,
        Decision::Approve | Decision::Deny => approval.clone(),
    };
    let before = |decided: &Decided| decided.by == by.username && decided.decision == Decision::Approve;
    if decision == Decision::Approve && approval.decisions.iter().any(before) {
        return Err(NotDecided::Twice);
    }
    let through = by.through.to_owned();
    next.decisions.push(Decided { by: by.username.clone(), decision, reason, at: now, through });
    match decision {
        Decision::Approve if next.approvals() >= usize::from(next.need.approvers) => {
            next.status = ApprovalStatus::Approved;
        }
        Decision::Deny => next.status = ApprovalStatus::Denied,
        Decision::Approve | Decision::Escalate => {}
    }
    Ok(next)
}

/// The same request at the next level that has anybody new to ask; `None` where there is none. Where somebody was
/// named, nobody else can be asked.
pub fn escalate(
    policy: &ApprovalPolicy,
    concerned: &Concerned<'_>,
    approval: &Approval,
    now: Timestamp,
) -> Option<Approval> {
    if !approval.need.only.is_empty() {
        return None;
    }
    for level in approval.level + 1..policy.levels.len() {
        let panel = panel(policy, level, &approval.need, concerned);
        if panel.iter().all(|one| approval.asked.contains(one)) {
            continue;
        }
        let mut next = approval.clone();
        next.level = level;
        next.asked.extend(panel.into_iter().filter(|one| !approval.asked.contains(one)));
        next.due_at = now.plus(Duration::from_secs(policy.sla_seconds.into()));
        return Some(next);
    }
    None
}

/// What becomes of a request that nobody decided by now: it goes to the next level, or it expires; `None` where it is
/// still in time, or decided. At the last level it waits for its expiry.
pub fn overdue(
    policy: &ApprovalPolicy,
    concerned: &Concerned<'_>,
    approval: &Approval,
    now: Timestamp,
) -> Option<Approval> {
    if !approval.is_pending() || now < approval.next_at() {
        return None;
    }
    if now >= approval.expires_at {
        return Some(Approval { status: ApprovalStatus::Expired, ..approval.clone() });
    }
    let waits_on = || Approval { due_at: approval.expires_at, ..approval.clone() };
    Some(escalate(policy, concerned, approval, now).unwrap_or_else(waits_on))
}
