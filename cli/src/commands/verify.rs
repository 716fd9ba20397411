//! `leaver verify`: checks an evidence pack. It asks nobody: no API, no network, only the directory.

use super::print;
use clap::Args;
use leaver_cli::{Context as _, Exit, Failure};
use leaver_domain::ledger::VerifierKey;
use leaver_evidence::verify::{Kept, Trust, verify};
use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

/// Largest checkpoint, in bytes.
const CHECKPOINT: u64 = 64 * 1024;
/// Largest list of HR's, in bytes.
const LIST: u64 = 64 * 1024 * 1024;

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The pack.
    dir: PathBuf,
    /// A checkpoint kept from earlier, or got from a witness; the pack must grow out of it.
    #[arg(long, value_name = "FILE")]
    checkpoint: Vec<PathBuf>,
    /// A key of the log or of a witness that you know from elsewhere than the pack, as `name+id+base64`.
    #[arg(long, value_name = "VKEY")]
    key: Vec<VerifierKey>,
    /// HR's own list of who left: a table with termination_date, and employee_id or username.
    #[arg(long, value_name = "FILE")]
    hr: Option<PathBuf>,
}

/// A file of the command line; one that cannot be read is a wrong use, and says nothing about the pack.
fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    let usage = |failure: Failure| Failure::Usage(failure.to_string());
    let shown = path.display();
    let mut bytes = Vec::new();
    let file = File::open(path).context(format!("{shown} cannot be read")).map_err(usage)?;
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .context(format!("{shown} cannot be read"))
        .map_err(usage)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
        return Err(Failure::Usage(format!("{shown} is larger than {limit} bytes")));
    }
    Ok(bytes)
}

impl Verify {
    pub(super) fn run(self, json: bool) -> Result<Exit, Failure> {
        if !self.dir.is_dir() {
            return Err(Failure::Usage(format!("{} is not a directory", self.dir.display())));
        }
        let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let kept = |path: &PathBuf| Ok(Kept { name: name(path), note: read(path, CHECKPOINT)? });
        let trust = Trust {
            checkpoints: self.checkpoint.iter().map(kept).collect::<Result<_, Failure>>()?,
            keys: self.key,
            hr: self.hr.map(|path| read(&path, LIST)).transpose()?,
        };
        let verdict = verify(&self.dir, &trust);
        print(json, &verdict.json(), |_| verdict.words());
        Ok(if verdict.ok { Exit::Done } else { Exit::Failed })
    }
}
