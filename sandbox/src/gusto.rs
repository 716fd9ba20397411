//! What the stand-ins of payroll and benefits share: the company at Gusto, its employees and the lists by page.

use crate::{
    credentials::{Maker, pairs},
    twin::{Ask, Reply, World, page_size, slice},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Entries per page at most: small, so that every list of the sample data has more than one.
const PAGE: usize = 2;
/// Where everybody works.
pub(crate) const PLACE: &str = "6b1351a2-de35-4499-b948-43abab270001";
/// When everybody was hired.
pub(crate) const HIRED: &str = "2024-05-01";
/// The company's id. It is no secret, and shorter than one.
const COMPANY: &str = "10593a6a-505b-4aa6";
/// People who are called like one of the sample people and are somebody else.
const NAMESAKES: [(&str, &str); 8] = [
    ("John", "Doe"),
    ("Ann", "Doe-Miller"),
    ("Ben", "Doering"),
    ("Cleo", "Doelle"),
    ("Dan", "Doehler"),
    ("Eve", "Doerr"),
    ("Finn", "Doege"),
    ("Gil", "Doescher"),
];

/// An employee.
pub(crate) struct Employee {
    pub(crate) uuid: String,
    pub(crate) username: String,
    first: String,
    last: String,
    work_email: Option<String>,
}

/// The company.
pub(crate) struct Company {
    token: String,
    pub(crate) employees: Vec<Employee>,
}

/// The credentials that leaver presents here.
pub(crate) fn settings(base: &str, make: &mut Maker) -> BTreeMap<String, String> {
    pairs([
        ("base_url", base.to_owned()),
        ("company_id", COMPANY.to_owned()),
        ("access_token", make.token("")),
    ])
}

/// An id of one kind and number.
pub(crate) fn uuid(kind: u16, number: usize) -> String {
    format!("73274962-63ce-4e5c-{kind:04x}-{number:012x}")
}

impl Company {
    /// With the sample people, and namesakes of theirs who work elsewhere or have no address.
    pub(crate) fn new(world: &World, system: &str) -> Self {
        let mut employees: Vec<Employee> = Vec::new();
        for sample in world.people_in(system) {
            let person = &sample.person;
            let (first, last) = person.name.split_once(' ').unwrap_or((&person.name, ""));
            employees.push(Employee {
                uuid: uuid(0xa001, employees.len()),
                username: person.username.to_string(),
                first: first.to_owned(),
                last: last.to_owned(),
                work_email: Some(sample.email_in(system).to_owned()),
            });
        }
        for (first, last) in NAMESAKES {
            let uuid = uuid(0xa002, employees.len());
            let (first, last) = (first.to_owned(), last.to_owned());
            employees.push(Employee { uuid, username: String::new(), first, last, work_email: None });
        }
        Self { token: world.setting(system, "access_token"), employees }
    }

    /// The refusal of a request without the token.
    pub(crate) fn refuses(&self, ask: &Ask) -> Option<Reply> {
        let known = !self.token.is_empty() && ask.credential("Bearer ") == self.token;
        (!known).then(|| Reply::json(401, errors("base", "invalid_token", "The access token is invalid")))
    }

    /// The employee of an id.
    pub(crate) fn of(&self, uuid: &str) -> Option<&Employee> {
        self.employees.iter().find(|employee| employee.uuid == uuid)
    }

    /// The list of employees. Its search goes by names only.
    pub(crate) fn list(&self, ask: &Ask, company: &str, each: impl Fn(&Employee) -> Value) -> Reply {
        if company != COMPANY {
            return not_found();
        }
        let term = ask.param("search_term").to_lowercase();
        let named = |employee: &&Employee| {
            format!("{} {}", employee.first, employee.last).to_lowercase().contains(&term)
        };
        paged(ask, &self.employees.iter().filter(named).map(each).collect::<Vec<_>>())
    }
}

/// An employee as the vendor writes one.
pub(crate) fn employee_json(
    employee: &Employee,
    hired: &str,
    terminated: bool,
    terminations: Value,
) -> Value {
    json!({
        "uuid": employee.uuid, "first_name": employee.first, "middle_initial": null, "last_name": employee.last,
        "email": null, "company_uuid": COMPANY, "manager_uuid": null, "version": "d487dd0b55dfcacdd920ccbdaeafa351",
        "department": null, "terminated": terminated, "two_percent_shareholder": false,
        "work_email": employee.work_email, "onboarded": true, "onboarding_status": "onboarding_completed",
        "current_employment_status": "full_time", "terminations": terminations, "garnishments": [],
        "jobs": [{"uuid": employee.uuid.replace("-a0", "-b0"), "employee_uuid": employee.uuid, "hire_date": hired,
                  "title": null, "primary": true, "location_uuid": PLACE}],
    })
}

/// One page of a list, as the vendor counts them: from 1.
pub(crate) fn paged(ask: &Ask, all: &[Value]) -> Reply {
    let number = |name: &str| ask.param(name).parse::<usize>().ok();
    let Some(page) = number("page") else { return Reply::json(200, json!(all)) };
    let per = page_size(all.len(), number("per").unwrap_or(25).clamp(1, PAGE));
    Reply::json(200, Value::Array(slice(all, page.saturating_sub(1).saturating_mul(per), per).0))
}

fn errors(key: &str, category: &str, message: &str) -> Value {
    json!({"errors": [{"error_key": key, "category": category, "message": message}]})
}

pub(crate) fn not_found() -> Reply {
    Reply::json(404, errors("request", "not_found", "The requested resource was not found."))
}

/// The vendor's refusal of what is not possible now.
pub(crate) fn invalid(status: u16, key: &str, category: &str, message: &str) -> Reply {
    Reply::json(status, errors(key, category, message))
}
