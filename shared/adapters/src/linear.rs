//! Linear: one workspace, through an administrator's key to its GraphQL API.
//!
//! Order: an administrative role first, so that whoever reactivates the user by mistake gives back a member and no more;
//! then sessions, then the suspension, which voids sessions a second time, teams last. Linear has no call that lists or
//! voids the personal API keys of somebody else: a task says so. Where SCIM provisions users, Linear refuses to suspend
//! them, and the identity provider has to do it.

mod log;
mod read;
mod roster;

use crate::{
    Adapter, Missing, Part, Residue, Roster, Spec,
    auth::Auth,
    graphql::Dialect,
    handover::{account_of, misnamed, parts},
    http::{Reader, Writer},
    settings::Settings,
};
use async_trait::async_trait;
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::{Account, AccountStatus, Asset, Grant, GrantKind, Inventory, Sessions},
    person::Person,
    plan::{Action, ActionKind, Outcome},
    risk::Activity,
    roster::{Mark, Page},
    time::Timestamp,
};
use reqwest::header::AUTHORIZATION;
use serde_json::{Value, json};

const GRAPH: Dialect = Dialect { accept: "application/json", kind: kind_of };
/// Before the id of a team, in a grant's id.
const TEAM: &str = "team:";
/// Before a role's name, in a grant's id.
const ROLE: &str = "role:";
/// The fact that says whether an identity provider provisions this workspace.
const SCIM: &str = "scim";
const ADMIN: &str = "workspace role: admin";
const OWNER: &str = "workspace role: owner";
const AUDIT: &str = "audit log";

const SUSPEND: &str = "mutation($id:String!){userSuspend(id:$id){success}}";
const UNSUSPEND: &str = "mutation($id:String!){userUnsuspend(id:$id){success}}";
const END_SESSIONS: &str = "mutation($id:String!){userRevokeAllSessions(id:$id){success}}";
const SET_ROLE: &str =
    "mutation($id:String!,$role:UserRoleType!){userChangeRole(id:$id,role:$role){success}}";
const LEAVE_TEAM: &str = "mutation($id:String!){teamMembershipDelete(id:$id){success}}";
const SET_LEAD: &str =
    "mutation($id:String!,$input:ProjectUpdateInput!){projectUpdate(id:$id,input:$input){success}}";
const JOIN_TEAM: &str =
    "mutation($input:TeamMembershipCreateInput!){teamMembershipCreate(input:$input){success}}";

/// What is known of Linear without asking it.
pub const SPEC: Spec = Spec {
    id: "linear",
    name: "Linear",
    part: Part::Account,
    hosts: &[("", "https://api.linear.app")],
    settings: &[("api_key", "personal API key (lin_api_...) of a user who owns the workspace")],
    scopes: &[ADMIN, OWNER, AUDIT],
    order: &[
        "Change the role of an owner or administrator to that of an ordinary member.",
        "End all sessions.",
        "Suspend the user, which voids sessions once more.",
        "Make whoever takes over the lead of the user's projects.",
        "Take the user out of every team.",
        "List integrations and webhooks for whoever takes them over.",
    ],
    residuals: &[
        "Personal API keys and OAuth applications of the user: no API lists them or takes them away. An administrator looks at \
         Settings > Administration > API.",
        "Integrations and webhooks that the user set up go on running.",
        "Owning a single team cannot be given back: the field for it is internal to Linear.",
    ],
    setup: &[
        "Make a user for leaver in Linear and give it the role of an owner: administrators cannot change the role of owners.",
        "As that user, open Settings > Account > Security & access and make a personal API key with full access.",
        "Put the key into this system's secret as `api_key`.",
        "If SCIM provisions the workspace, connect the identity provider to leaver too: it has to deactivate these users.",
    ],
    roster: Roster::Listed(
        "Every user of the workspace, the suspended and guests among them, with the time they were last seen.",
    ),
    source: "Linear's GraphQL schema as published with its SDK (schema.graphql); rate limits and errors: linear.app/developers",
};

struct Linear;

/// The adapter and its authentication.
///
/// # Errors
/// `CredentialRejected` where the key is missing.
pub fn open(settings: &Settings) -> Result<(Box<dyn Adapter>, Auth), Fault> {
    let value = settings.secret("api_key")?.clone();
    Ok((Box::new(Linear), Auth::Header { name: AUTHORIZATION, prefix: "", value }))
}

/// What a refusal inside an answer means.
fn kind_of(said: &str) -> FaultKind {
    match said {
        "RATELIMITED" => FaultKind::Throttled,
        "AUTHENTICATION_ERROR" => FaultKind::CredentialRejected,
        "FORBIDDEN" | "FEATURE_NOT_ACCESSIBLE" => FaultKind::PermissionMissing,
        "ENTITY_NOT_FOUND" | "NOT_FOUND" => FaultKind::NotFound,
        "INPUT_ERROR" | "INVALID_INPUT" | "USER_ERROR" | "USAGE_LIMIT_EXCEEDED" => FaultKind::Conflict,
        "INTERNAL_ERROR" | "INTERNAL_SERVER_ERROR" | "LOCK_TIMEOUT" | "NETWORK_ERROR" => {
            FaultKind::Unavailable
        }
        _ => FaultKind::UnexpectedShape,
    }
}

