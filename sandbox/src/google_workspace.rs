//! Google's stand-in: the directory, audit logs, Gmail settings and licensing of one Workspace domain, behind the token
//! endpoint of a service account with domain-wide delegation.

mod domain;
mod transfer;

use crate::{
    credentials::{Maker, pairs},
    twin::{AccountView, Ask, Face, Reply, Twin, World, claims, slice, token_reply},
};
use domain::{
    Device, HELP_DESK_ROLE, PRODUCT, SKUS, SUPER_ROLE, User, device_json, groups, licence_json, role_json,
    roles_json, user_json,
};
use ring::digest;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const ID: &str = "google_workspace";
/// Entries per page: small, so that every longer list of the sample data has more than one.
const PAGE: usize = 2;
/// Log entries per page.
const LOG_PAGE: usize = 100;

struct GoogleWorkspace {
    client_email: String,
    private_key: String,
    /// The scopes that are delegated; all where empty.
    delegated: String,
    admin_email: String,
    users: Vec<User>,
    groups: BTreeMap<String, String>,
    devices: Vec<Device>,
    log: BTreeMap<String, Vec<Value>>,
    transfers: transfer::Transfers,
    made: u32,
}

/// The credentials that leaver presents here.
pub(crate) fn settings(base: &str, make: &mut Maker) -> BTreeMap<String, String> {
    let licences: Vec<String> = SKUS.iter().map(|(sku, _)| format!("{PRODUCT}/{sku}")).collect();
    pairs([
        ("base_url", base.to_owned()),
        ("gmail_url", base.to_owned()),
        ("licensing_url", base.to_owned()),
        ("oauth2_url", base.to_owned()),
        ("client_email", "leaver@local.iam.gserviceaccount.com".to_owned()),
        ("private_key", make.rsa_pem()),
        ("admin_email", "admin@example.com".to_owned()),
        ("licences", licences.join(",")),
    ])
}

/// The stand-in with the sample people.
pub(crate) fn twin(world: &World) -> Box<dyn Twin> {
    let mut workspace = GoogleWorkspace {
        client_email: world.setting(ID, "client_email"),
        private_key: world.setting(ID, "private_key"),
        delegated: world.setting(ID, "granted_scopes"),
        admin_email: world.setting(ID, "admin_email"),
        users: Vec::new(),
        groups: groups(),
        devices: Vec::new(),
        log: BTreeMap::new(),
        transfers: transfer::Transfers::default(),
        made: 0,
    };
    for (index, sample) in world.people_in(ID).enumerate() {
        workspace.add(world, sample, index);
    }
    Box::new(workspace)
}

impl GoogleWorkspace {
    /// The token for acting as somebody: derived, so that it survives a reset like the credential behind it.
    fn token(&self, subject: &str) -> String {
        let seal = digest::digest(&digest::SHA256, format!("{}{subject}", self.private_key).as_bytes());
        seal.as_ref().iter().fold("ya29.".to_owned(), |text, byte| format!("{text}{byte:02x}"))
    }

    fn sign_in(&self, ask: &Ask) -> Reply {
        let refused =
            |code: &str, why: &str| Reply::json(400, json!({"error": code, "error_description": why}));
        let form = ask.form();
        let given = |name: &str| form.get(name).map_or("", String::as_str);
        if given("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
            return refused("unsupported_grant_type", "Invalid grant_type");
        }
        let Some(claims) = claims(given("assertion"), &self.private_key, ask.at) else {
            return refused("invalid_grant", "Invalid JWT Signature.");
        };
        if claims["iss"] != self.client_email.as_str() || claims["aud"] != format!("{}/token", ask.base) {
            return refused("invalid_grant", "Invalid issuer or audience.");
        }
        let scopes = claims["scope"].as_str().unwrap_or_default();
        if scopes.is_empty() || !scopes.split(' ').all(|s| s.starts_with("https://www.googleapis.com/auth/"))
        {
            return refused("invalid_scope", "Empty or unknown scope.");
        }
        let delegated =
            |scope: &str| self.delegated.is_empty() || self.delegated.split(' ').any(|one| one == scope);
        if !scopes.split(' ').all(delegated) {
            let why = "Client is unauthorized to retrieve access tokens using this method, or client not authorized for any of \
                       the scopes requested.";
            return refused("unauthorized_client", why);
        }
        let subject = claims["sub"].as_str().unwrap_or_default();
        let works = |user: &User| user.email == subject && !user.suspended;
        if subject != self.admin_email && !self.users.iter().any(works) {
            return refused("invalid_grant", "Invalid email or User ID");
        }
        token_reply(&self.token(subject))
    }

