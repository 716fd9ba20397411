//! The general adapters, as infra/policy.yaml configures them, against systems of a company's own.

use crate::{BUDGET, Leaver};
use leaver_adapters::run;
use leaver_conformance::sandbox::{Connected, Stage, person, restored};
use leaver_domain::{
    custom::{Custom, Http},
    fault::FaultKind,
    plan::{ActionKind, Evidence},
    policy::Policy,
};
use serde_json::json;
use std::collections::BTreeSet;

/// The shipped policy.
fn shipped() -> Policy {
    let document = serde_norway::from_str(include_str!("../../infra/policy.yaml")).expect("YAML");
    Policy::parse(document, "prod").expect("a good policy")
}

fn configured(system: &str) -> Custom {
    let id = system.parse().expect("an id");
    shipped().custom(&id).expect("policy configures it").clone()
}

/// A configured system, connected.
fn connect(stage: &Stage, system: &str, of: &Custom) -> Connected {
    stage.connect_custom(system, of, BUDGET)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_system_of_spelled_out_requests_is_revoked_read_back_and_given_back() {
    let stage = Stage::start().await;
    let to = connect(&stage, "custom_crm", &configured("custom_crm"));
    to.adapter.probe(&to.http).await.expect("it can be reached");
    let john = Leaver::of("john.doe");
    let (survey, report) = john.revoke(&to).await;
    assert_eq!(survey.plan.0.len(), 2, "{:?}", survey.plan);
    assert_eq!((report.fault, report.done.len()), (None, 2));
    let state = stage.account("custom_crm", "john.doe").await;
    assert_eq!((&state["active"], &state["sessions"]), (&json!(false), &json!([])));
    assert_eq!(stage.account("custom_crm", "jane.smith").await["active"], true, "somebody else's access");
    let (again, report) = john.revoke(&to).await;
    assert!(again.plan.is_empty() && report.done.is_empty() && report.fault.is_none());
    let back = restored(&to, &john.person, &survey.found).await;
    assert_eq!((back.fault, back.done.len()), (None, 1));
    assert_eq!(stage.account("custom_crm", "john.doe").await["active"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_absence_and_any_third_answer_is_not() {
    let stage = Stage::start().await;
    let to = connect(&stage, "custom_crm", &configured("custom_crm"));
    let mut nobody = Leaver::of("john.doe");
    nobody.person.email = "no.body@example.com".into();
    assert_eq!(nobody.survey(&to).await.found.account, None);
    let john = Leaver::of("john.doe");
    for (body, kind) in
        [(json!({"count": 2}), FaultKind::UnexpectedShape), (json!("<html>"), FaultKind::UnexpectedShape)]
    {
        stage.fault(json!({"system": "custom_crm", "match": "/sellers?", "status": 200, "body": body, "times": 1})).await;
        let fault = to.adapter.discover(&to.http, &john.person).await.expect_err("a third answer");
        assert_eq!(fault.kind, kind, "{fault}");
    }
    stage
        .fault(
            json!({"system": "custom_crm", "match": "GET /custom_crm/sellers/", "status": 200, "body": "up"}),
        )
        .await;
    let fault = to.adapter.discover(&to.http, &john.person).await.expect_err("not JSON");
    assert_eq!(fault.kind, FaultKind::UnexpectedShape);
}

/// An answer of 204 is not the proof: what `verify` sees is.
#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_that_only_says_done_is_not_verified() {
    let stage = Stage::start().await;
    let to = connect(&stage, "custom_crm", &configured("custom_crm"));
    stage.fault(json!({"system": "custom_crm", "match": "PUT", "status": 204})).await;
    let (_, report) = Leaver::of("john.doe").revoke(&to).await;
    assert_eq!(report.fault.map(|fault| fault.kind), Some(FaultKind::NotVerified));
    assert_eq!(stage.account("custom_crm", "john.doe").await["active"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_at_any_request_of_a_configured_system_is_survived() {
    for system in ["custom_crm", "custom_sessions"] {
        let stage = Stage::start().await;
        for k in 0..8 {
            stage.reset().await;
            stage.fault(json!({"system": system, "skip": k, "status": 500, "times": 1})).await;
            let to = connect(&stage, system, &configured(system));
            let john = Leaver::of("john.doe");
            let job = john.job();
            if let Ok(survey) = run::survey(to.adapter.as_ref(), &to.http, &job).await {
                let report = run::revoke(to.adapter.as_ref(), &to.http, &job, survey, &BTreeSet::new()).await;
                let active = stage.account(system, "john.doe").await["active"] == true;
                assert!(
                    report.fault.is_some() || !active,
                    "{system}, request {k}: called done, but it is not"
                );
            }
            stage.clear().await;
            let (_, report) = john.revoke(&connect(&stage, system, &configured(system))).await;
            assert_eq!(report.fault, None, "{system}, request {k}");
            assert_eq!(stage.account(system, "john.doe").await["active"], false, "{system}, request {k}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_signed_call_ends_everything_that_a_server_gave() {
    let stage = Stage::start().await;
    let to = connect(&stage, "custom_sessions", &configured("custom_sessions"));
    to.adapter.probe(&to.http).await.expect("it is there");
    let john = Leaver::of("john.doe");
    let (survey, report) = john.revoke(&to).await;
    assert_eq!(report.fault, None);
    let [only] = survey.plan.0.as_slice() else { panic!("{:?}", survey.plan) };
    assert_eq!((only.kind, only.evidence), (ActionKind::EndSessions, Evidence::Receipt));
    let state = stage.account("custom_sessions", "john.doe").await;
    assert_eq!((&state["sessions"], &state["credentials"]), (&json!([]), &json!([])));
    // Somebody whom the server does not know has nothing there, which its 404 says.
    let mut nobody = Leaver::of("john.doe");
    nobody.person.email = "no.body@example.com".into();
    assert_eq!(nobody.revoke(&to).await.1.fault, None);
    let record = serde_json::to_string(&stage.requests("custom_sessions").await).expect("JSON");
    assert!(!record.contains("eyJ"), "the token of a call can be seen");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_know_leavers_key_refuses_and_nothing_is_called_done() {
    let stage = Stage::start().await;
    let mut of = configured("custom_sessions");
    if let Custom::TokenRevocation(of) = &mut of {
        of.issuer = "somebody else".into();
    }
    let to = connect(&stage, "custom_sessions", &of);
    let (_, report) = Leaver::of("john.doe").revoke(&to).await;
    assert_eq!(report.fault.map(|fault| fault.kind), Some(FaultKind::CredentialRejected));
    assert_eq!(stage.account("custom_sessions", "john.doe").await["active"], true);
}

/// A value cannot lead to another place: it stays one segment of the path, and one that would vanish is refused.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_is_called_stays_in_its_place() {
    let stage = Stage::start().await;
    let Custom::Http(mut of) = configured("custom_crm") else { panic!("it is spelled out") };
    of.exists.request.path = "/sellers/{login}".into();
    let to = connect(&stage, "custom_crm", &Custom::Http(of));
    let mut odd = person("john.doe");
    odd.logins = [("custom_crm".parse().expect("an id"), "../sellers/1000?x=".to_owned())].into();
    // The stand-in knows no such seller; 404 is not what this configuration calls absence.
    assert!(to.adapter.discover(&to.http, &odd).await.is_err());
    let asked = stage.requests("custom_crm").await;
    assert_eq!(asked[0]["path"], "/sellers/../sellers/1000?x=", "it was one segment: {asked:?}");
    odd.logins = [("custom_crm".parse().expect("an id"), "..".to_owned())].into();
    let fault = to.adapter.discover(&to.http, &odd).await.expect_err("a segment that vanishes");
    assert_eq!(fault.kind, FaultKind::Internal);
}

#[test]
fn what_cannot_be_verified_is_refused_when_it_is_loaded() {
    let Custom::Http(good) = configured("custom_crm") else { panic!("it is spelled out") };
    let refuse = |change: fn(&mut Http), word: &str| {
        let mut bad = good.clone();
        change(&mut bad);
        let why = Custom::Http(bad).check().expect_err(word);
        assert!(why.contains(word), "{why}");
    };
    refuse(|of| of.verify = None, "verify");
    refuse(|of| of.verify.as_mut().expect("it").expect.body.clear(), "in use");
    refuse(|of| of.revoke.clear(), "1 to 10");
    refuse(|of| of.revoke[0].request.path = "sellers".into(), "begins with /");
    refuse(|of| of.revoke[0].request.path = "/sellers/{nobody}".into(), "nobody");
    refuse(|of| of.exists.request.path = "/sellers/{id}".into(), "{id}");
    refuse(|of| of.exists.request.method = leaver_domain::custom::Method::Delete, "only looks");
    refuse(|of| of.revoke[0].request.method = leaver_domain::custom::Method::Get, "changes nothing");
    refuse(|of| of.exists.absent.status = [500].into(), "2xx or 404");
    refuse(|of| of.revoke[1].name = of.revoke[0].name.clone(), "name of its own");
    refuse(|of| of.revoke[0].kind = ActionKind::EnableAccount, "gives access");
    assert_eq!(Custom::Http(good).check(), Ok(()));
}
