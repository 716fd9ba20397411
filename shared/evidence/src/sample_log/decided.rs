//! The days of the month on which humans decide.

use super::{Apart, Case, Opening, SampleLog};
use serde_json::json;

/// Tells the days from 2026-02-12 on: ten cases, and everything that can become of a request.
pub(super) fn play(log: &mut SampleLog) {
    rounds(log.at("2026-02-12T09:00:00Z"));
    by_hand(log.wait(60));
    log.at("2026-02-13T00:05:00Z").count("2026-02-12", 0);
    reviewed(log.at("2026-02-16T09:00:00Z"));
    brake(log.wait(60));
    log.at("2026-02-17T00:05:00Z").count("2026-02-16", 0);
    mistaken(log.at("2026-02-18T09:00:00Z"));
    measures(log.wait(60));
    break_glass(log.at("2026-02-19T09:00:00Z"));
    log.at("2026-02-20T00:05:00Z").count("2026-02-19", 0);
    unapproved(log.at("2026-02-23T09:00:00Z"));
    log.at("2026-02-24T00:05:00Z").count("2026-02-23", 0);
}

fn verify(case: &mut Case, log: &mut SampleLog, systems: &[&str]) {
    log.wait(30);
    systems.iter().for_each(|system| drop(case.verified(log, system, true)));
}

/// Two approve; one comes back with another plan and is approved at last; one expires, one is denied after an escalation.
fn rounds(log: &mut SampleLog) {
    let mut case = Case::new(20, "drew.admin", "hris");
    case.open(log, &Opening::default());
    case.validated(log.wait(1));
    case.waits_for(log, "aws_iam", 2);
    for system in ["github", "okta", "slack"] {
        case.waits(log, system);
    }
    case.decided_as(log.wait(60), "aws_iam", "approve", "robin.lead", (1, 2, "pending"));
    case.decided_as(log.wait(60), "aws_iam", "approve", "harper.hr", (2, 2, "approved"));
    case.revoked(log.wait(1), "aws_iam", None);
    case.decided(log.wait(1), "github", "approve", "robin.lead");
    case.waits(log.wait(1), "github");
    case.decided(log.wait(60), "github", "approve", "harper.hr");
    case.revoked(log.wait(1), "github", None);
    verify(&mut case, log, &["aws_iam", "github"]);
    case.escalated(log.wait(3_600), "okta");
    case.escalated(log, "slack");
    case.decided(log.wait(60), "slack", "deny", "sasha.security");
    case.expired(log.wait(36_000), "okta");
    case.task(log, "okta");
}

/// Two systems without an adapter: one owner is done, and one is not.
fn by_hand(log: &mut SampleLog) {
    let mut case = Case::new(21, "noor.paper", "hris");
    case.open(log, &Opening::default());
    case.task(log.wait(1), "github");
    case.task(log, "slack");
    case.revoked(log, "aws_iam", None);
    case.absent(log, "okta");
    verify(&mut case, log, &["aws_iam"]);
    case.task_done(log.wait(60), "github", "sam.admin");
    case.task_done(log.wait(60), "slack", "sam.admin");
    case.closed(log);
}

/// An emergency that somebody else reviewed, and one that was reviewed by whoever asked for it.
fn reviewed(log: &mut SampleLog) {
    let urgent = || Opening {
        reason: "Compromised account",
        emergency: true,
        finding: Some("emergency"),
        ..Opening::default()
    };
    for (number, person, reviewer) in [(22, "ash.urgent", "sasha.security"), (23, "bo.urgent", "sam.admin")] {
        let mut case = Case::new(number, person, "sam.admin");
        case.open(log.wait(60), &urgent());
        let systems = log.systems.clone();
        systems.iter().for_each(|system| drop(case.revoked(log, system, None)));
        let mut review = Apart::review(&case.id, person, &[person, "sam.admin"], "2026-02-17T09:00:00.000Z");
        review.opened(log);
        let systems: Vec<&str> = systems.iter().map(String::as_str).collect();
        verify(&mut case, log, &systems);
        case.closed(log.wait(1));
        review.done(log.wait(60), reviewer);
    }
}

/// A mass of cases is stopped: one goes on, one is called off.
fn brake(log: &mut SampleLog) {
    let mut release =
        Apart::measure("brake", "", "leaver", json!({"kind": "release", "held_for": "mass_action"}));
    let mut going = Case::new(24, "quinn.right", "hris");
    let mut wrong = Case::new(25, "taylor.wrong", "hris");
    going.open(log, &Opening::default());
    wrong.open(log, &Opening::default());
    going.stopped(log.wait(1), "mass_action", Some(&release.id));
    wrong.stopped(log, "mass_action", Some(&release.id));
    release.requested(log, 1);
    wrong.let_go(log.wait(60), false, "harper.hr", &release.id);
    release.decided(log.wait(30), "approve", "robin.lead", (1, 1, "approved"));
    release.began(log.wait(1), &[going.id.as_str()]);
    going.let_go(log, true, "robin.lead", &release.id);
    release.ended(log.wait(1), &[going.id.as_str()]);
    let systems = log.systems.clone();
    systems.iter().for_each(|system| drop(going.revoked(log, system, None)));
    let systems: Vec<&str> = systems.iter().map(String::as_str).collect();
    verify(&mut going, log, &systems);
    going.closed(log);
}

