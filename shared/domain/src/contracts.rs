//! Contracts that end by themselves. Access ends when the last day is over where the person is. Ahead of it somebody is asked whether
//! a few days of grace are to be given; without their approval there are none. A grace is given once: it has none of its own.

use crate::{
    approval::ApprovalPolicy,
    case::{CaseRecord, CaseStatus},
    digest::Digest,
    effective::{BadDates, Dates, end_of},
    id::{BadId, EventId, Username},
    ledger::EventKind,
    measure::{Measure, MeasureStatus, What},
    person::{Person, PersonStatus},
    reviews::{self, About, Review, ReviewKind},
    time::Timestamp,
};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, time::Duration};

/// As whom leaver asks for grace.
pub const ASKING: &str = "leaver";
/// The kind of the trigger by which a contract that is over ends somebody's access.
pub const KIND: &str = "contract_end";
const DAY: Duration = Duration::from_secs(86_400);

/// What is done about the end of contracts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContractPolicy {
    /// So many days ahead it is asked whether grace is to be given; each day is one question.
    pub ask_days: BTreeSet<u32>,
    /// How many days of grace there are, where somebody approves.
    pub grace_days: u32,
}

impl Default for ContractPolicy {
    fn default() -> Self {
        Self { ask_days: [14, 3].into(), grace_days: 7 }
    }
}

impl ContractPolicy {
    /// What makes no sense, if anything.
    ///
    /// # Errors
    /// The place and why.
    pub fn check(&self) -> Result<(), (&'static str, &'static str)> {
        if self.ask_days.len() > 8 || self.ask_days.iter().any(|days| !(1..=90).contains(days)) {
            return Err(("contracts.ask_days", "must be at most eight numbers between 1 and 90"));
        }
        if !(1..=30).contains(&self.grace_days) {
            return Err(("contracts.grace_days", "must be between 1 and 30"));
        }
        Ok(())
    }
}

/// How somebody's contract stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It does not end by itself, or not soon.
    Runs,
    /// It ends soon: this question is due.
    Near(Question),
    /// It is over.
    Over {
        /// The last day.
        last_day: Date,
        /// When that day was over where they are.
        since: Timestamp,
    },
}

/// Whether grace is to be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The last day as it stands.
    pub last_day: Date,
    /// The last day with the grace.
    pub grace: Date,
    /// Which of policy's days ahead it is.
    pub ahead: u32,
}

impl Question {
    /// What tells it from every other: the same question is asked once.
    pub fn number(&self, person: &Person) -> String {
        format!("grace-{}-{}-{}", person.employee_id, self.last_day, self.ahead)
    }
}

/// Whether the end of the contract is still to take somebody's access; `leaves_by` is the case by which they leave, if they do. A
/// suspended person has access that can come back, and whoever is to leave later does not stay beyond the contract: its end opens a
/// case beside that one, which finds nothing left to do when its time comes.
fn counts(person: &Person, leaves_by: Option<&CaseRecord>, now: Timestamp) -> bool {
    let waits = |case: &CaseRecord| matches!(case.status, CaseStatus::Recorded | CaseStatus::Held);
    // One that was to end the contract on another day, and is held for that, ends it on none.
    let is_of_another_day = |case: &CaseRecord| {
        case.trigger.kind == KIND && !case.has_begun() && case.dates.termination_date != person.contract_end
    };
    let lies_ahead = |case: &CaseRecord| waits(case) && (case.effective_at > now || is_of_another_day(case));
    match person.status {
        PersonStatus::Active | PersonStatus::Suspended => true,
        PersonStatus::Leaving => leaves_by.is_some_and(lies_ahead),
        PersonStatus::Left => false,
    }
}

/// How a contract stands at an instant; `leaves_by` is the case by which the person leaves, if they do.
///
/// # Errors
/// Where the person's time zone or the day cannot be computed: nobody's access ends on a guess.
pub fn standing(
    policy: &ContractPolicy,
    person: &Person,
    leaves_by: Option<&CaseRecord>,
    now: Timestamp,
) -> Result<Standing, BadDates> {
    let Some(last_day) = person.contract_end.filter(|_| counts(person, leaves_by, now)) else {
        return Ok(Standing::Runs);
    };
    let since = end_of(last_day, person.time_zone.as_deref())?;
    if since <= now {
        return Ok(Standing::Over { last_day, since });
    }
    // Nobody's contract is extended while they are suspended or leaving.
    if person.status != PersonStatus::Active {
        return Ok(Standing::Runs);
    }
    let ahead = policy.ask_days.iter().find(|days| since.since(now) <= DAY * **days);
    let grace = jiff::Span::new().days(i64::from(policy.grace_days));
    let grace = last_day.checked_add(grace).map_err(|_| BadDates::Day(last_day))?;
    Ok(match ahead {
        Some(ahead) => Standing::Near(Question { last_day, grace, ahead: *ahead }),
        None => Standing::Runs,
    })
}

