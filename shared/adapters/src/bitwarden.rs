//! Bitwarden: the members of one organisation, their groups and collections, by the Public API.
//!
//! Order: revoke the membership, then leave the groups. Revoking takes every shared item away at once and keeps the keys
//! that a return needs; removing the member loses them, so it is only listed. A revoked secret is still a known one: the
//! collections that the member reached, and the items that the event log shows them opening, become a worklist.

mod log;
mod read;
mod roster;

use crate::{
    Adapter, Missing, Part, Residue, Roster, Spec,
    auth::{Auth, Exchange},
    http::{Command, Query, Reader, Writer},
    missing_by_reads,
    settings::Settings,
};
use async_trait::async_trait;
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::{Account, AccountStatus, Grant, Inventory, Next, Sessions},
    person::Person,
    plan::{Action, ActionKind, Outcome},
    risk::Activity,
    roster::{Mark, Page},
    time::Timestamp,
};
use read::{Member, OWNER, REVOKED};
use serde_json::json;
use std::collections::BTreeMap;

/// What is known of Bitwarden without asking it.
pub const SPEC: Spec = Spec {
    id: "bitwarden",
    name: "Bitwarden",
    part: Part::Account,
    hosts: &[("", "https://api.bitwarden.com"), ("identity", "https://identity.bitwarden.com")],
    settings: &[
        ("client_id", "client id of the organisation's API key (`organization.` and a UUID)"),
        ("client_secret", "client secret of the organisation's API key"),
    ],
    scopes: &["api.organization"],
    order: &[
        "Find the member by e-mail address or external id, and read role, groups, collections and event log.",
        "List what has to get a new secret: every collection the member could read, every item they opened, every export.",
        "Revoke the membership: all shared items, SSO and the seat are gone at once, and the member can be restored.",
        "Take the member out of their groups, each time on a fresh read of the whole list.",
        "Read the member back: status revoked, no groups left.",
        "Parked: removing the member from the organisation, which cannot be undone.",
    ],
    residuals: &[
        "Secrets that the member saw stay known to them until they are changed.",
        "A device that stays offline keeps a read-only copy of what it synchronised last.",
        "The person keeps their own Bitwarden account and individual vault, unless its domain is claimed.",
        "Machine accounts of Secrets Manager that the member made keep working.",
        "The Public API does not tell the sessions of a member.",
        "Collections that the member managed alone need another manager: leaver names nobody.",
    ],
    setup: &[
        "Sign in to the Bitwarden web app as an owner of the organisation (Teams or Enterprise plan).",
        "Open Admin Console, Settings, Organization info, and choose View API key.",
        "Put `client_id` and `client_secret` into the secret of `bitwarden`.",
        "In the EU cloud, or on a server of your own, also set `base_url` (https://api.bitwarden.eu, https://your.domain/api) \
         and `identity_url` (https://identity.bitwarden.eu, https://your.domain/identity).",
        "See to it that at least two owners are confirmed: Bitwarden does not revoke the last one.",
        "Run `leaver doctor`.",
    ],
    roster: Roster::Listed("Every member of the organisation in one answer; logins are not in the list."),
    source: "Bitwarden Public API, bitwarden.com/help/api and the controllers of bitwarden/server under src/Api/AdminConsole/Public",
};

struct Bitwarden;

/// The adapter and its authentication.
///
/// # Errors
/// `CredentialRejected` where a setting is missing or unusable.
pub fn open(settings: &Settings) -> Result<(Box<dyn Adapter>, Auth), Fault> {
    let unusable = || Fault::new(FaultKind::CredentialRejected, "`identity_url` is not an address");
    let [_, identity] = SPEC.hosts else { return Err(unusable()) };
    let url = settings.url(identity.0, identity.1)?.join("connect/token").map_err(|_| unusable())?;
    let exchange = Exchange::ClientCredentials {
        client_id: settings.text("client_id")?,
        client_secret: settings.secret("client_secret")?.clone(),
        scope: "api.organization".to_owned(),
    };
    Ok((Box::new(Bitwarden), Auth::token(url, exchange)))
}

