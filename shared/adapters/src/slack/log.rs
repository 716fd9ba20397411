//! Slack's audit log, which Enterprise organisations have, in the words common to all vendors.

use super::web;
use crate::{
    http::{Query, Reader},
    page,
};
use leaver_domain::{
    fault::{Fault, FaultKind},
    risk::{Activity, ActivityEvent, ActivityKind},
    time::Timestamp,
};
use serde::Deserialize;

/// Most events that are read, newest first: what is older tells little more than these.
const MAX_EVENTS: usize = 5_000;

#[derive(Deserialize)]
struct Page {
    ok: Option<bool>,
    #[serde(default)]
    entries: Vec<Entry>,
    response_metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Metadata {
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct Entry {
    id: String,
    date_create: i64,
    action: String,
}

fn kind_of(action: &str) -> ActivityKind {
    match action {
        "user_login" => ActivityKind::Login,
        "user_login_failed" => ActivityKind::FailedLogin,
        "file_downloaded"
        | "canvas_downloaded"
        | "manual_export_started"
        | "manual_export_downloaded"
        | "manual_user_export_started"
        | "manual_user_export_downloaded" => ActivityKind::Download,
        "file_public_link_created"
        | "external_shared_channel_connected"
        | "external_shared_channel_invite_sent"
        | "external_shared_channel_invite_created"
        | "canvas_public_link_created" => ActivityKind::ShareExternal,
        "app_installed" | "app_token_preserved" | "app_scopes_expanded" | "service_owner_transferred" => {
            ActivityKind::CredentialCreated
        }
        "pref.two_factor_auth_changed" | "user_two_factor_enabled" | "user_two_factor_disabled" => {
            ActivityKind::FactorChanged
        }
        action if action.starts_with("role_") => ActivityKind::PrivilegeChanged,
        _ => ActivityKind::Other,
    }
}

fn event_of(entry: Entry) -> Option<ActivityEvent> {
    let at = Timestamp::from_millis(entry.date_create.checked_mul(1000)?)?;
    Some(ActivityEvent { id: entry.id, at, kind: kind_of(&entry.action), country: None, count: 1 })
}

fn logs(actor: &str) -> Query {
    Query::get(["logs"]).at("audit").query("actor", actor)
}

/// `None` where the plan or the token gives no audit log.
async fn read(http: &Reader, query: Query) -> Result<Option<Page>, Fault> {
    let answer = match http.ask(query).await {
        Ok(answer) => answer,
        Err(fault) => return none_if_closed(fault),
    };
    let page: Page = answer.json()?;
    if page.ok == Some(false)
        && let Err(fault) = web::check("audit logs", &answer)
    {
        return none_if_closed(fault);
    }
    Ok(Some(page))
}

fn none_if_closed(fault: Fault) -> Result<Option<Page>, Fault> {
    match fault.kind {
        FaultKind::PermissionMissing | FaultKind::NotFound | FaultKind::Conflict => Ok(None),
        _ => Err(fault),
    }
}

/// What a person did since an instant.
pub(super) async fn activity(http: &Reader, id: &str, since: Timestamp) -> Result<Activity, Fault> {
    let first = logs(id).query("oldest", since.seconds()).query("limit", 1000);
    let mut found = Activity { since, events: Vec::new(), incomplete: None };
    let mut query = first.clone();
    for _ in 0..page::MAX_PAGES {
        let Some(page) = read(http, query).await? else {
            return Ok(Activity::unavailable(
                since,
                "the audit log needs Slack Enterprise and an owner's token",
            ));
        };
        found.events.extend(page.entries.into_iter().filter_map(event_of));
        let cursor = page.response_metadata.and_then(|metadata| metadata.next_cursor);
        match cursor.filter(|cursor| !cursor.is_empty()) {
            None => return Ok(found),
            Some(_) if found.events.len() >= MAX_EVENTS => break,
            Some(cursor) => query = first.clone().query("cursor", cursor),
        }
    }
    found.incomplete = Some(format!("only the newest {} events were read", found.events.len()));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_told_apart() {
        assert_eq!(kind_of("user_login"), ActivityKind::Login);
        assert_eq!(kind_of("file_downloaded"), ActivityKind::Download);
        assert_eq!(kind_of("file_public_link_created"), ActivityKind::ShareExternal);
        assert_eq!(kind_of("role_change_to_owner"), ActivityKind::PrivilegeChanged);
        assert_eq!(kind_of("emoji_added"), ActivityKind::Other);
    }

    #[test]
    fn only_a_closed_log_is_unavailable() {
        let said = |kind| none_if_closed(Fault::new(kind, "x")).map(|page| page.is_none());
        assert_eq!(said(FaultKind::PermissionMissing), Ok(true));
        assert_eq!(said(FaultKind::Conflict), Ok(true));
        assert!(said(FaultKind::Throttled).is_err());
        assert!(said(FaultKind::CredentialRejected).is_err());
    }
}
