//! Stand-ins for the outside systems: a server that speaks each vendor's own API under one path prefix per system,
//! keeps state, refuses what the vendor would refuse, and fails on demand. For local use and tests only.

pub mod admin;
pub mod credentials;
pub mod people;
pub mod receiver;
pub mod server;
pub mod slack_app;
pub mod twin;
pub mod upstream;
mod witness;

macro_rules! twins {
    ($($id:ident)*) => {
        $(mod $id;)*

        /// A fresh stand-in per registry row, in the registry's order, holding the sample data.
        pub fn twins(world: &twin::World) -> Vec<(&'static str, Box<dyn twin::Twin>)> {
            vec![$((stringify!($id), $id::twin(world))),*]
        }

        /// The settings that a deployment's secret of each system holds, for the stand-ins under `base`.
        pub fn settings(base: &str, make: &mut credentials::Maker) -> credentials::Settings {
            [$((stringify!($id).to_owned(), $id::settings(&format!("{base}/{}", stringify!($id)), make))),*].into()
        }
    };
}
leaver_adapters::systems!(twins);
