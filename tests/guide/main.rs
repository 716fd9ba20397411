//! `docs/adding-a-system.md`, followed to the letter: a copy of the repository gets the files and the line that the guide shows,
//! and the suite that the guide names passes there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a suite fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the repository")
}

/// The blocks of the guide that carry `mark`, as (file, text).
fn blocks<'a>(guide: &'a str, mark: &str) -> Vec<(&'a str, &'a str)> {
    let mut found = Vec::new();
    let mut rest = guide;
    while let Some((_, after)) = rest.split_once("\n```") {
        let (head, body) = after.split_once('\n').expect("a block's first line");
        let (text, tail) = body.split_once("\n```").expect("a block's end");
        if let Some((_, file)) = head.split_once(mark) {
            found.push((file, text));
        }
        rest = tail;
    }
    found
}

/// Every file that belongs to the repository, those not committed yet among them.
fn copy(from: &Path, to: &Path) {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(from)
        .output()
        .expect("git");
    assert!(listed.status.success(), "git ls-files");
    for name in String::from_utf8(listed.stdout).expect("UTF-8").split('\0').filter(|name| !name.is_empty()) {
        let (source, target) = (from.join(name), to.join(name));
        let Ok(bytes) = fs::read(&source) else { continue };
        // What has not changed keeps its time, so that a second run builds nothing anew.
        if fs::read(&target).ok().as_deref() != Some(&bytes) {
            fs::create_dir_all(target.parent().expect("a folder")).expect("a folder");
            fs::write(&target, bytes).expect("a copy");
        }
    }
}

#[test]
fn whoever_follows_the_guide_gets_a_system_that_conforms() {
    let root = root();
    let guide = fs::read_to_string(root.join("docs/adding-a-system.md")).expect("the guide");
    let copied = root.join("target/tmp/guide");
    // Files that the guide or the repository no longer has must not be found here.
    let _ = fs::remove_dir_all(&copied);
    copy(&root, &copied);
    let files = blocks(&guide, " file=");
    assert_eq!(files.len(), 2, "an adapter and its stand-in");
    for (file, text) in files {
        assert!(!copied.join(file).exists(), "{file} is there already: the guide needs another example");
        fs::write(copied.join(file), format!("{text}\n")).expect("written");
    }
    let [(file, line)] = blocks(&guide, " line=")[..] else { panic!("one line") };
    let registry = fs::read_to_string(copied.join(file)).expect("the registry");
    // The first row that comes after it in the alphabet.
    let (head, rows) = registry.split_once("$then! {\n").expect("the rows");
    let place = rows.lines().position(|row| row.trim() > line.trim() || row.trim() == "}").expect("a place");
    let mut lines: Vec<&str> = rows.lines().collect();
    lines.insert(place, line);
    fs::write(copied.join(file), format!("{head}$then! {{\n{}\n", lines.join("\n"))).expect("written");
    // Cargo names what it builds by a package's version and its place inside the workspace, not by where that stands. The
    // dependencies are shared with this repository's own build; with the same version the copy's crates would replace it.
    let manifest = fs::read_to_string(copied.join("Cargo.toml")).expect("the manifest");
    let version = format!("\nversion = \"{}\"\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(manifest.matches(&version).count(), 1, "the workspace gives every package its version");
    fs::write(copied.join("Cargo.toml"), manifest.replace(&version, "\nversion = \"0.0.0-guide\"\n"))
        .expect("written");
    let tested = Command::new(env!("CARGO"))
        .args(["test", "--workspace", "--offline", "--test", "conformance", "--", "--skip", "::"])
        .current_dir(&copied)
        .env("CARGO_TARGET_DIR", root.join("target"))
        .env("SYSTEMS", "helpdesk")
        .output()
        .expect("cargo");
    let said =
        format!("{}{}", String::from_utf8_lossy(&tested.stdout), String::from_utf8_lossy(&tested.stderr));
    let end: String = said
        .lines()
        .rev()
        .take(60)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .fold(String::new(), |all, line| all + line + "\n");
    assert!(tested.status.success(), "{end}");
    assert!(said.contains("revoking_twice_does_nothing_the_second_time ... ok"), "{end}");
}
