//! What the HRIS can report beside a termination: somebody moves, is suspended, comes back, is new; and contracts that end by themselves.

use crate::recorded;
use leaver_contracts::Contracts;
use leaver_domain::{
    case::{ActionTaken, CaseRecord, CaseStatus, Mode, SystemRecord, SystemStatus, Trigger},
    contracts,
    digest::Digest,
    id::CaseId,
    intake::{self, Request},
    ledger::EventKind,
    measure::{MeasureStatus, What},
    person::{Person, PersonStatus},
    plan::ActionKind,
    ports::CaseStore,
    reviews::{self, ReviewKind},
    risk::RiskLevel,
    time::Timestamp,
};
use leaver_tests::{
    failing::{Failing, When},
    flow::{House, SIX, body, event},
    sandbox::now,
};
use serde_json::{Value, json};
use std::time::Duration;

const ROBIN: &str = "robin.mover";
const JOHN: &str = "john.doe";
const CASEY: &str = "casey.contract";
/// Flagged in three systems; in this one nothing but leaver itself keeps them from being suspended.
const RILEY: &str = "riley.owner";
const FLAGGED: &str = "google_workspace";

pub(crate) fn told(kind: &str, username: &str, id: &str, user: Value, metadata: Value) -> Value {
    let mut event = event(username, id);
    event["event_type"] = json!(kind);
    event["user"].as_object_mut().unwrap().remove("termination_reason");
    for (place, more) in [("user", user), ("metadata", metadata)] {
        for (name, value) in more.as_object().into_iter().flatten() {
            event[place][name] = value.clone();
        }
    }
    event
}

/// Of which HR hears now.
pub(crate) fn told_now(kind: &str, username: &str, id: &str, user: Value, metadata: Value) -> Value {
    let mut event = told(kind, username, id, user, metadata);
    event["timestamp"] = json!(now());
    event
}

pub(crate) async fn post(house: &House, event: &Value) -> (i64, Value) {
    let response = house.post(&house.cases, &event.to_string()).await;
    (response.status_code, body(&response))
}

pub(crate) async fn taken(house: &House, event: &Value) -> CaseId {
    let (status, answer) = post(house, event).await;
    assert_eq!(status, 202, "{answer}");
    answer["case_id"].as_str().unwrap_or_else(|| panic!("{answer}")).parse().expect("an id")
}

pub(crate) async fn done(house: &House, event: &Value) -> (CaseRecord, Vec<SystemRecord>) {
    let case = taken(house, event).await;
    house.execute(&case).await;
    house.case(&case).await
}

pub(crate) async fn person(house: &House, username: &str) -> Person {
    house.cases.person(&username.parse().unwrap()).await.unwrap().expect("known")
}

pub(crate) async fn active(house: &House, username: &str) -> Vec<&'static str> {
    let mut all = Vec::new();
    for system in SIX {
        if house.stage.account(system, username).await["active"] == true {
            all.push(system);
        }
    }
    all
}

pub(crate) async fn grants(house: &House, system: &str, username: &str) -> Vec<String> {
    let account = house.stage.account(system, username).await;
    let all = account["grants"].as_array().cloned().unwrap_or_default();
    all.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect()
}

