//! A company's own wiki, which speaks SCIM and has no adapter: it is reached by configuration. What its server departs from
//! the standard in is its setting `quirk`.

use crate::{
    credentials::{Maker, pairs},
    scim::{Fate, Rules, Server, error},
    twin::{AccountView, Ask, Reply, Twin, World},
};
use serde_json::json;
use std::collections::BTreeMap;

/// Its path prefix, and its name among the stand-ins.
pub(super) const ID: &str = "custom_wiki";
const SPACES: [&str; 5] = ["Architecture", "Finance", "Onboarding", "Operations", "Product"];

struct Wiki {
    token: String,
    server: Server,
}

/// What leaver's secret says of it, and the setting that names its quirk: empty, or a field of the engine's `Quirks`, or
/// `ignores_filter`.
pub(super) fn settings(base: &str, make: &mut Maker) -> BTreeMap<String, String> {
    let base_url = format!("{base}/{ID}/scim/v2");
    pairs([("base_url", base_url), ("token", make.token("wiki_")), ("quirk", String::new())])
}

fn rules(quirk: &str) -> Rules {
    let mut rules = Rules::STANDARD;
    match quirk {
        "put_only" => rules.put_only = true,
        "active_as_string" => rules.active_as_string = true,
        "deactivate_by" => (rules.delete_only, rules.deleted) = (true, Fate::Kept),
        "single_operation" => rules.single_operation = true,
        "filter" => rules.filters = &["employeeNumber"],
        "no_filter" => rules.filters = &[],
        "ignores_filter" => rules.ignores_filter = true,
        "groups" => rules.groups = false,
        _ => {}
    }
    rules
}

/// The stand-in with the sample people.
pub(super) fn twin(world: &World) -> Box<dyn Twin> {
    let mut server = Server::new(rules(&world.setting(ID, "quirk")));
    for (number, name) in SPACES.into_iter().enumerate() {
        server.add_group(format!("space-{number}"), name);
    }
    for (number, sample) in world.people_in(ID).enumerate() {
        let spaces = if sample.person.department == "Finance" { &SPACES[1..] } else { &SPACES[2..] };
        server.add(ID, sample, &format!("user-{number:04}"), spaces, json!({}));
    }
    Box::new(Wiki { token: world.setting(ID, "token"), server })
}

impl Twin for Wiki {
    fn answer(&mut self, ask: &Ask) -> Reply {
        if ask.credential("Bearer ") != self.token || self.token.is_empty() {
            return error(401, None, "Unknown token");
        }
        match ask.segments().as_slice() {
            ["scim", "v2", path @ ..] => self.server.answer(ask, path),
            _ => error(404, None, "Not found"),
        }
    }

    fn account(&self, username: &str) -> AccountView {
        self.server.account(username, |_| Vec::new())
    }
}
