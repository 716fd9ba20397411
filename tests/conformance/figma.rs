//! What is particular to Figma: the seat, the administrator, and a log of everybody with a token of its own.

use crate::{BUDGET, Leaver};
use leaver_conformance::sandbox::{Stage, comparable, restored};
use leaver_domain::{
    inventory::{AccountStatus, GrantKind, Next},
    risk::{RiskLevel, Rule},
};
use serde_json::{Value, json};

const ID: &str = "figma";

fn operations(requests: &[Value]) -> Vec<Value> {
    let patches = requests.iter().filter(|request| request["method"] == "PATCH");
    patches.map(|request| request["body"]["Operations"][0].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_user_stays_listed_without_a_seat_and_comes_back_with_it() {
    let stage = Stage::start().await;
    let (john, to) = (Leaver::of("john.doe"), stage.connect(ID, BUDGET));
    let (survey, report) = john.revoke(&to).await;
    assert_eq!(report.fault, None);
    let seat = survey.found.grants.iter().find(|grant| grant.kind == GrantKind::Licence);
    assert_eq!(seat.map(|seat| seat.id.as_str()), Some("seat:Dev"));
    let after = report.after.expect("a reading");
    assert_eq!(after.account.map(|account| account.status), Some(AccountStatus::Deactivated));
    assert_eq!(stage.account(ID, "john.doe").await["grants"], json!([]), "neither group nor seat");
    assert_eq!(survey.found.assets[0].next, Next::Transfer, "files get another owner");
    let back = restored(&to, &john.person, &survey.found).await;
    assert_eq!(back.fault, None);
    assert_eq!(comparable(&back.after.expect("a reading")), comparable(&survey.found));
    let requests = stage.requests(ID).await;
    assert!(requests.iter().all(|request| request["method"] != "DELETE"), "DELETE is permanent");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_seat_alone_can_be_taken() {
    let stage = Stage::start().await;
    let mut partial = Leaver::of("john.doe");
    partial.scope.grants = Some(["seat:Dev".to_owned()].into());
    let to = stage.connect(ID, BUDGET);
    let (_, report) = partial.revoke(&to).await;
    assert_eq!((report.fault, report.done.len()), (None, 1));
    let after = stage.account(ID, "john.doe").await;
    assert_eq!((&after["active"], after["grants"].as_array().map(Vec::len)), (&json!(true), Some(5)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_stops_being_one_first() {
    let stage = Stage::start().await;
    let (sam, to) = (Leaver::of("sam.admin"), stage.connect(ID, BUDGET));
    let (survey, report) = sam.revoke(&to).await;
    assert_eq!(report.fault, None);
    assert_eq!(survey.risk.level, RiskLevel::Notable, "taylor.admin is one, too: {:?}", survey.risk);
    let done = operations(&stage.requests(ID).await);
    let extension = "urn:ietf:params:scim:schemas:extension:figma:enterprise:2.0:User";
    assert_eq!(done[0]["value"][extension]["figmaAdmin"], false);
    assert_eq!((&done[1]["path"], &done[1]["value"]), (&json!("active"), &json!(false)));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_everybodys_log_only_their_own_is_kept() {
    let stage = Stage::start().await;
    let (john, to) = (Leaver::of("john.doe"), stage.connect(ID, BUDGET));
    let survey = john.survey(&to).await;
    assert_eq!((survey.activity.events.len(), survey.activity.incomplete), (3, None));
    let requests = stage.requests(ID).await;
    let pages = requests.iter().filter(|request| request["path"] == "/api/v1/activity_logs");
    assert!(pages.count() > 1, "the log has more than one page");
}

/// The log's token is another one: without it, or once it has expired, access is still taken.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_for_the_log_access_is_taken_all_the_same() {
    let stage = Stage::start().await;
    for token in [None, Some("expired")] {
        stage.reset().await;
        let mut settings = stage.settings.clone();
        let of = settings.get_mut(ID).expect("its settings");
        of.remove("log_token");
        of.extend(token.map(|token| ("log_token".to_owned(), token.to_owned())));
        let (john, to) = (Leaver::of("john.doe"), stage.connect_with(ID, &settings, BUDGET));
        let (survey, report) = john.revoke(&to).await;
        assert_eq!(report.fault, None, "{token:?}");
        assert!(survey.risk.findings.iter().any(|finding| finding.rule == Rule::LogUnavailable), "{token:?}");
        let missing = to.adapter.missing(&to.http).await.expect("an answer");
        assert_eq!(
            missing.iter().map(|missing| missing.scope).collect::<Vec<_>>(),
            ["org:activity_log_read"]
        );
    }
}
