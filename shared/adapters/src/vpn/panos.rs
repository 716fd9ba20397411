//! PAN-OS by its XML API: `config` changes the candidate configuration, `commit` puts it in force, `op` asks and does.
//!
//! A change is nothing before its commit, and a commit is a job that takes a minute or more. What is read here is always
//! the configuration in force (`show`), never the candidate (`get`). Only the changes of leaver's own administrator are
//! committed: another one's unfinished work stays a candidate. A job that has not ended within the invocation goes on, and
//! a later read tells.
//!
//! The API answers 200 to most refusals, and says in the document what became of a call.

mod xml;

use super::{Firewall, Local, pause, roster};
use crate::{
    Missing,
    auth::Auth,
    http::{Reader, Writer},
    settings::Settings,
};
use async_trait::async_trait;
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::{Credential, CredentialKind},
    plan::Outcome,
    risk::{Activity, ActivityEvent, ActivityKind},
    roster::{Mark, Page},
    time::Timestamp,
};
use quick_xml::escape::escape;
use reqwest::header::HeaderName;
use xml::{
    Entries, Group, GroupResult, JobResult, JobStarted, LogEntry, LogResult, LoggedIn, Nothing, User,
    UserResult, UsersResult, ask, quoted, show, tell,
};

pub(super) const CONFIGURATION: &str = "PAN-OS, XML API: Configuration";
pub(super) const OPERATION: &str = "PAN-OS, XML API: Operational Requests";
pub(super) const COMMIT: &str = "PAN-OS, XML API: Commit";
pub(super) const LOG: &str = "PAN-OS, XML API: Log";

/// Entries asked for per page of the log.
const LOG_ENTRIES: usize = 500;
/// Most pages of the log.
const LOG_PAGES: usize = 20;
/// Most looks at one job within an invocation.
const LOOKS: u32 = 40;

pub(super) struct Panos {
    administrator: String,
    gateways: Vec<String>,
    /// Where the local users are.
    users: String,
}

pub(super) fn open(settings: &Settings) -> Result<Panos, Fault> {
    let users = match settings.optional("location").as_deref() {
        None | Some("shared") => "/config/shared".to_owned(),
        Some(system) => {
            let entry = quoted(system)?;
            format!("/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name={entry}]")
        }
    };
    let gateways = settings.text("gateways")?;
    Ok(Panos {
        administrator: settings.text("administrator")?,
        gateways: gateways.split(',').map(|name| name.trim().to_owned()).collect(),
        users: format!("{users}/local-user-database"),
    })
}

pub(super) fn auth(settings: &Settings) -> Result<Auth, Fault> {
    let value = settings.secret("api_token")?.clone();
    Ok(Auth::Header { name: HeaderName::from_static("x-pan-key"), prefix: "", value })
}

/// Whether a name that a tunnel or log shows is this login, with or without its domain.
fn is(name: Option<&str>, login: &str) -> bool {
    let bare = |name: &str| name.rsplit('\\').next().unwrap_or(name).eq_ignore_ascii_case(login);
    name.is_some_and(|name| name.eq_ignore_ascii_case(login) || bare(name))
}

async fn logged_in(http: &Reader, login: &str) -> Result<Vec<LoggedIn>, Fault> {
    let cmd = "<show><global-protect-gateway><current-user/></global-protect-gateway></show>";
    let all: Option<Entries<LoggedIn>> =
        ask(http, "the list of GlobalProtect users", "op", &[("cmd", cmd)]).await?;
    let mut all = all.map(|all| all.entry).unwrap_or_default();
    all.retain(|one| is(one.username.as_deref(), login));
    Ok(all)
}

fn log_out(gateway: &str, one: &LoggedIn) -> String {
    let field = |name: &str, value: Option<&str>| match value.filter(|value| !value.is_empty()) {
        Some(value) => format!("<{name}>{}</{name}>", escape(value)),
        None => String::new(),
    };
    let domain = one.domain.as_deref().filter(|domain| *domain != "(null)");
    format!(
        "<request><global-protect-gateway><client-logout>{}{}{}<reason>force-logout</reason>{}\
         </client-logout></global-protect-gateway></request>",
        // The name of the tunnel, which is that of the gateway with this ending.
        field("gateway", Some(&format!("{gateway}-N"))),
        field("user", one.username.as_deref()),
        field("domain", domain),
        field("computer", one.computer.as_deref()),
    )
}

fn event_of(entry: &LogEntry) -> Option<ActivityEvent> {
    let failed = entry.status.as_deref() == Some("failure");
    let event = entry.eventid.as_deref().unwrap_or_default();
    let kind = match event {
        _ if failed => ActivityKind::FailedLogin,
        "gateway-connected" | "portal-auth" => ActivityKind::Login,
        _ => ActivityKind::Other,
    };
    let id = format!("{event} {}", entry.id.as_deref().unwrap_or("?"));
    let at = entry.high_res_timestamp?;
    Some(ActivityEvent { id, at, kind, country: entry.srcregion.clone(), count: 1 })
}

