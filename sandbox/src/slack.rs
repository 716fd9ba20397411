//! Slack's stand-in: one workspace of an Enterprise organisation, by the Web API, SCIM and the audit log.

use crate::{
    credentials::{Maker, pairs},
    issued::Issued,
    people::SamplePerson,
    slack_app::{App, Member},
    twin::{AccountView, Ask, Face, Reply, Twin, World, page_size, slice},
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const ID: &str = "slack";
pub(crate) const TEAM: &str = "T0SANDBOX";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
/// Entries per page: small, so that every list of the sample data has more than one.
const PAGE: usize = 2;
/// Entries per page of the audit log, which is much longer.
const LOG_PAGE: usize = 50;
/// Entries per page of SCIM lists, as the vendor has it.
const SCIM_PAGE: usize = 10;

#[derive(Clone, Copy, PartialEq)]
enum Rank {
    Member,
    Admin,
    Owner,
    PrimaryOwner,
}

struct User {
    id: String,
    username: String,
    handle: String,
    email: String,
    number: String,
    active: bool,
    rank: Rank,
    sessions: Vec<u64>,
    apps: Vec<&'static str>,
}

struct Group {
    id: String,
    name: String,
    members: BTreeSet<String>,
    /// Whether everybody with a role belongs to it.
    automatic: bool,
}

struct Slack {
    token: String,
    /// What the token may do, as every answer of a real one names it.
    scopes: String,
    users: Vec<User>,
    usergroups: Vec<Group>,
    scim_groups: Vec<Group>,
    /// Oldest first.
    log: Vec<Value>,
    app: App,
    /// Each stands for a user.
    issued: Issued,
}

/// The credentials that leaver presents here.
pub(crate) fn settings(base: &str, make: &mut Maker) -> BTreeMap<String, String> {
    pairs([
        ("base_url", format!("{base}/api")),
        ("scim_url", format!("{base}/scim/v2")),
        ("audit_url", format!("{base}/audit/v1")),
        ("token", make.token("xoxp-")),
    ])
}

/// The stand-in with the sample people.
pub(crate) fn twin(world: &World) -> Box<dyn Twin> {
    let group = |id: &str, name: &str, automatic| Group {
        id: id.to_owned(),
        name: name.to_owned(),
        members: BTreeSet::new(),
        automatic,
    };
    let mut slack = Slack {
        token: world.setting(ID, "token"),
        scopes: match world.setting(ID, "granted_scopes") {
            all if all.is_empty() => leaver_adapters::slack::SPEC.scopes.join(","),
            some => some,
        },
        users: Vec::new(),
        usergroups: vec![
            group("S0ONCALL", "On call", false),
            group("S0DEPLOY", "Deployers", false),
            group("S0OWNERS", "Owners", true),
        ],
        scim_groups: Vec::new(),
        log: Vec::new(),
        app: App::new(world),
        issued: Issued::default(),
    };
    for department in ["Engineering", "Sales", "Finance", "Support", "Security", "People", "Audit"] {
        slack.scim_groups.push(group(&format!("S1{}", department.to_uppercase()), department, false));
    }
    for (index, sample) in world.people_in(ID).enumerate() {
        slack.add(world, sample, index);
    }
    Box::new(slack)
}

impl Slack {
    fn add(&mut self, world: &World, sample: &SamplePerson, index: usize) {
        let person = &sample.person;
        let id = format!("U{index:08}");
        let rank = match &sample.traits {
            traits if traits.sole_admin_of.contains(ID) => Rank::PrimaryOwner,
            traits if traits.admin_of.contains(ID) => Rank::Owner,
            _ if person.username.as_str() == "jane.smith" => Rank::Admin,
            _ => Rank::Member,
        };
        let chosen: &[usize] = if sample.is_engineer() { &[0, 1] } else { &[0] };
        for group in chosen {
            self.usergroups[*group].members.insert(id.clone());
        }
        if matches!(rank, Rank::Owner | Rank::PrimaryOwner) {
            self.usergroups[2].members.insert(id.clone());
        }
        if let Some(group) = self.scim_groups.iter_mut().find(|group| group.name == person.department) {
            group.members.insert(id.clone());
        }
        let idle = sample.traits.idle_days.unwrap_or(1) * 24;
        for hours in [72, 48, 0] {
            self.event(world, &id, "user_login", idle + hours);
        }
        self.event(world, &id, "file_downloaded", idle);
        if sample.traits.bulk_download_in.contains(ID) {
            for _ in 0..300 {
                self.event(world, &id, "file_downloaded", 24);
            }
        }
        let number = index as u64;
        self.users.push(User {
            id,
            username: person.username.to_string(),
            handle: person.username.as_str().chars().take(21).collect(),
            email: sample.email_in(ID).to_owned(),
            number: person.employee_id.to_string(),
            active: true,
            rank,
            sessions: (1..=3).map(|one| 10_000 + 10 * number + one).collect(),
            apps: vec!["A0CALENDAR", "A0POLLS", "A0NOTES"],
        });
    }

    fn event(&mut self, world: &World, actor: &str, action: &str, hours: u32) {
        let count = self.log.len();
        self.log.push(json!({
            "id": format!("audit-{count}"), "date_create": world.hours_ago(hours).seconds(), "action": action,
            "actor": {"type": "user", "user": {"id": actor}}, "entity": {"type": "workspace"},
            "context": {"location": {"type": "workspace", "id": TEAM}, "ip_address": "192.0.2.7"},
        }));
    }

    fn index(&self, id: &str) -> Option<usize> {
        self.users.iter().position(|user| user.id == id)
    }

    fn web(&mut self, ask: &Ask, method: &str) -> Reply {
        match ask.credential("Bearer ") {
            "" => return refused("not_authed"),
            token if self.app.knows(token) => return self.bot(ask, method),
            token if self.issued.of(token).is_some() && method == "auth.test" => {
                return Reply::json(
                    200,
                    json!({"ok": true, "team_id": TEAM, "user_id": self.issued.of(token)}),
                );
            }
            token if token != self.token => return refused("invalid_auth"),
            _ => {}
        }
        match (ask.method.as_str(), method) {
            ("GET", "auth.test") => {
                let body = json!({"ok": true, "url": "https://sandbox.slack.com/", "team": "Sandbox", "user": "leaver",
                                  "team_id": TEAM, "user_id": "U0LEAVER", "is_enterprise_install": true});
                Reply::json(200, body).header("x-oauth-scopes", &self.scopes)
            }
            ("GET", "users.lookupByEmail" | "users.info") => self.look_up(ask, method),
            ("GET", "users.list") => paged(ask, "members", self.users.iter().map(User::web).collect()),
            ("GET", "admin.users.session.list") => self.sessions(ask),
            ("GET", "team.integrationLogs") => self.integrations(ask),
            ("GET", "usergroups.list") => {
                let groups =
                    self.usergroups.iter().map(|group| group.web(ask.param("include_users") == "true"));
                good("usergroups", groups.collect())
            }
            ("GET", "usergroups.users.list") => {
                let group = self.usergroups.iter().find(|group| group.id == ask.param("usergroup"));
                group.map_or_else(|| refused("no_such_subteam"), |group| good("users", json!(group.members)))
            }
            // The token of the administrator has none of the scopes of a bot.
            ("POST", method) if method.starts_with("chat.") => refused("missing_scope"),
            ("POST", _) => self.change(&ask.form(), method),
            _ => refused("unknown_method"),
        }
    }

    fn look_up(&self, ask: &Ask, method: &str) -> Reply {
        if method == "users.info" {
            let hit = self.index(ask.param("user"));
            return hit
                .map_or_else(|| refused("user_not_found"), |index| good("user", self.users[index].web()));
        }
        // As the vendor: the deactivated cannot be looked up.
        let hit = self.users.iter().find(|user| user.active && user.email == ask.param("email"));
        hit.map_or_else(|| refused("users_not_found"), |user| good("user", user.web()))
    }

    /// What the token of leaver's app may: write messages and look people up.
    fn bot(&mut self, ask: &Ask, method: &str) -> Reply {
        match (ask.method.as_str(), method) {
            ("GET", "users.lookupByEmail" | "users.info") => self.look_up(ask, method),
            ("POST", "chat.postMessage" | "chat.update") => {
                let members = self.members();
                self.app.chat(ask, method, &members)
            }
            _ => refused("not_allowed_token_type"),
        }
    }

    fn members(&self) -> Vec<Member> {
        let one = |user: &User| Member {
            id: user.id.clone(),
            username: user.username.clone(),
            handle: user.handle.clone(),
            active: user.active,
        };
        self.users.iter().map(one).collect()
    }

    fn sessions(&self, ask: &Ask) -> Reply {
        // The vendor takes both or neither.
        if ask.param("team_id").is_empty() != ask.param("user_id").is_empty() {
            return refused("invalid_arguments");
        }
        let wanted = ask.param("user_id");
        if !wanted.is_empty() && self.index(wanted).is_none() {
            return refused("user_not_found");
        }
        let of = |user: &User| {
            let id = user.id.clone();
            let session = move |one: &u64| {
                json!({"session_id": one, "user_id": id, "team_id": TEAM,
                       "created": {"os": "macOS", "ip": "192.0.2.7"}, "recent": null})
            };
            user.sessions.iter().map(session).collect::<Vec<_>>()
        };
        let users = self.users.iter().filter(|user| wanted.is_empty() || user.id == wanted);
        paged(ask, "active_sessions", users.flat_map(of).collect())
    }

    fn integrations(&self, ask: &Ask) -> Reply {
        let user = self.users.iter().find(|user| user.id == ask.param("user"));
        let change = |app: &&str| {
            json!({"app_id": app, "app_type": app, "service_type": app.trim_start_matches("A0"), "change_type": "added",
                   "date": "1748000000", "scope": "identify,users:read", "user_id": ask.param("user"), "user_name": ""})
        };
        let all: Vec<Value> = user.iter().flat_map(|user| user.apps.iter().map(change)).collect();
        let page: usize = ask.param("page").parse().unwrap_or(1);
        let size = page_size(all.len(), PAGE);
        let (logs, _) = slice(&all, page.saturating_sub(1) * size, size);
        let paging =
            json!({"count": size, "total": all.len(), "page": page, "pages": all.len().div_ceil(size)});
        Reply::json(200, json!({"ok": true, "logs": logs, "paging": paging}))
    }

    fn change(&mut self, form: &BTreeMap<String, String>, method: &str) -> Reply {
        let of = |name: &str| form.get(name).map_or("", String::as_str);
        if method == "usergroups.users.update" {
            let users: BTreeSet<String> =
                of("users").split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect();
            let known = users.iter().all(|id| self.index(id).is_some());
            let Some(group) = self.usergroups.iter_mut().find(|group| group.id == of("usergroup")) else {
                return refused("no_such_subteam");
            };
            return match (users.is_empty(), known, group.automatic) {
                (true, ..) => refused("no_users_provided"),
                (_, false, _) => refused("invalid_users"),
                (.., true) => refused("permission_denied"),
                _ => {
                    group.members = users;
                    good("usergroup", group.web(true))
                }
            };
        }
        let Some(index) = self.index(of("user_id")) else { return refused("user_not_found") };
        let user = &mut self.users[index];
        let rank = match method {
            "admin.users.session.reset" => {
                user.sessions.clear();
                return Reply::json(200, json!({"ok": true}));
            }
            "admin.users.setRegular" => Rank::Member,
            "admin.users.setAdmin" => Rank::Admin,
            "admin.users.setOwner" => Rank::Owner,
            _ => return refused("unknown_method"),
        };
        match (of("team_id") == TEAM, user.active, user.rank) {
            (false, ..) => refused("team_not_found"),
            (_, false, _) => refused("user_not_found"),
            (.., Rank::PrimaryOwner) => refused("cannot_modify_primary_owner"),
            _ => {
                user.rank = rank;
                Reply::json(200, json!({"ok": true}))
            }
        }
    }

    fn scim(&mut self, ask: &Ask, rest: &[&str]) -> Reply {
        match (ask.method.as_str(), rest) {
            ("GET", ["Users"]) => {
                let filter = ask.param("filter");
                let value = filter.split('"').nth(1).unwrap_or_default();
                let hit = |user: &&User| match filter.split(' ').next() {
                    Some("email") => user.email.eq_ignore_ascii_case(value),
                    Some("userName") => user.handle == value,
                    _ => true,
                };
                let all: Vec<Value> =
                    self.users.iter().filter(hit).map(|user| self.scim_user(user)).collect();
                let start: usize = ask.param("startIndex").parse().unwrap_or(1);
                let size = ask.param("count").parse().unwrap_or(SCIM_PAGE).min(SCIM_PAGE);
                let (page, _) = slice(&all, start.saturating_sub(1), size);
                let schema = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
                let body = json!({"schemas": [schema], "totalResults": all.len(), "itemsPerPage": page.len(),
                                  "startIndex": start, "Resources": page});
                Reply::json(200, body)
            }
            ("GET", ["Users", id]) => match self.index(id) {
                Some(index) => Reply::json(200, self.scim_user(&self.users[index])),
                None => scim_error(404, "user_not_found"),
            },
            ("PATCH", ["Users", id]) => {
                let operation = ask.json()["Operations"][0].clone();
                let (Some(index), Some(active)) = (self.index(id), operation["value"].as_bool()) else {
                    return scim_error(404, "user_not_found");
                };
                if operation["op"] != "replace" || operation["path"] != "active" {
                    return scim_error(400, "invalid_operation");
                }
                if !active && self.users[index].rank == Rank::PrimaryOwner {
                    return scim_error(400, "cannot_deactivate_primary_owner");
                }
                self.users[index].active = active;
                Reply::json(200, self.scim_user(&self.users[index]))
            }
            ("PATCH", ["Groups", id]) => {
                let operation = ask.json()["Operations"][0].clone();
                let Some(group) = self.scim_groups.iter_mut().find(|group| group.id == *id) else {
                    return scim_error(404, "group_not_found");
                };
                match operation["op"].as_str() {
                    Some("add") => {
                        let members = operation["value"].as_array().into_iter().flatten();
                        let ids = members.filter_map(|member| member["value"].as_str().map(str::to_owned));
                        group.members.extend(ids);
                    }
                    Some("remove") => {
                        let id = operation["path"].as_str().and_then(|path| path.split('"').nth(1));
                        group.members.remove(id.unwrap_or_default());
                    }
                    _ => return scim_error(400, "invalid_operation"),
                }
                let schema = "urn:ietf:params:scim:schemas:core:2.0:Group";
                Reply::json(200, json!({"schemas": [schema], "id": group.id, "displayName": group.name}))
            }
            _ => scim_error(404, "not_found"),
        }
    }

    fn scim_user(&self, user: &User) -> Value {
        let groups = self.scim_groups.iter().filter(|group| group.members.contains(&user.id));
        let groups: Vec<Value> =
            groups.map(|group| json!({"value": group.id, "display": group.name})).collect();
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE], "id": user.id, "externalId": "",
            "userName": user.handle, "active": user.active, "groups": groups,
            "emails": [{"value": user.email, "primary": true}], ENTERPRISE: {"employeeNumber": user.number},
        })
    }

    fn audit(&self, ask: &Ask) -> Reply {
        let oldest: i64 = ask.param("oldest").parse().unwrap_or(0);
        let hit = |entry: &&Value| {
            let of = |name: &str, at: &str| {
                ask.param(name).is_empty()
                    || entry.pointer(at).and_then(Value::as_str) == Some(ask.param(name))
            };
            of("actor", "/actor/user/id")
                && of("action", "/action")
                && entry["date_create"].as_i64().is_some_and(|at| at >= oldest)
        };
        let mut all: Vec<Value> = self.log.iter().filter(hit).cloned().collect();
        all.sort_by_key(|entry| std::cmp::Reverse(entry["date_create"].as_i64()));
        let size = ask.param("limit").parse().unwrap_or(LOG_PAGE).min(LOG_PAGE);
        let (entries, next) = slice(&all, ask.param("cursor").parse().unwrap_or(0), size);
        let cursor = next.map(|next| next.to_string()).unwrap_or_default();
        Reply::json(200, json!({"entries": entries, "response_metadata": {"next_cursor": cursor}}))
    }
}

