//! Decisions over the store: the same way for the API, for Slack, and for what happens when nobody decides.
//!
//! A decision is written into the record that it is about, with its row, in one conditional write. Only then is the
//! execution woken that waits for it; one that was not reached finds the decision by itself when its wait ends.

use crate::{
    approval::{
        self, Approval, ApprovalId, ApprovalPolicy, ApprovalStatus, Asked, Concerned, Decider, Decision,
        Entitlement, NotDecided,
    },
    case::{CaseRecord, CaseStatus, Happening, SystemRecord, SystemStatus},
    holds,
    id::{CaseId, Username},
    ledger::{EventKind, Outcome},
    measure::{Measure, What},
    person::Person,
    policy::Policy,
    ports::{CaseStore, Change, StoreError, Workflow},
    presence::{self, is_gone},
    problem::{NotDone, Problem},
    secret::Secret,
    time::Timestamp,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Tries against somebody else who changes the same record.
const TRIES: usize = 5;

/// Who decides, as the way in knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// Their login name.
    pub username: Username,
    /// What their token says they may; `None` where only policy's lists count.
    pub roles: Option<Entitlement>,
    /// By which way: `api` or `slack`.
    pub through: &'static str,
}

/// The record that an approval lies in.
#[derive(Debug, Clone)]
pub enum Host {
    /// A flagged system, and its case.
    System(Box<SystemRecord>, Box<CaseRecord>),
    /// A measure.
    Measure(Box<Measure>),
}

impl Host {
    /// The record of an approval, and whether it still holds that very round; `None` where there is no such record.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub async fn find(store: &dyn CaseStore, id: &ApprovalId) -> Result<Option<(Self, bool)>, StoreError> {
        match id {
            ApprovalId::System { case, system, round } => {
                let (Some(record), Some(of)) = (store.system(case, system).await?, store.case(case).await?)
                else {
                    return Ok(None);
                };
                let newest = record.approval.as_ref().map(|approval| approval.round);
                // A round that never was is no approval; one that has passed was one.
                let known = newest.is_some_and(|newest| (1..=newest).contains(round));
                let is_newest = newest == Some(*round);
                Ok(known.then(|| (Self::System(Box::new(record), Box::new(of)), is_newest)))
            }
            ApprovalId::Measure(measure) => {
                let measure = store.measure(measure).await?;
                Ok(measure.map(|measure| (Self::Measure(Box::new(measure)), true)))
            }
        }
    }

    /// The approval.
    pub fn approval(&self) -> Option<&Approval> {
        match self {
            Self::System(system, _) => system.approval.as_ref(),
            Self::Measure(measure) => Some(&measure.approval),
        }
    }

    /// Its id.
    pub fn id(&self) -> Option<ApprovalId> {
        match self {
            Self::System(system, _) => system.approval.as_ref().map(|approval| system.approval_id(approval)),
            Self::Measure(measure) => Some(ApprovalId::Measure(measure.measure_id.clone())),
        }
    }

    /// Whose access it is about.
    pub fn subject(&self) -> Option<&Username> {
        match self {
            Self::System(system, _) => Some(&system.person.username),
            Self::Measure(measure) => measure.username(),
        }
    }

    /// The record after these changes of it were written.
    fn after(self, changes: Vec<Change>) -> Self {
        changes.into_iter().fold(self, |host, change| match (host, change) {
            (Self::System(_, case), Change::System(system)) => Self::System(system, case),
            (Self::System(system, _), Change::Case(case)) => Self::System(system, case),
            (Self::Measure(_), Change::Measure(measure)) => Self::Measure(measure),
            (host, _) => host,
        })
    }

    /// The changes that put this approval, and these lines, in the place of what is there.
    fn with(&self, approval: Approval, lines: Vec<Happening>) -> Vec<Change> {
        match self {
            Self::System(system, case) => {
                let mut system = (**system).clone();
                if approval.status == ApprovalStatus::Denied {
                    system.status = SystemStatus::Denied;
                }
                system.approval = Some(approval);
                let adds_rows = !lines.is_empty();
                system.log.extend(lines);
                system.version += 1;
                let mut changes = vec![Change::System(Box::new(system))];
                // A case whose rows were all published gets more of them: it is to be looked after again.
                if adds_rows && case.checkpoint_size.is_some() {
                    let mut case = (**case).clone();
                    case.checkpoint_size = None;
                    case.version += 1;
                    changes.push(Change::Case(Box::new(case)));
                }
                changes
            }
            Self::Measure(measure) => {
                let mut measure = (**measure).clone();
                measure.approval = approval;
                measure.follow_approval();
                measure.log.extend(lines);
                measure.version += 1;
                vec![Change::Measure(Box::new(measure))]
            }
        }
    }
}

