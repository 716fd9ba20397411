//! A log that is rationed, or away, keeps nobody's access open: it is read afterwards, and what it shows is told.

use crate::recorded;
use leaver_adapter::Step;
use leaver_domain::{
    case::{SystemRecord, SystemStatus},
    hindsight,
    id::{CaseId, ReviewId},
    ledger::{EventKind, Outcome},
    ports::{CaseStore, Execution},
    reviews::{Review, ReviewKind},
    risk::{RiskLevel, Rule},
    time::Timestamp,
};
use leaver_sweep::{Sweep, Swept};
use leaver_tests::{
    failing::{Failing, When},
    flow::{House, appending},
    sandbox::now,
};
use serde_json::{Value, json};
use std::time::Duration;

const GOOGLE: &str = "google_workspace";
/// Took out far more than usual from Google and GitHub, and is the only administrator of GitHub.
const RILEY: &str = "riley.owner";
const NEVER: Duration = Duration::from_secs(4 * 24 * 3_600);

fn log_is(status: u16) -> Value {
    json!({"system": GOOGLE, "match": "/admin/reports/", "status": status})
}

async fn google(house: &House, case: &CaseId) -> SystemRecord {
    house.cases.system(case, &GOOGLE.parse().unwrap()).await.unwrap().unwrap()
}

fn assessed(record: &SystemRecord) -> Vec<Outcome> {
    let ours = record.log.iter().filter(|line| line.kind == EventKind::RiskAssessed);
    ours.map(|line| line.outcome).collect()
}

async fn sweep(house: &House, at: Timestamp) -> Swept {
    let log = appending(&house.ledger);
    let sweep = Sweep { policy: &house.policy, store: &house.cases, workflow: &house.workflow, log, now: at };
    leaver_sweep::handle(&sweep).await.unwrap()
}

/// A case that took Google's access without having read Google's log, and the time at which that is tried again, brought about.
async fn taken(house: &House, username: &str, status: u16) -> CaseId {
    let case = recorded(house, username).await;
    house.stage.fault(log_is(status)).await;
    house.plan(&house.cases, &case).await.unwrap();
    house.step(&house.cases, &case, GOOGLE, Step::Run).await.unwrap();
    let record = google(house, &case).await;
    assert_eq!(record.status, SystemStatus::Revoked, "{:?}", record.fault);
    let risk = record.risk.as_ref().unwrap();
    assert!(risk.level < RiskLevel::Flagged, "{risk:?}");
    assert!(risk.findings.iter().any(|one| one.rule == Rule::LogUnavailable), "{risk:?}");
    assert!(record.log_due.unwrap() > now());
    // While its case is at work here nobody else writes.
    ripen(house, &case).await;
    house.stage.clear().await;
    read(house, &house.cases).await.unwrap();
    assert!(google(house, &case).await.log_due.is_some());
    house.step(&house.cases, &case, GOOGLE, Step::Verify).await.unwrap();
    house.stage.fault(log_is(status)).await;
    case
}

/// Lets the time come at which the log is tried.
async fn ripen(house: &House, case: &CaseId) {
    let mut record = google(house, case).await;
    record.log_due = Some(now());
    record.version += 1;
    house.cases.put_system(&record).await.unwrap();
}

/// What the execution does that reads the logs that are owed, over another table.
async fn read(house: &House, store: &dyn CaseStore) -> Result<Vec<String>, leaver_domain::fault::Fault> {
    let plan = leaver_plan::Plan { policy: &house.policy, store, workflow: &house.workflow, now: now() };
    let input = leaver_plan::Input { logs: true, ..Default::default() };
    let planned = leaver_plan::handle(&plan, input).await?;
    assert_eq!(planned.case_id, None, "nothing of a case is to be closed behind it");
    for item in &planned.systems {
        assert_eq!((item.step, &item.case_id), ("logs", &None));
        house.step_of_system(store, &item.system, Step::Logs).await?;
    }
    Ok(planned.systems.into_iter().map(|item| item.system).collect())
}

