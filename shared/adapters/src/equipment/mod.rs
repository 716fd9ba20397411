//! Equipment: one ticket per person for everything that has to come back, in Jira or in ServiceNow.
//!
//! Opening a ticket is not idempotent, so a label tells whether there is one: it is looked for before anything is opened,
//! and the ticket itself is read, never what a search remembers of it. A ticket that people closed speaks for the
//! things that it names: for those no other is opened. One that leaver takes back gets another label, and speaks for nothing.

mod jira;
mod servicenow;

use crate::{
    Adapter, Missing, Part, Residue, Roster, Spec,
    auth::Auth,
    http::{Reader, Writer},
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
use std::collections::BTreeMap;

/// What is known of the ticket system without asking it.
pub const SPEC: Spec = Spec {
    id: "equipment",
    name: "Equipment (Jira or ServiceNow)",
    part: Part::Ticket,
    hosts: &[("", "https://your-company.atlassian.net")],
    settings: &[
        ("product", "`jira` (where missing) or `servicenow`"),
        ("base_url", "https address of the Jira site or the ServiceNow instance"),
        ("email", "Jira: e-mail address of leaver's own account"),
        ("api_token", "Jira: API token of that account"),
        ("project", "Jira: key of the project in which tickets are opened"),
        ("issue_type", "Jira, optional: name of the tickets' issue type, otherwise Task"),
        (
            "assets_project",
            "Jira: key of the project that has an issue for each thing, assigned to its holder",
        ),
        (
            "assets_jql",
            "Jira, instead of assets_project: JQL of a person's things, with {employee_id}, {email} and {account_id}",
        ),
        ("client_id", "ServiceNow: client id of an OAuth application for the client credentials grant"),
        ("client_secret", "ServiceNow: its secret"),
        ("table", "ServiceNow, optional: the tickets' table, otherwise incident"),
        ("cancelled_state", "ServiceNow, optional: value of that table's state for cancelled, otherwise 8"),
        (
            "assignee",
            "optional: account id (Jira) or sys_id (ServiceNow) that gets tickets of people without a manager",
        ),
        ("due_days", "optional: days from the last day until everything is due, otherwise 14"),
    ],
    scopes: &[
        "tickets: browse",
        "tickets: create",
        "tickets: edit and close",
        "people: browse",
        "things: browse",
    ],
    order: &[
        "Find the person's account by e-mail address; ServiceNow: by employee number too",
        "List the things that are assigned to them",
        "Look for a ticket with the label leaver-<employee id>, and read it",
        "Where there is none, look once more, then open one: every thing by name, the manager as assignee, a due day",
        "Read the ticket back, field by field",
        "Leave each thing as a task until it is returned",
    ],
    residuals: &[
        "Things stay with the person until they are handed in; a ticket is only the request",
        "Jira hides the accounts of people who were deactivated: without assets_jql by employee id, their things are not found any more",
        "ServiceNow ignores fields that an access control forbids; leaver reads back, and names what is missing",
    ],
    setup: &[
        "Jira: make an account for leaver with Browse projects, Create issues, Edit issues, Assign issues and Transition issues in the tickets' project, and Browse projects in that of the things",
        "Jira: give it the global permission Browse users and groups, and make an API token as that account",
        "ServiceNow: set the property glide.oauth.inbound.client.credential.grant_type.enabled, make an OAuth application and choose its application user",
        "ServiceNow: give that user read on sys_user and alm_asset, and read, create and write on the tickets' table with the fields correlation_id, description, due_date, assigned_to and state",
        "Keep the record of who holds what where leaver reads it: issues assigned to the holder, or alm_asset with assigned_to",
        "Put the settings of the product into leaver's secret for equipment",
    ],
    roster: Roster::Unlisted("Things are no accounts."),
    source: "Jira Cloud platform REST API v3, OpenAPI of 2025-12; ServiceNow: pages Table API and Client Credentials, release Australia",
};

/// Something that has to come back.
struct Thing {
    id: String,
    kind: String,
    name: String,
}

/// A ticket that carries the person's label, as a read of itself says.
struct Ticket {
    id: String,
    key: String,
    is_open: bool,
    /// All its text.
    text: String,
}

/// The account of a person.
struct Holder {
    id: String,
    matched_by: &'static str,
}

/// What a ticket says.
struct Order<'a> {
    label: &'a str,
    summary: String,
    intro: String,
    things: Vec<String>,
    assignee: Option<&'a str>,
    due: Option<&'a str>,
}

