//! `exceptions.csv`: everything that did not go as it should, or that an auditor asks about.
//!
//! In the order of the cases; within a case what concerns the whole of it first, then its systems by name. A system's
//! failures are one line: how many, and the last. Measures follow, and after them the reviews that are owed.

pub use super::kind::Kind;
use super::{Lines, Look, at, cases::within, measures, number, systems::residuals};
use crate::cases::{Approval, Case, Note, Opened, Sla, Standing, State, System, seconds};
use leaver_domain::time::Timestamp;
use std::io;

/// One exception.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// What kind.
    pub kind: Kind,
    /// In which system, if in one.
    pub system: String,
    /// The row that tells of it, if one does.
    pub row: Option<u64>,
    /// When.
    pub at: Option<Timestamp>,
    /// What.
    pub detail: String,
}

impl Exception {
    pub(super) fn of_note(kind: Kind, system: &str, note: &Note, detail: String) -> Self {
        Self { kind, system: system.to_owned(), row: Some(note.row), at: Some(note.at), detail }
    }
}

/// One exception, and what it is one of.
pub struct Found<'a> {
    /// The case, the measure or the review.
    pub id: &'a str,
    /// Whose access it is about.
    pub username: &'a str,
    /// The exception.
    pub exception: Exception,
}

/// Every exception of the period, in the order of the table.
pub fn all<'l>(look: &'l Look<'_>) -> impl Iterator<Item = Found<'l>> {
    let found = |id: &'l str, username: &'l str, all: Vec<Exception>| {
        all.into_iter().map(move |exception| Found { id, username, exception })
    };
    let cases = look.cases.iter();
    let cases =
        cases.flat_map(move |(case, opened)| found(&case.id, &opened.username, of_case(look, case, opened)));
    let measures = look
        .measures
        .iter()
        .flat_map(move |measure| found(&measure.id, &measure.username, measures::of_measure(look, measure)));
    let reviews = look
        .reviews
        .iter()
        .flat_map(move |review| found(&review.id, &review.username, measures::of_review(review)));
    cases.chain(measures).chain(reviews)
}

/// The exceptions of one case.
pub fn of_case(look: &Look<'_>, case: &Case, opened: &Opened) -> Vec<Exception> {
    let mut all = Vec::new();
    let mut whole = |kind, row, at, detail: String| {
        all.push(Exception { kind, system: String::new(), row: Some(row), at: Some(at), detail });
    };
    if opened.dry_run {
        whole(Kind::DryRun, opened.row, opened.at, "nothing was to be done and nothing was done".into());
    }
    if opened.undoes_a_mistake() {
        whole(Kind::Mistake, opened.row, opened.at, mistake(opened));
    }
    if within(look, case, opened) == Some(Sla::No) {
        whole(Kind::Late, opened.row, opened.at, late(look, case, opened));
    }
    if opened.emergency {
        whole(Kind::Emergency, opened.row, opened.at, "the risk gate was passed at once".into());
        // The first form knew no reviews, and a dry run owes none.
        let is_owed = look.context.form > 1 && !opened.dry_run;
        if let Some(owed) = measures::unreviewed(look, [case.id.as_str()]).filter(|_| is_owed) {
            whole(Kind::Unreviewed, opened.row, opened.at, owed);
        }
    }
    for finding in &case.findings {
        whole(Kind::Finding, finding.row, finding.at, finding.detail.clone());
    }
    let stops =
        [(Kind::Held, &case.held), (Kind::Released, &case.released), (Kind::Cancelled, &case.cancelled)];
    for (kind, note) in stops {
        if let Some(note) = note {
            whole(kind, note.row, note.at, note.detail.clone());
        }
    }
    if !case.is_over() && case.held.is_none() {
        let detail = format!("{} of its systems are done", case.systems_done());
        whole(Kind::OpenCase, opened.row, opened.at, detail);
    }
    for approval in &case.approvals {
        of_approval(approval, (&opened.username, &opened.by), true, &mut all);
        of_standing(approval, &mut all);
    }
    case.systems().iter().for_each(|system| of_system(look, case, opened, system, &mut all));
    all
}

fn mistake(opened: &Opened) -> String {
    let of = opened.restores.as_deref().map(|case| format!(" of {case}")).unwrap_or_default();
    let by = opened.measure.as_deref().map(|measure| format!(" ({measure})")).unwrap_or_default();
    format!("access{of} came back{by}: {}", opened.reason)
}

