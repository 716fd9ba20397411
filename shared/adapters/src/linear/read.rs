//! What Linear tells of a user: sessions, teams, the workspace role and what they keep running.

use super::{GRAPH, ROLE, SCIM, TEAM};
use crate::{graphql::typed, http::Reader};
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::{Account, AccountStatus, Asset, Grant, GrantKind, Next},
    person::Person,
    time::Timestamp,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The suspended too: a list without them would call somebody absent who has only been suspended.
const USERS: &str = "query($login:String!,$email:String!,$after:String){\
users(first:50,after:$after,includeDisabled:true,filter:{app:{eq:false},\
or:[{email:{eqIgnoreCase:$login}},{email:{eqIgnoreCase:$email}}]}){pageInfo{hasNextPage endCursor}\
nodes{id name email active admin owner guest lastSeen organization{scimEnabled}}}}";

const ADMINS: &str = "query($after:String){users(first:50,after:$after,filter:{app:{eq:false},\
or:[{owner:{eq:true}},{admin:{eq:true}}]}){pageInfo{hasNextPage endCursor}nodes{id owner}}}";

const SESSIONS: &str = "query($id:String!){userSessions(id:$id){id}}";

const TEAMS: &str = "query($id:String!,$after:String){user(id:$id){\
teamMemberships(first:50,after:$after){pageInfo{hasNextPage endCursor}nodes{id team{id name}}}}}";

const PROJECTS: &str = "query($id:ID!,$after:String){projects(first:50,after:$after,filter:{lead:{id:{eq:$id}}}){\
pageInfo{hasNextPage endCursor}nodes{id name completedAt canceledAt}}}";

const INTEGRATIONS: &str = "query($after:String){integrations(first:50,after:$after){\
pageInfo{hasNextPage endCursor}nodes{id service creator{id}}}}";

const WEBHOOKS: &str = "query($after:String){webhooks(first:50,after:$after){\
pageInfo{hasNextPage endCursor}nodes{id label enabled creator{id}}}}";

