//! From the approval to the end, everything twice, and whatever dies in between.

use super::{DAY, Desk, HOUR, after, grant, name, permission};
use leaver_domain::{
    case::{CaseStatus, Happening, Mode, Trigger},
    contracts,
    digest::Digest,
    id::CaseId,
    intake,
    ledger::{EventKind, Outcome},
    measure::{ExceptionKind, Measure, MeasureStatus, What},
    measures,
    person::PersonStatus,
    ports::{CaseStore, Execution},
    problem::NotDone,
    time::Timestamp,
};
use leaver_tests::{
    failing::{Failing, When},
    sandbox::now,
};

fn lines(measure: &Measure, kind: EventKind) -> Vec<Outcome> {
    measure.log.iter().filter(|line| line.kind == kind).map(|line| line.outcome).collect()
}

/// One of each kind that begins, approved, and the person that it is about.
async fn approved(kind: &str) -> (Desk, Measure) {
    let desk = Desk::new().await;
    let week = Some(after(7 * DAY));
    let exception = |what| What::Exception { what, renews: None };
    let (what, person, until) = match kind {
        "mail_forwarding" => (exception(ExceptionKind::MailForwarding), "john.doe", week),
        "equipment_return" => (exception(ExceptionKind::EquipmentReturn), "john.doe", week),
        "grant" => (grant(&["okta:g", "slack:s"]), "john.doe", week),
        "break_glass" => {
            let case = desk.took("john.doe", Mode::Leave).await;
            (What::BreakGlass { case }, "john.doe", Some(after(2 * HOUR)))
        }
        "restore" => {
            let case = desk.took("john.doe", Mode::Leave).await;
            (What::Restore { case }, "john.doe", None)
        }
        "extension" => {
            desk.contract("casey.contract", after(10 * DAY)).await;
            let until = after(30 * DAY).to_string()[..10].parse().unwrap();
            (What::Extension { until }, "casey.contract", None)
        }
        _ => (What::HoldRelease, "morgan.hold", None),
    };
    let mut asked = desk.asked(what, person, until, kind);
    if kind == "break_glass" {
        asked.only.insert(name("sam.admin"));
    }
    let measure = desk.ask(asked).await.expect("a request");
    assert!(desk.workflow.executions().contains(&Execution::Measure(measure.measure_id.clone())));
    assert_eq!(lines(&measure, EventKind::MeasureRequested), [Outcome::Pending]);
    assert_eq!(measure.log[0].facts["covers"], serde_json::json!(measure.approval.covers));
    // Nothing begins before somebody has decided.
    assert_eq!(desk.begin(&measure, now()).await.unwrap(), measure);
    assert_eq!(desk.end(&measure, after(400 * DAY)).await.unwrap(), measure);
    let measure = desk.approve(&measure).await;
    assert_eq!(measure.status, MeasureStatus::Approved);
    (desk, measure)
}

const KINDS: [&str; 7] =
    ["mail_forwarding", "equipment_return", "grant", "break_glass", "restore", "extension", "hold_release"];

#[tokio::test]
async fn each_kind_begins_once_and_does_what_it_says() {
    for kind in KINDS {
        let (desk, approved) = approved(kind).await;
        let began = desk.begin(&approved, now()).await.unwrap();
        let written = desk.cases.changes().len();
        assert_eq!(desk.begin(&approved, now()).await.unwrap(), began, "{kind}: the second time");
        assert_eq!(desk.cases.changes().len(), written, "{kind}: something was written");
        assert_eq!(lines(&began, EventKind::MeasureBegan), [Outcome::Success], "{kind}");
        let lasts = matches!(kind, "mail_forwarding" | "equipment_return" | "grant" | "break_glass");
        let expected = if lasts { MeasureStatus::Active } else { MeasureStatus::Ended };
        assert_eq!(began.status, expected, "{kind}");
        assert_eq!(lines(&began, EventKind::MeasureEnded).len(), usize::from(!lasts), "{kind}");
        match kind {
            "grant" | "break_glass" | "restore" => {
                let case = desk.case(&began.cases[0]).await;
                assert_eq!((case.mode, &case.measure), (Mode::Reactivate, &Some(began.measure_id.clone())));
                assert_eq!(case.trigger.by, "jane.smith");
                assert!(desk.workflow.started().contains(&case.case_id), "{kind}");
            }
            "extension" => {
                let What::Extension { until } = began.what else { panic!("{kind}") };
                assert_eq!(desk.person("casey.contract").await.contract_end, Some(until));
            }
            "hold_release" => assert_eq!(desk.person("morgan.hold").await.legal_hold, None),
            _ => assert!(began.cases.is_empty(), "{kind}"),
        }
    }
}

