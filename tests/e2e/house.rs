//! The environment of the suite and what every scenario asks of it.

use leaver_cli::{
    api::Client,
    local::{Environment, Local, aws::Aws, repository},
    progress::Progress,
};
use leaver_domain::time::Timestamp;
use leaver_platform::{DynamoCases, DynamoLedger, DynamoPace};
use leaver_tests::sandbox::now;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// A deployed environment.
pub(crate) struct House {
    environment: Environment,
    /// What `local.json` says.
    pub(crate) local: Local,
    /// The emulator, with all rights.
    pub(crate) aws: Aws,
    /// Plain HTTP.
    pub(crate) http: reqwest::Client,
    /// Which actions each access key was seen to use.
    pub(crate) used: Mutex<BTreeMap<String, BTreeSet<String>>>,
    events: AtomicUsize,
    /// From when on calls were not looked at yet.
    since: Mutex<Timestamp>,
}

impl House {
    /// Brings one up on free ports, in a directory of its own.
    pub(crate) async fn up() -> Self {
        let root = repository();
        let dir = root.join("target/e2e");
        let environment = Environment::new(&root, &dir, Progress::detect()).on_port(0);
        // What an earlier run left behind when it was killed.
        let _ = environment.down();
        let _ = fs::remove_dir_all(&dir);
        let local = environment.up().await.unwrap_or_else(|why| panic!("the environment: {why:?}"));
        let aws = Aws::new(&local.endpoint_url).expect("a client");
        let http = leaver_adapters::http::client().expect("a client");
        Self {
            environment,
            local,
            aws,
            http,
            used: Mutex::default(),
            events: AtomicUsize::new(0),
            since: Mutex::new(now()),
        }
    }

    /// Takes it down; its logs stay where something failed.
    pub(crate) fn down(&self, failed: bool) {
        if failed {
            eprintln!("the emulator's and the sandbox's logs are in target/e2e");
        }
        if let Err(why) = self.environment.down() {
            eprintln!("taking the environment down: {why:?}");
        }
    }

    /// Before each scenario.
    pub(crate) async fn before(&self) {
        let cleared = self.http.delete(format!("{}/_sandbox/faults", self.local.sandbox_url)).send().await;
        assert!(cleared.expect("the sandbox").status().is_success());
        self.wait_scale(1.0).await;
    }

    /// After each scenario: takes down which access keys used which actions.
    pub(crate) async fn after(&self) {
        let since = std::mem::replace(&mut *self.since.lock().expect("not poisoned"), now());
        for action in crate::roles::ACTIONS {
            let mut until = None;
            // The emulator shows the newest fifty before an instant, as often as it is asked.
            for _ in 0..40 {
                let events = self.calls(action, since, until).await;
                let mut used = self.used.lock().expect("not poisoned");
                for event in &events {
                    let key = event["AccessKeyId"].as_str().unwrap_or_default().to_owned();
                    used.entry(key).or_default().insert((*action).to_owned());
                }
                let oldest = events.last().and_then(|event| event["EventTime"].as_f64());
                if events.len() < 50 || oldest == until {
                    break;
                }
                until = oldest;
            }
        }
    }

