//! FortiOS by its REST API: `cmdb` is the configuration, in force as soon as it is written; `monitor` what is live.
//!
//! `vpn/ssl/clear_tunnel` is never called: it ends the tunnels of everybody in the virtual domain. Sessions are known by
//! their place in a list that changes, so they are read again right before they are ended, and the last goes first: those
//! before it keep their places. Lists name the fields that are wanted, so that password hashes never leave the firewall.

use super::{Firewall, Local, pause, roster};
use crate::{
    Missing,
    auth::Auth,
    http::{Command, Query, Reader, Writer},
    missing_by_reads, page,
    settings::Settings,
};
use async_trait::async_trait;
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::{Asset, Credential, CredentialKind, MAX_ENTRIES, Next},
    plan::Outcome,
    risk::{Activity, ActivityEvent, ActivityKind},
    roster::{Mark, Page as Roster},
    time::Timestamp,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

pub(super) const USERS: &str = "FortiOS, User & Device: read and write";
pub(super) const TUNNELS: &str = "FortiOS, VPN: read and write";
pub(super) const LOG: &str = "FortiOS, Log & Report: read";

/// Entries asked for per page of a list.
const COUNT: usize = 500;
/// Most pages of the log.
const LOG_PAGES: usize = 20;

pub(super) struct Fortios {
    vdom: String,
    log_device: String,
}

pub(super) fn open(settings: &Settings) -> Fortios {
    Fortios {
        vdom: settings.optional("vdom").unwrap_or_else(|| "root".to_owned()),
        log_device: settings.optional("log_device").unwrap_or_else(|| "disk".to_owned()),
    }
}

pub(super) fn auth(settings: &Settings) -> Result<Auth, Fault> {
    settings.secret("api_token").map(|token| Auth::bearer(token.clone()))
}

#[derive(Deserialize)]
struct Page<T> {
    results: Vec<T>,
    /// How many entries the whole table has; older versions do not tell.
    size: Option<usize>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct User {
    name: String,
    status: Option<String>,
    r#type: Option<String>,
    two_factor: Option<String>,
    fortitoken: Option<String>,
    email_to: Option<String>,
}

#[derive(Deserialize)]
struct Group {
    name: String,
    #[serde(default)]
    member: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct Peer {
    name: String,
    cn: Option<String>,
}

#[derive(Deserialize)]
struct SslSession {
    index: u64,
    user_name: Option<String>,
    remote_host: Option<String>,
}

#[derive(Deserialize)]
struct IpsecTunnel {
    name: String,
    #[serde(alias = "xauth_user")]
    username: Option<String>,
    #[serde(default)]
    proxyid: Vec<Proxy>,
}

#[derive(Deserialize)]
struct Proxy {
    status: Option<String>,
    p2name: String,
    p2serial: Option<u64>,
}

#[derive(Deserialize)]
struct LogPage {
    #[serde(default)]
    results: Vec<LogLine>,
    session_id: Option<u64>,
    completed: Option<u64>,
    total_lines: Option<usize>,
}

#[derive(Deserialize)]
struct LogLine {
    eventtime: Option<Value>,
    action: Option<String>,
    tunnelid: Option<Value>,
    srccountry: Option<String>,
    user: Option<String>,
}

/// A log line's instant: seconds in old versions, nanoseconds in new ones, as number or text.
fn instant(time: &Value) -> Option<Timestamp> {
    let number = time.as_i64().or_else(|| time.as_str()?.parse().ok())?;
    // By the number of digits that an instant of this century has in each unit.
    let millis = match number.checked_ilog10()? {
        ..11 => number.checked_mul(1000)?,
        11..14 => number,
        14..17 => number / 1000,
        _ => number / 1_000_000,
    };
    Timestamp::from_millis(millis)
}

fn event_of(line: LogLine, place: usize) -> Option<ActivityEvent> {
    let at = line.eventtime.as_ref().and_then(instant)?;
    let action = line.action.unwrap_or_default();
    let kind = match action.as_str() {
        "tunnel-up" | "ssl-login" => ActivityKind::Login,
        "ssl-login-fail" | "auth-failure" | "negotiate-error" => ActivityKind::FailedLogin,
        _ => ActivityKind::Other,
    };
    let tunnel = line.tunnelid.map_or_else(|| place.to_string(), |id| id.to_string());
    Some(ActivityEvent {
        id: format!("{action} {tunnel} {}", at.seconds()),
        at,
        kind,
        country: line.srccountry,
        count: 1,
    })
}

fn is(name: Option<&str>, login: &str) -> bool {
    name.is_some_and(|name| name.eq_ignore_ascii_case(login))
}

fn credential(id: &str, kind: CredentialKind, label: String, active: bool) -> Credential {
    Credential { id: id.to_owned(), kind, label, created_at: None, last_used: None, active }
}

/// What the user logs in with. All of it opens nothing while the user is disabled.
fn credentials(user: &User, enabled: bool) -> Vec<Credential> {
    let mut all = Vec::new();
    match user.r#type.as_deref() {
        Some("password") | None => {
            all.push(credential("password", CredentialKind::Password, "local password".to_owned(), enabled));
        }
        Some(other) => {
            let label = format!("password, checked by {other}");
            all.push(credential("password", CredentialKind::Password, label, enabled));
        }
    }
    if let Some(kind) = user.two_factor.as_deref().filter(|kind| *kind != "disable") {
        let serial = user.fortitoken.as_deref().unwrap_or_default();
        let label = format!("second factor {kind} {serial}").trim_end().to_owned();
        all.push(credential("two-factor", CredentialKind::Factor, label, enabled));
    }
    all
}

impl Fortios {
    fn get<'a>(&self, path: impl IntoIterator<Item = &'a str>) -> Query {
        Query::get(["api", "v2"].into_iter().chain(path)).query("vdom", &self.vdom)
    }

