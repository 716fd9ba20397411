//! What each role needs, and what a change of role takes and gives.

use crate::id::SystemId;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Names or ids of groups, teams, roles and licences in one system.
pub type Grants = BTreeSet<String>;

/// What a role needs, per system: an account, and the grants beyond it. A system that does not stand here is not needed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Profile(pub BTreeMap<SystemId, Grants>);

impl Profile {
    /// The grants that the role needs in a system; `None` where it needs no account there.
    pub fn needs(&self, system: &SystemId) -> Option<&Grants> {
        self.0.get(system)
    }

    /// The systems where the role needs an account.
    pub fn systems(&self) -> impl Iterator<Item = &SystemId> {
        self.0.keys()
    }
}

/// What a change of role means in one system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "step")]
pub enum Step {
    /// Both roles need the account and the same grants. Nothing is touched.
    Keep {
        /// What the new role needs.
        needed: Grants,
    },
    /// Only the old role needed an account here: all of it goes.
    TakeAll,
    /// The account stays, and what the new role does not need of the old one's grants goes.
    Narrow {
        /// What the new role needs.
        needed: Grants,
        /// What goes. Nothing of it is needed.
        going: Grants,
        /// What the new role needs and the old one did not.
        missing: Grants,
    },
    /// Nothing goes, and the new role needs more than the old one did.
    Give {
        /// What the new role needs.
        needed: Grants,
        /// Whether the old role needed no account here.
        account: bool,
        /// What the new role needs and the old one did not.
        missing: Grants,
    },
}

static NOTHING: Grants = Grants::new();

impl Step {
    /// What the new role needs here; `None` where it needs no account.
    pub fn needed(&self) -> Option<&Grants> {
        match self {
            Self::Keep { needed } | Self::Narrow { needed, .. } | Self::Give { needed, .. } => Some(needed),
            Self::TakeAll => None,
        }
    }

    /// The single grants that go, where the account stays.
    pub fn going(&self) -> &Grants {
        match self {
            Self::Narrow { going, .. } => going,
            _ => &NOTHING,
        }
    }

    /// The grants that the new role needs and the old one did not.
    pub fn missing(&self) -> &Grants {
        match self {
            Self::Narrow { missing, .. } | Self::Give { missing, .. } => missing,
            _ => &NOTHING,
        }
    }

    /// Whether something is taken.
    pub fn takes(&self) -> bool {
        matches!(self, Self::TakeAll | Self::Narrow { .. })
    }
}

/// What a change from one role to another means, per system. `governed` are the systems that some profile names; what stands in
/// neither profile nor there is none of a role's business and does not come up.
///
/// Of somebody whose old role has no profile nothing is known: the governed systems that the new role does not need go whole, and
/// everything that it needs counts as missing.
pub fn difference(
    old: Option<&Profile>,
    new: &Profile,
    governed: &BTreeSet<SystemId>,
) -> BTreeMap<SystemId, Step> {
    let had: BTreeSet<&SystemId> = match old {
        Some(old) => old.systems().collect(),
        None => governed.iter().collect(),
    };
    let mut steps = BTreeMap::new();
    for system in had.into_iter().chain(new.systems()) {
        let before = old.and_then(|old| old.needs(system));
        let step = match (before, new.needs(system)) {
            (_, None) => Step::TakeAll,
            (None, Some(needed)) => {
                Step::Give { needed: needed.clone(), account: true, missing: needed.clone() }
            }
            (Some(before), Some(needed)) => narrowed(before, needed),
        };
        steps.insert(system.clone(), step);
    }
    steps
}

fn narrowed(before: &Grants, needed: &Grants) -> Step {
    let (going, missing) = (before - needed, needed - before);
    let needed = needed.clone();
    match (going.is_empty(), missing.is_empty()) {
        (true, true) => Step::Keep { needed },
        (true, false) => Step::Give { needed, account: false, missing },
        (false, _) => Step::Narrow { needed, going, missing },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SYSTEMS: [&str; 4] = ["okta", "github", "slack", "figma"];

    fn grants() -> impl Strategy<Value = Grants> {
        proptest::collection::btree_set("[a-d]", 0..4)
    }

    fn profile() -> impl Strategy<Value = Profile> {
        let system = proptest::sample::select(&SYSTEMS[..]).prop_map(|id| id.parse().unwrap());
        proptest::collection::btree_map(system, grants(), 0..4).prop_map(Profile)
    }

    fn governed(profiles: &[&Profile]) -> BTreeSet<SystemId> {
        profiles.iter().flat_map(|profile| profile.systems().cloned()).collect()
    }

    fn system(id: &str) -> SystemId {
        id.parse().unwrap()
    }

    proptest! {
        #[test]
        fn nothing_that_both_need_goes_and_nothing_that_is_new_is_forgotten(old in profile(), new in profile()) {
            let steps = difference(Some(&old), &new, &governed(&[&old, &new]));
            for (id, step) in &steps {
                let (before, needed) = (old.needs(id), new.needs(id));
                let none = Grants::new();
                let (held, wanted) = (before.unwrap_or(&none), needed.unwrap_or(&none));
                prop_assert!(step.going().is_disjoint(wanted));
                prop_assert_eq!(*step == Step::TakeAll, needed.is_none() && before.is_some());
                prop_assert_eq!(step.needed(), needed);
                if needed.is_some() {
                    prop_assert_eq!(step.going(), &(held - wanted));
                    prop_assert_eq!(step.missing(), &(wanted - held));
                    let account = matches!(step, Step::Give { account: true, .. });
                    prop_assert_eq!(account, before.is_none());
                }
            }
            prop_assert_eq!(steps.into_keys().collect::<BTreeSet<_>>(), governed(&[&old, &new]));
        }

        #[test]
        fn the_same_role_takes_and_gives_nothing(one in profile(), other in profile()) {
            let steps = difference(Some(&one), &one, &governed(&[&one, &other]));
            let kept = |(id, step): (&SystemId, &Step)| *step == Step::Keep { needed: one.0[id].clone() };
            prop_assert!(steps.iter().all(kept));
            prop_assert_eq!(steps.len(), one.0.len());
        }

        #[test]
        fn going_and_coming_back_takes_what_was_given(old in profile(), new in profile()) {
            let all = governed(&[&old, &new]);
            let (there, back) = (difference(Some(&old), &new, &all), difference(Some(&new), &old, &all));
            for (id, step) in &there {
                prop_assert!(step.going().is_empty() || back[id].missing() == step.going());
                let account = matches!(step, Step::Give { account: true, .. });
                prop_assert_eq!(account, back[id] == Step::TakeAll);
            }
        }

        #[test]
        fn of_an_unknown_role_everything_governed_that_is_not_needed_goes(new in profile(), other in profile()) {
            let all = governed(&[&new, &other]);
            let steps = difference(None, &new, &all);
            for id in &all {
                match new.needs(id) {
                    None => prop_assert_eq!(&steps[id], &Step::TakeAll),
                    Some(needed) => prop_assert_eq!(steps[id].missing(), needed),
                }
            }
        }
    }

    #[test]
    fn a_system_of_no_profile_is_never_touched() {
        let old = Profile([(system("okta"), ["a".to_owned()].into())].into());
        let new = Profile([(system("slack"), Grants::new())].into());
        for old in [Some(&old), None] {
            let steps = difference(old, &new, &governed(&[&new]));
            assert!(!steps.contains_key(&system("payroll")));
        }
    }
}
