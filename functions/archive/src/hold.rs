//! Brings a hold to everything that lies in a person's archive, or takes it off. What counts is how the person stands now,
//! whichever measure it was that asked: one hold may end while another is in force.

use crate::{ACTOR, Archiving};
use leaver_domain::{
    archive::prefix_of_person,
    case::Happening,
    id::{MeasureId, Username},
    ledger::{EventKind, Outcome},
    measure::{ExceptionKind, What},
    ports::StoreError,
    vault::{self, Stored},
};
use serde_json::json;

/// Puts every version below a prefix under a hold, or takes it off. How many those are. Where it dies, it is done once more:
/// repeating it changes nothing.
pub(crate) async fn set(archiving: &Archiving<'_>, prefix: &str, held: bool) -> Result<usize, StoreError> {
    let all: Vec<Stored> = vault::all(archiving.vault, prefix).await?;
    for one in &all {
        archiving.vault.hold(one, held).await?;
    }
    Ok(all.len())
}

/// Whether a person is under a legal hold, or a retention hold about them is in force.
pub(crate) async fn is_held(archiving: &Archiving<'_>, username: &Username) -> Result<bool, StoreError> {
    let person = archiving.store.person(username).await?;
    if person.is_some_and(|person| person.legal_hold.is_some()) {
        return Ok(true);
    }
    for listed in archiving.store.measures_of(username).await? {
        if !matches!(listed.what, What::Exception { what: ExceptionKind::RetentionHold, .. }) {
            continue;
        }
        // The list may be a little behind; the record itself is not.
        let measure = archiving.store.measure(&listed.measure_id).await?;
        if measure.is_some_and(|measure| measure.is_active(archiving.now)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Brings the hold of a measure. Whether it arrived now.
pub(crate) async fn bring(archiving: &Archiving<'_>, id: &MeasureId) -> Result<bool, StoreError> {
    let measure = archiving.store.measure(id).await?;
    let on_its_way =
        measure.filter(|measure| measure.archive_hold.as_ref().is_some_and(|hold| hold.look_at.is_some()));
    let Some(mut measure) = on_its_way else { return Ok(false) };
    let Some(username) = measure.username().cloned() else { return Ok(false) };
    let held = is_held(archiving, &username).await?;
    let objects = set(archiving, &prefix_of_person(&username), held).await?;
    if is_held(archiving, &username).await? != held {
        // It was placed or released meanwhile: the next run looks again.
        return Err(StoreError::Conflict);
    }
    if let Some(hold) = &mut measure.archive_hold {
        (hold.look_at, hold.done_at, hold.objects) = (None, Some(archiving.now), objects);
    }
    measure.log.push(Happening {
        kind: EventKind::DataHeld,
        at: archiving.now,
        actor: ACTOR.into(),
        action: if held { "hold the archive" } else { "release the archive" }.into(),
        outcome: if objects == 0 { Outcome::NotApplicable } else { Outcome::Success },
        risk: None,
        facts: json!({"held": held, "objects": objects, "prefix": prefix_of_person(&username)}),
    });
    measure.version += 1;
    let change = leaver_domain::ports::Change::Measure(Box::new(measure));
    archiving.store.commit(&[change]).await?;
    Ok(true)
}
