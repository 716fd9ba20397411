//! Slack: people of a workspace or an Enterprise organisation, by the Web API, SCIM and the audit log.
//!
//! Order: roles first (afterwards there is nobody to take them from), then sessions, then the account by SCIM, the groups
//! last. Deactivating also voids the tokens of apps that act in the person's name. The primary owner is refused by Slack
//! and has to hand over first.

mod log;
mod read;
mod roster;
pub(crate) mod web;

use crate::{
    Adapter, Missing, Part, Residue, Roster, Spec,
    auth::Auth,
    http::{Command, Reader, Writer},
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
use read::{ScimUser, User};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What is known of Slack without asking it.
pub const SPEC: Spec = Spec {
    id: "slack",
    name: "Slack",
    part: Part::Account,
    hosts: &[
        ("", "https://slack.com/api"),
        ("scim", "https://api.slack.com/scim/v2"),
        ("audit", "https://api.slack.com/audit/v1"),
    ],
    settings: &[(
        "token",
        "user token (xoxp) of an owner, installed for the whole organisation where there is one",
    )],
    scopes: &[
        "admin",
        "admin.users:read",
        "admin.users:write",
        "auditlogs:read",
        "usergroups:read",
        "usergroups:write",
        "users:read",
        "users:read.email",
    ],
    order: &[
        "Take owner and administrator roles, because afterwards there is nobody to take them from.",
        "End all sessions.",
        "Deactivate the account by SCIM, which also voids tokens of apps that act in the person's name.",
        "Take the person out of user groups.",
    ],
    residuals: &[
        "Apps that the person installed go on with their own tokens.",
        "The primary owner is refused and has to hand over first.",
        "Channels and workflows that the person made keep them as their maker: somebody takes workflows over by hand.",
    ],
    setup: &[
        "As an owner of the organisation, make an app with the scopes below and install it for the whole organisation.",
        "Put its user token into the system's secret.",
        "Run `leaver doctor`.",
    ],
    roster: Roster::Listed(
        "Every member that SCIM lists, the deactivated and guests among them, with the employee number; logins and roles are not in the list.",
    ),
    source: "Slack Web API 1.7.0; SCIM API 2.0 and Audit Logs API, docs.slack.dev",
};

struct Slack;

/// The adapter and its authentication.
///
/// # Errors
/// `CredentialRejected` where the token is missing.
pub fn open(settings: &Settings) -> Result<(Box<dyn Adapter>, Auth), Fault> {
    Ok((Box::new(Slack), Auth::bearer(settings.secret("token")?.clone())))
}

fn ambiguous(detail: String) -> Fault {
    Fault::new(FaultKind::Ambiguous, detail)
}

/// The id of the person's account and how it was found. SCIM also shows the deactivated, whom a look-up by e-mail hides;
/// the look-up is current where the filter could lag.
async fn locate(http: &Reader, who: &Person) -> Result<Option<(String, &'static str)>, Fault> {
    let (by_email, current) =
        tokio::try_join!(read::scim_users(http, "email", &who.email), read::id_by_email(http, &who.email))?;
    let mut ids: BTreeMap<String, &'static str> = BTreeMap::new();
    ids.extend(by_email.into_iter().map(|user| (user.id, "email")));
    ids.extend(current.map(|id| (id, "email")));
    if let Some(handle) = who.login(SPEC.id) {
        let users = read::scim_users(http, "userName", handle).await?;
        ids.extend(users.into_iter().map(|user| (user.id, "login")));
    }
    if ids.len() > 1 {
        return Err(ambiguous(format!("{} accounts carry this person's login or e-mail", ids.len())));
    }
    Ok(ids.into_iter().next())
}

/// Refuses an account that says it is somebody else's.
fn same_person(user: &ScimUser, who: &Person) -> Result<(), Fault> {
    if let Some(number) = user.employee_number() {
        return match number == who.employee_id.as_str() {
            true => Ok(()),
            false => Err(ambiguous(format!("the account {} carries another employee number", user.handle))),
        };
    }
    let recorded = who.login(SPEC.id) == Some(user.handle.as_str());
    let own = user.emails.iter().any(|email| email.value.eq_ignore_ascii_case(&who.email));
    if own || recorded || user.emails.is_empty() {
        return Ok(());
    }
    Err(ambiguous(format!("the account {} carries another e-mail address", user.handle)))
}

/// Both records must say that the account is off before it counts as such.
fn status(scim: Option<&ScimUser>, user: &User) -> AccountStatus {
    match user.deleted && scim.is_none_or(|scim| !scim.active) {
        true => AccountStatus::Suspended,
        false => AccountStatus::Active,
    }
}

async fn set_active(http: &Writer, id: &str, active: bool) -> Result<(), Fault> {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "path": "active", "value": active}],
    });
    http.tell(Command::patch(["Users", id]).at("scim").json(body)).await.map(|_| ())
}

