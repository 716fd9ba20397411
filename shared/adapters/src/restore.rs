//! The way back: what an earlier case took, or single permissions. Driven by the same loop as taking away, and held to the
//! same: given back is what a fresh read says.

use crate::{
    Adapter,
    http::{Reader, Writer},
    run::{Alone, Drive, Report, discover, left},
};
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::{Grant, Inventory, Sessions},
    person::Person,
    plan::{Action, ActionKey, ActionKind, Plan},
};
use std::collections::BTreeSet;

/// The grants that were held, can be given, and are not held now.
pub(crate) fn lost<'a>(before: &'a Inventory, now: &'a Inventory) -> impl Iterator<Item = &'a Grant> {
    let held = |had: &Grant| now.grants.iter().any(|held| held.id == had.id);
    before.grants.iter().filter(move |had| had.fixed.is_none() && !held(had))
}

/// Gives the lost grants again, each by its own id.
pub(crate) fn given_again<'a>(lost: impl Iterator<Item = &'a Grant>) -> impl Iterator<Item = Action> {
    lost.map(|had| Action::clean_up(ActionKind::AddGrant, &had.id, &had.name))
}

/// Makes an account usable again that was active and is not, then gives what it held. Nothing where there is no account.
pub(crate) fn plainly(before: &Inventory, now: &Inventory) -> Vec<Action> {
    let Some(is) = &now.account else { return Vec::new() };
    let shut = before.is_active() && !now.is_active();
    let enable = shut.then(|| Action::contain(ActionKind::EnableAccount, &is.id, &is.login));
    enable.into_iter().chain(given_again(lost(before, now))).collect()
}

/// What is to be there again.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// What there was before an earlier case, if one is restored.
    pub before: Option<&'a Inventory>,
    /// Permissions to give beside it, by the vendor's ids.
    pub permissions: &'a BTreeSet<String>,
}

/// What a reading found and what would be given. Made without a single write.
#[derive(Debug, Clone)]
pub struct Outlook {
    /// All that was found.
    pub found: Inventory,
    /// What is asked for now.
    pub next: Plan,
    /// What may be asked for until all is there again: some of it only once the account is back.
    pub plan: Plan,
}

impl Wanted<'_> {
    /// What this reading asks for.
    fn asked(&self, adapter: &dyn Adapter, now: &Inventory) -> Plan {
        let mut actions = self.before.map(|before| adapter.restore(before, now)).unwrap_or_default();
        let mut target = now.clone();
        let held = |name: &&String| now.grants.iter().any(|held| adapter.is_named(held, name));
        for name in self.permissions.iter().filter(|name| !held(name)) {
            target.grants.extend(self.grant(adapter, name));
        }
        if now.account.is_some() {
            actions.extend(adapter.restore(&target, now));
        } else if actions.is_empty() {
            // Nothing to be done is not the same as nothing missing.
            actions.extend(self.lost());
        }
        let mut seen = BTreeSet::new();
        actions.retain(|action| seen.insert(action.key()));
        Plan(actions)
    }

    /// What is missing where there is no account, and the adapter knows no way to get one.
    fn lost(&self) -> impl Iterator<Item = Action> {
        let was = self.before.and_then(|before| before.account.as_ref());
        let account = was.map(|was| Action::contain(ActionKind::EnableAccount, &was.id, &was.login));
        let grants = self.permissions.iter();
        account.into_iter().chain(grants.map(|name| Action::clean_up(ActionKind::AddGrant, name, name)))
    }

    /// The grant of this name: as it was held before, or by its id.
    fn grant(&self, adapter: &dyn Adapter, name: &str) -> Option<Grant> {
        let known =
            self.before.and_then(|before| before.grants.iter().find(|had| adapter.is_named(had, name)));
        known.cloned().or_else(|| adapter.grant(name))
    }

    /// Everything that may be asked for on the way: what is asked for now, and what will be once the account is back.
    fn whole(&self, adapter: &dyn Adapter, now: &Inventory) -> Plan {
        let mut plan = self.asked(adapter, now);
        let Some(account) = self.before.and_then(|before| before.account.clone()) else { return plan };
        let back = Inventory { account: Some(account), ..now.clone() };
        let later = self.asked(adapter, &back).0;
        let known: BTreeSet<ActionKey> = plan.0.iter().map(Action::key).collect();
        plan.0.extend(later.into_iter().filter(|action| !known.contains(&action.key())));
        plan
    }

    /// Why none of it can be given, if so.
    fn impossible(&self, adapter: &dyn Adapter, outlook: &Outlook) -> Option<Fault> {
        let not_there = |detail: String| Some(Fault::new(FaultKind::NotFound, detail));
        let hopeless = self.before.is_none_or(|before| adapter.restore(before, &outlook.found).is_empty());
        if outlook.found.account.is_none() && hopeless {
            let was = self.before.and_then(|before| before.account.as_ref());
            return not_there(match was {
                Some(was) => {
                    format!("the account {} does not exist any more, and leaver makes none", was.login)
                }
                None => "the person has no account here to which a permission could be given".to_owned(),
            });
        }
        let held = |name: &&String| outlook.found.grants.iter().any(|held| adapter.is_named(held, name));
        let unknown = self
            .permissions
            .iter()
            .filter(|name| !held(name))
            .find(|name| self.grant(adapter, name).is_none());
        unknown
            .and_then(|name| not_there(format!("`{name}` is not the id of a grant that can be given here")))
    }
}

