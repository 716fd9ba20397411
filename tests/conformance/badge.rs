//! Badges: the traps of Verkada Access.

use crate::{BUDGET, Leaver};
use leaver_conformance::sandbox::{Stage, restored};
use leaver_domain::{inventory::AccountStatus, plan::ActionKind, risk::ActivityKind};
use serde_json::json;

const ID: &str = "badge";

/// The end date alone would do, until somebody sets another one: every means of entry goes by itself.
#[tokio::test(flavor = "multi_thread")]
async fn the_end_date_comes_first_and_every_means_of_entry_goes_by_itself() {
    let stage = Stage::start().await;
    let john = Leaver::of("john.doe");
    let (survey, report) = john.revoke(&stage.connect(ID, BUDGET)).await;
    assert_eq!(report.fault, None);
    let kinds: Vec<ActionKind> = report.done.iter().map(|done| done.action.kind).collect();
    let means = survey.found.credentials.iter().filter(|one| one.active).count();
    assert_eq!(kinds.first(), Some(&ActionKind::DisableAccount));
    assert_eq!(kinds.iter().filter(|kind| **kind == ActionKind::RemoveFactor).count(), means);
    assert_eq!(
        means, 8,
        "cards, plate, two ways by phone, code, face, second step: {:?}",
        survey.found.credentials
    );
    let after = report.after.unwrap();
    assert!(after.credentials.iter().all(|one| !one.active), "{:?}", after.credentials);
    assert_eq!(stage.account(ID, "john.doe").await["grants"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn cards_open_again_and_codes_do_not_come_back() {
    let stage = Stage::start().await;
    let john = Leaver::of("john.doe");
    let to = stage.connect(ID, BUDGET);
    let (survey, _) = john.revoke(&to).await;
    let back = restored(&to, &john.person, &survey.found).await;
    assert_eq!(back.fault, None);
    let after = back.after.unwrap();
    let open: Vec<&str> =
        after.credentials.iter().filter(|one| one.active).map(|one| one.label.as_str()).collect();
    assert_eq!(open.iter().filter(|label| label.starts_with("access card")).count(), 2, "{open:?}");
    assert!(open.contains(&"remote unlock by phone") && !open.contains(&"entry code"), "{open:?}");
    let account = after.account.unwrap();
    assert_eq!(account.status, AccountStatus::Active);
    assert_eq!(account.facts["end_date"], "4102444800", "the API takes no empty end date");
}

/// Codes open doors: they are read from the vendor and kept nowhere.
#[tokio::test(flavor = "multi_thread")]
async fn no_code_is_in_what_is_found_or_recorded() {
    let stage = Stage::start().await;
    let john = Leaver::of("john.doe");
    let (survey, report) = john.revoke(&stage.connect(ID, BUDGET)).await;
    let record = serde_json::to_string(&stage.requests(ID).await).unwrap();
    let shown = format!("{} {report:?} {record}", serde_json::to_string(&survey.found).unwrap());
    assert!(!shown.contains("91370000") && !shown.contains("\"4000\""), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doors_tell_who_came_in_and_who_was_refused() {
    let stage = Stage::start().await;
    let survey = Leaver::of("john.doe").survey(&stage.connect(ID, BUDGET)).await;
    let mut kinds: Vec<ActivityKind> = survey.activity.events.iter().map(|event| event.kind).collect();
    kinds.sort();
    assert_eq!(kinds, [ActivityKind::Login, ActivityKind::Login, ActivityKind::FailedLogin]);
    let asked = stage.requests(ID).await;
    let pages = asked.iter().filter(|request| request["path"] == "/events/v1/access").count();
    assert_eq!(pages, 2);
}
