//! How a call proves who it is: fixed tokens, tokens fetched with a client's secret or a signed assertion, and AWS
//! signatures. Fetched tokens are kept in memory until shortly before they end.

use crate::{
    http::{fault_of, receive, unreachable},
    settings::OwnIdentity,
    sigv4,
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use leaver_domain::{
    fault::{Fault, FaultKind},
    secret::Secret,
    time::Timestamp,
};
use reqwest::{
    Request,
    header::{AUTHORIZATION, HeaderName, HeaderValue},
};
use ring::{rand::SystemRandom, signature};
use serde::Deserialize;
use serde_json::json;
use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};
use tokio::sync::Mutex;
use url::Url;

/// How much of a token's life is left unused, against clocks that differ.
const MARGIN: Duration = Duration::from_secs(60);

/// A header that is never sent. It names the user in whose name one call is made, where that is not the subject of the
/// settings: Gmail opens a mailbox to its owner only.
pub const ACT_AS: &str = "leaver-act-as";

/// An RSA key that signs assertions (RS256).
#[derive(Clone)]
pub struct SigningKey(Arc<signature::RsaKeyPair>);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl SigningKey {
    /// From a PEM text, PKCS#8 (`PRIVATE KEY`) or PKCS#1 (`RSA PRIVATE KEY`).
    ///
    /// # Errors
    /// `CredentialRejected` where it is neither.
    pub fn from_pem(pem: &Secret) -> Result<Self, Fault> {
        let bad =
            || Fault::new(FaultKind::CredentialRejected, "the private key is not an RSA key in PEM form");
        let body: String = pem.expose().lines().filter(|line| !line.starts_with("-----")).collect();
        let der = base64::prelude::BASE64_STANDARD.decode(body.trim()).map_err(|_| bad())?;
        let pair = match pem.expose().contains("BEGIN RSA PRIVATE KEY") {
            true => signature::RsaKeyPair::from_der(&der),
            false => signature::RsaKeyPair::from_pkcs8(&der),
        };
        Ok(Self(Arc::new(pair.map_err(|_| bad())?)))
    }

    /// A JWT (RFC 7515, RS256) over these claims.
    ///
    /// # Errors
    /// `Internal` where signing fails.
    pub fn jwt(&self, key_id: Option<&str>, claims: &serde_json::Value) -> Result<Secret, Fault> {
        self.signed("JWT", key_id, claims)
    }

    fn signed(&self, kind: &str, key_id: Option<&str>, claims: &serde_json::Value) -> Result<Secret, Fault> {
        let mut header = json!({"alg": "RS256", "typ": kind});
        if let Some(kid) = key_id {
            header["kid"] = kid.into();
        }
        let part = |value: &serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(claims));
        let mut signature = vec![0; self.0.public().modulus_len()];
        let random = SystemRandom::new();
        let sign = self.0.sign(&signature::RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature);
        sign.map_err(|_| Fault::new(FaultKind::Internal, "signing an assertion failed"))?;
        Ok(Secret::new(format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))))
    }
}

/// How an access token is fetched.
#[derive(Debug, Clone)]
pub enum Exchange {
    /// OAuth 2.0 client credentials (RFC 6749, 4.4): Microsoft Graph and others.
    ClientCredentials {
        /// The client's id.
        client_id: String,
        /// The client's secret.
        client_secret: Secret,
        /// Scopes, separated by spaces.
        scope: String,
    },
    /// The same with id and secret by HTTP Basic (RFC 6749, 2.3.1) and the client's own scopes: 1Password.
    BasicCredentials {
        /// The client's id.
        client_id: String,
        /// The client's secret.
        client_secret: Secret,
    },
    /// JWT bearer assertion (RFC 7523): Google's domain-wide delegation.
    JwtBearer {
        /// Who signs.
        issuer: String,
        /// In whose name.
        subject: Option<String>,
        /// Scopes, separated by spaces.
        scope: String,
        /// The key and its id.
        key: SigningKey,
        /// `kid` of the key.
        key_id: Option<String>,
    },
    /// JWT bearer assertion for one audience, without scopes and good for moments only: Salesforce.
    Assertion {
        /// Who signs.
        issuer: String,
        /// In whose name.
        subject: String,
        /// For whom, which is not where it is sent.
        audience: String,
        /// The key.
        key: SigningKey,
    },
    /// A GitHub App's JWT for an installation's token.
    GithubApp {
        /// The App's id.
        app_id: String,
        /// The App's key.
        key: SigningKey,
    },
    /// A lasting API key, sent in a header of the vendor's own, for a short-lived token: Verkada.
    ApiKey {
        /// The header's name.
        header: HeaderName,
        /// The key.
        key: Secret,
    },
}

