//! What the suites share.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a suite fails by panicking")]

pub mod failing;
pub mod flow;
pub mod fuzz;
pub mod fuzz_pack;
pub mod machine;
pub mod signals;

pub use leaver_conformance::sandbox;
