//! The ledger under a stream that repeats, shuffles and splits, and under appenders that meet.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a suite fails by panicking")]

mod faults;
mod hostile;

use leaver_domain::{
    ledger::{Draft, EventKind, Outcome},
    time::Timestamp,
};
use leaver_ledger::append;
use leaver_platform::memory::MemoryLedger;
use leaver_tests::flow::{ORIGIN, appending, checked};
use proptest::{collection::vec, prelude::*};
use std::collections::BTreeSet;

fn draft(case: usize, place: usize) -> Draft {
    Draft {
        event_id: format!("case-{case}/okta/{place}"),
        case_id: format!("case-{case}"),
        ordinal: u32::try_from(place).expect("small"),
        kind: EventKind::AccessRevoked,
        occurred_at: Timestamp::from_millis(1).expect("an instant"),
        username: "john.doe".into(),
        actor: "leaver/adapter/okta".into(),
        system: Some("okta".into()),
        action: "revoke".into(),
        outcome: Outcome::Success,
        risk: None,
        evidence: format!("{{\"case\":{case},\"place\":{place}}}"),
    }
}

/// The log holds exactly these events, each once, in an unbroken chain.
async fn holds_exactly(ledger: &MemoryLedger, events: &BTreeSet<String>) {
    let log = checked(ledger).await;
    let ids: Vec<&String> = log.iter().map(|(entry, _)| &entry.event_id).collect();
    assert_eq!(ids.len(), events.len());
    assert_eq!(ids.into_iter().cloned().collect::<BTreeSet<_>>(), *events);
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Deliveries in any order, any split, any repetition.
    #[test]
    fn any_delivery_of_the_events_gives_each_of_them_once(
        deliveries in vec(vec((0_usize..12, 0_usize..12), 0..40), 1..12),
    ) {
        runtime().block_on(async {
            let ledger = MemoryLedger::new(ORIGIN);
            let mut events = BTreeSet::new();
            for delivery in &deliveries {
                let drafts: Vec<Draft> = delivery.iter().map(|(case, place)| draft(*case, *place)).collect();
                events.extend(drafts.iter().map(|draft| draft.event_id.clone()));
                let tally = append(&appending(&ledger), drafts).await.expect("an append");
                assert_eq!(tally.quarantined, []);
                assert_eq!(tally.appended + tally.repeated, delivery.len());
            }
            holds_exactly(&ledger, &events).await;
        });
    }

    /// Two appenders at once, over the same events and over others.
    #[test]
    fn appenders_that_meet_make_no_gap_no_fork_and_no_double(
        one in vec((0_usize..8, 0_usize..30), 1..150),
        other in vec((0_usize..8, 0_usize..30), 1..150),
    ) {
        runtime().block_on(async {
            let ledger = std::sync::Arc::new(MemoryLedger::new(ORIGIN));
            let mut events = BTreeSet::new();
            let mut running = Vec::new();
            for delivery in [one, other] {
                let drafts: Vec<Draft> = delivery.iter().map(|(case, place)| draft(*case, *place)).collect();
                events.extend(drafts.iter().map(|draft| draft.event_id.clone()));
                let ledger = ledger.clone();
                running.push(tokio::spawn(async move {
                    for part in drafts.chunks(7) {
                        append(&appending(ledger.as_ref()), part.to_vec()).await.expect("an append");
                    }
                }));
            }
            for appender in running {
                appender.await.expect("an appender");
            }
            holds_exactly(&ledger, &events).await;
        });
    }
}

#[tokio::test]
async fn an_event_that_contradicts_the_log_is_set_aside_and_the_rest_is_appended() {
    let ledger = MemoryLedger::new(ORIGIN);
    append(&appending(&ledger), vec![draft(1, 0), draft(1, 1)]).await.expect("an append");
    let mut forged = draft(1, 1);
    forged.evidence = "{\"nothing\":\"happened\"}".into();
    let tally = append(&appending(&ledger), vec![forged, draft(1, 2), draft(1, 0)]).await.expect("an append");
    assert_eq!((tally.appended, tally.repeated, tally.quarantined.len()), (1, 1, 1));
    assert_eq!(tally.quarantined[0].event_id, "case-1/okta/1");
    let events = (0..3).map(|place| draft(1, place).event_id).collect();
    holds_exactly(&ledger, &events).await;
}
