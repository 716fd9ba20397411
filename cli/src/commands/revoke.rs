//! `leaver revoke`.

use super::print;
use clap::Args;
use leaver_cli::{Exit, Failure, api::Client, progress::Progress, show, watch};
use leaver_domain::time::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;

/// How long `--watch` waits.
pub(super) const WATCH: Duration = Duration::from_secs(3600);

#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// Whose access: the login name in the directory.
    #[arg(long)]
    user: String,
    /// Why.
    #[arg(long)]
    reason: String,
    /// Only show what would be done.
    #[arg(long)]
    dry_run: bool,
    /// Do it at once, whatever the risk; it is reviewed afterwards.
    #[arg(long)]
    emergency: bool,
    /// Take only these permissions and leave the accounts usable.
    #[arg(long, value_delimiter = ',', value_name = "NAME,...")]
    permissions: Vec<String>,
    /// Keep the person's data.
    #[arg(long)]
    preserve_data: bool,
    /// When access ends, such as 2026-02-03T14:30:00Z; otherwise now.
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// Stay until the case has come to rest.
    #[arg(long)]
    watch: bool,
}

impl Revoke {
    /// What the API is asked for.
    fn request(&self) -> Value {
        let partial = !self.permissions.is_empty();
        let mut body = json!({
            "person": self.user,
            "mode": if partial { "partial" } else { "leave" },
            "reason": self.reason,
            "dry_run": self.dry_run,
            "emergency": self.emergency,
            "preserve_data": self.preserve_data,
        });
        if partial {
            body["scope"] = json!({"grants": self.permissions});
        }
        if let Some(at) = self.at {
            body["effective_at"] = json!(at);
        }
        body
    }

    pub(super) async fn run(&self, api: &Client, json: bool) -> Result<Exit, Failure> {
        let (_, case) = api.post("/api/v1/cases", &self.request()).await?;
        if self.dry_run {
            print(json, &case, show::case);
            let failed =
                case["systems"].as_array().into_iter().flatten().any(|system| !system["fault"].is_null());
            return Ok(if failed { Exit::Failed } else { Exit::Done });
        }
        let id = show::text(&case, "/case_id");
        if !self.watch {
            print(json, &case, |case| {
                format!("{id}  {}\n`leaver case watch {id}` follows it.", show::text(case, "/status"))
            });
            return Ok(Exit::of_status(case["status"].as_str().unwrap_or_default()));
        }
        let case = watch::follow(api, &id, &Progress::detect(), WATCH).await?;
        print(json, &case, show::case);
        Ok(Exit::of_status(case["status"].as_str().unwrap_or_default()))
    }
}
