//! The way back: what a case took comes back, single permissions are given and taken again, and nothing else moves.

use crate::recorded;
use leaver_adapter::Step;
use leaver_domain::{
    case::{CaseStatus, Mode, SystemStatus, Trigger},
    digest::Digest,
    effective::Dates,
    fault::FaultKind,
    id::{CaseId, MeasureId, SystemId},
    intake::{self, Reactivation, Receipt, Refused, Request},
    ledger::{EventKind, Outcome},
    measure::Permission,
    person::{Person, PersonStatus},
    ports::{CaseStore, StoreError},
};
use leaver_tests::{
    failing::{Failing, When},
    flow::House,
    sandbox::now,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const JOHN: &str = "john.doe";

fn measure() -> MeasureId {
    MeasureId::of_request("restore", "1")
}

fn trigger(id: &str) -> Trigger {
    Trigger {
        source: "leaver".into(),
        event_id: id.parse().unwrap(),
        by: "harper.hr".into(),
        kind: "restore".into(),
        at: now(),
        received_at: now(),
        body: Digest::of(id.as_bytes()),
    }
}

pub(crate) fn back(id: &str, restores: Option<&CaseId>, permissions: &[(&str, &str)]) -> Reactivation {
    Reactivation {
        trigger: trigger(id),
        restores: restores.cloned(),
        permissions: permissions.iter().map(|(system, grant)| permission(system, grant)).collect(),
        measure: Some(measure()),
        by_role: false,
        reason: "It was the wrong John".into(),
        effective_at: now(),
    }
}

fn permission(system: &str, grant: &str) -> Permission {
    Permission { system: system.parse().unwrap(), grant: grant.into() }
}

async fn person(house: &House) -> Person {
    house.cases.person(&JOHN.parse().unwrap()).await.unwrap().unwrap()
}

pub(crate) async fn ask(
    house: &House,
    store: &dyn CaseStore,
    wanted: &Reactivation,
) -> Result<Receipt, Refused> {
    let john = person(house).await;
    let taken = intake::reactivate(store, &house.workflow, &house.policy, &john, wanted, now()).await;
    taken.map(|(receipt, _)| receipt)
}

pub(crate) async fn given_back(house: &House, id: &str, restores: &CaseId) -> CaseId {
    let case = ask(house, &house.cases, &back(id, Some(restores), &[])).await.unwrap().case_id;
    house.execute(&case).await;
    case
}

async fn accounts(house: &House) -> Vec<(SystemId, Value)> {
    let mut all = Vec::new();
    for system in house.policy.automatic() {
        all.push((system.clone(), house.stage.account(system.as_str(), JOHN).await));
    }
    all
}

pub(crate) fn names(account: &Value) -> BTreeSet<String> {
    account["grants"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_termination_took_comes_back_and_credentials_and_sessions_do_not() {
    let house = House::new().await;
    let before = accounts(&house).await;
    let left = recorded(&house, JOHN).await;
    house.execute(&left).await;
    assert_eq!(person(&house).await.status, PersonStatus::Left);
    let case = given_back(&house, "m-begin", &left).await;
    let (record, systems) = house.case(&case).await;
    assert_eq!((record.mode, record.status), (Mode::Reactivate, CaseStatus::Complete), "{systems:?}");
    assert_eq!((record.restores.as_ref(), record.measure), (Some(&left), Some(measure())));
    assert!(record.checkpoint_size.is_some() && record.closed_at.is_some());
    let john = person(&house).await;
    assert_eq!((john.status, john.case.as_ref()), (PersonStatus::Active, Some(&case)));
    assert_eq!(systems.len(), before.len());
    for (system, (_, was)) in systems.iter().zip(&before) {
        assert_eq!(system.status, SystemStatus::Verified, "{}", system.system);
        let is = house.stage.account(system.system.as_str(), JOHN).await;
        assert_eq!((&is["active"], names(&is)), (&json!(true), names(was)), "{}", system.system);
        // Nobody ends a session of the AWS console: it was barred, and is no longer.
        if system.system.as_str() != "aws_iam" {
            assert_eq!(is["sessions"], json!([]), "{}", system.system);
        }
        assert_ne!(was["credentials"], json!([]));
        assert!(!system.not_restorable.is_empty(), "{}: {is}", system.system);
        assert!(system.not_restorable.iter().all(|lost| !lost.starts_with("grant ")), "{system:?}");
        assert!(system.task.is_none() && system.risk.is_none() && system.residuals.is_empty());
    }
    house.feed().await;
    let log = house.log().await;
    let ours: Vec<_> = log.iter().filter(|(entry, _)| entry.case_id == case.as_str()).collect();
    let of = |kind| ours.iter().filter(move |(entry, _)| entry.kind == kind);
    assert_eq!(
        ours.iter().find(|(entry, _)| entry.system.is_none()).unwrap().0.kind,
        EventKind::RestorationTriggered
    );
    assert_eq!(of(EventKind::AccessRestored).count(), systems.len());
    assert_eq!(of(EventKind::VerificationCompleted).count(), systems.len());
    assert_eq!(of(EventKind::CaseClosed).count(), 1);
    assert_eq!(of(EventKind::AccessRevoked).count(), 0);
    for (entry, evidence) in of(EventKind::AccessRestored) {
        let facts = &evidence["facts"];
        assert_eq!(entry.outcome, Outcome::Success);
        assert_ne!(facts["before_state"]["account_status"], "active", "{entry:?}");
        assert_eq!(facts["after_state"]["account_status"], "active", "{entry:?}");
        assert!(!facts["actions_taken"].as_array().unwrap().is_empty());
        assert!(!facts["not_restorable"].as_array().unwrap().is_empty());
        assert_eq!(facts["revocation"]["restores"], json!(left));
        assert_eq!(facts["revocation"]["type"], "reactivate");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn giving_back_twice_is_one_case_and_a_second_case_finds_nothing_to_do() {
    let house = House::new().await;
    let left = recorded(&house, JOHN).await;
    house.execute(&left).await;
    let case = given_back(&house, "m-begin", &left).await;
    let (state, written) = (accounts(&house).await, house.cases.changes().len());
    let again = ask(&house, &house.cases, &back("m-begin", Some(&left), &[])).await.unwrap();
    assert_eq!((&again.case_id, again.duplicate), (&case, true));
    house.execute(&case).await;
    assert_eq!(house.cases.changes().len(), written);
    let second = given_back(&house, "m2-begin", &left).await;
    let (record, systems) = house.case(&second).await;
    assert_eq!(record.status, CaseStatus::Complete);
    assert!(systems.iter().all(|system| system.actions.is_empty()), "{systems:?}");
    assert_eq!(accounts(&house).await, state);
    let mut other = back("m-begin", Some(&left), &[]);
    other.trigger.body = Digest::of(b"something else");
    assert_eq!(ask(&house, &house.cases, &other).await, Err(Refused::Reused));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_taken_cannot_be_given_back() {
    let house = House::new().await;
    let refuses = |wanted: Reactivation| {
        let house = &house;
        async move { matches!(ask(house, &house.cases, &wanted).await, Err(Refused::NotRestorable(_))) }
    };
    let nowhere: CaseId = "case-nowhere".parse().unwrap();
    assert!(refuses(back("a", Some(&nowhere), &[])).await);
    assert!(refuses(back("b", None, &[])).await);
    assert!(refuses(back("c", None, &[("nowhere", "g")])).await);
    let left = recorded(&house, JOHN).await;
    assert!(refuses(back("d", Some(&left), &[])).await, "it has not begun");
    let other = recorded(&house, "pat.idle").await;
    house.execute(&other).await;
    assert!(refuses(back("e", Some(&other), &[])).await, "it is somebody else's");
    house.execute(&left).await;
    let case = given_back(&house, "f", &left).await;
    assert!(refuses(back("g", Some(&case), &[])).await, "it took nothing");
    assert_eq!(house.workflow.started(), [left, other, case]);
}

/// Wherever recording dies: its repeat finds or makes the one case, and the person is active exactly with it.
#[tokio::test(flavor = "multi_thread")]
async fn an_intake_that_dies_at_any_call_is_finished_by_its_repeat() {
    for when in [When::Before, When::After] {
        for call in 0.. {
            let house = House::new().await;
            let left = recorded(&house, JOHN).await;
            house.plan(&house.cases, &left).await.unwrap();
            house.step(&house.cases, &left, "okta", Step::Run).await.unwrap();
            house.close(&house.cases, &left).await.unwrap();
            let failing = Failing::at(&house.cases, call, when);
            let wanted = back("m-begin", Some(&left), &[]);
            let _ = ask(&house, &failing, &wanted).await;
            let recorded = house.cases.cases(None, 10).await.unwrap().cases.len() == 2;
            assert_eq!(person(&house).await.status == PersonStatus::Active, recorded, "{when:?} {call}");
            let receipt = ask(&house, &house.cases, &wanted).await.unwrap();
            assert_eq!(house.cases.cases(None, 10).await.unwrap().cases.len(), 2, "{when:?} {call}");
            assert_eq!(house.workflow.started(), [left, receipt.case_id], "{when:?} {call}");
            assert_eq!(person(&house).await.status, PersonStatus::Active);
            if !failing.has_failed() {
                assert!(call > 3);
                break;
            }
        }
    }
}

/// Whatever call of whatever step fails, before or after it took effect: repeating the step finishes it.
#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_dies_at_any_call_is_finished_by_its_repeat() {
    for (step, first, done) in [
        (Step::Run, SystemStatus::Restored, EventKind::AccessRestored),
        (Step::Verify, SystemStatus::Verified, EventKind::VerificationCompleted),
    ] {
        for when in [When::Before, When::After] {
            for call in 0.. {
                let house = House::new().await;
                let left = recorded(&house, JOHN).await;
                house.plan(&house.cases, &left).await.unwrap();
                house.step(&house.cases, &left, "okta", Step::Run).await.unwrap();
                house.close(&house.cases, &left).await.unwrap();
                let case = ask(&house, &house.cases, &back("b", Some(&left), &[])).await.unwrap().case_id;
                house.plan(&house.cases, &case).await.unwrap();
                if step == Step::Verify {
                    house.step(&house.cases, &case, "okta", Step::Run).await.unwrap();
                }
                let failing = Failing::at(&house.cases, call, when);
                let _ = house.step(&failing, &case, "okta", step).await;
                let status = house.step(&house.cases, &case, "okta", step).await.unwrap();
                assert_eq!(status, Some(first), "{when:?} {call}");
                let record = house.cases.system(&case, &"okta".parse().unwrap()).await.unwrap().unwrap();
                let before = json!(record.before.as_ref().unwrap().account_status);
                assert_eq!(before, "suspended", "{when:?} {call}: it is that of the second attempt");
                house.feed().await;
                let log = house.log().await;
                let rows = log.iter().filter(|(e, _)| e.kind == done && e.case_id == case.as_str()).count();
                assert_eq!(rows, 1, "{when:?} {call}");
                if !failing.has_failed() {
                    assert!(call > 3);
                    break;
                }
            }
        }
    }
}

/// Each request to each vendor fails in turn: whatever is called done is done, and a repeat finishes the rest.
#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_that_fails_at_any_request_is_not_taken_for_done_and_finished_later() {
    let house = House::new().await;
    let left = recorded(&house, JOHN).await;
    house.execute(&left).await;
    let systems: Vec<SystemId> = house.policy.automatic().cloned().collect();
    let case = ask(&house, &house.cases, &back("m-begin", Some(&left), &[])).await.unwrap().case_id;
    house.plan(&house.cases, &case).await.unwrap();
    for system in &systems {
        let system = system.as_str();
        // Each try gets one request further, so that every one of them fails once on the way to the end.
        for k in 0.. {
            let asked = house.stage.requests(system).await.len();
            let fault =
                json!({"system": system, "skip": k, "status": 400, "body": {"error": "no"}, "times": 1});
            house.stage.fault(fault).await;
            let status = house.step(&house.cases, &case, system, Step::Run).await;
            let injected =
                house.stage.requests(system).await[asked..].iter().any(|request| request["injected"] == true);
            house.stage.clear().await;
            if let Ok(status) = status {
                assert_eq!(status, Some(SystemStatus::Restored), "{system} {k}");
                assert_eq!(house.stage.account(system, JOHN).await["active"], true, "{system} {k}");
                break;
            }
            assert!(injected, "{system} {k}: {status:?}");
        }
        house.step(&house.cases, &case, system, Step::Verify).await.unwrap();
    }
    house.close(&house.cases, &case).await.unwrap();
    let (record, systems) = house.case(&case).await;
    assert_eq!(record.status, CaseStatus::Complete);
    assert!(systems.iter().all(|system| system.attempts > 1), "{systems:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_system_that_cannot_give_back_becomes_its_owners_task() {
    let house = House::new().await;
    let left = recorded(&house, JOHN).await;
    house.execute(&left).await;
    house.stage.fault(json!({"system": "okta", "status": 500})).await;
    let case = given_back(&house, "m-begin", &left).await;
    let (record, systems) = house.case(&case).await;
    assert_eq!(record.status, CaseStatus::Incomplete);
    for system in &systems {
        let expected =
            if system.system.as_str() == "okta" { SystemStatus::ManualTask } else { SystemStatus::Verified };
        assert_eq!(system.status, expected, "{}", system.system);
    }
    let okta = systems.iter().find(|system| system.system.as_str() == "okta").unwrap();
    assert_eq!(okta.fault.as_ref().unwrap().kind, FaultKind::Unavailable);
    let instructions = &okta.task.as_ref().unwrap().instructions;
    assert!(!instructions.to_lowercase().contains("revoke"), "{instructions}");
}

/// Given back, and gone again before the delayed read: that read says so.
#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_disappears_before_the_delayed_read_is_not_verified() {
    let house = House::new().await;
    let left = recorded(&house, JOHN).await;
    house.execute(&left).await;
    let case = ask(&house, &house.cases, &back("m-begin", Some(&left), &[])).await.unwrap().case_id;
    house.plan(&house.cases, &case).await.unwrap();
    house.step(&house.cases, &case, "okta", Step::Run).await.unwrap();
    hide_from_okta(&house).await;
    let fault = house.step(&house.cases, &case, "okta", Step::Verify).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::NotVerified);
    assert!(fault.detail.contains("still misses"), "{fault}");
    house.stage.clear().await;
    let status = house.step(&house.cases, &case, "okta", Step::Verify).await.unwrap();
    assert_eq!(status, Some(SystemStatus::Verified));
}

/// Neither the read by login nor the search finds anybody.
async fn hide_from_okta(house: &House) {
    let gone = json!({"errorCode": "E0000007"});
    let (by_login, search) = ("GET /okta/api/v1/users/john", "GET /okta/api/v1/users?");
    house.stage.fault(json!({"system": "okta", "match": by_login, "status": 404, "body": gone})).await;
    house.stage.fault(json!({"system": "okta", "match": search, "status": 200, "body": []})).await;
}

/// An account that the vendor does not have any more is not made anew, and nobody is told that it came back.
#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_gone_is_a_task() {
    let house = House::new().await;
    let left = recorded(&house, JOHN).await;
    house.execute(&left).await;
    hide_from_okta(&house).await;
    let case = given_back(&house, "m-begin", &left).await;
    let (record, systems) = house.case(&case).await;
    assert_eq!(record.status, CaseStatus::Incomplete);
    let okta = systems.iter().find(|system| system.system.as_str() == "okta").unwrap();
    assert_eq!((okta.status, okta.attempts), (SystemStatus::ManualTask, 1));
    assert!(okta.fault.as_ref().unwrap().detail.contains("does not exist any more"), "{:?}", okta.fault);
    house.feed().await;
    let okta =
        |kind| move |e: &&leaver_domain::ledger::Entry| e.kind == kind && e.system.as_deref() == Some("okta");
    let log: Vec<_> = house.log().await.into_iter().map(|(entry, _)| entry).collect();
    assert_eq!(log.iter().filter(okta(EventKind::AccessRestored)).count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_again_gets_nothing_back_under_the_older_case() {
    let house = House::new().await;
    let left = recorded(&house, JOHN).await;
    house.execute(&left).await;
    // Before the way back has begun, and in the middle of it.
    for in_the_middle in [false, true] {
        let id = format!("m-{in_the_middle}");
        let case = ask(&house, &house.cases, &back(&id, Some(&left), &[])).await.unwrap().case_id;
        if in_the_middle {
            house.plan(&house.cases, &case).await.unwrap();
        }
        let text = leaver_tests::flow::event(JOHN, &format!("evt-{id}")).to_string();
        assert_eq!(house.post(&house.cases, &text).await.status_code, 202);
        house.execute(&case).await;
        let (record, systems) = house.case(&case).await;
        let kinds: Vec<_> = record.findings.iter().map(|finding| finding.kind.as_str()).collect();
        if in_the_middle {
            assert!(systems.iter().all(|system| system.status == SystemStatus::NotApplicable));
        } else {
            assert_eq!((record.status, kinds.as_slice()), (CaseStatus::Held, ["superseded"].as_slice()));
        }
        assert!(systems.iter().all(|system| system.actions.is_empty()));
        for (system, account) in accounts(&house).await {
            assert_eq!(account["active"], false, "{system}");
        }
        // The next round restores from the case under which they left last.
        let newest = person(&house).await.case.unwrap();
        house.execute(&newest).await;
        if !in_the_middle {
            given_back(&house, "between", &newest).await;
            assert_eq!(person(&house).await.status, PersonStatus::Active);
            let text = leaver_tests::flow::event(JOHN, "evt-once-more").to_string();
            house.post(&house.cases, &text).await;
            let last = person(&house).await.case.unwrap();
            house.execute(&last).await;
            let asked = ask(&house, &house.cases, &back("older", Some(&left), &[])).await.unwrap();
            assert_eq!(
                person(&house).await.case,
                Some(last.clone()),
                "the older case does not make them active"
            );
            house.execute(&asked.case_id).await;
            assert_eq!(house.case(&asked.case_id).await.0.status, CaseStatus::Held);
            // Theirs to give back is the last one.
            let (left_last, _) = house.case(&last).await;
            assert_eq!(left_last.status, CaseStatus::Complete);
            break;
        }
    }
}

/// A termination that is still under way when access is given back takes nothing more, and asks nobody to.
#[tokio::test(flavor = "multi_thread")]
async fn a_termination_that_is_overtaken_by_its_way_back_stops() {
    let house = House::new().await;
    let left = recorded(&house, JOHN).await;
    house.plan(&house.cases, &left).await.unwrap();
    for system in ["okta", "slack"] {
        house.step(&house.cases, &left, system, Step::Run).await.unwrap();
    }
    let case = ask(&house, &house.cases, &back("m-begin", Some(&left), &[])).await.unwrap().case_id;
    house.execute(&case).await;
    let (record, systems) = house.case(&case).await;
    assert_eq!(record.status, CaseStatus::Complete);
    let restored: Vec<_> =
        systems.iter().filter(|s| s.status == SystemStatus::Verified).map(|s| s.system.as_str()).collect();
    assert_eq!(restored, ["okta", "slack"], "{systems:?}");
    // What is left of the termination: the delayed read of two systems, and the first of the others.
    house.step(&house.cases, &left, "okta", Step::Verify).await.unwrap();
    house.step(&house.cases, &left, "slack", Step::Verify).await.unwrap();
    house.execute(&left).await;
    let (_, systems) = house.case(&left).await;
    assert!(systems.iter().all(|system| system.status == SystemStatus::NotApplicable), "{systems:?}");
    assert!(systems.iter().all(|system| system.task.is_none()));
    for (system, account) in accounts(&house).await {
        assert_eq!(account["active"], true, "{system}");
    }
    assert_eq!(person(&house).await.status, PersonStatus::Active);
}

/// Permissions in two systems, and a person who has one of them already: what ends is what was given, nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn permissions_are_given_and_exactly_those_are_taken_back() {
    let house = House::new().await;
    let before = accounts(&house).await;
    let permissions = [
        ("okta", "00gFinance"),
        ("okta", "00gWiki"),
        ("okta", "role:HELP_DESK_ADMIN"),
        ("github", "team:finance:member"),
    ];
    let case = ask(&house, &house.cases, &back("g-begin", None, &permissions)).await.unwrap().case_id;
    house.execute(&case).await;
    let (record, systems) = house.case(&case).await;
    assert_eq!(record.status, CaseStatus::Complete, "{systems:?}");
    assert_eq!(record.systems, ["github".parse().unwrap(), "okta".parse().unwrap()]);
    assert_eq!(person(&house).await.status, PersonStatus::Active);
    let added = |system: &str, is: &Value| {
        let was = &before.iter().find(|(id, _)| id.as_str() == system).unwrap().1;
        names(is).difference(&names(was)).cloned().collect::<Vec<_>>()
    };
    let okta = house.stage.account("okta", JOHN).await;
    assert_eq!(added("okta", &okta), ["Finance", "HELP_DESK_ADMIN"]);
    assert_eq!(added("github", &house.stage.account("github", JOHN).await).len(), 1);
    // What they had already is not the grant's to take.
    let mut given: BTreeSet<_> = permissions.iter().map(|(s, g)| permission(s, g)).collect();
    given.remove(&permission("okta", "00gWiki"));
    let request = Request {
        trigger: trigger("g-end"),
        mode: Mode::Partial,
        reason: "The week is over".into(),
        dates: Dates::default(),
        effective_at: now(),
        dry_run: false,
        emergency: false,
        preserve_data: false,
        grants: None,
        permissions: given,
        moves: None,
        measure: Some(measure()),
    };
    let john = person(&house).await;
    let (store, workflow) = (&house.cases, &house.workflow);
    let ended = intake::submit(store, workflow, &house.policy, &john, &request, now()).await.unwrap().0;
    house.execute(&ended.case_id).await;
    let (record, systems) = house.case(&ended.case_id).await;
    assert_eq!(record.status, CaseStatus::Complete, "{systems:?}");
    assert_eq!(record.systems, ["github".parse().unwrap(), "okta".parse().unwrap()]);
    assert_eq!(accounts(&house).await, before, "nothing but the grants came and went");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_that_does_not_exist_is_a_task_and_the_others_are_given() {
    let house = House::new().await;
    let wanted = back("g-begin", None, &[("okta", "00gNowhere"), ("okta", "00gFinance"), ("github", "what")]);
    let case = ask(&house, &house.cases, &wanted).await.unwrap().case_id;
    house.execute(&case).await;
    let (record, systems) = house.case(&case).await;
    assert_eq!(record.status, CaseStatus::Incomplete);
    assert!(systems.iter().all(|system| system.status == SystemStatus::ManualTask), "{systems:?}");
    let details: Vec<_> = systems.iter().map(|system| &system.fault.as_ref().unwrap().detail).collect();
    assert!(details[0].contains("`what` is not the id"), "{details:?}");
    assert!(details[1].contains("00gNowhere"), "{details:?}");
    assert!(names(&house.stage.account("okta", JOHN).await).contains("Finance"));
}

/// The store's answer about the person got lost between reading and writing: the decision is made on what they are.
#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_changes_meanwhile_is_decided_about_anew() {
    let house = House::new().await;
    let left = recorded(&house, JOHN).await;
    house.execute(&left).await;
    let stale = person(&house).await;
    let mut newer = stale.clone();
    (newer.role, newer.version) = ("sales".into(), stale.version + 1);
    house.cases.put_person(&newer).await.unwrap();
    let wanted = back("m-begin", Some(&left), &[]);
    let taken =
        intake::reactivate(&house.cases, &house.workflow, &house.policy, &stale, &wanted, now()).await;
    let (receipt, failed): (Receipt, Option<StoreError>) = taken.unwrap();
    assert!(failed.is_none());
    let john = person(&house).await;
    assert_eq!(
        (john.role.as_str(), john.status, john.case),
        ("sales", PersonStatus::Active, Some(receipt.case_id))
    );
}
