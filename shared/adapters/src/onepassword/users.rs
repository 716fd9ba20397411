//! The Users API: all it knows of a user is an e-mail address and a state.

use super::{SPEC, User, only};
use crate::{
    http::{Command, Query, Reader, Writer},
    page,
};
use leaver_domain::{fault::Fault, inventory::AccountStatus, person::Person};
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
    state: String,
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
        status: match listed.state.as_str() {
            "SUSPENDED" => AccountStatus::Suspended,
            _ => AccountStatus::Active,
        },
        id: listed.id,
        login: listed.email,
        matched_by: "email",
    };
    only(found.await?.into_iter().map(user).collect())
}

/// Suspends or reactivates; a repeat answers 200 and changes nothing.
pub(super) async fn set_active(http: &Writer, account: &str, id: &str, active: bool) -> Result<(), Fault> {
    let step = format!("{id}:{}", if active { "reactivate" } else { "suspend" });
    http.tell(Command::post(["v1beta1", "accounts", account, "users", &step])).await.map(|_| ())
}
