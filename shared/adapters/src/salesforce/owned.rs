//! What lives on in Salesforce without its user: jobs that run, reports, dashboards, applications and records.

use super::soql::{self, API, quoted};
use crate::http::{Command, Reader, Writer};
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::{Asset, Next},
    plan::Outcome,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// Before an object's name, in the id of the asset that stands for its records.
pub(super) const RECORDS_OF: &str = "owned:";
/// Most records that one call changes; Salesforce's own limit.
const BATCH: usize = 200;
/// Most records of one object that one step gives to somebody else; the next step goes on.
const MOST: usize = 2_000;

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
        .then(|| asset(format!("{RECORDS_OF}{object}"), &kind, name, Next::Transfer))
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

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    id: String,
}

#[derive(Deserialize)]
struct Changed {
    success: bool,
}

/// Gives the records of one object to somebody else, a batch at a time. What Salesforce keeps for a reason of its own, such as a
/// rule that the heir's profile does not meet, is left, and a later read shows it.
pub(super) async fn give(http: &Writer, from: &str, records: &str, heir: &str) -> Result<Outcome, Fault> {
    let object = records.strip_prefix(RECORDS_OF).unwrap_or_default();
    let known = RECORDS.iter().find(|(name, _)| *name == object);
    let (object, open) = known.ok_or_else(crate::handover::misnamed)?;
    let from = quoted(from);
    let text = format!("SELECT Id FROM {object} WHERE OwnerId = '{from}'{open} LIMIT {MOST}");
    let rows: Vec<Row> = soql::all(http, &text).await?;
    if rows.is_empty() {
        return Ok(Outcome::Already);
    }
    for batch in rows.chunks(BATCH) {
        let record = |row: &Row| json!({"attributes": {"type": object}, "id": row.id, "OwnerId": heir});
        let records: Vec<Value> = batch.iter().map(record).collect();
        let command = Command::patch(["services", "data", API, "composite", "sobjects"]);
        let answer = http.tell(command.json(json!({"allOrNone": false, "records": records}))).await?;
        let changed: Vec<Changed> = answer.json()?;
        if changed.len() != batch.len() {
            return Err(Fault::shape(
                "Salesforce answered for another number of records than it was asked about",
            ));
        }
        let kept = changed.iter().filter(|one| !one.success).count();
        if kept > 0 {
            let detail = format!("Salesforce does not let {kept} records of {object} go to that user");
            return Err(Fault::new(FaultKind::Conflict, detail));
        }
    }
    Ok(Outcome::Done)
}
