//! One system of a case: where it stands, and what was done there.

use super::{CaseRecord, Happening, Subject, SystemStatus, Task};
use crate::{
    approval::{Approval, ApprovalId},
    digest::Digest,
    fault::Fault,
    id::{CaseId, SystemId},
    inventory::{Asset, State},
    plan::{Action, ActionKey, Evidence, Outcome, Plan},
    risk::RiskSummary,
    time::Timestamp,
    transfers::Transfer,
    watch::Reading,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// One action done, with its outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionTaken {
    /// What was done.
    pub action: Action,
    /// What became of it.
    pub outcome: Outcome,
    /// When the vendor answered.
    pub at: Timestamp,
}

/// Access that is known to outlive its revocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Residual {
    /// What lives on.
    pub what: String,
    /// Until when; `None` where nobody can say.
    pub until: Option<Timestamp>,
}

/// One system of a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemRecord {
    /// Which case.
    pub case_id: CaseId,
    /// Which system.
    pub system: SystemId,
    /// Whose access.
    pub person: Subject,
    /// Where it stands.
    pub status: SystemStatus,
    /// What the risk rules said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<RiskSummary>,
    /// What is, or was, to be done.
    #[serde(default, skip_serializing_if = "Plan::is_empty")]
    pub plan: Plan,
    /// What an approval binds to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_digest: Option<Digest>,
    /// Before anything was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<State>,
    /// As the newest fresh read found it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<State>,
    /// What was done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<ActionTaken>,
    /// When the first attempt began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When the first fresh read asked for nothing more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
    /// When the delayed, independent read did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_at: Option<Timestamp>,
    /// What is known to live on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub residuals: Vec<Residual>,
    /// What the person had before access was taken and does not have again: credentials, sessions, and what the vendor
    /// alone gives.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_restorable: Vec<String>,
    /// What the person owned or made and what lives on without them, the first [`MAX_OWNED`] of it. All of it stands in the
    /// before-state.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owned: Vec<Asset>,
    /// How much that is altogether.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub owned_total: usize,
    /// What gets another owner, and how far that is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transfers: Vec<Transfer>,
    /// When the vendor's log is tried next, where access was taken before it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_due: Option<Timestamp>,
    /// When the transfers are looked at next; `None` where leaver has nothing left to do about them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfers_due: Option<Timestamp>,
    /// What is left to be destroyed once nobody can come back. No case does it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parked: Vec<Action>,
    /// Why nothing that may lose data is done here, where the data has to be kept, and what was gone before that was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preserved: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
    /// The last failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// What its owner has to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<Task>,
    /// What it was found like when it was read again, days after the case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub readings: Vec<Reading>,
    /// Who decides, where a human has to: the newest request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// What happened here.
    pub log: Vec<Happening>,
    /// Raised by one with every write.
    pub version: u64,
}

/// Most assets that one system's record names.
pub const MAX_OWNED: usize = 50;

fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl SystemRecord {
    /// Takes over what the person owned, as far as it is named here.
    pub fn keep_owned(&mut self, assets: &[Asset]) {
        self.owned = assets.iter().take(MAX_OWNED).cloned().collect();
        self.owned_total = assets.len();
    }

    /// One queued for a case.
    pub fn queued(case: &CaseRecord, system: SystemId) -> Self {
        Self {
            case_id: case.case_id.clone(),
            system,
            person: case.person.clone(),
            status: SystemStatus::Queued,
            risk: None,
            plan: Plan::default(),
            plan_digest: None,
            before: None,
            after: None,
            actions: Vec::new(),
            started_at: None,
            revoked_at: None,
            verified_at: None,
            residuals: Vec::new(),
            not_restorable: Vec::new(),
            owned: Vec::new(),
            owned_total: 0,
            transfers: Vec::new(),
            log_due: None,
            transfers_due: None,
            parked: Vec::new(),
            readings: Vec::new(),
            preserved: None,
            attempts: 0,
            fault: None,
            task: None,
            approval: None,
            log: Vec::new(),
            version: 1,
        }
    }

    /// Whether nothing more has to happen here for the case to be complete: verified, nothing there, or a task that
    /// somebody closed.
    pub fn is_finished(&self) -> bool {
        let by_hand = matches!(self.status, SystemStatus::ManualTask | SystemStatus::Denied);
        let closed = self.task.as_ref().is_some_and(|task| task.closed.is_some());
        self.status.is_finished() || (by_hand && closed)
    }

    /// The approval that waits here, by its id.
    pub fn asking(&self) -> Option<(ApprovalId, &Approval)> {
        let approval = self.approval.as_ref().filter(|approval| approval.is_pending())?;
        Some((self.approval_id(approval), approval))
    }

    /// The request that a human, or the execution that has to hear of their decision, is waited for; and its id.
    pub fn awaited(&self) -> Option<(ApprovalId, &Approval)> {
        use SystemStatus::{AwaitingApproval, Denied};
        let approval = self.approval.as_ref()?;
        let unheard = matches!(self.status, AwaitingApproval | Denied) && self.task.is_none();
        (approval.is_pending() || unheard).then(|| (self.approval_id(approval), approval))
    }

    /// The id of an approval of this system.
    pub fn approval_id(&self, approval: &Approval) -> ApprovalId {
        ApprovalId::System { case: self.case_id.clone(), system: self.system.clone(), round: approval.round }
    }

    /// The actions that only the vendor's answers evidence, out of everything done so far.
    pub fn receipts(&self) -> BTreeSet<ActionKey> {
        let by_receipt = |taken: &&ActionTaken| taken.action.evidence == Evidence::Receipt;
        self.actions.iter().filter(by_receipt).map(|taken| taken.action.key()).collect()
    }
}
