//! OAuth Global Token Revocation (draft-parecki-oauth-global-token-revocation-06): one call asks an authorization server to
//! end everything that it gave to a person.

use crate::person::Person;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Where and about whom it is said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenRevocation {
    /// Path of the endpoint below the address in the system's secret.
    #[serde(default = "path")]
    pub path: String,
    /// How the person is named.
    pub subject: Subject,
    /// Who leaver is to the server: `iss` and `sub` of the token that each call carries.
    pub issuer: String,
    /// `aud` of that token; the endpoint's own address where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// `kid` of the key that signs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
}

fn path() -> String {
    "/global-token-revocation".to_owned()
}

/// How a person is named to the server, as a subject identifier (RFC 9493).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Subject {
    /// By e-mail address.
    Email,
    /// By the login that is recorded for the system, otherwise the username, as this issuer's `sub`.
    IssSub {
        /// The issuer.
        issuer: String,
    },
    /// By the login that is recorded for the system, otherwise the username, as an opaque id.
    Opaque,
}

impl Subject {
    /// The subject identifier of a person.
    pub fn of(&self, person: &Person, system: &str) -> Value {
        let login = person.login(system).unwrap_or(person.username.as_str());
        match self {
            Self::Email => json!({"format": "email", "email": person.email}),
            Self::IssSub { issuer } => json!({"format": "iss_sub", "iss": issuer, "sub": login}),
            Self::Opaque => json!({"format": "opaque", "id": login}),
        }
    }
}

impl TokenRevocation {
    pub(super) fn check(&self) -> Result<(), String> {
        if !self.path.starts_with('/') || self.path.contains(['?', '#', '{', ' ']) {
            return Err(
                "`path` of a token_revocation begins with / and holds nothing else than a path".into()
            );
        }
        if self.issuer.is_empty() {
            return Err("`issuer` of a token_revocation is empty".into());
        }
        Ok(())
    }
}
