//! Exchanges held against SCIM 2.0: the resources of RFC 7643, the messages of RFC 7644.

use crate::{
    exchange::{Exchange, place},
    openapi::Judged,
};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

const LIST: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";
/// What every resource has besides the attributes of its schemas.
const COMMON: [&str; 4] = ["schemas", "id", "externalId", "meta"];
const QUERY: [&str; 7] =
    ["attributes", "count", "excludedAttributes", "filter", "sortBy", "sortOrder", "startIndex"];

/// The schemas that a server of SCIM describes itself with.
pub(crate) struct Scim {
    schemas: Vec<Value>,
}

impl Scim {
    /// Out of the text of `/Schemas` and its neighbours.
    pub(crate) fn parse(text: &str) -> Self {
        let root: Value = serde_json::from_str(text).expect("JSON");
        Self { schemas: root["Schemas"]["Resources"].as_array().cloned().expect("schemas") }
    }

    /// What is wrong with an exchange whose path below SCIM's root is this; `None` where it is no resource of SCIM.
    pub(crate) fn judge(&self, exchange: &Exchange, path: &str) -> Option<Judged> {
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        let (kind, one) = match segments.as_slice() {
            [kind @ ("Users" | "Groups")] => (*kind, false),
            [kind @ ("Users" | "Groups"), _] => (*kind, true),
            _ => return None,
        };
        let template = if one { "/{id}" } else { "" };
        let operation = format!("SCIM {} /{kind}{template}", exchange.method);
        let mut problems = BTreeSet::new();
        let unknown = exchange.query.keys().filter(|name| !QUERY.contains(&name.as_str()));
        problems.extend(unknown.map(|name| format!("query parameter {name} is not described")));
        match (exchange.method.as_str(), one) {
            ("GET" | "DELETE", true) | ("GET", false) => {}
            ("PATCH", true) => patch(&exchange.body, &mut problems),
            ("PUT", true) | ("POST", false) => {
                self.resource(&exchange.body, kind, "body", false, &mut problems)
            }
            _ => {
                problems.insert("SCIM has no such operation".to_owned());
            }
        }
        self.answer(exchange, kind, one, &mut problems);
        Some(Judged { operation, problems: problems.into_iter().collect() })
    }

    fn answer(&self, exchange: &Exchange, kind: &str, one: bool, problems: &mut BTreeSet<String>) {
        let answer = &exchange.answer;
        let mut must = |holds: bool, what: &str| {
            if !holds {
                problems.insert(format!("answer {}: {what}", exchange.status));
            }
        };
        let says = |schema: &str| {
            answer["schemas"].as_array().is_some_and(|all| all.iter().any(|one| one == schema))
        };
        match exchange.status {
            204 => must(answer.is_null(), "a body"),
            200 | 201 if one || exchange.method == "POST" => {
                self.resource(answer, kind, "answer ", true, problems);
            }
            200 => {
                must(says(LIST), "no ListResponse");
                must(answer["totalResults"].is_u64(), "no totalResults");
                let total = answer["totalResults"].as_u64().unwrap_or_default();
                must(total == 0 || answer["Resources"].is_array(), "no Resources");
                for resource in answer["Resources"].as_array().into_iter().flatten() {
                    self.resource(resource, kind, "answer /Resources/*", true, problems);
                }
            }
            status => {
                must(says(ERROR), "no Error");
                must(
                    answer["status"].as_str() == Some(&status.to_string()),
                    "the status is not told as a text",
                );
            }
        }
    }

