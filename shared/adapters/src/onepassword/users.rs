//! The Users API: all it knows of a user is an e-mail address and a state.

use super::{SPEC, User, only};
use crate::{
    http::{Command, Query, Reader, Writer},
    page,
};
use leaver_domain::{
    fault::Fault,
    inventory::AccountStatus,
    person::Person,
    roster::{Mark, Page as Roster, Seen},
    time::Timestamp,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    results: Vec<Listed>,
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
struct Listed {
    id: String,
    email: String,
    display_name: Option<String>,
    state: String,
    create_time: Option<Timestamp>,
}

impl Listed {
    fn status(&self) -> AccountStatus {
        match self.state.as_str() {
            "SUSPENDED" => AccountStatus::Suspended,
            _ => AccountStatus::Active,
        }
    }
}

fn all(account: &str) -> Query {
    Query::get(["v1beta1", "accounts", account, "users"])
}

/// The shortest list.
pub(super) fn one(account: &str) -> Query {
    all(account).query("max_page_size", 1)
}

/// A user whom nobody is: allowed to be asked for with the scope for single users, and then not found.
pub(super) fn nobody(account: &str) -> Query {
    Query::get(["v1beta1", "accounts", account, "users", "AAAAAAAAAAAAAAAAAAAAAAAAAA"])
}

/// The user who is this person. There is no search: everybody is listed, and the suspended with them.
pub(super) async fn locate(http: &Reader, account: &str, who: &Person) -> Result<Option<User>, Fault> {
    let login = who.login_or_email(SPEC.id);
    let ask = |token: Option<&str>| {
        let query = all(account).query("max_page_size", 1000);
        Ok(match token {
            Some(token) => query.query("page_token", token),
            None => query,
        })
    };
    let is_meant = |user: &Listed| [login, &who.email].iter().any(|own| user.email.eq_ignore_ascii_case(own));
    let found = page::by_token(http, ask, |answer| {
        let page: Page = answer.json()?;
        Ok((page.results.into_iter().filter(is_meant).collect(), page.next_page_token))
    });
    let user = |listed: Listed| User {
        status: listed.status(),
        id: listed.id,
        login: listed.email,
        matched_by: "email",
    };
    only(found.await?.into_iter().map(user).collect())
}

/// One page of everybody.
pub(super) async fn roster(http: &Reader, account: &str, from: Option<&Mark>) -> Result<Roster, Fault> {
    let query = all(account).query("max_page_size", 1000);
    let query = match from {
        Some(mark) => query.query("page_token", &mark.0),
        None => query,
    };
    let listed: Page = http.ask(query).await?.json()?;
    let seen = |user: Listed| {
        let status = user.status();
        let (email, name, created_at) = (Some(user.email.clone()), user.display_name, user.create_time);
        Seen { email, name, created_at, ..Seen::new(user.id, user.email, status) }
    };
    page::of_roster(listed.results.into_iter().map(seen).collect(), listed.next_page_token, from)
}

/// Suspends or reactivates; a repeat answers 200 and changes nothing.
pub(super) async fn set_active(http: &Writer, account: &str, id: &str, active: bool) -> Result<(), Fault> {
    let step = format!("{id}:{}", if active { "reactivate" } else { "suspend" });
    http.tell(Command::post(["v1beta1", "accounts", account, "users", &step])).await.map(|_| ())
}
