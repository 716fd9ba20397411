//! Somebody moves: what the old place gave them goes, by hand as well, whatever it went by; and whoever leaves meanwhile loses what
//! every place on the way gave them.

use crate::{batch, events, recorded, restoring};
use leaver_domain::{
    case::{CaseRecord, CaseStatus, Mode, SystemRecord, SystemStatus},
    id::{CaseId, SystemId},
    person::{Person, PersonStatus},
    ports::CaseStore,
    routing::Routing,
    time::Timestamp,
};
use leaver_tests::{
    flow::{FIELD_SALES, House, body, event, shipped},
    sandbox::now,
};
use serde_json::{Value, json};
use std::time::Duration;

const JOHN: &str = "john.doe";
const FRAN: &str = "fran.keys";
const LEE: &str = "lee.field";
const KEYS: &str = "facilities_keys";
const SAM: (&str, &str) = ("sam.admin", "security approver operator");

/// A change of somebody's record, told long ago, or just now.
async fn told(house: &House, username: &str, id: &str, change: &Value, just_now: bool) -> Option<CaseId> {
    let mut event = event(username, id);
    event["event_type"] = json!("user_updated");
    event["user"].as_object_mut().unwrap().remove("termination_reason");
    if just_now {
        event["timestamp"] = json!(now());
    }
    for place in ["user", "metadata"] {
        for (name, value) in change[place].as_object().into_iter().flatten() {
            event[place][name] = value.clone();
        }
    }
    let response = house.post(&house.cases, &event.to_string()).await;
    assert_eq!(response.status_code, 202, "{:?}", response.body);
    body(&response)["case_id"].as_str().map(|case| case.parse().expect("an id"))
}

async fn moved(house: &House, username: &str, id: &str, change: &Value) -> (CaseRecord, Vec<SystemRecord>) {
    let case = told(house, username, id, change, true).await.expect("a case");
    house.case(&case).await
}

fn to(role: &str, department: &str) -> Value {
    json!({"user": {"role": role}, "metadata": {"department": department}})
}

async fn becomes(house: &House, username: &str, change: impl FnOnce(&mut Person)) {
    let person = house.cases.person(&username.parse().unwrap()).await.unwrap();
    let mut person = person.expect("known");
    change(&mut person);
    person.version += 1;
    house.cases.put_person(&person).await.unwrap();
}

