//! `leaver approvals`.

use super::print;
use clap::{Args, Subcommand};
use leaver_cli::{
    Exit, Failure,
    api::{Client, segment},
    show,
};
use serde_json::json;

#[derive(Debug, Subcommand)]
pub(crate) enum Approvals {
    /// What waits for a decision, the oldest first.
    List,
    /// What is to be decided, and the evidence behind it.
    Show {
        /// Its id.
        id: String,
    },
    /// It is done as shown.
    Approve(Decided),
    /// It is not done; the system's owner has a task to say what happens instead.
    Deny(Denied),
    /// The next level decides.
    Escalate(Decided),
}

#[derive(Debug, Args)]
pub(crate) struct Decided {
    /// Its id.
    id: String,
    /// Why. It is kept in the ledger; held cases are not decided without.
    #[arg(long)]
    reason: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Denied {
    /// Its id.
    id: String,
    /// Why. It is kept in the ledger.
    #[arg(long)]
    reason: String,
}

impl Approvals {
    pub(super) async fn run(&self, api: &Client, json: bool) -> Result<Exit, Failure> {
        let (decision, id, reason) = match self {
            Self::List => {
                let waiting = api.get("/api/v1/approvals").await?;
                print(json, &waiting, show::approvals);
                return Ok(Exit::Done);
            }
            Self::Show { id } => {
                let approval = api.get(&format!("/api/v1/approvals/{}", segment(id))).await?;
                print(json, &approval, show::approval);
                return Ok(Exit::Done);
            }
            Self::Approve(Decided { id, reason }) => ("approve", id, reason.as_deref()),
            Self::Deny(Denied { id, reason }) => ("deny", id, Some(reason.as_str())),
            Self::Escalate(Decided { id, reason }) => ("escalate", id, reason.as_deref()),
        };
        let mut body = json!({"decision": decision});
        if let Some(reason) = reason {
            body["reason"] = reason.into();
        }
        let path = format!("/api/v1/approvals/{}", segment(id));
        let (_, approval) = api.post(&path, &body).await?;
        print(json, &approval, show::approval);
        // One of two approvals, or a request handed on, still waits for somebody.
        Ok(if approval["status"] == "pending" { Exit::Waiting } else { Exit::Done })
    }
}
