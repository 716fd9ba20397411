//! A firewall's stand-in, which speaks both FortiOS's REST API and PAN-OS's XML API over the same users, groups and
//! tunnels. A client whose account works dials in again as soon as its tunnel is ended.

mod panos;

use crate::{
    credentials::{Maker, pairs},
    people::SamplePerson,
    twin::{AccountView, Ask, Reply, Twin, World, slice},
};
use panos::Job;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const ID: &str = "vpn";
/// Entries per page: small, so that every list of the sample data has more than one.
const PAGE: usize = 2;
const GATEWAYS: [&str; 2] = ["Berlin", "Lisbon"];
const ADMINISTRATOR: &str = "leaver";

struct User {
    name: String,
    email: String,
    enabled: bool,
    fortitoken: Option<String>,
}

/// A live connection: whose, from where, at which gateway.
#[derive(Clone)]
struct Session {
    user: String,
    host: String,
    gateway: &'static str,
}

/// A line of the log.
struct Line {
    user: String,
    at: leaver_domain::time::Timestamp,
    up: bool,
    country: String,
}

struct Vpn {
    token: String,
    users: Vec<User>,
    groups: Vec<(String, Vec<String>)>,
    peers: Vec<(String, String)>,
    ssl: Vec<Session>,
    /// Dial-up tunnels: name and user.
    ipsec: Vec<(String, String)>,
    log: Vec<Line>,
    /// PAN-OS: changes that nobody has committed.
    candidate: Vec<panos::Change>,
    jobs: Vec<Job>,
    dialled: usize,
}

/// The credentials that leaver presents here.
pub(crate) fn settings(base: &str, make: &mut Maker) -> BTreeMap<String, String> {
    pairs([
        ("base_url", base.to_owned()),
        ("product", "fortios".to_owned()),
        ("api_token", make.token("fw")),
        ("administrator", ADMINISTRATOR.to_owned()),
        ("gateways", GATEWAYS.join(", ")),
    ])
}

/// The stand-in with the sample people.
pub(crate) fn twin(world: &World) -> Box<dyn Twin> {
    let mut vpn = Vpn {
        token: world.setting(ID, "api_token"),
        users: Vec::new(),
        groups: Vec::new(),
        peers: Vec::new(),
        ssl: Vec::new(),
        ipsec: Vec::new(),
        log: Vec::new(),
        candidate: Vec::new(),
        jobs: Vec::new(),
        dialled: 0,
    };
    for (index, sample) in world.people_in(ID).enumerate() {
        vpn.add(world, sample, index);
    }
    Box::new(vpn)
}

impl Vpn {
    fn add(&mut self, world: &World, sample: &SamplePerson, index: usize) {
        let person = &sample.person;
        let name = person.username.to_string();
        for group in ["vpn-users", "wifi-users", person.department.as_str()] {
            match self.groups.iter_mut().find(|(known, _)| known == group) {
                Some((_, members)) => members.push(name.clone()),
                None => self.groups.push((group.to_owned(), vec![name.clone()])),
            }
        }
        if sample.is_engineer() {
            self.ipsec.push((format!("dial-in_{index}"), name.clone()));
            // Three of them are enough for a second page.
            if self.peers.len() < 3 {
                self.peers.push((format!("{name}-laptop"), person.email.clone()));
            }
        }
        for number in 0..2 {
            let gateway = GATEWAYS[(index + number) % GATEWAYS.len()];
            let host = format!("198.51.100.{}", (index * 2 + number) % 250 + 1);
            self.ssl.push(Session { user: name.clone(), host, gateway });
        }
        let idle = sample.traits.idle_days.unwrap_or(1) * 24;
        for (hours, up) in [(idle, true), (idle + 24, false), (idle + 48, true)] {
            let (at, country) = (world.hours_ago(hours), sample.country.clone());
            self.log.push(Line { user: name.clone(), at, up, country });
        }
        self.users.push(User {
            name,
            email: sample.email_in(ID).to_owned(),
            enabled: true,
            fortitoken: sample.is_engineer().then(|| format!("FTKMOB{index:010}")),
        });
    }

    fn works(&self, user: &str) -> bool {
        self.users.iter().any(|known| known.name == user && known.enabled)
    }

    /// Ends an SSL VPN session. Its client dials in again where the account works.
    fn drop_session(&mut self, index: usize) {
        let session = self.ssl.remove(index);
        if self.works(&session.user) {
            self.dialled += 1;
            let host = format!("203.0.113.{}", self.dialled % 250 + 1);
            self.ssl.push(Session { host, ..session });
        }
    }

    fn set_member(&mut self, group: &str, user: &str, on: bool) -> bool {
        let Some((_, members)) = self.groups.iter_mut().find(|(name, _)| name == group) else { return false };
        let is_member = members.iter().any(|member| member == user);
        members.retain(|member| member != user);
        if on {
            members.push(user.to_owned());
        }
        is_member != on
    }

