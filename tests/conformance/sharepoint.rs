//! SharePoint and OneDrive: what outlives an account.

use crate::{BUDGET, Leaver};
use leaver_conformance::sandbox::{Stage, restored};
use leaver_domain::{
    fault::FaultKind,
    inventory::{AccountStatus, Next},
    plan::ActionKind,
};
use serde_json::Value;

const ID: &str = "sharepoint";

/// A link for anybody opens now, so it goes before a permission that opens to nobody while the account is disabled.
#[tokio::test(flavor = "multi_thread")]
async fn links_for_anybody_go_first_wherever_the_person_made_them() {
    let stage = Stage::start().await;
    let john = Leaver::of("john.doe");
    let (survey, report) = john.revoke(&stage.connect(ID, BUDGET)).await;
    assert_eq!(report.fault, None);
    let kinds: Vec<ActionKind> = report.done.iter().map(|done| done.action.kind).collect();
    use ActionKind::{RemoveGroup, RevokeToken};
    assert_eq!(kinds, [RevokeToken, RevokeToken, RemoveGroup, RemoveGroup]);
    let links: Vec<&str> = survey
        .found
        .assets
        .iter()
        .filter(|asset| asset.next == Next::Revoke)
        .map(|a| a.name.as_str())
        .collect();
    assert_eq!(links, ["link for anybody to view Offer", "link for anybody to view Spec.docx"]);
    assert_eq!(report.after.unwrap().account.unwrap().status, AccountStatus::Suspended);
}

/// A file shows the permission of its folder as if it were its own, and cannot lose it.
#[tokio::test(flavor = "multi_thread")]
async fn a_permission_that_a_file_inherits_is_deleted_at_its_folder() {
    let stage = Stage::start().await;
    let john = Leaver::of("john.doe");
    john.revoke(&stage.connect(ID, BUDGET)).await;
    let asked = stage.requests(ID).await;
    let refused = asked.iter().filter(|request| request["method"] == "DELETE" && request["status"] == 400);
    assert_eq!(refused.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_drive_goes_to_the_manager_and_a_guest_is_looked_at() {
    let stage = Stage::start().await;
    let john = Leaver::of("john.doe");
    let (_, report) = john.revoke(&stage.connect(ID, BUDGET)).await;
    let left: Vec<_> =
        report.after.unwrap().assets.into_iter().map(|asset| (asset.kind, asset.next)).collect();
    assert_eq!(left, [("guest_share".to_owned(), Next::Task), ("onedrive".to_owned(), Next::Transfer)]);
}

/// The account belongs to another row: nothing here touches it, and nobody gets an e-mail about a permission that came back.
#[tokio::test(flavor = "multi_thread")]
async fn the_account_is_left_alone_and_a_permission_comes_back_silently() {
    let stage = Stage::start().await;
    let john = Leaver::of("john.doe");
    let to = stage.connect(ID, BUDGET);
    let (survey, _) = john.revoke(&to).await;
    assert_eq!(restored(&to, &john.person, &survey.found).await.fault, None);
    let asked = stage.requests(ID).await;
    let writes =
        |request: &&Value| request["method"] != "GET" && !request["path"].to_string().contains("oauth2");
    assert!(asked.iter().filter(writes).all(|one| one["path"].to_string().contains("/drives/")), "{asked:?}");
    let invited: Vec<&Value> =
        asked.iter().filter(|one| one["path"].to_string().contains("/invite")).collect();
    assert_eq!(invited.len(), 2);
    assert!(invited.iter().all(|one| one["body"]["sendInvitation"] == false));
}

/// A link's address opens its file: it is neither kept nor told.
#[tokio::test(flavor = "multi_thread")]
async fn the_address_of_a_link_is_never_kept() {
    let stage = Stage::start().await;
    let (survey, report) = Leaver::of("john.doe").revoke(&stage.connect(ID, BUDGET)).await;
    let shown = format!("{} {report:?}", serde_json::to_string(&survey.found).unwrap());
    assert!(!shown.contains("/:w:/g/"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_sites_that_are_named_are_looked_at() {
    let mut stage = Stage::start().await;
    let all = stage.requests(ID).await;
    assert!(all.is_empty());
    stage.settings.get_mut(ID).unwrap().insert("sites".into(), "root nowhere".into());
    let to = stage.connect(ID, BUDGET);
    let john = Leaver::of("john.doe");
    let missing = to.adapter.discover(&to.http, &john.person).await.unwrap_err();
    assert_eq!(
        missing.kind,
        FaultKind::NotFound,
        "a site that is named and not there is an error, never a shorter list"
    );
    stage.settings.get_mut(ID).unwrap().insert("sites".into(), "root".into());
    let to = stage.connect(ID, BUDGET);
    let found = to.adapter.discover(&to.http, &john.person).await.unwrap();
    let names: Vec<&str> = found.grants.iter().map(|grant| grant.name.as_str()).collect();
    assert_eq!(names, ["Intranet / Documents: read"]);
}