#[tokio::test]
async fn a_beginning_that_dies_at_any_call_is_finished_by_its_repeat() {
    for kind in KINDS {
        let (desk, approved) = approved(kind).await;
        for when in [When::Before, When::After] {
            for call in 0.. {
                let desk = desk.copy();
                let failing = Failing::at(&desk.cases, call, when);
                let (workflow, policy) = (&desk.workflow, &desk.policy);
                let _ = measures::begin(&failing, workflow, policy, approved.clone(), now()).await;
                let reached = failing.has_failed();
                let is_active = desk.measure(&approved).await.status == MeasureStatus::Active;
                let told = usize::from(kind == "break_glass" && is_active);
                assert_eq!(desk.cases.tasks(9).await.unwrap().len(), told, "in one write: {when:?} {call}");
                let again = desk.begin(&approved, after(5)).await.unwrap();
                assert_eq!(
                    lines(&again, EventKind::MeasureBegan),
                    [Outcome::Success],
                    "{kind} {when:?} {call}"
                );
                assert!(again.cases.len() <= 1, "{kind} {when:?} {call}");
                for case in &again.cases {
                    assert!(desk.cases.case(case).await.unwrap().is_some(), "{kind} {when:?} {call}");
                }
                let reviews = usize::from(kind == "break_glass");
                assert_eq!(desk.cases.tasks(9).await.unwrap().len(), reviews, "{kind} {when:?} {call}");
                if !reached {
                    assert!(call > 1, "{kind}");
                    break;
                }
            }
        }
    }
}

/// What is in force, its case run, and the time at which it is over.
pub(super) async fn in_force(kind: &str) -> (Desk, Measure, Timestamp) {
    let (desk, approved) = approved(kind).await;
    let measure = desk.begin(&approved, now()).await.unwrap();
    if kind == "mail_forwarding" {
        desk.took("john.doe", Mode::Leave).await;
    }
    if let Some(case) = measure.cases.first() {
        desk.run(case, &["okta:old"]).await;
    }
    let end = measure.until.unwrap();
    (desk, measure, end)
}

fn back(measure: &Measure, desk: &Desk) -> Option<CaseId> {
    measure.cases.iter().rev().find(|case| desk.workflow.started().contains(case)).cloned()
}

