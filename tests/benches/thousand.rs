//! One batch of many people, end to end on the emulator: a file over the API, held by the brake, released by security, fed, killed
//! half-way, and followed until the last case is closed. How many cases a second, how long until everybody's access is contained,
//! what the batch itself says meanwhile about its end, and whether each person got one case and no more.
//!
//! `cargo bench --profile dev -p leaver-tests --bench thousand [-- --people N] [--lines N]`: so many people have accounts, and so many
//! of them stand in the file; all of them where nothing is said.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark fails by panicking")]

use futures_util::{StreamExt as _, stream};
use leaver_cli::{
    api::{Client, Posted},
    local::{Environment, Local, aws::Aws, repository},
    progress::Progress,
};
use leaver_domain::{
    case::{CaseRecord, CaseStatus, SystemStatus},
    ports::CaseStore as _,
    time::Timestamp,
};
use leaver_platform::DynamoCases;
use leaver_tests::sandbox::now;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Command,
    time::{Duration, Instant},
};

/// People where the command line says nothing else.
const PEOPLE: usize = 1_000;
/// Shares of the lines, in percent, at which the batch's own estimate is written down.
const SHARES: [usize; 5] = [10, 25, 50, 75, 90];
/// At this share everything that works on the batch is killed.
const KILLED_AT: usize = 50;
/// Between two looks at the batch.
const POLL: Duration = Duration::from_secs(2);
/// For as long as nothing gets any further the batch is thought to hang: cases that died after they had begun get another
/// execution after ten minutes.
const HANGS: Duration = Duration::from_secs(20 * 60);
/// Requests to the stand-ins and reads of the table at once, when everything is over.
const AT_ONCE: usize = 8;

struct Bench {
    environment: Environment,
    local: Local,
    aws: Aws,
    http: reqwest::Client,
    systems: BTreeSet<String>,
}

/// What the batch said about its end at some share of its lines.
struct Estimate {
    share: usize,
    at: Timestamp,
    ends_at: Option<String>,
    per_second: Option<f64>,
    counts: String,
}

/// A batch that was let go: its id, and the case of each person.
struct Sent {
    batch: String,
    cases: BTreeMap<String, String>,
    released: Timestamp,
}

/// How it went.
struct Followed {
    contained: Timestamp,
    ended: Timestamp,
    estimates: Vec<Estimate>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let people = number("--people").unwrap_or(PEOPLE);
    let lines = number("--lines").unwrap_or(people).min(people);
    let root = repository();
    let dir = root.join("target/thousand");
    let environment = Environment::new(&root, &dir, Progress::detect()).on_port(0).with_people(people);
    let _ = environment.down();
    let _ = fs::remove_dir_all(&dir);
    let began = Instant::now();
    let local = environment.up().await.unwrap_or_else(|why| panic!("{why:?}"));
    println!("{people} people: the environment took {:.0} s", began.elapsed().as_secs_f64());
    let aws = Aws::new(&local.endpoint_url).expect("a client");
    let http = leaver_adapters::http::client().expect("a client");
    let john = leaver_tests::sandbox::person("john.doe");
    let systems = leaver_tests::flow::shipped("local").systems_of(&john, false);
    let systems = systems.iter().map(ToString::to_string).collect();
    let bench = Bench { environment, local, aws, http, systems };
    let sent = bench.send(people, lines).await;
    let followed = bench.follow(&sent).await;
    bench.told(&sent, &followed);
    bench.nobody_is_lost_and_nobody_is_twice(&sent).await;
    bench.nothing_works_any_more(&sent).await;
    bench.transitions(lines).await;
    bench.environment.down().unwrap_or_else(|why| panic!("{why:?}"));
}

/// A number from the command line.
fn number(option: &str) -> Option<usize> {
    let mut arguments = std::env::args().skip_while(|argument| argument != option).skip(1);
    arguments.next().map(|number| number.parse().expect("a number"))
}