    fn resource(&self, of: &Value, kind: &str, what: &str, answered: bool, problems: &mut BTreeSet<String>) {
        let Some(fields) = of.as_object() else {
            problems.insert(format!("{what} is no resource"));
            return;
        };
        let core = format!("urn:ietf:params:scim:schemas:core:2.0:{}", kind.trim_end_matches('s'));
        let said: Vec<&str> =
            of["schemas"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if !said.contains(&core.as_str()) {
            problems.insert(format!("{what} does not name {core}"));
        }
        if answered && !of["id"].is_string() {
            problems.insert(format!("{what}/id is missing"));
        }
        let none = Vec::new();
        let attributes = |id: &str| {
            let schema = self.schemas.iter().find(|schema| schema["id"] == id);
            schema.and_then(|schema| schema["attributes"].as_array()).unwrap_or(&none)
        };
        let mut plain = fields.clone();
        plain.retain(|name, _| !COMMON.contains(&name.as_str()) && !name.starts_with("urn:"));
        complex(&plain, attributes(&core), what, problems);
        for (name, extension) in fields.iter().filter(|(name, _)| name.starts_with("urn:")) {
            if !said.contains(&name.as_str()) {
                problems.insert(format!("{what} has {name} and does not name it"));
            }
            // A vendor's own extension is described by the vendor alone.
            match (attributes(name).as_slice(), extension) {
                ([], _) => {}
                (known, Value::Object(fields)) => complex(fields, known, &format!("{what}/{name}"), problems),
                _ => {
                    problems.insert(format!("{what}/{name} is no object"));
                }
            }
        }
    }
}

fn patch(body: &Value, problems: &mut BTreeSet<String>) {
    if body["schemas"] != Value::from(vec![PATCH]) {
        problems.insert("body does not name PatchOp".to_owned());
    }
    let operations = body["Operations"].as_array().filter(|all| !all.is_empty());
    for operation in operations.into_iter().flatten() {
        let op = operation["op"].as_str().unwrap_or_default().to_ascii_lowercase();
        let fits = match op.as_str() {
            "remove" => operation["path"].is_string(),
            "add" | "replace" => !operation["value"].is_null(),
            _ => false,
        };
        let names = operation.as_object().into_iter().flat_map(Map::keys);
        let more = names.filter(|name| !["op", "path", "value"].contains(&name.as_str())).count();
        if !fits || more > 0 {
            problems.insert("body/Operations/* is no operation of RFC 7644".to_owned());
        }
    }
    if operations.is_none() {
        problems.insert("body/Operations is missing".to_owned());
    }
}

/// Fields by attributes; names of attributes do not tell capitals from small letters.
fn complex(fields: &Map<String, Value>, attributes: &[Value], what: &str, problems: &mut BTreeSet<String>) {
    let called = |attribute: &Value, name: &str| {
        attribute["name"].as_str().is_some_and(|known| known.eq_ignore_ascii_case(name))
    };
    for attribute in attributes.iter().filter(|attribute| attribute["required"] == true) {
        if !fields.keys().any(|name| called(attribute, name)) {
            problems.insert(format!("{what}/{} is missing", attribute["name"].as_str().unwrap_or_default()));
        }
    }
    for (name, value) in fields {
        let at = format!("{what}/{name}");
        let Some(attribute) = attributes.iter().find(|attribute| called(attribute, name)) else {
            problems.insert(format!("{} is not described", place(&at)));
            continue;
        };
        let one = std::slice::from_ref(value);
        let values = match (attribute["multiValued"] == true, value) {
            (true, Value::Array(all)) => all.as_slice(),
            (true, _) => {
                problems.insert(format!("{at} is no list"));
                continue;
            }
            (false, _) => one,
        };
        let inner = attribute["subAttributes"].as_array().map_or(&[][..], Vec::as_slice);
        for value in values.iter().filter(|value| !value.is_null()) {
            let fits = match (attribute["type"].as_str().unwrap_or_default(), value) {
                ("complex", Value::Object(fields)) => {
                    complex(fields, inner, &at, problems);
                    true
                }
                ("boolean", value) => value.is_boolean(),
                ("integer", value) => value.is_i64(),
                ("decimal", value) => value.is_number(),
                ("complex", _) => false,
                _ => value.is_string(),
            };
            if !fits {
                problems.insert(format!("{at} is of another type"));
            }
        }
    }
}
