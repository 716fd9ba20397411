//! Other people's programs and descriptions, from their public registries, kept below the target folder.

use crate::say;
use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Command, Stdio},
};

/// Runs something without showing what it says, and tells whether it worked.
fn works(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// A folder that `fill` has filled; `None`, and said aloud, where it cannot. Whoever comes meanwhile waits.
fn once(name: &str, fill: impl FnOnce(&PathBuf) -> bool) -> Option<PathBuf> {
    let parent = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("doubles");
    fs::create_dir_all(&parent).expect("a folder");
    let (folder, part) = (parent.join(name), parent.join(format!("{name}.part")));
    let lock = File::create(parent.join(format!("{name}.lock"))).expect("a file");
    lock.lock().expect("a lock");
    if folder.is_dir() {
        return Some(folder);
    }
    let _ = fs::remove_dir_all(&part);
    fs::create_dir_all(&part).expect("a folder");
    if !fill(&part) {
        say(&format!("SKIPPED: {name} cannot be installed here"));
        return None;
    }
    fs::rename(&part, &folder).expect("a folder");
    Some(folder)
}

/// The folder of a package of npm, with what it needs beside it.
pub(crate) fn npm(package: &str, version: &str) -> Option<PathBuf> {
    let name = format!("npm-{}-{version}", package.trim_start_matches('@').replace('/', "-"));
    let folder = once(&name, |folder| {
        let mut npm = Command::new("npm");
        npm.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix"]).arg(folder);
        works(npm.arg(format!("{package}@{version}")))
    })?;
    Some(folder.join("node_modules").join(package))
}

/// The folder of a virtual environment of Python that holds a package. It is moved once it is filled: its programs run as
/// `bin/python -m`, not by their own names.
pub(crate) fn pip(package: &str, version: &str) -> Option<PathBuf> {
    let plain = package.split('[').next().unwrap_or_default();
    once(&format!("pip-{plain}-{version}"), |folder| {
        let made = works(Command::new("python3").args(["-m", "venv"]).arg(folder));
        let mut pip = Command::new(folder.join("bin/python"));
        pip.args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input"]);
        made && works(pip.arg(format!("{package}=={version}")))
    })
}
