//! `leaver extend`, `grant`, `exception`, `break-glass`, `restore`, `hold` and `access`: what is asked for about a person,
//! and what they have. What somebody has to decide about first ends with the exit code that says so.

use super::print;
use clap::{Args, Subcommand, ValueEnum};
use leaver_cli::{
    Exit, Failure,
    api::{Client, segment},
    show,
};
use leaver_domain::{id::Username, time::Timestamp};
use serde_json::{Value, json};

#[derive(Debug, Subcommand)]
pub(crate) enum Measure {
    /// Let a contract end later.
    Extend(Extend),
    /// Give permissions for a time.
    Grant(Grant),
    /// Except somebody from a rule, for a time.
    Exception(Except),
    /// Give back for at most a day what was taken, in an emergency.
    BreakGlass(BreakGlass),
    /// Give back what was taken by mistake.
    Restore(Restore),
    /// Give somebody who is hired anew what their role needs, out of what they had.
    Rehire(Rehire),
    /// Place somebody under a legal hold, or ask for its release.
    Hold(Hold),
    /// Show what somebody has, and what is asked for about them.
    Access(Access),
}

#[derive(Debug, Args)]
pub(crate) struct Extend {
    /// Whose contract: the login name or the HRIS's number.
    #[arg(long)]
    user: String,
    /// By how much, such as 30d or 2w.
    #[arg(long, required_unless_present = "until", conflicts_with = "until", value_name = "DURATION")]
    by: Option<String>,
    /// The last day, such as 2026-06-30.
    #[arg(long, value_name = "DATE")]
    until: Option<String>,
    /// Why.
    #[arg(long)]
    reason: String,
}

#[derive(Debug, Args)]
pub(crate) struct Rehire {
    /// Who: the login name or the HRIS's number.
    #[arg(long)]
    user: String,
    /// Why.
    #[arg(long, default_value = "rehire")]
    reason: String,
}

#[derive(Debug, Args)]
pub(crate) struct Grant {
    /// To whom: the login name or the HRIS's number.
    #[arg(long)]
    user: String,
    /// Which, each as system:permission, such as okta:00g1.
    #[arg(long, required = true, value_delimiter = ',', value_name = "SYSTEM:NAME,...")]
    permissions: Vec<String>,
    #[command(flatten)]
    end: Ending,
    /// Why.
    #[arg(long, default_value = "temporary access")]
    reason: String,
}

/// When it ends.
#[derive(Debug, Args)]
struct Ending {
    /// For how long, such as 2h or 7d.
    #[arg(
        long = "for",
        required_unless_present = "until",
        conflicts_with = "until",
        value_name = "DURATION"
    )]
    lasts: Option<String>,
    /// Until when, such as 2026-02-03T14:30:00Z.
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
}

