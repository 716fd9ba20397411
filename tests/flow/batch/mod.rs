//! Batches: many people with one file, through the API and the function that feeds them.

mod again;
mod feeders;
mod held;
mod order;

use futures_util::future::BoxFuture;
use leaver_batch::{Fed, Feeding, Input};
use leaver_domain::{
    batch::{Batch, BatchStatus, LineState},
    case::{CaseRecord, CaseStatus, Mode},
    id::{BatchId, CaseId},
    ledger::EventKind,
    person::PersonStatus,
    policy::Policy,
    ports::{CaseStore, Execution, StoreError, Workflow},
    time::Timestamp,
};
use leaver_platform::memory::MemoryWorkflow;
use leaver_tests::{
    failing::{Failing, Fuse, When},
    flow::{House, api_request},
    sandbox::now,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

const HEADER: &str = "username,reason,revocation_type,preserve_data\n";
pub(super) const HR: (&str, &str) = ("harper.hr", "hr");

/// A clock that goes on when somebody waits.
pub(super) struct Clock(AtomicI64);

impl Clock {
    pub(super) fn new() -> Self {
        Self(AtomicI64::new(now().millis()))
    }
    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst)).unwrap()
    }
    pub(super) fn pass(&self, time: Duration) {
        self.0.fetch_add(i64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

/// So many people who decide nothing themselves.
pub(super) fn crowd(count: usize) -> Vec<String> {
    let people = leaver_sandbox::people::load().unwrap();
    let plain = people.into_iter().filter(|sample| sample.roles.is_empty() && !sample.person.protected);
    let names: Vec<String> = plain.map(|sample| sample.person.username.to_string()).take(count).collect();
    assert_eq!(names.len(), count);
    names
}

pub(super) fn file(people: &[String]) -> String {
    let lines: String = people.iter().map(|name| format!("{name},\"Closing, the site\",leave,\n")).collect();
    format!("{HEADER}{lines}")
}

pub(super) async fn post(
    house: &House,
    who: (&str, &str),
    csv: &str,
    key: &str,
    dry_run: bool,
    at: Timestamp,
) -> (i64, Value) {
    let mut asked = api_request(who, "POST", "/api/v1/cases/batch", csv, key);
    asked.headers.insert("content-type", "text/csv; charset=utf-8".parse().unwrap());
    if dry_run {
        asked.query_string_parameters = serde_json::from_value(json!({"dry_run": "true"})).unwrap();
    }
    house.answer(&house.cases, &asked, at).await
}

/// One invocation; while it waits, the clock goes on.
pub(super) async fn feed(
    (policy, workflow): (&Policy, &dyn Workflow),
    store: &dyn CaseStore,
    clock: &Clock,
    holder: &str,
    budget: Duration,
) -> Result<Fed, StoreError> {
    let tell = || clock.now();
    let wait = |time: Duration| -> BoxFuture<'_, ()> {
        clock.pass(time);
        Box::pin(tokio::task::yield_now())
    };
    let feeding = Feeding { policy, store, workflow, clock: &tell, wait: &wait, budget, holder };
    leaver_batch::handle(&feeding, &Input::default()).await
}

pub(super) fn with(house: &House) -> (&Policy, &dyn Workflow) {
    (&house.policy, &house.workflow)
}

const ROUND: Duration = Duration::ZERO;

pub(super) async fn batch(house: &House, id: &BatchId) -> Batch {
    house.cases.batch(id).await.unwrap().unwrap()
}

pub(super) fn id_of(answer: &Value) -> BatchId {
    answer["batch_id"].as_str().expect("a batch").parse().unwrap()
}

pub(super) async fn cases(store: &dyn CaseStore) -> Vec<CaseRecord> {
    store.cases(None, 100_000).await.unwrap().cases
}

/// Brings cases to their end as an execution would, without its systems.
pub(super) async fn finish(store: &dyn CaseStore, of: impl Fn(&CaseRecord) -> bool) {
    for mut case in cases(store).await.into_iter().filter(|case| case.status == CaseStatus::Recorded) {
        if of(&case) {
            case.status = CaseStatus::Complete;
            case.version += 1;
            store.put_case(&case).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_runs_to_its_end_and_every_line_has_its_case() {
    let house = House::new().await;
    let (clock, people) = (Clock::new(), crowd(3));
    let (status, answer) = post(&house, HR, &file(&people), "k", false, clock.now()).await;
    assert_eq!((status, &answer["duplicate"], &answer["held_by"]), (202, &json!(false), &Value::Null));
    let id = id_of(&answer);
    assert_eq!(house.workflow.executions(), [Execution::of_batch(&batch(&house, &id).await)]);
    assert!(cases(&house.cases).await.is_empty(), "the door records nothing itself");
    let fed = feed(with(&house), &house.cases, &clock, "one", ROUND).await.unwrap();
    assert_eq!((fed.recorded, fed.already, fed.failed, fed.busy), (3, 0, 0, false));
    for line in answer["lines"].as_array().unwrap() {
        assert_eq!(line["accepted"], true);
        let case: CaseId = line["case_id"].as_str().unwrap().parse().unwrap();
        let (record, _) = house.case(&case).await;
        assert_eq!(line["username"], record.person.username.as_str());
        assert_eq!((record.trigger.by.as_str(), record.trigger.source.as_str()), ("harper.hr", "batch"));
        assert_eq!(record.log[0].facts["batch"]["line"], line["line"]);
        assert!(house.workflow.started().contains(&case));
        house.execute(&case).await;
    }
    feed(with(&house), &house.cases, &clock, "two", Duration::from_secs(10)).await.unwrap();
    let ended = batch(&house, &id).await;
    let states: BTreeSet<LineState> = ended.states.iter().collect();
    assert!(ended.is_over() || states.contains(&LineState::AwaitingApproval), "{states:?}");
    let (_, view) = house.call(HR, "GET", &format!("/api/v1/batches/{id}"), "", clock.now()).await;
    assert_eq!(
        (&view["status"], &view["total"], &view["progress"]["left"]),
        (&json!("ended"), &json!(3), &json!(0))
    );
    assert_eq!(view["lines"].as_array().unwrap().len(), 3);
    assert_eq!(view["lines"][0]["reason"], "Closing, the site");
    let (_, list) = house.call(HR, "GET", "/api/v1/batches", "", clock.now()).await;
    assert_eq!(list["batches"][0]["batch_id"], json!(id));
    house.feed().await;
    let log = house.log().await;
    let rows = log.iter().filter(|(entry, _)| entry.kind == EventKind::BatchChanged);
    assert_eq!(
        rows.map(|(entry, _)| entry.action.as_str()).collect::<Vec<_>>(),
        ["record batch", "come to rest"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_line_changes_nothing_and_every_bad_line_is_named() {
    let house = House::new().await;
    let csv = format!("{HEADER}john.doe,R,,\nno.body,R,,\nno.one,R,,\n");
    for dry_run in [false, true] {
        let (status, problem) = post(&house, HR, &csv, "k", dry_run, now()).await;
        assert_eq!((status, &problem["type"]), (422, &json!("/problems/invalid-batch")));
        let lines: Vec<&Value> =
            problem["lines"].as_array().unwrap().iter().map(|line| &line["line"]).collect();
        assert_eq!(lines, [&json!(3), &json!(4)]);
        assert!(problem["lines"][0]["why"].as_str().unwrap().contains("known"));
    }
    let own = format!("{HEADER}harper.hr,R,,\n");
    assert_eq!(post(&house, HR, &own, "k", false, now()).await.0, 422);
    assert_eq!(post(&house, ("jane.smith", "manager"), &csv, "k", false, now()).await.0, 403);
    let plain = api_request(HR, "POST", "/api/v1/cases/batch", &csv, "k");
    assert_eq!(house.answer(&house.cases, &plain, now()).await.0, 415);
    let large = format!("{csv}{}", " ".repeat(2 * 1024 * 1024));
    assert_eq!(post(&house, HR, &large, "k", false, now()).await.0, 413);
    let good = file(&crowd(3));
    let (status, answer) = post(&house, HR, &good, "k", true, now()).await;
    assert_eq!((status, answer["lines"].as_array().unwrap().len()), (200, 3));
    let page = house.cases.batches(None, 10).await.unwrap();
    assert!(page.batches.is_empty() && house.workflow.executions().is_empty());
    assert!(house.cases.batches_due(now(), 9).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_file_again_is_the_same_batch_and_another_under_its_number_is_refused() {
    let house = House::new().await;
    let (clock, people) = (Clock::new(), crowd(4));
    let (_, first) = post(&house, HR, &file(&people), "k", false, clock.now()).await;
    feed(with(&house), &house.cases, &clock, "one", ROUND).await.unwrap();
    let (status, again) = post(&house, HR, &file(&people), "k", false, clock.now()).await;
    assert_eq!((status, &again["duplicate"], &again["batch_id"]), (202, &json!(true), &first["batch_id"]));
    let ids = |answer: &Value| -> Vec<Value> {
        answer["lines"].as_array().unwrap().iter().map(|line| line["case_id"].clone()).collect()
    };
    assert_eq!(ids(&again), ids(&first));
    let (status, _) = post(&house, HR, &file(&people[..2]), "k", false, clock.now()).await;
    assert_eq!(status, 409);
    // Somebody else's number is another one.
    let (_, other) = post(&house, ("sam.admin", "security"), &file(&people), "k", false, clock.now()).await;
    assert_ne!(other["batch_id"], first["batch_id"]);
    assert!(other["lines"].as_array().unwrap().iter().all(|line| line["already"] == true));
    feed(with(&house), &house.cases, &clock, "two", ROUND).await.unwrap();
    assert_eq!(cases(&house.cases).await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_batches_with_the_same_person_the_second_says_already() {
    let house = House::new().await;
    let (clock, people) = (Clock::new(), crowd(5));
    let (_, one) = post(&house, HR, &file(&people[..3]), "one", false, clock.now()).await;
    let (_, two) = post(&house, HR, &file(&people[2..]), "two", false, clock.now()).await;
    for _ in 0..3 {
        feed(with(&house), &house.cases, &clock, "f", ROUND).await.unwrap();
    }
    assert_eq!(cases(&house.cases).await.len(), 5);
    let path = format!("/api/v1/batches/{}", id_of(&two));
    let (_, view) = house.call(HR, "GET", &path, "", clock.now()).await;
    let line = &view["lines"][0];
    assert_eq!((&line["state"], &line["username"]), (&json!("already"), &json!(people[2])));
    assert_eq!(line["case_id"], one["lines"][2]["case_id"]);
    finish(&house.cases, |_| true).await;
    feed(with(&house), &house.cases, &clock, "f", ROUND).await.unwrap();
    for id in [id_of(&one), id_of(&two)] {
        assert!(batch(&house, &id).await.is_over());
    }
}

/// A suspended person who is to leave leaves; one who is to be suspended is so already.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_suspends_as_well_and_nobody_twice() {
    let house = House::new().await;
    let (clock, people) = (Clock::new(), crowd(1));
    let suspend = format!("{HEADER}{},Looked into,suspend,true\n", people[0]);
    let (status, one) = post(&house, HR, &suspend, "one", false, clock.now()).await;
    assert_eq!(status, 202);
    feed(with(&house), &house.cases, &clock, "f", ROUND).await.unwrap();
    let case = batch_case(&house, &id_of(&one)).await;
    assert!(case.mode == Mode::Suspend && case.preserve_data);
    let stands = || async { house.cases.person(&people[0].parse().unwrap()).await.unwrap().unwrap() };
    assert_eq!(
        (stands().await.status, stands().await.case),
        (PersonStatus::Suspended, Some(case.case_id.clone()))
    );
    let (_, two) = post(&house, HR, &suspend, "two", false, clock.now()).await;
    let line = &two["lines"][0];
    assert_eq!((&line["already"], &line["case_id"]), (&json!(true), &json!(case.case_id)));
    let fed = feed(with(&house), &house.cases, &clock, "f", ROUND).await.unwrap();
    assert_eq!((fed.recorded, fed.already), (0, 1));
    let (_, three) = post(&house, HR, &file(&people), "three", false, clock.now()).await;
    assert_eq!(three["lines"][0]["already"], Value::Null);
    feed(with(&house), &house.cases, &clock, "f", ROUND).await.unwrap();
    let leaves = batch_case(&house, &id_of(&three)).await;
    assert_eq!((leaves.mode, stands().await.status), (Mode::Leave, PersonStatus::Leaving));
    assert_eq!(stands().await.case, Some(leaves.case_id));
}

/// Whoever is to go next year goes today where today's batch says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_case_whose_time_has_not_come_is_no_reason_to_leave_somebody_their_access() {
    let house = House::new().await;
    let (clock, people) = (Clock::new(), crowd(1));
    let later = clock.now().plus(Duration::from_secs(90 * 86_400));
    let open = json!({"person": people[0], "reason": "end of project", "effective_at": later}).to_string();
    let (status, scheduled) = house.call(HR, "POST", "/api/v1/cases", &open, clock.now()).await;
    assert_eq!((status, &scheduled["status"]), (202, &json!("recorded")));
    let (_, answer) = post(&house, HR, &file(&people), "k", false, clock.now()).await;
    assert_eq!(answer["lines"][0].get("already"), None);
    feed(with(&house), &house.cases, &clock, "f", ROUND).await.unwrap();
    let case = batch_case(&house, &id_of(&answer)).await;
    assert_ne!(json!(case.case_id), scheduled["case_id"]);
    assert!(house.workflow.started().contains(&case.case_id));
    assert_eq!(case.person.username.as_str(), people[0]);
}

async fn batch_case(house: &House, id: &BatchId) -> CaseRecord {
    let lines = house.cases.lines(&batch(house, id).await).await.unwrap();
    let case = leaver_domain::batch::case_of(id, &lines[0]).unwrap();
    house.case(&case).await.0
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_run_at_once_than_policy_says_and_privileged_people_come_first() {
    let mut house = House::new().await;
    house.policy.batch.max_running = 2;
    house.policy.brake.max_people = 30;
    house.policy.brake.max_share_percent = 100;
    let clock = Clock::new();
    let mut people = crowd(6);
    people.push("taylor.admin".to_owned());
    let (_, answer) = post(&house, HR, &file(&people), "k", false, clock.now()).await;
    let id = id_of(&answer);
    feed(with(&house), &house.cases, &clock, "f", ROUND).await.unwrap();
    let first: Vec<String> =
        cases(&house.cases).await.iter().map(|case| case.person.username.to_string()).collect();
    assert!(first.len() == 2 && first.contains(&"taylor.admin".to_owned()), "{first:?}");
    let mut seen = 2;
    while seen < 7 {
        finish(&house.cases, |_| true).await;
        feed(with(&house), &house.cases, &clock, "f", ROUND).await.unwrap();
        let all = cases(&house.cases).await;
        let open = all.iter().filter(|case| case.status == CaseStatus::Recorded).count();
        assert!(open <= 2 && all.len() > seen, "{open} run, {} of them all", all.len());
        seen = all.len();
    }
    let progress = batch(&house, &id).await.progress(clock.now().plus(Duration::from_secs(30)));
    assert_eq!((progress.finished, progress.left), (6, 1));
    assert!(progress.ends_at.is_some());
    finish(&house.cases, |_| true).await;
    feed(with(&house), &house.cases, &clock, "f", ROUND).await.unwrap();
    assert_eq!(batch(&house, &id).await.status, BatchStatus::Ended);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_feeds_may_die_anywhere() {
    let house = House::new().await;
    post(&house, HR, &file(&crowd(4)), "k", false, Clock::new().now()).await;
    wherever_the_feeder_dies(&house, 1, 4).await;
}

/// The feeder dies at every call, before and after it took effect, with and without an answer, and another goes on: in the end all
/// of the files are through, and so many people have a case, once each.
async fn wherever_the_feeder_dies(house: &House, files: usize, people: usize) {
    for when in When::ALL {
        for call in 0.. {
            let (store, clock, workflow) = (house.cases.copy(), Clock::new(), MemoryWorkflow::default());
            let with = (&house.policy, &workflow as &dyn Workflow);
            let fuse = Arc::new(Fuse::at(call, when));
            let failing = Failing::behind(&store, fuse.clone());
            let dying = feed(with, &failing, &clock, "dies", Duration::from_secs(7));
            let _ = fuse.invocation(dying).await;
            clock.pass(Duration::from_secs(31));
            for _ in 0..6 {
                finish(&store, |_| true).await;
                feed(with, &store, &clock, "goes on", ROUND).await.unwrap();
            }
            let all = cases(&store).await;
            let whose: BTreeSet<&str> = all.iter().map(|case| case.person.username.as_str()).collect();
            assert_eq!((all.len(), whose.len()), (people, people), "{when:?} at call {call}");
            let page = store.batches(None, 9).await.unwrap();
            let over = page.batches.iter().filter(|batch| batch.status == BatchStatus::Ended).count();
            assert_eq!(over, files, "{when:?} at call {call}");
            if !fuse.has_blown() {
                assert!(call > 20, "only {call} calls");
                break;
            }
        }
    }
}
