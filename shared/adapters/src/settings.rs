//! How one deployment reaches a system: addresses and credentials, from that system's own secret.

use leaver_domain::{
    fault::{Fault, FaultKind},
    secret::Secret,
};
use std::collections::BTreeMap;
use url::Url;

/// The credentials of the function's own role, for the system that is AWS itself.
#[derive(Debug, Clone)]
pub struct OwnIdentity {
    /// Access key id.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: Secret,
    /// Session token, with temporary credentials.
    pub session_token: Option<Secret>,
    /// Region for signatures.
    pub region: String,
}

/// The parsed secret of one system.
#[derive(Debug, Clone)]
pub struct Settings {
    system: String,
    values: BTreeMap<String, Secret>,
    /// The function's own role, where the adapter signs with it.
    pub identity: Option<OwnIdentity>,
}

impl Settings {
    /// Parses the secret's text: a JSON object of strings.
    ///
    /// # Errors
    /// `CredentialRejected`, saying what to put where; never with the text itself.
    pub fn parse(system: &str, text: &Secret) -> Result<Self, Fault> {
        let values: BTreeMap<String, Secret> = serde_json::from_str(text.expose()).map_err(|_| {
            Fault::new(
                FaultKind::CredentialRejected,
                format!("the secret of {system} is not a JSON object of strings"),
            )
        })?;
        Ok(Self { system: system.to_owned(), values, identity: None })
    }

    /// Settings from pairs, for whoever has them already.
    pub fn from_pairs<K: Into<String>, V: Into<String>>(
        system: &str,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let values = pairs.into_iter().map(|(name, value)| (name.into(), Secret::new(value))).collect();
        Self { system: system.to_owned(), values, identity: None }
    }

    /// A setting that must not be shown.
    ///
    /// # Errors
    /// `CredentialRejected` where it is missing or empty.
    pub fn secret(&self, name: &str) -> Result<&Secret, Fault> {
        self.values.get(name).filter(|value| !value.expose().is_empty()).ok_or_else(|| {
            Fault::new(
                FaultKind::CredentialRejected,
                format!("the secret of {} has no `{name}`; put it there", self.system),
            )
        })
    }

    /// A setting that may be shown, such as an organisation's name.
    ///
    /// # Errors
    /// `CredentialRejected` where it is missing or empty.
    pub fn text(&self, name: &str) -> Result<String, Fault> {
        self.secret(name).map(|value| value.expose().to_owned())
    }

    /// A setting that may be left out.
    pub fn optional(&self, name: &str) -> Option<String> {
        self.text(name).ok()
    }

    /// A text with its `{a|b|word}` filled in: by the first of these settings that is there, otherwise by the last word.
    pub(crate) fn filled(&self, text: &str) -> String {
        let parts = text.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)));
        let Some((before, (choice, after))) = parts else { return text.to_owned() };
        let (names, word) = choice.rsplit_once('|').unwrap_or(("", choice));
        let given = names.split('|').find_map(|name| self.optional(name));
        format!("{before}{}{after}", given.as_deref().unwrap_or(word))
    }

    /// The address of one of the system's hosts: `base_url` for the main one (empty name), `<name>_url` for another,
    /// otherwise the vendor's own, with what the settings choose in it filled in.
    ///
    /// # Errors
    /// `CredentialRejected` where there is none or it is not an absolute http(s) address.
    pub fn url(&self, host: &str, vendor: &str) -> Result<Url, Fault> {
        let name = if host.is_empty() { "base_url".to_owned() } else { format!("{host}_url") };
        let text = self.optional(&name).unwrap_or_else(|| self.filled(vendor));
        let bad = || {
            Fault::new(
                FaultKind::CredentialRejected,
                format!("`{name}` in the secret of {} is not an address", self.system),
            )
        };
        let mut url: Url = text.parse().map_err(|_| bad())?;
        if !matches!(url.scheme(), "http" | "https") || url.cannot_be_a_base() {
            return Err(bad());
        }
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        Ok(url)
    }
}
