//! AWS IAM and Identity Center as one account: who has a user in one of them only, assignments that go in the background, and
//! settings that name Identity Center by half.

use super::{BUDGET, Leaver};
use leaver_adapters::{Spec, run, settings::Settings};
use leaver_conformance::sandbox::{Connected, Stage, comparable, restored};
use leaver_domain::{
    fault::FaultKind,
    inventory::{AccountStatus, GrantKind, Inventory},
    plan::{Action, ActionKind, Outcome, Stage as When},
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};

const SYSTEM: &str = "aws_iam";
/// Has a user in Identity Center and none in IAM.
const ONLY_THERE: &str = "hana.huber39";

/// Connected as it is without some of the settings.
fn without(stage: &Stage, settings: &[&str]) -> Connected {
    let mut all = stage.settings.clone();
    all.get_mut(SYSTEM).expect("the settings").retain(|name, _| !settings.contains(&name.as_str()));
    stage.connect_with(SYSTEM, &all, BUDGET)
}

/// How the stand-in's further operations on assignments go.
async fn pace(stage: &Stage, turns: u64, outcome: &str) {
    let url = format!("{}/_sandbox/{SYSTEM}/assignments", stage.url);
    let client = leaver_adapters::http::client().expect("a client");
    let sent = client.post(url).json(&json!({"turns": turns, "outcome": outcome})).send().await;
    assert_eq!(sent.expect("the sandbox").status(), 200);
}

fn operations(requests: &[Value], wanted: &[&str]) -> Vec<String> {
    let names = requests.iter().filter_map(|one| one["headers"]["x-amz-target"].as_str()?.rsplit('.').next());
    names.filter(|name| wanted.contains(name)).map(str::to_owned).collect()
}

/// Ids of the grants in Identity Center.
fn there(found: &Inventory) -> BTreeSet<String> {
    found.grants.iter().map(|grant| grant.id.clone()).filter(|id| id.starts_with("idc-")).collect()
}

