//! The one deployed binary. `_HANDLER` says which function this is: `webhook`, `adapter.okta` and so on. Everything that
//! can be built before the first event is built before it, because INIT runs with full power and outside any deadline.

mod adapter;
mod canary;
mod config;
mod export;
mod humans;
mod publish;
mod serve;

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_max_level(tracing::Level::INFO)
        .with_ansi(false)
        .without_time()
        .init();
    match serve::serve(&config::Environment::of_process()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            tracing::error!(%why, "the function cannot start");
            ExitCode::FAILURE
        }
    }
}