impl User {
    fn web(&self) -> Value {
        let owner = matches!(self.rank, Rank::Owner | Rank::PrimaryOwner);
        let mut user = json!({
            "id": self.id, "team_id": TEAM, "name": self.handle, "deleted": !self.active, "is_bot": false,
            "is_app_user": false, "updated": 1_748_000_000, "profile": {"email": self.email, "real_name": self.handle},
        });
        // As the vendor: of the deactivated it tells no role.
        if let Some(fields) = user.as_object_mut().filter(|_| self.active) {
            fields.insert("is_admin".into(), (self.rank != Rank::Member).into());
            fields.insert("is_owner".into(), owner.into());
            fields.insert("is_primary_owner".into(), (self.rank == Rank::PrimaryOwner).into());
        }
        user["enterprise_user"] = json!({"id": self.id, "enterprise_id": "E0SANDBOX", "enterprise_name": "Sandbox",
                                         "is_admin": false, "is_owner": false, "teams": [TEAM]});
        user
    }
}

impl Group {
    fn web(&self, with_users: bool) -> Value {
        let mut group = json!({
            "id": self.id, "team_id": TEAM, "is_usergroup": true, "is_subteam": true, "name": self.name,
            "description": "", "handle": self.id.to_lowercase(), "is_external": false, "date_create": 1_700_000_000,
            "date_update": 1_700_000_000, "date_delete": 0, "auto_type": self.automatic.then_some("owner"),
            "auto_provision": false, "enterprise_subteam_id": "", "created_by": "U0LEAVER", "updated_by": "U0LEAVER",
            "deleted_by": null, "prefs": {"channels": [], "groups": []},
        });
        if with_users {
            group["users"] = json!(self.members);
        }
        group
    }
}

