//! What one system of a case came to.

use super::{Name, Names, Note, text, time};
use leaver_domain::{
    ledger::{Entry, EventKind, Outcome},
    risk::RiskLevel,
    time::Timestamp,
};
use serde_json::Value;

/// Most residuals of one system that a summary keeps.
const MOST_RESIDUALS: usize = 20;

/// Where a system stands, by the last of its rows that says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The case expects it, and no row says anything.
    Open,
    /// Worked out only, in a dry run.
    Previewed,
    /// A human has to decide.
    AwaitingApproval,
    /// A human said yes, and nothing followed yet.
    Approved,
    /// A human said no.
    Denied,
    /// Access is gone by a first read.
    Revoked,
    /// Access is gone by the delayed, independent read as well.
    Verified,
    /// There was no access.
    NotApplicable,
    /// The last attempt or the last independent read failed.
    Failed,
    /// Its owner has the task.
    ManualTask,
}

impl State {
    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Previewed => "previewed",
            Self::AwaitingApproval => "awaiting_approval",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Revoked => "revoked",
            Self::Verified => "verified",
            Self::NotApplicable => "not_applicable",
            Self::Failed => "failed",
            Self::ManualTask => "manual_task",
        }
    }

    /// Whether nothing more has to happen.
    pub fn is_done(self) -> bool {
        matches!(self, Self::Verified | Self::NotApplicable)
    }
}

/// Access that is known to outlive its revocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Residual {
    /// What.
    pub what: String,
    /// Until when; `None` where nobody can say.
    pub until: Option<Timestamp>,
}

/// What only a few systems have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct More {
    /// What lives on.
    pub residuals: Vec<Residual>,
    /// How many attempts and independent reads failed.
    pub failures: u32,
    /// The last failure.
    pub failed: Option<Note>,
    /// The owner's task.
    pub task: Option<Note>,
}

/// One system of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct System {
    /// Its id.
    pub name: Name,
    /// Where it stands.
    pub state: State,
    /// What the risk rules said last.
    pub risk: Option<RiskLevel>,
    /// The account before anything was changed.
    pub before: Option<Name>,
    /// The account as the last row shows it.
    pub after: Option<Name>,
    /// How many actions were taken; `None` where no row says.
    pub actions: Option<u32>,
    /// How often it was tried; `None` where no row says.
    pub attempts: Option<u32>,
    /// The last access row, and when it says that no access was left.
    pub revoked: Option<(u64, Timestamp)>,
    /// When the independent read behind it found nothing.
    pub verified_at: Option<Timestamp>,
    /// The last row of an independent read.
    pub verification_row: Option<u64>,
    pub(super) more: Option<Box<More>>,
}

impl System {
    pub(super) fn new(name: Name) -> Self {
        Self {
            name,
            state: State::Open,
            risk: None,
            before: None,
            after: None,
            actions: None,
            attempts: None,
            revoked: None,
            verified_at: None,
            verification_row: None,
            more: None,
        }
    }

    /// When nothing more had to happen; `None` before.
    pub fn done_at(&self) -> Option<Timestamp> {
        match self.state {
            State::Verified => self.verified_at,
            State::NotApplicable => self.revoked.map(|(_, at)| at),
            _ => None,
        }
    }

    /// What lives on.
    pub fn residuals(&self) -> &[Residual] {
        self.more.as_ref().map_or(&[], |more| &more.residuals)
    }

    /// How many attempts and reads failed, and the last of them.
    pub fn failed(&self) -> Option<(u32, &Note)> {
        let more = self.more.as_ref()?;
        Some((more.failures, more.failed.as_ref()?))
    }

    /// The owner's task.
    pub fn task(&self) -> Option<&Note> {
        self.more.as_ref()?.task.as_ref()
    }

