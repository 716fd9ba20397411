//! Systems of a company's own, which leaver reaches by configuration alone: one for each of the general adapters.

mod crm;
mod sessions;
mod wiki;

use crate::{
    credentials::{Maker, Settings},
    twin::{Twin, World},
};

/// The stand-ins, by the ids that infra/policy.yaml gives them.
pub(crate) fn twins(world: &World) -> Vec<(&'static str, Box<dyn Twin>)> {
    vec![(crm::ID, crm::twin(world)), (sessions::ID, sessions::twin(world)), (wiki::ID, wiki::twin(world))]
}

/// What the secret of each holds.
pub(crate) fn settings(base: &str, make: &mut Maker) -> Settings {
    [
        (crm::ID.to_owned(), crm::settings(&format!("{base}/{}", crm::ID), make)),
        (sessions::ID.to_owned(), sessions::settings(&format!("{base}/{}", sessions::ID), make)),
        (wiki::ID.to_owned(), wiki::settings(base, make)),
    ]
    .into()
}
