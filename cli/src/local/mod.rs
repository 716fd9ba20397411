//! The local environment: the emulator with the deployed stack, the sandbox with the sample people, and the file that
//! says where everything is. Everything lies in one directory, so that several can stand side by side.

pub mod aws;
mod build;
pub mod demo;
mod deploy;
mod emulator;
mod fill;
mod process;
mod sandbox;
mod state;
mod tools;

use crate::{
    failure::{Context as _, Failure},
    progress::Progress,
};
use aws::Aws;
use process::Running;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use state::State;
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// The port that is used where none is asked for.
pub const DEFAULT_PORT: u16 = 4566;
/// Region of everything local.
pub const REGION: &str = "us-east-1";
/// The stack's name.
pub const STACK: &str = "leaver-local";

/// What `local.json` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Local {
    /// Where the API is.
    pub api_url: String,
    /// Where the dashboard is; none yet.
    pub dashboard_url: Option<String>,
    /// The HR system's bearer token.
    pub hris_token: String,
    /// The secret that Slack would sign with.
    pub slack_signing_secret: String,
    /// Where the emulator answers AWS's calls.
    pub endpoint_url: String,
    /// Region of everything.
    pub region: String,
    /// Names of the tables.
    pub tables: Tables,
    /// The termination state machine.
    pub state_machine_arn: String,
    /// The bucket for evidence.
    pub evidence_bucket: String,
    /// Where the stand-ins are.
    pub sandbox_url: String,
    /// A bearer token per sample user, and one per role.
    pub tokens: BTreeMap<String, String>,
    /// The settings that the functions were built with.
    pub policy_path: PathBuf,
}

/// Names of the tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tables {
    /// People, cases and what was done.
    pub cases: String,
    /// The ledger.
    pub ledger: String,
}

/// A local environment in one directory.
#[derive(Debug, Clone)]
pub struct Environment {
    root: PathBuf,
    dir: PathBuf,
    port: Option<u16>,
    people: Option<usize>,
    progress: Progress,
}

/// The repository that holds the current directory; the one that this was built from where none does.
pub fn repository() -> PathBuf {
    let built_from = Path::new(env!("CARGO_MANIFEST_DIR"));
    let is_it =
        |dir: &Path| dir.join("statemachine.json").is_file() && dir.join("infra/template.yaml").is_file();
    let here = std::env::current_dir().unwrap_or_default();
    let found = here.ancestors().find(|dir| is_it(dir)).map(Path::to_path_buf);
    found.unwrap_or_else(|| built_from.parent().unwrap_or(built_from).to_path_buf())
}

/// The emulator's program, installed into the repository's `.leaver/tools` if it is not there yet.
///
/// # Errors
/// Where it cannot be installed.
pub fn emulator_program(root: &Path, progress: &Progress) -> Result<PathBuf, Failure> {
    tools::install(root, progress).map(|tools| tools.program("ministack"))
}

impl Environment {
    /// The environment in a directory, made from this repository.
    pub fn new(root: impl Into<PathBuf>, dir: impl Into<PathBuf>, progress: Progress) -> Self {
        Self { root: root.into(), dir: dir.into(), port: None, people: None, progress }
    }

    /// The same on a port of its own; 0 takes a free one.
    pub fn on_port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// The same with so many generated sample people.
    pub fn with_people(mut self, people: usize) -> Self {
        self.people = Some(people);
        self
    }

    /// Where `local.json` is.
    pub fn file(&self) -> PathBuf {
        self.dir.join("local.json")
    }

    /// What `local.json` says.
    ///
    /// # Errors
    /// Where the environment is not up.
    pub fn local(&self) -> Result<Local, Failure> {
        read_local(&self.file())
    }

    /// A client of the emulator that may do everything.
    ///
    /// # Errors
    /// Where the environment is not up.
    pub fn aws(&self) -> Result<Aws, Failure> {
        Aws::new(&self.local()?.endpoint_url)
    }

    /// Brings everything up that is not: tools, build, emulator, sandbox, stack, sample data. What runs is kept, and what
    /// has not changed is not deployed again.
    ///
    /// # Errors
    /// What stands in the way, in words.
    pub async fn up(&self) -> Result<Local, Failure> {
        let _lock = self.lock()?;
        self.bring_up(false).await
    }

    /// Back to a freshly deployed stack with the sample data.
    ///
    /// # Errors
    /// What stands in the way, in words.
    pub async fn reset(&self) -> Result<Local, Failure> {
        let _lock = self.lock()?;
        self.bring_up(true).await
    }

