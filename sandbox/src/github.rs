//! GitHub's stand-in: one organisation with members, an outside collaborator, teams, roles, authorised credentials,
//! fine-grained tokens, Copilot seats, codespaces, repositories and the audit log, behind a GitHub App.

mod graph;
mod people;
mod shapes;

use crate::{
    credentials::{Maker, pairs},
    issued::Issued,
    twin::{AccountView, Ask, Face, Reply, Twin, World, claims, next_link, page_size, slice},
};
use people::{Authorized, Member, ORG, REPOSITORIES, ROLES, TEAMS};
use ring::digest;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const ID: &str = "github";
const INSTALLATION: &str = "60012345";
const APP: &str = "1204567";
/// Entries per page: small, so that every list of the sample data has more than one.
const PAGE: usize = 2;
/// Entries per page of the audit log, which is much longer.
const LOG_PAGE: usize = 50;

struct Github {
    key: String,
    members: Vec<Member>,
    /// `(actor, event)`, oldest first.
    log: Vec<(String, Value)>,
    /// Of deploy keys: repository, key.
    keys: Vec<(String, Value)>,
    /// Of webhooks: repository, hook.
    hooks: Vec<(String, Value)>,
    /// Of forks of private repositories: repository, owner.
    forks: Vec<(String, String)>,
    /// Logins whose authorised credentials a background job is about to revoke.
    queue: Vec<String>,
    /// Each stands for a fine-grained token.
    issued: Issued,
}

/// The credentials that leaver presents here.
pub(crate) fn settings(base: &str, make: &mut Maker) -> BTreeMap<String, String> {
    pairs([
        ("base_url", base.to_owned()),
        ("app_id", APP.to_owned()),
        ("private_key", make.rsa_pem()),
        ("installation_id", INSTALLATION.to_owned()),
        ("org", ORG.to_owned()),
    ])
}

/// The stand-in with the sample people.
pub(crate) fn twin(world: &World) -> Box<dyn Twin> {
    let mut github = Github {
        key: world.setting(ID, "private_key"),
        members: Vec::new(),
        log: Vec::new(),
        keys: Vec::new(),
        hooks: Vec::new(),
        forks: Vec::new(),
        queue: Vec::new(),
        issued: Issued::default(),
    };
    for (index, sample) in world.people_in(ID).enumerate() {
        github.add(world, sample, index);
    }
    Box::new(github)
}

impl Github {
    /// The installation's token: made from the App's key, so that only its holder could have been given it.
    fn token(&self) -> String {
        let sum = digest::digest(&digest::SHA256, self.key.as_bytes());
        let hex = |text: String, byte: &u8| format!("{text}{byte:02x}");
        sum.as_ref().iter().take(20).fold("ghs_".to_owned(), hex)
    }

    fn installation_token(&self, ask: &Ask, installation: &str) -> Reply {
        let claims = claims(ask.credential("Bearer "), &self.key, ask.at);
        let good = claims.is_some_and(|claims| {
            // GitHub takes no assertion that is good for more than ten minutes.
            let soon = claims["exp"].as_i64().is_some_and(|exp| exp <= ask.at.seconds() + 600);
            soon && claims["iss"] == APP
        });
        match (good, installation == INSTALLATION) {
            (false, _) => error(401, "A JSON web token could not be decoded"),
            (true, false) => not_found(),
            (true, true) => {
                let until = ask.at.plus(std::time::Duration::from_secs(3600)).to_string();
                let body = json!({"token": self.token(), "expires_at": until, "repository_selection": "all",
                                  "permissions": {"members": "write"}});
                Reply::json(201, body)
            }
        }
    }

    /// What a person's own token shows of their membership: nothing where the organisation does not let it in.
    fn own_membership(&self, token: &str) -> Reply {
        let Some(id) = self.issued.of(token) else { return error(401, "Bad credentials") };
        let holds = |member: &&Member| member.tokens.iter().any(|held| held.to_string() == id);
        match self.members.iter().find(holds).filter(|member| member.state == Some("active")) {
            Some(member) => Reply::json(200, member.membership()),
            None => error(403, "Resource not accessible by personal access token"),
        }
    }

    fn index(&self, login: &str) -> Option<usize> {
        self.members.iter().position(|member| member.login.eq_ignore_ascii_case(login))
    }

