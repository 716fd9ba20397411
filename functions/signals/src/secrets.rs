//! What is secret about receivers: the tokens with which they know us, and addresses that nobody else should see.

use leaver_domain::{secret::Secret, signals::Receiver};
use serde::Deserialize;
use std::collections::BTreeMap;
use url::Url;

/// Why there is nowhere to send to. A human mends it; until then the rows come again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// The secret is no JSON object of entries.
    #[error(
        "the signals secret must be a JSON object: receiver's entry to token and, where policy has none, url"
    )]
    Shape,
    /// It has no such entry.
    #[error("the signals secret has no entry `{0}`")]
    Missing(String),
    /// Neither policy nor secret says where it is.
    #[error("neither policy nor secret says where it is")]
    Nowhere,
    /// It is no address that a token may be sent to.
    #[error("its url must begin with https://")]
    Url,
}

/// One entry of the secret.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(default)]
    token: Option<Secret>,
    #[serde(default)]
    url: Option<Secret>,
}

/// Where a receiver is, and with what it knows us. Neither is shown.
#[derive(Clone)]
pub struct Endpoint {
    pub(crate) url: Url,
    pub(crate) token: Option<Secret>,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[endpoint]")
    }
}

/// All entries of the deployment's signals secret.
#[derive(Debug, Clone, Default)]
pub struct Endpoints {
    entries: BTreeMap<String, Entry>,
    plain: bool,
}

impl Endpoints {
    /// The entries of a secret's text.
    ///
    /// # Errors
    /// Where it has another shape; what it holds is not shown.
    pub fn parse(text: &Secret) -> Result<Self, Unusable> {
        let entries = serde_json::from_str(text.expose()).map_err(|_| Unusable::Shape)?;
        Ok(Self { entries, plain: false })
    }

    /// The same, where addresses without TLS will do: the stand-in of a local environment has no certificate.
    pub fn or_plain(mut self, plain: bool) -> Self {
        self.plain = plain;
        self
    }

    /// Where a receiver is.
    ///
    /// # Errors
    /// Where neither policy nor secret says so, or its entry is missing.
    pub fn of(&self, receiver: &Receiver) -> Result<Endpoint, Unusable> {
        let entry = match &receiver.token_secret {
            None => None,
            Some(name) => Some(self.entries.get(name).ok_or_else(|| Unusable::Missing(name.clone()))?),
        };
        let hidden = entry.and_then(|entry| entry.url.as_ref()).map(Secret::expose);
        let url = receiver.url.as_deref().or(hidden).ok_or(Unusable::Nowhere)?;
        let url = Url::parse(url).map_err(|_| Unusable::Url)?;
        if url.scheme() != "https" && !(self.plain && url.scheme() == "http") {
            return Err(Unusable::Url);
        }
        Ok(Endpoint { url, token: entry.and_then(|entry| entry.token.clone()) })
    }
}
