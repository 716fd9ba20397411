//! When a case is looked at, and what a look comes to.

use super::*;
use crate::{
    case::{Mode, Task, TaskClosed, Trigger},
    digest::Digest,
    fault::FaultKind,
    intake,
    inventory::Inventory,
    measures,
    plan::{Action, ActionKind, Plan},
    ports::Change,
    reviews::ReviewKind,
};
use proptest::prelude::*;

const DAY: Duration = Duration::from_secs(86_400);

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn policy() -> Policy {
    let document = serde_norway::from_str(include_str!("../../../../infra/policy.yaml")).unwrap();
    Policy::parse(document, "prod").unwrap()
}

fn person(status: &str, case: Option<&str>) -> Person {
    serde_json::from_value(json!({
        "username": "john.doe", "employee_id": "E1", "email": "j@example.com", "name": "J", "role": "r",
        "employment": "employee", "department": "Sales", "status": status, "case": case, "version": 3,
    }))
    .unwrap()
}

fn closed() -> Timestamp {
    at("2026-03-27T12:00:00Z")
}

/// A complete case; its end lies before the night in which clocks change.
fn case() -> CaseRecord {
    let began = at("2026-03-27T11:00:00Z");
    let trigger = Trigger {
        source: "hris".into(),
        event_id: "e".parse().unwrap(),
        by: "hris".into(),
        kind: "user_terminated".into(),
        at: began,
        received_at: began,
        body: Digest::ZERO,
    };
    let request = intake::Request::plain(trigger, Mode::Leave, "Resignation", began);
    let (mut case, _) = intake::open(&person("active", None), &request, &policy(), began).case.unwrap();
    case.status = CaseStatus::Complete;
    case.closed_at = Some(closed());
    case.checkpoint_size = Some(40);
    case
}

fn gone(case: &CaseRecord) -> Person {
    person("left", Some(case.case_id.as_str()))
}

fn system(case: &CaseRecord, name: &str, status: SystemStatus) -> SystemRecord {
    SystemRecord { status, ..SystemRecord::queued(case, name.parse().unwrap()) }
}

fn reading(day: u32, back: &[&str], fault: Option<FaultKind>) -> Reading {
    let back = back.iter().map(|one| (*one).to_owned()).collect();
    Reading { day, at: closed(), tries: 1, back, fault: fault.map(|kind| Fault::new(kind, "why")) }
}

fn look(day: u32, opened: Option<&str>) -> Look {
    let opened = opened.map(|id| id.parse().unwrap());
    Look { day, due_at: closed(), at: closed(), systems_ok: 1, findings: vec![], opened, left_alone: None }
}

fn with_looks(days: &[u32]) -> CaseRecord {
    let mut case = case();
    case.watch.as_mut().unwrap().looks = days.iter().map(|day| look(*day, None)).collect();
    case
}

#[test]
fn days_are_of_24_hours_from_the_end_of_the_case_and_each_comes_once() {
    for (seen, day) in [(&[][..], 1), (&[1], 7), (&[1, 7], 30), (&[7], 1)] {
        let due = due(&with_looks(seen)).unwrap();
        // Whatever clocks did meanwhile.
        assert_eq!((due.day, due.at), (day, closed().plus(DAY * day)));
    }
    assert_eq!(due(&with_looks(&[1, 7, 30])), None);
    let one = due(&case()).unwrap();
    assert_eq!(due_now(&case(), one.at.minus(Duration::from_millis(1))), None);
    assert_eq!(due_now(&case(), one.at), Some(one));
    assert_eq!(
        due_now(&case(), closed().plus(DAY * 400)),
        Some(one),
        "a day that nobody looked on stays due"
    );
}

