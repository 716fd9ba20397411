//! The SCIM 2.0 server that several stand-ins share: users, groups, filters, pages, PATCH and PUT as RFC 7644 has them, and
//! what a vendor does otherwise as [`Rules`].

use crate::{
    people::SamplePerson,
    twin::{AccountView, Ask, Reply, slice},
};
use serde_json::{Map, Value, json};

/// The enterprise extension of a user.
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const CORE_USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const CORE_GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

/// What becomes of a user who is made inactive, or deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Listed as inactive.
    Kept,
    /// No member any more, in no group, and not listed.
    Removed,
}

/// What a vendor's server does.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// Entries per page, whatever was asked for.
    pub(crate) page: usize,
    /// Attributes that can be filtered by; others are refused.
    pub(crate) filters: &'static [&'static str],
    /// Whether it gives everybody, whatever the filter says.
    pub(crate) ignores_filter: bool,
    /// What becomes of whom `active` is false.
    pub(crate) inactive: Fate,
    /// What becomes of whom is deleted.
    pub(crate) deleted: Fate,
    /// Whether it refuses `active`, so that DELETE is the only way; whether it knows no PATCH.
    pub(crate) delete_only: bool,
    pub(crate) put_only: bool,
    /// Whether `active` is a text.
    pub(crate) active_as_string: bool,
    /// Whether a PATCH with several operations is refused.
    pub(crate) single_operation: bool,
    pub(crate) groups: bool,
    /// Whether `active` is told of the inactive only, and the e-mail address stands alone in place of a list.
    pub(crate) terse: bool,
    /// A user whom nobody can take out.
    pub(crate) untouchable: Option<String>,
}

impl Rules {
    /// A server that follows the standard.
    pub(crate) const STANDARD: Self = Self {
        page: 2,
        filters: &["userName", "emails", "emails.value", "externalId", "employeeNumber"],
        ignores_filter: false,
        inactive: Fate::Kept,
        deleted: Fate::Removed,
        delete_only: false,
        put_only: false,
        active_as_string: false,
        single_operation: false,
        groups: true,
        terse: false,
        untouchable: None,
    };
}

struct User {
    /// Of the sample person; empty for everybody else.
    username: String,
    body: Map<String, Value>,
    member: bool,
    sessions: Vec<String>,
    credentials: Vec<String>,
}

struct Group {
    id: String,
    name: String,
    members: Vec<String>,
    version: u32,
}

/// One server and what it holds.
pub(crate) struct Server {
    rules: Rules,
    users: Vec<User>,
    groups: Vec<Group>,
}

fn text<'a>(body: &'a Map<String, Value>, name: &str) -> &'a str {
    body.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn said(status: u16, body: Value) -> Reply {
    Reply { media_type: "application/scim+json", ..Reply::json(status, body) }
}

/// An error (RFC 7644, 3.12).
pub(crate) fn error(status: u16, kind: Option<&str>, detail: &str) -> Reply {
    let schema = "urn:ietf:params:scim:api:messages:2.0:Error";
    let mut body = json!({"schemas": [schema], "status": status.to_string(), "detail": detail});
    if let Some(kind) = kind {
        body["scimType"] = kind.into();
    }
    said(status, body)
}

fn not_found() -> Reply {
    error(404, None, "Resource not found")
}

impl Server {
    /// An empty one.
    pub(crate) fn new(rules: Rules) -> Self {
        Self { rules, users: Vec::new(), groups: Vec::new() }
    }

    /// Adds a group.
    pub(crate) fn add_group(&mut self, id: String, name: &str) {
        self.groups.push(Group { id, name: name.to_owned(), members: Vec::new(), version: 1 });
    }

    /// Adds a sample person, to the groups of these names, with further attributes.
    pub(crate) fn add(
        &mut self,
        system: &str,
        sample: &SamplePerson,
        id: &str,
        in_groups: &[&str],
        more: Value,
    ) {
        let person = &sample.person;
        let email = sample.email_in(system);
        let login = person.login_or_email(system);
        let mut body = user_body(id, login, email);
        body.insert("name".into(), json!({"formatted": person.name}));
        body.insert("displayName".into(), json!(person.name));
        body.insert(ENTERPRISE.into(), json!({"employeeNumber": person.employee_id.as_str()}));
        merge(&mut body, more);
        self.users.push(User {
            username: person.username.to_string(),
            body,
            member: true,
            sessions: vec!["session-1".into(), "session-2".into()],
            credentials: vec!["personal access token".into()],
        });
        for group in self.groups.iter_mut().filter(|group| in_groups.contains(&group.name.as_str())) {
            group.members.push(id.to_owned());
        }
    }

