//! Evidence packs under both verifiers: untouched, attacked in every way that an export can be, and with every byte changed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a suite fails by panicking")]

mod attacks;
mod both;
mod bytes;
mod counted;
mod differential;
mod edges;
mod forge;
mod form;
mod held;
mod hostile;
