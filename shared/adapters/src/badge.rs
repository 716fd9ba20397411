//! Badges through Verkada Access: cards, licence plates, entry codes, phones, faces, access groups.
//!
//! Order: the end date first, because it makes every means of entry void at every site at once; then each means by itself, so
//! that a date that somebody sets later opens nothing; access groups last. Cards, plates and phones are deactivated, not
//! deleted: the same card opens again when it is activated. An entry code, a face and a code for the second step can only
//! be deleted.
//!
//! The API takes a user by any of four attributes, but tells neither address nor number of whom it answers. Who is meant is
//! therefore found in the list of all access users, which tells both, and read by the vendor's id.

mod read;
mod roster;

use crate::{
    Adapter, Missing, Part, Residue, Roster, Spec,
    auth::{Auth, Exchange},
    http::{Command, Query, Reader, Writer},
    missing_by_reads, page,
    restore::{given_again, lost},
    settings::Settings,
};
use async_trait::async_trait;
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::{Account, AccountStatus, Grant, GrantKind, Inventory, Sessions},
    person::Person,
    plan::{Action, ActionKind, Outcome},
    risk::Activity,
    roster::{Mark, Page},
    time::Timestamp,
};
use read::{Event, Events, Holder, account_of, candidates, credentials, event_of, holder_of};
use reqwest::header::HeaderName;
use serde_json::json;

const SCOPE: &str = "Access: read and write";
/// 2100-01-01: the API takes no empty end date, so a restored badge that had none gets one far away.
const FAR: i64 = 4_102_444_800;

/// What is known of badges without asking Verkada.
pub const SPEC: Spec = Spec {
    id: "badge",
    name: "Badges (Verkada Access)",
    part: Part::Account,
    hosts: &[("", "https://api.verkada.com")],
    settings: &[("api_key", "API key of the Verkada organisation with the Access product")],
    scopes: &[SCOPE],
    order: &[
        "Set the end date of the access user to now: every means of entry at every site is void from then on.",
        "Deactivate each access card and each licence plate.",
        "Deactivate Bluetooth unlock and remote unlock of the phone.",
        "Delete the entry code, the face credential and the codes for the second step.",
        "Take the person out of every access group.",
    ],
    residuals: &[
        "A door controller that is offline opens by what it last received, until it is online again.",
        "Whoever is inside already is not put out, and a door that is held open asks nobody.",
        "A deleted entry code, face or second-step code cannot be brought back: the person gets a new one.",
        "A restored badge that had no end date gets one in the year 2100, as the API takes no empty one.",
        "Administrators of Verkada Command are not access users: their roles are revoked where they sign in.",
    ],
    setup: &[
        "In Verkada Command, open Admin, then API Management, as an organisation administrator.",
        "Generate an API key with the permission `Access` set to read and write, and with no other product.",
        "Choose the longest expiry that your rules allow, and note it: the key ends by itself.",
        "Put the key into the secret as `api_key`.",
        "For an organisation outside the United States, put its region's address into the secret as `base_url`, such as https://api.eu.verkada.com.",
    ],
    roster: Roster::Listed("Every cardholder, with the last access where the vendor tells it."),
    source: "Verkada API reference, apidocs.verkada.com: Access User Information, Access Credentials, Access Groups, Events",
};

struct Badge;

/// The adapter and its authentication.
///
/// # Errors
/// `CredentialRejected` where the key is missing or the address unusable.
pub fn open(settings: &Settings) -> Result<(Box<dyn Adapter>, Auth), Fault> {
    let unusable = || Fault::new(FaultKind::CredentialRejected, "`base_url` is not an address");
    let [(host, vendor)] = SPEC.hosts else { return Err(unusable()) };
    let url = settings.url(host, vendor)?.join("token").map_err(|_| unusable())?;
    let key = settings.secret("api_key")?.clone();
    let exchange = Exchange::ApiKey { header: HeaderName::from_static("x-api-key"), key };
    Ok((Box::new(Badge), Auth::token_in(HeaderName::from_static("x-verkada-auth"), url, exchange)))
}