const VIEWER: &str = "query{viewer{id admin owner}}";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct User {
    pub(super) id: String,
    name: String,
    email: String,
    active: bool,
    admin: bool,
    owner: bool,
    guest: bool,
    last_seen: Option<Timestamp>,
    organization: Workspace,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Workspace {
    scim_enabled: bool,
}

#[derive(Deserialize)]
struct Admin {
    id: String,
    owner: bool,
}

#[derive(Deserialize)]
struct Session {
    id: String,
}

#[derive(Deserialize)]
pub(super) struct Membership {
    pub(super) id: String,
    pub(super) team: Team,
}

#[derive(Deserialize)]
pub(super) struct Team {
    pub(super) id: String,
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Project {
    id: String,
    name: String,
    completed_at: Option<Timestamp>,
    canceled_at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Creator {
    id: String,
}

#[derive(Deserialize)]
struct Integration {
    id: String,
    service: String,
    creator: Creator,
}

#[derive(Deserialize)]
struct Webhook {
    id: String,
    label: Option<String>,
    enabled: bool,
    creator: Option<Creator>,
}

#[derive(Deserialize)]
struct Viewer {
    admin: bool,
    owner: bool,
}

impl User {
    fn role(&self) -> &'static str {
        match (self.owner, self.admin, self.guest) {
            (true, ..) => "owner",
            (_, true, _) => "admin",
            (.., true) => "guest",
            _ => "user",
        }
    }

    pub(super) fn account(self) -> Account {
        let role = self.role();
        let facts = [
            (SCIM.to_owned(), self.organization.scim_enabled.to_string()),
            ("role".to_owned(), role.to_owned()),
            ("name".to_owned(), self.name),
        ];
        Account {
            id: self.id,
            login: self.email,
            status: if self.active { AccountStatus::Active } else { AccountStatus::Suspended },
            matched_by: "email".into(),
            privileged: super::administrative(role),
            last_login: self.last_seen,
            facts: BTreeMap::from(facts),
        }
    }
}

impl Membership {
    pub(super) fn grant(self) -> Grant {
        Grant {
            id: format!("{TEAM}{}", self.team.id),
            kind: GrantKind::Group,
            name: self.team.name,
            privileged: false,
            fixed: None,
            sole_holder: false,
        }
    }
}

/// The person's user. Linear knows people by their e-mail address only.
pub(super) async fn user_of(http: &Reader, who: &Person) -> Result<Option<User>, Fault> {
    let variables = json!({"login": who.login_or_email("linear"), "email": who.email});
    let mut all: Vec<User> = GRAPH.walk(http, USERS, variables, "/users", Some).await?;
    if all.len() > 1 {
        let detail = format!("{} users carry this person's login or e-mail", all.len());
        return Err(Fault::new(FaultKind::Ambiguous, detail));
    }
    Ok(all.pop())
}

pub(super) async fn sessions(http: &Reader, id: &str) -> Result<Vec<String>, Fault> {
    let mut data = GRAPH.ask(http, SESSIONS, json!({"id": id})).await?;
    let open: Vec<Session> = typed(data.pointer_mut("/userSessions").map(Value::take).unwrap_or_default())?;
    Ok(open.into_iter().map(|session| session.id).collect())
}

pub(super) async fn memberships(http: &Reader, id: &str) -> Result<Vec<Membership>, Fault> {
    GRAPH.walk(http, TEAMS, json!({"id": id}), "/user/teamMemberships", Some).await
}

/// The workspace role, where it is more than a member's, and whether nobody else holds as much.
pub(super) async fn role(http: &Reader, user: &User) -> Result<Option<Grant>, Fault> {
    let role = user.role();
    if !super::administrative(role) {
        return Ok(None);
    }
    let admins: Vec<Admin> = GRAPH.walk(http, ADMINS, json!({}), "/users", Some).await?;
    let others = admins.iter().filter(|other| other.id != user.id);
    let as_much = others.filter(|other| other.owner || role == "admin").count();
    Ok(Some(Grant {
        id: format!("{ROLE}{role}"),
        kind: GrantKind::Role,
        name: role.to_owned(),
        privileged: true,
        fixed: None,
        sole_holder: user.active && as_much == 0,
    }))
}

/// What lives on without the user.
pub(super) async fn assets(http: &Reader, id: &str) -> Result<Vec<Asset>, Fault> {
    let own = |creator: &Creator| creator.id == id;
    let (projects, integrations, webhooks) = tokio::try_join!(
        GRAPH.walk(http, PROJECTS, json!({"id": id}), "/projects", |project: Project| {
            let open = project.completed_at.is_none() && project.canceled_at.is_none();
            open.then(|| asset(project.id, "project", project.name, false, Next::Transfer))
        }),
        GRAPH.walk(http, INTEGRATIONS, json!({}), "/integrations", |one: Integration| {
            own(&one.creator).then(|| asset(one.id, "integration", one.service, true, Next::Task))
        }),
        // Whoever made a webhook could read the secret that signs what it sends.
        GRAPH.walk(http, WEBHOOKS, json!({}), "/webhooks", |hook: Webhook| {
            let name = hook.label.unwrap_or_else(|| "without a label".to_owned());
            let own = hook.creator.as_ref().is_some_and(own);
            own.then(|| asset(hook.id, "webhook", name, hook.enabled, Next::Rotate))
        })
    )?;
    let keys = asset(
        format!("keys:{id}"),
        "api_keys",
        "personal API keys and OAuth applications, which no API lists: see Settings > Administration > API"
            .to_owned(),
        false,
        Next::Task,
    );
    Ok(projects.into_iter().chain(integrations).chain(webhooks).chain([keys]).collect())
}

fn asset(id: String, kind: &str, name: String, live_automation: bool, next: Next) -> Asset {
    Asset { id, kind: kind.to_owned(), name, live_automation, next }
}

/// The role in which leaver itself acts.
pub(super) async fn own_role(http: &Reader) -> Result<&'static str, Fault> {
    let mut data = GRAPH.ask(http, VIEWER, json!({})).await?;
    let viewer: Viewer = typed(data.pointer_mut("/viewer").map(Value::take).unwrap_or_default())?;
    Ok(match (viewer.owner, viewer.admin) {
        (true, _) => "owner",
        (_, true) => "admin",
        _ => "member",
    })
}