    /// What is held of a sample person now. `extras` tells what of a user's attributes is a permission.
    pub(crate) fn account(
        &self,
        username: &str,
        extras: impl Fn(&Map<String, Value>) -> Vec<String>,
    ) -> AccountView {
        let Some(user) = self.users.iter().find(|user| user.username == username) else {
            return AccountView::default();
        };
        let groups =
            self.groups.iter().filter(|group| group.members.iter().any(|id| id == text(&user.body, "id")));
        AccountView {
            exists: user.member,
            active: user.member && is_active(&user.body),
            sessions: user.sessions.clone(),
            credentials: user.credentials.clone(),
            grants: groups.map(|group| group.name.clone()).chain(extras(&user.body)).collect(),
        }
    }

    /// Answers a request whose path below the service's address this is. Who asks was checked before.
    pub(crate) fn answer(&mut self, ask: &Ask, path: &[&str]) -> Reply {
        if self.rules.put_only && ask.method == "PATCH" {
            return error(501, None, "PATCH is not supported");
        }
        if !self.rules.groups && path.first() == Some(&"Groups") {
            return not_found();
        }
        match (ask.method.as_str(), path) {
            ("GET", ["Users"]) => self.list_users(ask),
            ("POST", ["Users"]) => self.create(ask),
            ("GET", ["Groups"]) => {
                let all = self.groups.iter().map(|group| self.group_json(ask, group)).collect();
                self.page(ask, all)
            }
            (_, ["Users", id]) => {
                match self.users.iter().position(|user| user.member && text(&user.body, "id") == *id) {
                    Some(index) => self.of_user(ask, index),
                    None => not_found(),
                }
            }
            (_, ["Groups", id]) => match self.groups.iter().position(|group| group.id == *id) {
                Some(index) => self.of_group(ask, index),
                None => not_found(),
            },
            _ => not_found(),
        }
    }

