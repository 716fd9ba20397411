//! The Data Transfer API: a transfer is taken on at once, and is through when it has been looked at a few times.

use super::{error, not_found, paged};
use crate::twin::{Ask, Reply};
use serde_json::{Value, json};

const PAGE: usize = 2;
/// Looks after which a transfer is through.
const LOOKS: u32 = 2;
const APPLICATIONS: [(&str, &str); 3] =
    [("55656082996", "Drive and Docs"), ("435070579839", "Calendar"), ("553547912911", "Looker Studio")];

struct Transfer {
    id: String,
    from: String,
    to: String,
    applications: Vec<Value>,
    at: String,
    looks: u32,
}

/// Every transfer that was asked for.
#[derive(Default)]
pub(super) struct Transfers {
    all: Vec<Transfer>,
    /// From now on every transfer fails.
    pub(super) failing: bool,
}

impl Transfers {
    pub(super) fn answer(&mut self, ask: &Ask, path: &[&str], known: &dyn Fn(&str) -> bool) -> Reply {
        match (ask.method.as_str(), path) {
            ("GET", ["applications"]) => {
                let application = |(id, name): &(&str, &str)| {
                    json!({"kind": "admin#datatransfer#ApplicationResource", "etag": "\"1\"", "id": id, "name": name,
                           "transferParams": [{"key": "PRIVACY_LEVEL", "value": ["PRIVATE", "SHARED"]}]})
                };
                paged(ask, "applications", APPLICATIONS.iter().map(application).collect(), PAGE)
            }
            ("POST", ["transfers"]) => self.insert(ask, known),
            ("GET", ["transfers"]) => {
                let (from, to) = (ask.param("oldOwnerUserId"), ask.param("newOwnerUserId"));
                let asked = |one: &&mut Transfer| {
                    (from.is_empty() || one.from == from) && (to.is_empty() || one.to == to)
                };
                let failing = self.failing;
                let shown = self.all.iter_mut().filter(asked).map(|one| one.look(failing)).collect();
                paged(ask, "dataTransfers", shown, PAGE)
            }
            ("GET", ["transfers", id]) => {
                let failing = self.failing;
                let found = self.all.iter_mut().find(|one| one.id == *id);
                found.map_or_else(not_found, |one| Reply::json(200, one.look(failing)))
            }
            _ => not_found(),
        }
    }

    fn insert(&mut self, ask: &Ask, known: &dyn Fn(&str) -> bool) -> Reply {
        let body = ask.json();
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let (from, to) = (text("oldOwnerUserId"), text("newOwnerUserId"));
        let applications = body["applicationDataTransfers"].as_array().cloned().unwrap_or_default();
        let is_known = |one: &Value| APPLICATIONS.iter().any(|(id, _)| one["applicationId"] == *id);
        if applications.is_empty() || !applications.iter().all(is_known) {
            return error(400, "invalid", "Invalid application");
        }
        if from == to || !known(&from) || !known(&to) {
            return error(404, "notFound", "Resource Not Found: userId");
        }
        let id = format!("AKrEtIb{:06}", self.all.len());
        let at = ask.at.to_string();
        self.all.push(Transfer { id, from, to, applications, at, looks: 0 });
        Reply::json(200, self.all.last().map(|one| one.shown("inProgress")).unwrap_or_default())
    }
}

impl Transfer {
    fn look(&mut self, failing: bool) -> Value {
        self.looks += 1;
        self.shown(match self.looks > LOOKS {
            _ if failing => "failed",
            true => "completed",
            false => "inProgress",
        })
    }

    fn shown(&self, status: &str) -> Value {
        let of = |one: &Value| {
            let mut one = one.clone();
            one["applicationTransferStatus"] = json!(status);
            one
        };
        json!({"kind": "admin#datatransfer#DataTransfer", "etag": "\"1\"", "id": self.id,
               "oldOwnerUserId": self.from, "newOwnerUserId": self.to, "overallTransferStatusCode": status,
               "requestTime": self.at, "applicationDataTransfers": self.applications.iter().map(of).collect::<Vec<_>>()})
    }
}
