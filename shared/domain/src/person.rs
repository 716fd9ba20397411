//! A human being as the HRIS knows them.

use crate::{
    id::{CaseId, EmployeeId, SystemId, Username},
    time::Timestamp,
};
use jiff::{civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How somebody is employed; routing depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmploymentType {
    /// On the payroll.
    Employee,
    /// For a limited time, paid through another company.
    Contractor,
    /// Not a human: an account that a service uses.
    Service,
}

/// Where a person stands between being hired and having left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PersonStatus {
    /// Entitled to the access that their role gives.
    Active,
    /// Their access is shut while something is looked into. It ends in a return or in a termination.
    Suspended,
    /// A termination is recorded or under way.
    Leaving,
    /// Every system is verified.
    Left,
}

/// A reason why nothing of this person may be deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegalHold {
    /// Why, in the words of whoever placed it.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
}

/// A human being, from the HRIS. What they are in one system is an [`crate::inventory::Account`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Login name in the company's directory.
    pub username: Username,
    /// The HRIS's number.
    pub employee_id: EmployeeId,
    /// Work e-mail, in lower case.
    pub email: String,
    /// The work e-mails they had before, newest first: a system may know them by one of these still. Never the one of now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former_emails: Vec<String>,
    /// Full name.
    pub name: String,
    /// How they are employed.
    pub employment: EmploymentType,
    /// What they do, a key of policy's role profiles.
    pub role: String,
    /// Where in the company.
    pub department: String,
    /// To whom they report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager: Option<Username>,
    /// Office or country.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// What they are cleared for, in the company's own words; routing depends on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clearance: Option<String>,
    /// IANA name of the time zone in which their working days end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// The last day of a contract that ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract_end: Option<Date>,
    /// The last day of employment, where the case at hand names one. Not kept with the person.
    #[serde(skip)]
    pub last_day: Option<Date>,
    /// Where they stand.
    pub status: PersonStatus,
    /// The case that last changed the status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case: Option<CaseId>,
    /// The case that carries out their newest change of position: until it is through they may still have what only the old one
    /// needed, in systems that concern them no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moving: Option<CaseId>,
    /// Set while a legal hold lasts. It never delays taking access away; it forbids deleting anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legal_hold: Option<LegalHold>,
    /// An account that no automation may touch without a human, such as the emergency administrator.
    #[serde(default)]
    pub protected: bool,
    /// Login names that differ from what the e-mail or username would give, by system.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub logins: BTreeMap<SystemId, String>,
    /// Raised by one with every write.
    #[serde(default)]
    pub version: u64,
}

impl Person {
    /// The day that an instant belongs to in the person's own calendar; in UTC where their time zone is not known.
    pub fn day_of(&self, at: Timestamp) -> Date {
        let zone = self.time_zone.as_deref().and_then(|name| TimeZone::get(name).ok());
        at.to_jiff().to_zoned(zone.unwrap_or(TimeZone::UTC)).date()
    }

    /// The login that the company recorded for this system, where it differs from the usual one.
    pub fn login(&self, system: &str) -> Option<&str> {
        self.logins.iter().find(|(id, _)| id.as_str() == system).map(|(_, login)| login.as_str())
    }

    /// The login in a system where people log in with their e-mail address unless something else is recorded.
    pub fn login_or_email(&self, system: &str) -> &str {
        self.login(system).unwrap_or(&self.email)
    }
}
