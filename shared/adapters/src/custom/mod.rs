//! General adapters: a company's own system is worked on as policy configures it, without code.

mod http;
pub mod scim;
mod token_revocation;

use crate::{Adapter, Spec, auth::Auth, http::Hosts, settings::Settings};
use leaver_domain::{custom::Custom, fault::Fault, id::SystemId};

/// Where such a system listens is in its secret alone.
pub const HOSTS: Hosts = &[("", "")];

/// What is known of the general adapters.
pub const SPECS: &[&Spec] = &[&scim::SPEC, &token_revocation::SPEC, &http::SPEC];

/// The adapter of a configured system and the way it authenticates.
///
/// # Errors
/// `CredentialRejected` where a setting is missing or unusable.
pub fn open(
    system: &SystemId,
    custom: &Custom,
    settings: &Settings,
) -> Result<(Box<dyn Adapter>, Auth), Fault> {
    match custom {
        Custom::Scim(of) => scim::open(system.as_str(), of, settings),
        Custom::TokenRevocation(of) => token_revocation::open(system, of, settings),
        Custom::Http(of) => http::open(system, of, settings),
    }
}
