//! Linear's stand-in: one workspace with users, their sessions and teams, projects, integrations, webhooks and the audit
//! log, behind GraphQL. It tells of an object what was asked for, and refuses fields that it does not know.

mod select;

use crate::{
    credentials::{Maker, pairs},
    people::SamplePerson,
    twin::{AccountView, Ask, Face, Reply, Twin, World, slice},
};
use select::{Field, parse, shaped};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const ID: &str = "linear";
/// Entries per page: small, so that every list of the sample data has more than one.
const PAGE: usize = 2;
const TEAMS: [&str; 6] = ["Company", "Engineering", "Sales", "Finance", "Support", "Security"];

struct User {
    id: String,
    username: String,
    name: String,
    email: String,
    active: bool,
    role: &'static str,
    last_seen: String,
    sessions: Vec<String>,
    /// Membership, team.
    teams: Vec<(String, String)>,
}

struct Linear {
    key: String,
    users: Vec<User>,
    projects: Vec<Value>,
    integrations: Vec<Value>,
    webhooks: Vec<Value>,
    /// Actor, entry.
    log: Vec<(String, Value)>,
    scim: bool,
    made: usize,
}

/// What Linear says of a request that it does not fulfil: type, code.
type Refusal = (&'static str, &'static str);
const INPUT: Refusal = ("invalid input", "INPUT_ERROR");
const MISSING: Refusal = ("invalid input", "ENTITY_NOT_FOUND");
const UNKNOWN: Refusal = ("graphql error", "GRAPHQL_VALIDATION_FAILED");

/// The credentials that leaver presents here.
pub(crate) fn settings(base: &str, make: &mut Maker) -> BTreeMap<String, String> {
    pairs([("base_url", base.to_owned()), ("api_key", make.token("lin_api_"))])
}

/// The stand-in with the sample people.
pub(crate) fn twin(world: &World) -> Box<dyn Twin> {
    let mut linear = Linear {
        key: world.setting(ID, "api_key"),
        users: Vec::new(),
        projects: Vec::new(),
        integrations: Vec::new(),
        webhooks: Vec::new(),
        log: Vec::new(),
        scim: false,
        made: 0,
    };
    for (index, sample) in world.people_in(ID).enumerate() {
        linear.add(world, sample, index);
    }
    Box::new(linear)
}

/// A version 4 UUID out of what it is for and a number.
fn uuid(kind: u16, number: usize) -> String {
    format!("{kind:08x}-0000-4000-8000-{number:012x}")
}

fn team_of(name: &str) -> Option<String> {
    TEAMS.iter().position(|team| *team == name).map(|index| uuid(2, index))
}

fn team_name(id: &str) -> Option<&'static str> {
    TEAMS.iter().copied().find(|name| team_of(name).as_deref() == Some(id))
}

impl Linear {
    fn add(&mut self, world: &World, sample: &SamplePerson, index: usize) {
        let person = &sample.person;
        let id = uuid(1, index);
        let idle_hours = sample.traits.idle_days.unwrap_or(1) * 24;
        let last_seen = world.hours_ago(idle_hours).to_string();
        let owner = sample.traits.sole_admin_of.contains(ID)
            || sample.traits.admin_of.contains(ID)
            || person.department == "Security";
        for (number, hours) in [idle_hours, idle_hours + 24, idle_hours + 72].into_iter().enumerate() {
            let at = world.hours_ago(hours).to_string();
            let entry = json!({"id": uuid(3, index * 10 + number), "createdAt": at, "type": "userLogin",
                               "countryCode": sample.country});
            self.log.push((id.clone(), entry));
        }
        for (number, name) in ["Onboarding", "Billing", "Search"].into_iter().enumerate() {
            let done = (number == 2).then(|| world.hours_ago(900).to_string());
            self.projects.push(json!({"id": uuid(4, index * 10 + number), "name": format!("{name} {index}"),
                                      "lead": id, "completedAt": done, "canceledAt": null}));
        }
        if person.role == "engineering_manager" {
            for (number, service) in ["github", "sentry", "zendesk"].into_iter().enumerate() {
                let made = uuid(5, index * 10 + number);
                self.integrations.push(json!({"id": made, "service": service, "creator": {"id": id}}));
                let (hook, label) = (uuid(6, index * 10 + number), format!("{service} mirror"));
                self.webhooks
                    .push(json!({"id": hook, "label": label, "enabled": number == 0, "creator": {"id": id}}));
            }
        }
        let mine = ["Company", "Engineering", "Support", person.department.as_str()];
        let mut teams: Vec<String> = mine.iter().filter_map(|name| team_of(name)).collect();
        teams.sort();
        teams.dedup();
        self.users.push(User {
            username: person.username.to_string(),
            name: person.name.clone(),
            email: sample.email_in(ID).to_owned(),
            active: true,
            role: if owner { "owner" } else { "user" },
            last_seen,
            sessions: (0..3).map(|number| uuid(7, index * 10 + number)).collect(),
            teams: teams.into_iter().map(|team| (format!("{}{team}", uuid(8, index)), team)).collect(),
            id,
        });
    }

