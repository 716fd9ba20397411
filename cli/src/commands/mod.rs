//! What can be asked of `leaver`.

mod approvals;
mod batch;
mod case;
mod doctor;
mod evidence;
mod ledger;
mod local;
mod measure;
mod orphans;
mod policy;
mod revoke;
mod tasks;
mod verify;

use clap::{Parser, Subcommand};
use leaver_cli::{
    Exit, Failure,
    api::Client,
    local::{Local, read_local},
};
use serde_json::Value;
use std::{io::Write as _, path::PathBuf};

/// Takes a leaver's access away in every connected system, and keeps a ledger of what was done.
#[derive(Debug, Parser)]
#[command(name = "leaver", version)]
pub(crate) struct Arguments {
    /// Address of the API; otherwise that of the local environment.
    #[arg(long, env = "LEAVER_API", global = true)]
    api: Option<String>,
    /// Bearer token; otherwise the local environment's token for the role that the command is for.
    #[arg(long, env = "LEAVER_TOKEN", hide_env_values = true, global = true)]
    token: Option<String>,
    /// Print what the API said, as JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Take a person's access away, or show what would be taken.
    Revoke(revoke::Revoke),
    /// Take the access of many people away with one file, and look at what became of it.
    Batch(batch::Batch),
    /// Look at cases.
    #[command(subcommand)]
    Case(case::Case),
    /// What is asked for about a person, and what they have.
    #[command(flatten)]
    Measure(measure::Measure),
    /// What waits for a human, and the decision.
    #[command(subcommand)]
    Approvals(approvals::Approvals),
    /// What waits for somebody, and saying that it is done.
    #[command(subcommand)]
    Tasks(tasks::Tasks),
    /// Check the policy, and see what it means for somebody.
    #[command(subcommand)]
    Policy(policy::Policy),
    /// Accounts that are nobody's who is here, and what becomes of them.
    #[command(subcommand)]
    Orphans(orphans::Orphans),
    /// Look at the ledger.
    #[command(subcommand)]
    Ledger(ledger::Ledger),
    /// Packs of evidence for auditors.
    #[command(subcommand)]
    Evidence(evidence::Evidence),
    /// Check an evidence pack, offline: exit code 0 verified, 1 not verified.
    Verify(verify::Verify),
    /// Check the deployment: database, permissions, secrets, each system's reach.
    Doctor,
    /// The local environment; without a subcommand: bring it up and show one termination.
    Local(local::LocalArguments),
}

/// Runs one command.
pub(crate) async fn run(arguments: Arguments) -> Result<Exit, Failure> {
    let json = arguments.json;
    let target = Target { api: arguments.api, token: arguments.token };
    match arguments.command {
        Command::Revoke(revoke) => revoke.run(&target.client()?, json).await,
        Command::Batch(batch) => batch.run(&target.client()?, json).await,
        Command::Case(case) => case.run(&target.client()?, json).await,
        Command::Measure(measure) => measure.run(&target.client()?, json).await,
        Command::Approvals(approvals) => approvals.run(&target.client_for("approver")?, json).await,
        Command::Tasks(tasks) => tasks.run(&target.client()?, json).await,
        Command::Policy(policy) => policy.run(target, json).await,
        Command::Orphans(orphans) => orphans.run(&target.client_for("security")?, json).await,
        Command::Ledger(ledger) => ledger.run(&target.client()?, json).await,
        Command::Evidence(evidence) => evidence.run(&target.client_for("auditor")?, json).await,
        Command::Verify(verify) => verify.run(json),
        Command::Doctor => doctor::run(&target.client()?, json).await,
        Command::Local(local) => local.run(json).await,
    }
}

/// Which API is talked to, and as whom.
struct Target {
    api: Option<String>,
    token: Option<String>,
}

impl Target {
    fn client(self) -> Result<Client, Failure> {
        self.client_for("security")
    }

    /// Without a token of its own, a command has that of a role in the local environment.
    fn client_for(self, role: &str) -> Result<Client, Failure> {
        let empty = |text: &String| !text.is_empty();
        let (api, token) = (self.api.filter(empty), self.token.filter(empty));
        if let (Some(api), Some(token)) = (&api, &token) {
            return Client::new(api, token);
        }
        // The local tokens are for the local API alone: no other address is ever sent one.
        if api.is_some() {
            return Err(Failure::Usage(
                "--api (or LEAVER_API) needs --token (or LEAVER_TOKEN) beside it".into(),
            ));
        }
        let local = nearest()?;
        let token = token.or_else(|| local.tokens.get(role).cloned());
        let token =
            token.ok_or_else(|| Failure::new(format!("local.json has no token for the role `{role}`")))?;
        Client::new(&local.api_url, &token)
    }
}

