//! Whether what was taken stays taken: after a case is through, its systems are read again, days and weeks later.
//!
//! A case carries its own schedule, as policy had it when the case was opened, so that what is due follows from the record
//! alone. A day that nobody looked on stays due until somebody has. What is found to be back is taken by a case of its own,
//! which is written together with the finding.

mod found;
#[cfg(test)]
mod tests;

pub use found::{Around, Found, MAX_LABELS, REAPPEARED, came_back, fold, reappearance, tell};

use crate::{
    case::{CaseRecord, CaseStatus, Finding, Happening, SystemRecord, SystemStatus},
    fault::Fault,
    id::CaseId,
    intake,
    ledger::{EventKind, Outcome},
    person::{Person, PersonStatus},
    policy::Policy,
    ports::{CaseStore, StoreError},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{collections::BTreeSet, time::Duration};

/// Most days of a schedule.
pub const MAX_DAYS: usize = 12;
/// The last day that a schedule may name.
pub const LAST_DAY: u32 = 3_650;
/// From when on a look counts as late, and is told to be.
const LATE: Duration = Duration::from_secs(3_600);

/// When a case is looked at again, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// After how many days, counted from the end of the case.
    pub days: BTreeSet<u32>,
    /// How long a day is, in seconds.
    pub day_seconds: u32,
    /// Counts the executions of the day that is due: one that died gets a successor.
    #[serde(default = "first")]
    pub run: u32,
    /// The case by which the person left, of one that takes what had come back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<CaseId>,
    /// What was seen so far, in the order of the days.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub looks: Vec<Look>,
}

fn first() -> u32 {
    1
}

/// One look at all systems of a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// The day of the schedule.
    pub day: u32,
    /// When it was due.
    pub due_at: Timestamp,
    /// When it was done.
    pub at: Timestamp,
    /// In how many systems a fresh read asked for nothing.
    pub systems_ok: usize,
    /// What a human should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// The case that takes what had come back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened: Option<CaseId>,
    /// Why nothing was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_alone: Option<String>,
}

/// What one system's fresh read of a day came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// The day of the schedule.
    pub day: u32,
    /// When it was read last.
    pub at: Timestamp,
    /// How often it was tried.
    pub tries: u32,
    /// What is back, in words; empty where nothing is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub back: Vec<String>,
    /// Why it could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

/// Which case is looked at, and on which day of its schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The case.
    pub case_id: CaseId,
    /// The day.
    pub day: u32,
}

/// A look that is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    /// The day of the schedule.
    pub day: u32,
    /// From when on.
    pub at: Timestamp,
}

impl Due {
    /// By how much it is late, where it is so by more than an hour.
    pub fn late(&self, now: Timestamp) -> Option<Duration> {
        Some(now.since(self.at)).filter(|late| *late > LATE)
    }
}

impl Watch {
    /// The schedule that policy gives a new case; `None` where policy has none.
    pub fn of(policy: &Policy) -> Option<Self> {
        let (days, day_seconds) = (policy.reverify_days.clone(), policy.timing.reverify_day_seconds);
        (!days.is_empty()).then(|| Self { days, day_seconds, run: 1, follows: None, looks: Vec::new() })
    }

    /// What was seen on a day.
    pub fn look(&self, day: u32) -> Option<&Look> {
        self.looks.iter().find(|look| look.day == day)
    }
}

/// The next look at a case, however long ago it should have been. Only what shut somebody out is looked at, once it is through.
pub fn due(case: &CaseRecord) -> Option<Due> {
    let watch = case.watch.as_ref()?;
    let through = matches!(case.status, CaseStatus::Complete | CaseStatus::Incomplete);
    if !through || case.dry_run || !case.mode.shuts() {
        return None;
    }
    let day = *watch.days.iter().find(|day| watch.look(**day).is_none())?;
    // What a human still has to do keeps nobody from reading the rest.
    let since = case.closed_at.unwrap_or_else(|| case.effective_at.max(case.created_at));
    let after = u64::from(day) * u64::from(watch.day_seconds);
    Some(Due { day, at: since.plus(Duration::from_secs(after)) })
}

/// The look that is due by now.
pub fn due_now(case: &CaseRecord, now: Timestamp) -> Option<Due> {
    due(case).filter(|due| due.at <= now)
}

/// Whether a case is to be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is.
    Watched,
    /// What an earlier look found is still being taken: it is looked at afterwards.
    Waits(CaseId),
    /// It is no more: the person may have access again, or somebody else looks after it.
    LeftAlone(String),
}