async fn review(house: &House, case: &CaseId) -> Option<Review> {
    let id = ReviewId::of_case(&format!("late_risk {GOOGLE}"), case);
    house.cases.review(&id).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_log_shows_that_could_not_be_read_before_is_told_to_security() {
    let house = House::new().await;
    let case = taken(&house, RILEY, 503).await;
    house.stage.clear().await;
    assert_eq!(sweep(&house, now()).await.logs, 1);
    assert_eq!(sweep(&house, now()).await.logs, 0, "one execution for a time");
    assert!(matches!(house.workflow.executions().last(), Some(Execution::Logs { .. })));
    assert_eq!(read(&house, &house.cases).await.unwrap(), [GOOGLE]);
    let record = google(&house, &case).await;
    assert_eq!((record.status, record.log_due), (SystemStatus::Verified, None), "what was taken stays taken");
    let risk = record.risk.as_ref().unwrap();
    assert_eq!((risk.level, risk.findings[0].rule), (RiskLevel::Flagged, Rule::BulkDownload));
    assert_eq!(assessed(&record), [Outcome::Success]);
    let (told, _) = house.case(&case).await;
    assert_eq!(told.checkpoint_size, None);
    let finding = told.findings.iter().find(|one| one.kind == "late_risk").unwrap();
    assert!(finding.detail.starts_with("google_workspace: bulk download ("), "{}", finding.detail);
    let review = review(&house, &case).await.unwrap();
    assert_eq!((review.kind, &review.case, &review.reason), (ReviewKind::LateRisk, &case, &finding.detail));
    assert!(review.owners.iter().all(|owner| house.policy.approvals.security_team.contains(owner)));
    assert!(!review.owners.is_empty());
    assert_eq!(read(&house, &house.cases).await.unwrap(), Vec::<String>::new(), "once");
    house.feed().await;
    let log = house.log().await;
    let (row, facts) = log.iter().find(|(entry, _)| entry.kind == EventKind::RiskAssessed).unwrap();
    assert_eq!((row.risk, row.system.as_deref()), (Some(RiskLevel::Flagged), Some(GOOGLE)));
    assert_eq!(facts["facts"]["risk"]["findings"][0]["rule"], "bulk_download", "{facts}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_shows_nothing_is_a_row_and_nobodys_work() {
    let house = House::new().await;
    let case = taken(&house, "john.doe", 503).await;
    house.stage.clear().await;
    ripen(&house, &case).await;
    read(&house, &house.cases).await.unwrap();
    let record = google(&house, &case).await;
    let risk = record.risk.as_ref().unwrap();
    assert!(risk.level < RiskLevel::Flagged && risk.events > 0, "{risk:?}");
    assert!(risk.findings.iter().all(|one| one.rule != Rule::LogUnavailable), "{risk:?}");
    assert_eq!(assessed(&record), [Outcome::Success]);
    assert_eq!(review(&house, &case).await, None);
    assert!(house.case(&case).await.0.findings.iter().all(|one| one.kind != "late_risk"));
}

/// Where the vendor has no room, nothing is written: the next minute goes on where this one stopped.
#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_without_room_ends_the_round_and_one_without_an_answer_is_asked_later() {
    let house = House::new().await;
    let case = taken(&house, "john.doe", 503).await;
    house.stage.clear().await;
    house.stage.fault(log_is(429)).await;
    let before = google(&house, &case).await;
    read(&house, &house.cases).await.unwrap();
    assert_eq!(google(&house, &case).await.version, before.version);
    house.stage.clear().await;
    house.stage.fault(log_is(503)).await;
    read(&house, &house.cases).await.unwrap();
    let record = google(&house, &case).await;
    assert!(record.log_due.unwrap() > now() && assessed(&record).is_empty());
    assert_eq!(sweep(&house, now()).await.logs, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_never_comes_back_is_said_to_be_unread() {
    for status in [503, 429] {
        never_read(status).await;
    }
}

async fn never_read(status: u16) {
    let house = House::new().await;
    let case = taken(&house, RILEY, status).await;
    let mut record = google(&house, &case).await;
    record.started_at = Some(now().minus(NEVER));
    assert_eq!(hindsight::again(now().minus(NEVER), now()), None);
    record.version += 1;
    house.cases.put_system(&record).await.unwrap();
    read(&house, &house.cases).await.unwrap();
    let record = google(&house, &case).await;
    assert_eq!((record.log_due, assessed(&record)), (None, vec![Outcome::Failure]));
    assert!(house.case(&case).await.0.findings.iter().any(|one| one.kind == "log_unread"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_that_dies_anywhere_is_told_once() {
    let mut house = House::new().await;
    let case = taken(&house, RILEY, 503).await;
    house.stage.clear().await;
    let pristine = house.cases.copy();
    for when in [When::Before, When::After] {
        for call in 0.. {
            house.cases = pristine.copy();
            let failing = Failing::at(&house.cases, call, when);
            let came_to = read(&house, &failing).await;
            let reached = failing.has_failed();
            drop(came_to);
            // The next minute's round.
            read(&house, &house.cases).await.unwrap();
            let record = google(&house, &case).await;
            assert_eq!(assessed(&record), [Outcome::Success], "call {call}, {when:?}");
            let found = house.case(&case).await.0.findings;
            assert_eq!(
                found.iter().filter(|one| one.kind == "late_risk").count(),
                1,
                "call {call}, {when:?}"
            );
            assert!(review(&house, &case).await.is_some());
            if !reached {
                assert!(call > 5, "{call}");
                break;
            }
        }
    }
}

/// Not even a credential that is refused for the log alone keeps access open; the log's owner has three days to mend it.
#[tokio::test(flavor = "multi_thread")]
async fn no_fault_of_a_log_keeps_access_open() {
    for status in [401, 404, 418, 500] {
        let house = House::new().await;
        taken(&house, "john.doe", status).await;
    }
}
