//! Serves the stand-ins on a port, with credentials from a file.

use clap::Parser;
use leaver_sandbox::{people, server::Sandbox};
use std::{net::Ipv4Addr, path::PathBuf, process::ExitCode};
use tokio::net::TcpListener;

/// Stand-ins for the outside systems.
#[derive(Parser)]
struct Arguments {
    /// Port on the loopback interface; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// JSON file with the credentials that the stand-ins accept, per system.
    #[arg(long)]
    credentials: PathBuf,
    /// So many people are generated beside those of the file.
    #[arg(long, default_value_t = people::GENERATED)]
    people: usize,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("sandbox: {why}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), String> {
    let file = std::fs::read(&arguments.credentials)
        .map_err(|error| format!("{}: {error}", arguments.credentials.display()))?;
    let settings = serde_json::from_slice(&file).map_err(|error| format!("credentials: {error}"))?;
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, arguments.port)).await.map_err(|error| error.to_string())?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let sandbox = Sandbox::new(people::load_with(arguments.people)?, settings)?;
    sandbox.seed().await?;
    println!("http://{address}");
    sandbox.serve(listener).await.map_err(|error| error.to_string())
}
