//! Terminations from the webhook to the closed case.

use crate::house::House;
use leaver_domain::{
    intake,
    policy::Policy,
    ports::{CaseStore, Recorded},
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, sync::Arc, time::Duration};

fn of<'a>(view: &'a Value, system: &str) -> &'a Value {
    let systems = view["systems"].as_array().expect("systems");
    systems.iter().find(|one| one["system"] == system).unwrap_or_else(|| panic!("{system} is not in {view}"))
}

/// The system that says who is employed.
const HRIS: &str = "hris";

pub(crate) async fn a_clean_termination_is_verified_in_every_system(house: Arc<House>) {
    let case = house.terminate("john.doe").await;
    let view = house.settled(&case).await;
    assert_eq!(view["status"], "complete", "{view}");
    let systems = house.systems();
    for system in &systems {
        let one = of(&view, system);
        assert_eq!(one["status"], "verified", "{one}");
        // The HRIS said so before leaver did anything, and is only read.
        assert_eq!(one["before"]["account_status"] == "active", system != HRIS, "{one}");
        assert!(one["verified_at"].as_str() > one["revoked_at"].as_str(), "{one}");
        let account = house.account(system, "john.doe").await;
        assert_eq!(account["active"], false, "{system}: {account}");
        assert_eq!(account["credentials"], json!([]), "{system}: {account}");
    }
    // Google moves files and calendars, Linear has projects with another lead: a row each, before the case is closed.
    let handed_over = 2;
    let rows = house.rows(&case, 2 * systems.len() + 3 + handed_over).await;
    let told = "trigger, validation, close, two for each system, and what went to somebody else";
    assert_eq!(rows.len(), 2 * systems.len() + 3 + handed_over, "{told}");
    let access: Vec<&Value> = rows.iter().filter(|row| row["access_row"] == true).collect();
    assert_eq!(access.len(), systems.len() + 1, "exactly the trigger and one per system");
    assert_eq!(access[0]["event_type"], "revocation_triggered");
    for row in &access[1..] {
        assert_eq!((&row["event_type"], &row["result"]), (&json!("access_revoked"), &json!("success")));
        for field in ["event_id", "timestamp", "actor", "system", "action", "risk"] {
            assert!(!row[field].is_null(), "{field} of {row}");
        }
        assert_eq!(row["revocation"]["reason"], "Resignation");
        assert_eq!(row["before_state"]["account_status"] == "active", row["system"] != HRIS);
        let taken = row["revocation"]["actions_taken"].as_array().expect("actions");
        assert_eq!(taken.is_empty(), row["system"] == HRIS, "{row}");
    }
    // The stream brings the last row a moment after the case has settled: what the API says then is what the log holds.
    let view = house.settled(&case).await;
    assert_eq!(view["ledger"]["rows"], rows.len());
    let described = leaver_api::openapi::document();
    for (schema, shown) in [("Case", &view), ("System", &view["systems"][0])] {
        let named = described["components"]["schemas"][schema]["properties"].as_object().expect("a schema");
        let shown = shown.as_object().expect("an object");
        assert!(named.keys().eq(shown.keys()), "{schema} is described otherwise than it is shown: {shown:?}");
    }
    let checked = leaver_cli::ledger::verify(&house.api("auditor"), None).await.expect("a check");
    assert_eq!(checked.broken, None);
    let used = crate::roles::transitions(&house, &case).await;
    assert!(used <= 8 + 2 * systems.len(), "{used} state transitions");
}

pub(crate) async fn a_dry_run_answers_with_the_plan_and_changes_nothing(house: Arc<House>) {
    let mut before = Vec::new();
    for system in house.systems() {
        before.push(house.account(&system, "robin.mover").await);
    }
    let request = json!({"person": "robin.mover", "reason": "what would happen", "dry_run": true});
    let (status, view) = house.api("security").post("/api/v1/cases", &request).await.expect("an answer");
    assert_eq!(status, 200, "{view}");
    for (system, was) in house.systems().iter().zip(before) {
        let one = of(&view, system);
        assert_eq!(one["plan"].as_array().expect("a plan").is_empty(), system == HRIS, "{one}");
        assert_eq!(one["actions"], json!([]));
        assert_eq!(house.account(system, "robin.mover").await, was, "{system} was changed");
    }
    let case = view["case_id"].as_str().expect("a case");
    let rows = house.rows(case, house.systems().len() + 2).await;
    assert!(rows.iter().all(|row| row["access_row"] == false), "a dry run is no access row");
}

pub(crate) async fn a_flagged_system_waits_while_the_others_finish(house: Arc<House>) {
    let flagged = ["github", "google_workspace", "slack"];
    let mut before = Vec::new();
    for system in flagged {
        before.push(house.account(system, "riley.owner").await);
    }
    let case = house.terminate("riley.owner").await;
    let view = house.settled(&case).await;
    assert_eq!(view["status"], "awaiting_approval", "{view}");
    for system in house.systems() {
        let expected = if flagged.contains(&system.as_str()) { "awaiting_approval" } else { "verified" };
        assert_eq!(of(&view, &system)["status"], expected, "{}", of(&view, &system));
    }
    for (system, was) in flagged.iter().zip(before) {
        assert_eq!(house.account(system, "riley.owner").await, was, "{system} was written to");
        assert_eq!(of(&view, system)["risk"]["level"], "flagged");
    }
    assert_eq!(view["closed_at"], Value::Null);
}