impl Ending {
    fn write(&self, body: &mut Value) {
        if let Some(lasts) = &self.lasts {
            body["for"] = json!(lasts);
        }
        if let Some(until) = self.until {
            body["until"] = json!(until);
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Kind {
    /// Mail goes on being forwarded.
    MailForwarding,
    /// Nothing is deleted.
    RetentionHold,
    /// Equipment comes back later.
    EquipmentReturn,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::MailForwarding => "mail_forwarding",
            Self::RetentionHold => "retention_hold",
            Self::EquipmentReturn => "equipment_return",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Except {
    /// Whom: the login name or the HRIS's number.
    #[arg(long)]
    user: String,
    /// From what.
    #[arg(long, value_enum)]
    what: Kind,
    #[command(flatten)]
    end: Ending,
    /// Why.
    #[arg(long)]
    reason: String,
    /// The exception that this one goes on with.
    #[arg(long, value_name = "MEASURE")]
    renews: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct BreakGlass {
    /// To whom: the login name or the HRIS's number.
    #[arg(long)]
    user: String,
    /// The case whose access comes back; otherwise the one by which they left.
    #[arg(long, value_name = "CASE")]
    case: Option<String>,
    #[command(flatten)]
    end: Ending,
    /// Why.
    #[arg(long)]
    reason: String,
    /// Who alone decides about it.
    #[arg(long)]
    approver: Username,
}

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The case whose access comes back.
    #[arg(long, value_name = "CASE", conflicts_with_all = ["user", "from"], required_unless_present = "user")]
    case: Option<String>,
    /// To whom: the login name or the HRIS's number.
    #[arg(long, requires = "from")]
    user: Option<String>,
    /// As of when.
    #[arg(long, requires = "user", value_name = "TIME")]
    from: Option<Timestamp>,
    /// The ticket under which it was agreed.
    #[arg(long, value_name = "TICKET")]
    approval: Option<String>,
    /// Why.
    #[arg(long)]
    reason: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Hold {
    /// Whom: the login name or the HRIS's number.
    #[arg(long)]
    user: String,
    /// Why.
    #[arg(long)]
    reason: String,
    /// Ask for the release of the hold that there is.
    #[arg(long)]
    release: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Access {
    /// Whose: the login name or the HRIS's number.
    #[arg(long)]
    user: String,
}

fn of(user: &str, what: &str) -> String {
    format!("/api/v1/employees/{}/{what}", segment(user))
}

impl Measure {
    /// Where it is asked for, and with what; `None` for what only looks.
    fn request(&self) -> Option<(String, Value)> {
        Some(match self {
            Self::Extend(Extend { user, by, until, reason }) => {
                let mut body = json!({"reason": reason});
                match (by, until) {
                    (Some(by), _) => body["by"] = json!(by),
                    (None, until) => body["until"] = json!(until),
                }
                (of(user, "extend"), body)
            }
            Self::Grant(Grant { user, permissions, end, reason }) => {
                let mut body = json!({"permissions": permissions, "reason": reason});
                end.write(&mut body);
                (of(user, "grants"), body)
            }
            Self::Exception(Except { user, what, end, reason, renews }) => {
                let mut body = json!({"what": what.name(), "reason": reason});
                if let Some(renews) = renews {
                    body["renews"] = json!(renews);
                }
                end.write(&mut body);
                (of(user, "exceptions"), body)
            }
            Self::BreakGlass(BreakGlass { user, case, end, reason, approver }) => {
                let mut body = json!({"reason": reason, "approver": approver});
                if let Some(case) = case {
                    body["case_id"] = json!(case);
                }
                end.write(&mut body);
                (of(user, "break-glass"), body)
            }
            Self::Restore(restore) => restore.request(),
            Self::Rehire(Rehire { user, reason }) => (of(user, "rehire"), json!({"reason": reason})),
            Self::Hold(Hold { user, reason, release }) => {
                (of(user, "legal-hold"), json!({"reason": reason, "release": release}))
            }
            Self::Access(_) => return None,
        })
    }

    pub(super) async fn run(&self, api: &Client, json: bool) -> Result<Exit, Failure> {
        if let Self::Access(Access { user }) = self {
            let answer = api.get(&of(user, "access")).await?;
            print(json, &answer, show::access);
            return Ok(Exit::Done);
        }
        let Some((path, body)) = self.request() else { return Ok(Exit::Usage) };
        let (_, measure) = api.post(&path, &body).await?;
        print(json, &measure, show::measure);
        Ok(Exit::of_measure(measure["status"].as_str().unwrap_or_default()))
    }
}

impl Restore {
    fn request(&self) -> (String, Value) {
        let mut body = json!({});
        let as_of = self.from.map(|from| format!("access as of {from}"));
        let default = as_of.filter(|_| self.approval.is_none());
        if let Some(reason) = self.reason.clone().or(default) {
            body["reason"] = json!(reason);
        }
        if let Some(ticket) = &self.approval {
            body["approval"] = json!(ticket);
        }
        if let Some(from) = self.from {
            body["from"] = json!(from);
        }
        match (&self.case, &self.user) {
            (Some(case), _) => (format!("/api/v1/cases/{}/restore", segment(case)), body),
            (None, user) => (of(user.as_deref().unwrap_or_default(), "restore"), body),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(subcommand)]
        measure: Measure,
    }

    fn asked(line: &str) -> Option<(String, Value)> {
        Line::try_parse_from(format!("leaver {line}").split(' ')).ok()?.measure.request()
    }

    #[test]
    fn each_command_asks_for_what_the_api_takes() {
        let (path, body) = asked("extend --user U --by 30d --reason R").unwrap();
        assert_eq!(
            (path.as_str(), body),
            ("/api/v1/employees/U/extend", json!({"by": "30d", "reason": "R"}))
        );
        let (path, body) = asked("grant --user U --permissions okta:a,slack:b --for 7d").unwrap();
        let expected =
            json!({"permissions": ["okta:a", "slack:b"], "for": "7d", "reason": "temporary access"});
        assert_eq!((path.as_str(), body), ("/api/v1/employees/U/grants", expected));
        let (path, body) = asked("break-glass --user U --for 2h --reason R --approver A").unwrap();
        let expected = json!({"for": "2h", "reason": "R", "approver": "A"});
        assert_eq!((path.as_str(), body), ("/api/v1/employees/U/break-glass", expected));
        let (path, body) = asked("restore --case C/1 --approval T").unwrap();
        assert_eq!((path.as_str(), body), ("/api/v1/cases/C%2F1/restore", json!({"approval": "T"})));
        let (path, body) = asked("restore --user U --from 2026-02-03T14:30:00Z").unwrap();
        assert_eq!(path, "/api/v1/employees/U/restore");
        assert_eq!(body["reason"], "access as of 2026-02-03T14:30:00.000Z");
        let (path, body) = asked("rehire --user U").unwrap();
        assert_eq!((path.as_str(), body), ("/api/v1/employees/U/rehire", json!({"reason": "rehire"})));
        let (_, body) = asked("hold --user U --reason R --release").unwrap();
        assert_eq!(body, json!({"reason": "R", "release": true}));
        let (path, body) =
            asked("exception --user U --what mail_forwarding --for 30d --reason R --renews m").unwrap();
        let expected = json!({"what": "mail_forwarding", "for": "30d", "reason": "R", "renews": "m"});
        assert_eq!((path.as_str(), body), ("/api/v1/employees/U/exceptions", expected));
    }

    #[test]
    fn what_is_half_said_is_not_understood() {
        for line in [
            "extend --user U --reason R",
            "grant --user U --for 7d",
            "grant --user U --permissions p",
            "break-glass --user U --for 2h --reason R",
            "restore",
            "restore --user U",
            "restore --case C --user U --from 2026-02-03T14:30:00Z",
            "hold --user U",
            "exception --user U --what everything --for 1d --reason R",
            "access",
        ] {
            assert!(Line::try_parse_from(format!("leaver {line}").split(' ')).is_err(), "{line}");
        }
    }
}