/// Reads everything and says what would be given. Writes nothing.
///
/// # Errors
/// What the reads say; `NotFound` where there is nothing to which it could be given.
pub async fn survey(
    adapter: &dyn Adapter,
    http: &Reader,
    who: &Person,
    wanted: Wanted<'_>,
) -> Result<Outlook, Fault> {
    let found = discover(adapter, http, who).await?;
    let (next, plan) = (wanted.asked(adapter, &found), wanted.whole(adapter, &found));
    let outlook = Outlook { found, next, plan };
    wanted.impossible(adapter, &outlook).map_or(Ok(outlook), Err)
}

/// Gives back and reads back until nothing more is asked for, or what is left cannot be done now.
pub async fn restore(
    adapter: &dyn Adapter,
    http: &Writer,
    who: &Person,
    wanted: Wanted<'_>,
    outlook: Outlook,
    receipts: &BTreeSet<ActionKey>,
) -> Report {
    let drive = Drive {
        who,
        goal: &|now| wanted.asked(adapter, now),
        allowed: &outlook.plan,
        unmet: not_restored,
        beyond: "more is missing than when it was planned",
        between: &Alone,
    };
    drive.run(adapter, http, outlook.found, outlook.next, receipts).await
}

/// What a fresh reading still misses, when some actions are evidenced by the vendor's answers already.
///
/// # Errors
/// What the reads say.
pub async fn missing(
    adapter: &dyn Adapter,
    http: &Reader,
    who: &Person,
    wanted: Wanted<'_>,
    receipts: &BTreeSet<ActionKey>,
) -> Result<(Inventory, Plan), Fault> {
    left(adapter, http, who, &|now| wanted.asked(adapter, now), receipts).await
}

/// The fault of a fresh read that still misses something.
pub fn not_restored(left: &Plan) -> Fault {
    let labels: Vec<&str> = left.0.iter().take(5).map(|action| action.label.as_str()).collect();
    let detail = format!("a fresh read still misses {}: {}", left.0.len(), labels.join(", "));
    Fault::new(FaultKind::NotVerified, detail)
}

/// What there was and is not there again, for people: nobody can give a secret back, or a session, or what only the
/// vendor's own rules give.
pub fn not_restorable(adapter: &dyn Adapter, before: &Inventory, now: &Inventory) -> Vec<String> {
    let works = |id: &str| now.credentials.iter().any(|credential| credential.id == id && credential.active);
    let had = before.credentials.iter().filter(|credential| credential.active);
    let mut lost: Vec<String> =
        had.filter(|had| !works(&had.id)).map(|had| format!("credential {}", had.label)).collect();
    if let (Sessions::Listed(had), Sessions::Listed(now)) = (&before.sessions, &now.sessions) {
        let ended = had.iter().filter(|id| !now.contains(id)).count();
        lost.extend((ended > 0).then(|| format!("{ended} sessions")));
    }
    let held = |had: &&Grant| {
        let same = |held: &Grant| {
            adapter.is_named(held, &had.id) || (held.kind == had.kind && held.name == had.name)
        };
        now.grants.iter().any(same)
    };
    let gone = before.grants.iter().filter(|had| !held(had));
    lost.extend(gone.map(|had| format!("grant {}", had.name)));
    lost
}
