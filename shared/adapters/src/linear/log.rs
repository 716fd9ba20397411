//! Linear's audit log, which only its Enterprise plan shows.

use super::GRAPH;
use crate::http::Reader;
use leaver_domain::{
    fault::{Fault, FaultKind},
    risk::{Activity, ActivityEvent, ActivityKind},
    time::Timestamp,
};
use serde::Deserialize;
use serde_json::json;

const ENTRIES: &str = "query($id:ID!,$since:DateTimeOrDuration!,$after:String){\
auditEntries(first:50,after:$after,filter:{actor:{id:{eq:$id}},createdAt:{gte:$since}}){\
pageInfo{hasNextPage endCursor}nodes{id createdAt type countryCode}}}";

const ONE: &str = "query{auditEntries(first:1){nodes{id}}}";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    id: String,
    created_at: Timestamp,
    r#type: String,
    country_code: Option<String>,
}

/// Linear lets the list of types grow and calls it open: they are told apart by the words in them.
fn kind_of(entry: &str) -> ActivityKind {
    let name = entry.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
    let credential = has(&["apikey", "api_key", "oauth", "accesstoken", "webhook"]);
    match () {
        () if credential && has(&["create", "add", "authoriz", "install"]) => ActivityKind::CredentialCreated,
        () if has(&["export"]) => ActivityKind::Download,
        () if has(&["role", "permission", "admin"]) => ActivityKind::PrivilegeChanged,
        () if has(&["login", "signin", "authenticat"]) && has(&["fail"]) => ActivityKind::FailedLogin,
        () if has(&["login", "signin", "authenticat"]) && !credential => ActivityKind::Login,
        () => ActivityKind::Other,
    }
}

/// What a user did since an instant.
pub(super) async fn activity(http: &Reader, id: &str, since: Timestamp) -> Result<Activity, Fault> {
    let keep = |entry: Entry| {
        let kind = kind_of(&entry.r#type);
        Some(ActivityEvent {
            id: entry.id,
            at: entry.created_at,
            kind,
            country: entry.country_code,
            count: 1,
        })
    };
    let variables = json!({"id": id, "since": since.to_string()});
    match GRAPH.walk(http, ENTRIES, variables, "/auditEntries", keep).await {
        Ok(events) => Ok(Activity { since, events, incomplete: None }),
        Err(fault) if fault.kind == FaultKind::PermissionMissing => {
            Ok(Activity::unavailable(since, "the audit log is for owners on the Enterprise plan"))
        }
        Err(fault) => Err(fault),
    }
}

/// Whether the log may be read.
pub(super) async fn probe(http: &Reader) -> Result<(), Fault> {
    GRAPH.ask(http, ONE, json!({})).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_told_apart_by_the_words_in_their_type() {
        let cases = [
            ("userLogin", ActivityKind::Login),
            ("userLoginFailed", ActivityKind::FailedLogin),
            ("apiKeyCreated", ActivityKind::CredentialCreated),
            ("webhookCreated", ActivityKind::CredentialCreated),
            ("apiKeyDeleted", ActivityKind::Other),
            ("workspaceExported", ActivityKind::Download),
            ("userRoleChanged", ActivityKind::PrivilegeChanged),
            ("teamUpdated", ActivityKind::Other),
        ];
        for (entry, kind) in cases {
            assert_eq!(kind_of(entry), kind, "{entry}");
        }
    }
}
