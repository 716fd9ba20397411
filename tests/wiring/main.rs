//! Every name in statemachine.json, template.yaml, the registry, the policy and the code agrees, both ways.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a suite fails by panicking")]

mod arrows;
mod documents;
mod events;
mod machine;
mod openapi;
mod template;
mod tidy;

use std::{fs, path::PathBuf};

/// The repository's root.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().expect("a parent").to_path_buf()
}

/// A file of the repository.
fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The Rust files of the repository, as git knows them, with their texts.
fn rust_files() -> Vec<(String, String)> {
    let listed = std::process::Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "*.rs"])
        .current_dir(root())
        .output()
        .expect("git");
    let names = String::from_utf8(listed.stdout).expect("UTF-8");
    names
        .lines()
        .filter(|name| root().join(name).exists())
        .map(|name| (name.to_owned(), read(name)))
        .collect()
}
