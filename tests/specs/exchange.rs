//! One request with its answer, as the sandbox recorded them.

use serde_json::Value;
use std::collections::BTreeMap;

/// What stands in the record where a secret was.
pub(crate) const SECRET: &str = "[secret]";

/// One request with its answer.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    /// The method, in capitals.
    pub(crate) method: String,
    /// The path below the stand-in's address, still encoded.
    pub(crate) path: String,
    /// Query parameters.
    pub(crate) query: BTreeMap<String, String>,
    /// The request's headers, in small letters.
    pub(crate) headers: BTreeMap<String, String>,
    /// The request's body; a form is an object of texts.
    pub(crate) body: Value,
    /// The answer's status.
    pub(crate) status: u16,
    /// The answer's media type, without its parameters.
    pub(crate) media_type: String,
    /// The answer's body; XML is a text.
    pub(crate) answer: Value,
}

fn texts(of: &Value) -> BTreeMap<String, String> {
    let fields = of.as_object().expect("an object");
    fields.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
}

impl Exchange {
    /// Out of the sandbox's record.
    pub(crate) fn of(recorded: &Value) -> Self {
        let text = |name: &str| recorded[name].as_str().expect(name).to_owned();
        assert_eq!(recorded["injected"], false, "{recorded}");
        Self {
            method: text("method"),
            path: text("sent"),
            query: texts(&recorded["query"]),
            headers: texts(&recorded["headers"]),
            body: recorded["body"].clone(),
            status: recorded["status"].as_u64().and_then(|status| status.try_into().ok()).expect("a status"),
            media_type: main_type(&text("media_type")).to_owned(),
            answer: recorded["answer"].clone(),
        }
    }

    /// The media type of the request's body, without its parameters.
    pub(crate) fn content_type(&self) -> &str {
        self.headers.get("content-type").map_or("", |value| main_type(value))
    }
}

/// A media type without its parameters.
pub(crate) fn main_type(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}

/// A place in a document with the numbers of list entries left out, so that the same flaw of each entry is one.
pub(crate) fn place(pointer: &str) -> String {
    let plain =
        |segment: &str| if segment.parse::<usize>().is_ok() { "*".to_owned() } else { segment.to_owned() };
    pointer.split('/').map(plain).collect::<Vec<_>>().join("/")
}