    fn user(&mut self, variables: &Value) -> Result<&mut User, Refusal> {
        let id = variables["id"].as_str().unwrap_or_default();
        self.users.iter_mut().find(|user| user.id == id).ok_or(MISSING)
    }

    fn json(&self, user: &User) -> Value {
        json!({"id": user.id, "name": user.name, "email": user.email, "active": user.active, "app": false,
               "admin": user.role == "admin", "owner": user.role == "owner", "guest": false,
               "lastSeen": user.last_seen, "createdAt": "2024-05-01T08:00:00.000Z", "organization": {"scimEnabled": self.scim}})
    }

    fn users(&self, field: &Field, variables: &Value) -> Value {
        let named = |name: &str, user: &User| {
            variables[name].as_str().is_some_and(|email| user.email.eq_ignore_ascii_case(email))
        };
        let admins = field.arguments.contains("owner:{eq:true}");
        let disabled = field.arguments.contains("includeDisabled:true");
        let hits = self.users.iter().filter(|user| disabled || user.active).filter(|user| match admins {
            true => user.role != "user",
            // Nobody is named where everybody is meant.
            false if variables.get("login").is_none() => true,
            false => named("login", user) || named("email", user),
        });
        connection(variables, hits.map(|user| self.json(user)).collect())
    }

    fn query(&mut self, field: &Field, variables: &Value) -> Result<Value, Refusal> {
        Ok(match field.name.as_str() {
            "viewer" => json!({"id": uuid(9, 0), "admin": false, "owner": true}),
            "users" => self.users(field, variables),
            "userSessions" => {
                self.user(variables)?.sessions.iter().map(|id| json!({"id": id, "type": "web"})).collect()
            }
            "user" => {
                let user = self.user(variables)?;
                let teams = user.teams.iter().filter_map(|(id, team)| {
                    Some(json!({"id": id, "owner": false, "team": {"id": team, "name": team_name(team)?}}))
                });
                json!({"id": user.id, "teamMemberships": connection(variables, teams.collect())})
            }
            "projects" => {
                let led = self.projects.iter().filter(|project| project["lead"] == variables["id"]);
                connection(variables, led.cloned().collect())
            }
            "integrations" => connection(variables, self.integrations.clone()),
            "webhooks" => connection(variables, self.webhooks.clone()),
            "auditEntries" => {
                let since = variables["since"].as_str().unwrap_or_default();
                let mine = self.log.iter().filter(|(actor, entry)| {
                    variables["id"].as_str().is_none_or(|id| id == actor)
                        && entry["createdAt"].as_str().is_some_and(|at| at >= since)
                });
                connection(variables, mine.map(|(_, entry)| entry.clone()).collect())
            }
            _ => return Err(UNKNOWN),
        })
    }

    fn mutation(&mut self, field: &Field, variables: &Value) -> Result<Value, Refusal> {
        let owners = self.users.iter().filter(|user| user.active && user.role == "owner").count();
        let (scim, last) = (self.scim, owners == 1);
        match field.name.as_str() {
            "userSuspend" => {
                let user = self.user(variables)?;
                if scim || (last && user.active && user.role == "owner") {
                    return Err(INPUT);
                }
                user.active = false;
                user.sessions.clear();
            }
            "userUnsuspend" if scim => return Err(INPUT),
            "userUnsuspend" => self.user(variables)?.active = true,
            "userRevokeAllSessions" => self.user(variables)?.sessions.clear(),
            "userChangeRole" => {
                let role = ["owner", "admin", "user"].into_iter().find(|role| variables["role"] == *role);
                let (user, role) = (self.user(variables)?, role.ok_or(INPUT)?);
                if last && user.active && user.role == "owner" && role != "owner" {
                    return Err(INPUT);
                }
                user.role = role;
            }
            "teamMembershipDelete" => {
                let id = variables["id"].as_str().unwrap_or_default();
                let held = |user: &User| user.teams.iter().any(|(membership, _)| membership == id);
                let user = self.users.iter_mut().find(|user| held(user)).ok_or(MISSING)?;
                user.teams.retain(|(membership, _)| membership != id);
            }
            "teamMembershipCreate" => self.join(&variables["input"])?,
            "projectUpdate" => {
                let lead = json!({"id": variables["input"]["leadId"]});
                if !self.user(&lead)?.active {
                    return Err(INPUT);
                }
                let known = self.projects.iter_mut().find(|project| project["id"] == variables["id"]);
                known.ok_or(MISSING)?["lead"] = lead["id"].clone();
            }
            _ => return Err(UNKNOWN),
        }
        Ok(json!({"success": true, "lastSyncId": 1}))
    }

