//! An authorization server of the company's own that knows nothing but Global Token Revocation
//! (draft-parecki-oauth-global-token-revocation-06).

use crate::{
    credentials::{Maker, pairs},
    twin::{AccountView, Ask, Reply, Twin, World, claims},
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

pub(super) const ID: &str = "custom_sessions";
/// Whom it trusts, as infra/policy.yaml has it.
const ISSUER: &str = "leaver";

struct Subject {
    username: String,
    email: String,
    sessions: u32,
    tokens: u32,
}

struct Server {
    key: String,
    endpoint: String,
    subjects: Vec<Subject>,
    /// A token is good for one call.
    seen: BTreeSet<String>,
}

pub(super) fn settings(base: &str, make: &mut Maker) -> BTreeMap<String, String> {
    pairs([("base_url", base.to_owned()), ("private_key", make.rsa_pem())])
}

pub(super) fn twin(world: &World) -> Box<dyn Twin> {
    let subjects = world.people_in(ID).map(|sample| Subject {
        username: sample.person.username.to_string(),
        email: sample.email_in(ID).to_owned(),
        sessions: 2,
        tokens: 3,
    });
    Box::new(Server {
        key: world.setting(ID, "private_key"),
        endpoint: format!("{}/global-token-revocation", world.setting(ID, "base_url")),
        subjects: subjects.collect(),
        seen: BTreeSet::new(),
    })
}

impl Server {
    /// Whether the call carries a token of leaver's, for this endpoint, for the first time.
    fn is_signed(&mut self, ask: &Ask) -> bool {
        let token = ask.credential("Bearer ");
        let Some(said) = claims(token, &self.key, ask.at) else { return false };
        let id = said["jti"].as_str().unwrap_or_default().to_owned();
        let right = said["iss"] == ISSUER && said["sub"] == ISSUER && said["aud"] == self.endpoint.as_str();
        right && !id.is_empty() && self.seen.insert(id)
    }
}

impl Twin for Server {
    fn answer(&mut self, ask: &Ask) -> Reply {
        if ask.segments() != ["global-token-revocation"] {
            return Reply::empty(404);
        }
        if ask.method != "POST" {
            return Reply::empty(405).header("allow", "POST");
        }
        if !self.is_signed(ask) {
            return Reply::json(401, json!({"error": "invalid_client"}));
        }
        let body = ask.json();
        let named = |field: &str| body.pointer(&format!("/sub_id/{field}")).and_then(Value::as_str);
        let (Some("email"), Some(email)) = (named("format"), named("email")) else {
            return Reply::json(400, json!({"error": "invalid_request"}));
        };
        match self.subjects.iter_mut().find(|subject| subject.email == email) {
            Some(subject) => {
                (subject.sessions, subject.tokens) = (0, 0);
                Reply::empty(204)
            }
            None => Reply::empty(404),
        }
    }

    /// It has no accounts that could be disabled: somebody is active here for as long as a session or a token lives.
    fn account(&self, username: &str) -> AccountView {
        let Some(subject) = self.subjects.iter().find(|subject| subject.username == username) else {
            return AccountView::default();
        };
        AccountView {
            exists: true,
            active: subject.sessions + subject.tokens > 0,
            sessions: (1..=subject.sessions).map(|number| format!("session-{number}")).collect(),
            credentials: (1..=subject.tokens).map(|number| format!("token-{number}")).collect(),
            grants: Vec::new(),
        }
    }
}
