//! What the suite works with: rows of real cases, a bucket that fails on demand, and the sandbox's receiver.

use async_trait::async_trait;
use leaver_domain::{
    ports::{LedgerStore as _, Object, ObjectStore, Placed, Row, Signer, StoreError, Unless},
    secret::Secret,
    signals::{PublicKey, Signals},
    time::Timestamp,
};
use leaver_platform::memory_log::{MemoryObjects, MemorySigner};
use leaver_signals::{Endpoints, Tally, Telling, Untold, handle};
use leaver_tests::{
    flow::{House, event},
    sandbox::Stage,
};
use serde_json::{Value, json};
use std::{
    io::Write,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
};

/// What leaver calls itself in this suite.
pub(crate) const ISSUER: &str = "https://leaver.suite.example";
/// What the receiver calls itself.
pub(crate) const AUDIENCE: &str = "https://receiver.suite.example";
/// What leaver must show the receiver.
pub(crate) const TOKEN: &str = "ssf_token_for_the_suite_0123456789";

/// When a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// Nothing happens.
    Before,
    /// It happens, and the caller is not told.
    After,
}

/// A bucket whose n-th write fails on demand.
#[derive(Default)]
pub(crate) struct Bucket {
    pub(crate) kept: MemoryObjects,
    left: AtomicI64,
    when: Mutex<Option<When>>,
}

impl Bucket {
    /// Fails the write with this number from now on, counted from 0.
    pub(crate) fn fail(&self, call: usize, when: When) {
        self.left.store(i64::try_from(call).unwrap(), Ordering::SeqCst);
        *self.when.lock().unwrap() = Some(when);
    }
}

#[async_trait]
impl ObjectStore for Bucket {
    async fn get(&self, key: &str) -> Result<Option<Object>, StoreError> {
        self.kept.get(key).await
    }
    async fn put(
        &self,
        key: &str,
        bytes: &[u8],
        unless: Unless,
        until: Option<Timestamp>,
    ) -> Result<Placed, StoreError> {
        let lost = || Err(StoreError::Unavailable("injected".into()));
        let when = *self.when.lock().unwrap();
        match when.filter(|_| self.left.fetch_sub(1, Ordering::SeqCst) == 0) {
            Some(When::Before) => lost(),
            Some(When::After) => self.kept.put(key, bytes, unless, until).await.and(lost()),
            None => self.kept.put(key, bytes, unless, until).await,
        }
    }
    async fn behind(&self, prefix: &str, after: &str) -> Result<Vec<String>, StoreError> {
        self.kept.behind(prefix, after).await
    }
}

/// The function with everything around it.
pub(crate) struct Office {
    pub(crate) stage: Stage,
    pub(crate) objects: Bucket,
    pub(crate) signer: MemorySigner,
    pub(crate) settings: Signals,
    pub(crate) secret: Value,
    http: reqwest::Client,
}

impl Office {
    /// With the sandbox's receiver, which knows this transmitter.
    pub(crate) async fn new() -> Self {
        let stage =
            Stage::start_with([("receiver", "token", TOKEN), ("receiver", "audience", AUDIENCE)]).await;
        let settings = json!({"receivers": [{"name": "sandbox", "audience": AUDIENCE, "token_secret": "sandbox",
            "subject": {"email": "example.com"}, "events": ["session_revoked", "account_disabled", "credential_change"]}]});
        let office = Self {
            secret: json!({"sandbox": {"token": TOKEN, "url": format!("{}/receiver/events", stage.url)}}),
            stage,
            objects: Bucket::default(),
            signer: MemorySigner::new([42; 32]),
            settings: serde_json::from_value(settings).expect("settings"),
            http: leaver_adapters::http::client().expect("a client"),
        };
        office.introduce(ISSUER, &office.signer).await;
        office
    }

    /// Makes a transmitter known to the receiver.
    pub(crate) async fn introduce(&self, issuer: &str, signer: &MemorySigner) {
        let jwks = PublicKey(signer.public_key().await.expect("a key")).key_set();
        let url = format!("{}/_sandbox/receiver/transmitter", self.stage.url);
        let sent = self.http.put(url).json(&json!({"issuer": issuer, "jwks": jwks})).send().await;
        assert_eq!(sent.expect("the sandbox").status(), 204);
    }

    /// Tells of a stream event.
    pub(crate) async fn tell(&self, event: &Value) -> Result<Tally, Untold> {
        let endpoints =
            Endpoints::parse(&Secret::new(self.secret.to_string())).expect("a good secret").or_plain(true);
        let to = Telling {
            settings: &self.settings,
            issuer: ISSUER,
            objects: &self.objects,
            signer: &self.signer,
            endpoints: &endpoints,
            http: &self.http,
        };
        handle(&to, event).await
    }

    /// The same, with what was logged. Only for a runtime of one thread, as the tests' are.
    pub(crate) async fn logged(&self, event: &Value) -> (Result<Tally, Untold>, String) {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(move || writer.clone());
        let guard = tracing::subscriber::set_default(subscriber.finish());
        let told = self.tell(event).await;
        drop(guard);
        let text = String::from_utf8(log.0.lock().unwrap().clone()).expect("UTF-8");
        (told, text)
    }

    /// The OCSF events by name of their object.
    pub(crate) async fn events(&self) -> Vec<(String, Value)> {
        let mut events = Vec::new();
        for name in self.objects.kept.names() {
            let object = self.objects.get(&name).await.expect("a bucket").expect("an object");
            let text = String::from_utf8(object.bytes).expect("UTF-8");
            let line = text.strip_suffix('\n').expect("a line");
            assert!(!line.contains('\n'), "{name} holds more than one line");
            events.push((name, serde_json::from_str(line).expect("JSON")));
        }
        events
    }

    /// What the receiver took: number, claims and how often each came.
    pub(crate) async fn taken(&self) -> Vec<Value> {
        let answer =
            self.http.get(format!("{}/receiver/events", self.stage.url)).send().await.expect("the sandbox");
        answer.json().await.expect("JSON")
    }

    /// Posts something to the receiver as it is: status and error code.
    pub(crate) async fn post(&self, token: &str, media_type: &str, body: String) -> (u16, String) {
        let url = format!("{}/receiver/events", self.stage.url);
        let sent =
            self.http.post(url).bearer_auth(token).header("content-type", media_type).body(body).send().await;
        let answer = sent.expect("the sandbox");
        let status = answer.status().as_u16();
        let body: Value = answer.json().await.unwrap_or(Value::Null);
        (status, body["err"].as_str().unwrap_or_default().to_owned())
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The ledger's rows of a whole termination.
pub(crate) async fn rows(username: &str) -> Vec<Row> {
    run(username, None).await
}

/// The same with a fault at a system.
pub(crate) async fn rows_with(username: &str, fault: Value) -> Vec<Row> {
    run(username, Some(fault)).await
}

async fn run(username: &str, fault: Option<Value>) -> Vec<Row> {
    let house = House::new().await;
    if let Some(fault) = fault {
        house.stage.fault(fault).await;
    }
    let answer = house.post(&house.cases, &event(username, "evt-signals").to_string()).await;
    let case = leaver_tests::flow::body(&answer)["case_id"].as_str().expect("a case").parse().expect("an id");
    house.execute(&case).await;
    house.feed().await;
    house.ledger.rows(0, 1_000).await.expect("rows")
}
