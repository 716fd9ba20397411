//! The rules of the tables, one by one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use leaver_domain::{
    digest::Digest,
    ledger::{Draft, EventKind, Outcome},
    measure::What,
    risk::RiskLevel,
    time::Timestamp,
};
use leaver_evidence::{
    cases::{Sla, seconds},
    files::Memory,
    sample_log::{Apart, Case, Opening, SampleLog},
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

/// What was proved when the case was through stays proved; what is back is another case's.
#[test]
fn a_read_days_later_changes_nothing_of_what_the_case_came_to() {
    let mut log = SampleLog::new("2026-02-02T08:00:00Z");
    log.systems = vec!["okta".into()];
    let mut case = Case::new(1, "john.doe", "hris");
    case.open(&mut log, &Opening::default());
    case.revoked(&mut log, "okta", None);
    case.verified(log.wait(5), "okta", true);
    let columns = ["result", "verified_at", "verification_row", "risk", "after_status", "attempts"];
    let told = |log: &SampleLog| columns.map(|column| one(log, "systems.csv", column));
    let before = told(&log);
    case.reverified(log.wait(86_400), "okta", 1, true);
    case.reverified(log.wait(86_400), "okta", 7, false);
    assert_eq!((told(&log), one(&log, "cases.csv", "systems_done")), (before, "1".into()));
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

fn kinds(log: &SampleLog) -> Vec<(String, String)> {
    let pack = log.whole(FROM, TO).unwrap();
    let text = String::from_utf8(pack["exceptions.csv"].clone()).unwrap();
    let lines = text.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
    lines.map(|cells| (cells[0].to_owned(), cells[1].to_owned())).collect()
}

fn has(log: &SampleLog, kind: &str, id: &str) -> bool {
    kinds(log).contains(&(kind.to_owned(), id.to_owned()))
}

#[test]
fn rows_under_a_measure_or_a_review_are_no_case() {
    let mut log = SampleLog::new("2026-02-02T08:00:00Z");
    let what = json!({"kind": "exception", "what": "mail_forwarding"});
    let mut measure = Apart::measure("1", "john.doe", "harper.hr", what);
    measure.requested(&mut log, 1);
    measure.decided(&mut log, "approve", "robin.lead", (1, 1, "approved"));
    measure.began(&mut log, &[]);
    Apart::review("case-x", "john.doe", &[], "2026-02-05T00:00:00Z").opened(&mut log);
    let complete = complete(&log);
    assert_eq!(complete["cases"], json!({"opened": 0, "dry_runs": 0, "closed": 0, "open": 0}));
    assert_eq!(complete["access_rows"]["expected"], 0);
    assert!(table(&log, "cases.csv").is_empty() && table(&log, "systems.csv").is_empty());
    assert_eq!(one(&log, "approvals.csv", "case_id"), "measure-1");
}

#[test]
fn no_name_hides_a_case() {
    let mut log = SampleLog::new("2026-02-02T08:00:00Z");
    let mut case = Case::new(1, "john.doe", "hris");
    case.id = "measure-1".into();
    case.clean(&mut log, &mut drop);
    assert_eq!(
        (one(&log, "cases.csv", "status"), one(&log, "cases.csv", "rows")),
        ("closed".into(), "11".into())
    );
}

#[test]
fn duties_are_separated_in_a_measure_from_requester_and_subject() {
    for (approver, separated) in [("john.doe", "no"), ("harper.hr", "no"), ("robin.lead", "yes")] {
        let mut log = SampleLog::new("2026-02-02T08:00:00Z");
        let mut measure = Apart::measure("1", "john.doe", "harper.hr", json!({"kind": "hold_release"}));
        measure.requested(&mut log, 1);
        assert_eq!(one(&log, "approvals.csv", "separated"), "");
        measure.decided(&mut log, "approve", approver, (1, 1, "approved"));
        assert_eq!(one(&log, "approvals.csv", "separated"), separated);
        assert_eq!(has(&log, "finding", "measure-1"), separated == "no");
    }
}

#[test]
fn an_approval_counts_when_enough_people_gave_it_in_time() {
    let story = |second: &str, wait: u64| {
        let mut log = SampleLog::new("2026-02-02T08:00:00Z");
        let mut case = Case::new(1, "john.doe", "hris");
        case.open(&mut log, &Opening::default());
        case.waits_for(&mut log, "okta", 2);
        case.decided_as(&mut log, "okta", "approve", "robin.lead", (1, 2, "pending"));
        assert_eq!(one(&log, "approvals.csv", "status"), "open");
        let okta = table(&log, "systems.csv").into_iter().find(|line| line["system"] == "okta").unwrap();
        assert_eq!(okta["result"], "awaiting_approval");
        case.decided_as(log.wait(wait), "okta", "approve", second, (2, 2, "approved"));
        assert_eq!(table(&log, "approvals.csv").len(), 2);
        assert!(table(&log, "approvals.csv").iter().all(|line| line["status"] == "approved"));
        case.revoked_flagged(&mut log, "okta");
        has(&log, "unapproved", &case.id)
    };
    assert!(!story("harper.hr", 60));
    assert!(story("robin.lead", 60), "the same person twice");
    assert!(story("harper.hr", 86_400), "after it had expired");
}

#[test]
fn a_flagged_change_needs_an_approval_of_its_round() {
    let mut log = SampleLog::new("2026-02-02T08:00:00Z");
    let mut case = Case::new(1, "john.doe", "hris");
    case.open(&mut log, &Opening::default());
    case.waits(&mut log, "okta");
    case.decided(&mut log, "okta", "approve", "robin.lead");
    case.waits(&mut log, "okta");
    case.revoked_flagged(&mut log, "okta");
    assert!(has(&log, "unapproved", &case.id));
    let lines = table(&log, "approvals.csv");
    let told: Vec<_> = lines.iter().map(|line| (&*line["status"], &*line["decision"])).collect();
    assert_eq!(told, [("approved", "approve"), ("open", "")]);
}

#[test]
fn a_case_that_was_called_off_calls_for_nothing() {
    let mut log = SampleLog::new("2026-02-02T08:00:00Z");
    let mut case = Case::new(1, "john.doe", "hris");
    case.open(&mut log, &Opening::default());
    case.stopped(&mut log, "mass_action", None);
    assert_eq!(one(&log, "cases.csv", "status"), "held");
    assert_eq!(complete(&log)["access_rows"]["missing"].as_array().unwrap().len(), 4);
    case.let_go(log.wait(100_000), false, "harper.hr", "measure-1");
    assert_eq!(
        (one(&log, "cases.csv", "status"), one(&log, "cases.csv", "within_sla")),
        ("cancelled".into(), "".into())
    );
    assert_eq!(complete(&log)["access_rows"], json!({"expected": 1, "found": 1, "missing": []}));
    assert_eq!(complete(&log)["cases"]["open"], 0);
    assert!(
        !has(&log, "late", &case.id) && !has(&log, "open_case", &case.id) && has(&log, "cancelled", &case.id)
    );
}

#[test]
fn a_task_done_by_hand_stands_for_the_access_row_until_it_is_opened_again() {
    let mut log = SampleLog::new("2026-02-02T08:00:00Z");
    log.systems = vec!["paper".into()];
    let mut case = Case::new(1, "john.doe", "hris");
    case.open(&mut log, &Opening::default());
    case.task(&mut log, "paper");
    assert_eq!(complete(&log)["access_rows"]["missing"].as_array().unwrap().len(), 1);
    case.task_done(log.wait(30), "paper", "sam.admin");
    assert_eq!(complete(&log)["access_rows"], json!({"expected": 1, "found": 1, "missing": []}));
    assert_eq!(
        (one(&log, "systems.csv", "result"), one(&log, "cases.csv", "systems_done")),
        ("task_closed".into(), "1".into())
    );
    assert_eq!(one(&log, "cases.csv", "seconds_to_verified"), "30");
    case.task(log.wait(1), "paper");
    assert_eq!(complete(&log)["access_rows"]["missing"].as_array().unwrap().len(), 1);
}

#[test]
fn a_case_that_gives_back_calls_for_no_access_rows_and_counts_against_those_that_take() {
    let mut log = SampleLog::new("2026-02-02T08:00:00Z");
    let back =
        |kind| Opening { gives_back: true, kind: Some(kind), restores: Some("case-x"), ..Opening::default() };
    Case::new(1, "john.doe", "sam.admin").open(&mut log, &back("break_glass"));
    let mut case = Case::new(2, "john.doe", "sam.admin");
    case.open(&mut log, &back("restore"));
    case.restored(&mut log, "okta", &[], "measure-1");
    let okta = |log: &SampleLog| {
        let mut lines = table(log, "systems.csv").into_iter();
        lines.find(|line| line["case_id"] == case.id && line["system"] == "okta").unwrap()["result"].clone()
    };
    assert_eq!(okta(&log), "restored");
    assert_eq!(complete(&log)["access_rows"], json!({"expected": 0, "found": 0, "missing": []}));
    assert!(has(&log, "wrongful_revocation", &case.id));
    assert_eq!(kinds(&log).iter().filter(|(kind, _)| kind == "wrongful_revocation").count(), 1);
    assert!(!kinds(&log).iter().any(|(kind, _)| kind == "late"));
    let controls = String::from_utf8(log.whole(FROM, TO).unwrap()["controls.md"].clone()).unwrap();
    assert!(
        controls
            .contains("cases that take access: 0, of these called off before: 0; cases undone: 1 | **no**")
    );
}

#[test]
fn an_emergency_is_reviewed_by_somebody_who_took_no_part() {
    for (by, good) in [("sasha.security", true), ("sam.admin", false)] {
        let mut log = SampleLog::new("2026-02-02T08:00:00Z");
        let mut case = Case::new(1, "john.doe", "sam.admin");
        case.open(&mut log, &Opening { emergency: true, ..Opening::default() });
        assert!(has(&log, "unreviewed", &case.id));
        let mut review = Apart::review(&case.id, "john.doe", &["sam.admin"], "2026-02-05T00:00:00Z");
        review.opened(&mut log);
        assert!(has(&log, "unreviewed", &case.id) && has(&log, "task_opened", &review.id));
        // It is done after the period, and belongs to the pack nevertheless.
        review.done(log.at("2026-03-02T00:00:00Z"), by);
        assert_eq!(log.extent(FROM, TO).end, 3);
        assert_eq!(has(&log, "unreviewed", &case.id), !good);
        assert_eq!(has(&log, "finding", &review.id), !good);
    }
}

#[test]
fn a_suspension_for_a_violation_changes_what_is_flagged_and_owes_a_review() {
    for violation in [true, false] {
        let mut log = SampleLog::new("2026-02-02T08:00:00Z");
        let mut case = Case::new(1, "john.doe", "hris");
        case.open(&mut log, &Opening { mode: "suspend", violation, ..Opening::default() });
        case.revoked_flagged(&mut log, "okta");
        assert_eq!(has(&log, "unapproved", &case.id), !violation);
        assert_eq!(has(&log, "emergency", &case.id), violation);
        assert_eq!(has(&log, "unreviewed", &case.id), violation);
        let mut review = Apart::review(&case.id, "john.doe", &["hris"], "2026-02-05T00:00:00Z");
        review.opened(&mut log);
        review.done(&mut log, "sasha.security");
        assert!(!has(&log, "unreviewed", &case.id));
    }
}

#[test]
fn a_measure_is_in_force_until_a_row_says_that_it_is_over() {
    let mut log = SampleLog::new("2026-02-02T08:00:00Z");
    let what = json!({"kind": "exception", "what": "retention_hold"});
    let mut measure = Apart::measure("1", "john.doe", "harper.hr", what).until("2026-02-03T00:00:00Z");
    let told = |log: &SampleLog, kind: &str| has(log, kind, "measure-1");
    measure.requested(&mut log, 1);
    assert!(told(&log, "awaiting_approval"));
    measure.began(&mut log, &[]);
    assert!(told(&log, "in_force") && told(&log, "unapproved"));
    measure.decided(&mut log, "approve", "robin.lead", (1, 1, "approved"));
    assert!(told(&log, "in_force") && !told(&log, "unapproved"));
    log.at("2026-02-03T00:00:00Z");
    assert!(told(&log, "overdue") && !told(&log, "in_force"));
    measure.ended(&mut log, &[]);
    assert!(told(&log, "over") && !told(&log, "overdue"));
    // What is being taken back is not over yet, and what could not be taken back is not over at all.
    let mut measure =
        Apart::measure("2", "john.doe", "harper.hr", json!({"kind": "grant", "permissions": []}));
    measure.requested(&mut log, 1);
    measure.decided(&mut log, "approve", "robin.lead", (1, 1, "approved"));
    measure.began(&mut log, &[]);
    measure.ending(&mut log, &[]);
    assert!(has(&log, "in_force", "measure-2"));
    measure.failed(&mut log, "its case was called off");
    assert!(has(&log, "overdue", "measure-2") && !has(&log, "over", "measure-2"));
    let mut measure =
        Apart::measure("3", "john.doe", "harper.hr", json!({"kind": "grant", "permissions": []}));
    measure.requested(&mut log, 1);
    measure.expired(&mut log);
    measure.requested(&mut log, 1);
    assert!(has(&log, "awaiting_approval", "measure-3"), "asked once more");
    measure.decided(&mut log, "approve", "robin.lead", (1, 1, "approved"));
    measure.failed(&mut log, "the person is leaving");
    assert!(has(&log, "refused", "measure-3") && !has(&log, "unapproved", "measure-3"));
    // One that has no row in the period is not told of.
    assert!(
        log.whole("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z")
            .is_ok_and(|pack| { !String::from_utf8_lossy(&pack["exceptions.csv"]).contains("measure-1") })
    );
}

/// What ends by itself was approved with the measure; what only says so was not.
#[test]
fn the_end_of_a_measure_is_covered_by_its_approval() {
    let opening =
        |measure| Opening { kind: Some("break_glass_ended"), measure: Some(measure), ..Opening::default() };
    for (decision, status, under, good) in [
        ("approve", "approved", "measure-1", true),
        ("deny", "denied", "measure-1", false),
        ("approve", "approved", "measure-2", false),
    ] {
        let mut log = SampleLog::new("2026-02-02T08:00:00Z");
        let what = json!({"kind": "break_glass", "case": "case-x"});
        let mut measure = Apart::measure("1", "john.doe", "sam.admin", what).until("2026-02-02T10:00:00Z");
        measure.requested(&mut log, 1);
        measure.decided(&mut log, decision, "sasha.security", (1, 1, status));
        let mut case = Case::new(1, "john.doe", "sam.admin");
        case.open(log.at("2026-02-02T10:00:00Z"), &opening("measure-1"));
        case.revoked_under(log.wait(1), "okta", under);
        assert_eq!(has(&log, "unapproved", &case.id), !good, "{decision} {under}");
    }
    // A case of somebody else that names a measure is no end of one.
    let mut log = SampleLog::new("2026-02-02T08:00:00Z");
    let mut case = Case::new(1, "john.doe", "hris");
    case.open(&mut log, &Opening::default());
    case.revoked_under(log.wait(1), "okta", "measure-1");
    assert!(has(&log, "unapproved", &case.id));
}

#[test]
fn emergency_access_is_reviewed_when_it_is_over_and_not_before() {
    for (closed, good) in [("2026-02-02T09:59:59Z", false), ("2026-02-02T10:00:00Z", true)] {
        let mut log = SampleLog::new("2026-02-02T08:00:00Z");
        let what = json!({"kind": "break_glass", "case": "case-x"});
        let mut measure = Apart::measure("1", "john.doe", "sam.admin", what).until("2026-02-02T10:00:00Z");
        measure.requested(&mut log, 1);
        measure.decided(&mut log, "approve", "sasha.security", (1, 1, "approved"));
        measure.began(log.wait(1), &["case-given"]);
        assert!(has(&log, "unreviewed", "measure-1"), "no review is among the rows");
        let not_by = ["sam.admin", "john.doe", "sasha.security"];
        let mut review = Apart::review("case-given", "john.doe", &not_by, "2026-02-03T10:00:00Z")
            .not_before("2026-02-02T10:00:00Z");
        review.opened(&mut log);
        assert!(has(&log, "unreviewed", "measure-1"));
        review.done(log.at(closed), "taylor.security");
        assert_eq!(has(&log, "unreviewed", "measure-1"), !good);
        assert_eq!(has(&log, "finding", &review.id), !good);
    }
}

#[test]
fn an_extension_is_told_with_its_last_day() {
    let mut log = SampleLog::new("2026-02-02T08:00:00Z");
    let what = serde_json::to_value(What::Extension { until: "2026-06-30".parse().unwrap() }).unwrap();
    Apart::measure("1", "john.doe", "harper.hr", what).requested(&mut log, 1);
    let told = table(&log, "exceptions.csv").into_iter().find(|line| line["case_id"] == "measure-1").unwrap();
    assert!(told["detail"].starts_with("extension (2026-06-30)"), "{told:?}");
}
