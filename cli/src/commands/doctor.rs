//! `leaver doctor`.

use super::print;
use leaver_cli::{Exit, Failure, api::Client, show};

/// Checks the deployment.
pub(super) async fn run(api: &Client, json: bool) -> Result<Exit, Failure> {
    let answer = api.get("/api/v1/doctor").await?;
    print(json, &answer, show::checks);
    let checks = answer["checks"].as_array().map_or(&[][..], Vec::as_slice);
    let good = !checks.is_empty() && checks.iter().all(|check| check["ok"] == true);
    Ok(if good { Exit::Done } else { Exit::Failed })
}
