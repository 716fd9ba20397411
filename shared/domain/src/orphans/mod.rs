//! Orphans: accounts that work and are nobody's who is here. Found by holding a system's roster against the people of HR, each
//! night; kept with when they were first seen; and settled by somebody who says whose they are, for how long they are left alone, or
//! that they go.

pub mod decide;
pub mod idle;
pub mod matching;
mod night;

pub use night::{Found, night};

use crate::{
    case::Happening,
    digest::Digest,
    id::{BadId, CaseId, SystemId, Username},
    ledger::{EventKind, Outcome},
    roster::Seen,
    time::Timestamp,
};
use matching::Class;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{fmt, str::FromStr};

/// An orphan's id. It follows from the system and the vendor's id of the account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OrphanId(String);

impl OrphanId {
    /// Of an account.
    pub fn of(system: &SystemId, account: &str) -> Self {
        let parts: [&[u8]; 4] =
            [b"leaver/orphan/v1\0", system.as_str().as_bytes(), b"\0", account.as_bytes()];
        let digest: String = Digest::of_parts(&parts).to_string().chars().take(24).collect();
        Self(format!("orphan-{system}-{digest}"))
    }

    /// The system that the account is in; `None` for an id of no account.
    pub fn system(&self) -> Option<SystemId> {
        self.0.strip_prefix("orphan-")?.rsplit_once('-')?.0.parse().ok()
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for OrphanId {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        // The same letters as a case's.
        text.parse::<CaseId>().map(|id| Self(id.as_str().to_owned()))
    }
}

impl fmt::Display for OrphanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where an orphan stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Standing {
    /// Nobody has decided.
    Open,
    /// It belongs to somebody, whose login it was recorded as.
    Adopted {
        /// Whose.
        username: Username,
    },
    /// It is left alone for a while; somebody answers for it.
    Ignored {
        /// Who answers for it.
        owner: Username,
        /// Until when.
        until: Timestamp,
    },
    /// A case takes it away.
    Revoking {
        /// The case.
        case: CaseId,
        /// Since when.
        since: Timestamp,
    },
    /// It is none any more: it cannot be used, is gone, or is somebody's.
    Gone {
        /// Since when.
        at: Timestamp,
    },
}

/// An account that is nobody's who is here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orphan {
    /// Its id.
    pub orphan_id: OrphanId,
    /// The system.
    pub system: SystemId,
    /// The account, as the newest roster that changed something about it has it.
    pub account: Seen,
    /// What it is.
    pub class: Class,
    /// Who owns the system.
    pub owner: Username,
    /// When it was first seen; it counts anew where it was gone in between.
    pub first_seen: Timestamp,
    /// Where it stands.
    pub standing: Standing,
    /// What happened, as the ledger takes it over.
    pub log: Vec<Happening>,
    /// Raised by one with every write.
    pub version: u64,
}

impl Orphan {
    /// Whether it is one now.
    pub fn is_there(&self) -> bool {
        !matches!(self.standing, Standing::Gone { .. })
    }

    /// Whether somebody has to decide about it.
    pub fn is_open(&self) -> bool {
        self.standing == Standing::Open
    }

    pub(super) fn tell(
        &mut self,
        kind: EventKind,
        (actor, action): (&str, &str),
        at: Timestamp,
        more: Value,
    ) {
        let mut facts = json!({
            "orphan_id": self.orphan_id, "account": self.account.login, "account_id": self.account.id,
            "class": self.class, "owner": self.owner, "first_seen": self.first_seen,
            "privileged": self.account.privileged, "last_login": self.account.last_login,
        });
        if let (Some(fields), Value::Object(more)) = (facts.as_object_mut(), more) {
            fields.extend(more);
        }
        self.log.push(Happening {
            kind,
            at,
            actor: actor.to_owned(),
            action: action.to_owned(),
            outcome: Outcome::Success,
            risk: None,
            facts,
        });
    }

    /// As people are shown it.
    pub fn view(&self, now: Timestamp) -> Value {
        json!({
            "orphan_id": self.orphan_id, "system": self.system, "login": self.account.login,
            "account_id": self.account.id, "email": self.account.email, "name": self.account.name,
            "account_kind": self.account.kind, "class": self.class, "owner": self.owner,
            "first_seen": self.first_seen, "age_days": now.since(self.first_seen).as_secs() / 86_400,
            "created_at": self.account.created_at, "last_login": self.account.last_login,
            "privileged": self.account.privileged, "standing": self.standing,
        })
    }
}

#[cfg(test)]
mod tests;