    pub(super) fn row(&mut self, entry: &Entry, evidence: &Value, names: &mut Names) {
        self.risk = entry.risk.or(self.risk);
        let count = |pointer| {
            evidence.pointer(pointer).and_then(Value::as_u64).map(|n| u32::try_from(n).unwrap_or(u32::MAX))
        };
        self.attempts = count("/facts/attempts").or(count("/facts/attempt")).or(self.attempts);
        if let Some(taken) = evidence.pointer("/facts/actions_taken").and_then(Value::as_array) {
            self.actions = Some(u32::try_from(taken.len()).unwrap_or(u32::MAX));
        }
        if self.before.is_none() {
            self.before =
                text(evidence, "/facts/before_state/account_status").map(|status| names.of(&status));
        }
        if let Some(status) = text(evidence, "/facts/after_state/account_status") {
            self.after = Some(names.of(&status));
        }
        match entry.kind {
            EventKind::AccessRevoked => self.revoked(entry, evidence),
            EventKind::VerificationCompleted => self.verified(entry, evidence),
            EventKind::RevocationFailed => {
                self.fail(entry, evidence);
                self.state = State::Failed;
            }
            EventKind::ApprovalRequested => self.state = State::AwaitingApproval,
            EventKind::ApprovalDecided => match text(evidence, "/facts/decision").as_deref() {
                Some("approve") => self.state = State::Approved,
                Some("deny") => self.state = State::Denied,
                _ => {}
            },
            EventKind::TaskOpened => self.task_opened(entry, evidence),
            EventKind::PlanPreviewed => self.state = State::Previewed,
            _ => {}
        }
    }

    fn revoked(&mut self, entry: &Entry, evidence: &Value) {
        self.revoked = Some((entry.seq, entry.occurred_at));
        // A second revocation needs a second independent read.
        self.verified_at = None;
        self.state = match entry.outcome {
            Outcome::NotApplicable => State::NotApplicable,
            Outcome::Success => State::Revoked,
            Outcome::Failure | Outcome::Pending => State::Failed,
        };
        let listed = evidence.pointer("/facts/residuals").and_then(Value::as_array);
        let one = |residual: &Value| {
            Some(Residual { what: text(residual, "/what")?, until: time(residual, "/until") })
        };
        let residuals: Vec<_> = listed.into_iter().flatten().filter_map(one).take(MOST_RESIDUALS).collect();
        if !residuals.is_empty() || self.more.is_some() {
            self.more().residuals = residuals;
        }
    }

    fn verified(&mut self, entry: &Entry, evidence: &Value) {
        self.verification_row = Some(entry.seq);
        if entry.outcome == Outcome::Success {
            self.verified_at = Some(entry.occurred_at);
            self.state = State::Verified;
        } else {
            self.verified_at = None;
            self.fail(entry, evidence);
            self.state = State::Failed;
        }
    }

    fn fail(&mut self, entry: &Entry, evidence: &Value) {
        let kind = text(evidence, "/facts/fault/kind").unwrap_or_else(|| "no reason given".to_owned());
        let detail =
            text(evidence, "/facts/fault/detail").map(|detail| format!(" ({detail})")).unwrap_or_default();
        let note = Note {
            row: entry.seq,
            at: entry.occurred_at,
            detail: format!("{}: {kind}{detail}", entry.action),
        };
        let more = self.more();
        more.failures = more.failures.saturating_add(1);
        more.failed = Some(note);
    }

    fn task_opened(&mut self, entry: &Entry, evidence: &Value) {
        self.state = State::ManualTask;
        let owner = text(evidence, "/facts/task/owner").unwrap_or_else(|| "nobody named".to_owned());
        let due = time(evidence, "/facts/task/due_at").map(|due| format!(", due {due}")).unwrap_or_default();
        let why =
            text(evidence, "/facts/task/instructions").map(|why| format!(": {why}")).unwrap_or_default();
        let detail = format!("given to {owner}{due}{why}");
        self.more().task = Some(Note { row: entry.seq, at: entry.occurred_at, detail });
    }

    fn more(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }
}
