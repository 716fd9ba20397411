//! Which rules can ever decide anything, whoever works here: exact, by taking from the people a rule is about those whom later
//! rules are about.

use super::{Attribute, Routing, Rule, Says, Who};
use crate::id::SystemId;
use std::collections::{BTreeMap, BTreeSet};

/// All ways of employment, as rules keep them.
const EMPLOYMENT: [&str; 3] = ["contractor", "employee", "service"];
/// More pieces than this are not looked at: the rule counts as reachable.
const MAX_PIECES: usize = 20_000;

/// Values of one attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Values {
    In(BTreeSet<String>),
    NotIn(BTreeSet<String>),
}

impl Values {
    fn all(attribute: Attribute) -> Self {
        match attribute {
            Attribute::Employment => Self::In(EMPLOYMENT.map(str::to_owned).into()),
            _ => Self::NotIn(BTreeSet::new()),
        }
    }

    fn is_empty(&self) -> bool {
        matches!(self, Self::In(values) if values.is_empty())
    }

    fn within(&self, of: &BTreeSet<String>) -> Self {
        match self {
            Self::In(values) => Self::In(values & of),
            Self::NotIn(values) => Self::In(of - values),
        }
    }

    fn without(&self, of: &BTreeSet<String>) -> Self {
        match self {
            Self::In(values) => Self::In(values - of),
            Self::NotIn(values) => Self::NotIn(values | of),
        }
    }
}

/// A set of conceivable people: in each respect that stands here, one of the values.
type Piece = BTreeMap<Attribute, Values>;

fn piece(who: &Who) -> Piece {
    who.0.iter().map(|(attribute, values)| (*attribute, Values::In(values.clone()))).collect()
}

/// What of a piece a rule is not about.
fn beyond(mut piece: Piece, who: &Who) -> Vec<Piece> {
    let mut rest = Vec::new();
    for (attribute, values) in &who.0 {
        let here = piece.get(attribute).cloned().unwrap_or_else(|| Values::all(*attribute));
        let outside = here.without(values);
        if !outside.is_empty() {
            rest.push(Piece::from_iter(piece.clone().into_iter().chain([(*attribute, outside)])));
        }
        let inside = here.within(values);
        if inside.is_empty() {
            return rest;
        }
        piece.insert(*attribute, inside);
    }
    rest
}

impl Routing {
    /// Whether there can be somebody for whom this rule, and none after it, decides about a system.
    fn counts(&self, index: usize, rule: &Rule, system: &SystemId) -> bool {
        let later = self.0.iter().skip(index + 1).filter(|later| {
            later.systems.contains(system) && later.gives_or_denies() == rule.gives_or_denies()
        });
        let mut left = vec![piece(&rule.who)];
        for later in later {
            left = left.into_iter().flat_map(|piece| beyond(piece, &later.who)).collect();
            if left.is_empty() {
                return false;
            }
            if left.len() > MAX_PIECES {
                return true;
            }
        }
        true
    }

    /// What later rules take from a rule for everybody it is about: the rule's number from 1, and the systems.
    pub fn overridden(&self) -> Vec<(usize, BTreeSet<SystemId>)> {
        let mut found = Vec::new();
        for (index, rule) in self.0.iter().enumerate() {
            let lost: BTreeSet<SystemId> =
                rule.systems.iter().filter(|system| !self.counts(index, rule, system)).cloned().collect();
            if !lost.is_empty() {
                found.push((index + 1, lost));
            }
        }
        found
    }

    /// Whether there can be somebody who has an account in a system.
    pub fn reaches(&self, system: &SystemId) -> bool {
        self.0.iter().enumerate().any(|(index, rule)| {
            rule.says == Says::Has && rule.systems.contains(system) && self.counts(index, rule, system)
        })
    }
}
