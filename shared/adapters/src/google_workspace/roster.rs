//! All users of the customer.

use super::read::{CUSTOMER, User, page_of, users};
use crate::{http::Reader, page};
use leaver_domain::{
    fault::Fault,
    roster::{Mark, Page, Seen},
};

pub(super) async fn page(http: &Reader, from: Option<&Mark>) -> Result<Page, Fault> {
    let query = users([]).query("customer", CUSTOMER).query("maxResults", 500).query("orderBy", "email");
    let query = match from {
        Some(mark) => query.query("pageToken", &mark.0),
        None => query,
    };
    let (users, next) = page_of::<User>(&http.ask(query).await?, "users")?;
    page::of_roster(users.into_iter().map(seen).collect(), next, from)
}

fn seen(user: User) -> Seen {
    let status = user.status();
    Seen {
        email: Some(user.primary_email.clone()),
        employee_id: user.employee_number().map(str::to_owned),
        // Whoever never logged in did so at the beginning of all time.
        last_login: user.last_login_time.filter(|at| at.seconds() > 0),
        created_at: user.creation_time,
        privileged: Some(user.is_admin == Some(true) || user.is_delegated_admin == Some(true)),
        name: user.name.and_then(|name| name.full_name),
        ..Seen::new(user.id, user.primary_email, status)
    }
}
