//! `manifest.json`: the digest of every other file.

use crate::files::{Sum, Sums};
use serde::{Deserialize, Serialize};

/// The document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the form; 1.
    pub version: u32,
    /// Every other file, by path.
    pub files: Sums,
}

impl Manifest {
    /// Of these files.
    pub fn of(files: &Sums) -> Self {
        Self { version: 1, files: files.clone() }
    }

    /// The file.
    ///
    /// # Errors
    /// None that input can reach: every part can be written as JSON.
    pub fn text(&self) -> Result<String, serde_json::Error> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}

/// One figure for many files: the digest over their paths and digests.
pub fn digest_of<'a>(files: impl Iterator<Item = (&'a String, &'a Sum)>) -> leaver_domain::digest::Digest {
    let lines: String = files.map(|(path, sum)| format!("{}  {path}\n", sum.sha256)).collect();
    leaver_domain::digest::Digest::of(lines.as_bytes())
}