    /// Runs what was put off: the vendor's background jobs are done before the next request.
    fn work(&mut self) {
        for login in std::mem::take(&mut self.queue) {
            if let Some(index) = self.index(&login) {
                self.members[index].authorized.clear();
            }
        }
    }

    fn membership(&mut self, ask: &Ask, login: &str) -> Reply {
        let owners = self.members.iter().filter(|member| member.is_owner()).count();
        let Some(index) = self.index(login) else { return not_found() };
        let member = &mut self.members[index];
        let last = member.is_owner() && owners == 1;
        let role = ask.json()["role"].as_str().unwrap_or("member").to_owned();
        match (ask.method.as_str(), member.state) {
            ("GET", Some(_)) => {
                let reply = Reply::json(200, member.membership());
                // The sample people accept an invitation as soon as they see it.
                member.state = Some("active");
                reply
            }
            ("DELETE", Some(_)) if last => error(403, "Cannot remove the last owner of the organization"),
            ("DELETE", Some(_)) => {
                member.leave();
                let login = member.login.clone();
                self.forks.retain(|(_, owner)| *owner != login);
                Reply::empty(204)
            }
            ("PUT", _) if last && role != "admin" => error(403, "The organization must have an owner"),
            ("PUT", _) if !["admin", "member"].contains(&role.as_str()) => error(422, "Invalid role"),
            ("PUT", state) => {
                member.state = state.or(Some("pending"));
                member.role = if role == "admin" { "admin" } else { "member" };
                Reply::json(200, member.membership())
            }
            _ => not_found(),
        }
    }

    fn organisation(&mut self, ask: &Ask, rest: &[&str]) -> Reply {
        match (ask.method.as_str(), rest) {
            ("GET", []) => Reply::json(200, shapes::organisation_full()),
            ("GET", ["members"]) => {
                let wanted = ask.param("role");
                let held = |member: &&Member| match wanted {
                    "admin" => member.is_owner(),
                    _ => member.state == Some("active"),
                };
                paged(ask, self.members.iter().filter(held).map(Member::user).collect())
            }
            (_, ["memberships", login]) => self.membership(ask, login),
            ("GET", ["invitations"]) => paged(ask, Vec::new()),
            ("GET", ["outside_collaborators"]) => {
                let outside = |member: &&Member| member.state.is_none() && !member.repositories.is_empty();
                paged(ask, self.members.iter().filter(outside).map(Member::user).collect())
            }
            ("DELETE", ["outside_collaborators", login]) => match self.index(login) {
                Some(index) if self.members[index].state.is_some() => error(
                    422,
                    "You cannot specify an organization member to remove as an outside collaborator.",
                ),
                Some(index) => {
                    self.members[index].leave();
                    Reply::empty(204)
                }
                None => not_found(),
            },
            ("GET", ["audit-log"]) => self.audit_log(ask),
            (_, ["credential-authorizations" | "personal-access-tokens", ..]) => self.credentials(ask, rest),
            (_, ["organization-roles", more @ ..]) => self.roles(ask, more),
            (_, ["teams", slug, "memberships", login]) => self.team(ask, slug, login),
            (_, ["copilot", "billing", "selected_users"]) => self.seats(ask),
            (_, ["members", login, more @ ..]) => self.of_member(ask, login, more),
            _ => not_found(),
        }
    }