    fn find(&self, key: &str) -> Option<usize> {
        self.users.iter().position(|user| user.id == key || user.email.eq_ignore_ascii_case(key))
    }

    fn users(&self, ask: &Ask) -> Reply {
        if ask.param("customer").is_empty() && ask.param("domain").is_empty() {
            return error(400, "badRequest", "Bad Request");
        }
        let clauses: Vec<(&str, &str)> =
            ask.param("query").split(' ').filter_map(|c| c.split_once('=')).collect();
        let hits = self.users.iter().filter(|user| {
            clauses.iter().all(|(field, value)| match *field {
                "externalId" => user.number == value.trim_matches('\''),
                "isAdmin" => user.admin.to_string() == *value,
                "isSuspended" => user.suspended.to_string() == *value,
                _ => false,
            })
        });
        paged(ask, "users", hits.map(user_json).collect(), PAGE)
    }

    fn of_user(&mut self, ask: &Ask, index: usize, rest: &[&str]) -> Reply {
        let user = &mut self.users[index];
        match (ask.method.as_str(), rest) {
            ("GET", []) => Reply::json(200, user_json(user)),
            ("PUT", []) => {
                if let Some(suspended) = ask.json()["suspended"].as_bool() {
                    user.suspended = suspended;
                }
                Reply::json(200, user_json(user))
            }
            ("POST", ["signOut"]) => {
                user.sessions = 0;
                Reply::empty(204)
            }
            ("POST", ["makeAdmin"]) => {
                let Some(status) = ask.json()["status"].as_bool() else {
                    return error(400, "required", "Missing required field: status");
                };
                user.admin = status;
                user.roles.retain(|role| role.1 != SUPER_ROLE);
                if status {
                    user.roles.push((format!("ra-super-{index}"), SUPER_ROLE.to_owned()));
                }
                Reply::empty(204)
            }
            ("GET", ["tokens"]) => {
                let token = |(client, name): &(String, String)| {
                    json!({"kind": "admin#directory#token", "clientId": client, "displayText": name,
                           "anonymous": false, "nativeApp": false, "userKey": user.id, "scopes": ["openid"]})
                };
                listed("items", user.tokens.iter().map(token).collect())
            }
            ("DELETE", ["tokens", client]) => removed(&mut user.tokens, |token| token.0 == *client),
            ("GET", ["asps"]) => {
                let asp = |(code, name): &(i64, String)| {
                    json!({"kind": "admin#directory#asp", "codeId": code, "name": name, "userKey": user.id,
                           "creationTime": "1762164000000", "lastTimeUsed": "0"})
                };
                listed("items", user.asps.iter().map(asp).collect())
            }
            ("DELETE", ["asps", code]) => removed(&mut user.asps, |asp| asp.0.to_string() == *code),
            ("GET", ["verificationCodes"]) => {
                let code = |number| {
                    json!({"kind": "admin#directory#verificationCode", "userId": user.id,
                           "verificationCode": format!("{number:08}")})
                };
                listed("items", (0..user.codes).map(code).collect())
            }
            ("POST", ["verificationCodes", "invalidate"]) => {
                user.codes = 0;
                Reply::empty(204)
            }
            _ => not_found(),
        }
    }

