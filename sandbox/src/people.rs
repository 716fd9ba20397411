//! The sample people: those of `infra/sandbox/people.yaml` and forty more from a fixed seed, or as many more as are wanted.

use leaver_domain::{
    id::{SystemId, Username},
    person::{EmploymentType, LegalHold, Person, PersonStatus},
    time::Timestamp,
};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

const FILE: &str = include_str!("../../infra/sandbox/people.yaml");
/// How many are generated beside those of the file where nobody says otherwise.
pub const GENERATED: usize = 40;

/// What is special about a person's accounts.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Traits {
    /// Accounts in these systems only; everywhere where empty.
    pub only: BTreeSet<String>,
    /// The only administrator or owner in these systems.
    pub sole_admin_of: BTreeSet<String>,
    /// One of several administrators in these systems.
    pub admin_of: BTreeSet<String>,
    /// Downloaded in bulk in these systems yesterday.
    pub bulk_download_in: BTreeSet<String>,
    /// Days since the last login anywhere; 1 where not said.
    pub idle_days: Option<u32>,
    /// In how many days, from when the sample data is loaded, their contract ends.
    pub contract_days: Option<u32>,
    /// Carries somebody else's e-mail address, by system.
    pub shares_email: BTreeMap<String, String>,
}

/// One sample person, their portal roles and the traits of their accounts.
#[derive(Debug, Clone)]
pub struct SamplePerson {
    /// As the HRIS knows them.
    pub person: Person,
    /// Roles in leaver itself: `hr`, `manager`, `approver`, `security`, `auditor`, `operator`.
    pub roles: Vec<String>,
    /// Country of their usual logins, ISO 3166-1 alpha-2.
    pub country: String,
    /// What is special about their accounts.
    pub traits: Traits,
}

impl SamplePerson {
    /// Whether they have an account in a system.
    pub fn has(&self, system: &str) -> bool {
        self.traits.only.is_empty() || self.traits.only.contains(system)
    }

    /// The e-mail address that their account in a system carries.
    pub fn email_in(&self, system: &str) -> &str {
        self.traits.shares_email.get(system).map_or(&self.person.email, String::as_str)
    }

    /// Whether their role is one that writes code.
    pub fn is_engineer(&self) -> bool {
        self.person.department == "Engineering"
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    username: String,
    employee_id: String,
    name: String,
    #[serde(default = "employee")]
    employment: EmploymentType,
    role: String,
    department: String,
    manager: Option<String>,
    location: String,
    #[serde(default)]
    clearance: Option<String>,
    time_zone: String,
    country: String,
    #[serde(default)]
    legal_hold: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    logins: BTreeMap<String, String>,
    #[serde(default)]
    traits: Traits,
}

fn employee() -> EmploymentType {
    EmploymentType::Employee
}

/// All sample people, in a fixed order.
///
/// # Errors
/// What is wrong with the file, for whoever edits it.
pub fn load() -> Result<Vec<SamplePerson>, String> {
    load_with(GENERATED)
}

/// Those of the file, and so many generated ones: the same first ones, however many are wanted.
///
/// # Errors
/// What is wrong with the file, for whoever edits it.
pub fn load_with(generated_ones: usize) -> Result<Vec<SamplePerson>, String> {
    let rows: Vec<Row> = serde_norway::from_str(FILE).map_err(|error| format!("people.yaml: {error}"))?;
    rows.into_iter().chain((0..generated_ones).map(generated)).chain([canary()]).map(sample).collect()
}

fn sample(row: Row) -> Result<SamplePerson, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("people.yaml, {}: {error}", row.username);
    let parse = |text: &str| text.parse::<Username>().map_err(|error| wrong(&error));
    let mut logins = BTreeMap::new();
    for (system, login) in &row.logins {
        logins.insert(system.parse::<SystemId>().map_err(|error| wrong(&error))?, login.clone());
    }
    let since = Timestamp::from_millis(1_767_225_600_000)
        .unwrap_or_else(|| Timestamp::from_jiff(jiff::Timestamp::UNIX_EPOCH));
    let person = Person {
        username: parse(&row.username)?,
        employee_id: row.employee_id.parse().map_err(|error| wrong(&error))?,
        email: format!("{}@example.com", row.username),
        former_emails: Vec::new(),
        name: row.name.clone(),
        employment: row.employment,
        role: row.role.clone(),
        department: row.department.clone(),
        manager: row.manager.as_deref().map(parse).transpose()?,
        location: Some(row.location.clone()),
        clearance: row.clearance.clone(),
        time_zone: Some(row.time_zone.clone()),
        contract_end: None,
        last_day: None,
        status: PersonStatus::Active,
        case: None,
        moving: None,
        legal_hold: row.legal_hold.clone().map(|reason| LegalHold { reason, since }),
        protected: false,
        logins,
        version: 0,
    };
    Ok(SamplePerson { person, roles: row.roles, country: row.country, traits: row.traits })
}

/// A small generator with a fixed seed (SplitMix64), so that every machine has the same people.
fn pick<'a>(of: &[&'a str], seed: u64) -> &'a str {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    let index = usize::try_from((z ^ (z >> 31)) % of.len() as u64).unwrap_or(0);
    of.get(index).copied().unwrap_or_default()
}

/// The synthetic leaver of the nightly canary, who is nobody.
fn canary() -> Row {
    let only = ["github", "okta", "slack"].map(str::to_owned).into();
    Row {
        username: "canary.leaver".into(),
        employee_id: "SVC-00001".into(),
        clearance: None,
        name: "Canary Leaver".into(),
        employment: EmploymentType::Service,
        role: "agent".into(),
        department: "Support".into(),
        manager: None,
        location: "Berlin".into(),
        time_zone: "Europe/Berlin".into(),
        country: "DE".into(),
        legal_hold: None,
        roles: Vec::new(),
        logins: BTreeMap::new(),
        traits: Traits { only, ..Traits::default() },
    }
}

fn generated(index: usize) -> Row {
    let seed = index as u64;
    let first =
        pick(&["ada", "ben", "chen", "dina", "emil", "fay", "goran", "hana", "ivo", "june"], seed * 5);
    let last = pick(&["abel", "brandt", "costa", "diaz", "eder", "fischer", "grau", "huber"], seed * 5 + 1);
    let (department, role) =
        [("Engineering", "engineer"), ("Sales", "sales"), ("Finance", "analyst"), ("Support", "agent")]
            [usize::try_from(seed % 4).unwrap_or(0)];
    let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
    Row {
        username: format!("{first}.{last}{index:02}"),
        employee_id: format!("EMP-{:05}", 20_000 + index),
        name: format!("{} {}", capital(first), capital(last)),
        employment: EmploymentType::Employee,
        role: role.into(),
        department: department.into(),
        manager: Some("jane.smith".into()),
        location: pick(&["Berlin", "Lisbon", "Austin"], seed * 5 + 2).into(),
        clearance: None,
        time_zone: "Europe/Berlin".into(),
        country: "DE".into(),
        legal_hold: None,
        roles: Vec::new(),
        logins: BTreeMap::new(),
        traits: Traits::default(),
    }
}
