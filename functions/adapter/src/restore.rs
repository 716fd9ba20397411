//! The way back of one system: read, plan, keep what is there now, give back, read back. Somebody approved it before the
//! case was opened, so that no risk is judged here.

use crate::{
    System,
    run::{actor, failed, take_in},
    stored,
    target::Target,
};
use leaver_adapters::{
    restore::{self, Outlook},
    run::Report,
};
use leaver_domain::{
    case::{CaseRecord, CaseStatus, Happening, Mode, SystemRecord, SystemStatus, revocation, shown},
    fault::{Fault, FaultKind},
    inventory::Inventory,
    ledger::{EventKind, Outcome},
    measures,
    person::{Person, PersonStatus},
    plan::Plan,
};
use serde_json::json;

/// Why a case must not be carried on with, if so: the person left, or came back, under another one since.
pub(crate) fn called_off(case: &CaseRecord, person: &Person) -> Option<String> {
    let other = person.case.as_ref().filter(|other| **other != case.case_id);
    let by = other.map(|other| format!(" under {other}")).unwrap_or_default();
    match (case.mode, person.status) {
        (Mode::Reactivate, PersonStatus::Suspended | PersonStatus::Leaving | PersonStatus::Left) => {
            Some(format!("nothing is given back: access is taken away{by}"))
        }
        (Mode::Leave | Mode::Suspend, PersonStatus::Active) if !case.dry_run && other.is_some() => {
            Some(format!("nothing more is taken: access was given back{by}"))
        }
        _ => None,
    }
}

/// Leaves a system as it is.
pub(crate) async fn set_aside(
    system: &System<'_>,
    case: &CaseRecord,
    mut record: SystemRecord,
    kind: EventKind,
    why: String,
) -> Result<SystemStatus, Fault> {
    record.set_aside(case, kind, &why, &actor(system), system.now());
    system.save(&mut record).await?;
    Ok(record.status)
}

/// Does the work of one system, from wherever an earlier attempt left it.
pub(crate) async fn run(
    system: &System<'_>,
    case: &CaseRecord,
    record: SystemRecord,
) -> Result<SystemStatus, Fault> {
    use SystemStatus::{Failed, Queued, Running};
    if !matches!(record.status, Queued | Running | Failed) {
        return Ok(record.status);
    }
    let person = system.person(case).await?;
    if let Some(why) = called_off(case, &person) {
        return set_aside(system, case, record, EventKind::AccessRestored, why).await;
    }
    if let Some(why) = over(system, case).await? {
        return set_aside(system, case, record, EventKind::AccessRestored, why).await;
    }
    let target = Target::of(system, case, &person).await?;
    match earlier(system, case, &target).await? {
        Earlier::Done => {}
        Earlier::Untouched => {
            let why = "the restored case took nothing here".to_owned();
            return set_aside(system, case, record, EventKind::AccessRestored, why).await;
        }
        Earlier::Hindered(fault) => return failed(system, case, record, fault).await,
    }
    if target.is_for_nothing(system, &person) {
        let why = format!("the role {} in {} needs no account here", person.role, person.department);
        return set_aside(system, case, record, EventKind::AccessRestored, why).await;
    }
    let sought = system.sought(&person).await?;
    let outlook = restore::survey(system.adapter, system.http, &sought, target.wanted()).await;
    let outlook = match outlook {
        Ok(outlook) => outlook,
        Err(fault) => return failed(system, case, record, fault).await,
    };
    let record = begin(system, case, record, &outlook).await?;
    // Whoever left while all this was read has a case that may be through here already.
    if let Some(why) = called_off(case, &system.person(case).await?) {
        return set_aside(system, case, record, EventKind::AccessRestored, why).await;
    }
    let receipts = record.receipts();
    let report =
        restore::restore(system.adapter, system.http, &sought, target.wanted(), outlook, &receipts).await;
    finish(system, case, record, &target, report).await
}

/// Why nothing is given any more, if so: the measure that it is for has come to its end.
async fn over(system: &System<'_>, case: &CaseRecord) -> Result<Option<String>, Fault> {
    let Some(id) = &case.measure else { return Ok(None) };
    let measure = system.store.measure(id).await.map_err(stored)?;
    let over = measure.filter(|measure| !measures::may_still_give(measure, system.now()));
    Ok(over.map(|measure| format!("nothing is given any more: {} is over", measure.measure_id)))
}

