//! All members, as SCIM has them: of the whole organisation, with the deactivated.

use super::read::{ScimList, ScimUser};
use crate::{
    http::{Query, Reader},
    page,
};
use leaver_domain::{
    fault::Fault,
    inventory::AccountStatus,
    roster::{Kind, Mark, Page, Seen},
};

pub(super) async fn page(http: &Reader, from: Option<&Mark>) -> Result<Page, Fault> {
    let query =
        Query::get(["Users"]).at("scim").query("startIndex", page::index_of(from)).query("count", 100);
    let list: ScimList = http.ask(query).await?.json()?;
    let next = page::index_after(from, list.resources.len(), list.total);
    page::of_roster(list.resources.into_iter().map(seen).collect(), next, from)
}

fn seen(user: ScimUser) -> Seen {
    let status = if user.active { AccountStatus::Active } else { AccountStatus::Suspended };
    Seen {
        employee_id: user.employee_number().map(str::to_owned),
        email: user.emails.into_iter().next().map(|email| email.value),
        kind: if user.guest.is_some() { Kind::Guest } else { Kind::Person },
        ..Seen::new(user.id, user.handle, status)
    }
}