/// What a means of entry is called in the address that switches it, and whether it can be switched on again.
fn switch(target: &str, id: &str, on: bool) -> Option<Command> {
    let turn = if on { "activate" } else { "deactivate" };
    let user = |rest: &'static str| {
        Command::put(["access", "v1", "access_users", "user", rest, turn]).query("user_id", id)
    };
    let credential =
        |rest: &'static str| Command::put(["access", "v1", "credentials", rest, turn]).query("user_id", id);
    Some(match target.split_once('|') {
        Some(("card", card)) => credential("card").query("card_id", card),
        Some(("plate", number)) => credential("license_plate").query("license_plate_number", number),
        None if target == "ble" => user("ble"),
        None if target == "remote_unlock" => user("remote_unlock"),
        _ => return None,
    })
}

/// What takes a means of entry away for good.
fn deletion(target: &str, id: &str) -> Option<Command> {
    match target {
        "entry_code" => {
            Some(Command::delete(["access", "v1", "access_users", "user", target]).query("user_id", id))
        }
        "face" => Some(Command::delete(["v2", "access", "users", id, "face_unlock"])),
        _ => None,
    }
}

/// Deletes the codes for the second step: a call for each names it, so they are read here and kept nowhere.
async fn delete_codes(http: &Writer, id: &str) -> Result<Outcome, Fault> {
    let holder: Holder = http.ask(holder_of(id)).await?.json()?;
    let codes = holder.mfa_codes.unwrap_or_default();
    for code in &codes {
        let call = Command::delete(["access", "v1", "credentials", "mfa_code"]);
        http.tell(call.query("user_id", id).query("code", code.code.expose())).await?;
    }
    Ok(if codes.is_empty() { Outcome::Already } else { Outcome::Done })
}

/// Until when a restored badge opens: its earlier end date stands behind the account's id, where it had one.
fn end_of(target: &str, now: Timestamp) -> Result<i64, Fault> {
    let Some(end) = target.split_once('|').and_then(|(_, end)| end.parse::<i64>().ok()) else {
        return Ok(FAR);
    };
    if end <= now.seconds() {
        let detail = "the end date that the badge had before has passed: somebody has to choose a new one";
        return Err(Fault::new(FaultKind::Conflict, detail));
    }
    Ok(end)
}

#[async_trait]
impl Adapter for Badge {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn discover(&self, http: &Reader, who: &Person) -> Result<Inventory, Fault> {
        let mut all = candidates(http, who).await?;
        let Some((member, matched_by)) = all.pop() else { return Ok(Inventory::absent()) };
        let ambiguous = |detail| Err(Fault::new(FaultKind::Ambiguous, detail));
        if !all.is_empty() {
            return ambiguous(format!("{} access users carry this person's e-mail or number", all.len() + 1));
        }
        let number = member.employee_id.as_deref().filter(|number| !number.is_empty());
        if number.is_some_and(|number| number != who.employee_id.as_str()) {
            return ambiguous("the access user carries another employee number".to_owned());
        }
        let Some(id) = &member.user_id else {
            return Err(Fault::shape("an access user without an id"));
        };
        let Some(answer) = http.find(holder_of(id)).await? else { return Ok(Inventory::absent()) };
        let mut holder: Holder = answer.json()?;
        let account = account_of(&holder, &member, matched_by, http.now());
        let open = account.status == AccountStatus::Active;
        let groups = holder.access_groups.take().unwrap_or_default();
        let mut found = Inventory::of(account, Sessions::Listed(Vec::new()));
        found.credentials = credentials(holder, open);
        for group in groups {
            let Some(id) = group.group_id else { return Err(Fault::shape("an access group without an id")) };
            found.grants.push(Grant {
                name: group.name.unwrap_or_else(|| id.clone()),
                id,
                kind: GrantKind::Group,
                privileged: false,
                fixed: None,
                sole_holder: false,
            });
        }
        Ok(found)
    }

