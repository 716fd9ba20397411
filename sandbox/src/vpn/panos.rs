//! The XML API of PAN-OS over the same firewall: a candidate configuration, commits as jobs, GlobalProtect.

use super::{ADMINISTRATOR, Line, PAGE, Session, Vpn};
use crate::twin::{Ask, Reply, slice};
use quick_xml::escape::{escape, unescape};

/// Calls after which a job has ended.
const JOB: u32 = 3;

/// A change of the candidate configuration.
#[derive(Clone)]
pub(super) enum Change {
    /// A user is to log in, or not.
    Enable(String, bool),
    /// A group is to have a member, or not.
    Member(String, String, bool),
}

/// A commit at work.
pub(super) struct Job {
    left: u32,
    changes: Vec<Change>,
}

fn xml(status: u16, text: String) -> Reply {
    Reply { media_type: "application/xml", body: text.into_bytes(), ..Reply::empty(status) }
}

fn success(inner: &str) -> Reply {
    xml(200, format!("<response status=\"success\"><result>{inner}</result></response>"))
}

fn refused(code: &str, message: &str) -> Reply {
    xml(
        200,
        format!("<response status=\"error\" code=\"{code}\"><msg><line>{message}</line></msg></response>"),
    )
}

/// The names in an XPath's entries and texts, in order.
fn names(xpath: &str) -> Vec<String> {
    let mut rest = xpath;
    let mut all = Vec::new();
    while let Some(start) = rest.find("='").map(|at| at + 2) {
        let (name, after) = rest[start..].split_once('\'').unwrap_or_default();
        all.push(name.to_owned());
        rest = after;
    }
    all
}

/// The text of an element in a command.
fn text(cmd: &str, name: &str) -> String {
    let inner =
        cmd.split_once(&format!("<{name}>")).and_then(|(_, rest)| rest.split_once(&format!("</{name}>")));
    inner.and_then(|(text, _)| unescape(text).ok().map(|text| text.into_owned())).unwrap_or_default()
}

impl Vpn {
    pub(super) fn xml_api(&mut self, ask: &Ask) -> Reply {
        let key = ask.headers.get("x-pan-key").map_or("", String::as_str);
        if key != self.token || self.token.is_empty() {
            let text = "<response status = 'error' code = '403'><result><msg>Invalid Credential</msg></result></response>";
            return xml(403, text.to_owned());
        }
        self.work();
        let form = ask.form();
        let field = |name: &str| form.get(name).map_or("", String::as_str);
        match field("type") {
            "config" => self.xml_config(field("action"), field("xpath"), field("element")),
            "commit" => self.xml_commit(field("action"), field("cmd")),
            "op" => self.xml_op(field("cmd")),
            "log" => self.xml_log(field("action"), field("query"), field("skip"), field("job-id")),
            _ => refused("17", "unknown type"),
        }
    }

    /// Brings every job on; one that ends puts its changes in force.
    fn work(&mut self) {
        let mut changes = Vec::new();
        for job in &mut self.jobs {
            job.left = job.left.saturating_sub(1);
            if job.left == 0 {
                changes.append(&mut job.changes);
            }
        }
        for change in changes {
            match change {
                Change::Enable(name, on) => {
                    if let Some(user) = self.users.iter_mut().find(|user| user.name == name) {
                        user.enabled = on;
                    }
                }
                Change::Member(group, name, on) => {
                    self.set_member(&group, &name, on);
                }
            }
        }
    }

    fn xml_config(&mut self, action: &str, xpath: &str, element: &str) -> Reply {
        let named = names(xpath);
        let database = "/config/shared/local-user-database";
        let Some(path) = xpath.strip_prefix(database) else { return refused("6", "bad xpath") };
        match (action, named.as_slice()) {
            ("show", []) if path == "/user-group" => {
                let member = |name: &String| format!("<member>{}</member>", escape(name.as_str()));
                let entry = |(name, members): &(String, Vec<String>)| {
                    let members: String = members.iter().map(member).collect();
                    format!("<entry name=\"{}\"><user>{members}</user></entry>", escape(name.as_str()))
                };
                let groups: String = self.groups.iter().map(entry).collect();
                success(&format!("<user-group>{groups}</user-group>"))
            }
            ("show", []) if path == "/user" => {
                let entry = |user: &super::User| {
                    let disabled = if user.enabled { "" } else { "<disabled>yes</disabled>" };
                    let name = escape(user.name.as_str());
                    format!("<entry name=\"{name}\"><phash>$5$local$0</phash>{disabled}</entry>")
                };
                let users: String = self.users.iter().map(entry).collect();
                success(&format!("<user>{users}</user>"))
            }
            ("show", [name]) if path.starts_with("/user/entry") => {
                let Some(user) = self.users.iter().find(|user| user.name == *name) else {
                    let text = "<response status=\"error\"><msg><line>No such node</line></msg></response>";
                    return xml(200, text.to_owned());
                };
                let disabled = if user.enabled { "" } else { "<disabled>yes</disabled>" };
                success(&format!(
                    "<entry name=\"{}\"><phash>$5$local$0</phash>{disabled}</entry>",
                    escape(user.name.as_str())
                ))
            }
            ("set", [name]) if path.starts_with("/user/entry") => {
                self.candidate.push(Change::Enable(name.clone(), text(element, "disabled") != "yes"));
                xml(
                    200,
                    "<response status=\"success\" code=\"20\"><msg>command succeeded</msg></response>".into(),
                )
            }
            ("set", [group]) if path.starts_with("/user-group/entry") => {
                self.candidate.push(Change::Member(group.clone(), text(element, "member"), true));
                xml(
                    200,
                    "<response status=\"success\" code=\"20\"><msg>command succeeded</msg></response>".into(),
                )
            }
            ("delete", [group, name]) if path.contains("/user/member[text()=") => {
                self.candidate.push(Change::Member(group.clone(), name.clone(), false));
                xml(
                    200,
                    "<response status=\"success\" code=\"20\"><msg>command succeeded</msg></response>".into(),
                )
            }
            _ => refused("12", "Invalid object"),
        }
    }