/// The roles above an ordinary member's.
fn administrative(role: &str) -> bool {
    matches!(role, "owner" | "admin")
}

/// Has one thing done. Linear says in the body whether it was.
async fn done(http: &Writer, mutation: &str, field: &str, variables: Value) -> Result<Outcome, Fault> {
    let data = GRAPH.tell(http, mutation, variables).await?;
    match data.pointer(&format!("/{field}/success")).and_then(Value::as_bool) {
        Some(true) => Ok(Outcome::Done),
        Some(false) => Err(Fault::new(FaultKind::Conflict, format!("{field}: Linear did not do it"))),
        None => Err(Fault::shape(format!("{field}: no word of success"))),
    }
}

/// A refusal to suspend or to reactivate, with what is known of why.
fn explained(mut fault: Fault, account: &Account) -> Fault {
    if !matches!(fault.kind, FaultKind::Conflict | FaultKind::PermissionMissing) {
        return fault;
    }
    let why = match account.facts.get(SCIM).is_some_and(|scim| scim == "true") {
        true => "SCIM provisions this workspace: the identity provider has to change this user's status",
        false => "Linear refuses it for the last owner and for users of a higher role than leaver's own",
    };
    fault.detail = format!("{why} ({})", fault.detail);
    fault
}

#[async_trait]
impl Adapter for Linear {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn discover(&self, http: &Reader, who: &Person) -> Result<Inventory, Fault> {
        let Some(user) = read::user_of(http, who).await? else { return Ok(Inventory::absent()) };
        let id = user.id.clone();
        let (sessions, teams, role, assets) = tokio::try_join!(
            read::sessions(http, &id),
            read::memberships(http, &id),
            read::role(http, &user),
            read::assets(http, &id)
        )?;
        let mut found = Inventory::of(user.account(), Sessions::Listed(sessions));
        found.grants.extend(role);
        found.grants.extend(teams.into_iter().map(read::Membership::grant));
        found.assets = assets;
        Ok(found)
    }

    async fn activity(&self, http: &Reader, who: &Account, since: Timestamp) -> Result<Activity, Fault> {
        log::activity(http, &who.id, since).await
    }

    fn revoke(&self, found: &Inventory) -> Vec<Action> {
        let Some(account) = &found.account else { return Vec::new() };
        let mut todo = Vec::new();
        let named =
            |prefix: &'static str| found.grants.iter().filter(move |held| held.id.starts_with(prefix));
        for role in named(ROLE) {
            todo.push(Action::contain(ActionKind::RemoveGroup, &role.id, format!("role {}", role.name)));
        }
        let open = match &found.sessions {
            Sessions::Listed(open) => open.len(),
            Sessions::ValidFrom(_) | Sessions::Unreadable => 0,
        };
        if open > 0 {
            let label = format!("{open} sessions of {}", account.login);
            todo.push(Action::contain(ActionKind::EndSessions, &account.id, label).irreversible());
        }
        if account.status == AccountStatus::Active {
            todo.push(Action::contain(ActionKind::DisableAccount, &account.id, &account.login));
        }
        for team in named(TEAM) {
            todo.push(Action::clean_up(ActionKind::RemoveGroup, &team.id, &team.name));
        }
        todo
    }

    /// A team by `team:` and its id, a workspace role by `role:` and its name.
    fn grant(&self, id: &str) -> Option<Grant> {
        let team = id.strip_prefix(TEAM).filter(|team| !team.is_empty());
        let role = id.strip_prefix(ROLE).filter(|role| administrative(role));
        let kind = if role.is_some() { GrantKind::Role } else { GrantKind::Group };
        team.or(role).map(|_| Grant { kind, privileged: role.is_some(), ..crate::asked_for(id) })
    }

    fn hands_over(&self, asset: &Asset) -> bool {
        asset.kind == "project"
    }

    async fn heir(&self, http: &Reader, who: &Person) -> Result<Option<Account>, Fault> {
        Ok(account_of(read::user_of(http, who).await?.map(read::User::account)))
    }

