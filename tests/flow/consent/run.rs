//! One sequence of acts, through the functions and over the stores in memory.

use super::{
    Seen,
    acts::{Act, Caller, Meanwhile},
    fake::{CLEAN, SYSTEMS, World},
};
use leaver_adapter::Step;
use leaver_approval::About;
use leaver_domain::{
    approval::{ApprovalId, Asked, Stricter},
    id::{CaseId, MeasureId},
    person::PersonStatus,
    ports::{CaseStore, Execution},
    risk::Rule,
};
use leaver_tests::flow::{House, body, event};
use proptest::{sample::Index, test_runner::TestCaseError};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A decision that was taken, as whoever took it saw it.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) by: Caller,
    pub(super) decision: &'static str,
    pub(super) was_active: bool,
}

/// One sequence of acts.
pub(crate) struct Run {
    pub(super) house: House,
    pub(super) world: World,
    cases: Vec<CaseId>,
    pub(super) said: BTreeMap<String, Vec<Said>>,
    pub(super) emergencies: BTreeSet<CaseId>,
    /// Every request for a decision that was ever seen, those that came back and those that are over among them.
    requests: Vec<ApprovalId>,
    number: usize,
    pub(crate) seen: Seen,
}

pub(super) type Held = Result<(), TestCaseError>;

impl Run {
    pub(crate) async fn new() -> Self {
        let mut house = House::new().await;
        house.policy.systems.retain(|system, _| SYSTEMS.contains(&system.as_str()));
        let approvals = &mut house.policy.approvals;
        approvals.levels = vec![Asked::Manager, Asked::Approvers, Asked::SecurityTeam];
        approvals.two_approvers = Stricter { from: None, rules: [Rule::LiveAutomation].into() };
        approvals.delegates = [("sam.admin".parse().unwrap(), "robin.mover".parse().unwrap())].into();
        Self {
            house,
            world: World::new(),
            cases: Vec::new(),
            said: BTreeMap::new(),
            emergencies: BTreeSet::new(),
            requests: Vec::new(),
            number: 0,
            seen: Seen::default(),
        }
    }

    pub(crate) async fn act(&mut self, act: &Act) -> Held {
        self.number += 1;
        self.world.pass(1);
        self.look_around().await;
        match act {
            Act::Fired(about) => {
                let said = event(about, &format!("evt-{}", self.number)).to_string();
                let answer = self.house.post(&self.house.cases, &said).await;
                self.opened(&body(&answer), None);
            }
            Act::Opened { by, about, emergency, dry, partial } => {
                let mut said =
                    json!({"person": about, "reason": "leaves", "emergency": emergency, "dry_run": dry});
                if *partial {
                    said["scope"] = json!({"grants": ["everybody", "owner"]});
                }
                let (_, shown) = self.call(*by, "/api/v1/cases", &said).await;
                self.opened(&shown, emergency.then_some(*by).filter(|_| !dry));
            }
            Act::Planned(case) => self.planned(case).await,
            Act::Step(case, system, step) => {
                if let Some(case) = self.case(case) {
                    self.step(&case, system, *step).await?;
                }
            }
            Act::Gate(case, system) => self.gate(case, system, None).await,
            Act::Put(case, system) => self.gate(case, system, Some("token")).await,
            Act::Executed(case) => self.executed(case).await?,
            Act::Decided { by, about, decision } => {
                if let Some(id) = self.request(about) {
                    self.decide(*by, &id, decision).await;
                }
            }
            Act::Agreed { about, by, meanwhile } => self.agreed(about, by, *meanwhile).await?,
            Act::LeftAlone(system, about) => self.world.leave_alone(system, about),
            Act::Ticked(seconds) => {
                self.world.pass(*seconds);
                let _ = self.house.tick(&self.house.cases, self.world.now()).await;
            }
            Act::Closed(case) => self.closed(case).await,
            Act::Measured(index) => self.measured(index).await,
            Act::Grew(system, about) => self.world.grow(system, about, self.number),
            Act::Shrank(system, about) => self.world.shrink(system, about),
            Act::Automated(about) => self.world.automate(CLEAN, about),
            Act::Cancelled(..)
            | Act::TaskClosed(..)
            | Act::Restored(..)
            | Act::BrokeGlass(..)
            | Act::Granted(..) => self.asked(act).await,
        }
        Ok(())
    }

    /// What people ask of the API beside cases and decisions.
    async fn asked(&mut self, act: &Act) {
        let why = json!({"reason": format!("because {}", self.number)});
        match act {
            Act::Cancelled(by, case) => {
                if let Some(case) = self.case(case) {
                    self.call(*by, &format!("/api/v1/cases/{case}/cancel"), &why).await;
                }
            }
            Act::TaskClosed(by, task) => {
                let open = self.house.cases.tasks(100).await.unwrap();
                if let Some(task) = pick(task, &open) {
                    let said = json!({"statement": "Looked at it by hand."});
                    self.call(*by, &format!("/api/v1/tasks/{task}"), &said).await;
                }
            }
            Act::Restored(by, case) => {
                if let Some(case) = self.case(case) {
                    self.call(*by, &format!("/api/v1/cases/{case}/restore"), &why).await;
                }
            }
            Act::BrokeGlass(by, about) => {
                let said = json!({"reason": "outage", "for": "1h", "approver": "taylor.admin"});
                self.call(*by, &format!("/api/v1/employees/{about}/break-glass"), &said).await;
            }
            Act::Granted(by, about) => {
                let said =
                    json!({"permissions": ["okta:more", "github:more"], "for": "1h", "reason": "work"});
                self.call(*by, &format!("/api/v1/employees/{about}/grants"), &said).await;
            }
            _ => {}
        }
    }

