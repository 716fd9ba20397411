//! People's records, kept current by what the HRIS tells.

use crate::{
    id::Username,
    person::{EmploymentType, Person, PersonStatus},
    trigger::HrUser,
};
use jiff::civil::Date;

/// What an event says of somebody; what it does not mention stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// Full name.
    pub name: Option<String>,
    /// What they do.
    pub role: Option<String>,
    /// Where in the company.
    pub department: Option<String>,
    /// To whom they report.
    pub manager: Option<Username>,
    /// Office or country.
    pub location: Option<String>,
    /// IANA name of their time zone.
    pub time_zone: Option<String>,
    /// How far they are cleared.
    pub clearance: Option<String>,
    /// How they are employed.
    pub employment: Option<EmploymentType>,
    /// The last day of a contract that ends by itself.
    pub contract_end: Option<Date>,
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
        text(&mut person.email, &email.map(str::to_owned));
        let optional = [
            (&mut person.location, &self.location),
            (&mut person.time_zone, &self.time_zone),
            (&mut person.clearance, &self.clearance),
        ];
        for (place, told) in optional {
            if told.is_some() {
                place.clone_from(told);
            }
        }
        if self.manager.is_some() {
            person.manager.clone_from(&self.manager);
        }
        person.employment = self.employment.unwrap_or(person.employment);
        person.contract_end = self.contract_end.or(person.contract_end);
        person
    }
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
