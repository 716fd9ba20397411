//! The API's client.

use crate::failure::{Context as _, Failure};
use leaver_domain::problem::Problem;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use std::time::Duration;

/// Longest wait for one answer: API Gateway itself gives up after 30 seconds.
const TIMEOUT: Duration = Duration::from_secs(35);
/// What may stand in a path's segment as it is.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// An API, and the token that it is used with.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: String,
}

/// What became of a file that was sent.
#[derive(Debug, Clone)]
pub enum Posted {
    /// It was taken; the answer.
    Taken(Value),
    /// It was refused; the whole problem document.
    Refused(Failure, Value),
}

/// One Server-Sent Event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// Its id, with which the next request goes on.
    pub id: Option<String>,
    /// Its kind.
    pub event: String,
    /// Its data.
    pub data: String,
}

/// A text as one segment of a path.
pub fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// The HTTP client that everything here uses.
///
/// # Errors
/// Where no TLS can be set up.
pub fn http() -> Result<reqwest::Client, Failure> {
    leaver_adapters::http::client().context("HTTP")
}

impl Client {
    /// A client of the API at this address.
    ///
    /// # Errors
    /// Where no HTTP client can be made.
    pub fn new(base: &str, token: &str) -> Result<Self, Failure> {
        Ok(Self { http: http()?, base: base.trim_end_matches('/').to_owned(), token: token.to_owned() })
    }

    /// The same API with another token.
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    /// Reads something.
    ///
    /// # Errors
    /// Where it is refused or fails.
    pub async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.send(Method::GET, path, None).await.map(|(_, value)| value)
    }

    /// Sends something; the status tells which of the good answers it is.
    ///
    /// # Errors
    /// Where it is refused or fails.
    pub async fn post(&self, path: &str, body: &Value) -> Result<(u16, Value), Failure> {
        self.send(Method::POST, path, Some(body)).await
    }

    /// Sends a file under a number of its own: the same number with the same file is the same request.
    ///
    /// # Errors
    /// Where it fails. A refusal is no error, as it may say more than every problem does.
    pub async fn post_file(
        &self,
        path: &str,
        media: &str,
        bytes: Vec<u8>,
        key: &str,
    ) -> Result<Posted, Failure> {
        let request = self.request(Method::POST, path, "application/json").body(bytes);
        let request = request.header("content-type", media).header("idempotency-key", key);
        let (status, text) = self.answer(request).await?;
        let said: Value = serde_json::from_str(&text).unwrap_or_default();
        if status.is_success() {
            return Ok(Posted::Taken(said));
        }
        match refusal(status, &text) {
            refused @ Failure::Refused(_) => Ok(Posted::Refused(refused, said)),
            failed => Err(failed),
        }
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<(u16, Value), Failure> {
        let request = self.request(method, path, "application/json");
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        let (status, text) = self.text(request).await?;
        let value = serde_json::from_str(&text).context("the API answered something else than JSON")?;
        Ok((status.as_u16(), value))
    }

    /// What has happened to a case since an event.
    ///
    /// # Errors
    /// Where it is refused or fails.
    pub async fn events(&self, case: &str, since: Option<&str>) -> Result<Vec<Event>, Failure> {
        let path = format!("/api/v1/cases/{}/events", segment(case));
        let request = self.request(Method::GET, &path, "text/event-stream");
        let request = match since {
            Some(id) => request.header("last-event-id", id),
            None => request,
        };
        self.text(request).await.map(|(_, text)| parse_events(&text))
    }

    fn request(&self, method: Method, path: &str, accept: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base)).timeout(TIMEOUT);
        request.bearer_auth(&self.token).header("accept", accept)
    }

    async fn text(&self, request: reqwest::RequestBuilder) -> Result<(StatusCode, String), Failure> {
        let (status, text) = self.answer(request).await?;
        if status.is_success() { Ok((status, text)) } else { Err(refusal(status, &text)) }
    }

    /// Whatever is answered.
    async fn answer(&self, request: reqwest::RequestBuilder) -> Result<(StatusCode, String), Failure> {
        let unreachable = |error: reqwest::Error| {
            let why = if error.is_timeout() { "no answer in time" } else { "no connection" };
            Failure::new(format!("{} cannot be reached: {why}", self.base))
        };
        let answer = request.send().await.map_err(unreachable)?;
        let status = answer.status();
        Ok((status, answer.text().await.map_err(unreachable)?))
    }
}

/// What an answer that is no success means.
fn refusal(status: StatusCode, text: &str) -> Failure {
    let problem = serde_json::from_str::<Problem>(text).unwrap_or_else(|_| {
        let said = serde_json::from_str::<Value>(text).unwrap_or_default();
        let said = said.get("message").and_then(Value::as_str).unwrap_or("no explanation was given");
        let kind = status.canonical_reason().unwrap_or("error").to_lowercase().replace(' ', "-");
        Problem::new(status.as_u16(), &kind, said)
    });
    let again = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status);
    if status.is_client_error() && !again {
        Failure::Refused(problem)
    } else {
        Failure::Failed(format!("the API failed with status {}: {problem}", status.as_u16()))
    }
}

/// The events of a stream that has ended (WHATWG HTML, 9.2.6).
fn parse_events(text: &str) -> Vec<Event> {
    let mut all = Vec::new();
    let mut event = Event::default();
    for line in text.lines().chain([""]) {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" if line.is_empty() => {
                let whole = std::mem::take(&mut event);
                if !whole.data.is_empty() || !whole.event.is_empty() {
                    all.push(whole);
                }
            }
            "id" => event.id = Some(value.to_owned()),
            "event" => value.clone_into(&mut event.event),
            "data" if event.data.is_empty() => value.clone_into(&mut event.data),
            "data" => event.data = format!("{}\n{value}", event.data),
            _ => {}
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_as_the_standard_says() {
        let text =
            ": hello\nid: 3\nevent: system\ndata: {\"a\":\ndata: 1}\n\nretry: 500\n\nevent: settled\ndata:\n";
        let events = parse_events(text);
        assert_eq!(events.len(), 2);
        assert_eq!(
            events[0],
            Event { id: Some("3".into()), event: "system".into(), data: "{\"a\":\n1}".into() }
        );
        assert_eq!(events[1].event, "settled");
    }

    #[test]
    fn a_refusal_is_told_from_a_failure() {
        let refused = |status, text: &str| refusal(StatusCode::from_u16(status).unwrap(), text);
        assert!(
            matches!(refused(401, r#"{"message":"Unauthorized"}"#), Failure::Refused(p) if p.detail == "Unauthorized")
        );
        for status in [400, 403, 404, 409, 410, 413, 422] {
            assert!(matches!(refused(status, "<html>"), Failure::Refused(p) if p.status == status));
        }
        for status in [408, 429, 500, 502, 503] {
            assert!(matches!(refused(status, ""), Failure::Failed(_)), "{status}");
        }
    }

    #[test]
    fn a_segment_cannot_leave_its_place() {
        assert_eq!(segment("case-1"), "case-1");
        assert_eq!(segment("../a b?c"), "..%2Fa%20b%3Fc");
    }
}
