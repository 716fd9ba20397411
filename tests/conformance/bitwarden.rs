//! Bitwarden's own traps: repeats that are refused, lists that are written whole, an owner who has to stay, a worklist.

use super::{BUDGET, Leaver};
use leaver_adapters::run;
use leaver_conformance::sandbox::{Connected, Stage};
use leaver_domain::{
    fault::FaultKind,
    inventory::{Asset, Inventory, Next},
    plan::{Action, ActionKind, Outcome},
    risk::{RiskLevel, Rule},
};
use serde_json::json;
use std::collections::BTreeSet;

const SYSTEM: &str = "bitwarden";

async fn apply(to: &Connected, found: &Inventory, kind: ActionKind, target: &str) -> Outcome {
    let action = Action::contain(kind, target, target);
    to.adapter.apply(&to.http, found, &action).await.expect("an outcome")
}

fn named(assets: &[Asset], kind: &str) -> Vec<String> {
    assets.iter().filter(|asset| asset.kind == kind).map(|asset| asset.name.clone()).collect()
}

/// "Already revoked." and "Already active." are 400, as every other refusal is: a read tells which it was.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_is_refused_and_a_read_shows_that_it_was_one() {
    let stage = Stage::start().await;
    let to = stage.connect(SYSTEM, BUDGET);
    let found = Leaver::of("john.doe").survey(&to).await.found;
    let id = found.account.as_ref().expect("an account").id.clone();
    for (kind, step) in [(ActionKind::DisableAccount, "revoke"), (ActionKind::EnableAccount, "restore")] {
        assert_eq!(apply(&to, &found, kind, &id).await, Outcome::Done);
        assert_eq!(apply(&to, &found, kind, &id).await, Outcome::Already);
        let requests = stage.requests(SYSTEM).await;
        let of_step = requests.iter().filter(|one| one["path"] == format!("/public/members/{id}/{step}"));
        let statuses: Vec<_> = of_step.map(|one| one["status"].as_u64()).collect();
        assert_eq!(statuses, [Some(200), Some(400)], "{step}");
    }
}

/// What somebody else changed between the reading and the write stays changed.
#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_left_without_undoing_what_somebody_else_did() {
    let stage = Stage::start().await;
    let to = stage.connect(SYSTEM, BUDGET);
    let john = Leaver::of("john.doe");
    let stale = john.survey(&to).await.found;
    let other = Leaver::of("morgan.hold").survey(&to).await.found;
    let finance = other.grants.iter().find(|grant| grant.name == "Finance").expect("a group");
    assert_eq!(apply(&to, &stale, ActionKind::AddGrant, &finance.id).await, Outcome::Done);
    let staff = stale.grants.iter().find(|grant| grant.name == "All staff").expect("a group");
    assert_eq!(apply(&to, &stale, ActionKind::RemoveGroup, &staff.id).await, Outcome::Done);
    assert_eq!(apply(&to, &stale, ActionKind::RemoveGroup, &staff.id).await, Outcome::Already);
    let now = john.survey(&to).await.found.state().groups;
    assert_eq!(now, ["Engineering", "Finance", "Servers"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_confirmed_owner_waits_for_a_human_and_is_refused() {
    let stage = Stage::start().await;
    let to = stage.connect(SYSTEM, BUDGET);
    let (survey, report) = Leaver::of("taylor.admin").revoke(&to).await;
    assert_eq!((survey.risk.level, report.fault), (RiskLevel::Notable, None), "one of two owners");
    let sam = Leaver::of("sam.admin");
    let survey = sam.survey(&to).await;
    assert_eq!(survey.risk.level, RiskLevel::Flagged);
    assert_eq!(survey.risk.findings[0].rule, Rule::LastAdmin);
    let report = run::revoke(to.adapter.as_ref(), &to.http, &sam.job(), survey, &BTreeSet::new()).await;
    let fault = report.fault.expect("a refusal");
    assert_eq!(fault.kind, FaultKind::Conflict, "{fault}");
    assert!(fault.detail.contains("last confirmed owner"), "{fault}");
    assert_eq!(stage.account(SYSTEM, "sam.admin").await["active"], true);
}

/// Collections by every way that leads to them, items by what the log shows, and nothing that could be a secret.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_member_could_read_becomes_a_worklist_and_nobody_is_removed() {
    let stage = Stage::start().await;
    let to = stage.connect(SYSTEM, BUDGET);
    let (survey, report) = Leaver::of("john.doe").revoke(&to).await;
    assert_eq!(report.fault, None);
    let assets = &survey.found.assets;
    let collections = named(assets, "collection");
    assert_eq!(collections.len(), 3, "{collections:?}");
    assert_eq!(collections[0], "collection servers, through the group Servers");
    assert!(collections[2].ends_with(", given directly"), "{collections:?}");
    let items = named(assets, "vault_item");
    assert!(items.len() == 2 && items[0].ends_with(", password copied"), "{items:?}");
    assert!(items[1].ends_with(", filled in"), "{items:?}");
    assert!(assets.iter().all(|asset| asset.next == Next::Rotate && !asset.live_automation));
    let parked = to.adapter.revoke(&survey.found);
    assert!(parked.iter().any(|action| action.target.starts_with("remove:")), "removal is listed");
    let requests = stage.requests(SYSTEM).await;
    assert!(requests.iter().all(|one| one["method"] != "DELETE"), "and never done");
    let logs = requests.iter().filter(|one| one["path"] == "/public/events");
    let mut logs = logs.map(|one| (&one["query"]["start"], &one["query"]["end"]));
    assert!(
        logs.all(|(start, end)| start.is_string() && end.is_string()),
        "one without the other counts as neither"
    );
    let owner = Leaver::of("sam.admin").survey(&to).await.found;
    assert_eq!(named(&owner.assets, "collection").len(), 4, "an owner reaches them all");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_without_the_event_log_is_said_so_and_stops_nothing() {
    let stage = Stage::start().await;
    stage.fault(json!({"system": SYSTEM, "match": "/public/events", "status": 403})).await;
    let (survey, report) = Leaver::of("john.doe").revoke(&stage.connect(SYSTEM, BUDGET)).await;
    assert_eq!(report.fault, None);
    assert!(survey.activity.incomplete.is_some());
    assert_eq!(named(&survey.found.assets, "collection").len(), 3);
}

/// Two members with one address: nobody guesses.
#[tokio::test(flavor = "multi_thread")]
async fn an_external_id_that_is_somebody_elses_number_is_ambiguous() {
    let stage = Stage::start().await;
    let to = stage.connect(SYSTEM, BUDGET);
    let mut mixed = Leaver::of("john.doe");
    mixed.person.employee_id = Leaver::of("jane.smith").person.employee_id;
    let fault = run::survey(to.adapter.as_ref(), &to.http, &mixed.job()).await.expect_err("two members");
    assert_eq!(fault.kind, FaultKind::Ambiguous);
}
