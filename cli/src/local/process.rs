//! Processes that outlive the command that started them, and how they are known again.

use crate::failure::{Context as _, Failure};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde::{Deserialize, Serialize};
use std::{
    ffi::OsString,
    fs::{self, File},
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// How long a process may take to end by itself.
const GRACE: Duration = Duration::from_secs(8);

/// Begins a session of its own, then becomes the program: signals of the terminal no longer reach it.
const DETACH: &str = "import os,sys; os.setsid(); os.execv(sys.argv[1], sys.argv[1:])";

/// A process that was started here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Running {
    /// What it is, for people.
    pub(super) what: String,
    /// Its id.
    pub(super) pid: i32,
    /// When it was started, as the system tells: a later process with the same id has another.
    pub(super) started: String,
    /// Of which build it is, where that matters.
    #[serde(default)]
    pub(super) build: String,
    /// The port it listens on.
    pub(super) port: u16,
}

/// What is to be started.
pub(super) struct Start<'a> {
    pub(super) what: &'a str,
    pub(super) build: &'a str,
    pub(super) python: &'a Path,
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<OsString>,
    pub(super) environment: Vec<(&'static str, OsString)>,
    pub(super) dir: &'a Path,
    pub(super) log: &'a Path,
    pub(super) port: u16,
}

/// A port that is free just now.
pub(super) fn free_port() -> Result<u16, Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    Ok(listener.local_addr().context("no free port")?.port())
}

/// Whether nobody listens on a port.
pub(super) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// When a process was started, as the system tells; `None` where there is no such process or it has ended.
fn started(pid: i32) -> Option<String> {
    if let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) {
        // The command's name stands in parentheses and may hold anything: count from behind them.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let (state, ticks) = (fields.first()?, fields.get(19)?);
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        return (!matches!(*state, "Z" | "X")).then(|| format!("{ticks}@{}", boot.trim()));
    }
    if Path::new("/proc/self/stat").exists() {
        return None;
    }
    let ps = Command::new("ps").args(["-o", "stat=,lstart=", "-p", &pid.to_string()]).output().ok()?;
    let said = String::from_utf8_lossy(&ps.stdout).trim().to_owned();
    let (state, since) = said.split_once(' ')?;
    (!state.starts_with('Z')).then(|| since.trim().to_owned())
}

impl Running {
    /// Starts it in a session of its own, with no environment but the given one.
    pub(super) fn start(start: Start<'_>) -> Result<Self, Failure> {
        let log = File::create(start.log).context(start.log.display())?;
        let errors = log.try_clone().context(start.log.display())?;
        let mut command = Command::new(start.python);
        command.args(["-I", "-c", DETACH]).arg(&start.program).args(start.arguments).current_dir(start.dir);
        command.env_clear().envs(start.environment);
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        let mut child = command.spawn().context(start.program.display())?;
        let pid = i32::try_from(child.id()).context("process id")?;
        let started = started(pid).ok_or_else(|| ended_at_once(start.what, start.log))?;
        // Whoever starts it and lives on, as a test suite does, collects it when it ends.
        std::thread::spawn(move || child.wait());
        let (what, build) = (start.what.to_owned(), start.build.to_owned());
        Ok(Self { what, build, pid, started, port: start.port })
    }

    /// Whether it still is the process that was started.
    pub(super) fn is_ours(&self) -> bool {
        started(self.pid).as_ref() == Some(&self.started)
    }

    /// Ends it if it still is the process that was started; whether it was.
    pub(super) fn stop(&self) -> Result<bool, Failure> {
        let Some(pid) = Pid::from_raw(self.pid).filter(|_| self.is_ours()) else { return Ok(false) };
        kill_process(pid, Signal::TERM).context(&self.what)?;
        let begun = Instant::now();
        while self.is_ours() {
            if begun.elapsed() > GRACE {
                // It leads a session of its own, so that its group is it and what it started.
                kill_process_group(pid, Signal::KILL).context(&self.what)?;
            }
            if begun.elapsed() > GRACE * 2 {
                return Err(Failure::new(format!("{} (pid {}) does not end", self.what, self.pid)));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(true)
    }

    /// Waits until an address of it answers with success.
    pub(super) async fn healthy(&self, url: &str, log: &Path, limit: Duration) -> Result<(), Failure> {
        let http = crate::api::http()?;
        let begun = Instant::now();
        loop {
            let answer = http.get(url).timeout(Duration::from_secs(2)).send().await;
            // Another process on the same port could answer too: ours must still be there.
            if !self.is_ours() {
                return Err(ended_at_once(&self.what, log));
            }
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            if begun.elapsed() > limit {
                let what = &self.what;
                return Err(Failure::new(format!("{what} does not answer; its log is {}", log.display())));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn ended_at_once(what: &str, log: &Path) -> Failure {
    let text = fs::read_to_string(log).unwrap_or_default();
    let mut last: Vec<&str> = text.lines().rev().take(5).collect();
    last.reverse();
    Failure::new(format!("{what} ended by itself; the end of {}:\n{}", log.display(), last.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper(dir: &Path) -> Running {
        let python = PathBuf::from("/usr/bin/env");
        let found = String::from_utf8(Command::new("which").arg("python3").output().unwrap().stdout).unwrap();
        let python = if found.is_empty() { python } else { PathBuf::from(found.trim()) };
        Running::start(Start {
            what: "sleeper",
            build: "",
            python: &python,
            program: "/bin/sleep".into(),
            arguments: vec!["60".into()],
            environment: vec![("PATH", std::env::var_os("PATH").unwrap_or_default())],
            dir,
            log: &dir.join("log"),
            port: 0,
        })
        .unwrap()
    }

    #[test]
    fn only_the_process_that_was_started_is_ended() {
        let dir = tempfile::tempdir().unwrap();
        let running = sleeper(dir.path());
        assert!(running.is_ours());
        let other = Running { started: "another time".into(), ..running.clone() };
        assert!(!other.is_ours() && !other.stop().unwrap(), "a later process with this id is left alone");
        assert!(running.is_ours());
        assert!(running.stop().unwrap());
        assert!(!running.is_ours() && !running.stop().unwrap());
    }
}