enum Desk {
    Jira(jira::Jira),
    ServiceNow(servicenow::ServiceNow),
}

struct Equipment {
    desk: Desk,
    assignee: Option<String>,
    due_days: i32,
}

/// The adapter and its authentication.
///
/// # Errors
/// `CredentialRejected` where a setting is missing or unusable.
pub fn open(settings: &Settings) -> Result<(Box<dyn Adapter>, Auth), Fault> {
    let bad =
        |what: &str| Fault::new(FaultKind::CredentialRejected, format!("`{what}` of equipment is unusable"));
    let due_days = settings.optional("due_days").map_or(Ok(14), |days| days.parse());
    let due_days = due_days.ok().filter(|days| (0..=365).contains(days)).ok_or_else(|| bad("due_days"))?;
    let (desk, auth) = match settings.optional("product").as_deref() {
        None | Some("jira") => {
            let (jira, auth) = jira::open(settings)?;
            (Desk::Jira(jira), auth)
        }
        Some("servicenow") => {
            let (servicenow, auth) = servicenow::open(settings)?;
            (Desk::ServiceNow(servicenow), auth)
        }
        Some(_) => return Err(bad("product")),
    };
    Ok((Box::new(Equipment { desk, assignee: settings.optional("assignee"), due_days }), auth))
}

/// The label by which a person's ticket is found.
fn label_of(who: &Person) -> String {
    format!("leaver-{}", who.employee_id)
}

/// The label of a ticket that leaver took back.
fn cancelled(label: &str) -> String {
    format!("{label}-cancelled")
}

/// What a thing is, in few common words; otherwise the product's own.
fn kind_of(word: &str) -> String {
    let word = word.to_lowercase();
    let common = [
        ("laptop", "laptop"),
        ("notebook", "laptop"),
        ("phone", "phone"),
        ("mobile", "phone"),
        ("monitor", "monitor"),
        ("display", "monitor"),
        ("access card", "access_card"),
        ("badge", "access_card"),
    ];
    let known = common.iter().find(|(part, _)| word.contains(part)).map(|(_, kind)| (*kind).to_owned());
    known.unwrap_or_else(|| word.split_whitespace().collect::<Vec<_>>().join("_"))
}

/// How a ticket names a thing. A ticket is asked for it again later, so the id stands in brackets of its own.
fn line(asset: &Asset) -> String {
    format!("{}: {} ({})", asset.kind.replace('_', " "), asset.name, asset.id)
}

/// Whether a ticket that people closed speaks for a thing.
fn names(ticket: &Ticket, thing: &str) -> bool {
    !ticket.is_open && ticket.text.contains(&format!("({thing})"))
}

/// Where the return stands; `None` where nothing has to come back, and nobody was asked.
fn status(things: &[Thing], tickets: &[Ticket]) -> Option<AccountStatus> {
    if things.is_empty() && tickets.is_empty() {
        return None;
    }
    if tickets.iter().any(|ticket| ticket.is_open) {
        return Some(AccountStatus::Suspended);
    }
    let spoken_for = |thing: &Thing| tickets.iter().any(|ticket| names(ticket, &thing.id));
    let all = things.iter().all(spoken_for);
    Some(if all { AccountStatus::Deactivated } else { AccountStatus::Active })
}

impl Desk {
    async fn holder(&self, http: &Reader, who: &Person) -> Result<Option<Holder>, Fault> {
        match self {
            Self::Jira(jira) => jira.holder(http, who).await,
            Self::ServiceNow(servicenow) => servicenow.holder(http, who).await,
        }
    }

    async fn things(&self, http: &Reader, who: &Person, id: Option<&str>) -> Result<Vec<Thing>, Fault> {
        match self {
            Self::Jira(jira) => jira.things(http, who, id).await,
            Self::ServiceNow(servicenow) => servicenow.things(http, id).await,
        }
    }

