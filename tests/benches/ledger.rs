//! Appending to the log: two appenders, a tenth of the events delivered twice; once over the store in memory, which
//! leaves our own work, and once over the real store on the emulator. After each run the log is checked from its
//! first row.
//!
//! `cargo bench -p leaver-tests --bench ledger -- [--rows N] [--emulated-rows N] [--delivery N] [--full]`

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark fails by panicking")]

use async_trait::async_trait;
use leaver_cli::{
    local::{aws::Aws, emulator_program, repository},
    progress::Progress,
};
use leaver_domain::{
    ledger::{Draft, EventKind, Head, Outcome},
    ports::{Appended, Batch, LedgerStore, Located, Present, Row, StoreError},
    time::Timestamp,
};
use leaver_ledger::{Appending, Tally, append};
use leaver_platform::{DynamoLedger, memory::MemoryLedger};
use leaver_tests::{flow::checked, sandbox::now};
use serde_json::{Value, json};
use std::{
    fs,
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// Name of the log.
const ORIGIN: &str = "leaver/bench";
/// Rows of a case with fourteen systems: its trigger and one per system.
const PER_CASE: usize = 15;
/// What the ledger holds in the end where nothing else is asked for.
const ROWS: usize = 150_000;
/// The emulator takes its time; `--full` gives it all rows.
const EMULATED_ROWS: usize = 15_000;
/// Events of one delivery: what the stream's batches hold in the template.
const DELIVERY: usize = 100;

/// What the appenders asked of the store, and how long they waited for it.
#[derive(Debug, Default)]
struct Asked {
    committed: AtomicU64,
    too_late: AtomicU64,
    present: AtomicU64,
    reads: AtomicU64,
    store_nanos: AtomicU64,
    wait_nanos: AtomicU64,
}

struct Watched {
    inner: Arc<dyn LedgerStore>,
    asked: Arc<Asked>,
}

fn nanos(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

impl Watched {
    async fn timed<T>(&self, call: impl Future<Output = T>) -> T {
        let began = Instant::now();
        let result = call.await;
        self.asked.store_nanos.fetch_add(nanos(began), Relaxed);
        result
    }
}

#[async_trait]
impl LedgerStore for Watched {
    async fn head(&self) -> Result<Head, StoreError> {
        self.asked.reads.fetch_add(1, Relaxed);
        self.timed(self.inner.head()).await
    }
    async fn present(&self, drafts: &[Draft]) -> Result<Vec<Present>, StoreError> {
        self.asked.reads.fetch_add(1, Relaxed);
        self.timed(self.inner.present(drafts)).await
    }
    async fn append(&self, batch: &Batch) -> Result<Appended, StoreError> {
        let result = self.timed(self.inner.append(batch)).await;
        let count = match &result {
            Ok(Appended::Done) => &self.asked.committed,
            Ok(Appended::HeadMoved) => &self.asked.too_late,
            _ => &self.asked.present,
        };
        count.fetch_add(1, Relaxed);
        result
    }
    async fn rows(&self, from: u64, limit: usize) -> Result<Vec<Row>, StoreError> {
        self.inner.rows(from, limit).await
    }
    async fn locate(&self, drafts: &[Draft]) -> Result<Vec<Located>, StoreError> {
        self.inner.locate(drafts).await
    }
    async fn checkpoint(&self) -> Result<Option<String>, StoreError> {
        self.inner.checkpoint().await
    }
    async fn places_of(&self, case: &str) -> Result<Vec<u64>, StoreError> {
        self.inner.places_of(case).await
    }
    async fn keep_checkpoint(&self, size: u64, note: &str) -> Result<(), StoreError> {
        self.inner.keep_checkpoint(size, note).await
    }
}

/// An event of the size that a revoked system has on average.
fn draft(number: usize) -> Draft {
    let (case, place) = (number / PER_CASE, number % PER_CASE);
    let system = (place > 0).then(|| format!("system_{place}"));
    let (kind, action) = match place {
        0 => (EventKind::RevocationTriggered, "trigger"),
        _ => (EventKind::AccessRevoked, "revoke"),
    };
    let actions: Vec<Value> = (0..8)
        .map(|n| {
            json!({"at": "2026-02-03T14:31:02.000Z", "evidence": "read", "kind": "remove_group", "outcome": "done",
                   "label": format!("group {n} of {place}"), "target": format!("00g{case:08}{n:04}")})
        })
        .collect();
    let facts = json!({"actions_taken": actions, "before": {"grants": 8}, "residuals": [], "tries": 1});
    Draft {
        event_id: format!("case-{case:08}/{}/0", system.as_deref().unwrap_or("case")),
        case_id: format!("case-{case:08}"),
        ordinal: 0,
        kind,
        occurred_at: Timestamp::from_millis(1_770_129_000_000).expect("an instant"),
        username: format!("person.{case}"),
        actor: "leaver/adapter".into(),
        system,
        action: action.into(),
        outcome: Outcome::Success,
        risk: None,
        evidence: json!({"user": {"username": format!("person.{case}")}, "facts": facts}).to_string(),
    }
}

/// What is delivered to the two appenders: every event once to one of them, and each tenth once more, half of those to
/// the same one and half to the other, a little later.
fn deliveries(rows: usize, size: usize) -> [Vec<Vec<usize>>; 2] {
    let mut streams = [Vec::new(), Vec::new()];
    for number in 0..rows {
        let to = number / PER_CASE % 2;
        streams[to].push(number);
        if number % 10 == 3 && number > 40 * PER_CASE {
            // A multiple of two cases back, so that it had gone to the same one; or one case less, to the other.
            let again = number - PER_CASE * if number % 20 == 3 { 40 } else { 39 };
            streams[to].push(again);
        }
    }
    streams.map(|stream| stream.chunks(size).map(<[usize]>::to_vec).collect())
}

/// One run: both appenders to their end, then the check of the log.
async fn run(what: &str, store: Arc<dyn LedgerStore>, rows: usize, size: usize) -> Value {
    let asked = Arc::new(Asked::default());
    let made: [Vec<Vec<Draft>>; 2] = deliveries(rows, size)
        .map(|all| all.iter().map(|one| one.iter().map(|&number| draft(number)).collect()).collect());
    let delivered: usize = made.iter().flatten().map(Vec::len).sum();
    let cpu = processor_time();
    let began = Instant::now();
    let appenders = made.map(|all| {
        let store = Watched { inner: store.clone(), asked: asked.clone() };
        tokio::spawn(async move { appender(&store, all).await })
    });
    let (mut busy, mut tally) = (Duration::ZERO, Tally::default());
    for one in appenders {
        let (took, told) = one.await.expect("an appender");
        busy += took;
        tally.appended += told.appended;
        tally.repeated += told.repeated;
        tally.quarantined.extend(told.quarantined);
    }
    let (took, cpu) = (began.elapsed(), processor_time() - cpu);
    let began = Instant::now();
    let log = checked(store.as_ref()).await;
    let check = began.elapsed();
    assert_eq!((log.len(), tally.appended, tally.repeated), (rows, rows, delivered - rows), "{what}");
    assert_eq!(tally.quarantined, []);
    let seconds = |of: &AtomicU64| Duration::from_nanos(of.load(Relaxed)).as_secs_f64();
    let (in_store, waiting) = (seconds(&asked.store_nanos), seconds(&asked.wait_nanos));
    let own = busy.as_secs_f64() - in_store - waiting;
    json!({
        "run": what, "profile": profile(), "rows": rows, "delivered": delivered, "appenders": 2, "delivery": size,
        "seconds": round(took.as_secs_f64()), "rows_per_second": round(per_second(rows, took)),
        "transactions": asked.committed.load(Relaxed), "too_late": asked.too_late.load(Relaxed),
        "refused_as_present": asked.present.load(Relaxed), "reads": asked.reads.load(Relaxed),
        "rows_per_transaction": round(rows as f64 / asked.committed.load(Relaxed) as f64),
        "milliseconds_per_store_call": round(1_000.0 * in_store / calls(&asked)),
        "share_in_store": round(in_store / busy.as_secs_f64()), "share_waiting": round(waiting / busy.as_secs_f64()),
        "share_own": round(own / busy.as_secs_f64()), "own_microseconds_per_row": round(1e6 * own / rows as f64),
        "processor_seconds": round(cpu), "checked_rows_per_second": round(per_second(rows, check)),
    })
}

fn calls(asked: &Asked) -> f64 {
    let all = [&asked.committed, &asked.too_late, &asked.present, &asked.reads];
    all.iter().map(|count| count.load(Relaxed)).sum::<u64>() as f64
}

async fn appender(store: &Watched, deliveries: Vec<Vec<Draft>>) -> (Duration, Tally) {
    let began = Instant::now();
    let mut sum = Tally::default();
    let asked = store.asked.clone();
    let wait = move |time: Duration| -> futures_util::future::BoxFuture<'_, ()> {
        let asked = asked.clone();
        Box::pin(async move {
            let began = Instant::now();
            tokio::time::sleep(time).await;
            asked.wait_nanos.fetch_add(nanos(began), Relaxed);
        })
    };
    let count = AtomicU64::new(1);
    let salt = || u128::from(count.fetch_add(0x9e37_79b9_7f4a_7c15, Relaxed)).to_le_bytes();
    for drafts in deliveries {
        let to = Appending { store, now: now(), salt: &salt, wait: &wait };
        let tally = append(&to, drafts).await.expect("an append");
        sum.appended += tally.appended;
        sum.repeated += tally.repeated;
        sum.quarantined.extend(tally.quarantined);
    }
    (began.elapsed(), sum)
}

fn round(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

fn per_second(rows: usize, took: Duration) -> f64 {
    rows as f64 / took.as_secs_f64()
}

/// Seconds of processor time that this process used so far, in all its threads.
fn processor_time() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: f64 = fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    ticks / 100.0
}

/// The profile that this was built with, by the folder that cargo put it into.
fn profile() -> String {
    let program = std::env::current_exe().expect("a path");
    let folder = program.ancestors().nth(2).and_then(|folder| folder.file_name());
    let checks = if cfg!(debug_assertions) { "with" } else { "without" };
    format!("{}, {checks} debug assertions", folder.unwrap_or_default().to_string_lossy())
}

fn show(result: &Value) {
    let number = |name: &str| result[name].as_f64().unwrap_or_default();
    println!("{result}");
    println!(
        "{} ({}): {:.0} rows/s; {:.0} transactions of {:.1} rows, {:.0} came too late, {:.0} met rows that stood there; \
         {:.1} % of the appenders' time in our own code ({:.1} us/row), {:.1} % in the store; checked at {:.0} rows/s\n",
        result["run"].as_str().unwrap_or_default(),
        result["profile"].as_str().unwrap_or_default(),
        number("rows_per_second"),
        number("transactions"),
        number("rows_per_transaction"),
        number("too_late"),
        number("refused_as_present"),
        100.0 * number("share_own"),
        number("own_microseconds_per_row"),
        100.0 * number("share_in_store"),
        number("checked_rows_per_second"),
    );
}

fn argument(name: &str) -> Option<usize> {
    let value = std::env::args().skip_while(|one| one != name).nth(1);
    value.map(|value| value.parse().unwrap_or_else(|_| panic!("{name} takes a number, not `{value}`")))
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let rows = argument("--rows").unwrap_or(ROWS);
    let delivery = argument("--delivery").unwrap_or(DELIVERY);
    let full = std::env::args().any(|one| one == "--full");
    let emulated = argument("--emulated-rows").unwrap_or(if full { rows } else { EMULATED_ROWS });
    if rows > 0 {
        show(&run("in memory", Arc::new(MemoryLedger::new(ORIGIN)), rows, delivery).await);
    }
    if emulated > 0 {
        let emulator = Emulator::start().await;
        let store = Arc::new(emulator.ledger().await);
        show(&run("on the emulator", store, emulated, delivery).await);
    }
}

/// An emulator with nothing in it but the ledger's table; ends with the value.
struct Emulator {
    child: Child,
    folder: PathBuf,
    aws: Aws,
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Emulator {
    async fn start() -> Self {
        let program = emulator_program(&repository(), &Progress::detect()).expect("the emulator");
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let folder = std::env::temp_dir().join(format!("leaver-bench-{port}"));
        fs::create_dir_all(&folder).expect("a folder");
        let url = format!("http://127.0.0.1:{port}");
        let tools = program.parent().map(|path| path.display().to_string()).unwrap_or_default();
        let child = Command::new(&program)
            .env_clear()
            .env("PATH", format!("{tools}:/usr/bin:/bin"))
            .envs([("BIND_HOST", "127.0.0.1"), ("MINISTACK_HOST", "127.0.0.1"), ("IOT_MTLS_ENABLED", "0")])
            .envs([("MINISTACK_REGION", "us-east-1"), ("AWS_ENDPOINT_URL", url.as_str())])
            .env("GATEWAY_PORT", port.to_string())
            .envs(["HOME", "STATE_DIR", "S3_DATA_DIR", "TMPDIR"].map(|name| (name, &folder)))
            .current_dir(&folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the emulator");
        let http = leaver_adapters::http::client().expect("a client");
        let emulator = Self { child, folder, aws: Aws::new(&url).expect("a client") };
        for _ in 0..200 {
            let health = http.get(format!("{url}/_ministack/health")).send().await;
            if health.is_ok_and(|answer| answer.status() == 200) {
                return emulator;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the emulator did not start");
    }

    /// The table with the template's keys, and the real store over it.
    async fn ledger(&self) -> DynamoLedger {
        let table = json!({
            "TableName": "ledger", "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"},
                                     {"AttributeName": "sk", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        });
        self.aws.json("dynamodb", "DynamoDB_20120810.CreateTable", &table).await.expect("a table");
        DynamoLedger::new(&self.aws.sdk().expect("the SDK"), "ledger", ORIGIN)
    }
}
