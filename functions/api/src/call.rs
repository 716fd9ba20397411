//! What a request says, taken the same way by every route.

use crate::{Caller, cases};
use aws_lambda_events::http::HeaderMap;
use leaver_domain::{id::EventId, problem::Problem};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// A request cut down to what the routes ask of it.
pub(crate) struct Call {
    pub(crate) caller: Caller,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) request_id: String,
}

/// What was sent cannot be meant.
pub(crate) fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(422, "invalid-request", detail)
}

impl Call {
    /// The body.
    ///
    /// # Errors
    /// 413 where it is longer than so many bytes, 400 where it is no JSON, 422 where it is another JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self, max: usize) -> Result<T, Problem> {
        if self.body.len() > max {
            let detail = format!("The body is larger than {max} bytes.");
            return Err(Problem::new(413, "body-too-large", detail));
        }
        serde_json::from_slice(&self.body).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => {
                invalid(format!("A field is missing, unknown or wrong: {error}."))
            }
            _ => Problem::new(400, "malformed-json", format!("The body is not JSON: {error}.")),
        })
    }

    /// The number of the request: what its sender says it is, or API Gateway's own.
    ///
    /// # Errors
    /// 422 where the sender's is none: taken for another one, its repeat would be done twice.
    pub(crate) fn number(&self) -> Result<EventId, Problem> {
        let bad = || invalid("`Idempotency-Key` has characters that are not allowed.");
        let id = match self.headers.get("idempotency-key") {
            Some(key) => format!("key-{}", key.to_str().map_err(|_| bad())?),
            None => format!("req-{}", cases::safe(&self.request_id)),
        };
        id.parse().map_err(|_| bad())
    }
}
