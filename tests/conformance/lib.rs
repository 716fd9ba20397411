//! What the suites of adapters share: a sandbox of one's own, and real servers behind some of its stand-ins.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a suite fails by panicking")]

pub mod postgres;
pub mod sandbox;
