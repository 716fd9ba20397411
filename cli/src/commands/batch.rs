//! `leaver batch`.

use super::{print, revoke::WATCH, say};
use clap::{Args, Subcommand};
use leaver_cli::{
    Context as _, Exit, Failure,
    api::{Client, Posted, segment},
    progress::Progress,
    show,
};
use leaver_domain::digest::Digest;
use serde_json::{Value, json};
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

/// Between two looks at a batch.
const POLL: Duration = Duration::from_secs(2);
/// Lines asked for at a time.
const PAGE: usize = 100;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Batch {
    #[command(subcommand)]
    command: Option<Command>,
    /// A CSV file with the columns username,reason,revocation_type,preserve_data, in any order.
    #[arg(required = true)]
    file: Option<PathBuf>,
    /// Only check the file.
    #[arg(long)]
    dry_run: bool,
    /// Stay until everybody's access is contained and every case has come to rest.
    #[arg(long)]
    watch: bool,
    /// Send a file anew whose batch was called off or has come to rest. One that is under way goes on where it is.
    #[arg(long, conflicts_with = "dry_run")]
    again: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// A batch: how far it is, when it may be done, and its lines.
    Show {
        /// Its id.
        id: String,
        /// Show every line, and not only those that need somebody.
        #[arg(long)]
        all: bool,
    },
    /// The newest batches.
    List,
    /// Follow a batch until it has come to rest.
    Watch {
        /// Its id.
        id: String,
    },
    /// Call off whatever was not recorded yet.
    Cancel {
        /// Its id.
        id: String,
        /// Why.
        #[arg(long)]
        reason: String,
    },
}

impl Batch {
    pub(super) async fn run(&self, api: &Client, json: bool) -> Result<Exit, Failure> {
        match &self.command {
            None => self.send(api, json).await,
            Some(Command::Show { id, all }) => {
                let batch = whole(api, id).await?;
                print(json, &batch, |batch| show::batch(batch, *all));
                Ok(Exit::Done)
            }
            Some(Command::List) => {
                let page = api.get("/api/v1/batches?limit=50").await?;
                print(json, &page, |page| match page["batches"].as_array().map(Vec::as_slice) {
                    None | Some([]) => "no batches".to_owned(),
                    Some(batches) => show::batches(batches),
                });
                Ok(Exit::Done)
            }
            Some(Command::Watch { id }) => follow(api, id, json).await,
            Some(Command::Cancel { id, reason }) => {
                let path = format!("/api/v1/batches/{}/cancel", segment(id));
                let (_, batch) = api.post(&path, &json!({"reason": reason})).await?;
                print(json, &batch, |batch| show::batch(batch, false));
                Ok(Exit::Done)
            }
        }
    }

    async fn send(&self, api: &Client, json: bool) -> Result<Exit, Failure> {
        let file = self.file.as_ref().ok_or_else(|| Failure::Usage("which file?".into()))?;
        let bytes = std::fs::read(file).context(file.display().to_string())?;
        // The same file is the same batch: whoever was interrupted sends it again.
        let mut key = format!("file-{}", Digest::of(&bytes));
        let answer = loop {
            let answer = match self.post(api, &bytes, &key, json).await? {
                Ok(answer) => answer,
                Err(exit) => return Ok(exit),
            };
            if !(self.again && is_over(&answer)) {
                break answer;
            }
            key = key_after(&bytes, &show::text(&answer, "/batch_id"));
        };
        let off = is_over(&answer) && answer["status"] == "cancelled";
        if self.watch && !self.dry_run && !off {
            return follow(api, &show::text(&answer, "/batch_id"), json).await;
        }
        print(json, &answer, |answer| show::batch_receipt(answer, self.dry_run));
        let held = answer["status"] == "held" && !self.dry_run;
        Ok(match (held, off) {
            (true, _) => Exit::Waiting,
            (false, true) => Exit::Failed,
            (false, false) => Exit::Done,
        })
    }

    /// Sends the file under a number; what it ends with where it was refused and that was said.
    async fn post(
        &self,
        api: &Client,
        bytes: &[u8],
        key: &str,
        json: bool,
    ) -> Result<Result<Value, Exit>, Failure> {
        let query = if self.dry_run { "?dry_run=true" } else { "" };
        let path = format!("/api/v1/cases/batch{query}");
        match api.post_file(&path, "text/csv", bytes.to_vec(), key).await? {
            Posted::Taken(answer) => Ok(Ok(answer)),
            Posted::Refused(failure, said) => {
                let bad = said["lines"].as_array().map(Vec::as_slice).unwrap_or_default();
                if json {
                    say(&said.to_string());
                    eprintln!("leaver: refused: {failure}");
                    return Ok(Err(failure.exit()));
                }
                if !bad.is_empty() {
                    say(&show::bad_lines(bad));
                }
                Err(failure)
            }
        }
    }
}

