//! A customer database that the company wrote itself: people are looked up by e-mail, and switched off by their number.

use crate::{
    credentials::{Maker, pairs},
    twin::{AccountView, Ask, Reply, Twin, World},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(super) const ID: &str = "custom_crm";

struct Seller {
    number: usize,
    username: String,
    email: String,
    enabled: bool,
    open_windows: u32,
}

struct Crm {
    token: String,
    sellers: Vec<Seller>,
}

pub(super) fn settings(base: &str, make: &mut Maker) -> BTreeMap<String, String> {
    pairs([("base_url", base.to_owned()), ("token", make.token("crm_"))])
}

pub(super) fn twin(world: &World) -> Box<dyn Twin> {
    let sellers = world.people_in(ID).enumerate().map(|(index, sample)| Seller {
        number: 1_000 + index,
        username: sample.person.username.to_string(),
        email: sample.email_in(ID).to_owned(),
        enabled: true,
        open_windows: 1,
    });
    Box::new(Crm { token: world.setting(ID, "token"), sellers: sellers.collect() })
}

impl Twin for Crm {
    fn answer(&mut self, ask: &Ask) -> Reply {
        if self.token.is_empty() || ask.headers.get("x-api-key") != Some(&self.token) {
            return Reply::json(401, json!({"error": "no such key"}));
        }
        match (ask.method.as_str(), ask.segments().as_slice()) {
            ("GET", ["sellers"]) => {
                let hits: Vec<Value> = self
                    .sellers
                    .iter()
                    .filter(|seller| seller.email == ask.param("email"))
                    .map(|seller| json!({"number": seller.number, "email": seller.email}))
                    .collect();
                Reply::json(200, json!({"count": hits.len(), "sellers": hits}))
            }
            (method, ["sellers", number, rest @ ..]) => {
                let found = self.sellers.iter_mut().find(|seller| seller.number.to_string() == *number);
                let Some(seller) = found else {
                    return Reply::json(404, json!({"error": "no such seller"}));
                };
                match (method, rest) {
                    ("GET", []) => {
                        let open = seller.open_windows;
                        Reply::json(
                            200,
                            json!({"number": seller.number, "enabled": seller.enabled, "open": open}),
                        )
                    }
                    ("PUT", ["enabled"]) => match ask.json()["value"].as_bool() {
                        Some(value) => {
                            seller.enabled = value;
                            Reply::empty(204)
                        }
                        None => Reply::json(400, json!({"error": "value is true or false"})),
                    },
                    ("DELETE", ["windows"]) => {
                        seller.open_windows = 0;
                        Reply::empty(204)
                    }
                    _ => Reply::json(405, json!({"error": "not here"})),
                }
            }
            _ => Reply::json(404, json!({"error": "no such address"})),
        }
    }

    fn account(&self, username: &str) -> AccountView {
        let Some(seller) = self.sellers.iter().find(|seller| seller.username == username) else {
            return AccountView::default();
        };
        AccountView {
            exists: true,
            active: seller.enabled,
            sessions: (1..=seller.open_windows).map(|number| format!("window-{number}")).collect(),
            ..AccountView::default()
        }
    }
}
