//! The way to the witnesses of the log (C2SP tlog-witness), over the one HTTP client.

use crate::http::{receive, unreachable};
use async_trait::async_trait;
use leaver_domain::{
    fault::Fault,
    ledger::parse_size,
    ports::{StoreError, Witnessed, Witnesses},
};
use std::time::Duration;
use tokio::time::timeout;

/// How long a witness may take. It stands between a row and its checkpoint, which is due within ten seconds.
const LIMIT: Duration = Duration::from_secs(3);

/// Witnesses at their addresses.
#[derive(Debug, Clone)]
pub struct HttpWitnesses(reqwest::Client);

impl HttpWitnesses {
    /// Over a client with the public web's roots.
    pub fn new(client: reqwest::Client) -> Self {
        Self(client)
    }

    async fn post(&self, url: &str, request: &str) -> Result<Witnessed, Fault> {
        let what = "POST /add-checkpoint".to_owned();
        let url = format!("{}/add-checkpoint", url.trim_end_matches('/'));
        let request = self.0.post(url).header("content-type", "text/plain").body(request.to_owned());
        let response = request.send().await.map_err(|error| unreachable(&what, &error))?;
        let answer = receive(response, what.clone()).await?;
        let media_type = answer.headers.get("content-type").and_then(|value| value.to_str().ok());
        let is_size = media_type.is_some_and(|media_type| media_type.trim() == "text/x.tlog.size");
        Ok(match answer.status {
            200 => Witnessed::Cosigned(answer.text().to_owned()),
            409 if is_size => match parse_size(answer.text().as_bytes()) {
                Some(size) => Witnessed::At(size),
                None => return Err(Fault::shape(format!("{what}: the size is not one"))),
            },
            400..=499 if answer.status != 429 => Witnessed::Refused(answer.status),
            status => {
                let kind = leaver_domain::fault::FaultKind::Unavailable;
                return Err(Fault::new(kind, format!("{what}: HTTP {status}")));
            }
        })
    }
}

#[async_trait]
impl Witnesses for HttpWitnesses {
    async fn add_checkpoint(&self, url: &str, request: &str) -> Result<Witnessed, StoreError> {
        let answer = timeout(LIMIT, self.post(url, request)).await;
        let answer =
            answer.map_err(|_| StoreError::Unavailable("the witness did not answer in time".to_owned()))?;
        answer.map_err(|fault| StoreError::Unavailable(fault.detail))
    }
}
