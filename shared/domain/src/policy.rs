//! The one file of settings: what is done, when, by whom. Checked before it is used; its digest is in every trigger row.

use crate::{
    approval::ApprovalPolicy,
    archive::DataPolicy,
    brake::BrakePolicy,
    custom::{self, Custom},
    digest::Digest,
    id::{SystemId, Username},
    ledger::{KeyKind, Quorum, VerifierKey},
    person::{EmploymentType, Person},
    plan::{ActionKind, Scope},
    risk::RiskSettings,
    signals::Signals,
    text,
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
        place: &'static str,
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
    /// How long after "revoked" the independent verification reads again, in seconds.
    pub verification_delay_seconds: u32,
    /// Within how long the owner of a manual task must finish it, in seconds.
    pub manual_task_seconds: u32,
}

/// One system of this company.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SystemPolicy {
    /// Who is given the task where leaver cannot finish by itself.
    pub owner: Username,
    /// Whom it concerns; everybody where it says nothing.
    #[serde(default, skip_serializing_if = "Only::is_everybody")]
    pub only: Only,
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

/// Whom something concerns: those who are named, and those in one of the departments who are employed in one of the ways.
/// What is left empty asks for nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Only {
    /// Names of departments.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub departments: BTreeSet<String>,
    /// Ways of employment.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub employment: BTreeSet<EmploymentType>,
    /// People by name.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub people: BTreeSet<Username>,
}

impl Only {
    fn is_everybody(&self) -> bool {
        self == &Self::default()
    }

    /// Whether it concerns somebody.
    pub fn concerns(&self, person: &Person) -> bool {
        if self.people.contains(&person.username) {
            return true;
        }
        let (departments, employment) = (&self.departments, &self.employment);
        if departments.is_empty() && employment.is_empty() {
            return self.people.is_empty();
        }
        (departments.is_empty() || departments.contains(&person.department))
            && (employment.is_empty() || employment.contains(&person.employment))
    }
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

    fn check(&self) -> Result<(), BadPolicy> {
        let wrong = |place, why: &str| Err(BadPolicy::Value { place, why: why.to_owned() });
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
    /// Which kinds of action are on.
    pub actions: BTreeMap<ActionKind, bool>,
    /// The systems whose access is revoked.
    pub systems: BTreeMap<SystemId, SystemPolicy>,
    /// How risk is judged.
    pub risk: RiskSettings,
    /// Who decides about what is flagged.
    pub approvals: ApprovalPolicy,
    /// When too many people are leaving at once.
    pub brake: BrakePolicy,
    /// How the log is published.
    pub ledger: LedgerPolicy,
    /// What is kept of whoever left.
    #[serde(default)]
    pub data: DataPolicy,
    /// Accounts that no automation may touch.
    #[serde(default)]
    pub protected: BTreeSet<Username>,
    /// Who else is told what happened.
    #[serde(default)]
    pub signals: Signals,
}

impl Policy {
    /// The policy of an environment: the document with what `environments.<name>` says laid over it.
    ///
    /// # Errors
    /// Where the document has another shape, or a value makes no sense.
    pub fn parse(mut document: Value, environment: &str) -> Result<Self, BadPolicy> {
        let overlays = document.as_object_mut().and_then(|fields| fields.remove("environments"));
        if let Some(overlay) = overlays.as_ref().and_then(|all| all.get(environment)) {
            lay_over(&mut document, overlay);
        }
        let policy: Self = serde_json::from_value(document)?;
        policy.check()?;
        Ok(policy)
    }

