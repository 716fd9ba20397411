//! The XML API's documents: what is sent, what comes back, and what it says became of a call.

use crate::http::{Answer, Command, Query, Reader, Writer};
use leaver_domain::{
    fault::{Fault, FaultKind},
    time::Timestamp,
};
use serde::{Deserialize, de::DeserializeOwned};

/// Where every call goes.
const API: [&str; 2] = ["api", ""];

/// A text inside an XPath: one kind of quotation mark cannot end the other.
pub(super) fn quoted(text: &str) -> Result<String, Fault> {
    match (text.contains('\''), text.contains('"')) {
        (false, _) => Ok(format!("'{text}'")),
        (true, false) => Ok(format!("\"{text}\"")),
        _ => Err(Fault::shape("a name with both kinds of quotation marks, which no XPath can hold")),
    }
}

#[derive(Deserialize)]
pub(super) struct Response<T> {
    #[serde(rename = "@status")]
    pub(super) status: String,
    #[serde(rename = "@code")]
    pub(super) code: Option<String>,
    pub(super) result: Option<T>,
}

#[derive(Deserialize)]
pub(super) struct Nothing {}

#[derive(Deserialize)]
pub(super) struct UserResult {
    pub(super) entry: Option<User>,
}

/// A local user. Its password hash is in the answer as well, and is not kept.
#[derive(Deserialize)]
pub(super) struct User {
    #[serde(rename = "@name")]
    pub(super) name: String,
    pub(super) disabled: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct UsersResult {
    pub(super) user: Option<Entries<User>>,
}

#[derive(Deserialize)]
pub(super) struct GroupResult {
    #[serde(rename = "user-group")]
    pub(super) groups: Option<Entries<Group>>,
}

#[derive(Deserialize)]
pub(super) struct Entries<T> {
    #[serde(default = "Vec::new")]
    pub(super) entry: Vec<T>,
}

#[derive(Deserialize)]
pub(super) struct Group {
    #[serde(rename = "@name")]
    pub(super) name: String,
    pub(super) user: Option<Members>,
}

#[derive(Deserialize)]
pub(super) struct Members {
    #[serde(default)]
    pub(super) member: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct LoggedIn {
    pub(super) domain: Option<String>,
    pub(super) username: Option<String>,
    pub(super) computer: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct JobStarted {
    pub(super) job: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct JobResult {
    pub(super) job: Job,
}

#[derive(Deserialize)]
pub(super) struct Job {
    pub(super) status: String,
    pub(super) result: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct LogResult {
    pub(super) job: Job,
    pub(super) log: Option<Log>,
}

#[derive(Deserialize)]
pub(super) struct Log {
    pub(super) logs: Entries<LogEntry>,
}

#[derive(Deserialize)]
pub(super) struct LogEntry {
    #[serde(rename = "@logid")]
    pub(super) id: Option<String>,
    pub(super) high_res_timestamp: Option<Timestamp>,
    pub(super) eventid: Option<String>,
    pub(super) status: Option<String>,
    pub(super) srcregion: Option<String>,
}

/// What the document says became of the call. None of its text is kept.
pub(super) fn fault_of(answer: &Answer, what: &str, code: Option<&str>) -> Fault {
    let kind = match code {
        Some("403" | "22") => FaultKind::CredentialRejected,
        Some("16") => FaultKind::PermissionMissing,
        Some("7") => FaultKind::NotFound,
        _ if answer.text().contains("No such node") => FaultKind::NotFound,
        // A commit or a lock of somebody else's.
        _ => FaultKind::Conflict,
    };
    let code = code.map(|code| format!(" (code {})", code.chars().take(8).collect::<String>()));
    Fault::new(kind, format!("PAN-OS refused {what}{}", code.unwrap_or_default()))
}

/// The result of a call; `None` where the document has none, or says that there is no such thing.
pub(super) fn result<T: DeserializeOwned>(answer: &Answer, what: &str) -> Result<Option<T>, Fault> {
    let unlike = |_| Fault::shape(format!("{what}: the answer is not the XML that PAN-OS describes"));
    let outer: Response<Nothing> = quick_xml::de::from_str(answer.text()).map_err(unlike)?;
    if outer.status != "success" {
        return Err(fault_of(answer, what, outer.code.as_deref()));
    }
    if outer.code.as_deref() == Some("7") {
        return Ok(None);
    }
    let inner: Response<T> = quick_xml::de::from_str(answer.text()).map_err(unlike)?;
    Ok(inner.result)
}

pub(super) fn form<'a>(kind: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [("type", kind)].into_iter().chain(more.iter().copied()).collect()
}

pub(super) async fn ask<T: DeserializeOwned>(
    http: &Reader,
    what: &str,
    kind: &str,
    more: &[(&str, &str)],
) -> Result<Option<T>, Fault> {
    result(&http.ask(Query::post(API).form(form(kind, more))).await?, what)
}

pub(super) async fn tell<T: DeserializeOwned>(
    http: &Writer,
    what: &str,
    kind: &str,
    more: &[(&str, &str)],
) -> Result<Option<T>, Fault> {
    result(&http.tell(Command::post(API).form(form(kind, more))).await?, what)
}

/// Reads what may be missing in the configuration in force.
pub(super) async fn show<T: DeserializeOwned>(
    http: &Reader,
    what: &str,
    xpath: &str,
) -> Result<Option<T>, Fault> {
    match ask(http, what, "config", &[("action", "show"), ("xpath", xpath)]).await {
        Err(fault) if fault.kind == FaultKind::NotFound => Ok(None),
        read => read,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_can_end_its_quotation() {
        assert_eq!(quoted("john").unwrap(), "'john'");
        assert_eq!(quoted("o'neil").unwrap(), "\"o'neil\"");
        assert!(quoted("'\"").is_err());
    }

    #[test]
    fn a_user_without_the_element_is_enabled() {
        let entry = |inner: &str| {
            let text = format!(
                "<response status=\"success\"><result><entry name=\"john\"><phash>$5$x</phash>{inner}</entry></result></response>"
            );
            let found: Response<UserResult> = quick_xml::de::from_str(&text).unwrap();
            found.result.unwrap().entry.unwrap().disabled
        };
        assert_eq!(entry(""), None);
        assert_eq!(entry("<disabled>yes</disabled>").as_deref(), Some("yes"));
    }
}