    fn groups(&mut self, ask: &Ask, rest: &[&str]) -> Reply {
        let method = ask.method.as_str();
        if let ("GET", []) = (method, rest) {
            let Some(index) = self.find(ask.param("userKey")) else { return not_found() };
            let held = self.users[index].groups.iter().filter_map(|id| self.groups.get_key_value(id));
            let group = |(id, name): (&String, &String)| {
                json!({"kind": "admin#directory#group", "id": id, "name": name, "email": format!("{id}@example.com"),
                       "directMembersCount": "10", "adminCreated": true})
            };
            return paged(ask, "groups", held.map(group).collect(), PAGE);
        }
        let [group, "members", rest @ ..] = rest else { return not_found() };
        if !self.groups.contains_key(*group) {
            return not_found();
        }
        let body = ask.json();
        let key =
            rest.first().copied().or(body["id"].as_str()).or(body["email"].as_str()).unwrap_or_default();
        let Some(index) = self.find(key) else { return not_found() };
        let user = &mut self.users[index];
        match (method, rest) {
            ("DELETE", [_]) => removed(&mut user.groups, |id| id == group),
            ("POST", []) if user.groups.iter().any(|id| id == group) => {
                error(409, "duplicate", "Member already exists.")
            }
            ("POST", []) => {
                user.groups.push((*group).to_owned());
                let member = json!({"kind": "admin#directory#member", "id": user.id, "email": user.email,
                                    "role": body["role"], "type": "USER", "status": "ACTIVE"});
                Reply::json(200, member)
            }
            _ => not_found(),
        }
    }

    fn customer(&mut self, ask: &Ask, rest: &[&str]) -> Reply {
        match (ask.method.as_str(), rest) {
            ("GET", ["roles"]) => paged(ask, "items", roles_json(), PAGE),
            ("GET", ["roleassignments"]) => {
                let key = ask.param("userKey");
                let mine =
                    self.users.iter().filter(|user| key.is_empty() || user.id == key || user.email == key);
                let all = mine.flat_map(|user| user.roles.iter().map(|role| role_json(user, role))).collect();
                paged(ask, "items", all, PAGE)
            }
            ("POST", ["roleassignments"]) => {
                let body = ask.json();
                let known = [SUPER_ROLE, HELP_DESK_ROLE].into_iter().find(|role| body["roleId"] == *role);
                let user = self.users.iter_mut().find(|user| body["assignedTo"] == user.id.as_str());
                let (Some(role), Some(user)) = (known, user) else { return not_found() };
                self.made += 1;
                user.roles.push((format!("ra-new-{}", self.made), role.to_owned()));
                let held = user.roles.last().map(|role| role_json(user, role));
                Reply::json(200, held.unwrap_or_default())
            }
            ("DELETE", ["roleassignments", id]) => {
                let held = self.users.iter_mut().find(|user| user.roles.iter().any(|role| role.0 == *id));
                held.map_or_else(not_found, |user| removed(&mut user.roles, |role| role.0 == *id))
            }
            ("GET", ["devices", "mobile"]) => {
                let owner = ask.param("query").strip_prefix("email:").unwrap_or_default();
                let mine = self.devices.iter().filter(|device| device.owner == owner);
                paged(ask, "mobiledevices", mine.map(device_json).collect(), PAGE)
            }
            ("POST", ["devices", "mobile", id, "action"]) => {
                let status = match ask.json()["action"].as_str() {
                    Some("block") => "BLOCKED",
                    Some("approve") => "APPROVED",
                    _ => return error(400, "invalid", "Invalid Input: action"),
                };
                let Some(device) = self.devices.iter_mut().find(|device| device.id == *id) else {
                    return not_found();
                };
                device.status = status;
                Reply::empty(204)
            }
            _ => not_found(),
        }
    }

    fn activities(&self, ask: &Ask, key: &str, application: &str) -> Reply {
        let Some(index) = self.find(key) else { return error(400, "invalid", "Bad Request") };
        let since = ask.param("startTime");
        let all = self.log.get(&self.users[index].id).map(Vec::as_slice).unwrap_or_default();
        let mine = all.iter().filter(|entry| {
            entry["id"]["applicationName"] == application
                && entry["id"]["time"].as_str().is_some_and(|at| at >= since)
        });
        paged(ask, "items", mine.cloned().collect(), LOG_PAGE)
    }

