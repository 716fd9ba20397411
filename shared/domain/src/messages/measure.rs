//! The message about a measure: what somebody asks for, for how long, and what each answer leads to.

use super::{Message, count, words};
use crate::{
    approval::{ApprovalId, ApprovalPolicy},
    measure::{Measure, What},
};

/// The message about the approval of a measure.
pub fn of_measure(policy: &ApprovalPolicy, measure: &Measure) -> Message {
    let whom = measure.username().map_or_else(|| "several people".to_owned(), ToString::to_string);
    let mut message = Message::new(&title(&measure.what, &whom));
    if let Some(person) = &measure.person {
        message = message.fact("Person", format!("{} ({})", person.username, person.employee_id));
    }
    message = message
        .fact("Request", measure.measure_id.as_str())
        .fact("Why", &measure.reason)
        .fact("Asked for by", &measure.requested_by);
    if let Some(until) = measure.until {
        message = message.fact("Ends by itself", until.to_string());
    }
    message = message.section("What would be done", effect(measure));
    if measure.approval.is_pending() {
        let (waiting, denied) = answers(&measure.what);
        message = message.section("While it waits", [waiting]).section("If it is denied", [denied]);
    }
    message.asking(policy, &ApprovalId::Measure(measure.measure_id.clone()), &measure.approval)
}

fn title(what: &What, whom: &str) -> String {
    match what {
        What::Exception { what, .. } => format!("Grant an exception for {whom}: {}?", words(what)),
        What::Grant { permissions } => {
            format!("Give {whom} {} for a time?", count(permissions.len(), "permission"))
        }
        What::BreakGlass { .. } => format!("EMERGENCY: give {whom} their access back for a time?"),
        What::Restore { .. } => format!("Give {whom} their access back for good?"),
        What::Rehire { .. } => format!("{whom} is hired anew: give back what their role needs?"),
        What::Extension { until } => format!("Extend the contract of {whom} until {until}?"),
        What::Hold => format!("A legal hold on {whom}"),
        What::HoldRelease => format!("End the legal hold on {whom}?"),
        What::Release { held_for } => {
            format!("Release cases that are held for {}?", held_for.replace('_', " "))
        }
    }
}

fn effect(measure: &Measure) -> Vec<String> {
    match &measure.what {
        What::Exception { what, renews } => {
            let mut lines = vec![format!("{}: not in force \u{2192} in force", words(what))];
            lines.extend(renews.as_ref().map(|before| format!("it goes on from {before}")));
            lines
        }
        What::Grant { permissions } => {
            let line = |one: &crate::measure::Permission| {
                format!("{}, {}: not held \u{2192} held until the end", one.system, one.grant)
            };
            permissions.iter().map(line).collect()
        }
        What::BreakGlass { case } => vec![
            format!("what {case} took away: away \u{2192} given back until the end"),
            "it is taken away again by itself, and a review of it has to be done".to_owned(),
        ],
        What::Restore { case } => vec![format!("what {case} took away: away \u{2192} given back")],
        What::Rehire { case } => vec![format!(
            "what {case} took away: away \u{2192} given back, as far as their role needs it now; no key and no password"
        )],
        What::Extension { until } => vec![format!("last day: as recorded \u{2192} {until}")],
        What::Hold => vec!["deleting this person's data: as policy says \u{2192} forbidden".to_owned()],
        What::HoldRelease => {
            vec!["deleting this person's data: forbidden \u{2192} as policy says".to_owned()]
        }
        What::Release { .. } if measure.cases.is_empty() => {
            vec!["every case that is held under this request: held \u{2192} it runs".to_owned()]
        }
        What::Release { .. } => {
            let held = format!("{}: held \u{2192} they run", count(measure.cases.len(), "case"));
            [held].into_iter().chain(measure.cases.iter().map(ToString::to_string)).collect()
        }
    }
}

/// What waiting costs, and what a denial leads to.
fn answers(what: &What) -> (&'static str, &'static str) {
    match what {
        What::Exception { .. } => ("the exception is not in force", "everything goes on as without it"),
        What::Grant { .. } => ("nothing is given", "nothing is given"),
        What::BreakGlass { .. } | What::Restore { .. } | What::Rehire { .. } => {
            ("the access stays away", "the access stays away; nothing is written")
        }
        What::Extension { .. } => {
            ("the contract ends on the day that is recorded", "the contract ends on the day that is recorded")
        }
        What::Hold => ("it is in force", "it is in force: it takes nothing from anybody"),
        What::HoldRelease => ("nothing is deleted", "the hold stays, and nothing is deleted"),
        What::Release { .. } => {
            ("nobody's access is taken away: those people keep all of it", "the held cases are called off")
        }
    }
}
