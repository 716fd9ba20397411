//! The engine for any SCIM server, against a wiki that has each of the quirks.

use crate::{BUDGET, Leaver};
use leaver_adapters::{custom, http::Writer, restore::Wanted, run, settings::Settings};
use leaver_conformance::sandbox::{Connected, Stage, comparable, now, restored};
use leaver_domain::{
    custom::{DeactivateBy, FilterBy, Quirks, Scim},
    fault::{Fault, FaultKind},
    inventory::AccountStatus,
    risk::{RiskLevel, Rule},
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, sync::Arc};

const WIKI: &str = "custom_wiki";

/// The engine, configured with these quirks, for a system at these settings.
pub(crate) fn engine(system: &str, quirks: Quirks, settings: &Settings) -> Connected {
    let (adapter, auth) = custom::scim::open(system, &Scim { quirks }, settings).expect("usable settings");
    let clock: leaver_adapters::http::Clock = Arc::new(now);
    let client = leaver_adapters::http::client().expect("a client");
    let hosts = adapter.spec().hosts;
    let http = Writer::open(client, hosts, settings, auth, clock, BUDGET).expect("addresses");
    Connected { adapter, http }
}

fn wiki(stage: &Stage, quirks: Quirks) -> Connected {
    engine(WIKI, quirks, &Settings::from_pairs(WIKI, stage.settings[WIKI].clone()))
}

/// Each quirk, by its name at the wiki, and the configuration that goes with it.
fn quirks() -> Vec<(&'static str, Quirks)> {
    let standard = Quirks::default;
    vec![
        ("", standard()),
        ("put_only", Quirks { put_only: true, ..standard() }),
        ("active_as_string", Quirks { active_as_string: true, ..standard() }),
        ("deactivate_by", Quirks { deactivate_by: DeactivateBy::Delete, ..standard() }),
        // leaver never sends more than one operation at once, so that this asks for no setting.
        ("single_operation", standard()),
        ("filter", Quirks { filter: vec![FilterBy::EmployeeNumber], ..standard() }),
        ("no_filter", Quirks { filter: Vec::new(), ..standard() }),
        ("ignores_filter", standard()),
        ("groups", Quirks { groups: false, ..standard() }),
    ]
}

async fn fault_of(to: &Connected, john: &Leaver) -> Option<Fault> {
    match run::survey(to.adapter.as_ref(), &to.http, &john.job()).await {
        Err(fault) => Some(fault),
        Ok(survey) => {
            run::revoke(to.adapter.as_ref(), &to.http, &john.job(), survey, &BTreeSet::new()).await.fault
        }
    }
}

