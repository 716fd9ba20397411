//! One round of one batch: look at its cases; then, once every batch was looked at, claim what it may of the room, write that
//! down, record what is claimed.

use crate::{Fed, Feeding, Memory};
use futures_util::{StreamExt as _, stream};
use leaver_domain::{
    batch::{self, Batch, BatchStatus, Line, LineState, Wants},
    case::CaseStatus,
    id::CaseId,
    intake::{self, Refused},
    ports::{Change, EventMark, StoreError},
};
use std::collections::BTreeMap;

/// Most lines that are looked at in turn beside those that run, by one round.
const IN_TURN: usize = 50;
/// How many records are read, and how many cases are recorded, at once.
const AT_ONCE: usize = 20;

fn corrupt(why: impl ToString) -> StoreError {
    StoreError::Corrupt(why.to_string())
}

/// What looking at one place came to; `None` where its case is not recorded.
type Seen = (usize, Result<Option<LineState>, StoreError>);

async fn seen(feeding: &Feeding<'_>, batch: &Batch, line: &Line) -> Result<Option<LineState>, StoreError> {
    let case = batch::case_of(&batch.batch_id, line).map_err(corrupt)?;
    let Some(record) = feeding.store.case(&case).await? else {
        // The mark of a line that needs no case of its own tells so to whoever comes after the one that left it. Its own case may
        // have been recorded between the two reads.
        let event = batch::event_of(&batch.batch_id, line).map_err(corrupt)?;
        let mark = feeding.store.mark(batch::SOURCE, &event).await?;
        let is_own = |mark: &EventMark| mark.case_id.as_ref() == Some(&case);
        return Ok(mark.map(|mark| if is_own(&mark) { LineState::Running } else { LineState::Already }));
    };
    let systems = match record.status {
        CaseStatus::Running if !record.is_closing() => Some(feeding.store.systems(&case).await?),
        _ => None,
    };
    Ok(Some(LineState::of_case(&record, systems.as_deref())))
}

/// A batch as it was looked at.
pub(crate) struct Looked {
    pub(crate) batch: Batch,
    states: BTreeMap<usize, LineState>,
    unrecorded: Vec<usize>,
}

impl Looked {
    /// What it asks of the room.
    pub(crate) fn wants(&self, memory: &Memory) -> Wants {
        let lines = memory.lines.get(&self.batch.batch_id).map(Vec::as_slice).unwrap_or_default();
        self.batch.wants(&self.states, lines)
    }
}

/// Looks at the cases of a batch; `None` where nothing is to be done for it.
pub(crate) async fn look(
    feeding: &Feeding<'_>,
    batch: Batch,
    memory: &mut Memory,
    fed: &mut Fed,
) -> Result<Option<Looked>, StoreError> {
    if matches!(batch.status, BatchStatus::Held | BatchStatus::Cancelled) {
        return Ok(None);
    }
    let id = &batch.batch_id;
    if !memory.lines.contains_key(id) {
        let lines = feeding.store.lines(&batch).await?;
        memory.lines.insert(id.clone(), lines);
    }
    let lines = memory.lines.get(id).map(Vec::as_slice).unwrap_or_default();
    let look = batch::look(&batch, memory.turn.get(id).copied().unwrap_or(0), IN_TURN);
    memory.turn.insert(id.clone(), look.others.last().copied().unwrap_or(0));
    let mut states = memory.known.remove(id).unwrap_or_default();
    let asked = look.claimed.iter().chain(&look.others).filter(|place| !states.contains_key(place));
    let asked: Vec<(usize, &Line)> = asked.filter_map(|place| Some((*place, lines.get(*place)?))).collect();
    let of = &batch;
    let looked: Vec<Seen> = stream::iter(asked)
        .map(async |(place, line)| (place, seen(feeding, of, line).await))
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let mut unrecorded = Vec::new();
    for (place, seen) in looked {
        match seen {
            Ok(Some(state)) => drop(states.insert(place, state)),
            Ok(None) => unrecorded.push(place),
            Err(error) => {
                tracing::error!(batch = %id, place, %error, "a line could not be looked at");
                fed.failed += 1;
            }
        }
    }
    Ok(Some(Looked { batch, states, unrecorded }))
}

/// Claims at most so many of its lines, and records their cases; whether there is more to be done soon.
pub(crate) async fn go_on(
    feeding: &Feeding<'_>,
    looked: Looked,
    room: usize,
    memory: &mut Memory,
    fed: &mut Fed,
) -> Result<bool, StoreError> {
    let Looked { batch, states, unrecorded } = looked;
    let round = batch.round(&states, room, (feeding.clock)());
    if let Some(next) = &round.batch {
        feeding.store.commit(&[Change::Batch(Box::new(next.clone()))]).await?;
    }
    let id = &batch.batch_id;
    let lines = memory.lines.get(id).map(Vec::as_slice).unwrap_or_default();
    let next = round.batch.as_ref().unwrap_or(&batch);
    let to_record = unrecorded.into_iter().chain(round.claimed);
    let known =
        record(feeding, next, to_record.filter_map(|place| Some((place, lines.get(place)?))), fed).await;
    let more = next.is_under_way();
    memory.known.insert(id.clone(), known);
    Ok(more)
}

/// Records the cases of some lines, and says what is known of them that no case tells.
async fn record(
    feeding: &Feeding<'_>,
    batch: &Batch,
    places: impl Iterator<Item = (usize, &Line)>,
    fed: &mut Fed,
) -> BTreeMap<usize, LineState> {
    let recorded: Vec<_> = stream::iter(places)
        .map(async |(place, line)| (place, line, submit(feeding, batch, line).await))
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let mut known = BTreeMap::new();
    for (place, line, result) in recorded {
        match result {
            Ok(case) if batch::case_of(&batch.batch_id, line).is_ok_and(|own| own == case) => {
                fed.recorded += 1;
            }
            Ok(_) => {
                fed.already += 1;
                known.insert(place, LineState::Already);
            }
            Err(Refused::Store(error)) => {
                tracing::error!(batch = %batch.batch_id, line = line.line, %error, "could not be recorded");
                fed.failed += 1;
            }
            Err(refused) => {
                let line = line.line;
                tracing::error!(batch = %batch.batch_id, line, %refused, alarm = "batch_line_refused", "refused");
                known.insert(place, LineState::Refused);
            }
        }
    }
    known
}

async fn submit(feeding: &Feeding<'_>, batch: &Batch, line: &Line) -> Result<CaseId, Refused> {
    let (store, workflow, now) = (feeding.store, feeding.workflow, (feeding.clock)());
    let unknown = || Refused::UnknownPerson(line.username.to_string());
    let person = store.person(&line.username).await?.ok_or_else(unknown)?;
    let taken = intake::submit_line(store, workflow, feeding.policy, (batch, line), &person, now).await?;
    let (receipt, not_started) = taken;
    if let Some(error) = not_started {
        tracing::error!(case = %receipt.case_id, %error, "recorded, but not started: the sweep will start it");
    }
    Ok(receipt.case_id)
}
