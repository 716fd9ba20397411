//! Coming back beside something else: what was taken meanwhile, a termination that lies ahead, and what HR says late.

use crate::{
    events::{active, done, gives_notice, grants, person, post, taken, told, told_now},
    recorded,
    restoring::{ask, back, given_back, names},
};
use leaver_adapter::Step;
use leaver_domain::{
    case::{CaseStatus, Mode, SystemStatus},
    id::CaseId,
    ledger::EventKind,
    person::PersonStatus,
    ports::CaseStore,
};
use leaver_tests::{
    flow::{House, SIX, event},
    sandbox::now,
};
use serde_json::json;
use std::time::Duration;

const JOHN: &str = "john.doe";

/// A violation, then the termination for it, then a court that wants them back: everything is as before the suspension.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_left_while_suspended_comes_back_to_what_was_before_the_suspension() {
    let house = House::new().await;
    let (before, held) = (active(&house, JOHN).await, grants(&house, "okta", JOHN).await);
    done(&house, &told("user_suspended", JOHN, "s1", json!({}), json!({}))).await;
    let left = recorded(&house, JOHN).await;
    house.execute(&left).await;
    assert_eq!(person(&house, JOHN).await.status, PersonStatus::Left);
    let (case, systems) = done(&house, &told("user_rehired", JOHN, "r1", json!({}), json!({}))).await;
    assert_eq!((case.mode, case.status), (Mode::Reactivate, CaseStatus::Complete), "{systems:#?}");
    assert_eq!(case.restores.as_ref(), Some(&left));
    assert_eq!(person(&house, JOHN).await.status, PersonStatus::Active);
    assert_eq!(active(&house, JOHN).await, before);
    // A vendor lists them in the order in which they were given.
    let in_order = |mut all: Vec<String>| {
        all.sort();
        all
    };
    assert_eq!(in_order(grants(&house, "okta", JOHN).await), in_order(held));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_termination_that_has_not_begun_is_called_off_by_a_rehire() {
    let house = House::new().await;
    let mut event = event(JOHN, "t1");
    event["timestamp"] = json!(now());
    event["metadata"]["last_working_day"] = json!("2099-01-01");
    let case = taken(&house, &event).await;
    assert_eq!(person(&house, JOHN).await.status, PersonStatus::Leaving);
    let back = told_now("user_rehired", JOHN, "r1", json!({}), json!({}));
    for duplicate in [false, true] {
        let (status, answer) = post(&house, &back).await;
        let expected = json!({"case_id": null, "status": "recorded", "duplicate": duplicate});
        assert_eq!((status, answer), (202, expected));
    }
    assert_eq!(house.case(&case).await.0.status, CaseStatus::Cancelled);
    assert_eq!(person(&house, JOHN).await.status, PersonStatus::Active);
    assert_eq!(active(&house, JOHN).await.len(), SIX.len());
}

/// It waited in HR's queue while they were terminated anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_rehire_that_is_older_than_the_termination_undoes_nothing() {
    for last_day in [None, Some("2099-01-01")] {
        let house = House::new().await;
        let mut left = event(JOHN, "t1");
        left["timestamp"] = json!(now());
        if let Some(day) = last_day {
            left["metadata"]["last_working_day"] = json!(day);
        }
        let case = taken(&house, &left).await;
        if last_day.is_none() {
            house.execute(&case).await;
        }
        let stands = person(&house, JOHN).await;
        let mut back = told("user_rehired", JOHN, "r1", json!({}), json!({}));
        back["timestamp"] = json!(now().minus(Duration::from_secs(60)));
        let (status, problem) = post(&house, &back).await;
        assert_eq!((status, &problem["type"]), (409, &json!("/problems/stale-event")), "{problem}");
        assert_eq!(person(&house, JOHN).await, stands);
        assert_ne!(house.case(&case).await.0.status, CaseStatus::Cancelled);
        assert!(house.cases.changes().iter().any(|(_, _, doc)| doc.contains("stale_event")));
    }
}

/// A contract for a fixed time begins today, whatever its last day is.
#[tokio::test(flavor = "multi_thread")]
async fn a_rehire_with_a_last_day_gives_access_now() {
    let house = House::new().await;
    let left = recorded(&house, JOHN).await;
    house.execute(&left).await;
    let facts = json!({"last_working_day": "2099-01-01"});
    let (case, systems) = done(&house, &told("user_rehired", JOHN, "r1", json!({}), facts)).await;
    assert_eq!((case.mode, case.status), (Mode::Reactivate, CaseStatus::Complete), "{systems:#?}");
    assert!(case.effective_at <= now(), "{}", case.effective_at);
}

