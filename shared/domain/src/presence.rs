//! Whether somebody is still here. Whoever is leaving decides, asks for and closes nothing any more, whichever way they come.

use crate::{
    case::CaseStatus,
    id::Username,
    person::PersonStatus,
    ports::{CaseStore, StoreError},
};
use std::collections::BTreeSet;

/// How somebody stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// They work here, or nothing is known of them.
    Here,
    /// They are to leave, or to be suspended, by a case that is held: nobody has decided yet whether it runs.
    Held,
    /// They are suspended, leaving, or have left.
    Gone,
}

/// How somebody stands now. Whoever asks what they may still do takes everything but [`Presence::Here`] for gone. Calling off
/// cases, and being told of them, alone is open to those who are only held: a feed that has gone mad and lets everybody go must
/// not take from them what stops it.
///
/// # Errors
/// Where the store cannot be read.
pub async fn presence(store: &dyn CaseStore, username: &Username) -> Result<Presence, StoreError> {
    let Some(person) = store.person(username).await? else { return Ok(Presence::Here) };
    match (person.status, &person.case) {
        (PersonStatus::Active, _) => Ok(Presence::Here),
        (PersonStatus::Leaving | PersonStatus::Suspended, Some(case)) => {
            let case = store.case(case).await?;
            let held = case.is_some_and(|case| case.status == CaseStatus::Held);
            Ok(if held { Presence::Held } else { Presence::Gone })
        }
        (PersonStatus::Leaving | PersonStatus::Suspended | PersonStatus::Left, _) => Ok(Presence::Gone),
    }
}

/// Whether somebody is suspended or leaving, held or not, or has left.
///
/// # Errors
/// Where the store cannot be read.
pub async fn is_gone(store: &dyn CaseStore, username: &Username) -> Result<bool, StoreError> {
    Ok(presence(store, username).await? != Presence::Here)
}

/// Who of these is suspended, leaving, or has left. Somebody of whom nothing is known is not gone.
///
/// # Errors
/// Where the store cannot be read.
pub async fn gone<'a>(
    store: &dyn CaseStore,
    of: impl IntoIterator<Item = &'a Username>,
) -> Result<BTreeSet<Username>, StoreError> {
    let mut gone = BTreeSet::new();
    for username in of.into_iter().collect::<BTreeSet<_>>() {
        if is_gone(store, username).await? {
            gone.insert(username.clone());
        }
    }
    Ok(gone)
}
