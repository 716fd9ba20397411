//! What stands between containing a system and tidying it: its neighbours are waited for, and what may lose data is asked about.

use crate::{System, neighbours::Neighbours};
use async_trait::async_trait;
use leaver_adapters::{http::Writer, run::Between};
use leaver_domain::{case::CaseRecord, fault::Fault};

/// One system of a case, on its way from containing to tidying.
pub(crate) struct Tidying<'a> {
    pub(crate) system: &'a System<'a>,
    pub(crate) case: &'a CaseRecord,
    pub(crate) neighbours: &'a Neighbours<'a>,
}

#[async_trait]
impl Between for Tidying<'_> {
    async fn contained(&self, http: &Writer) {
        self.neighbours.contained(http).await;
    }

    /// By a reading of its own: a hold may have come since the plan was made.
    async fn keeps(&self) -> Result<Option<String>, Fault> {
        let person = self.system.person(self.case).await?;
        self.system.preserved(&person, self.case).await
    }
}
