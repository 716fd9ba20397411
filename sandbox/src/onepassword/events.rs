//! The Events API: three logs of the whole account, read forwards with a cursor in the body.

use super::{ID, id_of};
use crate::{
    people::SamplePerson,
    twin::{Ask, Reply, World, slice},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use leaver_domain::time::Timestamp;
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

/// Entries per page; the logs are those of everybody.
const PAGE: usize = 100;
const LOGS: [&str; 3] = ["auditevents", "itemusages", "signinattempts"];

pub(super) struct Events {
    token: String,
    logs: BTreeMap<&'static str, Vec<(Timestamp, Value)>>,
    made: usize,
}

impl Events {
    pub(super) fn new(token: String) -> Self {
        Self { token, logs: BTreeMap::new(), made: 0 }
    }

    /// What a sample person did.
    pub(super) fn add(&mut self, world: &World, sample: &SamplePerson, index: usize, id: &str) {
        let traits = &sample.traits;
        let idle = traits.idle_days.unwrap_or(1) * 24;
        let user = json!({"uuid": id, "name": sample.person.name, "email": sample.email_in(ID)});
        let client = json!({"app_name": "1Password Extension", "app_version": "20127", "ip_address": "203.0.113.7",
                            "os_name": "MacOSX", "os_version": "15.1", "platform_name": "Chrome", "platform_version": "131"});
        let location =
            json!({"country": sample.country, "region": "", "city": "", "latitude": 0.0, "longitude": 0.0});
        for hours in [72, 48, 0] {
            let entry = json!({"session_uuid": id_of('S', index), "category": "success", "type": "credentials_ok",
                "country": sample.country, "target_user": user, "client": client, "location": location});
            self.push("signinattempts", world.hours_ago(idle + hours), entry);
        }
        let usage = |action: &str, item: usize| {
            json!({"used_version": 1, "vault_uuid": id_of('V', index % 3), "item_uuid": id_of('I', item),
                   "action": action, "user": user, "client": client, "location": location})
        };
        let own = index * 3;
        for (action, item, hours) in [
            ("reveal", own, 60),
            ("secure-copy", own, 59),
            ("fill", own + 1, 20),
            ("select-sso-provider", own + 2, 3),
        ] {
            self.push("itemusages", world.hours_ago(idle + hours), usage(action, item));
        }
        if traits.bulk_download_in.contains(ID) {
            (0..200).for_each(|item| self.push("itemusages", world.hours_ago(24), usage("export", item)));
        }
        let mut audit = vec![("reauth", "user", id.to_owned(), 50)];
        if sample.person.department == "Security" {
            audit.push(("create", "sa", id_of('A', index), 40 * 24));
            audit.push(("create", "satoken", id_of('T', index), 40 * 24));
        }
        for (action, of, object, hours) in audit {
            let entry = json!({"actor_uuid": id, "action": action, "object_type": of, "object_uuid": object,
                "aux_id": 0, "aux_uuid": "", "aux_info": "", "location": location,
                "session": {"uuid": id_of('S', index), "login_time": world.hours_ago(idle + hours).to_string(),
                            "device_uuid": id_of('D', index), "ip": "203.0.113.7"}});
            self.push("auditevents", world.hours_ago(idle + hours), entry);
        }
    }

    fn push(&mut self, log: &'static str, at: Timestamp, mut entry: Value) {
        self.made += 1;
        entry["uuid"] = id_of('E', self.made).into();
        entry["timestamp"] = at.to_string().into();
        self.logs.entry(log).or_default().push((at, entry));
    }

    pub(super) fn answer(&self, ask: &Ask, rest: &[&str]) -> Reply {
        if ask.credential("Bearer ") != self.token || self.token.is_empty() {
            return refused(401, "Unauthorized access");
        }
        match (ask.method.as_str(), rest) {
            ("GET", ["v2", "auth", "introspect"]) => {
                let body =
                    json!({"uuid": id_of('J', 0), "issued_at": "2026-01-05T09:00:00Z", "features": LOGS});
                Reply::json(200, body)
            }
            ("POST", ["v1", log]) => match LOGS.iter().find(|known| *known == log) {
                Some(log) => self.page(ask, log),
                None => refused(404, "not found"),
            },
            _ => refused(404, "not found"),
        }
    }

    /// A page from a start, or from where the cursor of the one before stands.
    fn page(&self, ask: &Ask, log: &str) -> Reply {
        let body = ask.json();
        let cursor = body["cursor"].as_str().map(|cursor| {
            let text = BASE64_STANDARD.decode(cursor).unwrap_or_default();
            serde_json::from_slice::<Value>(&text).unwrap_or(Value::Null)
        });
        let state = match cursor {
            Some(Value::Null) => return refused(400, "invalid cursor"),
            Some(state) => state,
            None if body.is_object() => body,
            None => return refused(400, "a cursor or a reset is required"),
        };
        let instant = |name: &str| state[name].as_str().and_then(|text| text.parse::<Timestamp>().ok());
        // As the vendor: without a start it is the last hour.
        let end = instant("end_time").unwrap_or(ask.at);
        let start = instant("start_time").unwrap_or_else(|| end.minus(Duration::from_secs(3600)));
        let limit = state["limit"].as_u64().unwrap_or(100);
        if !(1..=1000).contains(&limit) {
            return refused(400, "limit is 1 to 1000");
        }
        let mut all: Vec<&(Timestamp, Value)> =
            self.logs.get(log).into_iter().flatten().filter(|(at, _)| (start..=end).contains(at)).collect();
        all.sort_by_key(|(at, _)| *at);
        let all: Vec<&Value> = all.into_iter().map(|(_, entry)| entry).collect();
        let at = usize::try_from(state["at"].as_u64().unwrap_or(0)).unwrap_or(0);
        let size = usize::try_from(limit).unwrap_or(PAGE).min(PAGE);
        let (page, next) = slice(&all, at, size);
        let state = json!({"start_time": start.to_string(), "end_time": end.to_string(), "limit": limit,
                           "at": next.unwrap_or(all.len())});
        let cursor = BASE64_STANDARD.encode(state.to_string());
        Reply::json(200, json!({"cursor": cursor, "has_more": next.is_some(), "items": page}))
    }
}

fn refused(status: u16, message: &str) -> Reply {
    Reply::json(status, json!({"Error": {"Message": message}}))
}
