//! What the person owned goes to whoever takes over: planned with the revocation, asked for between containment and tidying,
//! and followed until a fresh read shows it. It holds up neither the system nor the case.

use crate::{System, restore::called_off, run::actor, stored};
use leaver_adapters::{
    handover::{self, Inherited, Progress},
    run::{Done, Survey, discover},
};
use leaver_domain::{
    case::{CaseRecord, CaseStatus, Happening, Mode, SystemRecord, SystemStatus, revocation},
    deciding,
    fault::Fault,
    inventory::{Asset, Inventory},
    ledger::{EventKind, Outcome},
    person::Person,
    plan::{ActionKind, Scope},
    ports::Change,
    reviews::{self, Review},
    transfers::{self, Heir, Transfer, TransferState, can_inherit, candidates, is_given_up, look_again},
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Who takes over here: the manager, or the system's owner where no manager stays.
async fn who(system: &System<'_>, person: &Person) -> Result<Inherited, Fault> {
    let owner = system.policy.systems.get(system.id).map(|of| &of.owner);
    for name in candidates(person, owner) {
        let candidate = system.store.person(&name).await.map_err(stored)?;
        if let Some(candidate) = candidate.filter(can_inherit) {
            return handover::inherit(system.adapter, system.http, &candidate).await;
        }
    }
    Ok(Inherited::Nobody("neither a manager nor the system's owner stays who could take over".to_owned()))
}

/// Adds to a survey what hands over, and to the record what is wanted. A heir who cannot be read now is looked for again
/// later: nothing here keeps an account from being closed.
pub(crate) async fn plan(
    system: &System<'_>,
    case: &CaseRecord,
    person: &Person,
    scope: &Scope,
    record: &mut SystemRecord,
    survey: &mut Survey,
) -> Result<(), Fault> {
    let wanted = scope.grants.is_none() && scope.kinds.contains(&ActionKind::TransferOwnership);
    let assets = handover::movable(system.adapter, &survey.found);
    if case.mode != Mode::Leave || !wanted || survey.found.account.is_none() || assets.is_empty() {
        return Ok(());
    }
    record.transfers = transfers::wanted(&record.transfers, &assets);
    let asked = |one: &Transfer| one.state == TransferState::Requested;
    if !record.transfers.iter().any(asked) {
        return Ok(());
    }
    let heir = match who(system, person).await {
        Ok(heir) => heir,
        Err(fault) => {
            tracing::warn!(case = %case.case_id, system = %system.id, %fault, "whoever takes over is looked for later");
            return Ok(());
        }
    };
    let mut actions = Vec::new();
    for one in record.transfers.iter_mut().filter(|one| asked(one)) {
        match &heir {
            Inherited::Nobody(why) => one.failed(why.clone()),
            Inherited::By(heir) => {
                one.give_to(heir);
                let asset = assets.iter().find(|asset| asset.id == one.asset);
                actions.extend(asset.map(|asset| handover::action(asset, heir)));
            }
        }
    }
    survey.plan.hand_over(actions);
    Ok(())
}

/// Takes down what the vendor took on.
pub(crate) fn took(record: &mut SystemRecord, done: &[Done]) {
    for done in done.iter().filter(|done| done.action.kind == ActionKind::TransferOwnership) {
        let Some((asset, _)) = handover::parts(&done.action.target) else { continue };
        if let Some(one) = record.transfers.iter_mut().find(|one| one.asset == asset) {
            one.asked(done.at);
        }
    }
}

/// Looks how far those are that the vendor took on. What cannot be read now is looked at again.
pub(crate) async fn look(system: &System<'_>, record: &mut SystemRecord, found: &Inventory) {
    let now = system.now();
    for one in record.transfers.iter_mut().filter(|one| one.state == TransferState::Running) {
        let Some(to) = one.account.clone() else { continue };
        match system.adapter.transferred(system.http, found, &one.asset, &to).await {
            Ok(Progress::Done) => one.done(now),
            Ok(Progress::Failed(why)) => one.failed(why),
            Ok(Progress::Unknown) => one.state = TransferState::Requested,
            Ok(Progress::Running) => {}
            Err(fault) => {
                tracing::warn!(case = %record.case_id, system = %system.id, %fault, "a transfer cannot be read");
            }
        }
    }
}

/// The transfers as a row shows them.
pub(crate) fn shown<'a>(all: impl Iterator<Item = &'a Transfer>) -> Vec<Value> {
    all.map(|one| {
        json!({"kind": one.kind, "name": one.name, "to": one.to, "state": one.state, "asked_at": one.asked_at,
               "done_at": one.done_at, "why": one.why})
    })
    .collect()
}

