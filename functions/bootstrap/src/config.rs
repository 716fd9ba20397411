//! What a function's environment tells it. The names are those of infra/template.yaml; a test holds both together.

use leaver_adapters::SPECS;
use leaver_domain::policy::Policy;
use std::collections::HashMap;

const POLICY: &str = include_str!(concat!(env!("OUT_DIR"), "/policy.json"));

include!(concat!(env!("OUT_DIR"), "/systems.rs"));

const fn is_registered(id: &str) -> bool {
    let mut at = 0;
    while at < SPECS.len() {
        if is_same(SPECS[at].id.as_bytes(), id.as_bytes()) {
            return true;
        }
        at += 1;
    }
    false
}

const fn is_same(one: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

const fn all_registered(ids: &[&str], expected: bool) -> bool {
    let mut at = 0;
    while at < ids.len() {
        if is_registered(ids[at]) != expected {
            return false;
        }
        at += 1;
    }
    true
}

const _: () = {
    assert!(
        all_registered(AUTOMATIC, true),
        "infra/policy.yaml: a system has neither an adapter nor `manual`"
    );
    assert!(all_registered(BY_HAND, false), "infra/policy.yaml: a system with an adapter is `manual`");
};

/// What is missing or wrong in the environment.
#[derive(Debug)]
pub(crate) struct Misconfigured(pub(crate) String);

impl std::fmt::Display for Misconfigured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The process's environment, read once.
pub(crate) struct Environment(HashMap<String, String>);

impl Environment {
    pub(crate) fn of_process() -> Self {
        Self(std::env::vars().collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).filter(|value| !value.is_empty()).cloned()
    }

    pub(crate) fn require(&self, name: &str) -> Result<String, Misconfigured> {
        self.get(name).ok_or_else(|| Misconfigured(format!("the environment variable {name} is not set")))
    }

    /// The settings in force in this environment.
    pub(crate) fn policy(&self) -> Result<Policy, Misconfigured> {
        let document = serde_json::from_str(POLICY).map_err(|error| Misconfigured(error.to_string()))?;
        let environment = self.require("ENVIRONMENT")?;
        Policy::parse(document, &environment).map_err(|error| Misconfigured(error.to_string()))
    }

    /// Name of the ledger's log: what its entries and checkpoints carry.
    pub(crate) fn origin(&self) -> Result<String, Misconfigured> {
        self.require("LEDGER_ORIGIN")
    }
}