    fn gmail(&mut self, ask: &Ask, index: usize, rest: &[&str]) -> Reply {
        let user = &mut self.users[index];
        match (ask.method.as_str(), rest) {
            ("GET", ["autoForwarding"]) => Reply::json(200, forwarding_json(user)),
            ("PUT", ["autoForwarding"]) => {
                let body = ask.json();
                let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
                let to = text("emailAddress");
                match body["enabled"].as_bool() {
                    Some(true) if !user.forwarding_addresses.contains(&to) => {
                        return error(400, "failedPrecondition", "Unrecognized forwarding address");
                    }
                    Some(true) => user.forwarding = Some((to, text("disposition"))),
                    _ => user.forwarding = None,
                }
                Reply::json(200, forwarding_json(user))
            }
            ("GET", ["delegates"]) => {
                let delegate = |who: &String| json!({"delegateEmail": who, "verificationStatus": "accepted"});
                match user.delegates.as_slice() {
                    [] => Reply::json(200, json!({})),
                    all => {
                        Reply::json(200, json!({"delegates": all.iter().map(delegate).collect::<Vec<_>>()}))
                    }
                }
            }
            ("POST", ["delegates"]) => match ask.json()["delegateEmail"].as_str() {
                Some(who) if user.delegates.iter().any(|known| known == who) => {
                    error(409, "alreadyExists", "Delegate already exists")
                }
                Some(who) => {
                    user.delegates.push(who.to_owned());
                    Reply::json(200, json!({"delegateEmail": who, "verificationStatus": "accepted"}))
                }
                None => error(400, "invalidArgument", "Invalid delegate"),
            },
            ("DELETE", ["delegates", who]) => removed(&mut user.delegates, |known| known == who),
            ("DELETE", ["forwardingAddresses", to]) => {
                removed(&mut user.forwarding_addresses, |known| known == to)
            }
            ("GET", ["filters"]) => Reply::json(200, json!({})),
            _ => not_found(),
        }
    }

    fn licensing(&mut self, ask: &Ask, rest: &[&str]) -> Reply {
        let [PRODUCT, "sku", sku, "user", rest @ ..] = rest else { return not_found() };
        let body = ask.json();
        let key = rest.first().copied().or(body["userId"].as_str()).unwrap_or_default();
        let Some(index) = self.find(key) else { return not_found() };
        let user = &mut self.users[index];
        let is_held = user.licences.iter().any(|held| held == sku);
        match (ask.method.as_str(), is_held) {
            ("GET", true) => Reply::json(200, licence_json(user, sku)),
            ("DELETE", true) => {
                user.licences.retain(|held| held != sku);
                Reply::json(200, json!({}))
            }
            ("POST", false) => {
                user.licences.push((*sku).to_owned());
                Reply::json(200, licence_json(user, sku))
            }
            ("POST", true) => {
                error(412, "conditionNotMet", "User already has a license for the specified product")
            }
            _ => not_found(),
        }
    }
}

impl Twin for GoogleWorkspace {
    fn answer(&mut self, ask: &Ask) -> Reply {
        let path = ask.segments();
        if let ("POST", ["token"]) = (ask.method.as_str(), path.as_slice()) {
            return self.sign_in(ask);
        }
        let token = ask.credential("Bearer ").to_owned();
        if let ["gmail", "v1", "users", owner, "settings", rest @ ..] = path.as_slice() {
            let Some(index) = self.find(owner) else { return not_found() };
            if token != self.token(&self.users[index].email) {
                return error(403, "forbidden", "Delegation denied");
            }
            if self.users[index].suspended {
                return error(400, "failedPrecondition", "Mail service not enabled");
            }
            return self.gmail(ask, index, rest);
        }
        if token != self.token(&self.admin_email) {
            return error(401, "authError", "Invalid Credentials");
        }
        match (ask.method.as_str(), path.as_slice()) {
            ("GET", ["admin", "directory", "v1", "users"]) => self.users(ask),
            (_, ["admin", "directory", "v1", "users", key, rest @ ..]) => match self.find(key) {
                Some(index) => self.of_user(ask, index, rest),
                None => error(404, "notFound", "Resource Not Found: userKey"),
            },
            (_, ["admin", "directory", "v1", "groups", rest @ ..]) => self.groups(ask, rest),
            (_, ["admin", "directory", "v1", "customer", "my_customer", rest @ ..]) => {
                self.customer(ask, rest)
            }
            ("GET", ["admin", "reports", "v1", "activity", "users", key, "applications", application]) => {
                self.activities(ask, key, application)
            }
            (_, ["apps", "licensing", "v1", "product", rest @ ..]) => self.licensing(ask, rest),
            (_, ["admin", "datatransfer", "v1", rest @ ..]) => {
                let known = |id: &str| self.users.iter().any(|user| user.id == id);
                self.transfers.answer(ask, rest, &known)
            }
            _ => not_found(),
        }
    }

