//! A system that is worked on by the requests that policy spells out.
//!
//! Whether somebody is there and whether access is gone are two questions, each with an answer that policy describes; an
//! answer that fits neither description is a fault. All steps of `revoke` are asked for until `verify` is met.

use crate::{
    Adapter, Missing, Part, Residue, Roster, Spec,
    auth::Auth,
    http::{Answer, Command, Query, Reader, Writer},
    settings::Settings,
};
use async_trait::async_trait;
use leaver_domain::{
    custom::{Cause, Expected, Failed, Http, Look, Method, Request, Step, Values},
    fault::{Fault, FaultKind},
    id::SystemId,
    inventory::{Account, AccountStatus, Grant, Inventory, Sessions},
    person::Person,
    plan::{Action, ActionKind, Outcome},
    risk::Activity,
    secret::Secret,
    time::Timestamp,
};
use reqwest::header::HeaderName;
use serde_json::Value;
use std::collections::BTreeMap;

pub(super) const SPEC: Spec = Spec {
    id: "http",
    name: "Declarative HTTP",
    part: Part::Account,
    hosts: super::HOSTS,
    settings: &[
        ("base_url", "https address of the system"),
        ("token", "what stands in the header that the policy names"),
    ],
    scopes: &[],
    order: &[
        "See whether the person has an account, with the request `exists`.",
        "Send the requests of `revoke`, in their order.",
        "See that access is gone, with the request `verify`; as long as it is not, nothing is called revoked.",
    ],
    residuals: &[
        "What the requests do not end is not known to leaver: sessions, tokens and keys live as the system has it.",
    ],
    setup: &[
        "Make a credential that may send the requests of the policy, and put it and the address into the system's secret.",
        "Run `leaver doctor`, then a dry run for somebody who has an account and for somebody who has none.",
    ],
    roster: Roster::Unlisted("The configured requests are about one account."),
    source: "the requests that infra/policy.yaml spells out",
};

struct Declared {
    system: SystemId,
    of: Http,
    verify: Look,
}

/// The adapter and its authentication.
pub(super) fn open(
    system: &SystemId,
    of: &Http,
    settings: &Settings,
) -> Result<(Box<dyn Adapter>, Auth), Fault> {
    let wrong = |what: &str| Fault::new(FaultKind::Internal, format!("policy, {system}: {what}"));
    let name = HeaderName::from_bytes(of.header.name.to_ascii_lowercase().as_bytes());
    let name = name.map_err(|_| wrong("the header's name is none"))?;
    let verify = of.verify.clone().ok_or_else(|| wrong("there is no `verify`"))?;
    let value = Secret::new(format!("{}{}", of.header.prefix, settings.secret("token")?.expose()));
    let adapter = Declared { system: system.clone(), of: of.clone(), verify };
    Ok((Box::new(adapter), Auth::Header { name, prefix: "", value }))
}

fn unfilled(failed: &Failed) -> Fault {
    let why = match failed.cause {
        Cause::Unknown => "has no value here",
        Cause::Unusable => "has a value that would lead to another place",
    };
    Fault::new(FaultKind::Internal, format!("policy: `{{{}}}` {why}", failed.name))
}

/// The parts of a request, filled.
struct Filled {
    segments: Vec<String>,
    query: Vec<(String, String)>,
    body: Option<Value>,
}

fn filled(request: &Request, values: &Values) -> Result<Filled, Failed> {
    let query = request.query.iter().map(|(name, value)| Ok((name.clone(), values.fill(value)?)));
    Ok(Filled {
        segments: values.segments(&request.path)?,
        query: query.collect::<Result<_, Failed>>()?,
        body: request.body.as_ref().map(|body| values.body(body)).transpose()?,
    })
}

fn question(request: &Request, values: &Values) -> Result<Query, Fault> {
    let filled = filled(request, values).map_err(|failed| unfilled(&failed))?;
    let segments = filled.segments.iter().map(String::as_str);
    let mut query = if request.method == Method::Post { Query::post(segments) } else { Query::get(segments) };
    for (name, value) in &filled.query {
        query = query.query(name, value);
    }
    Ok(match filled.body {
        Some(body) => query.json(body),
        None => query,
    })
}

fn command(request: &Request, values: &Values) -> Result<Command, Fault> {
    let filled = filled(request, values).map_err(|failed| unfilled(&failed))?;
    let segments = filled.segments.iter().map(String::as_str);
    let mut command = match request.method {
        Method::Put => Command::put(segments),
        Method::Patch => Command::patch(segments),
        Method::Delete => Command::delete(segments),
        Method::Get | Method::Post => Command::post(segments),
    };
    for (name, value) in &filled.query {
        command = command.query(name, value);
    }
    Ok(match filled.body {
        Some(body) => command.json(body),
        None => command,
    })
}

/// Whether an answer, or that there was nothing (404, 410), is what is expected.
fn is_met(expected: &Expected, answer: Option<&Answer>) -> bool {
    let body = answer.and_then(|answer| answer.json::<Value>().ok());
    expected.is_met(answer.map_or(404, |answer| answer.status), body.as_ref())
}

impl Declared {
    async fn status(&self, http: &Reader, values: &Values) -> Result<AccountStatus, Fault> {
        let answer = http.find(question(&self.verify.request, values)?).await?;
        // No answer in JSON can fit a description of its body: that is no sign of access, and none of its end.
        let unreadable = !self.verify.expect.body.is_empty()
            && answer.as_ref().is_some_and(|answer| answer.json::<Value>().is_err());
        if unreadable {
            return Err(Fault::shape("`verify` got an answer that is not JSON"));
        }
        let gone = is_met(&self.verify.expect, answer.as_ref());
        Ok(if gone { AccountStatus::Suspended } else { AccountStatus::Active })
    }

