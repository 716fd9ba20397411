//! A request for a decision, round by round, and what became of it.

use super::{Name, Names, number, text, time};
use leaver_domain::{
    digest::Digest,
    ledger::{Entry, EventKind},
    time::Timestamp,
};
use serde_json::Value;
use std::collections::BTreeSet;

/// Most names out of one list that a summary keeps.
const MOST_NAMES: usize = 32;

/// Where a request stands, by its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nobody has decided, or not enough of them.
    Open,
    /// It was approved.
    Approved,
    /// Somebody said no.
    Denied,
    /// Nobody decided in time.
    Expired,
}

impl Standing {
    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Expired => "expired",
        }
    }
}

/// One thing that happened to a request: a decision, an escalation, its expiry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The row.
    pub row: u64,
    /// When.
    pub at: Timestamp,
    /// `approve`, `deny` and `escalate` are somebody's decisions; `escalated` and `expired` are what silence led to.
    pub what: Name,
    /// Whoever decided; `None` where nobody did.
    pub approver: Option<Name>,
    /// Why.
    pub reason: String,
    /// The plan, or the request, that was decided on.
    pub plan: Option<Digest>,
    /// By which way.
    pub through: Name,
    /// How many had approved by then.
    pub approvals: Option<u64>,
    /// Who was asked by then, sorted.
    pub asked: Name,
    /// Whether the row says that others have to approve as well.
    is_pending: bool,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// In which system; empty where it is about a measure.
    pub system: Name,
    /// The approval's own name, which holds its round; `None` where no row says it.
    pub id: Option<Name>,
    /// The request's row and time; `None` where no request is among the rows.
    pub requested: Option<(u64, Timestamp)>,
    /// The plan, or the request, that was asked about.
    pub plan: Option<Digest>,
    /// How many must approve; `None` where no row says.
    pub needed: Option<u64>,
    /// Who was asked first, sorted.
    pub asked: Name,
    /// When nobody can decide any more.
    pub expires_at: Option<Timestamp>,
    /// What happened to it.
    pub steps: Vec<Step>,
}

/// The names of a list, sorted, in one text.
pub(super) fn listed(facts: &Value, pointer: &str) -> String {
    let all = facts.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
    let mut all: Vec<&str> = all.filter_map(Value::as_str).take(MOST_NAMES).collect();
    all.sort_unstable();
    all.join(" ")
}

/// What a row of an approval binds to.
fn covers(evidence: &Value) -> Option<Digest> {
    let digest = text(evidence, "/facts/plan_digest").or_else(|| text(evidence, "/facts/covers"));
    digest.and_then(|digest| digest.parse().ok())
}

impl Step {
    pub(super) fn of(entry: &Entry, evidence: &Value, names: &mut Names) -> Self {
        let given = |pointer| text(evidence, pointer).unwrap_or_default();
        let what = match entry.kind {
            EventKind::ApprovalEscalated => "escalated".to_owned(),
            EventKind::ApprovalExpired => "expired".to_owned(),
            _ => given("/facts/decision"),
        };
        let approver = match entry.kind {
            EventKind::ApprovalDecided => {
                Some(text(evidence, "/facts/approver").unwrap_or_else(|| entry.actor.clone()))
            }
            _ => text(evidence, "/facts/by"),
        };
        let why = text(evidence, "/facts/reason").or_else(|| text(evidence, "/facts/why"));
        Self {
            row: entry.seq,
            at: entry.occurred_at,
            what: names.of(&what),
            approver: approver.map(|approver| names.of(&approver)),
            reason: why.unwrap_or_default(),
            plan: covers(evidence),
            through: names.of(&given("/facts/through")),
            approvals: number(evidence, "/facts/approvals"),
            asked: names.of(&listed(evidence, "/facts/asked")),
            is_pending: given("/facts/status") == "pending",
        }
    }

    /// Whether it is a decision to let it be done, with which it is settled.
    pub(super) fn approves(entry: &Entry, evidence: &Value) -> bool {
        let of = |pointer| evidence.pointer(pointer).and_then(Value::as_str);
        entry.kind == EventKind::ApprovalDecided
            && of("/facts/decision") == Some("approve")
            && of("/facts/status") != Some("pending")
    }

    /// Whether it is somebody's decision, and not what silence led to.
    pub fn is_decision(&self) -> bool {
        !matches!(&*self.what, "escalated" | "expired")
    }

    /// Whether somebody else decided than the person concerned and whoever asked; `None` where nobody decided.
    pub fn is_separated(&self, subject: &str, requested_by: &str) -> Option<bool> {
        let approver = &**self.approver.as_ref().filter(|_| self.is_decision())?;
        Some(approver != subject && approver != requested_by)
    }
}

