//! As Jira: issues of two projects, users, a search that lags behind what was just written.

use super::{DESK, Desk, Human, PAGE, State, THINGS, Thing, Ticket};
use crate::twin::{Ask, Reply, slice};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

/// Ways through the workflow: id, name, the status that they lead to, its category.
const WAYS: [(&str, &str, &str, &str); 3] = [
    ("21", "Start", "In Progress", "indeterminate"),
    ("31", "Finish", "Done", "done"),
    ("41", "Cancel request", "Cancelled", "done"),
];
/// Where the tickets' ids begin.
const FIRST: usize = 20_000;

/// What an account's header holds.
pub(super) fn basic(email: &str, token: &str) -> String {
    BASE64_STANDARD.encode(format!("{email}:{token}"))
}

impl Desk {
    pub(super) fn as_jira(&mut self, ask: &Ask, path: &[&str]) -> Reply {
        if ask.credential("Basic ") != self.basic {
            return Reply::empty(401);
        }
        match (ask.method.as_str(), path) {
            ("GET", ["myself"]) => {
                let leaver = json!({"self": ask.base, "accountId": "712020:leaver", "accountType": "atlassian",
                                    "displayName": "leaver", "active": true, "timeZone": "UTC"});
                Reply::json(200, leaver)
            }
            ("GET", ["mypermissions"]) => {
                let one = |key: &str| json!({"id": "1", "key": key, "name": key, "type": "PROJECT", "description": "", "havePermission": true});
                let keys = ask.param("permissions").split(',').map(|key| (key.to_owned(), one(key)));
                Reply::json(200, json!({"permissions": keys.collect::<serde_json::Map<_, _>>()}))
            }
            ("GET", ["user", "search"]) => self.users(ask),
            ("GET", ["search", "jql"]) => self.search(ask),
            ("POST", ["issue"]) => self.create(ask),
            (_, ["issue", id, rest @ ..]) => match self.ticket(id) {
                Some(index) => self.of_issue(ask, index, rest),
                None => Reply::empty(404),
            },
            _ => Reply::empty(404),
        }
    }

    fn ticket(&self, id: &str) -> Option<usize> {
        self.tickets.iter().position(|one| id_of(one) == id || key_of(one) == id)
    }

    fn users(&self, ask: &Ask) -> Reply {
        let wanted = ask.param("query").to_lowercase();
        if wanted.is_empty() {
            return Reply::empty(400);
        }
        let hits = |human: &&Human| {
            human.email.starts_with(&wanted) || human.name.to_lowercase().starts_with(&wanted)
        };
        let all: Vec<Value> = self.humans.iter().filter(hits).map(|human| user(ask, human)).collect();
        let start = ask.param("startAt").parse().unwrap_or(0);
        Reply::json(200, Value::Array(slice(&all, start, PAGE).0))
    }

    fn search(&mut self, ask: &Ask) -> Reply {
        let jql = ask.param("jql");
        let wanted = |field: &str| {
            let (_, rest) = jql.split_once(&format!("{field} = \""))?;
            rest.split('"').next().map(str::to_owned)
        };
        let all: Vec<Value> = match (wanted("project").as_deref(), wanted("assignee"), wanted("labels")) {
            (Some(THINGS), Some(holder), _) => {
                let theirs = self.things.iter().filter(|one| self.humans[one.holder].account_id == holder);
                theirs.map(|one| thing(ask, one)).collect()
            }
            (Some(DESK), _, Some(label)) => {
                let now: Vec<&str> = ask.param("reconcileIssues").split(',').collect();
                let mut shown = Vec::new();
                for ticket in self.tickets.iter_mut().filter(|one| one.labels.contains(&label)) {
                    let is_known = !ticket.is_new || now.contains(&id_of(ticket).as_str());
                    ticket.is_new = false;
                    shown.extend(is_known.then(|| issue(ask, ticket)));
                }
                shown
            }
            _ => return wrong(400, "The query is unbounded or not understood."),
        };
        let start = ask.param("nextPageToken").parse().unwrap_or(0);
        let (page, next) = slice(&all, start, PAGE);
        let mut body = json!({"issues": page, "isLast": next.is_none()});
        if let Some(next) = next {
            body["nextPageToken"] = next.to_string().into();
        }
        Reply::json(200, body)
    }

