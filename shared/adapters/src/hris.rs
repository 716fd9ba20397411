//! The HRIS at BambooHR: the source that says who is employed. It is read, and never written to.
//!
//! A write would come back as another event, and so as another case. What is done about an employment is HR's, there; the
//! verification and the residues say what the record says. Nothing here ever sends anything but a GET.
//!
//! The vendor describes the list of all employees for OAuth only. Where it refuses an API key there, the directory (who
//! is employed) and the users of the HRIS (those who left included) tell who somebody is.

use crate::{
    Adapter, Missing, Part, Residue, Roster, Spec,
    auth::Auth,
    http::{Answer, Query, Reader, Writer},
    missing_by_reads, page,
    settings::Settings,
};
use async_trait::async_trait;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use jiff::civil::Date;
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::{Account, AccountStatus, Grant, Inventory, Sessions},
    person::Person,
    plan::{Action, Outcome},
    risk::{Activity, ActivityEvent, ActivityKind},
    secret::Secret,
    time::Timestamp,
};
use reqwest::header::AUTHORIZATION;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// What is known of the HRIS without asking it.
pub const SPEC: Spec = Spec {
    id: "hris",
    name: "HRIS (BambooHR)",
    part: Part::Source,
    hosts: &[("", "https://your-company.bamboohr.com")],
    settings: &[
        ("base_url", "https address of the company at BambooHR"),
        (
            "api_key",
            "API key of a user whose access level shows everybody's job, status and work e-mail address",
        ),
    ],
    scopes: &["employee", "employee:job", "user"],
    order: &[
        "Find the employee by work e-mail address, or by the id that is recorded as their login",
        "Compare the employee number: another one is a contradiction that a human looks at",
        "Read the status and the table of employment statuses",
        "Read whether their login to the HRIS works, and when it was last used",
        "Write nothing: HR ends the employment there, and that is the event that leaver acts on",
    ],
    residuals: &[
        "Where the record still says Active, the HRIS lists them as employed and their login works until HR ends the employment there",
        "Employees who left may keep a login of their own to the HRIS, for their documents, if the company set it up so",
    ],
    setup: &[
        "Make an access level that may see name, employee number, status, work e-mail address and the table Employment Status of everybody, and edit nothing",
        "Give it to a user of its own, who is no employee",
        "Log in as that user and make an API key",
        "Let that user see the company directory and the list of users, for companies whose API keys may not list all employees",
        "Put the company's address and the key into leaver's secret for hris",
    ],
    roster: Roster::Unlisted("It says who is employed, and is what rosters are held against."),
    source: "BambooHR API, OpenAPI 1.0 of 2026-04-27",
};

/// Entries per page.
const LIMIT: usize = 100;
/// The table that says how somebody is employed, and since when.
const TABLE: &str = "employmentStatus";

struct Hris;

/// The adapter and its authentication.
///
/// # Errors
/// `CredentialRejected` where the key is missing.
pub fn open(settings: &Settings) -> Result<(Box<dyn Adapter>, Auth), Fault> {
    // The key stands where the user's name would; the vendor ignores the password.
    let pair = format!("{}:x", settings.secret("api_key")?.expose());
    let value = Secret::new(BASE64_STANDARD.encode(pair));
    Ok((Box::new(Hris), Auth::Header { name: AUTHORIZATION, prefix: "Basic ", value }))
}

#[derive(Deserialize)]
struct List {
    data: Vec<Listed>,
    meta: Meta,
}

