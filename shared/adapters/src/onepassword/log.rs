//! The Events API: sign-in attempts, item usages and audit events of the whole account, of which one person's are kept.

use crate::{
    Missing,
    http::{Query, Reader},
};
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::{Asset, Next},
    risk::{Activity, ActivityEvent, ActivityKind},
    time::Timestamp,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

const DAY: Duration = Duration::from_secs(86_400);
/// How far back the worklist of items reaches.
const USAGE: Duration = Duration::from_secs(30 * 86_400);
/// How far back the Events API remembers.
const RETENTION: Duration = Duration::from_secs(120 * 86_400);
/// Most pages that are read of one log, a thousand events each.
const MAX_PAGES: usize = 40;
/// The logs, which are also what a token is allowed to read.
const SIGN_INS: &str = "signinattempts";
const USAGES: &str = "itemusages";
const AUDIT: &str = "auditevents";
/// Why there is no log without the token.
pub(super) const NO_TOKEN: &str = "the settings hold no token for the Events API";
/// What lives on after its maker was suspended.
pub(super) const LIVES_ON: [&str; 2] = ["service_account", "service_account_token"];

#[derive(Deserialize)]
struct Page<T> {
    #[serde(default = "Vec::new")]
    items: Vec<T>,
    cursor: Option<String>,
    #[serde(default)]
    has_more: bool,
}

#[derive(Deserialize)]
struct Who {
    uuid: Option<String>,
    email: Option<String>,
}

#[derive(Deserialize)]
struct SignIn {
    uuid: String,
    timestamp: Timestamp,
    category: String,
    country: Option<String>,
    target_user: Option<Who>,
}

#[derive(Deserialize)]
struct Usage {
    uuid: String,
    timestamp: Timestamp,
    action: Option<String>,
    vault_uuid: String,
    item_uuid: String,
    user: Option<Who>,
}

#[derive(Deserialize)]
struct Audit {
    uuid: String,
    timestamp: Timestamp,
    action: String,
    object_type: String,
    object_uuid: Option<String>,
    actor_uuid: Option<String>,
}

/// One person, as the logs name people: by 1Password's id, and by the e-mail address where the id comes from elsewhere.
struct Subject {
    ids: BTreeSet<String>,
    email: String,
}

impl Subject {
    fn new(id: &str, email: &str) -> Self {
        Self { ids: [id.to_owned()].into(), email: email.to_owned() }
    }

    fn is(&self, who: Option<&Who>) -> bool {
        who.is_some_and(|who| {
            who.uuid.as_ref().is_some_and(|uuid| self.ids.contains(uuid))
                || who.email.as_ref().is_some_and(|email| email.eq_ignore_ascii_case(&self.email))
        })
    }

    /// Learns further ids from entries that were found by the address: the audit log knows ids only.
    fn learn<'a>(&mut self, from: impl IntoIterator<Item = &'a Who>) {
        self.ids.extend(from.into_iter().filter_map(|who| who.uuid.clone()));
    }
}

/// What of a log is kept since an instant, and whether it was read to its end. The last day comes first, so that what is
/// beyond the limit is the oldest part.
async fn read<T: DeserializeOwned>(
    http: &Reader,
    log: &'static str,
    since: Timestamp,
    keep: impl Fn(&T) -> bool,
) -> Result<(Vec<T>, bool), Fault> {
    let (mut kept, mut left) = (Vec::new(), MAX_PAGES);
    let yesterday = http.now().minus(DAY).max(since);
    let newest = json!({"limit": 1000, "start_time": yesterday});
    let older = json!({"limit": 1000, "start_time": since, "end_time": yesterday});
    for mut body in [newest, older] {
        loop {
            if left == 0 {
                return Ok((kept, false));
            }
            left -= 1;
            let answer = http.ask(Query::post(["api", "v1", log]).at("events").json(body)).await?;
            let page: Page<T> = answer.json()?;
            kept.extend(page.items.into_iter().filter(&keep));
            match page.cursor {
                Some(cursor) if page.has_more => body = json!({"cursor": cursor}),
                _ => break,
            }
        }
    }
    Ok((kept, true))
}

/// Whether the token does not open this log. 1Password answers 401 for that, too.
fn is_closed(fault: &Fault) -> bool {
    matches!(fault.kind, FaultKind::CredentialRejected | FaultKind::PermissionMissing | FaultKind::NotFound)
}

fn audit_kind(event: &Audit) -> ActivityKind {
    match (event.action.as_str(), event.object_type.as_str()) {
        ("create", "sa" | "satoken" | "ec") => ActivityKind::CredentialCreated,
        ("enblmfa" | "updatmfa" | "disblmfa" | "enblduo" | "updatduo" | "disblduo" | "changesk", _) => {
            ActivityKind::FactorChanged
        }
        ("export", _) => ActivityKind::Download,
        ("grant" | "role" | "join", "gm" | "gva" | "uva") => ActivityKind::PrivilegeChanged,
        _ => ActivityKind::Other,
    }
}