async fn set_group(http: &Writer, group: &str, id: &str, member: bool) -> Result<Outcome, Fault> {
    let operation = match member {
        true => json!({"op": "add", "path": "members", "value": [{"value": id}]}),
        false => json!({"op": "remove", "path": format!("members[value eq \"{id}\"]")}),
    };
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [operation],
    });
    http.tell(Command::patch(["Groups", group]).at("scim").json(body)).await.map(|_| Outcome::Done)
}

/// Slack takes a user group's whole list: it is read just before, so that a change by somebody else is not undone.
async fn set_usergroup(
    http: &Writer,
    group: &str,
    team: &str,
    id: &str,
    member: bool,
) -> Result<Outcome, Fault> {
    let mut users = read::members(http, group, team).await?;
    if users.iter().any(|user| user == id) == member {
        return Ok(Outcome::Already);
    }
    users.retain(|user| user != id);
    if member {
        users.push(id.to_owned());
    }
    let list = users.join(",");
    let form = [("usergroup", group), ("users", list.as_str()), ("team_id", team)];
    web::tell(http, "usergroups.users.update", form).await.map(|()| Outcome::Done)
}

async fn set_role(http: &Writer, method: &str, team: &str, id: &str) -> Result<Outcome, Fault> {
    web::tell(http, method, [("team_id", team), ("user_id", id)]).await.map(|()| Outcome::Done)
}

#[async_trait]
impl Adapter for Slack {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn discover(&self, http: &Reader, who: &Person) -> Result<Inventory, Fault> {
        let Some((id, matched_by)) = locate(http, who).await? else { return Ok(Inventory::absent()) };
        let (scim, user) = tokio::try_join!(read::scim_user(http, &id), read::user(http, &id))?;
        if let Some(scim) = &scim {
            same_person(scim, who)?;
        }
        let status = status(scim.as_ref(), &user);
        let active = status == AccountStatus::Active;
        let (sessions, roles, usergroups, apps) = tokio::try_join!(
            read::sessions(http, &user),
            read::roles(http, &user),
            read::usergroups(http, &user),
            read::apps(http, &user, active),
        )?;
        let mut grants = roles;
        let privileged = !grants.is_empty();
        grants.extend(usergroups);
        grants.extend(scim.iter().flat_map(read::scim_groups));
        let login = scim.map_or_else(|| who.email.clone(), |scim| scim.handle);
        let facts = BTreeMap::from([("teams".to_owned(), user.teams().join(","))]);
        let matched_by = matched_by.to_owned();
        // The only place that has it is the audit log, which is too short to be asked at each reading.
        let account = Account { id, login, status, matched_by, privileged, last_login: None, facts };
        let (credentials, assets) = apps;
        Ok(Inventory { credentials, grants, assets, ..Inventory::of(account, sessions) })
    }

    async fn activity(&self, http: &Reader, who: &Account, since: Timestamp) -> Result<Activity, Fault> {
        log::activity(http, &who.id, since).await
    }

