//! People's records, kept current by what the HRIS tells.

use crate::{
    id::Username,
    person::{EmploymentType, Person, PersonStatus},
    ports::{CaseStore, StoreError},
    trigger::HrUser,
};
use jiff::civil::Date;
use std::collections::BTreeSet;

/// Most former addresses that are kept of one person.
pub const MAX_FORMER_EMAILS: usize = 5;

/// What an event says of somebody; what it does not mention stays as it is. What somebody need not have can be taken back: there,
/// the outer `None` is what is not mentioned, and the inner one what is not so any more.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// Full name.
    pub name: Option<String>,
    /// What they do.
    pub role: Option<String>,
    /// Where in the company.
    pub department: Option<String>,
    /// To whom they report.
    pub manager: Option<Option<Username>>,
    /// Office or country.
    pub location: Option<Option<String>>,
    /// IANA name of their time zone.
    pub time_zone: Option<Option<String>>,
    /// How far they are cleared.
    pub clearance: Option<Option<String>>,
    /// How they are employed.
    pub employment: Option<EmploymentType>,
    /// The last day of a contract that ends by itself.
    pub contract_end: Option<Option<Date>>,
}

impl Facts {
    /// Somebody's record with what is told; the version is left as it is.
    pub fn told_of(&self, person: &Person, email: Option<&str>) -> Person {
        let mut person = person.clone();
        let text = |place: &mut String, told: &Option<String>| {
            if let Some(told) = told {
                place.clone_from(told);
            }
        };
        text(&mut person.name, &self.name);
        text(&mut person.role, &self.role);
        text(&mut person.department, &self.department);
        let optional = [
            (&mut person.location, &self.location),
            (&mut person.time_zone, &self.time_zone),
            (&mut person.clearance, &self.clearance),
        ];
        for (place, told) in optional {
            if let Some(told) = told {
                place.clone_from(told);
            }
        }
        if let Some(email) = email {
            readdress(&mut person, email);
        }
        if let Some(manager) = &self.manager {
            person.manager.clone_from(manager);
        }
        person.employment = self.employment.unwrap_or(person.employment);
        person.contract_end = self.contract_end.unwrap_or(person.contract_end);
        person
    }
}

/// Gives somebody an address. The one that they had is kept, as systems may know them by it until somebody changes it there.
fn readdress(person: &mut Person, email: &str) {
    let was = std::mem::replace(&mut person.email, email.to_owned());
    person.former_emails.insert(0, was);
    let mut seen = BTreeSet::from([String::new(), email.to_lowercase()]);
    person.former_emails.retain(|former| seen.insert(former.to_lowercase()));
    person.former_emails.truncate(MAX_FORMER_EMAILS);
}

/// The record of somebody new.
///
/// # Errors
/// What the event lacks for that.
pub fn hired(user: &HrUser) -> Result<Person, &'static str> {
    let facts = &user.facts;
    let email = user.email.clone().ok_or("user.email")?;
    let department = facts.department.clone().ok_or("metadata.department")?;
    let nobody = Person {
        username: user.username.clone(),
        employee_id: user.employee_id.clone(),
        email,
        former_emails: Vec::new(),
        name: user.username.to_string(),
        employment: EmploymentType::Employee,
        role: facts.role.clone().ok_or("user.role")?,
        department,
        manager: None,
        location: None,
        clearance: None,
        time_zone: None,
        contract_end: None,
        last_day: None,
        status: PersonStatus::Active,
        case: None,
        moving: None,
        legal_hold: None,
        protected: false,
        logins: std::collections::BTreeMap::new(),
        version: 1,
    };
    Ok(facts.told_of(&nobody, None))
}

/// Somebody else who has not left and has the same e-mail address: what systems find by it may be theirs.
///
/// # Errors
/// Where the store cannot be read.
pub async fn also_addressed(store: &dyn CaseStore, person: &Person) -> Result<Option<Person>, StoreError> {
    if person.email.is_empty() {
        return Ok(None);
    }
    let others = store.addressed(&person.email).await?;
    Ok(others.into_iter().find(|other| other.username != person.username))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_back_goes_and_what_is_not_mentioned_stays() {
        let casey: Person = serde_json::from_value(serde_json::json!({
            "username": "casey.contract", "employee_id": "CTR-1", "email": "c@example.com", "name": "C", "role": "r",
            "employment": "contractor", "department": "Engineering", "status": "active", "manager": "jane.smith",
            "location": "Lisbon", "clearance": "secret", "time_zone": "Europe/Lisbon", "contract_end": "2026-02-20",
        }))
        .unwrap();
        assert_eq!(Facts::default().told_of(&casey, None), casey);
        let back = Facts {
            manager: Some(None),
            location: Some(None),
            time_zone: Some(None),
            clearance: Some(None),
            employment: Some(EmploymentType::Employee),
            contract_end: Some(None),
            ..Facts::default()
        };
        let permanent = Person {
            manager: None,
            location: None,
            time_zone: None,
            clearance: None,
            employment: EmploymentType::Employee,
            contract_end: None,
            ..casey.clone()
        };
        assert_eq!(back.told_of(&casey, None), permanent);
    }

    #[test]
    fn former_addresses_are_kept_newest_first_once_each_and_only_so_many() {
        let mut lee: Person = serde_json::from_value(serde_json::json!({
            "username": "lee.field", "employee_id": "E-1", "email": "0@example.com", "name": "L", "role": "r",
            "employment": "employee", "department": "Sales", "status": "active",
        }))
        .unwrap();
        let same = Facts::default().told_of(&lee, Some("0@example.com"));
        assert_eq!(same, lee, "the same address again is no change");
        let mut told = |email: &str| {
            lee = Facts::default().told_of(&lee, Some(email));
            assert_eq!(lee.email, email);
            lee.former_emails.iter().map(|former| former[..1].to_owned()).collect::<String>()
        };
        assert_eq!(told("1@example.com"), "0");
        assert_eq!(told("1@example.com"), "0", "a repeat changes nothing");
        assert_eq!(told("2@example.com"), "10");
        assert_eq!(told("0@EXAMPLE.com"), "21", "one that they have again is none of the former");
        assert_eq!(told("3@example.com"), "021");
        for (email, former) in [("4", "3021"), ("5", "43021"), ("6", "54302")] {
            assert_eq!(told(&format!("{email}@example.com")), former);
        }
    }
}