#[tokio::test]
async fn nothing_ends_before_its_time_and_each_kind_takes_back_what_it_gave() {
    for kind in ["mail_forwarding", "equipment_return", "grant", "break_glass"] {
        let (desk, measure, end) = in_force(kind).await;
        let early = end.minus(std::time::Duration::from_millis(1));
        assert_eq!(desk.end(&measure, early).await.unwrap(), measure, "{kind}");
        let ending = desk.end(&measure, end).await.unwrap();
        if kind == "equipment_return" {
            assert_eq!(ending.status, MeasureStatus::Ended);
            assert_eq!(lines(&ending, EventKind::MeasureEnded), [Outcome::Success]);
            continue;
        }
        assert_eq!(ending.status, MeasureStatus::Ending, "{kind}: until it is taken back");
        assert!(!ending.is_active(end) && !measures::may_still_give(&ending, end));
        let case = desk.case(&back(&ending, &desk).expect("a case")).await;
        assert_eq!(case.measure, Some(measure.measure_id.clone()), "{kind}");
        match kind {
            "grant" => {
                assert_eq!(case.mode, Mode::Partial);
                let systems: Vec<&str> = case.systems.iter().map(|system| system.as_str()).collect();
                assert_eq!(systems, ["okta", "slack"]);
            }
            _ => assert_eq!((case.mode, case.grants.clone()), (Mode::Leave, None), "{kind}"),
        }
        let written = desk.cases.changes().len();
        assert_eq!(desk.end(&measure, end).await.unwrap(), ending, "{kind}: the second time");
        assert_eq!(desk.cases.changes().len(), written, "{kind}");
        for (status, came_to) in [
            (CaseStatus::Incomplete, MeasureStatus::Ending),
            (CaseStatus::AwaitingApproval, MeasureStatus::Ending),
            (CaseStatus::Complete, MeasureStatus::Ended),
        ] {
            desk.settle(&case.case_id, status).await;
            assert_eq!(desk.end(&measure, end).await.unwrap().status, came_to, "{kind} {status:?}");
        }
        let ended = desk.measure(&measure).await;
        assert_eq!(lines(&ended, EventKind::MeasureEnded), [Outcome::Pending, Outcome::Success], "{kind}");
        if kind != "grant" {
            assert!(desk.person("john.doe").await.case.is_some());
        }
    }
}

#[tokio::test]
async fn an_end_that_dies_at_any_call_is_finished_by_its_repeat() {
    for kind in ["mail_forwarding", "equipment_return", "grant", "break_glass"] {
        let (desk, measure, end) = in_force(kind).await;
        for when in [When::Before, When::After] {
            for call in 0.. {
                let desk = desk.copy();
                let failing = Failing::at(&desk.cases, call, when);
                let (workflow, policy) = (&desk.workflow, &desk.policy);
                let _ = measures::end(&failing, workflow, policy, measure.clone(), end).await;
                let reached = failing.has_failed();
                let ending = desk.end(&measure, end).await.unwrap();
                if kind != "equipment_return" {
                    let case = ending.cases.last().expect("a case").clone();
                    assert_eq!(ending.cases.iter().filter(|one| **one == case).count(), 1);
                    desk.settle(&case, CaseStatus::Complete).await;
                }
                let ended = desk.end(&measure, end).await.unwrap();
                assert_eq!(ended.status, MeasureStatus::Ended, "{kind} {when:?} {call}");
                let over = lines(&ended, EventKind::MeasureEnded);
                assert_eq!(
                    over.iter().filter(|one| **one == Outcome::Success).count(),
                    1,
                    "{kind} {when:?} {call}"
                );
                assert!(
                    over.iter().filter(|one| **one == Outcome::Pending).count() <= 1,
                    "{kind} {when:?} {call}"
                );
                if !reached {
                    assert!(call > 0, "{kind}");
                    break;
                }
            }
        }
    }
}

#[tokio::test]
async fn a_grant_that_ends_leaves_what_another_gives_and_what_was_there_before() {
    let desk = Desk::new().await;
    let ask = |permissions: &[&str], days: u64, request: &str| {
        desk.asked(grant(permissions), "john.doe", Some(after(days * DAY)), request)
    };
    let first = desk.given(ask(&["okta:a", "okta:b", "okta:old"], 2, "1")).await;
    desk.run_at(&first.cases[0], &["okta:old"], after(1)).await;
    // The second finds what the first gave, one of it by its name.
    let second = desk.given(ask(&["okta:group b", "okta:c"], 4, "2")).await;
    desk.run_at(&second.cases[0], &["okta:a", "okta:b", "okta:old"], after(2)).await;
    let names = |case: &leaver_domain::case::CaseRecord| {
        case.permissions.iter().map(|one| one.grant.clone()).collect::<Vec<_>>()
    };
    // The first ran when there was no `b` to be read: only its plan could tell another name of it.
    let mut record = desk.cases.system(&first.cases[0], &"okta".parse().unwrap()).await.unwrap().unwrap();
    record.plan.0.push(leaver_domain::plan::Action::contain(
        leaver_domain::plan::ActionKind::AddGrant,
        "b",
        "group b",
    ));
    record.version += 1;
    desk.cases.put_system(&record).await.unwrap();
    let ended = desk.end(&first, after(2 * DAY)).await.unwrap();
    let case = desk.case(ended.cases.last().unwrap()).await;
    assert_eq!(names(&case), ["a"], "`b` is still given, `old` was there before");
    desk.settle(&case.case_id, CaseStatus::Complete).await;
    assert_eq!(desk.end(&first, after(2 * DAY)).await.unwrap().status, MeasureStatus::Ended);
    let ended = desk.end(&second, after(4 * DAY)).await.unwrap();
    let case = desk.case(ended.cases.last().unwrap()).await;
    assert_eq!(names(&case), ["c", "group b"], "nothing gives `b` any more, and it was not there before");
}

