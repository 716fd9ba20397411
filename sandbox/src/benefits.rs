//! Gusto's stand-in for benefits: enrolments of employees, changed under their version.

use crate::{
    credentials::Maker,
    gusto::{self, Company, HIRED, employee_json, invalid, not_found, paged, uuid},
    twin::{AccountView, Ask, Reply, Twin, World},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const ID: &str = "benefits";
/// What the company offers: a health plan, a retirement plan and a commuter's plan.
const OFFERED: usize = 3;

struct Enrolment {
    uuid: String,
    employee: String,
    offer: usize,
    version: u32,
    active: bool,
}

struct Benefits {
    company: Company,
    enrolments: Vec<Enrolment>,
}

/// The credentials that leaver presents here.
pub(crate) fn settings(base: &str, make: &mut Maker) -> BTreeMap<String, String> {
    gusto::settings(base, make)
}

/// The stand-in with the sample people.
pub(crate) fn twin(world: &World) -> Box<dyn Twin> {
    let company = Company::new(world, ID);
    let mut enrolments = Vec::new();
    for employee in company.employees.iter().filter(|employee| !employee.username.is_empty()) {
        for offer in 0..OFFERED {
            enrolments.push(Enrolment {
                uuid: uuid(0xe001, enrolments.len()),
                employee: employee.uuid.clone(),
                offer,
                version: 1,
                active: true,
            });
        }
    }
    Box::new(Benefits { company, enrolments })
}

impl Benefits {
    fn change(&mut self, ask: &Ask, id: &str) -> Reply {
        let body = ask.json();
        let Some(one) = self.enrolments.iter_mut().find(|one| one.uuid == id) else { return not_found() };
        let Some(version) = body["version"].as_str() else {
            return invalid(422, "version", "missing_parameter", "The version is missing.");
        };
        if version != version_of(one) {
            return invalid(409, "base", "invalid_resource_version", "The resource was changed meanwhile.");
        }
        if let Some(active) = body["active"].as_bool() {
            one.active = active;
        }
        one.version += 1;
        Reply::json(200, view(one))
    }
}

impl Twin for Benefits {
    fn answer(&mut self, ask: &Ask) -> Reply {
        if let Some(refusal) = self.company.refuses(ask) {
            return refusal;
        }
        match (ask.method.as_str(), ask.segments().as_slice()) {
            ("GET", ["v1", "companies", company, "employees"]) => {
                self.company.list(ask, company, |one| employee_json(one, HIRED, false, json!([])))
            }
            ("GET", ["v1", "employees", uuid]) => match self.company.of(uuid) {
                Some(one) => Reply::json(200, employee_json(one, HIRED, false, json!([]))),
                None => not_found(),
            },
            ("GET", ["v1", "employees", uuid, "employee_benefits"]) if self.company.of(uuid).is_some() => {
                let theirs = self.enrolments.iter().filter(|one| one.employee == *uuid);
                paged(ask, &theirs.map(view).collect::<Vec<_>>())
            }
            ("GET", ["v1", "employee_benefits", id]) => {
                match self.enrolments.iter().find(|one| one.uuid == *id) {
                    Some(one) => Reply::json(200, view(one)),
                    None => not_found(),
                }
            }
            ("PUT", ["v1", "employee_benefits", id]) => self.change(ask, id),
            _ => not_found(),
        }
    }

    fn account(&self, username: &str) -> AccountView {
        let found = self.company.employees.iter().find(|employee| employee.username == username);
        let Some(employee) = found else { return AccountView::default() };
        let active = self.enrolments.iter().filter(|one| one.employee == employee.uuid && one.active);
        let grants: Vec<String> = active.map(|one| one.uuid.clone()).collect();
        AccountView { exists: true, active: !grants.is_empty(), grants, ..AccountView::default() }
    }
}

fn version_of(one: &Enrolment) -> String {
    format!("{:08x}{}", one.version, one.uuid.replace('-', ""))
}

fn view(one: &Enrolment) -> Value {
    json!({
        "version": version_of(one), "employee_uuid": one.employee, "uuid": one.uuid, "active": one.active,
        "company_benefit_uuid": uuid(0xf001, one.offer), "employee_deduction": "100.00",
        "company_contribution": "100.00", "employee_deduction_annual_maximum": null,
        "company_contribution_annual_maximum": null, "limit_option": null, "deduct_as_percentage": false,
        "contribute_as_percentage": false, "catch_up": false, "coverage_amount": null,
        "deduction_reduces_taxable_income": null, "coverage_salary_multiplier": "0.00",
        "contribution": {"type": "amount", "value": "100.00"}, "elective": false,
        "effective_date": HIRED, "expiration_date": null,
    })
}