/// Somebody decided about it while they were shut out: it does not come back with the rest.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_on_its_own_during_a_suspension_stays_taken() {
    let house = House::new().await;
    let event = told("user_suspended", JOHN, "s1", json!({}), json!({}));
    let (suspended, _) = done(&house, &event).await;
    let held = names(&house.stage.account("okta", JOHN).await);
    assert!(held.contains("Engineering") && held.len() > 1, "{held:?}");
    let said = json!({"person": JOHN, "reason": "no longer", "scope": {"permissions": ["okta:Engineering"]}});
    let said = said.to_string();
    let (status, view) = house.call(("sam.admin", "security"), "POST", "/api/v1/cases", &said, now()).await;
    assert_eq!(status, 202, "{view}");
    let taken: CaseId = view["case_id"].as_str().unwrap().parse().unwrap();
    house.execute(&taken).await;
    let left = names(&house.stage.account("okta", JOHN).await);
    assert_eq!(held.difference(&left).collect::<Vec<_>>(), ["Engineering"]);
    let restored = given_back(&house, "r1", &suspended.case_id).await;
    let account = house.stage.account("okta", JOHN).await;
    assert_eq!((&account["active"], names(&account)), (&json!(true), left));
    let okta = house.system(&restored, "okta").await;
    let row = okta.log.iter().find(|line| line.kind == EventKind::AccessRestored).expect("a row");
    assert!(row.facts["not_restorable"].to_string().contains("Engineering"), "{}", row.facts);
    // It is given back by naming the case that took it.
    given_back(&house, "r2", &taken).await;
    assert_eq!(names(&house.stage.account("okta", JOHN).await), held);
}

/// Until their last day they work here, with what they were promised.
#[tokio::test(flavor = "multi_thread")]
async fn a_termination_that_lies_ahead_stops_nothing_from_coming_back() {
    for is_recorded_first in [true, false] {
        let house = House::new().await;
        let before = active(&house, JOHN).await;
        let wrong = recorded(&house, JOHN).await;
        house.execute(&wrong).await;
        let wanted = back("m-begin", Some(&wrong), &[]);
        let case = ask(&house, &house.cases, &wanted).await.unwrap().case_id;
        if !is_recorded_first {
            house.plan(&house.cases, &case).await.unwrap();
            house.step(&house.cases, &case, "okta", Step::Run).await.unwrap();
        }
        let ahead = gives_notice(&house, JOHN).await;
        assert_eq!(person(&house, JOHN).await.status, PersonStatus::Leaving);
        house.execute(&case).await;
        let (record, systems) = house.case(&case).await;
        assert_eq!(record.status, CaseStatus::Complete, "{:?}", record.findings);
        assert!(systems.iter().all(|system| system.status == SystemStatus::Verified), "{systems:#?}");
        assert_eq!(active(&house, JOHN).await, before);
        // It still takes everything when its time comes.
        assert_eq!(person(&house, JOHN).await.case, Some(ahead.clone()));
        assert_eq!(house.case(&ahead).await.0.status, CaseStatus::Recorded);
    }
}

/// A suspension turns out to be groundless while they work out their notice: they are back until their last day.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_shut_comes_back_although_they_are_to_leave_later() {
    let house = House::new().await;
    let before = active(&house, JOHN).await;
    let (suspended, _) = done(&house, &told("user_suspended", JOHN, "s1", json!({}), json!({}))).await;
    let ahead = gives_notice(&house, JOHN).await;
    // Whoever asks may name the case, or the instant.
    let security = ("sam.admin", "security");
    let path = format!("/api/v1/cases/{}/restore", suspended.case_id);
    let said = json!({"reason": "it was groundless"}).to_string();
    let (status, asked) = house.call(security, "POST", &path, &said, now()).await;
    assert_eq!(status, 202, "{asked}");
    let from = suspended.created_at.minus(Duration::from_secs(60));
    let said = json!({"reason": "it was groundless", "from": from}).to_string();
    let path = format!("/api/v1/employees/{JOHN}/restore");
    let (status, asked) = house.call(security, "POST", &path, &said, now()).await;
    assert_eq!(status, 202, "{asked}");
    assert!(asked.to_string().contains(suspended.case_id.as_str()), "{asked}");
    // The case that lies ahead has taken nothing.
    let path = format!("/api/v1/cases/{ahead}/restore");
    let said = json!({"reason": "it was groundless"}).to_string();
    let (status, problem) = house.call(security, "POST", &path, &said, now()).await;
    assert_eq!(status, 409, "{problem}");
    let case = given_back(&house, "r1", &suspended.case_id).await;
    let (record, systems) = house.case(&case).await;
    assert_eq!(record.status, CaseStatus::Complete, "{systems:#?}");
    assert_eq!(active(&house, JOHN).await, before);
    let john = person(&house, JOHN).await;
    assert_eq!((john.status, john.case.as_ref()), (PersonStatus::Leaving, Some(&ahead)));
    // A repeat is the same case, and changes nothing.
    let written = house.cases.changes().len();
    let again = ask(&house, &house.cases, &back("r1", Some(&suspended.case_id), &[])).await.unwrap();
    assert_eq!((&again.case_id, again.duplicate, house.cases.changes().len()), (&case, true, written));
    // Where the termination is called off, they are back for good.
    let path = format!("/api/v1/cases/{ahead}/cancel");
    let said = json!({"reason": "they stay"}).to_string();
    assert_eq!(house.call(("harper.hr", "hr"), "POST", &path, &said, now()).await.0, 200);
    let john = person(&house, JOHN).await;
    assert_eq!((john.status, john.case), (PersonStatus::Active, Some(case)));
}

