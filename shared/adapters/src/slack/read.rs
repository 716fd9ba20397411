//! What Slack lists of a person: the SCIM and the Web API's record, sessions, user groups, roles and apps.

use super::web;
use crate::{
    http::{Query, Reader},
    page,
};
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::{Asset, Credential, CredentialKind, Grant, GrantKind, Next, Sessions},
    time::Timestamp,
};
use serde::{Deserialize, de::IgnoredAny};
use std::collections::BTreeMap;

/// A user as SCIM has it: the only record that shows the deactivated by e-mail.
#[derive(Deserialize)]
pub(super) struct ScimUser {
    pub(super) id: String,
    #[serde(rename = "userName")]
    pub(super) handle: String,
    pub(super) active: bool,
    #[serde(default)]
    pub(super) emails: Vec<Email>,
    #[serde(default)]
    pub(super) groups: Vec<Member>,
    #[serde(rename = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User")]
    enterprise: Option<Enterprise>,
    /// What only guests have.
    #[serde(rename = "urn:ietf:params:scim:schemas:extension:slack:guest:2.0:User")]
    pub(super) guest: Option<IgnoredAny>,
}

#[derive(Deserialize)]
pub(super) struct Email {
    pub(super) value: String,
}

#[derive(Deserialize)]
pub(super) struct Member {
    pub(super) value: String,
    pub(super) display: Option<String>,
}

#[derive(Deserialize)]
struct Enterprise {
    #[serde(rename = "employeeNumber")]
    employee_number: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct ScimList {
    #[serde(rename = "totalResults")]
    pub(super) total: usize,
    #[serde(rename = "Resources", default)]
    pub(super) resources: Vec<ScimUser>,
}

#[derive(Deserialize)]
struct UserAnswer {
    user: User,
}

/// A user as the Web API has it.
#[derive(Deserialize)]
pub(super) struct User {
    pub(super) id: String,
    #[serde(default)]
    pub(super) deleted: bool,
    #[serde(default)]
    is_primary_owner: bool,
    #[serde(default)]
    is_owner: bool,
    #[serde(default)]
    is_admin: bool,
    team_id: Option<String>,
    enterprise_user: Option<EnterpriseUser>,
}

#[derive(Deserialize)]
struct EnterpriseUser {
    #[serde(default)]
    is_owner: bool,
    #[serde(default)]
    is_admin: bool,
    #[serde(default)]
    teams: Vec<String>,
}

#[derive(Deserialize)]
struct SessionPage {
    #[serde(default)]
    active_sessions: Vec<Session>,
}

#[derive(Deserialize)]
struct Session {
    session_id: u64,
    team_id: Option<String>,
}

#[derive(Deserialize)]
struct MemberPage {
    members: Vec<User>,
}

#[derive(Deserialize)]
struct Usergroups {
    usergroups: Vec<Usergroup>,
}

#[derive(Deserialize)]
struct Usergroup {
    id: String,
    name: String,
    #[serde(default)]
    auto_provision: bool,
    auto_type: Option<String>,
    #[serde(default)]
    is_external: bool,
    #[serde(default)]
    date_delete: i64,
    #[serde(default)]
    users: Vec<String>,
}

#[derive(Deserialize)]
struct Users {
    users: Vec<String>,
}

#[derive(Deserialize)]
struct IntegrationLogs {
    logs: Vec<Integration>,
    paging: Paging,
}

#[derive(Deserialize)]
struct Paging {
    page: u64,
    pages: Option<u64>,
}

#[derive(Deserialize)]
struct Integration {
    app_id: Option<serde_json::Value>,
    service_id: Option<serde_json::Value>,
    app_type: Option<String>,
    service_type: Option<String>,
    change_type: String,
    date: Option<serde_json::Value>,
    #[serde(default)]
    scope: Option<String>,
}

impl ScimUser {
    pub(super) fn employee_number(&self) -> Option<&str> {
        self.enterprise.as_ref()?.employee_number.as_deref().filter(|number| !number.is_empty())
    }
}

impl User {
    fn in_scim_only(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            deleted: true,
            is_primary_owner: false,
            is_owner: false,
            is_admin: false,
            team_id: None,
            enterprise_user: None,
        }
    }

