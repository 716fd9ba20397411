//! `systems.csv`: what each system of each case came to.

use super::{Lines, Look, at, number};
use crate::{
    cases::{Residual, Sla, System, seconds},
    row::risk_name,
};
use std::io;

/// What lives on, as one text.
pub fn residuals(system: &System) -> String {
    let one = |residual: &Residual| match residual.until {
        Some(until) => format!("{} (until {until})", residual.what),
        None => residual.what.clone(),
    };
    system.residuals().iter().map(one).collect::<Vec<_>>().join("; ")
}

/// Writes the lines.
///
/// # Errors
/// Those of the writer.
pub fn write(look: &Look<'_>, to: &mut Lines<'_>) -> io::Result<()> {
    for (case, opened) in &look.cases {
        let start = opened.clock_starts();
        for system in case.systems() {
            let revoked_at = system.revoked.map(|(_, at)| at);
            let within = |limit| Sla::of(start, system.done_at(), limit, look.context.generated_at).name();
            to.line([
                case.id.as_str(),
                &opened.username,
                &system.name,
                system.state.name(),
                risk_name(system.risk),
                system.before.as_deref().unwrap_or_default(),
                system.after.as_deref().unwrap_or_default(),
                &number(system.actions),
                &number(system.attempts),
                &at(revoked_at),
                &at(system.verified_at),
                &number(revoked_at.map(|end| seconds(start, end))),
                look.limit(opened).filter(|_| case.cancelled.is_none()).map(within).unwrap_or_default(),
                &residuals(&system),
                &number(system.revoked.map(|(row, _)| row)),
                &number(system.verification_row),
                &number(system.restored.map(|(row, _)| row)),
                &at(system.restored.map(|(_, at)| at)),
                &system.not_restorable().join("; "),
            ])?;
        }
    }
    Ok(())
}
