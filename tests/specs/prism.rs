//! The same requests, sent to somebody else's reader of the same descriptions: Prism (npm) serves each as a mock and
//! refuses what it does not describe. It keeps no state: what a request does is for the stand-ins and the emulators.
//!
//! Answers are left to the schemas' own suite. With `--errors` Prism would check its own examples, and some of GitHub's
//! are wrong.

use crate::{
    Description,
    exchange::Exchange,
    folder, install, play,
    rows::{Follows, Source, rows},
    say,
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};
use tokio::sync::Semaphore;

const PACKAGE: &str = "@stoplight/prism-cli";
const VERSION: &str = "5.16.0";
/// Mocks that run at once: each is a process of its own that reads a megabyte of JSON at its start.
const AT_ONCE: usize = 3;

/// Requests that Prism refuses although they are right: description, operation, and why.
const REFUSED: &[(&str, &str, &str)] = &[];

/// A running mock; ends with the value.
struct Mock {
    child: Child,
    url: String,
    client: reqwest::Client,
}

impl Drop for Mock {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Mock {
    async fn start(prism: &Path, description: &Path) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let child = Command::new("node")
            .arg(prism.join("dist/index.js"))
            .args(["mock", "-h", "127.0.0.1", "-p", &port.to_string()])
            .arg(description)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("node");
        let client = leaver_adapters::http::client().expect("a client");
        let mock = Self { child, url: format!("http://127.0.0.1:{port}"), client };
        for _ in 0..600 {
            if mock.client.get(&mock.url).send().await.is_ok() {
                return mock;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{} did not start", description.display());
    }

    /// What Prism says against a request; `None` where it takes it.
    async fn refusal(&self, asked: &Exchange, path: &str) -> Option<String> {
        let method = reqwest::Method::from_bytes(asked.method.as_bytes()).expect("a method");
        let mut request = self.client.request(method, format!("{}{path}", self.url)).query(&asked.query);
        // GitHub has a media type of its own for what it describes as plain JSON: Prism would refuse to answer in it.
        let own = ["host", "connection", "content-length", "transfer-encoding", "accept"];
        for (name, value) in asked.headers.iter().filter(|(name, _)| !own.contains(&name.as_str())) {
            let value = if name == "authorization" { "Bearer of-nobody" } else { value };
            request = request.header(name, value);
        }
        request = match (asked.content_type(), &asked.body) {
            (_, Value::Null) => request,
            ("application/x-www-form-urlencoded", body) => request.form(body),
            (_, body) => request.body(body.to_string()),
        };
        let answer = request.send().await.expect("the mock");
        let status = answer.status();
        if status.is_success() {
            return None;
        }
        let said: Value = answer.json().await.unwrap_or_default();
        Some(format!("{status}: {} {}", said["title"].as_str().unwrap_or_default(), said["validation"]))
    }
}

/// Of requests that look alike one: the same operation with the same names in query and body.
fn distinct<'a>(
    described: &Description,
    exchanges: &'a [Exchange],
    mount: &str,
) -> Vec<(&'a Exchange, &'a str, String)> {
    let mut all = BTreeMap::new();
    for one in exchanges {
        let Some(path) = one.path.strip_prefix(mount) else { continue };
        let Some(judged) = described.judge(one) else { continue };
        // What the saved description lacks is in the suite's list of known differences.
        if judged.problems.iter().any(|problem| problem.contains("with other methods only")) {
            continue;
        }
        let fields = one.body.as_object().map(|fields| fields.keys().cloned().collect::<Vec<_>>());
        let names: Vec<&String> = one.query.keys().collect();
        let key = format!("{} {names:?} {fields:?}", judged.operation);
        all.entry(key).or_insert((one, path, judged.operation));
    }
    all.into_values().collect()
}

/// Sends what a row asks of one description to its mock, and gives what was refused without a known reason.
async fn replay(
    prism: &Path,
    folder: &Path,
    row: &'static str,
    source: &'static Source,
    places: Arc<Semaphore>,
) -> Vec<String> {
    let Source::OpenApi(file, mount) = source else { return Vec::new() };
    let described = Description::read(folder, source).expect("a description");
    let exchanges = play::recorded(row).await;
    let requests = distinct(&described, &exchanges, mount);
    if requests.is_empty() {
        return vec![format!("{row}: nothing is asked of {file}")];
    }
    let _place = places.acquire().await.expect("a place");
    let mock = Mock::start(prism, &folder.join(file)).await;
    let mut wrong = exchanges.first().cloned().expect("an exchange");
    wrong.headers.insert("authorization".into(), "Bearer of-nobody".into());
    assert!(mock.refusal(&wrong, "/no/such/path").await.is_some(), "{file}: the mock takes anything");
    let mut left = Vec::new();
    for (one, path, operation) in &requests {
        let reason = REFUSED.iter().find(|(of, what, _)| of == file && what == operation);
        match (mock.refusal(one, path).await, reason) {
            (Some(said), None) => left.push(format!("{row}: {operation} by {file}: {said}")),
            (None, Some(_)) => left.push(format!("{row}: {operation} by {file} is not refused any more")),
            _ => {}
        }
    }
    say(&format!("{row}: Prism takes {} requests by {file}", requests.len()));
    left
}

#[tokio::test(flavor = "multi_thread")]
async fn prism_takes_every_request() {
    let Some(folder) = folder() else { return };
    let Some(prism) = install::npm(PACKAGE, VERSION) else { return };
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = Vec::new();
    for row in rows() {
        let Follows::These(sources) = row.follows else { continue };
        for source in sources {
            let (prism, folder, places) = (prism.clone(), folder.clone(), places.clone());
            running.push(tokio::spawn(async move { replay(&prism, &folder, row.id, source, places).await }));
        }
    }
    let mut left = Vec::new();
    for one in running {
        left.extend(one.await.expect("a description"));
    }
    assert!(left.is_empty(), "{} refusals:\n{}", left.len(), left.join("\n"));
}
