//! Bitwarden's stand-in: the Public API of one organisation and the identity server that lets its API key in.

use crate::{
    credentials::{Maker, pairs},
    people::SamplePerson,
    twin::{AccountView, Ask, Reply, Twin, World, slice, token_reply},
};
use leaver_domain::time::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const ID: &str = "bitwarden";
/// Events per page: small, so that the log of every sample person has more than one. The other lists have no pages.
const PAGE: usize = 2;
const SCOPE: &str = "api.organization";
const GROUPS: [&str; 9] =
    ["Engineering", "Sales", "Finance", "Support", "Security", "People", "Audit", "All staff", "Servers"];

struct Member {
    id: String,
    user_id: String,
    username: String,
    name: String,
    email: String,
    number: String,
    kind: i64,
    /// -1 revoked, 0 invited, 1 accepted, 2 confirmed.
    status: i64,
    groups: Vec<String>,
    collections: Vec<String>,
    sessions: u32,
}

struct Bitwarden {
    client_id: String,
    client_secret: String,
    members: Vec<Member>,
    /// Id, name, collections.
    groups: Vec<(String, &'static str, Vec<String>)>,
    /// Id and external id.
    collections: Vec<(String, Option<&'static str>)>,
    /// Who acted, and the event; in no order.
    log: Vec<(String, Timestamp, Value)>,
}

/// An id of one kind of object.
fn uuid(kind: u32, number: usize) -> String {
    format!("{kind:08x}-0000-4000-8000-{number:012x}")
}

/// The credentials that leaver presents here.
pub(crate) fn settings(base: &str, make: &mut Maker) -> BTreeMap<String, String> {
    pairs([
        ("base_url", base.to_owned()),
        ("identity_url", format!("{base}/identity")),
        ("client_id", "organization.local".to_owned()),
        ("client_secret", make.token("bw")),
    ])
}

/// The stand-in with the sample people.
pub(crate) fn twin(world: &World) -> Box<dyn Twin> {
    let collections = [Some("servers"), Some("staff"), None, Some("customers")];
    let collections: Vec<_> =
        collections.into_iter().enumerate().map(|(at, name)| (uuid(3, at), name)).collect();
    let opens = |name: &str| match name {
        "Servers" => vec![uuid(3, 0)],
        "All staff" => vec![uuid(3, 1)],
        "Sales" | "Support" => vec![uuid(3, 3)],
        _ => Vec::new(),
    };
    let groups = GROUPS.iter().enumerate().map(|(at, name)| (uuid(2, at), *name, opens(name)));
    let mut organisation = Bitwarden {
        client_id: world.setting(ID, "client_id"),
        client_secret: world.setting(ID, "client_secret"),
        members: Vec::new(),
        groups: groups.collect(),
        collections,
        log: Vec::new(),
    };
    for (index, sample) in world.people_in(ID).enumerate() {
        organisation.add(world, sample, index);
    }
    Box::new(organisation)
}

impl Bitwarden {
    fn add(&mut self, world: &World, sample: &SamplePerson, index: usize) {
        let person = &sample.person;
        let traits = &sample.traits;
        let owner = traits.admin_of.contains(ID) || traits.sole_admin_of.contains(ID);
        let belongs = |name: &str| {
            name == person.department || name == "All staff" || (name == "Servers" && sample.is_engineer())
        };
        let groups = self.groups.iter().filter(|(_, name, _)| belongs(name)).map(|(id, ..)| id.clone());
        let member = Member {
            id: uuid(1, index),
            user_id: uuid(4, index),
            username: person.username.to_string(),
            name: person.name.clone(),
            email: sample.email_in(ID).to_owned(),
            number: person.employee_id.to_string(),
            // Somebody has to own the organisation, whatever the sample people say.
            kind: if owner || person.department == "Security" { 0 } else { 2 },
            status: 2,
            groups: groups.collect(),
            collections: vec![uuid(3, 2)],
            sessions: 2,
        };
        let idle = traits.idle_days.unwrap_or(1) * 24;
        let items = [uuid(5, index), uuid(5, index + 1)];
        let events = [
            (1000, None, 48),
            (1107, Some(0), 30),
            (1111, Some(0), 29),
            (1114, Some(1), 12),
            (1000, None, 0),
        ];
        for (kind, item, hours) in events {
            let item = item.and_then(|at: usize| items.get(at)).cloned();
            self.event(&member.user_id, world.hours_ago(idle + hours), kind, item);
        }
        if traits.bulk_download_in.contains(ID) {
            (0..200).for_each(|_| self.event(&member.user_id, world.hours_ago(24), 1007, None));
        }
        self.members.push(member);
    }

    fn event(&mut self, user: &str, at: Timestamp, kind: u32, item: Option<String>) {
        let event = json!({
            "object": "event", "type": kind, "itemId": item, "collectionId": null, "groupId": null, "policyId": null,
            "memberId": null, "actingUserId": user, "installationId": null, "date": at.to_string(), "device": 9,
            "ipAddress": "203.0.113.7", "secretId": null, "serviceAccountId": null,
        });
        self.log.push((user.to_owned(), at, event));
    }

    fn token(&self) -> String {
        // Not the secret itself: what travels with every call must differ from what opens the token endpoint.
        format!("eyJ.{}", self.client_secret.chars().rev().collect::<String>())
    }

    fn sign_in(&self, ask: &Ask) -> Reply {
        let form = ask.form();
        let given = |name: &str| form.get(name).map_or("", String::as_str);
        let known = given("client_id") == self.client_id && given("client_secret") == self.client_secret;
        let refused = |code: &str| Reply::json(400, json!({"error": code}));
        match (given("grant_type"), given("scope")) {
            _ if !known || self.client_secret.is_empty() => refused("invalid_client"),
            ("client_credentials", SCOPE) => token_reply(&self.token()),
            ("client_credentials", _) => refused("invalid_scope"),
            _ => refused("unsupported_grant_type"),
        }
    }

    /// Whether an owner other than this member is confirmed.
    fn has_other_owner(&self, id: &str) -> bool {
        self.members.iter().any(|member| member.id != id && member.kind == 0 && member.status == 2)
    }

    fn of_member(&mut self, ask: &Ask, id: &str, rest: &[&str]) -> Reply {
        let Some(index) = self.members.iter().position(|member| member.id == id) else {
            return Reply::empty(404);
        };
        let other_owner = self.has_other_owner(id);
        let known: Vec<&String> = self.groups.iter().map(|(id, ..)| id).collect();
        let member = &mut self.members[index];
        let none_left = "Organization must have at least one confirmed owner.";
        match (ask.method.as_str(), rest) {
            ("GET", []) => Reply::json(200, member_json(member, true)),
            ("DELETE", []) if member.kind == 0 && !other_owner => refused(none_left),
            ("DELETE", []) => {
                self.members.remove(index);
                Reply::empty(200)
            }
            ("POST", ["revoke"]) if member.status == -1 => refused("Already revoked."),
            ("POST", ["revoke"]) if member.kind == 0 && !other_owner => refused(none_left),
            ("POST", ["revoke"]) => {
                (member.status, member.sessions) = (-1, 0);
                Reply::empty(200)
            }
            ("POST", ["restore"]) if member.status != -1 => refused("Already active."),
            ("POST", ["restore"]) => {
                member.status = 2;
                Reply::empty(200)
            }
            ("GET", ["group-ids"]) => Reply::json(200, json!(member.groups)),
            ("PUT", ["group-ids"]) => {
                let body = ask.json();
                let Some(wanted) = body["groupIds"].as_array() else {
                    return refused("The request's model state is invalid.");
                };
                // As the vendor: the list replaces what was there, and what is no group of the organisation falls out.
                let ids = wanted.iter().filter_map(Value::as_str).map(str::to_owned);
                member.groups = ids.filter(|id| known.contains(&id)).collect();
                Reply::empty(200)
            }
            _ => Reply::empty(404),
        }
    }

    fn events(&self, ask: &Ask) -> Reply {
        let instant = |name: &str| ask.param(name).parse::<Timestamp>().ok();
        // As the vendor: with only one of the two, neither counts.
        let (start, end) = match (instant("start"), instant("end")) {
            (Some(start), Some(end)) => (start, end),
            _ => (ask.at.minus(std::time::Duration::from_secs(30 * 86_400)), ask.at),
        };
        if end.since(start) > std::time::Duration::from_secs(367 * 86_400) {
            return refused("Date range must be < 367 days.");
        }
        let user = ask.param("actingUserId");
        let within = |(by, at, _): &&(String, Timestamp, Value)| {
            (user.is_empty() || by == user) && (start..=end).contains(at)
        };
        let mut hits: Vec<_> = self.log.iter().filter(within).collect();
        hits.sort_by_key(|(_, at, _)| std::cmp::Reverse(*at));
        let all: Vec<Value> = hits.into_iter().map(|(_, _, event)| event.clone()).collect();
        let from = ask.param("continuationToken").trim_start_matches("next-").parse().unwrap_or(0);
        let (page, next) = slice(&all, from, PAGE);
        let token = next.map(|next| format!("next-{next}"));
        Reply::json(200, json!({"object": "list", "data": page, "continuationToken": token}))
    }

    fn lists(&self, of: &str) -> Reply {
        let data: Vec<Value> = match of {
            "members" => self.members.iter().map(|member| member_json(member, false)).collect(),
            "groups" => {
                let group = |(id, name, collections): &(String, &str, Vec<String>)| {
                    json!({"object": "group", "id": id, "name": name, "externalId": null,
                           "collections": associations(collections)})
                };
                self.groups.iter().map(group).collect()
            }
            "collections" => {
                let collection = |(id, external): &(String, Option<&str>)| json!({"object": "collection", "id": id, "externalId": external, "groups": []});
                self.collections.iter().map(collection).collect()
            }
            "policies" => {
                let policy =
                    json!({"object": "policy", "id": uuid(6, 0), "type": 0, "enabled": true, "data": null});
                vec![policy]
            }
            _ => return Reply::empty(404),
        };
        Reply::json(200, json!({"object": "list", "data": data}))
    }
}

impl Twin for Bitwarden {
    fn answer(&mut self, ask: &Ask) -> Reply {
        let path = ask.segments();
        if let ("POST", ["identity", "connect", "token"]) = (ask.method.as_str(), path.as_slice()) {
            return self.sign_in(ask);
        }
        if ask.credential("Bearer ") != self.token() || self.client_secret.is_empty() {
            return Reply::empty(401).header("www-authenticate", "Bearer");
        }
        match (ask.method.as_str(), path.as_slice()) {
            ("GET", ["public", "events"]) => self.events(ask),
            ("GET", ["public", of]) => self.lists(of),
            (_, ["public", "members", id, rest @ ..]) => self.of_member(ask, id, rest),
            _ => Reply::empty(404),
        }
    }

    fn account(&self, username: &str) -> AccountView {
        let Some(member) = self.members.iter().find(|member| member.username == username) else {
            return AccountView::default();
        };
        let groups = self.groups.iter().filter(|(id, ..)| member.groups.contains(id));
        let owner = (member.kind == 0).then(|| "owner".to_owned());
        AccountView {
            exists: true,
            active: member.status != -1,
            sessions: (1..=member.sessions).map(|number| format!("client-{number}")).collect(),
            credentials: Vec::new(),
            grants: groups.map(|(_, name, _)| (*name).to_owned()).chain(owner).collect(),
        }
    }
}

fn associations(collections: &[String]) -> Vec<Value> {
    let one = |id: &String| json!({"id": id, "readOnly": false, "hidePasswords": false, "manage": false});
    collections.iter().map(one).collect()
}

/// A member; the list of all leaves out the collections.
fn member_json(member: &Member, whole: bool) -> Value {
    json!({
        "object": "member", "id": member.id, "userId": member.user_id, "name": member.name, "email": member.email,
        "twoFactorEnabled": true, "status": member.status, "type": member.kind, "externalId": member.number,
        "resetPasswordEnrolled": false, "ssoExternalId": null, "permissions": null,
        "collections": whole.then(|| associations(&member.collections)),
    })
}

fn refused(message: &str) -> Reply {
    Reply::json(400, json!({"object": "error", "message": message, "errors": null}))
}
