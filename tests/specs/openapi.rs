//! Exchanges held against an OpenAPI description.

use crate::{
    exchange::{Exchange, main_type},
    schema::{Schemas, Way},
};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// One OpenAPI description.
pub(crate) struct OpenApi {
    asked: Schemas,
    answered: Schemas,
    templates: Vec<String>,
}

/// What an exchange is judged to be.
pub(crate) struct Judged {
    /// The operation's method and path template.
    pub(crate) operation: String,
    /// What is wrong with it.
    pub(crate) problems: Vec<String>,
}

fn escaped(segment: &str) -> String {
    segment.replace('~', "~0").replace('/', "~1")
}

/// How well a path fits a template: the number of its literal segments; `None` where it does not fit.
fn fit(template: &str, path: &str) -> Option<usize> {
    let (wanted, got): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    if wanted.len() != got.len() {
        return None;
    }
    let mut literal = 0;
    for (wanted, got) in wanted.iter().zip(&got) {
        match wanted.split_once('{') {
            None if wanted == got => literal += 1,
            None => return None,
            Some((before, rest)) => {
                let after = rest.split_once('}').map_or("", |(_, after)| after);
                let inner = got.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
                inner.filter(|inner| !inner.is_empty())?;
            }
        }
    }
    Some(literal)
}

impl OpenApi {
    /// Out of a description's text.
    pub(crate) fn parse(text: &str) -> Self {
        let root: Value = serde_json::from_str(text).expect("JSON");
        let paths = root["paths"].as_object().expect("paths");
        let templates = paths.keys().cloned().collect();
        Self { asked: Schemas::of(&root, Way::Asked), answered: Schemas::of(&root, Way::Answered), templates }
    }

    /// What is wrong with an exchange whose path below the description's root is this; `None` where the description
    /// has no such path.
    pub(crate) fn judge(&self, exchange: &Exchange, path: &str) -> Option<Judged> {
        let fits = self.templates.iter().filter_map(|template| Some((fit(template, path)?, template)));
        let method = exchange.method.to_ascii_lowercase();
        let has = |template: &str| self.item(template).contains_key(&method);
        let (_, template) = fits.max_by_key(|(literal, template)| (has(template), *literal))?;
        let operation = format!("{} {template}", exchange.method);
        if !METHODS.contains(&method.as_str()) || !has(template) {
            let problems = vec!["the path is described with other methods only".to_owned()];
            return Some(Judged { operation, problems });
        }
        let at = format!("/paths/{}/{method}", escaped(template));
        let mut problems = self.parameters(exchange, template, path, &at);
        problems.extend(self.body(exchange, &at));
        problems.extend(self.answer(exchange, &at));
        Some(Judged { operation, problems })
    }

    fn item(&self, template: &str) -> &Map<String, Value> {
        self.asked.at(&format!("/paths/{}", escaped(template))).as_object().expect("a path's item")
    }

    fn parameters(&self, exchange: &Exchange, template: &str, path: &str, at: &str) -> Vec<String> {
        let mut problems = Vec::new();
        let mut described = BTreeSet::new();
        for list in [at.to_owned(), format!("/paths/{}", escaped(template))] {
            let count = self.asked.at(&list)["parameters"].as_array().map_or(0, Vec::len);
            for index in 0..count {
                let pointer = format!("{list}/parameters/{index}");
                self.parameter(exchange, template, path, &pointer, &mut described, &mut problems);
            }
        }
        let known = |name: &str| {
            described.contains(name) || name.split_once('[').is_some_and(|(base, _)| described.contains(base))
        };
        let unknown = exchange.query.keys().filter(|name| !known(name));
        problems.extend(unknown.map(|name| format!("query parameter {name} is not described")));
        problems
    }

    fn parameter(
        &self,
        exchange: &Exchange,
        template: &str,
        path: &str,
        pointer: &str,
        described: &mut BTreeSet<String>,
        problems: &mut Vec<String>,
    ) {
        let parameter = self.asked.at(pointer);
        let (name, place) = (parameter["name"].as_str().expect("a name"), parameter["in"].as_str());
        let given = match place {
            Some("query") => {
                described.insert(name.trim_end_matches("[]").to_owned());
                described.insert(name.to_owned());
                exchange.query.get(name).cloned()
            }
            Some("header") => exchange.headers.get(&name.to_ascii_lowercase()).cloned(),
            Some("path") => inside(template, path, name),
            _ => return,
        };
        let Some(given) = given else {
            let deep = exchange.query.keys().any(|key| key.starts_with(&format!("{name}[")));
            // What HTTP itself has is described elsewhere, by the media types and the security schemes.
            let own = ["accept", "authorization", "content-type"].contains(&&*name.to_ascii_lowercase());
            if parameter["required"] == true && !deep && !own {
                problems.push(format!("{} parameter {name} is missing", place.unwrap_or_default()));
            }
            return;
        };
        if parameter.get("schema").is_none() {
            return;
        }
        let schema = format!("{}/schema", self.true_place(pointer));
        let value = self.asked.typed(&given, &schema);
        problems.extend(self.asked.check(&format!("parameter {name}"), &value, &schema));
    }

