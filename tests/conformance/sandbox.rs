//! A sandbox of the test's own, and adapters connected to it.

use crate::postgres::Postgres;
use leaver_adapters::{
    Adapter, Spec, custom,
    http::Writer,
    messenger::SlackMessenger,
    restore::{self, Wanted},
    run,
    settings::Settings,
};
use leaver_domain::{
    custom::Custom,
    inventory::Inventory,
    person::Person,
    plan::{ActionKind, Scope},
    risk::{RiskSettings, Severity},
    time::Timestamp,
};
use leaver_sandbox::{credentials::Maker, people, server::Sandbox, slack_app};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

/// A running sandbox.
pub struct Stage {
    /// Its address.
    pub url: String,
    /// The settings that reach its stand-ins, per system.
    pub settings: BTreeMap<String, BTreeMap<String, String>>,
    /// The real server behind the stand-in of PostgreSQL, where one was asked for.
    pub postgres: Option<Postgres>,
    client: reqwest::Client,
}

/// An adapter and its connection.
pub struct Connected {
    /// The adapter.
    pub adapter: Box<dyn Adapter>,
    /// Its connection.
    pub http: Writer,
}

impl Stage {
    /// Starts one on a free port; it ends with the test's runtime.
    pub async fn start() -> Self {
        Self::start_with([]).await
    }

    /// Starts one for these systems, with the real services that their stand-ins need.
    pub async fn start_for(systems: impl IntoIterator<Item = &str>) -> Self {
        if !systems.into_iter().any(|system| system == "postgresql") {
            return Self::start().await;
        }
        let postgres = Postgres::start().await;
        let mut stage = Self::start_with([("postgresql", "server_url", &postgres.url)]).await;
        stage.postgres = Some(postgres);
        stage.reset().await;
        stage
    }

    /// Starts one with further settings: system, name, value.
    pub async fn start_with<const N: usize>(further: [(&str, &str, &str); N]) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let mut settings = leaver_sandbox::settings(&url, &mut maker());
        settings.insert(slack_app::ID.to_owned(), slack_app::settings(&url, &mut maker()));
        for (system, name, value) in further {
            settings.entry(system.to_owned()).or_default().insert(name.to_owned(), value.to_owned());
        }
        let sandbox =
            Sandbox::new(people::load().expect("the sample people"), settings.clone()).expect("a witness");
        tokio::spawn(sandbox.serve(listener));
        Self { url, settings, postgres: None, client: leaver_adapters::http::client().expect("a client") }
    }

    /// The adapter of a system, connected for this long.
    pub fn connect(&self, system: &str, budget: Duration) -> Connected {
        self.connect_with(system, &self.settings, budget)
    }

    /// The same with other settings.
    pub fn connect_with(
        &self,
        system: &str,
        settings: &BTreeMap<String, BTreeMap<String, String>>,
        budget: Duration,
    ) -> Connected {
        let spec = Spec::of(system).expect("a registry row");
        let settings = Settings::from_pairs(system, settings[system].clone());
        let (adapter, auth) = leaver_adapters::open(system, &settings).expect("usable settings");
        let clock: leaver_adapters::http::Clock = Arc::new(now);
        let http =
            Writer::open(self.client.clone(), spec.hosts, &settings, auth, clock, budget).expect("addresses");
        Connected { adapter, http }
    }

    /// A system that policy configures, connected for this long.
    pub fn connect_custom(&self, system: &str, of: &Custom, budget: Duration) -> Connected {
        let settings = Settings::from_pairs(system, self.settings[system].clone());
        let id = system.parse().expect("an id");
        let (adapter, auth) = custom::open(&id, of, &settings).expect("usable settings");
        let http = Writer::open(self.client.clone(), custom::HOSTS, &settings, auth, Arc::new(now), budget);
        Connected { adapter, http: http.expect("addresses") }
    }

    /// HR ends somebody's employment in the HRIS, as it does before the HRIS tells leaver of it.
    pub async fn employment_ends(&self, username: &str) {
        let body = json!({"username": username});
        let sent = self.client.post(format!("{}/_sandbox/hris/terminate", self.url)).json(&body).send().await;
        let status = sent.expect("the sandbox").status();
        assert!(status.is_success(), "{username}: {status}");
    }

    /// leaver's Slack app, connected for this long.
    pub fn messenger(&self, budget: Duration) -> SlackMessenger {
        let settings = Settings::from_pairs(slack_app::ID, self.settings[slack_app::ID].clone());
        let clock: leaver_adapters::http::Clock = Arc::new(now);
        SlackMessenger::open(self.client.clone(), &settings, clock, budget).expect("usable settings")
    }

    /// The messages of leaver's Slack app as they stand, and what was told to those who pressed.
    pub async fn slack(&self) -> Value {
        self.get("/_sandbox/slack/messages").await
    }

    /// Presses a button, and tells what became of it; without `to`, the request that Slack would send.
    pub async fn press(&self, press: Value) -> (u16, Value) {
        let sent = self.client.post(format!("{}/_sandbox/slack/press", self.url)).json(&press).send().await;
        let answer = sent.expect("the sandbox");
        (answer.status().as_u16(), answer.json().await.expect("JSON"))
    }

    /// Injects a fault.
    pub async fn fault(&self, fault: Value) {
        let sent = self.client.post(format!("{}/_sandbox/faults", self.url)).json(&fault).send().await;
        assert_eq!(sent.expect("the sandbox").status(), 201, "{fault}");
    }

    /// Clears all faults.
    pub async fn clear(&self) {
        let sent = self.client.delete(format!("{}/_sandbox/faults", self.url)).send().await;
        assert_eq!(sent.expect("the sandbox").status(), 204);
    }

    /// Back to the sample data.
    pub async fn reset(&self) {
        let sent = self.client.post(format!("{}/_sandbox/reset", self.url)).send().await;
        assert_eq!(sent.expect("the sandbox").status(), 204);
    }

    /// What a stand-in holds of a person now.
    pub async fn account(&self, system: &str, username: &str) -> Value {
        self.get(&format!("/_sandbox/{system}/accounts/{username}")).await
    }

    /// What was asked of a system so far.
    pub async fn requests(&self, system: &str) -> Vec<Value> {
        self.get(&format!("/_sandbox/{system}/requests")).await.as_array().cloned().unwrap_or_default()
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.client.get(format!("{}{path}", self.url)).send().await.expect("the sandbox");
        answer.json().await.expect("JSON")
    }
}

