//! The HRIS: read, and never written to.

use crate::{BUDGET, Leaver};
use leaver_conformance::sandbox::{Stage, restored};
use leaver_domain::{fault::FaultKind, inventory::AccountStatus, plan::Action, plan::ActionKind};
use serde_json::json;

const ID: &str = "hris";

/// What HR does there.
async fn hr(stage: &Stage, what: &str) {
    let client = leaver_adapters::http::client().expect("a client");
    let sent = client.post(format!("{}/_sandbox/hris/{what}", stage.url));
    let answer = sent.json(&json!({"username": "john.doe"})).send().await.expect("the sandbox");
    assert_eq!(answer.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_reads_is_ever_sent() {
    let stage = Stage::start().await;
    let john = Leaver::of("john.doe");
    let to = stage.connect(ID, BUDGET);
    let (survey, report) = john.revoke(&to).await;
    assert_eq!((report.fault, report.done.len()), (None, 0));
    hr(&stage, "terminate").await;
    assert_eq!(restored(&to, &john.person, &survey.found).await.fault, None);
    to.adapter.missing(&to.http).await.expect("a reading");
    let made_up = Action::contain(ActionKind::DisableAccount, "100", "john.doe");
    let fault = to.adapter.apply(&to.http, &survey.found, &made_up).await.expect_err("no write");
    assert_eq!(fault.kind, FaultKind::Internal);
    let requests = stage.requests(ID).await;
    assert!(requests.len() > 10 && requests.iter().all(|request| request["method"] == "GET"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_says_what_is_left_until_hr_ends_it() {
    let stage = Stage::start().await;
    let john = Leaver::of("john.doe");
    let to = stage.connect(ID, BUDGET);
    let before = john.survey(&to).await.found;
    let left = to.adapter.residues(&before);
    assert!(left.len() == 1 && left[0].what.contains("until HR ends the employment"), "{left:?}");
    hr(&stage, "terminate").await;
    let after = john.survey(&to).await.found;
    let account = after.account.as_ref().expect("an employee");
    assert_eq!((account.status, account.facts["login"].as_str()), (AccountStatus::Deactivated, "disabled"));
    assert!(account.facts.contains_key("ends"));
    assert_eq!(to.adapter.residues(&after), []);
    hr(&stage, "hire").await;
    assert!(john.survey(&to).await.found.is_active());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_employee_number_is_a_contradiction() {
    let stage = Stage::start().await;
    let to = stage.connect(ID, BUDGET);
    let mut john = Leaver::of("john.doe");
    john.person.employee_id = "EMP-77777".parse().expect("an id");
    let fault = to.adapter.discover(&to.http, &john.person).await.expect_err("a contradiction");
    assert_eq!(fault.kind, FaultKind::Ambiguous);
}

/// The list of all employees is described for OAuth only: an API key may be refused there, and nowhere else.
#[tokio::test(flavor = "multi_thread")]
async fn where_the_list_is_refused_the_directory_and_the_users_tell() {
    let stage = Stage::start().await;
    stage.fault(json!({"system": ID, "match": "/api/v1/employees?", "status": 403})).await;
    let john = Leaver::of("john.doe");
    let to = stage.connect(ID, BUDGET);
    to.adapter.probe(&to.http).await.expect("a reading");
    assert_eq!(to.adapter.missing(&to.http).await, Ok(Vec::new()));
    assert!(john.survey(&to).await.found.is_active());
    // The directory shows only who is employed; the users show those who left as well.
    hr(&stage, "terminate").await;
    let status = john.survey(&to).await.found.account.map(|account| account.status);
    assert_eq!(status, Some(AccountStatus::Deactivated));
}
