//! Okta's stand-in: users with lifecycle, roles, groups, OAuth clients and grants, API tokens, the system log.

use crate::{
    credentials::{Maker, pairs},
    issued::Issued,
    people::SamplePerson,
    twin::{AccountView, Ask, Face, Reply, Twin, World, next_link, slice},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const ID: &str = "okta";
/// Entries per page: small, so that every list of the sample data has more than one.
const PAGE: usize = 2;

struct User {
    id: String,
    username: String,
    login: String,
    email: String,
    number: String,
    status: &'static str,
    sessions: u32,
    roles: Vec<(String, String)>,
    groups: Vec<String>,
    clients: Vec<String>,
    grants: Vec<(String, String)>,
    last_login: String,
}

struct Okta {
    token: String,
    users: Vec<User>,
    groups: BTreeMap<String, (String, &'static str)>,
    api_tokens: Vec<(String, String, String)>,
    log: Vec<(String, Value)>,
    made: u32,
    /// Each stands for an API token.
    issued: Issued,
}

/// The credentials that leaver presents here.
pub(crate) fn settings(base: &str, make: &mut Maker) -> BTreeMap<String, String> {
    pairs([("base_url", base.to_owned()), ("api_token", make.token("00"))])
}

/// The stand-in with the sample people.
pub(crate) fn twin(world: &World) -> Box<dyn Twin> {
    let mut groups = BTreeMap::from([("00gEveryone".to_owned(), ("Everyone".to_owned(), "BUILT_IN"))]);
    for name in
        ["Engineering", "Sales", "Finance", "Support", "Security", "People", "Audit", "VPN Users", "Wiki"]
    {
        groups.insert(format!("00g{}", name.replace(' ', "")), (name.to_owned(), "OKTA_GROUP"));
    }
    groups.insert("00gJiraApp".to_owned(), ("jira-users".to_owned(), "APP_GROUP"));
    let mut okta = Okta {
        token: world.setting(ID, "api_token"),
        users: Vec::new(),
        groups,
        api_tokens: Vec::new(),
        log: Vec::new(),
        made: 0,
        issued: Issued::default(),
    };
    for (index, sample) in world.people_in(ID).enumerate() {
        okta.add(world, sample, index);
    }
    Box::new(okta)
}

impl Okta {
    fn add(&mut self, world: &World, sample: &SamplePerson, index: usize) {
        let person = &sample.person;
        let id = format!("00u{index:08}");
        let idle_hours = sample.traits.idle_days.unwrap_or(1) * 24;
        let last_login = world.hours_ago(idle_hours).to_string();
        if sample.is_engineer() {
            self.api_tokens.push((format!("00T{index:08}"), format!("{}-ci", person.username), id.clone()));
        }
        let admin = sample.traits.admin_of.contains(ID) || sample.traits.sole_admin_of.contains(ID);
        for (number, hours) in [idle_hours, idle_hours + 24, idle_hours + 72].into_iter().enumerate() {
            let event = json!({
                "uuid": format!("evt-{index}-{number}"), "published": world.hours_ago(hours).to_string(),
                "eventType": "user.session.start", "outcome": {"result": "SUCCESS"},
                "actor": {"id": id, "type": "User", "alternateId": person.email},
                "client": {"geographicalContext": {"country": sample.country}},
            });
            self.log.push((id.clone(), event));
        }
        self.users.push(User {
            username: person.username.to_string(),
            login: person.email.clone(),
            email: sample.email_in(ID).to_owned(),
            number: person.employee_id.to_string(),
            status: "ACTIVE",
            sessions: 2,
            roles: if admin { vec![(format!("ra{index}"), "SUPER_ADMIN".into())] } else { Vec::new() },
            groups: ["00gEveryone", "00gWiki", "00gVPNUsers", "00gJiraApp"]
                .map(str::to_owned)
                .into_iter()
                .chain([format!("00g{}", person.department)])
                .collect(),
            clients: vec!["0oaExpenses".into(), "0oaWiki".into(), "0oaRoadmap".into()],
            grants: vec![
                (format!("oag{index}a"), "okta.users.read".into()),
                (format!("oag{index}b"), "openid".into()),
            ],
            last_login,
            id,
        });
    }

    fn find(&self, key: &str) -> Option<usize> {
        self.users.iter().position(|user| user.id == key || user.login == key || user.username == key)
    }

    fn search(&self, ask: &Ask) -> Reply {
        let expression = ask.param("search");
        let wanted = |field: &str| {
            let (_, rest) = expression.split_once(&format!("profile.{field} eq \""))?;
            rest.split('"').next().map(str::to_owned)
        };
        let (email, number) = (wanted("email"), wanted("employeeNumber"));
        let hits = self.users.iter().filter(|user| {
            expression.is_empty()
                || email.as_deref() == Some(user.email.as_str())
                || number.as_deref() == Some(user.number.as_str())
        });
        // As the vendor: the plain list leaves the deprovisioned out, search does not show them before its index caught up.
        let hits = hits.filter(|user| user.status != "DEPROVISIONED").map(user_json).collect();
        paged(ask, hits)
    }

    fn lifecycle(&mut self, index: usize, step: &str) -> Reply {
        let Some(user) = self.users.get_mut(index) else { return not_found() };
        let (from, to): (&[&str], &'static str) = match step {
            "suspend" => (&["ACTIVE"], "SUSPENDED"),
            "unsuspend" => (&["SUSPENDED"], "ACTIVE"),
            "activate" => (&["DEPROVISIONED", "STAGED"], "ACTIVE"),
            "deactivate" => (&["ACTIVE", "SUSPENDED", "STAGED", "LOCKED_OUT"], "DEPROVISIONED"),
            _ => return not_found(),
        };
        if !from.contains(&user.status) {
            let cause = "Cannot perform this operation on the user in its current status";
            return error(400, "E0000001", cause);
        }
        user.status = to;
        if to == "DEPROVISIONED" {
            user.groups.clear();
        }
        Reply::empty(200)
    }

    fn of_user(&mut self, ask: &Ask, index: usize, rest: &[&str]) -> Reply {
        if let ("POST", ["lifecycle", step]) = (ask.method.as_str(), rest) {
            return self.lifecycle(index, step);
        }
        self.made += 1;
        let made = self.made;
        let groups: Vec<Value> = match self.users.get(index) {
            Some(user) => {
                user.groups.iter().filter_map(|id| self.groups.get(id).map(|g| group_json(id, g))).collect()
            }
            None => return not_found(),
        };
        let Some(user) = self.users.get_mut(index) else { return not_found() };
        match (ask.method.as_str(), rest) {
            ("GET", []) => Reply::json(200, user_json(user)),
            ("GET", ["groups"]) => paged(ask, groups),
            ("GET", ["roles"]) => Reply::json(200, user.roles.iter().map(role_json).collect()),
            ("POST", ["roles"]) => {
                let role =
                    (format!("ra-new-{made}"), ask.json()["type"].as_str().unwrap_or_default().to_owned());
                let reply = Reply::json(201, role_json(&role));
                user.roles.push(role);
                reply
            }
            ("DELETE", ["roles", id]) => removed(&mut user.roles, |role| role.0 == *id),
            ("GET", ["clients"]) => {
                let client =
                    |id: &String| json!({"client_id": id, "client_name": id.trim_start_matches("0oa")});
                paged(ask, user.clients.iter().map(client).collect())
            }
            ("DELETE", ["clients", id, "tokens"]) => removed(&mut user.clients, |client| client == id),
            ("GET", ["grants"]) => {
                let grant = |(id, scope): &(String, String)| {
                    json!({"id": id, "issuer": ask.base, "scopeId": scope, "status": "ACTIVE",
                           "created": "2026-01-05T09:00:00.000Z"})
                };
                paged(ask, user.grants.iter().map(grant).collect())
            }
            ("DELETE", ["grants", id]) => removed(&mut user.grants, |grant| grant.0 == *id),
            ("DELETE", ["sessions"]) => {
                user.sessions = 0;
                if ask.param("oauthTokens") == "true" {
                    user.clients.clear();
                }
                Reply::empty(204)
            }
            _ => not_found(),
        }
    }

    fn membership(&mut self, method: &str, group: &str, user: &str) -> Reply {
        let (Some(index), Some((_, kind))) = (self.find(user), self.groups.get(group)) else {
            return not_found();
        };
        if *kind != "OKTA_GROUP" {
            return error(403, "E0000006", "You do not have permission to perform the requested action");
        }
        let groups = &mut self.users[index].groups;
        groups.retain(|id| id != group);
        if method == "PUT" {
            groups.push(group.to_owned());
        }
        Reply::empty(204)
    }

    fn logs(&self, ask: &Ask) -> Reply {
        let actor = ask.param("filter").split('"').nth(1).unwrap_or_default();
        let events = self.log.iter().filter(|(id, event)| {
            id == actor && event["published"].as_str().is_some_and(|at| at >= ask.param("since"))
        });
        paged(ask, events.map(|(_, event)| event.clone()).collect())
    }

    /// Who calls with a token of their own: it works as long as it was not revoked and its owner is active.
    fn me(&self, token: &str) -> Reply {
        let held = self.issued.of(token).and_then(|id| self.api_tokens.iter().find(|held| held.0 == *id));
        let owner = held.and_then(|held| self.users.iter().find(|user| user.id == held.2));
        match owner.filter(|user| user.status == "ACTIVE") {
            Some(user) => Reply::json(200, user_json(user)),
            None => error(401, "E0000011", "Invalid token provided"),
        }
    }

    fn global_revocation(&mut self, ask: &Ask) -> Reply {
        let id = ask.json().pointer("/sub_id/id").and_then(Value::as_str).unwrap_or_default().to_owned();
        match self.users.iter_mut().find(|user| user.id == id) {
            Some(user) => {
                user.sessions = 0;
                user.clients.clear();
                Reply::empty(204)
            }
            None => error(400, "E0000003", "The request body was not well-formed"),
        }
    }
}

impl Twin for Okta {
    fn answer(&mut self, ask: &Ask) -> Reply {
        if let ("GET", ["api", "v1", "users", "me"]) = (ask.method.as_str(), ask.segments().as_slice()) {
            return self.me(ask.credential("SSWS "));
        }
        if ask.credential("SSWS ") != self.token || self.token.is_empty() {
            return error(401, "E0000011", "Invalid token provided");
        }
        let path = ask.segments();
        match (ask.method.as_str(), path.as_slice()) {
            ("GET", ["api", "v1", "users"]) => self.search(ask),
            (_, ["api", "v1", "users", key, rest @ ..]) => match self.find(key) {
                Some(index) => self.of_user(ask, index, rest),
                None => not_found(),
            },
            ("PUT" | "DELETE", ["api", "v1", "groups", group, "users", user]) => {
                self.membership(&ask.method, group, user)
            }
            ("GET", ["api", "v1", "api-tokens"]) => {
                let token = |(id, name, user): &(String, String, String)| json!({"id": id, "name": name, "userId": user, "created": "2025-11-03T10:00:00.000Z"});
                Reply::json(200, self.api_tokens.iter().map(token).collect())
            }
            ("DELETE", ["api", "v1", "api-tokens", id]) => {
                removed(&mut self.api_tokens, |token| token.0 == *id)
            }
            ("GET", ["api", "v1", "logs"]) => self.logs(ask),
            ("POST", ["oauth2", "v1", "global-token-revocation"]) => self.global_revocation(ask),
            _ => not_found(),
        }
    }

    fn face(&mut self, ask: &Ask) -> Option<Face> {
        let username = Issued::asked(ask, ID)?;
        let Some(user) = self.users.iter().find(|user| user.username == username) else {
            return Some(Issued::nobody());
        };
        let id = format!("00Tissued{:04}", self.issued.made());
        self.api_tokens.push((id.clone(), format!("{username}-issued"), user.id.clone()));
        Some(self.issued.issue(&self.token, "00u", id))
    }

    fn account(&self, username: &str) -> AccountView {
        let Some(user) = self.users.iter().find(|user| user.username == username) else {
            return AccountView::default();
        };
        let tokens = self.api_tokens.iter().filter(|token| token.2 == user.id).map(|token| token.1.clone());
        let groups = user.groups.iter().filter_map(|id| self.groups.get(id)).map(|(name, _)| name.clone());
        AccountView {
            exists: true,
            active: user.status == "ACTIVE",
            sessions: (1..=user.sessions).map(|number| format!("session-{number}")).collect(),
            credentials: tokens
                .chain(user.clients.clone())
                .chain(user.grants.iter().map(|grant| grant.1.clone()))
                .collect(),
            grants: groups.chain(user.roles.iter().map(|role| role.1.clone())).collect(),
        }
    }
}

fn paged(ask: &Ask, all: Vec<Value>) -> Reply {
    let start = ask.param("after").parse().unwrap_or(0);
    let (page, next) = slice(&all, start, PAGE);
    let reply = Reply::json(200, Value::Array(page));
    match next {
        Some(next) => reply.header("link", next_link(ask, "after", next)),
        None => reply,
    }
}

fn removed<T>(from: &mut Vec<T>, is: impl Fn(&T) -> bool) -> Reply {
    let before = from.len();
    from.retain(|item| !is(item));
    if from.len() < before { Reply::empty(204) } else { not_found() }
}

fn user_json(user: &User) -> Value {
    json!({
        "id": user.id, "status": user.status, "created": "2024-05-01T08:00:00.000Z", "lastLogin": user.last_login,
        "profile": {"login": user.login, "email": user.email, "employeeNumber": user.number,
                    "firstName": user.username, "lastName": user.username},
    })
}

fn group_json(id: &str, (name, kind): &(String, &'static str)) -> Value {
    json!({"id": id, "type": kind, "profile": {"name": name}})
}

fn role_json(role: &(String, String)) -> Value {
    json!({"id": role.0, "type": role.1, "label": "Super Administrator", "status": "ACTIVE", "assignmentType": "USER"})
}

fn error(status: u16, code: &str, summary: &str) -> Reply {
    Reply::json(
        status,
        json!({"errorCode": code, "errorSummary": summary, "errorLink": code, "errorId": "oae-local",
                               "errorCauses": []}),
    )
}

fn not_found() -> Reply {
    error(404, "E0000007", "Not found: Resource not found")
}
