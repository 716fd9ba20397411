//! When a case counts as closed: only under a published checkpoint that covers every one of its rows. Until then its
//! end could still be cut off the log without anybody outside noticing.

use crate::{
    case::{CaseRecord, CaseStatus, Mode, SystemRecord},
    ledger::{Checkpoint, Draft, Note, events_of_case, events_of_system},
    person::PersonStatus,
    ports::{CaseStore, LedgerStore, Located, StoreError},
    time::Timestamp,
};

/// How far the log is with a case's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Coverage {
    /// These are not in the log.
    Missing(Vec<Draft>),
    /// All are in the log.
    There {
        /// Where, in the log's order.
        rows: Vec<Located>,
        /// Size of the newest checkpoint, if it covers them all.
        published: Option<u64>,
    },
}

/// Every row that a case's records ask for.
pub fn rows_of(case: &CaseRecord, systems: &[SystemRecord]) -> Vec<Draft> {
    let systems = systems.iter().flat_map(|system| events_of_system(system, 0));
    events_of_case(case, 0).into_iter().chain(systems).collect()
}

/// How far the log is with these rows.
///
/// # Errors
/// Where the log cannot be read, or its newest checkpoint is none.
pub async fn coverage(ledger: &dyn LedgerStore, rows: Vec<Draft>) -> Result<Coverage, StoreError> {
    let mut located = ledger.locate(&rows).await?;
    if located.len() < rows.len() {
        let there = |draft: &Draft| located.iter().any(|one| one.event_id == draft.event_id);
        return Ok(Coverage::Missing(rows.into_iter().filter(|draft| !there(draft)).collect()));
    }
    located.sort_by_key(|one| one.seq);
    let needed = located.last().map_or(0, |last| last.seq + 1);
    let newest = published(ledger).await?.map(|checkpoint| checkpoint.size);
    Ok(Coverage::There { rows: located, published: newest.filter(|size| *size >= needed) })
}

/// The newest published checkpoint.
///
/// # Errors
/// Where it cannot be read.
pub async fn published(ledger: &dyn LedgerStore) -> Result<Option<Checkpoint>, StoreError> {
    let Some(note) = ledger.checkpoint().await? else { return Ok(None) };
    let unreadable = |why: String| StoreError::Corrupt(format!("the newest checkpoint: {why}"));
    let note = Note::parse(note.as_bytes()).map_err(|error| unreadable(error.to_string()))?;
    let checkpoint = Checkpoint::parse(&note.text).map_err(|error| unreadable(error.to_string()))?;
    Ok(Some(checkpoint))
}

/// Writes down that a checkpoint over `size` rows covers the case. A case that only waited for this is complete with it,
/// and its person has left.
///
/// # Errors
/// `Conflict` where somebody else wrote first; whatever was written until then may be written again.
pub async fn seal(
    store: &dyn CaseStore,
    case: &CaseRecord,
    size: u64,
    now: Timestamp,
) -> Result<CaseRecord, StoreError> {
    let mut case = case.clone();
    if case.is_closing() {
        has_left(store, &case).await?;
        case.status = CaseStatus::Complete;
        case.closed_at = Some(now);
    }
    case.checkpoint_size = Some(size);
    case.version += 1;
    store.put_case(&case).await?;
    Ok(case)
}

async fn has_left(store: &dyn CaseStore, case: &CaseRecord) -> Result<(), StoreError> {
    if case.dry_run || case.mode != Mode::Leave {
        return Ok(());
    }
    let Some(mut person) = store.person(&case.person.username).await? else { return Ok(()) };
    if person.case.as_ref() == Some(&case.case_id) && person.status == PersonStatus::Leaving {
        person.status = PersonStatus::Left;
        person.version += 1;
        store.put_person(&person).await?;
    }
    Ok(())
}