/// Whether a file was taken before, and nothing more comes of that.
fn is_over(answer: &Value) -> bool {
    answer["duplicate"] == true && matches!(answer["status"].as_str(), Some("ended" | "cancelled"))
}

/// The number under which a file is sent anew whose batch is over: the same for whoever is interrupted and sends it anew again.
fn key_after(bytes: &[u8], batch: &str) -> String {
    format!("file-{}", Digest::of_parts(&[bytes, b"\0", batch.as_bytes()]))
}

/// A batch with all its lines.
async fn whole(api: &Client, id: &str) -> Result<Value, Failure> {
    let path = |from: u64| format!("/api/v1/batches/{}?limit={PAGE}&from={from}", segment(id));
    let mut batch = api.get(&path(0)).await?;
    while let Some(next) = batch["next"].as_u64() {
        let mut page = api.get(&path(next)).await?;
        batch["next"] = page["next"].take();
        let more = page["lines"].as_array_mut().map(std::mem::take).unwrap_or_default();
        if let Some(lines) = batch["lines"].as_array_mut() {
            lines.extend(more);
        }
    }
    Ok(batch)
}

/// Waits until a batch has come to rest, or waits for somebody.
async fn follow(api: &Client, id: &str, json: bool) -> Result<Exit, Failure> {
    let progress = Progress::detect();
    let mut step = progress.step(&format!("{id}: contained"));
    let begun = Instant::now();
    let path = format!("/api/v1/batches/{}?limit=0", segment(id));
    let batch = loop {
        let batch = api.get(&path).await?;
        let number = |pointer: &str| batch.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
        step.at(number("/progress/finished"), number("/total"));
        step.note(show::batch_pace(&batch));
        if batch["status"] != "running" || begun.elapsed() > WATCH {
            break batch;
        }
        tokio::time::sleep(POLL).await;
    };
    step.done(&show::text(&batch, "/status"));
    print(json, &batch, |batch| show::batch(batch, false));
    Ok(came_to(&batch))
}

/// What a batch means for whoever waited for it.
fn came_to(batch: &Value) -> Exit {
    let count = |name: &str| batch["counts"][name].as_u64().unwrap_or(0);
    match batch["status"].as_str() {
        Some("held") => Exit::Waiting,
        Some("cancelled") => Exit::Failed,
        _ if count("incomplete") + count("refused") + count("rejected") > 0 => Exit::Failed,
        Some("running") => Exit::Failed,
        _ if count("held") + count("awaiting_approval") > 0 => Exit::Waiting,
        _ => Exit::Done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_over_is_sent_anew_and_under_a_number_of_its_own() {
        let of = |duplicate: bool, status: &str| is_over(&json!({"duplicate": duplicate, "status": status}));
        assert!(of(true, "ended") && of(true, "cancelled"));
        assert!(!of(true, "held") && !of(true, "running") && !of(false, "ended"));
        assert_eq!(key_after(b"a", "batch-1"), key_after(b"a", "batch-1"));
        assert_ne!(key_after(b"a", "batch-1"), key_after(b"a", "batch-2"));
        assert_ne!(key_after(b"a", "batch-1"), key_after(b"b", "batch-1"));
        assert!(format!("key-{}", key_after(b"a", "batch-1")).parse::<leaver_domain::id::EventId>().is_ok());
    }

    #[test]
    fn what_waits_for_a_human_is_not_what_failed() {
        let of = |status: &str, counts: Value| came_to(&json!({"status": status, "counts": counts}));
        assert_eq!(of("held", json!({})), Exit::Waiting);
        assert_eq!(of("ended", json!({"complete": 3, "already": 1})), Exit::Done);
        assert_eq!(of("ended", json!({"complete": 3, "awaiting_approval": 1})), Exit::Waiting);
        assert_eq!(of("ended", json!({"awaiting_approval": 1, "incomplete": 1})), Exit::Failed);
        assert_eq!(of("running", json!({"waiting": 1})), Exit::Failed);
        assert_eq!(of("cancelled", json!({"skipped": 1})), Exit::Failed);
    }
}