    /// A table of the configuration to its end.
    async fn table<T: DeserializeOwned>(
        &self,
        http: &Reader,
        path: [&'static str; 2],
        fields: &str,
    ) -> Result<Vec<T>, Fault> {
        let mut all = Vec::new();
        for _ in 0..page::MAX_PAGES {
            let query = self.get(["cmdb"].into_iter().chain(path)).query("format", fields);
            let answer = http.ask(query.query("start", all.len()).query("count", COUNT)).await?;
            let page: Page<T> = answer.json()?;
            let read = page.results.len();
            all.extend(page.results);
            if read == 0 || page.size.is_some_and(|size| all.len() >= size) {
                return Ok(all);
            }
            if all.len() > MAX_ENTRIES {
                break;
            }
        }
        Err(Fault::shape(format!("the firewall's {} is longer than {MAX_ENTRIES} entries", path.join("/"))))
    }

    /// What is live. Versions without SSL VPN do not know its list.
    async fn live<T: DeserializeOwned>(&self, http: &Reader, kind: &str) -> Result<Vec<T>, Fault> {
        match http.find(self.get(["monitor", "vpn", kind])).await? {
            Some(answer) => answer.json::<Page<T>>().map(|page| page.results),
            None => Ok(Vec::new()),
        }
    }

    async fn ssl(&self, http: &Reader, login: &str) -> Result<Vec<SslSession>, Fault> {
        let mut all: Vec<SslSession> = self.live(http, "ssl").await?;
        all.retain(|session| is(session.user_name.as_deref(), login));
        all.sort_by_key(|session| std::cmp::Reverse(session.index));
        Ok(all)
    }

    async fn ipsec(&self, http: &Reader, login: &str) -> Result<Vec<IpsecTunnel>, Fault> {
        let mut all: Vec<IpsecTunnel> = self.live(http, "ipsec").await?;
        all.retain(|tunnel| is(tunnel.username.as_deref(), login));
        Ok(all)
    }

    async fn log_page(&self, http: &Reader, login: &str, start: usize) -> Result<LogPage, Fault> {
        let query = self
            .get(["log", self.log_device.as_str(), "event", "vpn"])
            .query("filter", format!("user=={login}"))
            .query("rows", COUNT)
            .query("start", start);
        let mut page: LogPage = http.ask(query.clone()).await?.json()?;
        // The firewall searches in the background and says how far it is.
        for round in 0.. {
            let Some(session) = page.session_id.filter(|_| page.completed.is_some_and(|done| done < 100))
            else {
                break;
            };
            if round > 6 || !pause(http, round).await {
                return Err(Fault::new(FaultKind::Unavailable, "the firewall is still searching its log"));
            }
            page = http.ask(query.clone().query("session_id", session)).await?.json()?;
        }
        Ok(page)
    }
}

#[async_trait]
impl Firewall for Fortios {
    async fn local(&self, http: &Reader, login: &str, email: &str) -> Result<Option<Local>, Fault> {
        let fields = "name|status|type|two-factor|fortitoken|email-to";
        let mut all: Vec<User> = self.table(http, ["user", "local"], fields).await?;
        all.retain(|user| is(Some(&user.name), login) || is(user.email_to.as_deref(), email));
        let Some(user) = all.pop() else { return Ok(None) };
        if !all.is_empty() {
            let detail = format!("{} local users carry this person's login or e-mail", all.len() + 1);
            return Err(Fault::new(FaultKind::Ambiguous, detail));
        }
        let groups: Vec<Group> = self.table(http, ["user", "group"], "name|member").await?;
        let peers: Vec<Peer> = self.table(http, ["user", "peer"], "name|cn").await?;
        let is_member = |group: &Group| group.member.iter().any(|member| member.name == user.name);
        let is_theirs = |peer: &Peer| {
            let cn = peer.cn.as_deref();
            is(Some(&peer.name), login) || is(cn, login) || is(cn, email)
        };
        let asset = |peer: Peer| Asset {
            id: format!("peer|{}", peer.name),
            kind: "certificate_user".to_owned(),
            name: format!("PKI user {}", peer.name),
            live_automation: false,
            next: Next::Task,
        };
        let enabled = user.status.as_deref() != Some("disable");
        Ok(Some(Local {
            enabled,
            matched_by: if is(Some(&user.name), login) { "name" } else { "e-mail" },
            credentials: credentials(&user, enabled),
            groups: groups.into_iter().filter(is_member).map(|group| group.name).collect(),
            assets: peers.into_iter().filter(is_theirs).map(asset).collect(),
            name: user.name,
        }))
    }

