//! `cases.csv`: what each case came to, and how long it took.

use super::{Lines, Look, at, number};
use crate::cases::{Case, Opened, Sla, seconds};
use std::io;

/// Whether a case was done in time; `None` where there is no time to hold it against, and where it was called off.
pub fn within(look: &Look<'_>, case: &Case, opened: &Opened) -> Option<Sla> {
    if case.cancelled.is_some() {
        return None;
    }
    let done = case.contained_and_done().1;
    look.limit(opened).map(|limit| Sla::of(opened.clock_starts(), done, limit, look.context.generated_at))
}

/// Writes the lines.
///
/// # Errors
/// Those of the writer.
pub fn write(look: &Look<'_>, to: &mut Lines<'_>) -> io::Result<()> {
    for (case, opened) in &look.cases {
        let systems = case.systems();
        let revoked = || systems.iter().filter_map(|system| system.revoked).map(|(_, at)| at);
        let (contained, done) = case.contained_and_done();
        let took = |end: Option<_>| number(end.map(|end| seconds(opened.clock_starts(), end)));
        to.line([
            case.id.as_str(),
            &opened.username,
            case.status(),
            &opened.at.to_string(),
            &at(opened.effective_at),
            &at(revoked().min()),
            &at(revoked().max()),
            &at(systems.iter().filter_map(|system| system.verified_at).max()),
            &at(case.closed_at),
            &took(contained),
            &took(done),
            &number(look.limit(opened)),
            within(look, case, opened).map(Sla::name).unwrap_or_default(),
            &number(opened.expected.as_ref().map(Vec::len)),
            &case.systems_done().to_string(),
            &case.access_rows.to_string(),
            &case.rows.to_string(),
            &opened.mode,
            opened.restores.as_deref().unwrap_or_default(),
            opened.measure.as_deref().unwrap_or_default(),
        ])?;
    }
    Ok(())
}
