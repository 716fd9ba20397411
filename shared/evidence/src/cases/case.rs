//! What one case came to.

use super::{Name, Names, State, System, text, time};
use crate::extent::opens_a_case;
use leaver_domain::{
    digest::Digest,
    ledger::{Entry, EventKind},
    time::Timestamp,
};
use serde_json::Value;
use std::collections::BTreeMap;

/// Most systems that one case can expect.
const MOST_SYSTEMS: usize = 256;

/// Something to be said, and the row that says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The row.
    pub row: u64,
    /// When it happened.
    pub at: Timestamp,
    /// What.
    pub detail: String,
}

/// What the opening row says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The row.
    pub row: u64,
    /// When the case was opened.
    pub at: Timestamp,
    /// When the row was recorded.
    pub recorded_at: Timestamp,
    /// Whose access.
    pub username: String,
    /// The HR system's number for them.
    pub employee_id: String,
    /// `leave` or `partial`.
    pub mode: Name,
    /// Whether nothing was to be done.
    pub dry_run: bool,
    /// Why.
    pub reason: String,
    /// What kind of event it was.
    pub kind: Name,
    /// `hris` or `api:<user>`.
    pub source: Name,
    /// Who is answerable for it.
    pub by: Name,
    /// The source's number.
    pub event_id: String,
    /// When the source says it happened.
    pub trigger_at: Option<Timestamp>,
    /// When leaver received it.
    pub received_at: Option<Timestamp>,
    /// When access ends.
    pub effective_at: Option<Timestamp>,
    /// The systems that the case is about, sorted; `None` where the row does not say.
    pub expected: Option<Vec<Name>>,
    /// The policy that it ran under.
    pub policy: Option<Digest>,
    /// Whether the risk gate was passed at once.
    pub emergency: bool,
}

impl Opened {
    fn of(entry: &Entry, evidence: &Value, names: &mut Names) -> Self {
        let given = |pointer| text(evidence, pointer).unwrap_or_default();
        let mut name = |pointer| names.of(&given(pointer));
        let (mode, kind) = (name("/revocation/type"), name("/facts/trigger/kind"));
        let (source, by) = (name("/facts/trigger/source"), name("/facts/trigger/by"));
        let expected = evidence.pointer("/facts/systems").and_then(Value::as_array).map(|systems| {
            let listed = systems.iter().filter_map(Value::as_str).take(MOST_SYSTEMS);
            let mut listed: Vec<_> = listed.map(|system| names.of(system)).collect();
            listed.sort_unstable();
            listed.dedup();
            listed
        });
        Self {
            row: entry.seq,
            at: entry.occurred_at,
            recorded_at: entry.recorded_at,
            username: entry.username.clone(),
            employee_id: given("/user/employee_id"),
            mode,
            dry_run: entry.kind == EventKind::PlanPreviewed,
            reason: given("/revocation/reason"),
            kind,
            source,
            by,
            event_id: given("/facts/trigger/event_id"),
            trigger_at: time(evidence, "/facts/trigger/at"),
            received_at: time(evidence, "/facts/trigger/received_at"),
            effective_at: time(evidence, "/facts/effective_at"),
            expected,
            policy: given("/facts/policy_digest").parse().ok(),
            emergency: evidence.pointer("/facts/emergency").and_then(Value::as_bool) == Some(true),
        }
    }

    /// When the time allowed begins: what was received, but not before access ends.
    pub fn clock_starts(&self) -> Timestamp {
        self.received_at.max(self.effective_at).unwrap_or(self.at)
    }
}

/// What waited for a human. One line per decision; a request that was handed on has one line for that and one more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// In which system.
    pub system: Name,
    /// The request's row and time; `None` where no request is among the rows.
    pub requested: Option<(u64, Timestamp)>,
    /// The plan that was asked about.
    pub plan: Option<Digest>,
    /// The decision; `None` where there is none yet.
    pub decided: Option<Decided>,
}