    fn xml_commit(&mut self, action: &str, cmd: &str) -> Reply {
        // Whoever commits everything commits other people's unfinished work.
        if action != "partial" || text(cmd, "member") != ADMINISTRATOR {
            return refused("13", "a full commit is not what leaver is to do");
        }
        if self.candidate.is_empty() {
            let text = "<response status=\"success\" code=\"13\"><msg>There are no changes to commit.</msg></response>";
            return xml(200, text.to_owned());
        }
        let changes = std::mem::take(&mut self.candidate);
        self.jobs.push(Job { left: JOB, changes });
        let id = self.jobs.len();
        success(&format!("<msg><line>Commit job enqueued with jobid {id}</line></msg><job>{id}</job>"))
    }

    fn xml_op(&mut self, cmd: &str) -> Reply {
        if cmd.starts_with("<show><system>") {
            return success("<system><hostname>PA-VM</hostname><sw-version>11.1.4</sw-version></system>");
        }
        if cmd.starts_with("<show><jobs>") {
            let id: usize = text(cmd, "id").parse().unwrap_or(0);
            let Some(job) = id.checked_sub(1).and_then(|at| self.jobs.get(at)) else {
                return refused("7", "job not found");
            };
            let (status, result) = if job.left == 0 { ("FIN", "OK") } else { ("ACT", "PEND") };
            return success(&format!(
                "<job><id>{id}</id><type>Commit</type><status>{status}</status><result>{result}</result></job>"
            ));
        }
        if cmd.starts_with("<show><global-protect-gateway>") {
            let entry = |one: &Session| {
                format!(
                    "<entry><domain/><islocal>yes</islocal><username>{}</username><computer>{}</computer>\
                     <client>macOS</client><vpn-type>Device Level VPN</vpn-type><tunnel-type>SSL</tunnel-type>\
                     <login-time-utc>1770000000</login-time-utc><lifetime>2592000</lifetime></entry>",
                    escape(one.user.as_str()),
                    escape(one.host.as_str())
                )
            };
            return success(&self.ssl.iter().map(entry).collect::<String>());
        }
        self.xml_log_out(cmd)
    }

    fn xml_log_out(&mut self, cmd: &str) -> Reply {
        let (gateway, user, computer) = (text(cmd, "gateway"), text(cmd, "user"), text(cmd, "computer"));
        let at = self.ssl.iter().position(|one| {
            one.user == user && one.host == computer && gateway == format!("{}-N", one.gateway)
        });
        let Some(at) = at.filter(|_| text(cmd, "reason") == "force-logout") else {
            return refused("17", "no such user at this gateway");
        };
        self.drop_session(at);
        success(&format!(
            "<response status=\"success\"><gateway>{}</gateway><user>{}</user></response>",
            escape(gateway.as_str()),
            escape(user.as_str())
        ))
    }

    fn xml_log(&self, action: &str, query: &str, skip: &str, job: &str) -> Reply {
        // The job's id carries what was asked for.
        if action != "get" {
            let user = names(&query.replace("eq '", "='")).pop().unwrap_or_default();
            let skip = skip.parse::<usize>().unwrap_or(0);
            return success(&format!("<job>{skip}-{}</job>", escape(user.as_str())));
        }
        let Some((skip, user)) = job.split_once('-') else { return refused("7", "job not found") };
        let all: Vec<&Line> = self.log.iter().filter(|line| line.user == user).collect();
        let (page, _) = slice(&all, skip.parse().unwrap_or(0), PAGE);
        let entry = |line: &&Line| {
            format!(
                "<entry logid=\"{}\"><time_generated>2026/02/02 09:00:00</time_generated>\
                 <high_res_timestamp>{}</high_res_timestamp><eventid>{}</eventid><status>{}</status>\
                 <srcregion>{}</srcregion></entry>",
                line.at.seconds(),
                line.at,
                if line.up { "gateway-connected" } else { "gateway-auth" },
                if line.up { "success" } else { "failure" },
                line.country
            )
        };
        let entries: String = page.iter().map(entry).collect();
        success(&format!(
            "<job><status>FIN</status></job><log><logs count=\"{}\" progress=\"100\">{entries}</logs></log>",
            page.len()
        ))
    }
}
