//! Payroll at Gusto: that an employment ends is put on record, and nothing that anybody is paid is touched.
//!
//! A termination is one call, and a second one is refused, so what is on record is read first: one that HR made stands as
//! it is. Its day is the last day that the case names, or today. Whether final pay is a payroll of its own is a
//! decision of payroll (`run_termination_payroll`), and made before it is on record, because that makes it final.

use crate::{
    Adapter, Missing, Part, Residue, Roster, Spec,
    auth::Auth,
    gusto::{self, Company, Employee},
    http::{Command, Reader, Writer},
    missing_by_reads,
    settings::Settings,
};
use async_trait::async_trait;
use jiff::{ToSpan as _, civil::Date};
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::{Account, AccountStatus, Asset, Grant, Inventory, Next, Sessions},
    person::Person,
    plan::{Action, ActionKind, Outcome},
    risk::Activity,
    time::Timestamp,
};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;

/// What is known of payroll without asking it.
pub const SPEC: Spec = Spec {
    id: "payroll",
    name: "Payroll (Gusto)",
    part: Part::Record,
    hosts: gusto::HOSTS,
    settings: &[
        ("company_id", "UUID of the company at Gusto"),
        ("access_token", "company access token of an application that is authorised for this company"),
        (
            "run_termination_payroll",
            "optional, `true` where final pay goes out by a payroll of its own; such a termination cannot be cancelled",
        ),
    ],
    scopes: &["employees:read", "employments:read", "employments:write"],
    order: &[
        "Find the employee by work e-mail address, those who left included",
        "Read the terminations, the rehire and the employment history that are on record",
        "Leave a termination that is on record as it is, and name a day that differs from the case's",
        "Otherwise record the termination with the last day that the case names, or today in the person's time zone",
        "Read the termination back",
    ],
    residuals: &[
        "The employee's own login to Gusto stays: they see payslips and tax forms there after they left, as the law asks",
        "Final pay is not leaver's to decide: some states ask for it within 24 hours of the last day",
        "A termination in force cannot be taken back: a return is a rehire from the next day on",
        "Contractors whom the company pays through Gusto are no employees there, and are not looked for",
    ],
    setup: &[
        "Register an application in Gusto's developer portal, and let Gusto approve it for production",
        "Ask for the scopes employees:read, employments:read and employments:write, and no others; whether the last one was granted shows with the first write only",
        "Authorise it as a primary or full-access administrator, for this one company",
        "Put the company's UUID and the access token into leaver's secret for payroll",
        "Let whatever holds the refresh token write each new access token there: one lives for two hours, and a refresh token works once",
        "Agree with payroll whether run_termination_payroll is to be true",
    ],
    roster: Roster::Unlisted("Employments are no accounts."),
    source: gusto::SOURCE,
};

/// A gap of this many days makes a return a new hire to the authorities (45 CFR 303.108).
const NEW_HIRE_AFTER: i32 = 60;

struct Payroll {
    company: Company,
    off_cycle: bool,
}

/// The adapter and its authentication.
///
/// # Errors
/// `CredentialRejected` where a setting is missing.
pub fn open(settings: &Settings) -> Result<(Box<dyn Adapter>, Auth), Fault> {
    let (company, auth) = gusto::open(settings)?;
    let off_cycle = settings.optional("run_termination_payroll").is_some_and(|value| value == "true");
    Ok((Box::new(Payroll { company, off_cycle }), auth))
}

#[derive(Deserialize)]
struct Termination {
    effective_date: Option<Date>,
    #[serde(default)]
    active: bool,
    #[serde(default)]
    cancelable: bool,
}

#[derive(Deserialize)]
struct Rehire {
    effective_date: Option<Date>,
    #[serde(default)]
    active: bool,
}

#[derive(Deserialize)]
struct Employment {
    hire_date: Option<Date>,
}

/// Where an employment stands.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    /// It goes on; a rehire that has not begun can still be called off.
    Employed { rehire_ahead: bool },
    /// It ends on this day.
    Ending { on: Date, in_force: bool, cancelable: bool },
}

/// A termination counts where nobody was hired after it.
fn standing(terminations: &[Termination], hired: &[Date], rehire: Option<&Rehire>) -> Standing {
    let back = rehire.and_then(|rehire| rehire.effective_date);
    let newest = hired.iter().copied().chain(back).max();
    let last = terminations.iter().filter_map(|one| Some((one.effective_date?, one))).max_by_key(|one| one.0);
    match last {
        Some((on, last)) if newest.is_none_or(|hired| hired <= on) => {
            Standing::Ending { on, in_force: last.active, cancelable: last.cancelable }
        }
        _ => Standing::Employed { rehire_ahead: rehire.is_some_and(|rehire| !rehire.active) },
    }
}