impl Bench {
    fn api(&self, who: &str) -> Client {
        Client::new(&self.local.api_url, &self.local.tokens[who]).expect("a client")
    }

    fn cases(&self) -> DynamoCases {
        DynamoCases::new(&self.aws.sdk().expect("the SDK"), &self.local.tables.cases)
    }

    /// The file over the API, and security's decision where the brake holds it.
    async fn send(&self, people: usize, lines: usize) -> Sent {
        let samples = leaver_sandbox::people::load_with(people).expect("the sample people");
        // Those of the file have traits, and roles; the last one is the canary.
        let some = samples.iter().rev().skip(1).take(lines);
        let mut csv = "username,reason,revocation_type,preserve_data\n".to_owned();
        for sample in some {
            csv.push_str(&format!("{},Closing the site,,\n", sample.person.username));
        }
        let began = Instant::now();
        let posted =
            self.api("hr").post_file("/api/v1/cases/batch", "text/csv", csv.into(), "thousand").await;
        let Ok(Posted::Taken(answer)) = posted else { panic!("the file was not taken") };
        println!("the file was checked and recorded within {:.2} s", began.elapsed().as_secs_f64());
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let named = answer["lines"].as_array().expect("lines");
        let cases: BTreeMap<_, _> =
            named.iter().map(|line| (text(&line["username"]), text(&line["case_id"]))).collect();
        assert_eq!(cases.len(), lines);
        if let Some(measure) = answer["held_by"].as_str() {
            let yes = json!({"decision": "approve", "reason": "the site is closed"});
            let decided = self.api("taylor.admin").post(&format!("/api/v1/approvals/{measure}"), &yes).await;
            assert_eq!(decided.expect("a decision").0, 200);
        }
        Sent { batch: text(&answer["batch_id"]), cases, released: now() }
    }

    /// Looks at the batch until it has ended, and kills what works on it half-way.
    async fn follow(&self, sent: &Sent) -> Followed {
        let (api, path) = (self.api("security"), format!("/api/v1/batches/{}?limit=0", sent.batch));
        let (mut estimates, mut contained, mut killed): (Vec<Estimate>, _, _) = (Vec::new(), None, None);
        let mut last = (json!(null), Instant::now());
        loop {
            // While everything is being killed the API dies with it.
            let Ok(batch) = api.get(&path).await else {
                tokio::time::sleep(POLL).await;
                continue;
            };
            let (progress, at) = (&batch["progress"], now());
            if batch["counts"] != last.0 {
                println!("{:>7.0} s  {}", at.since(sent.released).as_secs_f64(), shown(&batch["counts"]));
                last = (batch["counts"].clone(), Instant::now());
            }
            assert!(last.1.elapsed() < HANGS, "it hangs: {batch}");
            let finished = usize::try_from(progress["finished"].as_u64().expect("a number")).expect("small");
            for share in SHARES {
                if finished * 100 >= share * sent.cases.len()
                    && estimates.iter().all(|one| one.share != share)
                {
                    let ends_at = progress["ends_at"].as_str().map(str::to_owned);
                    let (per_second, counts) = (progress["per_second"].as_f64(), shown(&batch["counts"]));
                    estimates.push(Estimate { share, at, ends_at, per_second, counts });
                }
            }
            if finished * 100 >= KILLED_AT * sent.cases.len() && killed.is_none() {
                self.kill(sent).await;
                killed = Some(at);
            }
            if progress["left"] == 0 {
                contained.get_or_insert(at);
            }
            if batch["status"] == "ended" {
                let contained = contained.expect("it was contained before");
                return Followed { contained, ended: at, estimates };
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Stops the execution that feeds the batch and those of all its cases, then every function's process, at once.
    async fn kill(&self, sent: &Sent) {
        let running = self.executions(Some("RUNNING")).await;
        let feeds = running.iter().filter(|(_, name)| name.starts_with(&sent.batch)).count();
        for (arn, _) in &running {
            // One that ends by itself in between cannot be stopped.
            let _ = self
                .aws
                .json("states", "AWSStepFunctions.StopExecution", &json!({"executionArn": arn}))
                .await;
        }
        let processes = self.processes();
        let ids = processes.keys().map(ToString::to_string);
        let ended = Command::new("kill").arg("-KILL").args(ids).status().expect("kill");
        let feeding = processes.values().filter(|name| name.ends_with("-batch")).count();
        println!(
            "killed: {} executions ({feeds} of them feeding), {} processes of functions ({feeding} of them feeding): {ended}",
            running.len(),
            processes.len(),
        );
    }

    /// The processes of functions, which the emulator started, and whose they are.
    fn processes(&self) -> BTreeMap<u32, String> {
        let emulator = self.environment.status()["emulator"]["pid"].to_string();
        let mut found = BTreeMap::new();
        for entry in fs::read_dir("/proc").expect("processes").flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let read = |file: &str| fs::read(entry.path().join(file)).unwrap_or_default();
            let stat = String::from_utf8_lossy(&read("stat")).into_owned();
            let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1));
            if parent != Some(emulator.as_str()) {
                continue;
            }
            let own = String::from_utf8_lossy(&read("environ")).into_owned();
            let name = own.split('\0').find_map(|pair| pair.strip_prefix("AWS_LAMBDA_FUNCTION_NAME="));
            found.extend(name.map(|name| (pid, name.to_owned())));
        }
        found
    }

