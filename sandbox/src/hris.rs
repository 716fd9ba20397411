//! BambooHR's stand-in: employees, their employment statuses, the users of the HRIS.
//!
//! `POST /_sandbox/hris/terminate` `{username}` does what HR does when somebody leaves, `POST /_sandbox/hris/hire`
//! `{username}` when they return. leaver has no call for either.

use crate::{
    credentials::{Maker, pairs},
    people::SamplePerson,
    twin::{AccountView, Ask, Face, Reply, Twin, World, page_size},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const ID: &str = "hris";
/// Entries per page: small, so that every list of the sample data has more than one.
const PAGE: usize = 2;

struct Employee {
    id: usize,
    username: String,
    first: String,
    last: String,
    email: String,
    number: String,
    /// Since when, and how employed.
    rows: Vec<(String, &'static str)>,
    last_login: String,
}

impl Employee {
    fn is_active(&self) -> bool {
        self.rows.last().is_some_and(|row| row.1 != "Terminated")
    }

    fn status(&self) -> &'static str {
        if self.is_active() { "Active" } else { "Inactive" }
    }
}

struct Hris {
    key: String,
    employees: Vec<Employee>,
}

/// The credentials that leaver presents here.
pub(crate) fn settings(base: &str, make: &mut Maker) -> BTreeMap<String, String> {
    pairs([("base_url", base.to_owned()), ("api_key", make.token(""))])
}

/// The stand-in with the sample people, and namesakes of theirs who left long ago.
pub(crate) fn twin(world: &World) -> Box<dyn Twin> {
    let mut employees: Vec<Employee> =
        world.people_in(ID).enumerate().map(|(index, sample)| employee(world, sample, 100 + index)).collect();
    for (first, last) in [("John", "Doe"), ("Ann", "Doe-Miller")] {
        employees.push(Employee {
            id: 100 + employees.len(),
            username: String::new(),
            first: first.to_owned(),
            last: last.to_owned(),
            email: String::new(),
            number: format!("EMP-0000{}", employees.len()),
            rows: vec![("2019-01-01".to_owned(), "Full-Time"), ("2021-01-31".to_owned(), "Terminated")],
            last_login: String::new(),
        });
    }
    Box::new(Hris { key: world.setting(ID, "api_key"), employees })
}

fn employee(world: &World, sample: &SamplePerson, id: usize) -> Employee {
    let person = &sample.person;
    let (first, last) = person.name.split_once(' ').unwrap_or((&person.name, ""));
    Employee {
        id,
        username: person.username.to_string(),
        first: first.to_owned(),
        last: last.to_owned(),
        email: sample.email_in(ID).to_owned(),
        number: person.employee_id.to_string(),
        rows: vec![("2024-05-01".to_owned(), "Full-Time")],
        last_login: world.hours_ago(sample.traits.idle_days.unwrap_or(1) * 24).to_string(),
    }
}

impl Hris {
    fn list(&self, ask: &Ask) -> Reply {
        let last = ask.param("filter[lastName]").to_lowercase();
        let after = ask.param("page[after]").parse::<usize>().unwrap_or(0);
        let named: Vec<&Employee> =
            self.employees.iter().filter(|one| one.last.to_lowercase().contains(&last)).collect();
        let limit = ask.param("page[limit]").parse::<usize>().unwrap_or(250).clamp(1, PAGE);
        let limit = page_size(named.len(), limit);
        let rest: Vec<&&Employee> = named.iter().filter(|one| one.id > after).collect();
        let page: Vec<Value> = rest.iter().take(limit).map(|one| listed(one, ask)).collect();
        let cursor =
            rest.get(limit.saturating_sub(1)).filter(|_| rest.len() > limit).map(|one| one.id.to_string());
        let this = format!("{}/api/v1/employees", ask.base);
        let mut links = json!({"self": {"href": this}});
        if let Some(cursor) = &cursor {
            links["next"] = json!({"href": format!("{this}?page%5Bafter%5D={cursor}")});
        }
        let meta =
            json!({"total": named.len(), "page": {"limit": limit, "nextCursor": cursor, "prevCursor": null}});
        Reply::json(200, json!({"data": page, "meta": meta, "_links": links}))
    }

    fn one(&self, ask: &Ask, id: &str, rest: &[&str]) -> Reply {
        let Some(one) = self.employees.iter().find(|one| one.id.to_string() == id) else {
            return Reply::empty(404);
        };
        match rest {
            [] => {
                let mut shown = json!({"id": id});
                for field in ask.param("fields").split(',') {
                    if let Some(value) = field_of(one, field) {
                        shown[field] = value;
                    }
                }
                Reply::json(200, shown)
            }
            ["tables", "employmentStatus"] => {
                let row = |(number, (date, status)): (usize, &(String, &str))| json!({"id": number.to_string(), "employeeId": id, "date": date, "employmentStatus": status});
                Reply::json(200, one.rows.iter().enumerate().map(row).collect())
            }
            _ => Reply::empty(404),
        }
    }

    /// Who is employed, and nobody else.
    fn directory(&self) -> Reply {
        let one = |one: &Employee| {
            json!({"id": one.id.to_string(), "displayName": format!("{} {}", one.first, one.last),
                   "workEmail": one.email})
        };
        let all: Vec<Value> = self.employees.iter().filter(|one| one.is_active()).map(one).collect();
        let fields = [("displayName", "text", "Display name"), ("workEmail", "email", "Work Email")];
        let fields = fields.map(|(id, kind, name)| json!({"id": id, "type": kind, "name": name}));
        Reply::json(200, json!({"fields": fields, "employees": all}))
    }

    fn users(&self) -> Reply {
        let mut users = json!({});
        for one in self.employees.iter().filter(|one| !one.email.is_empty()) {
            let id = 9_000 + one.id;
            let status = if one.is_active() { "enabled" } else { "disabled" };
            users[id.to_string()] = json!({
                "id": id, "employeeId": one.id, "firstName": one.first, "lastName": one.last, "email": one.email,
                "status": status, "lastLogin": one.last_login,
            });
        }
        Reply::json(200, users)
    }
}

fn listed(one: &Employee, ask: &Ask) -> Value {
    let mut shown = json!({
        "employeeId": one.id.to_string(), "firstName": one.first, "lastName": one.last, "preferredName": null,
        "photoUrl": null, "jobTitleName": null, "status": one.status(), "_restrictedFields": [],
    });
    if ask.param("fields").split(',').any(|field| field == "workEmail") {
        shown["workEmail"] = if one.email.is_empty() { Value::Null } else { json!(one.email) };
    }
    shown
}

fn field_of(one: &Employee, field: &str) -> Option<Value> {
    let left = one.rows.last().filter(|row| row.1 == "Terminated").map(|row| row.0.clone());
    match field {
        "status" => Some(json!(one.status())),
        "workEmail" => Some(json!(one.email)),
        "employeeNumber" => Some(json!(one.number)),
        "terminationDate" => Some(json!(left.unwrap_or_else(|| "0000-00-00".to_owned()))),
        _ => None,
    }
}

impl Twin for Hris {
    fn answer(&mut self, ask: &Ask) -> Reply {
        let expected = BASE64_STANDARD.encode(format!("{}:x", self.key));
        if self.key.is_empty() || ask.credential("Basic ") != expected {
            return Reply::empty(401);
        }
        match (ask.method.as_str(), ask.segments().as_slice()) {
            ("GET", ["api", "v1", "employees"]) => self.list(ask),
            ("GET", ["api", "v1", "employees", "directory"]) => self.directory(),
            ("GET", ["api", "v1", "employees", id, rest @ ..]) => self.one(ask, id, rest),
            ("GET", ["api", "v1", "meta", "users"]) => self.users(),
            // This key's access level edits nothing.
            (_, ["api", "v1", "employees", ..]) => Reply::empty(403),
            _ => Reply::empty(404),
        }
    }

    fn account(&self, username: &str) -> AccountView {
        let found = self.employees.iter().find(|one| one.username == username);
        found.map_or_else(AccountView::default, |one| AccountView {
            exists: true,
            active: one.is_active(),
            ..AccountView::default()
        })
    }

    fn face(&mut self, ask: &Ask) -> Option<Face> {
        let status = match (ask.method.as_str(), ask.segments().as_slice()) {
            ("POST", [ID, "terminate"]) => "Terminated",
            ("POST", [ID, "hire"]) => "Full-Time",
            _ => return None,
        };
        let username = ask.json()["username"].as_str().unwrap_or_default().to_owned();
        let found = self.employees.iter_mut().find(|one| one.username == username && !username.is_empty());
        let Some(one) = found else {
            return Some(Face::Answer(Reply::json(404, json!({"error": "there is no such employee"}))));
        };
        let today = ask.at.to_jiff().to_zoned(jiff::tz::TimeZone::UTC).date().to_string();
        one.rows.retain(|row| row.0 != today);
        one.rows.push((today, status));
        Some(Face::Answer(Reply::json(200, json!({"username": username, "status": one.status()}))))
    }
}
