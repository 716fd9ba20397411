//! Giving what a leaver owned to somebody else: who gets it, what is asked of the vendor, and what has become of it.
//!
//! A handover goes beside the revocation. Nothing about it makes an account safe, so that nothing of it can fail one.

use crate::{
    Adapter,
    http::{Reader, Writer},
};
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::{Account, AccountStatus, Asset, Inventory, Next},
    person::Person,
    plan::{Action, ActionKind, Outcome},
    transfers::Heir,
};

/// Stands between a thing's id and the id of the heir's account in an action's target: no vendor's id holds it.
const TO: char = '>';

/// How far the vendor is with a transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// It has its new owner.
    Done,
    /// It is being moved.
    Running,
    /// The vendor knows of no such transfer.
    Unknown,
    /// The vendor gave up, and says why.
    Failed(String),
}

/// Who gets what the person owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inherited {
    /// Somebody with an account here.
    By(Heir),
    /// Nobody: why not.
    Nobody(String),
}

/// The things of a reading that leaver can give to somebody else by itself.
pub fn movable(adapter: &dyn Adapter, found: &Inventory) -> Vec<Asset> {
    let can = |asset: &&Asset| asset.next == Next::Transfer && adapter.hands_over(asset);
    found.assets.iter().filter(can).cloned().collect()
}

/// The action that gives one thing to an heir. It cannot be undone: by then the heir works with it.
pub fn action(asset: &Asset, to: &Heir) -> Action {
    let label = format!("{} {} to {}", asset.kind, asset.name, to.login);
    let target = format!("{}{TO}{}", asset.id, to.account);
    Action::clean_up(ActionKind::TransferOwnership, target, label).irreversible()
}

/// The thing and the heir's account that an action names.
pub fn parts(target: &str) -> Option<(&str, &str)> {
    target.rsplit_once(TO).filter(|(asset, heir)| !asset.is_empty() && !heir.is_empty())
}

/// Whether somebody can take over here, by a fresh read of their account.
///
/// # Errors
/// Those after which asking again may help.
pub async fn inherit(adapter: &dyn Adapter, http: &Reader, who: &Person) -> Result<Inherited, Fault> {
    let name = adapter.spec().name;
    match adapter.heir(http, who).await {
        Ok(Some(account)) if account.status == AccountStatus::Active => Ok(Inherited::By(Heir {
            username: who.username.clone(),
            account: account.id,
            login: account.login,
        })),
        Ok(Some(_)) => {
            Ok(Inherited::Nobody(format!("the account of {} in {name} is not active", who.username)))
        }
        Ok(None) => Ok(Inherited::Nobody(format!("{} has no account in {name}", who.username))),
        Err(fault) if fault.kind.is_retryable() => Err(fault),
        Err(fault) => Ok(Inherited::Nobody(format!("the account of {} in {name}: {fault}", who.username))),
    }
}

/// Asks the vendor for one transfer.
///
/// # Errors
/// What the call says.
pub async fn ask(
    adapter: &dyn Adapter,
    http: &Writer,
    found: &Inventory,
    asset: &Asset,
    to: &Heir,
) -> Result<Outcome, Fault> {
    adapter.apply(http, found, &action(asset, to)).await
}

/// What a thing's own absence from a fresh reading says: it belongs to somebody else now.
pub fn by_absence(found: &Inventory, asset: &str) -> Progress {
    let is_there = found.assets.iter().any(|owned| owned.id == asset);
    if is_there { Progress::Unknown } else { Progress::Done }
}

/// An heir's account out of what a search for them found.
pub(crate) fn account_of(found: Option<Account>) -> Option<Account> {
    found.filter(|account| !account.id.contains(TO))
}

/// The fault of a target that names no heir.
pub(crate) fn misnamed() -> Fault {
    Fault::new(FaultKind::Internal, "not a transfer of this adapter")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_names_the_thing_and_the_heir() {
        let asset = Asset {
            id: "owned:Account".into(),
            kind: "account".into(),
            name: "3 records".into(),
            live_automation: false,
            next: Next::Transfer,
        };
        let to = Heir {
            username: "jane.smith".parse().unwrap(),
            account: "005x".into(),
            login: "jane@example.com".into(),
        };
        let action = action(&asset, &to);
        assert_eq!(parts(&action.target), Some(("owned:Account", "005x")));
        assert!(!action.reversible && action.label.ends_with("jane@example.com"));
        assert_eq!(parts("owned:Account"), None);
        assert_eq!(parts("owned:Account>"), None);
    }
}