impl Twin for Slack {
    fn answer(&mut self, ask: &Ask) -> Reply {
        // As the vendor: a token of somebody who was deactivated does not come back with them.
        let users = &self.users;
        self.issued.retain(|id| users.iter().any(|user| user.id == id && user.active));
        let known = ask.credential("Bearer ") == self.token && !self.token.is_empty();
        match ask.segments().as_slice() {
            ["api", method] => self.web(ask, method),
            ["scim", "v2", ..] if !known => scim_error(401, "invalid_authentication"),
            ["scim", "v2", rest @ ..] => self.scim(ask, rest),
            ["audit", "v1", "logs"] if !known => {
                Reply::json(401, json!({"ok": false, "error": "invalid_auth"}))
            }
            ["audit", "v1", "logs"] if ask.method == "GET" => self.audit(ask),
            _ => Reply::json(404, json!({"ok": false, "error": "not_found"})),
        }
    }

    fn face(&mut self, ask: &Ask) -> Option<Face> {
        if let Some(username) = Issued::asked(ask, ID) {
            let user = self.users.iter().find(|user| user.username == username && user.active);
            return Some(match user.map(|user| user.id.clone()) {
                Some(id) => self.issued.issue(&self.token, "xoxp-", id),
                None => Issued::nobody(),
            });
        }
        let members = self.members();
        self.app.face(ask, &members)
    }

