//! What is not taken, and that nothing is written then.

use super::{DAY, Desk, HOUR, after, grant, name};
use leaver_domain::{
    case::{CaseStatus, Mode},
    id::CaseId,
    measure::{ExceptionKind, What},
    measures::Asked,
    ports::CaseStore,
};
use leaver_tests::sandbox::now;

async fn refused(desk: &Desk, asked: Asked) -> (u16, String) {
    let (items, started) = (desk.cases.changes().len(), desk.workflow.executions().len());
    let problem = desk.ask(asked).await.expect_err("it was taken");
    assert_eq!(desk.cases.changes().len(), items, "something was written: {problem}");
    assert_eq!(desk.workflow.executions().len(), started, "something was started: {problem}");
    (problem.status, problem.detail)
}

fn exception(what: ExceptionKind) -> What {
    What::Exception { what, renews: None }
}

#[tokio::test]
async fn an_end_has_to_be_said_and_lie_within_limits() {
    let desk = Desk::new().await;
    let mail = || exception(ExceptionKind::MailForwarding);
    for (what, until) in [
        (mail(), None),
        (mail(), Some(now())),
        (mail(), Some(after(367 * DAY))),
        (grant(&["okta:g"]), None),
        (grant(&["okta:g"]), Some(after(91 * DAY))),
    ] {
        let (status, detail) = refused(&desk, desk.asked(what.clone(), "john.doe", until, "r")).await;
        assert_eq!(status, 422, "{what:?} {until:?}: {detail}");
    }
    desk.contract("casey.contract", after(10 * DAY)).await;
    let last = after(20 * DAY).to_string()[..10].parse().unwrap();
    let asked = desk.asked(What::Extension { until: last }, "casey.contract", Some(after(DAY)), "r");
    assert_eq!(refused(&desk, asked).await.0, 422, "an extension has no end of its own");
}

#[tokio::test]
async fn who_and_what_have_to_make_sense() {
    let desk = Desk::new().await;
    let until = Some(after(DAY));
    assert_eq!(refused(&desk, desk.asked(grant(&["okta:g"]), "no.body", until, "r")).await.0, 404);
    for permissions in [&[][..], &["nosuch:g"], &["okta:"], &["okta: g"], &["okta:a\u{202e}b"]] {
        let (status, detail) = refused(&desk, desk.asked(grant(permissions), "john.doe", until, "r")).await;
        assert_eq!(status, 422, "{permissions:?}: {detail}");
    }
    let mut asked = desk.asked(grant(&["okta:g"]), "john.doe", until, "r");
    asked.reason = "  ".into();
    assert_eq!(refused(&desk, asked.clone()).await.0, 422);
    asked.reason = "x".repeat(501);
    assert_eq!(refused(&desk, asked).await.0, 422);
    for what in [What::Hold, What::Release { held_for: "mass_action".into() }] {
        assert_eq!(refused(&desk, desk.asked(what, "john.doe", None, "r")).await.0, 422);
    }
    assert_eq!(refused(&desk, desk.asked(What::HoldRelease, "john.doe", None, "r")).await.0, 409);
    desk.took("john.doe", Mode::Leave).await;
    let (status, detail) = refused(&desk, desk.asked(grant(&["okta:g"]), "john.doe", until, "r")).await;
    assert!(status == 409 && detail.contains("break-glass"), "{detail}");
}

#[tokio::test]
async fn a_contract_is_extended_forward_only_and_not_for_ever() {
    let desk = Desk::new().await;
    let today = now().to_string()[..10].to_owned();
    let what = What::Extension { until: after(20 * DAY).to_string()[..10].parse().unwrap() };
    let (status, detail) = refused(&desk, desk.asked(what, "john.doe", None, "r")).await;
    assert!(status == 409 && detail.contains("has no end"), "it would give one to who stays: {detail}");
    desk.contract("casey.contract", after(10 * DAY)).await;
    for until in
        [today, after(10 * DAY).to_string(), after(5 * DAY).to_string(), after(367 * DAY).to_string()]
    {
        let what = What::Extension { until: until[..10].parse().unwrap() };
        let (status, detail) = refused(&desk, desk.asked(what, "casey.contract", None, "r")).await;
        assert_eq!(status, 422, "{until}: {detail}");
    }
    desk.took("casey.contract", Mode::Leave).await;
    let what = What::Extension { until: after(20 * DAY).to_string()[..10].parse().unwrap() };
    assert_eq!(refused(&desk, desk.asked(what, "casey.contract", None, "r")).await.0, 409);
}

