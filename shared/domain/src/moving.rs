//! Movers: a change of role or department, or of whatever else routing goes by, and what becomes of somebody's access with it.
//! Nothing is taken at once: for as long as policy's transition lasts everything stays as it is, for everybody to see. Then goes
//! what the old role needed and the new one does not, and all access in systems to which routing leads no more; what neither role
//! needs was given for another reason, and is not this change's business.

use crate::{
    id::{CaseId, SystemId},
    person::{EmploymentType, Person},
    policy::Policy,
    profiles::{self, Grants, Step},
    routing,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What somebody does, and where in the company: what profiles and routing go by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// A key of policy's role profiles.
    pub role: String,
    /// The department.
    pub department: String,
    /// How they are employed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub employment: Option<EmploymentType>,
    /// Office or country.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// What they are cleared for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clearance: Option<String>,
}

impl Position {
    /// Somebody's.
    pub fn of(person: &Person) -> Self {
        Self {
            role: person.role.clone(),
            department: person.department.clone(),
            employment: Some(person.employment),
            location: person.location.clone(),
            clearance: person.clearance.clone(),
        }
    }

    /// What they are beside role and department, by its name.
    fn beside(&self) -> [(&'static str, &str); 3] {
        [
            ("employment", self.employment.map_or("", routing::employment)),
            ("location", self.location.as_deref().unwrap_or_default()),
            ("clearance", self.clearance.as_deref().unwrap_or_default()),
        ]
    }
}

/// A change of position, and what it meant when it was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Where they were.
    pub from: Position,
    /// Where they are now.
    pub to: Position,
    /// What it means in each system that a role needs or needed; nothing where one of the roles has no profile.
    pub steps: BTreeMap<SystemId, Step>,
    /// The other systems that concerned them where they were and concern them no more: routing goes by more than the role.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beyond: Vec<SystemId>,
    /// The cases of their earlier changes that were not through when this one was told: what those are to take may still be there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<CaseId>,
}

/// A change of position that is to be written down: what it means, and the person's record from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// What it means.
    pub change: Change,
    /// The record, its version raised by one. It is written together with the case, or neither is.
    pub after: Person,
}

impl Change {
    /// What it means that somebody who was `before` is `after` now.
    pub fn between(policy: &Policy, before: &Person, after: &Person) -> Self {
        let steps = match (policy.profile(before), policy.profile(after)) {
            (Some(old), Some(new)) => profiles::difference(Some(old), new, &policy.governed()),
            // Nobody knows what one of them needs: by the role nothing is taken.
            _ => BTreeMap::new(),
        };
        let still = policy.systems_of(after, false);
        let was = policy.systems_of(before, false);
        let beyond =
            was.into_iter().filter(|system| !still.contains(system) && !steps.contains_key(system)).collect();
        Self { from: Position::of(before), to: Position::of(after), steps, beyond, earlier: Vec::new() }
    }

    /// The role of which nothing is known, where one of the two has no profile.
    pub fn unknown(&self, policy: &Policy) -> Option<&str> {
        let roles = [&self.from.role, &self.to.role];
        roles.into_iter().find(|role| policy.profile_of(role).is_none()).map(String::as_str)
    }