    fn page(&self, ask: &Ask, all: Vec<Value>) -> Reply {
        let start: usize = ask.param("startIndex").parse().unwrap_or(1).max(1);
        let count = ask.param("count").parse().unwrap_or(self.rules.page).min(self.rules.page);
        let (page, _) = slice(&all, start - 1, count);
        let body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
            "totalResults": all.len(), "startIndex": start, "itemsPerPage": page.len(), "Resources": page,
        });
        said(200, body)
    }

    fn list_users(&self, ask: &Ask) -> Reply {
        let filter = ask.param("filter");
        let mut wanted = None;
        if !filter.is_empty() {
            let parts = filter.split_once(" eq ").and_then(|(name, value)| {
                let name = name.rsplit(':').next()?;
                let value: String = serde_json::from_str(value).ok()?;
                self.rules.filters.contains(&name).then_some((name, value))
            });
            match parts {
                Some(parts) => wanted = Some(parts),
                None => return error(400, Some("invalidFilter"), "The filter is not supported"),
            }
        }
        let wanted = wanted.filter(|_| !self.rules.ignores_filter);
        let hit = |user: &&User| {
            user.member && wanted.as_ref().is_none_or(|(name, value)| is_called(&user.body, name, value))
        };
        let all = self.users.iter().filter(hit).map(|user| self.user_json(ask, user)).collect();
        self.page(ask, all)
    }

    fn user_json(&self, ask: &Ask, user: &User) -> Value {
        let mut body = user.body.clone();
        let id = text(&body, "id").to_owned();
        let active = is_active(&body);
        if self.rules.active_as_string {
            body.insert("active".into(), json!(active.to_string()));
        }
        if self.rules.terse {
            if active {
                body.remove("active");
            }
            if let Some(email) = body.get("emails").and_then(|emails| emails.get(0)).cloned() {
                body.insert("emails".into(), email);
            }
        }
        let location = format!("{}/Users/{id}", ask.base);
        body.insert("meta".into(), json!({"resourceType": "User", "location": location}));
        Value::Object(body)
    }

    fn group_json(&self, ask: &Ask, group: &Group) -> Value {
        let member =
            |id: &String| json!({"value": id, "type": "User", "$ref": format!("{}/Users/{id}", ask.base)});
        json!({
            "schemas": [CORE_GROUP], "id": group.id, "displayName": group.name,
            "members": group.members.iter().map(member).collect::<Vec<_>>(),
            "meta": {"resourceType": "Group", "location": format!("{}/Groups/{}", ask.base, group.id),
                     "version": version(group)},
        })
    }

    /// Adds somebody new, or brings back whoever was removed.
    fn create(&mut self, ask: &Ask) -> Reply {
        let asked = ask.json();
        let Some(login) = asked["userName"].as_str() else {
            return error(400, Some("invalidValue"), "userName is required");
        };
        let known =
            self.users.iter().position(|user| text(&user.body, "userName").eq_ignore_ascii_case(login));
        let index = match known {
            Some(index) if self.users[index].member => {
                return error(409, Some("uniqueness"), "A user with this userName exists");
            }
            Some(index) => index,
            None => {
                let id = format!("made-{}", self.users.len());
                let email = asked.pointer("/emails/0/value").and_then(Value::as_str).unwrap_or(login);
                let body = user_body(&id, login, email);
                let (username, sessions, credentials) = Default::default();
                self.users.push(User { username, body, member: false, sessions, credentials });
                self.users.len() - 1
            }
        };
        let user = &mut self.users[index];
        user.member = true;
        user.body.insert("active".into(), json!(true));
        if let Some(number) = asked.get(ENTERPRISE) {
            user.body.insert(ENTERPRISE.into(), number.clone());
        }
        said(201, self.user_json(ask, &self.users[index]))
    }

    fn of_user(&mut self, ask: &Ask, index: usize) -> Reply {
        let before = self.users[index].body.clone();
        match ask.method.as_str() {
            "GET" => {}
            "PATCH" => {
                let operations = match self.operations(ask) {
                    Ok(operations) => operations,
                    Err(refused) => return refused,
                };
                for operation in operations {
                    if let Err(refused) = self.change(index, &operation) {
                        self.users[index].body = before;
                        return refused;
                    }
                }
            }
            "PUT" => {
                let Value::Object(mut body) = ask.json() else {
                    return error(400, Some("invalidSyntax"), "The body is no resource");
                };
                let Some(active) = body.remove("active").and_then(|active| self.flag(&active)) else {
                    return error(400, Some("invalidValue"), "active");
                };
                body.insert("active".into(), json!(active));
                body.insert("id".into(), before["id"].clone());
                self.users[index].body = body;
            }
            "DELETE" => {
                if self.is_refused(index) {
                    return error(403, None, "This user cannot be removed");
                }
                self.users[index].body.insert("active".into(), json!(false));
                self.settle(index, self.rules.deleted);
                return Reply::empty(204);
            }
            _ => return error(405, None, "Method not allowed"),
        }
        if is_active(&before) && !is_active(&self.users[index].body) {
            if self.rules.delete_only || self.is_refused(index) {
                self.users[index].body = before;
                return error(403, None, "This user cannot be removed");
            }
            self.settle(index, self.rules.inactive);
        }
        said(200, self.user_json(ask, &self.users[index]))
    }

    fn is_refused(&self, index: usize) -> bool {
        self.rules.untouchable.as_deref() == Some(text(&self.users[index].body, "userName"))
    }

    /// What becomes of a user who cannot log in any more.
    fn settle(&mut self, index: usize, fate: Fate) {
        let user = &mut self.users[index];
        user.sessions.clear();
        user.credentials.clear();
        if fate == Fate::Removed {
            user.member = false;
            let id = text(&user.body, "id").to_owned();
            self.groups.iter_mut().for_each(|group| group.members.retain(|member| *member != id));
        }
    }

    /// `active` as the server takes it.
    fn flag(&self, value: &Value) -> Option<bool> {
        match value {
            Value::Bool(flag) if !self.rules.active_as_string => Some(*flag),
            Value::String(text) if self.rules.active_as_string => text.parse().ok(),
            _ => None,
        }
    }

    fn operations(&self, ask: &Ask) -> Result<Vec<Value>, Reply> {
        let body = ask.json();
        let named = body["schemas"] == json!(["urn:ietf:params:scim:api:messages:2.0:PatchOp"]);
        match body["Operations"].as_array() {
            Some(all) if named && !all.is_empty() && (all.len() == 1 || !self.rules.single_operation) => {
                Ok(all.clone())
            }
            _ => Err(error(400, Some("invalidSyntax"), "The body is no PatchOp that is supported")),
        }
    }

    fn change(&mut self, index: usize, operation: &Value) -> Result<(), Reply> {
        let refused = |what: &str| error(400, Some("invalidValue"), what);
        let kind = operation["op"].as_str().unwrap_or_default().to_ascii_lowercase();
        if !matches!(kind.as_str(), "add" | "replace") {
            return Err(refused("op"));
        }
        let mut changes = match (operation["path"].as_str(), &operation["value"]) {
            (_, Value::Null) => return Err(refused("value")),
            (Some(path), value) => Map::from_iter([(path.to_owned(), value.clone())]),
            (None, Value::Object(changes)) => changes.clone(),
            (None, _) => return Err(refused("path")),
        };
        if let Some(active) = changes.remove("active") {
            let active = self.flag(&active).ok_or_else(|| refused("active"))?;
            changes.insert("active".into(), json!(active));
        }
        merge(&mut self.users[index].body, Value::Object(changes));
        Ok(())
    }

    fn of_group(&mut self, ask: &Ask, index: usize) -> Reply {
        match ask.method.as_str() {
            "GET" => return said(200, self.group_json(ask, &self.groups[index])),
            "PATCH" => {
                let operations = match self.operations(ask) {
                    Ok(operations) => operations,
                    Err(refused) => return refused,
                };
                for operation in operations {
                    if let Err(refused) = members(&mut self.groups[index].members, &operation) {
                        return refused;
                    }
                }
            }
            "PUT" => {
                let expected = ask.headers.get("if-match");
                if expected.is_some_and(|expected| *expected != version(&self.groups[index])) {
                    return error(412, None, "The resource has changed");
                }
                self.groups[index].members = ids(&ask.json()["members"]);
            }
            _ => return error(405, None, "Method not allowed"),
        }
        self.groups[index].version += 1;
        said(200, self.group_json(ask, &self.groups[index]))
    }
}