/// The member who is this person, and how they were found. The list is whole, so no second one is overlooked.
fn locate<'a>(members: &'a [Member], who: &Person) -> Result<Option<(&'a Member, &'static str)>, Fault> {
    let login = who.login_or_email(SPEC.id);
    let mut found = members.iter().filter_map(|member| {
        let is = |address: &str| member.email.eq_ignore_ascii_case(address);
        let number = || member.external_id.as_deref() == Some(who.employee_id.as_str());
        match () {
            () if is(login) || is(&who.email) => Some((member, "email")),
            () => number().then_some((member, "external_id")),
        }
    });
    let first = found.next();
    match found.count() {
        0 => Ok(first),
        more => {
            let detail = format!("{} members carry this person's e-mail address or number", more + 1);
            Err(Fault::new(FaultKind::Ambiguous, detail))
        }
    }
}

/// Whether no other owner is confirmed: Bitwarden then refuses to revoke this one.
fn is_last_owner(member: &Member, members: &[Member]) -> bool {
    member.kind == OWNER && !members.iter().any(|other| other.id != member.id && other.is_confirmed_owner())
}

fn account_of(member: &Member, matched_by: &str, privileged: bool) -> Account {
    let status = match member.status {
        REVOKED => AccountStatus::Suspended,
        _ => AccountStatus::Active,
    };
    let user = member.user_id.iter().map(|user| ("user_id".to_owned(), user.clone()));
    Account {
        id: member.id.clone(),
        login: member.email.clone(),
        status,
        matched_by: matched_by.to_owned(),
        privileged,
        last_login: None,
        facts: BTreeMap::from_iter(user),
    }
}

/// Revokes or restores. A repeat is a 400 whose cause only its text tells, so a fresh read decides whether it was one.
async fn set_revoked(http: &Writer, id: &str, revoked: bool) -> Result<Outcome, Fault> {
    let step = if revoked { "revoke" } else { "restore" };
    let fault = match http.tell(Command::post(["public", "members", id, step])).await {
        Ok(_) => return Ok(Outcome::Done),
        Err(fault) if fault.kind == FaultKind::Conflict => fault,
        Err(fault) => return Err(fault),
    };
    let now = read::member(http, id).await?;
    match (now.status == REVOKED) == revoked {
        true => Ok(Outcome::Already),
        false if revoked && now.kind == OWNER => Err(Fault::new(
            FaultKind::Conflict,
            "Bitwarden keeps the last confirmed owner; another one has to be made first",
        )),
        false => Err(fault),
    }
}

/// Bitwarden takes the member's whole list of groups: it is read just before, so that a change by somebody else is not
/// undone.
async fn set_group(http: &Writer, id: &str, group: &str, member: bool) -> Result<Outcome, Fault> {
    let mut groups = read::group_ids(http, id).await?;
    if groups.iter().any(|held| held == group) == member {
        return Ok(Outcome::Already);
    }
    groups.retain(|held| held != group);
    if member {
        groups.push(group.to_owned());
    }
    let command = Command::put(["public", "members", id, "group-ids"]).json(json!({"groupIds": groups}));
    http.tell(command).await.map(|_| Outcome::Done)
}

#[async_trait]
impl Adapter for Bitwarden {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn discover(&self, http: &Reader, who: &Person) -> Result<Inventory, Fault> {
        let members = read::members(http).await?;
        let Some((listed, matched_by)) = locate(&members, who)? else { return Ok(Inventory::absent()) };
        let last_owner = is_last_owner(listed, &members);
        let id = listed.id.as_str();
        // The list leaves a member's own collections out.
        let (member, held, groups, collections) = tokio::try_join!(
            read::member(http, id),
            read::group_ids(http, id),
            read::groups(http),
            read::collections(http),
        )?;
        let grants = read::grants(&member, &held, &groups, last_owner);
        let privileged = grants.iter().any(|grant| grant.privileged);
        let mut assets = read::reachable(&member, &held, &groups, &collections);
        assets.extend(log::left_behind(http, member.user_id.as_deref()).await?);
        let account = account_of(&member, matched_by, privileged);
        Ok(Inventory { grants, assets, ..Inventory::of(account, Sessions::Unreadable) })
    }

    async fn activity(&self, http: &Reader, who: &Account, since: Timestamp) -> Result<Activity, Fault> {
        log::activity(http, who.facts.get("user_id").map(String::as_str), since).await
    }

    fn revoke(&self, found: &Inventory) -> Vec<Action> {
        let Some(account) = &found.account else { return Vec::new() };
        let mut todo = Vec::new();
        if account.status == AccountStatus::Active {
            todo.push(Action::contain(ActionKind::DisableAccount, &account.id, &account.login));
        }
        let groups = found.grants.iter().filter(|grant| grant.fixed.is_none());
        todo.extend(groups.map(|group| Action::clean_up(ActionKind::RemoveGroup, &group.id, &group.name)));
        let removal = format!("remove {} from the organisation for good", account.login);
        todo.push(Action::parked(ActionKind::DisableAccount, format!("remove:{}", account.id), removal));
        todo
    }