    /// At the end every machine step is repeated once more.
    pub(crate) async fn afterwards(&mut self) -> Held {
        self.look_around().await;
        for case in self.cases.clone() {
            for system in SYSTEMS {
                self.step(&case, system, Step::Run).await?;
            }
        }
        Ok(())
    }

    async fn call(&self, by: Caller, path: &str, said: &Value) -> (i64, Value) {
        self.house.call((by.who, by.roles), "POST", path, &said.to_string(), self.world.now()).await
    }

    fn opened(&mut self, shown: &Value, emergency: Option<Caller>) {
        let case: Option<CaseId> = shown["case_id"].as_str().and_then(|id| id.parse().ok());
        if let (Some(case), Some(by)) = (&case, emergency)
            && by.has("security")
        {
            self.emergencies.insert(case.clone());
        }
    }

    fn case(&self, index: &Index) -> Option<CaseId> {
        pick(index, &self.cases)
    }

    /// Mostly what was asked for last.
    fn request(&self, index: &Index) -> Option<ApprovalId> {
        let recent = self.requests.len().saturating_sub(6);
        pick(index, &self.requests[recent..])
    }

    /// Takes note of the cases and requests that have come to be by whatever way.
    async fn look_around(&mut self) {
        let page = self.house.cases.cases(None, 1_000).await.unwrap();
        self.cases = page.cases.iter().rev().map(|case| case.case_id.clone()).collect();
        for id in self.house.cases.asking(1_000).await.unwrap() {
            if !self.requests.contains(&id) {
                self.requests.push(id);
            }
        }
    }

    async fn planned(&self, index: &Index) {
        if let Some(case) = self.case(index) {
            let _ = self.house.plan_at(&self.house.cases, &case, self.world.now()).await;
        }
    }

    async fn gate(&self, index: &Index, system: &str, token: Option<&str>) {
        let Some(case_id) = self.case(index) else { return };
        let about = About::System { case_id, system: system.parse().unwrap() };
        let (store, now) = (&self.house.cases, self.world.now());
        let _ = match token {
            None => self.house.gate(store, about, now).await,
            Some(token) => self.house.put(store, about, token, now).await,
        };
    }

    async fn executed(&mut self, index: &Index) -> Held {
        let Some(case) = self.case(index) else { return Ok(()) };
        let _ = self.house.plan_at(&self.house.cases, &case, self.world.now()).await;
        for system in SYSTEMS {
            self.step(&case, system, Step::Run).await?;
            self.gate(index, system, None).await;
            self.gate(index, system, Some("token")).await;
            self.step(&case, system, Step::Verify).await?;
        }
        Ok(())
    }

    async fn closed(&self, index: &Index) {
        let Some(case) = self.case(index) else { return };
        let wait = |_| -> futures_util::future::BoxFuture<'_, ()> { Box::pin(async {}) };
        let clock = || self.world.now();
        let (policy, store, ledger) = (&self.house.policy, &self.house.cases, &self.house.ledger);
        let close = leaver_close::Close { policy, store, ledger, clock: &clock, wait: &wait, tries: 1 };
        let input =
            leaver_close::Input { case_id: Some(case), system: None, systems: vec![], reverify: None };
        let _ = leaver_close::handle(&close, input).await;
    }

    async fn measured(&self, index: &Index) {
        let measure = |execution: Execution| match execution {
            Execution::Measure(id) => Some(id),
            Execution::Case { .. }
            | Execution::Batch { .. }
            | Execution::Roster { .. }
            | Execution::Reverify { .. }
            | Execution::Logs { .. }
            | Execution::Transfers { .. } => None,
        };
        let started: Vec<MeasureId> =
            self.house.workflow.executions().into_iter().filter_map(measure).collect();
        if let Some(measure) = pick(index, &started) {
            let about = About::Measure { measure };
            let _ = self.house.put(&self.house.cases, about.clone(), "token", self.world.now()).await;
            let _ = self.house.gate(&self.house.cases, about, self.world.now()).await;
        }
    }

    async fn decide(&mut self, by: Caller, id: &ApprovalId, decision: &'static str) {
        let person = self.house.cases.person(&by.who.parse().unwrap()).await.unwrap();
        let was_active = person.is_some_and(|person| person.status == PersonStatus::Active);
        let said = json!({"decision": decision, "reason": "looked at it"});
        let (status, _) = self.call(by, &format!("/api/v1/approvals/{id}"), &said).await;
        if status == 200 {
            self.said.entry(id.to_string()).or_default().push(Said { by, decision, was_active });
        }
    }

    async fn agreed(&mut self, index: &Index, by: &[Caller], meanwhile: Meanwhile) -> Held {
        let Some(id) = self.request(index) else { return Ok(()) };
        for by in by {
            self.decide(*by, &id, "approve").await;
        }
        match &id {
            ApprovalId::System { case, system, .. } => {
                if let Some(system) = SYSTEMS.into_iter().find(|one| *one == system.as_str()) {
                    let record = self.house.cases.case(case).await.unwrap().unwrap();
                    let about = record.person.username.as_str();
                    match meanwhile {
                        Meanwhile::Nothing => {}
                        Meanwhile::Grows => self.world.grow(system, about, self.number),
                        Meanwhile::IsLeftAlone => self.world.leave_alone(system, about),
                    }
                    self.step(case, system, Step::Run).await?;
                }
            }
            ApprovalId::Measure(measure) => {
                let about = About::Measure { measure: measure.clone() };
                let _ = self.house.gate(&self.house.cases, about, self.world.now()).await;
            }
        }
        Ok(())
    }
}

fn pick<T: Clone>(index: &Index, of: &[T]) -> Option<T> {
    (!of.is_empty()).then(|| index.get(of).clone())
}