async fn read_standing(http: &Reader, employee: &Employee) -> Result<Standing, Fault> {
    let of = |what| gusto::get(["employees", employee.uuid.as_str(), what]);
    let terminations: Vec<Termination> = http.ask(of("terminations")).await?.json()?;
    if terminations.is_empty() {
        return Ok(Standing::Employed { rehire_ahead: false });
    }
    let history: Vec<Employment> = http.ask(of("employment_history")).await?.json()?;
    let jobs = employee.jobs.iter().filter_map(|job| job.hire_date);
    let hired: Vec<Date> = history.iter().filter_map(|one| one.hire_date).chain(jobs).collect();
    // 204 where there is none.
    let rehire = http.find(of("rehire")).await?.filter(|answer| answer.status == 200);
    let rehire: Option<Rehire> = rehire.map(|answer| answer.json()).transpose()?;
    Ok(standing(&terminations, &hired, rehire.as_ref()))
}

/// What a rehire says of how somebody is employed, in its own words.
fn employment_status(status: &str) -> &'static str {
    match status {
        "full_time" => "full_time",
        "part_time_under_twenty_hours" => "part_time",
        "part_time_twenty_plus_hours" => "part_time_eligible",
        "variable" => "variable",
        "seasonal" => "seasonal",
        _ => "not_set",
    }
}

/// When somebody whose employment ended on a day can be back, and whether that is a new hire to the authorities.
fn back(ended: Date, today: Date) -> (Date, bool) {
    let next = ended.tomorrow().unwrap_or(ended);
    let on = next.max(today);
    (on, ended.checked_add(NEW_HIRE_AFTER.days()).is_ok_and(|limit| on >= limit))
}

fn facts_of(employee: &Employee, standing: &Standing, who: &Person, today: Date) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::from([
        ("last_day".to_owned(), who.last_day.unwrap_or(today).to_string()),
        ("today".to_owned(), today.to_string()),
    ]);
    let main = employee.jobs.iter().find(|job| job.primary).or(employee.jobs.first());
    if let Some(place) = main.and_then(|job| job.location_uuid.clone()) {
        facts.insert("work_location_uuid".to_owned(), place);
    }
    if let Some(status) = &employee.current_employment_status {
        facts.insert("employment_status".to_owned(), employment_status(status).to_owned());
    }
    match standing {
        Standing::Employed { rehire_ahead } => {
            facts.insert("rehire_ahead".to_owned(), rehire_ahead.to_string());
        }
        Standing::Ending { on, cancelable, .. } => {
            facts.insert("ends".to_owned(), on.to_string());
            facts.insert("cancelable".to_owned(), cancelable.to_string());
        }
    }
    facts
}

/// A termination that stands with another day than the case's is for a human to look at.
fn differs(standing: &Standing, who: &Person) -> Option<Asset> {
    let (Standing::Ending { on, .. }, Some(last)) = (standing, who.last_day) else { return None };
    (*on != last).then(|| Asset {
        id: format!("termination:{on}"),
        kind: "termination".into(),
        name: format!("on record with {on} as the last day, while the case says {last}"),
        live_automation: false,
        next: Next::Task,
    })
}

impl Payroll {
    fn end(&self, account: &Account) -> Command {
        let of = |what| ["v1", "employees", account.id.as_str(), what];
        if fact(account, "rehire_ahead") == "true" {
            return gusto::with_version(Command::delete(of("rehire")));
        }
        let body = json!({
            "effective_date": fact(account, "last_day"), "run_termination_payroll": self.off_cycle,
        });
        gusto::with_version(Command::post(of("terminations")).json(body))
    }
}

fn fact<'a>(account: &'a Account, name: &str) -> &'a str {
    account.facts.get(name).map_or("", String::as_str)
}

/// The way back: a termination that has not begun is taken off the record, one in force is followed by a rehire.
fn undo(account: &Account) -> Result<Command, Fault> {
    let of = |what| ["v1", "employees", account.id.as_str(), what];
    if fact(account, "cancelable") == "true" {
        return Ok(gusto::with_version(Command::delete(of("terminations"))));
    }
    let day = |name| fact(account, name).parse::<Date>();
    let (Ok(ended), Ok(today)) = (day("ends"), day("today")) else {
        return Err(Fault::shape("the termination on record has no day"));
    };
    let place = fact(account, "work_location_uuid");
    if place.is_empty() {
        let detail = "a rehire needs the work location, and the employee's job has none";
        return Err(Fault::new(FaultKind::NotFound, detail));
    }
    let (on, new_hire) = back(ended, today);
    let mut body = json!({
        "effective_date": on.to_string(), "file_new_hire_report": new_hire, "work_location_uuid": place,
    });
    if let Some(status) = account.facts.get("employment_status") {
        body["employment_status"] = status.as_str().into();
    }
    Ok(gusto::with_version(Command::post(of("rehire")).json(body)))
}

