//! What GitHub's REST API lists of a person: membership, roles, credentials, seats, codespaces, keys and hooks.

use super::{
    API, GITHUB, VERSION,
    graph::{Repository, same},
};
use crate::{
    http::{Answer, Query, Reader},
    page,
};
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::{Asset, Credential, CredentialKind, Grant, GrantKind, Next},
    time::Timestamp,
};
use serde::{Deserialize, de::DeserializeOwned};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// A deploy key that was used this recently is taken to be in use.
const IN_USE: Duration = Duration::from_secs(30 * 86_400);
/// How far back GitHub keeps the audit log.
const LOG_KEPT: Duration = Duration::from_secs(180 * 86_400);

#[derive(Deserialize)]
pub(super) struct User {
    pub(super) login: String,
    pub(super) id: u64,
}

#[derive(Deserialize)]
pub(super) struct Membership {
    pub(super) state: String,
    pub(super) role: String,
    #[serde(default)]
    pub(super) enterprise_teams_providing_indirect_membership: Vec<String>,
    pub(super) user: Option<User>,
}

#[derive(Deserialize)]
struct Roles {
    roles: Vec<Role>,
}

#[derive(Deserialize)]
struct Role {
    id: u64,
    name: String,
    base_role: Option<String>,
}

#[derive(Deserialize)]
struct Assignee {
    login: String,
    assignment: Option<String>,
}

#[derive(Deserialize)]
struct Invitation {
    id: u64,
    login: Option<String>,
    email: Option<String>,
    role: String,
}

#[derive(Deserialize)]
struct Authorization {
    login: String,
    credential_id: u64,
    credential_type: String,
    credential_authorized_at: Option<Timestamp>,
    credential_accessed_at: Option<Timestamp>,
    authorized_credential_title: Option<String>,
    authorized_credential_note: Option<String>,
    token_last_eight: Option<String>,
}

#[derive(Deserialize)]
struct FineGrained {
    id: u64,
    owner: User,
    token_name: String,
    token_expired: bool,
    access_granted_at: Option<Timestamp>,
    token_last_used_at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Seat {
    pending_cancellation_date: Option<String>,
    assigning_team: Option<AssigningTeam>,
    plan_type: Option<String>,
}

#[derive(Deserialize)]
struct AssigningTeam {
    name: String,
}

#[derive(Deserialize)]
struct Codespaces {
    codespaces: Vec<Codespace>,
}

#[derive(Deserialize)]
struct Codespace {
    name: String,
    state: String,
    created_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct DeployKey {
    id: u64,
    title: String,
    added_by: Option<String>,
    last_used: Option<Timestamp>,
    enabled: Option<bool>,
}

#[derive(Deserialize)]
struct Fork {
    full_name: String,
    owner: User,
}

#[derive(Deserialize)]
struct HookEvent {
    hook_id: Option<u64>,
    repo: Option<String>,
}

#[derive(Deserialize)]
struct Hook {
    id: u64,
    active: bool,
    last_response: Option<LastResponse>,
}

#[derive(Deserialize)]
struct LastResponse {
    code: Option<u16>,
}

pub(super) fn get<'a>(segments: impl IntoIterator<Item = &'a str>) -> Query {
    Query::get(segments).header("accept", GITHUB).header(VERSION, API)
}

fn list<T: DeserializeOwned>(answer: &Answer) -> Result<Vec<T>, Fault> {
    answer.json()
}

async fn all<T: DeserializeOwned>(http: &Reader, query: Query) -> Result<Vec<T>, Fault> {
    page::by_link(http, query.query("per_page", 100), list::<T>).await
}

/// `None` where GitHub says so by 404, or by 422 for a feature that the organisation has not bought.
fn if_offered<T>(read: Result<T, Fault>) -> Result<Option<T>, Fault> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(fault) if matches!(fault.kind, FaultKind::NotFound | FaultKind::Conflict) => Ok(None),
        Err(fault) => Err(fault),
    }
}

fn grant(id: String, kind: GrantKind, name: String) -> Grant {
    Grant { id, kind, name, privileged: false, fixed: None, sole_holder: false }
}

/// A team that the enterprise keeps: it gives the membership, and the organisation cannot take anybody out of it.
pub(super) fn enterprise_team(slug: &str) -> Grant {
    let fixed = Some("kept by the enterprise, and gives the membership; remove it there".to_owned());
    Grant { fixed, ..grant(format!("team:{slug}:member"), GrantKind::Group, slug.to_owned()) }
}

/// Invitations to the organisation that were sent to an address and name no account yet.
pub(super) async fn invitations(http: &Reader, org: &str, email: &str) -> Result<Vec<Grant>, Fault> {
    let sent = all::<Invitation>(http, get(["orgs", org, "invitations"])).await;
    let open = if_offered(sent)?.unwrap_or_default().into_iter().filter(|invitation| {
        invitation.login.is_none() && invitation.email.as_deref().is_some_and(|to| same(to, email))
    });
    let as_grant = |invitation: Invitation| {
        let name = format!("invitation as {}", invitation.role);
        grant(format!("invitation:{}", invitation.id), GrantKind::Resource, name)
    };
    Ok(open.map(as_grant).collect())
}

