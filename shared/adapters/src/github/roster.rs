//! All members of the organisation, and then its outside collaborators.

use super::{
    graph::GRAPH,
    read::{User, get},
};
use crate::{graphql::typed, http::Reader, page};
use leaver_domain::{
    fault::Fault,
    inventory::AccountStatus,
    roster::{Kind, Mark, Page, Seen},
    time::Timestamp,
};
use serde::Deserialize;
use serde_json::{Value, json};

const ROSTER: &str = "query($org:String!,$after:String){organization(login:$org){\
membersWithRole(first:100,after:$after){pageInfo{hasNextPage endCursor}\
edges{role node{databaseId login name createdAt organizationVerifiedDomainEmails(login:$org)}}}}}";

/// Before the mark of a page of collaborators; a member's page has this for none.
const OUTSIDE: &str = "outside:";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Members {
    page_info: PageInfo,
    edges: Vec<Option<Edge>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    has_next_page: bool,
    end_cursor: Option<String>,
}

#[derive(Deserialize)]
struct Edge {
    role: Option<String>,
    node: Option<Node>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    database_id: Option<u64>,
    login: String,
    name: Option<String>,
    created_at: Option<Timestamp>,
    #[serde(default)]
    organization_verified_domain_emails: Vec<String>,
}

pub(super) async fn page(http: &Reader, org: &str, from: Option<&Mark>) -> Result<Page, Fault> {
    if let Some(place) = from.and_then(|mark| mark.0.strip_prefix(OUTSIDE)) {
        return outside(http, org, place).await;
    }
    let variables = json!({"org": org, "after": from.map(|mark| mark.0.as_str())});
    let mut data = GRAPH.ask(http, ROSTER, variables).await?;
    let list = data.pointer_mut("/organization/membersWithRole").map(Value::take).unwrap_or_default();
    let members: Members = typed(list)?;
    let further = members.page_info.end_cursor.filter(|_| members.page_info.has_next_page);
    let seen: Option<Vec<Seen>> = members.edges.into_iter().flatten().map(member).collect();
    let seen = seen.ok_or_else(|| Fault::shape("POST /graphql: a member without an id"))?;
    page::of_roster(seen, further.or_else(|| Some(OUTSIDE.to_owned())), from)
}

fn member(edge: Edge) -> Option<Seen> {
    let node = edge.node?;
    Some(Seen {
        email: node.organization_verified_domain_emails.into_iter().next(),
        name: node.name,
        // When the person joined GitHub, and not the organisation.
        created_at: node.created_at,
        privileged: edge.role.map(|role| role == "ADMIN"),
        ..Seen::new(node.database_id?.to_string(), node.login, AccountStatus::Active)
    })
}

async fn outside(http: &Reader, org: &str, place: &str) -> Result<Page, Fault> {
    let first = get(["orgs", org, "outside_collaborators"]).query("per_page", 100);
    let from = (!place.is_empty()).then(|| Mark(place.to_owned()));
    let each = |answer: &crate::http::Answer| {
        let users: Vec<User> = answer.json()?;
        let one = |user: User| Seen {
            kind: Kind::Guest,
            privileged: Some(false),
            ..Seen::new(user.id.to_string(), user.login, AccountStatus::Active)
        };
        Ok((users.into_iter().map(one).collect(), None))
    };
    let page = page::roster_by_link(http, first, from.as_ref(), each).await?;
    Ok(Page { next: page.next.map(|mark| Mark(format!("{OUTSIDE}{}", mark.0))), ..page })
}
