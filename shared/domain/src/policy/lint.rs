//! Everything that is wrong with a policy, at once: what [`Policy::parse`] refuses, and what it takes although it cannot be meant.

use super::{Policy, SystemPolicy, known_systems, laid_over, values};
use crate::{
    approval::{ApprovalPolicy, Asked},
    id::{SystemId, Username},
    person::{EmploymentType, Person, PersonStatus},
    profiles::Profile,
    routing::{Attribute, Placed, Routing, Rule},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// How much a remark weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The policy does not do what it says, or cannot be used.
    Error,
    /// It can be used, and somebody should look at it.
    Warning,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Remark {
    /// How much it weighs.
    pub level: Level,
    /// Where it stands.
    pub place: String,
    /// What is wrong.
    pub what: String,
    /// What to do, where what is wrong does not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// The people that a policy is held against.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Those who are known.
    pub people: &'a [Person],
    /// Whether they are everybody; otherwise those of whom the policy speaks by name.
    pub all: bool,
}

impl Known<'_> {
    fn of(&self, username: &Username) -> Option<&Person> {
        self.people.iter().find(|person| person.username == *username)
    }
}

fn error(place: impl Into<String>, what: impl Into<String>, fix: &str) -> Remark {
    let fix = (!fix.is_empty()).then(|| fix.to_owned());
    Remark { level: Level::Error, place: place.into(), what: what.into(), fix }
}

fn warning(place: impl Into<String>, what: impl Into<String>, fix: &str) -> Remark {
    Remark { level: Level::Warning, ..error(place, what, fix) }
}