    async fn bring_up(&self, from_scratch: bool) -> Result<Local, Failure> {
        let mut state = State::read(&self.dir);
        state.people = self.people.or(state.people);
        // What cannot work is refused before minutes are spent on tools and builds.
        let port = emulator::port(self, &state)?;
        let tools = tools::install(&self.root, &self.progress)?;
        let built = build::build(&self.root, &self.progress)?;
        build::install_cli(&self.dir)?;
        let known = state.emulator.clone();
        let emulator = emulator::ensure(self, &tools, port, &mut state).await?;
        let base = format!("http://127.0.0.1:{}", emulator.port);
        let aws = Aws::new(&base)?;
        let fresh = known.as_ref() != Some(&emulator);
        if from_scratch && !fresh {
            emulator::reset(&aws).await?;
        }
        if from_scratch || fresh {
            state.forget_deployment();
        }
        let sandbox = sandbox::ensure(self, &tools, &built, &base, &mut state).await?;
        if state.filled.is_none() {
            sandbox::reset(&sandbox.url).await?;
        }
        state.write(&self.dir)?;
        deploy::deploy(self, &aws, &built, &mut state).await?;
        let local = fill::fill(self, &aws, &sandbox, &mut state).await?;
        state.write(&self.dir)?;
        Ok(local)
    }

    /// Ends what was started here, and nothing else; what was ended.
    ///
    /// # Errors
    /// Where something cannot be ended.
    pub fn down(&self) -> Result<Vec<String>, Failure> {
        if !self.dir.exists() {
            return Ok(Vec::new());
        }
        let _lock = self.lock()?;
        let state = State::read(&self.dir);
        let mut ended = Vec::new();
        for running in [&state.emulator, &state.sandbox].into_iter().flatten() {
            if running.stop()? {
                ended.push(format!("{} (pid {}, port {})", running.what, running.pid, running.port));
            }
        }
        for file in [self.file(), State::file(&self.dir)] {
            match fs::remove_file(&file) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).context(file.display());
                }
                _ => {}
            }
        }
        Ok(ended)
    }

    /// What runs, and where.
    pub fn status(&self) -> Value {
        let state = State::read(&self.dir);
        let of = |running: &Option<Running>| match running {
            Some(running) => json!({"running": running.is_ours(), "pid": running.pid, "port": running.port}),
            None => json!({"running": false}),
        };
        let local = self.local().ok();
        let up = [&state.emulator, &state.sandbox]
            .into_iter()
            .all(|part| part.as_ref().is_some_and(Running::is_ours));
        json!({
            "up": up && local.is_some(),
            "emulator": of(&state.emulator),
            "sandbox": of(&state.sandbox),
            "api_url": local.as_ref().map(|local| &local.api_url),
            "dashboard_url": local.as_ref().and_then(|local| local.dashboard_url.as_ref()),
            "endpoint_url": local.as_ref().map(|local| &local.endpoint_url),
            "sandbox_url": local.as_ref().map(|local| &local.sandbox_url),
            "directory": self.dir,
        })
    }

    /// What the functions logged, oldest first: of one of them, or of all.
    ///
    /// # Errors
    /// Where the environment is not up or has no such function.
    pub async fn logs(&self, function: Option<&str>, limit: usize) -> Result<Vec<aws::LogLine>, Failure> {
        let aws = self.aws()?;
        let prefix = format!("/aws/lambda/{STACK}-");
        let known = aws.log_groups(&prefix).await?;
        let wanted: Vec<&String> = match function {
            None => known.iter().collect(),
            Some(name) => known.iter().filter(|group| **group == format!("{prefix}{name}")).collect(),
        };
        if wanted.is_empty() {
            let names: Vec<&str> = known.iter().filter_map(|group| group.strip_prefix(&prefix)).collect();
            return Err(Failure::Usage(format!(
                "there is no such function; there are: {}",
                names.join(", ")
            )));
        }
        let mut lines = Vec::new();
        for group in wanted {
            lines.extend(aws.log_lines(group, group.strip_prefix(&prefix).unwrap_or(group)).await?);
        }
        lines.sort_by_key(|line| line.at);
        let surplus = lines.len().saturating_sub(limit);
        Ok(lines.split_off(surplus))
    }

    /// Held while the environment is changed, so that two who do it at once wait for one another.
    fn lock(&self) -> Result<File, Failure> {
        locked(&self.dir.join("lock"))
    }
}

/// A file, locked until it is dropped.
fn locked(path: &Path) -> Result<File, Failure> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).context(dir.display())?;
    }
    let file = File::options().create(true).append(true).open(path).context(path.display())?;
    file.lock().context(path.display())?;
    Ok(file)
}

/// Reads a `local.json`.
///
/// # Errors
/// Where there is none or it cannot be understood.
pub fn read_local(file: &Path) -> Result<Local, Failure> {
    let text = fs::read(file)
        .map_err(|_| Failure::new(format!("{} is not there: run `cargo local up` first", file.display())))?;
    serde_json::from_slice(&text).context(file.display())
}

/// Writes a file that only its owner may read, so that no reader ever sees half of it.
fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let beside = path.with_extension("new");
    let mut options = File::options();
    options.create(true).write(true).truncate(true).mode(0o600);
    let mut file = options.open(&beside).context(beside.display())?;
    file.write_all(bytes).context(beside.display())?;
    fs::rename(&beside, path).context(path.display())
}
