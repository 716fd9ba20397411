//! `leaver ledger`.

use super::print;
use clap::Subcommand;
use leaver_cli::{Exit, Failure, api::Client, ledger, progress::Progress, show};

#[derive(Debug, Subcommand)]
pub(crate) enum Ledger {
    /// Where the ledger ends.
    Status,
    /// Check every row, from the first to the last.
    Verify,
}

impl Ledger {
    pub(super) async fn run(&self, api: &Client, json: bool) -> Result<Exit, Failure> {
        match self {
            Self::Status => {
                let status = api.get("/api/v1/ledger/status").await?;
                print(json, &status, |status| {
                    let of = |name: &str| show::text(status, name);
                    format!(
                        "ledger {}: {} rows\nroot  {}\nlast  {}",
                        of("/origin"),
                        of("/size"),
                        of("/root"),
                        of("/last")
                    )
                });
                Ok(Exit::Done)
            }
            Self::Verify => {
                let mut step = Progress::detect().step("Verifying the ledger");
                let checked = ledger::verify(api, Some(&mut step)).await?;
                step.done(&format!("{} rows", checked.rows));
                print(json, &checked.json(), |_| checked.words());
                Ok(if checked.broken.is_none() { Exit::Done } else { Exit::Failed })
            }
        }
    }
}