    fn revoke(&self, found: &Inventory) -> Vec<Action> {
        let Some(account) = &found.account else { return Vec::new() };
        let mut todo = Vec::new();
        let removable =
            |kind: GrantKind| found.grants.iter().filter(move |g| g.kind == kind && g.fixed.is_none());
        for role in removable(GrantKind::Role) {
            todo.push(Action::contain(ActionKind::RemoveGroup, &role.id, &role.name));
        }
        let active = account.status == AccountStatus::Active;
        // Also where none is listed now: one opened before the account is off must not survive it.
        let end = match &found.sessions {
            Sessions::Listed(sessions) => active || !sessions.is_empty(),
            Sessions::ValidFrom(_) | Sessions::Unreadable => false,
        };
        if end {
            let label = "sessions on all devices";
            todo.push(Action::contain(ActionKind::EndSessions, &account.id, label).irreversible());
        }
        if active {
            todo.push(Action::contain(ActionKind::DisableAccount, &account.id, &account.login));
        }
        let later = |grant: &Grant| Action::clean_up(ActionKind::RemoveGroup, &grant.id, &grant.name);
        todo.extend(removable(GrantKind::Group).map(later));
        todo
    }

    fn restore(&self, before: &Inventory, now: &Inventory) -> Vec<Action> {
        let (Some(was), Some(is)) = (&before.account, &now.account) else { return Vec::new() };
        let mut todo = Vec::new();
        if was.status == AccountStatus::Active && is.status != AccountStatus::Active {
            todo.push(Action::contain(ActionKind::EnableAccount, &is.id, &is.login));
        }
        let missing = before.grants.iter().filter(|grant| {
            grant.fixed.is_none()
                && !now.grants.iter().any(|held| held.kind == grant.kind && held.name == grant.name)
        });
        todo.extend(missing.map(|grant| Action::clean_up(ActionKind::AddGrant, &grant.id, &grant.name)));
        todo
    }

    fn grant(&self, id: &str) -> Option<Grant> {
        let place: Vec<&str> = id.split(':').collect();
        let known = matches!(place.as_slice(), ["owner" | "admin" | "group", _] | ["usergroup", _, _]);
        known.then(|| crate::asked_for(id))
    }

    async fn apply(&self, http: &Writer, found: &Inventory, action: &Action) -> Result<Outcome, Fault> {
        let Some(account) = &found.account else { return Ok(Outcome::Already) };
        let id = account.id.as_str();
        let place: Vec<&str> = action.target.split(':').collect();
        let primary = found.grants.iter().any(|grant| grant.id == "primary_owner");
        match (action.kind, place.as_slice()) {
            (ActionKind::DisableAccount, _) if primary => Err(Fault::new(
                FaultKind::Conflict,
                "Slack keeps its primary owner; the role has to be handed over first",
            )),
            (ActionKind::DisableAccount, _) => set_active(http, id, false).await.map(|()| Outcome::Done),
            (ActionKind::EnableAccount, _) => set_active(http, id, true).await.map(|()| Outcome::Done),
            (ActionKind::EndSessions, _) => {
                web::tell(http, "admin.users.session.reset", [("user_id", id)]).await.map(|()| Outcome::Done)
            }
            (ActionKind::RemoveGroup, ["owner" | "admin", team]) => {
                set_role(http, "admin.users.setRegular", team, id).await
            }
            (ActionKind::AddGrant, ["owner", team]) => set_role(http, "admin.users.setOwner", team, id).await,
            (ActionKind::AddGrant, ["admin", team]) => set_role(http, "admin.users.setAdmin", team, id).await,
            (ActionKind::RemoveGroup, ["usergroup", group, team]) => {
                set_usergroup(http, group, team, id, false).await
            }
            (ActionKind::AddGrant, ["usergroup", group, team]) => {
                set_usergroup(http, group, team, id, true).await
            }
            (ActionKind::RemoveGroup, ["group", group]) => set_group(http, group, id, false).await,
            (ActionKind::AddGrant, ["group", group]) => set_group(http, group, id, true).await,
            _ => Err(Fault::new(FaultKind::Internal, "not an action of this adapter")),
        }
    }

    fn residues(&self, before: &Inventory) -> Vec<Residue> {
        let outlives = |what: String| Residue { what, lasts: None };
        let mut left: Vec<Residue> = before
            .assets
            .iter()
            .map(|app| outlives(format!("the app {}, which acts by itself and keeps its token", app.name)))
            .collect();
        if before.sessions == Sessions::Unreadable {
            left.push(outlives(
                "sessions: this plan does not list them; Slack ends them with the account".into(),
            ));
        }
        left
    }

