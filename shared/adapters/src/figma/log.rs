//! Figma's activity log, which Enterprise organisations have, in the words common to all vendors. It cannot be asked for one
//! person: the organisation's events are read, newest first, and theirs are kept.

use crate::http::{Query, Reader};
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::Account,
    risk::{Activity, ActivityEvent, ActivityKind},
    time::Timestamp,
};
use serde::Deserialize;

/// Name of the host that has the log.
pub(super) const HOST: &str = "log";
/// Entries of a page, the most that Figma gives.
const PAGE: usize = 1_000;
/// Most pages that are read: they hold what everybody in the organisation did.
const MAX_PAGES: usize = 20;

#[derive(Deserialize)]
struct Answer {
    meta: Meta,
}

#[derive(Deserialize)]
struct Meta {
    activity_logs: Vec<Entry>,
    cursor: Option<String>,
    #[serde(default)]
    next_page: bool,
}

#[derive(Deserialize)]
struct Entry {
    id: String,
    timestamp: f64,
    actor: Option<Actor>,
    action: What,
    entity: Option<Entity>,
}

#[derive(Deserialize)]
struct Actor {
    id: Option<String>,
    email: Option<String>,
}

#[derive(Deserialize)]
struct What {
    r#type: String,
}

#[derive(Deserialize)]
struct Entity {
    link_access: Option<String>,
}

fn kind_of(entry: &Entry) -> ActivityKind {
    let link = entry.entity.as_ref().and_then(|entity| entity.link_access.as_deref());
    match entry.action.r#type.as_str() {
        "fig_file_export" | "fig_file_image_download" => ActivityKind::Download,
        // Links for the organisation, or as the project has it, open nothing to outsiders.
        "fig_file_link_access_change" if matches!(link, Some("view" | "edit")) => ActivityKind::ShareExternal,
        "community_hub_file_publish" => ActivityKind::ShareExternal,
        "personal_access_token_create" => ActivityKind::CredentialCreated,
        "org_user_permission_change" | "org_user_account_type_change" => ActivityKind::PrivilegeChanged,
        _ => ActivityKind::Other,
    }
}

fn at(timestamp: f64) -> Option<Timestamp> {
    let seconds = jiff::SignedDuration::try_from_secs_f64(timestamp).ok()?;
    Timestamp::from_millis(i64::try_from(seconds.as_millis()).ok()?)
}

fn event_of(entry: Entry) -> Option<ActivityEvent> {
    let kind = kind_of(&entry);
    Some(ActivityEvent { at: at(entry.timestamp)?, id: entry.id, kind, country: None, count: 1 })
}

fn is_by(entry: &Entry, who: &Account) -> bool {
    entry.actor.as_ref().is_some_and(|actor| {
        actor.id.as_deref() == Some(who.id.as_str())
            || actor.email.as_ref().is_some_and(|email| email.eq_ignore_ascii_case(&who.login))
    })
}

fn logs() -> Query {
    Query::get(["v1", "activity_logs"]).at(HOST).query("order", "desc")
}

/// The newest event alone.
pub(super) fn newest() -> Query {
    logs().query("limit", 1)
}

/// Whether it means that the log is not open to this token, or there is none.
pub(super) fn is_closed(fault: &Fault) -> bool {
    matches!(fault.kind, FaultKind::PermissionMissing | FaultKind::CredentialRejected)
}

/// What a person did since an instant.
pub(super) async fn activity(http: &Reader, who: &Account, since: Timestamp) -> Result<Activity, Fault> {
    let first = logs().query("start_time", since.seconds()).query("limit", PAGE);
    let mut found = Activity { since, events: Vec::new(), incomplete: None };
    let (mut query, mut oldest) = (first.clone(), None);
    for _ in 0..MAX_PAGES {
        let page: Answer = match http.ask(query).await {
            Ok(answer) => answer.json()?,
            Err(fault) if is_closed(&fault) => {
                let why = "the activity log needs Figma Enterprise and a valid token of its own";
                return Ok(Activity::unavailable(since, why));
            }
            Err(fault) => return Err(fault),
        };
        let Meta { activity_logs, cursor, next_page } = page.meta;
        oldest = activity_logs.last().and_then(|entry| at(entry.timestamp)).or(oldest);
        let theirs = activity_logs.into_iter().filter(|entry| is_by(entry, who));
        found.events.extend(theirs.filter_map(event_of));
        match cursor.filter(|_| next_page) {
            None => return Ok(found),
            Some(cursor) => query = first.clone().query("cursor", cursor),
        }
    }
    let back_to = oldest.map_or_else(String::new, |at| format!(", back to {at}"));
    found.incomplete =
        Some(format!("only the newest {} events of everybody were read{back_to}", MAX_PAGES * PAGE));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn kind(action: &str, link: Option<&str>) -> ActivityKind {
        let entry = json!({"id": "1", "timestamp": 1.5, "actor": null, "action": {"type": action, "details": null},
            "entity": {"type": "file", "link_access": link}});
        kind_of(&serde_json::from_value(entry).unwrap())
    }

    #[test]
    fn only_links_for_anybody_are_shared_with_outsiders() {
        let change = "fig_file_link_access_change";
        assert_eq!(kind(change, Some("view")), ActivityKind::ShareExternal);
        assert_eq!(kind(change, Some("org_edit")), ActivityKind::Other);
        assert_eq!(kind(change, None), ActivityKind::Other);
        assert_eq!(kind("fig_file_export", Some("view")), ActivityKind::Download);
    }

    #[test]
    fn fractions_of_seconds_are_kept() {
        assert_eq!(at(1_700_000_000.25).map(Timestamp::millis), Some(1_700_000_000_250));
        assert_eq!(at(f64::NAN), None);
        assert_eq!(at(1e300), None);
    }
}
