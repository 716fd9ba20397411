//! AWS IAM's, CloudTrail's and Identity Center's stand-in: users with keys, passwords, second factors, groups and policies, and
//! beside them users with groups and permission sets (`identity_center.rs`). Where an emulator of AWS runs beside the sandbox
//! (setting `emulator_url`), it holds the users of IAM, and only what it lacks is answered here.

mod emulator;
mod identity_center;
mod sample;
mod state;
mod xml;

use crate::{
    credentials::{Maker, pairs},
    twin::{AccountView, Ask, Face, Reply, Twin, World, slice},
    upstream::Upstream,
};
use emulator::Emulator;
use identity_center::Center;
use leaver_adapters::sigv4::Covered;
use leaver_domain::{secret::Secret, time::Timestamp};
use serde_json::{Value, json};
use state::Iam;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

const ID: &str = "aws_iam";
/// Events per page: small, so that the sample person's have more than one.
const EVENTS: usize = 2;
const LOOK_UP: &str = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents";

struct AwsIam {
    key_id: String,
    secret: Secret,
    iam: Iam,
    center: Center,
    /// The region that Identity Center is in.
    region: String,
    emulator: Option<Arc<Emulator>>,
    requests: u64,
}

/// The credentials that leaver presents here. With `emulator_url` added, leaver presents its own role's instead, and
/// the emulator judges them.
pub(crate) fn settings(base: &str, make: &mut Maker) -> BTreeMap<String, String> {
    let id: String = make.token("AKIA").chars().take(20).collect();
    pairs([
        ("base_url", base.to_owned()),
        ("cloudtrail_url", format!("{base}/cloudtrail")),
        ("region", "us-east-1".to_owned()),
        ("identitystore_url", format!("{base}/identitystore")),
        ("sso_url", format!("{base}/sso")),
        ("identity_store_id", "d-90670d1fe3".to_owned()),
        ("instance_arn", "arn:aws:sso:::instance/ssoins-7223b5c0a1d2e3f4".to_owned()),
        ("identity_center_region", "eu-central-1".to_owned()),
        ("access_key_id", id.to_ascii_uppercase()),
        ("secret_access_key", make.token("")),
    ])
}

/// The stand-in with the sample people.
pub(crate) fn twin(world: &World) -> Box<dyn Twin> {
    let samples = sample::all(world);
    let url = world.setting(ID, "emulator_url");
    let emulated = !url.is_empty();
    Box::new(AwsIam {
        key_id: world.setting(ID, "access_key_id"),
        secret: Secret::new(world.setting(ID, "secret_access_key")),
        iam: Iam::new(&samples, emulated),
        center: Center::new(world),
        region: world.setting(ID, "identity_center_region"),
        emulator: emulated.then(|| Arc::new(Emulator::new(url, samples))),
        requests: 0,
    })
}

/// `name=value` in an `Authorization: AWS4-HMAC-SHA256 ...` header.
fn part<'a>(authorization: &'a str, name: &str) -> &'a str {
    let parts = authorization.strip_prefix("AWS4-HMAC-SHA256 ").unwrap_or_default().split(',');
    parts.filter_map(|part| part.trim().split_once('=')).find(|(key, _)| *key == name).map_or("", |(_, v)| v)
}