fn version(group: &Group) -> String {
    format!("W/\"{}\"", group.version)
}

fn ids(members: &Value) -> Vec<String> {
    let all = members.as_array().into_iter().flatten();
    all.filter_map(|member| member["value"].as_str().map(str::to_owned)).collect()
}

/// One operation on a group's members. Without a filter, a removal takes everybody out: the standard has no use for a value.
fn members(held: &mut Vec<String>, operation: &Value) -> Result<(), Reply> {
    let path = operation["path"].as_str().unwrap_or_default();
    match (operation["op"].as_str().unwrap_or_default().to_ascii_lowercase().as_str(), path) {
        ("add", "members") => {
            for id in ids(&operation["value"]) {
                if !held.contains(&id) {
                    held.push(id);
                }
            }
        }
        ("remove", "members") => held.clear(),
        ("remove", filter) => {
            let id = filter.strip_prefix("members[value eq ").and_then(|rest| rest.strip_suffix(']'));
            let id = id.and_then(|id| serde_json::from_str::<String>(id).ok());
            let before = held.len();
            held.retain(|member| Some(member) != id.as_ref());
            if held.len() == before {
                return Err(error(400, Some("noTarget"), "The filter matches nothing"));
            }
        }
        _ => return Err(error(400, Some("invalidPath"), "The operation is not supported")),
    }
    Ok(())
}

fn user_body(id: &str, login: &str, email: &str) -> Map<String, Value> {
    let body = json!({
        "schemas": [CORE_USER, ENTERPRISE], "id": id, "userName": login, "active": true,
        "emails": [{"value": email, "primary": true, "type": "work"}],
    });
    body.as_object().cloned().unwrap_or_default()
}

fn is_active(body: &Map<String, Value>) -> bool {
    body.get("active") == Some(&json!(true))
}

/// Whether a user carries this value in an attribute.
fn is_called(body: &Map<String, Value>, attribute: &str, value: &str) -> bool {
    let same = |held: &Value| held.as_str().is_some_and(|held| held.eq_ignore_ascii_case(value));
    match attribute {
        "email" | "emails" | "emails.value" => body
            .get("emails")
            .and_then(Value::as_array)
            .is_some_and(|all| all.iter().any(|one| same(&one["value"]))),
        "employeeNumber" => body.get(ENTERPRISE).is_some_and(|of| same(&of["employeeNumber"])),
        attribute => body.get(attribute).is_some_and(same),
    }
}

/// Takes attributes over; those of an extension one by one.
fn merge(body: &mut Map<String, Value>, changes: Value) {
    let Value::Object(changes) = changes else { return };
    for (name, value) in changes {
        match (body.get_mut(&name), value) {
            (Some(Value::Object(held)), Value::Object(new)) => held.extend(new),
            (_, value) => {
                body.insert(name, value);
            }
        }
    }
}
