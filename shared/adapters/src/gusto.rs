//! What payroll and benefits share at Gusto: one company, its employees by page, and who of them is the person.
//!
//! The search goes by names, so it only narrows the list down: the work e-mail address decides. Whoever is not found
//! by name is looked for among all employees, because a name that is spelled in another way is no absence.

use crate::{
    auth::Auth,
    http::{Answer, Command, Query, Reader},
    page,
    settings::Settings,
};
use leaver_domain::{
    fault::{Fault, FaultKind},
    person::Person,
};
use serde::{Deserialize, de::DeserializeOwned};

/// The version of the API that these calls are written for.
const VERSION: &str = "2025-06-15";
/// Entries per page.
const PER: usize = 100;
/// The vendor's addresses.
pub(crate) const HOSTS: crate::http::Hosts = &[("", "https://api.gusto.com")];
/// The description that both systems follow.
pub(crate) const SOURCE: &str = "Gusto API, OpenAPI 2025-06-15";

/// One company at Gusto.
pub(crate) struct Company {
    uuid: String,
}

/// An employee, as far as it matters here.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Employee {
    /// Gusto's id.
    pub uuid: String,
    /// The address that the company gave.
    pub work_email: Option<String>,
    /// How they are employed.
    pub current_employment_status: Option<String>,
    /// Their jobs.
    #[serde(default)]
    pub jobs: Vec<Job>,
}

/// A job of an employee.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Job {
    /// Since when.
    pub hire_date: Option<jiff::civil::Date>,
    /// Whether it is the main one.
    #[serde(default)]
    pub primary: bool,
    /// Where.
    pub location_uuid: Option<String>,
}

/// A read with the API's version.
pub(crate) fn get<'a>(path: impl IntoIterator<Item = &'a str>) -> Query {
    Query::get(["v1"].into_iter().chain(path)).header("x-gusto-api-version", VERSION)
}

/// A write with the API's version.
pub(crate) fn with_version(command: Command) -> Command {
    command.header("x-gusto-api-version", VERSION)
}

/// The company and the way it authenticates.
///
/// # Errors
/// `CredentialRejected` where a setting is missing.
pub(crate) fn open(settings: &Settings) -> Result<(Company, Auth), Fault> {
    let uuid = settings.text("company_id")?;
    Ok((Company { uuid }, Auth::bearer(settings.secret("access_token")?.clone())))
}

/// All entries of a list that is asked for page by page. A page that is not full may still be followed by another,
/// since the vendor may cut what is asked for: the list ends with an empty page or one shorter than the first.
pub(crate) async fn all<T: DeserializeOwned>(http: &Reader, query: Query) -> Result<Vec<T>, Fault> {
    let mut number = 1_usize;
    let mut size = 0;
    let ask = |token: Option<&str>| Ok(query.clone().query("page", token.unwrap_or("1")).query("per", PER));
    let each = |answer: &Answer| {
        let items: Vec<T> = answer.json()?;
        size = size.max(items.len());
        number += 1;
        let more = !items.is_empty() && items.len() == size;
        Ok((items, more.then(|| number.to_string())))
    };
    page::by_token(http, ask, each).await
}

impl Company {
    fn employees(&self) -> Query {
        get(["companies", &self.uuid, "employees"])
    }

    /// The employee who is this person, whether still employed or not, and what told.
    ///
    /// # Errors
    /// `Ambiguous` where several carry the address, or the recorded one carries another; otherwise what the calls say.
    pub(crate) async fn find(
        &self,
        http: &Reader,
        who: &Person,
        system: &str,
    ) -> Result<Option<(Employee, &'static str)>, Fault> {
        if let Some(uuid) = who.login(system) {
            let Some(answer) = http.find(get(["employees", uuid])).await? else { return Ok(None) };
            let employee: Employee = answer.json()?;
            if employee.work_email.is_some() && !carries(&employee, who) {
                let detail = format!("the employee {uuid} carries another work e-mail address");
                return Err(Fault::new(FaultKind::Ambiguous, detail));
            }
            return Ok(Some((employee, "login")));
        }
        let family = who.name.split_whitespace().next_back().unwrap_or(&who.name);
        let named = all::<Employee>(http, self.employees().query("search_term", family)).await?;
        let found = match only(named, who)? {
            None => only(all(http, self.employees()).await?, who)?,
            found => found,
        };
        Ok(found.map(|employee| (employee, "work e-mail")))
    }

    /// A read that needs `employees:read`, and one of the answers for reads that need an employee.
    ///
    /// # Errors
    /// What the call says.
    pub(crate) async fn anybody(&self, http: &Reader) -> Result<Option<String>, Fault> {
        let some: Vec<Employee> = http.ask(self.some()).await?.json()?;
        Ok(some.into_iter().next().map(|employee| employee.uuid))
    }

    /// The cheapest read.
    pub(crate) fn some(&self) -> Query {
        self.employees().query("page", 1).query("per", 1)
    }
}

fn carries(employee: &Employee, who: &Person) -> bool {
    employee.work_email.as_deref().is_some_and(|email| email.eq_ignore_ascii_case(&who.email))
}

fn only(employees: Vec<Employee>, who: &Person) -> Result<Option<Employee>, Fault> {
    let mut same = employees.into_iter().filter(|employee| carries(employee, who));
    let first = same.next();
    match same.count() {
        0 => Ok(first),
        more => {
            let detail = format!("{} employees carry this person's work e-mail address", more + 1);
            Err(Fault::new(FaultKind::Ambiguous, detail))
        }
    }
}
