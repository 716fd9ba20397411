//! The life of a measure: it is asked for, decided about, brought about, and taken back when its end has come.
//!
//! Each step may be repeated, and may die anywhere: what it opens follows from the measure alone, and the measure's
//! record is written last, together with what changes in the same instant.

mod begin;
mod cases;
mod end;
mod lasting;
mod overlap;
mod request;
mod scope;
#[cfg(test)]
mod tests;

pub use begin::begin;
pub use end::end;
pub use lasting::lasting;
pub use overlap::{Given, to_take};
pub use request::{Asked, MAX_EXCEPTION, MAX_EXTENSION, MAX_GRANT, MAX_OPEN, MAX_PERMISSIONS, hold, request};
pub use scope::{may_still_give, note_holds, scope_again, scope_for};

use crate::{
    case::Happening,
    id::MeasureId,
    ledger::{EventKind, Outcome},
    measure::{Measure, MeasureStatus, What},
    ports::{CaseStore, StoreError},
    time::Timestamp,
};
use serde_json::Value;

/// Tries against somebody else who changes the same records.
const TRIES: usize = 4;

/// Who brings about and takes back what others decided.
const ACTOR: &str = "leaver/approval";

/// A line of a measure's log.
fn line(kind: EventKind, action: &str, outcome: Outcome, facts: Value, now: Timestamp) -> Happening {
    Happening { kind, at: now, actor: ACTOR.into(), action: action.into(), outcome, risk: None, facts }
}

/// The measure as it stands now.
async fn again(store: &dyn CaseStore, id: &MeasureId) -> Result<Measure, StoreError> {
    let measure = store.measure(id).await?;
    measure.ok_or_else(|| StoreError::Corrupt(format!("there is no measure {id}")))
}

impl Measure {
    /// Since when it may have had an effect: the instant at which enough had approved.
    pub fn since(&self) -> Option<Timestamp> {
        let decided = matches!(
            self.status,
            MeasureStatus::Approved | MeasureStatus::Active | MeasureStatus::Ending | MeasureStatus::Ended
        );
        decided.then(|| self.approval.decisions.last().map_or(self.requested_at, |last| last.at))
    }

    /// When it was over, if it is: what it gave was taken back by then.
    pub fn over_at(&self) -> Option<Timestamp> {
        let over =
            |line: &&Happening| line.kind == EventKind::MeasureEnded && line.outcome != Outcome::Pending;
        let ended = self.status == MeasureStatus::Ended;
        ended.then(|| self.log.iter().rev().find(over).map_or(self.requested_at, |line| line.at))
    }

    /// Whether it was in force at an instant, from its approval on and until its end.
    pub fn in_force_at(&self, at: Timestamp) -> bool {
        let begun = self.since().is_some_and(|since| since <= at);
        begun && self.until.is_none_or(|until| at < until) && self.over_at().is_none_or(|over| at < over)
    }

    /// Whether it is something that is in force for a while, rather than done once.
    pub fn lasts(&self) -> bool {
        matches!(
            self.what,
            What::Exception { .. } | What::Grant { .. } | What::BreakGlass { .. } | What::Hold
        )
    }
}
