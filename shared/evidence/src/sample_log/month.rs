//! A month in which everything happens once.

use super::{Case, Opening, SampleLog, decided};
use leaver_domain::digest::Digest;

/// Tells the month. Of its cases, one is opened before February 2026 ends and closed after it.
pub(super) fn play(log: &mut SampleLog) {
    let ignore = &mut |_| {};
    Case::new(1, "john.doe", "hris").clean(log, ignore);
    log.wait(60);
    Case::new(2, "=cmd|'/c calc'!A1", "hris").clean(log, ignore);
    log.at("2026-02-03T00:05:00Z").count("2026-02-02", 0);
    flagged(log.at("2026-02-03T09:00:00Z"));
    failing(log.wait(60));
    log.at("2026-02-04T00:05:00Z").count("2026-02-03", 0);
    emergency(log.at("2026-02-04T10:00:00Z"));
    reopened(log.wait(60));
    dry_run(log.wait(60));
    log.at("2026-02-05T00:05:00Z").count("2026-02-04", 1);
    let first = *log.policies.keys().next().unwrap_or(&Digest::ZERO);
    let last = *log.policies.keys().next_back().unwrap_or(&Digest::ZERO);
    log.policy = if log.policy == first { last } else { first };
    Case::new(8, "under.sixty", "hris").clean(log.at("2026-02-10T10:00:00Z"), ignore);
    interleaved(log.wait(60));
    log.at("2026-02-11T00:05:00Z").count("2026-02-10", 0);
    decided::play(log);
    held(log.at("2026-02-27T10:00:00Z"));
    across_the_end(log.at("2026-02-28T23:59:00Z"));
}

/// Two systems wait: one is handed on and approved by somebody else, one is denied; one approves themselves.
fn flagged(log: &mut SampleLog) {
    let mut case = Case::new(3, "riley.owner", "sam.admin");
    case.open(log, &Opening { reason: "Contract breach, \"for cause\"", ..Opening::default() });
    case.validated(log.wait(1));
    case.waits(log.wait(2), "aws_iam");
    case.waits(log, "github");
    case.waits(log, "okta");
    case.revoked(log, "slack", None);
    case.decided(log.wait(120), "aws_iam", "escalate", "harper.hr");
    case.decided(log.wait(60), "aws_iam", "approve", "robin.lead");
    case.decided(log, "github", "deny", "robin.lead");
    case.decided(log, "okta", "approve", "sam.admin");
    case.revoked(log.wait(5), "aws_iam", Some("keys of roles that were assumed before"));
    case.revoked(log, "okta", None);
    log.wait(60);
    for system in ["aws_iam", "okta", "slack"] {
        case.verified(log, system, true);
    }
}

/// Attempts fail, one system is given to its owner, one has no account, and the whole takes too long.
fn failing(log: &mut SampleLog) {
    let mut case = Case::new(4, "casey.late", "hris");
    case.open(log, &Opening::default());
    case.validated(log.wait(1));
    case.failed(log.wait(1), "github", 1, "Throttled");
    case.failed(log.wait(600), "github", 2, "Unavailable");
    case.revoked(log, "aws_iam", None);
    case.absent(log, "slack");
    case.revoked(log, "okta", None);
    case.task(log.wait(400), "github");
    case.verified(log, "aws_iam", true);
    case.verified(log, "okta", true);
}

fn emergency(log: &mut SampleLog) {
    let mut case = Case::new(5, "alex.urgent", "sam.admin");
    case.open(
        log,
        &Opening {
            reason: "Compromised account",
            emergency: true,
            finding: Some("emergency"),
            ..Opening::default()
        },
    );
    case.validated(log.wait(1));
    let systems = log.systems.clone();
    systems.iter().for_each(|system| drop(case.revoked(log, system, None)));
    log.wait(60);
    systems.iter().for_each(|system| drop(case.verified(log, system, true)));
    case.closed(log);
}

/// The independent read finds access again; it is revoked and read once more, and the case is done late.
fn reopened(log: &mut SampleLog) {
    let mut case = Case::new(6, "jamie.back", "hris");
    case.open(log, &Opening::default());
    case.validated(log.wait(1));
    let systems = log.systems.clone();
    systems.iter().for_each(|system| drop(case.revoked(log, system, None)));
    case.verified(log.wait(60), "okta", false);
    case.revoked(log.wait(900), "okta", None);
    log.wait(60);
    systems.iter().for_each(|system| drop(case.verified(log, system, true)));
    case.closed(log);
}

fn dry_run(log: &mut SampleLog) {
    let mut case = Case::new(7, "robin.mover", "sam.admin");
    case.open(log, &Opening { reason: "what if", dry_run: true, ..Opening::default() });
    let systems = log.systems.clone();
    systems.iter().for_each(|system| drop(case.previewed(log, system)));
    case.closed(log);
}

/// The rows of two cases between one another.
fn interleaved(log: &mut SampleLog) {
    let systems = log.systems.clone();
    let future = Opening { effective_in: 300, ..Opening::default() };
    let (mut one, mut other) = (Case::new(9, "pat.one", "hris"), Case::new(10, "pat.two", "hris"));
    one.open(log, &future);
    other.open(log, &Opening::default());
    log.wait(310);
    for system in &systems {
        one.revoked(log, system, None);
        other.revoked(log, system, None);
    }
    log.wait(20);
    for system in &systems {
        other.verified(log, system, true);
        one.verified(log, system, true);
    }
    one.closed(log);
    other.closed(log);
}

/// A protected account: a human decides, and no system is touched.
fn held(log: &mut SampleLog) {
    let mut case = Case::new(11, "break.glass", "hris");
    case.open(log, &Opening { finding: Some("protected_account"), ..Opening::default() });
}

/// Opened before February ends, done and closed in March; another case of March stands between.
fn across_the_end(log: &mut SampleLog) {
    let systems = log.systems.clone();
    let (mut case, mut march) = (Case::new(12, "kim.midnight", "hris"), Case::new(13, "lee.march", "hris"));
    case.open(log, &Opening::default());
    case.validated(log.wait(1));
    log.at("2026-03-01T00:00:00Z");
    march.open(log, &Opening::default());
    systems.iter().for_each(|system| drop(case.revoked(log, system, None)));
    log.at("2026-03-01T00:05:00Z").count("2026-02-28", 0);
    systems.iter().for_each(|system| drop(case.verified(log, system, true)));
    case.closed(log);
    march.validated(log);
}
