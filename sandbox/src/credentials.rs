//! The credentials with which leaver reaches the stand-ins: made anew for every environment, never kept in the code.

use rsa::{RsaPrivateKey, pkcs8::EncodePrivateKey as _, pkcs8::LineEnding};
use std::collections::BTreeMap;

/// Per system, what its secret holds.
pub type Settings = BTreeMap<String, BTreeMap<String, String>>;

/// Makes tokens and keys.
#[derive(Debug, Default)]
pub struct Maker {
    rsa: Option<String>,
}

impl Maker {
    /// One that hands out this RSA key instead of making one.
    pub fn with_rsa_pem(pem: String) -> Self {
        Self { rsa: Some(pem) }
    }

    /// A random token behind a vendor's usual prefix.
    ///
    /// # Panics
    /// Never in practice: only where the operating system has no randomness.
    pub fn token(&mut self, prefix: &str) -> String {
        let mut bytes = [0_u8; 20];
        if getrandom::fill(&mut bytes).is_err() {
            std::process::abort();
        }
        bytes.iter().fold(prefix.to_owned(), |text, byte| format!("{text}{byte:02x}"))
    }

    /// An RSA key in PKCS#8 PEM. One per environment: making it takes a moment.
    pub fn rsa_pem(&mut self) -> String {
        self.rsa
            .get_or_insert_with(|| {
                let key = RsaPrivateKey::new(&mut rand::rngs::OsRng, 2048);
                let pem = key.ok().and_then(|key| key.to_pkcs8_pem(LineEnding::LF).ok());
                pem.map(|pem| pem.to_string()).unwrap_or_default()
            })
            .clone()
    }
}

/// Pairs as a map.
pub fn pairs<const N: usize>(pairs: [(&str, String); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