    async fn apply(&self, http: &Writer, found: &Inventory, action: &Action) -> Result<Outcome, Fault> {
        let Some(account) = &found.account else { return Ok(Outcome::Already) };
        let (id, target) = (account.id.as_str(), action.target.as_str());
        if action.kind == ActionKind::TransferOwnership {
            let (project, heir) = parts(target).ok_or_else(misnamed)?;
            let change = json!({"id": project, "input": {"leadId": heir}});
            return done(http, SET_LEAD, "projectUpdate", change).await;
        }
        let (team, role) = (target.strip_prefix(TEAM), target.strip_prefix(ROLE));
        let user = json!({"id": id});
        match (action.kind, team, role) {
            (ActionKind::DisableAccount, ..) => {
                done(http, SUSPEND, "userSuspend", user).await.map_err(|fault| explained(fault, account))
            }
            (ActionKind::EnableAccount, ..) => {
                done(http, UNSUSPEND, "userUnsuspend", user).await.map_err(|fault| explained(fault, account))
            }
            (ActionKind::EndSessions, ..) => done(http, END_SESSIONS, "userRevokeAllSessions", user).await,
            (ActionKind::RemoveGroup, Some(team), _) => {
                // A membership has an id of its own, and a new one each time.
                let held = read::memberships(http, id).await?;
                let Some(membership) = held.into_iter().find(|held| held.team.id == team) else {
                    return Ok(Outcome::Already);
                };
                done(http, LEAVE_TEAM, "teamMembershipDelete", json!({"id": membership.id})).await
            }
            (ActionKind::RemoveGroup, _, Some(_)) => {
                let member = json!({"id": id, "role": "user"});
                done(http, SET_ROLE, "userChangeRole", member)
                    .await
                    .map_err(|fault| explained_role(fault, action))
            }
            (ActionKind::AddGrant, Some(team), _) => {
                let input = json!({"input": {"teamId": team, "userId": id}});
                done(http, JOIN_TEAM, "teamMembershipCreate", input).await
            }
            (ActionKind::AddGrant, _, Some(role)) if administrative(role) => {
                done(http, SET_ROLE, "userChangeRole", json!({"id": id, "role": role})).await
            }
            _ => Err(Fault::new(FaultKind::Internal, "not an action of this adapter")),
        }
    }

    fn residues(&self, before: &Inventory) -> Vec<Residue> {
        let live = before.assets.iter().filter(|asset| asset.live_automation);
        let running = live.map(|asset| format!("the {} {} goes on running", asset.kind, asset.name));
        let keys =
            before.account.is_some().then(|| "personal API keys of the user, which no API lists".to_owned());
        keys.into_iter().chain(running).map(|what| Residue { what, lasts: None }).collect()
    }

    async fn missing(&self, http: &Reader) -> Result<Vec<Missing>, Fault> {
        let role = read::own_role(http).await?;
        let shown_by = || format!("viewer: leaver acts in the role of {role}");
        let mut missing = Vec::new();
        if !administrative(role) {
            missing.push(Missing { scope: ADMIN, shown_by: shown_by() });
        }
        if role != "owner" {
            missing.push(Missing { scope: OWNER, shown_by: shown_by() });
        }
        if let Err(fault) = log::probe(http).await {
            if fault.kind != FaultKind::PermissionMissing {
                return Err(fault);
            }
            missing.push(Missing { scope: AUDIT, shown_by: fault.detail });
        }
        Ok(missing)
    }

    async fn roster(&self, http: &Reader, from: Option<&Mark>) -> Result<Page, Fault> {
        roster::page(http, from).await
    }

    async fn probe(&self, http: &Reader) -> Result<(), Fault> {
        read::own_role(http).await.map(|_| ())
    }
}

/// A refusal to take a role away.
fn explained_role(mut fault: Fault, action: &Action) -> Fault {
    if matches!(fault.kind, FaultKind::Conflict | FaultKind::PermissionMissing) {
        fault.detail = format!(
            "Linear keeps the {}: a workspace keeps its last owner, and only an owner changes owners ({})",
            action.label, fault.detail
        );
    }
    fault
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_has_a_kind() {
        let cases = [
            ("RATELIMITED", FaultKind::Throttled),
            ("AUTHENTICATION_ERROR", FaultKind::CredentialRejected),
            ("FORBIDDEN", FaultKind::PermissionMissing),
            ("FEATURE_NOT_ACCESSIBLE", FaultKind::PermissionMissing),
            ("INPUT_ERROR", FaultKind::Conflict),
            ("INTERNAL_SERVER_ERROR", FaultKind::Unavailable),
            ("GRAPHQL_VALIDATION_FAILED", FaultKind::UnexpectedShape),
        ];
        for (said, kind) in cases {
            assert_eq!(kind_of(said), kind, "{said}");
        }
    }

    #[test]
    fn only_teams_and_administrative_roles_can_be_asked_for() {
        let kinds = ["team:t1", "role:admin", "role:owner", "role:guest", "team:", "t1"]
            .map(|id| Linear.grant(id).map(|grant| grant.kind));
        let (group, role) = (Some(GrantKind::Group), Some(GrantKind::Role));
        assert_eq!(kinds, [group, role, role, None, None, None]);
    }
}
