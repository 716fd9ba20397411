//! The nightly canary: what is revoked is used afterwards, and whoever still gets in is told of.

use async_trait::async_trait;
use leaver_adapters::canary::Ways;
use leaver_canary::{Cage, Input};
use leaver_domain::{
    canary::{Knock, Night, Stage},
    case::CaseStatus,
    ledger::{EventKind, Outcome},
    person::{EmploymentType, PersonStatus},
    ports::{CaseStore, Keeper, StoreError},
    reviews::{self, ReviewKind},
    secret::Secret,
    time::Timestamp,
};
use leaver_tests::{
    failing::{Failing, When},
    flow::House,
    sandbox::{now, person},
};
use serde_json::{Value, json};
use std::{sync::Mutex, time::Duration};

const DAY: Duration = Duration::from_secs(86_400);
const SYSTEMS: [&str; 3] = ["github", "okta", "slack"];

/// Where the canary's secret lies.
struct Shelf(Mutex<String>);

#[async_trait]
impl Keeper for Shelf {
    async fn keep(&self, text: &Secret) -> Result<(), StoreError> {
        *self.0.lock().unwrap() = text.expose().to_owned();
        Ok(())
    }
}

impl Shelf {
    /// As the local environment fills it: addresses, and no credential yet.
    fn new(house: &House) -> Self {
        let one = |system: &str| {
            let base = &house.stage.settings[system]["base_url"];
            let issue = format!("{}/_sandbox/{system}/accounts/canary.leaver/credentials", house.stage.url);
            (system.to_owned(), json!({"base_url": base, "issue_url": issue}))
        };
        Self(Mutex::new(Value::Object(SYSTEMS.map(one).into_iter().collect()).to_string()))
    }

    fn tokens(&self) -> Vec<String> {
        let held: Value = serde_json::from_str(&self.0.lock().unwrap()).unwrap();
        SYSTEMS.iter().filter_map(|system| held[system]["token"].as_str().map(str::to_owned)).collect()
    }

    /// Nobody gives the canary a new credential any more.
    fn without_issue(&self) {
        let mut held: Value = serde_json::from_str(&self.0.lock().unwrap()).unwrap();
        for system in SYSTEMS {
            held[system].as_object_mut().unwrap().remove("issue_url");
        }
        *self.0.lock().unwrap() = held.to_string();
    }
}

async fn tick_over(
    house: &House,
    store: &dyn CaseStore,
    shelf: &Shelf,
    input: Input,
    at: Timestamp,
) -> Result<Option<Night>, StoreError> {
    let policy = house.policy.canary.as_ref().unwrap();
    let secret = Secret::new(shelf.0.lock().unwrap().clone());
    let client = leaver_adapters::http::client().unwrap();
    let canary = Ways::open(client, policy, person("canary.leaver"), &secret, shelf).unwrap();
    let cage = Cage { policy: &house.policy, store, workflow: &house.workflow, canary: &canary, now: at };
    leaver_canary::handle(&cage, input).await.map(|output| output.night)
}

async fn tick(house: &House, shelf: &Shelf, input: Input, at: Timestamp) -> Night {
    tick_over(house, &house.cases, shelf, input, at).await.unwrap().expect("a night")
}

/// The night's beginning, and its case.
async fn let_go(house: &House, shelf: &Shelf, at: Timestamp) -> Night {
    let night = tick(house, shelf, Input::Begin, at).await;
    assert_eq!(night.stage, Stage::Gone, "{night:?}");
    house.execute(night.case.as_ref().unwrap()).await;
    let (case, systems) = house.case(night.case.as_ref().unwrap()).await;
    assert_eq!(case.status, CaseStatus::Complete, "{systems:#?}");
    night
}

/// A whole night.
async fn held(house: &House, shelf: &Shelf, at: Timestamp) -> Night {
    let_go(house, shelf, at).await;
    let night = tick(house, shelf, Input::GoOn, at).await;
    assert_eq!(night.stage, Stage::Returning, "{night:?}");
    house.execute(night.back.as_ref().unwrap()).await;
    tick(house, shelf, Input::GoOn, at).await
}

