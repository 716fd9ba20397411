//! Feeds batches: records their cases, so many at a time, until everybody's access is contained. It runs each minute and at once
//! when a batch was recorded or released, works for most of a minute, and leaves the rest to the next.
//!
//! One function at a time does it, under a lease. That keeps the number of cases at once where policy wants it; that no line is
//! lost or recorded twice does not depend on it: a line is claimed with the batch's version, and its case follows from the line.

mod round;

use leaver_domain::{
    batch::{self, Batch, Line, Wants},
    id::BatchId,
    policy::Policy,
    ports::{CaseStore, Change, Lease, StoreError, Wait, Workflow},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};

/// Most batches that are fed side by side: so many batches' lines fit into memory. Where there are more, the oldest are fed.
const BATCHES: usize = 25;
/// Between two looks at the cases that run.
const POLL: Duration = Duration::from_secs(2);
/// For how long the lease is held from each renewal on: somebody who died keeps the others off for no longer.
const LEASE: Duration = Duration::from_secs(30);

/// What the function works with.
pub struct Feeding<'a> {
    /// The settings in force.
    pub policy: &'a Policy,
    /// The case table.
    pub store: &'a dyn CaseStore,
    /// The workflow engine.
    pub workflow: &'a dyn Workflow,
    /// Tells the time.
    pub clock: &'a (dyn Fn() -> Timestamp + Send + Sync),
    /// Waits between two looks.
    pub wait: Wait<'a>,
    /// For how long one invocation works.
    pub budget: Duration,
    /// A name that no other invocation has.
    pub holder: &'a str,
}

/// The batch that was just recorded or released, where it is one: the index may not know of it yet.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Input {
    /// The batch.
    #[serde(default)]
    pub batch: Option<BatchId>,
}

/// What one invocation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Fed {
    /// Whether another invocation is at it.
    pub busy: bool,
    /// Rounds.
    pub rounds: usize,
    /// Lines whose cases were recorded, those among them that were recorded before.
    pub recorded: usize,
    /// Lines whose people were leaving already.
    pub already: usize,
    /// Batches and lines with which something went wrong; the next round tries again.
    pub failed: usize,
}

/// What is known between two rounds of one invocation.
#[derive(Default)]
struct Memory {
    /// The lines, which never change.
    lines: BTreeMap<BatchId, Vec<Line>>,
    /// How far the turn of those has come that are looked at in turn.
    turn: BTreeMap<BatchId, usize>,
    /// What recording a line came to that is not written down yet. Whoever forgets it, as they died, finds it again.
    known: BTreeMap<BatchId, BTreeMap<usize, batch::LineState>>,
}

/// Feeds whatever is to be fed, until nothing is left to be done or the time is over.
///
/// # Errors
/// Where the table cannot be read.
pub async fn handle(feeding: &Feeding<'_>, input: &Input) -> Result<Fed, StoreError> {
    let mut fed = Fed::default();
    let until = (feeding.clock)().plus(feeding.budget);
    let mut memory = Memory::default();
    let Some(mut lease) = take(feeding).await? else {
        fed.busy = true;
        return Ok(fed);
    };
    loop {
        let under_way = all(feeding, input, &mut memory, &mut fed).await?;
        fed.rounds += 1;
        if !under_way || (feeding.clock)().plus(POLL) >= until {
            break;
        }
        (feeding.wait)(POLL).await;
        lease = match renewed(feeding, &lease, Some(feeding.holder)).await {
            Ok(lease) => lease,
            // Another one has it: this one was too slow, and is not needed any more.
            Err(StoreError::Conflict) => return Ok(fed),
            Err(error) => return Err(error),
        };
    }
    match renewed(feeding, &lease, None).await {
        Ok(_) | Err(StoreError::Conflict) => Ok(fed),
        Err(error) => Err(error),
    }
}

/// The lease, where nobody holds it.
async fn take(feeding: &Feeding<'_>) -> Result<Option<Lease>, StoreError> {
    let now = (feeding.clock)();
    let known = feeding.store.lease(batch::LEASE).await?;
    if known.as_ref().is_some_and(|lease| lease.holder.is_some() && lease.until > now) {
        return Ok(None);
    }
    let none = Lease { name: batch::LEASE.to_owned(), holder: None, until: now, version: 0 };
    match renewed(feeding, &known.unwrap_or(none), Some(feeding.holder)).await {
        Ok(lease) => Ok(Some(lease)),
        Err(StoreError::Conflict) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn renewed(feeding: &Feeding<'_>, lease: &Lease, holder: Option<&str>) -> Result<Lease, StoreError> {
    let lease = Lease {
        name: lease.name.clone(),
        holder: holder.map(str::to_owned),
        until: (feeding.clock)().plus(LEASE),
        version: lease.version + 1,
    };
    feeding.store.commit(&[Change::Lease(Box::new(lease.clone()))]).await?;
    Ok(lease)
}

/// One round over every batch: all of them are looked at before the room is shared. Whether there is more to be done soon.
async fn all(
    feeding: &Feeding<'_>,
    input: &Input,
    memory: &mut Memory,
    fed: &mut Fed,
) -> Result<bool, StoreError> {
    let mut ids = feeding.store.batches_due((feeding.clock)(), BATCHES).await?;
    ids.extend(input.batch.iter().filter(|id| !ids.contains(id)).cloned().collect::<Vec<_>>());
    let mut batches: Vec<Batch> = Vec::new();
    for id in &ids {
        batches.extend(feeding.store.batch(id).await?);
    }
    let mut most = usize::try_from(feeding.policy.batch.max_running).unwrap_or(usize::MAX);
    let (mut under_way, mut looked) = (false, Vec::new());
    for batch in batches {
        let (id, running) = (batch.batch_id.clone(), batch.in_flight());
        match round::look(feeding, batch, memory, fed).await {
            Ok(one) => looked.extend(one),
            Err(error) => {
                // Its cases run, whoever can look at them.
                most = most.saturating_sub(running);
                under_way |= failed(&id, &error, fed);
            }
        }
    }
    let wants: Vec<Wants> = looked.iter().map(|one| one.wants(memory)).collect();
    for (one, room) in looked.into_iter().zip(batch::share(most, &wants)) {
        let id = one.batch.batch_id.clone();
        match round::go_on(feeding, one, room, memory, fed).await {
            Ok(more) => under_way |= more,
            Err(error) => under_way |= failed(&id, &error, fed),
        }
    }
    Ok(under_way)
}

/// What one batch meets keeps no other from going on; the next round tries again.
fn failed(id: &BatchId, error: &StoreError, fed: &mut Fed) -> bool {
    // In a conflict it was called off, or somebody else feeds it.
    if *error != StoreError::Conflict {
        tracing::error!(batch = %id, %error, "could not be fed");
        fed.failed += 1;
    }
    true
}