    fn credentials(&mut self, ask: &Ask, rest: &[&str]) -> Reply {
        match (ask.method.as_str(), rest) {
            ("GET", ["credential-authorizations"]) => {
                let of = |member: &Member| {
                    member.authorized.iter().map(|one| one.json(&member.login)).collect::<Vec<_>>()
                };
                let wanted = ask.param("login");
                let members =
                    self.members.iter().filter(|member| wanted.is_empty() || member.login == wanted);
                paged(ask, members.flat_map(of).collect())
            }
            ("POST", ["credential-authorizations", login, "revoke"]) => match self.index(login) {
                Some(index) if self.members[index].state.is_some() => {
                    self.queue.push((*login).to_owned());
                    Reply::json(202, json!({"message": "Credential authorizations are being revoked."}))
                }
                _ => not_found(),
            },
            ("DELETE", ["credential-authorizations", id]) => {
                let held = |member: &Member| member.authorized.iter().any(|one| one.id.to_string() == *id);
                let Some(member) = self.members.iter_mut().find(|member| held(member)) else {
                    return not_found();
                };
                member.authorized.retain(|one| one.id.to_string() != *id);
                Reply::empty(204)
            }
            ("GET", ["personal-access-tokens"]) => {
                let wanted = ask.param("owner[]");
                let members =
                    self.members.iter().filter(|member| wanted.is_empty() || member.login == wanted);
                let of =
                    |member: &Member| member.tokens.iter().map(|id| member.token(*id)).collect::<Vec<_>>();
                paged(ask, members.flat_map(of).collect())
            }
            ("POST", ["personal-access-tokens"]) => {
                let body = ask.json();
                let ids: Vec<u64> =
                    body["pat_ids"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
                if body["action"] != "revoke" || ids.is_empty() {
                    return error(422, "Validation Failed");
                }
                if !ids.iter().all(|id| self.members.iter().any(|member| member.tokens.contains(id))) {
                    return not_found();
                }
                self.members.iter_mut().for_each(|member| member.tokens.retain(|id| !ids.contains(id)));
                Reply::json(202, json!({}))
            }
            _ => not_found(),
        }
    }

    fn roles(&mut self, ask: &Ask, rest: &[&str]) -> Reply {
        match (ask.method.as_str(), rest) {
            ("GET", []) => {
                let role = |(id, name): &(u64, &str)| {
                    json!({"id": id, "name": name, "permissions": [], "organization": null, "source": "Predefined",
                           "created_at": "2024-05-01T08:00:00Z", "updated_at": "2024-05-01T08:00:00Z"})
                };
                Reply::json(
                    200,
                    json!({"total_count": ROLES.len(), "roles": ROLES.iter().map(role).collect::<Vec<_>>()}),
                )
            }
            ("GET", [id, "users"]) => {
                let held = self.members.iter().filter(|member| member.roles.contains(*id));
                let assigned = held.map(|member| {
                    let mut user = member.user();
                    user["assignment"] = "direct".into();
                    user
                });
                paged(ask, assigned.collect())
            }
            (method @ ("PUT" | "DELETE"), ["users", login, id]) => {
                let known = ROLES.iter().any(|(role, _)| role.to_string() == *id);
                let Some(index) = self.index(login).filter(|_| known) else { return not_found() };
                let member = &mut self.members[index];
                if method == "DELETE" {
                    member.roles.remove(*id);
                    return Reply::empty(204);
                }
                if member.state != Some("active") {
                    return error(422, "The user is not a member of the organization");
                }
                member.roles.insert((*id).to_owned());
                Reply::empty(204)
            }
            _ => not_found(),
        }
    }

    fn team(&mut self, ask: &Ask, slug: &str, login: &str) -> Reply {
        let known = TEAMS.iter().any(|(team, _)| *team == slug);
        let Some(index) = self.index(login).filter(|_| known) else { return not_found() };
        let member = &mut self.members[index];
        let state = if member.state == Some("active") { "active" } else { "pending" };
        let shown = |role: &str| {
            let url = format!("{}/orgs/{ORG}/teams/{slug}/memberships/{login}", ask.base);
            Reply::json(200, json!({"url": url, "role": role, "state": state}))
        };
        match ask.method.as_str() {
            "GET" => member.teams.get(slug).map_or_else(not_found, |role| shown(role)),
            "DELETE" if member.teams.remove(slug).is_some() => Reply::empty(204),
            "PUT" if member.state.is_some() => {
                let role = ask.json()["role"].as_str().unwrap_or("member").to_owned();
                let reply = shown(&role);
                member.teams.insert(slug.to_owned(), role);
                reply
            }
            _ => not_found(),
        }
    }

    fn seats(&mut self, ask: &Ask) -> Reply {
        let body = ask.json();
        let names: Vec<String> = body["selected_usernames"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|name| name.as_str().map(str::to_owned))
            .collect();
        let indices: Vec<usize> = names.iter().filter_map(|name| self.index(name)).collect();
        if names.is_empty() || indices.len() < names.len() {
            return error(422, "Validation Failed");
        }
        if indices.iter().any(|index| self.members[*index].state != Some("active")) {
            return error(422, "The user is not a member of the organization");
        }
        let give = ask.method == "POST";
        indices.iter().for_each(|index| self.members[*index].seat = give);
        match give {
            true => Reply::json(201, json!({"seats_created": names.len()})),
            false => Reply::json(200, json!({"seats_cancelled": names.len()})),
        }
    }

    fn of_member(&mut self, ask: &Ask, login: &str, rest: &[&str]) -> Reply {
        let Some(index) = self.index(login).filter(|index| self.members[*index].state == Some("active"))
        else {
            return not_found();
        };
        let member = &mut self.members[index];
        match (ask.method.as_str(), rest) {
            ("GET", ["copilot"]) if member.seat => {
                let seat = json!({"assignee": member.user(), "created_at": "2025-02-01T08:00:00Z",
                                  "pending_cancellation_date": null, "plan_type": "business"});
                Reply::json(200, seat)
            }
            ("GET", ["codespaces"]) => {
                let total = member.codespaces.len();
                let all: Vec<Value> = member
                    .codespaces
                    .iter()
                    .map(|(name, state)| shapes::codespace(name, state, member.user()))
                    .collect();
                let (page, next) = page(ask, &all, PAGE);
                linked(ask, Reply::json(200, json!({"total_count": total, "codespaces": page})), next)
            }
            ("POST", ["codespaces", name, "stop"]) => {
                let user = member.user();
                let Some(state) = member.codespaces.get_mut(*name) else { return not_found() };
                *state = "Shutdown";
                Reply::json(200, shapes::codespace(name, "ShuttingDown", user))
            }
            _ => not_found(),
        }
    }

    fn repository(&mut self, ask: &Ask, name: &str, rest: &[&str]) -> Reply {
        if !REPOSITORIES.iter().any(|(repository, _)| *repository == name) {
            return not_found();
        }
        let of = |list: &[(String, Value)]| {
            list.iter().filter(|(repository, _)| repository == name).map(|(_, one)| one.clone()).collect()
        };
        match (ask.method.as_str(), rest) {
            ("GET", ["keys"]) => paged(ask, of(&self.keys)),
            ("GET", ["hooks"]) => paged(ask, of(&self.hooks)),
            ("GET", ["forks"]) => {
                let forks = self.forks.iter().filter(|(repository, _)| repository == name);
                let owners = forks.filter_map(|(_, owner)| self.members.get(self.index(owner)?));
                let fork =
                    |owner: &Member| shapes::repository(name, owner.user(), 90_000 + owner.id, true, true);
                paged(ask, owners.map(fork).collect())
            }
            (method, ["collaborators", login]) => {
                let Some(index) = self.index(login) else { return not_found() };
                let member = &mut self.members[index];
                match method {
                    "GET" if member.repositories.contains_key(name) => Reply::empty(204),
                    "DELETE" => {
                        member.repositories.remove(name);
                        Reply::empty(204)
                    }
                    "PUT" => {
                        let permission = ask.json()["permission"].as_str().unwrap_or("push").to_owned();
                        member.repositories.insert(name.to_owned(), permission);
                        Reply::empty(204)
                    }
                    _ => not_found(),
                }
            }
            _ => not_found(),
        }
    }

    fn audit_log(&self, ask: &Ask) -> Reply {
        let word = |name: &str| ask.param("phrase").split(' ').find_map(|word| word.strip_prefix(name));
        let (actor, action) = (word("actor:"), word("action:"));
        let from = word("created:>=").unwrap_or_default();
        let all: Vec<Value> = self
            .log
            .iter()
            .rev()
            .filter(|(by, event)| {
                let name = event["action"].as_str().unwrap_or_default();
                let git = name.starts_with("git.");
                let shown = match ask.param("include") {
                    "all" => true,
                    "git" => git,
                    _ => !git,
                };
                let at = event["@timestamp"].as_i64().and_then(leaver_domain::time::Timestamp::from_millis);
                shown
                    && actor.is_none_or(|actor| actor == by)
                    && action.is_none_or(|action| action == name)
                    && at.is_some_and(|at| at.to_string().as_str() >= from)
            })
            .map(|(_, event)| event.clone())
            .collect();
        // Unlike the other lists: by a cursor, not by the page's number.
        let start = ask.param("after").parse().unwrap_or(0);
        let size = ask.param("per_page").parse().unwrap_or(30).min(LOG_PAGE);
        let (page, next) = slice(&all, start, size);
        let reply = Reply::json(200, Value::Array(page));
        match next {
            Some(next) => reply.header("link", next_link(ask, "after", next)),
            None => reply,
        }
    }
}

impl Twin for Github {
    fn answer(&mut self, ask: &Ask) -> Reply {
        let path = ask.segments();
        if let ("POST", ["app", "installations", id, "access_tokens"]) =
            (ask.method.as_str(), path.as_slice())
        {
            return self.installation_token(ask, id);
        }
        if let ("GET", ["user", "memberships", "orgs", ORG]) = (ask.method.as_str(), path.as_slice()) {
            return self.own_membership(ask.credential("Bearer "));
        }
        if ask.credential("Bearer ") != self.token() || self.key.is_empty() {
            return error(401, "Bad credentials");
        }
        self.work();
        match (ask.method.as_str(), path.as_slice()) {
            ("POST", ["graphql"]) => self.graphql(ask),
            (_, ["orgs", ORG, rest @ ..]) => self.organisation(ask, rest),
            (_, ["repos", ORG, name, rest @ ..]) => self.repository(ask, name, rest),
            ("GET", ["users", login]) => match self.index(login).and_then(|index| self.members.get(index)) {
                Some(one) => Reply::json(200, shapes::profile(&one.login, one.id)),
                None => not_found(),
            },
            _ => not_found(),
        }
    }

