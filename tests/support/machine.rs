//! The state machine behind its first Map, one system at a time, and the API as people call it: what a human decides about.

use crate::{
    flow::{House, api_request, body},
    sandbox::now,
};
use futures_util::future::BoxFuture;
use leaver_adapter::Step;
use leaver_approval::{About, Humans, Input, Output};
use leaver_domain::{
    approval::ApprovalStatus,
    case::{SystemRecord, SystemStatus},
    digest::Digest,
    fault::Fault,
    id::{CaseId, SystemId},
    ports::{CaseStore, Messenger},
    secret::Secret,
    time::Timestamp,
};
use serde_json::{Value, json};

/// Tries of a step within one execution.
const TRIES: usize = 5;

/// Where a system stands behind the first Map, by the state's name in `statemachine.json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum At {
    /// Looks whether it is decided.
    Gate,
    /// Puts the request.
    Ask,
    /// Waits on its task token.
    Waiting(String),
    /// Works on the system.
    Apply,
    /// Reads again.
    ReadBack,
    /// Becomes its owner's task.
    HandOver,
    /// At its end.
    Done,
}

/// One item of the Maps behind the first.
#[derive(Debug, Clone)]
pub struct Item {
    /// The case.
    pub case: CaseId,
    /// The system.
    pub system: String,
    /// Where it stands.
    pub at: At,
    /// How often it asked.
    pub asked: u32,
}

impl Item {
    /// What it waits for a decision about.
    pub fn about(&self) -> About {
        About::System { case_id: self.case.clone(), system: self.system.parse().expect("an id") }
    }

    /// `Route` of the state machine.
    fn route(status: Option<SystemStatus>) -> At {
        match status {
            Some(SystemStatus::AwaitingApproval) => At::Gate,
            Some(SystemStatus::Revoked | SystemStatus::Restored) => At::ReadBack,
            // It failed for good.
            None => At::HandOver,
            Some(_) => At::Done,
        }
    }
}