/// The `local.json` nearest to the current directory, upwards.
fn nearest() -> Result<Local, Failure> {
    let here = std::env::current_dir().unwrap_or_default();
    let found: Option<PathBuf> =
        here.ancestors().map(|dir| dir.join(".leaver/local.json")).find(|file| file.is_file());
    let none = "no API is known: give --api and --token (LEAVER_API, LEAVER_TOKEN), or run `cargo local up`";
    read_local(&found.ok_or_else(|| Failure::Usage(none.into()))?)
}

/// Writes to stdout. Whoever reads may stop reading: that is no failure of the command.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Prints a result: as JSON, or as people read it.
fn print(json: bool, value: &Value, words: impl FnOnce(&Value) -> String) {
    say(&if json { value.to_string() } else { words(value) });
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_documented_commands_are_understood() {
        for line in [
            "leaver revoke --user U --reason R --dry-run --emergency --permissions a,b --preserve-data --at 2026-02-03T14:30:00Z",
            "leaver revoke --user U --reason R --watch --json",
            "leaver revoke --user U --reason R --at 2026-12-01T18:00[Europe/Berlin]",
            "leaver revoke --user U --reason R --force --watch",
            "leaver revoke --user U --reason R --role engineer --permissions github:core,admins",
            "leaver batch users.csv --dry-run",
            "leaver batch users.csv --watch --json",
            "leaver batch users.csv --again --watch",
            "leaver batch show ID --all",
            "leaver batch watch ID",
            "leaver batch list",
            "leaver batch cancel ID --reason R",
            "leaver case list",
            "leaver case list --scheduled",
            "leaver case force ID --reason R",
            "leaver --json case show ID",
            "leaver case watch ID --json",
            "leaver case cancel ID --reason R --json",
            "leaver extend --user U --by 30d --reason R",
            "leaver grant --user U --permissions okta:p --for 7d",
            "leaver exception --user U --what retention_hold --until 2026-12-31T00:00:00Z --reason R",
            "leaver break-glass --user U --for 2h --reason R --approver A",
            "leaver restore --case ID --approval TICKET",
            "leaver restore --user U --from 2026-02-03T14:30:00Z --json",
            "leaver access --user U",
            "leaver hold --user U --reason R --release",
            "leaver approvals list",
            "leaver approvals show ID",
            "leaver approvals approve ID --reason R",
            "leaver approvals approve ID",
            "leaver approvals escalate ID",
            "leaver approvals deny ID --reason R --json",
            "leaver approvals escalate ID --reason R",
            "leaver tasks list",
            "leaver tasks close ID --statement S --evidence a.png b.pdf --evidence c",
            "leaver policy check",
            "leaver policy check p.yaml --environment local --people people.yaml --json",
            "leaver policy check --online",
            "leaver policy explain --user U --json",
            "leaver orphans list",
            "leaver orphans list --system okta --all --json",
            "leaver orphans adopt ID --user U --reason R",
            "leaver orphans ignore ID --reason R --until 2026-12-31",
            "leaver orphans ignore ID --reason R --until 2026-12-31 --user U",
            "leaver orphans revoke ID --reason R",
            "leaver ledger status",
            "leaver ledger verify",
            "leaver evidence export --from 2026-01-01 --to 2026-03-31 -o pack",
            "leaver doctor --json",
            "leaver verify pack --checkpoint a --checkpoint b --hr list.csv --json",
            "leaver local",
            "leaver local --port 4700",
            "leaver local up --port 4700",
            "leaver local logs adapter-okta",
            "leaver local down",
        ] {
            assert!(Arguments::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
    }

    #[test]
    fn what_lacks_a_part_is_not_understood() {
        for line in [
            "leaver",
            "leaver approvals deny ID",
            "leaver policy explain",
            "leaver policy check --online --people people.yaml",
            "leaver revoke --user U",
            "leaver revoke --user U --reason R --at yesterday",
            "leaver revoke --user U --reason R --at 2026-12-01T18:00",
            "leaver revoke --user U --reason R --force --dry-run",
            "leaver batch",
            "leaver batch cancel ID",
            "leaver case force ID",
        ] {
            assert!(Arguments::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }

    #[test]
    fn a_local_token_never_goes_to_another_address() {
        let target = Target { api: Some("https://api.example.com".into()), token: None };
        assert!(matches!(target.client(), Err(Failure::Usage(_))));
    }
}
