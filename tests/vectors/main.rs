//! What outsiders check the ledger with, held against public test vectors and against other people's implementations.
//!
//! The vectors lie outside the repository. Where they are missing, the tests say what they skip.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a suite fails by panicking")]

mod merkle;
mod notes;
mod oracles;
mod signatures;

use base64::{Engine, engine::general_purpose::STANDARD};
use leaver_domain::digest::Digest;
use serde_json::Value;
use std::{fs, io::Write, path::PathBuf};

/// Says something even when the test passes: the test runner keeps what is printed in the usual way to itself.
fn say(what: &str) {
    let _ = writeln!(std::io::stderr().lock(), "vectors: {what}");
}

/// A file or folder of the public vectors; says that it is skipped where it is missing.
fn vectors(path: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors").join(path);
    if path.exists() {
        return Some(path);
    }
    say(&format!("SKIPPED, {} is not there", path.display()));
    None
}

/// A file of the public vectors.
fn json(path: &str) -> Option<Value> {
    vectors(path).map(|path| read(&path))
}

fn read(path: &std::path::Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2) && text.is_ascii(), "{text}");
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn unbase64(value: &Value) -> Vec<u8> {
    STANDARD.decode(value.as_str().unwrap()).unwrap()
}

/// Bytes that claim to be a hash; only 32 of them are one.
fn hash(bytes: &[u8]) -> Option<Digest> {
    bytes.try_into().ok().map(Digest)
}
