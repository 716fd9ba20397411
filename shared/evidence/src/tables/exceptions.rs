//! `exceptions.csv`: everything that did not go as it should, or that an auditor asks about.
//!
//! In the order of the cases; within a case what concerns the whole of it first, then its systems by name. A system's
//! failures are one line: how many, and the last.

use super::{Look, at, cases::within, number, systems::residuals};
use crate::{
    cases::{Approval, Case, Note, Opened, Sla, State, System, seconds},
    csv,
};
use leaver_domain::time::Timestamp;
use std::io;

/// What kind of exception.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Not done in the time allowed.
    Late,
    /// An attempt or an independent read failed.
    Failed,
    /// Its owner was given what leaver could not finish.
    TaskOpened,
    /// A human has not decided yet.
    AwaitingApproval,
    /// The risk gate was passed at once.
    Emergency,
    /// Something that a human should know.
    Finding,
    /// Access that outlives its revocation.
    Residual,
    /// The case is not closed.
    OpenCase,
    /// There was no access to take away.
    NotApplicable,
    /// Nothing was to be done.
    DryRun,
}

impl Kind {
    /// Every kind, the gravest first.
    pub const ALL: [Self; 10] = [
        Self::Late,
        Self::Failed,
        Self::TaskOpened,
        Self::AwaitingApproval,
        Self::Emergency,
        Self::Finding,
        Self::Residual,
        Self::OpenCase,
        Self::NotApplicable,
        Self::DryRun,
    ];

    /// Whether somebody should look at it. What is not grave is in the pack because auditors ask for it.
    pub fn is_grave(self) -> bool {
        !matches!(self, Self::Residual | Self::NotApplicable | Self::DryRun)
    }

    /// What it means, in one sentence.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Late => "A case was not done in the time that its policy allows.",
            Self::Failed => "Attempts or independent reads of a system failed; the last is told.",
            Self::TaskOpened => "Its owner was given what leaver could not finish.",
            Self::AwaitingApproval => "A flagged system waits for a decision, and nothing was changed in it.",
            Self::Emergency => "The risk gate was passed at once; it has to be reviewed afterwards.",
            Self::Finding => "Something that a human should know.",
            Self::Residual => "Access that is known to live on after its revocation, and until when.",
            Self::OpenCase => "A case is not closed.",
            Self::NotApplicable => "The person had no account in a system.",
            Self::DryRun => "A case in which nothing was to be done.",
        }
    }

    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Late => "late",
            Self::Failed => "failed",
            Self::TaskOpened => "task_opened",
            Self::AwaitingApproval => "awaiting_approval",
            Self::Emergency => "emergency",
            Self::Finding => "finding",
            Self::Residual => "residual",
            Self::OpenCase => "open_case",
            Self::NotApplicable => "not_applicable",
            Self::DryRun => "dry_run",
        }
    }
}

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
    fn of_note(kind: Kind, system: &str, note: &Note, detail: String) -> Self {
        Self { kind, system: system.to_owned(), row: Some(note.row), at: Some(note.at), detail }
    }
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
    if within(look, case, opened) == Some(Sla::No) {
        whole(Kind::Late, opened.row, opened.at, late(look, case, opened));
    }
    if opened.emergency {
        whole(Kind::Emergency, opened.row, opened.at, "the risk gate was passed at once".into());
    }
    for finding in &case.findings {
        whole(Kind::Finding, finding.row, finding.at, finding.detail.clone());
    }
    if case.closed_at.is_none() {
        let detail = format!("{} of its systems are done", case.systems_done());
        whole(Kind::OpenCase, opened.row, opened.at, detail);
    }
    all.extend(case.approvals.iter().flat_map(|approval| of_approval(approval, opened)));
    case.systems().iter().for_each(|system| of_system(case, system, &mut all));
    all
}

fn late(look: &Look<'_>, case: &Case, opened: &Opened) -> String {
    let limit = look.limit(opened).unwrap_or_default();
    match case.contained_and_done().1 {
        Some(done) => format!("done after {} s, {limit} s are allowed", seconds(opened.clock_starts(), done)),
        None => format!("not done, {limit} s are allowed"),
    }
}

fn of_approval(approval: &Approval, opened: &Opened) -> Vec<Exception> {
    let Some(decided) = &approval.decided else { return Vec::new() };
    let finding = |detail: String| Exception {
        kind: Kind::Finding,
        system: approval.system.to_string(),
        row: Some(decided.row),
        at: Some(decided.at),
        detail,
    };
    let mut found = Vec::new();
    if approval.is_separated(opened) == Some(false) {
        let who = &decided.approver;
        found.push(finding(format!(
            "no separation of duties: {who} decided and is concerned or asked for it"
        )));
    }
    if approval.is_of_another_plan() {
        found.push(finding("the decision names another plan than the one that was asked about".into()));
    }
    if approval.requested.is_none() {
        found.push(finding("a decision without a request among the rows".into()));
    }
    found
}

fn of_system(case: &Case, system: &System, all: &mut Vec<Exception>) {
    if let Some((times, last)) = system.failed() {
        let detail = format!("{times} failed, last {}", last.detail);
        all.push(Exception::of_note(Kind::Failed, &system.name, last, detail));
    }
    if let Some(task) = system.task() {
        all.push(Exception::of_note(Kind::TaskOpened, &system.name, task, task.detail.clone()));
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
    let (row, at) = system.revoked.unzip();
    let mut of_access = |kind, detail| {
        all.push(Exception { kind, system: system.name.to_string(), row, at, detail });
    };
    if system.state == State::NotApplicable {
        of_access(Kind::NotApplicable, "the person had no account here".into());
    }
    if !system.residuals().is_empty() {
        of_access(Kind::Residual, residuals(system));
    }
}

/// Writes the lines.
///
/// # Errors
/// Those of the writer.
pub fn write(look: &Look<'_>, mut to: &mut dyn io::Write) -> io::Result<()> {
    for (case, opened) in &look.cases {
        for found in of_case(look, case, opened) {
            csv::write(
                &mut to,
                [
                    found.kind.name(),
                    &case.id,
                    &opened.username,
                    &found.system,
                    &number(found.row),
                    &at(found.at),
                    &found.detail,
                ],
            )?;
        }
    }
    Ok(())
}
