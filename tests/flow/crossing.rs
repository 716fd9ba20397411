//! Cases and holds that cross each other: one comes while another is under way, or has not ended.

use crate::{
    archive::hold,
    recorded,
    restoring::{ask, back, given_back, names},
};
use leaver_adapter::{Input, Step, System};
use leaver_domain::{
    case::{CaseStatus, SystemRecord, SystemStatus},
    gathering::Gathering,
    id::{CaseId, SystemId},
    ledger::EventKind,
    person::PersonStatus,
    plan::ActionKind,
    ports::{CaseStore, StoreError},
    time::Timestamp,
    transfers::{Transfer, TransferState},
};
use leaver_tests::{
    failing::Failing,
    flow::{House, body, event},
};
use serde_json::json;
use std::{collections::BTreeSet, time::Duration};
use tokio::{runtime::Handle, task::block_in_place};

const JOHN: &str = "john.doe";

async fn system(house: &House, case: &CaseId, system: &str) -> SystemRecord {
    house.cases.system(case, &system.parse().unwrap()).await.unwrap().unwrap()
}

/// What an event of the HRIS about John opens, carried out.
async fn done(house: &House, kind: &str) -> CaseId {
    let mut told = event(JOHN, &format!("evt-{kind}-before"));
    told["event_type"] = json!(kind);
    let answer = house.post(&house.cases, &told.to_string()).await;
    assert_eq!(answer.status_code, 202, "{:?}", answer.body);
    let case = body(&answer)["case_id"].as_str().unwrap().parse().unwrap();
    house.execute(&case).await;
    case
}