fn to_sales(id: &str) -> Value {
    let user = json!({"new_role": "sales", "new_department": "Sales"});
    told("user_role_changed", ROBIN, id, user, json!({}))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mover_keeps_what_both_roles_need_and_loses_what_only_the_old_one_did() {
    let house = House::new().await;
    let before = grants(&house, "okta", ROBIN).await;
    let (case, systems) = done(&house, &to_sales("m1")).await;
    assert_eq!((case.mode, case.status), (Mode::Partial, CaseStatus::Complete), "{systems:#?}");
    let robin = person(&house, ROBIN).await;
    assert_eq!((robin.role.as_str(), robin.department.as_str()), ("sales", "Sales"));
    assert_eq!(robin.status, PersonStatus::Active);
    let change = case.moves.as_ref().expect("what it means");
    assert_eq!((change.from.role.as_str(), change.to.role.as_str()), ("engineer", "sales"));
    assert!(change.missing().any(|(system, names)| system.as_str() == "okta" && names.contains("Sales")));
    // Sellers need no account there; everywhere else they work on.
    assert_eq!(active(&house, ROBIN).await, ["google_workspace", "microsoft_365", "okta", "slack"]);
    let after = grants(&house, "okta", ROBIN).await;
    assert!(after.len() < before.len() && !after.is_empty(), "{before:?} -> {after:?}");
    let gone: Vec<&String> = before.iter().filter(|held| !after.contains(held)).collect();
    let taken = systems.iter().find(|one| one.system.as_str() == "okta").expect("okta").actions.clone();
    assert_eq!(gone.len(), taken.len(), "{gone:?} {taken:?}");
    assert_eq!(taken.iter().map(|one| one.action.label.as_str()).collect::<Vec<_>>(), ["Engineering"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn until_the_transition_is_over_everything_stays_and_it_can_be_called_off() {
    let house = House::new().await;
    let mut event = to_sales("m1");
    event["timestamp"] = json!(now());
    let case = taken(&house, &event).await;
    assert!(house.workflow.started().is_empty(), "its time has not come");
    let (record, _) = house.case(&case).await;
    let transition = Duration::from_secs(house.policy.timing.role_change_seconds.into());
    assert!(record.effective_at > now().plus(transition / 2), "{}", record.effective_at);
    assert!(house.plan(&house.cases, &case).await.is_err(), "nobody runs it early");
    assert_eq!(active(&house, ROBIN).await.len(), SIX.len());
    let path = format!("/api/v1/cases/{case}/cancel");
    let said = json!({"reason": "a mistake"}).to_string();
    let (status, answer) = house.call(("harper.hr", "hr"), "POST", &path, &said, now()).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(house.case(&case).await.0.status, CaseStatus::Cancelled);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_moves_back_within_the_transition_loses_nothing() {
    let house = House::new().await;
    let there = taken(&house, &to_sales("m1")).await;
    let user = json!({"new_role": "engineer", "new_department": "Engineering"});
    let back = taken(&house, &told("user_role_changed", ROBIN, "m2", user, json!({}))).await;
    let before = grants(&house, "github", ROBIN).await;
    for case in [there, back] {
        house.execute(&case).await;
        let (record, systems) = house.case(&case).await;
        assert_eq!(record.status, CaseStatus::Complete, "{systems:#?}");
        assert!(systems.iter().all(|one| one.actions.is_empty()), "{systems:#?}");
    }
    assert_eq!(active(&house, ROBIN).await.len(), SIX.len());
    assert_eq!(grants(&house, "github", ROBIN).await, before);
}

/// The record and the case come about together or not at all, wherever the function dies.
#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_dies_anywhere_is_carried_out_by_the_repeat_of_its_event() {
    for when in [When::Before, When::After] {
        for call in 0.. {
            let house = House::new().await;
            let failing = Failing::at(&house.cases, call, when);
            let _ = house.post(&failing, &to_sales("m1").to_string()).await;
            let reached = failing.has_failed();
            let case = taken(&house, &to_sales("m1")).await;
            assert_eq!(person(&house, ROBIN).await.role, "sales", "{when:?} {call}");
            assert_eq!(house.case(&case).await.0.moves.expect("a move").from.role, "engineer");
            if !reached {
                assert!(call > 2);
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_of_which_nothing_is_known_takes_nothing_and_is_told() {
    let house = House::new().await;
    let event = told("user_role_changed", ROBIN, "m1", json!({"new_role": "astronaut"}), json!({}));
    let (status, answer) = post(&house, &event).await;
    assert_eq!((status, &answer["case_id"]), (202, &Value::Null));
    assert_eq!(person(&house, ROBIN).await.role, "astronaut");
    assert_eq!(active(&house, ROBIN).await.len(), SIX.len());
    assert!(house.cases.changes().iter().any(|(_, _, doc)| doc.contains("no_profile")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspension_shuts_accounts_keeps_what_they_hold_and_is_looked_at_by_security() {
    let house = House::new().await;
    let held = grants(&house, "slack", JOHN).await;
    let event = told("user_suspended", JOHN, "s1", json!({"suspension_reason": "leaked a key"}), json!({}));
    let (case, systems) = done(&house, &event).await;
    assert_eq!((case.mode, case.status), (Mode::Suspend, CaseStatus::Complete), "{systems:#?}");
    assert_eq!(case.reason, "leaked a key");
    assert_eq!(person(&house, JOHN).await.status, PersonStatus::Suspended);
    assert!(active(&house, JOHN).await.is_empty());
    assert_eq!(grants(&house, "slack", JOHN).await, held);
    let (status, tasks) = house.call(("sam.admin", "security"), "GET", "/api/v1/tasks", "", now()).await;
    assert_eq!(status, 200);
    assert!(tasks.to_string().contains("Access was shut while something is looked into"), "{tasks}");
    // Who is suspended decides about nothing.
    let (status, _) = house
        .call(
            (JOHN, "security"),
            "POST",
            "/api/v1/cases",
            &json!({"person": ROBIN, "reason": "r"}).to_string(),
            now(),
        )
        .await;
    assert_eq!(status, 403);
}

fn of_system<'a>(systems: &'a [SystemRecord], name: &str) -> &'a SystemRecord {
    systems.iter().find(|one| one.system.as_str() == name).expect("a system")
}

/// What is flagged is shut as well, is told to have been, and security reviews it.
#[tokio::test(flavor = "multi_thread")]
async fn a_suspension_for_a_violation_waits_for_nobody_and_says_what_it_passed() {
    let house = House::new().await;
    let (case, systems) = done(&house, &told("user_suspended", RILEY, "s1", json!({}), json!({}))).await;
    for system in &systems {
        assert!(system.approval.is_none(), "{}: somebody is asked", system.system);
    }
    let flagged = of_system(&systems, FLAGGED);
    assert_eq!(flagged.status, SystemStatus::Verified, "{flagged:#?}");
    assert_eq!(house.stage.account(FLAGGED, RILEY).await["active"], false);
    let row = flagged.log.iter().find(|line| line.kind == EventKind::AccessRevoked).expect("a row");
    assert_eq!(row.risk, Some(RiskLevel::Flagged), "nothing is flagged: this shows nothing");
    assert_eq!(row.facts["revocation"]["passes_gate"], true);
    assert!(!row.facts["risk"]["findings"].as_array().expect("findings").is_empty(), "{row:?}");
    assert!(case.findings.iter().any(|one| one.kind == "suspension"), "{:?}", case.findings);
    assert_eq!(case.log[0].facts["passes_gate"], true);
    let review = reviews::id_of(ReviewKind::Suspension, &case.case_id);
    assert!(house.cases.review(&review).await.unwrap().is_some());
}

/// A suspension for not having logged in, as far as nobody has to decide.
pub(crate) async fn inactive(house: &House, username: &str) -> CaseId {
    let trigger = Trigger {
        source: "leaver".into(),
        event_id: "inactive-1".parse().unwrap(),
        by: "leaver/reconcile".into(),
        kind: intake::INACTIVE.into(),
        at: now(),
        received_at: now(),
        body: Digest::ZERO,
    };
    let request = Request::plain(trigger, Mode::Suspend, "No login for 90 days", now());
    let (person, store) = (person(house, username).await, &house.cases);
    let taken = intake::submit(store, &house.workflow, &house.policy, &person, &request, now()).await;
    let case = taken.expect("a case").0.case_id;
    house.execute(&case).await;
    case
}

/// A termination that lies ahead.
pub(crate) async fn gives_notice(house: &House, username: &str) -> CaseId {
    let later = json!({"last_working_day": "2099-01-01"});
    taken(house, &told_now("user_terminated", username, "notice", json!({}), later)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspension_for_inactivity_waits_where_it_is_flagged() {
    let house = House::new().await;
    let id = inactive(&house, RILEY).await;
    let (case, systems) = house.case(&id).await;
    assert_eq!(of_system(&systems, FLAGGED).status, SystemStatus::AwaitingApproval);
    assert_eq!(house.stage.account(FLAGGED, RILEY).await["active"], true);
    assert!(case.findings.is_empty(), "{:?}", case.findings);
    assert!(case.log[0].facts.get("passes_gate").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_hired_anew_in_another_role_gets_no_more_than_that_needs_and_no_key() {
    let house = House::new().await;
    let left = recorded(&house, ROBIN).await;
    house.execute(&left).await;
    assert!(active(&house, ROBIN).await.is_empty());
    let user = json!({"role": "sales"});
    let metadata = json!({"department": "Sales"});
    let (case, systems) = done(&house, &told("user_rehired", ROBIN, "r1", user, metadata)).await;
    assert_eq!(case.status, CaseStatus::Complete, "{systems:#?}");
    assert_eq!(active(&house, ROBIN).await, ["google_workspace", "microsoft_365", "okta", "slack"]);
    for record in &systems {
        let kinds = record.actions.iter().map(|one| json!(one.action.kind)).collect::<Vec<_>>();
        assert!(!kinds.contains(&json!("enable_api_key")), "{}: {kinds:?}", record.system);
        let needs = matches!(record.system.as_str(), "github" | "aws_iam");
        assert_eq!(record.status == SystemStatus::NotApplicable, needs, "{}", record.system);
    }
    let okta = systems.iter().find(|one| one.system.as_str() == "okta").expect("okta");
    let given: Vec<_> = okta.actions.iter().map(|one| one.action.label.as_str()).collect();
    assert!(!given.contains(&"Engineering"), "{given:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_new_is_known_from_then_on_and_records_stay_current() {
    let house = House::new().await;
    let mut event = told("user_hired", JOHN, "h1", json!({}), json!({}));
    event["user"] = json!({"username": "new.joiner", "employee_id": "EMP-90001", "email": "new.joiner@example.com",
        "name": "New Joiner", "role": "sales", "contract_end": "2027-01-31"});
    event["metadata"] = json!({"department": "Sales", "manager": "jane.smith", "time_zone": "Europe/Berlin"});
    let (status, answer) = post(&house, &event).await;
    assert_eq!(status, 202, "{answer}");
    let joined = person(&house, "new.joiner").await;
    assert_eq!((joined.role.as_str(), joined.status), ("sales", PersonStatus::Active));
    assert_eq!(joined.contract_end.map(|day| day.to_string()).as_deref(), Some("2027-01-31"));
    let mut update = event.clone();
    update["event_type"] = json!("user_updated");
    update["event_id"] = json!("h2");
    update["user"] =
        json!({"username": "new.joiner", "employee_id": "EMP-90001", "email": "n.joiner@example.com"});
    assert_eq!(post(&house, &update).await.0, 202);
    assert_eq!(person(&house, "new.joiner").await.email, "n.joiner@example.com");
    // The number belongs to somebody else; nobody is made of half a record.
    for (id, name, number) in [("h3", "other.one", "EMP-90001"), ("h4", "john.doe", "EMP-90009")] {
        let mut wrong = event.clone();
        wrong["event_id"] = json!(id);
        wrong["user"]["username"] = json!(name);
        wrong["user"]["employee_id"] = json!(number);
        assert_eq!(post(&house, &wrong).await.0, 422, "{id}");
    }
    let mut half = event.clone();
    half["event_id"] = json!("h5");
    half["user"] = json!({"username": "half.known", "employee_id": "EMP-90002", "email": "h@example.com"});
    assert_eq!(post(&house, &half).await.0, 422);
    assert!(house.cases.person(&"half.known".parse().unwrap()).await.unwrap().is_none());
}

pub(crate) async fn look(house: &House, now: Timestamp) -> leaver_contracts::Looked {
    let (policy, cases, workflow) = (&house.policy, &house.cases, &house.workflow);
    let contracts = Contracts { policy, cases, people: cases, workflow, now };
    leaver_contracts::handle(&contracts).await.expect("a look")
}

pub(crate) async fn ends(house: &House, day: &str) {
    let mut casey = person(house, CASEY).await;
    casey.contract_end = Some(day.parse().unwrap());
    casey.version += 1;
    house.cases.put_person(&casey).await.unwrap();
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contract_ends_access_with_its_last_day_and_once() {
    let house = House::new().await;
    ends(&house, "2026-02-20").await;
    // Lisbon keeps the time of UTC in winter.
    let looked = look(&house, at("2026-02-20T23:59:59Z")).await;
    assert!(looked.over.is_empty() && looked.failed.is_empty(), "{looked:?}");
    let looked = look(&house, at("2026-02-21T00:00:00Z")).await;
    assert_eq!(looked.over, [CASEY.parse().unwrap()]);
    let casey = person(&house, CASEY).await;
    let case = casey.case.clone().expect("a case");
    assert_eq!(casey.status, PersonStatus::Leaving);
    house.execute(&case).await;
    let (record, _) = house.case(&case).await;
    assert_eq!((record.status, record.trigger.kind.as_str()), (CaseStatus::Complete, contracts::KIND));
    assert_eq!(record.effective_at, at("2026-02-21T00:00:00Z"));
    assert!(look(&house, at("2026-02-22T00:00:00Z")).await.over.is_empty());
    house.feed().await;
    let log = house.log().await;
    assert_eq!(log.iter().filter(|(entry, _)| entry.kind == EventKind::RevocationTriggered).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contract_ends_the_access_of_whoever_is_suspended() {
    let house = House::new().await;
    ends(&house, "2026-02-20").await;
    let (suspension, _) = done(&house, &told("user_suspended", CASEY, "s1", json!({}), json!({}))).await;
    assert_eq!(person(&house, CASEY).await.status, PersonStatus::Suspended);
    let over = at("2026-02-21T00:00:00Z");
    assert_eq!(look(&house, over).await.over, [CASEY.parse().unwrap()]);
    let case = person(&house, CASEY).await.case.expect("a case");
    assert_ne!(case, suspension.case_id);
    house.execute(&case).await;
    assert_eq!(house.case(&case).await.0.status, CaseStatus::Complete);
    assert_eq!(person(&house, CASEY).await.status, PersonStatus::Left);
    assert!(look(&house, over).await.over.is_empty());
}

/// The end of the contract wins over a later leave, whose case finds nothing left to do when its time comes.
#[tokio::test(flavor = "multi_thread")]
async fn a_contract_ends_access_although_its_person_was_to_leave_later() {
    let house = House::new().await;
    ends(&house, "2026-02-20").await;
    let effective_at = now().plus(Duration::from_secs(30 * 86_400));
    let open = json!({"person": CASEY, "reason": "end of project", "effective_at": effective_at}).to_string();
    let (status, view) = house.call(("harper.hr", "hr"), "POST", "/api/v1/cases", &open, now()).await;
    assert_eq!(status, 202, "{view}");
    let later: CaseId = view["case_id"].as_str().unwrap().parse().unwrap();
    assert_eq!(person(&house, CASEY).await.case.as_ref(), Some(&later));
    let over = at("2026-02-21T00:00:00Z");
    assert_eq!(look(&house, over).await.over, [CASEY.parse().unwrap()]);
    assert!(look(&house, over).await.over.is_empty(), "it leaves once");
    let case = person(&house, CASEY).await.case.expect("a case");
    assert_ne!(case, later);
    house.execute(&case).await;
    assert_eq!(house.case(&case).await.0.status, CaseStatus::Complete);
    let (mut due, _) = house.case(&later).await;
    assert_eq!(due.status, CaseStatus::Recorded);
    due.effective_at = now();
    due.version += 1;
    house.cases.put_case(&due).await.unwrap();
    house.execute(&later).await;
    let (due, systems) = house.case(&later).await;
    assert_eq!(due.status, CaseStatus::Complete, "{systems:#?}");
    // Sessions are ended, and what is owned is asked for, by whoever leaves; there was no account left to be shut.
    let repeats = |one: &ActionTaken| {
        matches!(one.action.kind, ActionKind::EndSessions | ActionKind::TransferOwnership)
    };
    assert!(systems.iter().flat_map(|one| &one.actions).all(repeats), "{systems:#?}");
    let casey = person(&house, CASEY).await;
    assert_eq!((casey.status, casey.case), (PersonStatus::Left, Some(case)));
}

#[tokio::test(flavor = "multi_thread")]
async fn grace_is_asked_for_once_given_by_an_approval_and_has_none_of_its_own() {
    let house = House::new().await;
    // Policy asks real people, whose answers are timed by the clock.
    let end = now().plus(Duration::from_secs(2 * 86_400)).to_jiff().to_zoned(jiff::tz::TimeZone::UTC).date();
    ends(&house, &end.to_string()).await;
    assert_eq!(look(&house, now()).await.asked, [CASEY.parse().unwrap()]);
    assert!(look(&house, now()).await.asked.is_empty(), "it is asked already");
    let [measure] = &house.cases.measures_of(&CASEY.parse().unwrap()).await.unwrap()[..] else {
        panic!("one")
    };
    let grace = end.checked_add(jiff::Span::new().days(7)).unwrap();
    assert_eq!(measure.what, What::Extension { until: grace });
    assert_eq!(
        measure.approval.asked,
        ["sam.admin", "taylor.admin", "jane.smith"].map(|who| who.parse().unwrap())
    );
    let path = format!("/api/v1/approvals/{}", measure.measure_id);
    let said = json!({"decision": "approve", "reason": "the project is late"}).to_string();
    let (status, answer) = house.call(("taylor.admin", "approver"), "POST", &path, &said, now()).await;
    assert_eq!(status, 200, "{answer}");
    house.tick(&house.cases, now()).await.expect("a tick");
    let id = &measure.measure_id;
    assert_eq!(house.cases.measure(id).await.unwrap().unwrap().status, MeasureStatus::Ended);
    assert_eq!(person(&house, CASEY).await.contract_end, Some(grace));
    let later = now().plus(Duration::from_secs(6 * 86_400));
    assert!(look(&house, later).await.asked.is_empty(), "a grace has no grace");
    let after = now().plus(Duration::from_secs(11 * 86_400));
    assert_eq!(look(&house, after).await.over, [CASEY.parse().unwrap()]);
}

/// Whoever they report to knows of the work that goes on, and decides as well as an approver does.
#[tokio::test(flavor = "multi_thread")]
async fn the_manager_is_asked_before_a_contract_ends_and_may_give_the_grace() {
    let end = now().plus(Duration::from_secs(2 * 86_400)).to_jiff().to_zoned(jiff::tz::TimeZone::UTC).date();
    let asked = async |house: &House| {
        ends(house, &end.to_string()).await;
        assert_eq!(look(house, now()).await.asked, [CASEY.parse().unwrap()]);
        let mut measures = house.cases.measures_of(&CASEY.parse().unwrap()).await.unwrap();
        measures.pop().expect("a question")
    };
    let house = House::new().await;
    let measure = asked(&house).await;
    let path = format!("/api/v1/approvals/{}", measure.measure_id);
    let said = json!({"decision": "approve", "reason": "the project is late"}).to_string();
    for (who, status) in [("robin.mover", 404), ("jane.smith", 200)] {
        let (said, answer) = house.call((who, "manager"), "POST", &path, &said, now()).await;
        assert_eq!(said, status, "{who}: {answer}");
    }
    house.tick(&house.cases, now()).await.expect("a tick");
    assert!(person(&house, CASEY).await.contract_end > Some(end));
    // Who is leaving themselves is not asked, and neither is who manages themselves.
    let house = House::new().await;
    recorded(&house, "jane.smith").await;
    let gone = asked(&house).await;
    let house = House::new().await;
    let mut casey = person(&house, CASEY).await;
    casey.manager = Some(CASEY.parse().unwrap());
    casey.version += 1;
    house.cases.put_person(&casey).await.unwrap();
    for measure in [gone, asked(&house).await] {
        assert_eq!(measure.approval.asked, ["sam.admin", "taylor.admin"].map(|who| who.parse().unwrap()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_that_dies_anywhere_is_finished_by_the_next() {
    for when in [When::Before, When::After] {
        for call in 0.. {
            let house = House::new().await;
            ends(&house, "2026-02-20").await;
            let failing = Failing::at(&house.cases, call, when);
            let (policy, workflow, now) = (&house.policy, &house.workflow, at("2026-02-21T00:00:00Z"));
            let dying = Contracts { policy, cases: &failing, people: &house.cases, workflow, now };
            let _ = leaver_contracts::handle(&dying).await;
            let reached = failing.has_failed();
            look(&house, now).await;
            let casey = person(&house, CASEY).await;
            assert_eq!(casey.status, PersonStatus::Leaving, "{when:?} {call}");
            // What was recorded and not started is the sweep's.
            let due = house.cases.due(leaver_tests::sandbox::now(), 10).await.expect("the store");
            let case = casey.case.expect("a case");
            assert!(house.workflow.started().contains(&case) || due.contains(&case), "{when:?} {call}");
            if !reached {
                assert!(call > 1);
                break;
            }
        }
    }
}

/// Routing goes by where somebody is now; what they had where they were goes with them nevertheless.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_during_a_transition_loses_what_the_old_place_gave_them_too() {
    let mut house = House::new().await;
    house.policy = leaver_tests::flow::shipped("local");
    let user = json!({"new_role": "sales", "new_department": "Sales"});
    let mut event = told("user_role_changed", "lee.field", "m1", user, json!({}));
    event["timestamp"] = json!(now());
    let moved = house.case(&taken(&house, &event).await).await.0;
    let beyond = moved.systems.iter().map(|system| system.as_str().to_owned()).collect::<Vec<_>>();
    assert!(beyond.contains(&"badge".to_owned()) && beyond.contains(&"salesforce".to_owned()), "{beyond:?}");
    let left = recorded(&house, "lee.field").await;
    let (case, records) = house.case(&left).await;
    for system in &moved.systems {
        assert!(case.systems.contains(system), "{system}");
        assert!(records.iter().any(|record| record.system == *system), "{system}");
    }
}