/// What the first case of the month took comes back, and part of it cannot.
fn mistaken(log: &mut SampleLog) {
    const MEASURE: &str = "measure-mistake";
    let taken = "case-22928b4c853cd1069bd96a62";
    let mut restore =
        Apart::measure("mistake", "john.doe", "casey.manager", json!({"kind": "restore", "case": taken}));
    restore.requested(log, 2);
    restore.decided(log.wait(60), "approve", "robin.lead", (1, 2, "pending"));
    restore.decided(log.wait(60), "approve", "sasha.security", (2, 2, "approved"));
    let mut case = Case::new(26, "john.doe", "casey.manager");
    let opening = Opening {
        reason: "It was another John",
        gives_back: true,
        kind: Some("restore"),
        measure: Some(MEASURE),
        restores: Some(taken),
        ..Opening::default()
    };
    case.open(log.wait(1), &opening);
    restore.began(log, &[case.id.as_str()]);
    let systems = log.systems.clone();
    for (place, system) in systems.iter().enumerate() {
        let lost: &[&str] = if place == 1 { &["personal access tokens"] } else { &[] };
        case.restored(log.wait(1), system, lost, MEASURE);
    }
    let systems: Vec<&str> = systems.iter().map(String::as_str).collect();
    verify(&mut case, log, &systems);
    case.closed(log.wait(1));
    restore.ended(log, &[case.id.as_str()]);
}

/// One of each: in force, past its end, denied, expired, waiting, and one that its own requester approved.
fn measures(log: &mut SampleLog) {
    let exception = |id: &str, by: &str| {
        Apart::measure(id, "kit.gone", by, json!({"kind": "exception", "what": "mail_forwarding"}))
    };
    let approve = |measure: &mut Apart, log: &mut SampleLog, by: &str| {
        measure.requested(log, 1);
        measure.decided(log.wait(60), "approve", by, (1, 1, "approved"));
        measure.began(log.wait(1), &[]);
    };
    approve(&mut exception("mail", "casey.manager").until("2026-06-01T00:00:00Z"), log, "robin.lead");
    approve(&mut exception("past", "casey.manager").until("2026-02-25T00:00:00Z"), log, "robin.lead");
    approve(&mut exception("own", "casey.manager").until("2026-06-01T00:00:00Z"), log, "casey.manager");
    let mut denied = exception("denied", "casey.manager");
    denied.requested(log, 1);
    denied.decided(log.wait(60), "deny", "robin.lead", (0, 1, "denied"));
    let mut silent = exception("silent", "casey.manager");
    silent.requested(log, 1);
    silent.escalated(log.wait(3_600));
    silent.expired(log.wait(7_200));
    let what = json!({"kind": "grant", "permissions": [{"system": "github", "grant": "Archive"}]});
    Apart::measure("waits", "kit.gone", "casey.manager", what)
        .until("2026-03-05T00:00:00Z")
        .requested(log, 1);
    exception("before", "casey.manager").ended(log, &[]);
    // Asked once more after silence, and too late in the end.
    let mut late = exception("late", "casey.manager");
    late.requested(log, 1);
    late.expired(log.wait(60));
    late.requested(log, 1);
    late.decided(log.wait(60), "approve", "robin.lead", (1, 1, "approved"));
    late.failed(log, "its end had come before it could begin");
}

/// Emergency access for an hour, which ends by itself; nobody has reviewed it.
fn break_glass(log: &mut SampleLog) {
    const MEASURE: &str = "measure-glass";
    let taken = "case-ca36b68cfc29fc3fa2bad5c8";
    let what = json!({"kind": "break_glass", "case": taken});
    let mut glass = Apart::measure("glass", "riley.owner", "sam.admin", what).until("2026-02-19T10:00:00Z");
    glass.requested(log, 1);
    glass.decided(log.wait(60), "approve", "sasha.security", (1, 1, "approved"));
    let opening = Opening {
        reason: "An outage that only they can end",
        kind: Some("break_glass"),
        measure: Some(MEASURE),
        ..Opening::default()
    };
    let mut given = Case::new(27, "riley.owner", "sam.admin");
    given.open(log.wait(1), &Opening { gives_back: true, restores: Some(taken), ..opening.clone() });
    glass.began(log, &[given.id.as_str()]);
    Apart::review(&given.id, "riley.owner", &["sam.admin", "riley.owner"], "2026-02-22T09:00:00.000Z")
        .opened(log);
    given.restored(log.wait(1), "github", &[], MEASURE);
    verify(&mut given, log, &["github"]);
    glass.ending(log.at("2026-02-19T10:00:00Z"), &[given.id.as_str()]);
    let mut taken = Case::new(28, "riley.owner", "sam.admin");
    taken.open(log, &Opening { mode: "partial", kind: Some("grant_ended"), ..opening });
    taken.revoked(log.wait(1), "github", None);
    verify(&mut taken, log, &["github"]);
    glass.ended(log, &[given.id.as_str(), taken.id.as_str()]);
}

/// A flagged account is changed although only one of two has approved.
fn unapproved(log: &mut SampleLog) {
    let mut case = Case::new(29, "max.early", "hris");
    case.open(log, &Opening::default());
    case.waits_for(log.wait(1), "okta", 2);
    case.decided_as(log.wait(60), "okta", "approve", "robin.lead", (1, 2, "pending"));
    case.revoked_flagged(log.wait(1), "okta");
    case.stopped(log.wait(1), "identity_conflict", None);
}