#[derive(Deserialize)]
struct Meta {
    page: Page,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    employee_id: String,
    work_email: Option<String>,
    #[serde(rename = "_restrictedFields", default)]
    restricted: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Employee {
    id: String,
    status: Option<String>,
    work_email: Option<String>,
    employee_number: Option<String>,
    termination_date: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StatusRow {
    date: Option<String>,
    employment_status: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct User {
    employee_id: i64,
    status: Option<String>,
    last_login: Option<Timestamp>,
    email: Option<String>,
}

#[derive(Deserialize)]
struct Directory {
    employees: Vec<InDirectory>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InDirectory {
    id: String,
    work_email: Option<String>,
}

fn api<'a>(path: impl IntoIterator<Item = &'a str>) -> Query {
    Query::get(["api", "v1"].into_iter().chain(path))
}

fn employees() -> Query {
    api(["employees"]).query("fields", "workEmail")
}

fn statuses(id: &str) -> Query {
    api(["employees", id, "tables", TABLE])
}

fn users() -> Query {
    api(["meta", "users"])
}

async fn listed(http: &Reader, query: Query) -> Result<Vec<Listed>, Fault> {
    let ask = |cursor: Option<&str>| {
        let query = query.clone().query("page[limit]", LIMIT);
        Ok(match cursor {
            Some(cursor) => query.query("page[after]", cursor),
            None => query,
        })
    };
    let each = |answer: &Answer| {
        let list: List = answer.json()?;
        Ok((list.data, list.meta.page.next_cursor))
    };
    page::by_token(http, ask, each).await
}

/// The one id that goes with an address.
fn only(
    known: impl IntoIterator<Item = (String, Option<String>)>,
    email: &str,
) -> Result<Option<String>, Fault> {
    let is = |theirs: &Option<String>| theirs.as_deref().is_some_and(|one| one.eq_ignore_ascii_case(email));
    let ids: BTreeSet<String> =
        known.into_iter().filter(|(_, theirs)| is(theirs)).map(|(id, _)| id).collect();
    if ids.len() > 1 {
        let detail = format!("{} employees carry this person's work e-mail address", ids.len());
        return Err(Fault::new(FaultKind::Ambiguous, detail));
    }
    Ok(ids.into_iter().next())
}

fn is_refused(fault: &Fault) -> bool {
    matches!(fault.kind, FaultKind::PermissionMissing | FaultKind::CredentialRejected)
}

async fn by_list(http: &Reader, query: Query, email: &str) -> Result<Option<String>, Fault> {
    let all = listed(http, query).await?;
    only(all.into_iter().map(|one| (one.employee_id, one.work_email)), email)
}

/// Where the list is refused. A user without an employee has the number 0.
async fn by_directory(http: &Reader, email: &str) -> Result<Option<String>, Fault> {
    let directory = http.find(api(["employees", "directory"])).await?;
    let directory: Option<Directory> = directory.map(|answer| answer.json()).transpose()?;
    let users: BTreeMap<String, User> = http.ask(users()).await?.json()?;
    let employed = directory.into_iter().flat_map(|one| one.employees).map(|one| (one.id, one.work_email));
    let users = users.into_values().filter(|user| user.employee_id > 0);
    only(employed.chain(users.map(|user| (user.employee_id.to_string(), user.email))), email)
}

/// The employee's id in the HRIS. The filter goes by names, so whoever is not found by name is looked for among all.
async fn id_of(http: &Reader, who: &Person) -> Result<Option<(String, &'static str)>, Fault> {
    if let Some(id) = who.login(SPEC.id) {
        return Ok(Some((id.to_owned(), "login")));
    }
    let family = who.name.split_whitespace().next_back().unwrap_or(&who.name);
    let found = match by_list(http, employees().query("filter[lastName]", family), &who.email).await {
        Ok(None) => by_list(http, employees(), &who.email).await?,
        Err(fault) if is_refused(&fault) => by_directory(http, &who.email).await?,
        found => found?,
    };
    Ok(found.map(|id| (id, "work e-mail")))
}

/// A day as the vendor writes it; its zero is none.
fn day(text: Option<&str>) -> Option<Date> {
    text.filter(|text| !text.starts_with("0000")).and_then(|text| text.parse().ok())
}

/// The day from which the table says that the employment is over, if its newest row says so.
fn ends(rows: &[StatusRow]) -> Option<Date> {
    let dated = rows.iter().filter_map(|row| Some((day(row.date.as_deref())?, row)));
    let (on, last) = dated.max_by_key(|(on, _)| *on)?;
    last.employment_status.as_deref().filter(|status| status.eq_ignore_ascii_case("terminated")).map(|_| on)
}

async fn details(http: &Reader, id: &str) -> Result<Option<Employee>, Fault> {
    let fields = "status,workEmail,employeeNumber,terminationDate";
    let answer = http.find(api(["employees", id]).query("fields", fields)).await?;
    answer.map(|answer| answer.json()).transpose()
}

fn contradicts(employee: &Employee, who: &Person) -> Option<Fault> {
    let number = employee.employee_number.as_deref().filter(|number| !number.is_empty());
    let other = number.is_some_and(|number| number != who.employee_id.as_str());
    let email = employee.work_email.as_deref();
    let unknown = number.is_none() && !email.is_some_and(|email| email.eq_ignore_ascii_case(&who.email));
    let what = match (other, unknown) {
        (true, _) => "employee number",
        (_, true) => "work e-mail address",
        _ => return None,
    };
    let detail = format!("the employee {} carries another {what}", employee.id);
    Some(Fault::new(FaultKind::Ambiguous, detail))
}

#[async_trait]
impl Adapter for Hris {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn discover(&self, http: &Reader, who: &Person) -> Result<Inventory, Fault> {
        let Some((id, matched_by)) = id_of(http, who).await? else { return Ok(Inventory::absent()) };
        let Some(employee) = details(http, &id).await? else { return Ok(Inventory::absent()) };
        if let Some(fault) = contradicts(&employee, who) {
            return Err(fault);
        }
        let (rows, users) = tokio::try_join!(http.ask(statuses(&id)), http.ask(users()))?;
        let rows: Vec<StatusRow> = rows.json()?;
        let users: BTreeMap<String, User> = users.json()?;
        let user = users.values().find(|user| user.employee_id.to_string() == id);
        let status = match employee.status.as_deref() {
            Some("Active") => AccountStatus::Active,
            Some("Inactive") => AccountStatus::Deactivated,
            _ => return Err(Fault::shape("the employee's status cannot be seen with this API key")),
        };
        let mut facts = BTreeMap::new();
        let recorded = ends(&rows).or_else(|| day(employee.termination_date.as_deref()));
        facts.extend(recorded.map(|on| ("ends".to_owned(), on.to_string())));
        facts.extend(user.and_then(|user| Some(("login".to_owned(), user.status.clone()?))));
        let account = Account {
            id,
            login: employee.work_email.unwrap_or_else(|| who.email.clone()),
            status,
            matched_by: matched_by.to_owned(),
            privileged: false,
            last_login: user.and_then(|user| user.last_login),
            facts,
        };
        Ok(Inventory::of(account, Sessions::Unreadable))
    }

    /// All that the HRIS tells is the last login.
    async fn activity(&self, _: &Reader, who: &Account, since: Timestamp) -> Result<Activity, Fault> {
        let login = who.last_login.filter(|at| *at >= since).map(|at| ActivityEvent {
            id: format!("last-login-{}", who.id),
            at,
            kind: ActivityKind::Login,
            country: None,
            count: 1,
        });
        let incomplete = Some("BambooHR tells the last login only".to_owned());
        Ok(Activity { since, events: login.into_iter().collect(), incomplete })
    }

    /// The source is never written to.
    fn revoke(&self, _: &Inventory) -> Vec<Action> {
        Vec::new()
    }

    /// The source is never written to: HR hires whoever returns.
    fn restore(&self, _: &Inventory, _: &Inventory) -> Vec<Action> {
        Vec::new()
    }

    fn grant(&self, _: &str) -> Option<Grant> {
        None
    }

    async fn apply(&self, _: &Writer, _: &Inventory, _: &Action) -> Result<Outcome, Fault> {
        Err(Fault::new(FaultKind::Internal, "the HRIS is read, and never written to"))
    }

    fn residues(&self, before: &Inventory) -> Vec<Residue> {
        let Some(account) = &before.account else { return Vec::new() };
        let enabled = account.facts.get("login").is_some_and(|login| login == "enabled");
        let what = match (account.status, account.facts.get("ends")) {
            (AccountStatus::Active, None) => {
                "the HRIS lists them as employed and their login works until HR ends the employment there"
                    .into()
            }
            (AccountStatus::Active, Some(on)) => {
                format!(
                    "the HRIS lists them as employed and their login works until the end on record there, {on}"
                )
            }
            (_, _) if enabled => "their login to the HRIS still works, though the employment is over".into(),
            _ => return Vec::new(),
        };
        vec![Residue { what, lasts: None }]
    }

    /// An API key has no scopes: it sees what its user's access level shows, and hides the rest without an error.
    async fn missing(&self, http: &Reader) -> Result<Vec<Missing>, Fault> {
        let mut missing = missing_by_reads(http, [("user", users())]).await?;
        let list: List = match http.ask(employees().query("page[limit]", 1)).await {
            Err(fault) if is_refused(&fault) => {
                let directory = [("employee", api(["employees", "directory"]))];
                missing.extend(missing_by_reads(http, directory).await?);
                return Ok(missing);
            }
            answer => answer?.json()?,
        };
        let Some(first) = list.data.into_iter().next() else { return Ok(missing) };
        if first.restricted.iter().any(|field| field == "workEmail") {
            let shown_by = "the list of employees hides the work e-mail address".to_owned();
            missing.push(Missing { scope: "employee", shown_by });
        }
        let rows = http.find(statuses(&first.employee_id)).await?;
        let rows: Option<Vec<StatusRow>> = rows.map(|answer| answer.json()).transpose()?;
        if rows.is_none_or(|rows| rows.iter().any(|row| row.employment_status.is_none())) {
            let shown_by = format!("the table {TABLE} is hidden");
            missing.push(Missing { scope: "employee:job", shown_by });
        }
        Ok(missing)
    }

    /// The number 0 is whoever the key belongs to, who may be no employee.
    async fn probe(&self, http: &Reader) -> Result<(), Fault> {
        http.find(api(["employees", "0"]).query("fields", "status")).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(date: &str, status: &str) -> StatusRow {
        StatusRow { date: Some(date.into()), employment_status: Some(status.into()) }
    }

    #[test]
    fn the_newest_row_says_whether_an_employment_ends() {
        let over = [row("2026-05-31", "Terminated"), row("2024-01-01", "Full-Time")];
        assert_eq!(ends(&over), Some("2026-05-31".parse().unwrap()));
        let back = [row("2025-05-31", "Terminated"), row("2025-09-01", "Full-Time")];
        assert_eq!(ends(&back), None);
        assert_eq!(ends(&[row("0000-00-00", "Terminated")]), None);
        assert_eq!(ends(&[]), None);
    }
}