    fn join(&mut self, input: &Value) -> Result<(), Refusal> {
        self.made += 1;
        let membership = uuid(10, self.made);
        let team = input["teamId"].as_str().filter(|team| team_name(team).is_some()).ok_or(MISSING)?;
        let user = self.user(&json!({"id": input["userId"]}))?;
        if !user.active || user.teams.iter().any(|(_, held)| held == team) {
            return Err(INPUT);
        }
        user.teams.push((membership, team.to_owned()));
        Ok(())
    }

    fn operation(&mut self, body: &Value) -> Result<Value, Refusal> {
        let text = body["query"].as_str().unwrap_or_default();
        let fields = parse(text).ok_or(UNKNOWN)?;
        let [field] = fields.as_slice() else { return Err(UNKNOWN) };
        let variables = &body["variables"];
        let whole = match text.starts_with("mutation") {
            true => self.mutation(field, variables)?,
            false => self.query(field, variables)?,
        };
        let told = shaped(&whole, &field.fields).ok_or(UNKNOWN)?;
        Ok(json!({ field.name.clone(): told }))
    }
}

impl Twin for Linear {
    fn answer(&mut self, ask: &Ask) -> Reply {
        if ask.credential("") != self.key || self.key.is_empty() {
            return refused(401, ("authentication error", "AUTHENTICATION_ERROR"));
        }
        if (ask.method.as_str(), ask.segments().as_slice()) != ("POST", &["graphql"]) {
            return Reply::json(404, json!({"error": "Not found"}));
        }
        match self.operation(&ask.json()) {
            Ok(data) => Reply::json(200, json!({"data": data})),
            Err(UNKNOWN) => refused(400, UNKNOWN),
            Err(refusal) => refused(200, refusal),
        }
    }

    fn account(&self, username: &str) -> AccountView {
        let Some(user) = self.users.iter().find(|user| user.username == username) else {
            return AccountView::default();
        };
        let teams = user.teams.iter().filter_map(|(_, team)| team_name(team)).map(str::to_owned);
        let role = (user.role != "user").then(|| user.role.to_owned());
        AccountView {
            exists: true,
            active: user.active,
            sessions: user.sessions.clone(),
            credentials: Vec::new(),
            grants: teams.chain(role).collect(),
        }
    }

    /// `PUT /_sandbox/linear/scim`: from now on an identity provider manages the users.
    fn face(&mut self, ask: &Ask) -> Option<Face> {
        if (ask.method.as_str(), ask.segments().as_slice()) != ("PUT", &[ID, "scim"]) {
            return None;
        }
        self.scim = true;
        Some(Face::Answer(Reply::empty(204)))
    }
}

/// One page of a list, with the cursor for the next.
fn connection(variables: &Value, all: Vec<Value>) -> Value {
    let start = variables["after"].as_str().and_then(|after| after.parse().ok()).unwrap_or(0);
    let (nodes, next) = slice(&all, start, PAGE);
    let cursor = next.map(|next| next.to_string());
    json!({"nodes": nodes, "pageInfo": {"hasNextPage": next.is_some(), "endCursor": cursor,
                                       "hasPreviousPage": start > 0, "startCursor": start.to_string()}})
}

fn refused(status: u16, (kind, code): Refusal) -> Reply {
    let extensions = json!({"type": kind, "code": code, "statusCode": 400, "userError": true});
    Reply::json(status, json!({"data": null, "errors": [{"message": kind, "extensions": extensions}]}))
}
