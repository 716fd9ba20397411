//! Where the lines of a batch stand. Ten thousand of them lie in one record, a letter each.

use crate::case::{CaseRecord, CaseStatus, SystemRecord, SystemStatus};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::collections::BTreeMap;

macro_rules! states {
    ($($(#[$doc:meta])* $name:ident = $letter:literal as $word:literal,)*) => {
        /// Where one line stands.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
        pub enum LineState {
            $($(#[$doc])* #[serde(rename = $word)] $name,)*
        }

        impl LineState {
            /// Every state, in the order of declaration.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its name in JSON.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $word),* }
            }
            fn letter(self) -> char {
                match self { $(Self::$name => $letter),* }
            }
            fn of_letter(letter: char) -> Option<Self> {
                match letter { $($letter => Some(Self::$name),)* _ => None }
            }
        }
    };
}

states! {
    /// Nothing was done for it yet.
    Waiting = 'q' as "waiting",
    /// Its case is recorded, or about to be, and access is being taken.
    Running = 'r' as "running",
    /// All access is contained; what was done is being verified.
    Contained = 'n' as "contained",
    /// Its case is complete.
    Complete = 'c' as "complete",
    /// Something is left to be done by a human.
    Incomplete = 'i' as "incomplete",
    /// A flagged system waits for a human.
    AwaitingApproval = 'w' as "awaiting_approval",
    /// Its case is held.
    Held = 'h' as "held",
    /// Its case was called off.
    Cancelled = 'x' as "cancelled",
    /// Its case was refused at validation.
    Rejected = 'j' as "rejected",
    /// The person was leaving, or had left, by another case.
    Already = 'a' as "already",
    /// It could not be recorded: the person is not known any more.
    Refused = 'u' as "refused",
    /// The batch was called off before its case was recorded.
    Skipped = 's' as "skipped",
}

impl LineState {
    /// Whether access is still to be contained, by leaver itself.
    pub fn is_to_be_done(self) -> bool {
        matches!(self, Self::Waiting | Self::Running)
    }

    /// Whether leaver has something to do before the line is at rest.
    pub fn is_under_way(self) -> bool {
        matches!(self, Self::Waiting | Self::Running | Self::Contained)
    }

    /// Whether somebody may bring it further.
    pub fn waits_for_somebody(self) -> bool {
        matches!(self, Self::Incomplete | Self::AwaitingApproval | Self::Held)
    }

    /// Whether a case of its own was worked on, and is contained.
    pub fn was_worked_on(self) -> bool {
        matches!(self, Self::Contained | Self::Complete | Self::Incomplete | Self::AwaitingApproval)
    }

    /// What a case says about its line. `systems` is asked for only of a case that runs.
    pub fn of_case(case: &CaseRecord, systems: Option<&[SystemRecord]>) -> Self {
        match case.status {
            CaseStatus::Recorded => Self::Running,
            CaseStatus::Running if case.is_closing() => Self::Contained,
            CaseStatus::Running => systems.map_or(Self::Running, of_systems),
            CaseStatus::Held => Self::Held,
            CaseStatus::AwaitingApproval => Self::AwaitingApproval,
            CaseStatus::Complete => Self::Complete,
            CaseStatus::Incomplete => Self::Incomplete,
            CaseStatus::Cancelled => Self::Cancelled,
            CaseStatus::Rejected => Self::Rejected,
        }
    }
}

/// Where a case that runs stands by its systems: it leaves room for another once leaver itself has nothing more to take as
/// things stand, and is contained only where no human has to do the rest.
fn of_systems(systems: &[SystemRecord]) -> LineState {
    use SystemStatus::{AwaitingApproval, Denied, ManualTask};
    let contained = |of: &SystemRecord| of.is_finished() || of.revoked_at.is_some();
    let rest: Vec<SystemStatus> = systems.iter().filter(|of| !contained(of)).map(|of| of.status).collect();
    match rest {
        _ if systems.is_empty() => LineState::Running,
        rest if rest.is_empty() => LineState::Contained,
        rest if !rest.iter().all(|status| matches!(status, AwaitingApproval | Denied | ManualTask)) => {
            LineState::Running
        }
        rest if rest.contains(&AwaitingApproval) => LineState::AwaitingApproval,
        _ => LineState::Incomplete,
    }
}

/// The states of all lines, in the order in which they are worked on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct States(Vec<LineState>);

impl States {
    /// So many lines for which nothing was done.
    pub fn waiting(lines: usize) -> Self {
        Self(vec![LineState::Waiting; lines])
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// That of a place.
    pub fn at(&self, place: usize) -> Option<LineState> {
        self.0.get(place).copied()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = LineState> + '_ {
        self.0.iter().copied()
    }

    /// The places of those that are like this.
    pub fn places(&self, wanted: impl Fn(LineState) -> bool) -> Vec<usize> {
        let places = self.0.iter().enumerate().filter(|(_, state)| wanted(**state));
        places.map(|(place, _)| place).collect()
    }

    /// Whether one of them is like this.
    pub fn any(&self, wanted: impl Fn(LineState) -> bool) -> bool {
        self.0.iter().any(|state| wanted(*state))
    }

    /// How many there are of each.
    pub fn counts(&self) -> BTreeMap<LineState, usize> {
        let mut counts = BTreeMap::new();
        for state in &self.0 {
            *counts.entry(*state).or_insert(0) += 1;
        }
        counts
    }

    /// The same by name, every state among them.
    pub fn named_counts(&self) -> BTreeMap<&'static str, usize> {
        let counts = self.counts();
        LineState::ALL.iter().map(|state| (state.name(), counts.get(state).copied().unwrap_or(0))).collect()
    }

    /// Puts a place where it stands now. What waits is claimed, and what is at its end stays there.
    pub(super) fn set(&mut self, place: usize, next: LineState) {
        use LineState::{Already, Refused, Skipped, Waiting};
        if let Some(state) = self.0.get_mut(place)
            && !matches!(state, Waiting | Skipped | Already | Refused)
        {
            *state = next;
        }
    }

    /// Claims the first that wait, at most so many.
    pub(super) fn claim(&mut self, most: usize) -> Vec<usize> {
        let waiting = self.0.iter_mut().enumerate().filter(|(_, state)| **state == LineState::Waiting);
        let claimed = waiting.take(most).map(|(place, state)| {
            *state = LineState::Running;
            place
        });
        claimed.collect()
    }

    /// Calls off whatever waits, and says how much that was.
    pub(super) fn skip_waiting(&mut self) -> usize {
        let waiting = self.0.iter_mut().filter(|state| **state == LineState::Waiting);
        waiting.map(|state| *state = LineState::Skipped).count()
    }
}

impl Serialize for States {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0.iter().map(|state| state.letter()).collect::<String>())
    }
}

impl<'de> Deserialize<'de> for States {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let letters = std::borrow::Cow::<'_, str>::deserialize(from)?;
        let state = |letter| {
            LineState::of_letter(letter).ok_or_else(|| D::Error::custom(format!("`{letter}` is no state")))
        };
        letters.chars().map(state).collect::<Result<_, _>>().map(Self)
    }
}
