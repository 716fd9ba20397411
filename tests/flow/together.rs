//! The systems of a case side by side: nothing is tidied anywhere before everything is contained everywhere.

use crate::recorded;
use futures_util::future::join_all;
use leaver_adapter::Step;
use leaver_domain::{
    case::{ActionTaken, SystemStatus},
    gathering::Gathering,
    id::CaseId,
    plan::Stage,
    ports::StoreError,
    time::Timestamp,
};
use leaver_platform::memory::MemoryPace;
use leaver_tests::flow::{House, SIX};
use serde_json::json;
use std::{collections::BTreeSet, time::Instant};

async fn house(gathering: Box<dyn Gathering>) -> (House, CaseId) {
    let mut house = House::new().await;
    house.gathering = Some(gathering);
    let case = recorded(&house, "john.doe").await;
    house.plan(&house.cases, &case).await.expect("a plan");
    (house, case)
}

async fn run(house: &House, case: &CaseId, systems: &[&str]) {
    join_all(systems.iter().map(|system| house.step(&house.cases, case, system, Step::Run))).await;
}

async fn done(house: &House, case: &CaseId) -> Vec<ActionTaken> {
    let (_, systems) = house.case(case).await;
    systems.into_iter().flat_map(|record| record.actions).collect()
}

fn of(stage: Stage, actions: &[ActionTaken]) -> Vec<Timestamp> {
    actions.iter().filter(|taken| taken.action.stage == stage).map(|taken| taken.at).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn tidying_waits_until_the_slowest_neighbour_is_contained() {
    let (house, case) = house(Box::new(MemoryPace::default())).await;
    // Each of GitHub's answers takes its time, so that it is the last to be contained by far.
    house.stage.fault(json!({"system": "github", "latency_ms": 150})).await;
    run(&house, &case, &SIX).await;
    let actions = done(&house, &case).await;
    let contained = of(Stage::Contain, &actions).into_iter().max().expect("something that contains");
    let tidied = of(Stage::CleanUp, &actions).into_iter().min().expect("something that tidies");
    assert!(contained <= tidied, "tidied at {tidied}, contained at {contained}");
    let (_, systems) = house.case(&case).await;
    assert!(systems.iter().all(|record| record.status == SystemStatus::Revoked), "{systems:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_neighbour_that_fails_keeps_nobody_waiting() {
    let (house, case) = house(Box::new(MemoryPace::default())).await;
    house.stage.fault(json!({"system": "github", "status": 401})).await;
    let began = Instant::now();
    run(&house, &case, &SIX).await;
    assert!(began.elapsed() < leaver_domain::gathering::PATIENCE, "{:?}", began.elapsed());
    let (_, systems) = house.case(&case).await;
    for record in systems {
        let expected =
            if record.system.as_str() == "github" { SystemStatus::Failed } else { SystemStatus::Revoked };
        assert_eq!(record.status, expected, "{}", record.system);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_neighbour_that_never_comes_is_not_waited_for_forever() {
    let (house, case) = house(Box::new(MemoryPace::default())).await;
    let began = Instant::now();
    run(&house, &case, &["okta"]).await;
    assert!(began.elapsed() >= leaver_domain::gathering::PATIENCE, "{:?}", began.elapsed());
    assert!(!of(Stage::CleanUp, &done(&house, &case).await).is_empty());
    // Whoever comes later was waited for, and a repeat waits for nobody.
    let again = Instant::now();
    run(&house, &case, &["okta"]).await;
    assert!(again.elapsed() < leaver_domain::gathering::PATIENCE, "{:?}", again.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_can_be_waited_for_everything_is_done_nevertheless() {
    struct Broken;
    #[async_trait::async_trait]
    impl Gathering for Broken {
        async fn come(&self, _: &str, _: &str, _: Timestamp) -> Result<BTreeSet<String>, StoreError> {
            Err(StoreError::Unavailable("out of reach".into()))
        }
        async fn present(&self, _: &str) -> Result<BTreeSet<String>, StoreError> {
            Err(StoreError::Unavailable("out of reach".into()))
        }
    }
    let (house, case) = house(Box::new(Broken)).await;
    let began = Instant::now();
    run(&house, &case, &SIX).await;
    assert!(began.elapsed() < leaver_domain::gathering::PATIENCE, "{:?}", began.elapsed());
    let (_, systems) = house.case(&case).await;
    assert!(systems.iter().all(|record| record.status == SystemStatus::Revoked), "{systems:#?}");
}