/// Writes the row of what has come to its end since `before`, and when the rest is looked at again. Whether there is a row.
pub(crate) fn settle(
    system: &System<'_>,
    case: &CaseRecord,
    record: &mut SystemRecord,
    before: &[Transfer],
) -> bool {
    let now = system.now();
    let since = record.started_at.unwrap_or(now);
    let waiting = record.transfers.iter().any(Transfer::is_waiting);
    record.transfers_due = (waiting && !case.dry_run).then(|| look_again(since, now));
    let was = |one: &Transfer| before.iter().find(|was| was.asset == one.asset).map(|was| was.state);
    let ended: Vec<&Transfer> =
        record.transfers.iter().filter(|one| !one.is_open() && was(one) != Some(one.state)).collect();
    if ended.is_empty() || case.dry_run {
        return false;
    }
    let all_done = ended.iter().all(|one| one.state == TransferState::Done);
    let line = Happening {
        kind: EventKind::OwnershipTransferred,
        at: now,
        actor: actor(system),
        action: "hand over".into(),
        outcome: if all_done { Outcome::Success } else { Outcome::Failure },
        risk: None,
        facts: json!({
            "revocation": revocation(case), "transfers": shown(ended.into_iter()),
            "open": record.transfers.iter().filter(|one| one.is_open()).count(),
        }),
    };
    record.log.push(line);
    true
}

/// Whether nobody else is at this record: the case has come to rest, or this system has while the case waits for others.
pub(crate) fn is_free(case: &CaseRecord, record: &SystemRecord) -> bool {
    use SystemStatus::{Denied, ManualTask, NotApplicable, Verified};
    let rests = matches!(record.status, Verified | NotApplicable | ManualTask | Denied);
    case.status.is_settled() || (case.status == CaseStatus::Running && !case.is_closing() && rests)
}

/// Follows the open transfers of a system that has come to rest, and gives a human what failed. While it is at work, its own
/// steps look.
pub(crate) async fn follow(
    system: &System<'_>,
    case: &CaseRecord,
    mut record: SystemRecord,
) -> Result<(), Fault> {
    if !is_free(case, &record) || !record.transfers.iter().any(Transfer::is_waiting) {
        return Ok(());
    }
    let person = system.person(case).await?;
    let before = record.transfers.clone();
    let now = system.now();
    if record.transfers.iter().any(Transfer::is_open) {
        if record.revoked_at.is_none() {
            fail_asked(&mut record, "leaver did not finish this system: whoever does gives it on as well");
        }
        let looked = advance(system, case, &person, &mut record).await;
        // By what the last look showed; where nobody can look, somebody hears of it all the same.
        let begun = record.started_at.unwrap_or(case.created_at);
        let is_late = |one: &&mut Transfer| one.is_open() && is_given_up(one.asked_at.unwrap_or(begun), now);
        let late = record.transfers.iter_mut().filter(is_late);
        let given_up = late
            .map(|one| one.failed("it has not come to its end within a week: look at it by hand"))
            .count();
        if given_up == 0 {
            looked?;
        }
    }
    // What was the leaver's stays theirs where they stay.
    let stays = called_off(case, &system.person(case).await?).is_some();
    let task = if stays { None } else { by_hand(system, case, &mut record).await? };
    let told = settle(system, case, &mut record, &before);
    if stays && !record.transfers.iter().any(Transfer::is_open) {
        record.transfers_due = None;
    }
    record.version += 1;
    let mut changes = vec![Change::System(Box::new(record))];
    changes.extend(task.map(|task| Change::Review(Box::new(task))));
    if told {
        // A checkpoint has to cover the new row as well; and whoever closes the case meanwhile reads again.
        let mut case = case.clone();
        case.checkpoint_size = None;
        case.version += 1;
        changes.push(Change::Case(Box::new(case)));
    }
    system.store.commit(&changes).await.map_err(stored)
}