    /// The workspaces that they belong to.
    pub(super) fn teams(&self) -> Vec<&str> {
        let all = self.enterprise_user.as_ref().map_or(&[] as &[String], |user| &user.teams);
        match (all, &self.team_id) {
            ([], own) => own.iter().map(String::as_str).collect(),
            (all, _) => all.iter().map(String::as_str).collect(),
        }
    }

    /// Whether a call must name the workspace: a token of the whole organisation belongs to none.
    fn in_organisation(&self) -> bool {
        self.enterprise_user.is_some()
    }
}

fn grant(id: String, kind: GrantKind, name: String) -> Grant {
    Grant { id, kind, name, privileged: false, fixed: None, sole_holder: false }
}

/// A text inside a SCIM filter: quotes and backslashes cannot end it.
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// Users whose attribute has this value, deactivated ones included. Slack gives ten per page.
pub(super) async fn scim_users(http: &Reader, attribute: &str, value: &str) -> Result<Vec<ScimUser>, Fault> {
    let filter = format!("{attribute} eq \"{}\"", quoted(value));
    let mut read = 0;
    let ask = |start: Option<&str>| {
        let query = Query::get(["Users"]).at("scim").query("filter", &filter);
        Ok(query.query("startIndex", start.unwrap_or("1")).query("count", 10))
    };
    page::by_token(http, ask, |answer| {
        let list: ScimList = answer.json()?;
        read += list.resources.len();
        let more = read < list.total && !list.resources.is_empty();
        Ok((list.resources, more.then(|| (read + 1).to_string())))
    })
    .await
}

/// One user's current SCIM record.
pub(super) async fn scim_user(http: &Reader, id: &str) -> Result<Option<ScimUser>, Fault> {
    let answer = http.find(Query::get(["Users", id]).at("scim")).await?;
    answer.map(|answer| answer.json()).transpose()
}

