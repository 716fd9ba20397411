//! The rules of the tables, one by one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use leaver_domain::{
    digest::Digest,
    ledger::{Draft, EventKind, Outcome},
    risk::RiskLevel,
    time::Timestamp,
};
use leaver_evidence::{
    cases::{Sla, seconds},
    files::Memory,
    sample_log::{Case, Opening, SampleLog},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

const FROM: &str = "2026-02-01T00:00:00Z";
const TO: &str = "2026-03-01T00:00:00Z";

/// The lines of a table as maps from column to cell. Only for cells without commas.
fn table(log: &SampleLog, path: &str) -> Vec<BTreeMap<String, String>> {
    let pack = log.whole(FROM, TO).unwrap();
    let text = String::from_utf8(pack[path].clone()).unwrap();
    let mut lines = text.lines();
    let columns: Vec<&str> = lines.next().unwrap().split(',').collect();
    let cells = |line: &str| {
        columns.iter().zip(line.split(',')).map(|(c, v)| (c.to_string(), v.to_owned())).collect()
    };
    lines.map(cells).collect()
}

fn one(log: &SampleLog, path: &str, column: &str) -> String {
    let lines = table(log, path);
    assert_eq!(lines.len(), 1, "{path}: {lines:?}");
    lines[0][column].clone()
}

fn complete(log: &SampleLog) -> Value {
    serde_json::from_slice(&log.whole(FROM, TO).unwrap()["completeness.json"]).unwrap()
}

#[test]
fn the_time_allowed_ends_to_the_millisecond_and_seconds_are_rounded_up() {
    let start: Timestamp = FROM.parse().unwrap();
    let after = |millis| start.plus(Duration::from_millis(millis));
    assert_eq!((seconds(start, after(0)), seconds(start, after(1)), seconds(start, after(1000))), (0, 1, 1));
    assert_eq!(Sla::of(start, Some(after(900_000)), 900, start), Sla::Yes);
    assert_eq!(Sla::of(start, Some(after(900_001)), 900, start), Sla::No);
    assert_eq!(Sla::of(start, None, 900, after(900_000)), Sla::Open);
    assert_eq!(Sla::of(start, None, 900, after(900_001)), Sla::No);
    assert_eq!(Sla::of(start, Some(start.minus(Duration::from_secs(5))), 900, start), Sla::Yes);
}

#[test]
fn a_case_is_open_until_its_time_is_over() {
    let mut log = SampleLog::new("2026-02-02T08:00:00Z");
    log.policy = *log.policies.iter().find(|(_, text)| text.contains("900")).unwrap().0;
    Case::new(1, "john.doe", "hris").open(&mut log, &Opening { effective_in: 100, ..Opening::default() });
    // The clock starts when access is to end.
    log.wait(1000);
    assert_eq!(one(&log, "cases.csv", "within_sla"), "open");
    log.wait(1);
    assert_eq!(one(&log, "cases.csv", "within_sla"), "no");
    log.policies.clear();
    assert_eq!(
        (one(&log, "cases.csv", "within_sla"), one(&log, "cases.csv", "sla_seconds")),
        Default::default()
    );
    assert_eq!(complete(&log)["policies"]["missing"].as_array().unwrap().len(), 1);
}

#[test]
fn rows_in_front_of_the_opening_row_count_towards_their_case() {
    let mut late = SampleLog::new("2026-02-02T08:00:00Z");
    let mut case = Case::new(1, "john.doe", "hris");
    let row = case.revoked(&mut late, "okta", None);
    case.open(&mut late, &Opening::default());
    assert_eq!(row.seq, 0);
    assert_eq!(
        (one(&late, "cases.csv", "rows"), one(&late, "population.csv", "row")),
        ("2".into(), "1".into())
    );
    let okta = table(&late, "systems.csv").into_iter().find(|line| line["system"] == "okta").unwrap();
    assert_eq!((&*okta["result"], &*okta["access_row"]), ("revoked", "0"));
}

#[test]
fn a_second_revocation_needs_a_second_read() {
    let mut log = SampleLog::new("2026-02-02T08:00:00Z");
    log.systems = vec!["okta".into()];
    let mut case = Case::new(1, "john.doe", "hris");
    case.open(&mut log, &Opening::default());
    case.revoked(&mut log, "okta", None);
    case.verified(log.wait(5), "okta", true);
    assert_eq!(one(&log, "cases.csv", "systems_done"), "1");
    case.revoked(log.wait(5), "okta", None);
    assert_eq!(
        (one(&log, "systems.csv", "result"), one(&log, "systems.csv", "verified_at")),
        ("revoked".into(), "".into())
    );
    assert_eq!(
        (one(&log, "cases.csv", "systems_done"), one(&log, "cases.csv", "access_rows")),
        ("0".into(), "3".into())
    );
    assert_eq!(complete(&log)["access_rows"], json!({"expected": 2, "found": 2, "missing": []}));
}

#[test]
fn duties_are_not_separated_where_the_person_or_the_requester_decides() {
    for (approver, separated) in [("john.doe", "no"), ("harper.hr", "no"), ("robin.lead", "yes")] {
        let mut log = SampleLog::new("2026-02-02T08:00:00Z");
        let mut case = Case::new(1, "john.doe", "harper.hr");
        case.open(&mut log, &Opening::default());
        case.waits(&mut log, "okta");
        assert_eq!(one(&log, "approvals.csv", "separated"), "");
        case.decided(&mut log, "okta", "approve", approver);
        assert_eq!(one(&log, "approvals.csv", "separated"), separated);
        let findings = table(&log, "exceptions.csv").iter().filter(|line| line["kind"] == "finding").count();
        assert_eq!(findings, usize::from(separated == "no"));
    }
}

#[test]
fn a_decision_on_another_plan_or_without_a_request_is_a_finding() {
    let mut log = SampleLog::new("2026-02-02T08:00:00Z");
    let mut case = Case::new(1, "john.doe", "harper.hr");
    case.open(&mut log, &Opening::default());
    case.waits(&mut log, "okta");
    for (place, system) in ["okta", "slack"].into_iter().enumerate() {
        log.push(Draft {
            event_id: format!("decision-{place}"),
            case_id: case.id.clone(),
            ordinal: 1,
            kind: EventKind::ApprovalDecided,
            occurred_at: log.now,
            username: "john.doe".into(),
            actor: "robin.lead".into(),
            system: Some(system.into()),
            action: "approve".into(),
            outcome: Outcome::Success,
            risk: Some(RiskLevel::Flagged),
            evidence: json!({"facts": {"decision": "approve", "plan_digest": Digest::of(b"another")}})
                .to_string(),
        });
    }
    let lines = table(&log, "exceptions.csv");
    let findings: Vec<_> =
        lines.iter().filter(|line| line["kind"] == "finding").map(|line| line["detail"].as_str()).collect();
    assert!(findings.iter().any(|detail| detail.contains("another plan")), "{findings:?}");
    assert!(findings.iter().any(|detail| detail.contains("without a request")), "{findings:?}");
    // The row's actor stands in for an approver whom the facts do not name.
    assert!(table(&log, "approvals.csv").iter().all(|line| line["approver"] == "robin.lead"));
}

#[test]
fn a_days_count_is_held_against_the_rows() {
    let day = |change: fn(&mut SampleLog)| {
        let mut log = SampleLog::new("2026-02-02T08:00:00Z");
        Case::new(1, "john.doe", "hris").clean(&mut log, &mut drop);
        change(&mut log);
        complete(&log)["hr"]["days"][0].clone()
    };
    let seen = |day: Value| (day["counted"].as_u64(), day["matches"].as_bool());
    assert_eq!(seen(day(|log| drop(log.count("2026-02-02", 0)))), (None, Some(true)), "the day is not over");
    assert_eq!(
        seen(day(|log| drop(log.at("2026-02-03T00:05:00Z").count("2026-02-02", 0)))),
        (Some(1), Some(true))
    );
    assert_eq!(
        seen(day(|log| drop(log.at("2026-02-03T00:05:00Z").count("2026-02-02", 1)))),
        (Some(1), Some(false))
    );
    let other = |log: &mut SampleLog| {
        // As many cases as were counted, and not the same ones.
        let mut another = SampleLog::new("2026-02-02T08:00:00Z");
        Case::new(2, "jane.doe", "hris").open(&mut another, &Opening::default());
        let count = another.at("2026-02-03T00:05:00Z").count("2026-02-02", 0);
        let evidence = count.evidence;
        log.at("2026-02-03T00:05:00Z").push(Draft {
            event_id: "population".into(),
            case_id: "population-2026-02-02".into(),
            ordinal: 0,
            kind: EventKind::PopulationCounted,
            occurred_at: another.now,
            username: String::new(),
            actor: "a".into(),
            system: None,
            action: "count".into(),
            outcome: Outcome::Success,
            risk: None,
            evidence,
        });
    };
    assert_eq!(seen(day(other)), (Some(1), Some(false)));
}

#[test]
fn a_day_that_does_not_lie_in_the_period_as_a_whole_is_not_counted_again() {
    let mut log = SampleLog::new("2026-02-02T08:00:00Z");
    Case::new(1, "john.doe", "hris").clean(&mut log, &mut drop);
    log.at("2026-02-04T00:05:00Z").count("2026-02-02", 0);
    log.count("2026-02-03", 1);
    let about = log.about("2026-02-02T07:00:00Z", "2026-02-04T00:00:00Z", 0);
    let (_, files) = log.pack(Memory::default(), about, log.head.tree.size).unwrap();
    let complete: Value = serde_json::from_slice(&files.0["completeness.json"]).unwrap();
    let days = &complete["hr"]["days"];
    assert_eq!((&days[0]["counted"], &days[0]["matches"]), (&Value::Null, &json!(true)));
    assert_eq!((&days[1]["counted"], &days[1]["matches"]), (&json!(0), &json!(false)));
    assert_eq!(complete["hr"]["missing_days"], json!([]));
}

#[test]
fn the_sample_is_the_25_smallest_selectors() {
    let mut log = SampleLog::new("2026-02-02T08:00:00Z");
    let mut ids = Vec::new();
    for number in 0..40 {
        let mut case = Case::new(number, &format!("person.{number}"), "hris");
        case.clean(&mut log, &mut drop);
        ids.push(case.id);
    }
    let root = log.head.tree.root();
    ids.sort_by_key(|id| Digest::of_parts(&[&root.0, id.as_bytes()]));
    let mut picked: Vec<_> =
        table(&log, "sample.csv").into_iter().map(|line| line["case_id"].clone()).collect();
    assert_eq!(picked.len(), 25 * 5, "a trigger row and four access rows each");
    picked.dedup();
    assert_eq!(picked, ids[..25]);
}
