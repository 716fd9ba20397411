//! The emulator's AWS API over plain HTTP, as its administrator. Only what setting up and looking at it needs: the
//! functions themselves go through the SDK with their own roles.

use super::REGION;
use crate::failure::{Context as _, Failure};
use quick_xml::de::from_str;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::time::Duration;

/// The access key that the emulator takes for its administrator's; it checks no signature of it.
pub const ADMIN: &str = "test";
/// Longest wait for one answer.
const TIMEOUT: Duration = Duration::from_secs(60);

/// What the emulator said no with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{action}: {code}: {message}")]
pub struct Refused {
    /// What was asked.
    pub action: String,
    /// AWS's code of the error.
    pub code: String,
    /// And its words.
    pub message: String,
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self::Failed(format!("the emulator: {refused}"))
    }
}

/// One line of a function's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogLine {
    /// When, in milliseconds since the Unix epoch.
    pub at: i64,
    /// Which function.
    pub function: String,
    /// What it wrote.
    pub message: String,
}

/// The emulator, used as its administrator.
#[derive(Debug, Clone)]
pub struct Aws {
    http: reqwest::Client,
    base: String,
}

impl Aws {
    /// The emulator at this address.
    ///
    /// # Errors
    /// Where no HTTP client can be made.
    pub fn new(base: &str) -> Result<Self, Failure> {
        Ok(Self { http: crate::api::http()?, base: base.trim_end_matches('/').to_owned() })
    }

    /// Its address.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The same through the SDK.
    ///
    /// # Errors
    /// Where it cannot be set up.
    pub fn sdk(&self) -> Result<leaver_platform::Aws, Failure> {
        let read = |name: &str| match name {
            "AWS_REGION" => Some(REGION.to_owned()),
            "AWS_ENDPOINT_URL" => Some(self.base.clone()),
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some(ADMIN.to_owned()),
            _ => None,
        };
        leaver_platform::Aws::from_environment(&read).context("the emulator")
    }

    /// A call of a service that speaks JSON, such as `secretsmanager.PutSecretValue`.
    ///
    /// # Errors
    /// What the emulator says no with.
    pub async fn json(&self, service: &str, target: &str, body: &Value) -> Result<Value, Refused> {
        let request = self.signed(self.http.post(format!("{}/", self.base)), service);
        let request =
            request.header("x-amz-target", target).header("content-type", "application/x-amz-json-1.1");
        let text = self.text(target, request.body(body.to_string())).await?;
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }

    /// A call of a service that takes a form and answers XML.
    ///
    /// # Errors
    /// What the emulator says no with.
    pub async fn query<T: DeserializeOwned>(
        &self,
        (service, version): (&str, &str),
        action: &str,
        parameters: &[(&str, &str)],
    ) -> Result<T, Refused> {
        let mut form = vec![("Action", action), ("Version", version)];
        form.extend(parameters);
        let request = self.signed(self.http.post(format!("{}/", self.base)), service).form(&form);
        let text = self.text(action, request).await?;
        from_str(&text).map_err(|error| refused(action, "UnexpectedShape", &error.to_string()))
    }

    /// Puts an object, or a bucket where there is no key, under a path.
    ///
    /// # Errors
    /// What the emulator says no with.
    pub async fn put(&self, path: &str, bytes: Vec<u8>) -> Result<(), Refused> {
        let request = self.signed(self.http.put(format!("{}/{path}", self.base)), "s3");
        let request = request.header("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
        match self.text("PutObject", request.body(bytes)).await {
            Err(refused) if refused.code == "BucketAlreadyOwnedByYou" => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// A call of the emulator's own.
    ///
    /// # Errors
    /// What the emulator says no with.
    pub async fn admin(&self, path: &str) -> Result<(), Failure> {
        self.text(path, self.http.post(format!("{}{path}", self.base))).await?;
        Ok(())
    }

    /// Names of the log groups that begin so.
    ///
    /// # Errors
    /// What the emulator says no with.
    pub async fn log_groups(&self, prefix: &str) -> Result<Vec<String>, Refused> {
        let asked = json!({"logGroupNamePrefix": prefix, "limit": 50});
        let answer = self.json("logs", "Logs_20140328.DescribeLogGroups", &asked).await?;
        let groups = answer["logGroups"].as_array().into_iter().flatten();
        Ok(groups.filter_map(|group| group["logGroupName"].as_str().map(str::to_owned)).collect())
    }

    /// All lines of a log group.
    ///
    /// # Errors
    /// What the emulator says no with.
    pub async fn log_lines(&self, group: &str, function: &str) -> Result<Vec<LogLine>, Refused> {
        let mut lines = Vec::new();
        let mut asked = json!({"logGroupName": group, "limit": 10_000});
        loop {
            let answer = self.json("logs", "Logs_20140328.FilterLogEvents", &asked).await?;
            for event in answer["events"].as_array().into_iter().flatten() {
                let message = event["message"].as_str().unwrap_or_default().trim_end().to_owned();
                let at = event["timestamp"].as_i64().unwrap_or_default();
                lines.push(LogLine { at, function: function.to_owned(), message });
            }
            match answer.get("nextToken").filter(|token| token.is_string() && **token != asked["nextToken"]) {
                Some(token) => asked["nextToken"] = token.clone(),
                None => return Ok(lines),
            }
        }
    }

    fn signed(&self, request: reqwest::RequestBuilder, service: &str) -> reqwest::RequestBuilder {
        let scope = format!("{ADMIN}/20260101/{REGION}/{service}/aws4_request");
        let header = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0");
        request.header("authorization", header).header("x-amz-date", "20260101T000000Z").timeout(TIMEOUT)
    }

    async fn text(&self, action: &str, request: reqwest::RequestBuilder) -> Result<String, Refused> {
        let lost = |error: reqwest::Error| refused(action, "NoAnswer", &error.without_url().to_string());
        let answer = request.send().await.map_err(lost)?;
        let status = answer.status();
        let text = answer.text().await.map_err(lost)?;
        if status.is_success() {
            return Ok(text);
        }
        let (code, message) = explained(&text);
        Err(refused(action, &code.unwrap_or_else(|| status.to_string()), &message))
    }
}

fn refused(action: &str, code: &str, message: &str) -> Refused {
    Refused { action: action.to_owned(), code: code.to_owned(), message: message.to_owned() }
}

/// Code and words of an error, in JSON or in XML.
fn explained(text: &str) -> (Option<String>, String) {
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        let code = value["__type"].as_str().map(|code| code.rsplit('#').next().unwrap_or(code).to_owned());
        let message = value.get("message").or_else(|| value.get("Message")).and_then(Value::as_str);
        return (code, message.unwrap_or_default().to_owned());
    }
    let between = |tag: &str| {
        let (_, behind) = text.split_once(&format!("<{tag}>"))?;
        behind.split_once(&format!("</{tag}>")).map(|(inner, _)| inner.to_owned())
    };
    (between("Code"), between("Message").unwrap_or_else(|| text.chars().take(200).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_read_in_both_forms() {
        let json = r#"{"__type":"com.amazonaws#ResourceNotFoundException","message":"no"}"#;
        assert_eq!(explained(json), (Some("ResourceNotFoundException".into()), "no".into()));
        let xml = "<ErrorResponse><Error><Code>AlreadyExistsException</Code><Message>there</Message></Error></ErrorResponse>";
        assert_eq!(explained(xml), (Some("AlreadyExistsException".into()), "there".into()));
        assert_eq!(explained("bad gateway"), (None, "bad gateway".into()));
    }
}