    fn check(&self) -> Result<(), BadPolicy> {
        let wrong = |place, why: &str| Err(BadPolicy::Value { place, why: why.to_owned() });
        if self.version != 1 {
            return wrong("version", "only version 1 is known");
        }
        if self.systems.is_empty() {
            return wrong("systems", "there is none: nothing would be revoked");
        }
        if self.actions.get(&ActionKind::DisableAccount) != Some(&true) {
            return wrong("actions.disable_account", "must be on: without it nothing is contained");
        }
        if !(1..=3_600).contains(&self.timing.verification_delay_seconds) {
            return wrong("timing.verification_delay_seconds", "must be between 1 second and an hour");
        }
        if !(60..=86_400).contains(&self.timing.termination_seconds) {
            return wrong("timing.termination_seconds", "must be between a minute and a day");
        }
        if self.timing.manual_task_seconds < 60 {
            return wrong("timing.manual_task_seconds", "must be at least a minute");
        }
        if !(1..=365).contains(&self.risk.window_days) {
            return wrong("risk.window_days", "must be between 1 and 365");
        }
        for (id, system) in &self.systems {
            system
                .check(id)
                .map_err(|why| BadPolicy::Value { place: "systems", why: format!("{id}: {why}") })?;
        }
        for manual in self.systems.values().filter_map(|system| system.manual.as_ref()) {
            if text::clean(&manual.instructions, 2_000).as_ref() != Ok(&manual.instructions) {
                return wrong("systems", "a manual system needs instructions of 1 to 2,000 plain characters");
            }
            if !(60..=31_536_000).contains(&manual.due_seconds) {
                return wrong(
                    "systems",
                    "due_seconds of a manual system must be between a minute and a year",
                );
            }
        }
        self.ledger.check()?;
        self.data.check().map_err(|(place, why)| BadPolicy::Value { place, why: why.to_owned() })?;
        self.approvals.check().map_err(|(place, why)| BadPolicy::Value { place, why })?;
        self.brake.check().map_err(|(place, why)| BadPolicy::Value { place, why })?;
        let mut told_of = self.signals.receivers.iter().flat_map(|receiver| &receiver.systems);
        if let Some(system) = told_of.find(|system| !self.systems.contains_key(*system)) {
            return wrong("signals.receivers", &format!("{system} is none of the systems"));
        }
        self.signals.check().map_err(|why| BadPolicy::Value { place: "signals", why })
    }

    /// What binds a case to these settings.
    pub fn digest(&self) -> Digest {
        Digest::of_json(self).unwrap_or(Digest::ZERO)
    }

