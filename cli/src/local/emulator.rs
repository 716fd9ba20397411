//! The emulator: MiniStack with every role enforced.

use super::{
    DEFAULT_PORT, Environment, REGION,
    aws::Aws,
    process::{Running, Start, free_port, is_free},
    state::State,
    tools::Tools,
};
use crate::failure::{Context as _, Failure};
use std::{ffi::OsString, fs, path::Path, time::Duration};

/// How long it may take to start on a machine that is busy.
const START: Duration = Duration::from_secs(60);

/// The port that the emulator has or is going to have.
pub(super) fn port(env: &Environment, state: &State) -> Result<u16, Failure> {
    let last = state.emulator.as_ref();
    if let Some(running) = last.filter(|running| running.is_ours()) {
        return match env.port {
            Some(port) if port != 0 && port != running.port => Err(Failure::Usage(format!(
                "the environment is up on port {}; end it before it can be brought up on port {port}",
                running.port
            ))),
            _ => Ok(running.port),
        };
    }
    let port = match env.port {
        Some(0) => free_port()?,
        asked => asked.or(last.map(|last| last.port)).unwrap_or(DEFAULT_PORT),
    };
    if is_free(port) {
        return Ok(port);
    }
    Err(Failure::new(format!(
        "port {port} is used by something else that was not started here: end it, or choose another with --port"
    )))
}

/// The emulator of this environment: the one that runs, or a new one on this port.
pub(super) async fn ensure(
    env: &Environment,
    tools: &Tools,
    port: u16,
    state: &mut State,
) -> Result<Running, Failure> {
    if let Some(running) = state.emulator.as_ref().filter(|running| running.is_ours()) {
        return Ok(running.clone());
    }
    let step = env.progress.step("Starting the emulator");
    let dir = env.dir.join("emulator");
    if dir.exists() {
        // Nothing in it outlives the process that made it.
        fs::remove_dir_all(&dir).context(dir.display())?;
    }
    for folder in ["state", "s3", "tmp", "home"] {
        fs::create_dir_all(dir.join(folder)).context(dir.display())?;
    }
    let dir = dir.canonicalize().context(dir.display())?;
    let log = dir.join("log");
    let running = Running::start(Start {
        what: "emulator",
        build: "",
        python: &tools.program("python"),
        program: tools.program("ministack"),
        arguments: Vec::new(),
        environment: environment(port, &dir, tools),
        dir: &dir,
        log: &log,
        port,
    })?;
    state.emulator = Some(running.clone());
    state.write(&env.dir)?;
    running.healthy(&format!("http://127.0.0.1:{port}/_ministack/health"), &log, START).await?;
    step.done(&format!("http://127.0.0.1:{port}"));
    Ok(running)
}

/// All that the emulator sees of its surroundings: the functions inherit it, so nothing of the caller's may be in it.
fn environment(port: u16, dir: &Path, tools: &Tools) -> Vec<(&'static str, OsString)> {
    let base = format!("http://127.0.0.1:{port}");
    let mut path = tools.bin().into_os_string();
    path.push(":/usr/bin:/bin");
    vec![
        ("PATH", path),
        ("HOME", dir.join("home").into()),
        ("LANG", "C.UTF-8".into()),
        ("TMPDIR", dir.join("tmp").into()),
        ("STATE_DIR", dir.join("state").into()),
        ("S3_DATA_DIR", dir.join("s3").into()),
        ("GATEWAY_PORT", port.to_string().into()),
        ("BIND_HOST", "127.0.0.1".into()),
        ("MINISTACK_HOST", "127.0.0.1".into()),
        ("MINISTACK_REGION", REGION.into()),
        // Every role's policy is enforced, and the functions reach the emulator where they would reach AWS.
        ("AUTH", "true".into()),
        ("AWS_ENDPOINT_URL", base.into()),
        ("CLOUDTRAIL_RECORDING", "1".into()),
        ("IOT_MTLS_ENABLED", "0".into()),
        ("LOG_LEVEL", "INFO".into()),
        // It polls ten times a second for every execution environment that it keeps: of each function's, those that idle go soon.
        ("LAMBDA_WARM_TTL_SECONDS", "30".into()),
    ]
}

/// Forgets everything that the emulator holds.
pub(super) async fn reset(aws: &Aws) -> Result<(), Failure> {
    aws.admin("/_ministack/reset").await
}
