//! Figma's stand-in: the SCIM service of one organisation, and the activity log at its own address with its own token. Whoever
//! is made inactive is removed from the organisation and stays listed; whoever is deleted is gone.

use crate::{
    credentials::{Maker, pairs},
    people::SamplePerson,
    scim::{Fate, Rules, Server, error},
    twin::{AccountView, Ask, Reply, Twin, World, slice},
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const ID: &str = "figma";
const TENANT: &str = "964615200748176016";
const EXTENSION: &str = "urn:ietf:params:scim:schemas:extension:figma:enterprise:2.0:User";
/// Workspaces and billing groups that SCIM groups are linked to, beside those of the departments.
const GROUPS: [&str; 4] = ["Brand", "Design System", "Product", "Research"];
const DEPARTMENTS: [&str; 7] = ["Engineering", "Sales", "Finance", "Support", "Security", "People", "Audit"];
/// Entries of the log per page: few enough that everybody's do not fit into one.
const PAGE: usize = 20;

struct Figma {
    token: String,
    log_token: String,
    server: Server,
    /// Oldest first.
    log: Vec<Value>,
}

/// The credentials that leaver presents here.
pub(crate) fn settings(base: &str, make: &mut Maker) -> BTreeMap<String, String> {
    pairs([
        ("base_url", format!("{base}/scim/v2/{TENANT}")),
        ("token", make.token("figma_scim_")),
        ("log_url", format!("{base}/api")),
        ("log_token", make.token("figu_")),
    ])
}

/// The stand-in with the sample people.
pub(crate) fn twin(world: &World) -> Box<dyn Twin> {
    let rules = Rules {
        filters: &["userName", "externalId"],
        inactive: Fate::Kept,
        deleted: Fate::Removed,
        terse: true,
        ..Rules::STANDARD
    };
    let mut server = Server::new(rules);
    for (number, name) in GROUPS.into_iter().chain(DEPARTMENTS).enumerate() {
        server.add_group(format!("1b5f9234-df40-4664-9767-{number:012}"), name);
    }
    let mut log = Vec::new();
    for (number, sample) in world.people_in(ID).enumerate() {
        let id = format!("97434332067{number:07}");
        let traits = &sample.traits;
        let more = json!({
            "externalId": format!("idp-{number:04}"),
            "roles": [{"type": "seatType", "value": if sample.is_engineer() { "Dev" } else { "Full" }}],
            EXTENSION: {"figmaAdmin": traits.sole_admin_of.contains(ID) || !traits.admin_of.is_empty()},
        });
        let [brand, system, product, research] = GROUPS;
        let groups = [brand, system, product, research, sample.person.department.as_str()];
        server.add(ID, sample, &id, &groups, more);
        // The others only make the log longer.
        if number < 20 {
            log.extend(events(world, sample, &id));
        }
    }
    log.sort_by_key(|event| event["timestamp"].as_i64());
    Box::new(Figma {
        token: world.setting(ID, "token"),
        log_token: world.setting(ID, "log_token"),
        server,
        log,
    })
}

fn events(world: &World, sample: &SamplePerson, id: &str) -> Vec<Value> {
    let first = sample.traits.idle_days.unwrap_or(1) * 24;
    let view = ["fig_file_view"; 3].into_iter().enumerate();
    let bulk = if sample.traits.bulk_download_in.contains(ID) { 120 } else { 0 };
    let export = std::iter::repeat_n("fig_file_export", bulk).enumerate();
    let event = |(number, kind): (usize, &str)| {
        let hours = first + u32::try_from(number % 3).unwrap_or(0) * 24;
        json!({
            "id": format!("{id}-{kind}-{number}"), "timestamp": world.hours_ago(hours).seconds(),
            "actor": {"type": "user", "id": id, "name": sample.person.name, "email": sample.email_in(ID)},
            "action": {"type": kind, "details": null},
            "entity": {"type": "file", "key": format!("file{number}"), "name": "Roadmap", "editor_type": "figma",
                       "link_access": "org_view", "proto_link_access": "inherit"},
            "context": {"client_name": null, "ip_address": "192.0.2.7", "is_figma_support_team_action": false,
                        "org_id": "1047918802483077121", "team_id": null},
        })
    };
    view.chain(export).map(event).collect()
}

fn refused(status: u16, message: &str) -> Reply {
    Reply::json(status, json!({"error": true, "status": status, "message": message}))
}

impl Figma {
    fn activity_logs(&self, ask: &Ask) -> Reply {
        if ask.credential("Bearer ") != self.log_token || self.log_token.is_empty() {
            return refused(401, "Invalid token");
        }
        let since: i64 = ask.param("start_time").parse().unwrap_or(0);
        let mut all: Vec<Value> =
            self.log.iter().filter(|event| event["timestamp"].as_i64() >= Some(since)).cloned().collect();
        match ask.param("order") {
            "desc" => all.reverse(),
            "" | "asc" => {}
            _ => return refused(400, "Invalid order"),
        }
        let limit = ask.param("limit").parse().unwrap_or(PAGE).min(PAGE);
        let start = ask.param("cursor").parse().unwrap_or(0);
        let (page, next) = slice(&all, start, limit);
        let cursor = next.unwrap_or(all.len()).to_string();
        let meta = json!({"activity_logs": page, "cursor": cursor, "next_page": next.is_some()});
        Reply::json(200, json!({"status": 200, "error": false, "meta": meta}))
    }
}

fn held(user: &Map<String, Value>) -> Vec<String> {
    let seat = user.get("roles").and_then(|roles| roles[0]["value"].as_str());
    let admin = user.get(EXTENSION).is_some_and(|of| of["figmaAdmin"] == json!(true));
    let seat = seat.filter(|seat| *seat != "View").map(|seat| format!("{seat} seat"));
    seat.into_iter().chain(admin.then(|| "organisation administrator".to_owned())).collect()
}

impl Twin for Figma {
    fn answer(&mut self, ask: &Ask) -> Reply {
        let path = ask.segments();
        if path == ["api", "v1", "activity_logs"] && ask.method == "GET" {
            return self.activity_logs(ask);
        }
        let ["scim", "v2", TENANT, path @ ..] = path.as_slice() else { return error(404, None, "Not found") };
        if ask.credential("Bearer ") != self.token || self.token.is_empty() {
            return error(401, None, "Invalid token");
        }
        self.server.answer(ask, path)
    }

    fn account(&self, username: &str) -> AccountView {
        self.server.account(username, held)
    }
}
