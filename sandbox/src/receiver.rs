//! A receiver of security event tokens: checks each as a real one would, and keeps what it took.
//!
//! It knows one transmitter, which is made known to it by `PUT /_sandbox/receiver/transmitter` with its issuer and key
//! set; until then it answers 503. `GET /receiver/events` shows what it took.

use crate::{
    credentials::{Maker, pairs},
    twin::{AccountView, Ask, Reply, Twin, World},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::signature::{ED25519, UnparsedPublicKey};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Its path prefix, and its name among the stand-ins.
pub const ID: &str = "receiver";
/// Most tokens that are kept.
const KEPT: usize = 2_000;
/// How far a token's time may lie ahead, in seconds.
const SKEW: i64 = 60;

/// Its settings: what leaver's secret says of it, and whom it says it is.
pub fn settings(base: &str, make: &mut Maker) -> BTreeMap<String, String> {
    pairs([
        ("url", format!("{base}/{ID}/events")),
        ("token", make.token("ssf_")),
        ("audience", "https://receiver.sandbox.example".to_owned()),
    ])
}

/// Whose tokens it takes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transmitter {
    /// The `iss` of its tokens.
    pub issuer: String,
    /// Its key set, as it publishes it.
    pub jwks: Value,
}

struct Receiver {
    token: String,
    audience: String,
    transmitter: Option<Transmitter>,
    /// By `jti`: the claims, and how often they came.
    taken: Vec<(String, Value, u64)>,
}

/// A fresh one.
pub(crate) fn twin(world: &World, transmitter: Option<Transmitter>) -> Box<dyn Twin> {
    Box::new(Receiver {
        token: world.setting(ID, "token"),
        audience: world.setting(ID, "audience"),
        transmitter,
        taken: Vec::new(),
    })
}

fn refused(err: &str, description: &str) -> Reply {
    Reply::json(400, json!({"err": err, "description": description}))
}

fn part(text: &str) -> Option<Value> {
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

impl Twin for Receiver {
    fn answer(&mut self, ask: &Ask) -> Reply {
        match (ask.method.as_str(), ask.segments().as_slice()) {
            ("GET", ["events"]) => {
                let one = |(jti, claims, times): &(String, Value, u64)| json!({"jti": jti, "claims": claims, "times": times});
                Reply::json(200, self.taken.iter().map(one).collect())
            }
            ("POST", ["events"]) => self.take(ask).unwrap_or_else(|refusal| refusal),
            _ => Reply::json(404, json!({"error": "not_found"})),
        }
    }

    fn account(&self, _: &str) -> AccountView {
        AccountView::default()
    }
}

impl Receiver {
    fn take(&mut self, ask: &Ask) -> Result<Reply, Reply> {
        if self.token.is_empty() || ask.credential("Bearer ") != self.token {
            return Err(Reply::empty(401).header("www-authenticate", "Bearer"));
        }
        if ask.headers.get("content-type").map(String::as_str) != Some("application/secevent+jwt") {
            return Err(refused("invalid_request", "the content type must be application/secevent+jwt"));
        }
        let transmitter = self.transmitter.as_ref().ok_or_else(|| Reply::empty(503))?;
        let claims = verified(&ask.body, &transmitter.jwks)?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
        if text("iss") != transmitter.issuer {
            return Err(refused("invalid_issuer", "the issuer is not known here"));
        }
        if text("aud") != self.audience {
            return Err(refused("invalid_audience", "the token is meant for somebody else"));
        }
        let wrong = |what: &str| Err(refused("invalid_request", what));
        let jti = text("jti").to_owned();
        if jti.is_empty() || text("txn").is_empty() {
            return wrong("jti and txn must be there");
        }
        let iat = claims.get("iat").and_then(Value::as_i64).unwrap_or(i64::MAX);
        if iat > ask.at.seconds().saturating_add(SKEW) {
            return wrong("the token was issued in the future");
        }
        // A token with these could be taken for one that lets somebody in (RFC 8417, 4.5 and 4.6).
        if claims.contains_key("exp") || claims.contains_key("sub") || claims.contains_key("nonce") {
            return wrong("exp, sub and nonce do not belong here");
        }
        if !is_subject(claims.get("sub_id")) {
            return wrong("sub_id is no subject identifier");
        }
        if claims.get("events").and_then(Value::as_object).map(Map::len) != Some(1) {
            return wrong("exactly one event is expected");
        }
        self.keep(jti, Value::Object(claims))
    }

    /// Keeps a token once. The same number with other content is not the same token.
    fn keep(&mut self, jti: String, claims: Value) -> Result<Reply, Reply> {
        if let Some((_, known, times)) = self.taken.iter_mut().find(|(known, _, _)| *known == jti) {
            if *known != claims {
                return Err(refused("invalid_request", "the jti was used for another token"));
            }
            *times += 1;
            return Ok(Reply::empty(202));
        }
        if self.taken.len() >= KEPT {
            return Err(Reply::empty(503));
        }
        self.taken.push((jti, claims, 1));
        Ok(Reply::empty(202))
    }
}

/// The claims of a token that one of the set's keys signed.
fn verified(body: &[u8], jwks: &Value) -> Result<Map<String, Value>, Reply> {
    let unreadable = || refused("invalid_request", "the body is no signed security event token");
    let text = std::str::from_utf8(body).map_err(|_| unreadable())?;
    let mut parts = text.split('.');
    let (Some(header), Some(payload), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(unreadable());
    };
    let head = part(header).ok_or_else(unreadable)?;
    if head["typ"] != "secevent+jwt" || head["alg"] != "EdDSA" {
        return Err(refused("invalid_request", "typ must be secevent+jwt and alg EdDSA"));
    }
    let keys = jwks["keys"].as_array().into_iter().flatten();
    let key = keys
        .filter(|key| key["kty"] == "OKP" && key["crv"] == "Ed25519")
        .find(|key| key["kid"].is_string() && key["kid"] == head["kid"])
        .and_then(|key| BASE64_URL_SAFE_NO_PAD.decode(key["x"].as_str()?).ok());
    let key = key.ok_or_else(|| refused("invalid_key", "the key is not in the transmitter's set"))?;
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).map_err(|_| unreadable())?;
    let signed = text.rsplit_once('.').map_or("", |(signed, _)| signed);
    UnparsedPublicKey::new(&ED25519, key)
        .verify(signed.as_bytes(), &signature)
        .map_err(|_| refused("invalid_key", "the signature does not fit"))?;
    match part(payload) {
        Some(Value::Object(claims)) => Ok(claims),
        _ => Err(unreadable()),
    }
}

/// Whether it is a subject identifier of RFC 9493, of the formats that leaver sends.
fn is_subject(value: Option<&Value>) -> bool {
    let Some(Value::Object(fields)) = value else { return false };
    let members: &[&str] = match fields.get("format").and_then(Value::as_str) {
        Some("opaque") => &["id"],
        Some("email") => &["email"],
        Some("iss_sub") => &["iss", "sub"],
        _ => return false,
    };
    fields.len() == members.len() + 1
        && members
            .iter()
            .all(|member| fields.get(*member).and_then(Value::as_str).is_some_and(|m| !m.is_empty()))
}
