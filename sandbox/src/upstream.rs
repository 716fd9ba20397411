//! Real services behind stand-ins: where an emulator of the vendor runs beside the sandbox, requests go on to it, so
//! that its own state changes, while the sandbox still records them and injects faults.

use crate::twin::{AccountView, Ask, Reply};
use async_trait::async_trait;
use serde_json::json;

/// A service that keeps part of a stand-in's state. It is asked outside the sandbox's lock.
#[async_trait]
pub trait Upstream: Send + Sync {
    /// Whether it answers this request; the stand-in answers the others.
    fn takes(&self, ask: &Ask) -> bool;
    /// Its answer.
    async fn answer(&self, ask: &Ask) -> Reply;
    /// What it holds of a sample person now, together with what the stand-in holds.
    ///
    /// # Errors
    /// Why it cannot be read.
    async fn account(&self, username: &str, here: AccountView) -> Result<AccountView, String>;
    /// Brings it to the sample data, whatever it holds of the sample people now.
    ///
    /// # Errors
    /// Why it cannot be brought there.
    async fn seed(&self) -> Result<(), String>;
}

/// Sends a request on as it came: method, path, query, host, headers and body, because a signature covers them all.
pub async fn forward(client: &reqwest::Client, to: &str, ask: &Ask) -> Reply {
    let sent = async {
        let method = reqwest::Method::from_bytes(ask.method.as_bytes()).map_err(|error| error.to_string())?;
        let mut request = client.request(method, format!("{}{}", to.trim_end_matches('/'), ask.target));
        for (name, value) in &ask.headers {
            if !matches!(name.as_str(), "connection" | "content-length" | "transfer-encoding") {
                request = request.header(name, value);
            }
        }
        let answer = request.body(ask.body.clone()).send().await.map_err(|error| error.to_string())?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let body = answer.bytes().await.map_err(|error| error.to_string())?.to_vec();
        let text = |name: &str| Some((name.to_owned(), headers.get(name)?.to_str().ok()?.to_owned()));
        let kept = ["content-type", "retry-after", "x-amzn-requestid", "x-amzn-errortype"];
        let headers = kept.into_iter().filter_map(text).collect();
        Ok::<_, String>(Reply { headers, body, ..Reply::empty(status) })
    };
    sent.await.unwrap_or_else(|error| Reply::json(503, json!({"error": error})))
}
