//! The GraphQL half of GitHub's stand-in: it answers the questions that leaver asks, by the field that is asked for.

use super::{
    Github, PAGE,
    people::{Member, ORG, REPOSITORIES, TEAMS},
};
use crate::twin::{Ask, Reply, slice};
use serde_json::{Value, json};

fn refused(kind: &str) -> Reply {
    Reply::json(200, json!({"data": {"organization": null}, "errors": [{"type": kind, "message": kind}]}))
}

/// A connection: one page of it, with the cursor for the next.
fn connection(variables: &Value, all: &[Value]) -> Value {
    let start = variables["after"].as_str().and_then(|after| after.parse().ok()).unwrap_or(0);
    let (nodes, next) = slice(all, start, PAGE);
    let cursor = next.map(|next| next.to_string());
    json!({"nodes": nodes, "pageInfo": {"hasNextPage": next.is_some(), "endCursor": cursor}})
}

fn identity(member: &Member) -> Value {
    json!({
        "samlIdentity": {"nameId": member.email, "username": null, "emails": []},
        "scimIdentity": {"username": member.email, "emails": [{"value": member.email}]},
        "user": {"login": member.login},
    })
}

impl Github {
    pub(super) fn graphql(&self, ask: &Ask) -> Reply {
        let body = ask.json();
        let (query, variables) = (body["query"].as_str().unwrap_or_default(), &body["variables"]);
        if variables["org"] != ORG {
            return refused("NOT_FOUND");
        }
        let text = |name: &str| variables[name].as_str().unwrap_or_default();
        let organisation = match query {
            _ if query.contains("samlIdentityProvider") => self.identities(variables),
            _ if query.contains("membersWithRole") => {
                let members = self.members.iter().filter(|member| member.state == Some("active"));
                let node = |member: &Member| json!({"login": member.login, "organizationVerifiedDomainEmails": [member.email]});
                if query.contains("edges") {
                    let edge = |member: &Member| {
                        let mut node = node(member);
                        node["databaseId"] = json!(member.id);
                        node["name"] = json!(null);
                        node["createdAt"] = json!("2020-03-01T08:00:00Z");
                        json!({"role": if member.is_owner() { "ADMIN" } else { "MEMBER" }, "node": node})
                    };
                    let mut page = connection(variables, &members.map(edge).collect::<Vec<_>>());
                    let edges = page["nodes"].take();
                    page = json!({"edges": edges, "pageInfo": page["pageInfo"]});
                    return Reply::json(200, json!({"data": {"organization": {"membersWithRole": page}}}));
                }
                let all: Vec<Value> = members.map(node).collect();
                json!({"membersWithRole": connection(variables, &all)})
            }
            _ if query.contains("teams(") => {
                json!({"teams": connection(variables, &self.teams_of(text("login")))})
            }
            _ if query.contains("repositories(") => {
                json!({"repositories": connection(variables, &self.repositories_for(text("login")))})
            }
            _ => return refused("undefinedField"),
        };
        Reply::json(200, json!({"data": {"organization": organisation}}))
    }

    fn identities(&self, variables: &Value) -> Value {
        let linked = || self.members.iter().filter(|member| member.linked);
        let named = |name: &str| {
            let wanted = variables[name].as_str().unwrap_or_default();
            let hits = linked().filter(|member| member.email.eq_ignore_ascii_case(wanted));
            json!({"nodes": hits.map(identity).collect::<Vec<_>>()})
        };
        let mut lists = json!({"email": named("email"), "username": named("username")});
        if variables["recorded"] == true {
            let hits = linked().filter(|member| variables["login"] == member.login.as_str());
            lists["login"] = json!({"nodes": hits.map(identity).collect::<Vec<_>>()});
        }
        json!({"samlIdentityProvider": lists})
    }

    fn teams_of(&self, login: &str) -> Vec<Value> {
        let Some(member) = self.index(login).map(|index| &self.members[index]) else { return Vec::new() };
        let held = TEAMS.iter().filter_map(|(slug, name)| Some((slug, name, member.teams.get(*slug)?)));
        let node = |(slug, name, role): (&&str, &&str, &String)| {
            let edge = json!({"role": role.to_ascii_uppercase(), "node": {"login": member.login}});
            json!({"slug": slug, "name": name, "members": {"edges": [edge]}})
        };
        held.map(node).collect()
    }

    fn repositories_for(&self, login: &str) -> Vec<Value> {
        let member = self.index(login).map(|index| &self.members[index]);
        let node = |(name, private): &(&str, bool)| {
            let permission = member.and_then(|member| member.repositories.get(*name));
            let edges = permission.zip(member).map(|(permission, member)| {
                let word = match permission.as_str() {
                    "push" => "WRITE",
                    "pull" => "READ",
                    other => other,
                };
                json!({"permission": word.to_ascii_uppercase(), "node": {"login": member.login}})
            });
            let keys = self.keys.iter().filter(|(repository, _)| repository == name).count();
            let forks = self.forks.iter().filter(|(repository, _)| repository == name).count();
            json!({"name": name, "isPrivate": private, "forkCount": forks, "deployKeys": {"totalCount": keys},
                   "collaborators": {"edges": edges.into_iter().collect::<Vec<_>>()}})
        };
        REPOSITORIES.iter().map(node).collect()
    }
}