impl Panos {
    fn user(&self, name: &str) -> Result<String, Fault> {
        Ok(format!("{}/user/entry[@name={}]", self.users, quoted(name)?))
    }

    /// Puts leaver's own change in force, and waits for it as long as the invocation lasts.
    async fn commit(&self, http: &Writer) -> Result<Outcome, Fault> {
        let cmd = format!(
            "<commit><partial><admin><member>{}</member></admin></partial></commit>",
            escape(self.administrator.as_str())
        );
        let started: Option<JobStarted> =
            tell(http, "the commit", "commit", &[("action", "partial"), ("cmd", &cmd)]).await?;
        // Without a job there is nothing to commit: the change was in force, or is in a job that waits.
        let Some(job) = started.and_then(|started| started.job) else { return Ok(Outcome::Accepted) };
        let cmd = format!("<show><jobs><id>{}</id></jobs></show>", escape(job.as_str()));
        for round in 0..LOOKS {
            let seen: Option<JobResult> = ask(http, "the commit's job", "op", &[("cmd", &cmd)]).await?;
            match seen.map(|seen| seen.job) {
                Some(job) if job.status == "FIN" && job.result.as_deref() == Some("OK") => {
                    return Ok(Outcome::Done);
                }
                Some(job) if job.status == "FIN" => {
                    return Err(Fault::new(
                        FaultKind::Conflict,
                        "the firewall could not commit leaver's change",
                    ));
                }
                _ if !pause(http, round).await => break,
                _ => {}
            }
        }
        Ok(Outcome::Accepted)
    }

    /// Writes to the candidate configuration, and commits.
    async fn change(
        &self,
        http: &Writer,
        action: &str,
        xpath: &str,
        element: &str,
    ) -> Result<Outcome, Fault> {
        let mut fields = vec![("action", action), ("xpath", xpath)];
        if !element.is_empty() {
            fields.push(("element", element));
        }
        tell::<Nothing>(http, "a change of the configuration", "config", &fields).await?;
        self.commit(http).await
    }

    /// One page of the log: a job is started, and its result fetched.
    async fn log_page(&self, http: &Reader, login: &str, skip: usize) -> Result<Vec<LogEntry>, Fault> {
        let what = "the GlobalProtect log";
        let query = format!("( srcuser eq {} )", quoted(login)?);
        let (skip, entries) = (skip.to_string(), LOG_ENTRIES.to_string());
        let search = [
            ("log-type", "globalprotect"),
            ("query", query.as_str()),
            ("nlogs", entries.as_str()),
            ("skip", skip.as_str()),
        ];
        let started: Option<JobStarted> = ask(http, what, "log", &search).await?;
        let Some(job) = started.and_then(|started| started.job) else {
            return Err(Fault::shape("a search of the log without a job"));
        };
        for round in 0..8 {
            let fetch = [("action", "get"), ("job-id", job.as_str())];
            let found: Option<LogResult> = ask(http, what, "log", &fetch).await?;
            match found {
                Some(found) if found.job.status == "FIN" => {
                    return Ok(found.log.map(|log| log.logs.entry).unwrap_or_default());
                }
                _ if !pause(http, round).await => break,
                _ => {}
            }
        }
        Err(Fault::new(FaultKind::Unavailable, "the firewall is still searching its log"))
    }
}

#[async_trait]
impl Firewall for Panos {
    async fn local(&self, http: &Reader, login: &str, _: &str) -> Result<Option<Local>, Fault> {
        let found: Option<UserResult> = show(http, "the local user", &self.user(login)?).await?;
        let Some(user) = found.and_then(|found| found.entry) else { return Ok(None) };
        let xpath = format!("{}/user-group", self.users);
        let groups: Option<GroupResult> = show(http, "the local user groups", &xpath).await?;
        let groups = groups.and_then(|found| found.groups).map(|groups| groups.entry).unwrap_or_default();
        let is_member =
            |group: &Group| group.user.as_ref().is_some_and(|members| members.member.contains(&user.name));
        let enabled = user.disabled.as_deref() != Some("yes");
        let password = Credential {
            id: "password".to_owned(),
            kind: CredentialKind::Password,
            label: "local password".to_owned(),
            created_at: None,
            last_used: None,
            active: enabled,
        };
        Ok(Some(Local {
            groups: groups.into_iter().filter(is_member).map(|group| group.name).collect(),
            name: user.name,
            enabled,
            matched_by: "name",
            credentials: vec![password],
            assets: Vec::new(),
        }))
    }

