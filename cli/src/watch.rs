//! Follows a case until it comes to rest, one line per system.

use crate::{
    api::{Client, Event, segment},
    failure::{Context as _, Failure},
    progress::{Progress, Step},
    show,
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// Pause between two looks: the API answers with what is new and closes.
const PAUSE: Duration = Duration::from_millis(400);
/// How many looks may fail in a row.
const PATIENCE: u32 = 5;

/// Follows a case until it has come to rest or the time is over; the case as it then is.
///
/// # Errors
/// Where the API refuses or keeps failing, or the case is still under way after `limit`.
pub async fn follow(
    api: &Client,
    case: &str,
    progress: &Progress,
    limit: Duration,
) -> Result<Value, Failure> {
    let mut lines = Lines { progress, steps: BTreeMap::new(), last: BTreeMap::new() };
    let begun = Instant::now();
    let (mut since, mut failed) = (None, 0);
    loop {
        match api.events(case, since.as_deref()).await {
            Ok(events) => {
                failed = 0;
                since = events.iter().rev().find_map(|event| event.id.clone()).or(since);
                events.iter().try_for_each(|event| lines.take(event))?;
                if events.iter().any(|event| event.event == "settled") {
                    break;
                }
            }
            Err(Failure::Failed(why)) if failed < PATIENCE => {
                failed += 1;
                progress.say(&format!("{why}; trying again"));
            }
            Err(error) => return Err(error),
        }
        if begun.elapsed() > limit {
            return Err(Failure::new(format!("{case} is still under way after {} s", limit.as_secs())));
        }
        tokio::time::sleep(PAUSE).await;
    }
    let case = api.get(&format!("/api/v1/cases/{}", segment(case))).await?;
    lines.finish(&case);
    Ok(case)
}

struct Lines<'a> {
    progress: &'a Progress,
    steps: BTreeMap<String, Step>,
    last: BTreeMap<String, String>,
}

impl Lines<'_> {
    fn take(&mut self, event: &Event) -> Result<(), Failure> {
        match event.event.as_str() {
            "system" => {
                let value = serde_json::from_str(&event.data).context("an event is not JSON")?;
                self.system(&value);
            }
            "case" => {
                let value: Value = serde_json::from_str(&event.data).context("an event is not JSON")?;
                value["systems"].as_array().into_iter().flatten().for_each(|system| self.system(system));
            }
            _ => {}
        }
        Ok(())
    }

    fn system(&mut self, value: &Value) {
        let (name, status) = (show::text(value, "/system"), show::text(value, "/status"));
        if self.last.get(&name) == Some(&status) {
            return;
        }
        self.last.insert(name.clone(), status.clone());
        if matches!(self.progress, Progress::Lines) {
            self.progress.say(&format!("  {name}: {}", show::word(&status)));
            return;
        }
        let settled = ["verified", "not_applicable", "denied", "manual_task", "failed", "awaiting_approval"];
        if settled.contains(&status.as_str()) {
            let step = self.steps.remove(&name).unwrap_or_else(|| self.progress.step(&name));
            step.done(&status.replace('_', " "));
            return;
        }
        let step = self.steps.entry(name).or_insert_with_key(|name| self.progress.step(name));
        step.note(match status.as_str() {
            "revoked" | "restored" => format!("{}, waiting for the independent read", show::word(&status)),
            _ => status,
        });
    }

    /// Whatever an event did not tell, the case does.
    fn finish(&mut self, case: &Value) {
        case["systems"].as_array().into_iter().flatten().for_each(|system| self.system(system));
    }
}
