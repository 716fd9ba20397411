//! Where the systems of a case wait for each other. They are worked on side by side, by functions that know nothing of each other; but
//! nothing is tidied anywhere before everything is contained everywhere, and before what was there is kept everywhere: a group that is
//! taken away in the directory may take accounts with it elsewhere.

use crate::{ports::StoreError, time::Timestamp};
use async_trait::async_trait;
use std::{collections::BTreeSet, time::Duration};

/// For how long one system waits for the others at most. Whoever is slower than this is slow for a reason that may last, and what is
/// left here must not wait for it.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The meeting places, one for each case.
#[async_trait]
pub trait Gathering: Send + Sync {
    /// Writes down that somebody is through with containing. Who is so far.
    async fn come(&self, case: &str, who: &str, now: Timestamp) -> Result<BTreeSet<String>, StoreError>;

    /// Who is through so far.
    async fn present(&self, case: &str) -> Result<BTreeSet<String>, StoreError>;
}