    async fn tickets(&self, http: &Reader, label: &str) -> Result<Vec<Ticket>, Fault> {
        match self {
            Self::Jira(jira) => jira.tickets(http, label).await,
            Self::ServiceNow(servicenow) => servicenow.tickets(http, label).await,
        }
    }

    async fn manager(&self, http: &Reader, who: &Person) -> Result<Option<String>, Fault> {
        match self {
            Self::Jira(jira) => jira.manager(http, who).await,
            Self::ServiceNow(servicenow) => servicenow.manager(http, who).await,
        }
    }

    async fn open(&self, http: &Writer, order: &Order<'_>) -> Result<(), Fault> {
        match self {
            Self::Jira(jira) => jira.open(http, order).await,
            Self::ServiceNow(servicenow) => servicenow.open(http, order).await,
        }
    }

    async fn cancel(&self, http: &Writer, ticket: &Ticket, label: &str) -> Result<(), Fault> {
        match self {
            Self::Jira(jira) => jira.cancel(http, ticket, label).await,
            Self::ServiceNow(servicenow) => servicenow.cancel(http, ticket, label).await,
        }
    }
}

impl Equipment {
    /// What opening a ticket needs and the things do not tell.
    async fn facts(
        &self,
        http: &Reader,
        who: &Person,
        is_due: bool,
    ) -> Result<BTreeMap<String, String>, Fault> {
        let mut facts = BTreeMap::from([
            ("label".to_owned(), label_of(who)),
            ("name".to_owned(), who.name.clone()),
            ("employee_id".to_owned(), who.employee_id.to_string()),
        ]);
        facts.extend(who.location.clone().map(|place| ("location".to_owned(), place)));
        if is_due {
            let last: Date = who.last_day.unwrap_or_else(|| who.day_of(http.now()));
            let due = last.checked_add(self.due_days.days()).unwrap_or(last);
            facts.insert("due".to_owned(), due.to_string());
            let manager = self.desk.manager(http, who).await?.or_else(|| self.assignee.clone());
            facts.extend(manager.map(|id| ("assignee".to_owned(), id)));
        }
        Ok(facts)
    }
}

fn order<'a>(account: &'a Account, found: &'a Inventory) -> Order<'a> {
    let fact = |name: &str| account.facts.get(name).map(String::as_str);
    let (name, number) = (fact("name").unwrap_or_default(), fact("employee_id").unwrap_or_default());
    let place = fact("location").map(|place| format!(" ({place})")).unwrap_or_default();
    Order {
        label: fact("label").unwrap_or_default(),
        summary: format!("Equipment of {name} ({number}) to be returned"),
        intro: format!(
            "{name}{place} leaves. These things are to be returned; close this ticket once they are:"
        ),
        things: found.assets.iter().map(line).collect(),
        assignee: fact("assignee"),
        due: fact("due"),
    }
}

#[async_trait]
impl Adapter for Equipment {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn discover(&self, http: &Reader, who: &Person) -> Result<Inventory, Fault> {
        let label = label_of(who);
        let holder = self.desk.holder(http, who).await?;
        let id = holder.as_ref().map(|holder| holder.id.as_str());
        let things = self.desk.things(http, who, id).await?;
        let tickets = self.desk.tickets(http, &label).await?;
        let Some(status) = status(&things, &tickets) else { return Ok(Inventory::absent()) };
        let mut facts = self.facts(http, who, status == AccountStatus::Active).await?;
        facts.extend(tickets.last().map(|ticket| ("ticket".to_owned(), ticket.key.clone())));
        let (id, matched_by) = holder.map_or((label, "label"), |holder| (holder.id, holder.matched_by));
        let account = Account {
            id,
            login: who.email.clone(),
            status,
            matched_by: matched_by.to_owned(),
            privileged: false,
            last_login: None,
            facts,
        };
        let mut found = Inventory::of(account, Sessions::Listed(Vec::new()));
        found.assets.extend(things.into_iter().map(|thing| Asset {
            id: thing.id,
            kind: thing.kind,
            name: thing.name,
            live_automation: false,
            next: Next::Task,
        }));
        Ok(found)
    }

    async fn activity(&self, _: &Reader, _: &Account, since: Timestamp) -> Result<Activity, Fault> {
        Ok(Activity::unavailable(since, "things have no log of what was done with them"))
    }

