//! Verkada Access's stand-in: access users with their means of entry, access groups and access events, behind the token
//! endpoint that an API key opens.

use crate::{
    credentials::{Maker, pairs},
    people::SamplePerson,
    twin::{AccountView, Ask, Reply, Twin, World, slice},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const ID: &str = "badge";
/// Events per page, whatever is asked for.
const PAGE: usize = 2;
const ORGANISATION: &str = "0a000000-0000-4000-8000-000000000000";

struct Holder {
    id: String,
    username: String,
    email: String,
    number: String,
    name: String,
    groups: Vec<String>,
    /// Cards and plates: id or number, and whether it opens.
    cards: Vec<(String, bool)>,
    plates: Vec<(String, bool)>,
    ble: bool,
    remote: bool,
    entry_code: Option<String>,
    mfa_codes: Vec<String>,
    face: bool,
    end_date: Option<i64>,
}

struct Badge {
    key: String,
    holders: Vec<Holder>,
    groups: BTreeMap<String, String>,
    events: Vec<Value>,
}

/// The credentials that leaver presents here.
pub(crate) fn settings(base: &str, make: &mut Maker) -> BTreeMap<String, String> {
    pairs([("base_url", base.to_owned()), ("api_key", make.token("vkd_api_"))])
}

fn uuid(kind: u32, index: usize) -> String {
    format!("{kind:08x}-0000-4000-8000-{index:012x}")
}

/// The stand-in with the sample people.
pub(crate) fn twin(world: &World) -> Box<dyn Twin> {
    let names = [
        "Headquarters",
        "Car park",
        "Engineering",
        "Sales",
        "Finance",
        "Support",
        "Security",
        "People",
        "Audit",
    ];
    let groups = names.iter().enumerate().map(|(index, name)| (uuid(7, index), (*name).to_owned())).collect();
    let mut badge =
        Badge { key: world.setting(ID, "api_key"), holders: Vec::new(), groups, events: Vec::new() };
    for (index, sample) in world.people_in(ID).enumerate() {
        badge.add(world, sample, index);
    }
    Box::new(badge)
}

impl Badge {
    fn token(&self) -> String {
        // Not the key itself: what travels with every call must differ from what opens the token endpoint.
        format!("v2_{}", self.key.chars().rev().collect::<String>())
    }

    fn group(&self, name: &str) -> Option<String> {
        self.groups.iter().find(|(_, known)| *known == name).map(|(id, _)| id.clone())
    }

    fn add(&mut self, world: &World, sample: &SamplePerson, index: usize) {
        let person = &sample.person;
        let id = uuid(1, index);
        let idle = sample.traits.idle_days.unwrap_or(1) * 24;
        for (number, (hours, granted)) in
            [(idle, true), (idle + 24, false), (idle + 48, true)].into_iter().enumerate()
        {
            self.events.push(json!({
                "event_id": uuid(9, index * 10 + number), "timestamp": world.hours_ago(hours).to_string(),
                "event_type": if granted { "DOOR_GRANTED" } else { "DOOR_REJECTED" },
                "device_id": uuid(8, 0), "device_type": "Access Control", "organization_id": ORGANISATION,
                "site_id": uuid(6, 0),
                "event_info": {"accepted": granted, "doorId": uuid(8, 1), "userId": id, "userName": person.name},
            }));
        }
        let mine = ["Headquarters", "Car park", person.department.as_str()];
        self.holders.push(Holder {
            username: person.username.to_string(),
            email: sample.email_in(ID).to_owned(),
            number: person.employee_id.to_string(),
            name: person.name.clone(),
            groups: mine.iter().filter_map(|name| self.group(name)).collect(),
            cards: vec![(uuid(2, index * 2), true), (uuid(2, index * 2 + 1), true)],
            plates: vec![(format!("B LV {index:04}"), true)],
            ble: true,
            remote: sample.is_engineer(),
            entry_code: Some(format!("{}", 91_370_000 + index)),
            mfa_codes: if sample.is_engineer() {
                vec![format!("{:04}", 4000 + index), format!("{:04}", 6000 + index)]
            } else {
                Vec::new()
            },
            face: sample.is_engineer(),
            end_date: None,
            id,
        });
    }

    fn json(&self, holder: &Holder) -> Value {
        let group = |id: &String| self.groups.get(id).map(|name| json!({"group_id": id, "name": name}));
        let plate = |plate: &(String, bool)| json!({"license_plate_number": plate.0, "active": plate.1, "name": "Car"});
        let face = holder.face.then(|| json!({"status": "ACTIVE", "source": "USER_PHOTO"}));
        json!({
            "user_id": holder.id, "external_id": holder.username, "start_date": null,
            "end_date": holder.end_date.map(|end| end.to_string()),
            "access_groups": holder.groups.iter().filter_map(group).collect::<Vec<_>>(),
            "cards": holder.cards.iter().map(card_json).collect::<Vec<_>>(),
            "license_plates": holder.plates.iter().map(plate).collect::<Vec<_>>(),
            "mfa_codes": holder.mfa_codes.iter().map(|code| json!({"code": code})).collect::<Vec<_>>(),
            "qr_codes": [], "ble_unlock": holder.ble, "remote_unlock": holder.remote,
            "entry_code": holder.entry_code, "face_credential": face,
            "has_profile_photo": false, "profile_photo_last_updated": null,
        })
    }

    fn members(&self) -> Reply {
        let member = |holder: &Holder| {
            json!({"user_id": holder.id, "email": holder.email, "employee_id": holder.number,
                   "external_id": holder.username, "full_name": holder.name, "is_visitor": false})
        };
        Reply::json(200, json!({"access_members": self.holders.iter().map(member).collect::<Vec<_>>()}))
    }

    fn events(&self, ask: &Ask) -> Reply {
        let number = |name: &str| ask.param(name).parse::<i64>().ok();
        let (Some(from), Some(until)) = (number("start_time"), number("end_time")) else {
            return error(400, "start_time and end_time are required");
        };
        let user = ask.param("user_id");
        let hits = self.events.iter().filter(|event| {
            let at: Option<leaver_domain::time::Timestamp> =
                event["timestamp"].as_str().and_then(|at| at.parse().ok());
            let inside = at.is_some_and(|at| (from..=until).contains(&at.seconds()));
            inside && (user.is_empty() || event.pointer("/event_info/userId").is_some_and(|id| id == user))
        });
        let hits: Vec<Value> = hits.cloned().collect();
        let start = ask.param("page_token").parse().unwrap_or(0);
        let size = ask.param("page_size").parse().unwrap_or(PAGE).clamp(1, PAGE);
        let (page, next) = slice(&hits, start, size);
        Reply::json(200, json!({"events": page, "next_page_token": next.map(|next| next.to_string())}))
    }

    /// The holder whom the query names, by one of four attributes.
    fn named(&self, ask: &Ask) -> Option<usize> {
        let given = |name: &str| Some(ask.param(name)).filter(|text| !text.is_empty());
        self.holders.iter().position(|holder| {
            given("user_id").is_some_and(|id| id == holder.id)
                || given("external_id").is_some_and(|id| id == holder.username)
                || given("email").is_some_and(|email| email.eq_ignore_ascii_case(&holder.email))
                || given("employee_id").is_some_and(|number| number == holder.number)
        })
    }

    fn of_user(&mut self, ask: &Ask, rest: &[&str]) -> Reply {
        let Some(index) = self.named(ask) else { return error(404, "access user not found") };
        let holder = &mut self.holders[index];
        match (ask.method.as_str(), rest) {
            ("GET", []) => {}
            ("PUT", ["ble", turn @ ("activate" | "deactivate")]) => holder.ble = *turn == "activate",
            ("PUT", ["remote_unlock", turn @ ("activate" | "deactivate")]) => {
                holder.remote = *turn == "activate";
            }
            ("PUT", ["end_date"]) => {
                let body = ask.json();
                let Some(end) = body["end_date"].as_str().and_then(|end| end.parse().ok()) else {
                    return error(400, "end_date must be a Unix timestamp in seconds, as a string");
                };
                holder.end_date = Some(end);
            }
            ("DELETE", ["entry_code"]) => {
                return match holder.entry_code.take() {
                    Some(_) => Reply::json(200, json!({})),
                    None => error(400, "the user has no entry code"),
                };
            }
            _ => return error(404, "no such endpoint"),
        }
        Reply::json(200, self.json(&self.holders[index]))
    }

    fn credential(&mut self, ask: &Ask, rest: &[&str]) -> Reply {
        let Some(index) = self.named(ask) else { return error(404, "access user not found") };
        let holder = &mut self.holders[index];
        let find = |all: &mut Vec<(String, bool)>, id: &str, on: bool| {
            all.iter_mut().find(|one| one.0 == id).map(|one| {
                one.1 = on;
                one.clone()
            })
        };
        match (ask.method.as_str(), rest) {
            ("PUT", ["card", turn @ ("activate" | "deactivate")]) => {
                let card = find(&mut holder.cards, ask.param("card_id"), *turn == "activate");
                card.map_or_else(
                    || error(404, "access card not found"),
                    |card| Reply::json(200, card_json(&card)),
                )
            }
            ("PUT", ["license_plate", turn @ ("activate" | "deactivate")]) => {
                let number = ask.param("license_plate_number");
                match find(&mut holder.plates, number, *turn == "activate") {
                    Some((number, active)) => {
                        let plate = json!({"license_plate_number": number, "active": active, "name": "Car"});
                        Reply::json(200, plate)
                    }
                    None => error(404, "license plate not found"),
                }
            }
            ("DELETE", ["mfa_code"]) => {
                let before = holder.mfa_codes.len();
                holder.mfa_codes.retain(|code| code != ask.param("code"));
                let gone = holder.mfa_codes.len() < before;
                if gone { Reply::json(200, json!({})) } else { error(404, "mfa code not found") }
            }
            _ => error(404, "no such endpoint"),
        }
    }

    fn membership(&mut self, ask: &Ask) -> Reply {
        let body = ask.json();
        let user = match ask.method.as_str() {
            "PUT" => body["user_id"].as_str().unwrap_or_default(),
            _ => ask.param("user_id"),
        };
        let group = ask.param("group_id");
        let holder = self.holders.iter_mut().find(|holder| holder.id == user);
        let (Some(holder), true) = (holder, self.groups.contains_key(group)) else {
            return error(404, "group or user not found");
        };
        let is_member = holder.groups.iter().any(|id| id == group);
        match (ask.method.as_str(), is_member) {
            ("PUT", true) => return error(400, "the user is a member of the group already"),
            ("PUT", false) => holder.groups.push(group.to_owned()),
            ("DELETE", true) => holder.groups.retain(|id| id != group),
            ("DELETE", false) => return error(404, "the user is not a member of the group"),
            _ => return error(404, "no such endpoint"),
        }
        Reply::json(200, json!({"successful_adds": [user], "failed_adds": []}))
    }

    fn delete_face(&mut self, id: &str) -> Reply {
        match self.holders.iter_mut().find(|holder| holder.id == id) {
            Some(holder) if holder.face => {
                holder.face = false;
                Reply::json(200, json!({"success": true}))
            }
            _ => error(404, "face credential not found"),
        }
    }
}

impl Twin for Badge {
    fn answer(&mut self, ask: &Ask) -> Reply {
        let header = |name: &str| ask.headers.get(name).map_or("", String::as_str);
        let path = ask.segments();
        if let ("POST", ["token"]) = (ask.method.as_str(), path.as_slice()) {
            if header("x-api-key") != self.key || self.key.is_empty() {
                return error(401, "API key is missing or invalid");
            }
            return Reply::json(200, json!({"token": self.token()}));
        }
        if header("x-verkada-auth") != self.token() {
            return error(401, "token is missing, invalid or expired");
        }
        match (ask.method.as_str(), path.as_slice()) {
            ("GET", ["access", "v1", "access_users"]) => self.members(),
            (_, ["access", "v1", "access_users", "user", rest @ ..]) => self.of_user(ask, rest),
            (_, ["access", "v1", "credentials", rest @ ..]) => self.credential(ask, rest),
            ("GET", ["access", "v1", "access_groups"]) => {
                let group = |(id, name): (&String, &String)| json!({"group_id": id, "name": name});
                Reply::json(200, json!({"access_groups": self.groups.iter().map(group).collect::<Vec<_>>()}))
            }
            ("PUT" | "DELETE", ["access", "v1", "access_groups", "group", "user"]) => self.membership(ask),
            ("DELETE", ["v2", "access", "users", id, "face_unlock"]) => self.delete_face(id),
            ("GET", ["events", "v1", "access"]) => self.events(ask),
            _ => error(404, "no such endpoint"),
        }
    }

    fn account(&self, username: &str) -> AccountView {
        let Some(holder) = self.holders.iter().find(|holder| holder.username == username) else {
            return AccountView::default();
        };
        let now = jiff::Timestamp::now().as_second();
        let named = |on: bool, name: &str| on.then(|| name.to_owned());
        let switched = holder.cards.iter().chain(&holder.plates).filter(|one| one.1);
        AccountView {
            exists: true,
            active: holder.end_date.is_none_or(|end| end > now),
            sessions: Vec::new(),
            credentials: switched
                .map(|one| one.0.clone())
                .chain(named(holder.ble, "ble"))
                .chain(named(holder.remote, "remote unlock"))
                .chain(named(holder.entry_code.is_some(), "entry code"))
                .chain(named(holder.face, "face"))
                .chain(named(!holder.mfa_codes.is_empty(), "second-step codes"))
                .collect(),
            grants: holder.groups.iter().filter_map(|id| self.groups.get(id)).cloned().collect(),
        }
    }
}

fn card_json(card: &(String, bool)) -> Value {
    json!({"card_id": card.0, "active": card.1, "type": "Verkada MIFARE DESFire", "facility_code": null,
           "card_number": card.0.rsplit('-').next(), "card_number_hex": null, "card_number_base36": null})
}

fn error(status: u16, message: &str) -> Reply {
    Reply::json(status, json!({"id": "local", "message": message, "data": null}))
}
