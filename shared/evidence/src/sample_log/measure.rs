//! One made-up measure, and one made-up review, step by step.

use super::{SampleLog, case::settled};
use leaver_domain::{
    digest::Digest,
    ledger::{Draft, EventKind, Outcome},
    ports::Row,
    time::Timestamp,
};
use serde_json::{Value, json};
use std::time::Duration;

/// Rows under an id that is no case's. Each step appends a row at the log's present time and gives it back.
pub struct Apart {
    /// Its id.
    pub id: String,
    username: String,
    by: String,
    what: Value,
    until: Option<Timestamp>,
    ordinal: u32,
}

impl Apart {
    /// A measure: about somebody (nobody where the name is empty), asked for by somebody.
    pub fn measure(id: &str, username: &str, by: &str, what: Value) -> Self {
        let (id, username, by) = (format!("measure-{id}"), username.to_owned(), by.to_owned());
        Self { id, username, by, what, until: None, ordinal: 0 }
    }

    /// The review of an emergency, that neither of these may do.
    pub fn review(of: &str, username: &str, not_by: &[&str], due_at: &str) -> Self {
        let id = format!("review-{}", &Digest::of(of.as_bytes()).to_string()[..24]);
        let what = json!({
            "kind": "emergency", "case_id": of, "not_by": not_by, "owners": ["sasha.security"], "due_at": due_at,
        });
        Self { id, username: username.to_owned(), by: "leaver/close".into(), what, until: None, ordinal: 0 }
    }

    /// From when on it may be reviewed.
    pub fn not_before(mut self, at: &str) -> Self {
        if let Some(what) = self.what.as_object_mut() {
            what.insert("not_before".into(), at.into());
        }
        self
    }

    /// When it ends by itself.
    pub fn until(self, at: &str) -> Self {
        Self { until: at.parse().ok(), ..self }
    }

    fn push(
        &mut self,
        log: &mut SampleLog,
        kind: EventKind,
        (actor, action, outcome): (&str, &str, Outcome),
        facts: Value,
    ) -> Row {
        let place = self.ordinal;
        self.ordinal += 1;
        let mut evidence = json!({"facts": facts});
        if let (false, Some(fields)) = (self.username.is_empty(), evidence.as_object_mut()) {
            fields.insert("user".into(), json!({"username": self.username, "employee_id": "EMP-00099"}));
        }
        log.push(Draft {
            event_id: format!("{}/case/{place}", self.id),
            case_id: self.id.clone(),
            ordinal: place,
            kind,
            occurred_at: log.now,
            username: self.username.clone(),
            actor: actor.to_owned(),
            system: None,
            action: action.to_owned(),
            outcome,
            risk: None,
            evidence: evidence.to_string(),
        })
    }

    fn covers(&self) -> Digest {
        Digest::of(self.what.to_string().as_bytes())
    }

    fn asked_for(&self, log: &SampleLog, cases: &[&str], approvers: u32) -> Value {
        json!({
            "what": self.what, "person": {"username": self.username}, "requested_by": self.by, "reason": "needed for the handover",
            "until": self.until, "covers": self.covers(), "asked": ["robin.lead"], "cases": cases,
            "need": {"approvers": approvers, "security": false}, "expires_at": log.now.plus(Duration::from_secs(86_400)),
        })
    }

    /// Somebody asks for it.
    pub fn requested(&mut self, log: &mut SampleLog, approvers: u32) -> Row {
        let (by, facts) = (self.by.clone(), self.asked_for(log, &[], approvers));
        self.push(log, EventKind::MeasureRequested, (&by, "request", Outcome::Pending), facts)
    }

    /// Somebody decides: the how many'th of how many, and where that puts it.
    pub fn decided(
        &mut self,
        log: &mut SampleLog,
        decision: &str,
        approver: &str,
        (approvals, needed, status): (u32, u32, &str),
    ) -> Row {
        let facts = json!({
            "approval": self.id, "decision": decision, "reason": "as agreed", "approver": approver, "through": "slack",
            "plan_digest": self.covers(), "approvals": approvals, "needed": needed, "status": status, "asked": ["robin.lead"],
        });
        self.push(log, EventKind::ApprovalDecided, (approver, decision, settled(status)), facts)
    }

    /// Nobody decided in time, and others are asked.
    pub fn escalated(&mut self, log: &mut SampleLog) -> Row {
        let facts = json!({
            "approval": self.id, "from_level": 0, "to_level": 1, "why": "overdue", "covers": self.covers(),
            "asked": ["robin.lead", "sasha.security"],
        });
        self.push(
            log,
            EventKind::ApprovalEscalated,
            ("leaver/approval", "ask further", Outcome::Pending),
            facts,
        )
    }

    /// Nobody decided at all.
    pub fn expired(&mut self, log: &mut SampleLog) -> Row {
        let facts =
            json!({"approval": self.id, "covers": self.covers(), "asked": ["robin.lead", "sasha.security"]});
        self.push(log, EventKind::ApprovalExpired, ("leaver/approval", "expire", Outcome::Failure), facts)
    }

    /// It comes into force, and opens cases.
    pub fn began(&mut self, log: &mut SampleLog, cases: &[&str]) -> Row {
        let facts = self.asked_for(log, cases, 1);
        self.push(log, EventKind::MeasureBegan, ("leaver/approval", "begin", Outcome::Success), facts)
    }

    /// Its end has come, and what it gave is being taken back.
    pub fn ending(&mut self, log: &mut SampleLog, cases: &[&str]) -> Row {
        let facts = json!({"until": self.until, "cases": cases});
        self.push(
            log,
            EventKind::MeasureEnded,
            ("leaver/approval", "come to the end", Outcome::Pending),
            facts,
        )
    }

    /// It could not be brought about, or what it gave could not be taken back.
    pub fn failed(&mut self, log: &mut SampleLog, why: &str) -> Row {
        let facts = json!({"why": why});
        self.push(log, EventKind::MeasureEnded, ("leaver/approval", "end", Outcome::Failure), facts)
    }

    /// It is over.
    pub fn ended(&mut self, log: &mut SampleLog, cases: &[&str]) -> Row {
        let facts = self.asked_for(log, cases, 1);
        self.push(log, EventKind::MeasureEnded, ("leaver/approval", "end", Outcome::Success), facts)
    }

    /// The review is owed.
    pub fn opened(&mut self, log: &mut SampleLog) -> Row {
        let facts = self.what.clone();
        self.push(log, EventKind::TaskOpened, ("leaver/close", "open review", Outcome::Pending), facts)
    }

    /// The review is done.
    pub fn done(&mut self, log: &mut SampleLog, by: &str) -> Row {
        let facts = json!({"task": self.what, "statement": "The alarm was real", "evidence": []});
        self.push(log, EventKind::TaskClosed, (by, "close review", Outcome::Success), facts)
    }
}