/// What the account did.
pub(super) async fn activity(
    http: &Reader,
    id: &str,
    email: &str,
    since: Timestamp,
) -> Result<Activity, Fault> {
    match events(http, Subject::new(id, email), since).await {
        Ok((events, whole)) => {
            let incomplete = (!whole).then(|| format!("only {MAX_PAGES} pages of each log were read"));
            Ok(Activity { since, events, incomplete })
        }
        Err(fault) if is_closed(&fault) => {
            Ok(Activity::unavailable(since, "the token for the Events API may not read all three logs"))
        }
        Err(fault) => Err(fault),
    }
}

async fn events(
    http: &Reader,
    mut who: Subject,
    since: Timestamp,
) -> Result<(Vec<ActivityEvent>, bool), Fault> {
    let (sign_ins, usages) = tokio::try_join!(
        read(http, SIGN_INS, since, |one: &SignIn| who.is(one.target_user.as_ref())),
        read(http, USAGES, since, |one: &Usage| who.is(one.user.as_ref())),
    )?;
    who.learn(sign_ins.0.iter().filter_map(|one| one.target_user.as_ref()));
    who.learn(usages.0.iter().filter_map(|one| one.user.as_ref()));
    let by_them = |one: &Audit| one.actor_uuid.as_ref().is_some_and(|actor| who.ids.contains(actor));
    let audit = read(http, AUDIT, since, by_them).await?;
    let whole = sign_ins.1 && usages.1 && audit.1;
    // The two halves of a log may both hold what lies between them.
    let mut all = BTreeMap::new();
    let mut add = |id: String, at, kind, country| {
        all.insert(id.clone(), ActivityEvent { id, at, kind, country, count: 1 });
    };
    for one in sign_ins.0 {
        let kind = match one.category.as_str() {
            "success" | "firewall_reported_success" => ActivityKind::Login,
            _ => ActivityKind::FailedLogin,
        };
        add(one.uuid, one.timestamp, kind, one.country);
    }
    for one in usages.0 {
        let kind = match one.action.as_deref() {
            Some("export") => ActivityKind::Download,
            Some("share") => ActivityKind::ShareExternal,
            _ => ActivityKind::Other,
        };
        add(one.uuid, one.timestamp, kind, None);
    }
    for one in audit.0 {
        let kind = audit_kind(&one);
        add(one.uuid, one.timestamp, kind, None);
    }
    Ok((all.into_values().collect(), whole))
}

fn asset(id: String, kind: &str, name: String, next: Next) -> Asset {
    Asset { id, kind: kind.to_owned(), name, live_automation: false, next }
}

fn unread(why: &str) -> Asset {
    let name = format!("item usage: {why}; every shared vault that the person could open counts as read");
    asset(USAGES.to_owned(), "event_log", name, Next::Task)
}

/// What lives on of what somebody did: items whose secret they saw, and service accounts that they made.
pub(super) async fn left_behind(
    http: &Reader,
    id: &str,
    email: &str,
    reports: bool,
) -> Result<Vec<Asset>, Fault> {
    if !reports {
        return Ok(vec![unread(NO_TOKEN)]);
    }
    let (mut who, now) = (Subject::new(id, email), http.now());
    let usages = read(http, USAGES, now.minus(USAGE), |one: &Usage| who.is(one.user.as_ref())).await;
    let mut assets = match usages {
        Ok((usages, whole)) => {
            who.learn(usages.iter().filter_map(|one| one.user.as_ref()));
            let mut assets = worklist(&usages);
            assets.extend((!whole).then(|| unread("the log is longer than leaver reads")));
            assets
        }
        Err(fault) if is_closed(&fault) => vec![unread("the token may not read it")],
        Err(fault) => return Err(fault),
    };
    // Whoever deletes a service account need not be the one who made it.
    let about = |one: &Audit| matches!(one.object_type.as_str(), "sa" | "satoken");
    match read(http, AUDIT, now.minus(RETENTION), about).await {
        Ok((audit, _)) => assets.extend(service_accounts(audit, &who)),
        Err(fault) if is_closed(&fault) => {}
        Err(fault) => return Err(fault),
    }
    Ok(assets)
}

/// One line for each item, by the ids of vault and item: the API tells no titles, and so no secrets.
fn worklist(usages: &[Usage]) -> Vec<Asset> {
    let mut items: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for usage in usages {
        let how = match usage.action.as_deref() {
            Some("reveal") => "revealed",
            Some("secure-copy") => "copied",
            Some("export") => "exported",
            Some("fill") => "filled in",
            Some("share") => "shared",
            Some("enter-item-edit-mode" | "server-create" | "server-update") => "written",
            Some("select-sso-provider") => continue,
            _ => "used",
        };
        items.entry((&usage.vault_uuid, &usage.item_uuid)).or_default().insert(how);
    }
    let line = |((vault, item), how): ((&str, &str), BTreeSet<&str>)| {
        let how: Vec<&str> = how.into_iter().collect();
        let name = format!("item {item} in vault {vault}: {}", how.join(", "));
        asset(format!("{vault}/{item}"), "vault_item", name, Next::Rotate)
    };
    items.into_iter().map(line).collect()
}

