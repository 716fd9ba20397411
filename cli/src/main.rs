//! `leaver`: the operator's command line.

mod commands;

use clap::Parser as _;
use commands::Arguments;
use leaver_cli::{Exit, Failure};
use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let json = arguments.json;
    let ended = commands::run(arguments).await;
    let exit = ended.unwrap_or_else(|failure| {
        tell(&failure, json);
        failure.exit()
    });
    exit.code()
}

/// Says why a command failed: to people on stderr, and as a problem document on stdout where JSON was asked for.
fn tell(failure: &Failure, json: bool) {
    if json {
        let problem = match failure {
            Failure::Refused(problem) => serde_json::json!(problem),
            Failure::Failed(why) => serde_json::json!({"error": why}),
            Failure::Usage(why) => serde_json::json!({"error": why}),
        };
        commands::say(&problem.to_string());
    }
    match failure.exit() {
        Exit::Refused => eprintln!("leaver: refused: {failure}"),
        _ => eprintln!("leaver: {failure}"),
    }
}
