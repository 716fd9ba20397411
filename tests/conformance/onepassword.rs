//! 1Password's own traps: two ways to the users that exclude each other, a log with a token of its own, an owner who has to
//! stay, a worklist of items.

use super::{BUDGET, Leaver};
use leaver_adapters::run;
use leaver_conformance::sandbox::{Connected, Stage, comparable, restored};
use leaver_domain::{
    fault::FaultKind,
    inventory::{AccountStatus, Next},
    plan::{Action, ActionKind, Outcome},
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const SYSTEM: &str = "onepassword";

/// Connected as it is without some of the settings.
fn without(stage: &Stage, settings: &[&str]) -> Connected {
    let mut all = stage.settings.clone();
    let own = all.get_mut(SYSTEM).expect("the settings");
    own.retain(|name, _| !settings.contains(&name.as_str()));
    stage.connect_with(SYSTEM, &all, BUDGET)
}

/// Without provisioning: the Users API.
fn by_users_api(stage: &Stage) -> Connected {
    without(stage, &["scim_url", "scim_token"])
}

fn paths(requests: &[Value], part: &str) -> Vec<String> {
    let lines = requests.iter().map(|one| format!("{} {}", one["method"], one["path"]).replace('"', ""));
    lines.filter(|line| line.contains(part)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_provisioning_the_users_api_suspends_and_reactivates_and_knows_no_groups() {
    let stage = Stage::start().await;
    let to = by_users_api(&stage);
    let john = Leaver::of("john.doe");
    let (survey, report) = john.revoke(&to).await;
    assert_eq!((report.fault, survey.found.grants.len(), report.done.len()), (None, 0, 1));
    assert_eq!(stage.account(SYSTEM, "john.doe").await["active"], false);
    let residues = to.adapter.residues(&survey.found);
    assert!(residues.iter().any(|one| one.what.contains("groups")), "{residues:?}");
    let again = john.survey(&to).await;
    let account = again.found.account.expect("an account");
    assert_eq!((account.status, again.plan.is_empty()), (AccountStatus::Suspended, true));
    assert_eq!(restored(&to, &john.person, &survey.found).await.fault, None);
    assert_eq!(stage.account(SYSTEM, "john.doe").await["active"], true);
    let requests = stage.requests(SYSTEM).await;
    assert_eq!(paths(&requests, "/scim"), [""; 0], "the ways exclude each other");
    let base = format!("POST /v1beta1/accounts/LOCALACCOUNT/users/{}", account.id);
    let written = [format!("{base}:suspend"), format!("{base}:reactivate")];
    assert_eq!(paths(&requests, "POST /v1beta1/accounts"), written);
    let pages = requests.iter().filter(|one| one["query"]["page_token"].is_string()).count();
    assert!(pages > 1, "the list of users is read to its end");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_provisioning_the_users_api_is_never_called() {
    let stage = Stage::start().await;
    let (survey, report) = Leaver::of("john.doe").revoke(&stage.connect(SYSTEM, BUDGET)).await;
    assert_eq!(report.fault, None);
    assert_eq!(survey.found.state().groups, ["All staff", "Engineering", "On call"]);
    let requests = stage.requests(SYSTEM).await;
    assert_eq!(paths(&requests, "/v1beta1"), [""; 0]);
    let written = paths(&requests, "PATCH");
    assert!(written[0].contains("/scim/Users/"), "suspended before anything else: {written:?}");
    assert_eq!(written.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_is_accepted_by_both_ways() {
    let stage = Stage::start().await;
    for to in [by_users_api(&stage), stage.connect(SYSTEM, BUDGET)] {
        let found = Leaver::of("john.doe").survey(&to).await.found;
        let id = found.account.as_ref().expect("an account").id.clone();
        for kind in [ActionKind::DisableAccount, ActionKind::EnableAccount] {
            for _ in 0..2 {
                let action = Action::contain(kind, &id, &id);
                let outcome = to.adapter.apply(&to.http, &found, &action).await;
                assert_eq!(outcome.expect("an outcome"), Outcome::Done);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_owner_is_refused_by_both_ways() {
    let stage = Stage::start().await;
    for users_api in [true, false] {
        stage.reset().await;
        let to = if users_api { by_users_api(&stage) } else { stage.connect(SYSTEM, BUDGET) };
        assert_eq!(Leaver::of("taylor.admin").revoke(&to).await.1.fault, None, "one of two owners");
        let fault = Leaver::of("sam.admin").revoke(&to).await.1.fault.expect("a refusal");
        assert_eq!(fault.kind, FaultKind::Conflict, "{fault}");
        assert!(fault.detail.contains("last owner"), "{fault}");
        assert_eq!(stage.account(SYSTEM, "sam.admin").await["active"], true);
    }
}

/// Ids alone: the API tells no titles. What the person only signed in with by another provider was not seen.
#[tokio::test(flavor = "multi_thread")]
async fn every_item_that_was_opened_is_a_line_of_the_worklist() {
    let stage = Stage::start().await;
    let to = stage.connect(SYSTEM, BUDGET);
    let found = Leaver::of("john.doe").survey(&to).await.found;
    let how: Vec<&str> = found.assets.iter().filter_map(|asset| asset.name.rsplit(": ").next()).collect();
    assert_eq!(how, ["copied, revealed", "filled in"]);
    let is_line = |next, kind: &str| next == Next::Rotate && kind == "vault_item";
    assert!(found.assets.iter().all(|asset| is_line(asset.next, &asset.kind)), "{:?}", found.assets);
    assert!(to.adapter.residues(&found).iter().any(|one| one.what.contains("2 items")));
}

#[tokio::test(flavor = "multi_thread")]
async fn service_accounts_outlive_their_maker_and_are_somebodys_task() {
    let stage = Stage::start().await;
    let to = stage.connect(SYSTEM, BUDGET);
    let (survey, report) = Leaver::of("taylor.admin").revoke(&to).await;
    assert_eq!(report.fault, None);
    let of = |next| survey.found.assets.iter().filter(move |asset| asset.next == next);
    let kinds: Vec<&str> = of(Next::Task).map(|asset| asset.kind.as_str()).collect();
    assert_eq!(kinds, ["service_account", "service_account_token"]);
    let residues = to.adapter.residues(&survey.found);
    assert!(
        residues.iter().filter(|one| one.what.starts_with("service account")).count() == 2,
        "{residues:?}"
    );
}

/// The log has a token of its own. Whether it is missing or refused, access is taken away and the report says what is
/// not known.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_log_the_account_is_suspended_all_the_same() {
    let stage = Stage::start().await;
    for refused in [false, true] {
        stage.reset().await;
        let to = match refused {
            true => stage.connect(SYSTEM, BUDGET),
            false => without(&stage, &["events_token"]),
        };
        if refused {
            stage.fault(json!({"system": SYSTEM, "match": "/onepassword/api/", "status": 401})).await;
        }
        let (survey, report) = Leaver::of("john.doe").revoke(&to).await;
        assert_eq!(report.fault, None, "refused: {refused}");
        assert!(survey.activity.incomplete.is_some());
        let assets: Vec<_> =
            survey.found.assets.iter().map(|asset| (asset.id.as_str(), asset.next)).collect();
        assert_eq!(assets, [("itemusages", Next::Task)]);
        let missing: Vec<_> =
            to.adapter.missing(&to.http).await.expect("an answer").into_iter().map(|one| one.scope).collect();
        assert_eq!(missing, ["signinattempts", "itemusages", "auditevents"]);
        stage.clear().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_tokens_may_not_do_is_found_without_a_write() {
    let stage = Stage::start().await;
    for to in [by_users_api(&stage), stage.connect(SYSTEM, BUDGET)] {
        assert_eq!(to.adapter.missing(&to.http).await.expect("an answer"), []);
    }
    let said = json!({"uuid": "U", "issued_at": "2026-01-05T09:00:00Z", "features": ["signinattempts"]});
    stage.fault(json!({"system": SYSTEM, "match": "introspect", "status": 200, "body": said})).await;
    stage.fault(json!({"system": SYSTEM, "match": "/users/AAAA", "status": 403})).await;
    let to = by_users_api(&stage);
    let missing = to.adapter.missing(&to.http).await.expect("an answer");
    let scopes: Vec<&str> = missing.iter().map(|one| one.scope).collect();
    assert_eq!(scopes, ["get user (without provisioning)", "itemusages", "auditevents"]);
    assert!(scopes.iter().all(|scope| to.adapter.spec().scopes.contains(scope)));
}

/// Provisioning knows the employee's number; the Users API does not.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_with_another_employee_number_is_not_taken_for_the_person() {
    let stage = Stage::start().await;
    let mut mixed = Leaver::of("john.doe");
    mixed.person.employee_id = "EMP-99999".parse().expect("a number");
    let to = stage.connect(SYSTEM, BUDGET);
    let fault = run::survey(to.adapter.as_ref(), &to.http, &mixed.job()).await.expect_err("a contradiction");
    assert_eq!(fault.kind, FaultKind::Ambiguous);
}

/// A restore gives the groups back under the ids that they had.
#[tokio::test(flavor = "multi_thread")]
async fn groups_come_back_after_the_account() {
    let stage = Stage::start().await;
    let to = stage.connect(SYSTEM, BUDGET);
    let john = Leaver::of("john.doe");
    let (survey, _) = john.revoke(&to).await;
    let back = restored(&to, &john.person, &survey.found).await;
    let kinds: BTreeSet<ActionKind> = back.done.iter().map(|done| done.action.kind).collect();
    assert_eq!(kinds, [ActionKind::EnableAccount, ActionKind::AddGrant].into());
    assert_eq!(back.done[0].action.kind, ActionKind::EnableAccount);
    assert_eq!(comparable(&back.after.expect("a reading")), comparable(&survey.found));
}