    async fn roster(&self, http: &Reader, from: Option<&Mark>) -> Result<Roster, Fault> {
        let start: usize = from.and_then(|mark| mark.0.parse().ok()).unwrap_or(0);
        let query = self.get(["cmdb", "user", "local"]).query("format", "name|status|email-to");
        let answer = http.ask(query.query("start", start).query("count", COUNT)).await?;
        let page: Page<User> = answer.json()?;
        let read = start + page.results.len();
        // Older versions do not tell how many there are: there it is over where a page is empty.
        let more = !page.results.is_empty() && page.size.is_none_or(|size| read < size);
        let seen = |user: User| {
            let enabled = user.status.as_deref() != Some("disable");
            roster::seen(user.name, user.email_to, enabled)
        };
        page::of_roster(page.results.into_iter().map(seen).collect(), more.then(|| read.to_string()), from)
    }

    async fn tunnels(&self, http: &Reader, login: &str) -> Result<Vec<String>, Fault> {
        let (ssl, ipsec) = tokio::try_join!(self.ssl(http, login), self.ipsec(http, login))?;
        let ssl = ssl.iter().map(|session| {
            format!("ssl {} from {}", session.index, session.remote_host.as_deref().unwrap_or("?"))
        });
        Ok(ssl.chain(ipsec.iter().map(|tunnel| format!("ipsec {}", tunnel.name))).collect())
    }

