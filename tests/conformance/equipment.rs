//! The ticket for equipment, in both products: one ticket, however often and by however many it is asked for.

use crate::{BUDGET, Leaver};
use leaver_conformance::sandbox::{Stage, restored};
use leaver_domain::{fault::FaultKind, inventory::AccountStatus, plan::Outcome};
use serde_json::{Value, json};

const ID: &str = "equipment";
const PRODUCTS: [&str; 2] = ["jira", "servicenow"];

async fn at(product: &str) -> Stage {
    Stage::start_with([(ID, "product", product)]).await
}

async fn post(stage: &Stage, what: &str, body: Value) {
    let client = leaver_adapters::http::client().expect("a client");
    let sent = client.post(format!("{}/_sandbox/equipment/{what}", stage.url)).json(&body);
    assert!(sent.send().await.expect("the sandbox").status().is_success());
}

async fn tickets(stage: &Stage) -> Vec<Value> {
    let client = leaver_adapters::http::client().expect("a client");
    let sent = client.get(format!("{}/_sandbox/equipment/tickets", stage.url)).send().await;
    let answer: Value = sent.expect("the sandbox").json().await.expect("JSON");
    answer.as_array().cloned().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_ticket_names_every_thing_the_manager_and_the_day() {
    for product in PRODUCTS {
        let stage = at(product).await;
        let mut john = Leaver::of("john.doe");
        john.person.last_day = Some("2026-12-01".parse().expect("a day"));
        let to = stage.connect(ID, BUDGET);
        let (survey, report) = john.revoke(&to).await;
        assert_eq!(report.fault, None, "{product}");
        let kinds: Vec<&str> = survey.found.assets.iter().map(|asset| asset.kind.as_str()).collect();
        assert_eq!(kinds, ["laptop", "phone", "monitor", "access_card"], "{product}");
        // Another process, for which the search still lags: it finds the ticket, or looks again before it opens one.
        let other = stage.connect(ID, BUDGET);
        assert_eq!(john.revoke(&other).await.1.fault, None, "{product}");
        let all = tickets(&stage).await;
        assert_eq!(all.len(), 1, "{product}: {all:?}");
        let text = all[0]["description"].to_string();
        assert!(
            survey.found.assets.iter().all(|asset| text.contains(&format!("({})", asset.id))),
            "{product}"
        );
        assert_eq!(all[0]["labels"], json!(["leaver-EMP-12345"]), "{product}");
        assert_eq!(all[0]["due"], "2026-12-15", "{product}");
        assert!(all[0]["assignee"].is_string(), "{product}: the manager");
    }
}

/// Two invocations plan at the same time: whoever comes second looks again before anything is opened.
#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_that_appeared_meanwhile_is_not_opened_twice() {
    for product in PRODUCTS {
        let stage = at(product).await;
        let john = Leaver::of("john.doe");
        let (one, two) = (stage.connect(ID, BUDGET), stage.connect(ID, BUDGET));
        let survey = john.survey(&two).await;
        assert_eq!(john.revoke(&one).await.1.fault, None, "{product}");
        let outcome = two.adapter.apply(&two.http, &survey.found, &survey.plan.0[0]).await;
        assert_eq!(outcome, Ok(Outcome::Already), "{product}");
        assert_eq!(tickets(&stage).await.len(), 1, "{product}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_ticket_stays_closed_and_one_that_was_taken_back_speaks_for_nothing() {
    for product in PRODUCTS {
        let stage = at(product).await;
        let john = Leaver::of("john.doe");
        let to = stage.connect(ID, BUDGET);
        let (survey, _) = john.revoke(&to).await;
        post(&stage, "close", json!({"username": "john.doe"})).await;
        let (closed, report) = john.revoke(&to).await;
        let status = closed.found.account.as_ref().map(|account| account.status);
        assert_eq!((report.fault, status), (None, Some(AccountStatus::Deactivated)), "{product}");
        assert_eq!(tickets(&stage).await.len(), 1, "{product}: people closed it");

        assert_eq!(restored(&to, &john.person, &survey.found).await.fault, None, "{product}");
        assert!(john.survey(&to).await.found.is_active(), "{product}");
        assert_eq!(john.revoke(&to).await.1.fault, None, "{product}");
        assert_eq!(tickets(&stage).await.len(), 2, "{product}: they leave again");
        assert_eq!(restored(&to, &john.person, &survey.found).await.fault, None, "{product}");
        assert!(tickets(&stage).await.iter().all(|ticket| ticket["open"] == false), "{product}");
    }
}

/// ServiceNow answers 201 and ignores the field: without the label the ticket would never be found again.
#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_an_access_control_ignores_is_said_and_not_tried_again() {
    for field in ["correlation_id", "description"] {
        let stage = at("servicenow").await;
        post(&stage, "forbid", json!({"field": field})).await;
        let (_, report) = Leaver::of("john.doe").revoke(&stage.connect(ID, BUDGET)).await;
        let fault = report.fault.expect("a fault");
        assert_eq!(fault.kind, FaultKind::PermissionMissing);
        assert!(fault.detail.contains("INC0000001") && fault.detail.contains(field), "{fault}");
        let all = tickets(&stage).await;
        assert!(
            all.len() == 1 && all[0]["open"] == false,
            "{field}: no ticket that nobody can use stays open"
        );
    }
    let stage = at("servicenow").await;
    let john = Leaver::of("john.doe");
    let to = stage.connect(ID, BUDGET);
    let (survey, _) = john.revoke(&to).await;
    post(&stage, "forbid", json!({"field": "state"})).await;
    let fault = restored(&to, &john.person, &survey.found).await.fault.expect("a fault");
    assert!(fault.kind == FaultKind::PermissionMissing && fault.detail.contains("state"), "{fault}");
}

/// The general suite runs with Jira; these are the same claims for ServiceNow.
#[tokio::test(flavor = "multi_thread")]
async fn servicenow_is_found_revoked_and_restored_like_jira() {
    let stage = at("servicenow").await;
    let john = Leaver::of("john.doe");
    let to = stage.connect(ID, BUDGET);
    to.adapter.probe(&to.http).await.expect("a reading");
    assert_eq!(to.adapter.missing(&to.http).await, Ok(Vec::new()));
    let (survey, report) = john.revoke(&to).await;
    assert_eq!(report.fault, None);
    assert_eq!(stage.account(ID, "john.doe").await["active"], false);
    assert_eq!(john.revoke(&to).await.1.done, []);
    assert_eq!(restored(&to, &john.person, &survey.found).await.fault, None);
    assert_eq!(stage.account(ID, "john.doe").await["active"], true);
    let mut other = Leaver::of("john.doe");
    other.person.email = "no.body@example.com".into();
    other.person.employee_id = "EMP-99999".parse().expect("an id");
    assert_eq!(other.survey(&to).await.found.account, None);
    other.person.email = "john.doe@example.com".into();
    let fault = to.adapter.discover(&to.http, &other.person).await.expect_err("another number");
    assert_eq!(fault.kind, FaultKind::Ambiguous);
}