/// How a system's calls are authorised.
#[derive(Clone)]
pub enum Auth {
    /// None: the system is not reached by HTTP.
    None,
    /// A fixed header, such as `Authorization: SSWS ...`.
    Header {
        /// The header's name.
        name: HeaderName,
        /// What stands before the secret.
        prefix: &'static str,
        /// The secret.
        value: Secret,
    },
    /// A bearer token that is fetched and renewed.
    Token(TokenSource),
    /// A token of its own for each call, signed by leaver and good for a few minutes (RFC 7523's form).
    SignedCall {
        /// The key.
        key: SigningKey,
        /// Its `kid`.
        key_id: Option<String>,
        /// `iss` and `sub`.
        issuer: String,
        /// `aud`.
        audience: String,
        /// `typ` of the token.
        kind: &'static str,
    },
    /// The same in a header of the vendor's own, with nothing before it.
    TokenIn(HeaderName, TokenSource),
    /// AWS Signature Version 4 for the service that the address names.
    Aws(OwnIdentity),
    /// Another proof for each of the system's hosts, by its name.
    ByHost(BTreeMap<&'static str, Auth>),
}

/// Tokens and until when they work, by whom they act as where that differs from the settings.
type HeldTokens = BTreeMap<Option<String>, (Secret, Timestamp)>;

/// A source of access tokens.
#[derive(Clone)]
pub struct TokenSource {
    url: Url,
    exchange: Exchange,
    held: Arc<Mutex<HeldTokens>>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    #[serde(alias = "token")]
    access_token: Secret,
    expires_in: Option<u64>,
    expires_at: Option<Timestamp>,
}

impl Auth {
    /// `Authorization: Bearer <token>`.
    pub fn bearer(token: Secret) -> Self {
        Self::Header { name: AUTHORIZATION, prefix: "Bearer ", value: token }
    }

    /// A token fetched from an endpoint.
    pub fn token(url: Url, exchange: Exchange) -> Self {
        Self::Token(TokenSource { url, exchange, held: Arc::default() })
    }

    /// Which of these scopes no token is given for, each asked for by itself. Empty where no token is fetched.
    ///
    /// # Errors
    /// What fetching a token says; `CredentialRejected` where it is refused for every scope: then it is not the scope.
    pub(crate) async fn refused(
        &self,
        client: &reqwest::Client,
        scopes: &[&'static str],
        now: Timestamp,
    ) -> Result<Vec<&'static str>, Fault> {
        let (Self::Token(source) | Self::TokenIn(_, source)) = self else { return Ok(Vec::new()) };
        let mut refused = Vec::new();
        let mut last = None;
        for scope in scopes {
            let alone = source.for_scope(scope);
            match alone.token(client, now, None).await {
                Ok(_) => {}
                Err(fault) if fault.kind == FaultKind::CredentialRejected => {
                    refused.push(*scope);
                    last = Some(fault);
                }
                Err(fault) => return Err(fault),
            }
        }
        match last {
            Some(fault) if refused.len() == scopes.len() => Err(fault),
            _ => Ok(refused),
        }
    }

    /// The proof for one of the system's hosts.
    pub(crate) fn at(&self, host: &str) -> &Self {
        match self {
            Self::ByHost(hosts) => hosts.get(host).unwrap_or(self),
            one => one,
        }
    }

    /// A token fetched from an endpoint and sent in a header of the vendor's own.
    pub fn token_in(name: HeaderName, url: Url, exchange: Exchange) -> Self {
        Self::TokenIn(name, TokenSource { url, exchange, held: Arc::default() })
    }

    /// Puts the proof on a request.
    ///
    /// # Errors
    /// What fetching a token says; `CredentialRejected` for a secret that no header can hold.
    pub(crate) async fn authorize(
        &self,
        client: &reqwest::Client,
        mut request: Request,
        now: Timestamp,
    ) -> Result<Request, Fault> {
        let act_as = request.headers_mut().remove(ACT_AS);
        let act_as = act_as.and_then(|subject| subject.to_str().ok().map(str::to_owned));
        let (name, text) = match self {
            Self::None => return Ok(request),
            Self::Header { name, prefix, value } => (name.clone(), format!("{prefix}{}", value.expose())),
            Self::Token(source) => {
                (AUTHORIZATION, format!("Bearer {}", source.token(client, now, act_as).await?.expose()))
            }
            Self::SignedCall { key, key_id, issuer, audience, kind } => {
                let token = call_token(key, key_id.as_deref(), (issuer, audience), kind, now)?;
                (AUTHORIZATION, format!("Bearer {}", token.expose()))
            }
            Self::TokenIn(name, source) => {
                (name.clone(), source.token(client, now, act_as).await?.expose().to_owned())
            }
            Self::Aws(identity) => return sigv4::sign(request, identity, now),
            Self::ByHost(_) => {
                return Err(Fault::new(
                    FaultKind::CredentialRejected,
                    "the settings hold no credential for this host",
                ));
            }
        };
        let mut value = HeaderValue::from_str(&text).map_err(|_| {
            Fault::new(
                FaultKind::CredentialRejected,
                "the credential has characters that HTTP does not allow",
            )
        })?;
        value.set_sensitive(true);
        request.headers_mut().insert(name, value);
        Ok(request)
    }
}

/// How long the token of one call is good.
const CALL_TOKEN: i64 = 300;

fn call_token(
    key: &SigningKey,
    key_id: Option<&str>,
    (issuer, audience): (&str, &str),
    kind: &str,
    now: Timestamp,
) -> Result<Secret, Fault> {
    let mut id = [0; 16];
    let random = SystemRandom::new();
    ring::rand::SecureRandom::fill(&random, &mut id)
        .map_err(|_| Fault::new(FaultKind::Internal, "there is no randomness"))?;
    let seconds = now.seconds();
    let claims = json!({
        "iss": issuer, "sub": issuer, "aud": audience, "iat": seconds, "exp": seconds + CALL_TOKEN,
        "jti": BASE64_URL_SAFE_NO_PAD.encode(id),
    });
    key.signed(kind, key_id, &claims)
}

impl TokenSource {
    /// One that asks for a single scope and remembers nothing.
    fn for_scope(&self, only: &str) -> Self {
        let mut exchange = self.exchange.clone();
        match &mut exchange {
            Exchange::ClientCredentials { scope, .. } | Exchange::JwtBearer { scope, .. } => {
                only.clone_into(scope);
            }
            _ => {}
        }
        Self { url: self.url.clone(), exchange, held: Arc::default() }
    }