/// Everybody whom policy names and who is leaving or has left.
///
/// # Errors
/// Where the store cannot be read.
pub async fn gone(store: &dyn CaseStore, policy: &ApprovalPolicy) -> Result<BTreeSet<Username>, StoreError> {
    let by_name = policy.levels.iter().filter_map(|level| match level {
        Asked::Person(username) => Some(username),
        Asked::Approvers | Asked::SecurityTeam | Asked::Manager => None,
    });
    let named: BTreeSet<&Username> = policy
        .approvers
        .iter()
        .chain(&policy.security_team)
        .chain(policy.delegates.values())
        .chain(by_name)
        .collect();
    presence::gone(store, named).await
}

/// Whom an approval is about, and who must not be asked about it, as the records say now.
#[derive(Debug, Clone)]
pub struct Circumstances {
    /// Whose access it is about.
    pub person: Option<Person>,
    /// Who is leaving or has left, of everybody who might be asked; the manager counts among them.
    pub gone: BTreeSet<Username>,
    /// Whose own cases a release is about.
    pub barred: BTreeSet<Username>,
}

impl Circumstances {
    /// Those of a record.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub async fn of(store: &dyn CaseStore, policy: &Policy, host: &Host) -> Result<Self, StoreError> {
        let person = match host.subject() {
            Some(username) => store.person(username).await?,
            None => None,
        };
        let mut gone = gone(store, &policy.approvals).await?;
        if let Some(manager) = person.as_ref().and_then(|person| person.manager.as_ref())
            && is_gone(store, manager).await?
        {
            gone.insert(manager.clone());
        }
        let barred = match host {
            Host::Measure(measure) => holds::barred(store, measure).await?,
            Host::System(..) => BTreeSet::new(),
        };
        Ok(Self { person, gone, barred })
    }

    /// As the rules take them.
    pub fn concerned<'a>(&'a self, requested_by: &'a str) -> Concerned<'a> {
        let (gone, barred) = (self.gone.clone(), self.barred.clone());
        Concerned { subject: self.person.as_ref(), requested_by, gone, barred }
    }
}

/// What a decision came to.
#[derive(Debug, Clone)]
pub struct Done {
    /// The record as it was written.
    pub host: Host,
    /// The approval in it.
    pub approval: Approval,
    /// Why the execution that waits could not be woken, if so: it hears of the decision within a minute.
    pub not_woken: Option<StoreError>,
}

/// What is kept where no reason was given and none is needed.
pub const NO_REASON: &str = "no reason given";

/// Whether a decision has to say why: a denial always, and whatever is decided about held cases.
pub fn needs_reason(host: &Host, decision: Decision) -> bool {
    let release = matches!(host, Host::Measure(measure) if matches!(measure.what, What::Release { .. } | What::Batch { .. }));
    release || decision == Decision::Deny
}

/// Takes a decision.
///
/// # Errors
/// 404 where there is no such approval, 403 where the decider may not, 409 where it is decided, 410 where it expired, 422
/// where the reason cannot be taken.
#[allow(clippy::too_many_arguments, reason = "each is a different thing that the decision needs")]
pub async fn decide(
    store: &dyn CaseStore,
    workflow: &dyn Workflow,
    policy: &Policy,
    asked: &ApprovalId,
    by: &Who,
    decision: Decision,
    reason: &str,
    now: Timestamp,
) -> Result<Done, NotDone> {
    if is_gone(store, &by.username).await? {
        return Err(Problem::forbidden("Whoever is leaving, or has left, decides nothing any more.").into());
    }
    for _ in 0..TRIES {
        let (host, newest) = Host::find(store, asked).await?.ok_or_else(Problem::not_found)?;
        let approval = host.approval().cloned().ok_or_else(Problem::not_found)?;
        if !newest {
            let detail = "This request came back with another plan. Decide on the newest one.";
            return Err(Problem::new(409, "already-decided", detail).into());
        }
        let now_is = Circumstances::of(store, policy, &host).await?;
        let concerned = now_is.concerned(&approval.requested_by);
        let decider = decider(policy, by, &concerned);
        let next =
            approval::decide(&policy.approvals, &concerned, &approval, &decider, decision, reason, now)
                .map_err(|why| refused(&why))?;
        let line = decided_line(&host, &next, now);
        let changes = host.with(next.clone(), vec![line]);
        match store.commit(&changes).await {
            Err(StoreError::Conflict) => continue,
            other => other?,
        }
        let mut not_woken = None;
        // Somebody who only added the first of two approvals wakes nobody.
        let wakes = !next.is_pending() || decision == Decision::Escalate;
        if let Some(token) = next.task_token.as_ref().filter(|_| wakes) {
            // The tick wakes it until it has heard.
            not_woken = workflow.wake(token.expose()).await.err();
        }
        let host = host.after(changes);
        return Ok(Done { host, approval: next, not_woken });
    }
    Err(StoreError::Conflict.into())
}

