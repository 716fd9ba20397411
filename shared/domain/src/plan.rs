//! What is going to be done in one system: ordered actions, as a value that can be shown, approved and compared.

use crate::digest::Digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What an action does. Policy switches kinds on and off; approvals and rows name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    /// Make the account unable to log in, reversibly.
    DisableAccount,
    /// End sessions that are open now.
    EndSessions,
    /// Make an OAuth token, application grant or app password void.
    RevokeToken,
    /// Make an API key, access key, SSH key or certificate void.
    DisableApiKey,
    /// Remove a second factor or trusted device.
    RemoveFactor,
    /// Take the account out of a group, team or role, or a policy off it.
    RemoveGroup,
    /// Stop forwarding or delegation of the mailbox.
    RemoveDelegation,
    /// Give a paid seat back.
    RemoveLicence,
    /// Put on record that employment or a benefit ends, in a system that gives no access.
    RecordEnd,
    /// Ask for something to be brought back, by a ticket.
    OpenTicket,
    /// Make the account able to log in again, or take back what was recorded or asked for.
    EnableAccount,
    /// Give a permission back that was held before.
    AddGrant,
    /// Make a disabled key usable again.
    EnableApiKey,
}

/// When an action's turn comes: everything is contained everywhere before anything is cleaned up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Stops access now.
    Contain,
    /// Tidies what no longer gives access.
    CleanUp,
    /// Destroys what a return would need. A case never does it: it says what is left to be done once nobody can come back.
    Parked,
}

/// What shows that an action took effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// A fresh read no longer asks for it.
    Read,
    /// No read can tell; the vendor's answer to the call is all there is, and the report says so.
    Receipt,
}

/// One write that is intended in one system.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Action {
    /// What it does.
    pub kind: ActionKind,
    /// The vendor's id of what it is done to.
    pub target: String,
    /// For a human to recognise.
    pub label: String,
    /// When its turn comes.
    pub stage: Stage,
    /// Whether leaver can bring the former state back.
    pub reversible: bool,
    /// What shows that it took effect.
    pub evidence: Evidence,
}

impl Action {
    /// A reversible action of the first stage, evidenced by a read.
    pub fn contain(kind: ActionKind, target: impl Into<String>, label: impl Into<String>) -> Self {
        Self {
            kind,
            target: target.into(),
            label: label.into(),
            stage: Stage::Contain,
            reversible: true,
            evidence: Evidence::Read,
        }
    }

    /// A reversible action of the second stage, evidenced by a read.
    pub fn clean_up(kind: ActionKind, target: impl Into<String>, label: impl Into<String>) -> Self {
        Self { stage: Stage::CleanUp, ..Self::contain(kind, target, label) }
    }

    /// An irreversible action of the last stage, which no case carries out.
    pub fn parked(kind: ActionKind, target: impl Into<String>, label: impl Into<String>) -> Self {
        Self { stage: Stage::Parked, reversible: false, ..Self::contain(kind, target, label) }
    }

    /// The same, where the former state cannot be brought back.
    pub fn irreversible(mut self) -> Self {
        self.reversible = false;
        self
    }

    /// The same, where only the vendor's answer shows that it was done.
    pub fn by_receipt(mut self) -> Self {
        self.evidence = Evidence::Receipt;
        self
    }

    /// What makes it the same action in two plans.
    pub fn key(&self) -> ActionKey {
        ActionKey { kind: self.kind, target: self.target.clone() }
    }
}

/// Identity of an action: what is done to what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ActionKey {
    /// What is done.
    pub kind: ActionKind,
    /// The vendor's id of what it is done to.
    pub target: String,
}

/// What became of one action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The vendor did it.
    Done,
    /// It was so already. Said only after a read showed it.
    Already,
    /// The vendor took it on and works on it; a later read tells.
    Accepted,
}

/// How much of a person's access a case takes away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// Which kinds of action policy allows.
    pub kinds: BTreeSet<ActionKind>,
    /// Names or ids of the grants to take, where the case is partial; `None` for everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grants: Option<BTreeSet<String>>,
    /// Only what stops access now: what tidies, or is destroyed later, stays as it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub contain_only: bool,
}

impl Scope {
    /// Whether an action lies within it. A partial case takes the named grants and leaves the account usable.
    pub fn allows(&self, action: &Action) -> bool {
        use ActionKind::{RemoveDelegation, RemoveGroup, RemoveLicence};
        let named = self.grants.as_ref().is_none_or(|grants| {
            matches!(action.kind, RemoveGroup | RemoveLicence | RemoveDelegation)
                && (grants.contains(&action.target) || grants.contains(&action.label))
        });
        let staged = !self.contain_only || action.stage == Stage::Contain;
        named && staged && self.kinds.contains(&action.kind)
    }
}

/// The ordered actions intended in one system.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Plan(pub Vec<Action>);

impl Plan {
    /// The actions that lie within the scope, containment first, otherwise in the adapter's order; a repeated one once.
    pub fn within(scope: &Scope, actions: Vec<Action>) -> Self {
        let mut seen = BTreeSet::new();
        let now = |action: &Action| action.stage != Stage::Parked && scope.allows(action);
        let mut kept: Vec<Action> =
            actions.into_iter().filter(|action| now(action) && seen.insert(action.key())).collect();
        kept.sort_by_key(|action| action.stage);
        Self(kept)
    }

