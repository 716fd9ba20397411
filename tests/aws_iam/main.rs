//! AWS IAM beyond what every system must do: against the stand-in alone, and against a real emulator of AWS.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a suite fails by panicking")]

mod emulator;

use emulator::Emulator;
use leaver_adapters::run;
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::{AccountStatus, CredentialKind},
    person::Person,
    plan::Evidence,
    risk::RiskLevel,
};
use leaver_tests::sandbox::{Connected, Stage, comparable, full_scope, now, person, restored, risk_settings};
use serde_json::json;
use std::{collections::BTreeSet, time::Duration};

const SYSTEM: &str = "aws_iam";
const BUDGET: Duration = Duration::from_secs(25);

async fn survey(to: &Connected, person: &Person) -> Result<run::Survey, Fault> {
    let (scope, risk) = (full_scope(), risk_settings());
    let job = run::Job { person, scope: &scope, ended: now(), risk: &risk };
    run::survey(to.adapter.as_ref(), &to.http, &job).await
}

async fn revoke(to: &Connected, person: &Person) -> (run::Survey, run::Report) {
    let (scope, risk) = (full_scope(), risk_settings());
    let job = run::Job { person, scope: &scope, ended: now(), risk: &risk };
    let survey = run::survey(to.adapter.as_ref(), &to.http, &job).await.expect("a survey");
    let report = run::revoke(to.adapter.as_ref(), &to.http, &job, survey.clone(), &BTreeSet::new()).await;
    (survey, report)
}

fn kinds(survey: &run::Survey) -> Vec<CredentialKind> {
    let mut kinds: Vec<_> = survey.found.credentials.iter().map(|credential| credential.kind).collect();
    kinds.sort();
    kinds.dedup();
    kinds
}

