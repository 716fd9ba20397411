//! Model checking: the real functions, driven call by call through every order of calls, crashes and lost answers.
//!
//! What is explored is the code that is deployed, not a copy of its rules: its stores answer from a tape (`tape.rs`),
//! so that a checker can stop it at every call, let something else happen, and go on. What the checker invents is the
//! outside only: the table (`table.rs`), deliveries, crashes, and answers that do not arrive.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a suite fails by panicking")]

mod appenders;
mod bucket;
mod faults;
mod publishers;
mod table;
mod tape;

use std::io::Write as _;

/// Tells how much was explored, past the capturing of the test runner.
fn tell(what: &str, states: usize, since: std::time::Instant) {
    let _ = writeln!(std::io::stderr(), "{what}: {states} states in {:.1} s", since.elapsed().as_secs_f64());
}