impl Approval {
    /// Of the row that asks.
    pub(super) fn asked(system: &str, entry: &Entry, evidence: &Value, names: &mut Names) -> Self {
        Self { requested: Some((entry.seq, entry.occurred_at)), ..Self::of(system, evidence, names) }
    }

    /// Of a measure that nobody has asked for yet.
    pub(super) fn nobody(id: &str, names: &mut Names) -> Self {
        let id = Some(names.of(id));
        Self { id, ..Self::of("", &Value::Null, names) }
    }

    /// Takes down who asked, after all.
    pub(super) fn request(&mut self, entry: &Entry, evidence: &Value, names: &mut Names) {
        let (id, steps) = (self.id.take(), std::mem::take(&mut self.steps));
        *self = Self { id, steps, ..Self::asked("", entry, evidence, names) };
    }

    fn of(system: &str, evidence: &Value, names: &mut Names) -> Self {
        let id = text(evidence, "/facts/approval");
        let needed = ["/facts/need/approvers", "/facts/needs/approvers", "/facts/needed"];
        let needed = needed.iter().find_map(|pointer| number(evidence, pointer));
        Self {
            system: names.of(system),
            id: id.map(|id| names.of(&id)),
            requested: None,
            plan: covers(evidence),
            needed,
            asked: names.of(&listed(evidence, "/facts/asked")),
            expires_at: time(evidence, "/facts/expires_at"),
            steps: Vec::new(),
        }
    }

    /// Takes a step down where it belongs: at the request that the row names, else at the newest of its system that
    /// still waits. One that belongs to none stands for itself.
    pub(super) fn step(
        all: &mut Vec<Self>,
        system: &str,
        entry: &Entry,
        evidence: &Value,
        names: &mut Names,
    ) {
        let step = Step::of(entry, evidence, names);
        let id = text(evidence, "/facts/approval");
        let of_system = all.iter_mut().rev().filter(|one| &*one.system == system);
        let is_it = |one: &&mut Self| match (&id, &one.id) {
            (Some(id), Some(known)) => **known == **id,
            _ => one.standing() == Standing::Open,
        };
        match of_system.into_iter().find(is_it) {
            Some(known) => known.take(step, evidence),
            None => {
                let mut alone = Self::of(system, evidence, names);
                alone.asked = names.of("");
                alone.take(step, evidence);
                all.push(alone);
            }
        }
    }

    /// Takes a step down.
    pub(super) fn take(&mut self, step: Step, evidence: &Value) {
        self.needed = self.needed.or(number(evidence, "/facts/needed"));
        self.steps.push(step);
    }

    /// Where it stands.
    pub fn standing(&self) -> Standing {
        let of = |step: &Step| match &*step.what {
            "approve" if !step.is_pending => Some(Standing::Approved),
            "deny" => Some(Standing::Denied),
            "expired" => Some(Standing::Expired),
            _ => None,
        };
        self.steps.iter().find_map(of).unwrap_or(Standing::Open)
    }

    /// Who approved, each once.
    pub fn approvers(&self) -> BTreeSet<&str> {
        let approving = self.steps.iter().filter(|step| &*step.what == "approve");
        approving.filter_map(|step| step.approver.as_deref()).collect()
    }

    /// What is odd about its steps, each with the step that shows it. `is_whole` says that the request must be among the rows
    /// where there is one.
    pub fn oddities(&self, subject: &str, requested_by: &str, is_whole: bool) -> Vec<(&Step, String)> {
        let mut odd = Vec::new();
        for step in &self.steps {
            if step.is_separated(subject, requested_by) == Some(false) {
                let who = step.approver.as_deref().unwrap_or_default();
                odd.push((
                    step,
                    format!("no separation of duties: {who} decided and is concerned or asked for it"),
                ));
            }
            if step.plan.zip(self.plan).is_some_and(|(decided, asked)| decided != asked) {
                odd.push((
                    step,
                    "the decision names another plan than the one that was asked about".to_owned(),
                ));
            }
        }
        if let Some(first) = self.steps.first().filter(|_| is_whole && self.requested.is_none()) {
            odd.push((first, "a decision without a request among the rows".to_owned()));
        }
        odd
    }

    /// What is missing for an approval to count, with the step that shows it.
    pub fn shortfalls(&self) -> Vec<(&Step, String)> {
        let mut short = Vec::new();
        let late = |step: &&Step| step.is_decision() && self.expires_at.is_some_and(|end| step.at >= end);
        if let Some(step) = self.steps.iter().find(late) {
            short.push((step, "decided after it had expired".to_owned()));
        }
        let settling = self.steps.iter().find(|step| &*step.what == "approve" && !step.is_pending);
        if let (Some(step), Some(needed)) = (settling, self.needed) {
            let there = self.approvers().len();
            if u64::try_from(there).unwrap_or(u64::MAX) < needed {
                short.push((step, format!("approved by {there}, and {needed} must")));
            }
        }
        short
    }
}