    /// Every execution, or those in one status: ARN and name.
    async fn executions(&self, status: Option<&str>) -> Vec<(String, String)> {
        let mut asked = json!({"stateMachineArn": self.local.state_machine_arn, "maxResults": 1_000});
        if let Some(status) = status {
            asked["statusFilter"] = json!(status);
        }
        let mut all = Vec::new();
        loop {
            let page =
                self.aws.json("states", "AWSStepFunctions.ListExecutions", &asked).await.expect("executions");
            for one in page["executions"].as_array().expect("a list") {
                let text = |name: &str| one[name].as_str().expect("a text").to_owned();
                all.push((text("executionArn"), text("name")));
            }
            match page["nextToken"].as_str() {
                Some(token) => asked["nextToken"] = json!(token),
                None => return all,
            }
        }
    }

    fn told(&self, sent: &Sent, followed: &Followed) {
        let people = sent.cases.len();
        let after = |at: Timestamp| at.since(sent.released).as_secs_f64();
        let contained = after(followed.contained);
        println!(
            "\n{people} people: everybody contained after {contained:.0} s, that is {:.2} cases/s; the batch ended after {:.0} s",
            people as f64 / contained,
            after(followed.ended)
        );
        println!("{:>6} {:>8} {:>9} {:>13} {:>10}  lines", "share", "at", "cases/s", "said: after", "off by");
        for one in &followed.estimates {
            let ends_at = one.ends_at.as_ref().map(|at| at.parse::<jiff::Timestamp>().expect("a time"));
            let said = ends_at.map(|at| after(Timestamp::from_jiff(at)));
            println!(
                "{:>4} % {:>6.0} s {:>9} {:>13} {:>10}  {}",
                one.share,
                after(one.at),
                one.per_second.map_or_else(String::new, |rate| format!("{rate:.2}")),
                said.map_or_else(String::new, |said| format!("{said:.0} s")),
                said.map_or_else(String::new, |said| format!("{:+.0} s", said - contained)),
                one.counts,
            );
        }
    }