    async fn activity(&self, http: &Reader, who: &Account, since: Timestamp) -> Result<Activity, Fault> {
        let first = Query::get(["events", "v1", "access"])
            .query("start_time", since.seconds())
            .query("end_time", http.now().seconds())
            .query("user_id", &who.id)
            .query("page_size", 200);
        let ask = |token: Option<&str>| {
            Ok(token.map_or_else(|| first.clone(), |token| first.clone().query("page_token", token)))
        };
        let read = page::by_token(http, ask, |answer| {
            answer.json::<Events>().map(|page| (page.events.unwrap_or_default(), page.next_page_token))
        });
        let mine = |event: &Event| {
            let user = event.event_info.as_ref().and_then(|info| info.user_id.as_deref());
            user.is_none_or(|user| user == who.id)
        };
        match read.await {
            Ok(events) => {
                let events = events.into_iter().filter(mine).map(event_of).collect();
                Ok(Activity { since, events, incomplete: None })
            }
            Err(fault) if fault.kind == FaultKind::PermissionMissing => {
                Ok(Activity::unavailable(since, "the API key may not read access events"))
            }
            Err(fault) => Err(fault),
        }
    }

    fn revoke(&self, found: &Inventory) -> Vec<Action> {
        let Some(account) = &found.account else { return Vec::new() };
        let mut todo = Vec::new();
        if account.status == AccountStatus::Active {
            todo.push(Action::contain(ActionKind::DisableAccount, &account.id, &account.login));
        }
        let taken = found.credentials.iter().filter(|one| one.active && !one.id.starts_with("qr|"));
        for credential in taken {
            let action = Action::contain(ActionKind::RemoveFactor, &credential.id, &credential.label);
            let again = switch(&credential.id, &account.id, true).is_some();
            todo.push(if again { action } else { action.irreversible() });
        }
        let groups = found.grants.iter();
        todo.extend(groups.map(|group| Action::clean_up(ActionKind::RemoveGroup, &group.id, &group.name)));
        todo
    }

    fn restore(&self, before: &Inventory, now: &Inventory) -> Vec<Action> {
        let (Some(was), Some(is)) = (&before.account, &now.account) else { return Vec::new() };
        let mut todo = Vec::new();
        if was.status == AccountStatus::Active && is.status != AccountStatus::Active {
            let end = was.facts.get("end_date");
            let target = end.map_or_else(|| is.id.clone(), |end| format!("{}|{end}", is.id));
            todo.push(Action::contain(ActionKind::EnableAccount, target, &is.login));
        }
        let off = now.credentials.iter().filter(|one| !one.active && switch(&one.id, &is.id, true).is_some());
        for credential in off {
            if before.credentials.iter().any(|used| used.id == credential.id && used.active) {
                todo.push(Action::clean_up(ActionKind::EnableApiKey, &credential.id, &credential.label));
            }
        }
        todo.extend(given_again(lost(before, now)));
        todo
    }

    async fn apply(&self, http: &Writer, found: &Inventory, action: &Action) -> Result<Outcome, Fault> {
        let Some(account) = &found.account else { return Ok(Outcome::Already) };
        let (id, target) = (account.id.as_str(), action.target.as_str());
        let end_date = |end: i64| {
            Command::put(["access", "v1", "access_users", "user", "end_date"])
                .query("user_id", id)
                .json(json!({"end_date": end.to_string()}))
        };
        let member = ["access", "v1", "access_groups", "group", "user"];
        let command = match action.kind {
            ActionKind::DisableAccount => Some(end_date(http.now().seconds())),
            ActionKind::EnableAccount => Some(end_date(end_of(target, http.now())?)),
            ActionKind::RemoveFactor if target == "mfa_codes" => return delete_codes(http, id).await,
            ActionKind::RemoveFactor => switch(target, id, false).or_else(|| deletion(target, id)),
            ActionKind::EnableApiKey => switch(target, id, true),
            ActionKind::RemoveGroup => {
                Some(Command::delete(member).query("group_id", target).query("user_id", id))
            }
            ActionKind::AddGrant => {
                Some(Command::put(member).query("group_id", target).json(json!({"user_id": id})))
            }
            _ => None,
        };
        let unknown = || Fault::new(FaultKind::Internal, "not an action of this adapter");
        http.tell(command.ok_or_else(unknown)?).await.map(|_| Outcome::Done)
    }

