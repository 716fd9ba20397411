//! What somebody asked for and somebody else decided about: an exception, a grant, emergency access and the like.

use super::{
    Name, Names, Note,
    approval::{Approval, Standing, Step},
    number, text, time,
};
use leaver_domain::{
    ledger::{Entry, EventKind, Outcome},
    time::Timestamp,
};
use serde_json::Value;

/// Most permissions, and most cases, of one measure that a summary keeps.
const MOST: usize = 32;

/// Where a measure stands, by its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    /// It waits for a decision, or for what a decision brings about.
    Waiting,
    /// Denied, or nobody decided in time, or it could not be brought about.
    Refused,
    /// In force.
    InForce,
    /// In force by its rows, though its end is past or could not be brought about.
    Overdue,
    /// Over.
    Over,
}

/// One measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measure {
    /// Its id.
    pub id: String,
    /// The first of its rows in the pack, and when that happened.
    pub first: (u64, Timestamp),
    /// Whose access it is about; empty where it is about many people.
    pub username: String,
    /// What kind: `exception`, `grant`, `break_glass`, `restore` and so on.
    pub kind: Name,
    /// What exactly, in words.
    pub what: String,
    /// Who asked.
    pub requested_by: Name,
    /// Why.
    pub reason: String,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
    /// The case that it is about, where it is about one.
    pub about: Option<String>,
    /// The cases that it opened.
    pub cases: Vec<String>,
    /// Earlier requests for the same, that came to nothing.
    pub earlier: Vec<Approval>,
    /// Who decided.
    pub approval: Approval,
    /// The row with which it came into force.
    pub began: Option<(u64, Timestamp)>,
    /// The row with which it was over, or could not be brought about, or could not be taken back.
    pub ended: Option<(u64, Timestamp)>,
    /// Whether that is what the row says: that something failed.
    pub failed: bool,
    /// Why it ended, where a row says so.
    pub why: Option<String>,
    /// Whether one of its rows was recorded in the period.
    pub(super) of_period: bool,
}

/// What is asked for, in words.
fn described(evidence: &Value) -> String {
    let of = |name: &str| text(evidence, &format!("/facts/what/{name}"));
    let kind = of("kind").or_else(|| text(evidence, "/measure/kind")).unwrap_or_default();
    let held_for = || of("held_for").or_else(|| text(evidence, "/facts/held_for"));
    let permissions = evidence.pointer("/facts/what/permissions").and_then(Value::as_array);
    let one = |permission: &Value| {
        Some(format!("{} in {}", text(permission, "/grant")?, text(permission, "/system")?))
    };
    let permissions: Vec<_> = permissions.into_iter().flatten().filter_map(one).take(MOST).collect();
    let detail = match permissions.is_empty() {
        false => Some(permissions.join(", ")),
        true => of("what").or_else(held_for).or_else(|| of("last_day")).or_else(|| of("case")),
    };
    detail.map_or(kind.clone(), |detail| format!("{kind} ({detail})"))
}

impl Measure {
    pub(super) fn new(entry: &Entry, names: &mut Names) -> Self {
        Self {
            id: entry.case_id.clone(),
            first: (entry.seq, entry.occurred_at),
            username: entry.username.clone(),
            kind: names.of(""),
            what: String::new(),
            requested_by: names.of(""),
            reason: String::new(),
            until: None,
            about: None,
            cases: Vec::new(),
            earlier: Vec::new(),
            approval: Approval::nobody(&entry.case_id, names),
            began: None,
            ended: None,
            failed: false,
            why: None,
            of_period: false,
        }
    }

