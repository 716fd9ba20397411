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
    rounds: BTreeMap<String, u32>,
}

impl Case {
    /// Of somebody, opened by somebody.
    pub fn new(number: usize, username: &str, by: &str) -> Self {
        let id = format!("case-{}", &Digest::of(format!("{number} {username}").as_bytes()).to_string()[..24]);
        let (username, by) = (username.to_owned(), by.to_owned());
        Self { number, id, username, by, ordinals: BTreeMap::new(), given: None, rounds: BTreeMap::new() }
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
            action: step.action,
            outcome: step.outcome,
            risk: step.risk,
            evidence: evidence.to_string(),
        })
    }

    /// Its first row.
    pub fn open(&mut self, log: &mut SampleLog, how: &Opening) -> Row {
        let kind = match how.gives_back {
            _ if how.dry_run => EventKind::PlanPreviewed,
            true => EventKind::RestorationTriggered,
            false => EventKind::RevocationTriggered,
        };
        let mode = if how.gives_back { "reactivate" } else { how.mode };
        self.given = Some(json!({
            "type": mode, "reason": how.reason, "triggered_by": self.by, "dry_run": how.dry_run,
        }));
        let (now, api) = (log.now, self.by != "hris");
        let effective = now.plus(Duration::from_secs(how.effective_in));
        let source = if api { format!("api:{}", self.by) } else { "hris".to_owned() };
        let findings: Vec<_> =
            how.finding.iter().map(|kind| json!({"kind": kind, "detail": "look", "at": now})).collect();
        let source = how.measure.map_or(source, |_| "leaver".to_owned());
        let event = how.measure.map_or(format!("evt_{}", self.number), |measure| format!("{measure}-begin"));
        let what = how.kind.unwrap_or(if api { "manual" } else { "user_terminated" });
        let mut facts = json!({
            "trigger": {
                "at": now, "body": Digest::of(self.id.as_bytes()), "by": self.by, "event_id": event,
                "kind": what, "received_at": now, "source": source,
            },
            "policy_digest": log.policy, "systems": log.systems, "effective_at": effective, "dates": {},
            "emergency": how.emergency, "findings": findings,
        });
        if how.violation {
            facts["passes_gate"] = true.into();
        }
        for (name, value) in [("measure", how.measure), ("restores", how.restores)] {
            if let (Some(value), Some(fields)) = (value, facts.as_object_mut()) {
                fields.insert(name.into(), value.into());
            }
        }
        self.push(log, kind, None, Step::new(&self.by, what), facts)
    }

    /// Validation went through.
    pub fn validated(&mut self, log: &mut SampleLog) -> Row {
        let facts =
            json!({"finding": null, "legal_hold": null, "policy_digest": log.policy, "systems": log.systems});
        self.push(log, EventKind::ValidationCompleted, None, Step::new("leaver/plan", "validate"), facts)
    }

    /// One system without access, by a first read.
    pub fn revoked(&mut self, log: &mut SampleLog, system: &str, residual: Option<&str>) -> Row {
        self.taken(log, system, residual, RiskLevel::Clean, None)
    }

    /// The same of a flagged account.
    pub fn revoked_flagged(&mut self, log: &mut SampleLog, system: &str) -> Row {
        self.taken(log, system, None, RiskLevel::Flagged, None)
    }

    /// The same at the end of a measure, under its approval.
    pub fn revoked_under(&mut self, log: &mut SampleLog, system: &str, measure: &str) -> Row {
        self.taken(log, system, None, RiskLevel::Flagged, Some(measure))
    }

    fn taken(
        &mut self,
        log: &mut SampleLog,
        system: &str,
        residual: Option<&str>,
        risk: RiskLevel,
        measure: Option<&str>,
    ) -> Row {
        let now = log.now;
        let action = |kind: &str, target: String| json!({"at": now, "evidence": "read", "kind": kind, "label": target, "outcome": "done", "target": target});
        let actor = format!("leaver/adapter/{system}");
        let until = now.plus(Duration::from_secs(3_600));
        let mut facts = json!({
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
        if let (Some(measure), Some(fields)) = (measure, facts.as_object_mut()) {
            fields.insert("measure".into(), measure.into());
        }
        let step = Step::new(&actor, "revoke").risk(risk);
        self.push(log, EventKind::AccessRevoked, Some(system), step, facts)
    }

    /// One system in which access is back, by a first read.
    pub fn restored(&mut self, log: &mut SampleLog, system: &str, lost: &[&str], measure: &str) -> Row {
        let (now, actor) = (log.now, format!("leaver/adapter/{system}"));
        let action = |kind: &str, target: &str| json!({"at": now, "evidence": "read", "kind": kind, "label": target, "outcome": "done", "target": target});
        let facts = json!({
            "revocation": self.revocation(log), "measure": measure, "not_restorable": lost,
            "actions_taken": [action("enable_account", &self.username), action("add_group", "Engineering")],
            "before_state": state("suspended", &[], self.number),
            "after_state": state("active", &["Engineering"], self.number),
            "verification": {"status": "read_back", "verified_at": now, "verifier": actor},
        });
        let step = Step::new(&actor, "restore").risk(RiskLevel::Clean);
        self.push(log, EventKind::AccessRestored, Some(system), step, facts)
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

    /// A read days after the case.
    pub fn reverified(&mut self, log: &mut SampleLog, system: &str, day: u32, good: bool) -> Row {
        let (now, actor) = (log.now, format!("leaver/adapter/{system}"));
        let back = if good { json!([]) } else { json!(["account john.doe"]) };
        let status = if good { "verified" } else { "reappeared" };
        let facts = json!({
            "revocation": self.revocation(log), "day": day, "back": back, "fault": null, "tries": 1,
            "verification": {"status": status, "verified_at": now, "verifier": actor},
        });
        let outcome = if good { Outcome::Success } else { Outcome::Failure };
        self.push(
            log,
            EventKind::VerificationCompleted,
            Some(system),
            Step::new(&actor, "reverify").outcome(outcome),
            facts,
        )
    }

    /// A flagged system waits: one of the leads decides, within a day.
    pub fn waits(&mut self, log: &mut SampleLog, system: &str) -> Row {
        self.waits_for(log, system, 1)
    }

    /// A flagged system waits for so many approvals, once more where it waited before.
    pub fn waits_for(&mut self, log: &mut SampleLog, system: &str, approvers: u32) -> Row {
        *self.rounds.entry(system.to_owned()).or_default() += 1;
        let after = |seconds| log.now.plus(Duration::from_secs(seconds));
        let facts = json!({
            "revocation": self.revocation(log), "plan_digest": self.plan(system),
            "risk": {"level": "flagged", "findings": [{"rule": "last_admin", "severity": "critical", "evidence": ["owner"]}]},
            "before_state": state("active", &["Owners"], self.number), "plan": [],
            "approval": self.approval(system), "round": self.rounds.get(system), "asked": ["robin.lead", "harper.hr"],
            "need": {"approvers": approvers, "security": false}, "due_at": after(3_600), "expires_at": after(86_400),
        });
        let step =
            Step::new(&format!("leaver/adapter/{system}"), "wait for approval").outcome(Outcome::Pending);
        self.push(log, EventKind::ApprovalRequested, Some(system), step.risk(RiskLevel::Flagged), facts)
    }

    fn approval(&self, system: &str) -> String {
        format!("{}~{system}~{}", self.id, self.rounds.get(system).copied().unwrap_or(1))
    }

    fn plan(&self, system: &str) -> Digest {
        let round = self.rounds.get(system).filter(|round| **round > 1).map(u32::to_string);
        Digest::of(format!("{system}{}", round.unwrap_or_default()).as_bytes())
    }

    /// Somebody decides, and that settles it.
    pub fn decided(&mut self, log: &mut SampleLog, system: &str, decision: &str, approver: &str) -> Row {
        let status = match decision {
            "approve" => "approved",
            "deny" => "denied",
            _ => "pending",
        };
        self.decided_as(log, system, decision, approver, (1, 1, status))
    }

    /// Somebody decides: the how many'th of how many, and where that puts the request.
    pub fn decided_as(
        &mut self,
        log: &mut SampleLog,
        system: &str,
        decision: &str,
        approver: &str,
        (approvals, needed, status): (u32, u32, &str),
    ) -> Row {
        let facts = json!({
            "approval": self.approval(system), "decision": decision, "reason": "looked at; a successor is named",
            "approver": approver, "plan_digest": self.plan(system), "through": "api", "approvals": approvals,
            "needed": needed, "status": status, "asked": ["robin.lead", "harper.hr"],
        });
        let step = Step::new(approver, decision).outcome(settled(status)).risk(RiskLevel::Flagged);
        self.push(log, EventKind::ApprovalDecided, Some(system), step, facts)
    }

    /// Nobody decided in time, and others are asked.
    pub fn escalated(&mut self, log: &mut SampleLog, system: &str) -> Row {
        let facts = json!({
            "approval": self.approval(system), "from_level": 0, "to_level": 1, "why": "overdue",
            "asked": ["robin.lead", "harper.hr", "sasha.security"], "plan_digest": self.plan(system),
        });
        let step = Step::new("leaver/approval", "ask further").outcome(Outcome::Pending);
        self.push(log, EventKind::ApprovalEscalated, Some(system), step.risk(RiskLevel::Flagged), facts)
    }

    /// Nobody decided at all.
    pub fn expired(&mut self, log: &mut SampleLog, system: &str) -> Row {
        let facts = json!({
            "approval": self.approval(system), "plan_digest": self.plan(system),
            "asked": ["robin.lead", "harper.hr", "sasha.security"],
        });
        let step = Step::new("leaver/approval", "expire").outcome(Outcome::Failure);
        self.push(log, EventKind::ApprovalExpired, Some(system), step.risk(RiskLevel::Flagged), facts)
    }

    /// The owner did the task by hand.
    pub fn task_done(&mut self, log: &mut SampleLog, system: &str, by: &str) -> Row {
        let facts = json!({
            "task": {"owner": by}, "statement": "The account was removed in the vendor's console",
            "evidence": [{
                "name": "console.png", "media_type": "image/png", "size": 48_213, "sha256": Digest::of(system.as_bytes()),
            }],
        });
        self.push(log, EventKind::TaskClosed, Some(system), Step::new(by, "close task"), facts)
    }

    /// It is stopped before anything was done.
    pub fn stopped(&mut self, log: &mut SampleLog, why: &str, measure: Option<&str>) -> Row {
        let step = Step::new("leaver/plan", "hold").outcome(Outcome::Pending);
        self.push(
            log,
            EventKind::CaseHeld,
            None,
            step,
            json!({"held_for": why, "measure": measure, "run": 1}),
        )
    }

    /// It is let go on, or called off.
    pub fn let_go(&mut self, log: &mut SampleLog, on: bool, by: &str, measure: &str) -> Row {
        let (kind, action) = match on {
            true => (EventKind::CaseReleased, "release"),
            false => (EventKind::CaseCancelled, "cancel"),
        };
        let facts = json!({"by": by, "reason": "HR confirmed it by phone", "measure": measure});
        self.push(log, kind, None, Step::new(by, action), facts)
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
    /// Pass it as a suspension for a violation.
    pub violation: bool,
    /// In how many seconds access ends.
    pub effective_in: u64,
    /// The kind of a finding.
    pub finding: Option<&'static str>,
    /// `leave` or `partial`, of a case that takes access.
    pub mode: &'static str,
    /// Give access back instead.
    pub gives_back: bool,
    /// The trigger's kind, where it is neither HR's nor an operator's.
    pub kind: Option<&'static str>,
    /// The measure that opened it.
    pub measure: Option<&'static str>,
    /// The case whose access comes back.
    pub restores: Option<&'static str>,
}

impl Default for Opening {
    fn default() -> Self {
        Self {
            reason: "Resignation",
            dry_run: false,
            emergency: false,
            violation: false,
            effective_in: 0,
            finding: None,
            mode: "leave",
            gives_back: false,
            kind: None,
            measure: None,
            restores: None,
        }
    }
}

/// How a decision's row came out.
pub(super) fn settled(status: &str) -> Outcome {
    match status {
        "approved" => Outcome::Success,
        "pending" => Outcome::Pending,
        _ => Outcome::Failure,
    }
}

struct Step {
    actor: String,
    action: String,
    outcome: Outcome,
    risk: Option<RiskLevel>,
}

impl Step {
    fn new(actor: &str, action: &str) -> Self {
        Self { actor: actor.into(), action: action.into(), outcome: Outcome::Success, risk: None }
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
