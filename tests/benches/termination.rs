//! One clean termination, end to end on the emulator, with every stand-in answering each request after a given time: how
//! long the whole takes over the slowest system's own time, and what it consumes.
//!
//! `cargo bench -p leaver-tests --bench termination`

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark fails by panicking")]

use leaver_adapters::{
    http::Writer,
    run::Job,
    settings::{OwnIdentity, Settings},
};
use leaver_cli::{
    api::Client,
    local::{Environment, Local, aws::Aws, repository},
    progress::Progress,
};
use leaver_domain::secret::Secret;
use leaver_tests::sandbox::{full_scope, now, person, risk_settings};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

/// Whose employment ends, again and again: the sandbox is reset in between.
const PERSON: &str = "john.doe";
/// USD per million, us-east-1: standard transitions, invocations, write units, read units.
const PRICES: [f64; 4] = [25.0, 0.20, 0.625, 0.125];

struct Bench {
    local: Local,
    aws: Aws,
    http: reqwest::Client,
    api: Client,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let root = repository();
    let dir = root.join("target/bench-env");
    let environment = Environment::new(&root, &dir, Progress::detect()).on_port(0);
    let _ = environment.down();
    let _ = fs::remove_dir_all(&dir);
    let local = environment.up().await.unwrap_or_else(|why| panic!("{why:?}"));
    let aws = Aws::new(&local.endpoint_url).expect("a client");
    let http = leaver_adapters::http::client().expect("a client");
    let api = Client::new(&local.api_url, &local.tokens["security"]).expect("a client");
    let bench = Bench { local, aws, http, api };
    // The first one meets cold functions and is not counted.
    bench.terminate("cold", 0).await;
    let _ = consumed(&bench.aws).await;
    println!(
        "\n{:>8} {:>12} {:>15} {:>7} {:>15} {:>12} {:>11}",
        "latency", "all revoked", "slowest system", "ratio", "one by one", "transitions", "case"
    );
    let mut units = Vec::new();
    for latency in [0_u64, 200, 2_000] {
        let (revoked, status, steps) = bench.terminate("warm", latency).await;
        let used = consumed(&bench.aws).await;
        if latency == 0 {
            units = vec![(used, steps)];
        }
        let own = bench.alone(&dir, latency).await;
        let (slowest, sum) = (own.iter().max().copied().expect("systems"), own.iter().sum::<Duration>());
        println!(
            "{latency:>5} ms {:>10.2} s {:>13.2} s {:>7.2} {:>13.2} s {steps:>12} {status:>11}",
            revoked.as_secs_f64(),
            slowest.as_secs_f64(),
            revoked.as_secs_f64() / slowest.as_secs_f64(),
            sum.as_secs_f64(),
        );
    }
    for (used, steps) in &units {
        consumption(used, *steps);
    }
    environment.down().unwrap_or_else(|why| panic!("{why:?}"));
}

