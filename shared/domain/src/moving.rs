//! Movers: a change of role or department, and what becomes of somebody's access with it. Nothing is taken at once: for as long as
//! policy's transition lasts everything stays as it is, for everybody to see. Then goes what the old role needed and the new one
//! does not; what neither needs was given for another reason, and is not this change's business.

use crate::{
    id::SystemId,
    person::Person,
    policy::Policy,
    profiles::{self, Grants, Step},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What somebody does, and where in the company.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// A key of policy's role profiles.
    pub role: String,
    /// The department.
    pub department: String,
}

impl Position {
    /// Somebody's.
    pub fn of(person: &Person) -> Self {
        Self { role: person.role.clone(), department: person.department.clone() }
    }
}

/// A change of position, and what it meant when it was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Where they were.
    pub from: Position,
    /// Where they are now.
    pub to: Position,
    /// What it means in each system that a role needs or needed.
    pub steps: BTreeMap<SystemId, Step>,
    /// The systems that concerned them where they were and concern them no more: routing goes by more than the role.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beyond: Vec<SystemId>,
}

/// A change of position that is to be written down: what it means, and the person's record from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// What it means.
    pub change: Change,
    /// The record, its version raised by one. It is written together with the case, or neither is.
    pub after: Person,
}

/// Why a change cannot be worked out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("policy has no profile for the role `{0}`")]
pub struct NoProfile(pub String);

impl Change {
    /// What it means that somebody who was `before` is `after` now.
    ///
    /// # Errors
    /// Where one of the roles has no profile: then nobody knows what it needs, and nothing is taken.
    pub fn between(policy: &Policy, before: &Person, after: &Person) -> Result<Self, NoProfile> {
        let profile = |person: &Person| policy.profile(person).ok_or_else(|| NoProfile(person.role.clone()));
        let (old, new) = (profile(before)?, profile(after)?);
        let governed = policy.governed();
        let still = policy.systems_of(after, true);
        let was = policy.systems_of(before, true);
        let beyond = was.into_iter().filter(|system| !still.contains(system) && !governed.contains(system));
        Ok(Self {
            from: Position::of(before),
            to: Position::of(after),
            steps: profiles::difference(Some(old), new, &governed),
            beyond: beyond.collect(),
        })
    }

    /// Whether nothing goes and nothing is missing: another desk, the same access.
    pub fn is_nothing(&self) -> bool {
        self.systems().is_empty() && self.missing().next().is_none()
    }

    /// The systems in which something goes.
    pub fn systems(&self) -> Vec<SystemId> {
        let taking = self.steps.iter().filter(|(_, step)| step.takes()).map(|(system, _)| system);
        taking.chain(&self.beyond).cloned().collect()
    }

    /// What the new role needs and the old one did not, by system. Nobody is given it by this.
    pub fn missing(&self) -> impl Iterator<Item = (&SystemId, &Grants)> {
        let account = |step: &Step| matches!(step, Step::Give { account: true, .. });
        let lacks = move |(_, step): &(&SystemId, &Step)| account(step) || !step.missing().is_empty();
        self.steps.iter().filter(lacks).map(|(system, step)| (system, step.missing()))
    }

    /// The names of what goes in one system when the time has come; `None` for everything there. By then the person may have moved
    /// on: what the role that they have now needs stays, and so does what was `given` to them for a time.
    pub fn takes(
        &self,
        policy: &Policy,
        person: &Person,
        system: &SystemId,
        given: &Grants,
    ) -> Option<Grants> {
        let nothing = Grants::new();
        if self.beyond.contains(system) {
            let concerns = policy.systems_of(person, true).contains(system);
            return if concerns || !given.is_empty() { Some(nothing) } else { None };
        }
        // Whoever has a role of which nothing is known keeps what they have.
        let Some(now) = policy.profile(person) else { return Some(nothing) };
        let had = policy.profile_of(&self.from.role).and_then(|old| old.needs(system));
        let had = had.cloned().unwrap_or_default();
        match now.needs(system) {
            None if given.is_empty() => None,
            None => Some(&had - given),
            Some(needed) => Some(&(&had - needed) - given),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Policy {
        let document = serde_norway::from_str(include_str!("../../../infra/policy.yaml")).unwrap();
        Policy::parse(document, "prod").unwrap()
    }

    fn person(role: &str, department: &str) -> Person {
        serde_json::from_value(serde_json::json!({
            "username": "robin.mover", "employee_id": "E1", "email": "r@example.com", "name": "R", "role": role,
            "employment": "employee", "department": department, "status": "active",
        }))
        .unwrap()
    }

    #[test]
    fn what_both_roles_need_stays_and_what_is_missing_is_told() {
        let policy = policy();
        let (engineer, seller) = (person("engineer", "Engineering"), person("sales", "Sales"));
        let change = Change::between(&policy, &engineer, &seller).unwrap();
        let (old, new) = (policy.profile(&engineer).unwrap(), policy.profile(&seller).unwrap());
        assert!(!change.systems().is_empty(), "an engineer has something that a seller does not need");
        for system in change.systems() {
            if let Some(going) = change.takes(&policy, &seller, &system, &Grants::new()) {
                assert!(going.is_subset(old.needs(&system).unwrap()), "{system}");
                assert!(new.needs(&system).is_none_or(|needed| going.is_disjoint(needed)), "{system}");
            }
        }
        for (system, grants) in change.missing() {
            assert!(grants.is_subset(new.needs(system).unwrap()), "{system}");
        }
    }

    #[test]
    fn another_desk_with_the_same_access_is_nothing() {
        let policy = policy();
        let (here, there) = (person("engineer", "Engineering"), person("engineer", "Research"));
        assert!(Change::between(&policy, &here, &there).unwrap().is_nothing());
        let field = person("engineer", "Field Sales");
        let beyond = Change::between(&policy, &field, &here).unwrap();
        assert!(beyond.systems().iter().any(|system| system.as_str() == "badge"), "{beyond:?}");
    }

    #[test]
    fn who_is_back_in_the_old_role_before_the_time_has_come_loses_nothing() {
        let policy = policy();
        let (engineer, seller) = (person("engineer", "Engineering"), person("sales", "Sales"));
        let change = Change::between(&policy, &engineer, &seller).unwrap();
        for system in change.systems() {
            assert_eq!(
                change.takes(&policy, &engineer, &system, &Grants::new()),
                Some(Grants::new()),
                "{system}"
            );
        }
    }

    #[test]
    fn what_was_given_for_a_time_is_not_taken_by_a_move() {
        let policy = policy();
        let (engineer, seller) = (person("engineer", "Engineering"), person("sales", "Sales"));
        let change = Change::between(&policy, &engineer, &seller).unwrap();
        let given: Grants = ["something".to_owned()].into();
        for system in change.systems() {
            let going = change.takes(&policy, &seller, &system, &given);
            assert!(
                going.is_some_and(|going| going.is_disjoint(&given)),
                "{system}: an account in use stays"
            );
        }
    }

    #[test]
    fn a_role_of_which_nothing_is_known_takes_nothing() {
        let policy = policy();
        let (engineer, other) = (person("engineer", "Engineering"), person("astronaut", "Space"));
        assert_eq!(Change::between(&policy, &engineer, &other), Err(NoProfile("astronaut".into())));
        assert_eq!(Change::between(&policy, &other, &engineer), Err(NoProfile("astronaut".into())));
    }
}
