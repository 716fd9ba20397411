//! OAuth Global Token Revocation (draft-parecki-oauth-global-token-revocation-06): one signed call ends all tokens and
//! sessions that an authorization server gave to a person.
//!
//! The server has no way to ask what it holds about somebody, so the call is evidenced by its answer alone. 404 says that
//! the server does not know the person, which is as good. It does not disable the account: who can still log in gets new tokens.

use crate::{
    Adapter, Missing, Part, Residue, Roster, Spec,
    auth::{Auth, SigningKey},
    http::{Command, Query, Reader, Writer},
    settings::Settings,
};
use async_trait::async_trait;
use leaver_domain::{
    custom::TokenRevocation,
    fault::{Fault, FaultKind},
    id::SystemId,
    inventory::{Account, AccountStatus, Inventory, Sessions},
    person::Person,
    plan::{Action, ActionKind, Outcome},
    risk::Activity,
    time::Timestamp,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(super) const SPEC: Spec = Spec {
    id: "token_revocation",
    name: "OAuth Global Token Revocation",
    part: Part::Account,
    hosts: super::HOSTS,
    settings: &[
        ("base_url", "https address of the authorization server"),
        ("private_key", "RSA key that signs leaver's calls, PEM; the server knows its public half"),
    ],
    scopes: &[],
    order: &["End all sessions and tokens of the person with one signed call."],
    residuals: &["The account itself is not disabled by this call."],
    setup: &[
        "Register leaver at the authorization server as a client that may revoke, under the `issuer` of the policy.",
        "Give the server the public half of the key; put the private half and the address into the system's secret.",
    ],
    roster: Roster::Unlisted("Global Token Revocation takes a subject and lists nothing."),
    source: "draft-parecki-oauth-global-token-revocation-06; subject identifiers of RFC 9493",
};

/// What an account's facts call its subject identifier.
const SUBJECT: &str = "subject";

struct Server {
    system: SystemId,
    of: TokenRevocation,
}

/// The adapter and its authentication.
pub(super) fn open(
    system: &SystemId,
    of: &TokenRevocation,
    settings: &Settings,
) -> Result<(Box<dyn Adapter>, Auth), Fault> {
    let key = SigningKey::from_pem(settings.secret("private_key")?)?;
    let base = settings.url("", "")?;
    let endpoint = base.join(of.path.trim_start_matches('/'));
    let endpoint = endpoint.map_err(|_| Fault::new(FaultKind::Internal, "the endpoint's path is no path"))?;
    let audience = of.audience.clone().unwrap_or_else(|| endpoint.to_string());
    let auth = Auth::SignedCall {
        key,
        key_id: of.key_id.clone(),
        issuer: of.issuer.clone(),
        audience,
        kind: "global-token-revocation+jwt",
    };
    Ok((Box::new(Server { system: system.clone(), of: of.clone() }), auth))
}

impl Server {
    fn command(&self, subject: &Value) -> Command {
        Command::post(self.of.path.trim_start_matches('/').split('/')).json(json!({"sub_id": subject}))
    }
}

#[async_trait]
impl Adapter for Server {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn discover(&self, _: &Reader, who: &Person) -> Result<Inventory, Fault> {
        let subject = self.of.subject.of(who, self.system.as_str());
        let account = Account {
            id: subject.to_string(),
            login: who.login_or_email(self.system.as_str()).to_owned(),
            status: AccountStatus::Active,
            matched_by: "configuration".to_owned(),
            privileged: false,
            last_login: None,
            facts: BTreeMap::from([(SUBJECT.to_owned(), subject.to_string())]),
        };
        Ok(Inventory::of(account, Sessions::Unreadable))
    }

    async fn activity(&self, _: &Reader, _: &Account, since: Timestamp) -> Result<Activity, Fault> {
        Ok(Activity::unavailable(since, "an authorization server has no log that can be read this way"))
    }

    fn revoke(&self, found: &Inventory) -> Vec<Action> {
        let Some(account) = &found.account else { return Vec::new() };
        let label = format!("all tokens and sessions of {}", account.login);
        vec![Action::contain(ActionKind::EndSessions, &account.id, label).irreversible().by_receipt()]
    }

    fn restore(&self, _: &Inventory, _: &Inventory) -> Vec<Action> {
        Vec::new()
    }

    fn grant(&self, _: &str) -> Option<leaver_domain::inventory::Grant> {
        None
    }

    async fn apply(&self, http: &Writer, found: &Inventory, _: &Action) -> Result<Outcome, Fault> {
        let fact = found.account.as_ref().and_then(|account| account.facts.get(SUBJECT));
        let subject = fact.and_then(|text| serde_json::from_str(text).ok());
        let subject: Value = subject.ok_or_else(|| Fault::new(FaultKind::Internal, "no subject to name"))?;
        match http.tell(self.command(&subject)).await {
            Ok(_) => Ok(Outcome::Done),
            // The server answers 404 for somebody whom it does not know.
            Err(fault) if fault.kind == FaultKind::NotFound => Ok(Outcome::Already),
            Err(fault) => Err(fault),
        }
    }

    fn residues(&self, _: &Inventory) -> Vec<Residue> {
        vec![Residue {
            what: "this ended tokens and sessions; that nobody can log in again follows from the account being disabled where \
                   the server looks"
                .into(),
            lasts: None,
        }]
    }

    async fn missing(&self, _: &Reader) -> Result<Vec<Missing>, Fault> {
        Ok(Vec::new())
    }

    /// The endpoint takes nothing but a revocation: one that answers a GET at all, even with a refusal of the method, is there.
    async fn probe(&self, http: &Reader) -> Result<(), Fault> {
        let path = self.of.path.trim_start_matches('/').split('/');
        match http.ask(Query::get(path)).await {
            Err(fault) if fault.kind == FaultKind::UnexpectedShape => Ok(()),
            answer => answer.map(drop),
        }
    }
}