#[async_trait]
impl Adapter for Payroll {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn discover(&self, http: &Reader, who: &Person) -> Result<Inventory, Fault> {
        let Some((employee, matched_by)) = self.company.find(http, who, SPEC.id).await? else {
            return Ok(Inventory::absent());
        };
        let standing = read_standing(http, &employee).await?;
        let status = match standing {
            Standing::Employed { .. } => AccountStatus::Active,
            Standing::Ending { in_force: false, .. } => AccountStatus::Suspended,
            Standing::Ending { in_force: true, .. } => AccountStatus::Deactivated,
        };
        let facts = facts_of(&employee, &standing, who, who.day_of(http.now()));
        let account = Account {
            id: employee.uuid,
            login: employee.work_email.unwrap_or_else(|| who.email.clone()),
            status,
            matched_by: matched_by.to_owned(),
            privileged: false,
            last_login: None,
            facts,
        };
        let mut found = Inventory::of(account, Sessions::Listed(Vec::new()));
        found.assets.extend(differs(&standing, who));
        Ok(found)
    }

    async fn activity(&self, _: &Reader, _: &Account, since: Timestamp) -> Result<Activity, Fault> {
        Ok(Activity::unavailable(since, "Gusto has no log of what an employee did that its API shows"))
    }

    fn revoke(&self, found: &Inventory) -> Vec<Action> {
        let Some(account) = found.account.as_ref().filter(|_| found.is_active()) else { return Vec::new() };
        let label = match fact(account, "rehire_ahead") {
            "true" => format!("call off the rehire of {}", account.login),
            _ => format!("end of employment of {} on {}", account.login, fact(account, "last_day")),
        };
        vec![Action::clean_up(ActionKind::RecordEnd, &account.id, label)]
    }

    fn restore(&self, before: &Inventory, now: &Inventory) -> Vec<Action> {
        let Some(account) = now.account.as_ref().filter(|_| before.is_active() && !now.is_active()) else {
            return Vec::new();
        };
        let label = match fact(account, "cancelable") {
            "true" => format!("cancel the termination of {}", account.login),
            _ => format!("rehire of {}", account.login),
        };
        vec![Action::clean_up(ActionKind::EnableAccount, &account.id, label)]
    }

    fn grant(&self, _: &str) -> Option<Grant> {
        None
    }

    async fn apply(&self, http: &Writer, found: &Inventory, action: &Action) -> Result<Outcome, Fault> {
        let Some(account) = &found.account else { return Ok(Outcome::Already) };
        let command = match action.kind {
            ActionKind::RecordEnd => self.end(account),
            ActionKind::EnableAccount => undo(account)?,
            _ => return Err(Fault::new(FaultKind::Internal, "not an action of this adapter")),
        };
        http.tell(command).await.map(|_| Outcome::Done)
    }

    fn residues(&self, before: &Inventory) -> Vec<Residue> {
        let what = "their own login to Gusto, for payslips and tax forms";
        before.account.iter().map(|_| Residue { what: what.into(), lasts: None }).collect()
    }

    async fn missing(&self, http: &Reader) -> Result<Vec<Missing>, Fault> {
        let missing = missing_by_reads(http, [("employees:read", self.company.some())]).await?;
        if !missing.is_empty() {
            return Ok(missing);
        }
        let Some(uuid) = self.company.anybody(http).await? else { return Ok(Vec::new()) };
        let read = gusto::get(["employees", &uuid, "terminations"]);
        missing_by_reads(http, [("employments:read", read)]).await
    }

    async fn probe(&self, http: &Reader) -> Result<(), Fault> {
        http.ask(self.company.some()).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    fn ended(on: &str, active: bool) -> Termination {
        Termination { effective_date: Some(day(on)), active, cancelable: !active }
    }

    #[test]
    fn a_termination_counts_until_somebody_is_hired_after_it() {
        let old = [ended("2025-03-31", true)];
        assert_eq!(
            standing(&old, &[day("2024-01-01")], None),
            Standing::Ending { on: day("2025-03-31"), in_force: true, cancelable: false }
        );
        let employed = Standing::Employed { rehire_ahead: false };
        assert_eq!(standing(&old, &[day("2024-01-01"), day("2025-06-01")], None), employed);
        assert_eq!(standing(&[], &[], None), employed);
        let again = [ended("2025-03-31", true), ended("2026-01-31", false)];
        assert_eq!(
            standing(&again, &[day("2025-06-01")], None),
            Standing::Ending { on: day("2026-01-31"), in_force: false, cancelable: true }
        );
    }

    #[test]
    fn a_rehire_ahead_is_an_employment_that_can_be_called_off() {
        let rehire = Rehire { effective_date: Some(day("2025-04-01")), active: false };
        let old = [ended("2025-03-31", true)];
        let ahead = standing(&old, &[day("2024-01-01")], Some(&rehire));
        assert_eq!(ahead, Standing::Employed { rehire_ahead: true });
        let before = Rehire { effective_date: Some(day("2024-02-01")), active: true };
        assert!(matches!(standing(&old, &[], Some(&before)), Standing::Ending { .. }));
    }

    #[test]
    fn a_return_is_never_before_the_day_after_and_a_new_hire_after_sixty_days_only() {
        assert_eq!(back(day("2026-05-31"), day("2026-05-31")), (day("2026-06-01"), false));
        assert_eq!(back(day("2026-05-31"), day("2026-06-20")), (day("2026-06-20"), false));
        assert_eq!(back(day("2026-05-31"), day("2026-07-30")), (day("2026-07-30"), true));
    }
}