    fn account(&self, username: &str) -> AccountView {
        let Some(user) = self.users.iter().find(|user| user.username == username) else {
            return AccountView::default();
        };
        let groups = self.usergroups.iter().chain(&self.scim_groups);
        let held = groups.filter(|group| group.members.contains(&user.id)).map(|group| group.name.clone());
        let role = match user.rank {
            Rank::Member => None,
            Rank::Admin => Some("admin".to_owned()),
            Rank::Owner => Some("owner".to_owned()),
            Rank::PrimaryOwner => Some("primary owner".to_owned()),
        };
        // Tokens of apps that act as the person are good for as long as the account is.
        let tokens = user.apps.iter().filter(|_| user.active).map(|app| format!("token of {app}"));
        AccountView {
            exists: true,
            active: user.active,
            sessions: user.sessions.iter().map(u64::to_string).collect(),
            credentials: tokens.collect(),
            grants: held.chain(role).collect(),
        }
    }
}

fn good(name: &str, value: Value) -> Reply {
    Reply::json(200, json!({"ok": true, name: value}))
}

/// A refusal, which the Web API tells with status 200.
pub(crate) fn refused(code: &str) -> Reply {
    Reply::json(200, json!({"ok": false, "error": code}))
}

fn scim_error(status: u16, detail: &str) -> Reply {
    let schema = "urn:ietf:params:scim:api:messages:2.0:Error";
    Reply::json(status, json!({"schemas": [schema], "detail": detail, "status": status.to_string()}))
}

fn paged(ask: &Ask, name: &str, all: Vec<Value>) -> Reply {
    let start = ask.param("cursor").parse().unwrap_or(0);
    let (page, next) = slice(&all, start, PAGE);
    let cursor = next.map(|next| next.to_string()).unwrap_or_default();
    Reply::json(200, json!({"ok": true, name: page, "response_metadata": {"next_cursor": cursor}}))
}