    fn revoke(&self, found: &Inventory) -> Vec<Action> {
        let Some(account) = found.account.as_ref().filter(|_| found.is_active()) else { return Vec::new() };
        let label = format!("ticket for {} things of {}", found.assets.len(), account.login);
        vec![Action::clean_up(ActionKind::OpenTicket, &account.id, label)]
    }

    /// A ticket that is closed is left alone once nothing is held any more.
    fn restore(&self, before: &Inventory, now: &Inventory) -> Vec<Action> {
        let Some(account) = now.account.as_ref().filter(|_| before.is_active()) else { return Vec::new() };
        let taken_back = match account.status {
            AccountStatus::Active => true,
            AccountStatus::Suspended => false,
            AccountStatus::Deactivated => now.assets.is_empty(),
        };
        if taken_back {
            return Vec::new();
        }
        let ticket = account.facts.get("ticket").map_or("the ticket", String::as_str);
        vec![Action::clean_up(ActionKind::EnableAccount, &account.id, format!("take {ticket} back"))]
    }

    fn grant(&self, _: &str) -> Option<Grant> {
        None
    }

    async fn apply(&self, http: &Writer, found: &Inventory, action: &Action) -> Result<Outcome, Fault> {
        let Some(account) = &found.account else { return Ok(Outcome::Already) };
        let label = account.facts.get("label").map(String::as_str).unwrap_or_default();
        let tickets = self.desk.tickets(http, label).await?;
        match action.kind {
            // Somebody may have opened one since, and a second one is worse than another look.
            ActionKind::OpenTicket if tickets.iter().any(|ticket| ticket.is_open) => Ok(Outcome::Already),
            ActionKind::OpenTicket => {
                self.desk.open(http, &order(account, found)).await.map(|()| Outcome::Done)
            }
            ActionKind::EnableAccount => {
                for ticket in &tickets {
                    self.desk.cancel(http, ticket, label).await?;
                }
                Ok(if tickets.is_empty() { Outcome::Already } else { Outcome::Done })
            }
            _ => Err(Fault::new(FaultKind::Internal, "not an action of this adapter")),
        }
    }

    fn residues(&self, before: &Inventory) -> Vec<Residue> {
        let residue =
            |asset: &Asset| Residue { what: format!("{}, until it is returned", line(asset)), lasts: None };
        before.assets.iter().map(residue).collect()
    }

    async fn missing(&self, http: &Reader) -> Result<Vec<Missing>, Fault> {
        match &self.desk {
            Desk::Jira(jira) => jira.missing(http).await,
            Desk::ServiceNow(servicenow) => servicenow.missing(http).await,
        }
    }

    async fn probe(&self, http: &Reader) -> Result<(), Fault> {
        let read = match &self.desk {
            Desk::Jira(_) => jira::myself(),
            Desk::ServiceNow(servicenow) => servicenow.some(),
        };
        http.ask(read).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thing(id: &str) -> Thing {
        Thing { id: id.into(), kind: "laptop".into(), name: "Laptop".into() }
    }

    fn ticket(is_open: bool, text: &str) -> Ticket {
        Ticket { id: "1".into(), key: "IT-1".into(), is_open, text: text.into() }
    }

    #[test]
    fn a_closed_ticket_speaks_for_what_it_names_and_for_nothing_else() {
        let closed = [ticket(false, "laptop: Laptop (AST-12)")];
        assert_eq!(status(&[thing("AST-12")], &closed), Some(AccountStatus::Deactivated));
        assert_eq!(status(&[thing("AST-1")], &closed), Some(AccountStatus::Active));
        assert_eq!(status(&[thing("AST-12"), thing("AST-13")], &closed), Some(AccountStatus::Active));
        assert_eq!(status(&[thing("AST-13")], &[ticket(true, "")]), Some(AccountStatus::Suspended));
        assert_eq!(status(&[], &[]), None);
    }

    #[test]
    fn the_kind_is_a_common_word_where_there_is_one() {
        let words = ["Apple Notebook", "Mobile device", "Access Card", "Standing Desk"];
        assert_eq!(words.map(kind_of), ["laptop", "phone", "access_card", "standing_desk"]);
    }
}
