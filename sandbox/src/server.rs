//! The server: tells a connection's protocol by its first byte, routes a request to its stand-in or to the sandbox's own face,
//! injects faults, records what was asked.

use crate::{
    active_directory,
    admin::{Answer, Fault, Record, Recorded, is_hidden, redacted, shown},
    doors, people, receiver,
    twin::{Ask, Face, Reply, Twin, World},
    twins,
    witness::Witness,
};
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use leaver_domain::time::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Largest body that is read.
const MAX_BODY: usize = 1024 * 1024;

/// Path prefix of the log's witness, which stands beside the vendors.
const WITNESS: &str = "witness";

struct Inner {
    world: World,
    twins: BTreeMap<&'static str, Box<dyn Twin>>,
    records: BTreeMap<&'static str, Record>,
    faults: Vec<Fault>,
    transmitter: Option<receiver::Transmitter>,
    witness: Witness,
}

/// A running set of stand-ins; clones share it.
#[derive(Clone)]
pub struct Sandbox(Arc<Mutex<Inner>>);

pub(crate) fn now() -> Timestamp {
    Timestamp::from_jiff(jiff::Timestamp::now())
}

impl Sandbox {
    /// Stand-ins with these people, accepting these credentials.
    ///
    /// # Errors
    /// Where the witness cannot make its key.
    pub fn new(
        people: Vec<people::SamplePerson>,
        settings: crate::credentials::Settings,
    ) -> Result<Self, String> {
        let world = World { people, settings, born: now() };
        let (twins, records) = fresh(&world, None);
        let witness = Witness::new()?;
        let inner = Inner { world, twins, records, faults: Vec::new(), transmitter: None, witness };
        Ok(Self(Arc::new(Mutex::new(inner))))
    }

    /// Brings the services behind the stand-ins, where there are any, to the sample data. May be repeated.
    ///
    /// # Errors
    /// What a service says.
    pub async fn seed(&self) -> Result<(), String> {
        let upstreams: Vec<_> = self.lock().twins.values().filter_map(|twin| twin.upstream()).collect();
        for upstream in upstreams {
            upstream.seed().await?;
        }
        Ok(())
    }

    /// Serves until the process ends: HTTP, and beside it what other protocols their first byte tells.
    ///
    /// # Errors
    /// What the listener says.
    pub async fn serve(self, listener: TcpListener) -> io::Result<()> {
        let (http, connections) = doors::http(listener.local_addr()?);
        let served = axum::serve(http, Router::new().fallback(handle).with_state(self.clone())).into_future();
        tokio::select! {
            ended = served => ended,
            () = doors::sort(listener, self, connections) => Ok(()),
        }
    }

    /// How the directory's stand-in proves who it is; `None` where it has no certificate.
    pub(crate) fn directory(&self) -> Option<TlsAcceptor> {
        active_directory::acceptor(&self.lock().world)
    }

    /// The fault that a request runs into, counted as used.
    pub(crate) fn fault_for(&self, system: &str, line: &str) -> Option<Fault> {
        self.lock().faults.iter_mut().find_map(|fault| fault.hits(system, line).then(|| fault.clone()))
    }

    /// Puts a request on record.
    pub(crate) fn note(&self, system: &str, request: Recorded) {
        if let Some(record) = self.lock().records.get_mut(system) {
            record.push(request);
        }
    }

