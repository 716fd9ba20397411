//! The one file of settings: what is done, when, by whom. Checked before it is used; its digest is in every trigger row.

mod explain;
mod lint;
mod values;

pub use explain::{Explanation, Facts, How, LevelAsked, Needs, Place, Sentence, Without, explain};
pub use lint::{Known, Level, Remark, named, remarks};

use crate::{
    approval::ApprovalPolicy,
    archive::DataPolicy,
    batch::BatchPolicy,
    brake::BrakePolicy,
    canary::CanaryPolicy,
    contracts::ContractPolicy,
    custom::{self, Custom},
    digest::Digest,
    id::{SystemId, Username},
    ledger::{KeyKind, Quorum, VerifierKey},
    orphans::idle::Inactivity,
    person::Person,
    plan::{ActionKind, Scope},
    profiles::Profile,
    risk::RiskSettings,
    routing::{self, Routing},
    signals::Signals,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Why a policy is not used.
#[derive(Debug, thiserror::Error)]
pub enum BadPolicy {
    /// Not of the shape that is expected; unknown fields included.
    #[error("the policy does not have the expected shape: {0}")]
    Shape(#[from] serde_json::Error),
    /// A value that makes no sense.
    #[error("policy, {place}: {why}")]
    Value {
        /// Where.
        place: String,
        /// Why not.
        why: String,
    },
}

/// How long things take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timing {
    /// Within how long a termination must be finished, in seconds.
    pub termination_seconds: u32,
    /// For how long somebody whose role or department changed keeps what only the old one needed, in seconds.
    pub role_change_seconds: u32,
    /// How long after "revoked" the independent verification reads again, in seconds.
    pub verification_delay_seconds: u32,
    /// Within how long the owner of a manual task must finish it, in seconds.
    pub manual_task_seconds: u32,
    /// How long a day of `reverify_days` is, in seconds: 86,400, and less only to try things out.
    #[serde(default = "a_day")]
    pub reverify_day_seconds: u32,
}

fn a_day() -> u32 {
    86_400
}

/// One system of this company.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SystemPolicy {
    /// Who is given the task where leaver cannot finish by itself.
    pub owner: Username,
    /// Set for a system without an adapter: its owner takes the access away by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manual: Option<Manual>,
    /// Set for a company's own system that one of the general adapters works on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom: Option<Custom>,
}

impl SystemPolicy {
    fn check(&self, id: &SystemId) -> Result<(), String> {
        if id.as_str().starts_with(custom::PREFIX) != self.custom.is_some() {
            return Err("a system with `custom`, and no other, has an id that begins with custom_".into());
        }
        match &self.custom {
            Some(_) if self.manual.is_some() => Err("it is either `manual` or `custom`".into()),
            Some(custom) => custom.check(),
            None => Ok(()),
        }
    }
}

/// How access is taken away in a system without an adapter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manual {
    /// What the owner has to do.
    pub instructions: String,
    /// Within how long, in seconds.
    pub due_seconds: u32,
}

/// One witness of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessPolicy {
    /// Its cosigner's key, as `name+id+key`.
    pub vkey: String,
    /// Its address; `/add-checkpoint` is appended.
    pub url: String,
}

/// How the log is published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerPolicy {
    /// For how many days what was published cannot be deleted or changed by anybody.
    pub retention_days: u32,
    /// Who is asked to cosign each checkpoint.
    #[serde(default)]
    pub witnesses: Vec<WitnessPolicy>,
    /// How many of them must, or nothing is published.
    #[serde(default)]
    pub quorum: usize,
}

impl LedgerPolicy {
    /// The witnesses' keys and how many are needed, in the order of `witnesses`.
    pub fn quorum(&self) -> Quorum {
        let keys = self.witnesses.iter().filter_map(|witness| witness.vkey.parse().ok());
        Quorum { witnesses: keys.collect(), needed: self.quorum }
    }

    fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let wrong = |place, why| Err((place, why));
        // A lock cannot be shortened: a slip of the key must not bind anybody for centuries.
        if !(1..=36_600).contains(&self.retention_days) {
            return wrong("ledger.retention_days", "must be between a day and a hundred years");
        }
        let keys = self.quorum().witnesses;
        if keys.len() != self.witnesses.len() || keys.iter().any(|key| key.kind() != KeyKind::Cosignature) {
            return wrong("ledger.witnesses", "a vkey is not the key of a cosigner");
        }
        let names: BTreeSet<&str> = keys.iter().map(VerifierKey::name).collect();
        let publics: BTreeSet<[u8; 32]> = keys.iter().map(VerifierKey::public).collect();
        if names.len() != keys.len() || publics.len() != keys.len() {
            return wrong("ledger.witnesses", "a name or a key stands there twice");
        }
        let good = |url: &str| {
            let here = ["http://127.0.0.1", "http://localhost"].iter().any(|here| url.starts_with(here));
            (url.starts_with("https://") || here) && url.chars().all(|c| c.is_ascii_graphic())
        };
        if self.witnesses.len() > 16 || !self.witnesses.iter().all(|witness| good(&witness.url)) {
            return wrong("ledger.witnesses", "at most 16, each with an address that begins with https://");
        }
        if self.quorum > self.witnesses.len() {
            return wrong("ledger.quorum", "is more than there are witnesses");
        }
        Ok(())
    }
}

