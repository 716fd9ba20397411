//! Exceptions, grants, emergency access, restores, extensions and holds: asked for, decided, brought about, taken back; with
//! every refusal, and whatever dies in between.

mod afterwards;
mod api;
mod life;
mod refusals;
pub(crate) mod whole;

use leaver_domain::{
    approval::{ApprovalId, Decision},
    case::{CaseRecord, CaseStatus, Mode, SystemStatus, Trigger},
    deciding::{self, Who},
    digest::Digest,
    effective::Dates,
    id::{CaseId, Username},
    intake,
    inventory::{Account, AccountStatus, Grant, GrantKind, Inventory, Sessions},
    measure::{Measure, Permission, What},
    measures::{self, Asked},
    person::{Person, PersonStatus},
    policy::Policy,
    ports::{CaseStore, StoreError},
    problem::{NotDone, Problem},
    time::Timestamp,
};
use leaver_platform::memory::{MemoryCases, MemoryWorkflow};
use leaver_sandbox::people;
use leaver_tests::{flow::policy, sandbox::now};
use std::{collections::BTreeSet, time::Duration};

pub(crate) const HOUR: u64 = 3_600;
pub(crate) const DAY: u64 = 86_400;

pub(crate) fn after(seconds: u64) -> Timestamp {
    now().plus(Duration::from_secs(seconds))
}

pub(crate) fn name(text: &str) -> Username {
    text.parse().unwrap()
}

pub(crate) fn permission(text: &str) -> Permission {
    let (system, grant) = text.split_once(':').unwrap();
    Permission { system: system.parse().unwrap(), grant: grant.into() }
}

pub(crate) fn grant(permissions: &[&str]) -> What {
    What::Grant { permissions: permissions.iter().map(|text| permission(text)).collect() }
}

/// The stores, and the sample people in them; no system is spoken to here.
pub(crate) struct Desk {
    pub(crate) cases: MemoryCases,
    pub(crate) workflow: MemoryWorkflow,
    pub(crate) policy: Policy,
}

impl Desk {
    pub(crate) async fn new() -> Self {
        let desk = Self {
            cases: MemoryCases::default(),
            workflow: MemoryWorkflow::default(),
            policy: policy("local"),
        };
        for sample in people::load().expect("the sample people") {
            let person = Person { version: 1, ..sample.person };
            desk.cases.put_person(&person).await.expect("a new person");
        }
        desk
    }

    /// Another one with the same tables.
    pub(crate) fn copy(&self) -> Self {
        Self { cases: self.cases.copy(), workflow: MemoryWorkflow::default(), policy: self.policy.clone() }
    }

    pub(crate) async fn person(&self, username: &str) -> Person {
        self.cases.person(&name(username)).await.unwrap().unwrap()
    }

    /// From now on somebody's contract ends with a day.
    pub(crate) async fn contract(&self, username: &str, ends: Timestamp) {
        let mut person = self.person(username).await;
        person.contract_end = Some(ends.to_string()[..10].parse().unwrap());
        person.version += 1;
        self.cases.put_person(&person).await.unwrap();
    }

    pub(crate) async fn measure(&self, measure: &Measure) -> Measure {
        self.cases.measure(&measure.measure_id).await.unwrap().unwrap()
    }

    /// What `jane.smith` asks for.
    pub(crate) fn asked(&self, what: What, person: &str, until: Option<Timestamp>, request: &str) -> Asked {
        Asked {
            what,
            person: name(person),
            requested_by: name("jane.smith"),
            reason: "because".into(),
            until,
            only: BTreeSet::new(),
            request_id: request.into(),
            body: Digest::of(request.as_bytes()),
        }
    }

    pub(crate) async fn ask(&self, asked: Asked) -> Result<Measure, Problem> {
        match measures::request(&self.cases, &self.workflow, &self.policy, asked, now()).await {
            Ok((measure, not_started)) => {
                assert_eq!(not_started, None);
                Ok(measure)
            }
            Err(NotDone::Refused(problem)) => Err(problem),
            Err(NotDone::Store(error)) => panic!("{error}"),
        }
    }

    /// `sam.admin` approves.
    pub(crate) async fn approve(&self, measure: &Measure) -> Measure {
        self.approve_at(measure, now()).await
    }

