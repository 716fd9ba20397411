//! What Linear does otherwise than the rest: the last owner, users that SCIM manages, two budgets, what lives on.

use super::{BUDGET, Leaver};
use leaver_adapters::run;
use leaver_conformance::sandbox::{Stage, now};
use leaver_domain::{
    fault::FaultKind,
    inventory::{AccountStatus, Next, Sessions},
    plan::ActionKind,
    risk::{RiskLevel, Rule},
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};

const ID: &str = "linear";

fn operations(requests: &[Value]) -> Vec<String> {
    let text = requests.iter().filter_map(|request| request["body"]["query"].as_str());
    let mutations = text.filter(|text| text.starts_with("mutation"));
    mutations.filter_map(|text| Some(text.split_once('{')?.1.split('(').next()?.to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_end_before_the_suspension_and_teams_are_left_last() {
    let stage = Stage::start().await;
    let (_, report) = Leaver::of("john.doe").revoke(&stage.connect(ID, BUDGET)).await;
    assert_eq!(report.fault, None);
    let done = operations(&stage.requests(ID).await);
    assert_eq!(done[..2], ["userRevokeAllSessions", "userSuspend"]);
    assert!(done[2..].iter().all(|name| name == "teamMembershipDelete"), "{done:?}");
    assert!(done.len() > 3, "{done:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_becomes_a_member_and_the_last_one_stays() {
    let stage = Stage::start().await;
    let to = stage.connect(ID, BUDGET);
    let (survey, report) = Leaver::of("sam.admin").revoke(&to).await;
    assert_eq!(report.fault, None);
    assert_eq!(survey.plan.0[0].target, "role:owner");
    assert!(!survey.found.grants.iter().any(|grant| grant.sole_holder), "there are two owners");

    let last = Leaver::of("taylor.admin");
    let survey = last.survey(&to).await;
    assert_eq!(survey.risk.level, RiskLevel::Flagged);
    assert!(survey.risk.findings.iter().any(|finding| finding.rule == Rule::LastAdmin));
    let report = run::revoke(to.adapter.as_ref(), &to.http, &last.job(), survey, &BTreeSet::new()).await;
    let fault = report.fault.expect("a refusal");
    assert_eq!(fault.kind, FaultKind::Conflict);
    assert!(fault.detail.contains("last owner"), "{fault}");
    let after = report.after.expect("a reading");
    assert_eq!(after.sessions, Sessions::Listed(Vec::new()), "what can be contained is contained");
    assert!(after.is_active());
}

#[tokio::test(flavor = "multi_thread")]
async fn users_that_scim_manages_are_left_to_the_identity_provider() {
    let stage = Stage::start().await;
    let client = leaver_adapters::http::client().expect("a client");
    let sent = client.put(format!("{}/_sandbox/linear/scim", stage.url)).send().await.expect("the sandbox");
    assert_eq!(sent.status(), 204);
    let (_, report) = Leaver::of("john.doe").revoke(&stage.connect(ID, BUDGET)).await;
    let fault = report.fault.expect("a refusal");
    assert_eq!(fault.kind, FaultKind::Conflict);
    assert!(fault.detail.contains("SCIM") && fault.detail.contains("INPUT_ERROR"), "{fault}");
    let after = report.after.expect("a reading");
    assert_eq!(after.account.expect("an account").status, AccountStatus::Active);
    assert_eq!(after.sessions, Sessions::Listed(Vec::new()));
    assert!(after.grants.is_empty(), "{:?}", after.grants);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_limit_inside_400_waits_for_the_later_budget() {
    let stage = Stage::start().await;
    let at = now().plus(Duration::from_secs(90)).seconds() * 1000;
    let soon = now().plus(Duration::from_secs(5)).seconds() * 1000;
    let headers = json!({"x-ratelimit-requests-reset": soon.to_string(),
                         "x-ratelimit-complexity-reset": at.to_string()});
    for status in [400, 200] {
        let body = json!({"errors": [{"message": "Rate limit exceeded",
                                      "extensions": {"code": "RATELIMITED", "type": "ratelimited"}}]});
        stage.fault(json!({"system": ID, "status": status, "body": body, "headers": headers})).await;
        let to = stage.connect(ID, Duration::from_secs(5));
        let fault = to.adapter.probe(&to.http).await.expect_err("a limit");
        assert_eq!(fault.kind, FaultKind::Throttled, "{status}: {fault}");
        let wait = fault.retry_after.expect("a wait").as_secs();
        assert!((80..=90).contains(&wait), "{status}: {wait}");
        stage.clear().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lives_on_is_listed_with_what_has_to_become_of_it() {
    let stage = Stage::start().await;
    let to = stage.connect(ID, BUDGET);
    let jane = Leaver::of("jane.smith").survey(&to).await;
    let kinds: BTreeSet<_> =
        jane.found.assets.iter().map(|asset| (asset.kind.as_str(), asset.next)).collect();
    let expected = [
        ("api_keys", Next::Task),
        ("integration", Next::Task),
        ("project", Next::Transfer),
        ("webhook", Next::Rotate),
    ];
    assert_eq!(kinds, expected.into());
    assert!(jane.risk.findings.iter().any(|finding| finding.rule == Rule::LiveAutomation));
    let john = Leaver::of("john.doe").survey(&to).await.found;
    let projects = john.assets.iter().filter(|asset| asset.kind == "project").count();
    assert_eq!(
        (projects, john.assets.len()),
        (2, 3),
        "a finished project needs no new lead: {:?}",
        john.assets
    );
    assert!(to.adapter.residues(&john).iter().any(|residue| residue.what.contains("API keys")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_without_the_audit_log_is_said_and_does_not_stop_anything() {
    let stage = Stage::start().await;
    let to = stage.connect(ID, BUDGET);
    let found = Leaver::of("john.doe").survey(&to).await.found;
    let account = found.account.expect("an account");
    let body = json!({"errors": [{"message": "no", "extensions": {"code": "FEATURE_NOT_ACCESSIBLE"}}]});
    stage.fault(json!({"system": ID, "status": 400, "body": body})).await;
    let since = now().minus(Duration::from_secs(86_400));
    let activity = to.adapter.activity(&to.http, &account, since).await.expect("an answer");
    assert!(activity.incomplete.is_some());
    stage.clear().await;
    let missing = to.adapter.missing(&to.http).await.expect("an answer");
    assert_eq!(missing, Vec::new());
    let kinds: BTreeSet<_> = to
        .adapter
        .revoke(&Leaver::of("john.doe").survey(&to).await.found)
        .into_iter()
        .map(|a| a.kind)
        .collect();
    assert_eq!(kinds, [ActionKind::DisableAccount, ActionKind::EndSessions, ActionKind::RemoveGroup].into());
}