    async fn end(&self, http: &Writer, login: &str) -> Result<Outcome, Fault> {
        let monitor = |path: [&'static str; 2]| {
            let all = ["api", "v2", "monitor", "vpn"].into_iter().chain(path);
            Command::post(all).query("vdom", &self.vdom)
        };
        for session in self.ssl(http, login).await? {
            let body = json!({"type": "websession", "index": session.index});
            http.tell(monitor(["ssl", "delete"]).json(body)).await?;
        }
        for tunnel in self.ipsec(http, login).await? {
            let up = tunnel.proxyid.iter().filter(|proxy| proxy.status.as_deref() != Some("down"));
            for proxy in up {
                let body = json!({"p1name": tunnel.name, "p2name": proxy.p2name, "p2serial": proxy.p2serial});
                http.tell(monitor(["ipsec", "tunnel_down"]).json(body)).await?;
            }
        }
        Ok(Outcome::Done)
    }

    async fn enable(&self, http: &Writer, name: &str, on: bool) -> Result<Outcome, Fault> {
        let status = if on { "enable" } else { "disable" };
        let call = Command::put(["api", "v2", "cmdb", "user", "local", name]).query("vdom", &self.vdom);
        http.tell(call.json(json!({"status": status}))).await.map(|_| Outcome::Done)
    }

    /// By the table of members, one entry at a time: writing the whole list would undo what somebody else just changed.
    async fn join(&self, http: &Writer, group: &str, name: &str, on: bool) -> Result<Outcome, Fault> {
        let members = ["api", "v2", "cmdb", "user", "group", group, "member"];
        let call = match on {
            true => Command::post(members).json(json!({"name": name})),
            false => Command::delete(members.into_iter().chain([name])),
        };
        http.tell(call.query("vdom", &self.vdom)).await.map(|_| Outcome::Done)
    }

    async fn activity(&self, http: &Reader, login: &str, since: Timestamp) -> Result<Activity, Fault> {
        let mut activity = Activity { since, events: Vec::new(), incomplete: None };
        let mut read = 0;
        for _ in 0..LOG_PAGES {
            let page = self.log_page(http, login, read).await?;
            let lines = page.results.len();
            let numbered = page.results.into_iter().enumerate();
            // A login could read as more than one in the filter: whose line it is, the line says.
            let events = numbered
                .filter(|(_, line)| is(line.user.as_deref(), login))
                .filter_map(|(at, line)| event_of(line, read + at));
            activity.events.extend(events.filter(|event| event.at >= since));
            read += lines;
            if lines == 0 || page.total_lines.is_some_and(|total| read >= total) {
                return Ok(activity);
            }
        }
        activity.incomplete = Some(format!("only the first {read} lines of the log were read"));
        Ok(activity)
    }

    async fn missing(&self, http: &Reader) -> Result<Vec<Missing>, Fault> {
        let reads = [
            (USERS, self.get(["cmdb", "user", "local"]).query("format", "name").query("count", 1)),
            (TUNNELS, self.get(["monitor", "vpn", "ipsec"])),
            (LOG, self.get(["log", self.log_device.as_str(), "event", "vpn"]).query("rows", 1)),
        ];
        missing_by_reads(http, reads).await
    }

    async fn probe(&self, http: &Reader) -> Result<(), Fault> {
        let query = self.get(["cmdb", "user", "local"]).query("format", "name").query("count", 1);
        http.ask(query).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_line_tells_its_instant_in_whatever_unit_its_version_writes() {
        let at = instant(&json!(1_767_225_600)).unwrap();
        for same in
            [json!("1767225600"), json!(1_767_225_600_000_000_000_i64), json!(1_767_225_600_000_000_i64)]
        {
            assert_eq!(instant(&same), Some(at));
        }
        assert_eq!(instant(&json!("yesterday")), None);
    }

    #[test]
    fn a_second_factor_is_named_with_its_serial_number() {
        let user: User = serde_json::from_value(json!({"name": "john", "type": "ldap",
            "two-factor": "fortitoken", "fortitoken": "FTKMOB1"}))
        .unwrap();
        let labels: Vec<String> = credentials(&user, true).into_iter().map(|c| c.label).collect();
        assert_eq!(labels, ["password, checked by ldap", "second factor fortitoken FTKMOB1"]);
    }
}