    pub(super) fn row(&mut self, entry: &Entry, evidence: &Value, names: &mut Names) {
        if self.username.is_empty() {
            self.username.clone_from(&entry.username);
        }
        self.facts(evidence, names);
        match entry.kind {
            EventKind::MeasureRequested => self.requested(entry, evidence, names),
            EventKind::MeasureBegan => self.began = Some((entry.seq, entry.occurred_at)),
            // What it gave is being taken back; another row tells when that is done.
            EventKind::MeasureEnded if entry.outcome == Outcome::Pending => {}
            EventKind::MeasureEnded => {
                self.ended = Some((entry.seq, entry.occurred_at));
                self.failed = entry.outcome == Outcome::Failure;
                self.why = text(evidence, "/facts/why").or_else(|| text(evidence, "/facts/came_to"));
            }
            EventKind::ApprovalDecided | EventKind::ApprovalEscalated | EventKind::ApprovalExpired => {
                self.approval.take(Step::of(entry, evidence, names), evidence);
            }
            _ => {}
        }
    }

    /// Asked once more, after the request before came to nothing.
    fn requested(&mut self, entry: &Entry, evidence: &Value, names: &mut Names) {
        if self.approval.requested.is_some() && self.earlier.len() < MOST {
            let next = Approval::nobody(&self.id, names);
            self.earlier.push(std::mem::replace(&mut self.approval, next));
        }
        self.approval.request(entry, evidence, names);
    }

    /// What each of its rows may tell; the first that does is believed, but for its end, which may be moved.
    fn facts(&mut self, evidence: &Value, names: &mut Names) {
        let first = |pointers: [&str; 2]| pointers.into_iter().find_map(|pointer| text(evidence, pointer));
        if self.kind.is_empty() {
            self.kind = names.of(&first(["/facts/what/kind", "/measure/kind"]).unwrap_or_default());
            self.what = described(evidence);
        }
        if self.requested_by.is_empty() {
            let by = first(["/facts/requested_by", "/measure/requested_by"]);
            self.requested_by = names.of(&by.unwrap_or_default());
        }
        if self.reason.is_empty() {
            self.reason = first(["/measure/reason", "/facts/reason"]).unwrap_or_default();
        }
        self.until = time(evidence, "/facts/until").or(self.until);
        self.about = self.about.take().or_else(|| text(evidence, "/facts/what/case"));
        let cases = evidence.pointer("/facts/cases").and_then(Value::as_array).into_iter().flatten();
        // The row with which it came into force names the case that gives.
        for case in cases.chain(evidence.pointer("/facts/case")).filter_map(Value::as_str) {
            if self.cases.len() < MOST && !self.cases.iter().any(|known| known == case) {
                self.cases.push(case.to_owned());
            }
        }
    }

    /// Where it stands at an instant.
    pub fn force(&self, now: Timestamp) -> Force {
        let is_refused = matches!(self.approval.standing(), Standing::Denied | Standing::Expired);
        match (self.began, self.ended) {
            // What it gave could not be taken back.
            (Some(_), Some(_)) if self.failed => Force::Overdue,
            (None, Some(_)) if self.failed || is_refused => Force::Refused,
            (_, Some(_)) => Force::Over,
            (Some(_), None) if self.until.is_some_and(|until| until <= now) => Force::Overdue,
            (Some(_), None) => Force::InForce,
            (None, None) if is_refused => Force::Refused,
            (None, None) => Force::Waiting,
        }
    }

    /// Whether it has to be decided about before it comes into force: a legal hold has not.
    pub fn needs_a_decision(&self) -> bool {
        &*self.kind != "hold"
    }
}

/// A review that somebody owes after an emergency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// Its id.
    pub id: String,
    /// The first of its rows in the pack, and when that happened.
    pub first: (u64, Timestamp),
    /// Whose access it is about.
    pub username: String,
    /// What is to be reviewed.
    pub kind: Name,
    /// The case, or the measure, that is to be reviewed.
    pub about: String,
    /// Who must not do it, sorted.
    pub not_by: Vec<Name>,
    /// Who owes it.
    pub owners: Name,
    /// From when on it may be done.
    pub not_before: Option<Timestamp>,
    /// Until when.
    pub due_at: Option<Timestamp>,
    /// Who did it, what they say, and the row.
    pub closed: Option<(Name, Note)>,
    pub(super) of_period: bool,
}

