//! Bitwarden's event log: what a member did, and which secrets it shows them opening.

use crate::http::{Query, Reader};
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::{Asset, Next},
    risk::{Activity, ActivityEvent, ActivityKind},
    time::Timestamp,
};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// What an asset is that a machine account of Secrets Manager stands for.
pub(super) const MACHINE_ACCOUNT: &str = "machine_account";
/// How far back the worklist reaches.
const WORKLIST: Duration = Duration::from_secs(30 * 86_400);
/// Most pages that are read, newest first, fifty events each.
const MAX_PAGES: usize = 60;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(rename = "type")]
    kind: u32,
    item_id: Option<String>,
    service_account_id: Option<String>,
    date: Timestamp,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    data: Vec<Event>,
    continuation_token: Option<String>,
}

/// What a user did from an instant on, newest first, and whether that is all. `start` and `end` go together: with only one
/// of them Bitwarden silently answers the last thirty days.
async fn events(http: &Reader, user: &str, since: Timestamp) -> Result<(Vec<Event>, bool), Fault> {
    let until = http.now().plus(Duration::from_secs(60));
    let first = Query::get(["public", "events"])
        .query("actingUserId", user)
        .query("start", since)
        .query("end", until);
    let (mut all, mut query) = (Vec::new(), first.clone());
    for _ in 0..MAX_PAGES {
        let page: Page = http.ask(query).await?.json()?;
        all.extend(page.data);
        match page.continuation_token.filter(|token| !token.is_empty()) {
            None => return Ok((all, true)),
            Some(token) => query = first.clone().query("continuationToken", token),
        }
    }
    Ok((all, false))
}

/// Whether the organisation's plan or the key keeps the log closed.
fn is_closed(fault: &Fault) -> bool {
    matches!(fault.kind, FaultKind::PermissionMissing | FaultKind::NotFound)
}

fn kind_of(event: u32) -> ActivityKind {
    match event {
        1000 | 1510 => ActivityKind::Login,
        1005 | 1006 => ActivityKind::FailedLogin,
        1007 | 1602 => ActivityKind::Download,
        1002..=1004 => ActivityKind::FactorChanged,
        2304 => ActivityKind::CredentialCreated,
        1500 | 1502 | 1504 | 1401 | 2300 | 2302 => ActivityKind::PrivilegeChanged,
        2500..=2505 => ActivityKind::ShareExternal,
        _ => ActivityKind::Other,
    }
}

/// What was done with the secret of an item, if the event is one that opens it.
fn opened(event: u32) -> Option<&'static str> {
    match event {
        1107 => Some("viewed"),
        1108 => Some("password shown"),
        1111 => Some("password copied"),
        1114 => Some("filled in"),
        1109 | 1110 | 1117..=1118 | 1121..=1122 | 1124 | 1126 | 1128 | 1130 | 1132 => {
            Some("hidden field shown")
        }
        1112 | 1113 | 1119..=1120 | 1123 | 1125 | 1127 | 1129 | 1131 => Some("hidden field copied"),
        _ => None,
    }
}

/// What the account did. The log names no event by an id and no country.
pub(super) async fn activity(http: &Reader, user: Option<&str>, since: Timestamp) -> Result<Activity, Fault> {
    let Some(user) = user else { return Ok(Activity { since, events: Vec::new(), incomplete: None }) };
    let (events, whole) = match events(http, user, since).await {
        Ok(read) => read,
        Err(fault) if is_closed(&fault) => {
            return Ok(Activity::unavailable(since, "the organisation's plan or API key gives no event log"));
        }
        Err(fault) => return Err(fault),
    };
    let events = events.into_iter().map(|event| {
        let id = format!("{}@{}", event.kind, event.date);
        ActivityEvent { id, at: event.date, kind: kind_of(event.kind), country: None, count: 1 }
    });
    let incomplete =
        (!whole).then(|| format!("only the newest {MAX_PAGES} pages of the event log were read"));
    Ok(Activity { since, events: events.collect(), incomplete })
}

/// What lives on of what a user did lately: items whose secret they opened, exports that they took, machine accounts
/// that they made.
pub(super) async fn left_behind(http: &Reader, user: Option<&str>) -> Result<Vec<Asset>, Fault> {
    let Some(user) = user else { return Ok(Vec::new()) };
    match events(http, user, http.now().minus(WORKLIST)).await {
        Ok((events, whole)) => Ok(worklist(&events, whole)),
        Err(fault) if is_closed(&fault) => Ok(Vec::new()),
        Err(fault) => Err(fault),
    }
}

fn worklist(events: &[Event], whole: bool) -> Vec<Asset> {
    let asset = |id: String, kind: &str, name: String, next| Asset {
        id,
        kind: kind.to_owned(),
        name,
        live_automation: false,
        next,
    };
    let mut items: BTreeMap<&str, &str> = BTreeMap::new();
    let mut assets = Vec::new();
    let deleted: BTreeSet<&str> = events
        .iter()
        .filter(|event| event.kind == 2305)
        .filter_map(|event| event.service_account_id.as_deref())
        .collect();
    for event in events {
        if let (Some(item), Some(how)) = (event.item_id.as_deref(), opened(event.kind)) {
            items.entry(item).or_insert(how);
        }
        if matches!(event.kind, 1007 | 1602) {
            let id = format!("export:{}:{}", event.kind, event.date);
            let name = format!("vault export of {}: every item in it", event.date);
            assets.push(asset(id, "vault_export", name, Next::Rotate));
        }
        let machine =
            event.service_account_id.as_deref().filter(|id| event.kind == 2304 && !deleted.contains(id));
        assets
            .extend(machine.map(|id| {
                asset(id.to_owned(), MACHINE_ACCOUNT, format!("machine account {id}"), Next::Task)
            }));
    }
    let item = |(id, how): (&str, &str)| {
        asset(id.to_owned(), "vault_item", format!("item {id}, {how}"), Next::Rotate)
    };
    assets.extend(items.into_iter().map(item));
    if !whole {
        let name = "the event log is longer than leaver reads: more items may have been opened".to_owned();
        assets.push(asset("event-log".to_owned(), "event_log", name, Next::Task));
    }
    assets
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_worklist_names_each_item_once_and_every_export() {
        let event = |kind: u32, item: Option<&str>, account: Option<&str>| -> Event {
            let date = format!("2026-02-03T10:00:0{}Z", kind % 10);
            serde_json::from_value(
                json!({"type": kind, "itemId": item, "serviceAccountId": account, "date": date}),
            )
            .unwrap()
        };
        let events = [
            event(1111, Some("i1"), None),
            event(1107, Some("i1"), None),
            event(1107, Some("i2"), None),
            event(1101, Some("i3"), None),
            event(1007, None, None),
            event(2304, None, Some("s1")),
            event(2304, None, Some("s2")),
            event(2305, None, Some("s2")),
            event(1000, None, None),
        ];
        let names: Vec<(String, Next)> =
            worklist(&events, true).into_iter().map(|asset| (asset.name, asset.next)).collect();
        let expected = [
            ("vault export of 2026-02-03T10:00:07.000Z: every item in it", Next::Rotate),
            ("machine account s1", Next::Task),
            ("item i1, password copied", Next::Rotate),
            ("item i2, viewed", Next::Rotate),
        ];
        assert_eq!(names, expected.map(|(name, next)| (name.to_owned(), next)));
        assert_eq!(worklist(&events, false).len(), 5);
    }
}
