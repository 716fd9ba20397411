//! Google's audit logs: what a user did in the applications that matter when somebody leaves.

use crate::{
    http::{Query, Reader},
    page,
};
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::Account,
    risk::{Activity, ActivityEvent, ActivityKind},
    time::Timestamp,
};
use serde::Deserialize;

/// The logs that are read, of the forty that there are.
const APPLICATIONS: [&str; 6] = ["login", "token", "drive", "admin", "user_accounts", "takeout"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Activities {
    #[serde(default)]
    items: Vec<Entry>,
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    id: EntryId,
    #[serde(default)]
    events: Vec<Event>,
    network_info: Option<NetworkInfo>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EntryId {
    time: Timestamp,
    unique_qualifier: String,
    application_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NetworkInfo {
    region_code: Option<String>,
}

#[derive(Deserialize)]
struct Event {
    name: String,
    #[serde(default)]
    parameters: Vec<Parameter>,
}

#[derive(Deserialize)]
struct Parameter {
    name: String,
    value: Option<String>,
}

fn kind_of(application: &str, event: &Event) -> ActivityKind {
    let outside = |name: &str, value: &str| {
        event.parameters.iter().any(|given| given.name == name && given.value.as_deref() == Some(value))
    };
    match (application, event.name.as_str()) {
        ("login", "login_success") => ActivityKind::Login,
        ("login", "login_failure") => ActivityKind::FailedLogin,
        ("token", "authorize") | ("user_accounts", "create_app_specific_password") => {
            ActivityKind::CredentialCreated
        }
        ("takeout", "user_initiated_takeout") | ("drive", "download") => ActivityKind::Download,
        ("drive", _) if outside("visibility_change", "external") => ActivityKind::ShareExternal,
        ("user_accounts", "email_forwarding_out_of_domain") => ActivityKind::ForwardingSet,
        ("user_accounts", name) if name.starts_with("2sv_") || name.starts_with("titanium_") => {
            ActivityKind::FactorChanged
        }
        ("admin", "ASSIGN_ROLE" | "GRANT_ADMIN_PRIVILEGE" | "GRANT_DELEGATED_ADMIN_PRIVILEGES") => {
            ActivityKind::PrivilegeChanged
        }
        _ => ActivityKind::Other,
    }
}

pub(super) fn events(entry: &Entry) -> Vec<ActivityEvent> {
    let country = entry.network_info.as_ref().and_then(|info| info.region_code.clone());
    let event = |event: &Event| ActivityEvent {
        id: format!("{}:{}", entry.id.application_name, entry.id.unique_qualifier),
        at: entry.id.time,
        kind: kind_of(&entry.id.application_name, event),
        country: country.clone(),
        count: 1,
    };
    entry.events.iter().map(event).collect()
}

async fn entries(http: &Reader, id: &str, application: &str, since: Timestamp) -> Result<Vec<Entry>, Fault> {
    let path = ["admin", "reports", "v1", "activity", "users", id, "applications", application];
    let first = Query::get(path).query("startTime", since).query("maxResults", 1000);
    let next = |token: Option<&str>| {
        Ok(token.map_or_else(|| first.clone(), |token| first.clone().query("pageToken", token)))
    };
    page::by_token(http, next, |answer| {
        answer.json::<Activities>().map(|page| (page.items, page.next_page_token))
    })
    .await
}

/// What a user did since an instant, as far as the edition's logs tell.
pub(super) async fn activity(http: &Reader, who: &Account, since: Timestamp) -> Result<Activity, Fault> {
    let (mut all, mut closed) = (Vec::new(), Vec::new());
    for application in APPLICATIONS {
        match entries(http, &who.id, application, since).await {
            Ok(entries) => all.extend(entries.iter().flat_map(events)),
            Err(fault) if fault.kind == FaultKind::PermissionMissing => closed.push(application),
            Err(fault) => return Err(fault),
        }
    }
    let why = format!("the edition or the credential does not open these logs: {}", closed.join(", "));
    Ok(Activity { since, events: all, incomplete: (!closed.is_empty()).then_some(why) })
}