#[tokio::test]
async fn a_grant_waits_for_the_case_that_gives_but_not_for_ever() {
    let desk = Desk::new().await;
    let grant = desk.given(desk.asked(grant(&["okta:a"]), "john.doe", Some(after(HOUR)), "r")).await;
    let case = &grant.cases[0];
    desk.run(case, &[]).await;
    desk.settle(case, CaseStatus::Running).await;
    let waiting = desk.end(&grant, after(HOUR)).await.unwrap();
    assert_eq!((waiting.status, waiting.cases.len()), (MeasureStatus::Ending, 1));
    let late = desk.end(&grant, after(2 * HOUR)).await.unwrap();
    assert_eq!(late.cases.len(), 2, "it hangs");
}

#[tokio::test]
async fn a_grant_that_gave_nothing_takes_nothing() {
    let desk = Desk::new().await;
    let grant = desk.given(desk.asked(grant(&["okta:a"]), "john.doe", Some(after(HOUR)), "r")).await;
    desk.run(&grant.cases[0], &["okta:a"]).await;
    let ended = desk.end(&grant, after(HOUR)).await.unwrap();
    assert_eq!((ended.status, ended.cases.len()), (MeasureStatus::Ended, 1));
    assert_eq!(permission("okta:a").grant, "a");
}

#[tokio::test]
async fn what_was_decided_too_late_or_about_who_has_changed_is_not_brought_about() {
    let desk = Desk::new().await;
    let hour = Some(after(HOUR));
    let exception = What::Exception { what: ExceptionKind::EquipmentReturn, renews: None };
    let late = desk.ask(desk.asked(exception, "john.doe", hour, "1")).await.unwrap();
    desk.approve(&late).await;
    let late = desk.begin(&late, after(HOUR)).await.unwrap();
    assert_eq!(lines(&late, EventKind::MeasureEnded), [Outcome::Failure]);
    assert_eq!(late.status, MeasureStatus::Ended);
    let given = desk.ask(desk.asked(grant(&["okta:a"]), "john.doe", hour, "2")).await.unwrap();
    desk.approve(&given).await;
    let case = desk.took("john.doe", Mode::Leave).await;
    let given = desk.begin(&given, now()).await.unwrap();
    assert_eq!((given.status, given.cases.len()), (MeasureStatus::Ended, 0), "they have left");
    let mut asked = desk.asked(What::BreakGlass { case }, "john.doe", hour, "3");
    asked.only.insert(name("sam.admin"));
    let emergency = desk.ask(asked).await.unwrap();
    desk.approve(&emergency).await;
    let mut person = desk.person("john.doe").await;
    person.status = PersonStatus::Active;
    person.version += 1;
    desk.cases.put_person(&person).await.unwrap();
    let emergency = desk.begin(&emergency, now()).await.unwrap();
    assert_eq!((emergency.status, emergency.cases.len()), (MeasureStatus::Ended, 0), "they are back");
}

#[tokio::test]
async fn a_contract_that_has_no_end_any_more_is_given_none_by_an_extension() {
    let (desk, approved) = approved("extension").await;
    let mut casey = desk.person("casey.contract").await;
    casey.contract_end = None;
    casey.version += 1;
    desk.cases.put_person(&casey).await.unwrap();
    let extension = desk.begin(&approved, now()).await.unwrap();
    assert_eq!(lines(&extension, EventKind::MeasureEnded), [Outcome::Failure]);
    assert_eq!(desk.person("casey.contract").await.contract_end, None);
}

