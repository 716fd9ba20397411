//! Who has an account where, and what is left alone there: sentences of the policy, parsed into typed rules.
//!
//! Of the rules that speak of a system and match somebody, the last decides. Whom no rule gives a system has none.

mod grammar;
mod reach;
#[cfg(test)]
mod tests;

pub use grammar::{BadRule, CONDITIONS, KEPT};

use crate::{
    id::SystemId,
    person::{EmploymentType, Person},
    plan::ActionKind,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Most rules that a policy can have.
pub const MAX_RULES: usize = 500;

/// What a rule can ask of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attribute {
    /// How they are employed.
    Employment,
    /// Where in the company.
    Department,
    /// Office or country.
    Location,
    /// What they are cleared for.
    Clearance,
    /// What they do.
    Role,
    /// Who they are.
    Username,
}

impl Attribute {
    /// What a person is in this respect, written as rules keep it; empty where nothing is known.
    pub fn of(self, person: &Person) -> String {
        let optional = |value: &Option<String>| value.as_deref().unwrap_or_default().to_owned();
        let value = match self {
            Self::Employment => return employment(person.employment).to_owned(),
            Self::Department => person.department.clone(),
            Self::Location => optional(&person.location),
            Self::Clearance => optional(&person.clearance),
            Self::Role => person.role.clone(),
            Self::Username => person.username.to_string(),
        };
        folded(&value)
    }
}

/// Names are compared without regard to case and to the width of spaces.
fn folded(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// Whether two names are the same: case and the width of spaces make no difference.
pub fn is_same(one: &str, other: &str) -> bool {
    folded(one) == folded(other)
}

/// How somebody is employed, as sentences say it of one of them.
pub(crate) fn employment(of: EmploymentType) -> &'static str {
    match of {
        EmploymentType::Employee => "employee",
        EmploymentType::Contractor => "contractor",
        EmploymentType::Service => "service",
    }
}

/// Whom a rule is about: each attribute that stands here has one of the values. Empty is everybody.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Who(BTreeMap<Attribute, BTreeSet<String>>);

impl Who {
    /// Whether it is about somebody.
    pub fn matches(&self, person: &Person) -> bool {
        self.0.iter().all(|(attribute, values)| values.contains(&attribute.of(person)))
    }

    /// The values asked for in one respect; `None` where any will do.
    pub fn values(&self, attribute: Attribute) -> Option<&BTreeSet<String>> {
        self.0.get(&attribute)
    }
}

/// What a rule says about its systems.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Says {
    /// Whom it is about has an account there.
    Has,
    /// They have none.
    HasNot,
    /// A case leaves these kinds of action out there.
    Keeps(BTreeSet<ActionKind>),
}

/// One sentence, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    sentence: String,
    who: Who,
    says: Says,
    systems: BTreeSet<SystemId>,
}

impl Rule {
    /// The sentence as it stands in the policy.
    pub fn sentence(&self) -> &str {
        &self.sentence
    }

    /// Whom it is about.
    pub fn who(&self) -> &Who {
        &self.who
    }

    /// What it says.
    pub fn says(&self) -> &Says {
        &self.says
    }

    /// Of which systems.
    pub fn systems(&self) -> &BTreeSet<SystemId> {
        &self.systems
    }

    /// One that says nothing of any system.
    pub(crate) fn silent() -> Self {
        let systems = BTreeSet::new();
        Self { sentence: String::new(), who: Who::default(), says: Says::Has, systems }
    }

    fn gives_or_denies(&self) -> bool {
        !matches!(self.says, Says::Keeps(_))
    }
}

/// A rule and its place, for whoever asks why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed<'a> {
    /// Its number, from 1.
    pub number: usize,
    /// The rule.
    pub rule: &'a Rule,
}

/// All rules, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Routing(Vec<Rule>);

impl TryFrom<Vec<String>> for Routing {
    type Error = String;

    fn try_from(sentences: Vec<String>) -> Result<Self, String> {
        if sentences.len() > MAX_RULES {
            return Err(format!("routing: at most {MAX_RULES} rules"));
        }
        let (mut rules, mut wrong) = (Vec::new(), Vec::new());
        for (index, sentence) in sentences.iter().enumerate() {
            match sentence.parse() {
                Ok(rule) => rules.push(rule),
                Err(error) => wrong.push(format!("routing, rule {} (“{sentence}”): {error}", index + 1)),
            }
        }
        if wrong.is_empty() { Ok(Self(rules)) } else { Err(wrong.join("; ")) }
    }
}

impl From<Routing> for Vec<String> {
    fn from(routing: Routing) -> Self {
        routing.0.into_iter().map(|rule| rule.sentence).collect()
    }
}

impl FromIterator<Rule> for Routing {
    fn from_iter<I: IntoIterator<Item = Rule>>(rules: I) -> Self {
        Self(rules.into_iter().collect())
    }
}

impl Routing {
    /// The rules with their numbers.
    pub fn rules(&self) -> impl DoubleEndedIterator<Item = Placed<'_>> {
        self.0.iter().enumerate().map(|(index, rule)| Placed { number: index + 1, rule })
    }

    fn last(&self, person: &Person, system: &SystemId, is: fn(&Rule) -> bool) -> Option<Placed<'_>> {
        self.rules()
            .rev()
            .find(|Placed { rule, .. }| is(rule) && rule.systems.contains(system) && rule.who.matches(person))
    }

    /// The rule that decides whether somebody has an account in a system; `None` where no rule speaks of it for them.
    pub fn decides(&self, person: &Person, system: &SystemId) -> Option<Placed<'_>> {
        self.last(person, system, Rule::gives_or_denies)
    }

    /// Whether somebody has an account in a system.
    pub fn gives(&self, person: &Person, system: &SystemId) -> bool {
        self.decides(person, system).is_some_and(|found| found.rule.says == Says::Has)
    }

    /// The rule that says what is left alone in a system where somebody is concerned, if any.
    pub fn leaves_alone(&self, person: &Person, system: &SystemId) -> Option<Placed<'_>> {
        self.last(person, system, |rule| !rule.gives_or_denies())
    }

    /// The kinds of action that a case about somebody leaves out in a system.
    pub fn kept(&self, person: &Person, system: &SystemId) -> BTreeSet<ActionKind> {
        match self.leaves_alone(person, system).map(|found| found.rule.says()) {
            Some(Says::Keeps(kinds)) => kinds.clone(),
            _ => BTreeSet::new(),
        }
    }
}
