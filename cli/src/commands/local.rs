//! `leaver local`, and with it `cargo local`.

use super::print;
use clap::{Args, Subcommand};
use leaver_cli::{
    Exit, Failure,
    local::{DEFAULT_PORT, Environment, Local, demo, repository},
    progress::Progress,
    show,
};
use leaver_domain::time::Timestamp;
use serde_json::{Value, json};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct LocalArguments {
    /// Port of the emulator: 4566, or that on which it is up already.
    #[arg(long, global = true)]
    port: Option<u16>,
    /// Where everything is kept: `.leaver` in the repository.
    #[arg(long, global = true, value_name = "DIR")]
    dir: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<LocalCommand>,
}

#[derive(Debug, Subcommand)]
enum LocalCommand {
    /// Bring it up; what runs already is kept.
    Up {
        /// Generate so many sample people beside the named ones: 40, or as many as it has already.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=10_000))]
        people: Option<u16>,
    },
    /// Post one real termination to the webhook and follow it to the ledger.
    Demo,
    /// What runs, and where.
    Status,
    /// What the functions logged.
    Logs {
        /// Only this function, such as `webhook` or `adapter-okta`.
        function: Option<String>,
        /// The newest so many lines.
        #[arg(long, default_value_t = 200)]
        lines: usize,
    },
    /// Back to a fresh deployment with the sample data.
    Reset,
    /// End what was started here, and nothing else.
    Down,
}

impl LocalArguments {
    pub(super) async fn run(self, json: bool) -> Result<Exit, Failure> {
        let root = repository();
        let dir = self.dir.unwrap_or_else(|| root.join(".leaver"));
        let progress = Progress::detect();
        let environment = Environment::new(root, dir, progress.clone());
        let environment = match self.port {
            Some(port) => environment.on_port(port),
            None => environment,
        };
        match self.command {
            None => {
                environment.up().await?;
                demonstrate(&environment, &progress, json).await
            }
            Some(LocalCommand::Up { people }) => {
                let environment = match people {
                    Some(people) => environment.with_people(people.into()),
                    None => environment,
                };
                let local = environment.up().await?;
                print(json, &environment.status(), |_| addresses(&local));
                Ok(Exit::Done)
            }
            Some(LocalCommand::Demo) => demonstrate(&environment, &progress, json).await,
            Some(LocalCommand::Status) => {
                let status = environment.status();
                print(json, &status, words);
                Ok(if status["up"] == true { Exit::Done } else { Exit::Failed })
            }
            Some(LocalCommand::Logs { function, lines }) => {
                logs(&environment, function.as_deref(), lines, json).await
            }
            Some(LocalCommand::Reset) => {
                let local = environment.reset().await?;
                print(json, &environment.status(), |_| addresses(&local));
                Ok(Exit::Done)
            }
            Some(LocalCommand::Down) => {
                let ended = environment.down()?;
                print(json, &json!({"ended": ended}), |_| match ended.as_slice() {
                    [] => "nothing was running".to_owned(),
                    ended => format!("ended: {}", ended.join(", ")),
                });
                Ok(Exit::Done)
            }
        }
    }
}

async fn demonstrate(environment: &Environment, progress: &Progress, json: bool) -> Result<Exit, Failure> {
    let local = environment.local()?;
    let shown = demo::run(&local, &environment.aws()?, progress).await?;
    let value = json!({"case": shown.case, "ledger": shown.ledger.json(), "api_url": local.api_url,
                       "dashboard_url": local.dashboard_url});
    print(json, &value, |_| {
        format!("\n{}\n\n{}\n{}", show::case(&shown.case), shown.ledger.words(), addresses(&local))
    });
    Ok(if shown.is_good() { Exit::Done } else { Exit::Failed })
}

async fn logs(
    environment: &Environment,
    function: Option<&str>,
    lines: usize,
    json: bool,
) -> Result<Exit, Failure> {
    let found = environment.logs(function, lines).await?;
    print(json, &json!(found), |_| {
        let line = |line: &leaver_cli::local::aws::LogLine| {
            let at = Timestamp::from_millis(line.at).map(|at| at.to_string()).unwrap_or_default();
            format!("{at}  {:<24}  {}", line.function, line.message)
        };
        found.iter().map(line).collect::<Vec<_>>().join("\n")
    });
    Ok(Exit::Done)
}

fn addresses(local: &Local) -> String {
    let dashboard = local.dashboard_url.as_deref().unwrap_or("none yet");
    format!(
        "API        {}\nDashboard  {dashboard}\nSandbox    {}\nEmulator   {}",
        local.api_url, local.sandbox_url, local.endpoint_url
    )
}

/// What runs, for people.
fn words(status: &Value) -> String {
    let part = |name: &str| match (status[name]["running"].as_bool(), status[name]["pid"].as_i64()) {
        (Some(true), Some(pid)) => {
            format!("{name} runs on port {} (pid {pid})", show::text(status, &format!("/{name}/port")))
        }
        (_, Some(_)) => format!("{name} has ended"),
        _ => format!("{name} is not running"),
    };
    let api = match status["api_url"].as_str() {
        Some(url) => format!("API {url}"),
        None => format!(
            "no deployment: `cargo local up` makes one, on port {DEFAULT_PORT} unless --port says otherwise"
        ),
    };
    [part("emulator"), part("sandbox"), api].join("\n")
}