    pub(crate) async fn approve_at(&self, measure: &Measure, at: Timestamp) -> Measure {
        let id = ApprovalId::Measure(measure.measure_id.clone());
        let who = Who { username: name("sam.admin"), roles: None, through: "api" };
        let (decision, reason) = (Decision::Approve, "agreed");
        let decided =
            deciding::decide(&self.cases, &self.workflow, &self.policy, &id, &who, decision, reason, at);
        decided.await.expect("a decision");
        self.measure(measure).await
    }

    pub(crate) async fn begin(&self, measure: &Measure, at: Timestamp) -> Result<Measure, StoreError> {
        let measure = self.measure(measure).await;
        measures::begin(&self.cases, &self.workflow, &self.policy, measure, at).await
    }

    pub(crate) async fn end(&self, measure: &Measure, at: Timestamp) -> Result<Measure, StoreError> {
        let measure = self.measure(measure).await;
        measures::end(&self.cases, &self.workflow, &self.policy, measure, at).await
    }

    /// Asked for, approved and brought about.
    pub(crate) async fn given(&self, asked: Asked) -> Measure {
        let measure = self.ask(asked).await.expect("a request");
        self.approve(&measure).await;
        self.begin(&measure, now()).await.expect("a beginning")
    }

    /// A case that took something from somebody, and came to its end.
    pub(crate) async fn took(&self, username: &str, mode: Mode) -> CaseId {
        let person = self.person(username).await;
        let event_id = format!("evt-{username}-{mode:?}").parse().unwrap();
        let request = intake::Request {
            trigger: Trigger {
                source: "hris".into(),
                event_id,
                by: "hris".into(),
                kind: "user_terminated".into(),
                at: now(),
                received_at: now(),
                body: Digest::ZERO,
            },
            mode,
            reason: "Resignation".into(),
            dates: Dates::default(),
            effective_at: now(),
            dry_run: false,
            emergency: false,
            preserve_data: false,
            grants: (mode == Mode::Partial).then(|| ["g".to_owned()].into()),
            permissions: BTreeSet::new(),
            moves: None,
            measure: None,
        };
        let (receipt, _) =
            intake::submit(&self.cases, &self.workflow, &self.policy, &person, &request, now())
                .await
                .unwrap();
        self.run(&receipt.case_id, &["okta:before"]).await;
        let mut person = self.person(username).await;
        if mode == Mode::Leave {
            person.status = PersonStatus::Left;
            person.version += 1;
            self.cases.put_person(&person).await.unwrap();
        }
        receipt.case_id
    }

    /// What an execution leaves behind: each system's state before it, and that it is done.
    pub(crate) async fn run(&self, case: &CaseId, held: &[&str]) {
        self.run_at(case, held, now()).await;
    }

    pub(crate) async fn run_at(&self, case: &CaseId, held: &[&str], at: Timestamp) {
        for mut record in self.cases.systems(case).await.unwrap() {
            let account = Account {
                id: "u1".into(),
                login: "u".into(),
                status: AccountStatus::Active,
                matched_by: "email".into(),
                privileged: false,
                last_login: None,
                facts: [].into(),
            };
            let mut before = Inventory::of(account, Sessions::Unreadable);
            let here = held.iter().map(|text| permission(text)).filter(|one| one.system == record.system);
            before.grants = here
                .map(|one| Grant {
                    id: one.grant.clone(),
                    kind: GrantKind::Group,
                    name: format!("group {}", one.grant),
                    privileged: false,
                    fixed: None,
                    sole_holder: false,
                })
                .collect();
            self.cases.keep_before(case, &record.system, &before).await.unwrap();
            record.before = Some(before.state());
            record.started_at = Some(at);
            record.status = SystemStatus::Verified;
            record.version += 1;
            self.cases.put_system(&record).await.unwrap();
        }
        self.settle(case, CaseStatus::Complete).await;
    }

    pub(crate) async fn settle(&self, case: &CaseId, status: CaseStatus) {
        let mut record = self.case(case).await;
        record.status = status;
        record.version += 1;
        self.cases.put_case(&record).await.unwrap();
    }

    pub(crate) async fn case(&self, case: &CaseId) -> CaseRecord {
        self.cases.case(case).await.unwrap().unwrap()
    }
}
