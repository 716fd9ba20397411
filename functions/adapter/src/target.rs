//! What a case gives back in a system: what there was before the case that it restores, as far as their role may have it now.

use crate::{System, stored};
use leaver_adapters::restore::Wanted;
use leaver_domain::{
    case::{CaseRecord, MAX_BACK, Mode, Standing},
    fault::Fault,
    id::CaseId,
    intake,
    inventory::Inventory,
    person::{Person, PersonStatus},
    transfers::{Transfer, TransferState},
};
use std::collections::BTreeSet;

/// Most cases of one person that are looked through for what was taken since.
const MOST_SINCE: usize = 50;

pub(crate) struct Target {
    pub(crate) before: Option<Inventory>,
    /// What there was before, whether or not all of it comes back.
    pub(crate) whole: Option<Inventory>,
    pub(crate) permissions: BTreeSet<String>,
    /// What somebody else owns by now.
    pub(crate) given: Vec<String>,
    /// The case that is restored and those before it, newest first; none where only permissions are given.
    pub(crate) leaving: Vec<CaseRecord>,
    is_bounded: bool,
}

impl Target {
    pub(crate) async fn of(system: &System<'_>, case: &CaseRecord, person: &Person) -> Result<Self, Fault> {
        let mut past = match &case.restores {
            Some(earlier) => past(system, earlier, person).await?,
            None => Past::default(),
        };
        let leaving = match &case.restores {
            Some(earlier) => intake::leaving(system.store, earlier).await.map_err(stored)?,
            None => Vec::new(),
        };
        // What stays taken is told with what cannot come back.
        let whole = past.before.clone();
        let shut = leaving.last().filter(|shut| shut.mode.shuts());
        if let (Some(before), Some(shut)) = (&mut past.before, shut) {
            let taken = taken_since(system, shut, person).await?;
            before.grants.retain(|held| !taken.iter().any(|name| system.adapter.is_named(held, name)));
        }
        let given = given(system, &leaving).await?;
        let permissions = case.permissions_in(system.id);
        let by_role = case.by_role || past.by_role;
        let has_profile = system.policy.profile(person).is_some();
        let has_moved = past.has_moved || moved_since(system, leaving.last(), person).await?;
        let has_moved = has_moved && has_profile && system.policy.governed().contains(system.id);
        // A single permission was decided about by somebody; the rest comes back where it concerns them now.
        let is_elsewhere = case.restores.is_some()
            && permissions.is_empty()
            && !system.policy.routing.gives(person, system.id)
            && !system.policy.needs_account(person, system.id);
        if !by_role && !has_moved && !is_elsewhere {
            return Ok(Self { before: past.before, whole, permissions, given, leaving, is_bounded: false });
        }
        let mut needed = past.before.clone().map(|before| needed(system, person, before));
        if let Some(needed) = needed.as_mut().filter(|_| by_role) {
            // Whoever is hired anew logs in anew: no key of theirs becomes good again.
            needed.credentials.clear();
        }
        Ok(Self { before: needed, whole, permissions, given, leaving, is_bounded: true })
    }

    pub(crate) fn wanted(&self) -> Wanted<'_> {
        Wanted { before: self.before.as_ref(), permissions: &self.permissions }
    }

    /// Whether no more comes back than what the person's role needs now, and it needs no account here.
    pub(crate) fn is_for_nothing(&self, system: &System<'_>, person: &Person) -> bool {
        self.is_bounded && !system.policy.needs_account(person, system.id)
    }
}

/// Whether a change of position has come about since they were shut: what it took then was part of what there was before.
async fn moved_since(system: &System<'_>, shut: Option<&CaseRecord>, person: &Person) -> Result<bool, Fault> {
    let Some(shut) = shut else { return Ok(false) };
    let moves = intake::moves_of(system.store, person).await.map_err(stored)?;
    Ok(moves.iter().any(|moved| moved.has_begun() && moved.effective_at > shut.created_at))
}

