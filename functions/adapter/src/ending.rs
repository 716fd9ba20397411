//! The end of a measure: a case that takes back what it gave does so under the measure's own approval.

use crate::{System, stored};
use leaver_domain::{
    approval::ApprovalStatus,
    case::{CaseRecord, SystemRecord},
    fault::Fault,
    measure::{Measure, What},
    person::Person,
    risk::Activity,
};
use serde_json::{Value, json};

/// The measure whose end a case is.
pub(crate) struct Ending(Measure);

impl Ending {
    /// That of a case, if it is the end of one.
    pub(crate) async fn of(system: &System<'_>, case: &CaseRecord) -> Result<Option<Self>, Fault> {
        let Some(id) = case.ends() else { return Ok(None) };
        Ok(system.store.measure(id).await.map_err(stored)?.map(Self))
    }

    /// Whether a human has agreed already to what is taken here: whoever approved the measure agreed to its end. Not where the
    /// case by which the person left was flagged here and nobody agreed: what stayed then was not the measure's to give.
    pub(crate) async fn is_agreed(&self, system: &System<'_>, person: &Person) -> Result<bool, Fault> {
        if self.0.approval.status != ApprovalStatus::Approved {
            return Ok(false);
        }
        let left = match &self.0.what {
            What::BreakGlass { case } => Some(case),
            What::Exception { .. } => person.case.as_ref(),
            _ => None,
        };
        let Some(left) = left else { return Ok(true) };
        let record = system.store.system(left, system.id).await.map_err(stored)?;
        let asked = record.and_then(|record| record.approval);
        Ok(asked.is_none_or(|approval| approval.status == ApprovalStatus::Approved))
    }

    /// What a row says of it: under whose approval the system was changed where nobody was asked, and what was done with
    /// emergency access.
    pub(crate) fn facts(&self, record: &SystemRecord, activity: &Activity) -> Value {
        let mut facts = json!({});
        if record.approval.is_none() {
            facts["measure"] = json!(self.0.measure_id);
        }
        if let What::BreakGlass { .. } = self.0.what {
            facts["used"] = json!(activity.used_since(self.0.since().unwrap_or(self.0.requested_at)));
        }
        facts
    }
}

/// Adds facts to those of a row.
pub(crate) fn tell(facts: &mut Value, more: Value) {
    if let (Some(facts), Value::Object(more)) = (facts.as_object_mut(), more) {
        facts.extend(more);
    }
}
