//! `leaver case`.

use super::{print, revoke::WATCH};
use clap::Subcommand;
use leaver_cli::{
    Exit, Failure,
    api::{Client, segment},
    progress::Progress,
    show, watch,
};
use serde_json::{Value, json};

/// Cases asked for at a time.
const PAGE: usize = 50;

#[derive(Debug, Subcommand)]
pub(crate) enum Case {
    /// The newest cases.
    List {
        /// At most so many.
        #[arg(long, default_value_t = PAGE)]
        limit: usize,
        /// Only those whose time has not come, the earliest first.
        #[arg(long)]
        scheduled: bool,
    },
    /// One case with all its systems.
    Show {
        /// Its id.
        id: String,
    },
    /// Follow a case until it has come to rest.
    Watch {
        /// Its id.
        id: String,
    },
    /// Call off a case that has not begun: one that is held, or whose time has not come.
    Cancel {
        /// Its id.
        id: String,
        /// Why.
        #[arg(long)]
        reason: String,
    },
    /// Have an incomplete case tried again: whatever is not finished, and nobody said no to.
    Force {
        /// Its id.
        id: String,
        /// Why.
        #[arg(long)]
        reason: String,
    },
}

impl Case {
    pub(super) async fn run(&self, api: &Client, json: bool) -> Result<Exit, Failure> {
        match self {
            Self::List { limit, scheduled } => {
                let (cases, more) = list(api, *limit, *scheduled).await?;
                print(json, &json!({"cases": cases, "more": more}), |_| {
                    let mut said = match cases.as_slice() {
                        [] => "no cases".to_owned(),
                        cases if *scheduled => show::scheduled(cases),
                        cases => show::cases(cases),
                    };
                    if *scheduled && more {
                        said.push_str("\n\nThere are more: `--limit N` shows so many.");
                    }
                    said
                });
                Ok(Exit::Done)
            }
            Self::Show { id } => {
                let case = api.get(&format!("/api/v1/cases/{}", segment(id))).await?;
                print(json, &case, show::case);
                Ok(Exit::Done)
            }
            Self::Watch { id } => {
                let case = watch::follow(api, id, &Progress::detect(), WATCH).await?;
                print(json, &case, show::case);
                Ok(Exit::of_status(case["status"].as_str().unwrap_or_default()))
            }
            Self::Cancel { id, reason } => {
                let path = format!("/api/v1/cases/{}/cancel", segment(id));
                let (_, case) = api.post(&path, &json!({"reason": reason})).await?;
                print(json, &case, show::case);
                Ok(Exit::Done)
            }
            Self::Force { id, reason } => {
                let case = force(api, id, reason).await?;
                print(json, &case, show::case);
                Ok(Exit::of_status(case["status"].as_str().unwrap_or_default()))
            }
        }
    }
}

/// Has a case tried again.
pub(super) async fn force(api: &Client, id: &str, reason: &str) -> Result<Value, Failure> {
    let path = format!("/api/v1/cases/{}/force", segment(id));
    api.post(&path, &json!({"reason": reason})).await.map(|(_, case)| case)
}

/// The newest cases, or those whose time has not come, page by page; and whether there are more.
async fn list(api: &Client, limit: usize, scheduled: bool) -> Result<(Vec<Value>, bool), Failure> {
    let mut cases: Vec<Value> = Vec::new();
    let mut from = String::new();
    while cases.len() < limit {
        let most = PAGE.min(limit - cases.len());
        let page = api.get(&format!("/api/v1/cases?scheduled={scheduled}&limit={most}{from}")).await?;
        cases.extend(page["cases"].as_array().into_iter().flatten().cloned());
        match page["next"].as_str() {
            Some(next) => from = format!("&from={}", segment(next)),
            None => return Ok((cases, false)),
        }
    }
    Ok((cases, true))
}
