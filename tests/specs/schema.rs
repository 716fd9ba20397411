//! JSON schemas inside an OpenAPI description: made readable for a validator, and asked about values.

use crate::exchange::{SECRET, place};
use jsonschema::{
    Draft, Registry, Resource, Validator,
    error::{ValidationError, ValidationErrorKind},
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

const BASE: &str = "https://description.invalid/";
/// The server that Graph's description names.
const GRAPH: &str = "https://graph.microsoft.com/v1.0/";

/// Which way a value goes: fields that only the vendor writes are not asked of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Asked,
    Answered,
}

/// The schemas of one description, for one way.
pub(crate) struct Schemas {
    root: Value,
    registry: Registry<'static>,
    known: Mutex<BTreeMap<String, Arc<Validator>>>,
}

/// Takes OpenAPI 3.0's own words for JSON Schema's: `nullable`, and fields of the other way.
fn convert(value: &mut Value, way: Way) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| convert(item, way)),
        Value::Object(fields) => {
            fields.values_mut().for_each(|field| convert(field, way));
            let other = if way == Way::Asked { "readOnly" } else { "writeOnly" };
            let theirs: BTreeSet<String> = match fields.get("properties") {
                Some(Value::Object(all)) => all
                    .iter()
                    .filter(|(_, field)| field[other] == true)
                    .map(|(name, _)| name.clone())
                    .collect(),
                _ => BTreeSet::new(),
            };
            if let Some(Value::Array(required)) = fields.get_mut("required") {
                required.retain(|name| name.as_str().is_none_or(|name| !theirs.contains(name)));
            }
            if fields.get("nullable") == Some(&Value::Bool(true)) {
                fields.remove("nullable");
                let plain = Value::Object(std::mem::take(fields));
                *value = json!({"anyOf": [{"type": "null"}, plain]});
            }
        }
        _ => {}
    }
}

/// Graph's description says of every open type that further fields are objects. They may be anything, and in what
/// leaver reads there are none: without that word, a field that is not described is seen.
fn close(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(close),
        Value::Object(fields) => {
            if fields.get("additionalProperties") == Some(&json!({"type": "object"})) {
                fields.remove("additionalProperties");
            }
            fields.values_mut().for_each(close);
        }
        _ => {}
    }
}

impl Schemas {
    /// Those of a description.
    pub(crate) fn of(description: &Value, way: Way) -> Self {
        let mut root = description.clone();
        if root["servers"][0]["url"] == GRAPH {
            close(&mut root);
        }
        convert(&mut root, way);
        let resource = Resource::from_contents(root.clone());
        let registry = Registry::new().draft(Draft::Draft202012).add(BASE, resource).expect("an address");
        let registry = registry.prepare().expect("a description");
        Self { root, registry, known: Mutex::default() }
    }