fn service_accounts(mut audit: Vec<Audit>, who: &Subject) -> Vec<Asset> {
    audit.sort_by_key(|one| one.timestamp);
    let mut live: BTreeMap<String, Asset> = BTreeMap::new();
    for one in audit {
        let Some(id) = one.object_uuid else { continue };
        let (kind, what) = match one.object_type.as_str() {
            "sa" => (LIVES_ON[0], "service account"),
            _ => (LIVES_ON[1], "service account token"),
        };
        match one.action.as_str() {
            "create" if one.actor_uuid.as_ref().is_some_and(|actor| who.ids.contains(actor)) => {
                live.insert(id.clone(), asset(id.clone(), kind, format!("{what} {id}"), Next::Task));
            }
            "delete" | "revoke" | "trevoke" => drop(live.remove(&id)),
            _ => {}
        }
    }
    live.into_values().collect()
}

#[derive(Deserialize)]
struct Introspection {
    #[serde(default)]
    features: Vec<String>,
}

/// The logs that the token does not open, by what 1Password says of it.
pub(super) async fn missing(http: &Reader, reports: bool) -> Result<Vec<Missing>, Fault> {
    let lacking = |has: &[String], shown_by: &str| -> Vec<Missing> {
        let lacks = |log: &&'static str| !has.iter().any(|feature| feature == log);
        let missing = |scope: &'static str| Missing { scope, shown_by: shown_by.to_owned() };
        [SIGN_INS, USAGES, AUDIT].into_iter().filter(|log| lacks(log)).map(missing).collect()
    };
    if !reports {
        return Ok(lacking(&[], NO_TOKEN));
    }
    match http.ask(Query::get(["api", "v2", "auth", "introspect"]).at("events")).await {
        Ok(answer) => {
            let said: Introspection = answer.json()?;
            Ok(lacking(&said.features, "what the Events API says of the token"))
        }
        Err(fault) if is_closed(&fault) => Ok(lacking(&[], &fault.detail)),
        Err(fault) => Err(fault),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(item: &str, action: &str) -> Usage {
        let usage = json!({"uuid": "E", "timestamp": "2026-02-03T10:00:00-03:00", "action": action,
                           "vault_uuid": "V", "item_uuid": item, "user": {"uuid": "U", "email": "a@example.com"}});
        serde_json::from_value(usage).unwrap()
    }

    #[test]
    fn the_worklist_has_one_line_for_each_item_that_was_seen() {
        let usages = [
            usage("I1", "reveal"),
            usage("I1", "secure-copy"),
            usage("I1", "reveal"),
            usage("I2", "fill"),
            usage("I3", "select-sso-provider"),
        ];
        let names: Vec<String> = worklist(&usages).into_iter().map(|asset| asset.name).collect();
        assert_eq!(names, ["item I1 in vault V: copied, revealed", "item I2 in vault V: filled in"]);
    }

    #[test]
    fn a_service_account_is_left_until_somebody_deletes_it() {
        let event = |action: &str, of: &str, id: &str, actor: &str, second: u32| -> Audit {
            let at = format!("2026-02-03T10:00:{second:02}Z");
            let event = json!({"uuid": "E", "timestamp": at, "action": action, "object_type": of,
                               "object_uuid": id, "actor_uuid": actor});
            serde_json::from_value(event).unwrap()
        };
        let audit = vec![
            event("delete", "sa", "S2", "BOSS", 9),
            event("create", "sa", "S1", "U", 1),
            event("create", "sa", "S2", "U", 2),
            event("create", "satoken", "T1", "U", 3),
            event("create", "sa", "S3", "OTHER", 4),
        ];
        let who = Subject::new("U", "a@example.com");
        let names: Vec<String> = service_accounts(audit, &who).into_iter().map(|asset| asset.name).collect();
        assert_eq!(names, ["service account S1", "service account token T1"]);
    }

    #[test]
    fn the_address_stands_in_for_an_id_that_provisioning_made() {
        let mut who = Subject::new("scim-1", "A@example.com");
        let entry = Who { uuid: Some("U".into()), email: Some("a@example.com".into()) };
        let by_id_only = Who { uuid: Some("U".into()), email: None };
        assert!(who.is(Some(&entry)) && !who.is(Some(&by_id_only)) && !who.is(None));
        who.learn([&entry]);
        assert!(who.is(Some(&by_id_only)));
    }
}
