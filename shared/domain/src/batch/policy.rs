//! What policy says about batches.

use crate::person::Person;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Most cases that may run at once: what the batch's record and one look at them can hold with ease.
const MAX_RUNNING: u32 = 1_000;

/// How batches are worked on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BatchPolicy {
    /// So many cases of all batches together are recorded and not contained at any instant.
    pub max_running: u32,
    /// Whose cases come before the others.
    pub first: First,
}

/// Who comes first, beside the security team, approvers and protected accounts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct First {
    /// Names of departments.
    pub departments: BTreeSet<String>,
    /// Names of roles.
    pub roles: BTreeSet<String>,
}

impl First {
    /// Whether it names somebody.
    pub fn names(&self, person: &Person) -> bool {
        self.departments.contains(&person.department) || self.roles.contains(&person.role)
    }
}

impl Default for BatchPolicy {
    fn default() -> Self {
        Self { max_running: 50, first: First::default() }
    }
}

impl BatchPolicy {
    /// What makes no sense, if anything.
    ///
    /// # Errors
    /// The place and why.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        if !(1..=MAX_RUNNING).contains(&self.max_running) {
            return Err(("batch.max_running", format!("must be between 1 and {MAX_RUNNING}")));
        }
        Ok(())
    }
}