/// A human's decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// The row.
    pub row: u64,
    /// When.
    pub at: Timestamp,
    /// `approve`, `deny` or `escalate`.
    pub decision: Name,
    /// Who.
    pub approver: Name,
    /// Why.
    pub reason: String,
    /// The plan that was decided on.
    pub plan: Option<Digest>,
}

impl Approval {
    /// Whether nobody has decided.
    pub fn is_open(&self) -> bool {
        self.decided.as_ref().is_none_or(|decided| &*decided.decision == "escalate")
    }

    /// Whether the decision names another plan than the request.
    pub fn is_of_another_plan(&self) -> bool {
        let decided = self.decided.as_ref().and_then(|decided| decided.plan);
        decided.zip(self.plan).is_some_and(|(decided, asked)| decided != asked)
    }

    /// Whether somebody else decided than the person concerned and whoever asked; `None` before a decision.
    pub fn is_separated(&self, opened: &Opened) -> Option<bool> {
        let approver = &*self.decided.as_ref()?.approver;
        Some(approver != opened.username && approver != &*opened.by)
    }
}

/// Whether something was done in the time allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sla {
    /// It was.
    Yes,
    /// It was not, or is not done and the time is over.
    No,
    /// It is not done and may still be in time.
    Open,
}

impl Sla {
    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Open => "open",
        }
    }

    /// Of something that started, is done (or not), and was allowed so many seconds; `now` is when we look.
    pub fn of(start: Timestamp, done: Option<Timestamp>, limit: u64, now: Timestamp) -> Self {
        match done {
            Some(done) if seconds(start, done) <= limit => Self::Yes,
            None if seconds(start, now) <= limit => Self::Open,
            _ => Self::No,
        }
    }
}

/// From one instant to another in seconds, rounded up; zero where the other is earlier.
pub fn seconds(start: Timestamp, end: Timestamp) -> u64 {
    let millis = end.since(start).as_millis();
    u64::try_from(millis.div_ceil(1000)).unwrap_or(u64::MAX)
}

/// One case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Its id.
    pub id: String,
    opened: Option<Box<Opened>>,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// How many rows it has.
    pub rows: u64,
    /// How many of them are access rows.
    pub access_rows: u64,
    /// What was found out about the case as a whole.
    pub findings: Vec<Note>,
    /// What waited for a human, in the order of the rows.
    pub approvals: Vec<Approval>,
    systems: Vec<System>,
}

