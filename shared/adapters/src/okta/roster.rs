//! All users of the organisation, as its plain list has them: without the deprovisioned.

use super::{User, status_of};
use crate::{
    http::{Query, Reader},
    page,
};
use leaver_domain::{
    fault::Fault,
    roster::{Mark, Page, Seen},
};

pub(super) async fn page(http: &Reader, from: Option<&Mark>) -> Result<Page, Fault> {
    let first = Query::get(["api", "v1", "users"]).query("limit", 200);
    let each = |answer: &crate::http::Answer| {
        let users: Vec<User> = answer.json()?;
        Ok((users.into_iter().map(seen).collect(), None))
    };
    page::roster_by_link(http, first, from, each).await
}

fn seen(user: User) -> Seen {
    Seen {
        email: user.profile.email,
        employee_id: user.profile.employee_number,
        last_login: user.last_login,
        created_at: user.created,
        ..Seen::new(user.id, user.profile.login, status_of(&user.status))
    }
}
