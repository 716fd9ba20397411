//! What a look comes to: what is back, what could not be read, and the case that takes it.

use super::{Due, Look, looked, passed_over};
use crate::{
    case::{CaseRecord, CaseStatus, Finding, Mode, SystemRecord, Trigger},
    digest::Digest,
    effective::Dates,
    holds,
    id::{EventId, SystemId, Username},
    intake,
    ledger::Outcome,
    measure::Measure,
    measures,
    person::Person,
    plan::{Action, ActionKind, Evidence, Plan},
    policy::Policy,
    ports::{Change, Opening, StoreError},
    reviews::{self, About, ReviewKind},
    time::Timestamp,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The kind of a finding, of a case and of a review about access that is back.
pub const REAPPEARED: &str = "reappeared";
/// The kind of a finding about access that may be somebody else's.
const ADDRESS_REUSED: &str = "address_reused";
/// Most things that are named of one system.
pub const MAX_LABELS: usize = 20;

/// What of a fresh read's plan is access that is there again. What gives no access (a seat, an entry in a payroll, a ticket) and
/// what no read could show is not.
pub fn came_back(plan: &Plan) -> Vec<String> {
    use ActionKind::{
        DisableAccount, DisableApiKey, EndSessions, RemoveDelegation, RemoveFactor, RemoveGroup, RevokeToken,
    };
    let gives = |action: &&Action| {
        action.evidence == Evidence::Read
            && match action.kind {
                DisableAccount | EndSessions | RevokeToken | DisableApiKey | RemoveFactor | RemoveGroup
                | RemoveDelegation => true,
                ActionKind::RemoveLicence
                | ActionKind::RecordEnd
                | ActionKind::OpenTicket
                | ActionKind::TransferOwnership
                | ActionKind::EnableAccount
                | ActionKind::AddGrant
                | ActionKind::EnableApiKey => false,
            }
    };
    let mut labels: Vec<String> = plan.0.iter().filter(gives).map(label).collect();
    let more = labels.len().saturating_sub(MAX_LABELS);
    labels.truncate(MAX_LABELS);
    if more > 0 {
        labels.push(format!("and {more} more"));
    }
    labels
}

fn label(action: &Action) -> String {
    let what = match action.kind {
        ActionKind::DisableAccount => "account",
        ActionKind::EndSessions => "session",
        ActionKind::RevokeToken => "token",
        ActionKind::DisableApiKey => "key",
        ActionKind::RemoveFactor => "factor",
        ActionKind::RemoveDelegation => "delegation",
        _ => "grant",
    };
    format!("{what} {}", action.label)
}

/// What the systems' readings of a day come to together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The look.
    pub look: Look,
    /// In which systems access is back, and what.
    pub back: BTreeMap<SystemId, Vec<String>>,
    /// Which systems were not read, and why that is right.
    pub passed_over: BTreeMap<SystemId, &'static str>,
}

impl Found {
    /// What was found, where the e-mail address of whoever left is somebody else's by now: what systems find by it may be theirs,
    /// so that nothing is taken, and a human looks at whose it is.
    #[must_use]
    pub fn may_belong_to(mut self, other: &Username) -> Self {
        for finding in self.look.findings.iter_mut().filter(|one| one.kind == REAPPEARED) {
            finding.kind = ADDRESS_REUSED.to_owned();
            let why = format!(
                "; nothing is taken, because {other} has the same e-mail address: look at whose it is"
            );
            finding.detail.push_str(&why);
        }
        self.back.clear();
        self
    }
}

/// Folds the readings of a day.
pub fn fold(policy: &Policy, due: Due, systems: &[SystemRecord], now: Timestamp) -> Found {
    let finding = |kind: &str, detail: String| Finding { kind: kind.to_owned(), detail, at: now };
    let (mut findings, mut systems_ok) = (Vec::new(), 0);
    let (mut back, mut over) = (BTreeMap::new(), BTreeMap::new());
    if let Some(late) = due.late(now) {
        let hours = late.as_secs() / 3_600;
        findings.push(finding("reverified_late", format!("day {} was looked at {hours} h late", due.day)));
    }
    for record in systems {
        let system = &record.system;
        if let Some(why) = passed_over(record, policy) {
            over.insert(system.clone(), why);
            continue;
        }
        match record.readings.iter().find(|reading| reading.day == due.day) {
            Some(reading) if reading.fault.is_none() && reading.back.is_empty() => systems_ok += 1,
            Some(reading) if reading.fault.is_none() => {
                let what = reading.back.join(", ");
                findings.push(finding(REAPPEARED, format!("{system}, day {}: {what}", due.day)));
                back.insert(system.clone(), reading.back.clone());
            }
            missing => {
                let fault = missing.and_then(|reading| reading.fault.as_ref());
                let why = fault.map_or_else(
                    || "no answer".to_owned(),
                    |fault| format!("{}: {}", fault.kind.name(), fault.detail),
                );
                let owner = policy.systems.get(system).map(|of| of.owner.to_string()).unwrap_or_default();
                let detail = format!(
                    "{system} could not be read again on day {} ({why}): its owner {owner} looks at it",
                    due.day
                );
                findings.push(finding("not_reverified", detail));
            }
        }
    }
    let look =
        Look { day: due.day, due_at: due.at, at: now, systems_ok, findings, opened: None, left_alone: None };
    Found { look, back, passed_over: over }
}