    async fn roster(&self, http: &Reader, _: Option<&Mark>) -> Result<Page, Fault> {
        let xpath = format!("{}/user", self.users);
        let found: Option<UsersResult> = show(http, "the local users", &xpath).await?;
        let users = found.and_then(|found| found.user).map(|users| users.entry).unwrap_or_default();
        let seen = |user: User| {
            let enabled = user.disabled.as_deref() != Some("yes");
            roster::seen(user.name, None, enabled)
        };
        Ok(Page { seen: users.into_iter().map(seen).collect(), next: None })
    }

    async fn tunnels(&self, http: &Reader, login: &str) -> Result<Vec<String>, Fault> {
        let label = |one: &LoggedIn| format!("GlobalProtect from {}", one.computer.as_deref().unwrap_or("?"));
        Ok(logged_in(http, login).await?.iter().map(label).collect())
    }

    /// The list does not say at which gateway somebody is: each is asked, and the one where they are not refuses. What is
    /// left, the fresh read says.
    async fn end(&self, http: &Writer, login: &str) -> Result<Outcome, Fault> {
        for one in logged_in(http, login).await? {
            for gateway in &self.gateways {
                let cmd = log_out(gateway, &one);
                match tell::<Nothing>(http, "the log-out", "op", &[("cmd", &cmd)]).await {
                    Ok(_) => {}
                    Err(fault) if matches!(fault.kind, FaultKind::Conflict | FaultKind::NotFound) => {}
                    Err(fault) => return Err(fault),
                }
            }
        }
        Ok(Outcome::Done)
    }

    async fn enable(&self, http: &Writer, name: &str, on: bool) -> Result<Outcome, Fault> {
        let element = if on { "<disabled>no</disabled>" } else { "<disabled>yes</disabled>" };
        self.change(http, "set", &self.user(name)?, element).await
    }

    async fn join(&self, http: &Writer, group: &str, name: &str, on: bool) -> Result<Outcome, Fault> {
        let members = format!("{}/user-group/entry[@name={}]/user", self.users, quoted(group)?);
        if on {
            let element = format!("<member>{}</member>", escape(name));
            return self.change(http, "set", &members, &element).await;
        }
        self.change(http, "delete", &format!("{members}/member[text()={}]", quoted(name)?), "").await
    }

    async fn activity(&self, http: &Reader, login: &str, since: Timestamp) -> Result<Activity, Fault> {
        let mut activity = Activity { since, events: Vec::new(), incomplete: None };
        let mut read = 0;
        for _ in 0..LOG_PAGES {
            let page = self.log_page(http, login, read).await?;
            if page.is_empty() {
                return Ok(activity);
            }
            read += page.len();
            // Without an offset from UTC a time of the firewall is no instant.
            if page.iter().any(|entry| entry.high_res_timestamp.is_none()) {
                activity.incomplete = Some("PAN-OS before 10.0 logs without a time zone".to_owned());
            }
            activity.events.extend(page.iter().filter_map(event_of).filter(|event| event.at >= since));
        }
        activity.incomplete = Some(format!("only the first {read} lines of the log were read"));
        Ok(activity)
    }

    async fn missing(&self, http: &Reader) -> Result<Vec<Missing>, Fault> {
        let version = "<show><system><info/></system></show>";
        let users = format!("{}/user-group", self.users);
        let reads: [(&'static str, &str, &[(&str, &str)]); 3] = [
            (CONFIGURATION, "config", &[("action", "show"), ("xpath", &users)]),
            (OPERATION, "op", &[("cmd", version)]),
            (LOG, "log", &[("log-type", "globalprotect"), ("nlogs", "1")]),
        ];
        let mut missing = Vec::new();
        for (scope, kind, fields) in reads {
            match ask::<Nothing>(http, "a read", kind, fields).await {
                Err(fault) if fault.kind == FaultKind::PermissionMissing => {
                    missing.push(Missing { scope, shown_by: fault.detail });
                }
                Err(fault) if !matches!(fault.kind, FaultKind::NotFound | FaultKind::Conflict) => {
                    return Err(fault);
                }
                _ => {}
            }
        }
        Ok(missing)
    }

    async fn probe(&self, http: &Reader) -> Result<(), Fault> {
        let cmd = "<show><system><info/></system></show>";
        ask::<Nothing>(http, "the system's name", "op", &[("cmd", cmd)]).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_out_names_the_gateway_with_its_ending_and_escapes_the_rest() {
        let one = LoggedIn {
            domain: Some("(null)".into()),
            username: Some("john".into()),
            computer: Some("John's <Mac>".into()),
        };
        let cmd = log_out("Home", &one);
        assert!(cmd.contains("<gateway>Home-N</gateway><user>john</user><reason>"), "{cmd}");
        assert!(cmd.contains("<computer>John&apos;s &lt;Mac&gt;</computer>"), "{cmd}");
    }

    #[test]
    fn a_login_is_known_with_and_without_its_domain() {
        assert!(is(Some("CORP\\John.Doe"), "john.doe"));
        assert!(is(Some("john.doe"), "john.doe"));
        assert!(!is(Some("corp\\john"), "john.doe"));
    }
}
