//! Mass layoffs on a virtual clock: the function that feeds batches, over the stores in memory, with every published quota as a
//! token bucket. How many cases a second, how long until everybody's access is contained, which quota binds, and what it costs.
//!
//! What a person needs of each quota is not assumed: one termination runs against the stand-ins of the fourteen systems, and its
//! calls are counted. Logs are not waited for: they are read afterwards, and how long that takes is said beside it. `cargo bench -p leaver-tests --bench batch`

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark fails by panicking")]

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use leaver_adapters::{
    pace::{QUOTAS, Quota},
    run,
};
use leaver_batch::{Feeding, Input};
use leaver_domain::{
    batch::{Batch, BatchStatus, Hold, Line, Released},
    case::{CaseStatus, Mode},
    digest::Digest,
    id::{BatchId, CaseId},
    pace::{Budget, Call, Pacer},
    person::Person,
    policy::Policy,
    ports::{CaseStore, Change, Execution, Started, StoreError, Workflow},
    time::Timestamp,
};
use leaver_platform::memory::MemoryCases;
use leaver_tests::{
    flow::shipped,
    sandbox::{Stage, full_scope, now, person, risk_settings},
};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

/// How long a vendor takes for one request, in seconds.
const LATENCY: f64 = 0.2;
/// Quotas of AWS (us-east-1 class): a name, so many a second, so many at once, so many for each person. A termination of fourteen
/// systems takes 36 transitions; its write units are those measured for six systems, for fourteen.
const AWS: [(&str, f64, f64, f64); 3] = [
    ("StartExecution", 300.0, 1_300.0, 1.0),
    ("StateTransition", 1_500.0, 5_000.0, 36.0),
    ("DynamoDB write units", 4_000.0, 4_000.0, WRITE_UNITS),
];
const WRITE_UNITS: f64 = 344.0 * 14.0 / 6.0;
/// USD per million: standard transitions, write units.
const PRICES: (f64, f64) = (25.0, 0.625);

/// Counts what passes each lane, and lets everything in at once, or no call that only reads.
#[derive(Default)]
struct Counting {
    calls: Mutex<BTreeMap<String, f64>>,
    no_reads: bool,
}

#[async_trait]
impl Pacer for Counting {
    async fn enter(
        &self,
        system: &str,
        budget: &Budget,
        call: Call,
        _: Timestamp,
        _: Duration,
    ) -> Result<Option<Duration>, StoreError> {
        if self.no_reads && call == Call::Read {
            return Ok(None);
        }
        *self.calls.lock().unwrap().entry(format!("{system} {}", budget.lane)).or_insert(0.0) += 1.0;
        Ok(Some(Duration::ZERO))
    }
    async fn hold(&self, _: &str, _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }
    async fn held(&self, _: &str, _: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        Ok(None)
    }
}

/// What one person takes of each lane until the access is contained, and how long the slowest system works on them; with the
/// logs, or where all of these are used up by others.
async fn measured(systems: &BTreeSet<String>, no_reads: bool) -> (BTreeMap<String, f64>, f64) {
    let stage = Stage::start().await;
    let counting = Arc::new(Counting { no_reads, ..Counting::default() });
    let (scope, risk, ended) = (full_scope(), risk_settings(), now());
    let mut slowest: f64 = 0.0;
    for system in systems {
        let to = stage.connect(system, Duration::from_secs(60));
        let http = to.http.paced(system, counting.clone());
        let john = person("john.doe");
        let job = run::Job { person: &john, scope: &scope, ended, risk: &risk };
        let before = stage.requests(system).await.len();
        let survey = run::survey(to.adapter.as_ref(), &http, &job).await.expect("a survey");
        let report = run::revoke(to.adapter.as_ref(), &http, &job, survey, &BTreeSet::new()).await;
        assert!(report.fault.is_none(), "{system}: {:?}", report.fault);
        let requests = stage.requests(system).await.len() - before;
        slowest = slowest.max(requests as f64 * LATENCY);
    }
    let counted = counting.calls.lock().unwrap().clone();
    (counted, slowest)
}

/// A token bucket on the virtual clock: when the last call that was let in is used up.
struct Bucket {
    rate: f64,
    burst: f64,
    each: f64,
    used_until: f64,
}

impl Bucket {
    /// When a person's calls have all been let in.
    fn enter(&mut self, at: f64) -> f64 {
        self.used_until = self.used_until.max(at) + self.each / self.rate;
        (self.used_until - self.burst / self.rate).max(at)
    }
}

/// Remembers what was started.
#[derive(Default)]
struct Begun(Mutex<Vec<CaseId>>);