/// What is wrong with the policy of an environment: the errors first, each place once. Where people are given, what the policy says
/// of people is held against them.
pub fn remarks(document: &Value, environment: &str, known: Option<Known<'_>>) -> Vec<Remark> {
    let systems = known_systems(document);
    let document = laid_over(document.clone(), environment);
    let mut found: Vec<Remark> = Vec::new();
    let sections = Sections::read(&document, &mut found);
    match serde_json::from_value::<Policy>(document) {
        Ok(policy) => {
            found.extend(policy.wrong(&systems).into_iter().map(|(place, why)| error(place, why, "")));
            found.extend(overridden(&policy.routing));
            found.extend(deciders(&policy));
            if let Some(known) = known {
                found.extend(people(&policy, known));
            }
        }
        Err(why) => {
            found.extend(sections.wrong(&systems));
            // Whatever else is wrong with the whole: nothing passes that cannot be used.
            if found.is_empty() {
                found.push(error("the document", why.to_string(), ""));
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// The parts of a document that have the right shape, where it has not as a whole.
struct Sections {
    timing: Option<super::Timing>,
    actions: Option<BTreeMap<crate::plan::ActionKind, bool>>,
    systems: BTreeMap<SystemId, SystemPolicy>,
    routing: Routing,
    roles: BTreeMap<String, Profile>,
    risk: Option<crate::risk::RiskSettings>,
    approvals: Option<ApprovalPolicy>,
    brake: Option<crate::brake::BrakePolicy>,
    ledger: Option<super::LedgerPolicy>,
    inactivity: Option<crate::orphans::idle::Inactivity>,
    contracts: Option<crate::contracts::ContractPolicy>,
    batch: Option<crate::batch::BatchPolicy>,
    data: Option<crate::archive::DataPolicy>,
    reverify_days: Option<BTreeSet<u32>>,
    canary: Option<crate::canary::CanaryPolicy>,
}

/// Every section, and whether a policy has to have it.
const SECTIONS: [(&str, bool); 18] = [
    ("version", true),
    ("timing", true),
    ("actions", true),
    ("systems", true),
    ("routing", true),
    ("roles", false),
    ("risk", true),
    ("approvals", true),
    ("brake", true),
    ("ledger", true),
    ("protected", false),
    ("signals", false),
    ("inactivity", false),
    ("contracts", false),
    ("batch", false),
    ("data", false),
    ("reverify_days", false),
    ("canary", false),
];

fn part<T: DeserializeOwned>(place: &str, value: &Value, found: &mut Vec<Remark>) -> Option<T> {
    match serde_json::from_value(value.clone()) {
        Ok(part) => Some(part),
        Err(why) => {
            found.push(error(place, why.to_string(), ""));
            None
        }
    }
}

/// The members of an object one by one, so that one that is wrong hides no other.
fn members<T: DeserializeOwned>(place: &str, value: &Value, found: &mut Vec<Remark>) -> BTreeMap<String, T> {
    let Some(fields) = value.as_object() else {
        found.push(error(place, "is no mapping of names", ""));
        return BTreeMap::new();
    };
    let mut members = BTreeMap::new();
    for (name, value) in fields {
        if let Some(member) = part(&format!("{place}.{name}"), value, found) {
            members.insert(name.clone(), member);
        }
    }
    members
}

impl Sections {
    fn read(document: &Value, found: &mut Vec<Remark>) -> Self {
        let Some(fields) = document.as_object() else {
            found.push(error("the document", "is no mapping of sections", ""));
            return Self::read(&Value::Object(serde_json::Map::new()), found);
        };
        for name in fields.keys().filter(|name| SECTIONS.iter().all(|(known, _)| known != name)) {
            let known = SECTIONS.map(|(name, _)| name).join(", ");
            found.push(error(name, "is no section of a policy", &format!("the sections are {known}")));
        }
        for (name, _) in SECTIONS.iter().filter(|(name, needed)| *needed && !fields.contains_key(*name)) {
            found.push(error(*name, "is missing", "write it; infra/policy.yaml as it is shipped shows how"));
        }
        let at = |name: &str| fields.get(name);
        let systems = at("systems").map(|value| members("systems", value, found)).unwrap_or_default();
        let mut named = BTreeMap::new();
        for (name, system) in systems {
            match name.parse::<SystemId>() {
                Ok(id) => {
                    named.insert(id, system);
                }
                Err(why) => found.push(error(format!("systems.{name}"), format!("{why}"), "")),
            }
        }
        macro_rules! section {
            ($name:literal) => {
                at($name).and_then(|value| part($name, value, found))
            };
        }
        let _: Option<u32> = section!("version");
        let _: Option<BTreeSet<Username>> = section!("protected");
        let _: Option<crate::signals::Signals> = section!("signals");
        Self {
            timing: section!("timing"),
            actions: section!("actions"),
            systems: named,
            routing: at("routing").map(|value| sentences(value, found)).unwrap_or_default(),
            roles: at("roles").map(|value| members("roles", value, found)).unwrap_or_default(),
            risk: section!("risk"),
            approvals: section!("approvals"),
            brake: section!("brake"),
            ledger: section!("ledger"),
            inactivity: section!("inactivity"),
            contracts: section!("contracts"),
            batch: section!("batch"),
            data: section!("data"),
            reverify_days: section!("reverify_days"),
            canary: section!("canary"),
        }
    }

    /// What is wrong in the parts that have the right shape.
    fn wrong(&self, known: &BTreeSet<String>) -> Vec<Remark> {
        let at = |(place, why): (&str, String)| (place.to_owned(), why);
        let mut found: Vec<values::Wrong> = Vec::new();
        found.extend(self.timing.iter().flat_map(values::timing));
        found.extend(self.actions.iter().filter_map(values::actions));
        found.extend(self.systems.iter().filter_map(|(id, of)| values::system(id, of)));
        found.extend(values::names(&self.routing, &self.roles, known));
        found.extend(values::roles(&self.roles));
        found.extend(self.risk.iter().filter_map(values::risk));
        found.extend(self.approvals.iter().filter_map(|of| of.check().err()).map(at));
        found.extend(self.brake.iter().filter_map(|of| of.check().err()).map(at));
        found.extend(self.ledger.iter().filter_map(values::ledger));
        let known_system = |system: &SystemId| known.contains(system.as_str());
        let inactivity = self.inactivity.iter().filter_map(|of| of.check(known_system).err());
        found.extend(inactivity.map(|why| ("inactivity".to_owned(), why)));
        let said = |(place, why): (&str, &str)| (place.to_owned(), why.to_owned());
        found.extend(self.contracts.iter().filter_map(|of| of.check().err()).map(said));
        found.extend(self.batch.iter().filter_map(|of| of.check().err()).map(at));
        found.extend(self.data.iter().filter_map(|of| of.check().err()).map(said));
        found.extend(self.reverify_days.iter().filter_map(values::days));
        found.extend(self.canary.iter().filter_map(|canary| values::canary(canary, &self.systems)));
        let mut found: Vec<Remark> = found.into_iter().map(|(place, why)| error(place, why, "")).collect();
        found.extend(overridden(&self.routing));
        found
    }
}

/// The sentences one by one. One that is not understood keeps its number and says nothing.
fn sentences(value: &Value, found: &mut Vec<Remark>) -> Routing {
    let Some(list) = value.as_array() else {
        found.push(error("routing", "is no list of sentences", "begin each line with `- `"));
        return Routing::default();
    };
    let mut rules = Vec::new();
    for (index, sentence) in list.iter().enumerate() {
        let place = format!("routing, rule {}", index + 1);
        let rule = match sentence.as_str().map(str::parse::<Rule>) {
            Some(Ok(rule)) => rule,
            Some(Err(why)) => {
                let shown = sentence.as_str().unwrap_or_default();
                found.push(error(place, format!("“{shown}”: {why}"), "docs/policy.md shows every form"));
                Rule::silent()
            }
            None => {
                found.push(error(
                    place,
                    "is no sentence",
                    "write one line of text, in quotes where it holds a colon",
                ));
                Rule::silent()
            }
        };
        rules.push(rule);
    }
    rules.into_iter().collect()
}

fn list<T: ToString>(of: impl IntoIterator<Item = T>) -> String {
    of.into_iter().map(|one| one.to_string()).collect::<Vec<_>>().join(", ")
}

/// Rules that later ones take everything from.
fn overridden(routing: &Routing) -> Vec<Remark> {
    let lost = routing.overridden();
    let of = |number: usize| routing.rules().find(|placed| placed.number == number);
    lost.into_iter()
        .map(|(number, systems)| {
            let sentence = of(number).map(|placed| placed.rule.sentence()).unwrap_or_default();
            error(
                format!("routing, rule {number}"),
                format!(
                    "“{sentence}” never decides about {}: later rules do, for everybody it is about",
                    list(&systems)
                ),
                "take the systems out of it, or move it below those rules",
            )
        })
        .collect()
}

/// Approvers who are named and could never decide.
fn deciders(policy: &Policy) -> Vec<Remark> {
    let approvals = &policy.approvals;
    let mut found = Vec::new();
    let powerless: Vec<&Username> = approvals.approvers.difference(&approvals.security_team).collect();
    if approvals.security_decides.from.is_some_and(|from| from <= policy.risk.flag_from)
        && !powerless.is_empty()
    {
        found.push(warning(
            "approvals.security_decides.from",
            format!("{} cannot decide about any flagged system: all of them are security's", list(powerless)),
            "raise it above risk.flag_from, or take them out of approvers",
        ));
    }
    let levels = &approvals.levels;
    if !levels.contains(&Asked::Approvers) && !approvals.approvers.is_subset(&approvals.security_team) {
        let asked = "name `approvers` among the levels, or take them out of approvers";
        found.push(warning("approvals.approvers", "no level asks them", asked));
    }
    if approvals.two_approvers != Default::default() && approvals.security_team.len() < 3 {
        let what = "where two have to approve and one of the security team is concerned, one is left";
        found.push(warning("approvals.security_team", what, "name at least three"));
    }
    for (of, to) in &approvals.delegates {
        let decides = approvals.approvers.contains(of)
            || approvals.security_team.contains(of)
            || levels.contains(&Asked::Person(of.clone()))
            || levels.contains(&Asked::Manager);
        if !decides {
            let what = format!("{to} stands in for {of}, who decides nothing");
            found.push(warning("approvals.delegates", what, "take it out, or name who they stand in for"));
        }
    }
    found
}

/// Everybody whom a policy names, with the place.
pub fn named(policy: &Policy) -> Vec<(String, Username)> {
    let approvals = &policy.approvals;
    let mut found: Vec<(String, Username)> = Vec::new();
    let mut at = |place: &str, names: Vec<&Username>| {
        found.extend(names.into_iter().map(|name| (place.to_owned(), name.clone())));
    };
    for (id, system) in &policy.systems {
        at(&format!("systems.{id}.owner"), vec![&system.owner]);
    }
    at("approvals.approvers", approvals.approvers.iter().collect());
    at("approvals.security_team", approvals.security_team.iter().collect());
    at("approvals.delegates", approvals.delegates.iter().flat_map(|(of, to)| [of, to]).collect());
    let levels = approvals.levels.iter().filter_map(|level| match level {
        Asked::Person(name) => Some(name),
        _ => None,
    });
    at("approvals.levels", levels.collect());
    at("protected", policy.protected.iter().collect());
    let exempt = policy.inactivity.iter().flat_map(|rules| &rules.exempt);
    at("inactivity.exempt", exempt.map(|one| &one.username).collect());
    at("canary.person", policy.canary.iter().map(|canary| &canary.person).collect());
    for Placed { number, rule } in policy.routing.rules() {
        let names = rule.who().values(Attribute::Username).into_iter().flatten();
        found.extend(names.filter_map(|name| Some((format!("routing, rule {number}"), name.parse().ok()?))));
    }
    found
}

fn people(policy: &Policy, known: Known<'_>) -> Vec<Remark> {
    let mut found: Vec<Remark> =
        named(policy).iter().filter_map(|(place, name)| absent(place, name, known)).collect();
    if known.all {
        found.extend(nobody(policy, known.people));
        found.extend(beyond_routing(policy, known.people));
    }
    found
}

/// Why somebody who is named cannot do what they are named for.
fn absent(place: &str, name: &Username, known: Known<'_>) -> Option<Remark> {
    let is_rule = place.starts_with("routing");
    let fix = "name somebody who works here";
    let Some(person) = known.of(name) else {
        return Some(match place {
            // An emergency administrator is often nobody whom HR knows.
            "protected" => warning(place, format!("{name} is not among the people"), "check the spelling"),
            // HR's own list may well leave somebody out who is nobody.
            "canary.person" => warning(
                place,
                format!("{name} is not among the people: no night begins"),
                "check the spelling, or make this person in the HRIS",
            ),
            "inactivity.exempt" => error(
                place,
                format!("it exempts nobody: {name} is not among the people"),
                "check the spelling",
            ),
            _ if is_rule => error(
                place,
                format!("it never matches {name}, who is not among the people"),
                "check the spelling",
            ),
            _ => error(
                place,
                format!("{name} is not among the people: what is theirs to do, nobody does"),
                fix,
            ),
        });
    };
    let service = person.employment == EmploymentType::Service;
    if place == "canary.person" {
        let what = format!("{name} is no service account: the canary is a synthetic person");
        return (!service).then(|| error(place, what, "name somebody who is employed as a `service`"));
    }
    if matches!(place, "protected" | "inactivity.exempt") || is_rule {
        return None;
    }
    if person.status != PersonStatus::Active {
        return Some(error(place, format!("{name} does not work here at present, or not any more"), fix));
    }
    service.then(|| error(place, format!("{name} is a service account: it can do and decide nothing"), fix))
}

/// What is about nobody today.
fn nobody(policy: &Policy, people: &[Person]) -> Vec<Remark> {
    let mut found = Vec::new();
    for Placed { number, rule } in policy.routing.rules() {
        if rule.who().values(Attribute::Username).is_none()
            && !people.iter().any(|person| rule.who().matches(person))
        {
            found.push(warning(
                format!("routing, rule {number}"),
                format!("“{}” is about nobody today", rule.sentence()),
                "check the names that it asks for against HR's",
            ));
        }
    }
    // Compared as a batch compares them.
    let (first, exactly) = (&policy.batch.first, "write it exactly as HR does, or take it out");
    for name in &first.departments {
        if !people.iter().any(|person| person.department == *name) {
            found.push(warning("batch.first.departments", format!("nobody is in {name} today"), exactly));
        }
    }
    for name in &first.roles {
        if !people.iter().any(|person| person.role == *name) {
            found.push(warning("batch.first.roles", format!("nobody has the role {name} today"), exactly));
        }
    }
    let held: BTreeSet<&str> = people.iter().map(|person| person.role.as_str()).collect();
    for role in policy.roles.keys() {
        if !held.iter().any(|one| crate::routing::is_same(one, role)) {
            found.push(warning(
                format!("roles.{role}"),
                "nobody has this role today",
                "check its name against HR's",
            ));
        }
    }
    let unknown = held.into_iter().filter(|role| policy.profile_of(role).is_none());
    if !policy.roles.is_empty() {
        found.extend(unknown.map(|role| {
            let what = format!(
                "`{role}` has no profile: what it needs is not known when somebody changes to or from it"
            );
            warning("roles", what, "write one")
        }));
    }
    found
}

/// What a role is said to need and no rule gives: nobody would take it away again.
fn beyond_routing(policy: &Policy, people: &[Person]) -> Vec<Remark> {
    let mut found: BTreeMap<(&str, &SystemId), BTreeSet<&Username>> = BTreeMap::new();
    for person in people {
        let needs = policy.profile(person).into_iter().flat_map(Profile::systems);
        for system in needs.filter(|system| policy.systems.contains_key(*system)) {
            if !policy.routing.gives(person, system) {
                found.entry((person.role.as_str(), system)).or_default().insert(&person.username);
            }
        }
    }
    let shown = |((role, system), people): ((&str, &SystemId), BTreeSet<&Username>)| {
        let first = people.iter().next().map(ToString::to_string).unwrap_or_default();
        let others = if people.len() > 1 { format!(" and {} more", people.len() - 1) } else { String::new() };
        error(
            format!("roles.{role}"),
            format!(
                "it needs {system}, and no rule leads there for {first}{others}: nobody would take it away"
            ),
            "add a sentence to routing, or take the system out of the profile",
        )
    };
    found.into_iter().map(shown).collect()
}

#[cfg(test)]
mod tests;
