//! GitHub's audit log of the organisation, in the words common to all vendors.

use super::read::get;
use crate::{http::Reader, page};
use leaver_domain::{
    fault::{Fault, FaultKind},
    risk::{Activity, ActivityEvent, ActivityKind},
    time::Timestamp,
};
use serde::Deserialize;
use std::time::Duration;

/// Most events that are read, newest first: what is older tells little more than these.
const MAX_EVENTS: usize = 5_000;
/// How long GitHub keeps Git events, such as clones.
const GIT_KEPT: Duration = Duration::from_secs(7 * 86_400);

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "@timestamp")]
    timestamp: Option<i64>,
    created_at: Option<i64>,
    #[serde(rename = "_document_id")]
    document_id: Option<String>,
    #[serde(default)]
    action: String,
    visibility: Option<String>,
    actor_location: Option<Place>,
}

#[derive(Deserialize)]
struct Place {
    country_name: Option<String>,
    country_code: Option<String>,
}

fn kind_of(action: &str, visibility: Option<&str>) -> ActivityKind {
    match action {
        "git.clone"
        | "repo.download_zip"
        | "org.export_all_repos"
        | "migration.create"
        | "repo.archive_download" => ActivityKind::Download,
        "org.sso_response" | "user.login" => ActivityKind::Login,
        "user.failed_login" => ActivityKind::FailedLogin,
        "repo.access" if visibility == Some("public") => ActivityKind::ShareExternal,
        "personal_access_token.access_granted"
        | "personal_access_token.request_created"
        | "org_credential_authorization.grant"
        | "oauth_authorization.create"
        | "oauth_access.create"
        | "deploy_key.create"
        | "public_key.create" => ActivityKind::CredentialCreated,
        "org.update_member"
        | "org.add_member"
        | "team.add_member"
        | "repo.add_member"
        | "organization_role.assign"
        | "team.promote_maintainer" => ActivityKind::PrivilegeChanged,
        action if action.starts_with("two_factor_authentication.") => ActivityKind::FactorChanged,
        _ => ActivityKind::Other,
    }
}

fn event_of(event: Event) -> Option<ActivityEvent> {
    let at = Timestamp::from_millis(event.timestamp.or(event.created_at)?)?;
    let place = event.actor_location;
    Some(ActivityEvent {
        id: event.document_id.unwrap_or_else(|| format!("{} {at}", event.action)),
        at,
        kind: kind_of(&event.action, event.visibility.as_deref()),
        country: place.and_then(|place| place.country_code.or(place.country_name)),
        count: 1,
    })
}

/// What a login did in the organisation since an instant.
pub(super) async fn activity(
    http: &Reader,
    org: &str,
    login: &str,
    since: Timestamp,
) -> Result<Activity, Fault> {
    let from = since.to_string();
    let day = from.get(..10).unwrap_or(&from);
    let mut query = get(["orgs", org, "audit-log"])
        .query("phrase", format!("actor:{login} created:>={day}"))
        // Without it, clones are left out.
        .query("include", "all")
        .query("order", "desc")
        .query("per_page", 100);
    let mut found = Activity { since, events: Vec::new(), incomplete: None };
    for _ in 0..page::MAX_PAGES {
        let answer = match http.ask(query.clone()).await {
            Ok(answer) => answer,
            Err(fault) if matches!(fault.kind, FaultKind::NotFound | FaultKind::PermissionMissing) => {
                return Ok(Activity::unavailable(since, "the App may not read the organisation's audit log"));
            }
            Err(fault) => return Err(fault),
        };
        let events: Vec<Event> = answer.json()?;
        let empty = events.is_empty();
        found.events.extend(events.into_iter().filter_map(event_of).filter(|event| event.at >= since));
        match answer.next_link() {
            Some(link) if !empty && found.events.len() < MAX_EVENTS => query = http.follow(&query, &link)?,
            Some(_) if !empty => break,
            _ => {
                let shorter = http.now().since(since) > GIT_KEPT;
                let why = "GitHub keeps clones and other Git events for seven days only";
                found.incomplete = shorter.then(|| why.to_owned());
                return Ok(found);
            }
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
        assert_eq!(kind_of("git.clone", None), ActivityKind::Download);
        assert_eq!(kind_of("repo.download_zip", None), ActivityKind::Download);
        assert_eq!(kind_of("git.push", None), ActivityKind::Other);
        assert_eq!(kind_of("repo.access", Some("public")), ActivityKind::ShareExternal);
        assert_eq!(kind_of("repo.access", Some("private")), ActivityKind::Other);
        assert_eq!(kind_of("two_factor_authentication.disabled", None), ActivityKind::FactorChanged);
        assert_eq!(kind_of("personal_access_token.access_granted", None), ActivityKind::CredentialCreated);
    }

    #[test]
    fn an_event_without_a_time_is_left_out() {
        let event: Event = serde_json::from_str(r#"{"action":"git.clone"}"#).unwrap();
        assert!(event_of(event).is_none());
        let event =
            r#"{"@timestamp":1700000000000,"action":"git.clone","actor_location":{"country_code":"DE"}}"#;
        let event = event_of(serde_json::from_str(event).unwrap()).unwrap();
        assert_eq!((event.at.millis(), event.country.as_deref()), (1_700_000_000_000, Some("DE")));
    }
}
