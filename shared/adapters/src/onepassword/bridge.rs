//! SCIM: the users and the groups that provisioning manages (RFC 7644).

use super::{SPEC, User, only};
use crate::{
    http::{Command, Query, Reader, Writer},
    page,
};
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::{AccountStatus, Grant, GrantKind},
    person::Person,
    plan::Outcome,
    roster::{Mark, Page, Seen},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

const HOST: &str = "scim";
const MEDIA_TYPE: &str = "application/scim+json";
/// Entries asked for at once; whoever gives fewer is asked again.
const PAGE: usize = 100;

#[derive(Deserialize)]
struct List<T> {
    #[serde(rename = "totalResults")]
    total: usize,
    #[serde(rename = "Resources", default = "Vec::new")]
    resources: Vec<T>,
}

#[derive(Deserialize)]
struct Record {
    id: String,
    #[serde(rename = "userName")]
    name: String,
    active: bool,
    #[serde(default)]
    emails: Vec<Reference>,
    #[serde(rename = "externalId")]
    external_id: Option<String>,
    #[serde(rename = "displayName")]
    display_name: Option<String>,
    #[serde(rename = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User")]
    enterprise: Option<Enterprise>,
}

#[derive(Deserialize)]
struct Enterprise {
    #[serde(rename = "employeeNumber")]
    employee_number: Option<String>,
}

#[derive(Deserialize)]
struct Group {
    id: String,
    #[serde(rename = "displayName")]
    name: String,
    #[serde(default)]
    members: Vec<Reference>,
}

#[derive(Deserialize)]
struct Reference {
    value: String,
}

/// The shortest list.
pub(super) fn one() -> Query {
    Query::get(["Users"]).at(HOST).query("count", 1)
}

/// Everything of a list that is kept.
async fn list<T: DeserializeOwned>(
    http: &Reader,
    of: &str,
    keep: impl Fn(&T) -> bool,
) -> Result<Vec<T>, Fault> {
    let mut read = 0;
    let ask = |start: Option<&str>| {
        let query = Query::get([of]).at(HOST).query("startIndex", start.unwrap_or("1"));
        Ok(query.query("count", PAGE))
    };
    page::by_token(http, ask, |answer| {
        let list: List<T> = answer.json()?;
        let more = read + list.resources.len() < list.total && !list.resources.is_empty();
        read += list.resources.len();
        Ok((list.resources.into_iter().filter(&keep).collect(), more.then(|| (read + 1).to_string())))
    })
    .await
}

impl Record {
    fn employee_number(&self) -> Option<&str> {
        self.enterprise.as_ref()?.employee_number.as_deref().filter(|number| !number.is_empty())
    }

    /// By what this is the person's record, if it is.
    fn matches(&self, who: &Person) -> Option<&'static str> {
        let login = who.login_or_email(SPEC.id);
        let is_own = |text: &str| [login, &who.email].iter().any(|own| text.eq_ignore_ascii_case(own));
        let number = who.employee_id.as_str();
        match () {
            () if is_own(&self.name) => Some("login"),
            () if self.emails.iter().any(|email| is_own(&email.value)) => Some("email"),
            () if self.employee_number() == Some(number) => Some("employee_id"),
            () if self.external_id.as_deref() == Some(number) => Some("external_id"),
            () => None,
        }
    }
}

/// The user who is this person. Everybody is listed: which attribute a bridge can filter by depends on who feeds it.
pub(super) async fn locate(http: &Reader, who: &Person) -> Result<Option<User>, Fault> {
    let found = list(http, "Users", |record: &Record| record.matches(who).is_some()).await?;
    let other = |record: &&Record| record.employee_number().is_some_and(|is| is != who.employee_id.as_str());
    if let Some(record) = found.iter().find(other) {
        let detail = format!("the user {} carries another employee number", record.name);
        return Err(Fault::new(FaultKind::Ambiguous, detail));
    }
    let user = |record: Record| User {
        matched_by: record.matches(who).unwrap_or("login"),
        status: if record.active { AccountStatus::Active } else { AccountStatus::Suspended },
        id: record.id,
        login: record.name,
    };
    only(found.into_iter().map(user).collect())
}

/// One page of everybody.
pub(super) async fn roster(http: &Reader, from: Option<&Mark>) -> Result<Page, Fault> {
    let query = Query::get(["Users"]).at(HOST).query("startIndex", page::index_of(from)).query("count", PAGE);
    let list: List<Record> = http.ask(query).await?.json()?;
    let next = page::index_after(from, list.resources.len(), list.total);
    let seen = |record: Record| Seen {
        employee_id: record.employee_number().map(str::to_owned),
        email: record.emails.into_iter().next().map(|email| email.value),
        name: record.display_name,
        ..Seen::new(
            record.id,
            record.name,
            if record.active { AccountStatus::Active } else { AccountStatus::Suspended },
        )
    };
    page::of_roster(list.resources.into_iter().map(seen).collect(), next, from)
}

/// The managed groups that a user belongs to.
pub(super) async fn groups(http: &Reader, id: &str) -> Result<Vec<Grant>, Fault> {
    let held = |group: &Group| group.members.iter().any(|member| member.value == id);
    let grant = |group: Group| Grant {
        id: group.id,
        kind: GrantKind::Group,
        name: group.name,
        privileged: false,
        fixed: None,
        sole_holder: false,
    };
    Ok(list(http, "Groups", held).await?.into_iter().map(grant).collect())
}

async fn patch(http: &Writer, of: &str, id: &str, operation: Value) -> Result<(), Fault> {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [operation],
    });
    http.tell(Command::patch([of, id]).at(HOST).json_as(MEDIA_TYPE, body)).await.map(|_| ())
}

pub(super) async fn set_active(http: &Writer, id: &str, active: bool) -> Result<(), Fault> {
    patch(http, "Users", id, json!({"op": "replace", "path": "active", "value": active})).await
}

pub(super) async fn set_member(http: &Writer, group: &str, id: &str, member: bool) -> Result<Outcome, Fault> {
    let operation = match member {
        true => json!({"op": "add", "path": "members", "value": [{"value": id}]}),
        false => json!({"op": "remove", "path": format!("members[value eq \"{id}\"]")}),
    };
    patch(http, "Groups", group, operation).await.map(|()| Outcome::Done)
}
