//! The emulator and what it needs, in a Python environment of the repository's own.

use super::locked;
use crate::{
    failure::{Context as _, Failure},
    progress::{Progress, Step},
};
use leaver_domain::digest::Digest;
use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Where the programs are.
#[derive(Debug, Clone)]
pub(super) struct Tools {
    dir: PathBuf,
}

impl Tools {
    /// A program of the environment.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.dir.join("bin").join(name)
    }

    /// The folder of its programs.
    pub(super) fn bin(&self) -> PathBuf {
        self.dir.join("bin")
    }
}

/// Installs the tools unless exactly these are there. Callers in several processes wait for one another.
pub(super) fn install(root: &Path, progress: &Progress) -> Result<Tools, Failure> {
    let wanted = root.join("infra/local/requirements.txt");
    let text = fs::read(&wanted).context(wanted.display())?;
    let dir = root.join(".leaver/tools");
    let tools = Tools { dir: dir.clone() };
    let _lock = locked(&root.join(".leaver/tools.lock"))?;
    // The environment knows its own place: one that was moved must be made again.
    let stamp = Digest::of_parts(&[&text, dir.as_os_str().as_encoded_bytes()]).to_string();
    let stamp_file = dir.join("installed");
    if fs::read_to_string(&stamp_file).is_ok_and(|found| found == stamp) {
        return Ok(tools);
    }
    let step = progress.step("Installing the tools");
    if dir.exists() {
        fs::remove_dir_all(&dir).context(dir.display())?;
    }
    step.note("a Python environment");
    let mut venv = Command::new("python3");
    run(venv.args(["-m", "venv"]).arg(&dir), &step).map_err(|error| {
        Failure::new(format!("Python 3.10 or later with its venv module is needed (python3): {error}"))
    })?;
    let mut pip = Command::new(tools.program("python"));
    pip.args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "-r"]).arg(&wanted);
    run(&mut pip, &step).context("the tools cannot be installed")?;
    fs::write(&stamp_file, stamp).context(stamp_file.display())?;
    step.done("installed");
    Ok(tools)
}

/// Runs a command to its end; its newest line is shown, its last lines are the error.
fn run(command: &mut Command, step: &Step) -> Result<(), Failure> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("start")?;
    let errors = child.stderr.take().map(|pipe| {
        std::thread::spawn(move || BufReader::new(pipe).lines().map_while(Result::ok).collect::<Vec<_>>())
    });
    let mut last = String::new();
    for line in
        child.stdout.take().into_iter().flat_map(|pipe| BufReader::new(pipe).lines().map_while(Result::ok))
    {
        if let Some(package) = line.strip_prefix("Collecting ") {
            step.note(package.split_whitespace().next().unwrap_or_default());
        } else if line.starts_with("Installing") {
            step.note("unpacking");
        }
        last = line;
    }
    let status = child.wait().context("wait")?;
    let errors = errors.and_then(|thread| thread.join().ok()).unwrap_or_default();
    if status.success() {
        return Ok(());
    }
    let said: Vec<&str> = errors.iter().rev().take(5).rev().map(String::as_str).collect();
    Err(Failure::new(if said.is_empty() { last } else { said.join("\n") }))
}
