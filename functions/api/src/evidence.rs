//! Packs of evidence: asked for here, made by the function `export`, fetched from the bucket by an address that ends.

use crate::{Api, Call, Reply, Role, stored};
use leaver_domain::{
    export::{Export, ExportStatus, Period},
    ports::StoreError,
    problem::Problem,
    sealing,
};
use serde_json::{Value, json};
use std::time::Duration;

/// How long the address of a pack can be used.
const LIFETIME: Duration = Duration::from_secs(900);
/// When whoever waits should ask again.
const ASK_AGAIN_SECONDS: u32 = 2;

/// `GET /api/v1/evidence?from&to`: 202 while the pack is made, 200 with its address once it is there.
pub(crate) async fn export(api: &Api<'_>, call: &Call) -> Result<Reply, Problem> {
    call.caller.must_be(&[Role::Auditor, Role::Security])?;
    let given = |name: &str| call.query.get(name).map(String::as_str).unwrap_or_default();
    let period = Period::parse(given("from"), given("to"), api.now)
        .map_err(|why| Problem::new(400, "invalid-parameter", format!("The period is not usable: {why}.")))?;
    let checkpoint = sealing::published(api.ledger).await.map_err(stored)?.ok_or_else(|| {
        let detail = "The ledger has no published checkpoint yet, so that there is nothing an export could end under. \
                      It is published within seconds of its first row.";
        Problem::new(409, "nothing-published", detail)
    })?;
    let id = Export::id(&period, checkpoint.size);
    let export = match api.evidence.export(&id).await.map_err(stored)? {
        Some(known) => match known.again(api.now) {
            Some(again) => written(api, again).await?,
            None => known,
        },
        None => {
            let asked = Export::requested(period, checkpoint.size, call.caller.username.as_str(), api.now);
            written(api, asked).await?
        }
    };
    answer(api, &export)
}

/// `GET /api/v1/evidence/{export_id}`: where an export stands that was asked for before.
pub(crate) async fn show(api: &Api<'_>, call: &Call, id: &str) -> Result<Reply, Problem> {
    call.caller.must_be(&[Role::Auditor, Role::Security])?;
    let export = api.evidence.export(id).await.map_err(stored)?.ok_or_else(Problem::not_found)?;
    answer(api, &export)
}

fn answer(api: &Api<'_>, export: &Export) -> Result<Reply, Problem> {
    let status = if export.status == ExportStatus::Building { 202 } else { 200 };
    Reply::json(status, &view(api, export)?)
}

/// Writes what was asked for; somebody else who asked for the same at the same time was as good.
async fn written(api: &Api<'_>, export: Export) -> Result<Export, Problem> {
    match api.evidence.put_export(&export).await {
        Ok(()) => Ok(export),
        Err(StoreError::Conflict) => {
            let known = api.evidence.export(&export.export_id).await.map_err(stored)?;
            known.ok_or_else(Problem::unavailable)
        }
        Err(error) => Err(stored(error)),
    }
}

fn view(api: &Api<'_>, export: &Export) -> Result<Value, Problem> {
    let mut view = json!({
        "export_id": export.export_id,
        "status": export.status,
        "period": export.period,
        "checkpoint_size": export.checkpoint_size,
        "requested_by": export.requested_by,
        "requested_at": export.requested_at,
        "failure": export.failure,
    });
    match &export.archive {
        Some(archive) if export.status == ExportStatus::Ready => {
            view["archive"] = json!({
                "url": api.archives.download_url(&archive.key, LIFETIME).map_err(stored)?,
                "url_expires_at": api.now.plus(LIFETIME),
                "media_type": "application/gzip",
                "sha256": archive.sha256,
                "manifest_sha256": archive.manifest,
                "bytes": archive.bytes,
                "rows": archive.rows,
                "cases": archive.cases,
            });
        }
        _ if export.status == ExportStatus::Building => view["ask_again_seconds"] = json!(ASK_AGAIN_SECONDS),
        _ => {}
    }
    Ok(view)
}