fn late(look: &Look<'_>, case: &Case, opened: &Opened) -> String {
    let limit = look.limit(opened).unwrap_or_default();
    match case.contained_and_done().1 {
        Some(done) => format!("done after {} s, {limit} s are allowed", seconds(opened.clock_starts(), done)),
        None => format!("not done, {limit} s are allowed"),
    }
}

/// What is odd about a request's decisions, and what is missing for them to count.
pub(super) fn of_approval(
    approval: &Approval,
    (subject, requested_by): (&str, &str),
    is_whole: bool,
    all: &mut Vec<Exception>,
) {
    let odd = approval.oddities(subject, requested_by, is_whole);
    let odd = odd.into_iter().map(|found| (Kind::Finding, found));
    let short = approval.shortfalls().into_iter().map(|found| (Kind::Unapproved, found));
    all.extend(odd.chain(short).map(|(kind, (step, detail))| Exception {
        kind,
        system: approval.system.to_string(),
        row: Some(step.row),
        at: Some(step.at),
        detail,
    }));
}

/// That a system's request was denied, or that nobody decided.
fn of_standing(approval: &Approval, all: &mut Vec<Exception>) {
    let (kind, step) = match approval.standing() {
        Standing::Denied => (Kind::Denied, "deny"),
        Standing::Expired => (Kind::Expired, "expired"),
        Standing::Open | Standing::Approved => return,
    };
    let Some(step) = approval.steps.iter().find(|one| &*one.what == step) else { return };
    let detail = match (kind, &step.approver) {
        (Kind::Denied, Some(by)) => format!("denied by {by}: {}", step.reason),
        _ => format!(
            "nobody decided; asked were {}",
            if step.asked.is_empty() { &approval.asked } else { &step.asked }
        ),
    };
    let (row, at) = (Some(step.row), Some(step.at));
    all.push(Exception { kind, system: approval.system.to_string(), row, at, detail });
}

fn of_system(look: &Look<'_>, case: &Case, opened: &Opened, system: &System, all: &mut Vec<Exception>) {
    if let Some((times, last)) = system.failed() {
        let detail = format!("{times} failed, last {}", last.detail);
        all.push(Exception::of_note(Kind::Failed, &system.name, last, detail));
    }
    // What gives access back was approved as a whole, under its measure, and so was its end; an emergency is reviewed instead.
    let decided = opened.emergency || opened.gives_back || look.ends_as_approved(opened, system);
    let is_gated = look.context.form > 1 && !decided;
    if let Some(note) = system.unapproved().filter(|_| is_gated) {
        all.push(Exception::of_note(Kind::Unapproved, &system.name, note, note.detail.clone()));
    }
    match (system.task(), system.task_closed()) {
        (_, Some(closed)) => {
            all.push(Exception::of_note(Kind::TaskClosed, &system.name, closed, closed.detail.clone()));
        }
        (Some(task), None) => {
            all.push(Exception::of_note(Kind::TaskOpened, &system.name, task, task.detail.clone()));
        }
        (None, None) => {}
    }
    if system.state == State::AwaitingApproval {
        let open = case.approvals.iter().rev().find(|approval| approval.system == system.name);
        let requested = open.and_then(|approval| approval.requested);
        all.push(Exception {
            kind: Kind::AwaitingApproval,
            system: system.name.to_string(),
            row: requested.map(|(row, _)| row),
            at: requested.map(|(_, at)| at),
            detail: "nobody has decided, and nothing was changed".into(),
        });
    }
    let (row, at) = system.revoked.max(system.restored).unzip();
    let mut of_access = |kind, detail| {
        all.push(Exception { kind, system: system.name.to_string(), row, at, detail });
    };
    if system.state == State::NotApplicable {
        of_access(Kind::NotApplicable, "the person had no account here".into());
    }
    if !system.residuals().is_empty() {
        of_access(Kind::Residual, residuals(system));
    }
    if !system.not_restorable().is_empty() {
        of_access(Kind::Residual, format!("not given back: {}", system.not_restorable().join("; ")));
    }
}

/// Writes the lines.
///
/// # Errors
/// Those of the writer.
pub fn write(look: &Look<'_>, to: &mut Lines<'_>) -> io::Result<()> {
    for Found { id, username, exception } in all(look) {
        to.line([
            exception.kind.name(),
            id,
            username,
            &exception.system,
            &number(exception.row),
            &at(exception.at),
            &exception.detail,
        ])?;
    }
    Ok(())
}