    /// Each person has the one case that the answer named, nobody has another, and each is complete with every system verified.
    async fn nobody_is_lost_and_nobody_is_twice(&self, sent: &Sent) {
        let (store, mut all, mut from): (_, Vec<CaseRecord>, Option<String>) =
            (self.cases(), Vec::new(), None);
        loop {
            let page = store.cases(from.as_deref(), 100).await.expect("the table");
            all.extend(page.cases);
            from = page.next;
            if from.is_none() {
                break;
            }
        }
        let mut found: BTreeMap<String, String> = BTreeMap::new();
        for case in &all {
            let before = found.insert(case.person.username.to_string(), case.case_id.to_string());
            assert_eq!(before, None, "{} has two cases", case.person.username);
        }
        assert_eq!(found, sent.cases, "the cases are not those of the batch");
        let mut wrong = Vec::new();
        let (mut last, mut attempts) = (Vec::new(), 0);
        for case in &all {
            let systems = store.systems(&case.case_id).await.expect("the table");
            let named: BTreeSet<String> = systems.iter().map(|one| one.system.to_string()).collect();
            assert_eq!(named, self.systems, "{}", case.case_id);
            for one in &systems {
                attempts += one.attempts;
                if one.status != SystemStatus::Verified {
                    wrong.push(format!(
                        "{} {}: {:?} {:?}",
                        case.person.username, one.system, one.status, one.fault
                    ));
                }
            }
            if case.status != CaseStatus::Complete {
                wrong.push(format!("{}: {:?}", case.person.username, case.status));
            }
            last.extend(systems.iter().filter_map(|one| one.verified_at).max());
        }
        let verified = last.iter().max().expect("cases").since(sent.released).as_secs_f64();
        println!(
            "each of {} people has one case; the last system was verified after {verified:.0} s; {attempts} attempts in {} systems",
            found.len(),
            all.len() * self.systems.len()
        );
        assert!(wrong.is_empty(), "{} are not as they should be:\n{}", wrong.len(), wrong.join("\n"));
    }

    /// What the stand-ins say of everybody. The HRIS is where it is known from: it is read, and nothing is taken there.
    async fn nothing_works_any_more(&self, sent: &Sent) {
        let systems: Vec<&String> = self.systems.iter().filter(|system| *system != "hris").collect();
        let pairs = sent.cases.keys().flat_map(|who| systems.iter().map(move |system| (who, *system)));
        let wrong: Vec<String> = stream::iter(pairs)
            .map(async |(who, system)| {
                let url = format!("{}/_sandbox/{system}/accounts/{who}", self.local.sandbox_url);
                let answer = self.http.get(url).send().await.expect("the sandbox");
                let account: Value = answer.json().await.expect("JSON");
                let gone = account["active"] == false && account["credentials"] == json!([]);
                (!gone).then(|| format!("{who} {system}: {account}"))
            })
            .buffer_unordered(AT_ONCE)
            .filter_map(async |wrong| wrong)
            .collect()
            .await;
        assert!(wrong.is_empty(), "{} accounts still work:\n{}", wrong.len(), wrong.join("\n"));
        println!("nobody has anything left that works, in any of {} systems", systems.len());
    }

    /// The transitions of all executions, those that were killed among them.
    async fn transitions(&self, people: usize) {
        let all = self.executions(None).await;
        let counts = |event: &&Value| {
            let kind = event["type"].as_str().unwrap_or_default();
            kind == "TaskScheduled" || (kind.ends_with("StateEntered") && kind != "TaskStateEntered")
        };
        let mut sum = 0;
        for (arn, _) in &all {
            let mut asked = json!({"executionArn": arn, "maxResults": 1_000});
            loop {
                let page = self
                    .aws
                    .json("states", "AWSStepFunctions.GetExecutionHistory", &asked)
                    .await
                    .expect("a history");
                sum += page["events"].as_array().expect("events").iter().filter(counts).count();
                match page["nextToken"].as_str() {
                    Some(token) => asked["nextToken"] = json!(token),
                    None => break,
                }
            }
        }
        let each = sum as f64 / people as f64;
        println!("{} executions with {sum} transitions, {each:.1} for each person", all.len());
    }
}

/// How many lines stand where, without those of which there are none.
fn shown(counts: &Value) -> String {
    let some = counts.as_object().expect("counts").iter().filter(|(_, count)| **count != json!(0));
    some.map(|(state, count)| format!("{count} {state}")).collect::<Vec<_>>().join(", ")
}
