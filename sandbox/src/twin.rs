//! What a stand-in is: one vendor's API as a function from a request and the state to an answer.

use crate::{credentials::Settings, people::SamplePerson, upstream::Upstream};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use leaver_domain::time::Timestamp;
use ring::signature;
use serde::Serialize;
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// The sample data that stand-ins start from.
#[derive(Debug, Clone)]
pub struct World {
    /// All sample people.
    pub people: Vec<SamplePerson>,
    /// The credentials that the stand-ins accept, per system.
    pub settings: Settings,
    /// When the world was made: sample activity lies before it.
    pub born: Timestamp,
}

impl World {
    /// A credential or setting of a system; empty where there is none, which no caller can present.
    pub fn setting(&self, system: &str, name: &str) -> String {
        self.settings.get(system).and_then(|of| of.get(name)).cloned().unwrap_or_default()
    }

    /// The sample people who have an account in a system.
    pub fn people_in<'a>(&'a self, system: &'a str) -> impl Iterator<Item = &'a SamplePerson> {
        self.people.iter().filter(move |sample| sample.has(system))
    }

    /// An instant some hours before the world was made.
    pub fn hours_ago(&self, hours: u32) -> Timestamp {
        self.born.minus(std::time::Duration::from_secs(u64::from(hours) * 3600))
    }
}

/// One request as a stand-in sees it.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The method, in capitals.
    pub method: String,
    /// Path and query as they were sent, the system's prefix included.
    pub target: String,
    /// Decoded path segments below the system's prefix.
    pub path: Vec<String>,
    /// Query parameters; of repeated ones the last.
    pub query: BTreeMap<String, String>,
    /// Headers by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
    /// Address of the system's prefix as the caller wrote it, for links to next pages.
    pub base: String,
    /// Now.
    pub at: Timestamp,
}

impl Ask {
    /// Path segments for matching.
    pub fn segments(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }

    /// The body as JSON; `Null` where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The body as a form.
    pub fn form(&self) -> BTreeMap<String, String> {
        url::form_urlencoded::parse(&self.body).into_owned().collect()
    }

    /// A query parameter; empty where missing.
    pub fn param(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    /// What follows `prefix` in the Authorization header.
    pub fn credential(&self, prefix: &str) -> &str {
        self.headers.get("authorization").and_then(|value| value.strip_prefix(prefix)).unwrap_or("")
    }
}

/// A stand-in's answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// `content-type`, where the headers have none.
    pub media_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// JSON.
    pub fn json(status: u16, body: Value) -> Self {
        Self {
            status,
            headers: Vec::new(),
            media_type: "application/json",
            body: body.to_string().into_bytes(),
        }
    }

    /// No body.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), media_type: "application/json", body: Vec::new() }
    }

    /// The media type that it is sent with.
    pub fn content_type(&self) -> String {
        let given = self.headers.iter().find(|(name, _)| name == "content-type");
        given.map_or_else(|| self.media_type.to_owned(), |(_, value)| value.clone())
    }

    /// With one more header.
    pub fn header(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }
}

/// What the admin face shows of one account.
#[derive(Debug, Clone, Default, Serialize)]
pub struct AccountView {
    /// Whether it exists.
    pub exists: bool,
    /// Whether it can log in.
    pub active: bool,
    /// Sessions alive now.
    pub sessions: Vec<String>,
    /// Credentials that work.
    pub credentials: Vec<String>,
    /// Groups, roles, licences and other permissions held.
    pub grants: Vec<String>,
}

/// What a stand-in answers at the sandbox's own face.
#[derive(Debug)]
pub enum Face {
    /// This.
    Answer(Reply),
    /// What somebody else answers, to whom the vendor would send this.
    Send(Outgoing),
}