#[tokio::test]
async fn a_suspension_ends_with_a_restore_and_not_with_a_rehire() {
    let desk = Desk::new().await;
    let case = desk.took("john.doe", Mode::Suspend).await;
    let rehire = What::Rehire { case: case.clone() };
    let (status, detail) = refused(&desk, desk.asked(rehire, "john.doe", None, "r")).await;
    assert!(status == 409 && detail.contains(case.as_str()), "{detail}");
    let restore = desk.asked(What::Restore { case }, "john.doe", None, "r");
    assert!(desk.ask(restore).await.is_ok());
    let case = desk.took("pat.idle", Mode::Leave).await;
    assert!(desk.ask(desk.asked(What::Rehire { case }, "pat.idle", None, "r")).await.is_ok());
}

#[tokio::test]
async fn emergency_access_needs_a_case_an_end_within_a_day_and_somebody_else_who_may_decide() {
    let desk = Desk::new().await;
    let case = desk.took("john.doe", Mode::Leave).await;
    let ask = |case: &CaseId, person: &str, hours: u64, approver: &str| {
        let mut asked =
            desk.asked(What::BreakGlass { case: case.clone() }, person, Some(after(hours * HOUR)), "r");
        asked.only.extend((!approver.is_empty()).then(|| name(approver)));
        asked
    };
    for (person, hours, approver, status) in [
        ("john.doe", 25, "sam.admin", 422),
        ("john.doe", 2, "", 422),
        ("john.doe", 2, "jane.smith", 422),
        ("john.doe", 2, "john.doe", 422),
        ("john.doe", 2, "harper.hr", 422),
        ("john.doe", 2, "no.body", 422),
        // Who has not left has nothing that was taken.
        ("pat.idle", 2, "sam.admin", 409),
    ] {
        let (said, detail) = refused(&desk, ask(&case, person, hours, approver)).await;
        assert_eq!(said, status, "{person} {hours} {approver}: {detail}");
    }
    let other = desk.took("pat.idle", Mode::Partial).await;
    let another = desk.took("robin.mover", Mode::Leave).await;
    let unknown: CaseId = "case-x".parse().unwrap();
    for case in [&other, &another, &unknown] {
        assert_eq!(refused(&desk, ask(case, "john.doe", 2, "sam.admin")).await.0, 422, "{case}");
    }
    for status in [CaseStatus::Running, CaseStatus::AwaitingApproval, CaseStatus::Held, CaseStatus::Cancelled]
    {
        desk.settle(&case, status).await;
        assert_eq!(refused(&desk, ask(&case, "john.doe", 2, "sam.admin")).await.0, 409, "{status:?}");
    }
    desk.settle(&case, CaseStatus::Complete).await;
    // An approver who is leaving is none.
    desk.took("sam.admin", Mode::Leave).await;
    assert_eq!(refused(&desk, ask(&case, "john.doe", 2, "sam.admin")).await.0, 422);
    let measure = desk.ask(ask(&case, "john.doe", 24, "taylor.admin")).await.unwrap();
    assert_eq!(measure.approval.asked, [name("taylor.admin")]);
    // One at a time.
    let mut second = ask(&case, "john.doe", 2, "taylor.admin");
    second.request_id = "r2".into();
    assert_eq!(refused(&desk, second).await.0, 409);
}

