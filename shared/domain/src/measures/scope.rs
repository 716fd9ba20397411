//! How measures in force change what a case takes or gives.

use crate::{
    case::{CaseRecord, Finding, Mode},
    id::SystemId,
    measure::{ExceptionKind, Measure, MeasureStatus, What},
    person::Person,
    plan::{ActionKind, Scope},
    policy::Policy,
    ports::Opening,
    time::Timestamp,
};
use serde_json::json;

fn excepts(measure: &Measure, kind: ExceptionKind) -> bool {
    matches!(&measure.what, What::Exception { what, .. } if *what == kind)
}

/// What a case may take in one system, given the measures about its person. `at` is the instant of the system's first attempt,
/// so that the later, independent read judges by what was in force then; the end of an exception opens a case of its own.
///
/// An exception for forwarding keeps what is set up. It does not keep the account able to log in: where a vendor forwards
/// nothing for a suspended account, as Google does, somebody has to route the mail beside it.
///
/// What routing leaves alone stays unless a partial case names it: what was given for a time has to come back.
pub fn scope_for(
    policy: &Policy,
    person: &Person,
    case: &CaseRecord,
    system: &SystemId,
    measures: &[Measure],
    at: Timestamp,
) -> Scope {
    let mut scope = match case.mode {
        Mode::Partial => policy.full_scope(),
        _ => policy.scope_in(person, system),
    };
    scope.grants = case.grants.clone();
    match case.mode {
        Mode::Leave => {}
        // What only tidies waits for what the investigation says.
        Mode::Suspend => scope.contain_only = true,
        // Whatever is not named is not taken.
        Mode::Partial | Mode::Reactivate => {
            scope.grants.get_or_insert_default().extend(case.permissions_in(system));
        }
    }
    let in_force = || measures.iter().filter(|measure| measure.in_force_at(at));
    if let Some(change) = &case.moves {
        let given = in_force().filter_map(|measure| match &measure.what {
            What::Grant { permissions } => Some(permissions),
            _ => None,
        });
        let here = given.flatten().filter(|one| one.system == *system).map(|one| one.grant.clone());
        scope.grants = change.takes(policy, person, system, &here.collect());
    }
    if case.mode == Mode::Leave && in_force().any(|one| excepts(one, ExceptionKind::MailForwarding)) {
        scope.kinds.remove(&ActionKind::RemoveDelegation);
    }
    // What the end of one grant takes back, another may have come to give since the case was written down.
    let ends = case.ends().filter(|_| case.mode == Mode::Partial);
    if let (Some(ended), Some(grants)) = (ends, &mut scope.grants) {
        for other in in_force().filter(|other| other.measure_id != *ended) {
            if let What::Grant { permissions } = &other.what {
                let here = permissions.iter().filter(|permission| permission.system == *system);
                here.for_each(|permission| {
                    grants.remove(&permission.grant);
                });
            }
        }
    }
    scope
}

/// What a case's systems are read for again, long after the case: as [`scope_for`] says for now, and without what an exception
/// gave that is over and not taken back yet.
pub fn scope_again(
    policy: &Policy,
    person: &Person,
    case: &CaseRecord,
    system: &SystemId,
    measures: &[Measure],
    now: Timestamp,
) -> Scope {
    use MeasureStatus::{Active, Approved, Ending};
    let mut scope = scope_for(policy, person, case, system, measures, now);
    let lives = |one: &&Measure| matches!(one.status, Approved | Active | Ending);
    if measures.iter().filter(lives).any(|one| excepts(one, ExceptionKind::MailForwarding)) {
        scope.kinds.remove(&ActionKind::RemoveDelegation);
    }
    scope
}

/// Whether a case that gives access may still do so: not once the measure that it is for has come to its end.
pub fn may_still_give(measure: &Measure, now: Timestamp) -> bool {
    let ended =
        matches!(measure.status, MeasureStatus::Ending | MeasureStatus::Denied | MeasureStatus::Expired);
    match measure.what {
        What::Grant { .. } | What::BreakGlass { .. } => {
            !ended && measure.status != MeasureStatus::Ended && measure.until.is_none_or(|until| now < until)
        }
        _ => !ended,
    }
}

/// A retention hold in force is told in each new case of the person, as a legal hold is.
pub fn note_holds(opening: &mut Opening, measures: &[Measure], now: Timestamp) {
    let Some((case, _)) = &mut opening.case else { return };
    for hold in measures {
        if excepts(hold, ExceptionKind::RetentionHold) && hold.is_active(now) {
            let until = hold.until.map(|until| format!(" until {until}")).unwrap_or_default();
            let detail = format!("retention hold{until}: access goes, nothing is deleted ({})", hold.reason);
            case.findings.push(Finding { kind: "legal_hold".into(), detail, at: now });
        }
    }
    if let Some(opened) = case.log.first_mut() {
        opened.facts["findings"] = json!(case.findings);
    }
}