    fn step(&self, action: &Action) -> Option<&Step> {
        self.of.revoke.iter().chain(&self.of.restore).find(|step| step.name == action.target)
    }
}

#[async_trait]
impl Adapter for Declared {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn discover(&self, http: &Reader, who: &Person) -> Result<Inventory, Fault> {
        let exists = &self.of.exists;
        let values = Values::of(who, self.system.as_str(), None);
        let answer = http.find(question(&exists.request, &values)?).await?;
        if is_met(&exists.absent, answer.as_ref()) {
            return Ok(Inventory::absent());
        }
        if !is_met(&exists.found, answer.as_ref()) {
            return Err(Fault::shape("`exists` got an answer that is neither `found` nor `absent`"));
        }
        let id = match (&exists.id, &answer) {
            (Some(place), Some(answer)) => {
                let body: Value = answer.json()?;
                let id = match body.pointer(place) {
                    Some(Value::String(id)) => Some(id.clone()),
                    Some(Value::Number(id)) => Some(id.to_string()),
                    _ => None,
                };
                Some(id.ok_or_else(|| Fault::shape("`exists` got an answer without the account's id"))?)
            }
            _ => None,
        };
        let values = Values::of(who, self.system.as_str(), id.as_deref());
        let login = who.login_or_email(self.system.as_str()).to_owned();
        let account = Account {
            id: id.clone().unwrap_or_else(|| login.clone()),
            status: self.status(http, &values).await?,
            matched_by: "configuration".to_owned(),
            privileged: false,
            last_login: None,
            facts: facts(who, &login, id),
            login,
        };
        Ok(Inventory::of(account, Sessions::Unreadable))
    }

    async fn activity(&self, _: &Reader, _: &Account, since: Timestamp) -> Result<Activity, Fault> {
        Ok(Activity::unavailable(since, "policy describes no request that reads this system's log"))
    }

    fn revoke(&self, found: &Inventory) -> Vec<Action> {
        if !found.is_active() {
            return Vec::new();
        }
        let back = !self.of.restore.is_empty();
        let action = |step: &Step| {
            let action = Action::contain(step.kind, &step.name, &step.name);
            if back { action } else { action.irreversible() }
        };
        self.of.revoke.iter().map(action).collect()
    }

    fn restore(&self, before: &Inventory, now: &Inventory) -> Vec<Action> {
        if !before.is_active() || now.account.is_none() || now.is_active() {
            return Vec::new();
        }
        self.of
            .restore
            .iter()
            .map(|step| Action::contain(ActionKind::EnableAccount, &step.name, &step.name))
            .collect()
    }

    fn grant(&self, _: &str) -> Option<Grant> {
        None
    }

    async fn apply(&self, http: &Writer, found: &Inventory, action: &Action) -> Result<Outcome, Fault> {
        let step = self.step(action);
        let step = step.ok_or_else(|| Fault::new(FaultKind::Internal, "not an action of this adapter"))?;
        let facts = found.account.as_ref().map(|account| &account.facts);
        let values = facts.and_then(Values::from_facts);
        let values = values.ok_or_else(|| Fault::new(FaultKind::Internal, "nobody to work on"))?;
        let answer = match http.tell(command(&step.request, &values)?).await {
            Ok(answer) => Some(answer),
            Err(fault) if fault.kind == FaultKind::NotFound && step.expect.status.contains(&404) => None,
            Err(fault) => return Err(fault),
        };
        if !is_met(&step.expect, answer.as_ref()) {
            let detail = format!("`{}` got an answer that is not the expected one", step.name);
            return Err(Fault::shape(detail));
        }
        Ok(Outcome::Done)
    }

    fn residues(&self, _: &Inventory) -> Vec<Residue> {
        Vec::new()
    }

    async fn missing(&self, _: &Reader) -> Result<Vec<Missing>, Fault> {
        Ok(Vec::new())
    }

    /// Asks about somebody who is nowhere: both answers that policy describes show that address and credential work.
    async fn probe(&self, http: &Reader) -> Result<(), Fault> {
        let nobody = BTreeMap::from([
            ("username".to_owned(), "nobody".to_owned()),
            ("email".to_owned(), "nobody@invalid.example".to_owned()),
            ("employee_id".to_owned(), "none".to_owned()),
            ("login".to_owned(), "nobody@invalid.example".to_owned()),
        ]);
        let values = Values::from_facts(&nobody);
        let values = values.ok_or_else(|| Fault::new(FaultKind::Internal, "nobody to ask about"))?;
        let answer = http.find(question(&self.of.exists.request, &values)?).await?;
        let fits =
            is_met(&self.of.exists.absent, answer.as_ref()) || is_met(&self.of.exists.found, answer.as_ref());
        if fits {
            Ok(())
        } else {
            Err(Fault::shape("`exists` got an answer that is neither `found` nor `absent`"))
        }
    }
}

/// What the templates need again when something is done.
fn facts(who: &Person, login: &str, id: Option<String>) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::from([
        ("username".to_owned(), who.username.to_string()),
        ("email".to_owned(), who.email.clone()),
        ("employee_id".to_owned(), who.employee_id.to_string()),
        ("login".to_owned(), login.to_owned()),
    ]);
    facts.extend(id.map(|id| ("id".to_owned(), id)));
    facts
}
