//! The stand-in for the desk that gets equipment back: one that speaks as Jira and as ServiceNow, under each product's paths.
//!
//! `POST /_sandbox/equipment/forbid` `{field}` makes ServiceNow ignore what is written into a field, as an access control does.
//! `POST /_sandbox/equipment/close` `{username}` closes a person's open tickets as people do once all is back, and leaves the
//! record of who holds what as it is.

mod jira;
mod servicenow;

use crate::{
    credentials::{Maker, pairs},
    twin::{AccountView, Ask, Face, Reply, Twin, World},
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const ID: &str = "equipment";
/// Entries per page: small, so that every list of the sample data has more than one.
const PAGE: usize = 2;
/// The project of the tickets.
const DESK: &str = "ITD";
/// The project of the things.
const THINGS: &str = "AST";
/// What everybody holds.
const KIT: [(&str, &str); 4] = [
    ("Laptop", "ThinkPad T14 Gen 6"),
    ("Mobile Phone", "Pixel 10"),
    ("Monitor", "U2725QE"),
    ("Access Card", "Card of the main gate"),
];

struct Human {
    username: String,
    name: String,
    email: String,
    number: String,
    account_id: String,
    sys_id: String,
}

struct Thing {
    number: usize,
    kind: &'static str,
    name: String,
    holder: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Done,
    Cancelled,
}

struct Ticket {
    number: usize,
    summary: String,
    description: Value,
    labels: Vec<String>,
    assignee: Option<String>,
    due: Option<String>,
    state: State,
    /// Not in the search's index yet.
    is_new: bool,
}

struct Desk {
    basic: String,
    client: (String, String),
    token: String,
    humans: Vec<Human>,
    things: Vec<Thing>,
    tickets: Vec<Ticket>,
    forbidden: BTreeSet<String>,
}

/// The credentials that leaver presents here, for both products; it uses Jira's unless told otherwise.
pub(crate) fn settings(base: &str, make: &mut Maker) -> BTreeMap<String, String> {
    pairs([
        ("product", "jira".to_owned()),
        ("base_url", base.to_owned()),
        ("email", "leaver@example.com".to_owned()),
        ("api_token", make.token("ATATT")),
        ("project", DESK.to_owned()),
        ("assets_project", THINGS.to_owned()),
        ("client_id", "leaver".to_owned()),
        ("client_secret", make.token("")),
    ])
}

/// The stand-in with the sample people, each with a kit of things.
pub(crate) fn twin(world: &World) -> Box<dyn Twin> {
    let (mut humans, mut things) = (Vec::new(), Vec::new());
    for (index, sample) in world.people_in(ID).enumerate() {
        let person = &sample.person;
        humans.push(Human {
            username: person.username.to_string(),
            name: person.name.clone(),
            email: sample.email_in(ID).to_owned(),
            number: person.employee_id.to_string(),
            account_id: format!("712020:{index:08x}"),
            sys_id: format!("{index:032x}"),
        });
        for (kind, name) in KIT {
            let number = things.len() + 1;
            things.push(Thing { number, kind, name: format!("{name} no. {number}"), holder: index });
        }
    }
    let secret = world.setting(ID, "client_secret");
    Box::new(Desk {
        basic: jira::basic(&world.setting(ID, "email"), &world.setting(ID, "api_token")),
        token: format!("at-{secret}"),
        client: (world.setting(ID, "client_id"), secret),
        humans,
        things,
        tickets: Vec::new(),
        forbidden: BTreeSet::new(),
    })
}

impl Desk {
    fn of(&self, username: &str) -> Option<(usize, &Human)> {
        self.humans.iter().enumerate().find(|(_, human)| human.username == username)
    }

    fn close(&mut self, username: &str) -> Reply {
        let Some(label) = self.of(username).map(|(_, human)| format!("leaver-{}", human.number)) else {
            return Reply::json(404, json!({"error": "there is no such person"}));
        };
        let open =
            self.tickets.iter_mut().filter(|one| one.state == State::Open && one.labels.contains(&label));
        let closed = open.map(|ticket| ticket.state = State::Done).count();
        Reply::json(200, json!({"closed": closed}))
    }
}

impl Twin for Desk {
    fn answer(&mut self, ask: &Ask) -> Reply {
        match ask.segments().as_slice() {
            ["rest", "api", "3", rest @ ..] => self.as_jira(ask, rest),
            ["oauth_token.do"] => self.token(ask),
            ["api", "now", "table", table, rest @ ..] => self.as_servicenow(ask, table, rest),
            _ => Reply::empty(404),
        }
    }

    fn account(&self, username: &str) -> AccountView {
        let Some((index, human)) = self.of(username) else { return AccountView::default() };
        let label = format!("leaver-{}", human.number);
        let open: Vec<&Ticket> = self
            .tickets
            .iter()
            .filter(|one| one.state == State::Open && one.labels.contains(&label))
            .collect();
        let held = self.things.iter().any(|thing| thing.holder == index);
        AccountView {
            exists: true,
            active: held && open.is_empty(),
            grants: open.iter().map(|ticket| ticket.summary.clone()).collect(),
            ..AccountView::default()
        }
    }

    fn face(&mut self, ask: &Ask) -> Option<Face> {
        let body = ask.json();
        let reply = match (ask.method.as_str(), ask.segments().as_slice()) {
            ("POST", [ID, "forbid"]) => {
                self.forbidden.extend(body["field"].as_str().map(str::to_owned));
                Reply::empty(204)
            }
            ("POST", [ID, "close"]) => self.close(body["username"].as_str().unwrap_or_default()),
            ("GET", [ID, "tickets"]) => {
                let one = |ticket: &Ticket| {
                    json!({"summary": ticket.summary, "description": ticket.description, "due": ticket.due,
                           "labels": ticket.labels, "assignee": ticket.assignee, "open": ticket.state == State::Open})
                };
                Reply::json(200, self.tickets.iter().map(one).collect())
            }
            _ => return None,
        };
        Some(Face::Answer(reply))
    }
}
