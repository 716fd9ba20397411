//! Reads the system's roster into the table, page by page, for as long as the invocation lasts. The next one goes on where this one
//! stopped; what a night has read whole is not read again.

use crate::{System, stored};
use leaver_adapters::page::MAX_PAGES;
use leaver_domain::{
    fault::{Fault, FaultKind},
    roster::{MAX_PARTS, Reading, night_of, reading, split},
};
use std::time::Duration;

/// What a page and keeping it may take: with less time left, the next invocation goes on.
const ENOUGH: Duration = Duration::from_secs(15);

/// Reads on until the roster is whole.
pub(crate) async fn run(system: &System<'_>) -> Result<(), Fault> {
    // Who cannot list has nothing to do: the guide to the system says why.
    if !system.adapter.spec().roster.is_listed() {
        return Ok(());
    }
    let began = system.now();
    let night = night_of(began);
    let mut parts = system.rosters.parts(system.id).await.map_err(stored)?;
    for page in 0..MAX_PAGES {
        let Reading::From(number, mark) = reading(&parts, night) else { return Ok(()) };
        // At least one page is read by each invocation, so that every one comes further.
        if page > 0 && system.http.left() < ENOUGH {
            break;
        }
        let page = system.adapter.roster(system.http, mark.as_ref()).await?;
        for part in split(system.id, began, number, &page) {
            if part.number >= MAX_PARTS {
                let detail = format!("the roster has more than {MAX_PARTS} parts");
                return Err(Fault::shape(detail));
            }
            system.rosters.keep_part(&part).await.map_err(stored)?;
            parts.retain(|kept| kept.number != part.number);
            parts.push(part);
        }
    }
    match reading(&parts, night) {
        Reading::Whole => Ok(()),
        Reading::From(..) => Err(Fault::new(
            FaultKind::Unavailable,
            "the roster is not whole yet: the next invocation goes on",
        )),
    }
}