/// HR's notice, and somebody of security who could not wait for it: a rehire from before both undoes neither.
#[tokio::test(flavor = "multi_thread")]
async fn a_rehire_that_is_older_than_a_notice_behind_another_case_undoes_nothing() {
    let house = House::new().await;
    gives_notice(&house, JOHN).await;
    let said = json!({"person": JOHN, "reason": "at once"}).to_string();
    let (status, view) = house.call(("sam.admin", "security"), "POST", "/api/v1/cases", &said, now()).await;
    assert_eq!(status, 202, "{view}");
    house.execute(&view["case_id"].as_str().unwrap().parse().unwrap()).await;
    let stands = person(&house, JOHN).await;
    assert_eq!(stands.status, PersonStatus::Left);
    let mut back = told("user_rehired", JOHN, "r1", json!({}), json!({}));
    back["timestamp"] = json!(now().minus(Duration::from_secs(60)));
    let (status, problem) = post(&house, &back).await;
    assert_eq!((status, &problem["type"]), (409, &json!("/problems/stale-event")), "{problem}");
    assert_eq!(person(&house, JOHN).await, stands);
}

/// What a look at the suspension found is still being tried when everything comes back.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_to_be_shut_is_left_once_it_came_back_before_the_last_day() {
    let house = House::new().await;
    let before = active(&house, JOHN).await;
    let (suspended, _) = done(&house, &told("user_suspended", JOHN, "s1", json!({}), json!({}))).await;
    gives_notice(&house, JOHN).await;
    given_back(&house, "r1", &suspended.case_id).await;
    // An attempt of the suspension that comes late.
    let mut again = house.case(&suspended.case_id).await.0;
    again.status = CaseStatus::Running;
    again.version += 1;
    house.cases.put_case(&again).await.unwrap();
    let mut late = house.system(&suspended.case_id, "okta").await;
    late.status = SystemStatus::Failed;
    late.version += 1;
    house.cases.put_system(&late).await.unwrap();
    let status = house.step(&house.cases, &suspended.case_id, "okta", Step::Run).await.unwrap();
    assert_eq!(status, Some(SystemStatus::NotApplicable));
    assert_eq!(active(&house, JOHN).await, before);
}

/// The suspension had read what they hold before somebody's decision was carried out.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_decided_before_and_taken_during_a_suspension_stays_taken() {
    let house = House::new().await;
    let said = json!({"person": JOHN, "reason": "no longer", "scope": {"permissions": ["okta:Engineering"]}});
    let path = "/api/v1/cases";
    let (_, view) = house.call(("sam.admin", "security"), "POST", path, &said.to_string(), now()).await;
    let taken: CaseId = view["case_id"].as_str().unwrap().parse().unwrap();
    house.plan(&house.cases, &taken).await.unwrap();
    let (suspended, _) = done(&house, &told("user_suspended", JOHN, "s1", json!({}), json!({}))).await;
    let held = names(&house.stage.account("okta", JOHN).await);
    house.step(&house.cases, &taken, "okta", Step::Run).await.unwrap();
    let left = names(&house.stage.account("okta", JOHN).await);
    assert_eq!(held.difference(&left).collect::<Vec<_>>(), ["Engineering"]);
    given_back(&house, "r1", &suspended.case_id).await;
    let account = house.stage.account("okta", JOHN).await;
    assert_eq!((&account["active"], names(&account)), (&json!(true), left));
}
