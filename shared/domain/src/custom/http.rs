//! Requests that policy spells out: how to see whether somebody is there, how to take access away, how to see that it is gone.
//! Texts may hold `{username}`, `{email}`, `{employee_id}`, `{login}` and, where `exists` says how to find it, `{id}`.

use crate::{person::Person, plan::ActionKind};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Most requests of one kind.
const MAX_STEPS: usize = 10;
/// Most bytes of a body's template.
const MAX_BODY: usize = 8 * 1024;

/// A system that is worked on by these requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Which header carries the token of the system's secret.
    #[serde(default)]
    pub header: Header,
    /// Sees whether the person has an account.
    pub exists: Presence,
    /// Takes access away, in this order.
    pub revoke: Vec<Step>,
    /// Gives it back, in this order; without any, it cannot be given back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restore: Vec<Step>,
    /// Sees that access is gone: what is expected of its answer holds for somebody whose access was taken away, and for
    /// nobody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<Look>,
}

/// A header with a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// What stands before the secret.
    #[serde(default)]
    pub prefix: String,
}

impl Default for Header {
    fn default() -> Self {
        Self { name: "authorization".to_owned(), prefix: "Bearer ".to_owned() }
    }
}

/// A method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Reads.
    Get,
    /// Reads with a body, or changes.
    Post,
    /// Changes.
    Put,
    /// Changes.
    Patch,
    /// Changes.
    Delete,
}

/// One request, as a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path below the address in the system's secret.
    pub path: String,
    /// Query parameters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub query: BTreeMap<String, String>,
    /// A JSON body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
}

/// What an answer has to be. An answer of 401, 403, 429 or 5xx is a failure whatever is expected.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expected {
    /// One of these: 2xx or 404; any 2xx where none is named.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub status: BTreeSet<u16>,
    /// Values at places of the body (JSON pointers, RFC 6901).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub body: BTreeMap<String, Value>,
}

/// How to see whether somebody has an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Presence {
    /// What is asked.
    pub request: Request,
    /// The answer of an account that is there.
    #[serde(default)]
    pub found: Expected,
    /// The answer where there is none; 404 where nothing is said. Any third answer is a failure and never taken for absence.
    #[serde(default = "not_found")]
    pub absent: Expected,
    /// Where the answer holds the account's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

fn not_found() -> Expected {
    Expected { status: [404].into(), body: BTreeMap::new() }
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// What it is called in plans and rows.
    pub name: String,
    /// What kind of action it is, which policy can switch off.
    #[serde(default = "disable")]
    pub kind: ActionKind,
    /// What is sent.
    pub request: Request,
    /// The answer that says it was taken.
    #[serde(default)]
    pub expect: Expected,
}

fn disable() -> ActionKind {
    ActionKind::DisableAccount
}

/// One look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Look {
    /// What is asked.
    pub request: Request,
    /// What the answer is once access is gone.
    pub expect: Expected,
}

/// What a template could not be filled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A name in braces that is none of the known ones.
    Unknown,
    /// Its value would lead to another place: it is empty or holds only dots.
    Unusable,
}

/// A template that could not be filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The name in braces.
    pub name: String,
    /// Why.
    pub cause: Cause,
}

/// What the names in braces stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Values(BTreeMap<&'static str, String>);

impl Values {
    /// Those of a person in a system. `id` is the account's, once it is known.
    pub fn of(person: &Person, system: &str, id: Option<&str>) -> Self {
        let mut values = BTreeMap::from([
            ("username", person.username.to_string()),
            ("email", person.email.clone()),
            ("employee_id", person.employee_id.to_string()),
            ("login", person.login_or_email(system).to_owned()),
        ]);
        if let Some(id) = id {
            values.insert("id", id.to_owned());
        }
        Self(values)
    }

    /// The same, from what an account's facts kept of them; `None` where one is missing.
    pub fn from_facts(facts: &BTreeMap<String, String>) -> Option<Self> {
        let mut values = BTreeMap::new();
        for name in ["username", "email", "employee_id", "login"] {
            values.insert(name, facts.get(name)?.clone());
        }
        values.extend(facts.get("id").map(|id| ("id", id.clone())));
        Some(Self(values))
    }

    /// Every name with a text of its own, to try a template out.
    fn sample(with_id: bool) -> Self {
        let names = ["username", "email", "employee_id", "login"].into_iter().chain(with_id.then_some("id"));
        Self(names.map(|name| (name, name.to_owned())).collect())
    }