/// A member without a linked identity is found in the list of members, and is not in it any more once they were removed.
async fn hide_from_github(house: &House) {
    let members = json!({"nodes": [], "pageInfo": {"hasNextPage": false, "endCursor": null}});
    let answer =
        json!({"data": {"organization": {"samlIdentityProvider": null, "membersWithRole": members}}});
    let fault = json!({"system": "github", "match": "/graphql", "status": 200, "body": answer});
    house.stage.fault(fault).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_the_first_of_two_cases_could_find_comes_back_with_the_second() {
    for kind in ["user_suspended", "user_terminated"] {
        let house = House::new().await;
        let held = names(&house.stage.account("github", JOHN).await);
        let first = done(&house, kind).await;
        assert_eq!(house.stage.account("github", JOHN).await["active"], false, "{kind}");
        hide_from_github(&house).await;
        let left = recorded(&house, JOHN).await;
        house.execute(&left).await;
        house.stage.clear().await;
        let found = system(&house, &left, "github").await;
        assert_eq!((found.status, found.before.unwrap().account_status), (SystemStatus::NotApplicable, None));
        let case = given_back(&house, "m-begin", &left).await;
        let (record, systems) = house.case(&case).await;
        assert_eq!(record.status, CaseStatus::Complete, "{kind}: {systems:#?}");
        assert_eq!(system(&house, &case, "github").await.status, SystemStatus::Verified, "{kind}");
        let is = house.stage.account("github", JOHN).await;
        assert_eq!((&is["active"], names(&is)), (&json!(true), held), "{kind}");
        // What the first one gave to somebody else is named as well.
        let mut gone = system(&house, &first, "google_workspace").await.transfers;
        assert_eq!(gone.is_empty(), kind == "user_suspended");
        gone.extend(system(&house, &left, "google_workspace").await.transfers);
        gone.retain(|one| matches!(one.state, TransferState::Running | TransferState::Done));
        let went = |one: &Transfer| {
            format!("ownership of {} {} went to {}", one.kind, one.name, one.to.as_ref().unwrap())
        };
        let gone: BTreeSet<String> = gone.iter().map(went).collect();
        let mut lost = system(&house, &case, "google_workspace").await.not_restorable;
        lost.retain(|one| one.starts_with("ownership of"));
        assert_eq!(lost, Vec::from_iter(gone), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_case_may_still_take_is_given_back_with_the_rest() {
    let house = House::new().await;
    let left = recorded(&house, JOHN).await;
    house.plan(&house.cases, &left).await.unwrap();
    let pristine = house.cases.copy();
    let okta: SystemId = "okta".parse().unwrap();
    for (status, over) in [
        (SystemStatus::Queued, false),
        (SystemStatus::Failed, false),
        (SystemStatus::AwaitingApproval, false),
        (SystemStatus::Failed, true),
        (SystemStatus::AwaitingApproval, true),
    ] {
        let store = pristine.copy();
        let mut record = store.system(&left, &okta).await.unwrap().unwrap();
        record.status = status;
        record.version += 1;
        store.put_system(&record).await.unwrap();
        if over {
            let mut case = store.case(&left).await.unwrap().unwrap();
            case.status = CaseStatus::Incomplete;
            case.version += 1;
            store.put_case(&case).await.unwrap();
        }
        let given = ask(&house, &store, &back("m-begin", Some(&left), &[])).await.unwrap().case_id;
        let systems = store.case(&given).await.unwrap().unwrap().systems;
        assert_eq!(systems.contains(&okta), !over, "{status:?}, {over}");
    }
}

/// The way back is opened, and carried out as far as it goes, right before each call that the termination's step makes.
#[tokio::test(flavor = "multi_thread")]
async fn whenever_access_is_given_back_beside_a_termination_it_is_there_in_the_end() {
    for call in 0.. {
        let house = House::new().await;
        let left = recorded(&house, JOHN).await;
        house.plan(&house.cases, &left).await.unwrap();
        let case = CaseId::of_trigger("leaver", &"m-begin".parse().unwrap());
        let gives_back = async || {
            let wanted = back("m-begin", Some(&left), &[]);
            ask(&house, &house.cases, &wanted).await.unwrap();
            house.plan(&house.cases, &case).await.unwrap();
            // Where the termination is at work here, it says so and is tried again.
            let _ = house.step(&house.cases, &case, "okta", Step::Run).await;
        };
        let meanwhile = || block_in_place(|| Handle::current().block_on(gives_back()));
        let store = Failing::beside(&house.cases, call, meanwhile);
        let _ = house.step(&store, &left, "okta", Step::Run).await;
        if !store.has_met() {
            assert!(call > 8, "{call}");
            break;
        }
        house.execute(&case).await;
        house.execute(&left).await;
        let person = house.cases.person(&JOHN.parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(person.status, PersonStatus::Active);
        assert_eq!(house.stage.account("okta", JOHN).await["active"], true, "call {call}");
        assert_eq!(house.case(&case).await.0.status, CaseStatus::Complete, "call {call}");
        assert_eq!(system(&house, &left, "okta").await.status, SystemStatus::NotApplicable, "call {call}");
    }
}

/// Somebody places a hold when everything is contained, and before anything is tidied.
struct Holds<'a>(&'a House);

#[async_trait::async_trait]
impl Gathering for Holds<'_> {
    async fn come(&self, _: &str, _: &str, _: Timestamp) -> Result<BTreeSet<String>, StoreError> {
        hold(self.0).await;
        Ok(self.0.policy.automatic().map(ToString::to_string).collect())
    }
    async fn present(&self, _: &str) -> Result<BTreeSet<String>, StoreError> {
        Ok(self.0.policy.automatic().map(ToString::to_string).collect())
    }
}

async fn step_beside_a_hold(house: &House, case: &CaseId, system: &str) -> Option<SystemStatus> {
    let id: SystemId = system.parse().unwrap();
    let to = house.stage.connect(system, Duration::from_secs(20));
    let (adapter, http, policy) = (to.adapter.as_ref(), &to.http, &house.policy);
    let (store, rosters, holds) = (&house.cases, &house.cases, Holds(house));
    let work = System { id: &id, adapter, http, policy, store, rosters, gathering: Some(&holds) };
    let input = Input { case_id: Some(case.clone()), step: Step::Run };
    leaver_adapter::handle(&work, input).await.unwrap().status
}

fn licences(record: &SystemRecord) -> usize {
    record.actions.iter().filter(|taken| taken.action.kind == ActionKind::RemoveLicence).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_comes_before_anything_is_tidied_keeps_what_may_lose_data() {
    for name in ["google_workspace", "microsoft_365"] {
        let house = House::new().await;
        let case = recorded(&house, JOHN).await;
        house.plan(&house.cases, &case).await.unwrap();
        let status = step_beside_a_hold(&house, &case, name).await;
        assert_eq!(status, Some(SystemStatus::Revoked), "{name}");
        let record = system(&house, &case, name).await;
        let planned = record.plan.0.iter().filter(|action| action.loses_data).count();
        assert!(planned > 0, "{name}: nothing could have been lost");
        assert_eq!((licences(&record), record.parked.len()), (0, 0), "{name}");
        let row = record.log.iter().find(|line| line.kind == EventKind::AccessRevoked).unwrap();
        for why in [record.preserved.as_deref(), row.facts["preserved"].as_str()] {
            assert!(why.unwrap().contains("matter 7") && !why.unwrap().contains("gone before"), "{why:?}");
        }
        assert_eq!(
            house.stage.account(name, JOHN).await["active"],
            false,
            "{name}: access goes all the same"
        );
        let status = house.step(&house.cases, &case, name, Step::Verify).await.unwrap();
        assert_eq!(status, Some(SystemStatus::Verified), "{name}");
    }
}

/// The first attempt took the licence and died before it could say so.
#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_comes_too_late_says_what_was_gone_before_it() {
    let house = House::new().await;
    let case = recorded(&house, JOHN).await;
    house.plan(&house.cases, &case).await.unwrap();
    house.step(&house.cases, &case, "google_workspace", Step::Run).await.unwrap();
    let mut record = system(&house, &case, "google_workspace").await;
    assert!(licences(&record) > 0 && record.preserved.is_none());
    let lost = record.plan.0.iter().find(|action| action.loses_data).unwrap().label.clone();
    record.status = SystemStatus::Running;
    record.actions.clear();
    record.version += 1;
    house.cases.put_system(&record).await.unwrap();
    hold(&house).await;
    house.step(&house.cases, &case, "google_workspace", Step::Run).await.unwrap();
    let record = system(&house, &case, "google_workspace").await;
    assert_eq!((record.status, record.parked.len()), (SystemStatus::Revoked, 0));
    let why = record.preserved.unwrap();
    assert!(why.contains("matter 7") && why.contains("gone before that") && why.contains(&lost), "{why}");
}
