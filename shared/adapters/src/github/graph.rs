//! What GitHub answers only by GraphQL: who a person is, in which teams, and on which repositories.

use super::GITHUB;
use crate::{
    graphql::{Dialect, typed},
    http::Reader,
};
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::{Grant, GrantKind},
    person::Person,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(super) const GRAPH: Dialect = Dialect { accept: GITHUB, kind: kind_of };

/// Identities by each of the person's names, and by the login that the company recorded. A hundred are more than any
/// sane answer has: two are ambiguous already.
const IDENTITIES: &str = "query($org:String!,$email:String!,$username:String!,$login:String!,$recorded:Boolean!){\
organization(login:$org){samlIdentityProvider{\
email:externalIdentities(first:100,userName:$email){...people}\
username:externalIdentities(first:100,userName:$username){...people}\
login:externalIdentities(first:100,login:$login)@include(if:$recorded){...people}}}}\
fragment people on ExternalIdentityConnection{nodes{\
samlIdentity{nameId username emails{value}}scimIdentity{username emails{value}}user{login}}}";

const MEMBERS: &str = "query($org:String!,$after:String){organization(login:$org){\
membersWithRole(first:100,after:$after){pageInfo{hasNextPage endCursor}\
nodes{login organizationVerifiedDomainEmails(login:$org)}}}}";

const TEAMS: &str = "query($org:String!,$login:String!,$after:String){organization(login:$org){\
teams(first:100,after:$after,userLogins:[$login]){pageInfo{hasNextPage endCursor}\
nodes{slug name members(first:100,membership:IMMEDIATE,query:$login){edges{role node{login}}}}}}}";

const REPOSITORIES: &str = "query($org:String!,$login:String!,$after:String){organization(login:$org){\
repositories(first:100,after:$after){pageInfo{hasNextPage endCursor}\
nodes{name isPrivate forkCount deployKeys(first:1){totalCount}\
collaborators(first:1,affiliation:DIRECT,login:$login){edges{permission node{login}}}}}}}";