    /// A text with its names replaced.
    ///
    /// # Errors
    /// For a name that is not known.
    pub fn fill(&self, template: &str) -> Result<String, Failed> {
        let mut text = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            text += before;
            let Some((name, after)) = after.split_once('}') else {
                return Err(Failed { name: after.to_owned(), cause: Cause::Unknown });
            };
            let value = self.0.get(name);
            text += value.ok_or_else(|| Failed { name: name.to_owned(), cause: Cause::Unknown })?;
            rest = after;
        }
        Ok(text + rest)
    }

    /// A path as its segments, each filled by itself, so that nothing in a value can lead elsewhere.
    ///
    /// # Errors
    /// For a name that is not known, or a value that would make a segment vanish.
    pub fn segments(&self, path: &str) -> Result<Vec<String>, Failed> {
        let fill = |segment: &str| {
            let filled = self.fill(segment)?;
            let gone = segment.contains('{') && matches!(filled.as_str(), "" | "." | "..");
            if gone { Err(Failed { name: segment.to_owned(), cause: Cause::Unusable }) } else { Ok(filled) }
        };
        path.trim_start_matches('/').split('/').map(fill).collect()
    }

    /// A body with every text in it filled.
    ///
    /// # Errors
    /// For a name that is not known.
    pub fn body(&self, template: &Value) -> Result<Value, Failed> {
        Ok(match template {
            Value::String(text) => Value::String(self.fill(text)?),
            Value::Array(items) => {
                Value::Array(items.iter().map(|item| self.body(item)).collect::<Result<_, _>>()?)
            }
            Value::Object(fields) => {
                let filled = fields.iter().map(|(name, field)| Ok((name.clone(), self.body(field)?)));
                Value::Object(filled.collect::<Result<_, Failed>>()?)
            }
            other => other.clone(),
        })
    }
}

impl Expected {
    /// Whether an answer is so. Without a body that is JSON, nothing that is said of the body holds.
    pub fn is_met(&self, status: u16, body: Option<&Value>) -> bool {
        let right_status = match self.status.is_empty() {
            true => (200..300).contains(&status),
            false => self.status.contains(&status),
        };
        let holds =
            |(place, value): (&String, &Value)| body.and_then(|body| body.pointer(place)) == Some(value);
        right_status && self.body.iter().all(holds)
    }

    fn check(&self, place: &str) -> Result<(), String> {
        if self.status.iter().any(|status| !(200..300).contains(status) && *status != 404) {
            return Err(format!("{place}: a status that is expected is 2xx or 404"));
        }
        if self.body.keys().any(|pointer| !pointer.is_empty() && !pointer.starts_with('/')) {
            return Err(format!("{place}: a place in the body is a JSON pointer, such as /active"));
        }
        Ok(())
    }
}

impl Request {
    pub(crate) fn check(&self, place: &str, reads: bool, with_id: bool) -> Result<(), String> {
        let wrong = |why: &str| Err(format!("{place}: {why}"));
        if !self.path.starts_with('/') || self.path.contains(['?', '#']) {
            return wrong("the path begins with / and has no query; that stands in `query`");
        }
        match self.method {
            Method::Put | Method::Patch | Method::Delete if reads => {
                return wrong("what only looks is a GET or a POST");
            }
            Method::Get if !reads => return wrong("a GET changes nothing"),
            _ => {}
        }
        if self.body.as_ref().is_some_and(|body| body.to_string().len() > MAX_BODY) {
            return wrong("the body is longer than 8 KiB");
        }
        let sample = Values::sample(with_id);
        let body = self.body.as_ref().map_or(Ok(Value::Null), |body| sample.body(body)).map(drop);
        let query = self.query.values().try_for_each(|value| sample.fill(value).map(drop));
        sample.segments(&self.path).map(drop).and(body).and(query).map_err(|failed| {
            format!("{place}: `{{{}}}` is none of the names that can stand in braces there", failed.name)
        })
    }
}

impl Http {
    pub(super) fn check(&self) -> Result<(), String> {
        let Some(verify) = &self.verify else {
            return Err("without `verify` nobody could tell that access is gone; say how that is seen".into());
        };
        if self.revoke.is_empty() || self.revoke.len() > MAX_STEPS || self.restore.len() > MAX_STEPS {
            return Err(format!("`revoke` has 1 to {MAX_STEPS} steps, `restore` at most as many"));
        }
        if verify.expect == Expected::default() {
            return Err("`verify` expects nothing that an account in use would not answer as well".into());
        }
        let with_id = self.exists.id.is_some();
        self.exists.request.check("exists", true, false)?;
        self.exists.found.check("exists.found")?;
        self.exists.absent.check("exists.absent")?;
        verify.request.check("verify", true, with_id)?;
        verify.expect.check("verify")?;
        let mut names = BTreeSet::new();
        for step in self.revoke.iter().chain(&self.restore) {
            step.request.check(&step.name, false, with_id)?;
            step.expect.check(&step.name)?;
            if step.name.is_empty() || step.name.len() > 80 || !names.insert(&step.name) {
                return Err("each step has a name of its own, of at most 80 characters".into());
            }
        }
        let takes = |step: &Step| {
            !matches!(step.kind, ActionKind::EnableAccount | ActionKind::AddGrant | ActionKind::EnableApiKey)
        };
        if !self.revoke.iter().all(takes) {
            return Err("a step of `revoke` is of a kind that gives access".into());
        }
        if self.revoke.iter().chain(&self.restore).any(|step| step.kind == ActionKind::TransferOwnership) {
            return Err("no step can be transfer_ownership: who takes over is not known to requests".into());
        }
        Ok(())
    }
}
