//! One made-up case, step by step.

use super::SampleLog;
use leaver_domain::{
    digest::Digest,
    ledger::{Draft, EventKind, Outcome},
    ports::Row,
    risk::RiskLevel,
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

/// One case that is being told. Each step appends a row at the log's present time and gives it back.
pub struct Case {
    /// Its id.
    pub id: String,
    number: usize,
    username: String,
    by: String,
    ordinals: BTreeMap<String, u32>,
    given: Option<Value>,
}

impl Case {
    /// Of somebody, opened by somebody.
    pub fn new(number: usize, username: &str, by: &str) -> Self {
        let id = format!("case-{}", &Digest::of(format!("{number} {username}").as_bytes()).to_string()[..24]);
        let (username, by) = (username.to_owned(), by.to_owned());
        Self { number, id, username, by, ordinals: BTreeMap::new(), given: None }
    }

    fn push(
        &mut self,
        log: &mut SampleLog,
        kind: EventKind,
        system: Option<&str>,
        step: Step,
        facts: Value,
    ) -> Row {
        let place = self.ordinals.entry(system.unwrap_or("case").to_owned()).or_default();
        let ordinal = *place;
        *place += 1;
        let mut evidence = json!({
            "user": {"username": self.username, "employee_id": format!("EMP-{:05}", self.number)}, "facts": facts,
        });
        if let (None, Some(given), Value::Object(fields)) = (system, &self.given, &mut evidence) {
            fields.insert("revocation".into(), given.clone());
        }
        log.push(Draft {
            event_id: format!("{}/{}/{ordinal}", self.id, system.unwrap_or("case")),
            case_id: self.id.clone(),
            ordinal,
            kind,
            occurred_at: log.now,
            username: self.username.clone(),
            actor: step.actor,
            system: system.map(str::to_owned),
            action: step.action.into(),
            outcome: step.outcome,
            risk: step.risk,
            evidence: evidence.to_string(),
        })
    }

    /// Its first row.
    pub fn open(&mut self, log: &mut SampleLog, how: &Opening) -> Row {
        let kind = if how.dry_run { EventKind::PlanPreviewed } else { EventKind::RevocationTriggered };
        self.given = Some(json!({
            "type": "leave", "reason": how.reason, "triggered_by": self.by, "dry_run": how.dry_run,
        }));
        let (now, api) = (log.now, self.by != "hris");
        let effective = now.plus(Duration::from_secs(how.effective_in));
        let source = if api { format!("api:{}", self.by) } else { "hris".to_owned() };
        let findings: Vec<_> =
            how.finding.iter().map(|kind| json!({"kind": kind, "detail": "look", "at": now})).collect();
        let facts = json!({
            "trigger": {
                "at": now, "body": Digest::of(self.id.as_bytes()), "by": self.by, "event_id": format!("evt_{}", self.number),
                "kind": if api { "manual" } else { "user_terminated" }, "received_at": now, "source": source,
            },
            "policy_digest": log.policy, "systems": log.systems, "effective_at": effective, "dates": {},
            "emergency": how.emergency, "findings": findings,
        });
        let step = Step::new(&self.by, if api { "manual" } else { "user_terminated" });
        self.push(log, kind, None, step, facts)
    }

    /// Validation went through.
    pub fn validated(&mut self, log: &mut SampleLog) -> Row {
        let facts =
            json!({"finding": null, "legal_hold": null, "policy_digest": log.policy, "systems": log.systems});
        self.push(log, EventKind::ValidationCompleted, None, Step::new("leaver/plan", "validate"), facts)
    }

    /// One system without access, by a first read.
    pub fn revoked(&mut self, log: &mut SampleLog, system: &str, residual: Option<&str>) -> Row {
        let now = log.now;
        let action = |kind: &str, target: String| json!({"at": now, "evidence": "read", "kind": kind, "label": target, "outcome": "done", "target": target});
        let actor = format!("leaver/adapter/{system}");
        let until = now.plus(Duration::from_secs(3_600));
        let facts = json!({
            "revocation": self.revocation(log), "risk": {"events": 4, "findings": [], "level": "clean"}, "attempts": 1,
            "plan_digest": Digest::of(self.id.as_bytes()),
            "actions_taken": [
                action("end_sessions", "sessions on all devices".into()), action("disable_account", self.username.clone()),
                action("remove_group", "Engineering".into()),
            ],
            "before_state": state("active", &["Engineering", "On call"], self.number),
            "after_state": state("suspended", &[], self.number),
            "residuals": residual.iter().map(|what| json!({"what": what, "until": until})).collect::<Vec<_>>(),
            "verification": {"status": "read_back", "verified_at": now, "verifier": actor},
        });
        self.push(
            log,
            EventKind::AccessRevoked,
            Some(system),
            Step::new(&actor, "revoke").risk(RiskLevel::Clean),
            facts,
        )
    }

    /// One system in which the person has no account.
    pub fn absent(&mut self, log: &mut SampleLog, system: &str) -> Row {
        let facts = json!({
            "revocation": self.revocation(log), "why": "the person has no account in this system", "actions_taken": [],
            "before_state": {"account_status": null}, "after_state": {"account_status": null},
        });
        let step = Step::new(&format!("leaver/adapter/{system}"), "revoke").outcome(Outcome::NotApplicable);
        self.push(log, EventKind::AccessRevoked, Some(system), step.risk(RiskLevel::Clean), facts)
    }

    /// A failed attempt.
    pub fn failed(&mut self, log: &mut SampleLog, system: &str, attempt: u32, fault: &str) -> Row {
        let facts = json!({
            "revocation": self.revocation(log), "fault": {"kind": fault, "detail": "the vendor's code was 503"},
            "attempt": attempt, "actions_taken": [], "before_state": state("active", &["Engineering"], self.number),
            "after_state": null,
        });
        let step = Step::new(&format!("leaver/adapter/{system}"), "revoke").outcome(Outcome::Failure);
        self.push(log, EventKind::RevocationFailed, Some(system), step, facts)
    }

    /// The delayed, independent read.
    pub fn verified(&mut self, log: &mut SampleLog, system: &str, good: bool) -> Row {
        let (now, actor) = (log.now, format!("leaver/adapter/{system}"));
        let fault = json!({"kind": "NotVerified", "detail": "1 action is left"});
        let facts = json!({
            "revocation": self.revocation(log), "fault": if good { Value::Null } else { fault },
            "after_state": state(if good { "suspended" } else { "active" }, &[], self.number),
            "verification": {"status": if good { "verified" } else { "failed" }, "verified_at": now, "verifier": actor},
        });
        let outcome = if good { Outcome::Success } else { Outcome::Failure };
        let step = Step::new(&actor, "verify").outcome(outcome).risk(RiskLevel::Clean);
        self.push(log, EventKind::VerificationCompleted, Some(system), step, facts)
    }

    /// A flagged system waits.
    pub fn waits(&mut self, log: &mut SampleLog, system: &str) -> Row {
        let facts = json!({
            "revocation": self.revocation(log), "plan_digest": Digest::of(system.as_bytes()),
            "risk": {"level": "flagged", "findings": [{"rule": "last_admin", "severity": "critical", "evidence": ["owner"]}]},
            "before_state": state("active", &["Owners"], self.number),
        });
        let step =
            Step::new(&format!("leaver/adapter/{system}"), "wait for approval").outcome(Outcome::Pending);
        self.push(log, EventKind::ApprovalRequested, Some(system), step.risk(RiskLevel::Flagged), facts)
    }

    /// Somebody decides.
    pub fn decided(&mut self, log: &mut SampleLog, system: &str, decision: &str, approver: &str) -> Row {
        let facts = json!({
            "decision": decision, "reason": "looked at; a successor is named", "approver": approver,
            "plan_digest": Digest::of(system.as_bytes()),
        });
        self.push(log, EventKind::ApprovalDecided, Some(system), Step::new(approver, decision), facts)
    }

    /// The owner is given the task.
    pub fn task(&mut self, log: &mut SampleLog, system: &str) -> Row {
        let due = log.now.plus(Duration::from_secs(14_400));
        let facts = json!({
            "task": {"owner": "sam.admin", "instructions": "look at the account by hand", "opened_at": log.now, "due_at": due},
            "fault": {"kind": "Unavailable", "detail": "503"}, "attempts": 3,
        });
        let step = Step::new("leaver/close", "open task").outcome(Outcome::Pending);
        self.push(log, EventKind::TaskOpened, Some(system), step, facts)
    }

    /// What would be done was worked out.
    pub fn previewed(&mut self, log: &mut SampleLog, system: &str) -> Row {
        let facts = json!({
            "revocation": self.revocation(log), "plan_digest": Digest::of(system.as_bytes()), "plan": [],
            "before_state": state("active", &["Engineering"], self.number),
        });
        let step = Step::new(&format!("leaver/adapter/{system}"), "preview").risk(RiskLevel::Clean);
        self.push(log, EventKind::PlanPreviewed, Some(system), step, facts)
    }

    /// Its last row.
    pub fn closed(&mut self, log: &mut SampleLog) -> Row {
        let facts = json!({"policy_digest": log.policy, "systems": {}});
        self.push(log, EventKind::CaseClosed, None, Step::new("leaver/close", "close"), facts)
    }

    /// From the first row to the last, everything as it should be. Gives every row to `each`.
    pub fn clean(&mut self, log: &mut SampleLog, each: &mut dyn FnMut(Row)) {
        each(self.open(log, &Opening::default()));
        each(self.validated(log.wait(1)));
        let systems = log.systems.clone();
        for (place, system) in systems.iter().enumerate() {
            let residual = (place % 4 == 2).then_some("access tokens that were issued before");
            each(self.revoked(log.wait(1), system, residual));
        }
        log.wait(60);
        for system in &systems {
            each(self.verified(log, system, true));
        }
        each(self.closed(log.wait(1)));
    }

    fn revocation(&self, log: &SampleLog) -> Value {
        let mut given = self.given.clone().unwrap_or_default();
        if let Value::Object(fields) = &mut given {
            fields.remove("dry_run");
            fields.insert("policy_digest".into(), json!(log.policy));
            fields.insert("emergency".into(), false.into());
        }
        given
    }
}

/// How a case is opened.
#[derive(Debug, Clone)]
pub struct Opening {
    /// Why.
    pub reason: &'static str,
    /// Only look and plan.
    pub dry_run: bool,
    /// Pass the risk gate.
    pub emergency: bool,
    /// In how many seconds access ends.
    pub effective_in: u64,
    /// The kind of a finding.
    pub finding: Option<&'static str>,
}

impl Default for Opening {
    fn default() -> Self {
        Self { reason: "Resignation", dry_run: false, emergency: false, effective_in: 0, finding: None }
    }
}

struct Step {
    actor: String,
    action: &'static str,
    outcome: Outcome,
    risk: Option<RiskLevel>,
}

impl Step {
    fn new(actor: &str, action: &str) -> Self {
        let known = [
            "user_terminated",
            "manual",
            "validate",
            "revoke",
            "verify",
            "wait for approval",
            "open task",
            "preview",
        ];
        let known = known.into_iter().chain(["close", "approve", "deny", "escalate"]);
        let action = known.into_iter().find(|known| *known == action).unwrap_or("something else");
        Self { actor: actor.into(), action, outcome: Outcome::Success, risk: None }
    }

    fn outcome(self, outcome: Outcome) -> Self {
        Self { outcome, ..self }
    }

    fn risk(self, risk: RiskLevel) -> Self {
        Self { risk: Some(risk), ..self }
    }
}

fn state(status: &str, groups: &[&str], number: usize) -> Value {
    json!({
        "account_status": status, "credentials": [], "groups": groups, "permissions": [], "roles": [], "sessions": null,
        "digest": Digest::of(format!("{status} {number}").as_bytes()),
    })
}