/// Brings back what can be restored of a before-state.
pub async fn restored(to: &Connected, who: &Person, before: &Inventory) -> run::Report {
    let permissions = BTreeSet::new();
    let (adapter, wanted) = (to.adapter.as_ref(), Wanted { before: Some(before), permissions: &permissions });
    let outlook = restore::survey(adapter, &to.http, who, wanted).await.expect("an account");
    restore::restore(adapter, &to.http, who, wanted, outlook, &BTreeSet::new()).await
}

/// One RSA key for the whole suite: making one takes a second.
fn maker() -> Maker {
    static PEM: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    Maker::with_rsa_pem(PEM.get_or_init(|| Maker::default().rsa_pem()).clone())
}

/// The system's clock.
pub fn now() -> Timestamp {
    let since =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock after 1970");
    Timestamp::from_millis(i64::try_from(since.as_millis()).expect("a clock before 9999")).expect("in range")
}

/// A sample person.
pub fn person(username: &str) -> Person {
    let people = people::load().expect("the sample people");
    let found = people.into_iter().find(|sample| sample.person.username.as_str() == username);
    found.expect("a sample person").person
}

/// Everything switched on.
pub fn full_scope() -> Scope {
    use ActionKind::*;
    let kinds = [
        DisableAccount,
        EndSessions,
        RevokeToken,
        DisableApiKey,
        RemoveFactor,
        RemoveGroup,
        RemoveDelegation,
        RemoveLicence,
        RecordEnd,
        OpenTicket,
        TransferOwnership,
    ];
    Scope { kinds: kinds.into(), grants: None, contain_only: false, preserve: false }
}

/// Settings of the risk rules as in the default policy.
pub fn risk_settings() -> RiskSettings {
    RiskSettings { window_days: 30, bulk_download: 100, external_shares: 10, flag_from: Severity::High }
}

/// An inventory's text for comparing two of them: everything but what time changes by itself.
pub fn comparable(found: &Inventory) -> Value {
    json!({"account": found.account.as_ref().map(|a| (&a.id, a.status)), "grants": found.grants.iter().map(|g| &g.name).collect::<std::collections::BTreeSet<_>>()})
}