/// Whether a question is worth asking, given what was asked about the person before: not where the last day is itself a grace, where
/// somebody said no to this very one, or while another one about it waits.
pub fn is_open(question: &Question, measures: &[Measure]) -> bool {
    measures.iter().filter(|one| one.requested_by == ASKING).all(|one| match &one.what {
        What::Extension { until } if *until == question.last_day => {
            !matches!(one.status, MeasureStatus::Ended | MeasureStatus::Approved)
        }
        What::Extension { until } if *until == question.grace => one.status == MeasureStatus::Expired,
        _ => true,
    })
}

/// The dates and the event of the termination by which an ended contract ends access. The event follows from the person and the day,
/// so that it happens once.
///
/// # Errors
/// Where the number of an employee cannot stand in that of an event.
pub fn termination(person: &Person, last_day: Date) -> Result<(EventId, Digest, Dates), BadId> {
    let number = format!("contract-{}-{last_day}", person.employee_id);
    let body = Digest::of(number.as_bytes());
    let dates = Dates {
        last_working_day: None,
        termination_date: Some(last_day),
        time_zone: person.time_zone.clone(),
    };
    Ok((number.parse()?, body, dates))
}

/// What security has to decide where the case of [`termination`] was called off: its event happens once, so that nothing else would
/// end access. Whoever called it off does not say alone that this stays so.
pub fn not_ended(
    policy: &ApprovalPolicy,
    case: &CaseRecord,
    last_day: Date,
    gone: &BTreeSet<Username>,
    now: Timestamp,
) -> Review {
    let off = case.log.iter().rfind(|line| line.kind == EventKind::CaseCancelled);
    let mut reason =
        format!("The contract ended on {last_day}, and the case that was to end access was called off");
    if let Some(off) = off {
        let why = off.facts["reason"].as_str().unwrap_or_default();
        reason.push_str(&format!(" by {}: {why}", off.actor));
    }
    let about = About {
        kind: ReviewKind::ContractNotEnded,
        case: &case.case_id,
        person: &case.person,
        reason: &reason,
        not_by: off.map(|off| off.actor.clone()).into_iter().collect(),
        not_before: None,
    };
    reviews::open(policy, about, gone, "leaver/contracts", now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn person(end: Option<&str>, zone: Option<&str>) -> Person {
        serde_json::from_value(serde_json::json!({
            "username": "casey.contract", "employee_id": "CTR-1", "email": "c@example.com", "name": "C", "role": "r",
            "employment": "contractor", "department": "Engineering", "status": "active",
            "contract_end": end, "time_zone": zone,
        }))
        .unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn is_over(end: &str, zone: &str, now: &str) -> bool {
        let person = person(Some(end), Some(zone));
        let standing = standing(&ContractPolicy::default(), &person, None, at(now)).unwrap();
        matches!(standing, Standing::Over { .. })
    }

    #[test]
    fn the_last_day_is_over_where_the_person_is() {
        assert!(!is_over("2026-03-28", "Europe/Berlin", "2026-03-28T22:59:59Z"));
        assert!(is_over("2026-03-28", "Europe/Berlin", "2026-03-28T23:00:00Z"));
        // The clocks go forward in the night that follows this day.
        assert!(!is_over("2026-03-29", "Europe/Berlin", "2026-03-29T21:59:59Z"));
        assert!(is_over("2026-03-29", "Europe/Berlin", "2026-03-29T22:00:00Z"));
        // On both sides of the date line.
        assert!(is_over("2026-02-03", "Pacific/Kiritimati", "2026-02-03T10:00:00Z"));
        assert!(!is_over("2026-02-03", "Pacific/Pago_Pago", "2026-02-04T10:59:59Z"));
        assert!(is_over("2026-02-03", "Pacific/Pago_Pago", "2026-02-04T11:00:00Z"));
        // Samoa had no 30 December 2011: the day before was followed by the day after.
        assert!(is_over("2011-12-29", "Pacific/Apia", "2011-12-30T10:00:00Z"));
    }

    #[test]
    fn whoever_has_no_end_or_is_leaving_already_is_left_alone() {
        let policy = ContractPolicy::default();
        let now = at("2030-01-01T00:00:00Z");
        assert_eq!(standing(&policy, &person(None, None), None, now), Ok(Standing::Runs));
        for status in [PersonStatus::Leaving, PersonStatus::Left] {
            let gone = Person { status, ..person(Some("2026-02-03"), None) };
            assert_eq!(standing(&policy, &gone, None, now), Ok(Standing::Runs), "{status:?}");
        }
        assert!(standing(&policy, &person(Some("2026-02-03"), Some("Mars/Olympus")), None, now).is_err());
    }

    fn leaves(status: CaseStatus, effective_at: &str) -> CaseRecord {
        let digest = "0".repeat(64);
        serde_json::from_value(serde_json::json!({
            "case_id": "case-1", "mode": "leave", "status": status,
            "person": {"username": "casey.contract", "employee_id": "CTR-1"}, "reason": "r",
            "trigger": {"source": "api", "event_id": "e", "by": "harper.hr", "kind": "termination",
                "at": "2026-02-01T00:00:00Z", "received_at": "2026-02-01T00:00:00Z", "body": digest},
            "policy_digest": digest, "created_at": "2026-02-01T00:00:00Z", "dates": {},
            "effective_at": effective_at, "dry_run": false, "emergency": false, "systems": [], "log": [], "version": 1,
        }))
        .unwrap()
    }

    #[test]
    fn the_end_wins_over_a_suspension_and_over_a_later_leave() {
        let policy = ContractPolicy::default();
        let of = |status, leaves_by: Option<&CaseRecord>, now: &str| {
            let casey = Person { status, ..person(Some("2026-02-20"), None) };
            standing(&policy, &casey, leaves_by, at(now)).unwrap()
        };
        let (near, over) = ("2026-02-19T00:00:00Z", "2026-02-21T00:00:00Z");
        let ended = |standing: Standing| matches!(standing, Standing::Over { .. });
        assert!(ended(of(PersonStatus::Suspended, None, over)));
        assert_eq!(of(PersonStatus::Suspended, None, near), Standing::Runs, "nobody is asked about them");
        let later = leaves(CaseStatus::Recorded, "2026-03-31T00:00:00Z");
        assert!(ended(of(PersonStatus::Leaving, Some(&later), over)));
        assert_eq!(of(PersonStatus::Leaving, Some(&later), near), Standing::Runs);
        assert!(ended(of(
            PersonStatus::Leaving,
            Some(&leaves(CaseStatus::Held, "2026-03-31T00:00:00Z")),
            over
        )));
        for begun in [
            leaves(CaseStatus::Recorded, "2026-02-21T00:00:00Z"),
            leaves(CaseStatus::Held, "2026-02-10T00:00:00Z"),
            leaves(CaseStatus::Running, "2026-02-10T00:00:00Z"),
        ] {
            assert_eq!(of(PersonStatus::Leaving, Some(&begun), over), Standing::Runs, "{begun:?}");
        }
    }

    #[test]
    fn each_day_ahead_is_one_question() {
        let policy = ContractPolicy::default();
        let casey = person(Some("2026-02-20"), None);
        let ahead = |now: &str| match standing(&policy, &casey, None, at(now)).unwrap() {
            Standing::Near(question) => {
                assert_eq!(question.grace.to_string(), "2026-02-27");
                Some(question.ahead)
            }
            _ => None,
        };
        assert_eq!(ahead("2026-02-06T23:59:59Z"), None);
        assert_eq!(ahead("2026-02-07T00:00:00Z"), Some(14));
        assert_eq!(ahead("2026-02-17T23:59:59Z"), Some(14));
        assert_eq!(ahead("2026-02-18T00:00:00Z"), Some(3));
        assert_eq!(ahead("2026-02-20T23:59:59Z"), Some(3));
    }

    proptest! {
        /// In no time zone and at no time of the year does access end while the last day is still going on, or stay for
        /// longer than that day.
        #[test]
        fn access_ends_with_the_day_and_not_before(day in 0_i64..20_000, zone in proptest::sample::select(vec![
            "UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "Pacific/Apia", "Africa/Casablanca", "Asia/Beirut",
        ])) {
            let start = jiff::civil::date(1990, 1, 1);
            let last = start.checked_add(jiff::Span::new().days(day)).unwrap();
            let since = end_of(last, Some(zone)).unwrap();
            let tz = jiff::tz::TimeZone::get(zone).unwrap();
            let on = |at: Timestamp| at.to_jiff().to_zoned(tz.clone()).date();
            prop_assert!(on(since) > last);
            prop_assert!(on(since.minus(Duration::from_millis(1))) <= last);
        }
    }
}