/// Hired anew is who has left. Where they are suspended by now, what was decided for a leaver is not brought about.
#[tokio::test]
async fn a_rehire_that_was_approved_before_a_suspension_does_not_end_it() {
    let desk = Desk::new().await;
    let case = desk.took("john.doe", Mode::Leave).await;
    let rehire = desk.ask(desk.asked(What::Rehire { case }, "john.doe", None, "r")).await.unwrap();
    desk.approve(&rehire).await;
    let mut person = desk.person("john.doe").await;
    person.status = PersonStatus::Suspended;
    person.version += 1;
    desk.cases.put_person(&person).await.unwrap();
    let rehire = desk.begin(&rehire, now()).await.unwrap();
    assert_eq!((rehire.status, rehire.cases.len()), (MeasureStatus::Ended, 0));
    assert_eq!(desk.person("john.doe").await.status, PersonStatus::Suspended);
}

#[tokio::test]
async fn what_was_restored_for_good_in_an_emergency_stays() {
    let (desk, emergency, end) = in_force("break_glass").await;
    let What::BreakGlass { case } = emergency.what.clone() else { panic!() };
    let restore = desk.given(desk.asked(What::Restore { case }, "john.doe", None, "good")).await;
    assert_eq!(restore.status, MeasureStatus::Ended);
    let ended = desk.end(&emergency, end).await.unwrap();
    assert_eq!((ended.status, ended.cases.len()), (MeasureStatus::Ended, 1));
    let last = ended.log.last().unwrap();
    assert_eq!(last.facts["given_for_good_by"], restore.measure_id.as_str());
}

#[tokio::test]
async fn forwarding_goes_with_the_last_exception_and_only_from_who_has_left() {
    let desk = Desk::new().await;
    let ask = |days: u64, request: &str| {
        let what = What::Exception { what: ExceptionKind::MailForwarding, renews: None };
        desk.asked(what, "john.doe", Some(after(days * DAY)), request)
    };
    let here = desk.given(ask(1, "here")).await;
    let ended = desk.end(&here, after(DAY)).await.unwrap();
    assert_eq!((ended.status, ended.cases.len()), (MeasureStatus::Ended, 0), "they are still here");
    let (one, two) = (desk.given(ask(2, "1")).await, desk.given(ask(3, "2")).await);
    let left = desk.took("john.doe", Mode::Leave).await;
    let ended = desk.end(&one, after(2 * DAY)).await.unwrap();
    assert_eq!((ended.status, ended.cases.len()), (MeasureStatus::Ended, 0), "another one is in force");
    let ending = desk.end(&two, after(3 * DAY)).await.unwrap();
    assert_eq!((ending.status, ending.cases.len()), (MeasureStatus::Ending, 1));
    // Whoever has left already, left by the case by which they left.
    let person = desk.person("john.doe").await;
    assert_eq!((person.status, person.case), (PersonStatus::Left, Some(left)));
}