#[test]
fn only_what_shut_somebody_out_and_is_through_is_looked_at() {
    for status in CaseStatus::ALL {
        let is_through = matches!(status, CaseStatus::Complete | CaseStatus::Incomplete);
        assert_eq!(due(&CaseRecord { status, ..case() }).is_some(), is_through, "{status:?}");
    }
    for mode in [Mode::Leave, Mode::Suspend, Mode::Partial, Mode::Reactivate] {
        let shuts = matches!(mode, Mode::Leave | Mode::Suspend);
        assert_eq!(due(&CaseRecord { mode, ..case() }).is_some(), shuts, "{mode:?}");
    }
    assert_eq!(due(&CaseRecord { dry_run: true, ..case() }), None);
    assert_eq!(due(&CaseRecord { watch: None, ..case() }), None);
    let unfinished = CaseRecord { status: CaseStatus::Incomplete, closed_at: None, ..case() };
    assert_eq!(
        due(&unfinished).unwrap().at,
        at("2026-03-28T11:00:00Z"),
        "a task keeps nobody from reading the rest"
    );
}

#[test]
fn whoever_is_back_or_left_anew_is_left_alone() {
    let case = case();
    let told = |person: Option<&Person>| standing(&case, person, None);
    assert_eq!(told(Some(&gone(&case))), Standing::Watched);
    assert_eq!(told(Some(&person("leaving", Some(case.case_id.as_str())))), Standing::Watched);
    let alone = |person: Option<&Person>| matches!(told(person), Standing::LeftAlone(_));
    assert!(alone(None));
    assert!(alone(Some(&person("active", Some("case-back")))));
    assert!(alone(Some(&person("left", Some("case-other")))));
    let other = Person { employee_id: "E2".parse().unwrap(), ..gone(&case) };
    assert!(alone(Some(&other)));
}

#[test]
fn a_case_that_takes_what_is_back_is_looked_at_itself_and_the_other_waits_for_it() {
    let mut first = case();
    first.watch.as_mut().unwrap().looks.push(look(1, Some("case-n")));
    let mut second = CaseRecord { case_id: "case-n".parse().unwrap(), ..case() };
    second.watch.as_mut().unwrap().follows = Some(first.case_id.clone());
    let person = gone(&first);
    assert_eq!(standing(&second, Some(&person), None), Standing::Watched);
    for status in CaseStatus::ALL {
        let over = matches!(status, CaseStatus::Complete | CaseStatus::Cancelled | CaseStatus::Rejected);
        let now = standing(&first, Some(&person), Some(&CaseRecord { status, ..second.clone() }));
        assert_eq!(now == Standing::Watched, over, "{status:?}");
    }
}

#[test]
fn what_is_not_finished_or_done_by_hand_is_passed_over() {
    let (policy, case) = (policy(), case());
    let read = |record: &SystemRecord| passed_over(record, &policy).is_none();
    for status in SystemStatus::ALL {
        let record = system(&case, "okta", status);
        assert_eq!(read(&record), status == SystemStatus::Verified, "{status:?}, set aside");
        let looked_at = SystemRecord { before: Some(Inventory::absent().state()), ..record };
        let is_read = matches!(status, SystemStatus::Verified | SystemStatus::NotApplicable);
        assert_eq!(read(&looked_at), is_read, "{status:?}");
    }
    let done =
        TaskClosed { by: "sam".parse().unwrap(), at: closed(), statement: "did it".into(), evidence: vec![] };
    let task = Task {
        owner: "sam".parse().unwrap(),
        instructions: "do it".into(),
        opened_at: closed(),
        due_at: closed(),
        closed: Some(done),
    };
    let by_owner =
        SystemRecord { task: Some(task.clone()), ..system(&case, "okta", SystemStatus::ManualTask) };
    assert!(read(&by_owner), "its adapter sees what the owner did");
    let denied = SystemRecord { task: Some(task), ..system(&case, "okta", SystemStatus::Denied) };
    assert!(!read(&denied), "somebody decided that access stays");
    assert!(!read(&system(&case, "facilities_keys", SystemStatus::Verified)));
}