/// The task of the system's owner about what failed; of the security team where the owner is none who stays.
async fn by_hand(
    system: &System<'_>,
    case: &CaseRecord,
    record: &mut SystemRecord,
) -> Result<Option<Review>, Fault> {
    if !record.transfers.iter().any(Transfer::is_nobodys) {
        return Ok(None);
    }
    let approvals = &system.policy.approvals;
    let owner = system.policy.systems.get(system.id).map(|of| &of.owner);
    let owner = match owner.filter(|owner| **owner != case.person.username) {
        Some(owner) => system.store.person(owner).await.map_err(stored)?.filter(can_inherit),
        None => None,
    };
    let owners = match owner {
        Some(owner) => BTreeSet::from([owner.username]),
        None => {
            let gone = deciding::gone(system.store, approvals).await.map_err(stored)?;
            reviews::owners(approvals, &BTreeSet::new(), &case.person.username, &gone)
        }
    };
    Ok(transfers::task(approvals, case, record, owners, &actor(system), system.now()))
}

/// Gives up what the vendor was not asked for yet.
fn fail_asked(record: &mut SystemRecord, why: &str) {
    let asked = record.transfers.iter_mut().filter(|one| one.state == TransferState::Requested);
    asked.for_each(|one| one.failed(why));
}

/// Looks at what the vendor took on, and asks for what it did not.
async fn advance(
    system: &System<'_>,
    case: &CaseRecord,
    person: &Person,
    record: &mut SystemRecord,
) -> Result<(), Fault> {
    let sought = system.sought(person).await?;
    let found = discover(system.adapter, system.http, &sought).await?;
    look(system, record, &found).await;
    // Read again: whoever came back meanwhile keeps what is theirs.
    if let Some(why) = called_off(case, &system.person(case).await?) {
        fail_asked(record, &why);
        return Ok(());
    }
    if !record.transfers.iter().any(|one| one.state == TransferState::Requested) {
        return Ok(());
    }
    let heir = match who(system, person).await? {
        Inherited::By(heir) => heir,
        Inherited::Nobody(why) => {
            fail_asked(record, &why);
            return Ok(());
        }
    };
    for one in record.transfers.iter_mut().filter(|one| one.state == TransferState::Requested) {
        match found.assets.iter().find(|asset| asset.id == one.asset) {
            Some(asset) => ask(system, &found, asset, &heir, one).await,
            None => one.done(system.now()),
        }
    }
    look(system, record, &found_again(system, &sought, found).await).await;
    Ok(())
}

/// A fresh reading behind what was asked for just now; the old one where there is none to be had.
async fn found_again(system: &System<'_>, person: &Person, found: Inventory) -> Inventory {
    discover(system.adapter, system.http, person).await.unwrap_or(found)
}

async fn ask(system: &System<'_>, found: &Inventory, asset: &Asset, heir: &Heir, one: &mut Transfer) {
    one.give_to(heir);
    match handover::ask(system.adapter, system.http, found, asset, heir).await {
        Ok(_) => one.asked(system.now()),
        // What nobody can mend by waiting is somebody's task; the rest is asked for again.
        Err(fault) if !fault.kind.is_retryable() => one.failed(fault.to_string()),
        Err(fault) => one.why = Some(fault.to_string()),
    }
}