/// How the restored case stands in this system.
enum Earlier {
    /// There is something to give, and nobody in the way.
    Done,
    /// Nothing was taken.
    Untouched,
    /// It cannot be given back, or not now.
    Hindered(Fault),
}

/// A case that is at work here has written so before it looked whether the person came back: one that has not takes nothing
/// any more.
async fn earlier(system: &System<'_>, case: &CaseRecord, target: &Target) -> Result<Earlier, Fault> {
    if case.restores.is_none() {
        return Ok(Earlier::Done);
    }
    let mut by_hand = None;
    for of in &target.leaving {
        let record = system.store.system(&of.case_id, system.id).await.map_err(stored)?;
        let Some(record) = record else { continue };
        let runs = matches!(of.status, CaseStatus::Running | CaseStatus::AwaitingApproval);
        if runs && !of.is_closing() && record.status == SystemStatus::Running {
            let detail = format!("{} is still at work here", of.case_id);
            return Ok(Earlier::Hindered(Fault::new(FaultKind::Conflict, detail)));
        }
        if record.task.is_some_and(|task| task.closed.is_some()) {
            by_hand.get_or_insert(&of.case_id);
        }
    }
    if target.before.is_some() {
        return Ok(Earlier::Done);
    }
    Ok(if let Some(by) = by_hand {
        let detail = format!("what was there before {by} is not known: it was taken by hand");
        Earlier::Hindered(Fault::new(FaultKind::NotFound, detail))
    } else if target.permissions.is_empty() {
        Earlier::Untouched
    } else {
        Earlier::Done
    })
}

/// Keeps what is there now and writes down what is about to happen, before anything is changed.
async fn begin(
    system: &System<'_>,
    case: &CaseRecord,
    mut record: SystemRecord,
    outlook: &Outlook,
) -> Result<SystemRecord, Fault> {
    if record.before.is_none() {
        system.store.keep_before(&case.case_id, system.id, &outlook.found).await.map_err(stored)?;
        // Whoever was first is the one whose reading counts, also for the summary.
        let before = system.store.before(&case.case_id, system.id).await.map_err(stored)?;
        record.before = Some(before.as_ref().unwrap_or(&outlook.found).state());
        record.started_at = Some(system.now());
        record.plan = outlook.plan.clone();
        record.plan_digest = Some(outlook.plan.digest());
    }
    record.attempts += 1;
    record.fault = None;
    record.status = SystemStatus::Running;
    system.save(&mut record).await?;
    Ok(record)
}

/// Writes down how the attempt came out.
async fn finish(
    system: &System<'_>,
    case: &CaseRecord,
    mut record: SystemRecord,
    target: &Target,
    report: Report,
) -> Result<SystemStatus, Fault> {
    if let Some(fault) = take_in(&mut record, &report) {
        return failed(system, case, record, fault).await;
    }
    let now = system.now();
    record.status = SystemStatus::Restored;
    record.revoked_at = Some(now);
    let lost = |before, after| restore::not_restorable(system.adapter, before, after);
    let before = target.whole.as_ref();
    record.not_restorable = before.zip(report.after.as_ref()).map(|(b, a)| lost(b, a)).unwrap_or_default();
    record.not_restorable.extend(target.given.iter().cloned());
    record.log.push(Happening {
        kind: EventKind::AccessRestored,
        at: now,
        actor: actor(system),
        action: "restore".into(),
        outcome: Outcome::Success,
        risk: None,
        facts: json!({
            "revocation": revocation(case), "plan_digest": record.plan_digest, "permissions": target.permissions,
            "actions_taken": shown(&record.actions), "before_state": record.before, "after_state": record.after,
            "not_restorable": record.not_restorable, "attempts": record.attempts,
            "verification": {"status": "read_back", "verified_at": now, "verifier": actor(system)},
        }),
    });
    system.save(&mut record).await?;
    Ok(record.status)
}

/// A fresh reading, and what is still to be given back.
pub(crate) async fn left(
    system: &System<'_>,
    target: &Target,
    person: &Person,
    record: &SystemRecord,
) -> Result<(Inventory, Plan), Fault> {
    let http = system.http.reader();
    restore::missing(system.adapter, http, person, target.wanted(), &record.receipts()).await
}
