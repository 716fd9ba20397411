//! GraphQL: one address for everything, refusals inside the answer's body, lists as Relay connections.

use crate::{
    http::{Answer, Command, Query, Reader, Writer, plain, wait_asked},
    page,
};
use leaver_domain::{
    fault::{Fault, FaultKind},
    time::Timestamp,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// How one vendor speaks it.
#[derive(Debug, Clone, Copy)]
pub struct Dialect {
    /// The media type that it is asked for.
    pub accept: &'static str,
    /// What a refusal means, by the vendor's code for it.
    pub kind: fn(&str) -> FaultKind,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    data: Value,
    #[serde(default)]
    errors: Vec<Refusal>,
}

/// Some vendors name the kind beside the message, others among the extensions.
#[derive(Deserialize)]
struct Refusal {
    r#type: Option<String>,
    extensions: Option<Extensions>,
}

#[derive(Deserialize)]
struct Extensions {
    code: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page<T> {
    page_info: PageInfo,
    nodes: Vec<Option<T>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    has_next_page: bool,
    end_cursor: Option<String>,
}

/// A part of an answer as a known type.
///
/// # Errors
/// `UnexpectedShape`, without the part's text.
pub fn typed<T: DeserializeOwned>(value: Value) -> Result<T, Fault> {
    serde_json::from_value(value)
        .map_err(|_| Fault::shape("POST /graphql: a field is missing or of another type"))
}

impl Dialect {
    /// Asks once.
    ///
    /// # Errors
    /// What the call says, or the refusal in its body.
    pub async fn ask(&self, http: &Reader, query: &str, variables: Value) -> Result<Value, Fault> {
        self.data(&http.ask(self.query(query, &variables)).await?, http.now())
    }

    /// Has something done.
    ///
    /// # Errors
    /// What the call says, or the refusal in its body.
    pub async fn tell(&self, http: &Writer, mutation: &str, variables: Value) -> Result<Value, Fault> {
        let body = json!({"query": mutation, "variables": variables});
        let command = Command::post(["graphql"]).header("accept", self.accept).json(body);
        self.data(&http.tell(command).await?, http.now())
    }

    /// Follows the list at `place` to its end and keeps what `keep` makes of its entries. The query takes the cursor as
    /// `$after`.
    ///
    /// # Errors
    /// What the calls say; `UnexpectedShape` for a list beyond the limits.
    pub async fn walk<N: DeserializeOwned, T>(
        &self,
        http: &Reader,
        query: &str,
        variables: Value,
        place: &str,
        mut keep: impl FnMut(N) -> Option<T>,
    ) -> Result<Vec<T>, Fault> {
        let ask = |after: Option<&str>| {
            let mut variables = variables.clone();
            variables["after"] = json!(after);
            Ok(self.query(query, &variables))
        };
        page::by_token(http, ask, |answer| {
            let mut data = self.data(answer, http.now())?;
            let list = data.pointer_mut(place).map(Value::take).unwrap_or_default();
            let page: Page<N> = typed(list)?;
            let next = page.page_info.end_cursor.filter(|_| page.page_info.has_next_page);
            Ok((page.nodes.into_iter().flatten().filter_map(&mut keep).collect(), next))
        })
        .await
    }

    /// A query that changes nothing, as a request.
    pub fn query(&self, query: &str, variables: &Value) -> Query {
        let body = json!({"query": query, "variables": variables});
        Query::post(["graphql"]).header("accept", self.accept).json(body)
    }

    /// The data of an answer, which is 200 also where it is a refusal.
    fn data(&self, answer: &Answer, now: Timestamp) -> Result<Value, Fault> {
        let envelope: Envelope = answer.json()?;
        let Some(refusal) = envelope.errors.into_iter().next() else { return Ok(envelope.data) };
        let said = refusal.r#type.or_else(|| refusal.extensions.and_then(|extensions| extensions.code));
        let said = said.as_deref().and_then(plain).unwrap_or_else(|| "an error without a type".to_owned());
        let kind = (self.kind)(&said);
        let wait = (kind == FaultKind::Throttled).then(|| wait_asked(&answer.headers, now)).flatten();
        Err(Fault::new(kind, format!("POST /graphql: {said}")).after(wait))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::receive;
    use std::time::Duration;

    const PLAIN: Dialect = Dialect {
        accept: "application/json",
        kind: |said| match said {
            "RATELIMITED" => FaultKind::Throttled,
            "FORBIDDEN" => FaultKind::PermissionMissing,
            _ => FaultKind::UnexpectedShape,
        },
    };

    async fn answer(body: Value, headers: &[(&str, &str)]) -> Answer {
        let mut response = ::http::Response::builder();
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let response = response.body(body.to_string()).unwrap();
        receive(reqwest::Response::from(response), "POST /graphql".into()).await.unwrap()
    }

    fn now() -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000).unwrap()
    }

    #[tokio::test]
    async fn a_refusal_inside_200_is_a_fault_wherever_its_code_stands() {
        let beside = json!({"data": null, "errors": [{"type": "FORBIDDEN", "message": "no"}]});
        let within = json!({"errors": [{"message": "no", "extensions": {"code": "FORBIDDEN"}}]});
        for body in [beside, within] {
            let fault = PLAIN.data(&answer(body, &[]).await, now()).unwrap_err();
            assert_eq!(fault.kind, FaultKind::PermissionMissing);
        }
        let good = answer(json!({"data": {"a": 1}}), &[]).await;
        assert_eq!(PLAIN.data(&good, now()).unwrap(), json!({"a": 1}));
    }

    #[tokio::test]
    async fn a_rate_limit_says_how_long_the_later_budget_needs() {
        let body = json!({"errors": [{"message": "slow", "extensions": {"code": "RATELIMITED"}}]});
        let headers = [
            ("x-ratelimit-requests-reset", "1700000005000"),
            ("x-ratelimit-complexity-reset", "1700000030000"),
        ];
        let fault = PLAIN.data(&answer(body, &headers).await, now()).unwrap_err();
        assert_eq!((fault.kind, fault.retry_after), (FaultKind::Throttled, Some(Duration::from_secs(30))));
    }

    #[tokio::test]
    async fn a_code_that_is_a_sentence_is_not_told() {
        let body = json!({"errors": [{"message": "x", "extensions": {"code": "john@example.com said no"}}]});
        let fault = PLAIN.data(&answer(body, &[]).await, now()).unwrap_err();
        assert!(!fault.detail.contains("john"), "{fault}");
    }
}