const ALL_KINDS: [CredentialKind; 6] = [
    CredentialKind::Password,
    CredentialKind::ApiKey,
    CredentialKind::AppPassword,
    CredentialKind::SshKey,
    CredentialKind::Certificate,
    CredentialKind::Factor,
];

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_credential_is_found_and_administrators_are_noted() {
    let stage = Stage::start().await;
    let to = stage.connect(SYSTEM, BUDGET);
    let john = survey(&to, &person("john.doe")).await.expect("a survey");
    assert_eq!(kinds(&john), ALL_KINDS);
    assert_eq!(john.risk.level, RiskLevel::Clean);
    assert_eq!(john.risk.events, 3);
    let sam = survey(&to, &person("sam.admin")).await.expect("a survey");
    assert_eq!(sam.risk.level, RiskLevel::Notable);
    assert!(sam.found.account.is_some_and(|account| account.privileged));
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_that_name_somebody_else_need_a_human() {
    let stage = Stage::start().await;
    let mut other = person("john.doe");
    other.employee_id = "EMP-99999".parse().expect("an id");
    let fault = survey(&stage.connect(SYSTEM, BUDGET), &other).await.expect_err("a contradiction");
    assert_eq!(fault.kind, FaultKind::Ambiguous);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_with_another_secret_is_refused() {
    let mut stage = Stage::start().await;
    let settings = stage.settings.get_mut(SYSTEM).expect("settings");
    settings.insert("secret_access_key".into(), "another-secret".into());
    let to = stage.connect(SYSTEM, BUDGET);
    let fault = to.adapter.probe(&to.http).await.expect_err("a refusal");
    assert_eq!(fault.kind, FaultKind::CredentialRejected);
}

/// AWS says so with HTTP 400 or 403 and a code.
#[tokio::test(flavor = "multi_thread")]
async fn the_codes_of_aws_are_told_apart() {
    let stage = Stage::start().await;
    let to = stage.connect(SYSTEM, Duration::from_secs(3));
    for (status, code, kind) in [
        (400, "Throttling", FaultKind::Throttled),
        (403, "InvalidClientTokenId", FaultKind::CredentialRejected),
        (403, "SignatureDoesNotMatch", FaultKind::CredentialRejected),
        (403, "AccessDenied", FaultKind::PermissionMissing),
        (409, "EntityTemporarilyUnmodifiable", FaultKind::Conflict),
    ] {
        let body =
            format!("<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code></Error></ErrorResponse>");
        stage.fault(json!({"system": SYSTEM, "status": status, "body": body})).await;
        assert_eq!(to.adapter.probe(&to.http).await.expect_err(code).kind, kind, "{code}");
        stage.clear().await;
    }
    // What the log says keeps no access open. Where only the right to read it is missing, it is not owed either.
    for (code, kind) in [
        ("ThrottlingException", Some(FaultKind::Throttled)),
        ("UnrecognizedClientException", Some(FaultKind::CredentialRejected)),
        ("AccessDeniedException", None),
    ] {
        let body = json!({"__type": code, "message": "said so"});
        stage.fault(json!({"system": SYSTEM, "match": "cloudtrail", "status": 400, "body": body})).await;
        let to = stage.connect(SYSTEM, Duration::from_secs(3));
        let survey = survey(&to, &person("john.doe")).await.expect(code);
        assert_eq!((survey.risk.events, survey.log_owed), (0, kind.is_some()), "{code}");
        let why = &survey.risk.findings[0].evidence[0];
        assert!(
            kind.is_none_or(|kind| why.starts_with(&format!("it is read later: {}", kind.name()))),
            "{why}"
        );
        stage.clear().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_emulators_own_users_are_revoked_restored_and_reset() {
    let emulator = Emulator::start().await;
    let mut stage = Stage::start_with([(SYSTEM, "emulator_url", &emulator.url)]).await;
    let started = std::time::Instant::now();
    stage.reset().await;
    println!("seeding the emulator: {:?}", started.elapsed());
    let session = emulator.adapter_session().await.map(|(name, value)| (name.to_owned(), value));
    stage.settings.get_mut(SYSTEM).expect("settings").extend(session);
    let to = stage.connect(SYSTEM, BUDGET);
    let john = person("john.doe");

    let before = stage.account(SYSTEM, "john.doe").await;
    assert_eq!(before["active"], true);
    let own = emulator.create_key("john.doe").await;
    let his = connect_as(&stage, &own);
    his.adapter.probe(&his.http).await.expect("his key works");

    let (found, report) = revoke(&to, &john).await;
    assert_eq!(report.fault, None);
    assert_eq!(kinds(&found), ALL_KINDS);
    assert!(found.risk.events > 0, "what his key did is in the log");
    let after = stage.account(SYSTEM, "john.doe").await;
    assert_eq!((&after["active"], &after["credentials"]), (&json!(false), &json!([])));
    assert_eq!(after["grants"], json!(["leaver-deny-all"]));
    assert_eq!(emulator.statuses("john.doe").await, ["Inactive"; 3]);
    let refused = his.adapter.probe(&his.http).await.expect_err("an inactive key");
    assert_eq!(refused.kind, FaultKind::CredentialRejected);
    // Even with the key back, the deny policy holds.
    emulator.set_key("john.doe", &own.0, "Active").await;
    let denied = his.adapter.probe(&his.http).await.expect_err("denied");
    assert_eq!(denied.kind, FaultKind::PermissionMissing);
    emulator.set_key("john.doe", &own.0, "Inactive").await;

    let (_, again) = revoke(&to, &john).await;
    assert_eq!(again.fault, None);
    assert!(again.done.iter().all(|done| done.action.evidence == Evidence::Receipt), "{:?}", again.done);

    let back = restored(&to, &john, &found.found).await;
    assert_eq!(back.fault, None);
    assert_eq!(comparable(&back.after.expect("a reading")), comparable(&found.found));
    his.adapter.probe(&his.http).await.expect("his key works again");

    // A weakened policy of that name is not taken for the whole deny.
    let weaker = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"*"}]}"#;
    emulator.put_policy("john.doe", "leaver-deny-all", weaker).await;
    let weak = survey(&to, &john).await.expect("a survey");
    assert_eq!(weak.found.account.map(|account| account.status), Some(AccountStatus::Active));

    stage.fault(json!({"system": SYSTEM, "status": 500, "skip": 20, "times": 1})).await;
    assert_eq!(revoke(&to, &john).await.1.fault, None);
    let started = std::time::Instant::now();
    stage.reset().await;
    println!("reset with the emulator: {:?}", started.elapsed());
    assert_eq!(sorted(&stage.account(SYSTEM, "john.doe").await), sorted(&before));
}

/// The account's view whatever the order of its lists.
fn sorted(view: &serde_json::Value) -> Vec<BTreeSet<String>> {
    let list = |name: &str| view[name].as_array().into_iter().flatten().map(ToString::to_string).collect();
    vec![list("credentials"), list("grants"), BTreeSet::from([view["active"].to_string()])]
}

fn connect_as(stage: &Stage, (id, secret): &(String, String)) -> Connected {
    let mut settings = stage.settings.clone();
    let own = settings.get_mut(SYSTEM).expect("settings");
    own.insert("access_key_id".into(), id.clone());
    own.insert("secret_access_key".into(), secret.clone());
    own.remove("session_token");
    stage.connect_with(SYSTEM, &settings, BUDGET)
}