    fn residues(&self, before: &Inventory) -> Vec<Residue> {
        let opened = before.credentials.iter().any(|credential| credential.active);
        let offline = Residue {
            what: "door controllers that are offline open by what they last received, until they are online again"
                .into(),
            lasts: None,
        };
        if opened { vec![offline] } else { Vec::new() }
    }

    async fn missing(&self, http: &Reader) -> Result<Vec<Missing>, Fault> {
        missing_by_reads(http, [(SCOPE, Query::get(["access", "v1", "access_groups"]))]).await
    }

    async fn roster(&self, http: &Reader, from: Option<&Mark>) -> Result<Page, Fault> {
        roster::page(http, from).await
    }

    async fn probe(&self, http: &Reader) -> Result<(), Fault> {
        http.ask(Query::get(["access", "v1", "access_groups"])).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use leaver_domain::inventory::{Credential, CredentialKind};

    fn found(status: AccountStatus, end: Option<&str>, credentials: &[(&str, bool)]) -> Inventory {
        let account = Account {
            id: "u1".into(),
            login: "john".into(),
            status,
            matched_by: "e-mail".into(),
            privileged: false,
            last_login: None,
            facts: end.map(|end| ("end_date".to_owned(), end.to_owned())).into_iter().collect(),
        };
        let mut found = Inventory::of(account, Sessions::Listed(Vec::new()));
        found.credentials = credentials
            .iter()
            .map(|(id, active)| Credential {
                id: (*id).to_owned(),
                kind: CredentialKind::Device,
                label: (*id).to_owned(),
                created_at: None,
                last_used: None,
                active: *active,
            })
            .collect();
        found
    }

    #[test]
    fn every_means_of_entry_goes_by_itself_and_only_switches_can_come_back() {
        let means =
            [("card|1", true), ("card|2", false), ("ble", true), ("entry_code", true), ("qr|1", true)];
        let todo = Badge.revoke(&found(AccountStatus::Active, None, &means));
        let taken: Vec<_> = todo.iter().map(|action| (action.target.as_str(), action.reversible)).collect();
        assert_eq!(taken, [("u1", true), ("card|1", true), ("ble", true), ("entry_code", false)]);
    }

    #[test]
    fn a_restored_badge_gets_its_own_end_date_or_a_far_one() {
        let now = found(AccountStatus::Suspended, Some("1"), &[("card|1", false), ("ble", false)]);
        let before = |end| found(AccountStatus::Active, end, &[("card|1", true), ("entry_code", true)]);
        let targets = |end| {
            let todo = Badge.restore(&before(end), &now);
            todo.into_iter().map(|action| action.target).collect::<Vec<_>>()
        };
        assert_eq!(targets(None), ["u1", "card|1"]);
        assert_eq!(targets(Some("1800000000")), ["u1|1800000000", "card|1"]);
        let at: Timestamp = "2026-02-03T00:00:00Z".parse().unwrap();
        assert_eq!(end_of("u1", at).unwrap(), FAR);
        assert_eq!(end_of("u1|1800000000", at).unwrap(), 1_800_000_000);
        assert_eq!(end_of("u1|1000", at).unwrap_err().kind, FaultKind::Conflict);
    }
}