async fn revoke_all(to: &Connected, who: &Leaver) -> (Inventory, run::Report) {
    let (survey, report) = who.revoke(to).await;
    (survey.found, report)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_in_identity_center_alone_is_revoked_and_restored() {
    let stage = Stage::start().await;
    let to = stage.connect(SYSTEM, BUDGET);
    let hana = Leaver::of(ONLY_THERE);
    let survey = hana.survey(&to).await;
    let account = survey.found.account.clone().expect("an account");
    assert_eq!((account.status, account.login.as_str()), (AccountStatus::Active, ONLY_THERE));
    assert_eq!(account.matched_by, "email");
    assert_eq!(survey.risk.events, 3, "sessions carry the user's name");
    let kinds: Vec<GrantKind> = survey.found.grants.iter().map(|grant| grant.kind).collect();
    assert_eq!(kinds, [[GrantKind::Role; 3], [GrantKind::Group; 3]].concat());
    let actions = &survey.plan.0;
    assert!(actions.iter().all(|one| one.kind == ActionKind::RemoveGroup && one.stage == When::Contain));

    let (before, report) = revoke_all(&to, &hana).await;
    assert_eq!((report.fault, report.done.len()), (None, 6));
    assert!(report.done.iter().all(|done| done.outcome == Outcome::Done), "{:?}", report.done);
    let after = report.after.expect("a reading");
    assert_eq!(
        (after.account.expect("it stays").status, after.grants),
        (AccountStatus::Suspended, Vec::new())
    );
    assert_eq!(stage.account(SYSTEM, ONLY_THERE).await["active"], false);
    let written = ["DeleteAccountAssignment", "DeleteGroupMembership"];
    let written = operations(&stage.requests(SYSTEM).await, &written);
    assert_eq!(written, [["DeleteAccountAssignment"; 3], ["DeleteGroupMembership"; 3]].concat());
    let residues = to.adapter.residues(&before);
    assert!(residues.iter().any(|one| one.lasts.is_none() && one.what.contains("portal")), "{residues:?}");
    assert!(!residues.iter().any(|one| one.what.contains("GetSessionToken")), "there is no IAM user");

    let (_, again) = revoke_all(&to, &hana).await;
    assert_eq!((again.fault, again.done), (None, Vec::new()));
    let back = restored(&to, &hana.person, &before).await;
    assert_eq!((back.fault, back.done.len()), (None, 6));
    assert_eq!(comparable(&back.after.expect("a reading")), comparable(&before));
    let forms = stage.requests(SYSTEM).await;
    let about_iam = forms.iter().filter(|one| one["path"] == "" || one["path"] == "/");
    assert!(about_iam.into_iter().all(|one| one["body"]["Action"] == "GetUser"), "no IAM user is called so");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_users_are_one_account_and_the_deny_comes_before_all() {
    let stage = Stage::start().await;
    let to = stage.connect(SYSTEM, BUDGET);
    let john = Leaver::of("john.doe");
    let survey = john.survey(&to).await;
    assert_eq!(there(&survey.found).len(), 6, "what comes through a group goes with the group");
    assert_eq!(survey.plan.0[0].kind, ActionKind::DisableAccount);
    let contained: BTreeSet<String> =
        survey.plan.0.iter().filter(|one| one.stage == When::Contain).map(|one| one.target.clone()).collect();
    assert!(there(&survey.found).is_subset(&contained), "{contained:?}");

    // Each half alone leaves the account usable.
    let held = there(&survey.found);
    let mut half = Leaver::of("john.doe");
    half.scope.kinds.remove(&ActionKind::RemoveGroup);
    let (_, report) = revoke_all(&to, &half).await;
    assert_eq!(report.fault, None);
    let after = report.after.expect("a reading");
    assert_eq!((after.is_active(), there(&after)), (true, held));
    let rest = john.survey(&to).await.plan;
    assert!(!rest.0.iter().any(|one| one.kind == ActionKind::DisableAccount), "denied already: {rest:?}");
    let (_, report) = revoke_all(&to, &john).await;
    assert_eq!(report.fault, None);
    assert!(!report.after.expect("a reading").is_active());

    // Administrators by a group's permission set, and by their own.
    let sam = Leaver::of("sam.admin").survey(&to).await.found;
    let held: BTreeSet<(&str, GrantKind)> = sam
        .grants
        .iter()
        .filter(|grant| grant.privileged && grant.id.starts_with("idc-"))
        .map(|grant| (grant.name.as_str(), grant.kind))
        .collect();
    let expected =
        [("AWS platform", GrantKind::Group), ("AdministratorAccess in 222222222222", GrantKind::Role)];
    assert_eq!(held, expected.into());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_ids_there_is_iam_alone_and_half_of_them_is_a_fault() {
    let stage = Stage::start().await;
    let to = without(&stage, &["identity_store_id", "instance_arn"]);
    assert_eq!(there(&Leaver::of("john.doe").survey(&to).await.found), BTreeSet::new());
    assert_eq!(Leaver::of(ONLY_THERE).survey(&to).await.found.account, None);
    assert_eq!(to.adapter.grant("idc-group:x"), None);
    assert_eq!(to.adapter.missing(&to.http).await.expect("reads"), []);
    assert_eq!(operations(&stage.requests(SYSTEM).await, &["GetUserId"]), [""; 0]);
    for (left_out, named) in [("identity_store_id", "identity_store_id"), ("instance_arn", "instance_arn")] {
        let mut pairs = stage.settings[SYSTEM].clone();
        pairs.remove(left_out);
        let fault = leaver_adapters::open(SYSTEM, &Settings::from_pairs(SYSTEM, pairs)).err();
        let fault = fault.expect("a fault");
        assert_eq!(fault.kind, FaultKind::CredentialRejected);
        assert!(fault.detail.contains(named), "{fault}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assignment_that_is_still_being_deleted_is_not_called_revoked() {
    let stage = Stage::start().await;
    let hana = Leaver::of(ONLY_THERE);
    pace(&stage, 1_000_000, "SUCCEEDED").await;
    let (before, report) = revoke_all(&stage.connect(SYSTEM, Duration::from_secs(7)), &hana).await;
    let fault = report.fault.expect("not finished");
    assert!(matches!(fault.kind, FaultKind::NotVerified | FaultKind::Conflict), "{fault}");
    let outcomes: BTreeSet<bool> = report.done.iter().map(|done| done.outcome == Outcome::Accepted).collect();
    assert_eq!(outcomes, [false, true].into(), "memberships are gone, assignments are not");
    let left = there(&report.after.expect("a reading"));
    assert_eq!(left.len(), 3, "{left:?}");
    assert_eq!(stage.account(SYSTEM, ONLY_THERE).await["active"], true);

    // A deletion on top of one that is in progress is refused, and what is there still is not called done.
    let to = stage.connect(SYSTEM, BUDGET);
    let found = hana.survey(&to).await.found;
    let action = Action::contain(ActionKind::RemoveGroup, left.first().expect("one"), "one");
    let fault = to.adapter.apply(&to.http, &found, &action).await.expect_err("in progress");
    assert_eq!(fault.kind, FaultKind::Conflict);
    assert!(before.is_active());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_fails_is_a_fault_and_is_done_anew_later() {
    let stage = Stage::start().await;
    let (to, hana) = (stage.connect(SYSTEM, BUDGET), Leaver::of(ONLY_THERE));
    pace(&stage, 2, "FAILED").await;
    let (_, report) = revoke_all(&to, &hana).await;
    let fault = report.fault.expect("a failure");
    assert_eq!(fault.kind, FaultKind::Conflict, "{fault}");
    assert!(fault.detail.contains("assignment") && !fault.detail.contains("closed"), "{fault}");
    assert_eq!(there(&report.after.expect("a reading")).len(), 3);
    pace(&stage, 2, "SUCCEEDED").await;
    let (_, report) = revoke_all(&stage.connect(SYSTEM, BUDGET), &hana).await;
    assert_eq!(report.fault, None);
    assert_eq!(stage.account(SYSTEM, ONLY_THERE).await["active"], false);
}

/// Taken twice and given twice with what was read before: the second time a read says that it was so already.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_is_already_so_only_after_a_read() {
    let stage = Stage::start().await;
    let (to, hana) = (stage.connect(SYSTEM, BUDGET), Leaver::of(ONLY_THERE));
    let found = hana.survey(&to).await.found;
    for grant in &found.grants {
        for kind in [ActionKind::RemoveGroup, ActionKind::AddGrant] {
            for outcome in [Outcome::Done, Outcome::Already] {
                let action = Action::contain(kind, &grant.id, &grant.name);
                let done = to.adapter.apply(&to.http, &found, &action).await;
                assert_eq!(done, Ok(outcome), "{kind:?} {}", grant.name);
            }
        }
    }
    assert_eq!(comparable(&hana.survey(&to).await.found), comparable(&found));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_with_another_address_needs_a_human_and_a_wrong_region_is_refused() {
    let mut stage = Stage::start().await;
    let to = stage.connect(SYSTEM, BUDGET);
    let mut other = Leaver::of(ONLY_THERE);
    other.person.email = "hana@example.org".into();
    let fault = run::survey(to.adapter.as_ref(), &to.http, &other.job()).await.expect_err("a contradiction");
    assert_eq!(fault.kind, FaultKind::Ambiguous);

    let settings = stage.settings.get_mut(SYSTEM).expect("settings");
    settings.insert("identity_center_region".into(), "us-east-1".into());
    let to = stage.connect(SYSTEM, Duration::from_secs(3));
    let fault = run::survey(to.adapter.as_ref(), &to.http, &Leaver::of("john.doe").job()).await;
    assert_eq!(fault.expect_err("a refusal").kind, FaultKind::CredentialRejected);
}

/// Each scope of Identity Center that can be seen by a read is named where it is missing.
#[tokio::test(flavor = "multi_thread")]
async fn a_missing_permission_is_named() {
    let stage = Stage::start().await;
    let to = stage.connect(SYSTEM, BUDGET);
    let denied = json!({"__type": "AccessDeniedException", "Message": "no"});
    for host in ["identitystore", "sso"] {
        stage
            .fault(json!({"system": SYSTEM, "match": format!("/{SYSTEM}/{host}/"), "status": 400, "body": denied}))
            .await;
    }
    let missing = to.adapter.missing(&to.http).await.expect("reads");
    let named: BTreeSet<&str> = missing.iter().map(|one| one.scope).collect();
    let scopes = Spec::of(SYSTEM).expect("a row").scopes.iter().copied();
    let read = |scope: &&str| {
        let (service, action) = scope.split_once(':').unwrap_or_default();
        matches!(service, "identitystore" | "sso")
            && !["Create", "Delete"].iter().any(|w| action.starts_with(w))
    };
    assert_eq!(named, scopes.filter(read).collect());
}
