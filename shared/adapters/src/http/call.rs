//! What is sent to a vendor, reads and writes told apart by their type, and what comes back.

use leaver_domain::fault::Fault;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, header::HeaderMap};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'@')
    .remove(b':')
    .remove(b'$');

/// A path out of segments, each encoded, so that nothing in an id can reach another resource.
fn path<'a>(segments: impl IntoIterator<Item = &'a str>) -> String {
    let encoded = segments.into_iter().map(|segment| utf8_percent_encode(segment, SEGMENT).to_string());
    encoded.collect::<Vec<_>>().join("/")
}

/// A body to send.
#[derive(Debug, Clone)]
pub enum Body {
    /// None.
    Empty,
    /// JSON, or JSON under another media type.
    Json(Value, &'static str),
    /// `application/x-www-form-urlencoded`.
    Form(Vec<(String, String)>),
}

/// One request, before it is authorised and sent.
#[derive(Debug, Clone)]
pub struct Call {
    pub(crate) method: Method,
    pub(super) host: &'static str,
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Body,
    pub(super) absolute: Option<Url>,
}

macro_rules! call {
    ($name:ident) => {
        impl $name {
            fn new<'a>(method: Method, segments: impl IntoIterator<Item = &'a str>) -> Self {
                Self(Call {
                    method,
                    host: "",
                    path: path(segments),
                    query: Vec::new(),
                    headers: Vec::new(),
                    body: Body::Empty,
                    absolute: None,
                })
            }

            /// At another of the system's hosts, by its name in [`crate::Spec::hosts`].
            pub fn at(mut self, host: &'static str) -> Self {
                self.0.host = host;
                self
            }

            /// Adds a query parameter.
            pub fn query(mut self, name: &str, value: impl ToString) -> Self {
                self.0.query.push((name.to_owned(), value.to_string()));
                self
            }

            /// Adds a header.
            pub fn header(mut self, name: &'static str, value: impl ToString) -> Self {
                self.0.headers.push((name, value.to_string()));
                self
            }

            /// With a JSON body.
            pub fn json(self, body: Value) -> Self {
                self.json_as("application/json", body)
            }

            /// With a JSON body under another media type, such as `application/scim+json`.
            pub fn json_as(mut self, media_type: &'static str, body: Value) -> Self {
                self.0.body = Body::Json(body, media_type);
                self
            }

            /// With a form body.
            pub fn form<K: Into<String>, V: Into<String>>(
                mut self,
                pairs: impl IntoIterator<Item = (K, V)>,
            ) -> Self {
                self.0.body = Body::Form(pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect());
                self
            }
        }
    };
}

/// A request that changes nothing at the vendor.
#[derive(Debug, Clone)]
pub struct Query(pub(super) Call);
call!(Query);

impl Query {
    /// A GET.
    pub fn get<'a>(segments: impl IntoIterator<Item = &'a str>) -> Self {
        Self::new(Method::GET, segments)
    }

    /// A POST that only reads: GraphQL queries, AWS query calls, searches with a body.
    pub fn post<'a>(segments: impl IntoIterator<Item = &'a str>) -> Self {
        Self::new(Method::POST, segments)
    }
}

/// A request that changes something at the vendor.
#[derive(Debug, Clone)]
pub struct Command(pub(super) Call);
call!(Command);

impl Command {
    /// A POST.
    pub fn post<'a>(segments: impl IntoIterator<Item = &'a str>) -> Self {
        Self::new(Method::POST, segments)
    }
    /// A PUT.
    pub fn put<'a>(segments: impl IntoIterator<Item = &'a str>) -> Self {
        Self::new(Method::PUT, segments)
    }
    /// A PATCH.
    pub fn patch<'a>(segments: impl IntoIterator<Item = &'a str>) -> Self {
        Self::new(Method::PATCH, segments)
    }
    /// A DELETE.
    pub fn delete<'a>(segments: impl IntoIterator<Item = &'a str>) -> Self {
        Self::new(Method::DELETE, segments)
    }
}

/// A 2xx answer.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    pub(super) body: Vec<u8>,
    pub(super) what: String,
}

impl Answer {
    /// The body as JSON of a known shape.
    ///
    /// # Errors
    /// `UnexpectedShape`, with the place in the document, never with its text.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let kind = match error.classify() {
                serde_json::error::Category::Data => "a field is missing or of another type",
                _ => "not JSON",
            };
            let (line, column) = (error.line(), error.column());
            Fault::shape(format!("{}: {kind} (line {line}, column {column})", self.what))
        })
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap_or_default()
    }

    /// The address in `Link: <...>; rel="next"`, if there is one.
    pub fn next_link(&self) -> Option<String> {
        let links = self.headers.get_all("link");
        let parts = links.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
        parts.map(str::trim).find_map(|part| {
            let (address, rest) = part.strip_prefix('<')?.split_once('>')?;
            let is_next = rest.split(';').any(|p| matches!(p.trim(), "rel=\"next\"" | "rel=next"));
            is_next.then(|| address.to_owned())
        })
    }
}