impl Review {
    pub(super) fn new(entry: &Entry, names: &mut Names) -> Self {
        Self {
            id: entry.case_id.clone(),
            first: (entry.seq, entry.occurred_at),
            username: entry.username.clone(),
            kind: names.of(""),
            about: String::new(),
            not_by: Vec::new(),
            owners: names.of(""),
            not_before: None,
            due_at: None,
            closed: None,
            of_period: false,
        }
    }

    pub(super) fn row(&mut self, entry: &Entry, evidence: &Value, names: &mut Names) {
        let of =
            |name: &str| ["/facts/review", "/facts", "/facts/task"].map(|under| format!("{under}/{name}"));
        let first = |name: &str| of(name).iter().find_map(|pointer| text(evidence, pointer));
        let about = first("case").or_else(|| first("case_id")).or_else(|| text(evidence, "/review/case_id"));
        self.about = about.unwrap_or_else(|| std::mem::take(&mut self.about));
        if let Some(kind) = first("kind").or_else(|| text(evidence, "/review/kind")) {
            self.kind = names.of(&kind);
        }
        if let Some(not_by) = of("not_by").iter().find_map(|pointer| evidence.pointer(pointer)?.as_array()) {
            let not_by = not_by.iter().filter_map(Value::as_str).take(MOST);
            self.not_by = not_by.map(|name| names.of(name)).collect();
        }
        if let Some(owners) = of("owners").iter().find(|pointer| evidence.pointer(pointer).is_some()) {
            self.owners = names.of(&super::approval::listed(evidence, owners));
        }
        let not_before = of("not_before").iter().find_map(|pointer| time(evidence, pointer));
        self.not_before = not_before.or(self.not_before);
        self.due_at = of("due_at").iter().find_map(|pointer| time(evidence, pointer)).or(self.due_at);
        match entry.kind {
            EventKind::TaskOpened => self.closed = None,
            EventKind::TaskClosed => {
                let (by, note) = closed(entry, evidence, names);
                self.closed = Some((by, note));
            }
            _ => {}
        }
    }

    /// Whether it was done, by somebody who may, and when what is reviewed was over.
    pub fn is_done(&self) -> bool {
        self.closed.is_some() && !self.is_their_own() && self.too_early().is_none()
    }

    /// Whether it was done by somebody who took part.
    pub fn is_their_own(&self) -> bool {
        self.closed.as_ref().is_some_and(|(by, _)| self.not_by.contains(by) || **by == *self.username)
    }

    /// What it should have waited for, where it was done before.
    pub fn too_early(&self) -> Option<Timestamp> {
        let (_, note) = self.closed.as_ref()?;
        self.not_before.filter(|from| note.at < *from)
    }
}

/// Who closed a task, and with what.
pub(super) fn closed(entry: &Entry, evidence: &Value, names: &mut Names) -> (Name, Note) {
    let by = text(evidence, "/facts/by").unwrap_or_else(|| entry.actor.clone());
    let statement = text(evidence, "/facts/statement").map(|said| format!(": {said}")).unwrap_or_default();
    let one = |file: &Value| {
        let (name, digest) = (text(file, "/name")?, text(file, "/sha256")?);
        let size = number(file, "/size").map(|size| format!(", {size} B")).unwrap_or_default();
        Some(format!("{name} (SHA-256 {digest}{size})"))
    };
    let files = evidence.pointer("/facts/evidence").and_then(Value::as_array).into_iter().flatten();
    let files: Vec<_> = files.filter_map(one).take(MOST).collect();
    let shown = match files.is_empty() {
        true => "; no file was given".to_owned(),
        false => format!("; shown by {}", files.join(", ")),
    };
    let detail = format!("done by {by}{statement}{shown}");
    (names.of(&by), Note { row: entry.seq, at: entry.occurred_at, detail })
}