    async fn missing(&self, http: &Reader) -> Result<Vec<Missing>, Fault> {
        let answer = http.ask(web::query("auth.test")).await?;
        web::check("auth.test", &answer)?;
        let Some(held) = answer.headers.get("x-oauth-scopes").and_then(|held| held.to_str().ok()) else {
            return Err(Fault::shape("auth.test: the answer does not name the token's scopes"));
        };
        let held: Vec<&str> = held.split(',').map(str::trim).collect();
        let lacks = SPEC.scopes.iter().filter(|scope| !held.contains(scope));
        let shown_by = || "the scopes that Slack names for the token".to_owned();
        Ok(lacks.map(|scope| Missing { scope, shown_by: shown_by() }).collect())
    }

    async fn roster(&self, http: &Reader, from: Option<&Mark>) -> Result<Page, Fault> {
        roster::page(http, from).await
    }

    async fn probe(&self, http: &Reader) -> Result<(), Fault> {
        web::ask::<Value>(http, "auth.test", web::query("auth.test")).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(status: AccountStatus, sessions: Sessions) -> Inventory {
        let account = Account {
            id: "U1".into(),
            login: "john".into(),
            status,
            matched_by: "email".into(),
            privileged: false,
            last_login: None,
            facts: BTreeMap::new(),
        };
        Inventory::of(account, sessions)
    }

    fn grant(id: &str, kind: GrantKind, fixed: Option<&str>) -> Grant {
        let (id, name, fixed) = (id.into(), id.into(), fixed.map(str::to_owned));
        Grant { id, kind, name, privileged: false, fixed, sole_holder: false }
    }

    fn targets(actions: Vec<Action>) -> Vec<(ActionKind, String)> {
        actions.into_iter().map(|action| (action.kind, action.target)).collect()
    }

    #[test]
    fn roles_go_before_the_account_and_groups_after_it() {
        let mut one = found(AccountStatus::Active, Sessions::Listed(Vec::new()));
        one.grants = vec![
            grant("usergroup:S1:T1", GrantKind::Group, None),
            grant("usergroup:S2:T1", GrantKind::Group, Some("x")),
            grant("admin:T1", GrantKind::Role, None),
        ];
        let expected = [
            (ActionKind::RemoveGroup, "admin:T1".to_owned()),
            (ActionKind::EndSessions, "U1".to_owned()),
            (ActionKind::DisableAccount, "U1".to_owned()),
            (ActionKind::RemoveGroup, "usergroup:S1:T1".to_owned()),
        ];
        assert_eq!(targets(Slack.revoke(&one)), expected);
    }

    #[test]
    fn a_session_that_survived_the_account_is_asked_for_again() {
        let left = found(AccountStatus::Suspended, Sessions::Listed(vec!["T1:7".into()]));
        assert_eq!(targets(Slack.revoke(&left)), [(ActionKind::EndSessions, "U1".to_owned())]);
        assert_eq!(Slack.revoke(&found(AccountStatus::Suspended, Sessions::Listed(Vec::new()))), []);
    }

    #[test]
    fn where_sessions_cannot_be_read_the_report_says_so() {
        let one = found(AccountStatus::Active, Sessions::Unreadable);
        assert_eq!(targets(Slack.revoke(&one)), [(ActionKind::DisableAccount, "U1".to_owned())]);
        assert_eq!(Slack.residues(&one).len(), 1);
    }

    #[test]
    fn an_account_counts_as_off_only_where_both_records_say_so() {
        let user = |deleted| serde_json::from_value::<User>(json!({"id": "U1", "deleted": deleted})).unwrap();
        let scim = |active| {
            serde_json::from_value::<ScimUser>(json!({"id": "U1", "userName": "j", "active": active}))
                .unwrap()
        };
        assert_eq!(status(Some(&scim(false)), &user(true)), AccountStatus::Suspended);
        assert_eq!(status(Some(&scim(true)), &user(true)), AccountStatus::Active);
        assert_eq!(status(Some(&scim(false)), &user(false)), AccountStatus::Active);
    }
}
