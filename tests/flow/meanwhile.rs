//! What happens between a case and its first step, or between a case and the one that gives everything back.

use crate::recorded;
use leaver_domain::{
    case::{CaseStatus, SystemRecord, SystemStatus},
    id::CaseId,
    ledger::{EventKind, Outcome},
    person::PersonStatus,
    ports::CaseStore,
};
use leaver_tests::{
    failing::{Failing, When},
    flow::{House, body, event},
    sandbox::now,
};
use serde_json::json;

const JOHN: &str = "john.doe";
const KEYS: &str = "facilities_keys";

async fn keys(store: &dyn CaseStore, case: &CaseId) -> Option<SystemRecord> {
    store.system(case, &KEYS.parse().unwrap()).await.unwrap()
}

/// Moves somebody to the department that has the keys, behind whatever is recorded already.
async fn moved(house: &House) {
    let mut john = house.cases.person(&JOHN.parse().unwrap()).await.unwrap().unwrap();
    john.department = "Facilities".into();
    john.version += 1;
    house.cases.put_person(&john).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_got_after_their_case_was_recorded_is_taken_as_well() {
    let house = House::new().await;
    let case = recorded(&house, JOHN).await;
    assert!(keys(&house.cases, &case).await.is_none());
    moved(&house).await;
    let ready = house.cases.copy();
    for when in [When::Before, When::After] {
        for call in 0.. {
            let store = ready.copy();
            let failing = Failing::at(&store, call, when);
            let _ = house.plan(&failing, &case).await;
            let reached = failing.has_failed();
            house.plan(&store, &case).await.unwrap();
            let record = keys(&store, &case).await.unwrap();
            assert_eq!(record.status, SystemStatus::ManualTask, "call {call}, {when:?}");
            let named = store.case(&case).await.unwrap().unwrap().systems;
            assert_eq!(named.iter().filter(|system| system.as_str() == KEYS).count(), 1);
            assert!(named.is_sorted());
            if !reached {
                assert!(call > 3);
                break;
            }
        }
    }
    house.execute(&case).await;
    assert_eq!(house.case(&case).await.0.status, CaseStatus::Incomplete, "the keys are not back yet");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_back_is_not_shut_out_by_a_task_of_the_case_by_which_they_left() {
    let house = House::new().await;
    moved(&house).await;
    let left = recorded(&house, JOHN).await;
    house.execute(&left).await;
    assert_eq!(keys(&house.cases, &left).await.unwrap().status, SystemStatus::ManualTask);
    let mut rehired = event(JOHN, "r1");
    rehired["event_type"] = json!("user_rehired");
    rehired["timestamp"] = json!(now());
    rehired["metadata"]["department"] = json!("Facilities");
    let answer = house.post(&house.cases, &rehired.to_string()).await;
    assert_eq!(answer.status_code, 202, "{:?}", answer.body);
    let back: CaseId = body(&answer)["case_id"].as_str().unwrap().parse().unwrap();
    let ready = house.cases.copy();
    for when in [When::Before, When::After] {
        for call in 0.. {
            let store = ready.copy();
            let failing = Failing::at(&store, call, when);
            let _ = house.plan(&failing, &back).await;
            let reached = failing.has_failed();
            house.plan(&store, &back).await.unwrap();
            let record = keys(&store, &left).await.unwrap();
            assert_eq!((record.status, &record.task), (SystemStatus::NotApplicable, &None));
            let closed: Vec<_> =
                record.log.iter().filter(|line| line.kind == EventKind::TaskClosed).collect();
            assert_eq!(closed.len(), 1, "call {call}, {when:?}");
            assert_eq!(closed[0].outcome, Outcome::NotApplicable);
            assert!(closed[0].facts["statement"].as_str().unwrap().contains(back.as_str()));
            if !reached {
                assert!(call > 3);
                break;
            }
        }
    }
    house.execute(&back).await;
    let john = house.cases.person(&JOHN.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(john.status, PersonStatus::Active);
    assert_eq!(house.case(&left).await.0.checkpoint_size, None, "the new row needs a checkpoint");
}