/// The role that the membership itself gives, where it is more than a member's.
pub(super) async fn membership_role(
    http: &Reader,
    org: &str,
    membership: &Membership,
) -> Result<Option<Grant>, Fault> {
    let held = |id: &str, name: &str| Grant {
        privileged: true,
        ..grant(id.to_owned(), GrantKind::Role, name.to_owned())
    };
    match (membership.role.as_str(), membership.state.as_str()) {
        ("admin", "active") => {
            let owners = all::<User>(http, get(["orgs", org, "members"]).query("role", "admin")).await?;
            Ok(Some(Grant { sole_holder: owners.len() == 1, ..held("owner", "organisation owner") }))
        }
        ("billing_manager", _) => {
            let fixed = Some("ends with the membership".to_owned());
            Ok(Some(Grant { fixed, ..held("billing_manager", "billing manager") }))
        }
        _ => Ok(None),
    }
}

/// Roles of the organisation, predefined and its own, that the person was given.
pub(super) async fn roles(http: &Reader, org: &str, login: &str) -> Result<Vec<Grant>, Fault> {
    let answer = if_offered(http.ask(get(["orgs", org, "organization-roles"])).await)?;
    let roles: Roles = answer.map_or(Ok(Roles { roles: Vec::new() }), |answer| answer.json())?;
    let mut held = Vec::new();
    for role in roles.roles {
        let id = role.id.to_string();
        let path = get(["orgs", org, "organization-roles", &id, "users"]);
        let users = if_offered(all::<Assignee>(http, path).await)?.unwrap_or_default();
        let Some(user) = users.into_iter().find(|user| same(&user.login, login)) else { continue };
        let through_a_team = user.assignment.as_deref() == Some("indirect");
        held.push(Grant {
            privileged: administers(&role.name, role.base_role.as_deref()),
            fixed: through_a_team.then(|| "given to a team".to_owned()),
            ..grant(format!("role:{id}"), GrantKind::Role, role.name)
        });
    }
    Ok(held)
}

fn administers(name: &str, base: Option<&str>) -> bool {
    let name = name.to_ascii_lowercase();
    base == Some("admin") || ["admin", "manager", "owner"].iter().any(|word| name.contains(word))
}

/// Credentials that the person authorised for the organisation, and fine-grained tokens that it approved.
pub(super) async fn credentials(http: &Reader, org: &str, login: &str) -> Result<Vec<Credential>, Fault> {
    let mut found = Vec::new();
    let query = get(["orgs", org, "credential-authorizations"]).query("login", login);
    // The list says 404 where the organisation has no SAML single sign-on.
    let authorized = if_offered(all::<Authorization>(http, query).await)?.unwrap_or_default();
    for one in authorized.into_iter().filter(|one| same(&one.login, login)) {
        let kind = match one.credential_type.as_str() {
            "personal access token" => CredentialKind::PersonalAccessToken,
            "SSH key" => CredentialKind::SshKey,
            _ => CredentialKind::OauthToken,
        };
        let called = one.authorized_credential_title.or(one.authorized_credential_note);
        let called = called.or(one.token_last_eight.map(|end| format!("ending in {end}")));
        let id = one.credential_id;
        found.push(Credential {
            id: format!("sso:{id}"),
            kind,
            label: format!("{} {}", one.credential_type, called.unwrap_or_else(|| id.to_string())),
            created_at: one.credential_authorized_at,
            last_used: one.credential_accessed_at,
            active: true,
        });
    }
    let query = get(["orgs", org, "personal-access-tokens"]).query("owner[]", login);
    let tokens = all::<FineGrained>(http, query).await?;
    found.extend(tokens.into_iter().filter(|token| same(&token.owner.login, login)).map(|token| {
        Credential {
            id: format!("pat:{}", token.id),
            kind: CredentialKind::PersonalAccessToken,
            label: format!("fine-grained token {}", token.token_name),
            created_at: token.access_granted_at,
            last_used: token.token_last_used_at,
            active: !token.token_expired,
        }
    }));
    found.extend(codespaces(http, org, login).await?);
    Ok(found)
}

/// Codespaces: a running one is a machine that holds a token of its owner.
async fn codespaces(http: &Reader, org: &str, login: &str) -> Result<Vec<Credential>, Fault> {
    let query = get(["orgs", org, "members", login, "codespaces"]).query("per_page", 100);
    let listed = page::by_link(http, query, |answer| Ok(answer.json::<Codespaces>()?.codespaces)).await;
    let as_credential = |one: Codespace| Credential {
        id: format!("codespace:{}", one.name),
        kind: CredentialKind::Device,
        label: format!("codespace {}", one.name),
        created_at: one.created_at,
        last_used: one.last_used_at,
        active: !matches!(
            one.state.as_str(),
            "Shutdown" | "ShuttingDown" | "Archived" | "Deleted" | "Failed"
        ),
    };
    Ok(if_offered(listed)?.unwrap_or_default().into_iter().map(as_credential).collect())
}

