//! The one HTTP client that all adapters use: addresses injected, secrets kept out of errors, answers limited,
//! every status turned into a fault in one table.

mod call;
mod faults;

pub use call::{Answer, Body, Call, Command, Query};
pub(crate) use faults::{fault_of, plain, wait_asked};

use crate::{auth::Auth, pace::Pace, settings::Settings};
use leaver_domain::{
    fault::{Fault, FaultKind},
    pace::{Call as Kind, Pacer},
    time::Timestamp,
};
use reqwest::header::{HeaderName, HeaderValue};
use std::{
    collections::BTreeMap,
    ops::Deref,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::time::{Instant, sleep, timeout};
use url::Url;

/// Longest body that is read; a longer one is a fault.
const MAX_BODY: usize = 8 * 1024 * 1024;
/// Longest single call.
const CALL_LIMIT: Duration = Duration::from_secs(12);
/// Longest wait inside an invocation; a longer one is left to the state machine.
const LONGEST_WAIT: Duration = Duration::from_secs(4);
/// Tries of one call inside an invocation.
const TRIES: u32 = 3;

/// Where a system's API listens: a host's name (empty for the main one) and its address at the vendor.
pub type Hosts = &'static [(&'static str, &'static str)];

/// Where the time comes from.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

struct Core {
    client: reqwest::Client,
    hosts: BTreeMap<&'static str, Url>,
    auth: Auth,
    clock: Clock,
    pace: OnceLock<Pace>,
}

/// Reads from one system. It has no way to send a [`Command`]: a dry run holds nothing else.
#[derive(Clone)]
pub struct Reader {
    core: Arc<Core>,
    deadline: Instant,
    aside: bool,
}

/// Reads from and writes to one system.
#[derive(Clone)]
pub struct Writer(Reader);

impl Deref for Writer {
    type Target = Reader;
    fn deref(&self) -> &Reader {
        &self.0
    }
}

/// A client with the public web's roots (webpki) and ring; built once per process and shared.
///
/// # Errors
/// `Internal` where the TLS configuration cannot be built.
pub fn client() -> Result<reqwest::Client, Fault> {
    let internal = |what: String| Fault::new(FaultKind::Internal, what);
    let roots = rustls::RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| internal(format!("no TLS protocol version: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .user_agent(concat!("leaver/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .map_err(|error| internal(format!("the HTTP client could not be built: {}", error.without_url())))
}

impl Writer {
    /// A connection to one system, good until the deadline.
    ///
    /// # Errors
    /// `CredentialRejected` where an address in the settings is unusable.
    pub fn open(
        client: reqwest::Client,
        of: Hosts,
        settings: &Settings,
        auth: Auth,
        clock: Clock,
        budget: Duration,
    ) -> Result<Self, Fault> {
        let mut hosts = BTreeMap::new();
        for (name, vendor) in of {
            hosts.insert(*name, settings.url(name, vendor)?);
        }
        let deadline = Instant::now() + budget;
        let core = Arc::new(Core { client, hosts, auth, clock, pace: OnceLock::new() });
        Ok(Self(Reader { core, deadline, aside: false }))
    }

    /// The same, keeping to the vendor's quotas together with all other connections to the system.
    pub fn paced(self, system: &str, pacer: Arc<dyn Pacer>) -> Self {
        self.0.core.pace.get_or_init(|| Pace::new(system, pacer));
        self
    }

    /// Only the reading half.
    pub fn reader(&self) -> &Reader {
        &self.0
    }

    /// Changes something. A call that was refused by a rate limit is tried again within the invocation; any other
    /// failure goes to the loop, which reads afresh before anything is repeated.
    ///
    /// # Errors
    /// As the status table says.
    pub async fn tell(&self, command: Command) -> Result<Answer, Fault> {
        self.0.send(command.0, Kind::Write, |kind| kind == FaultKind::Throttled).await
    }
}

impl Reader {
    /// Reads. Rate limits and outages are tried again within the invocation.
    ///
    /// # Errors
    /// As the status table says.
    pub async fn ask(&self, query: Query) -> Result<Answer, Fault> {
        let again = |kind| matches!(kind, FaultKind::Throttled | FaultKind::Unavailable);
        self.send(query.0, Kind::Read, again).await
    }

    /// Reads what may be missing: `None` for 404.
    ///
    /// # Errors
    /// As the status table says, but for `NotFound`.
    pub async fn find(&self, query: Query) -> Result<Option<Answer>, Fault> {
        match self.ask(query).await {
            Ok(answer) => Ok(Some(answer)),
            Err(fault) if fault.kind == FaultKind::NotFound => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// The query for the next page at an address that the vendor gave, which must lie at the same host.
    ///
    /// # Errors
    /// `UnexpectedShape` for an address elsewhere: credentials must not follow it.
    pub fn follow(&self, from: &Query, link: &str) -> Result<Query, Fault> {
        let base = self.base(from.0.host)?;
        let url = base.join(link).map_err(|_| Fault::shape("the next page's address is not one"))?;
        if url.origin() != base.origin() || !url.path().starts_with(base.path()) {
            return Err(Fault::shape("the next page's address leads to another host"));
        }
        let mut next = from.clone();
        next.0.query.clear();
        next.0.absolute = Some(url);
        Ok(next)
    }

    /// The same for what is worth knowing but not worth waiting for: good for this long at most, and where the vendor asks to
    /// wait, that is nobody else's business.
    #[must_use]
    pub fn aside(&self, time: Duration) -> Self {
        let deadline = self.deadline.min(Instant::now() + time);
        Self { core: self.core.clone(), deadline, aside: true }
    }

    /// What the clock says.
    pub fn now(&self) -> Timestamp {
        (self.core.clock)()
    }

    /// Which of these scopes the vendor gives no token for.
    ///
    /// # Errors
    /// What fetching a token says.
    pub async fn scopes_refused(&self, scopes: &[&'static str]) -> Result<Vec<&'static str>, Fault> {
        self.core.auth.refused(&self.core.client, scopes, self.now()).await
    }

    /// How much of the invocation's time is left, for systems that are not reached by HTTP.
    pub fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Waits within the invocation's time, for changes that the vendor makes in the background.
    /// False where that time is not left.
    pub async fn pause(&self, time: Duration) -> bool {
        let fits = Instant::now() + time + Duration::from_secs(2) < self.deadline;
        if fits {
            sleep(time).await;
        }
        fits
    }

    fn base(&self, host: &str) -> Result<&Url, Fault> {
        self.core
            .hosts
            .get(host)
            .ok_or_else(|| Fault::new(FaultKind::Internal, format!("no host `{host}` in the spec")))
    }

    /// Waits for the call's place among all that reach this system.
    async fn take_place(&self, call: &Call, kind: Kind) -> Result<(), Fault> {
        let Some(pace) = self.core.pace.get() else { return Ok(()) };
        let patience = LONGEST_WAIT.min(self.left().saturating_sub(Duration::from_secs(2)));
        let wait = pace.enter((call.host, &call.path), kind, self.now(), patience).await;
        let full = || Fault::new(FaultKind::Throttled, "the vendor's quota is used up by other cases");
        let wait = wait.ok_or_else(|| full().after(Some(LONGEST_WAIT)))?;
        if !wait.is_zero() {
            sleep(wait).await;
        }
        Ok(())
    }

    async fn send(&self, call: Call, of: Kind, again: impl Fn(FaultKind) -> bool) -> Result<Answer, Fault> {
        let mut tried = 0;
        loop {
            tried += 1;
            self.take_place(&call, of).await?;
            match self.once(&call).await {
                Ok(answer) => return Ok(answer),
                Err(fault) => self.try_again(tried, fault, &again).await?,
            }
        }
    }

    /// Waits before a call that failed is tried again, for every protocol.
    ///
    /// # Errors
    /// The failure itself, where it is not to be repeated or not within the invocation's time.
    pub(crate) async fn try_again(
        &self,
        tried: u32,
        fault: Fault,
        again: impl Fn(FaultKind) -> bool,
    ) -> Result<(), Fault> {
        if let (FaultKind::Throttled, Some(wait), Some(pace), false) =
            (fault.kind, fault.retry_after, self.core.pace.get(), self.aside)
        {
            pace.hold(self.now().plus(wait)).await;
        }
        let wait = fault.retry_after.unwrap_or(Duration::from_millis(150 * 2_u64.pow(tried)));
        if tried >= TRIES || !again(fault.kind) || wait > LONGEST_WAIT || !self.pause(wait).await {
            return Err(fault);
        }
        Ok(())
    }

    /// How long one call may take now.
    pub(crate) fn call_limit(&self) -> Duration {
        self.left().min(CALL_LIMIT)
    }

    async fn once(&self, call: &Call) -> Result<Answer, Fault> {
        let base = self.base(call.host)?;
        let mut url = match &call.absolute {
            Some(url) => url.clone(),
            None => base.join(&call.path).map_err(|_| Fault::shape("a path that is no address"))?,
        };
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        let what = format!("{} /{}", call.method, url.path().trim_start_matches(base.path()));
        let request = self.build(call, url)?;
        let left = self.call_limit();
        let sent = async {
            let request = self
                .core
                .auth
                .at(call.host)
                .authorize(&self.core.client, request, (self.core.clock)())
                .await?;
            let response =
                self.core.client.execute(request).await.map_err(|error| unreachable(&what, &error))?;
            receive(response, what.clone()).await
        };
        let answer = match timeout(left, sent).await {
            Ok(answer) => answer?,
            Err(_) => return Err(Fault::new(FaultKind::Unavailable, format!("{what}: no answer in time"))),
        };
        if (200..300).contains(&answer.status) {
            return Ok(answer);
        }
        Err(fault_of(&answer, (self.core.clock)()))
    }

    fn build(&self, call: &Call, url: Url) -> Result<reqwest::Request, Fault> {
        let mut request = reqwest::Request::new(call.method.clone(), url);
        let bad = |_| Fault::new(FaultKind::Internal, "a header has characters that HTTP does not allow");
        request.headers_mut().insert("accept", HeaderValue::from_static("application/json"));
        for (name, value) in &call.headers {
            let name = HeaderName::from_static(name);
            request.headers_mut().insert(name, HeaderValue::from_str(value).map_err(bad)?);
        }
        let (media_type, bytes) = match &call.body {
            Body::Empty => return Ok(request),
            Body::Json(value, media_type) => (*media_type, value.to_string().into_bytes()),
            Body::Form(pairs) => {
                let mut form = url::form_urlencoded::Serializer::new(String::new());
                ("application/x-www-form-urlencoded", form.extend_pairs(pairs).finish().into_bytes())
            }
        };
        request.headers_mut().insert("content-type", HeaderValue::from_static(media_type));
        *request.body_mut() = Some(bytes.into());
        Ok(request)
    }
}

/// A failure without an answer. Only the kind of failure is told: an address can hold a secret.
pub(crate) fn unreachable(what: &str, error: &reqwest::Error) -> Fault {
    let how = match error {
        _ if error.is_timeout() => "no answer in time",
        _ if error.is_connect() => "no connection",
        _ => "the connection broke",
    };
    Fault::new(FaultKind::Unavailable, format!("{what}: {how}"))
}

/// Reads an answer up to the limit.
pub(crate) async fn receive(mut response: reqwest::Response, what: String) -> Result<Answer, Fault> {
    let (status, headers) = (response.status().as_u16(), std::mem::take(response.headers_mut()));
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(&what, &error))? {
        if body.len() + chunk.len() > MAX_BODY {
            return Err(Fault::shape(format!("{what}: the answer is longer than {MAX_BODY} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, headers, body, what })
}