    /// The scope of a full revocation: all kinds of action that are on.
    pub fn full_scope(&self) -> Scope {
        let kinds = self.actions.iter().filter(|(_, on)| **on).map(|(kind, _)| *kind).collect();
        Scope { kinds, grants: None, preserve: false }
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

    /// The systems that a case about somebody is about. What is done by hand is done whole or not at all: nobody can tell
    /// which of a few permissions a key cabinet holds.
    pub fn systems_of(&self, person: &Person, partial: bool) -> Vec<SystemId> {
        let concerns = |of: &SystemPolicy| of.only.concerns(person) && !(partial && of.manual.is_some());
        self.systems.iter().filter(|(_, of)| concerns(of)).map(|(system, _)| system.clone()).collect()
    }

    /// How long the independent verification waits.
    pub fn verification_delay(&self) -> Duration {
        Duration::from_secs(self.timing.verification_delay_seconds.into())
    }
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
mod tests {
    use super::*;

    fn default_document() -> Value {
        serde_norway::from_str(include_str!("../../../infra/policy.yaml")).unwrap()
    }

    #[test]
    fn the_shipped_policy_is_good_in_every_environment() {
        let delay = |environment| {
            Policy::parse(default_document(), environment).unwrap().timing.verification_delay_seconds
        };
        assert_eq!(delay("prod"), 60);
        assert_eq!(delay("staging"), 60);
        assert_eq!(delay("local"), 5);
    }

    #[test]
    fn a_digest_covers_every_setting_in_force() {
        let policy = |environment| Policy::parse(default_document(), environment).unwrap();
        assert_eq!(policy("prod").digest(), policy("staging").digest());
        assert_ne!(policy("prod").digest(), policy("local").digest());
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let refuse = |pointer: &str, value: Value| {
            let mut document = default_document();
            *document.pointer_mut(pointer).unwrap() = value;
            Policy::parse(document, "prod").unwrap_err().to_string()
        };
        assert!(refuse("/systems", serde_json::json!({})).contains("systems"));
        assert!(refuse("/actions/disable_account", false.into()).contains("disable_account"));
        assert!(refuse("/timing/verification_delay_seconds", 0.into()).contains("verification_delay"));
        assert!(
            refuse("/timing", serde_json::json!({"verification_dellay": 1})).contains("verification_dellay")
        );
        assert!(refuse("/version", 2.into()).contains("version"));
        assert!(refuse("/brake/max_people", 0.into()).contains("brake.max_people"));
        assert!(refuse("/brake/window_seconds", 1.into()).contains("brake.window_seconds"));
    }

    #[test]
    fn what_is_done_by_hand_says_how_and_for_whom() {
        let with = |manual: Value| {
            let mut document = default_document();
            document["systems"]["keys"] = serde_json::json!({"owner": "sam.admin", "manual": manual});
            Policy::parse(document, "prod")
        };
        for (manual, why) in [
            (serde_json::json!({"instructions": " ", "due_seconds": 60}), "instructions"),
            (serde_json::json!({"instructions": "a\u{202e}b", "due_seconds": 60}), "instructions"),
            (serde_json::json!({"instructions": "Collect them.", "due_seconds": 1}), "due_seconds"),
            (serde_json::json!({"instructions": "Collect them.", "due_seconds": 60, "onyl": {}}), "onyl"),
            (serde_json::json!({"instructions": "Collect them."}), "due_seconds"),
        ] {
            let refused = with(manual).unwrap_err().to_string();
            assert!(refused.contains(why), "{refused}");
        }
        let person = |department: &str, employment: &str| -> Person {
            serde_json::from_value(serde_json::json!({
                "username": "fran.keys", "employee_id": "E1", "email": "f@example.com", "name": "F", "role": "r",
                "employment": employment, "department": department, "status": "active",
            }))
            .unwrap()
        };
        let given = |only: Value, department: &str, employment: &str, partial: bool| {
            let manual = serde_json::json!({"instructions": "Collect.", "due_seconds": 60});
            let mut document = default_document();
            document["systems"]["keys"] =
                serde_json::json!({"owner": "sam.admin", "only": only, "manual": manual});
            let policy = Policy::parse(document, "prod").unwrap();
            let systems = policy.systems_of(&person(department, employment), partial);
            systems.iter().any(|system| system.as_str() == "keys")
        };
        let only = || serde_json::json!({"departments": ["Facilities"], "employment": ["contractor"]});
        assert!(given(serde_json::json!({}), "Sales", "employee", false));
        assert!(
            !given(serde_json::json!({}), "Sales", "employee", true),
            "a partial case takes grants by name"
        );
        assert!(given(only(), "Facilities", "contractor", false));
        assert!(!given(only(), "Facilities", "employee", false));
        assert!(!given(only(), "Sales", "contractor", false));
        assert!(given(serde_json::json!({"people": ["fran.keys"]}), "Sales", "employee", false));
        assert!(!given(serde_json::json!({"people": ["john.doe"]}), "Facilities", "employee", false));
    }

    #[test]
    fn witnesses_are_cosigners_each_once_and_enough_for_the_quorum() {
        // Generators of the curve, so that they are good keys.
        let key = |name: &str, first: u8| {
            let mut public = [0x66; 32];
            public[0] = first;
            VerifierKey::cosigner(name, public).map(|key| key.to_string())
        };
        let good: Vec<String> = (0..=255).filter_map(|first| key(&format!("w{first}"), first).ok()).collect();
        let (one, two) = (&good[0], &good[1]);
        let of = |ledger: Value| {
            let mut document = default_document();
            document["ledger"] = ledger;
            Policy::parse(document, "prod").map(|policy| policy.ledger.quorum())
        };
        let witness = |vkey: &str, url: &str| serde_json::json!({"vkey": vkey, "url": url});
        let with = |witnesses: Vec<Value>, quorum: usize| {
            of(serde_json::json!({"retention_days": 1, "witnesses": witnesses, "quorum": quorum}))
        };
        let (a, b) = (witness(one, "https://a.example/w"), witness(two, "http://127.0.0.1:1/w"));
        let quorum = with(vec![a.clone(), b.clone()], 2).unwrap();
        assert_eq!((quorum.witnesses.len(), quorum.needed), (2, 2));
        for (witnesses, quorum) in [
            (vec![a.clone()], 2),
            (vec![a.clone(), a.clone()], 1),
            (vec![witness("w+1+2", "https://a")], 1),
            (vec![witness(one, "http://a.example")], 1),
        ] {
            assert!(with(witnesses, quorum).is_err());
        }
        assert!(of(serde_json::json!({"retention_days": 0})).is_err());
        assert!(of(serde_json::json!({"retention_days": 40_000})).is_err());
    }
}