    async fn token(
        &self,
        client: &reqwest::Client,
        now: Timestamp,
        act_as: Option<String>,
    ) -> Result<Secret, Fault> {
        // Held across the fetch, so that parallel calls wait for one token instead of fetching one each.
        let mut held = self.held.lock().await;
        if let Some((token, until)) = held.get(&act_as)
            && *until > now.plus(MARGIN)
        {
            return Ok(token.clone());
        }
        let request = self.request(client, now, act_as.as_deref())?;
        let what = "fetching an access token".to_owned();
        let response = client.execute(request).await.map_err(|error| unreachable(&what, &error))?;
        let answer = receive(response, what).await?;
        if !(200..300).contains(&answer.status) {
            let mut fault = fault_of(&answer, now);
            // 400 invalid_grant and 404 for an App that is not installed say the same: this credential is no good.
            if !fault.kind.is_retryable() || answer.status == 400 {
                fault.kind = FaultKind::CredentialRejected;
            }
            return Err(fault);
        }
        let token: TokenAnswer = answer.json()?;
        let lifetime = Duration::from_secs(token.expires_in.unwrap_or(600));
        let until = token.expires_at.unwrap_or_else(|| now.plus(lifetime));
        held.insert(act_as, (token.access_token.clone(), until));
        Ok(token.access_token)
    }

    /// A request for a token in exchange for an assertion (RFC 7523).
    fn present(&self, client: &reqwest::Client, assertion: &Secret) -> reqwest::RequestBuilder {
        client.post(self.url.clone()).form(&[
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", assertion.expose()),
        ])
    }

    fn request(
        &self,
        client: &reqwest::Client,
        now: Timestamp,
        act_as: Option<&str>,
    ) -> Result<Request, Fault> {
        let seconds = now.seconds();
        let builder = match &self.exchange {
            Exchange::ClientCredentials { client_id, client_secret, scope } => {
                client.post(self.url.clone()).form(&[
                    ("grant_type", "client_credentials"),
                    ("client_id", client_id),
                    ("client_secret", client_secret.expose()),
                    ("scope", scope),
                ])
            }
            Exchange::BasicCredentials { client_id, client_secret } => client
                .post(self.url.clone())
                .basic_auth(client_id, Some(client_secret.expose()))
                .form(&[("grant_type", "client_credentials")]),
            Exchange::JwtBearer { issuer, subject, scope, key, key_id } => {
                let mut claims = json!({
                    "iss": issuer, "scope": scope, "aud": self.url.as_str(),
                    "iat": seconds, "exp": seconds + 3600,
                });
                if let Some(subject) = act_as.or(subject.as_deref()) {
                    claims["sub"] = subject.into();
                }
                self.present(client, &key.jwt(key_id.as_deref(), &claims)?)
            }
            Exchange::Assertion { issuer, subject, audience, key } => {
                let subject = act_as.unwrap_or(subject);
                let claims = json!({"iss": issuer, "sub": subject, "aud": audience,
                                    "iat": seconds, "exp": seconds + 180});
                self.present(client, &key.jwt(None, &claims)?)
            }
            Exchange::GithubApp { app_id, key } => {
                // A minute back and nine minutes on: GitHub refuses more than ten and clocks that run ahead.
                let claims = json!({"iss": app_id, "iat": seconds - 60, "exp": seconds + 540});
                client
                    .post(self.url.clone())
                    .header("accept", "application/vnd.github+json")
                    .bearer_auth(key.jwt(None, &claims)?.expose())
            }
            Exchange::ApiKey { header, key } => client.post(self.url.clone()).header(header, key.expose()),
        };
        builder.build().map_err(|_| Fault::new(FaultKind::Internal, "the token request could not be built"))
    }
}