/// The Copilot seat. One that is cancelled already ends with the billing cycle and is not held any more.
pub(super) async fn copilot(http: &Reader, org: &str, login: &str) -> Result<Option<Grant>, Fault> {
    let answer = if_offered(http.ask(get(["orgs", org, "members", login, "copilot"])).await)?;
    let Some(seat) = answer.map(|answer| answer.json::<Seat>()).transpose()? else { return Ok(None) };
    let name = format!("Copilot {}", seat.plan_type.as_deref().unwrap_or("seat"));
    let held = Grant {
        fixed: seat.assigning_team.map(|team| format!("given to the team {}", team.name)),
        ..grant("copilot".to_owned(), GrantKind::Licence, name)
    };
    Ok(seat.pending_cancellation_date.is_none().then_some(held))
}

/// Deploy keys that the person added, and forks of private repositories that they keep.
pub(super) async fn of_repositories(
    http: &Reader,
    org: &str,
    login: &str,
    repositories: &[Repository],
) -> Result<Vec<Asset>, Fault> {
    let mut assets = Vec::new();
    for repository in repositories.iter().filter(|repository| repository.has_keys) {
        let keys = all::<DeployKey>(http, get(["repos", org, &repository.name, "keys"])).await?;
        for key in keys.into_iter().filter(|key| key.added_by.as_deref().is_some_and(|by| same(by, login))) {
            let recent = key.last_used.is_some_and(|at| http.now().since(at) < IN_USE);
            assets.push(Asset {
                id: key.id.to_string(),
                kind: "deploy_key".into(),
                name: format!("{} of {}", key.title, repository.name),
                live_automation: recent && key.enabled != Some(false),
                next: Next::Task,
            });
        }
    }
    for repository in repositories.iter().filter(|repository| repository.forked) {
        let forks = all::<Fork>(http, get(["repos", org, &repository.name, "forks"])).await?;
        let own = forks.into_iter().filter(|fork| same(&fork.owner.login, login));
        assets.extend(own.map(|fork| Asset {
            id: fork.full_name.clone(),
            kind: "private_fork".into(),
            name: fork.full_name,
            live_automation: false,
            next: Next::Task,
        }));
    }
    Ok(assets)
}

/// Webhooks that the person made. A hook does not tell who made it, so the audit log names the candidates and the
/// repository says what they are now.
pub(super) async fn hooks(http: &Reader, org: &str, login: &str) -> Result<Vec<Asset>, Fault> {
    let since = http.now().minus(LOG_KEPT).to_string();
    let day = since.get(..10).unwrap_or(&since);
    let query = get(["orgs", org, "audit-log"])
        .query("phrase", format!("actor:{login} action:hook.create created:>={day}"))
        .query("include", "web");
    let events = match all::<HookEvent>(http, query).await {
        Ok(events) => events,
        // Without the log nobody can tell; that it cannot be read is said where the activity is read.
        Err(fault) if matches!(fault.kind, FaultKind::NotFound | FaultKind::PermissionMissing) => Vec::new(),
        Err(fault) => return Err(fault),
    };
    let mut made: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    for event in events {
        if let (Some(id), Some(repository)) = (event.hook_id, event.repo) {
            let name = repository.rsplit('/').next().unwrap_or_default().to_owned();
            made.entry(name).or_default().insert(id);
        }
    }
    let mut assets = Vec::new();
    for (repository, ids) in made {
        let hooks = if_offered(all::<Hook>(http, get(["repos", org, &repository, "hooks"])).await)?;
        for hook in hooks.unwrap_or_default().into_iter().filter(|hook| ids.contains(&hook.id)) {
            let answered = hook.last_response.and_then(|last| last.code);
            assets.push(Asset {
                id: hook.id.to_string(),
                kind: "webhook".into(),
                name: format!("webhook {} of {repository}", hook.id),
                live_automation: hook.active && answered.is_some_and(|code| (200..300).contains(&code)),
                next: Next::Task,
            });
        }
    }
    Ok(assets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_that_administer_are_told_from_those_that_do_not() {
        assert!(administers("all_repo_admin", None));
        assert!(administers("security_manager", Some("read")));
        assert!(administers("releases", Some("admin")));
        assert!(!administers("all_repo_read", Some("read")));
    }

    #[test]
    fn a_feature_that_is_not_bought_is_no_failure_and_a_missing_permission_is() {
        let refused = |kind| if_offered::<()>(Err(Fault::new(kind, "x"))).map_err(|fault| fault.kind);
        assert_eq!(refused(FaultKind::NotFound), Ok(None));
        assert_eq!(refused(FaultKind::Conflict), Ok(None));
        assert_eq!(refused(FaultKind::PermissionMissing), Err(FaultKind::PermissionMissing));
    }
}