    /// A setting that the stand-ins were made with.
    pub(crate) fn setting(&self, system: &str, name: &str) -> String {
        self.lock().world.setting(system, name)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Fresh = (BTreeMap<&'static str, Box<dyn Twin>>, BTreeMap<&'static str, Record>);

fn fresh(world: &World, transmitter: Option<receiver::Transmitter>) -> Fresh {
    let mut twins: BTreeMap<_, _> = twins(world).into_iter().collect();
    twins.insert(receiver::ID, receiver::twin(world, transmitter));
    let records = twins.keys().map(|id| (*id, Record::default())).collect();
    (twins, records)
}

async fn handle(State(sandbox): State<Sandbox>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, MAX_BODY).await else {
        return respond(Reply::json(413, json!({"error": "body too large"})));
    };
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let mut path: Vec<String> = parts.uri.path().trim_matches('/').split('/').map(decode).collect();
    let system = path.remove(0);
    let query: BTreeMap<String, String> =
        url::form_urlencoded::parse(parts.uri.query().unwrap_or("").as_bytes()).into_owned().collect();
    let host = parts.headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1");
    let ask = Ask {
        method: parts.method.to_string(),
        target: parts.uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
        path,
        query,
        headers: lower(&parts.headers),
        body: body.to_vec(),
        base: format!("http://{host}/{system}"),
        at: now(),
    };
    if system == "_sandbox" {
        return respond(face(&sandbox, &ask).await);
    }
    let line = format!("{} {}?{}", ask.method, parts.uri.path(), parts.uri.query().unwrap_or(""));
    match exchange(&sandbox, &system, &ask, &line).await {
        Some(reply) => respond(reply),
        // A body that fails before its first byte makes hyper close the connection.
        None => {
            let broken = futures_body();
            let mut response = Response::new(broken);
            response.headers_mut().insert("content-length", axum::http::HeaderValue::from_static("1024"));
            response
        }
    }
}

/// What a stand-in answers, or a fault in its place; `None` where the connection is to be closed. Everything is recorded,
/// whatever protocol it came by.
pub(crate) async fn exchange(sandbox: &Sandbox, system: &str, ask: &Ask, line: &str) -> Option<Reply> {
    let fault = sandbox.fault_for(system, line);
    if let Some(wait) = fault.as_ref().and_then(|fault| fault.latency_ms) {
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }
    let instead = fault.as_ref().filter(|fault| fault.is_instead());
    let reply = match instead {
        Some(fault) if fault.drop => None,
        Some(fault) => Some(injected(fault)),
        None => Some(vendor(sandbox, system, ask).await),
    };
    record(sandbox, system, ask, reply.as_ref(), instead.is_some());
    reply
}

fn futures_body() -> Body {
    Body::from_stream(Broken)
}

struct Broken;

impl futures_core::Stream for Broken {
    type Item = Result<Vec<u8>, io::Error>;
    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::task::Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::ConnectionReset))))
    }
}

fn lower(headers: &HeaderMap) -> BTreeMap<String, String> {
    headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
        .collect()
}

async fn vendor(sandbox: &Sandbox, system: &str, ask: &Ask) -> Reply {
    if system == WITNESS {
        return sandbox.lock().witness.answer(ask);
    }
    let upstream = sandbox.lock().twins.get(system).and_then(|twin| twin.upstream());
    if let Some(upstream) = upstream.filter(|upstream| upstream.takes(ask)) {
        return upstream.answer(ask).await;
    }
    match sandbox.lock().twins.get_mut(system) {
        Some(twin) => twin.answer(ask),
        None => Reply::json(404, json!({"error": "no such system in the sandbox"})),
    }
}

fn injected(fault: &Fault) -> Reply {
    let body = match &fault.body {
        None => Vec::new(),
        Some(Value::String(text)) => text.clone().into_bytes(),
        Some(value) => value.to_string().into_bytes(),
    };
    let mut reply = Reply { body, ..Reply::empty(fault.status.unwrap_or(200)) };
    reply.headers.extend(fault.headers.clone());
    reply
}

fn record(sandbox: &Sandbox, system: &str, ask: &Ask, reply: Option<&Reply>, injected: bool) {
    let query = ask.query.iter().map(|(name, value)| {
        (name.clone(), if is_hidden(name) { "[secret]".to_owned() } else { value.clone() })
    });
    let media_type = ask.headers.get("content-type").map_or("", String::as_str);
    let sent = ask.target.split('?').next().unwrap_or_default().trim_start_matches('/');
    let answered = reply.filter(|reply| !reply.body.is_empty());
    let request = Recorded {
        at: ask.at.to_string(),
        method: ask.method.clone(),
        path: format!("/{}", ask.path.join("/")),
        sent: sent.split_once('/').map_or_else(|| "/".to_owned(), |(_, below)| format!("/{below}")),
        headers: shown(&ask.headers),
        query: query.collect(),
        body: redacted(&ask.body, media_type),
        status: reply.map(|reply| reply.status),
        media_type: answered.map(Reply::content_type).unwrap_or_default(),
        answer: answered.map(|reply| Answer(reply.body.clone())).unwrap_or_default(),
        injected,
    };
    sandbox.note(system, request);
}

