//! The notice about something that was done without asking first, to those who have to look at it.

use super::{Message, names};
use crate::reviews::{Review, ReviewKind};

/// The notice about a review.
pub fn of_review(review: &Review) -> Message {
    let person = &review.person.username;
    let title = match review.kind {
        ReviewKind::Emergency => format!("EMERGENCY: access of {person} is taken away without an approval"),
        ReviewKind::BreakGlass => {
            let until = review.not_before.map(|until| format!(" until {until}")).unwrap_or_default();
            format!("EMERGENCY: {person} has their access back{until}, to be reviewed then")
        }
        ReviewKind::Suspension => format!("{person} is suspended while something is looked into"),
        ReviewKind::CanaryAlive => "ALARM: a revoked credential of the canary still works".to_owned(),
        ReviewKind::LateRisk => {
            format!("ALARM: what {person} did before their access was taken has to be looked at")
        }
        ReviewKind::TransferFailed => format!("What {person} owned has to be given to somebody by hand"),
        ReviewKind::ContractNotEnded => {
            format!("{person} keeps their access although their contract is over")
        }
        ReviewKind::Reappeared => format!("ALARM: access of {person} is there again after it had been taken"),
    };
    let not_by_is = match review.kind {
        ReviewKind::Emergency | ReviewKind::Suspension => "Wanted by",
        ReviewKind::BreakGlass
        | ReviewKind::Reappeared
        | ReviewKind::LateRisk
        | ReviewKind::TransferFailed
        | ReviewKind::CanaryAlive
        | ReviewKind::ContractNotEnded => "Not to be reviewed by",
    };
    let owners: Vec<_> = review.owners.iter().cloned().collect();
    let not_by: Vec<_> = review.not_by.iter().map(String::as_str).collect();
    Message::new(&title)
        .fact("Person", format!("{person} ({})", review.person.employee_id))
        .fact("Case", review.case.as_str())
        .fact("Why", &review.reason)
        .fact(not_by_is, not_by.join(", "))
        .fact("To be reviewed by", names(&owners))
        .fact("Until", review.due_at.to_string())
        .section("What to do", [review.kind.instructions()])
}
