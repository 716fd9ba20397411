//! `leaver orphans`.

use super::print;
use clap::Subcommand;
use leaver_cli::{
    Exit, Failure,
    api::{Client, segment},
    show,
};
use serde_json::{Value, json};

#[derive(Debug, Subcommand)]
pub(crate) enum Orphans {
    /// Accounts that work and are nobody's who is here.
    List {
        /// Only those of one system.
        #[arg(long)]
        system: Option<String>,
        /// Also what was decided about, and accounts of people whom policy routes elsewhere.
        #[arg(long)]
        all: bool,
    },
    /// It belongs to somebody: it is recorded as their login, and goes when they go.
    Adopt {
        /// The orphan.
        id: String,
        /// Whose it is.
        #[arg(long)]
        user: String,
        /// How that is known.
        #[arg(long)]
        reason: String,
    },
    /// It is left alone for a while, such as the account of a service.
    Ignore {
        /// The orphan.
        id: String,
        /// Why.
        #[arg(long)]
        reason: String,
        /// The last day, such as 2026-12-31; at most a year from now.
        #[arg(long)]
        until: String,
        /// Who answers for it; the owner of the system where nobody is named.
        #[arg(long)]
        user: Option<String>,
    },
    /// It goes: by a case of whoever has left, otherwise as a task of the system's owner.
    Revoke {
        /// The orphan.
        id: String,
        /// Why.
        #[arg(long)]
        reason: String,
    },
}

impl Orphans {
    pub(super) async fn run(&self, api: &Client, json: bool) -> Result<Exit, Failure> {
        let (id, body) = match self {
            Self::List { system, all } => {
                let system = system.iter().map(|system| format!("&system={}", segment(system)));
                let path = format!("/api/v1/orphans?all={all}{}", system.collect::<String>());
                let answer = api.get(&path).await?;
                print(json, &answer, |answer| match answer["orphans"].as_array().map(Vec::as_slice) {
                    None | Some([]) => "no orphans".to_owned(),
                    Some(orphans) if answer["more"] == true => {
                        format!("{}\nand more: look at one system at a time", show::orphans(orphans))
                    }
                    Some(orphans) => show::orphans(orphans),
                });
                return Ok(Exit::Done);
            }
            Self::Adopt { id, user, reason } => {
                (id, json!({"decision": "adopt", "user": user, "reason": reason}))
            }
            Self::Ignore { id, reason, until, user } => {
                let mut body = json!({"decision": "ignore", "reason": reason, "until": until});
                if let Some(user) = user {
                    body["user"] = json!(user);
                }
                (id, body)
            }
            Self::Revoke { id, reason } => (id, json!({"decision": "revoke", "reason": reason})),
        };
        let (_, decided) = api.post(&format!("/api/v1/orphans/{}", segment(id)), &body).await?;
        print(json, &decided, told);
        Ok(Exit::Done)
    }
}

fn told(orphan: &Value) -> String {
    let what = match orphan["standing"]["is"].as_str() {
        Some("adopted") => format!("is {}'s now", show::text(orphan, "/standing/username")),
        Some("ignored") => format!(
            "is left alone until {}; {} answers for it",
            show::text(orphan, "/standing/until"),
            show::text(orphan, "/standing/owner")
        ),
        Some("revoking") => format!("is taken away by {}", show::text(orphan, "/standing/case")),
        _ => "was decided about".to_owned(),
    };
    format!("{} of {} {what}", show::text(orphan, "/login"), show::text(orphan, "/system"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_decided_is_told_in_words() {
        let of = |standing: Value| told(&json!({"login": "robot", "system": "okta", "standing": standing}));
        assert_eq!(of(json!({"is": "adopted", "username": "a"})), "robot of okta is a's now");
        assert_eq!(of(json!({"is": "revoking", "case": "case-1"})), "robot of okta is taken away by case-1");
        assert_eq!(
            of(json!({"is": "ignored", "until": "2026-12-31T00:00:00.000Z", "owner": "b"})),
            "robot of okta is left alone until 2026-12-31T00:00:00.000Z; b answers for it"
        );
    }
}