    /// What is still to be done when some actions are already evidenced by their receipts.
    pub fn without(mut self, receipts: &BTreeSet<ActionKey>) -> Self {
        self.0.retain(|action| action.evidence == Evidence::Read || !receipts.contains(&action.key()));
        self
    }

    /// What an approval binds to: the actions, whatever their order.
    pub fn digest(&self) -> Digest {
        let mut keys: Vec<ActionKey> = self.0.iter().map(Action::key).collect();
        keys.sort();
        Digest::of_json(&keys).unwrap_or(Digest::ZERO)
    }

    /// Whether every action of this plan is in the other: what was approved covers what would be done.
    pub fn is_within(&self, approved: &Self) -> bool {
        let approved: BTreeSet<ActionKey> = approved.0.iter().map(Action::key).collect();
        self.0.iter().all(|action| approved.contains(&action.key()))
    }

    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(kinds: &[ActionKind]) -> Scope {
        Scope { kinds: kinds.iter().copied().collect(), grants: None, contain_only: false }
    }

    #[test]
    fn containment_comes_first_and_switched_off_kinds_fall_out() {
        let plan = Plan::within(
            &scope(&[ActionKind::RemoveGroup, ActionKind::DisableAccount]),
            vec![
                Action::clean_up(ActionKind::RemoveGroup, "g1", "Engineering"),
                Action::clean_up(ActionKind::RemoveLicence, "l1", "Seat"),
                Action::contain(ActionKind::DisableAccount, "u1", "john"),
                Action::clean_up(ActionKind::RemoveGroup, "g1", "Engineering"),
            ],
        );
        let kinds: Vec<ActionKind> = plan.0.iter().map(|action| action.kind).collect();
        assert_eq!(kinds, [ActionKind::DisableAccount, ActionKind::RemoveGroup]);
    }

    #[test]
    fn a_partial_scope_takes_the_named_grants_only() {
        let mut partial = scope(&[ActionKind::RemoveGroup, ActionKind::DisableAccount]);
        partial.grants = Some(["Engineering".to_owned()].into());
        let plan = Plan::within(
            &partial,
            vec![
                Action::contain(ActionKind::DisableAccount, "u1", "john"),
                Action::clean_up(ActionKind::RemoveGroup, "g1", "Engineering"),
                Action::clean_up(ActionKind::RemoveGroup, "g2", "Sales"),
            ],
        );
        assert_eq!(plan.0.len(), 1);
        assert_eq!(plan.0[0].target, "g1");
    }

    #[test]
    fn a_partial_scope_takes_a_named_seat_or_delegation_and_nothing_that_only_shares_its_name() {
        use ActionKind::{DisableAccount, RemoveDelegation, RemoveGroup, RemoveLicence, RevokeToken};
        let kinds = [DisableAccount, RemoveDelegation, RemoveGroup, RemoveLicence, RevokeToken];
        let mut partial = scope(&kinds);
        partial.grants = Some(["x".to_owned()].into());
        let taken = |kind| partial.allows(&Action::contain(kind, "x", "x"));
        assert_eq!(kinds.map(taken), [false, true, true, true, false]);
        partial.grants = Some(BTreeSet::new());
        assert!(!partial.allows(&Action::contain(RemoveGroup, "x", "x")), "nothing named is nothing taken");
    }

    #[test]
    fn whoever_is_suspended_is_contained_and_nothing_else() {
        let kinds = [ActionKind::RemoveGroup, ActionKind::DisableAccount, ActionKind::RemoveLicence];
        let suspended = Scope { contain_only: true, ..scope(&kinds) };
        let plan = Plan::within(
            &suspended,
            vec![
                Action::contain(ActionKind::DisableAccount, "u1", "john"),
                Action::contain(ActionKind::RemoveGroup, "admins", "Administrators"),
                Action::clean_up(ActionKind::RemoveGroup, "g1", "Engineering"),
                Action::clean_up(ActionKind::RemoveLicence, "l1", "Seat"),
            ],
        );
        let targets: Vec<&str> = plan.0.iter().map(|action| action.target.as_str()).collect();
        assert_eq!(targets, ["u1", "admins"]);
    }

    #[test]
    fn only_receipts_can_take_an_action_off_the_list_without_a_read() {
        let read = Action::contain(ActionKind::DisableAccount, "u1", "john");
        let receipt = Action::contain(ActionKind::EndSessions, "u1", "john").by_receipt();
        let done: BTreeSet<ActionKey> = [read.key(), receipt.key()].into();
        let left = Plan(vec![read.clone(), receipt]).without(&done);
        assert_eq!(left.0, [read]);
    }

    #[test]
    fn a_digest_ignores_order_and_labels_and_covers_targets() {
        let a = Action::contain(ActionKind::DisableAccount, "u1", "john");
        let b = Action::clean_up(ActionKind::RemoveGroup, "g1", "Engineering");
        let one = Plan(vec![a.clone(), b.clone()]);
        let mut renamed = b.clone();
        renamed.label = "Eng".into();
        assert_eq!(one.digest(), Plan(vec![renamed, a.clone()]).digest());
        assert_ne!(one.digest(), Plan(vec![a.clone()]).digest());
        assert!(Plan(vec![a]).is_within(&one));
        assert!(!one.is_within(&Plan(vec![b])));
    }
}
