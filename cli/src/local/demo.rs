//! One real termination, from the HR system's webhook to the ledger.

use super::Local;
use crate::{
    api::Client,
    failure::{Context as _, Failure},
    ledger::{self, Checked},
    progress::Progress,
    watch,
};
use jiff::{Timestamp, tz::TimeZone};
use leaver_domain::{
    ledger::EventKind,
    person::{Person, PersonStatus},
    ports::CaseStore as _,
};
use leaver_platform::DynamoCases;
use leaver_sandbox::{
    credentials::Maker,
    people::{self, SamplePerson},
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How long the case may take: fifteen minutes is what policy allows.
const LIMIT: Duration = Duration::from_secs(900);
/// How long the ledger may lag behind the case.
const LAG: Duration = Duration::from_secs(15);

/// How the demonstration went.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The case, as the API tells it.
    pub case: Value,
    /// What the check of the ledger found.
    pub ledger: Checked,
}

impl Shown {
    /// Whether every system was verified, the case is complete and the ledger unbroken.
    pub fn is_good(&self) -> bool {
        let systems = self.case["systems"].as_array().map_or(&[][..], Vec::as_slice);
        let verified = !systems.is_empty() && systems.iter().all(|system| system["status"] == "verified");
        verified && self.case["status"] == "complete" && self.ledger.broken.is_none()
    }
}

/// Terminates the next clean sample person.
///
/// # Errors
/// Where a part of it fails; a system that is not verified is a result, not an error.
pub async fn run(local: &Local, aws: &super::Aws, progress: &Progress) -> Result<Shown, Failure> {
    let person = next(local, aws).await?;
    let token = |role: &str| {
        let token = local.tokens.get(role).cloned();
        token.ok_or_else(|| Failure::new(format!("local.json has no token for {role}")))
    };
    let event = event(&person, Timestamp::now(), &Maker::default().token("evt_"))?;
    ends(local, &person).await?;
    let accepted = post(local, &event).await?;
    let case = accepted["case_id"].as_str().ok_or_else(|| Failure::new("the webhook named no case"))?;
    progress.say(&format!("{} ({}) leaves: {case}", person.username, person.employee_id));
    let api = Client::new(&local.api_url, &token("security")?)?;
    let settled = watch::follow(&api, case, progress, LIMIT).await?;
    let ledger = recorded(&api.with_token(&token("auditor")?), case, progress).await?;
    Ok(Shown { case: settled, ledger })
}

/// Whose accounts hold nothing that a human would have to look at first.
fn is_clean(sample: &SamplePerson, all: &[SamplePerson]) -> bool {
    let traits = &sample.traits;
    let ordinary = traits.only.is_empty()
        && traits.sole_admin_of.is_empty()
        && traits.admin_of.is_empty()
        && traits.bulk_download_in.is_empty()
        && traits.idle_days.is_none()
        && traits.shares_email.is_empty();
    let alone =
        !all.iter().any(|other| other.traits.shares_email.values().any(|mail| *mail == sample.person.email));
    ordinary && alone && sample.roles.is_empty() && sample.person.legal_hold.is_none()
}

/// The first clean sample person who has not left.
async fn next(local: &Local, aws: &super::Aws) -> Result<Person, Failure> {
    let samples = people::load().map_err(Failure::Failed)?;
    let cases = DynamoCases::new(&aws.sdk()?, &local.tables.cases);
    for sample in samples.iter().filter(|sample| is_clean(sample, &samples)) {
        let known = cases.person(&sample.person.username).await.context("the case table")?;
        if let Some(person) = known.filter(|person| person.status == PersonStatus::Active) {
            return Ok(person);
        }
    }
    Err(Failure::new("every clean sample person has left: `cargo local reset` brings them back"))
}

/// What the HR system sends when somebody's employment ends today.
fn event(person: &Person, now: Timestamp, id: &str) -> Result<Value, Failure> {
    let zone = person.time_zone.as_deref().unwrap_or("UTC");
    let today = now.to_zoned(TimeZone::get(zone).context(zone)?).date();
    Ok(json!({
        "event_type": "user_terminated",
        "event_id": id,
        "timestamp": leaver_domain::time::Timestamp::from_jiff(now),
        "user": {"username": person.username, "employee_id": person.employee_id, "email": person.email,
                 "termination_date": today, "termination_reason": "Resignation"},
        "metadata": {"department": person.department, "manager": person.manager,
                     "last_working_day": today, "time_zone": zone},
    }))
}

