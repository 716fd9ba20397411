//! The steps of a night, as pure functions over its record.

use super::{CanaryPolicy, Knock, Night, Stage};
use crate::{
    case::{CaseRecord, CaseStatus, Finding, Happening, Mode, Trigger},
    digest::Digest,
    id::{CaseId, EventId, SystemId},
    intake::{Reactivation, Request},
    ledger::{EventKind, Outcome},
    person::{EmploymentType, Person, PersonStatus},
    ports::StoreError,
    time::Timestamp,
};
use jiff::{civil::Date, tz::TimeZone};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

fn finding(kind: &str, detail: String, at: Timestamp) -> Finding {
    Finding { kind: kind.to_owned(), detail, at }
}

/// The night that begins now, in the place of the one before; `None` where that is the same, or is not over.
pub fn fresh(last: Option<&Night>, now: Timestamp) -> Option<Night> {
    let night: Date = now.to_jiff().to_zoned(TimeZone::UTC).date();
    if last.is_some_and(|last| last.night >= night || last.stage != Stage::Over) {
        return None;
    }
    Some(Night {
        night,
        stage: Stage::Before,
        began_at: now,
        ended_at: None,
        case: None,
        back: None,
        before: BTreeMap::new(),
        after: BTreeMap::new(),
        findings: Vec::new(),
        version: last.map_or(0, |last| last.version) + 1,
    })
}

/// Why the canary cannot be let go: it is no canary, or it has not come back.
pub fn stands(policy: &CanaryPolicy, person: Option<&Person>) -> Result<(), String> {
    let name = &policy.person;
    match person {
        None => Err(format!("nobody called {name} is known: make the synthetic person")),
        // Nobody's real access is taken for a test.
        Some(person) if person.employment != EmploymentType::Service => {
            Err(format!("{name} is not employed as a service: name a synthetic person"))
        }
        Some(person) if person.status != PersonStatus::Active => {
            Err(format!("{name} is not active: restore the case by which it left"))
        }
        Some(_) => Ok(()),
    }
}

/// A night that cannot be held.
pub fn called_off(night: &Night, why: String, now: Timestamp) -> Night {
    let mut night =
        Night { stage: Stage::Over, ended_at: Some(now), version: night.version + 1, ..night.clone() };
    night.findings.push(finding("canary_stuck", why, now));
    night
}

/// The night with what the credentials were good for before. One that did not work would prove nothing.
pub fn answered(night: &Night, before: BTreeMap<SystemId, Knock>, now: Timestamp) -> Night {
    let mut night = Night { stage: Stage::Leaving, version: night.version + 1, ..night.clone() };
    for (system, knock) in &before {
        let why = match knock {
            Knock::Works => continue,
            Knock::Refused => "it was refused".to_owned(),
            Knock::Unclear(why) => why.clone(),
        };
        let detail =
            format!("{system}: the credential did not work before ({why}), so that nothing is proved there");
        night.findings.push(finding("canary_blind", detail, now));
    }
    night.before = before;
    night
}

fn trigger(night: &Night, which: &str, kind: &str, now: Timestamp) -> Result<Trigger, StoreError> {
    let number = format!("canary-{}-{which}", night.night);
    let unusable = |_| StoreError::Corrupt(format!("{number} cannot be the number of an event"));
    let event_id: EventId = number.parse().map_err(unusable)?;
    let body = Digest::of(number.as_bytes());
    let (source, by, kind) = ("leaver".to_owned(), "leaver".to_owned(), kind.to_owned());
    Ok(Trigger { source, event_id, by, kind, at: now, received_at: now, body })
}

/// The termination of the night. Its number follows from the night, so that a repeat is the same.
///
/// # Errors
/// Where an id cannot be made.
pub fn way_out(night: &Night, now: Timestamp) -> Result<Request, StoreError> {
    let reason = format!("The canary of {}: its credentials are used afterwards", night.night);
    Ok(Request::plain(trigger(night, "out", "canary", now)?, Mode::Leave, reason, now))
}

/// Its way back. Policy asks for it each night; there is no measure that a human had to decide about.
///
/// # Errors
/// Where an id cannot be made.
pub fn way_back(night: &Night, case: &CaseId, now: Timestamp) -> Result<Reactivation, StoreError> {
    Ok(Reactivation {
        trigger: trigger(night, "back", "canary_back", now)?,
        restores: Some(case.clone()),
        permissions: BTreeSet::new(),
        measure: None,
        by_role: false,
        reason: format!("The canary of {} comes back for the next night", night.night),
        effective_at: now,
    })
}

/// A night whose step is not through in time, told once; `None` where that was told, or there is time.
pub fn stuck(policy: &CanaryPolicy, night: &Night, case: &CaseRecord, now: Timestamp) -> Option<Night> {
    let late = now.since(night.began_at) > Duration::from_secs(policy.within_seconds.into());
    let detail = format!("{} is {}", case.case_id, status(case.status));
    let known = night.findings.iter().any(|one| one.kind == "canary_stuck" && one.detail == detail);
    if !late || known {
        return None;
    }
    let mut night = Night { version: night.version + 1, ..night.clone() };
    night.findings.push(finding("canary_stuck", detail, now));
    Some(night)
}

fn status(status: CaseStatus) -> String {
    json!(status).as_str().unwrap_or_default().replace('_', " ")
}

/// What the credentials are good for afterwards: the night, and the case with the row that says so. `None` where an answer is
/// unclear and there is time to ask again.
pub fn told(
    policy: &CanaryPolicy,
    night: &Night,
    case: &CaseRecord,
    after: BTreeMap<SystemId, Knock>,
    now: Timestamp,
) -> Option<(Night, CaseRecord)> {
    let late = now.since(night.began_at) > Duration::from_secs(policy.within_seconds.into());
    let unclear = after.values().any(|knock| matches!(knock, Knock::Unclear(_)));
    if unclear && !late {
        return None;
    }
    let mut night = Night { stage: Stage::Returning, version: night.version + 1, ..night.clone() };
    for (system, knock) in &after {
        let (kind, why) = match knock {
            Knock::Refused => continue,
            Knock::Works => ("canary_alive", "the revoked credential still works".to_owned()),
            Knock::Unclear(why) => {
                ("canary_unclear", format!("nobody can say whether it still works ({why})"))
            }
        };
        night.findings.push(finding(kind, format!("{system}: {why}"), now));
    }
    night.after = after;
    let mut case = case.clone();
    case.log.push(Happening {
        kind: EventKind::VerificationCompleted,
        at: now,
        actor: "leaver/canary".into(),
        action: "use revoked credentials".into(),
        outcome: if night.is_good() { Outcome::Success } else { Outcome::Failure },
        risk: None,
        facts: json!({
            "night": night.night.to_string(), "before": night.before, "after": night.after, "findings": night.findings,
        }),
    });
    case.findings.extend(night.findings.iter().cloned());
    case.checkpoint_size = None;
    case.version += 1;
    Some((night, case))
}

/// The night at its end.
pub fn ended(night: &Night, now: Timestamp) -> Night {
    Night { stage: Stage::Over, ended_at: Some(now), version: night.version + 1, ..night.clone() }
}
