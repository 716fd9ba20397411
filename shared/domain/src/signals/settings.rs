//! The part of the policy that says who is told what.

use crate::id::SystemId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Most receivers of one deployment.
const MAX_RECEIVERS: usize = 20;
/// Longest name, address, audience or issuer: what is signed must fit into one request to the key's keeper.
const MAX_TEXT: usize = 256;

/// Who is told what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Signals {
    /// Whether OCSF events are written beside the evidence.
    pub ocsf: bool,
    /// Who receives security event tokens.
    pub receivers: Vec<Receiver>,
}

impl Default for Signals {
    fn default() -> Self {
        Self { ocsf: true, receivers: Vec::new() }
    }
}

/// What a receiver can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// CAEP: sessions were ended.
    SessionRevoked,
    /// RISC: the account cannot be used any more.
    AccountDisabled,
    /// CAEP: tokens, keys or factors were made void.
    CredentialChange,
}

impl Signal {
    /// Every signal.
    pub const ALL: [Self; 3] = [Self::SessionRevoked, Self::AccountDisabled, Self::CredentialChange];

    /// The event's URI.
    pub fn uri(self) -> &'static str {
        match self {
            Self::SessionRevoked => "https://schemas.openid.net/secevent/caep/event-type/session-revoked",
            Self::AccountDisabled => "https://schemas.openid.net/secevent/risc/event-type/account-disabled",
            Self::CredentialChange => "https://schemas.openid.net/secevent/caep/event-type/credential-change",
        }
    }
}

/// How a receiver knows people (RFC 9493). The ledger holds user names, so everything is made of those.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// Format `opaque`: the user name, understood between the two.
    #[default]
    Opaque,
    /// Format `email`: the user name at this domain.
    Email(String),
    /// Format `iss_sub`: the user name as the subject of this issuer, such as the company's identity provider.
    IssSub(String),
}

/// Who receives tokens by push.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receiver {
    /// Its name in logs.
    pub name: String,
    /// Where tokens are posted to; `None` where the secret holds the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What it calls itself: the tokens' `aud`.
    pub audience: String,
    /// What it wants to know.
    pub events: BTreeSet<Signal>,
    /// Of which systems; all where empty.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub systems: BTreeSet<SystemId>,
    /// How it knows people.
    #[serde(default)]
    pub subject: Subject,
    /// The entry of the deployment's signals secret that holds its bearer token, and its address where `url` does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_secret: Option<String>,
}

impl Receiver {
    /// Whether it is told this about a system.
    pub fn wants(&self, signal: Signal, system: Option<&str>) -> bool {
        let named = |system| self.systems.iter().any(|one| one.as_str() == system);
        self.events.contains(&signal) && (self.systems.is_empty() || system.is_some_and(named))
    }

    fn check(&self) -> Result<(), String> {
        let wrong = |why: &str| Err(format!("receiver `{}`: {why}", self.name));
        let plain = |text: &str| {
            !text.is_empty() && text.len() <= MAX_TEXT && text.chars().all(|c| c.is_ascii_graphic())
        };
        if !plain(&self.name) || self.name.len() > 64 {
            return wrong("its name must be 1 to 64 printable characters");
        }
        if !plain(&self.audience) {
            return wrong("its audience must be 1 to 256 printable characters");
        }
        if self.events.is_empty() {
            return wrong("it wants no event: leave it out");
        }
        match &self.url {
            None if self.token_secret.is_none() => {
                return wrong("neither `url` nor `token_secret` says where it is");
            }
            Some(url) if !plain(url) || !url.starts_with("https://") || url.contains('@') => {
                return wrong("its url must begin with https:// and hold no credentials");
            }
            _ => {}
        }
        match &self.subject {
            Subject::Email(domain) if !plain(domain) || domain.contains('@') || !domain.contains('.') => {
                wrong("subject.email must be a domain, such as example.com")
            }
            Subject::IssSub(issuer) if !plain(issuer) => wrong("subject.iss_sub must be an issuer"),
            _ => Ok(()),
        }
    }
}

impl Signals {
    /// Whether it can be used.
    ///
    /// # Errors
    /// What makes no sense, in words.
    pub fn check(&self) -> Result<(), String> {
        if self.receivers.len() > MAX_RECEIVERS {
            return Err(format!("more than {MAX_RECEIVERS} receivers"));
        }
        let names: BTreeSet<&String> = self.receivers.iter().map(|one| &one.name).collect();
        if names.len() < self.receivers.len() {
            return Err("two receivers share a name".to_owned());
        }
        self.receivers.iter().try_for_each(Receiver::check)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn receiver(change: impl FnOnce(&mut Value)) -> Result<(), String> {
        let mut one = json!({"name": "idp", "url": "https://idp.example/events", "audience": "https://idp.example",
            "events": ["session_revoked"]});
        change(&mut one);
        serde_json::from_value::<Signals>(json!({"receivers": [one]}))
            .map_err(|error| error.to_string())?
            .check()
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert_eq!(receiver(|_| ()), Ok(()));
        assert_eq!(receiver(|one| one["subject"] = json!({"email": "example.com"})), Ok(()));
        let refuse = |why: &str, change: fn(&mut Value)| {
            let said = receiver(change).unwrap_err();
            assert!(said.contains(why), "{said}");
        };
        refuse("https", |one| one["url"] = "http://idp.example".into());
        refuse("credentials", |one| one["url"] = "https://user:pass@idp.example".into());
        refuse("where it is", |one| one["url"] = Value::Null);
        refuse("no event", |one| one["events"] = json!([]));
        refuse("audience", |one| one["audience"] = "".into());
        refuse("domain", |one| one["subject"] = json!({"email": "jane@example.com"}));
        refuse("unknown", |one| one["typo"] = 1.into());
        refuse("unknown", |one| one["events"] = json!(["account_purged"]));
    }

    #[test]
    fn a_receiver_of_one_system_is_told_of_no_other() {
        let mut one: Receiver =
            serde_json::from_value(json!({"name": "n", "audience": "a", "token_secret": "n",
            "events": ["account_disabled"], "systems": ["okta"]}))
            .unwrap();
        assert!(one.wants(Signal::AccountDisabled, Some("okta")));
        assert!(
            !one.wants(Signal::AccountDisabled, Some("slack")) && !one.wants(Signal::AccountDisabled, None)
        );
        assert!(!one.wants(Signal::SessionRevoked, Some("okta")));
        one.systems.clear();
        assert!(one.wants(Signal::AccountDisabled, Some("slack")));
    }
}