    async fn calls(&self, action: &str, since: Timestamp, until: Option<f64>) -> Vec<Value> {
        let mut body = json!({
            "LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": action}], "MaxResults": 50,
            "StartTime": since.seconds(),
        });
        if let Some(until) = until {
            body["EndTime"] = json!(until);
        }
        let target = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents";
        let found = self.aws.json("cloudtrail", target, &body).await.expect("the calls");
        found["Events"].as_array().cloned().unwrap_or_default()
    }

    /// Scales the state machine's waits.
    pub(crate) async fn wait_scale(&self, scale: f64) {
        let body = json!({"stepfunctions._SFN_WAIT_SCALE": scale});
        let sent =
            self.http.post(format!("{}/_ministack/config", self.local.endpoint_url)).json(&body).send().await;
        assert!(sent.expect("the emulator").status().is_success());
    }

    /// The API in somebody's name: a sample user or a role.
    pub(crate) fn api(&self, who: &str) -> Client {
        let token = self.local.tokens.get(who).unwrap_or_else(|| panic!("no token for {who}"));
        Client::new(&self.local.api_url, token).expect("a client")
    }

    /// A request of the API or the webhook, as raw as it comes: status, content type and body.
    pub(crate) async fn raw(&self, request: reqwest::RequestBuilder) -> (u16, String, Value) {
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        let media_type = answer.headers().get("content-type").and_then(|value| value.to_str().ok());
        let media_type = media_type.unwrap_or_default().to_owned();
        let text = answer.text().await.expect("a body");
        (status, media_type, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// Posts to the webhook with the right token.
    pub(crate) fn webhook(&self, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
        let url = format!("{}/api/v1/webhooks/hr-events", self.local.api_url);
        self.http.post(url).bearer_auth(&self.local.hris_token).body(body)
    }

    /// An event under an id that was not used before.
    pub(crate) fn event(&self, username: &str) -> Value {
        let number = self.events.fetch_add(1, Ordering::SeqCst);
        leaver_tests::flow::event(username, &format!("evt-e2e-{number}"))
    }

    /// HR ends or resumes an employment in the HRIS: `terminate` or `hire`.
    pub(crate) async fn hr(&self, what: &str, username: &str) {
        let url = format!("{}/_sandbox/hris/{what}", self.local.sandbox_url);
        let (status, _, answer) = self.raw(self.http.post(url).json(&json!({"username": username}))).await;
        // Not everybody is an employee.
        assert!(status == 200 || status == 404, "{answer}");
    }

    /// Ends somebody's employment in the HRIS, which tells the webhook; the case.
    pub(crate) async fn terminate(&self, username: &str) -> String {
        self.hr("terminate", username).await;
        let (status, _, answer) = self.raw(self.webhook(self.event(username).to_string())).await;
        assert_eq!(status, 202, "{answer}");
        answer["case_id"].as_str().expect("a case").to_owned()
    }

    /// Waits until a case has settled.
    pub(crate) async fn settled(&self, case: &str) -> Value {
        let (api, since) = (self.api("security"), Instant::now());
        loop {
            let view = api.get(&format!("/api/v1/cases/{case}")).await.expect("the case");
            if !matches!(view["status"].as_str(), Some("recorded" | "running")) {
                return view;
            }
            assert!(since.elapsed() < Duration::from_secs(120), "{case} does not settle: {view}");
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    /// What a stand-in holds of a person now.
    pub(crate) async fn account(&self, system: &str, username: &str) -> Value {
        let url = format!("{}/_sandbox/{system}/accounts/{username}", self.local.sandbox_url);
        self.raw(self.http.get(url)).await.2
    }

    /// Injects a fault.
    pub(crate) async fn fault(&self, fault: Value) {
        let url = format!("{}/_sandbox/faults", self.local.sandbox_url);
        let (status, _, answer) = self.raw(self.http.post(url).json(&fault)).await;
        assert_eq!(status, 201, "{answer}");
    }

    /// The case table, with all rights.
    pub(crate) fn cases(&self) -> DynamoCases {
        DynamoCases::new(&self.aws.sdk().expect("the SDK"), &self.local.tables.cases)
    }

    /// The lanes of all systems, with all rights.
    pub(crate) fn pace(&self) -> DynamoPace {
        DynamoPace::new(&self.aws.sdk().expect("the SDK"), "leaver-local-pace")
    }

    /// The ledger's table under another log's name, with all rights.
    pub(crate) fn ledger(&self, origin: &str) -> DynamoLedger {
        DynamoLedger::new(&self.aws.sdk().expect("the SDK"), &self.local.tables.ledger, origin)
    }

    /// The ledger's rows of a case, as the API shows them, once all that is expected stands there.
    pub(crate) async fn rows(&self, case: &str, expected: usize) -> Vec<Value> {
        let (api, since) = (self.api("auditor"), Instant::now());
        loop {
            let (mut from, mut ours) = (0, Vec::new());
            loop {
                let page = api.get(&format!("/api/v1/ledger/rows?from={from}")).await.expect("rows");
                let rows = page["rows"].as_array().expect("a list");
                ours.extend(rows.iter().map(|row| row["view"].clone()).filter(|row| row["case_id"] == case));
                match page["next"].as_u64() {
                    Some(next) => from = next,
                    None => break,
                }
            }
            if ours.len() >= expected || since.elapsed() > Duration::from_secs(15) {
                return ours;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Waits until a checkpoint over more rows is published.
    pub(crate) async fn published_beyond(&self, size: u64) {
        let since = Instant::now();
        while leaver_domain::sealing::published(&self.own_ledger())
            .await
            .expect("the ledger")
            .is_none_or(|checkpoint| checkpoint.size <= size)
        {
            assert!(since.elapsed() < Duration::from_secs(20), "nothing more is published");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// The deployment's own log, with all rights.
    fn own_ledger(&self) -> DynamoLedger {
        self.ledger(&format!("leaver/local/000000000000/{}", self.local.region))
    }

    /// People about whom no scenario knows anything by name.
    pub(crate) fn others(&self) -> Vec<String> {
        let people = leaver_sandbox::people::load().expect("the sample people");
        let names = people.into_iter().map(|sample| sample.person.username.to_string());
        names
            .filter(|name| name.ends_with(|last: char| last.is_ascii_digit()) && name != "alex.twin2")
            .collect()
    }

    /// The names of the systems that the shipped policy gives to most people.
    pub(crate) fn systems(&self) -> Vec<String> {
        let john = leaver_tests::sandbox::person("john.doe");
        let systems = leaver_tests::flow::shipped("local").systems_of(&john, false);
        systems.iter().map(ToString::to_string).collect()
    }
}