    fn create(&mut self, ask: &Ask) -> Reply {
        let fields = ask.json()["fields"].clone();
        let text = |name: &str| fields[name].as_str().map(str::to_owned);
        let assignee = fields.pointer("/assignee/id").and_then(Value::as_str).map(str::to_owned);
        let is_known = |id: &String| self.humans.iter().any(|human| human.account_id == *id);
        if fields["project"]["key"] != DESK || fields["issuetype"]["name"] != "Task" {
            return wrong(400, "Specify a valid project and issue type.");
        }
        if fields["description"]["type"] != "doc" || text("summary").is_none() {
            return wrong(400, "Operation value must be an Atlassian Document.");
        }
        if assignee.as_ref().is_some_and(|id| !is_known(id)) {
            return wrong(400, "The assignee cannot be assigned issues.");
        }
        let labels = fields["labels"].as_array().into_iter().flatten();
        let ticket = Ticket {
            number: self.tickets.len() + 1,
            summary: text("summary").unwrap_or_default(),
            description: fields["description"].clone(),
            labels: labels.filter_map(|label| label.as_str().map(str::to_owned)).collect(),
            assignee,
            due: text("duedate"),
            state: State::Open,
            is_new: true,
        };
        let (id, key) = (id_of(&ticket), key_of(&ticket));
        self.tickets.push(ticket);
        Reply::json(201, json!({"id": id, "key": key, "self": format!("{}/rest/api/3/issue/{id}", ask.base)}))
    }

    fn of_issue(&mut self, ask: &Ask, index: usize, rest: &[&str]) -> Reply {
        let Some(ticket) = self.tickets.get_mut(index) else { return Reply::empty(404) };
        match (ask.method.as_str(), rest) {
            ("GET", []) => Reply::json(200, issue(ask, ticket)),
            ("PUT", []) => {
                let body = ask.json();
                for change in body["update"]["labels"].as_array().into_iter().flatten() {
                    let (add, remove) = (change["add"].as_str(), change["remove"].as_str());
                    ticket.labels.retain(|label| Some(label.as_str()) != remove);
                    ticket.labels.extend(add.map(str::to_owned));
                }
                Reply::empty(204)
            }
            ("GET", ["transitions"]) => {
                let ways = if ticket.state == State::Open { &WAYS[..] } else { &[] };
                let way = |(id, name, to, category): &(&str, &str, &str, &str)| {
                    json!({"id": id, "name": name, "to": status(ask, to, category), "hasScreen": false,
                           "isGlobal": false, "isInitial": false, "isConditional": false, "isAvailable": true})
                };
                Reply::json(200, json!({"transitions": ways.iter().map(way).collect::<Vec<_>>()}))
            }
            ("POST", ["transitions"]) => {
                let state = match ask.json().pointer("/transition/id").and_then(Value::as_str) {
                    Some("21") => State::Open,
                    Some("31") => State::Done,
                    Some("41") => State::Cancelled,
                    _ => return Reply::empty(400),
                };
                if ticket.state != State::Open {
                    return Reply::empty(400);
                }
                ticket.state = state;
                Reply::empty(204)
            }
            _ => Reply::empty(404),
        }
    }
}

fn id_of(ticket: &Ticket) -> String {
    (FIRST + ticket.number).to_string()
}

fn key_of(ticket: &Ticket) -> String {
    format!("{DESK}-{}", ticket.number)
}

fn wrong(status: u16, message: &str) -> Reply {
    Reply::json(status, json!({"errorMessages": [message], "errors": {}}))
}

fn user(ask: &Ask, human: &Human) -> Value {
    json!({
        "self": format!("{}/rest/api/3/user?accountId={}", ask.base, human.account_id), "active": true,
        "accountId": human.account_id, "accountType": "atlassian", "emailAddress": human.email,
        "displayName": human.name, "timeZone": "Europe/Berlin",
    })
}

fn status(ask: &Ask, name: &str, category: &str) -> Value {
    json!({"self": ask.base, "id": "1", "name": name,
           "statusCategory": {"self": ask.base, "id": 1, "key": category, "name": category}})
}

fn asked(ask: &Ask, fields: &Value) -> Value {
    let wanted = ask.param("fields").split(',');
    let kept = wanted.filter_map(|name| Some((name.to_owned(), fields.get(name)?.clone())));
    Value::Object(kept.collect())
}

fn issue(ask: &Ask, ticket: &Ticket) -> Value {
    let id = id_of(ticket);
    let (name, category) = match ticket.state {
        State::Open => ("To Do", "new"),
        State::Done => ("Done", "done"),
        State::Cancelled => ("Cancelled", "done"),
    };
    let fields = json!({
        "summary": ticket.summary, "issuetype": {"id": "1", "name": "Task"}, "labels": ticket.labels,
        "status": status(ask, name, category), "description": ticket.description, "duedate": ticket.due,
    });
    json!({"id": id, "key": key_of(ticket), "self": format!("{}/rest/api/3/issue/{id}", ask.base),
           "fields": asked(ask, &fields)})
}

fn thing(ask: &Ask, thing: &Thing) -> Value {
    let id = (10_000 + thing.number).to_string();
    let fields = json!({"summary": thing.name, "issuetype": {"id": "2", "name": thing.kind}});
    json!({"id": id, "key": format!("{THINGS}-{}", thing.number), "fields": asked(ask, &fields),
           "self": format!("{}/rest/api/3/issue/{id}", ask.base)})
}