#[async_trait]
impl Workflow for Begun {
    async fn start(&self, execution: &Execution) -> Result<Started, StoreError> {
        if let Execution::Case { case, .. } = execution {
            self.0.lock().unwrap().push(case.clone());
        }
        Ok(Started::New)
    }
    async fn wake(&self, _: &str) -> Result<(), StoreError> {
        Ok(())
    }
    async fn has_ended(&self, _: &Execution) -> Result<bool, StoreError> {
        Ok(false)
    }
    async fn check(&self, _: &str) -> Result<serde_json::Value, StoreError> {
        Ok(json!({}))
    }
}

/// What the vendors and AWS do while the feeder waits.
struct World {
    clock: AtomicI64,
    buckets: Mutex<Vec<Bucket>>,
    running: Mutex<Vec<(f64, CaseId)>>,
    longest: Mutex<f64>,
    slowest: f64,
}

impl World {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.clock.load(Ordering::SeqCst)).unwrap()
    }

    fn seconds(&self) -> f64 {
        self.clock.load(Ordering::SeqCst) as f64 / 1_000.0
    }

    async fn pass(&self, time: Duration, store: &MemoryCases, begun: &Begun) {
        let at = self.seconds();
        let new: Vec<CaseId> = std::mem::take(&mut *begun.0.lock().unwrap());
        {
            let mut buckets = self.buckets.lock().unwrap();
            let mut running = self.running.lock().unwrap();
            for case in new {
                let let_in = buckets.iter_mut().map(|bucket| bucket.enter(at)).fold(at, f64::max);
                let mut longest = self.longest.lock().unwrap();
                *longest = longest.max(let_in - at);
                running.push((let_in + self.slowest, case));
            }
        }
        self.clock.fetch_add(i64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
        let now = self.seconds();
        let mut done = Vec::new();
        self.running.lock().unwrap().retain(|(until, case)| {
            if *until <= now {
                done.push(case.clone());
            }
            *until > now
        });
        for id in done {
            let mut case = store.case(&id).await.unwrap().unwrap();
            case.status = CaseStatus::Complete;
            case.version += 1;
            store.put_case(&case).await.unwrap();
        }
    }
}

struct Outcome {
    seconds: f64,
    longest: f64,
    rounds: usize,
    real: Duration,
}

/// A batch of so many people, fed to its end by one invocation after another.
async fn simulate(
    people: usize,
    policy: &Policy,
    per_person: &BTreeMap<String, f64>,
    slowest: f64,
) -> Outcome {
    let (store, begun, begin) = (MemoryCases::default(), Begun::default(), Instant::now());
    let vendors = QUOTAS.iter().filter_map(|Quota { system, budget, .. }| {
        let name = format!("{system} {}", budget.lane);
        let each = per_person.get(&name).copied()?;
        let rate = f64::from(budget.calls) / f64::from(budget.seconds);
        Some(Bucket { rate, burst: f64::from(budget.burst), each, used_until: 0.0 })
    });
    let aws = AWS.map(|(_, rate, burst, each)| Bucket { rate, burst, each, used_until: 0.0 });
    let world = World {
        clock: AtomicI64::new(now().millis()),
        buckets: Mutex::new(vendors.chain(aws).collect()),
        running: Mutex::default(),
        longest: Mutex::default(),
        slowest,
    };
    let id = recorded(&store, people, world.now()).await;
    let (began, mut rounds) = (world.seconds(), 0);
    loop {
        let clock = || world.now();
        let wait = |time: Duration| -> BoxFuture<'_, ()> { Box::pin(world.pass(time, &store, &begun)) };
        let budget = Duration::from_secs(50);
        let feeding = Feeding {
            policy,
            store: &store,
            workflow: &begun,
            clock: &clock,
            wait: &wait,
            budget,
            holder: "f",
        };
        let fed = leaver_batch::handle(&feeding, &Input::default()).await.unwrap();
        assert_eq!((fed.failed, fed.already), (0, 0));
        rounds += fed.rounds;
        if store.batch(&id).await.unwrap().unwrap().status == BatchStatus::Ended {
            break;
        }
        // The next minute.
        world.pass(Duration::from_secs(10), &store, &begun).await;
    }
    let cases = store.cases(None, people + 1).await.unwrap().cases;
    assert_eq!(cases.len(), people);
    let seconds = world.seconds() - began;
    let longest = *world.longest.lock().unwrap();
    Outcome { seconds, longest, rounds, real: begin.elapsed() }
}

