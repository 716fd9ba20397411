//! All roles that may log in, in the order of their names.

use super::{
    read::parsed,
    session::{Reading, Server},
    sql,
};
use crate::{http::Reader, page};
use leaver_domain::{
    fault::Fault,
    inventory::AccountStatus,
    roster::{Kind, Mark, Page, Seen},
};
use serde::Deserialize;

/// Roles of one page; the statement has the same number.
const AT_ONCE: usize = 200;

#[derive(Deserialize)]
struct Role {
    id: String,
    name: String,
    privileged: bool,
    own: bool,
    bootstrap: bool,
}

pub(super) async fn page(server: &Server, http: &Reader, from: Option<&Mark>) -> Result<Page, Fault> {
    let main = Reading::open(server, http, &server.main).await?;
    let after = from.map_or("", |mark| mark.0.as_str());
    let roles: Vec<Role> = parsed("roster", &main.rows("roster", sql::ROSTER, &[after]).await?)?;
    let next = (roles.len() >= AT_ONCE).then(|| roles.last().map(|role| role.name.clone())).flatten();
    page::of_roster(roles.into_iter().map(seen).collect(), next, from)
}

fn seen(role: Role) -> Seen {
    // The role of the set-up and leaver's own belong to nobody in particular.
    let kind = if role.own || role.bootstrap { Kind::Service } else { Kind::Person };
    Seen { kind, privileged: Some(role.privileged), ..Seen::new(role.id, role.name, AccountStatus::Active) }
}
