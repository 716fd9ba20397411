//! Quotas that are one for the whole company, met by many cases at once.

use futures_util::future::join_all;
use leaver_adapters::run;
use leaver_domain::{pace::Pacer, risk::Rule, time::Timestamp};
use leaver_platform::memory::MemoryPace;
use leaver_tests::sandbox::{Stage, full_scope, now, person, risk_settings};
use serde_json::json;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Okta's system log takes 120 calls a minute. Of forty people who leave at once, no more are let in than that and a burst, and
/// nobody's request meets the vendor's own limit. Whoever is not let in goes on without the log, which is read afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn many_cases_together_keep_to_the_vendors_quota() {
    let stage = Stage::start().await;
    let pacer: Arc<dyn Pacer> = Arc::new(MemoryPace::default());
    let (scope, risk, ended) = (full_scope(), risk_settings(), now());
    let began = Instant::now();
    let survey = async |_| {
        let to = stage.connect("okta", Duration::from_secs(20));
        let http = to.http.paced("okta", pacer.clone());
        let john = person("john.doe");
        let job = run::Job { person: &john, scope: &scope, ended, risk: &risk };
        run::survey(to.adapter.as_ref(), &http, &job).await.expect("a survey")
    };
    let surveys = join_all((0..40).map(survey)).await;
    let elapsed = began.elapsed();
    let requests = stage.requests("okta").await;
    let asked = requests.iter().filter(|request| request["path"] == "/api/v1/logs").count();
    // Reads have half of the burst of twenty, and two more in each second.
    let allowed = 10 + usize::try_from(elapsed.as_secs()).unwrap() * 2 + 2;
    assert!(asked <= allowed, "{asked} calls in {elapsed:?}");
    assert!(asked >= 10, "{asked}: a burst goes at once");
    let owed: Vec<_> = surveys.iter().filter(|survey| survey.log_owed).collect();
    assert!(!owed.is_empty() && owed.len() < 40, "{} of 40", owed.len());
    for survey in owed {
        assert_eq!(survey.risk.findings[0].rule, Rule::LogUnavailable);
        assert!(!survey.plan.is_empty(), "access is taken all the same");
    }
}

/// What one case is told by the vendor, all others keep to.
#[tokio::test(flavor = "multi_thread")]
async fn a_vendors_wait_is_passed_on_to_everybody() {
    let stage = Stage::start().await;
    let pacer: Arc<dyn Pacer> = Arc::new(MemoryPace::default());
    let headers = json!({"retry-after": "2"});
    stage.fault(json!({"system": "slack", "status": 429, "headers": headers, "times": 1})).await;
    let connect = || {
        let to = stage.connect("slack", Duration::from_secs(20));
        (to.adapter, to.http.paced("slack", pacer.clone()))
    };
    let (first, http) = connect();
    first.probe(&http).await.expect("it waited");
    let told = pacer.held("slack", Timestamp::from_millis(0).expect("1970")).await.expect("the lanes");
    let until = told.expect("a wait");
    let (second, http) = connect();
    second.probe(&http).await.expect("it waited as well");
    assert!(now() >= until, "the second did not wait until {until}");
    assert_eq!(
        pacer.held("github", now()).await.expect("the lanes"),
        None,
        "another system waits for nothing"
    );
}

/// A table that cannot be reached must not keep access alive.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_lanes_calls_go_on() {
    struct Broken;
    #[async_trait::async_trait]
    impl Pacer for Broken {
        async fn enter(
            &self,
            _: &str,
            _: &leaver_domain::pace::Budget,
            _: leaver_domain::pace::Call,
            _: Timestamp,
            _: Duration,
        ) -> Result<Option<Duration>, leaver_domain::ports::StoreError> {
            Err(leaver_domain::ports::StoreError::Unavailable("gone".into()))
        }
        async fn hold(&self, _: &str, _: Timestamp) -> Result<(), leaver_domain::ports::StoreError> {
            Err(leaver_domain::ports::StoreError::Unavailable("gone".into()))
        }
        async fn held(
            &self,
            _: &str,
            _: Timestamp,
        ) -> Result<Option<Timestamp>, leaver_domain::ports::StoreError> {
            Err(leaver_domain::ports::StoreError::Unavailable("gone".into()))
        }
    }
    let stage = Stage::start().await;
    let to = stage.connect("okta", Duration::from_secs(20));
    let http = to.http.paced("okta", Arc::new(Broken));
    let john = person("john.doe");
    let (scope, risk) = (full_scope(), risk_settings());
    let job = run::Job { person: &john, scope: &scope, ended: now(), risk: &risk };
    run::survey(to.adapter.as_ref(), &http, &job).await.expect("a survey");
}
