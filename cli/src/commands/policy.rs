//! `leaver policy`: whether the settings can be used, and what they mean for somebody.

use super::{Target, nearest, print, say};
use clap::Subcommand;
use leaver_cli::{
    Exit, Failure,
    api::{Client, segment},
    policy, show,
};
use leaver_domain::{person::Person, policy::Known};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    /// Check a policy, offline: exit code 0 where it can be used, 1 where it cannot.
    Check {
        /// The file; otherwise infra/policy.yaml, or that of the local environment.
        file: Option<PathBuf>,
        /// The environment; otherwise every one that it speaks of.
        #[arg(long, value_name = "NAME")]
        environment: Option<String>,
        /// The people to hold it against: a list in YAML or JSON, each with username, role and department.
        #[arg(long, value_name = "FILE", conflicts_with = "online")]
        people: Option<PathBuf>,
        /// Ask the API whether those whom it names work here.
        #[arg(long)]
        online: bool,
    },
    /// What the policy in force means for somebody: which systems, by which sentence, and who would be asked.
    Explain {
        /// The login name or the HRIS's number.
        #[arg(long)]
        user: String,
    },
}

impl Policy {
    pub(super) async fn run(&self, target: Target, json: bool) -> Result<Exit, Failure> {
        match self {
            Self::Explain { user } => {
                let answer = target.client()?.get(&of(user)).await?;
                print(json, &answer, show::explained);
                Ok(Exit::Done)
            }
            Self::Check { file, environment, people, online } => {
                let file = match file {
                    Some(file) => file.clone(),
                    None => default_file()?,
                };
                let shown = file.display().to_string();
                let document = match policy::document(&file)? {
                    Ok(document) => document,
                    Err(wrong) => return Ok(end(json, &wrong, &shown)),
                };
                let environments = policy::environments(&document, environment.as_deref());
                let found: Option<(Vec<Person>, bool)> = match people {
                    Some(list) => Some((policy::people(list)?, true)),
                    None if *online => {
                        let names = policy::names(&document, &environments);
                        Some((known(&target.client()?, &names).await?, false))
                    }
                    None => None,
                };
                let known = found.as_ref().map(|(people, all)| Known { people, all: *all });
                Ok(end(json, &policy::check(&document, &environments, known), &shown))
            }
        }
    }
}

fn end(json: bool, checked: &policy::Checked, file: &str) -> Exit {
    say(&if json { checked.json(file).to_string() } else { show::checked(checked, file) });
    if checked.is_good() { Exit::Done } else { Exit::Failed }
}

fn of(user: &str) -> String {
    format!("/api/v1/employees/{}/policy", segment(user))
}

/// `infra/policy.yaml` of this directory or the nearest above; otherwise the one that the local environment runs under.
fn default_file() -> Result<PathBuf, Failure> {
    let here = std::env::current_dir().unwrap_or_default();
    let found = here.ancestors().map(|dir| dir.join("infra/policy.yaml")).find(|file| file.is_file());
    let none = "no policy is known: name the file, or call this where infra/policy.yaml is";
    found
        .map_or_else(|| nearest().map(|local| local.policy_path).map_err(|_| Failure::Usage(none.into())), Ok)
}

/// Those of these whom the API knows.
async fn known(api: &Client, names: &[String]) -> Result<Vec<Person>, Failure> {
    let mut found = Vec::new();
    for name in names {
        match api.get(&of(name)).await {
            Ok(answer) => {
                let person = policy::person(&answer["person"]);
                found.push(person.map_err(|why| Failure::new(format!("{name}: {why}")))?);
            }
            Err(Failure::Refused(problem)) if problem.status == 404 => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(found)
}
