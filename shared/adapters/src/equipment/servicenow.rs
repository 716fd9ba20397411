//! ServiceNow: things are rows of `alm_asset`, tickets rows of a task table, by the Table API.
//!
//! A field that an access control forbids is ignored, and the answer is a success all the same: what was written is
//! read again, field by field, and what is missing is said.

use super::{Holder, Order, Thing, Ticket, cancelled, kind_of};
use crate::{
    Missing,
    auth::{Auth, Exchange},
    http::{Answer, Command, Query, Reader, Writer},
    missing_by_reads, page,
    settings::Settings,
};
use leaver_domain::{
    fault::{Fault, FaultKind},
    person::Person,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// Rows per page.
const PER: usize = 100;
const FIELDS: &str = "sys_id,number,state,active,correlation_id,description";

/// One ServiceNow instance.
pub(super) struct ServiceNow {
    table: String,
    cancelled_state: String,
}

#[derive(Deserialize)]
struct Rows<T> {
    result: Vec<T>,
}

#[derive(Deserialize)]
struct Row<T> {
    result: T,
}

#[derive(Deserialize)]
struct User {
    sys_id: String,
    employee_number: Option<String>,
}

#[derive(Deserialize)]
struct Thing0 {
    sys_id: String,
    asset_tag: Option<String>,
    display_name: Option<String>,
    model_category: Option<String>,
}

#[derive(Deserialize)]
struct Task {
    sys_id: String,
    number: String,
    active: String,
    correlation_id: Option<String>,
    description: Option<String>,
}

/// The instance and the way it authenticates.
pub(super) fn open(settings: &Settings) -> Result<(ServiceNow, Auth), Fault> {
    let url =
        settings.url("", "https://your-instance.service-now.com")?.join("oauth_token.do").map_err(|_| {
            Fault::new(
                FaultKind::CredentialRejected,
                "`base_url` in the secret of equipment is not an address",
            )
        })?;
    let exchange = Exchange::ClientCredentials {
        client_id: settings.text("client_id")?,
        client_secret: settings.secret("client_secret")?.clone(),
        scope: "useraccount".to_owned(),
    };
    let servicenow = ServiceNow {
        table: settings.optional("table").unwrap_or_else(|| "incident".to_owned()),
        cancelled_state: settings.optional("cancelled_state").unwrap_or_else(|| "8".to_owned()),
    };
    Ok((servicenow, Auth::token(url, exchange)))
}

fn table<'a>(name: &'a str, rest: Option<&'a str>) -> impl Iterator<Item = &'a str> {
    ["api", "now", "table", name].into_iter().chain(rest)
}

/// A text inside an encoded query: a circumflex would begin another condition.
fn plain(text: &str) -> String {
    text.replace('^', "")
}

fn query(name: &str, wanted: String, fields: &str) -> Query {
    let query = Query::get(table(name, None)).query("sysparm_query", wanted).query("sysparm_fields", fields);
    query.query("sysparm_exclude_reference_link", true).query("sysparm_limit", PER)
}

async fn rows<T: DeserializeOwned>(http: &Reader, query: Query) -> Result<Vec<T>, Fault> {
    page::by_link(http, query, |answer: &Answer| Ok(answer.json::<Rows<T>>()?.result)).await
}

impl Task {
    fn ticket(self) -> Ticket {
        Ticket {
            id: self.sys_id,
            key: self.number,
            is_open: self.active == "true",
            text: self.description.unwrap_or_default(),
        }
    }
}

fn forbidden(what: &str, number: &str, fields: &[&str]) -> Fault {
    let detail = format!(
        "ServiceNow {what} {number} and ignored {}: an access control forbids leaver's user to write it",
        fields.join(", ")
    );
    Fault::new(FaultKind::PermissionMissing, detail)
}

impl ServiceNow {
    /// The cheapest read.
    pub(super) fn some(&self) -> Query {
        Query::get(table(&self.table, None)).query("sysparm_limit", 1).query("sysparm_fields", "sys_id")
    }

    pub(super) async fn holder(&self, http: &Reader, who: &Person) -> Result<Option<Holder>, Fault> {
        let (wanted, matched_by) = match who.login("equipment") {
            Some(login) => (format!("user_name={}", plain(login)), "login"),
            None => {
                let (email, number) = (plain(&who.email), plain(who.employee_id.as_str()));
                (format!("email={email}^ORemployee_number={number}"), "email or employee number")
            }
        };
        let mut users: Vec<User> = rows(http, query("sys_user", wanted, "sys_id,employee_number")).await?;
        let Some(user) = users.pop() else { return Ok(None) };
        let number = user.employee_number.as_deref().filter(|number| !number.is_empty());
        let detail = match (users.len(), number) {
            (0, Some(number)) if number != who.employee_id.as_str() => {
                "the user with this e-mail address carries another employee number".to_owned()
            }
            (0, _) => return Ok(Some(Holder { id: user.sys_id, matched_by })),
            (more, _) => format!("{} users carry this person's e-mail address or number", more + 1),
        };
        Err(Fault::new(FaultKind::Ambiguous, detail))
    }

    pub(super) async fn manager(&self, http: &Reader, who: &Person) -> Result<Option<String>, Fault> {
        let Some(manager) = &who.manager else { return Ok(None) };
        let wanted = format!("user_name={}^active=true", plain(manager.as_str()));
        let mut users: Vec<User> = rows(http, query("sys_user", wanted, "sys_id,employee_number")).await?;
        Ok(users.pop().filter(|_| users.is_empty()).map(|user| user.sys_id))
    }

    pub(super) async fn things(&self, http: &Reader, id: Option<&str>) -> Result<Vec<Thing>, Fault> {
        let Some(id) = id else { return Ok(Vec::new()) };
        let wanted = format!("assigned_to={}^ORDERBYsys_id", plain(id));
        let fields = "sys_id,asset_tag,display_name,model_category";
        let asked = query("alm_asset", wanted, fields).query("sysparm_display_value", true);
        let all: Vec<Thing0> = rows(http, asked).await?;
        let said = |text: Option<String>| text.filter(|text| !text.is_empty());
        let thing = |row: Thing0| {
            let id = said(row.asset_tag).unwrap_or(row.sys_id);
            Thing {
                kind: kind_of(&said(row.model_category).unwrap_or_else(|| "thing".to_owned())),
                name: said(row.display_name).unwrap_or_else(|| id.clone()),
                id,
            }
        };
        Ok(all.into_iter().map(thing).collect())
    }

    pub(super) async fn tickets(&self, http: &Reader, label: &str) -> Result<Vec<Ticket>, Fault> {
        let wanted = format!("correlation_id={}^ORDERBYsys_created_on", plain(label));
        let tasks: Vec<Task> = rows(http, query(&self.table, wanted, FIELDS)).await?;
        Ok(tasks.into_iter().map(Task::ticket).collect())
    }

    async fn read(&self, http: &Reader, id: &str) -> Result<Task, Fault> {
        let query = Query::get(table(&self.table, Some(id))).query("sysparm_fields", FIELDS);
        Ok(http.ask(query.query("sysparm_exclude_reference_link", true)).await?.json::<Row<Task>>()?.result)
    }

    pub(super) async fn open(&self, http: &Writer, order: &Order<'_>) -> Result<(), Fault> {
        let list = order.things.iter().map(|thing| format!("\n- {thing}")).collect::<String>();
        let mut body = json!({
            "short_description": order.summary, "description": format!("{}{list}", order.intro),
            "correlation_id": order.label, "correlation_display": "leaver",
        });
        for (field, value) in [("assigned_to", order.assignee), ("due_date", order.due)] {
            if let Some(value) = value {
                body[field] = value.into();
            }
        }
        let create = Command::post(table(&self.table, None)).query("sysparm_fields", FIELDS);
        let created = http.tell(create.json(body)).await?.json::<Row<Task>>()?.result;
        let kept = self.read(http, &created.sys_id).await?;
        let text = kept.description.as_deref().unwrap_or_default();
        let mut ignored = Vec::new();
        if kept.correlation_id.as_deref() != Some(order.label) {
            ignored.push("correlation_id");
        }
        if !order.things.iter().all(|thing| text.contains(thing)) {
            ignored.push("description");
        }
        if ignored.is_empty() {
            return Ok(());
        }
        // Nobody would find it by its label, or see what it is about: it is closed again, as far as that is allowed.
        let fault = forbidden("opened", &kept.number, &ignored);
        let _ = self.cancel(http, &kept.ticket(), order.label).await;
        Err(fault)
    }

    /// Closes the ticket as cancelled. Only then it loses its label: one that stays open must be found again.
    pub(super) async fn cancel(&self, http: &Writer, ticket: &Ticket, label: &str) -> Result<(), Fault> {
        if ticket.is_open {
            let body = json!({
                "state": self.cancelled_state, "close_notes": "Taken back by leaver.",
            });
            if self.change(http, ticket, body).await?.active == "true" {
                return Err(forbidden("changed", &ticket.key, &["state"]));
            }
        }
        let kept = self.change(http, ticket, json!({"correlation_id": cancelled(label)})).await?;
        match kept.correlation_id.as_deref() == Some(label) {
            true => Err(forbidden("changed", &ticket.key, &["correlation_id"])),
            false => Ok(()),
        }
    }

    /// Writes, and reads what became of it.
    async fn change(&self, http: &Writer, ticket: &Ticket, body: Value) -> Result<Task, Fault> {
        let change = Command::patch(table(&self.table, Some(&ticket.id))).query("sysparm_fields", FIELDS);
        http.tell(change.json(body)).await?;
        self.read(http, &ticket.id).await
    }

    /// Reading can be tried; whether a field may be written shows when one is.
    pub(super) async fn missing(&self, http: &Reader) -> Result<Vec<Missing>, Fault> {
        let one =
            |name| Query::get(table(name, None)).query("sysparm_limit", 1).query("sysparm_fields", "sys_id");
        let reads = [
            ("tickets: browse", self.some()),
            ("people: browse", one("sys_user")),
            ("things: browse", one("alm_asset")),
        ];
        missing_by_reads(http, reads).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_begins_another_condition_in_a_query() {
        assert_eq!(plain("a^ORactive=true"), "aORactive=true");
    }
}
