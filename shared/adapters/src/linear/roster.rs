//! All users of the workspace, applications among them.

use super::GRAPH;
use crate::{graphql::typed, http::Reader, page};
use leaver_domain::{
    fault::Fault,
    inventory::AccountStatus,
    roster::{Kind, Mark, Page, Seen},
    time::Timestamp,
};
use serde::Deserialize;
use serde_json::{Value, json};

const ROSTER: &str = "query($after:String){users(first:50,after:$after,includeDisabled:true){\
pageInfo{hasNextPage endCursor}nodes{id name email active admin owner guest app lastSeen createdAt}}}";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Users {
    page_info: PageInfo,
    nodes: Vec<User>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    has_next_page: bool,
    end_cursor: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct User {
    id: String,
    name: String,
    email: String,
    active: bool,
    admin: bool,
    owner: bool,
    guest: bool,
    app: bool,
    last_seen: Option<Timestamp>,
    created_at: Option<Timestamp>,
}

pub(super) async fn page(http: &Reader, from: Option<&Mark>) -> Result<Page, Fault> {
    let mut data = GRAPH.ask(http, ROSTER, json!({"after": from.map(|mark| mark.0.as_str())})).await?;
    let users: Users = typed(data.pointer_mut("/users").map(Value::take).unwrap_or_default())?;
    let next = users.page_info.end_cursor.filter(|_| users.page_info.has_next_page);
    page::of_roster(users.nodes.into_iter().map(seen).collect(), next, from)
}

fn seen(user: User) -> Seen {
    let kind = match (user.app, user.guest) {
        (true, _) => Kind::Service,
        (_, true) => Kind::Guest,
        _ => Kind::Person,
    };
    Seen {
        email: Some(user.email.clone()),
        name: Some(user.name),
        last_login: user.last_seen,
        created_at: user.created_at,
        kind,
        privileged: Some(user.admin || user.owner),
        ..Seen::new(
            user.id,
            user.email,
            if user.active { AccountStatus::Active } else { AccountStatus::Suspended },
        )
    }
}
