//! Stand-ins for the outside systems: a server that speaks each vendor's own API under one path prefix per system,
//! keeps state, refuses what the vendor would refuse, and fails on demand. For local use and tests only.

pub mod admin;
pub mod credentials;
mod custom;
mod doors;
mod gusto;
mod issued;
pub mod people;
pub mod receiver;
mod scim;
pub mod server;
pub mod slack_app;
pub mod twin;
pub mod upstream;
mod witness;

macro_rules! twins {
    ($($id:ident)*) => {
        $(mod $id;)*

        /// A fresh stand-in per registry row and per system that policy configures, holding the sample data.
        pub fn twins(world: &twin::World) -> Vec<(&'static str, Box<dyn twin::Twin>)> {
            let mut twins = vec![$((stringify!($id), $id::twin(world))),*];
            twins.extend(custom::twins(world));
            twins
        }

        /// The settings that a deployment's secret of each system holds, for the stand-ins under `base`; those of the
        /// company's own systems among them.
        pub fn settings(base: &str, make: &mut credentials::Maker) -> credentials::Settings {
            let mut settings: credentials::Settings =
                [$((stringify!($id).to_owned(), $id::settings(&format!("{base}/{}", stringify!($id)), make))),*].into();
            settings.extend(custom::settings(base, make));
            settings
        }
    };
}
leaver_adapters::systems!(twins);