fn decider(policy: &Policy, by: &Who, concerned: &Concerned<'_>) -> Decider {
    let listed = approval::entitlement(&policy.approvals, &by.username, concerned);
    let told = by.roles.unwrap_or_default();
    let entitled = Entitlement {
        approver: listed.approver || told.approver || told.security,
        security: listed.security || told.security,
        through_subject: listed.through_subject && !(told.approver || told.security),
    };
    Decider { username: by.username.clone(), entitled, through: by.through }
}

fn refused(why: &NotDecided) -> Problem {
    let detail = format!("{why}.");
    match why {
        NotDecided::Already(_) | NotDecided::Twice => Problem::new(409, "already-decided", detail),
        NotDecided::NoFurtherLevel => Problem::new(409, "no-further-level", detail),
        NotDecided::Expired(_) => Problem::new(410, "expired", detail),
        NotDecided::Reason(_) => Problem::new(422, "invalid-reason", detail),
        NotDecided::OwnPerson
        | NotDecided::OwnRequest
        | NotDecided::OwnCase
        | NotDecided::ThroughSubject
        | NotDecided::NotEntitled
        | NotDecided::SecurityNeeded
        | NotDecided::Named(_) => Problem::new(403, "may-not-decide", detail),
    }
}

/// The row of the newest decision.
fn decided_line(host: &Host, approval: &Approval, now: Timestamp) -> Happening {
    let last = approval.decisions.last();
    let decision = last.map_or("", |last| last.decision.name());
    let risk = match host {
        Host::System(system, _) => system.risk.as_ref().map(|risk| risk.level),
        Host::Measure(_) => None,
    };
    Happening {
        kind: EventKind::ApprovalDecided,
        at: now,
        actor: last.map_or_else(String::new, |last| last.by.to_string()),
        action: decision.to_owned(),
        outcome: match approval.status {
            ApprovalStatus::Approved => Outcome::Success,
            ApprovalStatus::Denied | ApprovalStatus::Expired => Outcome::Failure,
            ApprovalStatus::Pending => Outcome::Pending,
        },
        risk,
        facts: json!({
            "approval": host.id(), "decision": decision, "reason": last.map(|last| &last.reason),
            "plan_digest": approval.covers, "approver": last.map(|last| &last.by),
            "through": last.map(|last| &last.through), "approvals": approval.approvals(),
            "needed": approval.need.approvers, "status": approval.status, "asked": approval.asked,
        }),
    }
}

/// What an execution that waits has to know.
#[derive(Debug, Clone)]
pub struct Gate {
    /// The record.
    pub host: Host,
    /// The approval as it stands.
    pub approval: Approval,
}

/// Looks after an approval: asks the next level where nobody decided in time, lets it expire where nobody decided at all,
/// and puts somebody in the place of whoever was asked and is leaving.
///
/// # Errors
/// `Conflict` where others kept on changing the record, `Corrupt` where there is no such approval.
pub async fn look_after(
    store: &dyn CaseStore,
    policy: &Policy,
    id: &ApprovalId,
    now: Timestamp,
) -> Result<Gate, StoreError> {
    let missing = || StoreError::Corrupt(format!("there is no approval {id}"));
    for _ in 0..TRIES {
        let (host, _) = Host::find(store, id).await?.ok_or_else(missing)?;
        let approval = host.approval().cloned().ok_or_else(missing)?;
        if !approval.is_pending() {
            return Ok(Gate { host, approval });
        }
        let now_is = Circumstances::of(store, policy, &host).await?;
        let concerned = now_is.concerned(&approval.requested_by);
        let next = match approval::overdue(&policy.approvals, &concerned, &approval, now) {
            Some(next) => next,
            None => match replaced(policy, &concerned, &approval) {
                Some(next) => next,
                None => return Ok(Gate { host, approval }),
            },
        };
        let lines = moved_line(&host, &approval, &next, now);
        match store.commit(&host.with(next, lines.into_iter().collect())).await {
            Ok(()) | Err(StoreError::Conflict) => {}
            Err(error) => return Err(error),
        }
    }
    Err(StoreError::Conflict)
}

