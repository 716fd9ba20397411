//! What Salesforce does otherwise than the rest: the freeze before the deactivation, tokens without ids, licences that
//! permission sets need, and the defaults that keep a user active.

use super::{BUDGET, Leaver};
use leaver_adapters::run;
use leaver_conformance::sandbox::{Stage, restored};
use leaver_domain::{
    fault::FaultKind,
    inventory::{AccountStatus, Next, Sessions},
    risk::{RiskLevel, Rule},
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};

const ID: &str = "salesforce";

fn writes(requests: &[Value]) -> Vec<String> {
    let changed = requests.iter().filter(|request| request["method"] != "GET");
    let line = |request: &Value| {
        let path = request["path"].as_str().unwrap_or_default().trim_start_matches("/services/");
        let object = path.trim_start_matches("data/v66.0/sobjects/").split('/').next().unwrap_or_default();
        format!("{} {object} {}", request["method"].as_str().unwrap_or_default(), request["body"])
    };
    changed.filter(|request| request["path"] != "/services/oauth2/token").map(line).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_freeze_comes_first_and_the_deactivation_last() {
    let stage = Stage::start().await;
    let (_, report) = Leaver::of("john.doe").revoke(&stage.connect(ID, BUDGET)).await;
    assert_eq!(report.fault, None);
    let done = writes(&stage.requests(ID).await);
    assert_eq!(done.first().map(String::as_str), Some(r#"PATCH UserLogin {"IsFrozen":true}"#));
    assert_eq!(done.last().map(String::as_str), Some(r#"PATCH User {"IsActive":false}"#));
    let place = |text: &str| done.iter().rposition(|line| line.contains(text)).expect("a write");
    assert!(place("AuthSession") < place("oauth2"));
    assert!(place("oauth2") < place("PermissionSetAssignment"));
    assert!(place("PermissionSetAssignment") < place("PermissionSetLicenseAssign"));
}

/// Three sessions are listed; the second one is gone with the first.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_takes_those_with_it_that_it_opened() {
    let stage = Stage::start().await;
    let to = stage.connect(ID, BUDGET);
    let (survey, report) = Leaver::of("john.doe").revoke(&to).await;
    assert_eq!(report.fault, None);
    assert!(matches!(&survey.found.sessions, Sessions::Listed(open) if open.len() == 3));
    let requests = stage.requests(ID).await;
    let of_sessions = requests.iter().filter(|request| {
        request["method"] == "DELETE"
            && request["path"].as_str().is_some_and(|path| path.contains("AuthSession"))
    });
    let statuses: Vec<_> = of_sessions.map(|request| request["status"].clone()).collect();
    assert_eq!(statuses, [json!(204), json!(404), json!(204)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_default_owner_stays_frozen_and_the_reason_is_told() {
    let stage = Stage::start().await;
    let client = leaver_adapters::http::client().expect("a client");
    let address = format!("{}/_sandbox/salesforce/default-owner/john.doe", stage.url);
    assert_eq!(client.put(address).send().await.expect("the sandbox").status(), 204);
    let to = stage.connect(ID, BUDGET);
    let (survey, report) = Leaver::of("john.doe").revoke(&to).await;
    let fault = report.fault.expect("a refusal");
    assert_eq!(fault.kind, FaultKind::Conflict);
    assert!(
        fault.detail.contains("default lead") && fault.detail.contains("FIELD_INTEGRITY_EXCEPTION"),
        "{fault}"
    );
    let after = report.after.expect("a reading");
    assert_eq!(after.account.expect("an account").status, AccountStatus::Suspended);
    assert_eq!((after.credentials.len(), after.sessions), (0, Sessions::Listed(Vec::new())));
    let back = restored(&to, &Leaver::of("john.doe").person, &survey.found).await;
    assert_eq!(back.fault, None);
    assert!(back.after.expect("a reading").is_active());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_text_that_revokes_a_token_is_kept_nowhere() {
    let stage = Stage::start().await;
    let (survey, report) = Leaver::of("john.doe").revoke(&stage.connect(ID, BUDGET)).await;
    let record = serde_json::to_string(&stage.requests(ID).await).expect("JSON");
    let shown = format!("{survey:?} {report:?} {record}");
    assert!(!shown.contains("delete-"), "a token's own text can be seen");
    let ids: Vec<&str> = survey.found.credentials.iter().map(|held| held.id.as_str()).collect();
    assert_eq!(ids, ["app:Dataloader", "app:Outlook"]);
    let revoked = writes(&stage.requests(ID).await);
    assert_eq!(revoked.iter().filter(|line| line.contains("oauth2")).count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_and_missing_rights_are_told_by_their_code() {
    let stage = Stage::start().await;
    let cases = [
        (403, "REQUEST_LIMIT_EXCEEDED", FaultKind::Throttled),
        (401, "INVALID_SESSION_ID", FaultKind::CredentialRejected),
        (403, "INSUFFICIENT_ACCESS", FaultKind::PermissionMissing),
        (400, "INVALID_TYPE", FaultKind::PermissionMissing),
        (404, "NOT_FOUND", FaultKind::NotFound),
    ];
    for (status, code, kind) in cases {
        let body = json!([{"message": "no", "errorCode": code}]);
        stage.fault(json!({"system": ID, "match": "/data/", "status": status, "body": body})).await;
        let to = stage.connect(ID, Duration::from_secs(4));
        let fault = to.adapter.probe(&to.http).await.expect_err(code);
        assert_eq!(fault.kind, kind, "{fault}");
        assert!(fault.detail.contains(code), "{fault}");
        stage.clear().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lives_on_is_listed_and_what_could_not_be_read_is_said() {
    let stage = Stage::start().await;
    let to = stage.connect(ID, BUDGET);
    let riley = Leaver::of("riley.owner").survey(&to).await;
    let kinds: BTreeSet<_> =
        riley.found.assets.iter().map(|asset| (asset.kind.as_str(), asset.next)).collect();
    let expected = [
        ("account", Next::Transfer),
        ("connected_app", Next::Rotate),
        ("dashboard", Next::Transfer),
        ("opportunity", Next::Transfer),
        ("report", Next::Transfer),
        ("scheduled_job", Next::Task),
    ];
    assert_eq!(kinds, expected.into());
    let live: Vec<_> = riley.found.assets.iter().filter(|asset| asset.live_automation).collect();
    assert_eq!((live.len(), live[0].name.as_str()), (1, "Nightly sync"), "a job that is over runs no more");
    assert_eq!(riley.risk.level, RiskLevel::Flagged);

    let body = json!([{"message": "no", "errorCode": "INVALID_TYPE"}]);
    stage.fault(json!({"system": ID, "match": "CronTrigger", "status": 400, "body": body})).await;
    let found = Leaver::of("john.doe").survey(&to).await.found;
    assert!(found.assets.iter().any(|asset| asset.id == "unread:scheduled_job"), "{:?}", found.assets);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_who_may_change_everything_waits_for_a_human() {
    let stage = Stage::start().await;
    let to = stage.connect(ID, BUDGET);
    let sam = Leaver::of("sam.admin");
    let survey = sam.survey(&to).await;
    assert!(!survey.found.grants.iter().any(|grant| grant.sole_holder), "there are two");
    let report = run::revoke(to.adapter.as_ref(), &to.http, &sam.job(), survey, &BTreeSet::new()).await;
    assert_eq!(report.fault, None);
    let taylor = Leaver::of("taylor.admin").survey(&to).await;
    assert!(taylor.risk.findings.iter().any(|finding| finding.rule == Rule::LastAdmin), "{:?}", taylor.risk);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_number_on_the_same_address_is_ambiguous() {
    let stage = Stage::start().await;
    let mut john = Leaver::of("john.doe");
    john.person.employee_id = "EMP-99998".parse().expect("an id");
    let to = stage.connect(ID, BUDGET);
    let fault = to.adapter.discover(&to.http, &john.person).await.expect_err("a contradiction");
    assert_eq!(fault.kind, FaultKind::Ambiguous);
}
