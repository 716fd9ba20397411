//! A company's own systems, reached by configuration and no code: what policy can say about them.

mod http;
mod scim;
mod token_revocation;

pub use http::{Cause, Expected, Failed, Header, Http, Look, Method, Presence, Request, Step, Values};
pub use scim::{DeactivateBy, FilterBy, Quirks, Scim};
pub use token_revocation::{Subject, TokenRevocation};

use serde::{Deserialize, Serialize};

/// What the id of every such system begins with, so that none is ever taken for one with an adapter of its own.
pub const PREFIX: &str = "custom_";

/// Which of the general adapters works on the system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Custom {
    /// SCIM 2.0.
    Scim(Scim),
    /// OAuth Global Token Revocation.
    TokenRevocation(TokenRevocation),
    /// Requests that policy spells out.
    Http(Box<Http>),
}

impl Custom {
    /// Whether it can be used as it stands.
    ///
    /// # Errors
    /// What is wrong, for whoever writes the policy.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Self::Scim(_) => Ok(()),
            Self::TokenRevocation(of) => of.check(),
            Self::Http(of) => of.check(),
        }
    }
}
