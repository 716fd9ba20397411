//! Exchanges held against AWS' own service models (botocore's `service-2.json`): the Query protocol and JSON 1.1.

use crate::{exchange::Exchange, openapi::Judged, schema::is_secret};
use quick_xml::{Reader, events::Event};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// One service model.
pub(crate) struct Model {
    root: Value,
}

/// An element of an XML answer.
#[derive(Debug, Default)]
struct Element {
    name: String,
    text: String,
    inside: Vec<Element>,
}

impl Element {
    fn parse(text: &str) -> Option<Self> {
        let mut reader = Reader::from_str(text);
        let mut open = vec![Self::default()];
        loop {
            match reader.read_event().ok()? {
                Event::Start(start) => {
                    let name = start.local_name().as_ref().to_owned();
                    open.push(Self { name, ..Self::default() });
                }
                Event::Empty(start) => {
                    let name = start.local_name().as_ref().to_owned();
                    open.last_mut()?.inside.push(Self { name, ..Self::default() });
                }
                Event::Text(text) => open.last_mut()?.text.push_str(&text),
                Event::GeneralRef(_) => open.last_mut()?.text.push('?'),
                Event::End(_) => {
                    let done = open.pop()?;
                    open.last_mut()?.inside.push(done);
                }
                Event::Eof => return open.pop()?.inside.pop(),
                _ => {}
            }
        }
    }

    fn find(&self, name: &str) -> Option<&Self> {
        self.inside.iter().find(|element| element.name == name)
    }
}

impl Model {
    /// Out of a model's text.
    pub(crate) fn parse(text: &str) -> Self {
        Self { root: serde_json::from_str(text).expect("JSON") }
    }

    fn shape(&self, reference: &Value) -> &Value {
        &self.root["shapes"][reference["shape"].as_str().expect("a shape's name")]
    }

    /// What is wrong with an exchange; `None` where it is not a call of this service.
    pub(crate) fn judge(&self, exchange: &Exchange) -> Option<Judged> {
        let metadata = &self.root["metadata"];
        let is_query = metadata["protocol"] == "query";
        let action = if is_query {
            (exchange.body["Version"] == metadata["apiVersion"])
                .then_some(exchange.body["Action"].as_str()?)?
        } else {
            let target = exchange.headers.get("x-amz-target")?;
            target.strip_prefix(metadata["targetPrefix"].as_str()?)?.strip_prefix('.')?
        };
        let judged = |problems| Some(Judged { operation: action.to_owned(), problems });
        let Some(operation) = self.root["operations"].get(action) else {
            return judged(vec!["the model has no such operation".to_owned()]);
        };
        let mut problems = Vec::new();
        if operation["http"]["method"] != exchange.method.as_str() {
            problems.push(format!("the method is {}", exchange.method));
        }
        let input = operation.get("input").map(|input| self.shape(input));
        if is_query {
            problems.extend(input.map(|input| self.form(&exchange.body, input)).unwrap_or_default());
        } else {
            if exchange.content_type() != "application/x-amz-json-1.1" {
                problems.push(format!("the body's type is {}", exchange.content_type()));
            }
            if let Some(input) = input {
                self.value(&exchange.body, input, "body", &mut problems);
            }
        }
        let output = operation.get("output");
        match (exchange.status, is_query) {
            (200, true) => problems.extend(self.xml(action, &exchange.answer, output)),
            (200, false) => {
                if let Some(output) = output {
                    self.value(&exchange.answer, self.shape(output), "answer ", &mut problems);
                }
            }
            _ => problems.extend(self.refusal(operation, exchange, is_query)),
        }
        judged(problems)
    }

    /// A form of the Query protocol: flat names such as `UserName` or `Tags.member.1.Key`.
    fn form(&self, body: &Value, input: &Value) -> Vec<String> {
        let none = Map::new();
        let fields = body.as_object().unwrap_or(&none);
        let mut problems = Vec::new();
        let members = input["members"].as_object().unwrap_or(&none);
        for name in input["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let given = fields.keys().any(|key| key == name || key.starts_with(&format!("{name}.")));
            if !given {
                problems.push(format!("parameter {name} is missing"));
            }
        }
        for (name, text) in fields.iter().filter(|(name, _)| !["Action", "Version"].contains(&name.as_str()))
        {
            let base = name.split('.').next().unwrap_or_default();
            match members.get(base) {
                None => problems.push(format!("parameter {name} is not described")),
                Some(member) if base == name => {
                    self.text(text.as_str().unwrap_or_default(), self.shape(member), name, &mut problems);
                }
                Some(_) => {}
            }
        }
        problems
    }

    /// A value that is written as a text, by its shape.
    fn text(&self, text: &str, shape: &Value, what: &str, problems: &mut Vec<String>) {
        let fits = match shape["type"].as_str().unwrap_or_default() {
            "string" => return self.string(text, shape, what, problems),
            "integer" | "long" => text.parse::<i64>().is_ok(),
            "boolean" => matches!(text, "true" | "false"),
            "timestamp" => text.ends_with('Z') && text.contains('T'),
            "float" | "double" => text.parse::<f64>().is_ok(),
            _ => true,
        };
        if !fits {
            problems.push(format!("{what} is not of type {}", shape["type"]));
        }
    }

