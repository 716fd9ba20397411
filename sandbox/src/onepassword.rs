//! 1Password's stand-in: one account by the Users API, by the SCIM of its provisioning, and by the Events API. Each has a
//! credential of its own.

mod events;

use crate::{
    credentials::{Maker, pairs},
    people::SamplePerson,
    twin::{AccountView, Ask, Reply, Twin, World, slice},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use events::Events;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const ID: &str = "onepassword";
/// Entries per page: small, so that every list of the sample data has more than one.
const PAGE: usize = 2;
/// Users per page, of whom there are many more than of anything that one person holds.
const USER_PAGE: usize = 20;
const USER_SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const GROUP_SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

struct User {
    id: String,
    username: String,
    name: String,
    email: String,
    number: String,
    owner: bool,
    active: bool,
    sessions: u32,
}

struct Group {
    id: String,
    name: &'static str,
    members: BTreeSet<String>,
}

struct OnePassword {
    account: String,
    client_id: String,
    client_secret: String,
    scim_token: String,
    users: Vec<User>,
    groups: Vec<Group>,
    events: Events,
}

/// The credentials that leaver presents here. Those of both ways are there; that of the provisioning counts.
pub(crate) fn settings(base: &str, make: &mut Maker) -> BTreeMap<String, String> {
    pairs([
        ("base_url", base.to_owned()),
        ("scim_url", format!("{base}/scim")),
        ("events_url", base.to_owned()),
        ("account_id", "LOCALACCOUNT".to_owned()),
        ("client_id", "leaver-local".to_owned()),
        ("client_secret", make.token("op")),
        ("scim_token", make.token("scim")),
        ("events_token", make.token("ey")),
    ])
}

/// An id as 1Password makes them: 26 characters of base 32.
fn id_of(kind: char, number: usize) -> String {
    let digits: String =
        format!("{number:08}").chars().map(|digit| char::from(b'A' + (digit as u8 - b'0'))).collect();
    format!("{kind}{:X>17}{digits}", "")
}

/// The stand-in with the sample people.
pub(crate) fn twin(world: &World) -> Box<dyn Twin> {
    let names =
        ["Engineering", "Sales", "Finance", "Support", "Security", "People", "Audit", "On call", "All staff"];
    let group = |(at, name)| Group { id: id_of('G', at), name, members: BTreeSet::new() };
    let mut account = OnePassword {
        account: world.setting(ID, "account_id"),
        client_id: world.setting(ID, "client_id"),
        client_secret: world.setting(ID, "client_secret"),
        scim_token: world.setting(ID, "scim_token"),
        users: Vec::new(),
        groups: names.into_iter().enumerate().map(group).collect(),
        events: Events::new(world.setting(ID, "events_token")),
    };
    for (index, sample) in world.people_in(ID).enumerate() {
        account.add(world, sample, index);
    }
    Box::new(account)
}

impl OnePassword {
    fn add(&mut self, world: &World, sample: &SamplePerson, index: usize) {
        let (person, traits) = (&sample.person, &sample.traits);
        let id = id_of('U', index);
        for group in &mut self.groups {
            let on_call = group.name == "On call" && sample.is_engineer();
            if group.name == person.department || group.name == "All staff" || on_call {
                group.members.insert(id.clone());
            }
        }
        self.events.add(world, sample, index, &id);
        let owner = traits.admin_of.contains(ID) || traits.sole_admin_of.contains(ID);
        self.users.push(User {
            id,
            username: person.username.to_string(),
            name: person.name.clone(),
            email: sample.email_in(ID).to_owned(),
            number: person.employee_id.to_string(),
            // Somebody has to own the account, whatever the sample people say.
            owner: owner || person.department == "Security",
            active: true,
            sessions: 2,
        });
    }

    fn access_token(&self) -> String {
        // Not the secret itself: what travels with every call must differ from what opens the token endpoint.
        format!("at.{}", self.client_secret.chars().rev().collect::<String>())
    }

    fn sign_in(&self, ask: &Ask) -> Reply {
        let expected = BASE64_STANDARD.encode(format!("{}:{}", self.client_id, self.client_secret));
        if ask.credential("Basic ") != expected || self.client_secret.is_empty() {
            return Reply::json(401, json!({"error": "invalid_client"}));
        }
        let form = ask.form();
        match (form.get("grant_type").map(String::as_str), form.get("scope").map(String::as_str)) {
            (Some("client_credentials"), None | Some("openid")) => {
                let token = self.access_token();
                let body = json!({"access_token": token, "token_type": "Bearer", "expires_in": 900, "scope": "openid"});
                Reply::json(200, body)
            }
            (Some("client_credentials"), _) => Reply::json(400, json!({"error": "invalid_scope"})),
            _ => Reply::json(400, json!({"error": "unsupported_grant_type"})),
        }
    }

    /// Suspends or reactivates, by either way: repeated, it changes nothing. The last owner is kept.
    fn set_active(&mut self, id: &str, active: bool) -> Result<&User, Refusal> {
        let others = self.users.iter().any(|user| user.owner && user.active && user.id != id);
        let user = self.users.iter_mut().find(|user| user.id == id).ok_or(Refusal::Unknown)?;
        if !active && user.active && user.owner && !others {
            return Err(Refusal::LastOwner);
        }
        if !active {
            user.sessions = 0;
        }
        user.active = active;
        Ok(user)
    }

    fn users_api(&mut self, ask: &Ask, account: &str, rest: &[&str]) -> Reply {
        if ask.headers.get("user-agent").is_none_or(|agent| !agent.contains('/')) {
            return problem(400, 3, "the User-Agent header is required");
        }
        if ask.credential("Bearer ") != self.access_token() || self.client_secret.is_empty() {
            return problem(401, 16, "the access token is invalid");
        }
        if account != self.account {
            return problem(404, 5, "account not found");
        }
        match (ask.method.as_str(), rest) {
            ("GET", []) => self.list_users(ask),
            ("GET", [id]) => match self.users.iter().find(|user| user.id == *id) {
                Some(user) => Reply::json(200, self.user_json(user)),
                None => problem(404, 5, "user not found"),
            },
            ("POST", [step]) => {
                let (id, active) = match step.split_once(':') {
                    Some((id, "suspend")) => (id, false),
                    Some((id, "reactivate")) => (id, true),
                    _ => return problem(404, 5, "not found"),
                };
                match self.set_active(id, active).map(|user| user.id.clone()) {
                    Ok(id) => self.users_api(&Ask { method: "GET".into(), ..ask.clone() }, account, &[&id]),
                    Err(Refusal::Unknown) => problem(404, 5, "user not found"),
                    Err(Refusal::LastOwner) => problem(400, 9, "the last owner cannot be suspended"),
                }
            }
            _ => problem(404, 5, "not found"),
        }
    }

    fn list_users(&self, ask: &Ask) -> Reply {
        let state = match ask.param("filter") {
            "" => None,
            "user.isActive()" => Some(true),
            "user.isSuspended()" => Some(false),
            _ => return problem(400, 3, "InvalidArgument"),
        };
        let wanted = self.users.iter().filter(|user| state.is_none_or(|active| user.active == active));
        let all: Vec<Value> = wanted.map(|user| self.user_json(user)).collect();
        let size = ask.param("max_page_size").parse().unwrap_or(25).min(USER_PAGE);
        let start = BASE64_STANDARD.decode(ask.param("page_token")).ok();
        let start = start.and_then(|text| String::from_utf8(text).ok()).and_then(|text| text.parse().ok());
        let (page, next) = slice(&all, start.unwrap_or(0), size);
        let mut body = json!({"results": page});
        if let Some(next) = next {
            body["next_page_token"] = BASE64_STANDARD.encode(next.to_string()).into();
        }
        Reply::json(200, body)
    }

    fn user_json(&self, user: &User) -> Value {
        json!({
            "id": user.id, "email": user.email, "display_name": user.name,
            "state": if user.active { "ACTIVE" } else { "SUSPENDED" }, "create_time": "2024-01-15T10:30:00Z",
            "path": format!("accounts/{}/users/{}", self.account, user.id),
        })
    }

    fn scim(&mut self, ask: &Ask, rest: &[&str]) -> Reply {
        if ask.credential("Bearer ") != self.scim_token || self.scim_token.is_empty() {
            return scim_error(401, "unauthorized");
        }
        match (ask.method.as_str(), rest) {
            ("GET", ["Users"]) => {
                scim_list(ask, self.users.iter().map(|user| self.scim_user(user)).collect(), USER_PAGE)
            }
            ("GET", ["Users", id]) => match self.users.iter().find(|user| user.id == *id) {
                Some(user) => scim_reply(self.scim_user(user)),
                None => scim_error(404, "user not found"),
            },
            ("GET", ["Groups"]) => scim_list(ask, self.groups.iter().map(group_json).collect(), PAGE),
            ("PATCH", ["Users", id]) => {
                let operation = ask.json()["Operations"][0].clone();
                let Some(active) = operation["value"].as_bool() else {
                    return scim_error(400, "active is a boolean");
                };
                if operation["op"] != "replace" || operation["path"] != "active" {
                    return scim_error(400, "unsupported operation");
                }
                match self.set_active(id, active).map(|user| user.id.clone()) {
                    Ok(id) => self.scim(&Ask { method: "GET".into(), ..ask.clone() }, &["Users", &id]),
                    Err(Refusal::Unknown) => scim_error(404, "user not found"),
                    Err(Refusal::LastOwner) => scim_error(400, "the last owner cannot be suspended"),
                }
            }
            ("PATCH", ["Groups", id]) => self.set_members(ask, id),
            _ => scim_error(404, "not found"),
        }
    }

    fn set_members(&mut self, ask: &Ask, id: &str) -> Reply {
        let operation = ask.json()["Operations"][0].clone();
        let known: BTreeSet<&String> = self.users.iter().map(|user| &user.id).collect();
        let Some(group) = self.groups.iter_mut().find(|group| group.id == id) else {
            return scim_error(404, "group not found");
        };
        match operation["op"].as_str() {
            Some("add") => {
                let members = operation["value"].as_array().into_iter().flatten();
                let ids: Vec<String> =
                    members.filter_map(|member| member["value"].as_str().map(str::to_owned)).collect();
                if ids.iter().any(|id| !known.contains(id)) {
                    return scim_error(404, "user not found");
                }
                group.members.extend(ids);
            }
            Some("remove") => {
                let id = operation["path"].as_str().and_then(|path| path.split('"').nth(1));
                group.members.remove(id.unwrap_or_default());
            }
            _ => return scim_error(400, "unsupported operation"),
        }
        scim_reply(group_json(group))
    }

    fn scim_user(&self, user: &User) -> Value {
        json!({
            "schemas": [USER_SCHEMA, ENTERPRISE], "id": user.id, "userName": user.email, "displayName": user.name,
            "active": user.active, "emails": [{"value": user.email, "type": "work", "primary": true}],
            ENTERPRISE: {"employeeNumber": user.number}, "meta": {"resourceType": "User"},
        })
    }
}

enum Refusal {
    Unknown,
    LastOwner,
}

impl Twin for OnePassword {
    fn answer(&mut self, ask: &Ask) -> Reply {
        let path = ask.segments();
        match (ask.method.as_str(), path.as_slice()) {
            ("POST", ["v1beta1", "users", "oauth2", "token"]) => self.sign_in(ask),
            (_, ["v1beta1", "accounts", account, "users", rest @ ..]) => self.users_api(ask, account, rest),
            (_, ["scim", rest @ ..]) => self.scim(ask, rest),
            (_, ["api", rest @ ..]) => self.events.answer(ask, rest),
            _ => problem(404, 5, "not found"),
        }
    }

    fn account(&self, username: &str) -> AccountView {
        let Some(user) = self.users.iter().find(|user| user.username == username) else {
            return AccountView::default();
        };
        let groups = self.groups.iter().filter(|group| group.members.contains(&user.id));
        let owner = user.owner.then(|| "Owners".to_owned());
        AccountView {
            exists: true,
            active: user.active,
            sessions: (1..=user.sessions).map(|number| format!("device-{number}")).collect(),
            credentials: Vec::new(),
            grants: groups.map(|group| group.name.to_owned()).chain(owner).collect(),
        }
    }
}

fn group_json(group: &Group) -> Value {
    let members: Vec<Value> = group.members.iter().map(|id| json!({"value": id})).collect();
    json!({"schemas": [GROUP_SCHEMA], "id": group.id, "displayName": group.name, "members": members,
           "meta": {"resourceType": "Group"}})
}

fn scim_list(ask: &Ask, all: Vec<Value>, size: usize) -> Reply {
    let start: usize = ask.param("startIndex").parse().unwrap_or(1);
    let size = ask.param("count").parse().unwrap_or(size).min(size);
    let (page, _) = slice(&all, start.saturating_sub(1), size);
    scim_reply(json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"], "totalResults": all.len(),
        "itemsPerPage": page.len(), "startIndex": start, "Resources": page,
    }))
}

fn scim_reply(body: Value) -> Reply {
    Reply { media_type: "application/scim+json", ..Reply::json(200, body) }
}

fn scim_error(status: u16, detail: &str) -> Reply {
    let schema = "urn:ietf:params:scim:api:messages:2.0:Error";
    let body = json!({"schemas": [schema], "status": status.to_string(), "detail": detail});
    Reply { media_type: "application/scim+json", ..Reply::json(status, body) }
}

/// A refusal of the Users API: a status of gRPC as JSON.
fn problem(status: u16, code: u32, message: &str) -> Reply {
    Reply::json(status, json!({"code": code, "message": message, "details": []}))
}
