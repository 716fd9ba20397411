//! The stand-ins as a process beside the emulator.

use super::{
    Environment,
    build::{Built, stamp},
    process::{Running, Start, free_port, is_free},
    state::State,
    tools::Tools,
    write_private,
};
use crate::failure::{Context as _, Failure};
use leaver_domain::digest::Digest;
use leaver_sandbox::{
    credentials::{Maker, Settings},
    people, receiver, slack_app,
};
use std::{fs, path::Path, time::Duration};

/// How long it may take to start on a machine that is busy.
const START: Duration = Duration::from_secs(20);

/// A running sandbox.
pub(super) struct Sandbox {
    /// Its address.
    pub(super) url: String,
    /// What the secret of each system holds.
    pub(super) settings: Settings,
    /// Of address and credentials.
    pub(super) digest: String,
}

/// The sandbox of this environment: the one that runs if it is of this build, or a new one.
pub(super) async fn ensure(
    env: &Environment,
    tools: &Tools,
    built: &Built,
    emulator: &str,
    state: &mut State,
) -> Result<Sandbox, Failure> {
    let file = env.dir.join("sandbox-credentials.json");
    let people = state.people.unwrap_or(people::GENERATED);
    let build = format!("{}-{people}", stamp(&built.sandbox)?);
    if let Some(running) = state.sandbox.clone().filter(Running::is_ours) {
        if running.build == build
            && let Ok(settings) = read(&file)
            && settings == emulated(settings.clone(), emulator)
        {
            return sandbox(running.port, settings);
        }
        running.stop()?;
    }
    let step = env.progress.step("Starting the sandbox");
    let port = state.sandbox.as_ref().map(|last| last.port).filter(|port| is_free(*port));
    let port = port.map_or_else(free_port, Ok)?;
    step.note("making credentials");
    let (base, mut make) = (format!("http://127.0.0.1:{port}"), Maker::default());
    let mut settings = emulated(leaver_sandbox::settings(&base, &mut make), emulator);
    settings.insert(receiver::ID.to_owned(), receiver::settings(&base, &mut make));
    settings.insert(slack_app::ID.to_owned(), slack_app::settings(&base, &mut make));
    write_private(&file, &serde_json::to_vec_pretty(&settings).context("credentials")?)?;
    let log = env.dir.join("sandbox.log");
    let running = Running::start(Start {
        what: "sandbox",
        build: &build,
        python: &tools.program("python"),
        program: built.sandbox.clone(),
        arguments: vec![
            "--port".into(),
            port.to_string().into(),
            "--credentials".into(),
            file.canonicalize().context(file.display())?.into(),
            "--people".into(),
            people.to_string().into(),
        ],
        environment: vec![("PATH", "/usr/bin:/bin".into())],
        dir: &env.dir,
        log: &log,
        port,
    })?;
    state.sandbox = Some(running.clone());
    // Another sandbox holds the sample data anew, and knows other credentials.
    state.filled = None;
    state.write(&env.dir)?;
    running.healthy(&format!("http://127.0.0.1:{port}/_sandbox/health"), &log, START).await?;
    step.done(&format!("http://127.0.0.1:{port}"));
    sandbox(port, settings)
}

/// The stand-in for AWS IAM passes on to the emulator, which holds real users and judges the adapter's own role.
fn emulated(mut settings: Settings, emulator: &str) -> Settings {
    if let Some(iam) = settings.get_mut("aws_iam") {
        iam.insert("emulator_url".to_owned(), emulator.to_owned());
    }
    settings
}

fn read(file: &Path) -> Result<Settings, Failure> {
    let text = fs::read(file).context(file.display())?;
    serde_json::from_slice(&text).context(file.display())
}

fn sandbox(port: u16, settings: Settings) -> Result<Sandbox, Failure> {
    let url = format!("http://127.0.0.1:{port}");
    let digest = Digest::of_json(&(&url, &settings)).context("credentials")?.to_string();
    Ok(Sandbox { url, settings, digest })
}

/// Makes the deployment known to the receiver of security event tokens, as whoever runs a receiver does by hand.
pub(super) async fn introduce(url: &str, api: &str, issuer: &str) -> Result<(), Failure> {
    let http = crate::api::http()?;
    let failed = |error: reqwest::Error| Failure::new(format!("the key set: {}", error.without_url()));
    let keys = http.get(format!("{api}/api/v1/signals/jwks")).send().await.map_err(failed)?;
    let keys: serde_json::Value = keys.error_for_status().map_err(failed)?.json().await.map_err(failed)?;
    let known = serde_json::json!({"issuer": issuer, "jwks": keys});
    let sent = http.put(format!("{url}/_sandbox/receiver/transmitter")).json(&known).send().await;
    sent.and_then(reqwest::Response::error_for_status).map_err(failed)?;
    Ok(())
}

/// Back to the sample data.
pub(super) async fn reset(url: &str) -> Result<(), Failure> {
    let answer = crate::api::http()?.post(format!("{url}/_sandbox/reset")).send().await;
    let answer = answer.map_err(|error| Failure::new(format!("the sandbox: {}", error.without_url())))?;
    match answer.status() {
        status if status.is_success() => Ok(()),
        status => Err(Failure::new(format!("the sandbox answered {status} to a reset"))),
    }
}
