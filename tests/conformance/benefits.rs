//! Gusto's benefits: every enrolment under its version, nothing deleted.

use crate::{BUDGET, Leaver};
use leaver_conformance::sandbox::Stage;
use leaver_domain::{inventory::Next, plan::ActionKind};
use serde_json::json;

const ID: &str = "benefits";

#[tokio::test(flavor = "multi_thread")]
async fn every_enrolment_is_ended_by_itself_and_none_is_deleted() {
    let stage = Stage::start().await;
    let john = Leaver::of("john.doe");
    let (survey, report) = john.revoke(&stage.connect(ID, BUDGET)).await;
    assert_eq!((report.fault, report.done.len()), (None, 3));
    let is_end = |kind| kind == ActionKind::RecordEnd;
    assert!(survey.plan.0.iter().all(|one| is_end(one.kind) && one.target.starts_with("benefit:")));
    let requests = stage.requests(ID).await;
    let writes: Vec<_> = requests.iter().filter(|request| request["method"] != "GET").collect();
    assert!(writes.iter().all(|write| write["method"] == "PUT" && write["body"]["active"] == false));
    // Nothing but the end is written: what is deducted and contributed stays on record.
    assert!(writes.iter().all(|write| write["body"].as_object().is_some_and(|body| body.len() == 2)));
    let task = survey.found.assets.iter().find(|asset| asset.kind == "continued_cover");
    assert_eq!(task.map(|asset| asset.next), Some(Next::Task));
}

/// Somebody changed the enrolment between the read and the write: it is read again, with its new version.
#[tokio::test(flavor = "multi_thread")]
async fn an_old_version_is_read_again_and_not_forced() {
    let stage = Stage::start().await;
    let conflict = json!({"errors": [{"error_key": "base", "category": "invalid_resource_version"}]});
    stage.fault(json!({"system": ID, "match": "PUT ", "status": 409, "body": conflict, "times": 1})).await;
    let john = Leaver::of("john.doe");
    let (_, report) = john.revoke(&stage.connect(ID, BUDGET)).await;
    assert_eq!(report.fault, None);
    let requests = stage.requests(ID).await;
    let refused = requests.iter().position(|request| request["status"] == 409).expect("a refusal");
    let path = &requests[refused]["path"];
    let again: Vec<_> = requests[refused + 1..].iter().filter(|request| request["path"] == *path).collect();
    assert_eq!((&again[0]["method"], &again[1]["method"]), (&json!("GET"), &json!("PUT")));
    assert_eq!(stage.account(ID, "john.doe").await["active"], false);
}
