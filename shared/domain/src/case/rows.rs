//! What the rows of a case have in common.

use super::{ActionTaken, CaseRecord, Happening, SystemRecord, SystemStatus};
use crate::{
    ledger::{EventKind, Outcome},
    time::Timestamp,
};
use serde_json::{Value, json};

/// What every row of a system says of its case.
pub fn revocation(case: &CaseRecord) -> Value {
    let mut said = json!({
        "type": case.mode, "reason": case.reason, "triggered_by": case.trigger.by, "emergency": case.emergency,
        "effective_at": case.effective_at, "policy_digest": case.policy_digest,
    });
    // What is flagged stands in the row's risk: with this, it was passed.
    if case.passes_gate() && !case.emergency {
        said["passes_gate"] = json!(true);
    }
    if let Some(restores) = &case.restores {
        said["restores"] = json!(restores);
    }
    said
}

/// The actions as a row shows them.
pub fn shown(actions: &[ActionTaken]) -> Vec<Value> {
    let one = |taken: &ActionTaken| {
        let (kind, label) = (taken.action.kind, &taken.action.label);
        json!({"kind": kind, "target": taken.action.target, "label": label, "outcome": taken.outcome,
               "evidence": taken.action.evidence, "at": taken.at})
    };
    actions.iter().map(one).collect()
}

impl SystemRecord {
    /// Leaves the system as it is, and says why in a row of that kind.
    pub fn set_aside(&mut self, case: &CaseRecord, kind: EventKind, why: &str, actor: &str, now: Timestamp) {
        self.status = SystemStatus::NotApplicable;
        self.started_at.get_or_insert(now);
        self.fault = None;
        self.log.push(Happening {
            kind,
            at: now,
            actor: actor.to_owned(),
            action: "set aside".into(),
            outcome: Outcome::NotApplicable,
            risk: self.risk.as_ref().map(|risk| risk.level),
            facts: json!({
                "revocation": revocation(case), "why": why, "actions_taken": shown(&self.actions),
                "before_state": self.before, "after_state": self.after,
            }),
        });
    }
}
