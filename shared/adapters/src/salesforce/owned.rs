//! What lives on in Salesforce without its user: jobs that run, reports, dashboards, applications and records.

use super::soql::{self, quoted};
use crate::http::Reader;
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::{Asset, Next},
};
use serde::Deserialize;

/// Objects whose records have an owner, with which of them still matter.
const RECORDS: [(&str, &str); 4] = [
    ("Account", ""),
    ("Lead", " AND IsConverted = false"),
    ("Opportunity", " AND IsClosed = false"),
    ("Case", " AND IsClosed = false"),
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Job {
    id: String,
    state: Option<String>,
    cron_job_detail: Option<Named>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Named {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Thing {
    id: String,
    #[serde(alias = "Title")]
    name: String,
}

fn asset(id: String, kind: &str, name: String, next: Next) -> Asset {
    Asset { id, kind: kind.to_owned(), name, live_automation: false, next }
}

/// What could be read; where leaver's user may not see the object, the fact that it could not.
fn or_said(kind: &str, read: Result<Vec<Asset>, Fault>) -> Result<Vec<Asset>, Fault> {
    match read {
        Err(fault) if fault.kind == FaultKind::PermissionMissing => {
            let name = "not readable with leaver's permissions: look by hand".to_owned();
            Ok(vec![asset(format!("unread:{kind}"), kind, name, Next::Task)])
        }
        other => other,
    }
}

/// Jobs that are going to run again.
async fn jobs(http: &Reader, id: &str) -> Result<Vec<Asset>, Fault> {
    let text = format!("SELECT Id, State, CronJobDetail.Name FROM CronTrigger WHERE OwnerId = '{id}'");
    let over = |job: &Job| matches!(job.state.as_deref(), Some("COMPLETE" | "ERROR" | "DELETED"));
    let jobs = soql::all::<Job>(http, &text).await?.into_iter().filter(|job| !over(job));
    let live = |job: Job| {
        let name = job.cron_job_detail.map_or_else(|| job.id.clone(), |detail| detail.name);
        Asset { live_automation: true, ..asset(job.id, "scheduled_job", name, Next::Task) }
    };
    Ok(jobs.map(live).collect())
}

async fn things(http: &Reader, kind: &str, text: &str, next: Next) -> Result<Vec<Asset>, Fault> {
    let found = soql::all::<Thing>(http, text).await?;
    Ok(found.into_iter().map(|thing| asset(thing.id, kind, thing.name, next)).collect())
}

async fn records(http: &Reader, id: &str, object: &str, open: &str) -> Result<Vec<Asset>, Fault> {
    let text = format!("SELECT COUNT() FROM {object} WHERE OwnerId = '{id}'{open}");
    let count = soql::count(http, &text).await?;
    let name = format!("{count} records of {object}");
    let kind = object.to_lowercase();
    Ok((count > 0)
        .then(|| asset(format!("owned:{object}"), &kind, name, Next::Transfer))
        .into_iter()
        .collect())
}

/// Everything that lives on without the user of this id.
pub(super) async fn assets(http: &Reader, id: &str) -> Result<Vec<Asset>, Fault> {
    let id = quoted(id);
    // Only this scope shows what stands in somebody else's private folder.
    let reports = format!("SELECT Id, Name FROM Report USING SCOPE allPrivate WHERE OwnerId = '{id}'");
    // A dashboard shows what its running user may see, and nothing once that user is not active.
    let dashboards = format!("SELECT Id, Title FROM Dashboard WHERE RunningUserId = '{id}'");
    let apps = format!("SELECT Id, Name FROM ConnectedApplication WHERE CreatedById = '{id}'");
    let (jobs, reports, dashboards, apps) = tokio::join!(
        jobs(http, &id),
        things(http, "report", &reports, Next::Transfer),
        things(http, "dashboard", &dashboards, Next::Transfer),
        things(http, "connected_app", &apps, Next::Rotate)
    );
    let mut all = or_said("scheduled_job", jobs)?;
    all.extend(or_said("report", reports)?);
    all.extend(or_said("dashboard", dashboards)?);
    all.extend(or_said("connected_app", apps)?);
    for (object, open) in RECORDS {
        all.extend(or_said(&object.to_lowercase(), records(http, &id, object, open).await)?);
    }
    Ok(all)
}