/// HR ends the employment in the HRIS, which leaver only reads.
async fn ends(local: &Local, person: &Person) -> Result<(), Failure> {
    let url = format!("{}/_sandbox/hris/terminate", local.sandbox_url);
    let sent = crate::api::http()?.post(url).json(&json!({"username": person.username})).send().await;
    sent.and_then(reqwest::Response::error_for_status).context("the HRIS's stand-in").map(drop)
}

/// Posts an event to the webhook, as the HR system would.
async fn post(local: &Local, event: &Value) -> Result<Value, Failure> {
    let hris = Client::new(&local.api_url, &local.hris_token)?;
    let (status, answer) = hris.post("/api/v1/webhooks/hr-events", event).await?;
    if status == 202 {
        Ok(answer)
    } else {
        Err(Failure::new(format!("the webhook answered {status}: {answer}")))
    }
}

/// Checks the ledger once it has caught up with the case.
async fn recorded(api: &Client, case: &str, progress: &Progress) -> Result<Checked, Failure> {
    let mut step = progress.step("Verifying the ledger");
    let begun = Instant::now();
    loop {
        let mut checked = ledger::verify(api, Some(&mut step)).await?;
        let closed =
            checked.entries.iter().any(|row| row.case_id == case && row.kind == EventKind::CaseClosed);
        let late = begun.elapsed() > LAG;
        if closed || late || checked.broken.is_some() {
            if !closed && checked.broken.is_none() {
                checked.broken = Some(format!("{case} is settled, but its closing is not in the ledger"));
            }
            step.done(&format!("{} rows", checked.rows));
            return Ok(checked);
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use leaver_domain::trigger::{EventType, HrEvent};

    #[test]
    fn the_next_one_is_clean() {
        let samples = people::load().unwrap();
        let clean: Vec<&str> = samples
            .iter()
            .filter(|sample| is_clean(sample, &samples))
            .map(|sample| sample.person.username.as_str())
            .collect();
        assert_eq!(clean[0], "john.doe");
        assert!(clean.len() > 40);
        for flagged in [
            "riley.owner",
            "casey.contract",
            "morgan.hold",
            "pat.idle",
            "alex.twin",
            "alex.twin2",
            "sam.admin",
        ] {
            assert!(!clean.contains(&flagged), "{flagged}");
        }
    }

    #[test]
    fn the_event_is_one_that_takes_effect_at_once() {
        let samples = people::load().unwrap();
        let now: Timestamp = "2026-02-03T23:30:00Z".parse().unwrap();
        let event = event(&samples[0].person, now, "evt_1").unwrap();
        assert_eq!(event["metadata"]["last_working_day"], "2026-02-04", "it is tomorrow in Berlin");
        let parsed = HrEvent::parse(event.to_string().as_bytes()).unwrap();
        assert_eq!(parsed.kind, EventType::UserTerminated);
        assert_eq!(parsed.effective_at, leaver_domain::time::Timestamp::from_jiff(now));
    }

    #[test]
    fn anything_that_is_not_verified_is_no_success() {
        let ledger =
            Checked { origin: "o".into(), rows: 1, root: String::new(), broken: None, entries: vec![] };
        let shown = |case: Value| Shown { case, ledger: ledger.clone() };
        let verified = json!({"system": "okta", "status": "verified"});
        assert!(shown(json!({"status": "complete", "systems": [verified]})).is_good());
        assert!(!shown(json!({"status": "complete", "systems": []})).is_good());
        assert!(
            !shown(json!({"status": "complete", "systems": [verified, {"status": "not_applicable"}]}))
                .is_good()
        );
        assert!(!shown(json!({"status": "incomplete", "systems": [verified]})).is_good());
        let broken = Checked { broken: Some("row 3".into()), ..ledger.clone() };
        assert!(
            !Shown { case: json!({"status": "complete", "systems": [verified]}), ledger: broken }.is_good()
        );
    }
}