    fn user_json(user: &User) -> Value {
        json!({"name": user.name, "q_origin_key": user.name, "type": "password", "email-to": user.email,
               "status": if user.enabled { "enable" } else { "disable" },
               "two-factor": if user.fortitoken.is_some() { "fortitoken" } else { "disable" },
               "fortitoken": user.fortitoken.clone().unwrap_or_default(), "passwd": "ENC XXXX"})
    }

    fn table(&self, ask: &Ask, name: &str) -> Reply {
        let members = |members: &[String]| -> Vec<Value> {
            members.iter().map(|name| json!({"name": name, "q_origin_key": name})).collect()
        };
        let all: Vec<Value> = match name {
            "local" => self.users.iter().map(Self::user_json).collect(),
            "group" => {
                let group = |(name, of): &(String, Vec<String>)| json!({"name": name, "q_origin_key": name, "group-type": "firewall", "member": members(of)});
                self.groups.iter().map(group).collect()
            }
            "peer" => {
                let peer = |(name, cn): &(String, String)| json!({"name": name, "q_origin_key": name, "ca": "Company_CA", "cn": cn, "cn-type": "email"});
                self.peers.iter().map(peer).collect()
            }
            _ => return error(ask, 404, -3),
        };
        let number = |name: &str, otherwise| ask.param(name).parse().unwrap_or(otherwise);
        // The wide table of local users would make hundreds of pages: it is cut less.
        let most = if name == "local" { 25 } else { PAGE };
        let (page, _) = slice(&all, number("start", 0), number("count", most).clamp(1, most));
        let wanted: Vec<&str> = ask.param("format").split('|').filter(|field| !field.is_empty()).collect();
        let cut = |mut entry: Value| {
            if let Some(fields) = entry.as_object_mut().filter(|_| !wanted.is_empty()) {
                fields.retain(|field, _| wanted.contains(&field.as_str()) || field == "q_origin_key");
            }
            entry
        };
        let mut body = envelope(ask, 200);
        body["size"] = json!(all.len());
        body["matched_count"] = json!(page.len());
        body["results"] = page.into_iter().map(cut).collect();
        Reply::json(200, body)
    }

    fn configuration(&mut self, ask: &Ask, rest: &[&str]) -> Reply {
        let body = ask.json();
        match (ask.method.as_str(), rest) {
            ("GET", ["user", table]) => self.table(ask, table),
            ("PUT", ["user", "local", name]) => {
                let status = body["status"].as_str().unwrap_or_default().to_owned();
                let user = self.users.iter_mut().find(|user| user.name == *name);
                match (user, status.as_str()) {
                    (None, _) => error(ask, 404, -3),
                    (Some(user), "enable" | "disable") => {
                        user.enabled = status == "enable";
                        done(ask)
                    }
                    _ => error(ask, 500, -651),
                }
            }
            ("POST", ["user", "group", group, "member"]) => {
                let name = body["name"].as_str().unwrap_or_default();
                let known = self.users.iter().any(|user| user.name == name);
                if !known || !self.groups.iter().any(|(known, _)| known == group) {
                    return error(ask, 404, -3);
                }
                // -5: the entry exists already.
                if self.set_member(group, name, true) { done(ask) } else { error(ask, 500, -5) }
            }
            ("DELETE", ["user", "group", group, "member", name]) => {
                if self.set_member(group, name, false) {
                    done(ask)
                } else {
                    error(ask, 404, -3)
                }
            }
            _ => error(ask, 404, -1),
        }
    }

