//! `cases.csv`: what each case came to, and how long it took.

use super::{Look, at, number};
use crate::{
    cases::{Case, Opened, Sla, seconds},
    csv,
};
use std::io;

/// Whether a case was done in time; `None` where there is no time to hold it against.
pub fn within(look: &Look<'_>, case: &Case, opened: &Opened) -> Option<Sla> {
    let done = case.contained_and_done().1;
    look.limit(opened).map(|limit| Sla::of(opened.clock_starts(), done, limit, look.context.generated_at))
}

/// Writes the lines.
///
/// # Errors
/// Those of the writer.
pub fn write(look: &Look<'_>, mut to: &mut dyn io::Write) -> io::Result<()> {
    for (case, opened) in &look.cases {
        let systems = case.systems();
        let revoked = || systems.iter().filter_map(|system| system.revoked).map(|(_, at)| at);
        let (contained, done) = case.contained_and_done();
        let took = |end: Option<_>| number(end.map(|end| seconds(opened.clock_starts(), end)));
        csv::write(
            &mut to,
            [
                case.id.as_str(),
                &opened.username,
                if case.closed_at.is_some() { "closed" } else { "open" },
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
            ],
        )?;
    }
    Ok(())
}
