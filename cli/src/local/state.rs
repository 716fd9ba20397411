//! What an environment's directory remembers between two commands.

use super::{process::Running, write_private};
use crate::failure::{Context as _, Failure};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// What was started, deployed and filled.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct State {
    /// The emulator.
    pub(super) emulator: Option<Running>,
    /// The stand-ins.
    pub(super) sandbox: Option<Running>,
    /// How many sample people are generated, where somebody said so.
    pub(super) people: Option<usize>,
    /// Digest of what is deployed.
    pub(super) deployed: Option<String>,
    /// What the stack told.
    pub(super) outputs: BTreeMap<String, String>,
    /// Digest of the credentials and addresses that the secrets hold, once the sample data are in.
    pub(super) filled: Option<String>,
}

impl State {
    pub(super) fn file(dir: &Path) -> PathBuf {
        dir.join("state.json")
    }

    /// What is remembered: nothing, where the file is missing or from another version.
    pub(super) fn read(dir: &Path) -> Self {
        fs::read(Self::file(dir)).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
    }

    pub(super) fn write(&self, dir: &Path) -> Result<(), Failure> {
        let text = serde_json::to_vec_pretty(self).context("state.json")?;
        write_private(&Self::file(dir), &text)
    }

    /// The emulator holds nothing any more.
    pub(super) fn forget_deployment(&mut self) {
        (self.deployed, self.filled) = (None, None);
        self.outputs.clear();
    }
}