/// A request that a vendor sends.
#[derive(Debug)]
pub struct Outgoing {
    /// To where.
    pub to: String,
    /// Its headers.
    pub headers: Vec<(&'static str, String)>,
    /// Its body.
    pub body: String,
    /// How long the vendor waits for the answer.
    pub within: Duration,
}

impl Outgoing {
    /// Sends it, to this machine only, and tells the status, the body and how long it took, in milliseconds. The status is
    /// `null` where no answer came in time.
    pub async fn send(self) -> Reply {
        let here = ["127.0.0.1", "localhost", "[::1]"];
        let is_here = url::Url::parse(&self.to).is_ok_and(|url| {
            url.host_str().is_some_and(|host| here.contains(&host) || host.ends_with(".localhost"))
        });
        if !is_here {
            return Reply::json(400, json!({"error": "only addresses on this machine are sent to"}));
        }
        let Ok(client) = leaver_adapters::http::client() else {
            return Reply::json(503, json!({"error": "no HTTP client"}));
        };
        let mut request = client.post(&self.to).timeout(self.within).body(self.body);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        let began = std::time::Instant::now();
        let answer = async {
            let answer = request.send().await?;
            let status = answer.status().as_u16();
            Ok::<_, reqwest::Error>((status, answer.text().await?))
        };
        let answer = answer.await;
        let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        match answer {
            Ok((status, body)) => Reply::json(200, json!({"status": status, "body": body, "millis": millis})),
            Err(_) => Reply::json(200, json!({"status": null, "body": null, "millis": millis})),
        }
    }
}

/// One vendor.
pub trait Twin: Send {
    /// Answers one request, as the vendor would, authentication included.
    fn answer(&mut self, ask: &Ask) -> Reply;
    /// What is held of a sample person now.
    fn account(&self, username: &str) -> AccountView;
    /// What the sandbox's own face answers beyond accounts, below this system's name; `None` for no such address.
    fn face(&mut self, _: &Ask) -> Option<Face> {
        None
    }
    /// The real service behind it, where one runs beside the sandbox.
    fn upstream(&self) -> Option<Arc<dyn Upstream>> {
        None
    }
}

/// A list of more entries than this comes in a handful of pages, and not in hundreds.
const CROWD: usize = 100;

/// How many entries of a list make a page: few, so that whoever reads the first page alone is found out.
pub fn page_size(all: usize, few: usize) -> usize {
    if all > CROWD { few.max(all / 4) } else { few }
}

/// A page of a list by number of the first entry: the entries and, where more follow, where they start.
pub fn slice<T: Clone>(all: &[T], start: usize, size: usize) -> (Vec<T>, Option<usize>) {
    let end = start.saturating_add(page_size(all.len(), size)).min(all.len());
    let page = all.get(start.min(all.len())..end).unwrap_or_default().to_vec();
    (page, (end < all.len()).then_some(end))
}

/// The `Link` header's next address: the same request, with one parameter replaced.
pub fn next_link(ask: &Ask, name: &str, value: usize) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(ask.query.iter().filter(|(key, _)| key.as_str() != name));
    query.append_pair(name, &value.to_string());
    format!("<{}/{}?{}>; rel=\"next\"", ask.base, ask.path.join("/"), query.finish())
}

/// The claims of a JWT (RS256) that this key signed and that is valid now; `None` for any other text.
pub fn claims(jwt: &str, key_pem: &str, now: Timestamp) -> Option<Value> {
    let (signed, signature) = jwt.rsplit_once('.')?;
    let der: String = key_pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = base64::prelude::BASE64_STANDARD.decode(der).ok()?;
    let pair = signature::RsaKeyPair::from_pkcs8(&der).ok()?;
    let public = signature::UnparsedPublicKey::new(&signature::RSA_PKCS1_2048_8192_SHA256, pair.public());
    public.verify(signed.as_bytes(), &BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?).ok()?;
    let claims: Value =
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(signed.split_once('.')?.1).ok()?).ok()?;
    let (from, until) = (claims["iat"].as_i64()?, claims["exp"].as_i64()?);
    (from <= now.seconds() + 60 && now.seconds() < until && until - from <= 3600).then_some(claims)
}

/// An OAuth token answer for a token derived from the deployment's own credential.
pub fn token_reply(token: &str) -> Reply {
    Reply::json(200, json!({"access_token": token, "token_type": "Bearer", "expires_in": 3600}))
}
