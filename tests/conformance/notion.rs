//! What is particular to Notion: a removed member is not listed any more, and comes back by being added.

use crate::{BUDGET, Leaver};
use leaver_adapters::run;
use leaver_conformance::sandbox::{Stage, comparable, restored};
use leaver_domain::{
    fault::FaultKind,
    inventory::{AccountStatus, Next},
    risk::{RiskLevel, Rule},
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const ID: &str = "notion";

fn of(requests: &[Value], method: &str) -> Vec<Value> {
    requests.iter().filter(|request| request["method"] == method).cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_member_is_gone_and_comes_back_by_being_added() {
    let stage = Stage::start().await;
    let (john, to) = (Leaver::of("john.doe"), stage.connect(ID, BUDGET));
    let (survey, report) = john.revoke(&to).await;
    assert_eq!(report.fault, None);
    assert_eq!(report.after.expect("a reading").account, None, "not listed any more");
    assert_eq!(stage.account(ID, "john.doe").await["exists"], false);
    assert_eq!(survey.found.assets[0].next, Next::Task, "private pages are somebody's task");
    let back = restored(&to, &john.person, &survey.found).await;
    assert_eq!(back.fault, None);
    let now = back.after.expect("a reading");
    assert_eq!(comparable(&now), comparable(&survey.found));
    let requests = stage.requests(ID).await;
    assert_eq!(of(&requests, "POST").len(), 1);
    assert!(of(&requests, "DELETE").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_membership_administrator_becomes_a_plain_member_first() {
    let stage = Stage::start().await;
    let (sam, to) = (Leaver::of("sam.admin"), stage.connect(ID, BUDGET));
    let (survey, report) = sam.revoke(&to).await;
    assert_eq!(report.fault, None);
    assert!(survey.found.account.as_ref().is_some_and(|account| account.privileged));
    let patches = of(&stage.requests(ID).await, "PATCH");
    let extension = "urn:ietf:params:scim:schemas:extension:notion:2.0:User";
    assert_eq!(patches[0]["body"]["Operations"][0]["value"][extension]["role"], "member");
    assert_eq!(
        patches[1]["body"]["Operations"][0],
        json!({"op": "replace", "path": "active", "value": false})
    );
    let back = restored(&to, &sam.person, &survey.found).await;
    assert_eq!(back.fault, None);
    assert_eq!(comparable(&back.after.expect("a reading")), comparable(&survey.found));
}

/// Whoever made leaver's token is refused by Notion, and as the last owner waits for a human before.
#[tokio::test(flavor = "multi_thread")]
async fn the_maker_of_the_token_is_flagged_and_refused() {
    let stage = Stage::start().await;
    let mut owner = Leaver::of("john.doe");
    owner.person.username = "workspace.owner".parse().expect("a username");
    owner.person.email = "workspace.owner@example.com".into();
    owner.person.employee_id = "EMP-00001".parse().expect("an id");
    owner.scope.kinds.remove(&leaver_domain::plan::ActionKind::RemoveGroup);
    let to = stage.connect(ID, BUDGET);
    let survey = owner.survey(&to).await;
    assert_eq!(survey.risk.level, RiskLevel::Flagged);
    assert!(survey.risk.findings.iter().any(|finding| finding.rule == Rule::LastAdmin));
    assert!(survey.found.assets.iter().any(|asset| asset.id == "scim_tokens"));
    let none = BTreeSet::new();
    let report = run::revoke(to.adapter.as_ref(), &to.http, &owner.job(), survey, &none).await;
    assert_eq!(report.fault.map(|fault| fault.kind), Some(FaultKind::PermissionMissing));
    let status = report.after.and_then(|after| after.account).map(|account| account.status);
    assert_eq!(status, Some(AccountStatus::Active));
}