    /// Where something really stands that may be a reference.
    fn true_place(&self, pointer: &str) -> String {
        self.asked.target(pointer).unwrap_or_else(|| pointer.to_owned())
    }

    fn body(&self, exchange: &Exchange, at: &str) -> Vec<String> {
        let described =
            self.asked.at(at).get("requestBody").map(|_| self.true_place(&format!("{at}/requestBody")));
        let (described, given) = match (described, exchange.body.is_null()) {
            (None, true) => return Vec::new(),
            (None, false) => return vec!["a body is not described".to_owned()],
            (Some(at), is_null) => (at, !is_null),
        };
        if !given {
            let is_required = self.asked.at(&described)["required"] == true;
            return is_required.then(|| "the body is missing".to_owned()).into_iter().collect();
        }
        let Some(schema) = media(&self.asked, &described, exchange.content_type()) else {
            return vec![format!("a body of type {} is not described", exchange.content_type())];
        };
        let is_form = exchange.content_type() == "application/x-www-form-urlencoded";
        let body = if is_form { self.form(&exchange.body, &schema) } else { exchange.body.clone() };
        self.asked.check("body", &body, &schema)
    }

    /// A form's texts as the types that its schema says.
    fn form(&self, body: &Value, schema: &str) -> Value {
        let properties = self.asked.at(schema)["properties"].clone();
        let typed = |(name, text): (&String, &Value)| {
            let text = text.as_str().unwrap_or_default();
            let place = format!("{}/properties/{}", self.true_place(schema), escaped(name));
            let known = properties.get(name).is_some();
            (name.clone(), if known { self.asked.typed(text, &place) } else { text.into() })
        };
        body.as_object()
            .map(|fields| fields.iter().map(typed).collect::<Map<_, _>>())
            .unwrap_or_default()
            .into()
    }

    fn answer(&self, exchange: &Exchange, at: &str) -> Vec<String> {
        let status = exchange.status.to_string();
        let responses = &self.answered.at(at)["responses"];
        // Slack refuses with status 200 and describes that answer as the default one.
        let refused = exchange.status == 200 && exchange.answer["ok"] == false;
        let range = format!("{}XX", &status[..1]);
        let names = [status.as_str(), &range, "default"];
        let mut names = names.iter().skip(if refused { 2 } else { 0 });
        let Some(name) = names.find(|name| responses.get(**name).is_some()) else {
            return vec![format!("status {status} is not described")];
        };
        let place = format!("{at}/responses/{name}");
        let place = self.answered.target(&place).unwrap_or(place);
        let content = self.answered.at(&place).get("content").and_then(Value::as_object);
        let is_described = content.is_some_and(|content| !content.is_empty());
        match (is_described, exchange.answer.is_null()) {
            (false, true) => Vec::new(),
            // Nobody describes the texts of refusals where the status says all; HTTP gives 204 no body whatever is described.
            (false, false) if exchange.status >= 400 => Vec::new(),
            (true, true) if exchange.status == 204 => Vec::new(),
            (false, false) => vec![format!("status {status}: a body is not described")],
            (true, true) => vec![format!("status {status}: the body is missing")],
            (true, false) => match media(&self.answered, &place, &exchange.media_type) {
                Some(schema) => self.answered.check(&format!("answer {status} "), &exchange.answer, &schema),
                None => vec![format!(
                    "status {status}: an answer of type {} is not described",
                    exchange.media_type
                )],
            },
        }
    }
}

/// Where the schema for a media type stands.
fn media(schemas: &Schemas, at: &str, media_type: &str) -> Option<String> {
    let content = schemas.at(at)["content"].as_object()?;
    let fits = |name: &&String| matches!(main_type(name), "*/*") || main_type(name) == media_type;
    let name = content.keys().find(fits)?;
    let place = format!("{at}/content/{}", escaped(name));
    schemas.at(&place).get("schema").map(|_| format!("{place}/schema"))
}

/// What stands in a path where the template has a name.
fn inside(template: &str, path: &str, name: &str) -> Option<String> {
    let wanted = format!("{{{name}}}");
    let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    let (pattern, got) = template.iter().zip(&path).find(|(pattern, _)| pattern.contains(&wanted))?;
    let (before, after) = pattern.split_once(&wanted)?;
    let inner = got.strip_prefix(before)?.strip_suffix(after)?;
    Some(percent_encoding::percent_decode_str(inner).decode_utf8_lossy().into_owned())
}
