//! What may happen, one act at a time.

use super::fake::SYSTEMS;
use leaver_adapter::Step;
use proptest::{prelude::*, sample::Index};

/// Everybody who acts; the first two are those who are let go mostly.
const PEOPLE: [&str; 8] = [
    "riley.owner",
    "john.doe",
    "sam.admin",
    "taylor.admin",
    "jane.smith",
    "harper.hr",
    "casey.contract",
    "robin.mover",
];
const ROLES: [&str; 7] =
    ["security approver", "security", "approver", "manager", "hr", "auditor operator", ""];

/// Somebody with a token that says these roles.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller {
    pub(crate) who: &'static str,
    pub(crate) roles: &'static str,
}

impl Caller {
    pub(crate) fn has(self, role: &str) -> bool {
        self.roles.split(' ').any(|one| one == role)
    }
}

/// What happens to an account between its approval and the step that works under it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Meanwhile {
    Nothing,
    Grows,
    IsLeftAlone,
}

#[derive(Debug, Clone)]
pub(crate) enum Act {
    Fired(&'static str),
    Opened {
        by: Caller,
        about: &'static str,
        emergency: bool,
        dry: bool,
        partial: bool,
    },
    Planned(Index),
    Step(Index, &'static str, Step),
    Gate(Index, &'static str),
    Put(Index, &'static str),
    /// A whole execution as far as it comes.
    Executed(Index),
    Decided {
        by: Caller,
        about: Index,
        decision: &'static str,
    },
    /// Whoever may decide says yes to what waits, as often as it takes, and what was approved runs at once; or something
    /// has come to it meanwhile.
    Agreed {
        about: Index,
        by: [Caller; 3],
        meanwhile: Meanwhile,
    },
    Ticked(u64),
    Cancelled(Caller, Index),
    Closed(Index),
    TaskClosed(Caller, Index),
    Restored(Caller, Index),
    BrokeGlass(Caller, &'static str),
    Granted(Caller, &'static str),
    /// The execution of a measure.
    Measured(Index),
    Grew(&'static str, &'static str),
    Shrank(&'static str, &'static str),
    Automated(&'static str),
    LeftAlone(&'static str, &'static str),
}

fn one_of(of: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    proptest::sample::select(of)
}

fn caller() -> impl Strategy<Value = Caller> {
    let anybody = (one_of(&PEOPLE), one_of(&ROLES)).prop_map(|(who, roles)| Caller { who, roles });
    let team = one_of(&PEOPLE[2..4]).prop_map(|who| Caller { who, roles: "security approver" });
    prop_oneof![2 => anybody, 1 => team]
}

fn subject() -> impl Strategy<Value = &'static str> {
    prop_oneof![8 => one_of(&PEOPLE[..2]), 1 => one_of(&PEOPLE)]
}

pub(crate) fn act() -> impl Strategy<Value = Act> {
    let index = any::<Index>;
    let system = || one_of(&SYSTEMS);
    let step = proptest::sample::select(vec![Step::Run, Step::Run, Step::Verify]);
    let decision = || proptest::sample::select(vec!["approve", "approve", "deny", "escalate"]);
    let chance = |weight| proptest::bool::weighted(weight);
    let all = |roles, of: [&'static str; 3]| of.map(|who| Caller { who, roles });
    let security = all("security approver", ["sam.admin", "taylor.admin", "harper.hr"]);
    let approvers = all("approver", ["jane.smith", "harper.hr", "casey.contract"]);
    let by = proptest::sample::select(vec![security, approvers]);
    let meanwhile = [Meanwhile::Nothing, Meanwhile::Nothing, Meanwhile::Grows, Meanwhile::IsLeftAlone];
    let meanwhile = proptest::sample::select(meanwhile.to_vec());
    let opened = (caller(), subject(), chance(0.25), chance(0.15), chance(0.2))
        .prop_map(|(by, about, emergency, dry, partial)| Act::Opened { by, about, emergency, dry, partial });
    prop_oneof![
        2 => subject().prop_map(Act::Fired),
        4 => opened,
        3 => index().prop_map(Act::Planned),
        8 => (index(), system(), step).prop_map(|(case, system, step)| Act::Step(case, system, step)),
        3 => (index(), system()).prop_map(|(case, system)| Act::Gate(case, system)),
        3 => (index(), system()).prop_map(|(case, system)| Act::Put(case, system)),
        6 => index().prop_map(Act::Executed),
        10 => (caller(), index(), decision())
            .prop_map(|(by, about, decision)| Act::Decided { by, about, decision }),
        5 => (index(), by, meanwhile).prop_map(|(about, by, meanwhile)| Act::Agreed { about, by, meanwhile }),
        4 => proptest::sample::select(vec![1_u64, 30, 61, 200, 4_000]).prop_map(Act::Ticked),
        2 => (caller(), index()).prop_map(|(by, case)| Act::Cancelled(by, case)),
        2 => index().prop_map(Act::Closed),
        2 => (caller(), index()).prop_map(|(by, task)| Act::TaskClosed(by, task)),
        3 => (caller(), index()).prop_map(|(by, case)| Act::Restored(by, case)),
        2 => (caller(), subject()).prop_map(|(by, about)| Act::BrokeGlass(by, about)),
        2 => (caller(), subject()).prop_map(|(by, about)| Act::Granted(by, about)),
        3 => index().prop_map(Act::Measured),
        3 => (system(), subject()).prop_map(|(system, about)| Act::Grew(system, about)),
        1 => (system(), subject()).prop_map(|(system, about)| Act::Shrank(system, about)),
        1 => subject().prop_map(Act::Automated),
        2 => (system(), subject()).prop_map(|(system, about)| Act::LeftAlone(system, about)),
    ]
}