impl AwsIam {
    /// Why the caller is refused; `None` where the signature is this key's over what was sent, for this service.
    fn refused(&self, ask: &Ask, service: &str) -> Option<&'static str> {
        let header = |name: &str| ask.headers.get(name).map_or("", String::as_str);
        let authorization = header("authorization");
        let credential = part(authorization, "Credential");
        let Some((key_id, scope)) = credential.split_once('/') else {
            return Some("MissingAuthenticationToken");
        };
        if scope.split('/').nth(2) != Some(service) {
            return Some("SignatureDoesNotMatch");
        }
        if self.emulator.is_some() {
            // The credentials are those of a role in the emulator, which judges every call that reaches it.
            return None;
        }
        if key_id != self.key_id || self.key_id.is_empty() {
            return Some("InvalidClientTokenId");
        }
        let names = part(authorization, "SignedHeaders");
        let headers: Vec<(String, String)> =
            names.split(';').map(|name| (name.to_owned(), header(name).to_owned())).collect();
        let (path, query) = ask.target.split_once('?').unwrap_or((&ask.target, ""));
        let covered = Covered {
            method: &ask.method,
            path,
            query,
            headers: &headers,
            body: &ask.body,
            stamp: header("x-amz-date"),
            scope,
        };
        let right = covered.signature(&self.secret).map(|signature| signature.to_string());
        let covers_all = ["host", "x-amz-date"].iter().all(|name| names.split(';').any(|n| n == *name));
        let right = covers_all && right.is_ok_and(|right| right == part(authorization, "Signature"));
        (!right).then_some("SignatureDoesNotMatch")
    }

    /// A call of Identity Center or its identity store.
    fn center(&mut self, service: &str, ask: &Ask) -> Reply {
        let authorization = ask.headers.get("authorization").map_or("", String::as_str);
        let elsewhere = part(authorization, "Credential").split('/').nth(2) != Some(&self.region);
        let code = match self.refused(ask, service) {
            None if elsewhere => "InvalidSignatureException",
            None => return self.center.answer(service, ask),
            Some("MissingAuthenticationToken") => "MissingAuthenticationTokenException",
            Some("InvalidClientTokenId") => "UnrecognizedClientException",
            Some(_) => "InvalidSignatureException",
        };
        Reply { status: 403, ..identity_center::refusal((code, "The request was not accepted.")) }
    }

    fn cloudtrail(&self, ask: &Ask) -> Reply {
        if let Some(code) = self.refused(ask, "cloudtrail") {
            let code = if code == "InvalidClientTokenId" { "UnrecognizedClientException" } else { code };
            return Reply::json(400, json!({"__type": code, "message": "The request was not accepted."}));
        }
        if ask.headers.get("x-amz-target").map(String::as_str) != Some(LOOK_UP) {
            return Reply::json(400, json!({"__type": "UnknownOperationException"}));
        }
        let body = ask.json();
        let attribute = &body["LookupAttributes"][0];
        let since = body["StartTime"].as_f64().unwrap_or(0.0);
        let events: Vec<Value> = match attribute["AttributeKey"].as_str() {
            Some("Username") => self.events(attribute["AttributeValue"].as_str().unwrap_or_default()),
            Some(_) => Vec::new(),
            None => return Reply::json(400, json!({"__type": "InvalidLookupAttributesException"})),
        };
        let recent = |event: &Value| event["EventTime"].as_f64().is_some_and(|at| at >= since);
        let events: Vec<Value> = events.into_iter().filter(recent).collect();
        let start = body["NextToken"].as_str().and_then(|token| token.parse().ok()).unwrap_or(0);
        let (page, next) = slice(&events, start, EVENTS);
        let mut reply = json!({"Events": page});
        if let Some(next) = next {
            reply["NextToken"] = next.to_string().into();
        }
        Reply { media_type: "application/x-amz-json-1.1", ..Reply::json(200, reply) }
    }

    /// Logins to the console on three days, the newest first.
    fn events(&self, user: &str) -> Vec<Value> {
        let Some(seen) = self.iam.last_seen(user).or_else(|| self.center.last_seen(user)) else {
            return Vec::new();
        };
        let event = |days: u64| {
            let at: Timestamp = seen.minus(Duration::from_secs(days * 86_400));
            let detail = json!({"eventName": "ConsoleLogin", "userIdentity": {"type": "IAMUser", "userName": user},
                                "responseElements": {"ConsoleLogin": "Success"}, "sourceIPAddress": "192.0.2.10"});
            json!({"EventId": format!("{user}-{days}"), "EventName": "ConsoleLogin", "ReadOnly": "false",
                   "EventSource": "signin.amazonaws.com", "EventTime": at.seconds(), "Username": user,
                   "Resources": [], "CloudTrailEvent": detail.to_string()})
        };
        [0, 1, 3].map(event).to_vec()
    }

    fn query(&mut self, ask: &Ask) -> Reply {
        self.requests += 1;
        let form = ask.form();
        let action = form.get("Action").cloned().unwrap_or_default();
        let done = match self.refused(ask, "iam") {
            Some(code) => Err(xml::Refusal::new(403, code, "The request was not accepted.")),
            None => self.iam.act(&action, &form),
        };
        match done {
            Ok(inner) => xml::answer(&action, &inner, self.requests),
            Err(refusal) => refusal.reply(self.requests),
        }
    }
}

impl Twin for AwsIam {
    fn answer(&mut self, ask: &Ask) -> Reply {
        match (ask.method.as_str(), ask.segments().as_slice()) {
            ("POST", []) => self.query(ask),
            ("POST", ["cloudtrail"]) => self.cloudtrail(ask),
            ("POST", [service @ ("identitystore" | "sso")]) => self.center(service, ask),
            _ => Reply::json(404, json!({"__type": "UnknownOperationException"})),
        }
    }

    fn account(&self, username: &str) -> AccountView {
        let mut view = self.iam.view(username);
        if let Some(held) = self.center.held(username) {
            view.exists = true;
            view.active |= !held.is_empty();
            view.grants.extend(held);
        }
        view
    }

    /// `assignments` sets after how many calls further operations on assignments end, and how.
    fn face(&mut self, ask: &Ask) -> Option<Face> {
        let asked = matches!((ask.method.as_str(), ask.segments().as_slice()), ("POST", [ID, "assignments"]));
        asked.then(|| Face::Answer(self.center.set_pace(ask)))
    }

    fn upstream(&self) -> Option<Arc<dyn Upstream>> {
        self.emulator.clone().map(|emulator| emulator as Arc<dyn Upstream>)
    }
}
