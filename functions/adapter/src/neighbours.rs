//! The other systems of the case: nothing is tidied here before everything is contained there, or will not be for a while.

use crate::System;
use leaver_adapters::http::Writer;
use leaver_domain::{
    case::{CaseRecord, SystemRecord},
    gathering::{Gathering, PATIENCE},
    ports::StoreError,
    time::Timestamp,
};
use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

/// Between two looks at who has come.
const STEP: Duration = Duration::from_millis(250);

/// The neighbours of a system, as long as the case's first execution works on all of them side by side. Afterwards nobody waits:
/// whoever is late then was waited for already.
pub(crate) struct Neighbours<'a> {
    place: Option<&'a dyn Gathering>,
    case: &'a str,
    system: &'a str,
    everybody: BTreeSet<&'a str>,
    came: AtomicBool,
}

impl<'a> Neighbours<'a> {
    pub(crate) fn of(system: &System<'a>, case: &'a CaseRecord, record: &SystemRecord) -> Self {
        let together = case.run == 1 && !case.dry_run && record.attempts == 0;
        let automatic = case.systems.iter().filter(|one| system.policy.manual(one).is_none());
        Self {
            place: system.gathering.filter(|_| together),
            case: case.case_id.as_str(),
            system: system.id.as_str(),
            everybody: automatic.map(|one| one.as_str()).collect(),
            came: AtomicBool::new(false),
        }
    }

    /// This one keeps nobody waiting any more, however it came out.
    pub(crate) async fn go(&self, now: Timestamp) {
        if let Some(place) = self.place
            && !self.came.load(Ordering::Relaxed)
            && let Err(error) = place.come(self.case, self.system, now).await
        {
            self.out_of_reach(&error);
        }
    }

    fn all(&self, present: &BTreeSet<String>) -> bool {
        self.everybody.iter().all(|one| present.contains(*one))
    }

    /// Where nobody can be waited for, nothing stays undone for it.
    fn out_of_reach(&self, error: &StoreError) {
        tracing::warn!(case = self.case, system = self.system, %error, "the other systems cannot be waited for");
    }

    async fn wait(&self, place: &dyn Gathering, http: &Writer) -> Result<(), StoreError> {
        let mut present = place.come(self.case, self.system, http.now()).await?;
        self.came.store(true, Ordering::Relaxed);
        let mut waited = Duration::ZERO;
        while !self.all(&present) && waited < PATIENCE && http.pause(STEP).await {
            waited += STEP;
            present = place.present(self.case).await?;
        }
        if !self.all(&present) {
            let missing: Vec<&str> =
                self.everybody.iter().copied().filter(|one| !present.contains(*one)).collect();
            tracing::info!(
                case = self.case,
                system = self.system,
                ?missing,
                "tidied without waiting any longer"
            );
        }
        Ok(())
    }

    /// Everything is contained here: waits for the others.
    pub(crate) async fn contained(&self, http: &Writer) {
        let Some(place) = self.place else { return };
        if let Err(error) = self.wait(place, http).await {
            self.out_of_reach(&error);
        }
    }
}
