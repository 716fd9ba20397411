//! What the policy means for one person, and by which of its sentences.

use super::Policy;
use crate::{
    approval::{Asked, Concerned, Need, panel},
    digest::Digest,
    id::{SystemId, Username},
    person::{EmploymentType, LegalHold, Person, PersonStatus},
    plan::ActionKind,
    profiles::Profile,
    routing::Placed,
};
use serde::Serialize;
use std::collections::BTreeSet;

/// What the policy means for one person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// What rules can ask of them, as it stands in their record.
    pub person: Facts,
    /// The settings in force.
    pub policy_digest: Digest,
    /// The systems that they have.
    pub systems: Vec<Place>,
    /// Those that they have not.
    pub without: Vec<Without>,
    /// What their role needs.
    pub role: Needs,
    /// Who would be asked about them, level after level.
    pub asked: Vec<LevelAsked>,
    /// Who is asked first where only security may decide.
    pub security: Vec<Username>,
    /// Whether no automation may touch their accounts: every case about them is held for a human.
    pub protected: bool,
    /// Set while nothing of theirs may be deleted.
    pub legal_hold: Option<LegalHold>,
}

/// What rules can ask of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// Who they are.
    pub username: Username,
    /// Their name.
    pub name: String,
    /// How they are employed.
    pub employment: EmploymentType,
    /// Where in the company.
    pub department: String,
    /// What they do.
    pub role: String,
    /// Office or country.
    pub location: Option<String>,
    /// What they are cleared for.
    pub clearance: Option<String>,
    /// Where they stand.
    pub status: PersonStatus,
}

/// A rule and its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sentence {
    /// Its number, from 1.
    pub number: usize,
    /// As it stands in the policy.
    pub sentence: String,
}

impl From<Placed<'_>> for Sentence {
    fn from(placed: Placed<'_>) -> Self {
        Self { number: placed.number, sentence: placed.rule.sentence().to_owned() }
    }
}

/// How access is taken away in a system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// By its adapter.
    Adapter,
    /// By a general adapter that policy configures.
    Custom,
    /// By its owner, who is given a task.
    Manual,
}

/// A system that somebody has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The system.
    pub system: SystemId,
    /// How access is taken away there.
    pub how: How,
    /// Who finishes what leaver cannot.
    pub owner: Username,
    /// The sentence that gives it.
    pub rule: Option<Sentence>,
    /// The kinds of action that a case takes there; none where the owner does it by hand.
    pub steps: BTreeSet<ActionKind>,
    /// The kinds that are left alone there.
    pub left_alone: BTreeSet<ActionKind>,
    /// The sentence that says so.
    pub left_alone_by: Option<Sentence>,
}

/// A system that somebody has not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Without {
    /// The system.
    pub system: SystemId,
    /// The sentence that says so; `None` where no rule speaks of it for them.
    pub rule: Option<Sentence>,
}

/// What a role needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Needs {
    /// Its name.
    pub name: String,
    /// Per system the grants; `None` where the role has no profile.
    pub needs: Option<Profile>,
}

/// Who is asked at one level.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LevelAsked {
    /// Whom policy names.
    pub level: Asked,
    /// Who that is, for this person.
    pub who: Vec<Username>,
}

/// What the policy means for somebody. `gone` are those who are named in it and are not here any more.
pub fn explain(policy: &Policy, person: &Person, gone: BTreeSet<Username>) -> Explanation {
    let (mut systems, mut without) = (Vec::new(), Vec::new());
    for system in policy.systems.keys() {
        match place(policy, person, system) {
            Some(place) => systems.push(place),
            None => {
                let rule = policy.routing.decides(person, system).map(Sentence::from);
                without.push(Without { system: system.clone(), rule });
            }
        }
    }
    let concerned = Concerned { subject: Some(person), gone, ..Concerned::default() };
    let ask = |level: usize, need: &Need| panel(&policy.approvals, level, need, &concerned);
    let levels = policy.approvals.levels.iter().enumerate();
    Explanation {
        person: facts(person),
        policy_digest: policy.digest(),
        systems,
        without,
        role: Needs { name: person.role.clone(), needs: policy.profile(person).cloned() },
        asked: levels
            .map(|(level, asked)| LevelAsked { level: asked.clone(), who: ask(level, &Need::one()) })
            .collect(),
        security: ask(0, &Need::security()),
        protected: person.protected || policy.protected.contains(&person.username),
        legal_hold: person.legal_hold.clone(),
    }
}

fn facts(person: &Person) -> Facts {
    Facts {
        username: person.username.clone(),
        name: person.name.clone(),
        employment: person.employment,
        department: person.department.clone(),
        role: person.role.clone(),
        location: person.location.clone(),
        clearance: person.clearance.clone(),
        status: person.status,
    }
}

fn place(policy: &Policy, person: &Person, system: &SystemId) -> Option<Place> {
    let of = policy.systems.get(system)?;
    if !policy.routing.gives(person, system) {
        return None;
    }
    let how = match (&of.manual, &of.custom) {
        (Some(_), _) => How::Manual,
        (None, Some(_)) => How::Custom,
        (None, None) => How::Adapter,
    };
    let by_hand = how == How::Manual;
    let (all, steps) = (policy.full_scope().kinds, policy.scope_in(person, system).kinds);
    let left_alone: BTreeSet<ActionKind> = if by_hand { BTreeSet::new() } else { &all - &steps };
    let by = policy.routing.leaves_alone(person, system).filter(|_| !left_alone.is_empty());
    Some(Place {
        system: system.clone(),
        how,
        owner: of.owner.clone(),
        rule: policy.routing.decides(person, system).map(Sentence::from),
        steps: if by_hand { BTreeSet::new() } else { steps },
        left_alone,
        left_alone_by: by.map(Sentence::from),
    })
}