/// The same request with somebody in the place of those who were asked and are gone; `None` where nobody new is to be
/// asked.
fn replaced(policy: &Policy, concerned: &Concerned<'_>, approval: &Approval) -> Option<Approval> {
    let falls_out = |one: &Username| concerned.gone.contains(one) || concerned.barred.contains(one);
    if !approval.need.only.is_empty() || !approval.asked.iter().any(falls_out) {
        return None;
    }
    let panel = approval::panel(&policy.approvals, approval.level, &approval.need, concerned);
    let new: Vec<Username> = panel.into_iter().filter(|one| !approval.asked.contains(one)).collect();
    if new.is_empty() {
        return None;
    }
    let mut next = approval.clone();
    next.asked.extend(new);
    Some(next)
}

fn moved_line(host: &Host, before: &Approval, next: &Approval, now: Timestamp) -> Option<Happening> {
    let facts: Value = json!({
        "approval": host.id(), "from_level": before.level, "to_level": next.level, "asked": next.asked,
        "plan_digest": next.covers, "due_at": next.due_at, "expires_at": next.expires_at,
        "why": if next.level > before.level { "overdue" } else { "replaced" },
    });
    let (kind, action, outcome) = if next.status == ApprovalStatus::Expired {
        (EventKind::ApprovalExpired, "expire", Outcome::Failure)
    } else if next.asked != before.asked {
        (EventKind::ApprovalEscalated, "ask further", Outcome::Pending)
    } else {
        return None;
    };
    let risk = match host {
        Host::System(system, _) => system.risk.as_ref().map(|risk| risk.level),
        Host::Measure(_) => None,
    };
    Some(Happening {
        kind,
        at: now,
        actor: "leaver/approval".into(),
        action: action.into(),
        outcome,
        risk,
        facts,
    })
}

/// Keeps the task token of the execution that waits now. Where the decision is there already, the execution is woken at once.
///
/// # Errors
/// `Conflict` where others kept on changing the record, `Corrupt` where there is no such approval.
pub async fn keep_token(
    store: &dyn CaseStore,
    workflow: &dyn Workflow,
    id: &ApprovalId,
    token: &str,
) -> Result<Gate, StoreError> {
    let missing = || StoreError::Corrupt(format!("there is no approval {id}"));
    for _ in 0..TRIES {
        let (host, newest) = Host::find(store, id).await?.ok_or_else(missing)?;
        let mut approval = host.approval().cloned().ok_or_else(missing)?;
        if !newest || !approval.is_pending() {
            workflow.wake(token).await?;
            return Ok(Gate { host, approval });
        }
        if approval.task_token.as_ref().is_some_and(|kept| kept.expose() == token) {
            return Ok(Gate { host, approval });
        }
        approval.task_token = Some(Secret::new(token));
        match store.commit(&host.with(approval, Vec::new())).await {
            Ok(()) | Err(StoreError::Conflict) => {}
            Err(error) => return Err(error),
        }
    }
    Err(StoreError::Conflict)
}

/// Keeps which messages show an approval by now. One that was changed meanwhile is left to the next look.
///
/// # Errors
/// Where the store fails.
pub async fn keep_shown(store: &dyn CaseStore, gate: &Gate) -> Result<(), StoreError> {
    match store.commit(&gate.host.with(gate.approval.clone(), Vec::new())).await {
        Err(StoreError::Conflict) => Ok(()),
        other => other,
    }
}

/// Puts the case where its systems say: waiting for a human as long as one of them does, running otherwise. The items of one
/// case come here side by side.
///
/// # Errors
/// `Conflict` where others kept on writing first.
pub async fn follow(store: &dyn CaseStore, id: &CaseId) -> Result<(), StoreError> {
    for _ in 0..TRIES {
        match follow_once(store, id).await {
            Err(StoreError::Conflict) => {}
            other => return other,
        }
    }
    Err(StoreError::Conflict)
}

async fn follow_once(store: &dyn CaseStore, id: &CaseId) -> Result<(), StoreError> {
    use CaseStatus::{AwaitingApproval, Running};
    let case = store.case(id).await?.filter(|case| matches!(case.status, Running | AwaitingApproval));
    let Some(mut case) = case else { return Ok(()) };
    let systems = store.systems(id).await?;
    let asks = systems.iter().any(|system| system.asking().is_some());
    let status = if asks { AwaitingApproval } else { Running };
    if case.status == status {
        return Ok(());
    }
    case.status = status;
    case.checkpoint_size = None;
    case.version += 1;
    store.put_case(&case).await
}
