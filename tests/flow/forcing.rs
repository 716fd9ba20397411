//! Trying an incomplete case again, cases whose time has not come, and cases about a part of somebody's access.

use crate::{
    brake::{carry_out, decide},
    recorded,
};
use leaver_domain::{
    approval::Decision,
    case::{CaseStatus, Mode, SystemStatus},
    fault::FaultKind,
    holds,
    id::CaseId,
    ledger::EventKind,
    measure::MeasureStatus,
    person::{Person, PersonStatus},
    ports::{CaseStore, Change, Execution},
    time::Timestamp,
};
use leaver_sweep::Sweep;
use leaver_tests::{
    flow::{House, SIX, appending, body, event},
    sandbox::now,
};
use serde_json::{Value, json};
use std::time::Duration;

const SECURITY: (&str, &str) = ("sam.admin", "security");

async fn force(house: &House, who: (&str, &str), case: &CaseId) -> (i64, Value) {
    let path = format!("/api/v1/cases/{case}/force");
    house.call(who, "POST", &path, r#"{"reason": "Okta is back"}"#, now()).await
}

/// A case that is incomplete because one system failed for good.
async fn incomplete(house: &House) -> CaseId {
    let case = recorded(house, "john.doe").await;
    house.stage.fault(json!({"system": "okta", "status": 403, "body": {"error": "forbidden"}})).await;
    house.execute(&case).await;
    assert_eq!(house.case(&case).await.0.status, CaseStatus::Incomplete);
    assert!(house.system(&case, "okta").await.task.is_some());
    case
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_is_tried_again_and_its_task_withdrawn() {
    let house = House::new().await;
    let case = incomplete(&house).await;
    assert_eq!(force(&house, ("harper.hr", "hr"), &case).await.0, 403);
    house.stage.clear().await;
    let (status, view) = force(&house, SECURITY, &case).await;
    assert_eq!((status, &view["status"]), (202, &json!("recorded")), "{view}");
    let (record, _) = house.case(&case).await;
    assert!(house.workflow.executions().contains(&Execution::Case { case: case.clone(), run: 2 }));
    let row = record.log.last().unwrap();
    assert_eq!((row.kind, row.actor.as_str()), (EventKind::CaseForced, "sam.admin"));
    assert_eq!(row.facts["withdrawn"][0]["system"], "okta");
    assert_eq!(row.facts["systems"], json!(["okta"]));
    assert!(house.system(&case, "okta").await.task.is_none());
    house.execute(&case).await;
    assert_eq!(house.case(&case).await.0.status, CaseStatus::Complete);
    assert_eq!(house.stage.account("okta", "john.doe").await["active"], false);
    assert_eq!(force(&house, SECURITY, &case).await.0, 409, "it is over");
    house.feed().await;
    house.log().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_again_is_somebodys_task_again() {
    let house = House::new().await;
    let case = incomplete(&house).await;
    assert_eq!(force(&house, SECURITY, &case).await.0, 202);
    house.execute(&case).await;
    let okta = house.system(&case, "okta").await;
    assert_eq!(
        (house.case(&case).await.0.status, okta.status),
        (CaseStatus::Incomplete, SystemStatus::ManualTask)
    );
    let opened = okta.log.iter().filter(|line| line.kind == EventKind::TaskOpened).count();
    assert!(okta.task.is_some_and(|task| task.closed.is_none()) && opened == 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_and_a_decision_that_waits_are_not_passed() {
    let house = House::new().await;
    let case = recorded(&house, "riley.owner").await;
    let mut items = house.contain(&case).await;
    house.go_on_all(&mut items, now()).await;
    assert_eq!(force(&house, SECURITY, &case).await.0, 409, "it waits for a decision");
    let flagged: Vec<_> = items
        .iter()
        .filter(|item| matches!(item.at, leaver_tests::machine::At::Waiting(_)))
        .cloned()
        .collect();
    assert!(!flagged.is_empty());
    for item in &flagged {
        let (status, answer) = house.decide(SECURITY, item, "deny").await;
        assert_eq!(status, 200, "{answer}");
    }
    house.go_on_all(&mut items, now()).await;
    house.go_on_all(&mut items, now()).await;
    house.close(&house.cases, &case).await.unwrap();
    let (record, _) = house.case(&case).await;
    assert_eq!(record.status, CaseStatus::Incomplete);
    let (status, problem) = force(&house, SECURITY, &case).await;
    assert_eq!(status, 409);
    assert!(problem["detail"].as_str().unwrap().contains("denied"), "{problem}");
    let denied = house.system(&case, &flagged[0].system).await;
    assert!(denied.status == SystemStatus::Denied && denied.task.is_some());
}

async fn cancel(house: &House, case: &CaseId) -> (i64, Value) {
    let path = format!("/api/v1/cases/{case}/cancel");
    house.call(("harper.hr", "hr"), "POST", &path, r#"{"reason": "sent by mistake"}"#, now()).await
}

async fn person(house: &House, username: &str) -> Person {
    house.cases.person(&username.parse().unwrap()).await.unwrap().unwrap()
}

/// What HR reports about John, beside that he leaves.
async fn report(house: &House, kind: &str) -> CaseId {
    let mut event = event("john.doe", kind);
    event["event_type"] = json!(kind);
    event["user"].as_object_mut().unwrap().remove("termination_reason");
    let answer = house.post(&house.cases, &event.to_string()).await;
    assert_eq!(answer.status_code, 202, "{:?}", answer.body);
    body(&answer)["case_id"].as_str().expect("a case of its own").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_tried_again_is_not_called_off() {
    let house = House::new().await;
    let case = incomplete(&house).await;
    house.stage.clear().await;
    assert_eq!(force(&house, SECURITY, &case).await.0, 202);
    let (status, problem) = cancel(&house, &case).await;
    assert_eq!(status, 409, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("restore"), "{problem}");
    assert_eq!(person(&house, "john.doe").await.status, PersonStatus::Leaving);
    house.execute(&case).await;
    assert_eq!(house.case(&case).await.0.status, CaseStatus::Complete);
}

/// It passed both with its first try, and half of it is done.
#[tokio::test(flavor = "multi_thread")]
async fn neither_the_brake_nor_protection_stops_what_is_tried_again() {
    let mut house = crate::brake::house(1).await;
    let case = incomplete(&house).await;
    // By then the brake has forgotten whom it let through.
    let later = now().plus(Duration::from_secs(2 * u64::from(house.policy.brake.window_seconds)));
    let mut others = Vec::new();
    for username in ["robin.mover", "pat.idle"] {
        let other = recorded(&house, username).await;
        house.plan_at(&house.cases, &other, later).await.unwrap();
        others.push(house.case(&other).await.0);
    }
    assert_eq!((others[0].status, others[1].status), (CaseStatus::Running, CaseStatus::Held));
    house.policy.protected.insert("john.doe".parse().unwrap());
    assert_eq!(force(&house, SECURITY, &case).await.0, 202);
    assert!(!house.plan_at(&house.cases, &case, later).await.unwrap().systems.is_empty(), "it is held");
    let (record, _) = house.case(&case).await;
    assert_eq!(record.status, CaseStatus::Running);
    assert!(record.log.iter().all(|line| line.kind != EventKind::CaseHeld));
    let id = others[1].measure.clone().unwrap();
    decide(&house, &id, "taylor.admin", Decision::Deny).await.unwrap();
    carry_out(&house, &id).await;
    assert_eq!(house.case(&others[1].case_id).await.0.status, CaseStatus::Cancelled);
    assert_eq!(house.case(&case).await.0.status, CaseStatus::Running);
    assert_eq!(person(&house, "john.doe").await.status, PersonStatus::Leaving);
}

/// However it came to be held: nobody calls it off, neither alone nor with all the others.
#[tokio::test(flavor = "multi_thread")]
async fn a_denial_calls_nothing_off_that_has_begun() {
    let house = crate::brake::house(1).await;
    let case = incomplete(&house).await;
    let other = recorded(&house, "robin.mover").await;
    house.plan(&house.cases, &other).await.unwrap();
    let id = house.case(&other).await.0.measure.unwrap();
    house.stage.clear().await;
    assert_eq!(force(&house, SECURITY, &case).await.0, 202);
    let (mut record, _) = house.case(&case).await;
    holds::hold(&mut record, holds::MASS_ACTION, Some(id.clone()), "leaver/plan", now());
    record.version += 1;
    let changes = [Change::Case(Box::new(record)), Change::Hold(id.clone(), case.clone())];
    house.cases.commit(&changes).await.unwrap();
    assert_eq!(cancel(&house, &case).await.0, 409);
    decide(&house, &id, "taylor.admin", Decision::Deny).await.unwrap();
    assert_eq!(carry_out(&house, &id).await.status, MeasureStatus::Ended);
    assert_eq!(house.case(&other).await.0.status, CaseStatus::Cancelled);
    assert_eq!(person(&house, "robin.mover").await.status, PersonStatus::Active);
    let (record, _) = house.case(&case).await;
    assert_eq!((record.status, record.run), (CaseStatus::Recorded, 3));
    let row = record.log.last().unwrap();
    assert_eq!((row.kind, row.action.as_str()), (EventKind::CaseReleased, "go on"));
    assert!(house.workflow.executions().contains(&Execution::Case { case: case.clone(), run: 3 }));
    house.execute(&case).await;
    assert_eq!(house.case(&case).await.0.status, CaseStatus::Complete);
    assert_eq!(person(&house, "john.doe").await.status, PersonStatus::Left);
}

/// No decision makes that doubt good, so that calling it off is the only way on.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_tried_again_on_somebody_else_is_held_and_can_be_called_off() {
    let house = House::new().await;
    let case = incomplete(&house).await;
    assert_eq!(force(&house, SECURITY, &case).await.0, 202);
    let mut other = person(&house, "john.doe").await;
    other.employee_id = "EMP-99999".parse().unwrap();
    other.version += 1;
    house.cases.put_person(&other).await.unwrap();
    assert!(house.plan(&house.cases, &case).await.unwrap().systems.is_empty(), "it runs");
    assert_eq!(house.case(&case).await.0.status, CaseStatus::Held);
    let (status, view) = cancel(&house, &case).await;
    assert_eq!((status, &view["status"]), (200, &json!("cancelled")), "{view}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_back_while_their_case_is_tried_again_gets_back_what_it_took() {
    let house = House::new().await;
    let left = recorded(&house, "john.doe").await;
    // Okta shuts the account, and what is tidied behind that fails.
    let fault = json!({"system": "okta", "match": "DELETE /okta/api/v1/groups", "status": 403, "body": {}});
    house.stage.fault(fault).await;
    house.execute(&left).await;
    assert_eq!(house.case(&left).await.0.status, CaseStatus::Incomplete);
    assert_eq!(house.stage.account("okta", "john.doe").await["active"], false);
    house.stage.clear().await;
    assert_eq!(force(&house, SECURITY, &left).await.0, 202);
    let back = report(&house, "user_rehired").await;
    house.execute(&back).await;
    let (case, systems) = house.case(&back).await;
    assert_eq!((case.mode, case.status), (Mode::Reactivate, CaseStatus::Complete), "{systems:#?}");
    assert_eq!(case.restores.as_ref(), Some(&left));
    // The try that was about to begin finds them back, and takes nothing.
    house.execute(&left).await;
    for system in SIX {
        assert_eq!(house.stage.account(system, "john.doe").await["active"], true, "{system}");
    }
    let john = person(&house, "john.doe").await;
    assert_eq!((john.status, john.case), (PersonStatus::Active, Some(back)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspension_does_not_come_before_a_termination_that_is_tried_again() {
    let house = House::new().await;
    let left = incomplete(&house).await;
    assert_eq!(force(&house, SECURITY, &left).await.0, 202);
    let (before, _) = house.case(&left).await;
    let suspension = report(&house, "user_suspended").await;
    assert_eq!(house.case(&suspension).await.0.mode, Mode::Suspend);
    let (after, _) = house.case(&left).await;
    assert!(after.person_was.is_some());
    assert_eq!((after.person_was, after.version), (before.person_was, before.version));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_in_the_future_is_listed_by_its_time_and_gone_when_it_was_called_off() {
    let house = House::new().await;
    let at = |days: u64| now().plus(Duration::from_secs(days * 86_400));
    let mut ids = Vec::new();
    for (username, days) in [("john.doe", 30), ("robin.mover", 3)] {
        let open = json!({"person": username, "reason": "leaves", "effective_at": at(days)}).to_string();
        let (status, view) = house.call(SECURITY, "POST", "/api/v1/cases", &open, now()).await;
        assert_eq!(status, 202, "{view}");
        ids.push(view["case_id"].clone());
    }
    recorded(&house, "pat.idle").await;
    assert_eq!(house.workflow.started().len(), 1, "what lies in the future has begun");
    let scheduled = async |instant| -> Vec<Value> {
        let mut asked = leaver_tests::flow::api_request(SECURITY, "GET", "/api/v1/cases", "", "k");
        asked.query_string_parameters = serde_json::from_value(json!({"scheduled": "true"})).unwrap();
        let (status, page) = house.answer(&house.cases, &asked, instant).await;
        assert_eq!(status, 200, "{page}");
        page["cases"].as_array().unwrap().iter().map(|case| case["case_id"].clone()).collect()
    };
    assert_eq!(scheduled(now()).await, [ids[1].clone(), ids[0].clone()]);
    assert_eq!(scheduled(at(3)).await, [ids[0].clone()], "its time has come");
    let path = format!("/api/v1/cases/{}/cancel", ids[1].as_str().unwrap());
    let (status, _) = house.call(SECURITY, "POST", &path, r#"{"reason": "stays"}"#, now()).await;
    assert_eq!(status, 200);
    assert_eq!(scheduled(now()).await, [ids[0].clone()]);
    let robin = house.cases.person(&"robin.mover".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(robin.status, PersonStatus::Active);
}

/// Everybody of one re-organisation has the same instant: a page may end between any two of them.
#[tokio::test(flavor = "multi_thread")]
async fn what_lies_in_the_future_comes_page_by_page_and_none_is_hidden() {
    let house = House::new().await;
    let people = leaver_sandbox::people::load().unwrap();
    let plain = people.into_iter().filter(|sample| sample.roles.is_empty() && !sample.person.protected);
    let later = now().plus(Duration::from_secs(86_400));
    let mut opened = std::collections::BTreeSet::new();
    for sample in plain.take(5) {
        let open = json!({"person": sample.person.username, "reason": "moves", "effective_at": later});
        let (status, view) = house.call(SECURITY, "POST", "/api/v1/cases", &open.to_string(), now()).await;
        assert_eq!(status, 202, "{view}");
        opened.insert(view["case_id"].as_str().unwrap().to_owned());
    }
    let (mut found, mut lengths, mut next) = (Vec::new(), Vec::new(), Value::Null);
    loop {
        let mut asked = leaver_tests::flow::api_request(SECURITY, "GET", "/api/v1/cases", "", "k");
        let mut query = json!({"scheduled": "true", "limit": "2"});
        if next.is_string() {
            query["from"] = next;
        }
        asked.query_string_parameters = serde_json::from_value(query).unwrap();
        let (status, page) = house.answer(&house.cases, &asked, now()).await;
        assert_eq!(status, 200, "{page}");
        let cases = page["cases"].as_array().unwrap();
        lengths.push(cases.len());
        found.extend(cases.iter().map(|case| case["case_id"].as_str().unwrap().to_owned()));
        next = page["next"].clone();
        if next.is_null() {
            break;
        }
    }
    assert_eq!((lengths, found.len()), (vec![2, 2, 1], 5));
    assert_eq!(found.into_iter().collect::<std::collections::BTreeSet<_>>(), opened);
}

/// A part of somebody's access leaves no trace on their record, and a large batch lies before it in the list of cases.
#[tokio::test(flavor = "multi_thread")]
async fn somebodys_newest_case_is_found_behind_everybody_elses() {
    let house = House::new().await;
    let (status, view) = open(&house, json!({"grants": ["admins"]})).await;
    assert_eq!(status, 202, "{view}");
    let case: CaseId = view["case_id"].as_str().unwrap().parse().unwrap();
    let (mut other, _) = house.case(&case).await;
    other.version = 1;
    for number in 0..60 {
        other.case_id = format!("case-other-{number}").parse().unwrap();
        other.created_at = now().plus(Duration::from_secs(60 + number));
        // The last one is a dry run about the same person.
        other.dry_run = number == 59;
        let whose = if other.dry_run { "john.doe" } else { "pat.idle" };
        other.person.username = whose.parse().unwrap();
        house.cases.put_case(&other).await.unwrap();
    }
    let path = "/api/v1/employees/john.doe/access";
    let (status, access) = house.call(SECURITY, "GET", path, "", now()).await;
    assert_eq!((status, &access["case"]["case_id"]), (200, &json!(case)), "{access}");
}

async fn open(house: &House, scope: Value) -> (i64, Value) {
    let body = json!({"person": "john.doe", "reason": "other work", "scope": scope}).to_string();
    house.call(SECURITY, "POST", "/api/v1/cases", &body, now()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_of_one_system_is_taken_there_and_nowhere_else() {
    let mut house = House::new().await;
    let held = |account: &Value| -> Vec<String> {
        account["grants"].as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
    };
    let github = held(&house.stage.account("github", "john.doe").await);
    let slack = held(&house.stage.account("slack", "john.doe").await);
    assert!(github.contains(&"platform".to_owned()), "{github:?}");
    // By the name that the plan shows.
    let grant = "Platform".to_owned();
    let (status, view) = open(&house, json!({"permissions": [format!("github:{grant}")]})).await;
    assert_eq!((status, &view["mode"]), (202, &json!("partial")), "{view}");
    assert_eq!(view["permissions"], json!([{"system": "github", "grant": grant}]));
    let systems: Vec<&Value> = view["systems"].as_array().unwrap().iter().map(|one| &one["system"]).collect();
    assert_eq!(systems, [&json!("github")]);
    let case: CaseId = view["case_id"].as_str().unwrap().parse().unwrap();
    house.execute(&case).await;
    let after = house.stage.account("github", "john.doe").await;
    let system = house.system(&case, "github").await;
    assert!(
        !held(&after).contains(&"platform".to_owned()) && after["active"] == true,
        "{grant} of {after}: {:?} {:?}",
        system.status,
        system.plan
    );
    assert_eq!(held(&house.stage.account("slack", "john.doe").await), slack);
    // A role takes what its profile needs and the person's own does not.
    let profiles = json!({
        "engineer": {"github": ["core"], "okta": []},
        "reviewer": {"github": ["core", "reviewers"], "okta": ["Reviewers"]},
    });
    house.policy.roles = serde_json::from_value(profiles).unwrap();
    let (status, view) = open(&house, json!({"role": "reviewer"})).await;
    assert_eq!(status, 202, "{view}");
    let taken = json!([{"system": "github", "grant": "reviewers"}, {"system": "okta", "grant": "Reviewers"}]);
    assert_eq!(view["permissions"], taken);
    // Another name for the same profile takes nothing that their own role needs.
    let own = house.cases.person(&"john.doe".parse().unwrap()).await.unwrap().unwrap().role;
    let needs = json!({"github": ["core"], "okta": []});
    house.policy.roles = serde_json::from_value(json!({"twin": needs, own.clone(): needs})).unwrap();
    let (status, problem) = open(&house, json!({"role": "twin"})).await;
    assert!(
        status == 422 && problem["detail"].as_str().unwrap().contains("needs nothing beyond"),
        "{problem}"
    );
    let (status, view) = open(&house, json!({"role": own})).await;
    assert_eq!(
        (status, &view["permissions"]),
        (202, &json!([{"system": "github", "grant": "core"}])),
        "{view}"
    );
    house.policy.roles = serde_json::from_value(json!({"engineer": {}, "reviewer": {}})).unwrap();
    for (scope, why) in [
        (json!({"role": "astronaut"}), "engineer, reviewer"),
        (json!({}), "1 to 200"),
        (json!({"roles": ["x"]}), "unknown"),
    ] {
        let (status, problem) = open(&house, scope).await;
        assert!(status == 422 && problem["detail"].as_str().unwrap().contains(why), "{problem}");
    }
    // A vendor's own name may have a colon.
    let (_, view) = open(&house, json!({"permissions": ["arn:aws:iam::aws:policy/ReadOnlyAccess"]})).await;
    assert!(view["systems"].as_array().unwrap().len() > 1, "{view}");
}

async fn sweep(house: &House, at: Timestamp) -> usize {
    let log = appending(&house.ledger);
    let sweep = Sweep { policy: &house.policy, store: &house.cases, workflow: &house.workflow, log, now: at };
    leaver_sweep::handle(&sweep).await.unwrap().retried
}

fn minutes(count: u64) -> Timestamp {
    now().plus(Duration::from_secs(count * 60))
}

/// One vendor limits the rate for a quarter of an hour, another refuses.
async fn limited(house: &House) -> CaseId {
    let limit =
        json!({"system": "okta", "match": "/api/v1/", "status": 429, "headers": {"retry-after": "900"}});
    house.stage.fault(limit).await;
    house.stage.fault(json!({"system": "slack", "status": 403, "body": {"error": "forbidden"}})).await;
    let case = recorded(house, "john.doe").await;
    house.execute(&case).await;
    assert_eq!(house.case(&case).await.0.status, CaseStatus::Incomplete);
    assert_eq!(house.system(&case, "okta").await.fault.unwrap().kind, FaultKind::Throttled);
    case
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_vendor_limited_is_tried_again_once_it_may_be_back_and_nothing_else_is() {
    let house = House::new().await;
    let case = limited(&house).await;
    let refused = house.system(&case, "slack").await;
    assert_eq!(sweep(&house, minutes(14)).await, 0, "the vendor asked for a quarter of an hour");
    house.stage.clear().await;
    assert_eq!(sweep(&house, minutes(16)).await, 1);
    assert_eq!(sweep(&house, minutes(16)).await, 0);
    let row = house.case(&case).await.0.log.pop().unwrap();
    assert_eq!((row.kind, row.actor.as_str()), (EventKind::CaseForced, "leaver/sweep"));
    assert_eq!(
        (&row.facts["systems"], &row.facts["withdrawn"][0]["system"]),
        (&json!(["okta"]), &json!("okta"))
    );
    house.execute(&case).await;
    let okta = house.system(&case, "okta").await;
    assert_eq!((okta.status, okta.task.is_some()), (SystemStatus::Verified, false));
    assert_eq!(house.stage.account("okta", "john.doe").await["active"], false);
    let slack = house.system(&case, "slack").await;
    assert_eq!((slack.status, &slack.task), (SystemStatus::ManualTask, &refused.task), "its owner has it");
    assert_eq!(sweep(&house, minutes(1_000)).await, 0, "waiting helps that one nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_that_stays_away_is_asked_less_and_less_and_then_no_more() {
    let house = House::new().await;
    let case = recorded(&house, "john.doe").await;
    house
        .stage
        .fault(
            json!({"system": "okta", "match": "/api/v1/", "status": 429, "headers": {"retry-after": "60"}}),
        )
        .await;
    house.execute(&case).await;
    for tries in 0..8 {
        assert_eq!(house.case(&case).await.0.status, CaseStatus::Incomplete);
        let wait = 5 * 2_u64.pow(tries);
        assert_eq!(sweep(&house, minutes(wait - 1)).await, 0, "{tries}");
        assert_eq!(sweep(&house, minutes(wait + 1)).await, 1, "{tries}");
        house.execute(&case).await;
    }
    assert_eq!(sweep(&house, minutes(100_000)).await, 0, "from then on it is its owner's alone");
    assert!(house.system(&case, "okta").await.task.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_its_owner_has_done_by_hand_is_not_tried_again() {
    let house = House::new().await;
    let case = limited(&house).await;
    let path = format!("/api/v1/tasks/{case}~okta");
    let said = json!({"statement": "Deactivated in the console."}).to_string();
    let (status, answer) = house.call(SECURITY, "POST", &path, &said, now()).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(sweep(&house, minutes(1_000)).await, 0);
}