/// Whether a case is to be looked at, given its person and the case that an earlier look opened.
pub fn standing(case: &CaseRecord, person: Option<&Person>, opened: Option<&CaseRecord>) -> Standing {
    let alone = |why: String| Standing::LeftAlone(why);
    let Some(person) = person else { return alone("the person is not known any more".to_owned()) };
    if person.employee_id != case.person.employee_id {
        return alone("the username belongs to somebody else now".to_owned());
    }
    if person.status == PersonStatus::Active {
        return alone("the person is active again".to_owned());
    }
    let follows = case.watch.as_ref().and_then(|watch| watch.follows.as_ref());
    let left_by = follows.unwrap_or(&case.case_id);
    if person.case.as_ref() != Some(left_by) {
        let by = person.case.as_ref().map(|other| format!(" by {other}")).unwrap_or_default();
        return alone(format!("the person stands where they do{by}, and no longer by {left_by}"));
    }
    match opened {
        Some(other)
            if !matches!(
                other.status,
                CaseStatus::Complete | CaseStatus::Cancelled | CaseStatus::Rejected
            ) =>
        {
            Standing::Waits(other.case_id.clone())
        }
        _ => Standing::Watched,
    }
}

/// Whether a case is to be looked at, as the table has it now.
///
/// # Errors
/// Where the table cannot be read.
pub async fn standing_now(
    store: &dyn CaseStore,
    case: &CaseRecord,
    now: Timestamp,
) -> Result<Standing, StoreError> {
    // A termination that lies ahead looks after nobody yet.
    let person = match store.person(&case.person.username).await? {
        Some(person) => Some(intake::as_begun(store, person, now).await?),
        None => None,
    };
    let opened =
        case.watch.iter().flat_map(|watch| &watch.looks).filter_map(|look| look.opened.as_ref()).next_back();
    let opened = match opened {
        Some(other) => store.case(other).await?,
        None => None,
    };
    Ok(standing(case, person.as_ref(), opened.as_ref()))
}

/// Why a system of a case is not read again; `None` where it is. What is done by hand is nothing that an adapter could read, and
/// what was set aside was not read in the first place, as permissions and tasks are not where somebody is suspended.
pub fn passed_over(record: &SystemRecord, policy: &Policy) -> Option<&'static str> {
    use SystemStatus::{Denied, ManualTask, NotApplicable, Verified};
    if !policy.automatic().any(|system| *system == record.system) {
        return Some("it is done by hand");
    }
    let closed = record.task.as_ref().is_some_and(|task| task.closed.is_some());
    match record.status {
        NotApplicable if record.before.is_none() => Some("it was set aside"),
        Verified | NotApplicable => None,
        ManualTask if closed => None,
        Denied => Some("somebody decided that access stays"),
        _ => Some("it was not finished yet"),
    }
}

/// Takes a reading into a system's record, with its row. The caller raises the version.
pub fn keep(record: &mut SystemRecord, reading: Reading, mut facts: serde_json::Value, actor: &str) {
    let good = reading.fault.is_none() && reading.back.is_empty();
    let status = match (&reading.fault, good) {
        (Some(_), _) => "failed",
        (None, true) => "verified",
        (None, false) => found::REAPPEARED,
    };
    facts["day"] = json!(reading.day);
    facts["tries"] = json!(reading.tries);
    facts["fault"] = json!(reading.fault);
    facts["back"] = json!(reading.back);
    facts["verification"] = json!({"status": status, "verified_at": reading.at, "verifier": actor});
    record.log.push(Happening {
        kind: EventKind::VerificationCompleted,
        at: reading.at,
        actor: actor.to_owned(),
        action: "reverify".into(),
        outcome: if good { Outcome::Success } else { Outcome::Failure },
        risk: None,
        facts,
    });
    record.readings.retain(|known| known.day != reading.day);
    record.readings.push(reading);
}

/// The case with a look at it, and its row.
pub(crate) fn looked(case: &CaseRecord, look: Look, outcome: Outcome, more: serde_json::Value) -> CaseRecord {
    let mut case = case.clone();
    let mut facts = json!({
        "day": look.day, "due_at": look.due_at, "systems_ok": look.systems_ok, "findings": look.findings,
        "late_seconds": look.at.since(look.due_at).as_secs(), "opened": look.opened, "left_alone": look.left_alone,
    });
    if let (Some(fields), serde_json::Value::Object(more)) = (facts.as_object_mut(), more) {
        fields.extend(more);
    }
    case.log.push(Happening {
        kind: EventKind::VerificationCompleted,
        at: look.at,
        actor: "leaver/watch".into(),
        action: "reverify".into(),
        outcome,
        risk: None,
        facts,
    });
    case.findings.extend(look.findings.iter().cloned());
    // Its rows are no longer all of them under a checkpoint.
    case.checkpoint_size = None;
    case.version += 1;
    if let Some(watch) = &mut case.watch {
        watch.looks.push(look);
        watch.run = 1;
    }
    case
}

/// The case with a look that was not made, as it is to be left alone.
pub fn left_alone(case: &CaseRecord, due: Due, why: String, now: Timestamp) -> CaseRecord {
    let look = Look {
        day: due.day,
        due_at: due.at,
        at: now,
        systems_ok: 0,
        findings: Vec::new(),
        opened: None,
        left_alone: Some(why),
    };
    looked(case, look, Outcome::NotApplicable, json!({}))
}