async fn account(house: &House, system: &str) -> Value {
    house.stage.account(system, "canary.leaver").await
}

#[test]
fn the_canary_is_nobody() {
    assert_eq!(person("canary.leaver").employment, EmploymentType::Service);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nights_in_a_row_every_credential_works_before_and_none_afterwards() {
    let house = House::new().await;
    let shelf = Shelf::new(&house);
    let mut tokens = Vec::new();
    for at in [now().minus(DAY), now()] {
        let night = held(&house, &shelf, at).await;
        assert!(night.is_good(), "{night:?}");
        assert_eq!((night.stage, night.before.len(), night.after.len()), (Stage::Over, 3, 3));
        assert!(night.before.values().all(|knock| *knock == Knock::Works));
        assert!(night.after.values().all(|knock| *knock == Knock::Refused));
        // It is there again, for the next night.
        let person = house.cases.person(&"canary.leaver".parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(person.status, PersonStatus::Active);
        for system in SYSTEMS {
            assert_eq!(account(&house, system).await["active"], true, "{system}");
        }
        let (case, _) = house.case(night.case.as_ref().unwrap()).await;
        let row = case.log.iter().find(|line| line.actor == "leaver/canary").expect("a row");
        assert_eq!((row.kind, row.outcome), (EventKind::VerificationCompleted, Outcome::Success));
        // Another tick of the same night, or another beginning, changes nothing.
        for input in [Input::GoOn, Input::Begin] {
            assert_eq!(tick(&house, &shelf, input, at).await, night);
        }
        tokens.extend(shelf.tokens());
    }
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), 6, "each night has credentials of its own");
    house.feed().await;
    let log = house.log().await;
    assert_eq!(log.iter().filter(|(entry, _)| entry.actor == "leaver/canary").count(), 2);
    let text: String = log.iter().map(|(_, evidence)| evidence.to_string()).collect();
    assert!(tokens.iter().all(|token| !text.contains(token)), "a credential stands in a row");
}