#[tokio::test]
async fn a_restore_needs_a_case_that_took_something() {
    let desk = Desk::new().await;
    let restore = |case: &CaseId| desk.asked(What::Restore { case: case.clone() }, "john.doe", None, "r");
    let unknown: CaseId = "case-x".parse().unwrap();
    assert_eq!(refused(&desk, restore(&unknown)).await.0, 422);
    let case = desk.took("john.doe", Mode::Leave).await;
    let mut record = desk.case(&case).await;
    record.dry_run = true;
    record.version += 1;
    desk.cases.put_case(&record).await.unwrap();
    assert_eq!(refused(&desk, restore(&case)).await.0, 422, "a dry run took nothing");
    let mut record = desk.case(&case).await;
    record.dry_run = false;
    record.mode = Mode::Reactivate;
    record.version += 1;
    desk.cases.put_case(&record).await.unwrap();
    assert_eq!(refused(&desk, restore(&case)).await.0, 422, "it gave");
    let partial = desk.took("pat.idle", Mode::Partial).await;
    let asked = desk.asked(What::Restore { case: partial }, "pat.idle", None, "r");
    assert!(desk.ask(asked).await.is_ok());
}

#[tokio::test]
async fn an_exception_is_renewed_while_it_is_in_force_and_to_a_later_end() {
    let desk = Desk::new().await;
    let kind = ExceptionKind::EquipmentReturn;
    let old = desk.given(desk.asked(exception(kind), "john.doe", Some(after(10 * DAY)), "old")).await;
    let renew = |person: &str, what, until, id: &str| {
        let what = What::Exception { what, renews: Some(id.parse().unwrap()) };
        desk.asked(what, person, Some(after(until)), "new")
    };
    let id = old.measure_id.as_str();
    for asked in [
        renew("john.doe", kind, 9 * DAY, id),
        renew("john.doe", ExceptionKind::RetentionHold, 20 * DAY, id),
        renew("pat.idle", kind, 20 * DAY, id),
        renew("john.doe", kind, 20 * DAY, "measure-x"),
    ] {
        assert_eq!(refused(&desk, asked).await.0, 422);
    }
    let before = now();
    let new = desk.given(renew("john.doe", kind, 20 * DAY, id)).await;
    assert!(new.is_active(now()));
    let over = desk.measure(&old).await.over_at().unwrap();
    assert!(over >= before && over <= now(), "{over}");
    let mut late = renew("john.doe", kind, 30 * DAY, id);
    late.request_id = "late".into();
    assert_eq!(refused(&desk, late).await.0, 422, "it is over");
}

#[tokio::test]
async fn the_same_request_is_one_measure_and_another_under_its_number_is_refused() {
    let desk = Desk::new().await;
    let asked = desk.asked(grant(&["okta:g"]), "john.doe", Some(after(DAY)), "r");
    let first = desk.ask(asked.clone()).await.unwrap();
    let written = desk.cases.changes().len();
    // What "for a day" comes to is another instant when it is repeated.
    let again = Asked { until: Some(after(DAY + 1)), ..asked.clone() };
    assert_eq!(desk.ask(again).await.unwrap(), first);
    assert_eq!(desk.cases.changes().len(), written);
    let mut other = desk.asked(grant(&["okta:other"]), "john.doe", Some(after(DAY)), "r");
    other.body = leaver_domain::digest::Digest::of(b"other");
    assert_eq!(refused(&desk, other).await.0, 409);
    let mut of_somebody_else = asked;
    of_somebody_else.requested_by = name("harper.hr");
    assert_ne!(desk.ask(of_somebody_else).await.unwrap().measure_id, first.measure_id);
}

#[tokio::test]
async fn there_is_a_limit_to_what_waits_for_one_person() {
    let desk = Desk::new().await;
    for count in 0..leaver_domain::measures::MAX_OPEN {
        let asked = desk.asked(grant(&["okta:g"]), "john.doe", Some(after(DAY)), &format!("r{count}"));
        desk.ask(asked).await.unwrap();
    }
    let asked = desk.asked(grant(&["okta:g"]), "john.doe", Some(after(DAY)), "more");
    assert_eq!(refused(&desk, asked).await.0, 409);
    assert!(desk.ask(desk.asked(grant(&["okta:g"]), "pat.idle", Some(after(DAY)), "r")).await.is_ok());
}
