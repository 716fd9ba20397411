//! One round of feeding, as far as it can be decided without asking anybody: what is to be looked at, who gets how much of the
//! room, and what follows.

use super::{Batch, BatchStatus, Line, LineState, States};
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

/// What a batch asks of the room that all of them share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wants {
    /// How many of its cases take room.
    pub running: usize,
    /// How many of its lines wait whose people come before everybody else's.
    pub first: usize,
    /// How many others wait.
    pub rest: usize,
    /// When lines of it were claimed last.
    pub claimed_at: Option<Timestamp>,
}

/// How many lines each batch may claim, where at most so many cases run at once. Whoever comes first comes before everybody
/// else, in whichever batch they stand. Each place goes to the batch that takes the least room, among equals to the one whose
/// turn is the longest ago: a large batch keeps no other waiting. It follows from the records alone, so that whoever goes on
/// after somebody who died goes on in the same order.
pub fn share(most: usize, wants: &[Wants]) -> Vec<usize> {
    let mut room = most.saturating_sub(wants.iter().map(|of| of.running).sum());
    let mut given = vec![0_usize; wants.len()];
    let upto: [fn(&Wants) -> usize; 2] = [|of| of.first, |of| of.first + of.rest];
    for upto in upto {
        while room > 0 {
            let asking = wants.iter().zip(&given).enumerate().filter(|(_, (of, given))| **given < upto(of));
            let turn = asking.min_by_key(|(_, (of, given))| (of.running + **given, of.claimed_at));
            let Some((place, _)) = turn else { break };
            given[place] += 1;
            room -= 1;
        }
    }
    given
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

    /// Where its lines stand by what was seen.
    fn with(&self, seen: &BTreeMap<usize, LineState>) -> States {
        let mut states = self.states.clone();
        for (place, state) in seen {
            states.set(*place, *state);
        }
        states
    }

    /// What it asks of the room, by what was seen.
    pub fn wants(&self, seen: &BTreeMap<usize, LineState>, lines: &[Line]) -> Wants {
        let states = self.with(seen);
        let running = states.places(|state| state == LineState::Running).len();
        let waiting = match self.status {
            BatchStatus::Running => states.places(|state| state == LineState::Waiting),
            BatchStatus::Held | BatchStatus::Ended | BatchStatus::Cancelled => Vec::new(),
        };
        let is_first = |place: &&usize| lines.get(**place).is_some_and(|line| line.first);
        let first = waiting.iter().filter(is_first).count();
        Wants { running, first, rest: waiting.len() - first, claimed_at: self.claimed_at }
    }

    /// Takes over what was seen, and claims as many lines as there is room for.
    pub fn round(&self, seen: &BTreeMap<usize, LineState>, room: usize, now: Timestamp) -> Round {
        let mut next = self.clone();
        next.states = self.with(seen);
        let claimed = match self.status {
            BatchStatus::Running => next.states.claim(room),
            BatchStatus::Held | BatchStatus::Ended | BatchStatus::Cancelled => Vec::new(),
        };
        if !claimed.is_empty() {
            next.begun_at.get_or_insert(now);
            next.claimed_at = Some(now);
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