    fn account(&self, username: &str) -> AccountView {
        let Some(user) = self.users.iter().find(|user| user.username == username) else {
            return AccountView::default();
        };
        let devices = self.devices.iter().filter(|d| d.owner == user.email && d.status == "APPROVED");
        let mailbox = user.delegates.iter().chain(user.forwarding.iter().map(|(to, _)| to));
        AccountView {
            exists: true,
            active: !user.suspended,
            sessions: (1..=user.sessions).map(|number| format!("session-{number}")).collect(),
            credentials: user
                .tokens
                .iter()
                .map(|token| token.1.clone())
                .chain(user.asps.iter().map(|asp| asp.1.clone()))
                .chain((0..user.codes).map(|number| format!("backup code {number}")))
                .chain(devices.map(|device| device.model.to_owned()))
                .collect(),
            grants: user
                .groups
                .iter()
                .filter_map(|id| self.groups.get(id).cloned())
                .chain(user.roles.iter().map(|role| role.1.clone()))
                .chain(mailbox.map(|who| format!("mailbox: {who}")))
                .chain(user.licences.clone())
                .collect(),
        }
    }

    /// `PUT /_sandbox/google_workspace/transfers-fail`: from now on every transfer of ownership fails.
    fn face(&mut self, ask: &Ask) -> Option<Face> {
        if (ask.method.as_str(), ask.segments().as_slice()) != ("PUT", &[ID, "transfers-fail"]) {
            return None;
        }
        self.transfers.failing = true;
        Some(Face::Answer(Reply::empty(204)))
    }
}

fn forwarding_json(user: &User) -> Value {
    match &user.forwarding {
        Some((to, keep)) => json!({"enabled": true, "emailAddress": to, "disposition": keep}),
        None => json!({"enabled": false}),
    }
}

/// As Google: a list that is empty is left out.
fn listed(name: &str, all: Vec<Value>) -> Reply {
    let mut body = json!({"kind": "list", "etag": "\"1\""});
    if !all.is_empty() {
        body[name] = Value::Array(all);
    }
    Reply::json(200, body)
}

fn paged(ask: &Ask, name: &str, all: Vec<Value>, size: usize) -> Reply {
    let start = ask.param("pageToken").parse().unwrap_or(0);
    let (page, next) = slice(&all, start, size);
    let mut body = json!({"kind": "list", "etag": "\"1\""});
    if !page.is_empty() {
        body[name] = Value::Array(page);
    }
    if let Some(next) = next {
        body["nextPageToken"] = json!(next.to_string());
    }
    Reply::json(200, body)
}

fn removed<T>(from: &mut Vec<T>, is: impl Fn(&T) -> bool) -> Reply {
    let before = from.len();
    from.retain(|item| !is(item));
    if from.len() < before { Reply::empty(204) } else { not_found() }
}

fn error(status: u16, reason: &str, message: &str) -> Reply {
    let errors = json!([{"domain": "global", "reason": reason, "message": message}]);
    Reply::json(status, json!({"error": {"code": status, "message": message, "errors": errors}}))
}

fn not_found() -> Reply {
    error(404, "notFound", "Not Found")
}
