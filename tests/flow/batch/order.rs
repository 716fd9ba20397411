//! Several batches at once: who comes first in all of them, and how they share what room is left.

use super::{
    Clock, HR, ROUND, batch, cases, crowd, feed, file, finish, id_of, post, wherever_the_feeder_dies, with,
};
use leaver_domain::{batch::LineState, case::CaseStatus, ports::CaseStore};
use leaver_tests::flow::House;
use serde_json::Value;
use std::{collections::BTreeSet, time::Duration};

/// So many places for everybody, and a brake that lets all of them through.
async fn house(places: u32) -> House {
    let mut house = House::new().await;
    house.policy.batch.max_running = places;
    house.policy.brake.max_people = 30;
    house.policy.brake.max_share_percent = 100;
    house
}

/// Who has a case that has not come to its end.
async fn running(store: &dyn CaseStore) -> BTreeSet<String> {
    let open = cases(store).await.into_iter().filter(|case| case.status == CaseStatus::Recorded);
    open.map(|case| case.person.username.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn privileged_people_of_a_second_file_come_before_the_rest_of_the_first() {
    let mut house = house(2).await;
    let (clock, people) = (Clock::new(), crowd(9));
    for name in &people[7..] {
        house.policy.approvals.security_team.insert(name.parse().unwrap());
    }
    post(&house, HR, &file(&people[..6]), "one", false, clock.now()).await;
    feed(with(&house), &house.cases, &clock, "f", ROUND).await.unwrap();
    assert_eq!(running(&house.cases).await.len(), 2);
    let (status, _) = post(&house, HR, &file(&people[6..]), "two", false, clock.now()).await;
    assert_eq!(status, 202);
    finish(&house.cases, |_| true).await;
    feed(with(&house), &house.cases, &clock, "f", ROUND).await.unwrap();
    let privileged: BTreeSet<String> = people[7..].iter().cloned().collect();
    assert_eq!(running(&house.cases).await, privileged);
}

/// Each file has as many lines recorded as the other, until the small one is through; with one place for both they take turns.
#[tokio::test(flavor = "multi_thread")]
async fn a_small_second_file_does_not_wait_for_a_large_first() {
    for (places, rounds) in [(1, 4), (2, 2)] {
        let house = house(places).await;
        let (clock, people) = (Clock::new(), crowd(12));
        let (_, large) = post(&house, HR, &file(&people[..10]), "one", false, clock.now()).await;
        feed(with(&house), &house.cases, &clock, "f", ROUND).await.unwrap();
        clock.pass(Duration::from_secs(1));
        let (_, small) = post(&house, HR, &file(&people[10..]), "two", false, clock.now()).await;
        for _ in 0..rounds {
            finish(&house.cases, |_| true).await;
            clock.pass(Duration::from_secs(1));
            feed(with(&house), &house.cases, &clock, "f", ROUND).await.unwrap();
            assert!(running(&house.cases).await.len() <= usize::try_from(places).unwrap());
        }
        let waiting = async |answer: &Value| {
            let of = batch(&house, &id_of(answer)).await;
            of.states.places(|state| state == LineState::Waiting).len()
        };
        assert_eq!(waiting(&small).await, 0, "{places} places");
        assert!((5..=7).contains(&waiting(&large).await), "{places} places");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_files_lose_nobody_wherever_their_feeder_dies() {
    let house = house(2).await;
    let (clock, people) = (Clock::new(), crowd(5));
    post(&house, HR, &file(&people[..3]), "one", false, clock.now()).await;
    post(&house, HR, &file(&people[2..]), "two", false, clock.now()).await;
    wherever_the_feeder_dies(&house, 2, 5).await;
}