/// What must be known to open the case that takes what is back.
#[derive(Debug, Clone)]
pub struct Around<'a> {
    /// The settings in force.
    pub policy: &'a Policy,
    /// The person, as they are.
    pub person: &'a Person,
    /// The measures about them.
    pub measures: &'a [Measure],
    /// Who of those that decide or review is leaving.
    pub gone: BTreeSet<Username>,
    /// Now.
    pub now: Timestamp,
}

/// Everything that a look writes, in one commit: the case with its findings and its row; and where something is back, the case
/// that takes it, and the review by which security hears of it.
///
/// # Errors
/// Where an id cannot be made.
pub fn tell(around: &Around<'_>, case: &CaseRecord, mut found: Found) -> Result<Vec<Change>, StoreError> {
    let mut changes = Vec::new();
    let mut review = None;
    if !found.back.is_empty() {
        let opening = reappearance(around, case, &found)?;
        if let Some((new, systems)) = opening.case {
            found.look.opened = Some(new.case_id.clone());
            let opened = reviews::open(
                &around.policy.approvals,
                About {
                    kind: ReviewKind::Reappeared,
                    case: &new.case_id,
                    person: &new.person,
                    reason: &new.reason,
                    not_by: BTreeSet::new(),
                    not_before: None,
                },
                &around.gone,
                "leaver/watch",
                around.now,
            );
            review = Some(opened.review_id.clone());
            changes.push(Change::Review(Box::new(opened)));
            changes.push(Change::Case(Box::new(new)));
            changes.extend(systems.into_iter().map(|system| Change::System(Box::new(system))));
        }
        changes.extend(opening.measure.map(|measure| Change::Measure(Box::new(measure))));
        // Whoever came back meanwhile is left alone: then this person was changed, and nothing of all this is written.
        let person = Person { version: around.person.version + 1, ..around.person.clone() };
        changes.push(Change::Person(Box::new(person)));
    }
    let bad = |one: &Finding| one.kind == "not_reverified" || one.kind == ADDRESS_REUSED;
    let good = found.back.is_empty() && !found.look.findings.iter().any(bad);
    let outcome = if good { Outcome::Success } else { Outcome::Failure };
    let more = json!({"passed_over": found.passed_over, "back": found.back, "review": review});
    changes.push(Change::Case(Box::new(looked(case, found.look, outcome, more))));
    Ok(changes)
}

/// The case that takes what is back, as the case before took it: who is suspended stays so. It leaves the person where they stand:
/// they left, or were suspended, by the case before.
///
/// # Errors
/// Where an id cannot be made.
pub fn reappearance(around: &Around<'_>, case: &CaseRecord, found: &Found) -> Result<Opening, StoreError> {
    let trigger = trigger(case, found.look.day, around.now)?;
    let systems: Vec<&str> = found.back.keys().map(SystemId::as_str).collect();
    let reason = format!(
        "Access is back in {} {} days after {} had taken it",
        systems.join(", "),
        found.look.day,
        case.case_id
    );
    // The employment ended when it ended, where it did.
    let ended = (case.mode == Mode::Leave).then(|| case.dates.last_day(case.effective_at));
    let request = intake::Request {
        dates: Dates { termination_date: ended.or(case.dates.termination_date), ..case.dates.clone() },
        preserve_data: case.preserve_data,
        ..intake::Request::plain(trigger, case.mode, reason, around.now)
    };
    let mut opening = intake::open(around.person, &request, around.policy, around.now);
    opening.person = None;
    if let Some((new, _)) = &mut opening.case {
        new.person_was = None;
        let left_by = case.watch.as_ref().and_then(|watch| watch.follows.clone());
        if let Some(watch) = &mut new.watch {
            watch.follows = Some(left_by.unwrap_or_else(|| case.case_id.clone()));
        }
        let facts: Value = json!({"case": case.case_id, "day": found.look.day, "back": found.back});
        if let Some(line) = new.log.first_mut() {
            line.facts["reappeared"] = facts;
        }
    }
    measures::note_holds(&mut opening, around.measures, around.now);
    if let Some((new, _)) = opening.case.as_ref().filter(|(new, _)| new.status == CaseStatus::Held) {
        let (policy, gone) = (around.policy, around.gone.clone());
        opening.measure = holds::request_for(policy, gone, around.person, new, holds::PROTECTED, around.now);
    }
    Ok(opening)
}

/// What opens it: its number follows from the case and the day, so that a repeat is the same.
fn trigger(case: &CaseRecord, day: u32, now: Timestamp) -> Result<Trigger, StoreError> {
    let number = format!("{REAPPEARED}-{}-day-{day}", case.case_id);
    let unusable = |_| StoreError::Corrupt(format!("{number} cannot be the number of an event"));
    let event_id: EventId = number.parse().map_err(unusable)?;
    // Whoever was suspended for not having been here has done nothing: what is flagged waits for a human, as it did then.
    let is_inactive = case.mode == Mode::Suspend && case.trigger.kind == intake::INACTIVE;
    let kind = if is_inactive { intake::INACTIVE } else { REAPPEARED };
    Ok(Trigger {
        source: "leaver".into(),
        body: Digest::of(number.as_bytes()),
        event_id,
        by: "leaver".into(),
        kind: kind.into(),
        at: now,
        received_at: now,
    })
}
