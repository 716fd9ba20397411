//! What receivers of security event tokens may ask for without a token: the key set, and what this transmitter is.

use crate::{Api, Reply, stored};
use leaver_domain::{
    ports::Signer,
    problem::Problem,
    signals::{PublicKey, configuration as described},
};

/// The transmitter as its receivers see it.
pub struct Signals<'a> {
    /// What it calls itself in tokens.
    pub issuer: &'a str,
    /// The key that signs them; only its public half is asked for here.
    pub signer: &'a dyn Signer,
}

/// `GET /api/v1/signals/jwks`
pub(crate) async fn key_set(api: &Api<'_>) -> Result<Reply, Problem> {
    let key = api.signals.signer.public_key().await.map_err(stored)?;
    Reply::json(200, &PublicKey(key).key_set())
}

/// `GET /.well-known/ssf-configuration`
pub(crate) fn configuration(api: &Api<'_>) -> Result<Reply, Problem> {
    Reply::json(200, &described(api.signals.issuer))
}
