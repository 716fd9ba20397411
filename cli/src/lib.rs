//! The command line's library: the API's client, what is shown to people, and the local environment.

pub mod api;
pub mod evidence;
mod failure;
pub mod ledger;
pub mod local;
pub mod policy;
pub mod progress;
pub mod show;
pub mod watch;

pub use failure::{Context, Exit, Failure};