impl Bench {
    /// One termination through the webhook: how long until the last system was revoked, what it came to, its transitions.
    async fn terminate(&self, run: &str, latency: u64) -> (Duration, String, usize) {
        self.prepare(latency).await;
        let began = Instant::now();
        let body = leaver_tests::flow::event(PERSON, &format!("bench-{run}-{latency}")).to_string();
        let url = format!("{}/api/v1/webhooks/hr-events", self.local.api_url);
        let answer = self.http.post(url).bearer_auth(&self.local.hris_token).body(body).send().await;
        let answer: Value = answer.expect("an answer").json().await.expect("JSON");
        let case = answer["case_id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
        let (status, revoked) = self.settle(&case, began).await;
        (revoked, status, transitions(&self.aws, &self.local.state_machine_arn, &case).await)
    }

    /// The sample data anew, and every answer of every stand-in after this time.
    async fn prepare(&self, latency: u64) {
        let sandbox = &self.local.sandbox_url;
        self.http.post(format!("{sandbox}/_sandbox/reset")).send().await.expect("the sandbox");
        for spec in leaver_adapters::SPECS {
            let fault = json!({"system": spec.id, "latency_ms": latency});
            self.http
                .post(format!("{sandbox}/_sandbox/faults"))
                .json(&fault)
                .send()
                .await
                .expect("the sandbox");
        }
    }

    /// What the case came to, and how long after the webhook's request the last system was revoked.
    async fn settle(&self, case: &str, began: Instant) -> (String, Duration) {
        let mut revoked = Duration::ZERO;
        loop {
            let view = self.api.get(&format!("/api/v1/cases/{case}")).await.expect("the case");
            let all =
                view["systems"].as_array().expect("systems").iter().all(|one| !one["revoked_at"].is_null());
            if revoked.is_zero() && all {
                revoked = began.elapsed();
            }
            let status = view["status"].as_str().unwrap_or_default();
            if !matches!(status, "recorded" | "running") {
                return (status.to_owned(), revoked);
            }
            assert!(began.elapsed() < Duration::from_secs(900), "{view}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Each adapter by itself in this process, against the same stand-ins: its system's own time. All at once, since each
    /// waits for its own stand-in only; their sum is what a script takes that does one after another.
    async fn alone(&self, dir: &Path, latency: u64) -> Vec<Duration> {
        self.prepare(latency).await;
        let text = fs::read(dir.join("sandbox-credentials.json")).expect("the credentials");
        let all: BTreeMap<String, BTreeMap<String, String>> = serde_json::from_slice(&text).expect("JSON");
        let (mut person, scope, risk) = (person(PERSON), full_scope(), risk_settings());
        person.last_day = Some(person.day_of(now()));
        let concerned = leaver_tests::flow::shipped("local").systems_of(&person, false);
        let run = |system: &'static str| {
            let mut settings = Settings::from_pairs(system, all[system].clone());
            settings.identity = Some(OwnIdentity {
                access_key_id: "test".into(),
                secret_access_key: Secret::new("test"),
                session_token: None,
                region: "us-east-1".into(),
            });
            let (adapter, auth) = leaver_adapters::open(system, &settings).expect("usable settings");
            let spec = leaver_adapters::Spec::of(system).expect("a row");
            let budget = Duration::from_secs(900);
            let http = Writer::open(self.http.clone(), spec.hosts, &settings, auth, Arc::new(now), budget)
                .expect("open");
            let job = Job { person: &person, scope: &scope, ended: now(), risk: &risk };
            async move {
                let began = Instant::now();
                let survey = leaver_adapters::run::survey(adapter.as_ref(), &http, &job).await.expect(system);
                let none = BTreeSet::new();
                let report = leaver_adapters::run::revoke(adapter.as_ref(), &http, &job, survey, &none).await;
                assert_eq!(report.fault, None, "{system}");
                began.elapsed()
            }
        };
        let specs =
            leaver_adapters::SPECS.iter().filter(|spec| concerned.iter().any(|one| one.as_str() == spec.id));
        futures_util::future::join_all(specs.map(|spec| run(spec.id))).await
    }
}

async fn transitions(aws: &Aws, machine: &str, case: &str) -> usize {
    let arn = machine.replace(":stateMachine:", ":execution:");
    let body = json!({"executionArn": format!("{arn}:{case}"), "maxResults": 1000});
    let history = aws.json("states", "AWSStepFunctions.GetExecutionHistory", &body).await.expect("a history");
    let counts = |event: &&Value| {
        let kind = event["type"].as_str().unwrap_or_default();
        kind == "TaskScheduled" || (kind.ends_with("StateEntered") && kind != "TaskStateEntered")
    };
    history["events"].as_array().expect("events").iter().filter(counts).count()
}

/// Invocations, read and write units since the last time, from what each invocation says in its log; by function.
async fn consumed(aws: &Aws) -> Vec<(String, u64, f64, f64)> {
    use std::{collections::BTreeMap, sync::Mutex};
    static SEEN: Mutex<BTreeMap<String, (u64, f64, f64)>> = Mutex::new(BTreeMap::new());
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut now = Vec::new();
    for group in aws.log_groups("/aws/lambda/leaver-local-").await.expect("groups") {
        let name = group.trim_start_matches("/aws/lambda/leaver-local-").to_owned();
        let lines = aws.log_lines(&group, &name).await.expect("lines");
        let said = lines.iter().filter_map(|line| serde_json::from_str::<Value>(&line.message).ok());
        let said = said.filter(|line| line["message"] == "consumed");
        let sum = said.fold((0, 0.0, 0.0), |(count, read, write), line| {
            let units = |name: &str| line[name].as_f64().unwrap_or(0.0);
            (count + 1, read + units("read_units"), write + units("write_units"))
        });
        let mut seen = SEEN.lock().expect("not poisoned");
        let last = seen.insert(name.clone(), sum).unwrap_or_default();
        now.push((name, sum.0 - last.0, sum.1 - last.1, sum.2 - last.2));
    }
    now
}

fn consumption(rows: &[(String, u64, f64, f64)], steps: usize) {
    println!("\n{:<28} {:>12} {:>11} {:>12}", "function", "invocations", "read units", "write units");
    // What people and this benchmark ask of the API is no part of a termination; the sweep runs by the clock.
    let ours = rows.iter().filter(|(name, ..)| !["api", "sweep"].contains(&name.as_str()));
    let mut sum = (0_u64, 0.0, 0.0);
    for (name, count, read, write) in ours {
        println!("{name:<28} {count:>12} {read:>11.1} {write:>12.1}");
        sum = (sum.0 + count, sum.1 + read, sum.2 + write);
    }
    println!("{:<28} {:>12} {:>11.1} {:>12.1}", "together", sum.0, sum.1, sum.2);
    let million = |units: f64, price: f64| units * price / 1e6;
    #[expect(clippy::cast_precision_loss, reason = "small counts")]
    let price = million(steps as f64, PRICES[0])
        + million(sum.0 as f64, PRICES[1])
        + million(sum.2, PRICES[2])
        + million(sum.1, PRICES[3]);
    println!("price without Lambda's duration: ${price:.6}, that is ${:.2} for 10,000\n", price * 10_000.0);
}
