//! VPN: what FortiOS and PAN-OS each do otherwise than one might expect.

use crate::{BUDGET, Leaver};
use leaver_adapters::run;
use leaver_conformance::sandbox::{Connected, Stage, comparable, restored};
use leaver_domain::{
    fault::FaultKind,
    inventory::{AccountStatus, Next, Sessions},
    plan::ActionKind,
    risk::ActivityKind,
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

const ID: &str = "vpn";

async fn product(name: &str) -> (Stage, Connected) {
    let stage = Stage::start_with([(ID, "product", name)]).await;
    let to = stage.connect(ID, BUDGET);
    (stage, to)
}

/// What was asked for by POST, in order.
async fn posted(stage: &Stage, text: &str) -> Vec<Value> {
    let all = stage.requests(ID).await;
    let named = |request: &Value| request["method"] == "POST" && request.to_string().contains(text);
    all.into_iter().filter(named).collect()
}

/// The stand-in's client dials in again while its account works: the other order would never be verified.
#[tokio::test(flavor = "multi_thread")]
async fn the_account_is_closed_before_its_tunnels_end() {
    for name in ["fortios", "panos"] {
        let (stage, to) = product(name).await;
        let john = Leaver::of("john.doe");
        let others = stage.account(ID, "jane.smith").await;
        let (survey, report) = john.revoke(&to).await;
        assert_eq!(report.fault, None, "{name}");
        let kinds: Vec<ActionKind> = report.done.iter().map(|done| done.action.kind).collect();
        assert_eq!(kinds[..2], [ActionKind::DisableAccount, ActionKind::EndSessions], "{name}");
        assert!(matches!(&survey.found.sessions, Sessions::Listed(live) if live.len() >= 2), "{name}");
        assert_eq!(report.after.unwrap().sessions, Sessions::Listed(Vec::new()), "{name}");
        // Nobody else's tunnel was ended, which the call that clears all of them would have done.
        assert_eq!(stage.account(ID, "jane.smith").await, others, "{name}");
        assert_eq!(posted(&stage, "clear_tunnel").await, Vec::<Value>::new(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_products_take_and_give_back_the_same() {
    for name in ["fortios", "panos"] {
        let (stage, to) = product(name).await;
        let john = Leaver::of("john.doe");
        let (survey, report) = john.revoke(&to).await;
        assert_eq!(report.fault, None, "{name}");
        let after = stage.account(ID, "john.doe").await;
        assert_eq!((&after["active"], &after["grants"]), (&json!(false), &json!([])), "{name}");
        if name == "fortios" {
            assert_eq!(after["sessions"], json!([]));
        }
        let (again, report) = john.revoke(&to).await;
        assert_eq!((again.plan.0.len(), report.fault), (0, None), "{name}");
        let back = restored(&to, &john.person, &survey.found).await;
        assert_eq!(back.fault, None, "{name}");
        assert_eq!(comparable(&back.after.unwrap()), comparable(&survey.found), "{name}");
        let mut kinds: Vec<ActivityKind> = survey.activity.events.iter().map(|event| event.kind).collect();
        kinds.sort();
        let expected = [ActivityKind::Login, ActivityKind::Login, ActivityKind::FailedLogin];
        assert_eq!((kinds.as_slice(), survey.activity.incomplete), (&expected[..], None), "{name}");
    }
}

/// A person of the directory has no user at the firewall: there is nothing to close here, and a tunnel that is left is found.
#[tokio::test(flavor = "multi_thread")]
async fn of_an_external_user_only_the_tunnels_are_ended_and_a_client_that_is_still_let_in_is_not_called_done()
{
    for name in ["fortios", "panos"] {
        let stage = Stage::start_with([(ID, "product", name), (ID, "users", "external")]).await;
        let john = Leaver::of("john.doe");
        let to = stage.connect(ID, Duration::from_secs(4));
        let (survey, report) = john.revoke(&to).await;
        let kinds: Vec<ActionKind> = survey.plan.0.iter().map(|action| action.kind).collect();
        assert_eq!(kinds, [ActionKind::EndSessions], "{name}");
        assert_eq!(report.fault.map(|fault| fault.kind), Some(FaultKind::NotVerified), "{name}");
        assert!(!to.adapter.residues(&survey.found).is_empty(), "{name}");
        // Disabled where it lives: by the firewall's own list, as the stand-in has no directory.
        let closed = stage.connect_with(ID, &with(&stage, "users", "local"), BUDGET);
        assert_eq!(john.revoke(&closed).await.1.fault, None, "{name}");
        assert_eq!(john.survey(&stage.connect(ID, BUDGET)).await.found.account, None, "{name}");
    }
}

fn with(stage: &Stage, name: &str, value: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut settings = stage.settings.clone();
    settings.get_mut(ID).unwrap().insert(name.to_owned(), value.to_owned());
    settings
}

/// A change is in force only after its commit's job, and only leaver's own changes are committed.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_is_waited_for_and_takes_nobody_elses_changes_along() {
    let (stage, to) = product("panos").await;
    let john = Leaver::of("john.doe");
    let (_, report) = john.revoke(&to).await;
    assert_eq!(report.fault, None);
    let commits = posted(&stage, "\"type\":\"commit\"").await;
    assert_eq!(commits.len(), 4, "the user and three groups");
    for commit in commits {
        assert_eq!(commit["body"]["action"], "partial");
        let cmd = commit["body"]["cmd"].as_str().unwrap();
        assert!(cmd.contains("<admin><member>leaver</member></admin>"), "{cmd}");
    }
    assert!(!posted(&stage, "<show><jobs>").await.is_empty());
}

/// Where the job outlasts the invocation nothing is called done, and the next one finds it in force.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_outlasts_the_invocation_is_finished_later() {
    let (stage, _) = product("panos").await;
    let john = Leaver::of("john.doe");
    let to = stage.connect(ID, Duration::from_millis(2_300));
    let report = john.revoke(&to).await.1;
    assert!(report.fault.is_none_or(|fault| fault.kind.is_retryable()));
    assert_eq!(john.revoke(&stage.connect(ID, BUDGET)).await.1.fault, None);
    assert_eq!(stage.account(ID, "john.doe").await["active"], false);
}

/// PAN-OS has no 401, and answers 200 to most refusals.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_document_says_counts_and_not_the_status() {
    let (stage, to) = product("panos").await;
    let wrong = stage.connect_with(ID, &with(&stage, "api_token", "another-key-that-is-long-enough"), BUDGET);
    let fault = wrong.adapter.probe(&wrong.http).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::CredentialRejected);
    for (code, kind) in [
        ("16", FaultKind::PermissionMissing),
        ("22", FaultKind::CredentialRejected),
        ("13", FaultKind::Conflict),
    ] {
        let body = format!(
            "<response status=\"error\" code=\"{code}\"><msg><line>secret text</line></msg></response>"
        );
        stage.fault(json!({"system": ID, "status": 200, "body": body, "times": 1})).await;
        let fault = to.adapter.probe(&to.http).await.unwrap_err();
        assert_eq!((fault.kind, fault.detail.contains("secret")), (kind, false), "{code}");
        stage.clear().await;
    }
    let body =
        "<response status=\"error\" code=\"16\"><msg><line>Unauthorized request</line></msg></response>";
    stage.fault(json!({"system": ID, "status": 200, "body": body})).await;
    let missing = to.adapter.missing(&to.http).await.unwrap();
    assert_eq!(missing.len(), 3, "{missing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_user_is_somebodys_task_and_a_second_factor_stays_assigned() {
    let (stage, to) = product("fortios").await;
    let john = Leaver::of("john.doe");
    let (survey, report) = john.revoke(&to).await;
    let asset = survey.found.assets.first().unwrap();
    assert_eq!(
        (asset.kind.as_str(), asset.next, asset.live_automation),
        ("certificate_user", Next::Task, false)
    );
    let after = report.after.unwrap();
    let factor = after.credentials.iter().find(|one| one.id == "two-factor").unwrap();
    assert!(!factor.active && factor.label.contains("FTKMOB"), "{factor:?}");
    assert_eq!(after.account.unwrap().status, AccountStatus::Suspended);
    let asked = stage.requests(ID).await;
    let tables = asked
        .iter()
        .filter(|request| request["path"].to_string().contains("/cmdb/") && request["method"] == "GET");
    assert!(
        tables.into_iter().all(|one| !one["query"]["format"].to_string().contains("passwd")),
        "{asked:?}"
    );
}

/// Whether a revocation that may fail says that it is through.
async fn called_done(who: &Leaver, to: &Connected) -> bool {
    let job = who.job();
    match run::survey(to.adapter.as_ref(), &to.http, &job).await {
        Ok(survey) => {
            let report = run::revoke(to.adapter.as_ref(), &to.http, &job, survey, &BTreeSet::new()).await;
            report.fault.is_none()
        }
        Err(_) => false,
    }
}

/// The general suite runs as FortiOS: PAN-OS is held to the same here.
#[tokio::test(flavor = "multi_thread")]
async fn a_failure_at_any_call_to_pan_os_is_never_taken_for_success_and_finished_later() {
    let (stage, _) = product("panos").await;
    let john = Leaver::of("john.doe");
    for how in [json!({"status": 500}), json!({"status": 200, "body": "<html>maintenance</html>"})] {
        for k in (0..).step_by(3) {
            stage.reset().await;
            let mut fault = json!({"system": ID, "skip": k, "times": 1});
            fault.as_object_mut().unwrap().extend(how.as_object().cloned().unwrap());
            stage.fault(fault).await;
            let done = called_done(&john, &stage.connect(ID, Duration::from_secs(4))).await;
            let active = stage.account(ID, "john.doe").await["active"] == true;
            assert!(!(done && active), "call {k} failed: called done, but it is not");
            let injected = stage.requests(ID).await.iter().any(|request| request["injected"] == true);
            stage.clear().await;
            assert_eq!(john.revoke(&stage.connect(ID, BUDGET)).await.1.fault, None, "call {k}");
            if !injected {
                break;
            }
        }
    }
}