#[tokio::test]
async fn a_hold_is_placed_at_once_and_released_by_security() {
    let desk = Desk::new().await;
    let asked = desk.asked(What::Hold, "john.doe", None, "hold");
    let place = || measures::hold(&desk.cases, &desk.policy, asked.clone(), now());
    let placed = place().await.unwrap();
    assert_eq!((placed.status, &placed.what), (MeasureStatus::Active, &What::Hold));
    assert_eq!(lines(&placed, EventKind::MeasureBegan), [Outcome::Success]);
    assert_eq!(desk.person("john.doe").await.legal_hold.unwrap().reason, "because");
    let written = desk.cases.changes().len();
    assert_eq!(place().await.unwrap(), placed, "the same request is the same hold");
    let mut other = desk.asked(What::Hold, "john.doe", None, "other");
    other.body = Digest::of(b"other");
    let refused = measures::hold(&desk.cases, &desk.policy, other, now()).await.unwrap_err();
    assert!(matches!(refused, NotDone::Refused(problem) if problem.status == 409));
    assert_eq!(desk.cases.changes().len(), written);
    assert!(
        desk.cases.measures_due(after(400 * DAY), 9).await.unwrap().is_empty(),
        "it ends never by itself"
    );
    let release = desk.ask(desk.asked(What::HoldRelease, "john.doe", None, "release")).await.unwrap();
    assert!(release.approval.need.security);
    assert!(desk.person("john.doe").await.legal_hold.is_some(), "nobody has decided yet");
    desk.approve(&release).await;
    desk.begin(&release, now()).await.unwrap();
    assert_eq!(desk.person("john.doe").await.legal_hold, None);
    assert_eq!(desk.measure(&placed).await.status, MeasureStatus::Ended);
    let due = desk.cases.holds_due(now(), 9).await.unwrap();
    let brought: std::collections::BTreeSet<_> = due.into_iter().collect();
    assert_eq!(
        brought,
        [placed.measure_id.clone(), release.measure_id.clone()].into(),
        "the archive hears of both"
    );
}

#[tokio::test]
async fn a_retention_hold_is_told_in_each_new_case() {
    let desk = Desk::new().await;
    let what = What::Exception { what: ExceptionKind::RetentionHold, renews: None };
    let hold = desk.given(desk.asked(what, "john.doe", Some(after(DAY)), "r")).await;
    assert!(hold.approval.need.security);
    let case = desk.case(&desk.took("john.doe", Mode::Leave).await).await;
    let found = case.findings.iter().find(|finding| finding.kind == "legal_hold").expect("a finding");
    assert!(found.detail.contains("because"), "{}", found.detail);
    assert_eq!(
        case.log[0].facts["findings"],
        serde_json::json!(case.findings),
        "and stands in the trigger's row"
    );
    let case = desk.case(&desk.took("pat.idle", Mode::Leave).await).await;
    assert!(case.findings.is_empty());
}

/// An approval covers the hold that it was asked about.
#[tokio::test]
async fn a_hold_that_was_placed_later_stays() {
    let desk = Desk::new().await;
    let place = |request: &str, at: Timestamp| {
        let asked = desk.asked(What::Hold, "john.doe", None, request);
        let (cases, policy) = (&desk.cases, &desk.policy);
        async move { measures::hold(cases, policy, asked, at).await.unwrap() }
    };
    place("a", now()).await;
    let one = desk.ask(desk.asked(What::HoldRelease, "john.doe", None, "r1")).await.unwrap();
    let two = desk.ask(desk.asked(What::HoldRelease, "john.doe", None, "r2")).await.unwrap();
    desk.approve(&one).await;
    desk.begin(&one, now()).await.unwrap();
    let placed = place("b", after(60)).await;
    desk.approve_at(&two, after(120)).await;
    let ended = desk.begin(&two, after(120)).await.unwrap();
    assert_eq!(
        (ended.status, lines(&ended, EventKind::MeasureEnded)),
        (MeasureStatus::Ended, vec![Outcome::Failure])
    );
    assert!(desk.person("john.doe").await.legal_hold.is_some());
    assert_eq!(desk.measure(&placed).await.status, MeasureStatus::Active);
}

fn request(kind: &str, at: Timestamp) -> intake::Request {
    let trigger = Trigger {
        source: "hris".into(),
        event_id: format!("evt-{kind}").parse().unwrap(),
        by: "hris".into(),
        kind: kind.into(),
        at: now(),
        received_at: now(),
        body: Digest::ZERO,
    };
    intake::Request::plain(trigger, Mode::Leave, "it ends", at)
}

