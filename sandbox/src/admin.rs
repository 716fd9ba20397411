//! The sandbox's own face: accounts, faults, recorded requests, reset.

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use std::{collections::VecDeque, fmt};

/// Most requests kept per system.
const KEPT: usize = 2_000;
/// Most bytes of answers kept per system.
const KEPT_BYTES: usize = 32 * 1024 * 1024;

/// A failure to inject.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The system that fails.
    pub system: String,
    /// Only requests whose `METHOD /path?query` contains this text.
    #[serde(rename = "match")]
    pub matching: Option<String>,
    /// Answer with this status instead.
    pub status: Option<u16>,
    /// Answer with this body instead; a text as it is, anything else as JSON.
    pub body: Option<Value>,
    /// Further headers of that answer.
    #[serde(default)]
    pub headers: std::collections::BTreeMap<String, String>,
    /// Wait this long before answering.
    pub latency_ms: Option<u64>,
    /// Close the connection without an answer.
    #[serde(default)]
    pub drop: bool,
    /// Let this many matching requests pass first.
    #[serde(default)]
    pub skip: u64,
    /// How often; without an end where missing.
    pub times: Option<u64>,
}

impl Fault {
    /// Whether it stands in place of an answer, and is not only a wait before it.
    pub fn is_instead(&self) -> bool {
        self.drop || self.status.is_some() || self.body.is_some()
    }

    /// Whether it applies to a request; counts it where it does.
    pub fn hits(&mut self, system: &str, line: &str) -> bool {
        let matches = self.system == system && self.matching.as_ref().is_none_or(|text| line.contains(text));
        if !matches || self.times == Some(0) {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        if let Some(times) = &mut self.times {
            *times -= 1;
        }
        true
    }
}

/// One recorded request with its answer, without secrets.
#[derive(Debug, Clone, Serialize)]
pub struct Recorded {
    /// When it came, RFC 3339.
    pub at: String,
    /// The method.
    pub method: String,
    /// Path below the system's prefix.
    pub path: String,
    /// The same path as it was sent: a slash inside a name is still encoded there.
    pub sent: String,
    /// The request's headers, without secrets.
    pub headers: std::collections::BTreeMap<String, String>,
    /// Query, without secrets.
    pub query: std::collections::BTreeMap<String, String>,
    /// Body, without secrets; `null` where there was none.
    pub body: Value,
    /// The status that was answered; `null` where the connection was closed.
    pub status: Option<u16>,
    /// The answer's media type; empty where it had no body.
    pub media_type: String,
    /// The answer's body, shown without secrets; `null` where there was none.
    pub answer: Answer,
    /// The fault's index where one was injected.
    pub injected: bool,
}

/// A recorded answer's body as it was sent: hundreds are recorded for each that somebody looks at, so that it is read, and
/// its secrets are hidden, when it is shown.
#[derive(Clone, Default)]
pub struct Answer(pub Vec<u8>);

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        redacted(&self.0, "").serialize(serializer)
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", redacted(&self.0, ""))
    }
}

/// The requests of one system, oldest first.
#[derive(Debug, Default)]
pub struct Record {
    requests: VecDeque<Recorded>,
    bytes: usize,
}

impl Record {
    /// Adds one; the oldest fall out beyond the limits.
    pub fn push(&mut self, request: Recorded) {
        self.bytes += request.answer.0.len();
        self.requests.push_back(request);
        while self.requests.len() > KEPT || self.bytes > KEPT_BYTES {
            let oldest = self.requests.pop_front();
            self.bytes -= oldest.map_or(0, |oldest| oldest.answer.0.len());
        }
    }

    /// What is kept.
    pub fn requests(&self) -> &VecDeque<Recorded> {
        &self.requests
    }
}

/// Names of fields that never show their value.
const HIDDEN: [&str; 8] =
    ["token", "secret", "password", "assertion", "authorization", "private_key", "code", "deletetoken"];

/// Whether a field's value must not be shown.
pub fn is_hidden(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    HIDDEN.iter().any(|hidden| name == *hidden || name.ends_with(&format!("_{hidden}")))
}

/// Headers for the record: a credential's value is left out, whatever the vendor calls its header.
pub fn shown<'a>(
    headers: impl IntoIterator<Item = (&'a String, &'a String)>,
) -> std::collections::BTreeMap<String, String> {
    let secret = ["auth", "cookie", "key", "secret", "signature", "token"];
    let one = |(name, value): (&String, &String)| {
        let hidden = secret.iter().any(|word| name.contains(word));
        (name.clone(), if hidden { "[secret]".to_owned() } else { value.clone() })
    };
    headers.into_iter().map(one).collect()
}

/// A body for the record: JSON or form, hidden fields replaced.
pub fn redacted(body: &[u8], media_type: &str) -> Value {
    if body.is_empty() {
        return Value::Null;
    }
    if let Ok(mut value) = serde_json::from_slice::<Value>(body) {
        hide(&mut value);
        return value;
    }
    if media_type.starts_with("application/x-www-form-urlencoded") {
        let pairs = url::form_urlencoded::parse(body).map(|(name, value)| {
            let shown = if is_hidden(&name) { "[secret]".into() } else { value };
            (name.into_owned(), Value::String(shown.into_owned()))
        });
        return Value::Object(pairs.collect());
    }
    Value::String(String::from_utf8_lossy(body).into_owned())
}

fn hide(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.iter_mut().for_each(|(name, field)| match field {
            Value::String(text) if is_hidden(name) => *text = "[secret]".into(),
            _ => hide(field),
        }),
        Value::Array(items) => items.iter_mut().for_each(hide),
        _ => {}
    }
}