    fn string(&self, text: &str, shape: &Value, what: &str, problems: &mut Vec<String>) {
        if is_secret(text) {
            return;
        }
        let length = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
        let among = shape["enum"].as_array().is_none_or(|all| all.iter().any(|one| one == text));
        let short = shape["min"].as_u64().is_some_and(|least| length < least);
        let long = shape["max"].as_u64().is_some_and(|most| length > most);
        if !among || short || long {
            problems.push(format!("{what} is not one that the model allows"));
        }
    }

    /// A JSON value by its shape.
    fn value(&self, value: &Value, shape: &Value, what: &str, problems: &mut Vec<String>) {
        let kind = shape["type"].as_str().unwrap_or_default();
        let fits = match (kind, value) {
            // Any JSON.
            ("structure", _) if shape["document"] == true => true,
            ("structure", Value::Object(fields)) => {
                self.structure(fields, shape, what, problems);
                true
            }
            ("list", Value::Array(items)) => {
                let of = self.shape(&shape["member"]);
                items.iter().for_each(|item| self.value(item, of, &format!("{what}/*"), problems));
                true
            }
            ("map", Value::Object(_)) => true,
            ("string", Value::String(text)) => {
                self.string(text, shape, what, problems);
                true
            }
            ("integer" | "long", value) => value.is_i64() || value.is_u64(),
            ("timestamp" | "float" | "double", value) => value.is_number(),
            ("boolean", value) => value.is_boolean(),
            _ => false,
        };
        if !fits {
            problems.push(format!("{what} is not of type {kind}"));
        }
    }

    fn structure(&self, fields: &Map<String, Value>, shape: &Value, what: &str, problems: &mut Vec<String>) {
        let wanted = shape["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        problems.extend(
            wanted.filter(|name| !fields.contains_key(*name)).map(|name| format!("{what}/{name} is missing")),
        );
        for (name, field) in fields {
            match shape["members"].get(name) {
                Some(member) => self.value(field, self.shape(member), &format!("{what}/{name}"), problems),
                None => problems.push(format!("{what}/{name} is not described")),
            }
        }
    }

    fn xml(&self, action: &str, answer: &Value, output: Option<&Value>) -> Vec<String> {
        let Some(root) = answer.as_str().and_then(Element::parse) else {
            return vec!["the answer is not XML".to_owned()];
        };
        let mut problems = Vec::new();
        if root.name != format!("{action}Response") {
            problems.push(format!("the answer is a {}", root.name));
        }
        if root.find("ResponseMetadata").and_then(|metadata| metadata.find("RequestId")).is_none() {
            problems.push("the answer has no request's id".to_owned());
        }
        let Some(output) = output else {
            return problems;
        };
        match root.find(output["resultWrapper"].as_str().unwrap_or_default()) {
            Some(result) => self.element(result, self.shape(output), "answer ", &mut problems),
            None => problems.push("the answer has no result".to_owned()),
        }
        problems
    }

    /// An element by its shape.
    fn element(&self, element: &Element, shape: &Value, what: &str, problems: &mut Vec<String>) {
        match shape["type"].as_str().unwrap_or_default() {
            "structure" => {
                let none = Map::new();
                let members = shape["members"].as_object().unwrap_or(&none);
                let named: BTreeMap<&str, (&str, &Value)> = members
                    .iter()
                    .map(|(name, of)| (of["locationName"].as_str().unwrap_or(name), (name.as_str(), of)))
                    .collect();
                let wanted = shape["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
                for name in wanted {
                    let at = members[name]["locationName"].as_str().unwrap_or(name);
                    if element.find(at).is_none() {
                        problems.push(format!("{what}/{name} is missing"));
                    }
                }
                for inner in &element.inside {
                    let place = format!("{what}/{}", inner.name);
                    match named.get(inner.name.as_str()) {
                        Some((_, member)) => self.element(inner, self.shape(member), &place, problems),
                        None => problems.push(format!("{place} is not described")),
                    }
                }
            }
            "list" => {
                let of = self.shape(&shape["member"]);
                for item in &element.inside {
                    if item.name != "member" {
                        problems.push(format!("{what} has an entry that is no member"));
                    }
                    self.element(item, of, &format!("{what}/*"), problems);
                }
            }
            _ => self.text(&element.text, shape, what, problems),
        }
    }

    /// A refusal has a code that the model gives this operation, or one that any call may get.
    fn refusal(&self, operation: &Value, exchange: &Exchange, is_query: bool) -> Vec<String> {
        const ANYWHERE: [&str; 6] = [
            "AccessDenied",
            "AccessDeniedException",
            "InvalidClientTokenId",
            "SignatureDoesNotMatch",
            "Throttling",
            "ThrottlingException",
        ];
        let code = if is_query {
            let root = exchange.answer.as_str().and_then(Element::parse).unwrap_or_default();
            root.find("Error").and_then(|error| error.find("Code")).map(|code| code.text.clone())
        } else {
            exchange.answer["__type"].as_str().map(str::to_owned)
        };
        let Some(code) = code else { return vec![format!("status {}: no code", exchange.status)] };
        let errors = operation["errors"].as_array().into_iter().flatten();
        let known = errors.map(|error| {
            let shape = self.shape(error);
            shape["error"]["code"].as_str().unwrap_or(error["shape"].as_str().unwrap_or_default()).to_owned()
        });
        let fits = ANYWHERE.contains(&code.as_str()) || known.into_iter().any(|known| known == code);
        if fits { Vec::new() } else { vec![format!("status {}: {code} is not described", exchange.status)] }
    }
}
