//! What may be taken back when a grant ends, while others may still give the same and some of it was there before.

use crate::{id::MeasureId, measure::Permission, time::Timestamp};
use std::collections::BTreeSet;

/// One permission of one temporary grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// The grant.
    pub measure: MeasureId,
    /// The permission as it was asked for.
    pub permission: Permission,
    /// What the vendor calls it, as far as a reading told: two grants may name one permission by its id and by its name.
    pub names: BTreeSet<String>,
    /// Whether the grant is in force.
    pub in_force: bool,
    /// From when on the grant may have given it.
    pub from: Timestamp,
    /// When it was over and taken back; `None` as long as it is not.
    pub over: Option<Timestamp>,
    /// When the state before the grant was read, and whether the permission was held then.
    pub before: Option<(Timestamp, bool)>,
    /// Whether it was left to a human to give, so that no reading tells.
    pub by_hand: bool,
}

impl Given {
    fn is_same(&self, other: &Self) -> bool {
        self.permission.system == other.permission.system && !self.names.is_disjoint(&other.names)
    }

    fn meets(&self, other: &Self) -> bool {
        let reaches = |a: &Self, b: &Self| a.over.is_none_or(|over| b.from <= over);
        reaches(self, other) && reaches(other, self)
    }
}

/// Everything that one permission of a grant hangs together with: grants of the same permission, one reaching into the time
/// of the next without a gap.
fn together<'a>(of: &'a Given, all: &'a [Given]) -> Vec<&'a Given> {
    let mut found = vec![of];
    let mut at = 0;
    while let Some(one) = found.get(at).copied() {
        for other in all {
            let known = found.iter().any(|known| std::ptr::eq(*known, other));
            if !known && one.is_same(other) && one.meets(other) {
                found.push(other);
            }
        }
        at += 1;
    }
    found
}

/// The permissions of a grant that are to be taken at its end: those that no other grant in force still gives, and that
/// were not held before the first of the grants that overlap. What was there before is told by the earliest reading among
/// them: later ones saw what the others had given already.
pub fn to_take(ending: &MeasureId, all: &[Given]) -> BTreeSet<Permission> {
    let is_to_go = |given: &&Given| {
        let together = together(given, all);
        let still_given = together.iter().any(|one| one.in_force && one.measure != *ending);
        let earliest = together.iter().filter_map(|one| one.before).min();
        let gave = match earliest {
            Some((_, held)) => !held,
            None => together.iter().any(|one| one.by_hand),
        };
        gave && !still_given
    };
    let ours = all.iter().filter(|given| given.measure == *ending);
    ours.filter(is_to_go).map(|given| given.permission.clone()).collect()
}
