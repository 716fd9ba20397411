//! The credentials with which leaver reaches the stand-ins: made anew for every environment, never kept in the code.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rsa::{RsaPrivateKey, pkcs8::EncodePrivateKey as _, pkcs8::LineEnding};
use std::collections::BTreeMap;

/// Per system, what its secret holds.
pub type Settings = BTreeMap<String, BTreeMap<String, String>>;

/// Makes tokens and keys.
#[derive(Debug, Default)]
pub struct Maker {
    rsa: Option<String>,
    certified: Option<Certified>,
}

/// A server's certificate for this machine's own names, and the authority that signed it, all in PEM form.
#[derive(Debug, Clone, Default)]
pub struct Certified {
    /// The authority's certificate, which callers trust.
    pub ca: String,
    /// The server's certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

impl Maker {
    /// One that hands out this RSA key instead of making one.
    pub fn with_rsa_pem(pem: String) -> Self {
        Self { rsa: Some(pem), ..Self::default() }
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

    /// A certificate for the stand-ins that are reached inside TLS. One per environment, by an authority of its own.
    pub fn certificate(&mut self) -> Certified {
        let names = ["localhost", "127.0.0.1", "::1"];
        self.certified.get_or_insert_with(|| Certified::of(&names).unwrap_or_default()).clone()
    }
}

impl Certified {
    /// For a server of these names or addresses.
    ///
    /// # Errors
    /// What is wrong with a name.
    pub fn of(names: &[&str]) -> Result<Self, rcgen::Error> {
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let certificate = CertificateParams::new(names)?.signed_by(&key, &authority)?;
        Ok(Self { ca: authority.pem(), certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

/// Pairs as a map.
pub fn pairs<const N: usize>(pairs: [(&str, String); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
