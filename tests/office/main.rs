//! What the office suites must do beyond what holds for every system.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a suite fails by panicking")]

use leaver_adapters::run;
use leaver_domain::{
    fault::FaultKind,
    inventory::{GrantKind, Sessions},
    plan::ActionKind,
    risk::{RiskLevel, Rule},
};
use leaver_tests::sandbox::{Connected, Stage, comparable, full_scope, now, person, restored, risk_settings};
use serde_json::json;
use std::{collections::BTreeSet, time::Duration};

const BUDGET: Duration = Duration::from_secs(20);

async fn survey(to: &Connected, username: &str) -> Result<run::Survey, leaver_domain::fault::Fault> {
    let (person, scope, risk) = (person(username), full_scope(), risk_settings());
    let job = run::Job { person: &person, scope: &scope, ended: now(), risk: &risk };
    run::survey(to.adapter.as_ref(), &to.http, &job).await
}

async fn revoke(to: &Connected, username: &str) -> (run::Survey, run::Report) {
    let (person, scope, risk) = (person(username), full_scope(), risk_settings());
    let job = run::Job { person: &person, scope: &scope, ended: now(), risk: &risk };
    let survey = run::survey(to.adapter.as_ref(), &to.http, &job).await.expect("a survey");
    let report = run::revoke(to.adapter.as_ref(), &to.http, &job, survey.clone(), &BTreeSet::new()).await;
    (survey, report)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_accounts_with_one_address_are_ambiguous_in_microsoft_365() {
    let stage = Stage::start().await;
    let to = stage.connect("microsoft_365", BUDGET);
    for username in ["alex.twin", "alex.twin2"] {
        let found = survey(&to, username).await;
        let expected = if username == "alex.twin" { Some(FaultKind::Ambiguous) } else { None };
        assert_eq!(found.as_ref().err().map(|fault| fault.kind), expected, "{username}: {found:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entra_administrator_loses_roles_and_eligibilities_and_gets_them_back() {
    let stage = Stage::start().await;
    let to = stage.connect("microsoft_365", BUDGET);
    let (before, report) = revoke(&to, "sam.admin").await;
    assert_eq!(report.fault, None);
    let roles = before.found.grants.iter().filter(|grant| grant.kind == GrantKind::Role);
    let roles: Vec<(&str, bool)> = roles.map(|role| (role.name.as_str(), role.sole_holder)).collect();
    assert_eq!(
        roles,
        [
            ("Global Administrator", false),
            ("eligible for Global Administrator in /administrativeUnits/emea", false)
        ]
    );
    let after = report.after.expect("a fresh reading");
    assert!(after.grants.iter().all(|grant| grant.kind != GrantKind::Role));
    // With sam gone, taylor is the last one.
    let last = survey(&to, "taylor.admin").await.expect("a survey");
    assert_eq!(last.risk.level, RiskLevel::Flagged);
    assert_eq!(last.risk.findings[0].rule, Rule::LastAdmin);
    let back = restored(&to, &person("sam.admin"), &before.found).await;
    assert_eq!(back.fault, None);
    assert_eq!(comparable(&back.after.expect("a fresh reading")), comparable(&before.found));
}

#[tokio::test(flavor = "multi_thread")]
async fn ended_sessions_in_microsoft_365_need_a_read_that_shows_it() {
    let stage = Stage::start().await;
    let to = stage.connect("microsoft_365", BUDGET);
    // The vendor says "done" and does nothing: its answer alone is not believed.
    stage
        .fault(json!({"system": "microsoft_365", "match": "/revokeSignInSessions", "status": 200,
                      "body": {"value": true}}))
        .await;
    let (before, report) = revoke(&to, "john.doe").await;
    assert_eq!(report.fault.map(|fault| fault.kind), Some(FaultKind::NotVerified));
    assert!(report.done.iter().all(|done| done.action.kind != ActionKind::EndSessions));
    stage.clear().await;
    let (_, report) = revoke(&to, "john.doe").await;
    assert_eq!(report.fault, None);
    let (Sessions::ValidFrom(was), Sessions::ValidFrom(is)) =
        (before.found.sessions, report.after.expect("a fresh reading").sessions)
    else {
        panic!("Graph tells from when on sessions are valid");
    };
    assert!(is > was);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_is_closed_before_the_suspension_and_opened_by_a_restore() {
    let stage = Stage::start().await;
    let to = stage.connect("google_workspace", BUDGET);
    let mailbox = |account: &serde_json::Value| {
        let grants = account["grants"].as_array().cloned().unwrap_or_default();
        grants.iter().filter(|grant| grant.as_str().is_some_and(|name| name.starts_with("mailbox"))).count()
    };
    assert_eq!(mailbox(&stage.account("google_workspace", "john.doe").await), 2);
    let (before, report) = revoke(&to, "john.doe").await;
    assert_eq!(report.fault, None);
    assert_eq!(mailbox(&stage.account("google_workspace", "john.doe").await), 0);
    let after = report.after.and_then(|after| after.account).expect("the account");
    assert!(after.facts.contains_key("mailbox"), "what cannot be read is said so: {after:?}");
    let back = restored(&to, &person("john.doe"), &before.found).await;
    assert_eq!(back.fault, None);
    assert_eq!(mailbox(&stage.account("google_workspace", "john.doe").await), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn workspace_administrators_lose_their_roles_and_the_last_one_waits_for_a_human() {
    let stage = Stage::start().await;
    let to = stage.connect("google_workspace", BUDGET);
    let (before, report) = revoke(&to, "sam.admin").await;
    assert_eq!(report.fault, None);
    let roles = before.found.grants.iter().filter(|grant| grant.kind == GrantKind::Role).count();
    assert_eq!(roles, 2);
    let after = report.after.expect("a fresh reading");
    assert!(after.grants.iter().all(|grant| grant.kind != GrantKind::Role));
    let last = survey(&to, "taylor.admin").await.expect("a survey");
    assert_eq!(last.risk.findings[0].rule, Rule::LastAdmin);
    let back = restored(&to, &person("sam.admin"), &before.found).await;
    assert_eq!(back.fault, None);
    assert_eq!(comparable(&back.after.expect("a fresh reading")), comparable(&before.found));
}

#[tokio::test(flavor = "multi_thread")]
async fn bulk_downloads_in_google_workspace_wait_for_a_human() {
    let stage = Stage::start().await;
    let to = stage.connect("google_workspace", BUDGET);
    let riley = survey(&to, "riley.owner").await.expect("a survey");
    assert_eq!(riley.risk.level, RiskLevel::Flagged);
    assert_eq!(riley.risk.findings[0].rule, Rule::BulkDownload);
}

#[tokio::test(flavor = "multi_thread")]
async fn google_limits_the_rate_inside_a_403() {
    let stage = Stage::start().await;
    let to = stage.connect("google_workspace", Duration::from_secs(3));
    let body = json!({"error": {"code": 403, "errors": [{"domain": "usageLimits", "reason": "userRateLimitExceeded"}]}});
    stage.fault(json!({"system": "google_workspace", "match": "GET", "status": 403, "body": body})).await;
    let fault = to.adapter.probe(&to.http).await.expect_err("a refusal");
    assert_eq!(fault.kind, FaultKind::Throttled);
}