/// The settings in force in one environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Version of the format.
    pub version: u32,
    /// How long things take.
    pub timing: Timing,
    /// After how many days a finished termination is read again in all its systems; never where it is empty.
    #[serde(default)]
    pub reverify_days: BTreeSet<u32>,
    /// Which kinds of action are on.
    pub actions: BTreeMap<ActionKind, bool>,
    /// The systems whose access is revoked.
    pub systems: BTreeMap<SystemId, SystemPolicy>,
    /// Who has an account in which of them. It may speak of systems that an environment has not.
    pub routing: Routing,
    /// What each role needs, by the role's name. A system that stands in none of them is no role's business.
    #[serde(default)]
    pub roles: BTreeMap<String, Profile>,
    /// How risk is judged.
    pub risk: RiskSettings,
    /// Who decides about what is flagged.
    pub approvals: ApprovalPolicy,
    /// What is done about contracts that end by themselves.
    #[serde(default)]
    pub contracts: ContractPolicy,
    /// When too many people are leaving at once.
    pub brake: BrakePolicy,
    /// How many cases of batches run at once, and whose come first.
    #[serde(default)]
    pub batch: BatchPolicy,
    /// How the log is published.
    pub ledger: LedgerPolicy,
    /// What is kept of whoever left.
    #[serde(default)]
    pub data: DataPolicy,
    /// Accounts that no automation may touch.
    #[serde(default)]
    pub protected: BTreeSet<Username>,
    /// The nightly canary, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<CanaryPolicy>,
    /// Who else is told what happened.
    #[serde(default)]
    pub signals: Signals,
    /// When somebody counts as inactive; nobody ever does where it says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inactivity: Option<Inactivity>,
}

impl Policy {
    /// The policy of an environment: the document with what `environments.<name>` says laid over it.
    ///
    /// # Errors
    /// Where the document has another shape, or a value makes no sense.
    pub fn parse(document: Value, environment: &str) -> Result<Self, BadPolicy> {
        let known = known_systems(&document);
        let document = laid_over(document, environment);
        let policy: Self = serde_json::from_value(document)?;
        policy.check(&known)?;
        Ok(policy)
    }

    fn check(&self, known: &BTreeSet<String>) -> Result<(), BadPolicy> {
        match self.wrong(known).into_iter().next() {
            Some((place, why)) => Err(BadPolicy::Value { place, why }),
            None => Ok(()),
        }
    }

    fn wrong(&self, known: &BTreeSet<String>) -> Vec<values::Wrong> {
        let mut found: Vec<values::Wrong> = Vec::new();
        let at = |place: &str, why: String| (place.to_owned(), why);
        found.extend(values::version(self.version));
        if self.systems.is_empty() {
            found.push(at("systems", "there is none: nothing would be revoked".into()));
        }
        found.extend(values::actions(&self.actions));
        found.extend(values::timing(&self.timing));
        found.extend(values::risk(&self.risk));
        found.extend(self.systems.iter().filter_map(|(id, of)| values::system(id, of)));
        found.extend(values::roles(&self.roles));
        found.extend(values::names(&self.routing, &self.roles, known));
        found.extend(values::unreached(&self.systems, &self.routing));
        found.extend(values::ledger(&self.ledger));
        found.extend(self.approvals.check().err().map(|(place, why)| at(place, why)));
        found.extend(self.brake.check().err().map(|(place, why)| at(place, why)));
        found.extend(self.batch.check().err().map(|(place, why)| at(place, why)));
        if let Some(inactivity) = &self.inactivity {
            let known = |system: &SystemId| self.systems.contains_key(system);
            found.extend(inactivity.check(known).err().map(|why| at("inactivity", why)));
        }
        found.extend(self.contracts.check().err().map(|(place, why)| at(place, why.to_owned())));
        found.extend(self.data.check().err().map(|(place, why)| at(place, why.to_owned())));
        found.extend(values::days(&self.reverify_days));
        found.extend(self.canary.iter().filter_map(|canary| values::canary(canary, &self.systems)));
        let mut told_of = self.signals.receivers.iter().flat_map(|receiver| &receiver.systems);
        if let Some(system) = told_of.find(|system| !self.systems.contains_key(*system)) {
            found.push(at("signals.receivers", format!("{system} is none of the systems")));
        }
        found.extend(self.signals.check().err().map(|why| at("signals", why)));
        found
    }