    /// What stands at a place of the description, references followed.
    pub(crate) fn at(&self, pointer: &str) -> &Value {
        let found = self.root.pointer(pointer).unwrap_or_else(|| panic!("no {pointer} in the description"));
        self.resolved(found)
    }

    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str().and_then(|address| address.strip_prefix('#')) {
            Some(pointer) => self.at(&percent_decoded(pointer)),
            None => schema,
        }
    }

    /// Where something really stands that is a reference; `None` for what is none.
    pub(crate) fn target(&self, pointer: &str) -> Option<String> {
        let address = self.root.pointer(pointer)?["$ref"].as_str()?.strip_prefix('#')?;
        let place = percent_decoded(address);
        Some(self.target(&place).unwrap_or(place))
    }

    /// What is wrong with a value by the schema at a place; `what` names the value.
    pub(crate) fn check(&self, what: &str, value: &Value, pointer: &str) -> Vec<String> {
        let mut found = Vec::new();
        for error in self.validator(pointer).iter_errors(value) {
            if error.instance().as_str() != Some(SECRET) {
                found.push(format!("{what}{}: {}", place(error.instance_path().as_str()), told(&error)));
            }
        }
        let mut unknown = BTreeSet::new();
        self.undescribed(&[self.at(pointer)], value, what, &mut unknown);
        found.extend(unknown.into_iter().map(|name| format!("{name} is not described")));
        found
    }

    fn validator(&self, pointer: &str) -> Arc<Validator> {
        let mut known = self.known.lock().expect("a lock");
        let build = || {
            let escaped =
                pointer.replace('{', "%7B").replace('}', "%7D").replace(' ', "%20").replace('^', "%5E");
            let schema = json!({"$ref": format!("{BASE}#{escaped}")});
            let built = jsonschema::options()
                .with_draft(Draft::Draft202012)
                .with_registry(&self.registry)
                .should_validate_formats(true)
                .build(&schema);
            Arc::new(built.unwrap_or_else(|error| panic!("{pointer}: {error}")))
        };
        known.entry(pointer.to_owned()).or_insert_with(build).clone()
    }

    /// The names that a value has and none of the schemas: one that is misspelt is silently ignored by most vendors.
    fn undescribed(&self, schemas: &[&Value], value: &Value, what: &str, found: &mut BTreeSet<String>) {
        let mut all = Vec::new();
        schemas.iter().for_each(|schema| self.flat(schema, &mut all, 0));
        // A value that says of which derived type it is has that type's fields.
        let derived = value["@odata.type"].as_str().map(|name| name.trim_start_matches('#'));
        if let Some(schema) = derived.and_then(|name| self.root["components"]["schemas"].get(name)) {
            self.flat(schema, &mut all, 0);
        }
        match value {
            Value::Array(items) => {
                let of: Vec<&Value> = all.iter().filter_map(|schema| schema.get("items")).collect();
                items.iter().for_each(|item| self.undescribed(&of, item, &format!("{what}/*"), found));
            }
            Value::Object(fields) => {
                let open =
                    |schema: &&Value| schema.get("additionalProperties").is_some_and(|more| more != false);
                let is_open = all.iter().any(open);
                let described = all.iter().any(|schema| schema["properties"].is_object());
                for (name, field) in fields {
                    let of: Vec<&Value> =
                        all.iter().filter_map(|schema| schema["properties"].get(name)).collect();
                    // Annotations of OData are part of the protocol, and of no schema.
                    if of.is_empty() && !is_open && described && !name.contains("@odata.") {
                        found.insert(format!("{what}/{name}"));
                    }
                    self.undescribed(&of, field, &format!("{what}/{name}"), found);
                }
            }
            _ => {}
        }
    }

    fn flat<'a>(&'a self, schema: &'a Value, into: &mut Vec<&'a Value>, depth: usize) {
        let schema = self.resolved(schema);
        into.push(schema);
        let parts =
            ["allOf", "anyOf", "oneOf"].into_iter().filter_map(|name| schema[name].as_array()).flatten();
        if depth < 12 {
            parts.for_each(|part| self.flat(part, into, depth + 1));
        }
    }

    /// A text of a query, path or form as the type that the schema at a place says.
    pub(crate) fn typed(&self, text: &str, pointer: &str) -> Value {
        self.typed_by(text, self.at(pointer))
    }

    fn typed_by(&self, text: &str, schema: &Value) -> Value {
        let mut all = Vec::new();
        self.flat(schema, &mut all, 0);
        let is = |kind: &str| {
            all.iter().any(|schema| {
                schema["type"] == kind
                    || schema["type"].as_array().is_some_and(|types| types.contains(&json!(kind)))
            })
        };
        let parsed = |plain: bool| plain.then(|| serde_json::from_str::<Value>(text).ok()).flatten();
        let scalar = parsed(is("integer") || is("number")).filter(Value::is_number);
        let scalar = scalar.or_else(|| parsed(is("boolean")).filter(Value::is_boolean));
        if let Some(items) = all.iter().find_map(|schema| schema.get("items")).filter(|_| is("array")) {
            return text.split(',').map(|one| self.typed_by(one, items)).collect();
        }
        scalar.unwrap_or_else(|| text.into())
    }
}

fn percent_decoded(pointer: &str) -> String {
    pointer.replace("%7B", "{").replace("%7D", "}").replace("%20", " ")
}

/// An error without the value that has it. Where none of several schemas fits, the nearest of them is told.
fn told(error: &ValidationError<'_>) -> String {
    let (ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context }) =
        error.kind()
    else {
        return error.masked().to_string();
    };
    let nearest = context.iter().filter(|errors| !errors.iter().any(|error| is_null_only(error)));
    let nearest = nearest.min_by_key(|errors| errors.len()).into_iter().flatten();
    let inner: BTreeSet<String> =
        nearest.map(|inner| format!("{}: {}", place(inner.instance_path().as_str()), told(inner))).collect();
    inner.into_iter().collect::<Vec<_>>().join("; ")
}

fn is_null_only(error: &ValidationError<'_>) -> bool {
    matches!(error.kind(), ValidationErrorKind::Type { .. }) && error.to_string().ends_with("\"null\"")
}

/// Whether this stands where a secret was.
pub(crate) fn is_secret(text: &str) -> bool {
    text == SECRET
}
