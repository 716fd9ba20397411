//! What makes a case complete, and what its records tell.

use super::*;

fn case() -> CaseRecord {
    let subject = Subject { username: "john".parse().unwrap(), employee_id: "E1".parse().unwrap() };
    let at = Timestamp::from_millis(0).unwrap();
    let trigger = Trigger {
        source: "hris".into(),
        event_id: "e".parse().unwrap(),
        by: "hris".into(),
        kind: "user_terminated".into(),
        at,
        received_at: at,
        body: Digest::ZERO,
    };
    CaseRecord {
        case_id: "c".parse().unwrap(),
        mode: Mode::Leave,
        status: CaseStatus::Running,
        person: subject,
        reason: "r".into(),
        trigger,
        policy_digest: Digest::ZERO,
        created_at: at,
        dates: Dates::default(),
        effective_at: at,
        closed_at: None,
        checkpoint_size: None,
        dry_run: false,
        emergency: false,
        preserve_data: false,
        archive: None,
        grants: None,
        permissions: BTreeSet::new(),
        moves: None,
        by_role: false,
        restores: None,
        person_was: None,
        measure: None,
        run: 1,
        watch: None,
        systems: vec![],
        findings: vec![],
        log: vec![],
        version: 1,
    }
}

fn system(status: SystemStatus) -> SystemRecord {
    SystemRecord { status, ..SystemRecord::queued(&case(), "okta".parse().unwrap()) }
}

#[test]
fn only_verified_and_not_applicable_make_a_case_complete() {
    use SystemStatus::*;
    for status in SystemStatus::ALL {
        let complete = fold(&[system(Verified), system(status)]) == CaseStatus::Complete;
        assert_eq!(complete, matches!(status, Verified | NotApplicable), "{status:?}");
    }
    assert_eq!(fold(&[system(AwaitingApproval), system(ManualTask)]), CaseStatus::AwaitingApproval);
}

/// Every try adds a row, and the status starts anew with each: one row that let it run is enough, for good.
#[test]
fn a_case_has_begun_once_it_was_let_run_whatever_becomes_of_its_status() {
    let line = |kind, outcome| Happening {
        kind,
        at: Timestamp::from_millis(0).unwrap(),
        actor: "leaver/plan".into(),
        action: "validate".into(),
        outcome,
        risk: None,
        facts: serde_json::Value::Null,
    };
    let mut record = case();
    for (kind, outcome, begun) in [
        (EventKind::RevocationTriggered, RowOutcome::Success, false),
        (EventKind::ValidationCompleted, RowOutcome::Pending, false),
        (EventKind::CaseReleased, RowOutcome::Success, false),
        (EventKind::ValidationCompleted, RowOutcome::Success, true),
        (EventKind::CaseForced, RowOutcome::Pending, true),
        (EventKind::ValidationCompleted, RowOutcome::Pending, true),
    ] {
        record.log.push(line(kind, outcome));
        for status in CaseStatus::ALL {
            record.status = status;
            assert_eq!(record.has_begun(), begun, "{kind:?} {status:?}");
        }
    }
}