    /// What is different now, in words.
    pub fn in_words(&self) -> String {
        let (from, to) = (&self.from, &self.to);
        let mut said = Vec::new();
        if (&from.role, &from.department) != (&to.role, &to.department) {
            said.push(format!(
                "{} in {} is {} in {} now",
                from.role, from.department, to.role, to.department
            ));
        }
        let or_none = |value: &str| if value.is_empty() { "none".to_owned() } else { value.to_owned() };
        for ((name, was), (_, is)) in from.beside().into_iter().zip(to.beside()) {
            if was != is {
                said.push(format!("{name} {}, now {}", or_none(was), or_none(is)));
            }
        }
        said.join("; ")
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
        let now = policy.profile(person);
        let needed = now.and_then(|now| now.needs(system));
        // What roles do not speak of is decided by routing; so is everything of a role of which nothing is known.
        if self.beyond.contains(system) || now.is_none() {
            let concerns = policy.routing.gives(person, system) || needed.is_some();
            return if concerns || !given.is_empty() { Some(Grants::new()) } else { None };
        }
        let had = policy.profile_of(&self.from.role).and_then(|old| old.needs(system));
        let had = had.cloned().unwrap_or_default();
        match needed {
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
        let change = Change::between(&policy, &engineer, &seller);
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
        assert!(Change::between(&policy, &here, &there).is_nothing());
        let field = person("engineer", "Field Sales");
        let beyond = Change::between(&policy, &field, &here);
        assert!(beyond.systems().iter().any(|system| system.as_str() == "badge"), "{beyond:?}");
    }

    #[test]
    fn who_is_back_in_the_old_role_before_the_time_has_come_loses_nothing() {
        let policy = policy();
        let (engineer, seller) = (person("engineer", "Engineering"), person("sales", "Sales"));
        let change = Change::between(&policy, &engineer, &seller);
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
        let change = Change::between(&policy, &engineer, &seller);
        let given: Grants = ["something".to_owned()].into();
        for system in change.systems() {
            let going = change.takes(&policy, &seller, &system, &given);
            assert!(
                going.is_some_and(|going| going.is_disjoint(&given)),
                "{system}: an account in use stays"
            );
        }
    }

    fn ids(systems: &[SystemId]) -> Vec<&str> {
        systems.iter().map(SystemId::as_str).collect()
    }

    #[test]
    fn a_role_of_which_nothing_is_known_takes_nothing() {
        let policy = policy();
        let (engineer, other) = (person("engineer", "Engineering"), person("astronaut", "Space"));
        for (before, after) in [(&engineer, &other), (&other, &engineer)] {
            let change = Change::between(&policy, before, after);
            assert!(change.is_nothing(), "{change:?}");
            assert_eq!(change.unknown(&policy), Some("astronaut"));
        }
        let known = Change::between(&policy, &engineer, &person("sales", "Sales"));
        assert_eq!(known.unknown(&policy), None);
    }

    /// Profiles speak of some of these systems; neither of the roles does.
    #[test]
    fn where_routing_leads_no_more_access_goes_whatever_is_known_of_the_role() {
        let policy = policy();
        let expected = ["active_directory", "postgresql", "vpn"];
        for role in ["engineer", "astronaut"] {
            let (before, after) = (person(role, "Infrastructure"), person(role, "Engineering"));
            let change = Change::between(&policy, &before, &after);
            assert_eq!(ids(&change.beyond), expected, "{role}");
            assert_eq!(change.systems(), change.beyond, "{role}");
            for system in &change.beyond {
                let takes = |person: &Person, given: &Grants| change.takes(&policy, person, system, given);
                let given: Grants = ["a".to_owned()].into();
                assert_eq!(takes(&after, &Grants::new()), None, "{role}, {system}");
                assert_eq!(takes(&before, &Grants::new()), Some(Grants::new()), "{role}, {system}: back");
                assert_eq!(takes(&after, &given), Some(Grants::new()), "{role}, {system}: given for a time");
            }
        }
    }

    #[test]
    fn who_moves_on_to_an_unknown_role_keeps_what_concerns_them_there_and_nothing_else() {
        let policy = policy();
        let (seller, clerk) = (person("account_executive", "Field Sales"), person("sales", "Sales"));
        let change = Change::between(&policy, &seller, &clerk);
        let salesforce: SystemId = "salesforce".parse().unwrap();
        assert_eq!(change.steps[&salesforce], Step::TakeAll);
        let takes =
            |department| change.takes(&policy, &person("astronaut", department), &salesforce, &Grants::new());
        assert_eq!((takes("Field Sales"), takes("Space")), (Some(Grants::new()), None));
    }

    #[test]
    fn what_is_done_by_hand_goes_with_the_place_that_gave_it() {
        let policy = policy();
        let change = Change::between(&policy, &person("sales", "Facilities"), &person("sales", "Sales"));
        assert_eq!(ids(&change.systems()), ["facilities_keys"]);
    }

    #[test]
    fn location_clearance_and_employment_count_as_far_as_routing_goes_by_them() {
        let mut policy = policy();
        let mut sentences: Vec<String> = policy.routing.clone().into();
        sentences.extend(
            [
                "People based in Lisbon have badge.",
                "People with clearance secret have postgresql.",
                "Contractors have no payroll.",
            ]
            .map(str::to_owned),
        );
        policy.routing = routing::Routing::try_from(sentences).unwrap();
        let was = Person {
            location: Some("Lisbon".into()),
            clearance: Some("secret".into()),
            ..person("engineer", "Engineering")
        };
        let lost = |after: &Person| {
            let change = Change::between(&policy, &was, after);
            (ids(&change.systems()).join(" "), change.in_words())
        };
        let expected = |system: &str, words: &str| (system.to_owned(), words.to_owned());
        let there = Person { location: Some("Berlin".into()), ..was.clone() };
        assert_eq!(lost(&there), expected("badge", "location Lisbon, now Berlin"));
        let without = Person { clearance: None, ..was.clone() };
        assert_eq!(lost(&without), expected("postgresql", "clearance secret, now none"));
        let contractor = Person { employment: EmploymentType::Contractor, ..was.clone() };
        assert_eq!(lost(&contractor), expected("payroll", "employment employee, now contractor"));
        assert_eq!(lost(&Person { name: "Another".into(), ..was.clone() }), expected("", ""));
    }

    #[test]
    fn a_change_that_was_written_down_without_the_other_facts_is_read() {
        let change = Change::between(&policy(), &person("sales", "Sales"), &person("sales", "Data"));
        let mut written = serde_json::to_value(&change).unwrap();
        for of in ["from", "to"] {
            written[of] = serde_json::json!({"role": "sales", "department": "Sales"});
        }
        let read: Change = serde_json::from_value(written).unwrap();
        assert_eq!((read.from.employment, read.earlier.len()), (None, 0));
    }
}
