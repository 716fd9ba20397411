//! Gusto's stand-in for payroll: employees, terminations, rehires, the history of employments.

use crate::{
    credentials::Maker,
    gusto::{self, Company, HIRED, PLACE, employee_json, invalid, not_found},
    twin::{AccountView, Ask, Reply, Twin, World},
};
use jiff::civil::Date;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const ID: &str = "payroll";

/// One time of employment.
#[derive(Clone)]
struct Time {
    hired: Date,
    /// Its end, and whether final pay is a payroll of its own.
    ended: Option<(Date, bool)>,
}

struct Payroll {
    company: Company,
    times: BTreeMap<String, Vec<Time>>,
    first: Date,
}

/// The credentials that leaver presents here.
pub(crate) fn settings(base: &str, make: &mut Maker) -> BTreeMap<String, String> {
    gusto::settings(base, make)
}

/// The stand-in with the sample people.
pub(crate) fn twin(world: &World) -> Box<dyn Twin> {
    Box::new(Payroll {
        company: Company::new(world, ID),
        times: BTreeMap::new(),
        first: HIRED.parse().unwrap_or(Date::ZERO),
    })
}

fn today(ask: &Ask) -> Date {
    ask.at.to_jiff().to_zoned(jiff::tz::TimeZone::UTC).date()
}

impl Payroll {
    fn times(&self, uuid: &str) -> Vec<Time> {
        self.times.get(uuid).cloned().unwrap_or_else(|| vec![Time { hired: self.first, ended: None }])
    }

    fn terminations(&self, uuid: &str, today: Date) -> Vec<Value> {
        let ended = |time: &Time| time.ended.map(|end| termination(uuid, end, today));
        self.times(uuid).iter().filter_map(ended).collect()
    }

    fn view(&self, employee: &gusto::Employee, today: Date) -> Value {
        let times = self.times(&employee.uuid);
        let hired = times.iter().map(|time| time.hired).filter(|day| *day <= today).max();
        let hired = hired.unwrap_or(self.first).to_string();
        let gone = times.last().is_some_and(|time| time.ended.is_some_and(|(day, _)| day < today));
        employee_json(employee, &hired, gone, json!(self.terminations(&employee.uuid, today)))
    }

    fn terminate(&mut self, ask: &Ask, uuid: &str) -> Reply {
        let body = ask.json();
        let Some(day) = body["effective_date"].as_str().and_then(|day| day.parse::<Date>().ok()) else {
            return invalid(
                422,
                "effective_date",
                "invalid_attribute_value",
                "Effective date can't be blank.",
            );
        };
        let mut times = self.times(uuid);
        let Some(last) = times.last_mut() else { return not_found() };
        if last.ended.is_some() {
            return invalid(422, "base", "invalid_operation", "Employee already has a termination.");
        }
        if day < last.hired {
            return invalid(
                422,
                "effective_date",
                "invalid_attribute_value",
                "It lies before the hire date.",
            );
        }
        let end = (day, body["run_termination_payroll"] == true);
        last.ended = Some(end);
        self.times.insert(uuid.to_owned(), times);
        Reply::json(201, termination(uuid, end, today(ask)))
    }

    fn cancel(&mut self, ask: &Ask, uuid: &str) -> Reply {
        let mut times = self.times(uuid);
        let Some((day, own)) = times.last().and_then(|time| time.ended) else { return not_found() };
        if own || day <= today(ask) {
            return invalid(422, "base", "invalid_operation", "This termination cannot be cancelled.");
        }
        if let Some(last) = times.last_mut() {
            last.ended = None;
        }
        self.times.insert(uuid.to_owned(), times);
        Reply::empty(204)
    }