async fn recorded(store: &MemoryCases, people: usize, at: Timestamp) -> BatchId {
    let mut lines = Vec::new();
    for number in 0..people {
        let person: Person = serde_json::from_value(json!({
            "username": format!("p{number}"), "employee_id": format!("E-{number}"), "email": "p@example.com", "name": "P",
            "role": "r", "employment": "employee", "department": "Sales", "status": "active", "version": 1,
        }))
        .unwrap();
        store.put_person(&person).await.unwrap();
        let line = u32::try_from(number).unwrap() + 2;
        let reason = "Closing the site".to_owned();
        let username = person.username;
        lines.push(Line { line, username, reason, mode: Mode::Leave, preserve_data: false, first: false });
    }
    let id: BatchId = "batch-bench".parse().unwrap();
    let (measure, by) = ("measure-bench".parse().unwrap(), "harper.hr".parse().unwrap());
    let hold = Hold { measure, people, room: 25 };
    let batch = Batch::recorded(id.clone(), by, (Digest::ZERO, &lines), Some(hold), at);
    store.keep_lines(&id, &batch.lines, &lines).await.unwrap();
    store.commit(&[Change::Batch(Box::new(batch.clone()))]).await.unwrap();
    let released = Released {
        measure: "measure-bench".parse().unwrap(),
        by: "sam.admin".into(),
        reason: "agreed".into(),
    };
    store.commit(&[Change::Batch(Box::new(batch.let_go(released, at)))]).await.unwrap();
    id
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut policy = shipped("prod");
    policy.systems.retain(|_, of| of.manual.is_none() && of.custom.is_none());
    let somebody: Person = serde_json::from_value(json!({
        "username": "p", "employee_id": "E", "email": "p@example.com", "name": "P", "role": "r", "employment": "employee",
        "department": "Sales", "status": "active",
    }))
    .unwrap();
    let systems: BTreeSet<String> =
        policy.systems_of(&somebody, false).iter().map(ToString::to_string).collect();
    assert_eq!(systems.len(), 14, "{systems:?}");
    let (whole, unhurried) = measured(&systems, false).await;
    let (per_person, slowest) = measured(&systems, true).await;
    println!(
        "one person, until contained: the slowest system works for {slowest:.1} s at {LATENCY} s a request, {unhurried:.1} s with its log"
    );
    for (lane, calls) in &whole {
        let before = per_person.get(lane).copied().unwrap_or_default();
        println!("  {calls:>4} x {lane}, {before} of them before access is contained");
    }
    let logs = whole.keys().filter(|lane| !per_person.contains_key(*lane));
    for (lane, calls) in logs.map(|lane| (lane, whole[lane])) {
        let rate = rate(lane).expect("a quota");
        let hours = |people: f64| people * calls / rate / 3_600.0;
        println!(
            "       {lane}: read to the end after {:.1} h for 1,000 people, {:.1} h for 10,000",
            hours(1e3),
            hours(1e4)
        );
    }
    println!(
        "\n{:>7} {:>12} {:>14} {:>8} {:>13} {:>7} {:>8}  binding quota",
        "people", "max_running", "contained in", "cases/s", "longest wait", "rounds", "real"
    );
    for max_running in [50, 200] {
        policy.batch.max_running = max_running;
        let mut before: Option<f64> = None;
        for people in [1_000, 10_000] {
            let came_to = simulate(people, &policy, &per_person, slowest).await;
            println!(
                "{people:>7} {max_running:>12} {:>10.1} min {:>8.2} {:>11.1} s {:>7} {:>6.1} s  {}",
                came_to.seconds / 60.0,
                people as f64 / came_to.seconds,
                came_to.longest,
                came_to.rounds,
                came_to.real.as_secs_f64(),
                binding(people, max_running, &per_person, slowest),
            );
            if let Some(before) = before {
                let ratio = came_to.seconds / before;
                println!("{:>21} ten times the people take {ratio:.2} times as long", "");
                assert!((8.0..12.0).contains(&ratio), "it does not grow linearly");
            }
            before = Some(came_to.seconds);
        }
    }
    let each = (36.0 * PRICES.0 + WRITE_UNITS * PRICES.1) / 1e6;
    println!("\nprice, without Lambda's duration: ${each:.5} a person, ${:.2} for 10,000", each * 10_000.0);
}

/// How many calls a second a lane takes.
fn rate(name: &str) -> Option<f64> {
    let of = |Quota { system, budget, .. }: &Quota| {
        (format!("{system} {}", budget.lane) == name)
            .then(|| f64::from(budget.calls) / f64::from(budget.seconds))
    };
    QUOTAS.iter().find_map(of)
}

/// What lasts the longest where everything else were free: a quota, or the number of cases at once.
fn binding(people: usize, max_running: u32, per_person: &BTreeMap<String, f64>, slowest: f64) -> String {
    let vendors = per_person.iter().filter_map(|(name, each)| Some((name.clone(), rate(name)? / each)));
    let aws = AWS.iter().map(|(name, rate, _, each)| ((*name).to_owned(), rate / each));
    let own = [("batch.max_running".to_owned(), f64::from(max_running) / slowest)];
    let all = vendors.chain(aws).chain(own);
    let (name, cases) = all.min_by(|a, b| a.1.total_cmp(&b.1)).expect("quotas");
    format!("{name}: {cases:.2} cases/s, {:.1} min", people as f64 / cases / 60.0)
}
