//! A case is closed only under a published checkpoint that covers all its rows, and rows that the stream lost are found.

use crate::recorded;
use leaver_domain::{
    case::CaseStatus,
    fault::FaultKind,
    id::CaseId,
    ledger::{Checkpoint, EventKind, Outcome, append},
    person::PersonStatus,
    ports::{CaseStore, LedgerStore, Wait},
    sealing,
    time::Timestamp,
};
use leaver_platform::memory::{MemoryCases, MemoryLedger};
use leaver_population::Counting;
use leaver_sweep::{Sweep, Swept};
use leaver_tests::{
    failing::{Failing, FailingLog, Fuse, When},
    flow::{House, ORIGIN, appending, checked, event},
    sandbox::now,
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// The last step of an execution, with a wait of its own.
async fn close<'a>(house: &'a House, case: &CaseId, wait: Wait<'a>) -> Result<Option<CaseStatus>, FaultKind> {
    let close = leaver_close::Close {
        policy: &house.policy,
        store: &house.cases,
        ledger: &house.ledger,
        clock: &now,
        wait,
        tries: 3,
    };
    let input =
        leaver_close::Input { case_id: Some(case.clone()), system: None, systems: vec![], reverify: None };
    leaver_close::handle(&close, input).await.map(|output| output.status).map_err(|fault| fault.kind)
}

async fn sweep(house: &House, at: Timestamp) -> Swept {
    let log = appending(&house.ledger);
    let sweep = Sweep { policy: &house.policy, store: &house.cases, workflow: &house.workflow, log, now: at };
    leaver_sweep::handle(&sweep).await.unwrap()
}

