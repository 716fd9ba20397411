//! `population.csv`: every case of the period, as its opening row tells it.

use super::{Lines, Look, at, number};
use crate::row::yes_no;
use std::io;

/// Writes the lines.
///
/// # Errors
/// Those of the writer.
pub fn write(look: &Look<'_>, to: &mut Lines<'_>) -> io::Result<()> {
    for (case, opened) in &look.cases {
        let systems = opened.expected.as_deref().unwrap_or_default().join(" ");
        to.line([
            case.id.as_str(),
            &opened.username,
            &opened.employee_id,
            &opened.mode,
            yes_no(opened.dry_run),
            &opened.reason,
            &opened.kind,
            &opened.source,
            &opened.by,
            &opened.event_id,
            &at(opened.trigger_at),
            &at(opened.received_at),
            &opened.recorded_at.to_string(),
            &at(opened.effective_at),
            &systems,
            &number(opened.policy),
            &opened.row.to_string(),
        ])?;
    }
    Ok(())
}
