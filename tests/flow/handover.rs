//! What a leaver owned goes to somebody else: followed until a read shows it, and in nobody's way.

use crate::recorded;
use leaver_adapter::Step;
use leaver_domain::{
    case::{CaseStatus, SystemRecord, SystemStatus},
    id::CaseId,
    ledger::{EventKind, Outcome},
    person::PersonStatus,
    plan::{ActionKind, Stage},
    ports::{CaseStore, Execution},
    reviews::{Review, ReviewKind},
    time::Timestamp,
    transfers::TransferState,
};
use leaver_platform::{memory::MemoryLedger, memory_log::MemoryObjects};
use leaver_sweep::{Sweep, Swept};
use leaver_tests::{
    failing::{Failing, When},
    flow::{House, ORIGIN, appending},
    sandbox::now,
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};

const GOOGLE: &str = "google_workspace";

async fn google(house: &House, case: &CaseId) -> SystemRecord {
    house.cases.system(case, &GOOGLE.parse().unwrap()).await.unwrap().unwrap()
}

fn states(record: &SystemRecord) -> Vec<(&str, TransferState)> {
    record.transfers.iter().map(|one| (one.asset.as_str(), one.state)).collect()
}

fn rows(record: &SystemRecord) -> Vec<Outcome> {
    let ours = record.log.iter().filter(|line| line.kind == EventKind::OwnershipTransferred);
    ours.map(|line| line.outcome).collect()
}

/// The tasks about what could not be given on.
async fn tasks(house: &House, case: &CaseId) -> Vec<Review> {
    let named = google(house, case).await.transfers.into_iter().filter_map(|one| one.task);
    let mut found = Vec::new();
    for id in named.collect::<BTreeSet<_>>() {
        found.push(house.cases.review(&id).await.unwrap().expect("the task that the record names"));
    }
    found
}

/// A case of john.doe's in which Google gives up whatever it is asked to move.
async fn given_up(house: &House) -> CaseId {
    let address = format!("{}/_sandbox/{GOOGLE}/transfers-fail", house.stage.url);
    leaver_adapters::http::client().unwrap().put(address).send().await.unwrap();
    let case = recorded(house, "john.doe").await;
    house.execute(&case).await;
    let record = google(house, &case).await;
    assert_eq!(states(&record), [("drive", TransferState::Failed), ("calendar", TransferState::Failed)]);
    assert_eq!(rows(&record), [Outcome::Failure]);
    assert_eq!(house.case(&case).await.0.status, CaseStatus::Complete);
    case
}

async fn sweep(house: &House, at: Timestamp) -> Swept {
    let log = appending(&house.ledger);
    let sweep = Sweep { policy: &house.policy, store: &house.cases, workflow: &house.workflow, log, now: at };
    leaver_sweep::handle(&sweep).await.unwrap()
}

/// What an execution does that looks after transfers.
async fn follow(house: &House, case: &CaseId) -> Vec<String> {
    let plan = leaver_plan::Plan {
        policy: &house.policy,
        store: &house.cases,
        workflow: &house.workflow,
        now: now(),
    };
    let input = leaver_plan::Input { transfers: Some(case.clone()), ..Default::default() };
    let planned = leaver_plan::handle(&plan, input).await.unwrap();
    assert_eq!(planned.case_id, None, "nothing of the case is to be closed behind it");
    for item in &planned.systems {
        assert_eq!(item.step, "transfers");
        house.step(&house.cases, case, &item.system, Step::Transfers).await.unwrap();
    }
    planned.systems.into_iter().map(|item| item.system).collect()
}