fn later() -> Timestamp {
    now().plus(Duration::from_secs(700))
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_rows_and_a_checkpoint_over_them_a_case_stays_open() {
    let house = House::new().await;
    let case = recorded(&house, "john.doe").await;
    house.execute_until_close(&case).await;
    let idle: Wait<'_> = &|_| Box::pin(async {});
    // The stream is behind: the last row of the case has to name all the others.
    assert_eq!(close(&house, &case, idle).await, Err(FaultKind::Unpublished));
    assert!(house.case(&case).await.0.log.iter().all(|line| line.kind != EventKind::CaseClosed));
    house.feed().await;
    // The publisher is behind: the case has its last row, and is not closed.
    assert_eq!(close(&house, &case, idle).await, Err(FaultKind::Unpublished));
    house.publish().await;
    assert_eq!(close(&house, &case, idle).await, Err(FaultKind::Unpublished));
    let (record, _) = house.case(&case).await;
    assert!(record.is_closing());
    assert_eq!((record.status, record.closed_at), (CaseStatus::Running, None));
    let person = house.cases.person(&record.person.username).await.unwrap().unwrap();
    assert_eq!(person.status, PersonStatus::Leaving);
    // Its last row is in the log, and published.
    house.feed().await;
    house.publish().await;
    assert_eq!(close(&house, &case, idle).await, Ok(Some(CaseStatus::Complete)));
    let (record, _) = house.case(&case).await;
    let size = house.ledger.head().await.unwrap().tree.size;
    assert_eq!((record.status, record.checkpoint_size), (CaseStatus::Complete, Some(size)));
    assert!(record.closed_at.is_some());
    let person = house.cases.person(&record.person.username).await.unwrap().unwrap();
    assert_eq!(person.status, PersonStatus::Left);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_row_names_every_other_row_by_its_hash() {
    let house = House::new().await;
    let case = recorded(&house, "john.doe").await;
    house.execute(&case).await;
    house.feed().await;
    let log = house.log().await;
    let ours = log.iter().filter(|(entry, _)| entry.case_id == case.as_str());
    let (last, others): (Vec<_>, Vec<_>) = ours.partition(|(entry, _)| entry.kind == EventKind::CaseClosed);
    let hashes: BTreeMap<_, _> =
        others.iter().map(|(entry, _)| (entry.event_id.clone(), entry.hash().to_string())).collect();
    let named = last[0].1["facts"]["rows"].as_array().expect("rows").iter();
    let named: BTreeMap<_, _> = named
        .map(|row| (row["event_id"].as_str().unwrap().to_owned(), row["hash"].as_str().unwrap().to_owned()))
        .collect();
    assert_eq!(named, hashes);
    assert_eq!(last[0].0.seq, log.last().unwrap().0.seq);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_the_stream_lost_are_taken_from_the_table_and_the_case_is_closed() {
    let house = House::new().await;
    let case = recorded(&house, "john.doe").await;
    house.execute_until_close(&case).await;
    let idle: Wait<'_> = &|_| Box::pin(async {});
    assert_eq!(close(&house, &case, idle).await, Err(FaultKind::Unpublished));
    assert_eq!(sweep(&house, now()).await, Swept::default(), "the stream gets the time to bring them itself");
    // And one for what Google moved to somebody else.
    let rows = 2 * house.policy.automatic().count() + 3;
    assert_eq!(sweep(&house, later()).await.recovered, rows);
    assert_eq!(close(&house, &case, idle).await, Err(FaultKind::Unpublished));
    assert_eq!(sweep(&house, later()).await.recovered, 1, "the last row was lost as well");
    assert_eq!(sweep(&house, later()).await, Swept::default(), "nothing is published yet");
    house.publish().await;
    assert_eq!(sweep(&house, later()).await, Swept { sealed: 1, ..Swept::default() });
    assert_eq!(house.case(&case).await.0.status, CaseStatus::Complete);
    assert_eq!(sweep(&house, later()).await, Swept::default());
    // The stream was late and brings everything after all.
    assert_eq!(house.feed().await.appended, 0);
    house.log().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_that_a_human_has_to_finish_is_covered_and_stays_open() {
    let house = House::new().await;
    let case = recorded(&house, "riley.owner").await;
    house.execute(&case).await;
    let before = house.case(&case).await.0;
    assert_eq!(before.status, CaseStatus::AwaitingApproval);
    house.feed().await;
    house.publish().await;
    assert_eq!(sweep(&house, later()).await.sealed, 1);
    let after = house.case(&case).await.0;
    assert_eq!((after.status, after.closed_at), (CaseStatus::AwaitingApproval, None));
    assert!(after.checkpoint_size.is_some());
    assert_eq!(sweep(&house, later()).await, Swept::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_is_answered_without_waiting_for_the_log() {
    let house = House::new().await;
    let case = recorded(&house, "john.doe").await;
    let mut record = house.case(&case).await.0;
    (record.dry_run, record.version) = (true, record.version + 1);
    house.cases.put_case(&record).await.unwrap();
    house.execute_until_close(&case).await;
    let never: Wait<'_> = &|_| Box::pin(async { panic!("it waits") });
    assert_eq!(close(&house, &case, never).await, Ok(Some(CaseStatus::Complete)));
}

/// A log that holds what the cases ask for, and a checkpoint over it.
async fn published(cases: &MemoryCases, case: &CaseId) -> MemoryLedger {
    let ledger = MemoryLedger::new(ORIGIN);
    let record = cases.case(case).await.unwrap().unwrap();
    let rows = sealing::rows_of(&record, &cases.systems(case).await.unwrap());
    append(&appending(&ledger), rows).await.unwrap();
    let head = ledger.head().await.unwrap();
    let text = Checkpoint::new(ORIGIN, head.tree.size, head.tree.root()).unwrap().text();
    // Whose signature it is, is the publisher's business and that of whoever is outside.
    let note = format!("{text}\n\u{2014} {ORIGIN} {}\n", "A".repeat(92));
    ledger.keep_checkpoint(head.tree.size, &note).await.unwrap();
    ledger
}

/// Each call of a sweep failed in each way, over rows that the stream lost and over a case that waits to be closed; after
/// each the log is checked from its first row, and the next sweep finishes the work.
#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_that_dies_at_any_call_is_finished_by_the_next() {
    let house = House::new().await;
    let case = recorded(&house, "casey.contract").await;
    house.execute_until_close(&case).await;
    let lost = house.cases.copy();
    house.feed().await;
    let idle: Wait<'_> = &|_| Box::pin(async {});
    assert_eq!(close(&house, &case, idle).await, Err(FaultKind::Unpublished));
    assert!(house.case(&case).await.0.is_closing());
    for (start, is_closing) in [(&lost, false), (&house.cases, true)] {
        for when in When::ALL {
            for call in 0.. {
                let cases = start.copy();
                let ledger =
                    if is_closing { published(&cases, &case).await } else { MemoryLedger::new(ORIGIN) };
                let fuse = Arc::new(Fuse::at(call, when));
                let (store, log) =
                    (Failing::behind(&cases, fuse.clone()), FailingLog::behind(&ledger, fuse.clone()));
                let workflow = &house.workflow;
                let dying = Sweep {
                    policy: &house.policy,
                    store: &store,
                    workflow,
                    log: appending(&log),
                    now: later(),
                };
                let _ = fuse.invocation(leaver_sweep::handle(&dying)).await;
                checked(&ledger).await;
                let next = Sweep {
                    policy: &house.policy,
                    store: &cases,
                    workflow,
                    log: appending(&ledger),
                    now: later(),
                };
                leaver_sweep::handle(&next).await.unwrap();
                let record = cases.case(&case).await.unwrap().unwrap();
                let rows = sealing::rows_of(&record, &cases.systems(&case).await.unwrap());
                assert_eq!(checked(&ledger).await.len(), rows.len(), "{when:?} at {call}");
                let expected = if is_closing { CaseStatus::Complete } else { CaseStatus::Running };
                assert_eq!(record.status, expected, "{when:?} at {call}");
                if !fuse.has_blown() {
                    assert!(call > 5, "only {call} calls");
                    break;
                }
            }
        }
    }
}

/// A day after the sample events.
fn tomorrow() -> Timestamp {
    now().plus(Duration::from_secs(86_400))
}

async fn count(house: &House, at: Timestamp) -> leaver_population::Counted {
    let log = appending(&house.ledger);
    leaver_population::handle(&Counting { store: &house.cases, log, now: at }).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_day_is_counted_once_and_its_count_reaches_the_log() {
    let house = House::new().await;
    recorded(&house, "john.doe").await;
    recorded(&house, "casey.contract").await;
    let mut stranger = event("john.doe", "evt-stranger");
    stranger["user"]["username"] = serde_json::json!("nobody.known");
    assert_eq!(house.post(&house.cases, &stranger.to_string()).await.status_code, 422);
    assert_eq!(count(&house, tomorrow()).await.days, 7);
    assert_eq!(
        count(&house, tomorrow()).await,
        leaver_population::Counted { recovered: 7, ..Default::default() }
    );
    assert_eq!(count(&house, tomorrow()).await, leaver_population::Counted::default());
    house.feed().await;
    let log = house.log().await;
    let counted: Vec<_> =
        log.iter().filter(|(entry, _)| entry.kind == EventKind::PopulationCounted).collect();
    assert_eq!(counted.len(), 7);
    let (entry, evidence) = counted.last().unwrap();
    assert_eq!(entry.outcome, Outcome::Success);
    let facts = &evidence["facts"];
    assert_eq!((&facts["hr_events"], &facts["hr_cases"], &facts["cases"]), (&2.into(), &2.into(), &2.into()));
    assert_eq!(facts["hr_refused"], 1);
    assert_eq!(facts["day"], now().to_string()[..10]);
}