#[derive(Deserialize)]
struct Identities {
    nodes: Vec<Option<Identity>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    saml_identity: Option<Names>,
    scim_identity: Option<Names>,
    user: Option<Login>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Names {
    name_id: Option<String>,
    username: Option<String>,
    emails: Option<Vec<Email>>,
}

#[derive(Deserialize)]
struct Email {
    value: String,
}

#[derive(Deserialize)]
struct Login {
    login: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Member {
    login: String,
    #[serde(default)]
    organization_verified_domain_emails: Vec<String>,
}

#[derive(Deserialize)]
struct Edges {
    edges: Option<Vec<Edge>>,
}

#[derive(Deserialize)]
struct Edge {
    #[serde(alias = "permission")]
    role: String,
    node: Login,
}

#[derive(Deserialize)]
struct Team {
    slug: String,
    name: String,
    members: Edges,
}

#[derive(Deserialize)]
struct Count {
    #[serde(rename = "totalCount")]
    total: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RepositoryNode {
    name: String,
    is_private: bool,
    fork_count: u64,
    deploy_keys: Count,
    collaborators: Option<Edges>,
}

/// A repository of the organisation, as far as it matters here.
pub(super) struct Repository {
    pub(super) name: String,
    /// It is private and has forks.
    pub(super) forked: bool,
    pub(super) has_keys: bool,
    /// What the person was given on it directly, in the words of the REST API.
    pub(super) permission: Option<&'static str>,
}

impl Identity {
    fn names(&self) -> impl Iterator<Item = &str> {
        [&self.saml_identity, &self.scim_identity].into_iter().flatten().flat_map(|names| {
            let emails = names.emails.iter().flatten().map(|email| email.value.as_str());
            names.name_id.as_deref().into_iter().chain(names.username.as_deref()).chain(emails)
        })
    }
}

impl Edges {
    fn of(&self, login: &str) -> Option<&str> {
        let mut edges = self.edges.iter().flatten();
        edges.find(|edge| same(&edge.node.login, login)).map(|edge| edge.role.as_str())
    }
}

/// GitHub's logins, and the names of most identity providers, do not tell capitals from small letters.
pub(super) fn same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

fn kind_of(said: &str) -> FaultKind {
    match said {
        "RATE_LIMITED" | "RATE_LIMIT" => FaultKind::Throttled,
        "FORBIDDEN" | "INSUFFICIENT_SCOPES" => FaultKind::PermissionMissing,
        "NOT_FOUND" => FaultKind::NotFound,
        "INTERNAL" | "SERVICE_UNAVAILABLE" => FaultKind::Unavailable,
        _ => FaultKind::UnexpectedShape,
    }
}

/// The person's login: as the company recorded it, by the organisation's SAML identities, or by an e-mail address at a
/// verified domain.
pub(super) async fn login_of(
    http: &Reader,
    org: &str,
    who: &Person,
) -> Result<Option<(String, &'static str)>, Fault> {
    let recorded = who.login("github");
    let variables = json!({
        "org": org, "email": who.email, "username": who.username.as_str(),
        "login": recorded.unwrap_or_default(), "recorded": recorded.is_some(),
    });
    let mut data = GRAPH.ask(http, IDENTITIES, variables).await?;
    let provider = data.pointer_mut("/organization/samlIdentityProvider").map(Value::take);
    let provider = provider.ok_or_else(|| Fault::shape("POST /graphql: no organization in the answer"))?;
    let lists: Option<BTreeMap<String, Identities>> = typed(provider)?;
    let lists = lists.unwrap_or_default();
    let all = |name: &str| lists.get(name).into_iter().flat_map(|list| list.nodes.iter().flatten());

    let mut logins: BTreeMap<String, (String, &'static str)> = BTreeMap::new();
    let by_name = all("email").chain(all("username")).filter_map(|identity| identity.user.as_ref());
    for user in by_name {
        logins.insert(user.login.to_ascii_lowercase(), (user.login.clone(), "saml_identity"));
    }
    if let Some(login) = recorded {
        logins.insert(login.to_ascii_lowercase(), (login.to_owned(), "login"));
        let ours = |name: &str| same(name, &who.email) || same(name, who.username.as_str());
        if all("login").any(|identity| identity.names().next().is_some() && !identity.names().any(ours)) {
            let detail = format!("the account {login} belongs to another identity of the organisation");
            return Err(Fault::new(FaultKind::Ambiguous, detail));
        }
    }
    if logins.is_empty() {
        let keep = |member: Member| {
            let ours = member.organization_verified_domain_emails.iter().any(|email| same(email, &who.email));
            ours.then_some(member.login)
        };
        let variables = json!({"org": org});
        for login in GRAPH.walk(http, MEMBERS, variables, "/organization/membersWithRole", keep).await? {
            logins.insert(login.to_ascii_lowercase(), (login, "verified_email"));
        }
    }
    if logins.len() > 1 {
        let detail = format!("{} accounts carry this person's login, identity or e-mail", logins.len());
        return Err(Fault::new(FaultKind::Ambiguous, detail));
    }
    Ok(logins.into_values().next())
}

/// The teams that the person belongs to.
pub(super) async fn teams(http: &Reader, org: &str, login: &str) -> Result<Vec<Grant>, Fault> {
    let variables = json!({"org": org, "login": login});
    GRAPH
        .walk(http, TEAMS, variables, "/organization/teams", |team: Team| {
            let role = team.members.of(login).map(str::to_ascii_lowercase);
            let fixed = match role {
                // GitHub puts this before the slug of every team that the enterprise keeps.
                _ if team.slug.starts_with("ent:") => Some("kept by the enterprise, not by the organisation"),
                None => Some("belongs to it through a child team"),
                Some(_) => None,
            };
            Some(Grant {
                id: format!("team:{}:{}", team.slug, role.as_deref().unwrap_or("member")),
                kind: GrantKind::Group,
                name: team.name,
                privileged: false,
                fixed: fixed.map(str::to_owned),
                sole_holder: false,
            })
        })
        .await
}

/// All repositories of the organisation that the App may see, with what the person was given on each.
pub(super) async fn repositories(http: &Reader, org: &str, login: &str) -> Result<Vec<Repository>, Fault> {
    let variables = json!({"org": org, "login": login});
    GRAPH
        .walk(http, REPOSITORIES, variables, "/organization/repositories", |node: RepositoryNode| {
            let held = node.collaborators.as_ref().and_then(|edges| edges.of(login));
            let permission = held.map(|permission| match permission {
                "ADMIN" => "admin",
                "MAINTAIN" => "maintain",
                "WRITE" => "push",
                "TRIAGE" => "triage",
                _ => "pull",
            });
            let (forked, has_keys) = (node.is_private && node.fork_count > 0, node.deploy_keys.total > 0);
            let matters = forked || has_keys || permission.is_some();
            matters.then_some(Repository { name: node.name, forked, has_keys, permission })
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_has_a_kind() {
        let cases = [
            ("RATE_LIMITED", FaultKind::Throttled),
            ("FORBIDDEN", FaultKind::PermissionMissing),
            ("INSUFFICIENT_SCOPES", FaultKind::PermissionMissing),
            ("NOT_FOUND", FaultKind::NotFound),
            ("undefinedField", FaultKind::UnexpectedShape),
        ];
        for (said, kind) in cases {
            assert_eq!(kind_of(said), kind, "{said}");
        }
    }

    #[test]
    fn an_identity_has_the_names_of_both_protocols() {
        let identity: Identity = typed(json!({
            "samlIdentity": {"nameId": "a@example.com", "username": null, "emails": [{"value": "b@example.com"}]},
            "scimIdentity": {"username": "c", "emails": null}, "user": {"login": "x"},
        }))
        .unwrap();
        assert_eq!(identity.names().collect::<Vec<_>>(), ["a@example.com", "b@example.com", "c"]);
    }
}