/// Sends the wiki something that leaver does not send.
async fn tell(stage: &Stage, method: &str, path: &str, body: Value) {
    let client = leaver_adapters::http::client().expect("a client");
    let url = format!("{}/{path}", stage.settings[WIKI]["base_url"]);
    let request = client.request(method.parse().expect("a method"), url).json(&body);
    let answer = request.bearer_auth(&stage.settings[WIKI]["token"]).send().await.expect("the wiki");
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_quirk_is_revoked_verified_and_given_back() {
    for (quirk, configured) in quirks() {
        let stage = Stage::start_with([(WIKI, "quirk", quirk)]).await;
        let (john, to) = (Leaver::of("john.doe"), wiki(&stage, configured.clone()));
        let neighbour = stage.account(WIKI, "jane.smith").await;
        let (survey, report) = john.revoke(&to).await;
        assert_eq!(report.fault, None, "{quirk}");
        let account = survey.found.account.as_ref().expect(quirk);
        assert_eq!(account.status, AccountStatus::Active, "{quirk}");
        assert_eq!(survey.found.grants.len(), if configured.groups { 3 } else { 0 }, "{quirk}");
        assert_eq!(survey.risk.level, RiskLevel::Clean, "{quirk}");
        assert_eq!(survey.risk.findings[0].rule, Rule::LogUnavailable, "{quirk}");
        let after = stage.account(WIKI, "john.doe").await;
        assert_eq!((&after["exists"], &after["active"]), (&json!(true), &json!(false)), "{quirk}");
        assert!(!configured.groups || after["grants"] == json!([]), "{quirk}: {after}");
        let (again, repeated) = john.revoke(&to).await;
        assert!(again.plan.is_empty() && repeated.done.is_empty(), "{quirk}: {:?}", again.plan);
        let back = restored(&to, &john.person, &survey.found).await;
        assert_eq!(back.fault, None, "{quirk}");
        assert_eq!(comparable(&back.after.expect(quirk)), comparable(&survey.found), "{quirk}");
        assert_eq!(
            stage.account(WIKI, "jane.smith").await,
            neighbour,
            "{quirk}: somebody else lost something"
        );
        assert!(restored(&to, &john.person, &survey.found).await.done.is_empty(), "{quirk}");
        for request in stage.requests(WIKI).await.iter().filter(|request| request["method"] == "PATCH") {
            assert_eq!(request["body"]["Operations"].as_array().map(Vec::len), Some(1), "{quirk}: {request}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_configured_is_a_fault_and_never_taken_for_done() {
    for (quirk, kind) in [
        ("put_only", FaultKind::Unavailable),
        ("active_as_string", FaultKind::Conflict),
        ("deactivate_by", FaultKind::PermissionMissing),
        ("filter", FaultKind::Conflict),
        ("groups", FaultKind::NotFound),
    ] {
        let stage = Stage::start_with([(WIKI, "quirk", quirk)]).await;
        let fault = fault_of(&wiki(&stage, Quirks::default()), &Leaver::of("john.doe")).await.expect(quirk);
        assert_eq!(fault.kind, kind, "{quirk}: {fault}");
        assert_eq!(stage.account(WIKI, "john.doe").await["active"], true, "{quirk}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_accounts_or_a_contradiction_stop_the_run() {
    let stage = Stage::start().await;
    let (john, to) = (Leaver::of("john.doe"), wiki(&stage, Quirks::default()));
    let second = json!({"userName": "jdoe2", "active": true, "emails": [{"value": "John.Doe@example.com"}]});
    tell(&stage, "POST", "Users", second).await;
    let fault = fault_of(&to, &john).await.expect("two accounts");
    assert_eq!(fault.kind, FaultKind::Ambiguous, "{fault}");
    assert_eq!(stage.account(WIKI, "john.doe").await["active"], true);
    stage.reset().await;
    let extension = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let other = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "value": {extension: {"employeeNumber": "EMP-1"}}}]});
    tell(&stage, "PATCH", "Users/user-0000", other).await;
    let fault = fault_of(&to, &john).await.expect("another number");
    assert!(fault.kind == FaultKind::Ambiguous && fault.detail.contains("number"), "{fault}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_repeats_itself_is_no_list() {
    let stage = Stage::start().await;
    let to = wiki(&stage, Quirks::default());
    let page = json!({"totalResults": 5, "Resources": [{"id": "space-0"}, {"id": "space-1"}]});
    stage.fault(json!({"system": WIKI, "match": "/Groups?", "status": 200, "body": page})).await;
    let fault = fault_of(&to, &Leaver::of("john.doe")).await.expect("a fault");
    assert_eq!(fault.kind, FaultKind::UnexpectedShape, "{fault}");
    assert_eq!(stage.account(WIKI, "john.doe").await["active"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_group_is_taken_and_given_by_its_id() {
    let stage = Stage::start_with([(WIKI, "quirk", "put_only")]).await;
    let to = wiki(&stage, Quirks { put_only: true, ..Quirks::default() });
    let mut partial = Leaver::of("john.doe");
    partial.scope.grants = Some(["space-3".to_owned()].into());
    let (survey, report) = partial.revoke(&to).await;
    assert_eq!((report.fault, report.done.len(), survey.plan.0.len()), (None, 1, 1));
    let after = stage.account(WIKI, "john.doe").await;
    assert_eq!((&after["active"], &after["grants"]), (&json!(true), &json!(["Onboarding", "Product"])));
    let permissions = ["space-3".to_owned()].into();
    let wanted = Wanted { before: None, permissions: &permissions };
    let adapter = to.adapter.as_ref();
    let (who, none) = (&partial.person, BTreeSet::new());
    let outlook = leaver_adapters::restore::survey(adapter, &to.http, who, wanted).await.expect("an account");
    let back = leaver_adapters::restore::restore(adapter, &to.http, who, wanted, outlook, &none).await;
    assert_eq!((back.fault, back.done.len()), (None, 1));
    assert_eq!(
        stage.account(WIKI, "john.doe").await["grants"],
        json!(["Onboarding", "Operations", "Product"])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_token_and_a_missing_right_are_told_apart() {
    let stage = Stage::start().await;
    let to = wiki(&stage, Quirks::default());
    assert_eq!(to.adapter.missing(&to.http).await, Ok(Vec::new()));
    stage.fault(json!({"system": WIKI, "match": "/Groups?", "status": 403})).await;
    let missing = to.adapter.missing(&to.http).await.expect("an answer");
    assert_eq!(
        missing.iter().map(|missing| missing.scope).collect::<Vec<_>>(),
        [to.adapter.spec().scopes[1]]
    );
    let mut settings = stage.settings[WIKI].clone();
    settings.insert("token".to_owned(), "another".to_owned());
    let to = engine(WIKI, Quirks::default(), &Settings::from_pairs(WIKI, settings));
    let fault = to.adapter.probe(&to.http).await.expect_err("a token that is none");
    assert_eq!(fault.kind, FaultKind::CredentialRejected);
}
