//! A day's population: how many events the HRIS sent that must open a case, how many cases they opened, and how many
//! cases were recorded at all. It stands in the ledger, so that a case that was left out shows as a difference.

use crate::{
    case::Happening,
    digest::Digest,
    id::CaseId,
    ledger::{EventKind, Outcome},
    ports::EventMark,
    time::Timestamp,
    trigger::{EventType, HRIS},
};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeSet;

/// A day that was counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Population {
    /// The day, in UTC.
    pub day: Date,
    /// What was counted, as the ledger takes it over.
    pub log: Vec<Happening>,
    /// Raised by one with every write.
    pub version: u64,
}

/// What there is to count of a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Day {
    /// The day, in UTC.
    pub day: Date,
    /// The events that were taken on that day, of every source.
    pub events: Vec<EventMark>,
    /// The cases that were recorded on that day.
    pub cases: BTreeSet<CaseId>,
    /// How many of the HRIS's events were refused on that day and left a finding.
    pub refused: usize,
    /// How many rows the ledger had when this was counted.
    pub rows: u64,
}

impl Day {
    /// Counts it.
    pub fn count(&self, now: Timestamp) -> Population {
        let mut hr: Vec<&EventMark> = self.events.iter().filter(|mark| must_open(mark)).collect();
        hr.sort_by(|a, b| a.event_id.cmp(&b.event_id));
        let lines: Vec<String> = hr.iter().map(|mark| format!("{} {}", mark.event_id, mark.body)).collect();
        let opened: BTreeSet<&CaseId> = hr.iter().filter_map(|mark| mark.case_id.as_ref()).collect();
        let opened = opened.into_iter().filter(|case| self.cases.contains(*case)).count();
        let cases: Vec<&str> = self.cases.iter().map(CaseId::as_str).collect();
        let matches = opened == hr.len();
        let line = Happening {
            kind: EventKind::PopulationCounted,
            at: now,
            actor: "leaver/population".into(),
            action: "count".into(),
            outcome: if matches { Outcome::Success } else { Outcome::Failure },
            risk: None,
            facts: json!({
                "day": self.day.to_string(),
                "hr_events": hr.len(),
                "hr_events_digest": Digest::of(lines.join("\n").as_bytes()),
                "hr_cases": opened,
                "hr_refused": self.refused,
                "cases": cases.len(),
                "cases_digest": Digest::of(cases.join("\n").as_bytes()),
                "rows": self.rows,
            }),
        };
        Population { day: self.day, log: vec![line], version: 1 }
    }
}

/// Whether an event of the HRIS must have a case.
fn must_open(mark: &EventMark) -> bool {
    let kind = serde_json::from_value::<EventType>(json!(mark.kind));
    mark.source == HRIS && kind.is_ok_and(EventType::opens_a_case)
}

/// What a day's count stands under in the ledger, where others have their case.
pub fn id_of(day: Date) -> String {
    format!("population-{day}")
}

/// The day that a count stands for, by what it stands under.
pub fn day_of(id: &str) -> Option<Date> {
    // One form only: a date can be written in others.
    let day: Date = id.strip_prefix("population-")?.parse().ok()?;
    (id_of(day) == id).then_some(day)
}

/// The instant at which a day begins, in UTC.
pub fn begin_of(day: Date) -> Option<Timestamp> {
    day.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|at| Timestamp::from_jiff(at.timestamp()))
}

/// The day before this one, that many days back, in UTC.
pub fn day_before(now: Timestamp, days: u32) -> Option<Date> {
    let today = now.to_jiff().to_zoned(jiff::tz::TimeZone::UTC).date();
    today.checked_sub(jiff::Span::new().days(i64::from(days))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(id: &str, kind: &str, case: Option<&str>) -> EventMark {
        EventMark {
            source: "hris".into(),
            event_id: id.parse().unwrap(),
            kind: kind.into(),
            body: Digest::of(id.as_bytes()),
            case_id: case.map(|case| case.parse().unwrap()),
            received_at: Timestamp::from_millis(0).unwrap(),
        }
    }

    fn counted(events: Vec<EventMark>, cases: &[&str]) -> Happening {
        let cases = cases.iter().map(|case| case.parse().unwrap()).collect();
        let day = Day { day: jiff::civil::date(2026, 2, 3), events, cases, refused: 0, rows: 9 };
        day.count(Timestamp::from_millis(0).unwrap()).log.remove(0)
    }

    #[test]
    fn every_termination_of_the_hris_must_have_its_case() {
        let good = counted(
            vec![
                mark("a", "user_terminated", Some("case-a")),
                mark("b", "user_terminated", Some("case-b")),
                mark("c", "user_updated", None),
            ],
            &["case-a", "case-b", "case-by-hand"],
        );
        assert_eq!(good.outcome, Outcome::Success);
        assert_eq!((&good.facts["hr_events"], &good.facts["hr_cases"]), (&json!(2), &json!(2)));
        assert_eq!(good.facts["cases"], 3);
        let lost = counted(vec![mark("a", "user_terminated", Some("case-a"))], &[]);
        assert_eq!((lost.outcome, &lost.facts["hr_cases"]), (Outcome::Failure, &json!(0)));
    }

    /// A case that a decision opened counts among the cases and not against HR's events; one that was stopped or called off
    /// stays counted, because it was opened.
    #[test]
    fn cases_that_a_decision_opened_are_counted_apart_from_hrs_events() {
        let by_decision = EventMark {
            source: "leaver".into(),
            ..mark("measure-1-begin", "restore", Some("case-that-gives-back"))
        };
        let counted = counted(
            vec![mark("a", "user_terminated", Some("case-called-off")), by_decision],
            &["case-called-off", "case-that-gives-back"],
        );
        assert_eq!(counted.outcome, Outcome::Success);
        assert_eq!((&counted.facts["hr_events"], &counted.facts["hr_cases"]), (&json!(1), &json!(1)));
        assert_eq!(counted.facts["cases"], 2);
    }

    #[test]
    fn the_digests_do_not_depend_on_the_order_of_reading() {
        let (a, b) =
            (mark("a", "user_terminated", Some("case-a")), mark("b", "user_terminated", Some("case-b")));
        let cases = ["case-a", "case-b"];
        assert_eq!(counted(vec![a.clone(), b.clone()], &cases).facts, counted(vec![b, a], &cases).facts);
    }

    #[test]
    fn a_day_before_is_counted_in_utc() {
        let at = "2026-03-01T00:10:00Z".parse().unwrap();
        assert_eq!(day_before(at, 1), Some(jiff::civil::date(2026, 2, 28)));
    }
}
