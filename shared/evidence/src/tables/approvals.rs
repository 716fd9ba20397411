//! `approvals.csv`: what waited for a human, who decided, and whether it was somebody else than those concerned.

use super::{Look, at, number};
use crate::{cases::Decided, csv, row::yes_no};
use std::io;

/// Writes the lines.
///
/// # Errors
/// Those of the writer.
pub fn write(look: &Look<'_>, mut to: &mut dyn io::Write) -> io::Result<()> {
    for (case, opened) in &look.cases {
        for approval in &case.approvals {
            let decided = approval.decided.as_ref();
            let of = |part: fn(&Decided) -> &str| decided.map(part).unwrap_or_default();
            csv::write(
                &mut to,
                [
                    case.id.as_str(),
                    &opened.username,
                    &approval.system,
                    &number(approval.requested.map(|(row, _)| row)),
                    &at(approval.requested.map(|(_, at)| at)),
                    &number(approval.plan),
                    &number(decided.map(|decided| decided.row)),
                    &at(decided.map(|decided| decided.at)),
                    of(|decided| &decided.decision),
                    of(|decided| &decided.approver),
                    of(|decided| &decided.reason),
                    &opened.by,
                    approval.is_separated(opened).map(yes_no).unwrap_or_default(),
                ],
            )?;
        }
    }
    Ok(())
}