    /// What binds a case to these settings.
    pub fn digest(&self) -> Digest {
        Digest::of_json(self).unwrap_or(Digest::ZERO)
    }

    /// The scope of a full revocation: all kinds of action that are on.
    pub fn full_scope(&self) -> Scope {
        let kinds = self.actions.iter().filter(|(_, on)| **on).map(|(kind, _)| *kind).collect();
        Scope { kinds, grants: None, contain_only: false, preserve: false }
    }

    /// The systems that leaver works on by itself.
    pub fn automatic(&self) -> impl Iterator<Item = &SystemId> {
        self.systems.iter().filter(|(_, of)| of.manual.is_none()).map(|(system, _)| system)
    }

    /// How one of the general adapters works on a system, where that is how it is done.
    pub fn custom(&self, system: &SystemId) -> Option<&Custom> {
        self.systems.get(system)?.custom.as_ref()
    }

    /// What is done by hand in a system, where that is how it is done.
    pub fn manual(&self, system: &SystemId) -> Option<(&Username, &Manual)> {
        let of = self.systems.get(system)?;
        Some((&of.owner, of.manual.as_ref()?))
    }

    /// The systems that a case about somebody is about: those that [`Self::routing`] gives them. What is done by hand is done
    /// whole or not at all: nobody can tell which of a few permissions a key cabinet holds.
    pub fn systems_of(&self, person: &Person, partial: bool) -> Vec<SystemId> {
        let by_hand = |of: &SystemPolicy| partial && of.manual.is_some();
        let theirs = self.systems.iter().filter(|(_, of)| !by_hand(of)).map(|(system, _)| system);
        theirs.filter(|system| self.routing.gives(person, system)).cloned().collect()
    }

    /// What a full revocation may do to somebody in one system: the kinds of action that are on, without those that
    /// [`Self::routing`] leaves alone.
    pub fn scope_in(&self, person: &Person, system: &SystemId) -> Scope {
        let mut scope = self.full_scope();
        let kept = self.routing.kept(person, system);
        scope.kinds.retain(|kind| !kept.contains(kind));
        scope
    }

    /// Whether somebody needs an account in a system, by the role that they have now. Where no role has to do with it, or nothing
    /// is known of theirs, by routing.
    pub fn needs_account(&self, person: &Person, system: &SystemId) -> bool {
        let governed = self.governed().contains(system);
        match self.profile(person).filter(|_| governed) {
            Some(profile) => profile.needs(system).is_some(),
            None => self.routing.gives(person, system),
        }
    }

    /// What somebody's role needs; `None` where the role has no profile.
    pub fn profile(&self, person: &Person) -> Option<&Profile> {
        self.profile_of(&person.role)
    }

    /// What a role needs, by its name; `None` where it has no profile.
    pub fn profile_of(&self, role: &str) -> Option<&Profile> {
        self.roles.iter().find(|(name, _)| routing::is_same(name, role)).map(|(_, profile)| profile)
    }

    /// The systems that some profile names: those which a change of role is about.
    pub fn governed(&self) -> BTreeSet<SystemId> {
        self.roles.values().flat_map(Profile::systems).cloned().collect()
    }

    /// How long the independent verification waits.
    pub fn verification_delay(&self) -> Duration {
        Duration::from_secs(self.timing.verification_delay_seconds.into())
    }
}

/// The names of all systems of a document, those that an environment adds among them.
fn known_systems(document: &Value) -> BTreeSet<String> {
    let environments = document.get("environments").and_then(Value::as_object);
    let overlays = environments.into_iter().flat_map(serde_json::Map::values);
    let systems = std::iter::once(document).chain(overlays).filter_map(|all| all.get("systems")?.as_object());
    systems.flat_map(serde_json::Map::keys).cloned().collect()
}

/// A document with what one environment says laid over it.
fn laid_over(mut document: Value, environment: &str) -> Value {
    let overlays = document.as_object_mut().and_then(|fields| fields.remove("environments"));
    if let Some(overlay) = overlays.as_ref().and_then(|all| all.get(environment)) {
        lay_over(&mut document, overlay);
    }
    document
}

fn lay_over(document: &mut Value, overlay: &Value) {
    match (document, overlay) {
        (Value::Object(fields), Value::Object(over)) => {
            for (name, value) in over {
                // `null` takes out what stands there.
                if value.is_null() {
                    fields.remove(name);
                    continue;
                }
                lay_over(fields.entry(name).or_insert(Value::Null), value);
            }
        }
        (place, value) => *place = value.clone(),
    }
}

#[cfg(test)]
mod tests;