#[test]
fn what_gives_no_access_and_what_no_read_shows_is_not_back() {
    let plan = Plan(vec![
        Action::contain(ActionKind::DisableAccount, "1", "john"),
        Action::contain(ActionKind::EndSessions, "1", "all").by_receipt(),
        Action::clean_up(ActionKind::RemoveGroup, "g", "admins"),
        Action::clean_up(ActionKind::RemoveLicence, "l", "seat"),
        Action::clean_up(ActionKind::RecordEnd, "r", "end"),
        Action::clean_up(ActionKind::OpenTicket, "t", "laptop"),
    ]);
    assert_eq!(came_back(&plan), ["account john", "grant admins"]);
    let many =
        (0..50).map(|n| Action::contain(ActionKind::RevokeToken, n.to_string(), n.to_string())).collect();
    let told = came_back(&Plan(many));
    assert_eq!((told.len(), told.last().unwrap().as_str()), (MAX_LABELS + 1, "and 30 more"));
}

fn around<'a>(policy: &'a Policy, person: &'a Person) -> Around<'a> {
    let now = closed().plus(DAY);
    Around { policy, person, measures: &[], gone: BTreeSet::new(), now }
}

#[test]
fn a_look_counts_what_is_well_and_names_the_owner_of_what_could_not_be_read() {
    let (policy, case) = (policy(), case());
    let mut systems: Vec<SystemRecord> =
        ["okta", "slack", "github", "figma"].map(|name| system(&case, name, SystemStatus::Verified)).into();
    systems[0].readings = vec![reading(1, &[], None)];
    systems[1].readings = vec![reading(1, &["account john"], None)];
    systems[2].readings = vec![reading(1, &[], Some(FaultKind::Unavailable))];
    systems[3].readings = vec![reading(7, &["account of another day"], None)];
    let due = due(&case).unwrap();
    let found = fold(&policy, due, &systems, due.at);
    assert_eq!(found.look.systems_ok, 1);
    let told: Vec<_> =
        found.look.findings.iter().map(|one| (one.kind.as_str(), one.detail.as_str())).collect();
    assert_eq!(told[0], ("reappeared", "slack, day 1: account john"));
    assert!(told[1].0 == "not_reverified" && told[1].1.contains("Unavailable: why"), "{told:?}");
    assert!(told[1].1.contains("its owner sam.admin"), "{told:?}");
    assert!(told[2].0 == "not_reverified" && told[2].1.contains("no answer"), "{told:?}");
    let late = fold(&policy, due, &systems[..1], due.at.plus(DAY * 9));
    assert_eq!(late.look.findings[0].detail, "day 1 was looked at 216 h late");
}