    fn monitor(&mut self, ask: &Ask, rest: &[&str]) -> Reply {
        let body = ask.json();
        match (ask.method.as_str(), rest) {
            ("GET", ["vpn", "ssl"]) => {
                let session = |(index, session): (usize, &Session)| {
                    json!({"index": index, "user_name": session.user, "remote_host": session.host,
                           "last_login": "Mon Feb  2 09:00:00 2026", "duration": 3600, "two_factor_auth": 1,
                           "subsessions": [{"index": 0, "parent": index.to_string(), "mode": "Tunnel",
                                            "type": "subsession", "aip": format!("10.212.134.{}", index % 250)}]})
                };
                results(ask, self.ssl.iter().enumerate().map(session).collect())
            }
            ("GET", ["vpn", "ipsec"]) => {
                let tunnel = |(name, user): &(String, String)| {
                    json!({"name": name, "parent": "dial-in", "username": user, "type": "dialup", "rgwy": "198.51.100.9",
                           "wizard-type": "dialup-forticlient", "connection_count": 1,
                           "proxyid": [{"status": "up", "p2name": "dial-in", "p2serial": 1, "expire": 3000}]})
                };
                results(ask, self.ipsec.iter().map(tunnel).collect())
            }
            ("POST", ["vpn", "ssl", "delete"]) => {
                let index = body["index"].as_u64().and_then(|index| usize::try_from(index).ok());
                match index.filter(|index| *index < self.ssl.len()) {
                    Some(index) if body["type"] == "websession" => {
                        self.drop_session(index);
                        done(ask)
                    }
                    _ => error(ask, 500, -1),
                }
            }
            ("POST", ["vpn", "ssl", "clear_tunnel"]) => {
                self.ssl.clear();
                done(ask)
            }
            ("POST", ["vpn", "ipsec", "tunnel_down"]) => {
                let named = |(name, _): &(String, String)| body["p1name"] == **name;
                let Some(at) = self.ipsec.iter().position(named).filter(|_| body["p2name"] == "dial-in")
                else {
                    return error(ask, 404, -1);
                };
                let (name, user) = self.ipsec.remove(at);
                if self.works(&user) {
                    self.ipsec.push((name, user));
                }
                done(ask)
            }
            _ => error(ask, 404, -1),
        }
    }

    fn fortios_log(&self, ask: &Ask) -> Reply {
        let wanted = ask.param("filter").strip_prefix("user==").unwrap_or_default();
        let line = |line: &Line| {
            json!({"eventtime": line.at.seconds() * 1_000_000_000, "type": "event", "subtype": "vpn", "user": line.user,
                   "action": if line.up { "tunnel-up" } else { "ssl-login-fail" }, "tunnelid": 1,
                   "srccountry": line.country})
        };
        let all: Vec<Value> = self.log.iter().filter(|line| line.user == wanted).map(line).collect();
        let number = |name: &str| ask.param(name).parse::<usize>().unwrap_or(0);
        // The first search is not done at once.
        let searching = ask.param("session_id").is_empty() && number("start") == 0;
        let (page, _) = slice(&all, number("start"), PAGE);
        let mut body = envelope(ask, 200);
        body["session_id"] = json!(7);
        body["completed"] = json!(if searching { 20 } else { 100 });
        body["total_lines"] = json!(if searching { 0 } else { all.len() });
        body["results"] = if searching { json!([]) } else { Value::Array(page) };
        Reply::json(200, body)
    }
}

impl Twin for Vpn {
    fn answer(&mut self, ask: &Ask) -> Reply {
        let path = ask.segments();
        let rest = match path.as_slice() {
            ["api"] => return self.xml_api(ask),
            ["api", "v2", rest @ ..] => rest,
            _ => return error(ask, 404, -1),
        };
        if ask.credential("Bearer ") != self.token || self.token.is_empty() {
            return error(ask, 401, -1);
        }
        match rest {
            ["cmdb", rest @ ..] => self.configuration(ask, rest),
            ["monitor", rest @ ..] => self.monitor(ask, rest),
            ["log", "disk", "event", "vpn"] if ask.method == "GET" => self.fortios_log(ask),
            _ => error(ask, 404, -1),
        }
    }

    fn account(&self, username: &str) -> AccountView {
        let Some(user) = self.users.iter().find(|user| user.name == username) else {
            return AccountView::default();
        };
        let ssl = self.ssl.iter().filter(|session| session.user == username).map(|one| one.host.clone());
        let ipsec = self.ipsec.iter().filter(|(_, of)| of == username).map(|(name, _)| name.clone());
        let groups = self.groups.iter().filter(|(_, members)| members.iter().any(|name| name == username));
        // Neither password nor second factor opens anything while the user is disabled.
        let password = user.enabled.then(|| "password".to_owned());
        AccountView {
            exists: true,
            active: user.enabled,
            sessions: ssl.chain(ipsec).collect(),
            credentials: password
                .into_iter()
                .chain(user.fortitoken.clone().filter(|_| user.enabled))
                .collect(),
            grants: groups.map(|(name, _)| name.clone()).collect(),
        }
    }
}

fn envelope(ask: &Ask, status: u16) -> Value {
    json!({"http_method": ask.method, "vdom": "root", "status": if status == 200 { "success" } else { "error" },
           "http_status": status, "serial": "FGVMEV0000000000", "version": "v7.4.8", "build": 2795})
}

fn done(ask: &Ask) -> Reply {
    Reply::json(200, envelope(ask, 200))
}

fn results(ask: &Ask, all: Vec<Value>) -> Reply {
    let mut body = envelope(ask, 200);
    body["results"] = Value::Array(all);
    Reply::json(200, body)
}

fn error(ask: &Ask, status: u16, code: i32) -> Reply {
    let mut body = envelope(ask, status);
    body["error"] = json!(code);
    Reply::json(status, body)
}