fn ids(systems: &[SystemId]) -> Vec<&str> {
    systems.iter().map(SystemId::as_str).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_a_place_gives_its_keys_back_by_hand_and_once() {
    let house = House::new().await;
    let case = told(&house, FRAN, "m1", &to("caretaker", "Sales"), false).await.expect("a case");
    house.execute(&case).await;
    let (record, systems) = house.case(&case).await;
    assert_eq!((record.mode, record.status), (Mode::Partial, CaseStatus::Incomplete));
    assert_eq!(ids(&record.systems), [KEYS]);
    assert_eq!(systems[0].status, SystemStatus::ManualTask);
    let task = systems[0].task.clone().expect("a task");
    assert_eq!(task.owner.as_str(), "sam.admin");
    assert!(task.instructions.contains("keys"), "{task:?}");
    let path = format!("/api/v1/tasks/{case}~{KEYS}");
    let said = json!({"statement": "All keys came back."}).to_string();
    let (status, answer) = house.call(SAM, "POST", &path, &said, now()).await;
    assert_eq!(status, 200, "{answer}");
    house.execute(&case).await;
    assert_eq!(house.case(&case).await.0.status, CaseStatus::Complete);
    let fran = house.cases.person(&FRAN.parse().unwrap()).await.unwrap().expect("known");
    assert_eq!(fran.status, PersonStatus::Active);
    // What was done by hand is not asked for again.
    let left = house.case(&recorded(&house, FRAN).await).await.0;
    assert!(!ids(&left.systems).contains(&KEYS), "{:?}", left.systems);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_back_in_time_keeps_the_keys_and_nobody_is_asked() {
    let house = House::new().await;
    let case = told(&house, FRAN, "m1", &to("caretaker", "Sales"), false).await.expect("a case");
    assert_eq!(told(&house, FRAN, "m2", &to("caretaker", "Facilities"), false).await, None);
    house.execute(&case).await;
    let (record, systems) = house.case(&case).await;
    assert_eq!(record.status, CaseStatus::Complete, "{systems:#?}");
    assert_eq!((systems[0].status, &systems[0].task), (SystemStatus::NotApplicable, &None));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_during_the_transition_gives_the_keys_back_all_the_same() {
    let house = House::new().await;
    let (record, _) = moved(&house, FRAN, "m1", &to("caretaker", "Sales")).await;
    assert_eq!(ids(&record.systems), [KEYS]);
    let left = recorded(&house, FRAN).await;
    house.plan(&house.cases, &left).await.expect("a plan");
    let (_, systems) = house.case(&left).await;
    let keys = systems.iter().find(|one| one.system.as_str() == KEYS).expect("the keys");
    assert_eq!(keys.status, SystemStatus::ManualTask);
}

/// From A to B to C, and out, before the first of these is over.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_during_two_transitions_loses_what_both_places_gave_them() {
    let mut house = House::new().await;
    house.policy = shipped("local");
    let (first, _) = moved(&house, LEE, "m1", &to("sales", "Sales")).await;
    let (second, _) = moved(&house, LEE, "m2", &to("analyst", "Legal")).await;
    let change = second.moves.as_ref().expect("a move");
    assert_eq!(change.earlier, std::slice::from_ref(&first.case_id));
    assert!(ids(&first.systems).contains(&"badge") && !ids(&second.systems).contains(&"badge"));
    let (case, records) = house.case(&recorded(&house, LEE).await).await;
    for system in first.systems.iter().chain(&second.systems) {
        assert!(case.systems.contains(system), "{system}");
        assert_eq!(records.iter().filter(|record| record.system == *system).count(), 1, "{system}");
    }
    assert_eq!(case.log[0].facts["systems"], json!(case.systems), "the first row says it as well");
}

/// The same where they are to leave already, and pass through a place before that case takes its first step.
#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_moves_through_before_their_case_begins_is_taken_with_it() {
    let mut house = House::new().await;
    house.policy = shipped("local");
    let left = recorded(&house, JOHN).await;
    let before = house.case(&left).await.0.systems;
    told(&house, JOHN, "m1", &to("account_executive", "Field Sales"), true).await;
    let (gone, _) = moved(&house, JOHN, "m2", &to("analyst", "Legal")).await;
    assert!(FIELD_SALES.iter().all(|system| ids(&gone.systems).contains(system)), "{:?}", gone.systems);
    assert!(!FIELD_SALES.iter().any(|system| ids(&before).contains(system)), "{before:?}");
    for _ in 0..2 {
        house.plan(&house.cases, &left).await.expect("a plan");
        let (case, records) = house.case(&left).await;
        for system in before.iter().chain(&gone.systems) {
            assert!(case.systems.contains(system), "{system}");
            assert_eq!(records.iter().filter(|record| record.system == *system).count(), 1, "{system}");
        }
        assert_eq!(records.len(), case.systems.len());
    }
}

/// They are in the new role before they are suspended, and lose what only the old one needed while they are.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_move_took_during_a_suspension_does_not_come_back_with_its_end() {
    let house = House::new().await;
    let (moves, _) = moved(&house, JOHN, "m1", &to("sales", "Sales")).await;
    let (suspended, systems) =
        events::done(&house, &events::told("user_suspended", JOHN, "s1", json!({}), json!({}))).await;
    assert_eq!(suspended.status, CaseStatus::Complete, "{systems:#?}");
    let mut due = house.case(&moves.case_id).await.0;
    due.effective_at = now();
    due.version += 1;
    house.cases.put_case(&due).await.unwrap();
    house.execute(&moves.case_id).await;
    let (through, systems) = house.case(&moves.case_id).await;
    assert_eq!(through.status, CaseStatus::Complete, "{systems:#?}");
    restoring::given_back(&house, "r1", &suspended.case_id).await;
    assert_eq!(
        events::active(&house, JOHN).await,
        ["google_workspace", "microsoft_365", "okta", "slack"],
        "a seller needs these"
    );
    let okta = restoring::names(&house.stage.account("okta", JOHN).await);
    assert!(!okta.contains("Engineering"), "{okta:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_is_through_is_not_carried_on() {
    let house = House::new().await;
    let case = told(&house, "robin.mover", "m1", &to("sales", "Sales"), false).await.expect("a case");
    house.execute(&case).await;
    assert_eq!(house.case(&case).await.0.status, CaseStatus::Complete);
    let (second, _) = moved(&house, "robin.mover", "m2", &to("analyst", "Finance")).await;
    assert!(second.moves.expect("a move").earlier.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_a_batch_takes_what_the_old_place_gave_them_too() {
    let mut house = House::new().await;
    house.policy = shipped("local");
    let (record, _) = moved(&house, LEE, "m1", &to("sales", "Sales")).await;
    let clock = batch::Clock::new();
    let csv = batch::file(&[LEE.to_owned()]);
    let (status, answer) = batch::post(&house, batch::HR, &csv, "k", false, clock.now()).await;
    assert_eq!(status, 202, "{answer}");
    batch::feed(batch::with(&house), &house.cases, &clock, "f", Duration::ZERO).await.expect("fed");
    let cases = batch::cases(&house.cases).await;
    let left = cases.iter().find(|case| case.mode == Mode::Leave).expect("the line's case");
    let (_, records) = house.case(&left.case_id).await;
    assert!(ids(&record.systems).contains(&"badge"));
    for system in &record.systems {
        assert!(left.systems.contains(system), "{system}");
        assert!(records.iter().any(|one| one.system == *system), "{system}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_location_and_a_lost_clearance_take_what_routing_gave_by_them() {
    let cases = [
        (
            ["Everybody has no badge.", "People based in Lisbon have badge."],
            json!({"metadata": {"location": "Berlin"}}),
            "location Lisbon, now Berlin",
        ),
        (
            ["Everybody has no badge.", "People with clearance secret have badge."],
            json!({"metadata": {"clearance": null}}),
            "clearance secret, now none",
        ),
    ];
    for (sentences, change, why) in cases {
        let mut house = House::new().await;
        house.policy = shipped("local");
        let mut routing: Vec<String> = house.policy.routing.clone().into();
        routing.extend(sentences.map(str::to_owned));
        house.policy.routing = Routing::try_from(routing).expect("good sentences");
        becomes(&house, LEE, |lee| lee.clearance = Some("secret".into())).await;
        assert_eq!(house.stage.account("badge", LEE).await["active"], true, "nothing to take");
        let case = told(&house, LEE, "m1", &change, false).await.expect("a case");
        house.execute(&case).await;
        let (record, systems) = house.case(&case).await;
        assert_eq!(record.status, CaseStatus::Complete, "{systems:#?}");
        assert_eq!((ids(&record.systems), record.reason.as_str()), (vec!["badge"], why));
        for (system, active) in [("badge", false), ("salesforce", true), ("okta", true)] {
            assert_eq!(house.stage.account(system, LEE).await["active"], active, "{system}: {why}");
        }
        // What routing does not go by opens nothing.
        let nothing = json!({"metadata": {"manager": "sam.admin"}});
        assert_eq!(told(&house, LEE, "m2", &nothing, false).await, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_without_a_profile_keeps_no_other_departments_systems() {
    let mut house = House::new().await;
    house.policy = shipped("local");
    becomes(&house, LEE, |lee| lee.role = "astronaut".into()).await;
    let (record, _) = moved(&house, LEE, "m1", &to("astronaut", "Engineering")).await;
    assert_eq!(ids(&record.systems), FIELD_SALES);
    assert!(house.cases.changes().iter().any(|(_, _, doc)| doc.contains("no_profile")));
    // The termination takes what both departments gave.
    house.stage.employment_ends(LEE).await;
    let left = recorded(&house, LEE).await;
    house.execute(&left).await;
    let (case, systems) = house.case(&left).await;
    assert_eq!((case.status, systems.len()), (CaseStatus::Complete, 14 + FIELD_SALES.len()), "{systems:#?}");
    for system in &systems {
        let account = house.stage.account(system.system.as_str(), LEE).await;
        assert_eq!(account["active"], false, "{}", system.system);
    }
}

/// It waited in HR's queue while they moved on.
#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_is_older_than_the_newest_changes_nothing() {
    let house = House::new().await;
    let (newest, _) = moved(&house, JOHN, "m2", &to("sales", "Sales")).await;
    let stands = house.cases.person(&JOHN.parse().unwrap()).await.unwrap();
    let older = |id: &str, role: &str, at: Timestamp| {
        let mut event = events::told("user_role_changed", JOHN, id, json!({"role": role}), json!({}));
        event["timestamp"] = json!(at);
        event["metadata"]["department"] = json!("Finance");
        event
    };
    let late = older("m1", "accountant", now().minus(Duration::from_secs(600)));
    let (status, problem) = events::post(&house, &late).await;
    assert_eq!((status, &problem["type"]), (409, &json!("/problems/stale-event")), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains(newest.case_id.as_str()), "{problem}");
    assert_eq!(house.cases.person(&JOHN.parse().unwrap()).await.unwrap(), stands);
    assert!(house.cases.changes().iter().any(|(_, _, doc)| doc.contains("stale_event")));
    // What is newer is a move of its own.
    assert_eq!(events::post(&house, &older("m3", "accountant", now())).await.0, 202);
}