#[test]
fn what_is_back_is_told_and_taken_in_one_commit() {
    let (policy, case) = (policy(), case());
    let mut okta = system(&case, "okta", SystemStatus::Verified);
    okta.readings = vec![reading(1, &["account john"], None)];
    let person = gone(&case);
    let around = around(&policy, &person);
    let found = fold(&policy, due(&case).unwrap(), &[okta], around.now);
    let changes = tell(&around, &case, found.clone()).unwrap();
    assert_eq!(changes, tell(&around, &case, found).unwrap(), "a repeat writes the same");
    let cases: Vec<&CaseRecord> = changes
        .iter()
        .filter_map(|one| if let Change::Case(case) = one { Some(&**case) } else { None })
        .collect();
    let [new, old] = cases[..] else { panic!("{cases:?}") };
    assert_eq!((new.mode, new.status, new.version), (Mode::Leave, CaseStatus::Recorded, 1));
    assert_eq!((new.trigger.source.as_str(), new.trigger.kind.as_str()), ("leaver", "reappeared"));
    assert_eq!(new.trigger.event_id.as_str(), format!("reappeared-{}-day-1", case.case_id));
    assert_eq!(new.case_id, CaseId::of_trigger("leaver", &new.trigger.event_id));
    assert!(crate::brake::counts(new), "it passes the brake like any other");
    assert!(!new.emergency && !new.trigger.is_of_measure());
    assert_eq!(new.dates.last_day(new.effective_at), case.dates.last_day(case.effective_at));
    assert_eq!(new.watch.as_ref().unwrap().follows.as_ref(), Some(&case.case_id));
    assert_eq!((old.version, old.checkpoint_size), (case.version + 1, None));
    let seen = old.watch.as_ref().unwrap().look(1).unwrap();
    assert_eq!((seen.opened.as_ref(), seen.findings.len(), old.findings.len()), (Some(&new.case_id), 1, 1));
    assert_eq!(old.log.last().unwrap().outcome, Outcome::Failure);
    let people: Vec<_> = changes.iter().filter(|one| matches!(one, Change::Person(_))).collect();
    let [Change::Person(same)] = people[..] else { panic!("{people:?}") };
    assert_eq!(**same, Person { version: 4, ..person.clone() }, "they stand where they stood");
    let review =
        changes.iter().find_map(|one| if let Change::Review(of) = one { Some(of) } else { None }).unwrap();
    assert_eq!((review.kind, &review.case), (ReviewKind::Reappeared, &new.case_id));
    let queued = changes.iter().filter(|one| matches!(one, Change::System(_))).count();
    assert_eq!(queued, new.systems.len());
}

#[test]
fn where_nothing_is_back_only_the_case_is_written() {
    let (policy, case) = (policy(), case());
    let mut okta = system(&case, "okta", SystemStatus::Verified);
    okta.readings = vec![reading(1, &[], None)];
    let person = gone(&case);
    let found = fold(&policy, due(&case).unwrap(), &[okta], closed().plus(DAY));
    let changes = tell(&around(&policy, &person), &case, found).unwrap();
    let [Change::Case(old)] = &changes[..] else { panic!("{changes:?}") };
    assert_eq!(old.log.last().unwrap().outcome, Outcome::Success);
    assert!(old.findings.is_empty());
}

#[test]
fn a_protected_account_is_asked_about_like_any_other() {
    let (mut policy, case) = (policy(), case());
    policy.protected.insert("john.doe".parse().unwrap());
    let mut okta = system(&case, "okta", SystemStatus::Verified);
    okta.readings = vec![reading(1, &["account john"], None)];
    let person = gone(&case);
    let found = fold(&policy, due(&case).unwrap(), &[okta], closed().plus(DAY));
    let changes = tell(&around(&policy, &person), &case, found).unwrap();
    assert!(changes.iter().any(|one| matches!(one, Change::Case(case) if case.status == CaseStatus::Held)));
    assert!(changes.iter().any(|one| matches!(one, Change::Measure(_))));
}

#[test]
fn an_exception_that_lives_is_not_access_that_came_back() {
    let (policy, case) = (policy(), case());
    let okta = "google_workspace".parse().unwrap();
    let scope = measures::scope_again(&policy, &gone(&case), &case, &okta, &[], closed());
    assert!(scope.kinds.contains(&ActionKind::RemoveDelegation));
}

proptest! {
    /// However often, and however late, somebody comes by: each day once, in order, and never before its time.
    #[test]
    fn every_day_is_looked_at_once(visits in prop::collection::vec(0_u64..4_000_000, 1..40)) {
        let (policy, mut case) = (policy(), case());
        let mut visits = visits;
        visits.sort_unstable();
        let mut seen = Vec::new();
        for visit in visits {
            let now = closed().plus(Duration::from_secs(visit));
            while let Some(due) = due_now(&case, now) {
                prop_assert!(due.at <= now);
                seen.push(due.day);
                let found = fold(&policy, due, &[], now);
                case = looked(&case, found.look, Outcome::Success, json!({}));
            }
        }
        let wanted: Vec<u32> = [1, 7, 30].into_iter().take(seen.len()).collect();
        prop_assert_eq!(seen, wanted);
    }
}
