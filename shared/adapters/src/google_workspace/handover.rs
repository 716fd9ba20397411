//! What a user owned in Drive and Calendar goes to somebody else by the Data Transfer API: asked for once, moved by Google over
//! minutes or hours, and followed by reading the transfer again.

use super::read::{CUSTOMER, list};
use crate::{
    handover::Progress,
    http::{Command, Query, Reader, Writer},
};
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::{Account, Asset, Next},
    plan::Outcome,
    time::Timestamp,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

const TRANSFERS: [&str; 4] = ["admin", "datatransfer", "v1", "transfers"];
/// A repeat of a step comes within this time. Whoever comes back and leaves again later has made something new meanwhile.
const SAME: Duration = Duration::from_secs(24 * 3_600);

/// What is moved: our id, its kind, its name for people, and the name that Google gives the application.
const APPLICATIONS: [(&str, &str, &str, &str); 2] = [
    ("drive", "files", "in Drive", "Drive and Docs"),
    ("calendar", "calendars", "and their future events", "Calendar"),
];

#[derive(Deserialize)]
struct Application {
    id: String,
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Transfer {
    #[serde(default)]
    application_data_transfers: Vec<OfApplication>,
    overall_transfer_status_code: Option<String>,
    request_time: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfApplication {
    application_id: String,
    application_transfer_status: Option<String>,
}

impl Transfer {
    /// How far it is with one application.
    fn progress(&self, application: &str) -> Option<Progress> {
        let of = self.application_data_transfers.iter().find(|one| one.application_id == application)?;
        let said = of.application_transfer_status.as_ref().or(self.overall_transfer_status_code.as_ref());
        Some(match said.map(|said| said.to_ascii_lowercase()).as_deref() {
            Some("completed") => Progress::Done,
            Some("failed") => Progress::Failed("Google gave the transfer up".to_owned()),
            _ => Progress::Running,
        })
    }
}

/// What Google can move, whoever the user is: whether there is anything in it, only the transfer finds out.
pub(super) fn assets() -> Vec<Asset> {
    let asset = |(id, kind, name, _): &(&str, &str, &str, &str)| Asset {
        id: (*id).to_owned(),
        kind: (*kind).to_owned(),
        name: (*name).to_owned(),
        live_automation: false,
        next: Next::Transfer,
    };
    APPLICATIONS.iter().map(asset).collect()
}

/// The id that Google has for the application behind one of our assets.
async fn application(http: &Reader, asset: &str) -> Result<String, Fault> {
    let known = APPLICATIONS.iter().find(|(id, ..)| *id == asset);
    let (.., name) = known.ok_or_else(crate::handover::misnamed)?;
    let query = Query::get(["admin", "datatransfer", "v1", "applications"]).query("customerId", CUSTOMER);
    let all: Vec<Application> = list(http, query, "applications").await?;
    let found = all.into_iter().find(|one| one.name.eq_ignore_ascii_case(name));
    found.map(|one| one.id).ok_or_else(|| {
        Fault::new(
            FaultKind::PermissionMissing,
            format!("{name} is not among the applications that Google moves data of"),
        )
    })
}

/// How far the newest transfer of an application from one user to another is.
async fn newest(
    http: &Reader,
    from: &str,
    to: &str,
    application: &str,
) -> Result<Option<(Timestamp, Progress)>, Fault> {
    let query = Query::get(TRANSFERS)
        .query("customerId", CUSTOMER)
        .query("oldOwnerUserId", from)
        .query("newOwnerUserId", to)
        .query("maxResults", 100);
    let all: Vec<Transfer> = list(http, query, "dataTransfers").await?;
    let known = all.iter().filter_map(|one| Some((one.request_time?, one.progress(application)?)));
    Ok(known.max_by_key(|(at, _)| *at))
}

/// How far a transfer is.
pub(super) async fn progress(
    http: &Reader,
    from: &Account,
    asset: &str,
    to: &str,
) -> Result<Progress, Fault> {
    let application = application(http, asset).await?;
    let newest = newest(http, &from.id, to, &application).await?;
    Ok(newest.map_or(Progress::Unknown, |(_, progress)| progress))
}

fn parameters(asset: &str) -> Value {
    match asset {
        // What nobody else could see goes as well: it belongs to the company.
        "drive" => json!([{"key": "PRIVACY_LEVEL", "value": ["PRIVATE", "SHARED"]}]),
        _ => json!([]),
    }
}

/// Asks Google to move something, unless it was asked just before.
pub(super) async fn ask(http: &Writer, from: &Account, asset: &str, to: &str) -> Result<Outcome, Fault> {
    let application = application(http, asset).await?;
    match newest(http, &from.id, to, &application).await? {
        Some((_, Progress::Running)) => return Ok(Outcome::Accepted),
        Some((at, Progress::Done)) if http.now() < at.plus(SAME) => return Ok(Outcome::Already),
        _ => {}
    }
    let body = json!({
        "oldOwnerUserId": from.id, "newOwnerUserId": to,
        "applicationDataTransfers": [
            {"applicationId": application, "applicationTransferParams": parameters(asset)},
        ],
    });
    let answer = http.tell(Command::post(TRANSFERS).json(body)).await?;
    // A page of a proxy in between is no receipt.
    let made: Value = answer.json()?;
    match made.get("id").and_then(Value::as_str) {
        Some(_) => Ok(Outcome::Accepted),
        None => Err(Fault::shape("Google took a transfer on and gave it no id")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transfer(status: &str) -> Transfer {
        serde_json::from_value(json!({
            "applicationDataTransfers": [{"applicationId": "1", "applicationTransferStatus": status}],
            "overallTransferStatusCode": "inProgress", "requestTime": "2026-02-03T14:30:00.000Z",
        }))
        .unwrap()
    }

    #[test]
    fn each_application_has_a_state_of_its_own() {
        assert_eq!(transfer("completed").progress("1"), Some(Progress::Done));
        assert_eq!(transfer("inProgress").progress("1"), Some(Progress::Running));
        assert!(matches!(transfer("failed").progress("1"), Some(Progress::Failed(_))));
        assert_eq!(transfer("completed").progress("2"), None);
    }
}
