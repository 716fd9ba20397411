//! Published quotas: every call that one counts takes its place in the lane, next pages among them.

use super::{BUDGET, Leaver};
use async_trait::async_trait;
use leaver_adapters::pace::QUOTAS;
use leaver_conformance::sandbox::Stage;
use leaver_domain::{
    pace::{Budget, Call, Pacer},
    ports::StoreError,
    time::Timestamp,
};
use serde_json::Value;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

/// Lets everybody in and writes down which lane it was.
#[derive(Default)]
struct Gate(Mutex<Vec<&'static str>>);

#[async_trait]
impl Pacer for Gate {
    async fn enter(
        &self,
        _: &str,
        budget: &Budget,
        _: Call,
        _: Timestamp,
        _: Duration,
    ) -> Result<Option<Duration>, StoreError> {
        self.0.lock().expect("the gate").push(budget.lane);
        Ok(Some(Duration::ZERO))
    }

    async fn hold(&self, _: &str, _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }

    async fn held(&self, _: &str, _: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        Ok(None)
    }
}

/// Whether the vendor counts a request towards the quota that a lane stands for.
fn counts(lane: &str, request: &Value) -> bool {
    let path = request["path"].as_str().unwrap_or_default();
    match lane {
        "lookup" => {
            request["headers"]["x-amz-target"].as_str().is_some_and(|name| name.ends_with(".LookupEvents"))
        }
        "log" => path == "/api/v1/logs",
        "audit" => path.ends_with("/audit/v1/logs"),
        "scim_users" => path.contains("/scim/v2/Users") && request["method"] != "GET",
        lane => panic!("which requests count for `{lane}`?"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_that_a_quota_counts_takes_a_place_in_its_lane() {
    let stage = Stage::start_for(QUOTAS.iter().map(|quota| quota.system)).await;
    for quota in QUOTAS {
        let (system, lane) = (quota.system, quota.budget.lane);
        stage.reset().await;
        let gate = Arc::new(Gate::default());
        let mut to = stage.connect(system, BUDGET);
        to.http = to.http.paced(system, gate.clone());
        let (_, report) = Leaver::of("john.doe").revoke(&to).await;
        assert_eq!(report.fault, None, "{system}");
        let counted = stage.requests(system).await.iter().filter(|request| counts(lane, request)).count();
        let entered = gate.0.lock().expect("the gate").iter().filter(|name| **name == lane).count();
        assert!(counted > 0, "{system}: nothing that counts for `{lane}`");
        assert_eq!(entered, counted, "{system}: places in `{lane}`, and calls that count for it");
    }
}