/// The id of whoever has this address and is not deactivated.
pub(super) async fn id_by_email(http: &Reader, email: &str) -> Result<Option<String>, Fault> {
    let method = "users.lookupByEmail";
    let query = web::query(method).query("email", email);
    match web::ask::<UserAnswer>(http, method, query).await {
        Ok(answer) => Ok(Some(answer.user.id)),
        Err(fault) if fault.kind == FaultKind::NotFound => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// The Web API's record of a user. Of one whom only SCIM knows, that record is all there is.
pub(super) async fn user(http: &Reader, id: &str) -> Result<User, Fault> {
    let method = "users.info";
    match web::ask::<UserAnswer>(http, method, web::query(method).query("user", id)).await {
        Ok(answer) => Ok(answer.user),
        Err(fault) if fault.kind == FaultKind::NotFound => Ok(User::in_scim_only(id)),
        Err(fault) => Err(fault),
    }
}

/// Live sessions in every workspace. Only Enterprise plans list them.
pub(super) async fn sessions(http: &Reader, user: &User) -> Result<Sessions, Fault> {
    let method = "admin.users.session.list";
    let mut all = Vec::new();
    for team in user.teams() {
        let query = web::query(method).query("user_id", &user.id).query("team_id", team).query("limit", 100);
        let label = |session: Session| {
            format!("{}:{}", session.team_id.as_deref().unwrap_or(team), session.session_id)
        };
        let read = web::all(http, method, query, |page: SessionPage| {
            page.active_sessions.into_iter().map(label).collect()
        });
        match read.await {
            Ok(listed) => all.extend(listed),
            Err(fault) if fault.kind == FaultKind::NotFound => {}
            Err(fault) if fault.kind == FaultKind::Conflict => return Ok(Sessions::Unreadable),
            Err(fault) => return Err(fault),
        }
    }
    Ok(Sessions::Listed(all))
}

/// Roles, and whether anybody else in the workspace owns it.
pub(super) async fn roles(http: &Reader, user: &User) -> Result<Vec<Grant>, Fault> {
    let role = |id: &str, name: &str| Grant {
        privileged: true,
        ..grant(id.to_owned(), GrantKind::Role, name.to_owned())
    };
    let mut held = Vec::new();
    let organisation = user.enterprise_user.as_ref();
    let in_settings = Some("given in the organisation's settings".to_owned());
    if organisation.is_some_and(|user| user.is_owner) {
        held.push(Grant { fixed: in_settings.clone(), ..role("org_owner", "organisation owner") });
    }
    if organisation.is_some_and(|user| user.is_admin) {
        held.push(Grant { fixed: in_settings, ..role("org_admin", "organisation admin") });
    }
    let team = user.team_id.as_deref().unwrap_or_default();
    if user.is_primary_owner {
        let fixed = Some("only the primary owner can hand it over".to_owned());
        held.push(Grant { fixed, sole_holder: true, ..role("primary_owner", "primary owner") });
    } else if user.is_owner {
        let sole_holder = owners(http, user).await? == 1;
        held.push(Grant { sole_holder, ..role(&format!("owner:{team}"), "workspace owner") });
    } else if user.is_admin {
        held.push(role(&format!("admin:{team}"), "workspace admin"));
    }
    Ok(held)
}

async fn owners(http: &Reader, user: &User) -> Result<usize, Fault> {
    let method = "users.list";
    let mut query = web::query(method).query("limit", 200);
    if let Some(team) = user.team_id.as_ref().filter(|_| user.in_organisation()) {
        query = query.query("team_id", team);
    }
    let owners = web::all(http, method, query, |page: MemberPage| {
        page.members.into_iter().filter(|member| member.is_owner && !member.deleted).map(|_| ()).collect()
    });
    Ok(owners.await?.len())
}

/// User groups of the workspaces, which Slack lists with their members.
pub(super) async fn usergroups(http: &Reader, user: &User) -> Result<Vec<Grant>, Fault> {
    let method = "usergroups.list";
    let mut held = Vec::new();
    for team in user.teams() {
        let mut query = web::query(method).query("include_users", true);
        if user.in_organisation() {
            query = query.query("team_id", team);
        }
        let list: Usergroups = web::ask(http, method, query).await?;
        let own = |group: &Usergroup| group.date_delete == 0 && group.users.contains(&user.id);
        held.extend(list.usergroups.into_iter().filter(own).map(|group| {
            let fixed = match &group {
                Usergroup { auto_type: Some(_), .. } => Some("everybody with a role belongs to it"),
                Usergroup { auto_provision: true, .. } => Some("kept by the identity provider"),
                Usergroup { is_external: true, .. } => Some("kept by another organisation"),
                group if group.users.len() == 1 => Some("its only member; Slack keeps no group empty"),
                _ => None,
            };
            let id = format!("usergroup:{}:{team}", group.id);
            Grant { fixed: fixed.map(str::to_owned), ..grant(id, GrantKind::Group, group.name) }
        }));
    }
    Ok(held)
}

/// The members of one user group now.
pub(super) async fn members(http: &Reader, usergroup: &str, team: &str) -> Result<Vec<String>, Fault> {
    let method = "usergroups.users.list";
    let query = web::query(method).query("usergroup", usergroup).query("team_id", team);
    let users: Users = web::ask(http, method, query).await?;
    Ok(users.users)
}

/// Groups that came by SCIM.
pub(super) fn scim_groups(user: &ScimUser) -> impl Iterator<Item = Grant> {
    user.groups.iter().map(|group| {
        let name = group.display.as_ref().unwrap_or(&group.value);
        grant(format!("group:{}", group.value), GrantKind::Group, name.clone())
    })
}

/// Apps that the person installed and that are installed still. Those that act as a bot or take messages from outside
/// live on without the person; the others act in the person's name and end with the account.
pub(super) async fn apps(
    http: &Reader,
    user: &User,
    active: bool,
) -> Result<(Vec<Credential>, Vec<Asset>), Fault> {
    let method = "team.integrationLogs";
    let ask = |page: Option<&str>| {
        let query = web::query(method).query("user", &user.id).query("count", 100);
        Ok(query.query("page", page.unwrap_or("1")))
    };
    let read = page::by_token(http, ask, |answer| {
        web::check(method, answer)?;
        let list: IntegrationLogs = answer.json()?;
        let next = list.paging.page + 1;
        let more = list.paging.pages.is_some_and(|pages| next <= pages);
        Ok((list.logs, more.then(|| next.to_string())))
    });
    let mut apps: BTreeMap<String, Integration> = BTreeMap::new();
    for one in web::if_offered(read.await)?.unwrap_or_default() {
        let Some(id) = text(one.app_id.as_ref()).or_else(|| text(one.service_id.as_ref())) else { continue };
        // The list is of changes; the newest one of each app says what it is now.
        if apps.get(&id).is_none_or(|known| seconds(known) <= seconds(&one)) {
            apps.insert(id, one);
        }
    }
    apps.retain(|_, one| !matches!(one.change_type.as_str(), "removed" | "disabled" | "expired" | "revoked"));
    let (mut credentials, mut assets) = (Vec::new(), Vec::new());
    for (id, one) in apps {
        let name = one.service_type.clone().or_else(|| one.app_type.clone()).unwrap_or_else(|| id.clone());
        if lives_on(&one) {
            assets.push(Asset { id, kind: "app".into(), name, live_automation: true, next: Next::Task });
        } else {
            credentials.push(Credential {
                id,
                kind: CredentialKind::OauthToken,
                label: format!("token of {name}"),
                created_at: Timestamp::from_millis(seconds(&one).saturating_mul(1000)),
                last_used: None,
                active,
            });
        }
    }
    Ok((credentials, assets))
}

/// Ids and times come as texts or as numbers, `"0"` and `""` for none.
fn text(value: Option<&serde_json::Value>) -> Option<String> {
    let text = match value? {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (!text.is_empty() && text != "0").then_some(text)
}

fn seconds(one: &Integration) -> i64 {
    text(one.date.as_ref()).and_then(|at| at.parse().ok()).unwrap_or(0)
}

fn lives_on(one: &Integration) -> bool {
    let mut scopes = one.scope.as_deref().unwrap_or_default().split(',').map(str::trim);
    text(one.service_id.as_ref()).is_some()
        || scopes.any(|scope| {
            matches!(scope, "bot" | "incoming-webhook" | "commands") || scope.starts_with("chat:write")
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json};

    fn change(more: serde_json::Value) -> Integration {
        let mut one = json!({"app_id": "A1", "change_type": "added", "date": "1700000000"});
        one.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        from_value(one).unwrap()
    }

    #[test]
    fn bots_and_webhooks_live_on_and_what_acts_as_the_person_does_not() {
        assert!(lives_on(&change(json!({"scope": "incoming-webhook,identify"}))));
        assert!(lives_on(&change(json!({"scope": "chat:write:bot"}))));
        assert!(lives_on(&change(json!({"service_id": "1234"}))));
        assert!(!lives_on(&change(json!({"scope": "identify,users:read", "service_id": "0"}))));
    }

    #[test]
    fn the_employee_number_is_read_from_the_extension() {
        let user = |number: &str| {
            let user = json!({"id": "U1", "userName": "a", "active": true, "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"employeeNumber": number}});
            from_value::<ScimUser>(user).unwrap()
        };
        assert_eq!(user("EMP-1").employee_number(), Some("EMP-1"));
        assert_eq!(user("").employee_number(), None);
    }

    #[test]
    fn a_filter_cannot_be_ended_from_within() {
        assert_eq!(quoted(r#"a" or active eq "true\"#), r#"a\" or active eq \"true\\"#);
    }
}
