//! What one system of a case came to.

use super::{LONGEST, Name, Names, Note, approval::Step, measure, text, time};
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
    /// No human said anything in time, and nothing was done.
    Expired,
    /// Access is gone by a first read.
    Revoked,
    /// Access is back by a first read.
    Restored,
    /// Access is gone (or back) by the delayed, independent read as well.
    Verified,
    /// There was no access.
    NotApplicable,
    /// The last attempt or the last independent read failed.
    Failed,
    /// Its owner has the task.
    ManualTask,
    /// Its owner has done the task by hand.
    TaskClosed,
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
            Self::Expired => "approval_expired",
            Self::Revoked => "revoked",
            Self::Restored => "restored",
            Self::Verified => "verified",
            Self::NotApplicable => "not_applicable",
            Self::Failed => "failed",
            Self::ManualTask => "manual_task",
            Self::TaskClosed => "task_closed",
        }
    }

    /// Whether nothing more has to happen.
    pub fn is_done(self) -> bool {
        matches!(self, Self::Verified | Self::NotApplicable | Self::TaskClosed)
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
    /// How the owner did it, once they have.
    pub task_closed: Option<Note>,
    /// A change of a flagged account that nobody had approved.
    pub unapproved: Option<Note>,
    /// The measure under whose approval access was taken last, as the row says.
    pub under: Option<String>,
    /// What could not be given back.
    pub not_restorable: Vec<String>,
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
    /// The row that gave access back, and when.
    pub restored: Option<(u64, Timestamp)>,
    /// Whether somebody approved what is done next.
    approved: bool,
    /// When the independent read behind it found nothing more to do.
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
            restored: None,
            approved: false,
            verified_at: None,
            verification_row: None,
            more: None,
        }
    }

    /// When nothing more had to happen; `None` before.
    pub fn done_at(&self) -> Option<Timestamp> {
        match self.state {
            State::Verified => self.verified_at,
            State::NotApplicable => self.revoked.or(self.restored).map(|(_, at)| at),
            State::TaskClosed => self.task_closed().map(|closed| closed.at),
            _ => None,
        }
    }

    /// When it was without access by a first read, or its owner had taken that away by hand; `None` before.
    pub fn contained_at(&self) -> Option<Timestamp> {
        let by_hand = || self.task_closed().map(|closed| closed.at);
        self.revoked.map(|(_, at)| at).or_else(by_hand)
    }

    /// The row that says what became of access last, whether it was taken or given back.
    pub fn access_row(&self) -> Option<u64> {
        self.revoked.max(self.restored).map(|(row, _)| row)
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

    /// How the owner did the task, once they have.
    pub fn task_closed(&self) -> Option<&Note> {
        self.more.as_ref()?.task_closed.as_ref()
    }

    /// A change of a flagged account that nobody had approved.
    pub fn unapproved(&self) -> Option<&Note> {
        self.more.as_ref()?.unapproved.as_ref()
    }

    /// The measure under whose approval access was taken last, as the row says.
    pub fn under(&self) -> Option<&str> {
        self.more.as_ref()?.under.as_deref()
    }

    /// What could not be given back.
    pub fn not_restorable(&self) -> &[String] {
        self.more.as_ref().map_or(&[], |more| &more.not_restorable)
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
            EventKind::AccessRevoked => {
                self.changed(entry, evidence);
                self.revoked(entry, evidence);
            }
            EventKind::AccessRestored => {
                self.changed(entry, evidence);
                self.restored(entry, evidence);
            }
            // A read days after the case says something about those days, and is told as a finding of the case.
            EventKind::VerificationCompleted if evidence.pointer("/facts/day").is_some() => {}
            EventKind::VerificationCompleted => self.verified(entry, evidence),
            EventKind::RevocationFailed => {
                self.fail(entry, evidence);
                self.state = State::Failed;
            }
            EventKind::ApprovalRequested => {
                self.state = State::AwaitingApproval;
                self.approved = false;
            }
            EventKind::ApprovalDecided => self.decided(entry, evidence),
            EventKind::ApprovalExpired => self.state = State::Expired,
            EventKind::TaskOpened => self.task_opened(entry, evidence),
            EventKind::TaskClosed => {
                self.state = State::TaskClosed;
                self.more().task_closed = Some(measure::closed(entry, evidence, names).1);
            }
            EventKind::PlanPreviewed => self.state = State::Previewed,
            _ => {}
        }
    }

    fn decided(&mut self, entry: &Entry, evidence: &Value) {
        if Step::approves(entry, evidence) {
            self.state = State::Approved;
            self.approved = true;
        } else if text(evidence, "/facts/decision").as_deref() == Some("deny") {
            self.state = State::Denied;
            self.approved = false;
        }
    }

    /// Holds a change of a flagged account against what was decided.
    fn changed(&mut self, entry: &Entry, evidence: &Value) {
        let taken = evidence.pointer("/facts/actions_taken").and_then(Value::as_array);
        let is_flagged = entry.risk == Some(RiskLevel::Flagged) && entry.outcome == Outcome::Success;
        if is_flagged && !self.approved && taken.is_some_and(|taken| !taken.is_empty()) {
            let detail = "a flagged account was changed, and no approval is among the rows".to_owned();
            self.more().unapproved = Some(Note { row: entry.seq, at: entry.occurred_at, detail });
            self.more().under = text(evidence, "/facts/measure");
        }
    }

    fn restored(&mut self, entry: &Entry, evidence: &Value) {
        self.restored = Some((entry.seq, entry.occurred_at));
        self.verified_at = None;
        self.state = match entry.outcome {
            Outcome::NotApplicable => State::NotApplicable,
            Outcome::Success => State::Restored,
            Outcome::Failure | Outcome::Pending => State::Failed,
        };
        let listed = evidence.pointer("/facts/not_restorable").and_then(Value::as_array);
        let one = |what: &Value| {
            what.as_str().map(str::to_owned).or_else(|| text(what, "/what")).or_else(|| text(what, "/label"))
        };
        let cut = |what: String| what.chars().take(LONGEST).collect();
        let lost: Vec<String> =
            listed.into_iter().flatten().filter_map(one).map(cut).take(MOST_RESIDUALS).collect();
        if !lost.is_empty() || self.more.is_some() {
            self.more().not_restorable = lost;
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
        self.more().task_closed = None;
        self.more().task = Some(Note { row: entry.seq, at: entry.occurred_at, detail });
    }

    fn more(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }
}
