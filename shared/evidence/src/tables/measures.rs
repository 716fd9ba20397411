//! What measures and reviews have to say in `exceptions.csv`.

use super::{
    Look,
    exceptions::{Exception, Kind, of_approval},
};
use crate::cases::{Force, Measure, Review, Standing};

/// Why an emergency counts as not reviewed; `None` where somebody who may has reviewed it.
pub(super) fn unreviewed<'s>(look: &'s Look<'_>, ids: impl IntoIterator<Item = &'s str>) -> Option<String> {
    let owed = look.owed(ids);
    if owed.iter().any(|review| review.is_done()) {
        return None;
    }
    let Some(review) = owed.first() else { return Some("no review of it is among the rows".to_owned()) };
    if let Some((by, note)) = &review.closed {
        return Some(match review.too_early().filter(|_| !review.is_their_own()) {
            Some(from) => format!("it was reviewed at {}, and lasted until {from} ({})", note.at, review.id),
            None => format!("it was reviewed by {by}, who must not ({})", review.id),
        });
    }
    let due = review.due_at.map(|due| format!(", due {due}")).unwrap_or_default();
    Some(format!("its review is owed by {}{due} ({})", review.owners, review.id))
}

/// The exceptions of one measure.
pub(super) fn of_measure(look: &Look<'_>, measure: &Measure) -> Vec<Exception> {
    let mut all = Vec::new();
    let force = measure.force(look.context.generated_at);
    let kind = match force {
        Force::Waiting => Kind::AwaitingApproval,
        Force::Refused => Kind::Refused,
        Force::InForce => Kind::InForce,
        Force::Overdue => Kind::Overdue,
        Force::Over => Kind::Over,
    };
    let (row, at) = match force {
        Force::Over => measure.ended,
        Force::Refused if measure.failed => measure.ended,
        Force::Waiting | Force::Refused => measure.approval.requested,
        Force::InForce | Force::Overdue => measure.began,
    }
    .unwrap_or(measure.first);
    let mut whole = |kind, (row, at), detail| {
        all.push(Exception { kind, system: String::new(), row: Some(row), at: Some(at), detail });
    };
    whole(kind, (row, at), told(measure));
    let began = measure.began.unwrap_or((row, at));
    let given = measure.began.is_some() || measure.ended.is_some_and(|_| force == Force::Over);
    // What came into force before this pack's rows may have been approved before them.
    let should_be_approved = given && measure.approval.requested.is_some() && measure.needs_a_decision();
    if should_be_approved && measure.approval.standing() != Standing::Approved {
        whole(Kind::Unapproved, began, "it came into force, and no approval is among the rows".to_owned());
    }
    if &*measure.kind == "break_glass" && given {
        whole(Kind::Emergency, began, "access came back as an emergency".to_owned());
        let cases = measure.cases.iter().map(String::as_str);
        if let Some(owed) = unreviewed(look, cases.chain([measure.id.as_str()])) {
            whole(Kind::Unreviewed, began, owed);
        }
    }
    // Where rows lie before the pack's first one, the request may be one of them.
    let is_whole = look.context.first == 0;
    for approval in measure.earlier.iter().chain([&measure.approval]) {
        of_approval(approval, (&measure.username, &measure.requested_by), is_whole, &mut all);
    }
    all
}

/// What, until when, who asked and who approved.
fn told(measure: &Measure) -> String {
    let until = measure.until.map(|until| format!(", until {until}")).unwrap_or_default();
    let approvers: Vec<_> = measure.approval.approvers().into_iter().collect();
    let decided = match measure.approval.standing() {
        Standing::Approved => format!("approved by {}", approvers.join(" and ")),
        Standing::Denied => {
            let denying = measure.approval.steps.iter().find(|step| &*step.what == "deny");
            let by = denying.and_then(|step| step.approver.as_deref()).unwrap_or_default();
            format!("denied by {by}")
        }
        Standing::Expired => "nobody decided in time".to_owned(),
        Standing::Open if !measure.needs_a_decision() => "no decision is asked for".to_owned(),
        Standing::Open if measure.approval.requested.is_none() => {
            "its decision is not among the rows".to_owned()
        }
        Standing::Open => "not decided".to_owned(),
    };
    let failed = match (measure.failed, measure.began) {
        (true, None) => "; it could not be brought about",
        (true, Some(_)) => "; what it gave could not be taken back",
        (false, _) => "",
    };
    let why = measure.why.as_deref().map(|why| format!(" ({why})")).unwrap_or_default();
    let (what, by, reason) = (&measure.what, &measure.requested_by, &measure.reason);
    format!("{what}{until}; asked for by {by}: {reason}; {decided}{failed}{why}")
}

/// The exceptions of one review.
pub(super) fn of_review(review: &Review) -> Vec<Exception> {
    let (row, at) = review.first;
    let of = |kind, row, at, detail| Exception {
        kind,
        system: String::new(),
        row: Some(row),
        at: Some(at),
        detail,
    };
    match &review.closed {
        Some((by, note)) => {
            let what = format!("review of {}: {}", review.about, note.detail);
            let mut all = vec![of(Kind::TaskClosed, note.row, note.at, what)];
            let own = review.is_their_own();
            let own = own.then(|| format!("no separation of duties: {by} reviewed what they took part in"));
            let early =
                review.too_early().map(|from| format!("reviewed before it was over, which is {from}"));
            let wrong = own.into_iter().chain(early);
            all.extend(wrong.map(|detail| of(Kind::Finding, note.row, note.at, detail)));
            all
        }
        None => {
            let due = review.due_at.map(|due| format!(", due {due}")).unwrap_or_default();
            let detail = format!("review of {}, owed by {}{due}", review.about, review.owners);
            vec![of(Kind::TaskOpened, row, at, detail)]
        }
    }
}