impl House {
    /// What the function that asks humans works with.
    pub fn humans<'a>(
        &'a self,
        store: &'a dyn CaseStore,
        messenger: Option<&'a dyn Messenger>,
        now: Timestamp,
    ) -> Humans<'a> {
        Humans { policy: &self.policy, store, workflow: &self.workflow, messenger, now }
    }

    /// The gate of an item.
    pub async fn gate(
        &self,
        store: &dyn CaseStore,
        of: About,
        now: Timestamp,
    ) -> Result<ApprovalStatus, Fault> {
        decision(leaver_approval::handle(&self.humans(store, None, now), Input::Gate { of }).await?)
    }

    /// Puts the request of an item, with a task token.
    pub async fn put(
        &self,
        store: &dyn CaseStore,
        of: About,
        token: &str,
        now: Timestamp,
    ) -> Result<ApprovalStatus, Fault> {
        let input = Input::Ask { of, task_token: Secret::new(token) };
        decision(leaver_approval::handle(&self.humans(store, None, now), input).await?)
    }

    /// The minute's tick at an instant.
    pub async fn tick(
        &self,
        store: &dyn CaseStore,
        now: Timestamp,
    ) -> Result<leaver_approval::Ticked, Fault> {
        match leaver_approval::handle(&self.humans(store, None, now), Input::Tick).await? {
            Output::Ticked(ticked) => Ok(ticked),
            Output::Gate { .. } => panic!("a tick is no gate"),
        }
    }

    /// A step with the state machine's retries; `None` where it failed for good.
    pub async fn tried(&self, case: &CaseId, system: &str, step: Step) -> Option<SystemStatus> {
        for _ in 0..TRIES {
            match self.step(&self.cases, case, system, step).await {
                Ok(status) => return status,
                Err(fault) if fault.kind.is_retryable() => {}
                Err(_) => break,
            }
        }
        None
    }

    /// The first step and the first Map of an execution; the items behind it.
    pub async fn contain(&self, case: &CaseId) -> Vec<Item> {
        let planned = self.plan(&self.cases, case).await.expect("a plan");
        let mut items = Vec::new();
        for of in &planned.systems {
            let at = Item::route(self.tried(case, &of.system, Step::Run).await);
            if at != At::Done {
                items.push(Item { case: case.clone(), system: of.system.clone(), at, asked: 0 });
            }
        }
        items
    }

    /// Lets an item go on until it waits for somebody, or is at its end. One that waits goes on once its token was woken.
    pub async fn go_on(&self, item: &mut Item, now: Timestamp) {
        loop {
            item.at = match &item.at {
                At::Waiting(token) if self.workflow.woken().contains(token) => At::Gate,
                At::Waiting(_) | At::Done => return,
                At::Gate => match self.gate(&self.cases, item.about(), now).await.expect("a gate") {
                    ApprovalStatus::Approved => At::Apply,
                    ApprovalStatus::Pending => At::Ask,
                    ApprovalStatus::Denied | ApprovalStatus::Expired => At::HandOver,
                },
                At::Ask => {
                    item.asked += 1;
                    let token = format!("{}-{}-{}", item.case, item.system, item.asked);
                    self.put(&self.cases, item.about(), &token, now).await.expect("a request");
                    At::Waiting(token)
                }
                At::Apply => Item::route(self.tried(&item.case, &item.system, Step::Run).await),
                At::ReadBack => match self.tried(&item.case, &item.system, Step::Verify).await {
                    Some(_) => At::Done,
                    None => At::HandOver,
                },
                At::HandOver => {
                    self.hand_over(&item.case, &item.system).await;
                    At::Done
                }
            };
        }
    }

    /// What could not be finished becomes its owner's task, while the case goes on.
    async fn hand_over(&self, case: &CaseId, system: &str) {
        let wait = |_| -> BoxFuture<'_, ()> { Box::pin(async {}) };
        let (policy, store, ledger) = (&self.policy, &self.cases, &self.ledger);
        let close = leaver_close::Close { policy, store, ledger, clock: &now, wait: &wait, tries: 1 };
        let system = Some(system.parse().expect("an id"));
        let input =
            leaver_close::Input { case_id: Some(case.clone()), system, systems: vec![], reverify: None };
        leaver_close::handle(&close, input).await.expect("a task");
    }

    /// Lets every item go on as far as it comes.
    pub async fn go_on_all(&self, items: &mut [Item], now: Timestamp) {
        for item in items {
            self.go_on(item, now).await;
        }
    }

    /// One system of a case.
    pub async fn system(&self, case: &CaseId, system: &str) -> SystemRecord {
        let id: SystemId = system.parse().expect("an id");
        self.cases.system(case, &id).await.expect("the store").expect("the system")
    }

    /// Calls the API as somebody with these roles, at an instant.
    pub async fn call(
        &self,
        (who, roles): (&str, &str),
        method: &str,
        path: &str,
        text: &str,
        now: Timestamp,
    ) -> (i64, Value) {
        self.call_over(&self.cases, (who, roles), method, path, text, now).await
    }

    /// The same over another table.
    pub async fn call_over(
        &self,
        store: &dyn CaseStore,
        (who, roles): (&str, &str),
        method: &str,
        path: &str,
        text: &str,
        now: Timestamp,
    ) -> (i64, Value) {
        let api = leaver_api::Api {
            signals: leaver_api::Signals { issuer: "i", signer: &self.signer },
            policy: &self.policy,
            cases: store,
            rosters: &self.cases,
            ledger: &self.ledger,
            workflow: &self.workflow,
            evidence: &self.cases,
            objects: &self.objects,
            archives: &self.objects,
            tokens: &leaver_api::Accepted { issuer: "i".into(), audience: "a".into() },
            now,
            sleep: &|_| Box::pin(async {}),
        };
        let key = Digest::of(format!("{who} {path} {text}").as_bytes()).to_string();
        let asked = api_request((who, roles), method, path, text, &key);
        let answer = leaver_api::handle(&api, &asked).await;
        (answer.status_code, body(&answer))
    }

    /// Decides over the API about the newest request of a system.
    pub async fn decide(&self, who: (&str, &str), item: &Item, decision: &str) -> (i64, Value) {
        let record = self.system(&item.case, &item.system).await;
        let id = record.approval_id(record.approval.as_ref().expect("a request"));
        let said = json!({"decision": decision, "reason": "looked at it"}).to_string();
        self.call(who, "POST", &format!("/api/v1/approvals/{id}"), &said, now()).await
    }

    /// What was asked of a stand-in that changes something; its logins are none of that.
    pub async fn writes(&self, system: &str) -> Vec<String> {
        let changes = |one: &Value| {
            let (method, path) = (one["method"].as_str()?, one["path"].as_str()?);
            let login = path.ends_with("/token") || path.ends_with("/access_tokens");
            let reads = method == "GET" || method == "POST" && (login || path.ends_with("/graphql"));
            (!reads).then(|| format!("{method} {path}"))
        };
        self.stage.requests(system).await.iter().filter_map(changes).collect()
    }
}

fn decision(output: Output) -> Result<ApprovalStatus, Fault> {
    match output {
        Output::Gate { decision } => Ok(decision),
        Output::Ticked(_) => panic!("a gate is no tick"),
    }
}