/// What was taken here from them on its own since the shutting case had read what they hold: somebody decided about that, or what
/// was given for a time came to its end. What a change of position took is judged by their role.
async fn taken_since(
    system: &System<'_>,
    shut: &CaseRecord,
    person: &Person,
) -> Result<BTreeSet<String>, Fault> {
    let record = system.store.system(&shut.case_id, system.id).await.map_err(stored)?;
    let read = record.and_then(|record| record.started_at).unwrap_or(shut.created_at);
    let cases = system.store.cases_about(&person.username, MOST_SINCE).await.map_err(stored)?;
    let on_its_own = |case: &&CaseRecord| {
        case.mode == Mode::Partial && case.moves.is_none() && !case.dry_run && case.has_begun()
    };
    let mut taken = BTreeSet::new();
    for case in cases.iter().filter(on_its_own) {
        let record = system.store.system(&case.case_id, system.id).await.map_err(stored)?;
        let Some(record) = record else { continue };
        let by_hand = record.task.as_ref().and_then(|task| task.closed.as_ref()).map(|closed| closed.at);
        if record.revoked_at.max(by_hand).is_some_and(|at| at >= read) {
            taken.extend(case.permissions_in(system.id));
            taken.extend(case.grants.clone().unwrap_or_default());
        }
    }
    Ok(taken)
}

/// What somebody else owns since the case that is restored, or those before it.
async fn given(system: &System<'_>, leaving: &[CaseRecord]) -> Result<Vec<String>, Fault> {
    let mut transfers = Vec::new();
    for of in leaving {
        let record = system.store.system(&of.case_id, system.id).await.map_err(stored)?;
        transfers.extend(record.map(|record| record.transfers).unwrap_or_default());
    }
    let gone = |one: &&Transfer| matches!(one.state, TransferState::Running | TransferState::Done);
    let named = |one: &Transfer| {
        let to = one.to.as_ref().map(|to| format!(" went to {to}")).unwrap_or_default();
        format!("ownership of {} {}{to}", one.kind, one.name)
    };
    let given: BTreeSet<String> = transfers.iter().filter(gone).map(named).collect();
    Ok(given.into_iter().collect())
}

/// What somebody had.
#[derive(Default)]
struct Past {
    before: Option<Inventory>,
    /// Whether it was to come back before, and then only as far as their role needed it.
    by_role: bool,
    /// Whether they had another role then.
    has_moved: bool,
}

/// What there was before a case. Where that was nothing of use, because an earlier one had shut them by then and nothing had
/// come back yet: what there was before that one.
async fn past(system: &System<'_>, earlier: &CaseId, person: &Person) -> Result<Past, Fault> {
    let before = system.store.before(earlier, system.id).await.map_err(stored)?;
    let mut past = Past { before, ..Past::default() };
    let mut case = system.store.case(earlier).await.map_err(stored)?;
    for _ in 0..MAX_BACK {
        let was = case.as_ref().and_then(|case| case.person_was.clone());
        let role = was.as_ref().and_then(|was| was.role.as_ref());
        past.has_moved |= role.is_some_and(|role| *role != person.role);
        if past.before.as_ref().is_some_and(|before| before.is_active() && !before.grants.is_empty()) {
            break;
        }
        let Some(Standing { status, case: Some(by), .. }) = was else { break };
        case = system.store.case(&by).await.map_err(stored)?;
        if status == PersonStatus::Active {
            // They could use it: what they had been without since then was taken from them on its own. And of what nothing was
            // found, nothing was taken since.
            if past.before.as_ref().is_none_or(Inventory::is_active) {
                break;
            }
            let Some(back) = case.filter(|case| case.mode == Mode::Reactivate) else { break };
            let Some(restores) = back.restores else { break };
            past.by_role |= back.by_role;
            case = system.store.case(&restores).await.map_err(stored)?;
        }
        if let Some(shut) = &case {
            let older = system.store.before(&shut.case_id, system.id).await.map_err(stored)?;
            if past.before.is_none() || older.as_ref().is_some_and(Inventory::is_active) {
                past.before = older.or(past.before);
            }
        }
    }
    Ok(past)
}

/// What of an earlier state somebody's role needs now. Of a role of which nothing is known, what gives no power.
fn needed(system: &System<'_>, person: &Person, mut before: Inventory) -> Inventory {
    let profile = system.policy.profile(person);
    match profile.and_then(|profile| profile.needs(system.id)) {
        Some(names) => {
            before.grants.retain(|held| names.iter().any(|name| system.adapter.is_named(held, name)));
        }
        None => before.grants.retain(|held| !held.privileged),
    }
    before
}
