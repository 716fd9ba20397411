//! Typed failures on the way to an outside system.

use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};

/// What kind of failure it was. The name is what Lambda reports as `errorType`, and what the state machine's
/// Retry and Catch match on; a test holds the two lists together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum FaultKind {
    /// The vendor asked to slow down.
    Throttled,
    /// No usable answer: connection refused or reset, timeout, or a 5xx.
    Unavailable,
    /// The vendor does not accept leaver's own credential.
    CredentialRejected,
    /// The credential is good, but lacks a scope or role that the call needs.
    PermissionMissing,
    /// The thing that was asked for is not there.
    NotFound,
    /// The vendor's state does not allow the call now.
    Conflict,
    /// An answer that does not have the shape that the vendor describes.
    UnexpectedShape,
    /// More than one account matches the person: a human decides, leaver never guesses.
    Ambiguous,
    /// A fresh read still shows access after everything was applied.
    NotVerified,
    /// No published checkpoint covers the rows yet.
    Unpublished,
    /// leaver's own side failed: configuration, its table, its secret.
    Internal,
}

impl FaultKind {
    /// Every kind, in the order of declaration.
    pub const ALL: [Self; 11] = [
        Self::Throttled,
        Self::Unavailable,
        Self::CredentialRejected,
        Self::PermissionMissing,
        Self::NotFound,
        Self::Conflict,
        Self::UnexpectedShape,
        Self::Ambiguous,
        Self::NotVerified,
        Self::Unpublished,
        Self::Internal,
    ];

    /// Whether the same call may succeed later without anybody changing anything.
    pub fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::Throttled
                | Self::Unavailable
                | Self::Conflict
                | Self::NotVerified
                | Self::Unpublished
                | Self::Internal
        )
    }

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Throttled => "Throttled",
            Self::Unavailable => "Unavailable",
            Self::CredentialRejected => "CredentialRejected",
            Self::PermissionMissing => "PermissionMissing",
            Self::NotFound => "NotFound",
            Self::Conflict => "Conflict",
            Self::UnexpectedShape => "UnexpectedShape",
            Self::Ambiguous => "Ambiguous",
            Self::NotVerified => "NotVerified",
            Self::Unpublished => "Unpublished",
            Self::Internal => "Internal",
        }
    }

    /// What a person who owns the system should do about it, where access could not be given back.
    pub fn advice_on_restoring(self) -> &'static str {
        match self {
            Self::Throttled => {
                "The vendor limited the rate for longer than one attempt may wait. leaver tries again by itself for most of a day; where \
                 that is too long, give it back by hand."
            }
            Self::Unavailable => {
                "The vendor did not answer. leaver tries again by itself for most of a day; where that is too long, give it back by hand."
            }
            Self::CredentialRejected => {
                "Put a working credential into this system's secret, then ask for it again."
            }
            Self::PermissionMissing => {
                "Give leaver's credential the missing scope (leaver doctor names it), then ask for it again."
            }
            Self::NotFound => "leaver cannot give this back. Give the person what they need by hand.",
            Self::Conflict => {
                "The vendor refused the change in the account's present state. Give it back by hand."
            }
            Self::UnexpectedShape => {
                "The vendor's answer was not understood. Give it back by hand and report the answer's shape."
            }
            Self::Ambiguous => {
                "Several accounts match this person. Decide which one is meant, and give it back by hand."
            }
            Self::NotVerified => {
                "A fresh read still misses something, such as an invitation that the person has to accept. Look at the account by hand."
            }
            Self::Unpublished => self.advice(),
            Self::Internal => "leaver itself failed here. Look at the adapter's log, then ask for it again.",
        }
    }

    /// What a person who owns the system should do about it.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Throttled => {
                "The vendor limited the rate for longer than one attempt may wait. leaver tries again by itself for most of a day; where \
                 that is too long, revoke by hand."
            }
            Self::Unavailable => {
                "The vendor did not answer. leaver tries again by itself for most of a day; where that is too long, revoke by hand."
            }
            Self::CredentialRejected => {
                "Put a working credential into this system's secret, then revoke again with `leaver revoke`."
            }
            Self::PermissionMissing => {
                "Give leaver's credential the missing scope (leaver doctor names it), then revoke again with `leaver revoke`."
            }
            Self::NotFound => "Something that leaver had just read is gone. Look at the account by hand.",
            Self::Conflict => {
                "The vendor refused the change in the account's present state. Look at the account by hand."
            }
            Self::UnexpectedShape => {
                "The vendor's answer was not understood. Revoke by hand and report the answer's shape."
            }
            Self::Ambiguous => {
                "Several accounts match this person. Decide which one is meant, and revoke it by hand."
            }
            Self::NotVerified => {
                "A fresh read still shows access. Revoke what is listed by hand, then revoke again with `leaver revoke`."
            }
            Self::Unpublished => {
                "The ledger has not been published for a while. Look at the log of the function `publish`."
            }
            Self::Internal => {
                "leaver itself failed here. Look at the adapter's log, then revoke again with `leaver revoke`."
            }
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A failure of one call, fit to outlive the process: it never holds a secret or a response body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{kind}: {detail}")]
pub struct Fault {
    /// What kind of failure it was.
    pub kind: FaultKind,
    /// What was tried and what came back, in one sentence.
    pub detail: String,
    /// How long the vendor asked to wait, where it said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<Duration>,
}

impl Fault {
    /// A failure without a wait.
    pub fn new(kind: FaultKind, detail: impl Into<String>) -> Self {
        let mut detail: String = detail.into();
        // A row of the ledger and a task shown to a human hold this text: it must stay short.
        if let Some((cut, _)) = detail.char_indices().nth(500) {
            detail.truncate(cut);
        }
        Self { kind, detail, retry_after: None }
    }

    /// An answer of the wrong shape.
    pub fn shape(detail: impl Into<String>) -> Self {
        Self::new(FaultKind::UnexpectedShape, detail)
    }

    /// The same failure with the wait that the vendor asked for.
    pub fn after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }
}