    /// Groups alone can be given one by one, and their ids are UUIDs.
    fn grant(&self, id: &str) -> Option<Grant> {
        let uuid = id.len() == 36 && id.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
        uuid.then(|| crate::asked_for(id))
    }

    async fn apply(&self, http: &Writer, found: &Inventory, action: &Action) -> Result<Outcome, Fault> {
        let Some(account) = &found.account else { return Ok(Outcome::Already) };
        let (id, target) = (account.id.as_str(), action.target.as_str());
        match action.kind {
            ActionKind::DisableAccount if target == id => set_revoked(http, id, true).await,
            ActionKind::EnableAccount => set_revoked(http, id, false).await,
            ActionKind::RemoveGroup => set_group(http, id, target, false).await,
            ActionKind::AddGrant => set_group(http, id, target, true).await,
            _ => Err(Fault::new(FaultKind::Internal, "not an action of this adapter")),
        }
    }

    fn residues(&self, before: &Inventory) -> Vec<Residue> {
        let outlives = |what: String| Residue { what, lasts: None };
        let known = before.assets.iter().filter(|asset| asset.next == Next::Rotate).count();
        let accounts = before.assets.iter().filter(|asset| asset.kind == log::MACHINE_ACCOUNT);
        let mut left: Vec<Residue> = accounts
            .map(|account| outlives(format!("{}, which keeps its access tokens", account.name)))
            .collect();
        if known > 0 {
            left.push(outlives(format!(
                "what the member could read in {known} collections, items or exports"
            )));
        }
        if before.account.is_some() {
            left.push(outlives(
                "copies on devices that stay offline, and the person's individual vault".into(),
            ));
        }
        left
    }

    async fn missing(&self, http: &Reader) -> Result<Vec<Missing>, Fault> {
        let read = |what| ("api.organization", Query::get(["public", what]));
        let mut missing = missing_by_reads(http, ["members", "groups"].map(read)).await?;
        missing.truncate(1);
        Ok(missing)
    }

    async fn roster(&self, http: &Reader, _: Option<&Mark>) -> Result<Page, Fault> {
        roster::page(http).await
    }

    async fn probe(&self, http: &Reader) -> Result<(), Fault> {
        http.ask(Query::get(["public", "policies"])).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn member(id: &str, email: &str, kind: i64, status: i64) -> Member {
        let member = json!({"id": id, "userId": id, "email": email, "type": kind, "status": status, "externalId": null});
        serde_json::from_value(member).unwrap()
    }

    #[test]
    fn only_another_confirmed_owner_makes_an_owner_dispensable() {
        let one = member("1", "a@example.com", OWNER, 2);
        let others = |kind, status| {
            [member("1", "a@example.com", OWNER, 2), member("2", "b@example.com", kind, status)]
        };
        assert!(is_last_owner(&one, &others(2, 2)), "a user");
        assert!(is_last_owner(&one, &others(OWNER, REVOKED)), "a revoked owner");
        assert!(is_last_owner(&one, &others(OWNER, 0)), "an invited owner");
        assert!(!is_last_owner(&one, &others(OWNER, 2)));
        assert!(!is_last_owner(&member("1", "a@example.com", 2, 2), &others(OWNER, 2)), "no owner at all");
    }

    #[test]
    fn a_revoked_member_without_groups_leaves_nothing_but_what_is_parked() {
        let found = |status| {
            let account = account_of(&member("1", "a@example.com", 2, status), "email", false);
            Inventory::of(account, Sessions::Unreadable)
        };
        let kinds = |status| -> Vec<String> {
            Bitwarden.revoke(&found(status)).into_iter().map(|action| action.target).collect()
        };
        assert_eq!(kinds(2), ["1", "remove:1"]);
        assert_eq!(kinds(REVOKED), ["remove:1"]);
    }

    #[test]
    fn only_a_groups_id_can_be_asked_for() {
        assert!(Bitwarden.grant("539a36c5-e0d2-4cf9-979e-51ecf5cf6593").is_some());
        assert!(Bitwarden.grant("role:owner").is_none());
    }
}