pub(crate) async fn a_failing_system_is_retried_then_given_to_its_owner(house: Arc<House>) {
    house.wait_scale(0.05).await;
    house.fault(json!({"system": "slack", "status": 500})).await;
    house.fault(json!({"system": "github", "status": 200, "body": "<html>maintenance</html>"})).await;
    let person = &house.others()[7];
    let case = house.terminate(person).await;
    let view = house.settled(&case).await;
    assert_eq!(view["status"], "incomplete", "{view}");
    for system in house.systems() {
        let one = of(&view, &system);
        let expected =
            if ["slack", "github"].contains(&system.as_str()) { "manual_task" } else { "verified" };
        assert_eq!(one["status"], expected, "{one}");
    }
    let (slack, github) = (of(&view, "slack"), of(&view, "github"));
    assert_eq!(slack["fault"]["kind"], "Unavailable");
    assert!(slack["attempts"].as_u64().is_some_and(|tries| (2..=6).contains(&tries)), "{slack}");
    assert_eq!(slack["task"]["owner"], "sam.admin");
    assert_eq!((&github["fault"]["kind"], &github["attempts"]), (&json!("UnexpectedShape"), &json!(1)));
    for system in ["slack", "github"] {
        assert_eq!(house.account(system, person).await["active"], true);
        assert_eq!(of(&view, system)["revoked_at"], Value::Null);
    }
    let rows = house.rows(&case, 10).await;
    let said = |row: &&Value| {
        row["event_type"] == "access_revoked" && (row["system"] == "slack" || row["system"] == "github")
    };
    assert_eq!(rows.iter().filter(said).count(), 0, "reported as revoked");
}

pub(crate) async fn a_rate_limit_is_waited_out(house: Arc<House>) {
    let headers = json!({"retry-after": "1"});
    for system in ["okta", "slack", "github"] {
        house
            .fault(json!({"system": system, "status": 429, "headers": headers, "times": 1, "skip": 4}))
            .await;
    }
    let case = house.terminate("morgan.hold").await;
    let view = house.settled(&case).await;
    assert_eq!(view["status"], "complete", "{view}");
    for system in ["okta", "slack", "github"] {
        assert_eq!(of(&view, system)["attempts"], 1, "a second is waited for within the invocation");
    }
}

/// What a webhook leaves behind that is killed between its commit and its start.
pub(crate) async fn a_case_that_was_recorded_and_not_started_is_started_by_the_sweep(house: Arc<House>) {
    let case = recorded_a_minute_ago(&house, &house.others()[4], "evt-killed").await;
    let swept = crate::roles::invoke(&house, "leaver-local-sweep", &json!({})).await;
    assert!(swept["started"].as_u64() >= Some(1), "{swept}");
    let view = house.settled(&case).await;
    assert_eq!(view["status"], "complete", "{view}");
    let again = crate::roles::invoke(&house, "leaver-local-sweep", &json!({})).await;
    assert_eq!(again["due"], 0, "{again}");
}

/// An execution that ended before it did anything: the case gets another.
pub(crate) async fn a_case_whose_execution_died_gets_another_from_the_sweep(house: Arc<House>) {
    let case = recorded_a_minute_ago(&house, &house.others()[5], "evt-died").await;
    let arn = &house.local.state_machine_arn;
    let body = json!({"stateMachineArn": arn, "name": case, "input": json!({"check": "died"}).to_string()});
    house.aws.json("states", "AWSStepFunctions.StartExecution", &body).await.expect("an execution");
    let since = std::time::Instant::now();
    loop {
        let swept = crate::roles::invoke(&house, "leaver-local-sweep", &json!({})).await;
        assert_eq!(swept["failed"], 0, "{swept}");
        if swept["revived"] == 1 {
            break;
        }
        assert!(since.elapsed() < Duration::from_secs(30), "it gets none: {swept}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert_eq!(house.settled(&case).await["status"], "complete");
}

/// A case that the webhook recorded, and died before it started it: it had its time.
async fn recorded_a_minute_ago(house: &House, person: &str, event: &str) -> String {
    let cases = house.cases();
    let policy: Policy = leaver_tests::flow::shipped("local");
    let person = cases.person(&person.parse().expect("a name")).await.expect("the store").expect("somebody");
    let then = leaver_tests::sandbox::now().minus(Duration::from_secs(60));
    let trigger = leaver_domain::case::Trigger {
        source: "hris".into(),
        event_id: event.parse().expect("an id"),
        by: "hris".into(),
        kind: "user_terminated".into(),
        at: then,
        received_at: then,
        body: leaver_domain::digest::Digest::of(event.as_bytes()),
    };
    let request = intake::Request {
        trigger,
        mode: leaver_domain::case::Mode::Leave,
        reason: "killed".into(),
        dates: Default::default(),
        effective_at: then,
        dry_run: false,
        emergency: false,
        preserve_data: false,
        grants: None,
        permissions: BTreeSet::new(),
        moves: None,
        measure: None,
    };
    let opening = intake::open(&person, &request, &policy, then);
    assert_eq!(cases.record(&opening).await.expect("recorded"), Recorded::New);
    opening.case.expect("a case").0.case_id.to_string()
}