/// The system says that the token is gone, leaver's read says so, too, and whoever has it gets in all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_that_lies_is_caught() {
    let house = House::new().await;
    let shelf = Shelf::new(&house);
    let_go(&house, &shelf, now()).await;
    let lie = json!({"system": "okta", "match": "users/me", "status": 200, "body": {"status": "ACTIVE"}});
    house.stage.fault(lie).await;
    let night = tick(&house, &shelf, Input::GoOn, now()).await;
    assert!(!night.is_good());
    let kinds: Vec<&str> = night.findings.iter().map(|finding| finding.kind.as_str()).collect();
    assert_eq!(kinds, ["canary_alive"], "{night:?}");
    assert!(night.findings[0].detail.starts_with("okta"), "{night:?}");
    let (case, _) = house.case(night.case.as_ref().unwrap()).await;
    assert!(case.findings.iter().any(|finding| finding.kind == "canary_alive"));
    let row = case.log.iter().find(|line| line.actor == "leaver/canary").unwrap();
    assert_eq!(row.outcome, Outcome::Failure);
    let review = reviews::id_of(ReviewKind::CanaryAlive, &case.case_id);
    assert!(house.cases.review(&review).await.unwrap().is_some(), "security hears of it");
    let (status, view) = house.call(("sam.admin", "operator"), "GET", "/api/v1/doctor", "", now()).await;
    assert_eq!(status, 200, "{view}");
    let checks = view["checks"].as_array().unwrap();
    let told = checks.iter().find(|check| check["name"] == "canary").unwrap();
    assert_eq!(told["ok"], false);
    let detail = told["detail"].as_str().unwrap();
    assert!(
        detail.contains("2 of 3 credentials were refused") && detail.contains("canary_alive"),
        "{detail}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_did_not_work_before_proves_nothing_and_that_is_said() {
    let house = House::new().await;
    let shelf = Shelf::new(&house);
    shelf.without_issue();
    let night = held(&house, &shelf, now()).await;
    assert_eq!((night.findings.len(), night.after.len(), night.is_good()), (3, 0, false), "{night:?}");
    assert!(night.findings.iter().all(|finding| finding.kind == "canary_blind"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_shows_nothing_is_asked_for_again_until_there_is_no_time_left() {
    let house = House::new().await;
    let shelf = Shelf::new(&house);
    let_go(&house, &shelf, now()).await;
    house.stage.fault(json!({"system": "okta", "match": "users/me", "status": 503})).await;
    let night = tick(&house, &shelf, Input::GoOn, now()).await;
    assert_eq!(night.stage, Stage::Gone, "an outage says nothing");
    let night = tick(&house, &shelf, Input::GoOn, now().plus(DAY / 10)).await;
    assert_eq!(night.findings[0].kind, "canary_unclear", "{night:?}");
    assert!(!night.is_good());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_night_whose_case_does_not_end_is_told_and_no_other_begins() {
    let house = House::new().await;
    let shelf = Shelf::new(&house);
    let begun = now().minus(DAY);
    let night = tick(&house, &shelf, Input::Begin, begun).await;
    assert_eq!(night.stage, Stage::Gone);
    assert!(tick(&house, &shelf, Input::GoOn, begun).await.findings.is_empty(), "there is time");
    for _ in 0..2 {
        let night = tick(&house, &shelf, Input::Begin, now()).await;
        assert_eq!((night.stage, night.findings.len()), (Stage::Gone, 1), "{night:?}");
        assert_eq!(night.findings[0].kind, "canary_stuck");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_who_is_a_human_is_let_go_for_a_test() {
    let mut house = House::new().await;
    house.policy.canary.as_mut().unwrap().person = "john.doe".parse().unwrap();
    let shelf = Shelf::new(&house);
    let night = tick(&house, &shelf, Input::Begin, now()).await;
    assert_eq!((night.stage, night.case), (Stage::Over, None));
    assert!(night.findings[0].detail.contains("synthetic"), "{:?}", night.findings);
    assert!(house.workflow.executions().is_empty());
}

/// Wherever an invocation dies: the next tick goes on, with one case and one row.
#[tokio::test(flavor = "multi_thread")]
async fn wherever_a_tick_dies_the_next_one_goes_on() {
    let house = House::new().await;
    let shelf = Shelf::new(&house);
    for when in [When::Before, When::After] {
        for call in 0..100 {
            let copy = house.cases.copy();
            let failing = Failing::at(&copy, call, when);
            let _ = tick_over(&house, &failing, &shelf, Input::Begin, now()).await;
            if !failing.has_failed() {
                assert!(call > 5, "{call}");
                break;
            }
            let night = tick_over(&house, &copy, &shelf, Input::Begin, now()).await.unwrap().unwrap();
            assert_eq!((night.stage, night.findings.len()), (Stage::Gone, 0), "{when:?} {call}: {night:?}");
            let cases = copy.cases(None, 10).await.unwrap().cases;
            assert_eq!(cases.len(), 1, "{when:?} {call}");
        }
    }
    let_go(&house, &shelf, now()).await;
    for when in [When::Before, When::After] {
        for call in 0..100 {
            let copy = house.cases.copy();
            let failing = Failing::at(&copy, call, when);
            let _ = tick_over(&house, &failing, &shelf, Input::GoOn, now()).await;
            if !failing.has_failed() {
                break;
            }
            let night = tick_over(&house, &copy, &shelf, Input::GoOn, now()).await.unwrap().unwrap();
            assert_eq!(
                (night.stage, night.is_good()),
                (Stage::Returning, true),
                "{when:?} {call}: {night:?}"
            );
            assert!(night.back.is_some());
            let case = copy.case(night.case.as_ref().unwrap()).await.unwrap().unwrap();
            assert_eq!(case.log.iter().filter(|line| line.actor == "leaver/canary").count(), 1);
        }
    }
}