fn respond(reply: Reply) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut builder = Response::builder().status(status);
    if !reply.headers.iter().any(|(name, _)| name == "content-type") {
        builder = builder.header("content-type", reply.media_type);
    }
    for (name, value) in reply.headers {
        builder = builder.header(name, value);
    }
    builder.body(Body::from(reply.body)).unwrap_or_default()
}

/// The sandbox's own face.
async fn face(sandbox: &Sandbox, ask: &Ask) -> Reply {
    let failed = |why: String| Reply::json(503, json!({"error": why}));
    match (ask.method.as_str(), ask.segments().as_slice()) {
        ("GET", [system, "accounts", username]) => {
            let found =
                sandbox.lock().twins.get(system).map(|twin| (twin.account(username), twin.upstream()));
            let view = match found {
                None => return Reply::json(404, json!({"error": "no such system"})),
                Some((here, None)) => Ok(here),
                Some((here, Some(upstream))) => upstream.account(username, here).await,
            };
            view.map_or_else(failed, |view| Reply::json(200, json!(view)))
        }
        ("POST", ["reset"]) => {
            reset(sandbox);
            sandbox.seed().await.map_or_else(failed, |()| Reply::empty(204))
        }
        _ => match own(sandbox, ask) {
            Some(Face::Answer(reply)) => reply,
            // Whoever is sent to may call back: the sandbox is not locked meanwhile.
            Some(Face::Send(outgoing)) => outgoing.send().await,
            None => held(sandbox, ask),
        },
    }
}

/// What a stand-in answers itself at the sandbox's own face.
fn own(sandbox: &Sandbox, ask: &Ask) -> Option<Face> {
    let system = ask.path.first()?;
    sandbox.lock().twins.get_mut(system.as_str())?.face(ask)
}

fn reset(sandbox: &Sandbox) {
    let mut inner = sandbox.lock();
    let inner = &mut *inner;
    inner.world.born = now();
    (inner.twins, inner.records) = fresh(&inner.world, inner.transmitter.clone());
    inner.faults.clear();
}

/// What the sandbox answers from what it holds itself.
fn held(sandbox: &Sandbox, ask: &Ask) -> Reply {
    let mut inner = sandbox.lock();
    let inner = &mut *inner;
    match (ask.method.as_str(), ask.segments().as_slice()) {
        ("GET", ["health"]) => Reply::json(200, json!({"systems": inner.twins.keys().collect::<Vec<_>>()})),
        ("GET", [system, "requests"]) => match inner.records.get(system) {
            Some(record) => Reply::json(200, json!(record.requests())),
            None => Reply::json(404, json!({"error": "no such system"})),
        },
        ("POST", ["faults"]) => match serde_json::from_slice::<Fault>(&ask.body) {
            Ok(fault) if fault.system == WITNESS || inner.twins.contains_key(fault.system.as_str()) => {
                inner.faults.push(fault);
                Reply::json(201, json!({"faults": inner.faults.len()}))
            }
            Ok(_) => Reply::json(404, json!({"error": "no such system"})),
            Err(error) => Reply::json(400, json!({"error": error.to_string()})),
        },
        // Whose tokens the receiver takes outlives a reset: the deployment and its key do, too.
        ("PUT", [receiver::ID, "transmitter"]) => match serde_json::from_slice(&ask.body) {
            Ok(transmitter) => {
                inner.transmitter = Some(transmitter);
                inner.twins.insert(receiver::ID, receiver::twin(&inner.world, inner.transmitter.clone()));
                Reply::empty(204)
            }
            Err(error) => Reply::json(400, json!({"error": error.to_string()})),
        },
        ("GET", ["witness"]) => Reply::json(200, inner.witness.view()),
        ("POST", ["witness"]) => match inner.witness.trust(&String::from_utf8_lossy(&ask.body)) {
            Ok(()) => Reply::json(201, inner.witness.view()),
            Err(why) => Reply::json(400, json!({"error": why})),
        },
        ("DELETE", ["faults"]) => {
            inner.faults.clear();
            Reply::empty(204)
        }
        _ => Reply::json(404, json!({"error": "the sandbox has no such address"})),
    }
}
