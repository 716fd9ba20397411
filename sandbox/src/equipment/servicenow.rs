//! As ServiceNow: the Table API over users, assets and incidents, with access controls that ignore what is written.

use super::{Desk, State, Ticket};
use crate::twin::{Ask, Reply, next_link, slice, token_reply};
use serde_json::{Value, json};

use super::PAGE;

/// Whether a row meets an encoded query: conditions joined by `^`, alternatives by `^OR`.
fn meets(row: &Value, query: &str) -> bool {
    let mut all = true;
    let mut any: Option<bool> = None;
    for part in query.split('^').filter(|part| !part.is_empty() && !part.starts_with("ORDERBY")) {
        let (is_or, part) = part.strip_prefix("OR").map_or((false, part), |rest| (true, rest));
        let (field, wanted) = part.split_once('=').unwrap_or((part, ""));
        let met = row[field].as_str().unwrap_or_default() == wanted;
        if is_or {
            any = Some(any.unwrap_or(false) || met);
        } else {
            all &= any.unwrap_or(true);
            any = Some(met);
        }
    }
    all && any.unwrap_or(true)
}

fn error(status: u16, message: &str) -> Reply {
    Reply::json(status, json!({"error": {"message": message, "detail": null}, "status": "failure"}))
}

fn shown(ask: &Ask, row: &Value) -> Value {
    let fields = ask.param("sysparm_fields");
    if fields.is_empty() {
        return row.clone();
    }
    let kept = fields.split(',').filter_map(|name| Some((name.to_owned(), row.get(name)?.clone())));
    Value::Object(kept.collect())
}

fn sys_id(ticket: &Ticket) -> String {
    format!("9{:031x}", ticket.number)
}

fn incident(ticket: &Ticket) -> Value {
    let (state, active) = match ticket.state {
        State::Open => ("1", "true"),
        State::Done => ("7", "false"),
        State::Cancelled => ("8", "false"),
    };
    json!({
        "sys_id": sys_id(ticket), "number": format!("INC{:07}", ticket.number), "state": state, "active": active,
        "short_description": ticket.summary, "description": ticket.description.as_str().unwrap_or_default(),
        "correlation_id": ticket.labels.first().cloned().unwrap_or_default(),
        "assigned_to": ticket.assignee.clone().unwrap_or_default(), "due_date": ticket.due.clone().unwrap_or_default(),
    })
}

impl Desk {
    /// The token of the client credentials grant.
    pub(super) fn token(&self, ask: &Ask) -> Reply {
        let form = ask.form();
        let of = |name: &str| form.get(name).map_or("", String::as_str);
        let known = !self.client.1.is_empty()
            && of("grant_type") == "client_credentials"
            && (of("client_id"), of("client_secret")) == (self.client.0.as_str(), self.client.1.as_str());
        if known { token_reply(&self.token) } else { Reply::json(401, json!({"error": "access_denied"})) }
    }

    pub(super) fn as_servicenow(&mut self, ask: &Ask, table: &str, rest: &[&str]) -> Reply {
        if ask.credential("Bearer ") != self.token || self.client.1.is_empty() {
            return error(401, "User Not Authenticated");
        }
        match (ask.method.as_str(), table, rest) {
            ("GET", _, []) => self.list(ask, table),
            ("POST", "incident", []) => self.open(ask),
            (method @ ("GET" | "PATCH"), "incident", [id]) => {
                let Some(index) = self.tickets.iter().position(|one| sys_id(one) == *id) else {
                    return error(404, "No Record found");
                };
                if method == "PATCH" {
                    self.write(&ask.json(), index);
                }
                Reply::json(200, json!({"result": shown(ask, &incident(&self.tickets[index]))}))
            }
            _ => error(400, "Invalid table"),
        }
    }

    fn rows(&self, table: &str, displayed: bool) -> Option<Vec<Value>> {
        let rows = match table {
            "sys_user" => {
                let user = |human: &super::Human| {
                    json!({"sys_id": human.sys_id, "user_name": human.username, "name": human.name, "active": "true",
                           "email": human.email, "employee_number": human.number})
                };
                self.humans.iter().map(user).collect()
            }
            "alm_asset" => {
                let asset = |thing: &super::Thing| {
                    let category = if displayed { thing.kind } else { "81feb9c137101000deeabfc8bcbe5dc4" };
                    json!({"sys_id": format!("5{:031x}", thing.number), "asset_tag": format!("P{:06}", thing.number),
                           "display_name": thing.name, "model_category": category,
                           "assigned_to": self.humans[thing.holder].sys_id})
                };
                self.things.iter().map(asset).collect()
            }
            "incident" => self.tickets.iter().map(incident).collect(),
            _ => return None,
        };
        Some(rows)
    }

    fn list(&self, ask: &Ask, table: &str) -> Reply {
        let displayed = ask.param("sysparm_display_value") == "true";
        let Some(rows) = self.rows(table, displayed) else { return error(400, "Invalid table") };
        let all: Vec<Value> = rows
            .iter()
            .filter(|row| meets(row, ask.param("sysparm_query")))
            .map(|row| shown(ask, row))
            .collect();
        let limit = ask.param("sysparm_limit").parse::<usize>().unwrap_or(10_000).clamp(1, PAGE);
        let (page, next) = slice(&all, ask.param("sysparm_offset").parse().unwrap_or(0), limit);
        let reply = Reply::json(200, json!({"result": page})).header("x-total-count", all.len());
        match next {
            Some(next) => reply.header("link", next_link(ask, "sysparm_offset", next)),
            None => reply,
        }
    }

    fn open(&mut self, ask: &Ask) -> Reply {
        self.tickets.push(Ticket {
            number: self.tickets.len() + 1,
            summary: String::new(),
            description: json!(""),
            labels: Vec::new(),
            assignee: None,
            due: None,
            state: State::Open,
            is_new: false,
        });
        let index = self.tickets.len() - 1;
        self.write(&ask.json(), index);
        Reply::json(201, json!({"result": shown(ask, &incident(&self.tickets[index]))}))
    }

    /// Writes what the access controls let through; the rest is ignored without a word.
    fn write(&mut self, body: &Value, index: usize) {
        for (field, value) in body.as_object().into_iter().flatten() {
            let (Some(text), false) = (value.as_str(), self.forbidden.contains(field)) else { continue };
            let ticket = &mut self.tickets[index];
            match (field.as_str(), text) {
                ("short_description", text) => text.clone_into(&mut ticket.summary),
                ("description", text) => ticket.description = text.into(),
                ("correlation_id", text) => ticket.labels = vec![text.to_owned()],
                ("assigned_to", text) => ticket.assignee = Some(text.to_owned()),
                ("due_date", text) => ticket.due = Some(text.to_owned()),
                ("state", "8") => ticket.state = State::Cancelled,
                ("state", "6" | "7") => ticket.state = State::Done,
                _ => {}
            }
        }
    }
}
