//! Start-up of every function: from exec to the first poll of the Runtime API, and peak memory, beside a hello-world
//! `lambda_runtime` binary and a bare loop over the standard library in the same run.
//!
//! `cargo bench -p leaver-tests --bench startup`

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark fails by panicking")]

use std::{
    io::{Read, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

const RUNS: usize = 20;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a parent").to_path_buf();
    build(&root);
    let binary = |name: &str| root.join("target/release").join(name);
    let functions = [
        "webhook",
        "plan",
        "adapter.okta",
        "close",
        "ledger",
        "publish",
        "approval",
        "sweep",
        "population",
        "contracts",
        "reconcile",
        "canary",
        "batch",
        "archive",
        "export",
        "signals",
        "api",
    ];
    let mut rows = vec![
        ("std only".to_owned(), binary("bench-floor"), String::new()),
        ("hello lambda_runtime".to_owned(), binary("bench-hello"), String::new()),
    ];
    rows.extend(functions.map(|name| (name.to_owned(), binary("bootstrap"), name.to_owned())));
    let aws = aws();
    // Side by side, one start of each in turn, so that a busy moment of the machine meets all of them.
    let mut times: Vec<Vec<(Duration, u64)>> = vec![Vec::new(); rows.len()];
    for _ in 0..RUNS {
        for (index, (_, path, handler)) in rows.iter().enumerate() {
            times[index].push(start(path, handler, &aws));
        }
    }
    let median = |index: usize| {
        let mut all: Vec<Duration> = times[index].iter().map(|(time, _)| *time).collect();
        all.sort();
        all[RUNS / 2].as_secs_f64() * 1_000.0
    };
    println!("{:<22} {:>14} {:>9} {:>9} {:>12}", "", "to first poll", "x std", "x hello", "peak memory");
    for (index, (name, _, _)) in rows.iter().enumerate() {
        let memory = times[index].iter().map(|(_, memory)| *memory).max().unwrap_or(0);
        let (time, floor, hello) = (median(index), median(0), median(1));
        let memory = format!("{}.{} MB", memory / 1024, memory % 1024 * 10 / 1024);
        println!("{name:<22} {time:>11.2} ms {:>9.2} {:>9.2} {memory:>12}", time / floor, time / hello);
    }
    let size = std::fs::metadata(binary("bootstrap")).expect("the artefact").len();
    println!("\nartefact: {:.2} MB", size as f64 / 1e6);
}

fn build(root: &PathBuf) {
    let started = Instant::now();
    let status = Command::new(env!("CARGO"))
        .args(["build", "--release", "-p", "leaver-bootstrap", "-p", "leaver-bench-peers"])
        .current_dir(root)
        .status()
        .expect("cargo");
    assert!(status.success());
    println!("release build: {:.0} s\n", started.elapsed().as_secs_f64());
}

/// An AWS that answers every call at once: the first connection is opened during INIT, as it is on Lambda.
fn aws() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            std::thread::spawn(move || {
                let mut request = [0_u8; 8192];
                while stream.read(&mut request).is_ok_and(|read| read > 0) {
                    let body = r#"{"SecretString":"{}"}"#;
                    let head =
                        "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length";
                    // In one piece: two would wait for each other's acknowledgement.
                    let answer = format!("{head}: {}\r\n\r\n{body}", body.len());
                    let _ = stream.write_all(answer.as_bytes());
                }
            });
        }
    });
    address
}

/// Starts a binary against a Runtime API of our own; the time to its first poll, and its peak memory in KiB then.
fn start(binary: &Path, handler: &str, aws: &str) -> (Duration, u64) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let api = listener.local_addr().expect("an address").to_string();
    let began = Instant::now();
    let mut child = Command::new(binary)
        .env_clear()
        .envs([
            ("AWS_LAMBDA_RUNTIME_API", api.as_str()),
            ("_HANDLER", handler),
            ("AWS_LAMBDA_FUNCTION_NAME", "bench"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "s"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "g"),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_ENDPOINT_URL", aws),
            ("ENVIRONMENT", "prod"),
            ("CASE_TABLE", "cases"),
            ("LEDGER_TABLE", "ledger"),
            ("LEDGER_ORIGIN", "bench"),
            ("STATE_MACHINE_ARN", "arn"),
            ("HRIS_SECRET_ID", "hris"),
            ("SYSTEM_SECRET_ID", "system"),
            ("EVIDENCE_BUCKET", "evidence"),
            ("SIGNING_KEY_ID", "key"),
            ("ARCHIVE_BUCKET", "archive"),
            ("ARCHIVE_KEY_ID", "key"),
            ("CANARY_SECRET_ID", "canary"),
            ("SIGNALS_KEY_ID", "signals"),
            ("SIGNALS_SECRET_ID", "signals"),
            ("SLACK_SECRET_ID", "slack"),
            ("SIGNALS_ISSUER", "https://leaver.example"),
            ("JWT_ISSUER", "issuer"),
            ("JWT_AUDIENCE", "audience"),
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", binary.display()));
    listener.set_nonblocking(true).expect("a listener");
    let mut poll = loop {
        if let Ok((poll, _)) = listener.accept() {
            break poll;
        }
        if let Some(ended) = child.try_wait().expect("a child") {
            panic!("{handler} ended before it asked for work: {ended}");
        }
        std::thread::sleep(Duration::from_micros(20));
    };
    poll.set_nonblocking(false).expect("a connection");
    let mut first = [0_u8; 512];
    let read = poll.read(&mut first).expect("a request");
    let took = began.elapsed();
    assert!(first[..read].windows(16).any(|bytes| bytes == b"/invocation/next"), "not a poll");
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|text| text.split_whitespace().next()?.parse().ok()).unwrap_or(0);
    let _ = poll.write_all(b"HTTP/1.1 500 Over\r\ncontent-length: 0\r\n\r\n");
    child.kill().expect("an end");
    child.wait().expect("an end");
    (took, peak)
}