/// How often Google was asked to move something.
async fn asked(house: &House) -> usize {
    let requests = house.stage.requests(GOOGLE).await;
    let inserts = |one: &&Value| {
        one["method"] == "POST" && one["path"].as_str().unwrap().ends_with("/datatransfer/v1/transfers")
    };
    requests.iter().filter(inserts).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_and_calendars_go_to_the_manager_before_licences_do_and_are_read_back() {
    let house = House::new().await;
    let case = recorded(&house, "john.doe").await;
    house.execute(&case).await;
    let record = google(&house, &case).await;
    assert_eq!(states(&record), [("drive", TransferState::Done), ("calendar", TransferState::Done)]);
    assert!(record.transfers.iter().all(|one| one.to.as_ref().is_some_and(|to| to.as_str() == "jane.smith")));
    assert_eq!((rows(&record), record.transfers_due), (vec![Outcome::Success], None));
    let place = |kind| record.actions.iter().position(|taken| taken.action.kind == kind);
    let contained = record.actions.iter().rposition(|taken| taken.action.stage == Stage::Contain);
    assert!(contained < place(ActionKind::TransferOwnership), "access goes first");
    assert!(place(ActionKind::TransferOwnership) < place(ActionKind::RemoveLicence), "licences go last");
    assert_eq!(asked(&house).await, 2);
    assert_eq!(house.case(&case).await.0.status, CaseStatus::Complete);
    assert_eq!(sweep(&house, now().plus(Duration::from_secs(3_600))).await.followed, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_that_takes_nothing_on_holds_nobody_up_and_is_asked_again_until_it_is_done() {
    let house = House::new().await;
    let case = recorded(&house, "john.doe").await;
    house.stage.fault(json!({"system": GOOGLE, "match": "/datatransfer/", "status": 503})).await;
    house.execute(&case).await;
    let record = google(&house, &case).await;
    assert_eq!(record.status, SystemStatus::Verified);
    assert_eq!(house.case(&case).await.0.status, CaseStatus::Complete, "the case does not wait for it");
    assert_eq!(
        states(&record),
        [("drive", TransferState::Requested), ("calendar", TransferState::Requested)]
    );
    house.stage.clear().await;
    let soon = now().plus(Duration::from_secs(120));
    assert_eq!(sweep(&house, soon).await.followed, 1);
    assert_eq!(sweep(&house, soon).await.followed, 0, "one execution for a time");
    assert!(matches!(house.workflow.executions().last(), Some(Execution::Transfers { .. })));
    for _ in 0..3 {
        follow(&house, &case).await;
    }
    let record = google(&house, &case).await;
    assert_eq!(states(&record), [("drive", TransferState::Done), ("calendar", TransferState::Done)]);
    assert_eq!((asked(&house).await, record.transfers_due), (2, None));
    assert_eq!(follow(&house, &case).await, Vec::<String>::new());
    // The new row needs a checkpoint as the others did.
    let (closed, _) = house.case(&case).await;
    assert_eq!((closed.status, closed.checkpoint_size), (CaseStatus::Complete, None));
    house.feed().await;
    house.publish().await;
    assert_eq!(sweep(&house, now().plus(Duration::from_secs(700))).await.sealed, 1);
    let log = house.log().await;
    let ours = log.iter().filter(|(entry, _)| entry.kind == EventKind::OwnershipTransferred).count();
    assert_eq!(ours, rows(&record).len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_dies_anywhere_asks_for_nothing_twice() {
    let mut house = House::new().await;
    let pristine = house.cases.copy();
    for when in [When::Before, When::After] {
        for call in 0.. {
            house.stage.reset().await;
            house.cases = pristine.copy();
            house.ledger = MemoryLedger::new(ORIGIN);
            house.objects = MemoryObjects::default();
            let case = recorded(&house, "john.doe").await;
            house.plan(&house.cases, &case).await.unwrap();
            let failing = Failing::at(&house.cases, call, when);
            let _ = house.step(&failing, &case, GOOGLE, Step::Run).await;
            let reached = failing.has_failed();
            house.execute(&case).await;
            while google(&house, &case).await.transfers_due.is_some() {
                follow(&house, &case).await;
            }
            let record = google(&house, &case).await;
            let all_done = record.transfers.iter().all(|one| one.state == TransferState::Done);
            assert!(all_done, "call {call}, {when:?}: {:?}", record.transfers);
            assert_eq!(asked(&house).await, 2, "call {call}, {when:?}");
            if !reached {
                assert!(call > 5);
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_manager_is_leaving_the_owner_takes_over_and_where_nobody_can_it_is_said() {
    let house = House::new().await;
    let mut jane = house.cases.person(&"jane.smith".parse().unwrap()).await.unwrap().unwrap();
    jane.status = PersonStatus::Leaving;
    jane.version += 1;
    house.cases.put_person(&jane).await.unwrap();
    let case = recorded(&house, "john.doe").await;
    house.execute(&case).await;
    let record = google(&house, &case).await;
    assert!(record.transfers.iter().all(|one| one.to.as_ref().is_some_and(|to| to.as_str() == "sam.admin")));

    let mut sam = house.cases.person(&"sam.admin".parse().unwrap()).await.unwrap().unwrap();
    sam.email = "nobody.here@example.com".into();
    sam.employee_id = "EMP-0".parse().unwrap();
    sam.version += 1;
    house.cases.put_person(&sam).await.unwrap();
    let case = recorded(&house, "robin.mover").await;
    house.execute(&case).await;
    let record = google(&house, &case).await;
    assert_eq!(record.status, SystemStatus::Verified);
    assert_eq!(states(&record), [("drive", TransferState::Failed), ("calendar", TransferState::Failed)]);
    let why = record.transfers[0].why.as_deref().unwrap();
    assert!(why.contains("sam.admin has no account in Google Workspace"), "{why}");
    assert_eq!(rows(&record), [Outcome::Failure]);
    follow(&house, &case).await;
    let tasks = tasks(&house, &case).await;
    assert!(tasks[0].reason.contains(why), "{}", tasks[0].reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_through_within_a_week_is_somebodys_task() {
    let house = House::new().await;
    let case = recorded(&house, "john.doe").await;
    house.stage.fault(json!({"system": GOOGLE, "match": "/datatransfer/", "status": 503})).await;
    house.execute(&case).await;
    let mut record = google(&house, &case).await;
    record.started_at = record.started_at.map(|at| at.minus(Duration::from_secs(8 * 86_400)));
    record.version += 1;
    house.cases.put_system(&record).await.unwrap();
    follow(&house, &case).await;
    let record = google(&house, &case).await;
    assert!(record.transfers.iter().all(|one| one.state == TransferState::Failed), "{:?}", record.transfers);
    assert_eq!((rows(&record), record.transfers_due), (vec![Outcome::Failure], None));
    assert_eq!(tasks(&house, &case).await.len(), 1);
}

/// The system was tried for longer than that before it could give anything on.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_for_late_has_a_week_from_then_on() {
    let house = House::new().await;
    let case = recorded(&house, "john.doe").await;
    house.execute(&case).await;
    let mut record = google(&house, &case).await;
    assert!(record.transfers.iter().any(|one| one.asked_at.is_some()), "{:?}", record.transfers);
    record.started_at = record.started_at.map(|at| at.minus(Duration::from_secs(8 * 86_400)));
    record.version += 1;
    house.cases.put_system(&record).await.unwrap();
    follow(&house, &case).await;
    let record = google(&house, &case).await;
    assert!(record.transfers.iter().all(|one| one.state != TransferState::Failed), "{:?}", record.transfers);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_data_is_kept_access_goes_and_what_may_lose_data_does_not() {
    let house = House::new().await;
    let mut john = house.cases.person(&"john.doe".parse().unwrap()).await.unwrap().unwrap();
    john.legal_hold = Some(leaver_domain::person::LegalHold { reason: "matter 7".into(), since: now() });
    john.version += 1;
    house.cases.put_person(&john).await.unwrap();
    let case = recorded(&house, "john.doe").await;
    house.execute(&case).await;
    let (record, systems) = house.case(&case).await;
    assert_eq!(record.status, CaseStatus::Complete);
    assert!(record.archive.is_some());
    for system in ["google_workspace", "microsoft_365"] {
        let one = systems.iter().find(|one| one.system.as_str() == system).unwrap();
        assert_eq!(one.status, SystemStatus::Verified, "{system}");
        let licences =
            one.actions.iter().filter(|taken| taken.action.kind == ActionKind::RemoveLicence).count();
        assert_eq!(licences, 0, "{system}");
        assert!(one.preserved.as_deref().unwrap().contains("matter 7"));
        let row = one.log.iter().find(|line| line.kind == EventKind::AccessRevoked).unwrap();
        assert!(row.facts["preserved"].as_str().unwrap().contains("matter 7"));
    }
    assert!(systems.iter().all(|one| one.parked.is_empty()), "nothing is left to be destroyed");
    assert_eq!(house.stage.account(GOOGLE, "john.doe").await["active"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_vendor_gives_up_is_somebodys_task_and_the_case_is_complete() {
    let house = House::new().await;
    let case = given_up(&house).await;
    assert_eq!(sweep(&house, now().plus(Duration::from_secs(120))).await.followed, 1);
    assert_eq!(follow(&house, &case).await, [GOOGLE]);
    let record = google(&house, &case).await;
    assert_eq!((rows(&record).len(), record.transfers_due), (1, None));
    let tasks = tasks(&house, &case).await;
    let [task] = tasks.as_slice() else { panic!("{tasks:?}") };
    assert_eq!((task.kind, &task.case), (ReviewKind::TransferFailed, &case));
    assert_eq!(task.owners.iter().map(|owner| owner.as_str()).collect::<Vec<_>>(), ["sam.admin"]);
    assert!(task.reason.starts_with("google_workspace: "), "{}", task.reason);
    let why = record.transfers[0].why.as_deref().unwrap();
    assert!(record.transfers.iter().all(|one| task.reason.contains(&one.name)), "{}", task.reason);
    assert!(task.reason.contains(why), "{}", task.reason);
    assert_eq!(follow(&house, &case).await, Vec::<String>::new(), "once");
    house.feed().await;
    let log = house.log().await;
    let opened = log.iter().filter(|(entry, _)| entry.kind == EventKind::TaskOpened).count();
    assert_eq!(opened, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_about_what_failed_is_given_once_wherever_the_step_dies() {
    let house = House::new().await;
    let case = given_up(&house).await;
    let ready = house.cases.copy();
    for when in [When::Before, When::After] {
        for call in 0.. {
            let store = ready.copy();
            let failing = Failing::at(&store, call, when);
            let _ = house.step(&failing, &case, GOOGLE, Step::Transfers).await;
            let reached = failing.has_failed();
            house.step(&store, &case, GOOGLE, Step::Transfers).await.unwrap();
            let record = store.system(&case, &GOOGLE.parse().unwrap()).await.unwrap().unwrap();
            let named: BTreeSet<_> = record.transfers.iter().map(|one| one.task.clone()).collect();
            assert_eq!((named.len(), record.transfers_due), (1, None), "call {call}, {when:?}");
            let id = named.into_iter().flatten().next().unwrap();
            assert_eq!(store.review(&id).await.unwrap().map(|task| task.version), Some(1));
            if !reached {
                assert!(call > 3);
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_is_nobodys_task_where_the_person_stays() {
    let house = House::new().await;
    let case = given_up(&house).await;
    let mut john = house.cases.person(&"john.doe".parse().unwrap()).await.unwrap().unwrap();
    john.status = PersonStatus::Active;
    john.case = Some("CASE-2026-02-03-00000000000000000000000000".parse().unwrap());
    john.version += 1;
    house.cases.put_person(&john).await.unwrap();
    assert_eq!(follow(&house, &case).await, [GOOGLE]);
    assert_eq!(tasks(&house, &case).await, []);
    assert_eq!(google(&house, &case).await.transfers_due, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_shows_who_would_get_what_and_asks_nobody() {
    let house = House::new().await;
    let person = house.cases.person(&"john.doe".parse().unwrap()).await.unwrap().unwrap();
    let request = leaver_domain::intake::Request {
        trigger: leaver_domain::case::Trigger {
            source: "api:sam.admin".into(),
            event_id: "dry".parse().unwrap(),
            by: "sam.admin".into(),
            kind: "manual".into(),
            at: now(),
            received_at: now(),
            body: leaver_domain::digest::Digest::ZERO,
        },
        mode: leaver_domain::case::Mode::Leave,
        reason: "only looking".into(),
        dates: Default::default(),
        effective_at: now(),
        dry_run: true,
        emergency: false,
        preserve_data: false,
        grants: None,
        permissions: Default::default(),
        moves: None,
        measure: None,
    };
    let submitted =
        leaver_domain::intake::submit(&house.cases, &house.workflow, &house.policy, &person, &request, now());
    let case = submitted.await.unwrap().0.case_id;
    house.execute(&case).await;
    let record = google(&house, &case).await;
    assert_eq!(
        states(&record),
        [("drive", TransferState::Requested), ("calendar", TransferState::Requested)]
    );
    assert!(record.transfers.iter().all(|one| one.to.as_ref().is_some_and(|to| to.as_str() == "jane.smith")));
    let planned = record.plan.0.iter().filter(|one| one.kind == ActionKind::TransferOwnership).count();
    assert_eq!((planned, asked(&house).await, record.transfers_due), (2, 0, None));
    assert_eq!(house.case(&case).await.0.archive, None);
}
