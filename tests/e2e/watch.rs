//! What stays taken: the look days after a termination, and the nightly canary, by the deployed functions under their roles.

use crate::{house::House, roles::invoke};
use leaver_domain::ports::CaseStore;
use leaver_tests::sandbox::now;
use serde_json::{Value, json};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

async fn view(house: &House, case: &str) -> Value {
    house.api("security").get(&format!("/api/v1/cases/{case}")).await.expect("the case")
}

pub(crate) async fn a_termination_is_read_again_a_day_later(house: Arc<House>) {
    let person = house.others().pop().expect("somebody");
    let case = house.terminate(&person).await;
    assert_eq!(house.settled(&case).await["status"], "complete");
    let (id, cases) = (case.parse().expect("an id"), house.cases());
    let since = Instant::now();
    loop {
        // A day goes by: what counts is the distance.
        let mut record = cases.case(&id).await.expect("the table").expect("the case");
        record.closed_at = Some(now().minus(Duration::from_secs(86_401)));
        record.version += 1;
        if cases.put_case(&record).await.is_ok() {
            break;
        }
        assert!(since.elapsed() < Duration::from_secs(20), "the case cannot be written");
    }
    loop {
        invoke(&house, "leaver-local-sweep", &json!({})).await;
        let seen = view(&house, &case).await;
        if seen["reverified"][0]["day"] == 1 {
            let systems = seen["systems"].as_array().expect("systems").len();
            assert_eq!(seen["reverified"][0]["systems_ok"], systems, "{seen}");
            assert_eq!((&seen["status"], &seen["reverify_next"]["day"]), (&json!("complete"), &json!(7)));
            return;
        }
        assert!(since.elapsed() < Duration::from_secs(120), "nobody looks: {seen}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Google's log answers nothing while access is taken, and is read by the execution that the sweep starts for it.
pub(crate) async fn a_log_that_was_away_is_read_afterwards(house: Arc<House>) {
    const GOOGLE: &str = "google_workspace";
    house.fault(json!({"system": GOOGLE, "match": "/admin/reports/", "status": 503})).await;
    let person = house.others()[9].clone();
    let case = house.terminate(&person).await;
    let settled = house.settled(&case).await;
    assert_eq!(settled["status"], "complete", "{settled}");
    house.before().await;
    let (id, system, cases) = (case.parse().expect("an id"), GOOGLE.parse().expect("an id"), house.cases());
    let record = async || cases.system(&id, &system).await.expect("the table").expect("the system");
    let mut owed = record().await;
    assert!(owed.log_due.is_some(), "{owed:?}");
    owed.log_due = Some(now());
    owed.version += 1;
    cases.put_system(&owed).await.expect("nobody else writes it");
    let since = Instant::now();
    loop {
        invoke(&house, "leaver-local-sweep", &json!({})).await;
        let read = record().await;
        if read.log_due.is_none() {
            let events = read.risk.expect("a judgement").events;
            assert!(events > 0 && read.status == owed.status, "{events} events");
            break;
        }
        assert!(since.elapsed() < Duration::from_secs(120), "nobody reads it: {read:?}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let rows = house.rows(&case, 2 * house.systems().len() + 5).await;
    let row = rows.iter().find(|row| row["event_type"] == "risk_assessed").expect("a row");
    assert_eq!((&row["result"], &row["system"]), (&json!("success"), &json!(GOOGLE)), "{row}");
}

pub(crate) async fn the_canary_is_let_go_its_credentials_are_refused_and_it_comes_back(house: Arc<House>) {
    // Something that a human asked for about it does not keep it.
    let url = format!("{}/api/v1/employees/canary.leaver/legal-hold", house.local.api_url);
    let hold = json!({"reason": "the canary is under a hold"});
    let held = house.http.post(url).bearer_auth(&house.local.tokens["harper.hr"]).json(&hold);
    let (status, _, answer) = house.raw(held).await;
    assert!((200..300).contains(&status), "{answer}");
    let tick = async |step: &str| {
        let said = invoke(&house, "leaver-local-canary", &json!({"step": step})).await;
        assert!(said["night"].is_object(), "{said}");
        said["night"].clone()
    };
    let night = tick("begin").await;
    assert_eq!((&night["stage"], &night["before"]["okta"]), (&json!("gone"), &json!("works")), "{night}");
    let gone = house.settled(night["case"].as_str().expect("a case")).await;
    assert_eq!(gone["status"], "complete", "{gone}");
    let night = tick("go_on").await;
    assert_eq!(night["stage"], "returning", "{night}");
    for system in ["github", "okta", "slack"] {
        assert_eq!(night["after"][system], "refused", "{night}");
    }
    let back = house.settled(night["back"].as_str().expect("a case")).await;
    assert_eq!(back["status"], "complete", "{back}");
    let night = tick("go_on").await;
    assert_eq!((&night["stage"], &night["findings"]), (&json!("over"), &Value::Null), "{night}");
    let doctor = house.api("operator").get("/api/v1/doctor").await.expect("an answer");
    let checks = doctor["checks"].as_array().expect("checks").clone();
    let told = checks.into_iter().find(|check| check["name"] == "canary").expect("the canary's");
    assert_eq!(told["ok"], true, "{told}");
}
