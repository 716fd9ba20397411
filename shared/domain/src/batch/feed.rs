//! One round of feeding, as far as it can be decided without asking anybody: what is to be looked at, and what follows.

use super::{Batch, BatchStatus, LineState};
use crate::time::Timestamp;
use std::collections::BTreeMap;

/// Which places a round looks at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Look {
    /// Claimed: their case runs, or was never recorded because somebody died.
    pub claimed: Vec<usize>,
    /// Contained, or waiting for somebody: some of them in turn.
    pub others: Vec<usize>,
}

/// What a round comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    /// The batch as it is to be written; `None` where nothing has changed.
    pub batch: Option<Batch>,
    /// The places that were claimed now: their cases are recorded once the batch is written.
    pub claimed: Vec<usize>,
}

/// What a round looks at: everything that is claimed, and so many of the others, those behind a place first.
pub fn look(batch: &Batch, behind: usize, most: usize) -> Look {
    let claimed = batch.states.places(|state| state == LineState::Running);
    let others = batch.states.places(|state| state == LineState::Contained || state.waits_for_somebody());
    let first = others.partition_point(|place| *place <= behind);
    let (before, after) = others.split_at(first);
    let others = after.iter().chain(before).copied().take(most).collect();
    Look { claimed, others }
}

impl Batch {
    /// How many of its lines are claimed and not contained.
    pub fn in_flight(&self) -> usize {
        self.states.iter().filter(|state| *state == LineState::Running).count()
    }

    /// Whether leaver has something to do for it.
    pub fn is_under_way(&self) -> bool {
        self.status == BatchStatus::Running && self.states.any(LineState::is_under_way)
    }

    /// Takes over what was seen, and claims as many lines as there is room for.
    pub fn round(&self, seen: &BTreeMap<usize, LineState>, room: usize, now: Timestamp) -> Round {
        let mut next = self.clone();
        for (place, state) in seen {
            next.states.set(*place, *state);
        }
        let claimed = match self.status {
            BatchStatus::Running => next.states.claim(room),
            BatchStatus::Held | BatchStatus::Ended | BatchStatus::Cancelled => Vec::new(),
        };
        if !claimed.is_empty() {
            next.begun_at.get_or_insert(now);
        }
        next.settle(now);
        // A batch that stands as it stood is written only where it was due to be looked at.
        if next == *self {
            return Round { batch: None, claimed };
        }
        next.version += 1;
        Round { batch: Some(next), claimed }
    }
}
