//! What one case came to.

use super::{Approval, Name, Names, System, text, time};
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
    /// `leave`, `partial` or `reactivate`.
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
    /// Whether the risk gate was passed at once: an emergency, or a suspension for a violation.
    pub emergency: bool,
    /// Whether it gives access back and takes none away.
    pub gives_back: bool,
    /// The case whose access comes back.
    pub restores: Option<String>,
    /// The measure that opened it.
    pub measure: Option<String>,
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
        let gives_back = entry.kind == EventKind::RestorationTriggered || &*mode == "reactivate";
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
            emergency: ["/facts/emergency", "/facts/passes_gate"]
                .iter()
                .any(|fact| evidence.pointer(fact).and_then(Value::as_bool) == Some(true)),
            gives_back,
            restores: text(evidence, "/facts/restores"),
            measure: text(evidence, "/facts/measure"),
        }
    }

    /// Whether it brings back what should never have been taken, and not only for a time.
    pub fn undoes_a_mistake(&self) -> bool {
        self.gives_back && !self.dry_run && &*self.kind == "restore"
    }

    /// Whether it takes back what a measure gave, by its own account.
    pub fn ends_a_measure(&self) -> bool {
        let of_measure = &*self.source == "leaver" && self.event_id.starts_with("measure-");
        of_measure && !self.gives_back
    }

    /// When the time allowed begins: what was received, but not before access ends.
    pub fn clock_starts(&self) -> Timestamp {
        self.received_at.max(self.effective_at).unwrap_or(self.at)
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
    /// What waited for a human, in the order of the requests.
    pub approvals: Vec<Approval>,
    /// What stopped it before anything was done, as long as it is stopped.
    pub held: Option<Note>,
    /// How it was let go on, where it had been stopped.
    pub released: Option<Note>,
    /// How it was called off.
    pub cancelled: Option<Note>,
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
            held: None,
            released: None,
            cancelled: None,
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
            EventKind::ApprovalRequested => {
                self.approvals.push(Approval::asked(system, entry, evidence, names));
            }
            EventKind::ApprovalDecided | EventKind::ApprovalEscalated | EventKind::ApprovalExpired => {
                Approval::step(&mut self.approvals, system, entry, evidence, names);
            }
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
        match entry.kind {
            EventKind::CaseClosed => self.closed_at = Some(entry.occurred_at),
            EventKind::CaseHeld => self.held = Some(stopped(entry, evidence, "held")),
            EventKind::CaseReleased => {
                self.held = None;
                self.released = Some(stopped(entry, evidence, "let go on"));
            }
            EventKind::CaseCancelled => {
                self.held = None;
                self.cancelled = Some(stopped(entry, evidence, "called off"));
            }
            _ => {}
        }
        let listed = evidence.pointer("/facts/findings").and_then(Value::as_array);
        for finding in listed.into_iter().flatten().chain(evidence.pointer("/facts/finding")) {
            let Some(kind) = text(finding, "/kind") else { continue };
            let detail = text(finding, "/detail").map(|detail| format!("{kind}: {detail}")).unwrap_or(kind);
            self.findings.push(Note { row: entry.seq, at: entry.occurred_at, detail });
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

    /// Whether nothing more is to come of it.
    pub fn is_over(&self) -> bool {
        self.closed_at.is_some() || self.cancelled.is_some()
    }

    /// Where it stands, for tables.
    pub fn status(&self) -> &'static str {
        match self {
            Self { cancelled: Some(_), .. } => "cancelled",
            Self { closed_at: Some(_), .. } => "closed",
            Self { held: Some(_), .. } => "held",
            _ => "open",
        }
    }

    fn known(&self, name: &Name) -> Option<&System> {
        self.systems.iter().find(|system| system.name == *name)
    }

    /// The expected systems that call for an access row. A dry run has none, and neither has a case that gives access
    /// back, or one that was called off. Where a human did the task of a system by hand, that row stands for it.
    fn calling(&self) -> impl Iterator<Item = (&Name, Option<&System>)> {
        let takes = |opened: &&Opened| !opened.dry_run && !opened.gives_back && self.cancelled.is_none();
        let opened = self.opened().filter(takes);
        let expected = opened.and_then(|opened| opened.expected.as_ref()).into_iter().flatten();
        let expected = expected.map(|name| (name, self.known(name)));
        let by_hand = |system: &System| system.revoked.is_none() && system.task_closed().is_some();
        expected.filter(move |(_, system)| !system.is_some_and(by_hand))
    }

    /// How many access rows it calls for: its trigger, where that takes access away, and one per system.
    pub fn access_rows_expected(&self) -> usize {
        let triggers = self.opened().is_some_and(|opened| !opened.dry_run && !opened.gives_back);
        usize::from(triggers) + self.calling().count()
    }

    /// The expected systems without the access row that they call for.
    pub fn missing(&self) -> Vec<Name> {
        let missing =
            self.calling().filter(|(_, system)| system.is_none_or(|system| system.revoked.is_none()));
        missing.map(|(name, _)| name.clone()).collect()
    }

    /// When the last of the expected systems was without access, and when the last was done for good. `None` while one is
    /// not, and where the case does not say which it expects.
    pub fn contained_and_done(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        let takes = |opened: &&Opened| !opened.dry_run && !opened.gives_back;
        let Some(opened) = self.opened().filter(takes) else { return (None, None) };
        let Some(expected) = opened.expected.as_ref().filter(|expected| !expected.is_empty()) else {
            return (None, None);
        };
        let (mut contained, mut done) = (Some(opened.at), Some(opened.at));
        for name in expected {
            let system = self.known(name);
            let revoked = system.and_then(System::contained_at);
            contained = contained.zip(revoked).map(|(last, at)| last.max(at));
            done = done.zip(system.and_then(System::done_at)).map(|(last, at)| last.max(at));
        }
        (contained, done)
    }

    /// How many of its systems need nothing more.
    pub fn systems_done(&self) -> usize {
        self.systems.iter().filter(|system| system.state.is_done()).count()
    }
}

/// How a case was stopped, let go on, or called off.
fn stopped(entry: &Entry, evidence: &Value, how: &str) -> Note {
    let of = |name: &str| text(evidence, &format!("/facts/{name}"));
    let why = of("reason")
        .or_else(|| of("why"))
        .or_else(|| of("held_for"))
        .map(|why| format!(": {why}"))
        .unwrap_or_default();
    let by = of("by").unwrap_or_else(|| entry.actor.clone());
    let measure = of("measure").map(|measure| format!(" ({measure})")).unwrap_or_default();
    Note { row: entry.seq, at: entry.occurred_at, detail: format!("{how} by {by}{why}{measure}") }
}
