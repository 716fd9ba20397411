//! `leaver revoke`.

use super::print;
use clap::Args;
use jiff::{civil::DateTime, tz::TimeZone};
use leaver_cli::{
    Exit, Failure,
    api::{Client, segment},
    progress::Progress,
    show, watch,
};
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
    /// Take only these permissions and leave the accounts usable: `github:core` in one system, a bare name wherever it is held.
    #[arg(long, value_delimiter = ',', value_name = "NAME,...")]
    permissions: Vec<String>,
    /// Take only what this role needs, by its profile in the policy, and leave the accounts usable.
    #[arg(long)]
    role: Option<String>,
    /// Shut the account while something is looked into: it cannot be used, and what it holds stays as it is.
    #[arg(long, conflicts_with_all = ["permissions", "role"])]
    suspend: bool,
    /// Keep the person's data.
    #[arg(long)]
    preserve_data: bool,
    /// When access ends: 2026-02-03T14:30:00Z, or local time with its zone, 2026-02-03T18:00[Europe/Berlin]; otherwise now.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    at: Option<Timestamp>,
    /// Have the person's newest case tried again, where it is incomplete. Nothing that a human denied or has to decide is passed.
    #[arg(long, conflicts_with_all = ["dry_run", "emergency", "permissions", "role", "suspend", "preserve_data", "at"])]
    force: bool,
    /// Stay until the case has come to rest.
    #[arg(long)]
    watch: bool,
}

/// An instant: with its offset, or as the clock on the wall of a zone shows it.
fn instant(text: &str) -> Result<Timestamp, String> {
    if let Ok(at) = text.parse() {
        return Ok(at);
    }
    let usage = "is neither an instant such as 2026-02-03T14:30:00Z nor a local time such as 2026-02-03T18:00[Europe/Berlin]";
    let usage = || format!("`{text}` {usage}");
    let (local, zone) = text.strip_suffix(']').and_then(|text| text.split_once('[')).ok_or_else(usage)?;
    let local: DateTime = local.parse().map_err(|_| usage())?;
    let zone = TimeZone::get(zone).map_err(|_| format!("there is no time zone `{zone}`"))?;
    // Once a year a time comes twice, and another does not come at all.
    let unclear = |_| format!("`{local}` comes twice or not at all in that zone: say it with its offset");
    let at = zone.to_ambiguous_zoned(local).unambiguous().map_err(unclear)?;
    Ok(Timestamp::from_jiff(at.timestamp()))
}

impl Revoke {
    /// What the API is asked for.
    fn request(&self) -> Value {
        let partial = !self.permissions.is_empty() || self.role.is_some();
        let mut body = json!({
            "person": self.user,
            "mode": match (partial, self.suspend) {
                (true, _) => "partial",
                (false, true) => "suspend",
                (false, false) => "leave",
            },
            "reason": self.reason,
            "dry_run": self.dry_run,
            "emergency": self.emergency,
            "preserve_data": self.preserve_data,
        });
        if partial {
            body["scope"] = json!({"permissions": self.permissions, "role": self.role});
        }
        if let Some(at) = self.at {
            body["effective_at"] = json!(at);
        }
        body
    }

    /// The person's newest case, tried again.
    async fn again(&self, api: &Client) -> Result<Value, Failure> {
        let access = api.get(&format!("/api/v1/employees/{}/access", segment(&self.user))).await?;
        let none = || Failure::new(format!("there is no case of `{}` that could be tried again", self.user));
        let id = access.pointer("/case/case_id").and_then(Value::as_str).ok_or_else(none)?;
        super::case::force(api, id, &self.reason).await
    }

    pub(super) async fn run(&self, api: &Client, json: bool) -> Result<Exit, Failure> {
        let case = match self.force {
            true => self.again(api).await?,
            false => api.post("/api/v1/cases", &self.request()).await?.1,
        };
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        revoke: Revoke,
    }

    #[test]
    fn a_suspension_is_of_the_whole_account() {
        let asked = |more: &[&str]| {
            let line =
                ["revoke", "--user", "john.doe", "--reason", "R"].into_iter().chain(more.iter().copied());
            Line::try_parse_from(line).map(|line| line.revoke.request()["mode"].clone())
        };
        assert_eq!(asked(&[]).unwrap(), "leave");
        assert_eq!(asked(&["--suspend"]).unwrap(), "suspend");
        assert_eq!(asked(&["--role", "engineer"]).unwrap(), "partial");
        for other in [["--suspend", "--role", "engineer"], ["--suspend", "--permissions", "a"]] {
            assert!(asked(&other).unwrap_err().to_string().contains("cannot be used with"), "{other:?}");
        }
    }

    #[test]
    fn a_time_on_the_wall_needs_its_zone_and_must_come_once() {
        let at = |text: &str| instant(text).map(|at| at.to_string());
        assert_eq!(at("2026-12-01T18:00:00+01:00").unwrap(), "2026-12-01T17:00:00.000Z");
        assert_eq!(at("2026-12-01T18:00[Europe/Berlin]").unwrap(), "2026-12-01T17:00:00.000Z");
        assert_eq!(at("2026-07-01T18:00[Europe/Berlin]").unwrap(), "2026-07-01T16:00:00.000Z");
        assert_eq!(at("2026-12-01T00:30[Pacific/Kiritimati]").unwrap(), "2026-11-30T10:30:00.000Z");
        // The clocks go forward, and back.
        assert!(at("2026-03-29T02:30[Europe/Berlin]").unwrap_err().contains("twice or not at all"));
        assert!(at("2026-10-25T02:30[Europe/Berlin]").unwrap_err().contains("twice or not at all"));
        assert!(at("2026-12-01T18:00[Europe/Nowhere]").unwrap_err().contains("no time zone"));
        for bad in ["yesterday", "2026-12-01T18:00", "2026-12-01T18:00[", "18:00[Europe/Berlin]"] {
            assert!(at(bad).unwrap_err().contains("neither"), "{bad}");
        }
    }
}
