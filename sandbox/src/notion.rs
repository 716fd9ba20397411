//! Notion's stand-in: the SCIM service of one workspace. Whoever is made inactive or deleted is no member any more: not
//! listed, in no group, logged out; added again, they are the same account. The owner who made the token cannot be removed.

use crate::{
    credentials::{Maker, pairs},
    scim::{Fate, Rules, Server, error},
    twin::{AccountView, Ask, Reply, Twin, World},
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const ID: &str = "notion";
const EXTENSION: &str = "urn:ietf:params:scim:schemas:extension:notion:2.0:User";
/// Groups of the workspace beside those of the departments.
const GROUPS: [&str; 4] = ["Handbook", "Launch", "Reviewers", "Wiki"];
const DEPARTMENTS: [&str; 7] = ["Engineering", "Sales", "Finance", "Support", "Security", "People", "Audit"];

/// The owner who made leaver's token. No sample person, so that nobody of them cannot leave.
const MAKER: &str = "workspace.owner";

struct Notion {
    token: String,
    server: Server,
}

/// The credentials that leaver presents here.
pub(crate) fn settings(base: &str, make: &mut Maker) -> BTreeMap<String, String> {
    pairs([("base_url", format!("{base}/scim/v2")), ("token", make.token("secret_"))])
}

/// The stand-in with the sample people.
pub(crate) fn twin(world: &World) -> Box<dyn Twin> {
    let rules = Rules {
        filters: &["email", "given_name", "family_name"],
        inactive: Fate::Removed,
        untouchable: Some(format!("{MAKER}@example.com")),
        ..Rules::STANDARD
    };
    let mut server = Server::new(rules);
    for (number, name) in GROUPS.into_iter().chain(DEPARTMENTS).enumerate() {
        server.add_group(format!("00000000-0000-4000-9000-{number:012}"), name);
    }
    let maker = world.people.first().cloned().and_then(|mut maker| {
        maker.person.username = MAKER.parse().ok()?;
        maker.person.employee_id = "EMP-00001".parse().ok()?;
        maker.person.email = format!("{MAKER}@example.com");
        maker.traits.sole_admin_of.insert(ID.to_owned());
        Some(maker)
    });
    for (number, sample) in world.people_in(ID).chain(maker.as_ref()).enumerate() {
        let traits = &sample.traits;
        let role = match () {
            () if traits.sole_admin_of.contains(ID) || traits.admin_of.contains(ID) => "owner",
            // Whoever administers something else administers the members here.
            () if !traits.admin_of.is_empty() => "membership_admin",
            () => "member",
        };
        let more = json!({EXTENSION: {"role": role}});
        let [handbook, launch, reviewers, wiki] = GROUPS;
        let groups = [handbook, launch, reviewers, wiki, sample.person.department.as_str()];
        server.add(ID, sample, &format!("00000000-0000-4000-8000-{number:012}"), &groups, more);
    }
    Box::new(Notion { token: world.setting(ID, "token"), server })
}

fn role(user: &Map<String, Value>) -> Vec<String> {
    let role = user.get(EXTENSION).and_then(|of| of["role"].as_str());
    role.filter(|role| *role != "member").map(str::to_owned).into_iter().collect()
}

impl Twin for Notion {
    fn answer(&mut self, ask: &Ask) -> Reply {
        if ask.credential("Bearer ") != self.token || self.token.is_empty() {
            return error(401, None, "API token is invalid");
        }
        match ask.segments().as_slice() {
            ["scim", "v2", path @ ..] => self.server.answer(ask, path),
            _ => error(404, None, "Not found"),
        }
    }

    fn account(&self, username: &str) -> AccountView {
        self.server.account(username, role)
    }
}
