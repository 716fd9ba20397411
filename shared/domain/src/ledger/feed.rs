//! From the case table's records to the ledger's entries: each line of a record's log becomes one entry.
//!
//! The evidence is built from what the line fixed at its time, never from what the record says now: a record that moved
//! on must still give the same entry for the same line.

use super::entry::Draft;
use crate::{
    batch::Batch,
    case::{CaseRecord, Happening, Subject, SystemRecord},
    export::Export,
    measure::Measure,
    orphans::Orphan,
    population::{self, Population},
    reviews::Review,
};
use serde_json::{Value, json};

fn draft(
    case: &str,
    system: Option<&str>,
    who: &Subject,
    place: usize,
    line: &Happening,
    context: Value,
) -> Draft {
    let mut evidence = json!({
        "user": {"username": who.username, "employee_id": who.employee_id},
        "facts": line.facts,
    });
    if let (Some(fields), Value::Object(more)) = (evidence.as_object_mut(), context) {
        fields.extend(more);
    }
    Draft {
        event_id: format!("{case}/{}/{place}", system.unwrap_or("case")),
        case_id: case.to_owned(),
        ordinal: u32::try_from(place).unwrap_or(u32::MAX),
        kind: line.kind,
        occurred_at: line.at,
        username: who.username.to_string(),
        actor: line.actor.clone(),
        system: system.map(str::to_owned),
        action: line.action.clone(),
        outcome: line.outcome,
        risk: line.risk,
        evidence: evidence.to_string(),
    }
}

/// The entries of a case's own log, from a place on.
pub fn events_of_case(case: &CaseRecord, from: usize) -> Vec<Draft> {
    let context = json!({"revocation": {
        "type": case.mode, "reason": case.reason, "triggered_by": case.trigger.by, "dry_run": case.dry_run,
    }});
    let lines = case.log.iter().enumerate().skip(from);
    lines
        .map(|(place, line)| draft(case.case_id.as_str(), None, &case.person, place, line, context.clone()))
        .collect()
}

/// The entries of one system's log, from a place on.
pub fn events_of_system(record: &SystemRecord, from: usize) -> Vec<Draft> {
    let (case, system) = (record.case_id.as_str(), record.system.as_str());
    let lines = record.log.iter().enumerate().skip(from);
    lines.map(|(place, line)| draft(case, Some(system), &record.person, place, line, Value::Null)).collect()
}

/// A line that concerns nobody's access: it stands under an id of its own, where others have their case.
fn apart(id: &str, place: usize, line: &Happening) -> Draft {
    Draft {
        event_id: format!("{id}/case/{place}"),
        case_id: id.to_owned(),
        ordinal: u32::try_from(place).unwrap_or(u32::MAX),
        kind: line.kind,
        occurred_at: line.at,
        username: String::new(),
        actor: line.actor.clone(),
        system: None,
        action: line.action.clone(),
        outcome: line.outcome,
        risk: None,
        evidence: json!({"facts": line.facts}).to_string(),
    }
}

/// The entries of a counted day, from a place on.
pub fn events_of_population(record: &Population, from: usize) -> Vec<Draft> {
    let id = population::id_of(record.day);
    record.log.iter().enumerate().skip(from).map(|(place, line)| apart(&id, place, line)).collect()
}

/// The entries of a measure, from a place on.
pub fn events_of_measure(record: &Measure, from: usize) -> Vec<Draft> {
    let id = record.measure_id.as_str();
    let lines = record.log.iter().enumerate().skip(from);
    let context = || json!({"measure": {"kind": record.what.name(), "reason": record.reason, "requested_by": record.requested_by}});
    lines
        .map(|(place, line)| match &record.person {
            Some(person) => draft(id, None, person, place, line, context()),
            None => apart(id, place, line),
        })
        .collect()
}

/// The entries of a review, from a place on.
pub fn events_of_review(record: &Review, from: usize) -> Vec<Draft> {
    let id = record.review_id.as_str();
    let context = || json!({"review": {"kind": record.kind, "case_id": record.case}});
    let lines = record.log.iter().enumerate().skip(from);
    lines.map(|(place, line)| draft(id, None, &record.person, place, line, context())).collect()
}

/// The entries of an orphan, from a place on. The person is named where it is known whose it was.
pub fn events_of_orphan(record: &Orphan, from: usize) -> Vec<Draft> {
    let id = record.orphan_id.as_str();
    let line = |(place, line): (usize, &Happening)| Draft {
        system: Some(record.system.to_string()),
        username: line.facts["class"]["username"].as_str().unwrap_or_default().to_owned(),
        ..apart(id, place, line)
    };
    record.log.iter().enumerate().skip(from).map(line).collect()
}

/// The entries of an export, from a place on.
pub fn events_of_export(record: &Export, from: usize) -> Vec<Draft> {
    record
        .log
        .iter()
        .enumerate()
        .skip(from)
        .map(|(place, line)| apart(&record.export_id, place, line))
        .collect()
}

/// The entries of a batch, from a place on. Its cases have their own.
pub fn events_of_batch(record: &Batch, from: usize) -> Vec<Draft> {
    let id = record.batch_id.as_str();
    record.log.iter().enumerate().skip(from).map(|(place, line)| apart(id, place, line)).collect()
}