/// A notice that came before anybody decided, or while the emergency lasts: who was suspended is suspended when it is over, and
/// whatever HR calls off does not end that.
#[tokio::test]
async fn a_notice_beside_an_emergency_ends_no_suspension() {
    for is_first in [true, false] {
        let desk = Desk::new().await;
        let suspended = desk.took("john.doe", Mode::Suspend).await;
        let what = What::BreakGlass { case: suspended.clone() };
        let mut asked = desk.asked(what, "john.doe", Some(after(HOUR)), "e");
        asked.only.insert(name("sam.admin"));
        let emergency = desk.ask(asked).await.unwrap();
        desk.approve(&emergency).await;
        if !is_first {
            desk.begin(&emergency, now()).await.unwrap();
        }
        let (john, later) = (desk.person("john.doe").await, request("notice", after(30 * DAY)));
        let taken = intake::submit(&desk.cases, &desk.workflow, &desk.policy, &john, &later, now()).await;
        let notice = taken.unwrap().0.case_id;
        let begun = desk.begin(&emergency, now()).await.unwrap();
        let expected = if is_first { MeasureStatus::Ended } else { MeasureStatus::Active };
        assert_eq!((begun.status, begun.cases.len()), (expected, usize::from(!is_first)));
        let by = match begun.cases.first() {
            None => suspended,
            Some(given) => {
                desk.run(given, &[]).await;
                let ending = desk.end(&emergency, after(HOUR)).await.unwrap();
                ending.cases[1].clone()
            }
        };
        let john = desk.person("john.doe").await;
        assert_eq!((john.status, john.case.as_ref()), (PersonStatus::Leaving, Some(&notice)));
        let was = desk.case(&notice).await.person_was.unwrap();
        assert_eq!((was.status, was.case), (PersonStatus::Suspended, Some(by)), "before: {is_first}");
    }
}

/// They are still here: everything goes when their time comes, and not with an exception.
#[tokio::test]
async fn forwarding_that_ends_before_the_last_day_takes_nothing() {
    let desk = Desk::new().await;
    let what = What::Exception { what: ExceptionKind::MailForwarding, renews: None };
    let forwards = desk.given(desk.asked(what, "john.doe", Some(after(DAY)), "f")).await;
    let (john, later) = (desk.person("john.doe").await, request("user_terminated", after(30 * DAY)));
    intake::submit(&desk.cases, &desk.workflow, &desk.policy, &john, &later, now()).await.unwrap();
    assert_eq!(desk.person("john.doe").await.status, PersonStatus::Leaving);
    let ended = desk.end(&forwards, after(DAY)).await.unwrap();
    assert_eq!((ended.status, ended.cases.len()), (MeasureStatus::Ended, 0));
}

/// An end that waits, for a human or for its execution, is put off; one that has begun is not, and nobody is told that it was.
#[tokio::test]
async fn an_extension_puts_off_an_end_that_has_not_begun() {
    for has_begun in [false, true] {
        let (desk, measure) = approved("extension").await;
        let What::Extension { until } = measure.what else { panic!() };
        let casey = desk.person("casey.contract").await;
        let over = request(contracts::KIND, now());
        let taken = intake::submit(&desk.cases, &desk.workflow, &desk.policy, &casey, &over, now()).await;
        let case = taken.unwrap().0.case_id;
        if has_begun {
            let mut record = desk.case(&case).await;
            record.log.push(Happening {
                kind: EventKind::ValidationCompleted,
                at: now(),
                actor: "leaver/plan".into(),
                action: "validate".into(),
                outcome: Outcome::Success,
                risk: None,
                facts: serde_json::json!({}),
            });
            record.status = CaseStatus::Running;
            record.version += 1;
            desk.cases.put_case(&record).await.unwrap();
        }
        let ended = desk.begin(&measure, now()).await.unwrap();
        let came_to = if has_begun { Outcome::Failure } else { Outcome::Success };
        assert_eq!(lines(&ended, EventKind::MeasureEnded), [came_to], "begun: {has_begun}");
        let after = desk.person("casey.contract").await;
        let (status, end) = if has_begun {
            (PersonStatus::Leaving, casey.contract_end)
        } else {
            (PersonStatus::Active, Some(until))
        };
        assert_eq!((after.status, after.contract_end), (status, end), "begun: {has_begun}");
        let stands = if has_begun { CaseStatus::Running } else { CaseStatus::Cancelled };
        assert_eq!(desk.case(&case).await.status, stands);
    }
}