    fn face(&mut self, ask: &Ask) -> Option<Face> {
        let username = Issued::asked(ask, ID)?;
        let id = 990_000 + self.issued.made();
        let Some(member) = self.members.iter_mut().find(|member| member.username == username) else {
            return Some(Issued::nobody());
        };
        member.tokens.insert(id);
        Some(self.issued.issue(&self.key, "github_pat_", id.to_string()))
    }

    fn account(&self, username: &str) -> AccountView {
        let Some(member) = self.members.iter().find(|member| member.username == username) else {
            return AccountView::default();
        };
        let running = member.codespaces.iter().filter(|(_, state)| **state != "Shutdown");
        let credentials = member.authorized.iter().map(|one: &Authorized| one.title.clone());
        let tokens = member.tokens.iter().map(|id| format!("fine-grained {id}"));
        let roles = ROLES.iter().filter(|(id, _)| member.roles.contains(&id.to_string()));
        let owner = member.is_owner().then(|| "owner".to_owned());
        let seat = member.seat.then(|| "Copilot".to_owned());
        AccountView {
            exists: member.state.is_some() || !member.repositories.is_empty(),
            active: member.state.is_some() || !member.repositories.is_empty(),
            sessions: (1..=member.sessions).map(|number| format!("sso-{number}")).collect(),
            credentials: credentials
                .chain(tokens)
                .chain(running.map(|(name, _)| format!("codespace {name}")))
                .collect(),
            grants: member
                .teams
                .keys()
                .cloned()
                .chain(roles.map(|(_, name)| (*name).to_owned()))
                .chain(member.repositories.keys().cloned())
                .chain(owner)
                .chain(seat)
                .collect(),
        }
    }
}

/// A page by number, as the `page` parameter counts, and the next page's number.
fn page(ask: &Ask, all: &[Value], most: usize) -> (Vec<Value>, Option<usize>) {
    let number: usize = ask.param("page").parse().unwrap_or(1);
    let size = page_size(all.len(), ask.param("per_page").parse().unwrap_or(30).min(most));
    let (page, next) = slice(all, number.saturating_sub(1) * size, size);
    (page, next.map(|_| number + 1))
}

fn linked(ask: &Ask, reply: Reply, next: Option<usize>) -> Reply {
    match next {
        Some(next) => reply.header("link", next_link(ask, "page", next)),
        None => reply,
    }
}

fn paged(ask: &Ask, all: Vec<Value>) -> Reply {
    let (page, next) = page(ask, &all, PAGE);
    linked(ask, Reply::json(200, Value::Array(page)), next)
}

fn error(status: u16, message: &str) -> Reply {
    let body = json!({"message": message, "documentation_url": "https://docs.github.com/rest", "status": status.to_string()});
    Reply::json(status, body)
}

fn not_found() -> Reply {
    error(404, "Not Found")
}