impl Case {
    pub(super) fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            opened: None,
            closed_at: None,
            rows: 0,
            access_rows: 0,
            findings: Vec::new(),
            approvals: Vec::new(),
            systems: Vec::new(),
        }
    }

    /// What its opening row says; `None` where that row is not in the pack.
    pub fn opened(&self) -> Option<&Opened> {
        self.opened.as_deref()
    }

    pub(super) fn row(&mut self, entry: &Entry, evidence: &Value, names: &mut Names) {
        self.rows += 1;
        self.access_rows += u64::from(entry.is_access_row());
        let Some(system) = entry.system.as_deref() else {
            return self.own_row(entry, evidence, names);
        };
        match entry.kind {
            EventKind::ApprovalRequested => self.approvals.push(Approval {
                system: names.of(system),
                requested: Some((entry.seq, entry.occurred_at)),
                plan: text(evidence, "/facts/plan_digest").and_then(|digest| digest.parse().ok()),
                decided: None,
            }),
            EventKind::ApprovalDecided => self.decided(system, entry, evidence, names),
            _ => {}
        }
        let place = match self.systems.binary_search_by(|known| (*known.name).cmp(system)) {
            Ok(place) => place,
            Err(place) => {
                self.systems.insert(place, System::new(names.of(system)));
                place
            }
        };
        if let Some(system) = self.systems.get_mut(place) {
            system.row(entry, evidence, names);
        }
    }

    fn own_row(&mut self, entry: &Entry, evidence: &Value, names: &mut Names) {
        if opens_a_case(entry) && self.opened.is_none() {
            self.opened = Some(Box::new(Opened::of(entry, evidence, names)));
        }
        if entry.kind == EventKind::CaseClosed {
            self.closed_at = Some(entry.occurred_at);
        }
        let listed = evidence.pointer("/facts/findings").and_then(Value::as_array);
        for finding in listed.into_iter().flatten().chain(evidence.pointer("/facts/finding")) {
            let Some(kind) = text(finding, "/kind") else { continue };
            let detail = text(finding, "/detail").map(|detail| format!("{kind}: {detail}")).unwrap_or(kind);
            self.findings.push(Note { row: entry.seq, at: entry.occurred_at, detail });
        }
    }

    fn decided(&mut self, system: &str, entry: &Entry, evidence: &Value, names: &mut Names) {
        let approver = text(evidence, "/facts/approver").unwrap_or_else(|| entry.actor.clone());
        let decided = Some(Decided {
            row: entry.seq,
            at: entry.occurred_at,
            decision: names.of(&text(evidence, "/facts/decision").unwrap_or_default()),
            approver: names.of(&approver),
            reason: text(evidence, "/facts/reason").unwrap_or_default(),
            plan: text(evidence, "/facts/plan_digest").and_then(|digest| digest.parse().ok()),
        });
        let of_system = self.approvals.iter_mut().rev().find(|approval| &*approval.system == system);
        match of_system {
            Some(open) if open.decided.is_none() => open.decided = decided,
            Some(escalated) if escalated.is_open() => {
                let next = Approval { decided, ..escalated.clone() };
                self.approvals.push(next);
            }
            _ => {
                let plan = decided.as_ref().and_then(|decided| decided.plan);
                self.approvals.push(Approval { system: names.of(system), requested: None, plan, decided });
            }
        }
    }

    /// Its systems by name: those that it expects, and those that rows tell of.
    pub fn systems(&self) -> Vec<System> {
        let mut systems: BTreeMap<&str, System> =
            self.systems.iter().map(|system| (&*system.name, system.clone())).collect();
        for expected in self.opened().and_then(|opened| opened.expected.as_ref()).into_iter().flatten() {
            systems.entry(expected).or_insert_with(|| System::new(expected.clone()));
        }
        systems.into_values().collect()
    }

    /// The expected systems without an access row. None in a dry run, which has no such rows.
    pub fn missing(&self) -> Vec<Name> {
        let opened = self.opened().filter(|opened| !opened.dry_run);
        let expected = opened.and_then(|opened| opened.expected.as_ref()).into_iter().flatten();
        let is_there = |name: &&Name| {
            let system = self.systems.iter().find(|system| system.name == **name);
            system.is_some_and(|system| system.revoked.is_some())
        };
        expected.filter(|name| !is_there(name)).cloned().collect()
    }

    /// When the last of the expected systems was without access, and when the last was done for good. `None` while one is
    /// not, and where the case does not say which it expects.
    pub fn contained_and_done(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        let Some(opened) = self.opened().filter(|opened| !opened.dry_run) else { return (None, None) };
        let Some(expected) = opened.expected.as_ref().filter(|expected| !expected.is_empty()) else {
            return (None, None);
        };
        let (mut contained, mut done) = (Some(opened.at), Some(opened.at));
        for name in expected {
            let system = self.systems.iter().find(|system| system.name == *name);
            let revoked = system.and_then(|system| system.revoked).map(|(_, at)| at);
            contained = contained.zip(revoked).map(|(last, at)| last.max(at));
            done = done.zip(system.and_then(System::done_at)).map(|(last, at)| last.max(at));
        }
        (contained, done)
    }

    /// How many of its systems need nothing more.
    pub fn systems_done(&self) -> usize {
        self.systems.iter().filter(|system| system.state.is_done()).count()
    }

    /// The systems that somebody still has to decide on.
    pub fn awaiting(&self) -> impl Iterator<Item = &System> {
        self.systems.iter().filter(|system| system.state == State::AwaitingApproval)
    }
}
