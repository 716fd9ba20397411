//! Builds what is deployed and what stands in for the outside.

use crate::{
    failure::{Context as _, Failure},
    progress::{Progress, Step},
};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead as _, BufReader, Read},
    path::{Path, PathBuf},
    process::{ChildStderr, Command, Stdio},
    time::UNIX_EPOCH,
};

/// Where the built programs are.
#[derive(Debug, Clone)]
pub(super) struct Built {
    /// The one binary of all functions.
    pub(super) bootstrap: PathBuf,
    /// The stand-ins.
    pub(super) sandbox: PathBuf,
}

/// What changes whenever a program is linked anew; reading it whole would take a second each time.
pub(super) fn stamp(program: &Path) -> Result<String, Failure> {
    let file = program.metadata().context(program.display())?;
    let changed = file.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    Ok(format!("{}-{}", file.len(), changed.as_nanos()))
}

/// Builds both; nothing happens where nothing has changed.
pub(super) fn build(root: &Path, progress: &Progress) -> Result<Built, Failure> {
    let mut step = progress.step("Building the functions");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "-p", "leaver-bootstrap", "-p", "leaver-sandbox"]);
    command.args(["--message-format", "json-render-diagnostics"]).current_dir(root);
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_of_a_package(&name.to_string_lossy())) {
        command.env_remove(name);
    }
    command.env("CARGO_TERM_PROGRESS_WHEN", "always").env("CARGO_TERM_PROGRESS_WIDTH", "120");
    command.env("CARGO_TERM_COLOR", "never");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("cargo")?;
    let out = child.stdout.take();
    // Messages must be read while progress is: either pipe could fill up and stop the build.
    let programs = std::thread::spawn(move || out.map(executables).unwrap_or_default());
    let said = child.stderr.take().map(|pipe| follow(pipe, &mut step)).unwrap_or_default();
    let status = child.wait().context("cargo")?;
    if !status.success() {
        return Err(Failure::new(format!("the build failed:\n{said}")));
    }
    let programs = programs.join().map_err(|_| Failure::new("cargo's messages cannot be read"))?;
    let program = |name: &str| {
        let found = programs.iter().find(|(known, _)| known == name).map(|(_, path)| path.clone());
        found.ok_or_else(|| Failure::new(format!("cargo built no program `{name}`")))
    };
    let built = Built { bootstrap: program("bootstrap")?, sandbox: program("leaver-sandbox")? };
    step.done("built");
    Ok(built)
}

/// Whether a variable is one that cargo sets for what it runs. Build scripts depend on some of them: handed on, they
/// would have half the workspace built anew whenever the caller is another program.
fn is_of_a_package(name: &str) -> bool {
    let prefixes = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];
    prefixes.iter().any(|prefix| name.starts_with(prefix))
        || name == "OUT_DIR"
        || name == "CARGO_TARGET_TMPDIR"
}

/// The programs that cargo names in its messages.
fn executables(pipe: impl Read) -> Vec<(String, PathBuf)> {
    let program = |line: String| {
        let message: Value = serde_json::from_str(&line).ok()?;
        let path = message["executable"].as_str()?;
        Some((message["target"]["name"].as_str()?.to_owned(), PathBuf::from(path)))
    };
    BufReader::new(pipe).lines().map_while(Result::ok).filter_map(program).collect()
}

/// Shows cargo's own progress; returns what else it said.
fn follow(pipe: ChildStderr, step: &mut Step) -> String {
    let mut said = Vec::new();
    let mut line = Vec::new();
    for byte in BufReader::new(pipe).bytes().map_while(Result::ok) {
        // The bar is drawn over itself: a carriage return ends a line just as a newline does.
        if byte != b'\r' && byte != b'\n' {
            line.push(byte);
            continue;
        }
        let text = String::from_utf8_lossy(&line).trim().to_owned();
        line.clear();
        match progress_of(&text) {
            Some((done, of, what)) => {
                step.at(done, of);
                step.note(what);
            }
            None if text.is_empty() || text.starts_with("Compiling ") || text.starts_with("Finished ") => {}
            None if text.starts_with("Blocking ") => step.note("waiting for another build"),
            None => said.push(text),
        }
    }
    said.join("\n")
}

/// The numbers in `Building [====>   ] 12/230: serde, tokio`.
fn progress_of(text: &str) -> Option<(u64, u64, String)> {
    let (_, behind) = text.strip_prefix("Building")?.split_once("] ")?;
    let (numbers, what) = behind.split_once(':').unwrap_or((behind, ""));
    let (done, of) = numbers.split_once('/')?;
    Some((done.trim().parse().ok()?, of.trim().parse().ok()?, what.trim().to_owned()))
}

/// Puts this program where it is found: `bin/leaver` in the environment's directory.
pub(super) fn install_cli(dir: &Path) -> Result<(), Failure> {
    let own = std::env::current_exe().context("own program")?;
    let place = dir.join("bin/leaver");
    if own.file_name() != Some("leaver".as_ref()) || own == place || is_copy(&own, &place) {
        return Ok(());
    }
    fs::create_dir_all(dir.join("bin")).context(dir.display())?;
    // Never written over: it may be running.
    let beside = dir.join("bin/leaver.new");
    fs::copy(&own, &beside).context(beside.display())?;
    fs::rename(&beside, &place).context(place.display())
}

/// Whether a copy is as long and as new as the original.
fn is_copy(own: &Path, place: &Path) -> bool {
    let (Ok(own), Ok(place)) = (own.metadata(), place.metadata()) else { return false };
    let newer = own.modified().ok().zip(place.modified().ok()).is_some_and(|(own, place)| place >= own);
    newer && own.len() == place.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargos_own_progress_is_read() {
        let line = "Building [=======>                  ] 12/230: serde, tokio(build)";
        assert_eq!(progress_of(line), Some((12, 230, "serde, tokio(build)".to_owned())));
        assert_eq!(progress_of("Compiling serde v1.0.0"), None);
        assert_eq!(progress_of("Building [===> ] x/y"), None);
    }

    #[test]
    fn the_users_own_settings_of_cargo_are_handed_on() {
        for kept in
            ["CARGO_HOME", "CARGO_TARGET_DIR", "CARGO_NET_OFFLINE", "CARGO", "CARGO_BUILD_JOBS", "PATH"]
        {
            assert!(!is_of_a_package(kept), "{kept}");
        }
        for dropped in
            ["CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "CARGO_BIN_NAME", "CARGO_BIN_EXE_x", "OUT_DIR"]
        {
            assert!(is_of_a_package(dropped), "{dropped}");
        }
    }

    #[test]
    fn programs_are_taken_from_cargos_messages() {
        let lines = "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"serde\"},\"executable\":null}\n\
                     {\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"bootstrap\"},\"executable\":\"/t/bootstrap\"}\nnot json\n";
        assert_eq!(executables(lines.as_bytes()), [("bootstrap".to_owned(), PathBuf::from("/t/bootstrap"))]);
    }
}