    fn rehire(&mut self, ask: &Ask, uuid: &str) -> Reply {
        let body = ask.json();
        let day = body["effective_date"].as_str().and_then(|day| day.parse::<Date>().ok());
        let whole = body["file_new_hire_report"].is_boolean() && body["work_location_uuid"] == PLACE;
        let (Some(day), true) = (day, whole) else {
            return invalid(
                422,
                "base",
                "invalid_attribute_value",
                "A rehire needs a day, a place and a choice.",
            );
        };
        let mut times = self.times(uuid);
        match times.last().and_then(|time| time.ended) {
            Some((ended, _)) if day > ended => {}
            _ => return invalid(422, "base", "invalid_operation", "The employee is not terminated by then."),
        }
        times.push(Time { hired: day, ended: None });
        self.times.insert(uuid.to_owned(), times);
        Reply::json(201, rehire(uuid, day, today(ask)))
    }

    fn call_off(&mut self, ask: &Ask, uuid: &str) -> Reply {
        let mut times = self.times(uuid);
        match times.pop() {
            Some(last) if !times.is_empty() && last.hired > today(ask) => {
                self.times.insert(uuid.to_owned(), times);
                Reply::empty(204)
            }
            Some(_) if !times.is_empty() => {
                invalid(422, "base", "invalid_operation", "The rehire is in effect.")
            }
            _ => not_found(),
        }
    }

    fn of_employee(&mut self, ask: &Ask, uuid: &str, rest: &[&str]) -> Reply {
        let now = today(ask);
        let Some(employee) = self.company.of(uuid) else { return not_found() };
        match (ask.method.as_str(), rest) {
            ("GET", []) => Reply::json(200, self.view(employee, now)),
            ("GET", ["terminations"]) => Reply::json(200, json!(self.terminations(uuid, now))),
            ("POST", ["terminations"]) => self.terminate(ask, uuid),
            ("DELETE", ["terminations"]) => self.cancel(ask, uuid),
            ("GET", ["rehire"]) => match self.times(uuid).as_slice() {
                [_, .., last] => Reply::json(200, rehire(uuid, last.hired, now)),
                _ => Reply::empty(204),
            },
            ("POST", ["rehire"]) => self.rehire(ask, uuid),
            ("DELETE", ["rehire"]) => self.call_off(ask, uuid),
            ("GET", ["employment_history"]) => {
                let one = |time: &Time| {
                    json!({"hire_date": time.hired.to_string(), "file_new_hire_report": true,
                           "termination_date": time.ended.map(|(day, _)| day.to_string()),
                           "two_percent_shareholder": false, "employment_status": "full_time"})
                };
                Reply::json(200, self.times(uuid).iter().map(one).collect())
            }
            _ => not_found(),
        }
    }
}

impl Twin for Payroll {
    fn answer(&mut self, ask: &Ask) -> Reply {
        if let Some(refusal) = self.company.refuses(ask) {
            return refusal;
        }
        match (ask.method.as_str(), ask.segments().as_slice()) {
            ("GET", ["v1", "companies", company, "employees"]) => {
                self.company.list(ask, company, |employee| self.view(employee, today(ask)))
            }
            (_, ["v1", "employees", uuid, rest @ ..]) => self.of_employee(ask, uuid, rest),
            _ => not_found(),
        }
    }

    fn account(&self, username: &str) -> AccountView {
        let found = self.company.employees.iter().find(|employee| employee.username == username);
        let Some(employee) = found else { return AccountView::default() };
        let employed = self.times(&employee.uuid).last().is_some_and(|time| time.ended.is_none());
        AccountView { exists: true, active: employed, ..AccountView::default() }
    }
}

fn termination(uuid: &str, (day, own): (Date, bool), today: Date) -> Value {
    json!({
        "uuid": uuid.replace("-a0", "-c0"), "version": format!("{day}{own}"), "employee_uuid": uuid,
        "active": day < today, "cancelable": !own && day > today, "effective_date": day.to_string(),
        "run_termination_payroll": own,
    })
}

fn rehire(uuid: &str, day: Date, today: Date) -> Value {
    json!({
        "version": format!("rehire{day}"), "employee_uuid": uuid, "effective_date": day.to_string(),
        "file_new_hire_report": true, "work_location_uuid": PLACE, "employment_status": "full_time",
        "two_percent_shareholder": false, "active": day <= today,
    })
}
