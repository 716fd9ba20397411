//! The canary's ways in: its own credentials, used by the requests that policy spells out.

use async_trait::async_trait;
use leaver_domain::{
    canary::{Canary, CanaryPolicy, Knock, Login},
    custom::{Method, Values},
    id::SystemId,
    person::Person,
    ports::{Keeper, StoreError},
    secret::Secret,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use url::Url;

/// How long one answer is waited for.
const LIMIT: Duration = Duration::from_secs(10);
/// Longest answer that is read, in bytes.
const MAX_BODY: usize = 256 * 1024;

/// One credential of the canary's secret.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Credential {
    /// Address of the system.
    base_url: String,
    /// What stands in the header that policy names.
    #[serde(default = "none")]
    token: Secret,
    /// Where a `POST` without a body is answered with a new `token`, where there is such a place.
    #[serde(default)]
    issue_url: Option<String>,
}

fn none() -> Secret {
    Secret::new(String::new())
}

/// The same as it is written: only into the secret that it came from.
#[derive(Serialize)]
struct Kept<'a> {
    base_url: &'a str,
    token: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    issue_url: Option<&'a str>,
}

/// The canary with its credentials, and where new ones are kept.
pub struct Ways<'a> {
    client: reqwest::Client,
    policy: &'a CanaryPolicy,
    person: Person,
    credentials: Mutex<BTreeMap<SystemId, Credential>>,
    keeper: &'a dyn Keeper,
}

impl<'a> Ways<'a> {
    /// With the credentials of a secret: a JSON object with `base_url`, `token` and, where there is one, `issue_url` per system.
    ///
    /// # Errors
    /// What is wrong with the secret, without a word of it.
    pub fn open(
        client: reqwest::Client,
        policy: &'a CanaryPolicy,
        person: Person,
        secret: &Secret,
        keeper: &'a dyn Keeper,
    ) -> Result<Self, StoreError> {
        let shape = "the canary's secret holds an object with base_url, token and issue_url per system";
        let credentials = serde_json::from_str(secret.expose());
        let credentials = credentials.map_err(|_| StoreError::Corrupt(shape.to_owned()))?;
        Ok(Self { client, policy, person, credentials: Mutex::new(credentials), keeper })
    }

    fn credentials(&self) -> MutexGuard<'_, BTreeMap<SystemId, Credential>> {
        self.credentials.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn credential(&self, system: &SystemId) -> Option<Credential> {
        self.credentials().get(system).cloned()
    }

    async fn ask(&self, login: &Login, credential: &Credential, system: &SystemId) -> Result<Knock, String> {
        let values = Values::of(&self.person, system.as_str(), None);
        let unfilled = |_| "its request cannot be filled".to_owned();
        let mut url = address(&credential.base_url)?;
        let segments = values.segments(&login.request.path).map_err(unfilled)?;
        url.path_segments_mut()
            .map_err(|()| "its base_url cannot be used".to_owned())?
            .pop_if_empty()
            .extend(&segments);
        for (name, value) in &login.request.query {
            url.query_pairs_mut().append_pair(name, &values.fill(value).map_err(unfilled)?);
        }
        let value = format!("{}{}", login.header.prefix, credential.token.expose());
        let request = match login.request.method {
            Method::Post => self.client.post(url),
            _ => self.client.get(url),
        };
        let request = request.header(login.header.name.to_ascii_lowercase(), value).timeout(LIMIT);
        let request = match &login.request.body {
            Some(body) => request.json(&values.body(body).map_err(unfilled)?),
            None => request,
        };
        let answer = request.send().await.map_err(|_| "no answer".to_owned())?;
        let status = answer.status().as_u16();
        let body = read(answer).await?;
        Ok(login.judge(status, body.as_ref()))
    }

    /// What the secret holds from now on.
    fn text(&self) -> Result<Secret, StoreError> {
        let credentials = self.credentials();
        let kept: BTreeMap<_, _> = credentials
            .iter()
            .map(|(system, of)| {
                let issue_url = of.issue_url.as_deref();
                (system, Kept { base_url: &of.base_url, token: of.token.expose(), issue_url })
            })
            .collect();
        let text = serde_json::to_string(&kept).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        Ok(Secret::new(text))
    }
}

/// An address that a credential may be sent to: over TLS, or on this machine.
fn address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|_| "its address cannot be used".to_owned())?;
    let here = url.host_str().is_some_and(|host| ["127.0.0.1", "localhost", "[::1]"].contains(&host));
    match url.scheme() {
        "https" => Ok(url),
        "http" if here => Ok(url),
        _ => Err("its address does not begin with https://".to_owned()),
    }
}

/// The answer as JSON; `None` where it is none.
async fn read(mut answer: reqwest::Response) -> Result<Option<Value>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|_| "the answer broke off".to_owned())? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_BODY {
            return Err("the answer is too long".to_owned());
        }
    }
    Ok(serde_json::from_slice(&body).ok())
}

#[async_trait]
impl Canary for Ways<'_> {
    async fn log_in(&self, system: &SystemId) -> Knock {
        let Some(login) = self.policy.systems.get(system) else {
            return Knock::Unclear("policy does not say how".to_owned());
        };
        match self.credential(system) {
            Some(credential) if !credential.token.expose().is_empty() => {
                self.ask(login, &credential, system).await.unwrap_or_else(Knock::Unclear)
            }
            _ => Knock::Unclear("the canary's secret holds no credential".to_owned()),
        }
    }

    async fn renew(&self, system: &SystemId) -> Result<bool, StoreError> {
        let issue_url = self.credential(system).and_then(|credential| credential.issue_url);
        let Some(issue_url) = issue_url else { return Ok(false) };
        let failed = |why: String| StoreError::Unavailable(format!("{system}: {why}"));
        let url = address(&issue_url).map_err(failed)?;
        let sent = self.client.post(url).timeout(LIMIT).send().await;
        let answer = sent.map_err(|_| failed("no answer".to_owned()))?;
        let status = answer.status().as_u16();
        let body = read(answer).await.map_err(failed)?;
        let token = body.as_ref().and_then(|body| body["token"].as_str()).filter(|token| !token.is_empty());
        let token = token.ok_or_else(|| failed(format!("{status}, and no new credential")))?;
        if let Some(credential) = self.credentials().get_mut(system) {
            credential.token = Secret::new(token.to_owned());
        }
        let text = self.text()?;
        self.keeper.keep(&text).await.map(|()| true)
    }
}
