//! What policy says of the canary: who it is, and how it logs in where.

use crate::{
    custom::{Expected, Header, Request},
    id::{SystemId, Username},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Most systems in which the canary logs in.
const MAX_SYSTEMS: usize = 32;

/// The synthetic leaver and its ways in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CanaryPolicy {
    /// The person: a synthetic one, employed as a service.
    pub person: Username,
    /// Within how long of a night's beginning each of its steps must be through, in seconds.
    #[serde(default = "two_hours")]
    pub within_seconds: u32,
    /// How it logs in.
    pub systems: BTreeMap<SystemId, Login>,
}

fn two_hours() -> u32 {
    7_200
}

/// How the canary uses its own credential in one system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// Which header carries the credential.
    #[serde(default)]
    pub header: Header,
    /// What is asked: something that only a credential in force is told.
    pub request: Request,
    /// The answer to a credential that works.
    pub works: Expected,
    /// The answer to one that does not. Any third answer says nothing.
    pub refused: Expected,
}

/// What an answer shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Knock {
    /// The credential works.
    Works,
    /// It does not.
    Refused,
    /// Nothing: why.
    Unclear(String),
}

impl Login {
    /// What an answer shows. One that fits both descriptions, or neither, shows nothing.
    pub fn judge(&self, status: u16, body: Option<&Value>) -> Knock {
        match (self.works.is_met(status, body), self.refused.is_met(status, body)) {
            (true, false) => Knock::Works,
            (false, true) => Knock::Refused,
            (true, true) => Knock::Unclear(format!("{status} would be both answers")),
            (false, false) => Knock::Unclear(format!("{status} is neither answer")),
        }
    }
}

impl CanaryPolicy {
    /// Whether it can be used as it stands.
    ///
    /// # Errors
    /// What is wrong, for whoever writes the policy.
    pub fn check(&self) -> Result<(), String> {
        if self.systems.is_empty() || self.systems.len() > MAX_SYSTEMS {
            return Err(format!("it logs in in 1 to {MAX_SYSTEMS} systems"));
        }
        if !(300..=43_200).contains(&self.within_seconds) {
            return Err("within_seconds must be between five minutes and twelve hours".into());
        }
        self.systems.iter().try_for_each(|(system, login)| login.check(system))
    }
}

impl Login {
    fn check(&self, system: &SystemId) -> Result<(), String> {
        self.request.check(system.as_str(), true, false)?;
        for (name, answer) in [("works", &self.works), ("refused", &self.refused)] {
            // An outage or a rate limit shows nothing about a credential.
            if answer.status.iter().any(|status| !(200..500).contains(status) || *status == 429) {
                return Err(format!("{system}: a status of `{name}` is 2xx to 4xx, and not 429"));
            }
            if answer.body.keys().any(|pointer| !pointer.is_empty() && !pointer.starts_with('/')) {
                return Err(format!("{system}: a place in the body is a JSON pointer, such as /ok"));
            }
        }
        let statuses = |of: &Expected| if of.status.is_empty() { [200].into() } else { of.status.clone() };
        let apart = statuses(&self.works).is_disjoint(&statuses(&self.refused));
        let differ = |(place, value): (&String, &Value)| {
            self.refused.body.get(place).is_some_and(|other| other != value)
        };
        if !apart && !self.works.body.iter().any(differ) {
            return Err(format!("{system}: one answer could be both `works` and `refused`"));
        }
        Ok(())
    }
}
