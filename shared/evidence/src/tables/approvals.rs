//! `approvals.csv`: what waited for a human, who decided, and whether it was somebody else than those concerned.
//!
//! A line for each thing that happened to a request: where two must approve there are two, and where nobody decided in
//! time there is one for each time that others were asked, and one for the end. A request to which nothing has happened has
//! one line as well. First the flagged systems, case by case, then the measures.

use super::{Lines, Look, at, number};
use crate::{
    cases::{Approval, Step},
    row::yes_no,
};
use std::io;

/// One request, and whom it is about.
pub struct Asked<'a> {
    /// The case or the measure.
    pub id: &'a str,
    /// Whose access it is about.
    pub username: &'a str,
    /// Who asked for what is to be decided.
    pub requested_by: &'a str,
    /// The request.
    pub approval: &'a Approval,
}

impl Asked<'_> {
    /// Whether duties were separated in a step; empty where nobody decided.
    pub fn separated(&self, step: &Step) -> &'static str {
        step.is_separated(self.username, self.requested_by).map(yes_no).unwrap_or_default()
    }

    /// What happened to it; one `None` where nothing did.
    pub fn steps(&self) -> impl Iterator<Item = Option<&Step>> {
        let nothing = self.approval.steps.is_empty().then_some(None);
        self.approval.steps.iter().map(Some).chain(nothing)
    }
}

/// Every request of the period. A measure whose request and decision lie outside the pack's rows has none.
pub fn all<'l>(look: &'l Look<'_>) -> impl Iterator<Item = Asked<'l>> {
    let of_cases = look.cases.iter().flat_map(|(case, opened)| {
        case.approvals.iter().map(|approval| Asked {
            id: &case.id,
            username: &opened.username,
            requested_by: &opened.by,
            approval,
        })
    });
    let of_measures = look.measures.iter().flat_map(|measure| {
        let requests = measure.earlier.iter().chain([&measure.approval]);
        let told = requests.filter(|one| one.requested.is_some() || !one.steps.is_empty());
        told.map(|approval| Asked {
            id: &measure.id,
            username: &measure.username,
            requested_by: &measure.requested_by,
            approval,
        })
    });
    of_cases.chain(of_measures)
}

/// Writes the lines.
///
/// # Errors
/// Those of the writer.
pub fn write(look: &Look<'_>, to: &mut Lines<'_>) -> io::Result<()> {
    for asked in all(look) {
        for step in asked.steps() {
            line(&asked, step, to)?;
        }
    }
    Ok(())
}

fn line(asked: &Asked<'_>, step: Option<&Step>, to: &mut Lines<'_>) -> io::Result<()> {
    let approval = asked.approval;
    to.line([
        asked.id,
        asked.username,
        &approval.system,
        &number(approval.requested.map(|(row, _)| row)),
        &at(approval.requested.map(|(_, at)| at)),
        &number(approval.plan.or(step.and_then(|step| step.plan))),
        &number(step.map(|step| step.row)),
        &at(step.map(|step| step.at)),
        step.map(|step| &*step.what).unwrap_or_default(),
        step.and_then(|step| step.approver.as_deref()).unwrap_or_default(),
        step.map(|step| &*step.reason).unwrap_or_default(),
        asked.requested_by,
        step.map(|step| asked.separated(step)).unwrap_or_default(),
        approval.id.as_deref().unwrap_or_default(),
        approval.standing().name(),
        &number(step.and_then(|step| step.approvals)),
        &number(approval.needed),
        step.map(|step| &*step.through).unwrap_or_default(),
        step.map(|step| &*step.asked).filter(|asked| !asked.is_empty()).unwrap_or(&approval.asked),
        &at(approval.expires_at),
    ])
}
