//! `leaver evidence`.

use super::print;
use clap::Subcommand;
use leaver_cli::{Exit, Failure, api::Client, evidence, progress::Progress, show};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum Evidence {
    /// Export everything about a period, for somebody who checks it without leaver.
    Export {
        /// The first day, as 2026-01-01, or an instant.
        #[arg(long)]
        from: String,
        /// The last day, which is part of the period, or the instant before which it ends.
        #[arg(long)]
        to: String,
        /// The directory to write; it must not hold anything yet.
        #[arg(short, long)]
        output: PathBuf,
    },
}

impl Evidence {
    pub(super) async fn run(&self, api: &Client, json: bool) -> Result<Exit, Failure> {
        let Self::Export { from, to, output } = self;
        let told = evidence::export(api, (from, to), output, &Progress::detect()).await?;
        print(json, &told, |told| {
            let of = |name: &str| show::text(told, name);
            format!(
                "{}: {} cases, {} rows, under the checkpoint over {} rows\nmanifest {}\ncheck it with: leaver verify {}",
                output.display(),
                of("/archive/cases"),
                of("/archive/rows"),
                of("/checkpoint_size"),
                of("/archive/manifest_sha256"),
                output.display()
            )
        });
        Ok(Exit::Done)
    }
}
