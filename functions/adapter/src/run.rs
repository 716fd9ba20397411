//! Read, judge, plan, apply, read back.

use crate::{
    System,
    between::Tidying,
    ending::{Ending, tell},
    gate, handover,
    neighbours::Neighbours,
    restore, stored, verb,
};
use leaver_adapters::{
    Part,
    run::{self, Done, Job, Report, Survey},
};
use leaver_domain::{
    case::{
        ActionTaken, CaseRecord, Happening, Mode, Residual, SystemRecord, SystemStatus, revocation, shown,
    },
    fault::Fault,
    hindsight,
    inventory::Inventory,
    ledger::{EventKind, Outcome},
    person::Person,
    plan::{Action, ActionKey},
    risk::RiskLevel,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Does the work of one system, from wherever an earlier attempt left it.
pub(crate) async fn run(
    system: &System<'_>,
    case: &CaseRecord,
    record: SystemRecord,
) -> Result<SystemStatus, Fault> {
    let neighbours = Neighbours::of(system, case, &record);
    let came_to = work(system, case, record, &neighbours).await;
    neighbours.go(system.now()).await;
    came_to
}

async fn work(
    system: &System<'_>,
    case: &CaseRecord,
    mut record: SystemRecord,
    neighbours: &Neighbours<'_>,
) -> Result<SystemStatus, Fault> {
    use SystemStatus::{AwaitingApproval, Failed, Queued, Running};
    let approved = record.status == AwaitingApproval && gate::is_approved(&record);
    if !approved && !matches!(record.status, Queued | Running | Failed) {
        return Ok(record.status);
    }
    let mut person = system.person(case).await?;
    person.last_day = Some(case.dates.last_day(case.effective_at));
    if case.mode == Mode::Suspend && system.adapter.spec().part != Part::Account {
        let why = "a suspension shuts accounts; nothing else ends with it".to_owned();
        return restore::set_aside(system, case, record, EventKind::AccessRevoked, why).await;
    }
    if let Some(why) = restore::called_off(case, &person) {
        return restore::set_aside(system, case, record, EventKind::AccessRevoked, why).await;
    }
    let kept = match &record.preserved {
        Some(_) => None,
        None => system.preserved(&person, case).await?,
    };
    let mut scope = system.scope(&person, case, &record).await?;
    // By the very reading that the row tells of.
    scope.preserve = record.preserved.is_some() || kept.is_some();
    let sought = system.sought(&person).await?;
    let job = Job { person: &sought, scope: &scope, ended: case.effective_at, risk: &system.policy.risk };
    let mut survey = match run::survey(system.adapter, system.http, &job).await {
        Ok(survey) => survey,
        Err(fault) => return failed(system, case, record, fault).await,
    };
    let transfers = record.transfers.clone();
    handover::plan(system, case, &person, &scope, &mut record, &mut survey).await?;
    if let Some(why) = kept {
        keep(system, &mut record, why, &survey.found);
    }
    if case.dry_run {
        return previewed(system, case, record, survey).await;
    }
    if survey.found.account.is_none() && record.before.is_none() {
        return absent(system, case, record, survey).await;
    }
    let ending = Ending::of(system, case).await?;
    handover::settle(system, case, &mut record, &transfers);
    begin(system, case, &person, &mut record, (&survey, ending.as_ref())).await?;
    if record.status == SystemStatus::AwaitingApproval {
        return Ok(record.status);
    }
    // Whoever came back while all this was read has a case that may have found nothing taken here.
    if let Some(why) = restore::called_off(case, &system.person(case).await?) {
        return restore::set_aside(system, case, record, EventKind::AccessRevoked, why).await;
    }
    let (receipts, activity) = (record.receipts(), survey.activity.clone());
    let (adapter, http) = (system.adapter, system.http);
    let tidying = Tidying { system, case, neighbours };
    let report = run::revoke_with(adapter, http, &job, survey, &receipts, &tidying).await;
    let more = ending.map(|ending| ending.facts(&record, &activity));
    finish(system, case, record, report, more.unwrap_or_default()).await
}

/// Keeps the before-state and writes down what is about to happen, before anything is changed. A flagged system stops
/// here, unless the case passes the gate, or what it takes is the end of a measure. A repeat keeps what the first attempt
/// saw: by now the account may be half revoked.
async fn begin(
    system: &System<'_>,
    case: &CaseRecord,
    person: &Person,
    record: &mut SystemRecord,
    (survey, ending): (&Survey, Option<&Ending>),
) -> Result<(), Fault> {
    let first = record.before.is_none();
    if first {
        let kept = system.store.keep_before(&case.case_id, system.id, &survey.found).await;
        kept.map_err(stored)?;
        // Whoever was first is the one whose reading counts, also for the summary.
        let before = system.store.before(&case.case_id, system.id).await.map_err(stored)?;
        record.before = Some(before.as_ref().unwrap_or(&survey.found).state());
        record.started_at = Some(system.now());
        record.plan = survey.plan.clone();
        record.plan_digest = Some(survey.plan.digest());
        if case.mode == Mode::Leave {
            record.keep_owned(&survey.found.assets);
            record.parked.clone_from(&survey.parked);
        }
    }
    record.risk = Some(survey.risk.clone());
    record.log_due = survey.log_owed.then(|| hindsight::first(system.now()));
    record.attempts += 1;
    record.fault = None;
    record.status = SystemStatus::Running;
    if survey.risk.level == RiskLevel::Flagged
        && !case.passes_gate()
        && !gate::covers(record, survey, &system.policy.approvals)
    {
        let agreed = match ending {
            Some(ending) => ending.is_agreed(system, person).await?,
            None => false,
        };
        if !agreed {
            gate::ask(system, case, person, record, survey).await?;
            // Where nobody agrees, this row is the last that tells what was done with the access.
            let more = ending.map(|ending| ending.facts(record, &survey.activity)).unwrap_or_default();
            if let Some(asking) = record.log.last_mut() {
                tell(&mut asking.facts, more);
            }
        }
    }
    system.save(record).await
}

pub(crate) fn actor(system: &System<'_>) -> String {
    format!("leaver/adapter/{}", system.id)
}

/// Takes what an attempt did, and what it read afterwards, into the record. What it failed with, if it did.
pub(crate) fn take_in(record: &mut SystemRecord, report: &Report) -> Option<Fault> {
    handover::took(record, &report.done);
    let one = |done: &Done| ActionTaken { action: done.action.clone(), outcome: done.outcome, at: done.at };
    record.actions.extend(report.done.iter().map(one));
    if let Some(after) = &report.after {
        record.after = Some(after.state());
    }
    report.fault.clone()
}

/// Takes down why the data is kept here, and what was gone before there was a reason to.
fn keep(system: &System<'_>, record: &mut SystemRecord, why: String, found: &Inventory) {
    let still: BTreeSet<ActionKey> = system.adapter.revoke(found).iter().map(Action::key).collect();
    let gone = record.plan.0.iter().filter(|action| action.loses_data && !still.contains(&action.key()));
    let labels: Vec<&str> = gone.map(|action| action.label.as_str()).collect();
    record.preserved = Some(match labels.is_empty() {
        true => why,
        false => format!("{why}; gone before that: {}", labels.join(", ")),
    });
    record.parked.retain(|action| !action.loses_data);
}

/// What lives on without the person, as a row shows it.
fn owned(record: &SystemRecord) -> Vec<Value> {
    record
        .owned
        .iter()
        .map(|asset| json!({"kind": asset.kind, "name": asset.name, "next": asset.next}))
        .collect()
}

/// What no case does, as a row shows it.
fn parked(record: &SystemRecord) -> Vec<Value> {
    record.parked.iter().map(|action| json!({"kind": action.kind, "label": action.label})).collect()
}

/// Writes down how the attempt came out.
async fn finish(
    system: &System<'_>,
    case: &CaseRecord,
    mut record: SystemRecord,
    report: Report,
    more: Value,
) -> Result<SystemStatus, Fault> {
    let transfers = record.transfers.clone();
    let fault = take_in(&mut record, &report);
    if let (Some(why), Some(after)) = (&report.kept, &report.after) {
        keep(system, &mut record, why.clone(), after);
    }
    if let Some(fault) = fault {
        return failed(system, case, record, fault).await;
    }
    if let Some(after) = &report.after {
        handover::look(system, &mut record, after).await;
    }
    let now = system.now();
    record.status = SystemStatus::Revoked;
    record.revoked_at = Some(now);
    let before = system.store.before(&case.case_id, system.id).await.map_err(stored)?;
    // What outlives the end of an account says nothing about one that stays.
    let leaves = case.mode == Mode::Leave;
    let residues =
        before.filter(|_| leaves).map(|before| system.adapter.residues(&before)).unwrap_or_default();
    let residual = |residue: leaver_adapters::Residue| Residual {
        what: residue.what,
        until: residue.lasts.map(|lasts| now.plus(lasts)),
    };
    record.residuals = residues.into_iter().map(residual).collect();
    let mut facts = json!({
        "revocation": revocation(case), "risk": record.risk, "plan_digest": record.plan_digest,
        "actions_taken": shown(&record.actions), "before_state": record.before, "after_state": record.after,
        "residuals": record.residuals, "attempts": record.attempts, "owned": owned(&record),
        "owned_total": record.owned_total, "parked": parked(&record),
        "verification": {"status": "read_back", "verified_at": now, "verifier": actor(system)},
    });
    if !record.transfers.is_empty() {
        tell(&mut facts, json!({"transfers": handover::shown(record.transfers.iter())}));
    }
    if let Some(why) = &record.preserved {
        tell(&mut facts, json!({"preserved": why}));
    }
    tell(&mut facts, more);
    record.log.push(Happening {
        kind: EventKind::AccessRevoked,
        at: now,
        actor: actor(system),
        action: "revoke".into(),
        outcome: Outcome::Success,
        risk: record.risk.as_ref().map(|risk| risk.level),
        facts,
    });
    handover::settle(system, case, &mut record, &transfers);
    system.save(&mut record).await?;
    Ok(record.status)
}

/// Writes down a failed attempt and gives the fault to the state machine, which decides whether there is another.
pub(crate) async fn failed(
    system: &System<'_>,
    case: &CaseRecord,
    mut record: SystemRecord,
    fault: Fault,
) -> Result<SystemStatus, Fault> {
    // An attempt that got as far as `begin` has been counted there.
    if record.status != SystemStatus::Running {
        record.attempts += 1;
    }
    tracing::warn!(case = %case.case_id, system = %system.id, attempt = record.attempts, %fault, "attempt failed");
    record.status = SystemStatus::Failed;
    record.fault = Some(fault.clone());
    record.log.push(Happening {
        kind: EventKind::RevocationFailed,
        at: system.now(),
        actor: actor(system),
        action: verb(case).into(),
        outcome: Outcome::Failure,
        risk: record.risk.as_ref().map(|risk| risk.level),
        facts: json!({
            "revocation": revocation(case), "fault": fault, "attempt": record.attempts,
            "actions_taken": shown(&record.actions), "before_state": record.before, "after_state": record.after,
        }),
    });
    system.save(&mut record).await?;
    Err(fault)
}

async fn absent(
    system: &System<'_>,
    case: &CaseRecord,
    mut record: SystemRecord,
    survey: Survey,
) -> Result<SystemStatus, Fault> {
    let now = system.now();
    record.status = SystemStatus::NotApplicable;
    record.attempts += 1;
    record.started_at.get_or_insert(now);
    record.fault = None;
    record.before = Some(survey.found.state());
    record.after = record.before.clone();
    record.risk = Some(survey.risk);
    record.log.push(Happening {
        kind: EventKind::AccessRevoked,
        at: now,
        actor: actor(system),
        action: "revoke".into(),
        outcome: Outcome::NotApplicable,
        risk: record.risk.as_ref().map(|risk| risk.level),
        facts: json!({
            "revocation": revocation(case), "why": "the person has no account in this system",
            "before_state": record.before, "after_state": record.after, "actions_taken": [],
        }),
    });
    system.save(&mut record).await?;
    Ok(record.status)
}

async fn previewed(
    system: &System<'_>,
    case: &CaseRecord,
    mut record: SystemRecord,
    survey: Survey,
) -> Result<SystemStatus, Fault> {
    record.plan_digest = Some(survey.plan.digest());
    record.before = Some(survey.found.state());
    record.attempts += 1;
    record.fault = None;
    record.status =
        if survey.found.account.is_none() { SystemStatus::NotApplicable } else { SystemStatus::Queued };
    record.log.push(Happening {
        kind: EventKind::PlanPreviewed,
        at: system.now(),
        actor: actor(system),
        action: "preview".into(),
        outcome: Outcome::Success,
        risk: Some(survey.risk.level),
        facts: json!({
            "revocation": revocation(case), "plan_digest": record.plan_digest, "plan": survey.plan,
            "before_state": record.before,
        }),
    });
    record.plan = survey.plan;
    record.risk = Some(survey.risk);
    system.save(&mut record).await?;
    Ok(record.status)
}
